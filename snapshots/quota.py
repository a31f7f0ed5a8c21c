"""One quota of the venue: what of it is used, who waits for it, and when each will have his turn. Pure: no clock here.

``snapshots.budget`` has the clock, the lock and the waiting.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Hashable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from orderbook.venues.rest import Pool, Priority, RateLimit

PASSED_MAX: Final = 8
"""So often in a row somebody may be passed over by those who are as urgent but matter more; then it is the turn of who
waits longest."""

KEPT_NS: Final = 1_000_000_000
KEPT_SHARE: Final = 3
"""What is kept for those of rank 0, who may be about to come: a third of the limit at most, and only from those who
have waited for less than a second. So nothing that could be used is lost for long."""

SPARED_SHARE: Final = 20
"""Of the public quota a twentieth is left for what all else hangs on: without a token there is no link, and a feed of
many quiet symbols could use up a whole window for its probes."""

TURNED_AWAY_MAX: Final = 5
"""Answers in a row that the venue is overloaded; from the next one on, it is left alone."""
PAUSE_MS: Final = 250
PAUSE_MAX_MS: Final = 10_000
"""For so long, doubling each time up to this."""

NS_PER_MS: Final = 1_000_000


@dataclass(eq=False, slots=True)
class Grant:
    """Leave to make one request; to be given back with ``WeightBudget.settle`` when it ended, however it ended."""

    pool: Pool
    weight: int
    at_ns: int = 0
    settled_before: int = 0  # weight of all requests of the quota that had ended by then


@dataclass(eq=False, slots=True)
class Waiter:
    """Somebody in the line."""

    weight: int
    priority: Priority
    rank: int
    order: int
    key: Hashable
    loop: asyncio.AbstractEventLoop
    since_ns: int
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    grant: Grant | None = None
    look_at_ns: int | None = None  # when it looks whether its turn has come, if nobody wakes it before

    @property
    def turn(self) -> tuple[Priority, int, int]:
        """The least is next."""
        return self.priority, self.rank, self.order

    def wake(self) -> None:
        """Have it look."""
        # It may wait in the loop of another thread; a closed loop has nobody left to wake.
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self.woken.set)


class Quota:
    """What is known of one quota.

    Args:
        name: Its pool.
        limit: Weight, as documented.
        window_ms: For which that is.
        share: The part of it that may be used.
        in_flight_max: Requests under way at a time.
    """

    def __init__(self, name: Pool, limit: int, window_ms: int, share: float, in_flight_max: int) -> None:
        self.name = name
        self.banned_until_ns = 0
        self.waiters: list[Waiter] = []
        self.kept: dict[Hashable, int] = {}  # weight, by whom it is kept for
        self._documented = self._told_limit = limit
        self._window_ns = window_ms * NS_PER_MS
        self._share = share
        self._in_flight_max = in_flight_max
        self._in_flight = self._in_flight_count = 0  # of requests under way
        self._settled: deque[tuple[int, int]] = deque()  # when it no longer counts, weight
        self._settled_weight = 0
        self._granted_ever = self._settled_ever = 0
        #: What the venue said is left for us, less what was spent since: so much for certain, and so much at most; when
        #: it said so, and until when that holds.
        self._told_left = self._told_most = 0
        self._told_at_ns = self._told_until_ns = 0
        self._took_ns = 0
        self._turned_away = 0
        #: Turns in a row, of each priority, that were not those of who waited longest.
        self._passed: Counter[Priority] = Counter()
        self._line: list[Waiter] | None = None

    # -- how much of it is left --

    @property
    def limit(self) -> int:
        """Weight that may be used within one window."""
        return max(1, int(self._share * self._told_limit))

    @property
    def is_full(self) -> bool:
        """Whether as many requests are under way as may be."""
        return self._in_flight_count >= self._in_flight_max

    def used(self, now_ns: int) -> int:
        """Weight that counts."""
        while self._settled and self._settled[0][0] <= now_ns:
            self._settled_weight -= self._settled.popleft()[1]
        return self._in_flight + self._settled_weight

    def left(self, now_ns: int) -> int:
        """Weight that may be used at once."""
        if now_ns < self.banned_until_ns:
            return 0
        left = self.limit - self.used(now_ns)
        return max(0, min(left, self._told) if now_ns < self._told_until_ns else left)

    @property
    def _told(self) -> int:
        return min(self._told_left, self._told_most)

    def _spend(self, weight: int) -> None:
        self._granted_ever += weight
        self._told_left -= weight
        self._told_most -= weight

    def fits(self, waiter: Waiter, now_ns: int) -> bool:
        """Whether a request may go. One that is larger than the limit would wait for ever: it goes alone."""
        spared = self._spared(waiter.priority)
        free = self.left(now_ns) - spared - self._kept_from(waiter, now_ns)
        return min(waiter.weight, self.limit - spared) <= free

    def _spared(self, priority: Priority) -> int:
        """What this request must leave."""
        return 0 if self.name != "public" or priority is Priority.SESSION else self.limit // SPARED_SHARE

    def _kept_from(self, waiter: Waiter, now_ns: int) -> int:
        if not waiter.rank or now_ns - waiter.since_ns >= KEPT_NS:
            return 0
        return min(sum(self.kept.values()), self.limit // KEPT_SHARE)

    # -- requests --

    def grant(self, waiter: Waiter, now_ns: int) -> None:
        """Let a request go."""
        longest = min((one for one in self.waiters if one.priority == waiter.priority), key=lambda one: one.order)
        self._passed[waiter.priority] = 0 if waiter is longest else self._passed[waiter.priority] + 1
        self.leave(waiter)
        self._in_flight += waiter.weight
        self._in_flight_count += 1
        self._spend(waiter.weight)
        waiter.grant = Grant(self.name, waiter.weight, now_ns, self._settled_ever)
        waiter.wake()

    def undo(self, grant: Grant) -> None:
        """It was not sent, or the venue did not count it."""
        self._in_flight -= grant.weight
        self._in_flight_count -= 1
        self._spend(-grant.weight)

    def settle(self, grant: Grant, told: RateLimit | None, now_ns: int) -> None:
        """It ended. It counts for one window from now on, because it arrived at some moment until now."""
        self._in_flight -= grant.weight
        self._in_flight_count -= 1
        self._settled.append((now_ns + self._window_ns, grant.weight))
        self._settled_weight += grant.weight
        self._settled_ever += grant.weight
        self._turned_away = 0
        self._took_ns = (3 * self._took_ns + now_ns - grant.at_ns) // 4 if self._took_ns else now_ns - grant.at_ns
        if told is not None:
            self._learn(grant, told, now_ns)

    def turned_away(self, grant: Grant, now_ns: int) -> None:
        """The venue was overloaded. When it is so again and again, it is left alone, longer each time."""
        self.undo(grant)
        if now_ns < self.banned_until_ns:
            return  # sent before the pause, this says nothing about whether that is long enough
        self._turned_away += 1
        if (power := self._turned_away - TURNED_AWAY_MAX - 1) >= 0:
            pause_ms = min(PAUSE_MAX_MS, PAUSE_MS * 2 ** min(power, 30))
            self.banned_until_ns = now_ns + pause_ms * NS_PER_MS

    def _learn(self, grant: Grant, told: RateLimit, now_ns: int) -> None:
        # An address has one limit for everybody, so a larger one is not believed; an account's grows with its level.
        self._told_limit = told.limit if self.name != "public" else min(told.limit, self._documented)
        most = told.remaining - (told.limit - int(self._share * told.limit))
        # Certainly counted in it are the request itself and those that had ended before it went.
        left = most - (self._granted_ever - grant.settled_before - grant.weight)
        until_ns = now_ns + min(told.reset_ms * NS_PER_MS, self._window_ns)
        if now_ns < self._told_until_ns and grant.at_ns <= self._told_at_ns:
            # The venue may have counted this one before the one that was heard of first.
            half_ns = self._window_ns // 2
            if until_ns < self._told_until_ns - half_ns:
                return  # it tells of a window that is over
            if until_ns < self._told_until_ns + half_ns:
                # Both are right, so what is left is no less than the larger, and no more than either saw.
                left, most = max(left, self._told_left), min(most, self._told_most)
        self._told_left, self._told_most, self._told_at_ns, self._told_until_ns = left, most, now_ns, until_ns

    # -- the line --

    def enter(self, waiter: Waiter) -> None:
        """Somebody comes."""
        self.waiters.append(waiter)
        self._line = None

    def leave(self, waiter: Waiter) -> None:
        """Somebody goes."""
        self.waiters.remove(waiter)
        self._line = None

    def move(self, waiters: Iterable[Waiter], priority: Priority, rank: int | None) -> None:
        """Make them as urgent as that at least; with a rank, give them that one."""
        for waiter in waiters:
            waiter.priority = min(waiter.priority, priority)
            waiter.rank = waiter.rank if rank is None else rank
        self._line = None

    def next(self, now_ns: int) -> Waiter:
        """Whose turn it is. O(waiters)."""
        first = min(self.waiters, key=lambda one: one.turn)
        if self._passed[first.priority] < PASSED_MAX:
            return first
        longest = min((one for one in self.waiters if one.priority == first.priority), key=lambda one: one.order)
        return longest if now_ns - longest.since_ns >= KEPT_NS else first

    def line(self) -> list[Waiter]:
        """Who waits, the next one first, as things are; not to be changed. O(n log n) after a change, else O(1)."""
        if self._line is None:
            self._line = sorted(self.waiters, key=lambda one: one.turn)
        return self._line

    def look_at_ns(self, waiter: Waiter, now_ns: int) -> int | None:
        """When the turn of one may have come; ``None``: when any request ends."""
        if now_ns < self.banned_until_ns:
            return self.banned_until_ns
        needed = waiter.weight + self._spared(waiter.priority)
        if needed <= self.left(now_ns):
            return waiter.since_ns + KEPT_NS
        if now_ns < self._told_until_ns and self._told < needed:
            return self._told_until_ns
        return self._settled[0][0] if self._settled else None

    def foreseen_ns(self, weights: Iterable[int], now_ns: int) -> int:
        """When the last of these requests will have been answered, as far as it can be told. O(requests that count)."""
        spared = self._spared(Priority.LOST)
        took_ns, limit, used, left = self._took_ns, self.limit - spared, self.used(now_ns), self._told - spared
        counting = deque(self._settled)
        if self._in_flight:
            counting.append((now_ns + took_ns + self._window_ns, self._in_flight))
        ends = deque([now_ns + took_ns] * self._in_flight_count)
        at_ns = max(now_ns, self.banned_until_ns)
        for weight in weights:
            if len(ends) >= self._in_flight_max:
                at_ns = max(at_ns, ends.popleft())
            if at_ns < self._told_until_ns and left < weight:
                at_ns = self._told_until_ns
            while counting and (counting[0][0] <= at_ns or used + min(weight, limit) > limit):
                over_ns, gone = counting.popleft()
                at_ns, used = max(at_ns, over_ns), used - gone
            used, left = used + weight, left - weight
            counting.append((at_ns + took_ns + self._window_ns, weight))
            ends.append(at_ns + took_ns)
        return ends[-1] if ends else now_ns
