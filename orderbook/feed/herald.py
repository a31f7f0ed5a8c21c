"""Hands events to whoever wants them, without ever waiting for anybody."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Self
from weakref import WeakSet

from orderbook.errors import UsageError, shown
from orderbook.feed.events import FeedEvent, Notice
from orderbook.feed.mistakes import ends_the_program

EVENTS_MAX = 10_000
"""Events kept for a slow reader of them."""


class EventStream:
    """An asynchronous iterator of the events since it was made; ends when it or the feed is closed.

    Attributes:
        dropped: Events that a slow reader missed.
    """

    def __init__(self, limit: int, gone: Callable[[EventStream], None]) -> None:
        if type(limit) is not int or limit < 1:
            raise UsageError(f"limit is a whole number of at least 1, not {shown(limit)}")
        self.dropped = 0
        self._queue: deque[FeedEvent] = deque(maxlen=limit)
        self._ready = asyncio.Event()
        self._closed = False
        self._gone = gone

    def put(self, event: FeedEvent) -> None:
        """One more."""
        self.dropped += len(self._queue) == self._queue.maxlen
        self._queue.append(event)
        self._ready.set()

    def close(self) -> None:
        """No more events; whoever waits for one is released."""
        self._closed = True
        self._ready.set()
        self._gone(self)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> FeedEvent:
        """The next event."""
        while not self._queue:
            if self._closed:
                raise StopAsyncIteration
            self._ready.clear()
            await self._ready.wait()
        return self._queue.popleft()


class Herald:
    """Tells every event to a callback, if there is one, and to every stream.

    Attributes:
        callback_errors: How often the callback raised.
    """

    def __init__(self, on_event: Callable[[FeedEvent], object] | None) -> None:
        self.callback_errors = 0
        self._on_event = on_event
        # Whoever lets go of one need not close it.
        self._streams: WeakSet[EventStream] = WeakSet()

    def tell(self, symbol: str | None, notice: Notice) -> None:
        """Hand an event over, with the symbol it is about."""
        event = FeedEvent(symbol, notice)
        for stream in tuple(self._streams):
            stream.put(event)
        if self._on_event is not None:
            try:
                self._on_event(event)
            except BaseException as error:
                # Also what is no Exception, as ``result()`` of a cancelled task raises: whoever tells, perhaps the
                # reader of a link, must not die of it.
                self.callback_errors += 1
                if ends_the_program(error):
                    raise
                context = {"message": "the callback for events failed", "exception": error}
                asyncio.get_running_loop().call_exception_handler(context)

    def stream(self, limit: int) -> EventStream:
        """A new stream."""
        stream = EventStream(limit, self._streams.discard)
        self._streams.add(stream)
        return stream

    def close(self) -> None:
        """The end of every stream."""
        for stream in tuple(self._streams):
            stream.close()
