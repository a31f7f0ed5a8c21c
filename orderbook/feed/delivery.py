"""Bounded delivery of updates: a slow subscriber loses updates (and is told how many), never the book.

Three policies. ``every``: each applied delta, in a queue of bounded length; when it is full the oldest go. ``latest``:
the book as it is when the subscriber is ready for it. ``best``: the same, but only when the touch has changed.
A change of state is delivered by all three.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, Protocol, Self

from orderbook.book import OrderBook
from orderbook.errors import UsageError, shown
from orderbook.feed.held import Held
from orderbook.feed.metrics import SymbolMetrics
from orderbook.guard import Clock
from orderbook.results import BookView
from orderbook.types import Delta

Deliver = Literal["every", "latest", "best"]
POLICIES: Final = ("every", "latest", "best")


@dataclass(frozen=True, slots=True)
class Update:
    """What a subscriber gets.

    Attributes:
        symbol: Whose book.
        view: The book with its best levels, and its state; no levels unless LIVE. With ``every``, as it was right
            after ``delta``; else as it is when the update is taken.
        delta: The message that was applied; ``None`` when several may have been, or the state has changed.
        received_ns: When the newest message in it was read, in ns of the feed's clock.
        skipped: How many updates were left out since the one before: dropped from a full queue, or conflated.
    """

    symbol: str
    view: BookView[float]
    delta: Delta | None
    received_ns: int
    skipped: int


class Subscription:
    """An asynchronous iterator of updates; ends when it or the feed is closed.

    Attributes:
        delivered: Updates taken.
        skipped: Updates left out so far.
        callback_errors: Exceptions of the callback, if there is one.
    """

    def __init__(
        self,
        book: OrderBook,
        deliver: Deliver,
        *,
        limit: int,
        levels: int,
        metrics: SymbolMetrics,
        clock: Clock,
        gone: Callable[[Subscription], None],
    ) -> None:
        if deliver not in POLICIES:
            raise UsageError(f"deliver is one of {', '.join(POLICIES)}, not {shown(deliver)}")
        for name, value in (("limit", limit), ("levels", levels)):
            if type(value) is not int or value < 1:
                raise UsageError(f"{name} is a whole number of at least 1, not {shown(value)}")
        self.symbol = book.symbol
        self.deliver = deliver
        self.delivered = 0
        self.skipped = 0
        self.callback_errors = 0
        self._book = book
        self._levels = levels
        self._limit = limit
        self._gone = gone
        self._metrics = metrics
        self._clock = clock
        self._queue: deque[tuple[BookView[float] | None, Delta | None, int]] = deque()
        self._skipped_now = 0
        self._touch: tuple[object, ...] | None = None
        self._ready = asyncio.Event()
        self._closed = False

    def __repr__(self) -> str:
        return f"<Subscription to {self.deliver} of {self.symbol}: {self.delivered} delivered, {self.skipped} skipped>"

    @property
    def wants_deltas(self) -> bool:
        """Whether it hands on every delta."""
        return self.deliver == "every"

    def publish(self, delta: Delta | None, received_ns: int, *, state_changed: bool) -> None:
        """The book has moved, or its state has. O(1), but for the view that ``every`` takes."""
        if self._closed:
            return
        if self.deliver == "best":
            touch = (self._book.epoch, self._book.touch_count)
            if touch == self._touch and not state_changed:
                return
            self._touch = touch
        if self.deliver == "every":
            if len(self._queue) >= self._limit:
                self._queue.popleft()
                self._metrics.dropped += 1
                self._skip()
            self._queue.append((self._book.view(self._levels), delta, received_ns))
        else:
            if self._queue:
                self._queue.clear()
                self._metrics.conflated += 1
                self._skip()
            self._queue.append((None, None, received_ns))
        self._ready.set()

    def _skip(self) -> None:
        self.skipped += 1
        self._skipped_now += 1

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Update:
        """The next update."""
        while not self._queue:
            if self._closed:
                raise StopAsyncIteration
            self._ready.clear()
            await self._ready.wait()
        view, delta, received_ns = self._queue.popleft()
        skipped, self._skipped_now = self._skipped_now, 0
        self.delivered += 1
        self._metrics.delivered += 1
        self._metrics.delivery_lag_ns.observe(self._clock() - received_ns)
        return Update(self.symbol, view or self._book.view(self._levels), delta, received_ns, skipped)

    def close(self, *, drain: bool = False) -> None:
        """No more updates; whoever waits for one is released. May be called twice.

        Args:
            drain: What is queued may still be taken.
        """
        if not drain:
            self._queue.clear()
        if not self._closed:
            self._closed = True
            self._ready.set()
            self._gone(self)


class Subscriber(Protocol):
    """Who is told of a book, at once with everything that happens to it: a ``Subscription``, or ``Alerts``."""

    @property
    def wants_deltas(self) -> bool:
        """Whether it makes use of the messages themselves."""
        ...

    def publish(self, delta: Delta | None, received_ns: int, *, state_changed: bool) -> None:
        """The book has moved, or its state has; must not raise."""

    def close(self, *, drain: bool = False) -> None:
        """There will be no more."""


class Subscribers(Held[Subscriber]):
    """The subscribers of a book."""

    @property
    def want_deltas(self) -> bool:
        """Whether one of them hands on every delta."""
        return any(one.wants_deltas for one in self)
