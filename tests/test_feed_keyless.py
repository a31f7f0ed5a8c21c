"""Without a key: 100 levels a side, an honest horizon, and re-seeding in the background while the market walks off."""

from __future__ import annotations

from decimal import Decimal

import pytest

from orderbook.errors import BeyondHorizon, BookNotLive
from orderbook.feed.opening import open_feed
from orderbook.side import SideView
from orderbook.simulator.server import LocalKuCoin
from orderbook.types import BookState
from tests.feed_books import BTC, ETH, Stage, known, stage, until


def _ask_beyond(on: Stage, symbol: str) -> int:
    """Ask for more than is known, on both sides; how many levels are."""
    book = on.feed[symbol]
    try:
        counts = [len(known(side)[0]) for side in (book.exact.bids, book.exact.asks)]
    except BookNotLive:
        return 0
    with pytest.raises(BeyondHorizon):
        book.depth(max(counts) + 1)
    with pytest.raises(BeyondHorizon):
        book.depth_within(bps=9_000)
    partial = book.depth(max(counts) + 1, allow_partial=True)
    assert counts == [len(partial.bids), len(partial.asks)]
    return min(counts)


async def test_a_market_that_walks_through_the_horizon_is_followed() -> None:
    """Inside the horizon every answer is right, beyond it none is given, and the book never leaves LIVE."""
    async with stage(profile="trending", depth=100, rate=1_000, seed=2) as on:
        on.strike()
        first = on.feed[BTC].exact.best_bid
        fewest = 100

        def moved() -> bool:
            nonlocal fewest
            fewest = min(fewest, _ask_beyond(on, BTC))
            return on.feed.counters(BTC).reseeds >= 2 and on.feed.counters(ETH).reseeds >= 2

        await until(moved)
        await on.settled()

        on.check()
        assert not on.watch.transitions
        assert fewest > 0
        assert first != on.feed[BTC].exact.best_bid
        assert all(BookState.LIVE is on.feed[symbol].state for symbol in (BTC, ETH))


async def test_gaps_and_horizons_together() -> None:
    """Lost deltas, old snapshots and a walking market: still nothing wrong inside the horizon."""
    async with stage(profile="trending", depth=100, rate=600, seed=4) as on:
        on.strike(
            {"fault": "drop", "nth": [50, 200, 420], "run": 2},
            {"fault": "stale_snapshot", "by": 40, "nth": [1, 3, 5]},
            {"fault": "delayed_snapshot", "ms": 30, "nth": [2, 4]},
        )
        await until(lambda: on.struck("drop") >= 6 and on.feed.counters(BTC).reseeds)
        await on.settled()

        on.check()


async def test_an_open_feed_without_a_key_has_a_horizon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys of the environment are not for a strange host, so 100 levels a side are asked for, unsigned."""
    for name in ("KEY", "SECRET", "PASSPHRASE"):
        monkeypatch.setenv(f"KUCOIN_API_{name}", "of-another-host")
    async with LocalKuCoin(symbols=1, seed=5) as venue, open_feed("kucoin", [BTC], url=venue.url) as feed:
        book = await feed.ready(BTC, timeout_s=30)
        sides: tuple[SideView[Decimal, Decimal], ...] = (book.exact.bids, book.exact.asks)
        assert [True, True] == [known(side)[1] for side in sides]
        assert all(50 < len(known(side)[0]) <= 130 for side in sides)
        assert 0 == venue.exchange.state()["weight_used"]["spot"]
        assert {} == dict(venue.exchange.violations)
