"""Processes that record are killed with SIGKILL; ``benchmarks/crashes.py`` kills a thousand of them."""

from __future__ import annotations

import signal
import zlib
from pathlib import Path

import pytest

from snapshots.capture import Record
from snapshots.recorder import Recorder
from tests.captures import lines
from tests.recorder_crashes import URL, Plan, frame_of, judged, killed, plan_of, whole_blocks

SEEDS = (1, 2, 3, 4, 6, 14, 18, 19)
"""Cut blocks and whole ones, overflown queues, records of 50 bytes and of 3,000."""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="a platform without SIGKILL")
@pytest.mark.parametrize("seed", SEEDS)
def test_a_killed_recorder_leaves_a_file_that_is_right(seed: int, tmp_path: Path) -> None:
    """All that was flushed is read, nothing else but what was made; the end is named; and it can be continued."""
    path, plan = tmp_path / "capture.jsonl.gz", plan_of(seed)
    verdict = judged(path, plan, killed(path, plan, late=False))

    assert [] == verdict.wrong
    assert verdict.frames + verdict.lost >= verdict.flushed > 0


def recorded(path: Path, plan: Plan, count: int) -> bytes:
    """A file as a process leaves it that records so many frames and ends well; its bytes."""
    with Recorder(path) as recorder:
        recorder.record("open", URL, b"", ts=0)
        for number in range(count):
            recorder.record("ws", URL, frame_of(plan, number), ts=number)
            if number % 10 == 0:
                recorder.flush()
    return path.read_bytes()


def test_the_judge_sees_what_is_wrong(tmp_path: Path) -> None:
    """A frame too few, a frame that was never made, one that is missing, a block that is cut without a word."""
    path, plan = tmp_path / "a", plan_of(5)
    data = recorded(path, plan, 35)
    end, count = whole_blocks(data)
    assert (len(data), 36) == (end, count)
    assert [] == judged(path, plan, 35).wrong
    path.write_bytes(data)
    assert ["36 frames were flushed, and 35 are known"] == judged(path, plan, 36).wrong
    path.write_bytes(data)
    assert "is not frame 0" in judged(path, plan_of(8), 0).wrong[0]
    path.write_bytes(data[:-1])
    assert ["35 frames were flushed, and 31 are known"] == judged(path, plan, 35).wrong
    with Recorder(path, overwrite=True) as recorder:
        recorder.record("ws", URL, frame_of(plan, 1), ts=1)
    assert "record 0 is not frame 0" in judged(path, plan, 0).wrong[0]


def test_where_whole_blocks_end() -> None:
    """Found by the standard library alone, byte by byte."""
    some = [Record(number, "ws", URL, b"%d" % number) for number in range(3)]
    blocks = [zlib.compress(lines(some), wbits=31), zlib.compress(lines(some[:1]), wbits=31)]
    data = b"".join(blocks)
    for cut in range(len(data) + 1):
        expected = (0, 0) if cut < len(blocks[0]) else (len(blocks[0]), 3) if cut < len(data) else (len(data), 4)
        assert expected == whole_blocks(data[:cut])
