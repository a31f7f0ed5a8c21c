"""The names of the live part, gathered for ``orderbook``, which imports them when one is first asked for."""

from __future__ import annotations

from orderbook.feed.delivery import Subscription, Update
from orderbook.feed.errors import FeedClosed, FeedError, ForkedFeed, LinkError, NotReady, SubscribeError
from orderbook.feed.events import FeedEvent
from orderbook.feed.feed import Feed
from orderbook.feed.opening import open_feed
from orderbook.feed.settings import FeedSettings
from orderbook.feed.threaded import ThreadedFeed

__all__ = [
    "Feed",
    "FeedClosed",
    "FeedError",
    "FeedEvent",
    "FeedSettings",
    "ForkedFeed",
    "LinkError",
    "NotReady",
    "SubscribeError",
    "Subscription",
    "ThreadedFeed",
    "Update",
    "open_feed",
]
