"""A feed under load and faults, against a local KuCoin in another process, compared with the truth all the time.

    python -m benchmarks.live               50 symbols, 60 s, 5,000 deltas/s; losses, repeats, swaps, disconnects
    python -m benchmarks.live --seconds 10 --rate 500
    python -m benchmarks.live recovery      one lost delta after another: how long until LIVE again
    python -m benchmarks.live blackhole     a link that goes silent: how long until reads are refused
    python -m benchmarks.live keyless       100 levels a side in a market that walks away from them

The venue and the client have a core each. The truth needs no telephone: the market depends on its seed alone, so this
process makes a copy of it and asks that. The exit code is 1 if a bar was missed.
"""

from __future__ import annotations

import asyncio
import json
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import click

import orderbook
from orderbook.errors import BeyondHorizon
from orderbook.feed.histogram import Histogram
from orderbook.feed.settings import FeedSettings
from orderbook.secret import Credentials
from orderbook.simulator.market import Market, SymbolMarket
from orderbook.simulator.truth import book_digest
from orderbook.types import BookState, Side

ALL = 100_000


class Mirror:
    """A copy of the venue's market, moved on as far as anybody asks."""

    def __init__(self, symbols: int, seed: int, profile: str, rate: float) -> None:
        self._market = Market(symbols, seed, profile, rate / symbols)

    def __getitem__(self, symbol: str) -> SymbolMarket:
        return self._market[symbol]

    def at(self, symbol: str, sequence: int) -> SymbolMarket:
        """The market of a symbol, at least at that sequence."""
        market = self._market[symbol]
        while market.sequence < sequence:
            market.gap_ns()
            market.advance()
        return market


def is_equal(feed: orderbook.Feed, mirror: Mirror, symbol: str) -> bool | None:
    """Whether a book equals the truth at its sequence as far as it says that it is known; ``None``: not LIVE."""
    view = feed[symbol].exact.view(ALL)
    if not view.is_live:
        return None
    truth = mirror.at(symbol, view.sequence)
    if not view.partial:
        return book_digest(view.bids, view.asks) == truth.digest(view.sequence)
    book = truth.book(view.sequence)
    return book_digest(view.bids, view.asks) == book_digest(book.bids[: len(view.bids)], book.asks[: len(view.asks)])


@asynccontextmanager
async def venue(
    *, symbols: int, seed: int, profile: str, rate: float, faults: Sequence[dict[str, Any]]
) -> AsyncIterator[tuple[str, list[str], Credentials, asyncio.subprocess.Process]]:
    """A local KuCoin in a process of its own: its address, its symbols, its key."""
    with NamedTemporaryFile("w", suffix=".json") as plan:
        json.dump(faults, plan)
        plan.flush()
        options = {"symbols": symbols, "seed": seed, "profile": profile, "rate": rate, "faults": plan.name}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "orderbook", "simulate", "--format", "json", "--every", "3600"),
            *(word for name, value in options.items() for word in (f"--{name}", str(value))),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert process.stdout is not None
        try:
            told = json.loads(await process.stdout.readline())
            keys = [told[f"KUCOIN_API_{part}"] for part in ("KEY", "SECRET", "PASSPHRASE")]
            yield told["url"], told["symbols"], Credentials.of(*keys), process
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


@asynccontextmanager
async def kept(url: str, names: list[str], **options: Any) -> AsyncIterator[orderbook.Feed]:
    """A feed whose books are all LIVE."""
    async with orderbook.open_feed("kucoin", names, url=url, **options) as feed:
        for name in names:
            await feed.ready(name, timeout_s=30)
        yield feed


def recoveries(feed: orderbook.Feed) -> Histogram:
    """From losing LIVE until it was regained, all symbols together, in ns."""
    total = Histogram()
    for name in feed.symbols:
        total.merge(feed.symbol_metrics(name).recovery_ns)
    return total


async def conclusion(process: asyncio.subprocess.Process) -> dict[str, Any]:
    """What the venue says at its end."""
    assert process.stdout is not None
    process.terminate()
    found: dict[str, Any] = json.loads((await process.stdout.readline()) or b"{}")
    return found


def memory_mb() -> float:
    """Resident memory of this process at this moment."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 2**20


class LiveShare:
    """How much of the time the books were LIVE while the link was up, from the events themselves."""

    def __init__(self) -> None:
        self.live_s = self.total_s = 0.0
        self._since: dict[str, tuple[float, BookState]] = {}

    def begin(self, symbol: str, state: BookState) -> None:
        """From now on."""
        self._since[symbol] = (time.monotonic(), state)

    def take(self, event: orderbook.FeedEvent) -> None:
        """A change of state ends one stretch and begins another."""
        change = event.event
        if isinstance(change, orderbook.StateChanged) and event.symbol in self._since:
            self._close(event.symbol)
            self._since[event.symbol] = (time.monotonic(), change.new)

    def _close(self, symbol: str) -> None:
        since, state = self._since[symbol]
        length = time.monotonic() - since
        if state is not BookState.CONNECTING:
            self.total_s += length
            self.live_s += length if state is BookState.LIVE else 0.0

    def end(self) -> float:
        """The share."""
        for symbol in self._since:
            self._close(symbol)
        self._since.clear()
        return self.live_s / max(self.total_s, 1e-9)


@click.group(invoke_without_command=True)
@click.option("--symbols", default=50)
@click.option("--seconds", default=60.0)
@click.option("--rate", default=5000.0)
@click.option("--seed", default=1)
@click.pass_context
def main(ctx: click.Context, symbols: int, seconds: float, rate: float, seed: int) -> None:
    """Run the load, or one of the commands."""
    if ctx.invoked_subcommand is None:
        ctx.exit(asyncio.run(load(symbols, seconds, rate, seed)))


async def load(symbols: int, seconds: float, rate: float, seed: int) -> int:
    """The load of the introduction."""
    faults = [
        {"fault": "drop", "p": 0.001},
        {"fault": "duplicate", "p": 0.005},
        {"fault": "swap", "p": 0.005},
        {"fault": "disconnect", "at_ms": 20_000, "every_ms": 20_000},
    ]
    mirror, share = Mirror(symbols, seed, "normal", rate), LiveShare()
    async with venue(symbols=symbols, seed=seed, profile="normal", rate=rate, faults=faults) as (
        url,
        names,
        keys,
        process,
    ):
        async with kept(url, names, credentials=keys, on_event=share.take) as feed:
            for name in names:
                share.begin(name, feed[name].state)
            memory, began, cpu = memory_mb(), time.monotonic(), time.process_time()
            frames = sum(feed.counters(name).frames for name in names)
            reads, reader_s = await read(feed, mirror, names, began + seconds)
            elapsed, cpu = time.monotonic() - began, time.process_time() - cpu - reader_s
            live = share.end()
            frames = sum(feed.counters(name).frames for name in names) - frames
            print(f"{symbols} symbols, {elapsed:.0f} s, {frames / elapsed:.0f} frames/s received")
            print(f"reads while LIVE: {reads[True]} equal to the truth, {reads[False]} wrong; refused {reads[None]}")
            print(f"time LIVE outside disconnects: {live:.2%}")
            at_end: Counter[bool | None] = Counter()
            for name in names:
                # Faults go on, so each is compared in the moment in which it is ready.
                await feed.ready(name, timeout_s=30)
                at_end[is_equal(feed, mirror, name)] += 1
            print(f"at the end: {at_end[True]} of {symbols} books LIVE and equal")
            tell(feed)
            print(f"CPU of the client: {cpu / elapsed:.0%} of a core, besides {reader_s / elapsed:.0%} for comparing")
            print(f"memory: {memory:.0f} MB at the start, {memory_mb():.0f} MB at the end")
        state = await conclusion(process)
        print(f"faults injected: {state.get('injected')}; limits violated: {state.get('violations')}")
    good = not reads[False] and at_end[True] == symbols and live >= 0.95 and state.get("violations") == {}
    print("all bars met" if good else "A BAR WAS MISSED")
    return 0 if good else 1


def tell(feed: orderbook.Feed) -> None:
    """What the feed counted."""
    counters, health, slow = [feed.counters(name) for name in feed.symbols], feed.health(), recoveries(feed)
    for name in ("gaps", "reorders", "duplicates", "resyncs", "snapshots_asked", "audits", "audits_failed"):
        print(f"{name}: {sum(getattr(one, name) for one in counters)}")
    print(
        f"REST calls {feed.metrics.rest_calls}, weight {health.budget_used} of {health.budget_limit} in the last window"
    )
    p50, p99 = (slow.quantile(share) or 0 for share in (0.5, 0.99))
    print(f"from losing LIVE until regaining it: p50 {p50 / 1e6:.1f} ms, p99 {p99 / 1e6:.1f} ms of {slow.count}")
    print(f"reconnects {health.reconnects}; the loop was blocked at most {feed.metrics.loop_lag_max_ns / 1e6:.0f} ms")


async def read(
    feed: orderbook.Feed, mirror: Mirror, names: list[str], until: float
) -> tuple[Counter[bool | None], float]:
    """Compare books with the truth until it is time; the outcomes, and the CPU seconds it took."""
    outcomes: Counter[bool | None] = Counter()
    rng, spent = random.Random(7), 0.0
    while time.monotonic() < until:
        await asyncio.sleep(0.02)
        before = time.process_time()
        outcomes[is_equal(feed, mirror, rng.choice(names))] += 1
        spent += time.process_time() - before
    return outcomes, spent


@main.command()
@click.option("--seconds", default=60.0)
def recovery(seconds: float) -> None:
    """One lost delta after another, with REST answers that take 50 ms."""
    sys.exit(asyncio.run(_recovery(seconds)))


async def _recovery(seconds: float) -> int:
    faults = [{"fault": "drop", "p": 0.005}, {"fault": "slow", "path": "/api/v3/market", "ms": 50, "p": 1.0}]
    mirror = Mirror(20, 1, "normal", 2_000)
    options: dict[str, Any] = {"settings": FeedSettings(audit_interval_ms=None)}
    async with (
        venue(symbols=20, seed=1, profile="normal", rate=2_000, faults=faults) as (url, names, keys, _),
        kept(url, names, credentials=keys, **options) as feed,
    ):
        reads, _spent = await read(feed, mirror, names, time.monotonic() + seconds)
        gaps, slow = sum(feed.counters(name).gaps for name in names), recoveries(feed)
    p50, p99 = (slow.quantile(share) or 0 for share in (0.5, 0.99))
    print(f"{gaps} gaps, {slow.count} recoveries; reads {reads[True]} equal, {reads[False]} wrong")
    print(f"from the hole until LIVE again, REST round trip 50 ms: p50 {p50 / 1e6:.0f} ms, p99 {p99 / 1e6:.0f} ms")
    return 0 if not reads[False] and gaps else 1


@main.command()
def blackhole() -> None:
    """A link that stays open and carries nothing any more."""
    sys.exit(asyncio.run(_blackhole()))


async def _blackhole() -> int:
    faults = [{"fault": "black_hole", "at_ms": 3_000}]
    async with (
        venue(symbols=2, seed=1, profile="normal", rate=200, faults=faults) as (url, names, keys, _),
        kept(url, names, credentials=keys) as feed,
    ):
        book, silent = feed[names[0]], 0
        async with asyncio.timeout(60):
            while book.is_live:
                silent = book.view(1).age_ms or 0
                await asyncio.sleep(0.001)
        refused = time.monotonic()
        print(f"reads are refused {silent} ms after the last frame was heard: {book.reason}")
        await feed.ready(names[0], timeout_s=60)
        print(f"LIVE again {time.monotonic() - refused:.1f} s later, on a new link")
    return 0


@main.command()
@click.option("--seconds", default=60.0)
def keyless(seconds: float) -> None:
    """100 levels a side, without a key, in a market that walks away from them."""
    sys.exit(asyncio.run(_keyless(seconds)))


async def _keyless(seconds: float) -> int:
    mirror, rate = Mirror(5, 1, "trending", 1_000), 1_000
    share, outcomes, rng = LiveShare(), Counter[str](), random.Random(3)
    async with (
        venue(symbols=5, seed=1, profile="trending", rate=rate, faults=[]) as (url, names, _keys, _),
        kept(url, names, on_event=share.take) as feed,
    ):
        for name in names:
            share.begin(name, feed[name].state)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            await asyncio.sleep(0.005)
            outcomes[ask(feed, mirror, rng.choice(names), rng)] += 1
        live = share.end()
        reseeds = sum(feed.counters(name).reseeds for name in names)
        losses = sum(len(feed.journal(name)) for name in names)
    print(
        f"answers: {outcomes['equal']} equal to the truth, {outcomes['wrong']} wrong, "
        f"{outcomes['beyond']} refused as beyond the horizon, {outcomes['not live']} not LIVE"
    )
    print(f"re-seeded in the background {reseeds} times; LIVE {live:.2%} of the time, {losses} losses of LIVE")
    good = not outcomes["wrong"] and outcomes["equal"] and outcomes["beyond"] and reseeds and not losses
    print("all bars met" if good else "A BAR WAS MISSED")
    return 0 if good else 1


def ask(feed: orderbook.Feed, mirror: Mirror, symbol: str, rng: random.Random) -> str:
    """Ask a book something that may reach past its horizon, and compare the answer with the truth."""
    book = feed[symbol].exact
    if not book.is_live:
        return "not live"
    truth = mirror.at(symbol, book.sequence).book(book.sequence)
    side = rng.choice(list(Side))
    rows = [(Decimal(price), Decimal(size)) for price, size in (truth.bids if side is Side.BID else truth.asks)]
    count = rng.choice((1, 5, 20, 60, 100, 150, 300))
    try:
        if rng.random() < 0.5:
            levels = (book.bids if side is Side.BID else book.asks)[:count]
            return "equal" if [tuple(level) for level in levels] == rows[:count] else "wrong"
        price = rows[min(count, len(rows)) - 1][0]
        within = sum(size for one, size in rows if side.value * one <= side.value * price)
        return "equal" if book.depth_to(side, price) == within else "wrong"
    except BeyondHorizon:
        return "beyond"


if __name__ == "__main__":
    main()
