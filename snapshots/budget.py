"""How many requests may be made, and whose turn it is: one ledger of weights for all feeds of a process.

The venue counts the weight of requests in windows of 30 s that begin with a first request, at moments that nobody
tells. So what is promised here holds for every span of one window's length: at no moment more weight than the limit can
have *arrived* within it. A request counts from the moment it is let go until one window after its answer came, because
it arrived somewhere in between.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final
from weakref import WeakKeyDictionary

from orderbook.clock import has_own_time, loop_clock
from orderbook.errors import UsageError
from orderbook.venues.rest import Pool, Priority, RateLimit

Clock = Callable[[], int]
"""Monotonic, in ns."""

LIMITS: Final[Mapping[Pool, tuple[int, int]]] = {"public": (2_000, 30_000), "spot": (4_000, 30_000)}
"""Weight, and the window in ms: KuCoin's documented limits of an address, and of an account without VIP level."""

SHARE: Final = 0.9
"""The part of a limit that is used. The rest is for clocks that differ, and for the user's own requests."""

IN_FLIGHT_MAX: Final = 16
"""Requests of a pool under way at a time: more would only wait in line at the venue, out of reach of priorities."""

_NS_PER_MS: Final = 1_000_000
_SPIN_NS: Final = 1_000_000
"""No timer is set closer than this, whatever the clock says."""


@dataclass(eq=False, slots=True)
class Grant:
    """Leave to make one request; to be given back with ``WeightBudget.settle`` when it ended, however it ended."""

    pool: Pool
    weight: int


@dataclass(eq=False, slots=True)
class _Waiter:
    weight: int
    priority: Priority
    order: int
    key: Hashable
    loop: asyncio.AbstractEventLoop
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    is_granted: bool = False
    look_at_ns: int | None = None  # when it looks whether its turn has come, if nobody wakes it before

    def wake(self) -> None:
        # It may wait in the loop of another thread; a closed loop has nobody left to wake.
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self.woken.set)


@dataclass(eq=False, slots=True)
class _Pool:
    """What is known of one quota."""

    name: Pool
    documented: int
    limit: int
    window_ns: int
    in_flight: int = 0  # weight of requests under way
    in_flight_count: int = 0
    settled: deque[tuple[int, int]] = field(default_factory=deque)  # when it no longer counts, weight
    settled_weight: int = 0
    told_left: int = 0  # what the venue said is left for us, less what was spent since
    told_until_ns: int = 0
    banned_until_ns: int = 0
    waiters: list[_Waiter] = field(default_factory=list)

    def forget(self, now_ns: int) -> None:
        while self.settled and self.settled[0][0] <= now_ns:
            self.settled_weight -= self.settled.popleft()[1]

    @property
    def used(self) -> int:
        return self.in_flight + self.settled_weight


class WeightBudget:
    """Weights of requests, pool by pool. It can be used from several threads and event loops at once.

    Args:
        limits: Weight and window in ms of each pool, as documented.
        clock: Monotonic ns; the running loop's by default.
        share: The part of each limit that may be used, above 0 and at most 1.
        in_flight_max: Requests of one pool under way at a time.

    Raises:
        UsageError: A number that cannot work.
    """

    def __init__(
        self,
        limits: Mapping[Pool, tuple[int, int]] = LIMITS,
        *,
        clock: Clock | None = None,
        share: float = SHARE,
        in_flight_max: int = IN_FLIGHT_MAX,
    ) -> None:
        if not 0 < share <= 1 or in_flight_max < 1 or any(min(pair) < 1 for pair in limits.values()):
            raise UsageError(
                "a budget needs limits and windows above 0, a share within 0 and 1, and a request at a time"
            )
        self._clock = clock or loop_clock
        self._share = share
        self._in_flight_max = in_flight_max
        self._lock = threading.Lock()
        self._order = 0
        self._pools = {
            name: _Pool(name, limit, limit, window_ms * _NS_PER_MS) for name, (limit, window_ms) in limits.items()
        }

    def limit(self, pool: Pool) -> int:
        """Weight that may be used within one window."""
        return max(1, int(self._share * self._pool(pool).limit))

    def used(self, pool: Pool) -> int:
        """Weight that counts at this moment."""
        state = self._pool(pool)
        with self._lock:
            state.forget(self._clock())
            return state.used

    def remaining(self, pool: Pool) -> int:
        """Weight that may be used at once; 0 during a ban."""
        state = self._pool(pool)
        with self._lock:
            return self._left(state, self._clock())

    @property
    def waiting(self) -> int:
        """Requests whose turn has not come."""
        return sum(len(pool.waiters) for pool in self._pools.values())

    async def acquire(self, pool: Pool, weight: int, priority: Priority, *, key: Hashable = None) -> Grant:
        """Wait for leave to make a request.

        Those who wait are served by priority, then in the order in which they came; a small request does not overtake
        a large one, which would never get its turn. Cancelling it costs nothing.

        Args:
            pool: Whose quota.
            weight: Cost. One that is larger than the whole limit is let go when nothing else counts.
            priority: See ``Priority``.
            key: A name by which ``hasten`` finds it.

        Complexity: O(requests waiting).
        """
        state = self._pool(pool)
        with self._lock:
            self._order += 1
            waiter = _Waiter(weight, priority, self._order, key, asyncio.get_running_loop())
            state.waiters.append(waiter)
            self._serve(state)
        try:
            while not waiter.is_granted:
                await self._wait(state, waiter)
        except asyncio.CancelledError:
            self._withdraw(state, waiter)
            raise
        return Grant(pool, weight)

    async def _wait(self, state: _Pool, waiter: _Waiter) -> None:
        waiter.woken.clear()
        at_ns = waiter.look_at_ns
        delay_s = None if at_ns is None else max(at_ns - self._clock(), _SPIN_NS) / 1e9
        try:
            async with asyncio.timeout(delay_s):
                await waiter.woken.wait()
        except TimeoutError:
            with self._lock:
                waiter.look_at_ns = None
                self._serve(state)

    def _withdraw(self, state: _Pool, waiter: _Waiter) -> None:
        with self._lock:
            if waiter.is_granted:
                # Granted and cancelled in one breath: nothing was sent.
                state.in_flight -= waiter.weight
                state.in_flight_count -= 1
                state.told_left += waiter.weight
            else:
                state.waiters.remove(waiter)
            self._serve(state)

    def settle(self, grant: Grant, told: RateLimit | None = None) -> None:
        """Take note that a request ended: answered, failed or cancelled.

        Args:
            grant: What ``acquire`` gave.
            told: What the answer's headers said.
        """
        state = self._pool(grant.pool)
        with self._lock:
            now_ns = self._clock()
            state.in_flight -= grant.weight
            state.in_flight_count -= 1
            state.settled.append((now_ns + state.window_ns, grant.weight))
            state.settled_weight += grant.weight
            if told is not None:
                self._learn(state, told, now_ns)
            self._serve(state)

    def ban(self, pool: Pool, ms: int) -> None:
        """Let no request go for so long. A ban that is in force is prolonged, never shortened."""
        state = self._pool(pool)
        with self._lock:
            state.banned_until_ns = max(state.banned_until_ns, self._clock() + ms * _NS_PER_MS)

    def hasten(self, pool: Pool, key: Hashable, priority: Priority) -> bool:
        """Make those who wait under ``key`` more urgent, if ``priority`` is. Says whether any waits there."""
        state = self._pool(pool)
        with self._lock:
            found = [waiter for waiter in state.waiters if waiter.key == key]
            for waiter in found:
                waiter.priority = min(waiter.priority, priority)
            self._serve(state)
        return bool(found)

    def _pool(self, name: Pool) -> _Pool:
        try:
            return self._pools[name]
        except KeyError:
            raise UsageError(f"no pool {name!r}; known: {', '.join(sorted(self._pools))}") from None

    def _left(self, state: _Pool, now_ns: int) -> int:
        if now_ns < state.banned_until_ns:
            return 0
        state.forget(now_ns)
        left = self.limit(state.name) - state.used
        return max(0, min(left, state.told_left) if now_ns < state.told_until_ns else left)

    def _learn(self, state: _Pool, told: RateLimit, now_ns: int) -> None:
        # An address has one limit for everybody, so a larger one is not believed; an account's grows with its level.
        state.limit = told.limit if state.name != "public" else min(told.limit, state.documented)
        reserve = told.limit - int(self._share * told.limit)
        # Requests under way may not be counted in it yet.
        left = told.remaining - reserve - state.in_flight
        until_ns = now_ns + min(told.reset_ms * _NS_PER_MS, state.window_ns)
        if now_ns < state.told_until_ns and until_ns < state.told_until_ns + state.window_ns // 2:
            # Still the venue's same window, in which the answers may come in another order than the requests went.
            left = min(left, state.told_left)
        state.told_left = left
        state.told_until_ns = until_ns

    def _serve(self, state: _Pool) -> None:
        """Let go all whose turn it is, and make the next one look again when its turn may have come."""
        while state.waiters and state.in_flight_count < self._in_flight_max:
            now_ns = self._clock()
            first = min(state.waiters, key=lambda waiter: (waiter.priority, waiter.order))
            if first.loop.is_closed():
                state.waiters.remove(first)
                continue
            # One that is larger than the limit would wait for ever.
            if min(first.weight, self.limit(state.name)) > self._left(state, now_ns):
                self._look_later(state, first, now_ns)
                return
            state.waiters.remove(first)
            state.in_flight += first.weight
            state.in_flight_count += 1
            state.told_left -= first.weight
            first.is_granted = True
            first.wake()

    def _look_later(self, state: _Pool, waiter: _Waiter, now_ns: int) -> None:
        if now_ns < state.banned_until_ns:
            at_ns = state.banned_until_ns
        elif now_ns < state.told_until_ns and state.told_left < waiter.weight:
            at_ns = state.told_until_ns
        elif state.settled:
            at_ns = state.settled[0][0]
        else:
            return  # all of it is under way, and every end of a request looks here
        if waiter.look_at_ns is None or at_ns < waiter.look_at_ns:
            waiter.look_at_ns = at_ns
            waiter.wake()


_shared: Final[dict[str, WeightBudget]] = {}
_shared_lock: Final = threading.Lock()
_of_a_loop: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, WeightBudget]]] = WeakKeyDictionary()


def shared_budget(host: str) -> WeightBudget:
    """The one budget of this process for a host: limits are counted for an address, not for a feed.

    A loop whose time is not the machine's (a simulated day) has budgets of its own, because a ledger has one clock.

    Args:
        host: Name, with its port if it has one.

    Raises:
        RuntimeError: No event loop is running.
    """
    loop = asyncio.get_running_loop()
    with _shared_lock:
        if has_own_time(loop):
            return _of_a_loop.setdefault(loop, {}).setdefault(host, WeightBudget())
        if host not in _shared:
            _shared[host] = WeightBudget(clock=time.monotonic_ns)
        return _shared[host]
