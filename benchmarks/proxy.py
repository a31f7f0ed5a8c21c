"""A feed on a bad line, for as long as you like: a fault proxy between it and the local KuCoin, compared all the time.

    python -m benchmarks.proxy                      one minute, three symbols
    python -m benchmarks.proxy --minutes 30 --seed 7

The line: at most 64 KB/s each way, bytes one by one (or a few), latency and jitter, and every second or so a reset in
the middle of a frame, a clog, a swizzle, a black hole in one direction, or nobody who listens. A TCP connection does
not lose or reorder bytes, so losses below it are what they are to a program: latency. All chance is of the seed.

How to read it: ``divergences`` are reads of a LIVE book that differed from the venue's book at its sequence, and must
be 0, as must ``violations`` of the venue's limits; ``reads`` are those that were compared, ``refused`` those of a book
that was not LIVE (which are quicker, so there are more of them). After the last fault every book has to be LIVE and
equal. Else the exit code is 1.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import click

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it also runs as a plain script

import orderbook
from orderbook.feed.settings import FeedSettings
from orderbook.settings import SyncSettings
from orderbook.simulator.limits import Limits
from orderbook.simulator.market import SymbolMarket
from orderbook.simulator.profiles import PROFILES
from orderbook.simulator.proxy import FaultProxy
from orderbook.simulator.server import LocalKuCoin
from orderbook.simulator.toxics import Toxics
from orderbook.simulator.truth import book_digest

SYMBOLS: Final = ("BTC-USDT", "ETH-USDT", "SOL-USDT")
RATE: Final = 5.0
"""Deltas a second and symbol: byte by byte, more would not fit through."""
SMALL: Final = replace(PROFILES["normal"], name="small", bids=100, asks=100)
"""A market whose whole book comes through the line in a fraction of a second."""
BANDWIDTH: Final = 64_000
ALL: Final = 100_000
BOUND_S: Final = 60.0
"""For LIVE after the last fault: one connect turn of the venue's documented limit, at most."""
SETTINGS: Final = FeedSettings(
    connect_timeout_ms=1_000,
    welcome_timeout_ms=1_000,
    reconnect_min_ms=100,
    reconnect_max_ms=500,
    useful_after_ms=1_000,
    ping_silence_ms=300,
    rest_timeout_ms=3_000,
    connects_max=10_000,
    sync=SyncSettings(link_silence_max_ms=1_500, snapshot_retry_max_ms=1_000),
)
LIMITS: Final = Limits(connects_max=10_000)
"""A minute here holds as many lost links as a month elsewhere."""
FAULTS: Final = ("reset", "reset", "clog", "swizzle", "hole_up", "hole_down", "refuse", "rest_reset")


class Witness:
    """Reads every book again and again, and compares it with the truth."""

    def __init__(self, feed: orderbook.Feed, venue: LocalKuCoin) -> None:
        self._feed = feed
        self._venue = venue
        self.count: Counter[str] = Counter()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            for symbol in SYMBOLS:
                self.look(symbol)
            await asyncio.sleep(0.005)

    def look(self, symbol: str) -> bool:
        """Read a book; whether it is LIVE and right."""
        view = self._feed[symbol].exact.view(ALL)
        if not view.is_live:
            self.count["refused"] += 1
            return False
        self.count["reads"] += 1
        is_right = book_digest(view.bids, view.asks) == self._venue.market[symbol].digest(view.sequence)
        if not is_right:
            self.count["divergences"] += 1
            click.echo(f"{symbol} at {view.sequence} differs from the venue's book", err=True)
        return is_right


class Weather:
    """What happens to the line."""

    def __init__(self, sockets: FaultProxy, requests: FaultProxy, seed: int) -> None:
        self._sockets = sockets
        self._requests = requests
        self._rng = random.Random(f"{seed}/weather")
        self.struck: Counter[str] = Counter()

    def clear(self) -> None:
        """No more than a slow line."""
        rng = self._rng
        slices = rng.choice((1, 1, 3, 20))
        for proxy in (self._sockets, self._requests):
            proxy.heal()
            proxy.up = proxy.down = Toxics(
                bandwidth=BANDWIDTH,
                slice_bytes=slices if proxy is self._sockets else slices * 100,
                latency_ms=rng.uniform(0, 30),
                jitter_ms=rng.uniform(0, 30),
            )

    async def strike(self) -> None:
        """One fault, from its beginning to its end."""
        rng, sockets = self._rng, self._sockets
        fault = rng.choice(FAULTS)
        self.struck[fault] += 1
        seconds = rng.uniform(0.1, 2.0)
        match fault:
            case "reset":
                sockets.down = Toxics(reset_after=rng.randrange(1, 3_000))
            case "rest_reset":
                self._requests.down = Toxics(reset_after=rng.randrange(1, 10_000))
                sockets.reset()
            case "clog":
                sockets.down = Toxics(is_clogged=True)
            case "swizzle":
                await sockets.swizzle(seconds * 50)
            case "hole_up":
                sockets.up = Toxics(is_dead=True)
            case "hole_down":
                sockets.down = Toxics(is_dead=True)
            case "refuse":
                sockets.refuse()
                sockets.reset()
        await asyncio.sleep(seconds)
        await sockets.start()
        self.clear()
        await asyncio.sleep(rng.uniform(1.0, 4.0))


async def campaign(minutes: float, seed: int) -> dict[str, Any]:
    """Run it; the numbers that are printed."""
    markets = {symbol: SymbolMarket(symbol, seed, SMALL, rate=RATE) for symbol in SYMBOLS}
    async with (
        LocalKuCoin(markets, seed=seed, limits=LIMITS, ping_timeout_ms=3_000) as venue,
        FaultProxy("127.0.0.1", venue.port, seed=seed) as sockets,
        FaultProxy("127.0.0.1", venue.port, seed=seed + 1) as requests,
    ):
        venue.endpoint = f"ws://127.0.0.1:{sockets.port}/"
        async with orderbook.open_feed(
            "kucoin", SYMBOLS, url=requests.url, credentials=venue.credentials, settings=SETTINGS
        ) as feed:
            for symbol in SYMBOLS:
                await feed.ready(symbol, timeout_s=BOUND_S)
            witness, weather = Witness(feed, venue), Weather(sockets, requests, seed)
            watching = asyncio.create_task(witness.run())
            weather.clear()
            loop = asyncio.get_running_loop()
            over = loop.time() + minutes * 60
            while loop.time() < over and not watching.done():
                await weather.strike()
            sockets.heal()
            requests.heal()
            is_well = await recovered(feed, witness)
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            return {
                "minutes": minutes,
                "seed": seed,
                "divergences": witness.count["divergences"],
                "violations": dict(venue.exchange.violations),
                "live_at_the_end": is_well,
                "reads": witness.count["reads"],
                "refused": witness.count["refused"],
                "deltas": venue.exchange.state()["deltas_sent"],
                "connections": sockets.accepted,
                "reconnects": feed.health().reconnects,
                **{f"fault_{name}": count for name, count in sorted(weather.struck.items())},
            }


async def recovered(feed: orderbook.Feed, witness: Witness) -> bool:
    """Whether every book is LIVE and right within the bound."""
    try:
        for symbol in SYMBOLS:
            await feed.ready(symbol, timeout_s=BOUND_S)
    except orderbook.NotReady as error:
        click.echo(str(error), err=True)
        return False
    return all(witness.look(symbol) for symbol in SYMBOLS)


@click.command(help=__doc__.partition("\n\n")[0])
@click.option("--minutes", type=click.FloatRange(0, min_open=True), default=1.0, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
def main(minutes: float, seed: int) -> None:
    """Run the campaign, print its numbers as JSON, and fail if the promise was broken."""
    found = asyncio.run(campaign(minutes, seed))
    print(json.dumps(found, indent=2))
    sys.exit(0 if not found["divergences"] and not found["violations"] and found["live_at_the_end"] else 1)


if __name__ == "__main__":
    main()
