"""The fault proxies: what each toxic does to the bytes of a connection, and what a proxy for tunnels answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from orderbook.errors import UsageError
from orderbook.simulator.proxy import FaultProxy
from orderbook.simulator.toxics import HEALTHY, Conditions, Toxics
from orderbook.simulator.wire import Ends
from tests.raw_server import TEXT, Target, raw_target, rest_of
from tests.simulator_clients import BOUND_S, until
from tests.unchecked import unchecked

pytestmark = pytest.mark.usefixtures("no_task_left")


@asynccontextmanager
async def _proxied(seed: int = 0) -> AsyncIterator[tuple[Target, FaultProxy]]:
    async with raw_target() as target, FaultProxy("127.0.0.1", target.port, seed=seed) as proxy:
        yield target, proxy


@asynccontextmanager
async def _client(proxy: FaultProxy) -> AsyncIterator[Ends]:
    """A client whose connection has come through to the target."""
    wires = len(proxy.wires)
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        await until(lambda: len(proxy.wires) > wires)
        yield reader, writer
    finally:
        writer.transport.abort()


async def _reached(target: Target, count: int) -> None:
    await until(lambda: len(target.clients) >= count)


# --- what passes unharmed ---


@pytest.mark.parametrize(
    "toxics",
    [
        HEALTHY,
        Toxics(latency_ms=20),
        Toxics(latency_ms=5, jitter_ms=20),
        Toxics(slice_bytes=7),
        Toxics(bandwidth=500_000),
        Toxics(bandwidth=1_000_000, slice_bytes=100, jitter_ms=5, slow_close_ms=10),
    ],
    ids=repr,
)
async def test_what_only_takes_time_changes_nothing(toxics: Toxics) -> None:
    """Every byte arrives, in order, in both directions; and the ends of the streams."""
    async with _proxied() as (target, proxy), _client(proxy) as (reader, writer):
        proxy.up = proxy.down = toxics
        await _reached(target, 1)
        target.say(TEXT)
        writer.write(TEXT)
        assert TEXT == await reader.readexactly(len(TEXT))
        await until(lambda: len(target.got[0]) == len(TEXT))
        writer.write_eof()
        assert (b"", "end") == await rest_of(reader)
        await until(lambda: not proxy.wires)

        assert (TEXT, ["end"]) == (bytes(target.got[0]), target.ends)


class _Pieces(asyncio.Protocol):
    """Notes what the loop reads at a time."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def data_received(self, data: bytes) -> None:
        self.pieces.append(data)


async def test_slices_are_read_one_by_one() -> None:
    """A receiver gets a byte at a time, not all that were written together."""
    async with _proxied() as (target, proxy):
        proxy.down = Toxics(slice_bytes=1)
        loop = asyncio.get_running_loop()
        transport, client = await loop.create_connection(_Pieces, "127.0.0.1", proxy.port)
        await _reached(target, 1)
        target.say(TEXT[:50])
        await until(lambda: sum(map(len, client.pieces)) >= 50)
        transport.abort()

    assert [bytes((one,)) for one in TEXT[:50]] == client.pieces


class _Clock:
    """Records how long a proxy slept, instead of measuring how long that took."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.slept: list[float] = []
        sleep = asyncio.sleep

        async def note(seconds: float, *_rest: Any) -> None:
            if seconds > 0.001:  # shorter ones are those of the tests
                self.slept.append(seconds)
            await sleep(min(seconds, 0.0001))

        monkeypatch.setattr(asyncio, "sleep", note)


async def test_latency_and_bandwidth_take_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds of latency, and bytes divided by the bandwidth; jitter is the same for the same seed."""
    jitters = []
    for seed in (1, 1, 2):
        async with _proxied(seed) as (target, proxy), _client(proxy) as (reader, _):
            await _reached(target, 1)
            clock = _Clock(monkeypatch)
            proxy.down = Toxics(latency_ms=3_000, jitter_ms=2_000)
            target.say(b"x")
            await reader.readexactly(1)
            jitters.append(round(clock.slept[0], 1))
            proxy.down = Toxics(bandwidth=1_000)
            clock.slept.clear()
            target.say(TEXT[:1_000])
            await reader.readexactly(1_000)
            narrow = sum(clock.slept)
            monkeypatch.undo()
        # Sleeps are not slept here, so what is behind schedule adds up: n pieces of 21 bytes wait 1 + 2 + ... + n.
        assert narrow >= 0.9
    assert 3 <= min(jitters) <= max(jitters) <= 5
    assert (True, False) == (abs(jitters[0] - jitters[1]) < 0.15, abs(jitters[0] - jitters[2]) < 0.15)


# --- what ends a connection ---


async def test_a_reset_strikes_after_so_many_bytes() -> None:
    """Counted from when it was set; both ends get an RST, and the next connection has a count of its own."""
    async with _proxied() as (target, proxy):
        async with _client(proxy) as (reader, _):
            await _reached(target, 1)
            target.say(TEXT[:5_000])
            await reader.readexactly(5_000)
            proxy.down = Toxics(reset_after=300, slice_bytes=100)
            target.say(TEXT[:1_000])
            # A receiver may lose what it had not read yet: that is how RST works.
            got, how = await rest_of(reader)
            await until(lambda: target.ends)
            assert ("reset", ["reset"], 1) == (how, target.ends, proxy.resets)
            assert TEXT[:300].startswith(got)
        async with _client(proxy) as (reader, _):
            await _reached(target, 2)
            target.say(TEXT[:299], 1)
            assert TEXT[:299] == await reader.readexactly(299)
            assert 1 == len(proxy.wires)


async def test_a_limit_ends_it_in_order() -> None:
    """Exactly so many bytes arrive, and then the end."""
    async with _proxied() as (target, proxy), _client(proxy) as (reader, _):
        proxy.down = Toxics(limit_bytes=777)
        await _reached(target, 1)
        target.say(TEXT)
        assert (TEXT[:777], "end") == await rest_of(reader)
        await until(lambda: not proxy.wires)

    assert 0 == proxy.resets


async def test_resets_now() -> None:
    """Of one wire, and of all; also of one that is clogged."""
    async with _proxied() as (target, proxy), _client(proxy) as (one, _), _client(proxy) as (two, _):
        await _reached(target, 2)
        proxy.wires[0].down = Toxics(is_clogged=True)
        target.say(b"held", 0)
        await until(lambda: proxy.accepted == 2)
        proxy.wires[0].reset()
        assert (b"", "reset") == await rest_of(one)
        await until(lambda: len(proxy.wires) == 1)
        target.say(b"hello", 1)
        assert b"hello" == await two.readexactly(5)
        proxy.reset()
        assert (b"", "reset") == await rest_of(two)
        await until(lambda: not proxy.wires)


async def test_refused_and_let_in_again() -> None:
    """Nobody listens for a while; open connections stay; then the same port serves again."""
    async with _proxied() as (target, proxy), _client(proxy) as (reader, _):
        await _reached(target, 1)
        proxy.refuse()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", proxy.port)
        target.say(b"still here")
        assert b"still here" == await reader.readexactly(10)
        await proxy.start()
        async with _client(proxy):
            assert 2 == proxy.accepted


async def test_a_server_that_is_not_there_is_a_reset() -> None:
    """The client learns that nobody is behind the proxy."""
    async with raw_target() as gone:
        port = gone.port
    async with asyncio.timeout(BOUND_S), FaultProxy("127.0.0.1", port) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        assert (b"", "reset") == await rest_of(reader)
        writer.close()


# --- what holds and what swallows ---


async def test_a_clog_holds_and_lets_go() -> None:
    """Nothing passes in that direction, the other one works; then everything comes, in order."""
    async with _proxied() as (target, proxy), _client(proxy) as (reader, writer):
        await _reached(target, 1)
        proxy.down = Toxics(is_clogged=True)
        target.say(TEXT)
        writer.write(b"marker")
        await until(lambda: target.got[0] == b"marker")
        assert 0 == proxy.wires[0].passed["down"]
        proxy.down = None
        assert TEXT == await reader.readexactly(len(TEXT))


async def test_a_black_hole_swallows_for_good() -> None:
    """What came is gone, so what follows must not come either; the link stays open, and a new one works."""
    async with _proxied() as (target, proxy), _client(proxy) as (reader, writer):
        await _reached(target, 1)
        proxy.up = Toxics(is_dead=True)
        writer.write(b"lost")
        target.say(b"the other way")
        assert b"the other way" == await reader.readexactly(13)
        proxy.heal()
        writer.write(b"lost too")
        target.say(b"again")
        assert b"again" == await reader.readexactly(5)
        async with _client(proxy) as (_, fresh):
            await _reached(target, 2)
            fresh.write(b"here")
            await until(lambda: target.got[1] == b"here")
        await until(lambda: target.ends)
        assert (b"", ["end"]) == (bytes(target.got[0]), target.ends)
        writer.write_eof()
        await until(lambda: len(target.ends) == 2)

        assert (b"", ["end", "reset"]) == (bytes(target.got[0]), target.ends)


async def test_nobody_hears_of_an_end_through_a_black_hole() -> None:
    """The server keeps a client that is long gone; when the hole is gone it gets an RST for it."""
    async with _proxied() as (target, proxy):
        async with _client(proxy):
            await _reached(target, 1)
            proxy.up = Toxics(is_dead=True)
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        target_knows = len(target.ends)
        await _reached(target, 2)
        target.say(b"x", 1)
        await reader.readexactly(1)
        assert (0, 0) == (target_knows, len(target.ends))
        proxy.up = None
        await until(lambda: target.ends)
        writer.close()

        assert "reset" == target.ends[0]


def _all_clogged(proxy: FaultProxy) -> bool:
    return all(wire.down is not None for wire in proxy.wires)


def _have_come(order: list[int], count: int) -> bool:
    return len(order) == count


async def test_a_swizzle_lets_go_in_another_order() -> None:
    """All are clogged for a while; each gets everything; and the order is of the seed."""
    orders = []
    for seed in (3, 3, 4):
        order: list[int] = []

        async def listen(reader: asyncio.StreamReader, number: int, order: list[int] = order) -> None:
            await reader.readexactly(1)
            order.append(number)

        async with _proxied(seed) as (target, proxy), asyncio.TaskGroup() as tasks:
            clients = []
            for number in range(4):
                clients.append(await asyncio.open_connection("127.0.0.1", proxy.port))
                await _reached(target, number + 1)
            swizzling = tasks.create_task(proxy.swizzle(5))
            await until(partial(_all_clogged, proxy))
            for number, (reader, _) in enumerate(clients):
                tasks.create_task(listen(reader, number))
                target.say(b"x", number)
            assert [] == order
            await swizzling
            await until(partial(_have_come, order, 4))
            for _, writer in clients:
                writer.transport.abort()
        orders.append(order)

    assert (True, True) == (orders[0] == orders[1], orders[0] != [0, 1, 2, 3] or orders[2] != [0, 1, 2, 3])


async def test_one_wire_alone() -> None:
    """Its own toxics come before those of the proxy, for it and for nobody else."""
    above = Conditions()
    wire = Conditions(above)
    above.up = Toxics(latency_ms=1)
    wire.up = Toxics(latency_ms=2)

    assert (2, 1, 0) == tuple(one.latency_ms for one in (wire.toxics("up"), above.toxics("up"), wire.toxics("down")))
    wire.up = None
    assert 1 == wire.toxics("up").latency_ms


@pytest.mark.parametrize("name", ["latency_ms", "jitter_ms", "bandwidth", "slice_bytes", "reset_after", "limit_bytes"])
def test_toxics_that_cannot_be(name: str) -> None:
    """The field is named."""
    with pytest.raises(UsageError, match=f"{name} is . or more, not -1"):
        replace(Toxics(), **unchecked({name: -1}))


def test_it_serves_this_machine_only() -> None:
    """No other host can be reached through it."""
    with pytest.raises(UsageError, match="loopback"):
        FaultProxy("192.0.2.1", 80)
