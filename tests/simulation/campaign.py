"""Many seeds, window after window, and the ledger of all that was ever run.

A window is a row of seeds that follows the last one of the ledger, so that the work adds up over machines and days.
Each seed is a run of its own in whatever process, and its result depends on nothing but the seed.
"""

from __future__ import annotations

import json
import multiprocessing
import platform
import signal
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import nullcontext
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

from orderbook import __version__
from orderbook.sync import BookSync
from tests.programs import said
from tests.simulation.case import Case, drawn
from tests.simulation.oracle import Breach
from tests.simulation.planted import PLANTED
from tests.simulation.probing import outcome_of
from tests.simulation.regressions import COMMAND, ROOT

LEDGER: Final = ROOT / "tests" / "simulation" / "LEDGER.jsonl"
WINDOW: Final = 100
REPLAY_EVERY: Final = 4
"""One seed in so many is recorded and replayed as well."""

Draw = Callable[[int], Case]


class Result(NamedTuple):
    """What came of one seed. ``messages`` reached books, ``events`` were told, ``faults`` struck."""

    seed: int
    messages: int
    comparisons: int
    events: int
    faults: int
    trace: str
    breaches: tuple[Breach, ...]


@dataclass(frozen=True, slots=True)
class Task:
    """How seeds are run. It goes to other processes, so it holds functions of modules and texts only.

    Attributes:
        draw: Makes the case of a seed.
        planted: The name of a wrong engine to run instead of the real one.
        replay_every: One seed in so many is replayed, too; 0: none.
    """

    draw: Draw = drawn
    planted: str | None = None
    replay_every: int = REPLAY_EVERY

    def is_replayed(self, seed: int) -> bool:
        """Whether this seed is."""
        return self.replay_every > 0 and seed % self.replay_every == 0


def examine(task: Task, seed: int) -> Result:
    """Run one seed."""
    engine = engine_named(task.planted)
    with engine[1]():
        outcome = outcome_of(task.draw(seed), engine[0], replay=task.is_replayed(seed))
    return Result(
        seed,
        outcome.frames,
        outcome.compared,
        sum(outcome.told.values()),
        sum(outcome.injected.values()),
        outcome.trace,
        tuple(outcome.breaches),
    )


def engine_named(name: str | None) -> tuple[Callable[..., BookSync], Callable[[], Any]]:
    """What makes the engine, and what must be entered while it runs. Raises ``ValueError`` for a name that is none."""
    if name is None:
        return BookSync, nullcontext
    for engine in PLANTED:
        if engine.name == name:
            return engine.make, engine.patched
    near = get_close_matches(name, [engine.name for engine in PLANTED], 1)
    advice = f"did you mean {near[0]!r}? " if near else ""
    raise ValueError(f"no planted engine {name!r}; {advice}`{COMMAND} planted` lists all {len(PLANTED)}")


# ---- many seeds ------------------------------------------------------------------------------------------------------


def examined(task: Task, seeds: Iterable[int], workers: int) -> Generator[Result]:
    """The results of seeds, as they come. To close the iterator early ends the processes.

    Args:
        task: How they are run.
        seeds: Begun in this order.
        workers: Processes; 1 is this one.
    """
    if workers <= 1:
        yield from map(partial(examine, task), seeds)
        return
    context = multiprocessing.get_context("spawn")
    before = set(multiprocessing.active_children())
    executor = ProcessPoolExecutor(workers, context, initializer=_deaf)
    left = iter(seeds)
    try:
        pending: set[Future[Result]] = {executor.submit(examine, task, seed) for seed in islice(left, 2 * workers)}
        while pending:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            pending |= {executor.submit(examine, task, seed) for seed in islice(left, len(done))}
            yield from (future.result() for future in done)
    except BaseException:
        # A run takes seconds, and whoever interrupts has waited enough.
        for process in set(multiprocessing.active_children()) - before:
            process.terminate()
        raise
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _deaf() -> None:
    """Ctrl-C reaches every process of a terminal; the one that began the others ends them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class Tally:
    """The results of a window so far.

    Attributes:
        failed: Results with a breach, in the order in which they came.
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        self._seeds = seeds
        self._results: dict[int, Result] = {}
        self.failed: list[Result] = []

    def add(self, result: Result) -> None:
        """Take one."""
        self._results[result.seed] = result
        if result.breaches:
            self.failed.append(result)

    def __len__(self) -> int:
        return len(self._results)

    @property
    def messages(self) -> int:
        """Of all seeds so far."""
        return sum(result.messages for result in self._results.values())

    @property
    def row(self) -> list[Result]:
        """The results of the first seeds, without a hole: what a window that ended early has done."""
        row = []
        for seed in self._seeds:
            if seed not in self._results:
                break
            row.append(self._results[seed])
        return row


def traces(results: Iterable[Result]) -> str:
    """One digest over the traces of many runs."""
    whole = blake2b(digest_size=16)
    for result in results:
        whole.update(f"{result.seed} {result.trace}\n".encode())
    return whole.hexdigest()


# ---- the ledger ------------------------------------------------------------------------------------------------------


def line_of(row: Sequence[Result], *, seconds: float | None = None) -> dict[str, Any]:
    """What the ledger says of a window. ``failed`` has the seeds with a breach, ``laws`` how often each was broken."""
    laws = Counter(breach.law for result in row for breach in result.breaches)
    return {
        "from": row[0].seed,
        "to": row[-1].seed,
        "messages": sum(result.messages for result in row),
        "comparisons": sum(result.comparisons for result in row),
        "events": sum(result.events for result in row),
        "faults": sum(result.faults for result in row),
        "breaches": sum(laws.values()),
        **({"failed": [result.seed for result in row if result.breaches], "laws": dict(laws)} if laws else {}),
        "trace": traces(row),
        "version": __version__,
        "revision": _revision(),
        "python": platform.python_version(),
        "date": said("date", "-u", "+%F"),
        **({} if seconds is None else {"seconds": round(seconds)}),
    }


def told_of(window: Mapping[str, Any]) -> str:
    """A line of the ledger in words."""
    first, last = window["from"], window["to"]
    seeds = last - first + 1
    failed, laws = window.get("failed", []), window.get("laws", {})
    broken = "no law was broken"
    if laws:
        counts = ", ".join(f"{law} {count}" for law, count in sorted(laws.items()))
        broken = f"laws broken: {counts}; by {len(failed)} of {seeds}: {', '.join(map(str, failed))}"
    seconds = f" in {window['seconds']} s" if "seconds" in window else ""
    return (
        f"{seeds} {'seed' if seeds == 1 else 'seeds'}, {first} to {last}{seconds}: {window['messages']:,} messages, "
        f"{window['faults']:,} faults, {window['events']:,} events, {window['comparisons']:,} comparisons with the "
        f"truth; {broken}"
    )


def read_ledger(path: Path = LEDGER) -> list[dict[str, Any]]:
    """Every window, oldest first; none where there is no file.

    Raises:
        ValueError: A line that is no window, or one that does not begin where the one before it ended.
    """
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    windows: list[dict[str, Any]] = []
    for number, line in enumerate(lines, 1):
        try:
            window = json.loads(line)
            window["from"], window["to"]
        except (ValueError, KeyError, TypeError):
            raise ValueError(f"{path}, line {number} is no window: {line[:60]!r}") from None
        if window["from"] != next_seed(windows):
            raise ValueError(f"{path}, line {number} begins with seed {window['from']}, not {next_seed(windows)}")
        windows.append(window)
    return windows


def append(window: Mapping[str, Any], path: Path = LEDGER) -> None:
    """Write down a window. Raises ``OSError``."""
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{json.dumps(window)}\n")


def next_seed(windows: Iterable[Mapping[str, Any]]) -> int:
    """The first seed that no window has reached."""
    return max((int(window["to"]) + 1 for window in windows), default=0)


def summed(windows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """All windows in one."""
    counts = {
        name: sum(int(window.get(name, 0)) for window in windows)
        for name in ("messages", "comparisons", "events", "faults", "breaches")
    }
    revisions = Counter[str]()
    for window in windows:
        revisions[window.get("revision") or "unknown"] += int(window["to"]) - int(window["from"]) + 1
    return {
        "windows": len(windows),
        "seeds": sum(int(window["to"]) - int(window["from"]) + 1 for window in windows),
        **counts,
        "failed": sorted({seed for window in windows for seed in window.get("failed", ())}),
        "pythons": sorted({window.get("python", "") for window in windows}),
        "revisions": [f"{seeds} seeds on {revision}" for revision, seeds in revisions.items()],
        "next": next_seed(windows),
    }


def _revision() -> str | None:
    """Which source it was; with a plus where the product or the harness differs from it."""
    revision = said("git", "rev-parse", "--short=12", "HEAD")
    if revision is None:
        return None
    changed = said("git", "status", "--porcelain", "--", "orderbook", "snapshots", "tests/simulation/*.py")
    return f"{revision}+" if changed else revision
