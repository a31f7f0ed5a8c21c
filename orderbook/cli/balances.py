"""``orderbook balances``: what an account holds, whenever that changes."""

from __future__ import annotations

from typing import Any

import click

from orderbook.cli.live import account_options, key_for
from orderbook.cli.streaming import AFTERWARDS, Show, ending_options
from orderbook.secret import Credentials
from orderbook.ui.messages import BALANCES

EPILOG = f"""\b
Examples:
  orderbook balances --keys keys.json
  orderbook balances --keys keys.json --format json | jq -r '[.currency, .available, .held] | @tsv'
  orderbook balances --url http://127.0.0.1:8888 --keys local.json
                                              a local KuCoin: `orderbook simulate --port 8888 --keys-file local.json`

The venue tells a balance when it changes, not how it stands now: until then there is nothing to show.
A key that may read (General) is enough; nothing is ever ordered or moved.
{AFTERWARDS}"""


@click.command(epilog=EPILOG)
@account_options
@ending_options
def balances(
    *,
    venue: str,
    url: str | None,
    keys: Credentials | None,
    **ending: Any,
) -> int:
    """Show what your account holds of each currency, whenever that changes."""
    show = Show(
        title="balances",
        sheet=BALANCES,
        opens=lambda feed: [feed.balances()],
        venue=venue,
        url=url,
        credentials=key_for("balances", venue, url, keys),
        **ending,
    )
    return show.run()
