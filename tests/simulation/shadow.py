"""A digest of what a book holds, kept in step with it level by level, so that every update can be compared with truth.

The levels are read from the book after each delta, never taken from the delta. What a delta does not name is assumed to
be untouched, and that is looked up anew for the whole book now and then.
"""

from __future__ import annotations

from typing import Final

from orderbook.content import BookContent
from orderbook.fixedpoint import plain, to_raw
from orderbook.simulator.truth import Source, book_digest, level_digest
from orderbook.types import Change, Delta, Side

WHOLE_EVERY: Final = 1_000
"""Updates after which a whole book is read again."""
PARTIAL_EVERY: Final = 20
"""The same for a book that is known to a horizon: it has no digest, so all of it is compared."""


class Shadow:
    """What one ``BookContent`` is known to hold."""

    def __init__(self, content: BookContent) -> None:
        self.content = content
        self._age = 0
        self._read()

    def _read(self) -> None:
        content = self.content
        self._scales = (content.price_decimals, content.size_decimals)
        self._hashes: dict[tuple[Side, int], int] = {}
        self.digest = 0
        for side in Side:
            for price, size in content.ladder(side):
                self._put(side, price, size)

    def _put(self, side: Side, price: int, size: int) -> None:
        self.digest ^= self._hashes.pop((side, price), 0)
        if size:
            price_decimals, size_decimals = self._scales
            hashed = level_digest(side, plain(price, price_decimals), plain(size, size_decimals))
            self._hashes[side, price] = hashed
            self.digest ^= hashed

    def follow(self, delta: Delta) -> None:
        """A delta was applied: read the levels that it names."""
        content = self.content
        if (content.price_decimals, content.size_decimals) != self._scales:
            self._read()
            return
        for side, changes in ((Side.BID, delta.bids), (Side.ASK, delta.asks)):
            ladder = content.ladder(side)
            for change in changes:
                if change.price.mantissa:
                    price = self._raw(change)
                    self._put(side, price, ladder.get(price))
        self._age += 1
        if self._age % WHOLE_EVERY == 0:
            self.look_again()

    def _raw(self, change: Change) -> int:
        return to_raw(change.price, self._scales[0])

    def look_again(self) -> None:
        """Read the whole book, and fail if it holds what no delta has brought."""
        before = self.digest
        self._read()
        if self.digest != before:
            raise AssertionError(f"at {self.content.sequence} a level changed that no delta named")


def epoch_of(content: BookContent, digest: int, source: Source) -> int | None:
    """In which of the venue's counts the book stood so at that sequence; ``None``: never. The newest first."""
    for epoch in range(source.epoch, -1, -1):
        try:
            if digest == source.digest(content.sequence, epoch=epoch):
                return epoch
        except ValueError:
            continue  # That count never came to this sequence.
    return None


def epoch_of_known(content: BookContent, source: Source) -> int | None:
    """The same for a book that is known to a horizon: up to there, level by level. O(n log n)."""
    ours = {side: _known(content, side) for side in Side}
    for epoch in range(source.epoch, -1, -1):
        try:
            book = source.book(content.sequence, epoch=epoch)
        except ValueError:
            continue
        theirs = {Side.BID: book.bids, Side.ASK: book.asks}
        if all(_matches(content, side, ours[side], theirs[side]) for side in Side):
            return epoch
    return None


def _known(content: BookContent, side: Side) -> list[tuple[str, str]]:
    edge = content.horizon[side]
    return [
        (content.price_text(price), content.size_text(size))
        for price, size in content.ladder(side)
        if edge is None or side.value * price <= side.value * edge
    ]


def _matches(
    content: BookContent, side: Side, ours: list[tuple[str, str]], theirs: tuple[tuple[str, str], ...]
) -> bool:
    """Level by level; where there is no horizon, the venue has no more either."""
    if list(theirs[: len(ours)]) != ours:
        return False
    return content.horizon[side] is not None or len(theirs) == len(ours)


def are_one(first: BookContent, second: BookContent) -> bool:
    """Whether two books are the same as far as both are known. O(n)."""
    if first.sequence != second.sequence:
        return False
    for side in Side:
        ours, theirs = _known(first, side), _known(second, side)
        length = max(len(ours), len(theirs)) if first.horizon == second.horizon else min(len(ours), len(theirs))
        if ours[:length] != theirs[:length]:
            return False
    return True


def digest_of(content: BookContent) -> int:
    """The digest of a whole book, read level by level. O(n)."""
    sides = (
        [(content.price_text(price), content.size_text(size)) for price, size in content.ladder(side)] for side in Side
    )
    return book_digest(*sides)
