"""Waiting for a condition on a book, or for an item of a stream: it comes, or there is an error that says why not."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from orderbook.condition_text import ConditionError
from orderbook.conditions import Compare, NotLive, Quantity
from orderbook.errors import BeyondHorizon, UsageError
from orderbook.feed.alerting import condition_of, first
from orderbook.feed.errors import FeedClosed, NotInTime, NotReady
from orderbook.testing import VirtualKuCoin, in_virtual_time
from tests.alerting import BTC, exactly, taken, venue
from tests.unchecked import unchecked
from tests.waiting import elapse, until


@in_virtual_time
async def test_when_waits_until_it_holds() -> None:
    """At once where it does; else until it does, and the view is that one; data and functions as texts."""
    async with venue() as on, on.open_feed() as feed:
        first_view = await feed.when(BTC, "best_bid > 0", timeout_s=30)
        assert first_view.is_live
        same = Compare(Quantity("imbalance", 5), ">", Decimal("0.2"))
        view = await feed.when(BTC, same, timeout_s=60, levels=5)
        assert exactly(view)[2] > Decimal("0.2")
        view = await feed.when(BTC, lambda view: view.bids[0].size < view.asks[0].size, timeout_s=60)
        assert view.bids[0].size < view.asks[0].size
        lasting = await feed.when(BTC, lambda _view: True, for_s=2, timeout_s=60)
        assert lasting.sequence > view.sequence
        await asyncio.gather(feed.when(BTC, "not live", timeout_s=60), unplugged(on))


async def unplugged(on: VirtualKuCoin) -> None:
    """A little later everything is cut."""
    await elapse(1)
    on.unplug(1_000)


@in_virtual_time
async def test_when_does_not_wait_for_ever() -> None:
    """The error says what was waited for, how long, and how the book is."""
    async with venue() as on, on.open_feed() as feed:
        await feed.ready(BTC, timeout_s=5)
        with pytest.raises(NotInTime, match=r"^BTC-USDT: mid < 0: not within 2 s; the book is LIVE$") as caught:
            await feed.when(BTC, "mid < 0", timeout_s=2)
        assert isinstance(caught.value, TimeoutError)
        on.unplug(60_000)
        await until(lambda: not feed[BTC].is_live, 5)
        with pytest.raises(NotInTime, match=r"not within 2 s; the book is CONNECTING, \w+"):
            await feed.when(BTC, "mid > 0", timeout_s=2)
        with pytest.raises(TimeoutError) as outer:
            async with asyncio.timeout(1):
                await feed.when(BTC, "mid > 0", timeout_s=2)
        assert not isinstance(outer.value, NotInTime)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await feed.when(BTC, "mid > 0")


@pytest.mark.parametrize("how", ["close", "remove"])
@in_virtual_time
async def test_when_ends_with_the_book(how: str) -> None:
    """Whoever waits is told; and so is whoever comes later."""
    async with venue() as on, on.open_feed() as feed:
        await feed.ready(BTC, timeout_s=5)
        waiting = asyncio.ensure_future(feed.when(BTC, "mid < 0"))
        alerts = feed.alerts(BTC, "mid < 0")
        lost = feed.alerts(BTC, "not live")
        await elapse(1)
        await (feed.close() if how == "close" else feed.remove(BTC))
        with pytest.raises(FeedClosed, match="the book of BTC-USDT was closed"):
            await waiting
        assert ([], []) == (await taken(alerts), await taken(lost))
        with pytest.raises(FeedClosed if how == "close" else UsageError):
            await feed.when(BTC, "mid < 0")


@in_virtual_time
async def test_when_raises_what_the_function_raises() -> None:
    """At once, and nothing is left behind."""
    async with venue() as on, on.open_feed() as feed:
        await feed.ready(BTC, timeout_s=5)
        with pytest.raises(ZeroDivisionError):
            await feed.when(BTC, lambda _view: 1 / 0, timeout_s=5)
        assert 1 == feed.symbol_metrics(BTC).condition_errors
        assert 0 == len(feed._books[BTC].subscriptions)
        await elapse(5)
        assert feed[BTC].is_live


@in_virtual_time
async def test_when_knows_what_will_never_be() -> None:
    """Levels that nobody knows, and a book that only the user can help."""
    async with venue() as on, on.open_feed(depth=20) as feed:
        await feed.ready(BTC, timeout_s=5)
        with pytest.raises(BeyondHorizon):
            await feed.when(BTC, "imbalance(500) > 0")
    refusal = {"fault": "error_ack", "code": 404, "text": "no such topic", "scope": BTC, "p": 1}
    async with venue(faults=[refusal]) as on, on.open_feed() as feed:
        with pytest.raises(NotReady, match="FAILED"):
            await feed.when(BTC, "mid > 0", timeout_s=60)
        assert not (await feed.when(BTC, "not live")).is_live


@pytest.mark.parametrize(
    ("symbol", "condition", "options", "error"),
    [
        ("XX-YY", "mid > 0", {}, UsageError),
        (BTC, "mid >", {}, ConditionError),
        (BTC, unchecked(5), {}, UsageError),
        (BTC, "mid > 0", {"levels": 0}, UsageError),
        (BTC, "mid > 0", {"for_s": -1}, UsageError),
        (BTC, "mid crosses 5", {"for_s": 1}, UsageError),
    ],
)
@in_virtual_time
async def test_what_cannot_be_waited_for_is_refused(
    symbol: str, condition: Any, options: dict[str, Any], error: type[Exception]
) -> None:
    """Before anything begins."""
    async with venue() as on, on.open_feed() as feed:
        with pytest.raises(error):
            await feed.when(symbol, condition, **options)
        with pytest.raises(error):
            feed.on_alert(symbol, condition, print, **options)
        with pytest.raises(UsageError, match="takes an alert, not int"):
            feed.on_alert(BTC, "mid > 0", unchecked(5))
        with pytest.raises(UsageError, match="limit"):
            feed.alerts(BTC, "mid > 0", limit=0)
        assert 0 == len(feed._books[BTC].subscriptions)


def test_a_length_of_time_can_be_given_beside_a_condition() -> None:
    """It takes the place of the condition's own."""
    assert NotLive(for_s=7) == condition_of("not live for 5s", for_s=7, levels=1)
    assert NotLive(for_s=5) == condition_of("not live for 5s", for_s=None, levels=1)
    assert NotLive() == condition_of(NotLive(for_s=5), for_s=0, levels=1)


@in_virtual_time
async def test_the_first_item_of_a_stream_is_waited_for() -> None:
    """Of updates as of events; it goes on behind that one."""
    async with venue() as on, on.open_feed() as feed:
        await feed.ready(BTC, timeout_s=5)
        updates = feed.updates(BTC, deliver="every")
        start = feed[BTC].sequence
        item = await first(updates, lambda update: update.view.sequence >= start + 10, timeout_s=60)
        assert start + 10 == item.view.sequence
        assert start + 11 == (await first(updates)).view.sequence
        with pytest.raises(NotInTime, match=r"no such item of Subscription: not within 3 s$"):
            await first(updates, lambda _update: False, timeout_s=3)
        with pytest.raises(ZeroDivisionError):
            await first(updates, lambda _update: 1 / 0, timeout_s=3)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await first(updates, lambda _update: False)
        updates.close()
        with pytest.raises(FeedClosed, match="ended before"):
            await first(updates)
