"""What a book says about itself: the refusal, the last known book, views, age, and a life of many contents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import FrozenInstanceError
from decimal import Decimal
from operator import attrgetter
from typing import Any

import pytest

from orderbook.book import OrderBook
from orderbook.content import BookContent
from orderbook.errors import BookNotLive, UsageError
from orderbook.types import BookState, Level, Side
from tests.books import ASKS, BIDS, Clock, content_of, live_book
from tests.unchecked import unchecked

GUARDED: dict[str, Callable[[Any], Any]] = {
    **{
        name: attrgetter(name)
        for name in (
            *("best_bid", "best_ask", "bbo", "spread", "spread_bps", "mid", "microprice"),
            *("is_crossed", "is_locked", "bids", "asks"),
        )
    },
    "depth": lambda book: book.depth(1),
    "depth_within": lambda book: book.depth_within(bps=1),
    "depth_to": lambda book: book.depth_to(Side.BID, 1),
    "imbalance": lambda book: book.imbalance(levels=1),
    "imbalance of a band": lambda book: book.imbalance(bps=1),
    "fill": lambda book: book.fill(Side.BID, size=1),
    "cumulative": lambda book: book.cumulative(Side.BID),
}

GUARDED_SIDE: dict[str, Callable[[Any], Any]] = {
    "length": len,
    "truth": bool,
    "iteration": list,
    "reversal": lambda bids: list(reversed(bids)),
    "position": lambda bids: bids[0],
    "slice": lambda bids: bids[:1],
    "size_at": lambda bids: bids.size_at(1),
    "in": lambda bids: 1 in bids,
    "top": lambda bids: bids.top(1),
    "horizon": lambda bids: bids.horizon,
}

NOT_LIVE = [state for state in BookState if state is not BookState.LIVE]


@pytest.mark.parametrize("state", NOT_LIVE)
@pytest.mark.parametrize("question", GUARDED)
def test_a_book_that_is_not_live_refuses(question: str, state: BookState) -> None:
    """In every form, whatever the question, also through references taken while it was LIVE."""
    book = live_book()
    readers = (book, book.exact, book.raw)
    book.mark(state, "because", 42)
    for reader in readers:
        with pytest.raises(BookNotLive) as caught:
            GUARDED[question](reader)
        error = caught.value
        assert ("BTC-USDT", state, "because", 42) == (error.symbol, error.state, error.reason, error.since)
        assert f"book of BTC-USDT is {state.value}: because" in str(error)


@pytest.mark.parametrize("question", GUARDED_SIDE)
def test_a_side_kept_from_earlier_refuses_too(question: str) -> None:
    """The guard is in the book, not in the moment at which ``bids`` was read."""
    book = live_book()
    kept = [reader.bids for reader in (book, book.exact, book.raw)]
    last_known = book.last_known.bids
    book.mark(BookState.SYNCING, "gap", 0)

    for bids in kept:
        with pytest.raises(BookNotLive):
            GUARDED_SIDE[question](bids)
    GUARDED_SIDE[question](last_known)


@pytest.mark.parametrize("state", BookState)
@pytest.mark.parametrize("question", GUARDED)
def test_the_last_known_book_answers_in_any_state(question: str, state: BookState) -> None:
    """And it says what that is worth."""
    book = live_book()
    book.mark(state, "because", 0)
    for reader in (book.last_known, book.last_known.exact, book.last_known.raw):
        GUARDED[question](reader)
        assert (state, "because", state is BookState.LIVE) == (reader.state, reader.reason, reader.is_live)
        assert ("BTC-USDT", 10, 1) == (reader.symbol, reader.sequence, reader.epoch)
        assert 1 == len(reader.view(1).bids)


def test_a_fresh_book_is_connecting() -> None:
    """It has no levels, and none are made up by ``last_known``."""
    book = OrderBook("BTC-USDT")

    assert (BookState.CONNECTING, "no snapshot yet", False) == (book.state, book.reason, book.is_live)
    assert (0, 0, 0, None, None) == (book.sequence, book.epoch, book.touch_count, book.venue_ms, book.heard_ns)
    assert (None, None) == (book.last_known.best_bid, book.last_known.mid)
    assert 0 == len(book.last_known.bids)
    book.verify()
    with pytest.raises(BookNotLive, match=r"CONNECTING: no snapshot yet$"):
        book.best_bid


@pytest.mark.parametrize("state", BookState)
def test_the_status_never_raises(state: BookState) -> None:
    """A view is complete in every state, and empty unless LIVE."""
    book = live_book()
    book.mark(state, "because", 0)
    view = book.view(1)

    assert (state, "because", 10, 1, 2, 1_700_000_000_000) == (
        *(book.state, book.reason, book.sequence, book.epoch),
        *(book.touch_count + 1, book.venue_ms),
    )
    assert ("BTC-USDT", state, "because", 10, 1) == (view.symbol, view.state, view.reason, view.sequence, view.epoch)
    assert (None, 1_700_000_000_000, False) == (view.age_ms, view.venue_ms, view.partial)
    assert view.is_live == book.is_live == (state is BookState.LIVE)
    expected = ((67012.3, 0.00331),) if state is BookState.LIVE else ()
    assert expected == view.bids
    assert len(expected) == len(view.asks)
    book.verify()


def test_a_view_is_a_copy_for_keeping() -> None:
    """It neither changes with the book nor can be changed; every form has one."""
    book = live_book()
    view = book.view(5)
    before = (view.bids, view.asks, view.sequence)
    book.apply_changes([("67012.3", 0)], [], 11)

    assert before == (view.bids, view.asks, view.sequence)
    with pytest.raises(FrozenInstanceError):
        unchecked(view).sequence = 5
    assert Level(Decimal("67012.2"), Decimal("1.5")) == book.exact.view(1).bids[0]
    assert Level(670122, 150_000) == book.raw.view(1).bids[0]
    assert ((), ()) == (book.view(0).bids, book.view(0).asks)


def test_a_book_has_an_age_only_with_a_clock() -> None:
    """Age counts from when something was last heard, in whole milliseconds."""
    clock = Clock()
    book = OrderBook("BTC-USDT", clock=clock)
    assert book.view(0).age_ms is None

    clock.now_ns = 5_000_000
    book.apply_snapshot(BIDS, ASKS, 10)
    assert (5_000_000, 0) == (book.heard_ns, book.view(0).age_ms)
    clock.now_ns += 3_999_999
    assert 3 == book.view(0).age_ms
    book.apply_changes([], [], 11)
    assert 0 == book.view(0).age_ms
    book.heard_ns = clock.now_ns + 10_000_000
    assert 0 == book.view(0).age_ms
    assert BookState.LIVE is book.state


def test_a_book_older_than_allowed_reads_as_stale() -> None:
    """Up to ``max_age_ms`` it is LIVE, beyond it every read refuses, and hearing something heals it."""
    clock = Clock()
    clock.now_ns = 1_000
    book = OrderBook("BTC-USDT", clock=clock, max_age_ms=250)
    book.apply_snapshot(BIDS, ASKS, 10)
    clock.now_ns += 250_000_000
    assert (True, 67012.3) == (book.is_live, book.best_bid and book.best_bid.price)

    clock.now_ns += 1
    assert (BookState.STALE, "nothing heard for 250 ms", False) == (book.state, book.reason, book.is_live)
    assert ((), BookState.STALE) == (book.view(1).bids, book.view(1).state)
    for reader in (book, book.exact, book.raw):
        with pytest.raises(BookNotLive) as caught:
            reader.best_bid
        assert (BookState.STALE, 250_001_000) == (caught.value.state, caught.value.since)
    assert book.last_known.best_bid is not None

    book.heard_ns = clock.now_ns
    assert book.is_live
    clock.now_ns += 10**9
    book.apply_changes([], [], 11)
    assert book.is_live


def test_the_clock_only_ever_takes_live_away() -> None:
    """A book that was marked as something else keeps that; a LIVE one that heard nothing is not fresh."""
    book = OrderBook("BTC-USDT", clock=Clock(), max_age_ms=1)
    assert BookState.CONNECTING is book.state

    book.mark(BookState.LIVE, "", 0)
    assert (BookState.STALE, "nothing heard yet") == (book.state, book.reason)


@pytest.mark.parametrize("max_age_ms", [0, -1, 1.5, True, "5"])
def test_a_maximum_age_is_a_positive_whole_number(max_age_ms: Any) -> None:
    """And it needs a clock."""
    with pytest.raises(UsageError, match="max_age_ms"):
        OrderBook("BTC-USDT", clock=Clock(), max_age_ms=max_age_ms)
    with pytest.raises(UsageError, match="max_age_ms needs a clock"):
        OrderBook("BTC-USDT", max_age_ms=5)


def test_a_swap_is_a_new_epoch_and_an_adoption_is_not() -> None:
    """Both put a new inside into the same object; neither touches the state."""
    book = live_book()
    bids = book.bids
    book.swap(content_of("50", "51"))
    assert (2, 20, 50.0, BookState.LIVE) == (book.epoch, book.sequence, bids[0].price, book.state)

    book.adopt(content_of("40", "41", sequence=30))
    assert (2, 30, 40.0) == (book.epoch, book.sequence, bids[0].price)


def test_the_touch_count_never_falls() -> None:
    """Each content counts from anywhere; the book counts on, one more where the touch differs."""
    book = live_book()
    assert 1 == book.touch_count
    book.apply_changes([("67012.3", 9)], [], 11)
    assert 2 == book.touch_count

    book.swap(content_of("50", "51"))
    assert 3 == book.touch_count
    finer = content_of("50.0", "51.00")
    finer.widen(3, 5)
    book.adopt(finer)
    assert 3 == book.touch_count

    counted = content_of("50", "51")
    counted.touch_count = 100
    book.adopt(counted)
    book.adopt(content_of("50", "52"))
    assert 4 == book.touch_count
    book.adopt(book.content)
    book.swap(BookContent())
    assert (5, 3) == (book.touch_count, book.epoch)
    book.verify()


def test_iteration_notices_that_the_book_moved() -> None:
    """Between two levels of a loop a frame may be applied, or the book lost: never a mixture of two books."""
    book = live_book()
    changes: list[tuple[Callable[[], None], type[Exception]]] = [
        (lambda: book.apply_changes([(1, 1)], [], book.sequence + 1), UsageError),
        (lambda: book.swap(content_of("50", "51")), UsageError),
        (lambda: book.mark(BookState.STALE, "", 0), BookNotLive),
    ]
    for change, error in changes:
        levels = iter(book.bids)
        next(levels)
        change()
        with pytest.raises(error):
            next(levels)


def test_repr_is_one_line_in_any_state() -> None:
    """State, sequence and size of the book; also before there is one."""
    book = OrderBook("BTC-USDT")
    assert (
        "<OrderBook float BTC-USDT CONNECTING (no snapshot yet) sequence=0 epoch=0 levels=0+0>"
        == repr(book)
        == repr(book.last_known).replace("LastKnown", "OrderBook")
    )
    book = live_book()
    assert "<OrderBook float BTC-USDT LIVE sequence=10 epoch=1 levels=2+2>" == repr(book)
    assert "<Reader exact BTC-USDT LIVE sequence=10 epoch=1 levels=2+2>" == repr(book.exact)
    assert "<bids of BTC-USDT, raw>" == repr(book.raw.bids)
    assert "<Form exact>" == repr(book.exact._form)
