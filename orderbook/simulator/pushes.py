"""The texts of the streams beside the book, word for word as the protocol page gives them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

from orderbook.simulator.matching import Deal
from orderbook.simulator.messages import rows
from orderbook.simulator.source import Level, Rules, TrueBook
from orderbook.simulator.tape import Candle
from orderbook.simulator.truth import plain

MATCH: Final = "/market/match"
CANDLES: Final = "/market/candles"
TOP_5: Final = "/spotMarket/level2Depth5"
TOP_50: Final = "/spotMarket/level2Depth50"
TOUCH: Final = "/spotMarket/level1"
STATS: Final = "/market/snapshot"

_RATE: Final = Decimal("0.0001")
_NULL: Final = "null"


def push(topic: str, subject: str, data: str) -> str:
    """A message of a topic; ``data`` is JSON."""
    return f'{{"topic":"{topic}","type":"message","subject":"{subject}","data":{data}}}'


def trade(symbol: str, deal: Deal, wall_ns: int) -> str:
    """One trade: all of it is text, and its time counts ns."""
    return push(
        f"{MATCH}:{symbol}",
        "trade.l3match",
        f'{{"type":"match","sequence":"{deal.number}","symbol":"{symbol}","side":"{deal.side}","price":"{deal.price}",'
        f'"size":"{deal.size}","tradeId":"{deal.number}","takerOrderId":"{deal.taker_id}",'
        f'"makerOrderId":"{deal.maker_id}","time":"{wall_ns}"}}',
    )


def candle(symbol: str, interval: str, told: Candle, wall_ns: int, *, is_new: bool) -> str:
    """One candle: start, open, close, high, low, volume, turnover as text."""
    numbers = (told.open, told.close, told.high, told.low, told.volume, told.turnover)
    row = json.dumps([str(told.start_s), *map(plain, numbers)], separators=(",", ":"))
    return push(
        f"{CANDLES}:{symbol}_{interval}",
        f"trade.candles.{'add' if is_new else 'update'}",
        f'{{"symbol":"{symbol}","candles":{row},"time":{wall_ns}}}',
    )


def levels(topic: str, book: TrueBook, wall_ms: int) -> str:
    """The best levels of both sides; neither symbol nor sequence stands in the data."""
    data = f'{{"asks":[{rows(book.asks)}],"bids":[{rows(book.bids)}],"timestamp":{wall_ms}}}'
    return push(topic, "level2", data)


def touch(symbol: str, bid: Level | None, ask: Level | None, wall_ms: int) -> str:
    """The best level of each side as one flat row; of an empty side it has nothing in it: our reading."""
    sides = [json.dumps(level or (), separators=(",", ":")) for level in (ask, bid)]
    return push(f"{TOUCH}:{symbol}", "level1", f'{{"asks":{sides[0]},"bids":{sides[1]},"timestamp":{wall_ms}}}')


# -- the market at a glance --


def stats(
    rules: Rules,
    sequence: int,
    touch: tuple[Level | None, Level | None],
    spans: Mapping[str, Candle | None],
    wall_ms: int,
    *,
    is_trading: bool,
) -> str:
    """The market at a glance, in bare numbers; null where there was no trade.

    Args:
        rules: What it is.
        sequence: Of its book.
        touch: The best bid and ask.
        spans: What the last hours brought, by ``1h``, ``4h`` and ``24h``.
        wall_ms: Now.
        is_trading: Whether it trades.
    """
    (buy, bid_size), (sell, ask_size) = (level or (_NULL, _NULL) for level in touch)
    day = spans["24h"]
    last = None if day is None else day.close
    fields = {
        "trading": json.dumps(is_trading),
        "symbol": json.dumps(rules.symbol),
        "symbolCode": json.dumps(rules.symbol),
        "baseCurrency": json.dumps(rules.base),
        "quoteCurrency": json.dumps(rules.quote),
        "market": json.dumps(rules.area),
        "markets": json.dumps([rules.area]),
        "board": "1",
        "mark": "0",
        "sort": "100",
        "datetime": str(wall_ms),
        "buy": buy,
        "sell": sell,
        "bidSize": bid_size,
        "askSize": ask_size,
        **_span(day),
        "close": _number(last),
        "lastTradedPrice": _number(last),
        "averagePrice": _NULL if day is None else plain((day.turnover / day.volume).quantize(Decimal(rules.tick))),
        "marginTrade": "true",
        "makerFeeRate": "0.001",
        "takerFeeRate": "0.001",
        "makerCoefficient": "1",
        "takerCoefficient": "1",
        **{f"marketChange{hours}": _object(_span(span)) for hours, span in spans.items()},
        "siteTypes": '["global"]',
    }
    data = f'{{"sequence":"{sequence}","data":{_object(fields)}}}'
    return push(f"{STATS}:{rules.symbol}", "trade.snapshot", data)


def _span(span: Candle | None) -> dict[str, str]:
    """Seven numbers of some hours."""
    names = ("changePrice", "changeRate", "open", "high", "low", "vol", "volValue")
    if span is None:
        return dict.fromkeys(names, _NULL)
    change = span.close - span.open
    rate = (change / span.open).quantize(_RATE)
    return dict(
        zip(
            names, map(_number, (change, rate, span.open, span.high, span.low, span.volume, span.turnover)), strict=True
        )
    )


def _number(value: Decimal | None) -> str:
    return _NULL if value is None else plain(value)


def _object(fields: Mapping[str, str]) -> str:
    """An object whose values are JSON already."""
    return "{" + ",".join(_pairs(fields.items())) + "}"


def _pairs(items: Iterable[tuple[str, str]]) -> Iterable[str]:
    return (f'"{key}":{value}' for key, value in items)
