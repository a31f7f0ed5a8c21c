"""Changes that are parsed already: the native way gives what the way of Python gives, or leaves the case to it."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import orderbook
from orderbook import BookState, OrderBook
from tests.strategies import number_texts

BIDS = [("67012.3", "0.5"), ("67012.2", "1"), ("67010", "2.25")]
ASKS = [("67012.4", "0.75"), ("67013", "3"), ("67020.5", "0.001")]


class Text(str):
    """A text that is not quite one."""

    __slots__ = ()


class Real(float):
    """A float that is not quite one."""


near = st.sampled_from([*(price for price, _ in BIDS + ASKS), "67011.9", "67012.35", "67030"])
"""Prices at which there is, or could be, something."""

prices = st.one_of(near, near.map(float), near.map(Decimal), st.integers(0, 70_000))
sizes = st.one_of(
    st.sampled_from(
        ["0", "0.0", "1", "0.125", "2.50", 0, 0.0, -0.0, 1, 7, 0.1, 0.3, 1e-8, 5e-324, 1e15, Decimal("0.5")]
    ),
    st.floats(0, 1e12, allow_subnormal=True),
    st.decimals(0, 1_000, places=8).map(float),
    number_texts,
)
odd_texts = ["", "x", "1e3", "+1", " 1", "1 ", "01", ".5", "1.", "٣", "1\0", "9" * 18, "9" * 19, "0." + "1" * 18]
odd_numbers: list[Any] = [
    None,
    True,
    math.nan,
    math.inf,
    -1,
    -0.5,
    b"1",
    10**18,
    10**40,
    2**63,
    Text("1.5"),
    Real(1.5),
    [],
    Decimal("NaN"),
]
odd: st.SearchStrategy[Any] = st.sampled_from([*odd_texts, *odd_numbers])
values: st.SearchStrategy[Any] = st.one_of(sizes, odd)
pairs = (
    st.tuples(prices, sizes)
    | st.tuples(prices | odd, values)
    | st.sampled_from([(), ("1",), ("1", "2", "3"), "12", None])
)
rows = st.lists(
    pairs.map(lambda pair: list(pair) if isinstance(pair, tuple) and len(pair) == 2 else pair), max_size=4
) | st.lists(pairs, max_size=4)
odd_times: list[Any] = [-1, -5, 2**63, 2**70, 10**5000, 1.5, "5", True, Decimal(5), b"5"]
containers = st.sampled_from([list, tuple, iter])


def filled() -> OrderBook:
    """A book at 10."""
    book = OrderBook("BTC-USDT")
    book.apply_snapshot(BIDS, ASKS, 10, venue_ms=5)
    return book


def outcome(book: OrderBook, way: Any, *arguments: Any) -> Any:
    """What came of a call: the error's class and words, and everything the book then is."""
    error = None
    try:
        way(*arguments)
    except orderbook.OrderBookError as problem:
        error = (type(problem), str(problem))
    book.verify()
    content = book.content
    counts = (content.price_zero_count, content.remove_absent_count, book.touch_count)
    levels = [list(content.bids), list(content.asks), content.price_decimals, content.size_decimals]
    return error, levels, counts, book.sequence, book.venue_ms, book.best_bid, book.best_ask


@given(
    rows,
    rows,
    st.sampled_from([11, 12, 2**63 - 1, 2**63, 10, 9, -1, True, 11.0, None, "11"]),
    st.sampled_from([None, 0, 6, *odd_times]),
    containers,
)
def test_both_ways_end_alike(bids: Any, asks: Any, sequence: Any, venue_ms: Any, container: Any) -> None:
    """Whatever the rows are: the same levels, scales, counters and errors."""
    one, other = filled(), filled()

    found = outcome(one, lambda: one.apply_changes(container(bids), container(asks), sequence, venue_ms=venue_ms))
    expected = outcome(other, other._apply_changes, container(bids), container(asks), sequence, venue_ms)

    assert expected == found


@pytest.mark.parametrize("value", [*odd_texts, *odd_numbers], ids=ascii)
@pytest.mark.parametrize("place", [0, 1])
def test_one_odd_value_is_judged_alike(value: Any, place: int) -> None:
    """A value that only Python's way can judge, among good ones, is refused or taken as there; nothing else changes."""
    row = ["67012.3", "0.25"]
    row[place] = value
    one, other = filled(), filled()

    found = outcome(one, one.apply_changes, [("67012.1", "1"), row], [("67012.5", "2")], 11)
    expected = outcome(other, other._apply_changes, [("67012.1", "1"), row], [("67012.5", "2")], 11, None)

    assert expected == found


@pytest.mark.parametrize("sequence", [-1, 9, 10, 11, 2**63 - 1, 2**63, True, 11.0, "11", None], ids=ascii)
def test_a_sequence_is_judged_alike(sequence: Any) -> None:
    """Good rows at a sequence that does not advance the book, or is none."""
    one, other = filled(), filled()

    found = outcome(one, one.apply_changes, [("67012.3", 2)], [], sequence)
    expected = outcome(other, other._apply_changes, [("67012.3", 2)], [], sequence, None)

    assert expected == found


@pytest.mark.parametrize("venue_ms", [*odd_times, None, 0, 2**63 - 1], ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("container", [list, iter])
def test_a_time_is_judged_first(container: Any, venue_ms: Any) -> None:
    """What is no time is refused before anything changes, by changes and by a snapshot; any other one reads back."""
    book = filled()
    before = outcome(book, int)
    is_wrong = any(venue_ms is odd for odd in odd_times)

    for change in (book.apply_changes, book.apply_snapshot):
        error = outcome(book, lambda change=change: change(container([("67012.3", 2)]), [], 11, venue_ms=venue_ms))[0]
        assert is_wrong == (error is not None and error[0] is orderbook.UsageError)
        if is_wrong:
            assert before == outcome(book, int)
        else:
            assert (5 if venue_ms is None and change == book.apply_changes else venue_ms) == book.venue_ms


@given(st.floats(0, 1e16, allow_subnormal=True) | st.decimals(0, 10**7, places=8).map(float))
def test_a_float_is_its_shortest_text(value: float) -> None:
    """A size given as a float is the number that its shortest text names, at whatever scale the book has."""
    book = filled()
    book.apply_changes([("67012.1", "0.00000001")], [], 11)
    try:
        book.apply_changes([("67000", value)], [], 12)
    except orderbook.OrderBookError:
        return

    sizes = {level.price: level.size for level in book.exact.bids}
    assert Decimal(repr(value)) == sizes.get(Decimal(67000), Decimal(0))


@given(
    st.integers(0, 22),
    st.integers(0, 22),
    st.lists(st.floats(0, 1e16, allow_subnormal=True) | st.decimals(0, 10**7, places=9).map(float), max_size=3),
)
def test_floats_end_alike_at_any_scale(price_decimals: int, size_decimals: int, values: list[float]) -> None:
    """Prices and sizes as floats, where the book has few decimals or more than are exact as doubles."""
    one, other = OrderBook("BTC-USDT"), OrderBook("BTC-USDT")
    level = (f"{Decimal(10) ** -price_decimals:f}", f"{Decimal(10) ** -size_decimals:f}")
    rows = [(value, size) for value in values for size in values]
    for book in (one, other):
        book.apply_snapshot([level], [], 10)

    found = outcome(one, one.apply_changes, rows, [], 11)
    expected = outcome(other, other._apply_changes, rows, [], 11, None)

    assert expected == found


@pytest.mark.parametrize("half", [0.1 + 0.2, 0.1 * 3, 1.1 * 1.1])
def test_a_float_with_many_digits_keeps_them(half: float) -> None:
    """A float that is no short decimal is taken exactly as it is written, not as what it is near to."""
    book = filled()

    book.apply_changes([("67012.3", half)], [], 11)

    assert book.exact.best_bid is not None
    assert Decimal(repr(half)) == book.exact.best_bid.size


def test_a_book_that_others_keep_is_not_changed() -> None:
    """The native way asks who may change the book, as the way of Python does."""
    book = filled()
    book.keep()

    with pytest.raises(orderbook.UsageError):
        book.apply_changes([("67012.3", "9")], [], 11)

    assert (10, 0.5) == (book.sequence, book.best_bid and book.best_bid.size)


def test_a_book_with_a_clock_hears() -> None:
    """A change makes a book with a clock younger, on every way."""
    times = iter(range(100, 200))
    book = OrderBook("BTC-USDT", clock=lambda: next(times))
    book.apply_snapshot(BIDS, ASKS, 10)
    before = book.heard_ns

    book.apply_changes([("67012.3", "9")], [], 11)

    assert before is not None
    assert book.heard_ns is not None
    assert book.heard_ns > before


def test_a_book_that_is_not_live_refuses() -> None:
    """No changes without a snapshot, and none for a book that was marked."""
    book = filled()
    book.mark(BookState.STALE, "a test", 0)

    with pytest.raises(orderbook.BookNotLive):
        book.apply_changes([("67012.3", "9")], [], 11)


def test_many_rows_at_once() -> None:
    """A message with more rows than memory is kept for is applied like others, and so is the next one."""
    book = filled()
    many = [(str(price), "1") for price in range(1, 10_001)]

    book.apply_changes(many, [], 11)
    book.apply_changes([("67012.3", "9")], [], 12)

    assert (10_003, 9.0) == (len(book.bids), book.best_bid and book.best_bid.size)
