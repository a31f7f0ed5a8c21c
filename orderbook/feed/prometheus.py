"""A feed's numbers for a Prometheus server, through its own client library.

    pip install 'orderbook-engine[prometheus]'

    from orderbook.feed import prometheus

    prometheus_client.start_http_server(9000)
    prometheus.register(feed)

It takes a ``Feed`` or a ``ThreadedFeed``. Nothing is counted twice or on the hot path: the numbers are read from the
feed when a server asks for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import TYPE_CHECKING, Final

from orderbook.errors import UsageError
from orderbook.feed.histogram import Histogram
from orderbook.feed.merger import LaneTally
from orderbook.feed.metrics import FeedLike, FeedMetrics, SymbolMetrics, SymbolNumbers, feed_health, symbol_numbers
from orderbook.sync.journal import SyncCounters
from orderbook.types import BookState

if TYPE_CHECKING:
    from prometheus_client.core import Metric
    from prometheus_client.registry import CollectorRegistry

BOUNDS_NS: Final = tuple(4**power for power in range(5, 19))
"""Upper edges of the exported buckets: about 1 microsecond to 69 seconds. Powers of two, so the counts are exact."""

_WITH_REASONS: Final = frozenset(one.name for one in fields(SyncCounters) if "Counter" in str(one.type))
_HISTOGRAMS: Final = tuple(one.name for one in fields(SymbolMetrics) if one.type == Histogram.__name__)
_COUNTERS: Final = tuple(one.name for one in fields(SymbolMetrics) if one.type == "int")
_LANE_COUNTERS: Final = tuple(one.name for one in fields(LaneTally) if one.type == "int")
_FEED_COUNTERS: Final = tuple(
    one.name for one in fields(FeedMetrics) if one.type == "int" and one.name != "loop_lag_max_ns"
)
_RECORDER_COUNTERS: Final = ("recorded", "lost", "refused", "gaps", "problems", "written_bytes")


def register(*feeds: FeedLike, registry: CollectorRegistry | None = None) -> FeedCollector:
    """Offer the numbers of feeds to Prometheus.

    Args:
        feeds: All feeds of this process; their venues tell them apart.
        registry: That of the client library by default.

    Returns:
        The collector; its ``unregister`` takes the numbers away again.

    Raises:
        UsageError: The client library is not installed, feeds are registered there already, or two have the same
            venue.
    """
    collector = FeedCollector(feeds)
    if registry is None:
        from prometheus_client import REGISTRY  # noqa: PLC0415 - an extra, needed here only

        registry = REGISTRY
    collector.register(registry)
    return collector


class FeedCollector:
    """Reads feeds when Prometheus asks, on whatever thread that is.

    Args:
        feeds: Whose numbers.

    Raises:
        UsageError: The client library is not installed, or two feeds have the same venue.
    """

    def __init__(self, feeds: Iterable[FeedLike]) -> None:
        try:
            import prometheus_client.core  # noqa: PLC0415 - an extra, needed here only
        except ImportError as error:
            raise UsageError("prometheus_client is missing: pip install 'orderbook-engine[prometheus]'") from error
        self._core = prometheus_client.core
        self._feeds = tuple(feeds)
        if len({feed.venue.name for feed in self._feeds}) < len(self._feeds):
            raise UsageError("two feeds of one venue cannot be told apart: let one feed have all symbols of a venue")
        self._registry: CollectorRegistry | None = None

    def register(self, registry: CollectorRegistry) -> None:
        """Offer the numbers there.

        Raises:
            UsageError: Something else there has the same names.
        """
        try:
            registry.register(self)
        except ValueError as error:
            raise UsageError("one registry holds one collector of feeds: register all feeds in one call") from error
        self._registry = registry

    def unregister(self) -> None:
        """Take the numbers away. May be called twice."""
        if self._registry is not None:
            self._registry.unregister(self)
            self._registry = None

    def describe(self) -> Iterator[Metric]:
        """The names, without any numbers."""
        return self._families(())

    def collect(self) -> Iterator[Metric]:
        """The numbers of this moment."""
        return self._families(self._feeds)

    def _families(self, feeds: tuple[FeedLike, ...]) -> Iterator[Metric]:
        numbers = {feed.venue.name: symbol_numbers(feed) for feed in feeds}
        rows = [(venue, symbol, one) for venue, symbols in numbers.items() for symbol, one in symbols.items()]
        yield from self._states(rows)
        yield from self._sync_counters(rows)
        yield from self._symbol_metrics(rows)
        yield from self._lanes(rows)
        yield from self._feed_metrics(feeds)
        yield from self._recorders(feeds)

    def _states(self, rows: list[tuple[str, str, SymbolNumbers]]) -> Iterator[Metric]:
        labels = ("venue", "symbol")
        state = self._core.GaugeMetricFamily(
            "orderbook_state", "1 for the state that the book is in.", labels=(*labels, "state")
        )
        age = self._core.GaugeMetricFamily(
            "orderbook_age_seconds", "Time since something was heard of the book or its link.", labels=labels
        )
        sequence = self._core.GaugeMetricFamily(
            "orderbook_sequence", "The venue's sequence of the book.", labels=labels
        )
        for venue, symbol, one in rows:
            for each in BookState:
                state.add_metric((venue, symbol, each.value), float(one.status.state is each))
            if one.status.age_ms is not None:
                age.add_metric((venue, symbol), one.status.age_ms / 1e3)
            sequence.add_metric((venue, symbol), one.status.sequence)
        yield from (state, age, sequence)

    def _sync_counters(self, rows: list[tuple[str, str, SymbolNumbers]]) -> Iterator[Metric]:
        counted = [(venue, symbol, one.counters.to_json()) for venue, symbol, one in rows]
        for name in SyncCounters().to_json():
            labels = ("venue", "symbol", "reason") if name in _WITH_REASONS else ("venue", "symbol")
            family = self._core.CounterMetricFamily(
                f"orderbook_{name}", f"SyncCounters.{name} of the book's synchroniser.", labels=labels
            )
            for venue, symbol, values in counted:
                value = values[name]
                if isinstance(value, dict):
                    for reason, count in value.items():
                        family.add_metric((venue, symbol, reason), count)
                else:
                    family.add_metric((venue, symbol), value)
            yield family

    def _symbol_metrics(self, rows: list[tuple[str, str, SymbolNumbers]]) -> Iterator[Metric]:
        labels = ("venue", "symbol")
        for name in _COUNTERS:
            family = self._core.CounterMetricFamily(
                f"orderbook_{name}", f"SymbolMetrics.{name} of the feed.", labels=labels
            )
            for venue, symbol, one in rows:
                family.add_metric((venue, symbol), getattr(one.metrics, name))
            yield family
        for name in _HISTOGRAMS:
            durations = self._core.HistogramMetricFamily(
                f"orderbook_{name.removesuffix('_ns')}_seconds", f"SymbolMetrics.{name} of the feed.", labels=labels
            )
            for venue, symbol, one in rows:
                histogram: Histogram = getattr(one.metrics, name)
                durations.add_metric((venue, symbol), _buckets(histogram), histogram.total_ns / 1e9)
            yield durations
        skewed = self._core.CounterMetricFamily(
            "orderbook_venue_clock_ahead", "Frames whose time stamp lay ahead of our clock.", labels=labels
        )
        for venue, symbol, one in rows:
            skewed.add_metric((venue, symbol), one.metrics.venue_latency_ns.negative_count)
        yield skewed

    def _lanes(self, rows: list[tuple[str, str, SymbolNumbers]]) -> Iterator[Metric]:
        """Of symbols that are on two connections, each of these."""
        labels = ("venue", "symbol", "lane")
        lanes = [
            ((venue, symbol, str(number)), lane)
            for venue, symbol, one in rows
            for number, lane in enumerate(one.metrics.lanes, 1)
        ]
        for name in _LANE_COUNTERS:
            family = self._core.CounterMetricFamily(f"orderbook_lane_{name}", f"LaneTally.{name}.", labels=labels)
            for whose, lane in lanes:
                family.add_metric(whose, getattr(lane, name))
            yield family
        behind = self._core.HistogramMetricFamily(
            "orderbook_lane_behind_seconds", "By how much second copies came later.", labels=labels
        )
        for whose, lane in lanes:
            behind.add_metric(whose, _buckets(lane.behind_ns), lane.behind_ns.total_ns / 1e9)
        yield behind

    def _feed_metrics(self, feeds: tuple[FeedLike, ...]) -> Iterator[Metric]:
        for name in _FEED_COUNTERS:
            counter = self._core.CounterMetricFamily(
                f"orderbook_feed_{name}", f"FeedMetrics.{name}.", labels=("venue",)
            )
            for feed in feeds:
                counter.add_metric((feed.venue.name,), getattr(feed.metrics, name))
            yield counter
        reconnects = self._core.CounterMetricFamily(
            "orderbook_feed_reconnects", "Connections lost.", labels=("venue", "reason")
        )
        gauges = {
            name: self._core.GaugeMetricFamily(f"orderbook_feed_{name}", text, labels=("venue",))
            for name, text in (
                ("loop_lag_max_seconds", "Longest time that the event loop was not free for."),
                ("links_up", "Connections that are up."),
                ("budget_used", "Request weight used in the venue's current window."),
                ("budget_limit", "Request weight that the venue allows in a window."),
            )
        }
        messages = self._core.CounterMetricFamily(
            "orderbook_feed_client_messages", "Messages sent to the venue.", labels=("venue",)
        )
        for feed in feeds:
            labels = (feed.venue.name,)
            for reason, count in feed.metrics.reconnects.copy().items():
                reconnects.add_metric((*labels, reason), count)
            gauges["loop_lag_max_seconds"].add_metric(labels, feed.metrics.loop_lag_max_ns / 1e9)
            health = feed_health(feed)
            gauges["links_up"].add_metric(labels, 0 if health is None else health.links_up)
            if health is not None:
                gauges["budget_used"].add_metric(labels, health.budget_used)
                gauges["budget_limit"].add_metric(labels, health.budget_limit)
                messages.add_metric(labels, health.client_messages)
        yield from (reconnects, *gauges.values(), messages)

    def _recorders(self, feeds: tuple[FeedLike, ...]) -> Iterator[Metric]:
        found = [(feed.venue.name, feed.metrics.recorder()) for feed in feeds if feed.metrics.recorder is not None]
        for name in _RECORDER_COUNTERS:
            family = self._core.CounterMetricFamily(
                f"orderbook_recorder_{name}", f"RecorderCounters.{name}.", labels=("venue",)
            )
            for venue, counters in found:
                family.add_metric((venue,), getattr(counters, name))
            yield family
        waiting = self._core.GaugeMetricFamily(
            "orderbook_recorder_queue", "Records that wait for the disk.", labels=("venue",)
        )
        for venue, counters in found:
            waiting.add_metric((venue,), counters.queue_size)
        yield waiting


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    """Upper edge in seconds as text, and how many values do not exceed it."""
    counts, total = histogram.at_most(BOUNDS_NS)
    edges = [repr(bound / 1e9) for bound in BOUNDS_NS]
    return [*zip(edges, map(float, counts), strict=True), ("+Inf", float(total))]
