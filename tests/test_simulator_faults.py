"""Faults of the stream: each does on the wire what it says, is written into the ledger, and leaves the truth alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from orderbook.errors import FrameError
from orderbook.simulator import damage
from orderbook.simulator.source import Tick
from orderbook.simulator.timeline import Binary
from orderbook.venues.kucoin import KuCoin
from tests.simulator_bench import BASE, BOOK_20, A, B, Bench, bench_with
from tests.unchecked import hook


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


def test_a_merge_is_not_begun_within_another() -> None:
    """The one under way takes the delta; only what was done is in the ledger."""
    bench = bench_with("merge", nth=[2, 3], rows=3)
    bench.subscribed()
    bench.run(60)

    assert [(1, 1), (2, 4), (5, 5), (6, 6)] == bench.deltas()
    assert {"merge": 1} == bench.ledger()


def test_a_delta_that_cannot_lie_is_sent_as_it_is() -> None:
    """A row of price 0 moves nothing, so nothing can be wrong with it."""
    bench = bench_with("corrupt", p=1)
    bench.subscribed()
    market = bench.market[A]
    sound = Tick(A, BASE + 1, BASE + 1, (("0", "0", str(BASE + 1)),), ())
    hook(market, "advance", lambda: sound)
    bench.run(10)

    assert ([1], {}) == (bench.ends(), bench.ledger())


def test_a_ticker_of_a_book_that_stands_still_is_not_repeated() -> None:
    """Muting the deltas does not mute the tickers; a halted market does."""
    bench = bench_with("delist", at_ms=150, scope=A)
    bench.subscribed(A, channel="/market/ticker")
    bench.run(1_000)
    quiet = Bench(symbols=(A,))
    quiet.subscribed(A, channel="/market/ticker")
    hook(quiet.market[A], "gap_ns", lambda: 10**18)
    quiet.run(1_000)

    assert ([100], [100]) == (bench.times(), quiet.times())
