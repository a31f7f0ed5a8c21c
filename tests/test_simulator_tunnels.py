"""The HTTP proxy for tunnels: whom it lets pass, and what it answers everybody else."""

from __future__ import annotations

import asyncio
import base64
from contextlib import suppress

import pytest

from orderbook.simulator.connect_proxy import ConnectProxy, Reception
from orderbook.simulator.toxics import Toxics
from orderbook.simulator.wire import Ends
from tests.raw_server import TEXT, raw_target, rest_of
from tests.simulator_clients import BOUND_S, until

pytestmark = pytest.mark.usefixtures("no_task_left")


async def _asked(proxy: ConnectProxy, target: str, *, auth: str | None = None) -> tuple[Ends, bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    header = "" if auth is None else f"Proxy-Authorization: Basic {base64.b64encode(auth.encode()).decode()}\r\n"
    writer.write(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{header}\r\n".encode())
    line = b""
    with suppress(ConnectionResetError, asyncio.IncompleteReadError):
        line = (await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")[0]
    return (reader, writer), line


async def test_a_tunnel_carries_everything() -> None:
    """With user and password where they are wanted; toxics hold in it too."""
    async with raw_target() as target, ConnectProxy("user:pass word") as proxy:
        (reader, writer), line = await _asked(proxy, f"127.0.0.1:{target.port}", auth="user:pass word")
        assert b"HTTP/1.1 200 Answer" == line
        await until(lambda: target.clients)
        proxy.down = Toxics(slice_bytes=3)
        target.say(TEXT[:1_000])
        writer.write(b"up")
        assert TEXT[:1_000] == await reader.readexactly(1_000)
        await until(lambda: target.got[0] == b"up")
        writer.close()

    assert ([f"127.0.0.1:{target.port}"], [200]) == (proxy.asked, proxy.answered)


@pytest.mark.parametrize(
    ("user", "auth", "reception", "target", "status"),
    [
        ("user:right", None, Reception(), "127.0.0.1:1", b"407"),
        ("user:right", "user:wrong", Reception(), "127.0.0.1:1", b"407"),
        (None, None, Reception(), "192.0.2.1:443", b"403"),
        (None, None, Reception(status=502), "127.0.0.1:1", b"502"),
        (None, None, Reception(delay_ms=5, status=504), "127.0.0.1:1", b"504"),
        (None, None, Reception(is_cut=True), "127.0.0.1:1", b""),
        (None, None, Reception(), "no target", b"405"),
    ],
)
async def test_a_tunnel_is_refused(
    user: str | None, auth: str | None, reception: Reception, target: str, status: bytes
) -> None:
    """By its status, or by no answer at all."""
    async with asyncio.timeout(BOUND_S), ConnectProxy(user) as proxy:
        proxy.reception = reception
        (reader, writer), line = await _asked(proxy, target, auth=auth)
        assert status == line[9:12]
        assert b"" == (await rest_of(reader))[0]
        writer.close()


async def test_what_is_no_request_gets_no_answer() -> None:
    """Neither half a head nor an endless one is waited for for ever."""
    async with asyncio.timeout(BOUND_S), ConnectProxy() as proxy:
        for data in (b"CONN", b"x" * 100_000):
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            writer.write(data)
            writer.write_eof()
            assert b"" == (await rest_of(reader))[0]
            writer.close()

    assert [] == proxy.answered
