"""Play the large small world, and say what every rule of the table is good for.

    python benchmarks/small_world.py            every schedule against the table as it is
    python benchmarks/small_world.py --rules    a small part of them against the table without each rule in turn

Exit code 1 if the table as it is breaks anything.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from orderbook.sync.table import RULES
from tests.small_world import LARGE_WORLDS, SPECIALS, World
from tests.small_world_run import played

SHARDS = 64
TELLING: dict[str, World] = {
    "streams": {"changes": 3, "fates": ("once", "lost", "twice", "swapped")},
    "specials": {"changes": 2, "fates": ("once", "lost"), "specials": SPECIALS[1:]},
}


def play(task: tuple[dict[str, object], int | None, int]) -> Counter[str]:
    """One share of a world, with all rules or without the one numbered."""
    world, left_out, shard = task
    rules = tuple(rule for number, rule in enumerate(RULES) if number != left_out)
    counts: Counter[str] = Counter()
    for _, _, broken in played(world, rules, shard=shard, shards=SHARDS):
        counts.update(broken)
        counts["schedules"] += 1
        counts["broken"] += bool(broken)
    return counts


@click.command(help=__doc__)
@click.option("--rules", "by_rule", is_flag=True, help="Leave out each rule in turn.")
@click.option("--jobs", type=click.IntRange(1), default=os.cpu_count() or 1, show_default=True, help="Processes.")
def main(*, by_rule: bool, jobs: int) -> None:
    """Run it."""
    worlds = TELLING if by_rule else LARGE_WORLDS
    left_out: list[int | None] = [None, *range(len(RULES))] if by_rule else [None]
    keys = [(name, number) for number in left_out for name in worlds]
    tasks = [(worlds[name], number, shard) for name, number in keys for shard in range(SHARDS)]
    totals: dict[str, Counter[str]] = {}
    with ProcessPoolExecutor(jobs) as pool:
        results = pool.map(play, tasks)
        progress = track(results, total=len(tasks), console=Console(stderr=True), description="schedules")
        for (name, number), counts in zip((key for key in keys for _ in range(SHARDS)), progress, strict=True):
            label = (
                name
                if not by_rule
                else "(none)"
                if number is None
                else RULES[number].input.value + ": " + RULES[number].name
            )
            totals.setdefault(label, Counter()).update(counts)
    table = Table(
        "left out" if by_rule else "world",
        "schedules",
        "broken",
        "safety",
        "recovery",
        "economy",
        "accounting",
        "table",
    )
    for label, counts in totals.items():
        table.add_row(
            label,
            *(
                str(counts[column])
                for column in ("schedules", "broken", "safety", "recovery", "economy", "accounting", "table")
            ),
        )
    table.columns[0].no_wrap = True
    console = Console()
    (console if console.is_terminal else Console(width=120)).print(table)
    whole = [counts for label, counts in totals.items() if not by_rule or label == "(none)"]
    sys.exit(1 if any(counts["broken"] for counts in whole) else 0)


if __name__ == "__main__":
    main()
