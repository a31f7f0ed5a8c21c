"""A short run of the fuzzing campaign, what it found before, and that it would find something."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from orderbook.sync import BookSync
from orderbook.types import Side
from snapshots.capture import CaptureReader
from tests.fuzzing import __main__ as commands
from tests.fuzzing import campaign, recordings, worker
from tests.fuzzing.build import digests
from tests.fuzzing.campaign import LEDGER, Asked, Progress, left_of, line_of, next_seed, planned, read_ledger, summed
from tests.fuzzing.cases import REGRESSIONS, TARGETS, Case, fails_alike, minimised, run, write
from tests.fuzzing.frames import Watched
from tests.fuzzing.mutator import Mutator
from tests.fuzzing.target import rendered
from tests.fuzzing.worker import Notes, Window

INPUTS: Final = 1_000


def window(target: str, folder: Path, *, seed: int = 1, inputs: int = INPUTS) -> dict[str, Any]:
    """What a short window comes to; its time is no matter here."""
    return list(Window(TARGETS[target](), seed, Notes(folder / "notes"), None, sanitized=True).run(inputs))[-1]


@pytest.fixture(autouse=True)
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Failures go into a folder of the test; one is enough, and need not be as small as may be."""
    folder = tmp_path / "found"
    monkeypatch.setattr(worker, "FAILURES_MAX", 1)
    monkeypatch.setattr(worker, "PROBED_MAX", 300)
    monkeypatch.setattr(worker, "write", lambda case: write(case, folder))
    monkeypatch.setattr(campaign, "write", lambda case, where=folder: write(case, where))
    return folder


@pytest.mark.parametrize("target", TARGETS)
def test_hostile_inputs(target: str, tmp_path: Path) -> None:
    """Both ways come to the same, whatever the input; some are taken, some are not."""
    told = window(target, tmp_path)
    assert [] == told["failures"]
    assert INPUTS == told["inputs"] == told["accepted"] + told["refused"]
    assert min(told["accepted"], told["refused"]) > 5


@pytest.mark.parametrize("path", sorted(REGRESSIONS.glob("*.json")), ids=lambda path: path.stem)
def test_what_failed_once_holds(path: Path) -> None:
    """Every input that ever failed."""
    case = Case.from_text(path.read_text(encoding="utf-8"))
    assert case.comment
    assert None is run(case)
    assert case.law != "slow" or not fails_alike(case)(case)


# ---- it would find something -----------------------------------------------------------------------------------------


def _loses_a_level(receive: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(sync: Watched, frame: Any, received_ns: int = 0) -> Any:
        told = receive(sync, frame, received_ns)
        if len(frame) % 50 == 0:
            sync.book.content.bids.set(sync.book.content.bids.at(0)[0], 0)
        return told

    return wrong


def _miscounts(receive: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(sync: Watched, frame: Any, received_ns: int = 0) -> Any:
        told = receive(sync, frame, received_ns)
        sync.book.content.touch_count += len(frame) % 50 == 0
        return told

    return wrong


def _swallows(receive: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(sync: Watched, frame: Any, received_ns: int = 0) -> Any:
        return () if len(frame) % 50 == 0 else receive(sync, frame, received_ns)

    return wrong


def _raises(receive: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(sync: Watched, frame: Any, received_ns: int = 0) -> Any:
        if len(frame) % 50 == 0:
            raise OverflowError("planted")
        return receive(sync, frame, received_ns)

    return wrong


@pytest.mark.parametrize(
    ("plant", "laws"),
    [
        (_loses_a_level, {"levels", "value"}),
        (_miscounts, {"value"}),
        (_swallows, {"accept", "value", "events", "state"}),
        (_raises, {"raised"}),
    ],
)
def test_a_planted_mistake_is_found(
    plant: Callable[..., Any], laws: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is written down, small, and the file shows it again; without the mistake it holds."""
    receive: Callable[..., Any] = Watched.receive
    monkeypatch.setattr(Watched, "receive", plant(receive), raising=False)
    paths = window("frames", tmp_path, inputs=200)["failures"]
    assert paths
    case = Case.from_text(Path(paths[0]).read_text(encoding="utf-8"))
    assert case.law in laws
    assert len(case.inputs) <= 8
    assert (shown := run(case)) is not None
    assert case.law == shown.law
    monkeypatch.setattr(Watched, "receive", receive, raising=False)
    assert None is run(case)


def test_a_wrong_snapshot_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loader that reads a size wrong now and then."""
    load = BookSync._decode_snapshot

    def wrong(sync: BookSync, body: Any, depth: Any) -> Any:
        content = load(sync, body, depth)
        if len(content.bids) > 2:
            content.ladder(Side.BID).set(content.bids.at(1)[0], 7)
        return content

    monkeypatch.setattr(BookSync, "_decode_snapshot", wrong)
    paths = window("snapshots", tmp_path, inputs=100)["failures"]
    assert {"levels"} == {Case.from_text(Path(path).read_text(encoding="utf-8")).law for path in paths}


def test_a_wrong_reader_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that raises something of its own at a bad line."""

    def wrong(*_: Any) -> None:
        raise KeyError("planted")

    monkeypatch.setattr(CaptureReader, "_note", wrong)
    paths = window("captures", tmp_path, inputs=100)["failures"]
    assert {"raised"} == {Case.from_text(Path(path).read_text(encoding="utf-8")).law for path in paths}


def test_what_is_slow_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An input that takes too long, whenever it is measured, is a failure."""
    monkeypatch.setattr(worker, "effort", lambda _case: 10**9)
    notes = Notes(tmp_path / "notes")
    one = Window(TARGETS["captures"](), 1, notes, None, sanitized=False)
    told = list(one.run(10))[-1]
    assert told["failures"]
    assert "slow" == Case.from_text(Path(told["failures"][0]).read_text(encoding="utf-8")).law


# ---- its parts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", TARGETS)
def test_a_seed_is_one_run(target: str) -> None:
    """The same inputs in every process, and others for another seed."""
    first, again, other = (Mutator(TARGETS[target](), seed) for seed in (3, 3, 4))
    drawn = [first.drawn() for _ in range(50)]
    assert drawn == [again.drawn() for _ in range(50)]
    assert drawn != [other.drawn() for _ in range(50)]


def test_tokens_continue_a_book() -> None:
    """``@4`` is the next sequence; whatever else stands there stays."""
    assert b'{"x":101,"y":"98","z":"@a"}' == rendered(b'{"x":@4,"y":"@1","z":"@a"}', 100)


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=4).map(tuple))
def test_a_case_is_a_file(inputs: tuple[bytes, ...]) -> None:
    """Any bytes are kept as they are."""
    case = Case("frames", 1, inputs, "law", "detail", "comment")
    assert case == Case.from_text(case.to_text())


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{}", '{"target":"x","scenario":0,"inputs":[]}', '{"target":"frames","scenario":99,"inputs":[]}'),
        *('{"target":"frames","scenario":0,"inputs":["\u20ac"]}', '{"target":"frames","scenario":0,"inputs":[1]}'),
    ],
)
def test_other_files_are_no_cases(text: str) -> None:
    """One kind of error."""
    with pytest.raises(ValueError, match=r"not a case|Expecting"):
        Case.from_text(text)


def test_what_is_packed_weighs_what_it_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few bytes that become many KiB are not slow because those take their time."""
    monkeypatch.setattr(recordings, "PLAIN_NS", 0)
    line = b'{"ts":1,"kind":"ws","url":null,"raw":"x"}\n'
    packed = gzip.compress(line * 1_000, mtime=0)
    assert len(packed) < 1_024
    target = recordings.Recordings()
    assert (1 + len(line) * 1_000 // 1_024) == target.take(packed).kib
    assert 2 == target.take(line * 40).kib


def test_a_case_is_made_smaller() -> None:
    """Only the input, and of it only the bytes, that make it fail are left; within so many probes."""
    asked = 0

    def fails(case: Case) -> bool:
        nonlocal asked
        asked += 1
        return any(b"a" in data and b"b" in data for data in case.inputs)

    rng = random.Random(1)
    whole = Case("frames", 0, (*(rng.randbytes(50).replace(b"b", b"") for _ in range(9)), b"xxaxxxxxbxx", b"yy"))
    assert (b"ab",) == minimised(whole, fails, 1_000).inputs
    asked = 0
    smaller = minimised(whole, fails, 10)
    assert asked <= 10
    assert fails(smaller)


def test_notes_survive(tmp_path: Path) -> None:
    """What a process was given since its last beginning."""
    notes = Notes(tmp_path / "notes")
    notes.begin(1)
    notes.add(b"before")
    notes.begin(2)
    notes.add(b"one")
    notes.add(b"")
    assert (2, (b"one", b"")) == Notes.read(tmp_path / "notes")


# ---- the campaign ----------------------------------------------------------------------------------------------------

DONE: Final = {"inputs": 10, "accepted": 4, "refused": 6, "slowest_us_per_kib": 5.5, "last": True, "seconds": 1}


def test_windows_are_planned() -> None:
    """So many inputs of each target, in turns, with seeds that were not used."""
    counts = {"frames": campaign.WINDOW + 5, "snapshots": 0, "captures": campaign.WINDOW}
    asked = planned(counts, "coverage", {"frames": 7, "snapshots": 3, "captures": 0})
    assert [
        ("frames", 7, campaign.WINDOW),
        ("captures", 0, campaign.WINDOW),
        ("frames", 8, 5),
    ] == [one[:3] for one in asked]


def test_only_the_present_parser_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left until so many is of this parser and this build; every target has the same share."""
    monkeypatch.setattr(campaign, "digests", lambda: {"parser": "now"})
    done = [
        {"target": "frames", "build": "coverage", "inputs": 30, "parser": "now", "seed": 0},
        {"target": "frames", "build": "coverage", "inputs": 30, "parser": "then", "seed": 1},
        {"target": "captures", "build": "sanitized", "inputs": 30, "parser": "now", "seed": 0},
        {"target": "captures", "build": "coverage", "inputs": 60, "seed": 1},
        {"target": "snapshots", "build": "coverage", "inputs": 99, "parser": "now", "seed": 0},
    ]
    assert {"frames": 4, "snapshots": 0, "captures": 34} == left_of(done, list(TARGETS), 100, "coverage")
    assert 159 == summed(done, "now")["all on the present parser"]["inputs"]


def test_a_process_that_died_leaves_a_case(monkeypatch: pytest.MonkeyPatch, found: Path) -> None:
    """What it was given last, made smaller as long as a process dies of it."""

    def died(arguments: list[str], *_: object) -> tuple[dict[str, Any], int, str]:
        notes = Notes(Path(arguments[arguments.index("--notes") + 1]))
        notes.begin(0)
        notes.add(b"harmless")
        notes.add(b"deadly")
        return {"inputs": 1}, -11, "x.c:1: runtime error: planted"

    def run_case(path: Path, _flavour: str, *, quiet: bool) -> int:
        assert quiet
        return -11 if b"dead" in b"".join(Case.from_text(path.read_text(encoding="utf-8")).inputs) else 0

    monkeypatch.setattr(campaign, "_told_by", died)
    monkeypatch.setattr(campaign, "run_case", run_case)
    ((asked, told),) = campaign.run([Asked("frames", 0, 5, "sanitized")], 1, Progress())
    (path,) = told["failures"]
    case = Case.from_text(Path(path).read_text(encoding="utf-8"))
    assert ("crash", (b"dead",)) == (case.law, case.inputs)
    assert "planted" in case.detail
    assert found == Path(path).parent
    assert 1 == line_of(asked, told)["failures"]


def test_a_campaign_goes_on_where_it_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each window is a line; the next one has the next seed; a seed by name is no part of it."""
    ledger = tmp_path / "ledger.jsonl"
    asked: list[Asked] = []

    def few(windows: list[Asked], _workers: int, _progress: Progress) -> Any:
        asked.extend(windows)
        yield from ((one, DONE) for one in windows)

    monkeypatch.setattr(commands, "run", few)
    monkeypatch.setattr(commands, "made", lambda _flavour: tmp_path)
    arguments = ["--ledger", str(ledger), "--inputs", "10", "--target", "frames"]
    for _ in range(2):
        assert 0 == CliRunner().invoke(commands.main, arguments).exit_code
    CliRunner().invoke(commands.main, [*arguments, "--seed", "50"])
    assert [0, 1, 50] == [one.seed for one in asked]
    windows = read_ledger(ledger)
    assert [0, 1] == [one["seed"] for one in windows]
    assert (2, 0) == (next_seed(windows, "frames"), next_seed(windows, "captures"))
    told = CliRunner().invoke(commands.main, ["--ledger", str(ledger), "--total"])
    assert (2, 20, 0) == tuple(json.loads(told.stdout)["all"][name] for name in ("windows", "inputs", "failures"))


def test_a_campaign_ends_where_it_was_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked again, it runs what is missing, then nothing; each line says of which sources it is."""
    ledger = tmp_path / "ledger.jsonl"
    asked: list[Asked] = []

    def half(windows: list[Asked], _workers: int, _progress: Progress) -> Any:
        asked.extend(windows)
        yield from ((one, {**DONE, **digests(), "inputs": -(-one.inputs // 2)}) for one in windows)

    monkeypatch.setattr(commands, "run", half)
    monkeypatch.setattr(commands, "made", lambda _flavour: tmp_path)
    arguments = ["--ledger", str(ledger), "--until", "9", "--target", "frames"]
    for _ in range(4):
        assert 0 == CliRunner().invoke(commands.main, arguments).exit_code
    told = CliRunner().invoke(commands.main, arguments)
    assert (0, "") == (told.exit_code, told.stdout)
    assert "nothing is left" in told.stderr
    assert [9, 4, 2, 1] == [one.inputs for one in asked]
    assert [digests()] * 4 == [{name: one[name] for name in ("parser", "sources")} for one in read_ledger(ledger)]
    told = CliRunner().invoke(commands.main, ["--ledger", str(ledger), "--until", "9", "--seed", "1"])
    assert 2 == told.exit_code


def test_what_ran_on_changing_sources_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not known what it was of."""
    ledger = tmp_path / "ledger.jsonl"

    def changing(windows: list[Asked], _workers: int, _progress: Progress) -> Any:
        yield windows[0], DONE
        yield windows[1], {**DONE, "changed": True}
        raise AssertionError("it goes on")

    monkeypatch.setattr(commands, "run", changing)
    monkeypatch.setattr(commands, "made", lambda _flavour: tmp_path)
    told = CliRunner().invoke(commands.main, ["--ledger", str(ledger), "--inputs", "10"])
    assert 1 == told.exit_code
    assert "changed" in told.stderr
    assert 10 == summed(read_ledger(ledger))["all"]["inputs"]


def test_an_interrupted_campaign_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ended before is written down."""
    ledger = tmp_path / "ledger.jsonl"

    def interrupted(windows: list[Asked], _workers: int, _progress: Progress) -> Any:
        yield windows[0], DONE
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "run", interrupted)
    monkeypatch.setattr(commands, "made", lambda _flavour: tmp_path)
    told = CliRunner().invoke(commands.main, ["--ledger", str(ledger), "--inputs", "10"])
    assert 130 == told.exit_code
    assert 10 == summed(read_ledger(ledger))["all"]["inputs"]


def test_a_ledger_that_is_none(tmp_path: Path) -> None:
    """One line that names it."""
    ledger = tmp_path / "ledger.jsonl"
    ledger.write_text('{"target":"frames"}\n')
    told = CliRunner().invoke(commands.main, ["--ledger", str(ledger), "--total"])
    assert (1, "") == (told.exit_code, told.stdout)
    assert "line 1 is no window" in told.stderr


def test_the_ledger_of_the_repository_can_be_read() -> None:
    """No seed of a target stands there twice."""
    windows = [(one["target"], one["seed"]) for one in read_ledger(LEDGER)]
    assert len(set(windows)) == len(windows)
