"""What a book can be asked, as pure functions over levels of scaled integers. No floats, no rounding.

A level is (price, size), in raw units. Answers that need a division are a ``Ratio``; whoever asked decides how it is
written down. Nothing here knows of states, horizons or scales.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from itertools import accumulate
from math import ceil, floor
from typing import Final, NamedTuple

from orderbook.content import RawLevel
from orderbook.types import Side

BPS: Final = 10_000
"""Basis points in one."""


class Ratio(NamedTuple):
    """An exact quotient, not necessarily in lowest terms; the denominator is positive."""

    numerator: int
    denominator: int


class Walk(NamedTuple):
    """How far a ladder had to be walked for an amount."""

    filled: Ratio
    """In raw size units."""
    quote: Ratio
    """Sum of price times size, in raw price units times raw size units."""
    worst: int | None
    """Raw price of the last level touched."""
    level_count: int
    complete: bool

    @property
    def average(self) -> Ratio | None:
        """Average raw price; ``None`` if nothing was filled."""
        if not self.filled.numerator:
            return None
        return Ratio(
            self.quote.numerator * self.filled.denominator,
            self.quote.denominator * self.filled.numerator,
        )


def spread(bid: RawLevel, ask: RawLevel) -> int:
    """Best ask less best bid, in raw price units; negative when crossed. O(1)."""
    return ask[0] - bid[0]


def mid(bid: RawLevel, ask: RawLevel) -> Ratio:
    """Halfway between the best prices, in raw price units. O(1)."""
    return Ratio(bid[0] + ask[0], 2)


def spread_bps(bid: RawLevel, ask: RawLevel) -> Ratio:
    """Spread relative to mid, in basis points. O(1)."""
    return Ratio(2 * BPS * spread(bid, ask), bid[0] + ask[0])


def microprice(bid: RawLevel, ask: RawLevel) -> Ratio:
    """Best prices weighted by the size of the *opposite* side, in raw price units.

    Much size on the bid pulls it towards the ask, where the next trade is likelier.

    Complexity: O(1).
    """
    return Ratio(bid[0] * ask[1] + ask[0] * bid[1], bid[1] + ask[1])


def total(levels: Iterable[RawLevel]) -> int:
    """Sum of the sizes, in raw size units. O(n)."""
    return sum(size for _, size in levels)


def imbalance(bid_size: int, ask_size: int) -> Ratio | None:
    """(B - A) / (B + A), from -1 to 1; ``None`` if there is nothing on either side. O(1)."""
    if not bid_size + ask_size:
        return None
    return Ratio(bid_size - ask_size, bid_size + ask_size)


def band(bid: RawLevel, ask: RawLevel, bps: Fraction) -> dict[Side, Fraction]:
    """Edges of the band of ``bps`` basis points to either side of mid, in raw price units. O(1)."""
    middle = Fraction(*mid(bid, ask))
    reach = middle * bps / BPS
    return {Side.BID: middle - reach, Side.ASK: middle + reach}


def last_price_within(side: Side, limit: Fraction) -> int:
    """The worst whole raw price that is not past ``limit``; may be outside the range of prices. O(1)."""
    return ceil(limit) if side is Side.BID else floor(limit)


def cumulative(levels: Iterable[RawLevel]) -> list[RawLevel]:
    """Each price with the total size from the first level up to it. O(n)."""
    levels = list(levels)
    return [(price, size) for (price, _), size in zip(levels, accumulate(size for _, size in levels), strict=True)]


def fill_size(levels: Iterable[RawLevel], size: Fraction) -> Walk:
    """Walk levels, best first, until ``size`` (raw size units) is filled.

    Complexity: O(k), k = levels touched.
    """
    # Counted in 1/unit of a raw unit, so that every step is an integer.
    wanted, unit = size.numerator, size.denominator
    filled = quote = level_count = 0
    worst = None
    for price, available in levels:
        if filled == wanted:
            break
        take = min(available * unit, wanted - filled)
        filled += take
        quote += take * price
        worst = price
        level_count += 1
    return Walk(Ratio(filled, unit), Ratio(quote, unit), worst, level_count, complete=filled == wanted)


def fill_quote(levels: Iterable[RawLevel], quote: Fraction) -> Walk:
    """Walk levels, best first, until ``quote`` (raw price units times raw size units) is spent.

    Complexity: O(k), k = levels touched.
    """
    wanted, unit = quote.numerator, quote.denominator
    filled = spent = level_count = 0
    worst = None
    for price, available in levels:
        if spent == wanted:
            break
        worst = price
        level_count += 1
        cost = price * available * unit
        if spent + cost > wanted:
            # Only the last level can be touched in part: a fraction of a raw unit is kept as such.
            part = Ratio(filled * price * unit + wanted - spent, price * unit)
            return Walk(part, Ratio(wanted, unit), worst, level_count, complete=True)
        filled += available
        spent += cost
    return Walk(Ratio(filled, 1), Ratio(spent, unit), worst, level_count, complete=spent == wanted)
