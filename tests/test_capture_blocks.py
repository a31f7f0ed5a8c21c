"""Blocks: reading goes on behind damage, ``append`` cuts off only what nobody can read, and size does not matter."""

from __future__ import annotations

import gzip
import io
import random
import struct
import tracemalloc
from pathlib import Path

import pytest

from snapshots.blocks import CHUNK_BYTES
from snapshots.capture import CaptureError, CaptureWriter, Record, read_capture
from tests.captures import URL, flipped, foreign, frames, kinds, lines, opened, written

RECORDS = frames(12)
DATA, MARKS = written(RECORDS, flush_every=4)
FOREIGN = foreign(RECORDS)


@pytest.mark.parametrize(
    "between", [b"\x00" * 3, b"\x1f\x8b", b"\x1f\x8b\x08" * 5, random.Random(1).randbytes(300_000)]
)
@pytest.mark.parametrize("other", [DATA, FOREIGN])
def test_reading_goes_on_behind_damage(between: bytes, other: bytes) -> None:
    """Whatever stands between two blocks is named with its bytes, and what follows is read."""
    reader = opened(DATA + between + other)

    assert RECORDS + RECORDS == list(reader)
    (problem,) = reader.problems
    assert ("corrupt_block", 13, len(DATA)) == problem[:3]
    assert f"bytes {len(DATA)} to {len(DATA) + len(between)} are left out" in problem.text


def test_a_cut_block_in_the_middle() -> None:
    """Half a block with more behind it is damage, and ``append`` does not cut off what follows."""
    cut = DATA[: MARKS[0][0] - 9]
    reader = opened(cut + DATA)

    assert RECORDS == list(reader)
    assert ["corrupt_block"] == kinds(reader)


def test_a_cut_block_behind_damage() -> None:
    """One of ours is told from damage; half a block of others is not believed in a damaged file."""
    reader = opened(DATA + bytes(9) + DATA[: MARKS[0][0] + 50])
    assert RECORDS + RECORDS[:4] == list(reader)
    assert [("corrupt_block", len(DATA)), ("truncated", len(DATA) + 9 + MARKS[0][0])] == [
        (problem.kind, problem.offset) for problem in reader.problems
    ]
    reader = opened(DATA + bytes(9) + DATA[:50])
    assert RECORDS == list(reader)
    assert ["corrupt_block", "truncated"] == kinds(reader)
    reader = opened(DATA + bytes(9) + FOREIGN[:-20])
    assert RECORDS == list(reader)
    assert ["corrupt_block"] == kinds(reader)


@pytest.mark.parametrize("gap", [1, 2, *range(CHUNK_BYTES - 4, CHUNK_BYTES + 5), 3 * CHUNK_BYTES])
def test_the_next_block_is_found_wherever_it_begins(gap: int) -> None:
    """Also where its first bytes fall into two reads."""
    reader = opened(DATA + bytes(gap) + DATA)

    assert RECORDS + RECORDS == list(reader)
    assert [("corrupt_block", 13, len(DATA))] == [problem[:3] for problem in reader.problems]


def test_a_file_of_headers_ends() -> None:
    """So many places that only look like blocks are not all tried, however long the file."""
    reader = opened(DATA + b"\x1f\x8b\x08\xff" * 1500 + DATA)

    assert RECORDS == list(reader)
    assert ["corrupt_block"] == kinds(reader)
    assert reader.finished


@pytest.mark.parametrize(
    ("length", "claimed", "kind"),
    [
        (2_000, 2_000, "corrupt_block"),
        (2_000, 1_000, "corrupt_block"),
        (2_000, 3_900, "corrupt_block"),
        (2_000, 499, "truncated"),
        (2_000, 10_001, "truncated"),
        (2_000, 0, "truncated"),
        (2_000, 2**32 - 1, "truncated"),
        (1_500_000, 1_500_000 + 2**20, "corrupt_block"),
        (1_500_000, 1_500_001 + 2**20, "truncated"),
    ],
)
def test_what_looks_like_a_trailer(length: int, claimed: int, kind: str) -> None:
    """Without its end, a block of others passes for cut off only if the file does not end in a likely length."""
    text = lines(RECORDS[:3])
    content = text + b"x" * (length - len(text) - 4) + struct.pack("<I", claimed)
    stored = b"".join(
        struct.pack("<BHH", 0, len(part), len(part) ^ 0xFFFF) + part
        for part in (content[at : at + 0xFFFF] for at in range(0, length, 0xFFFF))
    )
    reader = opened(gzip.compress(b"", mtime=0)[:10] + stored)

    assert (RECORDS[:3] if kind == "truncated" else []) == list(reader)
    assert [kind] == kinds(reader)


def test_a_file_that_grows_is_read_to_the_size_it_had() -> None:
    """A capture in the making: what is added meanwhile, whole or not, is for the next reading."""
    file = io.BytesIO(DATA)
    reader = read_capture(file)
    file.seek(0, io.SEEK_END)
    file.write(DATA[:-5])

    assert RECORDS == list(reader)
    assert [] == reader.problems
    file = io.BytesIO(FOREIGN[:-20])
    reader = read_capture(file)
    file.seek(0, io.SEEK_END)
    file.write(FOREIGN[-20:])
    assert RECORDS[:-1] == list(reader)[:11]
    assert ["truncated"] == kinds(reader)


def test_continued_after_a_cut_at_every_byte(tmp_path: Path) -> None:
    """``append`` cuts off what the killed writer left, and the file is whole again."""
    path = tmp_path / "a"
    more = frames(2, seed=2)
    for cut in range(len(DATA)):
        path.write_bytes(DATA[:cut])
        end, count = max([(0, 0), *(mark for mark in MARKS if mark[0] <= cut)])
        with CaptureWriter(path, append=True) as writer:
            assert cut - end == writer.discarded_bytes
            for record in more:
                writer.write(record)
        with read_capture(path) as reader:
            assert RECORDS[:count] + more == list(reader)
        assert [] == reader.problems


def test_append_does_not_unpack(tmp_path: Path) -> None:
    """Blocks of ours are passed over by their length: damage inside one is for the reader to find."""
    path = tmp_path / "a"
    path.write_bytes(flipped(DATA, 8 * (MARKS[1][0] - 60)))
    with CaptureWriter(path, append=True) as writer:
        writer.write(RECORDS[0])
    reader = read_capture(path)
    assert RECORDS[:4] + RECORDS[8:] + RECORDS[:1] == list(reader)
    assert ["corrupt_block"] == kinds(reader)


def test_append_passes_over_a_wrong_length(tmp_path: Path) -> None:
    """Where the length of a block leads nowhere, it is unpacked instead."""
    path = tmp_path / "a"
    path.write_bytes(flipped(DATA, 8 * (MARKS[0][0] + 16)))
    with CaptureWriter(path, append=True) as writer:
        writer.write(RECORDS[0])
    assert RECORDS + RECORDS[:1] == list(reader := read_capture(path))
    assert [] == reader.problems


@pytest.mark.parametrize("behind", [DATA, DATA[: MARKS[0][0]]])
def test_append_keeps_what_follows_a_cut_block(behind: bytes, tmp_path: Path) -> None:
    """Also when the cut block claims to be longer than all that follows."""
    path = tmp_path / "a"
    big, _ = written([Record(None, "ws", None, random.Random(1).randbytes(9_000))])
    data = DATA + big[:30] + behind
    path.write_bytes(data)
    with pytest.raises(CaptureError, match=f"from byte {len(DATA)} on"):
        CaptureWriter(path, append=True)
    assert data == path.read_bytes()


def big_block(count: int = 140, level: int = 0) -> tuple[list[Record], bytes]:
    """One block beyond what is kept in memory between check and handing out."""
    some = [Record(i, "ws", URL, bytes([97 + i % 26]) * 64_000) for i in range(count)]
    file = io.BytesIO()
    with CaptureWriter(file, block_bytes=64_000_000, level=level) as writer:
        for record in some:
            writer.write(record)
    assert 1 == writer.block_count
    return some, file.getvalue()


@pytest.mark.parametrize(("level", "steps"), [(0, 30), (9, 3)])
def test_a_big_block_is_checked_too(level: int, steps: int) -> None:
    """It is unpacked twice: with a wrong checksum not one record is handed out."""
    some, data = big_block(level=level)
    spoilt = bytearray(data)
    spoilt[-8] ^= 1
    tracemalloc.start()
    reader = opened(data)
    offsets = []
    for one, other in zip(some, reader, strict=True):
        assert one == other
        offsets.append(reader.compressed_offset)
    assert tracemalloc.get_traced_memory()[1] < 18_000_000
    tracemalloc.stop()
    assert sorted(offsets) == offsets
    assert len(set(offsets)) > steps
    assert len(data) == reader.compressed_offset >= offsets[-1]
    reader = opened(bytes(spoilt))
    assert [] == list(reader)
    assert ["corrupt_block"] == kinds(reader)


@pytest.mark.parametrize("change", ["other bytes", "shorter", "another whole block"])
def test_a_big_block_that_changes_while_it_is_read(change: str) -> None:
    """The check was for nothing then, and that is an error, not a wrong record passed over in silence."""
    some, data = big_block()
    file = io.BytesIO(data)
    reader = read_capture(file)
    read = [next(reader) for _ in range(3)]
    if change == "shorter":
        file.truncate(len(data) - 1000)
    elif change == "another whole block":
        other = big_block(139)[1]
        file.getbuffer()[: len(other)] = other
    else:
        file.getbuffer()[-1000:] = bytes(1000)
    with pytest.raises(CaptureError, match="changed while it was read; wait for"):
        read.extend(reader)
    assert some[: len(read)] == read
    assert not reader.finished
