"""Many symbols from a cold start, with the venue's documented limits: how long until their books are LIVE?

    python -m benchmarks.cold_start                 400 symbols in virtual time, 25 ms from the venue
    python -m benchmarks.cold_start --sockets       the same on real sockets, then a minute of 5,000 messages/s

Beside what it took stands what nobody could do faster: a venue that grants so much weight in a window, so many
requests at a time, and a round trip for each. The exit code is 1 if a bar was missed.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import click

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it also runs as a plain script

import orderbook
from benchmarks.live import conclusion, memory_mb, venue
from benchmarks.virtual import FIRST_S, HOT_RATE, Figure, Form, report
from orderbook.events import StateChanged
from orderbook.feed.events import FeedEvent
from orderbook.feed.feed import Feed
from orderbook.simulator.market import SymbolMarket, default_symbols
from orderbook.simulator.profiles import NORMAL, Profile
from orderbook.testing import Route, VirtualKuCoin, compare, run
from orderbook.types import BookState
from orderbook.venues.kucoin_rest import SNAPSHOT_WEIGHTS
from orderbook.venues.rest import Depth, Pool
from snapshots.budget import IN_FLIGHT_MAX, LIMITS
from tests.waiting import until

SYMBOLS, RATE = 400, 5_000.0
FIRST_COUNT: Final = 10
"""About so many matter most, taken from all over the list. They move much, as such symbols do: one of which no delta
comes is asked about after a second (``first_delta_wait_ms``), whoever it matters to."""
ONE_WAY_MS: Final = 25.0
SET_UP_S: Final = 1.0
"""For the list of symbols, the token, two connections and four subscriptions, before any snapshot is asked for."""
SLACK_S: Final = 1.0
"""What a start may take longer than the bound and the set-up."""
START_MAX_S: Final = 120.0
"""No start is waited for longer."""
SETTLE_S: Final = 5.0
"""From the start until CPU time is counted."""
STEADY_S: Final = 60.0
CPU_US_MAX, RSS_MB_MAX, GROWTH_MB_MAX = 100.0, 250.0, 10.0
"""With either twin."""


def bound_s(
    nth: int, depth: Depth, round_trip_s: float, *, used: int = 0, left_s: float = 0.0, in_flight: int = IN_FLIGHT_MAX
) -> float:
    """How long it takes at the least until so many snapshots are here, whoever asks for them.

    Args:
        nth: How many; 1 or more.
        depth: How deep, which says what each weighs, and of which quota.
        round_trip_s: To the venue and back.
        used: Weight of the venue's window that is used already.
        left_s: Until that window ends; a whole one if nothing is used.
        in_flight: Requests under way at a time.
    """
    limit, window_ms = LIMITS[_pool(depth)]
    weight = SNAPSHOT_WEIGHTS[depth]
    at_once, each = (limit - used) // weight, limit // weight
    if nth <= at_once:
        return -(-nth // in_flight) * round_trip_s
    windows, last = divmod(nth - at_once - 1, each)
    return left_s + windows * window_ms / 1e3 + -(-(last + 1) // in_flight) * round_trip_s


class Start:
    """What a feed tells while it starts, in seconds from when nothing was there.

    Attributes:
        live: When each book was LIVE first.
    """

    def __init__(self) -> None:
        self.began_s = now_s()
        self.live: dict[str, float] = {}

    def hear(self, event: FeedEvent) -> None:
        """Take note."""
        if event.symbol is not None and isinstance(event.event, StateChanged) and event.event.new is BookState.LIVE:
            self.live.setdefault(event.symbol, now_s() - self.began_s)


def now_s() -> float:
    """The loop's clock."""
    return asyncio.get_running_loop().time()


@asynccontextmanager
async def started(
    open_feed: Callable[..., Feed], names: Sequence[str], first: Sequence[str]
) -> AsyncIterator[tuple[Feed, Start]]:
    """A feed of which every book is LIVE, and how it came to that."""
    start = Start()
    async with open_feed(names, on_event=start.hear) as feed:
        feed.prioritise(*first)
        await until(lambda: len(start.live) == len(names), START_MAX_S, every_s=0.01)
        yield feed, start


def figures_of(
    start: Start, first: Sequence[str], bounds: Mapping[int, float], *, is_free: bool = True
) -> list[Figure]:
    """What a start took, beside what it could not do without; ``is_free``: nobody had used the quota before."""
    times, found = sorted(start.live.values()), list[Figure]()
    for name, (nth, least_s) in zip(("first", "half", "all"), bounds.items(), strict=True):
        bar_s: float | None = least_s + SET_UP_S + SLACK_S
        if nth == 1:
            # The library leaves a tenth of a quota, and of the public one a twentieth for tokens: little may be none.
            bar_s = FIRST_S if is_free else None
        found.append(Figure(f"{name} LIVE", times[nth - 1], "s", bar_s))
        found.append(Figure("  snapshots alone take", least_s, "s"))
    if first:
        last_s = max(start.live[symbol] for symbol in first)
        found.append(Figure(f"the {len(first)} that matter most LIVE", last_s, "s", FIRST_S if is_free else None))
    return found


def bounds_of(count: int, least_s: Callable[[int], float]) -> dict[int, float]:
    """The bound of the first, of half and of all."""
    return {nth: least_s(nth) for nth in (1, -(-count // 2), count)}


# -- in virtual time --


class Case(NamedTuple):
    """How a feed is started."""

    depth: Depth
    is_prioritised: bool = False
    is_again: bool = False
    """Right after another one was closed that has used up the quota."""


CASES: Final = {
    "whole books, with a key": Case("full"),
    "the same, and ten matter most": Case("full", is_prioritised=True),
    "100 levels, without a key": Case(100),
    "the same again at once, and ten matter most": Case(100, is_prioritised=True, is_again=True),
}


async def cold(case: Case, count: int, rate: float, seed: int, profile: Profile = NORMAL) -> list[Figure]:
    """Start a feed of so many symbols, compare every book with the venue's, and see what it took."""
    names = default_symbols(count)
    first = names[:: max(1, count // FIRST_COUNT)] if case.is_prioritised else ()
    rates = {**dict.fromkeys(names, rate / count), **dict.fromkeys(first, HOT_RATE)}
    market = {name: SymbolMarket(name, seed, profile, rate=rates[name]) for name in names}
    way_ms, window_s = (ONE_WAY_MS, ONE_WAY_MS), LIMITS[_pool(case.depth)][1] / 1e3
    async with VirtualKuCoin(market, seed=seed, route=Route(up_ms=way_ms, down_ms=way_ms)) as kucoin:
        began_s, used = now_s(), 0
        open_feed = partial(kucoin.open_feed, depth=case.depth)
        if case.is_again:
            async with started(open_feed, names, ()) as (feed, _):
                used = feed.health().budget_used
        async with started(open_feed, names, first) as (feed, start):
            wrong = sum(feed[name].is_live and compare(feed[name], market[name]) != () for name in names)
            calls = feed.metrics.rest_calls
        left_s = began_s + window_s - start.began_s
        bounds = bounds_of(count, lambda nth: bound_s(nth, case.depth, 2 * ONE_WAY_MS / 1e3, used=used, left_s=left_s))
        return [
            *figures_of(start, first, bounds, is_free=not case.is_again),
            Figure("REST calls", calls, ""),
            Figure("books that differ from the venue's", wrong, "", 0),
            Figure("limits violated", sum(kucoin.exchange.violations.values()), "", 0),
        ]


# -- on real sockets --


async def steady(count: int, rate: float, seconds: float, seed: int) -> list[Figure]:
    """Start on real sockets, with the venue in another process, and then go on for a while."""
    async with venue(symbols=count, seed=seed, profile="normal", rate=rate, faults=[]) as (url, names, keys, process):
        first = names[:: max(1, count // FIRST_COUNT)]
        idle_mb = memory_mb()
        open_feed = partial(orderbook.open_feed, "kucoin", url=url, credentials=keys)
        async with started(open_feed, names, first) as (feed, start):
            # On this machine a round trip takes no time to speak of.
            figures = figures_of(start, first, bounds_of(count, lambda nth: bound_s(nth, "full", 0.0)))
            await asyncio.sleep(SETTLE_S)
            gc.collect()
            begun_s, cpu_s, frames, begun_mb = time.monotonic(), time.process_time(), _frames(feed), memory_mb()
            await asyncio.sleep(seconds)
            elapsed_s, cpu_s = time.monotonic() - begun_s, time.process_time() - cpu_s
            frames, losses = _frames(feed) - frames, sum(len(feed.journal(name)) for name in names)
            lag_ms = feed.metrics.loop_lag_max_ns / 1e6
            gc.collect()
            end_mb = memory_mb()
        told = await conclusion(process)
    return [
        *figures,
        Figure("messages", frames / elapsed_s, "/s"),
        Figure("CPU of a message", cpu_s / max(1, frames) * 1e6, "us", CPU_US_MAX),
        Figure("CPU", cpu_s / elapsed_s * 100, "% of a core"),
        Figure("memory before the start", idle_mb, "MiB"),
        Figure("memory when all are LIVE", begun_mb, "MiB", RSS_MB_MAX),
        Figure(f"growth in {elapsed_s:.0f} s", end_mb - begun_mb, "MiB", GROWTH_MB_MAX),
        Figure("the loop was late by at most", lag_ms, "ms"),
        Figure("losses of LIVE", losses, "", 0),
        Figure("limits violated", sum(told["violations"].values()), "", 0),
    ]


def _pool(depth: Depth) -> Pool:
    return "spot" if depth == "full" else "public"


def _frames(feed: Feed) -> int:
    return sum(feed.counters(symbol).frames for symbol in feed.symbols)


@click.command(epilog="Exit code 1 when a bar is missed.")
@click.option("--symbols", default=SYMBOLS, show_default=True, type=click.IntRange(min=1), help="How many books.")
@click.option("--rate", default=RATE, show_default=True, help="Deltas a second, all symbols together.")
@click.option("--sockets", is_flag=True, help="On 127.0.0.1, in real time, and then CPU and memory under load.")
@click.option("--seconds", default=STEADY_S, show_default=True, help="Of that load.")
@click.option("--seed", default=1, show_default=True, type=click.IntRange(min=0), help="Of the market.")
@click.option(
    "--format", "form", default="table", show_default=True, type=click.Choice(["table", "json"]), help="Of the result."
)
def main(symbols: int, rate: float, seconds: float, seed: int, form: Form, *, sockets: bool) -> None:
    """Start many books with nothing there but the documented limits."""
    began = time.perf_counter()
    if sockets:
        found = {f"{symbols} symbols on real sockets": asyncio.run(steady(symbols, rate, seconds, seed))}
    else:
        logging.getLogger("orderbook").setLevel(logging.CRITICAL)  # a mass start is told as a warning
        found = {
            f"{symbols} symbols: {name}": run(partial(cold, case, symbols, rate, seed)) for name, case in CASES.items()
        }
    report(found, form, began)


if __name__ == "__main__":
    main()
