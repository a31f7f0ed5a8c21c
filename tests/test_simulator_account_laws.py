"""One's own orders at the local KuCoin: what the private topics say, and that it is true."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orderbook.errors import UsageError
from orderbook.simulator.account import Order
from orderbook.simulator.market import Market
from orderbook.simulator.truth import book_digest, plain
from orderbook.streams import BalanceUpdate, OrderUpdate, Pushed, StreamMessage
from tests.kucoin_pushes import STREAMS
from tests.simulator_accounts import BALANCE, BTC, KUCOIN, LOT, V1, V2, events, scripted
from tests.simulator_bench import MS, A, Bench
from tests.simulator_streams import checked, steps

ENVELOPE: Final = {"topic", "type", "subject", "userId", "channelType", "data"}
BALANCE_KEYS: Final = {
    *("accountId", "currency", "total", "available", "hold", "availableChange", "holdChange", "relationContext"),
    *("relationEvent", "relationEventId", "time"),
}
RECEIVED_KEYS: Final = {
    *("clientOid", "orderId", "symbol", "side", "orderType", "type", "status", "price", "originSize", "originFunds"),
    *("orderTime", "ts"),
}
STANDING_KEYS: Final = RECEIVED_KEYS | {
    *("size", "filledSize", "remainSize", "remainFunds", "canceledSize", "canceledFunds"),
}
MATCH_KEYS: Final = STANDING_KEYS | {"matchPrice", "matchSize", "tradeId", "liquidity", "feeType"}
KEYS: Final = {
    "received": ("new", RECEIVED_KEYS),
    "open": ("open", STANDING_KEYS),
    "match": ("match", MATCH_KEYS),
    "update": ("open", STANDING_KEYS | {"oldSize"}),
    "filled": ("done", STANDING_KEYS),
    "canceled": ("done", STANDING_KEYS),
}
"""The protocol page, sections 3.9 and 3.10: status and keys of each event."""


# --- the words ---


def played(bench: Bench, moments: Iterable[int], salt: int = 0) -> None:
    """Place, reduce and cancel around the touch, moment by moment; what cannot be is refused."""
    for moment, choice in enumerate(moments):
        bench.run(200)
        try:
            act(bench, choice, LOT * (1_000_000 + (choice * 7_919 + salt + moment) % 5_000_000))
        except UsageError as error:
            refused = str(error)
        else:
            refused = "your own"
        assert [word for word in ("your own", "can be reduced", "above 0") if word in refused], refused


def act(bench: Bench, choice: int, size: Decimal) -> None:
    """One of the things that an owner may do."""
    bid, ask = (Decimal(level[0]) for level in bench.market[BTC].ticker())
    active = bench.account.active(BTC)
    match choice % 8:
        case 0 | 1:
            bench.account.place(BTC, "buy", bid, size)
        case 2 | 3:
            bench.account.place(BTC, "sell", ask, size)
        case 4:
            bench.account.place(BTC, "buy", ask, size * 3)
        case 5:
            bench.account.place(BTC, "sell", bid - 1, size * 2)
        case 6 if active:
            order = active[choice % len(active)]
            bench.account.reduce(order.order_id, order.filled + (order.left / LOT // 2) * LOT)
        case _ if active:
            bench.account.cancel(active[choice % len(active)].order_id)


def of(bench: Bench, path: str) -> list[dict[str, Any]]:
    """Frames of a topic."""
    return [frame for frame in bench.frames() if frame["topic"].partition(":")[0] == path]


def messages(frames: Iterable[dict[str, Any]]) -> list[StreamMessage]:
    """What our decoders make of them."""
    found = [KUCOIN.decode_pushed(json.dumps(frame)) for frame in frames]
    assert all(isinstance(one, Pushed) for one in found)
    return [one.message for one in found if isinstance(one, Pushed)]


MOMENTS: Final = st.lists(st.integers(0, 999), min_size=10, max_size=40)


def test_every_field_stands_as_the_page_has_it() -> None:
    """Of every event: status, keys, and their kinds of JSON."""
    bench = Bench(market=Market([BTC], 3, rate=300.0))
    bench.owner(BALANCE, V1, V2)
    played(bench, range(60))
    seen = set()
    for frame in [*of(bench, V1), *of(bench, V2), *of(bench, BALANCE)]:
        data = frame["data"]
        assert (ENVELOPE, "private", "message") == (set(frame), frame["channelType"], frame["type"])
        if frame["topic"] == BALANCE:
            assert ("account.balance", BALANCE_KEYS) == (frame["subject"], data.keys())
            assert {"relationContext": dict} == {key: type(one) for key, one in data.items() if type(one) is not str}
            assert data["relationContext"].keys() in ({"symbol", "orderId"}, {"symbol", "orderId", "tradeId"})
            continue
        status, keys = KEYS[data["type"]]
        seen.add((frame["topic"], data["type"]))
        assert ("orderChange", status, keys) == (frame["subject"], data["status"], data.keys())
        assert {"orderTime": int, "ts": int} == {key: type(one) for key, one in data.items() if type(one) is not str}
        assert data["ts"] // MS >= data["orderTime"] > 10**12

    assert {(topic, event) for topic in (V1, V2) for event in KEYS} - {(V1, "received")} == seen
    assert {BalanceUpdate, OrderUpdate} == {type(one) for one in messages([*of(bench, V2), *of(bench, BALANCE)])}


@pytest.mark.parametrize("name", ["balance", "order", "order V1"])
def test_our_decoders_find_every_field_where_it_is(name: str) -> None:
    """Each field of the page, against the attribute that it becomes, for everything that was sent."""
    bench = Bench(market=Market([BTC], 3, rate=300.0))
    bench.owner(BALANCE, V1, V2)
    played(bench, range(60))
    stream = STREAMS[name]

    assert set(stream.fields) == {path for frame in of(bench, stream.topic) for path in checked(stream, frame)}


# --- laws ---


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10_000), moments=MOMENTS, profile=st.sampled_from(("normal", "batches", "trending")))
def test_what_is_told_is_what_is_true(seed: int, moments: list[int], profile: str) -> None:
    """Book, orders, balances and trades agree, whatever is placed and however the market moves."""
    bench = Bench(market=Market([BTC], seed, profile, rate=300.0), seed=seed)
    source = bench.market[BTC]
    opening = source.book()
    bench.owner(BALANCE, V1, V2, f"/market/match:{BTC}", f"/market/level2:{BTC}")
    played(bench, moments, seed)

    check_book(bench, opening)
    check_orders(bench, bench.account.orders)
    check_balances(bench)
    check_trades(bench, bench.account.orders)


def check_book(bench: Bench, opening: Any) -> None:
    """The deltas lead from the opening book to the true one, without a gap; own orders stand in it."""
    source = bench.market[BTC]
    sides = {"bids": dict(opening.bids), "asks": dict(opening.asks)}
    last = opening.sequence
    for frame in of(bench, "/market/level2"):
        data = frame["data"]
        assert last + 1 == data["sequenceStart"]
        last = data["sequenceEnd"]
        for side, rows in data["changes"].items():
            for price, size, _ in rows:
                sides[side][plain(price)] = plain(size)
    levels = [[(price, size) for price, size in sides[side].items() if Decimal(size)] for side in ("bids", "asks")]
    assert (source.sequence, source.digest()) == (last, book_digest(*levels))
    sizes = [{Decimal(price): Decimal(size) for price, size in rows} for rows in levels]
    own: defaultdict[tuple[str, Decimal], Decimal] = defaultdict(Decimal)
    for order in bench.account.active():
        own[order.side, order.price] += order.left
    for (side, price), left in own.items():
        there = sizes[side == "sell"][price]
        assert left <= there
        for order in bench.account.active():
            if (order.side, order.price) == (side, price):
                assert 0 <= bench.account.ahead(order.order_id) <= there - left


def check_orders(bench: Bench, orders: Mapping[str, Order]) -> None:
    """The last event of each order tells how it stands; V1 tells the same but for what it never tells."""
    v2 = events(bench)
    assert [one for one in v2 if one["type"] != "received"] == events(bench, V1)
    last = {one["orderId"]: one for one in v2}
    assert last.keys() == orders.keys()
    for order_id, order in orders.items():
        told = last[order_id]
        standing = (told["filledSize"], told["remainSize"], told["canceledSize"], told["size"])
        assert tuple(map(plain, (order.filled, order.left, order.canceled, order.size))) == standing
        assert order.is_active == (told["status"] != "done") == (order.left > 0)
        fills = [one for one in v2 if one["orderId"] == order_id and one["type"] == "match"]
        assert order.filled == sum(Decimal(one["matchSize"]) for one in fills)
        assert order.funds == sum(Decimal(one["matchSize"]) * Decimal(one["matchPrice"]) for one in fills)


def check_balances(bench: Bench) -> None:
    """Each message adds its changes to the one before; what is held is what open orders may cost."""
    known: dict[str, tuple[Decimal, Decimal]] = {}
    for one in messages(of(bench, BALANCE)):
        assert isinstance(one, BalanceUpdate)
        available, held = known.get(one.currency, (Decimal(1_000_000), Decimal(0)))
        known[one.currency] = available + one.available_change, held + one.held_change
        assert (one.available, one.held) == known[one.currency]
        assert one.total == one.available + one.held
    active = bench.account.active()
    stakes = {
        "USDT": sum((order.left * order.price for order in active if order.side == "buy"), Decimal(0)),
        "BTC": sum((order.left for order in active if order.side == "sell"), Decimal(0)),
    }
    assert {currency: stakes[currency] for currency in known} == {
        currency: held for currency, (_, held) in known.items()
    }


def check_trades(bench: Bench, orders: Mapping[str, Order]) -> None:
    """What was matched of an order stands among the trades of the market, and nowhere twice."""
    trades = [frame["data"] for frame in of(bench, "/market/match")]
    mine = [
        (trade["tradeId"], order_id, trade["price"], trade["size"])
        for trade in trades
        for order_id in (trade["takerOrderId"], trade["makerOrderId"])
        if order_id in orders
    ]
    told = [one for one in events(bench) if one["type"] == "match"]
    assert mine == [(one["tradeId"], one["orderId"], one["matchPrice"], one["matchSize"]) for one in told]
    numbers = [int(trade["tradeId"]) for trade in trades]
    assert numbers == sorted(set(numbers))


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), offsets=st.lists(st.integers(0, 3), min_size=1, max_size=6))
def test_nobody_passes_in_the_queue(seed: int, offsets: list[int]) -> None:
    """Change by change: an order is filled once all that was ahead of it is, never before; nobody gets ahead of it."""
    bench = Bench(market=Market([BTC], seed, rate=300.0), seed=seed)
    bench.owner(f"/market/match:{BTC}")
    for place, offset in enumerate(offsets):
        book = bench.market[BTC].book(depth=4)
        side, rows = ("buy", book.bids) if place % 2 else ("sell", book.asks)
        bench.account.place(BTC, side, rows[offset][0], LOT * 5_000_000)
    ahead = {order.order_id: bench.account.ahead(order.order_id) for order in bench.account.active()}
    for texts in steps(bench, 2_000):
        taken: defaultdict[tuple[str, Decimal], Decimal] = defaultdict(Decimal)
        for trade in (json.loads(text)["data"] for text in texts):
            key = ("buy" if trade["side"] == "sell" else "sell", Decimal(trade["price"]))
            order = bench.account.orders.get(trade["makerOrderId"])
            if order is None:
                taken[key] += Decimal(trade["size"])
            else:
                assert (order.side, order.price) == key
                assert ahead[order.order_id] == taken[key]
        for order in bench.account.active():
            before, now = ahead[order.order_id], bench.account.ahead(order.order_id)
            gone = taken[order.side, order.price]
            assert now <= before
            assert not gone or now == max(Decimal(0), before - gone)
            ahead[order.order_id] = now


def test_the_market_fills_whole_and_in_part() -> None:
    """Over some seeds all that may happen to a resting order happens."""
    kinds_seen: Counter[str] = Counter()
    for seed in range(12):
        bench = Bench(market=Market([BTC], seed, rate=300.0), seed=seed)
        bench.owner(V2)
        played(bench, range(40), seed)
        fills = [one for one in events(bench) if one["type"] == "match" and one["liquidity"] == "maker"]
        kinds_seen += Counter("part" if Decimal(one["remainSize"]) else "whole" for one in fills)

    assert kinds_seen["part"] > 5
    assert kinds_seen["whole"] > 5


def test_equal_seeds_and_orders_give_equal_runs() -> None:
    """Every frame."""

    def run() -> list[Any]:
        bench = Bench(market=Market([BTC], 5, rate=300.0), seed=5)
        bench.owner(BALANCE, V1, V2, f"/market/match:{BTC}", f"/market/level2:{BTC}")
        played(bench, range(30))
        return bench.sent

    assert run() == run()


def test_other_symbols_know_nothing_of_it() -> None:
    """An order changes the market that it stands in, and no other."""

    def run(*, has_order: bool) -> tuple[int, int]:
        bench = Bench(market=Market(2, 7))
        if has_order:
            bench.account.place(BTC, "sell", "70000", "0.5")
        bench.run(3_000)
        other = bench.market["ETH-USDT"]
        return other.sequence, other.digest()

    assert run(has_order=True) == run(has_order=False)


def test_what_is_private_goes_to_its_owner_alone() -> None:
    """And only while he is subscribed."""
    bench, _ = scripted()
    other = bench.owner(V2)
    bench.say(other, id=1, type="unsubscribe", topic=V2, privateChannel=True)
    order_id = bench.account.place(A, "buy", "90", "1")

    assert [] == bench.frames(other)
    assert {BALANCE: 1, V1: 1, V2: 2} == bench.exchange.pushed
    assert order_id == events(bench)[0]["orderId"]
