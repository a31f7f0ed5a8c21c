"""A TCP proxy on this machine that does to connections what networks do: ``async with FaultProxy(host, port)``.

What is wrong with a direction is data, ``Toxics``, and can be changed at any moment::

    proxy.down = Toxics(latency_ms=20, jitter_ms=10, slice_bytes=1)     # from the server to the client
    proxy.up = Toxics(is_dead=True)                                     # half of a partition
    proxy.reset()                                                       # RST to everybody

TCP delivers all or nothing, and so does this: bytes are late, cut short or gone for ever with all that follow them, but
never missing in the middle, changed or in another order.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from orderbook.errors import UsageError
from orderbook.simulator.chance import stream
from orderbook.simulator.toxics import Conditions, Toxics
from orderbook.simulator.wire import Ends, Wire, reset
from orderbook.venues.rest import is_loopback


class FaultProxy(Conditions):
    """Stands before a server of this machine.

    Args:
        host: Where the server listens; a loopback address.
        port: Its port.
        at: Where this listens itself; 0 is any free port.
        seed: Of all chance.

    Attributes:
        port: Where it listens.
        wires: The open connections, in the order in which they were accepted.
        accepted: How many there were so far.
        resets: How many of them ``reset_after`` has cut.

    Raises:
        UsageError: The host is not a loopback address.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0, *, at: int = 0, seed: int = 0) -> None:
        super().__init__()
        self.target = (_checked(host), port)
        self.port = at
        self.wires: list[Wire] = []
        self.accepted = 0
        self.resets = 0
        self._seed = seed
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    # -- life --

    @property
    def url(self) -> str:
        """Its address, for plain HTTP; what it carries may be anything."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Listen; after ``refuse`` again, at the same port."""
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    def refuse(self) -> None:
        """Refuse connections until ``start``; those that are open stay."""
        server, self._server = self._server, None
        if server is not None:
            server.close()

    async def close(self) -> None:
        """Stop listening and cut everything."""
        self.refuse()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # -- what is wrong --

    def heal(self) -> None:
        """Nothing is wrong any more; but connections that lost bytes stay dead."""
        for wire in self.wires:
            wire.up = wire.down = None
        self.up = self.down = None

    def reset(self) -> None:
        """RST to both ends of every connection, now."""
        for wire in self.wires:
            wire.reset()

    async def swizzle(self, step_ms: float) -> None:
        """Clog one connection after another, then let them go, one after another in another order."""
        rng = stream(self._seed, f"swizzle/{self.accepted}")
        for toxics in (Toxics(is_clogged=True), None):
            for wire in rng.sample(self.wires, len(self.wires)):
                wire.up = wire.down = toxics
                await asyncio.sleep(step_ms / 1_000)

    # -- connections --

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.get_running_loop().create_task(self._carry(self.accepted, (reader, writer)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, number: int, client: Ends) -> None:
        """Serve one client to its end."""
        try:
            target = await self._wanted(client)
            if target is None:
                return
            try:
                server = await asyncio.open_connection(*target)
            except OSError:
                reset(client[1])
                return
            wire = Wire(number, self, client, server, self._seed)
            self.wires.append(wire)
            try:
                await wire.run()
            finally:
                self.wires.remove(wire)
                self.resets += wire.was_reset
        finally:
            client[1].transport.abort()

    async def _wanted(self, _client: Ends) -> tuple[str, int] | None:
        """Where a client is to be connected to; ``None``: nowhere, it got its answer."""
        return self.target


def _checked(host: str) -> str:
    if not is_loopback(host):
        raise UsageError(f"{ascii(host)[:60]} is not a loopback address; the proxy serves this machine only")
    return host
