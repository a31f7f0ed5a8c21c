"""The plans of the virtual venue on real sockets, over TLS and a slow line: the two must not drift apart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orderbook.simulator.profiles import profile_named
from orderbook.simulator.tls import Authority
from orderbook.simulator.toxics import Toxics
from tests.feed_books import now_ns, until
from tests.proxied import PATIENT_FOR_NOTHING, proxied
from tests.simulation.case import drawn

DURATION_MS = 3_000
SETTINGS = replace(PATIENT_FOR_NOTHING, refused_retry_ms=500, instruments_interval_ms=500)
SEEDS = (1, 6, 10, 14)
"""Plans with faults of the stream, of answers, and of connections, and no lies; whole books and partial ones."""


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_plan_does_the_same_on_real_sockets(seed: int) -> None:
    """Never a wrong read while it is at work, LIVE and equal afterwards, and no limit is overstepped."""
    case = drawn(seed, duration_ms=DURATION_MS)
    small = replace(profile_named(case.profile), bids=130, asks=150, plan=())
    options: dict[str, Any] = {
        "symbols": case.symbols,
        "profile": small,
        "depth": case.depth,
        "rate": 60.0,
        "seed": case.seed,
    }
    async with proxied(authority=Authority(), settings=SETTINGS, ping_timeout_ms=500, **options) as line:
        line.socket.up = line.socket.down = line.rest.down = Toxics(latency_ms=5.0, jitter_ms=3.0)
        line.on.strike(*case.plan)
        ends_ns = now_ns() + DURATION_MS * 1_000_000
        await until(lambda: now_ns() > ends_ns)
        line.on.venue.exchange.heal(now_ns())
        await line.on.settled()

        line.on.check()
        assert line.on.venue.exchange.ledger.totals()
