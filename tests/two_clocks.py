"""A venue whose clock differs from ours, looks at time stamps, and may not tell its time; in virtual time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from orderbook.errors import RestError
from orderbook.simulator.virtual_time import run
from orderbook.venues import kucoin_rest
from orderbook.venues.kucoin_auth import WINDOW_MS
from snapshots.budget import WeightBudget
from snapshots.fetch import CallSettings, Rest
from snapshots.transport import Answer
from tests.scripted_venue import BOOK, CREDENTIALS, QUOTA, WALL_MS, down, no, ok
from tests.waiting import elapse

TOKEN = {
    "token": "canary",
    "instanceServers": [{"endpoint": "wss://h/", "pingInterval": 18_000, "pingTimeout": 10_000}],
}


async def silence() -> Answer:
    """Nobody answers, ever: the transport gives up."""
    await elapse(10)
    return Answer(504, {}, b"")


NO_TIME = {
    "a page": Answer(503, {}, b"<html>"),
    "a page with status 200": Answer(200, {}, b"<html>"),
    "the edge": Answer(403, {}, b"<html>"),
    "no such path": no("404", 404),
    "a redirect": Answer(302, {"location": "https://canary"}, b""),
    "overloaded": no("429000", 429),
    "a used up quota": no("429000", 429, QUOTA),
    "a connection that is cut": down(),
    "silence": silence,
    "half of it": Answer(200, {}, b'{"code":"200000","da'),
    "no number": ok(None),
    "the same refusal": no("400002", 400),
    "an internal error": no("500000", 500),
}
"""What may come instead of the venue's time."""


class Clocks:
    """A venue that looks at the time stamps of signed requests, and the clock of the machine that makes them.

    Attributes:
        ahead_ms: How far the venue's clock is ahead of the right time.
        ours_ms: The same of the machine's clock.
        times: What comes instead of the venue's time: the next ones, each once.
        no_time: What comes instead of it when there is none of these.
        trip_s: How long an answer takes.
        stamped: When a signed request came, on the loop's clock, and whether its time stamp was taken.
        asked: When somebody asked for the time.
        is_refusing: Whether no time stamp is taken.
        held: What the answers to signed requests wait for that come from now on.
        instead: What comes instead of answers to signed requests: the next ones, each once.
    """

    def __init__(self, *times: Any, ahead_ms: int = 0, no_time: Any = None) -> None:
        self.ahead_ms = ahead_ms
        self.ours_ms = 0
        self.times = list(times)
        self.no_time = no_time
        self.trip_s = 0.1
        self.stamped: list[tuple[float, bool]] = []
        self.asked: list[float] = []
        self.is_refusing = False
        self.held: asyncio.Event | None = None
        self.instead: list[Answer | RestError] = []

    def right_ms(self) -> int:
        """The right time."""
        return WALL_MS + int(asyncio.get_running_loop().time() * 1_000)

    def wall_ns(self) -> int:
        """The machine's."""
        return (self.right_ms() + self.ours_ms) * 1_000_000

    def answer(self) -> Answer:
        """The venue's time."""
        return ok(self.right_ms() + self.ahead_ms)

    @property
    def refused(self) -> int:
        """How many time stamps were not taken."""
        return sum(not is_taken for _, is_taken in self.stamped)

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: str, *, timeout_ms: int) -> Answer:
        del method, body, timeout_ms
        if url.endswith(kucoin_rest.TIMESTAMP_PATH):
            self.asked.append(asyncio.get_running_loop().time())
            step = self.times.pop(0) if self.times else self.no_time
            await elapse(self.trip_s)
            if isinstance(step, RestError):
                raise step
            return step if isinstance(step, Answer) else self.answer() if step is None else await step()
        held = self.held
        await elapse(self.trip_s / 2)
        late_ms = abs(int(headers["KC-API-TIMESTAMP"]) - self.right_ms() - self.ahead_ms)
        is_taken = late_ms <= WINDOW_MS and not self.is_refusing
        self.stamped.append((asyncio.get_running_loop().time(), is_taken))
        await elapse(self.trip_s / 2)
        if held is not None:
            await held.wait()
        if not is_taken:
            return no("400002", 400, words="KC-API-TIMESTAMP Invalid")
        if self.instead:
            step = self.instead.pop(0)
            if isinstance(step, RestError):
                raise step
            return step
        return ok(TOKEN) if "bullet" in url else Answer(200, {}, BOOK)

    async def close(self) -> None:
        pass


def with_clocks(venue: Clocks, main: Callable[[Rest], Awaitable[None]], *, budget: WeightBudget | None = None) -> None:
    """Run ``main`` with a client of that venue."""

    async def body() -> None:
        calls = CallSettings(wall=venue.wall_ns, rng=random.Random(1))
        async with Rest(transport=venue, calls=calls, credentials=CREDENTIALS, budget=budget) as rest:
            await main(rest)
        assert 1 == len(asyncio.all_tasks())

    run(body)
