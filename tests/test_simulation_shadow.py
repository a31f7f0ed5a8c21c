"""The shadow of a book, by which every update is compared: it sees what no delta brought; and cases go through text."""

from __future__ import annotations

import pytest

from orderbook.types import Side
from tests.simulation.case import Case, Entry, drawn
from tests.simulation.shadow import Shadow, are_one, digest_of, epoch_of, epoch_of_known
from tests.test_simulation_oracle import live


def test_the_shadow_finds_what_no_delta_brought() -> None:
    """Levels are read from the book, and all of them now and then."""
    _, sync, _ = live()
    content = sync.book.content
    shadow = Shadow(content)
    shadow.look_again()
    price, size = content.bids.at(-1)
    content.bids.set(price, size + 1)
    with pytest.raises(AssertionError, match="a level changed that no delta named"):
        shadow.look_again()


def test_books_are_found_in_the_count_that_they_belong_to() -> None:
    """The newest first; and a book that stood nowhere is found nowhere."""
    _, sync, source = live()
    content = sync.book.content
    assert [0, 0] == [epoch_of(content, digest_of(content), source), epoch_of_known(content, source)]
    source.reset(5)
    source.advance()
    assert [0, 0] == [epoch_of(content, digest_of(content), source), epoch_of_known(content, source)]
    price, size = content.asks.at(7)
    content.asks.set(price, size + 1)
    assert [None, None] == [epoch_of(content, digest_of(content), source), epoch_of_known(content, source)]


def test_a_level_behind_the_horizon_is_nobodys_business() -> None:
    """What is not known is not compared; without a horizon one level too few is one too few."""
    _, sync, source = live()
    content = sync.book.content
    worst = content.bids.worst()
    assert worst is not None
    content.bids.set(worst[0], 0)
    assert epoch_of_known(content, source) is None
    content.horizon[Side.BID] = content.bids.at(9)[0]
    assert 0 == epoch_of_known(content, source)


def test_a_case_goes_through_text() -> None:
    """What a failing run prints is the run, to the entry."""
    case = Case(seed=7, plan=({"fault": "drop", "p": 0.1}, {"fault": "disconnect", "at_ms": 5}), depth=100)
    assert case == Case.from_json(case.to_json())
    assert case.plan[1:] == case.without(0).plan


def test_two_books_are_one_as_far_as_both_are_known() -> None:
    """A farther horizon makes no other book; a level within it does, and so does a level too few."""
    _, sync, _ = live()
    content = sync.book.content
    nearer, shorter = content.copy(), content.copy()
    price, _ = nearer.asks.at(5)
    nearer.horizon[Side.ASK] = price
    assert are_one(content, nearer)
    shorter.asks.set(shorter.asks.at(-1)[0], 0)
    assert not are_one(content, shorter)
    nearer.asks.set(nearer.asks.at(3)[0], 0)
    assert not are_one(content, nearer)
    later = content.copy()
    later.sequence += 1
    assert not are_one(content, later)


def test_drawn_runs_have_answers_of_an_old_count_that_is_near() -> None:
    """A cache hands out the old book while the new count runs through its numbers, on a link that stays."""
    plans = [drawn(seed).plan for seed in range(260)]
    near = [plan for plan in plans if any("back" in entry for entry in plan)]
    both = [plan for plan in near if any(is_old(entry) for entry in plan)]
    assert 2 < len(both) < len(near) / 2
    for plan in both:
        assert not {entry["fault"] for entry in plan} & {"disconnect", "black_hole", "maintenance", "lost_pong", "hang"}
        assert not any(entry.get("close") for entry in plan)


def is_old(entry: Entry) -> bool:
    """Whether the book may be answered as it was some time ago."""
    return entry["fault"] == "stale_snapshot" and "ms" in entry
