"""What a person chose to look at, and what each key does to it: a table, and values that it leads from and to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from orderbook.ui.levels import Glyphs

DEPTHS: Final = (1, 2, 3, 5, 10, 15, 20, 30, 50, 75, 100)
"""Levels a side that can be chosen; more than fit is the same as all that fit."""


@dataclass(frozen=True, slots=True)
class ViewState:
    """What is looked at."""

    count: int = 0
    """Symbols that there are."""
    focus: int = 0
    """The chosen one of them, from 0."""
    depth: int | None = None
    """At most so many levels a side; ``None``: as many as fit."""
    fits: int = DEPTHS[-1]
    """Levels a side that had room in the last picture."""
    is_single: bool = False
    """One ladder only, that of the chosen symbol."""
    is_help: bool = False
    """The keys are explained instead."""
    is_quit: bool = False
    """Enough was seen."""

    def press(self, key: str) -> ViewState:
        """The state after a key; one that is not in the table changes nothing. O(1)."""
        act = ACTS.get(key)
        return self if act is None else act(self)

    def seen(self, count: int, fits: int) -> ViewState:
        """The state when there are so many symbols, and so many levels a side have room."""
        return replace(self, count=count, fits=fits, focus=min(self.focus, max(count - 1, 0)))

    @property
    def levels(self) -> int:
        """Levels a side to show."""
        return self.fits if self.depth is None else min(self.depth, self.fits)


def _next(state: ViewState) -> ViewState:
    return replace(state, focus=(state.focus + 1) % max(state.count, 1))


def _previous(state: ViewState) -> ViewState:
    return replace(state, focus=(state.focus - 1) % max(state.count, 1))


def _deeper(state: ViewState) -> ViewState:
    depth = min((depth for depth in DEPTHS if depth > state.levels), default=state.fits)
    return replace(state, depth=None if depth >= state.fits else depth)


def _shallower(state: ViewState) -> ViewState:
    return replace(state, depth=max((depth for depth in DEPTHS if depth < state.levels), default=DEPTHS[0]))


def _single(state: ViewState) -> ViewState:
    return replace(state, is_single=not state.is_single)


def _help(state: ViewState) -> ViewState:
    return replace(state, is_help=not state.is_help)


def _back(state: ViewState) -> ViewState:
    return replace(state, is_help=False)


def _quit(state: ViewState) -> ViewState:
    return replace(state, is_quit=True)


class Binding(NamedTuple):
    """Keys that do the same."""

    keys: tuple[str, ...]
    act: Callable[[ViewState], ViewState]
    shown: str
    """The keys as the footer names them; ``{sideways}`` and ``{upright}`` are glyphs."""
    word: str
    """What they do, for the footer; empty leaves them out there."""
    help: str

    def label(self, glyphs: Glyphs) -> str:
        """The keys, in characters that the terminal has."""
        return self.shown.format(sideways=glyphs.sideways, upright=glyphs.upright)


BINDINGS: Final = (
    Binding(("q", "Q", "c-c", "c-d"), _quit, "q", "quit", "quit (Ctrl-C does, too)"),
    Binding(("?", "h", "f1"), _help, "?", "help", "this help, and back"),
    Binding(("right", "tab", "n"), _next, "{sideways}", "symbol", "next and previous symbol (Tab, Shift-Tab)"),
    Binding(("left", "s-tab", "p"), _previous, "", "", ""),
    Binding(("+", "=", "up"), _deeper, "+/-", "depth", "more and fewer levels a side ({upright})"),
    Binding(("-", "down"), _shallower, "", "", ""),
    Binding(("s",), _single, "s", "single", "one ladder, or side by side"),
    Binding(("escape",), _back, "", "", ""),
)
"""All keys. The footer leaves out the last ones first."""

ACTS: Final = {key: binding.act for binding in BINDINGS for key in binding.keys}
"""What each key does."""
