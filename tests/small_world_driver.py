"""Drives a book through the small world, and watches after every input that LIVE is the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from orderbook.events import NeedProbe, NeedSnapshot
from orderbook.settings import SyncSettings
from orderbook.sync import BookSync
from orderbook.sync.table import INDEX, Index
from orderbook.types import BookState, Side
from tests.small_world import (
    BASE,
    DELTAS,
    SYMBOL,
    TRUTH,
    Schedule,
    SmallVenue,
    frame,
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


class Driver:
    """Drives one book through one schedule, and watches it."""

    def __init__(self, schedule: Schedule, *, clocked: bool, rules: Index = INDEX) -> None:
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

    def _heal_once(self) -> None:
        if self._base == 0 and self._heard >= BASE:
            self._heard = -1
        self._latest += 1
        self._frame(frame(self._latest, self._latest))

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
