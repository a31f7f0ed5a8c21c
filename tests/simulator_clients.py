"""Clients of the local KuCoin, over real sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, NoReturn
from urllib.parse import quote

import aiohttp
import pytest
import websockets
from websockets.asyncio.client import ClientConnection

from orderbook.simulator.faults import FaultPlan
from orderbook.simulator.server import LocalKuCoin
from tests import waiting

BTC = "BTC-USDT"
BOOK = f"/api/v1/market/orderbook/level2_100?symbol={BTC}"
FULL = f"/api/v3/market/orderbook/level2?symbol={BTC}"
BOUND_S = 20


def plan(*entries: dict[str, Any]) -> FaultPlan:
    """A plan of faults."""
    return FaultPlan(entries)


async def fetched(url: str, method: str = "GET", **options: Any) -> tuple[int, str]:
    """Status and body."""
    async with aiohttp.ClientSession() as session, session.request(method, url, **options) as response:
        return response.status, await response.text()


async def opened(venue: LocalKuCoin, **options: Any) -> ClientConnection:
    """A socket, by way of a token."""
    _, body = await fetched(f"{venue.url}/api/v1/bullet-public", "POST")
    data = json.loads(body)["data"]
    url = f"{data['instanceServers'][0]['endpoint']}?token={quote(data['token'])}&connectId=me"
    return await websockets.connect(url, ping_interval=None, close_timeout=0.2, **options)


@asynccontextmanager
async def connected(venue: LocalKuCoin, **options: Any) -> AsyncIterator[ClientConnection]:
    """A socket that has said welcome."""
    socket = await opened(venue, **options)
    async with asyncio.timeout(BOUND_S), socket:
        assert {"id": "me", "type": "welcome"} == json.loads(await socket.recv())
        yield socket


async def subscribe(socket: ClientConnection, topic: str = f"/market/level2:{BTC}") -> None:
    """Ask for a topic, and wait for the answer."""
    await socket.send(json.dumps({"id": 1, "type": "subscribe", "topic": topic, "response": True}))
    assert {"id": "1", "type": "ack"} == json.loads(await socket.recv())


async def drain(socket: ClientConnection) -> NoReturn:
    """Read for ever."""
    while True:
        await socket.recv()


async def closed(socket: ClientConnection) -> websockets.ConnectionClosed:
    """Read until the end; how it came."""
    with pytest.raises(websockets.ConnectionClosed) as caught:
        await drain(socket)
    return caught.value


until = partial(waiting.until, bound_s=BOUND_S, every_s=0.001)
"""Let the loop run until something is true."""


@asynccontextmanager
async def mute_client(venue: LocalKuCoin) -> AsyncIterator[asyncio.StreamReader]:
    """A client of bare bytes that has been welcomed, and will never answer anything."""
    _, body = await fetched(f"{venue.url}/api/v1/bullet-public", "POST")
    reader, writer = await asyncio.open_connection("127.0.0.1", venue.port)
    writer.write(
        f"GET /?token={quote(json.loads(body)['data']['token'])} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
    )
    await reader.readuntil(b"welcome")
    try:
        yield reader
    finally:
        writer.close()
