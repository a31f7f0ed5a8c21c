"""Every query, in every form, against straightforward arithmetic with fractions on random books."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orderbook import queries
from orderbook.fixedpoint import RAW_MAX
from orderbook.types import Side
from tests.expected import FORMS, argument, check_array, check_level, check_levels, check_quotient, check_value, reader
from tests.strategies import Levels, PlainBook, plain_books

forms = pytest.mark.parametrize("form", FORMS)
any_book = plain_books() | plain_books(crossed=True)
two_sided = plain_books(least=1) | plain_books(least=1, crossed=True)
amounts = st.fractions(0, 20) | st.fractions(0, 10**12) | st.integers(0, 2**70).map(Fraction)


def total(levels: Levels) -> Fraction:
    """Sum of the sizes."""
    return sum((size for _, size in levels), Fraction(0))


def ratio(bids: Fraction, asks: Fraction) -> Fraction | None:
    """Imbalance of two sizes."""
    return (bids - asks) / (bids + asks) if bids + asks else None


def within(model: PlainBook, bps: Fraction) -> tuple[Fraction, Fraction] | None:
    """Sizes from the touch to the edges of the band."""
    bids, asks = model.levels(Side.BID), model.levels(Side.ASK)
    if not bids or not asks:
        return None
    mid = (bids[0][0] + asks[0][0]) / 2
    low, high = mid * (1 - bps / 10_000), mid * (1 + bps / 10_000)
    return total([level for level in bids if level[0] >= low]), total([level for level in asks if level[0] <= high])


def bands(model: PlainBook) -> st.SearchStrategy[Fraction]:
    """Bands of any width, and those whose edge is exactly on a level."""
    bids, asks = model.levels(Side.BID), model.levels(Side.ASK)
    anywhere = st.fractions(0, 20_000) | st.fractions(0, 10)
    if not bids or not asks:
        return anywhere
    mid = (bids[0][0] + asks[0][0]) / 2
    return anywhere | st.sampled_from([abs(price - mid) / mid * 10_000 for price, _ in [*bids, *asks]])


def prices(model: PlainBook) -> st.SearchStrategy[Fraction]:
    """Prices anywhere, and those of levels."""
    known = [price for side in Side for price, _ in model.levels(side)]
    anywhere = st.fractions(0, 50) | st.integers(0, 2**70).map(Fraction)
    return anywhere | st.sampled_from(known) if known else anywhere


@forms
@given(model=any_book)
def test_the_touch(form: str, model: PlainBook) -> None:
    """Best levels, and what follows from both of them; nothing is made up for an empty side."""
    book = model.build()
    answers = reader(book, form)
    bid, ask = (next(iter(model.levels(side)), None) for side in (Side.BID, Side.ASK))
    check_level(book, form, bid, answers.best_bid)
    check_level(book, form, ask, answers.best_ask)
    assert (answers.best_bid, answers.best_ask) == answers.bbo

    spread: Fraction | None = None
    mid = bps = microprice = spread
    if bid is not None and ask is not None:
        spread, mid = ask[0] - bid[0], (ask[0] + bid[0]) / 2
        bps = spread / mid * 10_000
        microprice = (bid[0] * ask[1] + ask[0] * bid[1]) / (bid[1] + ask[1])
    check_value(book, form, "price", spread, answers.spread)
    check_quotient(book, form, "price", mid, answers.mid)
    check_quotient(book, form, "one", bps, answers.spread_bps)
    check_quotient(book, form, "price", microprice, answers.microprice)
    assert (spread is not None and spread < 0) == answers.is_crossed
    assert (spread == 0) == answers.is_locked


@forms
@given(model=any_book, n=st.integers(0, 10))
def test_levels(form: str, model: PlainBook, n: int) -> None:
    """The best n of each side, however they are asked for, are the same levels."""
    book = model.build()
    answers = reader(book, form)
    depth, view = answers.depth(n), answers.view(n)

    for side, array, rows, listed in (
        (Side.BID, depth.bids, view.bids, answers.bids),
        (Side.ASK, depth.asks, view.asks, answers.asks),
    ):
        levels = model.levels(side)
        check_array(book, form, levels[:n], array)
        check_levels(book, form, levels[:n], rows)
        check_levels(book, form, levels[:n], listed.top(n))
        check_levels(book, form, levels, list(listed))
        check_levels(book, form, levels[::-1], list(reversed(listed)))
        assert len(levels) == len(listed)
        assert listed.horizon is None
    assert (False, False) == (depth.partial, view.partial)


@forms
@given(
    model=plain_books(), start=st.none() | st.integers(-10, 10), stop=st.none() | st.integers(-10, 10), data=st.data()
)
def test_positions_and_slices_follow_a_list(
    form: str, model: PlainBook, start: int | None, stop: int | None, data: st.DataObject
) -> None:
    """``bids[i]`` and ``bids[i:j:k]`` of a complete side do what a list of its levels does."""
    step = data.draw(st.none() | st.sampled_from([-3, -2, -1, 1, 2, 3]))
    index = data.draw(st.integers(-10, 10))
    book = model.build()
    for side in Side:
        levels = model.levels(side)
        listed = reader(book, form).bids if side is Side.BID else reader(book, form).asks
        check_levels(book, form, levels[start:stop:step], listed[start:stop:step])
        if -len(levels) <= index < len(levels):
            check_level(book, form, levels[index], listed[index])
        else:
            with pytest.raises(IndexError, match=f"no level {index} among {len(levels)}"):
                listed[index]


@forms
@given(model=any_book, data=st.data())
def test_prices(form: str, model: PlainBook, data: st.DataObject) -> None:
    """Size at a price, and size from the touch to a price inclusive."""
    book = model.build()
    price = data.draw(prices(model))
    written = argument(book, form, price, "price")
    for side, listed in ((Side.BID, reader(book, form).bids), (Side.ASK, reader(book, form).asks)):
        levels = model.levels(side)
        reached = [level for level in levels if side.value * level[0] <= side.value * price]
        check_value(book, form, "size", dict(levels).get(price, Fraction(0)), listed.size_at(written))
        check_value(book, form, "size", total(reached), reader(book, form).depth_to(side, written))
        assert (price in dict(levels)) == (written in listed)


@forms
@given(model=any_book, data=st.data())
def test_bands(form: str, model: PlainBook, data: st.DataObject) -> None:
    """Sizes within a band around mid, its edges included, and their imbalance."""
    book = model.build()
    bps = data.draw(bands(model))
    sizes = within(model, bps)
    band = reader(book, form).depth_within(bps=bps)

    check_value(book, form, "size", None if sizes is None else sizes[0], band.bids)
    check_value(book, form, "size", None if sizes is None else sizes[1], band.asks)
    assert band.partial is False
    expected = None if sizes is None else ratio(*sizes)
    check_quotient(book, form, "one", expected, reader(book, form).imbalance(bps=bps))


@forms
@given(model=any_book, n=st.integers(1, 10))
def test_imbalance(form: str, model: PlainBook, n: int) -> None:
    """Over n levels a side: between -1 and 1, ``None`` for an empty book."""
    book = model.build()
    expected = ratio(total(model.levels(Side.BID)[:n]), total(model.levels(Side.ASK)[:n]))

    assert expected is None or -1 <= expected <= 1
    check_quotient(book, form, "one", expected, reader(book, form).imbalance(levels=n))


@forms
@given(model=any_book, n=st.none() | st.integers(0, 10))
def test_cumulative(form: str, model: PlainBook, n: int | None) -> None:
    """Each row holds the total size down to its price, also where the total passes 63 bits."""
    book = model.build()
    for side in Side:
        levels = model.levels(side)[:n]
        curve = [(price, total(levels[: index + 1])) for index, (price, _) in enumerate(levels)]
        check_array(book, form, curve, reader(book, form).cumulative(side, n))


def walked(levels: Levels, size: Fraction | None, quote: Fraction | None) -> dict[str, Any]:
    """Walk a ladder level by level."""
    filled = spent = Fraction(0)
    touched = []
    for price, available in levels:
        take = min(available, size - filled if size is not None else ((quote or 0) - spent) / price)
        if take:
            touched.append(price)
        filled += take
        spent += take * price
    return {
        "average": spent / filled if filled else None,
        "worst": touched[-1] if touched else None,
        "filled": filled,
        "quote": spent,
        "complete": filled == size if size is not None else spent == quote,
        "level_count": len(touched),
    }


def check_fill(book: Any, form: str, expected: dict[str, Any], actual: Any) -> None:
    """Each field of a fill."""
    check_quotient(book, form, "price", expected["average"], actual.average)
    check_value(book, form, "price", expected["worst"], actual.worst)
    check_quotient(book, form, "size", expected["filled"], actual.filled)
    check_quotient(book, form, "quote", expected["quote"], actual.quote)
    assert (expected["complete"], expected["level_count"]) == (actual.complete, actual.level_count)
    assert actual.partial is False


@forms
@given(model=any_book, amount=amounts, data=st.data())
def test_fill(form: str, model: PlainBook, amount: Fraction, data: st.DataObject) -> None:
    """For any size or quote amount, and for exactly what the first levels hold."""
    book = model.build()
    for side in Side:
        levels = model.levels(side)
        first = levels[: data.draw(st.integers(0, len(levels)))]
        for size in (amount, total(first)):
            actual = reader(book, form).fill(side, size=argument(book, form, size, "size"))
            check_fill(book, form, walked(levels, size, None), actual)
        for quote in (amount, sum((price * size for price, size in first), Fraction(0))):
            actual = reader(book, form).fill(side, quote=argument(book, form, quote, "quote"))
            check_fill(book, form, walked(levels, None, quote), actual)


@given(model=two_sided, bps=st.fractions(0, 5_000))
@example(model=PlainBook(1, 8, {670123: 331000}, {670124: 5}), bps=Fraction(1))
def test_what_always_holds(model: PlainBook, bps: Fraction) -> None:
    """Relations between the queries that no book breaks."""
    exact: Any = model.build().exact
    bid, ask = exact.best_bid, exact.best_ask
    band = exact.depth_within(bps=bps)
    everything = exact.depth_within(bps=10_000)
    touch = exact.fill(Side.ASK, size=ask.size)

    assert min(bid.price, ask.price) <= exact.microprice <= max(bid.price, ask.price)
    assert exact.spread == ask.price - bid.price
    assert (ask.price, ask.price, True, 1) == (touch.average, touch.worst, touch.complete, touch.level_count)
    assert band.bids <= everything.bids == exact.cumulative(Side.BID)[-1, 1]
    assert band.asks <= exact.cumulative(Side.ASK)[-1, 1]
    assert exact.depth_to(Side.BID, bid.price) == bid.size == exact.bids.size_at(bid.price)


@forms
def test_prices_at_the_end_of_the_range(form: str) -> None:
    """A limit that no 63-bit price can pass is passed by none, on either side."""
    book = PlainBook(0, 0, {RAW_MAX - 1: 3, 1: 5}, {RAW_MAX: 7}).build()
    answers = reader(book, form)

    for side, limit, size in (
        (Side.BID, RAW_MAX + 1, 0),
        (Side.BID, RAW_MAX, 0),
        (Side.BID, RAW_MAX - 1, 3),
        (Side.BID, 0, 8),
        (Side.ASK, RAW_MAX + 1, 7),
        (Side.ASK, RAW_MAX, 7),
        (Side.ASK, RAW_MAX - 1, 0),
    ):
        assert size == answers.depth_to(side, limit)
    highest = reader(PlainBook(0, 0, {RAW_MAX: 3}, {}).build(), form)
    assert (3, 0) == (highest.depth_to(Side.BID, RAW_MAX), highest.depth_to(Side.BID, RAW_MAX + 1))


def test_the_functions_stand_alone() -> None:
    """A query needs nothing but levels of integers."""
    bid, ask = (100, 3), (104, 1)

    assert 4 == queries.spread(bid, ask)
    assert Fraction(102) == Fraction(*queries.mid(bid, ask))
    assert Fraction(412, 4) == Fraction(*queries.microprice(bid, ask))
    assert [(104, 1), (105, 3)] == queries.cumulative([ask, (105, 2)])
    assert queries.imbalance(0, 0) is None
    assert (101, 100) == tuple(queries.last_price_within(side, Fraction(201, 2)) for side in Side)
