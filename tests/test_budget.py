"""The budget of weights: never over the limit, the urgent first, nobody for ever. All in virtual time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orderbook.errors import UsageError
from orderbook.simulator.virtual_time import VirtualLoop, run, settled
from orderbook.venues.rest import Pool, Priority, RateLimit
from snapshots.budget import Grant, WeightBudget, shared_budget
from tests.unchecked import unchecked
from tests.waiting import elapse, until

AUDIT, LOST, SESSION = Priority.AUDIT, Priority.LOST, Priority.SESSION
SMALL: dict[Pool, tuple[int, int]] = {"public": (10, 30_000), "spot": (10, 30_000)}


def now_s() -> float:
    """The loop's clock."""
    return asyncio.get_running_loop().time()


def small(share: float = 1, in_flight_max: int = 16) -> WeightBudget:
    """A budget of 10 in 30 s."""
    return WeightBudget(SMALL, share=share, in_flight_max=in_flight_max)


@asynccontextmanager
async def spending(
    budget: WeightBudget, weight: int, priority: Priority, *, key: str | None = None
) -> AsyncIterator[None]:
    """A request under way."""
    grant = await budget.acquire("public", weight, priority, key=key)
    try:
        yield
    finally:
        budget.settle(grant)


async def spend(budget: WeightBudget, weight: int, priority: Priority = LOST, took_s: float = 0.0) -> float:
    """Make a request; the time at which it was let go."""
    async with spending(budget, weight, priority):
        at = now_s()
        await elapse(took_s)
    return at


def test_what_fits_goes_at_once() -> None:
    """Without a wait; pools are apart; the numbers tell what is left."""

    async def main() -> None:
        budget = WeightBudget()
        assert (1_800, 3_600) == (budget.limit("public"), budget.limit("spot"))
        start = now_s()
        assert [start] * 3 == [await spend(budget, 600, Priority.SESSION) for _ in range(3)]
        assert (1_800, 0, 0) == (budget.used("public"), budget.remaining("public"), budget.waiting)
        assert (0, 3_600) == (budget.used("spot"), budget.remaining("spot"))

    run(main)


def test_what_does_not_fit_waits_for_a_window_after_the_answer() -> None:
    """Not after the request: it may have arrived as late as just before its answer came."""

    async def main() -> None:
        budget = small()
        start = now_s()
        await spend(budget, 6, took_s=2)
        await spend(budget, 4, took_s=3)
        assert start + 32 == pytest.approx(await spend(budget, 5))
        assert start + 35 == pytest.approx(await spend(budget, 3))

    run(main)


def test_what_is_under_way_counts_until_it_ends() -> None:
    """However long that takes."""

    async def main() -> None:
        budget = small()
        start = now_s()
        slow = asyncio.create_task(spend(budget, 10, took_s=100))
        await settled()
        assert 10 == budget.used("public")
        assert start + 130 == pytest.approx(await spend(budget, 1))
        await slow

    run(main)


async def in_order(budget: WeightBudget, wishes: list[tuple[str, int, Priority]]) -> list[str]:
    """Make requests of a name, weight and priority all at once; the names in the order in which they were let go."""
    served: list[str] = []

    async def one(name: str, weight: int, priority: Priority) -> None:
        async with spending(budget, weight, priority, key=name):
            served.append(name)

    async with asyncio.TaskGroup() as group:
        for wish in wishes:
            group.create_task(one(*wish))
    return served


def test_the_urgent_first_then_who_came_first() -> None:
    """Symbols that lost their book are served before audits, and equals in their order."""

    async def main() -> list[str]:
        budget = small()
        await spend(budget, 10)
        wishes = [("audit", 3, AUDIT), ("a", 3, LOST), ("b", 3, LOST), ("token", 3, SESSION), ("c", 3, LOST)]
        return await in_order(budget, wishes)

    assert ["token", "a", "b", "c", "audit"] == run(main)


def test_a_small_request_does_not_overtake_a_large_one() -> None:
    """Else the large one would never get its turn."""

    async def main() -> list[str]:
        budget = small()
        await spend(budget, 5)
        return await in_order(budget, [("large", 8, LOST), ("small", 1, LOST)])

    assert ["large", "small"] == run(main)


def test_a_request_can_be_hastened() -> None:
    """One that waits becomes as urgent as the most urgent who wants it, never less."""

    async def main() -> list[str]:
        budget = small()
        await spend(budget, 10)
        tasks = asyncio.create_task(in_order(budget, [("a", 6, LOST), ("b", 6, AUDIT), ("c", 6, AUDIT)]))
        await settled()
        assert budget.hasten("public", "c", SESSION)
        assert budget.hasten("public", "a", AUDIT)
        assert not budget.hasten("public", "nobody", SESSION)
        return await tasks

    assert ["c", "a", "b"] == run(main)


def test_only_so_many_are_under_way() -> None:
    """More would wait at the venue, where priorities do not reach."""

    async def main() -> None:
        budget = small(in_flight_max=2)
        start = now_s()
        times = await asyncio.gather(*[spend(budget, 1, took_s=1) for _ in range(5)])
        assert [0, 0, 1, 1, 2] == [round(at - start) for at in times]

    run(main)


def test_a_request_larger_than_the_limit_goes_alone() -> None:
    """It is not left waiting for ever."""

    async def main() -> None:
        budget = small()
        start = now_s()
        await spend(budget, 1)
        assert start + 30 == pytest.approx(await spend(budget, 11))
        assert start + 60 == pytest.approx(await spend(budget, 1))

    run(main)


def test_a_ban_stops_its_pool() -> None:
    """For its whole time: a shorter one that comes later does not shorten it."""

    async def main() -> None:
        budget = small()
        start = now_s()
        budget.ban("public", 45_000)
        budget.ban("public", 1_000)
        assert (0, 10) == (budget.remaining("public"), budget.remaining("spot"))
        assert start + 45 == pytest.approx(await spend(budget, 1))

    run(main)


def test_a_ban_during_the_wait_prolongs_it() -> None:
    """Whoever waits looks again, and sees it."""

    async def main() -> None:
        budget = small()
        start = now_s()
        await spend(budget, 10)
        waiting = asyncio.create_task(spend(budget, 1))
        await settled()
        budget.ban("public", 50_000)
        assert start + 50 == pytest.approx(await waiting)

    run(main)


def test_cancelling_costs_nothing() -> None:
    """Who gives up counts for nothing, and who stood behind him has his turn."""

    async def main() -> None:
        budget = small()
        start = now_s()
        await spend(budget, 9)
        waiting = asyncio.create_task(budget.acquire("public", 5, LOST))
        behind = asyncio.create_task(spend(budget, 1))
        await settled()
        assert (2, 9) == (budget.waiting, budget.used("public"))
        waiting.cancel()
        assert start == await behind
        assert (0, 10) == (budget.waiting, budget.used("public"))
        await elapse(30)
        assert 0 == budget.used("public")

    run(main)


def test_granted_and_cancelled_in_one_breath() -> None:
    """What was granted but never used is given back, also of what the venue said is left."""

    async def main() -> None:
        budget = small(in_flight_max=1)
        first = await budget.acquire("public", 1, LOST)
        waiting = asyncio.create_task(budget.acquire("public", 9, LOST))
        await settled()
        budget.settle(first)
        assert 10 == budget.used("public")
        waiting.cancel()
        await asyncio.wait([waiting])
        assert (1, 9) == (budget.used("public"), budget.remaining("public"))

    run(main)


async def told(budget: WeightBudget, pool: Pool, limit: int, remaining: int, reset_ms: int = 30_000) -> None:
    """Make a request of weight 1, whose answer says this of the quota."""
    budget.settle(await budget.acquire(pool, 1, LOST), RateLimit(limit, remaining, reset_ms))


def test_limits_are_learnt() -> None:
    """A smaller one always; a larger one only for an account, because an address has one limit for everybody."""

    async def main() -> None:
        budget = WeightBudget(SMALL, share=0.5)
        await told(budget, "public", 4, 4)
        assert 2 == budget.limit("public")
        await told(budget, "public", 4_000, 4_000)
        assert 5 == budget.limit("public")
        await told(budget, "spot", 4_000, 4_000)
        assert 2_000 == budget.limit("spot")

    run(main)


def test_what_the_venue_says_is_left_counts() -> None:
    """Others may use the same address: what is left for all is left for us, until its window ends."""

    async def main() -> None:
        budget = WeightBudget({"public": (100, 30_000)}, share=0.9)
        start = now_s()
        await told(budget, "public", 100, 15, 20_000)
        assert 5 == budget.remaining("public")
        await spend(budget, 5, Priority.SESSION)
        assert 0 == budget.remaining("public")
        assert start + 20 == pytest.approx(await spend(budget, 1))

    run(main)


def test_answers_come_in_any_order() -> None:
    """An older answer does not give back what a newer one took; a new window of the venue does."""

    async def main() -> None:
        budget = small()
        grants = [await budget.acquire("public", 1, LOST) for _ in range(3)]
        budget.settle(grants[1], RateLimit(10, 7, 20_000))
        assert 5 == budget.remaining("public")
        budget.settle(grants[0], RateLimit(10, 9, 20_000))
        assert 7 == budget.remaining("public")
        budget.settle(grants[2], RateLimit(10, 6, 20_000))
        assert 6 == budget.remaining("public")
        await elapse(19)
        await told(budget, "public", 10, 9, 30_000)
        assert 6 == budget.remaining("public")

    run(main)


def test_a_pool_that_does_not_exist() -> None:
    """The known ones are named."""
    with pytest.raises(UsageError, match="no pool 'futures'; known: public, spot"):
        WeightBudget().limit(unchecked("futures"))


@pytest.mark.parametrize("wrong", [{"share": 0}, {"share": 1.1}, {"in_flight_max": 0}, {"limits": {"spot": (0, 1)}}])
def test_a_budget_that_cannot_work(wrong: dict[str, Any]) -> None:
    """Numbers that would let nothing go are refused at once."""
    with pytest.raises(UsageError, match="a budget needs"):
        WeightBudget(**wrong)


def test_one_budget_for_a_host() -> None:
    """All feeds of a process share it; a loop with a time of its own has its own."""

    async def main() -> tuple[WeightBudget, WeightBudget, WeightBudget]:
        return shared_budget("h:1"), shared_budget("h:1"), shared_budget("h:2")

    real, again, other = asyncio.run(main())
    assert real is again
    assert real is not other
    assert (real, other) == asyncio.run(main())[::2]
    virtual, virtual_again, _ = run(main)
    assert virtual is virtual_again
    assert virtual is not real
    assert virtual is not run(main)[0]


async def test_two_threads_share_it() -> None:
    """Who waits in the loop of one thread is served by the end of a request in another."""
    budget = WeightBudget(SMALL, in_flight_max=1)
    first = await budget.acquire("public", 1, LOST)
    other = asyncio.create_task(asyncio.to_thread(asyncio.run, budget.acquire("public", 2, LOST)))
    await until(lambda: budget.waiting, 10)
    async with asyncio.timeout(10):
        budget.settle(first)
        grant = await other
    assert isinstance(grant, Grant)
    assert ("public", 2) == (grant.pool, grant.weight)


def test_a_loop_that_was_closed_holds_nobody_up() -> None:
    """Who waited there is forgotten, whether his turn came before or after."""
    clock_ns = 0
    budget = WeightBudget(SMALL, clock=lambda: clock_ns, in_flight_max=1)

    async def wait() -> None:
        await budget.acquire("public", 1, LOST)

    loop = VirtualLoop()
    first = loop.run_until_complete(budget.acquire("public", 1, LOST))
    task = loop.create_task(wait())
    loop.run_until_complete(settled())
    assert 1 == budget.waiting
    loop.close()
    budget.settle(first)

    assert (0, 1) == (budget.waiting, budget.used("public"))
    task.get_coro().close()
    unchecked(task)._log_destroy_pending = False


@settings(max_examples=30)
@given(st.integers(0, 2**32))
def test_no_window_of_the_venue_ever_gets_too_much(seed: int) -> None:
    """Wherever the venue's window begins and however long requests take on the way, what arrives in it is within."""
    arrived: list[tuple[float, int]] = []
    rng = random.Random(seed)
    budget = WeightBudget({"public": (40, 1_000)}, share=1, in_flight_max=rng.choice((1, 4, 16)))

    async def one(start_s: float, weight: int, out_s: float, back_s: float) -> None:
        await elapse(start_s)
        async with spending(budget, weight, rng.choice(list(Priority))):
            await elapse(out_s)
            arrived.append((now_s(), weight))
            await elapse(back_s)

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(60):
                slow = rng.choice((0.01, 0.9))
                weight = rng.choice((2, 4, 10))
                group.create_task(one(rng.uniform(0, 3), weight, rng.uniform(0, slow), rng.uniform(0, slow)))

    run(main)
    assert 60 == len(arrived)
    assert (0, 0) == (budget.waiting, budget._quotas["public"]._in_flight)
    for start_s, _ in arrived:
        assert 40 >= sum(weight for at_s, weight in arrived if start_s <= at_s < start_s + 0.999)
