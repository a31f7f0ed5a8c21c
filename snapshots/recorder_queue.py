"""Where records wait for the disk: bounded, and it remembers what it had to let go."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from snapshots.records import Record

WAKE_COUNT: Final = 256
WAKE_BYTES: Final = 64 * 1024
"""So much wakes the thread. In between it sleeps: waking it for every record would cost the event loop far more than
the record, and a long sleep would make one long turn, during which the event loop has to share the interpreter."""
RECORD_OVERHEAD_BYTES: Final = 200
"""What a record takes beside its raw, about."""


@dataclass(slots=True)
class Gap:
    """A run of records that were lost, between two that were not."""

    count: int = 0
    ts: int | None = None
    """Of the last one."""
    links: Counter[str | None] = field(default_factory=Counter)
    """Connections whose ``open`` (+1) or ``close`` (-1) is among them; never more than there are connections."""

    def add(self, record: Record) -> None:
        """One more."""
        self.count += 1
        self.ts = record.ts
        if record.kind in ("open", "close"):
            self.links[record.url] += 1 if record.kind == "open" else -1
            if not self.links[record.url]:
                del self.links[record.url]


class RecorderQueue:
    """Between the event loop, which only ever puts, and the one thread that takes.

    Every method takes the lock for a moment; none waits for anything else but ``wait`` and ``request_flush``.

    Args:
        count_max: Records that may wait.
        bytes_max: The same in bytes.

    Attributes:
        size: Records that wait, those in the hand of the thread included.
        bytes: Their size.
        lost: Records that found no room, or nobody to write them; not those that came after ``close``.
        closed: Nothing is taken any more.
    """

    def __init__(self, count_max: int, bytes_max: int) -> None:
        self.size = self.bytes = self.lost = 0
        self.closed = False
        self._is_wanted = True
        self._count_max = count_max
        self._bytes_max = bytes_max
        self._entries: deque[Record | Gap] = deque()
        self._entries_bytes = 0
        self._gap: Gap | None = None
        self._condition = threading.Condition()
        self._eager = True
        self._asked = self._served = self._clean = 0
        self._ended = False
        self._on_end: list[Callable[[], None]] = []

    def put(self, record: Record) -> bool:
        """Add a record, or note that it is lost. O(1)."""
        size = len(record.raw) + RECORD_OVERHEAD_BYTES
        with self._condition:
            if self.closed:
                self.lost += self._is_wanted
                return False
            if not self._has_room(size):
                self.lost += 1
                self._gap = self._gap or Gap()
                self._gap.add(record)
                return False
            if self._gap is not None:
                self._entries.append(self._gap)
                self._gap = None
            self._entries.append(record)
            self.size += 1
            self.bytes += size
            self._entries_bytes += size
            if self._eager and self._is_ripe():
                self._condition.notify_all()
            return True

    def _has_room(self, size: int) -> bool:
        # After a loss the queue empties by half first. Otherwise a disk that is a little too slow would make a hole,
        # and a resync of every book, out of every second record.
        is_late = self._gap is not None
        count_max = max(1, self._count_max // 2) if is_late else self._count_max
        has_drained = not is_late or self.bytes <= self._bytes_max // 2
        return self.size < count_max and has_drained and self.bytes + size <= self._bytes_max

    def _is_ripe(self) -> bool:
        return len(self._entries) >= WAKE_COUNT or self._entries_bytes >= WAKE_BYTES

    # -- the thread's end --

    def wait(self, timeout_s: float, *, eager: bool) -> None:
        """Sleep until something is to be done, ``timeout_s`` at most; records alone wake only an ``eager`` thread."""
        with self._condition:
            self._eager = eager
            if not (self.closed or self._asked > self._served or (eager and self._is_ripe())):
                self._condition.wait(max(0.0, timeout_s))

    def take(self) -> deque[Record | Gap]:
        """All that waits, in order; what was lost at the end of it included. O(1)."""
        with self._condition:
            entries, self._entries = self._entries, deque()
            self._entries_bytes = 0
            if self._gap is not None:
                entries.append(self._gap)
                self._gap = None
            return entries

    def settle(self, record: Record) -> None:
        """A record that was taken need not be remembered any more."""
        with self._condition:
            self.size -= 1
            self.bytes -= len(record.raw) + RECORD_OVERHEAD_BYTES

    def give_up(self) -> int:
        """Forget all that waits. How many records that were."""
        with self._condition:
            self._entries.clear()
            count, self.size, self.bytes, self._entries_bytes = self.size, 0, 0, 0
            return count

    def wake(self) -> None:
        """Let the thread look at its clock."""
        with self._condition:
            self._condition.notify_all()

    @property
    def ticket(self) -> int | None:
        """The newest wish for a flush that is not served, if any."""
        with self._condition:
            return self._asked if self._asked > self._served else None

    def flushed(self, ticket: int, *, is_clean: bool) -> None:
        """The wishes up to ``ticket`` are served, or tried in vain."""
        with self._condition:
            self._served = ticket
            if is_clean:
                self._clean = ticket
            self._condition.notify_all()

    def end(self) -> None:
        """The thread ends: whoever waits for it is told."""
        with self._condition:
            self.closed = self._ended = True
            callbacks, self._on_end = self._on_end, []
            self._condition.notify_all()
        for callback in callbacks:
            callback()

    # -- the owner's end --

    def request_flush(self, timeout_s: float) -> bool:
        """Wish for a flush and wait for it. Whether all that was put before is with the operating system."""
        with self._condition:
            self._asked += 1
            ticket = self._asked
            self._condition.notify_all()
            self._condition.wait_for(lambda: self._served >= ticket or self._ended, timeout_s)
            return self._clean >= ticket

    def close(self) -> None:
        """Take no more; the thread writes what waits and ends."""
        with self._condition:
            self.closed = True
            self._is_wanted = False
            self._condition.notify_all()

    def when_ended(self, callback: Callable[[], None]) -> None:
        """Call this, on the thread, at its very end; at once if that was earlier."""
        with self._condition:
            if not self._ended:
                self._on_end.append(callback)
                return
        callback()
