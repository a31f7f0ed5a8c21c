"""How connections to the local KuCoin end: closed, reset, fallen into a black hole, or cut for not reading."""

from __future__ import annotations

import asyncio
import json
from typing import NoReturn

import pytest
import websockets
from aiohttp import web
from websockets.asyncio.client import ClientConnection

from orderbook.simulator import server
from orderbook.simulator.limits import Limits
from orderbook.simulator.server import LocalKuCoin
from tests.simulator_clients import (
    BOUND_S,
    closed,
    connected,
    mute_client,
    opened,
    plan,
    subscribe,
    until,
)

pytestmark = pytest.mark.usefixtures("no_task_left")


async def test_a_flood_of_messages_ends_with_bye() -> None:
    """An error frame, then close 1000 Bye, as the venue does it."""
    async with LocalKuCoin() as venue, connected(venue) as socket:
        for number in range(101):
            await socket.send(json.dumps({"id": number, "type": "ping"}))
        frames = [json.loads(await socket.recv()) for _ in range(101)]
        end = await closed(socket)

    assert ["pong"] * 100 + ["error"] == [frame["type"] for frame in frames]
    assert end.rcvd is not None
    assert (1000, "Bye") == (end.rcvd.code, end.rcvd.reason)


async def test_a_bad_token_is_told_and_closed() -> None:
    """After the upgrade."""
    async with asyncio.timeout(BOUND_S), LocalKuCoin() as venue:
        socket = await websockets.connect(venue.url.replace("http", "ws") + "/?token=x&connectId=me")
        frame = json.loads(await socket.recv())
        end = await closed(socket)

    assert (401, 1000) == (frame["code"], end.rcvd.code if end.rcvd else None)


async def test_an_upgrade_is_refused_with_a_status() -> None:
    """No socket at all."""
    async with LocalKuCoin(faults=plan({"fault": "refuse", "status": 502})) as venue:
        with pytest.raises(websockets.InvalidStatus) as caught:
            await opened(venue)

    assert 502 == caught.value.response.status_code


@pytest.mark.parametrize(("how", "code"), [("abort", None), ("close", 1012)])
async def test_a_disconnect_is_a_reset_or_a_close(how: str, code: int | None) -> None:
    """Without, or with a closing handshake."""
    faults = plan({"fault": "disconnect", "how": how, "code": 1012, "on": "delta", "nth": 3})
    async with LocalKuCoin(rate=500, faults=faults) as venue, connected(venue) as socket:
        await subscribe(socket)
        end = await closed(socket)

    assert code == (end.rcvd.code if end.rcvd else None)
    assert 1 == venue.exchange.ledger.count("disconnect")


async def test_a_black_hole_keeps_the_connection_and_says_nothing() -> None:
    """Neither pong nor close; others are served; the socket is freed when the client gives up."""
    faults = plan({"fault": "black_hole", "on": "message", "nth": 2, "scope": "connection:1"})
    async with LocalKuCoin(rate=500, faults=faults) as venue, connected(venue) as lost, connected(venue) as other:
        await subscribe(lost)
        await lost.send(json.dumps({"id": 2, "type": "ping"}))
        await until(lambda: venue.exchange.ledger.count("black_hole"))
        pong = asyncio.ensure_future(await lost.ping())
        await subscribe(other)
        for _ in range(50):
            await other.recv()
        assert not pong.done()
        await lost.close()
        end = await closed(lost)
        await until(lambda: list(venue.exchange.sessions) == [2])

    assert (None, True) == (end.rcvd, pong.done() and pong.exception() is not None)


async def test_a_client_that_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for it is bounded."""
    monkeypatch.setattr(server, "WRITE_MAX", 100_000)
    faults = plan({"fault": "garble", "how": "nest", "p": 1})
    async with LocalKuCoin(rate=2_000, faults=faults) as venue, connected(venue, max_queue=1) as socket:
        await subscribe(socket)
        await until(lambda: not venue.exchange.sessions)
        end = await closed(socket)

    assert None is end.rcvd


async def keep_pinging(socket: ClientConnection) -> NoReturn:
    """With frames of the WebSocket protocol, each answered before the next."""
    while True:
        await (await socket.ping())


async def test_protocol_pings_are_answered_and_do_not_count() -> None:
    """A client that relies on them is closed for its silence."""
    async with LocalKuCoin(limits=Limits(idle_max_ms=150)) as venue, connected(venue) as socket:
        with pytest.raises(websockets.ConnectionClosedOK) as caught:
            await keep_pinging(socket)
        assert {"id": "me", "type": "error", "code": 400, "data": "ping timeout"} == json.loads(await socket.recv())

    assert caught.value.rcvd is not None
    assert (1000, "Bye") == (caught.value.rcvd.code, caught.value.rcvd.reason)


async def test_a_client_that_does_not_answer_a_close_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """It had its time."""
    monkeypatch.setattr(server, "CLOSE_S", 0.05)
    faults = plan({"fault": "disconnect", "how": "close", "at_ms": 30, "every_ms": 30})
    async with asyncio.timeout(BOUND_S), LocalKuCoin(faults=faults) as venue, mute_client(venue) as reader:
        rest = await reader.read()
        await until(lambda: not venue.exchange.sessions)

    assert rest.endswith(b"\x88\x02\x03\xe9")


async def test_closing_does_not_wait_for_goodbyes() -> None:
    """Nor for a client that answers none."""
    faults = plan({"fault": "disconnect", "how": "close", "at_ms": 30, "every_ms": 30})
    async with asyncio.timeout(BOUND_S), LocalKuCoin(faults=faults) as venue, mute_client(venue):
        await until(lambda: venue.exchange.ledger.count("disconnect"))


async def test_what_is_due_before_the_upgrade_is_through_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames never overtake the answer to the upgrade."""
    prepare = web.WebSocketResponse.prepare
    gate = asyncio.Event()

    async def slowly(self: web.WebSocketResponse, request: web.BaseRequest) -> object:
        await gate.wait()
        return await prepare(self, request)

    monkeypatch.setattr(web.WebSocketResponse, "prepare", slowly)
    async with LocalKuCoin(faults=plan({"fault": "error_frame", "at_ms": 1, "every_ms": 5})) as venue:
        opening = asyncio.ensure_future(opened(venue))
        await until(lambda: venue.exchange.ledger.count("error_frame") > 2)
        gate.set()
        async with asyncio.timeout(BOUND_S), await opening as socket:
            kinds = [json.loads(await socket.recv())["type"] for _ in range(3)]

    assert ["welcome", "error", "error"] == kinds


async def test_a_client_may_close() -> None:
    """The handshake is answered, and the venue forgets the connection."""
    async with LocalKuCoin() as venue, connected(venue) as socket:
        await socket.send(b'{"id":"1","type":"ping"}')
        assert "pong" == json.loads(await socket.recv())["type"]
        await socket.close()
        await until(lambda: not venue.exchange.sessions)

    assert 1000 == socket.close_code
