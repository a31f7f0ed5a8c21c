"""When the silence of a symbol is longer than is usual for it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderbook.feed.silence import Silence

BEAT_S = 0.5


def asked(counts: list[int], late_s: float = 0.0) -> list[tuple[int, float]]:
    """At which looks, half a second apart, the venue would be asked; and how long the symbol was silent then.

    Args:
        counts: Deltas before each look.
        late_s: How long before a look the last of them came.
    """
    silence, found, silent_s = Silence(gaps=20, least_s=2.0, most_s=30.0), [], 0.0
    for number, count in enumerate(counts):
        silent_s = late_s if count else silent_s + BEAT_S
        if silence.look(count, BEAT_S, silent_s):
            found.append((number, silent_s))
    return found


@pytest.mark.parametrize("late_s", [0.0, 0.1, 0.25, 0.499])
@pytest.mark.parametrize(
    ("usual", "age_s"),
    [
        ([50], 2.0),  # 100/s: 20 gaps are nothing, 2 s are the least
        ([5], 2.0),  # 10/s: 2 s
        ([1, 1, 0, 0], 20.0),  # 1/s
    ],
    ids=["busy", "lively", "slow"],
)
def test_each_symbol_is_judged_by_its_own_rate(usual: list[int], age_s: float, late_s: float) -> None:
    """The busier it is, the sooner its silence is suspicious, at the last look before that age or at it."""
    before = usual * (400 // len(usual))
    found = asked(before + [0] * 60, late_s)

    assert len(before) <= found[0][0]
    # Of a slow one the rate is known to some percent.
    slack_s = 0.0 if age_s == 2 else 0.05 * age_s
    assert age_s - BEAT_S - slack_s < found[0][1] <= age_s + slack_s


def test_a_silence_is_asked_about_again_each_time_it_has_doubled() -> None:
    """Not at every look, and never again once it is as long as somebody else's wait."""
    silences = [silent_s for _, silent_s in asked([50] * 100 + [0] * 200)]

    assert 4 == len(silences)
    assert all(later >= 2 * earlier for earlier, later in pairwise(silences))
    assert 30 > silences[-1]


def test_a_quiet_symbol_is_never_suspected() -> None:
    """One delta in a minute: nothing that lasts less than the longest wait says anything."""
    assert [] == asked(([0] * 119 + [1]) * 5 + [0] * 200)


def test_a_symbol_that_never_spoke_is_not_suspected() -> None:
    """There is no usual rate to judge by."""
    assert [] == asked([0] * 200)


@given(st.lists(st.integers(0, 100), max_size=300), st.floats(0, 0.499))
def test_what_has_just_spoken_is_not_suspected(counts: list[int], late_s: float) -> None:
    """Nobody is asked before the last look within two silent seconds, or after half a minute of them."""
    for _, silent_s in asked(counts, late_s):
        assert 2 - BEAT_S < silent_s < 30


@given(st.lists(st.integers(5, 100), min_size=20, max_size=100), st.floats(0, 0.499))
def test_the_silence_of_a_busy_symbol_is_never_noticed_late(counts: list[int], late_s: float) -> None:
    """At two seconds it has been asked about, wherever between two looks it began."""
    assert asked(counts + [0] * 4, late_s)[-1][1] <= 2


def test_a_silence_that_begins_anew_is_asked_about_as_soon_as_the_first() -> None:
    """What was asked about an earlier one makes nobody patient with this one."""
    silence = Silence(20, 2.0, 30.0)
    assert not silence.look(100, 1.0, 0.0)
    assert [False, True, False, False] == [silence.look(0, 1.0, silent_s) for silent_s in (1.0, 2.0, 3.0, 4.0)]
    silence.begin()
    assert [False, True] == [silence.look(0, 1.0, silent_s) for silent_s in (1.0, 2.0)]
