"""One connection through a proxy: bytes are read when they come, and written when and as the toxics let them."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from orderbook.simulator.chance import named
from orderbook.simulator.toxics import Conditions, Direction, Toxics

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]

_CHUNK: Final = 16_384
"""Bytes that are read at a time."""
_HELD_MAX: Final = 64
"""Chunks that are held back in one direction; beyond that the sender has to wait, as a network would have it."""
_DEBT_S: Final = 0.02
"""How far a direction of narrow bandwidth may lag behind its own schedule and catch up; timers are not exact."""
_LINGER_NOT: Final = struct.pack("ii", 1, 0)


class Wire(Conditions):
    """One client's connection, and the one to the server that belongs to it.

    Args:
        number: 1 is the first that was accepted.
        above: The proxy's toxics; those of this wire alone come before them.
        client: The connection that was accepted.
        server: The connection that was made for it.
        seed: Of its jitter.

    Attributes:
        number: As given.
        passed: Bytes that came through, by direction.
        is_over: Whether ``reset`` has ended it.
        was_reset: Whether it was ``reset_after`` that did so.
    """

    def __init__(self, number: int, above: Conditions, client: Ends, server: Ends, seed: int) -> None:
        super().__init__(above)
        self.number = number
        self.passed: dict[Direction, int] = {"up": 0, "down": 0}
        self.is_over = False
        self.was_reset = False
        self._writers = (client[1], server[1])
        self._pipes = (
            _Pipe(self, "up", client[0], server[1], f"{seed}/{number}/up"),
            _Pipe(self, "down", server[0], client[1], f"{seed}/{number}/down"),
        )

    def __repr__(self) -> str:
        return f"<Wire {self.number}, {self.passed['up']} bytes up, {self.passed['down']} down>"

    def reset(self) -> None:
        """RST to both ends, now."""
        self.is_over = True
        for writer in self._writers:
            reset(writer)
        self.tell()  # what is clogged has nothing to wait for any more

    async def run(self) -> None:
        """Carry bytes until both directions are over."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for pipe in self._pipes:
                    tasks.create_task(pipe.read())
                    tasks.create_task(pipe.write())
        except* (OSError, _Over):
            pass  # One end is gone; there is nobody to carry for.
        finally:
            for writer in self._writers:
                writer.transport.abort()


class _Over(Exception):
    """This wire has come to an end that its toxics asked for."""


class _Pipe:
    """One direction of a wire."""

    def __init__(
        self,
        wire: Wire,
        direction: Direction,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        seed: str,
    ) -> None:
        self._wire = wire
        self._direction = direction
        self._reader = reader
        self._writer = writer
        self._rng = named(seed)
        self._held: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_HELD_MAX)
        self._clock = asyncio.get_running_loop().time
        self._free_at = 0.0
        self._counted_for: Toxics | None = None
        self._counted = 0

    @property
    def _toxics(self) -> Toxics:
        return self._wire.toxics(self._direction)

    async def read(self) -> None:
        """Take what the sender has, and note when it is due; empty bytes are the end."""
        chunk = b"."
        while chunk:
            try:
                chunk = await self._reader.read(_CHUNK)
            except OSError:
                if not self._toxics.is_dead:
                    raise
                chunk = b""
            toxics = self._toxics
            late_ms = toxics.latency_ms + self._rng.uniform(0, toxics.jitter_ms)
            late_ms += 0 if chunk else toxics.slow_close_ms
            # What is due sooner than what came before it waits for that: the queue keeps the order.
            await self._held.put((self._clock() + late_ms / 1_000, chunk))

    async def write(self) -> None:
        """Hand it on when it is due."""
        while True:
            due, chunk = await self._held.get()
            if (left := due - self._clock()) > 0:
                await asyncio.sleep(left)
            await self._passable(chunk)
            if not chunk:
                self._writer.write_eof()
                return
            for piece in self._pieces(chunk):
                await self._pass(piece)

    async def _passable(self, data: bytes) -> None:
        """Wait while it is clogged. TCP delivers nothing that follows a loss, so from a black hole nobody returns."""
        while self._toxics.is_clogged:
            if self._wire.is_over:
                raise _Over
            await self._wire.changed()
        if self._toxics.is_dead:
            await self._swallow(data)

    async def _swallow(self, chunk: bytes) -> None:
        """Let nothing through any more. Once the hole is gone, the other end learns that this one has ended."""
        while chunk:
            _, chunk = await self._held.get()
        while self._toxics.is_dead:
            await self._wire.changed()
        self._wire.reset()
        raise _Over

    def _pieces(self, chunk: bytes) -> Iterator[bytes]:
        """Cut it as the toxics say at the moment of each piece."""
        begin = 0
        while begin < len(chunk):
            toxics = self._toxics
            size = min(toxics.slice_bytes or _CHUNK, _CHUNK if toxics.bandwidth is None else toxics.bandwidth // 50 + 1)
            yield chunk[begin : begin + size]
            begin += size

    async def _pass(self, piece: bytes) -> None:
        await self._passable(piece)
        toxics = self._toxics
        if toxics is not self._counted_for:
            self._counted_for, self._counted = toxics, 0
        ends = [end for end in (toxics.reset_after, toxics.limit_bytes) if end is not None]
        room = min(ends, default=len(piece) + self._counted) - self._counted
        await self._send(piece[:room])
        if room < len(piece) or self._counted in ends:
            await self._end(is_reset=self._counted == toxics.reset_after)
        if toxics.bandwidth is not None:
            await self._take_time(len(piece) / toxics.bandwidth)
        elif toxics.slice_bytes is not None:
            # The first pass of the loop finds that the receiver can read, the second one lets it: a piece at a time.
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    async def _send(self, piece: bytes) -> None:
        self._counted += len(piece)
        self._wire.passed[self._direction] += len(piece)
        self._writer.write(piece)
        await self._writer.drain()

    async def _end(self, *, is_reset: bool) -> None:
        if is_reset:
            self._wire.was_reset = True
            self._wire.reset()
        else:
            # Its bytes shall arrive before the rest is cut off.
            self._writer.close()
            await self._writer.wait_closed()
        raise _Over

    async def _take_time(self, seconds: float) -> None:
        now = self._clock()
        self._free_at = max(self._free_at, now - _DEBT_S) + seconds
        if self._free_at > now:
            await asyncio.sleep(self._free_at - now)


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection by RST, whatever waits to be sent."""
    with suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    writer.transport.abort()
