"""How many requests may be made, and whose turn it is: one ledger of weights for all feeds of a process.

The venue counts the weight of requests in windows of 30 s that begin with a first request, at moments that nobody
tells. So what is promised here holds for every span of one window's length: at no moment more weight than the limit
can have *arrived* within it. A request counts from the moment it is let go until one window after its answer came,
because it arrived somewhere in between. One that the venue turned away because it was overloaded is not counted, as it
is not counted there; and if it were, the venue's own word on what is left bounds all of this.

Who waits has a turn by priority, by rank (how much it matters to the user), and by how long it has waited; whoever is
not needed any more leaves the line, and the next one moves up. Nothing that may go waits.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Hashable, Mapping
from typing import Final
from weakref import WeakKeyDictionary

from orderbook.clock import has_own_time, loop_clock
from orderbook.errors import UsageError
from orderbook.venues.rest import Pool, Priority, RateLimit
from snapshots.quota import NS_PER_MS, Grant, Quota, Waiter

__all__ = ["Clock", "Grant", "WeightBudget", "shared_budget"]

Clock = Callable[[], int]
"""Monotonic, in ns."""

LIMITS: Final[Mapping[Pool, tuple[int, int]]] = {"public": (2_000, 30_000), "spot": (4_000, 30_000)}
"""Weight, and the window in ms: KuCoin's documented limits of an address, and of an account without VIP level."""

SHARE: Final = 0.9
"""The part of a limit that is used. The rest is for clocks that differ, and for the user's own requests."""

IN_FLIGHT_MAX: Final = 16
"""Requests of a pool under way at a time: more would only wait in line at the venue, out of reach of priorities."""

_SPIN_NS: Final = 1_000_000
"""No timer is set closer than this, whatever the clock says."""


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
        self._lock = threading.Lock()
        self._order = 0
        self._quotas = {
            name: Quota(name, limit, window_ms, share, in_flight_max) for name, (limit, window_ms) in limits.items()
        }

    def limit(self, pool: Pool) -> int:
        """Weight that may be used within one window."""
        return self._quota(pool).limit

    def used(self, pool: Pool) -> int:
        """Weight that counts at this moment."""
        quota = self._quota(pool)
        with self._lock:
            return quota.used(self._clock())

    def remaining(self, pool: Pool) -> int:
        """Weight that may be used at once; 0 during a ban."""
        quota = self._quota(pool)
        with self._lock:
            return quota.left(self._clock())

    @property
    def waiting(self) -> int:
        """Requests whose turn has not come."""
        return sum(len(quota.waiters) for quota in self._quotas.values())

    async def acquire(
        self, pool: Pool, weight: int, priority: Priority, *, key: Hashable = None, rank: int = 0
    ) -> Grant:
        """Wait for leave to make a request.

        Those who wait are served by priority, then by rank, then in the order in which they came; a small request does
        not overtake a large one, which would never get its turn. After ``PASSED_MAX`` turns in a row that passed over
        who waits longest, it is that one's, whatever its rank, if it has waited for a second: nobody waits for ever.
        Cancelling it costs nothing.

        Args:
            pool: Whose quota.
            weight: Cost. One that is larger than the whole limit is let go when nothing else counts.
            priority: See ``Priority``.
            key: A name by which ``hasten`` and ``place`` find it.
            rank: What matters more among those that are as urgent; the lowest number comes first.

        Complexity: O(requests waiting).
        """
        quota = self._quota(pool)
        with self._lock:
            self._order += 1
            waiter = Waiter(weight, priority, rank, self._order, key, asyncio.get_running_loop(), self._clock())
            quota.enter(waiter)
            self._serve(quota)
        try:
            while waiter.grant is None:
                await self._wait(quota, waiter)
        except asyncio.CancelledError:
            self._withdraw(quota, waiter)
            raise
        return waiter.grant

    async def _wait(self, quota: Quota, waiter: Waiter) -> None:
        waiter.woken.clear()
        at_ns = waiter.look_at_ns
        delay_s = None if at_ns is None else max(at_ns - self._clock(), _SPIN_NS) / 1e9
        try:
            async with asyncio.timeout(delay_s):
                await waiter.woken.wait()
        except TimeoutError:
            with self._lock:
                waiter.look_at_ns = None
                self._serve(quota)

    def _withdraw(self, quota: Quota, waiter: Waiter) -> None:
        with self._lock:
            if waiter.grant is not None:
                # Granted and cancelled in one breath: nothing was sent.
                quota.undo(waiter.grant)
            else:
                quota.leave(waiter)
            self._serve(quota)

    def give_back(self, grant: Grant) -> None:
        """Take note that nothing was sent."""
        quota = self._quota(grant.pool)
        with self._lock:
            quota.undo(grant)
            self._serve(quota)

    def settle(self, grant: Grant, told: RateLimit | None = None, *, turned_away: bool = False) -> None:
        """Take note that a request ended: answered, failed or cancelled.

        Args:
            grant: What ``acquire`` gave.
            told: What the answer's headers said.
            turned_away: The venue was overloaded: it counted nothing.
        """
        quota = self._quota(grant.pool)
        with self._lock:
            now_ns = self._clock()
            if turned_away:
                quota.turned_away(grant, now_ns)
            else:
                quota.settle(grant, told, now_ns)
            self._serve(quota)

    def ban(self, pool: Pool, ms: int) -> None:
        """Let no request go for so long. A ban that is in force is prolonged, never shortened."""
        quota = self._quota(pool)
        with self._lock:
            quota.banned_until_ns = max(quota.banned_until_ns, self._clock() + ms * NS_PER_MS)

    def hasten(self, pool: Pool, key: Hashable, priority: Priority, rank: int | None = None) -> bool:
        """Make those who wait under ``key`` more urgent, if ``priority`` is; with a rank, give them that one.

        Returns:
            Whether any waits there.
        """
        quota = self._quota(pool)
        with self._lock:
            found = [waiter for waiter in quota.waiters if waiter.key == key]
            if found:
                quota.move(found, priority, rank)
                self._serve(quota)
        return bool(found)

    def keep(self, pool: Pool, owner: Hashable, weight: int) -> None:
        """Keep so much for requests of rank 0 that may be about to come; see ``KEPT_NS``. 0: no more of that."""
        quota = self._quota(pool)
        with self._lock:
            quota.kept.pop(owner, None)
            if weight:
                quota.kept[owner] = weight
            self._serve(quota)

    def place(self, pool: Pool, key: Hashable) -> int | None:
        """The place in the line of who waits under ``key``, as things are: 1 is next. ``None``: nobody does.

        Complexity: O(requests waiting); O(n log n) the first time after a change.
        """
        quota = self._quota(pool)
        with self._lock:
            places = (place for place, waiter in enumerate(quota.line(), 1) if waiter.key == key)
            return next(places, None)

    def forecast_ms(self, pool: Pool, weight: int = 0, count: int = 0) -> int:
        """How long it takes until all who wait are answered, and some who come behind them.

        An estimate: nobody else comes, and answers take as long as the last ones did.

        Args:
            pool: Whose quota.
            weight: Of each of those who come.
            count: How many that are.

        Complexity: O(requests that wait or count).
        """
        quota = self._quota(pool)
        with self._lock:
            now_ns = self._clock()
            weights = [waiter.weight for waiter in quota.line()] + [weight] * count
            return -((now_ns - quota.foreseen_ns(weights, now_ns)) // NS_PER_MS)

    def _quota(self, name: Pool) -> Quota:
        try:
            return self._quotas[name]
        except KeyError:
            raise UsageError(f"no pool {name!r}; known: {', '.join(sorted(self._quotas))}") from None

    def _serve(self, quota: Quota) -> None:
        """Let go all whose turn it is, and make the next one look again when its turn may have come."""
        while quota.waiters and not quota.is_full:
            now_ns = self._clock()
            first = quota.next(now_ns)
            if first.loop.is_closed():
                quota.leave(first)
            elif quota.fits(first, now_ns):
                quota.grant(first, now_ns)
            else:
                self._look_later(quota, first, now_ns)
                return

    def _look_later(self, quota: Quota, waiter: Waiter, now_ns: int) -> None:
        at_ns = quota.look_at_ns(waiter, now_ns)
        # Without a moment all of it is under way, and every end of a request looks here.
        if at_ns is not None and (waiter.look_at_ns is None or at_ns < waiter.look_at_ns):
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
