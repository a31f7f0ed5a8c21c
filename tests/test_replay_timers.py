"""A replay knows what time it was: timers of one book ring at the records of others, and a feed's probes count."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from orderbook.events import StateChanged
from orderbook.feed.events import FeedEvent
from orderbook.feed.opening import open_feed
from orderbook.simulator.faults import FaultPlan
from orderbook.simulator.market import SymbolMarket
from orderbook.simulator.server import LocalKuCoin
from orderbook.types import BookState
from snapshots.capture import Record, read_capture
from snapshots.replay import SETTINGS, Replay
from tests.feed_books import BTC, ETH, FAST, SMALL, now_ns, until
from tests.kucoin_frames import SYMBOL
from tests.kucoin_traffic import delta, snapshot

S = 1_000_000_000
TOUCH = "https://api.kucoin.com/api/v1/market/orderbook/level1"
JOINED = [delta(11, ts=S), snapshot(10, [("100", "5")], [("101", "7")], ts=S)]
"""LIVE at 11."""


def probe(sequence: object, ts: int | None = S, *, symbol: str = SYMBOL, code: str = "200000") -> Record:
    """An answer that tells the venue's sequence."""
    body = json.dumps({"code": code, "data": {"sequence": str(sequence), "price": "1"}}).encode()
    return Record(ts, "rest", f"{TOUCH}?symbol={symbol}", body)


def other(ts: int | None) -> Record:
    """Something of another symbol, that is nothing but a time here."""
    return delta(1, symbol="ETH-USDT", ts=ts)


def played(*records: Record) -> Replay:
    """All of them fed."""
    replay = Replay()
    for record in records:
        replay.feed(record)
    return replay


def state(*records: Record) -> BookState:
    """Of the book, after these."""
    return played(*records).books[SYMBOL].state


def test_a_probe_ahead_of_a_silent_book_makes_it_stale() -> None:
    """After its second, seen at another book's record, as the feed saw it by its timer; the stream can win."""
    ahead = [*JOINED, probe(15)]

    assert BookState.LIVE is state(*ahead)
    assert BookState.LIVE is state(*ahead, other(2 * S - 1))
    assert BookState.STALE is state(*ahead, other(2 * S))
    assert BookState.LIVE is state(*ahead, delta(12, 15, ts=S + 1), other(9 * S))
    assert BookState.LIVE is state(*JOINED, probe(11), other(9 * S))
    assert 3 == played(*JOINED, probe(11)).recognised


def test_a_probe_far_below_a_silent_book_shows_that_the_venue_counts_anew() -> None:
    """Where no delta came for as long as a probe may be under way; else it may be older than the delta."""
    joined = [delta(1_011, ts=S), snapshot(1_010, [("100", "5")], [("101", "7")], ts=S)]

    assert BookState.SYNCING is state(*joined, probe(5, 2 * S))
    assert BookState.LIVE is state(*joined, probe(5, 2 * S - 1))
    assert BookState.LIVE is state(*joined, delta(1_012, ts=9 * S), probe(5, 10 * S - 1))
    assert BookState.SYNCING is state(*joined, delta(1_012, ts=9 * S), other(99 * S), probe(5, 10 * S))
    assert BookState.LIVE is state(*joined, probe(1_011 - 64, 2 * S))


def test_the_end_of_a_file_rings_nothing() -> None:
    """However long the book waited by then: without another record, nobody knows what time it was."""
    assert BookState.LIVE is state(*JOINED, probe(15))


def test_a_hole_is_a_gap_in_time() -> None:
    """Though the book's own stream is silent afterwards; whoever comes in time fills it."""
    hole = [*JOINED, delta(14, ts=2 * S)]

    assert 0 == played(*hole, other(2 * S)).books[SYMBOL].counters.gaps
    assert 1 == played(*hole, other(3 * S)).books[SYMBOL].counters.gaps
    filled = played(*hole, delta(12, 13, ts=2 * S + 1), other(3 * S)).books[SYMBOL]
    assert (0, 14, BookState.LIVE) == (filled.counters.gaps, filled.book.sequence, filled.state)


def test_without_times_there_are_no_timers() -> None:
    """A capture without times of receipt is judged by counts alone."""
    timeless = [record._replace(ts=None) for record in JOINED]

    assert BookState.LIVE is state(*timeless, probe(15, None), *[other(None)] * 9)


@pytest.mark.parametrize(
    "record",
    [
        probe(15, code="400100"),
        probe("many"),
        probe(15, symbol="ETH-USDT"),
        probe(15)._replace(raw=b"{"),
        probe(15)._replace(raw=b"\xff"),
        probe(15)._replace(url=TOUCH),
        probe(15)._replace(url="https://["),
        probe(15)._replace(raw=b'{"code":"200000","data":null}'),
    ],
)
def test_what_tells_no_sequence_changes_nothing(record: Record) -> None:
    """An answer that is an error, is broken, or is about somebody else. It makes no book either."""
    replay = played(*JOINED, record, other(9 * S))

    assert BookState.LIVE is replay.books[SYMBOL].state
    assert {} == played(record).books


def test_alarms_do_not_pile_up() -> None:
    """However often a book is asked about: memory does not grow with the recording."""
    records = [*JOINED]
    for step in range(500):
        ts = (2 + step) * S
        records += [probe(12 + step, ts), other(ts + 1), delta(12 + step, ts=ts + 2)]
    assert len(played(*records)._alarms) < 10


async def test_a_muted_topic_replays_to_where_the_feed_was(tmp_path: Path) -> None:
    """Not LIVE any more, at the same sequence; known by probes alone, while another book's stream went on.

    What comes next is the feed's: it asks for a snapshot within milliseconds, and a replay may see that first.
    """
    path = tmp_path / "muted.jsonl.gz"
    # As long as a replay has it, too.
    settings = replace(FAST, sync=replace(FAST.sync, probe_catch_up_ms=SETTINGS.probe_catch_up_ms))
    market = {symbol: SymbolMarket(symbol, 8, SMALL, rate=200.0) for symbol in (BTC, ETH)}
    fell: set[str | None] = set()

    def hear(told: FeedEvent) -> None:
        if isinstance(told.event, StateChanged) and told.event.new is BookState.STALE:
            fell.add(told.symbol)

    async with (
        LocalKuCoin(market, seed=8) as venue,
        open_feed(
            *("kucoin", [BTC, ETH]),
            url=venue.url,
            credentials=venue.credentials,
            settings=settings,
            record=path,
            on_event=hear,
        ) as feed,
    ):
        await until(lambda: feed[BTC].is_live and feed[ETH].is_live)
        venue.exchange.add_faults(FaultPlan([{"fault": "mute", "scope": BTC}]), now_ns())
        await until(lambda: BTC in fell)
        mark = feed[ETH].sequence + 40
        await until(lambda: feed[ETH].sequence > mark)
        live = feed.status(BTC)
    with read_capture(path) as reader:
        replay = played(*reader)
    sync = replay.books[BTC]

    assert {BTC} == fell
    assert BookState.LIVE not in (live.state, sync.state)
    assert live.sequence == sync.book.sequence
    assert BookState.LIVE is replay.books[ETH].state
