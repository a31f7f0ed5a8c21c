"""Pacing: never more turns in any window than allowed, and waits after failures that spread."""

from __future__ import annotations

import asyncio
import random
from itertools import pairwise

import pytest

from orderbook.clock import loop_clock
from orderbook.feed.pacing import MS, Backoff, Connects, Pacer
from orderbook.simulator import virtual_time
from orderbook.venues.rest import Server
from tests.waiting import elapse

S = 1_000 * MS


def densest(moments: list[int], window_ns: int) -> int:
    """The most moments that lie in one window, wherever it begins."""
    return max(sum(start <= one < start + window_ns for one in moments) for start in moments)


@pytest.mark.parametrize("limit", [1, 2, 7, 30])
def test_no_window_holds_more_turns_than_the_limit(limit: int) -> None:
    """However the turns are asked for: no window of that length, wherever it begins, holds more."""

    async def main() -> list[int]:
        pacer = Pacer(limit, 1_000, loop_clock)
        rng = random.Random(limit)
        taken: list[int] = []

        async def one(delay_s: float) -> None:
            await elapse(delay_s)
            await pacer.turn()
            taken.append(loop_clock())

        await asyncio.gather(*(one(rng.choice((0.0, rng.uniform(0, 3)))) for _ in range(10 * limit)))
        return taken

    taken = virtual_time.run(main)
    assert 10 * limit == len(taken)
    assert densest(taken, S) <= limit


def test_turns_within_the_limit_do_not_wait() -> None:
    """Whoever keeps to the limit anyway is never held up."""

    async def main() -> int:
        pacer, begun_ns = Pacer(5, 1_000, loop_clock), loop_clock()
        for _ in range(5):
            await pacer.turn()
        return loop_clock() - begun_ns

    assert 0 == virtual_time.run(main)


def test_a_turn_counts_from_its_end_once_it_is_settled() -> None:
    """What takes long may arrive at its end: the window is kept for those moments, too."""

    async def main() -> list[int]:
        pacer, arrived = Pacer(3, 1_000, loop_clock), list[int]()
        for slow_s in (0.9, 0.9, 0.9, 0, 0, 0, 0, 0.5, 0):
            turn_ns = await pacer.turn()
            await elapse(slow_s)
            arrived.append(loop_clock())
            pacer.settle(turn_ns)
        return arrived

    assert densest(virtual_time.run(main), S) <= 3


def test_a_turn_that_is_settled_after_its_window_counts_once_more() -> None:
    """It is no error to be that slow."""

    async def main() -> tuple[int, int]:
        pacer = Pacer(3, 1_000, loop_clock)
        turn_ns = await pacer.turn()
        await elapse(5)
        before = pacer.used
        pacer.settle(turn_ns)
        return before, pacer.used

    assert (0, 1) == virtual_time.run(main)


def test_turns_that_cannot_wait_are_counted() -> None:
    """A ping goes out at once, and whatever comes after it waits for it."""

    async def main() -> int:
        pacer = Pacer(3, 1_000, loop_clock)
        for _ in range(5):
            pacer.take()
        begun_ns = loop_clock()
        await pacer.turn()
        return loop_clock() - begun_ns

    assert 1 * S == virtual_time.run(main)


def test_a_cancelled_wait_takes_no_turn() -> None:
    """Nothing went out, so nothing is counted."""

    async def main() -> int:
        pacer = Pacer(1, 1_000, loop_clock)
        await pacer.turn()
        waiting = asyncio.create_task(pacer.turn())
        await elapse(0.5)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await elapse(0.6)
        return pacer.used

    assert 0 == virtual_time.run(main)


def test_a_lower_limit_holds_at_once() -> None:
    """A limit that was learnt counts the turns that were taken before, too."""

    async def main() -> int:
        pacer = Pacer(10, 1_000, loop_clock)
        for _ in range(8):
            await pacer.turn()
        pacer.limit, begun_ns = 2, loop_clock()
        await pacer.turn()
        return loop_clock() - begun_ns

    assert 1 * S == virtual_time.run(main)


def test_some_turns_are_kept_for_whoever_needs_them_more() -> None:
    """Who leaves some to others waits while they are all that is left, and the others do not."""

    async def main() -> tuple[int, int]:
        pacer, begun_ns = Pacer(4, 1_000, loop_clock), loop_clock()
        await pacer.turn(spare=2)
        await pacer.turn(spare=2)
        await elapse(0.5)
        modest = asyncio.create_task(pacer.turn(spare=2))
        await elapse(0.1)
        urgent_ns = await pacer.turn()
        return urgent_ns - begun_ns, await modest - begun_ns

    assert (S * 6 // 10, S) == virtual_time.run(main)


def test_feeds_of_one_process_share_their_turns_to_connect() -> None:
    """Each keeps to its own limit, and counts what the others took from the same venue."""

    def at(*names: str) -> list[Server]:
        return [Server(f"wss://{name}.example/endpoint", 1, 1) for name in names]

    async def main() -> list[int]:
        one, other = Connects(3), Connects(5)
        for _ in range(3):
            await one.to(at("b", "a")).turn()
        await other.to(at("a", "c")).turn()
        return [pacer.used for pacer in (one.to(at("a")), other.to(at("a", "b")), one.to(at("z")))]

    assert [4, 4, 0] == virtual_time.run(main)


async def test_a_simulated_day_shares_no_turns_with_the_present() -> None:
    """Their clocks have nothing to do with one another."""
    servers = [Server("wss://pacing.example", 1, 1)]

    async def main() -> int:
        pacer = Connects(3).to(servers)
        await pacer.turn()
        return pacer.used

    here = Connects(3).to(servers)
    await here.turn()
    await here.turn()
    assert 1 == await asyncio.to_thread(virtual_time.run, main)
    assert 2 == Connects(9).to(servers).used


def test_there_is_always_a_turn() -> None:
    """Nine tenths of a limit of one are one."""

    async def main() -> int:
        pacer = Pacer(1 * 9 // 10, 1_000, loop_clock)
        await pacer.turn()
        return pacer.used

    assert 1 == virtual_time.run(main)


def test_backoff_has_full_jitter() -> None:
    """Each wait lies anywhere between 0 and its cap, so that those who failed together do not come back together."""
    waits = [Backoff(100, 30_000, random.Random(seed)).next_ms() for seed in range(1_000)]
    assert 0 <= min(waits) < 5
    assert 95 < max(waits) <= 100
    assert 45 < sum(waits) / len(waits) < 55


def test_backoff_doubles_up_to_its_cap() -> None:
    """The means of the waits double until they reach the cap, and stay there for weeks."""
    backoffs = [Backoff(100, 1_600, random.Random(seed)) for seed in range(400)]
    means = [sum(backoff.next_ms() for backoff in backoffs) / len(backoffs) for _ in range(8)]
    assert all(1.7 < later / earlier < 2.3 for earlier, later in pairwise(means[:5]))
    assert all(700 < mean < 900 for mean in means[4:])


def test_backoff_of_many_failures_stays_bounded() -> None:
    """A venue that is away for weeks makes neither a long number nor a long wait."""
    backoff = Backoff(100, 1_600, random.Random(1))
    for _ in range(10_000):
        assert 0 <= backoff.next_ms() <= 1_600


def test_backoff_begins_again_after_a_success() -> None:
    """Whoever was of use is forgiven."""
    backoff = Backoff(100, 30_000, random.Random(1))
    for _ in range(10):
        backoff.next_ms()
    backoff.reset()
    assert backoff.next_ms() <= 100
