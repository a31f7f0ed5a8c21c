"""nautilus_trader: its book in Cython over Rust, and the newer one in PyO3."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, ClassVar

from benchmarks.peers.adapter import Adapter, Levels
from benchmarks.peers.frames import FramedBook, text_frames
from benchmarks.workloads import SYMBOL, Message, Row


class _Framed(FramedBook):
    """Makes one delta of each row, as an adapter of a venue would."""

    def __init__(self, decode: Any, model: Any, enums: Any) -> None:
        super().__init__(decode)
        self.instrument = model.InstrumentId.from_str(f"{SYMBOL}.KUCOIN")
        self.book = model.OrderBook(self.instrument, enums.BookType.L2_MBP)
        self.apply = self.book.apply_delta
        self.model = model
        self.buy, self.sell = enums.OrderSide.BUY, enums.OrderSide.SELL
        self.update, self.delete = enums.BookAction.UPDATE, enums.BookAction.DELETE

    def delta(self, side: Any, price: str, size: str) -> Any:
        """One row."""
        model = self.model
        order = model.BookOrder(side, model.Price.from_str(price), model.Quantity.from_str(size), 0)
        action = self.delete if size == "0" else self.update
        return model.OrderBookDelta(self.instrument, action, order, 0, 0, 0, 0)

    def change(self, bids: Any, asks: Any) -> None:
        apply, delta = self.apply, self.delta
        for row in bids:
            apply(delta(self.buy, row[0], row[1]))
        for row in asks:
            apply(delta(self.sell, row[0], row[1]))

    def replay(self, bids: Any, asks: Any) -> None:
        """Deltas that were made before."""
        apply = self.apply
        for delta in bids:
            apply(delta)
        for delta in asks:
            apply(delta)

    def volume(self) -> tuple[float, float]:
        """The size within 10 basis points of mid."""
        book, price = self.book, self.model.Price
        mid = book.midpoint()
        return (
            book.get_quantity_for_price(price(mid * 0.999, 6), self.sell),
            book.get_quantity_for_price(price(mid * 1.001, 6), self.buy),
        )

    def top(self, count: int) -> tuple[list[Any], list[Any]]:
        """Levels as lists of floats."""
        bids, asks = self.levels(count)
        return (
            [[level.price.as_double(), level.size()] for level in bids],
            [[level.price.as_double(), level.size()] for level in asks],
        )

    def levels(self, count: int) -> tuple[Any, Any]:
        """Its own levels, best first."""
        raise NotImplementedError

    def imbalance(self, count: int) -> float:
        """Of so many levels a side."""
        bids, asks = self.levels(count)
        bid, ask = sum([level.size() for level in bids]), sum([level.size() for level in asks])
        return float((bid - ask) / (bid + ask))


class _FramedCython(_Framed):
    def levels(self, count: int) -> tuple[Any, Any]:
        return self.book.bids()[:count], self.book.asks()[:count]


class _FramedPyO3(_Framed):
    def levels(self, count: int) -> tuple[Any, Any]:
        return self.book.bids(count), self.book.asks(count)


class _Nautilus(Adapter):
    package = "nautilus_trader"
    read = "best_bid(); best_ask()"
    texts = "change(bids, asks)"
    natives = "replay(bids, asks)"
    queries: ClassVar = {
        "best": "best_bid(); best_ask()",
        "spread": "spread()",
        "top20": "framed.top(20)",
        "top20_numpy": "[array(side) for side in framed.top(20)]",
        "volume_10bps": "framed.volume()",
        "imbalance_10": "framed.imbalance(10)",
        "fill_5": "average(size, buy)",
    }

    def __init__(self) -> None:
        self.decode, self.decode_body = text_frames()
        self.framed: Any = None

    def new(self) -> _Framed:
        """An empty book."""
        raise NotImplementedError

    def load(self, bids: Sequence[Row], asks: Sequence[Row], sequence: int) -> None:
        self.framed = self.new()
        self.framed.change(bids, asks)
        self.framed.sequence = sequence

    def load_body(self, body: bytes, sequence: int) -> None:
        data = self.decode_body(body).data
        self.load(data.bids, data.asks, sequence)

    def names(self) -> dict[str, Any]:
        import numpy as np

        framed, book = self.framed, self.framed.book
        return {
            "framed": framed,
            "receive": framed.receive,
            "change": framed.change,
            "replay": framed.replay,
            "best_bid": book.best_bid_price,
            "best_ask": book.best_ask_price,
            "spread": book.spread,
            "average": book.get_avg_px_for_quantity,
            "size": framed.model.Quantity.from_str("5"),
            "buy": framed.buy,
            "array": np.array,
        }

    def native(self, message: Message) -> tuple[Any, Any, int]:
        framed = self.framed
        return (
            [framed.delta(framed.buy, *row) for row in message.bids],
            [framed.delta(framed.sell, *row) for row in message.asks],
            message.end,
        )

    def sides(self) -> tuple[Levels, Levels]:
        bids, asks = self.framed.top(1_000_000)
        return [tuple(level) for level in bids], [tuple(level) for level in asks]


class Cython(_Nautilus):
    """The book that strategies see."""

    note = "one OrderBookDelta a change is made in Python, as an adapter there would; a depth read returns all levels"

    def new(self) -> _Framed:
        book, data, enums, identifiers, objects = (
            import_module(f"nautilus_trader.model.{name}")
            for name in ("book", "data", "enums", "identifiers", "objects")
        )
        return _FramedCython(self.decode, _Names(book, data, identifiers, objects), enums)


class PyO3(_Nautilus):
    """The book of its core."""

    note = "one OrderBookDelta a change is made in Python, as an adapter in Python would"

    def new(self) -> _Framed:
        nautilus_pyo3 = import_module("nautilus_trader.core").nautilus_pyo3

        return _FramedPyO3(self.decode, nautilus_pyo3, nautilus_pyo3)


class _Names:
    """The names of several modules together."""

    def __init__(self, *modules: Any) -> None:
        for module in modules:
            for name in ("InstrumentId", "OrderBook", "BookOrder", "Price", "Quantity", "OrderBookDelta"):
                if hasattr(module, name):
                    setattr(self, name, getattr(module, name))
