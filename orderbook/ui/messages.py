"""What the streams beside the book say, for people and for programs: pure functions of messages.

A stream is a ``Sheet``: what makes a row of it, and the columns of its table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from rich.text import Text

from orderbook.streams import (
    BalanceUpdate,
    Candle,
    MarketStats,
    Missed,
    OrderUpdate,
    StopOrderUpdate,
    StreamMessage,
    TickerUpdate,
    TopLevels,
    Touch,
    Trade,
    TradeSide,
)
from orderbook.types import Level, Side
from orderbook.ui.levels import ASCII, QUIET, STYLES, Glyphs
from orderbook.ui.numbers import column as aligned
from orderbook.ui.numbers import plain
from orderbook.ui.pieces import cut, printable

TYPES: Final[Mapping[type[StreamMessage], str]] = {
    Trade: "trade",
    Candle: "candle",
    TickerUpdate: "ticker",
    Touch: "touch",
    TopLevels: "top_levels",
    MarketStats: "market_stats",
    BalanceUpdate: "balance",
    OrderUpdate: "order",
    StopOrderUpdate: "stop_order",
    Missed: "missed",
}
"""How programs tell messages apart."""

Cell = str | Decimal | None
"""Numbers of a column have their decimal points in line; ``None`` is a blank."""


def to_json(message: StreamMessage, ts: int) -> dict[str, object]:
    """One message for programs.

    Args:
        message: Of any stream.
        ts: When this is told, nanoseconds since 1970.

    Returns:
        ``ts``, ``type``, and everything that the message has, under the same names: exact numbers as decimal text,
        levels as ``[price, size]``, times as whole numbers in the unit that the name ends with, ``null`` for what the
        venue did not tell.
    """
    return {"ts": ts, "type": TYPES[type(message)], **_fields(message)}


def _fields(value: Any) -> dict[str, object]:
    # When it was read is of a clock that means nothing elsewhere.
    names = [field.name for field in fields(value) if field.name != "received_ns"]
    return {name: _json(getattr(value, name)) for name in names}


def _json(value: Any) -> object:
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, tuple):
        return [_json(one) for one in value]
    return _fields(value) if is_dataclass(value) else value


def missing(missed: Missed) -> str:
    """In words, what is missing where."""
    count = "messages may be missing" if missed.count is None else f"{missed.count} messages are missing"
    whose = ", ".join(filter(None, missed.symbols[:_NAMED_MAX])) + ", ..." * (len(missed.symbols) > _NAMED_MAX)
    end = "" if missed.is_over else "; none come at the moment"
    return f"{missed.path}{f' of {whose}' if whose else ''}: {count}: {missed.reason}{end}"


_NAMED_MAX: Final = 3


class Column(NamedTuple):
    """One column of a table of messages."""

    heading: str
    cell: Callable[[Any], Cell]
    drop: int = 0
    """Left out in this order where there is no room; 0: never."""
    to_left: bool = False
    style: Callable[[Any], str] = lambda _: ""


@dataclass(frozen=True)
class Sheet:
    """How a stream is shown.

    Attributes:
        key: What a row is about: a later message about the same takes its place.
        columns: From left to right.
        is_sorted: Rows are in the order of their keys; else the newest is first.
    """

    key: Callable[[Any], tuple[str | int, ...]]
    columns: Sequence[Column]
    is_sorted: bool = False


# --- cells ---


def _moment(ns: int) -> str:
    """A time of the venue: UTC, to the millisecond."""
    seconds, rest_ns = divmod(ns, 1_000_000_000)
    return _utc(seconds, f"%H:%M:%S.{rest_ns // 1_000_000:03}")


def _utc(seconds: int, form: str) -> str:
    """A time of the venue; one that no calendar has, as where it changed its unit, is no reason to end."""
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):{form}}"
    except (ValueError, OverflowError, OSError):
        return "no such time"


_SIDES: Final[Mapping[TradeSide, str]] = {"buy": STYLES[Side.BID], "sell": STYLES[Side.ASK]}


def _of_side(message: Trade | OrderUpdate) -> str:
    return _SIDES[message.side]


def _quiet(_message: StreamMessage) -> str:
    return QUIET


def _bold(_message: StreamMessage) -> str:
    return "bold"


def _price(level: Level[Decimal] | None) -> Cell:
    return "none" if level is None else level.price


def _size(level: Level[Decimal] | None) -> Cell:
    return None if level is None else level.size


def _signed(value: Decimal) -> Cell:
    """A change: what did not change is a blank."""
    return f"{'+' if value > 0 else ''}{plain(value)}" if value else None


def _of_status(message: OrderUpdate) -> str:
    return QUIET if message.status == "done" else "bold"


_SYMBOL: Final = Column("symbol", lambda message: message.symbol, to_left=True, style=_bold)

TRADES: Final = Sheet(
    lambda trade: (trade.symbol, trade.trade_id),
    (
        Column("time (UTC)", lambda trade: _moment(trade.venue_ns), 2, to_left=True, style=_quiet),
        _SYMBOL,
        Column("side", lambda trade: trade.side, to_left=True, style=_of_side),
        Column("price", lambda trade: trade.price, style=_of_side),
        Column("size", lambda trade: trade.size),
        Column("trade", lambda trade: trade.trade_id, 1, to_left=True, style=_quiet),
    ),
)
CANDLES: Final = Sheet(
    lambda candle: (candle.symbol, candle.interval, candle.start_s),
    (
        Column("from (UTC)", lambda candle: _utc(candle.start_s, "%m-%d %H:%M"), to_left=True, style=_quiet),
        _SYMBOL,
        Column("", lambda candle: candle.interval, 3, to_left=True, style=_quiet),
        Column("open", lambda candle: candle.open, 5),
        Column("high", lambda candle: candle.high, 4),
        Column("low", lambda candle: candle.low, 4),
        Column("close", lambda candle: candle.close, style=_bold),
        Column("volume", lambda candle: candle.volume, 2),
        Column("turnover", lambda candle: candle.turnover, 1, style=_quiet),
    ),
)
TICKERS: Final = Sheet(
    lambda ticker: (ticker.symbol,),
    (
        _SYMBOL,
        Column("bid", lambda ticker: _price(ticker.bid), style=lambda _: STYLES[Side.BID]),
        Column("size", lambda ticker: _size(ticker.bid), 3, style=_quiet),
        Column("ask", lambda ticker: _price(ticker.ask), style=lambda _: STYLES[Side.ASK]),
        Column("size", lambda ticker: _size(ticker.ask), 3, style=_quiet),
        Column("last", lambda ticker: ticker.last_price),
        Column("size", lambda ticker: ticker.last_size, 2, style=_quiet),
        Column("time (UTC)", lambda ticker: _moment(ticker.venue_ms * 1_000_000), 1, to_left=True, style=_quiet),
    ),
    is_sorted=True,
)
BALANCES: Final = Sheet(
    lambda balance: (balance.currency, balance.account_id),
    (
        Column("currency", lambda balance: balance.currency, to_left=True, style=_bold),
        Column("account", lambda balance: balance.account_id, 1, to_left=True, style=_quiet),
        Column("total", lambda balance: balance.total),
        Column("available", lambda balance: balance.available, style=_bold),
        Column("change", lambda balance: _signed(balance.available_change), 4, style=_quiet),
        Column("held", lambda balance: balance.held),
        Column("change", lambda balance: _signed(balance.held_change), 4, style=_quiet),
        Column("because of", lambda balance: balance.cause, 3, to_left=True),
        Column("symbol", lambda balance: balance.symbol, 2, to_left=True, style=_quiet),
        Column("time (UTC)", lambda balance: _moment(balance.venue_ms * 1_000_000), 2, to_left=True, style=_quiet),
    ),
    is_sorted=True,
)
ORDERS: Final = Sheet(
    lambda order: (order.order_id,),
    (
        Column("time (UTC)", lambda order: _moment(order.venue_ns), 3, to_left=True, style=_quiet),
        _SYMBOL,
        Column("side", lambda order: order.side, to_left=True, style=_of_side),
        Column("kind", lambda order: order.kind, 2, to_left=True, style=_quiet),
        Column("price", lambda order: order.price, style=_of_side),
        Column("size", lambda order: order.original_size),
        Column("filled", lambda order: order.filled_size),
        Column("left", lambda order: order.remaining_size, 4),
        Column("event", lambda order: order.event, to_left=True, style=_of_status),
        Column("status", lambda order: order.status, 5, to_left=True, style=_of_status),
        Column("order", lambda order: order.order_id, 1, to_left=True, style=_quiet),
    ),
)


# --- tables ---

_SPACE: Final = "  "


class Table(NamedTuple):
    """A table as text."""

    heading: Text
    lines: list[Text]


def table(columns: Sequence[Column], messages: Sequence[Any], width: int, glyphs: Glyphs) -> Table:
    """A heading, and a line for each message.

    Args:
        columns: Those that may be left out are, in their order, where it would be wider than ``width``.
        messages: What is shown, in this order.
        width: Columns to fill.
        glyphs: The characters to draw with.

    Complexity: O(messages).
    """
    texts = [_texts(column, messages, glyphs) for column in columns]
    widths = [max(map(len, (column.heading, *shown))) for column, shown in zip(columns, texts, strict=True)]
    kept = list(range(len(columns)))
    while _width(widths, kept) > width and (drops := [columns[index].drop for index in kept if columns[index].drop]):
        kept = [index for index in kept if columns[index].drop != min(drops)]

    def line(cells: Sequence[tuple[str, str]]) -> Text:
        parts = [
            Text(text.ljust(widths[index]) if columns[index].to_left else text.rjust(widths[index]), style)
            for index, (text, style) in zip(kept, cells, strict=True)
        ]
        return cut(Text(" ").append_text(Text(_SPACE).join(parts)), width, glyphs)

    return Table(
        line([(columns[index].heading, QUIET) for index in kept]),
        [
            line([(texts[index][row], columns[index].style(message)) for index in kept])
            for row, message in enumerate(messages)
        ],
    )


def _width(widths: Sequence[int], kept: Sequence[int]) -> int:
    return 1 + sum(widths[index] for index in kept) + len(_SPACE) * (len(kept) - 1)


def _texts(column: Column, messages: Sequence[Any], glyphs: Glyphs) -> list[str]:
    cells = [column.cell(message) for message in messages]
    numbers = iter(aligned([cell for cell in cells if isinstance(cell, Decimal)], " ", glyphs.cut))
    return [next(numbers) if isinstance(cell, Decimal) else printable(cell or "", glyphs) for cell in cells]


# --- lines ---


class Lines:
    """A table whose rows are printed as they come, so that columns can only grow.

    Args:
        sheet: What is told.
    """

    def __init__(self, sheet: Sheet) -> None:
        self._columns = sheet.columns
        self._widths = [len(column.heading) for column in sheet.columns]

    def heading(self) -> str:
        """What the columns are."""
        return self._line([column.heading for column in self._columns])

    def told(self, message: StreamMessage) -> str:
        """One message in one line, in ASCII. O(1)."""
        cells = [column.cell(message) for column in self._columns]
        texts = [plain(cell) if isinstance(cell, Decimal) else printable(cell or "", ASCII) for cell in cells]
        self._widths = [max(width, len(text)) for width, text in zip(self._widths, texts, strict=True)]
        return self._line(texts)

    def _line(self, texts: Sequence[str]) -> str:
        padded = [
            text.ljust(width) if column.to_left else text.rjust(width)
            for column, width, text in zip(self._columns, self._widths, texts, strict=True)
        ]
        return _SPACE.join(padded).rstrip()
