"""Symbols that have no ladder, a line each: a table that leaves out columns where it is too wide."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from rich.text import Text

from orderbook.types import Level, Side
from orderbook.ui.levels import QUIET, STYLES, Glyphs
from orderbook.ui.numbers import plain
from orderbook.ui.panels import OLD_MS, PanelData, Touch
from orderbook.ui.pieces import ALARM, WARNING, cut, duration, printable, rate, rounded, state_word


class _Column(NamedTuple):
    heading: str
    cell: Callable[[PanelData, Touch], Text]
    drop: int
    """Left out in this order where there is no room; 0: never."""
    to_left: bool = False
    of_book: bool = False
    """Only a LIVE book has it; the reason stands in its place."""


def _age(data: PanelData) -> Text:
    age = data.status.age_ms
    if age is None:
        return Text("none", WARNING)
    return Text(duration(age), WARNING if age >= OLD_MS else "")


def _count(count: int) -> Text:
    return Text(str(count), ALARM if count else "")


def _price(level: Level[Decimal] | None, side: Side) -> Text:
    return Text("none" if level is None else plain(level.price), STYLES[side])


def _size(level: Level[Decimal] | None) -> Text:
    return Text("" if level is None else plain(level.size), QUIET)


def _bps(touch: Touch) -> Text:
    return Text("none" if touch.spread_bps is None else rounded(touch.spread_bps))


_COLUMNS: Final = (
    _Column("symbol", lambda data, _: Text(data.view.symbol, "bold"), 0, to_left=True),
    _Column("state", lambda data, _: state_word(data.view.state), 0, to_left=True),
    _Column("age", lambda data, _: _age(data), 4),
    _Column("msg/s", lambda data, _: Text(rate(data.status.frames_per_s)), 3),
    _Column("gaps", lambda data, _: _count(data.status.gaps), 6),
    _Column("resyncs", lambda data, _: _count(data.status.resyncs), 5),
    _Column("sequence", lambda data, _: Text(str(data.view.sequence), QUIET), 1),
    _Column("bid", lambda _, touch: _price(touch.bid, Side.BID), 8, of_book=True),
    _Column("size", lambda _, touch: _size(touch.bid), 2, of_book=True),
    _Column("ask", lambda _, touch: _price(touch.ask, Side.ASK), 8, of_book=True),
    _Column("size", lambda _, touch: _size(touch.ask), 2, of_book=True),
    _Column("spread bps", lambda _, touch: _bps(touch), 7, of_book=True),
)
_SPACE: Final = 2


def rows(data: Sequence[PanelData], width: int, lines_max: int, glyphs: Glyphs) -> list[Text]:
    """A heading and a line for each symbol, or as many as fit and how the others are.

    Args:
        data: The symbols, in their order.
        width: Columns to fill.
        lines_max: At most so many lines.
        glyphs: The characters to draw with.

    Complexity: O(symbols).
    """
    if lines_max < 1 or not data:
        return []
    shown = data[: lines_max - 1]
    if len(shown) < len(data):
        shown = data[: max(0, lines_max - 2)]
    lines = _table(shown, width, glyphs) if shown else []
    if rest := data[len(shown) :]:
        lines.append(_rest(rest, width, glyphs, is_all=not shown))
    return lines


def _rest(data: Sequence[PanelData], width: int, glyphs: Glyphs, *, is_all: bool) -> Text:
    """Symbols that have no line, and whether all is well with them."""
    line = Text(f" {'' if is_all else 'and '}{len(data)} more", QUIET)
    troubled = [one.view.symbol for one in data if not one.view.is_live]
    line.append(f", not LIVE: {', '.join(troubled)}" if troubled else ", all LIVE", ALARM if troubled else QUIET)
    return cut(line, width, glyphs)


def _table(data: Sequence[PanelData], width: int, glyphs: Glyphs) -> list[Text]:
    touches = [Touch(one.view, 1) for one in data]
    cells = {
        column: [
            column.cell(one, touch) if one.view.is_live or not column.of_book else Text()
            for one, touch in zip(data, touches, strict=True)
        ]
        for column in _COLUMNS
    }
    widths = {column: max(len(column.heading), *(cell.cell_len for cell in cells[column])) for column in _COLUMNS}
    while sum(widths.values()) + _SPACE * len(widths) > width + 1 and (drop := _first_to_drop(widths)):
        widths = {column: room for column, room in widths.items() if column.drop != drop}
    lines = [
        Text(" ").append_text(
            Text("  ").join(_aligned(column, Text(column.heading, QUIET), room) for column, room in widths.items())
        )
    ]
    for index, one in enumerate(data):
        columns = [column for column in widths if one.view.is_live or not column.of_book]
        parts = [_aligned(column, cells[column][index], widths[column]) for column in columns]
        if not one.view.is_live:
            parts.append(Text(printable(one.status.reason, glyphs)))
        lines.append(Text(" ").append_text(Text("  ").join(parts)))
    return [cut(line, width, glyphs) for line in lines]


def _first_to_drop(columns: dict[_Column, int]) -> int:
    return min((column.drop for column in columns if column.drop), default=0)


def _aligned(column: _Column, text: Text, width: int) -> Text:
    if column.to_left:
        text.pad_right(width - text.cell_len)
    else:
        text.pad_left(width - text.cell_len)
    return text
