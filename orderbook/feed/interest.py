"""How much it matters that a book is LIVE: who is served first when many wait for a snapshot."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Final

BUSY: Final = 2.0
"""A symbol that moves so many times as much as the average of its feed is busy."""


class Interest:
    """What is known of the interest in one symbol.

    Args:
        subscriptions: Who gets its updates; looked at when asked.

    Attributes:
        is_first: Whether the user named it as one that matters most.
        is_busy: Whether it moves much more than others.
    """

    __slots__ = ("_awaited", "_subscriptions", "is_busy", "is_first")

    def __init__(self, subscriptions: Collection[object]) -> None:
        self.is_first = self.is_busy = False
        self._subscriptions = subscriptions
        self._awaited = 0

    @property
    def rank(self) -> int:
        """Its place among others, 0 first: named, then read (or awaited), and of these and of the others the busy."""
        if self.is_first:
            return 0
        is_read = self._awaited > 0 or len(self._subscriptions) > 0
        return (1 if is_read else 3) + (not self.is_busy)

    @contextmanager
    def awaiting(self) -> Iterator[None]:
        """Somebody waits for it to be LIVE."""
        self._awaited += 1
        try:
            yield
        finally:
            self._awaited -= 1
