"""``orderbook tickers``: best prices and last trade of some symbols, or of all."""

from __future__ import annotations

from typing import Any

import click

from orderbook.cli.live import place_options
from orderbook.cli.options import checked_symbols
from orderbook.cli.streaming import AFTERWARDS, Show, ending_options, titled
from orderbook.ui.messages import TICKERS
from orderbook.venues.topics import ALL

EPILOG = f"""\b
Examples:
  orderbook tickers BTC-USDT ETH-USDT
  orderbook tickers --all
  orderbook tickers --all --for 10 --format json | jq -r '[.symbol, .last_price] | @tsv'

A ticker comes when something changed, at most every 100 ms a symbol. For bids and asks that are right at every moment,
and that say when they are not, there is `orderbook watch`.
{AFTERWARDS}"""


@click.command(epilog=EPILOG)
@click.argument("symbols", nargs=-1, callback=checked_symbols, metavar="[SYMBOL...]")
@click.option("--all", "is_all", is_flag=True, help="Every symbol of the venue.")
@place_options
@ending_options
def tickers(
    *,
    symbols: tuple[str, ...],
    is_all: bool,
    **rest: Any,
) -> int:
    """Show best prices and last trade of some symbols, or of all."""
    if is_all == bool(symbols):
        raise click.UsageError("name some symbols, or give --all; not both")
    names = (ALL,) if is_all else symbols
    show = Show(
        title=titled("tickers", names),
        sheet=TICKERS,
        opens=lambda feed: [feed.tickers(*names)],
        **rest,
    )
    return show.run()
