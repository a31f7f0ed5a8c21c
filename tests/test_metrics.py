"""What is counted is what is shown: by name, complete, and as JSON."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import fields

from orderbook.feed.metrics import FeedMetrics, SymbolMetrics, collect
from orderbook.sync.journal import SyncCounters
from orderbook.types import BookState
from snapshots.recorder import RecorderCounters
from tests.feeds import StandIn

MS = 1_000_000
LIVE, SYNCING, HALTED = BookState.LIVE, BookState.SYNCING, BookState.HALTED


def test_the_counters_of_a_synchroniser() -> None:
    """Every field by its name; reasons with their counts."""
    counters = SyncCounters(frames=3, joins=4, rejected=Counter(json=2, size=1))
    found = counters.to_json()

    assert {one.name for one in fields(SyncCounters)} | {"resyncs"} == found.keys()
    assert (3, 3, {"json": 2, "size": 1}, {}) == tuple(
        found[name] for name in ("frames", "resyncs", "rejected", "limits")
    )
    assert found == json.loads(json.dumps(found))
    counters.rejected["json"] += 1
    assert {"json": 2, "size": 1} == found["rejected"], "a copy"


def test_recovery_is_from_losing_live_to_regaining_it() -> None:
    """Through whatever states; not the first join, and not a halt, for which nobody here is to blame."""
    metrics = SymbolMetrics()
    for old, new, now_ms in (
        (BookState.CONNECTING, SYNCING, 0),
        (SYNCING, LIVE, 10),
        (LIVE, BookState.STALE, 20),
        (BookState.STALE, SYNCING, 25),
        (SYNCING, LIVE, 27),
        (LIVE, HALTED, 30),
        (HALTED, SYNCING, 90),
        (SYNCING, LIVE, 95),
        (LIVE, SYNCING, 100),
        (SYNCING, HALTED, 110),
        (HALTED, LIVE, 120),
    ):
        metrics.observe_state(old, new, now_ms * MS)

    assert (1, 7 * MS) == (metrics.recovery_ns.count, metrics.recovery_ns.max_ns)


def test_the_venues_latency_may_be_negative() -> None:
    """Then our clock is behind the venue's: counted apart."""
    metrics = SymbolMetrics()
    metrics.observe_venue_time(1_000, 1_005 * MS)
    metrics.observe_venue_time(1_000, 999 * MS)

    assert (5 * MS, 1) == (metrics.venue_latency_ns.max_ns, metrics.venue_latency_ns.negative_count)


def test_the_worst_lag_is_kept() -> None:
    """Of all that were observed; being early is none."""
    metrics = FeedMetrics()
    for lag_ns in (-1, 5, 3):
        metrics.observe_loop_lag(lag_ns)

    assert 5 == metrics.loop_lag_max_ns


def test_everything_together_is_json() -> None:
    """State, synchroniser, feed, links and recorder, complete."""
    feed = StandIn()
    feed.metrics.reconnects["close 1006"] += 2
    feed.metrics.recorder = lambda: RecorderCounters(1, 2, 3, 4, 5, 6, 7, 8)
    feed.all_counters["A-B"].rejected["json"] += 2
    feed.all_metrics["A-B"].received = 5
    feed.all_metrics["A-B"].snapshot_rtt_ns.observe(MS)
    found = json.loads(json.dumps(collect(feed)))

    assert "kucoin" == found["venue"]
    assert ["A-B", "C-D"] == list(found["symbols"])
    live = found["symbols"]["A-B"]
    assert (BookState.LIVE.value, 250, 1234567890123) == (live["state"], live["age_ms"], live["sequence"])
    assert ({"json": 2}, 5, 1) == (live["rejected"], live["received"], live["snapshot_rtt_ns"]["count"])
    assert "_lost_ns" not in live
    assert found["symbols"]["C-D"]["age_ms"] is None
    whole = found["feed"]
    assert {"close 1006": 2} == whole["reconnects"]
    assert (1, 1, 17, 6, 2000) == tuple(
        whole[name] for name in ("links", "links_up", "client_messages", "budget_used", "budget_limit")
    )
    assert 2 == whole["recorder"]["lost"]


def test_a_feed_that_is_closed_or_loses_a_symbol_is_read_all_the_same() -> None:
    """A symbol may go while it is read; and the last numbers of a feed are wanted after its end."""
    feed = StandIn()
    feed.is_open = False
    feed.gone.add("A-B")
    found = json.loads(json.dumps(collect(feed)))

    assert ["C-D"] == list(found["symbols"])
    assert (0, None) == (found["feed"]["links"], found["feed"]["recorder"])
