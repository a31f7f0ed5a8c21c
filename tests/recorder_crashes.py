"""A process that records until it is killed, and a judge of the file that it leaves.

``benchmarks/crashes.py`` kills a thousand, ``tests/test_host_kill.py`` a few. Every frame has a number, and its content
follows from that and the seed, so that nothing in the file has to be believed.
"""

from __future__ import annotations

import io
import json
import os
import random
import re
import select
import struct
import subprocess
import sys
import zlib
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from snapshots.capture import CaptureError, CaptureWriter, Record, read_capture
from snapshots.recorder import Recorder
from tests.source_tree import ROOT

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

URL: Final = "wss://ws.example.com/endpoint"
REPORT: Final = struct.Struct("<Q")
"""On the pipe: all frames that were taken, up to this number, are with the operating system."""
PATIENCE_S: Final = 60
_LOST = re.compile(rb"4000 recorder gap: (\d+) records? lost")


class Plan(NamedTuple):
    """How a recording is made, and when it ends. All of it follows from a seed."""

    seed: int
    block_bytes: int
    level: int
    pad_bytes: int
    """Of each frame, hard to compress."""
    piece_bytes: int
    """What the disk takes at a time; 0: whatever it is given."""
    queue_max: int
    interval_s: float
    frames: int
    """Between two reports."""
    reports: int
    """After so many of them the process is killed,"""
    delay_us: int
    """and so much later."""


def plan_of(seed: int) -> Plan:
    """What a seed stands for: small blocks and large ones, quick disks and slow ones, long queues and short ones."""
    rng = random.Random(seed)
    return Plan(
        seed=seed,
        block_bytes=rng.choice((1, 500, 4_000, 64_000, 256_000)),
        level=rng.choice((0, 1, 6)),
        pad_bytes=rng.choice((0, 30, 300, 3_000)),
        piece_bytes=rng.choice((0, 0, 7, 100, 4_096)),
        queue_max=rng.choice((20, 1_000, 100_000)),
        interval_s=rng.choice((0.001, 0.01, 1.0)),
        frames=rng.choice((1, 10, 100, 400)),
        reports=rng.randint(1, 20),
        delay_us=int(2 ** rng.uniform(0, 15)),
    )


def frame_of(plan: Plan, number: int) -> bytes:
    """The content of a frame."""
    digest = blake2b(f"{plan.seed}:{number}".encode()).hexdigest()
    return json.dumps(
        {"number": number, "pad": (digest * (1 + plan.pad_bytes // len(digest)))[: plan.pad_bytes]}
    ).encode()


# -- the process --


class Trickle(io.FileIO):
    """A file on a disk that takes a little at a time, so that a death may come in the middle of a block."""

    def __init__(self, path: str, piece_bytes: int) -> None:
        super().__init__(path, "w")
        self._piece_bytes = piece_bytes

    def write(self, data: ReadableBuffer, /) -> int:
        return super().write(bytes(data)[: self._piece_bytes])


def record_for_ever(path: str, plan: Plan, pipe: int) -> None:
    """Record numbered frames, and report how far they are flushed, until somebody puts an end to it."""
    target = Trickle(path, plan.piece_bytes) if plan.piece_bytes else path
    writer = CaptureWriter(target, block_bytes=plan.block_bytes, level=plan.level)
    recorder = Recorder(writer, queue_max=plan.queue_max, flush_interval_s=plan.interval_s)
    recorder.record("open", URL, b"", ts=0)
    number = taken = 0
    while True:
        for _ in range(plan.frames):
            if recorder.record("ws", URL, frame_of(plan, number), ts=number):
                taken = number + 1
            number += 1
        if recorder.flush(PATIENCE_S):
            os.write(pipe, REPORT.pack(taken))


# -- its end --


def killed(path: Path, plan: Plan, *, late: bool = True) -> int:
    """Have a process record, and kill it.

    Args:
        path: Of the recording.
        plan: When.
        late: Whether to wait for ``delay_us``, too.

    Returns:
        So many frames were reported as flushed.
    """
    reading, writing = os.pipe()
    command = [sys.executable, "-m", "tests.recorder_crashes", str(path), str(plan.seed), str(writing)]
    with (
        os.fdopen(reading, "rb", buffering=0) as pipe,
        subprocess.Popen(command, cwd=ROOT, pass_fds=(writing,), stderr=subprocess.PIPE) as process,
    ):
        os.close(writing)
        try:
            reported = b""
            while len(reported) < plan.reports * REPORT.size and (more := pipe.read(REPORT.size)):
                reported += more
            if late:
                # Until then it may go on reporting.
                select.select([], [], [], plan.delay_us / 1e6)
        finally:
            process.kill()
        reported += pipe.readall()
        assert process.stderr is not None
        complaint = process.stderr.read().decode()
    if -9 != process.returncode or complaint:
        raise RuntimeError(f"the recording process ended by itself: {process.returncode} {complaint}")
    whole = len(reported) // REPORT.size * REPORT.size
    return int(REPORT.unpack(reported[whole - REPORT.size : whole])[0])


class Verdict(NamedTuple):
    """What a file was found to hold."""

    flushed: int
    """Frames that must be there (or be marked as lost)."""
    frames: int
    lost: int
    """Frames that the recorder had no room for; each run of them is marked with its length."""
    is_cut: bool
    """The death came in the middle of a block."""
    wrong: list[str]
    """Whatever is not as it should be."""


def whole_blocks(data: bytes) -> tuple[int, int]:
    """Where the last whole gzip member ends, and how many lines stand up to there; without the code that is judged."""
    end = lines = 0
    while end < len(data):
        member = zlib.decompressobj(31)
        try:
            content = member.decompress(data[end:])
        except zlib.error:
            break
        if not member.eof:
            break
        end, lines = len(data) - len(member.unused_data), lines + content.count(b"\n")
    return end, lines


def judged(path: Path, plan: Plan, flushed: int) -> Verdict:
    """Read what a killed process left, and continue it."""
    data, wrong = path.read_bytes(), list[str]()
    end, lines = whole_blocks(data)
    records = _read(path, end, len(data), wrong)
    if lines != len(records):
        wrong.append(f"{lines} lines stand in whole blocks, and {len(records)} were read")
    known, lost = _followed(plan, records, wrong)
    if known < flushed:
        wrong.append(f"{flushed} frames were flushed, and {known} are known")
    _continued(path, plan, records, wrong)
    frames = sum(record.kind == "ws" for record in records)
    return Verdict(flushed, frames, lost, end < len(data), wrong)


def _read(path: Path, end: int, size: int, wrong: list[str]) -> list[Record]:
    """The records up to the last whole block; where they end is told if, and only if, something follows."""
    try:
        with read_capture(path) as reader:
            records = list(reader)
    except CaptureError as error:
        if size or "it is empty" not in str(error):
            wrong.append(str(error))
        return []
    where = f"the capture stops after record {len(records)} (line {len(records)}), at byte {end}: "
    expected = [] if end == size else [("truncated", len(records) + 1, end, f"{where}the file ends inside a block")]
    if expected != [tuple(problem) for problem in reader.problems]:
        wrong.append(f"it ends at byte {end} of {size}, and the reader says {reader.problems}")
    return records


def _followed(plan: Plan, records: list[Record], wrong: list[str]) -> tuple[int, int]:
    """Go through frames and markers: the number that comes next, and how many are marked as lost."""
    following = lost = 0
    for at, record in enumerate(records):
        if record.kind == "ws":
            if record != Record(following, "ws", URL, frame_of(plan, following)):
                wrong.append(f"record {at} is not frame {following}: {record}")
                return following, lost
            following += 1
        elif record.kind == "close":
            match = _LOST.fullmatch(record.raw)
            if match is None or record.url != URL:
                wrong.append(f"record {at} marks nothing: {record}")
                return following, lost
            following, lost = following + int(match[1]), lost + int(match[1])
        elif record.url != URL or (record.kind, record.raw) != ("open", b""):
            wrong.append(f"record {at} was never made: {record}")
    return following, lost


def _continued(path: Path, plan: Plan, records: list[Record], wrong: list[str]) -> None:
    """Continuing a file loses nothing of it, and says where it goes on."""
    marker = [Record(7, "close", None, b"4000 recorder gap: recording continued")] if path.stat().st_size else []
    more = [Record(number, "ws", URL, frame_of(plan, number)) for number in range(10)]
    with Recorder(path, append=True, wall_clock=lambda: 7) as recorder:
        for record in more:
            recorder.record(*record[1:4], ts=record.ts)
    with read_capture(path) as reader:
        if records + marker + more != list(reader) or reader.problems:
            wrong.append(f"continued, it holds {reader.record_count} records, with {reader.problems}")


if __name__ == "__main__":
    record_for_ever(sys.argv[1], plan_of(int(sys.argv[2])), int(sys.argv[3]))
