"""Keeps one's own orders known: from a feed's stream of orders, and from a list wherever some may be missing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Final, Self

from orderbook.errors import RestError
from orderbook.feed.errors import FeedClosed, StreamNotReady
from orderbook.feed.mistakes import in_words
from orderbook.feed.stream import Stream
from orderbook.own import OwnOrder, OwnOrders
from orderbook.streams import Missed, OrderUpdate

log = logging.getLogger("orderbook.feed")

RETRY_MS: Final = 1_000


class OwnKeeper:
    """One's own open orders, for as long as it is entered.

    ::

        async with OwnKeeper(feed.orders(), rest.open_orders) as own:
            net = feed["BTC-USDT"].without_own(own.orders)
            await own.ready()

    Whatever the stream may have missed makes the orders not synced; as soon as it is heard again, the list of the open
    orders is read, however often that takes.

    Args:
        stream: Of the account's orders; nobody else may read it.
        read: Gets the open orders: ``open_orders`` of ``snapshots.fetch.Rest``, or of another client.
        retry_ms: How long to wait after a list that was of no use.

    Attributes:
        orders: See ``OwnOrders``.
        problem: Why the last list was of no use, or the stream is refused; ``None``: neither is so.
    """

    def __init__(
        self,
        stream: Stream[OrderUpdate],
        read: Callable[[], Awaitable[Iterable[OwnOrder]]],
        *,
        retry_ms: int = RETRY_MS,
    ) -> None:
        self.orders = OwnOrders()
        self.problem: str | None = None
        self._stream = stream
        self._read = read
        self._retry_s = retry_ms / 1_000
        self._turned = asyncio.Event()
        self._is_over = False
        self._tasks: tuple[asyncio.Task[None], ...] = ()

    async def __aenter__(self) -> Self:
        self._tasks = asyncio.create_task(self._follow()), asyncio.create_task(self._reread())
        return self

    async def __aexit__(self, *_: object) -> None:
        """The orders are lost."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._stream.close()
        self.orders.lost("nobody keeps them any more")

    async def ready(self, *, timeout_s: float | None = None) -> None:
        """Wait until the orders are synced.

        Raises:
            TimeoutError: They are not in time.
            FeedClosed: The stream was closed, or is not followed any more: they never will be.
        """
        async with asyncio.timeout(timeout_s):
            while not self.orders.is_synced:
                if self._is_over:
                    raise FeedClosed(f"the open orders are not kept any more: {self.orders.reason}")
                await self._turn()

    async def _follow(self) -> None:
        """Hear the stream to its end."""
        try:
            async for said in self._stream:
                if isinstance(said, Missed):
                    self.orders.lost(said.reason)
                else:
                    self.orders.receive(said)
                if not self.orders.is_synced:
                    self._turned.set()
        finally:
            # However this ends: nobody hears what happens to them from now on.
            self._is_over = True
            self.orders.lost("the stream of orders was closed")
            self._turned.set()

    async def _reread(self) -> None:
        """Read the list whenever the orders are not synced and the stream is heard."""
        with suppress(FeedClosed):
            while True:
                try:
                    await self._stream.ready()
                except StreamNotReady as error:
                    # Refused; the venue is asked again.
                    self.problem = str(error)
                    await asyncio.sleep(self._retry_s)
                    continue
                if self.orders.is_synced:
                    await self._turn()
                elif not await self._is_read():
                    await asyncio.sleep(self._retry_s)

    async def _is_read(self) -> bool:
        reread = self.orders.begin_reread()
        try:
            is_synced = self.orders.finish_reread(reread, await self._read())
        except Exception as error:  # noqa: BLE001 - whatever another client raises, the next list may come
            self.problem = str(error) if isinstance(error, RestError) else in_words(error)
            log.warning("the open orders could not be read: %s", self.problem)
            return False
        if not is_synced:
            self.problem = self.orders.reason
            return False
        self.problem = None
        self._turned.set()
        return True

    async def _turn(self) -> None:
        self._turned.clear()
        await self._turned.wait()
