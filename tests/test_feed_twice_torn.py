"""Symbols on two connections: what neither has brought, or may still bring, is not missing from a LIVE book."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from orderbook.types import BookState
from orderbook.venues.rest import Depth, Priority
from tests.feed_world import ScriptedSocket, delta, eventually, obey, own_timers, refuses
from tests.stream_world import BTC, StreamScene, StreamVenue, played, scene
from tests.waiting import elapse


@dataclass
class QuietVenue(StreamVenue):
    """A venue whose books stand still unless the test moves them.

    Attributes:
        sequence: Where they stand.
    """

    sequence: int = 10

    async def snapshot(self, symbol: str, depth: Depth, *, priority: Priority, rank: int) -> bytes:  # noqa: ARG002 - as Rest has it
        rows = {"bids": [["99", "1"]], "asks": [["101", "1"]]}
        return json.dumps({"code": "200000", "data": {"sequence": str(self.sequence), "time": 1, **rows}}).encode()

    async def probe(self, symbol: str) -> int:  # noqa: ARG002 - as Rest has it
        return self.sequence


@asynccontextmanager
async def pair() -> AsyncIterator[tuple[StreamScene, QuietVenue, list[ScriptedSocket]]]:
    """A book that is LIVE at 11 on two connections."""
    venue = QuietVenue()
    async with scene(venue) as on:
        await on.feed.add(BTC, twice=True)
        await eventually(lambda: venue.has_asked(2))
        await elapse(1)
        move(venue, *venue.sockets, by=delta(BTC, 11))
        await on.feed.ready(BTC, timeout_s=30)
        await eventually(lambda: on.feed[BTC].sequence == 11)
        yield on, venue, venue.sockets[:2]


def move(venue: QuietVenue, *wires: ScriptedSocket, by: bytes) -> None:
    """The next delta, on some connections."""
    venue.sequence += 1
    for wire in wires:
        wire.bring(by)


def unreadable(number: int) -> bytes:
    """A delta with a price that is none."""
    return delta(BTC, number).replace(b'"100"', b'"cheap"')


def test_what_neither_connection_can_read_is_missing() -> None:
    """It shows by no sequence while the symbol is quiet: the book is not LIVE until a snapshot has it."""

    async def story() -> None:
        async with pair() as (on, venue, wires):
            move(venue, wires[0], by=unreadable(12))
            await elapse(0.01)
            assert on.feed[BTC].is_live
            wires[1].bring(unreadable(12))
            await elapse(0.01)
            assert on.feed[BTC].state is BookState.SYNCING
            await on.feed.ready(BTC, timeout_s=60)
            assert 12 == on.feed[BTC].sequence
            assert (1, 1) == tuple(tally.rejected for tally in on.feed.symbol_metrics(BTC).lanes)

    played(story)


@pytest.mark.parametrize("is_mended", [False, True])
def test_the_other_connection_is_needed_until_something_readable_came(is_mended: bool) -> None:
    """Lost meanwhile, it may have taken what was missing with it; behind a later delta the sequence would tell."""

    async def story() -> None:
        async with pair() as (on, venue, wires):
            move(venue, wires[0], by=unreadable(12))
            if is_mended:
                wires[1].bring(delta(BTC, 12))
                move(venue, wires[0], by=delta(BTC, 13))
            await elapse(0.01)
            assert on.feed[BTC].is_live
            wires[1].hang_up()
            await elapse(0.01)
            assert on.feed[BTC].is_live is is_mended
            await on.feed.ready(BTC, timeout_s=60)
            assert (13 if is_mended else 12) == on.feed[BTC].sequence

    played(story)


def test_a_connection_with_a_hole_makes_nothing_fresh() -> None:
    """Only the other one does, and that is silent."""

    async def story() -> None:
        async with pair() as (on, venue, wires):

            def half_deaf(wire: ScriptedSocket, message: dict[str, Any]) -> None:
                if wire is not wires[1]:
                    obey(wire, message)

            venue.answer = half_deaf
            move(venue, wires[0], by=unreadable(12))
            await elapse(6)
            assert not wires[1].is_aborted
            assert not on.feed[BTC].is_live
            venue.answer = obey
            await on.feed.ready(BTC, timeout_s=60)

    played(story)


@pytest.mark.parametrize("is_back", [False, True])
@pytest.mark.parametrize("silent_s", [0.3, 3.0])
def test_a_connection_that_is_behind_does_not_stand_in_for_a_lost_one(silent_s: float, is_back: bool) -> None:
    """Its topic may be dead: at once if it is far behind, else when it should have caught up."""

    async def story() -> None:
        async with pair() as (on, venue, wires):
            move(venue, wires[0], by=delta(BTC, 12))
            await elapse(silent_s)
            move(venue, wires[0], by=delta(BTC, 13))
            await elapse(0.01)
            assert 13 == on.feed[BTC].sequence
            if is_back:
                # It is up again before the other one should have caught up.
                venue.connect_s = lambda: 0.01
            else:
                venue.on_connect = refuses
            wires[0].hang_up()
            venue.sequence = 20
            await elapse(0.01)
            assert on.feed[BTC].is_live is (silent_s < 1)
            await elapse(1)
            assert not on.feed[BTC].is_live or on.feed[BTC].sequence == 20
            await on.feed.ready(BTC, timeout_s=60)
            assert 20 == on.feed[BTC].sequence

    played(story)


def test_a_connection_that_is_a_little_behind_stands_in_for_a_lost_one() -> None:
    """The book is LIVE all the time."""

    async def story() -> None:
        async with pair() as (on, venue, wires):
            for number in (12, 13):
                move(venue, wires[1], by=delta(BTC, number))
            await elapse(0.5)
            wires[1].hang_up()
            await elapse(0.3)
            for number in (12, 13, 14):
                wires[0].bring(delta(BTC, number))
            await elapse(2)
            assert on.feed[BTC].is_live
            assert (14, 1) == (on.feed[BTC].sequence, on.feed[BTC].epoch)

    played(story)


def test_what_comes_while_a_feed_is_closed_leaves_no_timer() -> None:
    """A hole that the other connection could have filled is not waited for any more."""

    async def story() -> None:
        async with pair() as (on, _, wires):
            goodbye = wires[0].close

            async def late() -> None:
                wires[0].bring(delta(BTC, 20))
                await elapse(0.01)
                await goodbye()

            wires[0].close = late  # type: ignore[method-assign]  # the end that a test plays
            await on.feed.close()
            assert [] == own_timers()

    played(story)
