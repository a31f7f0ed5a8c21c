"""The line that tells how far many books are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderbook.feed.health import FeedHealth
from orderbook.ui.controls import ViewState
from orderbook.ui.dashboard import dashboard
from orderbook.ui.levels import ASCII, UNICODE
from orderbook.ui.progress import BAR_MAX, MANY, is_starting, progress
from tests.panel_data import THREE


def health(live: int, books: int, waiting: int = 0, wait_ms: int = 0) -> FeedHealth:
    """A feed of which so many books are LIVE."""
    return FeedHealth((), 0, 0, 0, books_waiting=waiting, books_wait_ms=wait_ms, books=books, books_live=live)


@pytest.mark.parametrize(
    ("now", "width", "line"),
    [
        (health(0, 400), 40, " " + "░" * 24 + " 0 of 400 LIVE"),
        (health(100, 400, 16, 1_234), 70, " " + "█" * 5 + "░" * 18 + " 100 of 400 LIVE, about 1.2 s for the next 16"),
        (health(399, 400), 40, " " + "█" * 21 + "░" + " 399 of 400 LIVE"),
        (health(400, 400), 24, " 400 of 400 LIVE"),
        (health(100, 400, 16, 1_234), 30, " 100 of 400 LIVE, about 1.2 s…"),
        (health(0, 0), 40, " " + "░" * 26 + " 0 of 0 LIVE"),
    ],
)
def test_a_bar_and_what_it_says(now: FeedHealth, width: int, line: str) -> None:
    """The bar is full only when all are LIVE, and gives way to the words."""
    assert line == progress(now, width).plain


@given(st.integers(0, 5_000), st.integers(0, 5_000), st.integers(0, 90_000), st.integers(20, 300))
def test_it_fits_and_never_shrinks(live: int, missing: int, wait_ms: int, width: int) -> None:
    """In any terminal, with any numbers; ASCII where there is no more."""
    now = health(live, live + missing, missing, wait_ms)
    for glyphs in (UNICODE, ASCII):
        line = progress(now, width, glyphs)
        assert line.cell_len <= width
        assert line.plain.count(glyphs.full) <= BAR_MAX
    assert progress(now, width, ASCII).plain.isascii()
    assert missing == 0 or progress(health(live, live + missing), 80).plain.count("░") > 0


@pytest.mark.parametrize(("live", "is_shown"), [(0, True), (MANY, True), (MANY + 1, False), (2 * MANY, False)])
def test_the_picture_shows_it_while_many_are_missing(live: int, is_shown: bool) -> None:
    """Where the keys stand otherwise, and nothing else moves."""
    now = health(live, 2 * MANY)
    lines = dashboard(THREE, now, ViewState(), 100, 20, venue="kucoin").plain.split("\n")

    assert is_starting(now) is is_shown
    assert ("quit" not in lines[-1]) is (f"{live} of {2 * MANY} LIVE" in lines[-1]) is is_shown
    assert 20 == len(lines)
