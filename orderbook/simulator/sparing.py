"""Which faults can be one symbol's alone, so that no other symbol of the connection has to notice them."""

from __future__ import annotations

from typing import Final

from orderbook.simulator.catalogue import FAULTS, Point
from orderbook.simulator.faults import Fault

_POINTS: Final = (Point.DELTA, Point.BOOK)
_MOMENTS: Final = ("sequence_reset", "delist", "tick_change")
_OTHERS: Final = ("garble", "spell", "oversize")
"""Frames of which nobody can say whose they were, or that end their connection."""


def can_spare(name: str) -> bool:
    """Whether an entry of this fault may touch only symbols that it names."""
    return (FAULTS[name].point in _POINTS or name in _MOMENTS) and name not in _OTHERS


def is_sparing(fault: Fault) -> bool:
    """Whether this entry does."""
    is_tied = FAULTS[fault.name].point is not fault.point
    return fault.symbols is not None and can_spare(fault.name) and not (is_tied or fault.knobs.get("close"))
