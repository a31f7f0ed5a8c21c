"""Whatever failed once holds now, and every run can be made again from a file with one command."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.simulation.__main__ import main
from tests.simulation.case import SYMBOLS, Case, drawn
from tests.simulation.oracle import Breach
from tests.simulation.probing import outcome_of
from tests.simulation.regressions import ROOT, Kept, from_text, name_of, regressions, reproduce, to_text, write

CASE = Case(
    seed=7, symbols=SYMBOLS[:1], rate=20.0, duration_ms=500, plan=({"fault": "drop", "nth": [3, 5]}, {"fault": "stall"})
)
BREACH = Breach("I1", "BTC-USDT", 1_000_000_001, "wrong at 7, LIVE")


@pytest.mark.parametrize("path", regressions(), ids=lambda path: path.stem)
def test_what_failed_once_holds(path: Path) -> None:
    """Each run that ever broke a law breaks none."""
    kept = from_text(path.read_text(encoding="utf-8"))
    assert kept.comment, "a regression says what it was"
    outcome = outcome_of(kept.case, replay=kept.replay)
    assert [] == outcome.breaches, reproduce(kept.case, outcome.breaches, replay=kept.replay)


@pytest.mark.parametrize(
    "kept",
    [Kept(CASE), Kept(CASE, 'a "word"\n', BREACH, replay=True), Kept(drawn(3), "drawn")],
    ids=["bare", "whole", "drawn"],
)
def test_a_file_gives_the_same_run(kept: Kept) -> None:
    """Written and read again, a run is equal in all that it consists of; an entry of the plan stands on one line."""
    text = to_text(kept)
    assert kept == from_text(text)
    assert len(kept.case.plan) + 3 == len(text.splitlines())
    assert Kept(kept.case) == from_text(kept.case.to_json())


@pytest.mark.parametrize("text", ["", "[]", "{}", "7", '{"seed": 1, "symbols": 3, "plan": []}', "{" * 9])
def test_what_is_no_run_is_refused(text: str) -> None:
    """With an error that a command can tell, whatever stands in the file."""
    with pytest.raises(ValueError, match=r"."):
        from_text(text)


def test_different_runs_have_different_names() -> None:
    """So that no case of a failure takes the place of another."""
    assert 3 == len({name_of(CASE), name_of(CASE.without(0)), name_of(drawn(7))})


def test_one_command_makes_the_same_run_again(tmp_path: Path) -> None:
    """The command that a failure prints names a file, and running it gives the trace of that failure."""
    command = shlex.split(reproduce(CASE, [BREACH], folder=tmp_path))
    assert ["python", "-m", "tests.simulation"] == command[:3]
    kept = from_text(Path(command[5]).read_text(encoding="utf-8"))
    assert Kept(CASE, "I1: wrong at 7, LIVE", BREACH) == kept
    result = CliRunner().invoke(main, command[3:])
    assert f"trace {outcome_of(CASE).trace}\n" in result.stdout
    assert (0, "0 breaches") == (result.exit_code, result.stdout.splitlines()[-1])


def test_the_command_says_how_it_was_run(tmp_path: Path) -> None:
    """A replayed run is replayed again, and a wrong engine is named; within the repository the path is short."""
    command = shlex.split(reproduce(CASE, replay=True, planted="holes are not seen", folder=tmp_path))
    assert ["--replay", "--planted", "holes are not seen"] == command[6:]
    folder = ROOT / "build" / "simulation-test"
    try:
        path = Path(shlex.split(reproduce(CASE, folder=folder))[5])
        assert Path("build/simulation-test") == path.parent
        assert (ROOT / path).exists()
    finally:
        (folder / f"{name_of(CASE)}.json").unlink()
        folder.rmdir()


def test_a_failure_is_shrunk_into_a_regression(tmp_path: Path) -> None:
    """``run`` tells of a breach and exits with 1; ``shrink`` of its file writes a smaller one that fails, too."""
    planted = "holes are not seen"
    case = Case(seed=0, symbols=SYMBOLS[:1], rate=20.0, duration_ms=2_000, plan=({"fault": "drop", "at_ms": 700},))
    found, small = write(tmp_path / "found.json", Kept(case, "found")), tmp_path / "small.json"
    told = CliRunner().invoke(main, ["run", "--case", str(found), "--planted", planted])
    assert 1 == told.exit_code
    assert "\nI1 BTC-USDT at 100" in told.stdout
    more = ["--out", str(small), "--seconds", "1000000", "--probes", "5"]
    told = CliRunner().invoke(main, ["shrink", "--case", str(found), "--planted", planted, *more])
    assert 0 == told.exit_code, told.output
    kept = from_text(small.read_text(encoding="utf-8"))
    assert ("found", "I1") == (kept.comment, kept.breach and kept.breach.law)
    assert kept.case.duration_ms < case.duration_ms
    assert 1 == CliRunner().invoke(main, shlex.split(told.stdout.splitlines()[-1])[3:]).exit_code


@pytest.mark.parametrize(
    "arguments",
    [
        ("run",),
        ("run", "--seed", "1", "--case", __file__),
        ("run", "--case", __file__),
        ("shrink", "--seed", "1", "--planted", "no such"),
        ("campaign", "--seeds", "5..1"),
        ("campaign", "--seeds", "x"),
        ("campaign", "--planted", "holes are not seen"),
        ("campaign", "--seeds", "1..2", "--window", "3"),
        ("ledger", "--ledger", __file__),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments: tuple[str, ...]) -> None:
    """A wrong option ends a command before anything is run, with a message instead of a traceback."""
    told = CliRunner().invoke(main, list(arguments))
    assert told.exit_code in (1, 2)
    assert "Error: " in told.stderr
