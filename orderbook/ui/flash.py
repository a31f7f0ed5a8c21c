"""Which levels changed since the last drawings: from what was drawn to what will be, without a clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from orderbook.results import BookView
from orderbook.types import Side
from orderbook.ui.levels import FRESH, Levels, Lit


@dataclass(frozen=True, slots=True)
class Flash:
    """What was drawn of one book, and what of it is still to be marked."""

    sides: Mapping[Side, Levels] = field(default_factory=dict)
    """Levels at the last drawing; none if the book was not LIVE then."""
    lit: Lit = field(default_factory=dict)

    def after(self, view: BookView[Decimal]) -> Flash:
        """The same after one more drawing, of ``view``.

        A level is marked when its size differs, and when it is new. It is not when it only came into sight: deeper
        than all that was drawn. Nothing is marked in the first drawing of a book that is LIVE.

        Complexity: O(levels).
        """
        if not view.is_live:
            return Flash()
        sides = {Side.BID: view.bids, Side.ASK: view.asks}
        lit = {}
        for side, levels in sides.items():
            if side not in self.sides:
                continue
            before = dict(self.sides[side])
            last = self.sides[side][-1].price if self.sides[side] else None
            for price, size in levels:
                if last is not None and side.value * price > side.value * last:
                    break
                if change := _sign(size - before.get(price, Decimal())) * FRESH or _faded(
                    self.lit.get((side, price), 0)
                ):
                    lit[side, price] = change
        return Flash(sides, lit)


def _sign(value: Decimal) -> int:
    return (value > 0) - (value < 0)


def _faded(change: int) -> int:
    """One step nearer to 0."""
    return change - (change > 0) + (change < 0)
