"""ccxt: its book alone, and its KuCoin client, handed messages as from its socket."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, ClassVar

from benchmarks.peers.adapter import FILL_SIZE, Adapter, Levels, bought, imbalance, volumes
from benchmarks.peers.frames import FramedBook, float_frames
from benchmarks.workloads import SYMBOL, Message, Row


class _Framed(FramedBook):
    def __init__(self, decode: Any, book: Any) -> None:
        super().__init__(decode)
        self.bids, self.asks = book["bids"], book["asks"]

    def change(self, bids: Any, asks: Any) -> None:
        store = self.bids.storeArray
        for price, size, _ in bids:
            store([price, size])
        store = self.asks.storeArray
        for price, size, _ in asks:
            store([price, size])

    def change_texts(self, bids: Any, asks: Any) -> None:
        store = self.bids.storeArray
        for price, size in bids:
            store([float(price), float(size)])
        store = self.asks.storeArray
        for price, size in asks:
            store([float(price), float(size)])


class Book(Adapter):
    """The class alone, with a faster decoder than ccxt's own way."""

    package = "ccxt"
    read = "top_bids[0][0]; top_asks[0][0]"
    texts = "change_texts(bids, asks)"
    natives = "change(bids, asks)"
    queries: ClassVar = {
        "best": "top_bids[0][0]; top_asks[0][0]",
        "spread": "top_asks[0][0] - top_bids[0][0]",
        "top20": "top_bids[:20]; top_asks[:20]",
        "top20_numpy": "array(top_bids[:20]); array(top_asks[:20])",
        "volume_10bps": "volumes(top_bids, top_asks)",
        "imbalance_10": "imbalance(top_bids[:10], top_asks[:10])",
        "fill_5": "bought(top_asks, size)",
    }
    note = "its levels are lists that change in place"

    def __init__(self) -> None:
        self.decode, self.decode_body = float_frames()
        self.framed: Any = None

    def renew(self, bids: Any, asks: Any, sequence: int) -> None:
        """Begin a new book."""
        book = import_module("ccxt.async_support.base.ws.order_book").OrderBook

        self.framed = _Framed(self.decode, book({"bids": bids, "asks": asks, "nonce": sequence}))
        self.framed.sequence = sequence

    def load(self, bids: Sequence[Row], asks: Sequence[Row], sequence: int) -> None:
        self.renew([[float(p), float(s)] for p, s in bids], [[float(p), float(s)] for p, s in asks], sequence)

    def load_body(self, body: bytes, sequence: int) -> None:
        data = self.decode_body(body).data
        self.renew(data.bids, data.asks, sequence)

    def names(self) -> dict[str, Any]:
        import numpy as np

        framed = self.framed
        return {
            "receive": framed.receive,
            "change": framed.change,
            "change_texts": framed.change_texts,
            "top_bids": framed.bids,
            "top_asks": framed.asks,
            "array": np.array,
            "volumes": volumes,
            "imbalance": imbalance,
            "bought": bought,
            "size": FILL_SIZE,
        }

    def native(self, message: Message) -> tuple[Any, Any, int]:
        bids, asks = ([(float(p), float(s), 0) for p, s in rows] for rows in (message.bids, message.asks))
        return bids, asks, message.end

    def sides(self) -> tuple[Levels, Levels]:
        # Its levels have a third value, when its client made them.
        return [(p, s) for p, s, *_ in self.framed.bids], [(p, s) for p, s, *_ in self.framed.asks]


class _Client:
    """Stands for the connection that the exchange's handlers speak to."""

    def __init__(self) -> None:
        self.subscriptions: dict[str, Any] = {}

    def resolve(self, *result: Any) -> None:
        """Nobody waits."""


class Exchange(Book):
    """The whole client, without its network loop: frames by orjson into ``handle_message``."""

    texts = natives = ""
    receive = "handle(client, loads(frame))"

    def plain(self, query: str, answer: Any) -> Any:
        return [[level[:2] for level in side] for side in answer] if query == "top20" else answer

    # A third value of its levels is no number.
    queries: ClassVar = Book.queries | {
        "top20_numpy": "array([row[:2] for row in top_bids[:20]]); array([row[:2] for row in top_asks[:20]])"
    }
    note = "its own handlers, decoded by orjson, without its network loop; gaps go unseen"

    def __init__(self) -> None:
        super().__init__()
        pro = import_module("ccxt.pro")
        orjson = import_module("orjson")

        self.exchange = pro.kucoin()
        self.loads = orjson.loads

    def renew(self, bids: Any, asks: Any, sequence: int) -> None:
        symbol = SYMBOL.replace("-", "/")
        book = self.exchange.order_book({"bids": bids, "asks": asks, "nonce": sequence, "symbol": symbol})
        self.exchange.orderbooks[symbol] = book
        self.framed = _Framed(self.decode, book)

    def load_body(self, body: bytes, sequence: int) -> None:
        data = self.loads(body)["data"]
        self.load(data["bids"], data["asks"], sequence)

    def names(self) -> dict[str, Any]:
        return super().names() | {"handle": self.exchange.handle_message, "loads": self.loads, "client": _Client()}
