"""The streams beside the book agree with the book and with each other: laws, over seeds and kinds of markets."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orderbook.simulator.market import Market
from orderbook.simulator.matching import Deal
from orderbook.simulator.tape import INTERVALS_S, Candle, Tape, Told
from orderbook.streams import Candle as CandleUpdate
from orderbook.streams import Pushed, TickerUpdate, TopLevels, Touch, Trade
from orderbook.types import Level
from orderbook.venues.kucoin_market import INTERVALS
from tests.simulator_bench import A, Bench
from tests.simulator_streams import BTC, KUCOIN, RATE, SPAN, TOPICS, bench_of, pushed, steps

# --- agreement ---


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000), profile=st.sampled_from(("normal", "batches")))
def test_trades_are_what_left_the_touch(seed: int, profile: str) -> None:
    """A trade follows its delta: at the touch before it, and of the size by which that level shrank."""
    bench = Bench(market=Market([BTC], seed, profile, rate=RATE), seed=seed)
    conn = bench.connect()
    sizes: dict[bool, dict[Decimal, Decimal]] = {True: {}, False: {}}
    book = bench.market[BTC].book()
    for is_bid, rows in ((True, book.bids), (False, book.asks)):
        sizes[is_bid] = {Decimal(price): Decimal(size) for price, size in rows}
    for path in ("/market/level2", "/market/match"):
        bench.say(conn, id=1, type="subscribe", topic=f"{path}:{BTC}")
    bench.sent.clear()
    bench.run(3_000)
    numbers: list[int] = []
    gone: dict[tuple[bool, Decimal], Decimal] = {}
    for frame in bench.frames(conn):
        data = frame["data"]
        if frame["topic"].startswith("/market/level2"):
            gone = {}
            for is_bid, rows in ((True, data["changes"]["bids"]), (False, data["changes"]["asks"])):
                for price, size in ((Decimal(row[0]), Decimal(row[1])) for row in rows):
                    gone[is_bid, price] = sizes[is_bid].get(price, Decimal(0)) - size
                    sizes[is_bid][price] = size
            continue
        numbers.append(int(data["tradeId"]))
        key = (data["side"] == "sell", Decimal(data["price"]))
        if profile == "normal":
            assert gone[key] == Decimal(data["size"])
        else:
            # A delta over several changes tells their sum; a level of it may have come and gone.
            assert Decimal(data["size"]) > 0

    assert numbers
    assert numbers == sorted(set(numbers))


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_candles_are_made_of_the_trades(seed: int) -> None:
    """Every candle of every interval is what the trades up to then say, exactly."""
    bench = bench_of(*(topic for topic in TOPICS if "match" in topic or "candles" in topic), seed=seed)
    # Three seconds before another minute, hour, day and week.
    bench.exchange.set_wall(bench.now_ns, (3_000 * 604_800 - 3) * 10**9)
    trades: list[Trade] = []
    seen: Counter[str] = Counter()
    begun: defaultdict[str, set[int]] = defaultdict(set)
    for texts in steps(bench, 8_000):
        messages = pushed(texts)
        trades += [one for one in messages if isinstance(one, Trade)]
        for text, candle in zip(texts, messages, strict=True):
            if not isinstance(candle, CandleUpdate):
                continue
            length_s = INTERVALS_S[candle.interval]
            within = [trade for trade in trades if 0 <= trade.venue_ns // 10**9 - candle.start_s < length_s]
            prices = [trade.price for trade in within]
            seen[candle.interval] += 1
            is_new = json.loads(text)["subject"] == "trade.candles.add"
            assert is_new == (candle.start_s not in begun[candle.interval])
            begun[candle.interval].add(candle.start_s)
            assert not candle.start_s % length_s
            assert (prices[0], prices[-1]) == (candle.open, candle.close)
            assert (max(prices), min(prices)) == (candle.high, candle.low)
            assert sum(trade.size for trade in within) == candle.volume
            assert sum(trade.size * trade.price for trade in within) == candle.turnover

    assert set(INTERVALS) == seen.keys() == INTERVALS_S.keys()
    assert {2} == {len(starts) for starts in begun.values()}


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10_000), profile=st.sampled_from(("normal", "quiet", "batches")))
def test_levels_are_those_of_the_book(seed: int, profile: str) -> None:
    """Five, fifty, the best one and the ticker: each equals the true book at the moment it was sent."""
    bench = Bench(market=Market([BTC], seed, profile), seed=seed)
    conn = bench.connect()
    for topic in TOPICS:
        bench.say(conn, id=1, type="subscribe", topic=topic)
    bench.sent.clear()
    bench.exchange.outbox()
    source, kinds = bench.market[BTC], Counter[str]()
    last: Trade | None = None
    for texts in steps(bench, 4_000):
        for message in pushed(texts):
            kinds[type(message).__name__] += 1
            if isinstance(message, Trade):
                last = message
            elif isinstance(message, TopLevels):
                book = source.book(depth=message.depth)
                assert (levels_of(book.bids), levels_of(book.asks)) == (message.bids, message.asks)
            elif isinstance(message, Touch | TickerUpdate):
                assert (*map(level_of, source.ticker()),) == (message.bid, message.ask)
            if isinstance(message, TickerUpdate):
                assert source.sequence == message.sequence
                assert last is None or (last.price, last.size) == (message.last_price, message.last_size)

    assert {"TopLevels", "Touch", "TickerUpdate", "MarketStats"} <= kinds.keys()


def level_of(row: tuple[str, str]) -> Level[Decimal]:
    """A level as our types have it."""
    return Level(Decimal(row[0]), Decimal(row[1]))


def levels_of(rows: tuple[tuple[str, str], ...]) -> tuple[Level[Decimal], ...]:
    """Several."""
    return tuple(map(level_of, rows))


def test_the_market_at_a_glance_is_made_of_the_trades() -> None:
    """What the day brought, in whole minutes, and null as long as nothing was traded."""
    bench = bench_of(f"/market/snapshot:{BTC}", f"/market/match:{BTC}")
    trades: list[dict[str, Any]] = []
    stats: list[dict[str, Any]] = []
    for texts in steps(bench, 9_000):
        for frame in map(json.loads, texts):
            (trades if frame["subject"] == "trade.l3match" else stats).append(frame["data"])
    day, prices = stats[-1]["data"], [Decimal(trade["price"]) for trade in trades]

    assert 4 <= len(stats)
    assert not int(bench.exchange.common.wall_ms(bench.now_ns)) < day["datetime"]
    assert float(prices[-1]) == day["close"] == day["lastTradedPrice"]
    assert float(sum(Decimal(trade["size"]) for trade in trades)) == pytest.approx(day["vol"])
    assert (float(max(prices)), float(min(prices))) == (day["high"], day["low"])
    assert day["low"] <= day["averagePrice"] <= day["high"]
    assert {key: day[key] for key in SPAN} == day["marketChange1h"] == day["marketChange24h"]


def test_nothing_was_traded_yet() -> None:
    """Then the glance has no prices, and the ticker has the best ask for want of a trade."""
    bench = Bench()
    conn = bench.subscribed(A, channel="/market/snapshot")
    bench.run(2_100)
    (frame,) = bench.frames(conn)

    assert (None, None, None) == tuple(frame["data"]["data"][key] for key in ("close", "averagePrice", "vol"))
    assert dict.fromkeys(SPAN) == frame["data"]["data"]["marketChange4h"]
    assert isinstance(KUCOIN.decode_pushed(json.dumps(frame)), Pushed)


# --- the tape by itself ---


def deal(number: int, price: str = "10", size: str = "1") -> Deal:
    """A trade."""
    return Deal(number, "buy", price, size, "t", "m")


def test_a_pause_leaves_one_flat_candle() -> None:
    """As recorded in 2021: with the first trade after it comes the candle before, which is flat at the last price."""
    tape = Tape()
    tape.record([deal(1), deal(2, "12")], 5 * 10**9)
    told = [one for one in tape.record([deal(3, "11")], 200 * 10**9) if one.interval == "1min"]

    assert [
        Told("1min", Candle.flat(120, Decimal(12)), is_new=True),
        Told("1min", Candle.flat(180, Decimal(11)).joined(Decimal(11), Decimal(1)), is_new=True),
    ] == told


def test_a_clock_that_is_set_back_leads_into_no_candle_that_is_over() -> None:
    """The present one takes the trade."""
    tape = Tape()
    tape.record([deal(1)], 130 * 10**9)
    told = tape.record([deal(2, "11")], 70 * 10**9)

    assert {(False, 2)} == {(one.is_new, int(one.candle.volume)) for one in told}
    assert 120 == tape.candles["1min"].start_s


def test_a_day_forgets_what_is_older() -> None:
    """What was traded within the span counts, minute by minute."""
    tape = Tape()
    assert None is tape.lately(0, 60)
    for minute in (0, 50, 70, 90):
        tape.record([deal(minute, str(minute + 1))], minute * 60 * 10**9)
    hour, whole = tape.lately(100 * 60, 3_600), tape.lately(100 * 60, 86_400)

    assert hour is not None
    assert whole is not None
    assert [51, 91, 91, 51, 3] == list(map(int, (hour.open, hour.close, hour.high, hour.low, hour.volume)))
    assert [1, 4, 214] == list(map(int, (whole.open, whole.volume, whole.turnover)))
