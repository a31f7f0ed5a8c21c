"""Streams beside the books: subscribed once, while somebody reads; and what is missing stands where it is missing."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import pytest

from orderbook.clock import loop_clock
from orderbook.errors import UnknownSymbol, UsageError
from orderbook.feed.errors import FeedClosed, NoCredentials, StreamNotReady
from orderbook.feed.events import CallbackFailed, SubscriptionRefused
from orderbook.feed.feed import Feed
from orderbook.feed.stream import Stream
from orderbook.streams import Missed, Trade
from tests.feed_world import ScriptedSocket, eventually, obey
from tests.kucoin_pushes import STREAMS, SYMBOL
from tests.stream_world import BTC, ETH, SOL, StreamVenue, played, said, scene, take, trade
from tests.waiting import elapse, turn

Open = Callable[[Feed], Stream[Any]]

OPENED: dict[str, tuple[Open, list[str]]] = {
    "trade": (lambda feed: feed.trades(BTC), [f"/market/match:{BTC}"]),
    "candle": (lambda feed: feed.candles(BTC, "1min"), [f"/market/candles:{BTC}_1min"]),
    "ticker": (lambda feed: feed.tickers(BTC), [f"/market/ticker:{BTC}"]),
    "ticker of all": (lambda feed: feed.tickers("all"), ["/market/ticker:all"]),
    "touch": (lambda feed: feed.touches(BTC), [f"/spotMarket/level1:{BTC}"]),
    "top 5": (lambda feed: feed.top_levels(BTC), [f"/spotMarket/level2Depth5:{BTC}"]),
    "top 50": (lambda feed: feed.top_levels(BTC, levels=50), [f"/spotMarket/level2Depth50:{BTC}"]),
    "stats": (lambda feed: feed.market_stats(BTC), [f"/market/snapshot:{BTC}"]),
    "balance": (lambda feed: feed.balances(), ["/account/balance"]),
    "order": (lambda feed: feed.orders(), ["/spotMarket/tradeOrdersV2"]),
    "order V1": (lambda feed: feed.orders(version=1), ["/spotMarket/tradeOrders"]),
    "stop order": (lambda feed: feed.stop_orders(), ["/spotMarket/advancedOrders"]),
}
"""How each stream is read, and what the venue is asked for."""


# -- subscribing --


@pytest.mark.parametrize("name", STREAMS)
def test_each_stream_is_asked_for_and_delivered(name: str) -> None:
    """By its topic, on a connection of its kind; what comes is what is decoded, with the time of its receipt."""
    stream, (read, topics) = STREAMS[name], OPENED[name]
    assert SYMBOL == BTC

    async def story() -> None:
        async with scene(has_key=True) as on:
            reader = read(on.feed)
            await reader.ready(timeout_s=10)
            wire = await on.socket()
            assert topics == on.venue.asked()
            assert [stream.is_private] == [message["privateChannel"] for message in wire.of("subscribe")]
            assert [stream.is_private] == on.venue.private
            await elapse(1.5)
            now_ns = loop_clock()
            wire.bring(stream.text().encode())
            message = await anext(reader)
            assert now_ns == message.received_ns
            assert (1, 1, 0, 0) == (reader.received, reader.delivered, reader.skipped, reader.waiting)
            health = on.feed.health()
            assert (0, 1, 1) == (health.books, health.streams, health.streams_live)

    played(story)


def test_many_symbols_are_asked_for_in_batches_of_one_path() -> None:
    """As many names in a request as its topic allows; all streams of the market share their connections."""

    async def story() -> None:
        async with scene() as on:
            readers: list[Stream[Any]] = [
                *(on.feed.trades(BTC, ETH, SOL), on.feed.tickers(ETH, SOL), on.feed.market_stats(BTC, ETH)),
                *(on.feed.candles(BTC, "1min"), on.feed.candles(BTC, "1hour")),
            ]
            for reader in readers:
                await reader.ready(timeout_s=10)
            assert 1 == len(on.venue.sockets)
            assert [
                *(f"/market/candles:{BTC}_1hour", f"/market/candles:{BTC}_1min", f"/market/match:{BTC},{ETH},{SOL}"),
                *(f"/market/snapshot:{BTC}", f"/market/snapshot:{ETH}", f"/market/ticker:{ETH},{SOL}"),
            ] == sorted(on.venue.asked())

    played(story)


def test_books_and_streams_share_no_connection() -> None:
    """And an account has one of its own, with a token of its own."""

    async def story() -> None:
        async with scene(has_key=True) as on:
            await on.feed.add(BTC)
            readers: list[Stream[Any]] = [on.feed.trades(BTC), on.feed.orders(), on.feed.balances()]
            for reader in readers:
                await reader.ready(timeout_s=10)
            await eventually(lambda: 4 == len(on.venue.asked()))
            assert [1, 1, 2] == [link.symbols for link in on.feed.health().links]
            assert ["1", "streams 2", "account 3"] == [link.name for link in on.feed.health().links]
            assert [False, False, True] == sorted(on.venue.private)

    played(story)


def test_a_topic_is_subscribed_once_and_for_as_long_as_somebody_reads_it() -> None:
    """However many read it; the last one who closes, or who lets go, ends it. A new one begins anew."""

    async def story() -> None:
        async with scene() as on:
            one, other = on.feed.trades(BTC), on.feed.trades(BTC, ETH)
            await other.ready(timeout_s=10)
            wire = await on.socket()
            wire.bring(trade(1))
            assert [[1], [1]] == [await take(one, 1), await take(other, 1)]
            one.close()
            one.close()
            await elapse(1)
            assert [] == on.venue.asked("unsubscribe")
            wire.bring(trade(2))
            assert [2] == await take(other, 1)
            del other
            gc.collect()
            await eventually(lambda: on.venue.asked("unsubscribe"))
            assert [f"/market/match:{BTC},{ETH}"] == on.venue.asked("unsubscribe")
            assert 0 == on.feed.health().streams
            again = on.feed.trades(BTC)
            await again.ready(timeout_s=10)
            assert [f"/market/match:{BTC},{ETH}", f"/market/match:{BTC}"] == on.venue.asked()

    played(story)


def test_all_is_asked_for_alone() -> None:
    """In a list it would be a symbol that there is not, which is acknowledged and silent."""

    async def story() -> None:
        async with scene() as on:
            readers = on.feed.tickers("all"), on.feed.tickers(ETH, BTC)
            for reader in readers:
                await reader.ready(timeout_s=10)
            assert [f"/market/ticker:{BTC},{ETH}", "/market/ticker:all"] == on.venue.asked()
            for reader in readers:
                reader.close()
            await eventually(lambda: len(on.venue.asked("unsubscribe")) == 2)
            assert on.venue.asked() == on.venue.asked("unsubscribe")

    played(story)


def test_a_loop_that_is_left_ends_the_subscription() -> None:
    """Nobody has to close what stands in an ``async for``."""

    async def story() -> None:
        async with scene() as on:
            loop = asyncio.get_running_loop()
            loop.call_later(1, lambda: on.venue.sockets[0].bring(trade(7)))
            async for message in on.feed.trades(BTC):
                assert isinstance(message, Trade)
                break
            gc.collect()
            await eventually(lambda: on.venue.asked("unsubscribe"))

    played(story)


# -- what cannot be had --


@pytest.mark.parametrize(
    ("read", "error", "told"),
    [
        (lambda feed: feed.trades("BTC-USTD"), UnknownSymbol, "did you mean BTC-USDT"),
        (lambda feed: feed.trades("btcusdt"), UsageError, "did you mean BTC-USDT"),
        (lambda feed: feed.trades(), UsageError, "name the symbols of /market/match"),
        (lambda feed: feed.trades("all"), UsageError, "not a KuCoin spot symbol"),
        (lambda feed: feed.trades(BTC, limit=0), UsageError, "limit"),
        (lambda feed: feed.tickers(), UsageError, 'or "all"'),
        (lambda feed: feed.tickers("all", BTC), UsageError, "not a KuCoin spot symbol"),
        (lambda feed: feed.candles(BTC, "7min"), UsageError, "1min, 3min"),
        (lambda feed: feed.top_levels(BTC, levels=20), UsageError, "5 or 50"),
        (lambda feed: feed.orders(version=3), UsageError, "1 or 2"),
        (lambda feed: feed.orders(), NoCredentials, "KUCOIN_API_KEY"),
        (lambda feed: feed.balances(), NoCredentials, "/account/balance is of an account"),
    ],
)
def test_what_cannot_be_had_is_refused_by_name(read: Open, error: type[Exception], told: str) -> None:
    """At once, before the venue is asked; and nothing is left behind."""

    async def story() -> None:
        async with scene() as on:
            with pytest.raises(error, match=told):
                read(on.feed)
            gc.collect()
            await elapse(1)
            assert [] == on.venue.sockets
            assert 0 == on.feed.health().streams

    played(story)


def test_more_topics_than_there_is_room_for_are_refused() -> None:
    """With the numbers; and those that are read already count once."""

    async def story() -> None:
        async with scene(topics_max=2, links_max=1) as on:
            one = on.feed.trades(BTC, ETH)
            with pytest.raises(UsageError, match="1 more streams do not fit: 1 connections hold 2 each"):
                on.feed.trades(BTC, SOL)
            other = on.feed.trades(ETH, BTC)
            await other.ready(timeout_s=10)
            assert one.is_live

    played(story)


def test_a_stream_that_the_venue_refuses_says_so_and_comes_when_it_does_not_any_more() -> None:
    """To its readers, and as an event; another one on the connection has nothing to do with it."""

    def judge(wire: ScriptedSocket, message: dict[str, Any]) -> None:
        if message["type"] == "subscribe" and ETH in message["topic"]:
            wire.say(id=message["id"], type="error", code=404, data="topic does not exist")
        else:
            obey(wire, message)

    async def story() -> None:
        async with scene(StreamVenue(answer=judge), refused_retry_ms=60_000) as on:
            good, bad = on.feed.trades(BTC), on.feed.trades(ETH)
            missed = await anext(bad)
            assert isinstance(missed, Missed)
            assert not missed.is_over
            assert "404 topic does not exist" in missed.reason
            with pytest.raises(StreamNotReady, match=f"/market/match:{ETH} is not ready: .*404"):
                await bad.ready(timeout_s=1)
            assert [(f"/market/match:{ETH}", 404)] == [(one.symbol, one.code) for one in on.events(SubscriptionRefused)]
            assert [ETH] == [one.symbol for one in on.told if isinstance(one.event, SubscriptionRefused)]
            late = on.feed.trades(ETH)
            assert ["missed"] == await take(late, 1)
            on.venue.answer = obey
            assert ["over"] == await take(bad, 1)
            assert ["over"] == await take(late, 1)
            assert good.is_live
            assert 0 == good.waiting

    played(story)


# -- delivery --


def test_a_callback_gets_what_would_be_iterated_over() -> None:
    """What it raises is told and counted, and it goes on; closed, it is called no more."""
    got: list[object] = []

    def callback(item: Trade | Missed) -> None:
        got.append(said(item))
        if got == [1]:
            raise ValueError("not this one")

    async def story() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
        async with scene() as on:
            reader = on.feed.trades(BTC).listen(callback)
            await reader.ready(timeout_s=10)
            wire = await on.socket()
            for number in (1, 2):
                wire.bring(trade(number))
            await eventually(lambda: got == [1, 2])
            assert [CallbackFailed(f"/market/match:{BTC}", "ValueError: not this one")] == on.events(CallbackFailed)
            assert (1, 1) == (reader.callback_errors, on.feed.metrics.stream_callback_errors)
            reader.close()
            await elapse(1)
            assert [f"/market/match:{BTC}"] == on.venue.asked("unsubscribe")
            with pytest.raises(UsageError, match="a callback is a function"):
                on.feed.trades(BTC).listen("print")  # type: ignore[arg-type]  # a mistake that a test makes

    played(story)


@pytest.mark.parametrize("is_feed", [False, True])
def test_whoever_waits_is_released_by_the_end(is_feed: bool) -> None:
    """The loop ends; what a feed had brought before its end may still be taken."""

    async def story() -> None:
        async with scene() as on:
            waiting, full = on.feed.trades(BTC), on.feed.trades(ETH)
            await full.ready(timeout_s=10)
            (await on.socket()).bring(trade(1, ETH))
            await eventually(lambda: full.waiting)

            async def rest(reader: Stream[Trade]) -> list[object]:
                return [said(item) async for item in reader]

            task = asyncio.create_task(rest(waiting))
            ready = asyncio.create_task(on.feed.trades(SOL).ready())
            await turn()
            if is_feed:
                await on.feed.close()
            else:
                waiting.close()
                full.close()
            assert [] == await task
            assert ([1] if is_feed else []) == await rest(full)
            if is_feed:
                with pytest.raises(FeedClosed):
                    await ready
                with pytest.raises(FeedClosed):
                    on.feed.trades(BTC)
            await asyncio.gather(ready, return_exceptions=True)

    played(story)


def test_a_cancelled_wait_takes_nothing_away() -> None:
    """Who is cancelled while it waits for a message gets it with the next call."""

    async def story() -> None:
        async with scene() as on:
            reader = on.feed.trades(BTC)
            await reader.ready(timeout_s=10)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    await anext(reader)
            (await on.socket()).bring(trade(1))
            assert [1] == await take(reader, 1)

    played(story)


def test_a_feed_that_is_not_open_has_no_streams() -> None:
    """As for everything else of a feed."""

    async def story() -> None:
        async with scene() as on:
            feed = on.feed
        with pytest.raises(FeedClosed):
            feed.trades(BTC)

    played(story)
