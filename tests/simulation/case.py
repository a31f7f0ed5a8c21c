"""What one simulated run consists of, as data: everything else follows from it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from orderbook.feed.settings import FeedSettings
from orderbook.simulator.chance import stream
from orderbook.simulator.families import FAMILIES, LIES, MARKETS, Families
from orderbook.simulator.faults import Fault, FaultPlan, Point
from orderbook.simulator.swarm import swarm
from orderbook.venues.rest import Depth

Entry = Mapping[str, object]

SYMBOLS: Final = ("BTC-USDT", "ETH-USDT", "SOL-USDT", "XRP-USDT")
DURATION_MS: Final = 60_000
CAP_MS: Final = 30_000
"""The longest that a feed of a run waits before it tries again."""
SETTINGS: Final = FeedSettings(refused_retry_ms=CAP_MS, instruments_interval_ms=CAP_MS)
"""The library's own, but for two waits of minutes."""
AUDIT_MS: Final = 2_000
LYING: Final = replace(SETTINGS, audit_interval_ms=AUDIT_MS)
"""For runs with lies, which only audits can find: more of them."""
LONG_MS: Final = 120_000
"""Of some runs, so that a topic can be dead for longer than anything is waited for."""
SLOW: Final = (0.2, 1.0, 4.0)
"""Deltas a second of the symbols of such a run: some too few to miss them soon."""
LIARS: Final[Families] = {
    name: families[name]
    for families, names in ((FAMILIES, ("loss", "order", "batching", "rows", "numbers")), (LIES, LIES))
    for name in names
}
"""What goes wrong beside lies: nothing that keeps audits from being answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One run.

    Attributes:
        seed: Of the market, the way, the feed's jitter and the chances of the faults.
        profile: How the market behaves.
        symbols: The books.
        depth: ``"full"`` with a key, else levels a side.
        rate: Deltas a second of each symbol; ``None``: what the profile says.
        duration_ms: How long things may go wrong; then all is healed.
        plan: What goes wrong; times count from when the feed is opened.
        lies: Whether the venue may say what is not so: then a wrong book is no breach until its next audit is over.
    """

    seed: int
    profile: str = "normal"
    symbols: tuple[str, ...] = SYMBOLS[:3]
    depth: Depth = "full"
    rate: float | None = None
    duration_ms: int = DURATION_MS
    plan: tuple[Entry, ...] = ()
    lies: bool = False

    def to_json(self) -> str:
        """As text that ``from_json`` reads, an entry of the plan a line."""
        rest = {name: value for name, value in asdict(self).items() if name != "plan"}
        entries = ",\n  ".join(json.dumps(entry) for entry in self.plan)
        return f'{json.dumps(rest)[:-1]}, "plan": [\n  {entries}\n]}}\n'

    @classmethod
    def from_json(cls, text: str) -> Case:
        """The same run again. Raises ``ValueError`` or ``TypeError`` for what is none."""
        read: dict[str, Any] = json.loads(text)
        return cls(**{**read, "symbols": tuple(read["symbols"]), "plan": tuple(read["plan"])})

    def without(self, *numbers: int) -> Case:
        """The same with fewer entries in its plan."""
        return replace(self, plan=tuple(entry for number, entry in enumerate(self.plan) if number not in numbers))


def drawn(seed: int, *, duration_ms: int = DURATION_MS) -> Case:
    """The run of a seed: profile, depth, how many symbols, and a plan by swarm selection.

    In every third one nothing touches the last of its symbols; in every eighth one the venue lies; and every tenth one
    is long and slow, if it is not told how long to be.
    """
    draws = stream(seed, "case")
    symbols = SYMBOLS[: draws.choice((1, 2, 3, 3, 4))]
    depth: Depth = draws.choice(("full", "full", "full", 100))
    is_long, lies = duration_ms == DURATION_MS and seed % 10 == 7, seed % 8 == 5
    spared: tuple[str, ...] = ()
    if seed % 3 == 0:
        symbols = SYMBOLS[: max(2, len(symbols))]
        spared = symbols[-1:]
    duration_ms = LONG_MS if is_long else duration_ms
    profile, plan = swarm(
        seed,
        symbols=symbols,
        duration_ms=duration_ms,
        families=LIARS if lies else FAMILIES,
        markets={"quiet": 1} if is_long else MARKETS,
        spared=spared,
        certain=LIES if lies else (),
    )
    return Case(
        seed=seed,
        profile=profile,
        symbols=symbols,
        depth=depth,
        rate=draws.choice(SLOW) if is_long else None,
        duration_ms=duration_ms,
        plan=_without_unseen_counts(plan),
        lies=lies,
    )


def _without_unseen_counts(plan: Sequence[Entry]) -> tuple[Entry, ...]:
    """A venue that falls back while nobody is connected, and a cache that still answers from before: nobody sees that.

    Only an audit finds that, as ``docs/promise.md`` says. So one of the two goes wrong where a link may be down.
    """
    is_near = any("back" in entry for entry in plan)
    if not is_near or all(_leaves_links(fault) for fault in FaultPlan(plan).faults):
        return tuple(plan)
    return tuple(entry for entry in plan if not (entry["fault"] == "stale_snapshot" and "ms" in entry))


def _leaves_links(fault: Fault) -> bool:
    if fault.point is Point.MOMENT:
        return fault.name in ("sequence_reset", "delist", "tick_change") and not fault.knobs.get("close")
    return fault.point in (Point.DELTA, Point.BOOK) and fault.name != "oversize"
