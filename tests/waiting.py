"""All the waiting that tests do: for the loop to go round, in virtual time, or for what tells nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from orderbook.clock import has_own_time

MOMENT_S: Final = 0.01
"""No more than this is waited on the machine's clock."""


async def turn() -> None:
    """Let the loop go round once, so that whatever is ready now is done; takes no time."""
    await asyncio.sleep(0)  # a turn of the loop, no time


async def elapse(seconds: float) -> None:
    """Let virtual time pass, of which any amount is free.

    Raises:
        RuntimeError: The loop's time is the machine's, and no test waits for that.
    """
    if not has_own_time(asyncio.get_running_loop()):
        raise RuntimeError("this would take real time: wait for what is to happen, or run in virtual time")
    await asyncio.sleep(seconds)  # virtual: the loop's time jumps, as was asked above


async def moment(seconds: float = 0.002) -> None:
    """Let the loop work for a moment, in its time, whether that is real or not.

    For one who looks again and again, or comes at any moment; not to wait until something has happened.

    Raises:
        RuntimeError: Of real time this is no moment.
    """
    if seconds > MOMENT_S:
        await elapse(seconds)
    else:
        await asyncio.sleep(seconds)  # between two looks at a condition: see `until`


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
        while not condition():
            await moment(every_s)
