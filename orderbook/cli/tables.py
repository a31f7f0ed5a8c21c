"""Reports of books as tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple
from decimal import Decimal
from typing import Final, Literal, NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from orderbook.types import BookState, Level
from orderbook.ui.levels import ASCII, UNICODE, Glyphs, level_lines
from snapshots.report import SymbolReport, TextLevel

LADDER_COLUMNS_MAX: Final = 100
NAMED_MAX: Final = 5
_UNBOUNDED_COLUMNS: Final = 1000


class _Column(NamedTuple):
    heading: str
    cell: Callable[[SymbolReport], str]
    drop: int
    """Left out in this order where the table is too wide; 0: never."""
    justify: Literal["left", "right"] = "right"
    is_alarm: bool = False
    """Stands out unless it is 0."""


def _check(name: str, outcome: str) -> Callable[[SymbolReport], str]:
    def cell(report: SymbolReport) -> str:
        tally = report.checks.get(name)
        # Three times 0 would look like a comparison.
        return str(getattr(tally, outcome)) if tally is not None and any(astuple(tally)) else ""

    return cell


_COLUMNS = (
    _Column("symbol", lambda report: report.symbol, 0, "left"),
    _Column("state", lambda report: report.state.value, 0, "left"),
    _Column("sequence", lambda report: str(report.sequence), 5),
    _Column("frames", lambda report: str(report.frames), 2),
    _Column("applied", lambda report: str(report.applied), 8),
    _Column("dupl.", lambda report: str(report.duplicates), 1),
    _Column("rejected", lambda report: str(report.rejected), 4, is_alarm=True),
    _Column("gaps", lambda report: str(report.gaps), 0, is_alarm=True),
    _Column("resyncs", lambda report: str(report.resyncs), 6, is_alarm=True),
    _Column("crossed", lambda report: str(report.crossed), 7, is_alarm=True),
    _Column("tickers\nequal", _check("ticker", "ok"), 0),
    _Column("\nbad", _check("ticker", "bad"), 0, is_alarm=True),
    _Column("\nskipped", _check("ticker", "skipped"), 3),
    _Column("snapshots\nequal", _check("snapshot", "ok"), 0),
    _Column("\nbad", _check("snapshot", "bad"), 0, is_alarm=True),
    _Column("\nskipped", _check("snapshot", "skipped"), 3),
    _Column("bids", lambda report: str(report.bid_count), 10),
    _Column("asks", lambda report: str(report.ask_count), 10),
    _Column("best bid", lambda report: _price(report.bids), 11),
    _Column("best ask", lambda report: _price(report.asks), 11),
)


def report_table(reports: Sequence[SymbolReport], console: Console) -> Table:
    """One row a symbol, with as many columns as the console has room for; columns without any entry are left out."""
    columns = [column for column in _COLUMNS if any(column.cell(report) for report in reports)]
    table = _table(columns, reports)
    while _natural_width(table, console) > console.width and any(column.drop for column in columns):
        first = min(column.drop for column in columns if column.drop)
        columns = [column for column in columns if column.drop != first]
        table = _table(columns, reports)
    return table


def unchecked(reports: Sequence[SymbolReport]) -> Text:
    """Which books were compared with nothing; empty where there are none."""
    bare = [report.symbol for report in reports if not any(tally.ok + tally.bad for tally in report.checks.values())]
    if not bare:
        return Text()
    more = f" and {len(bare) - NAMED_MAX} more" if len(bare) > NAMED_MAX else ""
    whose = "" if len(bare) == len(reports) else f" for {', '.join(bare[:NAMED_MAX])}{more}"
    return Text(f"Nothing to compare with{whose}: no ticker and no later snapshot at a sequence of a LIVE book.\n")


def _natural_width(table: Table, console: Console) -> int:
    return console.measure(table, options=console.options.update(max_width=_UNBOUNDED_COLUMNS)).maximum


def _table(columns: Sequence[_Column], reports: Sequence[SymbolReport]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        table.add_column(column.heading, justify=column.justify, no_wrap=True, vertical="bottom")
    for report in reports:
        table.add_row(*(_cell(column, report) for column in columns))
    return table


def _cell(column: _Column, report: SymbolReport) -> Text:
    text = column.cell(report)
    if column.heading == "state":
        return Text(text, "green" if report.state is BookState.LIVE else "bold yellow")
    return Text(text, "bold red" if column.is_alarm and text not in ("", "0") else "")


def _price(levels: Sequence[TextLevel]) -> str:
    return levels[0][0] if levels else "none"


def ladders(reports: Sequence[SymbolReport], console: Console) -> Group:
    """The best levels of each book; of one that is not LIVE the last known ones, which say so."""
    width = min(console.width, LADDER_COLUMNS_MAX)
    glyphs = glyphs_of(console)
    lines: list[Text] = []
    for report in reports:
        heading = Text(f"{report.symbol}  ", "bold")
        if report.state is BookState.LIVE:
            heading.append("LIVE", "green")
        else:
            heading.append(f"{report.state.value}: {report.reason}; last known levels", "bold yellow")
        bids, asks = _levels(report.bids), _levels(report.asks)
        height = max(len(bids), len(asks), 1) + 1
        lines += [heading, *level_lines(bids, asks, width, height, glyphs), Text()]
    return Group(*lines)


def glyphs_of(console: Console) -> Glyphs:
    """The characters that can be written to the console."""
    return UNICODE if console.encoding.lower().startswith("utf") else ASCII


def _levels(levels: Sequence[TextLevel]) -> list[Level[Decimal]]:
    return [Level(Decimal(price), Decimal(size)) for price, size in levels]
