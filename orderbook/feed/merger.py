"""Two connections that carry the same symbol, merged: of each delta whichever copy comes first, in the venue's order.

Pure: times are handed in. What comes out goes to a ``BookSync``, which judges it as it judges a single connection: a
hole that comes out is a gap there, and a delta that no other lane brought before goes out whatever its numbers say, so
that a venue that counts anew is noticed as ever.

A hole is held open for as long as a lane may still fill it: until each lane has gone beyond it (a connection keeps its
order, so what it passed it has lost), and for ``grace`` at most.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Final

from orderbook.feed.histogram import Histogram
from orderbook.types import Delta

LANES: Final = 2
KEPT_MAX: Final = 4_096
"""Deltas of one lane that another one is waited for to bring as well. One that is farther behind is adrift."""
HELD_MAX: Final = 1_024
"""Deltas that wait behind a hole."""
TURNS_MAX: Final = 64
"""A copy that has not come when one came that was brought so many deltas later was lost."""


@dataclass(slots=True)
class LaneTally:
    """What one of two connections did for a symbol.

    Attributes:
        first: Deltas that it brought first.
        copies: Deltas that another one had brought before.
        missed: Deltas that another one brought, and it never did, as far as that is known.
        late: Deltas from when it was so far behind that nobody knows any more whether they are copies; not used.
        rejected: Frames that could not be read; what they said is missed, unless another one brought it.
        behind_ns: By how much its copies came later than the first.
    """

    first: int = 0
    copies: int = 0
    missed: int = 0
    late: int = 0
    rejected: int = 0
    behind_ns: Histogram = field(default_factory=Histogram)


@dataclass(slots=True)
class _Lane:
    tally: LaneTally
    is_open: bool = False
    carries: bool = False
    is_adrift: bool = False
    has_come: bool = False
    """Whether it brought anything that another one had brought before: what was before that is none of its losses."""
    reached: int = 0
    """Where the last delta that it brought ends."""
    behind_since_ns: int | None = None
    """Since when another lane has brought what would be the next one of this; ``None``: it has not."""
    awaited: dict[Delta, tuple[int, int]] = field(default_factory=dict)
    """What another lane brought, and it has not yet, oldest first: the number among all, and when that was (ns)."""


class Merger:
    """Makes one stream of those of two lanes, which are known as 0 and 1.

    Args:
        grace_ns: How long a delta waits at most for one before it that another lane may bring.
        reset_window: A delta that ends more than this below what was put out means that the venue counts anew.
        catch_up_ns: A lane that has not brought the next delta so long after another one may be dead.
    """

    def __init__(self, grace_ns: int, reset_window: int, catch_up_ns: int) -> None:
        self._lanes = [_Lane(LaneTally()) for _ in range(LANES)]
        self._grace_ns = grace_ns
        self._reset_window = reset_window
        self._catch_up_ns = catch_up_ns
        self._brought = 0
        self._next = 0  # the sequence that continues what was put out; 0 before the first
        self._held: list[tuple[int, int, Delta]] = []  # a heap: sequence, number among all
        self._since_ns: dict[int, int] = {}  # when these came, by their numbers, in this order

    @property
    def tallies(self) -> tuple[LaneTally, ...]:
        """What each lane did so far."""
        return tuple(lane.tally for lane in self._lanes)

    @property
    def due_ns(self) -> int | None:
        """When ``check`` has something to put out, if nothing comes before."""
        return next(iter(self._since_ns.values())) + self._grace_ns if self._since_ns else None

    def carries(self, lane: int) -> bool:
        """Whether the symbol is subscribed there."""
        return self._lanes[lane].carries

    def is_abreast(self, lane: int, now_ns: int) -> bool:
        """Whether a lane alone would do: it carries the symbol, and is not far behind another one. O(1)."""
        due_ns = self.catches_up_by_ns(lane)
        return self._lanes[lane].carries and not self._lanes[lane].is_adrift and (due_ns is None or now_ns < due_ns)

    def catches_up_by_ns(self, lane: int) -> int | None:
        """When a lane will be far behind, unless it brings something; ``None``: it has brought all there was."""
        since_ns = self._lanes[lane].behind_since_ns
        return None if since_ns is None else since_ns + self._catch_up_ns

    # -- what happens to connections --

    def begin(self, lane: int) -> None:
        """Its connection is up. What other lanes bring from now on may come from it as well."""
        self._lanes[lane] = _Lane(self._lanes[lane].tally, is_open=True)

    def carry(self, lane: int) -> None:
        """The venue has subscribed the symbol there."""
        self._lanes[lane].carries = True
        self._lanes[lane].behind_since_ns = None

    def end(self, lane: int, now_ns: int) -> list[Delta]:
        """Its connection is gone; returns what waited for it alone."""
        self._lanes[lane] = _Lane(self._lanes[lane].tally)
        return self._release(now_ns)

    def restart(self) -> None:
        """All that comes from now on belongs to a new stream, and is judged without what was before."""
        self._next = 0
        self._held.clear()
        self._since_ns.clear()
        for lane in self._lanes:
            lane.awaited.clear()
            lane.is_adrift, lane.reached, lane.behind_since_ns = False, 0, None

    # -- deltas --

    def take(self, number: int, delta: Delta, now_ns: int) -> list[Delta]:
        """A delta of a lane; returns what goes to the book now, in its order. O(rows), and O(log held) for each."""
        lane = self._lanes[number]
        lane.reached = delta.sequence_end
        first = lane.awaited.pop(delta, None)
        if first is not None:
            self._is_copy(lane, *first, now_ns)
            return self._release(now_ns)
        if lane.is_adrift and delta.sequence_end < self._next:
            lane.tally.late += 1
            return []
        lane.is_adrift, lane.behind_since_ns = False, None
        lane.tally.first += 1
        self._brought += 1
        for other in self._lanes:
            if other is not lane and other.is_open:
                self._await(other, delta, now_ns)
        return self._put(lane, delta, now_ns)

    def check(self, now_ns: int) -> list[Delta]:
        """Time has passed; returns what has waited for long enough."""
        return self._release(now_ns)

    def _is_copy(self, lane: _Lane, turn: int, since_ns: int, now_ns: int) -> None:
        lane.is_adrift = False
        lane.tally.copies += 1
        lane.tally.behind_ns.observe(now_ns - since_ns)
        # What came behind this on another lane is late by about as much.
        newest = next(reversed(lane.awaited.values()), (0, 0))
        lane.behind_since_ns = since_ns if newest[0] > turn else None
        while lane.awaited:
            oldest = next(iter(lane.awaited))
            if lane.awaited[oldest][0] > (turn - TURNS_MAX if lane.has_come else turn):
                break
            del lane.awaited[oldest]
            lane.tally.missed += lane.has_come
        lane.has_come = True

    def _await(self, lane: _Lane, delta: Delta, now_ns: int) -> None:
        """It may bring this as well."""
        lane.awaited.pop(delta, None)  # so that it stands at the end
        lane.awaited[delta] = self._brought, now_ns
        if lane.behind_since_ns is None:
            lane.behind_since_ns = now_ns
        if len(lane.awaited) > KEPT_MAX:
            del lane.awaited[next(iter(lane.awaited))]
            lane.is_adrift = True

    def _put(self, lane: _Lane, delta: Delta, now_ns: int) -> list[Delta]:
        """Something new goes out, or waits."""
        before: list[Delta] = []
        if delta.sequence_end + self._reset_window < self._next:
            # The venue counts anew, or so it looks: that is for the book to judge. Nothing waits for the old count.
            before = [heappop(self._held)[2] for _ in range(len(self._held))]
            self._since_ns.clear()
            for one in self._lanes:
                one.reached = 0
            lane.reached = delta.sequence_end
            self._next = delta.sequence_start
        heappush(self._held, (delta.sequence_start if self._next else 0, self._brought, delta))
        self._since_ns[self._brought] = now_ns
        return before + self._release(now_ns)

    def _release(self, now_ns: int) -> list[Delta]:
        """Put out what continues the stream, and what need not wait any longer."""
        out = []
        while self._held and (self._held[0][0] <= self._next or self._is_over(self._held[0][2], now_ns)):
            _, turn, delta = heappop(self._held)
            del self._since_ns[turn]
            self._next = max(self._next, delta.sequence_end + 1)
            out.append(delta)
        return out

    def _is_over(self, first: Delta, now_ns: int) -> bool:
        """Whether nobody waits any longer for what is missing before the first that is held."""
        if next(iter(self._since_ns.values())) + self._grace_ns <= now_ns or len(self._held) > HELD_MAX:
            return True
        may_come = (one.carries and not one.is_adrift and one.reached < first.sequence_start for one in self._lanes)
        return not any(may_come)
