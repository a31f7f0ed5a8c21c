"""``OrderBook`` for users who decode themselves: what it takes, what it refuses, and how its answers are typed."""

from __future__ import annotations

import copy
import pickle
import weakref
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any, assert_type

import numpy as np
import numpy.typing as npt
import pytest

from orderbook.book import LastKnown, OrderBook
from orderbook.errors import BookNotLive, NumberError, UsageError
from orderbook.fixedpoint import SEQUENCE_MAX
from orderbook.guard import Pulse
from orderbook.reader import Reader
from orderbook.results import Band, BookView, Depth, Fill, Marked
from orderbook.types import BBO, BookState, Level, Side
from tests.books import ASKS, BIDS, live_book
from tests.kucoin_frames import live
from tests.unchecked import unchecked


@pytest.mark.parametrize("take", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_book_is_not_copied(take: Callable[[object], object]) -> None:
    """Nor is any part of it: half a copy would be worse than none. What may be kept is a view."""
    sync = live()
    book = sync.book
    parts = (sync, book, book.exact, book.last_known, book.bids, book.content, book.pulse, Pulse(), book._guard)
    for part in parts:
        with pytest.raises(TypeError, match=f"no {type(part).__name__} is copied or pickled"):
            take(part)
    assert 2 == len(copy.deepcopy(book.view(9)).bids)


def test_rows_are_taken_as_they_come() -> None:
    """Text, decimals, integers, floats and NumPy rows, in any iterable, mean the same book."""
    book = live_book()
    same: list[tuple[Any, Any]] = [
        ([("0.1", "2"), ["0.3", "4"]], [("0.5", "1")]),
        ([(Decimal("0.10"), Decimal(2)), (Decimal("0.3"), 4)], [(Decimal("5E-1"), Decimal("1.00"))]),
        ([(0.1, 2), (0.3, 4.0)], [(0.5, 1)]),
        (np.array([[0.1, 2], [0.3, 4]]), np.array([[0.5, 1.0]])),
        (iter([(0.3, 4), (0.1, 2)]), ((price, 1) for price in [0.5])),
    ]
    for bids, asks in same:
        book.apply_snapshot(bids, asks, 5)
        assert [Level(Decimal("0.3"), Decimal(4)), Level(Decimal("0.1"), Decimal(2))] == list(book.exact.bids)
        assert [(0.5, 1.0)] == list(book.asks)
        book.apply_changes([("0.30", "0.0")], [(1, 0)], 6)
        assert [(0.1, 2.0)] == list(book.bids)


BAD_ROWS: list[Any] = [
    *([("1",)], [("1", "2", "3")], ["12"], [b"12"], [7], [None], [()]),
    *([("1", "-1")], [("-1", "1")], [("", "1")], [("1_0", "1")], [("NaN", "1")]),
    *([(1, -1)], [(float("nan"), 1)], [(1, float("inf"))], [(Decimal("NaN"), 1)], [(True, 1)], [(1, None)]),
    *([("9223372036854775808", "1")], [("1", "1e-30"), ("1", "1")]),
]


@pytest.mark.parametrize("bad", BAD_ROWS, ids=ascii)
@pytest.mark.parametrize("side", Side)
def test_a_bad_row_changes_nothing(side: Side, bad: list[Any]) -> None:
    """Neither the rows before it, nor the sequence, state, epoch or counters."""
    book = live_book()
    rows = {side: [("67012.2", "9"), *bad], side.opposite: [("67012.3", "7"), ("67012.4", "7")]}
    before = (book.view(9), book.touch_count)
    for apply in (book.apply_changes, book.apply_snapshot):
        with pytest.raises((UsageError, NumberError)):
            apply(rows[Side.BID], rows[Side.ASK], 11)
        assert before == (book.view(9), book.touch_count)


@pytest.mark.parametrize("rows", [5, None])
def test_rows_that_are_none(rows: Any) -> None:
    """What cannot be iterated is told by its name."""
    book = live_book()
    with pytest.raises(UsageError, match="bids"):
        book.apply_changes(rows, [], 11)
    with pytest.raises(UsageError, match="asks"):
        book.apply_snapshot([], rows, 11)


@pytest.mark.parametrize("sequence", [10, 9, 0, -1, SEQUENCE_MAX + 1, True, None, "11", 11.0])
def test_a_sequence_must_advance(sequence: Any) -> None:
    """Replaying or misordering changes is the caller's mistake, and changes nothing."""
    book = live_book()
    before = book.view(9)

    with pytest.raises(UsageError, match="sequence"):
        book.apply_changes([("67012.2", 0)], [], sequence)
    assert before == book.view(9)


def test_a_snapshot_may_go_back() -> None:
    """A venue that counts anew is followed by a snapshot with a lower sequence; depth is a number of levels."""
    book = live_book()
    book.apply_snapshot([(1, 1)], [(2, 1)], np.int64(3))

    assert (3, 2, "snapshot applied") == (book.sequence, book.epoch, book.reason)
    assert (None, 1) == (book.venue_ms, len(book.bids))
    for depth in (0, -1, True, "5", 1.0):
        with pytest.raises(UsageError, match="depth"):
            book.apply_snapshot([], [], 4, depth=unchecked(depth))
    with pytest.raises(UsageError, match="sequence"):
        book.apply_snapshot([], [], SEQUENCE_MAX + 1)
    assert 2 == book.epoch


def test_changes_need_a_book() -> None:
    """Before a snapshot, and after a loss, there is nothing that changes could apply to; a closed book stays closed."""
    book = OrderBook("BTC-USDT")
    with pytest.raises(BookNotLive, match="no snapshot yet"):
        book.apply_changes([], [], 1)

    book.apply_snapshot(BIDS, ASKS, 10)
    book.mark(BookState.SYNCING, "gap", 0)
    with pytest.raises(BookNotLive, match="gap"):
        book.apply_changes([], [], 11)

    book.mark(BookState.CLOSED, "closed", 0)
    with pytest.raises(BookNotLive, match="CLOSED"):
        book.apply_snapshot(BIDS, ASKS, 12)
    assert BookState.CLOSED is book.state


def test_a_crossed_book_says_so() -> None:
    """Alone, a book is not taken out of LIVE by a cross: whoever feeds it asks."""
    book = live_book()
    book.apply_changes([("67012.4", 1)], [], 11)
    assert (False, True) == (book.is_crossed, book.is_locked)
    book.apply_changes([("67012.5", 1)], [], 12)
    assert (True, False, -0.1, True) == (book.is_crossed, book.is_locked, book.spread, book.is_live)
    assert Decimal("-0.1") == book.exact.spread


NO_COUNT = [-1, True, 1.0, "1", None, Decimal(1)]
NO_NUMBER = [-1, "x", float("nan"), Decimal("-0.1"), Fraction(-1, 2), True, b"1", []]
NO_RAW_NUMBER = [1.0, "1", Decimal(1), -1, Fraction(-1, 2), True, []]
NO_SIDE = ["bid", -1, None, BookState.LIVE]

BAD_ARGUMENTS: list[tuple[str, Callable[[Any, Any], Any], list[Any]]] = [
    ("^n is", lambda book, value: book.depth(value), NO_COUNT),
    ("^n is", lambda book, value: book.view(value), NO_COUNT),
    ("^n is", lambda book, value: book.bids.top(value), NO_COUNT),
    ("^levels is", lambda book, value: book.cumulative(Side.BID, value), [-1, True, 1.0, "1"]),
    ("^levels is", lambda book, value: book.imbalance(levels=value), [0, -1, True, 1.0, "1"]),
    ("^bps", lambda book, value: book.depth_within(bps=value), [*NO_NUMBER, None]),
    ("^bps", lambda book, value: book.raw.imbalance(bps=value), NO_NUMBER),
    ("^price", lambda book, value: book.depth_to(Side.BID, value), [*NO_NUMBER, None]),
    ("^price", lambda book, value: book.bids.size_at(value), [*NO_NUMBER, None]),
    ("^price", lambda book, value: value in book.exact.bids, [*NO_NUMBER, None]),
    ("^price", lambda book, value: book.raw.bids.size_at(value), [*NO_RAW_NUMBER, None]),
    ("^size", lambda book, value: book.fill(Side.BID, size=value), NO_NUMBER),
    ("^quote", lambda book, value: book.exact.fill(Side.BID, quote=value), NO_NUMBER),
    ("^quote", lambda book, value: book.raw.fill(Side.BID, quote=value), NO_RAW_NUMBER),
    ("^side is Side.BID or Side.ASK", lambda book, value: book.fill(value, size=1), NO_SIDE),
    ("^side is Side.BID or Side.ASK", lambda book, value: book.depth_to(value, 1), NO_SIDE),
    ("^side is Side.BID or Side.ASK", lambda book, value: book.cumulative(value), NO_SIDE),
    ("either levels or bps", lambda book, value: book.imbalance(**value), [{}, {"levels": 1, "bps": 1}]),
    ("either size or quote", lambda book, value: book.fill(Side.BID, **value), [{}, {"size": 1, "quote": 1}]),
    ("^a position is", lambda book, value: book.bids[value], ["0", True, 1.0, None]),
    ("^a slice's bound is", lambda book, value: book.bids[:value], ["0", True, 1.0]),
    ("step is not 0", lambda book, value: book.bids[::value], [0]),
]


@pytest.mark.parametrize(
    ("match", "ask", "value"), [(match, ask, value) for match, ask, values in BAD_ARGUMENTS for value in values]
)
def test_a_bad_argument_is_named(match: str, ask: Callable[[Any, Any], Any], value: Any) -> None:
    """An argument that cannot mean anything is a ``UsageError``, which is a ``ValueError`` too."""
    with pytest.raises(UsageError, match=match) as caught:
        ask(live_book(), value)
    assert isinstance(caught.value, ValueError)


def test_numbers_may_be_written_in_any_way() -> None:
    """A price is the same price as text, float, decimal or fraction; NumPy integers are integers."""
    book = live_book()

    for price in ("67012.3", "6.70123e4", 67012.3, Decimal("67012.30"), Fraction(670123, 10), np.float64(67012.3)):
        assert 0.00331 == book.bids.size_at(price)
        assert Decimal("0.00331") == book.exact.bids.size_at(price)
        assert price in book.bids
    assert 331 == book.raw.bids.size_at(np.int64(670123)) == book.raw.bids.size_at(Fraction(670123))
    assert 0 == book.raw.bids.size_at(Fraction(670123, 2))
    assert 0 == book.raw.bids.size_at(10**30) == book.raw.bids.size_at(Fraction(1, 3))
    assert 0.0 == book.depth_to(Side.BID, "9e29")
    assert 2 == len(book.depth(np.int64(2)).bids) == len(book.depth(10**30).bids)


def test_the_scales_can_be_read() -> None:
    """Raw numbers mean nothing without them; they grow with the finest value seen, and never raise."""
    book = live_book()
    assert (1, 5) == (book.raw.price_decimals, book.raw.size_decimals)
    book.apply_changes([("1.125", 1)], [], 11)
    book.mark(BookState.STALE, "", 0)
    assert (3, 5) == (book.price_decimals, book.last_known.size_decimals)


def test_a_dropped_book_is_freed_at_once() -> None:
    """No reader keeps its book alive in a cycle."""
    book = live_book()
    alive = weakref.ref(book)
    del book

    assert alive() is None


def test_types() -> None:
    """What a type checker says of each form, and of ``allow_partial``."""
    book = live_book()
    assert_type(book.best_bid, Level[float] | None)
    assert_type(book.bbo, BBO[float])
    assert_type(book.exact, Reader[Decimal, Decimal])
    assert_type(book.exact.best_bid, Level[Decimal] | None)
    assert_type(book.raw.spread, int | None)
    assert_type(book.raw.mid, Fraction | None)
    assert_type(book.last_known, LastKnown)
    assert_type(book.last_known.exact.mid, Decimal | None)
    assert_type(book.depth(1), Depth)
    assert_type(book.bids[0], Level[float])
    assert_type(book.exact.bids[:1], list[Level[Decimal]])
    assert_type(book.bids.top(1), list[Level[float]])
    assert_type(book.bids.top(1, allow_partial=True), Marked[list[Level[float]]])
    assert_type(book.depth_within(bps=1), Band[float])
    assert_type(book.depth_to(Side.BID, 1), float)
    assert_type(book.raw.depth_to(Side.BID, 1, allow_partial=True), Marked[int])
    assert_type(book.raw.imbalance(levels=1), Fraction | None)
    assert_type(book.imbalance(bps=1, allow_partial=True), Marked[float | None])
    assert_type(book.raw.fill(Side.BID, size=1), Fill[int, Fraction])
    assert_type(book.cumulative(Side.BID), npt.NDArray[Any])
    assert_type(book.cumulative(Side.BID, allow_partial=True), Marked[npt.NDArray[Any]])
    assert_type(book.exact.view(1), BookView[Decimal])


@pytest.mark.parametrize(
    ("bid", "told"),
    [
        (
            (0.1 * 3, 1),
            "'0.30000000000000004' has 17 decimals, and beside it 67019.00123000001 does not fit 64 bits: it has to be",
        ),
        ((5, 1e-19), "'0.0000000000000000001' has 19 decimals, and beside it 2 does not fit 64 bits: it has to be"),
        ((10**15, "0.5"), "'1000000000000000' does not fit 64 bits with 11 decimals"),
        ((10**20, "0.5"), "'100000000000000000000' does not fit 64 bits with 0 decimals"),
    ],
)
def test_the_number_that_is_too_fine_is_the_one_that_is_blamed(bid: tuple[float, float | str], told: str) -> None:
    """Not one that was held before it came; but one that is too large, for the scales or alone, is blamed itself."""
    book = OrderBook("BTC-USDT")
    book.apply_snapshot([("67012.3", "2")], [("67020", "2")], 1)
    book.apply_changes([(67012.3 * 1.0001, 2)], [], 2)
    with pytest.raises(NumberError) as caught:
        book.apply_changes([bid], [], 3)

    assert told in str(caught.value)


@pytest.mark.parametrize("symbol", ["", None, b"BTC-USDT", 7])
def test_a_book_has_a_symbol(symbol: str) -> None:
    """A text, and not an empty one."""
    with pytest.raises(UsageError, match="a book is that of a symbol, such as 'BTC-USDT', not of "):
        OrderBook(symbol)


def test_what_was_never_known_is_not_offered() -> None:
    """The last known book is named in the refusal from the first snapshot on."""
    book = OrderBook("BTC-USDT")
    with pytest.raises(BookNotLive) as never:
        _ = book.mid
    book.apply_snapshot([("5", "1")], [("7", "1")], 1)
    book.mark(BookState.STALE, "too old", 0)
    with pytest.raises(BookNotLive) as once:
        _ = book.mid

    assert "book of BTC-USDT is CONNECTING: no snapshot yet" == str(never.value)
    assert "book of BTC-USDT is STALE: too old; book.last_known reads the last one anyway" == str(once.value)
    assert str(never.value) == str(pickle.loads(pickle.dumps(never.value)))


def test_a_level_is_in_the_side_that_has_it() -> None:
    """With its very size, in every form; a price alone is in it, whatever stands there."""
    book = live_book()
    for form in map(unchecked, (book, book.exact, book.raw)):
        for level in form.bids:
            assert level in form.bids
            assert level.price in form.bids
            assert level not in form.asks
            assert level._replace(size=level.size + level.size) not in form.bids
            assert level._replace(size=level.size - level.size) not in form.bids
