"""``python -m tests.simulation``: run a seed, shrink a failure, go through a window of seeds, compare interpreters."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from math import floor
from pathlib import Path
from typing import Any, Final, NamedTuple

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from orderbook.cli.terminal import INTERRUPTED
from orderbook.errors import UsageError
from tests.simulation.campaign import (
    LEDGER,
    WINDOW,
    Result,
    Tally,
    Task,
    append,
    engine_named,
    examined,
    line_of,
    next_seed,
    read_ledger,
    summed,
    told_of,
    traces,
)
from tests.simulation.case import DURATION_MS, drawn
from tests.simulation.planted import PLANTED
from tests.simulation.probing import REPLAYED, outcome_of
from tests.simulation.regressions import COMMAND, FOUND, REGRESSIONS, ROOT, Kept, from_text, name_of, reproduce, write
from tests.simulation.shrinking import PROBES_MAX, SECONDS_MAX, ItHolds, shrink

BREACHES_SHOWN: Final = 10
LINE_EVERY: Final = 10
"""Seeds from one line to the next where no bar can be drawn."""


class Seeds(click.ParamType[range]):
    """``A..B``, both included."""

    name = "A..B"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> range:
        """The seeds of a text."""
        if isinstance(value, range):
            return value
        first, dots, last = str(value).partition("..")
        with suppress(ValueError):
            seeds = range(int(first), int(last if dots else first) + 1)
            if seeds and seeds[0] >= 0:
                return seeds
        return self.fail(f"{value!r} is not like 0..99", param, ctx)


class Asked(NamedTuple):
    """The run that a command is about, and how it is run."""

    kept: Kept
    planted: str | None


def _asked(seed: int | None, path: Path | None, planted: str | None) -> Asked:
    if (seed is None) == (path is None):
        raise click.UsageError("say either --seed or --case")
    try:
        engine_named(planted)
        if path is None:
            return Asked(Kept(drawn(seed or 0)), planted)
        return Asked(from_text(path.read_text(encoding="utf-8")), planted)
    except (ValueError, UsageError) as error:
        raise click.ClickException(str(error) if path is None else f"{path}: {error}") from None


def counted(count: int, one: str, many: str = "") -> str:
    """A number with its noun: the plural with an s, unless it is another word."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def share(part: float) -> str:
    """A share in percent, rounded down: 100 % is all of it."""
    return f"{floor(part * 10_000) / 100:g}%"


def _of_a_run(command: Callable[..., None]) -> Callable[..., None]:
    """The options that name a run."""
    for option in (
        click.option("--planted", metavar="NAME", help="Run this wrong engine instead; `planted` lists them."),
        click.option(
            "--case",
            "path",
            type=click.Path(path_type=Path, exists=True, dir_okay=False),
            metavar="FILE",
            help="The run of a file: one that failed, or a regression.",
        ),
        click.option("--seed", type=click.IntRange(0), metavar="N", help="The run that is drawn for a seed."),
    ):
        command = option(command)
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Run the live feed against a KuCoin in memory, in virtual time, with faults, and judge all that it says.

    A run depends on its case alone: the same one gives the same trace anywhere. Exit code 1: a law was broken.
    """


@main.command()
@_of_a_run
@click.option("--replay", is_flag=True, help="Record it, and replay that, too.")
def run(*, seed: int | None, path: Path | None, planted: str | None, replay: bool) -> None:
    """One run: what was broken, the hash of its trace, and counts."""
    asked = _asked(seed, path, planted)
    make, patched = engine_named(planted)
    began = time.perf_counter()
    is_replayed = replay or asked.kept.replay
    with patched():
        outcome = outcome_of(asked.kept.case, make, replay=is_replayed)
    case = asked.kept.case
    click.echo(
        f"seed {case.seed}: {counted(len(case.symbols), 'symbol')} ({', '.join(case.symbols)}), {case.profile} market, "
        f"{case.duration_ms / 1e3:g} s with {counted(len(case.plan), 'entry', 'entries')} of a fault plan"
    )
    click.echo(f"trace {outcome.trace or 'none'}")
    quiet = "" if outcome.frames else " (no book changed: in such a market that is rare)"
    click.echo(
        f"{counted(outcome.frames, 'message')} reached the books{quiet}, "
        f"{counted(outcome.compared, 'comparison')} with the truth; "
        f"books could be read for {share(outcome.live_share)} of that time; "
        f"healed in {outcome.healed_ms:.0f} ms; {time.perf_counter() - began:.1f} s of real time"
    )
    if is_replayed:
        differs = any(breach.law == REPLAYED for breach in outcome.breaches)
        click.echo(f"recorded and replayed: {'not as it was' if differs else 'every book as it was'}")
    for title, counts in (("faults", outcome.injected), ("events", outcome.told)):
        click.echo(f"{title}: {', '.join(f'{name} {count}' for name, count in sorted(counts.items())) or 'none'}")
    for breach in outcome.breaches[:BREACHES_SHOWN]:
        click.echo(f"{breach.law} {breach.symbol} at {breach.at_ns / 1e9:.6f} s: {breach.what}")
    more = len(outcome.breaches) - BREACHES_SHOWN
    click.echo(f"and {more} more" if more > 0 else counted(len(outcome.breaches), "breach", "breaches"))
    raise SystemExit(bool(outcome.breaches))


@main.command("shrink")
@_of_a_run
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Where the small case goes. Default: a new file of build/simulation with a wrong engine, else of "
    "tests/regressions.",
)
@click.option("--comment", default="", help="What it was, for the file.")
@click.option("--seconds", type=click.FloatRange(1), default=SECONDS_MAX, show_default=True, help="At most.")
@click.option("--probes", type=click.IntRange(1), default=PROBES_MAX, show_default=True, help="Runs at most.")
def shrink_command(
    *,
    seed: int | None,
    path: Path | None,
    planted: str | None,
    out: Path | None,
    comment: str,
    seconds: float,
    probes: int,
) -> None:
    """Make a failing run small, and keep it as a file. Ctrl-C ends the search with the smallest so far."""
    asked = _asked(seed, path, planted)
    make, patched = engine_named(planted)
    try:
        with patched():
            small = shrink(
                asked.kept.case,
                make,
                known=asked.kept.breach,
                seconds_max=seconds,
                probes_max=probes,
                tell=lambda line: click.echo(line, err=True),
            )
    except ItHolds as error:
        raise click.ClickException(str(error)) from None
    default = (REGRESSIONS if planted is None else FOUND) / f"{name_of(small.case)}.json"
    said = comment or asked.kept.comment or f"{small.breach.law}: {small.breach.what}"
    kept = Kept(small.case, said, small.breach, replay=small.breach.law == "I9")
    file = write(out or default, kept)
    where = file.relative_to(ROOT) if file.is_relative_to(ROOT) else file
    state = "nothing simpler fails" if small.is_least else "the search was ended before it was through"
    click.echo(f"{small.breach.law}: {small.breach.what}")
    entries = counted(len(small.case.plan), "entry", "entries")
    click.echo(f"{len(asked.kept.case.plan)} -> {entries} of the plan, {counted(small.probes, 'probe')}; {state}")
    more = "" if planted is None else f" --planted {planted!r}"
    click.echo(f"{COMMAND} run --case {where}{more}")


@main.command()
@click.option("--window", type=click.IntRange(1), metavar="N", help=f"The next N seeds. Default: {WINDOW}.")
@click.option("--seeds", type=Seeds(), help="These seeds instead; the ledger is not told of them.")
@click.option("--workers", type=click.IntRange(1), default=os.cpu_count() or 1, show_default=True, help="Processes.")
@click.option("--seconds", type=click.FloatRange(1), metavar="N", help="Stop after so long.")
@click.option("--ledger", type=click.Path(path_type=Path, dir_okay=False), default=LEDGER, help="Another one.")
@click.option("--planted", metavar="NAME", help="Run this wrong engine; with --seeds. `planted` lists them.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", help="Default: table.")
def campaign(
    *,
    window: int | None,
    seeds: range | None,
    workers: int,
    seconds: float | None,
    ledger: Path,
    planted: str | None,
    form: str,
) -> None:
    """Many seeds: the window that follows the last one of the ledger, or those that are named.

    Of each seed that breaks a law the case is written to build/simulation, and the command that runs it is printed.
    Ctrl-C or SIGTERM ends a window early; what was done without a hole is written down, and the next window goes on
    from there.
    """
    if seeds is None and planted is not None:
        raise click.UsageError("the ledger is for the real engine; name the --seeds")
    if seeds is not None and window is not None:
        raise click.UsageError("say either --window or --seeds")
    try:
        engine_named(planted)
        first = next_seed(read_ledger(ledger))
        if seeds is None:
            # Now, not when the work is done.
            ledger.open("a").close()
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"the ledger cannot be written: {error}") from None
    wanted = range(first, first + (window or WINDOW)) if seeds is None else seeds
    task = Task(planted=planted)
    began = time.monotonic()
    tally = Tally(wanted)
    is_whole = False
    with _like_ctrl_c(signal.SIGTERM), suppress(KeyboardInterrupt), closing(examined(task, wanted, workers)) as results:
        _follow(task, tally, results, len(wanted), None if seconds is None else began + seconds)
        is_whole = True
    row = tally.row
    if not row:
        raise click.ClickException(f"seed {wanted[0]} was not finished, so there is nothing to tell of")
    line = line_of(row, seconds=time.monotonic() - began)
    if seeds is None:
        append(line, ledger)
    click.echo(json.dumps(line) if form == "json" else told_of(line))
    if seeds is None and form == "table":
        click.echo(f"written to {ledger.relative_to(ROOT) if ledger.is_relative_to(ROOT) else ledger}")
    if not is_whole:
        click.echo("interrupted", err=True)
    raise SystemExit(1 if tally.failed else 0 if is_whole else INTERRUPTED)


@contextmanager
def _like_ctrl_c(number: signal.Signals) -> Iterator[None]:
    """A signal that would end this process at once, and leave the others behind, interrupts it instead."""
    before = signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(number, before)


def _follow(task: Task, tally: Tally, results: Iterator[Result], count: int, end_s: float | None) -> None:
    """Take results until all are there or the time is up, with a bar on stderr; tell of each failure at once."""
    columns = (
        TextColumn("seeds"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[told]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("", total=count, told="")
        for result in results:
            tally.add(result)
            if result.breaches:
                _tell(task, result, console)
            told = f"{counted(tally.messages, 'message')}, {len(tally.failed)} failed"
            progress.update(bar, completed=len(tally), told=told)
            if not console.is_terminal and len(tally) % LINE_EVERY == 0:
                console.print(f"{len(tally)} of {count} seeds, {told}", highlight=False)
            if end_s is not None and time.monotonic() > end_s:
                break


def _tell(task: Task, result: Result, console: Console) -> None:
    breach = result.breaches[0]
    replay = task.is_replayed(result.seed)
    command = reproduce(task.draw(result.seed), result.breaches, replay=replay, planted=task.planted)
    told = f"seed {result.seed}: {breach.law} {breach.symbol}: {breach.what}\n  {command}"
    console.print(told, markup=False, highlight=False, soft_wrap=True)


@main.command()
@click.option("--seeds", type=Seeds(), default="0..9", show_default=True, help="Both included.")
@click.option("--duration-ms", type=click.IntRange(100), default=DURATION_MS, show_default=True, help="With faults.")
@click.option("--workers", type=click.IntRange(1), default=os.cpu_count() or 1, show_default=True, help="Processes.")
def trace(*, seeds: range, duration_ms: int, workers: int) -> None:
    """The hash of the trace of each seed, and one over all: the same wherever it is run."""
    task = Task(draw=partial(drawn, duration_ms=duration_ms), replay_every=0)
    found = sorted(examined(task, seeds, workers))
    for result in found:
        click.echo(f"{result.seed} {result.trace}")
    click.echo(f"all {traces(found)}")


@main.command("planted")
def planted_command() -> None:
    """The engines that are wrong on purpose, for --planted, and the laws that notice each."""
    for engine in PLANTED:
        click.echo(f"{engine.name:52}  {', '.join(sorted(engine.laws))}")


@main.command("ledger")
@click.option("--ledger", "path", type=click.Path(path_type=Path, dir_okay=False), default=LEDGER, help="Another one.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", help="Default: table.")
def ledger_command(*, path: Path, form: str) -> None:
    """All windows that were ever run, summed up."""
    if not path.exists():
        raise click.ClickException(f"{path} does not exist: `campaign` begins it, or --ledger names another one")
    try:
        total = summed(read_ledger(path))
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    if form == "json":
        click.echo(json.dumps(total))
        return
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for name, value in total.items():
        table.add_row(name, ", ".join(map(str, value)) or "none" if isinstance(value, list) else f"{value:,}")
    Console().print(table)


if __name__ == "__main__":
    main()
