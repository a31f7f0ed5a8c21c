"""A campaign goes through all seeds once, whoever runs them, and the ledger says what was done."""

from __future__ import annotations

import json
import signal
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner

from tests.simulation import __main__ as commands
from tests.simulation.campaign import (
    LEDGER,
    Result,
    Tally,
    Task,
    append,
    examine,
    examined,
    line_of,
    next_seed,
    read_ledger,
    summed,
    traces,
)
from tests.simulation.case import Case, drawn
from tests.simulation.oracle import Breach

SHORT_MS: Final = 2_000
SEEDS: Final = range(6)
TRACES: Final = "407a0b8a7f10376efe395c4e4e22b54a"
"""Digest over the traces of ``SEEDS``, whatever the interpreter.

It changes with anything that a book or a feed does, or that the simulator draws. When that is meant:
``python -m tests.simulation trace --seeds 0..5 --duration-ms 2000`` says the new one; let another Python say it, too.
"""
BREACH: Final = Breach("I2", "BTC-USDT", 1, "late")
SHORT: Final = Task(draw=partial(drawn, duration_ms=SHORT_MS), replay_every=0)


def result(seed: int, *breaches: Breach) -> Result:
    """Of a run that nobody ran."""
    return Result(seed, 100 + seed, 50, 10, 5, f"trace {seed}", breaches)


@pytest.fixture(scope="module")
def here() -> list[Result]:
    """What the seeds come to in this process."""
    return list(examined(SHORT, SEEDS, 1))


def test_every_interpreter_runs_the_same(here: list[Result]) -> None:
    """A seed is one run: not one for each Python, machine or order of sets."""
    assert [] == [one.breaches for one in here if one.breaches]
    assert TRACES == traces(here)


def test_a_worker_changes_nothing(here: list[Result]) -> None:
    """Other processes, with other hashes of texts and other runs before, come to the same results."""
    assert here[:4] == sorted(examined(SHORT, SEEDS[:4], 2))


def test_an_error_is_a_failure() -> None:
    """A run that does not come to its end is told of as a broken law, and the campaign goes on."""
    broken = examine(Task(draw=lambda seed: Case(seed=seed, profile="no such")), 4)
    assert (4, ["crash UsageError"]) == (broken.seed, [breach.law for breach in broken.breaches])


def test_only_seeds_without_a_hole_before_them_are_written_down() -> None:
    """Ended early, a window is as long as the row of its first seeds; a later one that failed was told of."""
    tally = Tally(range(5, 10))
    for one in (result(6), result(5), result(9, BREACH), result(7)):
        tally.add(one)
    assert [5, 6, 7] == [one.seed for one in tally.row]
    assert [9] == [one.seed for one in tally.failed]
    assert (4, 427) == (len(tally), tally.messages)
    line = line_of(tally.row)
    assert (5, 7, 318, 150, 0) == tuple(line[key] for key in ("from", "to", "messages", "comparisons", "breaches"))
    assert "failed" not in line


def test_windows_add_up(tmp_path: Path) -> None:
    """The next window begins behind all that there are, and the sum is that of all."""
    path = tmp_path / "ledger.jsonl"
    assert ([], 0) == (read_ledger(path), next_seed(read_ledger(path)))
    append(line_of([result(0), result(1, BREACH, BREACH)]), path)
    append(line_of([result(2)]), path)
    windows = read_ledger(path)
    assert 3 == next_seed(windows)
    total = summed(windows)
    assert (2, 3, 303, 2, [1]) == tuple(total[key] for key in ("windows", "seeds", "messages", "breaches", "failed"))
    assert {"I2": 2} == windows[0]["laws"]


def test_a_window_goes_on_where_the_last_one_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two windows are two lines that follow each other, and a failure shows in the exit code and as a command."""
    ledger = tmp_path / "ledger.jsonl"
    asked: list[list[int]] = []

    def few(_task: Task, seeds: range, _workers: int) -> Any:
        asked.append(list(seeds))
        yield from (result(seed, *([BREACH] if seed == 4 else [])) for seed in seeds)

    monkeypatch.setattr(commands, "examined", few)
    monkeypatch.setattr(commands, "reproduce", lambda case, *_, **__: f"again {case.seed}")
    arguments = ["campaign", "--ledger", str(ledger), "--window", "3"]
    first = CliRunner().invoke(commands.main, arguments)
    second = CliRunner().invoke(commands.main, arguments)
    assert ([0, 1, 2], [3, 4, 5]) == tuple(asked)
    assert (0, 1) == (first.exit_code, second.exit_code)
    assert "seed 4: I2 BTC-USDT: late\n  again 4\n" in second.stderr
    windows = read_ledger(ledger)
    assert [(0, 2), (3, 5)] == [(one["from"], one["to"]) for one in windows]
    assert [4] == windows[1]["failed"]
    told = CliRunner().invoke(commands.main, ["ledger", "--ledger", str(ledger), "--format", "json"])
    assert (6, 6) == tuple(json.loads(told.stdout)[key] for key in ("seeds", "next"))
    CliRunner().invoke(commands.main, [*arguments[:3], "--seeds", "7..8"])
    assert windows == read_ledger(ledger), "named seeds are no window"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_window_is_not_lost(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Either signal writes down what was done; the next window goes on behind it."""
    # Whoever began these tests may have had it ignored.
    before = signal.default_int_handler if number is signal.SIGINT else signal.SIG_DFL
    outside = signal.signal(number, before)
    ledger = tmp_path / "ledger.jsonl"

    def interrupted(_task: Task, seeds: range, _workers: int) -> Any:
        yield from (result(seed) for seed in (seeds[1], seeds[0], seeds[3]))
        assert signal.default_int_handler is signal.getsignal(number)
        signal.raise_signal(number)

    monkeypatch.setattr(commands, "examined", interrupted)
    told = CliRunner().invoke(commands.main, ["campaign", "--ledger", str(ledger)])
    after = signal.signal(number, outside)
    assert (130, before) == (told.exit_code, after), told.output
    assert "interrupted" in told.stderr
    assert [(0, 1)] == [(one["from"], one["to"]) for one in read_ledger(ledger)]


@pytest.mark.parametrize(
    ("windows", "message"),
    [([(0, 4), (0, 4)], "line 2 begins with seed 0, not 5"), ([(0, 4), (7, 9)], "line 2 begins with seed 7, not 5")],
)
def test_windows_have_no_holes_and_no_overlap(windows: list[tuple[int, int]], message: str, tmp_path: Path) -> None:
    """What was counted twice, or not at all, is no evidence."""
    ledger = tmp_path / "ledger.jsonl"
    ledger.write_text("".join(f'{{"from": {first}, "to": {last}}}\n' for first, last in windows))
    told = CliRunner().invoke(commands.main, ["ledger", "--ledger", str(ledger)])
    assert (1, "") == (told.exit_code, told.stdout)
    assert message in told.stderr


def test_a_ledger_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path) -> None:
    """In one line that names it."""
    told = CliRunner().invoke(commands.main, ["campaign", "--ledger", str(tmp_path / "none" / "x.jsonl")])
    assert 1 == told.exit_code
    assert "the ledger cannot be written" in told.stderr
    assert "none/x.jsonl" in told.stderr


def test_a_ledger_that_is_not_there_is_no_ledger_without_breaches(tmp_path: Path) -> None:
    """Its name may be wrong."""
    told = CliRunner().invoke(commands.main, ["ledger", "--ledger", str(tmp_path / "none.jsonl")])
    assert (1, "") == (told.exit_code, told.stdout)
    assert "does not exist" in told.stderr


def test_the_ledger_of_the_repository_can_be_read() -> None:
    """Its windows follow each other without a hole and without an overlap."""
    windows = read_ledger(LEDGER)
    assert [0, *(one["to"] + 1 for one in windows)][:-1] == [one["from"] for one in windows]
