"""One's own orders at the local KuCoin: in the true book, in the queue, and on the private topics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from orderbook.errors import UsageError
from orderbook.simulator.market import Market
from orderbook.simulator.truth import plain
from tests.simulator_accounts import BALANCE, BTC, V1, Scripted, events, kinds, scripted
from tests.simulator_bench import A, Bench

# --- in the book ---


def test_an_order_stands_in_the_book_until_it_is_canceled() -> None:
    """Beside what others have there; each is a delta with a sequence of its own, and told on both topics."""
    bench, source = scripted()
    order_id = bench.account.place(A, "buy", "100", "4")
    with_it = dict(source.sizes())
    bench.account.cancel(order_id)
    deltas = [frame["data"]["changes"] for frame in bench.frames() if frame["topic"] == f"/market/level2:{A}"]

    assert (14, 10) == (with_it[100], source.sizes()[100])
    assert [[["100", "14", "1"]], [["100", "10", "2"]]] == [changes["bids"] for changes in deltas]
    assert ["received", "open", "canceled"] == kinds(bench)
    assert ["open", "canceled"] == kinds(bench, V1)
    assert [("600000", "400"), ("1000000", "0")] == [
        (one["available"], one["hold"]) for one in [{"available": "600000", "hold": "400"}]
    ] + [(one["available"], one["hold"]) for one in events(bench, BALANCE)[1:]]


def test_an_order_alone_at_its_price() -> None:
    """Makes a level, and takes it along."""
    bench, source = scripted()
    order_id = bench.account.place(A, "sell", "105", "3")
    assert 3 == source.sizes()[-105]
    assert "0" == plain(bench.account.ahead(order_id))
    bench.account.cancel(order_id)
    assert -105 not in source.sizes()


def test_what_crosses_takes_first() -> None:
    """Level by level at their prices, as taker; the rest of it rests. What a better price saves is given back."""
    bench, source = scripted()
    bench.account.place(A, "buy", "111", "25", client_id="mine")
    told = events(bench)
    trades = [frame["data"] for frame in bench.frames() if frame["topic"] == f"/market/match:{A}"]
    quote, base = bench.account.balance("USDT"), bench.account.balance("AAA")

    assert ["received", "match", "match", "open"] == [one["type"] for one in told]
    assert {"mine"} == {one["clientOid"] for one in told}
    assert [("110", "10", "taker"), ("111", "10", "taker")] == [
        (one["matchPrice"], one["matchSize"], one["liquidity"]) for one in told[1:3]
    ]
    assert [(one["tradeId"], "buy") for one in told[1:3]] == [(one["tradeId"], one["side"]) for one in trades]
    assert {one["orderId"] for one in told} == {one["takerOrderId"] for one in trades}
    assert (5, -112) == (source.sizes()[111], max(key for key in source.sizes() if key < 0))
    assert ["1000020", "555", "997235"] == [plain(one) for one in (base.available, quote.held, quote.available)]


def test_what_is_taken_whole_never_rests() -> None:
    """It is filled at once."""
    bench, _ = scripted()
    bench.account.place(A, "sell", "100", "10")

    assert ["received", "match", "filled"] == kinds(bench)
    assert [] == bench.account.active()
    assert {"AAA": (Decimal(999_990), Decimal(0)), "USDT": (Decimal(1_001_000), Decimal(0))} == {
        currency: (balance.available, balance.held)
        for currency, balance in bench.exchange.trading.account.balances.items()
    }


def test_a_smaller_order_keeps_its_place() -> None:
    """An update names the size before; what it held too much is free again."""
    bench, source = scripted()
    order_id = bench.account.place(A, "buy", "99", "8")
    bench.account.reduce(order_id, "3")

    assert ["received", "open", "update"] == kinds(bench)
    assert ("8", "3", "3", "8") == tuple(
        events(bench)[-1][key] for key in ("oldSize", "size", "remainSize", "originSize")
    )
    assert (13, Decimal(10)) == (source.sizes()[99], bench.account.ahead(order_id))
    assert (Decimal(297), "trade.hold") == (
        bench.account.balance("USDT").held,
        events(bench, BALANCE)[-1]["relationEvent"],
    )


def test_more_comes_in() -> None:
    """A deposit is about no order."""
    bench, _ = scripted()
    bench.account.deposit("USDT", "5.50")
    (told,) = events(bench, BALANCE)

    assert ("main.deposit", {}, "5.5", "1000005.5") == tuple(
        told[key] for key in ("relationEvent", "relationContext", "availableChange", "total")
    )


# --- in the queue ---


def trade_seed(price: int, script: Sequence[tuple[int, int]], *, is_traded: bool, side: str = "buy") -> int:
    """A seed with which the last of these changes is a trade, or none."""
    for seed in range(200):
        bench, source = scripted(seed)
        bench.account.place(A, side, str(price), "8")
        source.script = list(script)
        bench.run(10 * len(script))
        if is_traded == any(frame["topic"] == f"/market/match:{A}" for frame in bench.frames()):
            return seed
    raise AssertionError("no such seed")


@pytest.mark.parametrize("is_traded", [True, False])
def test_who_was_there_before_is_served_first(is_traded: bool) -> None:
    """A trade of what is ahead leaves the order whole; what is withdrawn stood anywhere in the queue."""
    script = [(100, 30), (100, 24)]
    bench, source = scripted(trade_seed(100, script, is_traded=is_traded))
    order_id = bench.account.place(A, "buy", "100", "8")
    source.script = list(script)
    bench.run(20)

    # 10 ahead, then 20 behind: of 6 that go, a trade takes all from before, and else a third of them was there.
    assert (4 if is_traded else 8) == bench.account.ahead(order_id)
    assert 32 == source.sizes()[100]
    assert Decimal(0) == bench.account.active()[0].filled


def test_a_trade_beyond_what_is_ahead_fills_the_order() -> None:
    """Others behind it were served, so it was."""
    script = [(100, 30), (100, 15)]
    bench, source = scripted(trade_seed(100, script, is_traded=True))
    order_id = bench.account.place(A, "buy", "100", "8")
    source.script = list(script)
    bench.run(20)
    trades = [frame["data"] for frame in bench.frames() if frame["topic"] == f"/market/match:{A}"]

    assert [("10", False), ("8", True), ("5", False)] == [
        (one["size"], one["makerOrderId"] == order_id) for one in trades
    ]
    assert 1 == len({one["takerOrderId"] for one in trades})
    assert 15 == source.sizes()[100]
    assert ["received", "open", "match", "filled"] == kinds(bench)
    assert "maker" == events(bench)[2]["liquidity"]


def test_several_orders_stand_in_line() -> None:
    """The earlier one is filled before the later one gets anything."""
    fills: Counter[tuple[int, int]] = Counter()
    for seed in range(60):
        bench, source = scripted(seed)
        first, second = (bench.account.place(A, "sell", "110", "8") for _ in range(2))
        source.script = [(-110, 0)]
        bench.run(10)
        orders = bench.account.orders
        fills[int(orders[first].filled), int(orders[second].filled)] += 1
        left = sum(int(order.left) for order in orders.values())
        assert left == source.sizes().get(-110, 0)

    assert {first for first, second in fills if second} == {8}
    assert {0, 2, 4, 6, 8} == {first for first, _ in fills}
    assert len({second for _, second in fills}) > 2


def test_an_order_alone_at_the_touch_is_taken_when_the_market_would_leave() -> None:
    """And stays where nobody takes it."""
    filled = set()
    for seed in range(40):
        bench, source = scripted(seed)
        order_id = bench.account.place(A, "sell", "105", "8")
        source.script = [(-105, 0)]
        bench.run(10)
        filled.add(int(bench.account.orders[order_id].filled))

    assert {0, 2, 4, 6, 8} == filled


def test_what_joins_stands_behind() -> None:
    """And what happens elsewhere in the book moves nobody."""
    bench, source = scripted()
    order_id = bench.account.place(A, "buy", "100", "8")
    source.script = [(100, 50), (99, 0), (0, 0), (-110, 2), (101, 7)]
    bench.run(50)

    assert (Decimal(10), 58) == (bench.account.ahead(order_id), source.sizes()[100])


def test_the_market_moves_past_an_order() -> None:
    """As a recorded one may: whoever stands in its way is served, at its price."""
    bench, source = scripted()
    mine = bench.account.place(A, "sell", "105", "3")
    source.script = [(106, 4)]
    bench.run(10)
    (trade,) = [frame["data"] for frame in bench.frames() if frame["topic"] == f"/market/match:{A}"]

    assert ("buy", "105", "3", mine) == tuple(trade[key] for key in ("side", "price", "size", "makerOrderId"))
    assert "filled" == kinds(bench)[-1]
    assert (106, -110) == (source.truth.bids[-1], source.truth.asks[-1])
    below = bench.account.place(A, "buy", "90", "3")
    source.script = [(-103, 4)]
    bench.run(10)
    assert bench.account.orders[below].is_active
    assert source.truth.bids[-1] > -source.truth.asks[-1], "crossed without us is the market's business"


def test_somebody_else_stays_on_each_side() -> None:
    """A market that deletes its last level besides one's own keeps it: it has to stay a market when they go."""
    bench, source = scripted(levels=1)
    order_id = bench.account.place(A, "buy", "99", "3")
    source.script = [(100, 0)] * 5
    bench.run(50)
    assert 10 == source.sizes()[100]
    bench.account.cancel(order_id)
    assert [100] == source.truth.bids


def test_the_ticks_become_finer_under_an_order() -> None:
    """Its level moves with the others, and is found again."""
    bench = Bench([{"fault": "tick_change", "how": "finer", "at_ms": 50}], market=Market([BTC], 1))
    best = Decimal(bench.market[BTC].ticker()[0][0])
    order_id = bench.account.place(BTC, "buy", str(best - 5000), "1")
    bench.run(100)
    ahead, decimals = bench.account.ahead(order_id), bench.market[BTC].truth.price_decimals
    bench.account.cancel(order_id)

    assert (2, Decimal(0)) == (decimals, ahead)
    assert plain(best - 5000) not in dict(bench.market[BTC].book().bids)


def test_what_is_delisted_trades_nothing() -> None:
    """Orders stay as they are; none can be placed."""
    bench = Bench([{"fault": "delist", "at_ms": 5, "scope": A}], market={A: Scripted()})
    order_id = bench.account.place(A, "buy", "100", "8")
    bench.market[A].script = [(100, 0), (-100, 3)] * 5
    bench.run(100)

    assert Decimal(0) == bench.account.active()[0].filled
    with pytest.raises(UsageError, match="is traded here"):
        bench.account.place(A, "buy", "100", "8")
    bench.account.cancel(order_id)


# --- what cannot be ---


@pytest.mark.parametrize(
    ("order", "problem"),
    [
        (("NO-SUCH", "buy", "100", "1"), "no symbol"),
        ((A, "hold", "100", "1"), "side is buy or sell"),
        ((A, "buy", "100.5", "1"), "price 100.5 is no multiple of 1"),
        ((A, "buy", "100", "0.1"), "size 0.1 is no multiple of 1"),
        ((A, "buy", "-100", "1"), "price is a decimal number above 0"),
        ((A, "buy", "NaN", "1"), "price is a decimal number"),
        ((A, "buy", "much", "1"), "price is a decimal number"),
        ((A, "buy", 100, "1"), "price is a decimal number"),
        ((A, "buy", "100", "10001"), "1000100 USDT are needed, and 1000000 are available"),
        ((A, "sell", "100", "1000001"), "1000001 AAA are needed"),
        ((A, "buy", "114", "50"), "nothing on the other side"),
        ((A, "buy", "120", "1"), "would trade with one of your own"),
    ],
)
def test_an_order_that_cannot_be(order: tuple[Any, Any, Any, Any], problem: str) -> None:
    """It is named, and nothing has happened."""
    bench, source = scripted()
    bench.account.place(A, "sell", "120", "1")
    before = (source.sequence, source.digest(), len(bench.sent))
    with pytest.raises(UsageError, match=problem):
        bench.account.place(*order)

    assert before == (source.sequence, source.digest(), len(bench.sent))


def test_a_number_too_large_for_a_book() -> None:
    """Whatever the account has."""
    bench, _ = scripted()
    bench.account.deposit("AAA", "1" + "0" * 20)
    with pytest.raises(UsageError, match="too large"):
        bench.account.place(A, "sell", "120", "1" + "0" * 17)


@pytest.mark.parametrize("size", ["8", "9", "0.5", "0"])
def test_a_size_that_an_order_cannot_be_reduced_to(size: str) -> None:
    """It is less, and above what is filled."""
    bench, _ = scripted()
    order_id = bench.account.place(A, "buy", "100", "8")
    with pytest.raises(UsageError):
        bench.account.reduce(order_id, size)


def test_an_order_that_is_not_there() -> None:
    """Or no more."""
    bench, _ = scripted()
    order_id = bench.account.place(A, "buy", "100", "8")
    bench.account.cancel(order_id)
    for act in (bench.account.cancel, bench.account.ahead):
        for name in (order_id, "nonsense"):
            with pytest.raises(UsageError, match="no open order"):
                act(name)
    with pytest.raises(KeyError):
        bench.market[A].matching.ahead(order_id)


def test_so_many_orders_and_no_more() -> None:
    """200 of a symbol; those that are over are forgotten after 10,000."""
    bench, _ = scripted()
    placed = [bench.account.place(A, "buy", "90", "1") for _ in range(200)]
    with pytest.raises(UsageError, match="200 orders"):
        bench.account.place(A, "buy", "90", "1")
    for order_id in placed:
        bench.account.cancel(order_id)
    assert [] == bench.account.active()


def test_what_is_over_is_forgotten_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest first; none that is open."""
    monkeypatch.setattr("orderbook.simulator.account.DONE_MAX", 3)
    bench, _ = scripted()
    kept = bench.account.place(A, "buy", "91", "1")
    placed = []
    for _ in range(6):
        placed.append(bench.account.place(A, "buy", "90", "1"))
        bench.account.cancel(placed[-1])
    bench.account.place(A, "buy", "90", "1")

    assert [kept, *placed[-3:]] == list(bench.account.orders)[:4]


def test_what_an_account_begins_with() -> None:
    """A setting; amounts are checked."""
    bench = Bench(market={A: Scripted()}, funds={"USDT": "100"})
    with pytest.raises(UsageError, match="100 are available"):
        bench.account.place(A, "buy", "100", "2")
    with pytest.raises(UsageError, match="funds is a decimal number"):
        Bench(funds={"USDT": "-5"})
