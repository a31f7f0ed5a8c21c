"""``book.bids`` and ``book.asks``: one side of a book, read like a sequence of levels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, Literal, SupportsIndex, TypeVar, overload

from orderbook import horizon
from orderbook.arguments import as_count, as_integer
from orderbook.content import BookContent, RawLevel
from orderbook.errors import UsageError, shown
from orderbook.fixedpoint import RAW_MAX
from orderbook.forms import FLOAT, Form, Numeric
from orderbook.guard import Guard
from orderbook.results import Marked
from orderbook.twin import SideState, refuse_copy, side_method
from orderbook.types import Level, Side

V = TypeVar("V")
Q = TypeVar("Q")


class SideView(SideState[Form[V, Q]], Generic[V, Q]):
    """The levels of one side, best first; it always shows the present book, under the book's guard.

    Prices are in quote currency per unit of base, sizes in units of the base currency, or both in raw units through
    ``book.raw``. Every reading raises ``BookNotLive`` when the book cannot be trusted (not through
    ``book.last_known``), and ``BeyondHorizon`` when it reaches past what a partial snapshot covers.
    """

    __slots__ = ()

    _guard: Guard

    __reduce_ex__ = refuse_copy

    def __init__(self, guard: Guard, form: Form[V, Q], side: Side, *, guarded: bool) -> None:
        super().__init__(guard, form, side, guarded=guarded, is_float=form is FLOAT)

    def __len__(self) -> int:
        """How many levels are known for certain: all of them, or those up to the horizon. O(log n)."""
        return self._content().trusted_count(self.side)

    @property
    def horizon(self) -> V | None:
        """Price up to and including which the side is complete; ``None`` if all of it is. O(1)."""
        content = self._content()
        price = content.horizon[self.side]
        return None if price is None else self._form.value(price, content.price_decimals)

    def __iter__(self) -> Iterator[Level[V]]:
        """Levels, best first. O(1) a level.

        Raises:
            BeyondHorizon: On going on past the last trusted level of a partial side.
            UsageError: The book changed while it was iterated; take ``bids[:n]`` or a view to keep.
        """
        content = self._content()
        sequence = content.sequence
        for level in horizon.everything(content, self.side):
            yield self._level(content, level)
            # Checked before the ladder is touched again: its iterators do not survive a change.
            if self._content() is not content or content.sequence != sequence:
                raise UsageError(f"the book of {self._guard.symbol} changed while its levels were iterated")
        if content.horizon[self.side] is not None:
            raise horizon.beyond(self._guard.symbol, content, self.side)

    def __reversed__(self) -> Iterator[Level[V]]:
        """Levels, worst first. O(n) at once.

        Raises:
            BeyondHorizon: The side is partial, so its worst level is unknown.
        """
        return iter(self[::-1])

    @overload
    def __getitem__(self, index: SupportsIndex) -> Level[V]: ...
    @overload
    def __getitem__(self, index: slice) -> list[Level[V]]: ...
    @side_method
    def __getitem__(self, index: SupportsIndex | slice) -> Level[V] | list[Level[V]]:
        """One level by position (0 is the best), or several by slice, with the rules of ``list``.

        The length of a partial side is unknown: whatever counts from its end, or reaches past its last trusted
        level, cannot be answered.

        Raises:
            BeyondHorizon: As said.
            IndexError: A complete side has no such position.
            UsageError: Neither an integer nor a slice of integers.

        Complexity: O(log n) for a position, O(largest position) for a slice.
        """
        content = self._content()
        if isinstance(index, slice):
            positions = self._positions(content, index)
            levels = content.ladder(self.side).top(_farthest(positions) + 1)
            return [self._level(content, levels[position]) for position in positions]
        position = as_integer(index, "a position")
        count = content.trusted_count(self.side)
        if content.horizon[self.side] is not None:
            if not 0 <= position < count:
                raise horizon.beyond(self._guard.symbol, content, self.side)
        elif not -count <= position < count:
            raise IndexError(f"no level {shown(position)} among {count}")
        return self._level(content, content.ladder(self.side).at(position))

    def _positions(self, content: BookContent, index: slice) -> range:
        """The positions that a slice means, if they are certain."""
        start, stop, step = (
            None if part is None else as_integer(part, "a slice's bound")
            for part in (index.start, index.stop, index.step)
        )
        if step == 0:
            raise UsageError("a slice's step is not 0")
        count = content.trusted_count(self.side)
        if content.horizon[self.side] is None:
            return range(*slice(start, stop, step).indices(count))
        # Whatever the unknown length is, a slice means the same only if it is bounded at the far end.
        far_end = start if step is not None and step < 0 else stop
        positions = range(start or 0, -1 if stop is None else stop, step or 1)
        negative = any(bound is not None and bound < 0 for bound in (start, stop))
        if far_end is None or negative or _farthest(positions) >= count:
            raise horizon.beyond(self._guard.symbol, content, self.side)
        return positions

    def size_at(self, price: Numeric) -> V:
        """Total size at exactly this price; 0 if no level stands there. O(1).

        Raises:
            BeyondHorizon: The price lies past what is known.
            UsageError: ``price`` is not a number, or negative.
        """
        content = self._content()
        return self._form.value(self._raw_size(content, price), content.size_decimals)

    def __contains__(self, price: Numeric | Level[V]) -> bool:
        """Whether a level stands at exactly this price; of a ``Level``, whether it does with this size.

        Errors as ``size_at``. O(1).
        """
        if isinstance(price, Level):
            return bool(price.size > 0 and self.size_at(price.price) == price.size)
        return self._raw_size(self._content(), price) > 0

    def _raw_size(self, content: BookContent, price: Numeric) -> int:
        raw = self._form.scaled(price, content.price_decimals, "price")
        if horizon.is_past(content, self.side, raw):
            raise horizon.beyond(self._guard.symbol, content, self.side)
        if raw.denominator != 1 or raw > RAW_MAX:
            return 0
        return content.ladder(self.side).get(raw.numerator)

    @overload
    def top(self, n: SupportsIndex, *, allow_partial: Literal[False] = False) -> list[Level[V]]: ...
    @overload
    def top(self, n: SupportsIndex, *, allow_partial: Literal[True]) -> Marked[list[Level[V]]]: ...
    @side_method
    def top(self, n: SupportsIndex, *, allow_partial: bool = False) -> list[Level[V]] | Marked[list[Level[V]]]:
        """The best ``n`` levels, best first; fewer if the side has fewer.

        Raises:
            BeyondHorizon: More than are known; with ``allow_partial`` the known ones come, marked.
            UsageError: ``n`` is not a count.

        Complexity: O(n).
        """
        content = self._content()
        raw, partial = horizon.top(content, self.side, as_count(n, "n"))
        if partial and not allow_partial:
            raise horizon.beyond(self._guard.symbol, content, self.side)
        levels = [self._level(content, level) for level in raw]
        return Marked(levels, partial) if allow_partial else levels

    def _content(self) -> BookContent:
        return self._guard.live_content() if self._guarded else self._guard.content

    def _level(self, content: BookContent, level: RawLevel) -> Level[V]:
        return self._form.level(level, content.price_decimals, content.size_decimals)

    def __repr__(self) -> str:
        return f"<{self.side.name.lower()}s of {self._guard.symbol}, {self._form.name}>"


def _farthest(positions: range) -> int:
    """The largest of them, -1 without any; a bound that is far away costs nothing. O(1)."""
    return max(positions[0], positions[-1]) if positions else -1
