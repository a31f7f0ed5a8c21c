"""Plays one schedule of the small world, heals, and judges; see ``small_world.py``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice, pairwise

from orderbook.sync.table import RULES, Rule, indexed
from orderbook.types import BookState
from tests.small_world import (
    BASE,
    DELTAS,
    HEAL_ROUNDS,
    Schedule,
    World,
    schedules,
    snapshot,
)
from tests.small_world_driver import FRESHNESS_MS, MS, Outcome
from tests.small_world_specials import Specials


class Run(Specials):
    """One schedule against one table."""

    def go(self) -> Outcome:
        """Play the schedule, heal, judge."""
        arrivals = self.schedule.arrivals()
        if self._clocked:
            self._tell(self.sync.connection_opened(self._now_ns))
            self._tell(self.sync.subscribed(self._now_ns))
        for moment in range(len(arrivals) + 1):
            if moment == self.schedule.special_moment:
                self._special(self.schedule.special)
            if moment == self.schedule.moment:
                self._snapshot(snapshot(BASE + self.schedule.snapshot, self.schedule.depth), self.schedule.depth)
            if moment < len(arrivals) and self._base == BASE and not self._dead:
                self._frame(arrivals[moment])
        self._heal()
        self._judge()
        return self.outcome

    # -- what may happen --

    def _heal(self) -> None:
        """Faults are over. Without a clock frames keep coming; with one the venue falls silent, but answers."""
        if self.schedule.special == "unanswered":
            self._snapshot_wanted = False
        calm = 0
        until_ns = self._now_ns + FRESHNESS_MS.get(self.schedule.special, 0) * MS
        for _ in range(HEAL_ROUNDS + 30):
            # LIVE twice in a row, and nothing left to ask: later rounds would only repeat themselves.
            calm = calm + 1 if self.sync.state is BookState.LIVE else 0
            settled = calm > 2 and not self._snapshot_wanted and not self._probe_wanted
            if settled and (not self._clocked or self._now_ns > until_ns):
                break
            if self._clocked:
                self._heal_quietly()
            elif self._latest - self._base < HEAL_ROUNDS + 15:
                self._heal_once()
            self._answer()
        if self._clocked and self._now_ns > until_ns and self.schedule.special in FRESHNESS_MS:
            fresh = self.sync.state is not BookState.LIVE or self.sync.book.sequence == self._latest
            self._demand(fresh, f"LIVE at {self.sync.book.sequence} long after the venue reached {self._latest}")

    def _answer(self) -> None:
        if self._snapshot_wanted:
            self._snapshot_wanted = False
            self._snapshot(snapshot(self._latest), None)
        if self._probe_wanted:
            self._probe_wanted = False
            self._tell(self.sync.receive_probe(self._latest, self._now_ns))

    def _heal_quietly(self) -> None:
        sync = self.sync
        self._pass(600)
        if sync.state is BookState.STALE and "venue ahead" in sync.book.reason:
            # What a feed does about a dead topic.
            self._tell(sync.connection_lost(self._now_ns))
            self._connect()
        self._tell(sync.receive("pong", self._now_ns))

    # -- judging --

    def _judge(self) -> None:
        sync, counters = self.sync, self.sync.counters
        # A book that is too large stays refused, and without a clock nobody repeats a wish that went unanswered.
        hopeless = "overgrown" if self._clocked else "unanswered"
        if self.schedule.special == hopeless:
            pass
        elif sync.state is not BookState.LIVE:
            self.outcome.recovery = f"{sync.state.value}: {sync.book.reason}"
        elif not self._clocked and not self._dead and sync.book.sequence != self._latest:
            self.outcome.recovery = f"LIVE at {sync.book.sequence}, the venue is at {self._latest}"
        faults = self._faults()
        if self.outcome.asked > faults + 1:
            self.outcome.economy = f"{self.outcome.asked} snapshots asked for, {faults} faults"
        accounted = (
            counters.applied + counters.duplicates + counters.rejected_count + counters.discarded_count + sync.buffered
        )
        if counters.frames != accounted:
            self.outcome.accounting = f"{counters.frames} frames, {accounted} accounted for"

    def _faults(self) -> int:
        """How many snapshots beyond the first the faults may cost: none where nothing was lost."""
        schedule = self.schedule
        lost = sum(fate == "lost" for fate in schedule.fates)
        # The scheduled snapshot comes too early, too late, or between two swapped frames.
        unfit = self._is_unfit()
        special = {
            "none": 0,
            "probe": 0,
            "audit": 1,
            "overflow": 3,
            "reset": 3,
            "unseen reset": 3,
            "link lost": 3,
            "broken ours": 4,
            "cached reset": 7,
            "halted": 3,
            "early audit": 6,
            "overgrown": 99,
        }.get(schedule.special, 2)
        return lost + unfit + special + (1 if schedule.depth else 0)

    def _is_unfit(self) -> int:
        schedule = self.schedule
        arrivals = [DELTAS[name] for name in schedule.arrivals()]
        before = sorted({(d.sequence_start, d.sequence_end) for d in arrivals[: schedule.moment]})
        last = BASE + schedule.snapshot
        contiguous = all(a[1] + 1 == b[0] for a, b in pairwise(before))
        too_old = bool(before) and before[0][0] > last + 1
        never_reached = schedule.snapshot > schedule.ends[-1]
        return int(not contiguous or too_old) + 2 * never_reached


def played(
    world: World, rules: Sequence[Rule] = RULES, *, shard: int = 0, shards: int = 1
) -> Iterator[tuple[Schedule, bool, set[str]]]:
    """Play a share of a world, with and without a clock.

    Yields:
        Schedule, clocked, and what was broken; a table with a hole breaks ``table``.
    """
    index = indexed(rules)
    for schedule in islice(schedules(**world), shard, None, shards):
        for clocked in (False, True):
            run = Run(schedule, clocked=clocked, rules=index)
            try:
                broken = run.go().broken
            except LookupError:
                broken = {"table"}
            yield schedule, clocked, broken
