"""A stand-in for a feed: all that metrics are read from, and no connection."""

from __future__ import annotations

from collections.abc import Iterable

from orderbook.errors import UsageError
from orderbook.feed.health import FeedHealth, LinkHealth, SymbolStatus
from orderbook.feed.metrics import FeedMetrics, SymbolMetrics
from orderbook.sync.journal import SyncCounters
from orderbook.types import BookState
from orderbook.venues import venue_named
from orderbook.venues.base import Venue


class StandIn:
    """A feed of two symbols, one of them LIVE."""

    def __init__(self) -> None:
        self.venue: Venue = venue_named("kucoin")
        self.metrics = FeedMetrics()
        self.names = ["A-B", "C-D"]
        self.gone: set[str] = set()
        self.is_open = True
        self.all_counters = {name: SyncCounters() for name in self.names}
        self.all_metrics = {name: SymbolMetrics() for name in self.names}

    @property
    def symbols(self) -> Iterable[str]:
        return tuple(self.names)

    def counters(self, symbol: str) -> SyncCounters:
        return self.all_counters[symbol]

    def symbol_metrics(self, symbol: str) -> SymbolMetrics:
        return self.all_metrics[symbol]

    def status(self, symbol: str) -> SymbolStatus:
        if symbol in self.gone:
            raise UsageError("not a symbol of this feed")
        is_live = symbol == "A-B"
        return SymbolStatus(
            symbol=symbol,
            state=BookState.LIVE if is_live else BookState.SYNCING,
            reason="joined" if is_live else "waiting for a snapshot",
            age_ms=250 if is_live else None,
            sequence=1234567890123 if is_live else 0,
            frames_per_s=12.5,
            resyncs=0,
            gaps=0,
            since_ms=0,
        )

    def health(self) -> FeedHealth:
        if not self.is_open:
            raise UsageError("the feed is closed")
        links = (LinkHealth("1", connected=True, symbols=2, rtt_ms=1.5, reconnects=3),)
        return FeedHealth(links, budget_used=6, budget_limit=2000, client_messages=17)
