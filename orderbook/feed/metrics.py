"""What a feed counts beside what its synchronisers count, and all of it together as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, fields
from typing import Protocol

from orderbook.errors import OrderBookError
from orderbook.feed.health import FeedHealth, SymbolStatus
from orderbook.feed.histogram import Histogram
from orderbook.feed.merger import LaneTally
from orderbook.sync.journal import SyncCounters
from orderbook.types import BookState
from orderbook.venues.base import Venue

Json = dict[str, object]


class RecorderNumbers(Protocol):
    """What a recorder counts: ``snapshots.recorder.RecorderCounters``."""

    @property
    def queue_size(self) -> int:
        """Records that wait for the disk."""
        ...

    def _asdict(self) -> Json:
        """Each number by its name."""


@dataclass(slots=True)
class SymbolMetrics:
    """One symbol, since it was added. Durations are in ns."""

    received: int = 0
    """Frames of its book read from the link."""
    delivered: int = 0
    """Updates handed to subscribers."""
    conflated: int = 0
    """Updates that a slow subscriber got as one with a later one, as it had asked for."""
    dropped: int = 0
    """Updates that a slow subscriber did not get; it was told how many."""
    callback_errors: int = 0
    alerts: int = 0
    """How often conditions came to hold."""
    condition_errors: int = 0
    """Looks at which a condition could not be told, because it raised."""
    reconnects: int = 0
    """Connections lost under it."""
    snapshot_errors: int = 0
    """Requests for a snapshot that brought none."""
    delivery_lag_ns: Histogram = field(default_factory=Histogram)
    """From the frame's receipt until a subscriber had the update."""
    venue_latency_ns: Histogram = field(default_factory=Histogram)
    """From the venue's time stamp until receipt, by our wall clock; negative where that clock is behind the venue's."""
    recovery_ns: Histogram = field(default_factory=Histogram)
    """From losing LIVE until it was regained; not where the venue had halted the symbol meanwhile."""
    snapshot_rtt_ns: Histogram = field(default_factory=Histogram)
    """From asking for a snapshot until it was here, waiting for the budget included."""
    lanes: tuple[LaneTally, ...] = ()
    """What each of its two connections did, where it has two."""
    _lost_ns: int | None = None

    def observe_venue_time(self, venue_ms: int, wall_ns: int) -> None:
        """A frame that the venue stamped at ``venue_ms`` was received at ``wall_ns``, both since 1970. O(1)."""
        self.venue_latency_ns.observe(wall_ns - venue_ms * 1_000_000)

    def observe_state(self, old: BookState, new: BookState, now_ns: int) -> None:
        """The book went from one state to another at ``now_ns`` of the feed's clock. O(1)."""
        if old is BookState.LIVE:
            self._lost_ns = now_ns
        if new is BookState.HALTED:
            self._lost_ns = None
        elif new is BookState.LIVE and self._lost_ns is not None:
            self.recovery_ns.observe(now_ns - self._lost_ns)
            self._lost_ns = None

    def to_json(self) -> Json:
        """Every number by its name, histograms as ``Histogram.to_json`` gives them."""
        return _to_json(self)


@dataclass(slots=True)
class FeedMetrics:
    """A whole feed, since it was made: what ``Feed.health`` does not tell."""

    connects: int = 0
    """Connections that the venue welcomed."""
    connect_errors: int = 0
    """Attempts that came to nothing."""
    reconnects: Counter[str] = field(default_factory=Counter)
    """Connections lost, by a short reason."""
    rest_calls: int = 0
    rest_throttled: int = 0
    """Answers of the venue that asked for patience."""
    unknown_frames: int = 0
    """Messages of a type that is not known."""
    stream_messages: int = 0
    """Messages of streams beside the books that were read."""
    stream_rejected: int = 0
    """Such messages that could not be used."""
    stream_interruptions: int = 0
    """How often such a stream was interrupted: each of them counts."""
    stream_dropped: int = 0
    """Such messages that a slow reader did not get; it was told how many."""
    stream_callback_errors: int = 0
    loop_lag_max_ns: int = 0
    """Longest time the event loop was not free for."""
    recorder: Callable[[], RecorderNumbers] | None = field(default=None, repr=False)
    """Asks the recorder, where there is one."""

    def observe_loop_lag(self, lag_ns: int) -> None:
        """The event loop woke a timer so much late."""
        self.loop_lag_max_ns = max(self.loop_lag_max_ns, lag_ns)

    def to_json(self) -> Json:
        """Every number by its name; ``recorder`` as its counters, ``None`` without one."""
        return _to_json(self) | {"recorder": None if self.recorder is None else self.recorder()._asdict()}


class FeedLike(Protocol):
    """What is asked of a feed. Any thread may ask."""

    @property
    def venue(self) -> Venue:
        """Its venue."""
        ...

    @property
    def symbols(self) -> Iterable[str]:
        """Its symbols at this moment."""
        ...

    @property
    def metrics(self) -> FeedMetrics:
        """What it counted itself."""
        ...

    def symbol_metrics(self, symbol: str) -> SymbolMetrics:
        """What it counted of a symbol."""

    def counters(self, symbol: str) -> SyncCounters:
        """What the symbol's synchroniser counted."""

    def status(self, symbol: str) -> SymbolStatus:
        """How a symbol is doing."""

    def health(self) -> FeedHealth:
        """How all of it is doing."""


@dataclass(frozen=True, slots=True)
class SymbolNumbers:
    """All that is known of one symbol."""

    status: SymbolStatus
    counters: SyncCounters
    metrics: SymbolMetrics


def symbol_numbers(feed: FeedLike) -> dict[str, SymbolNumbers]:
    """All that is known of each symbol. One that was removed while this was read is left out. O(symbols)."""
    found = {}
    for symbol in tuple(feed.symbols):
        with suppress(LookupError, OrderBookError):
            found[symbol] = SymbolNumbers(feed.status(symbol), feed.counters(symbol), feed.symbol_metrics(symbol))
    return found


def feed_health(feed: FeedLike) -> FeedHealth | None:
    """The feed's health; ``None`` where it is not open."""
    try:
        return feed.health()
    except OrderBookError:
        return None


def collect(feed: FeedLike) -> Json:
    """Everything that a feed counts, ready for ``json.dumps``.

    Args:
        feed: An open feed, or a closed one.

    Returns:
        ``venue``, ``feed`` (its counters and its links) and ``symbols``: of each its state, age in ms and sequence,
        the synchroniser's counters and the feed's, in one object.

    Complexity: O(symbols).
    """
    health = feed_health(feed)
    whole: Json = {"links": 0, "links_up": 0, "client_messages": 0, "budget_used": 0, "budget_limit": 0}
    whole |= {"books_waiting": 0, "books_wait_ms": 0}
    if health is not None:
        whole = {"links": len(health.links)} | {name: getattr(health, name) for name in whole if name != "links"}
    symbols: Json = {}
    for symbol, numbers in symbol_numbers(feed).items():
        status = numbers.status
        start: Json = {"state": status.state.value, "reason": status.reason, "age_ms": status.age_ms}
        start |= {"sequence": status.sequence, "frames_per_s": status.frames_per_s}
        symbols[symbol] = start | numbers.counters.to_json() | numbers.metrics.to_json()
    return {"venue": feed.venue.name, "feed": whole | feed.metrics.to_json(), "symbols": symbols}


def _to_json(metrics: SymbolMetrics | FeedMetrics | LaneTally) -> Json:
    found: Json = {}
    for one in fields(metrics):
        value = getattr(metrics, one.name)
        if isinstance(value, Histogram):
            found[one.name] = value.to_json()
        elif isinstance(value, tuple):
            found[one.name] = [_to_json(each) for each in value]
        elif not one.name.startswith("_"):
            found[one.name] = dict(value) if isinstance(value, Counter) else value
    return found
