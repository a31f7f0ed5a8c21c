"""One message of every KuCoin stream beside the book, in the venue's own shape, and what each of its fields means."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, NamedTuple

from hypothesis import strategies as st

from tests.strategies import number_texts

SYMBOL: Final = "BTC-USDT"
Path = tuple[str | int, ...]

NO_NUMBERS: Final[tuple[Any, ...]] = (
    "-",
    "NaN",
    "Infinity",
    "0x10",
    "1_000",
    ".5",
    "5.",
    "1e31",
    "9" * 41,
    True,
    [],
    {},
    ["1"],
)
NO_INTEGERS: Final[tuple[Any, ...]] = (True, 5.5, "5.0", "+5", " 5", "05", "x", -5, "-5", 2**63, [5], {})


class Kind(NamedTuple):
    """A kind of field."""

    values: st.SearchStrategy[Any]
    """What the venue may write."""
    meaning: Callable[[Any], Any]
    bad: tuple[Any, ...]
    """What it never would."""


def one_of(*choices: str) -> Kind:
    """One of a few texts."""
    return Kind(st.sampled_from(choices), str, ("other", 5, True, [], {}))


TEXT: Final = Kind(st.text(st.characters(codec="utf-8"), min_size=1, max_size=8), str, (5, 1.5, True, [], {}))
NUMBER: Final = Kind(number_texts, Decimal, (*NO_NUMBERS, -1, "-1"))
SIGNED: Final = Kind(
    st.one_of(number_texts, number_texts.map(lambda text: f"-{text}")), Decimal, (*NO_NUMBERS, "--1", "+1")
)
INTEGER: Final = Kind(st.integers(0, 2**63 - 1) | st.integers(0, 2**63 - 1).map(str), int, NO_INTEGERS)
FLAG: Final = Kind(st.booleans(), bool, (0, "true", [], {}))
TEXTS: Final = Kind(st.lists(st.text("abc", max_size=3), max_size=3), tuple, ("x", 5, {}, [5], ["x", None]))
NAMED: Final = Kind(st.just(SYMBOL), str, ("ETH-USDT", 5, [], {}))
"""The symbol that the topic names, too."""
SIDE: Final = one_of("buy", "sell")


class Field(NamedTuple):
    """What a field of the data means."""

    attribute: str
    """Where it is found in the message: ``bid.price``."""
    kind: Kind
    is_needed: bool = True


class Stream(NamedTuple):
    """One stream."""

    topic: str
    subject: str
    data: dict[str, Any]
    fields: dict[Path, Field]
    constant: dict[str, Any]
    """What the topic tells."""
    is_private: bool = False

    def text(self, *data: Any, **envelope: Any) -> str:
        """The message on the wire, perhaps with other data; ``...`` takes a field of the envelope out."""
        whole = {"topic": self.topic, "type": "message", "subject": self.subject, "data": [*data, self.data][0]}
        if self.is_private:
            whole |= {"userId": "633559791e1cbc0001f319bc", "channelType": "private"}
        whole |= envelope
        return json.dumps({key: value for key, value in whole.items() if value is not ...})


def optional(**fields: tuple[str, Kind]) -> dict[Path, Field]:
    """Fields that may be missing."""
    return {(key,): Field(attribute, kind, is_needed=False) for key, (attribute, kind) in fields.items()}


def needed(**fields: tuple[str, Kind]) -> dict[Path, Field]:
    """Fields that may not."""
    return {(key,): Field(attribute, kind) for key, (attribute, kind) in fields.items()}


def below(key: str, fields: dict[Path, Field]) -> dict[Path, Field]:
    """The same fields in an object of this name."""
    return {(key, *path): field for path, field in fields.items()}


def rows(key: str, attribute: str, *places: str) -> dict[Path, Field]:
    """A list whose places mean these."""
    return {
        (key, place): Field(f"{attribute}{name}", INTEGER if name == "start_s" else NUMBER)
        for place, name in enumerate(places)
    }


def levels(key: str, count: int) -> dict[Path, Field]:
    """Rows of price and size. Their sizes alone may be anything: by their prices they are sorted."""
    return {(key, row, 1): Field(f"{key}.{row}.size", NUMBER) for row in range(count)}


def span(name: str) -> dict[Path, Field]:
    """What a market did within some hours."""
    fields = {"changePrice": "change_price", "changeRate": "change_rate", "open": "open", "high": "high", "low": "low"}
    fields |= {"vol": "volume", "volValue": "turnover"}
    return optional(
        **{key: (f"{name}.{to}", SIGNED if "change" in key else NUMBER) for key, to in fields.items()},
    )


TRADE: Final = Stream(
    f"/market/match:{SYMBOL}",
    "trade.l3match",
    json.loads(
        '{"type":"match","sequence":"11067996711960577","symbol":"BTC-USDT","side":"buy","price":"67010","size":"0.01",'
        '"tradeId":"11067996711960577","takerOrderId":"6a","makerOrderId":"6b","time":"1767690000123456789"}'
    ),
    needed(
        sequence=("sequence", INTEGER),
        symbol=("symbol", NAMED),
        side=("side", SIDE),
        price=("price", NUMBER),
        size=("size", NUMBER),
        tradeId=("trade_id", TEXT),
        takerOrderId=("taker_order_id", TEXT),
        makerOrderId=("maker_order_id", TEXT),
        time=("venue_ns", INTEGER),
    ),
    {},
)
CANDLE: Final = Stream(
    f"/market/candles:{SYMBOL}_1min",
    "trade.candles.update",
    {
        "symbol": SYMBOL,
        "candles": ["1767690000", "67000", "67010", "67020", "66990", "12.5", "837500.1"],
        "time": 1767690012345678901,
    },
    needed(symbol=("symbol", NAMED), time=("venue_ns", INTEGER))
    | rows("candles", "", "start_s", "open", "close", "high", "low", "volume", "turnover"),
    {"interval": "1min"},
)
_TICKER: Final[dict[str, Any]] = json.loads(
    '{"sequence":"2500007","price":"67010","size":"0.01","bestAsk":"67010.1","bestAskSize":"0.25",'
    '"bestBid":"67009.9","bestBidSize":"1.5","time":1767690000123}'
)
_TICKER_FIELDS: Final = (
    needed(sequence=("sequence", INTEGER), time=("venue_ms", INTEGER))
    | needed(bestAskSize=("ask.size", NUMBER), bestBidSize=("bid.size", NUMBER))
    | optional(price=("last_price", NUMBER), size=("last_size", NUMBER))
    | optional(bestAsk=("ask.price", NUMBER), bestBid=("bid.price", NUMBER))
)
TICKER: Final = Stream(f"/market/ticker:{SYMBOL}", "trade.ticker", _TICKER, _TICKER_FIELDS, {"symbol": SYMBOL})
TICKER_OF_ALL: Final = Stream("/market/ticker:all", SYMBOL, _TICKER, _TICKER_FIELDS, {"symbol": SYMBOL})
TOUCH: Final = Stream(
    f"/spotMarket/level1:{SYMBOL}",
    "level1",
    {"asks": ["67010.1", "0.25"], "bids": ["67009.9", "1.5"], "timestamp": 1767690000123},
    rows("asks", "ask.", "price", "size")
    | rows("bids", "bid.", "price", "size")
    | needed(timestamp=("venue_ms", INTEGER)),
    {"symbol": SYMBOL},
)


def _top(depth: int) -> Stream:
    data = {
        "asks": [["67010.1", "0.25"], ["67010.4", "3"]],
        "bids": [["67009.9", "1.5"], ["67009.8", "0.2"]],
        "timestamp": 1767690000123,
    }
    fields = levels("asks", 2) | levels("bids", 2) | needed(timestamp=("venue_ms", INTEGER))
    topic = f"/spotMarket/level2Depth{depth}:{SYMBOL}"
    return Stream(topic, "level2", data, fields, {"symbol": SYMBOL, "depth": depth})


_SPAN: Final = (
    '{"changePrice":-9.9,"changeRate":-1.0e-5,"open":67019.9,"high":67050,"low":66000.1,'
    '"vol":812.5,"volValue":54400.25}'
)
STATS: Final = Stream(
    f"/market/snapshot:{SYMBOL}",
    "trade.snapshot",
    json.loads(
        '{"sequence":"2500007","data":{"trading":true,"symbol":"BTC-USDT","symbolCode":"BTC-USDT","baseCurrency":"BTC",'
        '"quoteCurrency":"USDT","market":"USDS","markets":["USDS"],"board":1,"mark":0,"sort":100,'
        '"datetime":1767690000123,"buy":67009.9,"sell":67010.1,"bidSize":1.5,"askSize":0.25,"open":67019.9,'
        '"high":67050,"low":66000.1,"close":67010,"lastTradedPrice":67010,"averagePrice":66800.5,"changePrice":-9.9,'
        '"changeRate":-1.0e-5,"vol":812.5,"volValue":54400000.25,"marginTrade":true,"makerFeeRate":0.001,'
        '"takerFeeRate":0.001,"makerCoefficient":1,"takerCoefficient":1,"siteTypes":["global"],'
        f'"marketChange1h":{_SPAN},"marketChange4h":{_SPAN},"marketChange24h":{_SPAN}}}}}'
    ),
    needed(sequence=("sequence", INTEGER))
    | below(
        "data",
        needed(symbol=("symbol", TEXT), datetime=("venue_ms", INTEGER))
        | optional(trading=("is_trading", FLAG), marginTrade=("has_margin", FLAG))
        | optional(symbolCode=("symbol_code", TEXT), market=("market", TEXT))
        | optional(baseCurrency=("base_currency", TEXT), quoteCurrency=("quote_currency", TEXT))
        | optional(board=("board", INTEGER), mark=("mark", INTEGER), sort=("sort", INTEGER))
        | optional(buy=("best_bid", NUMBER), sell=("best_ask", NUMBER))
        | optional(bidSize=("best_bid_size", NUMBER), askSize=("best_ask_size", NUMBER))
        | optional(open=("open", NUMBER), high=("high", NUMBER), low=("low", NUMBER), close=("close", NUMBER))
        | optional(lastTradedPrice=("last_price", NUMBER), averagePrice=("average_price", NUMBER))
        | optional(changePrice=("change_price", SIGNED), changeRate=("change_rate", SIGNED))
        | optional(vol=("volume", NUMBER), volValue=("turnover", NUMBER))
        | optional(makerFeeRate=("maker_fee_rate", SIGNED), takerFeeRate=("taker_fee_rate", SIGNED))
        | optional(makerCoefficient=("maker_coefficient", SIGNED), takerCoefficient=("taker_coefficient", SIGNED))
        | optional(markets=("markets", TEXTS), siteTypes=("site_types", TEXTS))
        | below("marketChange1h", span("last_1h"))
        | below("marketChange4h", span("last_4h"))
        | below("marketChange24h", span("last_24h")),
    ),
    {},
)
BALANCE: Final = Stream(
    "/account/balance",
    "account.balance",
    json.loads(
        '{"accountId":"548674591753","currency":"USDT","total":"21.133773","available":"20.1","hold":"1.03",'
        '"availableChange":"-1.5","holdChange":"0","relationEvent":"trade.setted","relationEventId":"68",'
        '"relationContext":{"symbol":"BTC-USDT","orderId":"6a","tradeId":"12"},"time":"1767690000123"}'
    ),
    needed(accountId=("account_id", TEXT), currency=("currency", TEXT), time=("venue_ms", INTEGER))
    | needed(total=("total", NUMBER), available=("available", NUMBER), hold=("held", NUMBER))
    | needed(availableChange=("available_change", SIGNED), holdChange=("held_change", SIGNED))
    | needed(relationEvent=("cause", TEXT))
    | optional(relationEventId=("cause_id", TEXT))
    | below(
        "relationContext",
        optional(symbol=("symbol", TEXT), orderId=("order_id", TEXT), tradeId=("trade_id", TEXT)),
    ),
    {},
    is_private=True,
)


def _orders(path: str) -> Stream:
    data = json.loads(
        '{"clientOid":"c1","orderId":"6a","symbol":"BTC-USDT","side":"buy","orderType":"limit","type":"match",'
        '"status":"match","price":"67010","size":"0.5","originSize":"0.6","originFunds":"40206","filledSize":"0.1",'
        '"remainSize":"0.4","remainFunds":"26804","canceledSize":"0","canceledFunds":"0","oldSize":"0.6",'
        '"matchPrice":"67010","matchSize":"0.1","tradeId":"12","liquidity":"taker","feeType":"takerFee",'
        '"orderTime":1767690000123,"ts":1767690000123456789}'
    )
    fields = (
        needed(orderId=("order_id", TEXT), symbol=("symbol", TEXT), side=("side", SIDE), orderType=("kind", TEXT))
        | needed(type=("event", one_of("received", "open", "match", "update", "filled", "canceled")))
        | needed(status=("status", one_of("new", "open", "match", "done")))
        | needed(orderTime=("ordered_ms", INTEGER), ts=("venue_ns", INTEGER))
        | optional(clientOid=("client_id", TEXT), tradeId=("trade_id", TEXT), feeType=("fee_kind", TEXT))
        | optional(liquidity=("liquidity", one_of("taker", "maker")))
        | optional(price=("price", NUMBER), size=("size", NUMBER), oldSize=("old_size", NUMBER))
        | optional(originSize=("original_size", NUMBER), originFunds=("original_funds", NUMBER))
        | optional(filledSize=("filled_size", NUMBER), remainSize=("remaining_size", NUMBER))
        | optional(remainFunds=("remaining_funds", NUMBER), canceledSize=("canceled_size", NUMBER))
        | optional(canceledFunds=("canceled_funds", NUMBER))
        | optional(matchPrice=("match_price", NUMBER), matchSize=("match_size", NUMBER))
    )
    return Stream(path, "orderChange", data, fields, {}, is_private=True)


STOP_ORDER: Final = Stream(
    "/spotMarket/advancedOrders",
    "stopOrder",
    json.loads(
        '{"orderId":"6b","symbol":"BTC-USDT","side":"sell","orderType":"stop","type":"triggered","stop":"loss",'
        '"stopPrice":"67010","orderPrice":"67000","size":"0.5","tradeType":"TRADE","triggerSuccess":true,'
        '"createdAt":1767690000123,"ts":1767690000123456789}'
    ),
    needed(orderId=("order_id", TEXT), symbol=("symbol", TEXT), side=("side", SIDE), orderType=("kind", TEXT))
    | needed(type=("event", one_of("open", "triggered", "cancel")), stop=("condition", TEXT))
    | needed(stopPrice=("stop_price", NUMBER), createdAt=("created_ms", INTEGER), ts=("venue_ns", INTEGER))
    | optional(orderPrice=("price", NUMBER), size=("size", NUMBER), triggerSuccess=("was_accepted", FLAG)),
    {},
    is_private=True,
)

STREAMS: Final[dict[str, Stream]] = {
    "trade": TRADE,
    "candle": CANDLE,
    "ticker": TICKER,
    "ticker of all": TICKER_OF_ALL,
    "touch": TOUCH,
    "top 5": _top(5),
    "top 50": _top(50),
    "stats": STATS,
    "balance": BALANCE,
    "order": _orders("/spotMarket/tradeOrdersV2"),
    "order V1": _orders("/spotMarket/tradeOrders"),
    "stop order": STOP_ORDER,
}


def with_value(data: Any, path: Path, value: Any) -> Any:
    """A copy with another value at a place; ``...`` takes it out."""
    changed = json.loads(json.dumps(data))
    place = changed
    for key in path[:-1]:
        place = place[key]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return changed


def value_at(data: Any, path: Path) -> Any:
    """The value at a place."""
    for key in path:
        data = data[key]
    return data


def meant(message: object, attribute: str) -> Any:
    """The attribute of a message; ``None`` where something on the way to it is."""
    value: Any = message
    for part in attribute.split("."):
        if value is not None:
            value = value[int(part)] if part.isdigit() else getattr(value, part)
    return value


def each_field() -> list[tuple[str, Path]]:
    """Every field of every stream."""
    return [(name, path) for name, stream in STREAMS.items() for path in stream.fields]


def path_text(path: Path) -> str:
    """As errors call a field."""
    return "data" + "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)
