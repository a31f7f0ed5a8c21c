"""The REST side of the simulated venue: weights, signatures, envelopes, and books that are the truth."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from orderbook.errors import Refused
from orderbook.secret import Credentials
from orderbook.simulator.exchange import Exchange
from orderbook.simulator.limits import Limits, Quota
from orderbook.simulator.rest import Reply
from orderbook.venues.kucoin_auth import signed_headers
from orderbook.venues.kucoin_rest import answer_problem
from orderbook.venues.rest import RestRequest
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


REFUSED: Final[list[tuple[Credentials | None, int, dict[str, Any], str, str]]] = [
    (None, 0, {}, "400001", "give key, secret and passphrase"),
    (KEYS, -5_001, {}, "400002", "clock right"),
    (Credentials.of("other", "secret", "passphrase"), 0, {}, "400003", "check the API key"),
    (Credentials.of("key", "secret", "wrong"), 0, {}, "400004", "check the passphrase"),
    (KEYS, 0, {"key_addresses": ("203.0.113.7",)}, "400006", "public address to the key's list"),
    (KEYS, 0, {"key_permissions": ("Spot",)}, "400007", "General permission"),
    (Credentials.of("key", "secret", "passphrase", version=2), 0, {}, "400008", "version"),
]
"""Key, ms that the client's clock is ahead, settings of the venue; its code, and what our error says to do."""


@pytest.mark.parametrize("target", [BOOK_FULL, "/api/v1/orders?status=active", "/api/v1/bullet-private"])
@pytest.mark.parametrize(("keys", "ahead_ms", "manners", "code", "remedy"), REFUSED)
def test_each_refusal_of_a_key_is_one_clear_error(
    target: str, keys: Credentials | None, ahead_ms: int, manners: dict[str, Any], code: str, remedy: str
) -> None:
    """Whatever was signed: the code of the venue, and our typed error: what to do, and nothing of the key."""
    bench = Bench(**manners)
    method = "POST" if "bullet" in target else "GET"
    headers = {} if keys is None else bench.signature(method, target, keys, ahead_ms=ahead_ms)
    reply = bench.call(method, target, headers)
    problem = answer_problem(reply.status, reply.body.decode(), reply.headers)

    assert isinstance(problem, Refused)
    assert code == problem.code == json.loads(reply.body)["code"]
    assert remedy in str(problem)
    assert not [part for part in ("wrong", "passphrase=", "secret=") if part in str(problem)]


def test_a_signature_that_was_changed_on_its_way_is_one_clear_error() -> None:
    """The seventh refusal: the key is right, and the signature is of something else."""
    bench = Bench()
    reply = bench.call("GET", BOOK_FULL, bench.signature("GET", "/api/v1/orders"))
    problem = answer_problem(reply.status, reply.body.decode(), reply.headers)

    assert isinstance(problem, Refused)
    assert "400005" == problem.code
    assert "rewrites requests" in str(problem)


def test_a_key_that_is_used_from_where_it_may_be() -> None:
    """This machine is among its addresses, or none is named."""
    for addresses in ((), ("203.0.113.7", "127.0.0.1")):
        assert 200 == Bench(key_addresses=addresses).signed("GET", BOOK_FULL).status


def test_a_key_of_version_2() -> None:
    """Signed alike; only the header's value differs."""
    keys = Credentials.of("key", "secret", "passphrase", version=2)
    exchange = Exchange(Bench().market, credentials=keys)
    request = RestRequest("POST", "/api/v1/bullet-private")
    headers = signed_headers(keys, exchange.common.wall_ms(0), request)
    answer = exchange.rest("POST", request.target, headers, "", 0)
    newer = signed_headers(KEYS, exchange.common.wall_ms(0), request)

    assert isinstance(answer, Reply)
    assert 200 == answer.status
    assert {"KC-API-KEY-VERSION": ("2", "3")} == {
        name: (value, newer[name]) for name, value in headers.items() if value != newer[name]
    }


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
