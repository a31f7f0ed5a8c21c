"""Readers in many threads while the book is rebuilt under them: every view is of one moment, or of none."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

import orderbook
from orderbook.results import BookView
from orderbook.simulator.faults import FaultPlan
from orderbook.simulator.limits import Limits
from orderbook.simulator.market import SymbolMarket
from orderbook.simulator.server import LocalKuCoin
from orderbook.types import BookState
from tests.feed_books import BTC, FAST, SMALL

READERS = 8
LEVELS = 5
ROUGH = FaultPlan([
    {"fault": "drop", "run": 3, "every": 20},
    {"fault": "swap", "every": 33},
    {"fault": "disconnect", "every_ms": 300, "times": 3},
    {"fault": "sequence_reset", "base": 77, "at_ms": 500},
])  # fmt: skip  # the brackets hold one list


@pytest.fixture
async def venue() -> AsyncIterator[LocalKuCoin]:
    """One whose stream has holes, whose links break, and which counts anew."""
    market = {BTC: SymbolMarket(BTC, 3, SMALL, rate=400.0, history=100_000)}
    async with LocalKuCoin(market, seed=3, faults=ROUGH, limits=Limits(spot_weight_max=10**6)) as venue:
        yield venue


def is_true(view: BookView[float], venue: LocalKuCoin) -> bool:
    """Whether the levels are the best ones of the view's sequence, in one of the venue's counts."""
    source = venue.market[BTC]
    ours = [[tuple(level) for level in side] for side in (view.bids, view.asks)]
    for epoch in range(source.epoch + 1):
        try:
            truth = source.book(view.sequence, LEVELS, epoch=epoch)
        except orderbook.UsageError:
            continue  # That count never came to this sequence.
        if ours == [[(float(price), float(size)) for price, size in side] for side in (truth.bids, truth.asks)]:
            return True
    return False


def read_for(feed: orderbook.ThreadedFeed, ended: threading.Event) -> list[BookView[float]]:
    """Views, one after the other; of those that are alike, one."""
    views: list[BookView[float]] = []
    while not ended.is_set():
        view = feed.view(BTC, levels=LEVELS)
        if not views or (view.epoch, view.sequence, view.state) != (
            views[-1].epoch,
            views[-1].sequence,
            views[-1].state,
        ):
            views.append(view)
    return views


def checked(views: Sequence[BookView[float]], venue: LocalKuCoin) -> tuple[int, int]:
    """Each is true, or empty; and they come in order. How many are LIVE, and how many are not."""
    live = [view for view in views if view.state is BookState.LIVE]
    others = [view for view in views if view.state is not BookState.LIVE]
    assert [] == [view for view in live if not is_true(view, venue)]
    assert [] == [view for view in others if view.bids or view.asks]
    order = [(view.epoch, view.sequence) for view in live]
    assert sorted(order) == order
    return len(live), len(others)


async def test_views_of_many_threads_are_never_torn(venue: LocalKuCoin) -> None:
    """Eight threads read while the book is resynchronised a dozen times; each view equals the truth at its sequence."""
    ended = threading.Event()
    with ThreadPoolExecutor(READERS + 1) as pool:

        def use() -> int:
            keys = venue.credentials
            with orderbook.ThreadedFeed("kucoin", [BTC], url=venue.url, credentials=keys, settings=FAST) as feed:
                feed.ready(BTC, timeout_s=10)
                reading = [pool.submit(read_for, feed, ended) for _ in range(READERS)]
                try:
                    while feed.counters(BTC).resyncs < 12 or venue.market[BTC].epoch == 0:
                        pass
                finally:
                    ended.set()
                seen.extend(one.result() for one in reading)
                return feed.counters(BTC).resyncs

        seen: list[list[BookView[float]]] = []
        async with asyncio.timeout(30):
            resyncs = await asyncio.get_running_loop().run_in_executor(pool, use)
    assert resyncs >= 12
    counts = [checked(views, venue) for views in seen]
    assert READERS == len(counts)
    assert min(live for live, _ in counts) > 10
    assert sum(others for _, others in counts) > READERS


async def test_a_view_is_not_changed_by_what_comes_later(venue: LocalKuCoin) -> None:
    """It is a copy: a hundred updates later it says the same, and nobody can change it."""
    field = "sequence"

    def use() -> tuple[BookView[float], str]:
        keys = venue.credentials
        with orderbook.ThreadedFeed("kucoin", [BTC], url=venue.url, credentials=keys, settings=FAST) as feed:
            while not (view := feed.view(BTC, levels=LEVELS)).is_live:
                pass
            text = repr(view)
            while feed.counters(BTC).applied < 100:
                pass
            with pytest.raises(AttributeError):
                setattr(view, field, 0)
            return view, text

    async with asyncio.timeout(30):
        view, text = await asyncio.to_thread(use)
    assert text == repr(view)
    assert is_true(view, venue)


async def test_a_callback_that_exits_ends_neither_the_thread_nor_the_feed(venue: LocalKuCoin) -> None:
    """``sys.exit`` in the feed's thread would end nothing but the feed, in silence: it is counted like any mistake."""
    called = threading.Event()

    def leaves(_update: orderbook.Update) -> None:
        called.set()
        raise SystemExit(3)

    def use() -> int:
        keys = venue.credentials
        with orderbook.ThreadedFeed("kucoin", [BTC], url=venue.url, credentials=keys, settings=FAST) as feed:
            feed.listen(BTC, leaves, deliver="every")
            assert called.wait(10)
            feed.ready(BTC, timeout_s=10)
            while feed.symbol_metrics(BTC).callback_errors < 3:
                pass
            return os.getpid()

    async with asyncio.timeout(30):
        assert os.getpid() == await asyncio.to_thread(use)
