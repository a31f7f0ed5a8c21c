"""Numbers on the wire and inside: one written grammar, exact integers, never a rounding.

The grammar (both twins follow it, ``tests/test_fixedpoint.py`` holds its table)::

    number   = integer [ "." 1*digit ] [ ("e" / "E") [ "+" / "-" ] 1*digit ]
    integer  = "0" / ( digit1-9 *digit )

ASCII only, no sign, no blank, no underscore, no NaN, no Infinity: a JSON number without its minus. A venue may write
it bare or in quotes. At most 40 digits stand before the exponent, and the exponent is at most 30 either way. All of
this is judged on the text, before any conversion: ``int(Decimal("1e999999"))`` would block for seconds.

Inside, a value is a 64-bit integer in units of ``10**-decimals``.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final, NamedTuple, SupportsIndex

from orderbook.errors import NumberError, UsageError, shown

DIGITS_MAX: Final = 40
EXPONENT_MAX: Final = 30
RAW_MAX: Final = 2**63 - 1
"""Largest scaled integer: the compiled twin keeps signed 64-bit words."""
SEQUENCE_MAX: Final = 2**63 - 1
TIME_MAX: Final = 2**63 - 1
"""What is held as a time: in ms the venue's, in ns of a clock here."""

# The exponent's digits are bounded too, so that int() below never sees a long text.
_NUMBER = re.compile(r"(0|[1-9][0-9]{0,39})(?:\.([0-9]{1,39}))?(?:[eE]([+-]?[0-9]{1,40}))?", re.ASCII)
_SEQUENCE = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


class Number(NamedTuple):
    """An exact decimal ``mantissa * 10**exponent`` >= 0, normalised so that equal values are equal tuples.

    The mantissa has no trailing zero; zero is ``(0, 0)``.
    """

    mantissa: int
    exponent: int

    @property
    def decimals(self) -> int:
        """Decimals needed to hold the value exactly."""
        return -self.exponent if self.exponent < 0 else 0

    def to_decimal(self) -> Decimal:
        """The same value as a ``Decimal``, exactly, and written without an exponent or trailing zeros."""
        return Decimal(plain(self.mantissa * 10 ** max(self.exponent, 0), self.decimals))


ZERO: Final = Number(0, 0)


def normalised(mantissa: int, exponent: int) -> Number:
    """``mantissa * 10**exponent`` with the trailing zeros moved into the exponent."""
    if mantissa == 0:
        return ZERO
    while mantissa % 10 == 0:
        mantissa //= 10
        exponent += 1
    return Number(mantissa, exponent)


def parse_number(text: str) -> Number:
    """Read one number of the grammar above.

    Args:
        text: The characters between the quotes, or of the bare JSON number.

    Returns:
        The exact value.

    Raises:
        NumberError: The text is not in the grammar, or passes its bounds; the message names it.
    """
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise NumberError(text, "is not a plain number")
    whole, fraction, power = match.groups()
    exponent = 0 if power is None else int(power)
    if abs(exponent) > EXPONENT_MAX:
        raise NumberError(text, f"has an exponent beyond {EXPONENT_MAX}")
    if fraction is None:
        return normalised(int(whole), exponent)
    if len(whole) + len(fraction) > DIGITS_MAX:
        raise NumberError(text, f"has more than {DIGITS_MAX} digits")
    return normalised(int(whole + fraction), exponent - len(fraction))


def parse_sequence(value: object) -> int:
    """Read a sequence number: an integer, or its digits as text. Never a float, a boolean or a sign.

    Raises:
        NumberError: Anything else, or beyond 63 bits.
    """
    if type(value) is int:
        if not 0 <= value <= SEQUENCE_MAX:
            raise NumberError("an integer", "is not a sequence number of 63 bits")
        return value
    if not isinstance(value, str) or _SEQUENCE.fullmatch(value) is None or int(value) > SEQUENCE_MAX:
        raise NumberError(value, "is not a sequence number")
    return int(value)


def to_number(value: str | float | Decimal | SupportsIndex) -> Number:
    """Take a price or size as a user writes it.

    A float means the shortest text that reads back to it (``0.1`` is one tenth).

    Raises:
        UsageError: Another type, a negative value, NaN or an infinity.
        NumberError: A text outside the grammar, or a value beyond its bounds.
    """
    if isinstance(value, str):
        return parse_number(value)
    if isinstance(value, float):
        # float's own repr, because subclasses (NumPy's) dress theirs up.
        text = float.__repr__(value)
    elif isinstance(value, Decimal):
        # A Decimal zero may carry any exponent; is_zero() also keeps signalling NaNs from raising.
        text = "0" if value.is_zero() else str(value)
    else:
        text = _integer_text(value)
    try:
        return parse_number("0" if text == "-0.0" else text)
    except NumberError as error:
        raise UsageError(f"{error.value} is not a usable price or size: it {error.problem}") from None


def _integer_text(value: SupportsIndex) -> str:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise UsageError(f"a price or size is a str, Decimal, int or float, not {type(value).__name__}")
    integer = value.__index__()
    # Judged before str(): CPython refuses to write very long integers.
    if not 0 <= integer < 10**DIGITS_MAX:
        raise UsageError(f"an integer price or size is not negative and has at most {DIGITS_MAX} digits")
    return str(integer)


def to_raw(number: Number, decimals: int) -> int:
    """Scale exactly: ``Number`` 3988.5 with 2 decimals is 398850.

    Args:
        number: The value.
        decimals: At least ``number.decimals``.

    Raises:
        NumberError: The scaled value does not fit 63 bits.
    """
    raw: int = number.mantissa * 10 ** (number.exponent + decimals)
    if raw > RAW_MAX:
        raise NumberError(format(number.to_decimal(), "f"), f"does not fit 64 bits with {decimals} decimals")
    return raw


def plain(raw: int, decimals: int) -> str:
    """Decimal text of a scaled integer, without exponent and without trailing zeros."""
    digits = str(raw).rjust(decimals + 1, "0")
    if not decimals:
        return digits
    return f"{digits[:-decimals]}.{digits[-decimals:]}".rstrip("0").rstrip(".")


def as_time(now_ns: int) -> int:
    """A time of a clock, in ns.

    Raises:
        UsageError: More than 64 bits hold.
    """
    if not -TIME_MAX <= now_ns <= TIME_MAX:
        raise UsageError(f"a time in ns has at most 63 bits and a sign, so it cannot be {shown(now_ns)}")
    return now_ns
