"""Reads an object of a message field by field; whatever is wrong is a ``FrameError`` that names the field.

Fields that nobody asks for are of no interest. Where a field may be missing, null and an empty text say the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final, TypeVar

from orderbook.errors import FrameError, NumberError, shown
from orderbook.fixedpoint import parse_sequence
from orderbook.types import Level
from orderbook.venues import wire

T = TypeVar("T", bound=str)

_NOTHING: Final = (None, "")


class Fields:
    """The fields of one JSON object.

    Args:
        value: What ``wire.load`` made of it.
        name: What it is called, for errors; inner objects are named after it.

    Raises:
        FrameError: ``fields``: it is no object.
    """

    __slots__ = ("_name", "_values")

    def __init__(self, value: object, name: str) -> None:
        if not isinstance(value, dict):
            raise FrameError("fields", f"{name} is no object, but {shown(value)}")
        self._values: Mapping[str, object] = value
        self._name = name

    def has(self, key: str) -> bool:
        """Whether there is a value."""
        return self._values.get(key) not in _NOTHING

    # -- texts --

    def text(self, key: str) -> str:
        """A quoted text that is not empty."""
        value = self._values.get(key)
        if type(value) is not str or not value:
            raise FrameError("fields", f"{self.path(key)} is no text, but {shown(value)}")
        return value

    def maybe_text(self, key: str) -> str | None:
        """A quoted text, if there is one."""
        return self.text(key) if self.has(key) else None

    def choice(self, key: str, choices: tuple[T, ...]) -> T:
        """One of a few texts."""
        value = self.text(key)
        for choice in choices:
            if choice == value:
                return choice
        raise FrameError("fields", f"{self.path(key)} is {shown(value)}, and none of {', '.join(choices)}")

    def symbol(self, key: str, expected: str) -> str:
        """A symbol that has to be that of the topic."""
        value = self.text(key)
        if value != expected:
            raise FrameError("symbol", f"the topic is of symbol {shown(expected)}, {self.path(key)} is {shown(value)}")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts; a missing one is empty."""
        values = self._values.get(key)
        if not self.has(key):
            return ()
        if not isinstance(values, list) or not all(type(value) is str for value in values):
            raise FrameError("fields", f"{self.path(key)} is no list of texts, but {shown(values)}")
        return tuple(values)

    # -- numbers --

    def decimal(self, key: str) -> Decimal:
        """A number that is not negative, bare or in quotes."""
        return decimal(self._values.get(key), self.path(key))

    def maybe_decimal(self, key: str) -> Decimal | None:
        """A number that is not negative, if there is one."""
        return self.decimal(key) if self.has(key) else None

    def signed(self, key: str) -> Decimal:
        """A number that may be negative."""
        value = self._values.get(key)
        if isinstance(value, str) and value.startswith("-"):
            amount = decimal(value[1:], self.path(key))
            return amount.copy_negate() if amount else amount
        return decimal(value, self.path(key))

    def maybe_signed(self, key: str) -> Decimal | None:
        """A number that may be negative, if there is one."""
        return self.signed(key) if self.has(key) else None

    def integer(self, key: str) -> int:
        """A sequence or a time: a whole number that is not negative, of 63 bits, bare or in quotes."""
        return integer(self._values.get(key), self.path(key))

    def maybe_integer(self, key: str) -> int | None:
        """Such a whole number, if there is one."""
        return self.integer(key) if self.has(key) else None

    def maybe_flag(self, key: str) -> bool | None:
        """True or false, if it says so."""
        value = self._values.get(key)
        if not self.has(key):
            return None
        if type(value) is not bool:
            raise FrameError("fields", f"{self.path(key)} is neither true nor false, but {shown(value)}")
        return value

    # -- more of them --

    def inner(self, key: str) -> Fields:
        """An object within this one."""
        return Fields(self._values.get(key), self.path(key))

    def maybe_inner(self, key: str) -> Fields | None:
        """An object within this one, if there is one."""
        return self.inner(key) if self.has(key) else None

    def row(self, key: str, length: int) -> list[object]:
        """A list of at least so many values."""
        value = self._values.get(key)
        if not isinstance(value, list) or len(value) < length:
            raise FrameError("fields", f"{self.path(key)} is no list of {length}, but {shown(value)}")
        return value

    def levels(self, key: str) -> tuple[Level[Decimal], ...]:
        """Rows of price and size, in the order in which they stand there."""
        return tuple([level(row, f"{self.path(key)}[{place}]") for place, row in enumerate(self.row(key, 0))])

    def path(self, key: str) -> str:
        """What a field is called in errors."""
        return f"{self._name}.{key}"


def decimal(value: object, name: str) -> Decimal:
    """A number that is not negative, bare or in quotes. Raises ``FrameError`` (``number``) that gives its name."""
    try:
        return wire.number(value).to_decimal()
    except NumberError as error:
        raise FrameError("number", f"{name} {error.detail}") from None


def integer(value: object, name: str) -> int:
    """A whole number of 63 bits that is not negative. Raises ``FrameError`` (``number``) that gives its name."""
    try:
        return parse_sequence(value)
    except NumberError as error:
        raise FrameError("number", f"{name} {error.value} is no whole number of 63 bits") from None


def level(row: object, name: str) -> Level[Decimal]:
    """A row of price and size. Raises ``FrameError`` that gives its name."""
    if not isinstance(row, list) or len(row) < 2:
        raise FrameError("fields", f"{name} is not [price, size], but {shown(row)}")
    return Level(decimal(row[0], f"{name}[0]"), decimal(row[1], f"{name}[1]"))
