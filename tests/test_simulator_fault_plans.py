"""Plans of faults: what is wrong with one is said before anything runs; when and to whom a fault happens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orderbook.errors import UsageError
from orderbook.simulator.damage import Draw
from orderbook.simulator.faults import FAULTS, Fault, FaultPlan, Point
from orderbook.simulator.injector import ENTRIES_MAX, Ledger
from tests.simulator_bench import BASE, BOOK_20, MS, A, B, Bench, bench_with
from tests.unchecked import hook

# --- plans ---


@pytest.mark.parametrize(
    ("plan", "problem"),
    [
        ("{", "the fault plan is not JSON: "),
        ("[" * 100_000, "the fault plan is not JSON: "),
        ("{}", r"not a list; write \[{"),
        ("3", "not a list"),
        ('["drop"]', "entry 1 is not an object"),
        (" \n", r"the fault plan is empty; write \[{.*, or \[\] for no faults"),
        ("[{}]", r'entry 1 names no fault; write {"fault": "drop"}: `orderbook simulate --list-faults` names them all'),
        ('[{"fault": null}]', r"entry 1 \(None\): no such fault; `orderbook simulate --list-faults` names them all"),
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
        ('[{"fault": "garble", "how": "wildly"}]', "how is one of cut, flip, utf8, binary, .*, nul, not"),
        ('[{"fault": "rest_error", "msg": 3}]', "msg is a text, not 3"),
        ('[{"fault": "sequence_reset", "close": 1}]', "close is true or false, not 1"),
        ('[{"fault": "stale_snapshot"}]', r"say either by \(sequences\) or ms"),
        ('[{"fault": "stale_snapshot", "by": 1, "ms": 1}]', r"say either by \(sequences\) or ms"),
        ('[{"fault": "disconnect", "for_ms": 5}]', "it strikes at a moment; for_ms means nothing to it"),
        ('[{"fault": "disconnect", "nth": 1, "on": "pong"}]', "on is one of delta, message, connect, ack"),
        ('[{"fault": "disconnect", "p": 0.1}]', "p, nth and every need on, which says at which messages: delta, mess"),
        ('[{"fault": "stall", "every": 3}]', "it strikes at a moment, so p, nth and every need on"),
        ('[{"fault": "disconnect", "nth": 1, "every_ms": 5}]', "say either every_ms, or which messages"),
    ],
)
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


def test_what_a_plan_is_about_can_be_looked_up() -> None:
    """It names where the plan comes from, and the symbols that there are, as many as fit a line."""
    plan = FaultPlan.parse('[{"fault": "stall"}, {"fault": "drop", "scope": ["A-B", "X-Y\\n"]}]', origin="plan.json")

    with pytest.raises(UsageError) as caught:
        plan.check_symbols(f"S{number}-USDT" for number in range(13))
    shown = ", ".join(f"S{number}-USDT" for number in range(10))
    told = f"plan.json: fault plan, entry 2 (drop): no symbol A-B, 'X-Y\\n' here; there is {shown} and 3 more"
    assert told == str(caught.value)
    plan.check_symbols(["A-B", "X-Y\n"])


@pytest.mark.parametrize("entries", [{"fault": "drop"}, "drop", 3, None])
def test_a_plan_is_made_of_a_list(entries: Any) -> None:
    """In Python as in a file: an entry alone is no plan."""
    with pytest.raises(UsageError, match=r"the fault plan is not a list; write \[{"):
        FaultPlan(entries)


def test_every_fault_has_been_tried_here() -> None:
    """A knob without a test is a promise without one."""
    files = Path(__file__).parent.glob("test_simulator_fault*.py")
    text = "".join(path.read_text(encoding="utf-8") for path in files)

    assert [] == [name for name in FAULTS if f'"{name}"' not in text]


# --- when and to whom ---


@pytest.mark.parametrize(
    ("entry", "lost"),
    [
        ({}, [1]),
        ({"nth": 3}, [3]),
        ({"nth": [2, 5]}, [2, 5]),
        ({"every": 4}, [4, 8]),
        ({"every": 4, "times": 1}, [4]),
        ({"every": 2, "nth": [3, 4, 6]}, [4, 6]),
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


EVERYTHING: tuple[dict[str, Any], ...] = (
    {"fault": "drop", "p": 0.05},
    {"fault": "mute", "p": 0.03},
    {"fault": "garble", "how": "flip", "p": 0.1},
    {"fault": "delay", "p": 0.1, "ms": 1, "jitter_ms": 50},
    {"fault": "duplicate", "p": 0.1, "lag": 2},
    {"fault": "swap", "p": 0.05},
    {"fault": "shuffle", "p": 0.03, "window": 4},
    {"fault": "late_pong", "p": 0.3, "jitter_ms": 40},
    {"fault": "wrong_pong", "p": 0.3},
    {"fault": "delayed_snapshot", "p": 0.5, "jitter_ms": 40},
    {"fault": "slow", "p": 0.5, "path": "level2", "jitter_ms": 40},
    {"fault": "stale_snapshot", "p": 0.3, "by": 4},
)


def strikes(*plan: dict[str, Any]) -> dict[str, set[tuple[int, str | None, str]]]:
    """A second or two of everything a client does: what each entry chose to strike, whatever came of it."""
    bench = Bench(plan, symbols=(A, B))
    chosen: dict[str, set[tuple[int, str | None, str]]] = {}
    injector = bench.exchange.common.injector
    pick = injector.pick

    def picked(point: Point, now_ns: int, **about: Any) -> list[tuple[Fault, Draw]]:
        struck = pick(point, now_ns, **about)
        for fault, draw in struck:
            # Two strikes with the same random numbers would do the same.
            key = (now_ns, about.get("symbol"), f"{draw().random()}")
            chosen.setdefault(fault.text, set()).add(key)
        return struck

    hook(injector, "pick", picked)
    conn = bench.subscribed(A, B)
    for number in range(40):
        bench.run(50)
        bench.say(conn, id=number, type="ping")
        bench.call("GET", BOOK_20)
        # The clock of a client that waits for its answers would depend on how late they come.
        bench.now_ns = (1_000 + 50 * (number + 1)) * MS
    return chosen


@pytest.mark.parametrize("left_out", range(len(EVERYTHING)))
def test_no_entry_shifts_another(left_out: int) -> None:
    """Which messages an entry strikes, and with which random numbers, does not hang on the other entries."""
    everything = strikes(*EVERYTHING)
    fewer = strikes(*EVERYTHING[:left_out], *EVERYTHING[left_out + 1 :])
    removed = json.dumps(EVERYTHING[left_out], sort_keys=True)

    assert len(EVERYTHING) == len(everything)
    assert {text: struck for text, struck in everything.items() if text != removed} == fewer


def test_what_an_entry_does_hangs_on_no_other() -> None:
    """A drop hides from a garbling what it had chosen; all that it does otherwise are the very same bytes."""

    def sent(*plan: dict[str, Any]) -> set[bytes]:
        bench = Bench(plan, symbols=(A,))
        bench.subscribed()
        bench.run(5_000)
        return {payload for payload in bench.payloads() if isinstance(payload, bytes)}

    flip, drop = {"fault": "garble", "how": "flip", "p": 0.2}, {"fault": "drop", "p": 0.3}
    alone = sent(flip)

    assert sent(flip, drop) < alone
    assert 50 < len(sent(flip, drop))


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
