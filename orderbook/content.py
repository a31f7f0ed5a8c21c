"""The inside of a book: two ladders at one sequence, their scales, and how far they are known.

A resync builds a new ``BookContent`` beside the old one and swaps it in once. Everything here is integers; a frame is
converted whole before anything changes, so a value that cannot be held changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from orderbook.errors import NumberError
from orderbook.fixedpoint import RAW_MAX, ZERO, Number, plain, to_raw
from orderbook.ladder import Ladder
from orderbook.twin import ContentState, refuse_copy
from orderbook.types import Change, Side

if TYPE_CHECKING:
    from orderbook.types import Snapshot

RawLevel = tuple[int, int]
"""(price, size), both scaled integers."""
Finest = tuple[Number, Number]
"""The price and the size that have most decimals."""


class BookContent(ContentState):
    """Both ladders of one symbol at ``sequence``.

    Attributes:
        bids, asks: The ladders, best first, in scaled integers.
        price_decimals, size_decimals: The scales. They only ever grow, exactly.
        sequence: The venue's sequence that the ladders stand at.
        horizon: Per side, the raw price up to and including which the ladder is complete; ``None``: all of it is.
        seeded: Per side, how many levels the snapshot gave.
        venue_ms: The venue's time of the last change, where it sends one.
        touch_count: How many applied frames changed a best price or size.
    """

    __slots__ = ()

    __reduce_ex__ = refuse_copy

    @classmethod
    def from_snapshot(cls, snapshot: Snapshot, partial: dict[Side, bool]) -> BookContent:
        """Build the inside of a book from a snapshot.

        Args:
            snapshot: The levels, in any order; a price that stands twice keeps the last size.
            partial: Which sides end at the snapshot's depth, so that nothing is known past their worst price.

        Raises:
            NumberError: A value cannot be held in 64 bits beside the others.

        Complexity: O(n log n).
        """
        content = cls()
        bids = [change for change in snapshot.bids if change.price.mantissa]
        asks = [change for change in snapshot.asks if change.price.mantissa]
        content._fit([*bids, *asks])
        content.bids.load(content._scaled(bids))
        content.asks.load(content._scaled(asks))
        content.sequence = snapshot.sequence
        content.venue_ms = snapshot.venue_ms
        content.seed(partial)
        return content

    def seed(self, partial: dict[Side, bool]) -> None:
        """Take note of what the snapshot gave that the ladders were just made from.

        Args:
            partial: As for ``from_snapshot``.

        Complexity: O(1).
        """
        for side in Side:
            ladder = self.ladder(side)
            self.seeded[side] = len(ladder)
            worst = ladder.worst()
            if partial[side] and worst is not None:
                self.horizon[side] = worst[0]

    def ladder(self, side: Side) -> Ladder:
        """The ladder of a side."""
        return self.bids if side is Side.BID else self.asks

    def copy(self) -> BookContent:
        """An independent copy. O(n)."""
        twin = BookContent()
        twin._copy_sides(self)
        twin.price_decimals = self.price_decimals
        twin.size_decimals = self.size_decimals
        twin.sequence = self.sequence
        twin.venue_ms = self.venue_ms
        twin.touch_count = self.touch_count
        twin.price_zero_count = self.price_zero_count
        twin.remove_absent_count = self.remove_absent_count
        return twin

    def apply(self, bids: Sequence[Change], asks: Sequence[Change], sequence: int, venue_ms: int | None = None) -> None:
        """Apply one frame as a whole and move to ``sequence``.

        Rows that the book already covers (their own sequence is not beyond the book's) are left out: with absolute
        sizes that changes nothing in a complete book, and keeps a snapshot's own values (KuCoin calibration, step 5).

        Raises:
            NumberError: A value cannot be held; the book is as before.

        Complexity: O(k log n) for k rows.
        """
        self._change(self._news(bids), self._news(asks))
        self.sequence = sequence
        if venue_ms is not None:
            self.venue_ms = venue_ms

    def _news(self, changes: Sequence[Change]) -> Sequence[Change]:
        # A price that stands twice in a message: the later row sequence wins, whatever the order on the wire.
        news = [c for c in changes if c.sequence is None or c.sequence > self.sequence]
        news.sort(key=lambda change: change.sequence or 0)
        return news

    def _change(self, bids: Sequence[Change], asks: Sequence[Change]) -> None:
        # Rows of price 0 touch no level: not even their size counts.
        real_bids = [change for change in bids if change.price.mantissa]
        real_asks = [change for change in asks if change.price.mantissa]
        zeros = len(bids) + len(asks) - len(real_bids) - len(real_asks)
        self._fit([*real_bids, *real_asks])
        raw_bids = self._scaled(real_bids)
        raw_asks = self._scaled(real_asks)
        # Everything is converted: from here on nothing can fail.
        touch = self.bids.best(), self.asks.best()
        for ladder, changes in ((self.bids, raw_bids), (self.asks, raw_asks)):
            for price, size in changes:
                if not ladder.set(price, size) and not size:
                    self.remove_absent_count += 1
        self.price_zero_count += zeros
        if touch != (self.bids.best(), self.asks.best()):
            self.touch_count += 1

    def _scaled(self, changes: Iterable[Change]) -> list[RawLevel]:
        return [(to_raw(c.price, self.price_decimals), to_raw(c.size, self.size_decimals)) for c in changes]

    def _fit(self, changes: Sequence[Change]) -> None:
        """Grow the scales so that every row can be held; refuse before touching anything."""
        price_decimals = max([self.price_decimals, *(c.price.decimals for c in changes)])
        size_decimals = max([self.size_decimals, *(c.size.decimals for c in changes)])
        if (price_decimals, size_decimals) == (self.price_decimals, self.size_decimals):
            return
        prices, sizes = [change.price for change in changes], [change.size for change in changes]
        finest = _finest(prices), _finest(sizes)
        for numbers, one, decimals in ((prices, finest[0], price_decimals), (sizes, finest[1], size_decimals)):
            for number in numbers:
                # One that is too large alone is named itself.
                if to_raw(number, number.decimals) * 10 ** (decimals - number.decimals) > RAW_MAX:
                    raise _too_far_apart(_text(number), one, decimals)
        self.widen(price_decimals, size_decimals, finest)

    def widen(self, price_decimals: int, size_decimals: int, finest: Finest = (ZERO, ZERO)) -> None:
        """Grow the scales to at least these decimals, exactly; they never shrink.

        Args:
            price_decimals: Of the prices.
            size_decimals: Of the sizes.
            finest: The price and the size that want so many decimals, for the error.

        Raises:
            NumberError: A level would not fit 64 bits any more; nothing changed.

        Complexity: O(n), or O(1) when nothing is to be done.
        """
        price_factor = 10 ** max(0, price_decimals - self.price_decimals)
        size_factor = 10 ** max(0, size_decimals - self.size_decimals)
        if price_factor == size_factor == 1:
            return
        # A horizon may lie where no level stands any more.
        horizons = [(price, 0) for price in self.horizon.values() if price is not None]
        for price, size in chain(self.bids, self.asks, horizons):
            if price * price_factor > RAW_MAX:
                raise _too_far_apart(self.price_text(price), finest[0], price_decimals)
            if size * size_factor > RAW_MAX:
                raise _too_far_apart(self.size_text(size), finest[1], size_decimals)
        for side in Side:
            self.ladder(side).rescale(price_factor, size_factor)
            horizon = self.horizon[side]
            self.horizon[side] = None if horizon is None else horizon * price_factor
        self.price_decimals = max(price_decimals, self.price_decimals)
        self.size_decimals = max(size_decimals, self.size_decimals)

    def extend(self, side: Side, farther: BookContent) -> None:
        """Take the levels past this side's horizon, and the horizon itself, from an equal book that knows more.

        Args:
            side: A side with a horizon.
            farther: A content at the same sequence and scales whose horizon lies farther out.

        Complexity: O(n log n).
        """
        known, edge = self.horizon[side], farther.horizon[side]
        assert known is not None
        ladder = self.ladder(side)
        for price, _ in list(ladder):
            if side.value * price > side.value * known and (edge is None or side.value * price <= side.value * edge):
                ladder.set(price, 0)
        for price, size in farther.ladder(side):
            if side.value * price > side.value * known:
                ladder.set(price, size)
        self.horizon[side] = farther.horizon[side]
        self.seeded[side] = farther.seeded[side]

    @property
    def is_crossed(self) -> bool:
        """Best bid above best ask. O(1)."""
        bid, ask = self.bids.best(), self.asks.best()
        return bid is not None and ask is not None and bid[0] > ask[0]

    @property
    def is_locked(self) -> bool:
        """Best bid equal to best ask. O(1)."""
        bid, ask = self.bids.best(), self.asks.best()
        return bid is not None and ask is not None and bid[0] == ask[0]

    def trusted_count(self, side: Side) -> int:
        """Levels up to the horizon; all of them without one. O(log n)."""
        horizon = self.horizon[side]
        ladder = self.ladder(side)
        return len(ladder) if horizon is None else ladder.count_to(horizon)

    def price_text(self, raw: int) -> str:
        """A raw price as plain decimal text, trailing zeros removed."""
        return plain(raw, self.price_decimals)

    def size_text(self, raw: int) -> str:
        """A raw size as plain decimal text, trailing zeros removed."""
        return plain(raw, self.size_decimals)

    def verify(self) -> None:
        """Raise ``AssertionError`` if an invariant is broken. O(n)."""
        self.bids.verify()
        self.asks.verify()
        assert self.sequence >= 0, "negative sequence"


def _finest(numbers: Sequence[Number]) -> Number:
    """The number that has most decimals."""
    return max(numbers, key=lambda number: number.decimals)


def _too_far_apart(large: str, finest: Number, decimals: int) -> NumberError:
    """The number to blame is the one that came with so many decimals, not one that was fine before it."""
    if finest.decimals < decimals:
        return NumberError(large, f"does not fit 64 bits with {decimals} decimals")
    problem = f"has {decimals} decimals, and beside it {large} does not fit 64 bits: it has to be rounded"
    return NumberError(_text(finest), problem)


def _text(number: Number) -> str:
    return format(number.to_decimal(), "f")
