"""The answers that a book hands out: whatever is done with one of them, and while one is let go of, each is its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakSet

import pytest

from orderbook.types import Side
from tests.books import live_book


class Mark:
    """Something that users may put into a list; it may act when nobody holds it any more."""

    def __init__(self, act: Callable[[], object] = bool) -> None:
        self._act = act

    def __del__(self) -> None:
        self._act()


@pytest.mark.parametrize("first", range(1, 4))
def test_a_list_that_acts_when_it_is_let_go_of(first: int) -> None:
    """A list that is asked for while another one is given up is a list of its own, and is given up like any other."""
    book = live_book()
    book.apply_changes([(1 + at / 10, 1) for at in range(9)], [], 100)
    expected = {n: list(book.bids)[:n] for n in range(1, 9)}
    within: list[Any] = []
    marks: WeakSet[Mark] = WeakSet()

    def ask(n: int) -> None:
        found: list[Any] = book.bids[:n]
        assert expected[n] == found
        assert all(found is not other for other in within)
        marks.add(mark := Mark())
        found.append(mark)
        within.append(found)

    for _ in range(9):
        changed: list[Any] = book.bids[:first]
        changed.append(Mark(lambda: ask(4)))
        del changed
        for n in range(5, 9):
            assert expected[n] == book.bids[:n]

    assert 9 == len(within) == len(marks)
    within.clear()
    for n in range(1, 9):
        assert expected[n] == book.bids[:n]
    assert 0 == len(marks)


@pytest.mark.parametrize("every", [1, 2, 3])
def test_an_answer_that_is_held_never_changes(every: int) -> None:
    """One that nobody holds may be made use of again; whoever has one, however, has it for good."""
    book, held = live_book(), list[tuple[tuple[Any, ...], tuple[Any, ...], int]]()
    for at in range(60):
        ask = 67012.31 + at % 7 / 100
        book.apply_changes(
            [(67012.3, 1 + at)], [(f"{67012.31 + (at - 1) % 7 / 100:.2f}", 0), (f"{ask:.2f}", 1 + at)], 100 + at
        )
        assert [(67012.3, 1 + at), (float(f"{ask:.2f}"), 1 + at)] == [book.best_bid, book.best_ask]
        assert 1 + at == book.fill(Side.BID, size=1 + at).filled
        if at % every == 0:
            answers = book.best_bid, book.best_ask, book.bbo, book.fill(Side.BID, size=1), book.fill(Side.ASK, size=1.5)
            held += [(answer, tuple(answer), hash(answer)) for answer in answers if answer is not None]
    assert 5 * len(range(0, 60, every)) == len(held)
    for answer, values, number in held:
        assert (values, number) == (tuple(answer), hash(answer))
        assert number == hash(values)
