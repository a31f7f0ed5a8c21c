"""Exact sums of ``Decimal``, whatever the user's own ``decimal`` context is."""

from __future__ import annotations

from decimal import MAX_EMAX, MIN_EMIN, ROUND_HALF_EVEN, Context, Decimal, Inexact
from typing import Final

ZERO: Final = Decimal(0)

# Two numbers of the grammar lie within some 110 digits of each other: nothing is ever rounded here.
_EXACT: Final = Context(
    prec=400, rounding=ROUND_HALF_EVEN, Emin=MIN_EMIN, Emax=MAX_EMAX, capitals=1, clamp=0, flags=[], traps=[Inexact]
)


def plus(amount: Decimal, more: Decimal) -> Decimal:
    """The sum."""
    return _EXACT.add(amount, more)


def less(amount: Decimal, taken: Decimal) -> Decimal:
    """The difference, or 0 where more is taken than there is."""
    return _EXACT.subtract(amount, taken) if amount > taken else ZERO
