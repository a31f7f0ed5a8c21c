"""Connections to a venue on sockets: their tokens, their welcome, and what goes wrong on the way to it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orderbook.clock import loop_clock
from orderbook.errors import BookNotLive
from orderbook.feed.errors import LinkError, NotReady
from orderbook.feed.events import LinkDown
from orderbook.feed.settings import FeedSettings
from orderbook.simulator import virtual_time
from orderbook.types import BookState
from orderbook.venues.rest import Server
from tests.feed_books import BTC, ETH, FAST, stage, until
from tests.feed_world import (
    Scene,
    ScriptedSocket,
    ScriptedVenue,
    accepted,
    delta,
    eventually,
    frame,
    link_over,
)

MS = 1_000_000


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
        await eventually(lambda: len(scene.events(LinkDown)) == 3)
        told = repr([scene.told, scene.placement.links, scene.placement["A-B"].last_problem])
        await scene.close()
        return told

    assert "token-" not in virtual_time.run(main)


async def test_a_failing_link_names_its_reason_to_whoever_waits() -> None:
    """``ready`` says why there is no link, not only that there is none."""
    async with stage({"fault": "refuse", "p": 1.0}, wait=False) as scene:
        with pytest.raises(NotReady, match="HTTP status 503"):
            await scene.feed.ready(BTC, timeout_s=0.2)


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
