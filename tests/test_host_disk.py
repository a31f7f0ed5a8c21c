"""Disks that fail at any moment: no book misses an update for it, and the recording says what it has not got."""

from __future__ import annotations

import asyncio

import pytest

from orderbook.events import StateChanged
from orderbook.feed.events import RecordingFailed, RecordingResumed
from orderbook.simulator.virtual_time import run
from snapshots.capture import CaptureWriter
from snapshots.recorder import Recorder
from snapshots.replay import Replay
from tests import recorder_outages
from tests.feed_books import BTC, is_right
from tests.host_world import Host, host
from tests.recorder_disks import WAIT_S, Outage, ShakyDisk
from tests.recorder_outages import OUTAGES, swept
from tests.waiting import elapse

FOREVER_S = 3600.0


def test_every_operation_of_a_scenario_fails_once_in_every_way() -> None:
    """Whatever is refused: told once, marked where it cost something, gone on by itself; and the replay is right."""
    sweep = swept(seed=3, steps=30)

    assert () == sweep.wrong
    assert sweep.runs > 200
    assert sweep.told > 80
    assert 20 < sweep.lossy < 100, "most outages cost nothing"


async def _turns(on: Host, recorder: Recorder, count: int) -> None:
    """The recorder's timer goes every 50 ms: virtual ones for the feed, and as long as it takes for the disk."""
    for _ in range(count):
        await elapse(0.05)
        recorder.flush(WAIT_S)
        on.look()


def _replayed(on: Host, disk: ShakyDisk) -> Replay:
    """Replay the recording: it is never LIVE and wrong."""
    replay = Replay("kucoin")
    for record in disk.records():
        replay.feed(record)
        sync = replay.books.get(BTC)
        if sync is not None and sync.book.is_live:
            assert is_right(sync.book, on.venue.market[BTC])
    return replay


@pytest.mark.parametrize("how", OUTAGES)
def test_a_feed_misses_nothing_while_its_disk_fails(how: Outage) -> None:
    """LIVE all the time, every update in the book; the trouble and its end are told; the replay is LIVE in the end."""
    disk = ShakyDisk()
    recorder = Recorder(CaptureWriter(disk, block_bytes=2_000), flush_interval_s=FOREVER_S, queue_max=40)

    async def main() -> None:
        async with host(rate=40.0, record=recorder) as on:
            await _turns(on, recorder, 10)
            for after in range(1, 9):
                disk.fail(how, after, 45)
                await _turns(on, recorder, 30)
                disk.mend()
                await _turns(on, recorder, 30)
            told = [type(one) for one in on.told(RecordingFailed, RecordingResumed)]
            await on.settled()
            assert recorder.flush(WAIT_S)
            at_end = on.feed[BTC].sequence
            assert 1 == len([one for one in on.told(StateChanged) if one.new.value == "LIVE"])
            assert [] == on.changes()
            counters = on.feed.counters(BTC)
            assert (0, 0, 0) == (counters.gaps, counters.resyncs, counters.rejected.total())
            on.check()
            # Only less at a time is no trouble.
            assert told == [RecordingFailed, RecordingResumed] * (0 if how == "short" else 8)
            replay = _replayed(on, disk)
            assert (True, at_end) == (replay.books[BTC].book.is_live, replay.books[BTC].book.sequence)
            assert (recorder.counters.lost > 0) == (how != "short") == (recorder.counters.gaps > 0)

    run(main)
    recorder.close()
    assert disk.failures > 40


def test_a_feed_misses_nothing_while_its_disk_stalls() -> None:
    """For 5 s, again and again, in the middle of a write: nobody waits for it, and the hole is marked."""
    disk = ShakyDisk()
    recorder = Recorder(CaptureWriter(disk, block_bytes=2_000), flush_interval_s=FOREVER_S, queue_max=40)

    async def main() -> None:
        async with host(rate=40.0, record=recorder) as on:
            await _turns(on, recorder, 10)
            for _ in range(5):
                await elapse(0.3)
                disk.gate.clear()
                disk.entered.clear()
                recorder._queue.request_flush(0)
                assert disk.entered.wait(WAIT_S)
                await on.watch(5)
                assert recorder.counters.queue_size <= 40
                disk.gate.set()
                await _turns(on, recorder, 30)
            assert [] == on.changes()
            counters = on.feed.counters(BTC)
            assert (0, 0, 0) == (counters.gaps, counters.resyncs, counters.rejected.total())
            on.check()
            told = [type(one) for one in on.told(RecordingFailed, RecordingResumed)]
            assert told == [RecordingFailed, RecordingResumed] * 5
            assert 5 == recorder.counters.gaps
            assert _replayed(on, disk).books[BTC].book.is_live

    try:
        run(main)
    finally:
        disk.gate.set()
        recorder.close()


@pytest.mark.parametrize("error", [SystemExit(1), asyncio.CancelledError(), RuntimeError("loop is closed")])
def test_whatever_a_listener_raises_the_recording_goes_on(error: BaseException) -> None:
    """On the recorder's thread ``sys.exit`` would end the thread, and nobody would be told that nothing is recorded."""
    disk = ShakyDisk()

    def raises(_event: object) -> None:
        raise error

    with Recorder(CaptureWriter(disk), flush_interval_s=FOREVER_S, on_problem=raises) as recorder:
        disk.fail("full", 1, 3)
        recorder.record("ws", "wss://x", b"1")
        assert not recorder.flush(WAIT_S)
        disk.mend()
        assert recorder.flush(WAIT_S)
        assert recorder.record("ws", "wss://x", b"2")
    assert [b"1", b"2"] == [one.raw for one in disk.records()]
    assert 1 == recorder.counters.problems


def test_the_sweep_sees_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that does not take half a block back, and a recorder that marks no hole."""
    with monkeypatch.context() as patch:
        patch.setattr(CaptureWriter, "_rewind", lambda writer: setattr(writer, "_torn", False))
        with pytest.raises(AssertionError):
            swept(seed=3, steps=30)
    monkeypatch.setattr("snapshots.scribe.Scribe.mark", lambda *_args, **_options: None)
    assert recorder_outages.swept(seed=3, steps=30).wrong
