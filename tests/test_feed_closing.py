"""Whatever a feed is doing when it is closed: nothing is left of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from orderbook.clock import loop_clock
from orderbook.errors import OrderBookError, RestError
from orderbook.feed.errors import FeedClosed
from orderbook.feed.feed import Feed
from orderbook.feed.metrics import FeedMetrics
from orderbook.feed.opening import open_feed
from orderbook.feed.settings import FeedSettings
from orderbook.simulator.faults import FaultPlan
from orderbook.simulator.limits import Limits
from orderbook.simulator.market import Market
from orderbook.simulator.server import LocalKuCoin
from orderbook.types import BookState
from tests.feed_books import BTC, ETH, FAST, SMALL, is_right, until
from tests.feed_world import (
    nothing_left,
    own_tasks,
    own_timers,
)
from tests.waiting import turn

MS = 1_000_000
CLOSING_S = 5
"""A close that waits for the end of something else would take longer."""


async def _venue(rate: float = 20.0) -> LocalKuCoin:
    venue = LocalKuCoin(Market([BTC, ETH], 1, SMALL, rate), limits=Limits(connects_max=10_000))
    await venue.start()
    return venue


def _feed(venue: LocalKuCoin, settings: FeedSettings = FAST) -> Feed:
    return open_feed("kucoin", [BTC, ETH], url=venue.url, credentials=venue.credentials, settings=settings)


async def test_a_closed_feed_leaves_nothing() -> None:
    """No task, no timer, no socket; closing again does nothing, and every book says so."""
    venue = await _venue()
    async with nothing_left():
        async with _feed(venue) as feed:
            book = await feed.ready(BTC, timeout_s=30)
            assert is_right(book, venue.market[BTC])
            begun_ns = loop_clock()
        assert loop_clock() - begun_ns < 1_000 * MS
        await feed.close()
        assert BookState.CLOSED is book.state
        with pytest.raises(FeedClosed):
            await feed.ready(BTC)
    await venue.close()


@pytest.mark.parametrize("steps", range(0, 150, 10))
async def test_a_feed_may_be_closed_at_any_moment(steps: int) -> None:
    """After so many turns of the loop: while it connects, is welcomed, subscribes, fetches."""
    venue = await _venue()
    async with nothing_left():
        feed = _feed(venue)
        await feed.start()
        for _ in range(steps):
            await turn()
        async with asyncio.timeout(CLOSING_S):
            await feed.close()
    await venue.close()


@pytest.mark.parametrize("first", range(0, 60, 20))
async def test_opening_may_be_cancelled_at_any_moment(first: int) -> None:
    """At the n-th turn of the loop, for many n."""
    venue = await _venue()
    for steps in range(first, first + 20, 2):
        async with nothing_left():

            async def use() -> None:
                async with _feed(venue) as feed:
                    await feed.ready(ETH, timeout_s=30)
                    await asyncio.Event().wait()

            task = asyncio.create_task(use())
            for _ in range(steps):
                await turn()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    await venue.close()


@pytest.mark.parametrize(
    "fault",
    [
        {"fault": "lost_welcome", "p": 1.0},
        {"fault": "refuse", "p": 1.0},
        {"fault": "lost_ack", "p": 1.0},
        {"fault": "close_on_connect", "p": 1.0},
        {"fault": "hang", "path": "bullet", "p": 1.0},
        {"fault": "hang", "path": "orderbook", "p": 1.0},
        {"fault": "black_hole", "on": "connect", "p": 1.0},
    ],
    ids=lambda one: " ".join(str(value) for value in one.values()),
)
async def test_a_feed_in_trouble_closes_as_well(fault: dict[str, Any]) -> None:
    """Whatever it waits for at that moment."""
    venue = LocalKuCoin(Market([BTC, ETH], 1, SMALL, 20.0), faults=FaultPlan([fault]))
    await venue.start()
    async with nothing_left():
        feed = _feed(venue)
        await feed.start()
        await until(lambda: venue.exchange.ledger.count(str(fault["fault"])))
        async with asyncio.timeout(CLOSING_S):
            await feed.close()
    await venue.close()


def _connects_again(metrics: FeedMetrics, count: int) -> bool:
    return metrics.connects > count


async def test_a_feed_closes_while_its_link_is_replaced() -> None:
    """Both links end, at any moment of it."""
    venue = await _venue()
    settings = replace(FAST, link_life_ms=50, connects_max=1_000)
    for steps in range(0, 60, 10):
        async with nothing_left():
            feed = _feed(venue, settings)
            await feed.start()
            await feed.ready(BTC, timeout_s=30)
            await until(partial(_connects_again, feed.metrics, feed.metrics.connects))
            for _ in range(steps):
                await turn()
            await feed.close()
    await venue.close()


async def test_a_feed_that_cannot_open_leaves_nothing() -> None:
    """A symbol that the venue does not have, a venue that does not answer with symbols."""
    venue = await _venue()
    async with nothing_left():
        with pytest.raises(OrderBookError, match="NO-SUCH"):
            async with open_feed("kucoin", ["NO-SUCH"], url=venue.url):
                pass
    await venue.close()
    async with nothing_left():
        with pytest.raises(RestError):
            async with _feed(venue):
                pass


async def test_feeds_opened_and_closed_again_and_again_leave_nothing() -> None:
    """Each until it is LIVE. ``benchmarks/leaks.py`` does it a thousand times, and measures memory, too."""
    venue = await _venue(rate=500.0)
    async with nothing_left():
        for _ in range(25):
            async with _feed(venue) as feed:
                await feed.ready(BTC, timeout_s=30)
            assert [] == own_tasks()
            assert [] == own_timers()
    assert {} == dict(venue.exchange.violations)
    await venue.close()
