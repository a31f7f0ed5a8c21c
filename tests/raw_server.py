"""A server of bare bytes, for tests of what stands between it and its clients."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from orderbook.simulator.wire import Ends
from tests.simulator_clients import BOUND_S, until

TEXT = random.Random(5).randbytes(50_000)
"""Longer than what is read at a time."""


@dataclass
class Target:
    """A server that writes down what it gets, and says what it is told to."""

    port: int = 0
    clients: list[Ends] = field(default_factory=list)
    got: list[bytearray] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until the client ends it."""
        got = bytearray()
        self.clients.append((reader, writer))
        self.got.append(got)
        try:
            while chunk := await reader.read(65_536):
                got += chunk
            self.ends.append("end")
        except ConnectionResetError:
            self.ends.append("reset")
        finally:
            writer.close()

    def say(self, data: bytes, client: int = 0) -> None:
        """To the client of that number."""
        self.clients[client][1].write(data)


@asynccontextmanager
async def raw_target() -> AsyncIterator[Target]:
    """One that listens; everything is cut at the end."""
    target = Target()
    server = await asyncio.start_server(target.handle, "127.0.0.1", 0)
    target.port = server.sockets[0].getsockname()[1]
    try:
        async with asyncio.timeout(BOUND_S):
            yield target
            for _, writer in target.clients:
                writer.transport.abort()
            await until(lambda: len(target.ends) == len(target.clients))
    finally:
        server.close()


async def rest_of(reader: asyncio.StreamReader) -> tuple[bytes, str]:
    """What comes until the end, and how that comes."""
    got = b""
    try:
        while chunk := await reader.read(65_536):
            got += chunk
    except ConnectionResetError:
        return got, "reset"
    return got, "end"
