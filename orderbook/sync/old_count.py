"""The counts of sequences that the venue has left: to know their snapshots again when a cache still hands them out.

After a reset the new count may run through numbers of the old one. Then a snapshot's sequence does not tell which of
the two it is of, but its levels do. One of the old count holds what the old deltas said up to it, and those after it
lead from it to the old book. Where the deltas that are kept do not reach so far, it still betrays itself when it does
not hold what the new count's deltas said up to it; if it is ahead of them, then when they have reached it.

All that is suspicion: the old book may be the new one, and a delta may have lied. No cache keeps an answer for ever, so
after some refused answers the old counts are forgotten.
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
REFUSED_MAX: Final = 12
"""So many answers are refused for the sake of old counts; with the growing delays of the wishes, for a minute or so."""
FAR: Final = 100_000
"""So many sequences take longer than any cache keeps an answer."""
BEYOND: Final = 64
"""So many sequences more the old count may have had than were heard of it."""


@dataclass(frozen=True, slots=True)
class OldCount:
    """Where a count ended.

    Attributes:
        high: The highest sequence heard of it.
        book: The last book of it; ``None``: none was there. It is changed by nobody any more.
        deltas: The last ones of it, in order of sequence.
    """

    high: int
    book: BookContent | None
    deltas: tuple[Delta, ...]

    def may_have(self, sequence: int) -> bool:
        """Whether a cache may still have a book of this count at that sequence, while the new count gets there."""
        return self.high - FAR <= sequence <= self.high + BEYOND

    def knows(self, snapshot: BookContent) -> bool:
        """Whether a snapshot is known as the book of this count at its sequence. O(n)."""
        if self.book is None:
            return False
        older, newer = sorted((snapshot, self.book), key=lambda content: content.sequence)
        between = self._between(older.sequence, newer.sequence)
        return between is not None and _leads(older.copy(), between, newer) is True and _holds(snapshot, self.deltas)

    def _between(self, first: int, last: int) -> list[Delta] | None:
        """The deltas that lead from one sequence to another, without a hole; ``None`` if one is missing."""
        chain = []
        for delta in self.deltas:
            if continues(delta.sequence_start, delta.sequence_end, first):
                chain.append(delta)
                first = delta.sequence_end
        return chain if first >= last else None


class OldCounts:
    """The counts that were left, the latest last, until the present one is beyond them or they cost too much.

    Attributes:
        is_joined: Whether a book of the present count was joined.
    """

    __slots__ = ("_counts", "_refused", "is_joined")

    def __init__(self) -> None:
        self._counts: tuple[OldCount, ...] = ()
        self._refused = 0
        self.is_joined = True

    def leave(self, high: int, book: BookContent | None, recent: Iterable[Delta]) -> None:
        """The present count ended."""
        self._counts = (*self._counts, OldCount(high, book, _in_order(recent)))[-COUNTS_MAX:]
        self._refused = 0
        self.is_joined = False

    def reached(self, sequence: int) -> None:
        """A book stands here: what ended before that, or far beyond, no stream leads to while a cache may have it."""
        self._counts = tuple(count for count in self._counts if sequence <= count.high <= sequence + FAR)

    def refused(self) -> None:
        """An answer was refused because it may be of one of them."""
        self._refused += 1
        if self._refused >= REFUSED_MAX:
            self._counts = ()

    def may_reach(self, sequence: int) -> bool:
        """Whether one of them may have got so far before it ended."""
        return any(sequence <= count.high + BEYOND for count in self._counts)

    def nearest(self, sequence: int) -> int:
        """The end of one of them that is nearest, as long as no book is joined; ``NEVER`` if there is none."""
        highs = () if self.is_joined else (count.high for count in self._counts)
        return min(highs, key=lambda high: abs(sequence - high), default=NEVER)

    def have(self, snapshot: BookContent, heard: Iterable[Delta]) -> bool:
        """Whether a snapshot may be of one of them and is known so, or does not fit the present count.

        Args:
            snapshot: It is left as it is.
            heard: Deltas of the present count, in whatever order.

        Complexity: O(n) for n levels, O(1) without old counts.
        """
        suspects = [count for count in self._counts if count.may_have(snapshot.sequence)]
        if not suspects:
            return False
        return not _holds(snapshot, _in_order(heard)) or any(count.knows(snapshot) for count in suspects)


def _in_order(deltas: Iterable[Delta]) -> tuple[Delta, ...]:
    return tuple(sorted(deltas, key=lambda delta: delta.sequence_start))


def _holds(snapshot: BookContent, deltas: Iterable[Delta]) -> bool:
    """Whether a snapshot shows what the deltas said up to its sequence, as far as they are read without a hole."""
    before, sequence = snapshot.copy(), snapshot.sequence
    before.sequence = NEVER
    run: list[Delta] = []
    end = NEVER
    for delta in (delta for delta in deltas if delta.sequence_start <= sequence):
        if delta.sequence_start > end + 1:
            run.clear()
        run.append(delta)
        end = max(end, delta.sequence_end)
    return end < sequence or _leads(before, run, snapshot) is not False


def _leads(older: BookContent, deltas: Iterable[Delta], newer: BookContent) -> bool | None:
    """Whether the deltas make the one to the other, as far as both are known; ``None`` if they cannot be applied.

    The older one is used up.
    """
    try:
        return not compare(Audit(asked=False, copy=older, deltas=list(deltas)), newer.copy()).differences
    except NumberError:
        return None
