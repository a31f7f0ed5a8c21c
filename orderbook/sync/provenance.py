"""What is known of the snapshot that a new book was taken from, while the stream has not reached it.

A snapshot that is ahead of the stream may stem from another count of the venue, by way of a cache; then the stream will
never meet it. So mere answers can confirm it only in a quiet market: no delta came since, and what came before is near.
"""

from __future__ import annotations

from orderbook.sync.table import NEVER


class Provenance:
    """The snapshot taken last, and the one that was last dropped for staying ahead; each with the frames by then."""

    __slots__ = ("_dropped", "_reset_window", "_taken")

    def __init__(self, reset_window: int) -> None:
        self._reset_window = reset_window
        self.forget()

    def forget(self) -> None:
        """Nothing is known."""
        self._taken = self._dropped = (NEVER, NEVER)

    def take(self, sequence: int, frames: int) -> None:
        """A new book was begun with a snapshot, after so many frames."""
        self._taken = (sequence, frames)

    def drop(self, frames: int) -> None:
        """It stayed ahead of the stream."""
        self._dropped = (self._taken[0], frames)

    def is_doubtful(self, high: int, frames: int) -> bool:
        """Whether no mere answer can confirm the snapshot taken last."""
        sequence, frames_then = self._taken
        return high < sequence and (frames > frames_then or self._is_far(sequence, high))

    def is_quiet(self, frames: int) -> bool:
        """Whether nothing came since a snapshot was dropped."""
        return self._dropped[1] == frames

    def is_repeated(self, sequence: int, high: int, frames: int) -> bool:
        """Whether the snapshot dropped last came again, and nothing in between: the venue stands still at it."""
        return self._dropped == (sequence, frames) and not self._is_far(sequence, high)

    def _is_far(self, sequence: int, high: int) -> bool:
        return high != NEVER and sequence > high + self._reset_window
