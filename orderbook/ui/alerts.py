"""The last alerts in a few lines: a pure function of what is to be seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.text import Text

from orderbook.ui.levels import QUIET, Glyphs
from orderbook.ui.pieces import ALARM, WARNING, cut, printable

LINES_MAX: Final = 4
"""Of all alerts, the heading included."""
_LINES_EACH: Final = 8
"""So many lines of a terminal make room for one of them."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One alert as it is shown."""

    at: str
    """The time of day."""
    symbol: str
    words: str
    is_fresh: bool
    """It happened just now."""
    is_problem: bool
    """It is no alert, but one that cannot be told."""


def room_for(height: int) -> int:
    """Lines that alerts get of so many. O(1)."""
    return max(1, min(LINES_MAX, height // _LINES_EACH))


def alert_lines(
    notices: Sequence[Notice],
    watched: Sequence[str],
    width: int,
    height: int,
    glyphs: Glyphs,
    *,
    count: int,
    problem_count: int = 0,
) -> list[Text]:
    """Draw the alerts.

    Args:
        notices: The last ones, newest first.
        watched: What is watched for, in words.
        width: Columns.
        height: Lines, at least 1. Where there is only one, the newest alert takes the place of the heading.
        glyphs: ``ASCII`` where the terminal has no more.
        count: Alerts so far.
        problem_count: How often a condition could not be told so far; the heading keeps it when its line is gone.

    Returns:
        Exactly ``height`` lines of at most ``width`` columns.
    """
    heading = Text(" ").append(f"alerts {count}", "bold" if count else "")
    if problem_count:
        heading.append(f"   cannot tell {problem_count}", WARNING)
    heading.append(f"   {printable('; '.join(watched), glyphs)}", QUIET)
    lines = [_line(one, glyphs) for one in notices]
    lines = [heading, *lines] if height > 1 or not lines else lines
    lines += [Text()] * (height - len(lines))
    return [cut(line, width, glyphs) for line in lines[:height]]


def _line(notice: Notice, glyphs: Glyphs) -> Text:
    """What is fresh has a mark, too: colours are not all that tells."""
    style = (WARNING if notice.is_problem else ALARM) if notice.is_fresh else ""
    mark = "!" if notice.is_fresh else " "
    return Text(f" {mark} {notice.at}  {notice.symbol}  {printable(notice.words, glyphs)}", style)
