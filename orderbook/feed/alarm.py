"""A timer that does not judge before what came while the loop was blocked has been read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from orderbook.feed.pacing import MS
from orderbook.guard import Clock


class Alarm:
    """Calls when a moment has come.

    Args:
        clock: Monotonic, in ns.
        lag_ms: If it is later than this, the loop was blocked: it may read for so long first.
        ring: Called with the time.

    Attributes:
        timer: What waits, if it is set.
    """

    def __init__(self, clock: Clock, lag_ms: int, ring: Callable[[int], None]) -> None:
        self.timer: asyncio.TimerHandle | None = None
        self._due_ns = 0
        self._clock = clock
        self._lag_ns = lag_ms * MS
        self._ring = ring
        self._loop = asyncio.get_running_loop()

    def set(self, due_ns: int | None) -> None:
        """Ring then, or earlier if it is set already; ``None``: no wish."""
        if due_ns is None or (self.timer is not None and self._due_ns <= due_ns):
            return
        self.cancel()
        self._begin(due_ns, max(due_ns - self._clock(), 0))

    def cancel(self) -> None:
        """Do not ring."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def _begin(self, due_ns: int, wait_ns: int) -> None:
        self._due_ns = due_ns
        self.timer = self._loop.call_later(wait_ns / 1e9, self._come, due_ns)

    def _come(self, due_ns: int) -> None:
        now_ns = self._clock()
        self.timer = None
        if now_ns - due_ns > self._lag_ns:
            self._begin(now_ns + self._lag_ns, self._lag_ns)
        else:
            self._ring(now_ns)
