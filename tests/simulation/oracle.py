"""The oracle: looks at every book after everything that happens to it, and knows what it should be.

It holds ten laws, of which ``Oracle`` judges these at every input of every synchroniser (the others need the whole run
and stand in ``running``):

I1  a LIVE book equals the venue's at the sequence that it names;
I2  a book that may be read has everything that the venue did before ``Terms.fresh_ms``, nothing that reached it is
    missing in it, and something was heard on its link within ``SILENCE_MS``;
I3  sequences grow within an epoch, and an epoch begins with a snapshot;
I4  states change as the table allows, with one event each; what ends LIVE ends it at once, and no input raises;
I6  buffers stay within their bounds;
I8  every frame is accounted for, and what is counted is told.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import product
from typing import Any, Final, NamedTuple

from orderbook.content import BookContent
from orderbook.errors import FrameError
from orderbook.events import AuditFailed, Event, SequenceReset, StateChanged
from orderbook.simulator.source import Source
from orderbook.simulator.truth import TruthTeller
from orderbook.sync import BookSync
from orderbook.testing import VirtualKuCoin
from orderbook.types import BookState, Delta, Side
from orderbook.venues.base import decode_frame
from tests.simulation.shadow import Mirror, Shadow, epoch_of, epoch_of_known
from tests.simulation.terms import Terms
from tests.told import miscounted

SILENCE_MS: Final = 5_000
"""No book may be read when nothing was taken from its connection for longer."""
POLL_MS: Final = 250
NOTES_MAX: Final = 20_000
"""Moments of the venue that are remembered of a book that cannot be read: more than an hour."""
INPUTS: Final = (
    *("connection_opened", "subscribed", "connection_lost", "halt", "fail", "close"),
    *("receive", "offer", "receive_decoded", "receive_snapshot", "receive_probe", "probe_failed"),
    *("audit", "doubt", "check"),
)
"""Every method by which something reaches a synchroniser."""
ENDS: Final = frozenset({"connection_lost", "connection_opened", "halt", "fail", "close"})
"""After these no book is LIVE."""
UNWANTED: Final = frozenset({BookState.HALTED, BookState.FAILED})
"""In these states a delta is counted and thrown away."""
COUNT_EVERY: Final = 64
NO_HORIZON: Final = {Side.BID: None, Side.ASK: None}
_S = BookState
FROM_ANY: Final = (_S.CONNECTING, _S.SYNCING, _S.HALTED, _S.FAILED, _S.CLOSED)
ALLOWED: Final = {
    *product(set(BookState) - {_S.CLOSED}, FROM_ANY),
    *((_S.SYNCING, _S.LIVE), (_S.SYNCING, _S.STALE), (_S.LIVE, _S.STALE), (_S.STALE, _S.LIVE)),
}
"""From which state to which other a book may go."""


class Breach(NamedTuple):
    """One law, broken once."""

    law: str
    symbol: str
    at_ns: int
    what: str


class Watch:
    """One book under observation."""

    def __init__(self, oracle: Oracle, source: Source) -> None:
        self._oracle = oracle
        self._source = source
        self._shadows: dict[int, Shadow] = {}
        self._mirror: Mirror | None = None
        self._position = (0, 0)
        self._joins = 0
        self._state = BookState.CONNECTING
        self._inputs = 0
        self._is_due = True
        self._reached = 0
        """The farthest that any delta has come that was handed in on this link and in this count of the venue."""
        self._wrong_ns: int | None = None
        """Since when a lie is in the readable book."""
        self._heard: Counter[str] = Counter()
        self._told: Counter[type[Event]] = Counter()
        self.sync: BookSync | None = None
        self.venue_epoch = 0
        #: (when, the venue's epoch, its sequence), oldest first; none that the readable book is known to have.
        self._past: deque[tuple[int, int, int]] = deque(maxlen=NOTES_MAX)
        self.compared = 0
        self.live_polls = 0
        self.lag_max_ms = 0.0
        self.depth = 0
        """Inputs within inputs."""

    def observe(self, content: BookContent, delta: Delta | None) -> None:
        """The observer of the synchroniser: a delta was applied, or a content was made."""
        shadow = self._shadows.get(id(content))
        if shadow is None or delta is None:
            self._shadows[id(content)] = Shadow(content)
            return
        try:
            shadow.follow(delta)
        except AssertionError as error:
            self._broken("I1", str(error))

    def hear(self, sync: BookSync, message: object) -> None:
        """A message is about to reach the synchroniser: which of them it has to account for."""
        if sync.state is BookState.CLOSED:
            return
        if isinstance(message, FrameError) and message.remedy != "ignore" and message.symbol in (None, sync.symbol):
            self._heard["unreadable"] += 1
        elif isinstance(message, Delta) and message.symbol == sync.symbol:
            self._heard["deltas"] += 1
            if sync.state not in UNWANTED:
                self._reached = max(self._reached, message.sequence_end)

    def raised(self, name: str, error: Exception) -> None:
        """An input raised, which none ever may."""
        self._broken("I4", f"{name} raised {error!r}")

    def after(self, sync: BookSync, name: str, message: object, events: Sequence[Event]) -> None:
        """Something reached the synchroniser, and this is what it told."""
        self._inputs += 1
        if name in ENDS:
            self._reached = 0
        elif events and any(isinstance(event, SequenceReset) for event in events):
            self._reached = message.sequence_end if isinstance(message, Delta) else 0
        if self._state is BookState.LIVE and any(isinstance(event, AuditFailed) for event in events):
            # The venue's answer may lie; but if it did not, this was readable until now.
            self._look_again(sync.book.content)
        self._judge_events(sync, events)
        if sync.state is BookState.LIVE:
            self._judge_live(sync, name, message)
        book = sync.book
        position = (book.epoch, book.sequence)
        if position != self._position:
            self._judge_position(sync, position)
            self._is_due = True
        if sync.state is not BookState.LIVE:
            self._wrong_ns = None
        elif self._is_due or events:
            self._compare(book.content, is_new=bool(events))
        if self._inputs % COUNT_EVERY == 0:
            self.count()

    def _judge_events(self, sync: BookSync, events: Sequence[Event]) -> None:
        self._told.update(type(event) for event in events)
        for event in events:
            if not isinstance(event, StateChanged):
                continue
            if event.old is not self._state:
                self._broken("I4", f"told {event} of a book that was {self._state.value}")
            if event.old is event.new or (event.old, event.new) not in ALLOWED:
                self._broken("I4", f"no such change: {event}")
            self._state = event.new
        # A LIVE book that nothing was heard of for too long reads as STALE; that is no change of its state.
        state = sync.book._guard.marked_state
        if state is not self._state:
            self._broken("I4", f"became {state.value} from {self._state.value} without an event")
            self._state = state
        if sync.buffered > sync._settings.buffer_frames_max:
            self._broken("I6", f"{sync.buffered} deltas are buffered")

    def _judge_live(self, sync: BookSync, name: str, message: object) -> None:
        if name in ENDS:
            self._broken("I4", f"LIVE after {name}")
        if sync.buffered:
            self._broken("I2", f"LIVE at {sync.book.sequence} with {sync.buffered} deltas that it has not applied")
        elif sync.book.sequence < self._reached:
            self._broken("I2", f"LIVE at {sync.book.sequence}, but {self._reached} has come")
        if isinstance(message, FrameError) and message.symbol == sync.symbol and message.remedy != "ignore":
            self._broken("I2", f"LIVE at {sync.book.sequence} though a message of its own is lost")

    def _judge_position(self, sync: BookSync, position: tuple[int, int]) -> None:
        (epoch, sequence), (old_epoch, old_sequence) = position, self._position
        if epoch < old_epoch or (epoch == old_epoch and sequence <= old_sequence):
            self._broken("I3", f"from {self._position} to {position}")
        if epoch != old_epoch:
            # Counters are asked for no more often: that ends what the lane does by itself.
            if sync.counters.joins == self._joins:
                self._broken("I3", f"epoch {epoch} without a snapshot")
            self._joins = sync.counters.joins
        self._position = position

    def _compare(self, content: BookContent, *, is_new: bool) -> None:
        """Is this, all of it, the venue's book at its sequence?"""
        self._is_due = False
        shadow = self._shadows.get(id(content))
        if shadow is None or shadow.content is not content or shadow.edges != content.horizon:
            shadow = Shadow(content)
        self._shadows = {id(content): shadow}
        if content.horizon == NO_HORIZON:
            found = epoch_of(content, shadow.digest, self._source)
        else:
            found = self._mirrored(content, shadow, is_new=is_new)
        self.compared += 1
        if found is None:
            self._is_wrong(content.sequence)
        else:
            self.venue_epoch, self._wrong_ns = found, None

    def _mirrored(self, content: BookContent, shadow: Shadow, *, is_new: bool) -> int | None:
        """The same of a book that is known to a horizon: level by level now and then, by digests in between."""
        mirror = self._mirror
        if not is_new and mirror is not None and mirror.follows(content):
            mirror.advance()
            if mirror.digest == shadow.known:
                return mirror.epoch
        found = epoch_of_known(content, self._source)
        self._mirror = None
        if found is not None and isinstance(self._source, TruthTeller):
            self._mirror = Mirror(content, self._source, found)
        return found

    def _is_wrong(self, sequence: int) -> None:
        """The readable book is not the venue's. Where the venue lies, that is to be put right in time."""
        now_ns = self._oracle.venue.now_ns()
        if self._wrong_ns is None:
            self._wrong_ns = now_ns
        if not self._oracle.terms.is_excused(self._wrong_ns, now_ns):
            self._broken("I1", f"wrong at {sequence}, LIVE")

    @property
    def is_lied_to(self) -> bool:
        """Whether the book is wrong, and cannot know it yet."""
        return self._wrong_ns is not None

    def poll(self, now_ns: int, silent_ms: float = 0.0) -> None:
        """Time has passed: may the book be read, and is it fresh?

        Args:
            now_ns: When.
            silent_ms: Nothing was taken from any connection for at least so long.
        """
        past, here = self._past, (self._source.epoch, self._source.sequence)
        if (not past or past[-1][1:] != here) and not self._oracle.terms.is_unseen(self._source):
            past.append((now_ns, *here))
        if self.sync is None or not self.sync.book.is_live:
            return
        self.live_polls += 1
        stands = (self.venue_epoch, self.sync.book.sequence)
        if silent_ms > SILENCE_MS:
            self._broken("I2", f"may be read, but nothing was heard for {silent_ms:.0f} ms")
        if self._wrong_ns is not None and not self._oracle.terms.is_excused(self._wrong_ns, now_ns):
            self._broken("I1", f"wrong at {stands[1]}, LIVE, for {(now_ns - self._wrong_ns) / 1e6:.0f} ms")
        while past and past[0][1:] <= stands:
            past.popleft()
        if not past:
            return
        lag_ms = (now_ns - past[0][0]) / 1e6
        self.lag_max_ms = max(self.lag_max_ms, lag_ms)
        fresh_ms = self._oracle.fresh_ms(now_ns)
        if lag_ms >= fresh_ms:
            self._broken("I2", f"may be read at {stands}, but the venue was at {past[0][1:]} {fresh_ms} ms ago")

    def count(self) -> None:
        """Does every frame show in one counter?"""
        assert self.sync is not None
        counters = self.sync.counters
        kept = (counters.applied, counters.duplicates, self.sync.buffered)
        parts = (*kept, counters.rejected_count, counters.discarded_count)
        if counters.frames != sum(parts):
            self._broken("I8", f"{counters.frames} frames, but applied, duplicate, held, rejected, discarded: {parts}")
        heard = self._heard
        if counters.frames != heard.total() or counters.rejected_count < heard["unreadable"]:
            self._broken("I8", f"{dict(heard)} came, but {counters.frames} were counted, {counters.rejected_count} bad")
        for what in miscounted(self._told, counters):
            self._broken("I8", what)

    def look_again(self) -> None:
        """Read the whole book once more, and compare it."""
        assert self.sync is not None
        if self.sync.state is BookState.LIVE:
            self._look_again(self.sync.book.content)

    def _look_again(self, content: BookContent) -> None:
        if (shadow := self._shadows.get(id(content))) is not None:
            try:
                shadow.look_again()
            except AssertionError as error:
                self._broken("I1", str(error))
        self._compare(content, is_new=True)

    def _broken(self, law: str, what: str) -> None:
        assert self.sync is not None
        self._oracle.broken(law, self.sync.symbol, what)


class Oracle:
    """Watches every book of the feeds of a venue.

    Args:
        venue: Where the truth is.
        terms: What may be asked of the run.
        fresh_ms: Of ``terms``, unless this is given.

    Attributes:
        breaches: What was broken, oldest first; the first ``BREACHES_MAX`` of them.
        watches: By symbol.
    """

    BREACHES_MAX: Final = 20

    def __init__(self, venue: VirtualKuCoin, terms: Terms | None = None, *, fresh_ms: int | None = None) -> None:
        self.venue = venue
        self.terms = terms or Terms()
        self._fresh_ms = fresh_ms
        self._taken = (0, 0)
        """How many frames were taken from connections, and when that was last seen to have grown."""
        self.breaches: list[Breach] = []
        self.watches: dict[str, Watch] = {}

    def maker(self, make: Callable[..., BookSync] = BookSync) -> Callable[..., BookSync]:
        """What makes synchronisers that are watched."""
        return partial(self._made, make)

    def _made(self, make: Callable[..., BookSync], *args: Any, **options: Any) -> BookSync:
        symbol = args[1]
        watch = Watch(self, self.venue.market[symbol])
        sync = make(*args, observer=watch.observe, **options)
        watch.sync = sync
        self.watches[symbol] = watch
        for name in INPUTS:
            setattr(sync, name, _watched(name, getattr(sync, name), sync, watch))
        return sync

    def broken(self, law: str, symbol: str, what: str) -> None:
        """Take note of a breach."""
        if len(self.breaches) < self.BREACHES_MAX:
            self.breaches.append(Breach(law, symbol, self.venue.now_ns(), what))

    def fresh_ms(self, now_ns: int) -> int:
        """How old what a readable book lacks may be."""
        return self.terms.fresh_ms(now_ns) if self._fresh_ms is None else self._fresh_ms

    def poll(self) -> None:
        """Look at all books as a reader does."""
        now_ns = self.venue.now_ns()
        if self.venue.delivered != self._taken[0]:
            self._taken = (self.venue.delivered, now_ns)
        silent_ms = (now_ns - self._taken[1]) / 1e6
        for watch in self.watches.values():
            watch.poll(now_ns, silent_ms)

    def finish(self, symbols: Iterable[str]) -> None:
        """The last look."""
        for symbol in symbols:
            self.watches[symbol].look_again()
            self.watches[symbol].count()


def _watched(
    name: str, method: Callable[..., Sequence[Event]], sync: BookSync, watch: Watch
) -> Callable[..., Sequence[Event] | None]:
    def offer(frame: bytes, now_ns: int) -> Sequence[Event] | None:
        # Not asked before of whom it is: nothing may depend on that.
        try:
            events = method(frame, now_ns)
        except Exception as error:
            watch.raised(name, error)
            raise
        if events is not None:
            message = decode_frame(sync._venue, frame, sync._settings.frame_bytes_max)
            watch.hear(sync, message)
            watch.after(sync, name, message, events)
        return events

    def call(*args: Any, **options: Any) -> Sequence[Event]:
        message = args[0] if name == "receive_decoded" else None
        watch.hear(sync, message)
        watch.depth += 1
        try:
            events = method(*args, **options)
        except Exception as error:
            watch.raised(name, error)
            raise
        finally:
            watch.depth -= 1
        if not watch.depth:
            # ``receive`` calls ``receive_decoded``: what matters is what the driver gets.
            watch.after(sync, name, message, events)
        return events

    return offer if name == "offer" else call
