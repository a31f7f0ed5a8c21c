"""WebSocket connections on ``websockets``: the only module that knows that library."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from typing import Final
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidProxy, InvalidURI, ProxyError, WebSocketException

from orderbook.feed import forks
from orderbook.feed.errors import LinkError
from orderbook.feed.redaction import safe_logger
from orderbook.feed.seams import Connect, Socket, SocketClosed
from orderbook.feed.settings import FeedSettings
from orderbook.redact import scrub
from orderbook.secret import Secret
from orderbook.venues.rest import check_proxy

TOKENS_MAX: Final = 100
"""Tokens that are kept out of the log: those of the last connections."""

_tokens: deque[Secret] = deque(maxlen=TOKENS_MAX)
_logger = safe_logger("orderbook.feed.websocket", _tokens)


class _Connect(connect):
    """The library's, but without redirects: the token is for the server that the venue named, and for no other."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        """There is none to follow."""
        return exc


class WebSocket:
    """One connection.

    Args:
        connection: The library's.
        token: What the address held; should the venue ever repeat it, nobody gets to see it.
        close_timeout_s: For the closing handshake.
    """

    def __init__(self, connection: ClientConnection, token: Secret, close_timeout_s: float) -> None:
        self._connection = connection
        self._token = token
        self._close_timeout_s = close_timeout_s
        forks.watch(self)

    def disown(self) -> None:
        """This process is a fork of the one that is connected."""
        # Once it has ended there is none over TLS, and without, one without a descriptor.
        ours = self._connection.transport.get_extra_info("socket")
        descriptor = -1 if ours is None else ours.fileno()
        if descriptor >= 0:
            forks.cut_off(descriptor)

    async def receive(self) -> bytes:
        """The next message, be it a text or a binary one."""
        try:
            frame = await self._connection.recv(decode=False)
        except ConnectionClosed as error:
            raise SocketClosed(self._ending(error)) from None
        token = self._token.reveal().encode()
        return frame.replace(token, b"TOKEN") if token and token in frame else frame

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
        """Close code and reason, as short text that is safe to show."""
        close = error.rcvd or error.sent
        if close is None:
            return "1006 connection cut"
        return f"{close.code} {ascii(scrub(close.reason, [self._token]))[1:-1][:120]}".rstrip()


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
        parts = urlsplit(url.reveal())
        host, (token, *_) = parts.hostname, parse_qs(parts.query).get("token", [""])
        _tokens.append(Secret(token))
        try:
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
                ssl=(tls or True) if url.reveal().startswith("wss:") else None,
            )
        except (OSError, TimeoutError, WebSocketException, UnicodeError) as error:
            # Its own text may hold the address with the token in it, or the proxy's with its password.
            raise LinkError(f"cannot connect to {host!a}: {_problem(error)}") from None
        return WebSocket(connection, Secret(token), settings.close_timeout_ms / 1000)

    return open_socket


def _problem(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its TLS certificate is not valid: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    if isinstance(error, InvalidProxy):
        return "its proxy's address is not valid"
    if isinstance(error, InvalidURI | UnicodeError):
        return "not a WebSocket address"
    status = getattr(getattr(error, "response", None), "status_code", None)
    who = "its proxy " if isinstance(error, ProxyError) else ""
    return f"{who}refused with HTTP status {status}" if status else f"bad handshake ({type(error).__name__})"
