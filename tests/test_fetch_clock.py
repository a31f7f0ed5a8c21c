"""The venue's clock and ours differ: that passes, and until then it costs little and is told. In virtual time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import pytest

from orderbook.errors import Refused, RestError
from orderbook.simulator.virtual_time import settled
from orderbook.venues import kucoin_rest
from snapshots.budget import WeightBudget
from snapshots.fetch import Rest
from snapshots.transport import Answer
from tests.scripted_venue import BOOK, CREDENTIALS, WALL_MS, Script, down, no, ok, refused_with, with_script
from tests.two_clocks import NO_TIME, TOKEN, Clocks, silence, with_clocks
from tests.waiting import elapse

REMEDY = "set this machine's clock right (NTP): the venue allows 5 s"
STEP_MS = 20_000


async def snapshot(rest: Rest) -> None:
    """Get the one signed answer."""
    assert BOOK == await rest.snapshot("A-B", "full")


async def token(rest: Rest) -> None:
    """Get the other."""
    assert TOKEN["token"] == (await rest.token(private=True)).token.reveal()


@pytest.mark.parametrize("ask", [snapshot, token])
@pytest.mark.parametrize("step", NO_TIME.values(), ids=NO_TIME)
@pytest.mark.parametrize("count", [1, 2])
def test_a_time_that_is_not_to_be_had_is_asked_for_again(
    count: int, step: Any, ask: Callable[[Rest], Awaitable[None]]
) -> None:
    """Whatever comes instead of it: the call succeeds when it comes; then nothing is asked any more."""
    venue = Clocks(*[step] * count, ahead_ms=-STEP_MS)

    async def main(rest: Rest) -> None:
        await ask(rest)
        assert [] == venue.times
        # While it is banned from asking, it tries the machine's clock as well.
        refused = 2 * count if step is NO_TIME["a used up quota"] else count
        assert (1 + count, refused) == (len(venue.asked), venue.refused)
        asked = len(venue.asked)
        await ask(rest)
        assert asked == len(venue.asked)

    with_clocks(venue, main)


@pytest.mark.parametrize("steps", [1, 2])
def test_a_clock_that_steps_again_before_it_is_used_is_set_again(steps: int) -> None:
    """The venue's time was right when it was told, and wrong when the request came."""
    venue = Clocks(ahead_ms=STEP_MS)

    async def step() -> Answer:
        answer = venue.answer()
        venue.ahead_ms += STEP_MS
        return answer

    venue.times = [step] * steps

    async def main(rest: Rest) -> None:
        await snapshot(rest)
        assert steps + 1 == len(venue.asked)

    with_clocks(venue, main)


def test_a_stamp_that_was_under_way_for_too_long_is_no_end() -> None:
    """The clocks agree, but the line is slow for a while: the request is made again."""
    venue = Clocks()

    async def main(rest: Rest) -> None:
        venue.trip_s = 15
        waiting = asyncio.create_task(snapshot(rest))
        await elapse(10)
        venue.trip_s = 0.1
        await waiting
        assert 1 == venue.refused

    with_clocks(venue, main)


@pytest.mark.parametrize("ask", [snapshot, token])
@pytest.mark.parametrize(
    ("no_time", "why"),
    [
        (NO_TIME["a page"], "a page of HTML with status 503"),
        (NO_TIME["no such path"], "no such path"),
        (down(), "down"),
        (silence, "no answer in time, or no turn to ask"),
    ],
)
def test_patience_with_a_clock_has_an_end(no_time: Any, why: str, ask: Callable[[Rest], Awaitable[None]]) -> None:
    """The error names the remedy, and why the venue's time was of no help; it may pass. Each attempt asks once."""
    venue = Clocks(ahead_ms=STEP_MS, no_time=no_time)

    async def main(rest: Rest) -> None:
        error = await refused_with(ask(rest))
        assert isinstance(error, Refused)
        assert ("400002", True) == (error.code, error.is_transient)
        assert f"KC-API-TIMESTAMP Invalid, and its time is not to be had ({why}" in str(error).replace(
            "KuCoin answered code 404: words; ", ""
        ).replace("the server sent ", "")
        assert str(error).endswith(f"; {REMEDY}")
        assert (5, 5) == (len(venue.asked), len(venue.stamped))

    with_clocks(venue, main)


@pytest.mark.parametrize("times", [[], [NO_TIME["a page"]]])
def test_a_venue_that_takes_no_stamp_at_all(times: list[Any]) -> None:
    """It gives its time and refuses it: the error says so, after few requests, each later than the one before."""
    venue = Clocks(*times)
    venue.is_refusing = True

    async def main(rest: Rest) -> None:
        error = await refused_with(rest.snapshot("A-B", "full"))
        assert f"KuCoin answered code 400002: KC-API-TIMESTAMP Invalid; {REMEDY}" == str(error)
        assert (3, 6 - len(times)) == (len(venue.asked), len(venue.stamped))
        moments = [at for at, _ in venue.stamped][1 - len(times) :]
        waits = [after - before for before, after in pairwise(moments)]
        assert all(wait >= least for wait, least in zip(waits, (0.125, 0.25, 0.5, 1.0), strict=True))
        with pytest.raises(Refused):
            await rest.call(kucoin_rest.book_request("A-B", "full"), attempts=1)

    with_clocks(venue, main)


def test_a_clock_that_the_user_sets_is_right_without_the_venues_time() -> None:
    """What was learnt before is forgotten when it is refused, and the machine's own clock is tried."""
    venue = Clocks(ahead_ms=STEP_MS)

    async def main(rest: Rest) -> None:
        await snapshot(rest)
        venue.no_time = NO_TIME["no such path"]
        venue.ours_ms = STEP_MS
        await snapshot(rest)
        assert (2, 3) == (venue.refused, len(venue.asked))

    with_clocks(venue, main)


@pytest.mark.parametrize("lie", [ok(0), ok(7), ok(WALL_MS - 3_600_000), ok(2**62)])
def test_a_time_that_is_wrong_does_no_harm_for_long(lie: Answer) -> None:
    """Something in between keeps old answers, while the machine's own clock was set right: that one is used."""
    venue = Clocks(ahead_ms=STEP_MS)

    async def main(rest: Rest) -> None:
        await snapshot(rest)
        venue.no_time, venue.ahead_ms = lie, 0
        await snapshot(rest)
        asked = len(venue.asked)
        assert 2 == asked
        await snapshot(rest)
        assert asked == len(venue.asked)

    with_clocks(venue, main)


def test_what_was_signed_before_it_was_set_says_nothing_of_it() -> None:
    """A refusal that comes late makes nobody ask for the time again, and its request is signed anew."""
    venue = Clocks(ahead_ms=STEP_MS)

    async def main(rest: Rest) -> None:
        first = asyncio.create_task(rest.snapshot("A-B", "full"))
        await elapse(0.01)
        venue.trip_s = 1.0
        late = asyncio.create_task(rest.snapshot("C-D", "full"))
        await elapse(0.01)
        venue.trip_s = 0.1
        assert (BOOK, BOOK) == (await first, await late)
        assert (2, 1) == (venue.refused, len(venue.asked))

    with_clocks(venue, main)


# -- many at once --


def test_one_asks_for_the_time_and_all_others_wait() -> None:
    """Of a hundred, those are refused that were under way, and the time is asked for once."""
    venue = Clocks(ahead_ms=STEP_MS)

    async def main(rest: Rest) -> None:
        bodies = await asyncio.gather(*(rest.snapshot(f"S{number}-B", "full") for number in range(100)))
        assert {BOOK} == set(bodies)
        assert (16, 1, 116) == (venue.refused, len(venue.asked), len(venue.stamped))

    with_clocks(venue, main)


def test_what_would_be_refused_is_not_sent() -> None:
    """Whoever waits for his turn when the clock is found to be wrong gives it back; it costs no weight."""
    venue = Clocks(ahead_ms=STEP_MS, no_time=silence)

    async def main(rest: Rest) -> None:
        rest.budget.ban("spot", 1_000)
        tasks = [asyncio.create_task(rest.snapshot(f"S{number}-B", "full")) for number in range(50)]
        await elapse(2)
        assert (2, 1) == (len(venue.stamped), len(venue.asked))
        assert 2 * 3 == rest.budget.used("spot")
        for task in tasks:
            task.cancel()
        await settled()
        assert 2 * 3 == rest.budget.used("spot")

    with_clocks(venue, main, budget=WeightBudget(in_flight_max=2))


def test_when_who_asks_for_the_time_is_gone_another_one_asks() -> None:
    """His cancellation costs the others nothing."""
    venue = Clocks(silence, ahead_ms=STEP_MS)

    async def main(rest: Rest) -> None:
        first = asyncio.create_task(rest.snapshot("A-B", "full"))
        await elapse(0.05)
        second = asyncio.create_task(rest.snapshot("C-D", "full"))
        await elapse(1)
        assert 1 == len(venue.asked)
        first.cancel()
        assert BOOK == await second
        assert 2 == len(venue.asked)

    with_clocks(venue, main)


@pytest.mark.parametrize("is_told", [True, False])
def test_a_wrong_clock_spends_no_quota_however_many_suffer(is_told: bool) -> None:
    """A hundred who ask for ever: few requests a minute; and all have their answer soon after the end.

    ``is_told``: the venue tells its time, and refuses all the same.
    """
    venue = Clocks(ahead_ms=STEP_MS, no_time=None if is_told else NO_TIME["a page"])
    venue.is_refusing = is_told

    async def main(rest: Rest) -> None:
        done_s: list[float] = []
        told: set[str] = set()

        async def insist(symbol: str, rng: random.Random) -> None:
            while True:
                try:
                    await rest.snapshot(symbol, "full")
                except Refused as error:
                    told.add(str(error)[-len(REMEDY) :])
                    await elapse(rng.uniform(0, 8))
                else:
                    done_s.append(asyncio.get_running_loop().time())
                    return

        tasks = [asyncio.create_task(insist(f"S{number}-B", random.Random(number))) for number in range(100)]
        await elapse(60)
        signed, asked = len(venue.stamped), len(venue.asked)
        assert signed < 16 + 20, "those that were under way, and some that tried"
        await elapse(600)
        # Every 5 s somebody tries, and asks for the time, or does so every second time.
        assert 100 < len(venue.stamped) - signed <= 120
        assert 50 < len(venue.asked) - asked <= 120
        assert ({REMEDY}, []) == (told, done_s)
        venue.no_time, venue.is_refusing = None, False
        healed_s = asyncio.get_running_loop().time()
        await asyncio.gather(*tasks)
        assert max(done_s) - healed_s < 5 + 5 + 8

    with_clocks(venue, main)


@pytest.mark.parametrize("failure", [down(), no("500000", 500)])
def test_another_failure_of_who_tries_the_clock_holds_nobody_up(failure: Answer | RestError) -> None:
    """It says nothing of the clock, which is believed then: the others are not kept waiting one by one."""
    venue = Clocks(ahead_ms=STEP_MS)
    venue.instead = [failure]

    async def main(rest: Rest) -> None:
        await asyncio.gather(*(rest.snapshot(f"S{number}-B", "full") for number in range(16)))
        assert ([], 1, 16, 33) == (venue.instead, len(venue.asked), venue.refused, len(venue.stamped))
        others = [at for at, _ in venue.stamped[17:32]]
        assert 15 == len(others)
        assert max(others) - min(others) < 0.001

    with_clocks(venue, main)


def test_when_who_tries_the_clock_is_gone_another_one_does() -> None:
    """Nothing is known of the clock then, and nobody waits for ever."""
    venue = Clocks(ahead_ms=STEP_MS)

    async def main(rest: Rest) -> None:
        first = asyncio.create_task(rest.snapshot("A-B", "full"))
        await elapse(0.01)
        second = asyncio.create_task(rest.snapshot("C-D", "full"))
        await elapse(0.2)
        assert (2, 1) == (venue.refused, len(venue.asked))
        first.cancel()
        assert BOOK == await second
        assert 2 == venue.refused

    with_clocks(venue, main)


def test_many_that_are_refused_at_once_are_one_failure() -> None:
    """The pause doubles with each time that the clock was set in vain, not with each request that suffers from it."""
    venue = Clocks(ahead_ms=STEP_MS)
    venue.instead = [down()]

    async def main(rest: Rest) -> None:
        error = await refused_with(rest.call(kucoin_rest.book_request("A-B", "full"), attempts=1))
        assert "down" == str(error)
        # The clock is believed, and no longer right.
        venue.ahead_ms += STEP_MS
        bodies = await asyncio.gather(*(rest.snapshot(f"S{number}-B", "full") for number in range(16)))
        assert {BOOK} == set(bodies)
        assert 1 + 16 + 1 >= venue.refused
        assert asyncio.get_running_loop().time() - venue.stamped[2][0] < 2

    with_clocks(venue, main)


def test_patience_begins_anew_when_the_clock_was_right() -> None:
    """After an hour of a wrong clock the next one is no worse than the first."""
    venue = Clocks(ahead_ms=STEP_MS, no_time=down())

    async def main(rest: Rest) -> None:
        for _ in range(10):
            await refused_with(rest.snapshot("A-B", "full"))
        venue.no_time = None
        await snapshot(rest)
        venue.times, venue.ahead_ms = [down()], 0
        before_s = asyncio.get_running_loop().time()
        await snapshot(rest)
        assert asyncio.get_running_loop().time() - before_s < 1

    with_clocks(venue, main)


def test_nobody_waits_for_a_turn_to_hear_that_the_clock_is_wrong() -> None:
    """While it is left alone, that is told at once and at no cost; an answer of before it was set changes nothing."""
    venue = Clocks()

    async def main(rest: Rest) -> None:
        held = venue.held = asyncio.Event()
        old = asyncio.create_task(rest.snapshot("A-B", "full"))
        await elapse(1)
        venue.held, venue.is_refusing = None, True
        await refused_with(rest.snapshot("C-D", "full"))
        held.set()
        assert BOOK == await old
        stamped, before_s = len(venue.stamped), asyncio.get_running_loop().time()
        rest.budget.ban("spot", 60_000)
        error = await refused_with(rest.call(kucoin_rest.book_request("E-F", "full"), attempts=1))
        assert str(error).endswith(REMEDY)
        assert (stamped, before_s) == (len(venue.stamped), asyncio.get_running_loop().time())

    with_clocks(venue, main)


# -- what is no matter of clocks --


@pytest.mark.parametrize("code", ["400003", "400004", "400005", "400006", "400007"])
def test_a_key_that_is_refused_stays_refused(code: str) -> None:
    """At once and for good, also when the clock had to be set first."""
    venue = Clocks(ahead_ms=STEP_MS)
    venue.instead = [no(code, 401)]

    async def main(rest: Rest) -> None:
        error = await refused_with(rest.snapshot("A-B", "full"))
        assert isinstance(error, Refused)
        assert (code, False) == (error.code, error.is_transient)
        assert (1, 2) == (len(venue.asked), len(venue.stamped))

    with_clocks(venue, main)


def test_a_refused_stamp_of_a_request_without_one_asks_for_no_time() -> None:
    """Somebody in between answered that; it is an error like others that may pass."""

    async def main(rest: Rest, script: Script) -> None:
        assert isinstance(await refused_with(rest.snapshot("A-B", 100)), Refused)
        assert ["/api/v1/market/orderbook/level2_100?symbol=A-B"] * 5 == [target for _, target in script.asked]

    with_script(main, *[no("400002", 400)] * 5, credentials=CREDENTIALS)
