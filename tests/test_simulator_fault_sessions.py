"""Faults of connections, and of the venue as a whole: what a client sees of them, and the ledger."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orderbook.simulator import session
from orderbook.simulator.limits import Limits
from orderbook.simulator.rest import Reply
from orderbook.simulator.timeline import Abort, Close, Hole
from tests.simulator_bench import BASE, BOOK_20, BOOK_FULL, MS, A, B, Bench, bench_with

# --- the session ---


def test_the_upgrade_is_refused() -> None:
    """With an HTTP status."""
    bench = bench_with("refuse", status=502)
    answer = bench.upgrade(bench.token())

    assert isinstance(answer, Reply)
    assert (502, 1) == (answer.status, bench.connect())


@pytest.mark.parametrize(
    ("fault", "knobs", "kinds"),
    [
        ("token_expired", {}, ["error", Close(1000, "Bye")]),
        ("close_on_connect", {"code": 1012}, [Close(1012, "")]),
        ("lost_welcome", {}, []),
        ("late_welcome", {"ms": 15}, ["welcome"]),
        ("double_welcome", {}, ["welcome", "welcome"]),
    ],
)
def test_connections_begin_badly(fault: str, knobs: dict[str, Any], kinds: list[object]) -> None:
    """The second one is as it should be."""
    bench = bench_with(fault, **knobs)
    bench.connect()
    bench.run(14)
    early = len(bench.sent)
    bench.connect()
    bench.run(1)

    assert kinds == [json.loads(one)["type"] if isinstance(one, str) else one for one in bench.payloads(1)]
    assert ["welcome"] == [frame["type"] for frame in bench.frames(2)]
    assert (fault == "late_welcome") == (early == 0 and bool(kinds))
    assert ({fault: 1}, {}) == (bench.ledger(), bench.violations())


@pytest.mark.parametrize(
    ("fault", "knobs", "answer", "served"),
    [
        ("lost_ack", {}, [], {A, B}),
        ("late_ack", {"ms": 5}, ["ack"], {A, B}),
        ("wrong_ack", {}, ["ack"], {A, B}),
        ("error_ack", {"code": 509, "text": "system busy"}, ["error"], set()),
        ("partial_ack", {"keep": 1}, ["ack"], {A}),
        ("partial_ack", {}, ["ack"], set()),
    ],
)
def test_acknowledgements_go_wrong(fault: str, knobs: dict[str, Any], answer: list[str], served: set[str]) -> None:
    """Lost, late, an error instead, or true of a part only."""
    bench = bench_with(fault, **knobs)
    conn = bench.connect()
    bench.sent.clear()
    bench.say(conn, id=1, type="subscribe", topic=f"/market/level2:{A},{B}", response=True)
    bench.run(30)
    kinds = [frame["type"] for frame in bench.frames()]

    assert answer == [kind for kind in kinds if kind != "message"]
    assert served == {symbol for symbol in (A, B) if bench.deltas(symbol)}
    assert {fault: 1} == bench.ledger()


def test_an_ack_that_nobody_asked_for_cannot_be_lost() -> None:
    """Nor late, nor wrong: what had no effect is not in the ledger."""
    bench = Bench([{"fault": name, "p": 1} for name in ("lost_ack", "late_ack", "wrong_ack")])
    bench.say(bench.connect(), id=1, type="subscribe", topic=f"/market/level2:{A}")

    assert {} == bench.ledger()


def test_an_ack_has_the_id_of_nobody() -> None:
    """Whoever waits for his own waits on."""
    bench = bench_with("wrong_ack", nth=1)
    conn = bench.connect()
    for number in (1, 2):
        bench.say(conn, id=number, type="subscribe", topic=f"/market/level2:{A}", response=True)
    ids = [frame["id"] for frame in bench.frames() if frame["type"] == "ack"]

    assert (13, "2") == (len(ids[0]), ids[1])


def test_one_ping_is_answered_by_a_storm() -> None:
    """The same pong again and again; the next ping is answered once."""
    bench = bench_with("pong_storm", count=7)
    conn = bench.connect()
    bench.sent.clear()
    bench.say(conn, id="1", type="ping")
    bench.say(conn, id="2", type="ping")

    assert [("pong", "1")] * 7 + [("pong", "2")] == [(frame["type"], frame["id"]) for frame in bench.frames()]
    assert {"pong_storm": 1} == bench.ledger()


@pytest.mark.parametrize("fault", ["late_pong", "late_ack", "late_welcome"])
def test_lateness_has_bounds(fault: str) -> None:
    """From ``ms`` to ``ms + jitter_ms``, and not all the same."""
    bench = Bench([{"fault": fault, "p": 1, "ms": 40, "jitter_ms": 100}], limits=Limits(connects_max=1_000))
    late = []
    for _ in range(40):
        began = bench.now_ns // MS - 1_000
        conn = bench.connect()
        if fault != "late_welcome":
            bench.run(200)
            began = bench.now_ns // MS - 1_000
        if fault == "late_pong":
            bench.say(conn, id=1, type="ping")
        elif fault == "late_ack":
            bench.say(conn, id=1, type="subscribe", topic="/market/level2:XXX-YYY", response=True)
        bench.run(200)
        kinds = [frame["type"] for frame in bench.frames(conn)]
        late.append(bench.times(conn)[kinds.index(fault.removeprefix("late_"))] - began)

    assert 40 == len(late)
    assert 40 <= min(late) < 60
    assert 120 < max(late) <= 140


@pytest.mark.parametrize(
    ("fault", "ids"), [("lost_pong", ["2"]), ("late_pong", ["2", "1"]), ("wrong_pong", [None, "2"])]
)
def test_pongs_go_wrong(fault: str, ids: list[str | None]) -> None:
    """Lost, late, or with another id."""
    bench = bench_with(fault)
    conn = bench.connect()
    bench.sent.clear()
    bench.say(conn, id="1", type="ping")
    bench.say(conn, id="2", type="ping")
    bench.run(100)

    assert ids == [frame["id"] if frame["id"] in ("1", "2") else None for frame in bench.frames()]
    assert {fault: 1} == bench.ledger()


# --- at a moment ---


@pytest.mark.parametrize(
    ("knobs", "last"),
    [
        ({}, Abort()),
        ({"how": "close"}, Close(1001, "")),
        ({"how": "close", "code": 1000, "reason": "Bye"}, Close(1000, "Bye")),
    ],
)
def test_connections_are_ended(knobs: dict[str, Any], last: object) -> None:
    """At the moment; nothing comes after it."""
    bench = bench_with("disconnect", at_ms=25, **knobs)
    bench.subscribed()
    bench.run(100)

    assert ([1, 2], last, 25) == (bench.ends(), bench.payloads()[-1], bench.times()[-1])
    assert {"disconnect": 1} == bench.ledger()


def test_a_closing_handshake_never_ends() -> None:
    """The code is said, and that the rest will not come; the exchange sends nothing after it."""
    bench = bench_with("slow_close", at_ms=25, code=1012, reason="later")
    bench.subscribed()
    bench.run(100)

    end = Close(1012, "later", is_completed=False)
    assert ([1, 2], end, 25) == (bench.ends(), bench.payloads()[-1], bench.times()[-1])
    assert {"slow_close": 1} == bench.ledger()


def test_disconnects_come_again_and_again() -> None:
    """Every so often, so many times; each hits whoever is there."""
    bench = bench_with("disconnect", at_ms=10, every_ms=20, times=3)
    for _ in range(8):
        bench.connect()
        bench.run(10)

    ended = [(conn, at) for conn, at, payload in bench.sent if payload == Abort()]
    assert [(1, 10), (2, 30), (3, 30), (4, 50), (5, 50)] == ended


@pytest.mark.parametrize(
    ("scope", "ended"), [("all", [1, 2, 3]), ("connection:2", [2]), ("connection:9", []), (A, [1, 3]), ([B], [2])]
)
def test_moments_have_a_scope(scope: object, ended: list[int]) -> None:
    """All connections, one, or those of a symbol."""
    bench = bench_with("disconnect", at_ms=25, scope=scope)
    for symbol in (A, B, A):
        bench.subscribed(symbol)
    bench.run(30)

    assert ended == [conn for conn, _, payload in bench.sent if payload == Abort()]


@pytest.mark.parametrize(
    ("on", "nth", "received"),
    [
        ("connect", 1, ["welcome", Abort()]),
        ("message", 2, ["welcome", "pong", Abort()]),
        ("ack", 1, ["welcome", "pong", Abort()]),
        ("delta", 2, ["welcome", "pong", "ack", "message", Abort()]),
    ],
)
def test_moments_can_be_tied_to_messages(on: str, nth: int, received: list[object]) -> None:
    """The link goes at any step of a subscription."""
    bench = Bench([{"fault": "disconnect", "on": on, "nth": nth}])
    conn = bench.connect()
    bench.say(conn, id=1, type="ping")
    bench.say(conn, id=2, type="subscribe", topic=f"/market/level2:{A}", response=True)
    bench.run(50)
    kinds = [json.loads(one)["type"] if isinstance(one, str) else one for one in bench.payloads()]

    # What was on its way with the delta itself may still be among them.
    assert received == [kind for kind in kinds if kind != "message" or on == "delta"]


def test_a_black_hole_answers_nothing() -> None:
    """Pings, requests: no word, no close; it does not count as an open connection."""
    bench = bench_with("black_hole", at_ms=15)
    conn = bench.subscribed()
    bench.run(50)
    bench.say(conn, id=1, type="ping")
    bench.run(120_000)

    assert [1] == bench.ends()
    assert Hole() == bench.payloads()[-1]
    assert (0, {}) == (bench.exchange.state()["connections"], bench.violations())


def test_a_stall_delivers_everything_late() -> None:
    """In order, all at once."""
    bench = bench_with("stall", at_ms=15, ms=30)
    bench.subscribed()
    bench.run(60)

    assert ([1, 2, 3, 4, 5, 6], [10, 45, 45, 45, 50, 60]) == (bench.ends(), bench.times())


def test_a_stall_without_end_is_a_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    """No buffer is without bound."""
    monkeypatch.setattr(session, "STALL_MAX", 5)
    bench = bench_with("stall", at_ms=15, ms=100_000)
    bench.subscribed()
    bench.run(200)

    assert ([1], Abort(), 70) == (bench.ends(), bench.payloads()[-1], bench.times()[-1])


def test_a_close_waits_for_the_end_of_a_stall_and_a_reset_does_not() -> None:
    """What was held back comes before an orderly end, and is lost in a reset."""
    for how, ends, at in (("close", [1, 2], 35), ("abort", [1], 25)):
        bench = Bench([{"fault": "stall", "at_ms": 15, "ms": 20}, {"fault": "disconnect", "at_ms": 25, "how": how}])
        bench.subscribed()
        bench.run(100)
        assert (ends, at) == (bench.ends(), bench.times()[-1])


def test_an_answer_on_its_way_to_one_who_left_is_lost() -> None:
    """A late pong of a connection that is gone or closed goes nowhere."""
    bench = Bench([{"fault": "late_pong", "p": 1, "ms": 50}, {"fault": "disconnect", "at_ms": 20, "how": "close"}])
    first, second = bench.connect(), bench.connect()
    bench.say(first, id=1, type="ping")
    bench.say(second, id=1, type="ping")
    bench.exchange.disconnected(first, bench.now_ns)
    bench.run(100)

    assert [["welcome"], ["welcome"]] == [[frame["type"] for frame in bench.frames(conn)] for conn in (first, second)]


def test_an_error_comes_out_of_nowhere() -> None:
    """With the connection's id; the stream goes on."""
    bench = bench_with("error_frame", at_ms=15)
    bench.subscribed()
    bench.run(20)

    assert {"id": "me", "type": "error", "code": 500, "data": "system error"} == bench.frames()[1]
    assert [1, 2] == bench.ends()


@pytest.mark.parametrize("close", [False, True])
@pytest.mark.parametrize(("knob", "base"), [({"base": 5}, 5), ({"back": 2}, BASE + 1), ({"back": 10**9}, 0)])
def test_the_venue_counts_anew(knob: dict[str, int], base: int, close: bool) -> None:
    """Far away or near, with or without closing the connections; of one symbol; the truth before stays readable."""
    bench = bench_with("sequence_reset", at_ms=35, close=close, scope=A, **knob)
    bench.subscribed(A, B)
    bench.run(50)

    assert [1, 2, 3] + ([] if close else [base + 1 - BASE, base + 2 - BASE]) == bench.ends(A)
    assert (Close(1000, "Bye") in bench.payloads(), len(bench.ends(B))) == (close, 3 if close else 5)
    assert (1, BASE + 3) == (bench.market[A].epoch, bench.market[A].book(epoch=0).sequence)
    assert {"sequence_reset": 1} == bench.ledger()


def test_a_reset_of_all_resets_each() -> None:
    """Without a scope; tied to a message, only that message's symbol."""
    bench = Bench([{"fault": "sequence_reset", "at_ms": 5}])
    bench.run(5)
    tied = Bench([{"fault": "sequence_reset", "on": "delta", "nth": 1}])
    tied.subscribed(B)
    tied.run(10)

    assert [1, 1] == [source.epoch for source in bench.market.values()]
    assert [0, 1] == [source.epoch for source in tied.market.values()]


def test_maintenance_closes_everything_for_a_while() -> None:
    """Connections closed with a code, requests and upgrades refused with 503, then all is well, counted anew."""
    bench = bench_with("maintenance", at_ms=25, ms=100, base=7)
    bench.subscribed()
    token = bench.token()
    bench.run(50)
    refused, status = bench.upgrade(token), bench.get("/api/v1/status")["data"]["status"]

    assert isinstance(refused, Reply)
    assert (Close(1012, ""), "close") == (bench.payloads()[-1], status)
    assert (503, 503) == (refused.status, bench.call("GET", BOOK_20).status)
    bench.run(100)
    assert (200, 2) == (bench.call("GET", BOOK_20).status, bench.connect(token))
    assert 7 < int(bench.book()["sequence"]) < BASE


def test_a_symbol_is_delisted_and_comes_back() -> None:
    """No deltas, tickers or snapshots, trading disabled; after its time, all of it again."""
    bench = bench_with("delist", at_ms=25, ms=1_000, scope=A)
    bench.subscribed(A, B)
    bench.subscribed(A, channel="/market/ticker")
    bench.run(500)

    assert ([1, 2], 50) == (bench.ends(A), len(bench.ends(B)))
    assert [] == bench.frames(2)
    assert "900001" == bench.get(BOOK_20)["code"]
    assert [False, True] == [one["enableTrading"] for one in bench.get("/api/v2/symbols")["data"]]
    bench.run(1_000)
    assert "200000" == bench.get(BOOK_20)["code"]
    assert bench.ends(A)[-1] == 150


def test_the_venue_clock_can_be_wrong() -> None:
    """Time answers, snapshots and the window of signatures move together."""
    bench = bench_with("clock_skew", ms=-60_000)
    before = bench.exchange.common.wall_offset_ns // MS + 1_000
    bench.run(0)
    headers = bench.signature("GET", BOOK_FULL, ahead_ms=60_000)

    assert before - 60_000 == bench.get("/api/v1/timestamp")["data"] == bench.book()["time"]
    assert "400002" == json.loads(bench.call("GET", BOOK_FULL, headers).body)["code"]
    assert 200 == bench.signed("GET", BOOK_FULL).status


def test_maintenance_may_leave_the_count_as_it_is() -> None:
    """Without a base the venue goes on counting where it stood."""
    bench = bench_with("maintenance", at_ms=25, ms=100)
    bench.subscribed()
    bench.run(150)

    assert BASE < int(bench.book()["sequence"])


def test_a_connection_ends_once() -> None:
    """Whatever strikes it afterwards finds nothing to end."""
    bench = Bench()
    conn = bench.connect()
    session = bench.exchange.sessions[conn]
    session.end(bench.now_ns, Abort())
    session.end(bench.now_ns, Abort())
    bench.run(1)

    assert 1 == bench.payloads(conn).count(Abort())


def test_old_tokens_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """A venue that runs for weeks keeps a bounded number."""
    monkeypatch.setattr("orderbook.simulator.common._TOKENS_MAX", 2)
    bench = Bench()
    tokens = [bench.token() for _ in range(3)]
    answers = [isinstance(bench.upgrade(token), Reply) for token in tokens]
    bench.run(10)

    assert [False, False, False] == answers, "told after the upgrade"
    assert [["error"], ["welcome"], ["welcome"]] == [[one["type"] for one in bench.frames(conn)] for conn in (1, 2, 3)]


def test_a_symbol_that_is_not_traded_cannot_count_anew() -> None:
    """A fault tied to the acknowledgement of such a symbol strikes nobody."""
    bench = bench_with("sequence_reset", on="ack", nth=1, base=7)
    bench.subscribed("XXX-YYY")

    assert [0, 0] == [source.epoch for source in bench.market.values()]
    assert {} == bench.ledger()
