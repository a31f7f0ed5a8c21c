"""Links that are replaced before the venue ends them, without a moment that anybody notices."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from orderbook.feed.events import LinkDown, LinkReplaced
from orderbook.feed.handover import HELD_MAX, Handover
from orderbook.feed.settings import FeedSettings
from orderbook.types import BookState, Delta
from tests import virtual_time
from tests.feed_books import BTC, ETH, FAST, stage, until
from tests.feed_world import (
    Scene,
    ScriptedSocket,
    deaf,
    delta,
    eventually,
    obey,
    refuses,
)

LIVES = replace(FAST, link_life_ms=400, useful_after_ms=100)


@pytest.mark.parametrize("rate", [0.5, 150.0, 1_500.0])
async def test_a_link_is_replaced_before_its_end_and_nobody_notices(rate: float) -> None:
    """A fresh token, a new connection, the same symbols: no book leaves LIVE, no snapshot is asked for."""
    async with stage(rate=rate, settings=LIVES) as scene:
        await scene.settled()
        scene.watch.transitions.clear()
        asked = [scene.feed.counters(symbol).snapshots_asked for symbol in (BTC, ETH)]
        await until(lambda: len(scene.watch.told(LinkReplaced)) >= 3)
        await scene.settled()
        assert {} == {symbol: changes for symbol, changes in scene.watch.transitions.items() if changes}
        assert asked == [scene.feed.counters(symbol).snapshots_asked for symbol in (BTC, ETH)]
        assert [] == scene.watch.told(LinkDown)
        assert [0, 0] == [scene.feed.counters(symbol).gaps for symbol in (BTC, ETH)]
        await until(lambda: len(scene.venue.exchange.sessions) == 1)
        scene.check()


@pytest.mark.parametrize("ways_ms", [(60, 10), (60, 60), (10, 60), (10, 300)])
def test_neither_link_needs_to_be_the_faster_one(ways_ms: tuple[int, int]) -> None:
    """The new connection may be ahead of the old one or behind it, by more than a hole or a reset may measure."""

    async def main() -> tuple[list[BookState], int, int]:
        scene = Scene(settings=FeedSettings(link_life_ms=2_000))

        def late(wire: ScriptedSocket, message: dict[str, Any]) -> None:
            way_ms = ways_ms[scene.venue.sockets.index(wire)]
            asyncio.get_running_loop().call_later(way_ms / 1_000, obey, wire, message)

        scene.venue.answer = late
        scene.add("A-B")
        await scene.acknowledged("A-B")
        sync = scene.books["A-B"].sync
        scene.make_live("A-B")
        states = [sync.state]
        streaming = asyncio.create_task(_stream(scene, ways_ms))
        while not scene.events(LinkReplaced):
            await asyncio.sleep(0.001)
            states.append(sync.state)
        for _ in range(500):
            await asyncio.sleep(0.001)
            states.append(sync.state)
        streaming.cancel()
        found = (states, sync.book.sequence, sync.counters.resets)
        await scene.close()
        return found

    states, sequence, resets = virtual_time.run(main)
    assert {BookState.LIVE} == set(states)
    assert 0 == resets
    assert sequence > 1_800


async def _stream(scene: Scene, ways_ms: tuple[int, int]) -> None:
    """1,000 deltas a second to each connection that is subscribed."""
    loop = asyncio.get_running_loop()
    for number in range(12, 1_000_000):
        for way_ms, wire in zip(ways_ms, scene.venue.sockets, strict=False):
            if wire.of("subscribe") and not wire.is_aborted:
                loop.call_later(way_ms / 1_000, wire.bring, delta("A-B", number))
        await asyncio.sleep(0.001)


def test_a_replacement_that_fails_leaves_the_old_link_as_it_is() -> None:
    """It is tried again with growing waits, and symbols that are added meanwhile are served by the old one."""

    async def main() -> tuple[int, int]:
        scene = Scene(settings=FeedSettings(link_life_ms=10_000))
        scene.add("A-B")
        await scene.acknowledged("A-B")
        old = await scene.opened(1)
        scene.venue.on_connect = refuses
        await asyncio.sleep(120)
        cut = [old.is_aborted]
        scene.add("C-D")
        await scene.acknowledged("C-D")
        tries = len(scene.venue.sockets)
        assert [["A-B"], ["C-D"]] == old.topics()
        scene.venue.on_connect = lambda _wire: None
        await eventually(lambda: scene.events(LinkReplaced))
        assert [False, True] == [*cut, old.is_aborted]
        downs = len(scene.events(LinkDown))
        await scene.close()
        return tries, downs

    tries, downs = virtual_time.run(main)
    assert 3 < tries < 40
    assert 0 == downs


def test_a_welcome_of_the_new_link_does_not_freshen_the_old_one() -> None:
    """The books live on the old link until it is replaced, and that one is silent."""

    async def main() -> tuple[int | None, int | None, int]:
        scene = Scene(settings=FeedSettings(link_life_ms=20_000))
        scene.add("A-B")
        await scene.acknowledged("A-B")
        await asyncio.sleep(17)
        scene.venue.answer = deaf
        before_ns = scene.books["A-B"].pulse.heard_ns
        await scene.opened(2)
        await eventually(lambda: scene.venue.sockets[1].of("subscribe"))
        after_ns, connects = scene.books["A-B"].pulse.heard_ns, scene.metrics.connects
        await scene.close()
        return before_ns, after_ns, connects

    before_ns, after_ns, connects = virtual_time.run(main)
    assert before_ns == after_ns
    assert 2 == connects


def test_a_handover_is_bounded() -> None:
    """More messages than may be kept, of either link: it is given up."""
    held, brought = Handover(), Handover()
    kept: list[bytes] = []
    one = Delta("A-B", 1, 1, (), ())
    for number in range(HELD_MAX):
        held.take(one, number)
        brought.passes(one._replace(sequence_end=number))
    assert (False, False) == (held.is_full, brought.is_full)
    held.take(one, 0)
    brought.passes(one)
    assert (True, True) == (held.is_full, brought.is_full)
    assert HELD_MAX == len(held.switch(kept.append))
