"""WebSocket connections on ``picows`` (the extra ``fast``): the only module that knows that library.

It parses natively and calls back with each frame, many in one read. They are queued here as bytes; above a high-water
mark the socket is not read any more until the queue has become short, so that a slow consumer is felt by the venue and
not by the memory of this process. What one read brings, at most the receive buffer of the kernel, comes on top.
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import ssl
from collections import deque
from collections.abc import Collection
from contextlib import suppress
from typing import TYPE_CHECKING, Final, cast

from picows import WSCloseCode, WSError, WSFrame, WSHandshakeError, WSListener, WSMsgType, WSTransport, ws_connect
from python_socks import ProxyError

from orderbook.feed import forks
from orderbook.feed.redaction import safe_logger
from orderbook.feed.seams import Connect, Socket, SocketClosed
from orderbook.feed.settings import FeedSettings
from orderbook.feed.sockets import (
    BATCH_MAX,
    CUT,
    NO_ADDRESS,
    Address,
    Inbox,
    Veil,
    ending,
    os_problem,
    recent_tokens,
    refusal,
    too_long,
)
from orderbook.secret import Secret
from orderbook.venues.rest import check_proxy

if TYPE_CHECKING:
    from picows.url import WSParsedURL

HIGH_BYTES: Final = 1 << 18
"""So much in the queue, and the socket is not read any more."""
LOW_BYTES: Final = HIGH_BYTES // 4
"""So little, and it is read again."""
FRAME_COST: Final = 64
"""Bytes that a message takes beside its own, at least: many empty ones are a lot of memory, too."""
CONTROL_BYTES_MAX: Final = 125
"""By the protocol; the parser sees to it."""
PARTS_MAX: Final = 10_000
"""Of one message: many empty ones are a lot of memory, too."""

_TEXT: Final = WSMsgType.TEXT
_WHOLE: Final = (WSMsgType.TEXT, WSMsgType.BINARY)
_NO_CODE: Final = 1005

# An adapter, because the library gives loggers children, whose records would pass the parent's filter by.
_logger = logging.LoggerAdapter(safe_logger("orderbook.feed.picows", recent_tokens), {})


class PicowsSocket(Inbox, WSListener):
    """One connection.

    Args:
        address: Where to.
        settings: The longest message, and how long a closing handshake may take.
    """

    def __init__(self, address: Address, settings: FeedSettings) -> None:
        super().__init__()
        self._token = address.token
        self._veil = Veil(address.token)
        self._bytes_max = settings.sync.frame_bytes_max
        self._close_timeout_s = settings.close_timeout_ms / 1000
        self._transport: WSTransport
        self._gone: asyncio.Task[None]
        self._load = 0
        self._is_paused = False
        #: The message's parts so far, while one comes in pieces; and how long they are.
        self._parts: list[bytes] | None = None
        self._parts_size = 0
        self._writable = asyncio.Event()
        self._writable.set()
        #: This end said goodbye: nothing further is wanted.
        self._is_closing = False
        #: Nothing of all that: a whole message is one to be read.
        self._is_plain = True

    # -- what the library calls --

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The handshake is over."""
        self._transport = transport
        self._gone = self._loop.create_task(transport.wait_disconnected())
        self._gone.add_done_callback(_seen)
        forks.watch(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:  # noqa: ARG002 - as the library calls it
        """A frame, or a part of one. It is looked at for as short a time as possible: this runs for every frame."""
        size = frame.payload_size
        # To ask for the kind of a frame costs as much as all the rest. One that is so long is no control frame. (It may
        # be the last part of a message without a first one; whoever decodes it has to expect anything anyway.)
        if (
            self._is_plain
            and CONTROL_BYTES_MAX < size <= self._bytes_max
            and frame.fin
            and not (frame.rsv1 or frame.rsv2 or frame.rsv3)
        ):
            self._frames.append(frame.get_payload_as_bytes())
            self._load += size + FRAME_COST
        else:
            self._take_apart(frame)
        if frame.last_in_buffer:
            self._read_on()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """It is over, whoever ended it."""
        # The stub says that both are always there.
        close = getattr(transport.close_handshake, "recv", None) or getattr(transport.close_handshake, "sent", None)
        self._end(CUT if close is None else self._words(close))

    def pause_writing(self) -> None:
        """The venue does not read what it is sent."""
        if self._ending is None and not self._is_closing:
            self._writable.clear()

    def resume_writing(self) -> None:
        """It does again."""
        self._writable.set()

    # -- what a link calls --

    def disown(self) -> None:
        """This process is a fork of the one that is connected."""
        forks.cut_off_transport(self._transport.underlying_transport)

    async def receive(self) -> bytes:
        """The next message, be it a text or a binary one."""
        await self._filled()
        frame = self._frames.popleft()
        self._taken(len(frame) + FRAME_COST)
        (frame,) = self._veil.over((frame,))
        return frame

    async def receive_batch(self) -> Collection[bytes]:
        """All messages that have been read, but not too many at a time."""
        await self._filled()
        frames: Collection[bytes] = self._frames
        if len(frames) <= BATCH_MAX:
            self._frames = deque()
            self._taken(self._load)
        else:
            frames = [self._frames.popleft() for _ in range(BATCH_MAX)]
            self._taken(sum(map(len, frames)) + BATCH_MAX * FRAME_COST)
        return self._veil.over(frames)

    async def send(self, text: str) -> None:
        """Send a text message; waits while the peer does not read."""
        # Set for good at the end, so that nobody waits for ever.
        await self._writable.wait()
        if self._ending is not None or self._is_closing:
            raise SocketClosed(self._ending or f"{WSCloseCode.OK:d}")
        self._transport.send(_TEXT, text.encode())

    async def close(self) -> None:
        """Say goodbye, but do not wait for long."""
        try:
            if self._ending is None:
                if not self._is_closing:
                    self._is_closing, self._is_plain = True, False
                    self._writable.set()
                    self._transport.send_close(WSCloseCode.OK)
                    # What still comes is thrown away until the answer is there.
                    self._resume()
                await asyncio.wait([self._gone], timeout=self._close_timeout_s)
        finally:
            self.abort()

    def abort(self) -> None:
        """Cut it."""
        self._end(f"{WSCloseCode.OK:d}" if self._is_closing else CUT)
        self._transport.disconnect(graceful=False)

    # -- frames --

    def _put(self, message: bytes) -> None:
        self._frames.append(message)
        self._load += len(message) + FRAME_COST

    def _take_apart(self, frame: WSFrame) -> None:
        """Whatever is no whole message between others."""
        kind = frame.msg_type
        if kind is WSMsgType.CLOSE:
            self._farewell()
        elif self._ending is not None or self._is_closing:
            return
        elif frame.rsv1 or frame.rsv2 or frame.rsv3:
            self._refuse(WSCloseCode.PROTOCOL_ERROR, "reserved bits")
        elif kind is WSMsgType.PING:
            # Not while the venue does not read: what it makes us owe it must not grow.
            if self._writable.is_set():
                self._transport.send_pong(frame.get_payload_as_bytes())
        elif frame.payload_size > self._bytes_max:
            # The parser refuses the header of such a frame, but hands on what arrives before it has cut the connection.
            self._refuse(WSCloseCode.MESSAGE_TOO_BIG, too_long(self._bytes_max))
        elif frame.fin and self._parts is None and kind in _WHOLE:
            self._put(frame.get_payload_as_bytes())
        elif kind is not WSMsgType.PONG:
            self._gather(frame, is_first=kind is not WSMsgType.CONTINUATION)

    def _gather(self, frame: WSFrame, *, is_first: bool) -> None:
        if is_first is (self._parts is not None):
            self._refuse(WSCloseCode.PROTOCOL_ERROR, "parts of messages in disorder")
            return
        parts = self._parts = self._parts or []
        self._is_plain = False
        parts.append(frame.get_payload_as_bytes())
        self._parts_size += frame.payload_size
        if self._parts_size > self._bytes_max or len(parts) > PARTS_MAX:
            self._refuse(WSCloseCode.MESSAGE_TOO_BIG, too_long(self._bytes_max))
        elif frame.fin:
            self._parts, self._parts_size, self._is_plain = None, 0, True
            self._put(b"".join(parts))

    def _read_on(self) -> None:
        """All frames of a read have been seen."""
        if self._load > HIGH_BYTES and not self._is_paused and self._ending is None and not self._is_closing:
            self._is_paused = True
            self._transport.underlying_transport.pause_reading()
        if self._frames:
            self._wake()

    def _taken(self, load: int) -> None:
        self._load -= load
        if self._is_paused and self._load <= LOW_BYTES:
            self._resume()

    def _resume(self) -> None:
        if self._is_paused:
            self._is_paused = False
            self._transport.underlying_transport.resume_reading()

    # -- the end --

    def _farewell(self) -> None:
        """The venue's closing frame: answered, and the connection is over at once."""
        close = self._transport.close_handshake.recv
        if not self._transport.is_close_frame_sent:
            code = None if close is None else close.code
            self._transport.send_close(code or WSCloseCode.OK)
        self._end(self._words(close))
        self._transport.disconnect()

    def _refuse(self, code: WSCloseCode, why: str) -> None:
        """The venue broke the protocol, or a limit."""
        if not self._transport.is_close_frame_sent:
            self._transport.send_close(code, why)
        self._end(f"{code:d} {why}")
        self._transport.disconnect()

    def _end(self, words: str) -> None:
        if self._ending is None:
            self._ending = words
        self._parts, self._is_plain = None, False
        self._writable.set()
        self._wake()

    def _words(self, close: object) -> str:
        code = int(getattr(close, "code", 0)) or _NO_CODE
        return ending(code, getattr(close, "reason", None) or "", self._token)


def _seen(gone: asyncio.Task[None]) -> None:
    """What the parser found wrong stands in the closing frame; asyncio need not complain about it."""
    if not gone.cancelled():
        gone.exception()


class _Dial:
    """The way to a server, held in hand until the handshake is over: the library would leave it open if cancelled."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None

    async def connect(self, url: WSParsedURL) -> socket.socket:
        """Connect to the first address of a name that answers.

        Raises:
            OSError: None of them does.
        """
        loop = asyncio.get_running_loop()
        problem: OSError = OSError("no address")
        try:
            # An address needs no look-up, and no thread for one: a forked child would wait for it at its end.
            found = socket.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        except socket.gaierror:
            found = await loop.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM)
        for family, kind, proto, _, address in found:
            one = socket.socket(family, kind, proto)
            try:
                one.settimeout(0)
                await loop.sock_connect(one, address)
            except OSError as error:
                one.close()
                problem = error
            except BaseException:
                one.close()
                raise
            else:
                self._socket = one
                return one
        raise problem

    def hang_up(self) -> None:
        """Whoever has the socket now finds that the connection has ended, and closes it."""
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


def connector(settings: FeedSettings, *, proxy: str | None = None, tls: ssl.SSLContext | None = None) -> Connect:
    """Make what opens connections. As ``orderbook.feed.websocket.connector``."""
    if proxy is not None:
        check_proxy(proxy)

    async def open_socket(url: Secret) -> Socket:
        address = Address(url)
        dial = _Dial()
        with address.connecting(_problem, OSError, TimeoutError, WSError, ProxyError, ValueError):
            try:
                async with asyncio.timeout(settings.connect_timeout_ms / 1000):
                    _, listener = await ws_connect(
                        lambda *_: PicowsSocket(address, settings),
                        url.reveal(),
                        ssl_context=tls,
                        websocket_handshake_timeout=None,
                        logger_name=_logger,
                        # Ours are messages, which the venue counts; and its own are answered here.
                        enable_auto_ping=False,
                        enable_auto_pong=False,
                        max_frame_size=settings.sync.frame_bytes_max,
                        max_redirects=0,
                        proxy=proxy,
                        socket_factory=dial.connect,
                    )
            except BaseException:
                dial.hang_up()
                raise
        if listener is None:
            raise address.problem("bad handshake (no answer)")
        return cast(Socket, listener)

    return open_socket


def _problem(error: Exception) -> str:
    if isinstance(error, OSError):
        return os_problem(error)
    if isinstance(error, ProxyError):
        status = re.search(r"status (\d{3})\b", str(error))
        return refusal(int(status[1]) if status else None, error, by_proxy=True)
    response = getattr(error, "response", None)
    if isinstance(error, WSHandshakeError):
        return refusal(None if response is None else int(response.status), error)
    return NO_ADDRESS
