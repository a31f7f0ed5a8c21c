"""``orderbook watch``: live ladders of a venue in the terminal."""

from __future__ import annotations

import asyncio
from typing import Literal

import click

from orderbook.cli.live import live_options, panels_of, ready_or_reason, stop_signals, until
from orderbook.cli.options import checked_seconds, checked_symbols, format_option
from orderbook.cli.watch_screen import Screen
from orderbook.feed.feed import Feed
from orderbook.feed.opening import open_feed
from orderbook.secret import Credentials
from orderbook.venues.rest import Depth

READY_S = 20.0
"""How long the first book may take before we say why there is none."""

EPILOG = """\b
Examples:
  orderbook watch BTC-USDT ETH-USDT SOL-USDT
  orderbook watch BTC-USDT --url http://127.0.0.1:8888     a local KuCoin: `orderbook simulate --port 8888`
  orderbook watch BTC-USDT --format json | jq .best_bid

On a terminal: ladders side by side; left and right choose a symbol, up and down the depth, s shows one alone, ? lists
the keys, q ends. Elsewhere: one line a symbol and second. A book that is not LIVE shows no levels, but says why.
"""


@click.command(epilog=EPILOG)
@click.argument("symbols", nargs=-1, required=True, callback=checked_symbols, metavar="SYMBOL...")
@live_options
@click.option("--seconds", callback=checked_seconds, metavar="N", help="Stop after so many seconds.")
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
) -> None:
    """Watch live order books of a venue, with the health of each."""
    feed = open_feed(venue, symbols, url=url, credentials=keys, depth=depth)
    asyncio.run(_watch(feed, seconds, form))


async def _watch(feed: Feed, seconds: float, form: Literal["table", "json"]) -> None:
    # Within: opening a feed takes long where nobody answers, and can be stopped, too.
    async with stop_signals() as stop:
        await until(stop, _show(feed, seconds, form))


async def _show(feed: Feed, seconds: float, form: Literal["table", "json"]) -> None:
    async with feed:
        await ready_or_reason(feed, READY_S)
        screen: Screen = Screen(lambda: panels_of(feed, screen.levels), feed.health, venue=feed.venue.name, form=form)
        await screen.run(None if seconds == float("inf") else seconds)
