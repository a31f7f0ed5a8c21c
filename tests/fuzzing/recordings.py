"""Captures: any file gives records and named problems, or the one error of its reader, within bounded memory."""

from __future__ import annotations

import gzip
import io
import json
import random
import zlib
from collections.abc import Sequence
from time import thread_time_ns
from typing import Final

from snapshots.blocks import MAGIC
from snapshots.capture import CaptureError, CaptureReader, CaptureWriter, Record, read_capture
from snapshots.records import encode_line
from tests.fuzzing.target import Disagreement, Taken, feature_of, kib_of
from tests.hostile import records

RECORD_BYTES_MAX: Final = (64 * 1024, 300)
PROBLEMS_MAX: Final = 4
PLAIN_NS: Final = 200_000
"""Where a KiB took longer, it is asked how many it was unpacked: a few bytes can become thousands."""
URL: Final = "wss://example.com/endpoint"
_FIELDS: Final = (
    *(b'"ts":1', b'"ts":null', b'"ts":9223372036854775808', b'"ts":' + b"9" * 30, b'"ts":1.5', b'"ts":true'),
    *(b'"kind":"ws"', b'"kind":"rest"', b'"kind":"open"', b'"kind":"x"', b'"kind":[]', b'"url":null', b'"url":5'),
    *(b'"status":503', b'"status":1', b'"enc":"base64"', b'"enc":"x"', b'"raw":"aGk="', b'"raw":"a"', b'"raw":null'),
)
_WORDS: Final = (
    *_FIELDS,
    *(b"\n", b"\n\n", b"{", b"}", b"[", b'"', b",", b":", b"\\ud800", b"\\n", b"\\u0000", b"\0", b"\xff", b"NaN"),
    *(b"[" * 200, b"{}", b'{"ts":1,"kind":"ws","url":null,"raw":"x"}\n', b"1" * 25, b"\xef\xbb\xbf", b"\r\n"),
    *(
        MAGIC,
        b"\x1f\x8b",
        b"\x1f\x8b\x08\x04",
        b"OB\x04\x00",
        b"OB\x08\x00",
        b"\x00\x00\xff\xff",
        b"BZh",
        b"PK\x03\x04",
    ),
)


def _line(number: int, raw: str) -> bytes:
    return encode_line(Record(10**18 + number, "ws", URL, raw.encode()), URL)


class Recordings:
    """The target; see ``target.Target``. Each input is a file of its own."""

    name: Final = "captures"
    scenarios: Final = len(RECORD_BYTES_MAX)

    def __init__(self) -> None:
        self.begin(0)

    def seeds(self) -> Sequence[bytes]:
        """The beginnings of a real recording: plain, in blocks of ours, and packed by another program."""
        texts = [text for kind, text in records() if kind == "ws"]
        lines = [_line(number, text) for number, text in enumerate(texts[:12])]
        file = io.BytesIO()
        with CaptureWriter(file) as writer:
            for number, text in enumerate(texts[:12]):
                writer.write(Record(number, "ws", URL, text.encode()))
                if number % 5 == 4:
                    writer.flush()
        plain = b"".join(lines)
        packed = gzip.compress(plain, 1, mtime=0)
        return [plain, lines[0], file.getvalue(), packed, packed * 2, gzip.compress(lines[0], 9, mtime=0)]

    def written(self, rng: random.Random) -> bytes:
        """A few lines, half of them packed."""
        lines = [self._record(rng) for _ in range(1 + int(rng.random() ** 3 * 12))]
        plain = b"\n".join(lines) + (b"\n" if rng.random() < 0.9 else b"")
        return self.mended(plain, rng)

    def _record(self, rng: random.Random) -> bytes:
        if rng.random() < 0.3:
            fields = [_FIELDS[int(rng.random() * len(_FIELDS))] for _ in range(1 + int(rng.random() * 5))]
            return b"{%s}" % b",".join(fields)
        raw = json.dumps("x" * int(rng.random() ** 4 * 400))
        return b'{"ts":%d,"kind":"ws","url":null,"raw":%s}' % (int(rng.random() * 2**63), raw.encode())

    def mended(self, data: bytes, rng: random.Random) -> bytes:
        """Half of the plain ones packed: what was changed before keeps its checksum, what is changed after does not."""
        if data.startswith(b"\x1f") or rng.random() < 0.5:
            return data
        cut = int(rng.random() * len(data)) if rng.random() < 0.3 else len(data)
        return b"".join(_packed(part, rng) for part in (data[:cut], data[cut:]) if part)

    def words(self) -> Sequence[bytes]:
        """Of lines and of gzip."""
        return _WORDS

    def begin(self, scenario: int) -> None:
        """Another bound."""
        self._bytes_max = RECORD_BYTES_MAX[scenario]
        self._left = 16

    @property
    def over(self) -> bool:
        """Whether it is time for another bound."""
        return self._left <= 0

    def close(self) -> None:
        """Nothing is left."""

    def take(self, data: bytes) -> Taken:
        """Read it to its end."""
        self._left -= 1
        found: list[Record] = []
        refusal: CaptureError | None = None
        kinds = ""
        start = thread_time_ns()
        try:
            with read_capture(io.BytesIO(data), record_bytes_max=self._bytes_max, problems_max=PROBLEMS_MAX) as reader:
                found.extend(reader)
                kinds = self._checked(found, reader)
        except CaptureError as error:
            refusal = error
        except Disagreement:
            raise
        except Exception as other:
            raise Disagreement("raised", f"{type(other).__name__}: {other}") from other
        spent = thread_time_ns() - start
        kib = kib_of(data)
        if spent > PLAIN_NS * kib and data.startswith(b"\x1f"):
            kib = max(kib, _unpacked_kib(data))
        if refusal is not None:
            return Taken("refused", feature_of("", str(refusal).split(":", 1)[-1]), spent, kib)
        packed = "packed" if data.startswith(b"\x1f") else "plain"
        longest = max((len(record.raw) for record in found), default=0)
        feature = f"{packed} {min(len(found), 3)} {longest.bit_length() // 4} {kinds}"
        return Taken("accepted", feature, spent, kib)

    def _checked(self, found: Sequence[Record], reader: CaptureReader) -> str:
        """The kinds of its problems. It says of itself what it did, and kept its bounds; else ``Disagreement``."""
        longest = max((len(record.raw) for record in found), default=0)
        if longest > self._bytes_max or len(reader.problems) > PROBLEMS_MAX:
            raise Disagreement("bound", f"{longest} bytes in a record, {len(reader.problems)} problems")
        if not reader.finished or reader.record_count != len(found):
            raise Disagreement("value", f"{len(found)} records; the reader says {reader.record_count}")
        return " ".join(sorted({problem.kind for problem in reader.problems}))


def _unpacked_kib(data: bytes) -> int:
    """How many KiB its gzip members hold, as far as they are whole."""
    length = 0
    while data:
        unpacker = zlib.decompressobj(31)
        try:
            for at in range(0, len(data), 64):
                length += len(unpacker.decompress(data[at : at + 64]))
                if unpacker.eof:
                    break
        except zlib.error:
            break
        if not unpacker.eof:
            break
        data = unpacker.unused_data + data[at + 64 :]
    return -(-length // 1024)


def _packed(data: bytes, rng: random.Random) -> bytes:
    """A gzip member, as we write them or as others do, and not always whole."""
    if rng.random() < 0.3:
        file = io.BytesIO()
        with CaptureWriter(file) as writer:
            writer.write(Record(1, "ws", URL, data))
        packed = file.getvalue()
    else:
        packer = zlib.compressobj(1, zlib.DEFLATED, 31)
        packed = packer.compress(data) + packer.flush()
    if rng.random() < 0.2:
        at = int(rng.random() * len(packed))
        packed = packed[:at] if rng.random() < 0.5 else packed[:at] + b"\x55" + packed[at + 1 :]
    return packed
