"""Who is told what happens to a recording: its maker always, and every feed that hands over records."""

from __future__ import annotations

import pytest

from snapshots.capture import CaptureWriter
from snapshots.recorder import Recorder, RecorderFailed
from tests.recorder_disks import Disk, Told


def test_several_may_listen() -> None:
    """The maker's own callback always hears everything, a listener until it has enough; the others are left alone."""
    disk, mine, first, second = Disk(), Told(), Told(), Told()
    disk.fill_up()
    recorder = Recorder(CaptureWriter(disk), on_problem=mine)
    ends = [recorder.listen(first), recorder.listen(second)]
    recorder.record("ws", "wss://x", b"1")
    assert not recorder.flush()
    for _ in range(2):
        ends[0]()
    disk.error = None
    assert recorder.flush()
    ends[1]()
    assert recorder.close()

    assert ["RecorderFailed", "RecorderResumed"] == [type(event).__name__ for event in mine.events]
    assert (mine.events[:1], mine.events) == (first.events, second.events)


@pytest.mark.parametrize("from_loop", [False, True])
async def test_whoever_still_listens_is_told_of_the_end(*, from_loop: bool) -> None:
    """Once; it is no problem of the recording, so the one who closed it is not told, and nothing is counted."""
    mine, left, late = Told(), Told(), Told()
    recorder = Recorder(CaptureWriter(Disk()), on_problem=mine)
    recorder.listen(left)
    for _ in range(2):
        assert await recorder.aclose() if from_loop else recorder.close()
    recorder.listen(late)

    (event,) = left.events
    assert isinstance(event, RecorderFailed)
    assert "the recorder is closed; nothing more is recorded" == event.problem
    assert "close the feeds first" in event.remedy
    assert ([], [event], 0) == (mine.events, late.events, recorder.counters.problems)


def test_a_broken_recorder_is_no_silent_one() -> None:
    """A feed that is given one afterwards is told as well."""
    disk, mine, late = Disk(), Told(), Told()
    disk.error = ZeroDivisionError("bug")
    recorder = Recorder(CaptureWriter(disk), on_problem=mine)
    recorder.record("ws", "wss://x", b"1")
    assert not recorder.flush()
    mine.wait(1)
    recorder.listen(late)

    assert "nothing more is recorded" in str(late.events[0])
    assert not recorder.close()
