"""One side of a book, as a sorted price ladder. ``Ladder`` is the twin in use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orderbook.accelerator import ACCELERATOR

if TYPE_CHECKING or ACCELERATOR == "pure":
    from orderbook.ladder.reference import Ladder
else:
    from orderbook.compiled.ladder import Ladder

__all__ = ["Ladder"]
