"""Whether a local book is the venue's: which levels differ, if any do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Final

from orderbook.book import OrderBook
from orderbook.errors import BookNotLive
from orderbook.events import LevelDifference
from orderbook.simulator.truth import Level, Source, plain
from orderbook.types import Side

ALL: Final = 1_000_000
SHOWN: Final = 5
"""Differences that a message names."""


def compare(book: OrderBook, source: Source) -> tuple[LevelDifference, ...]:
    """The levels on which a LIVE book and the venue's own book at the same sequence disagree.

    A book that was seeded with a part of the venue's is compared as far as it says that it knows.

    Args:
        book: Such as ``feed["BTC-USDT"]``.
        source: What is true of it, such as ``venue.market["BTC-USDT"]``.

    Returns:
        Bids, then asks, each best first; sizes as decimal text, ``"0"`` for a level that is not there.

    Raises:
        BookNotLive: The book promises nothing at this moment.
        UsageError: The venue never had the sequence of the book, or has forgotten what was true then.

    Complexity: O(n log n), n levels.
    """
    view = book.exact.view(ALL)
    if not view.is_live:
        raise BookNotLive(book.symbol, view.state, view.reason, 0)
    truth = source.book(view.sequence)
    found: list[LevelDifference] = []
    for side, ours, theirs in ((Side.BID, view.bids, truth.bids), (Side.ASK, view.asks, truth.asks)):
        horizon = book.content.horizon[side]
        edge = None if horizon is None else Decimal(book.content.price_text(horizon))
        told = [(plain(level.price), plain(level.size)) for level in ours]
        found += _differences(side, told, tuple(_within(side, theirs, edge)))
    return tuple(found)


def assert_true(book: OrderBook, source: Source) -> None:
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


def _within(side: Side, levels: Iterable[Level], edge: Decimal | None) -> Iterator[Level]:
    """The levels up to the last price that a partial book knows of."""
    for level in levels:
        if edge is not None and side.value * Decimal(level[0]) > side.value * edge:
            return
        yield level


def _differences(side: Side, ours: Sequence[Level], theirs: Sequence[Level]) -> Iterator[LevelDifference]:
    mine, true = dict(ours), dict(theirs)
    for price in sorted(mine.keys() | true.keys(), key=Decimal, reverse=side is Side.BID):
        have, has = mine.get(price, "0"), true.get(price, "0")
        if have != has:
            yield LevelDifference(side, price, have, has)
