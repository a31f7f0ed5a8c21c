"""Faults of the streams beside the book: at each message, by topic, symbol and connection; and those of connections."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from orderbook.simulator.damage import GARBLES
from orderbook.simulator.market import Market
from orderbook.simulator.timeline import Abort, Binary
from tests.simulator_accounts import BALANCE, V2, Scripted
from tests.simulator_bench import A, B, Bench

TICKER = "/market/ticker"


def spoilt(*plan: dict[str, Any]) -> Bench:
    """Two symbols' tickers, ten a second each, with such faults; one connection."""
    bench = Bench(plan)
    bench.subscribed(A, B, channel=TICKER)
    bench.run(1_000)
    return bench


def told(bench: Bench, symbol: str = A) -> list[int]:
    """When tickers of a symbol came, in steps of 100 ms."""
    frames = zip(bench.times(), bench.payloads(), strict=True)
    return [at // 100 for at, text in frames if isinstance(text, str) and f"{TICKER}:{symbol}" in text]


@pytest.mark.parametrize(
    ("entry", "times"),
    [
        ({"fault": "lost_push", "nth": [2, 3]}, [1, 4, 5, 6, 7, 8, 9, 10]),
        ({"fault": "double_push", "nth": 2}, [1, 2, 2, *range(3, 11)]),
        ({"fault": "late_push", "nth": 2, "ms": 150}, [1, 3, 3, *range(4, 11)]),
        ({"fault": "lost_push", "p": 1, "path": "/market/ti"}, []),
        ({"fault": "lost_push", "p": 1, "path": "/spotMarket/"}, list(range(1, 11))),
        ({"fault": "lost_push", "p": 1, "scope": B}, list(range(1, 11))),
        ({"fault": "lost_push", "p": 1, "scope": "connection:2"}, list(range(1, 11))),
        ({"fault": "lost_push", "at_ms": 550, "for_ms": 200}, [1, 2, 3, 4, 5, 8, 9, 10]),
        ({"fault": "drop", "p": 1}, list(range(1, 11))),
    ],
)
def test_a_message_is_lost_doubled_or_late(entry: dict[str, Any], times: list[int]) -> None:
    """Those that the entry selects, and no others; what really went out is counted."""
    scoped = {"scope": A} | entry
    bench = spoilt(scoped)

    assert times == told(bench)
    assert list(range(1, 11)) == told(bench, B) or entry.get("scope") == B or "connection:2" == entry.get("scope")
    assert len(times) == bench.exchange.pushed[f"{TICKER}:{A}"]


@pytest.mark.parametrize("how", GARBLES)
def test_a_message_is_damaged(how: str) -> None:
    """In every way in which a delta may be."""
    bench = spoilt({"fault": "garbled_push", "nth": 1, "scope": A, "how": how})
    (first, *_) = bench.payloads()

    assert {"garbled_push": 1} == bench.ledger()
    assert isinstance(first, bytes | Binary | str)
    # Of a ticker the data names no symbol, so nothing of it can be spoilt.
    assert how == "nul" or not isinstance(first, str) or first != bench.payloads()[2]


def test_several_faults_add_up() -> None:
    """Late, and twice, and damaged."""
    bench = spoilt(
        {"fault": "late_push", "nth": 1, "scope": A, "ms": 30},
        {"fault": "double_push", "nth": 1, "scope": A},
        {"fault": "garbled_push", "nth": 1, "scope": A, "how": "bom"},
    )
    whole = [at for at, text in zip(bench.times(), bench.payloads(), strict=True) if str(text).startswith("\ufeff")]

    assert [130, 130] == whole


def test_private_messages_are_struck_too() -> None:
    """By their topic; they are of no symbol."""
    bench = Bench([{"fault": "lost_push", "p": 1, "path": BALANCE}], market={A: Scripted()})
    bench.owner(BALANCE, V2)
    bench.account.place(A, "buy", "90", "1")

    assert {V2: 2} == Counter(frame["topic"] for frame in bench.frames())
    assert {"lost_push": 1} == bench.ledger()


@pytest.mark.parametrize(
    ("entry", "end"),
    [({"fault": "disconnect", "at_ms": 500}, Abort()), ({"fault": "black_hole", "at_ms": 500}, None)],
)
def test_what_ends_a_connection_ends_these_streams(entry: dict[str, Any], end: object) -> None:
    """Private and public alike; the account goes on without anybody who listens."""
    bench = Bench([entry], market=Market(["BTC-USDT"], 1))
    bench.owner(BALANCE, V2, "/market/ticker:BTC-USDT", "/spotMarket/level1:BTC-USDT")
    bench.run(1_000)
    before = bench.exchange.pushed.total()
    bench.account.place("BTC-USDT", "buy", "60000", "1")

    assert max(bench.times()) <= 500
    assert end is None or end == bench.payloads()[-1]
    assert (before, 1) == (bench.exchange.pushed.total(), len(bench.account.active()))


def test_a_stall_holds_these_streams_back() -> None:
    """Then all of it comes at once, in order."""
    bench = Bench([{"fault": "stall", "at_ms": 250, "ms": 500}])
    bench.subscribed(A, channel=TICKER)
    bench.run(1_000)

    assert [100, 200, *[750] * 5, 800, 900, 1_000] == bench.times()
