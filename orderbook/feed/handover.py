"""The moment in which two links carry the same symbols."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from orderbook.feed.served import Brought
from orderbook.streams import Pushed
from orderbook.types import Delta

HELD_MAX: Final = 100_000
"""Messages that are kept of either link; a handover that would need more is given up."""


class Handover:
    """Lets one link take over from another: no delta is missing, none comes twice or out of turn.

    The new link may be ahead of the old one, so its messages wait until the old one has brought all that was sent
    before them; and it may be behind, so what the old one brought is left out afterwards. To a book, a delta far behind
    the stream would look as if the venue counted anew. A recording gets just what the books get.

    Attributes:
        is_full: More came than may be kept.
    """

    def __init__(self) -> None:
        self.is_full = False
        self._held: list[tuple[Brought, int]] = []
        self._frames: list[tuple[bytes, Brought]] = []
        self._brought: set[Delta | Pushed] = set()
        self._switched = False
        self._keep: Callable[[bytes], None] = lambda _frame: None

    def taker(self, frame: bytes) -> None:
        """Nobody: the new link is not in charge yet."""

    def take(self, message: Brought, now_ns: int) -> None:
        """A message of the new link, before it is in charge."""
        self.is_full = self.is_full or len(self._held) >= HELD_MAX
        if not self.is_full:
            self._held.append((message, now_ns))

    def wake(self) -> None:
        """The new link was silent; that concerns nobody yet."""

    def tape(self, frame: bytes, message: Brought) -> None:
        """A frame of the new link, to be recorded if the books get what it says."""
        if self._switched:
            if self._is_new(message):
                self._keep(frame)
            return
        self.is_full = self.is_full or len(self._frames) >= HELD_MAX
        if not self.is_full:
            self._frames.append((frame, message))

    def passes(self, message: Brought) -> bool:
        """Whether a message is to be handed on: all of the old link before the switch, then only what is new. O(rows).

        What is wrong with a message does not tell which one it was: that comes through from both.
        """
        if not isinstance(message, Delta | Pushed):
            return True
        if self._switched:
            return self._is_new(message)
        self.is_full = self.is_full or len(self._brought) >= HELD_MAX
        if not self.is_full:
            self._brought.add(message)
        return True

    def switch(self, keep: Callable[[bytes], None]) -> list[tuple[Brought, int]]:
        """The new link is in charge from now on.

        Args:
            keep: Gets its frames that are to be recorded: those of before at once.

        Returns:
            What it brought so far, with the times of receipt.
        """
        self._switched, self._keep = True, keep
        for frame, message in self._frames:
            if self._is_new(message):
                keep(frame)
        held, self._held = self._held, []
        self._frames.clear()
        return held

    def _is_new(self, message: Brought) -> bool:
        return not isinstance(message, Delta | Pushed) or message not in self._brought
