"""The special things that may happen in a schedule of the small world, one method each."""

from __future__ import annotations

import re

from orderbook.fixedpoint import normalised
from orderbook.types import BookState, Change
from tests.small_world import (
    BASE,
    frame,
    known,
    snapshot,
)
from tests.small_world_driver import MS, Driver


class Specials(Driver):
    """A driver to whom special things happen."""

    def _special(self, kind: str) -> None:
        """Let the schedule's special thing happen."""
        getattr(self, "_on_" + re.sub("[^a-z]", "_", kind))()

    def _is_live(self) -> bool:
        return self.sync.state is BookState.LIVE

    def _on_none(self) -> None:
        """Nothing."""

    # The settings are what is special about these.
    _on_overflow = _on_overgrown = _on_unanswered = _on_none

    def _on_reset(self) -> None:
        self._base = self._latest = 0
        self._heal_once()

    def _on_link_lost(self) -> None:
        self._tell(self.sync.connection_lost(self._now_ns))
        self._connect()

    def _on_broken_ours(self) -> None:
        self._tell(self.sync.receive("broken ours", self._now_ns))
        self._demand(not self._is_live(), "LIVE though a frame of ours was lost")

    def _on_broken_nobody_s(self) -> None:
        self._tell(self.sync.receive("broken nobody's", self._now_ns))

    def _on_stale_cache(self) -> None:
        """For ten seconds REST answers with an old book; the driver waits as long as it is told."""
        if not self._clocked or self._is_live():
            return
        until_ns, answers = self._now_ns + 10_000 * MS, 0
        while self.sync.wants_snapshot and self._now_ns < until_ns:
            self._snapshot(snapshot(BASE), None)
            self._pass(max(1, self._delay_ms))
            answers += 1
        first_lost = self.schedule.fates[0] == "lost" and set(self.schedule.fates[1:]) <= {"once"}
        if first_lost and self.sync.counters.gaps:
            self.outcome.accounting = "a stale snapshot was counted as a gap"
        if answers > 10:
            self.outcome.economy = f"{answers} snapshots in ten seconds"
        self.outcome.asked = min(self.outcome.asked, 1)

    def _on_cached_reset(self) -> None:
        """The venue counts anew, but its REST side still answers from before, again and again."""
        self._base = self._latest = 0
        self._heard = -1
        self._heal_once()
        for _ in range(6):
            self._snapshot(snapshot(BASE + 3), None)
            self._pass(700)
            self._tell(self.sync.receive("pong", self._now_ns))

    def _on_two_answers(self) -> None:
        if self._heard == -1:
            self._snapshot(snapshot(self._latest), None)
            self._snapshot(snapshot(BASE), None)
            self._heal_once()
            if not self._is_live():
                self.outcome.economy = "a late answer undid a newer one"

    def _on_halted(self) -> None:
        self._tell(self.sync.halt("no trading", self._now_ns))
        self._frame(frame(BASE + 1, BASE + 1))
        self._tell(self.sync.receive("broken ours", self._now_ns))
        self._tell(self.sync.receive_probe(self._latest, self._now_ns))
        self._snapshot(snapshot(self._latest), None)
        self._demand(self.sync.state is BookState.HALTED, "left HALTED by itself")
        self._tell(self.sync.subscribed(self._now_ns))
        self._heard = -1

    def _on_probe(self) -> None:
        self._tell(self.sync.receive_probe(self._latest, self._now_ns))

    def _on_old_probe(self) -> None:
        self._tell(self.sync.receive_probe(BASE, self._now_ns))

    def _on_wrong_probe(self) -> None:
        if not self._is_live() or not self._clocked:
            return
        self._tell(self.sync.receive_probe(self.sync.book.sequence + 5, self._now_ns))
        self._pass(1_100)
        self._demand(self.sync.state.value == "STALE", "LIVE though a probe was ahead for 1 s")
        # An answer that says less is an older one: it takes nothing back.
        self._tell(self.sync.receive_probe(self.sync.book.sequence, self._now_ns))
        self._demand(self.sync.state.value == "STALE", "LIVE though a probe was ahead")

    def _on_crossed_snapshot(self) -> None:
        was_live = self._is_live()
        self._snapshot("crossed", None)
        if was_live and not self._is_live():
            self.outcome.economy = "a crossed snapshot ended LIVE"

    def _on_no_snapshot(self) -> None:
        self._snapshot("nothing", None)

    def _on_lost_row(self) -> None:
        if self._is_live() and self.sync.book.sequence == self._heard == BASE + 1:
            self._frame("lost row")
            self._start_anew()

    def _on_dead_topic(self) -> None:
        self._dead = True
        self._latest += 1

    def _on_silence(self) -> None:
        if self._clocked:
            self._pass(6_000)
            self._tell(self.sync.receive_probe(max(self.sync.book.sequence, BASE), self._now_ns))
            self._snapshot(snapshot(self._latest), None)
            self._demand(not self._is_live(), "LIVE on a link that said nothing for 6 s")

    def _on_unseen_reset(self) -> None:
        if self._is_live():
            self._probe_wanted = False
            self._tell(self.sync.receive("broken nobody's", self._now_ns))
            if not self._probe_wanted:
                return
            self._base = self._latest = 0
            self._tell(self.sync.receive_probe(0, self._now_ns))
            self._demand(not self._is_live(), "LIVE though the venue counts from 0")
            self._heard = -1

    def _on_near_reset(self) -> None:
        """The venue counts anew from just below: the same range comes again with something else in it."""
        sync = self.sync
        if not self._is_live() or not sync.book.sequence == self._heard > BASE:
            return
        last = next(d for d in reversed(sync.recent) if d.sequence_end == self._heard)
        other = Change(normalised(3, 0), normalised(1, 0), self._heard)
        self._tell(sync.receive(known(last._replace(bids=(other,), asks=())), self._now_ns), check=False)
        self._demand(not self._is_live(), "LIVE though the venue used numbers twice")
        self._start_anew()

    def _on_audit(self) -> None:
        self._tell(self.sync.audit(self._now_ns))

    def _on_wrong_audit(self) -> None:
        """The feed itself was wrong: the book has a level that the venue does not have."""
        if self._is_live():
            self.sync.book.content.bids.set(5, 1)
            name = snapshot(self.sync.book.sequence)
            self._tell(self.sync.receive_snapshot(name, self._now_ns, depth="full"), check=False)
            self._check_safety()

    def _on_late_audit(self) -> None:
        """The answer to an audit is older than its request."""
        if self._is_live():
            sequence = self.sync.book.sequence
            self._tell(self.sync.audit(self._now_ns))
            self._tell(self.sync.receive_snapshot(snapshot(max(sequence - 1, BASE)), self._now_ns))
            self._no_false_alarm()

    def _on_early_audit(self) -> None:
        """The answer to an audit is from a sequence that the stream does not reach for long."""
        if not self._is_live():
            return
        self._tell(self.sync.audit(self._now_ns))
        self._tell(self.sync.receive_snapshot(snapshot(self.sync.book.sequence + 20), self._now_ns))
        for _ in range(9):
            self._heal_once()
        self._pass(2_100)
        self._heal_once()
        self._tell(self.sync.audit(self._now_ns))
        if self._is_live() and not self.sync.wants_snapshot:
            self.outcome.recovery = "an audit that never ends"
        self._no_false_alarm()

    def _no_false_alarm(self) -> None:
        if self.sync.counters.audits_failed:
            self.outcome.economy = "an audit failed on a book that was right"

    def _start_anew(self) -> None:
        """What the venue has done to its numbers cannot be told as truth: go on after a reset, on a new link."""
        self._base = self._latest = 0
        self._tell(self.sync.connection_lost(self._now_ns))
        self._connect()
