"""Faults of what a delta says and how it is written: each does what it says and nothing else, and is in the ledger."""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import product
from typing import Any

import pytest

from orderbook.errors import FrameError
from orderbook.simulator.damage import FIELDS, GARBLES, with_ghost
from orderbook.simulator.exchange import Exchange
from orderbook.simulator.faults import FaultPlan
from orderbook.simulator.market import SymbolMarket
from orderbook.simulator.rest import Reply
from orderbook.simulator.source import Tick
from orderbook.simulator.spelling import SPELLINGS, is_legal, spelt
from orderbook.simulator.timeline import Binary, Payload
from orderbook.types import Delta, Side
from orderbook.venues.kucoin import KuCoin
from tests.simulator_bench import BASE, A, B, Bench, bench_with


def decoded(payload: Payload) -> Delta | str:
    """The delta that our decoder reads, or the reason for which it refuses the frame."""
    assert isinstance(payload, str | bytes | Binary)
    raw = payload.data if isinstance(payload, Binary) else payload
    try:
        message = KuCoin().decode(raw if isinstance(raw, str) else raw.decode())
    except UnicodeDecodeError:
        return "utf8"
    except FrameError as error:
        return error.reason
    return message if isinstance(message, Delta) else type(message).__name__


def sound(count: int = 1) -> list[Delta | str]:
    """The first deltas of a bench without faults."""
    bench = Bench()
    bench.subscribed()
    bench.run(10 * count)
    return [decoded(payload) for payload in bench.payloads()]


def struck(fault: str, **knobs: Any) -> list[Delta | str]:
    """Two deltas, the first of them struck; the other symbol and the ledger show that nothing else was."""
    bench = bench_with(fault, scope=A, **knobs)
    bench.subscribed(A)
    bench.subscribed(B)
    bench.run(20)
    assert {fault: 1} == bench.ledger()
    assert [1, 2] == bench.ends(B, conn=2)
    assert BASE + 2 == bench.market[A].sequence
    return [decoded(payload) for payload in bench.payloads()]


# --- numbers ---

CHANGES = tuple(product(SPELLINGS, (False, True)))[1:]
"""All but plain text in quotes, which is how it is written anyway."""


@pytest.mark.parametrize(("how", "bare"), CHANGES)
def test_a_delta_is_spelt_otherwise(how: str, bare: bool) -> None:
    """Once: a legal spelling says the same to our decoder, any other makes it refuse the frame."""
    first, second = struck("spell", how=how, bare=bare)

    assert sound(2)[1] == second
    if is_legal(how, is_bare=bare):
        assert sound()[0] == first
    else:
        assert first in (("json", "number") if bare else ("number",))


def test_bare_numbers_stand_without_quotes() -> None:
    """The sequence of a row keeps its own."""
    bench = bench_with("spell", how="plain", bare=True)
    bench.subscribed()
    bench.run(10)
    (text,) = bench.payloads()

    assert isinstance(text, str)
    assert '"bids":[[101,1,"1001"]]' in text


def test_what_has_no_rows_cannot_be_spelt() -> None:
    """Nor what has been spelt already: nothing is noted then."""
    assert None is spelt('{"asks":[],"bids":[]}', "power", is_bare=False)
    bench = Bench([{"fault": "spell", "how": "wide", "nth": 1}, {"fault": "spell", "how": "power", "nth": 1}])
    bench.subscribed()
    bench.run(10)

    assert {"spell": 1} == bench.ledger()


# --- fields and frames ---


@pytest.mark.parametrize("dialect", ["2026", "2021"])
@pytest.mark.parametrize("how", FIELDS)
def test_sequence_fields_go_wrong(how: str, dialect: str) -> None:
    """Our decoder refuses each but null sides, which say the same."""
    bench = Bench([{"fault": "fields", "how": how}], dialect=dialect)
    bench.subscribed()
    bench.run(20)
    first, second = map(decoded, bench.payloads())

    assert isinstance(second, Delta)
    assert {"fields": 1} == bench.ledger()
    if how == "null_sides":
        assert isinstance(first, Delta)
        assert '"asks":null' in str(bench.payloads()[0])
        assert (BASE + 1, ()) == (first.sequence_end, first.asks)
    else:
        assert first == "sequence"


def test_swapped_fields_are_in_the_wrong_order_even_if_equal() -> None:
    """Start after end."""
    bench = bench_with("fields", how="swapped")
    bench.subscribed()
    bench.run(10)

    assert [(2, 1)] == bench.deltas()


REFUSED = {
    "cut": "json",
    "utf8": "utf8",
    "nest": "nesting",
    "twice": "json",
    "bom": "json",
    "keys": "json",
    "surrogate": "utf8",
    "nul": "symbol",
}


@pytest.mark.parametrize("how", [how for how in GARBLES if how != "flip"])
def test_garbled_frames_are_refused_or_say_the_same(how: str) -> None:
    """A binary frame and an unknown key leave what was said; the rest is no message."""
    first, second = struck("garble", how=how)

    assert sound(2)[1] == second
    if how in ("binary", "extra"):
        assert sound()[0] == first
    elif how == "nul":
        # A symbol of its own that no book has; what it names is not ours to judge in the decoder.
        assert isinstance(first, Delta)
        assert f"{A}\0" == first.symbol
    else:
        assert REFUSED[how] == first


def test_an_oversized_frame_is_as_long_as_asked_for() -> None:
    """And says the same."""
    bench = bench_with("oversize", bytes=6_000)
    bench.subscribed()
    bench.run(20)
    first, second = bench.payloads()

    assert isinstance(first, str)
    assert isinstance(second, str)
    assert (6_000, True) == (len(first), len(second) < 1_000)
    assert [*sound(2)] == [decoded(first), decoded(second)]
    assert {"oversize": 1} == bench.ledger()


@pytest.mark.parametrize("symbol", ['"', "A\\", "\0", "", "\ud800"])
def test_another_symbol_may_be_any_text(symbol: str) -> None:
    """The frame stays JSON, so that the symbol alone is what is wrong."""
    first, second = struck("wrong_symbol", symbol=symbol)

    assert (first, sound(2)[1]) == ("utf8" if symbol == "\ud800" else "symbol", second)


# --- rows ---


def test_a_ghost_is_deleted() -> None:
    """A bid at the best ask cannot be there; the row of the delta itself stays."""
    bench = bench_with("ghost_delete")
    bench.subscribed()
    bench.run(20)
    first, second = (frame["data"]["changes"] for frame in bench.frames())

    assert {"bids": [["101", "1", "1001"], ["200", "0", "1001"]], "asks": []} == first
    assert {"bids": [["102", "2", "1002"]], "asks": []} == second
    assert "200" not in {price for price, _ in bench.book()["bids"]}
    assert {"ghost_delete": 1} == bench.ledger()


def test_a_ghost_needs_a_book() -> None:
    """Without asks it is an ask at the best bid; without levels there is none."""
    tick = Tick(A, 5, 5, (), ())

    assert tick._replace(asks=(("7", "0", "5"),)) == with_ghost(tick, (("7", "1"), None))
    assert None is with_ghost(tick, (None, None))


# --- batches ---


def market_bench(symbol: str, profile: str, *plan: object) -> tuple[Exchange, SymbolMarket, list[dict[str, Any]]]:
    """A made market behind an exchange, and the deltas of its first second for one subscriber."""
    market = SymbolMarket(symbol, 3, profile)
    exchange = Exchange({symbol: market}, faults=FaultPlan(plan))
    exchange.advance(0)
    answer = exchange.rest("POST", "/api/v1/bullet-public", {}, "", 0)
    assert isinstance(answer, Reply)
    conn = exchange.connect(f"/?token={json.loads(answer.body)['data']['token']}", 0)
    assert isinstance(conn, int)
    exchange.receive(conn, json.dumps({"id": 1, "type": "subscribe", "topic": f"/market/level2:{symbol}"}), 0)
    exchange.outbox()
    exchange.advance(1_000_000_000)
    texts = [sent.payload for sent in exchange.outbox()]
    return exchange, market, [json.loads(text) for text in texts if isinstance(text, str)]


def test_the_parts_of_a_batch_are_each_true() -> None:
    """They cover the same sequences without a hole, at most as many as asked for, and each leads to a true book."""
    exchange, market, frames = market_bench("BTC-USDT", "batches", {"fault": "split", "p": 1, "parts": 3})
    ranges = [(frame["data"]["sequenceStart"], frame["data"]["sequenceEnd"]) for frame in frames]
    oldest = market.truth.oldest[1]
    book = {side: dict(levels) for side, levels in zip(Side, market.book(oldest)[1:], strict=True)}

    assert exchange.ledger.count("split") > 10
    assert len({end - start for start, end in ranges}) > 2
    last = oldest
    for frame, (start, end) in zip(frames, ranges, strict=True):
        assert (last + 1, True) == (start, start <= end)
        last = end
        for side, name in ((Side.BID, "bids"), (Side.ASK, "asks")):
            for price, size, sequence in frame["data"]["changes"][name]:
                assert start <= int(sequence) <= end
                book[side].pop(price, None)
                if Decimal(size) and Decimal(price):
                    book[side][price] = size
        true = market.book(last)
        assert (dict(true.bids), dict(true.asks)) == (
            {_plain(price): _plain(size) for price, size in book[Side.BID].items()},
            {_plain(price): _plain(size) for price, size in book[Side.ASK].items()},
        )
    assert market.sequence == last


def _plain(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def test_what_has_one_sequence_cannot_be_split() -> None:
    """It goes out as it is, and nothing is noted."""
    bench = bench_with("split", p=1)
    bench.subscribed()
    bench.run(30)

    assert ([1, 2, 3], {}) == (bench.ends(), bench.ledger())


def test_a_merged_delta_can_be_split_again() -> None:
    """Into parts that divide its sequences."""
    bench = Bench([{"fault": "merge", "nth": 1, "rows": 4}, {"fault": "split", "p": 1, "parts": 2}])
    bench.subscribed()
    bench.run(50)

    assert [(1, 2), (3, 4), (5, 5)] == bench.deltas()
    assert {"merge": 1, "split": 1} == bench.ledger()


def test_a_merge_does_not_span_a_reset() -> None:
    """What went before it is a delta of its own."""
    bench = Bench(
        [{"fault": "merge", "nth": 2, "rows": 4}, {"fault": "sequence_reset", "at_ms": 35, "base": 5, "scope": A}]
    )
    bench.subscribed()
    bench.run(50)

    assert [(1, 1), (2, 3), (6 - BASE, 6 - BASE), (7 - BASE, 7 - BASE)] == bench.deltas()


# --- order ---


@pytest.mark.parametrize(("window", "hold_ms", "groups"), [(3, 1_000, [3, 1, 1]), (9, 25, [3, 1, 1]), (2, 1_000, [2])])
def test_a_window_of_deltas_is_shuffled(window: int, hold_ms: int, groups: list[int]) -> None:
    """All of them come, once, in another order; it ends when the window is full, or after its time."""
    bench = bench_with("shuffle", window=window, hold_ms=hold_ms, nth=2, scope=A)
    bench.subscribed(A, B)
    bench.run(60)
    ends = bench.ends(A)
    count = groups[0]

    assert [1, 2, 3, 4, 5, 6] == sorted(ends) == bench.ends(B)
    assert [1, *range(2 + count, 7)] == [ends[0], *ends[1 + count :]]
    assert list(range(2, 2 + count)) != ends[1 : 1 + count]
    assert {"shuffle": 1} == bench.ledger()


def test_a_shuffle_is_not_begun_within_another_and_ends_with_the_subscription() -> None:
    """Only what was done is in the ledger; nothing comes to one who has gone."""
    bench = bench_with("shuffle", window=4, nth=[1, 2])
    conn = bench.subscribed()
    bench.run(30)
    before = bench.ends()
    bench.say(conn, id=1, type="unsubscribe", topic=f"/market/level2:{A}")
    bench.run(2_000)

    assert ([], [], {"shuffle": 1}) == (before, bench.ends(), bench.ledger())


def test_a_swapped_delta_is_shuffled_with_the_others() -> None:
    """Two faults of order do not lose anything."""
    bench = Bench([{"fault": "swap", "p": 0.3}, {"fault": "shuffle", "p": 0.2, "window": 4}], seed=5)
    bench.subscribed()
    bench.run(2_000)
    quiet = len(bench.ends())
    assert list(range(1, max(bench.ends()) + 1))[: quiet - 20] == sorted(bench.ends())[: quiet - 20]
    assert {"swap", "shuffle"} == bench.ledger().keys()


def test_delays_differ_within_their_bounds() -> None:
    """From ``ms`` to ``ms + jitter_ms``, and not all the same."""
    bench = bench_with("delay", p=1, ms=40, jitter_ms=100)
    bench.subscribed()
    bench.run(3_000)
    late = [at - 10 * end for at, end in zip(bench.times(), bench.ends(), strict=True)]

    assert 250 < len(late)
    assert 40 <= min(late) < 50
    assert 130 < max(late) <= 140


# --- several faults of one delta ---


def test_faults_of_one_delta_add_up_whatever_their_order() -> None:
    """Lies, wording and damage of one frame are all in it."""
    plan: list[dict[str, Any]] = [
        {"fault": "duplicate", "nth": 1},
        {"fault": "oversize", "nth": 1, "bytes": 900},
        {"fault": "spell", "nth": 1, "how": "power"},
        {"fault": "price_zero", "nth": 1},
        {"fault": "ghost_delete", "nth": 1},
        {"fault": "corrupt", "nth": 1},
    ]
    told = []
    for entries in (plan, plan[::-1]):
        bench = Bench(entries)
        bench.subscribed()
        bench.run(10)
        told.append(bench.payloads())
        assert {entry["fault"]: 1 for entry in plan} == bench.ledger()
    (first, again), others = told

    assert (first, again) == tuple(others)
    assert isinstance(first, str)
    changes = json.loads(first)["data"]["changes"]
    assert (900, [["101e0", "2e0", "1001"], ["2e2", "0e0", "1001"]]) == (len(first), changes["bids"])
    assert [["0e0", "0e0", "1001"]] == changes["asks"]


def test_what_is_lost_is_not_spoilt() -> None:
    """Only the loss is in the ledger."""
    bench = Bench([{"fault": "garble", "nth": 1}, {"fault": "duplicate", "nth": 1}, {"fault": "drop", "nth": 1}])
    bench.subscribed()
    bench.run(20)

    assert ([2], {"drop": 1}) == (bench.ends(), bench.ledger())


def test_a_delta_that_ends_its_connection_is_not_spoilt() -> None:
    """Nothing of it goes out, and nothing is kept for later."""
    bench = Bench([{"fault": "swap", "nth": 2}, {"fault": "disconnect", "on": "delta", "nth": 2}])
    bench.subscribed()
    bench.run(100)

    assert ([1], {"disconnect": 1}) == (bench.ends(), bench.ledger())
    assert {} == bench.exchange._stream._lanes
