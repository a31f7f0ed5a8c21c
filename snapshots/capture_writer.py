"""Write captures, block by block, so that the death of the writer costs only the block in hand."""

from __future__ import annotations

import errno
import io
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

from orderbook.errors import UsageError
from orderbook.redact import is_token_answer, redact_url
from snapshots.blocks import Blocks, pack
from snapshots.errors import CaptureError
from snapshots.records import RECORD_BYTES_MAX, Record, encode_line

BLOCK_BYTES: Final = 256 * 1024
"""Compresses nearly as well as one long stream, and is about a second of a busy market."""


class Sink(Protocol):
    """What writing needs of a binary file object. One that cannot seek ends a capture with its first error."""

    def write(self, data: bytes, /) -> int | None:
        """Take some of ``data`` and say how much."""

    def flush(self) -> None:
        """Hand what was taken to the operating system."""

    def seekable(self) -> bool:
        """Whether the next three can be called."""

    def tell(self) -> int:
        """Where the next ``write`` goes."""

    def seek(self, offset: int, whence: int = ..., /) -> int:
        """Go to ``offset`` and return it."""

    def truncate(self, size: int | None = ..., /) -> int:
        """End the file where it stands."""


class CaptureWriter:
    """Records, written to a file in whole compressed blocks.

    A block goes out when it is full, on ``flush`` and on ``close``; nobody else sets a timer, so a recorder calls
    ``flush`` every second or so. Not thread-safe, and it blocks on the disk: a recorder keeps it off the event loop.
    One writer at a time per file.

    After a failed write the file ends in its last whole block, and the records in hand are kept: ``write`` refuses
    further ones while the block in hand is full, and the next ``flush`` (or ``write``) tries again. So nothing is lost
    while the disk is full but the records whose ``write`` raised. (Where a file cannot even be cut, a last block that
    was called lost may stand in it all the same; never twice.)

    Args:
        target: A path; or a binary file object, which is written from where it stands and left open.
        block_bytes: Size of a block before compression; it holds at most one record more.
        level: Of compression: 0 (none) to 9 (smallest).
        append: Continue an existing capture. A half-written block at its end, which a killed writer left and no
            reader hands out, is cut off.
        overwrite: Replace an existing file.

    Attributes:
        name: The file, for messages.
        record_count: Records taken.
        block_count: Blocks handed to the operating system.
        bytes_written: Their size in bytes.
        refused_count: Answers with a connection token in them, which are never written.
        lost_count: Records that were taken, and at ``close`` still not known to be in the file.
        discarded_bytes: Size of the half-written block that ``append`` cut off.

    Raises:
        CaptureError: The file exists, or cannot be made or continued.
        UsageError: Arguments that contradict each other or are out of range.
    """

    def __init__(
        self,
        target: str | os.PathLike[str] | Sink,
        *,
        block_bytes: int = BLOCK_BYTES,
        level: int = 6,
        append: bool = False,
        overwrite: bool = False,
    ) -> None:
        if not 1 <= block_bytes <= RECORD_BYTES_MAX or not 0 <= level <= 9:
            raise UsageError(f"block_bytes is 1 to {RECORD_BYTES_MAX}, level is 0 to 9")
        self.record_count = self.block_count = self.bytes_written = 0
        self.refused_count = self.lost_count = self.discarded_bytes = 0
        self._block_bytes = block_bytes
        self._level = level
        self._lines: list[bytes] = []
        self._bytes = 0
        self._url: tuple[str | None, str | None] = (None, None)
        self._torn = self._closed = False
        self._failure: OSError | ValueError = OSError(errno.EIO, "half a block was written and cannot be taken back")
        self._opened: io.FileIO | None = None
        if isinstance(target, str | os.PathLike):
            self.name = os.fspath(target)
            self._file: Sink = self._open(append=append, overwrite=overwrite)
        elif append or overwrite:
            raise UsageError("append and overwrite are for paths; a file object is written from where it stands")
        else:
            self.name = str(getattr(target, "name", "capture"))
            self._file = target
        try:
            self._seekable = self._file.seekable()
            #: Where the last whole block ends.
            self._end = self._file.tell() if self._seekable else 0
        except (OSError, ValueError) as error:
            raise CaptureError.of(self.name, error) from error

    def _open(self, *, append: bool, overwrite: bool) -> io.FileIO:
        if append and overwrite:
            raise UsageError("append and overwrite contradict each other")
        try:
            mode = "w" if overwrite else "r+" if append and Path(self.name).exists() else "x"
            # Unbuffered, so that a flushed block is with the operating system.
            file = self._opened = io.FileIO(self.name, mode)
            if append:
                self._continue(file)
        except (OSError, ValueError) as error:
            self._let_go()
            raise CaptureError.of(self.name, error) from error
        except CaptureError:
            self._let_go()
            raise
        return file

    def _continue(self, file: io.FileIO) -> None:
        size = file.seek(0, os.SEEK_END)
        end, clean = Blocks(file, size).whole_end()
        if not clean:
            raise CaptureError(self.name, f"from byte {end} on it is no whole block", "record to a new file")
        file.truncate(end)
        file.seek(end)
        self.discarded_bytes = size - end

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def write(self, record: Record) -> bool:
        """Take a record. Secrets in its address are replaced by ``TOKEN``.

        Returns:
            Whether it was taken: an answer that hands out a connection token never is.

        Raises:
            CaptureError: The block in hand is full and cannot be written; the record was not taken.
            UsageError: The container cannot hold the record, or the writer is closed.

        Complexity: O(length); a full block is compressed and written.
        """
        self._require_open()
        if is_token_answer(record.kind, record.url, record.raw):
            self.refused_count += 1
            return False
        line = encode_line(record, self._redacted(record.url))
        self._lines.append(line)
        self._bytes += len(line)
        if self._bytes >= self._block_bytes:
            try:
                self.flush()
            except CaptureError:
                self._bytes -= len(self._lines.pop())
                raise
        self.record_count += 1
        return True

    def _redacted(self, url: str | None) -> str | None:
        # Nearly all records of a capture come from the address of the record before.
        if url != self._url[0]:
            self._url = (url, redact_url(url) if isinstance(url, str) else url)
        return self._url[1]

    def flush(self) -> None:
        """Hand the block in hand to the operating system; nothing happens when it is empty.

        Raises:
            CaptureError: It cannot be written. The file ends in its last whole block (where it can be cut there), and
                the records are kept for another try.
            UsageError: The writer is closed.
        """
        self._require_open()
        if not self._lines:
            return
        try:
            self._put(pack(b"".join(self._lines), self._level))
        except (OSError, ValueError) as error:
            raise CaptureError.of(self.name, error, f"{len(self._lines)} records are not written yet") from error

    def _put(self, block: bytes) -> None:
        if self._torn:
            self._rewind()
        size = len(block)
        self._torn = True
        try:
            _write_all(self._file, block)
            self._file.flush()
        except (OSError, ValueError) as error:
            self._failure = error
            with suppress(OSError, ValueError):
                self._rewind()
            raise
        # No call among these lines: a signal's exception comes before them (the block is taken back and written again)
        # or after them, so that no record stands twice in the file.
        self._torn = False
        self._end += size
        self._lines = []
        self._bytes = 0
        self.block_count += 1
        self.bytes_written += size

    def _rewind(self) -> None:
        """Cut off what was written of a block. Without that, trying again could write records twice."""
        if not self._seekable:
            raise OSError(errno.ESPIPE, "half a block was written and cannot be taken back")
        try:
            self._file.seek(self._end)
            self._file.truncate()
        except OSError as error:
            # What tore the block says more than why it cannot be cut off.
            raise self._failure from error
        self._torn = False

    def close(self) -> None:
        """Write what is in hand and close the file. May be called twice.

        A capture without records gets one empty block, so that it can be told from a file that never was a capture.

        Raises:
            CaptureError: The last records could not be written, and are lost; the file is closed all the same.
        """
        if self._closed:
            return
        try:
            if self._end == 0 and not self._lines:
                self._put(pack(b"", self._level))
            self.flush()
        except (OSError, ValueError) as error:
            raise CaptureError.of(self.name, error) from error
        except CaptureError as error:
            self.lost_count = len(self._lines)
            problem = f"{self.lost_count} records are lost: {error.problem}"
            raise CaptureError(self.name, problem, error.remedy) from error
        finally:
            self._closed = True
            self._let_go()

    def _let_go(self) -> None:
        if self._opened is not None:
            try:
                self._opened.close()
            except OSError as error:
                raise CaptureError.of(self.name, error, "while closing") from error

    def _require_open(self) -> None:
        if self._closed:
            raise UsageError(f"the capture {self.name} is closed")


def _write_all(file: Sink, block: bytes) -> None:
    """Write all of it: an unbuffered file may take only a part."""
    rest = block
    while rest:
        count = file.write(rest)
        if count is None and not isinstance(file, io.RawIOBase):
            # A file object that does not say how much it took; only the raw ones mean "nothing" by that.
            return
        if not count:
            raise OSError(errno.EIO, "nothing was written")
        rest = rest[count:]
