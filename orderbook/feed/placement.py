"""Which symbol is on which connection."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from orderbook.errors import UsageError
from orderbook.feed.bookkeeper import BookKeeper
from orderbook.feed.linkkeeper import Home, LinkKeeper
from orderbook.feed.settings import FeedSettings
from orderbook.feed.subscriber import Learnt
from orderbook.types import BookState

log = logging.getLogger("orderbook.feed")

MakeLink = Callable[[str, Home], LinkKeeper]


class Placement:
    """Puts symbols on connections, as many on each as the venue allows.

    Args:
        settings: ``topics_max`` and ``links_max``.
        make_link: Makes the keeper of a further connection, from its name and its place here.

    Attributes:
        links: The keepers of all connections.
        topics_max: Symbols on each; lowered when the venue says so.
        learnt: Further limits that the venue told.
    """

    def __init__(self, settings: FeedSettings, make_link: MakeLink) -> None:
        self.links: list[LinkKeeper] = []
        self.topics_max = settings.topics_max
        self.learnt = Learnt(settings.batch_max)
        self._made = 0
        self._messages_before = 0
        self._ending: set[asyncio.Task[None]] = set()
        self._links_max = settings.links_max
        self._make_link = make_link
        self._places: dict[str, LinkKeeper] = {}

    def __getitem__(self, symbol: str) -> LinkKeeper:
        return self._places[symbol]

    def require_room(self, count: int) -> None:
        """Raise ``UsageError`` unless so many symbols more have room."""
        room = sum(max(0, self.topics_max - len(link.books)) for link in self.links)
        room += (self._links_max - len(self.links)) * self.topics_max
        if count > room:
            raise UsageError(
                f"{count} more symbols do not fit: {self._links_max} connections hold {self.topics_max} each"
            )

    def put(self, book: BookKeeper) -> None:
        """Give a symbol to the first connection that has room, or to a new one."""
        link = next((link for link in self.links if len(link.books) < self.topics_max), None)
        if link is None:
            self._made += 1
            link = self._make_link(str(self._made), self)
            self.links.append(link)
            self._places[book.symbol] = link
            link.add(book)
            link.start()
        else:
            self._places[book.symbol] = link
            link.add(book)

    def take(self, symbol: str) -> BookKeeper:
        """Take a symbol off its connection."""
        return self._places.pop(symbol).remove(symbol)

    @property
    def messages(self) -> int:
        """Client messages so far, over all connections."""
        return self._messages_before + sum(link.messages for link in self.links)

    async def close(self) -> None:
        """End all connections, and wait for that."""
        await asyncio.gather(*(link.close() for link in self.links), *self._ending, return_exceptions=True)

    def idle(self, link: LinkKeeper) -> None:
        """A connection has had no symbol for a while: close it, and another may have its place."""
        log.info("link %s has no symbols any more", link.name)
        self.links.remove(link)
        self._messages_before += link.messages
        ending = link.end()
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)

    def crowded(self, link: LinkKeeper, limit: int, symbols: list[str]) -> None:
        """The venue allows fewer symbols on a connection: move those that have no room."""
        asked = sum(book.sync.state is not BookState.FAILED for book in link.books.values())
        if asked == 1:
            for symbol in symbols:
                link.books[symbol].fail("the venue has no room for it, even on a connection of its own")
            return
        # At least one less than now: else the same symbols would come back to the same connection.
        self.topics_max = max(1, min(limit, asked - 1))
        leaving = symbols[-(asked - self.topics_max) :] if asked else []
        log.warning("the venue allows %d symbols on a connection: moving %d", self.topics_max, len(leaving))
        for symbol in leaving:
            if len(self.links) >= self._links_max and all(len(one.books) >= self.topics_max for one in self.links):
                link.books[symbol].fail(f"no connection has room for it: {self._links_max} are full")
                continue
            book = self.take(symbol)
            book.lost()
            self.put(book)
