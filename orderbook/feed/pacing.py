"""How often something may be done, and how long to wait after a failure."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from typing import Final
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from orderbook.clock import has_own_time, loop_clock
from orderbook.guard import Clock
from orderbook.venues.rest import Server

MS = 1_000_000
MINUTE_MS: Final = 60_000


class Turns:
    """When turns were taken. Several pacers may share it, also those of feeds in different threads."""

    def __init__(self) -> None:
        self._moments: deque[int] = deque()
        self._lock = threading.Lock()

    def used(self, window_ns: int, now_ns: int) -> int:
        """How many lie in the window that ends now. Amortised O(1)."""
        with self._lock:
            return self._used(window_ns, now_ns)

    def try_take(self, limit: int, window_ns: int, now_ns: int) -> int:
        """Take a turn unless the window holds ``limit`` of them; returns for how many ns there is none, or 0."""
        with self._lock:
            if self._used(window_ns, now_ns) >= limit:
                return max(self._moments[-limit] + window_ns - now_ns, MS)
            self._moments.append(now_ns)
            return 0

    def take(self, now_ns: int) -> None:
        """Take one, come what may."""
        with self._lock:
            self._moments.append(now_ns)

    def give_back(self, turn_ns: int) -> None:
        """Forget one, if it is still known."""
        with self._lock, suppress(ValueError):
            self._moments.remove(turn_ns)

    def _used(self, window_ns: int, now_ns: int) -> int:
        while self._moments and self._moments[0] <= now_ns - window_ns:
            self._moments.popleft()
        return len(self._moments)


class Pacer:
    """At most so many turns in any window of time.

    Args:
        limit: Turns; never less than one.
        window_ms: Of the window.
        clock: Monotonic, in ns.
        turns: Those that count, if other pacers take some of them.

    Attributes:
        limit: May be lowered when the venue says so.
    """

    def __init__(self, limit: int, window_ms: int, clock: Clock, turns: Turns | None = None) -> None:
        self.limit = max(1, limit)
        self._window_ns = window_ms * MS
        self._clock = clock
        self._turns = turns or Turns()

    @property
    def used(self) -> int:
        """Turns in the window that ends now."""
        return self._turns.used(self._window_ns, self._clock())

    async def turn(self, spare: int = 0) -> int:
        """Wait until the next turn may be taken, and take it; returns what to ``settle`` it with.

        Args:
            spare: Turns in each window that are left for whoever needs them more.
        """
        while True:
            now_ns = self._clock()
            wait_ns = self._turns.try_take(max(1, self.limit - spare), self._window_ns, now_ns)
            if not wait_ns:
                return now_ns
            await asyncio.sleep(wait_ns / 1e9)

    def take(self) -> int:
        """Take a turn at once, come what may."""
        now_ns = self._clock()
        self._turns.take(now_ns)
        return now_ns

    def settle(self, turn_ns: int) -> None:
        """What a turn was taken for is done only now, so it may have arrived as late as this: it counts from now on."""
        self._turns.give_back(turn_ns)
        self.take()


_turns: Final[dict[str, Turns]] = {}
_turns_of_a_loop: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Turns]]] = WeakKeyDictionary()
_turns_lock: Final = threading.Lock()


class Connects:
    """Turns to connect: as many as a feed may take, counted over all feeds of the process.

    The venue counts a user's connections, not a feed's. A loop whose time is not the machine's (a simulated day) has a
    count of its own, because a count has one clock.

    Args:
        limit: Connections in a minute.

    Attributes:
        tokens: The same for what is asked for before.
    """

    def __init__(self, limit: int) -> None:
        self.tokens = Pacer(limit, MINUTE_MS, partial(loop_clock, asyncio.get_running_loop()))
        self._limit = limit
        self._pacers: dict[str, Pacer] = {}

    def to(self, servers: Iterable[Server]) -> Pacer:
        """Turns at a venue, which is known by the first of its servers' names.

        Raises:
            RuntimeError: No event loop is running.
        """
        host = min(urlsplit(server.endpoint).netloc for server in servers)
        if host not in self._pacers:
            self._pacers[host] = self._shared(host)
        return self._pacers[host]

    def _shared(self, host: str) -> Pacer:
        loop = asyncio.get_running_loop()
        with _turns_lock:
            counts = _turns_of_a_loop.setdefault(loop, {}) if has_own_time(loop) else _turns
            turns = counts.setdefault(host, Turns())
        return Pacer(self._limit, MINUTE_MS, partial(loop_clock, loop), turns)


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
