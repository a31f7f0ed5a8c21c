"""A recorder never stands in the way, loses nothing while there is room, and marks every hole it could not avoid."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from orderbook.errors import UsageError
from snapshots.capture import CaptureError, CaptureWriter, Record, read_capture
from snapshots.recorder import Recorder, RecorderEvent, RecorderFailed, RecorderResumed
from tests.recorder_disks import WAIT_S, Clock, Disk, Told, brief
from tests.unchecked import unchecked

URL = "wss://ws.example.com/?token=c4n4ry&connectId=1"
SAFE = "wss://ws.example.com/?token=TOKEN&connectId=1"
TOKEN_ANSWER = b'{"data":{"token":"c4n4ry","instanceServers":[]}}'
FOREVER_S = 3600.0


@pytest.fixture
def disk() -> Iterator[Disk]:
    """A disk that lets everybody go in the end."""
    disk = Disk()
    yield disk
    disk.gate.set()


def read(path: Path) -> list[Record]:
    """The records of a file without damage."""
    with read_capture(path) as reader:
        records = list(reader)
    assert [] == reader.problems
    return records


# -- with a disk that works --


def test_what_was_handed_in_is_in_the_file_after_closing(tmp_path: Path) -> None:
    """Every record, in order, with the time of receipt, an HTTP status that is not 200, and without secrets."""
    path = tmp_path / "a.jsonl.gz"
    with Recorder(path, wall_clock=lambda: 7) as recorder:
        assert recorder.record("open", URL, b"")
        assert recorder.record("ws", URL, b'{"a":1}', ts=9)
        assert recorder.record("rest", "https://x/a", b"{}", 200)
        assert recorder.record("rest", "https://x/a", b"busy", 429)
        assert recorder.record("close", URL, b"1006 went to wss://x/?token=c4n4ry")

    expected = [
        Record(7, "open", SAFE, b""),
        Record(9, "ws", SAFE, b'{"a":1}'),
        Record(7, "rest", "https://x/a", b"{}"),
        Record(7, "rest", "https://x/a", b"busy", 429),
        Record(7, "close", SAFE, b"1006 went to wss://x/?token=TOKEN"),
    ]
    assert expected == read(path)
    assert recorder.close(), "closing twice gives the same answer"
    assert str(path) == recorder.path
    counters = recorder.counters
    assert (5, 0, 0, 0, 0) == counters[:5]
    assert path.stat().st_size == counters.written_bytes
    assert (0, 0) == (counters.queue_size, counters.queue_bytes)


async def test_an_event_loop_closes_it_without_standing_still(disk: Disk) -> None:
    """The loop runs while the disk takes its time; a second call, and one after the end, give the same answer."""
    disk.gate.clear()
    recorder = Recorder(CaptureWriter(disk))
    recorder.record("ws", URL, b"1")
    closing = asyncio.create_task(recorder.aclose(WAIT_S))
    again = asyncio.create_task(recorder.aclose(WAIT_S))
    await asyncio.to_thread(disk.entered.wait, WAIT_S)
    assert not closing.done()
    disk.gate.set()

    assert await closing
    assert await again
    assert await recorder.aclose()
    assert [b"1"] == [one.raw for one in disk.records()]


def test_what_was_flushed_survives_without_closing(tmp_path: Path) -> None:
    """All that was handed in before ``flush`` can be read while the recorder runs."""
    path = tmp_path / "a.jsonl.gz"
    with Recorder(path, flush_interval_s=FOREVER_S) as recorder:
        for number in range(1000):
            recorder.record("ws", URL, b"%d" % number)
        assert recorder.flush()
        assert [b"%d" % number for number in range(1000)] == [one.raw for one in read(path)]
    assert not recorder.flush(), "after closing nobody flushes"


def test_the_timer_flushes(disk: Disk) -> None:
    """Once in each interval, a single record too."""
    clock = Clock()
    with Recorder(CaptureWriter(disk), flush_interval_s=FOREVER_S, clock=clock) as recorder:
        for expected in (1, 2):
            recorder.record("ws", URL, b"1")
            disk.written.clear()
            clock.now += FOREVER_S
            recorder._queue.wake()
            assert disk.written.wait(WAIT_S)
            assert expected == len(disk.records())


def test_many_records_are_written_without_the_timer(disk: Disk) -> None:
    """What fills a block does not wait for the flush."""
    recorder = Recorder(CaptureWriter(disk, block_bytes=10_000), flush_interval_s=FOREVER_S, clock=Clock())
    for _ in range(10):
        recorder.record("ws", URL, b"x" * 10_000)
    assert disk.written.wait(WAIT_S)
    assert recorder.close()


def test_secrets_stay_out(disk: Disk) -> None:
    """Token answers and frames of the account are refused and counted; that is no loss."""
    with Recorder(CaptureWriter(disk)) as recorder:
        recorder.record("rest", "https://x/api/v1/bullet-public", TOKEN_ANSWER)
        recorder.record("ws", URL, b'{"topic":"/account/balance","channelType": "private","data":{}}')
        recorder.record("ws", URL, b'{"topic":"/spotMarket/tradeOrders","userId":"1","data":{}}')
        recorder.record("ws", URL, b'{"topic":"/market/level2:A-B"}')

    assert [b'{"topic":"/market/level2:A-B"}'] == [one.raw for one in disk.records()]
    assert (1, 0, 3) == recorder.counters[:3]
    assert recorder.close(), "what was kept out on purpose is not missing"


def test_private_frames_on_request(disk: Disk) -> None:
    """Asked for, frames of the account are recorded; token answers still are not."""
    with Recorder(CaptureWriter(disk), private=True) as recorder:
        recorder.record("ws", URL, b'{"channelType":"private"}')
        recorder.record("rest", None, TOKEN_ANSWER)

    assert [b'{"channelType":"private"}'] == [one.raw for one in disk.records()]


def test_a_continued_recording_says_where_it_goes_on(tmp_path: Path) -> None:
    """No book of the old part is LIVE in the new one; an empty or missing file has no old part."""
    path = tmp_path / "a.jsonl.gz"
    for number in range(2):
        with Recorder(path, append=True, wall_clock=lambda: 7) as recorder:
            recorder.record("ws", "wss://x", b"%d" % number)

    assert ["ws wss://x 0", "close 4000 recorder gap: recording continued", "ws wss://x 1"] == brief(read(path))
    with Recorder(path, overwrite=True) as recorder:
        recorder.record("ws", "wss://x", b"2")
    assert ["ws wss://x 2"] == brief(read(path))


# -- with one that does not --


def test_a_disk_that_waits_stops_nobody(disk: Disk) -> None:
    """``record`` returns at once; the queue is bounded, and the hole is marked before anything else is written."""
    told = Told()
    disk.gate.clear()
    recorder = Recorder(
        CaptureWriter(disk, block_bytes=1),
        queue_max=4,
        on_problem=told,
        wall_clock=lambda: 7,
        flush_interval_s=FOREVER_S,
    )
    assert recorder.record("open", "wss://x", b"")
    recorder._queue.request_flush(0)
    assert disk.entered.wait(WAIT_S)
    taken = [recorder.record("ws", "wss://x", b"%d" % number, ts=number) for number in range(6)]
    assert [True] * 3 + [False] * 3 == taken
    assert 4 == recorder.counters.queue_size
    disk.gate.set()
    assert recorder.flush(WAIT_S)
    assert recorder.record("ws", "wss://x", b"6")
    assert not recorder.close(), "something is missing, and that is said"

    first = ["open wss://x", "ws wss://x 0", "ws wss://x 1", "ws wss://x 2"]
    hole = ["close wss://x 4000 recorder gap: 3 records lost", "open wss://x"]
    assert [*first, *hole, "ws wss://x 6"] == brief(disk.records())
    assert [5, 5] == [one.ts for one in disk.records()[4:6]], "the time of the last one lost"
    failed, resumed = told.events
    assert isinstance(failed, RecorderFailed)
    assert "the queue is full: 3 records are lost" == failed.problem
    assert "faster disk" in failed.remedy
    assert RecorderResumed(recorder.path, 3) == resumed
    assert (5, 3, 0, 1, 1) == recorder.counters[:5]


def test_the_queue_is_bounded_in_bytes_too(disk: Disk) -> None:
    """A few large answers fill it as well as many frames."""
    disk.gate.clear()
    with Recorder(CaptureWriter(disk, block_bytes=1), queue_bytes_max=10_000) as recorder:
        recorder.record("rest", None, b"")
        recorder._queue.request_flush(0)
        assert disk.entered.wait(WAIT_S)
        assert [True, True, False] == [recorder.record("rest", None, b"x" * 4_000) for _ in range(3)]
        assert recorder.counters.queue_bytes <= 10_000
        disk.gate.set()
        assert recorder.flush(WAIT_S)
        assert not recorder.record("rest", None, b"x" * 10_000), "this one never fits"


def test_a_full_disk_is_told_once_and_tried_again_by_the_timer(disk: Disk) -> None:
    """Nothing is lost while the queue has room; when there is space again, everything is written."""
    told, clock = Told(), Clock()
    disk.fill_up()
    recorder = Recorder(CaptureWriter(disk), on_problem=told, clock=clock, flush_interval_s=FOREVER_S)
    recorder.record("ws", "wss://x", b"1")
    assert not recorder.flush(WAIT_S)
    recorder.record("ws", "wss://x", b"2")
    assert not recorder.flush(WAIT_S)
    assert ["RecorderFailed"] == [type(event).__name__ for event in told.events]
    disk.error = None
    clock.now += FOREVER_S
    recorder._queue.wake()

    failed, resumed = told.wait(2)
    assert isinstance(failed, RecorderFailed)
    assert "No space left on device" in failed.problem
    assert "free space on that disk" in failed.remedy
    assert RecorderResumed(recorder.path, 0) == resumed
    assert recorder.close()
    assert ["ws wss://x 1", "ws wss://x 2"] == brief(disk.records())


def test_a_disk_full_for_good_ends_in_time(disk: Disk) -> None:
    """Closing tries once more, says what is missing, and leaves every whole block readable."""
    told = Told()
    recorder = Recorder(CaptureWriter(disk), on_problem=told)
    recorder.record("ws", "wss://x", b"1")
    assert recorder.flush()
    disk.fill_up()
    recorder.record("ws", "wss://x", b"2")
    recorder.record("ws", "wss://x", b"3")

    assert not recorder.close()
    assert not recorder.close()
    assert "at its end 2 records are missing" in str(told.events[-1])
    assert (1, 2) == recorder.counters[:2]
    assert ["ws wss://x 1"] == brief(disk.records())


@pytest.mark.parametrize("from_loop", [False, True])
async def test_a_disk_that_hangs_is_left_alone(disk: Disk, *, from_loop: bool) -> None:
    """Closing gives up after its time, says so once, and the thread keeps no process alive."""
    told = Told()
    disk.gate.clear()
    recorder = Recorder(CaptureWriter(disk), on_problem=told)
    recorder.record("ws", URL, b"1")
    for _ in range(2):
        assert not (await recorder.aclose(0.01) if from_loop else recorder.close(0.01))

    (event,) = told.events
    assert "has not answered for 0.01 s; up to 1 records are missing" in str(event)
    assert recorder._thread.daemon
    disk.gate.set()
    assert recorder.close(WAIT_S), "it answered after all"


def test_a_loop_that_is_gone_does_not_matter(disk: Disk) -> None:
    """The disk may answer after the event loop of the closer has ended."""
    disk.gate.clear()
    recorder = Recorder(CaptureWriter(disk))
    recorder.record("ws", URL, b"1")
    assert not asyncio.run(recorder.aclose(0.01))
    disk.gate.set()

    assert recorder.close(WAIT_S)


def test_a_record_that_cannot_be_written_is_a_hole(disk: Disk) -> None:
    """It is lost, marked and told; the records after it are written."""
    told = Told()
    with Recorder(CaptureWriter(disk), on_problem=told, wall_clock=lambda: 7) as recorder:
        recorder.record("open", "wss://x", b"")
        recorder.record("ws", "wss://x", b"1", ts=-1)
        recorder.record("ws", "wss://x", b"2")

    hole = ["close wss://x 4000 recorder gap: 1 record lost", "open wss://x"]
    assert ["open wss://x", *hole, "ws wss://x 2"] == brief(disk.records())
    assert "its ts is neither null nor nanoseconds" in str(told.events[0])
    assert RecorderResumed(recorder.path, 1) == told.events[1]


def test_whatever_the_callback_does_the_recording_goes_on(disk: Disk, caplog: pytest.LogCaptureFixture) -> None:
    """An error in it is logged."""

    def raises(_: RecorderEvent) -> None:
        raise RuntimeError("loop is closed")

    disk.fill_up()
    with Recorder(CaptureWriter(disk), on_problem=raises) as recorder:
        recorder.record("ws", "wss://x", b"1")
        assert not recorder.flush()
        disk.error = None
        assert recorder.flush()

    assert ["ws wss://x 1"] == brief(disk.records())
    assert 2 == caplog.text.count("on_problem raised")


def test_a_broken_recorder_says_so(disk: Disk, caplog: pytest.LogCaptureFixture) -> None:
    """An error that nobody foresaw ends the thread, but not in silence: it is told, and further records are lost."""
    told = Told()
    disk.error = ZeroDivisionError("bug")
    recorder = Recorder(CaptureWriter(disk), on_problem=told)
    recorder.record("ws", URL, b"1")
    assert not recorder.flush()
    assert "the recorder stopped: ZeroDivisionError" in str(told.wait(1)[0])
    recorder._thread.join(WAIT_S)

    assert not recorder.record("ws", URL, b"2")
    assert 1 == recorder.counters.lost
    assert not recorder.close()
    assert "the recorder stopped" in caplog.text


def test_nobody_is_told_when_nobody_listens(disk: Disk, caplog: pytest.LogCaptureFixture) -> None:
    """Every event is a line of the log too."""
    caplog.set_level(logging.INFO)
    disk.fill_up()
    with Recorder(CaptureWriter(disk)) as recorder:
        recorder.record("ws", "wss://x", b"1")
        assert not recorder.flush()
        disk.error = None

    assert ["WARNING", "INFO"] == [one.levelname for one in caplog.records if one.name == "snapshots.recorder"]


def test_after_closing_nothing_is_taken(disk: Disk) -> None:
    """Nor counted as lost: nobody promised to record it."""
    recorder = Recorder(CaptureWriter(disk))
    assert recorder.close()
    assert not recorder.record("ws", URL, b"1")
    assert recorder.close()
    assert [] == disk.records()


def test_a_forked_child_leaves_the_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has neither the thread nor any business in its parent's file."""
    recorder = Recorder(tmp_path / "a.jsonl.gz")
    with monkeypatch.context() as patch:
        patch.setattr("snapshots.recorder.os.getpid", lambda: -1)
        assert not recorder.record("ws", URL, b"1")
        assert not recorder.flush()
        assert not recorder.close()
        assert not asyncio.run(recorder.aclose())
    assert 0 == recorder.counters.lost
    assert recorder.record("ws", URL, b"2")
    assert recorder.close()


def test_what_cannot_begin_is_refused_at_once(tmp_path: Path, disk: Disk) -> None:
    """A file that exists or cannot be made, and arguments that mean nothing: typed errors before any thread starts."""
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(b"")
    threads = threading.active_count()
    with pytest.raises(CaptureError, match="choose another name, or ask for append or overwrite"):
        Recorder(path)
    with pytest.raises(CaptureError, match="check the name and that its directory exists"):
        Recorder(tmp_path / "none" / "a.jsonl.gz", append=True)
    with pytest.raises(UsageError, match="the writer has its file already"):
        Recorder(CaptureWriter(disk), append=True)
    with pytest.raises(UsageError, match="are positive"):
        Recorder(path, overwrite=True, queue_max=0)
    with pytest.raises(UsageError, match="are positive"):
        Recorder(path, overwrite=True, flush_interval_s=0)
    assert threads == threading.active_count()
    with Recorder(CaptureWriter(disk)) as recorder, pytest.raises(UsageError, match="raw is bytes"):
        recorder.record("ws", URL, unchecked("text"))
