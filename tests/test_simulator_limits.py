"""Limits of the simulated venue: what the documents forbid is refused as they say, and counted."""

from __future__ import annotations

import json
import random
from typing import Any

from orderbook.simulator.limits import Limits, Recent
from orderbook.simulator.timeline import Close
from tests.simulator_bench import A, B, Bench

BYE = Close(1000, "Bye")


def error(code: int, text: str, request_id: str = "7") -> dict[str, Any]:
    """An error frame."""
    return {"id": request_id, "type": "error", "code": code, "data": text}


def test_more_than_100_symbols_in_a_message_is_509() -> None:
    """The message is refused as a whole, and counted."""
    bench = Bench()
    conn = bench.connect()
    bench.sent.clear()
    for count in (100, 101):
        symbols = ",".join(f"S{number}-USDT" for number in range(count))
        bench.say(conn, id=count, type="subscribe", topic=f"/market/level2:{symbols}", response=True)

    text = "exceed max subscription count limitation of 100 per time"
    assert [{"id": "100", "type": "ack"}, error(509, text, "101")] == bench.frames()
    assert {"topics_per_message": 1} == bench.violations()


def test_more_than_300_topics_on_a_connection_is_509() -> None:
    """Each symbol of each channel counts once; what is given back may be taken again."""
    bench = Bench(limits=Limits(topics_per_connection_max=3))
    conn = bench.connect()
    bench.sent.clear()
    for number, (kind, topic) in enumerate(
        [
            ("subscribe", f"level2:{A},{B}"),
            ("subscribe", f"ticker:{A}"),
            ("subscribe", f"level2:{A}"),
            ("subscribe", f"ticker:{B}"),
            ("unsubscribe", f"level2:{A}"),
            ("subscribe", f"ticker:{B}"),
        ]
    ):
        bench.say(conn, id=number, type=kind, topic=f"/market/{topic}", response=True)

    text = "exceed max subscription count limitation of 3 per session"
    assert ["ack", "ack", "ack", "error", "ack", "ack"] == [frame["type"] for frame in bench.frames()]
    assert error(509, text, "3") == bench.frames()[3]
    assert {"topics_per_connection": 1} == bench.violations()


def test_more_than_100_messages_in_10_s_ends_the_connection() -> None:
    """Error 509, then close 1000 Bye; the window slides."""
    bench = Bench(symbols=())
    conn = bench.connect()
    for _ in range(100):
        bench.say(conn, id=1, type="ping")
    bench.run(10_000)
    for _ in range(100):
        bench.say(conn, id=1, type="ping")
    bench.sent.clear()
    bench.run(9_999)
    bench.say(conn, id=1, type="ping")
    bench.say(conn, id=1, type="ping")

    expected = json.dumps(error(509, "exceed max permits per second", "me"), separators=(",", ":"))
    assert [expected, BYE] == bench.payloads()
    assert {"messages": 1} == bench.violations()


def test_pings_can_be_free() -> None:
    """Setting: only requests count."""
    bench = Bench(symbols=(), limits=Limits(pings_count=False, messages_max=1))
    conn = bench.connect()
    for _ in range(5):
        bench.say(conn, id=1, type="ping")

    assert {} == bench.violations()


def test_silence_of_the_client_ends_the_connection() -> None:
    """After 60 s without a message: error 400, close 1000 Bye. What is sent to the client does not count."""
    bench = Bench()
    conn = bench.subscribed()
    bench.run(30_000)
    bench.say(conn, id=1, type="ping")
    bench.run(59_990)
    before = len(bench.payloads())
    bench.run(100)

    assert "pong" in [frame["type"] for frame in bench.frames()[-before:]]
    assert [error(400, "ping timeout", "me")] == [frame for frame in bench.frames() if frame["type"] == "error"]
    assert (BYE, 90_000) == (bench.payloads()[-1], bench.times()[-1])
    assert {"ping_timeout": 1} == bench.violations()


def test_too_many_connections_are_turned_away() -> None:
    """The 51st gets error 509; when one goes, there is room again."""
    bench = Bench(symbols=(), limits=Limits(connections_max=2))
    first, _, third = (bench.connect() for _ in range(3))
    bench.exchange.disconnected(first, bench.now_ns)
    fourth = bench.connect()

    assert [error(509, "exceed max session count limitation of 2", "me")] == bench.frames(third)
    assert ["welcome"] == [frame["type"] for frame in bench.frames(fourth)]
    assert {"connections": 1} == bench.violations()


def test_too_many_connects_are_turned_away() -> None:
    """30 a minute; closing them does not help."""
    bench = Bench(symbols=())
    for _ in range(30):
        bench.exchange.disconnected(bench.connect(), bench.now_ns)
    late = bench.connect()
    bench.run(60_000)
    later = bench.connect()

    assert [error(509, "service busy, please retry later", "me")] == bench.frames(late)
    assert ["welcome"] == [frame["type"] for frame in bench.frames(later)]
    assert {"connects": 1} == bench.violations()


def test_refused_connects_count_too() -> None:
    """A client that hammers at a closed door is counted like any other."""
    bench = Bench([{"fault": "refuse", "p": 1}], limits=Limits(connects_max=2))
    for _ in range(5):
        bench.upgrade("")

    assert {"connects": 3} == bench.violations()


def test_a_client_that_talks_before_the_welcome_is_counted() -> None:
    """It is answered all the same."""
    bench = Bench([{"fault": "late_welcome", "ms": 50}])
    conn = bench.connect()
    bench.say(conn, id=1, type="ping")
    bench.run(50)
    bench.say(conn, id=2, type="ping")

    assert {"message_before_welcome": 1} == bench.violations()
    assert ["pong", "welcome", "pong"] == [frame["type"] for frame in bench.frames()]


def test_a_sliding_window_keeps_no_more_than_it_needs() -> None:
    """Against a plain count, over random times."""
    rng = random.Random(1)
    recent, times, now = Recent(5, 100), list[int](), 0
    for _ in range(2_000):
        now += rng.randrange(40)
        times.append(now)
        assert (sum(one > now - 100 for one in times) <= 5) == recent.take(now)
    assert len(recent._times) <= 6
