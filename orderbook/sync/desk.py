"""The telling half of the machine: the state and its transitions, the wishes, the events, the record.

Nothing here decides: ``machine.py`` does, by the table.
"""

from __future__ import annotations

from orderbook.book import OrderBook
from orderbook.events import (
    Depth,
    Event,
    FrameRejected,
    LimitReached,
    NeedProbe,
    NeedSnapshot,
    SnapshotRejected,
    StateChanged,
)
from orderbook.settings import SyncSettings
from orderbook.sync.journal import GapJournal, SyncCounters
from orderbook.sync.table import NEXT, Verdict
from orderbook.sync.waits import Waits
from orderbook.types import BookState


class Desk:
    """What is said to the driver, and what is written down.

    Attributes:
        state: By the table (a reader's book may add its age).
        now_ns: The driver's clock at the present input; 0 without one.
        subscribed: Whether a snapshot may be asked for.
        wish: The ``NeedSnapshot`` that is outstanding.
        attempts: Snapshots in a row that were no use.
        is_awaited: A request may be under way, even if its wish was given up meanwhile.
        is_void: It may have been sent before the venue began to count anew, so its answer may be of the old count.
        is_probe_void: The same of a probe.
    """

    def __init__(self, book: OrderBook, depth: Depth, settings: SyncSettings) -> None:
        self.counters = SyncCounters()
        self.journal = GapJournal(settings.journal_max)
        self.waits = Waits()
        self.state = BookState.CONNECTING
        self.now_ns = 0
        self.subscribed = False
        self.wish: NeedSnapshot | None = None
        self.attempts = 0
        self.is_awaited = False
        self.is_void = False
        self._book = book
        self._depth = depth
        self._settings = settings
        self._events: list[Event] = []
        self._probe_asked_ns: int | None = None
        self._probe_frames = 0
        self._is_probing = self.is_probe_void = False
        # Books that proved wrong one after the other, and how many deltas had been applied at the last of them.
        self._relapses = 0
        self._applied_then = 0

    def flush(self) -> tuple[Event, ...]:
        """The events since the last call."""
        if not self._events:
            return ()
        events = tuple(self._events)
        self._events.clear()
        return events

    def emit(self, event: Event) -> None:
        """Tell the driver."""
        self._events.append(event)

    def go(self, verdict: Verdict, reason: str) -> None:
        """Take the transition that the table has for this verdict: one event for each change of state."""
        old, new = self.state, NEXT[verdict][self.state]
        if old is new:
            return
        if old is BookState.LIVE:
            self.journal.lost(reason, self._book.sequence, self.now_ns)
            # What was asked for while LIVE can wait, with its delay; what is asked for now cannot.
            self.withdraw()
            self.attempts = 0
        if new is BookState.LIVE:
            self.journal.regained(self.now_ns)
        self.state = new
        self._book.mark(new, reason, self.now_ns)
        self.emit(StateChanged(old, new, reason))

    def ask(self, reason: str, *, delay_ms: int | None = None) -> None:
        """Wish for a snapshot, unless one is wished for already or nothing is subscribed."""
        if self.wish is not None or not self.subscribed:
            return
        settings = self._settings
        if delay_ms is None:
            # The exponent is bounded so that years of failures do not make a long integer.
            doubled = settings.snapshot_retry_ms * 2 ** min(self.attempts - 1, 30) if self.attempts else 0
            delay_ms = min(int(doubled), settings.snapshot_retry_max_ms)
        self.wish = NeedSnapshot(self._book.symbol, reason, delay_ms, self._depth)
        self.is_awaited = True
        self.counters.snapshots_asked += 1
        if self.journal.open is not None:
            self.journal.open.snapshots_asked += 1
        self.waits.stop("first_delta")
        self.waits.start("unanswered", self.now_ns, delay_ms + settings.snapshot_timeout_ms)
        self.emit(self.wish)

    def relapse(self, reason: str) -> None:
        """A book proved wrong: ask, and if that happens again and again, later each time."""
        if self.counters.applied - self._applied_then > self._settings.calm_frames:
            self._relapses = 0
        self._applied_then = self.counters.applied
        self.attempts = max(self.attempts, self._relapses)
        self._relapses += 1
        self.ask(reason)

    def overdue(self, *, is_awaited: bool) -> None:
        """A delta came that the book was beyond.

        Args:
            is_awaited: An audit's answer would tell more from now on, so it cannot wait any longer; and if it is no
                use, the delays are short again.
        """
        self.counters.overdue += 1
        if not is_awaited or self.state is not BookState.LIVE:
            return
        self.attempts = 0
        if self.wish is not None and self.wish.delay_ms:
            self.withdraw()
            self.ask("audit")

    def withdraw(self) -> bool:
        """No snapshot is wished for any more, though one may still come. Whether one was."""
        wished = self.wish is not None
        self.wish = None
        self.waits.stop("unanswered")
        return wished

    def answered(self) -> bool:
        """A snapshot came, whatever it holds. Whether one was wished for."""
        self.is_awaited = self.is_void = False
        return self.withdraw()

    def count_anew(self, reason: str) -> None:
        """The venue begins to count anew: what was asked for before that is no use."""
        self.is_void, self.is_probe_void = self.is_awaited, self._is_probing
        self.waits.stop("hold", "ahead", "behind", "audit")
        self.go(Verdict.RESET, reason)

    def frame_rejected(self, reason: str, detail: str) -> None:
        """A frame cannot be used."""
        self.counters.rejected[reason] += 1
        self.emit(FrameRejected(reason, detail))

    def reject(self, reason: str, detail: str, *, wished: bool) -> None:
        """A snapshot was no use; whoever still needs one asks again, later each time."""
        self.counters.snapshots_rejected[reason] += 1
        self.emit(SnapshotRejected(reason, detail))
        if wished:
            self.attempts += 1
            self.ask(f"the snapshot was no use ({reason})")

    @property
    def is_link_silent(self) -> bool:
        """Whether nothing has been heard for too long by now; of a LIVE book that is for the timer to say."""
        return self.state is not BookState.LIVE and self.waits.is_over("link", self.now_ns)

    @property
    def is_unasked(self) -> bool:
        """Whether a probe has been unanswered for too long by now; of a LIVE book that is for the timer to say."""
        return self.state is not BookState.LIVE and self.waits.is_over("answer", self.now_ns)

    def await_venue(self) -> None:
        """The venue is known to be ahead: the stream has a moment to show it."""
        if not self.waits.running("behind"):
            self.waits.start("behind", self.now_ns, self._settings.probe_catch_up_ms)

    def question(self, reason: str, *, at_once: bool = False) -> bool:
        """Ask for a probe: one at a time, and again only after a while, or ``at_once``. Whether it was asked for."""
        interval_ns = self._settings.probe_interval_ms * 1_000_000
        is_early = self._probe_asked_ns is not None and self.now_ns - self._probe_asked_ns < interval_ns
        if is_early and (self._is_probing or (self.now_ns and not at_once)):
            return False
        self._probe_asked_ns = self.now_ns
        self._probe_frames = self.counters.frames
        self._is_probing = True
        self.counters.probes_asked += 1
        self.emit(NeedProbe(self._book.symbol, reason))
        if self.state is BookState.LIVE and not self.waits.running("answer"):
            self.waits.start("answer", self.now_ns, self._settings.probe_timeout_ms)
        return True

    def probe_answered(self) -> bool:
        """Whether it was asked for, and no delta came since."""
        if not self.is_probe_void:
            self.waits.stop("answer")
        still = self._is_probing and self._probe_frames == self.counters.frames
        self._is_probing = self.is_probe_void = False
        return still

    def probe_failed(self) -> None:
        """No answer comes to it. Whoever waits for one waits for the next."""
        self._is_probing = self.is_probe_void = False

    def limit_reached(self, name: str, limit: int) -> None:
        """A bound of the settings was met."""
        self.counters.limits[name] += 1
        self.emit(LimitReached(name, limit))

    def hang_up(self) -> None:
        """The link is gone: whatever was asked or awaited on its account is over."""
        self.waits.clear()
        self.wish = None
        self.is_awaited = self.is_void = False
        self.attempts = 0
        self.subscribed = False
        self._probe_asked_ns = None
        self._is_probing = self.is_probe_void = False
