"""What ``python -m tests.simulation`` prints: words for people, and JSON for programs who ask for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result

from tests.simulation import __main__ as commands
from tests.simulation.case import Case
from tests.simulation.oracle import Breach
from tests.simulation.planted import PLANTED
from tests.simulation.regressions import Kept, to_text
from tests.simulation.running import Outcome
from tests.test_simulation_campaign import BREACH, result

SHORT: Final = Case(seed=7, symbols=("BTC-USDT",), rate=20.0, duration_ms=500, plan=({"fault": "drop", "nth": 3},))


def command(*args: str) -> Result:
    """Run one."""
    return CliRunner().invoke(commands.main, args)


@pytest.fixture
def case(tmp_path: Path) -> str:
    """A file with a short run of one symbol and one entry."""
    path = tmp_path / "case.json"
    path.write_text(to_text(Kept(SHORT)), encoding="utf-8")
    return str(path)


def test_a_run_says_what_it_was(case: str) -> None:
    """What is counted has its noun, in the singular too; a replay is told of, and only where there was one."""
    plain, replayed = command("run", "--case", case), command("run", "--case", case, "--replay")

    assert (0, 0) == (plain.exit_code, replayed.exit_code)
    lines = plain.stdout.splitlines()
    assert "seed 7: 1 symbol (BTC-USDT), normal market, 0.5 s with 1 entry of a fault plan" == lines[0]
    assert "messages reached the books, " in lines[2]
    assert "0 breaches" == lines[-1]
    assert "recorded and replayed: every book as it was" in replayed.stdout.splitlines()
    assert "replayed" not in plain.stdout


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        (Outcome(live_share=0.99996), "books could be read for 99.99% of that time"),
        (Outcome(live_share=1.0), "books could be read for 100% of that time"),
        (Outcome(live_share=0.88), "books could be read for 88% of that time"),
        (Outcome(), "0 messages reached the books (no book changed: in such a market that is rare), 0 comparisons"),
        (Outcome(frames=1, compared=1), "1 message reached the books, 1 comparison with the truth"),
        (Outcome(frames=12_345), "12,345 messages reached the books, 0 comparisons"),
        (Outcome(breaches=[BREACH]), "\n1 breach\n"),
        (Outcome(breaches=[Breach("I9", "BTC-USDT", 1, "other")]), "recorded and replayed: not as it was\n"),
    ],
)
def test_numbers_are_not_rounded_up(monkeypatch: pytest.MonkeyPatch, case: str, outcome: Outcome, told: str) -> None:
    """All of the time is all of it; and a number that surprises is explained."""
    monkeypatch.setattr(commands, "outcome_of", lambda *_, **__: outcome)

    done = command("run", "--case", case, "--replay")

    assert told in done.stdout
    assert bool(outcome.breaches) == done.exit_code


@pytest.mark.parametrize("args", [("run", "--seed", "1"), ("campaign", "--seeds", "1")])
def test_an_engine_that_there_is_not(args: tuple[str, ...]) -> None:
    """It says where those are listed that there are, and one that may be meant."""
    done = command(*args, "--planted", "a hole does not end live")

    assert (1, "") == (done.exit_code, done.stdout)
    assert done.stderr.startswith(
        "Error: no planted engine 'a hole does not end live'; did you mean 'a hole does not end"
    )
    assert f"`python -m tests.simulation planted` lists all {len(PLANTED)}\n" in done.stderr
    assert "did you mean" not in command(*args, "--planted", "qqq").stderr


def test_planted_engines_are_listed() -> None:
    """By the names that ``--planted`` takes, with the laws that notice them."""
    lines = command("planted").stdout.splitlines()

    assert [engine.name for engine in PLANTED] == [line.partition("  ")[0] for line in lines]
    assert all(law in line for engine, line in zip(PLANTED, lines, strict=True) for law in engine.laws)


def test_a_campaign_sums_up_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or as the line of the ledger, for programs."""
    ledger = tmp_path / "ledger.jsonl"

    def few(_task: object, seeds: range, _workers: int) -> Any:
        yield from (result(seed, *([BREACH] if seed == 4 else [])) for seed in seeds)

    monkeypatch.setattr(commands, "examined", few)
    monkeypatch.setattr(commands, "reproduce", lambda *_, **__: "again")
    arguments = ("campaign", "--ledger", str(ledger), "--window", "3")
    first, second = command(*arguments), command(*arguments)
    third = command(*arguments, "--format", "json")

    told, where = first.stdout.splitlines()
    assert told.startswith("3 seeds, 0 to 2 in ")
    assert told.endswith(": 303 messages, 15 faults, 30 events, 150 comparisons with the truth; no law was broken")
    assert f"written to {ledger}" == where
    assert second.stdout.splitlines()[0].endswith("; laws broken: I2 1; by 1 of 3: 4")
    assert (6, 8) == tuple(json.loads(third.stdout)[key] for key in ("from", "to"))
    assert "written" not in command("campaign", "--ledger", str(ledger), "--seeds", "8").stdout
