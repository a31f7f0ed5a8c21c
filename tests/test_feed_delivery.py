"""Delivery: in order, bounded, honest about what was left out; and nobody's slowness or mistake is another's."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from orderbook.errors import UsageError
from orderbook.events import StateChanged
from orderbook.feed.delivery import Deliver, Subscription, Update
from orderbook.feed.errors import FeedClosed
from orderbook.feed.events import CallbackFailed, FeedEvent
from orderbook.types import BookState
from tests.feed_books import BTC, ETH, FAST, SYNC, Stage, stage, until
from tests.unchecked import hook, unchecked
from tests.waiting import turn

POLICIES: tuple[Deliver, ...] = ("every", "latest", "best")


async def take(subscription: Subscription, count: int) -> list[Update]:
    """So many updates."""
    return [await anext(subscription) for _ in range(count)]


def touch(update: Update) -> tuple[Any, ...]:
    """What ``best`` is about."""
    return (update.view.bids[:1], update.view.asks[:1])


def is_true(update: Update, on: Stage) -> bool:
    """Whether the levels of an update are the venue's best at its sequence."""
    truth = on.market[update.symbol].book(update.view.sequence, 3)
    ours = [[(level.price, level.size) for level in side] for side in (update.view.bids, update.view.asks)]
    return ours == [[(float(p), float(s)) for p, s in side] for side in (truth.bids, truth.asks)]


# -- the three policies --


async def test_every_delta_is_delivered_once_in_order() -> None:
    """Each with the book as it was right after it."""
    async with stage(rate=400) as on:
        subscription = on.feed.updates(BTC, deliver="every", levels=3)
        updates = await take(subscription, 150)

        assert all(update.delta is not None and is_true(update, on) for update in updates)
        ends = [update.delta.sequence_end for update in updates if update.delta is not None]
        starts = [update.delta.sequence_start for update in updates if update.delta is not None]
        assert starts[1:] == [end + 1 for end in ends[:-1]]
        assert ends == [update.view.sequence for update in updates]
        assert [0] * 150 == [update.skipped for update in updates]
        received = [update.received_ns for update in updates]
        assert sorted(received) == received


async def test_audits_take_no_delta_away() -> None:
    """A comparison that ends with a delta is an event beside it, not instead of it."""
    patient = replace(SYNC, probe_catch_up_ms=5_000, catch_up_ms=5_000, reorder_hold_ms=5_000)
    settings = replace(FAST, sync=patient, audit_interval_ms=5)
    async with stage(rate=400, settings=settings, link_delay_ms=30) as on:
        subscription = on.feed.updates(BTC, deliver="every")
        updates = await take(subscription, 50)
        while on.feed.counters(BTC).audits <= 3:
            updates += await take(subscription, 1)

        assert None not in [update.delta for update in updates]


async def test_a_full_queue_loses_its_oldest_and_says_how_many() -> None:
    """Of many updates the newest five are left; the first of them names what is missing."""
    async with stage(rate=400) as on:
        subscription = on.feed.updates(BTC, deliver="every", limit=5)
        before = on.feed.counters(BTC).applied
        await until(lambda: subscription.skipped >= 50)
        updates = await take(subscription, 5)

        assert [subscription.skipped, 0, 0, 0, 0] == [update.skipped for update in updates]
        assert on.feed.counters(BTC).applied - before == subscription.skipped + 5
        assert [update.view.sequence for update in updates] == [updates[0].view.sequence + n for n in range(5)]
        assert subscription.skipped == on.feed.symbol_metrics(BTC).dropped
        assert 5 == subscription.delivered == on.feed.symbol_metrics(BTC).delivered


async def test_latest_is_the_book_as_it_is_when_it_is_taken() -> None:
    """What came in between is counted, and only the newest is delivered."""
    async with stage(rate=400) as on:
        subscription = on.feed.updates(BTC, deliver="latest", levels=3)
        await until(lambda: subscription.skipped >= 20)
        skipped = subscription.skipped
        (update,) = await take(subscription, 1)

        assert on.feed[BTC].sequence == update.view.sequence
        assert is_true(update, on)
        assert skipped == update.skipped == on.feed.symbol_metrics(BTC).conflated
        (update,) = await take(subscription, 1)
        assert update.skipped < 10 < skipped


async def test_best_tells_of_every_change_of_the_touch_and_of_nothing_else() -> None:
    """As many updates as the touch changed, and never twice the same: unless it was another one in between."""
    async with stage(rate=400) as on:
        subscription = on.feed.updates(BTC, deliver="best")
        await take(subscription, 1)
        count = on.feed[BTC].touch_count
        updates = await take(subscription, 15)

        assert on.feed[BTC].touch_count - count == 15 + sum(update.skipped for update in updates)
        assert all(touch(one) != touch(other) or other.skipped for one, other in pairwise(updates))


@pytest.mark.parametrize("deliver", POLICIES)
async def test_a_change_of_state_is_delivered_once_by_every_policy(deliver: Deliver) -> None:
    """Not LIVE is an update without levels; LIVE again is one with them, and not a second one."""
    async with stage() as on:
        subscription = on.feed.updates(BTC, deliver=deliver, levels=3)
        on.strike({"fault": "drop", "run": 3, "scope": BTC})
        while (await anext(subscription)).view.is_live:
            pass
        update = await anext(subscription)
        while not update.view.is_live:
            assert not update.view.bids
            assert update.delta is None
            update = await anext(subscription)
        assert is_true(update, on)
        following = await anext(subscription)
        assert following.view.sequence > update.view.sequence


async def test_the_end_is_told_and_ends_the_loop() -> None:
    """Who waits for an update when a symbol is removed gets CLOSED, and then the end."""
    async with stage() as on:
        every = on.feed.updates(BTC, deliver="every")
        removing = asyncio.create_task(on.feed.remove(BTC))
        states = [update.view.state async for update in every]
        await removing

        assert BookState.CLOSED is states[-1]
        assert [BookState.LIVE] * (len(states) - 1) == states[:-1]
        with pytest.raises(UsageError, match="not a symbol of this feed"):
            on.feed.updates(BTC)


async def test_closing_a_feed_releases_everybody() -> None:
    """Iterators of updates and of events end, wherever they wait."""
    async with stage(rate=0.001) as on:
        updates, events = on.feed.updates(BTC), on.feed.events()
        waiting = [asyncio.create_task(_drain(one)) for one in (updates, events)]
        await turn()
        await on.feed.close()
        async with asyncio.timeout(1):
            await asyncio.gather(*waiting)
        with pytest.raises(FeedClosed):
            on.feed.events()
        with pytest.raises(FeedClosed):
            on.feed.updates(BTC)
        updates.close()
        events.close()


async def _drain(stream: Any) -> None:
    async for _ in stream:
        pass


@pytest.mark.parametrize(
    "arguments", [{"deliver": "all"}, {"limit": 0}, {"limit": True}, {"levels": 0}, {"levels": "2"}]
)
async def test_arguments_that_cannot_be_are_named(arguments: dict[str, Any]) -> None:
    """At once, and without leaving a subscription behind."""
    async with stage() as on:
        with pytest.raises(UsageError, match=next(iter(arguments))):
            on.feed.updates(BTC, **arguments)
        with pytest.raises(UsageError, match="limit"):
            on.feed.events(limit=0)


# -- callbacks --


async def test_a_slow_subscriber_delays_nobody() -> None:
    """A coroutine that never comes back, and one that is far behind: others get every delta, the book is in step."""
    async with stage(rate=400) as on:
        forever = asyncio.Event()

        async def stuck(_update: Update) -> None:
            await forever.wait()

        slow = on.feed.listen(BTC, stuck, deliver="every", limit=3)
        lazy = on.feed.updates(BTC, deliver="every", limit=3)
        updates = await take(on.feed.updates(BTC, deliver="every"), 100)

        assert 0 == sum(update.skipped for update in updates)
        assert 1 == slow.delivered
        assert min(slow.skipped, lazy.skipped) >= 90
        await on.settled()
        on.check()


async def _works(seen: list[Update]) -> None:
    count = len(seen)
    await until(lambda: len(seen) >= count + 5)


def _raises(_update: Update) -> None:
    raise ValueError("the user's own mistake")


async def _raises_later(_update: Update) -> None:
    await turn()
    raise KeyError("later")


def _raises_cancelled(_update: Update) -> None:
    raise asyncio.CancelledError


def _takes_no_argument() -> None:
    pass


@pytest.mark.parametrize(
    ("callback", "problem"),
    [
        (_raises, "ValueError: the user's own mistake"),
        (_raises_later, "KeyError: 'later'"),
        (_raises_cancelled, "it cancelled itself"),
        (_takes_no_argument, "TypeError: "),
    ],
)
async def test_a_callback_that_fails_is_counted_told_and_called_again(callback: Any, problem: str) -> None:
    """Neither the feed nor another subscriber notices."""
    async with stage() as on:
        seen: list[Update] = []
        on.feed.listen(BTC, seen.append, deliver="every")
        on.strike()
        failing = on.feed.listen(BTC, callback, deliver="every")
        await until(lambda: failing.callback_errors >= 3)
        await _works(seen)
        await on.settled()

        on.check()
        told = on.watch.told(CallbackFailed, symbol=BTC)
        assert failing.callback_errors == len(told) == on.feed.symbol_metrics(BTC).callback_errors
        assert all(problem in one.problem for one in told)
        assert not on.watch.transitions


async def test_a_callback_that_cancels_its_own_task_is_told_and_ends() -> None:
    """That looks like the end of the program, so it is called no more; the feed goes on."""
    async with stage() as on:

        async def suicide(_update: Update) -> None:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await turn()

        seen: list[Update] = []
        on.feed.listen(BTC, seen.append, deliver="every")
        subscription = on.feed.listen(BTC, suicide, deliver="every")
        await until(lambda: on.watch.told(CallbackFailed))
        await _works(seen)

        assert 1 == subscription.delivered == subscription.callback_errors
        with pytest.raises(StopAsyncIteration):
            await anext(subscription)


async def test_what_a_plain_callback_returns_does_not_matter() -> None:
    """A lambda returns something by accident."""
    async with stage() as on:
        subscription = on.feed.listen(BTC, unchecked(lambda update: update.skipped))
        await until(lambda: subscription.delivered >= 5)
        assert 0 == subscription.callback_errors


async def test_a_callback_may_end_itself_its_symbol_or_the_feed() -> None:
    """It closes its subscription, removes its symbol, closes the whole feed: each from within."""
    async with stage(symbols=(BTC, ETH, "SOL-USDT")) as on:
        calls: list[str] = []

        def closes(_update: Update) -> None:
            calls.append("closes")
            mine.close()

        async def removes(_update: Update) -> None:
            if ETH in on.feed:
                calls.append("removes")
                await on.feed.remove(ETH)

        async def ends(_update: Update) -> None:
            if "ends" not in calls:
                calls.append("ends")
                await on.feed.close()
                calls.append("ended")

        mine = on.feed.listen(BTC, closes, deliver="every")
        await until(lambda: "closes" in calls)
        on.feed.listen(ETH, removes, deliver="every")
        await until(lambda: ETH not in on.feed)
        await on.live([BTC])
        seen: list[Update] = []
        on.feed.listen(BTC, seen.append, deliver="every")
        await _works(seen)
        book = on.feed[BTC]
        on.feed.listen("SOL-USDT", ends)
        await until(lambda: "ended" in calls)

        assert ["closes", "removes", "ends", "ended"] == calls
        assert BookState.CLOSED is book.state
        assert [] == on.watch.wrong


# -- events --


async def test_events_are_told_to_every_reader_in_order() -> None:
    """Two readers get the same, from when they began; one that does not read loses the oldest, and can see that."""
    async with stage() as on:
        reader, lazy = on.feed.events(), on.feed.events(limit=2)
        on.strike({"fault": "drop", "run": 3, "nth": [1, 20], "scope": BTC})
        await until(lambda: on.feed.counters(BTC).resyncs >= 2 and on.feed[BTC].is_live)
        told = on.watch.events.copy()
        heard = [await anext(reader) for _ in told]

        assert told == heard
        assert len(told) - 2 == lazy.dropped
        assert told[-2:] == [await anext(lazy), await anext(lazy)]
        changes = [one.event for one in heard if isinstance(one.event, StateChanged)]
        assert all(one.new is other.old for one, other in pairwise(changes))


async def test_a_callback_for_events_that_raises_stops_nothing() -> None:
    """Counted and logged; streams of events get everything all the same."""
    async with stage() as on:

        def fails(event: FeedEvent) -> None:
            told.append(event)
            raise ValueError

        told: list[FeedEvent] = []
        hook(on.watch, "hear", fails)
        reader = on.feed.events()
        on.strike({"fault": "drop", "run": 3, "scope": BTC})
        heard = [await anext(reader)]
        await on.settled()

        assert heard == told[:1]
        assert len(told) == on.feed.herald.callback_errors
        hook(on.watch, "hear", told.append)
        on.feed.herald.callback_errors = 0


# -- adding and removing --


async def test_removing_twice_at_the_same_time() -> None:
    """Who comes second finds it gone; nothing breaks, and what is left goes on."""
    async with stage(symbols=(BTC, ETH, "SOL-USDT")) as on:
        results = await asyncio.gather(
            on.feed.remove(BTC, ETH), on.feed.remove(ETH), on.feed.remove(BTC), return_exceptions=True
        )
        assert all(one is None or isinstance(one, UsageError) for one in results)
        assert ("SOL-USDT",) == on.feed.symbols
        await on.settled()


async def test_adding_while_the_feed_is_closed_adds_nothing() -> None:
    """The venue was asked for the symbol when the feed was closed: that is told, and no connection is left."""
    async with stage(listed=[ETH], symbols=[BTC], rest_delay_ms=50) as on:
        on.feed.instruments.pop(ETH)
        adding = asyncio.create_task(on.feed.add(ETH))
        await turn()
        await on.feed.close()
        with pytest.raises((FeedClosed, UsageError)):
            await adding
        assert ETH not in on.feed


async def test_updates_can_be_left_in_the_middle() -> None:
    """Who breaks out of the loop closes the subscription, and costs nothing any more."""
    async with stage() as on:
        subscription = on.feed.updates(BTC, deliver="every")
        async for _ in subscription:
            break
        await until(lambda: on.feed.counters(BTC).applied > 50)
        subscription.close()
        subscription.close()
        with pytest.raises(StopAsyncIteration):
            await anext(subscription)
        assert "1 delivered" in repr(subscription)
