"""Links that are replaced before the venue ends them, without a moment that anybody notices."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from orderbook.clock import loop_clock
from orderbook.feed.events import LinkDown, LinkReplaced, SubscriptionRefused
from orderbook.feed.handover import HELD_MAX, Handover
from orderbook.feed.seams import RecordKind
from orderbook.feed.settings import FeedSettings
from orderbook.simulator import virtual_time
from orderbook.types import BookState, Delta
from orderbook.venues.rest import Token
from snapshots.records import Record
from snapshots.replay import Replay
from tests.feed_books import BTC, ETH, FAST, stage, until
from tests.feed_world import (
    Answer,
    Scene,
    ScriptedSocket,
    ScriptedVenue,
    deaf,
    delta,
    eventually,
    obey,
    only_pongs,
    refuses,
)
from tests.waiting import elapse

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
            await elapse(0.001)
            states.append(sync.state)
        for _ in range(500):
            await elapse(0.001)
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
        await elapse(0.001)


def test_a_replacement_that_fails_leaves_the_old_link_as_it_is() -> None:
    """It is tried again with growing waits, and symbols that are added meanwhile are served by the old one."""

    async def main() -> tuple[int, int]:
        scene = Scene(settings=FeedSettings(link_life_ms=10_000))
        scene.add("A-B")
        await scene.acknowledged("A-B")
        old = await scene.opened(1)
        scene.venue.on_connect = refuses
        await elapse(120)
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


def test_a_venue_that_accepts_no_other_link_is_asked_less_and_less() -> None:
    """The wait grows up to minutes though the old link is of use, and its symbols are served all the time."""

    async def main() -> tuple[int, int, float]:
        scene = Scene(settings=FeedSettings(link_life_ms=60_000))
        scene.add("A-B")
        await scene.acknowledged("A-B")
        scene.make_live("A-B")
        scene.venue.on_connect = refuses
        scene.venue.connect_s = lambda: 5.0
        await elapse(600)
        tries = len(scene.venue.connects)
        served_s = 0.0
        for number in range(100):
            begun_ns = loop_clock()
            scene.add(f"S{number}-B")
            await scene.acknowledged(f"S{number}-B")
            served_s = max(served_s, (loop_clock() - begun_ns) / 1e9)
            await elapse(20)
        later = len(scene.venue.connects) - tries
        assert [] == scene.events(LinkDown)
        await scene.close()
        return tries, later, served_s

    tries, later, served_s = virtual_time.run(main)
    assert 4 < tries < 20
    assert 2 < later < 30
    assert served_s < 0.2


@pytest.mark.parametrize("code", [500, 404])
def test_a_symbol_that_the_venue_does_not_serve_forbids_no_replacement(code: int) -> None:
    """The others change over, and it is asked for as before."""

    def judge(wire: ScriptedSocket, message: dict[str, Any]) -> None:
        if message["type"] == "subscribe" and "C-D" in message["topic"]:
            wire.say(id=message["id"], type="error", code=code, data="system error")
        else:
            obey(wire, message)

    async def main() -> int:
        scene = Scene(ScriptedVenue(answer=judge), FeedSettings(link_life_ms=60_000))
        scene.add("A-B", "C-D", "E-F")
        await scene.acknowledged("A-B", "E-F")
        await elapse(600)
        replaced = len(scene.events(LinkReplaced))
        assert [] == scene.events(LinkDown)
        scene.venue.answer = obey
        await scene.acknowledged("A-B", "C-D", "E-F")
        await scene.close()
        return replaced

    assert 9 <= virtual_time.run(main) <= 11


def test_a_symbol_that_only_the_old_link_serves_is_not_given_up() -> None:
    """What is LIVE stays with the old link, however often the venue refuses it on another."""

    def judge(wire: ScriptedSocket, message: dict[str, Any]) -> None:
        if message["type"] == "subscribe" and "token-1&" not in wire.url and "A-B" in message["topic"]:
            wire.say(id=message["id"], type="error", code=404, data="no such topic")
        else:
            obey(wire, message)

    async def main() -> BookState:
        # Quiet it is: so the book has to ask, and whoever is not answered may not stay LIVE.
        scene = Scene(ScriptedVenue(answer=judge, stands_at=11), FeedSettings(link_life_ms=60_000))
        scene.add("A-B", "E-F")
        await scene.acknowledged("A-B", "E-F")
        scene.make_live("A-B")
        await elapse(600)
        assert [] == scene.events(LinkReplaced, LinkDown, SubscriptionRefused)
        assert all(wire.is_aborted for wire in scene.venue.sockets[1:])
        state = scene.books["A-B"].sync.state
        await scene.close()
        return state

    assert BookState.LIVE is virtual_time.run(main)


def test_replacements_leave_turns_for_links_that_are_lost() -> None:
    """Many links at the end of their lives, more than there are turns for: one that is cut is back at once."""

    async def main() -> list[float]:
        scene = Scene(settings=FeedSettings(topics_max=1, link_life_ms=120_000, connects_max=10))
        symbols = [f"S{number}-B" for number in range(30)]
        scene.add(*symbols)
        await scene.acknowledged(*symbols)
        waits = []
        await elapse(200)
        for number in range(5):
            begun_ns = loop_clock()
            link = scene.placement[symbols[number]]._link
            assert link is not None
            link.end("cut")
            await elapse(0.001)
            await scene.acknowledged(symbols[number])
            waits.append((loop_clock() - begun_ns) / 1e9)
            await elapse(30)
        await scene.close()
        return waits

    assert max(virtual_time.run(main)) < 1


def test_a_handover_begins_with_the_welcome_of_the_new_link() -> None:
    """What the old link brings while the new one waits for its token need not be kept."""

    class Slow(ScriptedVenue):
        async def token(self, *, private: bool = False) -> Token:
            await elapse(30 if self.tokens else 0)
            return await super().token(private=private)

    async def main() -> tuple[bool, bool]:
        scene = Scene(Slow(), FeedSettings(link_life_ms=10_000))
        scene.add("A-B")
        await scene.acknowledged("A-B")
        await elapse(20)
        keeper = scene.placement["A-B"]
        waiting = keeper._sorter.handover is not None
        scene.venue.answer = only_pongs
        await scene.opened(2)
        await elapse(0.05)
        found = (waiting, keeper._sorter.handover is not None)
        await scene.close()
        return found

    assert (False, True) == virtual_time.run(main)


# -- recordings --


class Taped:
    """A scene that is recorded, with a busy symbol and a quiet one."""

    def __init__(self, ways_ms: tuple[int, int], answer: Answer = obey) -> None:
        self.records: list[Record] = []
        self.ways_ms = ways_ms
        self.scene = Scene(settings=FeedSettings(link_life_ms=2_000))
        self.scene.world = replace(self.scene.world, record=self._record)
        self.scene.venue.answer = self._late
        self._answer = answer

    def _record(self, kind: RecordKind, url: str, raw: bytes, status: int | None) -> None:
        self.records.append(Record(loop_clock(), kind, url, raw, status))

    def _late(self, wire: ScriptedSocket, message: dict[str, Any]) -> None:
        way_ms = self.ways_ms[self.scene.venue.sockets.index(wire) % 2]
        asyncio.get_running_loop().call_later(way_ms / 1_000, self._answer, wire, message)

    async def begin(self) -> asyncio.Task[None]:
        self.scene.add("A-B", "C-D")
        await self.scene.acknowledged("A-B", "C-D")
        for symbol in ("A-B", "C-D"):
            self.scene.make_live(symbol)
            address = f"https://api.kucoin.com/api/v3/market/orderbook/level2?symbol={symbol}"
            self._record("ws", self.records[0].url or "", delta(symbol, 11), None)
            body = b'{"code":"200000","data":{"sequence":"10","time":1,"bids":[["99","1"]],"asks":[["101","1"]]}}'
            self._record("rest", address, body, 200)
        return asyncio.create_task(_stream(self.scene, self.ways_ms))

    def replayed(self) -> dict[str, tuple[BookState, int, int]]:
        """State, sequence and resets of each book; none leaves LIVE once it was."""
        run, live = Replay(), set[str]()
        for record in self.records:
            run.feed(record)
            live |= {symbol for symbol, sync in run.books.items() if sync.state is BookState.LIVE}
            assert all(run.books[symbol].state is BookState.LIVE for symbol in live), record
        return {one: (sync.state, sync.book.sequence, sync.counters.resets) for one, sync in run.books.items()}

    def kept(self) -> dict[str, tuple[BookState, int, int]]:
        """The same of the books themselves."""
        syncs = {symbol: book.sync for symbol, book in self.scene.books.items()}
        return {one: (sync.state, sync.book.sequence, sync.counters.resets) for one, sync in syncs.items()}


@pytest.mark.parametrize("ways_ms", [(60, 10), (60, 60), (10, 60), (10, 300)])
def test_a_recording_over_a_replacement_replays_to_the_same_books(ways_ms: tuple[int, int]) -> None:
    """Whichever link is the faster one, and though a symbol is quiet: LIVE throughout, the same sequence, no reset."""

    async def main() -> tuple[dict[str, Any], dict[str, Any], list[Any]]:
        taped = Taped(ways_ms)
        streaming = await taped.begin()
        await eventually(lambda: len(taped.scene.events(LinkReplaced)) == 1)
        await elapse(0.5)
        streaming.cancel()
        found = (taped.kept(), taped.replayed())
        steps = [(one.kind, one.raw) for one in taped.records if one.kind in ("open", "close")]
        assert all(one.url != taped.records[0].url for one in taped.records[-50:])
        await taped.scene.close()
        return *found, steps

    kept, replayed, steps = virtual_time.run(main)
    assert kept == replayed
    assert (BookState.LIVE, 11, 0) == kept["C-D"]
    assert kept["A-B"][1] > 1_800
    assert ["open", "open", "close"] == [kind for kind, _ in steps]
    assert steps[2][1].startswith(b"replaced by wss://one.example/?connectId=")


def test_nothing_of_a_replacement_that_failed_is_recorded() -> None:
    """The books got nothing of it."""

    def no_other(wire: ScriptedSocket, message: dict[str, Any]) -> None:
        if message["type"] == "ping" or "token-1&" in wire.url:
            obey(wire, message)
        else:
            wire.say(id=message["id"], type="error", code=500, data="system error")

    async def main() -> tuple[int, set[str | None], dict[str, Any], dict[str, Any]]:
        taped = Taped((10, 10), no_other)
        streaming = await taped.begin()
        await eventually(lambda: len(taped.scene.venue.sockets) == 3)
        streaming.cancel()
        await elapse(0.5)
        urls = {one.url for one in taped.records if one.kind != "rest"}
        found = (len(taped.scene.venue.sockets), urls, taped.kept(), taped.replayed())
        await taped.scene.close()
        return found

    sockets, urls, kept, replayed = virtual_time.run(main)
    assert sockets >= 3
    assert 1 == len(urls)
    assert kept == replayed
    assert BookState.LIVE is kept["A-B"][0]


def test_a_welcome_of_the_new_link_does_not_freshen_the_old_one() -> None:
    """The books live on the old link until it is replaced, and that one is silent."""

    async def main() -> tuple[int | None, int | None, int]:
        scene = Scene(settings=FeedSettings(link_life_ms=20_000))
        scene.add("A-B")
        await scene.acknowledged("A-B")
        await elapse(17)
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
