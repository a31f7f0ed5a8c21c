"""The vocabulary: what travels between the parts of the library, as immutable values.

Nothing here computes; every other module may import this one.
"""

from __future__ import annotations

from enum import Enum
from typing import Generic, NamedTuple, TypeVar

from orderbook.fixedpoint import Number

V = TypeVar("V", covariant=True)


class Side(Enum):
    """One side of a book.

    The value is a sign: ``side.value * price`` sorts every ladder best first.
    """

    BID = -1
    ASK = 1

    @property
    def opposite(self) -> Side:
        """The other side."""
        return Side.ASK if self is Side.BID else Side.BID


class BookState(Enum):
    """What a book says about itself. Only ``LIVE`` may be read without an explicit word.

    Attributes:
        CONNECTING: No usable link: never opened, or lost.
        SYNCING: Deltas are buffered until a snapshot and the stream meet, or until a hole is filled.
        LIVE: Equal to the venue's book at ``sequence``, and fresh.
        STALE: Complete at ``sequence``, but the venue or the link says that this is no longer fresh.
        HALTED: The venue does not trade the symbol at the moment.
        FAILED: Needs the user: an unknown symbol, refused credentials.
        CLOSED: Closed by the user; final.
    """

    CONNECTING = "CONNECTING"
    SYNCING = "SYNCING"
    LIVE = "LIVE"
    STALE = "STALE"
    HALTED = "HALTED"
    FAILED = "FAILED"
    CLOSED = "CLOSED"


class Level(NamedTuple, Generic[V]):
    """A price with the total size resting there."""

    price: V
    """In quote currency per unit of base."""
    size: V
    """In units of the base currency."""


class BBO(NamedTuple, Generic[V]):
    """Best bid and best offer; ``None`` where a side is empty."""

    bid: Level[V] | None
    ask: Level[V] | None


class Change(NamedTuple):
    """One line of a delta or a snapshot: the new absolute size at a price; size 0 removes it."""

    price: Number
    size: Number
    sequence: int | None = None
    """Sequence of this line, where the venue gives one."""


class Delta(NamedTuple):
    """A message of the book stream, covering ``sequence_start..sequence_end`` inclusive."""

    symbol: str
    sequence_start: int
    sequence_end: int
    bids: tuple[Change, ...]
    asks: tuple[Change, ...]
    venue_ms: int | None = None
    """The venue's own time stamp, milliseconds since 1970."""


class Snapshot(NamedTuple):
    """A book published by the venue at one sequence, best levels first."""

    sequence: int
    bids: tuple[Change, ...]
    asks: tuple[Change, ...]
    venue_ms: int | None = None


class Ticker(NamedTuple):
    """The venue's own best bid and ask at a sequence; used to check a replayed book."""

    symbol: str
    sequence: int
    bid: Level[Number] | None
    ask: Level[Number] | None


class Control(NamedTuple):
    """A message that carries no market data: welcome, ack, pong, notice, error, or an unknown type."""

    kind: str
    id: str | None = None
    code: int | None = None
    """The venue's error code, for ``kind == "error"``."""
    text: str = ""


class OtherData(NamedTuple):
    """A well-formed message of a topic that is not decoded here (trades, candles, ...)."""

    topic: str


Message = Delta | Ticker | Control | OtherData
"""Whatever one frame can hold."""
