"""What the compiled twin keeps in native memory, and the lane by which it takes frames; each with its pure twin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orderbook.accelerator import ACCELERATOR

if TYPE_CHECKING or ACCELERATOR == "pure":
    from orderbook.twin.pure import (
        ContentState,
        GuardState,
        Horizons,
        Lane,
        PulseState,
        ReaderState,
        SideState,
        reader_method,
        side_method,
        touch_property,
    )
else:
    from orderbook.compiled.content import ContentState, Horizons
    from orderbook.compiled.lane import Lane, PulseState
    from orderbook.compiled.queries import reader_method
    from orderbook.compiled.sides import SideState, side_method
    from orderbook.compiled.touch import GuardState, ReaderState, touch_property

__all__ = [
    "ContentState",
    "GuardState",
    "Horizons",
    "Lane",
    "PulseState",
    "ReaderState",
    "SideState",
    "reader_method",
    "side_method",
    "touch_property",
]
