"""Deltas that wait: for a snapshot, or for the one that is missing. Kept in order of sequence, whatever the arrival."""

from __future__ import annotations

from bisect import bisect_left

from orderbook.sync.table import NEVER, continues
from orderbook.types import Delta


class DeltaBuffer:
    """A bounded, sorted list of deltas without repetitions."""

    __slots__ = ("_deltas", "_rows")

    def __init__(self) -> None:
        self._deltas: list[Delta] = []
        self._rows = 0

    def __len__(self) -> int:
        return len(self._deltas)

    @property
    def rows(self) -> int:
        """Rows in all buffered deltas."""
        return self._rows

    @property
    def first(self) -> int:
        """Start of the oldest delta; ``NEVER`` when empty."""
        return self._deltas[0].sequence_start if self._deltas else NEVER

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
