"""The feed for people without asyncio: the venue runs in the test's loop, the user in a thread of blocking code."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable

import pytest
from prometheus_client import CollectorRegistry

import orderbook
from orderbook.feed import prometheus
from orderbook.simulator.faults import FaultPlan
from orderbook.simulator.server import LocalKuCoin
from orderbook.types import BookState
from tests.unchecked import unchecked

SYMBOL = "BTC-USDT"


@pytest.fixture
async def venue() -> AsyncIterator[LocalKuCoin]:
    """A local KuCoin."""
    async with LocalKuCoin(symbols=[SYMBOL, "ETH-USDT"], seed=1, rate=200) as venue:
        yield venue


async def in_thread(work: Callable[[], None]) -> None:
    """Run blocking code beside the loop that the venue needs."""
    async with asyncio.timeout(20):
        await asyncio.to_thread(work)


def feed_of(venue: LocalKuCoin, *symbols: str) -> orderbook.ThreadedFeed:
    """A feed of it, not open yet."""
    return orderbook.ThreadedFeed("kucoin", symbols or (SYMBOL,), url=venue.url, credentials=venue.credentials)


async def test_it_hands_out_views_that_are_right(venue: LocalKuCoin) -> None:
    """Each view is the book of one moment, equal to the truth at its sequence; the state comes with it."""

    def use() -> None:
        with feed_of(venue) as feed:
            first = feed.ready(SYMBOL, timeout_s=10)
            assert first.is_live
            for _ in range(20):
                view = feed.view(SYMBOL, levels=3)
                truth = venue.market[SYMBOL].book(view.sequence, 3)
                assert [(float(price), float(size)) for price, size in truth.bids] == [tuple(row) for row in view.bids]
                assert [(float(price), float(size)) for price, size in truth.asks] == [tuple(row) for row in view.asks]
            assert BookState.LIVE is feed.status(SYMBOL).state
            assert 1 == len(feed.health().links)

    await in_thread(use)


async def test_a_condition_is_waited_for(venue: LocalKuCoin) -> None:
    """A view in which it held, or an error that says that it did not."""

    def use() -> None:
        with feed_of(venue) as feed:
            view = feed.when(SYMBOL, "spread > 0", timeout_s=10, levels=3)
            assert (view.is_live, 3) == (True, len(view.asks))
            with pytest.raises(orderbook.NotInTime):
                feed.when(SYMBOL, lambda view: view.mid is None, timeout_s=0.01)

    await in_thread(use)


async def test_symbols_come_and_go(venue: LocalKuCoin) -> None:
    """As in a feed of asyncio, with the same errors."""

    def use() -> None:
        with feed_of(venue) as feed:
            feed.add("ETH-USDT")
            assert feed.ready("ETH-USDT", timeout_s=10).is_live
            feed.remove(SYMBOL)
            assert ("ETH-USDT",) == feed.symbols
            with pytest.raises(orderbook.UsageError, match="not a symbol of this feed"):
                feed.view(SYMBOL)
            with pytest.raises(orderbook.UnknownSymbol, match="XXX-USDT"):
                feed.add("XXX-USDT")

    await in_thread(use)


async def test_a_callback_runs_in_the_thread_of_the_feed_until_it_is_ended(venue: LocalKuCoin) -> None:
    """Whoever asks from there would wait for himself, and is told so."""
    problems: list[str] = []
    called, asked = threading.Event(), threading.Event()

    def use() -> None:
        with feed_of(venue) as feed:

            def callback(update: orderbook.Update) -> None:
                assert "orderbook-feed" == threading.current_thread().name
                if not asked.is_set():
                    try:
                        feed.view(update.symbol)
                    except orderbook.UsageError as error:
                        problems.append(str(error))
                    asked.set()
                called.set()

            end = feed.listen(SYMBOL, callback)
            assert called.wait(10)
            end()

    await in_thread(use)
    assert ["a threaded feed cannot be asked from its own thread: it would wait for itself"] == problems


async def test_it_cannot_be_closed_from_its_own_thread(venue: LocalKuCoin) -> None:
    """A callback that tries is told so at once, and the feed goes on."""
    problems: list[str] = []
    tried = threading.Event()

    def use() -> None:
        with feed_of(venue) as feed:

            def callback(_update: orderbook.Update) -> None:
                if not tried.is_set():
                    with pytest.raises(orderbook.UsageError) as caught:
                        feed.close()
                    problems.append(str(caught.value))
                    tried.set()

            feed.listen(SYMBOL, callback)
            assert tried.wait(10)
            assert feed.ready(SYMBOL, timeout_s=10).is_live

    await in_thread(use)
    assert ["a threaded feed cannot be asked from its own thread: it would wait for itself"] == problems


async def test_what_cannot_be_called_is_no_callback(venue: LocalKuCoin) -> None:
    """Which is said at once, instead of with every update."""

    def use() -> None:
        with (
            feed_of(venue) as feed,
            pytest.raises(orderbook.UsageError, match="a callback is a function that takes an update, not str"),
        ):
            feed.listen(SYMBOL, unchecked("print"))

    await in_thread(use)


async def test_its_numbers_are_those_of_the_feed(venue: LocalKuCoin) -> None:
    """Copies of one moment: what is counted later does not change them."""

    def use() -> None:
        with feed_of(venue) as feed:
            feed.ready(SYMBOL, timeout_s=10)
            assert ("kucoin", 1, ()) == (feed.venue.name, feed.metrics.connects, feed.dumps)
            assert 0 == len(feed.journal(SYMBOL))
            before = feed.counters(SYMBOL)
            frames = before.frames
            assert 1 == before.joins
            assert feed.symbol_metrics(SYMBOL).received > 0
            while feed.counters(SYMBOL).frames == frames:
                pass
            assert frames == before.frames
            for ask in (feed.counters, feed.journal, feed.symbol_metrics):
                with pytest.raises(orderbook.UsageError, match="not a symbol of this feed"):
                    ask("XXX-USDT")

    await in_thread(use)


async def test_prometheus_takes_it_like_any_feed(venue: LocalKuCoin) -> None:
    """Open or closed."""
    registry = CollectorRegistry()
    labels = {"venue": "kucoin", "symbol": SYMBOL}

    def use() -> None:
        with feed_of(venue) as feed:
            prometheus.register(feed, registry=registry)
            feed.ready(SYMBOL, timeout_s=10)
            assert 1 == registry.get_sample_value("orderbook_state", labels | {"state": "LIVE"})
            assert 1 == registry.get_sample_value("orderbook_joins_total", labels)
            assert 1 == registry.get_sample_value("orderbook_feed_links_up", {"venue": "kucoin"})
        assert registry.get_sample_value("orderbook_state", labels | {"state": "LIVE"}) is None
        assert 0 == registry.get_sample_value("orderbook_feed_links_up", {"venue": "kucoin"})

    await in_thread(use)


async def test_it_ends_with_its_thread(venue: LocalKuCoin) -> None:
    """Closing leaves nothing, may be done twice, and everything after it is told that it is closed."""
    before = set(threading.enumerate())

    def use() -> None:
        feed = feed_of(venue)
        with pytest.raises(orderbook.FeedClosed):
            feed.view(SYMBOL)
        with feed:
            feed.ready(SYMBOL, timeout_s=10)
        feed.close()
        with pytest.raises(orderbook.FeedClosed):
            feed.view(SYMBOL)
        with pytest.raises(orderbook.FeedClosed):
            feed.start()
        assert "orderbook-feed" not in {thread.name for thread in set(threading.enumerate()) - before}

    await in_thread(use)


async def test_what_cannot_be_opened_leaves_no_thread(venue: LocalKuCoin) -> None:
    """The error is that of the feed."""

    def use() -> None:
        with pytest.raises(orderbook.UnknownSymbol, match="XXX-USDT"):
            feed_of(venue, "XXX-USDT").start()
        assert "orderbook-feed" not in {thread.name for thread in threading.enumerate()}

    await in_thread(use)


async def test_waiting_for_a_book_that_does_not_come() -> None:
    """It ends in time, with state and reason."""
    plan = FaultPlan([{"fault": "hang", "path": "orderbook", "p": 1.0}])
    async with LocalKuCoin(symbols=[SYMBOL], seed=1, rate=200, faults=plan) as venue:

        def use() -> None:
            with feed_of(venue) as feed, pytest.raises(orderbook.NotReady, match=r"BTC-USDT.*SYNCING") as caught:
                feed.ready(SYMBOL, timeout_s=0.2)
            assert isinstance(caught.value, TimeoutError)

        await in_thread(use)
