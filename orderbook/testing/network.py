"""The way between a feed and a venue in memory: sockets and REST requests that take time, and may not get through."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from orderbook.errors import Unreachable
from orderbook.feed.seams import SocketClosed
from orderbook.settings import SyncSettings
from orderbook.simulator.exchange import Exchange
from orderbook.simulator.rest import Drop, Hang, Late, Reply
from orderbook.simulator.timeline import Abort, Binary, Close, Hole, Sent
from snapshots.fetch import BODY_BYTES_MAX
from snapshots.transport import Answer, BodyReader


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The way between client and venue. Times are ms; each packet draws its own within the bounds, in order.

    Attributes:
        up_ms: From the client to the venue, at least and at most.
        down_ms: The way back.
        connect_ms: For the handshakes of a connection.
        bytes_per_s: How fast frames come down; ``None``: at once.
        frame_bytes_max: A longer one ends the connection with 1009, as ``websockets`` does.
        body_bytes_max: A longer REST answer is an error.
    """

    up_ms: tuple[float, float] = (1.0, 3.0)
    down_ms: tuple[float, float] = (1.0, 3.0)
    connect_ms: tuple[float, float] = (5.0, 20.0)
    bytes_per_s: float | None = None
    frame_bytes_max: int = SyncSettings().frame_bytes_max
    body_bytes_max: int = BODY_BYTES_MAX


class Body(Protocol):
    """What sockets and requests need of the venue at their other end."""

    exchange: Exchange
    route: Route
    delivered: int

    @property
    def is_reachable(self) -> bool:
        """Whether requests and connections get through."""

    def now_ns(self) -> int:
        """The loop's clock."""

    def wall_ns(self) -> int:
        """The clock on the wall."""

    def flush(self) -> None:
        """Carry out what the exchange has to send."""

    def forget(self, conn: int) -> None:
        """A connection is gone."""

    def stream(self, name: str) -> random.Random:
        """Random numbers of a name."""


class VirtualSocket:
    """The client's end of one connection. See ``orderbook.feed.seams.Socket``."""

    def __init__(self, venue: Body, conn: int, jitter: random.Random) -> None:
        self._venue = venue
        self._conn = conn
        self._jitter = jitter
        self._loop = asyncio.get_running_loop()
        self._frames: deque[bytes] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._ending: str | None = None
        self._is_hole = False
        #: Packets of a direction arrive in the order in which they left; the loop's timers of one moment have none.
        self._up_s = self._down_s = 0.0
        self._up: deque[str] = deque()
        self._down: deque[bytes | Close | Abort] = deque()

    # -- the client's side --

    async def receive(self) -> bytes:
        """The next message. Raises ``SocketClosed``."""
        while not self._frames:
            if self._ending is not None:
                raise SocketClosed(self._ending)
            waiter = self._waiter = self._loop.create_future()
            try:
                await waiter
            finally:
                self._waiter = None
        frame = self._frames.popleft()
        if len(frame) > self._venue.route.frame_bytes_max:
            self.cut("1009 message too big")
            raise SocketClosed("1009 message too big")
        self._venue.delivered += 1
        return frame

    async def send(self, text: str) -> None:
        """Send one; it arrives later. Raises ``SocketClosed``."""
        if self._ending is not None:
            raise SocketClosed(self._ending)
        self._up_s = self._arrival(self._up_s, self._venue.route.up_ms)
        self._up.append(text)
        self._loop.call_at(self._up_s, self._arrive)

    async def close(self) -> None:
        """The closing handshake; a peer that is gone does not answer."""
        if self._ending is None:
            await asyncio.sleep(self._jitter.uniform(*self._venue.route.up_ms) / 1e3)
        self.abort()

    def abort(self) -> None:
        """Cut it."""
        self.cut("1006 connection cut")

    def cut(self, why: str) -> None:
        """It is over, whoever ended it; what has arrived may still be read."""
        if self._ending is None:
            self._ending = why
        self._wake()
        self._venue.forget(self._conn)

    # -- the venue's side --

    def put(self, sent: Sent) -> None:
        """The venue sends something."""
        if self._is_hole:
            return
        if isinstance(sent.payload, Hole) or (isinstance(sent.payload, Close) and not sent.payload.is_completed):
            # A closing frame without an end of the connection: the real client library waits for that end, too.
            self._is_hole = True
            return
        route = self._venue.route
        payload = sent.payload
        frame: bytes | Close | Abort
        if isinstance(payload, str):
            frame = payload.encode()
        else:
            frame = payload.data if isinstance(payload, Binary) else payload
        self._down_s = self._arrival(self._down_s, route.down_ms)
        if route.bytes_per_s is not None and isinstance(frame, bytes):
            self._down_s += len(frame) / route.bytes_per_s
        self._down.append(frame)
        self._loop.call_at(self._down_s, self._land)

    def _arrival(self, before_s: float, ms: tuple[float, float]) -> float:
        return max(before_s, self._loop.time() + self._jitter.uniform(*ms) / 1e3)

    def _land(self) -> None:
        frame = self._down.popleft()
        if self._ending is not None:
            return
        if isinstance(frame, bytes):
            self._frames.append(frame)
            self._wake()
        else:
            self.cut(f"{frame.code} {frame.reason}".rstrip() if isinstance(frame, Close) else "1006 connection cut")

    def _arrive(self) -> None:
        text = self._up.popleft()
        if self._ending is None and not self._is_hole:
            self._venue.exchange.receive(self._conn, text, self._venue.now_ns())
            self._venue.flush()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class VirtualTransport:
    """Requests to the venue in memory. See ``snapshots.transport.Transport``."""

    def __init__(self, venue: Body) -> None:
        self._venue = venue
        self._jitter = venue.stream("rest")

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: str, *, timeout_ms: int) -> Answer:
        """Make one request. Raises ``Unreachable`` or ``BadAnswer``."""
        host = urlsplit(url).netloc
        try:
            async with asyncio.timeout(timeout_ms / 1e3):
                reply = await self._exchanged(method, url, headers, body)
        except TimeoutError:
            raise _no_answer(f"no answer from {host} within {timeout_ms / 1e3:g} s") from None
        if reply is None:
            raise _no_answer(f"the connection to {host} broke")
        given = {name.lower(): value for name, value in reply.headers.items()}
        reader = BodyReader(given.get("content-encoding", ""), self._venue.route.body_bytes_max)
        reader.feed(reply.body)
        return Answer(reply.status, given, reader.finish())

    async def close(self) -> None:
        """Nothing is held."""

    async def _exchanged(self, method: str, url: str, headers: Mapping[str, str], body: str) -> Reply | None:
        venue, route = self._venue, self._venue.route
        await self._pass(route.up_ms)
        if not venue.is_reachable:
            return None
        parts = urlsplit(url)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        answer = venue.exchange.rest(method, target, headers, body, venue.now_ns(), venue.wall_ns() // 1_000_000)
        venue.flush()
        if isinstance(answer, Late):
            await asyncio.sleep(answer.delay_ns / 1e9)
            venue.exchange.advance(venue.now_ns())
            answer = answer.finish(venue.now_ns())
            venue.flush()
        if isinstance(answer, Hang):
            await asyncio.get_running_loop().create_future()
        if isinstance(answer, Hang | Drop):
            return None
        await asyncio.sleep(answer.delay_ns / 1e9)
        await self._pass(route.down_ms)
        return answer

    async def _pass(self, ms: tuple[float, float]) -> None:
        await asyncio.sleep(self._jitter.uniform(*ms) / 1e3)


def _no_answer(said: str) -> Unreachable:
    return Unreachable(None, said, advice="check the network", is_transient=True)
