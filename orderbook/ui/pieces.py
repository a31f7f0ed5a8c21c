"""Pieces that pictures are made of: words, numbers, lines that fit."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context, Decimal
from typing import Final

from rich.text import Text

from orderbook.feed.health import FeedHealth
from orderbook.types import BookState
from orderbook.ui.levels import Glyphs, Levels
from orderbook.ui.numbers import plain

ALARM: Final = "bold red"
WARNING: Final = "yellow"
EXACT: Final = Context(prec=80)
"""Sums of 63-bit numbers at two scales stay exact, whatever context the caller has."""

_STATE_STYLES: Final = {
    BookState.LIVE: "bold green",
    BookState.CONNECTING: "bold yellow",
    BookState.SYNCING: "bold yellow",
}


def state_word(state: BookState) -> Text:
    """The word is there without colours; the colour says how bad it is."""
    return Text(state.value, _STATE_STYLES.get(state, ALARM))


def cut(line: Text, width: int, glyphs: Glyphs) -> Text:
    """The line, cut off where it is too long, and marked there: half a number would read as another one."""
    if line.cell_len > width:
        line.truncate(width - 1)
        line.append(glyphs.cut)
    return line


def padded(line: Text, width: int, glyphs: Glyphs) -> Text:
    """The line, exactly so wide."""
    line = cut(line, width, glyphs)
    line.pad_right(width - line.cell_len)
    return line


def spread_out(left: Text, rights: Sequence[str], width: int, style: str, glyphs: Glyphs) -> Text:
    """Left and right in one line, with the first of the ``rights`` that fits."""
    for right in rights:
        room = width - left.cell_len - len(right) - 1
        if room > 0:
            return left + Text(" " * room) + Text(f"{right} ", style)
    return cut(left, width, glyphs)


def bar(parts: Sequence[tuple[int, str, str]], width: int, glyphs: Glyphs) -> Text:
    """The line at the top, exactly so wide.

    Args:
        parts: In order: when it is left out (the higher, the sooner; 0: never), its text, and its style.
        width: Columns to fill.
        glyphs: The characters to draw with.
    """
    while sum(len(text) + 3 for _, text, _ in parts) > width + 2 and any(drop for drop, _, _ in parts):
        last = max(drop for drop, _, _ in parts)
        parts = [part for part in parts if part[0] != last]
    line = Text(" ").append_text(Text("   ").join(Text(text, style) for _, text, style in parts))
    line = padded(line, width, glyphs)
    # Last, so that it holds for the parts, too; after it a part's own colour would be that of the ground.
    line.stylize("reverse")
    return line


def links(health: FeedHealth) -> tuple[str, str]:
    """How the connections are, and its style."""
    up, count = health.links_up, len(health.links)
    words = {0: "no link", 1: "link up" if up else "link DOWN"}
    return words.get(count, f"links {up} of {count} up"), "" if count and up == count else ALARM


def printable(text: str, glyphs: Glyphs) -> str:
    """Words from outside in one line that is safe to draw, in characters that the terminal has."""
    line = " ".join(text.split())
    line = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in line)
    return line.encode("ascii", "backslashreplace").decode() if glyphs.cut.isascii() else line


def rounded(value: Decimal) -> str:
    """Three significant digits, or all whole ones: a small spread is small, not 0."""
    return f"{value:.0f}" if abs(value) >= 100 else plain(Decimal(f"{value:.3g}"))


def total(levels: Levels) -> Decimal:
    """Size of the levels together."""
    return sum((level.size for level in levels), Decimal())


def duration(ms: float) -> str:
    """A length of time in a unit that gives it few digits."""
    if ms < 1_000:
        return f"{ms:.0f} ms"
    if ms < 60_000:
        return f"{int(ms / 100) / 10:.1f} s"
    for unit, unit_ms, next_ms in (("min", 60_000, 3_600_000), ("h", 3_600_000, 172_800_000)):
        if ms < next_ms:
            return f"{int(ms / unit_ms)} {unit}"
    return f"{int(ms / 86_400_000)} d"


def rate(per_s: float) -> str:
    """A number of messages in a second: slow ones with a decimal."""
    return f"{per_s:.0f}" if per_s >= 9.95 else f"{per_s:.1f}"
