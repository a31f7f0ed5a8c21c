"""The two sides of a book: beside each other where there is room, else stacked, the best levels meeting in the middle.

A bar is as long as the square root of the size, so that one huge level does not flatten all others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from decimal import Decimal
from itertools import accumulate, zip_longest
from typing import Final, NamedTuple

from rich.text import Text

from orderbook.types import Level, Side
from orderbook.ui.numbers import column

Levels = Sequence[Level[Decimal]]

Lit = Mapping[tuple[Side, Decimal], int]
"""Levels that changed lately: above 0 where the size grew, below where it shrank; the farther from 0, the fresher."""
FRESH: Final = 3
"""Drawings that a change is marked in; in the first of them it is so far from 0."""

STYLES: Final = {Side.BID: "green", Side.ASK: "red"}
QUIET: Final = "dim"
HORIZON: Final = "yellow"
BAR_MIN: Final = 4
BAR_MAX: Final = 40
TOTALS_FROM: Final = 32
"""Columns of a side from which it has totals: its width alone decides, no column comes and goes with the sizes."""
TOTAL_MIN: Final = 5
MARGIN_FROM: Final = 60
HEADED_FROM: Final = 9
"""Lines from which stacked sides have headings."""
# Prices are shown with the decimals that the venue uses, sizes with those that they have.
_PRICE_FILL, _SIZE_FILL = "0", " "


class Glyphs(NamedTuple):
    """The characters beyond ASCII, or what stands for them."""

    full: str
    left_half: str
    right_half: str
    middle: str
    cut: str
    shade: str
    """The asks' part of a gauge."""
    rule: str
    horizon: str
    focus: str
    sideways: str
    """Keys to the left and to the right."""
    upright: str
    """Keys up and down."""


UNICODE: Final = Glyphs("█", "▌", "▐", "│", "…", "░", "─", "╌", "►", "←→", "↑↓")
ASCII: Final = Glyphs("=", "-", "-", "|", "~", ".", "-", "~", ">", "tab", "up/down")


class _Cells(NamedTuple):
    """One level as text."""

    price: str
    bar: str
    size: str
    total: str


_NONE: Final = _Cells("none", "", "", "")


class _Widths(NamedTuple):
    """Columns of one side from the middle outwards; 0 leaves one out."""

    price: int
    bar: int
    size: int
    total: int

    @classmethod
    def fitting(cls, half: int, price: int, size: int, total: int) -> _Widths:
        """First the bars give way, then decimals of the totals, then of the sizes, last of the prices."""
        if half >= TOTALS_FROM:
            price = min(price, half // 2)
            size = min(size, half - price - TOTAL_MIN - 2)
            total = min(total, room := half - price - size - 2)
            return cls(price, min(max(room - total - 1, 0), BAR_MAX), size, total)
        if (bar := half - price - size - 2) >= BAR_MIN:
            return cls(price, min(bar, BAR_MAX), size, 0)
        price = min(price, max(half - 1 - size, half * 3 // 4))
        return cls(price, 0, min(size, half - 1 - price), 0)


class _Columns:
    """The levels of both sides as text, in columns that both share."""

    def __init__(
        self,
        bids: Levels,
        asks: Levels,
        width: int,
        glyphs: Glyphs,
        *,
        stacked: bool,
        lit: Lit | None,
        horizons: AbstractSet[Side],
    ) -> None:
        self.width, self.glyphs, self.stacked, self.horizons = width, glyphs, stacked, horizons
        self.lit = lit or {}
        self.marked = lit is not None
        self.levels = {Side.BID: bids, Side.ASK: asks}
        sides = [Side.BID] * len(bids) + [Side.ASK] * len(asks)
        prices, sizes = zip(*bids, *asks, strict=True) if sides else ((), ())
        totals = [*accumulate(sizes[: len(bids)]), *accumulate(sizes[len(bids) :])]
        self.widths = widths = _Widths.fitting(
            width - self.marked,
            *(_natural(*values) for values in ((prices, _PRICE_FILL), (sizes, _SIZE_FILL), (totals, _SIZE_FILL))),
        )
        largest = max(sizes, default=Decimal(1))
        leftwards = [side is Side.BID and not stacked for side in sides]
        bars = [
            _bar((size / largest).sqrt(), widths.bar, glyphs, leftwards=leftward)
            for size, leftward in zip(sizes, leftwards, strict=True)
        ]
        cells = [
            _Cells(*texts)
            for texts in zip(
                column(prices, _PRICE_FILL, glyphs.cut, widths.price),
                bars,
                column(sizes, _SIZE_FILL, glyphs.cut, widths.size),
                column(totals, _SIZE_FILL, glyphs.cut, widths.total or None),
                strict=True,
            )
        ]
        self.cells = {Side.BID: cells[: len(bids)], Side.ASK: cells[len(bids) :]}

    def heading(self, side: Side) -> Text:
        """What the columns are."""
        cells = _Cells(side.name.lower(), "", "size", "total")
        return self._line(side, cells, _Cells(*(QUIET,) * 4))

    def body(self, side: Side, room: int) -> list[Text]:
        """The levels, best first, and what is behind the last one if there is room: nothing, or the horizon."""
        lines = []
        colour = STYLES[side]
        for index, (level, cells) in enumerate(zip(self.levels[side], self.cells[side], strict=True)):
            emphasis = "" if index else "bold"
            change = self.lit.get((side, level.price), 0)
            size_style = emphasis if not change else "bold yellow" if abs(change) == FRESH else "yellow"
            styles = _Cells(f"{emphasis} {colour}", f"{QUIET} {colour}", size_style, QUIET)
            lines.append(self._line(side, cells, styles, " " if not change else "+" if change > 0 else "-"))
        if side in self.horizons and len(lines) < room:
            lines.append(Text(" horizon ".center(self.width, self.glyphs.horizon)[: self.width], HORIZON))
        elif not lines:
            lines.append(self._line(side, _NONE, _Cells(f"bold {colour}", "", "", "")))
        return lines

    def _line(self, side: Side, cells: _Cells, styles: _Cells, mark: str = " ") -> Text:
        """One side of one line, exactly as wide as it should be."""
        shown = {
            name: Text((mark if name == "size" and self.marked else "") + cell[:width].rjust(width), style)
            for name, cell, style, width in zip(_Cells._fields, cells, styles, self.widths, strict=True)
            if width
        }
        order: Iterable[str] = ("price", "size", "total", "bar") if self.stacked else _Cells._fields
        if side is Side.BID and not self.stacked:
            order = reversed(_Cells._fields)
        line = Text(" ").join(shown[name] for name in order if name in shown)
        if side is Side.ASK or self.stacked:
            line.pad_right(self.width - line.cell_len)
        else:
            line.pad_left(self.width - line.cell_len)
        return line


def level_lines(
    bids: Levels,
    asks: Levels,
    width: int,
    height: int,
    glyphs: Glyphs,
    *,
    lit: Lit | None = None,
    horizons: AbstractSet[Side] = frozenset(),
) -> list[Text]:
    """A heading and the best levels, the two sides beside each other: prices in the middle, the rest outwards.

    Args:
        bids: Best first.
        asks: Best first.
        width: Columns to fill.
        height: At most so many lines, at least 2.
        glyphs: The characters to draw with.
        lit: Mark these levels as changed; without it there is no column for such marks.
        horizons: Sides that end at their horizon; it is drawn where there is room for a line more.

    Complexity: O(height).
    """
    room = height - 1
    margin = int(width >= MARGIN_FROM)
    half = (width - 3) // 2 - margin
    columns = _Columns(bids[:room], asks[:room], half, glyphs, stacked=False, lit=lit, horizons=horizons)
    left, right = ([columns.heading(side), *columns.body(side, room)] for side in Side)
    middle = Text(f" {glyphs.middle} ", QUIET)
    blank = Text(" " * half)
    return [Text(" " * margin) + bid + middle + ask for bid, ask in zip_longest(left, right, fillvalue=blank)]


def stacked_lines(
    bids: Levels,
    asks: Levels,
    width: int,
    height: int,
    divider: Text,
    glyphs: Glyphs,
    *,
    lit: Lit | None = None,
    horizons: AbstractSet[Side] = frozenset(),
) -> list[Text]:
    """The asks above the bids, the best ones meeting at the divider: for a narrow place.

    Args:
        bids: Best first.
        asks: Best first.
        width: Columns to fill.
        height: Lines to fill, at least 3.
        divider: The line between the sides.
        glyphs: The characters to draw with.
        lit: As for ``level_lines``.
        horizons: As for ``level_lines``.

    Returns:
        Exactly ``height`` lines; the divider is in the middle whatever the book, so that it does not jump.

    Complexity: O(height).
    """
    room = stacked_fit(height)
    columns = _Columns(bids[:room], asks[:room], width - 2, glyphs, stacked=True, lit=lit, horizons=horizons)
    halves = []
    for side in Side:
        # Both have the same order from the divider outwards.
        lines = columns.body(side, room)
        lines += [Text()] * (room - len(lines))
        halves.append(lines + [columns.heading(side)] * (height >= HEADED_FROM))
    below, above = ([Text(" ") + line for line in lines] for lines in halves)
    lines = [*reversed(above), divider, *below]
    return lines + [Text()] * (height - len(lines))


def stacked_fit(height: int) -> int:
    """Levels a side that ``stacked_lines`` has room for, in so many lines."""
    return (height - 1) // 2 - (height >= HEADED_FROM)


def _natural(values: Sequence[Decimal], fill: str) -> int:
    """The width that shows a column whole; its heading has up to five letters."""
    return max(5, *map(len, column(values, fill, "")), 0)


def _bar(share: Decimal, width: int, glyphs: Glyphs, *, leftwards: bool) -> str:
    """A bar in half characters, from the left or from the right; something is seen of the smallest level."""
    halves = max(1, int(share * width * 2)) if width else 0
    full, half = glyphs.full * (halves // 2), halves % 2
    if leftwards:
        return (glyphs.right_half * half + full).rjust(width)
    return (full + glyphs.left_half * half).ljust(width)
