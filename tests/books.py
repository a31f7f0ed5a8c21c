"""Small books, and a clock to age them by."""

from __future__ import annotations

from orderbook.book import OrderBook
from orderbook.content import BookContent
from orderbook.fixedpoint import parse_number
from orderbook.types import Change, Side, Snapshot

BIDS = [("67012.3", "0.00331"), ("67012.2", "1.5")]
ASKS = [("67012.4", "0.5"), ("67013", "2")]


def live_book() -> OrderBook:
    """A small LIVE book at sequence 10."""
    book = OrderBook("BTC-USDT")
    book.apply_snapshot(BIDS, ASKS, 10, venue_ms=1_700_000_000_000)
    return book


def content_of(bid: str, ask: str, sequence: int = 20) -> BookContent:
    """A content with one level of size 1 a side."""

    def side(price: str) -> tuple[Change, ...]:
        return (Change(parse_number(price), parse_number("1")),)

    return BookContent.from_snapshot(Snapshot(sequence, side(bid), side(ask)), {Side.BID: False, Side.ASK: False})


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now_ns = 0

    def __call__(self) -> int:
        return self.now_ns
