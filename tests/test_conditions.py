"""Conditions: what they say of a book, and when they fire. How they are written: ``test_condition_text.py``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderbook.book import OrderBook
from orderbook.condition_text import parse_condition
from orderbook.conditions import (
    FOR_MAX_S,
    LEVELS_MAX,
    Compare,
    Condition,
    Crosses,
    NotLive,
    Phase,
    Predicate,
    Quantity,
    Trigger,
)
from orderbook.errors import BeyondHorizon, BookNotLive, UsageError
from orderbook.results import BookView
from orderbook.types import BookState
from tests.unchecked import unchecked

S = 1_000_000_000
MID: Condition = Compare(Quantity("mid"), ">", Decimal(1))


def book_of(bid: str | None = "100", ask: str | None = "102", *, depth: int | None = None) -> OrderBook:
    """A book with one level a side, of 3 and 1; ``None``: an empty side."""
    book = OrderBook("A-B")
    bids, asks = ([] if price is None else [(price, size)] for price, size in ((bid, "3"), (ask, "1")))
    book.apply_snapshot(bids, asks, 1, depth=depth)
    return book


# -- what they say of a book --


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("best_bid > 99.9", True),
        ("best_bid > 100", False),
        ("best_bid >= 100", True),
        ("best_ask < 102", False),
        ("best_ask <= 102", True),
        ("best_ask <= 101.9", False),
        ("mid >= 101", True),
        ("mid < 101.1", True),
        ("microprice > 101.4", True),
        ("spread < 2.01", True),
        ("spread < -1", False),
        ("spread_bps > 198", True),
        ("spread_bps > 198.1", False),
        ("imbalance(1) >= 0.5", True),
        ("imbalance(10) > 0.5", False),
        ("imbalance(10) > -1", True),
        ("mid crosses 100", True),
        ("mid crosses 102", False),
        ("mid crosses 101", None),
        ("not live", False),
    ],
)
def test_a_condition_is_so_or_not(text: str, *, expected: bool | None) -> None:
    """Of a book of 3 at 100 and 1 at 102."""
    assert expected is parse_condition(text).phase(book_of())


@pytest.mark.parametrize(("bid", "ask"), [(None, "102"), ("100", None), (None, None)])
@pytest.mark.parametrize("text", ["spread_bps > 0", "mid crosses 5", "microprice < 1e9", "spread >= 0"])
def test_what_there_is_not_is_neither(text: str, bid: str | None, ask: str | None) -> None:
    """An empty side has no price: nobody can tell."""
    condition = parse_condition(text)
    book = book_of(bid, ask)
    assert None is condition.phase(book)
    assert None is condition.value(book)


@pytest.mark.parametrize(
    ("text", "expected"), [("best_bid > 1", None), ("best_ask > 1", True), ("imbalance(2) < 0", True)]
)
def test_one_empty_side_takes_nothing_from_the_other(text: str, *, expected: bool | None) -> None:
    """What needs the other side only can be told."""
    assert expected is parse_condition(text).phase(book_of(None))


@pytest.mark.parametrize(
    ("quantity", "bid", "ask", "threshold", "above"),
    [
        # Of these, each has the very float of the threshold.
        ("best_bid", "0.30000000000000001", "1", "0.3", True),
        ("best_bid", "0.3", "1", "0.30000000000000001", False),
        ("best_bid", "0.3", "1", "0.3", False),
        ("mid", "0.30000000000000001", "0.30000000000000002", "0.3", True),
        ("spread_bps", "1", "3", "10000.0000000000000001", False),
        ("spread_bps", "1", "3", "9999.9999999999999999", True),
        ("imbalance(1)", "1", "3", "0.49999999999999999999", True),
    ],
)
def test_what_a_float_cannot_tell_apart_is_compared_exactly(
    quantity: str, bid: str, ask: str, threshold: str, *, above: bool
) -> None:
    """So no alert depends on rounding."""
    book = book_of(bid, ask)
    condition = parse_condition(f"{quantity} > {threshold}")
    assert float(threshold) == condition.value(book)
    assert above is condition.phase(book)


def test_a_book_that_is_not_live_refuses() -> None:
    """But for the condition that is about just that."""
    book = OrderBook("A-B")
    assert parse_condition("not live").phase(book)
    assert None is parse_condition("not live").value(book)
    with pytest.raises(BookNotLive):
        MID.phase(book)


def test_levels_past_the_horizon_are_an_error() -> None:
    """Nobody could tell, and nobody ever will: silence would look like calm."""
    with pytest.raises(BeyondHorizon):
        parse_condition("imbalance(2) > 0").phase(book_of(depth=1))
    assert parse_condition("imbalance(1) > 0").phase(book_of(depth=1))


# -- functions --


def test_a_function_is_asked_of_a_view() -> None:
    """Of as many levels as it wants; any answer counts as true or false; a book that is not LIVE is no question."""
    seen: list[BookView[float]] = []

    def wide(view: BookView[float]) -> object:
        seen.append(view)
        return view.bids

    assert Predicate(wide, 1).phase(book_of()) is True
    assert Predicate(wide, 1).phase(book_of(None)) is False
    assert Predicate(wide).phase(OrderBook("A-B")) is None
    assert [1, 0] == [len(view.bids) for view in seen]
    assert str(Predicate(wide, for_s=2)).endswith(".wide for 2s")
    assert None is Predicate(wide).value(book_of())


def test_a_function_that_raises_is_heard() -> None:
    """Whatever it raises."""
    with pytest.raises(ZeroDivisionError):
        Predicate(lambda _view: 1 / 0).phase(book_of())


async def later(_view: BookView[float]) -> bool:
    """A coroutine function: its answer would be true whatever it is."""
    return False


class Later:
    """Something else that can be awaited."""

    def __await__(self) -> Iterator[None]:
        yield


@pytest.mark.parametrize("test", [later, lambda _view: Later()])
def test_a_coroutine_function_is_refused(test: Callable[[BookView[float]], object]) -> None:
    """With words, and without a warning of one that was never awaited."""
    with pytest.raises(UsageError, match="plain function"):
        Predicate(test).phase(book_of())


@pytest.mark.parametrize(
    ("levels", "expected"),
    [(((), ()), (None, None, None)), (((1.0,), ()), (None, None, None)), (((0.1,), (0.3,)), (0.2, 0.2, 10_000.0))],
)
def test_a_view_has_what_a_function_asks_for(levels: Any, expected: tuple[float | None, ...]) -> None:
    """The very floats of the book; ``None`` where a side is missing."""
    book = OrderBook("A-B")
    bids, asks = ([(price, 1) for price in side] for side in levels)
    book.apply_snapshot(bids, asks, 1)
    view = book.view(1)
    assert expected == (view.spread, view.mid, view.spread_bps) == (book.spread, book.mid, book.spread_bps)
    assert (book.best_bid, book.best_ask) == (view.best_bid, view.best_ask)


prices = st.decimals("0.00000001", "99999", places=8)


@given(prices, prices)
def test_a_view_says_what_its_book_says(bid: Decimal, ask: Decimal) -> None:
    """Up to 13 digits: floats hold 15."""
    book = book_of(str(bid), str(ask))
    view = book.view(1)
    assert (book.spread, book.mid, book.spread_bps) == (view.spread, view.mid, view.spread_bps)


# -- when they fire --


def fired(condition: Condition, *looks: tuple[float, Phase, bool]) -> list[float]:
    """When it fires, by looks at (seconds, phase, whether the look was due)."""
    trigger, when = Trigger(condition), []
    for at_s, phase, is_due in looks:
        trigger, fires = trigger.after(phase, round(at_s * S), is_due=is_due)
        when += [at_s] * fires
    return when


@pytest.mark.parametrize(
    ("phases", "expected"),
    [
        ([True], [0]),
        ([None, True], [1]),
        ([False, True, True, False, True], [1, 4]),
        ([True, None, True], [0]),
        ([True, None, False, True], [0, 3]),
        ([False, None, True], [2]),
        ([None, None, False], []),
    ],
)
def test_it_fires_when_it_turns_true(phases: list[Phase], expected: list[int]) -> None:
    """What nobody could tell is no turn."""
    looks = [(float(at), phase, False) for at, phase in enumerate(phases)]
    assert expected == fired(MID, *looks)


@pytest.mark.parametrize(
    ("phases", "expected"),
    [
        ([True], []),
        ([True, False], [1]),
        ([True, None, False], [2]),
        ([True, None, True], []),
        ([None, False, True, False, False, True], [2, 3, 5]),
    ],
)
def test_a_crossing_fires_both_ways(phases: list[Phase], expected: list[int]) -> None:
    """Also over a time of which nobody can tell; a touch, and a first look, are none."""
    looks = [(float(at), phase, False) for at, phase in enumerate(phases)]
    assert expected == fired(Crosses(Quantity("mid"), Decimal(1)), *looks)


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        ([(0, True, False), (2, True, True)], [2]),
        ([(0, True, False), (1.9, True, True), (2, True, True)], [2]),
        ([(0, True, False), (2, True, False)], []),  # an update after a pause: the next may show that it ended
        ([(0, True, False), (2, True, False), (2.1, True, True)], [2.1]),
        ([(0, True, False), (1, False, False), (1, True, False), (2, True, True), (3, True, True)], [3]),
        ([(0, True, False), (1, None, False), (1, True, False), (2, True, True), (3, True, True)], [3]),
        ([(0, True, False), (2, False, True)], []),
        ([(0, True, False), (2, None, True), (3, True, True), (5, True, True)], [5]),
        ([(0, True, False), (2, True, True), (9, True, True)], [2]),
        ([(0, True, False), (2, True, True), (3, None, False), (4, True, False), (9, True, True)], [2]),
    ],
)
def test_what_has_to_last_fires_when_it_has(looks: list[tuple[float, Phase, bool]], expected: list[float]) -> None:
    """Two seconds of it without a break, as seen by a look that was due."""
    assert expected == fired(NotLive(for_s=2), *looks)


def test_a_due_time_stands_while_it_lasts() -> None:
    """And there is none before, in between or afterwards."""
    trigger, due = Trigger(NotLive(for_s=2)), []
    for at_s, phase in ((1, False), (2, True), (3, True), (4, None), (5, True), (7, True)):
        trigger, _ = trigger.after(phase, at_s * S, is_due=True)
        due.append(trigger.due_ns)
    assert [None, 4 * S, 4 * S, None, 7 * S, None] == due


@given(st.lists(st.sampled_from([True, False, None])))
def test_a_trigger_fires_as_its_rule_says(phases: list[Phase]) -> None:
    """Law: where it holds, and the last that was told before is not that it held; a crossing where the two differ."""
    told = [[one for one in phases[:at] if one is not None] for at in range(len(phases))]
    holds = [at for at, phase in enumerate(phases) if phase and not (told[at] and told[at][-1])]
    crosses = [at for at, phase in enumerate(phases) if phase is not None and told[at] and told[at][-1] is not phase]
    looks = [(float(at), phase, False) for at, phase in enumerate(phases)]

    assert holds == fired(MID, *looks)
    assert crosses == fired(Crosses(Quantity("mid"), Decimal(1)), *looks)


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from([True, False, None]))), st.integers(1, 6))
def test_a_trigger_lasts_as_its_rule_says(steps: list[tuple[int, Phase]], for_s: int) -> None:
    """Law, every look a due one: it fires where it has held for so long, and did not fire since it was false."""
    at, looks, expected = 0, [], []
    since: int | None = None
    is_spent = False
    for pause, phase in steps:
        at += pause
        looks.append((float(at), phase, True))
        is_spent = is_spent and phase is not False
        since = (at if since is None else since) if phase else None
        if since is not None and not is_spent and at - since >= for_s:
            expected.append(float(at))
            is_spent = True
    assert expected == fired(NotLive(for_s=for_s), *looks)


# -- what they are made of --


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: Quantity("price"), "a quantity is one of best_bid, .* not 'price'"),
        (lambda: Quantity("mid", 5), "mid is not taken over levels"),
        (lambda: Quantity("imbalance"), "over 1 to 10000 levels a side, not None"),
        (lambda: Quantity("imbalance", 0), "not 0"),
        (lambda: Quantity("imbalance", LEVELS_MAX + 1), "not 10001"),
        (lambda: Quantity("imbalance", unchecked(True)), "not True"),
        (lambda: Compare(Quantity("mid"), unchecked("=="), Decimal(1)), "an operator is one of >, >=, <, <=, not '=='"),
        (lambda: Compare(Quantity("mid"), ">", unchecked(1.5)), "a threshold is a Decimal, not 1.5"),
        (lambda: Compare(Quantity("mid"), ">", Decimal("NaN")), "that a book could have, not 'NaN'"),
        (lambda: Crosses(Quantity("mid"), Decimal("1e99")), "that a book could have, not '1E"),
        (lambda: Crosses(Quantity("mid"), Decimal(1), for_s=1), "a crossing takes no time"),
        (lambda: NotLive(for_s=-1), "for_s is a number of seconds from 0 to 86400, not -1"),
        (lambda: NotLive(for_s=FOR_MAX_S + 1), "not 86401.0"),
        (lambda: NotLive(for_s=float("nan")), "not nan"),
        (lambda: NotLive(for_s=unchecked("2")), "not '2'"),
        (lambda: Predicate(unchecked(5)), "a text, a Condition or a function of a view, not 5"),
        (lambda: Predicate(bool, for_s=-1), "not -1"),
    ],
)
def test_what_cannot_be_is_refused(make: Callable[[], object], problem: str) -> None:
    """By name, with what could be."""
    with pytest.raises(UsageError, match=problem):
        make()


def test_states_are_no_phases() -> None:
    """A book that was closed may not be read either."""
    book = book_of()
    book.mark(BookState.CLOSED, "closed", 0)
    assert NotLive().phase(book)
