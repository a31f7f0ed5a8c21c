"""``orderbook demo``: the real client against a local KuCoin that misbehaves, compared with what is true."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Literal

import click

from orderbook.cli.live import LINE_S, first_news, panels_of, stop_signals, until
from orderbook.cli.options import checked_seconds, format_option
from orderbook.cli.simulate import read_plan
from orderbook.cli.terminal import can_draw, counted, print_json
from orderbook.cli.watch_screen import Screen
from orderbook.errors import UsageError
from orderbook.feed.errors import NotReady
from orderbook.feed.feed import Feed
from orderbook.feed.opening import open_feed
from orderbook.feed.settings import FeedSettings
from orderbook.results import BookView
from orderbook.simulator.faults import FaultPlan
from orderbook.simulator.market import PROFILES
from orderbook.simulator.server import LocalKuCoin
from orderbook.simulator.source import Level
from orderbook.simulator.truth import book_digest

SECONDS_ELSEWHERE: Final = 10.0
READ_S: Final = 0.02
LEVELS_ALL: Final = 100_000
RATE: Final = 200.0
"""Deltas a second where neither a rate nor a market is chosen: enough to look at."""
SOONER: Final = 5
"""What happens to a market's instruments is to be seen after 4 s, and again and again: nobody looks for long."""
SETTINGS: Final = FeedSettings(instruments_interval_ms=1_000)
"""A venue is asked for its symbols every ten minutes; this one, where they go for seconds, more often."""
SETTLE_S: Final = 15.0
"""How long the last book may take to be LIVE at the end."""
FAULTS: Final[Sequence[dict[str, Any]]] = (
    {"fault": "drop", "p": 0.003},
    {"fault": "duplicate", "p": 0.005},
    {"fault": "swap", "p": 0.005},
    {"fault": "stale_snapshot", "p": 0.2, "by": 20},
    {"fault": "disconnect", "at_ms": 5_000, "every_ms": 20_000},
)

EPILOG = """\b
Examples:
  orderbook demo                               live ladders; q ends
  orderbook demo --calm --symbols 8            with nothing going wrong
  orderbook demo --profile storm               a market of 1,500 deltas a second and symbol; illiquid: one an hour
  orderbook demo --profile tick_change         its price step changes after 4 s; delist: symbols go; reset: new counts
  orderbook demo --faults plan.json            with your own faults; `orderbook simulate --list-faults` names them
  orderbook demo --format json | tail -n 1     the summary

A local KuCoin is started on a free port of this machine. It makes up a market that moves as a real one was measured to,
and it loses, repeats, swaps and delays messages on purpose. The books are kept by the very client that talks to the
venue: token, WebSocket, signed snapshots with a throw-away key. Because the local venue knows its own book at every
sequence, each LIVE book can be compared with the truth. The exit code is 0 if every comparison came out equal.
"""


@click.command(epilog=EPILOG)
@click.option("--symbols", type=click.IntRange(1, 50), default=4, show_default=True, help="How many books.")
@click.option(
    "--rate",
    type=click.FloatRange(1, 10_000),
    metavar="N",
    help=f"Deltas a second, over all symbols. Default: {RATE:g}; with --profile, what that market has.",
)
@click.option("--profile", type=click.Choice(list(PROFILES)), help="The market, at its own rate. Default: normal.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of everything that is left to chance.")
@click.option("--calm", is_flag=True, help="Nothing goes wrong.")
@click.option(
    "--faults",
    type=click.Path(path_type=Path, exists=True),
    metavar="PLAN",
    help="A JSON file: what goes wrong instead.",
)
@click.option("--keyless", is_flag=True, help="Without a key: 100 levels a side, and a horizon.")
@click.option(
    "--seconds", callback=checked_seconds, metavar="N", help="Stop after so many; 10 where nobody looks, else at q."
)
@format_option
@click.pass_context
def demo(
    ctx: click.Context,
    *,
    symbols: int,
    rate: float | None,
    profile: str | None,
    seed: int,
    calm: bool,
    faults: Path | None,
    keyless: bool,
    seconds: float,
    form: Literal["table", "json"],
) -> None:
    """Watch live books being kept from a local KuCoin, and compared with the truth.

    With --format json the lines go to stderr, and stdout is one line: a JSON object.
    """
    if calm and faults is not None:
        raise click.UsageError("--calm and --faults contradict each other")
    plan = FaultPlan(() if calm else FAULTS) if faults is None else read_plan(faults)
    if seconds == float("inf") and not (form == "table" and can_draw()):
        seconds = SECONDS_ELSEWHERE
    if rate is None and profile is None:
        rate = RATE
    market = PROFILES[profile or "normal"].sooner(SOONER)
    venue = LocalKuCoin(symbols=symbols, rate=rate, profile=market, seed=seed, faults=plan)
    ctx.exit(0 if asyncio.run(_demo(venue, seconds, form, is_keyless=keyless)) else 1)


async def _demo(venue: LocalKuCoin, seconds: float, form: Literal["table", "json"], *, is_keyless: bool) -> bool:
    async with stop_signals() as stop, venue:
        keys = None if is_keyless else venue.credentials
        feed = open_feed("kucoin", list(venue.market), url=venue.url, credentials=keys, settings=SETTINGS)
        try:
            await until(stop, feed.start())
            if stop.is_set():
                raise click.Abort  # There is nothing to sum up yet.
            witness = Witness(venue, feed)
            watching = asyncio.ensure_future(witness.watch())
            try:
                await until(stop, _show(feed, seconds, is_json=form == "json"))
                stop.clear()
                await until(stop, witness.settle())
            finally:
                watching.cancel()
                await asyncio.wait((watching,))
            if not watching.cancelled():
                watching.result()  # It does not end by itself: something is wrong with the comparison.
            return witness.conclude(form)
        finally:
            await feed.close()


async def _show(feed: Feed, seconds: float, *, is_json: bool) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    screen: Screen = Screen(
        lambda: panels_of(feed, screen.levels),
        feed.health,
        venue="a local KuCoin",
        to_stderr=is_json,
    )
    if not screen.is_drawn:
        await first_news(feed, min(LINE_S, seconds))
    await screen.run(max(end - loop.time(), 0.0))


class Witness:
    """Compares books with what is true of them, again and again."""

    def __init__(self, venue: LocalKuCoin, feed: Feed) -> None:
        self._venue = venue
        self._feed = feed
        self._reads = self._refused = self._wrong = 0
        self._began = asyncio.get_running_loop().time()

    async def watch(self) -> None:
        """Read one book after the other, all the time."""
        while True:
            for symbol in self._feed.symbols:
                await asyncio.sleep(READ_S)
                self._read(symbol)

    def _read(self, symbol: str) -> None:
        equal = self.is_equal(symbol)
        if equal is None:
            self._refused += 1
        else:
            self._reads += 1
            self._wrong += not equal

    def is_equal(self, symbol: str) -> bool | None:
        """Whether a book is equal to the truth at its sequence, as far as it is known; ``None``: not LIVE."""
        view = self._feed[symbol].exact.view(LEVELS_ALL)
        if not view.is_live:
            return None
        digest = book_digest(view.bids, view.asks)
        return any(digest == book_digest(*truth) for truth in self._truths(view))

    def _truths(self, view: BookView[Decimal]) -> Iterator[tuple[Sequence[Level], Sequence[Level]]]:
        """The sides of what was true at a view's sequence, and as deep: in each of the venue's counts that had it.

        A client cannot know that the venue counts anew before it hears of it.
        """
        market = self._venue.market[view.symbol]
        for epoch in range(market.epoch, -1, -1):
            try:
                _, bids, asks = market.book(view.sequence, epoch=epoch)
            except UsageError:
                continue
            yield (bids[: len(view.bids)], asks[: len(view.asks)]) if view.partial else (bids, asks)

    async def settle(self) -> None:
        """Give the books that are just recovering the time to do so, all at once; those that do not are told."""
        waits = (self._feed.ready(symbol, timeout_s=SETTLE_S) for symbol in self._feed.symbols)
        for result in await asyncio.gather(*waits, return_exceptions=True):
            if isinstance(result, NotReady):
                click.echo(str(result), err=True)
            elif isinstance(result, BaseException):
                raise result

    def conclude(self, form: str) -> bool:
        """Print the summary; whether every comparison came out equal."""
        summary = self.summary()
        if form == "json":
            print_json(summary)
        else:
            self._tell(summary)
        return summary["equal_to_truth"] is True

    def summary(self) -> dict[str, Any]:
        """What happened, in numbers."""
        feed = self._feed
        live = [symbol for symbol in feed.symbols if feed[symbol].is_live]
        equal = [symbol for symbol in live if self.is_equal(symbol)]
        counters = [feed.counters(symbol) for symbol in feed.symbols]
        state = self._venue.exchange.state()
        return {
            "frames": sum(one.frames for one in counters),
            "applied": sum(one.applied for one in counters),
            "duplicates": sum(one.duplicates for one in counters),
            "rejected": sum(one.rejected_count for one in counters),
            "reorders": sum(one.reorders for one in counters),
            "gaps": sum(one.gaps for one in counters),
            "resyncs": sum(one.resyncs for one in counters),
            "crossed": sum(one.crossed for one in counters),
            "snapshots": sum(one.snapshots_asked for one in counters),
            "reconnects": feed.health().reconnects,
            "books": {"all": len(counters), "live": len(live), "equal": len(equal)},
            "reads": {"equal": self._reads - self._wrong, "wrong": self._wrong, "refused": self._refused},
            "equal_to_truth": len(equal) == len(counters) and not self._wrong,
            "faults": dict(state["injected"]),
            "violations": dict(state["violations"]),
            "seconds": round(asyncio.get_running_loop().time() - self._began, 3),
        }

    def _tell(self, summary: dict[str, Any]) -> None:
        faults = ", ".join(f"{name} {count}" for name, count in sorted(summary["faults"].items())) or "none"
        reads, books = summary["reads"], summary["books"]
        frames, applied = counted(summary["frames"], "frame"), counted(summary["applied"], "delta")
        click.echo(f"{frames} in {summary['seconds']:.1f} s; {applied} applied")
        click.echo(f"what went wrong on purpose: {faults}")
        click.echo(
            f"what the client made of it: {counted(summary['gaps'], 'gap')}, "
            f"{counted(summary['reorders'], 'reorder')} healed, {counted(summary['duplicates'], 'duplicate')} ignored, "
            f"{counted(summary['resyncs'], 'resync')}, {counted(summary['reconnects'], 'reconnect')}"
        )
        click.echo(
            f"reads compared with the truth: {reads['equal']} equal, {reads['wrong']} wrong; "
            f"{reads['refused']} refused while a book was not LIVE"
        )
        click.echo(f"at the end: {books['equal']} of {books['all']} books LIVE and equal to the truth")
