"""A feed for a quarter of an hour on real sockets: what it leaves in memory, tasks and descriptors; does it err?

    python -m benchmarks.soak                        300 symbols, 5,000 deltas/s, 15 minutes
    python -m benchmarks.soak --minutes 1 --symbols 20 --rate 500

The local KuCoin runs in a process of its own and is asked there what is true, so that this process holds nothing but
the feed. Messages are lost now and then, and links cut. Memory is counted from the end of a third of the time on: until
then buffers that have a bound fill up. The exit code is 1 if a bar was missed.
"""

from __future__ import annotations

import asyncio
import gc
import random
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import aiohttp
import click

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it also runs as a plain script

import orderbook
from benchmarks.live import ALL, conclusion, kept, memory_mb, venue
from orderbook.simulator.truth import book_digest
from tests.waiting import until

GROWTH_MAX_MIB: Final = 2.0
COMPARED_PER_S: Final = 4.0
FAULTS: Final[tuple[dict[str, Any], ...]] = (
    {"fault": "drop", "p": 0.0002},
    {"fault": "duplicate", "p": 0.001},
    {"fault": "swap", "p": 0.001},
    {"fault": "disconnect", "at_ms": 60_000, "every_ms": 120_000},
)


async def is_true(feed: orderbook.Feed, client: aiohttp.ClientSession, url: str, symbol: str) -> bool | None:
    """Whether a book equals the venue's at its sequence; ``None``: it is not LIVE."""
    view = feed[symbol].exact.view(ALL)
    if not view.is_live:
        return None
    digest = book_digest(view.bids, view.asks)
    query: dict[str, str | int] = {"symbol": symbol, "sequence": view.sequence, "depth": 0}
    async with client.get(f"{url}/simulator/truth", params=query) as response:
        found: dict[str, Any] = await response.json()
    return found.get("digest") == str(digest)


class Census:
    """What the process holds at a moment, after a full collection."""

    def __init__(self) -> None:
        gc.collect()
        self.memory_mib = memory_mb()
        self.tasks = len(asyncio.all_tasks())
        self.descriptors = len(list(Path("/proc/self/fd").iterdir()))

    def __str__(self) -> str:
        return f"{self.memory_mib:.1f} MiB, {self.tasks} tasks, {self.descriptors} descriptors"


async def compare(
    feed: orderbook.Feed, client: aiohttp.ClientSession, url: str, until_s: float, outcomes: Counter[bool | None]
) -> None:
    """Compare one book after the other until it is time, and say now and then how it goes."""
    rng, told_s = random.Random(3), time.monotonic()
    while time.monotonic() < until_s:
        outcomes[await is_true(feed, client, url, rng.choice(feed.symbols))] += 1
        await asyncio.sleep(1 / COMPARED_PER_S)
        if time.monotonic() - told_s > 30:
            told_s = time.monotonic()
            left_s = until_s - told_s
            print(f"  {left_s:5.0f} s left: {Census()}; {outcomes[True]} equal, {outcomes[False]} wrong", flush=True)


async def soak(symbols: int, rate: float, minutes: float, seed: int) -> int:
    """Run it."""
    outcomes: Counter[bool | None] = Counter()
    idle = Census()
    async with (
        venue(symbols=symbols, seed=seed, profile="normal", rate=rate, faults=FAULTS) as (url, names, keys, process),
        aiohttp.ClientSession() as client,
    ):
        opened = Census()
        async with kept(url, names, credentials=keys) as feed:
            begun_s = time.monotonic()
            warm_s, end_s = begun_s + minutes * 20, begun_s + minutes * 60
            await compare(feed, client, url, warm_s, outcomes)
            warm, frames = Census(), sum(feed.counters(name).frames for name in names)
            await compare(feed, client, url, end_s, outcomes)
            end = Census()
            frames = sum(feed.counters(name).frames for name in names) - frames
            print(f"{frames / (end_s - warm_s):.0f} messages/s, {symbols} books, {minutes:g} minutes")
            at_end: Counter[bool | None] = Counter()
            for name in names:
                await feed.ready(name, timeout_s=60)
                at_end[await is_true(feed, client, url, name)] += 1
            counts = {what: sum(getattr(feed.counters(name), what) for name in names) for what in ("gaps", "resyncs")}
            print(f"gaps {counts['gaps']}, resyncs {counts['resyncs']}, reconnects {feed.health().reconnects}")
        # The last descriptors go a moment after the feed; one is the comparing client's own connection.
        with suppress(TimeoutError):
            await until(lambda: Census().descriptors <= opened.descriptors + 1, 5)
        closed = Census()
        state = await conclusion(process)
    growth = end.memory_mib - warm.memory_mib
    print(f"compared {outcomes[True]} times equal, {outcomes[False]} wrong, {outcomes[None]} not LIVE")
    print(f"at the end {at_end[True]} of {symbols} books are LIVE and equal")
    print(f"before {opened}; warm {warm}; end {end}; closed {closed}")
    print(
        f"growth after warming up: {growth:+.2f} MiB (at most {GROWTH_MAX_MIB}); limits violated: {state['violations']}"
    )
    left = closed.tasks - idle.tasks, closed.descriptors - opened.descriptors
    print(f"left by the closed feed: {left[0]} tasks, {left[1]} descriptors")
    is_good = (
        growth < GROWTH_MAX_MIB
        and left[0] <= 0
        and left[1] <= 1  # the comparing client's own connection
        and not outcomes[False]
        and at_end[True] == symbols
        and state["violations"] == {}
    )
    print("all bars met" if is_good else "A BAR WAS MISSED")
    return 0 if is_good else 1


@click.command()
@click.option("--symbols", default=300, show_default=True)
@click.option("--rate", default=5_000.0, show_default=True, help="Deltas a second, all symbols together.")
@click.option("--minutes", default=15.0, show_default=True)
@click.option("--seed", default=1, show_default=True)
def main(symbols: int, rate: float, minutes: float, seed: int) -> None:
    """Run the soak and judge it."""
    sys.exit(asyncio.run(soak(symbols, rate, minutes, seed)))


if __name__ == "__main__":
    main()
