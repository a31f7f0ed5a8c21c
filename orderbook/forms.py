"""The three forms in which a book hands out its numbers, and takes them from the user.

Inside, everything is an integer in units of ``10**-decimals``; a *form* turns such integers into what the user reads:

=========  ===========  ============  =============================================================================
form       value        quotient      exactness
=========  ===========  ============  =============================================================================
``FLOAT``  ``float``    ``float``     rounded once, correctly: ``float("67012.3") == level.price``
``EXACT``  ``Decimal``  ``Decimal``   exact; a quotient that takes more than 50 significant digits is rounded to them
``RAW``    ``int``      ``Fraction``  exact, in raw units
=========  ===========  ============  =============================================================================

A *value* is a price, a size or a sum of them; a *quotient* is what a division gave (mid, microprice, imbalance, ...).
None of the forms looks at the user's own ``decimal`` context.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from decimal import MAX_EMAX, MIN_EMIN, ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from typing import Any, Final, Generic, SupportsIndex, TypeVar

import numpy as np
import numpy.typing as npt

from orderbook.content import RawLevel
from orderbook.errors import NumberError, UsageError
from orderbook.fixedpoint import RAW_MAX, plain, to_number
from orderbook.types import Level

V = TypeVar("V")
Q = TypeVar("Q")

Numeric = str | float | Decimal | Fraction | SupportsIndex
"""What a user may write for a number.

A float means its shortest text: ``0.1`` is one tenth. So a price that was read as a float names its level again if it
has at most 15 significant digits, which is what a float can tell apart.
"""

QUOTIENT_DIGITS: Final = 50
"""Significant digits of an exact quotient."""

# Everything is said here: a bare Context() would copy what the user may have set as default.
_CONTEXT = Context(
    prec=QUOTIENT_DIGITS,
    rounding=ROUND_HALF_EVEN,
    Emin=MIN_EMIN,
    Emax=MAX_EMAX,
    capitals=1,
    clamp=0,
    flags=[],
    traps=[],
)


def unit(decimals: int) -> int:
    """Raw units in one: ``10**decimals``."""
    power: int = 10**decimals
    return power


def to_fraction(value: Numeric, name: str) -> Fraction:
    """Take a number as the user writes it, exactly.

    Args:
        value: ``str`` in the number grammar, ``float``, ``Decimal``, ``Fraction`` or integer; not negative.
        name: The argument's name, for the error.

    Raises:
        UsageError: Another type, a negative value, NaN, an infinity, or beyond the grammar's bounds.
    """
    if isinstance(value, Fraction):
        if value < 0:
            raise UsageError(f"{name} is not negative, unlike {value}")
        return value
    try:
        number = to_number(value)
    except NumberError as error:
        raise UsageError(f"{name}: {error.value} {error.problem}") from None
    except UsageError as error:
        raise UsageError(f"{name}: {error}") from None
    return number.mantissa * Fraction(10) ** number.exponent


class Form(ABC, Generic[V, Q]):
    """One way of handing numbers out."""

    name: str

    @abstractmethod
    def value(self, raw: int, decimals: int, /) -> V:
        """The value ``raw * 10**-decimals``. O(1)."""

    @abstractmethod
    def quotient(self, numerator: int, denominator: int, decimals: int, /) -> Q:
        """The value ``numerator / denominator * 10**-decimals``, ``denominator`` > 0. O(1)."""

    @abstractmethod
    def scaled(self, value: Numeric, decimals: int, name: str, /) -> Fraction:
        """The inverse: a number the user wrote in this form, in units of ``10**-decimals``.

        Raises:
            UsageError: Not a number of this form, or negative; the message begins with ``name``.
        """

    @abstractmethod
    def array(self, levels: Sequence[RawLevel], price_decimals: int, size_decimals: int, /) -> npt.NDArray[Any]:
        """Raw levels as an array of shape (n, 2), columns price and size. O(n)."""

    def level(self, level: RawLevel, price_decimals: int, size_decimals: int) -> Level[V]:
        """One raw level in this form. O(1)."""
        return Level(self.value(level[0], price_decimals), self.value(level[1], size_decimals))

    def __repr__(self) -> str:
        return f"<Form {self.name}>"


class FloatForm(Form[float, float]):
    """Floats; arrays are float64.

    Python's division of two integers is correctly rounded however long they are, so every result is the float
    nearest to the exact one. (Dividing NumPy columns would round twice beyond 53 bits, and gains nothing below some
    hundred levels.)
    """

    name = "float"

    def value(self, raw: int, decimals: int, /) -> float:
        """The correctly rounded value."""
        return raw / unit(decimals)

    def quotient(self, numerator: int, denominator: int, decimals: int, /) -> float:
        """The correctly rounded quotient."""
        return numerator / (denominator * unit(decimals))

    def scaled(self, value: Numeric, decimals: int, name: str, /) -> Fraction:
        """A float means its shortest text."""
        return to_fraction(value, name) * unit(decimals)

    def array(self, levels: Sequence[RawLevel], price_decimals: int, size_decimals: int, /) -> npt.NDArray[Any]:
        """A float64 array."""
        price_unit, size_unit = unit(price_decimals), unit(size_decimals)
        rows = np.empty((len(levels), 2), dtype=np.float64)
        rows[:, 0] = [price / price_unit for price, _ in levels]
        rows[:, 1] = [size / size_unit for _, size in levels]
        return rows


class ExactForm(Form[Decimal, Decimal]):
    """Decimals; arrays hold ``Decimal`` objects."""

    name = "exact"

    def value(self, raw: int, decimals: int, /) -> Decimal:
        """Exact, without trailing zeros."""
        # From text, because that is the one exact way which no context touches; without trailing zeros.
        amount = Decimal(plain(abs(raw), decimals))
        return amount.copy_negate() if raw < 0 else amount

    def quotient(self, numerator: int, denominator: int, decimals: int, /) -> Decimal:
        """Exact within ``QUOTIENT_DIGITS`` significant digits."""
        return _CONTEXT.divide(Decimal(numerator), Decimal(denominator * unit(decimals)))

    def scaled(self, value: Numeric, decimals: int, name: str, /) -> Fraction:
        """Whatever it is written as, exactly."""
        return to_fraction(value, name) * unit(decimals)

    def array(self, levels: Sequence[RawLevel], price_decimals: int, size_decimals: int, /) -> npt.NDArray[Any]:
        """An array of ``Decimal`` objects."""
        rows = np.empty((len(levels), 2), dtype=object)
        rows[:, 0] = [self.value(price, price_decimals) for price, _ in levels]
        rows[:, 1] = [self.value(size, size_decimals) for _, size in levels]
        return rows


class RawForm(Form[int, Fraction]):
    """Integers and fractions in raw units, whatever the scales; arrays are int64.

    An array whose cumulative sizes pass 63 bits holds Python integers instead: nothing wraps around.
    """

    name = "raw"

    # Raw units need no scale: its parameters are named as the unused ones that they are.
    def value(self, raw: int, _decimals: int, /) -> int:
        """The integer itself."""
        return raw

    def quotient(self, numerator: int, denominator: int, _decimals: int, /) -> Fraction:
        """The fraction itself."""
        return Fraction(numerator, denominator)

    def scaled(self, value: Numeric, _decimals: int, name: str, /) -> Fraction:
        """Only integers and fractions have raw units."""
        if isinstance(value, bool) or not isinstance(value, Fraction | SupportsIndex):
            raise UsageError(f"{name} of a raw query is an int or a Fraction in raw units, not {type(value).__name__}")
        scaled = value if isinstance(value, Fraction) else Fraction(value.__index__())
        if scaled < 0:
            raise UsageError(f"{name} is not negative, unlike {scaled}")
        return scaled

    def array(self, levels: Sequence[RawLevel], _price_decimals: int, _size_decimals: int, /) -> npt.NDArray[Any]:
        """An int64 array, or one of Python integers."""
        fits = all(size <= RAW_MAX for _, size in levels)
        return np.array(levels, dtype=np.int64 if fits else object).reshape(-1, 2)


FLOAT: Final = FloatForm()
EXACT: Final = ExactForm()
RAW: Final = RawForm()
