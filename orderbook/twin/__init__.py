"""What the compiled twin keeps in native memory, and the lane by which it takes frames; each with its pure twin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orderbook.accelerator import ACCELERATOR
from orderbook.twin.pure import Rows

if TYPE_CHECKING or ACCELERATOR == "pure":
    from orderbook.twin.pure import (
        Changed,
        ContentState,
        GuardState,
        Horizons,
        Lane,
        PulseState,
        ReaderState,
        touch_property,
    )
else:
    from orderbook.compiled.content import ContentState, Horizons
    from orderbook.compiled.lane import Lane, PulseState
    from orderbook.compiled.rows import Changed
    from orderbook.compiled.touch import GuardState, ReaderState, touch_property

__all__ = [
    "Changed",
    "ContentState",
    "GuardState",
    "Horizons",
    "Lane",
    "PulseState",
    "ReaderState",
    "Rows",
    "touch_property",
]
