"""The venue in memory, as a feed meets it: its settings reach the way, and what is cut stays cut."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from typing import Any

import pytest

from orderbook.errors import Unreachable
from orderbook.feed.errors import NotReady
from orderbook.feed.events import FeedEvent, LinkDown, LinkUp
from orderbook.feed.settings import FeedSettings
from orderbook.settings import SyncSettings
from orderbook.simulator.virtual_time import run
from orderbook.testing import Route, VirtualKuCoin
from orderbook.types import BookState
from snapshots.transport import Answer
from tests.waiting import elapse

BTC = "BTC-USDT"
SLOW_BACK = Route(down_ms=(500, 500))


def now_s() -> float:
    """The loop's clock."""
    return asyncio.get_running_loop().time()


def in_virtual_time(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run it to its end in a loop of its own."""

    @wraps(test)
    def plain(*args: Any, **kwargs: Any) -> None:
        run(lambda: test(*args, **kwargs))

    return plain


def venue(**options: Any) -> VirtualKuCoin:
    """One symbol."""
    return VirtualKuCoin(symbols=[BTC], seed=1, **options)


@pytest.mark.parametrize("is_own", [False, True], ids=["", "outside given"])
@in_virtual_time
async def test_the_time_to_connect_is_that_of_the_feeds_settings(is_own: bool) -> None:
    """A handshake of 30 s does not fit into 2 s, whether or not something else of the outside is the user's own."""
    told: list[FeedEvent] = []
    async with venue(route=Route(connect_ms=(30_000, 30_000))) as on:
        outside = on.outside(record=lambda *_: None) if is_own else None
        settings = FeedSettings(connect_timeout_ms=2_000)
        async with on.open_feed(settings=settings, on_event=told.append, outside=outside) as feed:
            with pytest.raises(NotReady, match="no answer in time"):
                await feed.ready(BTC, timeout_s=100)
    assert not [one for one in told if isinstance(one.event, LinkUp)]


@pytest.mark.parametrize("close_timeout_ms", [100, 3_000])
@in_virtual_time
async def test_closing_a_feed_on_a_black_hole_takes_the_closing_time_out(close_timeout_ms: int) -> None:
    """Not less, for a goodbye may be slow; and not more."""
    async with venue() as on:
        feed = on.open_feed(settings=FeedSettings(close_timeout_ms=close_timeout_ms))
        async with feed:
            await feed.ready(BTC, timeout_s=5)
            on.strike({"fault": "black_hole"})
            await elapse(1)
            began_s = now_s()
        assert close_timeout_ms / 1e3 == pytest.approx(now_s() - began_s, abs=0.002)


@in_virtual_time
async def test_the_longest_frame_is_that_of_the_feeds_settings() -> None:
    """One beyond it ends the link."""
    told: list[FeedEvent] = []
    async with venue() as on:
        settings = FeedSettings(sync=SyncSettings(frame_bytes_max=20_000))
        async with on.open_feed(settings=settings, on_event=told.append) as feed:
            await feed.ready(BTC, timeout_s=5)
            on.strike({"fault": "oversize", "bytes": 20_001, "nth": 1})
            await elapse(1)
    assert "1009" == next(one.event.reason[:4] for one in told if isinstance(one.event, LinkDown))


@in_virtual_time
async def test_a_closed_venue_is_gone_for_good() -> None:
    """No book becomes LIVE again, for nothing can be reached; the feed says why."""
    on = venue()
    await on.start()
    async with on.open_feed() as feed:
        book = await feed.ready(BTC, timeout_s=5)
        await on.close()
        await elapse(0.01)
        for _ in range(20):
            assert BookState.CONNECTING is book.state
            await elapse(3)
        assert "broke" in feed.status(BTC).reason


async def asked(on: VirtualKuCoin, meanwhile: Callable[[Any], Awaitable[None]]) -> Answer:
    """What a request is answered while something happens."""
    transport = on.outside().transport
    assert transport is not None
    asking = asyncio.ensure_future(transport.send("GET", f"{on.url}/api/v1/timestamp", {}, "", timeout_ms=5_000))
    await elapse(0.1)
    await meanwhile(transport)
    return await asking


@in_virtual_time
async def test_what_is_under_way_when_the_way_is_cut_fails_at_once() -> None:
    """Be it an answer on its way back; and be it a handshake. Once the time is over all is well."""

    async def unplug(_: object) -> None:
        on.unplug(10_000)

    async with venue(route=SLOW_BACK) as on:
        began_s = now_s()
        with pytest.raises(Unreachable, match="broke"):
            await asked(on, unplug)
        assert 0.1 == pytest.approx(now_s() - began_s)
        on.unplug(5_000)  # does not shorten it
        await elapse(6)
        assert not on.is_reachable
        await elapse(5)
        on.route = Route()
        async with on.open_feed() as feed:
            await feed.ready(BTC, timeout_s=5)


@in_virtual_time
async def test_closing_one_transport_does_not_fail_the_requests_of_another() -> None:
    """Two feeds of a venue have nothing to do with one another."""

    async def close_another(transport: object) -> None:
        other = on.outside().transport
        assert other is not None
        assert other is not transport
        await other.close()

    async with venue(route=SLOW_BACK) as on:
        assert 200 == (await asked(on, close_another)).status


@in_virtual_time
async def test_faults_may_be_a_list() -> None:
    """As in a marker, in ``strike`` and in a file."""
    async with VirtualKuCoin(symbols=[BTC], faults=[{"fault": "drop", "p": 1.0}]) as venue, venue.open_feed() as feed:
        await feed.ready(BTC, timeout_s=10)
        await elapse(5)
        assert venue.exchange.ledger.count("drop") > 10
