"""hummingbot: its order book in Cython over C++, alone; `build_hummingbot` builds it."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, ClassVar

from benchmarks.peers.adapter import BAND, FILL_SIZE, Adapter, Levels, imbalance
from benchmarks.peers.frames import FramedBook, float_frames
from benchmarks.workloads import Message, Row

BUY, SELL = True, False


class _Framed(FramedBook):
    def __init__(self, decode: Any) -> None:
        book = import_module("hummingbot.core.data_type.order_book").OrderBook()
        row = import_module("hummingbot.core.data_type.order_book_row").OrderBookRow

        super().__init__(decode)
        self.book, self.row = book, row
        self.apply = self.book.apply_diffs

    def change(self, bids: Any, asks: Any) -> None:
        row, number = self.row, self.sequence + 1
        self.apply([row(p, s, number) for p, s, _ in bids], [row(p, s, number) for p, s, _ in asks], number)

    def change_texts(self, bids: Any, asks: Any, number: int) -> None:
        row = self.row
        self.apply(
            [row(float(p), float(s), number) for p, s in bids],
            [row(float(p), float(s), number) for p, s in asks],
            number,
        )

    def top(self, count: int) -> tuple[Levels, Levels]:
        """Levels of both sides."""
        bids, asks = self.book.bid_entries(), self.book.ask_entries()
        return (
            [(row.price, row.amount) for _, row in zip(range(count), bids, strict=False)],
            [(row.price, row.amount) for _, row in zip(range(count), asks, strict=False)],
        )

    def volume(self) -> tuple[float, float]:
        """The size within 10 basis points of mid."""
        book = self.book
        mid = (book.get_price(is_buy=True) + book.get_price(is_buy=False)) / 2
        bids = book.get_volume_for_price(SELL, mid * (1 - BAND)).result_volume
        return bids, book.get_volume_for_price(BUY, mid * (1 + BAND)).result_volume


class Hummingbot(Adapter):
    """Rows are its own tuples, made of the decoder's floats."""

    package = "hummingbot"
    read = "price(False); price(True)"
    texts = "change_texts(bids, asks, sequence)"
    natives = "apply(bids, asks, sequence)"
    queries: ClassVar = {
        "best": "price(False); price(True)",
        "spread": "price(True) - price(False)",
        "top20": "framed.top(20)",
        "top20_numpy": "[array(side) for side in framed.top(20)]",
        "volume_10bps": "framed.volume()",
        "imbalance_10": "imbalance(*framed.top(10))",
        "fill_5": "vwap(True, size).result_price",
    }
    note = "built alone, without its framework; its own message classes would come on top"

    def __init__(self) -> None:
        self.decode, self.decode_body = float_frames()
        self.framed: Any = None

    def renew(self, bids: Sequence[Any], asks: Sequence[Any], sequence: int) -> None:
        """A new book of rows of floats."""
        self.framed = _Framed(self.decode)
        row = self.framed.row
        self.framed.book.apply_snapshot(
            [row(p, s, sequence) for p, s in bids], [row(p, s, sequence) for p, s in asks], sequence
        )
        self.framed.sequence = sequence

    def load(self, bids: Sequence[Row], asks: Sequence[Row], sequence: int) -> None:
        self.renew([(float(p), float(s)) for p, s in bids], [(float(p), float(s)) for p, s in asks], sequence)

    def load_body(self, body: bytes, sequence: int) -> None:
        data = self.decode_body(body).data
        self.renew(data.bids, data.asks, sequence)

    def names(self) -> dict[str, Any]:
        import numpy as np

        framed, book = self.framed, self.framed.book
        return {
            "framed": framed,
            "receive": framed.receive,
            "change_texts": framed.change_texts,
            "apply": book.apply_diffs,
            "price": book.get_price,
            "vwap": book.get_vwap_for_volume,
            "imbalance": imbalance,
            "array": np.array,
            "size": FILL_SIZE,
        }

    def native(self, message: Message) -> tuple[Any, Any, int]:
        row, end = self.framed.row, message.end
        bids, asks = ([row(float(p), float(s), end) for p, s in rows] for rows in (message.bids, message.asks))
        return bids, asks, end

    def sides(self) -> tuple[Levels, Levels]:
        levels: tuple[Levels, Levels] = self.framed.top(1_000_000)
        return levels
