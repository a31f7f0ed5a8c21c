"""``Feed``: live books of many symbols. What a user holds; the work is done by the keepers of links and books."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Awaitable, Callable, Generator, Iterable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any, Self

from orderbook.book import OrderBook
from orderbook.feed import forks
from orderbook.feed.alerting import Alerting
from orderbook.feed.bookkeeper import BookKeeper
from orderbook.feed.delivery import Deliver, Subscription
from orderbook.feed.errors import FeedClosed, ForkedFeed
from orderbook.feed.events import CallbackFailed, Dump, FeedEvent
from orderbook.feed.health import FeedHealth, SymbolStatus
from orderbook.feed.herald import EVENTS_MAX, EventStream, Herald
from orderbook.feed.housekeeping import Housekeeping
from orderbook.feed.linkkeeper import Home, LinkKeeper
from orderbook.feed.listeners import Callback, Heard, Listeners, check_callback
from orderbook.feed.listings import Listings
from orderbook.feed.metrics import FeedMetrics, SymbolMetrics
from orderbook.feed.overview import Readiness, health_of, status_of, until_all_live, until_live
from orderbook.feed.pacing import Connects
from orderbook.feed.placement import Placement
from orderbook.feed.resyncs import Resyncs
from orderbook.feed.seams import World
from orderbook.feed.served import Kind, books_of
from orderbook.feed.settings import FeedSettings
from orderbook.feed.streaming import Streams
from orderbook.feed.symbols import checked, named, not_here
from orderbook.feed.twice import Doubles
from orderbook.sync.journal import GapJournal, SyncCounters
from orderbook.types import BookState
from orderbook.venues.base import Venue
from orderbook.venues.rest import Depth, Instrument

OpenWorld = Callable[["Feed", AsyncExitStack], Awaitable[World]]
"""Makes the seams of a feed when it starts; what has to be closed again goes on the stack."""


class Feed(Alerting):
    """Live books, kept from the venue's stream for as long as the feed is open.

    Made by ``open_feed``, whose arguments these are, and used as an asynchronous context manager (or awaited, and then
    closed by hand). All of it belongs to one event loop.

    Attributes:
        venue: The venue.
        settings: Every bound.
        metrics: What the feed counted as a whole; see ``symbol_metrics`` for the rest.
        dumps: What the last failed audits saw, oldest first.
        trades, candles, tickers, touches, top_levels, market_stats, balances, orders, stop_orders: Streams beside the
            books, and open_orders: what REST lists of the orders; each is a method that ``Streams`` describes.
    """

    def __init__(
        self,
        venue: Venue,
        symbols: Iterable[str],
        depth: Depth,
        open_world: OpenWorld,
        settings: FeedSettings,
        on_event: Callable[[FeedEvent], None] | None = None,
        twice: Iterable[str] = (),
    ) -> None:
        self.venue = venue
        self.settings = settings
        self.metrics = FeedMetrics()
        self.dumps: deque[Dump] = deque(maxlen=settings.dumps_max)
        self._first = checked(venue, symbols)
        self._twice = named(checked(venue, twice), self._first)
        self._depth: Depth = depth
        self._placement = Placement(settings, self._make_link)
        self._open_world = open_world
        self.herald = Herald(on_event)
        self._books: dict[str, BookKeeper] = {}
        self._kind = books_of(venue)
        self._doubles = Doubles(self._placement, self._kind, settings)
        self._listings = Listings(venue, self._books, self._doubles.resume)
        self._listeners = Listeners(self._callback_failed)
        streams = self._streams = Streams(
            *(venue, self._placement, settings, self._listings, self._listeners, self.herald, self.metrics),
            require_open=self._require_open,
        )
        self.trades, self.candles, self.tickers = streams.trades, streams.candles, streams.tickers
        self.touches, self.top_levels, self.market_stats = streams.touches, streams.top_levels, streams.market_stats
        self.balances, self.orders, self.stop_orders = streams.balances, streams.orders, streams.stop_orders
        self.open_orders = streams.open_orders
        self._stack = AsyncExitStack()
        self._pid = os.getpid()
        self._opened = self._is_open = False
        self._closing: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        live = sum(book.sync.state is BookState.LIVE for book in self._books.values())
        return f"<Feed of {self.venue.name}: {live} of {len(self._books)} books LIVE>"

    # -- life --

    def __await__(self) -> Generator[Any, None, Self]:
        """``feed = await open_feed(...)`` opens it, too; then ``close`` it yourself."""
        return self.__aenter__().__await__()

    async def __aenter__(self) -> Self:
        """Open it: see ``start``."""
        try:
            await self.start()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it."""
        await self.close()

    async def start(self) -> None:
        """Ask the venue for its symbols, and begin to connect. The books become LIVE later: see ``ready``.

        Raises:
            RestError: The venue cannot be asked.
            UnknownSymbol: One that the venue does not have.
            FeedClosed: It was opened before.
        """
        if self._opened:
            raise FeedClosed("a feed is opened once; make another one")
        self._opened = True
        self._world = await self._open_world(self, self._stack)
        self._clock = self._world.clock
        self._connects = Connects(self.settings.connects_max)
        await self.read_instruments()
        self._listings.require(self._first)
        self._doubles.require_room(len(self._first), len(self._twice))
        self._streams.start(self._world)
        for symbol in self._first:
            self._add(symbol, is_twice=symbol in self._twice)
        self._resyncs = Resyncs(self._books, self._depth, self._world, self.settings.mass_resync_min, self.herald.tell)
        self._housekeeping = Housekeeping(
            *(self._books, self._world, self.settings, self.herald, self.metrics, self.read_instruments),
            *(self._resyncs, self._streams),
        )
        self._stack.push_async_callback(self._housekeeping.close)
        self._housekeeping.start()
        self._is_open = True
        forks.watch(self)

    async def close(self) -> None:
        """End it: books CLOSED, connections closed, no task, timer or socket left.

        Whoever calls it again waits for the same end; if the caller is cancelled, it goes on all the same.
        """
        if os.getpid() != self._pid:
            # In a fork nothing is ours to be closed: a goodbye from here would end the parent's connections.
            return
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._close(asyncio.current_task()))
        await asyncio.shield(self._closing)

    async def _close(self, caller: asyncio.Task[object] | None) -> None:
        forks.forget(self)
        for book in self._books.values():
            await book.close()
        self._streams.end()
        await self._listeners.close(caller)
        await self._placement.close()
        # Until then connections bring what waits.
        self._doubles.close()
        self.herald.close()
        await self._stack.aclose()

    # -- books --

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols of the feed, in the order in which they were added."""
        return tuple(self._books) if self._opened else self._first

    def __contains__(self, symbol: object) -> bool:
        return symbol in self._books

    def __getitem__(self, symbol: str) -> OrderBook:
        """The book of a symbol: one object for life, that refuses to be read while it is not LIVE.

        Raises:
            UsageError: Not a symbol of this feed.
            FeedClosed: The feed is not open.
        """
        return self._book(symbol).sync.book

    async def ready(self, symbol: str, *, timeout_s: float | None = None) -> OrderBook:
        """Wait until a book is LIVE.

        Args:
            symbol: Whose.
            timeout_s: For how long, in seconds; ``None``: for ever.

        Raises:
            NotReady: Not in time, or never without the user (which is known at once). It is a ``TimeoutError``.
            UsageError: Not a symbol of this feed.
            FeedClosed: The feed is not open, or was closed meanwhile.
        """
        return await until_live(self._book(symbol), timeout_s, lambda: self._why(symbol))

    async def ready_all(self, *, timeout_s: float | None = None) -> Readiness:
        """Wait until every book is LIVE that can be; which are then, and why others are not. Raises ``FeedClosed``."""
        self._require_open()
        return await until_all_live(self._books, timeout_s, self._why)

    def _why(self, symbol: str) -> str:
        """Why a book is not LIVE; that its link cannot be made says more than that it is not there."""
        problem = self._placement[symbol].last_problem
        return self._books[symbol].why if problem is None else str(problem)

    async def add(self, *symbols: str, twice: bool = False) -> None:
        """Keep more books, ``twice``: each on two connections. Those that the feed has already are passed over.

        Raises:
            UsageError: A symbol shall be on two connections, and is on one already; none is added then.
            UnknownSymbol: The venue does not have it; none is added then.
            RestError: The venue cannot be asked.
            FeedClosed: The feed is not open.
        """
        self._require_open()
        new = [symbol for symbol in checked(self.venue, symbols) if symbol not in self._books]
        self._doubles.require_known(set(symbols).intersection(self._books) if twice else ())
        if not self.instruments.keys() >= set(new):
            await self.read_instruments()
            # Much may have happened meanwhile.
            self._require_open()
            new = [symbol for symbol in new if symbol not in self._books]
        self._listings.require(new)
        self._doubles.require_room(len(new), len(new) * twice)
        for symbol in new:
            self._add(symbol, is_twice=twice)

    async def remove(self, *symbols: str) -> None:
        """Keep fewer books: they are CLOSED, and their subscriptions end.

        Raises:
            UsageError: Not a symbol of this feed; none is removed then.
            FeedClosed: The feed is not open.
        """
        for symbol in symbols:
            self._book(symbol)
        for symbol in symbols:
            # Somebody else may have removed it while this waited for another one.
            if (book := self._books.pop(symbol, None)) is not None:
                self._resyncs.forget(book)
                self._doubles.take(symbol)
                await book.close()

    def prioritise(self, *symbols: str) -> None:
        """Say which symbols matter most: when many books wait for snapshots, theirs come first.

        Whoever was named before and is not now matters no more than others; without names, nobody matters more. Next
        come books that somebody reads or waits for, and of all of them first those that move much; nobody waits for
        ever. A symbol that is removed has to be named again when it is added again.

        Raises:
            UsageError: Not a symbol of this feed; nothing changes then.
            FeedClosed: The feed is not open.
        """
        first = [self._book(symbol) for symbol in symbols]
        for keeper in self._books.values():
            keeper.interest.is_first = keeper in first
            keeper.move()
        self._resyncs.keep_for_first()

    # -- delivery --

    def updates(self, symbol: str, *, deliver: Deliver = "latest", limit: int = 1000, levels: int = 1) -> Subscription:
        """An asynchronous iterator of what happens to a book.

        Args:
            symbol: Whose book.
            deliver: ``every`` applied delta (in a queue of ``limit``), the ``latest`` book whenever it is asked for, or
                the ``best`` prices when they change. What had to be left out is counted in ``Update.skipped``.
            limit: Length of the queue, for ``every``.
            levels: Levels a side in each update.

        Raises:
            UsageError: Not a symbol of this feed, or a bad argument.
            FeedClosed: The feed is not open.
        """
        keeper = self._book(symbol)
        book, metrics, gone = keeper.sync.book, keeper.metrics, keeper.subscriptions.discard
        subscription = Subscription(
            book, deliver, limit=limit, levels=levels, metrics=metrics, clock=self._clock, gone=gone
        )
        keeper.subscriptions.add(subscription)
        return subscription

    def listen(
        self, symbol: str, callback: Callback, *, deliver: Deliver = "latest", limit: int = 1000, levels: int = 1
    ) -> Subscription:
        """Have a function, or a coroutine function, called with every update; see ``updates``.

        It is called by a task of its own: if it is slow, it misses updates and delays nobody. If it raises, that is
        counted, told (``CallbackFailed``) and logged, and it is called again with the next update.

        Returns:
            The subscription; close it to end this.
        """
        check_callback(callback, "an update")
        subscription = self.updates(symbol, deliver=deliver, limit=limit, levels=levels)
        self._listeners.add(subscription, callback)
        return subscription

    def _callback_failed(self, subscription: Heard[object], problem: str) -> None:
        if (book := self._books.get(subscription.symbol)) is not None:
            book.metrics.callback_errors += 1
        else:
            self.metrics.stream_callback_errors += 1
        self.herald.tell(subscription.symbol, CallbackFailed(subscription.symbol, problem))

    def events(self, *, limit: int = EVENTS_MAX) -> EventStream:
        """An asynchronous iterator of everything that is told from now on; the oldest go when it is not read."""
        self._require_open()
        return self.herald.stream(limit)

    # -- how it is doing --

    @property
    def instruments(self) -> dict[str, Instrument]:
        """The venue's rules of every symbol, by name."""
        return self._listings.instruments

    def counters(self, symbol: str) -> SyncCounters:
        """What was counted of a symbol since it was added: a copy, as it is now."""
        return self._book(symbol).sync.counters

    def journal(self, symbol: str) -> GapJournal:
        """Every loss of LIVE of a symbol."""
        return self._book(symbol).sync.journal

    def symbol_metrics(self, symbol: str) -> SymbolMetrics:
        """Delivery, latencies and recoveries of a symbol."""
        return self._book(symbol).metrics

    def status(self, symbol: str) -> SymbolStatus:
        """How a symbol is doing at this moment."""
        keeper = self._book(symbol)
        return status_of(keeper, self._why(symbol), self._housekeeping.rate(symbol), self._clock())

    def health(self) -> FeedHealth:
        """How the feed is doing at this moment."""
        self._require_open()
        books, streams = self._books.values(), self._streams.keepers.values()
        return health_of(books, streams, self._placement, self._world, self._resyncs)

    def audit_all(self) -> None:
        """Compare every LIVE book with a fresh snapshot, in the background and within the budget."""
        for book in self._books.values():
            book.audit()

    # -- inside --

    async def read_instruments(self) -> None:
        """Read the rules of all symbols; books of those that are not traded are HALTED. Raises ``RestError``."""
        await self._listings.read(self._world.rest)

    def _add(self, symbol: str, *, is_twice: bool) -> None:
        venue, tell = self.venue, self.herald.tell
        book = self._books[symbol] = BookKeeper(
            *(venue, symbol, self._kind, self._depth, self._world, self.settings, tell, self.dumps.append)
        )
        self._doubles.put(book, self._clock, is_twice=is_twice)
        self._listings.judge(book)

    def _make_link(self, name: str, kind: Kind, home: Home) -> LinkKeeper:
        connects, tell = self._connects, self.herald.tell
        world = replace(self._world, record=None) if kind is self._doubles.second else self._world
        return LinkKeeper(name, kind, world, self.settings, connects, self.metrics, home=home, tell=tell)

    def _book(self, symbol: str) -> BookKeeper:
        self._require_open()
        try:
            return self._books[symbol]
        except (KeyError, TypeError):
            raise not_here(symbol, self._books) from None

    def _require_open(self) -> None:
        if os.getpid() != self._pid:
            raise ForkedFeed
        if not self._is_open or self._closing is not None:
            why = "the feed is closed" if self._closing else "open the feed first: async with open_feed(...)"
            raise FeedClosed(why)

    def disown(self) -> None:
        """This process is a fork of the one that the connections belong to: no book may be read any more."""
        for book in self._books.values():
            book.sync.book.mark(BookState.CLOSED, "the feed belongs to the parent process", 0)
        self._streams.end()
