"""A closing handshake that the local KuCoin begins and never completes, over a real socket."""

from __future__ import annotations

import asyncio

import pytest

from orderbook.simulator.framing import framed_close
from orderbook.simulator.server import LocalKuCoin
from tests.simulator_clients import BOUND_S, connected, mute_client, plan, subscribe, until
from tests.unchecked import unchecked

pytestmark = pytest.mark.usefixtures("no_task_left")

TEXT = b"\x81\x80\0\0\0\0"
CLOSE = b"\x88\x80\0\0\0\0"
"""Masked frames without content."""


async def test_the_socket_stays_open_after_the_closing_frame() -> None:
    """Code and reason are said; the client's own closing frame does not bring the end; others are served."""
    faults = plan(
        {"fault": "slow_close", "code": 1012, "reason": "later", "on": "message", "nth": 1, "scope": "connection:1"}
    )
    async with asyncio.timeout(BOUND_S), LocalKuCoin(rate=500, faults=faults) as venue:
        async with mute_client(venue) as reader, connected(venue) as other:
            await reader.readuntil(b"}")
            client = unchecked(reader)._transport
            client.write(TEXT)
            said = await reader.readexactly(9)
            client.write(CLOSE)
            await subscribe(other)
            for _ in range(50):
                await other.recv()
            assert (b"", False, 2) == (bytes(unchecked(reader)._buffer), reader.at_eof(), len(venue._links))
        await until(lambda: not venue._links)

    assert b"\x88\x07" + (1012).to_bytes(2, "big") + b"later" == said
    assert {"slow_close": 1} == venue.exchange.ledger.totals()


async def test_a_client_with_a_deadline_gets_away() -> None:
    """It has heard the code, and does not wait for the rest longer than it wants to."""
    async with LocalKuCoin(rate=500, faults=plan({"fault": "slow_close", "on": "delta", "nth": 3})) as venue:
        async with connected(venue) as socket:
            await subscribe(socket)
            await until(lambda: venue.exchange.ledger.count("slow_close"))
            await socket.close()
        await until(lambda: not venue._links)

    assert 1001 == socket.close_code


def test_a_reason_is_cut_to_what_fits() -> None:
    """A control frame has 125 bytes at most."""
    assert 2 + 125 == len(framed_close(1000, "x" * 200))
