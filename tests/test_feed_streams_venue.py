"""Streams of a feed against the local KuCoin: every trade that it made is delivered, or a sign stands in its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import orderbook
from orderbook.feed.events import LinkReplaced, MessageRejected
from orderbook.feed.feed import Feed
from orderbook.feed.settings import FeedSettings
from orderbook.feed.stream import Stream
from orderbook.simulator import virtual_time
from orderbook.simulator.damage import GARBLES
from orderbook.simulator.exchange import Exchange
from orderbook.simulator.server import LocalKuCoin
from orderbook.streams import BalanceUpdate, Missed, OrderUpdate, StreamMessage, Trade
from orderbook.testing import Route, VirtualKuCoin
from snapshots import read_capture
from snapshots.recorder import Recorder
from snapshots.streams import read_streams
from tests.feed_books import BTC, ETH, FAST, until
from tests.feed_world import eventually
from tests.stream_world import said
from tests.waiting import elapse

PUBLIC: dict[str, Callable[[Feed], Stream[Any]]] = {
    "/market/match": lambda feed: feed.trades(BTC, ETH),
    "/market/candles": lambda feed: feed.candles(BTC, "1min"),
    "/market/ticker": lambda feed: feed.tickers(BTC, ETH),
    "/spotMarket/level1": lambda feed: feed.touches(BTC, ETH),
    "/spotMarket/level2Depth5": lambda feed: feed.top_levels(BTC, ETH),
    "/spotMarket/level2Depth50": lambda feed: feed.top_levels(BTC, levels=50),
    "/market/snapshot": lambda feed: feed.market_stats(BTC, ETH),
}
SETTINGS = FeedSettings(audit_interval_ms=None)

Item = StreamMessage | Missed


def made(exchange: Exchange) -> list[int]:
    """The numbers of all trades that the venue knows of."""
    return [deal.number for _, deal in exchange.tapes[BTC].deals]


def holes(items: list[Item], exchange: Exchange) -> list[tuple[int, int]]:
    """Neighbours that were delivered with no sign between them, although there were trades between them."""
    numbers = made(exchange)
    places = {number: place for place, number in enumerate(numbers)}
    found: list[tuple[int, int]] = []
    last: int | None = None
    for item in items:
        if isinstance(item, Trade):
            if last is not None and places[item.sequence] != places[last] + 1:
                found.append((last, item.sequence))
            last = item.sequence
        else:
            last = None
    return found


async def collected(reader: Stream[Any]) -> list[Item]:
    """Everything until the end."""
    return [item async for item in reader]


def test_every_public_stream_comes_whole() -> None:
    """All that was sent of each topic from its acknowledgement on; trades are those of the venue's tape."""

    async def main() -> None:
        async with VirtualKuCoin(symbols=[BTC, ETH], rate=100, seed=3) as venue, venue.open_feed([BTC]) as feed:
            readers = {path: read(feed) for path, read in PUBLIC.items()}
            for reader in readers.values():
                await reader.ready(timeout_s=10)
            await feed.ready(BTC, timeout_s=10)
            await elapse(20)
            book = feed[BTC]
            assert book.is_live
            await feed.close()
            pushed, exchange = venue.exchange.pushed, venue.exchange
            for path, reader in readers.items():
                sent = sum(count for topic, count in pushed.items() if topic.partition(":")[0] == path)
                got = await collected(reader)
                assert [] == [item for item in got if isinstance(item, Missed)]
                assert 0 <= sent - reader.received <= 8, path
                assert reader.received > 5, path
                if path == "/market/match":
                    assert [] == holes([one for one in got if isinstance(one, Trade) and one.symbol == BTC], exchange)
                    _check_prices(got, exchange)
            assert {} == dict(venue.exchange.violations)

    virtual_time.run(main)


def _check_prices(items: list[Item], exchange: Exchange) -> None:
    truth = {deal.number: (deal.side, deal.price, deal.size) for _, deal in exchange.tapes[BTC].deals}
    ours = [one for one in items if isinstance(one, Trade) and one.symbol == BTC]
    assert len(ours) > 20
    assert all((one.side, str(one.price), str(one.size)) == truth[one.sequence] for one in ours)


FAULTS: dict[str, list[Mapping[str, object]]] = {
    "disconnects": [{"fault": "disconnect", "at_ms": 3_000, "every_ms": 7_000}],
    "a black hole": [{"fault": "black_hole", "at_ms": 4_000}],
    "a stall": [{"fault": "stall", "at_ms": 4_000, "ms": 3_000}],
    "tokens refused": [
        {"fault": "disconnect", "at_ms": 3_000},
        {"fault": "token_expired", "at_ms": 3_000, "for_ms": 9_000, "p": 1},
    ],
    **{f"garbled {how}": [{"fault": "garbled_push", "p": 0.1, "how": how}] for how in GARBLES if how != "flip"},
}
"""A digit that was changed for another one is what nobody can tell."""
SIGNLESS = {"a stall", "garbled binary", "garbled extra"}
"""Nothing is lost by these."""


@pytest.mark.parametrize("name", FAULTS)
def test_whatever_goes_wrong_no_trade_is_missing_without_a_sign(name: str) -> None:
    """Between two trades that stand side by side the venue made none; and trades come again after each fault."""

    async def main() -> None:
        async with VirtualKuCoin(symbols=[BTC], rate=60, seed=5) as venue:
            events: list[Any] = []
            async with venue.open_feed([], settings=SETTINGS, on_event=events.append) as feed:
                reader = feed.trades(BTC)
                await reader.ready(timeout_s=10)
                venue.strike(*FAULTS[name])
                await elapse(40)
                venue.exchange.heal(venue.now_ns())
                await elapse(45)
                assert reader.is_live
                before = reader.received
                await elapse(10)
                assert reader.received > before
            items = await collected(reader)
            assert [] == holes(items, venue.exchange)
            assert any(isinstance(item, Missed) for item in items) == (name not in SIGNLESS)
            rejected = [one for one in events if isinstance(one.event, MessageRejected)]
            assert len(rejected) == feed.metrics.stream_rejected

    virtual_time.run(main)


@pytest.mark.parametrize("depth_ms", [0, 60])
def test_a_renewal_loses_no_trade_and_brings_none_twice(depth_ms: int) -> None:
    """Three connections, one after the other, over a line of some length: no sign, no hole, every trade once."""

    async def main() -> None:
        route = Route(up_ms=(depth_ms / 2, depth_ms + 1), down_ms=(depth_ms / 2, depth_ms + 1))
        settings = FeedSettings(audit_interval_ms=None, link_life_ms=20_000)
        async with VirtualKuCoin(symbols=[BTC], rate=100, seed=7, route=route) as venue:
            events: list[Any] = []
            async with venue.open_feed([], settings=settings, on_event=events.append) as feed:
                reader = feed.trades(BTC)
                await reader.ready(timeout_s=10)
                await elapse(60)
                assert 2 <= sum(isinstance(one.event, LinkReplaced) for one in events)
                assert 0 == feed.metrics.stream_interruptions
            items = await collected(reader)
            numbers = [item.sequence for item in items if isinstance(item, Trade)]
            assert sorted(set(numbers)) == numbers
            assert [] == holes(items, venue.exchange)
            assert {} == dict(venue.exchange.violations)

    virtual_time.run(main)


def test_an_accounts_streams_tell_what_its_owner_does() -> None:
    """Over a lost connection, too: what happened meanwhile is a sign, and what follows is told."""

    async def main() -> None:
        async with VirtualKuCoin(symbols=[BTC], rate=20, seed=9) as venue, venue.open_feed([BTC]) as feed:
            orders, old, balances = feed.orders(), feed.orders(version=1), feed.balances()
            streams: list[Stream[Any]] = [orders, old, balances]
            for stream in streams:
                await stream.ready(timeout_s=10)
            book = await feed.ready(BTC, timeout_s=10)
            bid = book.exact.best_bid
            assert bid is not None
            price = (bid.price / 2).quantize(bid.price)
            order = venue.account.place(BTC, "buy", price, "1", client_id="mine")
            await elapse(1)
            venue.strike({"fault": "disconnect"})
            await eventually(lambda: not any(stream.is_live for stream in streams))
            venue.account.reduce(order, "0.5")
            for stream in streams:
                await stream.ready(timeout_s=60)
            venue.account.cancel(order)
            await elapse(1)
            await feed.close()
            told = [item.event if isinstance(item, OrderUpdate) else said(item) for item in await collected(orders)]
            assert ["received", "open", "missed", "over", "canceled"] == told[:5]
            told = [item.event if isinstance(item, OrderUpdate) else said(item) for item in await collected(old)]
            assert ["open", "missed", "over", "canceled"] == told[:4]
            changes = [item for item in await collected(balances) if isinstance(item, BalanceUpdate)]
            assert changes[0].held_change == price
            assert {} == dict(venue.exchange.violations)

    virtual_time.run(main)


def test_a_recording_of_all_streams_is_read_to_the_same_messages(tmp_path: Path) -> None:
    """With lost connections and messages that cannot be used: all of it, each stream in its order."""
    path = tmp_path / "day.jsonl.gz"
    live: dict[str, list[Any]] = {one: [] for one in PUBLIC}

    async def main() -> None:
        with Recorder(path) as recorder:
            async with (
                VirtualKuCoin(symbols=[BTC, ETH], rate=40, seed=11) as venue,
                venue.open_feed([BTC], settings=SETTINGS, record=recorder) as feed,
            ):
                readers = {one: read(feed).listen(live[one].append) for one, read in PUBLIC.items()}
                for reader in readers.values():
                    await reader.ready(timeout_s=10)
                venue.strike(
                    {"fault": "disconnect", "at_ms": 5_000, "every_ms": 9_000},
                    {"fault": "garbled_push", "p": 0.005, "how": "cut"},
                )
                await elapse(30)

    virtual_time.run(main)
    replayed: dict[str, list[Any]] = {one: [] for one in PUBLIC}
    with read_capture(path) as capture:
        for topic, message in read_streams(capture):
            replayed[topic.partition(":")[0]].append(message)
    for one in PUBLIC:
        messages = [[item for item in items[one] if not isinstance(item, Missed)] for items in (live, replayed)]
        assert messages[0] == messages[1]
        assert messages[0]


async def test_streams_come_over_real_sockets() -> None:
    """Those of the market and of an account, on connections of their own beside the book's."""
    async with LocalKuCoin(symbols=[BTC, ETH], seed=1, rate=200) as venue:
        feed = orderbook.open_feed("kucoin", [BTC], url=venue.url, credentials=venue.credentials, settings=FAST)
        async with feed:
            readers = [read(feed) for read in PUBLIC.values()]
            orders = feed.orders()
            for reader in (*readers, orders):
                await reader.ready(timeout_s=30)
            book = await feed.ready(BTC, timeout_s=30)
            bid = book.exact.best_bid
            assert bid is not None
            venue.account.place(BTC, "buy", (bid.price / 2).quantize(bid.price), "1")
            await until(lambda: all(reader.received for reader in (*readers, orders)))
            assert 3 == feed.health().links_up
        assert {} == dict(venue.exchange.violations)
        items = await collected(readers[0])
        assert [] == holes([one for one in items if isinstance(one, Trade) and one.symbol == BTC], venue.exchange)
