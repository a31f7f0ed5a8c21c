"""Faults of REST answers: each does what it says, and is written into the ledger."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest

from orderbook.errors import RateLimited
from orderbook.simulator.rest import Drop, Hang, Reply
from orderbook.venues.kucoin_rest import answer_problem
from tests.simulator_bench import BASE, BOOK_20, BOOK_FULL, MS, A, B, Bench, bench_with

# --- order book answers ---


@pytest.mark.parametrize(
    ("knobs", "sequence"),
    [({"by": 3}, 7), ({"ms": 45}, 5), ({"by": 7_000}, 0), ({"ms": 90_000}, 0), ({"by": 3, "nth": 2}, 10)],
)
def test_a_stale_snapshot_is_the_true_book_of_a_while_ago(knobs: dict[str, Any], sequence: int) -> None:
    """By sequences or by time, or as far back as it goes."""
    bench = bench_with("stale_snapshot", **knobs)
    bench.run(100)
    book = bench.book()
    truth = bench.market[A].book(int(book["sequence"]), 20)

    assert [list(row) for row in truth.bids] == book["bids"]
    assert BASE + sequence == int(book["sequence"])


def test_a_stale_snapshot_may_be_from_before_a_reset() -> None:
    """By time, the count of then."""
    bench = Bench([{"fault": "sequence_reset", "at_ms": 50, "base": 5}, {"fault": "stale_snapshot", "ms": 60}])
    bench.run(100)

    assert (str(BASE + 4), "11") == (bench.book()["sequence"], bench.book()["sequence"])


@pytest.mark.parametrize(("computed", "sequence"), [("early", 10), ("late", 15)])
def test_a_delayed_snapshot_is_of_the_request_or_of_the_answer(computed: str, sequence: int) -> None:
    """Early: the book of the request, told later. Late: the book of when it is told."""
    bench = bench_with("delayed_snapshot", ms=50, computed=computed)
    bench.run(100)
    reply = bench.call("GET", BOOK_20)

    assert BASE + sequence == int(json.loads(reply.body)["data"]["sequence"])
    assert (50 * MS if computed == "early" else 0) == reply.delay_ns
    assert {"delayed_snapshot": 1} == bench.ledger()


def test_a_shallow_snapshot_has_fewer_rows() -> None:
    """And says nothing of it."""
    book = bench_with("shallow_snapshot", rows=3).book()

    assert (3, 3) == (len(book["bids"]), len(book["asks"]))


@pytest.mark.parametrize(
    ("how", "is_so"),
    [
        ("empty", lambda book, _: book["bids"] == book["asks"] == []),
        ("bids", lambda book, _: book["bids"] == [] != book["asks"]),
        ("asks", lambda book, _: book["asks"] == [] != book["bids"]),
        ("unsorted", lambda book, true: book["bids"] == true["bids"][::-1]),
        ("crossed", lambda book, true: book["bids"] == true["asks"][::-1]),
        ("other", lambda book, true: book == true | {"bids": book["bids"]} and book["bids"] != true["bids"]),
        ("corrupt", lambda book, true: book["bids"][1:] == true["bids"][1:] and book["bids"] != true["bids"]),
        ("null", lambda book, _: book is None),
    ],
)
def test_a_snapshot_cannot_be(how: str, is_so: Callable[[Any, Any], bool]) -> None:
    """Once; the next one is sound."""
    bench = bench_with("bad_snapshot", how=how, scope=A)
    bench.market[B].truth.happen(129, 77)
    spoilt, true = bench.book(), bench.book()

    assert is_so(spoilt, true)
    assert {"bad_snapshot": 1} == bench.ledger()


def test_another_symbol_needs_to_exist() -> None:
    """Where there is only one, the answer holds no data."""
    bench = Bench([{"fault": "bad_snapshot", "how": "other"}], symbols=(A,))

    assert None is bench.get(BOOK_20)["data"]


# --- any answer ---


@pytest.mark.parametrize(
    ("fault", "knobs", "status", "content"),
    [
        ("rate_limited", {}, 429, b'"code":"429000"'),
        ("rate_limited", {"reset_ms": 400}, 429, b'"code":"429000"'),
        ("rest_error", {"code": "230005", "msg": "busy"}, 200, b'{"code":"230005","msg":"busy"}'),
        ("rest_error", {"status": 500}, 500, b'"code":"500000"'),
        ("html", {"status": 403}, 403, b"<title>403</title>"),
    ],
)
def test_something_else_is_answered(fault: str, knobs: dict[str, Any], status: int, content: bytes) -> None:
    """Once, and only where the path says so."""
    bench = bench_with(fault, path="level2_20", **knobs)
    others = bench.get("/api/v1/timestamp"), bench.signed("GET", BOOK_FULL).status
    reply, after = bench.call("GET", BOOK_20), bench.call("GET", BOOK_20)

    assert ("200000", 200, 200) == (others[0]["code"], others[1], after.status)
    assert (status, True) == (reply.status, content in reply.body)
    reset_ms = knobs.get("reset_ms")
    assert (None if reset_ms is None else str(reset_ms)) == reply.headers.get("gw-ratelimit-reset")
    assert ({fault: 1}, {}) == (bench.ledger(), bench.violations())


def test_bodies_are_cut_or_never_end() -> None:
    """Half of the JSON; or as many bytes as asked for."""
    bench = Bench([{"fault": "cut_body", "nth": 1}, {"fault": "big_body", "nth": 2, "bytes": 50_000}])
    whole, big = Bench().call("GET", BOOK_20).body, b""
    half, big = bench.call("GET", BOOK_20).body, bench.call("GET", BOOK_20).body

    assert (whole[: len(whole) // 2], 50_000) == (half, len(big))
    assert json.loads(big)["code"] == "200000"


def test_only_what_was_done_is_in_the_ledger() -> None:
    """The first of two answers that exclude each other; a late body is cut when it is told; a missing one is not."""
    late = {"fault": "delayed_snapshot", "computed": "late", "ms": 10, "nth": 1}
    bench = Bench([late, {"fault": "cut_body", "p": 1}, {"fault": "hang", "nth": 2}, {"fault": "html", "nth": 2}])
    body = bench.call("GET", BOOK_20).body
    silence = bench.exchange.rest("GET", BOOK_20, {}, "", bench.now_ns)

    assert (Hang(), False) == (silence, body.endswith(b"}"))
    assert {"delayed_snapshot": 1, "cut_body": 1, "hang": 1} == bench.ledger()


def test_two_faults_of_one_snapshot_add_up() -> None:
    """Stale and shallow, with two delays."""
    plan = (
        {"fault": "delayed_snapshot", "ms": 10},
        {"fault": "delayed_snapshot", "ms": 20},
        {"fault": "stale_snapshot", "by": 2},
        {"fault": "shallow_snapshot", "rows": 1},
    )
    bench = Bench(plan)
    bench.run(50)
    reply = bench.call("GET", BOOK_20)
    data = json.loads(reply.body)["data"]

    assert (30 * MS, str(BASE + 3), 1) == (reply.delay_ns, data["sequence"], len(data["bids"]))


def test_answers_are_slow_or_missing() -> None:
    """Late; never; or the connection is cut."""
    bench = Bench([{"fault": name, "nth": number} for number, name in enumerate(("slow", "hang", "cut"), 1)])
    answers = [bench.exchange.rest("GET", BOOK_20, {}, "", bench.now_ns) for _ in range(3)]

    assert isinstance(answers[0], Reply)
    assert (100 * MS, Hang(), Drop()) == (answers[0].delay_ns, *answers[1:])


@pytest.mark.parametrize(
    ("how", "is_so"),
    [
        ("empty", lambda data: data["instanceServers"] == []),
        ("downgrade", lambda data: data["instanceServers"][0]["endpoint"] == "http://example.invalid/"),
        ("moved", lambda data: data["instanceServers"][0]["endpoint"] == "http://example.invalid/"),
        ("no_ping", lambda data: "pingInterval" not in data["instanceServers"][0]),
        ("no_token", lambda data: "token" not in data),
    ],
)
def test_a_token_answer_lacks_something(how: str, is_so: Callable[[Any], bool]) -> None:
    """Once."""
    bench = bench_with("bad_token", how=how)
    answers = [bench.post("/api/v1/bullet-public")["data"] for _ in range(2)]

    assert [True, False] == [is_so(data) for data in answers]


def test_a_token_answer_that_lacks_two_things_lacks_both() -> None:
    """Entries add up; the same one twice is once too often, and no error."""
    plan = [{"fault": "bad_token", "how": how, "p": 1} for how in ("no_token", "no_ping", "no_token", "no_ping")]
    data = Bench(plan).post("/api/v1/bullet-public")["data"]

    assert "token" not in data
    assert "pingTimeout" not in data["instanceServers"][0]


def test_a_token_is_good_for_a_while_only() -> None:
    """The token of that answer, and no other; before its end it opens a connection."""
    bench = bench_with("token_life", ms=50, nth=[1, 2])
    short, late, usual = (bench.token() for _ in range(3))
    bench.run(49)
    in_time = bench.connect(short)
    bench.run(1)
    too_late = bench.connect(late)
    after = bench.connect(usual)
    bench.run(0)

    kinds = {conn: [frame["type"] for frame in bench.frames(conn)] for conn in (in_time, too_late, after)}
    assert {in_time: ["welcome"], too_late: ["error"], after: ["welcome"]} == kinds
    assert ({"token_life": 2}, {"bad_token": 1}) == (bench.ledger(), bench.violations())


def test_a_small_answer_inflates() -> None:
    """A thousandfold, to valid JSON with the true book; the next answer is as usual."""
    bench = bench_with("gzip_bomb", bytes=2_000_000)
    bomb, after = bench.call("GET", BOOK_20), bench.call("GET", BOOK_20)
    inflated = gzip.decompress(bomb.body)

    assert ("gzip", None) == (bomb.headers["content-encoding"], after.headers.get("content-encoding"))
    assert 500 * len(bomb.body) < 2_000_000 == len(inflated)
    assert json.loads(after.body) == json.loads(inflated)
    assert {"gzip_bomb": 1} == bench.ledger()
    assert bomb.body == bench_with("gzip_bomb", bytes=2_000_000).call("GET", BOOK_20).body, "no time in it"


@pytest.mark.parametrize("status", [403, 429])
def test_a_ban_is_for_every_request_and_ends(status: int) -> None:
    """From the request on that was struck; the page is one that our client takes for a ban."""
    bench = bench_with("banned", nth=2, ms=500, status=status, path="level2")
    before = bench.call("GET", BOOK_20).status
    struck = bench.call("GET", BOOK_20)
    bench.run(499)
    during = bench.call("GET", "/api/v1/timestamp")
    bench.run(1)
    after = bench.call("GET", BOOK_20)

    assert (200, status, status, 200) == (before, struck.status, during.status, after.status)
    assert struck.body == during.body
    error = answer_problem(struck.status, struck.body.decode(), struck.headers)
    assert isinstance(error, RateLimited)
    assert ("1015", 30_000) == (error.code, error.retry_ms)
    assert {"banned": 2} == bench.ledger()


def test_healing_ends_a_ban() -> None:
    """As it ends maintenance."""
    bench = bench_with("banned", ms=60_000)
    banned = bench.call("GET", BOOK_20).status
    bench.exchange.heal(bench.now_ns)

    assert (429, 200) == (banned, bench.call("GET", BOOK_20).status)


@pytest.mark.parametrize("fault", ["slow", "delayed_snapshot"])
def test_answers_take_their_time_within_bounds(fault: str) -> None:
    """From ``ms`` to ``ms + jitter_ms``, and not all the same."""
    bench = bench_with(fault, p=1, ms=40, jitter_ms=100)
    late = [bench.call("GET", BOOK_20).delay_ns for _ in range(200)]

    assert 40 * MS <= min(late) < 45 * MS
    assert 135 * MS < max(late) <= 140 * MS
    assert 190 < len(set(late))
