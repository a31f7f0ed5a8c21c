"""What a replay found out about one symbol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from orderbook import horizon
from orderbook.content import BookContent
from orderbook.sync import BookSync
from orderbook.types import BookState, Side
from snapshots.checks import Difference, Tally

LEVELS: Final = 5
"""Best levels a side in a report, unless told otherwise."""

TextLevel = tuple[str, str]
"""(price, size) as exact decimal text, without trailing zeros and without exponent."""


@dataclass(frozen=True, slots=True)
class SymbolReport:
    """One book at the end of a replay; of a book that is not LIVE, the last known one, as ``state`` says."""

    venue: str
    symbol: str
    capture: str
    """The file, as it was named."""
    state: BookState
    reason: str
    sequence: int
    epoch: int
    """How often the book was built from a snapshot."""
    frames: int
    """Equal to applied + duplicates + rejected + discarded + buffered."""
    applied: int
    duplicates: int
    rejected: int
    discarded: int
    buffered: int
    gaps: int
    resyncs: int
    crossed: int
    resets: int
    reorders: int
    checks: Mapping[str, Tally]
    """By the name of the check; ``"snapshot"`` only where a snapshot came after the book was joined."""
    differences: tuple[Difference, ...]
    """The first bad comparisons."""
    bid_count: int
    """Levels known for certain, all of them."""
    ask_count: int
    bid_horizon: str | None
    """Price up to and including which the bids are complete; ``None``: all of them."""
    ask_horizon: str | None
    bids: tuple[TextLevel, ...]
    """The best of them, best first."""
    asks: tuple[TextLevel, ...]

    @property
    def bad(self) -> int:
        """Comparisons that came out different, over all checks."""
        return sum(tally.bad for tally in self.checks.values())

    def to_json(self) -> dict[str, object]:
        """The line of ``replay --format json``, as an object that ``json.dumps`` takes."""
        return {
            "venue": self.venue,
            "symbol": self.symbol,
            "state": self.state.value,
            "reason": self.reason,
            "sequence": self.sequence,
            "frames": self.frames,
            "applied": self.applied,
            "duplicates": self.duplicates,
            "rejected": self.rejected,
            "gaps": self.gaps,
            "resyncs": self.resyncs,
            "crossed": self.crossed,
            "checks": {name: tally.to_json() for name, tally in self.checks.items()},
            "levels": {"bids": self.bid_count, "asks": self.ask_count},
            "bids": [list(level) for level in self.bids],
            "asks": [list(level) for level in self.asks],
            "epoch": self.epoch,
            "discarded": self.discarded,
            "buffered": self.buffered,
            "resets": self.resets,
            "reorders": self.reorders,
            "horizon": {"bids": self.bid_horizon, "asks": self.ask_horizon},
            "differences": [difference.to_json() for difference in self.differences],
            "capture": self.capture,
        }


def report_on(
    sync: BookSync,
    *,
    venue: str,
    capture: str,
    checks: Mapping[str, Tally],
    differences: tuple[Difference, ...],
    levels: int = LEVELS,
) -> SymbolReport:
    """Describe a book as it stands, LIVE or not.

    Args:
        sync: Its synchroniser.
        venue: Name of the venue.
        capture: Where the traffic came from.
        checks: What was compared.
        differences: Details of what came out bad.
        levels: How many of the best levels a side.

    Complexity: O(levels).
    """
    book, counters, content = sync.book, sync.counters, sync.book.content
    return SymbolReport(
        venue=venue,
        symbol=sync.symbol,
        capture=capture,
        state=book.state,
        reason=book.reason,
        sequence=book.sequence,
        epoch=book.epoch,
        frames=counters.frames,
        applied=counters.applied,
        duplicates=counters.duplicates,
        rejected=counters.rejected_count,
        discarded=counters.discarded_count,
        buffered=sync.buffered,
        gaps=counters.gaps,
        resyncs=counters.resyncs,
        crossed=counters.crossed,
        resets=counters.resets,
        reorders=counters.reorders,
        checks=dict(checks),
        differences=differences,
        bid_count=content.trusted_count(Side.BID),
        ask_count=content.trusted_count(Side.ASK),
        bid_horizon=_horizon(content, Side.BID),
        ask_horizon=_horizon(content, Side.ASK),
        bids=_best(content, Side.BID, levels),
        asks=_best(content, Side.ASK, levels),
    )


def _best(content: BookContent, side: Side, levels: int) -> tuple[TextLevel, ...]:
    known, _ = horizon.top(content, side, levels)
    return tuple((content.price_text(price), content.size_text(size)) for price, size in known)


def _horizon(content: BookContent, side: Side) -> str | None:
    price = content.horizon[side]
    return None if price is None else content.price_text(price)
