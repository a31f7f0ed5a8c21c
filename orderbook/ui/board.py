"""The picture of a stream beside the book: its messages in a table, how the feed is, and what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from rich.text import Text

from orderbook.feed.health import FeedHealth
from orderbook.streams import Missed, StreamMessage
from orderbook.ui.levels import QUIET, Glyphs
from orderbook.ui.messages import Sheet, missing, table
from orderbook.ui.pieces import ALARM, WARNING, bar, cut, links, printable, spread_out

ROWS_MAX: Final = 5_000
"""Rows that are kept; of those that are newest first, the oldest go."""


class Board:
    """What was said so far, a row for each thing that it was about.

    Args:
        sheet: What a row is.
        rows_max: Rows that are kept.

    Attributes:
        messages: How many there were.
        misses: How often some were missing.
        missed: The last time.
    """

    def __init__(self, sheet: Sheet, rows_max: int = ROWS_MAX) -> None:
        self.sheet = sheet
        self.messages = self.misses = 0
        self.missed: Missed | None = None
        self._rows_max = rows_max
        self._rows: dict[Any, StreamMessage] = {}

    def take(self, message: StreamMessage) -> None:
        """One message, or a sign that some are missing. O(1)."""
        if isinstance(message, Missed):
            # That messages come again belongs to the last time.
            self.misses += self.missed is None or self.missed.is_over
            self.missed = message
            return
        self.messages += 1
        self._rows[self.sheet.key(message)] = message
        if len(self._rows) > self._rows_max:
            del self._rows[next(iter(self._rows))]

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self._rows)

    def rows(self, count: int) -> Sequence[StreamMessage]:
        """The first of them, as the sheet orders them. O(rows)."""
        if self.sheet.is_sorted:
            return [self._rows[key] for key in sorted(self._rows)[:count]]
        return [*reversed(self._rows.values())][:count]


def picture(
    board: Board,
    health: FeedHealth,
    width: int,
    height: int,
    *,
    title: str,
    venue: str,
    is_live: bool,
    glyphs: Glyphs,
) -> Text:
    """Draw everything.

    Args:
        board: The messages.
        health: Of the feed.
        width: Columns to fill, at least 20.
        height: Lines to fill, at least 4.
        title: What is shown.
        venue: Its name.
        is_live: Whether messages come.
        glyphs: ``ASCII`` where the terminal has no more.

    Returns:
        Exactly ``height`` lines of at most ``width`` columns, which need no wrapping.
    """
    room = height - 3 - bool(board.misses)
    shown = board.rows(room)
    heading, lines = table(board.sheet.columns, shown, width, glyphs)
    if not shown:
        lines = [Text(" nothing was said yet" if is_live else " not subscribed yet", QUIET)]
    lines += [Text()] * (room - len(lines))
    if board.missed is not None:
        often = f" {board.misses} times, last: " if board.misses > 1 else " "
        told = printable(f"{often}{missing(board.missed)}".strip(), glyphs)
        lines.append(cut(Text(f" {told}", WARNING if board.missed.is_over else ALARM), width, glyphs))
    parts = [
        (4, printable(venue, glyphs), "bold"),
        (0, printable(title, glyphs), ""),
        (0, *links(health)),
        (1, "live" if is_live else "NOT LIVE", "" if is_live else ALARM),
        (2, f"reconnects {health.reconnects}", WARNING if health.reconnects else ""),
        (5, f"{board.messages} messages", ""),
    ]
    rest = len(board) - len(shown)
    footer = spread_out(
        Text(" q", "bold").append(" quit", QUIET), [f"and {rest} more" if rest else ""], width, QUIET, glyphs
    )
    return Text("\n", no_wrap=True, overflow="crop").join([bar(parts, width, glyphs), heading, *lines, footer][:height])
