"""What a feed does now and then: measures its rates and the loop, audits a book, reads the venue's symbols again."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from orderbook.errors import RestError
from orderbook.feed.bookkeeper import BookKeeper
from orderbook.feed.events import LoopBlocked
from orderbook.feed.herald import Herald
from orderbook.feed.interest import BUSY
from orderbook.feed.metrics import FeedMetrics
from orderbook.feed.pacing import MS
from orderbook.feed.resyncs import Resyncs
from orderbook.feed.seams import World
from orderbook.feed.settings import FeedSettings
from orderbook.feed.streaming import Streams
from orderbook.types import BookState

log = logging.getLogger("orderbook.feed")

BEAT_S: Final = 0.5
RATE_BEATS: Final = 10
"""Rates are over so many beats: 5 s."""


class Housekeeping:
    """The tasks of a feed that no frame calls for.

    Args:
        books: The feed's books, by symbol.
        world: The seams.
        settings: How often.
        herald: Told when the loop was blocked.
        metrics: Gets the loop's lag.
        read_instruments: Reads the venue's symbols again. May raise ``RestError``.
        resyncs: Looks whether many books wait for a snapshot.
        streams: Looks whether the streams beside the books are heard.
    """

    def __init__(
        self,
        books: Mapping[str, BookKeeper],
        world: World,
        settings: FeedSettings,
        herald: Herald,
        metrics: FeedMetrics,
        read_instruments: Callable[[], Awaitable[None]],
        resyncs: Resyncs,
        streams: Streams,
    ) -> None:
        self._books = books
        self._world = world
        self._settings = settings
        self._herald = herald
        self._metrics = metrics
        self._read_instruments = read_instruments
        self._samples: deque[tuple[int, dict[str, int]]] = deque(maxlen=RATE_BEATS)
        self._tasks: list[asyncio.Task[None]] = []
        self._resyncs = resyncs
        self._streams = streams

    def start(self) -> None:
        """Begin."""
        create = asyncio.get_running_loop().create_task
        self._tasks.append(create(self._beat()))
        if (interval_ms := self._settings.audit_interval_ms) is not None:
            self._tasks.append(create(self._audit(interval_ms)))
        if (interval_ms := self._settings.instruments_interval_ms) is not None:
            self._tasks.append(create(self._refresh(interval_ms)))

    async def close(self) -> None:
        """End."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def rate(self, symbol: str) -> float:
        """Frames of a symbol in a second, over the last seconds."""
        book = self._books[symbol]
        if not self._samples:
            return 0.0
        then_ns, received = self._samples[0]
        elapsed_ns = self._world.clock() - then_ns
        return max(0, book.metrics.received - received.get(symbol, 0)) * 1e9 / max(elapsed_ns, MS)

    async def _beat(self) -> None:
        clock = self._world.clock
        while True:
            before_ns = clock()
            before = {name: book.metrics.received for name, book in self._books.items()}
            self._samples.append((before_ns, before))
            await asyncio.sleep(BEAT_S)
            elapsed_s = max(clock() - before_ns, 1) / 1e9
            for name, book in tuple(self._books.items()):
                book.look(book.metrics.received - before.get(name, book.metrics.received), elapsed_s)
            self._weigh()
            self._resyncs.look()
            self._streams.look()
            lag_ns = clock() - before_ns - int(BEAT_S * 1e9)
            self._metrics.observe_loop_lag(lag_ns)
            if lag_ns > self._settings.lag_ms * MS:
                log.warning("the event loop was blocked for %d ms", lag_ns // MS)
                self._herald.tell(None, LoopBlocked(lag_ns // MS))

    def _weigh(self) -> None:
        """Which symbols move much, and who came to read them or went: that orders those who wait. O(symbols)."""
        rates = {name: self.rate(name) for name in self._books}
        busy = BUSY * sum(rates.values()) / max(1, len(rates))
        for name, book in self._books.items():
            book.interest.is_busy = rates[name] > busy
            book.move()

    async def _audit(self, interval_ms: int) -> None:
        """One book at a time, each in its turn, while the budget is not needed for anything else."""
        line: list[str] = []
        while True:
            await asyncio.sleep(interval_ms / 1000)
            used, limit = self._world.budget()
            live = {name: book for name, book in self._books.items() if book.sync.state is BookState.LIVE}
            if not live or used * 2 >= limit or any(book.is_comparing for book in live.values()):
                continue
            # Whoever waited longest is next: of n books each has its turn within n intervals. An order drawn by lot, so
            # that feeds do not march in step, and kept: drawn anew each round, it could make one wait for nearly two.
            new = sorted(live.keys() - set(line))
            line = [name for name in line if name in self._books] + self._world.rng.sample(new, len(new))
            name = next(name for name in line if name in live)
            line.remove(name)
            line.append(name)
            live[name].audit()

    async def _refresh(self, interval_ms: int) -> None:
        while True:
            await asyncio.sleep(interval_ms / 1000)
            try:
                await self._read_instruments()
            except RestError as error:
                log.warning("the venue's symbols cannot be read: %s", error)
