"""One book with its health, in a place of any size: a pure function of what is to be seen and of the room for it."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from rich.text import Text

from orderbook.feed.health import SymbolStatus
from orderbook.queries import BPS
from orderbook.results import BookView
from orderbook.types import Level, Side
from orderbook.ui.levels import QUIET, STYLES, Glyphs, Lit, level_lines, stacked_fit, stacked_lines
from orderbook.ui.numbers import plain
from orderbook.ui.pieces import (
    ALARM,
    WARNING,
    cut,
    duration,
    padded,
    printable,
    rate,
    rounded,
    spread_out,
    state_word,
    total,
)

FACING_FROM: Final = 60
"""Columns from which the sides stand beside each other."""
GAUGE_MIN: Final = 8
GAUGE_MAX: Final = 24
OLD_MS: Final = 2_000
"""Ages from here on stand out."""
_LADDER_MIN: Final = 5
_ROOMY: Final = 24


@dataclass(frozen=True, slots=True)
class PanelData:
    """What is to be seen of one symbol; view and status of one moment."""

    view: BookView[Decimal]
    """As many levels as may be shown; they are shown if it is LIVE."""
    status: SymbolStatus
    """Its reason is the one that is shown: that a link cannot be made says more than that it is not there."""


class Touch:
    """Numbers that the levels of a view give; ``None`` where they give none.

    Attributes:
        bid: Best bid.
        ask: Best ask.
        spread: In quote currency.
        spread_bps: The same relative to mid.
        mid: Halfway.
        imbalance: Of the sizes of the first levels, in [-1, 1].
        levels: So many a side, or fewer where there are no more.
    """

    __slots__ = ("ask", "bid", "imbalance", "levels", "mid", "spread", "spread_bps")

    def __init__(self, view: BookView[Decimal], levels: int) -> None:
        live = view.is_live
        self.levels = levels
        self.bid: Level[Decimal] | None = view.bids[0] if live and view.bids else None
        self.ask: Level[Decimal] | None = view.asks[0] if live and view.asks else None
        self.spread = self.spread_bps = self.mid = self.imbalance = None
        if self.bid and self.ask:
            self.spread = self.ask.price - self.bid.price
            self.mid = (self.ask.price + self.bid.price) / 2
            self.spread_bps = self.spread / self.mid * BPS
        bid_size, ask_size = (total(side[:levels] if live else ()) for side in (view.bids, view.asks))
        if both := bid_size + ask_size:
            self.imbalance = (bid_size - ask_size) / both


def fits(width: int, height: int) -> int:
    """Levels a side that a panel of this size has room for. O(1)."""
    ladder = height - 1 - _head_count(width, height)
    return max(ladder - 1 if width >= FACING_FROM else stacked_fit(ladder), 1)


def panel(
    data: PanelData,
    width: int,
    height: int,
    *,
    levels: int,
    lit: Lit | None,
    is_focused: bool,
    glyphs: Glyphs,
) -> list[Text]:
    """Draw a book and its health.

    Args:
        data: The book.
        width: Columns to fill, at least 20.
        height: Lines to fill, at least 4. Where it is short, numbers give way, last the levels.
        levels: At most so many a side.
        lit: Levels that changed lately.
        is_focused: It is the chosen one.
        glyphs: ``ASCII`` where the terminal has no more.

    Returns:
        Exactly ``height`` lines of exactly ``width`` columns. Panels of one size have their parts at the same lines.

    Complexity: O(levels shown).
    """
    head_count = _head_count(width, height)
    room = height - 1 - head_count
    view, facing = data.view, width >= FACING_FROM
    levels = min(levels, room - 1 if facing else stacked_fit(room))
    touch = Touch(view, levels)
    bids, asks = view.bids[:levels], view.asks[:levels]
    # A side that was cut off because no more are wanted goes on; the horizon is farther away.
    ends = zip(Side, (view.bids, view.asks), strict=True)
    horizons = {side for side, known in ends if view.partial and len(known) < levels}
    if not view.is_live:
        body = _notice(data, width, room, glyphs)
    elif facing:
        body = level_lines(bids, asks, width, levels + 1, glyphs, lit=lit, horizons=horizons)
    else:
        divider = _divider(touch, width, glyphs)
        body = stacked_lines(bids, asks, width, room, divider, glyphs, lit=lit, horizons=horizons)
    lines = [_identity(data, width, glyphs, is_focused=is_focused), *_head(data, touch, width, glyphs)[:head_count]]
    lines += [Text()] * (1 + head_count - len(lines)) + body[:room]
    lines += [Text()] * (height - len(lines))
    return [padded(line, width, glyphs) for line in lines]


def _head_count(width: int, height: int) -> int:
    """Lines of numbers between the name and the ladder; one of them is blank where there is much room."""
    whole = 2 if width >= FACING_FROM else 3
    return max(0, min(whole + (height >= _ROOMY), height - 1 - _LADDER_MIN))


def _identity(data: PanelData, width: int, glyphs: Glyphs, *, is_focused: bool) -> Text:
    left = Text().append(glyphs.focus if is_focused else " ", "bold")
    left.append(data.view.symbol, "bold reverse" if is_focused else "bold")
    left.append("  ").append_text(state_word(data.view.state))
    sequence = str(data.view.sequence)
    if data.view.partial and left.cell_len + 10 + len(sequence) < width:
        left.append("  partial", WARNING)
    rights = f"sequence {sequence}  epoch {data.view.epoch}", f"sequence {sequence}", f"seq {sequence}", sequence
    return spread_out(left, rights, width, QUIET, glyphs)


def _head(data: PanelData, touch: Touch, width: int, glyphs: Glyphs) -> list[Text]:
    """Health, and what the levels say, the more important lines first."""
    status = data.status
    age = "none" if status.age_ms is None else duration(status.age_ms)
    first = [
        _item("age", age, WARNING if status.age_ms is None or status.age_ms >= OLD_MS else ""),
        _item(rate(status.frames_per_s), "msg/s", QUIET, label_style=""),
    ]
    second = [
        _item("gaps", str(status.gaps), _alarm(status.gaps)),
        _item("resyncs", str(status.resyncs), _alarm(status.resyncs)),
    ]
    since = [_item(label, duration(status.since_ms)) for label in (f"{status.state.value} for", "for")]
    if width < FACING_FROM:
        return [_row(first, width, glyphs, last=since), _row(second, width, glyphs), _imbalance(touch, width, glyphs)]
    spread = _row(
        [_item("spread", _spread(touch)), _item("mid", "none" if touch.mid is None else plain(touch.mid))],
        width,
        glyphs,
    )
    gauge = _imbalance(touch, min(width - spread.cell_len - 2, 18 + GAUGE_MAX), glyphs)
    if spread.cell_len + gauge.cell_len + 2 <= width:
        spread = spread.append("  ").append_text(gauge)
    return [_row([*first, *second], width, glyphs, last=since), spread if data.view.is_live else Text()]


def _alarm(count: int) -> str:
    return ALARM if count else ""


def _item(label: str, value: str, style: str = "", *, label_style: str | None = None) -> Text:
    if label_style is None:
        label_style = style or QUIET
    return Text().append(label, label_style).append(f" {value}", style)


def _row(items: Sequence[Text], width: int, glyphs: Glyphs, last: Sequence[Text] = ()) -> Text:
    """Items in one line, and the first of the ``last`` that fits; what does not fit is left out, whole."""
    line = Text()
    for item in items:
        if line.cell_len and line.cell_len + 3 + item.cell_len > width:
            return line
        line.append("   " if line.cell_len else " ").append_text(item)
    fitting = next((item for item in last if line.cell_len + 3 + item.cell_len < width), None)
    return cut(line, width, glyphs) if fitting is None else line.append("   ").append_text(fitting)


def _spread(touch: Touch) -> str:
    if touch.spread is None or touch.spread_bps is None:
        return "none"
    return f"{plain(touch.spread)} ({rounded(touch.spread_bps)} bps)"


def _divider(touch: Touch, width: int, glyphs: Glyphs) -> Text:
    """The spread, where the sides meet."""
    words = next(
        (words for words in (f" spread {_spread(touch)} ", f" {_spread(touch)} ") if len(words) <= width - 2), ""
    )
    return Text(glyphs.rule * 2, QUIET).append(words).append(glyphs.rule * (width - 2 - len(words)), QUIET)


def _imbalance(touch: Touch, width: int, glyphs: Glyphs) -> Text:
    """The number, and a gauge if there is room: the bids' share of the sizes from the left, the asks' the rest."""
    if touch.imbalance is None:
        return Text()
    line = Text(" ").append(f"imbalance({touch.levels}) ", QUIET).append(f"{touch.imbalance:+.2f} ")
    if (room := min(width - line.cell_len - 1, GAUGE_MAX)) >= GAUGE_MIN:
        share = round((touch.imbalance + 1) / 2 * room)
        line.append(glyphs.full * share, STYLES[Side.BID]).append(glyphs.shade * (room - share), STYLES[Side.ASK])
    return line


def _notice(data: PanelData, width: int, height: int, glyphs: Glyphs) -> list[Text]:
    """Why there are no levels."""
    reason = textwrap.wrap(printable(data.status.reason, glyphs), max(width - 2, 1)) or [""]
    lines = [Text(f"not LIVE: {data.view.state.value}", ALARM)]
    lines += [Text(line) for line in reason[: max(1, height - 2)]]
    if len(lines) <= len(reason):
        lines[-1].append(glyphs.cut)
    lines.append(Text("no levels are shown", QUIET))
    for line in lines:
        cut(line, width, glyphs)
        line.pad_left((width - line.cell_len) // 2)
    return [Text()] * ((height - len(lines)) // 2) + lines
