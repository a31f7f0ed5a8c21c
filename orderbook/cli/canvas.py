"""A picture that fills the terminal, drawn again and again until somebody has seen enough."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.live import Live
from rich.text import Text

from orderbook.ui.keys import keys

if TYPE_CHECKING:
    from prompt_toolkit.input import Input

FRAME_S: Final = 0.1
"""From one drawing to the next: ten a second are as many as an eye can use."""
SHARE_MAX: Final = 0.1
"""Of the event loop's time, for drawing."""
ENDS: Final = frozenset({"q", "Q", "c-c", "c-d"})
"""Keys that end it."""


async def draw(console: Console, picture: Callable[[int, int], Text], *, source: Input | None = None) -> None:
    """Draw until a key for the end was pressed, or the terminal is gone.

    The terminal is left as it was found, when cancelled or when ``picture`` raises, too.

    Args:
        console: Where to.
        picture: Draws it, in so many columns and lines.
        source: Where keys come from; by default the terminal at stdin.
    """
    loop = asyncio.get_running_loop()
    try:
        async with keys(source) as pressed:
            with Live(console=console, screen=True, auto_refresh=False) as live:
                while True:
                    began = loop.time()
                    live.update(picture(*console.size), refresh=True)
                    took = loop.time() - began
                    if await _is_ended(pressed, began + max(FRAME_S, took / SHARE_MAX)):
                        return
    except OSError as error:
        # The terminal is gone: nobody looks any more.
        if error.errno != errno.EIO:
            raise


async def _is_ended(pressed: AsyncIterator[str], until: float) -> bool:
    """Follow keys until it is time to draw; whether it is time to leave."""
    with suppress(TimeoutError):
        async with asyncio.timeout_at(until):
            async for key in pressed:
                if key in ENDS:
                    return True
            # No key will ever come: the terminal is gone.
            return True
    return False
