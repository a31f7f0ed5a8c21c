"""How durations are spread: counted in fixed buckets, so that a year of them takes no more room than a minute."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import accumulate
from math import ceil
from typing import Final

from orderbook.errors import UsageError

_SUB_BITS: Final = 4
_SUBS: Final = 1 << _SUB_BITS
RELATIVE_ERROR: Final = 1 / (2 * _SUBS)
"""A quantile is at most this far from a value that was observed: 3.1 %."""
VALUE_MAX: Final = 2**62
"""146 years in ns; what is longer counts as this."""
QUANTILES: Final = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}


class Histogram:
    """Durations in ns.

    Each power of two is divided into 16 buckets of one width. A bucket holds ``lower < value <= upper``, so that a
    power of two is an upper edge and ``at_most`` is exact there. At most some 950 buckets exist. Room is taken for all
    16 of a power of two at once (a quarter of a kilobyte), so that a feed of many books needs little more of it after
    hours than after minutes.

    Any thread may read while one observes; what it reads may be a moment apart.

    Attributes:
        count: Values observed, without the negative ones.
        negative_count: Negative values: two clocks that disagree. They are in nothing else.
        total_ns: Sum of all values.
        min_ns: Smallest value, ``None`` before the first.
        max_ns: Largest one.
    """

    __slots__ = ("_octaves", "count", "max_ns", "min_ns", "negative_count", "total_ns")

    def __init__(self) -> None:
        self.count = self.negative_count = self.total_ns = 0
        self.min_ns: int | None = None
        self.max_ns: int | None = None
        self._octaves: dict[int, array[int]] = {}

    def __repr__(self) -> str:
        return f"<Histogram of {self.count}: p50 {self.quantile(0.5)} ns, max {self.max_ns} ns>"

    def observe(self, value_ns: int) -> None:
        """Count a value. O(1)."""
        if value_ns < 0:
            self.negative_count += 1
            return
        value_ns = min(value_ns, VALUE_MAX)
        self.count += 1
        self.total_ns += value_ns
        if self.max_ns is None or value_ns > self.max_ns:
            self.max_ns = value_ns
        if self.min_ns is None or value_ns < self.min_ns:
            self.min_ns = value_ns
        index = _index(value_ns)
        self._octave(index)[index % _SUBS] += 1

    def _octave(self, index: int) -> array[int]:
        """The counts among which that of a bucket is."""
        octave = self._octaves.get(index >> _SUB_BITS)
        if octave is None:
            octave = self._octaves[index >> _SUB_BITS] = array("Q", bytes(8 * _SUBS))
        return octave

    def _buckets(self) -> list[tuple[int, int]]:
        """Index and count of each bucket in use, in order; of one moment."""
        octaves = sorted(self._octaves.copy().items())
        return [
            (octave * _SUBS + place, count) for octave, counts in octaves for place, count in enumerate(counts) if count
        ]

    def quantile(self, share: float) -> int | None:
        """The value that ``share`` of all values do not exceed; ``None`` before the first.

        Args:
            share: 0 to 1.

        Returns:
            A value in ns, within ``RELATIVE_ERROR`` of the exact one, and none below ``min_ns`` or above
            ``max_ns``, which are exact.

        Raises:
            UsageError: ``share`` is not between 0 and 1.

        Complexity: O(b log b) for b buckets in use.
        """
        if not 0 <= share <= 1:
            raise UsageError(f"a quantile is between 0 and 1, not {share!r}")
        buckets = self._buckets()
        rank = max(1, ceil(share * sum(count for _, count in buckets)))
        for (index, _), reached in zip(buckets, accumulate(count for _, count in buckets), strict=True):
            if reached >= rank:
                lower, upper = _edges(index)
                middle = (lower + 1 + upper) // 2
                return max(self.min_ns or 0, min(middle, middle if self.max_ns is None else self.max_ns))
        return None

    def at_most(self, bounds_ns: Sequence[int]) -> tuple[list[int], int]:
        """How many values do not exceed each bound.

        Args:
            bounds_ns: Ascending. Exact for powers of two; otherwise a bucket that a bound divides counts as above it.

        Returns:
            The counts, and how many values there are in all, both of one moment.

        Complexity: O(b log b + bounds) for b buckets in use.
        """
        buckets = self._buckets()
        counts = []
        at = reached = 0
        for bound in bounds_ns:
            while at < len(buckets) and _edges(buckets[at][0])[1] <= bound:
                reached += buckets[at][1]
                at += 1
            counts.append(reached)
        return counts, reached + sum(count for _, count in buckets[at:])

    def merge(self, other: Histogram) -> None:
        """Add what another one has counted, as if both had been one. O(buckets)."""
        self.count += other.count
        self.negative_count += other.negative_count
        self.total_ns += other.total_ns
        self.min_ns = min((one for one in (self.min_ns, other.min_ns) if one is not None), default=None)
        self.max_ns = max((one for one in (self.max_ns, other.max_ns) if one is not None), default=None)
        for index, count in other._buckets():
            self._octave(index)[index % _SUBS] += count

    def to_json(self) -> dict[str, int | None]:
        """``count``, ``negative``, and in ns ``min``, ``mean``, ``p50``, ``p90``, ``p99``, ``p999``, ``max``."""
        mean = self.total_ns // self.count if self.count else None
        quantiles = {f"{name}_ns": self.quantile(share) for name, share in QUANTILES.items()}
        start = {"count": self.count, "negative": self.negative_count, "min_ns": self.min_ns, "mean_ns": mean}
        return start | quantiles | {"max_ns": self.max_ns}


def _index(value: int) -> int:
    """The bucket of a value. 0 shares the first one with 1."""
    below = value - 1 if value else 0
    shift = max(0, below.bit_length() - _SUB_BITS - 1)
    return (shift << _SUB_BITS) + (below >> shift)


def _edges(index: int) -> tuple[int, int]:
    """Lower edge (not in it) and upper edge (in it) of a bucket."""
    shift = max(0, (index >> _SUB_BITS) - 1)
    lower = (index - (shift << _SUB_BITS)) << shift
    return lower, lower + (1 << shift)
