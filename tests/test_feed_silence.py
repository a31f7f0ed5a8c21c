"""A symbol of which nothing comes while its link lives: it is asked about, whatever else happens to the link."""

from __future__ import annotations

import asyncio

import pytest

from orderbook.clock import loop_clock
from orderbook.feed.events import LinkReplaced
from orderbook.feed.settings import FeedSettings
from orderbook.simulator import virtual_time
from orderbook.types import BookState
from tests.feed_world import Scene, ScriptedVenue


@pytest.mark.parametrize(("stands_at", "state"), [(11, BookState.LIVE), (12, BookState.STALE)])
def test_a_replacement_does_not_end_a_silence(stands_at: int, state: BookState) -> None:
    """However often links are replaced, a symbol that is silent is asked about, and is STALE if its topic is dead."""

    async def main() -> None:
        venue = ScriptedVenue(stands_at=stands_at)
        scene = Scene(venue, FeedSettings(link_life_ms=20_000))
        scene.add("A-B")
        await scene.acknowledged("A-B")
        await asyncio.sleep(5)
        scene.make_live("A-B")
        silent_ns = loop_clock()
        await asyncio.sleep(30.5)
        assert [30.0] == [round((asked_ns - silent_ns) / 1e9, 1) for asked_ns in venue.probes]
        await asyncio.sleep(1)
        assert state is scene.books["A-B"].sync.state
        assert scene.events(LinkReplaced)
        await scene.close()

    virtual_time.run(main)
