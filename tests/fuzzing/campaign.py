"""Windows of inputs, each in a process of its own, and the ledger of all that was ever run."""

from __future__ import annotations

import json
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Generator, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from orderbook import __version__
from tests.fuzzing.build import BUILT, ROOT, digests, environment
from tests.fuzzing.cases import Case, minimised, write
from tests.fuzzing.worker import Notes
from tests.programs import said

LEDGER: Final = Path(__file__).with_name("LEDGER.jsonl")
CORPUS: Final = BUILT / "corpus"
WINDOW: Final = 250_000
"""Inputs that one process runs."""
CARRIED: Final = {"7f899ef69dba": "f11c93b0a0fd"}
"""The digest of all compiled modules, as it once was reckoned, and that of what is reckoned now of the same sources."""
HANG_S: Final = 180.0
"""A process that tells nothing for so long hangs; it tells something every few seconds."""
CRASH_PROBES_MAX: Final = 60
_SOURCES: Final = ("orderbook", "snapshots", "tests/fuzzing/*.py", "tests/fuzzing/*.c")


class Asked(NamedTuple):
    """A window: so many inputs of one target, drawn by one seed, on one build."""

    target: str
    seed: int
    inputs: int
    flavour: str


@dataclass(slots=True)
class Progress:
    """What all windows have done so far; written by their threads, read by the one that shows it."""

    told: dict[Asked, dict[str, Any]] = field(default_factory=dict)
    processes: set[subprocess.Popen[str]] = field(default_factory=set)
    stopped: bool = False

    @property
    def inputs(self) -> int:
        """Of all windows."""
        return sum(told.get("inputs", 0) for told in list(self.told.values()))

    @property
    def failures(self) -> list[str]:
        """The files of all."""
        return [path for told in list(self.told.values()) for path in told.get("failures", ())]

    def stop(self) -> None:
        """Let every process end with the input in hand."""
        self.stopped = True
        for process in list(self.processes):
            process.send_signal(signal.SIGINT)


def planned(inputs: Mapping[str, int], flavour: str, first: Mapping[str, int]) -> list[Asked]:
    """The windows for so many inputs of each target, taking turns.

    Args:
        inputs: How many, by the names of the targets.
        flavour: The build.
        first: The first seed of each.
    """
    windows = []
    for number, start in enumerate(range(0, max(inputs.values(), default=0), WINDOW)):
        left = {name: min(WINDOW, count - start) for name, count in inputs.items()}
        windows += [Asked(name, first[name] + number, count, flavour) for name, count in left.items() if count > 0]
    return windows


def run(windows: Sequence[Asked], workers: int, progress: Progress) -> Generator[tuple[Asked, dict[str, Any]]]:
    """Run windows; each with what it came to, as they end. Those that did not begin before a stop are left out."""
    with ThreadPoolExecutor(workers) as pool:
        futures = {pool.submit(_window, asked, progress): asked for asked in windows}
        left = set(futures)
        try:
            for future in as_completed(futures):
                left.discard(future)
                if (told := future.result()) is not None:
                    yield futures[future], told
        except KeyboardInterrupt:
            progress.stop()
            for future in as_completed(left):
                if (told := future.result()) is not None:
                    yield futures[future], told
            raise


def _window(asked: Asked, progress: Progress) -> dict[str, Any] | None:
    """Run one; ``None`` if it was not begun."""
    if progress.stopped:
        return None
    began, source = time.monotonic(), digests()
    with tempfile.TemporaryDirectory(prefix="fuzzing-") as folder:
        notes = Path(folder) / "notes"
        arguments = ["--target", asked.target, "--seed", str(asked.seed), "--inputs", str(asked.inputs)]
        arguments += ["--notes", str(notes), "--corpus", str(CORPUS / asked.target)]
        told, code, error = _told_by(arguments, asked, progress)
        if not told.get("last"):
            failure = _died(asked, notes, code, error)
            told["failures"] = [*told.get("failures", []), failure]
    progress.told[asked] = told
    return told | source | {"seconds": round(time.monotonic() - began), "changed": source != digests()}


def _told_by(arguments: list[str], asked: Asked, progress: Progress) -> tuple[dict[str, Any], int, str]:
    """Run a worker; the last thing it said, its exit code (``-SIGKILL`` where it hung), and what it complained of."""
    command = [sys.executable, "-m", "tests.fuzzing.worker", *arguments]
    told: dict[str, Any] = {}
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment(asked.flavour), cwd=ROOT
        ) as process,
    ):
        progress.processes.add(process)
        assert process.stdout is not None
        timer = _watch(process)
        for line in process.stdout:
            timer.cancel()
            told = json.loads(line)
            progress.told[asked] = told
            timer = _watch(process)
        code = process.wait()
        timer.cancel()
        progress.processes.discard(process)
        errors.seek(0)
        return told, code, errors.read()


def _watch(process: subprocess.Popen[str]) -> threading.Timer:
    timer = threading.Timer(HANG_S, process.kill)
    timer.daemon = True
    timer.start()
    return timer


def _died(asked: Asked, notes: Path, code: int, error: str) -> str:
    """The file of what killed a process, made smaller where that can be shown again."""
    scenario, inputs = Notes.read(notes) if notes.exists() else (0, ())
    law = "hang" if code == -signal.SIGKILL else "crash"
    interesting = [line for line in error.splitlines() if "rror" in line][:3]
    case = Case(asked.target, scenario, inputs, law, f"exit code {code}: {' '.join(interesting)}"[:1_000])
    if law == "crash" and inputs:
        fails = partial(_crashes, flavour=asked.flavour)
        if fails(case):
            case = minimised(case, fails, CRASH_PROBES_MAX)
    return str(write(case))


def _crashes(case: Case, *, flavour: str) -> bool:
    """Whether a process dies of it."""
    with tempfile.TemporaryDirectory(prefix="fuzzing-") as folder:
        return run_case(write(case, Path(folder)), flavour, quiet=True) not in (0, 1)


def run_case(path: Path, flavour: str, *, quiet: bool = False) -> int:
    """Run a file in a process of its own; its exit code: 0 if it holds, 1 if something is broken, else a crash."""
    command = [sys.executable, "-m", "tests.fuzzing.worker", "--case", str(path.resolve())]
    output = subprocess.DEVNULL if quiet else None
    try:
        done = subprocess.run(
            command, env=environment(flavour), cwd=ROOT, check=False, timeout=HANG_S, stdout=output, stderr=output
        )
    except subprocess.TimeoutExpired:
        return -signal.SIGKILL
    return done.returncode


# ---- the ledger ------------------------------------------------------------------------------------------------------


def line_of(asked: Asked, told: Mapping[str, Any]) -> dict[str, Any]:
    """What the ledger says of a window."""
    names = ("inputs", "accepted", "refused", "places", "outcomes", "slowest_us_per_kib", "slowest", "cpu_seconds")
    failures = [Path(path).name for path in told.get("failures", ())]
    return {
        "target": asked.target,
        "seed": asked.seed,
        "build": asked.flavour,
        **{name: told.get(name, 0) for name in names},
        "failures": len(failures),
        **({"failed": failures} if failures else {}),
        "version": __version__,
        "revision": revision(),
        **{name: told[name] for name in ("parser", "sources") if name in told},
        "python": platform.python_version(),
        "date": said("date", "-u", "+%F"),
        "seconds": told.get("seconds", 0),
    }


def read_ledger(path: Path = LEDGER) -> list[dict[str, Any]]:
    """Every window, oldest first; none where there is no file. Raises ``ValueError`` for a line that is no window."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    windows: list[dict[str, Any]] = []
    for number, line in enumerate(lines, 1):
        try:
            window = json.loads(line)
            window["target"], window["build"], int(window["seed"]), int(window["inputs"])
        except (ValueError, KeyError, TypeError):
            raise ValueError(f"{path}, line {number} is no window: {line[:60]!r}") from None
        if window.get("parser") in CARRIED:
            window["parser"] = CARRIED[window["parser"]]
        windows.append(window)
    return windows


def next_seed(windows: Iterable[Mapping[str, Any]], target: str) -> int:
    """The first seed of a target that no window had."""
    return max((int(window["seed"]) + 1 for window in windows if window["target"] == target), default=0)


def left_of(windows: Iterable[Mapping[str, Any]], targets: Sequence[str], inputs: int, flavour: str) -> dict[str, int]:
    """How many inputs of each target are left to run until so many were run in all, on the parser as it is now.

    Args:
        windows: Those of the ledger; what another parser or another build was given does not count.
        targets: Their names; each has the same share.
        inputs: Of all together.
        flavour: The build.
    """
    now, done = digests()["parser"], Counter[str]()
    for window in windows:
        if window["build"] == flavour and window.get("parser") == now:
            done[window["target"]] += window["inputs"]
    return {name: max(0, -(-inputs // len(targets)) - done[name]) for name in targets}


def summed(windows: Iterable[Mapping[str, Any]], parser: str | None = None) -> dict[str, dict[str, Any]]:
    """All windows in one for each build and target, in one for all, and in one for those of this parser."""
    found: dict[str, dict[str, Any]] = {}
    for window in windows:
        names = [f"{window['build']} {window['target']}", "all"]
        if parser is not None and window.get("parser") == parser:
            names += ["all on the present parser"]
        for name in names:
            total = found.setdefault(name, Counter())
            total["windows"] += 1
            for count in ("inputs", "accepted", "refused", "failures", "seconds", "cpu_seconds"):
                total[count] += window.get(count, 0)
            total["slowest_us_per_kib"] = max(total["slowest_us_per_kib"], window.get("slowest_us_per_kib", 0))
    return {name: dict(total) for name, total in sorted(found.items())}


def revision() -> str | None:
    """Which source it was; with a plus where the library or the fuzzing differs from it."""
    found = said("git", "rev-parse", "--short=12", "HEAD")
    return None if found is None else f"{found}+" if said("git", "status", "--porcelain", "--", *_SOURCES) else found
