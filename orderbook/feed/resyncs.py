"""Many books that wait for a snapshot at the same time: how many they are, and for how long that will be so."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from orderbook.feed.bookkeeper import BookKeeper
from orderbook.feed.events import MassResync, MassResyncEnded, Notice
from orderbook.feed.pacing import MS
from orderbook.feed.seams import World
from orderbook.venues.rest import Depth

log = logging.getLogger("orderbook.feed")


class Resyncs:
    """Counts those that wait, and tells when a mass resync begins and ends.

    Args:
        books: The feed's books, by symbol.
        depth: How deep their snapshots are.
        world: The seams.
        mass_min: So many that wait together are a mass resync.
        tell: Gets what is told, about the feed as a whole.
    """

    def __init__(
        self,
        books: Mapping[str, BookKeeper],
        depth: Depth,
        world: World,
        mass_min: int,
        tell: Callable[[None, Notice], None],
    ) -> None:
        self._books = books
        self._depth = depth
        self._world = world
        self._mass_min = mass_min
        self._tell = tell
        self._began_ns: int | None = None
        self._seen: set[str] = set()

    def waiting(self) -> list[str]:
        """The symbols that wait. O(symbols)."""
        return [symbol for symbol, book in self._books.items() if book.is_waiting]

    def wait_ms(self, count: int) -> int:
        """About how long it takes until so many books that wait have their snapshots."""
        return self._world.line.forecast_ms(self._depth, count)

    def keep_for_first(self) -> None:
        """What the symbols that matter most may need at once is kept from others. O(symbols)."""
        self._world.line.keep(self._depth, sum(book.interest.is_first for book in self._books.values()))

    def forget(self, book: BookKeeper) -> None:
        """A book was removed."""
        if book.interest.is_first:
            self.keep_for_first()

    def look(self) -> None:
        """Whether a mass resync has begun or ended since the last look."""
        waiting = self.waiting()
        if self._began_ns is None and len(waiting) >= self._mass_min:
            wait_ms = self.wait_ms(len(waiting))
            self._began_ns = self._world.clock()
            self._seen.clear()
            log.warning("mass resync: %d books wait for a snapshot, for about %.1f s", len(waiting), wait_ms / 1e3)
            self._tell(None, MassResync(len(waiting), wait_ms))
        if self._began_ns is None:
            return
        self._seen.update(waiting)
        if not waiting:
            took_ms = (self._world.clock() - self._began_ns) // MS
            self._began_ns = None
            log.warning("mass resync: %d books had their snapshots within %.1f s", len(self._seen), took_ms / 1e3)
            self._tell(None, MassResyncEnded(len(self._seen), took_ms))
