"""Keeps one connection up for weeks, with its symbols subscribed.

A task connects (fresh token each time), subscribes whatever is wanted and not acknowledged yet, and connects again when
the link is over. Before the venue ends a link of its own accord, another is opened beside it and takes over.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from orderbook.errors import FrameError, RestError
from orderbook.feed.bookkeeper import BookKeeper
from orderbook.feed.errors import LinkError, SubscribeError
from orderbook.feed.events import LinkDown, LinkReplaced, LinkUp, Notice, SubscriptionRefused
from orderbook.feed.health import LinkHealth
from orderbook.feed.link import Link
from orderbook.feed.metrics import FeedMetrics
from orderbook.feed.pacing import MS, Backoff, Pacer
from orderbook.feed.seams import RecordKind, World
from orderbook.feed.settings import FeedSettings
from orderbook.feed.subscriber import Subscriber, TooManyTopics
from orderbook.guard import Pulse
from orderbook.types import BookState, Delta, Message
from orderbook.venues import kucoin_session
from orderbook.venues.base import Venue

log = logging.getLogger("orderbook.feed")

Tell = Callable[[str | None, Notice], None]
"""Gets an event and the symbol it is about."""


class LinkKeeper:
    """One connection after the other, for the same symbols.

    Args:
        name: For people.
        venue: The venue.
        world: The seams.
        settings: Bounds.
        connects: How often connections may be made, in the whole feed.
        metrics: The feed's.
        tell: Gets every event.
        crowded: Gets the limit and the symbols that have no room here, when the venue allows fewer than we thought.

    Attributes:
        books: The symbols, by name.
        connects: Links that were welcomed.
        last_problem: Why the last attempt to connect came to nothing; ``None`` after one that did not.
    """

    def __init__(
        self,
        name: str,
        venue: Venue,
        world: World,
        settings: FeedSettings,
        connects: Pacer,
        metrics: FeedMetrics,
        *,
        crowded: Callable[[LinkKeeper, int, list[str]], None],
        tell: Tell,
    ) -> None:
        self.name = name
        self.books: dict[str, BookKeeper] = {}
        self.connects = 0
        self.messages_before = 0
        self.last_problem: Exception | None = None
        self._venue = venue
        self._world = world
        self._settings = settings
        self._connects = connects
        self._metrics = metrics
        self._crowded = crowded
        self._tell = tell
        self._pulse = Pulse()
        self._link: Link | None = None
        self._wanted = asyncio.Event()
        self._stuck: set[str] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        # Spread, so that many links do not all come to their end at once.
        self._life_ns = int(settings.link_life_ms * MS * world.rng.uniform(0.9, 1.0))
        self._backoff = Backoff(settings.reconnect_min_ms, settings.reconnect_max_ms, world.rng)
        self._subscriber = Subscriber(settings.batch_max, settings.subscribe_attempts, self._refused)
        self._task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<LinkKeeper {self.name}, {len(self.books)} symbols, {'up' if self._link else 'down'}>"

    # -- from the feed --

    def start(self) -> None:
        """Begin to connect."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"link {self.name}")

    def add(self, book: BookKeeper) -> None:
        """Serve one symbol more."""
        book.share(self._pulse)
        book.behind = self._resubscribe
        self.books[book.symbol] = book
        if self._link is not None:
            book.opened()
        self._wanted.set()

    def remove(self, symbol: str) -> BookKeeper:
        """Serve one symbol less."""
        self._wanted.set()
        self._unstick(symbol)
        return self.books.pop(symbol)

    def renew(self, symbol: str) -> None:
        """Subscribe a symbol again, whatever was thought of it."""
        if self._link is not None:
            self._link.subscribed.discard(symbol)
            self._wanted.set()

    async def close(self) -> None:
        """End the connection, and every task of it."""
        if self._link is not None:
            await self._link.close("closed")
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @property
    def is_connected(self) -> bool:
        """Whether a link is up."""
        return self._link is not None

    @property
    def messages(self) -> int:
        """Client messages so far, over all links."""
        return self.messages_before + (0 if self._link is None else self._link.messages)

    def health(self) -> LinkHealth:
        """How it is doing."""
        rtt_ms = None if self._link is None else self._link.rtt_ms
        return LinkHealth(self.name, self.is_connected, len(self.books), rtt_ms, max(0, self.connects - 1))

    # -- the life of links --

    async def _run(self) -> None:
        while True:
            reason = "closed"
            try:
                link = await self._open()
                self.last_problem = None
                reason = await self._serve(link)
            except (LinkError, RestError) as error:
                self.last_problem = error
                self._metrics.connect_errors += 1
                reason = str(error)
                self._tell(None, LinkDown(self.name, reason))
            finally:
                self._lose(reason)
            delay_ms = self._backoff.next_ms()
            log.warning("link %s: %s; connecting again in %d ms", self.name, reason, delay_ms)
            await asyncio.sleep(delay_ms / 1000)

    async def _open(self) -> Link:
        """A new link, welcomed. Raises ``LinkError`` or ``RestError``."""
        world = self._world
        await self._connects.turn()
        token = await world.rest.token()
        server = world.rng.choice(token.servers)
        connect_id = world.new_id()
        url = kucoin_session.public_url(server.endpoint, connect_id)
        socket = await world.connect(kucoin_session.connect_url(server.endpoint, token.token, connect_id))
        link = Link(url, socket, server, self._venue, world, self._settings, self._pulse, self)
        self._record("open", link, "")
        try:
            await link.welcome()
        except BaseException as error:
            socket.abort()
            self._record("close", link, str(error))
            raise
        self.connects += 1
        self._metrics.connects += 1
        self._pulse.heard_ns = world.clock()
        link.start()
        return link

    async def _serve(self, link: Link) -> str:
        """Keep a link, and those that replace it, until one is lost; the reason why."""
        self._link = link
        log.info("link %s is up", self.name)
        self._tell(None, LinkUp(self.name))
        for book in tuple(self.books.values()):
            book.opened()
        while True:
            self._wanted.set()
            reconciling = asyncio.create_task(self._reconcile_always(self._link))
            left_ns = self._link.opened_ns + self._life_ns - self._world.clock()
            try:
                await asyncio.wait((self._link.ended,), timeout=max(left_ns, MS) / 1e9)
            finally:
                reconciling.cancel()
                await asyncio.gather(reconciling, return_exceptions=True)
            if self._link.ended.done():
                return self._link.ended.result()
            await self._replace(self._link)

    async def _replace(self, old: Link) -> None:
        """Open another link beside an old one, and change over without a gap. If that fails, the old one goes on."""
        attempt = asyncio.create_task(self._successor(old))
        try:
            await asyncio.wait((attempt, old.ended), return_when=asyncio.FIRST_COMPLETED)
        finally:
            attempt.cancel()
            (link,) = await asyncio.gather(attempt, return_exceptions=True)
            if isinstance(link, Link):
                self._link = link
                self.messages_before += old.messages
                old.end("replaced")
        if isinstance(link, Link):
            # Not recorded as an end: in a replay the books go on with the new link, as they do here.
            log.info("link %s: replaced before its end", self.name)
            self._tell(None, LinkReplaced(self.name))
        elif not old.ended.done():
            delay_ms = self._backoff.next_ms()
            log.warning("link %s: cannot be replaced: %s; again in %d ms", self.name, link, delay_ms)
            await asyncio.wait((old.ended,), timeout=delay_ms / 1000)

    async def _successor(self, old: Link) -> Link:
        link = await self._open()
        try:
            await self._reconcile(link)
            # Both carry every delta now. With this pong, all that only the old one carried has been read.
            await old.fence()
        except BaseException as error:
            link.end("not needed")
            self._record("close", link, str(error))
            raise
        return link

    def _lose(self, reason: str) -> None:
        link, self._link = self._link, None
        for symbol in tuple(self._timers):
            self._unstick(symbol)
        if link is None:
            return
        link.end(reason)
        age_ns = self._world.clock() - link.opened_ns
        is_live = any(book.sync.state is BookState.LIVE for book in self.books.values())
        if is_live and age_ns >= self._settings.useful_after_ms * MS:
            self._backoff.reset()
        self.messages_before += link.messages
        # Without what differs each time: it is a label of a metric.
        self._metrics.reconnects[reason.partition(" (")[0][:60]] += 1
        self._record("close", link, reason)
        self._tell(None, LinkDown(self.name, reason))
        for book in tuple(self.books.values()):
            book.lost()

    def _record(self, kind: RecordKind, link: Link, text: str) -> None:
        if self._world.record is not None:
            self._world.record(kind, link.url, text.encode(), None)

    # -- subscriptions --

    async def _reconcile_always(self, link: Link) -> None:
        try:
            while True:
                await self._wanted.wait()
                self._wanted.clear()
                await self._reconcile(link)
        except LinkError as error:
            link.end(str(error))

    async def _reconcile(self, link: Link) -> None:
        """Make the subscriptions of a link those that are wanted."""
        stuck, self._stuck = self._stuck & link.subscribed, set()
        if gone := (link.subscribed - self.books.keys()) | stuck:
            await self._subscriber.unsubscribe(link, gone)
        wanted = {name for name, book in self.books.items() if book.sync.state is not BookState.FAILED}
        try:
            await self._subscriber.subscribe(link, wanted - link.subscribed, self._acknowledged)
        except TooManyTopics as error:
            self._crowded(self, error.limit, sorted(wanted - link.subscribed))

    def _acknowledged(self, symbol: str) -> None:
        if (book := self.books.get(symbol)) is not None:
            book.subscribed()

    def _refused(self, error: SubscribeError) -> None:
        log.error("link %s: %s", self.name, error)
        self._tell(error.symbol, SubscriptionRefused(error.symbol, error.code, error.text))
        if (book := self.books.get(error.symbol)) is not None:
            book.fail(str(error))

    def _resubscribe(self, symbol: str, attempt: int = 0) -> None:
        """The stream of a symbol stays behind the venue: subscribe it anew, until its book is LIVE."""
        book, link = self.books.get(symbol), self._link
        if book is None or link is None or (attempt == 0 and symbol in self._timers):
            return
        if attempt and book.sync.state is BookState.LIVE:
            self._unstick(symbol)
            return
        log.warning("%s: subscribing again, its stream is behind the venue", symbol)
        self._stuck.add(symbol)
        self._wanted.set()
        delay_s = self._settings.resubscribe_ms * 2 ** min(attempt, 4) / 1000
        self._timers[symbol] = asyncio.get_running_loop().call_later(delay_s, self._resubscribe, symbol, attempt + 1)

    def _unstick(self, symbol: str) -> None:
        if (timer := self._timers.pop(symbol, None)) is not None:
            timer.cancel()

    # -- frames --

    def take(self, message: Message | FrameError, now_ns: int) -> None:
        """Hand a message to the book it is of."""
        symbol = message.symbol if isinstance(message, Delta | FrameError) else None
        if symbol is not None:
            book = self.books.get(symbol)
            if book is not None:
                book.take(message, now_ns)
            else:
                self._metrics.unknown_frames += 1
        elif isinstance(message, FrameError) and message.remedy != "ignore":
            log.warning("link %s: unreadable message: %s", self.name, message)
            for book in tuple(self.books.values()):
                book.take(message, now_ns)
        else:
            self._metrics.unknown_frames += 1

    def wake(self) -> None:
        """Something was heard on the link after a silence."""
        for book in tuple(self.books.values()):
            book.wake()
