"""A digest of what a book holds, kept in step with it level by level, so that every update can be compared with truth.

The levels are read from the book after each delta, never taken from the delta. What a delta does not name is assumed to
be untouched, and that is looked up anew for the whole book now and then.
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from typing import Final

from orderbook.content import BookContent
from orderbook.fixedpoint import plain, to_raw
from orderbook.simulator.source import Source
from orderbook.simulator.truth import TruthTeller, book_digest, level_digest
from orderbook.types import Change, Delta, Side

WHOLE_EVERY: Final = 1_000
"""Updates after which a whole book is read again."""


class Shadow:
    """What one ``BookContent`` is known to hold.

    Attributes:
        content: Whose shadow it is.
        digest: Of all its levels.
        known: Of those up to its horizon.
        edges: Its horizon, for which ``known`` is.
    """

    def __init__(self, content: BookContent) -> None:
        self.content = content
        self._age = 0
        self._read()

    def _read(self) -> None:
        content = self.content
        self._scales = (content.price_decimals, content.size_decimals)
        self._hashes: dict[tuple[Side, int], int] = {}
        self.edges = dict(content.horizon)
        self.digest = self.known = 0
        for side in Side:
            for price, size in content.ladder(side):
                self._put(side, price, size)

    def _put(self, side: Side, price: int, size: int) -> None:
        changed = self._hashes.pop((side, price), 0)
        if size:
            self._hashes[side, price] = hashed = _hashed(side, price, size, *self._scales)
            changed ^= hashed
        self.digest ^= changed
        edge = self.edges[side]
        if edge is None or side.value * price <= side.value * edge:
            self.known ^= changed

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


@lru_cache(maxsize=1 << 16)
def _hashed(side: Side, price: int, size: int, price_decimals: int, size_decimals: int) -> int:
    """The hash of a level; kept, as a whole book is read many times, and other runs begin with the same one."""
    return level_digest(side, plain(price, price_decimals), plain(size, size_decimals))


class Mirror:
    """The venue's levels up to the horizon of a book, followed change by change: what a partial book has to hold.

    Args:
        content: Whose horizon; it equals the venue's book now.
        source: The market.
        epoch: In which of the venue's counts the book stands.

    Attributes:
        digest: Of these levels.
    """

    def __init__(self, content: BookContent, source: TruthTeller, epoch: int) -> None:
        self._source = source
        self.epoch = epoch
        self._sequence = content.sequence
        self._content = content
        self._edges = dict(content.horizon)
        self._scale = content.price_decimals
        self._limits = {
            side: None if edge is None else Decimal(content.price_text(edge)) for side, edge in self._edges.items()
        }
        self._hashes: dict[tuple[Side, str], int] = {}
        self.digest = 0
        book = source.book(content.sequence, epoch=epoch)
        for side, levels in ((Side.BID, book.bids), (Side.ASK, book.asks)):
            for price, size in levels:
                self._put(side, price, size)

    def follows(self, content: BookContent) -> bool:
        """Whether it can be brought to where that book stands: the same book and horizon, and no other count."""
        return (
            content is self._content
            and content.sequence > self._sequence
            and (content.horizon, content.price_decimals) == (self._edges, self._scale)
            and self.epoch == self._source.epoch
            and content.sequence <= self._source.sequence
        )

    def advance(self) -> None:
        """Come to where the book stands. O(changes)."""
        sequence = self._content.sequence
        for side, rows in self._source.truth.changes(self._sequence + 1, sequence).items():
            for price, size, _ in rows:
                self._put(side, price, size)
        self._sequence = sequence

    def _put(self, side: Side, price: str, size: str) -> None:
        limit = self._limits[side]
        if limit is not None and side.value * Decimal(price) > side.value * limit:
            return
        changed = self._hashes.pop((side, price), 0)
        if size != "0":
            self._hashes[side, price] = hashed = level_digest(side, price, size)
            changed ^= hashed
        self.digest ^= changed


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
