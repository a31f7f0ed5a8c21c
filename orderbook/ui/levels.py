"""The two sides of a book beside each other: prices in the middle, then bars, sizes and totals outwards.

A bar is as long as the square root of the size, so that one huge level does not flatten all others.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import accumulate, zip_longest
from typing import Final, NamedTuple

from rich.text import Text

from orderbook.types import Level, Side
from orderbook.ui.numbers import column

Levels = Sequence[Level[Decimal]]

STYLES: Final = {Side.BID: "green", Side.ASK: "red"}
QUIET: Final = "dim"
BAR_MIN: Final = 4
BAR_MIN_BESIDE_TOTALS: Final = 8
BAR_MAX: Final = 40
MARGIN_FROM: Final = 60
# Prices are shown with the decimals that the venue uses, sizes with those that they have.
_PRICE_FILL, _SIZE_FILL = "0", " "
Cells = tuple[str, str, str, str]
_HEADINGS: Final = ("", "size", "total")
_NONE: Final = ("none", "", "", "")
_BLANK: Final = ("", "", "", "")


class Glyphs(NamedTuple):
    """The characters beyond ASCII, or what stands for them."""

    full: str
    left_half: str
    right_half: str
    middle: str
    cut: str


UNICODE: Final = Glyphs("█", "▌", "▐", "│", "…")
ASCII: Final = Glyphs("=", "-", "-", "|", "~")


class _Widths(NamedTuple):
    """Columns of one side from the middle outwards; 0 leaves one out."""

    price: int
    bar: int
    size: int
    total: int

    @classmethod
    def fitting(cls, half: int, price: int, size: int, total: int) -> _Widths:
        """First the totals give way, then the bars, then decimals of the sizes, last of the prices."""
        if (bar := half - price - size - total - 3) >= BAR_MIN_BESIDE_TOTALS:
            return cls(price, min(bar, BAR_MAX), size, total)
        if (bar := half - price - size - 2) >= BAR_MIN:
            return cls(price, min(bar, BAR_MAX), size, 0)
        price = min(price, max(half - 1 - size, half * 3 // 4))
        return cls(price, 0, min(size, half - 1 - price), 0)


def level_lines(bids: Levels, asks: Levels, width: int, height: int, glyphs: Glyphs) -> list[Text]:
    """A heading and the best levels, in at most ``height`` >= 2 lines of ``width`` columns. O(height)."""
    bids, asks = bids[: height - 1], asks[: height - 1]
    sides = [Side.BID] * len(bids) + [Side.ASK] * len(asks)
    prices, sizes = zip(*bids, *asks, strict=True) if sides else ((), ())
    totals = [*accumulate(sizes[: len(bids)]), *accumulate(sizes[len(bids) :])]
    margin = int(width >= MARGIN_FROM)
    half = (width - 3) // 2 - margin
    widths = _Widths.fitting(
        half, _natural(prices, _PRICE_FILL), _natural(sizes, _SIZE_FILL), _natural(totals, _SIZE_FILL)
    )
    largest = max(sizes, default=Decimal(1))
    bars = [_bar((size / largest).sqrt(), widths.bar, side, glyphs) for side, size in zip(sides, sizes, strict=True)]
    cells = list(
        zip(
            column(prices, _PRICE_FILL, glyphs.cut, widths.price),
            bars,
            column(sizes, _SIZE_FILL, glyphs.cut, widths.size),
            column(totals, _SIZE_FILL, glyphs.cut),
            strict=True,
        )
    )
    left = [("bid", *_HEADINGS), *(cells[: len(bids)] or [_NONE])]
    right = [("ask", *_HEADINGS), *(cells[len(bids) :] or [_NONE])]
    middle = Text(f" {glyphs.middle} ", QUIET)
    return [
        Text(" " * margin) + _half(bid, widths, half, Side.BID, row) + middle + _half(ask, widths, half, Side.ASK, row)
        for row, (bid, ask) in enumerate(zip_longest(left, right, fillvalue=_BLANK))
    ]


def _natural(values: Sequence[Decimal], fill: str) -> int:
    """The width that shows a column whole; its heading has up to five letters."""
    return max(5, *map(len, column(values, fill, "")), 0)


def _bar(share: Decimal, width: int, side: Side, glyphs: Glyphs) -> str:
    """A bar in half characters that grows away from the middle; something is seen of the smallest level."""
    halves = max(1, int(share * width * 2)) if width else 0
    full, half = glyphs.full * (halves // 2), halves % 2
    if side is Side.BID:
        return (glyphs.right_half * half + full).rjust(width)
    return (full + glyphs.left_half * half).ljust(width)


def _half(cells: Cells, widths: _Widths, half: int, side: Side, row: int) -> Text:
    """One side of one line, ``half`` columns wide; row 0 is the heading, row 1 the best level."""
    colour, emphasis = STYLES[side], "bold" if row == 1 else ""
    styles = (f"{emphasis} {colour}", colour, emphasis, QUIET) if row else (QUIET,) * 4
    columns = zip(cells, widths, styles, strict=True)
    shown = [Text(cell[:width].rjust(width), style) for cell, width, style in columns if width]
    line = Text(" ").join(shown if side is Side.ASK else reversed(shown))
    if side is Side.ASK:
        line.pad_right(half - line.cell_len)
    else:
        line.pad_left(half - line.cell_len)
    return line
