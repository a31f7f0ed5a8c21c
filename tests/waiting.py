"""Waiting for what tells nobody when it becomes so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def until(condition: Callable[[], object], bound_s: float, *, every_s: float = 0.002) -> None:
    """Wait until something is so, in the time of the loop, whether that is real or not.

    Args:
        condition: Asked at once, and then again and again.
        bound_s: How long at most, in seconds.
        every_s: How long between two questions, in seconds.

    Raises:
        TimeoutError: It did not become so.
    """
    async with asyncio.timeout(bound_s):
        while not condition():  # noqa: ASYNC110 - whatever can be asked for, without an event of its own
            await asyncio.sleep(every_s)
