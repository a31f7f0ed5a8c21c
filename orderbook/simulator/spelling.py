"""Other ways to write a number. Some are legal: the grammar of ``orderbook.fixedpoint`` reads them to the same value.

Each function gets plain decimal text, as the venue writes it, and returns another text of the same value wherever the
spelling can tell it at all; so whoever is too generous reads the truth, and still has read what is no number.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Final

_WIDE: Final = {ord(digit): chr(0xFF10 + int(digit)) for digit in "0123456789"}
_LONG: Final = 5_000
"""Digits of a long number: more than CPython turns into an integer."""
# What is spelt otherwise already does not match.
_ROW = re.compile(r'\["([0-9.]+)","([0-9.]+)","', re.ASCII)


def _digits(text: str) -> tuple[str, int]:
    """The digits of a number without zeros around them, and the exponent that belongs to them."""
    _, digits, exponent = Decimal(text).as_tuple()
    written = "".join(map(str, digits)).lstrip("0")
    kept = written.rstrip("0")
    return kept or "0", int(exponent) + len(written) - len(kept)


def _power(text: str) -> str:
    digits, exponent = _digits(text)
    return f"{digits}e{exponent}"


def _scientific(text: str) -> str:
    digits, exponent = _digits(text)
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{digits[0]}{fraction}E{exponent + len(digits) - 1:+d}"


def _no_whole(text: str) -> str:
    digits, exponent = _digits(text)
    return f".{digits}e{exponent + len(digits)}"


def _no_fraction(text: str) -> str:
    digits, exponent = _digits(text)
    return f"{digits}.e{exponent}" if exponent else f"{digits}."


def _underscore(text: str) -> str:
    return f"{text[0]}_{text[1:]}" if text[1:2].isdigit() else f"0_{text}"


def _long(text: str) -> str:
    return f"{text if '.' in text else f'{text}.'}{'0' * _LONG}"


LEGAL: Final = ("plain", "power", "scientific")
"""Spellings that leave the value as it was."""

SPELLINGS: Final[Mapping[str, Callable[[str], str]]] = MappingProxyType(
    {
        "plain": str,
        "power": _power,
        "scientific": _scientific,
        "plus": "+{}".format,
        "minus": "-{}".format,
        "zero": "0{}".format,
        "no_whole": _no_whole,
        "no_fraction": _no_fraction,
        "underscore": _underscore,
        "wide": lambda text: text.translate(_WIDE),
        "blank": " {} ".format,
        "hex": lambda text: hex(int(Decimal(text))),
        "nan": lambda _: "NaN",
        "infinity": lambda _: "Infinity",
        "digits": _long,
        "exponent": "{}e999999".format,
    }
)
"""Every spelling by name."""


def is_legal(how: str, *, is_bare: bool) -> bool:
    """Whether a delta that is spelt so says what it said. Blanks around a bare number are none of its own."""
    return how in LEGAL or (is_bare and how == "blank")


def spelt(text: str, how: str, *, is_bare: bool) -> str | None:
    """A delta whose prices and sizes are written otherwise.

    Args:
        text: The delta as the venue words it.
        how: A name of ``SPELLINGS``.
        is_bare: Write them as bare JSON numbers, not as text.

    Returns:
        ``None`` where it has no rows.
    """
    spell = SPELLINGS[how]
    quote = "" if is_bare else '"'
    told, count = _ROW.subn(lambda row: f'[{quote}{spell(row[1])}{quote},{quote}{spell(row[2])}{quote},"', text)
    return told if count else None
