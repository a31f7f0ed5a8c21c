"""What Prometheus is told is what the feed counted, in well-formed exposition text."""

from __future__ import annotations

import json
import sys
from dataclasses import fields

import pytest
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from orderbook.errors import UsageError
from orderbook.feed.merger import LaneTally
from orderbook.feed.metrics import FeedMetrics, SymbolMetrics
from orderbook.feed.prometheus import register
from orderbook.sync.journal import SyncCounters
from orderbook.types import BookState
from snapshots.recorder import RecorderCounters
from tests.feeds import StandIn

MS = 1_000_000
Labels = frozenset[tuple[str, str]]


def labels(**values: str) -> Labels:
    """Labels of a sample; the venue is always there."""
    return frozenset({"venue": "kucoin", **values}.items())


def scraped(registry: CollectorRegistry) -> dict[tuple[str, Labels], float]:
    """Every sample that a server would read, by name and labels."""
    families = text_string_to_metric_families(generate_latest(registry).decode())
    found = {}
    for family in families:
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found
            found[key] = sample.value
    return found


@pytest.fixture
def feed() -> StandIn:
    """A feed that has seen something."""
    feed = StandIn()
    feed.all_counters["A-B"].applied = 7
    feed.all_counters["A-B"].rejected.update(json=2, size=1)
    feed.all_metrics["A-B"].received = 9
    feed.all_metrics["A-B"].venue_latency_ns.observe(-1)
    for value in (1, 1024, 1025, 3 * MS, 10**15):
        feed.all_metrics["A-B"].delivery_lag_ns.observe(value)
    feed.metrics.connects = 4
    feed.metrics.reconnects["close 1006"] += 3
    feed.metrics.observe_loop_lag(250 * MS)
    return feed


def test_every_number_is_there(feed: StandIn) -> None:
    """Counters with their reasons, state and age, links and budget."""
    registry = CollectorRegistry()
    register(feed, registry=registry)
    found = scraped(registry)

    a = labels(symbol="A-B")
    assert 7 == found["orderbook_applied_total", a]
    assert 2 == found["orderbook_rejected_total", labels(symbol="A-B", reason="json")]
    assert 1 == found["orderbook_rejected_total", labels(symbol="A-B", reason="size")]
    assert 9 == found["orderbook_received_total", a]
    assert 0 == found["orderbook_received_total", labels(symbol="C-D")]
    assert 0.25 == found["orderbook_age_seconds", a]
    assert ("orderbook_age_seconds", labels(symbol="C-D")) not in found
    assert 1234567890123 == found["orderbook_sequence", a]
    assert 1 == found["orderbook_venue_clock_ahead_total", a]
    assert 4 == found["orderbook_feed_connects_total", labels()]
    assert 3 == found["orderbook_feed_reconnects_total", labels(reason="close 1006")]
    assert 0.25 == found["orderbook_feed_loop_lag_max_seconds", labels()]
    assert 17 == found["orderbook_feed_client_messages_total", labels()]
    assert (1, 6, 2000) == tuple(
        found[f"orderbook_feed_{name}", labels()] for name in ("links_up", "budget_used", "budget_limit")
    )


def test_no_counter_is_forgotten(feed: StandIn) -> None:
    """Whoever adds a field to the counters sees it in Prometheus."""
    registry = CollectorRegistry()
    register(feed, registry=registry)
    text = generate_latest(registry).decode()

    assert [] == [name for name in SyncCounters().to_json() if f"# TYPE orderbook_{name}_total counter" not in text]
    lanes = [f"orderbook_lane_{one.name}" for one in fields(LaneTally) if one.type == "int"]
    assert [] == [name for name in lanes if f"# TYPE {name}_total counter" not in text]
    for name, value in SymbolMetrics().to_json().items():
        if name == "lanes":
            continue
        shown = f"{name.removesuffix('_ns')}_seconds histogram" if isinstance(value, dict) else f"{name}_total counter"
        assert f"# TYPE orderbook_{shown}" in text
    apart = ("recorder", "loop_lag_max_ns")
    for name in (one for one in FeedMetrics().to_json() if one not in apart):
        assert f"# TYPE orderbook_feed_{name}_total counter" in text


def test_both_connections_of_a_symbol_have_numbers(feed: StandIn) -> None:
    """Each under its number; symbols on one connection have none."""
    lanes = (LaneTally(first=3, copies=1), LaneTally(first=1, copies=3))
    lanes[1].behind_ns.observe(2_000_000)
    feed.symbol_metrics("A-B").lanes = lanes
    registry = CollectorRegistry()
    register(feed, registry=registry)
    found = scraped(registry)

    assert 3 == found["orderbook_lane_first_total", labels(symbol="A-B", lane="1")]
    assert 3 == found["orderbook_lane_copies_total", labels(symbol="A-B", lane="2")]
    assert 0.002 == found["orderbook_lane_behind_seconds_sum", labels(symbol="A-B", lane="2")]
    assert ("orderbook_lane_first_total", labels(symbol="C-D", lane="1")) not in found
    told = json.loads(json.dumps(SymbolMetrics(lanes=lanes).to_json()))["lanes"]
    assert [(3, 1), (1, 3)] == [(one["first"], one["copies"]) for one in told]


def test_exactly_one_state_is_set(feed: StandIn) -> None:
    """All states are there, so that a change shows as one going up and one going down."""
    registry = CollectorRegistry()
    register(feed, registry=registry)
    found = scraped(registry)

    for symbol, state in (("A-B", BookState.LIVE), ("C-D", BookState.SYNCING)):
        values = {each: found["orderbook_state", labels(symbol=symbol, state=each.value)] for each in BookState}
        assert {each: float(each is state) for each in BookState} == values


def test_histograms_are_cumulative(feed: StandIn) -> None:
    """In seconds; a value on an edge does not exceed it; the last bucket holds all."""
    registry = CollectorRegistry()
    register(feed, registry=registry)
    found = scraped(registry)
    name = "orderbook_delivery_lag_seconds"
    buckets = {
        dict(key[1])["le"]: value
        for key, value in found.items()
        if key[0] == f"{name}_bucket" and dict(key[1])["symbol"] == "A-B"
    }
    edges = sorted(buckets, key=float)

    assert [2, 3] == [buckets[edge] for edge in edges[:2]]
    assert 1.024e-06 == float(edges[0])
    assert 5 == buckets["+Inf"]
    assert 4 == buckets[edges[-2]], "eleven days are beyond the last edge"
    assert sorted(buckets.values()) == [buckets[edge] for edge in edges]
    a = labels(symbol="A-B")
    assert 5 == found[f"{name}_count", a]
    assert sum((1, 1024, 1025, 3 * MS, 10**15)) / 1e9 == found[f"{name}_sum", a]
    assert 0 == found[f"{name}_count", labels(symbol="C-D")]


def test_the_recorder_is_shown_where_there_is_one(feed: StandIn) -> None:
    """What is lost in a recording is an alarm like any other."""
    registry = CollectorRegistry()
    register(feed, registry=registry)
    assert ("orderbook_recorder_lost_total", labels()) not in scraped(registry)
    feed.metrics.recorder = lambda: RecorderCounters(1, 2, 3, 4, 5, 6, 7, 8)
    found = scraped(registry)

    names = ("recorded", "lost", "refused", "gaps", "problems", "written_bytes")
    assert [1, 2, 3, 4, 5, 6] == [found[f"orderbook_recorder_{name}_total", labels()] for name in names]
    assert 7 == found["orderbook_recorder_queue", labels()]


def test_a_feed_that_ends_or_loses_a_symbol_is_read_all_the_same(feed: StandIn) -> None:
    """Prometheus asks whenever it likes, from a thread of its own."""
    registry = CollectorRegistry()
    register(feed, registry=registry)
    feed.gone.add("A-B")
    feed.is_open = False
    found = scraped(registry)

    assert ("orderbook_applied_total", labels(symbol="A-B")) not in found
    assert 0 == found["orderbook_feed_links_up", labels()]
    assert ("orderbook_feed_budget_used", labels()) not in found


def test_one_registry_holds_one_collector(feed: StandIn) -> None:
    """Two with the same names would make a text that no server accepts; all feeds go into one."""
    registry = CollectorRegistry()
    collector = register(feed, registry=registry)
    with pytest.raises(UsageError, match="register all feeds in one call"):
        register(StandIn(), registry=registry)
    with pytest.raises(UsageError, match="two feeds of one venue"):
        register(feed, StandIn(), registry=registry)
    collector.unregister()
    collector.unregister()
    assert {} == scraped(registry)
    register(feed, registry=registry)


def test_the_default_registry_is_that_of_the_library(feed: StandIn) -> None:
    """And nothing of ours stays in it."""
    collector = register(feed)
    try:
        assert 7 == REGISTRY.get_sample_value("orderbook_applied_total", {"venue": "kucoin", "symbol": "A-B"})
    finally:
        collector.unregister()
    assert REGISTRY.get_sample_value("orderbook_applied_total", {"venue": "kucoin", "symbol": "A-B"}) is None


def test_without_the_extra_one_line_says_what_to_install(feed: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is optional."""
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    monkeypatch.setitem(sys.modules, "prometheus_client.core", None)
    with pytest.raises(UsageError, match=r"pip install 'orderbook-engine\[prometheus\]'"):
        register(feed)
