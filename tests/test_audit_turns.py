"""Audits take turns: of n books each is compared once in n intervals, and not only on the average."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

from orderbook.events import AuditPassed
from orderbook.feed.events import FeedEvent
from orderbook.feed.settings import FeedSettings
from orderbook.testing import VirtualKuCoin, run
from tests.waiting import elapse

SYMBOLS = ["BTC-USDT", "ETH-USDT", "SOL-USDT", "XRP-USDT"]
INTERVAL_S = 2


def test_no_book_waits_for_two_rounds() -> None:
    """From one comparison of a book to its next one the others have had one each."""

    async def main() -> dict[str, list[float]]:
        passed: dict[str, list[float]] = defaultdict(list)
        async with VirtualKuCoin(symbols=SYMBOLS, seed=5, rate=80) as venue:

            def note(event: FeedEvent) -> None:
                if isinstance(event.event, AuditPassed) and event.symbol is not None:
                    passed[event.symbol].append(venue.now_ns() / 1e9)

            settings = FeedSettings(audit_interval_ms=INTERVAL_S * 1_000)
            async with venue.open_feed(settings=settings, on_event=note):
                await elapse(100)
        return passed

    passed = run(main)
    assert set(SYMBOLS) == passed.keys()
    longest_s = max(later - sooner for times in passed.values() for sooner, later in pairwise(times))
    assert longest_s < len(SYMBOLS) * INTERVAL_S + 1
