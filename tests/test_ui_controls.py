"""Keys of the live view: what each does to what is looked at, and which levels are marked as changed."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from orderbook.types import BookState, Side
from orderbook.ui.controls import ACTS, BINDINGS, DEPTHS, ViewState
from orderbook.ui.flash import Flash
from orderbook.ui.levels import FRESH
from tests.panel_data import ASKS, BIDS, view_of

START = ViewState(count=3, fits=12)

PRESSES = [
    (START, "right", replace(START, focus=1)),
    (START, "tab", replace(START, focus=1)),
    (START, "n", replace(START, focus=1)),
    (replace(START, focus=2), "right", START),
    (START, "left", replace(START, focus=2)),
    (START, "s-tab", replace(START, focus=2)),
    (replace(START, focus=2), "p", replace(START, focus=1)),
    (ViewState(), "left", ViewState()),
    (ViewState(), "right", ViewState()),
    (START, "-", replace(START, depth=10)),
    (START, "down", replace(START, depth=10)),
    (replace(START, depth=10), "-", replace(START, depth=5)),
    (replace(START, depth=1), "-", replace(START, depth=1)),
    (replace(START, depth=100), "-", replace(START, depth=10)),
    (replace(START, depth=5), "+", replace(START, depth=10)),
    (replace(START, depth=5), "=", replace(START, depth=10)),
    (replace(START, depth=10), "up", START),
    (START, "+", START),
    (START, "s", replace(START, is_single=True)),
    (replace(START, is_single=True), "s", START),
    (START, "?", replace(START, is_help=True)),
    (START, "h", replace(START, is_help=True)),
    (START, "f1", replace(START, is_help=True)),
    (replace(START, is_help=True), "?", START),
    (replace(START, is_help=True), "escape", START),
    (START, "escape", START),
    (START, "q", replace(START, is_quit=True)),
    (START, "Q", replace(START, is_quit=True)),
    (START, "c-c", replace(START, is_quit=True)),
    (START, "c-d", replace(START, is_quit=True)),
    (START, "x", START),
    (START, "", START),
]


@pytest.mark.parametrize(("state", "key", "expected"), PRESSES)
def test_the_table_of_keys(state: ViewState, key: str, expected: ViewState) -> None:
    """A key leads from what is looked at to what is looked at then; others change nothing."""
    assert expected == state.press(key)


def test_every_key_is_in_the_table_of_this_test() -> None:
    """No key is left untested, and none does two things."""
    assert ACTS.keys() <= {key for _, key, _ in PRESSES}
    assert len(ACTS) == sum(len(binding.keys) for binding in BINDINGS)


def test_depth_goes_all_the_way_and_back() -> None:
    """From all that fit down to one level, and up again to all that fit; every press shows."""
    state, seen = START, [START.levels]
    for key in "-" * len(DEPTHS):
        state = state.press(key)
        seen.append(state.levels)
    assert [12, 10, 5, 3, 2, 1] == seen[:6]
    for key in "+" * len(DEPTHS):
        state = state.press(key)

    assert (None, 12) == (state.depth, state.levels)


@pytest.mark.parametrize(("focus", "count", "expected"), [(0, 0, 0), (2, 3, 2), (2, 2, 1), (2, 0, 0)])
def test_the_choice_survives_symbols_that_go(focus: int, count: int, expected: int) -> None:
    """It stays within those that there are."""
    assert expected == ViewState(count=3, focus=focus).seen(count, 5).focus


# --- levels that changed ---

BID, ASK = Side.BID, Side.ASK


def lit_after(*views: tuple[list[tuple[str, str]], list[tuple[str, str]]]) -> dict[tuple[Side, str], int]:
    """Marks after drawing these books one after the other."""
    flash = Flash()
    for bids, asks in views:
        flash = flash.after(view_of(bids, asks))
    return {(side, str(price)): change for (side, price), change in flash.lit.items()}


def test_the_first_drawing_marks_nothing() -> None:
    """There is nothing to compare it with."""
    assert {} == lit_after((BIDS, ASKS))


def test_what_did_not_change_is_not_marked() -> None:
    """Nor is a size that is only written differently."""
    assert {} == lit_after((BIDS, ASKS), ([("67012.30", "0.50"), *BIDS[1:]], ASKS))


def test_grown_shrunk_and_new_levels_are_marked() -> None:
    """Above 0 for more size, below for less; a level that is gone has no mark, for it has no line."""
    after = [("67012.35", "1"), ("67012.3", "0.4"), ("67012.2", "3"), BIDS[3]]

    assert {(BID, "67012.35"): FRESH, (BID, "67012.3"): -FRESH, (BID, "67012.2"): FRESH} == lit_after(
        (BIDS, ASKS), (after, ASKS)
    )


def test_a_level_that_comes_into_sight_is_not_marked() -> None:
    """Deeper than all that was drawn: it may have been there for long."""
    assert {} == lit_after((BIDS[:3], ASKS[:3]), (BIDS[1:], ASKS[1:]))


def test_a_level_of_a_side_that_was_empty_is_marked() -> None:
    """An empty side was seen whole."""
    assert {(ASK, "67012.4"): FRESH} == lit_after((BIDS, []), (BIDS, ASKS[:1]))


def test_marks_fade() -> None:
    """One step with each drawing, until they are gone; a new change begins anew."""
    more = [("67012.3", "0.75"), *BIDS[1:]]
    seen = [lit_after((BIDS, ASKS), *[(more, ASKS)] * n).get((BID, "67012.3"), 0) for n in range(1, FRESH + 2)]

    assert [FRESH, FRESH - 1, FRESH - 2, 0] == seen
    assert {(BID, "67012.3"): -FRESH} == lit_after((BIDS, ASKS), (more, ASKS), (more, ASKS), (BIDS, ASKS))


def test_a_book_that_returns_is_not_all_marks() -> None:
    """What happened while it was not LIVE is not told by a flash."""
    flash = Flash().after(view_of()).after(view_of(state=BookState.SYNCING))

    assert {} == flash.after(view_of([("1", "2")], [])).lit
    assert {} == dict(flash.sides)
    assert Decimal(2) == flash.after(view_of([("1", "2")], [])).sides[BID][0].size
