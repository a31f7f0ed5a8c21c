"""A feed that gets to the local KuCoin through fault proxies: one for its sockets, another for its REST requests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from orderbook.feed.events import LinkDown
from orderbook.simulator.proxy import FaultProxy
from orderbook.simulator.server import LocalKuCoin
from orderbook.simulator.tls import Authority
from tests.feed_books import FAST, Stage, Way, stage

PATIENT_FOR_NOTHING = replace(
    FAST,
    connect_timeout_ms=200,
    welcome_timeout_ms=200,
    close_timeout_ms=100,
    ping_silence_ms=100,
    sync=replace(FAST.sync, link_silence_max_ms=400),
)
"""Finds a dead link within a test's time; the venue has to ask for quick pongs (``ping_timeout_ms``)."""


@dataclass
class Line:
    """The way of a feed to its venue.

    Attributes:
        on: Venue, feed and watch.
        socket: Carries the sockets.
        rest: Carries the REST requests.
    """

    on: Stage
    socket: FaultProxy
    rest: FaultProxy

    def downs(self) -> list[str]:
        """Why links ended, or could not be made."""
        return downs(self.on)


def downs(on: Stage) -> list[str]:
    """Why links of a stage ended, or could not be made."""
    return [event.reason for event in on.watch.told(LinkDown)]


@asynccontextmanager
async def proxied(*, seed: int = 1, authority: Authority | None = None, **options: Any) -> AsyncIterator[Line]:
    """Set it up.

    Args:
        seed: Of all chance.
        authority: Speak TLS, with its certificates.
        options: See ``stage``; but a REST request may take as long as it does on a poor line of a busy machine.
    """
    sockets, requests = FaultProxy(seed=seed), FaultProxy(seed=seed)
    safe = "" if authority is None else "s"

    @asynccontextmanager
    async def way(venue: LocalKuCoin) -> AsyncIterator[Way]:
        sockets.target = requests.target = ("127.0.0.1", venue.port)
        async with sockets, requests:
            venue.endpoint = f"ws{safe}://127.0.0.1:{sockets.port}/"
            tls = None if authority is None else authority.client_context()
            yield Way(url=f"http{safe}://127.0.0.1:{requests.port}", tls=tls)

    async with stage(seed=seed, way=way, tls=authority, **{"rest_timeout_ms": 3_000, **options}) as on:
        yield Line(on, sockets, requests)
