"""The live feed of a venue that begins to count anew while a request is under way, in virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from orderbook.events import SequenceReset, StateChanged
from orderbook.feed.events import FeedEvent
from orderbook.feed.settings import FeedSettings
from orderbook.feed.suspicion import Suspicion
from orderbook.simulator import virtual_time
from orderbook.sync.journal import SyncCounters
from orderbook.testing import VirtualKuCoin
from orderbook.types import BookState
from tests.feed_books import BTC
from tests.simulation.oracle import Breach, Oracle

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
                await asyncio.sleep(1)
                venue.strike({"fault": "delayed_snapshot", "ms": answer_ms, "computed": "early"}, OVERTAKEN)
                await asyncio.sleep(1.35)
                assert (True, 1) == (feed[BTC].is_live, venue.exchange.ledger.count("delayed_snapshot"))
                told.clear()
                losses.clear()
                venue.strike({"fault": "sequence_reset", "back": back})
                for _ in range(answer_ms // 50 + 80):
                    await asyncio.sleep(0.05)
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
                    await asyncio.sleep(0.01)
                    oracle.poll()
                began = loop.time()
                for _ in range(1_000):
                    await asyncio.sleep(0.05)
                    oracle.poll()
                oracle.finish([BTC])
                assert feed[BTC].is_live
                return oracle.breaches, feed.counters(BTC).resets, left[0] - began

    breaches, resets, noticed_s = virtual_time.run(main)
    assert ([], True, 1) == (breaches, noticed_s < 6, resets)


def test_a_delta_that_does_not_fit_is_reason_to_compare_but_not_each() -> None:
    """The longer the rarer, until one of them was right."""
    suspicion, counters = Suspicion(is_whole=True), SyncCounters()
    assert not suspicion.is_new(counters)
    counters.overdue += 1
    assert [True, False] == [suspicion.is_new(counters) for _ in range(2)]
    counters.remove_absent += 1
    assert [True, False] == [suspicion.is_new(counters) for _ in range(2)]
    assert not Suspicion(is_whole=False).is_new(SyncCounters(remove_absent=1))

    at = [second for second in range(200) if suspicion.is_due(second * 1_000_000_000)]
    assert [0, 1, 3, 7, 15, 31, 63, 123, 183] == at
    suspicion.confirm()
    assert [243, 244, 246] == [second for second in range(200, 248) if suspicion.is_due(second * 1_000_000_000)]
