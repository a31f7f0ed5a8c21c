"""The account of the KuCoin that tests of bots run on: in memory, on sockets, and on a thread of its own."""

from __future__ import annotations

import asyncio
import json
import time
from decimal import Decimal
from urllib.parse import quote

import pytest
import websockets

from orderbook.errors import UsageError
from orderbook.simulator.server import LocalKuCoin
from orderbook.streams import OrderUpdate, Pushed
from orderbook.testing import HostedKuCoin, VirtualKuCoin, assert_true, in_virtual_time
from orderbook.venues.kucoin import KuCoin
from orderbook.venues.kucoin_auth import signed_headers
from orderbook.venues.rest import RestRequest
from tests import waiting
from tests.simulator_clients import BOUND_S, BTC, fetched, until


@in_virtual_time
async def test_an_order_reaches_the_books_of_a_feed() -> None:
    """In memory: it is part of the level that a feed keeps, until it is canceled."""
    async with VirtualKuCoin(symbols=[BTC], seed=1) as venue, venue.open_feed() as feed:
        book = await feed.ready(BTC, timeout_s=10)
        order_id = venue.account.place(BTC, "buy", "60000", "0.5")
        await waiting.elapse(1)
        assert Decimal("0.5") == book.exact.bids.size_at(Decimal(60_000))
        assert_true(book, venue.market[BTC])
        venue.account.cancel(order_id)
        await waiting.elapse(1)
        assert not book.exact.bids.size_at(Decimal(60_000))
        assert_true(book, venue.market[BTC])


@in_virtual_time
async def test_what_an_account_in_memory_begins_with() -> None:
    """A setting of the venue."""
    async with VirtualKuCoin(symbols=[BTC], funds={"USDT": "100"}) as venue:
        with pytest.raises(UsageError, match="100 are available"):
            venue.account.place(BTC, "buy", "60000", "0.5")


async def test_an_order_is_told_over_sockets() -> None:
    """A signed token, a private topic, and what happened to the order, at once; then the list of open ones."""
    async with LocalKuCoin(symbols=[BTC], seed=1, funds={"USDT": "60000"}) as venue, asyncio.timeout(BOUND_S):
        request = RestRequest("POST", "/api/v1/bullet-private", signed=True)
        headers = signed_headers(venue.credentials, time.time_ns() // 1_000_000, request)
        _, body = await fetched(f"{venue.url}{request.target}", "POST", headers=headers)
        token = json.loads(body)["data"]["token"]
        async with websockets.connect(f"{venue.endpoint}?token={quote(token)}", ping_interval=None) as socket:
            assert "welcome" == json.loads(await socket.recv())["type"]
            topic = {"topic": "/spotMarket/tradeOrdersV2", "privateChannel": True, "response": True}
            await socket.send(json.dumps({"id": 1, "type": "subscribe", **topic}))
            assert "ack" == json.loads(await socket.recv())["type"]
            order_id = venue.account.place(BTC, "buy", "60000", "1", client_id="mine")
            told = [KuCoin().decode_pushed(str(await socket.recv())) for _ in range(2)]
        request = RestRequest("GET", "/api/v1/orders", (("status", "active"),), signed=True)
        headers = signed_headers(venue.credentials, time.time_ns() // 1_000_000, request)
        status, body = await fetched(f"{venue.url}{request.target}", headers=headers)

    updates = [one.message for one in told if isinstance(one, Pushed) and isinstance(one.message, OrderUpdate)]
    assert [("received", order_id), ("open", order_id)] == [(one.event, one.order_id) for one in updates]
    assert (200, ["mine"]) == (status, [item["clientOid"] for item in json.loads(body)["data"]["items"]])


async def test_trades_come_over_sockets() -> None:
    """In real time, as the market makes them."""
    async with LocalKuCoin(symbols=[BTC], seed=1, rate=2_000.0) as venue, asyncio.timeout(BOUND_S):
        _, body = await fetched(f"{venue.url}/api/v1/bullet-public", "POST")
        token = json.loads(body)["data"]["token"]
        async with websockets.connect(f"{venue.endpoint}?token={quote(token)}", ping_interval=None) as socket:
            for topic in (f"/market/match:{BTC}", f"/spotMarket/level1:{BTC}", f"/market/candles:{BTC}_1min"):
                await socket.send(json.dumps({"id": 1, "type": "subscribe", "topic": topic}))
            wanted = {"trade.l3match", "level1", "trade.candles.update"}
            while wanted:
                wanted.discard(json.loads(await socket.recv()).get("subject", ""))
        await until(lambda: not venue.exchange.state()["connections"])


def test_an_account_on_another_thread() -> None:
    """Everything is asked by way of the venue's thread."""
    with HostedKuCoin(symbols=[BTC], seed=1) as venue:
        order_id = venue.ask(venue.account.place, BTC, "sell", "80000", "0.25")
        assert [order_id] == [order.order_id for order in venue.ask(venue.account.active)]
        assert Decimal("0.25") == venue.ask(venue.account.balance, "BTC").held
