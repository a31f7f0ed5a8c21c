"""One client's means to reach a venue, over both bodies of the simulator: in memory, and on real sockets."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from urllib.parse import quote

from orderbook.feed.seams import Connect, Socket, SocketClosed
from orderbook.feed.settings import FeedSettings
from orderbook.feed.settings import Transport as Library
from orderbook.feed.transports import connector
from orderbook.secret import Secret
from orderbook.settings import SyncSettings
from orderbook.simulator.faults import FaultPlan
from orderbook.simulator.server import LocalKuCoin
from orderbook.testing.network import Route, VirtualTransport
from orderbook.testing.virtual import VirtualKuCoin
from snapshots.transport import Answer, HttpTransport, Transport
from tests import waiting

BTC = "BTC-USDT"
LIBRARIES: tuple[Library, ...] = ("websockets", "aiohttp", "picows")
"""All that can carry sockets."""
SHORT = FeedSettings(connect_timeout_ms=150, close_timeout_ms=150, sync=SyncSettings(frame_bytes_max=100_000))
BODY_BYTES_MAX = 1_000_000
BOUND_S = 30
"""Of every law: what is not bounded would wait for ever."""


@dataclass
class Ends:
    """Both ends: what a feed has in its hand, and the venue behind it.

    Attributes:
        venue: The other end.
        connector: Makes what opens sockets.
        transport: Carries requests.
        hanging: The address of a socket that is never opened, while the block lasts.
    """

    venue: VirtualKuCoin | LocalKuCoin
    connector: Callable[[FeedSettings], Connect]
    transport: Transport
    hanging: Callable[[], AbstractAsyncContextManager[str]]

    @property
    def connect(self) -> Connect:
        """Opens sockets, with short time-outs."""
        return self.connector(SHORT)

    def strike(self, **fault: object) -> None:
        """Let something go wrong, from now on."""
        now_ns = int(asyncio.get_running_loop().time() * 1e9)
        self.venue.exchange.add_faults(FaultPlan([fault]), now_ns)
        # The venue carries it out at its next moment, which is a delta away at most.

    async def ask(self, target: str = "/api/v1/timestamp", *, timeout_ms: int = 10_000, method: str = "GET") -> Answer:
        """Make a request."""
        return await self.transport.send(method, f"{self.venue.url}{target}", {}, "", timeout_ms=timeout_ms)

    async def address(self) -> Secret:
        """Where a socket can be opened."""
        data = json.loads((await self.ask("/api/v1/bullet-public", method="POST")).body)["data"]
        token = quote(data["token"], safe="")
        return Secret(f"{data['instanceServers'][0]['endpoint']}?token={token}&connectId=x")

    async def wire(self, settings: FeedSettings = SHORT) -> Socket:
        """A socket that was welcomed."""
        wire = await self.connector(settings)(await self.address())
        assert "welcome" == json.loads(await wire.receive())["type"]
        return wire

    async def subscribed(self) -> Socket:
        """A socket on which deltas come; the acknowledgement was read."""
        wire = await self.wire()
        await wire.send(
            json.dumps({"id": "1", "type": "subscribe", "topic": f"/market/level2:{BTC}", "response": True})
        )
        while json.loads(await wire.receive())["type"] != "ack":
            pass
        return wire

    @property
    def sequence(self) -> int:
        """Where the venue stands."""
        return self.venue.market[BTC].sequence

    async def passed(self, deltas: int) -> None:
        """Wait until so many more deltas were made."""
        goal = self.sequence + deltas
        await until(lambda: self.sequence >= goal)

    async def deserted(self) -> None:
        """Wait until the venue has no connection any more."""
        await until(lambda: not self.venue.exchange.sessions)


until = partial(waiting.until, bound_s=BOUND_S)
"""Wait until something is so."""


def sequences(frame: bytes) -> list[int]:
    """What a frame covers, if it is a delta."""
    data: Mapping[str, Any] = json.loads(frame)
    if data.get("subject") != "trade.l2update":
        return []
    return [*range(data["data"]["sequenceStart"], data["data"]["sequenceEnd"] + 1)]


async def read_to_end(wire: Socket) -> tuple[list[int], str]:
    """The sequences of all deltas that can still be read, and the words at the end."""
    found: list[int] = []
    while True:
        try:
            found += sequences(await wire.receive())
        except SocketClosed as end:
            return found, str(end)


@asynccontextmanager
async def in_memory(**manners: Any) -> AsyncIterator[Ends]:
    """``VirtualKuCoin``."""

    @asynccontextmanager
    async def hanging() -> AsyncIterator[str]:
        venue.route = Route(connect_ms=(60_000, 60_000))
        yield "ws://127.0.0.1:1/"

    async with VirtualKuCoin(symbols=[BTC], seed=3, rate=500, **manners) as venue:
        transport = VirtualTransport(venue, body_bytes_max=BODY_BYTES_MAX)
        try:
            yield Ends(venue, venue.connector, transport, hanging)
        finally:
            await transport.close()


@asynccontextmanager
async def on_sockets(library: Library = "auto", **manners: Any) -> AsyncIterator[Ends]:
    """``LocalKuCoin``, over one of the libraries."""

    def connecting(settings: FeedSettings) -> Connect:
        return connector(replace(settings, transport=library))

    @asynccontextmanager
    async def hanging() -> AsyncIterator[str]:
        # Its backlog takes the connection; nobody ever answers.
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            one.listen()
            yield f"ws://127.0.0.1:{one.getsockname()[1]}/"

    async with LocalKuCoin(symbols=[BTC], seed=3, rate=500, **manners) as venue:
        transport = HttpTransport(body_bytes_max=BODY_BYTES_MAX)
        try:
            yield Ends(venue, connecting, transport, hanging)
        finally:
            await transport.close()


async def hold(law: Callable[[Ends], Awaitable[None]], stage: AbstractAsyncContextManager[Ends]) -> None:
    """Let a law be tried, in a bounded time; no task is left behind."""
    before = asyncio.all_tasks()
    async with asyncio.timeout(BOUND_S), stage as ends:
        await law(ends)
    async with asyncio.timeout(BOUND_S):
        await until(lambda: asyncio.all_tasks() <= before)
