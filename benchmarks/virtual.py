"""How fast lost books come back, one after the other and all at once: a live feed on a venue in virtual time.

Run it from the checkout: ``python -m benchmarks.virtual --help``.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Final, Literal

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it also runs as a plain script

from orderbook.simulator.market import default_symbols
from orderbook.testing import run
from tests.mass_world import MassWorld, mass_world, now_s, until

WIDTH: Final = 120
"""Of the table where no terminal says otherwise."""
P50_MS, P99_MS = 90.0, 200.0
ALL_S, FIRST_S = 33.0, 1.0
SYMBOLS, PER_WINDOW, WINDOW_MS = 300, 30, 3_000
HOT_EVERY: Final = 30
HOT_RATE, RATE = 50.0, 5.0
Weather = Literal["clear", "429", "429 that names 1 s"]
FAULTS: Final[dict[str, list[dict[str, object]]]] = {
    "clear": [],
    "429": [{"fault": "rate_limited", "p": 0.1, "for_ms": 600_000, "path": "level2"}],
    "429 that names 1 s": [{"fault": "rate_limited", "p": 0.1, "for_ms": 600_000, "path": "level2", "reset_ms": 1_000}],
}
"""What goes wrong beside the loss: nothing; a tenth of the answers says that the venue is overloaded; or that the quota
is used up, and for how long."""


@dataclass(frozen=True)
class Figure:
    """One number, and the bar that it has to meet, if there is one."""

    name: str
    value: float
    unit: str
    bar: float | None = None

    @property
    def is_met(self) -> bool:
        """Whether it is no more than its bar."""
        return self.bar is None or self.value <= self.bar


# -- one after the other --


def _is_back(on: MassWorld, symbol: str) -> bool:
    return symbol in on.lost and on.feed[symbol].is_live


async def recoveries(seed: int, gaps: int) -> list[float]:
    """From losing LIVE to LIVE again, in ms, of losses that come one after the other."""
    found: list[float] = []
    names = default_symbols(5)
    async with mass_world(len(names), per_window=1_000, seed=seed, rate=60.0) as on:
        for number in range(gaps):
            symbol = names[number % len(names)]
            on.forget()
            on.venue.strike({"fault": "drop", "scope": symbol})
            await until(partial(_is_back, on, symbol), 60)
            found.append(1e3 * (on.back[symbol] - on.lost[symbol]))
            # Anywhere in the market's rhythm.
            await asyncio.sleep(0.1 + number % 7 * 0.013)
    return found


def percentile(values: Sequence[float], share: float) -> float:
    """The least value that so many of them do not exceed."""
    return sorted(values)[max(0, -int(-share * len(values) // 1) - 1)]


def recovery_figures(seeds: Sequence[int], gaps: int) -> list[Figure]:
    """Play them all."""
    times = [
        took_ms
        for seed in track(seeds, "Seeds", console=Console(stderr=True), transient=True)
        for took_ms in run(partial(recoveries, seed, gaps))
    ]
    return [
        Figure("gaps", len(times), ""),
        Figure("p50", percentile(times, 0.5), "ms", P50_MS),
        Figure("p90", percentile(times, 0.9), "ms"),
        Figure("p99", percentile(times, 0.99), "ms", P99_MS),
        Figure("longest", max(times), "ms"),
    ]


# -- all at once --


async def mass(seed: int, weather: str) -> list[Figure]:
    """300 symbols lose messages at once, of which ten matter."""
    names = default_symbols(SYMBOLS)
    hot = names[::HOT_EVERY]
    async with mass_world(
        SYMBOLS, per_window=PER_WINDOW, window_ms=WINDOW_MS, seed=seed, rate=RATE, rates=dict.fromkeys(hot, HOT_RATE)
    ) as on:
        on.feed.prioritise(*hot)
        on.strike(*FAULTS[weather])
        await on.all_lost()
        health, then_s = on.feed.health(), now_s()
        took_s = await on.all_back()
        return _figures(on, hot, weather, took_s, health.books_wait_ms / 1e3, then_s)


def _figures(
    on: MassWorld, hot: Sequence[str], weather: str, took_s: float, estimate_s: float, then_s: float
) -> list[Figure]:
    is_bound = weather != "429 that names 1 s"  # else the venue itself makes everybody wait
    return [
        Figure("all LIVE again", took_s, "s", ALL_S if is_bound else None),
        Figure("first LIVE again", min(on.back.values()) - min(on.lost.values()), "s", FIRST_S if is_bound else None),
        Figure(
            "hot symbols LIVE again",
            max(on.back[symbol] - on.lost[symbol] for symbol in hot),
            "s",
            FIRST_S if weather == "clear" else None,
        ),
        Figure("calls over the budget", on.over_budget() + sum(on.violations().values()), "", 0),
        Figure("calls", len(on.calls), ""),
        Figure("answers with 429", sum(call.status == 429 for call in on.calls), ""),
        Figure("estimate, when all were lost", estimate_s, "s"),
        Figure("which took", max(on.back.values()) - then_s, "s"),
    ]


# -- the command line --

Form = Literal["table", "json"]
_seed = click.option("--seed", default=1, show_default=True, type=click.IntRange(min=0), help="The first seed.")
_form = click.option(
    "--format", "form", default="table", show_default=True, type=click.Choice(["table", "json"]), help="Of the result."
)


@click.group(epilog="Exit code 1 when a bar is missed.")
def main() -> None:
    """Play losses in virtual time, 25 ms from the venue: the same command prints the same figures."""
    # Each loss is a warning; here they are what is asked for.
    logging.getLogger("orderbook").setLevel(logging.CRITICAL)


@main.command()
@click.option("--seeds", default=10, show_default=True, type=click.IntRange(min=1), help="How many markets.")
@click.option("--gaps", default=50, show_default=True, type=click.IntRange(min=1), help="Losses in each.")
@_seed
@_form
def recovery(seeds: int, gaps: int, seed: int, form: Form) -> None:
    """One lost delta after another: from losing LIVE to LIVE again."""
    began = time.perf_counter()
    figures = recovery_figures(range(seed, seed + seeds), gaps)
    report({f"one lost delta, 50 ms to the venue and back, seeds {seed} to {seed + seeds - 1}": figures}, form, began)


@main.command(name="mass")
@click.option("--seeds", default=1, show_default=True, type=click.IntRange(min=1), help="How many markets.")
@_seed
@_form
def mass_command(seeds: int, seed: int, form: Form) -> None:
    """300 symbols lose messages at once; 30 snapshots fit into 3 s."""
    began = time.perf_counter()
    games = [(one, weather) for one in range(seed, seed + seeds) for weather in FAULTS]
    found = {}
    for one, weather in track(games, "Games", console=Console(stderr=True), transient=True):
        found[f"{weather}, seed {one}"] = run(partial(mass, one, weather))
    report(found, form, began)


def report(found: dict[str, list[Figure]], form: Form, began: float) -> None:
    """Print figures, game by game, and exit: with code 1 if a bar was missed."""
    missed = [figure for figures in found.values() for figure in figures if not figure.is_met]
    if form == "json":
        games = {name: [asdict(one) | {"is_met": one.is_met} for one in figures] for name, figures in found.items()}
        click.echo(json.dumps({"games": games, "missed": len(missed)}, indent=2))
    else:
        console = Console(width=None if sys.stdout.isatty() else WIDTH)
        for name, figures in found.items():
            console.print(_table(name, figures))
        console.print(f"{len(missed)} bars missed" if missed else "Every bar was met.", highlight=False)
    click.echo(f"{time.perf_counter() - began:.0f} s", err=True)
    sys.exit(1 if missed else 0)


def _table(name: str, figures: Sequence[Figure]) -> Table:
    shown = Table(title=name, title_justify="left")
    shown.add_column("figure", no_wrap=True)
    for column in ("value", "bar"):
        shown.add_column(column, justify="right")
    for one in figures:
        value = f"{one.value:.2f} {one.unit}" if one.unit else f"{one.value:.0f}"
        bar = "" if one.bar is None else f"{one.bar:g} {one.unit}".rstrip()
        shown.add_row(one.name, value, bar, style=None if one.is_met else "bold red")
    return shown


if __name__ == "__main__":
    main()
