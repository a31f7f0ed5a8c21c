"""A topic that is dead on a live link, and a venue that can be asked: what its book may claim. In virtual time."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from orderbook.feed.events import FeedEvent
from orderbook.testing import VirtualKuCoin, assert_true, in_virtual_time
from orderbook.types import BookState
from tests.waiting import elapse

DEAD: Final = "BTC-USDT"
OTHER: Final = "ETH-USDT"
BOUND_S: Final = 3.2
"""Two seconds of unusual silence, one for the stream to catch up, and the way to the venue and back."""
MUTE_S: Final = 150


class Lag:
    """Since when a book lacks what the venue did."""

    def __init__(self, kucoin: VirtualKuCoin) -> None:
        self._market = kucoin.market[DEAD]
        self._happened: deque[tuple[int, float]] = deque()

    def look(self, held: int, now_s: float) -> float:
        """How long the oldest change is ago that a book at this sequence does not have."""
        if not self._happened or self._happened[-1][0] != self._market.sequence:
            self._happened.append((self._market.sequence, now_s))
        while self._happened and self._happened[0][0] <= held:
            self._happened.popleft()
        return now_s - self._happened[0][1] if self._happened else 0.0


@in_virtual_time
async def test_a_dead_topic_is_found_again_and_again_within_the_bound() -> None:
    """However often mere answers seem to show that it is quiet: each time as soon as the first, and ever more rarely.

    The other symbol of the link never notices, and the book is back with the first delta.
    """
    lags: list[float] = []
    states: list[tuple[str | None, BookState]] = []

    def told(event: FeedEvent) -> None:
        new = getattr(event.event, "new", None)
        if isinstance(new, BookState):
            states.append((event.symbol, new))

    async with VirtualKuCoin(symbols=[DEAD, OTHER], seed=4, rate=60) as kucoin, kucoin.open_feed(on_event=told) as feed:
        loop = asyncio.get_running_loop()
        book = await feed.ready(DEAD, timeout_s=10)
        await feed.ready(OTHER, timeout_s=10)
        await elapse(30)
        states.clear()
        kucoin.strike({"fault": "mute", "scope": DEAD, "for_ms": MUTE_S * 1_000})
        lag, begun_s, live = Lag(kucoin), loop.time(), 0
        while loop.time() - begun_s < MUTE_S - 1:
            await elapse(0.05)
            behind_s = lag.look(book.sequence, loop.time())
            if book.is_live:
                live += 1
                lags.append(behind_s)
        assert BOUND_S > max(lags) > 1
        assert live * 0.05 < MUTE_S / 4
        found = states.count((DEAD, BookState.STALE))
        assert 3 < found < 12
        assert all(symbol == DEAD for symbol, _ in states)
        await elapse(2)
        assert book.is_live
        await elapse(30)
        assert found == states.count((DEAD, BookState.STALE))
        assert_true(book, kucoin.market[DEAD])
