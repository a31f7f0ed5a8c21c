"""A live feed on lines that are slow, cut, clogged or dead: nothing wrong is read, and LIVE comes back."""

from __future__ import annotations

import asyncio
import json
import random
import socket
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from orderbook.errors import BookNotLive
from orderbook.feed.settings import Transport
from orderbook.simulator.framing import frame, framed
from orderbook.simulator.toxics import Toxics
from orderbook.types import BookState
from tests.feed_books import BTC, ETH, FAST, SOL, Stage, stage, until
from tests.proxied import PATIENT_FOR_NOTHING, Line, downs, proxied
from tests.transport_ends import LIBRARIES

PATIENT = replace(
    FAST,
    ack_timeout_ms=5_000,
    sync=replace(FAST.sync, first_delta_wait_ms=2_000, snapshot_timeout_ms=5_000, symbol_silence_ms=30_000),
)
"""Knows that its line is slow: what comes late is not missing yet."""
QUICK: dict[str, Any] = {"ping_timeout_ms": 300}
"""What the venue asks for, where a test waits for a pong that does not come."""


async def _applied(on: Stage, count: int) -> None:
    """Wait until every book has had so many deltas more."""
    goals = {symbol: on.feed[symbol].sequence + count for symbol in on.feed.symbols}
    await until(lambda: all(on.feed[symbol].sequence >= goal for symbol, goal in goals.items()))


async def _moved(on: Stage, sequence: int) -> None:
    """Wait until the market has come to a sequence."""
    await until(lambda: on.market[BTC].sequence > sequence)


async def _down(line: Line, count: int) -> None:
    """Wait until so many links have ended, or could not be made."""
    await until(lambda: len(line.downs()) >= count)


# --- poor lines ---


@pytest.mark.parametrize(
    ("rate", "toxics"),
    [
        (15, Toxics(slice_bytes=1)),
        (150, Toxics(slice_bytes=29, latency_ms=5)),
        (150, Toxics(latency_ms=30, jitter_ms=30)),
        (100, Toxics(bandwidth=64_000)),
        (20, Toxics(bandwidth=64_000, slice_bytes=3, latency_ms=10, jitter_ms=10)),
    ],
    ids=repr,
)
async def test_a_poor_line_only_takes_longer(rate: float, toxics: Toxics) -> None:
    """Bytes that come one by one, late or slowly, in both directions: the same books, without any reconnect."""
    async with proxied(rate=rate, wait=False, settings=PATIENT) as line:
        line.socket.up = line.socket.down = toxics
        # A snapshot byte by byte would take longer than a request may.
        line.rest.up = line.rest.down = replace(toxics, slice_bytes=(toxics.slice_bytes or 50) * 20)
        await line.on.live()
        await _applied(line.on, 12)
        await line.on.settled()

        line.on.check()
        assert (0, []) == (line.on.feed.health().reconnects, line.downs())


async def test_a_clog_shorter_than_the_silence_is_not_noticed() -> None:
    """All frames come together after it; the book was right at its sequence all the time."""
    async with proxied() as line:
        for _ in range(3):
            line.socket.down = Toxics(is_clogged=True)
            stood = line.on.feed[BTC].sequence
            await _moved(line.on, stood + 20)
            line.socket.down = None
            await line.on.settled()

        line.on.check()
        assert [] == line.downs()


async def test_a_swizzle_of_three_links() -> None:
    """Each link stops, in one order, and goes on in another: every book is right, whichever came first."""
    settings = replace(FAST, topics_max=1)
    async with proxied(settings=settings, symbols=(BTC, ETH, SOL), rate=100) as line:
        assert 3 == len(line.socket.wires)
        for _ in range(3):
            await line.socket.swizzle(15)
        await line.on.settled()

        line.on.check()
        assert [] == line.downs()


# --- broken lines ---


@pytest.mark.parametrize("is_reset", [True, False])
async def test_a_frame_is_cut_in_the_middle(is_reset: bool) -> None:
    """By RST or by an orderly end, after any number of bytes: not LIVE at once, and LIVE again on a new link."""
    async with proxied() as line:
        for cut in (1, 100, 1_000):
            downs, wire = len(line.downs()), line.socket.wires[0]
            line.socket.down = Toxics(reset_after=cut) if is_reset else Toxics(limit_bytes=cut)
            await _down(line, downs + 1)
            with pytest.raises(BookNotLive):
                _ = line.on.feed[BTC].best_bid
            line.socket.heal()
            assert wire not in line.socket.wires
            await line.on.settled()

        line.on.check()
        assert all("1006" in reason or "bad handshake" in reason or "reset" in reason for reason in line.downs())


async def test_a_rest_connection_is_cut_in_the_middle() -> None:
    """Half a snapshot is none: the book waits for a whole one, and the other book never notices."""
    async with proxied() as line:
        line.rest.down = Toxics(reset_after=700)
        line.on.strike({"fault": "drop", "run": 3, "nth": 3, "scope": BTC})
        await until(lambda: line.rest.resets > 2)
        assert not line.on.feed[BTC].is_live
        line.rest.heal()
        await line.on.settled()

        line.on.check()
        assert ([], []) == (line.on.watch.transitions[ETH], line.downs())


async def test_nothing_comes_any_more() -> None:
    """A black hole on the way to us: reads are refused while the link still looks open; then another link."""
    async with proxied(settings=PATIENT_FOR_NOTHING, ping_timeout_ms=900) as line:
        line.socket.down = Toxics(is_dead=True)
        await until(lambda: not line.on.feed[BTC].is_live)
        assert [] == line.downs()
        with pytest.raises(BookNotLive):
            _ = line.on.feed[BTC].best_bid
        await until(lambda: len(line.downs()) > 1)
        line.socket.heal()
        await line.on.settled()

        line.on.check()
        assert "no pong within 900 ms" == line.downs()[0]
        assert all(reason.endswith(("no answer in time", "no welcome in time")) for reason in line.downs()[1:])


async def test_nothing_gets_there_any_more() -> None:
    """A black hole on the way to the venue alone: deltas still come and are right, the missing pong tells."""
    async with proxied(settings=PATIENT_FOR_NOTHING, **QUICK) as line:
        line.socket.up = Toxics(is_dead=True)
        before = line.on.watch.reads
        await until(line.downs)
        assert line.on.watch.reads > before
        line.socket.heal()
        await line.on.settled()

        line.on.check()
        assert "no pong within 300 ms" == line.downs()[0]


async def test_a_feed_closes_though_its_line_is_dead() -> None:
    """The closing handshake is waited for within its bound."""
    async with proxied(settings=PATIENT_FOR_NOTHING, **QUICK) as line:
        line.socket.up = line.socket.down = line.rest.up = line.rest.down = Toxics(is_dead=True)
        book = line.on.feed[BTC]
        await line.on.feed.close()

        assert BookState.CLOSED is book.state


async def test_refused_for_a_while() -> None:
    """Nobody listens: asked for again and again, each time told; then LIVE."""
    async with proxied() as line:
        line.socket.refuse()
        line.socket.reset()
        await until(lambda: len(line.downs()) > 3)
        assert not line.on.feed[BTC].is_live
        await line.socket.start()
        await line.on.settled()

        line.on.check()
        assert all("Connect call failed" in reason for reason in line.downs()[1:])


async def test_everything_at_once() -> None:
    """A minute of a bad night, in short: jitter, narrow bandwidth, resets, clogs; never a wrong read."""
    chance = random.Random(7)
    async with proxied(settings=PATIENT_FOR_NOTHING, rate=80, **QUICK) as line:
        for _ in range(6):
            line.socket.down = Toxics(latency_ms=5, jitter_ms=20, bandwidth=64_000, slice_bytes=chance.choice([5, 50]))
            line.rest.down = Toxics(jitter_ms=30, reset_after=chance.choice([None, 3_000]))
            await _pause(100)
            if chance.random() < 0.5:
                line.socket.down = Toxics(reset_after=chance.randrange(3_000))
            else:
                await line.socket.swizzle(30)
            await _pause(100)
            line.socket.heal()
            line.rest.heal()
        await line.on.settled()

        line.on.check()


async def _pause(ms: int) -> None:
    over = asyncio.Event()
    asyncio.get_running_loop().call_later(ms / 1_000, over.set)
    await over.wait()


# --- frames ---

CAP = 4_096
CAPPED = replace(PATIENT, sync=replace(PATIENT.sync, frame_bytes_max=CAP))


def _padded(on: Stage, size: int) -> str:
    """A delta that the book has had already, as long as wanted."""
    then = on.market[BTC].sequence - 5
    data = {"symbol": BTC, "sequenceStart": then, "sequenceEnd": then, "changes": {"bids": [], "asks": []}, "time": 0}
    text = json.dumps({"topic": f"/market/level2:{BTC}", "type": "message", "subject": "trade.l2update", "data": data})
    return text[:-1] + " " * (size - len(text)) + "}"


def _duplicates(on: Stage) -> int:
    return on.feed.counters(BTC).duplicates


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("fragment_bytes", [None, 500, 1])
@pytest.mark.parametrize("size", [CAP - 1, CAP])
async def test_a_frame_up_to_the_cap_is_taken(size: int, fragment_bytes: int | None, library: Transport) -> None:
    """In one piece, in fragments with pings between them, or byte by byte; the link stays."""
    async with proxied(settings=replace(CAPPED, transport=library), rate=30) as line:
        line.socket.down = Toxics(slice_bytes=None if fragment_bytes else 17)
        await _applied(line.on, 6)
        before = _duplicates(line.on)
        line.on.venue.inject(framed(_padded(line.on, size), fragment_bytes))
        await until(lambda: _duplicates(line.on) > before)
        await line.on.settled()

        line.on.check()
        assert [] == line.downs()


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("fragment_bytes", [None, 500])
async def test_a_frame_beyond_the_cap_ends_the_link(fragment_bytes: int | None, library: Transport) -> None:
    """It is not put together in memory; the event tells the cap; then LIVE on another link."""
    async with proxied(settings=replace(CAPPED, transport=library)) as line:
        await _applied(line.on, 6)
        line.on.venue.inject(framed(_padded(line.on, CAP + 1), fragment_bytes))
        await until(line.downs)
        await line.on.settled()

        line.on.check()
        (reason,) = line.downs()
        assert reason.startswith("1009")
        assert "4096" in reason.replace(",", "")


@pytest.mark.parametrize("fragment_bytes", [1, 40])
async def test_every_message_comes_in_fragments(fragment_bytes: int) -> None:
    """With a ping between one fragment and the next; also drip-fed, byte by byte."""
    async with proxied(rate=12, settings=PATIENT, fragment_bytes=fragment_bytes) as line:
        line.socket.down = Toxics(slice_bytes=1) if fragment_bytes > 1 else None
        await _applied(line.on, 8)
        await line.on.settled()

        line.on.check()
        assert [] == line.downs()


ILLEGAL = {
    "reserved opcode": frame(0x83, b"x"),
    "reserved bit": frame(0xC1, b"{}"),
    "continuation of nothing": frame(0x80, b"{}"),
    "two beginnings": frame(0x01, b"{") + frame(0x81, b"}"),
    "ping in fragments": frame(0x09, b"x"),
    "ping too long": frame(0x89, b"x" * 126),
    "masked": bytes((0x81, 0x82, 1, 2, 3, 4, 0x7A, 0x7F)),
    "half a close code": frame(0x88, b"\x03"),
    "close code that cannot be sent": frame(0x88, b"\x03\xed"),
    "close reason that is not UTF-8": frame(0x88, b"\x03\xe8\xff\xfe"),
    "length of eight exabytes": b"\x81\x7f" + b"\x7f" + b"\xff" * 7,
    "HTTP": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "zeros": bytes(300),
    "long form of a short length": b"\x81\x7e\x00\x02{}",
}


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("data", ILLEGAL.values(), ids=ILLEGAL)
async def test_illegal_bytes_end_the_link(data: bytes, library: Transport) -> None:
    """Whatever breaks the rules of WebSocket: the link is given up, nothing wrong is read, LIVE on another one."""
    is_ended = library not in LENIENT.get(data, ())
    async with stage(settings=replace(FAST, transport=library)) as on:
        on.venue.inject(data)
        await until(partial(downs, on)) if is_ended else await _applied(on, 10)
        await on.settled()

        on.check()
        assert is_ended == on.feed.health().reconnects


LENIENT: dict[bytes, tuple[Transport, ...]] = {
    ILLEGAL["masked"]: ("aiohttp",),
    ILLEGAL["long form of a short length"]: ("aiohttp", "websockets"),
}
"""What breaks a rule that some do not look after; the frame is one like others then."""
LEGAL = {
    "ping": frame(0x89, b"x" * 125),
    "pong that nobody asked for": frame(0x8A, b"?"),
    "empty text": frame(0x81, b""),
    "empty fragments": frame(0x01, b"") + frame(0x00, b"") + frame(0x80, b""),
}


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("data", LEGAL.values(), ids=LEGAL)
async def test_odd_bytes_do_not(data: bytes, library: Transport) -> None:
    """What the rules allow may cost a book its trust, but not the link."""
    async with stage(settings=replace(FAST, transport=library)) as on:
        for _ in range(5):
            assert 1 == on.venue.inject(data)
        await _applied(on, 10)
        await on.settled()

        on.check()
        assert 0 == on.feed.health().reconnects


# --- names ---


class _Names:
    """Stands before the loop's resolver."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_down = False
        self.first: tuple[str, ...] = ()
        self.asked = 0
        loop = asyncio.get_running_loop()
        resolve = loop.getaddrinfo

        async def getaddrinfo(host: Any, port: Any, **options: Any) -> Any:
            if host != "localhost":
                return await resolve(host, port, **options)
            self.asked += 1
            if self.is_down:
                raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
            tcp = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
            return [(*tcp, (address, port)) for address in (*self.first, "127.0.0.1")]

        monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)


async def test_a_name_that_is_not_known_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS fails after a link was lost: asked again like any other trouble of the network, and LIVE when it answers."""
    async with stage() as on:
        names = _Names(monkeypatch)
        names.is_down = True
        on.venue.endpoint = f"ws://localhost:{on.venue.port}/"
        on.strike({"fault": "disconnect"})
        await until(lambda: names.asked > 3)
        assert not on.feed[BTC].is_live
        names.is_down = False
        await on.settled()

        on.check()
        assert all("cannot connect to 'localhost': Temporary failure" in reason for reason in downs(on)[1:])


async def test_another_address_of_a_name_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first address is one where nobody listens, such as that of a server which has moved."""
    async with stage() as on:
        names = _Names(monkeypatch)
        names.first = ("127.0.0.2", "127.0.0.3")
        on.venue.endpoint = f"ws://localhost:{on.venue.port}/"
        on.strike({"fault": "disconnect"})
        await until(lambda: names.asked)
        await on.settled()

        on.check()
        assert 1 == on.feed.health().reconnects
