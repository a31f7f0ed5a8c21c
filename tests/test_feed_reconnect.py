"""Links that are lost: made anew, without a storm, and with every symbol."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from orderbook.clock import loop_clock
from orderbook.errors import Unreachable
from orderbook.events import StateChanged
from orderbook.feed.events import LinkDown, LinkUp
from orderbook.feed.settings import FeedSettings
from orderbook.simulator import virtual_time
from orderbook.simulator.faults import FaultPlan
from orderbook.types import BookState
from orderbook.venues.rest import Token
from tests.feed_books import BTC, ETH, FAST, stage, until
from tests.feed_world import (
    Scene,
    ScriptedSocket,
    ScriptedVenue,
    accepted,
    deaf,
    eventually,
    obey,
    only_pongs,
    refuses,
)
from tests.waiting import elapse

MS = 1_000_000
MINUTE = 60_000 * MS


def densest(moments: list[int]) -> int:
    """The most moments within one minute, wherever it begins."""
    return max((sum(start <= one < start + MINUTE for one in moments) for start in moments), default=0)


# -- no storm --


def _closes(wire: ScriptedSocket) -> None:
    wire.hang_up("1012 restart")


STORMS: dict[str, dict[str, Any]] = {
    "accept-then-close": {"on_connect": _closes},
    "accept-then-silence": {"answer": deaf},
    "no welcome": {"is_welcoming": False},
    "refused": {"on_connect": refuses},
    "never acknowledged": {"answer": only_pongs},
    "no token": {"token_problem": Unreachable(None, "no answer", None, "check the network")},
}


@pytest.mark.parametrize("name", STORMS)
@pytest.mark.parametrize("links", [1, 40])
def test_no_venue_is_stormed(name: str, links: int) -> None:
    """However it fails, and however many links there are: at most 30 attempts a minute; one link makes far fewer."""
    minutes, settings = 20, FeedSettings(topics_max=1)

    async def main() -> tuple[list[int], int]:
        scene = Scene(ScriptedVenue(**STORMS[name]), settings)
        scene.add(*(f"S{number}-B" for number in range(links)))
        await elapse(60 * minutes)
        await scene.close()
        return scene.venue.connects, len(scene.events(LinkDown))

    connects, failures = virtual_time.run(main)
    assert densest(connects) <= 30
    assert 10 < failures <= (30 * (minutes + 1) if links > 1 else 6 * minutes)


@pytest.mark.parametrize("slow_s", [0.0, 3.0])
def test_connections_that_take_their_time_are_counted_when_they_arrive(slow_s: float) -> None:
    """What matters is the minute of the venue: attempts that were slow there do not let others in too early."""
    rng = random.Random(3)
    settings = FeedSettings(topics_max=1, reconnect_min_ms=1, reconnect_max_ms=1)

    async def main() -> list[int]:
        venue = ScriptedVenue(on_connect=_closes, connect_s=lambda: rng.choice((0.0, slow_s)))
        scene = Scene(venue, settings)
        scene.add(*(f"S{number}-B" for number in range(50)))
        await elapse(600)
        await scene.close()
        return venue.connects

    connects = virtual_time.run(main)
    assert densest(connects) <= 30
    assert len(connects) > 200


def test_slow_tokens_let_nobody_connect_too_often() -> None:
    """However long they take, and though all come at once: the turn to connect is taken after that."""

    class Slow(ScriptedVenue):
        async def token(self, *, private: bool = False) -> Token:
            await elapse(max(0.0, 1_061 - asyncio.get_running_loop().time()))
            return await super().token(private=private)

    async def main() -> tuple[list[int], list[int]]:
        scene = Scene(Slow(), FeedSettings(topics_max=1))
        scene.add(*(f"S{number}-B" for number in range(50)))
        await elapse(180)
        await scene.close()
        return scene.venue.tokens, scene.venue.connects

    tokens, connects = virtual_time.run(main)
    assert 50 == len(connects) == len(tokens)
    assert 30 == densest(connects)


def test_two_feeds_together_connect_no_oftener_than_one() -> None:
    """The venue counts a user's connections."""

    async def main() -> list[int]:
        venue = ScriptedVenue(on_connect=refuses)
        scenes = [Scene(venue, FeedSettings(topics_max=1, reconnect_max_ms=500), seed) for seed in (1, 2)]
        for scene in scenes:
            scene.add("A-B", "C-D")
        await elapse(300)
        for scene in scenes:
            await scene.close()
        return venue.connects

    connects = virtual_time.run(main)
    assert 30 == densest(connects)


def test_ends_are_counted_by_their_codes() -> None:
    """A venue that gives each a reason of its own makes no entry for each."""

    async def main() -> dict[str, int]:
        scene = Scene(settings=FeedSettings(reconnect_max_ms=300))
        scene.add("A-B")
        for number in range(1, 30):
            wire = await scene.opened(number)
            await elapse(0.01)
            wire.hang_up(f"1011 internal error trace-{number:06d}")
        await scene.opened(30)
        await scene.close()
        return dict(scene.metrics.reconnects)

    assert 29 == virtual_time.run(main)["1011"]


def test_the_wait_grows_until_a_link_was_useful() -> None:
    """A link that is welcomed and lost at once is no success; one that carried a LIVE book for a while is."""

    async def main() -> tuple[int, int, int]:
        scene = Scene(ScriptedVenue(on_connect=_closes))
        scene.add("A-B")
        await scene.opened(8)
        keeper = scene.placement["A-B"]
        grown = keeper._backoff.failures
        scene.venue.on_connect = lambda _wire: None
        await scene.acknowledged("A-B")
        await elapse(60)
        without_live = keeper._backoff.failures
        scene.make_live("A-B")
        await elapse(11)
        with_live = keeper._backoff.failures
        await scene.close()
        return grown, without_live, with_live

    grown, without_live, with_live = virtual_time.run(main)
    assert grown >= 7
    assert without_live >= grown
    assert 0 == with_live


def test_a_useful_link_that_ends_in_silence_was_useful() -> None:
    """Its book was STALE when the end was noticed; that is no reason to let the next one wait longer and longer."""

    async def main() -> int:
        scene = Scene()
        scene.add("A-B")
        for number in range(1, 6):
            wire = await scene.opened(number)
            await scene.acknowledged("A-B")
            scene.make_live("A-B")
            await elapse(30)
            scene.venue.answer = partial(_obey_but, wire)
            await eventually(partial(_has_lost_links, scene, number))
        states = [change.new for change in scene.events(StateChanged)]
        assert 5 == states.count(BookState.STALE)
        failures = scene.placement["A-B"]._backoff.failures
        await scene.close()
        return failures

    assert virtual_time.run(main) <= 1


def _has_lost_links(scene: Scene, count: int) -> bool:
    return len(scene.events(LinkDown)) == count


def _obey_but(dead: ScriptedSocket, wire: ScriptedSocket, message: dict[str, Any]) -> None:
    if wire is not dead:
        obey(wire, message)


async def test_a_storm_of_a_real_venue_counts_no_violation() -> None:
    """Accepted and closed again and again, on sockets."""
    async with stage({"fault": "close_on_connect", "times": 8}, wait=False) as scene:
        await scene.live()
        assert 8 == len(scene.watch.told(LinkDown))
        assert 1 == len(scene.watch.told(LinkUp))
        scene.check()


# -- lost links --


@pytest.mark.parametrize(
    "fault",
    [
        {"fault": "disconnect"},
        *({"fault": "disconnect", "how": "close", "code": code} for code in (1000, 1001, 1008, 1011, 1012, 4000)),
        {"fault": "maintenance", "ms": 150},
        {"fault": "maintenance", "ms": 150, "base": 1},
    ],
    ids=lambda one: " ".join(str(value) for value in one.values()),
)
async def test_a_lost_link_is_made_anew(fault: dict[str, Any]) -> None:
    """Whatever the code: 1000 is no graceful end either. Reads are refused meanwhile, and right afterwards."""
    async with stage() as scene:
        scene.strike(fault)
        await until(lambda: scene.watch.told(LinkUp))
        states = [change.new for change in scene.watch.transitions[BTC]]
        assert BookState.CONNECTING is states[0]
        await scene.settled()
        reason = scene.watch.told(LinkDown)[0].reason
        assert str(fault.get("code", 1012 if fault["fault"] == "maintenance" else 1006)) in reason
        scene.check()


@pytest.mark.parametrize("on", ["connect", "message", "ack", "delta"])
@pytest.mark.parametrize("nth", [1, 2, 3])
async def test_a_link_may_be_lost_at_every_step(on: str, nth: int) -> None:
    """In the welcome, at a request, before its acknowledgement, at the first deltas: every wanted symbol comes back."""
    settings = replace(FAST, batch_max=1)
    fault = {"fault": "disconnect", "on": on, "nth": nth}
    async with stage(fault, symbols=(BTC, ETH, "SOL-USDT"), settings=settings, wait=False) as scene:
        await scene.live()
        # The first connection may be up before the fault could strike a later message or connection.
        if on == "connect" and nth > 1:
            for number in range(1, nth):
                scene.venue.exchange.add_faults(FaultPlan([{"fault": "disconnect"}]), loop_clock())
                scene.venue._tick()
                await accepted(scene, number + 1)
        await until(lambda: scene.struck("disconnect") >= (nth if on == "connect" else 1))
        await scene.live()
        await scene.settled()
        scene.check()


def test_a_bug_in_a_seam_does_not_end_the_feed() -> None:
    """Whatever the connector raises: it is logged and told, and tried again."""

    async def main() -> tuple[int, list[str]]:
        def broken(_wire: ScriptedSocket) -> None:
            if len(scene.venue.sockets) < 4:
                raise ZeroDivisionError

        scene = Scene(ScriptedVenue(on_connect=broken))
        scene.add("A-B")
        await scene.acknowledged("A-B")
        await scene.close()
        return len(scene.venue.sockets), [down.reason for down in scene.events(LinkDown)]

    assert (4, [*["internal error: ZeroDivisionError"] * 3, "closed"]) == virtual_time.run(main)
