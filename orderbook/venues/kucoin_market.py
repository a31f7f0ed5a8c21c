"""Decodes KuCoin's public streams beside the book: the words are those of its WebSocket reference."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from functools import partial
from operator import attrgetter
from typing import Final

from orderbook.errors import FrameError
from orderbook.streams import Candle, MarketSpan, MarketStats, TickerUpdate, TopLevels, Touch, Trade, TradeSide
from orderbook.types import Level
from orderbook.venues import fields
from orderbook.venues.fields import Fields
from orderbook.venues.topics import ALL, Push

SIDES: Final[tuple[TradeSide, ...]] = ("buy", "sell")
INTERVALS: Final = (
    *("1min", "3min", "5min", "15min", "30min", "1hour", "2hour", "4hour", "6hour", "8hour", "12hour", "1day", "1week"),
)

_CANDLE: Final = ("start", "open", "close", "high", "low", "volume", "turnover")
"""What stands at each place of a candle."""


def trade(push: Push) -> Trade:
    """``/market/match``."""
    data = push.data
    return Trade(
        received_ns=push.received_ns,
        symbol=data.symbol("symbol", push.name),
        side=data.choice("side", SIDES),
        price=data.decimal("price"),
        size=data.decimal("size"),
        sequence=data.integer("sequence"),
        trade_id=data.text("tradeId"),
        taker_order_id=data.text("takerOrderId"),
        maker_order_id=data.text("makerOrderId"),
        venue_ns=data.integer("time"),
    )


def candle(push: Push) -> Candle:
    """``/market/candles``: its open, close, high and low stand in this order."""
    data = push.data
    symbol, _, interval = push.name.rpartition("_")
    row = data.row("candles", len(_CANDLE))
    names = [f"{data.path('candles')}[{place}] ({what})" for place, what in enumerate(_CANDLE)]
    opened, close, high, low, volume, turnover = map(fields.decimal, row[1 : len(_CANDLE)], names[1:])
    return Candle(
        received_ns=push.received_ns,
        symbol=data.symbol("symbol", symbol),
        interval=interval,
        start_s=fields.integer(row[0], names[0]),
        open=opened,
        high=high,
        low=low,
        close=close,
        volume=volume,
        turnover=turnover,
        venue_ns=data.integer("time"),
    )


def ticker(push: Push) -> TickerUpdate:
    """``/market/ticker``. The stream of all symbols puts the symbol into the subject."""
    data = push.data
    return TickerUpdate(
        received_ns=push.received_ns,
        symbol=_named(push.subject if push.name == ALL else push.name),
        sequence=data.integer("sequence"),
        bid=_best(data, "bestBid"),
        ask=_best(data, "bestAsk"),
        last_price=data.maybe_decimal("price"),
        last_size=data.maybe_decimal("size"),
        venue_ms=data.integer("time"),
    )


def touch(push: Push) -> Touch:
    """``/spotMarket/level1``: its sides are one row each, not lists of rows."""
    data = push.data
    return Touch(
        received_ns=push.received_ns,
        symbol=_named(push.name),
        bid=_only(data, "bids"),
        ask=_only(data, "asks"),
        venue_ms=data.integer("timestamp"),
    )


def top_levels(depth: int, push: Push) -> TopLevels:
    """``/spotMarket/level2Depth5`` and ``50``. They were seen in either order, so they are sorted here."""
    data, price = push.data, attrgetter("price")
    return TopLevels(
        received_ns=push.received_ns,
        symbol=_named(push.name),
        depth=depth,
        bids=tuple(sorted(data.levels("bids"), key=price, reverse=True)),
        asks=tuple(sorted(data.levels("asks"), key=price)),
        venue_ms=data.integer("timestamp"),
    )


top_5, top_50 = partial(top_levels, 5), partial(top_levels, 50)


def stats(push: Push) -> MarketStats:
    """``/market/snapshot``: an object within an object, of bare numbers; much of it may be null."""
    sequence, data = push.data.integer("sequence"), push.data.inner("data")
    number, integer, text = data.maybe_decimal, data.maybe_integer, data.maybe_text
    return MarketStats(
        received_ns=push.received_ns,
        symbol=data.text("symbol"),
        sequence=sequence,
        venue_ms=data.integer("datetime"),
        is_trading=data.maybe_flag("trading"),
        symbol_code=text("symbolCode"),
        base_currency=text("baseCurrency"),
        quote_currency=text("quoteCurrency"),
        market=text("market"),
        markets=data.texts("markets"),
        board=integer("board"),
        mark=integer("mark"),
        sort=integer("sort"),
        best_bid=number("buy"),
        best_ask=number("sell"),
        best_bid_size=number("bidSize"),
        best_ask_size=number("askSize"),
        open=number("open"),
        high=number("high"),
        low=number("low"),
        close=number("close"),
        last_price=number("lastTradedPrice"),
        average_price=number("averagePrice"),
        change_price=data.maybe_signed("changePrice"),
        change_rate=data.maybe_signed("changeRate"),
        volume=number("vol"),
        turnover=number("volValue"),
        has_margin=data.maybe_flag("marginTrade"),
        maker_fee_rate=data.maybe_signed("makerFeeRate"),
        taker_fee_rate=data.maybe_signed("takerFeeRate"),
        maker_coefficient=data.maybe_signed("makerCoefficient"),
        taker_coefficient=data.maybe_signed("takerCoefficient"),
        last_1h=_span(data.maybe_inner("marketChange1h")),
        last_4h=_span(data.maybe_inner("marketChange4h")),
        last_24h=_span(data.maybe_inner("marketChange24h")),
        site_types=data.texts("siteTypes"),
    )


def _span(data: Fields | None) -> MarketSpan | None:
    if data is None:
        return None
    return MarketSpan(
        change_price=data.maybe_signed("changePrice"),
        change_rate=data.maybe_signed("changeRate"),
        open=data.maybe_decimal("open"),
        high=data.maybe_decimal("high"),
        low=data.maybe_decimal("low"),
        volume=data.maybe_decimal("vol"),
        turnover=data.maybe_decimal("volValue"),
    )


def _named(symbol: str) -> str:
    if not symbol:
        raise FrameError("symbol", "a message that names no symbol")
    return symbol


def _best(data: Fields, key: str) -> Level[Decimal] | None:
    """One side of the touch. An empty side comes as a missing, null, empty or zero price."""
    price = data.maybe_decimal(key)
    return Level(price, data.decimal(f"{key}Size")) if price else None


def _only(data: Fields, key: str) -> Level[Decimal] | None:
    """The same as a row: an empty side comes as an empty or missing one."""
    row: Iterable[object] = data.row(key, 0) if data.has(key) else ()
    best = fields.level(row, data.path(key)) if row else None
    return best if best is not None and best.price else None
