"""Symbols on two connections: what one of them loses the other one brings, and the book notices nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from orderbook.errors import UsageError
from orderbook.events import StateChanged
from orderbook.feed.events import FeedEvent
from orderbook.feed.feed import Feed
from orderbook.feed.merger import LaneTally
from orderbook.feed.opening import open_feed
from orderbook.feed.seams import Record, RecordKind
from orderbook.feed.settings import FeedSettings
from orderbook.testing import Route, VirtualKuCoin, assert_true, compare, run
from orderbook.types import BookState
from snapshots import records as recorded
from snapshots.replay import Replay
from tests.waiting import elapse, until

BTC, ETH = "BTC-USDT", "ETH-USDT"
CALM = FeedSettings(audit_interval_ms=None, instruments_interval_ms=None)
WAY = Route(up_ms=(5.0, 10.0), down_ms=(1.0, 30.0))


class World:
    """A venue and a feed with BTC-USDT on two connections and ETH-USDT on one."""

    def __init__(self, venue: VirtualKuCoin, feed: Feed) -> None:
        self.venue = venue
        self.feed = feed
        self.left: list[str] = []

    def hear(self, event: FeedEvent) -> None:
        """Note who left LIVE."""
        if isinstance(event.event, StateChanged) and event.event.old is BookState.LIVE:
            self.left.append(event.symbol or "")

    @property
    def lanes(self) -> tuple[LaneTally, ...]:
        """What the two connections of BTC-USDT did."""
        return self.feed.symbol_metrics(BTC).lanes

    def connection(self, number: int) -> int:
        """The venue's number of the first or second connection of BTC-USDT; ETH-USDT is on the first one as well."""
        sessions = self.venue.exchange.sessions.items()
        both = {conn: {symbol for _, symbol in one.topics} for conn, one in sessions}
        return next(conn for conn, symbols in both.items() if BTC in symbols and (ETH in symbols) is (number == 0))

    async def settled(self) -> None:
        """Wait until both carry it and every book is LIVE."""
        await until(lambda: all(tally.first + tally.copies for tally in self.lanes), 30, every_s=0.01)
        await until(lambda: self.feed.health().books_live == len(self.feed.symbols), 30, every_s=0.01)


@asynccontextmanager
async def world(
    *, settings: FeedSettings = CALM, seed: int = 1, rate: float = 400.0, record: Record | None = None
) -> AsyncIterator[World]:
    """Set it up; both connections carry the symbol, and every book is LIVE."""
    async with VirtualKuCoin(symbols=[BTC, ETH], seed=seed, rate=rate, route=WAY) as venue:
        heard: list[Callable[[FeedEvent], None]] = []
        feed = venue.open_feed(
            settings=settings,
            twice=[BTC],
            on_event=lambda event: [hear(event) for hear in heard] and None,
            outside=venue.outside(record=record),
        )
        async with feed:
            made = World(venue, feed)
            await made.settled()
            heard.append(made.hear)
            yield made


def play(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run it in virtual time."""
    run(story)


def test_both_connections_carry_it_and_the_book_has_each_delta_once() -> None:
    """Whichever brings it first; by how much it won is told."""

    async def story() -> None:
        async with world() as on:
            assert ["1", "second 2"] == [link.name for link in on.feed.health().links]
            # What the snapshot covered were duplicates to the book.
            joined = on.feed.counters(BTC).duplicates
            await elapse(20)
            first, second = on.lanes
            assert min(first.first, second.first) > 100 < min(first.copies, second.copies)
            assert (0, 0) == (first.late + first.rejected, second.late + second.rejected)
            assert 0 < (first.behind_ns.max_ns or 0) <= 30e6
            counters = on.feed.counters(BTC)
            assert (0, 0, joined, 0) == (counters.gaps, counters.reorders, counters.duplicates, counters.resets)
            assert counters.frames == first.first + second.first
            assert () == on.feed.symbol_metrics(ETH).lanes
            assert [] == on.left
            for symbol in (BTC, ETH):
                assert_true(on.feed[symbol], on.venue.market[symbol])

    play(story)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_one_of_them_loses_is_no_gap(seed: int) -> None:
    """With 3 % lost on each, nearly all holes are filled; the symbol on one connection has every one of them."""

    async def story() -> None:
        async with world(seed=seed) as on:
            on.venue.strike({"fault": "drop", "p": 0.03})
            await elapse(20)
            twice, once = on.feed.counters(BTC), on.feed.counters(ETH)
            assert once.gaps > 20
            assert twice.gaps < once.gaps / 5
            assert sum(tally.missed for tally in on.lanes) > 50

    play(story)


@pytest.mark.parametrize("number", [0, 1])
def test_the_loss_of_one_connection_is_not_noticed(number: int) -> None:
    """Nor is it when it is there again; the symbol on one connection leaves LIVE with it."""

    async def story() -> None:
        async with world() as on:
            asked = on.feed.counters(BTC).snapshots_asked
            on.venue.strike({"fault": "disconnect", "scope": f"connection:{on.connection(number)}", "at_ms": 0})
            await until(lambda: on.feed.health().links_up == 1, 5, every_s=0.001)
            assert on.feed[BTC].is_live
            await until(lambda: on.feed.health().links_up == 2, 30, every_s=0.01)
            before = [tally.first + tally.copies for tally in on.lanes]
            await elapse(5)
            assert all(tally.first + tally.copies > then for tally, then in zip(on.lanes, before, strict=True))
            assert BTC not in on.left
            assert (ETH in on.left) is (number == 0)
            # A recording, which has the first connection only, needs a snapshot to go on from.
            assert asked + (number == 0) == on.feed.counters(BTC).snapshots_asked
            assert 0 == on.feed.symbol_metrics(BTC).reconnects
            assert_true(on.feed[BTC], on.venue.market[BTC])

    play(story)


def test_without_both_the_book_is_not_live() -> None:
    """And it is LIVE again with the first that is back."""

    async def story() -> None:
        async with world() as on:
            on.venue.unplug(3_000)
            await elapse(0.001)
            assert [False, False] == [on.feed[symbol].is_live for symbol in (BTC, ETH)]
            await on.feed.ready(BTC, timeout_s=60)
            await on.settled()
            assert 1 == on.left.count(BTC)
            assert_true(on.feed[BTC], on.venue.market[BTC])

    play(story)


def test_connections_are_replaced_and_nobody_notices() -> None:
    """Both of them, at times of their own."""

    async def story() -> None:
        async with world(settings=replace(CALM, link_life_ms=3_000)) as on:
            await until(lambda: on.feed.health().reconnects >= 6, 60, every_s=0.01)
            assert [] == on.left
            assert 0 == on.feed.counters(BTC).gaps
            assert_true(on.feed[BTC], on.venue.market[BTC])

    play(story)


@pytest.mark.parametrize("number", [0, 1])
def test_a_black_hole_on_one_of_them_is_not_noticed(number: int) -> None:
    """The book is as fresh as the connection that is heard; the dead one is found out and made anew."""

    async def story() -> None:
        async with world() as on:
            on.venue.strike({"fault": "black_hole", "scope": f"connection:{on.connection(number)}", "at_ms": 0})
            for _ in range(300):
                await elapse(0.1)
                assert on.feed[BTC].is_live
            assert BTC not in on.left
            assert 1 == on.feed.health().reconnects

    play(story)


def test_black_holes_on_both_are_noticed_as_ever() -> None:
    """Nothing is heard on either: no read after the bound for a single connection."""

    async def story() -> None:
        async with world() as on:
            on.venue.strike({"fault": "black_hole", "at_ms": 0})
            await elapse(5.1)
            assert not on.feed[BTC].is_live
            await on.feed.ready(BTC, timeout_s=60)
            assert_true(on.feed[BTC], on.venue.market[BTC])

    play(story)


def test_symbols_come_and_go_on_two_connections() -> None:
    """Without a trace: the second one is closed when nobody is on it."""

    async def story() -> None:
        async with world(settings=replace(CALM, idle_link_ms=1_000)) as on:
            await on.feed.remove(BTC)
            await until(lambda: len(on.feed.health().links) == 1, 10, every_s=0.01)
            await on.feed.add(BTC, twice=True)
            await on.feed.ready(BTC, timeout_s=10)
            await on.settled()
            await on.feed.remove(BTC)
            await on.feed.add(BTC)
            await on.feed.ready(BTC, timeout_s=10)
            assert () == on.lanes
            with pytest.raises(UsageError, match="BTC-USDT is on one connection: remove it"):
                await on.feed.add(BTC, ETH, twice=True)

    play(story)


def test_a_symbol_that_is_named_must_be_there() -> None:
    """It is not kept by being named for this alone."""
    with pytest.raises(UsageError, match="SOL-USDT"):
        open_feed("kucoin", [BTC], twice=["SOL-USDT"])
    with pytest.raises(UsageError, match="list"):
        open_feed("kucoin", [BTC], twice=BTC)


def test_what_cannot_be_read_on_one_of_them_comes_from_the_other_one() -> None:
    """It is counted there, and no reason to begin anew."""

    async def story() -> None:
        async with world() as on:
            on.venue.strike({"fault": "garble", "p": 0.05, "scope": f"connection:{on.connection(1)}"})
            await elapse(10)
            assert 20 < on.lanes[1].rejected
            assert [] == on.left
            assert (0, 0) == (on.feed.counters(BTC).gaps, sum(on.feed.counters(BTC).rejected.values()))
            # Alone, it is a loss as ever.
            on.venue.strike({"fault": "disconnect", "scope": f"connection:{on.connection(0)}", "at_ms": 0})
            on.venue.strike({"fault": "refuse", "p": 1.0, "for_ms": 5_000})
            await until(lambda: sum(on.feed.counters(BTC).rejected.values()) > 0, 5, every_s=0.01)
            assert BTC in on.left

    play(story)


def test_a_connection_that_the_venue_refuses_it_on_is_done_without() -> None:
    """The book is there all the same; refused on both, it has failed."""

    async def story(scope: str) -> tuple[BookState, int]:
        async with VirtualKuCoin(symbols=[BTC], seed=1, rate=100.0, route=WAY) as venue:
            venue.strike({"fault": "error_ack", "code": 400, "p": 1.0, "scope": scope})
            async with venue.open_feed(settings=CALM, twice=[BTC]) as feed:
                await until(lambda: feed[BTC].state in (BookState.LIVE, BookState.FAILED), 30, every_s=0.01)
                await elapse(3)
                return feed[BTC].state, sum(tally.first > 0 for tally in feed.symbol_metrics(BTC).lanes)

    for scope in ("connection:1", "connection:2"):
        assert (BookState.LIVE, 1) == run(partial(story, scope))
    assert (BookState.FAILED, 0) == run(partial(story, "all"))


def test_both_of_its_connections_need_room() -> None:
    """Three connections of one topic each are enough for two symbols, one of them on two; two are not."""

    async def story(links_max: int) -> list[str]:
        async with VirtualKuCoin(symbols=[BTC, ETH], seed=1, rate=10.0) as venue:
            settings = replace(CALM, topics_max=1, links_max=links_max)
            async with venue.open_feed(settings=settings, twice=[BTC]) as feed:
                return [link.name for link in feed.health().links]

    assert 3 == len(run(partial(story, 3)))
    with pytest.raises(UsageError, match="1 more second do not fit: 2 connections hold 1 each"):
        run(partial(story, 2))


def test_a_halt_is_one_on_both() -> None:
    """And when the venue trades it again, both carry it."""

    async def story() -> None:
        async with world(settings=replace(CALM, instruments_interval_ms=1_000)) as on:
            on.venue.strike({"fault": "delist", "scope": BTC, "at_ms": 0, "ms": 5_000})
            await until(lambda: on.feed[BTC].state is BookState.HALTED, 10, every_s=0.01)
            await until(lambda: on.feed[BTC].is_live, 30, every_s=0.01)
            before = [tally.first + tally.copies for tally in on.lanes]
            await elapse(5)
            assert all(tally.first + tally.copies > then for tally, then in zip(on.lanes, before, strict=True))
            assert_true(on.feed[BTC], on.venue.market[BTC])

    play(story)


def test_a_recording_has_what_the_first_connection_brought() -> None:
    """Nothing of the second one; it replays to a book that is LIVE again after the first one was lost."""
    records: list[recorded.Record] = []

    def note(kind: RecordKind, url: str, raw: bytes, status: int | None) -> None:
        records.append(recorded.Record(len(records) + 1, kind, url, raw, status))

    async def story() -> int:
        async with world(rate=200.0, record=note) as on:
            await elapse(3)
            on.venue.strike({"fault": "disconnect", "scope": f"connection:{on.connection(0)}", "at_ms": 0})
            await until(lambda: on.feed.health().reconnects > 0, 30, every_s=0.01)
            await elapse(5)
            assert on.feed[BTC].is_live
            opened = [one.url for one in records if one.kind == "open"]
            assert 2 == len(opened)
            assert set(opened) == {one.url for one in records if one.kind == "ws"}
            return on.feed[BTC].sequence

    sequence = run(story)
    replay = Replay()
    for one in records:
        replay.feed(one)
    book = replay.books[BTC].book
    assert book.is_live
    assert sequence - 200 < book.sequence <= sequence


@pytest.mark.parametrize("fault", ["split", "merge"])
def test_a_venue_that_cuts_its_messages_otherwise_on_each_connection_harms_nobody(fault: str) -> None:
    """Nothing is known as a copy then, and the book, which sees everything, passes over what it has."""

    async def story() -> None:
        async with world() as on:
            on.venue.strike({"fault": fault, "p": 1.0, "scope": f"connection:{on.connection(1)}"})
            book, seen = on.feed[BTC], 0
            for _ in range(200):
                await elapse(0.05)
                if book.is_live:
                    seen += 1
                    assert () == compare(book, on.venue.market[BTC])
            assert seen > 100

    play(story)


FAULTS: list[dict[str, Any]] = [
    *({"fault": fault, "p": 0.01} for fault in ("drop", "duplicate", "swap", "shuffle", "delay", "garble")),
    *({"fault": fault, "p": 0.002} for fault in ("merge", "split", "wrong_symbol", "fields")),
    {"fault": "mute", "p": 0.0005, "for_ms": 3_000, "scope": "connection:2"},
    {"fault": "disconnect", "at_ms": 4_000, "every_ms": 9_000, "scope": "connection:1"},
    {"fault": "stall", "ms": 700, "at_ms": 6_000, "every_ms": 11_000, "scope": "connection:2"},
    {"fault": "disconnect", "at_ms": 21_000},
    {"fault": "sequence_reset", "base": 5, "at_ms": 28_000, "scope": BTC},
]


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_happens_a_live_book_is_the_venue_s(seed: int) -> None:
    """Faults of every kind on both connections: looked at all the time; and LIVE again when they are over."""

    async def story() -> None:
        async with world(settings=FeedSettings(), seed=seed, rate=200.0) as on:
            book, truth, seen, of_the_old_count = on.feed[BTC], on.venue.market[BTC], 0, 0
            on.venue.strike(*FAULTS)
            for _ in range(800):
                await elapse(0.05)
                if book.is_live:
                    seen += 1
                    try:
                        assert () == compare(book, truth)
                    except UsageError:
                        of_the_old_count += 1
            on.venue.exchange.heal(on.venue.now_ns())
            await elapse(10)
            await until(lambda: book.is_live and compare(book, truth) == (), 60, every_s=0.01)
            assert seen > 200
            # Until the first delta of the new count is here.
            assert of_the_old_count <= 20

    play(story)
