"""When a delta does not fit the book: reason enough to compare it with the venue's, but not for every such delta."""

from __future__ import annotations

from typing import Final

from orderbook.sync.journal import SyncCounters

FIRST_MS: Final = 1_000
ABSENT_MS: Final = 60_000
"""Of levels that come and go within one message, some venues tell the going only: so it may be a common thing."""
OVERDUE_MS: Final = 2_000
"""A delta that is late by itself is rare, and a venue that counts anew is to be found out soon."""


class Suspicion:
    """One kind of such deltas, and when the next comparison on their account may be asked for.

    Args:
        most_ms: Between two comparisons; at first it is a second, and doubles. After a calm time as long as this, it
            is a second again.
    """

    __slots__ = ("_after_ns", "_most_ms", "_seen", "_wait_ms", "is_pending")

    def __init__(self, most_ms: int) -> None:
        self._most_ms = most_ms
        self._seen = 0
        self._after_ns = 0
        self._wait_ms = FIRST_MS
        self.is_pending = False

    def see(self, count: int) -> None:
        """Take note of how many there ever were."""
        if count != self._seen:
            self._seen = count
            self.is_pending = True

    def may_be_due(self, now_ns: int) -> bool:
        """Whether there was one, and the time has come."""
        return self.is_pending and now_ns >= self._after_ns

    def is_due(self, now_ns: int) -> bool:
        """The same; then it counts as followed up."""
        if not self.may_be_due(now_ns):
            return False
        self.is_pending = False
        if now_ns - self._after_ns > self._most_ms * 1_000_000:
            self._wait_ms = FIRST_MS
        self._after_ns = now_ns + self._wait_ms * 1_000_000
        self._wait_ms = min(2 * self._wait_ms, self._most_ms)
        return True

    def confirm(self) -> None:
        """It was right: the waits begin anew."""
        self._wait_ms = FIRST_MS


class Suspicions:
    """Deltas that a whole book would not have got.

    A removal of a level that a whole book does not have says that something was wrong before; a delta that the book is
    beyond, heard for the first time, that the venue may count anew.

    Args:
        is_whole: Whether the book is; one that is cut off is told to remove what it never knew.
    """

    __slots__ = ("_absent", "_is_whole", "_overdue")

    def __init__(self, *, is_whole: bool) -> None:
        self._is_whole = is_whole
        self._absent = Suspicion(ABSENT_MS)
        self._overdue = Suspicion(OVERDUE_MS)

    def may_be_due(self, now_ns: int) -> bool:
        """Whether there is anything to decide, if nothing new is suspicious. O(1)."""
        return self._overdue.may_be_due(now_ns) or self._absent.may_be_due(now_ns)

    def are_due(self, counters: SyncCounters, now_ns: int, *, is_live: bool) -> bool:
        """Whether to compare now. What was suspicious of a book that is not LIVE any more has had its consequence."""
        self._overdue.see(counters.overdue)
        if self._is_whole:
            self._absent.see(counters.remove_absent)
        if not is_live:
            self._overdue.is_pending = self._absent.is_pending = False
        # Both are asked, so that one comparison serves both.
        due = self._overdue.is_due(now_ns), self._absent.is_due(now_ns)
        return any(due)

    def confirm(self) -> None:
        """The book was wrong."""
        self._absent.confirm()
        self._overdue.confirm()
