"""Kills processes that record, and breaks the disk under recorders at every operation: what is left must be right.

Run it from the checkout: ``python -m benchmarks.crashes --help``.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

import click
from rich.console import Console
from rich.progress import Progress

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it also runs as a plain script

from tests.recorder_crashes import Verdict, judged, killed, plan_of
from tests.recorder_outages import LENGTHS, OUTAGES, Sweep, swept

T = TypeVar("T")

JOBS: Final = os.cpu_count() or 1


@contextmanager
def _measured(one: Callable[[int], T], seeds: range, jobs: int, what: str) -> Iterator[Iterable[T]]:
    """Results by seed, in order, with a bar that shows how far it is."""
    # Spawned, not forked: the progress bar has a thread.
    with (
        Progress(console=Console(stderr=True), transient=True) as progress,
        ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool,
    ):
        yield progress.track(pool.map(one, seeds), len(seeds), description=what)


def kill(seed: int) -> Verdict:
    """Kill one process at the moment that a seed stands for, and judge its file."""
    plan = plan_of(seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "capture.jsonl.gz"
        return judged(path, plan, killed(path, plan))


def _report(misses: list[str], began_s: float) -> None:
    for miss in misses:
        print(f"MISSED {miss}")
    print(f"{len(misses)} bars missed" if misses else "Every bar was met.")
    print(f"{time.perf_counter() - began_s:.0f} s", file=sys.stderr)
    sys.exit(1 if misses else 0)


@click.group(epilog="Exit code 1 when a bar is missed: it is listed with the seed that shows it again.")
def main() -> None:
    """Show what deaths and bad disks leave of a recording."""


seed_option = click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="The first seed.")
jobs_option = click.option("--jobs", default=JOBS, type=click.IntRange(min=1), help="Processes; default: all cores.")


@main.command()
@click.option("--kills", default=1_000, show_default=True, type=click.IntRange(min=1), help="Processes to kill.")
@seed_option
@jobs_option
def kills(kills: int, seed: int, jobs: int) -> None:
    """Kill recording processes with SIGKILL, each at a moment of its own.

    The bars: every frame that was reported as flushed is read, or stands in a marker as lost; what is read is what was
    made, from the first frame on; the reader says where the file was cut, and only then; and the file can be continued.
    """
    began_s = time.perf_counter()
    misses, frames, flushed, cut, marked = list[str](), 0, 0, 0, 0
    with _measured(kill, range(seed, seed + kills), jobs, "Kills") as verdicts:
        for number, verdict in enumerate(verdicts, seed):
            misses += [f"--seed {number} --kills 1: {wrong}" for wrong in verdict.wrong]
            frames, flushed = frames + verdict.frames, flushed + verdict.flushed
            cut, marked = cut + verdict.is_cut, marked + (verdict.lost > 0)
    print(f"{kills} processes killed: {flushed:,} frames were reported as flushed, {frames:,} were read")
    print(f"{cut} files end inside a block; in {marked} a queue had overflown before")
    _report(misses, began_s)


@main.command()
@click.option("--seeds", default=20, show_default=True, type=click.IntRange(min=1), help="Scenarios.")
@seed_option
@jobs_option
def writes(seeds: int, seed: int, jobs: int) -> None:
    """Fail every operation of a scenario on the disk, one after the other, in every way, for a moment or longer.

    The bars: what was handed in is in the file or marked as lost; trouble is told once and its end, too; recording goes
    on by itself; and a replay of the file is never LIVE and wrong, and LIVE in the end.
    """
    began_s = time.perf_counter()
    misses, total = list[str](), Sweep()
    with _measured(swept, range(seed, seed + seeds), jobs, "Scenarios") as sweeps:
        for number, sweep in enumerate(sweeps, seed):
            misses += [f"--seed {number} --seeds 1: {wrong}" for wrong in sweep.wrong]
            total += sweep
    lengths = ", ".join(map(str, LENGTHS))
    print(f"{seeds} scenarios: each operation failed in {len(OUTAGES)} ways, {lengths} in a row; {total.runs:,} runs")
    print(f"{total.failures:,} operations failed, {total.told:,} runs told of it, {total.lossy:,} marked a loss")
    _report(misses, began_s)


if __name__ == "__main__":
    main()
