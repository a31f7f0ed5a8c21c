"""Subscriptions that are made again and again, until they are of use."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

POWER_MAX: Final = 4
"""So often the time between two subscriptions of a symbol doubles."""


class Renewals:
    """Symbols whose streams stay behind the venue.

    Args:
        delay_ms: Between the first two subscriptions of a symbol; it doubles four times.
        renew: Has a symbol subscribed anew, unless that is not wanted any more, which it returns. Gets the number of
            subscriptions that were no good.
    """

    def __init__(self, delay_ms: int, renew: Callable[[str, int], bool]) -> None:
        self._delay_ms = delay_ms
        self._renew = renew
        self._timers: dict[str, asyncio.TimerHandle] = {}
        # Of each symbol: how many deltas it had received when it was renewed last, and how often it had been by then.
        self._tried: dict[str, tuple[int, int]] = {}

    def begin(self, symbol: str, received: int) -> None:
        """Renew a symbol, if that is not under way: at once, or when its turn comes if the last time was of no use.

        Args:
            symbol: Which.
            received: How many deltas of it ever came.
        """
        if symbol in self._timers:
            return
        received_then, attempts = self._tried.get(symbol, (received, 0))
        attempts = attempts if received == received_then else 0
        self._tried[symbol] = received, attempts
        if attempts:
            self._later(symbol, attempts)
        else:
            self._next(symbol, 0)

    def end(self, symbol: str) -> None:
        """It is not wanted any more."""
        self._tried.pop(symbol, None)
        if (timer := self._timers.pop(symbol, None)) is not None:
            timer.cancel()

    def clear(self) -> None:
        """None is."""
        for symbol in tuple(self._tried):
            self.end(symbol)

    def _next(self, symbol: str, attempts: int) -> None:
        self._timers.pop(symbol, None)
        if self._renew(symbol, attempts):
            self._tried[symbol] = self._tried[symbol][0], attempts + 1
            self._later(symbol, attempts + 1)

    def _later(self, symbol: str, attempts: int) -> None:
        delay_s = self._delay_ms * 2 ** min(attempts - 1, POWER_MAX) / 1000
        self._timers[symbol] = asyncio.get_running_loop().call_later(delay_s, self._next, symbol, attempts)
