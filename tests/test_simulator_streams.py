"""The streams beside the book, as the local KuCoin serves them: every field, agreement with the book, and when."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from typing import Final

import pytest

from orderbook.simulator.market import Market
from orderbook.streams import Candle as CandleUpdate
from orderbook.streams import Pushed, TickerUpdate, TopLevels, Touch, Trade
from tests.kucoin_pushes import STREAMS
from tests.simulator_bench import MS, A, Bench
from tests.simulator_streams import BTC, KUCOIN, RATE, SPAN, TOPICS, bench_of, checked, pushed, steps

KEYS: Final[dict[str, tuple[str, set[str]]]] = {
    "/spotMarket/level2Depth5": ("level2", {"asks", "bids", "timestamp"}),
    "/spotMarket/level2Depth50": ("level2", {"asks", "bids", "timestamp"}),
    "/spotMarket/level1": ("level1", {"asks", "bids", "timestamp"}),
    "/market/ticker": (
        "trade.ticker",
        {"sequence", "price", "size", "bestAsk", "bestAskSize", "bestBid", "bestBidSize", "time"},
    ),
    "/market/snapshot": ("trade.snapshot", {"sequence", "data"}),
    "/market/match": (
        "trade.l3match",
        {
            *("type", "sequence", "symbol", "side", "price", "size", "tradeId", "takerOrderId", "makerOrderId", "time"),
        },
    ),
    "/market/candles": ("trade.candles.update", {"symbol", "candles", "time"}),
}
"""The protocol page, sections 3.3 to 3.8: the subject of each topic, and the keys of its data."""
STATS_KEYS: Final = {
    *("trading", "symbol", "symbolCode", "baseCurrency", "quoteCurrency", "market", "markets", "board", "mark", "sort"),
    *("datetime", "buy", "sell", "bidSize", "askSize", "open", "high", "low", "close", "lastTradedPrice"),
    *("averagePrice", "changePrice", "changeRate", "vol", "volValue", "marginTrade", "makerFeeRate", "takerFeeRate"),
    *("makerCoefficient", "takerCoefficient", "marketChange1h", "marketChange4h", "marketChange24h", "siteTypes"),
}
NUMBERS_OF_STATS: Final = {
    *("buy", "sell", "bidSize", "askSize", "open", "high", "low", "close", "lastTradedPrice", "averagePrice"),
    *("changePrice", "changeRate", "vol", "volValue", "makerFeeRate", "takerFeeRate"),
}


# --- the words ---


@pytest.mark.parametrize("path", KEYS)
def test_every_field_stands_as_the_page_has_it(path: str) -> None:
    """Subject, keys of the data, no more and no fewer; and our decoders read it."""
    bench = bench_of(*TOPICS)
    bench.run(3_000)
    found = [frame for frame in bench.frames() if frame["topic"].partition(":")[0] == path]
    subject, keys = KEYS[path]

    assert found
    for frame in found:
        assert {"topic", "type", "subject", "data"} == frame.keys()
        assert (subject, keys) == (frame["subject"].replace(".add", ".update"), frame["data"].keys())
        assert isinstance(KUCOIN.decode_pushed(json.dumps(frame)), Pushed)


def test_the_kinds_of_json_are_the_pages() -> None:
    """What is text there is text here, and what is a number a number."""
    bench = bench_of(*TOPICS)
    bench.run(3_000)
    last = {frame["topic"].partition(":")[0]: frame["data"] for frame in bench.frames()}
    depth, touch, stats = (
        last[path] for path in ("/spotMarket/level2Depth5", "/spotMarket/level1", "/market/snapshot")
    )

    assert {str} == {type(value) for value in last["/market/match"].values()}
    assert {"time": int} == {
        key: type(value) for key, value in last["/market/ticker"].items() if type(value) is not str
    }
    assert {str} == {type(value) for value in last["/market/candles"]["candles"]}
    assert 7 == len(last["/market/candles"]["candles"])
    assert {int} == {type(one) for one in (depth["timestamp"], touch["timestamp"], last["/market/candles"]["time"])}
    assert {2} == {len(row) for row in (touch["asks"], touch["bids"], *depth["asks"], *depth["bids"])}
    assert {str} == {type(value) for row in (touch["asks"], *depth["asks"]) for value in row}
    assert STATS_KEYS == stats["data"].keys()
    assert str is type(stats["sequence"])
    assert [SPAN] * 3 == [set(stats["data"][f"marketChange{hours}"]) for hours in ("1h", "4h", "24h")]
    assert not [key for key in NUMBERS_OF_STATS if type(stats["data"][key]) not in (int, float)]


@pytest.mark.parametrize("name", [name for name, stream in STREAMS.items() if not stream.is_private])
def test_our_decoders_find_every_field_where_it_is(name: str) -> None:
    """Each field of the page, against the attribute that it becomes, for everything that was sent."""
    bench = bench_of(*TOPICS, "/market/ticker:all")
    bench.run(3_000)
    stream = STREAMS[name]
    frames = [frame for frame in bench.frames() if frame["topic"] == stream.topic]

    assert set(stream.fields) == {path for frame in frames for path in checked(stream, frame)}


def test_units_of_time() -> None:
    """Trades and candles tell ns, the others ms, all of the venue's wall clock."""
    bench = bench_of(*TOPICS)
    for texts in steps(bench, 2_000):
        wall_ns = bench.exchange.common.wall_ns(bench.now_ns)
        for message in pushed(texts):
            if isinstance(message, Trade | CandleUpdate):
                assert wall_ns == message.venue_ns
            elif isinstance(message, TickerUpdate | TopLevels | Touch):
                assert wall_ns // MS == message.venue_ms


# --- who gets what, and when ---


@pytest.mark.parametrize("profile", ["normal", "batches", "trending", "storm"])
def test_nobody_listens_and_nothing_is_different(profile: str) -> None:
    """The market is the same with every stream and without any; without, no trade is even looked for."""
    silent, loud = bench_of(profile=profile), bench_of(*TOPICS, "/market/ticker:all", profile=profile)
    for bench in (silent, loud):
        bench.run(2_000)
    quiet, busy = silent.market[BTC], loud.market[BTC]

    assert (quiet.sequence, quiet.digest()) == (busy.sequence, busy.digest())
    assert (None, {}) == (quiet.matching, silent.exchange.tapes)
    assert not silent.exchange.pushed


def test_trades_are_the_same_whoever_listens_and_since_when() -> None:
    """The later tape is the end of the earlier one."""
    early, late = bench_of(f"/market/match:{BTC}"), bench_of()
    for bench in (early, late):
        bench.run(1_000)
    late.say(1, id=1, type="subscribe", topic=f"/market/candles:{BTC}_1min")
    for bench in (early, late):
        bench.run(2_000)
    whole, part = list(early.exchange.tapes[BTC].deals), list(late.exchange.tapes[BTC].deals)

    assert 5 < len(part) < len(whole)
    assert part == whole[-len(part) :]


def test_what_was_sent_is_counted_by_topic() -> None:
    """For each connection that got it."""
    bench = bench_of(*TOPICS)
    other = bench.connect()
    bench.say(other, id=1, type="subscribe", topic=f"/market/match:{BTC}")
    bench.sent.clear()
    bench.run(2_500)
    frames = [*bench.frames(1), *bench.frames(other)]
    counts = Counter(frame["topic"] for frame in frames if not frame["topic"].startswith("/market/level2:"))

    assert counts == bench.exchange.pushed
    assert bench.frames(other) == [one for one in bench.frames(1) if one["topic"].startswith("/market/match")]
    assert counts.total() == bench.exchange.state()["pushed"]


@pytest.mark.parametrize(
    ("path", "period_ms"),
    [
        ("/spotMarket/level2Depth5", 100),
        ("/spotMarket/level2Depth50", 100),
        ("/spotMarket/level1", 10),
        ("/market/snapshot", 2_000),
    ],
)
def test_each_has_its_step_and_tells_changes_only(path: str, period_ms: int) -> None:
    """At most one a step, none like the one before it, and none for the subscription itself."""
    bench = bench_of(f"{path}:{BTC}", rate=20.0)
    bench.run(10_000)
    times, said = bench.times(), [frame["data"] for frame in bench.frames()]
    shown = [{key: value for key, value in one.items() if key != "timestamp"} for one in said]

    assert len(said) > 3
    assert times == sorted(set(times))
    assert not [at for at in times if (at + 1_000) % period_ms], "the bench begins at 1,000"
    assert not [one for one, other in pairwise(shown) if one == other]


def test_a_market_that_stands_still_is_silent() -> None:
    """Best levels that nothing touches are not told again; of the ticker the sequence goes on."""
    bench = Bench()
    for path in ("/spotMarket/level2Depth5", "/spotMarket/level1", "/market/match", "/market/ticker"):
        bench.subscribed(A, channel=path)
    bench.run(1_000)

    assert {f"/market/ticker:{A}": 10} == bench.exchange.pushed


def test_a_list_of_symbols() -> None:
    """Each push names the one it is about; unsubscribing ends it, and what looked at the book looks no more."""
    bench = bench_of(f"/spotMarket/level1:{BTC},ETH-USDT", f"/market/ticker:{BTC},ETH-USDT", symbols=2)
    bench.run(500)
    topics = {frame["topic"] for frame in bench.frames()}
    for path in ("/spotMarket/level1", "/market/ticker"):
        bench.say(1, id=1, type="unsubscribe", topic=f"{path}:{BTC},ETH-USDT")
    bench.sent.clear()
    bench.run(500)
    bench.say(1, id=1, type="subscribe", topic=f"/spotMarket/level1:{BTC}")
    bench.run(500)

    assert {
        f"{path}:{name}" for path in ("/spotMarket/level1", "/market/ticker") for name in (BTC, "ETH-USDT")
    } == topics
    assert {f"/spotMarket/level1:{BTC}"} == {frame["topic"] for frame in bench.frames()}


@pytest.mark.parametrize("name", ["NO-SUCH", "NO-SUCH_1min", f"{BTC}_2min", BTC])
def test_what_the_venue_does_not_have_is_silent(name: str) -> None:
    """Acknowledged, as unknown symbols are today; or an error, as in 2019."""
    bench = bench_of()
    bench.say(1, id=1, type="subscribe", topic=f"/market/candles:{name}", response=True)
    bench.say(1, id=2, type="subscribe", topic="/spotMarket/level1:NO-SUCH", response=True)
    bench.run(1_000)

    assert [{"id": "1", "type": "ack"}, {"id": "2", "type": "ack"}] == bench.frames()


def test_an_unknown_candle_can_be_an_error() -> None:
    """Of a known interval and symbol it is none."""
    bench = Bench(unknown_symbol="error")
    conn = bench.connect()
    bench.sent.clear()
    for name in (f"{A}_1min", "NO-SUCH_1min", f"{A}_2min"):
        bench.say(conn, id=name, type="subscribe", topic=f"/market/candles:{name}", response=True)

    assert ["ack", "error", "error"] == [frame["type"] for frame in bench.frames()]


def test_what_is_delisted_says_nothing_and_trades_nothing() -> None:
    """And goes on where it is listed again."""
    plan = [{"fault": "delist", "at_ms": 1_000, "ms": 2_000, "scope": BTC}]
    bench = Bench(plan, market=Market([BTC], 1, rate=RATE))
    conn = bench.connect()
    for topic in TOPICS:
        bench.say(conn, id=1, type="subscribe", topic=topic)
    bench.sent.clear()
    bench.run(5_000)
    times = bench.times()

    assert not [at for at in times if 1_000 < at < 3_000]
    assert {True} == {any(low < at < high for at in times) for low, high in ((0, 1_000), (3_000, 5_000))}
