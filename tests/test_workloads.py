"""Workloads of the benchmarks are what they are said to be, and the peers that need no installation agree on them."""

from __future__ import annotations

import json

import pytest

import orderbook
from benchmarks.peers.adapter import QUERIES, Reference, adapter_of, same
from benchmarks.peers.bars import BY_HAND, OURS, bars_of
from benchmarks.peers.measures import Measuring
from benchmarks.peers.results import Cell, Results
from benchmarks.workloads import Workload, busy, counted, deep, frame, large, thin

HERE = f"orderbook ({orderbook.ACCELERATOR})"


@pytest.fixture(scope="module")
def w1() -> Workload:
    """A part of W1."""
    return busy(3_000)


def test_a_busy_stream_is_like_real_ones(w1: Workload) -> None:
    """W1: 2.02 changes and 275 bytes a frame, 36 % removals, 3 % of changes move the touch, 2,000 levels a side."""
    traits = counted(w1)

    assert (2_000, 2_000) == (len(w1.bids), len(w1.asks))
    assert traits.changes / traits.messages == pytest.approx(2.02, rel=0.03)
    assert traits.frame_bytes / traits.messages == pytest.approx(275, rel=0.03)
    assert traits.deletes / traits.changes == pytest.approx(0.36, abs=0.02)
    assert traits.moves / traits.changes == pytest.approx(0.029, abs=0.008)
    assert traits.absent / traits.changes == pytest.approx(0.006, abs=0.003)
    assert all(levels == pytest.approx(2_000, rel=0.1) for levels in traits.levels)


def test_a_thin_stream_moves_the_touch_often() -> None:
    """W2: some 20 levels a side, 40 % removals, every eighth change moves a best price."""
    traits = counted(thin(3_000))

    assert traits.deletes / traits.changes == pytest.approx(0.40, abs=0.03)
    assert traits.moves / traits.changes == pytest.approx(0.125, abs=0.02)
    assert all(5 <= levels <= 40 for levels in traits.levels)


def test_a_large_snapshot_is_large() -> None:
    """W3: 5,000 levels a side, best first, not crossed."""
    body = json.loads(large().body())["data"]
    bids, asks = ([float(price) for price, _ in body[side]] for side in ("bids", "asks"))

    assert (5_000, 5_000) == (len(bids), len(asks))
    assert sorted(bids, reverse=True) == bids
    assert sorted(asks) == asks
    assert bids[0] < asks[0]


@pytest.mark.parametrize("near", [True, False])
def test_a_deep_book_is_changed_where_it_says(near: bool) -> None:
    """D<n>: near the touch, half of the changes are within a few levels of it; else they are anywhere."""
    workload = deep(1_000, near=near, messages=500)
    best = float(workload.bids[0][0])
    distances = sorted(abs(float(price) - best) for message in workload.messages for price, _ in message.bids)

    assert (distances[len(distances) // 2] < 5) is near


def test_a_workload_is_the_same_each_time() -> None:
    """Nothing in it depends on anything but its recipe."""
    assert busy(50) == busy(50)
    assert busy(50).frames() == busy(50).frames()


def test_frames_are_taken_by_the_library(w1: Workload) -> None:
    """They are KuCoin's: without a gap, with a sequence for each row."""
    sync = orderbook.BookSync("kucoin", w1.symbol)
    sync.receive(w1.frames()[0])
    sync.receive_snapshot(w1.body(), depth="full")
    told = [event for message in w1.messages[1:300] for event in sync.receive(frame(message))]

    assert [] == told
    assert w1.messages[299].end == sync.book.sequence


@pytest.mark.parametrize("peer", [*BY_HAND, HERE])
def test_peers_that_need_nothing_agree(w1: Workload, peer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parsed changes lead to the reference's levels, and every query to its answer."""
    # How they decode is their environment's business.
    monkeypatch.setattr("benchmarks.peers.frames.float_frames", lambda: (None, None))
    adapter = adapter_of(peer)
    measuring = Measuring(adapter)
    short = Workload(w1.name, w1.bids, w1.asks, w1.sequence, w1.messages[:400])
    reference = Reference(short)
    for message in short.messages:
        reference.apply(message)
    answers = reference.answers()

    for kind in ("texts", "natives"):
        measuring.parsed(short, kind, kind)
    names = adapter.names()
    found = {}
    for query in QUERIES:
        parts = [eval(part, dict(names)) for part in adapter.queries[query].split(";")]
        found[query] = adapter.plain(query, parts if len(parts) > 1 else parts[0])

    assert {} == measuring.findings.wrong
    assert [query for query in QUERIES if not same(answers[query], found[query])] == []


def test_a_peer_that_is_wrong_is_marked(w1: Workload) -> None:
    """A book that lost a level is found out."""
    reference = Reference(Workload(w1.name, w1.bids, w1.asks, w1.sequence, []))
    adapter = adapter_of(HERE)
    adapter.load(w1.bids[1:], w1.asks, w1.sequence)
    measuring = Measuring(adapter)

    measuring.compare("W1", reference)

    assert {"W1": "1999 bids instead of 2000"} == measuring.findings.wrong


def test_a_cell_is_the_median_of_quiet_samples() -> None:
    """What was measured while the machine was busy does not count, if enough else is there."""
    results = Results()
    results.add("a", {"samples": {"m": [(100, 10), (110, 10), (900, 30)]}})
    results.add("a", {"samples": {"m": [(120, 11), (130, 10), (800, 30)]}})

    assert Cell(115, 105, 125, 2, quiet=True) == results.cells()["a", "m"]


def test_a_cell_of_busy_rounds_is_as_it_was_measured() -> None:
    """Where nothing was quiet, everything counts, and nothing is made faster than it was."""
    results = Results()
    results.add("b", {"samples": {"other": [(1, 10)]}})
    results.add("a", {"samples": {"m": [(200, 20), (300, 30)]}})

    assert Cell(250, 250, 250, 1, quiet=False) == results.cells()["a", "m"]


def test_bars_are_judged_in_their_own_direction() -> None:
    """More is better for how many times faster, less for growth and memory; what was not measured is not met."""
    cells = {
        (OURS, "W1 frame + read"): Cell(100, 1, 1, 1, quiet=True),
        ("bisect lists", "W1 frame + read"): Cell(699, 1, 1, 1, quiet=True),
        ("nautilus_pyo3", "W1 frame + read"): Cell(1_400, 1, 1, 1, quiet=True),
    }
    verdicts = {bar.text: bar.verdict for bar in bars_of(cells, {OURS: 32.0})}

    assert "MISSED" == verdicts["frame to book and best prices, against bisect lists + msgspec"]
    assert "met" == verdicts["frame to book and best prices, against nautilus_pyo3"]
    assert "met" == verdicts["bytes a level before any read"]
    assert "not measured" == verdicts["spread"]
