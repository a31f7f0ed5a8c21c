"""The lists that a side hands out: whatever code runs while one of them is let go of, each is a list of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakSet

import pytest

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
