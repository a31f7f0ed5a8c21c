"""The REST answers' half of the machine: snapshots to join or to compare, and probes."""

from __future__ import annotations

from orderbook.content import BookContent
from orderbook.errors import NumberError
from orderbook.events import AuditFailed, AuditPassed
from orderbook.settings import SyncSettings
from orderbook.sync.facts import NEVER, ComparedFacts, Input, ProbeFacts, SnapshotFacts
from orderbook.sync.machine import Machine
from orderbook.sync.table import Verdict
from orderbook.types import BookState


class Answers:
    """What REST answers do to one symbol's synchronisation, asked for or not, late or stale."""

    def __init__(self, machine: Machine, settings: SyncSettings) -> None:
        self._machine = machine
        self._desk = machine.desk
        self._auditor = machine.auditor
        self._settings = settings
        self._was_empty = False

    @property
    def _is_whole(self) -> bool:
        """Whether nothing was heard beyond the base."""
        return not self._machine.buffer and self._machine.high <= self._machine.last

    def unusable(self, reason: str, detail: str) -> None:
        """An answer that is no snapshot."""
        self._desk.reject(reason, detail, wished=self._desk.answered())

    def snapshot(self, content: BookContent) -> None:
        """A snapshot."""
        machine, desk, sequence = self._machine, self._desk, content.sequence
        if desk.state is BookState.CONNECTING and not machine.was_lost:
            machine.link_subscribed("a snapshot came")
        is_void, wished = desk.is_void, desk.answered()
        facts = self._facts(content, is_void=is_void)
        match machine.decide(Input.SNAPSHOT, facts):
            case Verdict.ADOPT:
                self._adopt(content)
            case Verdict.CONFIRM:
                self._confirm(content)
            case Verdict.AWAIT:
                self._await(content)
            case Verdict.COMPARE:
                self._compare(content, facts)
            case Verdict.RESET:
                self._fell_back(sequence)
            case Verdict.REJECT:
                machine.overtaken += machine.buffer.is_out_of_turn
                self._refuse(facts, wished=wished)
            case Verdict.INCONCLUSIVE:
                self._auditor.older += self._auditor.busy
                self._refuse(facts, wished=wished)
            case _:
                desk.counters.snapshots_rejected[desk.state.value] += 1

    def _facts(self, content: BookContent, *, is_void: bool) -> SnapshotFacts:
        """All that the table wants to know of a snapshot."""
        machine, auditor, sequence = self._machine, self._auditor, content.sequence
        provenance, frames, deltas = machine.provenance, self._desk.counters.frames, self._desk.counters.deltas
        is_joined = machine.base is machine.book.content
        if machine.base is not None:
            provenance.old.reached(machine.last)
        again = provenance.answered(sequence, frames)
        heard_next = NEVER if machine.high == NEVER else machine.high + 1
        is_empty = not content.bids and not content.asks
        is_hollow, self._was_empty = is_empty and not self._was_empty, is_empty
        return SnapshotFacts(
            sequence=sequence,
            crossed=content.is_crossed,
            hollow=is_hollow,
            whole=self._is_whole,
            first=machine.buffer.first if machine.buffer else heard_next,
            last=machine.last,
            copied=auditor.copied_at(machine.last),
            older=auditor.older,
            overdue=auditor.is_overdue or not is_joined,
            high=machine.high,
            old_high=provenance.old.nearest(sequence),
            outdated=provenance.old.have(content, machine.buffer),
            void=is_void and provenance.old.may_reach(sequence),
            overtaken=machine.overtaken,
            behind=is_joined and machine.owed > machine.high,
            refuted=provenance.refuted(machine.owed, machine.high),
            mute=provenance.is_mute(deltas),
            doubtful=provenance.is_doubtful(machine.high, frames),
            unsure=provenance.lost > machine.high and not again,
            probed=machine.probed,
        )

    def _refute(self, facts: SnapshotFacts) -> None:
        """A snapshot is not beyond the book: was the venue seen ahead of it by mistake?"""
        if facts.behind and facts.sequence <= facts.last:
            self._machine.provenance.refute(self._machine.owed, self._machine.high)

    def _refuse(self, facts: SnapshotFacts, *, wished: bool) -> None:
        """A snapshot is no use, and why."""
        if facts.outdated or facts.old_high != NEVER:
            self._machine.provenance.old.refused()
        self._refute(facts)
        problem = "crossed" if facts.crossed else "empty" if facts.hollow else "old"
        self._desk.reject(problem, f"at sequence {facts.sequence}", wished=wished)

    def _fell_back(self, sequence: int) -> None:
        """Snapshot after snapshot is below what is held."""
        machine = self._machine
        if machine.base is not machine.book.content:
            machine.base = None  # it was built of the new count: nobody shall know it as the old one's
        self._count_anew(sequence)
        # Or a cache stands still, and what was heard is not void at all: then its answers must not confirm each other.
        machine.provenance.distrust_answers(self._desk.counters.deltas)

    def _count_anew(self, sequence: int) -> None:
        """An answer shows that the venue fell back."""
        self._machine.reset(sequence)
        self._desk.ask("sequence reset")

    def probe(self, sequence: int, *, still: bool) -> None:
        """The venue's present sequence; ``still``: it is known that no delta came since it was asked for."""
        machine, desk, settings = self._machine, self._desk, self._settings
        was_unasked, void = desk.is_unasked, desk.is_probe_void
        still = desk.probe_answered() or still
        again = machine.provenance.answered(sequence, desk.counters.frames)
        facts = ProbeFacts(
            sequence=sequence,
            last=machine.last,
            reset_window=settings.reset_window,
            whole=self._is_whole,
            still=still,
            void=void,
            mute=machine.provenance.is_mute(desk.counters.deltas),
            doubtful=machine.provenance.is_doubtful(machine.high, desk.counters.frames),
            unsure=machine.provenance.lost > machine.high and not again,
            probed=machine.probed,
        )
        match machine.decide(Input.PROBE, facts):
            case Verdict.WATCH:
                self._watch(sequence, was_unasked=was_unasked)
            case Verdict.RESET:
                self._count_anew(sequence)
            case Verdict.CONFIRM:
                machine.confirm()
            case _ if void:
                # It is no answer to whoever waits for one.
                desk.question("the answer was of the count before", at_once=True)
            case _ if was_unasked:
                machine.after_frame()

    def _watch(self, sequence: int, *, was_unasked: bool = False) -> None:
        """The venue is ahead; the stream has a moment to show it, unless it was silent for long."""
        machine, desk, settings = self._machine, self._desk, self._settings
        machine.probed = max(machine.probed, sequence)
        if was_unasked or (desk.state is BookState.STALE and machine.owed > machine.high):
            machine.owed = max(machine.owed, sequence)
            if was_unasked:
                machine.provenance.seen_ahead()
                desk.ask("venue ahead")
        elif desk.state is not BookState.SYNCING:
            desk.await_venue()
        elif machine.is_turned:
            # The stream of another count would be here in a moment.
            desk.waits.start("ahead", desk.now_ns, settings.probe_catch_up_ms)

    def _adopt(self, content: BookContent) -> None:
        """Build a new book on it, and ask for whatever is missing then."""
        machine, desk, settings = self._machine, self._desk, self._settings
        provenance, frames = machine.provenance, desk.counters.frames
        is_quiet = provenance.is_quiet(frames)
        is_confirmed = provenance.is_repeated(content.sequence, frames) and not provenance.is_mute(desk.counters.deltas)
        provenance.take(content.sequence, frames)
        machine.begin(content)
        if is_confirmed:
            machine.confirm()
        else:
            machine.settle()
        if machine.base is not content or desk.state is not BookState.SYNCING:
            return
        if machine.last < machine.high:
            machine.overtaken += machine.buffer.is_out_of_turn
            desk.ask("a hole inside the buffer", delay_ms=settings.reorder_hold_ms)
        elif machine.high < machine.owed:
            desk.waits.start("ahead", desk.now_ns, settings.catch_up_ms, settings.catch_up_frames)
            if machine.high == NEVER or is_quiet:
                desk.question("a quiet symbol")
        elif provenance.lost > machine.high:
            desk.attempts += 1
            desk.ask("a lost frame")

    def _confirm(self, content: BookContent) -> None:
        """The venue is where the book is; a snapshot that is older than that cannot be compared."""
        machine = self._machine
        if content.sequence < machine.last or self._agrees(content):
            machine.probed = NEVER
            machine.confirm()

    # -- audits --

    def audit(self, reason: str, *, ask: bool = True) -> None:
        """Keep a copy from now on, and ask for a snapshot to compare it with, unless one comes by itself."""
        desk, base = self._desk, self._machine.base
        # Before the acknowledgement nothing may be asked for, and a copy would be kept for an answer that never comes.
        if desk.state is BookState.LIVE and desk.subscribed and base is not None and not self._auditor.busy:
            self._auditor.start(base, asked=ask)
            if ask:
                desk.ask(reason)

    def follow(self) -> None:
        """After every frame: has the stream reached a waiting snapshot, or come near a horizon?"""
        base = self._machine.base
        if base is None or self._desk.state is not BookState.LIVE:
            return
        if (snapshot := self._auditor.reached(base.sequence)) is not None:
            self._agrees(snapshot)
        elif not self._auditor.busy and self._auditor.wants_horizon(base):
            self.audit("horizon")

    def _await(self, content: BookContent) -> None:
        """A snapshot ahead of a live stream: keep it until the stream is there."""
        desk, settings, base = self._desk, self._settings, self._machine.base
        assert base is not None
        self._auditor.wait_for(base, content)
        desk.waits.start("audit", desk.now_ns, settings.catch_up_ms, settings.catch_up_frames)
        self._watch(content.sequence)

    def _compare(self, content: BookContent, facts: SnapshotFacts) -> None:
        """The book is beyond a snapshot; if it was asked for because the venue was seen ahead, that was no use."""
        attempts = self._desk.attempts
        if self._agrees(content) and facts.behind:
            self._refute(facts)
            self._desk.attempts = attempts + 1
            self._desk.ask("the snapshot is not beyond the book")

    def _agrees(self, snapshot: BookContent) -> bool:
        """Compare a snapshot that the stream has reached, as the table says; whether the book stands."""
        machine, desk, base = self._machine, self._desk, self._machine.base
        assert base is not None
        desk.waits.stop("audit")
        sequence = snapshot.sequence
        try:
            found, merged = self._auditor.finish(base, snapshot)
        except NumberError as error:
            desk.attempts += 1
            desk.reject(error.reason, error.detail, wished=False)
            return False
        desk.counters.audits += 1
        if machine.decide(Input.COMPARED, ComparedFacts(not found.differences)) is Verdict.DIFFER:
            desk.counters.audits_failed += 1
            desk.emit(AuditFailed(sequence, found.differences))
            machine.distrust(Verdict.DIFFER, f"audit: {len(found.differences)} levels differ from the venue's")
            if desk.journal.open is not None:
                desk.journal.open.wrong_levels = found.differences
            return False
        desk.emit(AuditPassed(sequence, found.levels))
        if merged is not None and base is machine.book.content:
            desk.counters.reseeds += 1
            machine.base = base = merged
            machine.book.adopt(merged)
        # A snapshot too shallow to move the horizon out is asked for again, but not at once.
        desk.attempts = desk.attempts + 1 if self._auditor.wants_horizon(base) else 0
        return True
