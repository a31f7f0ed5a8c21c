"""The event loop is blocked by the user's code: no old book is read, and nothing reconnects without need."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from orderbook.errors import BookNotLive
from orderbook.feed.events import LinkDown, LoopBlocked
from orderbook.simulator.limits import Limits
from orderbook.simulator.virtual_time import run
from tests.feed_books import BTC
from tests.host_world import CALM, Host, host, loop

PATIENT = Limits(idle_max_ms=10**6)
"""A venue that does not close a connection for being silent."""
PHASES = [one / 3 for one in range(9)]
"""Of the pings, in s: one goes out every 2.5 s under traffic."""


@pytest.mark.parametrize("seconds", [1, 5, 30])
def test_a_block_reconnects_nothing_and_serves_nothing_old(seconds: int) -> None:
    """Whatever the pings were about: one link all along, and not one read that the age would not allow."""

    async def main() -> list[bool]:
        async with host(is_attentive=True, limits=PATIENT) as on:
            blocked = []
            for phase in PHASES:
                await on.watch(6 + phase)
                on.block(seconds)
                blocked.append(_first_read(on))
                on.look()
                await on.settled()
            assert [] == on.told(LinkDown)
            assert 1 == on.feed.metrics.connects
            on.check()
            assert len(PHASES) == sum(one.milliseconds >= 1_000 * seconds - 500 for one in on.told(LoopBlocked))
            assert 0 == on.feed.counters(BTC).resyncs, "nothing was lost"
            return blocked

    assert run(main) == [seconds < 5] * len(PHASES), "after 5 s the very first read is refused, by the clock"


def _first_read(on: Host) -> bool:
    try:
        on.feed[BTC].best_bid
    except BookNotLive:
        return False
    return True


@pytest.mark.parametrize("seconds", [9, 12, 30])
def test_a_block_while_a_ping_is_under_way(seconds: int) -> None:
    """The time for its pong passes while nobody reads: what came meanwhile is read before anything is judged."""

    async def main() -> None:
        async with host(is_attentive=True, limits=PATIENT) as on:

            def once() -> None:
                on.pinged = lambda: None
                loop().call_soon(on.block, seconds)

            for _ in range(5):
                await on.watch(6)
                on.pinged = once
                await on.watch(4)
                await on.settled()
            assert 5 == sum(one.milliseconds > 1_000 * seconds - 600 for one in on.told(LoopBlocked))
            assert [] == on.told(LinkDown)
            on.check()

    run(main)


@pytest.mark.parametrize("phase", PHASES[::3])
def test_a_venue_that_closed_meanwhile_is_connected_again(phase: float) -> None:
    """What it sent before its goodbye is no book of today: not one old read, and LIVE on a new link."""

    async def main() -> None:
        async with host(is_attentive=True, limits=Limits(idle_max_ms=8_000)) as on:
            await on.watch(6 + phase)
            on.block(30)
            on.look()
            await on.settled()
            await on.watch(10)
            assert 1 == len(on.told(LinkDown))
            assert 2 == on.feed.metrics.connects
            on.check(violations={"ping_timeout": 1})

    run(main)


def test_a_loop_that_is_blocked_again_and_again() -> None:
    """Half of the time somebody computes: whatever can be read is right and fresh, and in the end all is LIVE."""

    async def main() -> None:
        async with host(is_attentive=True, limits=PATIENT) as on:
            for turn in range(60):
                on.block(0.05 + 0.4 * (turn % 7))
                on.look()
                await on.watch(0.05 + 0.1 * (turn % 5))
            await on.settled()
            assert [] == on.told(LinkDown)
            on.check()

    run(main)


@pytest.mark.parametrize("max_age_ms", [200, 1_000])
def test_who_wants_it_fresher_gets_it_fresher(max_age_ms: int) -> None:
    """The age is the user's to choose; a block that is longer is always seen."""

    async def main() -> None:
        settings = replace(CALM, max_age_ms=max_age_ms)
        async with host(is_attentive=True, limits=PATIENT, settings=settings) as on:
            for _ in range(8):
                await on.watch(3)
                on.block(max_age_ms / 1e3 + 0.05)
                assert not on.feed[BTC].is_live
                on.look()
                await on.settled()
            assert [] == on.told(LinkDown)
            on.check()

    run(main)


def test_a_user_that_blocks_inside_a_callback() -> None:
    """The reading task stands in the middle of a frame then; nothing is lost, and nobody reads what was before."""

    async def main() -> None:
        async with host(is_attentive=True, limits=PATIENT) as on:
            left = 10

            def slow(_update: object) -> None:
                nonlocal left
                if left:
                    left -= 1
                    on.block(7)
                    on.look()

            on.feed.listen(BTC, slow, deliver="every")
            async with asyncio.timeout(600):
                while left:
                    await on.watch(1)
            await on.settled()
            assert [] == on.told(LinkDown)
            assert 0 == on.feed.counters(BTC).gaps
            on.check()

    run(main)
