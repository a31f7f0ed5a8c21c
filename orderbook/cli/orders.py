"""``orderbook orders``: what happens to one's own orders."""

from __future__ import annotations

from typing import Any

import click

from orderbook.cli.live import account_options, key_for
from orderbook.cli.streaming import AFTERWARDS, Show, ending_options
from orderbook.secret import Credentials
from orderbook.ui.messages import ORDERS

EPILOG = f"""\b
Examples:
  orderbook orders --keys keys.json
  orderbook orders --keys keys.json --format json | jq -r '[.order_id, .event, .filled_size] | @tsv'
  orderbook orders --url http://127.0.0.1:8888 --keys local.json
                                              a local KuCoin: `orderbook simulate --port 8888 --keys-file local.json`

The venue tells what happens to orders from now on, not which ones are open: until then there is nothing to show.
A key that may read (General) is enough; nothing is ever ordered or moved.
{AFTERWARDS}"""


@click.command(epilog=EPILOG)
@account_options
@ending_options
def orders(
    *,
    venue: str,
    url: str | None,
    keys: Credentials | None,
    **ending: Any,
) -> int:
    """Show what happens to your orders."""
    show = Show(
        title="orders",
        sheet=ORDERS,
        opens=lambda feed: [feed.orders()],
        venue=venue,
        url=url,
        credentials=key_for("orders", venue, url, keys),
        **ending,
    )
    return show.run()
