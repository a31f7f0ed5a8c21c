"""The pure twin of what the compiled one keeps in native memory: plain attributes, and no lane of its own."""

from __future__ import annotations

from orderbook.ladder.reference import Ladder
from orderbook.types import Side
