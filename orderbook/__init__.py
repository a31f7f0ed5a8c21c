"""A local order book that is never silently wrong.

It consumes a venue's level-2 delta stream, joins it to a snapshot, keeps both sides as sorted price ladders, and
answers best bid and ask, spread, depth and imbalance::

    import orderbook

    sync = orderbook.BookSync("kucoin", "BTC-USDT")
    events = sync.receive(frame_bytes)            # bytes as they came off the wire
    events = sync.receive_snapshot(body_bytes)    # bytes as REST answered, when an event asked for it
    if sync.book.is_live:
        print(sync.book.best_bid, sync.book.spread)

A book that cannot be trusted at this moment raises ``BookNotLive`` instead of answering. ``open_feed`` drives
such books from the live venue; what belongs to it is imported when it is first asked for.
"""

from __future__ import annotations

import importlib.util
import typing

from orderbook.accelerator import ACCELERATOR
from orderbook.book import OrderBook
from orderbook.condition_text import ConditionError, parse_condition
from orderbook.conditions import Condition
from orderbook.errors import (
    BadAnswer,
    BeyondHorizon,
    BookNotLive,
    FrameError,
    NumberError,
    OrderBookError,
    OrdersNotSynced,
    PortInUse,
    RateLimited,
    Refused,
    RestError,
    UnknownSymbol,
    UnknownVenue,
    Unreachable,
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
from orderbook.own import (
    NetBook,
    NetView,
    Overdrawn,
    OwnOrder,
    OwnOrderCounters,
    OwnOrders,
    OwnQueue,
    QueueAhead,
)
from orderbook.results import Band, BookView, Depth, Fill, Marked
from orderbook.secret import Credentials
from orderbook.settings import SyncSettings
from orderbook.streams import Missed
from orderbook.sync import BookSync
from orderbook.sync.journal import Loss, SyncCounters
from orderbook.sync.tape import Recorded
from orderbook.types import BBO, BookState, Change, Delta, Level, Side

if typing.TYPE_CHECKING:
    from orderbook.live import (
        Alert,
        Alerts,
        CallbackFailed,
        ConditionFailed,
        Feed,
        FeedClosed,
        FeedError,
        FeedEvent,
        FeedHealth,
        FeedSettings,
        ForkedFeed,
        KeyRefused,
        LinkDown,
        LinkError,
        LinkHealth,
        LinkReplaced,
        LinkUp,
        LoopBlocked,
        MassResync,
        MassResyncEnded,
        MessageRejected,
        NoCredentials,
        NotInTime,
        NotReady,
        OwnKeeper,
        RecordingFailed,
        RecordingResumed,
        Stream,
        StreamNotReady,
        SubscribeError,
        Subscription,
        SubscriptionRefused,
        SymbolStatus,
        ThreadedFeed,
        Update,
        first,
        open_feed,
    )

__version__ = "0.1.0"

__all__ = [
    "ACCELERATOR",
    "BBO",
    "Alert",
    "Alerts",
    "AuditFailed",
    "AuditPassed",
    "BadAnswer",
    "Band",
    "BeyondHorizon",
    "BookNotLive",
    "BookState",
    "BookSync",
    "BookView",
    "CallbackFailed",
    "Change",
    "Condition",
    "ConditionError",
    "ConditionFailed",
    "Credentials",
    "Crossed",
    "Delta",
    "Depth",
    "Event",
    "Feed",
    "FeedClosed",
    "FeedError",
    "FeedEvent",
    "FeedHealth",
    "FeedSettings",
    "Fill",
    "ForkedFeed",
    "FrameError",
    "FrameRejected",
    "Gap",
    "KeyRefused",
    "Level",
    "LevelDifference",
    "LimitReached",
    "LinkDown",
    "LinkError",
    "LinkHealth",
    "LinkReplaced",
    "LinkUp",
    "LoopBlocked",
    "Loss",
    "Marked",
    "MassResync",
    "MassResyncEnded",
    "MessageRejected",
    "Missed",
    "NeedProbe",
    "NeedSnapshot",
    "NetBook",
    "NetView",
    "NoCredentials",
    "NotInTime",
    "NotReady",
    "NumberError",
    "OrderBook",
    "OrderBookError",
    "OrdersNotSynced",
    "Overdrawn",
    "OwnKeeper",
    "OwnOrder",
    "OwnOrderCounters",
    "OwnOrders",
    "OwnQueue",
    "PortInUse",
    "QueueAhead",
    "RateLimited",
    "Recorded",
    "RecordingFailed",
    "RecordingResumed",
    "Refused",
    "RestError",
    "SequenceReset",
    "Side",
    "SnapshotRejected",
    "StateChanged",
    "Stream",
    "StreamNotReady",
    "SubscribeError",
    "Subscription",
    "SubscriptionRefused",
    "SymbolStatus",
    "SyncCounters",
    "SyncSettings",
    "ThreadedFeed",
    "UnknownSymbol",
    "UnknownVenue",
    "Unreachable",
    "Update",
    "UsageError",
    "VenueError",
    "first",
    "open_feed",
    "parse_condition",
]


def __getattr__(name: str) -> object:
    """Import what belongs to the live part when it is first asked for: few need asyncio, HTTP and WebSockets."""
    if name not in __all__:
        raise AttributeError(f"module 'orderbook' has no attribute {name!r}")
    try:
        live = importlib.import_module("orderbook.live")
    except ImportError as error:
        # The name is a common one, and another package of that name makes ours look incomplete.
        found = importlib.util.find_spec("snapshots")
        if found is None or not (error.name or "").startswith("snapshots"):
            raise
        message = f"the live part needs this distribution's package 'snapshots', but found another one: {found.origin}"
        raise ImportError(message, name="snapshots") from error
    value: object = getattr(live, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
