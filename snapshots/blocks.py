"""Blocks: the gzip members of a capture, written whole and read with suspicion.

Every block is a complete gzip member, so that ``zcat`` reads a capture and a killed writer loses only the block in
hand. The writer *seals* its blocks: an extra field ``OB`` in the header holds the length of the member. That tells a
block of ours that was cut off from one that somebody else is still compressing, and lets a file be continued without
unpacking it.

gzip puts the checksum behind the data, so a block must be read to its end before anything in it can be believed. A
block is therefore *surveyed* first. Up to ``KEEP_BYTES_MAX`` its content is kept from the survey, a larger one is
unpacked a second time: nothing is handed out unchecked, and memory stays bounded, whatever the size of a block.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from enum import Enum
from typing import Final, NamedTuple, Protocol

MAGIC: Final = b"\x1f\x8b\x08"
KEEP_BYTES_MAX: Final = 8 * 1024 * 1024
CHUNK_BYTES: Final = 256 * 1024
"""Read and unpacked at once; a piece of 1 to 1000 compression is unpacked in as many steps as it needs."""

_GZIP_WINDOW = 31
_RAW_WINDOW = -15
# deflate, an extra field, no time, no name, no system; the extra field has 8 bytes, 4 of them in subfield "OB".
_SEAL = bytes.fromhex("1f8b0804 00000000 00ff 0800 4f42 0400")
_LENGTH = struct.Struct("<I")
_TRAILER = struct.Struct("<II")
_HEADER_BYTES = len(_SEAL) + _LENGTH.size
_MEMBER_BYTES_MIN = 18
# So many places in one file that only look like blocks end a capture: a file made of headers must not take for ever.
_RESUME_TRIES_MAX = 1000
# How far the length in a trailer may be from what was unpacked for it to count as the trailer of this member.
_TRAILER_SLACK_MAX = 1024 * 1024


class Source(Protocol):
    """What reading needs of a binary file object."""

    def read(self, size: int = ..., /) -> bytes | None:
        """Up to ``size`` bytes; none at the end."""

    def seek(self, offset: int, whence: int = ..., /) -> int:
        """Go to ``offset`` and return it."""


class Changed(Exception):
    """A block is not what it was when it was surveyed."""


class State(Enum):
    """What a survey found."""

    WHOLE = "whole"
    """Checksum and length are right."""
    CUT = "cut"
    """The file ends before the block does."""
    DAMAGED = "damaged"
    """Not a block, or its checksum is wrong."""


class Survey(NamedTuple):
    """A block that was read to its end."""

    start: int
    """Offset of its first byte in the file."""
    end: int
    """Offset past its last byte; of a block that is not whole: where reading stopped."""
    state: State
    sealed: bool
    """Whether it was written by this library."""
    content: bytes | None
    """What it holds, unless that is longer than was to be kept."""


def pack(content: bytes, level: int) -> bytes:
    """One sealed block.

    Args:
        content: What it is to hold, less than 4 GiB.
        level: 0 (stored) to 9 (smallest).

    Complexity: O(length).
    """
    deflate = zlib.compressobj(level, zlib.DEFLATED, _RAW_WINDOW)
    body = deflate.compress(content) + deflate.flush()
    length = _HEADER_BYTES + len(body) + _TRAILER.size
    return b"".join([_SEAL, _LENGTH.pack(length), body, _TRAILER.pack(zlib.crc32(content), len(content))])


class Blocks:
    """The blocks of one file, found by offset.

    Every method raises ``OSError`` when the file cannot be read. Bytes that were added after ``size`` was taken are
    not looked at.

    Args:
        file: A binary file that can seek.
        size: Its size in bytes.
    """

    def __init__(self, file: Source, size: int) -> None:
        self._file = file
        self._tries_left = _RESUME_TRIES_MAX
        self.size = size

    def read(self, start: int, count: int) -> bytes:
        """Up to ``count`` bytes from ``start``; fewer only at the end."""
        self._file.seek(start)
        parts = []
        missing = min(count, self.size - start)
        while missing > 0 and (part := self._file.read(missing)):
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def sealed_length(self, start: int) -> int | None:
        """The length that a block of ours claims for itself; 0 when the file ends inside its header.

        ``None``: no block of ours begins there.
        """
        header = self.read(start, _HEADER_BYTES)
        if len(header) < _HEADER_BYTES:
            return 0 if header and _SEAL.startswith(header[: len(_SEAL)]) else None
        length: int = _LENGTH.unpack_from(header, len(_SEAL))[0]
        # A wrong bit in the seal must not make the block pass for one whose end needs no checksum. No other kind of
        # header comes near.
        alike = sum(one == other for one, other in zip(header, _SEAL, strict=False))
        return length if alike >= len(_SEAL) - 2 else None

    def survey(self, start: int, keep_bytes: int = KEEP_BYTES_MAX) -> Survey:
        """Read one block to its end and check it.

        Args:
            start: Where it begins.
            keep_bytes: How much of its content to keep at most.

        Complexity: O(length) in time, O(keep_bytes) in memory.
        """
        kept: list[bytes] | None = []
        length = 0
        end = start
        state = State.CUT
        sealed_length = self.sealed_length(start)
        try:
            for reached, piece, complete in self._unpacked(start, sealed_length or CHUNK_BYTES):
                end = reached
                length += len(piece)
                if length > keep_bytes:
                    kept = None
                if kept is not None:
                    kept.append(piece)
                if complete:
                    state = State.WHOLE
        except zlib.error:
            state = State.DAMAGED
        if state is State.CUT and self._only_looks_cut(start, length, sealed_length):
            state = State.DAMAGED
        return Survey(start, end, state, sealed_length is not None, None if kept is None else b"".join(kept))

    def stream(self, survey: Survey) -> Iterator[tuple[int, bytes]]:
        """The content of a surveyed block, piece by piece, each with the offset up to which the file was read.

        Raises:
            Changed: The file is no longer what was surveyed.
        """
        if survey.content is not None:
            for at in range(0, len(survey.content), CHUNK_BYTES):
                yield survey.end, survey.content[at : at + CHUNK_BYTES]
            return
        state = State.CUT
        end = survey.start
        try:
            for end, piece, complete in self._unpacked(survey.start, CHUNK_BYTES):
                if complete:
                    state = State.WHOLE
                yield end, piece
        except zlib.error:
            state = State.DAMAGED
        if state is not survey.state or end != survey.end:
            raise Changed

    def _unpacked(self, start: int, expected: int) -> Iterator[tuple[int, bytes, bool]]:
        """(offset read up to, piece, whether the block is complete with it); ends early where the file ends.

        Args:
            start: Where the block begins.
            expected: How long it probably is, so that not much more is read.

        Raises:
            zlib.error: Not gzip, or not what was compressed.
        """
        inflate = zlib.decompressobj(_GZIP_WINDOW)
        offset = start
        data = b""
        while not inflate.eof:
            if not data:
                data = self.read(offset, min(expected, CHUNK_BYTES))
                offset += len(data)
            piece = inflate.decompress(data, CHUNK_BYTES)
            if not piece and not data:
                return
            data = inflate.unconsumed_tail
            yield offset - len(data) - len(inflate.unused_data), piece, inflate.eof

    def _only_looks_cut(self, start: int, length: int, sealed_length: int | None) -> bool:
        """Whether a block that runs to the end of the file is really one with a wrong bit in it.

        A wrong bit can hide the end of the data. One of ours says how long it is. Of the others we know only that a
        file which is *not* cut ends in the length of its content, and chance puts such a number there at most once in
        2000 times.
        """
        if sealed_length is not None:
            return 0 < sealed_length <= self.size - start
        if self.size - start < _MEMBER_BYTES_MIN:
            return False
        claimed: int = _LENGTH.unpack(self.read(self.size - _LENGTH.size, _LENGTH.size))[0]
        slack = min(4 * length, _TRAILER_SLACK_MAX)
        return claimed > length % 2**32 // 4 and abs(claimed - length % 2**32) <= slack

    def resume(self, start: int) -> Survey | None:
        """The next block after ``start`` that can be believed: a whole one, or one of ours that was cut off.

        Complexity: O(bytes passed over), plus a survey of each place where a block seems to begin.
        """
        while self._tries_left > 0 and (found := self._find(start + 1)) is not None:
            start = found
            survey = self.survey(start)
            if survey.state is State.WHOLE or (survey.state is State.CUT and survey.sealed):
                return survey
            self._tries_left -= 1
        return None

    def _find(self, start: int) -> int | None:
        """Offset of the next ``MAGIC`` at or after ``start``."""
        overlap = len(MAGIC) - 1
        while len(data := self.read(start, CHUNK_BYTES)) > overlap:
            at = data.find(MAGIC)
            if at >= 0:
                return start + at
            start += len(data) - overlap
        return None

    def whole_end(self) -> tuple[int, bool]:
        """Where the file may be continued, and whether only one cut block of ours stands behind that place.

        Blocks of ours are passed over by the length in their header, others are surveyed.

        Returns:
            (offset, True) when cutting the file there loses no record that a reader would hand out; (offset, False)
            when something else stands there.

        Complexity: O(blocks) reads, and unpacking the blocks of others.
        """
        start = 0
        while start < self.size:
            length = self.sealed_length(start) or 0
            follows = start + length
            if length and (follows == self.size or self.sealed_length(follows) is not None):
                start = follows
                continue
            survey = self.survey(start, keep_bytes=0)
            if survey.state is not State.WHOLE:
                return start, survey.state is State.CUT and survey.sealed and self.resume(start) is None
            start = survey.end
        return start, True
