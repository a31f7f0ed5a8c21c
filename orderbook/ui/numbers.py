"""Exact decimal numbers in narrow columns: a number is shown whole, or visibly cut, never rounded in silence."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal


def plain(value: Decimal) -> str:
    """Decimal text without exponent and without trailing zeros."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def column(values: Sequence[Decimal], fill: str, mark: str, width: int | None = None) -> list[str]:
    """Texts of values that stand in one column: aligned to the right, their decimal points are in line.

    Args:
        values: The numbers, none of them negative.
        fill: Put behind the shorter ones: ``"0"``, or a blank (which then stands for a missing point, too).
        mark: Put in the place of decimals that are cut off.
        width: At most so many characters; by default as many as it takes. Where not even the whole part of a number
            fits, ``#`` fills the width, as in a spreadsheet: its beginning would read as another number.
    """
    parts = [plain(value).partition(".") for value in values]
    whole = max((len(part[0]) for part in parts), default=0)
    decimals = max((len(part[2]) for part in parts), default=0)
    if width is not None and whole + 1 + decimals > width and decimals:
        decimals = max(0, width - whole - 1)
    texts = [_cut(units, fraction, decimals, mark) for units, _, fraction in parts]
    if decimals:
        texts = [_filled(text, decimals, fill) for text in texts]
    return texts if width is None else [text if len(text) <= width else "#" * width for text in texts]


def _cut(units: str, fraction: str, decimals: int, mark: str) -> str:
    """At most so many decimals, the last of them the mark if there were more."""
    if len(fraction) <= decimals:
        return f"{units}.{fraction}" if fraction else units
    return f"{units}.{fraction[: decimals - 1]}{mark}" if decimals else f"{units}{mark}"


def _filled(text: str, decimals: int, fill: str) -> str:
    """Exactly so many decimals."""
    units, point, fraction = text.partition(".")
    return units + (point or ("." if fill == "0" else fill)) + fraction + fill * (decimals - len(fraction))
