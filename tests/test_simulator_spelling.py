"""Other ways to write a number: which are legal and true, and what they look like."""

from __future__ import annotations

from itertools import product

import pytest

from orderbook.errors import NumberError
from orderbook.fixedpoint import parse_number
from orderbook.simulator.spelling import LEGAL, SPELLINGS

TEXTS = ("67012.3", "0.5", "100", "0", "0.00000001", "7", "10.50", "0.000", "242.649")


@pytest.mark.parametrize(("how", "text"), tuple(product(SPELLINGS, TEXTS)))
def test_a_spelling_is_legal_and_true_or_refused(how: str, text: str) -> None:
    """By the grammar of prices and sizes; what is legal has the same value."""
    told = SPELLINGS[how](text)
    if how in LEGAL:
        assert parse_number(text) == parse_number(told)
    else:
        with pytest.raises(NumberError):
            parse_number(told)


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("power", "670123e-1"),
        ("scientific", "6.70123E+4"),
        ("plus", "+67012.3"),
        ("minus", "-67012.3"),
        ("zero", "067012.3"),
        ("no_whole", ".670123e5"),
        ("no_fraction", "670123.e-1"),
        ("underscore", "6_7012.3"),
        ("wide", "６７０１２.３"),
        ("blank", " 67012.3 "),
        ("hex", "0x105c4"),
        ("nan", "NaN"),
        ("infinity", "Infinity"),
        ("exponent", "67012.3e999999"),
    ],
)
def test_spellings_are_what_they_are_called(how: str, told: str) -> None:
    """Those that Python's own constructors take tell the true value."""
    assert told == SPELLINGS[how]("67012.3")


@pytest.mark.parametrize(("text", "power", "scientific"), [("0.00000001", "1e-8", "1E-8"), ("100", "1e2", "1E+2")])
def test_exponents_as_they_were_seen_in_the_wild(text: str, power: str, scientific: str) -> None:
    """Small ones and round ones."""
    assert (power, scientific) == (SPELLINGS["power"](text), SPELLINGS["scientific"](text))


def test_a_whole_number_ends_with_its_point_and_a_fraction_begins_with_it() -> None:
    """``5.`` and ``.5``, and a minus before nothing."""
    assert ("5.", ".5e0", "-0") == tuple(
        SPELLINGS[how](text) for how, text in (("no_fraction", "5"), ("no_whole", "0.5"), ("minus", "0"))
    )
    assert 5_000 < len(SPELLINGS["digits"]("7"))
