"""``BookSync``: bytes in, events out. What users drive; the decisions are the machine's, in ``machine.py``."""

from __future__ import annotations

from collections.abc import Callable

from orderbook.book import OrderBook
from orderbook.content import BookContent
from orderbook.errors import FrameError, UsageError, shown
from orderbook.events import Depth, Event
from orderbook.fixedpoint import SEQUENCE_MAX, as_time
from orderbook.guard import Pulse
from orderbook.settings import SyncSettings
from orderbook.sync.alarms import Alarms
from orderbook.sync.answers import Answers
from orderbook.sync.batch import BatchLane
from orderbook.sync.desk import Desk
from orderbook.sync.journal import GapJournal, SyncCounters
from orderbook.sync.landing import is_plain, land
from orderbook.sync.loader import Loader
from orderbook.sync.machine import Machine, Observer
from orderbook.sync.table import INDEX, Index, Verdict
from orderbook.types import BookState, Delta, Message, Side
from orderbook.venues import venue_named
from orderbook.venues.base import Venue, decode_frame
from orderbook.venues.layout import layout_of
from orderbook.venues.wire import Frame, frame_size, to_text


class BookSync(BatchLane):
    """Keeps the local book of one symbol right, or says that it is not.

    Feed it everything that comes off the wire, answer its ``NeedSnapshot`` and ``NeedProbe`` events when you can, and
    call ``check`` at ``next_check_ns``. At most one request for a snapshot is under way: after a ``SequenceReset`` the
    answer to it is taken for one of the old count. No input raises on any bytes. Times are integers in ns of one
    monotonic clock of the driver's (``UsageError`` beyond 64 bits); with 0 only the bounds that count apply.

    A driver that only feeds frames and snapshots works too: until ``connection_opened`` or ``connection_lost`` is first
    called, the link counts as open and subscribed from the first input on; after a loss, from the next frame on.

    Args:
        venue: A venue's name, or a venue.
        symbol: The venue's own identifier, as on the wire.
        snapshot_depth: How deep the snapshots are that will be handed in, unless ``receive_snapshot`` is told: levels
            a side, ``"full"``, or ``None``: a side with just as many rows as a public endpoint gives counts as cut off.
        settings: Every bound and wait.
        clock: A monotonic clock in ns; only needed for ``max_age_ms`` and the age in a view.
        max_age_ms: Reads are refused when nothing was heard for longer.
        pulse: When something was last heard, where the books of one link share that: the driver
            sets it at every frame, and calls ``check`` at the first one after a silence.
        observer: Called after every applied delta with the content it was applied to, be it the readable book's or one
            that is built beside it, and with the delta; and with ``None`` for a content just made from a snapshot.
        rules: Another table than the library's, as ``sync.table.indexed`` makes it; for tests of the table itself.

    Raises:
        UnknownVenue: No such venue.
        UsageError: A symbol that cannot be one of this venue, or a depth that is none.

    Attributes:
        symbol: As given.
        book: The book, one object for life.
        journal: Every loss of LIVE.
    """

    def __init__(
        self,
        venue: str | Venue,
        symbol: str,
        *,
        snapshot_depth: Depth = None,
        settings: SyncSettings | None = None,
        clock: Callable[[], int] | None = None,
        max_age_ms: int | None = None,
        pulse: Pulse | None = None,
        observer: Observer | None = None,
        rules: Index = INDEX,
    ) -> None:
        self._venue = venue_named(venue) if isinstance(venue, str) else venue
        self._venue.check_symbol(symbol)
        self._settings = settings or SyncSettings()
        self._depth = _checked_depth(snapshot_depth)
        self.symbol = symbol
        self.book = OrderBook(symbol, clock=clock, max_age_ms=max_age_ms, pulse=pulse)
        self.book.keep()
        self._desk = Desk(self.book, self._depth, self._settings)
        self._machine = Machine(self.book, self._desk, self._settings, observer, rules)
        self._answers = Answers(self._machine, self._settings)
        self._alarms = Alarms(self._machine, self._settings)
        self._observer = observer
        self._is_watched = observer is not None or max_age_ms is not None
        # Another table may decide otherwise about the plainest frame.
        layout = layout_of(self._venue) if rules is INDEX else None
        self._lay(layout, symbol, self._settings, is_observed=observer is not None)
        layout = layout_of(self._venue, "decode_snapshot")
        self._loader = Loader(layout, symbol, self._settings.snapshot_bytes_max)
        self.journal: GapJournal = self._desk.journal

    def __repr__(self) -> str:
        return f"<BookSync {self._venue.name} {self.symbol} {self.state.value} at {self.book.sequence}>"

    # -- what the driver may ask --

    @property
    def state(self) -> BookState:
        """What the book says of itself."""
        return self.book.state

    @property
    def counters(self) -> SyncCounters:
        """Numbers since the start, as they are now: a copy, so that two of them can be compared. O(reasons)."""
        land(self._machine, self._hand_over(), self._decode)
        return self._desk.counters.copy()

    @property
    def wants_snapshot(self) -> bool:
        """Whether the last ``NeedSnapshot`` still stands: unanswered, and not overtaken by events."""
        return self._desk.wish is not None

    @property
    def is_auditing(self) -> bool:
        """Whether a comparison is under way: its snapshot is awaited, or the stream at it."""
        return self._machine.auditor.busy

    @property
    def is_overdue(self) -> bool:
        """Whether a delta came for the first time that the book was beyond already, and nothing makes up for it yet.

        A new book does, or a comparison that began after it and went beyond where the book stood then.
        """
        return self._machine.auditor.is_overdue

    @property
    def buffered(self) -> int:
        """Deltas waiting for a snapshot or for a missing one."""
        return len(self._machine.buffer)

    @property
    def recent(self) -> tuple[Delta, ...]:
        """The last deltas received (``reset_window + 1`` at most), oldest first; for a look back after a fault."""
        land(self._machine, self._hand_over(), self._decode)
        return tuple(self._machine.recent)

    @property
    def next_check_ns(self) -> int | None:
        """When ``check`` should be called at the latest; ``None``: no timer runs."""
        land(self._machine, self._hand_over(), self._decode)
        return self._desk.waits.next_ns

    # -- inputs --

    def connection_opened(self, now_ns: int = 0) -> tuple[Event, ...]:
        """A new link is up. Nothing is asked for before ``subscribed``."""
        machine = self._at(now_ns)
        machine.link_opened()
        return self._done()

    def subscribed(self, now_ns: int = 0) -> tuple[Event, ...]:
        """The venue acknowledged the subscription of this symbol."""
        machine = self._at(now_ns)
        machine.link_subscribed("subscribed")
        return self._done()

    def connection_lost(self, now_ns: int = 0) -> tuple[Event, ...]:
        """The link is gone: nothing that it carried will be continued."""
        machine = self._at(now_ns)
        machine.link_lost("connection lost")
        return self._done()

    def halt(self, reason: str, now_ns: int = 0) -> tuple[Event, ...]:
        """The venue does not trade the symbol; ``subscribed`` or ``connection_opened`` ends it."""
        machine = self._at(now_ns)
        machine.withhold(Verdict.HALT, reason)
        return self._done()

    def fail(self, reason: str, now_ns: int = 0) -> tuple[Event, ...]:
        """The user has to act (an unknown symbol, refused credentials); ended as ``halt`` is."""
        machine = self._at(now_ns)
        machine.withhold(Verdict.FAIL, reason)
        return self._done()

    def close(self, now_ns: int = 0) -> tuple[Event, ...]:
        """The end: every later input is ignored."""
        machine = self._at(now_ns)
        machine.withhold(Verdict.CLOSE, "closed")
        return self._done()

    def _receive(self, frame: Frame, received_ns: int) -> tuple[Event, ...]:
        """Take a message by way of the machine."""
        frame_size(frame)
        if self.state is BookState.CLOSED:
            return ()
        return self.receive_decoded(decode_frame(self._venue, frame, self._settings.frame_bytes_max), received_ns)

    def receive_decoded(self, message: Message | FrameError, received_ns: int = 0) -> tuple[Event, ...]:
        """Take what ``decode_frame`` made of a message: for a driver that serves many books from one link.

        Such a driver decodes a frame once and hands it to the book that it is of. An error without a symbol may have
        been any book's: every book of the link wants it. Of all other frames the shared ``pulse`` tells.
        """
        if self.state is BookState.CLOSED:
            return ()
        machine = self._at(received_ns)
        machine.hear()
        if isinstance(message, FrameError):
            self._unreadable(message)
        elif type(message) is Delta and message.symbol == self.symbol:
            if 0 <= message.sequence_start <= message.sequence_end <= SEQUENCE_MAX:
                machine.delta(message)
            else:
                self._unreadable(FrameError("sequence", "it is of no sequence that there can be", self.symbol))
        else:
            self._desk.counters.ignored += 1
        machine.after_frame()
        if self._desk.waits.urgent:
            self._alarms.judge()
        self._answers.follow()
        return self._done()

    def receive_snapshot(self, body: Frame, received_ns: int = 0, *, depth: Depth = None) -> tuple[Event, ...]:
        """Take the body of a REST snapshot, asked for or not, at any time.

        Args:
            body: As the venue answered.
            received_ns: When it was read; 0 without a clock.
            depth: How deep it was asked for; default as told at construction.

        Raises:
            UsageError: ``body`` is neither text nor a buffer, or ``depth`` is none. Never for any content.
        """
        frame_size(body)
        if self.state is BookState.CLOSED:
            return ()
        depth = self._depth if depth is None else _checked_depth(depth)
        self._at(received_ns)
        try:
            content = self._decode_snapshot(body, depth)
        except FrameError as error:
            self._answers.unusable(error.reason, error.detail)
        else:
            self._answers.snapshot(content)
        return self._done()

    def receive_probe(self, sequence: int, now_ns: int = 0, *, still: bool = False) -> tuple[Event, ...]:
        """Take the venue's present sequence, from any REST answer that carries it.

        Args:
            sequence: The sequence.
            now_ns: The driver's clock; 0 without one.
            still: It is known that no delta came since the answer was asked for, though this book did not ask.

        Raises:
            UsageError: Not a sequence.
        """
        _check_sequence(sequence)
        self._at(now_ns)
        self._answers.probe(sequence, still=still)
        return self._done()

    def probe_failed(self, now_ns: int = 0) -> tuple[Event, ...]:
        """The venue's sequence was asked for, and no answer will come: the next one is to a later question.

        Otherwise the answer after a ``SequenceReset`` would be taken for one to that question, from before it.
        """
        self._at(now_ns)
        self._desk.probe_failed()
        return self._done()

    def audit(self, now_ns: int = 0, *, ask: bool = True) -> tuple[Event, ...]:
        """Compare the live book with a fresh snapshot. Only when LIVE, subscribed and idle.

        Args:
            now_ns: The driver's clock; 0 without one.
            ask: Ask for the snapshot. Without, it is whatever comes next: for a driver that can ask nobody.
        """
        self._at(now_ns)
        self._answers.audit("audit", ask=ask)
        return self._done()

    def doubt(self, now_ns: int = 0) -> tuple[Event, ...]:
        """The symbol is silent for longer than is usual: asks for a probe, even soon after another one was answered.

        Nothing happens unless LIVE.
        """
        self._at(now_ns)
        if self.state is BookState.LIVE:
            self._desk.question("an unusual silence", at_once=True)
        return self._done()

    def check(self, now_ns: int) -> tuple[Event, ...]:
        """Judge the timers."""
        self._at(now_ns).hear_elsewhere()
        self._desk.waits.set_clock(now_ns)
        self._alarms.judge()
        return self._done()

    def _at(self, now_ns: int) -> Machine:
        """An input for the machine begins: what the lane took comes before it."""
        as_time(now_ns)
        self._close()
        land(self._machine, self._hand_over(), self._decode)
        self._desk.now_ns = now_ns
        return self._machine

    def _done(self) -> tuple[Event, ...]:
        """It ends: what there is to tell. While there is nothing special, frames may take the lane."""
        if is_plain(self._machine):
            self._open(self.book, self._machine.auditor.fewest(self.book.content))
        return self._desk.flush()

    def _decode(self, frame: bytes | str) -> Delta:
        """A frame that the lane took."""
        message = decode_frame(self._venue, frame, self._settings.frame_bytes_max)
        assert type(message) is Delta
        return message

    def _observe(self, frame: bytes | str) -> None:
        """The lane took a frame, and somebody wants to know."""
        assert self._observer is not None
        self._observer(self.book.content, self._decode(frame))

    def _receive_odd(self, received_ns: int) -> tuple[Event, ...]:
        """The lane took a frame after which the book has to be looked at."""
        machine = self._at(received_ns)
        machine.settle()
        self._answers.follow()
        return self._done()

    def _unreadable(self, error: FrameError) -> None:
        """A frame was lost: ours, another symbol's, nobody knows whose, or none of any book."""
        if error.remedy == "ignore" or error.symbol not in (None, self.symbol):
            self._desk.counters.ignored += 1
        else:
            self._machine.unreadable(error.reason, error.detail, ours=error.symbol is not None)

    def _decode_snapshot(self, body: Frame, depth: Depth) -> BookContent:
        content, snapshot = BookContent(), None
        counts = self._loader.load(body, content)
        if counts is None:
            snapshot = self._venue.decode_snapshot(to_text(body, self._settings.snapshot_bytes_max))
            counts = len(snapshot.bids), len(snapshot.asks)
        if max(counts) > self._settings.levels_max:
            raise FrameError("size", f"{max(counts)} levels on a side; the limit is {self._settings.levels_max}")
        rows = dict(zip((Side.BID, Side.ASK), counts, strict=True))
        if depth is None:
            partial = {side: count in self._venue.partial_depths for side, count in rows.items()}
        else:
            partial = {side: depth != "full" and count >= depth for side, count in rows.items()}
        if snapshot is None:
            content.seed(partial)
        else:
            content = BookContent.from_snapshot(snapshot, partial)
        for side in Side:
            if partial[side] and content.ladder(side).best() is None:
                raise FrameError("fields", f"the {side.name.lower()}s end at their depth and hold no level")
        return content


def _checked_depth(depth: Depth) -> Depth:
    if depth is None or depth == "full" or (type(depth) is int and depth > 0):
        return depth
    raise UsageError(f'a snapshot depth is a number of levels, "full" or None, not {shown(depth)}')


def _check_sequence(sequence: object) -> None:
    if type(sequence) is not int or not 0 <= sequence <= SEQUENCE_MAX:
        raise UsageError(f"a probe is a sequence number of at most {SEQUENCE_MAX}, not {shown(sequence)}")
