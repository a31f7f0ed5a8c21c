"""No token, key or signature passes into a log line, with every logger at DEBUG and a real handshake."""

from __future__ import annotations

import asyncio
import logging
import re
import traceback
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed, InvalidStatus, InvalidURI
from websockets.http11 import Request, Response

from orderbook.feed.redaction import SecretFilter, safe_logger
from orderbook.redact import scrub

CANARY = "c4n4ry-S3CR3T"
LOGGER = "orderbook.test.wire"


# -- log records --


@pytest.fixture
def logger(caplog: pytest.LogCaptureFixture) -> logging.Logger:
    """A safe logger, with every logger at DEBUG."""
    caplog.set_level(logging.DEBUG)
    return safe_logger(LOGGER, [CANARY])


def nothing_of_it(records: list[logging.LogRecord]) -> bool:
    """Whether no attribute of any record, shown in any way, holds the canary."""
    shown = [repr(value) + str(value) for record in records for value in vars(record).values()]
    return not [text for text in shown if CANARY in text or b64encode(f"u:{CANARY}".encode()).decode() in text]


def test_message_arguments_and_extras(logger: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    """A formatter that takes a record apart finds nothing either; numbers stay numbers."""
    logger.debug("%s to %s", "GET", f"/?token={CANARY}", extra={"url": f"/?token={CANARY}", "n": 1, "who": [CANARY]})
    logger.info("nothing to %s in %d", "see", 7, stack_info=True)

    first, second = caplog.records
    assert ("GET to /?token=TOKEN", ()) == (first.msg, first.args)
    assert ["/?token=TOKEN", 1, "list"] == [vars(first)[name] for name in ("url", "n", "who")]
    assert "nothing to see in 7" == second.getMessage()
    assert "test_message_arguments_and_extras" in (second.stack_info or "")
    assert nothing_of_it(caplog.records)


def test_the_text_of_an_exception(logger: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    """The traceback is printed without the secret, the exceptions before it included."""
    error = ValueError(f"key {CANARY}")
    error.__cause__ = KeyError(f"wss://x/?token={CANARY}")
    logger.error("failed", exc_info=error)
    logger.error("no error at all", exc_info=(None, None, None))

    assert "KeyError: 'wss://x/?token=TOKEN'" in caplog.text
    assert "ValueError: key TOKEN" in caplog.text
    assert nothing_of_it(caplog.records)


def test_a_message_that_cannot_be_formatted(logger: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    """Logging would print its arguments to stderr; here they are dropped."""
    logger.debug("%d of them", CANARY)

    assert "%d of them (TypeError while formatting)" == caplog.messages[0]
    assert nothing_of_it(caplog.records)


def test_one_filter_a_logger() -> None:
    """Asking for it again gives the same logger, with the newest secrets."""
    logger = safe_logger(LOGGER)
    before = len(logger.filters)
    assert logger is safe_logger(LOGGER, [CANARY])
    assert before == len(logger.filters)
    assert 1 == sum(isinstance(one, SecretFilter) for one in logger.filters)


# -- a real connection --


@asynccontextmanager
async def venue(
    handler: Callable[[ServerConnection], object],
    process_request: Callable[[ServerConnection, Request], Response | None] | None = None,
) -> AsyncIterator[str]:
    """A WebSocket server, whose own log is not the matter here."""

    async def handle(connection: ServerConnection) -> None:
        result = handler(connection)
        if asyncio.iscoroutine(result):
            await result

    server: Server
    silent = logging.getLogger(f"{LOGGER}.server")
    silent.disabled = True
    async with serve(handle, "127.0.0.1", 0, process_request=process_request, logger=silent) as server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def echo(connection: ServerConnection) -> None:
    """Send back what comes."""
    async for message in connection:
        await connection.send(message)


async def session(address: str, logger: logging.Logger) -> None:
    """Connect with a token and a password in the address, exchange a message and close."""
    url = f"ws://u:{CANARY}@{address}/?token={CANARY}&connectId=1"
    async with connect(url, logger=logger, proxy=None, additional_headers={"KC-API-KEY": CANARY}) as connection:
        await connection.send(f'{{"type":"ping","token":"{CANARY}"}}')
        await connection.recv()


async def test_a_session_at_debug_shows_no_token(logger: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    """Handshake, headers, frames and closing, asyncio's own debugging included."""
    asyncio.get_running_loop().set_debug(True)
    async with asyncio.timeout(10), venue(echo) as address:
        await session(address, logger)

    assert "> GET /?token=TOKEN&connectId=1 HTTP/1.1" in caplog.messages
    assert "> Authorization: TOKEN" in caplog.messages
    assert [text for text in caplog.messages if re.match("> TEXT .*ping", text)]
    assert nothing_of_it(caplog.records)


async def test_without_the_filter_it_would(caplog: pytest.LogCaptureFixture) -> None:
    """The test above would see a token."""
    caplog.set_level(logging.DEBUG)
    async with asyncio.timeout(10), venue(echo) as address:
        await session(address, logging.getLogger("orderbook.test.plain"))

    assert f"> GET /?token={CANARY}&connectId=1 HTTP/1.1" in caplog.messages
    assert CANARY in caplog.text


def shown(error: BaseException) -> str:
    """All that a traceback shows of an error."""
    return "".join(traceback.format_exception(error)) + repr(error)


async def test_a_refused_handshake(logger: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    """The venue's answer may repeat the address."""

    def refuse(_: ServerConnection, request: Request) -> Response:
        headers = Headers({"Location": request.path, "Set-Cookie": CANARY, "Content-Length": "0"})
        return Response(HTTPStatus.UNAUTHORIZED, "Unauthorized", headers, b"")

    async with asyncio.timeout(10), venue(echo, refuse) as address:
        with pytest.raises(InvalidStatus) as caught:
            await session(address, logger)

    assert CANARY not in str(caught.value)
    assert CANARY in shown(caught.value), "in the headers of the answer"
    assert CANARY not in scrub(shown(caught.value))
    assert "< Location: /?token=TOKEN&connectId=1" in caplog.messages
    assert nothing_of_it(caplog.records)


@pytest.mark.parametrize("url", [f"wsx://127.0.0.1/?token={CANARY}", f"ws://u:{CANARY}@/?token={CANARY}"])
async def test_an_invalid_address(url: str, logger: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    """The library's own error repeats the address; ``scrub`` makes its text fit to be shown."""
    with pytest.raises(InvalidURI) as caught:
        await connect(url, logger=logger, proxy=None)

    assert CANARY in str(caught.value), "this is what scrub is for"
    assert CANARY not in scrub(shown(caught.value))
    assert nothing_of_it(caplog.records)


async def test_a_connection_closed_with_a_reason(logger: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    """A venue may repeat the address in its reason."""

    async def close(connection: ServerConnection) -> None:
        await connection.close(4001, f"bad /?token={CANARY}")

    async with asyncio.timeout(10), venue(close) as address:
        with pytest.raises(ConnectionClosed) as caught:
            await session(address, logger)

    assert "bad /?token=TOKEN" in scrub(str(caught.value))
    assert CANARY not in scrub(shown(caught.value))
    assert nothing_of_it(caplog.records)
