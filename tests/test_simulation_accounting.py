"""Every fault shows in the counters: as many as were injected, and nothing else than without them.

Each row strikes one symbol of a run again and again, far enough apart to be told from one another. The same run without
the fault is what the counters are compared with: an honest market removes absent levels and sends rows of price 0, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from orderbook.feed.settings import FeedSettings
from orderbook.sync.journal import SyncCounters
from orderbook.testing import VirtualKuCoin, run
from tests.waiting import elapse

BTC, ETH = "BTC-USDT", "ETH-USDT"
STRIKES = [40, 140, 240, 340, 440, 540]
Count = Callable[[SyncCounters], int]


def counted(seed: int, *faults: Mapping[str, object]) -> tuple[SyncCounters, dict[str, int], int]:
    """The counters of the book after a run of 20 virtual s, what was injected, and the frames that were received."""

    async def main() -> tuple[SyncCounters, dict[str, int], int]:
        received: Counter[str] = Counter()

        def record(kind: str, _url: str, raw: bytes, _status: int | None) -> None:
            # One that is all brackets names nobody.
            received[BTC] += kind == "ws" and (b"/market/level2:BTC-USDT" in raw or b"[[[[" in raw)

        async with VirtualKuCoin(symbols=[BTC, ETH], seed=seed, rate=80) as venue:
            settings = FeedSettings(audit_interval_ms=None)
            async with venue.open_feed(settings=settings, outside=venue.outside(record=record)) as feed:
                for symbol in feed.symbols:
                    await feed.ready(symbol, timeout_s=10)
                venue.strike(*faults)
                await elapse(20)
                await feed.ready(BTC, timeout_s=10)
                return feed.counters(BTC), venue.exchange.ledger.totals(), received[BTC]

    return run(main)


ROWS: tuple[tuple[dict[str, Any], str, Count, int], ...] = (
    ({"fault": "drop"}, "gaps", lambda c: c.gaps, 1),
    ({"fault": "drop", "run": 3}, "gaps", lambda c: c.gaps, 1),
    ({"fault": "duplicate"}, "duplicates", lambda c: c.duplicates, 1),
    ({"fault": "duplicate", "lag": 5}, "duplicates", lambda c: c.duplicates, 1),
    ({"fault": "swap"}, "reorders and gaps", lambda c: c.reorders + c.gaps, 1),
    ({"fault": "price_zero"}, "rows of price 0", lambda c: c.price_zero, 1),
    ({"fault": "price_zero", "size": "7"}, "rows of price 0", lambda c: c.price_zero, 1),
    ({"fault": "garble", "how": "cut"}, "rejected", lambda c: c.rejected_count, 1),
    ({"fault": "garble", "how": "utf8"}, "rejected", lambda c: c.rejected_count, 1),
    ({"fault": "garble", "how": "nest"}, "rejected", lambda c: c.rejected_count, 1),
    ({"fault": "wrong_symbol"}, "rejected", lambda c: c.rejected_count, 1),
    ({"fault": "ghost_delete"}, "removals of what is not there", lambda c: c.remove_absent, 1),
    ({"fault": "merge", "rows": 3}, "frames", lambda c: c.frames, -2),
)


@pytest.mark.parametrize(
    ("fault", "name", "count", "each"), ROWS, ids=lambda value: str(value) if isinstance(value, dict) else ""
)
def test_a_fault_is_counted_as_often_as_it_was_injected(
    fault: dict[str, Any], name: str, count: Count, each: int
) -> None:
    """The counter of its reason moves by one for each, against the same run without it."""
    without, nothing, _ = counted(3)
    counters, injected, received = counted(3, {**fault, "nth": STRIKES, "scope": BTC})

    strikes = injected.pop(fault["fault"]) // fault.get("run", 1)
    assert {} == nothing == injected
    assert len(STRIKES) == strikes
    assert each * strikes == count(counters) - count(without), name
    assert received == counters.frames
