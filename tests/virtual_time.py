"""An event loop whose time jumps to the next timer instead of waiting for it: hours of a test take no time."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

IDLE_S = 10.0
"""Real seconds in which something must happen when there is no timer to jump to."""


class _Jumper(selectors.DefaultSelector):
    now = 1_000.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            found = super().select(IDLE_S)
            if not found:
                raise RuntimeError("nothing is left that could happen")
            return found
        found = super().select(0)
        if not found:
            self.now += timeout
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its clock stands still while anything can be done, and jumps when nothing can."""

    def __init__(self) -> None:
        self._jumper = _Jumper()
        super().__init__(self._jumper)

    def time(self) -> float:
        """Seconds, from an arbitrary start."""
        return self._jumper.now


def run(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine function to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main())


async def settled() -> None:
    """Let everything that can be done at this moment be done."""
    for _ in range(20):
        await asyncio.sleep(0)
