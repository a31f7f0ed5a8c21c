"""What is known of a feed and its symbols at one moment, put together for whoever asks."""

from __future__ import annotations

from orderbook.feed.bookkeeper import BookKeeper
from orderbook.feed.health import FeedHealth, SymbolStatus
from orderbook.feed.pacing import MS
from orderbook.feed.placement import Placement
from orderbook.feed.resyncs import Resyncs
from orderbook.feed.seams import World


def status_of(keeper: BookKeeper, why: str, frames_per_s: float, now_ns: int) -> SymbolStatus:
    """How a symbol is doing.

    Args:
        keeper: Whose.
        why: Why its book is not LIVE, if it is not.
        frames_per_s: Of its frames.
        now_ns: The feed's clock.
    """
    view, counters = keeper.sync.book.view(1), keeper.sync.counters
    return SymbolStatus(
        symbol=keeper.symbol,
        state=view.state,
        reason=view.reason if view.is_live else why,
        age_ms=view.age_ms,
        sequence=view.sequence,
        frames_per_s=frames_per_s,
        resyncs=counters.resyncs,
        gaps=counters.gaps,
        since_ms=max(0, now_ns - keeper.since_ns) // MS,
    )


def health_of(placement: Placement, world: World, resyncs: Resyncs) -> FeedHealth:
    """How a feed is doing. O(symbols)."""
    used, limit = world.budget()
    waiting = len(resyncs.waiting())
    books = [book for link in placement.links for book in link.books.values()]
    return FeedHealth(
        links=tuple(link.health() for link in placement.links),
        budget_used=used,
        budget_limit=limit,
        client_messages=placement.messages,
        books_waiting=waiting,
        books_wait_ms=resyncs.wait_ms(waiting),
        books=len(books),
        books_live=sum(book.sync.book.is_live for book in books),
    )
