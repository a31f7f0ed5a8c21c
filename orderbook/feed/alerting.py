"""Waiting for conditions: what a feed offers for it, and the same for any stream."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterable, Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

from orderbook.condition_text import parse_condition
from orderbook.conditions import Condition, Predicate, Test
from orderbook.feed.alerts import Alert, Alerts
from orderbook.feed.bookkeeper import BookKeeper
from orderbook.feed.errors import FeedClosed, NotInTime
from orderbook.feed.herald import Herald
from orderbook.feed.listeners import Listeners, check_callback
from orderbook.feed.settings import FeedSettings
from orderbook.guard import Clock
from orderbook.results import BookView

T = TypeVar("T")


def condition_of(what: str | Condition | Test, *, for_s: float | None, levels: int) -> Condition:
    """Whatever a user names a condition by, as one.

    Raises:
        UsageError: It is none.
    """
    if isinstance(what, str):
        condition = parse_condition(what)
    elif isinstance(what, Condition):
        condition = what
    else:
        condition = Predicate(what, levels)
    return condition if for_s is None else replace(condition, for_s=for_s)


class Alerting(ABC):
    """What a feed can do with conditions."""

    settings: FeedSettings
    herald: Herald
    _listeners: Listeners
    _clock: Clock

    @abstractmethod
    def _book(self, symbol: str) -> BookKeeper: ...

    async def when(
        self,
        symbol: str,
        condition: str | Condition | Test,
        *,
        for_s: float | None = None,
        timeout_s: float | None = None,
        levels: int = 1,
    ) -> BookView[float]:
        """Wait until a condition holds; at once if it does now. See ``alerts``.

        Returns:
            The book in which it held: it may have moved on by the time that this is read.

        Raises:
            NotInTime: It did not within ``timeout_s`` seconds. It is a ``TimeoutError``.
            NotReady: The book is FAILED, so that it never will without the user.
            FeedClosed: The feed is not open, or it or the book was closed meanwhile.
            UsageError: Not a symbol of this feed, or no condition.
            BeyondHorizon: It is about levels past what is known of the book.
            Exception: Whatever the function raised.
        """
        alerts = self._alerts(symbol, condition, for_s=for_s, levels=levels, limit=1, raises=True)
        limit = asyncio.timeout(timeout_s)
        try:
            async with limit:
                return (await anext(alerts)).view
        except StopAsyncIteration:
            raise FeedClosed(f"the book of {symbol} was closed") from None
        except TimeoutError:
            # Somebody else's time-out, and NotReady, which is one, too, are not of this wait.
            if timeout_s is None or not limit.expired():
                raise
            raise NotInTime(f"{symbol}: {alerts.condition}", timeout_s, alerts.standing) from None
        finally:
            alerts.close()

    def alerts(
        self,
        symbol: str,
        condition: str | Condition | Test,
        *,
        for_s: float | None = None,
        levels: int = 1,
        limit: int = 100,
    ) -> Alerts:
        """An asynchronous iterator of the moments in which a condition comes to hold.

        It is looked at with every delta that is applied, and with every change of state: what held for one delta only
        is told. It fires when it turns from false to true (or is true at the first look), and again only after it was
        false. While the book is not LIVE it is neither: see ``orderbook.conditions``.

        Args:
            symbol: Whose book.
            condition: A text such as ``"spread_bps > 5"``, ``"imbalance(10) < -0.4 for 2s"``,
                ``"best_ask crosses 67000"`` or ``"not live for 5s"``; the same as data; or a function of a view, which
                has to be quick and must not wait: books cannot be kept meanwhile.
            for_s: It has to hold for so long, in seconds; as the condition says by default.
            levels: Levels a side in each view.
            limit: Alerts that wait to be taken; of more the oldest go, and are counted in ``Alert.skipped``.

        Raises:
            UsageError: Not a symbol of this feed, no condition (``ConditionError``: no such text), or a bad argument.
            FeedClosed: The feed is not open.
        """
        return self._alerts(symbol, condition, for_s=for_s, levels=levels, limit=limit, raises=False)

    def on_alert(
        self,
        symbol: str,
        condition: str | Condition | Test,
        callback: Callable[[Alert], Awaitable[None] | None],
        *,
        for_s: float | None = None,
        levels: int = 1,
        limit: int = 100,
    ) -> Alerts:
        """Have a function, or a coroutine function, called with every alert; see ``alerts``.

        It is called by a task of its own, as by ``Feed.listen``: if it is slow or raises, that delays nobody.

        Returns:
            The alerts; close them to end this.
        """
        check_callback(callback, "an alert")
        alerts = self._alerts(symbol, condition, for_s=for_s, levels=levels, limit=limit, raises=False)
        self._listeners.add(alerts, callback)
        return alerts

    def _alerts(
        self,
        symbol: str,
        condition: str | Condition | Test,
        *,
        for_s: float | None,
        levels: int,
        limit: int,
        raises: bool,
    ) -> Alerts:
        keeper = self._book(symbol)
        alerts = Alerts(
            keeper.sync.book,
            condition_of(condition, for_s=for_s, levels=levels),
            levels=levels,
            limit=limit,
            settings=self.settings,
            metrics=keeper.metrics,
            clock=self._clock,
            failed=lambda event: self.herald.tell(symbol, event),
            gone=keeper.subscriptions.discard,
            raises=raises,
        )
        keeper.subscriptions.add(alerts)
        alerts.look(self._clock())
        return alerts


async def first(
    stream: AsyncIterable[T], predicate: Callable[[T], object] = lambda _item: True, *, timeout_s: float | None = None
) -> T:
    """Wait for the first item of a stream that a function says yes to: of updates, of events, of trades.

    Args:
        stream: It is read up to that item, and goes on from there for whoever reads it next.
        predicate: A plain function of an item; by default, any will do. Whatever it raises is raised.
        timeout_s: How long to wait, in seconds; ``None``: for ever.

    Raises:
        NotInTime: There was none in time. It is a ``TimeoutError``.
        FeedClosed: The stream ended without one.
    """
    limit = asyncio.timeout(timeout_s)
    try:
        async with limit:
            async for item in stream:
                if predicate(item):
                    return item
    except TimeoutError:
        if timeout_s is None or not limit.expired():
            raise
        raise NotInTime(f"no such item of {type(stream).__name__}", timeout_s) from None
    raise FeedClosed("the stream ended before there was such an item")
