"""What a reader of a stream beside the books holds: an iterator of its messages, bounded, and told what is missing.

A slow reader loses the oldest messages. Where they stood it finds ``Missed``, as it does where the venue, or the way
to it, may have lost some: there is one such sign, and it stands among the messages, where nobody can overlook it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Final, Generic, Protocol, Self, TypeVar

from orderbook.errors import UsageError, shown
from orderbook.feed.errors import FeedClosed, StreamNotReady
from orderbook.feed.listeners import check_callback
from orderbook.feed.metrics import FeedMetrics
from orderbook.streams import Missed, StreamMessage

M = TypeVar("M", bound=StreamMessage)

LIMIT: Final = 10_000
"""Messages that are kept for a slow reader, unless it says otherwise."""
TOO_SLOW: Final = "the reader was too slow"


class Origin(Protocol):
    """A topic that a reader gets."""

    @property
    def is_live(self) -> bool:
        """Whether its messages come."""
        ...

    @property
    def has_failed(self) -> bool:
        """Whether the venue does not let us have it."""
        ...

    @property
    def why(self) -> str:
        """Why they do not."""
        ...


class Stream(Generic[M]):
    """An asynchronous iterator of what a stream says from now on; ends when it or the feed is closed.

    ::

        async for trade in feed.trades("BTC-USDT"):
            if isinstance(trade, orderbook.Missed):
                ...     # trades are missing here, or may be
            else:
                print(trade.side, trade.price, trade.size)

    Attributes:
        path: Which stream, as the venue calls it.
        symbols: Of which symbols; ``all`` or an empty text where the stream has no such names.
        symbol: All of that, for people.
        received: Messages for this reader so far: those delivered, skipped and waiting.
        delivered: Messages taken.
        skipped: Messages that it was too slow for.
        callback_errors: Exceptions of the callback, if there is one.
    """

    def __init__(
        self,
        path: str,
        origins: Mapping[str, Origin],
        *,
        limit: int,
        metrics: FeedMetrics,
        listen: Callable[[Stream[M], Callable[[M | Missed], Awaitable[None] | None]], None],
        gone: Callable[[Stream[M]], None],
    ) -> None:
        if type(limit) is not int or limit < 1:
            raise UsageError(f"limit is a whole number of at least 1, not {shown(limit)}")
        self.path = path
        self.symbols = tuple(origins)
        self.symbol = f"{path}:{','.join(origins)}".rstrip(":")
        self.received = self.delivered = self.skipped = self.callback_errors = 0
        self._origins = origins
        self._limit = limit
        self._metrics = metrics
        self._listen = listen
        self._gone = gone
        self._queue: deque[tuple[str, M] | Missed] = deque()
        # Of what was dropped: how many messages of which symbols; and who was interrupted where the queue begins.
        self._dropped: dict[str, int] = {}
        self._down: set[str] = set()
        self._ready = asyncio.Event()
        self._turned = asyncio.Event()
        self._closed = False

    def __repr__(self) -> str:
        return f"<Stream of {self.symbol[:80]}: {self.delivered} delivered, {self.skipped} skipped>"

    @property
    def waiting(self) -> int:
        """Messages that can be taken without waiting."""
        return sum(not isinstance(item, Missed) for item in self._queue)

    @property
    def is_live(self) -> bool:
        """Whether its messages come: the venue has acknowledged all of it, and is heard."""
        return not self._closed and all(origin.is_live for origin in self._origins.values())

    async def ready(self, *, timeout_s: float | None = None) -> None:
        """Wait until it is live: what the venue sends from now on will be here, or ``Missed`` in its place.

        Raises:
            StreamNotReady: Not in time, or the venue refuses it or the key (which is known at once). It is a
                ``TimeoutError``.
            FeedClosed: It was closed.
        """
        origins = self._origins.values()
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self._closed or not any(one.has_failed for one in origins):
                    if self.is_live:
                        return
                    if self._closed:
                        raise FeedClosed(f"the stream {self.symbol[:80]} was closed")
                    self._turned.clear()
                    await self._turned.wait()
        # What was refused says more than what has to be waited for.
        late = [one for one in origins if one.has_failed] or [one for one in origins if not one.is_live]
        raise StreamNotReady(self.symbol[:80], late[0].why if late else "it has just begun")

    def listen(self, callback: Callable[[M | Missed], Awaitable[None] | None]) -> Self:
        """Have a function, or a coroutine function, called with everything that would be iterated over.

        As with ``feed.listen``, a slow one misses messages and delays nobody, and one that raises is called again.

        Returns:
            This; close it to end that.
        """
        check_callback(callback, "a message")
        self._listen(self, callback)
        return self

    # -- what its topics tell --

    def put(self, symbol: str, message: M) -> None:
        """One message more. O(1)."""
        if not self._closed:
            self.received += 1
            self._push((symbol, message))

    def miss(self, missed: Missed) -> None:
        """Here messages are missing; what is missing of others at the same place, for the same reason, is one."""
        if self._closed:
            return
        last = self._queue[-1] if self._queue else None
        if isinstance(last, Missed) and (last.reason, last.is_over) == (missed.reason, missed.is_over):
            self._queue[-1] = replace(last, symbols=tuple(dict.fromkeys(last.symbols + missed.symbols)))
        else:
            self._push(missed)

    def turn(self) -> None:
        """Whether its messages come may have changed."""
        self._turned.set()

    def end(self) -> None:
        """Nothing comes any more; what is here may still be taken."""
        self._closed = True
        self._ready.set()
        self._turned.set()

    def _push(self, item: tuple[str, M] | Missed) -> None:
        if len(self._queue) >= self._limit:
            self._drop(self._queue.popleft())
        self._queue.append(item)
        self._ready.set()

    def _drop(self, item: tuple[str, M] | Missed) -> None:
        if isinstance(item, Missed):
            self._pass(item)
            self._dropped |= {symbol: self._dropped.get(symbol, 0) for symbol in item.symbols}
        else:
            self.skipped += 1
            self._metrics.stream_dropped += 1
            self._dropped[item[0]] = self._dropped.get(item[0], 0) + 1

    def _pass(self, missed: Missed) -> None:
        """The queue begins behind it."""
        if missed.is_over:
            self._down.difference_update(missed.symbols)
        else:
            self._down.update(missed.symbols)

    # -- what its reader does --

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> M | Missed:
        """The next message, or the sign that some are missing."""
        while not (self._queue or self._dropped):
            if self._closed:
                raise StopAsyncIteration
            self._ready.clear()
            await self._ready.wait()
        if self._dropped:
            return self._what_was_dropped()
        item = self._queue.popleft()
        if isinstance(item, Missed):
            self._pass(item)
            return item
        self.delivered += 1
        return item[1]

    def _what_was_dropped(self) -> Missed:
        """First of the symbols whose messages come again or still, then of those that were interrupted meanwhile."""
        symbols = [symbol for symbol in self._dropped if symbol not in self._down]
        is_over = bool(symbols)
        symbols = symbols or [*self._dropped]
        count = sum(self._dropped.pop(symbol) for symbol in symbols)
        return Missed(path=self.path, symbols=tuple(symbols), reason=TOO_SLOW, count=count, is_over=is_over)

    def close(self) -> None:
        """No more messages; whoever waits for one is released. Who was its last reader ends the subscription."""
        self._queue.clear()
        self._dropped.clear()
        if not self._closed:
            self.end()
            self._gone(self)
