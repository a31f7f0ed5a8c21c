"""WebSocket connections on aiohttp's client: the only module of the feed that knows that library."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Collection
from typing import Any, Final

import aiohttp
from aiohttp import ClientWebSocketResponse, WSCloseCode, WSMsgType

from orderbook.feed import forks
from orderbook.feed.seams import Connect, Socket, SocketClosed
from orderbook.feed.settings import FeedSettings
from orderbook.feed.sockets import CUT, NO_ADDRESS, NO_TIME, Address, Veil, ending, os_problem, refusal, too_long
from orderbook.secret import Secret
from orderbook.venues.rest import check_proxy

_AS_BYTES: Final[dict[str, Any]] = (
    {"decode_text": False} if tuple(map(int, aiohttp.__version__.split(".")[:2])) >= (3, 14) else {}
)
"""Older ones make text of each message, which has to be made bytes again."""


class _Response(ClientWebSocketResponse[Any]):
    """The library's, which shows the transport, so that it can be cut."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        connection = self._response.connection
        if connection is None or connection.transport is None:
            raise aiohttp.ClientConnectionError("the connection ended with the handshake")
        self.transport = connection.transport

    def cut(self) -> None:
        """End the connection now."""
        self.transport.abort()
        self._response.close()


class AiohttpSocket:
    """One connection.

    Args:
        response: The library's.
        token: What the address held.
        settings: The longest message, and how long a closing handshake may take.
    """

    def __init__(self, response: _Response, token: Secret, settings: FeedSettings) -> None:
        self._response = response
        self._token = token
        self._veil = Veil(token)
        self._close_timeout_s = settings.close_timeout_ms / 1000
        self._bytes_max = settings.sync.frame_bytes_max
        self._ending: str | None = None
        forks.watch(self)

    def disown(self) -> None:
        """This process is a fork of the one that is connected."""
        forks.cut_off_transport(self._response.transport)

    async def receive(self) -> bytes:
        """The next message, be it a text or a binary one."""
        (frame,) = await self.receive_batch()
        return frame

    async def receive_batch(self) -> Collection[bytes]:
        """The next message alone: the library does not tell how many have arrived."""
        if self._ending is not None:
            raise SocketClosed(self._ending)
        message = await self._response.receive()
        if message.type is WSMsgType.TEXT or message.type is WSMsgType.BINARY:
            data = message.data
            return self._veil.over((data if isinstance(data, bytes) else data.encode(),))
        raise SocketClosed(await self._ended(message.type, message.data, message.extra))

    async def send(self, text: str) -> None:
        """Send a text message; waits while the peer does not read."""
        if self._ending is None:
            try:
                await self._response.send_str(text)
            except (aiohttp.ClientError, OSError):
                pass
            else:
                return
        raise SocketClosed(self._ending or CUT)

    async def close(self) -> None:
        """Say goodbye, but do not wait for long."""
        try:
            if self._ending is None:
                self._ending = f"{WSCloseCode.OK:d}"
                async with asyncio.timeout(self._close_timeout_s):
                    await self._response.close()
        except TimeoutError:
            pass
        finally:
            self.abort()

    def abort(self) -> None:
        """Cut it."""
        self._ending = self._ending or CUT
        self._response.cut()

    async def _ended(self, kind: WSMsgType, data: object, extra: object) -> str:
        """What the last message says of the end."""
        if self._ending is None and kind is WSMsgType.CLOSE:
            code = data if isinstance(data, int) and data else 1005
            self._ending = ending(code, extra if isinstance(extra, str) else "", self._token)
            # Answers the goodbye, and does not wait for anything then.
            await self._response.close(code=WSCloseCode.OK if code == 1005 else code)
        elif self._ending is None and isinstance(data, aiohttp.WebSocketError):
            why = too_long(self._bytes_max) if data.code == WSCloseCode.MESSAGE_TOO_BIG else str(data)
            self._ending = ending(data.code, why, self._token)
        self._ending = self._ending or CUT
        return self._ending


def connector(settings: FeedSettings, *, proxy: str | None = None, tls: ssl.SSLContext | None = None) -> Connect:
    """Make what opens connections. As ``orderbook.feed.websocket.connector``."""
    if proxy is not None:
        check_proxy(proxy)

    async def open_socket(url: Secret) -> Socket:
        address = Address(url)
        session = _session()
        with address.connecting(_problem, OSError, TimeoutError, aiohttp.ClientError, ValueError):
            try:
                async with asyncio.timeout(settings.connect_timeout_ms / 1000):
                    response = await session.ws_connect(
                        url.reveal(),
                        autoclose=False,
                        heartbeat=None,
                        compress=0,
                        # The library refuses what is as long as this.
                        max_msg_size=settings.sync.frame_bytes_max + 1,
                        timeout=aiohttp.ClientWSTimeout(ws_receive=None, ws_close=None),
                        proxy=proxy,
                        ssl=tls or True,
                        **_AS_BYTES,
                    )
            except BaseException:
                await session.close()
                raise
        # The connection is all that is left of it, and needs no closing but its own.
        session.detach()
        assert isinstance(response, _Response)
        return AiohttpSocket(response, address.token, settings)

    return open_socket


def _session() -> aiohttp.ClientSession:
    tracing = aiohttp.TraceConfig()
    tracing.on_request_redirect.append(_stay)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=1, use_dns_cache=False, resolver=aiohttp.ThreadedResolver()),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        trust_env=False,
        trace_configs=[tracing],
        ws_response_class=_Response,
    )


async def _stay(_session: object, _context: object, redirect: aiohttp.TraceRequestRedirectParams) -> None:
    """The token is for the server that the venue named, and for no other."""
    status = redirect.response.status
    redirect.response.close()
    raise aiohttp.WSServerHandshakeError(redirect.response.request_info, (), status=status)


def _problem(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        error = error.certificate_error
    elif isinstance(error, aiohttp.ClientConnectorError):
        error = error.os_error
    if isinstance(error, OSError) and not isinstance(error, aiohttp.ClientError):
        return os_problem(error)
    if isinstance(error, TimeoutError):
        return NO_TIME
    if isinstance(error, ValueError):
        return NO_ADDRESS
    # Others have a status, too: what the library makes of an answer that it cannot read.
    is_by_proxy = isinstance(error, aiohttp.ClientHttpProxyError)
    answered = is_by_proxy or isinstance(error, aiohttp.WSServerHandshakeError)
    return refusal(getattr(error, "status", None) if answered else None, error, by_proxy=is_by_proxy)
