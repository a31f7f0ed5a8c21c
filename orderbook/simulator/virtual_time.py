"""An event loop whose time jumps to the next timer instead of waiting for it: a day of a feed takes seconds."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")

IDLE_S: Final = 10.0
"""Real seconds in which something must happen when there is no timer to jump to."""
BEGIN_S: Final = 1_000.0
"""What the clock of a new loop shows."""


class _Jumper(selectors.DefaultSelector):
    now = BEGIN_S

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
    """Its clock stands still while anything can be done, and jumps when nothing can.

    Attributes:
        has_own_time: Its clock is not the machine's.
    """

    has_own_time: Final = True

    def __init__(self) -> None:
        self._jumper = _Jumper()
        super().__init__(self._jumper)

    def time(self) -> float:
        """Seconds, from ``BEGIN_S`` on."""
        return self._jumper.now

    def block(self, seconds: float) -> None:
        """Do as if whoever calls this had computed for so long: time passes, and nothing else happens meanwhile."""
        self._jumper.now += seconds


def run(main: Callable[[], Coroutine[Any, Any, T]], *, debug: bool | None = None) -> T:
    """Run a coroutine function to its end in virtual time.

    Raises:
        RuntimeError: It waits for something that cannot come any more.
    """
    with asyncio.Runner(loop_factory=VirtualLoop, debug=debug) as runner:
        return runner.run(main())


async def settled() -> None:
    """Let everything that can be done at this moment be done."""
    for _ in range(20):
        await asyncio.sleep(0)
