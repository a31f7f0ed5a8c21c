"""Comparing a live book with a venue's snapshot at one sequence, and taking over a farther horizon from it.

From the request on, a copy of the book and the deltas that follow are kept. When the snapshot arrives, the copy is
replayed to the snapshot's sequence and compared level by level. Two parts of the comparison are left out, because
nothing is known there: what lies past both horizons, and the prices that a delta straddling the snapshot's sequence
changed after it (their size at the sequence itself was never sent).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import ceil

from orderbook.content import BookContent
from orderbook.events import LevelDifference
from orderbook.fixedpoint import Number, to_raw
from orderbook.sync.facts import NEVER
from orderbook.types import Change, Delta, Side


@dataclass(slots=True)
class Audit:
    """A comparison under way: the copy, the deltas since, and a snapshot that the stream has yet to reach."""

    asked: bool
    """Whether the snapshot was asked for (else it came by itself)."""
    copy: BookContent
    deltas: list[Delta] = field(default_factory=list)
    snapshot: BookContent | None = None
    early: bool = False
    """Whether it began before a delta was overdue: its snapshot may have been made before that, too."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What an audit found: how many levels were compared, and which of them differ."""

    levels: int
    differences: tuple[LevelDifference, ...]


def compare(audit: Audit, snapshot: BookContent) -> Comparison:
    """Replay the copy to the snapshot's sequence and compare.

    Both contents are widened to common scales; the copy is used up.

    Raises:
        NumberError: The scales of the two cannot be made equal within 64 bits.

    Complexity: O(n) for n levels.
    """
    ours = audit.copy
    unknown: set[tuple[Side, Number]] = set()
    for delta in audit.deltas:
        if delta.sequence_start > snapshot.sequence:
            break
        if delta.sequence_end <= snapshot.sequence:
            ours.apply(delta.bids, delta.asks, delta.sequence_end)
        else:
            unknown = _changed_after(delta, snapshot.sequence)
            ours.apply(_until(delta.bids, snapshot.sequence), _until(delta.asks, snapshot.sequence), snapshot.sequence)
    ours.widen(snapshot.price_decimals, snapshot.size_decimals)
    snapshot.widen(ours.price_decimals, ours.size_decimals)
    skipped = {(side, to_raw(price, ours.price_decimals)) for side, price in unknown}
    levels = 0
    differences = []
    for side in Side:
        for price, mine, theirs in _pairs(side, ours, snapshot):
            if (side, price) in skipped:
                continue
            levels += 1
            if mine != theirs:
                differences.append(
                    LevelDifference(side, ours.price_text(price), ours.size_text(mine), ours.size_text(theirs))
                )
    return Comparison(levels, tuple(differences))


def _changed_after(delta: Delta, sequence: int) -> set[tuple[Side, Number]]:
    sides = ((Side.BID, delta.bids), (Side.ASK, delta.asks))
    return {(side, c.price) for side, rows in sides for c in rows if c.sequence is None or c.sequence > sequence}


def _until(rows: tuple[Change, ...], sequence: int) -> list[Change]:
    return [c for c in rows if c.sequence is not None and c.sequence <= sequence]


def _inside(side: Side, price: int, horizon: int | None) -> bool:
    return horizon is None or side.value * price <= side.value * horizon


def _pairs(side: Side, ours: BookContent, theirs: BookContent) -> Iterator[tuple[int, int, int]]:
    """Every (price, our size, their size) that both claim to know.

    Within a horizon a book knows every price; past it, it still knows the levels that a delta brought.
    """
    mine, other = ours.ladder(side), theirs.ladder(side)
    for price, size in mine:
        if _inside(side, price, theirs.horizon[side]):
            yield price, size, other.get(price)
    for price, size in other:
        if _inside(side, price, ours.horizon[side]) and not mine.get(price):
            yield price, 0, size


def reseeded(book: BookContent, audit: Audit, snapshot: BookContent) -> BookContent | None:
    """The book with every side whose horizon the snapshot moves out taken from it; ``None`` if it moves none.

    Args:
        book: The live content, equal to the snapshot where both know.
        audit: With the deltas since the copy.
        snapshot: At a sequence the deltas reach back to; used up.

    Raises:
        NumberError: As ``compare``.
    """
    for delta in audit.deltas:
        if delta.sequence_end > snapshot.sequence:
            snapshot.apply(delta.bids, delta.asks, delta.sequence_end, delta.venue_ms)
    merged = book.copy()
    merged.widen(snapshot.price_decimals, snapshot.size_decimals)
    snapshot.widen(merged.price_decimals, merged.size_decimals)
    farther = [side for side in Side if _is_farther(side, snapshot.horizon[side], merged.horizon[side])]
    for side in farther:
        merged.extend(side, snapshot)
    return merged if farther else None


def _is_farther(side: Side, candidate: int | None, present: int | None) -> bool:
    if present is None:
        return False
    return candidate is None or side.value * candidate > side.value * present


class Auditor:
    """At most one audit at a time, and the question whether a horizon should be moved out.

    Attributes:
        older: Answers in a row, since a delta was overdue or the stream went on, that were older than the copy.
    """

    __slots__ = ("_audit", "_deltas_max", "_overdue_at", "_trusted_share", "older")

    def __init__(self, deltas_max: int, trusted_share: float) -> None:
        self._audit: Audit | None = None
        self._deltas_max = deltas_max
        self._trusted_share = trusted_share
        self._overdue_at = NEVER
        self.older = 0

    @property
    def is_overdue(self) -> bool:
        """Whether a delta came for the first time that the book was beyond already, and nothing makes up for it yet.

        A new book does, or a comparison that began later, at a sequence beyond where the book then stood: at that very
        sequence, a cache may have answered with what the venue had before it fell back.
        """
        return self._overdue_at != NEVER

    @property
    def busy(self) -> bool:
        """Whether an audit is under way."""
        return self._audit is not None

    @property
    def is_unanswered(self) -> bool:
        """Whether the one under way asked for a snapshot and has none."""
        return self._audit is not None and self._audit.asked and self._audit.snapshot is None

    def start(self, base: BookContent, *, asked: bool) -> None:
        """Keep a copy from now on. O(n)."""
        self._audit = Audit(asked, base.copy())

    def stop(self) -> None:
        """The book is given up: forget all about it."""
        self._audit = None
        self._overdue_at = NEVER

    def suspect(self, last: int) -> bool:
        """A delta came for the first time that the book was beyond already: from now on, old answers tell.

        Args:
            last: Where the book stands.

        Returns:
            Whether it is the first, and an audit waits for its snapshot.
        """
        is_first, self._overdue_at = not self.is_overdue, last
        if not is_first:
            return False
        self.older = 0
        if self._audit is not None:
            self._audit.early = True
        return self.is_unanswered

    def copied_at(self, last: int) -> int:
        """The oldest sequence that can be compared now; ``last`` when no copy is kept."""
        return last if self._audit is None else self._audit.copy.sequence

    def record(self, base: BookContent, delta: Delta) -> bool:
        """A delta was applied to the base. ``False`` if too many are kept: the copy then starts anew."""
        if self._audit is None:
            return True
        self._audit.deltas.append(delta)
        if len(self._audit.deltas) <= self._deltas_max:
            return True
        self._audit = Audit(self._audit.asked, base.copy(), early=self._audit.early)
        return False

    def wait_for(self, base: BookContent, snapshot: BookContent) -> None:
        """The snapshot is ahead of the stream."""
        if self._audit is None:
            self.start(base, asked=False)
            assert self._audit is not None
        self._audit.snapshot = snapshot

    def drop_snapshot(self) -> None:
        """The stream did not reach it: if one was asked for, keep the copy for the next."""
        assert self._audit is not None
        self._audit.snapshot = None
        if not self._audit.asked:
            self._audit = None

    def reached(self, last: int) -> BookContent | None:
        """The waiting snapshot, once the stream is at it."""
        snapshot = None if self._audit is None else self._audit.snapshot
        return snapshot if snapshot is not None and snapshot.sequence <= last else None

    def finish(self, base: BookContent, snapshot: BookContent) -> tuple[Comparison, BookContent | None]:
        """Compare, and end the audit.

        Returns:
            What was found, and, when nothing differs, the base with a horizon moved out (``None``: none was).

        Raises:
            NumberError: The two cannot be held at one scale.
        """
        audit = self._audit or Audit(asked=False, copy=base.copy())
        self._audit = None
        found = compare(audit, snapshot)
        self.older = 0
        if snapshot.sequence > self._overdue_at and not audit.early:
            self._overdue_at = NEVER
        return found, None if found.differences else reseeded(base, audit, snapshot)

    def fewest(self, base: BookContent) -> tuple[int, int]:
        """Of bids and asks, how many levels up to the horizon are enough; 0 where there is no horizon."""
        bids, asks = (
            0 if base.horizon[side] is None else ceil(self._trusted_share * base.seeded[side])
            for side in (Side.BID, Side.ASK)
        )
        return bids, asks

    def wants_horizon(self, base: BookContent) -> bool:
        """Whether few of a partial snapshot's levels are left on a side. O(log n)."""
        return any(
            base.horizon[side] is not None and base.trusted_count(side) < self._trusted_share * base.seeded[side]
            for side in Side
        )
