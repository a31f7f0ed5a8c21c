"""A local order book that is never silently wrong.

It consumes a venue's level-2 delta stream, joins it to a snapshot, keeps both sides as sorted price ladders, and
answers best bid and ask, spread, depth and imbalance::

    import orderbook

    sync = orderbook.BookSync("kucoin", "BTC-USDT")
    events = sync.receive(frame_bytes)            # bytes as they came off the wire
    events = sync.receive_snapshot(body_bytes)    # bytes as REST answered, when an event asked for it
    if sync.book.is_live:
        print(sync.book.best_bid, sync.book.spread)

A book that cannot be trusted at this moment raises ``BookNotLive`` instead of answering.
"""

from __future__ import annotations

from orderbook.book import OrderBook
from orderbook.errors import (
    BeyondHorizon,
    BookNotLive,
    FrameError,
    NumberError,
    OrderBookError,
    UnknownVenue,
    UsageError,
    VenueError,
)
from orderbook.events import (
    AuditFailed,
    AuditPassed,
    Crossed,
    Event,
    FrameRejected,
    Gap,
    LevelDifference,
    LimitReached,
    NeedProbe,
    NeedSnapshot,
    SequenceReset,
    SnapshotRejected,
    StateChanged,
)
from orderbook.ladder import ACCELERATOR
from orderbook.results import Band, BookView, Depth, Fill, Marked
from orderbook.settings import SyncSettings
from orderbook.sync import BookSync
from orderbook.sync.journal import Loss, SyncCounters
from orderbook.types import BBO, BookState, Level, Side

__version__ = "0.1.0"

__all__ = [
    "ACCELERATOR",
    "BBO",
    "AuditFailed",
    "AuditPassed",
    "Band",
    "BeyondHorizon",
    "BookNotLive",
    "BookState",
    "BookSync",
    "BookView",
    "Crossed",
    "Depth",
    "Event",
    "Fill",
    "FrameError",
    "FrameRejected",
    "Gap",
    "Level",
    "LevelDifference",
    "LimitReached",
    "Loss",
    "Marked",
    "NeedProbe",
    "NeedSnapshot",
    "NumberError",
    "OrderBook",
    "OrderBookError",
    "SequenceReset",
    "Side",
    "SnapshotRejected",
    "StateChanged",
    "SyncCounters",
    "SyncSettings",
    "UnknownVenue",
    "UsageError",
    "VenueError",
]
