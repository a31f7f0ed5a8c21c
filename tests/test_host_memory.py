"""REST is dead for an hour while the stream goes on: what is kept is bounded, and told; then all is LIVE."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orderbook.events import LimitReached
from orderbook.simulator.virtual_time import run
from tests.feed_books import BTC
from tests.host_world import CALM, host, loop
from tests.waiting import elapse

HOUR_MS = 3_600_000
FRAMES_MAX = 100


@pytest.mark.parametrize("fault", [{"fault": "hang"}, {"fault": "html"}])
def test_an_hour_without_rest(fault: dict[str, object]) -> None:
    """The buffer keeps to its bound, each overflow is an event; with the first answer the book is LIVE and exact."""

    async def main() -> tuple[int, float]:
        sync = replace(CALM.sync, buffer_frames_max=FRAMES_MAX)
        async with host(settings=replace(CALM, sync=sync), rate=1.5) as on:
            on.venue.strike({**fault, "path": "orderbook", "for_ms": HOUR_MS}, {"fault": "drop", "run": 3})
            longest, keeper = 0, on.feed._books[BTC]
            for _ in range(59):
                await on.watch(0.5)
                await elapse(59.5)
                assert not on.feed[BTC].is_live
                longest = max(longest, len(keeper.sync._machine.buffer))
                assert len(keeper._errands._tasks) <= 2
            await elapse(60)
            healed_s = loop().time()
            await on.settled()
            (limit,) = {(one.name, one.limit) for one in on.told(LimitReached)}
            assert ("buffer_frames_max", FRAMES_MAX) == limit
            frames = on.feed.counters(BTC).frames
            assert frames > 30 * FRAMES_MAX
            assert len(on.told(LimitReached)) >= frames // FRAMES_MAX - 2, "every overflow is told"
            on.check()
            return longest, loop().time() - healed_s

    longest, took_s = run(main)
    assert FRAMES_MAX // 2 < longest <= FRAMES_MAX
    assert took_s < 2 * CALM.sync.snapshot_retry_max_ms / 1e3 + CALM.rest_timeout_ms / 1e3


def test_seconds_of_a_storm_without_rest() -> None:
    """So much comes in a moment that every buffer overflows between one look and the next."""

    async def main() -> None:
        sync = replace(CALM.sync, buffer_frames_max=FRAMES_MAX, buffer_rows_max=300)
        async with host(settings=replace(CALM, sync=sync), rate=2_000.0) as on:
            on.venue.strike({"fault": "hang", "path": "orderbook", "for_ms": 8_000}, {"fault": "drop", "run": 3})
            for _ in range(20):
                await on.watch(0.5)
                buffer = on.feed._books[BTC].sync._machine.buffer
                assert len(buffer) <= FRAMES_MAX
                assert buffer._rows <= 300
            await on.settled()
            assert len(on.told(LimitReached)) > 20
            on.check()

    run(main)
