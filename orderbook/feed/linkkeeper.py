"""Keeps one connection up for weeks, with its topics subscribed.

A task connects (fresh token each time), subscribes whatever is wanted and not acknowledged yet, and connects again when
the link is over. Before the venue ends a link of its own accord, another is opened beside it and takes over.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Protocol

from orderbook.errors import RestError
from orderbook.feed.admission import Admission
from orderbook.feed.errors import LinkError, SubscribeError
from orderbook.feed.events import LinkDown, LinkReplaced, LinkUp, Notice, SubscriptionRefused
from orderbook.feed.handover import Handover
from orderbook.feed.health import LinkHealth
from orderbook.feed.link import Link, label
from orderbook.feed.metrics import FeedMetrics
from orderbook.feed.opener import Opener
from orderbook.feed.pacing import MS, Backoff, Connects
from orderbook.feed.renewals import Renewals
from orderbook.feed.replacement import Replacement
from orderbook.feed.seams import World
from orderbook.feed.served import Kind, Served
from orderbook.feed.settings import FeedSettings
from orderbook.feed.sorter import Sorter
from orderbook.feed.subscriber import Learnt, Refusals, Subscriber, TooManyTopics
from orderbook.guard import Pulse

log = logging.getLogger("orderbook.feed")

Tell = Callable[[str | None, Notice], None]
"""Gets an event and the symbol it is about."""


class Home(Protocol):
    """Where the keepers of a feed's links stand, beside one another.

    Attributes:
        learnt: Limits that one of them was told by the venue.
    """

    learnt: Learnt

    def crowded(self, link: LinkKeeper, limit: int, keys: list[str]) -> None:
        """The venue allows so many topics on a connection, and these have no room on that one."""

    def idle(self, link: LinkKeeper) -> None:
        """It has had no topic for a while."""


class LinkKeeper:
    """One connection after the other, for the same topics.

    Args:
        name: For people.
        kind: What it is for.
        world: The seams.
        settings: Bounds.
        connects: How often connections may be made, in the whole feed.
        metrics: The feed's.
        home: Its place among the others.
        tell: Gets every event.

    Attributes:
        kind: As given.
        served: What is on it, by key.
        connects: Links that were welcomed.
        last_problem: Why the last attempt to connect came to nothing; ``None`` after one that did not.
    """

    def __init__(
        self,
        name: str,
        kind: Kind,
        world: World,
        settings: FeedSettings,
        connects: Connects,
        metrics: FeedMetrics,
        *,
        home: Home,
        tell: Tell,
    ) -> None:
        self.name = name
        self.kind = kind
        self.served: dict[str, Served] = {}
        self.connects = 0
        self.messages_before = 0
        self.last_problem: Exception | None = None
        self._world = world
        self._settings = settings
        self._opener = Opener(kind, world, settings, connects, metrics)
        self._metrics = metrics
        self._sorter = Sorter(name, kind, self.served, metrics)
        self._home = home
        self._tell = tell
        self._pulse = Pulse()
        self._closing: asyncio.Task[None] | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._link: Link | None = None
        self._wanted = asyncio.Event()
        self._stuck: set[str] = set()
        self._renewals = Renewals(settings.resubscribe_ms, self._resubscribe)
        # Spread, so that many links do not all come to their end at once.
        self._life_ns = int(settings.link_life_ms * MS * world.rng.uniform(0.9, 1.0))
        self._backoff = Backoff(settings.reconnect_min_ms, settings.reconnect_max_ms, world.rng)
        self._patience = Backoff(settings.reconnect_min_ms, settings.reconnect_max_ms, world.rng)
        self._replacing = Backoff(settings.replace_retry_min_ms, settings.replace_retry_max_ms, world.rng)
        self._refusals = Refusals(settings.refused_retry_ms, world.clock, world.rng)
        self._admission = Admission(kind, settings.refused_retry_ms, world.rng, partial(tell, None))
        self._subscriber = Subscriber(kind, home.learnt, settings.subscribe_attempts, self._acknowledged, self._refused)
        self._task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<LinkKeeper {self.name}, {len(self.served)} topics, {'up' if self._link else 'down'}>"

    # -- from the feed --

    def start(self) -> None:
        """Begin to connect."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"link {self.name}")

    def add(self, one: Served) -> None:
        """Serve one topic more."""
        one.share(self._pulse, self._renewals.begin)
        self.served[one.key] = one
        self._stop_idling()
        if self._link is not None:
            one.opened()
        elif self._admission.reason is not None:
            one.fail(self._admission.reason)
        self._wanted.set()

    def remove(self, key: str) -> Served:
        """Serve one topic less."""
        # Named, and not only found missing: it may be added again before anybody looks.
        self._stuck.add(key)
        self._wanted.set()
        self._renewals.end(key)
        self._refusals.forget(key)
        self._sorter.forget(key)
        one = self.served.pop(key)
        if not self.served and self._closing is None:
            self._stop_idling()
            idle_s = self._settings.idle_link_ms / 1000
            self._idle = asyncio.get_running_loop().call_later(idle_s, self._home.idle, self)
        return one

    def renew(self, key: str) -> None:
        """Serve a topic again that the venue had halted."""
        if self._link is not None:
            self._link.subscribed.discard(key)
            self._wanted.set()

    @property
    def is_up(self) -> bool:
        """Whether there is a connection now."""
        return self._link is not None

    def end(self) -> asyncio.Task[None]:
        """Begin to end the connection, and every task of it; returns what is done when that is."""
        if self._closing is None:
            self._stop_idling()
            self._closing = asyncio.get_running_loop().create_task(self._close(), name=f"end of link {self.name}")
        return self._closing

    async def close(self) -> None:
        """End it, and wait for that."""
        await asyncio.shield(self.end())

    async def _close(self) -> None:
        if self._link is not None:
            await self._link.close("closed")
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _stop_idling(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    @property
    def messages(self) -> int:
        """Client messages so far, over all links."""
        return self.messages_before + (0 if self._link is None else self._link.messages)

    def health(self) -> LinkHealth:
        """How it is doing."""
        rtt_ms = None if self._link is None else self._link.rtt_ms
        return LinkHealth(self.name, self.is_up, len(self.served), rtt_ms, max(0, self.connects - 1))

    # -- the life of links --

    async def _run(self) -> None:
        while True:
            reason = "closed"
            try:
                link = await self._opener.open(self._sorter, self._pulse)
                self.connects += 1
                self.last_problem = None
                self._admission.admitted()
                reason = await self._serve(link)
            except (LinkError, RestError) as error:
                self.last_problem, reason = error, str(error)
                self._admission.failed(error)
            except Exception as error:
                # A bug, ours or of a seam. To stop here would leave the books without a link for ever.
                log.exception("link %s failed", self.name)
                reason = f"internal error: {type(error).__name__}"
                self.last_problem = LinkError(reason)
            finally:
                self._lose(reason)
            delay_ms = self._admission.pause_ms() or self._backoff.next_ms()
            log.warning("link %s: %s; connecting again in %d ms", self.name, reason, delay_ms)
            await asyncio.sleep(delay_ms / 1000)

    async def _serve(self, link: Link) -> str:
        """Keep a link, and those that replace it, until one is lost; the reason why."""
        self._link = link
        self._tell(None, LinkUp(self.name))
        self._refusals.clear()
        for one in tuple(self.served.values()):
            one.opened()
        due_ns = link.opened_ns + self._life_ns
        while not link.ended.done():
            self._wanted.set()
            reconciling = asyncio.create_task(self._reconcile_always(link))
            try:
                await self._use(link, due_ns)
                old, link = link, link if link.ended.done() else await self._replace(link)
            finally:
                reconciling.cancel()
                await asyncio.gather(reconciling, return_exceptions=True)
            if link is not old:
                due_ns = link.opened_ns + self._life_ns
            else:
                due_ns = self._world.clock() + int(self._replacing.next_ms() * MS)
        return link.ended.result()

    async def _use(self, link: Link, due_ns: int) -> None:
        """Wait until a link ends, or has to be replaced. A useful one ends the back-off, whatever becomes of it."""
        useful_ns = self._settings.useful_after_ms * MS
        while not link.ended.done() and (left_ns := due_ns - self._world.clock()) > 0:
            await asyncio.wait((link.ended,), timeout=max(min(left_ns, useful_ns), MS) / 1e9)
            self._appreciate(link)

    async def _replace(self, old: Link) -> Link:
        """Open another link beside an old one, and change over without a gap. If that fails, the old one goes on."""
        refused: list[SubscribeError] = []
        subscriber = self._subscriber.of_a_trial(refused.append)
        replacement = Replacement(
            old, self._opener, self._begin_handover, lambda link: self._reconcile(link, subscriber), self._missing
        )
        try:
            link = await replacement.run(partial(self._change_over, old))
        except (LinkError, RestError) as problem:
            log.warning("link %s: cannot be replaced: %s", self.name, problem)
            return old
        finally:
            if self._link is old:
                self._sorter.handover = None
        log.info("link %s: replaced before its end", self.name)
        self._replacing.reset()
        self._tell(None, LinkReplaced(self.name))
        for error in refused:
            if error.symbol not in link.subscribed:
                self._refused(error)
        await replacement.settle(link, self.kind.doubt_s)
        self._sorter.handover = None
        return link

    def _begin_handover(self, handover: Handover) -> None:
        self._sorter.handover = handover

    def _missing(self, old: Link, new: Link) -> set[str]:
        """Keys that would lose by a change. What the venue does not serve on the old link either, is no reason."""
        served = {key for key, one in self.served.items() if not (one.is_halted or one.has_failed)}
        return (served & old.subscribed) - new.subscribed

    def _change_over(self, old: Link, link: Link, handover: Handover) -> None:
        self._link = link
        self.connects += 1
        self.messages_before += old.messages
        old.end("replaced")
        # As one step: in a replay the books go on with the new link, as they do here.
        self._opener.record("open", link, "")
        self._opener.record("close", old, f"replaced by {link.url}")
        for message, received_ns in handover.switch(partial(self._opener.record_frame, link)):
            self._sorter.take(message, received_ns)
        link.hand_to(self._sorter, self._pulse)
        # In the same order in every run: timers begin here.
        for key in sorted(link.subscribed):
            self._acknowledged(key)

    def _appreciate(self, link: Link) -> None:
        age_ms = (self._world.clock() - link.opened_ns) // MS
        is_live = any(one.is_live for one in self.served.values())
        if is_live and age_ms >= self._settings.useful_after_ms:
            self._backoff.reset()

    def _lose(self, reason: str) -> None:
        link, self._link, self._sorter.handover = self._link, None, None
        self._renewals.clear()
        if link is None:
            if self._closing is None:
                self._metrics.connect_errors += 1
                self._tell(None, LinkDown(self.name, reason))
                for one in tuple(self.served.values()):
                    (one.unreachable if self._admission.reason is None else one.fail)(reason)
            return
        link.end(reason)
        self._appreciate(link)
        self.messages_before += link.messages
        self._metrics.reconnects[label(reason)] += 1
        if self._closing is None:
            # An end of our own making is none: a recording ends with the books as they were.
            self._opener.record("close", link, reason)
        self._tell(None, LinkDown(self.name, reason))
        for one in tuple(self.served.values()):
            one.lost(reason)

    # -- subscriptions --

    async def _reconcile_always(self, link: Link) -> None:
        wait_s: float | None = None
        try:
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await self._wanted.wait()
                self._wanted.clear()
                if await self._reconcile(link, self._subscriber):
                    wait_s = self._patience.next_ms() / 1000
                else:
                    wait_s = self._refusals.wait_s()
                    self._patience.reset()
        except LinkError as error:
            link.end(str(error))
        except Exception as error:
            log.exception("subscribing on link %s failed", self.name)
            link.end(f"internal error: {type(error).__name__}")

    async def _reconcile(self, link: Link, subscriber: Subscriber) -> set[str]:
        """Make the subscriptions of a link those that are wanted; returns what the venue has to be asked for later."""
        stuck = self._stuck & link.subscribed
        if link is self._link:
            self._stuck.clear()
        if gone := (link.subscribed - self.served.keys()) | stuck:
            await subscriber.unsubscribe(link, gone)
        wanted = {key for key in self.served if self._is_wanted(key, link)}
        try:
            return await subscriber.subscribe(link, wanted - link.subscribed)
        except TooManyTopics as error:
            self._home.crowded(self, error.limit, sorted((wanted - link.subscribed) & self.served.keys()))
            self._wanted.set()
            return set()

    def _is_wanted(self, key: str, link: Link) -> bool:
        """What the venue refused is asked for again slowly, and on every new link."""
        if key in self._refusals:
            return self._link is not link or self._refusals.is_due(key)
        return not self.served[key].has_failed

    def _acknowledged(self, key: str) -> None:
        self._refusals.forget(key)
        # What is stuck is about to be unsubscribed, and subscribed anew.
        if key not in self._stuck and (one := self.served.get(key)) is not None:
            one.subscribed()

    def _refused(self, error: SubscribeError) -> None:
        log.error("link %s: %s", self.name, error)
        one = self.served.get(error.symbol)
        about = error.symbol if one is None else one.symbol
        self._tell(about, SubscriptionRefused(error.symbol, error.code, error.text))
        if one is not None:
            self._refusals.add(error.symbol)
            one.fail(str(error))

    def _resubscribe(self, key: str, attempt: int) -> bool:
        """A topic stays behind the venue: subscribe it anew, until it is of use."""
        one = self.served.get(key)
        if one is None or self._link is None or (attempt and one.is_live):
            return False
        log.warning("%s: subscribing again, its stream is behind the venue", key)
        self._stuck.add(key)
        self._wanted.set()
        return True
