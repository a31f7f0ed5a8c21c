"""The names of the live part, gathered for ``orderbook``, which imports them when one is first asked for."""

from __future__ import annotations

from orderbook.feed.alerting import first
from orderbook.feed.alerts import Alert, Alerts
from orderbook.feed.delivery import Subscription, Update
from orderbook.feed.errors import (
    FeedClosed,
    FeedError,
    ForkedFeed,
    LinkError,
    NoCredentials,
    NotInTime,
    NotReady,
    StreamNotReady,
    SubscribeError,
)
from orderbook.feed.events import (
    CallbackFailed,
    ConditionFailed,
    FeedEvent,
    KeyRefused,
    LinkDown,
    LinkReplaced,
    LinkUp,
    LoopBlocked,
    MassResync,
    MassResyncEnded,
    MessageRejected,
    RecordingFailed,
    RecordingResumed,
    SubscriptionRefused,
)
from orderbook.feed.feed import Feed
from orderbook.feed.health import FeedHealth, LinkHealth, SymbolStatus
from orderbook.feed.opening import open_feed
from orderbook.feed.ownkeeper import OwnKeeper
from orderbook.feed.settings import FeedSettings
from orderbook.feed.stream import Stream
from orderbook.feed.threaded import ThreadedFeed

__all__ = [
    "Alert",
    "Alerts",
    "CallbackFailed",
    "ConditionFailed",
    "Feed",
    "FeedClosed",
    "FeedError",
    "FeedEvent",
    "FeedHealth",
    "FeedSettings",
    "ForkedFeed",
    "KeyRefused",
    "LinkDown",
    "LinkError",
    "LinkHealth",
    "LinkReplaced",
    "LinkUp",
    "LoopBlocked",
    "MassResync",
    "MassResyncEnded",
    "MessageRejected",
    "NoCredentials",
    "NotInTime",
    "NotReady",
    "OwnKeeper",
    "RecordingFailed",
    "RecordingResumed",
    "Stream",
    "StreamNotReady",
    "SubscribeError",
    "Subscription",
    "SubscriptionRefused",
    "SymbolStatus",
    "ThreadedFeed",
    "Update",
    "first",
    "open_feed",
]
