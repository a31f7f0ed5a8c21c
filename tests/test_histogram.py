"""Quantiles within the stated error, exact counts at powers of two, and bounded room."""

from __future__ import annotations

import json
from math import ceil
from sys import getsizeof

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderbook.errors import UsageError
from orderbook.feed.histogram import RELATIVE_ERROR, VALUE_MAX, Histogram

durations = st.lists(st.one_of(st.integers(0, 100), st.integers(0, 10**12), st.integers(0, VALUE_MAX)), min_size=1)


def of(values: list[int]) -> Histogram:
    """A histogram of these."""
    histogram = Histogram()
    for value in values:
        histogram.observe(value)
    return histogram


@given(durations, st.floats(0, 1))
def test_a_quantile_is_within_the_stated_error(values: list[int], share: float) -> None:
    """Of the exact one by rank; the extremes are exact."""
    histogram = of(values)
    exact = sorted(values)[max(1, ceil(share * len(values))) - 1]
    found = histogram.quantile(share)

    assert found is not None
    assert abs(found - exact) <= max(1, exact * RELATIVE_ERROR)
    assert min(values) <= found <= max(values)
    assert (min(values), max(values)) == (histogram.min_ns, histogram.max_ns)
    assert (len(values), sum(values)) == (histogram.count, histogram.total_ns)


@given(durations)
def test_counts_are_exact_at_powers_of_two(values: list[int]) -> None:
    """A value that equals a bound does not exceed it."""
    values += [2**power for power in range(0, 62, 5)]
    bounds = [2**power for power in range(63)]

    expected = [sum(value <= bound for value in values) for bound in bounds]
    assert (expected, len(values)) == of(values).at_most(bounds)


@given(durations, durations)
def test_merged_ones_are_like_one(left: list[int], right: list[int]) -> None:
    """Whether one histogram saw all or two saw a part each."""
    merged = of(left)
    merged.merge(of(right))

    assert of(left + right).to_json() == merged.to_json()
    assert of(left + right).at_most([10**6]) == merged.at_most([10**6])


def test_room_is_bounded() -> None:
    """However many values come, and however long they are."""
    histogram = Histogram()
    for power in range(80):
        for part in range(64):
            histogram.observe((64 + part) << power)
    assert len(histogram._buckets()) < 960
    assert VALUE_MAX == histogram.max_ns


def test_room_is_taken_early() -> None:
    """The first value of a power of two takes it for all of them: no count and no bucket costs anything later."""
    histogram = Histogram()
    histogram.observe(1_500)
    before = [getsizeof(counts) for counts in histogram._octaves.values()]
    for value in range(1_025, 2_049):
        for _ in range(300):
            histogram.observe(value)
    assert before == [getsizeof(counts) for counts in histogram._octaves.values()]
    assert [300 * 64 + (place == 7) for place in range(16)] == [count for _, count in histogram._buckets()]


def test_negative_durations_are_counted_apart() -> None:
    """They come from clocks that disagree and would spoil every other number."""
    histogram = of([-5, 10, -1])

    assert (1, 2, 10, 10) == (histogram.count, histogram.negative_count, histogram.total_ns, histogram.min_ns)


def test_an_empty_one() -> None:
    """Nothing is None, never 0; merging nothing changes nothing."""
    empty = Histogram()
    empty.merge(Histogram())

    nothing = dict.fromkeys(("min_ns", "mean_ns", "p50_ns", "p90_ns", "p99_ns", "p999_ns", "max_ns"))
    assert {"count": 0, "negative": 0, **nothing} == empty.to_json()
    assert ([0], 0) == empty.at_most([1])
    assert "<Histogram of 0: p50 None ns, max None ns>" == repr(empty)


def test_as_json() -> None:
    """Plain numbers in ns."""
    found = of([1000, 2000, 3000]).to_json()

    assert found == json.loads(json.dumps(found))
    assert (3, 1000, 2000, 3000) == (found["count"], found["min_ns"], found["mean_ns"], found["max_ns"])


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_no_such_quantile(share: float) -> None:
    """A typed error."""
    with pytest.raises(UsageError, match="between 0 and 1"):
        Histogram().quantile(share)
