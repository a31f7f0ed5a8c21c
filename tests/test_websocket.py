"""The connections themselves: what cannot be connected to, whom to trust, and what is not accepted from anybody."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import InvalidProxy, InvalidState, WebSocketException

from orderbook.errors import Unreachable, UsageError
from orderbook.feed.errors import LinkError
from orderbook.feed.opening import open_feed
from orderbook.feed.seams import SocketClosed
from orderbook.feed.settings import FeedSettings
from orderbook.feed.transports import connector
from orderbook.secret import Secret
from orderbook.settings import SyncSettings
from snapshots.calls import CallSettings
from tests.feed_books import BTC, FAST
from tests.feed_world import (
    PEM,
    nothing_left,
)
from tests.transport_ends import LIBRARIES

Handler = Callable[[ServerConnection], Awaitable[None]]


async def _idle(connection: ServerConnection) -> None:
    await connection.wait_closed()


@asynccontextmanager
async def _server(
    handler: Handler = _idle, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[str]:
    async with serve(handler, host, 0, ssl=tls, ping_interval=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"{'ws' if tls is None else 'wss'}://{host}:{port}/"


def _tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(PEM)
    return context


SHORT = replace(FAST, connect_timeout_ms=200, close_timeout_ms=100)


@pytest.fixture(params=LIBRARIES)
def short(request: pytest.FixtureRequest) -> FeedSettings:
    """Short waits, over one of the libraries after the other."""
    return replace(SHORT, transport=request.param)


async def _problem(short: FeedSettings, url: str, *, tls: ssl.SSLContext | None = None) -> str:
    async with nothing_left():
        with pytest.raises(LinkError) as caught:
            await connector(short, tls=tls)(Secret(f"{url}?token=secret"))
    assert caught.value.__cause__ is None
    assert "secret" not in str(caught.value)
    return str(caught.value)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


async def test_an_unreachable_host_is_a_link_error(short: FeedSettings) -> None:
    """Nobody listens there."""
    assert "cannot connect to '127.0.0.1': Connect call failed" in await _problem(
        short, f"ws://127.0.0.1:{_free_port()}/"
    )


async def test_an_unreachable_venue_is_told_at_once() -> None:
    """``open_feed`` raises a typed error, with what to do about it, and leaves nothing."""
    async with nothing_left():
        feed = open_feed("kucoin", [BTC], url=f"http://127.0.0.1:{_free_port()}", settings=FAST)
        with pytest.raises(Unreachable) as caught:
            await feed.__aenter__()
    assert "check the network" in str(caught.value)


async def test_a_name_that_does_not_resolve_is_a_link_error(
    short: FeedSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same for DNS."""

    async def fail(*_args: object, **_kwargs: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", fail)
    assert "Name or service not known" in await _problem(short, "wss://nowhere.invalid/")


async def test_a_name_that_cannot_be_one_is_a_link_error(short: FeedSettings) -> None:
    """Too long for DNS; Python finds that out by a ``UnicodeError``."""
    assert "not a WebSocket address" in await _problem(short, f"wss://{'a' * 70}.example/")


async def test_a_certificate_that_nobody_vouches_for_is_refused(short: FeedSettings) -> None:
    """There is no switch to accept it."""
    async with _server(tls=_tls()) as url:
        assert "its TLS certificate is not valid: self" in await _problem(short, url)


async def test_a_certificate_of_another_host_is_refused(short: FeedSettings) -> None:
    """Though its authority is trusted."""
    async with _server(tls=_tls(), host="127.0.0.2") as url:
        trusting = ssl.create_default_context(cafile=str(PEM))
        assert "its TLS certificate is not valid: IP address mismatch" in await _problem(short, url, tls=trusting)


async def test_an_authority_of_ones_own_can_be_trusted(short: FeedSettings) -> None:
    """With a context that knows it."""
    async with _server(tls=_tls()) as url, nothing_left():
        wire = await connector(short, tls=ssl.create_default_context(cafile=str(PEM)))(Secret(url))
        await wire.close()


async def test_no_tls_where_it_is_expected_is_a_link_error(short: FeedSettings) -> None:
    """A plain server behind a ``wss`` address."""
    async with _server() as url:
        assert "cannot connect to '127.0.0.1'" in await _problem(short, url.replace("ws:", "wss:"))


async def test_a_redirect_is_not_followed(short: FeedSettings) -> None:
    """The token is for the server that the venue named."""
    visited: list[ServerConnection] = []

    async def visit(connection: ServerConnection) -> None:
        visited.append(connection)

    async with _server(visit) as elsewhere, _raw(f"HTTP/1.1 302 Found\r\nLocation: {elsewhere}\r\n\r\n") as url:
        assert "refused with HTTP status 302" in await _problem(short, url)
    assert [] == visited


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "refused with HTTP status 200"),
        ("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", "refused with HTTP status 500"),
        ("SSH-2.0-OpenSSH_9.2\r\n", "bad handshake"),
        ("", "bad handshake"),
    ],
)
async def test_what_is_no_websocket_is_a_link_error(short: FeedSettings, answer: str, told: str) -> None:
    """Another protocol, another status, or the end of the line."""
    async with _raw(answer) as url:
        assert told in await _problem(short, url)


async def test_a_handshake_without_an_answer_has_a_deadline(short: FeedSettings) -> None:
    """Accepted, and then nothing."""
    async with _raw(None) as url:
        assert "no answer in time" in await _problem(short, url)


@asynccontextmanager
async def _raw(answer: str | None) -> AsyncIterator[str]:
    """A server that reads a request and answers with a text; ``None``: not at all."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            if answer is None:
                await reader.read()
            else:
                writer.write(answer.encode())
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def test_a_frame_beyond_the_limit_ends_the_connection(short: FeedSettings) -> None:
    """It is not even put together in memory."""

    async def flood(connection: ServerConnection) -> None:
        await connection.send("x" * 5_000)
        await connection.wait_closed()

    settings = replace(short, sync=SyncSettings(frame_bytes_max=1_000))
    async with _server(flood) as url:
        wire = await connector(settings)(Secret(url))
        with pytest.raises(SocketClosed, match="1009"):
            await wire.receive()
        await wire.close()


async def test_compression_is_not_offered(short: FeedSettings) -> None:
    """A small frame could become any amount of memory."""
    offered: list[list[str]] = []

    async def look(connection: ServerConnection) -> None:
        assert connection.request is not None
        offered.append(connection.request.headers.get_all("Sec-WebSocket-Extensions"))
        await connection.wait_closed()

    async with _server(look) as url:
        wire = await connector(short)(Secret(url))
        await wire.close()
    assert [[]] == offered


@pytest.mark.parametrize("proxy", ["http://canary@127.0.0.1:9", "socks5://canary:1", "http://127.0.0.1:9/canary"])
def test_an_odd_proxy_is_refused_at_once(proxy: str) -> None:
    """Before anything is connected, by feed and connector, and without being shown."""
    for take in (lambda: connector(SHORT, proxy=proxy), lambda: open_feed("kucoin", [BTC], proxy=proxy)):
        with pytest.raises(UsageError, match="a proxy looks like") as caught:
            take()
        assert "canary" not in str(caught.value)


@pytest.mark.parametrize("error", [InvalidProxy("http://secret@h", "secret"), InvalidState("secret")])
async def test_whatever_the_library_raises_is_a_link_error(
    error: WebSocketException, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also what it did not raise so far; in our words."""

    async def fail(*_args: object, **_kwargs: object) -> None:
        raise error

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", fail)
    assert "cannot connect to 'h': " in await _problem(replace(SHORT, transport="websockets"), "ws://h/")


async def test_rest_requests_have_a_deadline_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """That of the feed's settings."""
    hasty = partial(CallSettings, retry_base_ms=1, retry_max_ms=1)
    monkeypatch.setattr("orderbook.feed.opening.CallSettings", hasty)
    async with nothing_left(), _raw(None) as url:
        address = url.replace("ws:", "http:").rstrip("/")
        feed = open_feed("kucoin", [BTC], url=address, settings=replace(FAST, rest_timeout_ms=30))
        with pytest.raises(Unreachable, match=r"within 0\.03 s"):
            await feed.__aenter__()
