"""Conditions as text: each has one, each text is one or says where it is none."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderbook.condition_text import TEXT_MAX, ConditionError, parse_condition
from orderbook.conditions import (
    FOR_MAX_S,
    LEVELS_MAX,
    OPERATORS,
    QUANTITIES,
    Compare,
    Condition,
    Crosses,
    NotLive,
    Quantity,
)
from orderbook.errors import UsageError
from tests.unchecked import unchecked


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("spread_bps > 5", Compare(Quantity("spread_bps"), ">", Decimal(5))),
        ("  spread_bps>5  ", Compare(Quantity("spread_bps"), ">", Decimal(5))),
        ("imbalance(10) < -0.4 for 2s", Compare(Quantity("imbalance", 10), "<", Decimal("-0.4"), for_s=2)),
        ("imbalance ( 3 )>=+1e-2", Compare(Quantity("imbalance", 3), ">=", Decimal("0.01"))),
        ("best_ask crosses 67000", Crosses(Quantity("best_ask"), Decimal(67000))),
        ("mid <= -0", Compare(Quantity("mid"), "<=", Decimal(0))),
        ("not live", NotLive()),
        ("not live for 250 ms", NotLive(for_s=0.25)),
        ("not live for 1.5min", NotLive(for_s=90)),
        ("not live for 24h", NotLive(for_s=FOR_MAX_S)),
    ],
)
def test_a_text_is_a_condition(text: str, expected: Condition) -> None:
    """Blanks do not matter."""
    assert expected == parse_condition(text)


@pytest.mark.parametrize(
    ("text", "at", "problem"),
    [
        ("", 0, "it ends where best_bid, .* or imbalance, or 'not live' is allowed; a condition is such as"),
        ("   ", 3, "it ends"),
        ("price > 5", 0, "'price' stands where best_bid"),
        ("Spread > 5", 0, "'S' stands"),
        ("mid", 3, "it ends where >, >=, <, <= or crosses is allowed"),
        ("mid => 5", 4, "'=' stands where >"),
        ("mid > ", 6, "it ends where a number"),
        ("mid > five", 6, "'five' stands where a number"),
        ("mid > 1.2.3", 6, r"'1\.2\.3' stands where a number"),
        ("mid > 1e99", 6, "'1e99' stands where a number"),
        ("mid > --5", 6, "'-' stands where a number"),
        ("mid > \u0665", 6, r"'\\u0665' stands where a number"),
        ("mid > 5 6", 8, "'6' stands where the end, or 'for 5s' once is allowed"),
        ("mid > 5 for", 11, "it ends where a length of time in ms, s, min or h"),
        ("mid > 5 for -1s", 12, "'-1' stands where a length of time"),
        ("mid > 5 for 1.2.3s", 12, "stands where a number"),
        ("mid > 5 for 5", 13, "it ends where a length of time"),
        ("mid > 5 for 5 days", 14, "'days' stands where a length of time"),
        ("mid > 5 for 0s", 12, "'0' stands where more than no time, and at most 24 h"),
        ("mid > 5 for 25h", 12, "'25' stands where more than no time, and at most 24 h"),
        ("mid > 5 for 5s for 6s", 15, "'for' stands where the end"),
        ("mid crosses 5 for 2s", 14, "'for' stands where nothing more is allowed"),
        ("imbalance > 1", 10, r"'>' stands where '\(' is allowed"),
        ("imbalance(0) > 1", 10, "'0' stands where a number of levels from 1 to 10000"),
        ("imbalance(10001) > 1", 10, "a number of levels"),
        ("imbalance(1.5) > 1", 10, "a number of levels"),
        ("imbalance(10 > 1", 13, r"'>' stands where '\)' is allowed"),
        ("not so", 4, "'so' stands where 'live' is allowed"),
        ("not live for 5s!", 15, "'!' stands where the end"),
        ("mid > 5" + " " * TEXT_MAX, TEXT_MAX, "more than 200 characters"),
    ],
)
def test_a_text_that_is_none_is_refused(text: str, at: int, problem: str) -> None:
    """With the place, and what is allowed there."""
    with pytest.raises(ConditionError, match=f"^condition .*, at character {at + 1}: .*{problem}") as caught:
        parse_condition(text)
    assert (text, at) == (caught.value.text, caught.value.position)
    assert str(caught.value).isascii()


def test_a_condition_is_a_text() -> None:
    """Not something else."""
    with pytest.raises(UsageError, match=r"a condition is a text, such as 'spread_bps > 5'.*, not int"):
        parse_condition(unchecked(5))


numbers = st.decimals(-1000, 1000, places=6)
lengths = st.one_of(st.just(0.0), st.floats(1e-9, FOR_MAX_S), st.integers(1, 86400))
quantities = st.one_of(
    st.sampled_from([name for name in QUANTITIES if name != "imbalance"]).map(Quantity),
    st.integers(1, LEVELS_MAX).map(lambda levels: Quantity("imbalance", levels)),
)
conditions: st.SearchStrategy[Condition] = st.one_of(
    st.builds(Compare, quantities, st.sampled_from(OPERATORS), numbers, for_s=lengths),
    st.builds(Crosses, quantities, numbers),
    st.builds(NotLive, for_s=lengths),
)


@given(conditions)
def test_what_is_written_is_read_back(condition: Condition) -> None:
    """Law: its text is the condition."""
    assert condition == parse_condition(str(condition))


@given(st.text(st.sampled_from("not live for best_bid imbalance(10) > < = crosses 5.-+es\u00e9\n"), max_size=40))
def test_any_text_is_a_condition_or_an_error(text: str) -> None:
    """Nothing else is raised, whatever it is; and the place is one of the text."""
    position, condition = None, None
    try:
        condition = parse_condition(text)
    except ConditionError as error:
        position = error.position
    assert (position is None) == (condition is not None)
    assert position is None or 0 <= position <= len(text)
    assert condition is None or condition == parse_condition(str(condition))
