"""Waiting for all books of a feed: which are LIVE, and why the others are not."""

from __future__ import annotations

import asyncio

import pytest

from orderbook.feed.errors import FeedClosed
from orderbook.feed.overview import Readiness
from orderbook.simulator.market import default_symbols
from orderbook.testing import VirtualKuCoin, run
from tests.waiting import elapse

NAMES = default_symbols(20)


def test_all_of_them_at_one_moment() -> None:
    """In the order of the feed; at once when they are LIVE already."""

    async def main() -> tuple[Readiness, Readiness]:
        async with VirtualKuCoin(symbols=NAMES, seed=1) as venue, venue.open_feed() as feed:
            return await feed.ready_all(timeout_s=30), await feed.ready_all(timeout_s=0)

    first, again = run(main)
    assert (NAMES, {}, True) == (first.live, first.reasons, first.is_complete)
    assert again == first


def test_what_is_not_in_time_is_told_with_its_reason() -> None:
    """So is what has failed, which nobody waits for."""

    async def main() -> tuple[Readiness, Readiness]:
        async with VirtualKuCoin(symbols=NAMES, seed=1) as venue:
            venue.strike({"fault": "hang", "p": 1.0, "path": "level2", "for_ms": 4_000})
            async with venue.open_feed() as feed:
                await elapse(1)
                feed._books[NAMES[3]].fail("the key is refused")
                early = await feed.ready_all(timeout_s=2)
                return early, await feed.ready_all()

    early, late = run(main)
    assert ((), False) == (early.live, early.is_complete)
    assert NAMES == tuple(early.reasons)
    assert "snapshot" in early.reasons[NAMES[0]]
    assert {NAMES[3]: "the key is refused"} == late.reasons
    assert 19 == len(late.live)


def test_a_feed_that_is_closed_meanwhile_says_so() -> None:
    """Nobody waits for ever."""

    async def main() -> None:
        async with VirtualKuCoin(symbols=NAMES, seed=1) as venue:
            venue.strike({"fault": "hang", "p": 1.0, "path": "level2"})
            feed = await venue.open_feed()
            waiting = asyncio.ensure_future(feed.ready_all())
            await elapse(1)
            await feed.close()
            with pytest.raises(FeedClosed):
                await waiting
            with pytest.raises(FeedClosed):
                await feed.ready_all()

    run(main)


def test_a_book_that_is_removed_is_not_waited_for() -> None:
    """Nor told of."""

    async def main() -> Readiness:
        async with VirtualKuCoin(symbols=NAMES, seed=1) as venue:
            venue.strike({"fault": "hang", "p": 1.0, "path": "level2", "for_ms": 4_000})
            async with venue.open_feed() as feed:
                waiting = asyncio.ensure_future(feed.ready_all())
                await elapse(1)
                await feed.remove(NAMES[0])
                return await waiting

    assert (NAMES[1:], {}) == (run(main).live, run(main).reasons)


def test_one_that_fails_while_it_is_waited_for_is_given_up() -> None:
    """The others are waited for all the same."""

    async def main() -> Readiness:
        async with VirtualKuCoin(symbols=NAMES, seed=1) as venue:
            venue.strike({"fault": "hang", "p": 1.0, "path": "level2", "for_ms": 4_000})
            async with venue.open_feed() as feed:
                waiting = asyncio.ensure_future(feed.ready_all())
                await elapse(1)
                feed._books[NAMES[0]].fail("the key is refused")
                return await waiting

    assert {NAMES[0]: "the key is refused"} == dict(run(main).reasons)
