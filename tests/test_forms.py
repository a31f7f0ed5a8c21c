"""The three forms of a number: correctly rounded, exact, and raw."""

from __future__ import annotations

from decimal import ROUND_UP, Decimal, Inexact, Rounded, localcontext
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orderbook.errors import UsageError
from orderbook.fixedpoint import RAW_MAX, plain
from orderbook.forms import EXACT, FLOAT, QUOTIENT_DIGITS, RAW, to_fraction
from orderbook.queries import cumulative
from tests.books import live_book

raws = st.integers(0, RAW_MAX)
decimals = st.integers(0, 30)
# Beyond 53 bits, where dividing one float by another would round a second time.
TWICE_ROUNDED = (9007199254740993, 2)


@given(raw=raws, decimals=decimals)
@example(*TWICE_ROUNDED)
def test_a_float_is_what_its_text_says(raw: int, decimals: int) -> None:
    """``float("67012.3") == level.price``, also in arrays: the nearest float, rounded once."""
    expected = float(plain(raw, decimals))

    assert expected == FLOAT.value(raw, decimals)
    assert -expected == FLOAT.value(-raw, decimals)
    assert [[expected, expected]] == FLOAT.array([(raw, raw)], decimals, decimals).tolist()


def test_rounding_twice_would_show() -> None:
    """The example above can tell the two apart."""
    raw, decimals = TWICE_ROUNDED

    assert float(raw) / float(10**decimals) != FLOAT.value(raw, decimals)


@given(raw=raws, decimals=decimals)
def test_a_decimal_is_exact(raw: int, decimals: int) -> None:
    """Value and sign, without trailing zeros."""
    value = EXACT.value(raw, decimals)

    assert Fraction(raw, 10**decimals) == Fraction(value)
    assert plain(raw, decimals) == f"{value:f}"
    assert -value == EXACT.value(-raw, decimals)
    assert EXACT.array([(raw, raw)], decimals, 0).tolist() == [[value, Decimal(raw)]]


@given(numerator=st.integers(-(10**40), 10**40), denominator=st.integers(1, 10**20), decimals=decimals)
def test_quotients(numerator: int, denominator: int, decimals: int) -> None:
    """The nearest float, the nearest decimal of 50 digits, and the fraction itself."""
    expected = Fraction(numerator, denominator * 10**decimals)
    decimal = EXACT.quotient(numerator, denominator, decimals)

    assert float(expected) == FLOAT.quotient(numerator, denominator, decimals)
    assert len(decimal.as_tuple().digits) <= QUOTIENT_DIGITS == 50
    assert abs(Fraction(decimal) - expected) * 2 <= Fraction(10) ** (decimal.adjusted() - QUOTIENT_DIGITS + 1)
    assert Fraction(numerator, denominator) == RAW.quotient(numerator, denominator, decimals)


def test_the_users_context_does_not_matter() -> None:
    """Neither its precision nor its rounding nor its traps."""

    def answers() -> list[Any]:
        exact = live_book().exact
        return [
            exact.best_bid,
            exact.mid,
            exact.microprice,
            exact.depth(2).asks.tolist(),
            exact.bids.size_at("67012.3"),
        ]

    expected = answers()
    with localcontext() as context:
        context.clear_flags()
        context.prec = 2
        context.rounding = ROUND_UP
        context.traps[Inexact] = context.traps[Rounded] = True
        assert expected == answers()
        assert not context.flags[Inexact]


@pytest.mark.parametrize(("sizes", "kind"), [((RAW_MAX - 1, 1), "int64"), ((RAW_MAX, 1), "object")])
def test_a_raw_array_never_wraps_around(sizes: tuple[int, int], kind: str) -> None:
    """A cumulative size of more than 63 bits is a Python integer."""
    rows = RAW.array(cumulative([(1, sizes[0]), (2, sizes[1])]), 0, 0)

    assert (kind, [[1, sizes[0]], [2, sum(sizes)]]) == (str(rows.dtype), rows.tolist())


@pytest.mark.parametrize("form", [FLOAT, EXACT, RAW])
def test_an_empty_array_has_two_columns(form: Any) -> None:
    """So that ``depth.bids[:, 0]`` works on an empty side."""
    assert (0, 2) == form.array([], 1, 1).shape


@given(raw=raws, decimals=decimals)
def test_what_a_form_hands_out_it_takes_back(raw: int, decimals: int) -> None:
    """A float of up to 15 digits, a decimal and an integer name the level they came from."""
    if raw < 10**15:
        assert raw == FLOAT.scaled(FLOAT.value(raw, decimals), decimals, "price")
    assert raw == EXACT.scaled(EXACT.value(raw, decimals), decimals, "price")
    assert raw == RAW.scaled(RAW.value(raw, decimals), decimals, "price")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0.10", Fraction(1, 10)),
        (0.1, Fraction(1, 10)),
        (Decimal("1E+2"), Fraction(100)),
        (Fraction(1, 3), Fraction(1, 3)),
        (7, Fraction(7)),
        (np.int32(7), Fraction(7)),
        ("1e-30", Fraction(1, 10**30)),
    ],
)
def test_numbers_are_taken_exactly(value: Any, expected: Fraction) -> None:
    """However they are written."""
    assert expected == to_fraction(value, "bps")


@pytest.mark.parametrize("value", ["-1", "1 ", "1e31", -1, Fraction(-1, 3), None, float("inf"), 1j])
def test_what_is_no_number_is_named(value: Any) -> None:
    """The caller's mistake, with the argument's name in front, whatever its type."""
    with pytest.raises(UsageError, match=r"^bps"):
        to_fraction(value, "bps")
