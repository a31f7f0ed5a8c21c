"""Deltas that wait: for a snapshot, or for the one that is missing. Kept in order of sequence, whatever the arrival."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Literal

from orderbook.sync.facts import NEVER
from orderbook.sync.table import continues
from orderbook.types import Change, Delta, Side

_UNTIL_TIME = Delta._fields.index("venue_ms")


class DeltaBuffer:
    """A bounded, sorted list of deltas without repetitions.

    A delta is out of turn when one that it follows came after it. Mostly the two were swapped on their way; but it may
    also be of a count that the venue has left, while the new count is about to run through the same numbers.
    """

    __slots__ = ("_deltas", "_frames_max", "_passed", "_rows", "_rows_max", "_turn", "_turns")

    def __init__(self, frames_max: int, rows_max: int) -> None:
        self._deltas: list[Delta] = []
        self._turns: list[int] = []
        self._turn = 0
        self._passed = 0
        self._rows = 0
        self._frames_max = frames_max
        self._rows_max = rows_max

    def __len__(self) -> int:
        return len(self._deltas)

    def __iter__(self) -> Iterator[Delta]:
        return iter(self._deltas)

    @property
    def first(self) -> int:
        """Start of the oldest delta; ``NEVER`` when empty."""
        return self._deltas[0].sequence_start if self._deltas else NEVER

    @property
    def is_out_of_turn(self) -> bool:
        """Whether the oldest delta is."""
        return bool(self._turns) and self._turns[0] < self._passed

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
        self._turn += 1
        self._deltas.insert(at, delta)
        self._turns.insert(at, self._turn)
        self._rows += _rows(delta)
        return True

    def passed_by(self) -> None:
        """A delta came that is older than those here, and does not have to wait."""
        self._turn += 1
        self._passed = self._turn

    def take(self, last: int) -> tuple[list[Delta], Delta | None, bool]:
        """Remove what a book at ``last`` already covers, and the delta that continues it.

        Returns:
            The covered deltas, the next one to apply or ``None``, and whether that one is out of turn. Only the front
            is looked at, so covered deltas behind a continuing one come out with a later call.
        """
        covered = []
        while self._deltas:
            head = self._deltas[0]
            if head.sequence_end <= last:
                covered.append(self._pop())
            elif continues(head.sequence_start, head.sequence_end, last):
                is_out_of_turn = self.is_out_of_turn
                return covered, self._pop(), is_out_of_turn
            else:
                break
        return covered, None, False

    def clear(self) -> int:
        """Forget everything; says how many deltas that were."""
        dropped = len(self._deltas)
        self._deltas.clear()
        self._turns.clear()
        self._rows = 0
        return dropped

    def _pop(self) -> Delta:
        delta = self._deltas.pop(0)
        self._passed = max(self._passed, self._turns.pop(0))
        self._rows -= _rows(delta)
        return delta


def _sided(delta: Delta) -> Iterator[tuple[Side, Change]]:
    for row in delta.bids:
        yield Side.BID, row
    for row in delta.asks:
        yield Side.ASK, row


def _rows(delta: Delta) -> int:
    return len(delta.bids) + len(delta.asks)


class RecentDeltas:
    """The last deltas received, applied or not: to tell a duplicate from another use of the same numbers."""

    __slots__ = ("_decode", "_seen")

    def __init__(self, count: int) -> None:
        self._seen: deque[Delta | bytes | str] = deque(maxlen=max(1, count))
        self._decode: Callable[[bytes | str], Delta] | None = None

    def __iter__(self) -> Iterator[Delta]:
        for number, seen in enumerate(self._seen):
            if isinstance(seen, Delta):
                yield seen
            else:
                assert self._decode is not None
                self._seen[number] = delta = self._decode(seen)
                yield delta

    def add(self, delta: Delta) -> None:
        """Remember one; the oldest is forgotten."""
        self._seen.append(delta)

    def add_frames(self, frames: Iterable[bytes | str], decode: Callable[[bytes | str], Delta]) -> None:
        """Remember some that came after all others, as frames: most are forgotten before anybody asks for them."""
        self._seen.extend(frames)
        self._decode = decode

    def holds(self, delta: Delta) -> bool:
        """Whether the very same delta came before, whatever its time stamp. O(count)."""
        return any(seen[:_UNTIL_TIME] == delta[:_UNTIL_TIME] for seen in self)

    def contradicts(self, delta: Delta) -> bool:
        """Whether a number that the delta gives to a row was given to another row before, however the rows are cut.

        O(deltas remembered, and the rows of those that share a number with it).
        """
        start, end = delta.sequence_start, delta.sequence_end
        shared = (seen for seen in self if seen.sequence_start <= end and seen.sequence_end >= start)
        said = {(side, row) for seen in shared for side, row in _sided(seen)}
        given = {row.sequence for _, row in said} - {None}
        return any(row.sequence in given and (side, row) not in said for side, row in _sided(delta))

    def clear(self) -> None:
        """Forget everything."""
        self._seen.clear()
