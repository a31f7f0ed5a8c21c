"""What a feed records replays to the same books, also over gaps, lost links and a full disk, which stop nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orderbook.errors import OrderBookError
from orderbook.feed.events import FeedEvent, RecordingFailed, RecordingResumed
from orderbook.feed.feed import Feed
from orderbook.feed.opening import open_feed
from orderbook.simulator.faults import FaultPlan
from orderbook.simulator.market import SymbolMarket
from orderbook.simulator.server import LocalKuCoin
from orderbook.simulator.truth import book_digest
from orderbook.types import BookState
from snapshots.capture import CaptureWriter, Record, read_capture
from snapshots.recorder import Recorder, RecorderEvent
from snapshots.replay import Replay
from tests.feed_books import BTC, ETH, FAST, SMALL, is_right, now_ns, until
from tests.recorder_disks import Disk

SYMBOLS = (BTC, ETH)


def venue_of(**options: Any) -> LocalKuCoin:
    """A small one."""
    market = {symbol: SymbolMarket(symbol, 8, SMALL, rate=200.0) for symbol in SYMBOLS}
    return LocalKuCoin(market, seed=8, **options)


def strike(venue: LocalKuCoin, *faults: dict[str, object]) -> None:
    """Let go wrong what a plan says."""
    venue.exchange.add_faults(FaultPlan(faults), now_ns())


async def moved(feed: Feed, venue: LocalKuCoin, by: int = 60) -> None:
    """Wait until every book is LIVE, and farther on by so much."""
    marks = {symbol: venue.market[symbol].sequence + by for symbol in SYMBOLS}
    await until(lambda: all(feed[one].is_live and feed[one].sequence >= mark for one, mark in marks.items()))


def at_close(feed: Feed) -> dict[str, tuple[int, int]]:
    """Sequence and digest of each book, whatever its state."""
    found = {}
    for symbol, keeper in feed._books.items():
        known = keeper.sync.book.last_known
        found[symbol] = (known.sequence, book_digest(known.exact.bids, known.exact.asks))
    return found


def check_replay(records: Iterable[Record], wanted: dict[str, tuple[int, int]], venue: LocalKuCoin) -> None:
    """Each book of the replay was, at that sequence, the very same; and it never was LIVE and wrong."""
    replay = Replay("kucoin")
    met = set()
    for record in records:
        replay.feed(record)
        for symbol, (sequence, digest) in wanted.items():
            sync = replay.books.get(symbol)
            if sync is not None and sync.state is BookState.LIVE:
                assert is_right(sync.book, venue.market[symbol])
                if sync.book.sequence == sequence:
                    assert digest == book_digest(sync.book.exact.bids, sync.book.exact.asks)
                    met.add(symbol)
    assert set(wanted) == met


FAULTS: tuple[tuple[dict[str, object], ...], ...] = (
    (),
    (
        {"fault": "drop", "run": 2, "nth": [10, 60]},
        {"fault": "swap", "nth": [20, 40]},
        {"fault": "duplicate", "p": 0.1},
    ),
    ({"fault": "disconnect"}, {"fault": "disconnect", "how": "close", "at_ms": 300}),
    ({"fault": "sequence_reset", "base": 7, "scope": BTC}, {"fault": "garble", "how": "utf8", "nth": [9, 30]}),
    ({"fault": "drop", "run": 2}, {"fault": "html", "path": "level2"}, {"fault": "stale_snapshot", "by": 50}),
)


@pytest.mark.parametrize("faults", FAULTS, ids=lambda faults: " ".join(str(one["fault"]) for one in faults) or "none")
@pytest.mark.parametrize("keyless", [False, True], ids=["full", "keyless"])
async def test_a_recording_replays_to_the_same_books(
    faults: tuple[dict[str, object], ...], keyless: bool, tmp_path: Path
) -> None:
    """Sequence and levels as they were when the feed was closed, whatever had happened in between."""
    path = tmp_path / "session.jsonl.gz"
    async with venue_of() as venue:
        keys = None if keyless else venue.credentials
        async with open_feed("kucoin", SYMBOLS, url=venue.url, credentials=keys, settings=FAST, record=path) as feed:
            await moved(feed, venue, by=5)
            strike(venue, *faults)
            await until(lambda: venue.exchange.ledger.counts.total() >= len(faults))
            await moved(feed, venue)
        wanted = at_close(feed)
        with read_capture(path) as reader:
            check_replay(reader, wanted, venue)
            assert [] == reader.problems
        assert {} == dict(venue.exchange.violations)


async def test_a_recording_goes_on_over_replaced_links(tmp_path: Path) -> None:
    """No book of it leaves LIVE, and it holds no frame that the books did not get."""
    path = tmp_path / "replaced.jsonl.gz"
    settings = replace(FAST, link_life_ms=300, connects_max=1_000)
    async with venue_of() as venue:
        async with open_feed(
            "kucoin", SYMBOLS, url=venue.url, credentials=venue.credentials, settings=settings, record=path
        ) as feed:
            await moved(feed, venue, by=5)
            await until(lambda: feed.health().reconnects >= 3)
            await moved(feed, venue)
        wanted = at_close(feed)
        with read_capture(path) as reader:
            records = list(reader)
        check_replay(records, wanted, venue)
    closes = [record.raw for record in records if record.kind == "close"]
    assert len(closes) >= 3
    assert all(raw.startswith(b"replaced by ws://") for raw in closes)
    replay = Replay("kucoin")
    for record in records:
        replay.feed(record)
    assert [(0, 0)] * 2 == [(sync.counters.resyncs, sync.counters.gaps) for sync in replay.books.values()]


async def test_a_full_disk_stops_nothing() -> None:
    """An event when it begins and one when it ends, a marker in the file, LIVE all the time; a replay knows it all."""
    disk = Disk()
    recorder = Recorder(CaptureWriter(disk, block_bytes=2_000), flush_interval_s=0.01, queue_max=60)
    events: list[FeedEvent] = []
    async with venue_of() as venue:
        async with open_feed(
            "kucoin",
            SYMBOLS,
            url=venue.url,
            credentials=venue.credentials,
            settings=FAST,
            record=recorder,
            on_event=events.append,
        ) as feed:
            await moved(feed, venue, by=20)
            disk.fill_up()
            await until(lambda: any(isinstance(one.event, RecordingFailed) for one in events))
            await until(lambda: recorder.counters.lost > 20)
            assert all(feed[symbol].is_live for symbol in SYMBOLS)
            disk.error = None
            await until(lambda: any(isinstance(one.event, RecordingResumed) for one in events))
            await moved(feed, venue)
            assert 0 == sum(feed.counters(symbol).resyncs for symbol in SYMBOLS)
            assert {one.event.path for one in events if isinstance(one.event, RecordingFailed)} == {recorder.path}
            assert all("space" in one.event.problem for one in events if isinstance(one.event, RecordingFailed))
        wanted = at_close(feed)
        assert not await recorder.aclose()
        records = disk.records()
        assert any(record.kind == "close" and b"recorder gap" in record.raw for record in records)
        check_replay(records, wanted, venue)


async def test_a_recorder_that_was_given_stays_open(tmp_path: Path) -> None:
    """Two feeds after one another may share it; whoever made it closes it."""
    path = tmp_path / "both.jsonl.gz"
    recorder = Recorder(path)
    async with venue_of() as venue:
        for symbol in SYMBOLS:
            async with open_feed("kucoin", [symbol], url=venue.url, record=recorder, settings=FAST) as feed:
                await feed.ready(symbol, timeout_s=30)
        assert await recorder.aclose()
    with read_capture(path) as reader:
        replay = Replay("kucoin")
        for record in reader:
            replay.feed(record)
    assert set(SYMBOLS) == set(replay.books)


async def test_a_file_that_exists_is_not_overwritten(tmp_path: Path) -> None:
    """That is told when the feed is opened, before anything is connected."""
    path = tmp_path / "precious.jsonl.gz"
    path.write_bytes(b"precious")
    async with venue_of() as venue:
        with pytest.raises(OrderBookError, match="precious"):
            async with open_feed("kucoin", SYMBOLS, url=venue.url, record=path):
                pytest.fail("it opened")
        assert 0 == venue.exchange.state()["rest_calls"]
    assert b"precious" == path.read_bytes()


async def test_a_long_recording_holds_every_frame(tmp_path: Path) -> None:
    """As many deltas as the books counted, audits' answers too, and no token; closing the feed is no lost link."""
    path = tmp_path / "all.jsonl.gz"
    settings = replace(FAST, audit_interval_ms=20)
    async with venue_of() as venue:
        async with open_feed(
            "kucoin", SYMBOLS, url=venue.url, credentials=venue.credentials, settings=settings, record=path
        ) as feed:
            await moved(feed, venue, by=100)
        audits = sum(keeper.sync.counters.audits for keeper in feed._books.values())
        frames = sum(keeper.sync.counters.frames for keeper in feed._books.values())
    with read_capture(path) as reader:
        records = list(reader)
    assert frames <= sum(b"trade.l2update" in record.raw for record in records) <= frames + 50
    assert audits <= sum("level2" in (record.url or "") for record in records if record.kind == "rest")
    assert not [record for record in records if b"instanceServers" in record.raw]
    assert "open" == next(record.kind for record in records if record.kind != "rest")
    assert not [record for record in records if record.kind == "close"]


def recording_events(events: list[FeedEvent]) -> list[str]:
    """Those that are about the recording."""
    return [one.event.problem for one in events if isinstance(one.event, RecordingFailed)]


async def test_feeds_that_share_a_recorder_hear_of_it_each_for_itself(tmp_path: Path) -> None:
    """Closing one does not make the other deaf; one whose recorder was closed under it is told so, once."""
    told: list[RecorderEvent] = []
    first: list[FeedEvent] = []
    second: list[FeedEvent] = []
    recorder = Recorder(tmp_path / "both.jsonl.gz", on_problem=told.append)
    async with venue_of() as venue:
        one = open_feed("kucoin", [BTC], url=venue.url, record=recorder, settings=FAST, on_event=first.append)
        other = open_feed("kucoin", [ETH], url=venue.url, record=recorder, settings=FAST, on_event=second.append)
        async with other:
            async with one:
                await other.ready(ETH, timeout_s=30)
            assert await recorder.aclose()
            await until(lambda: recording_events(second))
            mark = other[ETH].sequence + 10
            await until(lambda: other[ETH].sequence > mark)
    (problem,) = recording_events(second)

    assert "the recorder is closed" in problem
    assert "close the feeds first" in problem
    assert ([], []) == (recording_events(first), told)
