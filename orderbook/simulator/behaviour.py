"""What happens next in a simulated market.

Real markets keep their shape for days, so this one must, too. Wherever a change falls, it rather deletes where levels
stand denser than at the opening, and rather adds where they stand thinner; and the touch leans towards a fair price,
which stands still or moves. Over hours neither the number of levels nor the spread runs away.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from itertools import accumulate
from math import exp
from typing import Final

from orderbook.simulator.profiles import PRICE_TICKS, Profile
from orderbook.simulator.truth import Truth
from orderbook.types import Side

Change = tuple[int, int]
"""(key, size) of a level from now on; size 0 deletes it."""

LEVELS_MIN: Final = 10
"""The touch of a side with no more levels than this is not deleted."""
_SIZE_SIGMA: Final = 2.7
_SIZE_MAX: Final = 10**16
_ROUND: Final = 0.25
"""Share of the sizes that are round."""
_TOLERANCE: Final = 0.05
"""By which share the levels of a side may be too many or too few before its far end is moved."""
_FAR_MAX: Final = 0.5
"""Share of the changes that move the far end, at most."""
_PACKED_MAX: Final = 100
"""Prices without a gap between them, after which no free one is looked for."""


class Weighted:
    """A choice among whole numbers with weights. O(log n) a draw; nothing is drawn where there is no choice."""

    def __init__(self, weights: Mapping[int, int]) -> None:
        self._values = list(weights)
        self._bounds = list(accumulate(weights.values()))

    def draw(self, rng: random.Random) -> int:
        """One of the numbers."""
        if len(self._values) == 1:
            return self._values[0]
        return self._values[bisect_right(self._bounds, rng.random() * self._bounds[-1])]


class Behaviour:
    """The habits of a profile at one price level.

    Args:
        profile: The habits.
        price: Where the market opens, in ticks.
        size: Median size of a level, in lots.
        rng: Everything is drawn from it.

    Attributes:
        grid: Ticks from price to price of new levels: more than 1 where the venue's tick became coarser.
    """

    def __init__(self, profile: Profile, price: int, size: int, rng: random.Random) -> None:
        self._profile = profile
        self._price = price
        self._size = size
        self._rng = rng
        self.grid = 1
        self._scale = price / PRICE_TICKS
        self._factor = 1
        self._targets: dict[Side, _Target] = {}
        self._fair = float(price)
        self._step = profile.trend_bps / 10_000 * price
        self._pull = profile.pull_bps / 10_000 * price
        shares = (profile.new_best + profile.touch_deleted, profile.touch_updated, profile.updated)
        self._moved, self._touched, self._updated = accumulate(shares)
        # With the shares of the profile the spread stays about the middle of its bounds.
        self._spread = sum(profile.spread) / 2 * self._scale * profile.touch_deleted / profile.new_best

    def opening(self) -> Iterator[Change]:
        """The levels that stand before anything happens."""
        spread = max(1, int(self._rng.uniform(*self._profile.spread) * self._scale))
        bid = self._price - spread // 2
        for best, count in ((bid, self._profile.bids), (-bid - spread, self._profile.asks)):
            key = best
            for _ in range(count):
                # A cheap instrument has fewer prices below its bid than the profile has levels.
                if best > 0 >= key:
                    break
                yield key, self._drawn_size()
                key -= self._gap()

    def changes(self, truth: Truth) -> Iterator[tuple[bool, int, int]]:
        """For ever: whether it is a bid, key and size. An added order shows as a change of nothing before.

        Args:
            truth: The opening book; each change is expected to happen there before the next one is drawn.
        """
        self._targets = {side: _Target(truth.ladder(side)) for side in Side}
        while True:
            factor, (key, size) = self._factor, self._change(truth)
            if size:
                yield key > 0, 0, 0
            # The units may have become finer in between.
            yield key > 0, key * (self._factor // factor), size

    def refine(self, factor: int) -> None:
        """Keys count in units that are ``factor`` times finer from now on."""
        self._factor *= factor
        self._price *= factor
        self._scale *= factor
        self._fair *= factor
        self._step *= factor
        self._pull *= factor
        self._spread *= factor
        for target in self._targets.values():
            target.density /= factor

    def _on_grid(self, key: int) -> int:
        """The key, or the nearest one behind it that the venue's tick allows."""
        return key - key % self.grid or key

    def _change(self, truth: Truth) -> Change:
        lean = self._lean(truth)
        kind = self._rng.random()
        if kind < self._moved:
            spread = -truth.asks[-1] - truth.bids[-1]
            if kind * (spread + self._spread) < self._moved * spread:
                return self._new_best(truth, self._side(lean))
            return self._delete_touch(truth, self._side(-lean))
        side = self._side(0.0)
        keys = truth.ladder(side)
        if kind < self._touched:
            return keys[-1], self._drawn_size()
        at = max(0, bisect_right(keys, keys[-1] - self._distance()) - 1)
        if kind < self._updated:
            return keys[at], self._drawn_size()
        return self._near(truth, keys, at, self._targets[side])

    def _side(self, lean: float) -> Side:
        return Side.BID if self._rng.random() < self._profile.bid_share + lean else Side.ASK

    def _lean(self, truth: Truth) -> float:
        """How much rather the bids improve and the asks go: where the price is below the fair one, above 0."""
        if self._step:
            self._fair += self._step
            if abs(self._fair - self._price) > self._profile.trend_band * self._price:
                self._step = -self._step
                self._fair += 2 * self._step
        mid = (truth.bids[-1] - truth.asks[-1]) / 2
        return max(-0.5, min(0.5, (self._fair - mid) / self._pull))

    def _new_best(self, truth: Truth, side: Side) -> Change:
        """A level inside the spread; where there is no room, the best one changes its size."""
        best = truth.ladder(side)[-1]
        room = -truth.ladder(side.opposite)[-1] - best
        if room > 1:
            # Makers step forward by a part of the way only.
            best = self._on_grid(best + 1 + int((room - 1) * min(self._rng.random(), self._rng.random())))
        return best, self._drawn_size()

    def _delete_touch(self, truth: Truth, side: Side) -> Change:
        keys = truth.ladder(side)
        return keys[-1], 0 if len(keys) > LEVELS_MIN else self._drawn_size()

    def _near(self, truth: Truth, keys: list[int], at: int, target: _Target) -> Change:
        """Delete level ``at``, or add one behind the level before it."""
        excess = len(keys) / target.count - 1
        if abs(excess) > _TOLERANCE and self._rng.random() < min(_FAR_MAX, abs(excess)):
            return (keys[0], 0) if excess > 0 else self._added(truth, keys[0])
        nearer = len(keys) - 1 - at
        expected = (keys[-1] - keys[at]) * target.density
        denser = (nearer - expected) / (expected + 1)
        if nearer and self._rng.random() < max(0.02, min(0.98, 0.5 + denser)):
            return keys[at], 0
        return self._added(truth, keys[at + 1] if nearer else keys[at])

    def _added(self, truth: Truth, before: int) -> Change:
        """A level behind another one, at the first price that is free."""
        key = self._on_grid(before - self._gap())
        for _ in range(_PACKED_MAX):
            if key not in truth.sizes:
                break
            key -= self.grid
        # There is no price 0. Where no price is free the level before changes its size.
        return (before if before > 0 >= key or key in truth.sizes else key), self._drawn_size()

    def _distance(self) -> int:
        profile = self._profile
        return int(self._scale * profile.distance * exp(self._rng.gauss(0.0, profile.distance_sigma))) + 1

    def _gap(self) -> int:
        profile = self._profile
        gap = profile.gap * exp(self._rng.gauss(0.0, profile.gap_sigma))
        return 1 + int(self._scale * min(gap, profile.gap_max))

    def _drawn_size(self) -> int:
        """Log-normal over decades, and often round."""
        size = max(1, min(_SIZE_MAX, int(self._size * exp(self._rng.gauss(0.0, _SIZE_SIGMA)))))
        if self._rng.random() < _ROUND:
            size -= size % 10 ** (len(str(size)) - 1)
        return size


class _Target:
    """How many levels a side had at the opening, and how many a tick."""

    def __init__(self, keys: list[int]) -> None:
        self.count = len(keys)
        self.density = len(keys) / max(1, keys[-1] - keys[0])
