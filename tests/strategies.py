"""What random tests are made of: numbers as text, and plain books that are trivially right."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from hypothesis import strategies as st

from orderbook.book import OrderBook
from orderbook.fixedpoint import RAW_MAX
from orderbook.types import Side

Levels = list[tuple[Fraction, Fraction]]
"""(price, size), exact, best first."""


def _joined(*parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(*parts).map("".join)


_digits = st.text("0123456789", min_size=1, max_size=12)
_integers = st.just("0") | _joined(st.sampled_from("123456789"), st.text("0123456789", max_size=12))
_fractions = st.just("") | _digits.map(lambda digits: f".{digits}")
_exponents = st.just("") | _joined(
    st.sampled_from("eE"), st.sampled_from(["", "+", "-"]), st.integers(0, 30).map(str), st.just("")
)

number_texts: st.SearchStrategy[str] = _joined(_integers, _fractions, _exponents)
"""Texts of the number grammar."""

almost_numbers: st.SearchStrategy[str] = st.text("0123456789.eE+-_ xXnNaAiIfF１²\n", max_size=12)
"""Texts of which few are in the grammar."""

# Few and close together, so that changes meet; now and then at the ends of what 63 bits hold.
raw_prices: st.SearchStrategy[int] = st.integers(1, 12) | st.integers(1, RAW_MAX)
raw_sizes: st.SearchStrategy[int] = st.integers(1, 5) | st.integers(1, RAW_MAX)


@dataclass(frozen=True)
class PlainBook:
    """A book as two dictionaries of raw price to raw size, with everything worked out by hand."""

    price_decimals: int
    size_decimals: int
    bids: dict[int, int]
    asks: dict[int, int]

    def rows(self, side: Side) -> list[tuple[Decimal, Decimal]]:
        """Rows for ``apply_snapshot``."""
        return [
            (Decimal(price).scaleb(-self.price_decimals), Decimal(size).scaleb(-self.size_decimals))
            for price, size in self._side(side).items()
        ]

    def levels(self, side: Side) -> Levels:
        """The levels, best first."""
        levels = [
            (Fraction(price, 10**self.price_decimals), Fraction(size, 10**self.size_decimals))
            for price, size in self._side(side).items()
        ]
        return sorted(levels, reverse=side is Side.BID)

    def build(self, **arguments: int) -> OrderBook:
        """The same book, as the library has it."""
        book = OrderBook("TEST-USDT")
        book.apply_snapshot(self.rows(Side.BID), self.rows(Side.ASK), 1, **arguments)
        return book

    def _side(self, side: Side) -> dict[int, int]:
        return self.bids if side is Side.BID else self.asks


@st.composite
def plain_books(draw: st.DrawFn, *, least: int = 0, crossed: bool = False) -> PlainBook:
    """Books of ``least`` to 8 levels a side; locked or crossed ones only if asked for."""
    prices = draw(st.sampled_from([st.integers(1, 40), st.integers(900_000, 900_400), st.integers(1, RAW_MAX)]))
    sizes = draw(st.sampled_from([st.integers(1, 9), st.integers(1, RAW_MAX)]))
    if crossed:
        bids = draw(st.dictionaries(prices, sizes, min_size=least, max_size=8))
        asks = draw(st.dictionaries(prices, sizes, min_size=least, max_size=8))
    else:
        both = sorted(draw(st.lists(prices, min_size=2 * least, max_size=16, unique=True)))
        cut = draw(st.integers(least, len(both) - least))
        bids = {price: draw(sizes) for price in both[:cut]}
        asks = {price: draw(sizes) for price in both[cut:]}
    return PlainBook(draw(st.integers(0, 10)), draw(st.integers(0, 10)), bids, asks)
