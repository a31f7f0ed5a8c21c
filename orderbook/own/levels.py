"""How much of each level is one's own: the open orders of one symbol, added up by price."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from orderbook.own.amounts import ZERO, less, plus
from orderbook.own.order import OwnOrder
from orderbook.types import Side


@dataclass(slots=True)
class OwnLevel:
    """One's own orders at one price.

    Attributes:
        size: Of all of them, in base currency.
        order_count: How many they are.
        shrunk: By how much they shrank or ended since the level is there; it never falls.
        grown_ns: When the last of them came into the book, in ns since 1970.
    """

    size: Decimal = ZERO
    order_count: int = 0
    shrunk: Decimal = ZERO
    grown_ns: int = 0


class OwnLevels:
    """The levels of one symbol.

    Attributes:
        changed_ns: When the last change that is known of happened at the venue, in ns since 1970.
        version: Counts changes.
    """

    __slots__ = ("_sides", "changed_ns", "version")

    def __init__(self) -> None:
        self._sides: dict[Side, dict[Decimal, OwnLevel]] = {Side.BID: {}, Side.ASK: {}}
        self.changed_ns = 0
        self.version = 0

    def of(self, side: Side) -> Mapping[Decimal, OwnLevel]:
        """Price to level, of one side."""
        return self._sides[side]

    def change(self, before: OwnOrder | None, after: OwnOrder | None, venue_ns: int) -> None:
        """An order came, shrank or went.

        Args:
            before: As it stood, ``None`` if it did not.
            after: As it stands, likewise; the same order.
            venue_ns: When that happened at the venue.
        """
        order = after or before
        assert order is not None
        levels = self._sides[order.side]
        level = levels.setdefault(order.price, OwnLevel())
        old = ZERO if before is None else before.remaining_size
        new = ZERO if after is None else after.remaining_size
        level.size = less(plus(level.size, new), old)
        level.shrunk = plus(level.shrunk, less(old, new))
        level.order_count += (after is not None) - (before is not None)
        if after is not None:
            level.grown_ns = max(level.grown_ns, after.opened_ns)
        if not level.order_count:
            del levels[order.price]
        self.changed_ns = max(self.changed_ns, venue_ns)
        self.version += 1
