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
