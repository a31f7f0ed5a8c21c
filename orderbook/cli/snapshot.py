"""``orderbook snapshot``: one REST snapshot."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal

import click

from orderbook.book import OrderBook
from orderbook.cli.live import key_and_depth, live_options, stop_signals, until
from orderbook.cli.options import checked_symbols, format_option
from orderbook.cli.tables import LADDER_COLUMNS_MAX, glyphs_of
from orderbook.cli.terminal import print_json, show, stdout_console
from orderbook.content import BookContent
from orderbook.errors import UnknownSymbol
from orderbook.feed.opening import URLS
from orderbook.feed.symbols import require_listed
from orderbook.secret import Credentials
from orderbook.types import Level, Side
from orderbook.ui.levels import level_lines
from orderbook.ui.numbers import plain
from orderbook.venues import venue_named
from orderbook.venues.rest import Depth
from snapshots.fetch import Rest

EPILOG = """\b
Examples:
  orderbook snapshot BTC-USDT
  orderbook snapshot BTC-USDT --depth 20 --format json | jq .bids[0]
  orderbook snapshot BTC-USDT --url http://127.0.0.1:8888 --keys keys.json --depth full
"""


@click.command(epilog=EPILOG)
@click.argument("symbol", callback=lambda ctx, param, value: checked_symbols(ctx, param, (value,))[0])
@live_options
@click.option("--levels", type=click.IntRange(1), default=10, show_default=True, help="Levels a side in the table.")
@format_option
def snapshot(
    *,
    symbol: str,
    venue: str,
    url: str | None,
    depth: Depth | None,
    keys: Credentials | None,
    levels: int,
    form: str,
) -> None:
    """Fetch one order book over REST and show it.

    With --format json: one object with every level as exact decimal text, best first.
    """
    credentials, wanted = key_and_depth(venue, url, keys, depth)
    body = asyncio.run(_fetch(Rest(url or URLS[venue], credentials=credentials), venue, symbol, wanted))
    if body is None:
        raise click.Abort
    book = OrderBook(symbol)
    book.swap(BookContent.from_snapshot(venue_named(venue).decode_snapshot(body.decode()), dict.fromkeys(Side, False)))
    bids, asks = list(book.last_known.exact.bids), list(book.last_known.exact.asks)
    if form == "json":
        rows = {"bids": _texts(bids), "asks": _texts(asks)}
        print_json({"venue": venue, "symbol": symbol, "sequence": book.sequence, "depth": wanted, **rows})
        return
    console = stdout_console()
    width = min(console.width, LADDER_COLUMNS_MAX)
    shown = bids[:levels], asks[:levels]
    show(*level_lines(*shown, width, max(map(len, (*shown, "1"))) + 1, glyphs_of(console)))
    click.echo(f"{symbol} at sequence {book.sequence}: {len(bids)} bids, {len(asks)} asks; asked for depth {wanted}")


def _texts(levels: Sequence[Level[Decimal]]) -> list[list[str]]:
    return [[plain(level.price), plain(level.size)] for level in levels]


async def _fetch(rest: Rest, venue: str, symbol: str, depth: Depth) -> bytes | None:
    async with stop_signals() as stop, rest:
        return await until(stop, _ask(rest, venue, symbol, depth))


async def _ask(rest: Rest, venue: str, symbol: str, depth: Depth) -> bytes:
    try:
        return await rest.snapshot(symbol, depth)
    except UnknownSymbol:
        # The venue does not say which names are like it; its list of symbols does.
        require_listed(venue_named(venue), (symbol,), {one.symbol: one for one in await rest.symbols()})
        raise
