"""What is known of the snapshot that a new book was taken from, while the stream has not reached it.

A snapshot that is ahead of the stream may stem from elsewhere, by way of a cache; then the stream will never meet it.
So mere answers can confirm it only in a quiet market. And after a lost frame, one answer that says that nothing moved
may be older than the loss: it takes two, with no frame in between. Where the venue moved on twice and the stream said
nothing, the market is not quiet but the stream mute: then no answer confirms anything before the stream is heard.
"""

from __future__ import annotations

from orderbook.sync.facts import NEVER
from orderbook.sync.old_count import OldCounts


class Provenance:
    """The snapshot taken last, the one last dropped for staying ahead, the last answer; each with the frames by then.

    Attributes:
        old: The counts that the venue has left.
        lost: A frame of ours was lost, and the stream must show this sequence to tell whether the book needed it.
    """

    __slots__ = ("_answer", "_behind", "_dropped", "_refuted", "_taken", "lost", "old")

    def __init__(self) -> None:
        self.old = OldCounts()
        self.forget()

    def forget(self) -> None:
        """Nothing is known. But a cache may give answers of the old count on the next link, too."""
        self._taken = self._dropped = self._answer = (NEVER, NEVER)
        self._behind = (NEVER, 0)
        self.seen_ahead()
        self.lost = NEVER

    def take(self, sequence: int, frames: int) -> None:
        """A new book was begun with a snapshot, after so many frames. Beyond a lost frame, it makes up for it."""
        self._taken = (sequence, frames)
        if sequence >= self.lost:
            self.lost = NEVER

    def drop(self, frames: int) -> None:
        """It stayed ahead of the stream."""
        self._dropped = (self._taken[0], frames)

    def answered(self, sequence: int, frames: int) -> bool:
        """An answer named the venue's sequence. Whether it repeats the last one, and no frame came in between."""
        again = self._answer == (sequence, frames)
        self._answer = (sequence, frames)
        return again

    def is_doubtful(self, high: int, frames: int) -> bool:
        """Whether no mere answer can confirm the snapshot taken last."""
        sequence, frames_then = self._taken
        return high < sequence and frames > frames_then

    def is_quiet(self, frames: int) -> bool:
        """Whether nothing came since a snapshot was dropped."""
        return self._dropped[1] == frames

    def is_repeated(self, sequence: int, frames: int) -> bool:
        """Whether the snapshot dropped last came again, and nothing in between: the venue stands still at it."""
        return self._dropped == (sequence, frames)

    def fell_behind(self, deltas: int) -> None:
        """The venue moved on, and the stream, which has shown so many deltas, did not show it."""
        deltas_then, times = self._behind
        self._behind = (deltas, times + 1 if deltas == deltas_then else 1)
        self.seen_ahead()

    def distrust_answers(self, deltas: int) -> None:
        """They were no use before, however many came: the stream, which has shown so many deltas, must be heard."""
        self._behind = (deltas, 2)

    def is_mute(self, deltas: int) -> bool:
        """Whether that happened before, and none came in between."""
        return self._behind[0] == deltas and self._behind[1] > 1

    def seen_ahead(self) -> None:
        """The venue was seen ahead of the book: what was said against that before is void."""
        self._refuted = (NEVER, NEVER, 0)

    def refute(self, owed: int, high: int) -> None:
        """An answer was not beyond the book, though the venue was seen at ``owed``."""
        owed_then, high_then, times = self._refuted
        self._refuted = (owed, high_then, times + 1) if owed == owed_then else (owed, high, 1)

    def refuted(self, owed: int, high: int) -> int:
        """How often that happened, if the stream has gone on since the first time, and beyond a lost frame.

        Else the stream may be mute, and of a lost frame such answers, which may be old, tell nothing.
        """
        owed_then, high_then, times = self._refuted
        return times if owed == owed_then and high > high_then and high >= self.lost else 0

    def subscribed(self) -> None:
        """The stream was subscribed anew: it may be quiet, until it is found behind again."""
        self._behind = (self._behind[0], min(self._behind[1], 1))
