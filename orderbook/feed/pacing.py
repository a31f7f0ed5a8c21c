"""How often something may be done, and how long to wait after a failure."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from heapq import heappop, heappush

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


class Gate:
    """So many at a time; of those who wait, the most urgent goes first, then whoever came first.

    Args:
        limit: How many.
    """

    def __init__(self, limit: int) -> None:
        self._free = limit
        self._order = 0
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []

    @asynccontextmanager
    async def turn(self, priority: int) -> AsyncIterator[None]:
        """Wait for a place, and hold it for the length of the block. The lowest number is the most urgent.

        Complexity: O(log of those who wait).
        """
        await self._enter(priority)
        try:
            yield
        finally:
            self._leave()

    async def _enter(self, priority: int) -> None:
        if self._free:
            self._free -= 1
            return
        self._order += 1
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heappush(self._waiting, (priority, self._order, place))
        try:
            await place
        except asyncio.CancelledError:
            if not place.cancelled():
                # Let in and called away in one breath.
                self._leave()
            raise

    def _leave(self) -> None:
        while self._waiting:
            _, _, place = heappop(self._waiting)
            if not place.done():
                place.set_result(None)
                return
        self._free += 1


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
