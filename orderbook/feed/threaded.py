"""A feed for people without asyncio: its event loop runs in a thread of its own, and hands out views."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeout
from copy import deepcopy
from types import TracebackType
from typing import Any, Self, TypeVar

from orderbook.conditions import Condition, Test
from orderbook.errors import OrderBookError, UsageError
from orderbook.feed.delivery import Deliver, Update
from orderbook.feed.errors import FeedClosed, ForkedFeed
from orderbook.feed.events import Dump
from orderbook.feed.health import FeedHealth, SymbolStatus
from orderbook.feed.listeners import check_callback
from orderbook.feed.metrics import FeedMetrics, SymbolMetrics
from orderbook.feed.opening import open_feed
from orderbook.results import BookView
from orderbook.sync.journal import GapJournal, SyncCounters
from orderbook.venues.base import Venue

T = TypeVar("T")

CLOSE_TIMEOUT_S = 10.0
"""How long closing may take; then the thread, a daemon, is left to itself."""


class ThreadedFeed:
    """Live books for ordinary, blocking code.

    ::

        with orderbook.ThreadedFeed("kucoin", ["BTC-USDT"]) as feed:
            feed.ready("BTC-USDT", timeout_s=10)
            view = feed.view("BTC-USDT", levels=10)   # immutable; view.is_live says what it is worth

    A book itself belongs to the loop's thread, so this hands out views: state, sequence, age and levels of one moment,
    and no ``feed[symbol]``; ``listen`` takes the place of ``updates``, and ``open_feed(on_event=)`` of ``events``. What
    it counts are copies. Every method may be called from any thread but the feed's own: there, it would wait for itself
    and so raises ``UsageError``.

    Args:
        venue: As for ``open_feed``.
        symbols: As for ``open_feed``.
        options: Everything else that ``open_feed`` takes.

    Raises:
        UsageError: As ``open_feed``.
    """

    def __init__(self, venue: str = "kucoin", symbols: Iterable[str] = (), **options: Any) -> None:
        self._feed = open_feed(venue, symbols, **options)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._pid = os.getpid()

    def __repr__(self) -> str:
        return f"<ThreadedFeed with {self._feed!r}>"

    def __enter__(self) -> Self:
        """Open it: see ``start``."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def start(self) -> None:
        """Start the thread and open the feed in it.

        Raises:
            RestError: The venue cannot be asked.
            UnknownSymbol: A symbol that the venue does not have.
            FeedClosed: It was opened before.
        """
        self._require_own_process()
        if self._thread is not None:
            raise FeedClosed("a feed is opened once; make another one")
        ready: Future[asyncio.AbstractEventLoop] = Future()
        self._thread = threading.Thread(target=_run_loop, args=(ready,), name="orderbook-feed", daemon=True)
        self._thread.start()
        self._loop = ready.result()
        try:
            self._call(self._feed.start())
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the feed and end its thread. May be called twice.

        Raises:
            UsageError: Called by a callback, in the feed's own thread; nothing is closed then.
        """
        if os.getpid() != self._pid:
            # In a fork there is no thread, and nothing of the parent's is ours to be closed.
            return
        self._require_another_thread()
        loop, self._loop = self._loop, None
        if loop is None or self._thread is None:
            return
        try:
            asyncio.run_coroutine_threadsafe(self._feed.close(), loop).result(CLOSE_TIMEOUT_S)
        finally:
            loop.call_soon_threadsafe(loop.stop)
            self._thread.join(CLOSE_TIMEOUT_S)

    @property
    def venue(self) -> Venue:
        """Its venue."""
        return self._feed.venue

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols of the feed."""
        return self._feed.symbols

    @property
    def metrics(self) -> FeedMetrics:
        """What the feed counts; it goes on counting while it is read."""
        return self._feed.metrics

    @property
    def dumps(self) -> tuple[Dump, ...]:
        """What the last failed audits saw."""
        return tuple(self._feed.dumps)

    def ready(self, symbol: str, *, timeout_s: float | None = None) -> BookView[float]:
        """Wait until a book is LIVE; raises as ``Feed.ready``. A view of its best levels."""
        self._call(self._feed.ready(symbol, timeout_s=timeout_s))
        return self.view(symbol)

    def when(
        self,
        symbol: str,
        condition: str | Condition | Test,
        *,
        for_s: float | None = None,
        timeout_s: float | None = None,
        levels: int = 1,
    ) -> BookView[float]:
        """Wait until a condition holds; as ``Feed.when``, and raises as it does. A function runs in that thread."""
        return self._call(self._feed.when(symbol, condition, for_s=for_s, timeout_s=timeout_s, levels=levels))

    def view(self, symbol: str, levels: int = 1) -> BookView[float]:
        """The book at this moment: its state, and its best levels if it is LIVE.

        Raises:
            UsageError: Not a symbol of this feed, or a bad number of levels.
            FeedClosed: The feed is not open.
        """
        return self._ask(lambda: self._feed[symbol].view(levels))

    def status(self, symbol: str) -> SymbolStatus:
        """How a symbol is doing; raises as ``view``."""
        return self._ask(lambda: self._feed.status(symbol))

    def health(self) -> FeedHealth:
        """How the feed is doing. Raises ``FeedClosed``."""
        return self._ask(self._feed.health)

    def counters(self, symbol: str) -> SyncCounters:
        """What was counted of a symbol since it was added, as it is now; raises as ``view``."""
        return self._ask(lambda: self._feed.counters(symbol))

    def journal(self, symbol: str) -> GapJournal:
        """Every loss of LIVE of a symbol, as they are known now; raises as ``view``."""
        return self._ask(lambda: deepcopy(self._feed.journal(symbol)))

    def symbol_metrics(self, symbol: str) -> SymbolMetrics:
        """Delivery, latencies and recoveries of a symbol, as they are now; raises as ``view``."""
        return self._ask(lambda: deepcopy(self._feed.symbol_metrics(symbol)))

    def prioritise(self, *symbols: str) -> None:
        """Say which symbols matter most; as ``Feed.prioritise``, and raises as it does."""
        self._ask(lambda: self._feed.prioritise(*symbols))

    def add(self, *symbols: str) -> None:
        """Keep more books; raises as ``Feed.add``."""
        self._call(self._feed.add(*symbols))

    def remove(self, *symbols: str) -> None:
        """Keep fewer books; raises as ``Feed.remove``."""
        self._call(self._feed.remove(*symbols))

    def listen(
        self, symbol: str, callback: Callable[[Update], None], *, deliver: Deliver = "latest", levels: int = 1
    ) -> Callable[[], None]:
        """Have a function called with every update, in the feed's thread; see ``Feed.listen``.

        It must not block for long: books cannot be kept meanwhile.

        Returns:
            A function that ends it, to be called from any thread.

        Raises:
            UsageError: Nothing that can be called; else as ``view``.
        """
        check_callback(callback, "an update")
        subscription = self._ask(lambda: self._feed.listen(symbol, callback, deliver=deliver, levels=levels))

        def close() -> None:
            if (loop := self._loop) is not None and os.getpid() == self._pid:
                loop.call_soon_threadsafe(subscription.close)

        return close

    def _ask(self, question: Callable[[], T]) -> T:
        async def answer() -> T:
            return question()

        return self._call(answer())

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        """Have something done in the feed's thread, and wait for it."""
        loop = self._loop
        try:
            self._require_own_process()
            self._require_another_thread()
            if loop is None:
                raise FeedClosed("the feed is not open: with ThreadedFeed(...) as feed")
        except OrderBookError:
            work.close()
            raise
        future = asyncio.run_coroutine_threadsafe(work, loop)
        try:
            return future.result()
        except (CancelledError, FutureTimeout) as error:
            if future.cancelled():
                raise FeedClosed("the feed was closed meanwhile") from error
            raise
        except BaseException:
            # Such as Ctrl-C in this thread.
            future.cancel()
            raise

    def _require_own_process(self) -> None:
        if os.getpid() != self._pid:
            raise ForkedFeed

    def _require_another_thread(self) -> None:
        if threading.current_thread() is self._thread:
            raise UsageError("a threaded feed cannot be asked from its own thread: it would wait for itself")


def _run_loop(ready: Future[asyncio.AbstractEventLoop]) -> None:
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        ready.set_result(loop)
        loop.run_forever()
