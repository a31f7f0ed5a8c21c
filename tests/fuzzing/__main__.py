"""``python -m tests.fuzzing``: the next windows of inputs into the ledger, one case again, or what was ever run."""

from __future__ import annotations

import json
import os
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from orderbook.cli.terminal import INTERRUPTED
from tests.fuzzing.build import BuildError, digests, made
from tests.fuzzing.campaign import (
    LEDGER,
    Asked,
    Progress,
    left_of,
    line_of,
    next_seed,
    planned,
    read_ledger,
    run,
    run_case,
    summed,
)
from tests.fuzzing.cases import TARGETS, Case, reproduce
from tests.simulation.campaign import append

TICK_S: Final = 0.5


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--inputs", type=click.IntRange(1), default=100_000, show_default=True, help="Of each target.")
@click.option(
    "--until",
    type=click.IntRange(1),
    metavar="INPUTS",
    help="Instead: as many as are missing until the ledger has so many of all targets, on the parser as it is now.",
)
@click.option("--target", type=click.Choice([*TARGETS, "all"]), default="all", show_default=True, help="What is run.")
@click.option("--seed", type=click.IntRange(0), help="Of the first window; then nothing goes into the ledger.")
@click.option("--workers", type=click.IntRange(1), default=os.cpu_count() or 1, show_default=True, help="Processes.")
@click.option("--sanitized", is_flag=True, help="Under AddressSanitizer and UndefinedBehaviorSanitizer.")
@click.option(
    "--case",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Run this file instead: one that failed, or a regression.",
)
@click.option("--total", is_flag=True, help="Say what was ever run, and run nothing.")
@click.option("--ledger", type=click.Path(path_type=Path, dir_okay=False), default=LEDGER, help="Another one.")
def main(
    *,
    inputs: int,
    until: int | None,
    target: str,
    seed: int | None,
    workers: int,
    sanitized: bool,
    case: Path | None,
    total: bool,
    ledger: Path,
) -> None:
    """Give the compiled twin inputs that want to do harm, and compare what it makes of them with the pure one.

    A campaign goes on where the last one ended, however that came about. The exit code is 0 if nothing failed, 1 if
    something did, 130 after Ctrl-C.
    """
    if until is not None and seed is not None:
        raise click.UsageError("--until counts what is in the ledger, and with --seed nothing goes there")
    flavour = "sanitized" if sanitized else "coverage"
    try:
        windows = read_ledger(ledger)
        if total:
            click.echo(json.dumps(summed(windows, digests()["parser"]), indent=1))
            return
        made(flavour)
        if case is not None:
            Case.from_text(case.read_text(encoding="utf-8"))
            raise SystemExit(run_case(case, flavour))
    except (ValueError, BuildError) as error:
        raise click.ClickException(str(error)) from None
    names = list(TARGETS) if target == "all" else [target]
    first = {name: next_seed(windows, name) if seed is None else seed for name in names}
    counts = dict.fromkeys(names, inputs) if until is None else left_of(windows, names, until, flavour)
    asked = planned(counts, flavour, first)
    if not asked:
        click.echo("nothing is left to run: the ledger has as many", err=True)
        return
    failed, interrupted = _campaign(asked, workers, ledger if seed is None else None, sanitized=sanitized)
    raise SystemExit(INTERRUPTED if interrupted else bool(failed))


def _campaign(asked: list[Asked], workers: int, ledger: Path | None, *, sanitized: bool) -> tuple[int, bool]:
    """Run windows and write them down; how many failures there were, and whether it was interrupted."""
    progress = Progress()
    console = Console(stderr=True)
    interrupted = False
    lines: list[dict[str, Any]] = []
    with _shown(progress, sum(one.inputs for one in asked), console):
        results = run(asked, workers, progress)
        with closing(results):
            try:
                for window, told in results:
                    if told.get("changed"):
                        progress.stop()
                        raise click.ClickException(
                            "the sources changed while this ran; what had ended before is in the ledger"
                        )
                    lines.append(line_of(window, told))
                    if ledger is not None:
                        append(lines[-1], ledger)
                    for path in told.get("failures", ()):
                        console.print(
                            _told(Path(path), sanitized=sanitized), markup=False, highlight=False, soft_wrap=True
                        )
            except KeyboardInterrupt:
                interrupted = True
    for name, sums in summed(lines).items():
        click.echo(f"{name}: {', '.join(f'{value:,} {key}' for key, value in sums.items())}")
    return sum(line["failures"] for line in lines), interrupted


def _told(path: Path, *, sanitized: bool) -> str:
    case = Case.from_text(path.read_text(encoding="utf-8"))
    return f"{case.target}: {case.law}: {case.detail}\n  {reproduce(path, sanitized=sanitized)}"


class _shown:  # noqa: N801 - used as a function would be
    """A bar on a terminal, a line now and then elsewhere."""

    def __init__(self, progress: Progress, count: int, console: Console) -> None:
        self._progress = progress
        self._count = count
        self._console = console
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._show, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _show(self) -> None:
        columns = (
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("inputs, {task.fields[failed]} failed, {task.fields[rate]:,.0f} a second"),
            TimeRemainingColumn(),
        )
        began, tick_s = time.monotonic(), TICK_S if self._console.is_terminal else 20 * TICK_S
        with Bar(*columns, console=self._console, disable=not self._console.is_terminal) as bar:
            task = bar.add_task("", total=self._count, failed=0, rate=0)
            while not self._ended.wait(tick_s):
                done, failed = self._progress.inputs, len(self._progress.failures)
                rate = done / (time.monotonic() - began)
                bar.update(task, completed=done, failed=failed, rate=rate)
                if not self._console.is_terminal:
                    left = f", {(self._count - done) / rate / 60:.0f} min left" if done else ""
                    line = f"{done:,} of {self._count:,} inputs, {failed} failed, {rate:,.0f} a second{left}"
                    self._console.print(line, highlight=False)


if __name__ == "__main__":
    main()
