"""Opens a feed until its books are LIVE and closes it, again and again: what is left of tasks, descriptors and memory.

Run it from the checkout: ``python -m benchmarks.leaks --help``. It ends with exit code 1 when something is left.

How to read it: memory is what Python has allocated after a full collection, in the middle and at the end, but for the
venue's own (it remembers its whole market). Caches fill up in the first cycles, so the second half is what counts;
growth of a few bytes a cycle is the allocator, of a few hundred a leak.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
import tracemalloc
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final, NamedTuple

import click

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it also runs as a plain script

from orderbook.feed.feed import Feed
from orderbook.feed.seams import World
from orderbook.feed.settings import FeedSettings
from orderbook.feed.transports import connector
from orderbook.simulator.limits import Limits
from orderbook.simulator.market import Market
from orderbook.simulator.server import LocalKuCoin
from orderbook.venues import venue_named
from snapshots.budget import WeightBudget
from snapshots.fetch import Rest
from tests.waiting import until

SYMBOLS: Final = ("BTC-USDT", "ETH-USDT")
RATE: Final = 200.0
"""Deltas a second and symbol; books join with the first."""
GROWTH_MAX: Final = 200.0
"""Bytes a cycle."""
LIMITS: Final = Limits(connects_max=10**9, public_weight_max=10**9, idle_max_ms=3_000)
"""The venue remembers each connection for as long as it waits for silent ones."""
OTHERS: Final = [
    tracemalloc.Filter(inclusive=False, filename_pattern=pattern)
    for pattern in ("*/simulator/*", "*/aiohttp/web*", tracemalloc.__file__)
]


class Left(NamedTuple):
    """What exists at a moment."""

    tasks: int
    descriptors: int
    bytes: int


def look() -> Left:
    """Count what there is, after a full collection."""
    gc.collect()
    traced = tracemalloc.take_snapshot().filter_traces(OTHERS).statistics("filename")
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    return Left(len(asyncio.all_tasks()), descriptors, sum(one.size for one in traced))


def feed_of(venue: LocalKuCoin) -> Feed:
    """A feed without keys, as ``open_feed`` composes it, but with a budget that is never used up."""
    settings = FeedSettings(connects_max=10**6)

    async def world(_feed: Feed, stack: AsyncExitStack) -> World:
        budget = WeightBudget({"public": (10**9, 30_000)})
        rest = await stack.enter_async_context(Rest(venue.url, budget=budget))
        return World(rest=rest, connect=connector(settings), budget=lambda: (0, 1))

    return Feed(venue_named("kucoin"), SYMBOLS, 100, world, settings)


async def cycles(venue: LocalKuCoin, count: int) -> None:
    """Open and close so many feeds, one after the other."""
    for _ in range(count):
        async with feed_of(venue) as feed:
            for symbol in SYMBOLS:
                await feed.ready(symbol, timeout_s=10)
    # The venue's ends of the connections go a moment later.
    await until(lambda: not venue.exchange.sessions, 10)


async def measure(count: int) -> tuple[Left, Left, float]:
    """Half of the cycles, then the other half: what there was after each, and seconds in all."""
    market = Market(SYMBOLS, 1, "normal", RATE)
    begun_s = time.perf_counter()
    async with LocalKuCoin(market, limits=LIMITS) as venue:
        await cycles(venue, count // 2)
        middle = look()
        await cycles(venue, count - count // 2)
        end = look()
    return middle, end, time.perf_counter() - begun_s


@click.command()
@click.option("--cycles", "count", default=1_000, show_default=True, help="How many feeds.")
def main(count: int) -> None:
    """Measure, print, judge."""
    tracemalloc.start()
    middle, end, elapsed_s = asyncio.run(measure(count))
    growth = (end.bytes - middle.bytes) / max(1, count - count // 2)
    print(f"{count} feeds opened and closed in {elapsed_s:.1f} s")
    print(f"tasks        {middle.tasks:>12,} after the first half, {end.tasks:>12,} at the end")
    print(f"descriptors  {middle.descriptors:>12,} after the first half, {end.descriptors:>12,} at the end")
    print(f"bytes        {middle.bytes:>12,} after the first half, {end.bytes:>12,} at the end: {growth:+.0f} a cycle")
    if end.tasks > middle.tasks or end.descriptors > middle.descriptors or growth > GROWTH_MAX:
        sys.exit("something is left behind")


if __name__ == "__main__":
    main()
