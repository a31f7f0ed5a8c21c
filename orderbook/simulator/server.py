"""The exchange on real sockets of the loopback interface: ``async with LocalKuCoin() as venue: venue.url``.

A thin body: it measures time, carries bytes, and decides nothing. Frames are put together here and written to the
transport in one go for all that became due, which is what makes thousands of deltas a second cheap.
"""

from __future__ import annotations

import asyncio
import errno
import os
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from types import TracebackType
from typing import Any, Final, Self

from aiohttp import WSMsgType, web

from orderbook.clock import loop_clock
from orderbook.errors import PortInUse, UsageError
from orderbook.secret import Credentials
from orderbook.simulator import window
from orderbook.simulator.chance import stream
from orderbook.simulator.exchange import Exchange
from orderbook.simulator.faults import FaultPlan
from orderbook.simulator.framing import framed, framed_close
from orderbook.simulator.limits import Limits
from orderbook.simulator.market import made_market
from orderbook.simulator.profiles import Profile
from orderbook.simulator.rest import Answer, Drop, Hang, Late, Reply
from orderbook.simulator.source import Source
from orderbook.simulator.timeline import NEVER, Abort, Binary, Close, Hole, Sent
from orderbook.simulator.tls import Authority
from orderbook.venues.rest import is_loopback

WRITE_MAX: Final = 16_000_000
"""Bytes that may wait for a client that does not read; one that lets more pile up is cut off."""
_TICK_NS: Final = 1_000_000
"""What falls within so long is sent together."""
CLOSE_S: Final = 1.0
"""How long a client has for its part of a closing handshake."""


def throwaway_credentials(seed: int) -> Credentials:
    """A key that no venue knows, the same for the same seed."""
    rng = stream(seed, "credentials")
    key, secret, passphrase = (f"{rng.getrandbits(size):0{size // 4}x}" for size in (96, 128, 64))
    return Credentials.of(key, secret, passphrase)


class _Link:
    """One client's socket."""

    __slots__ = ("is_over", "pending", "transport", "ws")

    def __init__(self, ws: web.WebSocketResponse, transport: asyncio.Transport) -> None:
        self.ws = ws
        self.transport = transport
        #: Nothing is written any more.
        self.is_over = False
        #: Until the upgrade is through, what is to be sent after it.
        self.pending: list[Sent] | None = []


class _Void(asyncio.Protocol):
    """Swallows what a client sends, answers nothing, and tells the former protocol only of the connection's end."""

    def __init__(self, former: asyncio.BaseProtocol) -> None:
        self._former = former

    def connection_lost(self, exc: Exception | None) -> None:
        self._former.connection_lost(exc)


class LocalKuCoin:
    """A KuCoin on this machine.

    Args:
        market: The books, by symbol; without them, a seeded market of ``symbols``.
        symbols: Names for the seeded market, or how many of the usual ones.
        seed: Of everything that is left to chance.
        profile: How the seeded market behaves: a name, or a ``Profile``; see ``market``.
        rate: Deltas a second, all symbols together; what the profile says by default.
        faults: What goes wrong.
        limits: What clients may do.
        credentials: The key it accepts; by default a throw-away key, made from the seed.
        funds: What its account has at first, by currency; a million of any other.
        host: A loopback address.
        port: 0 is any free one.
        tls: Serve https and wss alone: with a certificate of this authority, or with a context of one's own.
        endpoint: What token answers give as the socket's address, such as that of a proxy before it; its own by
            default. It can be changed at any time.
        fragment_bytes: Send longer messages in fragments of so many bytes, with pings between them.
        clock: Monotonic ns; the running loop's by default.
        wall: Ns since 1970.
        manners: Fields of ``Manners``: ping times, delays, dialects.

    Attributes:
        exchange: The protocol behind the sockets.
        market: The books, with what is true of them.
        credentials: The key it accepts.
        account: Places and cancels orders of one's own.

    Raises:
        UsageError: The host is not a loopback address; a setting that cannot be.
        PortInUse: On ``start``.
    """

    def __init__(
        self,
        market: Mapping[str, Source] | None = None,
        *,
        symbols: int | Sequence[str] = ("BTC-USDT", "ETH-USDT"),
        seed: int = 0,
        profile: str | Profile = "normal",
        rate: float | None = None,
        faults: FaultPlan | None = None,
        limits: Limits | None = None,
        credentials: Credentials | None = None,
        funds: Mapping[str, str | Decimal] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: Authority | ssl.SSLContext | None = None,
        endpoint: str | None = None,
        fragment_bytes: int | None = None,
        clock: Callable[[], int] | None = None,
        wall: Callable[[], int] = time.time_ns,
        **manners: Any,
    ) -> None:
        if not is_loopback(host):
            raise UsageError(f"{ascii(host)[:60]} is not a loopback address; the local KuCoin serves this machine only")
        if fragment_bytes is not None and fragment_bytes < 1:
            raise UsageError(f"fragments have at least one byte, not {fragment_bytes}")
        self.market: Mapping[str, Source] = made_market(symbols, seed, profile, rate) if market is None else market
        self.credentials = credentials or throwaway_credentials(seed)
        self.exchange = Exchange(
            self.market, limits=limits, faults=faults, seed=seed, credentials=self.credentials, funds=funds, **manners
        )
        self.port = port
        self._host = host
        self._tls = tls.server_context() if isinstance(tls, Authority) else tls
        self._endpoint = endpoint
        self._fragment_bytes = fragment_bytes
        self._clock = clock or loop_clock
        self.account = self.exchange.driver(self._clock, self._flush)
        self._wall = wall
        self._links: dict[int, _Link] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._armed_ns = NEVER
        self._runner: web.AppRunner | None = None
        self._closing: set[asyncio.Task[Any]] = set()
        self._ended = asyncio.Event()

    # -- life --

    @property
    def url(self) -> str:
        """The address of its REST side; the socket's is in the token answers."""
        return f"{'http' if self._tls is None else 'https'}://{_literal(self._host)}:{self.port}"

    @property
    def endpoint(self) -> str:
        """What token answers give as the socket's address."""
        return self._endpoint or f"{'ws' if self._tls is None else 'wss'}://{_literal(self._host)}:{self.port}/"

    @endpoint.setter
    def endpoint(self, address: str | None) -> None:
        self._endpoint = address
        self.exchange.common.endpoint = self.endpoint

    async def start(self) -> None:
        """Listen, and let the market run."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=CLOSE_S)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self.port, ssl_context=self._tls)
        try:
            await site.start()
        except OSError as error:
            await self.close()
            why = "in use" if error.errno == errno.EADDRINUSE else os.strerror(error.errno or 0)
            raise PortInUse(self._host, self.port, why) from None
        self.port = self._runner.addresses[0][1]
        self.exchange.common.endpoint = self.endpoint
        now_ns = self._clock()
        self.exchange.set_wall(now_ns, self._wall())
        self.exchange.advance(now_ns)
        self._flush()

    async def close(self) -> None:
        """Cut all connections and stop listening. Doing it twice is fine."""
        self._ended.set()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for link in list(self._links.values()):
            link.transport.abort()
        for task in list(self._closing):
            task.cancel()
        if self._closing:
            await asyncio.gather(*self._closing, return_exceptions=True)
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # -- time --

    def _flush(self) -> None:
        """Carry out what the exchange has to send, and have the next moment called."""
        writes: dict[int, list[bytes]] = {}
        text: object = None
        frame = b""
        for sent in self.exchange.outbox():
            link = self._links[sent.conn]
            if link.pending is not None:
                link.pending.append(sent)
                continue
            payload = sent.payload
            if isinstance(payload, str | bytes | Binary):
                if payload is not text:
                    text, frame = payload, framed(payload, self._fragment_bytes)
                writes.setdefault(sent.conn, []).append(frame)
            else:
                self._write(link, writes.pop(sent.conn, []))
                self._finish(link, payload)
        for conn, frames in writes.items():
            self._write(self._links[conn], frames)
        self._arm()

    def _arm(self) -> None:
        next_ns = self.exchange.next_ns
        if next_ns == NEVER or self._ended.is_set():
            return
        now_ns = self._clock()
        # Not later than asked for by more than one tick, and not oftener than once a tick.
        when_ns = max(next_ns, now_ns + _TICK_NS)
        if self._timer is not None:
            if self._armed_ns <= when_ns:
                return
            self._timer.cancel()
        self._armed_ns = when_ns
        self._timer = asyncio.get_running_loop().call_later((when_ns - now_ns) / 1e9, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.exchange.advance(self._clock())
        self._flush()

    # -- sockets --

    def inject(self, data: bytes) -> int:
        """Send every client these bytes, between two whole messages; they need not be a legal frame.

        Returns:
            How many clients that were.
        """
        links = [link for link in self._links.values() if link.pending is None and not link.is_over]
        for link in links:
            self._write(link, [data])
        return len(links)

    def _write(self, link: _Link, frames: list[bytes]) -> None:
        transport = link.transport
        if not frames or link.is_over or transport.is_closing():
            return
        transport.write(b"".join(frames))
        if transport.get_write_buffer_size() > WRITE_MAX:
            transport.abort()

    def _finish(self, link: _Link, payload: Close | Abort | Hole) -> None:
        link.is_over = True
        if isinstance(payload, Abort):
            link.transport.abort()
        elif isinstance(payload, Hole) or not payload.is_completed:
            if isinstance(payload, Close):
                link.transport.write(framed_close(payload.code, payload.reason))
            link.transport.set_protocol(_Void(link.transport.get_protocol()))
        else:
            task = asyncio.get_running_loop().create_task(self._say_goodbye(link, payload))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def _say_goodbye(self, link: _Link, payload: Close) -> None:
        with suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await link.ws.close(code=payload.code, message=payload.reason.encode())
        if link.transport.get_write_buffer_size():
            # The client has had its time to read.
            link.transport.abort()
        link.transport.close()

    async def _upgrade(self, request: web.Request) -> web.StreamResponse:
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("the client has gone already")
        conn = self.exchange.connect(request.raw_path, self._clock())
        if isinstance(conn, Reply):
            self._flush()
            return _response(conn)
        # Neither pongs nor closing frames by themselves: nothing comes out of a black hole.
        ws = web.WebSocketResponse(autoping=False, autoclose=False, compress=False, timeout=CLOSE_S)
        link = self._links[conn] = _Link(ws, transport)
        try:
            await ws.prepare(request)
            self._open(link)
            await self._converse(conn, link)
        finally:
            self._links.pop(conn, None)
            self.exchange.disconnected(conn, self._clock())
            self._flush()
        return ws

    def _open(self, link: _Link) -> None:
        pending, link.pending = link.pending, None
        for sent in pending or ():
            self.exchange.common.timeline.put(sent)
        self._flush()

    async def _converse(self, conn: int, link: _Link) -> None:
        ws = link.ws
        while True:
            message = await ws.receive()
            match message.type:
                case WSMsgType.TEXT:
                    self.exchange.receive(conn, message.data, self._clock())
                    self._flush()
                case WSMsgType.BINARY:
                    self.exchange.receive(conn, message.data.decode(errors="replace"), self._clock())
                    self._flush()
                case WSMsgType.PING if not link.is_over:
                    await ws.pong(message.data)
                case WSMsgType.CLOSE if not link.is_over:
                    await ws.close()
                    return
                case WSMsgType.CLOSED | WSMsgType.ERROR | WSMsgType.CLOSING:
                    return
                case _:
                    pass

    # -- REST --

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("upgrade", "").lower() == "websocket":
            return await self._upgrade(request)
        if request.path.startswith(window.PREFIX):
            found = await window.answer(self.exchange, request, self._clock())
            self._flush()
            return found
        body = (await request.read()).decode(errors="replace")
        exchange = self.exchange
        now_ns = self._clock()
        answer: Answer = exchange.rest(
            request.method, request.raw_path, request.headers, body, now_ns, self._wall() // 1_000_000
        )
        self._flush()
        if isinstance(answer, Late):
            await asyncio.sleep(answer.delay_ns / 1e9)
            exchange.advance(self._clock())
            answer = answer.finish(self._clock())
            self._flush()
        if isinstance(answer, Hang):
            await self._ended.wait()
        if isinstance(answer, Hang | Drop):
            return _cut(request)
        if answer.delay_ns:
            await asyncio.sleep(answer.delay_ns / 1e9)
        return _response(answer)


def _literal(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _cut(request: web.Request) -> web.Response:
    """End the connection; the response goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


def _response(reply: Reply) -> web.Response:
    return web.Response(status=reply.status, headers=dict(reply.headers), body=reply.body)
