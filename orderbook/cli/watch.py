"""``orderbook watch``: live ladders of a venue in the terminal."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Literal
from urllib.parse import urlsplit

import click

from orderbook.cli.alarm import Alarm, Rule, alert_options, each_rule, told_alert
from orderbook.cli.live import LINE_S, first_news, key_and_depth, live_options, opened, panels_of, stop_signals, until
from orderbook.cli.options import checked_seconds, checked_symbols, format_option
from orderbook.cli.terminal import counted
from orderbook.cli.watch_screen import Screen
from orderbook.feed.feed import Feed
from orderbook.feed.health import FeedHealth, SymbolStatus
from orderbook.feed.opening import open_feed
from orderbook.results import BookView
from orderbook.secret import Credentials
from orderbook.types import BookState
from orderbook.ui.panels import PanelData
from orderbook.venues.rest import Depth

EPILOG = """\b
Examples:
  orderbook watch BTC-USDT ETH-USDT SOL-USDT
  orderbook watch BTC-USDT --url http://127.0.0.1:8888     a local KuCoin: `orderbook simulate --port 8888`
  orderbook watch BTC-USDT --format json | jq .best_bid
  orderbook watch BTC-USDT --alert 'spread_bps > 5' --alert 'not live for 5s'
  orderbook watch BTC-USDT ETH-USDT --alert 'BTC-USDT: imbalance(10) < -0.4 for 2s'
  orderbook watch BTC-USDT --alert 'best_ask crosses 67000' --exit-on-alert && echo now

On a terminal: ladders side by side; left and right choose a symbol, + and - (or up and down) the depth, s shows one
alone, ? lists the keys, q ends. Elsewhere: one line a symbol and second. A book that is not LIVE shows no levels, but
says why; the command ends with an error only when no book ever can be, as with a key that is refused.

An alert is a number (best_bid, best_ask, mid, microprice, spread, spread_bps, imbalance(LEVELS)), then >, >=, <, <= or
crosses, then a number; or "not live". With "for 2s" (ms, s, min, h) it has to hold for so long. It is told when it
comes to hold, and again after it did not: beside the ladders with a ring of the bell, elsewhere as a line at once.
"""


@click.command(epilog=EPILOG)
@click.argument("symbols", nargs=-1, required=True, callback=checked_symbols, metavar="SYMBOL...")
@live_options
@click.option("--seconds", callback=checked_seconds, metavar="N", help="Stop after so many seconds.")
@alert_options
@format_option
def watch(
    *,
    symbols: tuple[str, ...],
    venue: str,
    url: str | None,
    depth: Depth | None,
    keys: Credentials | None,
    seconds: float,
    form: Literal["table", "json"],
    rules: tuple[Rule, ...],
    is_silent: bool,
    is_last: bool,
) -> int:
    """Watch live order books of a venue, with the health of each."""
    if not rules and (is_silent or is_last):
        raise click.UsageError(f"{'--no-bell' if is_silent else '--exit-on-alert'} does nothing without --alert")
    alarm = Alarm(each_rule(rules, symbols)) if rules else None
    credentials, depth = key_and_depth(venue, url, keys, depth)
    hear = None if alarm is None else alarm.hear_event
    feed = open_feed(venue, symbols, url=url, credentials=credentials, depth=depth, on_event=hear)
    asyncio.run(_watch(feed, name_of(venue, url), seconds, form, alarm, has_bell=not is_silent, is_last=is_last))
    return int(is_last and alarm is not None and not alarm.count)


def name_of(venue: str, url: str | None) -> str:
    """Whose prices these are: nobody shall take those of a simulator for the venue's."""
    return venue if url is None else f"{venue} at {urlsplit(url).netloc.rpartition('@')[2]}"


async def _watch(
    feed: Feed,
    venue: str,
    seconds: float,
    form: Literal["table", "json"],
    alarm: Alarm | None,
    *,
    has_bell: bool,
    is_last: bool,
) -> None:
    watching = Watching(feed, alarm)
    screen: Screen = Screen(
        lambda: watching.panels(screen.levels),
        watching.health,
        venue=venue,
        form=form,
        alarm=alarm,
        has_bell=has_bell,
    )
    # Within: opening a feed takes long where nobody answers, and can be stopped, too.
    async with stop_signals() as stop:
        showing = watching.show(screen, seconds)
        await until(stop, until(alarm.fired, showing) if alarm is not None and is_last else showing)


class Watching:
    """A feed that is looked at from before it is open until it is closed.

    Args:
        feed: Not open yet.
        alarm: What is watched for from when it is open.
    """

    def __init__(self, feed: Feed, alarm: Alarm | None = None) -> None:
        self._feed = feed
        self._alarm = alarm
        # Once it has begun to open, it has the symbols only that were looked up already.
        self._symbols = feed.symbols
        self._began_s = 0.0
        self._opening: asyncio.Task[None] | None = None

    async def show(self, screen: Screen, seconds: float) -> None:
        """Open the feed and show it; a picture is there while it is being opened, too.

        Args:
            screen: What shows it.
            seconds: For at most so long, opening included.

        Raises:
            RestError: It cannot be opened, or was not by then (which a picture shows by itself).
            NotReady: Every book is FAILED.
        """
        if screen.is_drawn:
            await self._draw(screen, seconds)
        else:
            await self._tell(screen, seconds)

    async def _draw(self, screen: Screen, seconds: float) -> None:
        self._began_s = asyncio.get_running_loop().time()
        self._opening = asyncio.ensure_future(self._start())
        try:
            await screen.run(seconds)
        finally:
            # The picture is gone by now; this stays.
            if told := self._summary():
                click.echo(told)
            self._opening.cancel()
            # Whoever left meanwhile does not want to hear of it.
            await asyncio.gather(self._opening, return_exceptions=True)
            await self._feed.close()

    async def _start(self) -> None:
        await self._feed.start()
        self._begin()

    def _begin(self) -> None:
        if self._alarm is not None:
            self._alarm.begin(self._feed)

    def _summary(self) -> str:
        """What there was to see, in one line; empty where the feed was not open."""
        elapsed_s = asyncio.get_running_loop().time() - self._began_s
        if self._opening is None or not self._opening.done() or self._opening.exception() is not None:
            return ""
        gaps = sum(self._feed.counters(symbol).gaps for symbol in self._feed.symbols)
        reconnects = counted(self._feed.health().reconnects, "reconnect")
        summary = f"{elapsed_s:.0f} s, {counted(gaps, 'gap')}, {reconnects}"
        if self._alarm is None:
            return summary
        last = self._alarm.last
        told = "" if last is None else f"; the last: {last.symbol}: {told_alert(last)}"
        return f"{summary}, {counted(self._alarm.count, 'alert')}{told}"

    async def _tell(self, screen: Screen, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        async with opened(self._feed, seconds):
            self._begin()
            await first_news(self._feed, min(LINE_S, end - loop.time()))
            await screen.run(max(end - loop.time(), 0.0))

    @property
    def _is_open(self) -> bool:
        if self._opening is None:
            return True
        if self._opening.done():
            self._opening.result()
        return self._opening.done()

    def panels(self, levels: int) -> Sequence[PanelData]:
        """All symbols as they are now. Raises what opening the feed raised, or ``NotReady``: see ``panels_of``."""
        if self._is_open:
            return panels_of(self._feed, levels)
        since_ms = int((asyncio.get_running_loop().time() - self._began_s) * 1e3)
        return [_not_yet(symbol, since_ms) for symbol in self._symbols]

    def health(self) -> FeedHealth:
        """The feed as it is now."""
        return self._feed.health() if self._is_open else FeedHealth((), 0, 0, 0)


def _not_yet(symbol: str, since_ms: int) -> PanelData:
    """A book of a feed that is not open."""
    state, reason = BookState.CONNECTING, "the venue is asked for its symbols"
    view: BookView[Decimal] = BookView(symbol, state, reason, 0, 0, None, None, (), (), partial=False)
    return PanelData(view, SymbolStatus(symbol, state, reason, None, 0, 0.0, 0, 0, since_ms))
