"""Mistakes in using a feed are told where they are made, and what is let go of is gone."""

from __future__ import annotations

import asyncio
import gc
import time
from typing import Any

import pytest

import orderbook
from orderbook.errors import UsageError
from orderbook.feed.opening import _clock
from orderbook.simulator.virtual_time import run
from tests.feed_books import BTC, ETH, stage, until
from tests.unchecked import unchecked
from tests.waiting import elapse


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": 50}, 'depth is one of 20, 100 and "full", not 50'),
        ({"depth": "full"}, "full snapshots need an API key"),
        ({"settings": {"topics_max": 3}}, r"settings are FeedSettings\(...\), not dict"),
        ({"url": "ftp://127.0.0.1"}, "an address"),
        ({"symbols": "BTC-USDT"}, "symbols are a list of names"),
        ({"symbols": [["BTC-USDT"]]}, "is not a KuCoin spot symbol"),
        ({"venue": "nyse"}, "unknown venue 'nyse'"),
    ],
)
def test_options_are_judged_before_anything_is_opened(options: dict[str, Any], message: str) -> None:
    """No loop runs yet, and nothing is connected."""
    with pytest.raises(UsageError, match=message):
        orderbook.open_feed(**options)


async def test_what_is_no_callback_and_no_symbol_is_refused() -> None:
    """At once, and nothing else changes."""
    async with stage() as on:
        with pytest.raises(UsageError, match="a callback is a function that takes an update, not NoneType"):
            on.feed.listen(BTC, unchecked(None))
        with pytest.raises(UsageError, match="is not a KuCoin spot symbol"):
            await on.feed.add(unchecked([ETH]))
        assert (BTC, ETH) == on.feed.symbols


async def test_a_feed_can_be_awaited_too() -> None:
    """``await open_feed(...)`` opens it; whoever does so closes it himself."""
    async with stage() as on:
        feed = await orderbook.open_feed("kucoin", [BTC], url=on.venue.url, credentials=on.venue.credentials)
        try:
            assert (await feed.ready(BTC, timeout_s=30)).is_live
        finally:
            await feed.close()


async def test_iterators_that_nobody_holds_are_gone() -> None:
    """``break`` out of a loop over updates or events: nothing goes on collecting for it."""
    async with stage() as on:
        for _ in range(20):
            async for _update in on.feed.updates(BTC, deliver="every"):
                break
            on.feed.events()
        # Iterators are freed with their last reference; a loop's frame may hold the newest of them.
        await until(lambda: gc.collect() is not None and len(on.feed._books[BTC].subscriptions) <= 1)
        assert len(on.feed.herald._streams) <= 1


async def test_what_a_callback_raises_is_said_aloud() -> None:
    """By the loop's own handler, so that it is seen where no logging is set up."""
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context))

    def fails(_update: object) -> None:
        raise RuntimeError("mine")

    async with stage() as on:
        on.feed.listen(BTC, fails, deliver="every")
        await until(lambda: told)
        on.feed.herald._on_event = fails
        count = len(told)
        await on.feed.remove(ETH)
        assert len(told) > count
        assert on.feed.herald.callback_errors
        # The stage itself wants none that nobody expected.
        on.feed.herald._on_event, on.feed.herald.callback_errors = None, 0

    assert {"mine"} == {str(context["exception"]) for context in told}
    assert f"a callback for {BTC} failed" == told[0]["message"]
    assert "the callback for events failed" in {context["message"] for context in told}


async def test_the_clock_goes_on_while_the_machine_sleeps() -> None:
    """So a laptop that is opened again does not show the prices of when it was closed."""
    async with stage() as on:
        now_ns, boot_ns = on.feed._clock(), time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        assert 0 <= boot_ns - now_ns < 10**9


def test_a_loop_with_a_time_of_its_own_keeps_it() -> None:
    """In a simulated day all clocks are the loop's."""

    async def main() -> int:
        await elapse(86_400)
        return _clock()() - int(asyncio.get_running_loop().time() * 1e9)

    assert 0 == run(main)
