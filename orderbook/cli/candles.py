"""``orderbook candles``: the candle of the moment, whenever it changes."""

from __future__ import annotations

from typing import Any

import click

from orderbook.cli.live import place_options
from orderbook.cli.options import checked_symbols
from orderbook.cli.streaming import AFTERWARDS, Show, ending_options, titled
from orderbook.ui.messages import CANDLES
from orderbook.venues.kucoin_market import INTERVALS

EPILOG = f"""\b
Examples:
  orderbook candles BTC-USDT
  orderbook candles BTC-USDT ETH-USDT --interval 5min
  orderbook candles BTC-USDT --interval 1hour --format json | jq -r '[.start_s, .close] | @tsv'

The venue sends the candle of the moment again and again while it changes; there is no message that says that it is
complete, but that the next one begins. Volume is in base currency, turnover in quote currency.
{AFTERWARDS}"""


@click.command(epilog=EPILOG)
@click.argument("symbols", nargs=-1, required=True, callback=checked_symbols, metavar="SYMBOL...")
@click.option(
    "--interval", type=click.Choice(INTERVALS), default=INTERVALS[0], show_default=True, help="How long each one is."
)
@place_options
@ending_options
def candles(
    *,
    symbols: tuple[str, ...],
    interval: str,
    **rest: Any,
) -> int:
    """Show the candle of the moment, whenever it changes."""
    show = Show(
        title=titled(f"candles {interval}", symbols),
        sheet=CANDLES,
        opens=lambda feed: [feed.candles(symbol, interval) for symbol in dict.fromkeys(symbols)],
        **rest,
    )
    return show.run()
