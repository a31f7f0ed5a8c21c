"""One connection that is up: pings and pongs, requests and answers, and a loop that was held up."""

from __future__ import annotations

import asyncio
from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from orderbook.clock import loop_clock
from orderbook.feed.errors import LinkError
from orderbook.feed.events import LinkDown, LinkUp
from orderbook.feed.link import Link, label
from orderbook.feed.seams import SocketClosed
from orderbook.feed.served import Brought
from orderbook.feed.sockets import BATCH_MAX
from orderbook.simulator import virtual_time
from orderbook.simulator.limits import Limits
from orderbook.types import Delta
from tests.feed_books import stage, until
from tests.feed_world import (
    Ear,
    ScriptedSocket,
    deaf,
    delta,
    frame,
    lively,
    only_pongs,
    up,
)
from tests.waiting import elapse, turn

MS = 1_000_000
PINGING: dict[str, Any] = {"ping_interval_ms": 100, "ping_timeout_ms": 150}
"""A venue that wants to be pinged often."""
TALKATIVE = Limits(messages_max=1_000)


# -- pings --


def _gaps_ms(wire: ScriptedSocket, begun_ns: int) -> list[int]:
    moments = [begun_ns, *(at_ns for at_ns, message in wire.sent if message["type"] == "ping")]
    return [round((late - early) / MS) for early, late in pairwise(moments)]


def test_a_silent_link_is_pinged() -> None:
    """After ``ping_silence_ms`` without a frame, and again as long as only pongs come."""

    async def main() -> list[int]:
        async with up(wire := ScriptedSocket()):
            begun_ns = loop_clock()
            await elapse(20.5)
        return _gaps_ms(wire, begun_ns)

    assert [2_000] * 10 == virtual_time.run(main)


def test_a_busy_link_is_pinged_twice_in_a_silence() -> None:
    """Only pongs tell that what is read is no backlog; and that the venue knows that we are there."""

    async def main() -> list[int]:
        async with up(wire := ScriptedSocket()):
            begun_ns = loop_clock()
            talking = asyncio.create_task(lively(wire, every_s=0.1))
            await elapse(100)
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
        async with up(wire := ScriptedSocket(answer=deaf)) as link:
            begun_ns = loop_clock()
            talking = asyncio.create_task(lively(wire, every_s=0.1))
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
        async with up(ScriptedSocket(answer=wrong)) as link:
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


def test_a_ping_that_fails_in_any_way_ends_the_link() -> None:
    """Without pings, nobody would find out that it is dead."""

    class Broken(ScriptedSocket):
        async def send(self, text: str) -> None:
            raise OSError(9, text)

    async def main() -> str:
        async with up(Broken()) as link:
            return await link.ended

    assert "internal error: OSError" == virtual_time.run(main)


# -- requests --


def test_answers_are_matched_by_id() -> None:
    """Two requests under way, answered in the other order."""

    async def main() -> list[str]:
        waiting: list[dict[str, Any]] = []
        async with up(wire := ScriptedSocket(answer=lambda _wire, message: waiting.append(message))) as link:
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
        async with up(wire := ScriptedSocket()) as link:
            await asyncio.gather(*(link.request(partial(_named, "x")) for _ in range(250)))
            return [at_ns for at_ns, _ in wire.sent]

    sent = virtual_time.run(main)
    assert max(sum(start <= one < start + 10_000 * MS for one in sent) for start in sent) <= 100
    assert sent[-1] - sent[0] < 30_000 * MS


async def test_a_request_on_a_link_that_ends_is_a_link_error() -> None:
    """Whoever waits is told at once, with the reason."""
    async with up(ScriptedSocket(answer=deaf)) as link:
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
        async with up(Stuck()) as link:
            request = asyncio.create_task(link.request(partial(_named, "x")))
            await elapse(0.1)
            link.end("over")
            with pytest.raises(LinkError):
                await request

    virtual_time.run(main)
    assert [] == complaints


def test_the_first_reason_counts() -> None:
    """An error frame before the end explains it; whatever comes later is no reason."""

    async def main() -> str:
        async with up(wire := ScriptedSocket(answer=only_pongs)) as link:
            wire.say(id="conn", type="error", code=400, data="ping timeout")
            wire.hang_up("1000 Bye")
            reason = await link.ended
            link.end("something else")
            assert reason == link.ended.result()
            return reason

    assert "1000 Bye (error 400 ping timeout)" == virtual_time.run(main)


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


# -- batches --


class Backlog(ScriptedSocket):
    """A socket on which much has arrived."""

    def __init__(self, frames: list[bytes]) -> None:
        super().__init__()
        self.frames = frames

    async def receive_batch(self) -> list[bytes]:
        """As much as may be, and then one by one."""
        if not self.frames:
            return [await self.receive()]
        batch, self.frames = self.frames[:BATCH_MAX], self.frames[BATCH_MAX:]
        return batch


def test_a_backlog_leaves_room_for_others() -> None:
    """However long it is: between two batches everybody else on the loop has a turn. All of it comes, in its order."""

    async def main() -> tuple[list[int], list[int]]:
        wire, ear = Backlog([delta("A-B", number) for number in range(1, 5 * BATCH_MAX)]), Ear()
        seen: list[int] = []
        async with up(wire, ear=ear):
            while wire.frames or not seen:
                seen.append(len(ear.messages))
                await turn()
            seen.append(len(ear.messages))
            await elapse(1)
        return seen, [message.sequence_end for message in ear.messages if isinstance(message, Delta)]

    seen, sequences = virtual_time.run(main)
    assert [*range(1, 5 * BATCH_MAX)] == sequences
    assert all(late - early <= BATCH_MAX for early, late in pairwise(seen))


def test_nothing_is_read_behind_the_end() -> None:
    """Who ends a link in the middle of a batch gets nothing more of it."""

    class Enough(Ear):
        link: Link

        def take(self, message: Brought, now_ns: int) -> None:
            super().take(message, now_ns)
            if len(self.messages) == 3:
                self.link.end("enough")

    async def main() -> int:
        wire, ear = Backlog([delta("A-B", number) for number in range(1, 10)]), Enough()
        async with up(wire, ear=ear) as link:
            ear.link = link
            assert "enough" == await link.ended
            await elapse(1)
        return len(ear.messages)

    assert 3 == virtual_time.run(main)


def test_a_silence_that_a_batch_ends_is_told_once() -> None:
    """With its first frame, before the others."""

    async def main() -> int:
        wire, ear = Backlog([]), Ear()
        async with up(wire, ear=ear):
            await elapse(1)
            wire.frames = [delta("A-B", number) for number in range(1, 10)]
            wakes = ear.wakes
            await elapse(3)
            return ear.wakes - wakes

    assert 1 == virtual_time.run(main)
