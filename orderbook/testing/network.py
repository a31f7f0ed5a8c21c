"""The way between a feed and a venue in memory: sockets and REST requests that take time, and may not get through."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from orderbook.errors import Unreachable
from orderbook.feed.seams import SocketClosed
from orderbook.feed.settings import FeedSettings
from orderbook.feed.sockets import BATCH_MAX, CUT, Inbox
from orderbook.simulator.exchange import Exchange
from orderbook.simulator.rest import Drop, Hang, Late, Reply
from orderbook.simulator.timeline import Abort, Binary, Close, Hole, Sent
from snapshots.fetch import BODY_BYTES_MAX
from snapshots.transport import Answer, BodyReader, closed_transport


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The way between client and venue. Times are ms; each packet draws its own within the bounds, in order.

    Attributes:
        up_ms: From the client to the venue, at least and at most.
        down_ms: The way back.
        connect_ms: For the handshakes of a connection.
        bytes_per_s: How fast frames come down; ``None``: at once.
    """

    up_ms: tuple[float, float] = (1.0, 3.0)
    down_ms: tuple[float, float] = (1.0, 3.0)
    connect_ms: tuple[float, float] = (5.0, 20.0)
    bytes_per_s: float | None = None


@dataclass(eq=False, slots=True)
class _Passage:
    """Something that is on its way, on whose behalf, and how it is stopped."""

    owner: object
    limit: asyncio.Timeout
    is_cut: bool = False

    def cut(self) -> None:
        self.is_cut = True
        if not self.limit.expired():
            self.limit.reschedule(asyncio.get_running_loop().time())


class Traffic:
    """What is on its way: it has so much time, and fails at once when the way is cut."""

    def __init__(self) -> None:
        self._passages: dict[_Passage, None] = {}

    @asynccontextmanager
    async def passage(self, timeout_ms: float, owner: object = None) -> AsyncIterator[None]:
        """Do what takes time within this.

        Raises:
            TimeoutError: It took too long.
            ConnectionError: The way was cut meanwhile.
        """
        passage = _Passage(owner, asyncio.timeout(timeout_ms / 1e3))
        try:
            async with passage.limit:
                self._passages[passage] = None
                yield
        except TimeoutError:
            if passage.is_cut:
                raise ConnectionError("the connection broke") from None
            raise
        finally:
            self._passages.pop(passage, None)

    def cut(self, owner: object = None) -> None:
        """Nothing that is on its way arrives; with an owner, nothing of his."""
        for passage in tuple(self._passages):
            if owner is None or passage.owner is owner:
                passage.cut()


class Body(Protocol):
    """What sockets and requests need of the venue at their other end."""

    exchange: Exchange
    route: Route
    traffic: Traffic
    url: str
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


class VirtualSocket(Inbox):
    """The client's end of one connection. See ``orderbook.feed.seams.Socket``.

    Args:
        venue: The other end.
        conn: Which of its connections.
        jitter: For the times that packets take.
        settings: The longest frame, and how long a closing handshake may take.
    """

    def __init__(self, venue: Body, conn: int, jitter: random.Random, settings: FeedSettings) -> None:
        super().__init__()
        self._venue = venue
        self._conn = conn
        self._jitter = jitter
        self._frame_bytes_max = settings.sync.frame_bytes_max
        self._close_s = settings.close_timeout_ms / 1e3
        self._ended = asyncio.Event()
        #: What a receiver is told if nothing worse comes: the closing frame that was received, or else the one sent.
        self._goodbye = CUT
        #: A closing frame was sent or received: until when the end is waited for.
        self._closing_s: float | None = None
        #: The venue neither reads nor writes any more.
        self._is_hole = False
        #: Packets of a direction arrive in the order in which they left; the loop's timers of one moment have none.
        self._up_s = self._down_s = 0.0
        self._up: deque[str | Close] = deque()
        self._down: deque[bytes | Close | Abort] = deque()

    # -- the client's side --

    async def receive(self) -> bytes:
        """The next message. Raises ``SocketClosed``."""
        await self._filled()
        self._venue.delivered += 1
        return self._frames.popleft()

    async def receive_batch(self) -> Collection[bytes]:
        """All messages that have arrived, at least one and at most ``BATCH_MAX``. Raises ``SocketClosed``."""
        await self._filled()
        frames = [self._frames.popleft() for _ in range(min(len(self._frames), BATCH_MAX))]
        self._venue.delivered += len(frames)
        return frames

    async def send(self, text: str) -> None:
        """Send one; it arrives later. Raises ``SocketClosed``, once closing has begun only when it is over."""
        if self._closing_s is not None:
            await self._await_end()
            self.abort()
        if self._ending is not None:
            raise SocketClosed(self._ending)
        self._send(text)

    async def close(self) -> None:
        """The closing handshake: until the venue answers, but not for long."""
        try:
            if self._ending is None:
                if self._closing_s is None:
                    self._begin_closing("1000")
                    self._send(Close(1000, ""))
                await self._await_end()
        finally:
            self.abort()

    def abort(self) -> None:
        """Cut it."""
        self.cut(self._goodbye)

    def cut(self, why: str) -> None:
        """It is over, whoever ended it; what has arrived may still be read."""
        if self._ending is None:
            self._ending = why
            self._ended.set()
        self._wake()
        self._venue.forget(self._conn)

    def _begin_closing(self, goodbye: str) -> None:
        self._goodbye = goodbye
        if self._closing_s is None:
            self._closing_s = self._loop.time() + self._close_s

    async def _await_end(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout_at(self._closing_s):
                await self._ended.wait()

    def _send(self, packet: str | Close) -> None:
        self._up_s = self._arrival(self._up_s, self._venue.route.up_ms)
        self._up.append(packet)
        self._loop.call_at(self._up_s, self._arrive)

    # -- the venue's side --

    def put(self, sent: Sent) -> None:
        """The venue sends something."""
        payload = sent.payload
        if self._is_hole:
            return
        # Behind a closing frame that is not completed, nothing passes either.
        self._is_hole = isinstance(payload, Hole) or (isinstance(payload, Close) and not payload.is_completed)
        if isinstance(payload, Hole):
            return
        if isinstance(payload, str):
            self._send_down(payload.encode())
        else:
            self._send_down(payload.data if isinstance(payload, Binary) else payload)

    def _send_down(self, packet: bytes | Close | Abort) -> None:
        route = self._venue.route
        self._down_s = self._arrival(self._down_s, route.down_ms)
        if route.bytes_per_s is not None and isinstance(packet, bytes):
            self._down_s += len(packet) / route.bytes_per_s
        self._down.append(packet)
        self._loop.call_at(self._down_s, self._land)

    def _arrival(self, before_s: float, ms: tuple[float, float]) -> float:
        return max(before_s, self._loop.time() + self._jitter.uniform(*ms) / 1e3)

    def _land(self) -> None:
        packet = self._down.popleft()
        if self._ending is not None:
            return
        if isinstance(packet, Abort):
            self.cut(CUT)
        elif isinstance(packet, Close):
            self._begin_closing(f"{packet.code} {packet.reason}".rstrip())
            if packet.is_completed:
                self.abort()
            # Else the end is waited for, as the real client library does.
        elif len(packet) > self._frame_bytes_max:
            self.cut("1009 message too big")
        else:
            self._frames.append(packet)
            self._wake()

    def _arrive(self) -> None:
        packet = self._up.popleft()
        if self._ending is not None or self._is_hole:
            return
        if isinstance(packet, Close):
            self._venue.forget(self._conn)
            self._send_down(packet)
            return
        self._venue.exchange.receive(self._conn, packet, self._venue.now_ns())
        self._venue.flush()


class VirtualTransport:
    """Requests to the venue in memory. See ``snapshots.transport.Transport``.

    Args:
        venue: The other end.
        body_bytes_max: A longer answer is an error.
    """

    def __init__(self, venue: Body, *, body_bytes_max: int = BODY_BYTES_MAX) -> None:
        self._venue = venue
        self._jitter = venue.stream("rest")
        self._body_bytes_max = body_bytes_max
        self._is_closed = False

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: str, *, timeout_ms: int) -> Answer:
        """Make one request. Raises ``Unreachable`` or ``BadAnswer``."""
        host = urlsplit(url).netloc
        if self._is_closed:
            raise closed_transport()
        try:
            async with self._venue.traffic.passage(timeout_ms, self):
                reply = await self._exchanged(method, url, headers, body)
        except TimeoutError:
            raise _no_answer(f"no answer from {host} within {timeout_ms / 1e3:g} s") from None
        except ConnectionError:
            raise _no_answer(f"the connection to {host} broke") from None
        given = {name.lower(): value for name, value in reply.headers.items()}
        reader = BodyReader(given.get("content-encoding", ""), self._body_bytes_max)
        reader.feed(reply.body)
        return Answer(reply.status, given, reader.finish())

    async def close(self) -> None:
        """What is under way fails."""
        self._is_closed = True
        self._venue.traffic.cut(self)

    async def _exchanged(self, method: str, url: str, headers: Mapping[str, str], body: str) -> Reply:
        venue, route = self._venue, self._venue.route
        await self._pass(route.up_ms)
        parts = urlsplit(url)
        if not venue.is_reachable or parts.netloc != urlsplit(venue.url).netloc:
            raise ConnectionError("no route")
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
            raise ConnectionError("no answer")
        await asyncio.sleep(answer.delay_ns / 1e9)
        await self._pass(route.down_ms)
        return answer

    async def _pass(self, ms: tuple[float, float]) -> None:
        await asyncio.sleep(self._jitter.uniform(*ms) / 1e3)


def _no_answer(said: str) -> Unreachable:
    return Unreachable(None, said, advice="check the network", is_transient=True)
