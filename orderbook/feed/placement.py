"""Which topic is on which connection."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from orderbook.errors import UsageError
from orderbook.feed.linkkeeper import Home, LinkKeeper
from orderbook.feed.served import Kind, Served
from orderbook.feed.settings import FeedSettings
from orderbook.feed.subscriber import Learnt

log = logging.getLogger("orderbook.feed")

MakeLink = Callable[[str, Kind, Home], LinkKeeper]


class Placement:
    """Puts topics on connections of their kind, as many on each as the venue allows.

    Args:
        settings: ``topics_max`` and ``links_max``.
        make_link: Makes the keeper of a further connection, from its name, its kind and its place here.

    Attributes:
        links: The keepers of all connections.
        topics_max: Topics on each; lowered when the venue says so.
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

    def __getitem__(self, key: str) -> LinkKeeper:
        return self._places[key]

    def of(self, kind: Kind) -> list[LinkKeeper]:
        """The connections of a kind."""
        return [link for link in self.links if link.kind is kind]

    def require_room(self, *wanted: tuple[int, Kind]) -> None:
        """Raise ``UsageError`` unless so many topics more of these kinds, each named once, have room together."""
        links_left = self._links_max - len(self.links)
        for count, kind in wanted:
            room = sum(max(0, self.topics_max - len(link.served)) for link in self.of(kind))
            links_left -= -(-max(0, count - room) // self.topics_max)
            if count > room and links_left < 0:
                what = kind.name or "symbols"
                raise UsageError(
                    f"{count} more {what} do not fit: {self._links_max} connections hold {self.topics_max} each"
                )

    def put(self, one: Served) -> None:
        """Give a topic to the first connection of its kind that has room, or to a new one."""
        link = next((link for link in self.of(one.kind) if len(link.served) < self.topics_max), None)
        if link is None:
            self._made += 1
            link = self._make_link(" ".join(filter(None, (one.kind.name, str(self._made)))), one.kind, self)
            self.links.append(link)
            self._places[one.key] = link
            link.add(one)
            link.start()
        else:
            self._places[one.key] = link
            link.add(one)

    def take(self, key: str) -> Served:
        """Take a topic off its connection."""
        return self._places.pop(key).remove(key)

    @property
    def messages(self) -> int:
        """Client messages so far, over all connections."""
        return self._messages_before + sum(link.messages for link in self.links)

    async def close(self) -> None:
        """End all connections, and wait for that."""
        await asyncio.gather(*(link.close() for link in self.links), *self._ending, return_exceptions=True)

    def idle(self, link: LinkKeeper) -> None:
        """A connection has had no topic for a while: close it, and another may have its place."""
        log.info("link %s has no topics any more", link.name)
        self.links.remove(link)
        self._messages_before += link.messages
        ending = link.end()
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)

    def crowded(self, link: LinkKeeper, limit: int, keys: list[str]) -> None:
        """The venue allows fewer topics on a connection: move those that have no room."""
        asked = sum(not one.has_failed for one in link.served.values())
        if asked == 1:
            for key in keys:
                link.served[key].fail("the venue has no room for it, even on a connection of its own")
            return
        # At least one less than now: else the same topics would come back to the same connection.
        self.topics_max = max(1, min(limit, asked - 1))
        leaving = keys[-(asked - self.topics_max) :] if asked else []
        log.warning("the venue allows %d topics on a connection: moving %d", self.topics_max, len(leaving))
        for key in leaving:
            is_full = all(len(one.served) >= self.topics_max for one in self.of(link.kind))
            if len(self.links) >= self._links_max and is_full:
                link.served[key].fail(f"no connection has room for it: {self._links_max} are full")
                continue
            one = self.take(key)
            one.lost("it moves to another connection")
            self.put(one)
