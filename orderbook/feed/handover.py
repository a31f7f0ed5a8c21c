"""The moment in which two links carry the same symbols."""

from __future__ import annotations

from typing import Final

from orderbook.errors import FrameError
from orderbook.types import Delta, Message

HELD_MAX: Final = 100_000
"""Messages that are kept of either link; a handover that would need more is given up."""


class Handover:
    """Lets one link take over from another: no delta is missing, none comes twice or out of turn.

    The new link may be ahead of the old one, so its messages wait until the old one has brought all that was sent
    before them; and it may be behind, so what the old one brought is left out afterwards. To a book, a delta far behind
    the stream would look as if the venue counted anew.

    Attributes:
        is_full: More came than may be kept.
    """

    def __init__(self) -> None:
        self.is_full = False
        self._held: list[tuple[Message | FrameError, int]] = []
        self._brought: set[Delta] = set()
        self._switched = False

    def take(self, message: Message | FrameError, now_ns: int) -> None:
        """A message of the new link, before it is in charge."""
        self.is_full = self.is_full or len(self._held) >= HELD_MAX
        if not self.is_full:
            self._held.append((message, now_ns))

    def wake(self) -> None:
        """The new link was silent; that concerns nobody yet."""

    def passes(self, delta: Delta) -> bool:
        """Whether a delta is for its book: all of the old link before the switch, then only what is new. O(rows)."""
        if self._switched:
            return delta not in self._brought
        self.is_full = self.is_full or len(self._brought) >= HELD_MAX
        if not self.is_full:
            self._brought.add(delta)
        return True

    def switch(self) -> list[tuple[Message | FrameError, int]]:
        """The new link is in charge from now on; returns what it brought so far, with the times of receipt."""
        self._switched = True
        held, self._held = self._held, []
        return held
