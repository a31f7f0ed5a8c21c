"""The REST side of the simulated venue: weights, signatures, envelopes, and books that are the truth."""

from __future__ import annotations

import json

import pytest

from orderbook.secret import Credentials
from orderbook.simulator.exchange import Exchange
from orderbook.simulator.limits import Limits, Quota
from orderbook.simulator.rest import Reply
from tests.simulator_bench import BASE, BOOK_20, BOOK_FULL, KEYS, MS, A, B, Bench


def test_the_weight_window_begins_with_its_first_request() -> None:
    """Headers tell the pool, what is left and the ms until the window ends; beyond it 429000."""
    bench = Bench(limits=Limits(public_weight_max=5))
    bench.run(123)
    replies = [bench.call("GET", BOOK_20)]
    bench.run(10_000)
    replies += [bench.call("GET", BOOK_20), bench.call("GET", BOOK_20)]
    bench.run(20_000)
    replies.append(bench.call("GET", BOOK_20))
    headers = [
        tuple(reply.headers[f"gw-ratelimit-{name}"] for name in ("limit", "remaining", "reset")) for reply in replies
    ]

    assert [200, 200, 429, 200] == [reply.status for reply in replies]
    assert [("5", "3", "30000"), ("5", "1", "20000"), ("5", "1", "20000"), ("5", "3", "30000")] == headers
    assert "429000" == json.loads(replies[2].body)["code"]
    assert {"weight_public": 1} == bench.violations()


def test_a_quota_that_waited_the_told_time_is_new() -> None:
    """The time until the reset is rounded up."""
    quota = Quota(2, 1)
    quota.take(2, 0)
    share = quota.take(1, 1)

    assert (False, 1) == (share.is_granted, share.reset_ms)
    assert quota.take(1, 1 + share.reset_ms * MS).is_granted


@pytest.mark.parametrize(
    ("method", "target", "status", "code"),
    [
        ("GET", "/", 404, "404"),
        ("GET", "/api/v1/market/orderbook/level2?symbol=AAA-USDT", 404, "404"),
        ("GET", "/api/v1/bullet-public", 405, "405000"),
        ("POST", BOOK_20, 405, "405000"),
        ("GET", "/api/v1/market/orderbook/level2_100", 400, "400100"),
        ("GET", "/api/v1/market/orderbook/level2_100?symbol=NO-SUCH", 200, "900001"),
        ("GET", "/api/v2/symbols/NO-SUCH", 200, "900001"),
        ("GET", BOOK_FULL, 401, "400001"),
        ("POST", "/api/v1/bullet-private", 401, "400001"),
    ],
)
def test_each_mistake_has_its_envelope(method: str, target: str, status: int, code: str) -> None:
    """The code is a text here."""
    reply = Bench().call(method, target)

    assert (status, code) == (reply.status, json.loads(reply.body)["code"])


@pytest.mark.parametrize(
    ("keys", "ahead_ms", "code"),
    [
        (KEYS, 0, "200000"),
        (KEYS, 5_000, "200000"),
        (KEYS, -5_001, "400002"),
        (Credentials.of("other", "secret", "passphrase"), 0, "400003"),
        (Credentials.of("key", "secret", "wrong"), 0, "400004"),
        (Credentials.of("key", "wrong", "passphrase"), 0, "400004"),
    ],
)
def test_signatures_are_verified(keys: Credentials, ahead_ms: int, code: str) -> None:
    """Clock, key, passphrase: each mistake has its own code."""
    assert code == json.loads(Bench().signed("GET", BOOK_FULL, keys=keys, ahead_ms=ahead_ms).body)["code"]


def test_without_a_key_of_its_own_nobody_is_let_in() -> None:
    """Every signed request is refused."""
    answer = Exchange(Bench().market).rest("GET", BOOK_FULL, {}, "", 0)

    assert isinstance(answer, Reply)
    assert (401, "400003") == (answer.status, json.loads(answer.body)["code"])


def test_a_signature_for_another_request_is_refused() -> None:
    """It covers path and query."""
    bench = Bench()
    headers = bench.signature("GET", BOOK_FULL)
    codes = [json.loads(bench.call("GET", path, headers).body)["code"] for path in (BOOK_FULL, BOOK_FULL + "&a=1")]

    assert ["200000", "400005"] == codes


def test_snapshots_are_the_truth_of_the_moment() -> None:
    """20 levels, all of them, and the touch: rows are best first, the sequence is a text, and no symbol is named."""
    bench = Bench()
    bench.run(70)
    truth = bench.market[A].book()
    partial = bench.book()
    full = json.loads(bench.signed("GET", BOOK_FULL).body)["data"]
    touch = bench.book(f"/api/v1/market/orderbook/level1?symbol={A}")

    assert {"time": 1_767_690_001_070, "sequence": str(BASE + 7)} == {key: partial[key] for key in ("time", "sequence")}
    assert [list(map(list, truth.bids))[:20], list(map(list, truth.asks))[:20]] == [partial["bids"], partial["asks"]]
    assert (30, 30) == (len(full["bids"]), len(full["asks"]))
    assert [str(BASE + 7), *truth.bids[0], *truth.asks[0]] == [
        touch[key] for key in ("sequence", "bestBid", "bestBidSize", "bestAsk", "bestAskSize")
    ]


def test_symbols_carry_the_rules() -> None:
    """All of them, or one."""
    bench = Bench()
    listed = bench.get("/api/v2/symbols")["data"]

    assert [A, B] == [one["symbol"] for one in listed]
    assert ("1", "1", True) == tuple(listed[0][key] for key in ("priceIncrement", "baseIncrement", "enableTrading"))
    assert listed[1] == bench.get(f"/api/v2/symbols/{B}")["data"]


def test_time_and_status() -> None:
    """The venue's clock in ms, and that it is open."""
    bench = Bench()

    assert {"code": "200000", "data": 1_767_690_001_000} == bench.get("/api/v1/timestamp")
    assert "open" == bench.get("/api/v1/status")["data"]["status"]


def test_delays_are_settings() -> None:
    """Every REST answer and every frame takes its time; frames keep their order."""
    bench = Bench(rest_delay_ms=50, link_delay_ms=7)
    bench.subscribed()
    bench.run(38)

    assert 50 * MS == bench.call("GET", BOOK_20).delay_ns
    assert ([17, 27, 37], [1, 2, 3]) == (bench.times()[-3:], bench.ends())
