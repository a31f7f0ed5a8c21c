"""The market maker's tests: minutes of a market that misbehaves, each in a fraction of a second.

They need pytest and the library, ``pip install '.[testing]'`` in a checkout and ``'orderbook-engine[testing]'``
elsewhere, and no configuration: fixture and marker come with the library. Run them with ``pytest examples``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from market_maker import MarketMaker, Quote

import orderbook
from orderbook.testing import VirtualKuCoin, assert_true

SYMBOL = "BTC-USDT"


class Trading:
    """A bot at work, and what it did."""

    def __init__(self, feed: orderbook.Feed, venue: VirtualKuCoin) -> None:
        self.feed = feed
        self.book = feed[SYMBOL]
        self.sent: list[Quote] = []
        self.cancelled = 0
        self.bot = MarketMaker(self.book, self._send, self._cancel)
        self._venue = venue

    def _send(self, quote: Quote) -> None:
        assert_true(self.book, self._venue.market[SYMBOL])
        self.sent.append(quote)

    def _cancel(self) -> None:
        self.cancelled += 1


@asynccontextmanager
async def trading(venue: VirtualKuCoin) -> AsyncIterator[Trading]:
    """The bot, with a LIVE book and a quote in the market."""
    async with venue.open_feed([SYMBOL]) as feed:
        stage = Trading(feed, venue)
        task = asyncio.create_task(stage.bot.run(feed, SYMBOL))
        await feed.ready(SYMBOL, timeout_s=10)
        await asyncio.sleep(1)
        assert stage.bot.quote is not None
        yield stage
    await task
    assert stage.bot.quote is None


@pytest.mark.kucoin(
    symbols=[SYMBOL], rate=20, seed=1, faults=[{"fault": "drop", "p": 0.02}, {"fault": "swap", "p": 0.02}]
)
async def test_every_quote_stands_on_the_true_book(virtual_kucoin: VirtualKuCoin) -> None:
    """In two minutes of a market that loses one delta in fifty. ``Trading`` compares at each quote."""
    async with trading(virtual_kucoin) as stage:
        await asyncio.sleep(120)
        assert 20 < len(stage.sent)
        assert 10 < stage.cancelled


@pytest.mark.kucoin(symbols=[SYMBOL], rate=20, seed=2)
async def test_a_gap_pulls_the_quote(virtual_kucoin: VirtualKuCoin) -> None:
    """At once, and there is a new one when the book is whole again."""
    async with trading(virtual_kucoin) as stage:
        virtual_kucoin.strike({"fault": "drop"})
        while stage.bot.quote is not None:  # noqa: ASYNC110 - a quote is pulled without an event, and virtual time costs nothing
            await asyncio.sleep(0.001)
        assert not stage.book.is_live
        assert "SYNCING" in stage.bot.why_not
        await stage.feed.ready(SYMBOL, timeout_s=10)
        await asyncio.sleep(1)
        assert stage.bot.quote is not None


@pytest.mark.kucoin(symbols=[SYMBOL], rate=20, seed=3)
async def test_a_dead_link_pulls_the_quote_within_five_seconds(virtual_kucoin: VirtualKuCoin) -> None:
    """The connection stays open, and nothing comes any more."""
    async with trading(virtual_kucoin) as stage:
        virtual_kucoin.strike({"fault": "black_hole"})
        await asyncio.sleep(5.1)
        assert stage.bot.quote is None
        assert 1 == stage.cancelled
        await asyncio.sleep(60)
        assert stage.bot.quote is not None


@pytest.mark.kucoin(symbols=[SYMBOL], rate=20, seed=4)
async def test_a_calm_minute_needs_no_withdrawal(virtual_kucoin: VirtualKuCoin) -> None:
    """Nothing goes wrong, so nothing is withdrawn."""
    async with trading(virtual_kucoin) as stage:
        await asyncio.sleep(60)
        assert 0 == stage.cancelled
