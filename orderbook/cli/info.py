"""``orderbook info``: what is running here."""

from __future__ import annotations

import platform
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version

import click
from rich.table import Table
from rich.text import Text

from orderbook import __version__
from orderbook.accelerator import ACCELERATOR
from orderbook.cli.options import format_option
from orderbook.cli.terminal import print_json, show
from orderbook.settings import SyncSettings
from orderbook.venues import VENUES

LIBRARIES = ("numpy", "sortedcontainers", "click", "rich", "websockets", "aiohttp")
EXTRAS = {"prometheus-client": "prometheus", "picows": "fast"}
"""What may be installed beside them, and the extra that does it."""

EPILOG = """\b
Examples:
  orderbook info
  orderbook info --format json | jq .limits
  ORDERBOOK_ACCELERATOR=off orderbook info     with the pure twin, whatever was built
"""


@click.command(epilog=EPILOG)
@format_option
def info(form: str) -> None:
    """Show versions, the twin in use, venues and limits.

    The limits are the defaults of SyncSettings: every bound and wait of a book. Names end in their unit.
    """
    facts: dict[str, object] = {
        "version": __version__,
        "accelerator": ACCELERATOR,
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "platform": platform.platform(),
        **{name: version(name) for name in LIBRARIES},
        **{name: _extra(name) for name in EXTRAS},
        # As orderbook.feed.transports.in_use has it, but without loading what speaks to a network.
        "transport": "websockets" if _extra("picows") is None else "picows",
        "venues": sorted(VENUES),
    }
    limits = asdict(SyncSettings())
    if form == "json":
        print_json({**facts, "limits": limits})
        return
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for name, fact in facts.items():
        table.add_row(name, Text(_words(name, fact), overflow="fold"))  # not markup, whatever brackets it has
    table.add_row()
    table.add_row("limits")
    for name, limit in limits.items():
        table.add_row(f"  {name}", "none" if limit is None else str(limit))
    show(table)


def _extra(name: str) -> str | None:
    """The version of what an extra installs, if it did."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _words(name: str, fact: object) -> str:
    if fact is None:
        return f"not installed: pip install 'orderbook-engine[{EXTRAS[name]}]'"
    return ", ".join(fact) if isinstance(fact, list) else str(fact)
