"""Disks that refuse, wait or break, for recorders and their scribes to write to, and who listens meanwhile."""

from __future__ import annotations

import errno
import io
import os
import threading
from collections import Counter
from typing import TYPE_CHECKING, Literal

from snapshots.capture_writer import CaptureWriter
from snapshots.recorder import RecorderEvent
from snapshots.recorder_queue import RecorderQueue
from snapshots.records import Kind, Record
from snapshots.scribe import Scribe
from tests.captures import opened

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

WAIT_S = 30
"""Bound of every wait for another thread; only a failing test waits that long."""


class Disk(io.BytesIO):
    """Takes what it is given, unless told otherwise; survives being closed.

    Attributes:
        error: Raised by every write until it is ``None``; half of the data is written.
        gate: Every write waits for it.
        entered: Set when a write has begun.
        written: Set when one has ended.
    """

    def __init__(self) -> None:
        super().__init__()
        self.error: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.written = threading.Event()

    def write(self, data: ReadableBuffer, /) -> int:
        self.entered.set()
        assert self.gate.wait(WAIT_S)
        if self.error is not None:
            taken = bytes(data)
            super().write(taken[: len(taken) // 2])
            raise self.error
        count = super().write(data)
        self.written.set()
        return count

    def fill_up(self) -> None:
        """No space is left from now on."""
        self.error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def records(self) -> list[Record]:
        """What a reader finds; any damage fails the test."""
        with opened(self.getvalue()) as reader:
            records = list(reader)
        assert [] == reader.problems
        return records


Outage = Literal["full", "half", "broken", "short", "nothing", "late"]
"""What becomes of an operation: no space before or after a half was written, an I/O error, a part is taken without an
error, nothing is, or everything is taken and then an error comes."""


class ShakyDisk(Disk):
    """Counts what is asked of it, and fails from a certain time on, for a while.

    Attributes:
        operations: Writes, flushes, seeks and truncations so far.
        failures: How many of them went wrong;
        refusals: and how many of those with an error.
    """

    def __init__(self, how: Outage = "full", first: int = 0, count: int = 0) -> None:
        super().__init__()
        self.operations = self.failures = self.refusals = 0
        self._how: Outage = how
        self._failing = range(first, first + count)

    def fail(self, how: Outage, after: int, count: int) -> None:
        """Fail from the ``after``-th operation from now on, 1 being the next, for ``count`` operations."""
        self._how = how
        self._failing = range(self.operations + after, self.operations + after + count)

    def mend(self) -> None:
        """From now on it works."""
        self._failing = range(0)

    def _fails(self) -> bool:
        self.operations += 1
        fails = self.operations in self._failing
        self.failures += fails
        return fails

    def _refuse(self) -> None:
        self.refusals += 1
        code = errno.EIO if self._how in ("broken", "late") else errno.ENOSPC
        raise OSError(code, os.strerror(code))

    def write(self, data: ReadableBuffer, /) -> int:
        if not self._fails():
            return super().write(data)
        offered = bytes(data)
        size = len(offered)
        part = {"half": size // 2, "short": (size + 1) // 2, "late": size}.get(self._how, 0)
        super().write(offered[:part])
        if self._how not in ("short", "nothing"):
            self._refuse()
        return part

    def flush(self) -> None:
        if self._fails() and self._how not in ("short", "nothing"):
            self._refuse()

    def seek(self, offset: int, whence: int = 0, /) -> int:
        if self._fails() and self._how not in ("short", "nothing"):
            self._refuse()
        return super().seek(offset, whence)

    def truncate(self, size: int | None = None, /) -> int:
        if self._fails() and self._how not in ("short", "nothing"):
            self._refuse()
        return super().truncate(size)


class Desk:
    """A queue and its scribe without a thread, so that every turn comes when the test says so."""

    def __init__(
        self, *, queue_max: int = 100, private: bool = False, block_bytes: int = 250, disk: Disk | None = None
    ) -> None:
        self.disk = disk or Disk()
        self.events: list[RecorderEvent] = []
        self.queue = RecorderQueue(queue_max, 2**20)
        writer = CaptureWriter(self.disk, block_bytes=block_bytes)
        self.scribe = Scribe(writer, self.queue, self.events.append, lambda: 77, private=private)
        self.handed = 0

    def put(self, kind: Kind, url: str | None, raw: bytes = b"", ts: int | None = 5) -> bool:
        """As ``Recorder.record``."""
        self.handed += 1
        return self.queue.put(Record(ts, kind, url, raw))

    def account(self) -> Counter[str]:
        """Where everything that was handed in is."""
        lost = self.scribe.lost + self.queue.lost
        found = Counter(recorded=self.scribe.recorded, refused=self.scribe.refused, lost=lost, waits=self.queue.size)
        assert self.handed == found.total()
        return +found


def brief(records: list[Record]) -> list[str]:
    """Records as short lines."""
    return [" ".join(part for part in (one.kind, one.url, one.raw.decode()) if part) for one in records]


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Told:
    """Collects a recorder's events and lets a test wait for them."""

    def __init__(self) -> None:
        self.events: list[RecorderEvent] = []
        self._news = threading.Condition()

    def __call__(self, event: RecorderEvent) -> None:
        with self._news:
            self.events.append(event)
            self._news.notify_all()

    def wait(self, count: int) -> list[RecorderEvent]:
        """The events, as soon as there are so many."""
        with self._news:
            assert self._news.wait_for(lambda: len(self.events) >= count, WAIT_S)
        return self.events
