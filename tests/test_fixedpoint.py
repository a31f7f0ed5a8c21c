"""The number grammar as a table, and what never changes on the way from text to integer and back."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderbook.errors import NumberError, UsageError
from orderbook.fixedpoint import (
    RAW_MAX,
    SEQUENCE_MAX,
    ZERO,
    Number,
    normalised,
    parse_number,
    parse_sequence,
    plain,
    to_number,
    to_raw,
)
from tests.strategies import almost_numbers, number_texts

ACCEPTED = {
    "0": (0, 0),
    "0.0": (0, 0),
    "0e5": (0, 0),
    "0.000e-30": (0, 0),
    "1": (1, 0),
    "10": (1, 1),
    "0.1": (1, -1),
    "0.10": (1, -1),
    "67012.3": (670123, -1),
    "0.00331": (331, -5),
    "1e-8": (1, -8),
    "9.0E-8": (9, -8),
    "1E+2": (1, 2),
    "1e2": (1, 2),
    "1e02": (1, 2),
    "1e-00": (1, 0),
    "1e30": (1, 30),
    "1e-30": (1, -30),
    "1" * 40: (int("1" * 40), 0),
    "0." + "1" * 39: (int("1" * 39), -39),
    "1." + "1" * 39: (int("1" * 40), -39),
    "1" * 20 + "." + "1" * 20: (int("1" * 40), -20),
    "1" + "0" * 39: (1, 39),
    "0." + "0" * 38 + "1e-30": (1, -69),
    "1e" + "0" * 39 + "5": (1, 5),
}

REFUSED = [
    *("", " ", "+", "-", ".", "e5", "1e", "1e+", "1e-", "1.e5", ".e1", "e", "--1"),
    *("+1", "-1", "-0", "-0.0", "+0", "1-", "1e+-5", "1e1.5"),
    *(".5", "5.", "01", "00", "00.1", "0x10", "0b1", "0o7", "1,5", "1.2.3", "1 000"),
    *(" 1", "1 ", "\t1", "1\n", "\n1", "1\x00", "\ufeff1", "1\u00a0"),
    *("1_000", "1_0.5", "1.0_1", "1e1_0"),
    *("NaN", "nan", "Infinity", "-Infinity", "inf", "sNaN", "null", "true", "None"),
    *("１", "１２", "1.５", "1e５", "٣", "१", "²", "½", "Ⅷ", "1․5"),
    *("1" * 41, "0." + "1" * 40, "1." + "1" * 40, "1" * 40 + ".1", "1" * 20 + "." + "1" * 21, "1" + "0" * 40),
    *("1e31", "1e-31", "0e31", "1e999999", "1e-999999", "1E" + "9" * 40, "1e" + "9" * 41, "1e" + "0" * 41),
    *("1" * 5_000, "1" * 1_000_000, "0." + "0" * 1_000_000, "1e" + "1" * 1_000_000),
    *("1d5", "1f", "1L", "1%", "$1", "1e5e5", "\udc80", "1\ud800"),
]


@pytest.mark.parametrize("text", ACCEPTED)
def test_the_grammar_accepts(text: str) -> None:
    """A number in the grammar has one exact, normalised value."""
    assert Number(*ACCEPTED[text]) == parse_number(text)


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: ascii(text[:20]))
def test_the_grammar_refuses(text: str) -> None:
    """Anything else is a ``NumberError`` that names the value, shortly and in ASCII."""
    with pytest.raises(NumberError) as caught:
        parse_number(text)

    assert "number" == caught.value.reason
    assert caught.value.value in str(caught.value)
    assert str(caught.value).isascii()
    assert len(str(caught.value)) < 200


@given(text=number_texts)
def test_parsing_is_exact(text: str) -> None:
    """A number equals what ``Decimal`` makes of the same text."""
    number = parse_number(text)

    assert Decimal(text) == number.to_decimal()
    assert Fraction(text) == number.mantissa * Fraction(10) ** number.exponent


@given(text=number_texts | almost_numbers)
def test_parsing_never_surprises(text: str) -> None:
    """Whatever the text, it is a finite value of at least 0 or a ``NumberError``; what is accepted, Decimal knows."""
    try:
        number = parse_number(text)
    except NumberError:
        return
    assert number.mantissa >= 0
    assert Decimal(text) == number.to_decimal()
    assert text.isascii()


@given(text=number_texts, zeros=st.integers(0, 5), shift=st.integers(0, 5))
def test_equal_values_are_equal_numbers(text: str, zeros: int, shift: int) -> None:
    """However a value is spelt (``0.1``, ``0.10``, ``1e-1``), it is the same key."""
    number = parse_number(text)
    whole, _, fraction = f"{number.to_decimal():f}".partition(".")
    longer = f"{whole}.{fraction}{'0' * zeros}" if fraction + "0" * zeros else whole

    assert number == normalised(number.mantissa * 10**shift, number.exponent - shift)
    if len(longer) <= 40:
        assert number == parse_number(longer)


def test_trailing_zeros_do_not_matter() -> None:
    """``0.10`` and ``0.1`` are one price: deleting one removes the other."""
    assert parse_number("0.1") == parse_number("0.10") == parse_number("1e-1") == to_number(0.1)
    assert ZERO == parse_number("0") == parse_number("0.00") == parse_number("0e-9")


@given(raw=st.integers(0, RAW_MAX), decimals=st.integers(0, 30))
def test_plain_text_reads_back(raw: int, decimals: int) -> None:
    """Scaled integer to text and back is the identity; the text has no exponent and no trailing zero."""
    text = plain(raw, decimals)

    assert raw == to_raw(parse_number(text), decimals)
    assert "e" not in text.lower()
    assert "." not in text or text[-1] not in "0."


@pytest.mark.parametrize(
    ("raw", "decimals", "text"),
    [(0, 0, "0"), (0, 3, "0"), (100, 0, "100"), (100, 2, "1"), (1, 3, "0.001"), (1050, 2, "10.5"), (10, 3, "0.01")],
)
def test_plain_text(raw: int, decimals: int, text: str) -> None:
    """Zeros are dropped behind the point only."""
    assert text == plain(raw, decimals)


@given(text=number_texts, more=st.integers(0, 8))
def test_scaling_is_exact_or_refused(text: str, more: int) -> None:
    """A scaled integer equals the value times ten to the decimals; beyond 63 bits it is refused."""
    number = parse_number(text)
    decimals = number.decimals + more
    expected = Fraction(text) * 10**decimals

    if expected <= RAW_MAX:
        assert expected == to_raw(number, decimals)
    else:
        with pytest.raises(NumberError, match="64 bits"):
            to_raw(number, decimals)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5, Number(5, 0)),
        (10**40 - 1, Number(10**40 - 1, 0)),
        (0, ZERO),
        (0.1, Number(1, -1)),
        (1e22, Number(1, 22)),
        (1e-7, Number(1, -7)),
        (67012.3, Number(670123, -1)),
        (0.0, ZERO),
        (-0.0, ZERO),
        (float(2**53), Number(2**53, 0)),
        (Decimal("0.10"), Number(1, -1)),
        (Decimal("1E+2"), Number(1, 2)),
        (Decimal("0E-99"), ZERO),
        (Decimal("-0"), ZERO),
        ("0.10", Number(1, -1)),
        (np.float64(0.1), Number(1, -1)),
        (np.int64(7), Number(7, 0)),
        (np.uint64(2**64 - 1), Number(2**64 - 1, 0)),
        (np.int8(3), Number(3, 0)),
        (np.str_("1.5"), Number(15, -1)),
    ],
)
def test_what_a_user_may_write(value: Any, expected: Number) -> None:
    """Text, decimals, integers and floats are read exactly; a float means its shortest text."""
    assert expected == to_number(value)


@pytest.mark.parametrize(
    "value",
    [
        *(-1, -0.5, Decimal("-0.1"), np.int64(-1), np.float64(-2.0)),
        *(float("nan"), float("inf"), float("-inf"), Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity")),
        *(np.float64("nan"), np.float64("inf")),
        *(True, False, np.True_, None, b"1", [1], (1,), 1j, Fraction(1, 2), object()),
        *(np.float32(0.1), np.float16(0.1)),  # what their shortest text would be depends on who is asked
        *(10**40, 10**5000, Decimal("1e31"), Decimal("1e999999"), 5e-324, 1.7e308),
    ],
    ids=lambda value: f"{type(value).__name__}",
)
def test_what_a_user_may_not_write(value: Any) -> None:
    """Another type, a sign, NaN, an infinity or an unbounded value is the caller's mistake, told at once."""
    with pytest.raises(UsageError):
        to_number(value)


def test_text_from_a_user_follows_the_grammar() -> None:
    """Text may come straight from a venue, so it fails like a venue's number."""
    with pytest.raises(NumberError, match="not a plain number"):
        to_number("-1")


@given(value=st.floats(min_value=1e-15, max_value=1e15))
def test_a_float_means_its_shortest_text(value: float) -> None:
    """Reading a float back gives the same float, NumPy's as well."""
    assert value == float(to_number(value).to_decimal())
    assert to_number(repr(value)) == to_number(value) == to_number(np.float64(value))


@given(mantissa=st.integers(0, 10**20), exponent=st.integers(-9, 9))
def test_decimals_are_exact(mantissa: int, exponent: int) -> None:
    """A ``Decimal`` keeps its value, whatever its exponent."""
    value = Decimal(mantissa) * Decimal(10) ** exponent

    assert value == to_number(value).to_decimal()


@pytest.mark.parametrize("value", [0, "0", 1, "1", 2**53 + 1, str(2**53 + 1), SEQUENCE_MAX, str(SEQUENCE_MAX)])
def test_a_sequence_is_an_exact_integer(value: int | str) -> None:
    """An integer, or its digits, up to 63 bits."""
    assert int(value) == parse_sequence(value)


@pytest.mark.parametrize(
    "value",
    [
        *(True, False, None, 1.0, 5e3, Decimal(5), b"5", [5], float("nan")),
        *(-1, "-1", "+1", "1.0", "1e3", "", " 1", "1\n", "01", "1_0", "５", "0x1"),
        *(SEQUENCE_MAX + 1, str(SEQUENCE_MAX + 1), 10**19, "9" * 19, "9" * 5_000),
    ],
    ids=lambda value: ascii(value)[:20],
)
def test_what_is_no_sequence(value: object) -> None:
    """A boolean, a float, a sign, a blank or more than 63 bits would make a wrong order look right."""
    with pytest.raises(NumberError, match="not a sequence number"):
        parse_sequence(value)


def test_a_very_long_integer_is_no_sequence() -> None:
    """CPython refuses to write very long integers as text; that must not be what the caller sees."""
    with pytest.raises(NumberError, match="not a sequence number"):
        parse_sequence(10**5_000)
