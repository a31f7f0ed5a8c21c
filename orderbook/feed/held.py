"""Those who get something, each for as long as somebody holds it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

T = TypeVar("T")


class Held(Collection[T], Generic[T]):
    """Iterators in the order in which they came.

    Whoever lets go of one need not close it. Others are told in the same order in every run, which a set would not do.
    """

    def __init__(self) -> None:
        self._held: WeakValueDictionary[int, T] = WeakValueDictionary()

    def add(self, one: T) -> None:
        """One more, behind all others."""
        self._held[id(one)] = one

    def discard(self, one: T) -> None:
        """One less, if it is there."""
        self._held.pop(id(one), None)

    def __contains__(self, other: object) -> bool:
        return any(one is other for one in self)

    def __iter__(self) -> Iterator[T]:
        """Over those that are there now, whatever comes or goes meanwhile."""
        return iter([*self._held.values()])

    def __len__(self) -> int:
        return len(self._held)
