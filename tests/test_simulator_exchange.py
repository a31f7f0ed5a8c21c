"""The venue's protocol, on a clock moved by hand: connecting, requests, and what is sent without being asked for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orderbook.errors import UsageError
from orderbook.simulator.exchange import Exchange
from orderbook.simulator.market import Market
from orderbook.simulator.messages import delta_2021, delta_2026, merged, ticker
from orderbook.simulator.rest import Reply
from orderbook.simulator.source import Tick
from orderbook.simulator.timeline import NEVER, Close
from orderbook.sync import BookSync
from orderbook.types import Ticker
from orderbook.venues.kucoin import KuCoin
from tests.simulator_bench import MS, A, B, Bench

BYE = Close(1000, "Bye")


def error(code: int, text: str, request_id: str = "7") -> dict[str, Any]:
    """An error frame."""
    return {"id": request_id, "type": "error", "code": code, "data": text}


# --- connecting ---


def test_a_token_names_the_server_and_its_ping_times() -> None:
    """As documented; the token holds characters that must be escaped, and no two are alike."""
    bench = Bench(ping_interval_ms=500, ping_timeout_ms=200, endpoint="ws://127.0.0.1:9/")
    data = bench.post("/api/v1/bullet-public")["data"]
    server = {
        "endpoint": "ws://127.0.0.1:9/",
        "encrypt": False,
        "protocol": "websocket",
        "pingInterval": 500,
        "pingTimeout": 200,
    }

    assert [server] == data["instanceServers"]
    assert "==." in data["token"]
    assert data["token"] != bench.token()


def test_welcome_is_first_and_echoes_the_connect_id() -> None:
    """The server makes one up when there is none."""
    bench = Bench()
    bench.connect(connectId="a b/c")
    bench.exchange.connect(f"/?token={bench.token()}", bench.now_ns)
    bench.run(0)

    assert [{"id": "a b/c", "type": "welcome"}] == bench.frames(1)
    assert [{"id": "conn00000002", "type": "welcome"}] == bench.frames(2)


@pytest.mark.parametrize(("age_ms", "text"), [(None, "token is invalid"), (86_400_000, "token is expired")])
def test_a_bad_token_is_told_after_the_upgrade(age_ms: int | None, text: str) -> None:
    """Error 401 with the connect id, then the connection is closed; it is counted."""
    bench = Bench(symbols=())
    token = "made up" if age_ms is None else bench.token()
    bench.run(age_ms or 0)
    bench.connect(token)

    assert [json.dumps(error(401, text, "me"), separators=(",", ":")), BYE] == bench.payloads()
    assert {"bad_token": 1} == bench.violations()


def test_a_bad_token_can_refuse_the_upgrade() -> None:
    """Setting: HTTP 401 instead of the error frame."""
    answer = Bench(refusal="http").upgrade("made up")

    assert isinstance(answer, Reply)
    assert 401 == answer.status


def test_a_token_just_before_its_end_is_good() -> None:
    """Life is counted to the millisecond; a token serves more than one connection."""
    bench = Bench(symbols=(), token_life_ms=1000)
    token = bench.token()
    bench.run(999)

    assert ["welcome"] == [frame["type"] for frame in bench.frames(bench.connect(token))]
    assert ["welcome"] == [frame["type"] for frame in bench.frames(bench.connect(token))]


# --- requests ---


@pytest.mark.parametrize(
    ("request_frame", "expected"),
    [
        ({"type": "ping"}, {"id": "7", "type": "pong", "timestamp": 1_767_690_001_000_000}),
        ({"type": "subscribe", "topic": f"/market/level2:{A}", "response": True}, {"id": "7", "type": "ack"}),
        ({"type": "unsubscribe", "topic": f"/market/level2:{A}", "response": True}, {"id": "7", "type": "ack"}),
        ({"type": "subscribe", "topic": "/market/level2:NO-SUCH", "response": True}, {"id": "7", "type": "ack"}),
        ({"type": "subscribe"}, error(406, "topic is required")),
        ({"type": "subscribe", "topic": ""}, error(406, "topic is required")),
        ({"type": "subscribe", "topic": "/market/level2"}, error(400, "topic is invalid")),
        ({"type": "subscribe", "topic": f"/market/level2:{A}, {B}"}, error(400, "topic is invalid")),
        ({"type": "subscribe", "topic": f"/market/level2:{A},"}, error(400, "topic is invalid")),
        ({"type": "subscribe", "topic": 5}, error(400, "topic is invalid")),
        ({"type": "subscribe", "topic": f"/market/level3:{A}"}, error(404, "topic does not exist")),
        (
            {"type": "subscribe", "topic": f"/market/level2:{A}", "privateChannel": True},
            error(403, "login is required"),
        ),
        ({"type": "openTunnel"}, error(415, "type is not supported")),
        ({"type": 3}, error(415, "command type is invalid")),
        ({}, error(415, "command type is invalid")),
    ],
)
def test_each_request_has_its_answer(request_frame: dict[str, Any], expected: dict[str, Any]) -> None:
    """The id comes back as text, whatever it was."""
    bench = Bench()
    conn = bench.connect()
    bench.sent.clear()
    bench.say(conn, id=7, **request_frame)

    assert [expected] == bench.frames()


@pytest.mark.parametrize("text", ["hello", "", "[", "[" * 100_000, "[1]", "5", '"Unrecognized"'])
def test_what_is_no_object_is_error_400(text: str) -> None:
    """The connection stays open."""
    bench = Bench()
    conn = bench.connect()
    bench.sent.clear()
    bench.say(conn, text)
    bench.say(conn, id=1, type="ping")

    assert [("error", 400), ("pong", None)] == [(frame["type"], frame.get("code")) for frame in bench.frames()]


def test_no_ack_without_response() -> None:
    """And a ping without an id is answered all the same."""
    bench = Bench()
    conn = bench.connect()
    bench.sent.clear()
    bench.say(conn, id=1, type="subscribe", topic=f"/market/level2:{A}")
    bench.say(conn, type="ping")

    assert ["pong"] == [frame["type"] for frame in bench.frames()]


@pytest.mark.parametrize("topic", ["/account/balance", "/spotMarket/tradeOrders", "/spotMarket/tradeOrdersV2"])
@pytest.mark.parametrize("unknown_symbol", ["silent", "error"])
def test_private_topics_need_a_private_token_that_says_so(topic: str, unknown_symbol: str) -> None:
    """``privateChannel`` on a token that was signed for; anything else is told to log in. They list no symbols."""
    bench = Bench(unknown_symbol=unknown_symbol)
    private, public = bench.owner(), bench.connect()
    bench.sent.clear()
    for conn, is_private, name in (
        *((private, True, topic), (private, False, topic), (public, True, topic), (public, False, topic)),
        (private, True, f"{topic}:x"),
    ):
        bench.say(conn, id="x", type="subscribe", topic=name, privateChannel=is_private, response=True)
    bench.say(private, id="x", type="unsubscribe", topic=topic, privateChannel=True, response=True)
    refused = error(403, "login is required", "x")

    assert [{"id": "x", "type": "ack"}, refused, error(404, "topic does not exist", "x")] == bench.frames(private)[:3]
    assert {"id": "x", "type": "ack"} == bench.frames(private)[3]
    assert [refused, refused] == bench.frames(public)


def test_an_unknown_symbol_can_be_an_error() -> None:
    """Setting: as in 2019, for the whole list."""
    bench = Bench(unknown_symbol="error")
    conn = bench.connect()
    bench.sent.clear()
    bench.say(conn, id="x", type="subscribe", topic=f"/market/level2:{A},NO-SUCH", response=True)
    bench.say(conn, id="y", type="subscribe", topic="/market/ticker:all", response=True)
    bench.run(20)

    assert error(404, "topic /market/level2:NO-SUCH is not found", "x") == bench.frames()[0]
    assert {"id": "y", "type": "ack"} == bench.frames()[1]
    assert [] == bench.deltas()


# --- the stream ---


def test_deltas_come_in_order_to_those_who_asked() -> None:
    """Under the topic of the single symbol; twice subscribed is once served."""
    bench = Bench()
    conn = bench.subscribed(A, B)
    bench.say(conn, id=2, type="subscribe", topic=f"/market/level2:{A}", response=True)
    other = bench.subscribed(B)
    bench.run(50)
    bench.say(conn, id=3, type="unsubscribe", topic=f"/market/level2:{A}")
    bench.run(50)

    assert [1, 2, 3, 4, 5] == bench.ends(A, conn)
    assert list(range(1, 11)) == bench.ends(B, conn) == bench.ends(B, other)
    assert [] == bench.ends(A, other)
    assert {} == bench.violations()


def test_a_delta_reads_as_the_venue_writes_it() -> None:
    """Both dialects, to the letter."""
    tick = Tick(A, 8, 9, (("1.50", "0", "8"),), (("2", "3", "9"), ("4", "5", "9")))

    assert (
        '{"topic":"/market/level2:AAA-USDT","type":"message","subject":"trade.l2update","data":{"changes":{"asks":'
        '[["2","3","9"],["4","5","9"]],"bids":[["1.50","0","8"]]},"sequenceEnd":9,"sequenceStart":8,'
        '"symbol":"AAA-USDT","time":77}}'
    ) == delta_2026(tick, 77)
    assert (
        '{"data":{"sequenceStart":8,"symbol":"AAA-USDT","changes":{"asks":[["2","3","9"],["4","5","9"]],'
        '"bids":[["1.50","0","8"]]},"sequenceEnd":9},"subject":"trade.l2update","topic":"/market/level2:AAA-USDT",'
        '"type":"message"}'
    ) == delta_2021(tick, 77)


def test_the_dialect_of_2021_has_no_time() -> None:
    """Setting."""
    bench = Bench(dialect="2021")
    bench.subscribed()
    bench.run(10)

    assert ["data", "subject", "topic", "type"] == list(bench.frames()[0])


def test_merged_ticks_keep_the_last_row_of_each_price() -> None:
    """And span all their sequences."""
    first = Tick(A, 1, 1, (("5", "1", "1"),), ())
    second = Tick(A, 2, 3, (("5", "2", "3"),), (("9", "1", "2"),))

    assert Tick(A, 1, 3, (("5", "2", "3"),), (("9", "1", "2"),)) == merged([first, second])


def test_a_ticker_is_the_touch_at_its_sequence() -> None:
    """Each 100 ms, when the book moved; by symbol and for all."""
    bench = Bench()
    bench.subscribed(A, channel="/market/ticker")
    everything = bench.subscribed("all", channel="/market/ticker")
    bench.run(305)
    data = bench.frames(1)[-1]["data"]
    truth = bench.market[A].book(int(data["sequence"]), 1)

    assert (truth.bids[0], truth.asks[0]) == (
        (data["bestBid"], data["bestBidSize"]),
        (data["bestAsk"], data["bestAskSize"]),
    )
    assert [100, 200, 300] == bench.times(1)
    assert {("trade.ticker", f"/market/ticker:{A}")} == {(one["subject"], one["topic"]) for one in bench.frames(1)}
    assert {(A, "/market/ticker:all"), (B, "/market/ticker:all")} == {
        (one["subject"], one["topic"]) for one in bench.frames(everything)
    }


def test_a_ticker_of_an_empty_side_reads_back_as_none() -> None:
    """An empty price is what our own decoder takes for no level."""
    text = ticker(f"/market/ticker:{A}", "trade.ticker", 5, None, ("3", "1"), 9)
    found = KuCoin().decode(text)

    assert isinstance(found, Ticker)
    assert found.ask is not None
    assert (None, "3") == (found.bid, str(found.ask.price.to_decimal()))


def test_our_own_books_are_kept_from_it() -> None:
    """The seeded market through the exchange into BookSync: equal to the truth, to the level."""
    market = Market(2, seed=5, profile="batches", rate=400)
    exchange = Exchange(market)
    symbol = next(iter(market))
    sync = BookSync("kucoin", symbol)
    answer = exchange.rest("POST", "/api/v1/bullet-public", {}, "", 0)
    assert isinstance(answer, Reply)
    conn = exchange.connect(f"/?token={json.loads(answer.body)['data']['token']}", 0)
    assert isinstance(conn, int)
    exchange.receive(conn, json.dumps({"id": 1, "type": "subscribe", "topic": f"/market/level2:{symbol}"}), 0)
    for ms in range(1, 2_000):
        exchange.advance(ms * MS)
        for sent in exchange.outbox():
            assert isinstance(sent.payload, str)
            sync.receive(sent.payload.encode())
        if ms == 500:
            path = f"/api/v1/market/orderbook/level2_100?symbol={symbol}"
            snapshot = exchange.rest("GET", path, {}, "", ms * MS)
            assert isinstance(snapshot, Reply)
            sync.receive_snapshot(snapshot.body, depth=100)
    view = sync.book.exact.view(20)
    truth = market[symbol].book(view.sequence, 20)

    assert (True, market[symbol].sequence) == (view.is_live, view.sequence)
    assert truth.bids == tuple((f"{one.price:f}", f"{one.size:f}") for one in view.bids)


# --- running ---


def test_equal_seeds_give_equal_runs() -> None:
    """Every frame and every ledger entry; another seed gives another run."""

    def run(seed: int) -> tuple[list[object], object]:
        bench = Bench([{"fault": "drop", "p": 0.1}, {"fault": "swap", "p": 0.1}], seed=seed)
        bench.subscribed(A, B)
        bench.run(2_000)
        return list(bench.sent), list(bench.exchange.ledger.entries)

    assert run(3) == run(3)
    assert run(3) != run(4)


def test_a_busy_market_leaves_others_their_turn() -> None:
    """However late the clock is, one call handles a bounded number of events; the rest stays due."""
    bench = Bench()
    bench.exchange.advance(bench.now_ns + 3_600_000 * MS)

    assert bench.exchange.next_ns < bench.now_ns + 60_000 * MS


def test_nothing_is_due_before_the_first_moment() -> None:
    """The market begins to move when the clock is first shown; then a timer is always set."""
    exchange = Exchange({})
    assert 0 == exchange.next_ns
    exchange.advance(5)
    assert 5 < exchange.next_ns < NEVER


def test_frames_to_nobody_are_no_error() -> None:
    """A connection that is gone, or never was."""
    bench = Bench()
    conn = bench.subscribed()
    bench.exchange.disconnected(conn, bench.now_ns)
    bench.exchange.disconnected(conn, bench.now_ns)
    bench.say(conn, "{}")
    bench.say(99, "{}")
    bench.run(100)

    assert [] == bench.sent
    assert 0 == bench.exchange.state()["connections"]


@pytest.mark.parametrize(
    ("manners", "problem"),
    [
        ({"nonsense": 1}, "no such setting nonsense; there is ping_interval_ms"),
        ({"ping_interval_ms": 0}, "are 1 or more"),
        ({"rest_delay_ms": -1}, "are 0 or more"),
        ({"dialect": "1999"}, "dialect is one of 2026, 2021"),
    ],
)
def test_a_setting_that_cannot_be_is_named(manners: dict[str, Any], problem: str) -> None:
    """At once, not when it is used."""
    with pytest.raises(UsageError, match=problem):
        Exchange({}, **manners)
