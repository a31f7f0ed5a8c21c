"""Frames as a venue may send them, over each of the libraries; and which of them a feed takes."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.frames import Opcode

import orderbook
from orderbook.errors import UsageError
from orderbook.feed import transports
from orderbook.feed.seams import Socket, SocketClosed
from orderbook.feed.settings import FeedSettings
from orderbook.feed.sockets import BATCH_MAX
from orderbook.feed.transports import connector, in_use
from orderbook.secret import Secret
from orderbook.settings import SyncSettings
from tests.feed_world import PEM, nothing_left
from tests.frame_server import FrameServer, frame_server
from tests.transport_ends import LIBRARIES, until
from tests.unchecked import unchecked
from tests.waiting import turn

TOKEN = "canary-token-of-some-length"
BYTES_MAX = 100_000
MASKED = FrameServer.frame(Opcode.TEXT, b"{}", mask=True)


@dataclass
class Both:
    """Two ends of a connection."""

    server: FrameServer
    wire: Socket

    async def end(self) -> str:
        """How it ends, once all messages were read."""
        while True:
            try:
                await self.wire.receive()
            except SocketClosed as end:
                return str(end)


Connected = Callable[[], Any]


@pytest.fixture(params=LIBRARIES)
def settings(request: pytest.FixtureRequest) -> FeedSettings:
    """Short waits, over one of the libraries after the other."""
    sync = SyncSettings(frame_bytes_max=BYTES_MAX)
    return FeedSettings(transport=request.param, connect_timeout_ms=5_000, close_timeout_ms=200, sync=sync)


@pytest.fixture
def connected(settings: FeedSettings) -> Connected:
    """Makes a server of frames and a client of it; nothing is left of the client."""

    @asynccontextmanager
    async def both() -> AsyncIterator[Both]:
        async with frame_server() as server, nothing_left():
            wire = await connector(settings)(Secret(f"{server.url}?token={TOKEN}"))
            try:
                yield Both(server, wire)
            finally:
                wire.abort()

    return both


# -- frames --


async def test_pings_are_answered_and_none_is_sent(connected: Connected) -> None:
    """Each with what it says, between messages; a pong that nobody asked for is nothing."""
    async with connected() as both:
        both.server.say(Opcode.PING, b"one")
        both.server.say(Opcode.PONG, b'{"no":"message"}')
        both.server.say(Opcode.TEXT, b"first")
        both.server.say(Opcode.PING, b"two")
        both.server.say(Opcode.TEXT, b"second")
        assert [b"first", b"second"] == [await both.wire.receive(), await both.wire.receive()]
        await until(lambda: len(both.server.got) == 2)
        assert [b"one", b"two"] == both.server.of(Opcode.PONG)


async def test_a_message_in_pieces_is_put_together(connected: Connected) -> None:
    """With a ping between its parts, empty parts, and whole messages before and behind."""
    async with connected() as both:
        both.server.say(Opcode.TEXT, b"before")
        both.server.say(Opcode.TEXT, b'{"a":', fin=False)
        both.server.say(Opcode.PING, b"x")
        both.server.say(Opcode.CONT, b"", fin=False)
        both.server.say(Opcode.CONT, b"1}")
        both.server.say(Opcode.BINARY, b"\xff\x00")
        assert [b"before", b'{"a":1}', b"\xff\x00"] == [await both.wire.receive() for _ in range(3)]
        await until(lambda: both.server.of(Opcode.PONG) == [b"x"])


async def test_bytes_that_come_one_by_one_are_a_message(connected: Connected) -> None:
    """Wherever the network cuts, also within a header."""
    async with connected() as both:
        message = bytes(range(256)) * 2
        for byte in both.server.frame(Opcode.BINARY, message):
            both.server.writer.write(bytes([byte]))
            await turn()
        assert message == await both.wire.receive()


@pytest.mark.parametrize("parts", [1, 7])
async def test_a_message_may_be_as_long_as_the_limit_and_no_longer(connected: Connected, parts: int) -> None:
    """Whole or in pieces: 1009 is told to both ends, and what came before is read."""
    async with connected() as both:
        for size in (BYTES_MAX, BYTES_MAX + 1):
            message = b"x" * size
            step = -(-size // parts)
            for at in range(0, size, step):
                kind = Opcode.CONT if at else Opcode.TEXT
                both.server.say(kind, message[at : at + step], fin=at + step >= size)
            if size == BYTES_MAX:
                assert message == await both.wire.receive()
        both.server.say(Opcode.TEXT, b"behind")
        assert "1009" == (await both.end())[:4]
        await until(lambda: both.server.ended)
        assert [1009] == [int.from_bytes(data[:2]) for data in both.server.of(Opcode.CLOSE)]


@pytest.mark.parametrize(
    "raw",
    [
        MASKED,
        b"\x83\x00",
        b"\xc1\x7e\x01\x00" + bytes(256),
        b"\xa2\x02{}",
        FrameServer.frame(Opcode.CONT, b"{}"),
        FrameServer.frame(Opcode.TEXT, b"{", fin=False) + FrameServer.frame(Opcode.TEXT, b"}"),
        b"\x09\x00",
    ],
    ids=["masked", "reserved kind", "reserved bit", "another one", "no beginning", "no end", "half a ping"],
)
async def test_what_breaks_the_protocol_ends_the_connection(connected: Connected, raw: bytes) -> None:
    """With 1002, behind what came before; but aiohttp unmasks what no server may mask."""
    async with connected() as both:
        both.server.say(Opcode.TEXT, b"good")
        both.server.writer.write(raw)
        assert b"good" == await both.wire.receive()
        if _is_aiohttp(both) and raw == MASKED:
            assert b"{}" == await both.wire.receive()
        else:
            assert "1002" == (await both.end())[:4]


@pytest.mark.parametrize(("said", "told"), [(b"", "1005"), (b"\x0f\xa1sorry", "4001 sorry"), (b"\x03\xf4", "1012")])
async def test_the_code_of_a_close_is_told(connected: Connected, said: bytes, told: str) -> None:
    """Code and reason; it is answered, and whoever sends is told the same."""
    async with connected() as both:
        both.server.say(Opcode.TEXT, b"last")
        both.server.say(Opcode.CLOSE, said)
        await until(lambda: bool(both.server.of(Opcode.CLOSE)) or _is_aiohttp(both))
        assert b"last" == await both.wire.receive()
        reading = asyncio.ensure_future(both.end())
        await until(lambda: bool(both.server.of(Opcode.CLOSE)))
        both.server.writer.close()
        assert told == await reading
        with pytest.raises(SocketClosed, match=told):
            await both.wire.send("{}")
        answered = both.server.of(Opcode.CLOSE)[0][:2]
        assert answered in ({said[:2]} if said else {b"", b"\x03\xe8"})


def _is_aiohttp(both: Both) -> bool:
    """The library that answers only while somebody reads."""
    return type(both.wire).__name__ == "AiohttpSocket"


@pytest.mark.parametrize("cut", [1, 3, 200])
async def test_an_end_within_a_frame_is_a_cut(connected: Connected, cut: int) -> None:
    """Half a message is none."""
    async with connected() as both:
        both.server.say(Opcode.TEXT, b"whole")
        both.server.writer.write(both.server.frame(Opcode.TEXT, b"x" * 500)[:cut])
        both.server.writer.close()
        assert b"whole" == await both.wire.receive()
        assert "1006" == (await both.end())[:4]


async def test_a_token_that_is_repeated_is_not_shown(connected: Connected) -> None:
    """Neither in a message nor in the reason of a close."""
    async with connected() as both:
        for text in (b"plain", f"it is {TOKEN}!".encode(), b"plain"):
            both.server.say(Opcode.TEXT, text)
        both.server.say(Opcode.CLOSE, b"\x0f\xa1" + TOKEN.encode())
        both.server.writer.write_eof()
        assert [b"plain", b"it is TOKEN!", b"plain"] == [await both.wire.receive() for _ in range(3)]
        end = await both.end()
        assert "4001" == end[:4]
        assert TOKEN not in end


# -- back-pressure --

MESSAGE = b"x" * 10_000
MESSAGES = 6_000


async def _stands_still(count: Callable[[], int]) -> int:
    """Wait until a number has not changed for many turns of the loop; returns it."""
    last, turns = -1, 0
    while turns < 500:
        last, turns = (last, turns + 1) if count() == last else (count(), 0)
        await turn()
    return last


async def test_a_slow_reader_holds_the_venue_up(connected: Connected) -> None:
    """Not a third of 60 MB leaves the venue while nobody reads; then all of it comes, in its order."""
    async with connected() as both:
        sent = 0

        async def flood() -> None:
            nonlocal sent
            for number in range(MESSAGES):
                both.server.say(Opcode.TEXT, b"%5d" % number + MESSAGE)
                await both.server.writer.drain()
                sent += 1

        flooding = asyncio.ensure_future(flood())
        assert 0 < await _stands_still(lambda: sent) < MESSAGES // 3
        for number in range(MESSAGES):
            assert b"%5d" % number == (await both.wire.receive())[:5]
        await flooding


async def test_a_sender_waits_while_the_venue_does_not_read(connected: Connected) -> None:
    """Its messages do not pile up here; they go when it reads again, or the sender is told of the end."""
    async with connected() as both:
        both.server.is_reading.clear()
        sent = 0

        async def flood() -> None:
            nonlocal sent
            while True:
                await both.wire.send(MESSAGE.decode())
                sent += 1

        flooding = asyncio.ensure_future(flood())
        stuck = await _stands_still(lambda: sent)
        both.server.is_reading.set()
        await until(lambda: sent > stuck)
        both.server.is_reading.clear()
        await _stands_still(lambda: sent)
        both.wire.abort()
        with pytest.raises(SocketClosed, match="1006"):
            await flooding
        both.server.is_reading.set()


async def test_a_close_does_not_wait_for_those_who_do_not_read(connected: Connected) -> None:
    """Nobody reads here, and the venue goes on sending: goodbye takes no longer than its time."""
    async with connected() as both:

        async def flood() -> None:
            with suppress(ConnectionError):
                while not (both.server.ended or both.server.writer.transport.is_closing()):
                    both.server.say(Opcode.TEXT, MESSAGE)
                    await both.server.writer.drain()

        flooding = asyncio.ensure_future(flood())
        await _stands_still(lambda: 0)
        await both.wire.close()
        assert "1000" == (await both.end())[:4]
        await flooding


async def test_messages_come_in_batches(connected: Connected) -> None:
    """At least one and no more than the limit, in their order, however batches and single ones are mixed."""
    async with connected() as both:
        count = 5 * BATCH_MAX
        both.server.writer.write(b"".join(both.server.frame(Opcode.TEXT, b"%d" % one) for one in range(count)))
        found: list[bytes] = []
        while len(found) < count:
            batch = await both.wire.receive_batch()
            assert 1 <= len(batch) <= BATCH_MAX
            found += batch
            if len(found) % 3 and len(found) < count:
                found.append(await both.wire.receive())
        assert [b"%d" % one for one in range(count)] == found


# -- connecting --


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_a_cancelled_handshake_leaves_nothing(settings: FeedSettings, *, tls: bool) -> None:
    """Whenever it is cancelled, after however many turns of the loop: no task, no descriptor."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(PEM)
    trusting = ssl.create_default_context(cafile=str(PEM)) if tls else None

    async def idle(connection: ServerConnection) -> None:
        await connection.wait_closed()

    async with serve(idle, "127.0.0.1", 0, ssl=context if tls else None, ping_interval=None) as server:
        address = f"ws{'s' if tls else ''}://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/"
        finished = 0
        for turns in range(60):
            async with nothing_left():
                task = asyncio.ensure_future(connector(settings, tls=trusting)(Secret(address)))
                for _ in range(turns):
                    await turn()
                task.cancel()
                with suppress(asyncio.CancelledError):
                    (await task).abort()
                    finished += 1
        assert finished < 60


# -- the choice --


def test_the_fast_one_is_taken_where_it_is_installed() -> None:
    """And else that which always is."""
    assert "picows" == in_use("auto") == in_use()
    assert list(LIBRARIES) == [in_use(one) for one in LIBRARIES]


def test_without_the_fast_one_there_is_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks for it is told what to install, before anything is connected; who does not gets the other one."""
    monkeypatch.setattr(transports, "find_spec", lambda name: None if name == "picows" else find_spec(name))
    assert "websockets" == in_use("auto")
    with pytest.raises(UsageError, match=r"pip install 'orderbook-engine\[fast\]'"):
        orderbook.open_feed("kucoin", ["BTC-USDT"], settings=FeedSettings(transport="picows"))


def test_a_transport_that_there_is_not_is_refused() -> None:
    """With those that there are."""
    with pytest.raises(UsageError, match="one of auto, picows, websockets, aiohttp, not 'socketio'"):
        FeedSettings(transport=unchecked("socketio"))
    with pytest.raises(UsageError, match="not None"):
        replace(FeedSettings(), transport=unchecked(None))
