"""What queries answer when one number is not enough: named, immutable, never a bare tuple of like things.

``partial`` is always ``False`` unless the question passed ``allow_partial=True``: then it says that the question
reached past the horizon, and that the answer holds only what is known for certain.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Generic, NamedTuple, TypeVar

import numpy.typing as npt

from orderbook.fixedpoint import to_number
from orderbook.types import BookState, Level

T_co = TypeVar("T_co", covariant=True)
V_co = TypeVar("V_co", covariant=True)
Q_co = TypeVar("Q_co", covariant=True)


class Marked(NamedTuple, Generic[T_co]):
    """An answer given with ``allow_partial=True``."""

    value: T_co
    partial: bool
    """Whether the question reached past the horizon."""


class Depth(NamedTuple):
    """The best levels of both sides, as arrays of shape (n, 2): price, size; best first.

    Arrays are float64; of ``Decimal`` objects through ``exact``; int64 through ``raw``. They are copies of one moment,
    which may be kept and written to: no later change of the book reaches them.
    """

    bids: npt.NDArray[Any]
    asks: npt.NDArray[Any]
    partial: bool
    """A side is shorter than asked for because no more of it is known."""


class Band(NamedTuple, Generic[V_co]):
    """Total sizes within a band around mid; ``None`` where there is no mid to measure from."""

    bids: V_co | None
    """Size in base units."""
    asks: V_co | None
    """Size in base units."""
    partial: bool
    """The band reaches past a horizon: the sizes are at least so much."""


class Fill(NamedTuple, Generic[V_co, Q_co]):
    """What walking a ladder would give."""

    average: Q_co | None
    """Average price; ``None`` if nothing was filled."""
    worst: V_co | None
    """Price of the last level touched; ``None`` if nothing was filled."""
    filled: Q_co
    """Size filled, in base units."""
    quote: Q_co
    """The same in quote currency: the sum of price times size."""
    complete: bool
    """Whether everything asked for was filled."""
    level_count: int
    """Levels touched."""
    partial: bool
    """The walk ended at the horizon; there may be more behind it."""


@dataclass(frozen=True, slots=True)
class BookView(Generic[V_co]):
    """A book at one moment, for keeping and handing around; ``bids`` and ``asks`` are empty unless it was LIVE."""

    symbol: str
    state: BookState
    reason: str
    """Why it is in that state, in words."""
    sequence: int
    """The venue's sequence of the levels; 0 before the first snapshot."""
    epoch: int
    """How many times the book had been built from a snapshot."""
    age_ms: int | None
    """Time since something was heard; ``None`` without a clock."""
    venue_ms: int | None
    """The venue's time of the last change, ms since 1970, where it sends one."""
    bids: tuple[Level[V_co], ...]
    """Best first."""
    asks: tuple[Level[V_co], ...]
    """Best first."""
    partial: bool
    """A side is shorter than asked for because no more of it is known."""

    @property
    def is_live(self) -> bool:
        """Whether the book was LIVE when the view was taken."""
        return self.state is BookState.LIVE

    @property
    def best_bid(self) -> Level[V_co] | None:
        """Highest bid; ``None`` if there is none in the view."""
        return self.bids[0] if self.bids else None

    @property
    def best_ask(self) -> Level[V_co] | None:
        """Lowest ask; ``None`` if there is none in the view."""
        return self.asks[0] if self.asks else None

    @property
    def spread(self) -> float | None:
        """Best ask less best bid, as the book's own float; ``None`` unless both are in the view.

        This and what follows it are floats in every form, computed from the prices as they are written and rounded
        once. (A price of more than 15 digits is written shorter in floats; where that matters, ask the book.)
        """
        touch = self._touch()
        return None if touch is None else float(touch[1] - touch[0])

    @property
    def mid(self) -> float | None:
        """Halfway between the best prices; ``None`` unless both are in the view."""
        touch = self._touch()
        return None if touch is None else float((touch[0] + touch[1]) / 2)

    @property
    def spread_bps(self) -> float | None:
        """Spread in basis points of mid; ``None`` unless both sides are in the view."""
        touch = self._touch()
        return None if touch is None else float(20_000 * (touch[1] - touch[0]) / (touch[0] + touch[1]))

    def _touch(self) -> tuple[Fraction, Fraction] | None:
        """The best prices, exactly."""
        if not (self.bids and self.asks):
            return None
        prices: tuple[Any, Any] = (self.bids[0].price, self.asks[0].price)
        bid, ask = (Fraction(to_number(price).to_decimal()) for price in prices)
        return bid, ask
