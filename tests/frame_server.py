"""A WebSocket server of single frames: what no server in good order sends, and a look at every frame that comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from tests.simulator_clients import BOUND_S, until


@dataclass
class FrameServer:
    """One that takes one client.

    Attributes:
        url: Where it listens.
        got: The frames that came.
        ended: The client's end of the stream has come.
    """

    url: str = ""
    got: list[Frame] = field(default_factory=list)
    ended: bool = False
    is_reading: asyncio.Event = field(default_factory=asyncio.Event)
    _writer: asyncio.StreamWriter | None = None

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A connection, from its handshake to its end."""
        protocol = ServerProtocol(max_size=None)
        self.is_reading.set()
        try:
            while chunk := await reader.read(65_536):
                protocol.receive_data(chunk)
                for event in protocol.events_received():
                    if isinstance(event, Request):
                        protocol.send_response(protocol.accept(event))
                        writer.writelines(protocol.data_to_send())
                        self._writer = writer
                    else:
                        assert isinstance(event, Frame)
                        self.got.append(event)
                        if event.opcode is Opcode.CLOSE:
                            writer.close()
                await self.is_reading.wait()
        except ConnectionError:
            pass
        finally:
            self.ended = True
            writer.close()

    @property
    def writer(self) -> asyncio.StreamWriter:
        """To the client."""
        assert self._writer is not None
        return self._writer

    def say(self, opcode: Opcode, data: bytes = b"", *, fin: bool = True) -> None:
        """Send a frame."""
        self.writer.write(self.frame(opcode, data, fin=fin))

    @staticmethod
    def frame(opcode: Opcode, data: bytes = b"", *, fin: bool = True, mask: bool = False) -> bytes:
        """The bytes of a frame."""
        return Frame(opcode, data, fin).serialize(mask=mask)

    def of(self, opcode: Opcode) -> list[bytes]:
        """What came in frames of a kind."""
        return [bytes(frame.data) for frame in self.got if frame.opcode is opcode]


@asynccontextmanager
async def frame_server() -> AsyncIterator[FrameServer]:
    """One that listens; its connection is cut at the end."""
    target = FrameServer()
    server = await asyncio.start_server(target.handle, "127.0.0.1", 0)
    target.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    try:
        async with asyncio.timeout(BOUND_S):
            yield target
            target.is_reading.set()
            if target._writer is not None:
                if not target.ended:
                    target._writer.transport.abort()
                await until(lambda: target.ended)
    finally:
        server.close()
