"""The clock on the wall steps and drifts: nothing of a book depends on it, and signing follows it with one question.

Where that is not answered no snapshot is to be had; the book says why, and it is no end.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from orderbook.events import AuditPassed, StateChanged
from orderbook.feed.events import LinkDown
from orderbook.secret import Credentials
from orderbook.simulator.common import WALL_NS
from orderbook.simulator.limits import Limits
from orderbook.simulator.rest import Drop, Hang, Late, Reply
from orderbook.simulator.virtual_time import run
from orderbook.testing import VirtualKuCoin
from orderbook.types import BookState
from snapshots.fetch import CallSettings, Rest
from tests.feed_books import BTC
from tests.host_world import CALM, host, loop

HOUR_NS = 3_600 * 10**9
PPM = 1e-6


class WallClock:
    """A clock that a test sets, and that may go wrong on its own.

    Attributes:
        offset_ns: How far it is from the true time.
        drift: How much faster it goes than it should.
    """

    def __init__(self) -> None:
        self.offset_ns = 0
        self.drift = 0.0

    def __call__(self) -> int:
        now_ns = int(loop().time() * 1e9)
        return WALL_NS + now_ns + self.offset_ns + int(now_ns * self.drift)


def test_steps_of_the_clock_change_nothing_of_a_book() -> None:
    """An hour back, an hour on, again and again: no change of state, no age that is wrong, and every read is right."""

    async def main() -> None:
        clock = WallClock()
        async with host(outside={"wall_clock": clock}) as on:
            for step in (1, -1, -1, 1, -2, 3, -1, 24, -24):
                clock.offset_ns += step * HOUR_NS
                assert on.feed[BTC].is_live
                await on.watch(4)
                assert on.feed[BTC].is_live
                age_ms = on.feed.status(BTC).age_ms
                assert age_ms is not None
                assert 0 <= age_ms < 2_600, "a ping goes out after 2 s of silence"
            assert [] == on.changes() + on.told(LinkDown)
            assert 1 == on.feed.metrics.connects
            # That the clock is wrong is to be seen where it is looked for.
            latency = on.feed.symbol_metrics(BTC).venue_latency_ns
            assert latency.count > 100
            on.check()

    run(main)


def test_a_clock_that_drifts_changes_nothing_of_a_book() -> None:
    """100 ppm is 8.6 s a day; here it is a hundred times that, for 20 minutes."""

    async def main() -> None:
        clock = WallClock()
        clock.drift = 10_000 * PPM
        async with host(outside={"wall_clock": clock}, rate=1.0) as on:
            await on.watch(1_200)
            assert [] == on.changes() + on.told(LinkDown)
            on.check()

    run(main)


class Questions:
    """How often the venue is asked for its time."""

    def __init__(self, venue: VirtualKuCoin, monkeypatch: pytest.MonkeyPatch) -> None:
        self._rest = venue.exchange.rest
        self._count = 0
        monkeypatch.setattr(venue.exchange, "rest", self._asked)

    def _asked(self, method: str, target: str, *more: Any) -> Reply | Late | Drop | Hang:
        self._count += target == "/api/v1/timestamp"
        return self._rest(method, target, *more)

    def since(self) -> int:
        """How often since this was asked last."""
        count, self._count = self._count, 0
        return count


def rest_of(venue: VirtualKuCoin, credentials: Credentials, clock: WallClock) -> Rest:
    """A client whose clock is that one."""
    outside = venue.outside()
    calls = CallSettings(clock=venue.now_ns, wall=clock, rng=random.Random(1))
    return Rest(venue.url, credentials=credentials, calls=calls, transport=outside.transport)


@pytest.mark.parametrize("hours", [-1, 1])
def test_signing_asks_for_the_time_once_after_a_step(hours: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The venue refuses the first request (400002); the client asks for the time, and is right from then on."""

    async def main() -> None:
        clock = WallClock()
        async with VirtualKuCoin(symbols=[BTC], seed=1) as venue, rest_of(venue, venue.credentials, clock) as rest:
            asked = Questions(venue, monkeypatch)
            for expected in (0, 1, 0):
                if expected:
                    clock.offset_ns += hours * HOUR_NS
                for _ in range(3):
                    await rest.snapshot(BTC, "full")
                assert expected == asked.since()
            clock.offset_ns = 0
            await rest.snapshot(BTC, "full")
            assert 1 == asked.since(), "and back again"

    run(main)


def test_signing_follows_a_clock_that_drifts(monkeypatch: pytest.MonkeyPatch) -> None:
    """100 ppm for three days: every request is served, and the time is asked for when 5 s are reached."""

    async def main() -> None:
        clock = WallClock()
        clock.drift = 100 * PPM
        limits = Limits(public_weight_max=10**9, spot_weight_max=10**9)
        async with (
            VirtualKuCoin(symbols=[BTC], seed=1, rate=0.001, limits=limits) as venue,
            rest_of(venue, venue.credentials, clock) as rest,
        ):
            asked = Questions(venue, monkeypatch)
            for _ in range(3 * 24):
                await rest.snapshot(BTC, "full")
                loop().block(3_600)
            drifted_s = 3 * 86_400 * 100 * PPM
            assert int(drifted_s / 5) == asked.since()

    run(main)


# -- signing, when the venue does not tell its time --

REMEDY = "set this machine's clock right (NTP)"
NO_TIME: dict[str, dict[str, object]] = {
    "a page": {"fault": "html"},
    "a page of the edge": {"fault": "html", "status": 403},
    "silence": {"fault": "hang"},
    "a cut": {"fault": "cut"},
    "half of it": {"fault": "cut_body"},
    "overloaded": {"fault": "rate_limited"},
    "a used up quota": {"fault": "rate_limited", "reset_ms": 5_000},
    "an error": {"fault": "rest_error"},
    "no such path": {"fault": "rest_error", "code": "404", "status": 404},
}


@pytest.mark.parametrize("fault", NO_TIME.values(), ids=NO_TIME)
@pytest.mark.parametrize("hours", [-1, 1])
def test_without_the_venues_time_a_book_waits_and_says_why(fault: dict[str, object], hours: int) -> None:
    """Never FAILED: for two minutes no snapshot, and a reason that names the remedy; then LIVE within one back-off."""

    async def main() -> None:
        clock = WallClock()
        async with host(outside={"wall_clock": clock}) as on:
            clock.offset_ns += hours * HOUR_NS
            on.venue.strike({**fault, "path": "timestamp", "p": 1, "for_ms": 120_000}, {"fault": "disconnect"})
            await on.watch(15)
            for _ in range(150):
                await on.watch(0.5)
                status = on.feed.status(BTC)
                assert (BookState.SYNCING, True) == (status.state, REMEDY in status.reason), status.reason
                assert "and its time is not to be had (" in status.reason
            await on.watch(5)
            await on.settled(CALM.rest_timeout_ms / 1e3 + 2 * CALM.sync.snapshot_retry_max_ms / 1e3)
            assert BookState.FAILED not in [one.new for one in on.told(StateChanged)]
            assert REMEDY not in on.feed.status(BTC).reason
            on.check()

    run(main)


def test_a_clock_that_the_user_sets_is_enough() -> None:
    """The venue's time is not to be had for ever; ten minutes cost a few requests each, and a right clock ends them."""

    async def main() -> None:
        clock = WallClock()
        async with host(outside={"wall_clock": clock}) as on:
            clock.offset_ns += HOUR_NS
            on.venue.strike({"fault": "html", "path": "timestamp", "p": 1}, {"fault": "disconnect"})
            await on.watch(60)
            calls = on.feed.metrics.rest_calls
            await on.watch(600)
            assert REMEDY in on.feed.status(BTC).reason
            assert 10 * 10 < on.feed.metrics.rest_calls - calls < 10 * 36, "beside them a probe every 5 s"
            clock.offset_ns = 0
            await on.settled(2 * CALM.sync.snapshot_retry_max_ms / 1e3)
            on.check()

    run(main)


def test_an_audit_that_cannot_be_signed_leaves_a_good_book_alone() -> None:
    """Nobody doubts it: it is LIVE while no snapshot is to be had, and compared when one is."""

    async def main() -> None:
        clock = WallClock()
        async with host(settings=replace(CALM, audit_interval_ms=2_000), outside={"wall_clock": clock}) as on:
            await on.watch(10)
            before = len(on.told(AuditPassed))
            assert before >= 2
            clock.offset_ns += HOUR_NS
            on.venue.strike({"fault": "html", "path": "timestamp", "p": 1, "for_ms": 60_000})
            await on.watch(60)
            blind = len(on.told(AuditPassed))
            assert blind <= before + 1
            await on.watch(40)
            assert len(on.told(AuditPassed)) >= blind + 3
            assert [] == on.changes()
            on.check()

    run(main)


@pytest.mark.parametrize("code", ["400003", "400004", "400006"])
def test_a_key_that_is_refused_is_still_the_end(code: str) -> None:
    """Whatever the clock says: FAILED at once, and nothing is asked any more."""

    async def main() -> None:
        clock = WallClock()
        async with host(outside={"wall_clock": clock}) as on:
            clock.offset_ns += HOUR_NS
            # The first is refused for its clock, and this one is what comes when that was set.
            on.venue.strike(
                {"fault": "rest_error", "code": code, "status": 401, "path": "level2", "nth": 2},
                {"fault": "disconnect"},
            )
            await on.watch(10)
            status = on.feed.status(BTC)
            assert (BookState.FAILED, True) == (status.state, f"code {code}" in status.reason)
            on.check()

    run(main)
