"""One symbol of a feed: its ``BookSync``, and the driver that serves it.

Whatever the synchroniser asks for is fetched beside the stream, by a task of this symbol alone; whatever it tells is
handed on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from orderbook.errors import FrameError
from orderbook.events import (
    AuditFailed,
    AuditPassed,
    Event,
    FrameRejected,
    NeedProbe,
    NeedSnapshot,
    SnapshotRejected,
    StateChanged,
)
from orderbook.feed.alarm import Alarm
from orderbook.feed.delivery import Subscribers
from orderbook.feed.errands import Errands
from orderbook.feed.events import Dump
from orderbook.feed.interest import Interest
from orderbook.feed.metrics import SymbolMetrics
from orderbook.feed.seams import World
from orderbook.feed.served import Behind, Kind
from orderbook.feed.settings import FeedSettings
from orderbook.feed.silence import Silence
from orderbook.feed.suspicion import Suspicions
from orderbook.guard import Pulse
from orderbook.types import BookState, Delta, Message
from orderbook.venues.base import Venue
from orderbook.venues.rest import Depth

log = logging.getLogger("orderbook.feed")

RECHECK_S: Final = 0.1
ANSWERS_MAX: Final = 4
"""Answers in a row, without a delta or a LIVE book, after which a topic is subscribed anew."""
_TROUBLE: Final = (BookState.STALE, BookState.HALTED, BookState.FAILED)
_ENDS_OF_AUDITS: Final = (AuditPassed, AuditFailed, SnapshotRejected, StateChanged)


class BookKeeper:
    """Keeps the book of one symbol.

    Args:
        venue: Its venue.
        symbol: The venue's identifier.
        kind: On what connections it is.
        depth: How deep snapshots are asked for.
        world: The seams.
        settings: Bounds.
        tell: Gets every event.
        keep: Gets a dump when an audit fails.

    Attributes:
        key, kind: The symbol, and as given.
        sync: The synchroniser.
        metrics: What was counted beside the synchroniser's own counters.
        subscriptions: Who gets updates, in this order.
        since_ns: When the state last changed.
        interest: How much it matters.
    """

    def __init__(
        self,
        venue: Venue,
        symbol: str,
        kind: Kind,
        depth: Depth,
        world: World,
        settings: FeedSettings,
        tell: Callable[[str, Event], None],
        keep: Callable[[Dump], None],
    ) -> None:
        self.symbol = self.key = symbol
        self.kind = kind
        self.since_ns = self._spoke_ns = world.clock()
        self.metrics = SymbolMetrics()
        self.subscriptions = Subscribers()
        self._behind: Behind = lambda _symbol, _received: None
        self.pulse = Pulse()
        self.interest = Interest(self.subscriptions)
        self._depth = depth
        self._world = world
        self._tell = tell
        self._keep = keep
        self._published = 0
        self._compared = b""
        self._alarm = Alarm(world.clock, settings.lag_ms, self._ring)
        self._changed = asyncio.Event()
        self.sync = world.new_sync(
            venue,
            symbol,
            snapshot_depth=depth,
            settings=settings.sync,
            clock=world.clock,
            max_age_ms=settings.max_age_ms,
            pulse=self.pulse,
        )
        self._errands = Errands(
            self.sync,
            depth,
            world,
            settings,
            self.metrics,
            snapshot=self._take_snapshot,
            probe=self._take_probe,
            interest=self.interest,
            refused=self.fail,
        )
        self._is_subscribed = False
        self._answers = 0
        self._suspicions = Suspicions(is_whole=self._depth == "full")
        self.silence = Silence(
            settings.silence_gaps, settings.silence_min_ms / 1000, (settings.sync.symbol_silence_ms or 0) / 1000
        )

    def __repr__(self) -> str:
        return f"<BookKeeper of {self.sync!r}>"

    # -- what the link tells --

    @property
    def is_live(self) -> bool:
        """Whether the book is."""
        return self.sync.state is BookState.LIVE

    @property
    def is_halted(self) -> bool:
        """Whether the venue does not trade it."""
        return self.sync.state is BookState.HALTED

    @property
    def has_failed(self) -> bool:
        """Whether only the user can help."""
        return self.sync.state is BookState.FAILED

    def share(self, pulse: Pulse, behind: Behind) -> None:
        """From now on the book is as fresh as that link, which gets its stream anew if it stays behind."""
        self.sync.book.pulse = self.pulse = pulse
        self._behind = behind

    def opened(self) -> None:
        """A new link is up. To a symbol that the venue does not trade, links mean nothing."""
        if self.is_halted:
            return
        self._is_subscribed = False
        now_ns = self._world.clock()
        self._follow(self.sync.connection_opened(now_ns), now_ns)

    def subscribed(self) -> None:
        """The venue acknowledged the subscription."""
        if self.is_halted:
            return
        self._is_subscribed = True
        now_ns = self._world.clock()
        self._follow(self.sync.subscribed(now_ns), now_ns)

    def lost(self, _reason: str) -> None:
        """The link is gone. What was asked for on its account is not waited for any more."""
        self._errands.drop()
        self.metrics.reconnects += 1
        if not self.is_halted:
            now_ns = self._world.clock()
            self._follow(self.sync.connection_lost(now_ns), now_ns)

    def unreachable(self, reason: str) -> None:
        """The book is not LIVE anyway, and whoever waits for it is told why."""

    def halt(self, reason: str) -> None:
        """The venue does not trade it at the moment."""
        self._errands.drop()
        now_ns = self._world.clock()
        self._follow(self.sync.halt(reason, now_ns), now_ns)

    def resume(self, *, is_connected: bool) -> None:
        """The venue trades it again."""
        now_ns = self._world.clock()
        self._follow(self.sync.connection_lost(now_ns), now_ns)
        if is_connected:
            self.opened()

    def fail(self, reason: str) -> None:
        """Only the user can help."""
        now_ns = self._world.clock()
        self._follow(self.sync.fail(reason, now_ns), now_ns)

    def offer(self, frame: bytes, now_ns: int) -> bool:
        """Take a frame as it is if it is plain, and continues the book; if not, nothing has happened."""
        sync = self.sync
        events = sync.offer(frame, now_ns)
        if events is None:
            return False
        self._spoke(now_ns, sync.book.venue_ms)
        if events:
            self._follow(events, now_ns, sync.recent[-1])
        else:
            if self.subscriptions:
                self._publish(sync.recent[-1] if self.subscriptions.want_deltas else None, now_ns)
            if self._alarm.timer is None:
                self._arm()
        if self._suspicions.may_be_due(sync.book.content.remove_absent_count, now_ns):
            self._compare_if_odd(now_ns)
        return True

    def take(self, message: Message | FrameError, now_ns: int) -> None:
        """A message of this symbol, or one that nobody can read."""
        sync = self.sync
        events = sync.receive_decoded(message, now_ns)
        if type(message) is Delta:
            self._spoke(now_ns, message.venue_ms)
            if self.subscriptions and not events:
                self._publish(message, now_ns)
        if events:
            self._follow(events, now_ns, message if type(message) is Delta else None)
        elif sync.state is not BookState.LIVE or self._alarm.timer is None:
            self._arm()
        if type(message) is Delta:
            self._compare_if_odd(now_ns)

    def _spoke(self, now_ns: int, venue_ms: int | None) -> None:
        """A delta came."""
        self._spoke_ns = now_ns
        self.metrics.received += 1
        self._answers = 0
        if venue_ms is not None:
            self.metrics.observe_venue_time(venue_ms, self._world.wall_clock())

    def wake(self) -> None:
        """Something was heard on the link after a silence."""
        now_ns = self._world.clock()
        self._follow(self.sync.check(now_ns), now_ns)

    def look(self, received: int, elapsed_s: float) -> None:
        """So many deltas came since the last look: ask the venue where it stands if the silence is unusual."""
        now_ns = self._world.clock()
        if self.silence.look(received, elapsed_s, (now_ns - self._spoke_ns) / 1e9):
            self._follow(self.sync.doubt(now_ns), now_ns)
        self._compare_if_odd(now_ns)

    def _compare_if_odd(self, now_ns: int) -> None:
        if self._suspicions.are_due(self.sync, now_ns):
            log.warning("%s: a delta does not fit the book: comparing", self.symbol)
            self.audit()

    @property
    def is_comparing(self) -> bool:
        """Whether an audit or a wider horizon waits for its snapshot."""
        return self.sync.wants_snapshot and self.is_live

    @property
    def is_waiting(self) -> bool:
        """Whether it is not LIVE, and waits for the snapshot that would change that."""
        return self.sync.wants_snapshot and not self.is_live

    def move(self) -> None:
        """It may matter more, or less, than before: its place in the line follows."""
        self._errands.move()

    @property
    def why(self) -> str:
        """Why the book is in its state, as well as anybody knows."""
        reason, problem = self.sync.book.reason, self._errands.problem
        if self.sync.state is not BookState.SYNCING:
            return reason
        if problem is not None:
            reason = f"no snapshot: {problem}"
        elif self._is_subscribed and self.sync.book.epoch == 0:
            reason = "subscribed, waiting for a snapshot"
        place = self._errands.place
        return reason if place is None else f"{reason} (number {place} in line for a snapshot)"

    def audit(self) -> None:
        """Compare the book with a fresh snapshot, in the background."""
        now_ns = self._world.clock()
        self._follow(self.sync.audit(now_ns), now_ns)

    async def changed(self) -> None:
        """Wait for the next change of state, or for a moment.

        A book that is merely too old is LIVE again with the next frame, and no change of state tells of that.
        """
        with suppress(TimeoutError), self.interest.awaiting():
            async with asyncio.timeout(RECHECK_S):
                await self._changed.wait()

    async def close(self) -> None:
        """The end of this symbol: no task and no timer is left."""
        now_ns = self._world.clock()
        self._follow(self.sync.close(now_ns), now_ns)
        self._alarm.cancel()
        tasks = self._errands.drop()
        for subscription in self.subscriptions:
            subscription.close(drain=True)
        await asyncio.gather(*tasks, return_exceptions=True)

    # -- what the synchroniser tells --

    def _follow(self, events: Sequence[Event], now_ns: int, delta: Delta | None = None) -> None:
        """Hand events on; ``delta`` is the message that they came with."""
        for event in events:
            self._suspicions.hear(event)
            match event:
                case StateChanged():
                    self._state_changed(event, now_ns)
                case NeedSnapshot():
                    self._errands.want_snapshot(event)
                    if event.reason == "venue ahead":
                        self._behind(self.symbol, self.metrics.received)
                case NeedProbe():
                    self._errands.want_probe()
                case AuditFailed():
                    self._audit_failed(event)
                case FrameRejected() | SnapshotRejected():
                    log.info("%s: %s: %s", self.symbol, type(event).__name__, event.reason)
            self._tell(self.symbol, event)
            if isinstance(event, _ENDS_OF_AUDITS):
                self._compared = b""
        if events:
            # With a change of state more than this one delta may have been applied.
            is_one = not any(isinstance(event, StateChanged) for event in events)
            self._publish(delta if is_one else None, now_ns)
        self._errands.give_back()
        self._arm()

    def _state_changed(self, event: StateChanged, now_ns: int) -> None:
        is_bad = event.old is BookState.LIVE or event.new in _TROUBLE
        log.log(
            logging.WARNING if is_bad and event.new is not BookState.CLOSED else logging.INFO,
            "%s: %s -> %s: %s",
            self.symbol,
            event.old.value,
            event.new.value,
            event.reason,
        )
        self.since_ns = now_ns
        self.metrics.observe_state(event.old, event.new, now_ns)
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
        if event.new is BookState.LIVE:
            # The view that goes out now shows all that was applied so far: no second update for it.
            self._published = self.sync.book.sequence
            # It may have been joined by mere answers, to a stream that is dead: its silence counts from now on.
            self._spoke_ns = now_ns
            self.silence.begin()
        for subscription in self.subscriptions:
            subscription.publish(None, now_ns, state_changed=True)
        if event.new is BookState.STALE and event.reason.startswith("venue ahead"):
            self._behind(self.symbol, self.metrics.received)

    def _publish(self, delta: Delta | None, now_ns: int) -> None:
        sequence = self.sync.book.sequence
        if sequence != self._published and self.sync.state is BookState.LIVE:
            self._published = sequence
            for subscription in self.subscriptions:
                subscription.publish(delta, now_ns, state_changed=False)

    # -- what was asked for --

    def _take_snapshot(self, body: bytes) -> None:
        now_ns = self._world.clock()
        # The comparison may have to wait until the stream is there.
        self._compared = body
        self._follow(self.sync.receive_snapshot(body, now_ns, depth=self._depth), now_ns)
        self._answered()

    def _take_probe(self, sequence: int | None) -> None:
        now_ns = self._world.clock()
        if sequence is None:
            self._follow(self.sync.probe_failed(now_ns), now_ns)
            return
        self._follow(self.sync.receive_probe(sequence, now_ns), now_ns)
        self._answered()

    def _answered(self) -> None:
        """One answer after the other while no delta comes, and the book does not get LIVE: the topic may be dead."""
        self._answers += 1
        if self._answers >= ANSWERS_MAX and self.sync.state in (BookState.SYNCING, BookState.STALE):
            self._answers = 0
            self._behind(self.symbol, self.metrics.received)

    def _audit_failed(self, event: AuditFailed) -> None:
        log.error("%s: audit failed at %d: %d levels differ", self.symbol, event.sequence, len(event.differences))
        self._keep(Dump(self.symbol, event, self.sync.recent, self._compared))

    def _arm(self) -> None:
        """Have ``check`` called when the synchroniser's next wait is over."""
        self._alarm.set(self.sync.next_check_ns)

    def _ring(self, now_ns: int) -> None:
        self._follow(self.sync.check(now_ns), now_ns)
