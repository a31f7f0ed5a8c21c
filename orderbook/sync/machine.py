"""The heart of the machine: carries out what the table decides about links and deltas.

Every input does the same: gather the facts, let the table decide, do what the verdict says, settle the book. ``base``
is the content that the stream is being applied to: the readable book's own, or, during a resync, a new one that is
built beside it and swapped in once, when it is LIVE. Answers of REST: ``answers.py``; waits that end: ``alarms.py``.
"""

from __future__ import annotations

from collections.abc import Callable

from orderbook.book import OrderBook
from orderbook.content import BookContent
from orderbook.errors import NumberError
from orderbook.events import Crossed, Gap, SequenceReset
from orderbook.settings import SyncSettings
from orderbook.sync.audit import Auditor
from orderbook.sync.buffer import DeltaBuffer, RecentDeltas
from orderbook.sync.desk import Desk
from orderbook.sync.facts import NEVER, AppliedFacts, DeltaFacts, Facts, Input, UnreadableFacts
from orderbook.sync.provenance import Provenance
from orderbook.sync.table import Index, Rule, Verdict, decide
from orderbook.types import BookState, Delta

Observer = Callable[[BookContent, Delta | None], None]


class Machine:
    """The synchronisation of one symbol.

    Attributes:
        base: What the stream is applied to; ``None`` when there is nothing to continue.
        buffer: Deltas that the base does not reach yet.
        high: The highest ``sequence_end`` heard on this connection.
        owed: The sequence that the stream must still show before the book may be LIVE.
        probed: The venue's sequence by the latest probe that was ahead of us.
        recent: The last deltas received.
        auditor: Comparisons with the venue's own book.
        was_lost: Whether a link was ever lost: an answer that comes before the next one opens is not trusted.
    """

    def __init__(
        self, book: OrderBook, desk: Desk, settings: SyncSettings, observer: Observer | None, index: Index
    ) -> None:
        self.book = book
        self.desk = desk
        self.buffer = DeltaBuffer(settings.buffer_frames_max, settings.buffer_rows_max)
        self._settings = settings
        self._observer = observer
        self._index = index
        self.auditor = Auditor(settings.audit_frames_max, settings.trusted_levels_min)
        # What is further back is a reset by its number alone; what is at the window's very edge is not.
        self.recent = RecentDeltas(settings.reset_window + 1)
        self.provenance = Provenance()
        self.was_lost = False
        self._forget()

    def _forget(self) -> None:
        """Nothing of the stream is known any more; the readable book keeps its last content."""
        self.base: BookContent | None = None
        self.high = NEVER
        self.owed = NEVER
        self._gapped = self._silent = False
        self.overtaken = 0
        self.is_turned = False
        self.probed = NEVER
        self.recent.clear()
        self.provenance.forget()
        self.auditor.stop()

    @property
    def last(self) -> int:
        """Sequence of the base; ``NEVER`` without one."""
        return NEVER if self.base is None else self.base.sequence

    def rules(self, kind: Input) -> tuple[Rule, ...]:
        """The table's lines for an input in the present state."""
        return self._index[kind][self.desk.state]

    def decide(self, kind: Input, facts: Facts) -> Verdict:
        """What the table says."""
        return decide(self.rules(kind), facts)

    # -- the link --

    def link_opened(self) -> None:
        """A new link: whatever was known of an old one ends."""
        if self.desk.state is BookState.CLOSED:
            return
        if self.desk.state is not BookState.CONNECTING:
            self.link_lost("a new connection")
        self._open("connected, not subscribed")

    def link_subscribed(self, reason: str) -> None:
        """Deltas may flow from now on."""
        desk, settings = self.desk, self._settings
        if desk.state is BookState.CLOSED:
            return
        if desk.state in (BookState.CONNECTING, BookState.HALTED, BookState.FAILED):
            self._open(reason)
        desk.subscribed = True
        self.provenance.subscribed()
        # A link that takes the place of another does not end a silence.
        desk.waits.start_once("symbol", desk.now_ns, settings.symbol_silence_ms)
        if self._gapped or self.provenance.lost > self.high or (self.base is None and self.buffer):
            desk.ask("first delta" if self.base is None else "a lost frame")
        elif self.base is None and desk.wish is None:
            desk.waits.start("first_delta", desk.now_ns, settings.first_delta_wait_ms)

    def _open(self, reason: str) -> None:
        self.desk.go(Verdict.OPEN, reason)
        self.desk.waits.start("link", self.desk.now_ns, self._settings.link_silence_max_ms)

    def link_lost(self, reason: str) -> None:
        """The link is gone, and with it every promise of continuity."""
        self.was_lost = True
        self.withhold(Verdict.LOSE, reason)

    def withhold(self, verdict: Verdict, reason: str) -> None:
        """CONNECTING, HALTED, FAILED or CLOSED: nothing that was known continues."""
        if self.desk.state is BookState.CLOSED:
            return
        # Counted by kind: the words of a reason may be different each time.
        self._discard_buffer(verdict.name.lower())
        self._forget()
        self.desk.hang_up()
        self.desk.go(verdict, reason)

    def hear(self) -> None:
        """A frame came, whatever it holds."""
        desk = self.desk
        if desk.state is BookState.CONNECTING:
            # A driver that does not speak of links: it has one as soon as something comes out of it.
            self.link_subscribed("first frame")
        if not self.book.pulse.in_doubt:
            self._silent = False
            if desk.now_ns:
                self.book.heard_ns = desk.now_ns
                desk.waits.renew("link", desk.now_ns)

    def hear_elsewhere(self) -> None:
        """Take note of what other books of the same link heard, if they share their pulse with this one."""
        heard_ns = self.book.heard_ns
        if heard_ns is not None and self.desk.waits.renew_later("link", heard_ns):
            self._silent = False
            self.after_frame()

    def after_frame(self) -> None:
        """The frame in hand was tried: a link that was silent has been heard again."""
        if self.desk.state is not BookState.LIVE:
            self.settle()

    # -- deltas --

    def delta(self, delta: Delta) -> None:
        """A delta of this symbol."""
        desk, start, end = self.desk, delta.sequence_start, delta.sequence_end
        desk.counters.frames += 1
        is_old = start <= self.high  # or the beginning of it is
        repeats = is_old and self.recent.holds(delta)
        desk.counters.deltas += not repeats
        contradicts = is_old and not repeats and self.recent.contradicts(delta)
        window, is_new = self._settings.reset_window, self.base is not self.book.content
        facts = DeltaFacts(start, end, self.last, self.high, window, repeats, contradicts, is_new)
        verdict = self.decide(Input.DELTA, facts)
        if verdict is Verdict.DISCARD:
            desk.counters.discarded[desk.state.value] += 1
            return
        if verdict is Verdict.RESET:
            self.reset(end)
        if end > self.high:
            self.high, self.overtaken, self.auditor.older = end, 0, 0  # a venue that fell back would not be so far
        if not repeats:
            self.recent.add(delta)  # a repetition would push out what it repeats
        desk.waits.take_delta(desk.now_ns)
        if verdict is Verdict.APPLY:
            self.buffer.passed_by()
            self._apply(delta)
        elif verdict is Verdict.IGNORE:
            desk.counters.duplicates += 1
            if not repeats:
                self.buffer.passed_by()
        else:
            self._keep(delta)
        if contradicts or (verdict is Verdict.IGNORE and not repeats):
            self._look_anew(end)
        if self.base is None:
            desk.ask("sequence reset" if verdict is Verdict.RESET else "first delta")
        self.settle()

    def _look_anew(self, end: int) -> None:
        """What came is not what the book says of its past: reason for an audit, if that is not of a new snapshot."""
        if self.base is self.book.content:
            self.desk.overdue(is_awaited=self.auditor.suspect(max(self.last, end)))

    def _keep(self, delta: Delta) -> None:
        """Buffer it: for the snapshot, or until the missing one comes."""
        if (full := self.buffer.full_with(delta)) is not None:
            self._discard_buffer(full)
            self.desk.limit_reached(full, getattr(self._settings, full))
        if not self.buffer.add(delta):
            self.desk.counters.duplicates += 1

    def _discard_buffer(self, reason: str) -> None:
        if dropped := self.buffer.clear():
            self.desk.counters.discarded[reason] += dropped

    def reset(self, received: int) -> None:
        """The venue counts anew."""
        desk = self.desk
        desk.counters.resets += 1
        high = max(self.high, self.last)
        desk.emit(SequenceReset(high, received))
        self.provenance.old.leave(high, self.base, self.recent)
        self._discard_buffer("sequence reset")
        self._forget()
        desk.count_anew("the venue's sequence started anew")

    def _apply(self, delta: Delta) -> None:
        """Apply what continues the base; a delta that cannot be held leaves it as before."""
        base, counters = self.base, self.desk.counters
        assert base is not None
        zeros, absent = base.price_zero_count, base.remove_absent_count
        try:
            base.apply(delta.bids, delta.asks, delta.sequence_end, delta.venue_ms)
        except NumberError as error:
            self._suspect(error.reason, error.detail)
            return
        counters.applied += 1
        counters.price_zero += base.price_zero_count - zeros
        counters.remove_absent += base.remove_absent_count - absent
        if base is self.book.content and not self.auditor.record(base, delta):
            self.desk.limit_reached("audit_frames_max", self._settings.audit_frames_max)
        if self._observer is not None:
            self._observer(base, delta)

    def unreadable(self, reason: str, detail: str, *, ours: bool) -> None:
        """A frame that could not be decoded."""
        self.desk.counters.frames += 1
        verdict = self.decide(Input.UNREADABLE, UnreadableFacts(ours))
        if verdict is Verdict.SUSPECT:
            self._suspect(reason, detail)
            return
        self.desk.frame_rejected(reason, detail)
        if verdict is Verdict.QUESTION:
            self.desk.question(f"an unreadable frame ({reason})")

    def _suspect(self, reason: str, detail: str) -> None:
        """A message of ours is lost. The next one tells whether the book needed it; until then nobody knows."""
        desk = self.desk
        desk.frame_rejected(reason, detail)
        self.provenance.lost = max(self.high, self.last, self.provenance.lost - 1) + 1
        desk.go(Verdict.SUSPECT, f"an unreadable frame ({reason})")
        desk.ask(f"an unreadable frame ({reason})")

    # -- settling: how far does the stream carry the base? --

    def settle(self) -> None:
        """Apply what continues the base, and see what it is then."""
        base = self.base
        if base is None:
            return
        if self.buffer:
            self._drain(base)
        levels, levels_max = max(len(base.bids), len(base.asks)), self._settings.levels_max
        high, owed = self.high, max(self.owed, self.provenance.lost)
        silent = self._silent or self.desk.is_link_silent
        is_new = base is not self.book.content
        # Looked at only when it would be joined otherwise: it takes long.
        outdated = is_new and owed <= high <= base.sequence and self.provenance.old.have(base, self.recent)
        waiting, unasked = base.sequence < high, self.desk.is_unasked
        facts = AppliedFacts(base.is_crossed, levels > levels_max, waiting, outdated, high, owed, silent, unasked)
        match self.decide(Input.APPLIED, facts):
            case Verdict.JOIN:
                self._join(base)
            case Verdict.WAIT_HOLE:
                self._wait_for_hole()
            case Verdict.WAIT_STREAM:
                self.overtaken = 0
                self.desk.waits.stop("hold")
            case Verdict.CROSSED:
                self._crossed(base)
            case Verdict.OUTDATED as verdict:
                self.provenance.old.refused()
                self.distrust(verdict, "a book of the count before")
            case verdict:
                self.distrust(verdict, "too many levels")
                self.desk.limit_reached("levels_max", levels_max)

    def _drain(self, base: BookContent) -> None:
        while not base.is_crossed:
            covered, following, is_out_of_turn = self.buffer.take(base.sequence)
            self.desk.counters.duplicates += len(covered)
            if following is None:
                return
            if is_out_of_turn and base is not self.book.content:
                # It may be of a count that the venue has left: only what comes later tells, or an answer.
                self.owed = max(self.owed, following.sequence_end + 1)
                settings, self.is_turned = self._settings, True
                self.desk.waits.start("ahead", self.desk.now_ns, settings.catch_up_ms, settings.catch_up_frames)
                self.desk.question("deltas out of turn")
            self._apply(following)

    def _join(self, base: BookContent) -> None:
        """The base is whole, and the stream is at it."""
        desk = self.desk
        if base is not self.book.content:
            desk.counters.joins += 1
            self.auditor.stop()
            desk.waits.stop("audit")
            self.provenance.old.is_joined = True
            self.book.swap(base)
        if desk.state is not BookState.LIVE:
            if self._gapped or desk.waits.running("hold"):
                desk.counters.reorders += 1
            self._gapped = self.is_turned = False
            self.overtaken = 0
            desk.attempts = 0
            desk.withdraw()
            desk.waits.stop("hold", "ahead")
            desk.go(Verdict.JOIN, "in step with the stream")
            if self.auditor.is_unanswered:
                desk.ask("audit")
        if self.probed <= base.sequence:
            self.probed = NEVER
            desk.waits.stop("behind")
        else:
            desk.await_venue()

    def _wait_for_hole(self) -> None:
        desk, settings = self.desk, self._settings
        first, last = self._missing()
        desk.go(Verdict.WAIT_HOLE, f"waiting for {first}" if first == last else f"waiting for {first}-{last}")
        desk.waits.stop("ahead")
        if self._gapped:
            desk.ask("gap")
        elif not desk.waits.running("hold"):
            desk.waits.start("hold", desk.now_ns, settings.reorder_hold_ms, settings.reorder_hold_frames)

    def _missing(self) -> tuple[int, int]:
        """First and last sequence of the hole behind the base."""
        return self.last + 1, self.buffer.first - 1 if self.buffer else self.high

    def _crossed(self, base: BookContent) -> None:
        (bid, _), (ask, _) = *base.bids.top(1), *base.asks.top(1)
        self.desk.counters.crossed += 1
        self.desk.emit(Crossed(base.sequence, base.price_text(bid), base.price_text(ask)))
        self.distrust(Verdict.CROSSED, "crossed book")

    def distrust(self, verdict: Verdict, reason: str) -> None:
        """The base is wrong, whatever continues it."""
        if self.base is not self.book.content:
            self.desk.attempts += 1
        self.base = None
        self.is_turned = False
        self.auditor.stop()
        self.desk.waits.stop("hold", "ahead", "behind", "audit")
        self.desk.go(verdict, reason)
        self.desk.relapse(reason)

    # -- building beside --

    def begin(self, content: BookContent) -> None:
        """Build on a snapshot beside the old book; ``settle`` says what becomes of it."""
        desk = self.desk
        self.base = content
        self.owed = content.sequence
        self._gapped = self.is_turned = False
        if desk.state is BookState.STALE:
            # Asked for because the venue was seen ahead, so this is the newer evidence.
            self.probed = NEVER
        desk.waits.stop("hold", "ahead", "first_delta", "behind", "answer")
        desk.go(Verdict.ADOPT, "a new snapshot")
        if self._observer is not None:
            self._observer(content, None)

    def confirm(self) -> None:
        """The venue is where the base is."""
        self.owed = self.provenance.lost = NEVER
        self.high = max(self.high, self.last)
        self.desk.waits.stop("answer")
        self.settle()

    # -- giving up --

    def give_up_hole(self) -> None:
        """What is missing will not come any more."""
        desk = self.desk
        first, last = self._missing()
        desk.counters.gaps += 1
        self._gapped = True
        desk.waits.stop("hold")
        desk.emit(Gap(first, last + 1))
        desk.journal.missing(first, last)
        desk.ask("gap")

    def fall_silent(self) -> None:
        """Nothing is heard on the link."""
        self._silent = True
        self.desk.go(Verdict.SILENT, f"nothing heard for {self._settings.link_silence_max_ms} ms")
