"""What tests of conditions have in common: a venue, alerts without one, and plain sums over the levels of a view."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

from orderbook.book import OrderBook
from orderbook.conditions import Condition
from orderbook.feed.alerts import Alert, Alerts
from orderbook.feed.events import ConditionFailed
from orderbook.feed.metrics import SymbolMetrics
from orderbook.feed.settings import FeedSettings
from orderbook.results import BookView
from orderbook.testing import VirtualKuCoin

BTC = "BTC-USDT"


def venue(**options: Any) -> VirtualKuCoin:
    """One busy symbol."""
    given: dict[str, Any] = {"symbols": [BTC], "seed": 1, "rate": 50.0}
    return VirtualKuCoin(**given | options)


async def taken(alerts: Alerts) -> list[Alert]:
    """All that is there, and that comes until the end."""
    return [alert async for alert in alerts]


def exactly(view: BookView[float]) -> tuple[Decimal, Decimal, Decimal, Decimal]:
    """Spread in bps, mid, imbalance of 5 and of 1, from the levels of a view."""
    (bids, asks) = ([(Decimal(repr(p)), Decimal(repr(s))) for p, s in side] for side in (view.bids, view.asks))
    (bid, _), (ask, _) = bids[0], asks[0]
    mid = (bid + ask) / 2
    shares = []
    for count in (5, 1):
        ours, theirs = (sum(size for _, size in side[:count]) for side in (bids, asks))
        shares.append(Decimal(ours - theirs) / Decimal(ours + theirs))
    return (ask - bid) / mid * 10_000, mid, shares[0], shares[1]


def reference(views: Sequence[BookView[float]], holds: Callable[[BookView[float]], bool]) -> list[int]:
    """Sequences at which something turned true, of all that was LIVE."""
    found, before = [], False
    for view in views:
        if view.is_live:
            now = holds(view)
            found += [view.sequence] * (now and not before)
            before = now
    return found


def crossings(views: Sequence[BookView[float]], level: Decimal) -> list[int]:
    """Sequences at which mid was on the other side than before, of all that was LIVE and on a side."""
    told = [(view.sequence, exactly(view)[1]) for view in views if view.is_live]
    sides = [(sequence, mid > level) for sequence, mid in told if mid != level]
    return [sequence for (_, before), (sequence, now) in pairwise(sides) if now is not before]


def alone(condition: Condition, now: list[int], **more: Any) -> tuple[OrderBook, Alerts, list[ConditionFailed]]:
    """Alerts of a book at a time that is set by hand."""
    told: list[ConditionFailed] = []
    book = OrderBook(BTC, clock=lambda: now[0])
    options: dict[str, Any] = {"levels": 1, "limit": 100, "settings": FeedSettings(max_age_ms=None), "raises": False}
    options |= {"metrics": SymbolMetrics(), "clock": lambda: now[0], "failed": told.append, "gone": lambda _: None}
    return book, Alerts(book, condition, **options | more), told


def show(book: OrderBook, bid: int, size: int = 1) -> None:
    """The book is LIVE, with this bid below 100."""
    book.apply_snapshot([(bid, size)], [(100, 1)], book.sequence + 1)
