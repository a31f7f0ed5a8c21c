"""The clock of whatever runs in an event loop: the only one that a simulated day can wind."""

from __future__ import annotations

import asyncio
import time
from typing import Final

_CLOCKS_DIFFER_S: Final = 1.0


def loop_clock(loop: asyncio.AbstractEventLoop | None = None) -> int:
    """An event loop's clock, in ns.

    Args:
        loop: Whose; the running one's by default. A clock that is also read elsewhere, as by the readers of a book in
            other threads, is that of a certain loop.

    Raises:
        RuntimeError: No loop is given, and none runs.
    """
    return int((loop or asyncio.get_running_loop()).time() * 1e9)


def has_own_time(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether a loop's time is not the machine's, as that of a simulated day: then nothing may be counted together.

    A loop can say so itself with an attribute of this name.
    """
    return getattr(loop, "has_own_time", False) or abs(loop.time() - time.monotonic()) > _CLOCKS_DIFFER_S
