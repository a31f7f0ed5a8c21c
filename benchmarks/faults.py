"""What damage on the wire does to the book: every fault of the peers' table, many seeded runs each.

Run it from the checkout: ``python -m benchmarks.faults --help``.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it also runs as a plain script

from tests.seeded_drivers import DRIVERS
from tests.seeded_faults import SCENARIOS, Scenario
from tests.seeded_witness import Outcome

WIDTH: Final = 168
"""Of the table where no terminal says otherwise."""


class Peer(NamedTuple):
    """A client that was measured before, with another harness of the same faults."""

    name: str
    runs: str
    cells: dict[str, str]


_CLEAN = dict.fromkeys(("clean", "slow snapshot", "adjacent duplicate", "price 0 size 0"), "0")
PEERS: Final = (
    Peer(
        "ccxt.pro 4.5.90",
        "100 runs (60 where the cell says so)",
        {
            **_CLEAN,
            "one delta lost": "97/100 (17)",
            "five lost": "100/100 (49)",
            "burst of thirty lost": "60/60 (59)",
            "two neighbours swapped": "97/100 (17)",
            "late duplicate": "0",
            "straddling batch": "0",
            "first snapshot 40 messages old": "0, retries",
            "price 0 with a size": "100/100 (100)",
            "sequence reset to a low base": "60/60 (60), frozen",
            "20-level seed, top 10 read": "60/60 (53)",
            'size "NaN"': "60/60 (18)",
        },
    ),
    Peer(
        "cryptofeed 2.4.1",
        "100 runs",
        {
            **_CLEAN,
            "one delta lost": "0, +1 snapshot",
            "five lost": "0",
            "burst of thirty lost": "0",
            "two neighbours swapped": "0, +1 snapshot",
            "late duplicate": "0",
            "straddling batch": "0, +1 snapshot in half",
            "first snapshot 40 messages old": "100/100 (78)",
            "price 0 with a size": "100/100 (100)",
            "sequence reset to a low base": "100/100 (100), frozen",
            "20-level seed, top 10 read": "100/100 (92)",
            'size "NaN"': "100/100 (27)",
        },
    ),
    Peer(
        "tardis-dev 13.35.3",
        "40 runs, its top 10",
        {
            **_CLEAN,
            "one delta lost": "39/40 (4)",
            "five lost": "40/40 (18)",
            "burst of thirty lost": "40/40 (35)",
            "two neighbours swapped": "40/40 (0)",
            "late duplicate": "40/40 (0)",
            "straddling batch": "0",
            "first snapshot 40 messages old": "raises 40/40",
            "price 0 with a size": "0",
            "sequence reset to a low base": "40/40 (40), frozen",
            "20-level seed, top 10 read": "40/40 (36)",
            'size "NaN"': "40/40 (13)",
        },
    ),
)
_MEASURED: Final = "; ".join(f"{peer.name}: {peer.runs}" for peer in PEERS)
NOTES: Final = f"""\
Pairs: a driver with a clock (times in ms) / one that only feeds frames and snapshots (times in frames). Runs: how \
many of them were ever wrong while the book could be read, not LIVE and equal at the end, or hid from events and \
counters something that happened. Snapshots: the fewest to the most that a run was given. First LIVE, and LIVE again \
after a fault: the longest of all runs.
Peers: runs in which a wrong book could be read at least once, and in brackets those still wrong at the end without an \
error. Their own book code was driven directly, as ours is here, by a harness of the same faults on another seeded \
market of about 340 deltas; their network layers, which may heal some of it, were left out. {_MEASURED}."""


@dataclass(frozen=True)
class Row:
    """All runs of one scenario by one driver."""

    scenario: Scenario
    driver: str
    outcomes: dict[int, Outcome]
    """By seed."""

    def count(self, name: str) -> int:
        """In how many runs something is amiss: ``wrong``, ``end`` or ``silent``."""
        return sum(bool(getattr(outcome, name)) for outcome in self.outcomes.values())

    @property
    def served(self) -> tuple[int, int]:
        """The fewest and the most snapshots of a run."""
        served = [outcome.served for outcome in self.outcomes.values()]
        return min(served), max(served)

    @property
    def joined_after(self) -> float:
        """The longest way to the first LIVE."""
        return max(outcome.joined_after for outcome in self.outcomes.values())

    @property
    def mended_after(self) -> float:
        """The longest way from a fault to LIVE, or the longest loss of LIVE; 0 if there was none."""
        times = [outcome.mended_after or 0 for outcome in self.outcomes.values()]
        return max(times + [lost for outcome in self.outcomes.values() for lost in outcome.lost_for])

    def misses(self) -> Iterator[str]:
        """Every bar that a run missed, with what is needed to see it again."""
        for seed, outcome in self.outcomes.items():
            for what in missed(self.scenario, self.driver, outcome):
                yield f'--scenario "{_escaped(self.scenario.name)}" --seed {seed} --runs 1 ({self.driver}): {what}'

    def as_json(self) -> dict[str, object]:
        """For machines; times in the driver's unit."""
        outcomes = list(self.outcomes.values())
        return {
            "driver": self.driver,
            "unit": "ms" if self.driver == "clocked" else "frames",
            "runs": len(outcomes),
            "wrong_runs": self.count("wrong"),
            "not_live_at_end_runs": self.count("end"),
            "silent_runs": self.count("silent"),
            "readable_looks": sum(outcome.looks for outcome in outcomes),
            "refused_top_looks": sum(outcome.refused for outcome in outcomes),
            "snapshots_asked": sum(outcome.asked for outcome in outcomes),
            "snapshots_served": sum(outcome.served for outcome in outcomes),
            "snapshots_served_min": self.served[0],
            "snapshots_served_max": self.served[1],
            "first_live_max": round(self.joined_after, 3),
            "live_again_max": round(self.mended_after, 3),
            "losses_of_live": sum(len(outcome.lost_for) for outcome in outcomes),
        }


def missed(scenario: Scenario, driver: str, outcome: Outcome) -> Iterator[str]:
    """The bars that one run missed, in words; nothing for a good one."""
    fewest, most = scenario.snapshots
    if driver == "plain" and most is not None:
        most += scenario.in_vain
    if outcome.wrong:
        yield f"wrong while readable {outcome.wrong} times: {outcome.first_wrong}"
    if outcome.end:
        yield f"at the end: {outcome.end}"
    if outcome.silent:
        yield f"silent: {outcome.silent}"
    if outcome.served < fewest or (most is not None and outcome.served > most):
        yield f"{outcome.served} snapshots, {_range(fewest, most)} expected"
    limit_ms = scenario.mended_ms
    if driver == "clocked" and limit_ms is not None and (outcome.mended_after or 0) > limit_ms:
        yield f"LIVE again only after {outcome.mended_after:.0f} ms, the bar is {limit_ms}"


def play(seed: int, scenarios: Sequence[str]) -> dict[tuple[str, str], Outcome]:
    """All scenarios of one seed, in both drivers; they share the seed's market."""
    return {
        (scenario.name, driver.name): driver(scenario, seed).run()
        for scenario in SCENARIOS
        if scenario.name in scenarios
        for driver in DRIVERS
    }


def measure(seeds: Sequence[int], scenarios: Sequence[str], jobs: int) -> list[Row]:
    """Play everything, on several cores; the result does not depend on how many."""
    rows = [
        Row(scenario, driver.name, {}) for scenario in SCENARIOS if scenario.name in scenarios for driver in DRIVERS
    ]
    one = partial(play, scenarios=scenarios)
    # Spawned, not forked: the progress bar has a thread.
    workers = nullcontext() if jobs == 1 else ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"))
    with Progress(console=Console(stderr=True), transient=True) as progress, workers as pool:
        results = map(one, seeds) if pool is None else pool.map(one, seeds)
        for seed, played in zip(seeds, progress.track(results, len(seeds), description="Runs"), strict=True):
            for row in rows:
                row.outcomes[seed] = played[row.scenario.name, row.driver]
    return rows


def table(rows: list[Row], runs: int, seed: int) -> Table:
    """Ours and the peers' side by side."""
    shown = Table(title=f"{runs} runs of every fault, seeds {seed} to {seed + runs - 1}", title_justify="left")
    shown.add_column("fault", no_wrap=True)
    for name in ("wrong", "not LIVE\nat the end", "silent", "snapshots", "first LIVE", "LIVE again"):
        shown.add_column(name, justify="right")
    for peer in PEERS:
        shown.add_column(peer.name.replace(" ", "\n"))
    for ours in _pairs(rows):
        name = ours[0].scenario.name
        shown.add_row(
            name,
            *(" / ".join(str(row.count(what)) for row in ours) for what in ("wrong", "end", "silent")),
            " / ".join(_range(*row.served) for row in ours),
            " / ".join(f"{row.joined_after:.0f}" for row in ours),
            " / ".join(f"{row.mended_after:.0f}" for row in ours),
            *(peer.cells.get(name, "not measured") for peer in PEERS),
        )
    return shown


def _pairs(rows: list[Row]) -> Iterator[list[Row]]:
    step = len(DRIVERS)
    return (rows[at : at + step] for at in range(0, len(rows), step))


def _range(low: int, high: int | None) -> str:
    return str(low) if low == high else f"{low} or more" if high is None else f"{low}-{high}"


def _escaped(text: str) -> str:
    return text.replace('"', '\\"')


def _report(rows: list[Row], runs: int, seed: int, misses: list[str]) -> dict[str, object]:
    return {
        "runs": runs,
        "seed": seed,
        "scenarios": [
            {
                "name": ours[0].scenario.name,
                "snapshots_expected": ours[0].scenario.snapshots,
                "drivers": [row.as_json() for row in ours],
                "peers": {peer.name: peer.cells.get(ours[0].scenario.name) for peer in PEERS},
            }
            for ours in _pairs(rows)
        ],
        "missed": misses,
    }


HELP: Final = """\
Show what faults on the wire do to a local order book.

A seeded KuCoin market of 340 deltas, which knows its own book at every sequence, is driven into BookSync as bytes:
whole, or with one fault of the table. After every single input the book is compared with the market's, whole
ladders, if it can be read at all. Each run is played twice: by a driver that does what a live feed does, in virtual
time, and by one that only feeds frames and snapshots.

\b
The bars for every run:
  - never a wrong book that could be read
  - LIVE and equal to the market at the end
  - nothing that happened is missing from events and counters
  - exactly one snapshot where nothing was lost; at most two for one loss
  - LIVE again within 2 s of a sequence reset

The same command prints the same table: runs differ by their seed and by nothing else. About 6 runs a second
and core, so that the default takes some minutes. To look for something new, choose other seeds:

\b
  python -m benchmarks.faults --seed 1000 --runs 500
  python -m benchmarks.faults --scenario "one delta lost" --format json
"""


@click.command(help=HELP, epilog="Exit code 1 when a bar is missed: it is listed with the options that show it again.")
@click.option("--runs", default=100, show_default=True, type=click.IntRange(min=1), help="Seeds a fault.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="The first of them.")
@click.option(
    "--scenario",
    "scenarios",
    multiple=True,
    type=click.Choice([scenario.name for scenario in SCENARIOS]),
    metavar="NAME",
    help="Only this fault, as the table names it; may be given several times.",
)
@click.option("--jobs", default=os.cpu_count() or 1, type=click.IntRange(min=1), help="Processes; default: all cores.")
@click.option(
    "--format", "form", default="table", show_default=True, type=click.Choice(["table", "json"]), help="Of the result."
)
def main(runs: int, seed: int, scenarios: tuple[str, ...], jobs: int, form: str) -> None:
    """Play, print, and judge."""
    chosen = scenarios or tuple(scenario.name for scenario in SCENARIOS)
    began = time.perf_counter()
    rows = measure(range(seed, seed + runs), chosen, jobs)
    misses = [miss for row in rows for miss in row.misses()]
    if form == "json":
        click.echo(json.dumps(_report(rows, runs, seed, misses), indent=2))
    else:
        console = Console(width=None if sys.stdout.isatty() else WIDTH)
        console.print(table(rows, runs, seed))
        console.print(NOTES, highlight=False)
        for miss in misses:
            console.print(f"MISSED {miss}", style="bold red", markup=False, highlight=False)
        console.print(f"{len(misses)} bars missed" if misses else "Every bar was met.", highlight=False)
    click.echo(f"{len(rows) * runs} runs in {time.perf_counter() - began:.0f} s", err=True)
    sys.exit(1 if misses else 0)


if __name__ == "__main__":
    main()
