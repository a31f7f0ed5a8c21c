"""Connections that are replaced, and symbols that are on two of them: what books notice of it. In virtual time.

    python -m benchmarks.links renewal      300 books on one connection, which is replaced again and again
    python -m benchmarks.links twice        connections that lose 1 % of all messages, and a book on two of them

``renewal``: each connection has delays of its own, so that what is sent on two of them at one moment arrives in any
order. No book may leave LIVE for any time, and none may need a snapshot. ``twice``: a message that both connections
lose is a gap, and no other one is; beside it a book on one connection. The exit code is 1 if a bar was missed.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import click

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it also runs as a plain script

from benchmarks.virtual import Figure, Form, report
from orderbook.events import StateChanged
from orderbook.feed.events import FeedEvent, LinkDown, LinkReplaced
from orderbook.feed.feed import Feed
from orderbook.feed.settings import FeedSettings
from orderbook.simulator.market import SymbolMarket, default_symbols
from orderbook.simulator.profiles import NORMAL, Profile
from orderbook.testing import Route, VirtualKuCoin, compare, run
from orderbook.types import BookState
from tests.waiting import until

SYMBOLS, RENEWALS, LIFE_S, RATE = 300, 10, 15.0, 600.0
UP_MS, DOWN_MS, TWICE_DOWN_MS = (20.0, 30.0), (5.0, 80.0), (5.0, 30.0)
"""Each frame takes as long as it likes, but those of a connection arrive in their order."""
CALM: Final = FeedSettings(audit_interval_ms=None, instruments_interval_ms=None)
"""The library's settings, without what asks for snapshots that nobody needs."""
READY_S: Final = 60.0
LOSS, TWICE_RATE, TWICE_S = 0.01, 200.0, 250.0
CHANCE: Final = 3.0
"""So many times the standard deviation of their number may there be gaps beyond what is expected."""


class Absences:
    """For how long books were not LIVE, once they had been.

    Attributes:
        since_s: When those that are not LIVE now left it.
        total_s: Of all books together, where it is over.
        count: How often one left LIVE.
        links: Replaced and lost connections.
    """

    def __init__(self) -> None:
        self.since_s: dict[str, float] = {}
        self.total_s = 0.0
        self.count = 0
        self.replaced = self.lost = 0

    def hear(self, event: FeedEvent) -> None:
        """Take an event of the feed."""
        match event.event:
            case LinkReplaced():
                self.replaced += 1
            case LinkDown():
                self.lost += 1
            case StateChanged(old=BookState.LIVE):
                self.since_s[event.symbol or ""] = now_s()
                self.count += 1
            case StateChanged(new=BookState.LIVE) if event.symbol in self.since_s:
                self.total_s += now_s() - self.since_s.pop(event.symbol)

    @property
    def until_now_s(self) -> float:
        """All of it, with what is not over."""
        return self.total_s + sum(now_s() - since_s for since_s in self.since_s.values())


def now_s() -> float:
    """The loop's clock."""
    return asyncio.get_running_loop().time()


def differing(feed: Feed, market: Mapping[str, SymbolMarket]) -> int:
    """How many books are not the venue's, or not LIVE."""
    return sum(not feed[symbol].is_live or compare(feed[symbol], market[symbol]) != () for symbol in feed.symbols)


# -- connections that are replaced --


async def renewal(count: int, renewals: int, rate: float, seed: int, profile: Profile = NORMAL) -> list[Figure]:
    """Keep so many books over so many replacements of their connection."""
    market = {name: SymbolMarket(name, seed, profile, rate=rate / count) for name in default_symbols(count)}
    settings, absences = replace(CALM, link_life_ms=int(LIFE_S * 1e3)), Absences()
    async with VirtualKuCoin(market, seed=seed, route=Route(up_ms=UP_MS, down_ms=DOWN_MS)) as kucoin:
        async with kucoin.open_feed(settings=settings, on_event=absences.hear) as feed:
            await until(lambda: feed.health().books_live == count, READY_S, every_s=0.01)
            links, begun_s = len(feed.health().links), now_s()
            asked = sum(feed.counters(name).snapshots_asked for name in feed.symbols)
            await until(lambda: absences.replaced >= links * renewals, LIFE_S * (renewals + 2), every_s=0.01)
            took_s, absent_ms, counters = now_s() - begun_s, absences.until_now_s * 1e3, _counters(feed)
            wrong, lost = differing(feed, market), absences.lost
        violations = sum(kucoin.exchange.violations.values())
    return [
        Figure("books", count, ""),
        Figure("connections replaced", absences.replaced, ""),
        Figure("messages", counters["frames"], ""),
        Figure("in", took_s, "s"),
        Figure("not LIVE, all books together", absent_ms, "ms", 0),
        Figure("connections lost", lost, "", 0),
        Figure("gaps", counters["gaps"] + counters["reorders"], "", 0),
        Figure("snapshots asked for", counters["snapshots_asked"] - asked, "", 0),
        Figure("books that differ from the venue's", wrong, "", 0),
        Figure("limits violated", violations, "", 0),
    ]


def _counters(feed: Feed) -> dict[str, int]:
    names = ("frames", "gaps", "reorders", "snapshots_asked")
    return {name: sum(getattr(feed.counters(symbol), name) for symbol in feed.symbols) for name in names}


# -- books on two connections --


async def twice(loss: float, rate: float, seconds: float, seed: int, profile: Profile = NORMAL) -> list[Figure]:
    """Keep a book on two connections and one on one, while each connection loses messages of its own."""
    both, one = default_symbols(2)
    market = {name: SymbolMarket(name, seed, profile, rate=rate) for name in (both, one)}
    absences = {name: Absences() for name in market}
    async with VirtualKuCoin(market, seed=seed, route=Route(up_ms=UP_MS, down_ms=TWICE_DOWN_MS)) as kucoin:
        feed = kucoin.open_feed(
            settings=CALM,
            twice=[both],
            on_event=lambda event: None if event.symbol is None else absences[event.symbol].hear(event),
        )
        async with feed:
            lanes = feed.symbol_metrics(both).lanes
            await until(lambda: feed.health().books_live == 2 and all(lane.copies for lane in lanes), READY_S)
            kucoin.strike({"fault": "drop", "p": loss})
            before = {name: feed.counters(name).frames for name in market}
            await asyncio.sleep(seconds)
            counters = {name: feed.counters(name) for name in market}
            absent_s = {name: absences[name].until_now_s for name in market}
            kucoin.exchange.heal(kucoin.now_ns())
            await until(lambda: differing(feed, market) == 0, READY_S, every_s=0.01)
        violations = sum(kucoin.exchange.violations.values())
    count = counters[both].frames - before[both]
    expected = count * loss * loss
    p50, p99 = (max(lane.behind_ns.quantile(share) or 0 for lane in lanes) / 1e6 for share in (0.5, 0.99))
    return [
        Figure("messages of the book on one connection", counters[one].frames - before[one], ""),
        Figure("  gaps", counters[one].gaps, ""),
        Figure("  not LIVE", absent_s[one] * 1e3, "ms"),
        Figure("messages of the book on two", count, ""),
        Figure("  gaps", counters[both].gaps, "", expected + CHANCE * max(1.0, expected) ** 0.5),
        Figure("  gaps expected, if losses are independent", expected, ""),
        Figure("  not LIVE", absent_s[both] * 1e3, "ms"),
        *(Figure(f"  connection {number} brought first", lane.first, "") for number, lane in enumerate(lanes, 1)),
        *(Figure(f"  connection {number} lost", lane.missed, "") for number, lane in enumerate(lanes, 1)),
        Figure("  the second copy is behind by: p50", p50, "ms"),
        Figure("  p99", p99, "ms"),
        Figure("resets told", counters[both].resets, "", 0),
        Figure("limits violated", violations, "", 0),
    ]


# -- the command line --

_seed = click.option("--seed", default=1, show_default=True, type=click.IntRange(min=0), help="Of the market.")
_form = click.option(
    "--format", "form", default="table", show_default=True, type=click.Choice(["table", "json"]), help="Of the result."
)


@click.group(epilog="Exit code 1 when a bar is missed.")
def main() -> None:
    """Connections that are replaced, and symbols that are on two of them; in virtual time."""
    logging.getLogger("orderbook").setLevel(logging.CRITICAL)


@main.command(name="renewal")
@click.option("--symbols", default=SYMBOLS, show_default=True, type=click.IntRange(min=1), help="How many books.")
@click.option("--renewals", default=RENEWALS, show_default=True, type=click.IntRange(min=1), help="Of each connection.")
@click.option("--rate", default=RATE, show_default=True, help="Deltas a second, all symbols together.")
@_seed
@_form
def renewal_command(symbols: int, renewals: int, rate: float, seed: int, form: Form) -> None:
    """A connection is replaced before the venue ends it: nobody notices."""
    began = time.perf_counter()
    figures = run(partial(renewal, symbols, renewals, rate, seed))
    report({f"{DOWN_MS[0]:g} to {DOWN_MS[1]:g} ms from the venue, seed {seed}": figures}, form, began)


@main.command(name="twice")
@click.option("--loss", default=LOSS, show_default=True, type=click.FloatRange(0, 1), help="Of each connection.")
@click.option("--rate", default=TWICE_RATE, show_default=True, help="Deltas a second of each symbol.")
@click.option("--seconds", default=TWICE_S, show_default=True, type=click.FloatRange(min=1), help="For so long.")
@_seed
@_form
def twice_command(loss: float, rate: float, seconds: float, seed: int, form: Form) -> None:
    """What one connection loses the other one brings."""
    began = time.perf_counter()
    report(
        {f"{loss:.1%} lost on each connection, seed {seed}": run(partial(twice, loss, rate, seconds, seed))},
        form,
        began,
    )


if __name__ == "__main__":
    main()
