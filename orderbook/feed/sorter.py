"""What a link brings, sorted: each message to the book that it is of."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from orderbook.errors import FrameError
from orderbook.feed.bookkeeper import BookKeeper
from orderbook.feed.handover import Handover
from orderbook.feed.metrics import FeedMetrics
from orderbook.types import Delta, Message
from orderbook.venues.base import Venue
from orderbook.venues.layout import SymbolFinder, layout_of

log = logging.getLogger("orderbook.feed")


class Sorter:
    """The receiver of a link.

    Args:
        name: Of the link, for people.
        venue: Whose messages.
        books: Of this link, by symbol; they may come and go.
        metrics: The feed's.

    Attributes:
        handover: While another link takes over: what of it passes.
    """

    def __init__(self, name: str, venue: Venue, books: Mapping[str, BookKeeper], metrics: FeedMetrics) -> None:
        self.handover: Handover | None = None
        self._name = name
        self._books = books
        self._metrics = metrics
        layout = layout_of(venue)
        self._finder = None if layout is None else SymbolFinder(layout)

    def taker(self, frame: bytes) -> BookKeeper | None:
        """The book that a frame is most likely for; while links change over, all have to be decoded."""
        if self._finder is None or self.handover is not None:
            return None
        symbol = self._finder.find(frame)
        return None if symbol is None else self._books.get(symbol)

    def take(self, message: Message | FrameError, now_ns: int) -> None:
        """Hand a message to the book it is of."""
        if self.handover is not None and isinstance(message, Delta) and not self.handover.passes(message):
            return
        symbol = message.symbol if isinstance(message, Delta | FrameError) else None
        if symbol is not None and (book := self._books.get(symbol)) is not None:
            book.take(message, now_ns)
        elif symbol is None and isinstance(message, FrameError) and message.remedy != "ignore":
            log.warning("link %s: unreadable message: %s", self._name, message)
            for book in tuple(self._books.values()):
                book.take(message, now_ns)
        else:
            self._metrics.unknown_frames += 1

    def wake(self) -> None:
        """Something was heard on the link after a silence."""
        for book in tuple(self._books.values()):
            book.wake()
