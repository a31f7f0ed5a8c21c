"""What a feed needs of the world, as arguments: so that a day can run in seconds, and a test can cut any wire."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from typing import Literal, Protocol
from uuid import uuid4

from orderbook.clock import loop_clock
from orderbook.guard import Clock
from orderbook.own import OwnOrder
from orderbook.secret import Secret
from orderbook.sync import BookSync
from orderbook.venues.rest import Depth, Instrument, Priority, Token


class SocketClosed(Exception):
    """The connection ended; the message is the close code with its reason, or what broke it."""


class Socket(Protocol):
    """One WebSocket connection, after its handshake."""

    async def receive(self) -> bytes:
        """The next message. Raises ``SocketClosed``."""

    async def receive_batch(self) -> Collection[bytes]:
        """All messages that have arrived, at least one and at most ``BATCH_MAX``. Raises ``SocketClosed``."""

    async def send(self, text: str) -> None:
        """Send one. Raises ``SocketClosed``."""

    async def close(self) -> None:
        """The closing handshake, bounded in time; afterwards the connection is cut."""

    def abort(self) -> None:
        """Cut the connection now."""


Connect = Callable[[Secret], Awaitable[Socket]]
"""Opens a connection to an address (a secret: the token is in it). Raises ``LinkError``."""

RecordKind = Literal["ws", "rest", "open", "close"]
Record = Callable[[RecordKind, str, bytes, int | None], object]
"""Takes note of kind, address, bytes and HTTP status; must neither wait nor raise."""


class Rest(Protocol):
    """The venue's REST interface. Every call raises ``RestError``."""

    async def token(self, *, private: bool = False) -> Token:
        """A fresh connection token and the servers it is for."""

    async def symbols(self) -> tuple[Instrument, ...]:
        """Every symbol of the venue."""

    async def snapshot(self, symbol: str, depth: Depth, *, priority: Priority, rank: int) -> bytes:
        """The body of a snapshot."""

    async def probe(self, symbol: str) -> int:
        """The venue's present sequence."""

    async def open_orders(self) -> tuple[OwnOrder, ...]:
        """All open orders of the account of the key, of every symbol."""

    async def close(self) -> None:
        """Let go of every connection."""


def new_id() -> str:
    """An identifier that nobody else has."""
    return uuid4().hex


class Line(Protocol):
    """Those who wait for a snapshot within the request budget."""

    def place(self, symbol: str) -> int | None:
        """The place of a symbol: 1 is next, ``None``: it is not in the line."""

    def is_sent(self, symbol: str) -> bool:
        """Whether its request is on the way."""

    def problem(self, symbol: str) -> str | None:
        """Why its last attempt brought nothing, while the next one is waited for; ``None``: there was none."""

    def move(self, symbol: str, rank: int) -> None:
        """What matters more has a lower number, and comes first."""

    def keep(self, depth: Depth, count: int) -> None:
        """So many symbols of rank 0 may be about to come."""

    def forecast_ms(self, depth: Depth, count: int) -> int:
        """About how long it takes until so many snapshots are here."""


class NoLine:
    """Where nobody has to wait."""

    def place(self, symbol: str) -> int | None:  # noqa: ARG002 - as Line has it
        """Nowhere."""
        return None

    def is_sent(self, symbol: str) -> bool:  # noqa: ARG002 - as Line has it
        """At once."""
        return True

    def problem(self, symbol: str) -> None:
        """Whoever asks is told at once."""

    def move(self, symbol: str, rank: int) -> None:
        """There is nothing to come before."""

    def keep(self, depth: Depth, count: int) -> None:
        """There is enough for all."""

    def forecast_ms(self, depth: Depth, count: int) -> int:  # noqa: ARG002 - as Line has it
        """No time."""
        return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The seams of one feed.

    Attributes:
        rest: The venue's REST interface.
        connect: Opens WebSocket connections.
        has_key: Whether REST requests can be signed.
        budget: Request weight used in the venue's present window, and its limit.
        line: Who waits for that budget.
        record: Takes note of everything received, if wanted.
        clock: Monotonic, in ns; that of the loop the feed runs on.
        wall_clock: ns since 1970.
        rng: For jitter and samples.
        new_id: A fresh identifier for connections and requests.
        new_sync: Makes the synchroniser of a book.
    """

    rest: Rest
    connect: Connect
    budget: Callable[[], tuple[int, int]]
    has_key: bool = False
    line: Line = field(default_factory=NoLine)
    record: Record | None = None
    clock: Clock = loop_clock
    wall_clock: Clock = time.time_ns
    rng: random.Random = field(default_factory=random.SystemRandom)
    new_id: Callable[[], str] = new_id
    new_sync: Callable[..., BookSync] = BookSync
