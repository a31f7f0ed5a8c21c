"""order-book: sides in C that are dictionaries and sort their keys when they are read in order."""

from __future__ import annotations

from importlib import import_module
from typing import Any, ClassVar

from benchmarks.peers.adapter import Levels, bought, imbalance, volumes
from benchmarks.peers.frames import FloatAdapter, FramedBook


class _Book(FramedBook):
    def __init__(self, decode: Any) -> None:
        order_book = import_module("order_book")

        super().__init__(decode)
        book = order_book.OrderBook()
        self.book, self.bids, self.asks = book, book.bids, book.asks

    def load(self, bids: Any, asks: Any, sequence: int) -> None:
        self.book.bids, self.book.asks = dict(bids), dict(asks)
        self.bids, self.asks, self.sequence = self.book.bids, self.book.asks, sequence

    def change(self, bids: Any, asks: Any) -> None:
        for side, rows in ((self.bids, bids), (self.asks, asks)):
            for price, size, _ in rows:
                if size:
                    side[price] = size
                else:
                    try:  # noqa: SIM105 - suppress() costs a call
                        del side[price]
                    except KeyError:
                        pass  # it was not there

    def change_texts(self, bids: Any, asks: Any) -> None:
        for side, rows in ((self.bids, bids), (self.asks, asks)):
            for price, size in rows:
                if size != "0":
                    side[float(price)] = float(size)
                else:
                    try:  # noqa: SIM105 - suppress() costs a call
                        del side[float(price)]
                    except KeyError:
                        pass  # it was not there

    def levels(self, side: Any, count: int) -> Levels:
        index = side.index
        return [index(number) for number in range(min(count, len(side)))]

    def volume(self) -> tuple[float, float]:
        return volumes(self.bids.to_list(), self.asks.to_list())

    def fill(self, size: float) -> float:
        count = 32
        while True:
            levels = self.levels(self.asks, count)
            if sum([level[1] for level in levels]) >= size or count >= len(self.asks):
                return bought(levels, size)
            count *= 4


class OrderBook(FloatAdapter):
    """The peer that the targets for parsed changes are measured against."""

    package = "order-book"
    kind = _Book
    texts = "change_texts(bids, asks)"
    queries: ClassVar = {
        "best": "best_bids.index(0); best_asks.index(0)",
        "spread": "best_asks.index(0)[0] - best_bids.index(0)[0]",
        "top20": "levels(best_bids, 20); levels(best_asks, 20)",
        "top20_numpy": "array(levels(best_bids, 20)); array(levels(best_asks, 20))",
        "volume_10bps": "book.volume()",
        "imbalance_10": "imbalance(levels(best_bids, 10), levels(best_asks, 10))",
        "fill_5": "book.fill(5.0)",
    }
    note = "sorts when it is read: changes alone are cheap"

    def names(self) -> dict[str, Any]:
        import numpy as np

        book = self.book
        return {
            "book": book,
            "receive": book.receive,
            "change": book.change,
            "change_texts": book.change_texts,
            "levels": book.levels,
            "imbalance": imbalance,
            "array": np.array,
            "best_bids": book.bids,
            "best_asks": book.asks,
        }

    read = "best_bids.index(0)[0]; best_asks.index(0)[0]"

    def sides(self) -> tuple[Levels, Levels]:
        return self.book.bids.to_list(), self.book.asks.to_list()

    def plain(self, query: str, answer: Any) -> Any:
        return [level[0] for level in answer] if query == "best" else answer
