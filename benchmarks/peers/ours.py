"""This library, by its compiled twin and by its pure one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, ClassVar

from benchmarks.peers.adapter import Adapter, Levels, floats
from benchmarks.workloads import SYMBOL, Message, Row, frame


class Ours(Adapter):
    """Frames go through ``BookSync.receive``: it checks sequences, and everything else that it always does."""

    twin: ClassVar[str]
    read = "book.best_bid.price; book.best_ask.price"
    texts = natives = "apply(bids, asks, sequence)"
    queries: ClassVar = {
        "best": "book.best_bid; book.best_ask",
        "spread": "book.spread",
        "top20": "book.bids[:20]; book.asks[:20]",
        "top20_numpy": "book.depth(20)",
        "volume_10bps": "book.depth_within(bps=10)",
        "imbalance_10": "book.imbalance(levels=10)",
        "fill_5": "book.fill(ask, size=5.0)",
    }

    def __init__(self) -> None:
        os.environ["ORDERBOOK_ACCELERATOR"] = "require" if self.twin == "compiled" else "off"
        import orderbook

        assert self.twin == orderbook.ACCELERATOR, f"this is the {orderbook.ACCELERATOR} twin"
        self.library = orderbook
        self.sync: Any = None
        self.waiting: Any = None
        self.own: Any = None

    def load(self, bids: Sequence[Row], asks: Sequence[Row], sequence: int) -> None:
        self.own = self.library.OrderBook(SYMBOL)
        self.own.apply_snapshot(bids, asks, sequence)
        self.sync = None

    def await_body(self, sequence: int) -> None:
        # A snapshot alone is not trusted: one delta has to show that the stream is at least as far.
        self.waiting = self.library.BookSync("kucoin", SYMBOL)
        self.waiting.receive(frame(Message([], [], sequence, sequence)))

    def load_body(self, body: bytes, sequence: int) -> None:
        del sequence
        # The book before ends here, as those of others do.
        self.sync, self.waiting, self.own = self.waiting, None, None
        self.sync.receive_snapshot(body, depth="full")

    def names(self) -> dict[str, Any]:
        book = self.own or self.sync.book
        return {
            "book": book,
            "receive": getattr(self.sync, "receive", None),
            "apply": getattr(self.own, "apply_changes", None),
            "ask": self.library.Side.ASK,
        }

    def native(self, message: Message) -> tuple[Any, Any, int]:
        return floats(message.bids), floats(message.asks), message.end

    def sides(self) -> tuple[Levels, Levels]:
        book = (self.own or self.sync.book).last_known
        return [tuple(level) for level in book.bids], [tuple(level) for level in book.asks]

    def plain(self, query: str, answer: Any) -> Any:
        if query == "best":
            return [level.price for level in answer]
        if query == "fill_5":
            return answer.average
        return answer[:2] if query in ("top20_numpy", "volume_10bps") else answer


class Compiled(Ours):
    """With ``ORDERBOOK_ACCELERATOR=require``."""

    twin = "compiled"


class Pure(Ours):
    """With ``ORDERBOOK_ACCELERATOR=off``."""

    twin = "pure"
