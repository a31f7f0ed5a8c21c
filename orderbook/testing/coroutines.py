"""Test coroutines in virtual time, with whatever test runner."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

from orderbook.simulator.virtual_time import run
from orderbook.testing.virtual import VirtualKuCoin


def in_virtual_time(function: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Make a plain function of a coroutine function: it is run to its end in a loop of its own, in virtual time.

    A ``VirtualKuCoin`` among its arguments is started before and closed after it. Coroutine tests that take the fixture
    ``virtual_kucoin`` are run like this without being asked to.
    """

    @functools.wraps(function)
    def test(*args: Any, **kwargs: Any) -> None:
        async def main() -> None:
            async with AsyncExitStack() as stack:
                for value in (*args, *kwargs.values()):
                    if isinstance(value, VirtualKuCoin):
                        await stack.enter_async_context(value)
                await function(*args, **kwargs)

        run(main)

    return test
