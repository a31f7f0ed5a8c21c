"""When a delta does not fit the book: reason enough to compare it with the venue's, but not for every such delta."""

from __future__ import annotations

from typing import Final

from orderbook.events import AuditFailed, AuditPassed, Event, SequenceReset, StateChanged
from orderbook.sync import BookSync
from orderbook.sync.facts import NEVER
from orderbook.types import BookState

FIRST_MS: Final = 1_000
LONGEST_MS: Final = 60_000
"""Between two comparisons on account of the same deltas. No cache keeps an answer for so long."""
ABSENT_MS: Final = LONGEST_MS
"""Of levels that come and go within one message, some venues tell the going only: so it may be a common thing."""
OVERDUE_MS: Final = 2_000
"""A delta that is late by itself is rare, and a venue that counts anew is to be found out soon."""


class Suspicion:
    """One kind of such deltas, and when the next comparison on their account may be asked for.

    Args:
        most_ms: After a new one of them, no comparison waits for longer. Between two it is a second at first, and
            doubles; after a calm time as long as this, it is a second again.

    Attributes:
        is_pending: Whether there was one that no comparison made up for.
    """

    __slots__ = ("_after_ns", "_most_ms", "_seen", "_wait_ms", "is_pending")

    def __init__(self, most_ms: int) -> None:
        self._most_ms = most_ms
        self._seen = 0
        self._after_ns = 0
        self._wait_ms = FIRST_MS
        self.is_pending = False

    def see(self, count: int, now_ns: int) -> bool:
        """Take note of how many there ever were; whether there is a new one."""
        if count == self._seen:
            return False
        most_ns = self._most_ms * 1_000_000
        if not self.is_pending and now_ns - self._after_ns > most_ns:
            self._wait_ms = FIRST_MS
        self._seen = count
        self._after_ns = min(self._after_ns, now_ns + most_ns)
        self._wait_ms = min(self._wait_ms, self._most_ms)
        self.is_pending = True
        return True

    def may_be_due(self, now_ns: int) -> bool:
        """Whether there was one, and the time has come."""
        return self.is_pending and now_ns >= self._after_ns

    def is_due(self, now_ns: int) -> bool:
        """The same; then the next time comes later."""
        if not self.may_be_due(now_ns):
            return False
        self._after_ns = now_ns + self._wait_ms * 1_000_000
        self._wait_ms = min(2 * self._wait_ms, LONGEST_MS)
        return True

    def confirm(self) -> None:
        """It was right: the waits begin anew."""
        self._wait_ms = FIRST_MS


class Suspicions:
    """Deltas that a whole book would not have got.

    A removal of a level that a whole book does not have says that something was wrong before; a delta that the book is
    beyond, heard for the first time, that the venue may count anew. Only a new book makes up for them, or a comparison
    that could have told: of a removal one that went so far; of the other, the synchroniser says. Any other answer may
    be older than what is suspected, so it is asked again.

    Args:
        is_whole: Whether the book is; one that is cut off is told to remove what it never knew.
    """

    __slots__ = ("_absent", "_absent_at", "_is_whole", "_joins", "_looked", "_overdue")

    def __init__(self, *, is_whole: bool) -> None:
        self._is_whole = is_whole
        self._absent = Suspicion(ABSENT_MS)
        self._absent_at = 0
        self._overdue = Suspicion(OVERDUE_MS)
        self._joins = 0
        self._looked = NEVER

    def may_be_due(self, absent_count: int, now_ns: int) -> bool:
        """Whether there is anything to decide after a delta that continued the book. O(1).

        Args:
            absent_count: How many such removals the content of the book has seen.
            now_ns: The driver's clock.
        """
        return absent_count != self._looked or self._overdue.may_be_due(now_ns) or self._absent.may_be_due(now_ns)

    def are_due(self, sync: BookSync, now_ns: int) -> bool:
        """Whether to compare now. While the book is not LIVE, or compared already, the answer has time."""
        if sync.state is not BookState.LIVE:
            return False
        self._looked = sync.book.content.remove_absent_count
        counters, absent, overdue = sync.counters, self._absent, self._overdue
        if counters.joins != self._joins:
            self._joins = counters.joins
            absent.is_pending = False
        overdue.see(counters.overdue, now_ns)
        overdue.is_pending = sync.is_overdue
        if self._is_whole and absent.see(counters.remove_absent, now_ns):
            self._absent_at = sync.book.sequence
        if sync.is_auditing:
            return False
        # Both are asked, so that one comparison serves both.
        due = overdue.is_due(now_ns), absent.is_due(now_ns)
        return any(due)

    def hear(self, event: Event) -> None:
        """What the synchroniser told."""
        match event:
            case AuditPassed():
                # It replayed what came up to there, whenever it began.
                self._absent.is_pending = self._absent.is_pending and event.sequence < self._absent_at
            case AuditFailed() | SequenceReset():
                self._absent.confirm()
                self._overdue.confirm()
            case StateChanged():
                # Of another book, or of this one after a while: the next delta is looked at.
                self._looked = NEVER
