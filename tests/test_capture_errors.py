"""Full disks, closed files and files that are no captures: one clear line, and what was written stays readable."""

from __future__ import annotations

import errno
import io
import os
import pickle
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import pytest

from orderbook.errors import OrderBookError, UsageError
from snapshots.capture import CaptureError, CaptureWriter, Record, read_capture
from tests.captures import foreign, frames, kinds, opened, read_until, refusal, written

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

RECORDS = frames(40)
DISK_FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
#: Two records a block.
BLOCK_BYTES = 250


class FailingFile(io.BytesIO):
    """A disk that is full from its ``first`` call on, for ``count`` calls; a failing write takes half of its bytes."""

    def __init__(self, first: int, count: int, *, can_seek: bool = True) -> None:
        super().__init__()
        self._failing = range(first, first + count)
        self._can_seek = can_seek
        self.calls = 0

    def _fails(self) -> bool:
        self.calls += 1
        return self.calls - 1 in self._failing

    def write(self, data: ReadableBuffer, /) -> int:
        if not self._fails():
            return super().write(data)
        taken = bytes(data)
        super().write(taken[: len(taken) // 2])
        raise DISK_FULL

    def flush(self) -> None:
        if self._fails():
            raise DISK_FULL

    def seekable(self) -> bool:
        return self._can_seek

    def truncate(self, size: int | None = None, /) -> int:
        if self._fails():
            raise DISK_FULL
        return super().truncate(size)


def record_all(file: FailingFile) -> tuple[CaptureWriter, list[Record], bool]:
    """Write everything, going on after errors: the writer, the records taken, and whether closing failed."""
    writer = CaptureWriter(file, block_bytes=BLOCK_BYTES)
    taken = []
    for record in RECORDS:
        error = refusal(partial(writer.write, record))
        if error is None:
            taken.append(record)
        else:
            assert "No space left on device" in str(error)
            assert "free space on that disk" in error.remedy
    error = refusal(writer.close)
    assert error is None or f"{writer.lost_count} records are lost" in str(error)
    return writer, taken, error is not None


CALLS = FailingFile(10**9, 0)
record_all(CALLS)


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_a_disk_full_for_a_while_loses_only_what_was_refused(count: int) -> None:
    """Whichever call fails first: every record that was taken is there, once, in order, without any damage."""
    for first in range(CALLS.calls):
        file = FailingFile(first, count)
        writer, taken, failed = record_all(file)
        reader = opened(file.getvalue())
        records = list(reader)
        kept = len(taken) - writer.lost_count
        assert taken[:kept] == records[:kept]
        # At the very end, a block may be in the file although its flush failed.
        assert [record for record in RECORDS if record in records] == records
        assert failed or kept == len(records)
        assert [] == reader.problems or (failed and ["truncated"] == kinds(reader))
        assert failed == (writer.lost_count > 0)
        assert len(taken) == writer.record_count
        assert not failed or first + count > CALLS.calls - 2, "only an error at the very end can lose records"
        assert len(RECORDS) - len(taken) <= count


def test_a_record_that_still_fits_is_taken() -> None:
    """While the disk is full, only what would fill the block is refused."""
    writer = CaptureWriter(file := FailingFile(0, 2), block_bytes=300)
    small, big = Record(None, "ws", None, b""), Record(None, "ws", None, b"x" * 300)
    with pytest.raises(CaptureError):
        writer.write(big)
    assert writer.write(small)
    assert 2 == file.calls, "nothing was tried for the small one"
    writer.close()
    assert [small] == list(opened(file.getvalue()))


def test_a_disk_full_for_good_keeps_every_whole_block() -> None:
    """Also when not even cutting off the half-written block is possible."""
    for first in range(CALLS.calls):
        file = FailingFile(first, 10**9)
        writer, taken, failed = record_all(file)
        assert failed
        data = file.getvalue()
        records = [] if not data else list(reader := opened(data))
        assert RECORDS[: len(records)] == records
        assert len(taken) - writer.lost_count <= len(records) <= len(RECORDS)
        assert not data or kinds(reader) in ([], ["truncated"])
        assert len(taken) - writer.lost_count == 2 * writer.block_count


def test_a_pipe_that_fails_ends_the_capture() -> None:
    """What cannot seek cannot be cut; trying again could write records twice, so it is refused."""
    for first in range(CALLS.calls):
        file = FailingFile(first, 1, can_seek=False)
        writer = CaptureWriter(file, block_bytes=BLOCK_BYTES)
        endless = iter([*RECORDS, *RECORDS])
        taken = 0
        while (error := refusal(partial(writer.write, next(endless)))) is None:
            taken += 1
        assert "No space left" in str(error)
        with pytest.raises(CaptureError, match="cannot be taken back"):
            writer.write(RECORDS[0])
        with pytest.raises(CaptureError, match=r"\d records are lost: half a block was written"):
            writer.close()
        data = file.getvalue()
        records = list(opened(data)) if data else []
        assert [*RECORDS, *RECORDS][: len(records)] == records
        assert len(records) >= taken - writer.lost_count


def test_a_really_full_disk() -> None:
    """The operating system's own error, through a path."""
    writer = CaptureWriter("/dev/full", overwrite=True)
    writer.write(RECORDS[0])
    with pytest.raises(CaptureError, match="1 records are not written yet"):
        writer.flush()
    with pytest.raises(CaptureError, match=r"1 records are lost: No space left on device .*; free space") as caught:
        writer.close()
    assert "/dev/full" == caught.value.name
    assert isinstance(caught.value, OrderBookError)
    with pytest.raises(CaptureError, match="/dev/full: No space left on device; free space"):
        CaptureWriter("/dev/full", overwrite=True).close()


class Hesitant(io.RawIOBase):
    """An unbuffered file that takes as many bytes at once as it is told, or says that it took none."""

    def __init__(self, step: int | None) -> None:
        super().__init__()
        self.step = step
        self.taken = b""

    def write(self, data: ReadableBuffer, /) -> int | None:
        offered = bytes(data)
        self.taken += offered[: self.step or 0]
        return self.step and min(self.step, len(offered))


def test_a_file_that_takes_a_little_at_a_time() -> None:
    """Short writes are continued, as is an object that does not say how much it took."""
    with CaptureWriter(file := Hesitant(7)) as writer:
        writer.write(RECORDS[0])
    assert RECORDS[:1] == list(opened(file.taken))

    class Silent(io.BytesIO):
        def write(self, data: ReadableBuffer, /) -> Any:
            super().write(data)

    with CaptureWriter(silent := Silent()) as writer:
        writer.write(RECORDS[0])
    assert RECORDS[:1] == list(opened(silent.getvalue()))


@pytest.mark.parametrize("step", [0, None])
def test_a_file_that_takes_nothing(step: int | None) -> None:
    """That is an error, not an endless loop."""
    with pytest.raises(CaptureError, match="nothing was written"):
        CaptureWriter(Hesitant(step)).close()


class Interrupted(io.BytesIO):
    """A file whose flush is interrupted from the keyboard, once."""

    interrupts = 1

    def flush(self) -> None:
        self.interrupts -= 1
        if self.interrupts == 0:
            raise KeyboardInterrupt


def test_an_interrupt_neither_loses_nor_doubles() -> None:
    """Ctrl-C in the middle of a write: closing afterwards writes the block again, in its place."""
    writer = CaptureWriter(file := Interrupted())
    for record in RECORDS:
        writer.write(record)
    with pytest.raises(KeyboardInterrupt):
        writer.flush()
    writer.close()
    assert RECORDS == list(opened(file.getvalue()))


def test_an_error_while_closing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some file systems report a failed write only then."""

    class Late(io.FileIO):
        def close(self) -> None:
            if not self.closed:
                super().close()
                raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    monkeypatch.setattr(io, "FileIO", Late)
    with pytest.raises(CaptureError, match=r"quota exceeded \(while closing\); free space within the quota"):
        CaptureWriter(tmp_path / "a").close()
    reader = read_capture(tmp_path / "a")
    assert [] == list(reader), "a reader has nothing to lose"


def test_a_closed_file_object() -> None:
    """Python's ValueError for it becomes the same typed error."""
    file = io.BytesIO()
    writer = CaptureWriter(file)
    writer.write(RECORDS[0])
    file.close()
    with pytest.raises(CaptureError, match="closed file"):
        writer.flush()
    with pytest.raises(CaptureError, match="closed file"):
        CaptureWriter(file)
    with pytest.raises(CaptureError, match="closed file"):
        read_capture(file)


@pytest.mark.parametrize(
    "options", [{"block_bytes": 0}, {"block_bytes": 2**40}, {"level": 10}, {"append": True}, {"overwrite": True}]
)
def test_impossible_options_of_a_writer(options: dict[str, Any]) -> None:
    """The caller's mistake, told at once."""
    with pytest.raises(UsageError):
        CaptureWriter(io.BytesIO(), **options)


@pytest.mark.parametrize("options", [{"record_bytes_max": 0}, {"problems_max": 0}])
def test_impossible_options_of_a_reader(options: dict[str, int]) -> None:
    """The caller's mistake, told at once."""
    with pytest.raises(UsageError):
        read_capture(io.BytesIO(written(RECORDS)[0]), **options)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty; its writer was stopped before the first block"),
        (b"hello world", "it is neither gzip nor JSON Lines; name a capture: gzip JSON Lines, one message a line"),
        (b"[1,2]\n", "neither gzip nor JSON Lines"),
        (b"\x00" * 1000, "neither gzip nor JSON Lines"),
        (b"\x28\xb5\x2f\xfd....", "zstd is not supported; unpack it with `zstd -d` first"),
        (b"\xfd7zXZ\x00...", "xz is not supported"),
        (b"BZh91AY&SY", "bzip2 is not supported"),
        (b"\x04\x22\x4d\x18", "lz4 is not supported"),
        (b"PK\x03\x04", "zip is not supported"),
    ],
)
def test_what_is_no_capture(content: bytes, message: str, tmp_path: Path) -> None:
    """One line: the path, what is wrong, what to do."""
    path = tmp_path / "a.gz"
    path.write_bytes(content)
    with pytest.raises(CaptureError) as caught:
        read_capture(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert str(caught.value) == str(pickle.loads(pickle.dumps(caught.value)))


def test_what_cannot_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing, a directory, a pipe (which would wait for ever), a name that is none, no permission."""
    os.mkfifo(tmp_path / "pipe")
    for path, message in (
        (tmp_path / "missing", "missing: No such file or directory; check the name"),
        (tmp_path, "it is a directory; name a file inside it"),
        (tmp_path / "pipe", "it is not a regular file; store the data in a file first"),
        (Path("a\0b"), r"'a\\x00b': (stat: )?embedded null .*; check the disk and the file"),
        (tmp_path / "pipe" / "a", "Not a directory; check the name"),
    ):
        with pytest.raises(CaptureError, match=message):
            read_capture(path)
    for path, message in (
        (tmp_path / "missing" / "a", "No such file or directory; check the name and that its directory exists"),
        (tmp_path, "File exists; choose another name"),
        (Path("a\0b"), "embedded null byte"),
    ):
        with pytest.raises(CaptureError, match=message):
            CaptureWriter(path)
    with pytest.raises(CaptureError, match="Is a directory; name a file inside"):
        CaptureWriter(tmp_path, append=True)

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(io, "FileIO", refuse)
    (tmp_path / "a").touch()
    for open_it in (read_capture, CaptureWriter):
        with pytest.raises(CaptureError, match="Permission denied; check the permissions"):
            open_it(tmp_path / "a")


class Unreadable(io.BytesIO):
    """A disk with a bad sector at its n-th read."""

    good = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.good -= 1
        if self.good < 0:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return super().read(size)


def _read_all(file: BinaryIO, records: list[Record]) -> None:
    read_until(read_capture(file), records)


@pytest.mark.parametrize("data", [written(RECORDS, flush_every=10)[0], foreign(RECORDS)])
def test_a_disk_that_cannot_be_read(data: bytes) -> None:
    """Whichever read fails: the records before it, then the one typed error."""
    for good in range(100):
        file = Unreadable(data)
        file.good = good
        records: list[Record] = []
        error = refusal(partial(_read_all, file, records))
        if error is None:
            assert RECORDS == records
            assert good >= 3
            break
        assert "Input/output error; check the disk" in str(error)
        assert RECORDS[: len(records)] == records
    else:
        pytest.fail("reading never succeeded")


def test_a_name_that_would_break_the_line() -> None:
    """Line breaks and escape sequences in a file name do not reach a terminal."""
    assert "'a\\nb\\x1b[2J': gone; look" == str(CaptureError("a\nb\x1b[2J", "gone", "look"))
    assert "OSError" in str(CaptureError.of("a", OSError()))
