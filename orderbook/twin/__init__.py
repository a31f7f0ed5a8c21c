"""What the compiled twin keeps in native memory, or the pure twins of that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orderbook.accelerator import ACCELERATOR
from orderbook.twin import pure
from orderbook.twin.pure import Rows
from orderbook.twin.unique import refuse_copy

if TYPE_CHECKING or ACCELERATOR == "pure":
    from orderbook.twin.pure import (
        Changed,
        ContentState,
        GuardState,
        Horizons,
        PulseState,
        ReaderState,
        SideState,
        reader_method,
        side_method,
        touch_property,
    )
else:
    from orderbook.compiled.content import ContentState, Horizons
    from orderbook.compiled.lane import PulseState
    from orderbook.compiled.queries import reader_method
    from orderbook.compiled.rows import Changed
    from orderbook.compiled.sides import SideState, side_method
    from orderbook.compiled.touch import GuardState, ReaderState, touch_property

    Changed.apply_changes.__doc__ = pure.Changed.apply_changes.__doc__

__all__ = [
    "Changed",
    "ContentState",
    "GuardState",
    "Horizons",
    "PulseState",
    "ReaderState",
    "Rows",
    "SideState",
    "reader_method",
    "refuse_copy",
    "side_method",
    "touch_property",
]
