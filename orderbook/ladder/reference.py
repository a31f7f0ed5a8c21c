"""The reference ladder: documentation and oracle, so the plainest code of the library."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from sys import getsizeof

from sortedcontainers import SortedDict

from orderbook.fixedpoint import RAW_MAX
from orderbook.types import Side


class Ladder:
    """The levels of one side, best first.

    Prices and sizes are scaled integers, ``0 < price <= RAW_MAX`` and ``0 <= size <= RAW_MAX``; whoever calls sees to
    that (``verify`` checks it). ``n`` below is the number of levels.
    """

    __slots__ = ("_sign", "_sizes", "side")

    def __init__(self, side: Side) -> None:
        self.side = side
        self._sign = side.value
        # sign * price -> size: ascending keys are best first on either side.
        self._sizes: SortedDict[int, int] = SortedDict()

    def set(self, price: int, size: int) -> int:
        """Put ``size`` at ``price``; size 0 removes the level.

        Returns:
            The size that was there, 0 if there was no level. Removing an absent level changes nothing.

        Complexity: O(log n).
        """
        key = self._sign * price
        previous = self._sizes.get(key, 0)
        if size:
            self._sizes[key] = size
        elif previous:
            del self._sizes[key]
        return previous

    def load(self, levels: Iterable[tuple[int, int]]) -> None:
        """Take these (price, size) in the place of all; a later size of a price wins, 0 is no level.

        Args:
            levels: In any order.

        Complexity: O(n log n).
        """
        sizes = {self._sign * price: size for price, size in levels}
        self._sizes = SortedDict({key: size for key, size in sizes.items() if size})

    def get(self, price: int) -> int:
        """Size at ``price``, 0 if there is no level. O(1)."""
        return self._sizes.get(self._sign * price, 0)

    def best(self) -> tuple[int, int] | None:
        """Best (price, size), ``None`` if empty. O(1)."""
        return self.at(0) if self._sizes else None

    def worst(self) -> tuple[int, int] | None:
        """Worst (price, size), ``None`` if empty. O(1)."""
        return self.at(-1) if self._sizes else None

    def __len__(self) -> int:
        return len(self._sizes)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """All (price, size), best first. The ladder must not change meanwhile. O(n) in all."""
        return zip(map(self._sign.__mul__, self._sizes), map(self._sizes.__getitem__, self._sizes), strict=True)

    def top(self, n: int) -> list[tuple[int, int]]:
        """The best ``n`` >= 0 (price, size), best first; fewer if there are not so many. O(n)."""
        return list(islice(self, n))

    def at(self, index: int) -> tuple[int, int]:
        """The (price, size) at a position; 0 is the best, -1 the worst.

        Raises:
            IndexError: No level stands there.

        Complexity: O(log n).
        """
        key, size = self._sizes.peekitem(index)
        return self._sign * key, size

    def to(self, price: int) -> Iterator[tuple[int, int]]:
        """From the best to ``price`` inclusive, best first; nothing if the best is already beyond it.

        The ladder must not change meanwhile.

        Complexity: O(log n) to start, O(1) a level.
        """
        for key in self._sizes.irange(maximum=self._sign * price):
            yield self._sign * key, self._sizes[key]

    def count_to(self, price: int) -> int:
        """How many levels are at ``price`` or better. O(log n)."""
        return self._sizes.bisect_right(self._sign * price)

    def rescale(self, price_factor: int, size_factor: int) -> None:
        """Multiply every price and size by factors >= 1, when the scales grow. O(n)."""
        self._sizes = SortedDict({key * price_factor: size * size_factor for key, size in self._sizes.items()})

    def copy(self) -> Ladder:
        """An independent copy. O(n)."""
        twin = Ladder(self.side)
        twin._sizes = self._sizes.copy()
        return twin

    def clear(self) -> None:
        """Remove every level. O(n)."""
        self._sizes.clear()

    def __sizeof__(self) -> int:
        """Bytes of memory of this object and its levels, without what other objects may share. O(n)."""
        own = object.__sizeof__(self) + getsizeof(self._sizes)
        return own + sum(getsizeof(key) + getsizeof(size) for key, size in self._sizes.items())

    def verify(self) -> None:
        """Raise ``AssertionError`` if an invariant is broken. O(n)."""
        levels = list(self)
        assert len(levels) == len(self), "length differs from the levels"
        for price, size in levels:
            for number in (price, size):
                assert type(number) is int, f"({price!r}, {size!r}) are not integers"
                assert 0 < number <= RAW_MAX, f"({price}, {size}) is out of range"
        prices = [price for price, _ in levels]
        assert prices == sorted(set(prices), reverse=self.side is Side.BID), "not best first"

    def __repr__(self) -> str:
        return f"<Ladder {self.side.name} of {len(self)} levels>"
