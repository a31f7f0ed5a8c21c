"""The streams beside the book, one by one: what each field of the wire becomes, and how a bad one is refused."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from decimal import Decimal
from typing import Any, Final

import pytest

from orderbook.errors import FrameError, UsageError
from orderbook.streams import (
    BalanceUpdate,
    Candle,
    MarketSpan,
    MarketStats,
    OrderUpdate,
    Pushed,
    StopOrderUpdate,
    StreamMessage,
    TickerUpdate,
    TopLevels,
    Touch,
    Trade,
)
from orderbook.types import Control, Delta, Level, OtherData
from orderbook.venues import kucoin_topics as topics
from orderbook.venues.base import decode_pushed
from orderbook.venues.kucoin import KuCoin
from orderbook.venues.topics import ALL
from tests.hostile import records
from tests.kucoin_pushes import (
    BALANCE,
    CANDLE,
    STATS,
    STREAMS,
    SYMBOL,
    TICKER,
    TICKER_OF_ALL,
    TOUCH,
    TRADE,
    Path,
    Stream,
    each_field,
    meant,
    path_text,
    value_at,
    with_value,
)

KUCOIN: Final = KuCoin()
Values = tuple[Any, ...]

TYPES: Final[dict[str, type[StreamMessage]]] = dict(
    zip(
        STREAMS,
        (
            *(Trade, Candle, TickerUpdate, TickerUpdate, Touch, TopLevels, TopLevels, MarketStats),
            *(BalanceUpdate, OrderUpdate, OrderUpdate, StopOrderUpdate),
        ),
        strict=True,
    )
)


def pushed(text: str, received_ns: int = 0) -> StreamMessage:
    """What a message of a stream says."""
    found = KUCOIN.decode_pushed(text, received_ns)
    assert isinstance(found, Pushed)
    return found.message


def refusal(text: str) -> FrameError:
    """Why it cannot be used."""
    with pytest.raises(FrameError) as caught:
        KUCOIN.decode_pushed(text)
    return caught.value


def attributes(kind: type[Any], prefix: str = "") -> set[str]:
    """Every attribute of a message that the wire fills, those of inner objects one by one."""
    inner = {"last_1h": MarketSpan, "last_4h": MarketSpan, "last_24h": MarketSpan}
    names = {field.name for field in dataclasses.fields(kind)} - {"received_ns"}
    whole = {f"{prefix}{name}" for name in names - inner.keys()}
    return whole.union(*(attributes(inner[name], f"{name}.") for name in names & inner.keys()))


@pytest.mark.parametrize("name", STREAMS)
def test_every_field_has_its_place(name: str) -> None:
    """Each field of the venue's shape is one attribute, exactly; and no attribute comes from nowhere."""
    stream = STREAMS[name]
    found = KUCOIN.decode_pushed(stream.text(), 7)
    assert isinstance(found, Pushed)
    message = found.message

    assert (stream.topic, TYPES[name], 7) == (found.topic, type(message), message.received_ns)
    assert stream.constant == {key: getattr(message, key) for key in stream.constant}
    for path, field in stream.fields.items():
        value = value_at(stream.data, path)
        text = value if isinstance(value, str | bool | list) else str(value)
        assert field.kind.meaning(text) == meant(message, field.attribute), path
    sides = {"bid", "ask", "bids", "asks"}
    filled = {field.attribute for field in stream.fields.values()}
    filled = {attribute.partition(".")[0] if attribute.split(".")[0] in sides else attribute for attribute in filled}
    assert attributes(TYPES[name]) == filled | stream.constant.keys()


@pytest.mark.parametrize(("name", "path"), each_field())
def test_a_field_that_is_missing(name: str, path: Path) -> None:
    """Where a field may be missing, nothing, null and an empty text are ``None``; else the error names it."""
    stream = STREAMS[name]
    field = stream.fields[path]
    for value in (None, "", ...) if isinstance(path[-1], str) else (None, ""):
        text = stream.text(with_value(stream.data, path, value))
        if field.is_needed:
            assert path_text(path) in str(refusal(text))
        else:
            assert meant(pushed(text), field.attribute) in (None, ())


@pytest.mark.parametrize(("name", "path"), each_field())
def test_a_field_that_is_wrong(name: str, path: Path) -> None:
    """Whatever else stands there than the venue would write is refused: the field and the stream are named."""
    stream = STREAMS[name]
    for value in stream.fields[path].kind.bad:
        error = refusal(stream.text(with_value(stream.data, path, value)))

        assert path_text(path) in str(error), value
        assert (stream.topic, "ignore", None) == (error.topic, error.remedy, error.symbol)


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("data", [..., None, [], "x", 5])
def test_no_data(name: str, data: Any) -> None:
    """Something else than an object in its place is refused."""
    assert "data is no object" in str(refusal(STREAMS[name].text(data)))


BAD_SHAPES: Final[dict[str, tuple[Stream, Path, Any, str]]] = {
    "candle too short": (CANDLE, ("candles",), ["1", "2", "3", "4", "5", "6"], "data.candles is no list of 7"),
    "candle no list": (CANDLE, ("candles",), "1,2", "data.candles"),
    "no candle": (CANDLE, ("candles",), ..., "data.candles"),
    "a row that is none": (STREAMS["top 5"], ("asks", 0), "67010.1", "data.asks[0] is not [price, size]"),
    "half a row": (STREAMS["top 5"], ("bids", 1), ["1"], "data.bids[1] is not [price, size]"),
    "no price": (STREAMS["top 50"], ("bids", 1, 0), None, "data.bids[1][0]"),
    "no rows": (STREAMS["top 50"], ("bids",), ..., "data.bids is no list"),
    "half a touch": (TOUCH, ("asks",), ["67010.1"], "data.asks is not [price, size]"),
    "a touch of rows": (TOUCH, ("bids",), [["67010.1", "1"]], "data.bids is not [price, size]"),
    "a touch that is none": (TOUCH, ("bids",), {"price": "1"}, "data.bids is no list"),
    "stats of one layer": (STATS, ("data",), ..., "data.data is no object"),
    "a span that is none": (STATS, ("data", "marketChange4h"), [], "data.data.marketChange4h is no object"),
    "a context that is none": (BALANCE, ("relationContext",), "x", "data.relationContext is no object"),
}


@pytest.mark.parametrize("name", BAD_SHAPES)
def test_other_shapes(name: str) -> None:
    """Lists and objects are what they should be, or are named."""
    stream, path, value, expected = BAD_SHAPES[name]

    assert expected in str(refusal(stream.text(with_value(stream.data, path, value))))


@pytest.mark.parametrize("stream", [TICKER, TOUCH, STREAMS["top 5"]])
def test_a_topic_without_a_symbol(stream: Stream) -> None:
    """Where only the topic tells the symbol, it has to."""
    assert "symbol" == refusal(stream.text(topic=stream.topic.partition(":")[0])).reason


def test_a_ticker_of_all_without_a_symbol() -> None:
    """Where the subject tells the symbol, it has to."""
    assert "symbol" == refusal(TICKER_OF_ALL.text(subject=...)).reason


LEVEL: Final = Level(Decimal("67009.9"), Decimal("1.5"))


@pytest.mark.parametrize("value", [None, ..., "", "0", "0.000", 0])
def test_a_side_without_a_price(value: Any) -> None:
    """Of an empty side the ticker tells nothing, or zero."""
    found = pushed(TICKER.text(with_value(TICKER.data, ("bestAsk",), value)))

    assert isinstance(found, TickerUpdate)
    assert (LEVEL, None) == (found.bid, found.ask)


@pytest.mark.parametrize("value", [None, ..., [], ["0", "0"]])
def test_an_empty_side(value: Any) -> None:
    """Of an empty side the touch has no row, or one of zeros."""
    found = pushed(TOUCH.text(with_value(TOUCH.data, ("asks",), value)))

    assert isinstance(found, Touch)
    assert (LEVEL, None) == (found.bid, found.ask)


def test_levels_in_any_order() -> None:
    """The venue was seen to list asks from the worst; here the best is the first."""
    stream = STREAMS["top 50"]
    backwards = {key: value[::-1] if isinstance(value, list) else value for key, value in stream.data.items()}

    found = pushed(stream.text(backwards))

    assert pushed(stream.text()) == found
    assert isinstance(found, TopLevels)
    assert (LEVEL, Decimal("67010.1")) == (found.bids[0], found.asks[0].price)


def test_one_empty_side_of_levels() -> None:
    """A thin market has none on one side."""
    found = pushed(STREAMS["top 5"].text({"asks": [], "bids": [["1", "2"]], "timestamp": 5}))

    assert isinstance(found, TopLevels)
    assert ((), (Level(Decimal(1), Decimal(2)),)) == (found.asks, found.bids)


@pytest.mark.parametrize("value", [None, ...])
def test_hours_that_are_not_told(value: Any) -> None:
    """Of a market that is new there may be no last hours."""
    found = pushed(STATS.text(with_value(STATS.data, ("data", "marketChange1h"), value)))

    assert isinstance(found, MarketStats)
    assert (None, Decimal(67050)) == (found.last_1h, found.last_4h and found.last_4h.high)


def test_without_a_context() -> None:
    """A deposit is about no order."""
    found = pushed(BALANCE.text(with_value(BALANCE.data, ("relationContext",), ...)))

    assert isinstance(found, BalanceUpdate)
    assert (None, None, None) == (found.symbol, found.order_id, found.trade_id)


def test_numbers_look_like_those_of_a_book() -> None:
    """No exponent and no trailing zeros, whatever the venue writes; and zero has no sign."""
    data = with_value(BALANCE.data, ("availableChange",), "-0.00")
    data |= {"total": "1.50e3", "available": "1500.00", "hold": "2.5e-7", "holdChange": "-10.0"}

    found = pushed(BALANCE.text(data))

    assert isinstance(found, BalanceUpdate)
    numbers = (found.available_change, found.total, found.available, found.held, found.held_change)
    assert ["0", "1500", "1500", "2.5E-7", "-10"] == [str(number) for number in numbers]


def test_when_it_came_is_no_part_of_what_it_says() -> None:
    """The same message received twice is one and the same, also in a set."""
    first, second = (KUCOIN.decode_pushed(TRADE.text(), at) for at in (1, 2))

    assert first == second
    assert 1 == len({first, second})


@pytest.mark.parametrize("subject", ["trade.l3open", "x"])
def test_another_message_of_a_topic(subject: str) -> None:
    """What the venue may send one day under another subject is not decoded, and no error."""
    assert OtherData(TRADE.topic) == KUCOIN.decode_pushed(TRADE.text(subject=subject))


@pytest.mark.parametrize("name", [name for name in STREAMS if name != "ticker of all"])
def test_without_a_subject(name: str) -> None:
    """The topic says enough."""
    assert pushed(STREAMS[name].text()) == pushed(STREAMS[name].text(subject=...))


OTHERS: Final[Values] = (
    *('{"type":"welcome","id":"1"}', '{"type":"pong","id":"1","timestamp":5}', '{"type":"odd"}'),
    *('{"type":"message","topic":"/indicator/index:X","data":{}}', '{"type":"message","topic":"/market/level3"}'),
)


@pytest.mark.parametrize("text", OTHERS)
def test_what_is_no_stream(text: str) -> None:
    """Everything else is what it is to a book."""
    assert KUCOIN.decode(text) == KUCOIN.decode_pushed(text)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"type":"message"}', '{"type":"message","topic":5}'])
def test_what_is_no_message(text: str) -> None:
    """What cannot be told from a book's message is no stream's: the book may have lost it."""
    error = refusal(text)

    assert (None, "resync") == (error.topic, error.remedy)


def test_the_registry() -> None:
    """Every stream stands there once, private ones as such."""
    assert {stream.topic.partition(":")[0] for stream in STREAMS.values()} == set(topics.TOPICS)
    for stream in STREAMS.values():
        topic = topics.TOPICS[stream.topic.partition(":")[0]]
        assert stream.is_private == topic.is_private == (topic.names_max == 0)
        name = stream.topic.partition(":")[2]
        assert stream.topic == topic.channel(name)


def test_names_behind_the_colon() -> None:
    """A symbol, with its interval where there are several, or ``all`` where the venue has that."""
    assert SYMBOL == topics.TRADES.name(SYMBOL)
    assert f"{SYMBOL}_5min" == topics.CANDLES.name(SYMBOL, "5min")
    assert ALL == topics.TICKERS.name(ALL)
    assert "" == topics.BALANCES.name()
    for topic, arguments in (
        (topics.TRADES, (ALL,)),
        (topics.TRADES, ()),
        (topics.ORDERS, (SYMBOL,)),
        (topics.CANDLES, (SYMBOL,)),
        (topics.CANDLES, (SYMBOL, "2min")),
    ):
        with pytest.raises(UsageError):
            topic.name(*arguments)
    assert (SYMBOL, SYMBOL) == (topics.TRADES.symbol(SYMBOL), topics.CANDLES.symbol(f"{SYMBOL}_5min"))


def test_a_frame_as_it_came() -> None:
    """It is the message of its text, or what is wrong with it, without any name that it has."""
    text = STREAMS["trade"].text()
    assert KUCOIN.decode_pushed(text, 7) == decode_pushed(KUCOIN, text.encode(), 1_000, 7)
    error = decode_pushed(KUCOIN, text.encode(), len(text) - 1, 7)
    assert isinstance(error, FrameError)
    assert (None, None) == (error.topic, error.__traceback__)


def test_the_real_recording() -> None:
    """Every ticker, match and candle of the recording is decoded: none is rejected, and nothing else is changed."""
    texts = [text for kind, text in records() if kind == "ws"]
    found = [KUCOIN.decode_pushed(text) for text in texts]

    kinds = Counter(type(one.message if isinstance(one, Pushed) else one) for one in found)
    assert {TickerUpdate: 533, Trade: 18, Candle: 6, Delta: 2910, Control: 14} == kinds
    by_path = Counter(one.topic.partition(":")[0] for one in found if isinstance(one, Pushed))
    assert {"/market/ticker": 533, "/market/match": 18, "/market/candles": 6} == by_path
    for one, text in zip(found, texts, strict=True):
        if isinstance(one, Pushed) and isinstance(one.message, Candle):
            candle = one.message
            assert candle.low <= min(candle.open, candle.close) <= max(candle.open, candle.close) <= candle.high
        elif isinstance(one, Pushed) and isinstance(one.message, TickerUpdate):
            data = json.loads(text)["data"]
            assert one.message.bid == Level(Decimal(data["bestBid"]), Decimal(data["bestBidSize"]))
        elif not isinstance(one, Pushed):
            assert KUCOIN.decode(text) == one
