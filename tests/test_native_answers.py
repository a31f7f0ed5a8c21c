"""Queries that the compiled twin answers by itself: whatever is asked, the answer is that of the Python method.

The methods are compared with the Python functions that stand behind them, which ``test_queries.py`` holds against
fractions. On the pure twin both are the same function.
"""

from __future__ import annotations

import gc
import inspect
import pydoc
import random
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from importlib import import_module
from operator import getitem
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orderbook.accelerator import ACCELERATOR
from orderbook.book import OrderBook
from orderbook.errors import BeyondHorizon, BookNotLive, UsageError
from orderbook.fixedpoint import RAW_MAX
from orderbook.reader import Reader
from orderbook.side import SideView
from orderbook.types import BookState, Side
from tests.books import Clock, live_book
from tests.strategies import PlainBook, plain_books

PROPERTIES = ("best_bid", "best_ask", "bbo", "spread", "spread_bps", "mid", "microprice", "is_crossed", "is_locked")
METHODS = ("depth", "depth_within", "imbalance", "fill")

wide_books = st.builds(
    PlainBook,
    st.sampled_from([0, 8, 11, 22, 25]),
    st.sampled_from([0, 8, 11, 22, 25]),
    st.dictionaries(st.integers(1, 50), st.integers(1, 2**62), max_size=4),
    st.dictionaries(st.integers(40, 90), st.integers(1, 9), max_size=4),
)
books = plain_books() | plain_books(crossed=True) | wide_books
depths = st.none() | st.integers(1, 9)
odd_counts = [2**62, 2**64, True, 2.0, None, "2", np.int64(2), Fraction(2)]
counts: st.SearchStrategy[Any] = st.integers(-1, 12) | st.sampled_from(odd_counts)
numbers: st.SearchStrategy[Any] = (
    st.integers(-1, 30)
    | st.floats(0, 100)
    | st.integers(0, 10**6).map(lambda number: number / 1000)
    | st.integers(0, 2**70)
    | st.floats()
    | st.fractions(0, 50)
    | st.sampled_from([Decimal("2.5"), "1.5", "x", "-1", None, True, np.float64(0.5), -0.0, 1e-12, 1e15, 0.1 + 0.2])
)


def book_of(model: PlainBook, depth: int | None) -> OrderBook:
    """The book, with a horizon where a side has so many levels."""
    if depth is None or not (model.bids and model.asks):
        return model.build()
    return model.build(depth=depth)


def plainly(answer: Any) -> Any:
    """An answer as values that are equal only if they are the same, bit for bit, and of the same types."""
    if isinstance(answer, np.ndarray):
        return "array", answer.dtype.str, answer.shape, answer.flags.owndata, repr(answer.tolist())
    if isinstance(answer, tuple | list):
        return type(answer), [plainly(part) for part in answer]
    return type(answer), repr(answer)


def outcome(question: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """What is answered, or which error is raised."""
    try:
        return plainly(question(*args, **options))
    except Exception as error:  # noqa: BLE001 - any error has to be the same
        return type(error), str(error)


def readers(book: OrderBook) -> Iterator[Reader[Any, Any]]:
    """Those that may answer natively, and one that never does."""
    return iter((book, book.last_known, book.exact))


@given(model=books, depth=depths, is_live=st.booleans())
@example(model=PlainBook(0, 0, {1: 1}, {2**60: 1}), depth=None, is_live=True)
@example(model=PlainBook(0, 0, {2**62: 2**62}, {2**62 + 1: 2**62}), depth=None, is_live=True)
def test_the_touch(model: PlainBook, depth: int | None, is_live: bool) -> None:
    """Each property is what its function says, in any state, whole or in part."""
    book = book_of(model, depth)
    if not is_live:
        book.mark(BookState.STALE, "for a test", 0)
    for reader in readers(book):
        for name in PROPERTIES:
            function = inspect.getattr_static(Reader, name).fget
            assert outcome(function, reader) == outcome(getattr, reader, name), name


@given(model=books, depth=depths, n=counts, number=numbers, allow=st.sampled_from([False, True, 1, None]))
@example(model=PlainBook(2, 8, {10: 2**55 - 1, 9: 2**62}, {11: 2**55}), depth=None, n=2, number=3, allow=False)
@example(model=PlainBook(0, 0, {RAW_MAX - 1: 3}, {RAW_MAX: RAW_MAX}), depth=None, n=1, number=2, allow=False)
@example(model=PlainBook(0, 0, {}, {2**31 + at: 2**30 for at in range(8)}), depth=None, n=8, number=2**33, allow=False)
@example(model=PlainBook(0, 8, {1: 3708801759493319391}, {}), depth=None, n=1, number=1, allow=False)
@example(model=PlainBook(0, 22, {3: 1}, {4: 1}), depth=None, n=1, number=0, allow=False)
@example(model=PlainBook(0, 0, {1: 2**53}, {2: 1}), depth=None, n=1, number=0, allow=False)
def test_any_question(model: PlainBook, depth: int | None, n: Any, number: Any, allow: Any) -> None:
    """Answers and errors are those of the function, whatever the book and the arguments."""
    book = book_of(model, depth)
    questions: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
        ("depth", (n,), {}),
        ("depth_within", (), {"bps": number}),
        ("imbalance", (), {"levels": n}),
        ("imbalance", (), {"bps": number}),
        ("imbalance", (), {"levels": n, "bps": number}),
        *(("fill", (side,), {word: number}) for side in (Side.BID, Side.ASK, "ask") for word in ("size", "quote")),
        ("fill", (Side.BID,), {}),
        ("fill", (Side.BID,), {"size": number, "quote": number}),
    ]
    for reader in readers(book):
        for name, args, options in questions:
            for more in ({}, {"allow_partial": allow}):
                function = inspect.unwrap(getattr(Reader, name))
                expected = outcome(function, reader, *args, **options, **more)
                actual = outcome(getattr(reader, name), *args, **options, **more)
                assert expected == actual, (name, args, options, more)


@given(
    model=books,
    depth=depths,
    index=counts | st.builds(slice, counts) | st.builds(slice, counts, counts, st.none() | st.integers(-2, 2)),
    n=counts,
)
def test_any_levels(model: PlainBook, depth: int | None, index: Any, n: Any) -> None:
    """Positions, slices and ``top`` are what the Python functions make of them."""
    book = book_of(model, depth)
    at, top = PURE_SIDE["__getitem__"], PURE_SIDE["top"]
    for reader in readers(book):
        for side in (reader.bids, reader.asks):
            for _ in range(2):
                assert outcome(at, side, index) == outcome(getitem, side, index)
                assert outcome(top, side, n) == outcome(side.top, n)
                assert outcome(top, side, n, allow_partial=True) == outcome(side.top, n, allow_partial=True)


def pure_side() -> dict[str, Callable[..., Any]]:
    """The Python functions behind the methods of a side."""
    if ACCELERATOR == "pure":
        return {name: getattr(SideView, name) for name in ("__getitem__", "top")}
    functions: dict[str, Callable[..., Any]] = import_module("orderbook.compiled.sides").pure_methods()
    return functions


PURE_SIDE = pure_side()


def large_book(count: int) -> OrderBook:
    """A book of so many levels a side, of random sizes."""
    chance = random.Random(7)
    bids = [(6_701_234 - 3 * step, chance.randrange(1, 10**9)) for step in range(count)]
    asks = [(6_701_237 + 2 * step, chance.randrange(1, 10**9)) for step in range(count)]
    return PlainBook(2, 8, dict(bids), dict(asks)).build()


@pytest.mark.parametrize("n", [1, 20, 127, 128, 129, 255, 256, 257, 700, 1_000, 5_000])
def test_many_levels(n: int) -> None:
    """Also where the levels asked for do not lie together in memory."""
    book = large_book(1_000)
    size = sum(level.size for level in book.asks.top(n))
    for name, args, options in (
        ("depth", (n,), {}),
        ("depth_within", (), {"bps": n / 10}),
        ("imbalance", (), {"levels": n}),
        ("fill", (Side.ASK,), {"size": round(size, 8)}),
        ("fill", (Side.BID,), {"size": n}),
    ):
        function = inspect.unwrap(getattr(Reader, name))
        assert outcome(function, book, *args, **options) == outcome(getattr(book, name), *args, **options)
    for side in (book.bids, book.asks):
        assert outcome(PURE_SIDE["top"], side, n) == outcome(getitem, side, slice(n))
        assert outcome(PURE_SIDE["top"], side, n) == outcome(side.top, n)


changes = st.one_of(
    st.tuples(st.just("row"), st.sampled_from(Side), st.integers(90, 110), st.integers(0, 3)),
    st.tuples(st.just("finer"), st.sampled_from(Side), st.integers(90, 110), st.integers(1, 3)),
    st.tuples(st.just("swap"), st.sampled_from(Side), st.integers(90, 110), st.integers(1, 3)),
    st.tuples(st.just("spoil"), st.sampled_from(Side), st.integers(0, 30), st.just(0)),
)


@given(steps=st.lists(st.tuples(changes, st.lists(st.integers(0, 24), max_size=3)), max_size=30))
def test_levels_are_right_after_every_change(steps: list[Any]) -> None:
    """Whatever was read before, ``[:n]`` shows the present levels, and no list that was handed out changes."""
    book = OrderBook("TEST-USDT")
    rows = [(str(price), "2") for price in range(90, 111)]
    book.apply_snapshot(rows[:10], rows[10:], 1)
    handed_out: list[tuple[list[Any], str]] = []
    for (kind, side, price, size), reads in steps:
        row = [(f"{price}.{'0' * book.price_decimals}5" if kind == "finer" else str(price), str(size))]
        bids, asks = (row, []) if side is Side.BID else ([], row)
        view = book.bids if side is Side.BID else book.asks
        if kind == "spoil":
            del view[:price][1:]
        elif kind == "swap":
            book.apply_snapshot(rows[:size] + bids, rows[10:] + asks, book.sequence + 1)
        elif book.price_decimals < 9 or kind == "row":
            book.apply_changes(bids, asks, book.sequence + 1)
        for n in reads:
            for each in (book.bids, book.asks):
                found = each[:n]
                assert repr(PURE_SIDE["top"](each, n)) == repr(found)
                handed_out.append((found, repr(found)))
    assert [text for _, text in handed_out] == [repr(found) for found, _ in handed_out]


def test_the_same_integers_at_another_scale() -> None:
    """A new snapshot whose scaled integers are those of the old one holds other numbers."""
    book = OrderBook("TEST-USDT")
    book.apply_snapshot([("15", "3")], [], 1)
    assert [(15.0, 3.0)] == book.bids[:1]
    book.apply_snapshot([("1.5", "0.3")], [], 2)
    assert [(1.5, 0.3)] == book.bids[:1]


def test_levels_that_move_out_of_what_was_asked_for() -> None:
    """There is room for those only that are asked for, now or the last time."""
    for count in range(1, 80):
        book = large_book(count)
        for n in (count, count // 2, count):
            assert n == len(book.bids[:n])
            book.apply_changes([(f"{67013 + book.sequence}", "1")], [], book.sequence + 1)
            assert repr(PURE_SIDE["top"](book.bids, n)) == repr(book.bids[:n])


def test_lists_are_nobody_elses() -> None:
    """Of two that are held, neither is the other; and what was done to one that was let go of is not seen again."""
    book = large_book(30)
    first, second, third = book.bids[:5], book.bids[:5], book.bids[:5]
    expected = list(first)
    assert len({id(first), id(second), id(third)}) == 3
    first.clear()
    second[0] = third[1]
    third.reverse()
    del first, second, third
    for _ in range(4):
        found = book.bids[:5]
        assert expected == found
        found.pop()


def test_arrays_are_copies() -> None:
    """An array may be kept and written to: the book and other arrays know nothing of it."""
    book = live_book()
    first = book.depth(2)
    expected = first.bids.tolist()
    book.apply_changes([("67012.3", "9")], [], 11)
    assert expected == first.bids.tolist()
    changed = book.depth(2)
    changed.bids[:] = 0
    assert [[67012.3, 9.0], [67012.2, 1.5]] == book.depth(2).bids.tolist()


@pytest.mark.skipif(ACCELERATOR == "pure", reason="only the compiled twin keeps levels")
def test_only_what_changed_is_made_anew() -> None:
    """A level that is still right is the same object as before, wherever it stands now."""
    book = large_book(30)
    before = book.bids[:10]
    book.apply_changes([("67012.35", "1"), (str(before[3].price), "7"), (str(before[6].price), "0")], [], 2)
    after = book.bids[:10]
    assert [*before[:3], *before[4:6], *before[7:]] == [level for level in after if any(level is old for old in before)]
    assert book.bids is book.bids


@pytest.mark.parametrize("n", [1, 3, 20])
def test_code_that_runs_in_between(n: int) -> None:
    """The collector may run other code while levels are made: it may read and change the book."""
    book = large_book(30)
    seen: list[int] = []

    def meddle(phase: str, _: dict[str, int]) -> None:
        if phase == "start" and len(seen) < 200:
            book.apply_changes(
                [(f"{66_000 + len(seen)}", "1"), (str(67012.34), str(1 + len(seen)))], [], book.sequence + 1
            )
            seen.append(len(book.bids[:20]) + len(book.bids[:n]) + len(book.depth(3).bids))

    before = gc.get_threshold()
    gc.callbacks.append(meddle)
    gc.set_threshold(1)
    try:
        found = [[*book.bids[:n]] for _ in range(300)]
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(meddle)
    assert seen
    assert {n} == {len(levels) for levels in found}
    assert all(levels == sorted(levels, reverse=True) for levels in found)
    assert repr(PURE_SIDE["top"](book.bids, n)) == repr(book.bids[:n])


def test_a_book_that_is_not_live_refuses() -> None:
    """Also through a side that was taken earlier; ``last_known`` goes on."""
    book = live_book()
    bids, levels = book.bids, book.bids[:2]
    book.mark(BookState.STALE, "for a test", 0)
    for question in (
        lambda: bids[:2],
        lambda: bids[0],
        lambda: bids.top(2),
        lambda: book.bids,
        lambda: book.depth(1),
        lambda: book.depth_within(bps=1),
        lambda: book.imbalance(levels=1),
        lambda: book.fill(Side.ASK, size=1),
        lambda: book.microprice,
    ):
        with pytest.raises(BookNotLive, match="for a test"):
            question()
    assert levels == book.last_known.bids[:2]


def test_age_is_judged_at_every_question() -> None:
    """With ``max_age_ms`` the clock has its say each time."""
    clock = Clock()
    book = OrderBook("TEST-USDT", clock=clock, max_age_ms=5)
    book.apply_snapshot([("1", "1")], [("2", "1")], 1)
    bids = book.bids
    assert (1, 0.0) == (len(bids[:3]), book.imbalance(levels=1))
    clock.now_ns = 6_000_000
    for question in (lambda: bids[:3], lambda: book.bids, lambda: book.imbalance(levels=1)):
        with pytest.raises(BookNotLive, match="nothing heard for 6 ms"):
            question()


def test_a_bound_that_is_far_away() -> None:
    """Costs nothing, on a whole side and on a partial one: nobody counts up to it."""
    book = OrderBook("TEST-USDT")
    book.apply_snapshot([("2", "1"), ("1", "1")], [("3", "1")], 1, depth=2)
    with pytest.raises(BeyondHorizon):
        book.bids[: 2**70]
    assert [] == book.bids[2**70 : 5]
    assert 1 == len(book.asks[: 2**70])


def test_past_a_horizon() -> None:
    """A partial side is never answered beyond what is known."""
    book = OrderBook("TEST-USDT")
    book.apply_snapshot([("2", "1"), ("1", "1")], [("3", "1"), ("4", "1")], 1, depth=2)
    for question in (lambda: book.bids[:3], lambda: book.imbalance(levels=3), lambda: book.fill(Side.ASK, size=3)):
        with pytest.raises(BeyondHorizon):
            question()
    assert (2, 2.0) == (len(book.bids[:2]), book.fill(Side.ASK, size=2).filled)


@pytest.mark.parametrize("name", METHODS)
def test_methods_look_like_the_python_ones(name: str) -> None:
    """Signature, documentation and name; ``help`` shows them."""
    method = getattr(Reader, name)
    function = inspect.unwrap(method)
    page = pydoc.plain(pydoc.render_doc(Reader))
    assert inspect.signature(function) == inspect.signature(method)
    assert (name, f"Reader.{name}", "orderbook.reader") == (method.__name__, method.__qualname__, method.__module__)
    assert function.__doc__ == method.__doc__
    assert f"{name}(self," in "".join(page.replace("|", "").split())  # some Pythons break the line
    assert str(function.__doc__).splitlines()[0] in page


@pytest.mark.parametrize("name", [*PROPERTIES, "bids", "asks"])
def test_properties_cannot_be_set(name: str) -> None:
    """And they are documented."""
    with pytest.raises(AttributeError):
        setattr(live_book(), name, 1)
    assert inspect.getattr_static(Reader, name).__doc__


def test_wrong_calls() -> None:
    """Arguments that no method has are refused as by any Python function."""
    book: Any = live_book()
    fill: Any = Reader.fill
    questions: tuple[Callable[[], Any], ...] = (
        book.depth,
        lambda: book.depth(1, 2),
        book.fill,
        lambda: book.fill(Side.BID, 1),
        lambda: book.imbalance(1),
        book.depth_within,
        lambda: book.depth_within(bps=1, other=2),
        lambda: fill(object(), Side.BID, size=1),
        book.bids.top,
    )
    for question in questions:
        with pytest.raises((TypeError, AttributeError)):
            question()
    with pytest.raises(UsageError, match="imbalance takes either levels or bps"):
        book.imbalance()
