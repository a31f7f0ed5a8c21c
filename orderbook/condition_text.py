"""Conditions as people write them, for the command line and for short programs.

::

    spread_bps > 5
    imbalance(10) < -0.4 for 2s
    best_ask crosses 67000
    not live for 5s

Read into the data of ``orderbook.conditions``; nothing of it is ever run.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from orderbook.conditions import (
    FOR_MAX_S,
    LEVELS_MAX,
    OPERATORS,
    QUANTITIES,
    Compare,
    Condition,
    Crosses,
    NotLive,
    Operator,
    Quantity,
)
from orderbook.errors import NumberError, UsageError
from orderbook.fixedpoint import parse_number

TEXT_MAX: Final = 200
"""Characters of a condition."""
UNITS_S: Final = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
_SHAPES: Final = "such as 'spread_bps > 5', 'imbalance(10) < -0.4 for 2s', 'best_ask crosses 67000', 'not live for 5s'"
_TOKEN: Final = re.compile(r"\s*([<>]=?|[-+]?[0-9][0-9.]*(?:e[-+]?[0-9]+)?|[a-z_]+|\S)", re.ASCII)
_LEVELS: Final = re.compile(r"[0-9]{1,9}", re.ASCII)
_END: Final = ""


class ConditionError(UsageError):
    """A text that is no condition.

    Attributes:
        text: The whole of it.
        position: Where the trouble begins, in characters from 0; the length of the text where something is missing.
        problem: What stands there, and what could.
    """

    def __init__(self, text: str, position: int, problem: str) -> None:
        super().__init__(text, position, problem)
        self.text = text
        self.position = position
        self.problem = problem

    def __str__(self) -> str:
        return f"condition {ascii(self.text)[:TEXT_MAX]}, at character {self.position + 1}: {self.problem}"


class _Token(NamedTuple):
    text: str
    position: int


def parse_condition(text: str) -> Condition:
    """Read one condition.

    Raises:
        ConditionError: It is none; the message names the place, and what is allowed there.
    """
    if not isinstance(text, str):
        raise UsageError(f"a condition is a text, {_SHAPES}, not {type(text).__name__}")
    if len(text) > TEXT_MAX:
        raise ConditionError(text, TEXT_MAX, f"it has more than {TEXT_MAX} characters")
    return _Parser(text).condition()


class _Parser:
    """Goes through a text once, from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = [_Token(match[1], match.start(1)) for match in _TOKEN.finditer(text)]

    def condition(self) -> Condition:
        """All of the text."""
        first = self._peek()
        if first.text == "not":
            self._next()
            self._expect(("live",))
            condition: Condition = NotLive(for_s=self._duration())
        else:
            condition = self._measured()
        if (rest := self._peek()).text != _END:
            raise self._wrong(rest, "nothing more" if isinstance(condition, Crosses) else "the end, or 'for 5s' once")
        return condition

    def _measured(self) -> Condition:
        quantity = self._quantity()
        operator = self._expect((*OPERATORS, "crosses"))
        threshold = self._number()
        if operator == "crosses":
            return Crosses(quantity, threshold)
        by_name: dict[str, Operator] = {one: one for one in OPERATORS}
        return Compare(quantity, by_name[operator], threshold, for_s=self._duration())

    def _quantity(self) -> Quantity:
        token = self._next()
        if token.text not in QUANTITIES:
            raise self._wrong(token, f"{_listed(QUANTITIES)}, or 'not live'")
        if token.text != "imbalance":
            return Quantity(token.text)
        self._expect(("(",))
        levels = self._next()
        if not _LEVELS.fullmatch(levels.text) or not 1 <= int(levels.text) <= LEVELS_MAX:
            raise self._wrong(levels, f"a number of levels from 1 to {LEVELS_MAX}, as in imbalance(10)")
        self._expect((")",))
        return Quantity(token.text, int(levels.text))

    def _number(self) -> Decimal:
        token = self._next()
        try:
            value = parse_number(token.text.lstrip("+-")).to_decimal()
        except NumberError:
            raise self._wrong(token, "a number, such as 5 or -0.4") from None
        return value.copy_negate() if token.text[0] == "-" and value else value

    def _duration(self) -> float:
        if self._peek().text != "for":
            return 0.0
        self._next()
        token = self._peek()
        seconds = self._number() if token.text[:1].isdigit() else None
        unit = self._peek()
        if seconds is None or unit.text not in UNITS_S:
            raise self._wrong(token if seconds is None else unit, f"a length of time in {_listed(UNITS_S)}, such as 5s")
        self._next()
        value = float(seconds) * UNITS_S[unit.text]
        if not 0 < value <= FOR_MAX_S:
            raise self._wrong(token, f"more than no time, and at most {FOR_MAX_S / 3600:.0f} h")
        return value

    def _peek(self) -> _Token:
        return self._tokens[0] if self._tokens else _Token(_END, len(self._text))

    def _next(self) -> _Token:
        token = self._peek()
        del self._tokens[:1]
        return token

    def _expect(self, allowed: Sequence[str]) -> str:
        token = self._next()
        if token.text not in allowed:
            raise self._wrong(token, _listed(allowed))
        return token.text

    def _wrong(self, token: _Token, allowed: str) -> ConditionError:
        found = "it ends" if token.text == _END else f"{token.text!a:.60} stands"
        shape = f"; a condition is {_SHAPES}" if not self._text.strip() else ""
        return ConditionError(self._text, token.position, f"{found} where {allowed} is allowed{shape}")


def _listed(words: Sequence[str] | dict[str, float]) -> str:
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else f"{last!a}"
