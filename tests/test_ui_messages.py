"""Messages of streams for people and for programs: exact, in columns that fit, and what is missing is told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields, replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderbook import streams
from orderbook.feed.health import FeedHealth
from orderbook.streams import MarketSpan, MarketStats, Missed, StreamMessage, TopLevels
from orderbook.types import Level
from orderbook.ui.board import Board, picture
from orderbook.ui.levels import ASCII, UNICODE, Glyphs
from orderbook.ui.messages import (
    BALANCES,
    CANDLES,
    ORDERS,
    TICKERS,
    TRADES,
    TYPES,
    Lines,
    Sheet,
    missing,
    table,
    to_json,
)
from tests.panel_data import HEALTH
from tests.stream_messages import BALANCE, CANDLE, DOWN, MISSED, ORDER, TICKER, TRADE, trade

SHEETS: list[tuple[Sheet, StreamMessage]] = [
    (TRADES, TRADE),
    (CANDLES, CANDLE),
    (TICKERS, TICKER),
    (BALANCES, BALANCE),
    (ORDERS, ORDER),
]


def golden(text: str) -> list[str]:
    """Lines without the margin that keeps them readable here."""
    return [line[4:].rstrip() for line in text.strip("\n").split("\n")][:-1]


def shown(sheet: Sheet, messages: Sequence[StreamMessage], width: int = 120) -> list[str]:
    """Heading and lines of a table, as a plain terminal shows them."""
    heading, lines = table(sheet.columns, messages, width, UNICODE)
    return [line.plain.rstrip() for line in (heading, *lines)]


# --- for programs ---


def test_every_message_has_a_type() -> None:
    """Else a stream could not be told."""
    kinds = {
        kind
        for kind in vars(streams).values()
        if isinstance(kind, type) and issubclass(kind, StreamMessage) and kind is not StreamMessage
    }

    assert kinds == TYPES.keys()
    assert len(TYPES) == len(set(TYPES.values()))


def test_a_trade_for_programs() -> None:
    """Numbers as exact text, without trailing zeros; times as they are, in the unit of their names."""
    assert {
        "ts": 9,
        "type": "trade",
        "symbol": "BTC-USDT",
        "side": "buy",
        "price": "67012.3",
        "size": "0.00331",
        "sequence": 11,
        "trade_id": "t11",
        "taker_order_id": "a",
        "maker_order_id": "b",
        "venue_ns": 1_714_567_890_123_456_789,
    } == to_json(TRADE, 9)


@pytest.mark.parametrize("message", [one for _, one in SHEETS] + [MISSED, DOWN])
def test_programs_are_told_everything(message: StreamMessage) -> None:
    """Under its own name, but for the time of a clock that means nothing elsewhere; and JSON can hold it."""
    told = json.loads(json.dumps(to_json(message, 1)))
    names = {field.name for field in fields(message)} - {"received_ns"}

    assert {"ts", "type", *names} == told.keys()
    for name in names:
        value = getattr(message, name)
        if isinstance(value, Decimal):
            assert (str, value) == (type(told[name]), Decimal(told[name]))
        elif value is None or isinstance(value, bool | int | str):
            assert value == told[name]


def test_levels_and_spans_for_programs() -> None:
    """Pairs of texts, and objects within the object."""
    level = Level(Decimal("1.50"), Decimal("2E+3"))
    top = TopLevels(symbol="A-B", depth=5, bids=(level,), asks=(), venue_ms=1)
    span = MarketSpan(
        change_price=None, change_rate=Decimal("-0.01"), open=None, high=None, low=None, volume=None, turnover=None
    )
    told = to_json(top, 1)

    assert ([["1.5", "2000"]], []) == (told["bids"], told["asks"])
    assert ["67012.3", "0.5"] == to_json(TICKER, 1)["bid"]
    assert to_json(replace(TICKER, bid=None), 1)["bid"] is None
    nothing: dict[str, Any] = {field.name: None for field in fields(MarketStats)}
    stats: Any = to_json(MarketStats(**nothing | {"last_1h": span}), 1)
    assert (None, "-0.01") == (stats["last_4h"], stats["last_1h"]["change_rate"])


# --- for people ---


def test_trades_in_a_table() -> None:
    """Decimal points stand in line."""
    assert golden(
        """
     time (UTC)    symbol    side     price      size  trade
     12:51:30.123  BTC-USDT  buy   67012.3    0.00331  t11
     12:51:30.123  BTC-USDT  sell  67012.25  10        t12
    """
    ) == shown(TRADES, [TRADE, trade(12, side="sell", price=Decimal("67012.25"), size=Decimal(10))])


def test_candles_in_a_table() -> None:
    """With the time that they began at."""
    assert golden(
        """
     from (UTC)   symbol           open     high       low  close  volume   turnover
     05-01 12:51  BTC-USDT  1min  67000  67012.3  66999.95  67010     1.5  100500.25
    """
    ) == shown(CANDLES, [CANDLE])


def test_tickers_in_a_table() -> None:
    """A side without levels has none; what was never told is a blank."""
    bare = replace(TICKER, symbol="NEW-USDT", bid=None, last_price=None, last_size=None)

    assert golden(
        """
     symbol        bid  size      ask  size     last  size  time (UTC)
     BTC-USDT  67012.3   0.5  67012.4  0.25  67012.4   0.1  12:51:30.007
     NEW-USDT     none        67012.4  0.25                 12:51:30.007
    """
    ) == shown(TICKERS, [TICKER, bare])


def test_balances_in_a_table() -> None:
    """Changes have their sign; what did not change is a blank."""
    same = replace(BALANCE, currency="BTC", held_change=Decimal(0), symbol=None, cause="main.deposit")

    assert golden(
        """
     currency  account  total  available  change  held  change  because of    symbol    time (UTC)
     USDT      acc        100       88.5   -11.5  11.5   +11.5  trade.hold    BTC-USDT  12:51:30.000
     BTC       acc        100       88.5   -11.5  11.5          main.deposit            12:51:30.000
    """
    ) == shown(BALANCES, [BALANCE, same])


def test_orders_in_a_table() -> None:
    """What happened last, and how the order stands."""
    assert golden(
        """
     time (UTC)    symbol    side  kind   price  size  filled  left  event  status  order
     12:51:30.005  BTC-USDT  sell  limit  67100   0.5     0.2   0.3  match  match   o1
    """
    ) == shown(ORDERS, [ORDER])


@pytest.mark.parametrize(("sheet", "message"), SHEETS)
@pytest.mark.parametrize("width", [20, 40, 60, 80, 120])
def test_columns_give_way_before_numbers_are_cut(sheet: Sheet, message: StreamMessage, width: int) -> None:
    """Whole columns, in their order; only then is a line cut, and marked."""
    heading, *lines = shown(sheet, [message], width)
    needed = [column.heading for column in sheet.columns if not column.drop]

    assert all(len(line) <= width for line in (heading, *lines))
    assert width < 60 or all(name in heading for name in needed)
    assert width < 60 or "…" not in "".join(lines)


@given(st.lists(st.integers(-6, 12), min_size=1, max_size=8), st.integers(20, 130), st.sampled_from([UNICODE, ASCII]))
def test_numbers_of_a_table_are_exact(exponents: list[int], width: int, glyphs: Glyphs) -> None:
    """Each is that of the message, or visibly cut off."""
    trades = [trade(number, price=Decimal(7).scaleb(exponent)) for number, exponent in enumerate(exponents)]
    _, lines = table(TRADES.columns, trades, width, glyphs)

    for line, one in zip(lines, trades, strict=True):
        text = line.plain
        assert text.endswith(glyphs.cut) or one.price in [
            Decimal(word) for word in text.split() if word[0] in "0123456789" and ":" not in word
        ]


def test_what_a_venue_writes_is_safe_to_show() -> None:
    """No control characters reach the terminal."""
    _, line = shown(ORDERS, [replace(ORDER, kind="a\x1b[2J")])

    assert "\x1b" not in line
    assert "\x1b" not in Lines(ORDERS).told(replace(ORDER, kind="a\x1b[2J"))


@pytest.mark.parametrize(
    ("sheet", "message"),
    [
        (TICKERS, replace(TICKER, venue_ms=2**63 - 1)),
        (BALANCES, replace(BALANCE, venue_ms=1_714_567_890_123_456_789)),
        (CANDLES, replace(CANDLE, start_s=1_714_567_890_123)),
    ],
    ids=["ticker", "balance", "candle"],
)
def test_a_time_that_no_calendar_has(sheet: Sheet, message: Any) -> None:
    """As where the venue has changed its unit: all else is shown."""
    told = Lines(sheet).told(message)
    (line,) = table(sheet.columns, [message], 200, UNICODE).lines

    assert "no such time" in told
    assert told.split() == line.plain.split()


def test_lines_as_they_come() -> None:
    """Columns under their headings; they grow where they have to."""
    lines = Lines(TRADES)
    first = lines.told(trade(1))
    heading = lines.heading()
    long = lines.told(trade(2, price=Decimal("123456789.123456789")))
    after = lines.told(trade(3))

    assert heading.index("price") + len("price") == first.index("67012.3") + len("67012.3")
    assert len(after) > len(first)
    assert long.index("buy") == first.index("buy") == after.index("buy")


@pytest.mark.parametrize(
    ("missed", "expected"),
    [
        (MISSED, "/market/match of BTC-USDT: 3 messages are missing: the reader was too slow"),
        (DOWN, "/account/balance: messages may be missing: connection lost: 1006; none come at the moment"),
        (
            Missed(path="/market/ticker", symbols=("A-B", "C-D", "E-F", "G-H"), reason="why"),
            "/market/ticker of A-B, C-D, E-F, ...: messages may be missing: why",
        ),
    ],
)
def test_what_is_missing_in_words(missed: Missed, expected: str) -> None:
    """Of which stream, how many, why, and whether messages come again."""
    assert expected == missing(missed)


# --- the board ---


def drawn(
    board: Board, width: int = 72, height: int = 8, *, is_live: bool = True, health: FeedHealth = HEALTH
) -> list[str]:
    """The picture on a plain terminal."""
    text = picture(board, health, width, height, title="trades", venue="kucoin", is_live=is_live, glyphs=UNICODE)
    return [line.rstrip() for line in text.plain.split("\n")]


def board_of(sheet: Sheet, *messages: StreamMessage, **bounds: int) -> Board:
    """A board that heard these."""
    board = Board(sheet, **bounds)
    for message in messages:
        board.take(message)
    return board


def test_the_picture_of_a_stream() -> None:
    """The feed's health above, the newest first, and what has no room is counted."""
    board = board_of(TRADES, *(trade(number) for number in range(1, 8)))

    assert golden(
        """
     kucoin   trades   link up   live   reconnects 0   7 messages
     time (UTC)    symbol    side    price     size  trade
     12:51:30.123  BTC-USDT  buy   67012.3  0.00331  t7
     12:51:30.123  BTC-USDT  buy   67012.3  0.00331  t6
     12:51:30.123  BTC-USDT  buy   67012.3  0.00331  t5
     12:51:30.123  BTC-USDT  buy   67012.3  0.00331  t4
     12:51:30.123  BTC-USDT  buy   67012.3  0.00331  t3
     q quit                                                      and 2 more
    """
    ) == drawn(board)


def test_the_picture_says_what_is_missing() -> None:
    """It stays there, also when messages come again, which is no new time; and that none come stands out above."""
    board = board_of(TRADES, DOWN, replace(DOWN, is_over=True), trade(1), MISSED)

    assert "2 times, last: /market/match of BTC-USDT: 3 messages are missing" in drawn(board)[-2]
    assert "NOT LIVE" in drawn(board, is_live=False)[0]


@pytest.mark.parametrize(("is_live", "words"), [(True, "nothing was said yet"), (False, "not subscribed yet")])
def test_the_picture_of_nothing(is_live: bool, words: str) -> None:
    """It says whether there was nothing to hear, or nobody listens."""
    assert words == drawn(board_of(ORDERS), is_live=is_live)[2].strip()


def test_a_row_for_each_thing() -> None:
    """A later message about the same takes its place; a row a symbol is in the order of their names."""
    tickers = [replace(TICKER, symbol=name) for name in ("C-D", "A-B", "C-D")]
    done = replace(ORDER, event="filled", status="done")
    board, orders = board_of(TICKERS, *tickers), board_of(ORDERS, ORDER, replace(ORDER, order_id="o2"), done)
    markets: Sequence[Any] = board.rows(9)
    placed: Sequence[Any] = orders.rows(9)

    assert (["A-B", "C-D"], 3) == ([one.symbol for one in markets], board.messages)
    assert [("o2", "match"), ("o1", "filled")] == [(one.order_id, one.event) for one in placed]


def test_a_board_is_bounded() -> None:
    """The oldest go."""
    board = board_of(TRADES, *(trade(number) for number in range(9)), rows_max=4)
    rows: Sequence[Any] = board.rows(100)

    assert ([8, 7, 6, 5], 9, 4) == ([one.sequence for one in rows], board.messages, len(board))


@given(st.integers(0, 12), st.integers(20, 130), st.integers(4, 20), st.booleans(), st.sampled_from([UNICODE, ASCII]))
def test_the_picture_fits(count: int, width: int, height: int, is_missing: bool, glyphs: Glyphs) -> None:
    """Exactly so many lines, none too long."""
    for sheet, message in SHEETS:
        board = board_of(sheet, *[message] * count, *[DOWN] * is_missing)
        text = picture(board, HEALTH, width, height, title="it", venue="v", is_live=False, glyphs=glyphs).plain
        lines = text.split("\n")

        assert (height, True) == (len(lines), max(map(len, lines)) <= width)
        assert text.isascii() or glyphs is UNICODE
