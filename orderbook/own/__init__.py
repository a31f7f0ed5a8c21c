"""One's own orders on a book: which are open, the book without them, and what is queued ahead of each."""

from __future__ import annotations

from orderbook.own.net import NetBook, NetReader, NetView, Overdrawn
from orderbook.own.order import OwnOrder
from orderbook.own.orders import OwnOrderCounters, OwnOrders, Reread
from orderbook.own.queue import OwnQueue, QueueAhead

__all__ = [
    "NetBook",
    "NetReader",
    "NetView",
    "Overdrawn",
    "OwnOrder",
    "OwnOrderCounters",
    "OwnOrders",
    "OwnQueue",
    "QueueAhead",
    "Reread",
]
