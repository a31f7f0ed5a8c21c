"""When a symbol whose stream stays behind the venue is subscribed anew."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

import pytest

from orderbook.feed.renewals import POWER_MAX, Renewals
from orderbook.simulator import virtual_time
from tests.waiting import elapse

DELAY_MS = 1_000


class Log:
    """What was renewed, when, and after how many vain attempts; ``wanted`` says whether that goes on."""

    def __init__(self) -> None:
        self.made: list[tuple[float, str, int]] = []
        self.wanted = True
        self.renewals = Renewals(DELAY_MS, self._renew)
        self._began_s = asyncio.get_running_loop().time()

    def _renew(self, symbol: str, attempts: int) -> bool:
        if self.wanted:
            self.made.append((round(asyncio.get_running_loop().time() - self._began_s, 3), symbol, attempts))
        return self.wanted


def played(story: Callable[[Log], Coroutine[None, None, None]]) -> list[tuple[float, str, int]]:
    """What was renewed in a story, in virtual time."""

    async def main() -> list[tuple[float, str, int]]:
        log = Log()
        await story(log)
        log.renewals.clear()
        made = list(log.made)
        await elapse(1_000)
        assert made == log.made, "cleared"
        return made

    return virtual_time.run(main)


def test_the_time_between_two_subscriptions_doubles_four_times() -> None:
    """As long as it is of no use; however often it is asked for."""

    async def story(log: Log) -> None:
        for _ in range(700):
            log.renewals.begin("A", 7)
            await elapse(0.1)

    assert [(second, "A", vain) for vain, second in enumerate((0.0, 1.0, 3.0, 7.0, 15.0, 31.0, 47.0, 63.0))] == played(
        story
    )
    assert 2**POWER_MAX == 47 - 31


def test_each_symbol_has_waits_of_its_own() -> None:
    """One that ends does not end another's."""

    async def story(log: Log) -> None:
        log.renewals.begin("A", 0)
        await elapse(0.5)
        log.renewals.begin("B", 0)
        log.renewals.end("A")
        await elapse(1.25)

    assert [(0.0, "A", 0), (0.5, "B", 0), (1.5, "B", 1)] == played(story)


@pytest.mark.parametrize(("received", "expected"), [(7, [(10.0, "A", 1)]), (8, [(9.0, "A", 0), (10.0, "A", 1)])])
def test_after_a_use_it_is_renewed_at_once_again(received: int, expected: list[tuple[float, str, int]]) -> None:
    """That a delta came shows that it was of use; without one, the same silence goes on, and so does the waiting."""

    async def story(log: Log) -> None:
        log.renewals.begin("A", 7)
        await elapse(0.5)
        log.wanted = False
        await elapse(8.5)
        log.wanted = True
        log.renewals.begin("A", received)
        await elapse(1.5)

    assert [(0.0, "A", 0), *expected] == played(story)


def test_what_is_not_wanted_any_more_is_begun_anew() -> None:
    """A symbol that was taken out and comes again has no past."""

    async def story(log: Log) -> None:
        log.renewals.begin("A", 7)
        await elapse(0.25)
        log.renewals.end("A")
        log.renewals.end("never begun")
        log.renewals.begin("A", 7)

    assert [(0.0, "A", 0), (0.25, "A", 0)] == played(story)
