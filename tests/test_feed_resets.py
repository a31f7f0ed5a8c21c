"""The live feed of a venue that begins to count anew while a request is under way, in virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from orderbook.events import SequenceReset, StateChanged
from orderbook.feed.events import FeedEvent
from orderbook.feed.settings import FeedSettings
from orderbook.simulator import virtual_time
from orderbook.testing import VirtualKuCoin
from orderbook.types import BookState
from tests.feed_books import BTC
from tests.simulation.oracle import Breach, Oracle
from tests.waiting import elapse, until

SETTINGS = FeedSettings(audit_interval_ms=None)
OVERTAKEN = {"fault": "swap", "by": 60, "hold_ms": 150, "times": 1}
"""A hole for long enough that a snapshot is asked for, which is given up when the hole is filled."""


def reset_by(back: int, *, answer_ms: int, seed: int) -> tuple[list[Breach], list[str], list[float]]:
    """The venue falls back by some numbers while an answer of its old count is under way.

    Returns:
        What was broken, what was told since, and how many seconds each loss of LIVE took.
    """

    async def main() -> tuple[list[Breach], list[str], list[float]]:
        loop = asyncio.get_running_loop()
        told: list[Any] = []
        losses: list[float] = []

        def hear(event: FeedEvent) -> None:
            told.append(event.event)
            if isinstance(event.event, StateChanged) and event.event.old is BookState.LIVE:
                losses.append(-loop.time())
            elif isinstance(event.event, StateChanged) and event.event.new is BookState.LIVE and losses:
                losses[-1] += loop.time()

        async with VirtualKuCoin(symbols=[BTC], seed=seed, rate=50) as venue:
            oracle = Oracle(venue)
            outside = venue.outside(new_sync=oracle.maker())
            async with venue.open_feed([BTC], settings=SETTINGS, outside=outside, on_event=hear) as feed:
                await feed.ready(BTC, timeout_s=30)
                await elapse(1)
                venue.strike({"fault": "delayed_snapshot", "ms": answer_ms, "computed": "early"}, OVERTAKEN)
                await elapse(1.35)
                assert (True, 1) == (feed[BTC].is_live, venue.exchange.ledger.count("delayed_snapshot"))
                told.clear()
                losses.clear()
                venue.strike({"fault": "sequence_reset", "back": back})
                for _ in range(answer_ms // 50 + 80):
                    await elapse(0.05)
                    oracle.poll()
                oracle.finish([BTC])
                assert feed[BTC].is_live
                events, lasted = [type(event).__name__ for event in told], list(losses)
        return oracle.breaches, events, lasted

    return virtual_time.run(main)


@pytest.mark.parametrize("back", [66, 80, 100, 130])
@pytest.mark.parametrize("seed", range(3))
def test_no_answer_of_the_old_count_is_ever_live(back: int, seed: int) -> None:
    """Though its wish was given up before the reset, and the new count reaches its sequence."""
    breaches, told, _ = reset_by(back, answer_ms=1_500, seed=seed)
    assert ([], 1) == (breaches, told.count(SequenceReset.__name__))


def test_an_answer_that_is_no_use_is_not_waited_for() -> None:
    """What was asked for before the reset takes half a minute; the book is LIVE again within two seconds."""
    breaches, told, losses = reset_by(100, answer_ms=30_000, seed=1)
    assert ([], 1) == (breaches, told.count(SequenceReset.__name__))
    assert [True] == [0 < loss < 2 for loss in losses]


@pytest.mark.parametrize("rate", [0.5, 3, 10, 100])
@pytest.mark.parametrize("seed", range(2))
def test_a_fall_back_through_numbers_never_heard_is_noticed(rate: float, seed: int) -> None:
    """Just after the join, by as far as the numbers do not tell: the first delta is reason enough to compare."""

    async def main() -> tuple[list[Breach], int, float]:
        loop = asyncio.get_running_loop()
        left: list[float] = []

        def hear(event: FeedEvent) -> None:
            if isinstance(event.event, StateChanged) and event.event.old is BookState.LIVE:
                left.append(loop.time())

        async with VirtualKuCoin(symbols=[BTC], seed=seed, rate=rate) as venue:
            oracle = Oracle(venue)
            outside = venue.outside(new_sync=oracle.maker())
            async with venue.open_feed([BTC], settings=SETTINGS, outside=outside, on_event=hear) as feed:
                await feed.ready(BTC, timeout_s=30)
                left.clear()
                heard = feed.counters(BTC).frames
                venue.strike({"fault": "sequence_reset", "back": 60})
                while feed.counters(BTC).frames == heard:
                    await elapse(0.01)
                    oracle.poll()
                began = loop.time()
                for _ in range(1_000):
                    await elapse(0.05)
                    oracle.poll()
                oracle.finish([BTC])
                assert feed[BTC].is_live
                return oracle.breaches, feed.counters(BTC).resets, left[0] - began

    breaches, resets, noticed_s = virtual_time.run(main)
    assert ([], True, 1) == (breaches, noticed_s < 6, resets)


@pytest.mark.parametrize("answer", ["cached", "on its way"])
@pytest.mark.parametrize("seed", [176, 374])
def test_an_answer_of_the_old_count_does_not_clear_a_slow_symbol_of_suspicion(answer: str, seed: int) -> None:
    """It agrees with the book, where that stood before the venue fell back; so it is asked again, without a delta."""

    async def main() -> tuple[list[Breach], int, bool]:
        async with VirtualKuCoin(symbols=[BTC], seed=seed, rate=0.02) as venue:
            oracle = Oracle(venue)
            outside = venue.outside(new_sync=oracle.maker())
            async with venue.open_feed([BTC], settings=SETTINGS, outside=outside) as feed:
                await feed.ready(BTC, timeout_s=60)
                await elapse(6)
                heard = feed.counters(BTC).frames
                if answer == "on its way":
                    venue.strike({"fault": "delayed_snapshot", "ms": 3_000, "computed": "early"})
                    feed.audit_all()
                    await elapse(0.1)
                venue.strike({"fault": "sequence_reset", "back": 60})
                if answer == "cached":
                    venue.strike({"fault": "stale_snapshot", "ms": 5_000, "times": 1})
                await until(lambda: feed.counters(BTC).frames > heard, 300, every_s=0.01)
                for _ in range(140):
                    await elapse(0.05)
                    oracle.poll()
                counters = feed.counters(BTC)
                assert 1 == counters.frames - heard
                return oracle.breaches, counters.audits, counters.resets == 1

    assert ([], 1, True) == virtual_time.run(main)


def test_two_neighbours_that_change_places_do_not_clear_a_book_of_suspicion() -> None:
    """The book waits for a moment, and is the same as before: wrong, as a removal that it cannot follow has shown."""

    async def main() -> tuple[int, int]:
        kucoin = VirtualKuCoin(symbols=[BTC], seed=0, rate=20)
        async with kucoin as venue, venue.open_feed([BTC], settings=SETTINGS) as feed:
            await feed.ready(BTC, timeout_s=60)
            await elapse(20)

            async def removal() -> None:
                absent = feed.counters(BTC).remove_absent
                venue.strike({"fault": "ghost_delete", "times": 1})
                await until(lambda: feed.counters(BTC).remove_absent > absent, 60, every_s=0.01)

            # The venue does that more often, so the comparisons become rare.
            for calm_s in (5, 5, 5, 0.3):
                await removal()
                await elapse(calm_s)
            venue.strike({"fault": "corrupt", "what": "missing", "times": 1})
            await elapse(0.5)
            await removal()
            failed = feed.counters(BTC).audits_failed
            venue.strike({"fault": "swap", "by": 1, "times": 1})
            await elapse(10)
            counters = feed.counters(BTC)
            return counters.reorders, counters.audits_failed - failed

    assert (1, 1) == virtual_time.run(main)
