"""Plays one schedule of the small world, heals, and judges; see ``small_world.py``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from typing import Final

from orderbook.events import NeedProbe, NeedSnapshot
from orderbook.fixedpoint import normalised
from orderbook.settings import SyncSettings
from orderbook.sync import BookSync
from orderbook.sync.table import RULES, Rule
from orderbook.types import BookState, Change, Side
from tests.small_world import (
    BASE,
    DELTAS,
    HEAL_ROUNDS,
    SYMBOL,
    TRUTH,
    Schedule,
    SmallVenue,
    World,
    frame,
    known,
    schedules,
    snapshot,
)

MS: Final = 1_000_000
SETTINGS: Final = SyncSettings(
    reorder_hold_frames=3,
    catch_up_frames=8,
    link_silence_max_ms=5_000,
    symbol_silence_ms=20_000,
    snapshot_timeout_ms=3_000,
)
# Virtual time after which a LIVE book must have found out that the venue is ahead of it.
FRESHNESS_MS: Final = {"dead topic": 25_000, "broken nobody's": 4_000}


@dataclass
class Outcome:
    """What a run broke."""

    safety: str = ""
    recovery: str = ""
    economy: str = ""
    accounting: str = ""
    asked: int = 0

    @property
    def broken(self) -> set[str]:
        """The names of what was broken."""
        return {name for name in ("safety", "recovery", "economy", "accounting") if getattr(self, name)}


class Run:
    """One schedule against one table."""

    def __init__(self, schedule: Schedule, *, clocked: bool, rules: Sequence[Rule] = RULES) -> None:
        self.schedule = schedule
        self.outcome = Outcome()
        settings = SETTINGS
        if schedule.special == "overflow":
            settings = replace(SETTINGS, buffer_frames_max=1)
        if schedule.special == "overgrown":
            settings = replace(SETTINGS, levels_max=3)
        self.sync = BookSync(SmallVenue(), SYMBOL, settings=settings, rules=rules)
        self._clocked = clocked
        self._now_ns = MS if clocked else 0
        self._heard = -1
        self._base = BASE
        self._latest = BASE + schedule.ends[-1]
        self._probe_wanted = False
        self._snapshot_wanted = False
        self._dead = False
        self._delay_ms = 0

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

    def _special(self, kind: str) -> None:
        """Let the schedule's special thing happen."""
        getattr(self, "_on_" + re.sub("[^a-z]", "_", kind))()

    @property
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
        self._demand(not self._is_live, "LIVE though a frame of ours was lost")

    def _on_broken_nobody_s(self) -> None:
        self._tell(self.sync.receive("broken nobody's", self._now_ns))

    def _on_stale_cache(self) -> None:
        """For ten seconds REST answers with an old book; the driver waits as long as it is told."""
        if not self._clocked or self._is_live:
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
            if not self._is_live:
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
        if not self._is_live or not self._clocked:
            return
        self._tell(self.sync.receive_probe(self.sync.book.sequence + 5, self._now_ns))
        self._pass(1_100)
        self._demand(self.sync.state is BookState.STALE, "LIVE though a probe was ahead for 1 s")
        self._tell(self.sync.receive_probe(self.sync.book.sequence, self._now_ns))
        if not self._is_live and not self.outcome.recovery:
            self.outcome.recovery = "not LIVE after a probe that agrees"

    def _on_crossed_snapshot(self) -> None:
        was_live = self._is_live
        self._snapshot("crossed", None)
        if was_live and not self._is_live:
            self.outcome.economy = "a crossed snapshot ended LIVE"

    def _on_no_snapshot(self) -> None:
        self._snapshot("nothing", None)

    def _on_lost_row(self) -> None:
        if self._is_live and self.sync.book.sequence == self._heard == BASE + 1:
            self._frame("lost row")
            self._start_anew()

    def _on_dead_topic(self) -> None:
        self._dead = True
        self._latest += 1

    def _on_silence(self) -> None:
        if self._clocked:
            self._pass(6_000)
            self._tell(self.sync.receive_probe(max(self.sync.book.sequence, BASE), self._now_ns))
            self._demand(not self._is_live, "LIVE on a link that said nothing for 6 s")

    def _on_unseen_reset(self) -> None:
        if self._is_live:
            self._base = self._latest = 0
            self._tell(self.sync.receive_probe(0, self._now_ns))
            self._demand(not self._is_live, "LIVE though the venue counts from 0")
            self._heard = -1

    def _on_near_reset(self) -> None:
        """The venue counts anew from just below: the same range comes again with something else in it."""
        sync = self.sync
        if not self._is_live or not sync.book.sequence == self._heard > BASE:
            return
        last = next(d for d in reversed(sync._machine._recent) if d.sequence_end == self._heard)
        other = Change(normalised(3, 0), normalised(1, 0), self._heard)
        self._tell(sync.receive(known(last._replace(bids=(other,), asks=())), self._now_ns), check=False)
        self._demand(not self._is_live, "LIVE though the venue used numbers twice")
        self._start_anew()

    def _on_audit(self) -> None:
        self._tell(self.sync.audit(self._now_ns))

    def _on_wrong_audit(self) -> None:
        """The feed itself was wrong: the book has a level that the venue does not have."""
        if self._is_live:
            self.sync.book.content.bids.set(5, 1)
            name = snapshot(self.sync.book.sequence)
            self._tell(self.sync.receive_snapshot(name, self._now_ns, depth="full"), check=False)
            self._check_safety()

    def _on_late_audit(self) -> None:
        """The answer to an audit is older than its request."""
        if self._is_live:
            sequence = self.sync.book.sequence
            self._tell(self.sync.audit(self._now_ns))
            self._tell(self.sync.receive_snapshot(snapshot(max(sequence - 1, BASE)), self._now_ns))
            self._no_false_alarm()

    def _on_early_audit(self) -> None:
        """The answer to an audit is from a sequence that the stream does not reach for long."""
        if not self._is_live:
            return
        self._tell(self.sync.audit(self._now_ns))
        self._tell(self.sync.receive_snapshot(snapshot(self.sync.book.sequence + 20), self._now_ns))
        for _ in range(9):
            self._heal_once()
        self._pass(2_100)
        self._heal_once()
        self._tell(self.sync.audit(self._now_ns))
        if self._is_live and not self.sync.wants_snapshot:
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

    def _connect(self) -> None:
        self._heard = -1
        if self._clocked:
            self._tell(self.sync.connection_opened(self._now_ns))
            self._tell(self.sync.subscribed(self._now_ns))

    def _demand(self, fulfilled: bool, otherwise: str) -> None:
        if not fulfilled and not self.outcome.safety:
            self.outcome.safety = otherwise

    def _frame(self, name: str) -> None:
        if name in DELTAS:
            self._heard = max(self._heard, DELTAS[name].sequence_end)
        if self._clocked:
            self._now_ns += MS
        self._tell(self.sync.receive(name, self._now_ns))

    def _snapshot(self, name: str, depth: int | None) -> None:
        self._snapshot_wanted = False
        self._tell(self.sync.receive_snapshot(name, self._now_ns, depth=depth or "full"))

    def _pass(self, ms: int) -> None:
        self._now_ns += ms * MS
        self._tell(self.sync.check(self._now_ns))

    def _tell(self, events: Sequence[object], *, check: bool = True) -> None:
        for event in events:
            if isinstance(event, NeedSnapshot):
                self.outcome.asked += 1
                self._delay_ms = event.delay_ms
                self._snapshot_wanted = True
            self._probe_wanted |= isinstance(event, NeedProbe)
        if check:
            self._check_safety()

    # -- healing --

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

    def _heal_once(self) -> None:
        if self._base == 0 and self._heard >= BASE:
            self._heard = -1
        self._latest += 1
        self._frame(frame(self._latest, self._latest))

    def _heal_quietly(self) -> None:
        sync = self.sync
        self._pass(600)
        if sync.state is BookState.STALE and "venue ahead" in sync.book.reason:
            # What a feed does about a dead topic.
            self._tell(sync.connection_lost(self._now_ns))
            self._connect()
        self._tell(sync.receive("pong", self._now_ns))

    # -- judging --

    def _check_safety(self) -> None:
        sync = self.sync
        if sync.state is not BookState.LIVE or self.outcome.safety:
            return
        if max(len(sync.book.content.bids), len(sync.book.content.asks)) > sync._settings.levels_max:
            self.outcome.safety = "LIVE with more levels than allowed"
        elif wrong := differs(sync):
            self.outcome.safety = wrong
        elif sync.book.sequence < self._heard:
            self.outcome.safety = f"LIVE at {sync.book.sequence}, though {self._heard} was received"

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
            "link lost": 3,
            "broken ours": 4,
            "cached reset": 7,
            "halted": 3,
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


def differs(sync: BookSync) -> str:
    """How a book differs from the truth at its sequence, in words; empty if it does not."""
    content = sync.book.content
    truth = TRUTH.books.get(content.sequence)
    if truth is None:
        return f"LIVE at {content.sequence}, which never was"
    for side, levels in zip((Side.BID, Side.ASK), truth, strict=True):
        ours = tuple(content.ladder(side))
        horizon = content.horizon[side]
        if horizon is None:
            if ours != levels:
                return f"at {content.sequence} {side.name} is {ours}, the venue has {levels}"
            continue
        inside = tuple(level for level in levels if side.value * level[0] <= side.value * horizon)
        if tuple(level for level in ours if side.value * level[0] <= side.value * horizon) != inside:
            return f"at {content.sequence} {side.name} within {horizon} is {ours}, the venue has {levels}"
        if not set(ours) <= set(levels):
            return f"at {content.sequence} {side.name} has {ours}, the venue {levels}"
    return ""


def played(
    world: World, rules: Sequence[Rule] = RULES, *, shard: int = 0, shards: int = 1
) -> Iterator[tuple[Schedule, bool, set[str]]]:
    """Play a share of a world, with and without a clock.

    Yields:
        Schedule, clocked, and what was broken; a table with a hole breaks ``table``.
    """
    for schedule in islice(schedules(**world), shard, None, shards):
        for clocked in (False, True):
            try:
                broken = Run(schedule, clocked=clocked, rules=rules).go().broken
            except LookupError:
                broken = {"table"}
            yield schedule, clocked, broken
