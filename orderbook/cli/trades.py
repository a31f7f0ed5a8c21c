"""``orderbook trades``: trades as they happen."""

from __future__ import annotations

from typing import Any

import click

from orderbook.cli.live import place_options
from orderbook.cli.options import checked_symbols
from orderbook.cli.streaming import AFTERWARDS, Show, ending_options, titled
from orderbook.ui.messages import TRADES

EPILOG = f"""\b
Examples:
  orderbook trades BTC-USDT ETH-USDT
  orderbook trades BTC-USDT --count 10                          the next ten
  orderbook trades BTC-USDT --for 60 --format json | jq -r '[.side, .price, .size] | @tsv'
  orderbook trades BTC-USDT --url http://127.0.0.1:8888         a local KuCoin: `orderbook simulate --port 8888`
{AFTERWARDS}"""


@click.command(epilog=EPILOG)
@click.argument("symbols", nargs=-1, required=True, callback=checked_symbols, metavar="SYMBOL...")
@place_options
@ending_options
def trades(
    *,
    symbols: tuple[str, ...],
    **rest: Any,
) -> int:
    """Show trades as they happen.

    The side is that of the taker: green is a buyer who took from the asks.
    """
    show = Show(
        title=titled("trades", symbols),
        sheet=TRADES,
        opens=lambda feed: [feed.trades(*symbols)],
        **rest,
    )
    return show.run()
