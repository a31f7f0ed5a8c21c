"""Many books from a cold start take what their snapshots take, and a moment: the benchmark in a short form."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from functools import partial

import pytest
from click.testing import CliRunner, Result

from benchmarks import cold_start
from benchmarks.cold_start import CASES, ONE_WAY_MS, Case, bound_s, cold, main
from benchmarks.virtual import Figure
from orderbook.simulator.profiles import PROFILES
from orderbook.testing import run
from orderbook.venues.rest import Depth

SMALL = replace(PROFILES["normal"], name="small", bids=20, asks=20)


@pytest.mark.parametrize(
    ("nth", "depth", "used", "expected_s"),
    [
        (1, "full", 0, 0.05),
        (16, "full", 0, 0.05),
        (17, "full", 0, 0.1),
        (400, "full", 0, 1.25),
        (1_333, "full", 0, 4.2),  # 4,000 / 3 of them in the first window, ...
        (1_334, "full", 0, 20.05),  # ... one more when it is over, ...
        (2_667, "full", 0, 50.05),  # ... and another one in the window after that
        (500, 100, 0, 1.6),
        (501, 100, 0, 20.05),
        (94, 100, 1_624, 0.3),
        (95, 100, 1_624, 20.05),
        (1, 20, 2_000, 20.05),
    ],
)
def test_the_bound_is_that_of_the_documented_weights(nth: int, depth: Depth, used: int, expected_s: float) -> None:
    """4,000 in 30 s for whole books of weight 3; 2,000 for 100 levels of weight 4 and 20 of 2; 16 at a time."""
    assert expected_s == pytest.approx(bound_s(nth, depth, 0.05, used=used, left_s=20.0))


def figures(case: Case, count: int, rate: float) -> dict[str, Figure]:
    """Those of a start, by name; without the bounds, whose names repeat."""
    found = run(partial(cold, case, count, rate=count * rate, seed=3, profile=SMALL))
    assert 0.0 < sum(one.value for one in found if one.name.startswith(" "))
    return {one.name: one for one in found if not one.name.startswith(" ")}


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case.is_again])
def test_a_start_takes_what_its_snapshots_take(name: str) -> None:
    """320 books over two connections: every bar is met, none differs, no limit is violated."""
    found = figures(CASES[name], 320, 12.5)

    assert [] == [one for one in found.values() if not one.is_met]
    assert found["first LIVE"].value < found["half LIVE"].value < found["all LIVE"].value
    assert 320 <= found["REST calls"].value <= 330


def test_a_second_start_counts_what_the_first_one_used() -> None:
    """The bound of the second one is that of a quota of which the first one used a part; enough is left for thirty."""
    found = figures(CASES["the same again at once, and ten matter most"], 30, 12.5)

    assert [] == [one for one in found.values() if not one.is_met]
    assert found["the 10 that matter most LIVE"].value <= found["all LIVE"].value


def outcome(monkeypatch: pytest.MonkeyPatch, slack_s: float) -> Result:
    """What the command says of ten symbols."""
    monkeypatch.setattr(cold_start, "CASES", {"ten": CASES["whole books, with a key"]})
    monkeypatch.setattr(cold_start, "SLACK_S", slack_s)
    return CliRunner().invoke(main, ["--symbols", "10", "--rate", "100", "--format", "json"])


def test_a_missed_bar_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exit code is 1, and the table says which."""
    met, missed = outcome(monkeypatch, 1.0), outcome(monkeypatch, -2 * ONE_WAY_MS)

    assert (0, 0) == (met.exit_code, json.loads(met.stdout)["missed"])
    assert (1, 2) == (missed.exit_code, json.loads(missed.stdout)["missed"])


def test_it_runs_on_real_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Started, and ended at once, as a test does not measure times: no loss of LIVE, no limit violated."""
    monkeypatch.setattr(cold_start, "SETTLE_S", 0.0)
    found = {one.name: one for one in asyncio.run(cold_start.steady(5, 500.0, 0.0, 1))}

    assert (0, 0) == (found["losses of LIVE"].value, found["limits violated"].value)
    assert 0 < found["first LIVE"].value <= found["half LIVE"].value <= found["all LIVE"].value
    # What a process that has done much before gives back meanwhile may be more than five books take.
    assert min(found["memory before the start"].value, found["memory when all are LIVE"].value) > 0
