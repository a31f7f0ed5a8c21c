"""Objects whose parts are missing: Python's own errors, on both twins, and never a dead process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from orderbook.book import OrderBook
from orderbook.content import BookContent
from orderbook.guard import Guard
from orderbook.reader import Reader
from orderbook.side import SideView
from orderbook.sync import BookSync
from orderbook.sync.lane import Lane
from orderbook.types import Side
from tests.books import live_book
from tests.kucoin_frames import delta, live, snapshot

QUESTIONS: tuple[Callable[[Any], Any], ...] = (
    *(
        lambda book, name=name: getattr(book, name)
        for name in (
            "best_bid",
            "best_ask",
            "bbo",
            "spread",
            "spread_bps",
            "mid",
            "microprice",
            "is_crossed",
            "is_locked",
        )
    ),
    *(lambda book, name=name: getattr(book, name) for name in ("sequence", "price_decimals", "venue_ms")),
    lambda book: book.depth(1),
    lambda book: book.depth_within(bps=1),
    lambda book: book.imbalance(levels=1),
    lambda book: book.fill(Side.BID, size=1),
    lambda book: book.view(1),
    lambda book: book.apply_changes([("1", "1")], [], 1),
)


def refuses(question: Callable[[Any], Any], about: Any) -> None:
    """An attribute is missing, or is not of the kind that it should be."""
    with pytest.raises((AttributeError, TypeError)):
        question(about)


@pytest.mark.parametrize("kind", [OrderBook, Reader])
def test_a_book_before_it_is_made(kind: Any) -> None:
    """Nothing can be asked of it, and nothing told."""
    for question in (*QUESTIONS, lambda book: list(book.bids), lambda book: len(book.asks), lambda book: book.state):
        refuses(question, kind.__new__(kind))


def test_a_subclass_that_asks_too_early() -> None:
    """Who reads a book before ``super().__init__`` is told by an ``AttributeError``."""

    class Mine(OrderBook):
        __slots__ = ("first",)

        def __init__(self, symbol: str) -> None:
            self.first = self.best_bid
            super().__init__(symbol)

    with pytest.raises(AttributeError):
        Mine("BTC-USDT")


def test_a_book_without_its_guard() -> None:
    """Nor can a book answer whose guard was taken away, or whose guard has no content."""
    for part in (None, Guard.__new__(Guard)):
        book: Any = live_book()
        assert book.bids[0] == book.best_bid
        view: Any = book.bids
        book._guard = view._guard = part
        for question in (*QUESTIONS, lambda book: len(book.bids)):
            refuses(question, book)
        refuses(lambda view: view[0], view)
        refuses(lambda view: view[:1], view)


def test_a_side_before_it_is_made() -> None:
    """No level can be asked for."""
    for question in (len, list, lambda side: side[0], lambda side: side[:2], lambda side: side.top(1)):
        refuses(question, SideView.__new__(SideView))


def test_a_lane_before_it_is_made() -> None:
    """Frames are not taken."""
    for kind in (Lane, BookSync):
        sync: Any = kind.__new__(kind)
        with pytest.raises((AttributeError, NotImplementedError)):
            sync.receive(delta(1), 1)
        assert sync.offer(delta(1), 1) is None
        assert sync._hand_over() is None


@pytest.mark.parametrize("name", ["bids", "asks", "horizon"])
def test_a_content_keeps_its_parts(name: str) -> None:
    """Ladders and horizon are there from the first moment on, and cannot be taken away from a compiled content."""
    content: Any = live_book().content
    try:
        setattr(content, name, None)
    except AttributeError:
        assert getattr(content, name) is not None
    else:
        refuses(lambda content: [content.trusted_count(side) for side in Side], content)


def test_a_snapshot_into_a_content_before_it_is_made() -> None:
    """A loader fills whatever ``BookContent.__new__`` gives; the pure one takes none."""
    sync = live()
    content = BookContent.__new__(BookContent)

    counts = sync._loader.load(snapshot(12), content)

    assert counts in (None, (2, 2))
    if counts is not None:
        content.verify()
        assert 12 == content.sequence


def test_no_ladder_to_iterate() -> None:
    """The iterator of a ladder is not made of nothing."""
    kind: Any = type(iter(live_book().content.bids))
    with pytest.raises(TypeError):
        kind(None, 0)
