"""HTTP over real sockets of this machine: whole answers, and each way not to get one, in our own words."""

from __future__ import annotations

import asyncio
import gzip
import logging
import random
import socket
import ssl
import traceback
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from orderbook.errors import BadAnswer, Refused, RestError, Unreachable, UsageError
from orderbook.secret import Credentials
from orderbook.venues import kucoin_rest
from orderbook.venues.kucoin_auth import verify
from snapshots.budget import WeightBudget
from snapshots.fetch import CallSettings, Rest
from snapshots.transport import BodyReader, HttpTransport, _problem
from tests.unchecked import unchecked
from tests.waiting import until

BOOK = b'{"code":"200000","data":{"sequence":"7","bids":[["1","2"]],"asks":[]}}'
CREDENTIALS = Credentials.of("canary-key", "canary-secret", "canary-passphrase")
WALL_MS = 1_700_000_000_000

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture(autouse=True)
def _nothing_is_logged_that_should_not_be(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """With every logger at DEBUG, whatever happens, no secret is logged."""
    caplog.set_level(logging.DEBUG)
    yield
    assert "canary" not in caplog.text


@asynccontextmanager
async def served(handler: Handler) -> AsyncIterator[str]:
    """An HTTP server of this machine that answers everything with ``handler``; its address."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def raw(answer: bytes) -> AsyncIterator[str]:
    """A server that reads a request's head, sends these bytes and hangs up; host and port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


def always(body: bytes, headers: dict[str, str] | None = None) -> Handler:
    """Answer everything with this."""

    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=body, headers=headers)

    return handler


async def fetch(url: str, *, timeout_ms: int = 10_000, **options: Any) -> bytes:
    """One snapshot, tried once."""
    request = kucoin_rest.book_request("A-B", "full" if "credentials" in options else 100)
    options.setdefault("budget", WeightBudget())
    calls = CallSettings(timeout_ms=timeout_ms, wall=lambda: WALL_MS * 1_000_000, rng=random.Random(1))
    async with Rest(url, calls=calls, **options) as rest:
        return await rest.call(request, attempts=1)


async def failure(url: str, **options: Any) -> RestError:
    """The error that a snapshot ends in. Nothing of it shows a secret, nor does what it carries along."""
    with pytest.raises(RestError) as caught:
        await fetch(url, **options)
    error = caught.value
    shown = "".join(traceback.format_exception(error)) + repr(error) + repr(error.__cause__) + repr(error.__context__)
    assert "canary" not in shown
    assert str(error).isprintable()
    return error


async def test_a_whole_answer() -> None:
    """Plain or packed, it is the body as it was sent; what we say of ourselves is right."""
    seen: list[web.Request] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request)
        is_second = len(seen) == 2
        body = gzip.compress(BOOK, mtime=0) if is_second else BOOK
        headers = {"Content-Encoding": "gzip"} if is_second else {}
        return web.Response(body=body, headers=headers | {"Set-Cookie": "a=canary", "X-Y": "z"})

    told: list[dict[str, str]] = []
    async with served(handler) as url:
        for _ in range(2):
            got = await fetch(url, on_answer=lambda _url, _status, _body, headers: told.append(dict(headers)))
            assert BOOK == got
    assert "z" == told[1]["x-y"]
    assert "canary" not in str(told)
    assert ["GET", "gzip", "/api/v1/market/orderbook/level2_100?symbol=A-B"] == [
        seen[0].method,
        seen[0].headers["Accept-Encoding"],
        seen[0].path_qs,
    ]
    assert not [name for name in (*seen[0].headers, *seen[1].headers) if name in ("Cookie", "KC-API-KEY")]


async def test_a_signed_request_arrives_as_it_was_signed() -> None:
    """The server's own check of it passes; a wrong passphrase is refused with its remedy."""

    async def handler(request: web.Request) -> web.Response:
        code = verify(CREDENTIALS, request.headers, request.method, request.path_qs, "", now_ms=WALL_MS)
        return web.Response(body=BOOK) if code is None else web.json_response({"code": code, "msg": "no"}, status=401)

    async with served(handler) as url:
        assert BOOK == await fetch(url, credentials=CREDENTIALS)
        error = await failure(url, credentials=Credentials.of("canary-key", "canary-secret", "canary-other"))
        assert isinstance(error, Refused)
        assert "check the passphrase" in str(error)


async def test_a_redirect_is_not_followed() -> None:
    """A signed request goes where the user said, and nowhere else."""
    asked = []

    async def handler(request: web.Request) -> web.Response:
        asked.append(request.path)
        raise web.HTTPFound("/canary")

    async with served(handler) as url:
        error = await failure(url, credentials=CREDENTIALS)
    assert "redirects are not followed" in str(error)
    assert 1 == len(asked)


@pytest.mark.parametrize(
    ("body", "headers", "words"),
    [
        (BOOK * 100, {}, "more than 1,000 bytes"),
        (gzip.compress(b" " * 50_000_000, mtime=0), {"Content-Encoding": "gzip"}, "more than 1,000 bytes"),
        (
            gzip.compress(random.Random(1).randbytes(2_000), mtime=0),
            {"Content-Encoding": "gzip"},
            "more than 1,000 bytes",
        ),
        (gzip.compress(BOOK, mtime=0)[:-9], {"Content-Encoding": "gzip"}, "ends too early"),
        (b"canary", {"Content-Encoding": "gzip"}, "compression is broken"),
        (zlib.compress(BOOK), {"Content-Encoding": "deflate"}, "encoding that nobody asked for"),
        (b"<html>canary", {}, "a page of HTML with status 200"),
        (b'{"code":"400006","msg":"no"}', {}, "address to the key's list"),
    ],
)
async def test_a_body_that_is_no_answer(body: bytes, headers: dict[str, str], words: str) -> None:
    """Too long, packed to become too long, cut short, garbled, or a page for people."""
    async with served(always(body, headers)) as url:
        assert words in str(await failure(url, body_bytes_max=1_000))


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{", BadAnswer, "a body that ends too early"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{", BadAnswer, "a body that ends too early"),
        (b"SSH-2.0-canary\r\n\r\n", BadAnswer, "something that is not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", Unreachable, "broke"),
        (b"", Unreachable, "broke"),
    ],
)
async def test_a_connection_that_ends_too_early(answer: bytes, kind: type[RestError], words: str) -> None:
    """Half an answer is none; all of it may pass."""
    async with raw(answer) as host:
        error = await failure(f"http://{host}")

    assert (kind, True) == (type(error), error.is_transient)
    assert words in str(error)


async def test_no_answer_in_time() -> None:
    """The wait has an end; the message tells whose answer it was, and how long."""
    release = asyncio.Event()

    async def handler(_: web.Request) -> web.Response:
        await release.wait()
        return web.Response(body=BOOK)

    async with served(handler) as url:
        error = await failure(url, timeout_ms=50)
        release.set()
    assert isinstance(error, Unreachable)
    assert f"no answer from {url.removeprefix('http://')} within 0.05 s; check the network" in str(error)


def unused_port() -> int:
    """A port of this machine on which nobody listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


async def test_nobody_listens() -> None:
    """The system's reason is told, and what to check."""
    error = await failure(f"http://127.0.0.1:{unused_port()}")

    assert isinstance(error, Unreachable)
    assert "cannot be reached (Connection refused); check the network" in str(error)


async def test_what_does_not_speak_tls() -> None:
    """An encrypted address that is answered in plain text is no connection."""
    async with served(always(BOOK)) as url:
        error = await failure(url.replace("http", "https"), credentials=CREDENTIALS)

    assert isinstance(error, Unreachable)
    assert "no encrypted connection" in str(error)


async def test_a_proxy_is_used_when_named() -> None:
    """With its user and password, which stay between us and it; the environment's is ignored."""
    seen: list[web.Request] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request)
        return web.Response(body=BOOK)

    async with served(handler) as url:
        proxy = url.replace("http://", "http://user:canary@")
        assert BOOK == await fetch("http://127.0.0.1:1", proxy=proxy)
    assert "Basic dXNlcjpjYW5hcnk=" == seen[0].headers["Proxy-Authorization"]


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where requests go is what the user wrote, not what a shell has left."""
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{unused_port()}")
    async with served(always(BOOK)) as url:
        assert BOOK == await fetch(url)


async def test_a_proxy_that_refuses_or_is_not_there() -> None:
    """Both are told as the proxy's fault, without its password."""
    async with raw(b"HTTP/1.1 407 canary\r\nContent-Length: 0\r\n\r\n") as host:
        error = await failure("https://127.0.0.1:1", proxy=f"http://user:canary@{host}", credentials=CREDENTIALS)
        assert "the proxy did not let the request" in str(error)
    error = await failure("https://127.0.0.1:1", proxy=f"http://user:canary@127.0.0.1:{unused_port()}")
    assert "the proxy cannot be reached (Connection refused); check the proxy's" in str(error)


@pytest.mark.parametrize("options", [{"proxy": "http://canary@h"}, {"credentials": ("canary", "canary", "canary")}])
def test_what_is_no_proxy_or_no_key(options: dict[str, Any]) -> None:
    """It is refused at once, with how to make one, and not shown."""
    with pytest.raises(UsageError, match=r"a proxy looks like|made by Credentials\.of") as caught:
        Rest(**options)

    assert "canary" not in str(caught.value)


def test_certificates_are_always_checked() -> None:
    """A context of one's own is taken only if it checks as well."""
    lax = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    lax.check_hostname = False
    with pytest.raises(UsageError, match="must check"):
        Rest(ssl=lax)
    lax.verify_mode = ssl.VerifyMode(0)
    with pytest.raises(UsageError, match="must check"):
        Rest(ssl=lax)
    with pytest.raises(UsageError, match="always checked"):
        Rest(ssl=unchecked(False))
    assert kucoin_rest.HOST == Rest(ssl=ssl.create_default_context()).base_url


KEY = aiohttp.client_reqrep.ConnectionKey("h", 443, True, True, None, None, None)


def untrusted(message: str) -> ssl.SSLCertVerificationError:
    """What the TLS library says of a certificate."""
    error = ssl.SSLCertVerificationError()
    error.verify_message = message
    return error


@pytest.mark.parametrize(
    ("error", "words", "is_transient"),
    [
        (aiohttp.ClientConnectorCertificateError(KEY, untrusted("expired")), "of h is not trusted (expired)", False),
        (aiohttp.ClientConnectorCertificateError(KEY, ValueError("canary")), "(it cannot be checked)", False),
        (aiohttp.ClientConnectorDNSError(KEY, OSError(-2, "canary")), "no address is known for h", True),
        (aiohttp.ClientConnectorError(KEY, OSError("canary")), "h cannot be reached (no connection)", True),
        (aiohttp.ClientConnectorError(KEY, OSError(99_999, "canary")), "h cannot be reached (no connection)", True),
        (aiohttp.ClientConnectorSSLError(KEY, OSError("canary")), "a local KuCoin begins with http://", True),
        (OSError("canary"), "the connection to h broke", True),
        (aiohttp.InvalidURL("canary"), "the connection to h broke", True),
    ],
)
def test_other_failures_in_our_words(error: aiohttp.ClientError | OSError, words: str, is_transient: bool) -> None:
    """Never in the words of the error, which may quote an address. A wrong certificate does not pass by waiting."""
    problem = _problem(error, "h", 1_000)

    assert words in str(problem)
    assert "canary" not in str(problem)
    assert is_transient == problem.is_transient


def test_an_empty_packed_body_is_empty() -> None:
    """Some answers without a body name an encoding nevertheless."""
    assert b"" == BodyReader("gzip", 10).finish()


def descriptors() -> int:
    """How many this process has open; 0 where the system does not tell."""
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.is_dir() else 0


async def test_closing_leaves_nothing() -> None:
    """No task, no open descriptor, however often a client is opened and closed."""
    async with served(always(BOOK)) as url:
        await fetch(url)
        before = descriptors()
        for _ in range(20):
            await fetch(url)
        # The server learns of it a little later than we do.
        await until(lambda: before >= descriptors(), 10)
    assert {asyncio.current_task()} == asyncio.all_tasks()


async def test_a_connection_is_used_again() -> None:
    """Requests that follow each other need no new one."""
    peers = set()

    async def handler(request: web.Request) -> web.Response:
        assert request.transport is not None
        peers.add(request.transport.get_extra_info("peername"))
        return web.Response(body=BOOK)

    async with served(handler) as url, Rest(url) as rest:
        for _ in range(3):
            assert 7 == await rest.probe("A-B")
    assert 1 == len(peers)


async def test_a_transport_can_be_closed_unused() -> None:
    """And twice."""
    transport = HttpTransport(body_bytes_max=10)
    await transport.close()
    await transport.close()


async def test_every_request_is_paid_for() -> None:
    """A kept connection that breaks under a request is told, not silently asked a second time: the budget knows all."""
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BOOK) + BOOK
        for is_last in (False, True):
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            if not is_last:
                writer.write(answer)
                await writer.drain()
        writer.close()

    budget = WeightBudget()
    request = kucoin_rest.touch_request("A-B")
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with Rest(url, budget=budget) as rest:
            for _ in range(3):
                assert BOOK == await rest.call(request, attempts=1)
                with pytest.raises(Unreachable, match="broke"):
                    await rest.call(request, attempts=1)
    assert 6 == len(heads)
    assert 6 * request.weight == budget.used("public")
