"""Captures after accidents: cut off, flipped, killed, out of space. Never a wrong record, never a stray exception."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
import tracemalloc
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshots.capture import CaptureError, Record, read_capture
from tests.captures import flipped, foreign, frames, kinds, lines, opened, refusal, written

RECORDS = frames(12)
DATA, MARKS = written(RECORDS, flush_every=4)
FOREIGN = foreign(RECORDS)


def test_cut_at_every_byte() -> None:
    """Every record of every whole block, none of the cut one, and one problem that says where it ends."""
    for cut in range(1, len(DATA)):
        end, count = max([(0, 0), *(mark for mark in MARKS if mark[0] <= cut)])
        reader = opened(DATA[:cut])
        assert RECORDS[:count] == list(reader)
        if end == cut:
            assert [] == reader.problems
        else:
            (problem,) = reader.problems
            assert ("truncated", count + 1, end) == problem[:3]
            where = f"the capture stops after record {count} (line {count}), at byte {end}: "
            assert f"{where}the file ends inside a block" == problem.text


def test_the_file_of_others_cut_at_every_byte() -> None:
    """A member that somebody else was still writing: every line that can be unpacked, and one problem."""
    for cut in range(1, len(FOREIGN)):
        unpacked = zlib.decompressobj(31).decompress(FOREIGN[:cut])
        reader = opened(FOREIGN[:cut])
        records = list(reader)
        assert RECORDS[: len(records)] == records
        assert len(records) - unpacked.count(b"\n") in {0, 1}, "only the line feed may be missing of the last one"
        assert ["truncated"] == kinds(reader)


def test_plain_lines_cut_at_every_byte() -> None:
    """Every whole line; half a one is named, with the byte where it begins."""
    text = lines(RECORDS[:4])
    for cut in range(1, len(text)):
        whole = text[:cut].count(b"\n")
        start = text.rfind(b"\n", 0, cut) + 1
        reader = opened(text[:cut])
        records = list(reader)
        if text[cut : cut + 1] == b"\n":
            assert (RECORDS[: whole + 1], []) == (records, reader.problems)
        else:
            assert RECORDS[:whole] == records
            assert [("truncated", whole + 1, start)] * (start < cut) == [problem[:3] for problem in reader.problems]


def test_half_a_line_in_a_whole_file() -> None:
    """Somebody packed a text that was cut off."""
    packed = gzip.compress(lines(RECORDS[:2])[:-9], mtime=0)
    reader = opened(packed)

    assert RECORDS[:1] == list(reader)
    assert [("truncated", 2, len(packed))] == [problem[:3] for problem in reader.problems]
    assert "after record 1 (line 1)" in reader.problems[0].text
    assert "the last line is not whole" in reader.problems[0].text


def test_every_bit_flipped() -> None:
    """The blocks beside the wrong bit are read in full, of its own block either all or nothing."""
    starts = [0, *(offset for offset, _ in MARKS)]
    for bit in range(8 * len(DATA)):
        block = sum(start <= bit // 8 for start in starts[1:])
        rest = RECORDS[: 4 * block] + RECORDS[4 * block + 4 :]
        reader = opened(flipped(DATA, bit))
        records = list(reader)
        if RECORDS == records:
            # A bit without meaning, like that of the time stamp in the header of a block.
            assert [] == reader.problems
        else:
            assert rest == records
            # A block whose own length is what was spoilt may look as if it were cut off.
            kind = reader.problems[0].kind if block == 2 and bit // 8 < starts[2] + 20 else "corrupt_block"
            assert [(kind, 4 * block + 1, starts[block])] == [problem[:3] for problem in reader.problems]


@pytest.mark.parametrize("level", [0, 1, 6])
@pytest.mark.parametrize("count", [1, 3, 20, 60])
def test_every_bit_flipped_in_the_file_of_others(count: int, level: int) -> None:
    """All records, none, or (where the wrong bit hides the end) the right ones: never a wrong one."""
    some = frames(count)
    data = foreign(some, level)
    for bit in range(0, 8 * len(data), 1 if len(data) < 2000 else 7):
        try:
            reader = opened(flipped(data, bit))
        except CaptureError:
            continue
        records = list(reader)
        assert some[: len(records)] == records
        assert (records == some) >= (reader.problems == [])


def test_a_single_damaged_block_is_no_capture() -> None:
    """When nothing at all can be recognised, that is said at once."""
    data, _ = written(RECORDS[:1])
    with pytest.raises(CaptureError, match="neither gzip nor JSON Lines"):
        opened(flipped(data, 0))


def test_half_a_line_before_damage_is_named() -> None:
    """A line that runs into a damaged block is lost, and nothing is glued together from both sides."""
    text = lines(RECORDS)
    middle = text.index(b"\n") - 5
    members = [gzip.compress(part, mtime=0) for part in (text[:middle], b"damage", text[middle:])]
    reader = opened(members[0] + members[1][:-8] + bytes(8) + members[2])

    assert RECORDS[1:] == list(reader)
    assert ["corrupt_line", "corrupt_block", "corrupt_line"] == kinds(reader)


def test_half_a_line_before_a_block_of_ours_is_named() -> None:
    """Blocks of ours begin a line, whatever stands before them."""
    reader = opened(gzip.compress(lines(RECORDS[:2])[:-9], mtime=0) + DATA)

    assert RECORDS[:1] + RECORDS == list(reader)
    assert [("corrupt_line", 2)] == [problem[:2] for problem in reader.problems]


@given(st.data())
def test_any_mangling_never_makes_a_record(data: st.DataObject) -> None:
    """Pieces cut out, put elsewhere or overwritten: whatever is read was written, or is told to be unchecked."""
    mangled = bytearray(data.draw(st.sampled_from([DATA, FOREIGN])))
    for _ in range(data.draw(st.integers(1, 4))):
        start, end, to = (data.draw(st.integers(0, len(mangled))) for _ in range(3))
        piece = data.draw(st.sampled_from([b"", bytes(20), bytes(mangled[start:end])]) | st.binary(max_size=20))
        mangled[to : to + data.draw(st.integers(0, 40))] = piece
    try:
        reader = opened(bytes(mangled))
    except CaptureError:
        return
    records = set(reader)
    # Only the end of a file of others may be unchecked, and only when it is cut off.
    assert records <= set(RECORDS) or "could not be checked" in reader.problems[-1].text


@given(st.sampled_from([b"", b"\x1f\x8b", DATA[:16], FOREIGN[:10], b'{"']), st.binary())
def test_any_bytes_are_read_or_refused(start: bytes, rest: bytes) -> None:
    """A reader of anything ends, with nothing but a ``CaptureError``; whatever it yields is a record."""
    error = refusal(lambda: [record.raw for record in opened(start + rest)])

    assert error is None or 1 == len(str(error).splitlines())


def test_a_bomb_stays_small() -> None:
    """A line of 100 MB that packs to 100 kB is left out by number, without being held."""
    some = frames(3)
    packer = zlib.compressobj(1, wbits=31)
    data = b"".join(
        [
            packer.compress(lines(some)),
            *(packer.compress(b" " * 1_000_000) for _ in range(100)),
            packer.compress(b"\n" + lines(some)),
            packer.flush(),
        ]
    )
    assert len(data) < 1_000_000
    tracemalloc.start()
    reader = read_capture(io.BytesIO(data), record_bytes_max=100_000)
    records = list(reader)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert some + some == records
    (problem,) = reader.problems
    assert ("corrupt_line", 4) == problem[:2]
    assert "longer than 100000 bytes" in problem.text
    assert peak < 24_000_000


def test_a_nested_line_stays_small() -> None:
    """JSON of many small values takes 20 times its length when built; a record never needs that."""
    bad = b'{"ts":1,"kind":"ws","url":null,"raw":"","more":[' + b"{}," * 1_000_000 + b"{}]}\n"
    tracemalloc.start()
    reader = opened(bad + lines(RECORDS))
    records = list(reader)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert RECORDS == records
    assert ["corrupt_line"] == kinds(reader)
    assert peak < 5 * len(bad)


@pytest.mark.parametrize(("length", "fits"), [(200_000, True), (200_001, False)])
@pytest.mark.parametrize("ended", [True, False])
def test_the_bound_of_a_line(length: int, fits: bool, ended: bool) -> None:
    """A line of exactly ``record_bytes_max`` is read, one byte more is not; also at the end without a line feed."""
    head = lines(RECORDS[:1])
    body = lines([Record(None, "ws", None, b"")])
    text = lines([Record(None, "ws", None, b"x" * (length - len(body) + 1))])
    reader = read_capture(io.BytesIO(head + (text if ended else text[:-1])), record_bytes_max=200_000)

    assert 1 + fits == len(list(reader))
    expected = [] if fits else [("corrupt_line" if ended else "truncated", 2, len(head))]
    assert expected == [problem[:3] for problem in reader.problems]


def test_problems_are_bounded() -> None:
    """A file of nothing but bad lines does not fill the memory with complaints; all are counted."""
    reader = read_capture(io.BytesIO(lines(RECORDS) + b"\n" * 5000), problems_max=10)

    assert RECORDS == list(reader)
    assert (10, 5000) == (len(reader.problems), reader.problem_count)
    shortest = b'{"kind":"ws","raw":""}\n'
    mixed = read_capture(io.BytesIO(lines(RECORDS) + b"\n" * 20 + shortest), problems_max=10)
    assert [*RECORDS, Record(None, "ws", None, b"")] == list(mixed)
    assert (20, len(RECORDS) + 21) == (mixed.problem_count, mixed.line_count)
    least = read_capture(io.BytesIO(lines(RECORDS)), record_bytes_max=1, problems_max=1)
    assert ([], 1, len(RECORDS)) == (list(least), len(least.problems), least.problem_count)


WRITER = """
import sys
from snapshots.capture import CaptureWriter, Record
with CaptureWriter(sys.argv[1]) as writer:
    count = 0
    while True:
        for _ in range(7):
            writer.write(Record(count, "ws", None, b"%d" % count))
            count += 1
        writer.flush()
        writer.write(Record(count, "ws", None, b"%d" % count))
        count += 1
        print(count - 1, flush=True)
"""


@pytest.mark.parametrize("blocks", [1, 3, 50])
def test_kill_9_loses_nothing_flushed(blocks: int, tmp_path: Path) -> None:
    """A real process dies without a chance to clean up: all that it reported as flushed is there."""
    path = tmp_path / "a"
    root = Path(__file__).parent.parent
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, path],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(root)},
    ) as process:
        assert process.stdout is not None
        reported = [int(process.stdout.readline()) for _ in range(blocks)]
        process.kill()
        reported += [int(row) for row in process.stdout.read().splitlines(keepends=True) if row.endswith("\n")]
    with read_capture(path) as reader:
        records = list(reader)
    assert [Record(i, "ws", None, b"%d" % i) for i in range(len(records))] == records
    assert len(records) >= reported[-1]
    assert kinds(reader) in ([], ["truncated"])
