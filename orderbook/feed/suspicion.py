"""When a delta does not fit the book: reason enough to compare it with the venue's, but not for every such delta."""

from __future__ import annotations

from typing import Final

from orderbook.sync.journal import SyncCounters

SUSPECT_MS: Final = 1_000
SUSPECT_MAX_MS: Final = 60_000


class Suspicion:
    """Deltas that a whole book would not have got, and when the next comparison on their account may be asked for.

    A removal of a level that a whole book does not have says that something was wrong before; a delta that the book is
    beyond, heard for the first time, that the venue may count anew.

    Args:
        is_whole: Whether the book is; one that is cut off is told to remove what it never knew.
    """

    __slots__ = ("_after_ns", "_is_whole", "_seen", "_wait_ms")

    def __init__(self, *, is_whole: bool) -> None:
        self._is_whole = is_whole
        self._seen = 0
        self._after_ns = 0
        self._wait_ms = SUSPECT_MS

    def is_new(self, counters: SyncCounters) -> bool:
        """Whether such a delta came since the last look."""
        seen, self._seen = self._seen, counters.overdue + (counters.remove_absent if self._is_whole else 0)
        return seen != self._seen

    def is_due(self, now_ns: int) -> bool:
        """Whether to compare now; if so, the next time only after a while, longer each time."""
        if now_ns < self._after_ns:
            return False
        self._after_ns = now_ns + self._wait_ms * 1_000_000
        self._wait_ms = min(2 * self._wait_ms, SUSPECT_MAX_MS)
        return True

    def confirm(self) -> None:
        """It was right: the waits begin anew."""
        self._wait_ms = SUSPECT_MS
