"""One's own orders kept from a feed's stream, at a KuCoin in memory: through reconnections and lists that fail."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, cast

import pytest

from orderbook.errors import BadAnswer, OrdersNotSynced
from orderbook.feed.errors import FeedClosed
from orderbook.feed.ownkeeper import OwnKeeper
from orderbook.own import OwnOrder
from orderbook.streams import OrderUpdate
from orderbook.testing import VirtualKuCoin, in_virtual_time
from tests import waiting
from tests.simulator_clients import BTC


def left(orders: Iterable[OwnOrder]) -> dict[str, Decimal]:
    """What is left of each order."""
    return {order.order_id: order.remaining_size for order in orders}


@in_virtual_time
async def test_they_are_known_again_after_a_reconnection() -> None:
    """Refused while the link is down, and then what the venue has: one order ended unseen, one shrank, one came."""
    async with VirtualKuCoin(symbols=[BTC], seed=1) as venue, venue.open_feed() as feed:
        book = await feed.ready(BTC, timeout_s=10)
        first = venue.account.place(BTC, "buy", "60000", "0.5")
        async with OwnKeeper(feed.orders(), feed.open_orders) as own:
            net = book.without_own(own.orders)
            with pytest.raises(OrdersNotSynced):
                net.best_bid
            await own.ready(timeout_s=10)
            assert {first: Decimal("0.5")} == left(own.orders.open_orders())
            second = venue.account.place(BTC, "buy", "60000", "0.25")
            await waiting.elapse(1)
            assert {first: Decimal("0.5"), second: Decimal("0.25")} == left(own.orders.open_orders())
            assert Decimal("0.75") == book.exact.bids.size_at(60_000)
            assert 0 == net.exact.bids.size_at(60_000)

            venue.unplug(8_000)
            await waiting.elapse(1)
            venue.account.cancel(first)
            venue.account.reduce(second, "0.125")
            third = venue.account.place(BTC, "sell", "80000", "1")
            assert not own.orders.is_synced
            await own.ready(timeout_s=60)
            await feed.ready(BTC, timeout_s=60)
            await waiting.elapse(1)
            assert {second: Decimal("0.125"), third: Decimal(1)} == left(own.orders.open_orders())
            assert 0 == net.exact.bids.size_at(60_000) == net.exact.asks.size_at(80_000)
            assert Decimal("0.125") == book.exact.bids.size_at(60_000)
            assert () == net.overdrawn
            venue.account.cancel(third)
            await waiting.elapse(1)
            assert [second] == list(left(own.orders.open_orders()))
        with pytest.raises(OrdersNotSynced, match="nobody keeps them"):
            net.best_bid


@in_virtual_time
async def test_a_list_is_asked_for_until_it_comes() -> None:
    """They are not synced before; why is told."""
    async with VirtualKuCoin(symbols=[BTC], seed=1) as venue, venue.open_feed() as feed:
        failures = 3

        async def read() -> Iterable[OwnOrder]:
            nonlocal failures
            failures -= 1
            if failures >= 0:
                raise BadAnswer(None, "no list today")
            return await feed.open_orders()

        async with OwnKeeper(feed.orders(), read, retry_ms=5_000) as own:
            with pytest.raises(TimeoutError):
                await own.ready(timeout_s=9)
            assert "no list today" == own.problem
            await own.ready(timeout_s=9)
            assert not own.problem
            assert -1 == failures


@in_virtual_time
async def test_a_list_of_no_use_is_asked_for_again() -> None:
    """As when they were lost while it was read."""
    async with VirtualKuCoin(symbols=[BTC], seed=1) as venue, venue.open_feed() as feed:
        own: OwnKeeper

        async def read() -> Iterable[OwnOrder]:
            if not own.orders.counters.losses:
                own.orders.lost("just now")
            return ()

        async with OwnKeeper(feed.orders(), read) as own:
            await own.ready(timeout_s=30)
            assert (1, 1) == (own.orders.counters.rereads, own.orders.counters.rereads_void)


@in_virtual_time
async def test_whatever_another_client_raises() -> None:
    """It is asked again; also where its list is of something else than orders."""
    answers: list[Any] = [OSError("no line"), ["an order"], []]

    async def read() -> Iterable[OwnOrder]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return cast("Iterable[OwnOrder]", answer)

    async with VirtualKuCoin(symbols=[BTC], seed=1) as venue, venue.open_feed() as feed:
        async with OwnKeeper(feed.orders(), read, retry_ms=5_000) as own:
            for problem in ("OSError: no line", "AttributeError: "):
                with pytest.raises(TimeoutError):
                    await own.ready(timeout_s=4)
                assert str(own.problem).startswith(problem)
                await waiting.elapse(1.5)
            await own.ready(timeout_s=4)
        assert own.problem is None


@in_virtual_time
async def test_whoever_waits_when_nobody_keeps_them_any_more() -> None:
    """He is released, whether the stream ends, its reader fails, or they are left."""
    for how in ("closed", "failed", "left"):
        async with VirtualKuCoin(symbols=[BTC], seed=1) as venue, venue.open_feed() as feed:
            stream = feed.orders()
            async with OwnKeeper(stream, feed.open_orders) as own:
                await own.ready(timeout_s=10)
                own.orders.lost("a moment ago")
                ready = asyncio.ensure_future(own.ready())
                await waiting.turn()
                if how == "closed":
                    stream.close()
                elif how == "failed":
                    stream.put("", cast("OrderUpdate", None))
                if how != "left":
                    with pytest.raises(FeedClosed, match="the stream of orders was closed"):
                        await ready
                    assert not own.orders.is_synced
            with pytest.raises(FeedClosed):
                await ready
            with pytest.raises(FeedClosed, match="nobody keeps them"):
                await own.ready()


@in_virtual_time
async def test_a_feed_that_is_closed() -> None:
    """Has no orders to be told of."""
    async with VirtualKuCoin(symbols=[BTC], seed=1) as venue:
        async with venue.open_feed() as feed:
            own = await OwnKeeper(feed.orders(), feed.open_orders).__aenter__()
            await own.ready(timeout_s=10)
        await waiting.elapse(1)
        assert "the stream of orders was closed" == own.orders.reason
        await own.__aexit__(None, None, None)
