"""What is kept when an audit fails, to find out why."""

from __future__ import annotations

from dataclasses import dataclass

from orderbook.events import AuditFailed
from orderbook.types import Delta


@dataclass(frozen=True, slots=True)
class Dump:
    """What was there to see when an audit failed.

    Attributes:
        symbol: Whose book.
        event: At which sequence, and which levels differed by how much.
        recent: The last deltas received, oldest first.
        snapshot: The answer that the book was compared with; empty if the book was lost while it waited for the stream.
    """

    symbol: str
    event: AuditFailed
    recent: tuple[Delta, ...]
    snapshot: bytes
