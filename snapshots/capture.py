"""Read captures: recordings of raw traffic.

A capture is gzip-compressed JSON Lines: ``snapshots.records`` has the line, ``snapshots.blocks`` the block, and
``snapshots.capture_writer`` the other end. What the two ends promise each other:

* A block that was flushed survives the death of the writer. It is with the operating system, not yet on the disk:
  nothing is synced, so a power cut may take the last seconds.
* No record is ever handed out from a block whose checksum is wrong. Such a block is left out and named, and reading
  goes on with the next one.
* A file that ends too early is no error: everything before its end is read, and one problem says where it ends.

Two things cannot be checked. When another program was still compressing the last block, it has no checksum yet;
everything in it up to the end of the file is handed out, and the ``truncated`` problem says so. And a file that is not
compressed has no checksums at all.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, NamedTuple, Self

from orderbook.errors import UsageError
from orderbook.redact import redact_url
from snapshots.blocks import CHUNK_BYTES, MAGIC, Blocks, Changed, Source, State
from snapshots.capture_writer import CaptureWriter
from snapshots.errors import CaptureError
from snapshots.records import LINE_BYTES_MIN, RECORD_BYTES_MAX, Kind, LineError, Record, decode_line

__all__ = [
    "RECORD_BYTES_MAX",
    "CaptureError",
    "CaptureReader",
    "CaptureWriter",
    "Kind",
    "Problem",
    "Record",
    "read_capture",
    "redact_url",
]

PROBLEMS_MAX: Final = 1000
_OTHER_PACKERS: Final = {
    b"\x28\xb5\x2f\xfd": ("zstd", "zstd -d"),
    b"\xfd7zXZ\x00": ("xz", "xz -d"),
    b"BZh": ("bzip2", "bzip2 -d"),
    b"\x04\x22\x4d\x18": ("lz4", "lz4 -d"),
    b"PK\x03\x04": ("zip", "unzip"),
}


class Problem(NamedTuple):
    """Something in a capture that could not be read."""

    kind: Literal["truncated", "corrupt_line", "corrupt_block"]
    line: int
    """1-based line: the one left out, or the first one that is missing. Lines of blocks left out are not counted."""
    offset: int
    """Byte in the file as it is on the disk: where the block, or in a file without blocks the line, begins; for
    ``truncated``, where reading stopped."""
    text: str
    """One sentence."""


def read_capture(
    source: str | os.PathLike[str] | Source,
    *,
    record_bytes_max: int = RECORD_BYTES_MAX,
    problems_max: int = PROBLEMS_MAX,
) -> CaptureReader:
    """Open a capture, compressed or plain.

    Args:
        source: A path, or a binary file object that can seek (which is left open). It is read up to the size it has
            now, so that a capture in the making can be read too.
        record_bytes_max: A longer line is left out. Memory stays below a small multiple of it.
        problems_max: How many problems are kept; further ones are only counted.

    Returns:
        An iterator over its records, which is a context manager too.

    Raises:
        CaptureError: Missing, empty, a directory, unreadable, or no capture at all; later, from the iteration: it
            cannot be read any more. One line that names the file and the remedy.
        UsageError: A bound that is not positive.

    Complexity: O(1) memory for any length of file.
    """
    return CaptureReader(source, record_bytes_max=record_bytes_max, problems_max=problems_max)


class CaptureReader:
    """The records of a capture, once, in order. See ``read_capture``.

    Attributes:
        name: The file, for messages.
        problems: What could not be read, so far; complete when ``finished``.
        problem_count: How many there were; only the first ``problems_max`` are kept in ``problems``.
        record_count: Records handed out.
        line_count: Lines read, whole or corrupt.
        compressed_offset: Bytes of the file that were gone through for these records.
        compressed_size: Its size in bytes.
        finished: Whether the end was reached.
    """

    def __init__(
        self,
        source: str | os.PathLike[str] | Source,
        *,
        record_bytes_max: int = RECORD_BYTES_MAX,
        problems_max: int = PROBLEMS_MAX,
    ) -> None:
        if record_bytes_max < 1 or problems_max < 1:
            raise UsageError("record_bytes_max and problems_max are at least 1")
        self.problems: list[Problem] = []
        self.problem_count = self.record_count = self.line_count = self.compressed_offset = 0
        self.finished = False
        self._problems_max = problems_max
        self._lines = _Lines(record_bytes_max)
        self._cut: tuple[int, str] | None = None
        self._opened: io.FileIO | None = None
        self._closed = False
        if isinstance(source, str | os.PathLike):
            self.name = os.fspath(source)
            source = self._opened = _open(self.name)
        else:
            self.name = str(getattr(source, "name", "capture"))
        try:
            self.compressed_size = source.seek(0, os.SEEK_END)
            self._blocks = Blocks(source, self.compressed_size)
            self._packed = self._sniff()
        except (OSError, ValueError) as error:
            self.close()
            raise CaptureError.of(self.name, error) from error
        except CaptureError:
            self.close()
            raise
        self._records = self._read()

    def __iter__(self) -> Iterator[Record]:
        """The iterator of its records; there is only one."""
        if self._closed and not self.finished:
            raise UsageError(f"{self.name} was closed before its end; open it again")
        return self._records

    def __next__(self) -> Record:
        """The next record."""
        return next(iter(self))

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Let go of the file. May be called twice; reaching the end does it too."""
        self._closed = True
        if self._opened is not None:
            with suppress(OSError):
                self._opened.close()

    def _sniff(self) -> bool:
        """Whether the file is compressed.

        Raises:
            CaptureError: It is no capture.
        """
        head = self._blocks.read(0, CHUNK_BYTES)
        if not head:
            raise CaptureError(self.name, "it is empty", "its writer was stopped before the first block; record again")
        for magic, (packer, unpack) in _OTHER_PACKERS.items():
            if head.startswith(magic):
                raise CaptureError(self.name, f"{packer} is not supported", f"unpack it with `{unpack}` first")
        if MAGIC.startswith(head[: len(MAGIC)]):
            return True
        # The first line may be a bad one; but a text holds no zero bytes, and a damaged header does.
        if head.lstrip().startswith(b"{") or (b'\n{"' in head and b"\0" not in head):
            return False
        # The very first bytes may be what is damaged.
        if self._blocks.resume(-1) is not None:
            return True
        raise CaptureError(
            self.name, "it is neither gzip nor JSON Lines", "name a capture: gzip JSON Lines, one message a line"
        )

    def _read(self) -> Iterator[Record]:
        try:
            for start, piece in self._block_pieces() if self._packed else self._plain_pieces():
                for line in self._lines.feed(piece):
                    record = self._decoded(line, start)
                    if record is not None:
                        yield record
            record = self._last()
            if record is not None:
                yield record
            self.compressed_offset = self.compressed_size
            self.finished = True
        except (OSError, ValueError) as error:
            raise CaptureError.of(self.name, error) from error
        except Changed:
            remedy = "wait for whoever writes it, then read again"
            raise CaptureError(self.name, "it changed while it was read", remedy) from None
        finally:
            self.close()

    def _plain_pieces(self) -> Iterator[tuple[None, bytes]]:
        while piece := self._blocks.read(self.compressed_offset, CHUNK_BYTES):
            self.compressed_offset += len(piece)
            yield None, piece

    def _block_pieces(self) -> Iterator[tuple[int, bytes]]:
        """Checked content, each piece with the offset of its block. A line may run from one block into the next."""
        start = 0
        while start < self.compressed_size:
            survey = self._blocks.survey(start)
            if survey.state is not State.WHOLE:
                follower = self._blocks.resume(start)
                if follower is not None or survey.state is State.DAMAGED:
                    if self._lines.pending:
                        yield start, b"\n"
                    end = self.compressed_size if follower is None else follower.start
                    self._note_block(start, end)
                    start = end
                    continue
                self._cut = (start, "the file ends inside a block")
            if survey.sealed:
                # Blocks of ours begin a line; the file before may end in half a one.
                if self._lines.pending:
                    yield start, b"\n"
                if survey.state is State.CUT:
                    # Nothing of it was ever flushed, and nothing in it can be checked.
                    return
            elif survey.state is State.CUT:
                self._cut = (self.compressed_size, "the file ends inside a block, whose records could not be checked")
            for reached, piece in self._blocks.stream(survey):
                self.compressed_offset = reached
                yield start, piece
            start = survey.end

    def _decoded(self, line: bytes | bytearray | None, start: int | None) -> Record | None:
        self.line_count += 1
        if line is not None and len(line) < LINE_BYTES_MIN and len(self.problems) >= self._problems_max:
            # Nobody would be told why; and such a KiB has up to a thousand lines.
            self.problem_count += 1
            return None
        try:
            record = self._lines.decoded(line)
        except LineError as error:
            offset = self._lines.line_start if start is None else start
            self._note(Problem("corrupt_line", self.line_count, offset, f"line {self.line_count} is left out: {error}"))
            return None
        self.record_count += 1
        return record

    def _last(self) -> Record | None:
        """What stands behind the last line feed: a whole record, or half a one."""
        record = None
        if self._lines.pending:
            try:
                record = self._lines.decoded(self._lines.take())
                self.line_count += 1
                self.record_count += 1
            except LineError:
                if self._cut is None:
                    offset = self.compressed_size if self._packed else self._lines.line_start
                    self._cut = (offset, "the last line is not whole")
        if self._cut is not None:
            offset, why = self._cut
            where = f"after record {self.record_count} (line {self.line_count}), at byte {offset}"
            self._note(Problem("truncated", self.line_count + 1, offset, f"the capture stops {where}: {why}"))
        return record

    def _note_block(self, start: int, end: int) -> None:
        text = f"bytes {start} to {end} are left out: no whole block stands there (damaged, or cut off)"
        self._note(Problem("corrupt_block", self.line_count + 1, start, text))

    def _note(self, problem: Problem) -> None:
        self.problem_count += 1
        if len(self.problems) < self._problems_max:
            self.problems.append(problem)


class _Lines:
    """Cuts pieces into lines, holding at most ``bytes_max`` of an unfinished one.

    Attributes:
        line_start: Where the line handed out last begins, counted from the first byte fed.
    """

    def __init__(self, bytes_max: int) -> None:
        self.line_start = 0
        self._bytes_max = bytes_max
        self._held = bytearray()
        self._length = 0
        self._next_start = 0

    @property
    def pending(self) -> bool:
        """Whether a line has begun that has not ended."""
        return self._length > 0

    def feed(self, piece: bytes) -> Iterator[bytes | bytearray | None]:
        """The lines that end in this piece; ``None`` for one that is too long."""
        *ended, rest = piece.split(b"\n")
        for line in ended:
            if self._length:
                self._hold(line)
                yield self.take()
            else:
                self.line_start = self._next_start
                self._next_start += len(line) + 1
                yield line if len(line) <= self._bytes_max else None
        self._hold(rest)

    def take(self) -> bytearray | None:
        """The pending line, ended here."""
        line = self._held if self._length <= self._bytes_max else None
        self.line_start = self._next_start
        self._next_start += self._length + 1
        self._held, self._length = bytearray(), 0
        return line

    def _hold(self, part: bytes) -> None:
        self._length += len(part)
        if self._length <= self._bytes_max:
            self._held += part
        else:
            self._held.clear()

    def decoded(self, line: bytes | bytearray | None) -> Record:
        """The record of a line that was handed out; raises ``LineError``."""
        if line is None:
            raise LineError(f"it is longer than {self._bytes_max} bytes")
        return decode_line(line)


def _open(path: str) -> io.FileIO:
    try:
        # Judged before opening: opening a pipe would wait for its writer.
        mode = Path(path).stat().st_mode
        if stat.S_ISDIR(mode):
            raise CaptureError(path, "it is a directory", "name a file inside it")
        if not stat.S_ISREG(mode):
            raise CaptureError(path, "it is not a regular file", "store the data in a file first")
        return io.FileIO(path)
    except (OSError, ValueError) as error:
        raise CaptureError.of(path, error) from error
