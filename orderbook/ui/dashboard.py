"""The whole picture of ``watch``: ladders side by side, a line for each other symbol, the feed's health above.

A pure function of what is to be seen, what was chosen, and the size of the terminal. All that colours say can be read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import localcontext
from typing import Final, NamedTuple

from rich.text import Text

from orderbook.feed.health import FeedHealth
from orderbook.ui import panels
from orderbook.ui.controls import BINDINGS, ViewState
from orderbook.ui.flash import Flash
from orderbook.ui.levels import QUIET, UNICODE, Glyphs
from orderbook.ui.panels import PanelData, panel
from orderbook.ui.pieces import ALARM, EXACT, WARNING, bar, cut, duration, links, printable, spread_out
from orderbook.ui.progress import is_starting, progress
from orderbook.ui.rows import rows

PANEL_MIN: Final = 34
"""Columns that a ladder takes at least where several stand side by side."""
PANEL_MAX: Final = 120
"""Columns past which a ladder becomes no better."""
_FRAMED_FROM: Final = 7
"""Lines from which there are a header and a footer."""
_PANEL_LINES: Final = 6


class Layout(NamedTuple):
    """Where everything goes."""

    shown: range
    """Symbols that have ladders, by index."""
    width: int
    """Columns of each ladder."""
    height: int
    """Lines of each ladder."""
    rows: int
    """Lines for the other symbols, with their heading."""
    fits: int
    """Levels a side that have room."""


def layout(count: int, state: ViewState, width: int, height: int) -> Layout:
    """Divide the terminal: as many ladders as fit, the chosen symbol among them; lines for the others. O(1)."""
    beside = 1 if state.is_single else max(1, min(count, (width + 1) // (PANEL_MIN + 1)))
    # The chosen symbol moves through the ladders before the ladders move.
    first = max(0, min(state.focus - beside // 2, count - beside))
    shown = range(first, min(first + beside, count))
    inner = height - 2 * (height >= _FRAMED_FROM)
    others = count - len(shown)
    lines = min(others + 1, inner // 3, max(inner - _PANEL_LINES, 0)) if others else 0
    if lines == 2 and others > 1:
        # A heading and one of several symbols say less than one line about all of them.
        lines = 1
    panel_width = (width - beside + 1) // beside
    panel_height = max(inner - lines, 1)
    return Layout(shown, panel_width, panel_height, lines, panels.fits(min(panel_width, PANEL_MAX), panel_height))


def dashboard(
    data: Sequence[PanelData],
    health: FeedHealth,
    state: ViewState,
    width: int,
    height: int,
    *,
    venue: str,
    flashes: Mapping[str, Flash] | None = None,
    alerts: Sequence[Text] = (),
    glyphs: Glyphs = UNICODE,
) -> Text:
    """Draw everything.

    Args:
        data: All symbols, in their order.
        health: Of the feed.
        state: What was chosen.
        width: Columns to fill, at least 20.
        height: Lines to fill, at least 5.
        venue: Its name.
        flashes: By symbol, which levels to mark as changed.
        alerts: Lines for between ladders and footer; they need room beside the ``height`` that ``layout`` was told.
        glyphs: ``ASCII`` where the terminal has no more.

    Returns:
        Exactly ``height`` lines of at most ``width`` columns, which need no wrapping.

    Complexity: O(levels shown + symbols).
    """
    plan = layout(len(data), state, width, height - len(alerts))
    with localcontext(EXACT):
        inner = plan.height + plan.rows
        if state.is_help:
            body = _help(width, inner, glyphs)
        elif not data:
            body = [Text(" no symbols", QUIET)]
        else:
            body = _ladders(data, state, plan, flashes or {}, width, glyphs)
            others = [one for index, one in enumerate(data) if index not in plan.shown]
            body += rows(others, width, plan.rows, glyphs)
        lines = [*body, *[Text()] * (inner - len(body)), *alerts]
        if height - len(alerts) >= _FRAMED_FROM:
            last = progress(health, width, glyphs) if is_starting(health) else _footer(state, plan, width, glyphs)
            lines = [header(data, health, width, venue, glyphs), *lines, last]
    return Text("\n", no_wrap=True, overflow="crop").join(lines[:height])


def _ladders(
    data: Sequence[PanelData],
    state: ViewState,
    plan: Layout,
    flashes: Mapping[str, Flash],
    width: int,
    glyphs: Glyphs,
) -> list[Text]:
    """Ladders side by side; one alone that would be too wide stands in the middle."""
    room = min(plan.width, PANEL_MAX)
    pictures = []
    for index in plan.shown:
        one = data[index]
        flash = flashes.get(one.view.symbol)
        pictures.append(
            panel(
                one,
                room,
                plan.height,
                levels=min(state.levels, plan.fits),
                lit=flash.lit if flash else {},
                is_focused=index == state.focus and len(data) > 1,
                glyphs=glyphs,
            )
        )
    if len(pictures) == 1:
        margin = Text(" " * ((width - room) // 2))
        return [margin + line for line in pictures[0]]
    between = Text("").append(glyphs.middle, QUIET)
    return [between.join(line) for line in zip(*pictures, strict=True)]


def header(data: Sequence[PanelData], health: FeedHealth, width: int, venue: str, glyphs: Glyphs) -> Text:
    """The feed in one line; what matters less is left out where it does not fit. Trouble stands out. O(symbols)."""
    live = sum(one.view.is_live for one in data)
    tight = health.budget_used >= 0.8 * health.budget_limit
    # There is none before the feed is open.
    known = health.budget_limit > 0
    budget = [(1, f"budget {health.budget_used} of {health.budget_limit}", WARNING if tight else "")] if known else []
    wait = f"{health.books_waiting} wait for a snapshot, {duration(health.books_wait_ms)}"
    waiting = [(1, wait, WARNING)] if health.books_waiting else []
    rtt = [] if health.rtt_ms is None else [(3, f"rtt {duration(health.rtt_ms)}", "")]
    parts = [
        (5, printable(venue, glyphs), "bold"),
        (0, *links(health)),
        *rtt,
        (0, f"LIVE {live} of {len(data)}", "" if live == len(data) else ALARM),
        *waiting,
        *budget,
        (2, f"reconnects {health.reconnects}", WARNING if health.reconnects else ""),
        (4, f"sent {health.client_messages}", ""),
    ]
    return bar(parts, width, glyphs)


def _footer(state: ViewState, plan: Layout, width: int, glyphs: Glyphs) -> Text:
    """The keys, and how deep the ladders are; the last keys are left out where they do not fit."""
    line = Text()
    for binding in BINDINGS:
        item = Text(" ").append(binding.label(glyphs), "bold").append(f" {binding.word} ", QUIET)
        if binding.word and line.cell_len + item.cell_len <= width:
            line.append_text(item)
    return spread_out(line, [f"{min(state.levels, plan.fits)} levels a side"], width, QUIET, glyphs)


def _help(width: int, height: int, glyphs: Glyphs) -> list[Text]:
    """What the keys do, and what the signs mean."""
    named = [(binding.label(glyphs), binding.help) for binding in BINDINGS if binding.help]
    signs = [
        (glyphs.focus, "the chosen symbol"),
        ("+ -", "size grew or shrank just now"),
        (glyphs.horizon * 3, "horizon: a snapshot of the best levels knows no more"),
        ("####", "a number that has no room"),
        (f"1.{glyphs.cut}", "more decimals than there is room for"),
        ("budget", "REST weight used, of what 30 s allow"),
    ]
    lines = [Text(" Keys", "bold")]
    lines += [_explained(label, words, width, glyphs) for label, words in named]
    lines += [Text(), Text(" Signs", "bold")]
    lines += [_explained(label, words, width, glyphs) for label, words in signs]
    return lines[:height]


def _explained(label: str, words: str, width: int, glyphs: Glyphs) -> Text:
    words = words.format(sideways=glyphs.sideways, upright=glyphs.upright)
    return cut(Text(f"   {label:<10} ").append(words, QUIET), width, glyphs)
