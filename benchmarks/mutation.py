"""Do the tests notice a mistake? Puts small ones into the sync core and the ladders, one at a time, and runs the tests.

    python -m benchmarks.mutation                     everything that was not tried yet
    python -m benchmarks.mutation sync/table.py       one module; ``--fresh`` tries again what was tried before
    python -m benchmarks.mutation --report            what is known, without trying anything

The kinds of mistake are in ``mutants.py``. Each mutant lives in a process of its own, forked from one that has pytest
loaded and nothing of the library; it imports the changed module from memory, so no file is touched. The tests of the
module run until one fails: those of its parts first, and slower ones only for what survives those.

A run can be interrupted at any time: results are kept in ``build/mutation.jsonl``, and hold until the module changes;
a survivor is tried again when a test of its module changes. Mutants that no test can tell from the original stand in
``tests/mutation/equivalent.toml``, with the reason. Exit code 1: another one survives, or that file is out of date.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.abc
import importlib.util
import json
import os
import resource
import signal
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Final, NamedTuple

import click
import pytest
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it also runs as a plain script

from benchmarks.mutants import Mutant, mutants

ROOT: Final = Path(__file__).resolve().parent.parent
RESULTS: Final = ROOT / "build" / "mutation.jsonl"
EQUIVALENT: Final = ROOT / "tests" / "mutation" / "equivalent.toml"
# What most test files import; loaded once, before the fork. Nothing of the library may be among it.
PRELOADED: Final = ("hypothesis.stateful", "numpy", "sortedcontainers", "aiohttp", "websockets.asyncio.client")
MEMORY_MAX: Final = 4 * 2**30
"""Of a mutant's process, in bytes: one that never ends a loop may fill a list in it."""

Stages = tuple[tuple[str, ...], ...]
SYNC: Final[Stages] = (
    (
        "sync_table",
        "sync_verdicts",
        "sync_parts",
        "sync_journal",
        "sync_comparing",
        "sync_out_of_turn",
        "sync_ahead",
        "old_count",
    ),
    (
        *("sync_stream", "sync_joining", "sync_bounds", "sync_audit", "sync_answers", "sync_waits", "sync_desk"),
        *("sync_unasked", "sync_resets", "sync_overdue", "sync_probes", "shared_link", "corners"),
    ),
    ("sync_invariants", "reset_worlds"),
    ("sync_inputs", "any_bytes", "damage"),
)
BOOK: Final[Stages] = (
    ("ladder", "content", "book_sides"),
    ("book", "guard", "horizon"),
    ("queries", "forms", "sync_audit", "sync_comparing", "sync_bounds", "book_machine"),
)
MODULES: Final[dict[str, Stages]] = {
    **dict.fromkeys(
        (
            *("sync/table.py", "sync/facts.py", "sync/machine.py", "sync/answers.py", "sync/audit.py"),
            *("sync/buffer.py", "sync/waits.py", "sync/alarms.py", "sync/desk.py", "sync/provenance.py"),
            *("sync/core.py", "sync/old_count.py", "sync/journal.py"),
        ),
        SYNC,
    ),
    **dict.fromkeys(
        ("ladder/__init__.py", "ladder/reference.py", "content.py", "horizon.py", "side.py"),
        BOOK,
    ),
}
"""What is mutated, with the tests that are run: each stage for what survived the one before."""


class Outcome(NamedTuple):
    """What became of one mutant."""

    module: str
    digest: str
    """Of the module's source."""
    key: str
    kind: str
    line: int
    verdict: str
    """``killed``, ``timeout`` (killed as well) or ``survived``."""
    tests: str
    """Digest of the test files."""


class _Mutated(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from code in memory, and leaves every other to whoever comes next."""

    def __init__(self, path: Path, code: CodeType) -> None:
        parts = path.relative_to(ROOT).with_suffix("").parts
        self._is_package = parts[-1] == "__init__"
        self._name = ".".join(parts[:-1] if self._is_package else parts)
        self._path = path
        self._code = code

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        del path, target
        if name != self._name:
            return None
        return importlib.util.spec_from_file_location(
            name,
            self._path,
            loader=self,
            submodule_search_locations=[str(self._path.parent)] if self._is_package else None,
        )

    def exec_module(self, module: ModuleType) -> None:
        exec(self._code, module.__dict__)  # noqa: S102 - that is what this file is for


def test_files(names: Sequence[str]) -> list[Path]:
    """Those of the named tests that there are."""
    return [path for name in names if (path := ROOT / "tests" / f"test_{name}.py").exists()]


def digest(paths: Sequence[Path]) -> str:
    """Of the contents of files."""
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in paths)).hexdigest()[:16]


def ended(path: Path, code: CodeType, tests: Sequence[Path], seconds: float) -> str:
    """Run tests against a module in a process of its own; ``survived``, ``killed`` or ``timeout``."""
    if not tests:
        return "survived"
    child = os.fork()
    if child == 0:
        _live(path, code, tests)
    deadline = time.monotonic() + seconds
    pause = 0.002
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return "survived" if os.waitstatus_to_exitcode(status) == 0 else "killed"
        if time.monotonic() > deadline:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return "timeout"
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)


def _live(path: Path, code: CodeType, tests: Sequence[Path]) -> None:
    """The child's part: never returns."""
    status = 1
    try:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX, MEMORY_MAX))
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
            os.dup2(nowhere.fileno(), 1)
            os.dup2(nowhere.fileno(), 2)
        sys.meta_path.insert(0, _Mutated(path, code))
        os.chdir(ROOT)
        options = ["-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:cov", "--tb=no", "--assert=plain"]
        status = int(pytest.main([*options, *map(str, tests)]))
    finally:
        os._exit(status)


class Campaign:
    """The results so far, and how to get more."""

    def __init__(self, *, fresh: bool, console: Console) -> None:
        self._console = console
        self._known: dict[tuple[str, str, str], Outcome] = {}
        RESULTS.parent.mkdir(exist_ok=True)
        if RESULTS.exists() and not fresh:
            for line in RESULTS.read_text(encoding="utf-8").splitlines():
                with contextlib.suppress(ValueError):  # the last line of a run that was killed
                    outcome = Outcome(**json.loads(line))
                    self._known[outcome.module, outcome.digest, outcome.key] = outcome

    def outcomes(self, module: str, *, run: bool) -> Iterator[Outcome | Mutant]:
        """Of every mutant of a module what became of it; the mutant itself where that is not known."""
        path = ROOT / "orderbook" / module
        source = path.read_text(encoding="utf-8")
        stages = [test_files(names) for names in MODULES[module]]
        tests = digest([path for stage in stages for path in stage])
        limits = self._limits(path, source, stages) if run else ()
        for mutant in mutants(source):
            known = self._known.get((module, digest([path]), mutant.key))
            if known is not None and (known.verdict != "survived" or known.tests == tests):
                yield known
            elif run:
                code = compile(mutant.tree, str(path), "exec")
                verdicts = (ended(path, code, *stage) for stage in zip(stages, limits, strict=True))
                verdict = next((verdict for verdict in verdicts if verdict != "survived"), "survived")
                yield self._keep(Outcome(module, digest([path]), mutant.key, mutant.kind, mutant.line, verdict, tests))
            else:
                yield mutant

    def _limits(self, path: Path, source: str, stages: Sequence[Sequence[Path]]) -> tuple[float, ...]:
        """How long each stage may take, by how long it takes without a mistake.

        Raises:
            click.ClickException: It fails without a mistake.
        """
        limits = []
        for tests in stages:
            started = time.monotonic()
            if ended(path, compile(source, str(path), "exec"), tests, 600) != "survived":
                names = ", ".join(path.name for path in tests)
                raise click.ClickException(f"the tests fail without any mistake: {names}")
            # Generous: what else the machine does must not count as a mistake noticed.
            limits.append(30 + 10 * (time.monotonic() - started))
        return tuple(limits)

    def _keep(self, outcome: Outcome) -> Outcome:
        with RESULTS.open("a", encoding="utf-8") as file:
            file.write(json.dumps(outcome._asdict()) + "\n")
        self._known[outcome.module, outcome.digest, outcome.key] = outcome
        if outcome.verdict == "survived":
            self._console.print(
                f"survived  {outcome.module}:{outcome.line}  {outcome.key}", highlight=False, markup=False
            )
        return outcome


def accepted() -> dict[tuple[str, str], str]:
    """The mutants that equal the original, by module and key, with the reason."""
    if not EQUIVALENT.exists():
        return {}
    entries: list[dict[str, Any]] = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8")).get("equivalent", [])
    return {(entry["module"], key): entry["reason"] for entry in entries for key in entry["mutants"]}


@click.command(help=__doc__)
@click.argument("modules", nargs=-1, type=click.Choice(list(MODULES)))
@click.option("--fresh", is_flag=True, help="Forget what was tried before.")
@click.option("--report", is_flag=True, help="Try nothing.")
def main(*, modules: Sequence[str], fresh: bool, report: bool) -> None:
    """Run it."""
    console = Console(width=200, soft_wrap=True)
    for name in () if report else PRELOADED:
        importlib.import_module(name)
    campaign = Campaign(fresh=fresh, console=console)
    equivalent = accepted()
    names = modules or tuple(MODULES)
    table = Table("module", "mutants", "killed", "by time", "equivalent", "survived", "not tried")
    totals: Counter[str] = Counter()
    unexpected: list[Outcome] = []
    stale: set[tuple[str, str]] = {key for key in equivalent if key[0] in names}
    for name in names:
        started, counts = time.monotonic(), Counter[str]()
        for outcome in campaign.outcomes(name, run=not report):
            key = (name, outcome.key)
            verdict = outcome.verdict if isinstance(outcome, Outcome) else "not tried"
            stale -= {key} if verdict in ("survived", "not tried") else set()
            if isinstance(outcome, Outcome) and verdict == "survived":
                if key in equivalent:
                    verdict = "equivalent"
                else:
                    unexpected.append(outcome)
            counts[verdict] += 1
            if counts.total() % 25 == 0 and not report:
                console.print(f"{name}: {counts.total()} in {time.monotonic() - started:.0f} s, {dict(counts)}")
        _add(table, name, counts)
        totals += counts
    _add(table, "all", totals)
    console.print(table)
    for outcome in unexpected if report else ():
        console.print(f"{outcome.module}:{outcome.line} [{outcome.kind}] {outcome.key}", highlight=False, markup=False)
    for module, words in sorted(stale):
        console.print(f"not equivalent, or not there any more: {module}: {words}", highlight=False, markup=False)
    killed, total = totals["killed"] + totals["timeout"], totals.total() - totals["equivalent"] - totals["not tried"]
    console.print(f"score: {killed} of {total} mutants that can be noticed are: {killed / max(total, 1):.1%}")
    sys.exit(bool(unexpected or stale or totals["not tried"]))


def _add(table: Table, name: str, counts: Counter[str]) -> None:
    numbers = [counts[key] for key in ("killed", "timeout", "equivalent", "survived", "not tried")]
    table.add_row(name, *map(str, [counts.total(), *numbers]))


if __name__ == "__main__":
    main()
