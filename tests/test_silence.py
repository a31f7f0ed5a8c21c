"""When the silence of a symbol is longer than is usual for it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderbook.feed.silence import Silence


def looks(counts: list[int]) -> list[int]:
    """At which looks, half a second apart, the venue would be asked."""
    silence = Silence(gaps=20, least_s=2.0, most_s=30.0)
    return [number for number, count in enumerate(counts) if silence.look(count, 0.5)]


@pytest.mark.parametrize(
    ("usual", "first"),
    [
        ([50], 3),  # 100/s: 20 gaps are nothing, 2 s are the least
        ([5], 3),  # 10/s: 2 s
        ([1, 1, 0, 0], 38),  # 1/s: 20 s
    ],
    ids=["busy", "lively", "slow"],
)
def test_each_symbol_is_judged_by_its_own_rate(usual: list[int], first: int) -> None:
    """The busier it is, the sooner its silence is suspicious; then again each time the silence has doubled."""
    before = usual * (400 // len(usual))
    asked = looks(before + [0] * 60)
    silent_before = len(usual) - 1 - max(index for index, count in enumerate(usual) if count)

    assert first - silent_before == pytest.approx(asked[0] - len(before), abs=2)
    gaps = [one - asked[0] + first for one in asked]
    assert all(later >= 2 * earlier for earlier, later in pairwise(gaps))


def test_a_quiet_symbol_is_never_suspected() -> None:
    """One delta in a minute: nothing that lasts less than the longest wait says anything."""
    assert [] == looks(([0] * 119 + [1]) * 5 + [0] * 200)


def test_a_symbol_that_never_spoke_is_not_suspected() -> None:
    """There is no usual rate to judge by."""
    assert [] == looks([0] * 200)


@given(st.lists(st.integers(0, 100), max_size=300))
def test_what_has_just_spoken_is_not_suspected(counts: list[int]) -> None:
    """Nobody is asked before two silent seconds, or after half a minute of them."""
    for number in looks(counts):
        silent = 0
        while silent <= number and counts[number - silent] == 0:
            silent += 1
        assert 4 <= silent <= 60
