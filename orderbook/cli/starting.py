"""While many books of a feed are on their way to LIVE: a bar on stderr, for whoever looks there."""

from __future__ import annotations

import asyncio
from typing import Final

from rich.console import Console
from rich.live import Live

from orderbook.cli.live import require_hope
from orderbook.cli.tables import glyphs_of
from orderbook.feed.feed import Feed
from orderbook.ui.progress import is_starting, progress

FRAME_S: Final = 0.1


async def show_start(feed: Feed, until_s: float, console: Console | None = None) -> None:
    """Show how far they are until few are missing. The bar leaves nothing behind; without a terminal there is none.

    Args:
        feed: Open.
        until_s: In the time of the loop: for no longer than that.
        console: Where to draw; by default stderr, if it is a terminal.

    Raises:
        NotReady: Every book is FAILED.
    """
    console = console or Console(stderr=True, highlight=False)
    if not console.is_terminal or console.is_dumb_terminal:
        return
    loop, glyphs = asyncio.get_running_loop(), glyphs_of(console)
    with Live(console=console, transient=True, auto_refresh=False) as live:
        while is_starting(health := feed.health()) and loop.time() < until_s:
            require_hope(feed)
            live.update(progress(health, console.width, glyphs), refresh=True)
            await asyncio.sleep(FRAME_S)
