"""How far many books are on their way to LIVE, in one line: a bar, and about how long the rest takes."""

from __future__ import annotations

from typing import Final

from rich.text import Text

from orderbook.feed.health import FeedHealth
from orderbook.ui.levels import QUIET, UNICODE, Glyphs
from orderbook.ui.pieces import cut, duration

MANY: Final = 10
"""From so many books on that are not LIVE, a bar tells more than their reasons."""
BAR_MAX: Final = 60
_BAR_MIN: Final = 8


def is_starting(health: FeedHealth) -> bool:
    """Whether many books are not LIVE: at the start, or after a loss that they share."""
    return health.books - health.books_live >= MANY


def progress(health: FeedHealth, width: int, glyphs: Glyphs = UNICODE) -> Text:
    """Draw it: one line of at most ``width`` columns. The bar gives way where there is no room. O(width)."""
    told = f"{health.books_live} of {health.books} LIVE"
    if health.books_waiting:
        # Of those that wait in the line: who has no connection yet, or no delta, is not foreseen.
        told += f", about {duration(health.books_wait_ms)} for the next {health.books_waiting}"
    columns = min(width - len(told) - 3, BAR_MAX)
    line = Text(" ")
    if columns >= _BAR_MIN:
        full = columns * health.books_live // max(1, health.books)
        line.append(glyphs.full * full, "green").append(glyphs.shade * (columns - full), QUIET).append(" ")
    return cut(line.append(told), width, glyphs)
