"""The ladder of one book as text: a pure function of what is to be seen and of the room for it.

Levels are shown of a LIVE book only. Colours are an addition: sides, states and alarms can be told without them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, localcontext
from typing import Final

from rich.text import Text

from orderbook.queries import BPS
from orderbook.results import BookView
from orderbook.types import Side
from orderbook.ui.levels import QUIET, STYLES, UNICODE, Glyphs, level_lines
from orderbook.ui.numbers import plain
from orderbook.ui.pieces import ALARM, EXACT, cut, labelled, rounded, spread_out, state_word, total

ALARMS: Final = frozenset({"rejected", "gaps", "resyncs", "crossed", "resets", "bad"})
"""Counters that stand out as soon as they are not 0."""

_LEVEL_LINES_MIN: Final = 4


def ladder(
    view: BookView[Decimal],
    counters: Mapping[str, int],
    width: int,
    height: int,
    *,
    title: str = "",
    aside: str = "",
    others: Sequence[BookView[Decimal]] = (),
    glyphs: Glyphs = UNICODE,
) -> Text:
    """Draw a book.

    Args:
        view: The book; its levels are shown if it is LIVE.
        counters: What was counted, by label, in order. Those named in ``ALARMS`` stand out unless they are 0.
        width: Columns to fill, at least 20.
        height: Lines to fill, at least 5. Where it is short, the other books give way first, then the counters.
        title: What is being watched; left in the first line, which is left out without it.
        aside: The same, to the right: how far it is.
        others: Further books, one line each.
        glyphs: ``ASCII`` where the terminal has no more.

    Returns:
        At most ``height`` lines of at most ``width`` columns, which need no wrapping.

    Complexity: O(levels shown).
    """
    with localcontext(EXACT):
        head_count = 2 + bool(title)
        counted = _counters(counters, width, glyphs)
        room = height - head_count - _LEVEL_LINES_MIN
        foot = counted if len(counted) <= room else []
        rest = _others(others, width, room - len(foot) - 1, glyphs)
        room += _LEVEL_LINES_MIN - len(foot) - len(rest)
        # Blank lines between the parts, where there is more room than the levels need.
        gaps = 1 + bool(foot) + bool(rest)
        blank = [Text()] if room >= gaps + 2 * _LEVEL_LINES_MIN else []
        rows = max(2, room - gaps * len(blank))
        lines = [_title(title, aside, width, glyphs)] if title else []
        lines += [_identity(view, width, glyphs), _summary(view, rows - 1, width, glyphs)]
        for part in (_body(view, width, rows, glyphs), foot, rest):
            lines += [*blank, *part] if part else []
    return Text("\n", no_wrap=True, overflow="crop").join(lines[:height])


def _title(title: str, aside: str, width: int, glyphs: Glyphs) -> Text:
    line = spread_out(Text(f" {title}"), [aside], width, "", glyphs)
    line.pad_right(width - line.cell_len)
    line.stylize("reverse")
    return line


def _identity(view: BookView[Decimal], width: int, glyphs: Glyphs) -> Text:
    left = Text(" ").append(view.symbol, "bold").append("  ").append_text(state_word(view.state))
    if view.partial:
        left.append("  partial", "yellow")
    rights = f"sequence {view.sequence}  epoch {view.epoch}", f"sequence {view.sequence}", str(view.sequence)
    return spread_out(left, rights, width, QUIET, glyphs)


def _summary(view: BookView[Decimal], rows: int, width: int, glyphs: Glyphs) -> Text:
    """Spread, mid, and the imbalance of the levels that are seen, as far as there are any; nothing unless LIVE."""
    if not view.is_live:
        return Text()
    bids, asks = view.bids[:rows], view.asks[:rows]
    if bids and asks:
        spread, mid = asks[0].price - bids[0].price, (asks[0].price + bids[0].price) / 2
        parts = [("spread", f"{plain(spread)} ({rounded(spread / mid * BPS)} bps)"), ("mid", plain(mid))]
    else:
        parts = [("spread", "none"), ("mid", "none")]
    bid_size, ask_size = total(bids), total(asks)
    if both := bid_size + ask_size:
        parts.append(("imbalance", f"{(bid_size - ask_size) / both:+.2f}"))
    return labelled(parts, width, glyphs)[0]


def _counters(counters: Mapping[str, int], width: int, glyphs: Glyphs) -> list[Text]:
    if not counters:
        return []
    alarms = frozenset(label for label, count in counters.items() if count and ALARMS.intersection(label.split()))
    return labelled([(label, str(count)) for label, count in counters.items()], width, glyphs, alarms)


def _others(views: Sequence[BookView[Decimal]], width: int, lines_max: int, glyphs: Glyphs) -> list[Text]:
    """One line for each further book, its columns aligned; as many as fit."""
    if lines_max < 1 or not views:
        return []
    if len(views) > lines_max:
        shown = _others(views[: lines_max - 1], width, lines_max - 1, glyphs)
        return [*shown, Text(f" and {len(views) - len(shown)} more", QUIET)]
    symbols = max(len(view.symbol) for view in views)
    states = max(len(view.state.value) for view in views)
    touches = [[_touch(view, Side.BID), _touch(view, Side.ASK)] for view in views]
    widths = [max(len(" x ".join(row[at])) for row in touches) for at in (0, 1)]
    with_sizes = symbols + states + sum(widths) + 16 <= width
    lines = []
    for view, row in zip(views, touches, strict=True):
        line = Text(f" {view.symbol:{symbols}}  ").append_text(state_word(view.state))
        line.append(" " * (states - len(view.state.value)))
        if not view.is_live:
            line.append(f"  {view.reason}", QUIET)
        for side, (price, *size), room in zip(Side, row, widths, strict=True):
            if price:
                rest = "".join(f" x {text}" for text in size * with_sizes)
                line.append(f"  {side.name.lower()} ", QUIET).append(price, STYLES[side])
                line.append(rest.ljust((room - len(price)) * with_sizes), QUIET)
        lines.append(cut(line, width, glyphs))
    return lines


def _touch(view: BookView[Decimal], side: Side) -> list[str]:
    """Price and size of the best level; without a size if there is none, empty if that is not to be said."""
    if not view.is_live:
        return [""]
    levels = view.bids if side is Side.BID else view.asks
    return [plain(number) for number in levels[0]] if levels else ["none"]


def _body(view: BookView[Decimal], width: int, height: int, glyphs: Glyphs) -> list[Text]:
    """The levels with their headings, or why there are none; always ``height`` lines, so that nothing jumps."""
    if view.is_live:
        lines = level_lines(view.bids, view.asks, width, height, glyphs)
    else:
        notice = [Text(f"not LIVE: {view.state.value}", ALARM), Text(view.reason), Text("no levels are shown", QUIET)]
        for line in notice:
            cut(line, width, glyphs)
            line.pad_left((width - line.cell_len) // 2)
        lines = [Text()] * ((height - len(notice)) // 2) + notice
    return (lines + [Text()] * height)[:height]
