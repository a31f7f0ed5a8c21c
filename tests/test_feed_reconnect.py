"""Weeks of one feed: links that are lost, replaced and closed, without a storm, a gap or anything left behind."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import replace
from typing import Any

import pytest

from orderbook.errors import OrderBookError, RestError, Unreachable
from orderbook.feed.errors import FeedClosed, LinkError
from orderbook.feed.events import LinkDown, LinkReplaced, LinkUp
from orderbook.feed.feed import Feed
from orderbook.feed.handover import HELD_MAX, Handover
from orderbook.feed.opening import open_feed
from orderbook.feed.seams import loop_clock
from orderbook.feed.settings import FeedSettings
from orderbook.simulator.faults import FaultPlan
from orderbook.simulator.limits import Limits
from orderbook.simulator.market import Market
from orderbook.simulator.server import LocalKuCoin
from orderbook.types import BookState, Delta
from orderbook.venues.base import decode_frame
from tests import virtual_time
from tests.feed_books import BTC, ETH, FAST, SMALL, is_right, stage, until
from tests.feed_world import (
    VENUE,
    Scene,
    ScriptedSocket,
    ScriptedVenue,
    accepted,
    deaf,
    delta,
    nothing_left,
    obey,
    only_pongs,
    own_tasks,
    own_timers,
)

MS = 1_000_000
MINUTE = 60_000 * MS


def densest(moments: list[int]) -> int:
    """The most moments within one minute, wherever it begins."""
    return max((sum(start <= one < start + MINUTE for one in moments) for start in moments), default=0)


# -- no storm --


def _closes(wire: ScriptedSocket) -> None:
    wire.hang_up("1012 restart")


def _refuses(_wire: ScriptedSocket) -> None:
    raise LinkError("refused with HTTP status 503")


STORMS: dict[str, dict[str, Any]] = {
    "accept-then-close": {"on_connect": _closes},
    "accept-then-silence": {"answer": deaf},
    "no welcome": {"is_welcoming": False},
    "refused": {"on_connect": _refuses},
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
        await asyncio.sleep(60 * minutes)
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
        await asyncio.sleep(600)
        await scene.close()
        return venue.connects

    connects = virtual_time.run(main)
    assert densest(connects) <= 30
    assert len(connects) > 200


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
        await asyncio.sleep(60)
        without_live = keeper._backoff.failures
        _make_live(scene, "A-B")
        await asyncio.sleep(11)
        with_live = keeper._backoff.failures
        await scene.close()
        return grown, without_live, with_live

    grown, without_live, with_live = virtual_time.run(main)
    assert grown >= 7
    assert without_live >= grown
    assert 0 == with_live


def test_a_useful_link_that_ends_in_silence_was_useful() -> None:
    """Its book was STALE when the end was noticed; the back-off is not the venue's, but of the last hour."""

    async def main() -> int:
        scene = Scene()
        scene.add("A-B")
        for number in range(1, 6):
            await scene.opened(number)
            await scene.acknowledged("A-B")
            scene.venue.answer = obey
            _make_live(scene, "A-B")
            await asyncio.sleep(30)
            scene.venue.answer = deaf
            await until(lambda: scene.placement["A-B"].is_connected is False, bound_s=100)
            assert BookState.LIVE is not scene.books["A-B"].sync.state
            scene.venue.answer = obey
        failures = scene.placement["A-B"]._backoff.failures
        await scene.close()
        return failures

    assert virtual_time.run(main) <= 1


def _make_live(scene: Scene, symbol: str) -> None:
    """A delta and the snapshot before it."""
    book = scene.books[symbol]
    book.take(decode_frame(VENUE, delta(symbol, 11), 10_000), loop_clock())
    body = b'{"code":"200000","data":{"sequence":"10","time":1,"bids":[["99","1"]],"asks":[["101","1"]]}}'
    book.sync.receive_snapshot(body, loop_clock(), depth="full")
    assert BookState.LIVE is book.sync.state


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

    async def main() -> int:
        def broken(_wire: ScriptedSocket) -> None:
            if len(scene.venue.sockets) < 4:
                raise ZeroDivisionError

        scene = Scene(ScriptedVenue(on_connect=broken))
        scene.add("A-B")
        await scene.acknowledged("A-B")
        await scene.close()
        return len(scene.venue.sockets)

    assert 4 == virtual_time.run(main)


# -- links that are replaced --

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
        scene = Scene(settings=FeedSettings(link_life_ms=10_000))

        def late(wire: ScriptedSocket, message: dict[str, Any]) -> None:
            way_ms = ways_ms[scene.venue.sockets.index(wire)]
            asyncio.get_running_loop().call_later(way_ms / 1_000, obey, wire, message)

        scene.venue.answer = late
        scene.add("A-B")
        await scene.acknowledged("A-B")
        sync = scene.books["A-B"].sync
        _make_live(scene, "A-B")
        states = [sync.state]
        streaming = asyncio.create_task(_stream(scene, ways_ms))
        while not scene.events(LinkReplaced):
            await asyncio.sleep(0.001)
            states.append(sync.state)
        for _ in range(1_000):
            await asyncio.sleep(0.001)
            states.append(sync.state)
        streaming.cancel()
        found = (states, sync.book.sequence, sync.counters.resets)
        await scene.close()
        return found

    states, sequence, resets = virtual_time.run(main)
    assert {BookState.LIVE} == set(states)
    assert 0 == resets
    assert sequence > 9_000


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
        scene.venue.on_connect = _refuses
        await asyncio.sleep(120)
        cut = [old.is_aborted]
        scene.add("C-D")
        await scene.acknowledged("C-D")
        tries = len(scene.venue.sockets)
        assert [["A-B"], ["C-D"]] == old.topics()
        scene.venue.on_connect = lambda _wire: None
        await until(lambda: scene.events(LinkReplaced), bound_s=100)
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
        await until(lambda: scene.venue.sockets[1].of("subscribe"), bound_s=10)
        after_ns, connects = scene.books["A-B"].pulse.heard_ns, scene.metrics.connects
        await scene.close()
        return before_ns, after_ns, connects

    before_ns, after_ns, connects = virtual_time.run(main)
    assert before_ns == after_ns
    assert 2 == connects


def test_a_handover_is_bounded() -> None:
    """More messages than may be kept, of either link: it is given up."""
    held, brought = Handover(), Handover()
    one = Delta("A-B", 1, 1, (), ())
    for number in range(HELD_MAX):
        held.take(one, number)
        brought.passes(one._replace(sequence_end=number))
    assert (False, False) == (held.is_full, brought.is_full)
    held.take(one, 0)
    brought.passes(one)
    assert (True, True) == (held.is_full, brought.is_full)
    assert HELD_MAX == len(held.switch())


# -- nothing left --


async def _venue(rate: float = 20.0) -> LocalKuCoin:
    venue = LocalKuCoin(Market([BTC, ETH], 1, SMALL, rate), limits=Limits(connects_max=10_000))
    await venue.start()
    return venue


def _feed(venue: LocalKuCoin, settings: FeedSettings = FAST) -> Feed:
    return open_feed("kucoin", [BTC, ETH], url=venue.url, credentials=venue.credentials, settings=settings)


async def test_a_closed_feed_leaves_nothing() -> None:
    """No task, no timer, no socket; closing again does nothing, and every book says so."""
    venue = await _venue()
    async with nothing_left():
        async with _feed(venue) as feed:
            book = await feed.ready(BTC, timeout_s=5)
            assert is_right(book, venue.market[BTC])
            begun_ns = loop_clock()
        assert loop_clock() - begun_ns < 1_000 * MS
        await feed.close()
        assert BookState.CLOSED is book.state
        with pytest.raises(FeedClosed):
            await feed.ready(BTC)
    await venue.close()


@pytest.mark.parametrize("steps", range(0, 150, 10))
async def test_a_feed_may_be_closed_at_any_moment(steps: int) -> None:
    """After so many turns of the loop: while it connects, is welcomed, subscribes, fetches."""
    venue = await _venue()
    async with nothing_left():
        feed = _feed(venue)
        await feed.start()
        for _ in range(steps):
            await asyncio.sleep(0)
        begun_s = time.monotonic()
        await feed.close()
        assert time.monotonic() - begun_s < 1
    await venue.close()


@pytest.mark.parametrize("first", range(0, 60, 20))
async def test_opening_may_be_cancelled_at_any_moment(first: int) -> None:
    """At the n-th turn of the loop, for many n."""
    venue = await _venue()
    for steps in range(first, first + 20, 2):
        async with nothing_left():

            async def use() -> None:
                async with _feed(venue) as feed:
                    await feed.ready(ETH, timeout_s=5)
                    await asyncio.Event().wait()

            task = asyncio.create_task(use())
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    await venue.close()


@pytest.mark.parametrize(
    "fault",
    [
        {"fault": "lost_welcome", "p": 1.0},
        {"fault": "refuse", "p": 1.0},
        {"fault": "lost_ack", "p": 1.0},
        {"fault": "close_on_connect", "p": 1.0},
        {"fault": "hang", "path": "bullet", "p": 1.0},
        {"fault": "hang", "path": "orderbook", "p": 1.0},
        {"fault": "black_hole", "on": "connect", "p": 1.0},
    ],
    ids=lambda one: " ".join(str(value) for value in one.values()),
)
async def test_a_feed_in_trouble_closes_as_well(fault: dict[str, Any]) -> None:
    """Whatever it waits for at that moment."""
    venue = LocalKuCoin(Market([BTC, ETH], 1, SMALL, 20.0), faults=FaultPlan([fault]))
    await venue.start()
    async with nothing_left():
        feed = _feed(venue)
        await feed.start()
        await until(lambda: venue.exchange.ledger.count(str(fault["fault"])))
        begun_s = time.monotonic()
        await feed.close()
        assert time.monotonic() - begun_s < 1
    await venue.close()


async def test_a_feed_closes_while_its_link_is_replaced() -> None:
    """Both links end, at any moment of it."""
    venue = await _venue()
    settings = replace(FAST, link_life_ms=50)
    for steps in range(0, 60, 10):
        async with nothing_left():
            feed = _feed(venue, settings)
            await feed.start()
            await feed.ready(BTC, timeout_s=5)
            count = feed.metrics.connects
            await until(lambda feed=feed, count=count: feed.metrics.connects > count)  # type: ignore[misc]
            for _ in range(steps):
                await asyncio.sleep(0)
            await feed.close()
    await venue.close()


async def test_a_feed_that_cannot_open_leaves_nothing() -> None:
    """A symbol that the venue does not have, a venue that does not answer with symbols."""
    venue = await _venue()
    async with nothing_left():
        with pytest.raises(OrderBookError, match="NO-SUCH"):
            async with open_feed("kucoin", ["NO-SUCH"], url=venue.url):
                pass
    await venue.close()
    async with nothing_left():
        with pytest.raises(RestError):
            async with _feed(venue):
                pass


async def test_feeds_opened_and_closed_again_and_again_leave_nothing() -> None:
    """Each until it is LIVE. ``benchmarks/leaks.py`` does it a thousand times, and measures memory, too."""
    venue = await _venue(rate=500.0)
    async with nothing_left():
        for _ in range(25):
            async with _feed(venue) as feed:
                await feed.ready(BTC, timeout_s=5)
            assert [] == own_tasks()
            assert [] == own_timers()
    assert {} == dict(venue.exchange.violations)
    await venue.close()
