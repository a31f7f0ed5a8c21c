"""Virtual time has an end: a test that waits for what never comes fails, and says where it waits."""

from __future__ import annotations

import asyncio
import gc

import pytest

from orderbook.testing import VirtualKuCoin, in_virtual_time, run


async def _for_ever() -> None:
    await asyncio.Event().wait()


async def _waiting() -> None:
    async with asyncio.timeout(None):
        await _for_ever()


async def _ticking() -> None:
    """Something always happens."""
    loop = asyncio.get_running_loop()

    def tick() -> None:
        loop.call_later(1, tick)

    tick()
    await _waiting()


async def _stubborn() -> None:
    while True:
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            continue


def lines(error: pytest.ExceptionInfo[TimeoutError]) -> list[str]:
    """Of a message, each without the folder."""
    return [line.rpartition("/")[2].strip() for line in str(error.value).splitlines()]


def test_who_waits_for_ever_is_told_where() -> None:
    """Every await from the outermost to the innermost, with its line."""
    with pytest.raises(TimeoutError) as caught:
        run(_ticking, limit_s=90)

    told = lines(caught)
    assert "it did not end within 90 s of virtual time; it waits at" == told[0]
    assert ["in _ticking: await _waiting()", "in _waiting: await _for_ever()"] == [
        line.partition(" ")[2] for line in told[1:3]
    ]
    assert told[3].startswith("test_testing_time.py:")
    assert told[3].endswith("in _for_ever: await asyncio.Event().wait()")


def test_what_ends_in_time_ends() -> None:
    """At the limit still, and without one at any time."""

    async def long() -> float:
        await asyncio.sleep(90)
        return asyncio.get_running_loop().time()

    assert run(long) == run(long, limit_s=90)
    with pytest.raises(TimeoutError):
        run(long, limit_s=89.9)


def test_what_is_open_is_closed() -> None:
    """The end is a cancellation: who has something to close has the time for it."""
    closed = []

    async def story() -> None:
        try:
            await _ticking()
        finally:
            await asyncio.sleep(300)
            closed.append(asyncio.get_running_loop().time())

    with pytest.raises(TimeoutError):
        run(story, limit_s=90)
    assert 1 == len(closed)


def test_who_will_not_end_is_left() -> None:
    """A test that swallows its cancellation, and a task that is left behind and does."""
    left = []

    async def leaving() -> None:
        left.append(asyncio.ensure_future(_stubborn()))
        await asyncio.sleep(1)

    for story, problem in (
        (_stubborn, "it did not end within 9 s of virtual time; it waits at"),
        (leaving, "it ended, but not what it left running"),
    ):
        with pytest.raises(TimeoutError) as caught:
            run(story, limit_s=9)
        assert problem == lines(caught)[0]
        assert "(for 600 s it went on though it was cancelled)" == lines(caught)[-1]
    # What is said of tasks that never ended is said now, and not in another test.
    left.clear()
    gc.collect()


def test_a_wrapped_test_has_an_hour() -> None:
    """Unless said otherwise; and what wraps it is not told."""

    async def story(venue: VirtualKuCoin, seconds: float) -> None:
        assert venue.is_reachable
        await asyncio.sleep(seconds)

    def venue() -> VirtualKuCoin:
        return VirtualKuCoin(symbols=["BTC-USDT"], profile="illiquid", seed=1)

    in_virtual_time(story)(venue(), 3_599)
    in_virtual_time(story, limit_s=None)(venue(), 3_601)
    in_virtual_time(story, limit_s=lambda: 3_602)(venue(), 3_601)
    with pytest.raises(TimeoutError, match="within 3600 s") as caught:
        in_virtual_time(story)(venue(), 3_601)
    assert "in story: await asyncio.sleep(seconds)" == lines(caught)[1].partition(" ")[2]
