"""Whether the venue takes the API key that the connections of an account need."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable

from orderbook.errors import Refused
from orderbook.feed.events import KeyRefused
from orderbook.feed.served import Kind

log = logging.getLogger("orderbook.feed")


class Admission:
    """What became of the last attempt to connect, as far as the key is concerned.

    Only the user can help with a key that is refused, and who asks again and again may be locked out: it is told once,
    and asked again slowly. Books need no key, and whoever refuses them one has mistaken them for somebody else.

    Args:
        kind: What the connections are for.
        retry_ms: A key that was refused is tried again after about so long.
        rng: For jitter.
        tell: Gets the event.

    Attributes:
        reason: Why the key was refused; ``None``: it was not.
    """

    def __init__(self, kind: Kind, retry_ms: int, rng: random.Random, tell: Callable[[KeyRefused], None]) -> None:
        self.reason: str | None = None
        self._is_private = kind.is_private
        self._retry_ms = retry_ms
        self._rng = rng
        self._tell = tell
        self._told: KeyRefused | None = None

    def admitted(self) -> None:
        """A connection is up."""
        self.reason = self._told = None

    def failed(self, problem: Exception) -> None:
        """None could be made."""
        self.reason = None
        if self._is_private and isinstance(problem, Refused) and problem.is_final:
            self.reason = str(problem)
            told = KeyRefused(problem.code, problem.text, problem.advice)
            if told != self._told:
                self._told = told
                log.error("the key is refused: %s", problem)
                self._tell(told)

    def pause_ms(self) -> float | None:
        """How long to wait before the next attempt; ``None``: as after any other failure."""
        return None if self.reason is None else self._retry_ms * self._rng.uniform(0.75, 1.25)
