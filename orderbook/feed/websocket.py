"""WebSocket connections on ``websockets``: the only module that knows that library."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Collection

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidProxy, InvalidURI, ProxyError, WebSocketException

from orderbook.feed import forks
from orderbook.feed.redaction import safe_logger
from orderbook.feed.seams import Connect, Socket, SocketClosed
from orderbook.feed.settings import FeedSettings
from orderbook.feed.sockets import CUT, NO_ADDRESS, Address, Veil, ending, os_problem, recent_tokens, refusal
from orderbook.secret import Secret
from orderbook.venues.rest import check_proxy

_logger = safe_logger("orderbook.feed.websocket", recent_tokens)


class _Connect(connect):
    """The library's, but without redirects: the token is for the server that the venue named, and for no other."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        """There is none to follow."""
        return exc


class WebSocket:
    """One connection.

    Args:
        connection: The library's.
        token: What the address held.
        close_timeout_s: For the closing handshake.
    """

    def __init__(self, connection: ClientConnection, token: Secret, close_timeout_s: float) -> None:
        self._connection = connection
        self._token = token
        self._veil = Veil(token)
        self._close_timeout_s = close_timeout_s
        forks.watch(self)

    def disown(self) -> None:
        """This process is a fork of the one that is connected."""
        forks.cut_off_transport(self._connection.transport)

    async def receive(self) -> bytes:
        """The next message, be it a text or a binary one."""
        (frame,) = await self.receive_batch()
        return frame

    async def receive_batch(self) -> Collection[bytes]:
        """The next message alone: the library does not tell how many have arrived."""
        try:
            frame = await self._connection.recv(decode=False)
        except ConnectionClosed as error:
            raise SocketClosed(self._ending(error)) from None
        return self._veil.over((frame,))

    async def send(self, text: str) -> None:
        """Send a text message; waits while the peer does not read."""
        try:
            await self._connection.send(text)
        except ConnectionClosed as error:
            raise SocketClosed(self._ending(error)) from None

    async def close(self) -> None:
        """Say goodbye, but do not wait for long."""
        try:
            async with asyncio.timeout(self._close_timeout_s):
                await self._connection.close()
        except TimeoutError:
            pass
        finally:
            self.abort()

    def abort(self) -> None:
        """Cut it."""
        self._connection.transport.abort()

    def _ending(self, error: ConnectionClosed) -> str:
        close = error.rcvd or error.sent
        return CUT if close is None else ending(close.code, close.reason, self._token)


def connector(settings: FeedSettings, *, proxy: str | None = None, tls: ssl.SSLContext | None = None) -> Connect:
    """Make what opens connections.

    Compression is not offered (a small frame could then become any amount of memory), and the library's own pings are
    off: the venue does not count them.

    Args:
        settings: Time-outs, and the longest frame.
        proxy: Address of an HTTP proxy; the environment is not asked.
        tls: Another context than the default one, for a certificate authority of one's own. Verification cannot be
            switched off here.

    Raises:
        UsageError: A proxy address that is none.
    """
    if proxy is not None:
        check_proxy(proxy)

    async def open_socket(url: Secret) -> Socket:
        address = Address(url)
        with address.connecting(_problem, OSError, TimeoutError, WebSocketException, UnicodeError):
            connection = await _Connect(
                url.reveal(),
                compression=None,
                ping_interval=None,
                proxy=proxy,
                open_timeout=settings.connect_timeout_ms / 1000,
                close_timeout=settings.close_timeout_ms / 1000,
                max_size=settings.sync.frame_bytes_max,
                logger=_logger,
                # True is the default context, which verifies; None would be refused.
                ssl=(tls or True) if address.is_safe else None,
            )
        return WebSocket(connection, address.token, settings.close_timeout_ms / 1000)

    return open_socket


def _problem(error: Exception) -> str:
    if isinstance(error, OSError):
        return os_problem(error)
    if isinstance(error, InvalidProxy):
        return "its proxy's address is not valid"
    if isinstance(error, InvalidURI | UnicodeError):
        return NO_ADDRESS
    status = getattr(getattr(error, "response", None), "status_code", None)
    return refusal(status, error, by_proxy=isinstance(error, ProxyError))
