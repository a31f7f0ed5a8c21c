"""What a synchroniser tells its driver: small immutable values, in the order in which things happened.

An applied delta is no event; ``book.sequence`` moves, and ``book.touch_count`` when the touch changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from orderbook.types import BookState, Side

Depth = int | Literal["full"] | None
"""How deep a snapshot was asked for: levels a side, ``"full"``, or ``None`` when nobody said."""


@dataclass(frozen=True, slots=True)
class StateChanged:
    """The book's state changed. Exactly one for each change."""

    old: BookState
    new: BookState
    reason: str


@dataclass(frozen=True, slots=True)
class NeedSnapshot:
    """Please hand a fresh snapshot to ``receive_snapshot``: at any later time, late, stale or never.

    At most one is outstanding. A driver with a clock waits ``delay_ms`` first (spread over
    ``delay_ms / 2 .. delay_ms`` when many books share a budget) and may skip the request when
    ``sync.wants_snapshot`` has become false meanwhile.
    """

    symbol: str
    reason: str
    delay_ms: int
    depth: Depth


@dataclass(frozen=True, slots=True)
class NeedProbe:
    """Please hand the venue's present sequence to ``receive_probe`` (any cheap REST answer that carries it).

    If it cannot be had, ``probe_failed`` says so.
    """

    symbol: str
    reason: str


@dataclass(frozen=True, slots=True)
class FrameRejected:
    """Bytes that could not be used; ``reason`` is a short code, ``detail`` names the offending value."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class SnapshotRejected:
    """A snapshot answer that could not be used. Whoever still needs one is asked again."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Gap:
    """Deltas are missing for good: ``expected`` was next, ``received`` came. A snapshot is asked for."""

    expected: int
    received: int

    @property
    def missing(self) -> int:
        """How many sequence numbers are missing."""
        return self.received - self.expected


@dataclass(frozen=True, slots=True)
class SequenceReset:
    """The venue counts anew: ``received`` came after ``high``."""

    high: int
    received: int


@dataclass(frozen=True, slots=True)
class Crossed:
    """After a whole frame the best bid stood above the best ask: something was lost."""

    sequence: int
    bid: str
    ask: str


@dataclass(frozen=True, slots=True)
class LimitReached:
    """A bound of the settings was reached; ``name`` is the setting. The book resynchronises."""

    name: str
    limit: int


@dataclass(frozen=True, slots=True)
class LevelDifference:
    """One level on which our book and the venue's snapshot disagreed; sizes as decimal text, ``"0"``: absent."""

    side: Side
    price: str
    ours: str
    theirs: str


@dataclass(frozen=True, slots=True)
class AuditPassed:
    """A snapshot was equal to our book at its sequence, over ``levels`` levels."""

    sequence: int
    levels: int


@dataclass(frozen=True, slots=True)
class AuditFailed:
    """A snapshot differed from our book at its sequence. The book resynchronises."""

    sequence: int
    differences: tuple[LevelDifference, ...]

    def __repr__(self) -> str:
        # Hundreds of levels may differ, and events are printed.
        shown = ", ".join(f"{one.side.name} {one.price}: {one.ours} != {one.theirs}" for one in self.differences[:3])
        more = ", ..." if len(self.differences) > 3 else ""
        return f"AuditFailed(sequence={self.sequence}, {len(self.differences)} differences: {shown}{more})"


Event = (
    StateChanged
    | NeedSnapshot
    | NeedProbe
    | FrameRejected
    | SnapshotRejected
    | Gap
    | SequenceReset
    | Crossed
    | LimitReached
    | AuditPassed
    | AuditFailed
)
