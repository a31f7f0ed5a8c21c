"""One snapshot of a symbol is under way at a time: who shares it, who waits, and what ends it. In virtual time."""

from __future__ import annotations

import asyncio

import pytest

from orderbook.errors import Refused, UsageError
from orderbook.simulator.virtual_time import settled
from orderbook.venues.rest import Priority
from snapshots.budget import WeightBudget
from snapshots.fetch import Rest
from snapshots.transport import Answer
from tests.scripted_venue import BOOK, Script, no, ok, with_script


def test_one_snapshot_of_a_symbol_is_under_way() -> None:
    """Who asks for the same shares it, who asks for another depth waits; other symbols are not held up."""
    gate = asyncio.Event()

    async def held() -> Answer:
        await gate.wait()
        return Answer(200, {}, BOOK)

    async def main(rest: Rest, script: Script) -> None:
        same = [asyncio.create_task(rest.snapshot("A-B", 100)) for _ in range(3)]
        other = asyncio.create_task(rest.snapshot("A-B", 20))
        await settled()
        assert b"7" in await rest.snapshot("C-D", 100)
        assert 2 == len(script.asked)
        gate.set()
        assert [BOOK] * 3 == [await task for task in same]
        assert b"8" in await other
        assert b"9" in await rest.snapshot("A-B", 100)

    with_script(main, held, ok({"sequence": "7"}), ok({"sequence": "8"}), ok({"sequence": "9"}))


def test_a_failure_is_shared_too() -> None:
    """Each who waits gets the error, and the next who asks starts anew."""

    async def main(rest: Rest, _: Script) -> None:
        tasks = [asyncio.create_task(rest.snapshot("A-B", 100)) for _ in range(2)]
        await asyncio.wait(tasks)
        assert [Refused, Refused] == [type(task.exception()) for task in tasks]
        assert BOOK == await rest.snapshot("A-B", 100)

    with_script(main, no("400006", 403), Answer(200, {}, BOOK))


def test_cancelling_one_of_two_cancels_nothing() -> None:
    """Only when the last one has lost interest is the request given up; who asks then starts anew."""
    gate = asyncio.Event()

    async def held() -> Answer:
        await gate.wait()
        return Answer(200, {}, BOOK)

    async def main(rest: Rest, _: Script) -> None:
        first, second, third = (asyncio.create_task(rest.snapshot("A-B", 100)) for _ in range(3))
        await settled()
        first.cancel()
        await settled()
        assert first.cancelled()
        assert not second.done()
        second.cancel()
        third.cancel()
        await settled()
        assert third.cancelled()
        assert BOOK == await rest.snapshot("A-B", 100)

    with_script(main, held, Answer(200, {}, BOOK))


def test_a_snapshot_becomes_as_urgent_as_who_wants_it() -> None:
    """An audit's request that a lost book wants too overtakes what waits."""

    async def main(rest: Rest, script: Script) -> None:
        rest.budget.ban("public", 1_000)
        audits = [asyncio.create_task(rest.snapshot(s, 20, priority=Priority.AUDIT)) for s in ("A-B", "C-D", "E-F")]
        await settled()
        lost = asyncio.create_task(rest.snapshot("E-F", 20))
        await asyncio.wait([*audits, lost])
        assert ["E-F", "A-B", "C-D"] == [target.rpartition("=")[2] for _, target in script.asked]

    with_script(main, *[Answer(200, {}, BOOK)] * 3, budget=WeightBudget(in_flight_max=1))


def test_closing_ends_what_is_under_way() -> None:
    """Who waits for a snapshot is told that the client was closed; so is who asks later."""

    async def never() -> Answer:
        await asyncio.Event().wait()
        raise AssertionError

    async def main(rest: Rest, _: Script) -> None:
        waiting = asyncio.create_task(rest.snapshot("A-B", 100))
        await settled()
        await rest.close()
        await rest.close()
        for awaitable in (waiting, rest.snapshot("A-B", 100), rest.probe("A-B")):
            with pytest.raises(UsageError, match="closed"):
                await awaitable
        assert 1 == len(asyncio.all_tasks())

    with_script(main, never)


def test_closing_ends_what_waits_for_its_turn() -> None:
    """A request whose turn comes after the end is not sent."""

    async def main(rest: Rest, _: Script) -> None:
        rest.budget.ban("public", 1_000)
        waiting = asyncio.create_task(rest.probe("A-B"))
        await settled()
        await rest.close()
        with pytest.raises(UsageError, match="closed"):
            await waiting
        assert 0 == rest.budget.used("spot")

    with_script(main, budget=WeightBudget())
