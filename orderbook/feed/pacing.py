"""How often something may be done, and how long to wait after a failure."""

from __future__ import annotations

import asyncio
import random
from collections import deque

from orderbook.guard import Clock

MS = 1_000_000


class Pacer:
    """At most so many turns in any window of time.

    Args:
        limit: Turns; never less than one.
        window_ms: Of the window.
        clock: Monotonic, in ns.

    Attributes:
        limit: May be lowered when the venue says so.
    """

    def __init__(self, limit: int, window_ms: int, clock: Clock) -> None:
        self.limit = max(1, limit)
        self._window_ns = window_ms * MS
        self._clock = clock
        self._turns: deque[int] = deque()

    @property
    def used(self) -> int:
        """Turns in the window that ends now."""
        now_ns = self._clock()
        while self._turns and self._turns[0] <= now_ns - self._window_ns:
            self._turns.popleft()
        return len(self._turns)

    async def turn(self) -> int:
        """Wait until the next turn may be taken, and take it; returns what to ``settle`` it with."""
        while self.used >= self.limit:
            wait_ns = self._turns[-self.limit] + self._window_ns - self._clock()
            await asyncio.sleep(max(wait_ns, MS) / 1e9)
        return self.take()

    def take(self) -> int:
        """Take a turn at once, come what may."""
        self._turns.append(self._clock())
        return self._turns[-1]

    def settle(self, turn_ns: int) -> None:
        """What a turn was taken for is done only now, so it may have arrived as late as this: it counts from now on."""
        if turn_ns in self._turns:
            self._turns.remove(turn_ns)
        self.take()


class Backoff:
    """Exponential back-off with full jitter: each wait is uniform between 0 and a cap that doubles.

    After M. Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015).
    """

    def __init__(self, min_ms: int, max_ms: int, rng: random.Random) -> None:
        self._min_ms = min_ms
        self._max_ms = max_ms
        self._rng = rng
        self.failures = 0

    def next_ms(self) -> float:
        """How long to wait now."""
        # The exponent is bounded so that weeks of failures do not make a long integer.
        cap_ms = min(self._max_ms, self._min_ms * 2 ** min(self.failures, 30))
        self.failures += 1
        return self._rng.uniform(0, cap_ms)

    def reset(self) -> None:
        """Something was of use: begin again."""
        self.failures = 0
