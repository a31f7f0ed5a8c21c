"""The line of those who wait for the budget: who matters comes first, nobody waits for ever. All in virtual time."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from orderbook.simulator.virtual_time import run, settled
from orderbook.venues.rest import RateLimit
from snapshots.budget import WeightBudget
from snapshots.quota import PASSED_MAX, TURNED_AWAY_MAX
from tests.test_budget import LOST, SESSION, now_s, small, spend
from tests.waiting import elapse


async def ranked(budget: WeightBudget, wishes: list[tuple[str, int]], served: list[str]) -> None:
    """Make requests of a name and rank, of weight 1, all at once; notes the names as they are let go."""

    async def one(name: str, rank: int) -> None:
        grant = await budget.acquire("public", 1, LOST, key=name, rank=rank)
        served.append(name)
        budget.settle(grant)

    async with asyncio.TaskGroup() as group:
        for wish in wishes:
            group.create_task(one(*wish))


def test_what_matters_more_comes_first_among_the_equally_urgent() -> None:
    """By rank, then by who came first; a rank may change in the line, and the place in it is told."""

    async def main() -> list[str]:
        budget, served = small(in_flight_max=1), list[str]()
        await spend(budget, 10)
        task = asyncio.create_task(ranked(budget, [("a", 4), ("b", 4), ("c", 1), ("d", 0), ("e", 4)], served))
        await settled()
        assert [3, 4, 2, 1, 5] == [budget.place("public", name) for name in "abcde"]
        assert budget.hasten("public", "e", LOST, 0)
        assert (2, None, None) == (budget.place("public", "e"), budget.place("public", "x"), budget.place("spot", "e"))
        await task
        return served

    assert ["d", "e", "c", "a", "b"] == run(main)


def test_nobody_waits_for_ever() -> None:
    """However many come that matter more: after so many in a row, who waits longest has a turn."""

    async def main() -> list[str]:
        budget, served = WeightBudget({"public": (1, 1_000)}, share=1), list[str]()
        await spend(budget, 1)
        cold = asyncio.create_task(ranked(budget, [("cold", 4)], served))
        await settled()
        await ranked(budget, [(f"hot {number}", 0) for number in range(20)], served)
        await cold
        return served

    assert PASSED_MAX == run(main).index("cold")


def test_who_waits_is_not_forgotten_because_something_more_urgent_goes() -> None:
    """Tokens in between, which nobody passes over, are no turn of those who wait for a book."""

    async def main() -> list[str]:
        budget, served = WeightBudget({"public": (1, 1_000)}, share=1), list[str]()
        await spend(budget, 1)
        cold = asyncio.create_task(ranked(budget, [("cold", 4)], served))
        await settled()
        hot = asyncio.create_task(ranked(budget, [(f"hot {number}", 0) for number in range(30)], served))
        for _ in range(15):
            # After each two of the others.
            await asyncio.gather(spend(budget, 1, SESSION), elapse(2.5))
        await asyncio.gather(cold, hot)
        return served

    assert PASSED_MAX == run(main).index("cold")


def test_some_is_kept_for_a_moment_for_what_matters_most() -> None:
    """A third at most; it goes to rank 0 at once, to others after a second, and so is never lost."""

    async def main() -> None:
        budget, start = small(), now_s()
        budget.keep("public", "feed", 100)
        served: list[str] = []
        task = asyncio.create_task(ranked(budget, [(f"{number}", 4) for number in range(10)], served))
        await elapse(0.5)
        assert 7 == len(served)
        await ranked(budget, [("hot", 0)], served)
        assert ("hot", start + 0.5) == (served[-1], now_s())
        await elapse(0.51)
        assert 10 == len(served)
        budget.keep("public", "feed", 0)
        await task
        assert start + 30 == pytest.approx(now_s())

    run(main)


def test_what_was_turned_away_is_not_counted_and_its_venue_left_alone() -> None:
    """Overload is no use of the quota; after so many in a row nothing goes for a while, longer each time."""

    async def main() -> None:
        budget, times = small(), list[float]()
        for _ in range(TURNED_AWAY_MAX + 4):
            grant = await budget.acquire("public", 4, LOST)
            times.append(now_s())
            budget.settle(grant, turned_away=True)
            assert 0 == budget.used("public")
        waits = [later - before for before, later in pairwise(times)]
        assert waits == pytest.approx([0.0] * TURNED_AWAY_MAX + [0.25, 0.5, 1.0], abs=0.002)
        await spend(budget, 1)
        for _ in range(TURNED_AWAY_MAX):
            budget.settle(await budget.acquire("public", 4, LOST), turned_away=True)
        assert 9 == budget.remaining("public")

    run(main)


@pytest.mark.parametrize(("banned_ms", "count"), [(0, 0), (0, 25), (7_000, 25), (0, 7)])
def test_the_forecast_is_what_happens(banned_ms: int, count: int) -> None:
    """From weights, limit, window and ban: the very time, where answers take as long as before."""

    async def main() -> None:
        budget = WeightBudget({"public": (10, 3_000)}, share=1, in_flight_max=4)
        await spend(budget, 2, took_s=0.1)
        budget.ban("public", banned_ms)
        start = now_s()
        forecast_ms = budget.forecast_ms("public", 2, count)
        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(spend(budget, 2, took_s=0.1))
        assert forecast_ms == pytest.approx(1_000 * (now_s() - start), abs=30)

    run(main)


def test_answers_of_one_moment_leave_what_they_all_allow() -> None:
    """However they come in: nothing of the window is lost because others were under way when one was answered."""

    async def main() -> None:
        budget = WeightBudget({"public": (20, 30_000)}, share=1)
        grants = [await budget.acquire("public", 1, LOST) for _ in range(8)]
        await elapse(0.1)
        for number in (7, 2, 0, 5, 1, 6, 3, 4):
            budget.settle(grants[number], RateLimit(20, 19 - number, 30_000))
        assert 12 == budget.remaining("public")

    run(main)


def test_a_little_is_left_for_tokens() -> None:
    """However many probes and snapshots come, a twentieth of the public quota waits for what all else hangs on."""

    async def main() -> tuple[float, float, int]:
        budget = WeightBudget({"public": (200, 30_000), "spot": (200, 30_000)}, share=1)
        start = now_s()
        crowd = asyncio.create_task(ranked(budget, [(str(number), 4) for number in range(300)], []))
        await settled()
        used = budget.used("public")
        token = await spend(budget, 10, SESSION)
        snapshot = await spend(budget, 1)
        crowd.cancel()
        return token - start, snapshot - start, used

    token_s, snapshot_s, used = run(main)

    assert (0, 190) == (token_s, used)
    assert snapshot_s >= 30


def test_a_request_as_large_as_the_limit_is_not_kept_for_ever() -> None:
    """It goes when nothing else counts, though nothing is left for tokens then."""

    async def main() -> float:
        budget = WeightBudget({"public": (40, 1_000)}, share=1)
        start = now_s()
        await spend(budget, 40)
        return await spend(budget, 40) - start

    assert 1 == pytest.approx(run(main))
