"""The questions a book answers: one generic class for every form, guarded or not."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Generic, Literal, SupportsIndex, TypeVar, overload

import numpy.typing as npt

from orderbook import horizon, queries
from orderbook.arguments import as_count, as_side
from orderbook.content import BookContent, RawLevel
from orderbook.errors import UsageError
from orderbook.forms import FLOAT, Form, Numeric, to_fraction
from orderbook.guard import Guard, Status
from orderbook.results import Band, BookView, Depth, Fill, Marked
from orderbook.side import SideView
from orderbook.twin import reader_method, touch_property
from orderbook.types import BBO, BookState, Level, Side

V = TypeVar("V")
Q = TypeVar("Q")


class Reader(Status[Form[V, Q]], Generic[V, Q]):
    """The queries of a book, with numbers in one form.

    ``book`` itself reads floats, ``book.exact`` decimals, ``book.raw`` scaled integers and fractions. Each of them
    raises ``BookNotLive`` unless the book is LIVE; ``book.last_known`` has the same queries without that guard.

    Prices, spread, mid and microprice are in quote currency per unit of base, sizes in units of the base currency,
    ``spread_bps`` and ``bps`` in basis points of mid; through ``raw``, prices are in units of ``10**-price_decimals``,
    sizes of ``10**-size_decimals`` and amounts of quote currency in the product of both (these scales may grow with
    any frame). A missing value is ``None``.

    Where a side is partial, every query raises ``BeyondHorizon`` rather than guess what lies past the horizon.
    ``allow_partial=True`` answers from the levels known for certain, and marks the answer.

    In the complexities below, n is the number of levels asked for.
    """

    __slots__ = ()

    def __init__(self, guard: Guard, form: Form[V, Q], *, guarded: bool) -> None:
        super().__init__(guard, form, guarded=guarded, is_float=form is FLOAT)

    # --- the touch -------------------------------------------------------------------------------------------------

    @touch_property
    def best_bid(self) -> Level[V] | None:
        """Highest bid; ``None`` if there are no bids. O(1).

        Raises:
            BookNotLive: The book cannot be trusted at this moment.
            BeyondHorizon: No known bid is left, but there may be others.
        """
        return self._best(self._content(), Side.BID)

    @touch_property
    def best_ask(self) -> Level[V] | None:
        """Lowest ask; ``None`` if there are no asks. Errors as ``best_bid``. O(1)."""
        return self._best(self._content(), Side.ASK)

    @touch_property
    def bbo(self) -> BBO[V]:
        """Best bid and best ask of one moment. Errors as ``best_bid``. O(1)."""
        content = self._content()
        return BBO(self._best(content, Side.BID), self._best(content, Side.ASK))

    @touch_property
    def spread(self) -> V | None:
        """Best ask less best bid; negative when crossed; ``None`` unless both exist. Errors as ``best_bid``. O(1)."""
        content = self._content()
        touch = self._touch(content)
        return None if touch is None else self._form.value(queries.spread(*touch), content.price_decimals)

    @touch_property
    def spread_bps(self) -> Q | None:
        """Spread in basis points of mid; ``None`` unless both sides exist. Errors as ``best_bid``. O(1)."""
        touch = self._touch(self._content())
        return None if touch is None else self._form.quotient(*queries.spread_bps(*touch), 0)

    @touch_property
    def mid(self) -> Q | None:
        """Halfway between the best prices; ``None`` unless both exist. Errors as ``best_bid``. O(1)."""
        content = self._content()
        touch = self._touch(content)
        return None if touch is None else self._form.quotient(*queries.mid(*touch), content.price_decimals)

    @touch_property
    def microprice(self) -> Q | None:
        """Best prices weighted by the opposite size; ``None`` unless both exist. Errors as ``best_bid``. O(1)."""
        content = self._content()
        touch = self._touch(content)
        return None if touch is None else self._form.quotient(*queries.microprice(*touch), content.price_decimals)

    @touch_property
    def is_crossed(self) -> bool:
        """Whether the best bid is above the best ask; not with an empty side. Errors as ``best_bid``. O(1)."""
        touch = self._touch(self._content())
        return touch is not None and queries.spread(*touch) < 0

    @touch_property
    def is_locked(self) -> bool:
        """Whether the best bid equals the best ask; not with an empty side. Errors as ``best_bid``. O(1)."""
        touch = self._touch(self._content())
        return touch is not None and queries.spread(*touch) == 0

    # --- levels ----------------------------------------------------------------------------------------------------

    @touch_property
    def bids(self) -> SideView[V, Q]:
        """The bids, read like a sequence of levels, best first. Raises ``BookNotLive``. O(1)."""
        return self._side(Side.BID)

    @touch_property
    def asks(self) -> SideView[V, Q]:
        """The asks, read like a sequence of levels, best first. Raises ``BookNotLive``. O(1)."""
        return self._side(Side.ASK)

    @reader_method
    def depth(self, n: SupportsIndex, *, allow_partial: bool = False) -> Depth:
        """The best ``n`` levels of each side, fewer where a side has fewer.

        Returns:
            ``.bids`` and ``.asks`` of shape (m, 2), m <= n, columns price and size, best first: float64, ``Decimal``
            objects through ``exact``, int64 through ``raw``; and ``.partial``.

        Raises:
            BookNotLive: The book cannot be trusted at this moment.
            BeyondHorizon: More than are known, without ``allow_partial``.
            UsageError: ``n`` is not a count.

        Complexity: O(n).
        """
        content, n = self._content(), as_count(n, "n")
        bids, bids_partial = self._top(content, Side.BID, n, allow_partial=allow_partial)
        asks, asks_partial = self._top(content, Side.ASK, n, allow_partial=allow_partial)
        return Depth(self._array(content, bids), self._array(content, asks), bids_partial or asks_partial)

    @overload
    def cumulative(
        self, side: Side, levels: SupportsIndex | None = None, *, allow_partial: Literal[False] = False
    ) -> npt.NDArray[Any]: ...
    @overload
    def cumulative(
        self, side: Side, levels: SupportsIndex | None = None, *, allow_partial: Literal[True]
    ) -> Marked[npt.NDArray[Any]]: ...
    def cumulative(
        self, side: Side, levels: SupportsIndex | None = None, *, allow_partial: bool = False
    ) -> npt.NDArray[Any] | Marked[npt.NDArray[Any]]:
        """Each price with the total size from the touch up to it: the depth curve.

        Args:
            side: Which ladder.
            levels: How many levels; all of them by default.
            allow_partial: Answer ``Marked`` with the known levels where more were asked for.

        Returns:
            Shape (m, 2), columns price and cumulative size, best first; types as in ``depth``.

        Raises:
            BookNotLive: The book cannot be trusted at this moment.
            BeyondHorizon: More levels than are known (all of a partial side, too), without ``allow_partial``.
            UsageError: ``side`` is no side, or ``levels`` no count.

        Complexity: O(n).
        """
        content, side = self._content(), as_side(side)
        # One more than there are is "all of them" and past the known ones of a partial side.
        n = len(content.ladder(side)) + 1 if levels is None else as_count(levels, "levels")
        raw, partial = self._top(content, side, n, allow_partial=allow_partial)
        curve = self._array(content, queries.cumulative(raw))
        return Marked(curve, partial) if allow_partial else curve

    # --- sizes -----------------------------------------------------------------------------------------------------

    @reader_method
    def depth_within(self, *, bps: Numeric, allow_partial: bool = False) -> Band[V]:
        """Total size on each side from the touch out to ``bps`` basis points from mid, inclusive.

        Raises:
            BookNotLive: The book cannot be trusted at this moment.
            BeyondHorizon: An edge of the band, or the touch, lies past what is known, without ``allow_partial``.
            UsageError: ``bps`` is not a number, or negative.

        Complexity: O(levels in the band).
        """
        content = self._content()
        sizes, partial = self._band(content, to_fraction(bps, "bps"), allow_partial=allow_partial)
        if sizes is None:
            return Band(None, None, partial)
        decimals = content.size_decimals
        return Band(self._form.value(sizes[0], decimals), self._form.value(sizes[1], decimals), partial)

    @overload
    def depth_to(self, side: Side, price: Numeric, *, allow_partial: Literal[False] = False) -> V: ...
    @overload
    def depth_to(self, side: Side, price: Numeric, *, allow_partial: Literal[True]) -> Marked[V]: ...
    def depth_to(self, side: Side, price: Numeric, *, allow_partial: bool = False) -> V | Marked[V]:
        """Total size on ``side`` from the touch to ``price`` inclusive; 0 if the touch is beyond it.

        Raises:
            BookNotLive: The book cannot be trusted at this moment.
            BeyondHorizon: ``price`` lies past what is known; with ``allow_partial`` the size is at least the answer.
            UsageError: ``side`` is no side, or ``price`` not a number, or negative.

        Complexity: O(levels visited).
        """
        content, side = self._content(), as_side(side)
        limit = self._form.scaled(price, content.price_decimals, "price")
        levels, partial = horizon.up_to(content, side, limit)
        self._refuse(content, side, partial=partial, allow_partial=allow_partial)
        size = self._form.value(queries.total(levels), content.size_decimals)
        return Marked(size, partial) if allow_partial else size

    @overload
    def imbalance(
        self,
        *,
        levels: SupportsIndex | None = None,
        bps: Numeric | None = None,
        allow_partial: Literal[False] = False,
    ) -> Q | None: ...
    @overload
    def imbalance(
        self, *, levels: SupportsIndex | None = None, bps: Numeric | None = None, allow_partial: Literal[True]
    ) -> Marked[Q | None]: ...
    @reader_method
    def imbalance(
        self, *, levels: SupportsIndex | None = None, bps: Numeric | None = None, allow_partial: bool = False
    ) -> Q | Marked[Q | None] | None:
        """(B - A) / (B + A) in [-1, 1], over sizes of the best ``levels`` of each side, or within ``bps`` of mid.

        Args:
            levels: At least 1. Give either this or ``bps``.
            bps: Basis points; the band of ``depth_within``.
            allow_partial: Answer ``Marked`` from the known levels where more were asked for.

        Returns:
            ``None`` if nothing stands on either side (in the band, for ``bps``), or if there is no mid.

        Raises:
            BookNotLive: The book cannot be trusted at this moment.
            BeyondHorizon: It reaches past what is known, without ``allow_partial``.
            UsageError: Not exactly one of ``levels`` and ``bps``, or not a number of its kind.

        Complexity: O(levels visited).
        """
        content = self._content()
        sizes: tuple[int, int] | None
        if levels is not None and bps is None:
            n = as_count(levels, "levels", least=1)
            bids, bids_partial = self._top(content, Side.BID, n, allow_partial=allow_partial)
            asks, asks_partial = self._top(content, Side.ASK, n, allow_partial=allow_partial)
            sizes, partial = (queries.total(bids), queries.total(asks)), bids_partial or asks_partial
        elif bps is not None and levels is None:
            sizes, partial = self._band(content, to_fraction(bps, "bps"), allow_partial=allow_partial)
        else:
            raise UsageError("imbalance takes either levels or bps")
        ratio = None if sizes is None else queries.imbalance(*sizes)
        answer = None if ratio is None else self._form.quotient(*ratio, 0)
        return Marked(answer, partial) if allow_partial else answer

    @reader_method
    def fill(
        self, side: Side, *, size: Numeric | None = None, quote: Numeric | None = None, allow_partial: bool = False
    ) -> Fill[V, Q]:
        """What walking a ladder from the touch would give, for a size or for an amount of quote currency.

        Args:
            side: The ladder that is walked: ``Side.ASK`` when buying, ``Side.BID`` when selling.
            size: In base units. Give either this or ``quote``.
            quote: In quote currency; the last level is taken in part, down to fractions of a lot.
            allow_partial: Stop at the horizon, and say so, instead of raising.

        Raises:
            BookNotLive: The book cannot be trusted at this moment.
            BeyondHorizon: The walk would go past what is known, without ``allow_partial``.
            UsageError: Not exactly one of ``size`` and ``quote``, or not a number, or negative; ``side`` is no side.

        Complexity: O(levels touched).
        """
        content, side = self._content(), as_side(side)
        levels = horizon.everything(content, side)
        price_decimals, size_decimals = content.price_decimals, content.size_decimals
        if size is not None and quote is None:
            walk = queries.fill_size(levels, self._form.scaled(size, size_decimals, "size"))
        elif quote is not None and size is None:
            walk = queries.fill_quote(levels, self._form.scaled(quote, price_decimals + size_decimals, "quote"))
        else:
            raise UsageError("fill takes either size or quote")
        partial = not walk.complete and content.horizon[side] is not None
        self._refuse(content, side, partial=partial, allow_partial=allow_partial)
        return Fill(
            average=None if walk.average is None else self._form.quotient(*walk.average, price_decimals),
            worst=None if walk.worst is None else self._form.value(walk.worst, price_decimals),
            filled=self._form.quotient(*walk.filled, size_decimals),
            quote=self._form.quotient(*walk.quote, price_decimals + size_decimals),
            complete=walk.complete,
            level_count=walk.level_count,
            partial=partial,
        )

    # --- a copy to keep --------------------------------------------------------------------------------------------

    def view(self, n: SupportsIndex) -> BookView[V]:
        """State, sequence and at most ``n`` levels a side of one moment, as an immutable value.

        It never raises whatever the state: the levels are empty unless the book is LIVE (through ``last_known`` they
        are there in any state). Only levels known for certain are in it; ``.partial`` says that there were fewer of
        them than asked for.

        Raises:
            UsageError: ``n`` is not a count.

        Complexity: O(n).
        """
        n = as_count(n, "n")
        guard = self._guard
        state, reason, _ = guard.status()
        content, age_ns = guard.content, guard.age_ns()
        readable = state is BookState.LIVE or not self._guarded
        sides = [horizon.top(content, side, n if readable else 0) for side in (Side.BID, Side.ASK)]
        bids, asks = (tuple(self._level(content, level) for level in levels) for levels, _ in sides)
        return BookView(
            symbol=guard.symbol,
            state=state,
            reason=reason,
            sequence=content.sequence,
            epoch=guard.epoch,
            age_ms=None if age_ns is None else age_ns // 1_000_000,
            venue_ms=content.venue_ms,
            bids=bids,
            asks=asks,
            partial=any(partial for _, partial in sides),
        )

    # --- inside ----------------------------------------------------------------------------------------------------

    def _content(self) -> BookContent:
        return self._guard.live_content() if self._guarded else self._guard.content

    def _refuse(self, content: BookContent, side: Side, *, partial: bool, allow_partial: bool) -> None:
        if partial and not allow_partial:
            raise horizon.beyond(self._guard.symbol, content, side)

    def _best_raw(self, content: BookContent, side: Side) -> RawLevel | None:
        level, hidden = horizon.best(content, side)
        self._refuse(content, side, partial=hidden, allow_partial=False)
        return level

    def _best(self, content: BookContent, side: Side) -> Level[V] | None:
        level = self._best_raw(content, side)
        return None if level is None else self._level(content, level)

    def _touch(self, content: BookContent) -> tuple[RawLevel, RawLevel] | None:
        bid, ask = self._best_raw(content, Side.BID), self._best_raw(content, Side.ASK)
        return None if bid is None or ask is None else (bid, ask)

    def _side(self, side: Side) -> SideView[V, Q]:
        self._content()  # For its refusal: the view itself keeps no content.
        return SideView(self._guard, self._form, side, guarded=self._guarded)

    def _top(self, content: BookContent, side: Side, n: int, *, allow_partial: bool) -> tuple[list[RawLevel], bool]:
        levels, partial = horizon.top(content, side, n)
        self._refuse(content, side, partial=partial, allow_partial=allow_partial)
        return levels, partial

    def _band(self, content: BookContent, bps: Fraction, *, allow_partial: bool) -> tuple[tuple[int, int] | None, bool]:
        """Raw sizes of both sides within the band, and whether it is known in part only."""
        (bid, bid_hidden), (ask, ask_hidden) = (horizon.best(content, side) for side in (Side.BID, Side.ASK))
        self._refuse(content, Side.BID, partial=bid_hidden, allow_partial=allow_partial)
        self._refuse(content, Side.ASK, partial=ask_hidden, allow_partial=allow_partial)
        if bid is None or ask is None:
            return None, bid_hidden or ask_hidden
        edges = queries.band(bid, ask, bps)
        bids, bids_partial = horizon.up_to(content, Side.BID, edges[Side.BID])
        asks, asks_partial = horizon.up_to(content, Side.ASK, edges[Side.ASK])
        self._refuse(content, Side.BID, partial=bids_partial, allow_partial=allow_partial)
        self._refuse(content, Side.ASK, partial=asks_partial, allow_partial=allow_partial)
        return (queries.total(bids), queries.total(asks)), bids_partial or asks_partial

    def _level(self, content: BookContent, level: RawLevel) -> Level[V]:
        return self._form.level(level, content.price_decimals, content.size_decimals)

    def _array(self, content: BookContent, levels: list[RawLevel]) -> npt.NDArray[Any]:
        return self._form.array(levels, content.price_decimals, content.size_decimals)

    def __repr__(self) -> str:
        content = self._guard.content
        state, reason, _ = self._guard.status()
        why = "" if state is BookState.LIVE else f" ({reason})"
        return (
            f"<{type(self).__name__} {self._form.name} {self._guard.symbol} {state.value}{why} "
            f"sequence={content.sequence} epoch={self._guard.epoch} "
            f"levels={len(content.bids)}+{len(content.asks)}>"
        )
