"""A venue that begins to count anew: books of its old count, and what the new one begins with."""

from __future__ import annotations

from orderbook.settings import SyncSettings
from orderbook.sync import BookSync
from orderbook.types import BookState
from tests.kucoin_frames import SYMBOL, Rows, delta, kinds, snapshot

LIVE = BookState.LIVE
WINDOW = SyncSettings().reset_window
OLD: Rows = (("99", "1"),)
"""Bids of the old count; of the new one, it is 98."""
NEW: Rows = (("98", "5"),)
ASKS: Rows = (("101", "1"),)


def counted(upto: int) -> BookSync:
    """A LIVE book of the old count."""
    sync = BookSync("kucoin", SYMBOL)
    sync.receive(delta(1_000))
    sync.receive_snapshot(snapshot(1_000, OLD, ASKS), depth="full")
    for number in range(1_001, upto + 1):
        sync.receive(delta(number))
    assert LIVE is sync.state
    return sync


def begin_anew(sync: BookSync, first: int) -> list[str]:
    """The first delta of the new count, and what it tells."""
    return kinds(sync.receive(delta(first, bids=[("99", "0"), ("98", "5")])))


def bids(sync: BookSync) -> list[tuple[float, float]]:
    """Of the readable book."""
    return [(level.price, level.size) for level in sync.book.bids]
