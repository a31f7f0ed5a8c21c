"""An event loop whose time jumps to the next timer instead of waiting for it: a day of a feed takes seconds."""

from __future__ import annotations

import asyncio
import linecache
import math
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")

IDLE_S: Final = 10.0
"""Real seconds in which something must happen when there is no timer to jump to."""
BEGIN_S: Final = 1_000.0
"""What the clock of a new loop shows."""
GRACE_S: Final = 600.0
"""Virtual seconds that what is still running has for its end when the time is up."""


class _TimeIsUp(Exception):
    """Time would have to jump past the limit."""


class _Jumper(selectors.DefaultSelector):
    now = BEGIN_S
    end = math.inf

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            found = super().select(IDLE_S)
            if not found:
                raise RuntimeError("nothing is left that could happen")
            return found
        found = super().select(0)
        if not found:
            if self.now + timeout > self.end:
                raise _TimeIsUp
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

    def limit(self, seconds: float) -> None:
        """From now on, let no more time pass than this: the loop ends with an error instead."""
        self._jumper.end = self._jumper.now + seconds

    def block(self, seconds: float) -> None:
        """Do as if whoever calls this had computed for so long: time passes, and nothing else happens meanwhile."""
        self._jumper.now += seconds


def run(main: Callable[[], Coroutine[Any, Any, T]], *, debug: bool | None = None, limit_s: float | None = None) -> T:
    """Run a coroutine function to its end in virtual time.

    Args:
        main: What is run.
        debug: As for ``asyncio.run``.
        limit_s: Virtual seconds that it may take; ``None``: any number. Where a market moves, something always happens,
            and who waits for what never comes waits for ever.

    Raises:
        RuntimeError: It waits for something that cannot come any more.
        TimeoutError: It took longer than ``limit_s``. The message says where it waits.
    """
    __tracebackhide__ = True
    loop = VirtualLoop()
    if limit_s is not None:
        loop.limit(limit_s)
    problem = "it ended, but not what it left running"
    try:
        with asyncio.Runner(loop_factory=lambda: loop, debug=debug) as runner:
            work = main()
            try:
                return runner.run(work)
            except _TimeIsUp:
                where = "".join(f"\n  {line}" for line in waits_at(work))
                problem = f"it did not end within {limit_s:g} s of virtual time; it waits at{where}"
            finally:
                # Leaving the runner cancels everything that is left, and that may take its time, too.
                if limit_s is not None:
                    loop.limit(GRACE_S)
    except _TimeIsUp:
        problem += f"\n(for {GRACE_S:g} s it went on though it was cancelled)"
    raise TimeoutError(problem)


def waits_at(work: object) -> list[str]:
    """Where a coroutine that does not run waits: its own line first, the innermost last.

    Frames with a local ``__tracebackhide__`` are left out, as pytest leaves them out. Complexity: O(depth).
    """
    lines: list[str] = []
    while (frame := getattr(work, "cr_frame", None)) is not None:
        path, name, number = frame.f_code.co_filename, frame.f_code.co_name, frame.f_lineno
        if "__tracebackhide__" not in frame.f_locals:
            lines.append(f"{path}:{number} in {name}: {linecache.getline(path, number).strip()}")
        work = getattr(work, "cr_await", None)
    return lines


async def settled() -> None:
    """Let everything that can be done at this moment be done."""
    for _ in range(20):
        await asyncio.sleep(0)
