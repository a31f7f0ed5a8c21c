"""Checks of what users pass in. Each error names the argument."""

from __future__ import annotations

from operator import index
from typing import SupportsIndex

from orderbook.errors import UsageError, shown
from orderbook.types import Side


def as_integer(value: SupportsIndex, name: str) -> int:
    """A whole number, NumPy's too.

    Raises:
        UsageError: Another type, a boolean too.
    """
    if isinstance(value, bool):
        raise UsageError(f"{name} is a whole number, not bool")
    try:
        return index(value)
    except TypeError:
        raise UsageError(f"{name} is a whole number, not {type(value).__name__}") from None


def as_count(value: SupportsIndex, name: str, least: int = 0) -> int:
    """A whole number of at least ``least``.

    Raises:
        UsageError: Another type, or less.
    """
    number = as_integer(value, name)
    if number < least:
        raise UsageError(f"{name} is at least {least}, not {shown(number)}")
    return number


def as_side(value: Side) -> Side:
    """A side.

    Raises:
        UsageError: Anything else.
    """
    if not isinstance(value, Side):
        raise UsageError(f"side is Side.BID or Side.ASK, not {shown(value)}")
    return value
