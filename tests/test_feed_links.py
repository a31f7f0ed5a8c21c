"""One connection: its token, welcome and pings, how it ends, and what goes wrong on the way to it."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from orderbook.errors import BookNotLive, Unreachable
from orderbook.feed.errors import LinkError, NotReady
from orderbook.feed.events import LinkDown, LinkUp, LoopBlocked
from orderbook.feed.link import Link
from orderbook.feed.opening import open_feed
from orderbook.feed.seams import SocketClosed, loop_clock
from orderbook.feed.settings import FeedSettings
from orderbook.feed.websocket import connector
from orderbook.guard import Pulse
from orderbook.secret import Secret
from orderbook.settings import SyncSettings
from orderbook.simulator.limits import Limits
from orderbook.types import BookState
from orderbook.venues.rest import Server
from tests import virtual_time
from tests.feed_books import BTC, ETH, FAST, stage, until
from tests.feed_world import (
    PEM,
    Ear,
    Scene,
    ScriptedSocket,
    ScriptedVenue,
    accepted,
    deaf,
    delta,
    frame,
    link_over,
    nothing_left,
    only_pongs,
)

MS = 1_000_000
PINGING: dict[str, Any] = {"ping_interval_ms": 100, "ping_timeout_ms": 150}
"""A venue that wants to be pinged often."""
TALKATIVE = Limits(messages_max=1_000)


# -- what a connection is made of --


async def test_every_connection_has_a_token_of_its_own() -> None:
    """A token is good for one connection; the venue counts any other use."""
    async with stage() as scene:
        for number in range(2, 5):
            scene.strike({"fault": "disconnect"})
            await accepted(scene, number)
            await scene.settled()
        assert scene.venue.exchange.state()["accepted"] == len(scene.venue.exchange._tokens._issued)
        scene.check()


def test_every_connection_asks_for_a_fresh_token_and_uses_it() -> None:
    """The token that opens a connection is the last one that was handed out."""

    async def main() -> list[str]:
        scene = Scene()
        scene.add("A-B")
        for number in range(1, 6):
            await scene.opened(number)
            scene.venue.sockets[-1].hang_up()
        await scene.close()
        return [one.url for one in scene.venue.sockets[:5]]

    urls = virtual_time.run(main)
    assert [f"token-{number}" for number in range(1, 6)] == [url.partition("token=")[2].split("&")[0] for url in urls]
    assert 5 == len({url.partition("connectId=")[2] for url in urls})


def test_servers_are_chosen_from_the_answer() -> None:
    """Whatever servers the token is for are used, by chance, and no other."""
    servers = tuple(Server(f"wss://{name}.example/endpoint", 18_000, 10_000) for name in ("a", "b", "c"))

    async def main() -> list[str]:
        scene = Scene(ScriptedVenue(servers))
        scene.add("A-B")
        for number in range(1, 31):
            await scene.opened(number)
            scene.venue.sockets[-1].hang_up()
        await scene.close()
        return [one.url for one in scene.venue.sockets]

    assert {one.endpoint for one in servers} == {url.partition("?")[0] for url in virtual_time.run(main)}


@pytest.mark.parametrize("how", ["empty", "downgrade", "no_ping", "moved", "no_token"])
async def test_a_bad_token_answer_connects_nowhere(how: str) -> None:
    """It is refused, told, and asked for again."""
    async with stage({"fault": "bad_token", "how": how, "times": 6}, wait=False) as scene:
        await scene.live()
        downs = scene.watch.told(LinkDown)
        assert 6 == scene.struck("bad_token")
        assert downs
        assert all("token answer" in down.reason for down in downs)
        assert 1 == scene.venue.exchange.state()["accepted"]
        scene.check()


@pytest.mark.parametrize("refusal", ["frame", "http"])
async def test_an_expired_token_is_replaced(refusal: str) -> None:
    """A venue that refuses the token, with an error frame or at the upgrade, is asked for another one."""
    async with stage({"fault": "token_expired"}, wait=False, refusal=refusal) as scene:
        await scene.live()
        assert ["401" in down.reason for down in scene.watch.told(LinkDown)] == [True]
        scene.check()


async def test_a_token_that_is_refused_at_the_upgrade_is_replaced() -> None:
    """The same with HTTP status 401."""
    async with stage({"fault": "refuse", "status": 401}, wait=False) as scene:
        await scene.live()
        assert ["401" in down.reason for down in scene.watch.told(LinkDown)] == [True]
        scene.check()


# -- the way in --

WAYS_IN: tuple[tuple[dict[str, Any], str], ...] = (
    ({"fault": "refuse"}, "HTTP status 503"),
    ({"fault": "refuse", "status": 429}, "HTTP status 429"),
    ({"fault": "lost_welcome"}, "no welcome in time"),
    ({"fault": "late_welcome", "ms": 400}, "no welcome in time"),
    ({"fault": "close_on_connect"}, "closed before the welcome"),
    ({"fault": "close_on_connect", "code": 1012, "reason": "restart"}, "1012 restart"),
    ({"fault": "disconnect", "on": "connect", "nth": 1}, "connection cut"),
    ({"fault": "black_hole", "on": "connect", "nth": 1}, "no pong"),
    ({"fault": "rest_error", "path": "bullet", "times": 5}, "internal error"),
    ({"fault": "html", "path": "bullet", "times": 5}, "503"),
    ({"fault": "cut", "path": "bullet", "times": 5}, "broke"),
)


@pytest.mark.parametrize(("fault", "reason"), WAYS_IN, ids=lambda one: str(one)[:60])
async def test_a_connection_that_fails_is_told_and_tried_again(fault: dict[str, Any], reason: str) -> None:
    """Whatever happens on the way in, the reason is told, and the books become LIVE at the next attempt."""
    settings = replace(FAST, welcome_timeout_ms=150, ping_silence_ms=100)
    async with stage(fault, settings=settings, wait=False, ping_timeout_ms=150) as scene:
        await scene.live()
        assert [True] == [reason in down.reason for down in scene.watch.told(LinkDown)], scene.watch.told(LinkDown)
        await scene.settled()
        scene.check()


async def test_a_late_welcome_is_waited_for() -> None:
    """Nothing is said before it, which the venue would count."""
    async with stage({"fault": "late_welcome", "ms": 150}, wait=False) as scene:
        await scene.live()
        assert [] == scene.watch.told(LinkDown)
        scene.check()


def test_the_welcome_has_a_deadline() -> None:
    """The link is given up exactly then."""

    async def main() -> tuple[str, int]:
        link, begun_ns = link_over(ScriptedSocket(is_welcomed=False)), loop_clock()
        with pytest.raises(LinkError) as caught:
            await link.welcome()
        return str(caught.value), loop_clock() - begun_ns

    assert ("no welcome in time", FeedSettings().welcome_timeout_ms * MS) == virtual_time.run(main)


@pytest.mark.parametrize(
    ("first", "told"),
    [
        (frame(id="x", type="error", code=509, data="service busy, please retry later"), "509 service busy"),
        (frame(id="x", type="ack"), "ack"),
        (delta("A-B", 1), "Delta"),
        (b"<html>", "FrameError"),
        (b"\xff\xfe", "FrameError"),
    ],
)
def test_only_a_welcome_is_a_welcome(first: bytes, told: str) -> None:
    """Anything else as the first frame is a refusal, and named."""

    async def main() -> str:
        link = link_over(wire := ScriptedSocket(is_welcomed=False))
        wire.bring(first)
        with pytest.raises(LinkError) as caught:
            await link.welcome()
        return str(caught.value)

    assert told in virtual_time.run(main) or told == "ack"


def test_a_token_never_shows() -> None:
    """Neither in the address of a link, nor in what is told when it fails."""

    async def main() -> str:
        scene = Scene(ScriptedVenue(is_welcoming=False))
        scene.add("A-B")
        await until(lambda: len(scene.events(LinkDown)) == 3, bound_s=1_000)
        told = repr([scene.told, scene.placement.links, scene.placement["A-B"].last_problem])
        await scene.close()
        return told

    assert "token-" not in virtual_time.run(main)


# -- pings --


def _gaps_ms(wire: ScriptedSocket, begun_ns: int) -> list[int]:
    moments = [begun_ns, *(at_ns for at_ns, message in wire.sent if message["type"] == "ping")]
    return [round((late - early) / MS) for early, late in pairwise(moments)]


async def _lively(wire: ScriptedSocket, *, every_s: float) -> None:
    for number in range(1, 1_000_000):
        wire.bring(delta("A-B", number))
        await asyncio.sleep(every_s)


@asynccontextmanager
async def _up(
    wire: ScriptedSocket, *, ear: Ear | None = None, settings: FeedSettings | None = None
) -> AsyncIterator[Link]:
    link = link_over(wire, settings, ear=ear, pulse=Pulse())
    await link.welcome()
    link.start()
    try:
        yield link
    finally:
        await link.close("closed")


def test_a_silent_link_is_pinged() -> None:
    """After ``ping_silence_ms`` without a frame, and again as long as only pongs come."""

    async def main() -> list[int]:
        async with _up(wire := ScriptedSocket()):
            begun_ns = loop_clock()
            await asyncio.sleep(20.5)
        return _gaps_ms(wire, begun_ns)

    assert [2_000] * 10 == virtual_time.run(main)


def test_a_busy_link_is_pinged_at_the_interval_of_the_answer() -> None:
    """That it is not silent does not tell the venue that we are there."""

    async def main() -> list[int]:
        async with _up(wire := ScriptedSocket()):
            begun_ns = loop_clock()
            talking = asyncio.create_task(_lively(wire, every_s=0.1))
            await asyncio.sleep(100)
            talking.cancel()
        return _gaps_ms(wire, begun_ns)

    gaps = virtual_time.run(main)
    assert 5 == len(gaps)
    assert all(abs(gap - 18_000) <= 1 for gap in gaps)


async def test_pings_are_messages_that_the_venue_counts() -> None:
    """A venue that ends silent sessions keeps this one; the frames of the library would not count."""
    async with stage(limits=Limits(idle_max_ms=250, messages_max=1_000), **PINGING) as scene:
        begun_ns = loop_clock()
        await until(lambda: loop_clock() - begun_ns > 700 * MS)
        assert [] == scene.watch.told(LinkDown)
        (link,) = scene.feed.health().links
        assert link.rtt_ms is not None
        assert 0 < link.rtt_ms < 100
        scene.check()


def test_a_lost_pong_ends_the_link_at_its_deadline() -> None:
    """However much else comes: only a pong tells that the venue hears us."""

    async def main() -> tuple[str, int]:
        async with _up(wire := ScriptedSocket(answer=deaf)) as link:
            begun_ns = loop_clock()
            talking = asyncio.create_task(_lively(wire, every_s=0.1))
            reason = await link.ended
            talking.cancel()
            return reason, loop_clock() - begun_ns

    reason, after_ns = virtual_time.run(main)
    assert "no pong within 10000 ms" == reason
    assert 28_000 * MS <= after_ns < 28_002 * MS


def test_a_pong_of_another_ping_does_not_count() -> None:
    """Neither does one that was never asked for."""

    def wrong(wire: ScriptedSocket, message: dict[str, Any]) -> None:
        wire.say(id=f"{message['id']}0", type="pong")

    async def main() -> str:
        async with _up(ScriptedSocket(answer=wrong)) as link:
            return await link.ended

    assert "no pong within 10000 ms" == virtual_time.run(main)


@pytest.mark.parametrize("fault", ["lost_pong", "wrong_pong", "late_pong"])
async def test_a_pong_fault_reconnects(fault: str) -> None:
    """A connection of which nobody knows whether the venue hears us is replaced; the books are right again after it."""
    knobs = {"ms": 400} if fault == "late_pong" else {}
    async with stage(limits=TALKATIVE, **PINGING) as scene:
        scene.strike({"fault": fault, **knobs})
        await until(lambda: scene.watch.told(LinkUp))
        (down,) = scene.watch.told(LinkDown)
        assert "no pong within 150 ms" == down.reason
        await scene.settled()
        scene.check()


async def test_a_pong_within_its_time_is_fine() -> None:
    """A slow venue is no dead one."""
    async with stage(limits=TALKATIVE, ping_interval_ms=100, ping_timeout_ms=1_000) as scene:
        scene.strike({"fault": "late_pong", "ms": 120, "nth": [1, 2]})
        await until(lambda: scene.struck("late_pong") == 2)
        await until(lambda: (scene.feed.health().rtt_ms or 0) > 110)
        assert [] == scene.watch.told(LinkDown)
        scene.check()


# -- a black hole --


@pytest.mark.parametrize("max_age_ms", [300, None])
async def test_a_black_hole_is_stale_in_time_and_left_at_the_pong_deadline(max_age_ms: int | None) -> None:
    """Reads are refused within ``link_silence_max_ms``, by the clock as well as by the timers alone."""
    sync = replace(FAST.sync, link_silence_max_ms=300)
    settings = replace(FAST, sync=sync, max_age_ms=max_age_ms, ping_silence_ms=100)
    async with stage(settings=settings, ping_timeout_ms=500) as scene:
        scene.strike({"fault": "black_hole"})
        await until(lambda: scene.struck("black_hole"))
        begun_ns = loop_clock()
        await until(lambda: not any(scene.feed[symbol].is_live for symbol in (BTC, ETH)))
        refused_ms = (loop_clock() - begun_ns) / MS
        with pytest.raises(BookNotLive):
            scene.feed[BTC].best_bid
        await until(lambda: scene.watch.told(LinkDown))
        left_ms = (loop_clock() - begun_ns) / MS
        assert refused_ms < 300 + 50
        assert 500 < left_ms < 600 + 100
        assert "no pong within 500 ms" == scene.watch.told(LinkDown)[0].reason
        assert BookState.STALE in {change.new for change in scene.watch.transitions[BTC]}
        await scene.settled()
        scene.check()


async def test_closing_in_a_black_hole_is_bounded() -> None:
    """No farewell comes back; it is not waited for."""
    settings = replace(FAST, close_timeout_ms=200)
    async with stage(settings=settings) as scene:
        scene.strike({"fault": "black_hole"})
        await until(lambda: scene.struck("black_hole"))
        begun_ns = loop_clock()
        await scene.feed.close()
        assert (loop_clock() - begun_ns) / MS < 200 + 150


# -- an event loop that is held up --


async def test_a_blocked_loop_is_no_reason_to_reconnect() -> None:
    """Reads are refused during it, by the clock; after it, what came meanwhile is read before anything is judged."""
    sync = replace(FAST.sync, link_silence_max_ms=250)
    settings = replace(FAST, sync=sync, max_age_ms=250, ping_silence_ms=100, lag_ms=100)
    async with stage(settings=settings, limits=TALKATIVE, ping_interval_ms=200, ping_timeout_ms=300) as scene:
        book = scene.feed[BTC]
        _block(0.7)
        assert not book.is_live
        with pytest.raises(BookNotLive, match="nothing heard"):
            book.best_bid
        await until(lambda: book.is_live)
        await until(lambda: scene.watch.told(LoopBlocked))
        await scene.settled()
        assert [] == scene.watch.told(LinkDown)
        scene.check()


def _block(seconds: float) -> None:
    """A user's code that does not return to the loop."""
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        pass


def test_a_pong_that_came_during_a_block_counts() -> None:
    """The deadline passed while nobody read: the socket is read first."""

    async def main() -> bool:
        async with _up(wire := ScriptedSocket(answer=deaf)) as link:
            await until(lambda: wire.of("ping"))
            asyncio.get_running_loop().call_later(9.9, _jump, 60)
            await asyncio.sleep(9.95)
            for message in wire.of("ping"):
                wire.say(id=message["id"], type="pong")
            await asyncio.sleep(1)
            return link.ended.done()

    assert virtual_time.run(main) is False


def _jump(seconds: float) -> None:
    """The loop did not run for so long."""
    loop = asyncio.get_running_loop()
    loop._jumper.now += seconds  # type: ignore[attr-defined]


# -- requests --


def test_answers_are_matched_by_id() -> None:
    """Two requests under way, answered in the other order."""

    async def main() -> list[str]:
        waiting: list[dict[str, Any]] = []
        async with _up(wire := ScriptedSocket(answer=lambda _wire, message: waiting.append(message))) as link:
            requests = [asyncio.create_task(link.request(partial(_named, name))) for name in ("first", "second")]
            await until(lambda: len(waiting) == 2)
            wire.say(id="nobody", type="ack")
            for message in reversed(waiting):
                wire.say(id=message["id"], type="error", code=1, data=message["name"])
            return [answer.text for answer in await asyncio.gather(*requests)]

    assert ["first", "second"] == virtual_time.run(main)


def _named(name: str, request_id: str) -> str:
    return frame(id=request_id, type="subscribe", topic="x", name=name).decode()


def test_requests_are_paced() -> None:
    """Nine tenths of the documented limit, so that pings have room; no window holds more."""

    async def main() -> list[int]:
        async with _up(wire := ScriptedSocket()) as link:
            await asyncio.gather(*(link.request(partial(_named, "x")) for _ in range(250)))
            return [at_ns for at_ns, _ in wire.sent]

    sent = virtual_time.run(main)
    assert max(sum(start <= one < start + 10_000 * MS for one in sent) for start in sent) <= 100
    assert sent[-1] - sent[0] < 30_000 * MS


async def test_a_request_on_a_link_that_ends_is_a_link_error() -> None:
    """Whoever waits is told at once, with the reason."""
    async with _up(ScriptedSocket(answer=deaf)) as link:
        request = asyncio.create_task(link.request(partial(_named, "x")))
        await until(lambda: link.messages)
        link.end("over")
        with pytest.raises(LinkError, match="over"):
            await request


def test_a_failed_send_leaves_nothing_unseen() -> None:
    """The link ends while a request is being sent: one error, and no complaint of asyncio later."""
    complaints: list[dict[str, Any]] = []

    class Stuck(ScriptedSocket):
        async def send(self, text: str) -> None:
            await until(lambda: self.is_aborted)
            raise SocketClosed(f"1006 connection cut before {text}")

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
        async with _up(Stuck()) as link:
            request = asyncio.create_task(link.request(partial(_named, "x")))
            await asyncio.sleep(0.1)
            link.end("over")
            with pytest.raises(LinkError):
                await request

    virtual_time.run(main)
    assert [] == complaints


def test_the_first_reason_counts() -> None:
    """An error frame before the end explains it; whatever comes later is no reason."""

    async def main() -> str:
        async with _up(wire := ScriptedSocket(answer=only_pongs)) as link:
            wire.say(id="conn", type="error", code=400, data="ping timeout")
            wire.hang_up("1000 Bye")
            reason = await link.ended
            link.end("something else")
            assert reason == link.ended.result()
            return reason

    assert "1000 Bye (error 400 ping timeout)" == virtual_time.run(main)


def test_a_frame_after_a_silence_wakes_the_books() -> None:
    """Once, and not at every frame."""

    async def main() -> int:
        ear = Ear()
        async with _up(wire := ScriptedSocket(answer=deaf), ear=ear):
            for number, wait_s in enumerate((0.1, 0.1, 1.5, 0.1, 1.5), 1):
                await asyncio.sleep(wait_s)
                wire.bring(delta("A-B", number))
            await asyncio.sleep(0.1)
        assert 5 == len(ear.messages)
        return ear.wakes

    assert 3 == virtual_time.run(main)


# -- the library beneath --

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


async def _problem(url: str, *, tls: ssl.SSLContext | None = None) -> str:
    async with nothing_left():
        with pytest.raises(LinkError) as caught:
            await connector(SHORT, tls=tls)(Secret(f"{url}?token=secret"))
    assert caught.value.__cause__ is None
    assert "secret" not in str(caught.value)
    return str(caught.value)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


async def test_an_unreachable_host_is_a_link_error() -> None:
    """Nobody listens there."""
    assert "cannot connect to '127.0.0.1': Connect call failed" in await _problem(f"ws://127.0.0.1:{_free_port()}/")


async def test_an_unreachable_venue_is_told_at_once() -> None:
    """``open_feed`` raises a typed error, with what to do about it, and leaves nothing."""
    async with nothing_left():
        feed = open_feed("kucoin", [BTC], url=f"http://127.0.0.1:{_free_port()}", settings=FAST)
        with pytest.raises(Unreachable) as caught:
            await feed.__aenter__()
    assert "check the network" in str(caught.value)


async def test_a_name_that_does_not_resolve_is_a_link_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for DNS."""

    async def fail(*_args: object, **_kwargs: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", fail)
    assert "Name or service not known" in await _problem("wss://nowhere.invalid/")


async def test_a_name_that_cannot_be_one_is_a_link_error() -> None:
    """Too long for DNS; Python finds that out by a ``UnicodeError``."""
    assert "not a WebSocket address" in await _problem(f"wss://{'a' * 70}.example/")


async def test_a_certificate_that_nobody_vouches_for_is_refused() -> None:
    """There is no switch to accept it."""
    async with _server(tls=_tls()) as url:
        assert "its TLS certificate is not valid: self" in await _problem(url)


async def test_a_certificate_of_another_host_is_refused() -> None:
    """Though its authority is trusted."""
    async with _server(tls=_tls(), host="127.0.0.2") as url:
        trusting = ssl.create_default_context(cafile=str(PEM))
        assert "its TLS certificate is not valid: IP address mismatch" in await _problem(url, tls=trusting)


async def test_an_authority_of_ones_own_can_be_trusted() -> None:
    """With a context that knows it."""
    async with _server(tls=_tls()) as url, nothing_left():
        wire = await connector(SHORT, tls=ssl.create_default_context(cafile=str(PEM)))(Secret(url))
        await wire.close()


async def test_no_tls_where_it_is_expected_is_a_link_error() -> None:
    """A plain server behind a ``wss`` address."""
    async with _server() as url:
        assert "cannot connect to '127.0.0.1'" in await _problem(url.replace("ws:", "wss:"))


async def test_a_redirect_is_not_followed() -> None:
    """The token is for the server that the venue named."""
    visited: list[ServerConnection] = []

    async def visit(connection: ServerConnection) -> None:
        visited.append(connection)

    async with _server(visit) as elsewhere, _raw(f"HTTP/1.1 302 Found\r\nLocation: {elsewhere}\r\n\r\n") as url:
        assert "refused with HTTP status 302" in await _problem(url)
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
async def test_what_is_no_websocket_is_a_link_error(answer: str, told: str) -> None:
    """Another protocol, another status, or the end of the line."""
    async with _raw(answer) as url:
        assert told in await _problem(url)


async def test_a_handshake_without_an_answer_has_a_deadline() -> None:
    """Accepted, and then nothing."""
    async with _raw(None) as url:
        assert "no answer in time" in await _problem(url)


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


async def test_a_frame_beyond_the_limit_ends_the_connection() -> None:
    """It is not even put together in memory."""

    async def flood(connection: ServerConnection) -> None:
        await connection.send("x" * 5_000)
        await connection.wait_closed()

    settings = replace(SHORT, sync=SyncSettings(frame_bytes_max=1_000))
    async with _server(flood) as url:
        wire = await connector(settings)(Secret(url))
        with pytest.raises(SocketClosed, match="1009"):
            await wire.receive()
        await wire.close()


async def test_compression_is_not_offered() -> None:
    """A small frame could become any amount of memory."""
    async with _server() as url:
        wire = await connector(SHORT)(Secret(url))
        assert [] == wire._connection.protocol.extensions  # type: ignore[attr-defined]
        await wire.close()


async def test_a_failing_link_names_its_reason_to_whoever_waits() -> None:
    """``ready`` says why there is no link, not only that there is none."""
    async with stage({"fault": "refuse", "p": 1.0}, wait=False) as scene:
        with pytest.raises(NotReady, match="HTTP status 503"):
            await scene.feed.ready(BTC, timeout_s=0.2)
