"""Subscriptions that are made again and again, until they are of use."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


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

    def begin(self, symbol: str) -> None:
        """Renew a symbol, if that is not under way."""
        if symbol not in self._timers:
            self._next(symbol, 0)

    def end(self, symbol: str) -> None:
        """It is not wanted any more."""
        if (timer := self._timers.pop(symbol, None)) is not None:
            timer.cancel()

    def clear(self) -> None:
        """None is."""
        for symbol in tuple(self._timers):
            self.end(symbol)

    def _next(self, symbol: str, attempt: int) -> None:
        self._timers.pop(symbol, None)
        if self._renew(symbol, attempt):
            delay_s = self._delay_ms * 2 ** min(attempt, 4) / 1000
            self._timers[symbol] = asyncio.get_running_loop().call_later(delay_s, self._next, symbol, attempt + 1)
