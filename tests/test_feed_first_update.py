"""What a subscriber that is there from the first moment gets to see: no level before LIVE, then the whole book."""

from __future__ import annotations

import asyncio

import pytest

from orderbook.feed.delivery import Deliver
from orderbook.results import BookView
from orderbook.simulator.source import Source
from orderbook.testing import VirtualKuCoin, run
from orderbook.types import BookState

BTC = "BTC-USDT"
ALL = 100_000


def is_true(view: BookView[float], source: Source) -> bool:
    """Whether a view is the venue's whole book."""
    book = source.book(view.sequence)
    sides = ((book.bids, view.bids), (book.asks, view.asks))
    return all([(float(p), float(s)) for p, s in theirs] == [tuple(level) for level in ours] for theirs, ours in sides)


@pytest.mark.parametrize("deliver", ["every", "latest", "best"])
def test_no_level_is_delivered_before_the_book_is_live(deliver: Deliver) -> None:
    """Each update on the way tells a state and holds nothing; the first that is LIVE is the venue's book."""

    async def main() -> list[tuple[BookView[float], bool]]:
        seen: list[tuple[BookView[float], bool]] = []
        async with VirtualKuCoin(symbols=[BTC], seed=3, rate=40) as venue:
            venue.strike({"fault": "delayed_snapshot", "ms": 700}, {"fault": "late_welcome", "ms": 300})
            async with venue.open_feed() as feed, asyncio.timeout(30):
                async for update in feed.updates(BTC, deliver=deliver, levels=ALL):
                    view = update.view
                    seen.append((view, not view.is_live or is_true(view, venue.market[BTC])))
                    if view.is_live:
                        break
        return seen

    seen = run(main)

    assert all(is_right for _, is_right in seen)
    *before, (last, _) = seen
    assert BookState.LIVE is last.state
    assert before
    assert [] == [view for view, _ in before if view.bids or view.asks]
