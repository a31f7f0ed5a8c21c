"""Test coroutines in virtual time, with whatever test runner."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any, Final

from orderbook.simulator.virtual_time import run
from orderbook.testing.virtual import VirtualKuCoin

HOUR_S: Final = 3_600.0

Limit = float | None
"""Seconds of virtual time; ``None``: no limit."""


def in_virtual_time(
    function: Callable[..., Coroutine[Any, Any, None]], *, limit_s: Limit | Callable[[], Limit] = HOUR_S
) -> Callable[..., None]:
    """Make a plain function of a coroutine function: it is run to its end in a loop of its own, in virtual time.

    A ``VirtualKuCoin`` among its arguments is started before and closed after it. Coroutine tests that take the fixture
    ``virtual_kucoin`` are run like this without being asked to.

    Args:
        function: The coroutine function.
        limit_s: Virtual seconds after which it fails with a ``TimeoutError`` that says where it waits; ``None``: never.
            A function is asked before each run.
    """

    @functools.wraps(function)
    def test(*args: Any, **kwargs: Any) -> None:
        __tracebackhide__ = True

        async def main() -> None:
            __tracebackhide__ = True  # Read by pytest, and by what tells where a test waits.
            async with AsyncExitStack() as stack:
                for value in (*args, *kwargs.values()):
                    if isinstance(value, VirtualKuCoin):
                        await stack.enter_async_context(value)
                await function(*args, **kwargs)

        run(main, limit_s=limit_s() if callable(limit_s) else limit_s)

    return test
