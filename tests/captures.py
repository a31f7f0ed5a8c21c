"""Captures to test with, made on the spot."""

from __future__ import annotations

import gzip
import io
import random
from collections.abc import Callable, Iterable

from snapshots.capture import CaptureError, CaptureReader, CaptureWriter, Record, read_capture
from snapshots.records import encode_line

URL = "wss://ws.example.com/endpoint"


def frames(count: int, seed: int = 1) -> list[Record]:
    """Records as a market makes them: alike, but never the same."""
    rng = random.Random(seed)
    return [
        Record(
            1_619_378_326_000_000_000 + 1_000_003 * i,
            "ws",
            URL,
            b'{"sequence":%d,"changes":[["%.1f","%.5f"]]}' % (1000 + i, rng.uniform(60_000, 61_000), rng.random()),
        )
        for i in range(count)
    ]


def lines(records: Iterable[Record]) -> bytes:
    """Their lines in the container."""
    return b"".join(encode_line(record, record.url) for record in records)


def written(records: Iterable[Record], flush_every: int = 1_000_000) -> tuple[bytes, list[tuple[int, int]]]:
    """A capture by our writer.

    Returns:
        Its bytes, and (offset, records so far) at the end of every block.
    """
    file = io.BytesIO()
    marks = []
    count = 0
    with CaptureWriter(file) as writer:
        for count, record in enumerate(records, start=1):
            assert writer.write(record)
            if count % flush_every == 0:
                writer.flush()
                marks.append((file.tell(), count))
    if file.tell() not in {offset for offset, _ in marks}:
        marks.append((file.tell(), count))
    return file.getvalue(), marks


def foreign(records: Iterable[Record], level: int = 6) -> bytes:
    """The same records as somebody else would keep them: all in one gzip member."""
    return gzip.compress(lines(records), level, mtime=0)


def opened(data: bytes) -> CaptureReader:
    """A reader of bytes in memory."""
    return read_capture(io.BytesIO(data))


def kinds(reader: CaptureReader) -> list[str]:
    """The kinds of its problems, in order."""
    return [problem.kind for problem in reader.problems]


def refusal(action: Callable[[], object]) -> CaptureError | None:
    """The one error that may come of it, or ``None`` when it went well."""
    try:
        action()
    except CaptureError as error:
        return error
    return None


def read_until(reader: CaptureReader, records: list[Record]) -> None:
    """Put into ``records`` what can be read, also when an error ends it."""
    for record in reader:
        records.append(record)  # noqa: PERF402 - extend() does not promise what it leaves when an error ends it


def flipped(data: bytes, bit: int) -> bytes:
    """A copy with one wrong bit."""
    copy = bytearray(data)
    copy[bit // 8] ^= 1 << bit % 8
    return bytes(copy)
