"""The live feed of a venue that begins to count anew while a request is under way, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from orderbook.events import SequenceReset, StateChanged
from orderbook.feed.events import FeedEvent
from orderbook.feed.settings import FeedSettings
from orderbook.feed.suspicion import Suspicions
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


def seconds(due: Callable[[int], bool], upto: int) -> list[int]:
    """At which whole seconds it is."""
    return [second for second in range(upto) if due(second * 1_000_000_000)]


def test_a_delta_that_does_not_fit_is_reason_to_compare_but_not_each() -> None:
    """One kind is asked about ever more rarely, the other every other second; calm, or being right, ends that."""
    some, others = SyncCounters(), SyncCounters()
    absent, overdue = Suspicions(is_whole=True), Suspicions(is_whole=True)

    def removed(now_ns: int) -> bool:
        some.remove_absent += 1
        return absent.are_due(some, now_ns, is_live=True)

    def late(now_ns: int) -> bool:
        others.overdue += 1
        return overdue.are_due(others, now_ns, is_live=True)

    assert [0, 1, 3, 7, 15, 31, 63, 123, 183] == seconds(removed, 200)
    assert [0, 1, 3, 5, 7] == seconds(late, 8)
    absent.confirm()
    assert [243, 244, 246] == [200 + second for second in seconds(lambda ns: removed(ns + 200 * 10**9), 48)]
    assert [1_000, 1_001, 1_003] == [1_000 + second for second in seconds(lambda ns: removed(ns + 10**12), 5)]


def test_a_suspicion_waits_until_its_time_comes_or_the_book_is_lost() -> None:
    """It is not forgotten, though nothing more is heard."""
    counters, suspicions = SyncCounters(overdue=1), Suspicions(is_whole=True)

    def due(now_ns: int) -> bool:
        return suspicions.are_due(counters, now_ns, is_live=True)

    assert [True, False, False] == [due(0), due(0), due(10**10)]
    counters.overdue += 1
    assert [True, False] == [due(2 * 10**10), due(2 * 10**10)]
    counters.overdue += 1
    assert [False, True, False] == [due(2 * 10**10 + 1), due(2 * 10**10 + 10**9), due(10**12)]
    counters.overdue += 1
    assert not suspicions.are_due(counters, 10**12, is_live=False)
    assert not due(10**12)


def test_a_book_that_is_cut_off_is_told_to_remove_what_it_never_knew() -> None:
    """That is no suspicion; to be late is one for any book."""
    suspicions = Suspicions(is_whole=False)
    assert not suspicions.are_due(SyncCounters(remove_absent=5), 0, is_live=True)
    assert suspicions.are_due(SyncCounters(remove_absent=6, overdue=1), 0, is_live=True)
