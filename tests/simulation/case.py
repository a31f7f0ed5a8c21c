"""What one simulated run consists of, as data: everything else follows from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from orderbook.feed.settings import FeedSettings
from orderbook.simulator.market import stream
from orderbook.simulator.swarm import swarm
from orderbook.venues.rest import Depth

Entry = Mapping[str, object]

SYMBOLS: Final = ("BTC-USDT", "ETH-USDT", "SOL-USDT", "XRP-USDT")
DURATION_MS: Final = 60_000
CAP_MS: Final = 30_000
"""The longest that a feed of a run waits before it tries again."""
SETTINGS: Final = FeedSettings(refused_retry_ms=CAP_MS, instruments_interval_ms=CAP_MS)
"""The library's own, but for two waits of minutes."""


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
    """

    seed: int
    profile: str = "normal"
    symbols: tuple[str, ...] = SYMBOLS[:3]
    depth: Depth = "full"
    rate: float | None = None
    duration_ms: int = DURATION_MS
    plan: tuple[Entry, ...] = ()

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
    """The run of a seed: profile, depth, how many symbols, and a plan by swarm selection."""
    draws = stream(seed, "case")
    symbols = SYMBOLS[: draws.choice((1, 2, 3, 3, 4))]
    profile, plan = swarm(seed, symbols=symbols, duration_ms=duration_ms)
    depth: Depth = draws.choice(("full", "full", "full", 100))
    return Case(seed=seed, profile=profile, symbols=symbols, depth=depth, duration_ms=duration_ms, plan=tuple(plan))
