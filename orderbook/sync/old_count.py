"""The counts of sequences that the venue has left: to know their snapshots again when a cache still hands them out.

After a reset the new count may run through numbers of the old one. Then a snapshot's sequence does not tell which of
the two it is of, but its levels do. One of the old count holds what the old deltas said up to it, and those after it
lead from it to the old book. Where the deltas that are kept do not reach so far, it still betrays itself when it does
not hold what the new count's deltas said up to it; if it is ahead of them, then when they have reached it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from orderbook.content import BookContent
from orderbook.errors import NumberError
from orderbook.sync.audit import Audit, compare
from orderbook.sync.facts import NEVER
from orderbook.sync.table import continues
from orderbook.types import Delta

COUNTS_MAX: Final = 4
"""Of a venue that counts anew again and again, so many are remembered."""
FAR: Final = 100_000
"""So many sequences take longer than any cache keeps an answer."""


@dataclass(frozen=True, slots=True)
class OldCount:
    """Where a count ended.

    Attributes:
        high: The highest sequence heard of it.
        book: The last book of it; ``None``: none was ever joined. It is changed by nobody any more.
        deltas: The last ones of it, in order of sequence.
    """

    high: int
    book: BookContent | None
    deltas: tuple[Delta, ...]

    def has(self, snapshot: BookContent, heard: Iterable[Delta]) -> bool | None:
        """Whether a snapshot is of this count rather than of the new one; ``None`` where nothing tells.

        Args:
            snapshot: It is left as it is.
            heard: The new count's deltas, in order of sequence.

        Complexity: O(n) for n levels.
        """
        if not _holds(snapshot, heard):
            return True
        if self.book is None:
            return None
        older, newer = sorted((snapshot, self.book), key=lambda content: content.sequence)
        between = self._between(older.sequence, newer.sequence)
        if between is None:
            return None
        return _leads(older.copy(), between, newer) and _holds(snapshot, self.deltas)

    def _between(self, first: int, last: int) -> list[Delta] | None:
        """The deltas that lead from one sequence to another, without a hole; ``None`` if one is missing."""
        chain = []
        for delta in self.deltas:
            if continues(delta.sequence_start, delta.sequence_end, first):
                chain.append(delta)
                first = delta.sequence_end
        return chain if first >= last else None


class OldCounts:
    """The counts that were left, the latest last, until the present one is beyond them."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: tuple[OldCount, ...] = ()

    def leave(self, high: int, book: BookContent | None, recent: Iterable[Delta]) -> None:
        """The present count ended."""
        count = OldCount(high, book, _in_order(recent))
        self._counts = (*self._counts, count)[-COUNTS_MAX:]

    def reached(self, sequence: int) -> None:
        """A book stands here: what ended before that, or far beyond, no stream leads to while a cache may have it."""
        self._counts = tuple(count for count in self._counts if sequence <= count.high <= sequence + FAR)

    def nearest(self, sequence: int) -> int:
        """The end of one of them that is nearest; ``NEVER`` if there is none."""
        return min((count.high for count in self._counts), key=lambda high: abs(sequence - high), default=NEVER)

    def have(self, snapshot: BookContent, heard: Iterable[Delta]) -> bool | None:
        """Whether a snapshot is of one of them, as ``OldCount.has``, in whatever order the new count's deltas are."""
        ordered = _in_order(heard) if self._counts else ()
        known = [count.has(snapshot, ordered) for count in self._counts]
        return True if True in known else None if None in known else False


def _in_order(deltas: Iterable[Delta]) -> tuple[Delta, ...]:
    return tuple(sorted(deltas, key=lambda delta: delta.sequence_start))


def _holds(snapshot: BookContent, deltas: Iterable[Delta]) -> bool:
    """Whether a snapshot shows what the deltas said up to its sequence; what they said before a hole is out of date."""
    before, sequence = snapshot.copy(), snapshot.sequence
    before.sequence = NEVER
    run: list[Delta] = []
    end = NEVER
    for delta in (delta for delta in deltas if delta.sequence_start <= sequence):
        if delta.sequence_start > end + 1:
            run.clear()
        run.append(delta)
        end = max(end, delta.sequence_end)
    return end < sequence or _leads(before, run, snapshot)


def _leads(older: BookContent, deltas: Iterable[Delta], newer: BookContent) -> bool:
    """Whether the deltas make the one to the other, as far as both are known. The older one is used up."""
    try:
        return not compare(Audit(asked=False, copy=older, deltas=list(deltas)), newer.copy()).differences
    except NumberError:
        return False
