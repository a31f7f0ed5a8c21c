"""Subscribers that do the worst: slow, failing, ending themselves, changing the feed; the others and the book go on."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from orderbook.feed.delivery import Deliver, Update
from orderbook.feed.events import CallbackFailed, FeedEvent
from orderbook.feed.feed import Feed
from orderbook.simulator.virtual_time import run
from tests.feed_books import BTC, ETH, SOL
from tests.host_world import Host, host
from tests.waiting import elapse, turn


class Sabotage(BaseException):
    """Nothing that anybody would expect."""


async def _another_follows(on: Host, seconds: float = 3.0) -> None:
    """Somebody else gets every delta, one after the other."""
    other = on.feed.updates(BTC, deliver="every", limit=100_000)
    await on.watch(seconds)
    await on.settled()
    other.close(drain=True)
    ends = [update.delta.sequence_end for update in [one async for one in other] if update.delta is not None]
    assert 0 == other.skipped
    assert len(ends) > 10
    assert ends[-1] <= on.feed[BTC].sequence <= ends[-1] + 1


# -- slow --


@pytest.mark.parametrize("deliver", ["every", "latest", "best"])
def test_a_subscriber_that_sleeps_for_10_s_at_a_time(deliver: Deliver) -> None:
    """It gets fewer updates and is told how many it missed; its queue is bounded, the others and the book are exact."""

    async def main() -> None:
        async with host(rate=500.0) as on:
            seen: list[Update] = []

            async def sleepy(update: Update) -> None:
                seen.append(update)
                await elapse(10)

            slow = on.feed.listen(BTC, sleepy, deliver=deliver, limit=50)
            applied = on.feed.counters(BTC).applied
            await _another_follows(on, 15)
            assert len(slow._queue) <= (50 if deliver == "every" else 1)
            assert 2 == len(seen) == slow.delivered
            assert seen[1].skipped > (500 if deliver == "best" else 4_000)
            if deliver == "every":
                # Not one is unaccounted for.
                moved = on.feed.counters(BTC).applied - applied
                assert moved == slow.delivered + slow.skipped + len(slow._queue)
            assert [] == on.changes()
            on.check()

    run(main)


def test_the_memory_of_a_feed_with_slow_subscribers_is_bounded() -> None:
    """Three policies, none of them ever read: ten times the time takes no more memory."""

    async def main() -> list[int]:
        async with host(rate=300.0) as on:
            policies: tuple[Deliver, ...] = ("every", "latest", "best")
            idle = [on.feed.updates(BTC, deliver=deliver, limit=20) for deliver in policies]
            sizes = list[int]()
            only = tracemalloc.Filter(inclusive=True, filename_pattern="*/orderbook/feed/delivery.py")
            for seconds in (1, 10):
                await elapse(seconds)
                found = tracemalloc.take_snapshot().filter_traces([only]).statistics("filename")
                sizes.append(sum(one.size for one in found))
            assert 3_000 < sum(one.skipped for one in idle)
            return sizes

    tracemalloc.start()
    try:
        early, late = run(main)
    finally:
        tracemalloc.stop()
    assert late < early + 4_096


# -- failing --


async def _sleeps_and_raises(_update: Update) -> None:
    await elapse(0.01)
    raise Sabotage("later")


def _raises(error: BaseException) -> Callable[[Update], None]:
    def callback(_update: Update) -> None:
        raise error

    return callback


@pytest.mark.parametrize(
    ("callback", "problem"),
    [
        (_raises(Sabotage("at once")), "Sabotage: at once"),
        (_sleeps_and_raises, "Sabotage: later"),
    ],
)
def test_a_callback_that_raises_what_is_no_exception(callback: Any, problem: str) -> None:
    """It is counted, told, and called again, as with any other error of its own."""

    async def main() -> None:
        async with host() as on:
            failing = on.feed.listen(BTC, callback, deliver="every")
            await _another_follows(on)
            told = on.told(CallbackFailed)
            assert failing.callback_errors == len(told) == on.feed.symbol_metrics(BTC).callback_errors
            assert len(told) > 10
            assert {problem} == {one.problem for one in told}
            assert [] == on.changes()
            on.check()

    run(main)


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_a_callback_that_ends_the_program_ends_it(error: BaseException) -> None:
    """That is told, and then obeyed: the loop stops, and the feed is closed on the way."""
    told: list[FeedEvent] = []
    feeds: list[Feed] = []

    async def main() -> None:
        async with host() as on:
            feeds.append(on.feed)
            on.events = told
            on.feed.listen(BTC, _raises(error))
            await on.watch(60)

    with pytest.raises(type(error)):
        run(main)
    (feed,) = feeds
    assert not feed._is_open or feed._closing is not None
    assert [type(error).__name__] == [
        one.event.problem.partition(":")[0] for one in told if isinstance(one.event, CallbackFailed)
    ]


@pytest.mark.parametrize("error", [asyncio.CancelledError(), Sabotage("at once"), GeneratorExit()])
def test_a_callback_for_events_that_raises_what_is_no_exception(error: BaseException) -> None:
    """As ``task.result()`` of a cancelled task does: counted, and no reader of a link dies of it."""

    async def main() -> tuple[int, int]:
        async with host() as on:
            heard = on.hear

            def failing(event: FeedEvent) -> None:
                heard(event)
                raise error

            on.feed.herald._on_event = failing
            on.venue.strike({"fault": "drop", "run": 3})
            await on.watch(5)
            await on.settled()
            assert 1 == on.feed.metrics.connects
            assert 1 == on.feed.counters(BTC).resyncs
            on.check()
            errors, on.feed.herald.callback_errors = on.feed.herald.callback_errors, 0
            on.feed.herald._on_event = heard
            return errors, len(on.events)

    errors, _ = run(main)
    assert errors > 3


# -- changing the feed --


def test_a_callback_that_adds_and_removes_symbols() -> None:
    """Again and again, from within: no other book notices, and all are exact in the end."""

    async def main() -> None:
        async with host(symbols=(BTC, ETH), listed=(SOL,)) as on:
            turns = 0

            async def restless(_update: Update) -> None:
                nonlocal turns
                turns += 1
                if SOL in on.feed:
                    await on.feed.remove(SOL)
                else:
                    await on.feed.add(SOL)
                    on.feed.listen(SOL, lambda _one: None)

            subscription = on.feed.listen(ETH, restless, deliver="every", limit=10)
            await _another_follows(on, 20)
            assert turns > 50
            subscription.close()
            await on.watch(1)
            await on.feed.remove(ETH)
            if SOL not in on.feed:
                await on.feed.add(SOL)
            await on.settled()
            assert {BTC, SOL} == set(on.feed.symbols)
            assert [] == [one for one in on.changes() if one.new.value != "CLOSED"]
            on.check()

    run(main)


def test_callbacks_that_cancel_each_other() -> None:
    """Each cancels the task of the other: both are told and end; the feed and who only reads go on."""

    async def main() -> None:
        async with host() as on:
            tasks: dict[str, asyncio.Task[Any]] = {}

            def murderer(name: str, victim: str) -> Callable[[Update], Any]:
                async def callback(_update: Update) -> None:
                    task = asyncio.current_task()
                    assert task is not None
                    tasks[name] = task
                    if victim in tasks:
                        tasks[victim].cancel()
                    await turn()

                return callback

            first = on.feed.listen(BTC, murderer("first", "second"), deliver="every")
            second = on.feed.listen(BTC, murderer("second", "first"), deliver="every")
            await _another_follows(on)
            assert 1 <= first.callback_errors + second.callback_errors == len(on.told(CallbackFailed))
            assert [] == on.changes()
            on.check()

    run(main)
