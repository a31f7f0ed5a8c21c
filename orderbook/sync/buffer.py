"""Deltas that wait: for a snapshot, or for the one that is missing. Kept in order of sequence, whatever the arrival."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator
from typing import Literal

from orderbook.content import BookContent
from orderbook.fixedpoint import Number
from orderbook.sync.table import NEVER, continues
from orderbook.types import Delta, Side


class DeltaBuffer:
    """A bounded, sorted list of deltas without repetitions."""

    __slots__ = ("_deltas", "_frames_max", "_rows", "_rows_max")

    def __init__(self, frames_max: int, rows_max: int) -> None:
        self._deltas: list[Delta] = []
        self._rows = 0
        self._frames_max = frames_max
        self._rows_max = rows_max

    def __len__(self) -> int:
        return len(self._deltas)

    @property
    def first(self) -> int:
        """Start of the oldest delta; ``NEVER`` when empty."""
        return self._deltas[0].sequence_start if self._deltas else NEVER

    def full_with(self, delta: Delta) -> Literal["buffer_frames_max", "buffer_rows_max"] | None:
        """Which setting would be passed by one more delta."""
        if len(self._deltas) + 1 > self._frames_max:
            return "buffer_frames_max"
        if self._rows + _rows(delta) > self._rows_max:
            return "buffer_rows_max"
        return None

    def add(self, delta: Delta) -> bool:
        """Insert by sequence. ``False`` for a range that is here already. O(log n) to find, O(n) to insert."""
        at = bisect_left(self._deltas, (delta.symbol, delta.sequence_start, delta.sequence_end))
        if at < len(self._deltas):
            there = self._deltas[at]
            if (there.sequence_start, there.sequence_end) == (delta.sequence_start, delta.sequence_end):
                return False
        self._deltas.insert(at, delta)
        self._rows += _rows(delta)
        return True

    def take(self, last: int) -> tuple[list[Delta], Delta | None]:
        """Remove what a book at ``last`` already covers, and the delta that continues it.

        Returns:
            The covered deltas, and the next one to apply or ``None``. Only the front is looked at, so covered deltas
            behind a continuing one come out with a later call.
        """
        covered = []
        while self._deltas:
            head = self._deltas[0]
            if head.sequence_end <= last:
                covered.append(self._pop())
            elif continues(head.sequence_start, head.sequence_end, last):
                return covered, self._pop()
            else:
                break
        return covered, None

    def clear(self) -> int:
        """Forget everything; says how many deltas that were."""
        dropped = len(self._deltas)
        self._deltas.clear()
        self._rows = 0
        return dropped

    def _pop(self) -> Delta:
        delta = self._deltas.pop(0)
        self._rows -= _rows(delta)
        return delta


def _rows(delta: Delta) -> int:
    return len(delta.bids) + len(delta.asks)


class RecentDeltas:
    """The last deltas received, applied or not: to tell a duplicate from another use of the same numbers."""

    __slots__ = ("_deltas",)

    def __init__(self, count: int) -> None:
        self._deltas: deque[Delta] = deque(maxlen=max(1, count))

    def __iter__(self) -> Iterator[Delta]:
        return iter(self._deltas)

    def add(self, delta: Delta) -> None:
        """Remember one; the oldest is forgotten."""
        self._deltas.append(delta)

    def same_range(self, delta: Delta) -> Delta | None:
        """The remembered delta over the same sequences, if any. O(count)."""
        for seen in self._deltas:
            if (seen.sequence_start, seen.sequence_end) == (delta.sequence_start, delta.sequence_end):
                return seen
        return None

    def is_denied_by(self, book: BookContent) -> bool:
        """Whether a book lacks what the remembered deltas say that lead up to its sequence without a hole."""
        said = self._last_said(book.sequence)
        return any(book.lacks(side, price, size) for (side, price), size in said.items())

    def _last_said(self, sequence: int) -> dict[tuple[Side, Number], Number]:
        """The last size of each price up to a sequence."""
        by_end = {delta.sequence_end: delta for delta in self._deltas}
        said: dict[tuple[Side, Number], Number] = {}
        while (delta := by_end.pop(sequence, None)) is not None:
            for side, rows in ((Side.BID, delta.bids), (Side.ASK, delta.asks)):
                for row in sorted(rows, key=lambda row: row.sequence or 0, reverse=True):
                    if row.price.mantissa:
                        said.setdefault((side, row.price), row.size)
            sequence = delta.sequence_start - 1
        return said

    def clear(self) -> None:
        """Forget everything."""
        self._deltas.clear()
