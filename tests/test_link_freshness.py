"""What a link proves of its books: nothing is fresh that may have waited, in a blocked loop or in a busy one."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from orderbook.clock import loop_clock
from orderbook.errors import BookNotLive
from orderbook.feed.events import LinkDown, LoopBlocked
from orderbook.feed.settings import FeedSettings
from orderbook.guard import Pulse
from orderbook.settings import SyncSettings
from orderbook.simulator import virtual_time
from orderbook.simulator.limits import Limits
from orderbook.types import BookState
from tests.feed_books import BTC, FAST, stage, until
from tests.feed_world import Ear, Scene, ScriptedSocket, deaf, delta, link_over, lively, obey, up
from tests.unchecked import unchecked
from tests.waiting import elapse

MS = 1_000_000
TALKATIVE = Limits(messages_max=1_000)


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
        async with up(wire := ScriptedSocket(answer=deaf)) as link:
            await until(lambda: wire.of("ping"))
            asyncio.get_running_loop().call_later(9.9, _jump, 60)
            await elapse(9.95)
            for message in wire.of("ping"):
                wire.say(id=message["id"], type="pong")
            await elapse(1)
            return link.ended.done()

    assert virtual_time.run(main) is False


def _jump(seconds: float) -> None:
    """The loop did not run for so long."""
    unchecked(asyncio.get_running_loop())._jumper.now += seconds


def test_a_backlog_makes_nothing_fresh() -> None:
    """The loop was blocked for 8 s: frames of that time are handed on, but only a later ping's pong is a proof."""

    async def main() -> tuple[int, list[tuple[bool, int]], int, int]:
        ear, pulse, held = Ear(), Pulse(), list[str]()

        def late(_wire: ScriptedSocket, message: dict[str, Any]) -> None:
            held.append(message["id"])

        link = link_over(wire := ScriptedSocket(answer=late), ear=ear, pulse=pulse)
        await link.welcome()
        link.start()
        before_ns = pulse.heard_ns = loop_clock()
        await elapse(2.6)
        assert 1 == len(held)
        _jump(8)
        seen, jumped_ns = [], loop_clock()
        wire.bring(delta("A-B", 1))
        wire.say(id=held[0], type="pong")
        for number in range(2, 20):
            wire.bring(delta("A-B", number))
            await elapse(0.01)
            seen.append((pulse.in_doubt, pulse.heard_ns))
        assert 2 == len(held)
        pinged_ns = wire.sent[-1][0]
        wire.say(id=held[1], type="pong")
        await elapse(0.01)
        assert (False, loop_clock() - 10 * MS) == (pulse.in_doubt, pulse.heard_ns)
        assert 19 == len(ear.messages)
        assert 1 == ear.wakes
        await link.close("closed")
        return before_ns, seen, jumped_ns, pinged_ns

    before_ns, seen, jumped_ns, pinged_ns = virtual_time.run(main)
    assert {(True, before_ns)} == set(seen)
    assert pinged_ns - jumped_ns < 20 * MS


def test_a_reader_that_cannot_keep_up_makes_nothing_fresh() -> None:
    """Frames never cease, but each has waited for longer and longer: as soon as pongs do, too, what is read is old."""

    async def main() -> tuple[list[int], str]:
        pulse = Pulse()

        def behind(delay_s: float, wire: ScriptedSocket, message: dict[str, Any]) -> None:
            asyncio.get_running_loop().call_later(delay_s, obey, wire, message)

        link = link_over(wire := ScriptedSocket(answer=partial(behind, 0.1)), pulse=pulse)
        await link.welcome()
        link.start()
        talking = asyncio.create_task(lively(wire, every_s=0.1))
        ages = []
        for delay_s in (0.1, 4.0, 9.5):
            wire._answer = partial(behind, delay_s)
            worst_ns = 0
            for _ in range(300):
                await elapse(0.1)
                worst_ns = max(worst_ns, loop_clock() - (pulse.heard_ns or 0))
            ages.append(worst_ns // MS)
        talking.cancel()
        reason = "up" if not link.ended.done() else link.ended.result()
        await link.close("closed")
        return ages, reason

    (good, slow, bad), reason = virtual_time.run(main)
    assert good <= 200
    assert slow < 5_000
    assert bad > 5_000
    assert "up" == reason


def test_after_a_doubt_books_are_live_again() -> None:
    """A book is STALE while its link is in doubt, also by its timers alone, and LIVE with the proof."""

    async def main() -> list[BookState]:
        scene = Scene(settings=FeedSettings(max_age_ms=None))
        scene.add("A-B")
        await scene.acknowledged("A-B")
        scene.make_live("A-B")
        wire, sync = scene.venue.sockets[0], scene.books["A-B"].sync
        scene.venue.answer, states = deaf, [sync.state]
        _jump(8)
        for number in range(12, 40):
            wire.bring(delta("A-B", number))
            await elapse(0.05)
        states.append(sync.state)
        assert 39 == sync.book.sequence
        wire.say(id=wire.of("ping")[-1]["id"], type="pong")
        await elapse(0.05)
        states.append(sync.state)
        await scene.close()
        return states

    assert [BookState.LIVE, BookState.STALE, BookState.LIVE] == virtual_time.run(main)


def test_a_frame_after_a_silence_wakes_the_books() -> None:
    """Once, and not at every frame."""

    async def main() -> int:
        ear = Ear()
        async with up(wire := ScriptedSocket(answer=deaf), ear=ear):
            for number, wait_s in enumerate((0.1, 0.1, 1.5, 0.1, 1.5), 1):
                await elapse(wait_s)
                wire.bring(delta("A-B", number))
            await elapse(0.1)
        assert 5 == len(ear.messages)
        return ear.wakes

    assert 3 == virtual_time.run(main)


def test_a_short_silence_wakes_the_books_too() -> None:
    """Where less than a second makes them STALE, half of that is a silence."""

    async def main() -> int:
        ear, settings = Ear(), FeedSettings(sync=SyncSettings(link_silence_max_ms=500))
        async with up(wire := ScriptedSocket(answer=deaf), ear=ear, settings=settings):
            for number, wait_s in enumerate((0.1, 0.3, 0.1, 0.3), 1):
                await elapse(wait_s)
                wire.bring(delta("A-B", number))
            await elapse(0.1)
        return ear.wakes

    assert 3 == virtual_time.run(main)
