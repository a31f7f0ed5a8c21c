"""A book by hand as sorted NumPy arrays with room to grow."""

from __future__ import annotations

from typing import Any

from benchmarks.peers.adapter import BAND, Levels
from benchmarks.peers.by_hand import ByHand, Rows
from benchmarks.peers.frames import FramedBook


class _Side:
    """Ascending keys (prices of bids, negative prices of asks), so that the best is the last."""

    def __init__(self, rows: Rows, sign: float) -> None:
        import numpy as np

        count = len(rows)
        self.count = count
        self.levels = np.zeros((2, 2 * count + 64))
        pairs = np.array(rows, dtype=np.float64).reshape(-1, 2)
        order = np.argsort(sign * pairs[:, 0])
        self.levels[0, :count] = sign * pairs[order, 0]
        self.levels[1, :count] = pairs[order, 1]
        self.keys, self.sizes = self.levels

    def put(self, key: float, size: float) -> None:
        keys, sizes, count = self.keys, self.sizes, self.count
        at = int(keys[:count].searchsorted(key))
        if at < count and keys[at] == key:
            if size:
                sizes[at] = size
            else:
                self.levels[:, at : count - 1] = self.levels[:, at + 1 : count]
                self.count = count - 1
        elif size:
            if count == keys.size:
                self._grow()
                keys, sizes = self.keys, self.sizes
            self.levels[:, at + 1 : count + 1] = self.levels[:, at:count]
            keys[at] = key
            sizes[at] = size
            self.count = count + 1

    def _grow(self) -> None:
        import numpy as np

        self.levels = np.concatenate((self.levels, np.zeros_like(self.levels)), axis=1)
        self.keys, self.sizes = self.levels


class ArrayBook(FramedBook):
    """A side is one array of two rows."""

    def load(self, bids: Rows, asks: Rows, sequence: int) -> None:
        """Begin anew."""
        self.bids, self.asks, self.sequence = _Side(bids, 1.0), _Side(asks, -1.0), sequence

    def change(self, bids: Any, asks: Any) -> None:
        put = self.bids.put
        for price, size, _ in bids:
            put(price, size)
        put = self.asks.put
        for price, size, _ in asks:
            put(-price, size)

    def best(self) -> tuple[float, float]:
        """Best prices."""
        bids, asks = self.bids, self.asks
        return bids.keys[bids.count - 1], -asks.keys[asks.count - 1]

    def spread(self) -> float:
        """Between the best prices."""
        bids, asks = self.bids, self.asks
        return float(-asks.keys[asks.count - 1] - bids.keys[bids.count - 1])

    def arrays(self, count: int) -> tuple[Any, Any]:
        """The best levels, best first."""
        bids, asks = self.bids, self.asks
        first = bids.levels[:, max(0, bids.count - count) : bids.count][:, ::-1].T.copy()
        second = asks.levels[:, max(0, asks.count - count) : asks.count][:, ::-1].T.copy()
        second[:, 0] *= -1.0
        return first, second

    def top(self, count: int) -> tuple[Levels, Levels]:
        """The same as lists."""
        bids, asks = self.arrays(count)
        return bids.tolist(), asks.tolist()

    def volume(self) -> tuple[float, float]:
        """The size within the band."""
        bids, asks = self.bids, self.asks
        bid_keys, ask_keys = bids.keys[: bids.count], asks.keys[: asks.count]
        mid = (bid_keys[-1] - ask_keys[-1]) / 2
        return (
            bids.sizes[bid_keys.searchsorted(mid * (1 - BAND)) : bids.count].sum(),
            asks.sizes[ask_keys.searchsorted(-mid * (1 + BAND)) : asks.count].sum(),
        )

    def imbalance(self, count: int) -> float:
        """Of so many levels a side."""
        bid = self.bids.sizes[self.bids.count - count : self.bids.count].sum()
        ask = self.asks.sizes[self.asks.count - count : self.asks.count].sum()
        return float((bid - ask) / (bid + ask))

    def fill(self, size: float) -> float:
        """The average price of buying so much; most orders end within 64 levels."""
        asks, count = self.asks, 64
        while True:
            first = max(0, asks.count - count)
            sizes, keys = asks.sizes[first : asks.count][::-1], asks.keys[first : asks.count][::-1]
            total = sizes.cumsum()
            at = int(total.searchsorted(size))
            if at < total.size:
                before = total[at - 1] if at else 0.0
                return float(-(keys[:at] @ sizes[:at] + keys[at] * (size - before)) / size)
            if first == 0:
                return float(-(keys @ sizes) / total[-1])
            count *= 8


class SortedArrays(ByHand):
    """Sorted arrays."""

    package = "numpy"
    kind = ArrayBook
