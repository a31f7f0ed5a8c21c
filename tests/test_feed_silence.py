"""A symbol of which nothing comes while its link lives: it is asked about, whatever else happens to the link."""

from __future__ import annotations

from typing import Any

import pytest

from orderbook.clock import loop_clock
from orderbook.events import Event
from orderbook.feed.events import LinkReplaced
from orderbook.feed.settings import FeedSettings
from orderbook.simulator import virtual_time
from orderbook.sync import BookSync
from orderbook.testing import VirtualKuCoin, in_virtual_time
from orderbook.types import BookState
from tests.feed_books import BTC
from tests.feed_world import Scene, ScriptedVenue
from tests.waiting import elapse, until


@pytest.mark.parametrize(("stands_at", "state"), [(11, BookState.LIVE), (12, BookState.STALE)])
def test_a_replacement_does_not_end_a_silence(stands_at: int, state: BookState) -> None:
    """However often links are replaced, a symbol that is silent is asked about, and is STALE if its topic is dead."""

    async def main() -> None:
        venue = ScriptedVenue(stands_at=stands_at)
        scene = Scene(venue, FeedSettings(link_life_ms=20_000))
        scene.add("A-B")
        await scene.acknowledged("A-B")
        await elapse(5)
        scene.make_live("A-B")
        silent_ns = loop_clock()
        await elapse(30.5)
        assert [30.0] == [round((asked_ns - silent_ns) / 1e9, 1) for asked_ns in venue.probes]
        await elapse(1)
        assert state is scene.books["A-B"].sync.state
        assert scene.events(LinkReplaced)
        await scene.close()

    virtual_time.run(main)


class Remembering(BookSync):
    """Counts what its driver could not fetch."""

    failed = 0

    def probe_failed(self, now_ns: int = 0) -> tuple[Event, ...]:
        self.failed += 1
        return super().probe_failed(now_ns)


@in_virtual_time
async def test_the_synchroniser_is_told_of_a_probe_that_failed() -> None:
    """So that it waits for no answer to it; the next one is answered."""
    made: list[Remembering] = []

    def make(*args: Any, **kwargs: Any) -> BookSync:
        made.append(Remembering(*args, **kwargs))
        return made[-1]

    async with VirtualKuCoin(symbols=[BTC], seed=3, rate=0.001) as venue:
        outside = venue.outside(new_sync=make)
        async with venue.open_feed([BTC], outside=outside) as feed:
            await feed.ready(BTC, timeout_s=60)
            failing = {"fault": "rest_error", "path": "level1", "code": "900001", "p": 1, "times": 1}
            venue.strike(failing)
            await until(lambda: venue.exchange.ledger.count("rest_error"), 120, every_s=0.1)
            await elapse(60)
            assert [(1, True)] == [(sync.failed, sync.counters.probes_asked > 1) for sync in made]
            assert feed[BTC].is_live
