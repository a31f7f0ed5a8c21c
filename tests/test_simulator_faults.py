"""Faults as data: each does on the wire what it says, is written into the ledger, and leaves the truth alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orderbook.errors import FrameError, UsageError
from orderbook.simulator import damage
from orderbook.simulator.faults import FAULTS, FaultPlan
from orderbook.simulator.injector import ENTRIES_MAX, Ledger
from orderbook.simulator.rest import Drop, Hang, Reply
from orderbook.simulator.timeline import Abort, Binary, Close, Hole
from orderbook.simulator.truth import Tick
from orderbook.venues.kucoin import KuCoin
from tests.simulator_bench import BASE, BOOK_20, BOOK_FULL, MS, A, B, Bench


def bench_with(fault: str, **entry: Any) -> Bench:
    """A bench on which this goes wrong."""
    return Bench([{"fault": fault, **entry}])


# --- plans ---


@pytest.mark.parametrize(
    ("plan", "problem"),
    [
        ("{", "the fault plan is not JSON: "),
        ("[" * 100_000, "the fault plan is not JSON: "),
        ("{}", r"not a list; write \[{"),
        ("3", "not a list"),
        ('["drop"]', "entry 1 is not an object"),
        ("[{}]", r"entry 1 \(None\): no such fault; drop, duplicate"),
        ('[{"fault": "drop"}, {"fault": "drp"}]', r"entry 2 \('drp'\): no such fault; did you mean drop\?"),
        ('[{"fault": ["drop"]}]', "no such fault"),
        ('[{"fault": "drop", "lag": 1}]', "no such knob 'lag'; it has run, at_ms"),
        ('[{"fault": "drop", "p": 1.5}]', "p is a probability, from 0 to 1"),
        ('[{"fault": "drop", "p": -1}]', "p is a number from 0 on, not -1"),
        ('[{"fault": "drop", "p": NaN}]', "p is a number from 0 on, not nan"),
        ('[{"fault": "drop", "p": "often"}]', "p is a number from 0 on, not 'often'"),
        ('[{"fault": "drop", "run": true}]', "run is a number from 1 on, not True"),
        ('[{"fault": "drop", "run": 1.5}]', "run is a number from 1 on, not 1.5"),
        ('[{"fault": "drop", "run": null}]', "run is a number from 1 on, not None"),
        ('[{"fault": "drop", "nth": 0}]', "nth is a number from 1 on, or a list of them, not 0"),
        ('[{"fault": "drop", "nth": [1, "2"]}]', "nth is a number from 1 on"),
        ('[{"fault": "drop", "scope": ""}]', 'scope is "all", a symbol'),
        ('[{"fault": "drop", "scope": []}]', 'scope is "all", a symbol'),
        ('[{"fault": "drop", "scope": "connection:0"}]', 'scope is "all", a symbol'),
        ('[{"fault": "drop", "on": "delta"}]', "it strikes at messages of its own"),
        ('[{"fault": "drop", "every_ms": 5}]', "it strikes at messages of its own"),
        ('[{"fault": "garble", "how": "wildly"}]', "how is a text of cut, flip, utf8, binary, nest, extra, not 'wildly'"),
        ('[{"fault": "rest_error", "msg": 3}]', "msg is a text, not 3"),
        ('[{"fault": "sequence_reset", "close": 1}]', "close is true or false, not 1"),
        ('[{"fault": "stale_snapshot"}]', r"say either by \(sequences\) or ms"),
        ('[{"fault": "stale_snapshot", "by": 1, "ms": 1}]', r"say either by \(sequences\) or ms"),
        ('[{"fault": "disconnect", "for_ms": 5}]', "it strikes at a moment; for_ms means nothing to it"),
        ('[{"fault": "disconnect", "nth": 1, "on": "pong"}]', "on is one of delta, message, connect, ack"),
        ('[{"fault": "disconnect", "nth": 1, "every_ms": 5}]', "say either every_ms, or which messages"),
    ],
)  # fmt: skip
def test_a_wrong_plan_is_refused_with_its_entry(plan: str, problem: str) -> None:
    """Before anything runs."""
    with pytest.raises(UsageError, match=problem):
        FaultPlan.parse(plan)


def test_a_plan_is_a_list_or_an_object_that_holds_it() -> None:
    """Both read the same."""
    entries = '[{"fault": "drop", "nth": [2, 3], "scope": ["A-B"]}]'

    (one,), (other,) = FaultPlan.parse(entries).faults, FaultPlan.parse(f'{{"faults": {entries}}}').faults
    assert one == other


def test_a_symbol_that_is_not_there_is_refused() -> None:
    """When the exchange is made, and when a plan is added."""
    plan = [{"fault": "drop", "scope": "NO-SUCH"}]

    with pytest.raises(UsageError, match=r"entry 1 \(drop\): no symbol NO-SUCH here"):
        Bench(plan)
    bench = Bench()
    with pytest.raises(UsageError, match="no symbol NO-SUCH here"):
        bench.exchange.add_faults(FaultPlan(plan), bench.now_ns)


# --- when and to whom ---


@pytest.mark.parametrize(
    ("entry", "lost"),
    [
        ({}, [1]),
        ({"nth": 3}, [3]),
        ({"nth": [2, 5]}, [2, 5]),
        ({"every": 4}, [4, 8]),
        ({"every": 4, "times": 1}, [4]),
        ({"p": 1}, list(range(1, 11))),
        ({"p": 1, "times": 3}, [1, 2, 3]),
        ({"p": 0}, []),
        ({"at_ms": 35}, [4]),
        ({"at_ms": 35, "for_ms": 30}, [4, 5, 6]),
        ({"at_ms": 35, "p": 1}, list(range(4, 11))),
        ({"nth": 2, "run": 3}, [2, 3, 4]),
        ({"nth": 2, "scope": B}, []),
        ({"nth": 2, "scope": [A, B]}, [2]),
        ({"nth": 2, "scope": "connection:1"}, [2]),
        ({"nth": 2, "scope": "connection:2"}, []),
    ],
)
def test_triggers_select(entry: dict[str, Any], lost: list[int]) -> None:
    """By number, by chance, by time, by scope; the ledger holds the very sequences."""
    bench = bench_with("drop", **entry)
    bench.subscribed()
    bench.run(100)

    assert [number for number in range(1, 11) if number not in lost] == bench.ends()
    assert [f"{BASE + number}..{BASE + number}" for number in lost] == [
        one.detail for one in bench.exchange.ledger.entries
    ]


def test_taking_a_fault_out_leaves_the_others_as_they_were() -> None:
    """Each entry has random numbers of its own; equal entries have different ones."""

    def lost(*plan: dict[str, Any]) -> set[int]:
        bench = Bench(plan)
        bench.subscribed()
        bench.run(5_000)
        return set(range(1, 501)) - set(bench.ends())

    drop, late = {"fault": "drop", "p": 0.05}, {"fault": "wrong_symbol", "p": 0.5, "symbol": A}
    alone = lost(drop)

    assert 10 < len(alone) < 50
    assert alone == lost(drop, late) == lost(late, drop)
    assert alone < lost(drop, drop)


def test_a_plan_added_later_counts_from_then() -> None:
    """Its times begin when it is given."""
    bench = Bench()
    bench.subscribed()
    bench.run(50)
    bench.exchange.add_faults(FaultPlan([{"fault": "drop", "at_ms": 15}]), bench.now_ns)
    bench.run(50)

    assert [1, 2, 3, 4, 5, 6, 8, 9, 10] == bench.ends()


def test_the_ledger_counts_for_ever_and_remembers_the_last() -> None:
    """By fault, and by symbol."""
    ledger = Ledger()
    for number in range(ENTRIES_MAX + 5):
        ledger.note(number, "drop", symbol=A if number else B)

    assert (ENTRIES_MAX + 4, 1, ENTRIES_MAX + 5) == (
        ledger.count("drop", A),
        ledger.count("drop", B),
        ledger.count("drop"),
    )
    assert ENTRIES_MAX == len(ledger.entries)


# --- the stream ---


@pytest.mark.parametrize(
    ("fault", "entry", "ends"),
    [
        ("mute", {"at_ms": 15, "for_ms": 30}, [1, 5, 6]),
        ("mute", {"at_ms": 25}, [1, 2]),
        ("duplicate", {"nth": 2}, [1, 2, 2, 3, 4, 5, 6]),
        ("duplicate", {"nth": 2, "lag": 2}, [1, 2, 3, 4, 2, 5, 6]),
        ("swap", {"nth": 2}, [1, 3, 2, 4, 5, 6]),
        ("swap", {"nth": 2, "by": 3}, [1, 3, 4, 5, 2, 6]),
        ("swap", {"nth": [2, 3]}, [1, 4, 2, 3, 5, 6]),
        ("swap", {"nth": 2, "by": 50, "hold_ms": 25}, [1, 3, 4, 2, 5, 6]),
        ("delay", {"nth": 2, "ms": 15}, [1, 3, 2, 4, 5, 6]),
        ("merge", {"nth": 2}, [1, 4, 5, 6]),
        ("merge", {"nth": 2, "rows": 9, "hold_ms": 25}, [1, 4, 5, 6]),
    ],
)
def test_deltas_come_otherwise_than_they_happened(fault: str, entry: dict[str, Any], ends: list[int]) -> None:
    """Lost, doubled, out of order, late or together; the other symbol's come as they are, and so does the truth."""
    bench = bench_with(fault, scope=A, **entry)
    bench.subscribed(A, B)
    bench.run(60)

    assert (ends, [1, 2, 3, 4, 5, 6]) == (bench.ends(A), bench.ends(B))
    assert BASE + 6 == int(bench.book()["sequence"])
    assert bench.exchange.ledger.count(fault, A) >= 1


def test_merged_deltas_span_their_sequences() -> None:
    """Rows carry the sequence of their own change."""
    bench = bench_with("merge", nth=2)
    bench.subscribed()
    bench.run(60)
    frame = bench.frames()[1]

    assert [(1, 1), (2, 4), (5, 5), (6, 6)] == bench.deltas()
    assert [str(BASE + number) for number in (2, 3, 4)] == [row[2] for row in frame["data"]["changes"]["bids"]]


def test_a_swapped_delta_is_not_passed_by_lost_ones() -> None:
    """It waits for one that is really sent."""
    bench = Bench([{"fault": "swap", "nth": 2}, {"fault": "drop", "nth": 3}])
    bench.subscribed()
    bench.run(50)

    assert [1, 4, 2, 5] == bench.ends()


def test_what_is_held_back_ends_with_the_subscription() -> None:
    """It is not sent to one who has gone."""
    bench = Bench([{"fault": "swap", "nth": 1, "hold_ms": 50}, {"fault": "merge", "nth": 2, "hold_ms": 50}])
    conn = bench.subscribed()
    bench.run(20)
    bench.say(conn, id=1, type="unsubscribe", topic=f"/market/level2:{A}")
    bench.run(100)

    assert [] == bench.frames()


@pytest.mark.parametrize(
    ("entry", "bids", "asks"),
    [
        (("price_zero", {}), [["101", "1", "1001"]], [["0", "0", "1001"]]),
        (("price_zero", {"size": "5"}), [["101", "1", "1001"]], [["0", "5", "1001"]]),
        (("corrupt", {}), [["101", "2", "1001"]], []),
        (("corrupt", {"what": "delete"}), [["101", "0", "1001"]], []),
        (("corrupt", {"what": "missing"}), [], []),
    ],
)
def test_a_delta_lies(entry: tuple[str, dict[str, Any]], bids: list[Any], asks: list[Any]) -> None:
    """Nothing in it shows that; the next snapshot tells the truth."""
    fault, knobs = entry
    bench = bench_with(fault, **knobs)
    bench.subscribed()
    bench.run(10)

    assert {"bids": bids, "asks": asks} == bench.frames()[0]["data"]["changes"]
    assert ["101", "1"] in bench.book(BOOK_20.replace("_20", "_100"))["bids"]
    assert {fault: 1} == bench.ledger()


@pytest.mark.parametrize(("size", "other"), [("1", "2"), ("9", "1"), ("0.50", "0.60"), ("10", "20"), ("0", "1")])
def test_a_wrong_size_is_another_number(size: str, other: str) -> None:
    """And never 0 by accident."""
    tick = Tick(A, 5, 5, (), (("3", size, "5"),))

    assert tick._replace(asks=(("3", other, "5"),)) == damage.corrupted(tick, "size")


def test_where_there_is_nothing_to_spoil_nothing_is_noted() -> None:
    """A delta without rows, or with a row of price 0 alone, cannot lie."""
    assert None is damage.corrupted(Tick(A, 5, 5, (), ()), "size")
    assert None is damage.corrupted(Tick(A, 5, 5, (("0.0", "1", "5"),), ()), "size")


def test_a_delta_of_another_symbol_is_seen_by_our_decoder() -> None:
    """Topic and data disagree."""
    bench = bench_with("wrong_symbol", symbol=B)
    bench.subscribed()
    bench.run(10)
    (text,) = bench.payloads()

    assert isinstance(text, str)
    with pytest.raises(FrameError, match=f"the topic is of symbol '{A}', the data of '{B}'"):
        KuCoin().decode(text)


@pytest.mark.parametrize(
    ("how", "is_damaged"),
    [
        ("cut", lambda sent: isinstance(sent, str) and not sent.endswith("}")),
        ("flip", lambda sent: isinstance(sent, bytes) and len(sent) > 200),
        ("utf8", lambda sent: isinstance(sent, bytes) and b"\xff" in sent),
        ("binary", lambda sent: isinstance(sent, Binary)),
        ("nest", lambda sent: sent == "[" * 100_000),
        ("extra", lambda sent: isinstance(sent, str) and json.loads(sent).get("novel") == [{"key": None}]),
    ],
)
def test_frames_are_damaged(how: str, is_damaged: Callable[[object], bool]) -> None:
    """One of them, in the way asked for."""
    bench = bench_with("garble", how=how)
    bench.subscribed()
    bench.run(20)

    assert [True, False] == [is_damaged(payload) for payload in bench.payloads()]


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
    ("knobs", "last"), [({}, Abort()), ({"how": "close"}, Close(1001, "")),
                        ({"how": "close", "code": 1000, "reason": "Bye"}, Close(1000, "Bye"))],
)  # fmt: skip
def test_connections_are_ended(knobs: dict[str, Any], last: object) -> None:
    """At the moment; nothing comes after it."""
    bench = bench_with("disconnect", at_ms=25, **knobs)
    bench.subscribed()
    bench.run(100)

    assert ([1, 2], last, 25) == (bench.ends(), bench.payloads()[-1], bench.times()[-1])
    assert {"disconnect": 1} == bench.ledger()


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
    [("connect", 1, ["welcome", Abort()]), ("message", 2, ["welcome", "pong", Abort()]),
     ("ack", 1, ["welcome", "pong", Abort()]), ("delta", 2, ["welcome", "pong", "ack", "message", Abort()])],
)  # fmt: skip
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


def test_an_error_comes_out_of_nowhere() -> None:
    """With the connection's id; the stream goes on."""
    bench = bench_with("error_frame", at_ms=15)
    bench.subscribed()
    bench.run(20)

    assert {"id": "me", "type": "error", "code": 500, "data": "system error"} == bench.frames()[1]
    assert [1, 2] == bench.ends()


@pytest.mark.parametrize("close", [False, True])
def test_the_venue_counts_anew(close: bool) -> None:
    """With or without closing the connections; of one symbol; the truth before stays readable."""
    bench = bench_with("sequence_reset", at_ms=35, base=5, close=close, scope=A)
    bench.subscribed(A, B)
    bench.run(50)

    assert [1, 2, 3] + ([] if close else [6 - BASE, 7 - BASE]) == bench.ends(A)
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
    assert (Close(1012, ""), 503, 503, "close") == (
        bench.payloads()[-1], refused.status, bench.call("GET", BOOK_20).status, status,
    )  # fmt: skip
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


def test_every_fault_has_been_tried_here() -> None:
    """A knob without a test is a promise without one."""
    text = Path(__file__).read_text(encoding="utf-8")

    assert [] == [name for name in FAULTS if f'"{name}"' not in text]
