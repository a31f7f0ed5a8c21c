"""One connection that is up: pings and pongs, requests and answers, and a loop that was held up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from orderbook.clock import loop_clock
from orderbook.errors import BookNotLive
from orderbook.feed.errors import LinkError
from orderbook.feed.events import LinkDown, LinkUp, LoopBlocked
from orderbook.feed.link import Link, label
from orderbook.feed.seams import SocketClosed
from orderbook.feed.settings import FeedSettings
from orderbook.guard import Pulse
from orderbook.settings import SyncSettings
from orderbook.simulator.limits import Limits
from orderbook.types import BookState
from tests import virtual_time
from tests.feed_books import BTC, FAST, stage, until
from tests.feed_world import (
    Ear,
    Scene,
    ScriptedSocket,
    deaf,
    delta,
    frame,
    link_over,
    obey,
    only_pongs,
)

MS = 1_000_000
PINGING: dict[str, Any] = {"ping_interval_ms": 100, "ping_timeout_ms": 150}
"""A venue that wants to be pinged often."""
TALKATIVE = Limits(messages_max=1_000)


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


def test_a_busy_link_is_pinged_twice_in_a_silence() -> None:
    """Only pongs tell that what is read is no backlog; and that the venue knows that we are there."""

    async def main() -> list[int]:
        async with _up(wire := ScriptedSocket()):
            begun_ns = loop_clock()
            talking = asyncio.create_task(_lively(wire, every_s=0.1))
            await asyncio.sleep(100)
            talking.cancel()
        return _gaps_ms(wire, begun_ns)

    gaps = virtual_time.run(main)
    assert 39 <= len(gaps) <= 40
    assert all(abs(gap - 2_500) <= 1 for gap in gaps)


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
    assert 12_500 * MS <= after_ns < 12_502 * MS


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


def test_a_backlog_makes_nothing_fresh() -> None:
    """The loop was blocked for 8 s: frames of that time are handed on, but only a later ping's pong is a proof."""

    async def main() -> tuple[int, list[tuple[bool, int]], int, int]:
        ear, pulse, held = Ear(), Pulse(), list[str]()

        def late(wire: ScriptedSocket, message: dict[str, Any]) -> None:
            held.append(message["id"])

        link = link_over(wire := ScriptedSocket(answer=late), ear=ear, pulse=pulse)
        await link.welcome()
        link.start()
        before_ns = pulse.heard_ns = loop_clock()
        await asyncio.sleep(2.6)
        assert 1 == len(held)
        _jump(8)
        seen, jumped_ns = [], loop_clock()
        wire.bring(delta("A-B", 1))
        wire.say(id=held[0], type="pong")
        for number in range(2, 20):
            wire.bring(delta("A-B", number))
            await asyncio.sleep(0.01)
            seen.append((pulse.in_doubt, pulse.heard_ns))
        assert 2 == len(held)
        pinged_ns = wire.sent[-1][0]
        wire.say(id=held[1], type="pong")
        await asyncio.sleep(0.01)
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

        def behind(wire: ScriptedSocket, message: dict[str, Any]) -> None:
            asyncio.get_running_loop().call_later(delay_s, obey, wire, message)

        link = link_over(wire := ScriptedSocket(answer=behind), pulse=pulse)
        await link.welcome()
        link.start()
        talking = asyncio.create_task(_lively(wire, every_s=0.1))
        ages = []
        for delay_s in (0.1, 4.0, 9.5):
            worst_ns = 0
            for _ in range(300):
                await asyncio.sleep(0.1)
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
            await asyncio.sleep(0.05)
        states.append(sync.state)
        assert 39 == sync.book.sequence
        wire.say(id=wire.of("ping")[-1]["id"], type="pong")
        await asyncio.sleep(0.05)
        states.append(sync.state)
        await scene.close()
        return states

    assert [BookState.LIVE, BookState.STALE, BookState.LIVE] == virtual_time.run(main)


def test_a_ping_that_fails_in_any_way_ends_the_link() -> None:
    """Without pings, nobody would find out that it is dead."""

    class Broken(ScriptedSocket):
        async def send(self, text: str) -> None:
            raise OSError(9, text)

    async def main() -> str:
        async with _up(Broken()) as link:
            return await link.ended

    assert "internal error: OSError" == virtual_time.run(main)


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


def test_a_short_silence_wakes_the_books_too() -> None:
    """Where less than a second makes them STALE, half of that is a silence."""

    async def main() -> int:
        ear, settings = Ear(), FeedSettings(sync=SyncSettings(link_silence_max_ms=500))
        async with _up(wire := ScriptedSocket(answer=deaf), ear=ear, settings=settings):
            for number, wait_s in enumerate((0.1, 0.3, 0.1, 0.3), 1):
                await asyncio.sleep(wait_s)
                wire.bring(delta("A-B", number))
            await asyncio.sleep(0.1)
        return ear.wakes

    assert 3 == virtual_time.run(main)


@pytest.mark.parametrize(
    ("reason", "wanted"),
    [
        ("1011 internal error trace-000123", "1011"),
        ("1006 connection cut", "1006"),
        ("4000", "4000"),
        ("no pong within 10000 ms", "no pong within 10000 ms"),
        ("no answer to subscribe after 3 attempts (error 500 trace-12)", "no answer to subscribe after 3 attempts"),
        ("internal error: KeyError", "internal error: KeyError"),
    ],
)
def test_the_label_of_an_end_is_no_text_of_the_venue(reason: str, wanted: str) -> None:
    """Else a counter would get an entry for each of its words."""
    assert wanted == label(reason)
