"""The real feed under faults drawn from seeds, in virtual time: no law of the oracle is broken, and all comes back."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from tests.examples import share
from tests.simulation.case import Case, drawn
from tests.simulation.regressions import reproduce
from tests.simulation.running import simulate
from tests.source_tree import ROOT

GROUPS = ((10, 12, 15), (9, 40, 45), (2, 0, 3, 5, 38), (1, 6, 7, 41, 42, 43))
"""Seeds that together bring more than 200,000 messages; every market and every family of faults is among them."""
MESSAGES = 50_000
"""Of each group, at least."""


@pytest.mark.timeout(600)  # one group is a quarter of a minute where nothing else runs
@pytest.mark.parametrize("seeds", GROUPS[: share(len(GROUPS))], ids=str)
def test_no_law_is_broken(seeds: tuple[int, ...]) -> None:
    """Whatever goes wrong: no wrong or old book can be read, all is accounted for, and in the end all is LIVE."""
    outcomes = {seed: simulate(drawn(seed), replay=seed in seeds[:1]) for seed in seeds}

    broken = [reproduce(drawn(seed), one.breaches) for seed, one in outcomes.items() if one.breaches]
    assert [] == broken, "\n".join(broken)
    assert MESSAGES <= sum(outcome.frames for outcome in outcomes.values())


def test_the_same_seed_makes_the_same_run_in_any_process() -> None:
    """Time, chance and order come from the seed alone: not even the hashes of the process matter."""
    script = (
        "from tests.simulation.case import drawn; from tests.simulation.running import simulate;"
        "print(simulate(drawn(2, duration_ms=5_000)).trace)"
    )
    traces = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": hashes, "PYTHONPATH": str(ROOT)},
            cwd=ROOT, check=True, capture_output=True, text=True,
        ).stdout
        for hashes in ("1", "2")
    }  # fmt: skip  # the usual options of a process stand in one line

    (trace,) = traces
    assert simulate(drawn(2, duration_ms=5_000)).trace == trace.strip()


def test_what_one_symbol_suffers_from_no_other_notices() -> None:
    """Faults of one symbol's stream and answers cause no event of another."""
    plan = (
        {"fault": "drop", "p": 0.01, "scope": "BTC-USDT"},
        {"fault": "swap", "p": 0.01, "scope": "BTC-USDT"},
        {"fault": "duplicate", "p": 0.01, "lag": 3, "scope": "BTC-USDT"},
        {"fault": "stale_snapshot", "by": 40, "p": 0.5, "scope": "BTC-USDT"},
    )
    case = Case(seed=4, symbols=("BTC-USDT", "ETH-USDT", "SOL-USDT"), duration_ms=20_000, plan=plan)

    outcome = simulate(case)

    assert [] == outcome.breaches
    assert outcome.injected["drop"] > 5 < outcome.told["Gap"]


def test_a_removal_of_what_is_not_there_is_looked_into_at_once() -> None:
    """Whatever audits there are, there is one more: the book may be wrong."""
    calm = Case(seed=3, symbols=("BTC-USDT",), duration_ms=8_000)
    ghost = replace(calm, plan=({"fault": "ghost_delete", "at_ms": 3_000},))

    without, with_it = simulate(calm), simulate(ghost)

    assert [] == without.breaches == with_it.breaches
    assert without.told.get("AuditPassed", 0) + 1 == with_it.told["AuditPassed"]


def test_a_lie_is_put_right_by_the_next_audit() -> None:
    """A delta with a wrong size makes a wrong book, and nothing shows that but a comparison."""
    lie = {"fault": "corrupt", "what": "size", "at_ms": 2_000, "for_ms": 2_000}
    case = Case(seed=1, symbols=("BTC-USDT",), rate=20.0, duration_ms=10_000, plan=(lie,), lies=True)

    told = simulate(case)

    assert [] == told.breaches
    assert told.injected["corrupt"] > 10 > told.told["AuditFailed"] > 0
    assert "I1" in {breach.law for breach in simulate(replace(case, lies=False)).breaches}
