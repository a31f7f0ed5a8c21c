"""The streams of a feed beside its books: who reads which; each topic is subscribed once, while somebody reads it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, TypeVar
from weakref import finalize

from orderbook.errors import UsageError, shown
from orderbook.feed.errors import NoCredentials
from orderbook.feed.held import Held
from orderbook.feed.herald import Herald
from orderbook.feed.listeners import Listeners
from orderbook.feed.listings import Listings
from orderbook.feed.metrics import FeedMetrics
from orderbook.feed.pacing import MS
from orderbook.feed.placement import Placement
from orderbook.feed.seams import World
from orderbook.feed.served import streams_of
from orderbook.feed.settings import FeedSettings
from orderbook.feed.stream import LIMIT, Stream
from orderbook.feed.streamkeeper import StreamKeeper
from orderbook.feed.symbols import checked
from orderbook.own import OwnOrder
from orderbook.streams import (
    BalanceUpdate,
    Candle,
    MarketStats,
    OrderUpdate,
    StopOrderUpdate,
    StreamMessage,
    TickerUpdate,
    TopLevels,
    Touch,
    Trade,
)
from orderbook.venues import kucoin_topics as topics
from orderbook.venues.base import Venue
from orderbook.venues.topics import ALL, Topic

M = TypeVar("M", bound=StreamMessage)


class Streams:
    """Opens streams, and ends the subscription of a topic with its last reader.

    Args:
        venue: The venue.
        placement: Finds connections for topics.
        settings: Bounds.
        listings: What the venue lists.
        listeners: The callbacks of the feed.
        herald: Gets every event.
        metrics: The feed's.
        require_open: Raises ``FeedClosed`` unless the feed is open.

    Attributes:
        keepers: The topics that are read, as they stand on the wire.

    What comes is an iterator: see ``Stream``. ``limit`` is how many messages are kept for a reader that is slow.
    Each of the following methods raises:

    Raises:
        UsageError: No symbols where there have to be some, an argument that cannot be, or no room for more topics.
        UnknownSymbol: One that the venue does not have: it would acknowledge it, and send nothing.
        NoCredentials: The stream is of an account, and the feed has no API key.
        FeedClosed: The feed is not open.
    """

    def __init__(
        self,
        venue: Venue,
        placement: Placement,
        settings: FeedSettings,
        listings: Listings,
        listeners: Listeners,
        herald: Herald,
        metrics: FeedMetrics,
        *,
        require_open: Callable[[], None],
    ) -> None:
        self.keepers: dict[str, StreamKeeper] = {}
        self._kinds = {is_private: streams_of(venue, is_private=is_private) for is_private in (False, True)}
        self._venue = venue
        self._placement = placement
        self._silence_ms = settings.sync.link_silence_max_ms
        self._listings = listings
        self._listeners = listeners
        self._herald = herald
        self._metrics = metrics
        self._require_open = require_open
        self._all: Held[Stream[Any]] = Held()

    def start(self, world: World) -> None:
        """The feed is open."""
        self._world = world

    # -- the streams --

    def trades(self, *symbols: str, limit: int = LIMIT) -> Stream[Trade]:
        """The trades of symbols, each as it happens."""
        return self._open(topics.TRADES, symbols, limit)

    def candles(self, symbol: str, interval: str, *, limit: int = LIMIT) -> Stream[Candle]:
        """The present candle of a symbol, whenever it changes.

        Args:
            symbol: Whose.
            interval: ``1min``, ``3min``, ``5min``, ``15min``, ``30min``, ``1hour``, ``2hour``, ``4hour``, ``6hour``,
                ``8hour``, ``12hour``, ``1day`` or ``1week``.
            limit: See above.
        """
        return self._open(topics.CANDLES, (symbol,), limit, interval)

    def tickers(self, *symbols: str, limit: int = LIMIT) -> Stream[TickerUpdate]:
        """The best prices and the last trade of symbols, or of ``"all"``, at most every 100 ms."""
        return self._open(topics.TICKERS, symbols, limit)

    def touches(self, *symbols: str, limit: int = LIMIT) -> Stream[Touch]:
        """The best prices of symbols alone, at most every 10 ms."""
        return self._open(topics.TOUCHES, symbols, limit)

    def top_levels(self, *symbols: str, levels: int = 5, limit: int = LIMIT) -> Stream[TopLevels]:
        """The best levels of symbols, 5 or 50 a side, whole each time, at most every 100 ms."""
        if levels not in (5, 50):
            raise UsageError(f"levels is 5 or 50, not {shown(levels)}")
        return self._open(topics.TOP_5 if levels == 5 else topics.TOP_50, symbols, limit)

    def market_stats(self, *symbols: str, limit: int = LIMIT) -> Stream[MarketStats]:
        """What the last hours brought to the markets of symbols, every 2 s."""
        return self._open(topics.STATS, symbols, limit)

    def balances(self, *, limit: int = LIMIT) -> Stream[BalanceUpdate]:
        """What the account of the API key holds of a currency, whenever that changes."""
        return self._open(topics.BALANCES, (), limit)

    def orders(self, *, version: int = 2, limit: int = LIMIT) -> Stream[OrderUpdate]:
        """What happens to the orders of the API key's account.

        Args:
            version: 2; or 1, which does not tell that an order was received.
            limit: See above.
        """
        if version not in (1, 2):
            raise UsageError(f"version is 1 or 2, not {shown(version)}")
        return self._open(topics.ORDERS if version == 2 else topics.ORDERS_V1, (), limit)

    def stop_orders(self, *, limit: int = LIMIT) -> Stream[StopOrderUpdate]:
        """What happens to the stop orders of the API key's account, until they become orders."""
        return self._open(topics.STOP_ORDERS, (), limit)

    async def open_orders(self) -> tuple[OwnOrder, ...]:
        """All open orders of the account at this moment, as REST lists them: what ``OwnKeeper`` reads.

        Raises:
            RestError: No answer; ``Refused``: there is no key, or the venue does not take it.
            FeedClosed: The feed is not open.
        """
        self._require_open()
        return await self._world.rest.open_orders()

    def _open(self, topic: Topic[M], symbols: Iterable[str], limit: int, suffix: str = "") -> Stream[M]:
        """Read a topic of some symbols from now on."""
        self._require_open()
        if topic.is_private and not self._world.has_key:
            raise NoCredentials(topic.path)
        names = self._names(topic, symbols)
        keys = {name: topic.channel(topic.name(name, suffix)) for name in names}
        new = [name for name, key in keys.items() if key not in self.keepers]
        kind = self._kinds[topic.is_private]
        self._placement.require_room((len(new), kind))
        tell = self._herald.tell
        made = {name: StreamKeeper(topic, keys[name], name, kind, tell, self._metrics) for name in new}
        origins = {name: made.get(name) or self.keepers[key] for name, key in keys.items()}
        stream: Stream[M] = Stream(
            topic.path, origins, limit=limit, metrics=self._metrics, listen=self._listeners.add, gone=self._closed
        )
        self._all.add(stream)
        for keeper in origins.values():
            keeper.join(stream)
        for name, keeper in made.items():
            self.keepers[keys[name]] = keeper
            self._placement.put(keeper)
        self._watch(stream, tuple(keys.values()))
        return stream

    def _names(self, topic: Topic[Any], symbols: Iterable[str]) -> tuple[str, ...]:
        given = tuple(symbols)
        if not topic.names_max:
            return ("",)
        if given == (ALL,) and topic.has_all:
            return given
        if not given:
            every = f', or "{ALL}"' if topic.has_all else ""
            raise UsageError(f"name the symbols of {topic.path}{every}")
        names = checked(self._venue, given)
        self._listings.require(names)
        return names

    def look(self) -> None:
        """Whether the topics are heard. O(topics)."""
        if self._silence_ms is not None:
            now_ns = self._world.clock()
            for keeper in tuple(self.keepers.values()):
                keeper.look(now_ns, self._silence_ms * MS)

    def end(self) -> None:
        """The feed is closed: what was read may still be taken."""
        for stream in self._all:
            stream.end()

    # -- readers --

    def _watch(self, stream: Stream[Any], keys: tuple[str, ...]) -> None:
        """Whoever lets go of a stream need not close it. The garbage may be collected in any thread."""
        loop, pid, sweep = asyncio.get_running_loop(), os.getpid(), self._sweep

        def collected() -> None:
            # In a fork the connections are not ours; and the loop may be closed.
            with suppress(RuntimeError):
                if os.getpid() == pid:
                    loop.call_soon_threadsafe(sweep, keys)

        finalize(stream, collected).atexit = False

    def _closed(self, stream: Stream[Any]) -> None:
        keys = [key for key, keeper in self.keepers.items() if stream in keeper.readers]
        for key in keys:
            self.keepers[key].readers.discard(stream)
        self._all.discard(stream)
        self._sweep(keys)

    def _sweep(self, keys: Iterable[str]) -> None:
        """End the subscriptions that nobody reads."""
        for key in keys:
            if (keeper := self.keepers.get(key)) is not None and not keeper.readers:
                del self.keepers[key]
                self._placement.take(key)
