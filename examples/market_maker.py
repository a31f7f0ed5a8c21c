"""A small market maker: it quotes around the mid, and only while the book can be trusted.

It has no exchange connection of its own: ``send`` and ``cancel`` are whatever places and cancels orders.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import orderbook


@dataclass(frozen=True, slots=True)
class Quote:
    """What the bot offers: to buy at ``bid``, to sell at ``ask``."""

    bid: float
    ask: float


class MarketMaker:
    """Quotes one symbol.

    Args:
        book: Its book.
        send: Places a quote, in the place of the last one.
        cancel: Takes the quote out of the market.
        half_spread_bps: How far the quotes are from the mid.
        requote_bps: The mid has to move by more than this before the quote is replaced.

    Attributes:
        quote: What stands in the market; ``None``: nothing.
        why_not: Why nothing does.
    """

    def __init__(
        self,
        book: orderbook.OrderBook,
        send: Callable[[Quote], None],
        cancel: Callable[[], None],
        *,
        half_spread_bps: float = 5.0,
        requote_bps: float = 1.0,
    ) -> None:
        self.quote: Quote | None = None
        self.why_not = "not started"
        self._book = book
        self._send = send
        self._cancel = cancel
        self._half = half_spread_bps / 1e4
        self._requote = requote_bps / 1e4
        self._mid = 0.0

    async def run(self, feed: orderbook.Feed, symbol: str) -> None:
        """Quote for as long as the feed is open."""
        async for _ in feed.updates(symbol, deliver="latest"):
            self.decide()
        self.withdraw("the feed was closed")

    def decide(self) -> None:
        """Look at the book, and quote or do not. Changes of state are updates too, so a loss is seen at once."""
        try:
            mid = self._book.mid
        except orderbook.BookNotLive as refusal:
            # Never quote on a book that cannot be trusted, and leave nothing standing on it.
            self.withdraw(str(refusal))
            return
        if mid is None:
            self.withdraw("a side of the book is empty")
        elif self.quote is None or abs(mid - self._mid) > self._requote * mid:
            self._mid = mid
            self.quote = Quote(mid * (1 - self._half), mid * (1 + self._half))
            self._send(self.quote)

    def withdraw(self, why: str) -> None:
        """Take the quote out of the market, if there is one."""
        self.why_not = why
        if self.quote is not None:
            self.quote = None
            self._cancel()
