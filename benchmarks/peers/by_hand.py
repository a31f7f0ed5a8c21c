"""Books as they are written by hand: dictionaries, sorted lists, sorted dictionaries."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, ClassVar

from benchmarks.peers.adapter import BAND, Levels, bought, imbalance, within
from benchmarks.peers.frames import FloatAdapter, FramedBook

Rows = Sequence[Any]


class ByHand(FloatAdapter):
    """What the books of this module have in common: floats, decoded by msgspec."""

    texts = "change([(float(p), float(s), 0) for p, s in bids], [(float(p), float(s), 0) for p, s in asks])"
    queries: ClassVar = {
        "best": "best()",
        "spread": "book.spread()",
        "top20": "book.top(20)",
        "top20_numpy": "book.arrays(20)",
        "volume_10bps": "book.volume()",
        "imbalance_10": "book.imbalance(10)",
        "fill_5": "book.fill(5.0)",
    }

    def names(self) -> dict[str, Any]:
        book = self.book
        return {
            "book": book,
            "receive": book.receive,
            "best": book.best,
            "change": book.change,
        }

    def sides(self) -> tuple[Levels, Levels]:
        bids, asks = self.book.top(1_000_000)
        return bids, asks


class _Queries(FramedBook):
    """What follows from ``top`` and ``best``."""

    def best(self) -> tuple[float, float]:
        raise NotImplementedError

    def top(self, count: int) -> tuple[Levels, Levels]:
        raise NotImplementedError

    def spread(self) -> float:
        bid, ask = self.best()
        return ask - bid

    def arrays(self, count: int) -> Any:
        import numpy as np

        bids, asks = self.top(count)
        return np.array(bids), np.array(asks)

    def imbalance(self, count: int) -> float:
        return imbalance(*self.top(count))

    def fill(self, size: float) -> float:
        raise NotImplementedError


class DictionaryBook(_Queries):
    """A dictionary a side, searched when asked."""

    def load(self, bids: Rows, asks: Rows, sequence: int) -> None:
        self.bids, self.asks, self.sequence = dict(bids), dict(asks), sequence

    def change(self, bids: Any, asks: Any) -> None:
        for side, rows in ((self.bids, bids), (self.asks, asks)):
            for price, size, _ in rows:
                if size:
                    side[price] = size
                else:
                    side.pop(price, None)

    def best(self) -> tuple[float, float]:
        return max(self.bids), min(self.asks)

    def top(self, count: int) -> tuple[Levels, Levels]:
        return sorted(self.bids.items(), reverse=True)[:count], sorted(self.asks.items())[:count]

    def volume(self) -> tuple[float, float]:
        bid, ask = self.best()
        low, high = (bid + ask) / 2 * (1 - BAND), (bid + ask) / 2 * (1 + BAND)
        return (
            sum([size for price, size in self.bids.items() if price >= low]),
            sum([size for price, size in self.asks.items() if price <= high]),
        )

    def fill(self, size: float) -> float:
        return bought(sorted(self.asks.items()), size)


class ListBook(_Queries):
    """Two lists a side: keys (prices of bids, negative prices of asks, so that the best is last), and sizes."""

    bids: list[float]
    asks: list[float]
    bid_sizes: list[float]
    ask_sizes: list[float]

    def load(self, bids: Rows, asks: Rows, sequence: int) -> None:
        ordered = sorted(bids), sorted([(-price, size) for price, size in asks])
        (self.bids, self.bid_sizes), (self.asks, self.ask_sizes) = (
            map(list, zip(*side, strict=True)) for side in ordered
        )
        self.sequence = sequence

    def change(self, bids: Any, asks: Any) -> None:
        keys, sizes = self.bids, self.bid_sizes
        for price, size, _ in bids:
            at = bisect_left(keys, price)
            if at < len(keys) and keys[at] == price:
                if size:
                    sizes[at] = size
                else:
                    del keys[at], sizes[at]
            elif size:
                keys.insert(at, price)
                sizes.insert(at, size)
        keys, sizes = self.asks, self.ask_sizes
        for price, size, _ in asks:
            at = bisect_left(keys, -price)
            if at < len(keys) and keys[at] == -price:
                if size:
                    sizes[at] = size
                else:
                    del keys[at], sizes[at]
            elif size:
                keys.insert(at, -price)
                sizes.insert(at, size)

    def best(self) -> tuple[float, float]:
        return self.bids[-1], -self.asks[-1]

    def spread(self) -> float:
        return -self.asks[-1] - self.bids[-1]

    def top(self, count: int) -> tuple[Levels, Levels]:
        last = -count - 1
        return (
            list(zip(self.bids[:last:-1], self.bid_sizes[:last:-1], strict=True)),
            [(-key, size) for key, size in zip(self.asks[:last:-1], self.ask_sizes[:last:-1], strict=True)],
        )

    def volume(self) -> tuple[float, float]:
        bid_at, ask_at = within(self.bids, self.asks)
        return sum(self.bid_sizes[bid_at:]), sum(self.ask_sizes[ask_at:])

    def imbalance(self, count: int) -> float:
        bid, ask = sum(self.bid_sizes[-count:]), sum(self.ask_sizes[-count:])
        return (bid - ask) / (bid + ask)

    def fill(self, size: float) -> float:
        left, paid = size, 0.0
        for key, available in zip(reversed(self.asks), reversed(self.ask_sizes), strict=True):
            if available >= left:
                return (paid - left * key) / size
            left -= available
            paid -= available * key
        return paid / (size - left)


class SortedBook(_Queries):
    """A ``SortedDict`` a side, by price and by negative price, so that the best is the last."""

    def load(self, bids: Rows, asks: Rows, sequence: int) -> None:
        from sortedcontainers import SortedDict

        self.bids: Any = SortedDict(bids)
        self.asks: Any = SortedDict({-price: size for price, size in asks})
        self.sequence = sequence

    def change(self, bids: Any, asks: Any) -> None:
        side = self.bids
        for price, size, _ in bids:
            if size:
                side[price] = size
            else:
                side.pop(price, None)
        side = self.asks
        for price, size, _ in asks:
            if size:
                side[-price] = size
            else:
                side.pop(-price, None)

    def best(self) -> tuple[float, float]:
        return self.bids.peekitem(-1)[0], -self.asks.peekitem(-1)[0]

    def top(self, count: int) -> tuple[Levels, Levels]:
        bids, asks = self.bids, self.asks
        return (
            [(price, bids[price]) for price in bids.keys()[: -count - 1 : -1]],
            [(-key, asks[key]) for key in asks.keys()[: -count - 1 : -1]],
        )

    def volume(self) -> tuple[float, float]:
        bid, ask = self.best()
        mid = (bid + ask) / 2
        return (
            sum(map(self.bids.__getitem__, self.bids.irange(minimum=mid * (1 - BAND)))),
            sum(map(self.asks.__getitem__, self.asks.irange(minimum=-mid * (1 + BAND)))),
        )

    def fill(self, size: float) -> float:
        left, paid = size, 0.0
        sizes: dict[float, float] = self.asks
        for key in reversed(sizes):
            available = sizes[key]
            if available >= left:
                return (paid - left * key) / size
            left -= available
            paid -= available * key
        return paid / (size - left)


class Dictionaries(ByHand):
    """Dictionaries."""

    kind = DictionaryBook
    note = "keeps no order: every read searches"


class BisectLists(ByHand):
    """Sorted lists."""

    kind = ListBook


class SortedDicts(ByHand):
    """Sorted dictionaries."""

    package = "sortedcontainers"
    kind = SortedBook
