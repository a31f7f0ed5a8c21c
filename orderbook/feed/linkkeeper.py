"""Keeps one connection up for weeks, with its symbols subscribed.

A task connects (fresh token each time), subscribes whatever is wanted and not acknowledged yet, and connects again when
the link is over. Before the venue ends a link of its own accord, another is opened beside it and takes over.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from orderbook.errors import FrameError, RestError
from orderbook.feed.bookkeeper import BookKeeper
from orderbook.feed.errors import LinkError, SubscribeError
from orderbook.feed.events import LinkDown, LinkReplaced, LinkUp, Notice, SubscriptionRefused
from orderbook.feed.handover import Handover
from orderbook.feed.health import LinkHealth
from orderbook.feed.link import Link, Receiver
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
        self._is_closing = False
        self._link: Link | None = None
        self._wanted = asyncio.Event()
        self._stuck: set[str] = set()
        self._handover: Handover | None = None
        self._timers: dict[str, asyncio.TimerHandle] = {}
        # Spread, so that many links do not all come to their end at once.
        self._life_ns = int(settings.link_life_ms * MS * world.rng.uniform(0.9, 1.0))
        self._backoff = Backoff(settings.reconnect_min_ms, settings.reconnect_max_ms, world.rng)
        self._patience = Backoff(settings.reconnect_min_ms, settings.reconnect_max_ms, world.rng)
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
        # Named, and not only found missing: it may be added again before anybody looks.
        self._stuck.add(symbol)
        self._wanted.set()
        self._unstick(symbol)
        return self.books.pop(symbol)

    def renew(self, symbol: str) -> None:
        """Serve a symbol again that the venue had halted."""
        self.books[symbol].resume(is_connected=self.is_connected)
        if self._link is not None:
            self._link.subscribed.discard(symbol)
            self._wanted.set()

    async def close(self) -> None:
        """End the connection, and every task of it."""
        self._is_closing = True
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
                link = await self._open(self, self._pulse)
                self.last_problem = None
                reason = await self._serve(link)
            except (LinkError, RestError) as error:
                self.last_problem = error
                self._metrics.connect_errors += 1
                reason = str(error)
                self._tell(None, LinkDown(self.name, reason))
            except Exception as error:
                # A bug, ours or of a seam. To stop here would leave the books without a link for ever.
                log.exception("link %s failed", self.name)
                reason = f"internal error: {type(error).__name__}"
                self.last_problem = LinkError(reason)
            finally:
                self._lose(reason)
            delay_ms = self._backoff.next_ms()
            log.warning("link %s: %s; connecting again in %d ms", self.name, reason, delay_ms)
            await asyncio.sleep(delay_ms / 1000)

    async def _open(self, receiver: Receiver, pulse: Pulse) -> Link:
        """A new link, welcomed. Raises ``LinkError`` or ``RestError``."""
        world = self._world
        turn_ns = await self._connects.turn()
        token = await world.rest.token()
        server = world.rng.choice(token.servers)
        connect_id = world.new_id()
        url = kucoin_session.public_url(server.endpoint, connect_id)
        try:
            socket = await world.connect(kucoin_session.connect_url(server.endpoint, token.token, connect_id))
        finally:
            self._connects.settle(turn_ns)
        link = Link(url, socket, server, self._venue, world, self._settings, pulse, receiver)
        self._record("open", link, "")
        try:
            await link.welcome()
        except BaseException as error:
            socket.abort()
            self._record("close", link, str(error))
            raise
        self.connects += 1
        self._metrics.connects += 1
        pulse.heard_ns = world.clock()
        link.start()
        return link

    async def _serve(self, link: Link) -> str:
        """Keep a link, and those that replace it, until one is lost; the reason why."""
        self._link = link
        log.info("link %s is up", self.name)
        self._tell(None, LinkUp(self.name))
        for book in tuple(self.books.values()):
            book.opened()
        due_ns = link.opened_ns + self._life_ns
        while True:
            self._wanted.set()
            reconciling = asyncio.create_task(self._reconcile_always(link))
            try:
                await self._use(link, due_ns)
            finally:
                reconciling.cancel()
                await asyncio.gather(reconciling, return_exceptions=True)
            if link.ended.done():
                return link.ended.result()
            old, link = link, await self._replace(link)
            if link is not old:
                due_ns = link.opened_ns + self._life_ns
            else:
                due_ns = self._world.clock() + int(self._backoff.next_ms() * MS)

    async def _use(self, link: Link, due_ns: int) -> None:
        """Wait until a link ends, or has to be replaced. A useful one ends the back-off, whatever becomes of it."""
        useful_ns = self._settings.useful_after_ms * MS
        while not link.ended.done() and (left_ns := due_ns - self._world.clock()) > 0:
            await asyncio.wait((link.ended,), timeout=max(min(left_ns, useful_ns), MS) / 1e9)
            self._appreciate(link)

    async def _replace(self, old: Link) -> Link:
        """Open another link beside an old one, and change over without a gap. If that fails, the old one goes on."""
        self._handover = handover = Handover()
        attempt = asyncio.create_task(self._successor(old, handover))
        try:
            await asyncio.wait((attempt, old.ended), return_when=asyncio.FIRST_COMPLETED)
        finally:
            attempt.cancel()
            (link,) = await asyncio.gather(attempt, return_exceptions=True)
            if isinstance(link, Link):
                self._change_over(old, link, handover)
            else:
                self._handover = None
        if not isinstance(link, Link):
            log.warning("link %s: cannot be replaced: %s", self.name, link)
            return old
        # Not recorded as an end: in a replay the books go on with the new link, as they do here.
        log.info("link %s: replaced before its end", self.name)
        self._tell(None, LinkReplaced(self.name))
        with suppress(LinkError, TimeoutError):
            # With this pong, all that the old one may have brought as well has come.
            await link.fence()
        self._handover = None
        return link

    async def _successor(self, old: Link, handover: Handover) -> Link:
        # With a pulse of its own: that a new link is heard says nothing of the one that the books live on.
        link = await self._open(handover, Pulse())
        try:
            await self._bring_up(link, old, handover)
        except BaseException as error:
            link.end("not needed")
            self._record("close", link, str(error))
            raise
        return link

    async def _bring_up(self, link: Link, old: Link, handover: Handover) -> None:
        if await self._reconcile(link, lambda _symbol: None):
            raise LinkError("the venue does not subscribe everything at the moment")
        await old.fence()  # Both carry all deltas now. With this pong, what the old one alone carried has been read.
        if handover.is_full:
            raise LinkError("too many messages while two links were open")

    def _change_over(self, old: Link, link: Link, handover: Handover) -> None:
        self._link = link
        self.messages_before += old.messages
        old.end("replaced")
        for message, received_ns in handover.switch():
            self.take(message, received_ns)
        link.hand_to(self, self._pulse)
        for symbol in tuple(link.subscribed):
            self._acknowledged(symbol)

    def _appreciate(self, link: Link) -> None:
        age_ms = (self._world.clock() - link.opened_ns) // MS
        is_live = any(book.sync.state is BookState.LIVE for book in self.books.values())
        if is_live and age_ms >= self._settings.useful_after_ms:
            self._backoff.reset()

    def _lose(self, reason: str) -> None:
        link, self._link, self._handover = self._link, None, None
        for symbol in tuple(self._timers):
            self._unstick(symbol)
        if link is None:
            return
        link.end(reason)
        self._appreciate(link)
        self.messages_before += link.messages
        # Without what differs each time: it is a label of a metric.
        self._metrics.reconnects[reason.partition(" (")[0][:60]] += 1
        if not self._is_closing:
            # An end of our own making is none: a recording ends with the books as they were.
            self._record("close", link, reason)
        self._tell(None, LinkDown(self.name, reason))
        for book in tuple(self.books.values()):
            book.lost()

    def _record(self, kind: RecordKind, link: Link, text: str) -> None:
        if self._world.record is not None:
            self._world.record(kind, link.url, text.encode(), None)

    # -- subscriptions --

    async def _reconcile_always(self, link: Link) -> None:
        wait_s: float | None = None
        try:
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await self._wanted.wait()
                self._wanted.clear()
                if await self._reconcile(link, self._acknowledged):
                    wait_s = self._patience.next_ms() / 1000
                else:
                    wait_s = None
                    self._patience.reset()
        except LinkError as error:
            link.end(str(error))
        except Exception as error:
            log.exception("subscribing on link %s failed", self.name)
            link.end(f"internal error: {type(error).__name__}")

    async def _reconcile(self, link: Link, acknowledged: Callable[[str], None]) -> set[str]:
        """Make the subscriptions of a link those that are wanted; returns what the venue has to be asked for later."""
        stuck = self._stuck & link.subscribed
        if link is self._link:
            self._stuck.clear()
        if gone := (link.subscribed - self.books.keys()) | stuck:
            await self._subscriber.unsubscribe(link, gone)
        wanted = {name for name, book in self.books.items() if book.sync.state is not BookState.FAILED}
        try:
            return await self._subscriber.subscribe(link, wanted - link.subscribed, acknowledged)
        except TooManyTopics as error:
            self._crowded(self, error.limit, sorted((wanted - link.subscribed) & self.books.keys()))
            self._wanted.set()
            return set()

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
        if self._handover is not None and isinstance(message, Delta) and not self._handover.passes(message):
            return
        symbol = message.symbol if isinstance(message, Delta | FrameError) else None
        if symbol is not None and (book := self.books.get(symbol)) is not None:
            book.take(message, now_ns)
        elif symbol is None and isinstance(message, FrameError) and message.remedy != "ignore":
            log.warning("link %s: unreadable message: %s", self.name, message)
            for book in tuple(self.books.values()):
                book.take(message, now_ns)
        else:
            self._metrics.unknown_frames += 1

    def wake(self) -> None:
        """Something was heard on the link after a silence."""
        for book in tuple(self.books.values()):
            book.wake()
