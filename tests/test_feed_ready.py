"""Waiting for a book: until it is LIVE, not longer than wished, and not at all where only the user can help."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from orderbook.errors import UnknownSymbol, UsageError
from orderbook.feed.errors import FeedClosed, NotReady
from orderbook.feed.opening import open_feed
from orderbook.secret import Credentials
from orderbook.simulator.faults import FaultPlan
from orderbook.simulator.server import LocalKuCoin
from orderbook.types import BookState
from tests.feed_books import BTC, ETH, FAST, stage, until
from tests.waiting import turn


@pytest.mark.parametrize(
    ("fault", "state", "reason"),
    [
        ({"fault": "lost_welcome", "p": 1}, BookState.CONNECTING, "no snapshot yet"),
        ({"fault": "refuse", "status": 403, "p": 1}, BookState.CONNECTING, "refused with HTTP status 403"),
        ({"fault": "hang", "path": "level2", "p": 1}, BookState.SYNCING, "subscribed, waiting for a snapshot"),
        (
            {"fault": "rest_error", "path": "level2", "p": 1},
            BookState.SYNCING,
            "no snapshot: KuCoin answered code 500000",
        ),
        ({"fault": "lost_ack", "p": 1}, BookState.SYNCING, "connected, not subscribed"),
    ],
    ids=lambda one: one["fault"] if isinstance(one, dict) else "",
)
async def test_not_ready_in_time_says_where_it_stands_and_why(
    fault: dict[str, object], state: BookState, reason: str
) -> None:
    """State and reason are in the error, which is a ``TimeoutError``."""
    async with stage(fault, wait=False) as on:
        with pytest.raises(NotReady) as caught:
            await on.feed.ready(BTC, timeout_s=0.3)
        assert isinstance(caught.value, TimeoutError)
        assert (BTC, state) == (caught.value.symbol, caught.value.state)
        assert reason in str(caught.value)
        assert f"{BTC} is not ready: {state.value}" in str(caught.value)
        on.watch.reads += 1
        on.check()


@pytest.mark.parametrize(
    ("part", "remedy"), [("key", "check the API key"), ("secret", "API secret"), ("passphrase", "check the passphrase")]
)
async def test_a_refused_key_fails_at_once_and_names_the_remedy(part: str, remedy: str) -> None:
    """Time would not help: no waiting, and the error says which part of the key to look at."""
    async with LocalKuCoin(symbols=2, seed=6) as venue:
        right = venue.credentials
        parts = {name: getattr(right, name).reveal() for name in ("key", "secret", "passphrase")}
        wrong = Credentials.of(**{**parts, part: "canary-of-the-wrong-key"})
        async with open_feed("kucoin", [BTC, ETH], url=venue.url, credentials=wrong) as feed:
            for symbol in (BTC, ETH):
                with pytest.raises(NotReady) as caught:
                    await feed.ready(symbol, timeout_s=30)
                assert BookState.FAILED is caught.value.state
                assert remedy in str(caught.value)
                assert "canary" not in str(caught.value)
                assert feed.status(symbol).reason == caught.value.reason


async def test_a_book_that_fails_while_it_is_waited_for_is_told_at_once() -> None:
    """Who waits without a bound does not wait for ever."""
    async with stage(
        {"fault": "rest_error", "path": "level2", "status": 401, "code": "400003", "p": 1}, wait=False
    ) as on:
        with pytest.raises(NotReady):
            await on.feed.ready(BTC)


async def test_unknown_symbols_are_named_before_anything_is_subscribed() -> None:
    """With what they may have meant; and nothing was connected for them."""
    async with LocalKuCoin(symbols=3, seed=6) as venue:
        with pytest.raises(UnknownSymbol) as caught:
            async with open_feed("kucoin", [BTC, "ETH-USDC"], url=venue.url):
                pytest.fail("it opened")
        assert "ETH-USDC" in str(caught.value)
        assert "did you mean ETH-USDT" in str(caught.value)
        assert 0 == venue.exchange.state()["accepted"]


@pytest.mark.parametrize("symbols", ["BTC-USDT", [""], ["BTC USDT"], ["A" * 500], [5], [None]])
async def test_what_cannot_be_a_symbol_is_refused_before_anything_is_opened(symbols: Any) -> None:
    """Even before the ``async with``."""
    with pytest.raises(UsageError):
        open_feed("kucoin", symbols, url="http://127.0.0.1:1")


async def test_adding_symbols_while_it_runs() -> None:
    """A new one becomes LIVE beside the others; an unknown one is named, and none is added then."""
    async with stage(symbols=[BTC], listed=[ETH, "SOL-USDT"]) as on:
        with pytest.raises(UnknownSymbol, match="ETH-USDX"):
            await on.feed.add(ETH, "ETH-USDX")
        assert (BTC,) == on.feed.symbols
        await asyncio.gather(on.feed.add(ETH, BTC), on.feed.add("SOL-USDT", ETH))
        await on.live()
        assert {BTC, ETH, "SOL-USDT"} == set(on.feed.symbols)
        await on.settled()
        on.check()


async def test_a_book_that_was_only_too_old_is_ready_with_the_next_frame() -> None:
    """Reads were refused because nothing had been heard for a while; no change of state tells of the end of that."""
    settings = replace(FAST, max_age_ms=50)
    async with stage(symbols=[BTC], rate=6, settings=settings) as on:
        for _ in range(3):
            await until(lambda: on.feed[BTC].state is BookState.STALE)
            async with asyncio.timeout(3):
                await on.feed.ready(BTC)


def blocked(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do as if the loop had been blocked for so long until now: its clock shows it, and nothing happened meanwhile."""
    loop = asyncio.get_running_loop()
    before = loop.time
    monkeypatch.setattr(loop, "time", lambda: before() + seconds)


async def test_a_blocked_loop_serves_no_old_book(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a block, the very first read is refused; and then the books are as they were, without a resync."""
    settings = replace(FAST, max_age_ms=100)
    async with stage(settings=settings) as on:
        on.strike()
        blocked(0.3, monkeypatch)
        assert not on.feed[BTC].is_live
        assert "nothing heard" in on.feed[BTC].reason
        await on.settled()
        assert 0 == on.feed.counters(BTC).resyncs
        on.check()


async def test_a_feed_is_opened_once() -> None:
    """Before and after, everything says so."""
    async with LocalKuCoin(symbols=1, seed=6) as venue:
        feed = open_feed("kucoin", [BTC], url=venue.url)
        assert (BTC,) == feed.symbols
        with pytest.raises(FeedClosed, match="open the feed first"):
            _ = feed[BTC]
        async with feed:
            book = await feed.ready(BTC, timeout_s=30)
            with pytest.raises(UsageError, match="not a symbol of this feed"):
                await feed.ready("XYZ-USDT")
        assert BookState.CLOSED is book.state
        with pytest.raises(FeedClosed, match="is closed"):
            await feed.ready(BTC)
        with pytest.raises(FeedClosed):
            await feed.start()
        await feed.close()


async def test_closing_while_it_is_waited_for() -> None:
    """Who waits for a book is told that it was closed."""
    async with LocalKuCoin(symbols=1, seed=6, faults=FaultPlan([{"fault": "lost_welcome", "p": 1}])) as venue:
        async with open_feed("kucoin", [BTC], url=venue.url) as feed:
            waiting = asyncio.create_task(feed.ready(BTC))
            await turn()
        with pytest.raises(FeedClosed, match="was closed"):
            await waiting
