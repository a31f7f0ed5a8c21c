"""An HTTP proxy for tunnels: what a company puts between its bots and a venue, with everything it can do to them."""

from __future__ import annotations

import asyncio
import base64
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from orderbook.simulator.proxy import FaultProxy
from orderbook.simulator.wire import Ends, reset
from orderbook.venues.rest import is_loopback

_CONNECT: Final = re.compile(rb"CONNECT (?P<host>[^ ]{1,255}):(?P<port>[0-9]{1,5}) HTTP/1\.[01]\r\n")
_AUTHORIZATION: Final = re.compile(rb"\r\nproxy-authorization: *Basic +(?P<token>[^\r ]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reception:
    """How the proxy answers a client's CONNECT.

    Attributes:
        status: 200 lets it pass; any other refuses it.
        delay_ms: How long the answer takes.
        is_cut: The connection is reset instead of an answer.
    """

    status: int = 200
    delay_ms: float = 0.0
    is_cut: bool = False


class ConnectProxy(FaultProxy):
    """Opens tunnels to servers of this machine; what is in a tunnel fares as in a ``FaultProxy``.

    Args:
        user: Name and password that it wants, joined by a colon; ``None``: it serves everybody.
        at: Where it listens; 0 is any free port.
        seed: Of all chance.

    Attributes:
        reception: How it answers; can be changed at any moment.
        asked: The targets of all requests that it understood, as ``host:port``.
        answered: The statuses that it answered with.
    """

    def __init__(self, user: str | None = None, *, at: int = 0, seed: int = 0) -> None:
        super().__init__(at=at, seed=seed)
        self.reception = Reception()
        self.asked: list[str] = []
        self.answered: list[int] = []
        self._token = None if user is None else base64.b64encode(user.encode())

    async def _wanted(self, client: Ends) -> tuple[str, int] | None:
        reader, writer = client
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return None
        reception = self.reception
        await asyncio.sleep(reception.delay_ms / 1_000)
        if reception.is_cut:
            reset(writer)
            return None
        status, target = self._judge(head)
        if status == 200:
            status = reception.status
        self.answered.append(status)
        with suppress(OSError):  # the client may have gone
            await _answer(writer, status)
        return target if status == 200 else None

    def _judge(self, head: bytes) -> tuple[int, tuple[str, int]]:
        """The status that a request deserves, and where it wants to go."""
        match = _CONNECT.match(head)
        if match is None:
            return 405, ("", 0)
        host, port = match["host"].decode(errors="replace").strip("[]"), int(match["port"])
        self.asked.append(f"{host}:{port}")
        given = _AUTHORIZATION.search(head)
        if self._token is not None and (given is None or given["token"] != self._token):
            return 407, (host, port)
        return (200 if is_loopback(host) else 403), (host, port)


async def _answer(writer: asyncio.StreamWriter, status: int) -> None:
    more = "" if status == 200 else "Content-Length: 0\r\nConnection: close\r\n"
    more += 'Proxy-Authenticate: Basic realm="simulator"\r\n' if status == 407 else ""
    writer.write(f"HTTP/1.1 {status} Answer\r\n{more}\r\n".encode())
    if status != 200:
        writer.close()
        await writer.wait_closed()
