"""The clock of whatever runs in an event loop: the only one that a simulated day can wind."""

from __future__ import annotations

import asyncio


def loop_clock(loop: asyncio.AbstractEventLoop | None = None) -> int:
    """An event loop's clock, in ns.

    Args:
        loop: Whose; the running one's by default. A clock that is also read elsewhere, as by the readers of a book in
            other threads, is that of a certain loop.

    Raises:
        RuntimeError: No loop is given, and none runs.
    """
    return int((loop or asyncio.get_running_loop()).time() * 1e9)
