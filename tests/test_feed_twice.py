"""Symbols on two connections: what one of them loses the other one brings, and the book notices nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from orderbook.errors import UsageError
from orderbook.events import StateChanged
from orderbook.feed.events import FeedEvent
from orderbook.feed.feed import Feed
from orderbook.feed.merger import LaneTally
from orderbook.feed.opening import open_feed
from orderbook.feed.settings import FeedSettings
from orderbook.testing import Route, VirtualKuCoin, assert_true, run
from orderbook.types import BookState
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
    *, settings: FeedSettings = CALM, seed: int = 1, rate: float = 400.0, **options: Any
) -> AsyncIterator[World]:
    """Set it up; both connections carry the symbol, and every book is LIVE."""
    async with VirtualKuCoin(symbols=[BTC, ETH], seed=seed, rate=rate, route=WAY) as venue:
        heard: list[Callable[[FeedEvent], None]] = []
        feed = venue.open_feed(
            settings=settings, twice=[BTC], on_event=lambda event: [hear(event) for hear in heard] and None, **options
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


def test_a_black_hole_on_one_of_them_is_not_noticed() -> None:
    """The book is as fresh as the connection that is heard; the dead one is found out and made anew."""

    async def story() -> None:
        async with world() as on:
            on.venue.strike({"fault": "black_hole", "scope": f"connection:{on.connection(1)}", "at_ms": 0})
            for _ in range(300):
                await elapse(0.1)
                assert on.feed[BTC].is_live
            assert BTC not in on.left

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

    play(story)


def test_a_symbol_that_is_named_must_be_there() -> None:
    """It is not kept by being named for this alone."""
    with pytest.raises(UsageError, match="SOL-USDT"):
        open_feed("kucoin", [BTC], twice=["SOL-USDT"])
    with pytest.raises(UsageError, match="list"):
        open_feed("kucoin", [BTC], twice=BTC)
