"""Whether a local book is the venue's: which levels differ, if any do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, Final

from orderbook.book import OrderBook
from orderbook.errors import BookNotLive, UsageError
from orderbook.events import LevelDifference
from orderbook.results import BookView
from orderbook.simulator.source import Level, Source
from orderbook.simulator.truth import plain
from orderbook.types import Side

ALL: Final = 1_000_000
SHOWN: Final = 5
"""Differences that a message names."""


def compare(book: OrderBook | BookView[Any], source: Source) -> tuple[LevelDifference, ...]:
    """The levels on which a LIVE book and the venue's own book at the same sequence disagree.

    A book that was seeded with a part of the venue's is compared as far as it says that it knows, and a view as far as
    it reaches.

    Args:
        book: Such as ``feed["BTC-USDT"]``, or a view of it, which may be of another thread.
        source: What is true of it, such as ``venue.market["BTC-USDT"]``.

    Returns:
        Bids, then asks, each best first; sizes as decimal text, ``"0"`` for a level that is not there.

    Raises:
        BookNotLive: The book promises nothing at this moment.
        UsageError: The venue never had the sequence of the book, or has forgotten what was true then; or what was given
            is no book.

    Complexity: O(n log n), n levels.
    """
    view = _view(book)
    if not view.is_live:
        raise BookNotLive(view.symbol, view.state, view.reason, 0)
    truth = source.book(view.sequence)
    found: list[LevelDifference] = []
    for side, ours, theirs in ((Side.BID, view.bids, truth.bids), (Side.ASK, view.asks, truth.asks)):
        known = _known(book, side, theirs) if isinstance(book, OrderBook) else _seen(view, side, theirs)
        is_float = bool(ours) and isinstance(ours[0].price, float)
        told = [(plain(_exact(level.price)), plain(_exact(level.size))) for level in ours]
        found += _differences(side, told, _rounded(known) if is_float else known)
    return tuple(found)


def _view(book: object) -> BookView[Any]:
    if isinstance(book, OrderBook):
        return book.exact.view(ALL)
    if not isinstance(book, BookView):
        raise UsageError(f"a book or a view of one is compared, not {type(book).__name__}")
    if any(isinstance(level.price, int) for level in (*book.bids, *book.asks)):
        raise UsageError("a view of scaled integers does not say what they mean; compare one of book or of book.exact")
    return book


def _known(book: OrderBook, side: Side, theirs: Sequence[Level]) -> Sequence[Level]:
    """What a book should have of the true levels: all up to its horizon."""
    horizon = book.content.horizon[side]
    edge = None if horizon is None else Decimal(book.content.price_text(horizon))
    return tuple(_within(side, theirs, edge))


def _seen(view: BookView[Any], side: Side, theirs: Sequence[Level]) -> Sequence[Level]:
    """What a view should have of them: all up to its last level."""
    ours = view.bids if side is Side.BID else view.asks
    deepest = max(len(view.bids), len(view.asks), 1)
    if len(ours) < deepest and not view.partial:
        # It had room for more, so the book had no more on this side.
        return theirs[:deepest]
    return tuple(_within(side, theirs, ours[-1].price)) if ours else ()


def _exact(number: Decimal | float) -> Decimal:
    """Of a ``float`` the shortest decimal that is it: what the venue wrote, unless it wrote more than 15 digits."""
    return Decimal(repr(number)) if isinstance(number, float) else number


def _rounded(levels: Iterable[Level]) -> list[Level]:
    """What floats can tell of them."""
    return [(plain(_exact(float(price))), plain(_exact(float(size)))) for price, size in levels]


def assert_true(book: OrderBook | BookView[Any], source: Source) -> None:
    """Fail unless a LIVE book is the venue's, level by level; see ``compare``.

    Raises:
        AssertionError: It is not; the message names the levels that differ.
        BookNotLive: The book promises nothing at this moment.
        UsageError: As ``compare``.
    """
    found = compare(book, source)
    if not found:
        return
    shown = "".join(f"\n  {one.side.name} {one.price}: {one.ours}, the venue has {one.theirs}" for one in found[:SHOWN])
    more = f"\n  and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    raise AssertionError(
        f"{book.symbol} at {book.sequence} differs from the venue's on {len(found)} levels:{shown}{more}"
    )


def _within(side: Side, levels: Iterable[Level], edge: Decimal | float | None) -> Iterator[Level]:
    """The levels up to the last price that is known of; a ``float`` is compared with the price as a ``float``."""
    for level in levels:
        if edge is not None and side.value * type(edge)(level[0]) > side.value * edge:
            return
        yield level


def _differences(side: Side, ours: Sequence[Level], theirs: Sequence[Level]) -> Iterator[LevelDifference]:
    mine, true = dict(ours), dict(theirs)
    for price in sorted(mine.keys() | true.keys(), key=Decimal, reverse=side is Side.BID):
        have, has = mine.get(price, "0"), true.get(price, "0")
        if have != has:
            yield LevelDifference(side, price, have, has)
