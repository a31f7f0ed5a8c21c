"""The messages of KuCoin's socket, one by one: what each is decoded to, or the reason code that refuses it."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from orderbook.errors import FrameError
from orderbook.fixedpoint import Number, parse_number
from orderbook.types import Change, Control, Delta, Level, OtherData, Ticker
from orderbook.venues.kucoin import KuCoin
from tests.hostile import level2, outcome, records

KUCOIN: Final = KuCoin()
SYMBOL: Final = "BTC-USDT"

# Key orders as recorded in 2021 and as documented in 2026; several rows a side are documented only.
DELTA_2021 = (
    '{"data":{"sequenceStart":1613277183874,"symbol":"BTC-USDT","changes":{"asks":[["0","0","1613277183874"]],"bids":[]},'
    '"sequenceEnd":1613277183874},"subject":"trade.l2update","topic":"/market/level2:BTC-USDT","type":"message"}'
)
DELTA_2026 = (
    '{"type":"message","topic":"/market/level2:BTC-USDT","subject":"trade.l2update","data":{"changes":{"asks":'
    '[["67010.1","0.25","2500004"],["67011","0","2500006"]],"bids":[["67009.9","1.5","2500007"]]},"sequenceStart":2500004,'
    '"sequenceEnd":2500007,"symbol":"BTC-USDT","time":1767690000123}}'
)


def change(price: str, size: str, sequence: int | None = None) -> Change:
    """A row, from its texts."""
    return Change(parse_number(price), parse_number(size), sequence)


def level(price: str, size: str) -> Level[Number]:
    """A level, from its texts."""
    return Level(parse_number(price), parse_number(size))


def delta(start: Any, end: Any, *rows: Any, **data: Any) -> str:
    """The text of a delta with these bids."""
    return json.dumps(level2(start, end, rows, symbol=SYMBOL, **data))


def other(text: str, **fields: Any) -> str:
    """A message with some fields of its envelope replaced; ``...`` takes one out."""
    return json.dumps({key: value for key, value in {**json.loads(text), **fields}.items() if value is not ...})


def within(text: str, **fields: Any) -> str:
    """A message with some fields of its data replaced; ``...`` takes one out."""
    data = {**json.loads(text)["data"], **fields}
    return other(text, data={key: value for key, value in data.items() if value is not ...})


Values = tuple[Any, ...]

DELTAS: Final[dict[str, tuple[str, Delta]]] = {
    "2021": (
        DELTA_2021,
        Delta(SYMBOL, 1613277183874, 1613277183874, (), (change("0", "0", 1613277183874),)),
    ),
    "2026": (
        DELTA_2026,
        Delta(
            SYMBOL,
            2500004,
            2500007,
            (change("67009.9", "1.5", 2500007),),
            (change("67010.1", "0.25", 2500004), change("67011", "0", 2500006)),
            1767690000123,
        ),
    ),
    "empty": (delta(5, 7), Delta(SYMBOL, 5, 7, (), (), 1767690000123)),
    "null sides": (delta(5, 7, changes={"asks": None, "bids": None}), Delta(SYMBOL, 5, 7, (), (), 1767690000123)),
    "no changes": (delta(5, 7, changes={}), Delta(SYMBOL, 5, 7, (), (), 1767690000123)),
    "one side": (
        delta(5, 7, changes={"asks": [["2", "1", "6"]]}),
        Delta(SYMBOL, 5, 7, (), (change("2", "1", 6),), 1767690000123),
    ),
    "price 0": (
        delta(5, 6, ["0", "0", "5"], ["0.00", "7", "6"]),
        Delta(SYMBOL, 5, 6, (change("0", "0", 5), change("0", "7", 6)), (), 1767690000123),
    ),
    "a price twice, out of order": (
        delta(5, 7, ["2", "1", "7"], ["2.0", "3", "5"]),
        Delta(SYMBOL, 5, 7, (change("2", "1", 7), change("2", "3", 5)), (), 1767690000123),
    ),
    "exponents": (
        delta(5, 5, ["9.0E-8", "1E+2", "5"], ["1e-30", "1e30", "5"]),
        Delta(SYMBOL, 5, 5, (change("0.00000009", "100", 5), change("1e-30", "1e30", 5)), (), 1767690000123),
    ),
    "bare numbers": (
        delta(5, 5, [67009.90, 0.5, 5], [1e-7, 2, 5]),
        Delta(SYMBOL, 5, 5, (change("67009.9", "0.5", 5), change("0.0000001", "2", 5)), (), 1767690000123),
    ),
    "sequences as text": (
        delta("5", "6", ["1", "1", "5"], ["2", "1", 6]),
        Delta(SYMBOL, 5, 6, (change("1", "1", 5), change("2", "1", 6)), (), 1767690000123),
    ),
    "beyond 2**53": (
        delta(2**53 + 1, str(2**53 + 3), ["1", "1", 2**53 + 1]),
        Delta(SYMBOL, 2**53 + 1, 2**53 + 3, (change("1", "1", 2**53 + 1),), (), 1767690000123),
    ),
    "63 bits": (
        delta(2**63 - 1, 2**63 - 1, ["1", "1", str(2**63 - 1)]),
        Delta(SYMBOL, 2**63 - 1, 2**63 - 1, (change("1", "1", 2**63 - 1),), (), 1767690000123),
    ),
    "from 0": (delta(0, 0), Delta(SYMBOL, 0, 0, (), (), 1767690000123)),
    "longer rows": (
        delta(5, 5, ["1", "1", "5", "later", None]),
        Delta(SYMBOL, 5, 5, (change("1", "1", 5),), (), 1767690000123),
    ),
    "time as text": (delta(5, 5, time="1767690000123"), Delta(SYMBOL, 5, 5, (), (), 1767690000123)),
    "time that is none": (delta(5, 5, time=1.5), Delta(SYMBOL, 5, 5, (), ())),
    "more keys": (
        other(delta(5, 5, more={"a": [1]}), sn=1, userId="u", tunnelId="bt1"),
        Delta(SYMBOL, 5, 5, (), (), 1767690000123),
    ),
    "no subject": (other(delta(5, 5), subject=...), Delta(SYMBOL, 5, 5, (), (), 1767690000123)),
    "no symbol in the data": (
        other(delta(5, 5), data={"changes": {}, "sequenceStart": 5, "sequenceEnd": 5}),
        Delta(SYMBOL, 5, 5, (), ()),
    ),
}


@pytest.mark.parametrize("name", DELTAS)
def test_deltas(name: str) -> None:
    """Every way in which a delta may be written has one meaning, exact to the last digit."""
    text, message = DELTAS[name]

    assert message == outcome(KUCOIN.decode, text)


NO_SEQUENCES: Final[Values] = (
    *(None, True, False, 5.0, 5.5, "", "5.0", "+5", " 5", "05", "x", -5, "-5", 2**63, str(2**63), [5], {}),
)
NO_NUMBERS: Final[Values] = (
    *("", "-1", "NaN", "Infinity", "0x10", "1_000", ".5", "5.", "1e31", "9" * 41, "9" * 5_000, "１"),
    *(-1, None, True, [], {}, ["1"]),
)
NO_OBJECTS: Final[Values] = (None, [], "x", 1, True)

BAD_DELTAS: Final[dict[str, tuple[str, str]]] = {
    "start after end": (delta(7, 5), "sequence"),
    "as in the documents": (delta(1545896669106, 1545896669105), "sequence"),
    **{f"start {value!a:.30}": (delta(value, 7), "sequence") for value in NO_SEQUENCES},
    **{f"end {value!a:.30}": (delta(5, value), "sequence") for value in NO_SEQUENCES},
    **{f"row sequence {value!a:.30}": (delta(5, 7, ["1", "1", value]), "sequence") for value in NO_SEQUENCES},
    **{f"row {value} of 5..7": (delta(5, 7, ["1", "1", value]), "sequence") for value in (0, 4, 8, "4", "8", 2**62)},
    **{f"price {value!a:.30}": (delta(5, 5, [value, "1", "5"]), "number") for value in NO_NUMBERS},
    **{f"size {value!a:.30}": (delta(5, 5, ["1", value, "5"]), "number") for value in NO_NUMBERS},
    "NaN": (delta(5, 5, [float("nan"), "1", "5"]), "json"),
    "short row": (delta(5, 5, ["1", "1"]), "fields"),
    "empty row": (delta(5, 5, []), "fields"),
    "row of text": (delta(5, 5, "115"), "fields"),
    "row of keys": (delta(5, 5, {"price": "1"}), "fields"),
    "flat rows": (delta(5, 5, "1", "1", "5"), "fields"),
    "side of text": (delta(5, 5, changes={"asks": "x", "bids": []}), "fields"),
    "side of keys": (delta(5, 5, changes={"asks": [], "bids": {}}), "fields"),
    "other names for the sides": (delta(5, 5, changes={"a": [], "b": [["1", "1", "5"]]}), "fields"),
    **{f"changes {value!r}": (delta(5, 5, changes=value), "fields") for value in NO_OBJECTS},
    "no changes": (within(delta(5, 5), changes=...), "fields"),
    **{f"data {value!r}": (other(DELTA_2026, data=value), "fields") for value in NO_OBJECTS},
    "no data": (other(DELTA_2026, data=...), "fields"),
    "nothing in the data": (other(DELTA_2026, data={}), "fields"),
    "no start": (within(DELTA_2026, sequenceStart=...), "sequence"),
    "no end": (within(DELTA_2026, sequenceEnd=...), "sequence"),
    **{
        f"data of {value!r}": (within(DELTA_2026, symbol=value), "symbol")
        for value in ("ETH-USDT", "btc-usdt", "", "BTC-USDT ", "BTC-USDT\0", *NO_OBJECTS)
    },
}


@pytest.mark.parametrize("name", BAD_DELTAS)
def test_deltas_that_cannot_be_used(name: str) -> None:
    """A delta is used whole or not at all; the error says whose book lost it, in short and in ASCII."""
    text, reason = BAD_DELTAS[name]
    with pytest.raises(FrameError) as caught:
        KUCOIN.decode(text)

    assert reason == caught.value.reason
    assert "resync" == caught.value.remedy
    assert (SYMBOL if reason != "json" else None) == caught.value.symbol
    assert str(caught.value).isascii()
    assert len(str(caught.value)) < 200


def test_a_delta_that_names_no_symbol() -> None:
    """Nobody knows whose book lost it, so every book has to ask."""
    for topic in ("/market/level2:", "/market/level2"):
        with pytest.raises(FrameError) as caught:
            KUCOIN.decode(other(DELTA_2026, topic=topic))

        assert ("symbol", None) == (caught.value.reason, caught.value.symbol)
        assert None is KUCOIN.guess_symbol(other(DELTA_2026, topic=topic))


@pytest.mark.parametrize("name", ["\0", "\x1b[31m", "é\u2028", "X" * 100_000])
def test_a_delta_of_a_hostile_symbol(name: str) -> None:
    """Whatever stands in a topic, the error that tells of it is short and in ASCII."""
    with pytest.raises(FrameError) as caught:
        KUCOIN.decode(other(DELTA_2026, topic=f"/market/level2:{name}"))

    assert ("symbol", name) == (caught.value.reason, caught.value.symbol)
    assert str(caught.value).isascii()
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


def test_a_delta_of_several_symbols() -> None:
    """A push is always of one symbol; a list of them cannot be meant."""
    text = other(DELTA_2026, topic="/market/level2:BTC-USDT,ETH-USDT")

    assert "symbol" == outcome(KUCOIN.decode, text)


TICKER: Final = (
    '{"type":"message","topic":"/market/ticker:BTC-USDT","subject":"trade.ticker","data":{"sequence":"2500007",'
    '"price":"67010","size":"0.01","bestAsk":"67010.1","bestAskSize":"0.25","bestBid":"67009.9","bestBidSize":"1.5",'
    '"time":1767690000123}}'
)
BID, ASK = level("67009.9", "1.5"), level("67010.1", "0.25")
TICKERS: Final[dict[str, tuple[str, Ticker]]] = {
    "one symbol": (TICKER, Ticker(SYMBOL, 2500007, BID, ASK)),
    "all symbols": (other(TICKER, topic="/market/ticker:all", subject="ETH-BTC"), Ticker("ETH-BTC", 2500007, BID, ASK)),
    "bare numbers": (
        within(TICKER, sequence=2500007, bestBid=67009.9, bestAsk=67010.1),
        Ticker(SYMBOL, 2500007, BID, ASK),
    ),
    "no last trade": (within(TICKER, price=None, size=..., time=None), Ticker(SYMBOL, 2500007, BID, ASK)),
    "one-sided, null": (within(TICKER, bestBid=None, bestBidSize=None), Ticker(SYMBOL, 2500007, None, ASK)),
    "one-sided, absent": (within(TICKER, bestAsk=..., bestAskSize=...), Ticker(SYMBOL, 2500007, BID, None)),
    "one-sided, zero": (within(TICKER, bestBid="0", bestBidSize="0"), Ticker(SYMBOL, 2500007, None, ASK)),
    "one-sided, bare zero": (within(TICKER, bestAsk=0, bestAskSize=0.0), Ticker(SYMBOL, 2500007, BID, None)),
    "one-sided, zero without size": (
        within(TICKER, bestBid="0.00", bestBidSize=None),
        Ticker(SYMBOL, 2500007, None, ASK),
    ),
    "both empty": (
        within(TICKER, bestAsk="", bestBid="", bestAskSize="", bestBidSize=""),
        Ticker(SYMBOL, 2500007, None, None),
    ),
    "without a subject": (other(TICKER, subject=None), Ticker(SYMBOL, 2500007, BID, ASK)),
}


@pytest.mark.parametrize("name", TICKERS)
def test_tickers(name: str) -> None:
    """The touch at a sequence; a side that has no price is ``None``, never zero."""
    text, message = TICKERS[name]

    assert message == outcome(KUCOIN.decode, text)


BAD_TICKERS: Final[dict[str, tuple[str, str]]] = {
    **{f"sequence {value!a:.30}": (within(TICKER, sequence=value), "sequence") for value in NO_SEQUENCES},
    "no sequence": (within(TICKER, sequence=...), "sequence"),
    **{
        f"bid {value!a:.30}": (within(TICKER, bestBid=value), "number")
        for value in NO_NUMBERS
        if value not in (None, "")
    },
    **{
        f"ask {value!a:.30}": (within(TICKER, bestAsk=value), "number")
        for value in NO_NUMBERS
        if value not in (None, "")
    },
    **{f"bid size {value!a:.30}": (within(TICKER, bestBidSize=value), "number") for value in NO_NUMBERS},
    "no ask size": (within(TICKER, bestAskSize=...), "number"),
    **{f"data {value!r}": (other(TICKER, data=value), "fields") for value in NO_OBJECTS},
    **{
        f"all, of {value!r}": (other(TICKER, topic="/market/ticker:all", subject=value), "symbol")
        for value in ("", *NO_OBJECTS)
        if value != "x"
    },
    "no symbol": (other(TICKER, topic="/market/ticker"), "symbol"),
}


@pytest.mark.parametrize("name", BAD_TICKERS)
def test_tickers_that_cannot_be_used(name: str) -> None:
    """They are refused, too; but no book lost anything by it."""
    text, reason = BAD_TICKERS[name]
    with pytest.raises(FrameError) as caught:
        KUCOIN.decode(text)

    assert (reason, "ignore", None) == (caught.value.reason, caught.value.remedy, caught.value.symbol)


CONTROLS: Final[dict[str, Control]] = {
    '{"id":"hQvf8jkno","type":"welcome"}': Control("welcome", "hQvf8jkno"),
    '{"id":"101","type":"ack"}': Control("ack", "101"),
    '{"id":"1764215232226","type":"pong","timestamp":1764215232226553}': Control("pong", "1764215232226"),
    '{"id":"1","type":"pong"}': Control("pong", "1"),
    '{"type":"pong"}': Control("pong"),
    '{"type":"notice","topic":"/x","subject":"s","data":{"a":1}}': Control("notice"),
    '{"type":"command","topic":"/x","data":"text"}': Control("command", text="text"),
    '{"id":"101","type":"error","code":404,"data":"topic does not exist"}': Control(
        "error", "101", 404, "topic does not exist"
    ),
    '{"id":"c","type":"error","code":401,"data":"token is expired"}': Control("error", "c", 401, "token is expired"),
    '{"type":"error","code":"509","data":"exceed max permits per second"}': Control(
        "error", None, 509, "exceed max permits per second"
    ),
    '{"type":"error","code":null,"data":null}': Control("error"),
    '{"type":"error","code":-1.5,"data":["x"],"id":7}': Control("error"),
    '{"type":"ack","code":404,"id":"5"}': Control("ack", "5"),
    '{"type":"later","anything":[1]}': Control("later"),
    '{"type":"","id":""}': Control("", ""),
    '{"type":"MESSAGE","topic":"/market/level2:BTC-USDT"}': Control("MESSAGE"),
}


@pytest.mark.parametrize("text", CONTROLS)
def test_control_messages(text: str) -> None:
    """A type that is not known is no error: the venue may add some at any time."""
    assert CONTROLS[text] == KUCOIN.decode(text)


@pytest.mark.parametrize(
    ("topic", "subject"),
    [
        ("/spotMarket/level2Depth5:BTC-USDT", "level2"),
        ("/spotMarket/level1:BTC-USDT", "level1"),
        ("/market/snapshot:BTC-USDT", "trade.snapshot"),
        ("/market/match:BTC-USDT", "trade.l3match"),
        ("/market/candles:BTC-USDT_1min", "trade.candles.update"),
        ("/callauction/level2Depth50:BTC-USDT", "level2"),
        ("/account/balance", "account.balance"),
        ("/contractMarket/level2:XBTUSDTM", "level2"),
        ("/market/level2:BTC-USDT", "trade.l2snapshot"),
        ("/market/level2:BTC-USDT", ""),
        ("/market/level2X:BTC-USDT", "trade.l2update"),
        ("/MARKET/level2:BTC-USDT", "trade.l2update"),
        (" /market/level2:BTC-USDT", "trade.l2update"),
        ("/market/tickers:BTC-USDT", "trade.ticker"),
        ("", None),
        ("x", None),
    ],
)
def test_other_topics_and_subjects(topic: str, subject: str | None) -> None:
    """Well-formed messages of a topic that is not decoded are passed on by name, whatever they hold."""
    for data in (json.loads(DELTA_2026)["data"], *NO_OBJECTS):
        assert OtherData(topic) == KUCOIN.decode(other(DELTA_2026, topic=topic, subject=subject, data=data))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{}", "fields"),
        ('{"type":null}', "fields"),
        ('{"type":1}', "fields"),
        ('{"type":["message"]}', "fields"),
        ('{"type":"message"}', "fields"),
        ('{"type":"message","topic":null}', "fields"),
        ('{"type":"message","topic":5}', "fields"),
        ('{"code":"200000","data":null}', "fields"),
        ("[]", "fields"),
        ("", "json"),
        ("Bye", "json"),
        (DELTA_2026[:-1], "json"),
        (DELTA_2026 + DELTA_2021, "json"),
        ("\ufeff" + DELTA_2026, "json"),
        (DELTA_2026.replace('"time"', '"symbol"'), "json"),
        (DELTA_2026.replace("1.5", r"\ud800"), "utf8"),
        (DELTA_2026.replace('"1.5"', "[" * 17 + "]" * 17), "nesting"),
    ],
    ids=lambda text: text[:40],
)
def test_what_is_no_message(text: str, reason: str) -> None:
    """What has no type, or is no message at all, belongs to nobody as far as decoding can tell."""
    with pytest.raises(FrameError) as caught:
        KUCOIN.decode(text)

    assert (reason, None, "resync") == (caught.value.reason, caught.value.symbol, caught.value.remedy)


def test_the_whole_capture_is_understood() -> None:
    """Half a minute of five books as recorded: every frame is decoded, and nothing is left out of it."""
    counts: dict[type, int] = {}
    for kind, text in records():
        if kind == "ws":
            message = KUCOIN.decode(text)
            counts[type(message)] = counts.get(type(message), 0) + 1
            if isinstance(message, Delta):
                data = json.loads(text)["data"]
                assert data["symbol"] == message.symbol
                assert [data["sequenceStart"], data["sequenceEnd"]] == [message.sequence_start, message.sequence_end]
                sides = {"asks": message.asks, "bids": message.bids}
                assert {
                    side: [change(row[0], row[1], int(row[2])) for row in rows]
                    for side, rows in data["changes"].items()
                } == {side: list(rows) for side, rows in sides.items()}

    assert {Control: 14, Delta: 2910, Ticker: 533, OtherData: 24} == counts
