"""What is known of a feed and its symbols at one moment, put together for whoever asks, or waits for another one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass

from orderbook.book import OrderBook
from orderbook.feed.bookkeeper import BookKeeper
from orderbook.feed.errors import FeedClosed, NotReady
from orderbook.feed.health import FeedHealth, SymbolStatus
from orderbook.feed.pacing import MS
from orderbook.feed.placement import Placement
from orderbook.feed.resyncs import Resyncs
from orderbook.feed.seams import World
from orderbook.feed.streamkeeper import StreamKeeper
from orderbook.types import BookState


async def until_live(keeper: BookKeeper, timeout_s: float | None, why: Callable[[], str]) -> OrderBook:
    """Wait until a book is LIVE.

    Args:
        keeper: Whose.
        timeout_s: For how long, in seconds; ``None``: for ever.
        why: Tells why it is not.

    Raises:
        NotReady: Not in time, or never without the user (which is known at once).
        FeedClosed: The book was closed.
    """
    symbol, book = keeper.symbol, keeper.sync.book
    try:
        async with asyncio.timeout(timeout_s):
            while not book.is_live:
                if book.state is BookState.CLOSED:
                    raise FeedClosed(f"the book of {symbol} was closed")
                if book.state is BookState.FAILED:
                    raise NotReady(symbol, book.state, book.reason)
                await keeper.changed()
    except TimeoutError as error:
        if isinstance(error, NotReady):
            raise
        raise NotReady(symbol, book.state, why()) from None
    return book


@dataclass(frozen=True, slots=True)
class Readiness:
    """Which books of a feed are LIVE at one moment, as ``feed.ready_all()`` tells it.

    Attributes:
        live: Those that are, in the order of the feed.
        reasons: Why each of the others is not.
    """

    live: tuple[str, ...]
    reasons: Mapping[str, str]

    @property
    def is_complete(self) -> bool:
        """Whether all are."""
        return not self.reasons


async def until_all_live(
    books: Mapping[str, BookKeeper], timeout_s: float | None, why: Callable[[str], str]
) -> Readiness:
    """Wait until all books are LIVE at one moment, but for those that never will be without the user.

    Args:
        books: By symbol; those that come meanwhile are waited for, those that go are not.
        timeout_s: For how long, in seconds; ``None``: for ever.
        why: Tells why a book is not LIVE.

    Raises:
        FeedClosed: They were closed.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            while waiting := [one for one in books.values() if not (one.sync.book.is_live or one.has_failed)]:
                try:
                    await until_live(waiting[0], None, lambda: "")
                except NotReady:
                    continue
                except FeedClosed:
                    # It was removed alone, or the whole feed is closed.
                    if books.get(waiting[0].symbol) is waiting[0]:
                        raise
    missing = {symbol: why(symbol) for symbol, one in books.items() if not one.sync.book.is_live}
    return Readiness(tuple(symbol for symbol in books if symbol not in missing), missing)


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


def health_of(
    books: Collection[BookKeeper],
    streams: Collection[StreamKeeper],
    placement: Placement,
    world: World,
    resyncs: Resyncs,
) -> FeedHealth:
    """How a feed is doing. O(topics)."""
    used, limit = world.budget()
    waiting = len(resyncs.waiting())
    return FeedHealth(
        links=tuple(link.health() for link in placement.links),
        budget_used=used,
        budget_limit=limit,
        client_messages=placement.messages,
        books_waiting=waiting,
        books_wait_ms=resyncs.wait_ms(waiting),
        books=len(books),
        books_live=sum(book.sync.book.is_live for book in books),
        streams=len(streams),
        streams_live=sum(stream.is_live for stream in streams),
    )
