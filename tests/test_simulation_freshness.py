"""How old a readable book may be, and how long it may believe a lie: laws I2 and I1 of the simulation, by cause."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from orderbook.events import SequenceReset
from orderbook.sync import BookSync
from orderbook.types import Delta
from tests.simulation.case import Case
from tests.simulation.oracle import Oracle
from tests.simulation.planted import case_of
from tests.simulation.terms import ASKED_MS, BEGIN_NS, UNASKED_MS, Terms, terms_of
from tests.test_simulation_oracle import VenueByHand, live

# --- what it lacks ---------------------------------------------------------------------------------------------------


def test_a_book_that_stays_live_while_the_venue_moves_on_breaks_the_second_law() -> None:
    """As soon as what it lacks is too old, and not before."""
    oracle, sync, source = live()
    watch = oracle.watches[sync.symbol]
    watch.poll(0)
    source.advance()
    for now_ms in (500, 1_000, 1_499):
        watch.poll(now_ms * 1_000_000)
    assert ([], 999) == (oracle.breaches, watch.lag_max_ms)
    watch.poll(1_500 * 1_000_000)
    assert ["I2"] == [breach.law for breach in oracle.breaches]


def test_a_book_that_is_not_live_may_lack_anything() -> None:
    """Who refuses to be read is never stale."""
    oracle, sync, source = live()
    source.advance()
    watch = oracle.watches[sync.symbol]
    watch.poll(0)
    sync.connection_lost()
    watch.poll(9_000 * 1_000_000)
    assert [] == oracle.breaches


def test_a_book_of_an_older_count_breaks_the_second_law() -> None:
    """Its sequence is far higher than the venue's, and it lacks all that came since the reset."""
    oracle, sync, source = live()
    source.reset(1)
    watch = oracle.watches[sync.symbol]
    watch.poll(0)
    watch.poll(2_000 * 1_000_000)
    assert ["I2"] == [breach.law for breach in oracle.breaches]


def test_a_near_reset_is_unseen_until_the_next_delta_where_the_venue_may_lie() -> None:
    """From that delta on the book has the usual time."""
    oracle, sync, source = live()
    oracle.terms = Terms(falls_back_unseen=True)
    watch = oracle.watches[sync.symbol]
    source.reset(source.sequence - 1)
    watch.poll(0)
    watch.poll(90_000 * 1_000_000)
    source.advance()
    watch.poll(91_000 * 1_000_000)
    watch.poll(91_999 * 1_000_000)
    assert ([], 999) == (oracle.breaches, watch.lag_max_ms)
    watch.poll(92_000 * 1_000_000)
    assert ["I2"] == [breach.law for breach in oracle.breaches]


def test_what_a_book_lacked_before_a_near_reset_is_not_forgiven() -> None:
    """Only the reset itself is unseen."""
    oracle, sync, source = live()
    oracle.terms = Terms(falls_back_unseen=True)
    watch = oracle.watches[sync.symbol]
    source.advance()
    watch.poll(0)
    source.reset(source.sequence - 1)
    watch.poll(1_500 * 1_000_000)
    assert ["I2"] == [breach.law for breach in oracle.breaches]


def test_a_delta_that_came_and_is_not_in_the_book_breaks_the_second_law() -> None:
    """At once, whatever the book says of it; a lost link and a new count of the venue make all that is past bygone."""
    oracle, sync, source = live()
    watch = oracle.watches[sync.symbol]

    def hear(ahead: int) -> None:
        end = source.sequence + ahead
        watch.hear(sync, Delta(sync.symbol, end, end, (), (), None))

    hear(0)
    watch.after(sync, "check", None, ())
    assert [] == oracle.breaches
    hear(1)
    watch.after(sync, "check", None, ())
    assert [("I2", f"LIVE at {source.sequence}, but {source.sequence + 1} has come")] == [
        (breach.law, breach.what) for breach in oracle.breaches
    ]
    watch.after(sync, "check", None, (SequenceReset(source.sequence + 1, 1),))
    watch.after(sync, "check", None, ())
    assert ["I2"] == [breach.law for breach in oracle.breaches]


def test_a_book_of_a_silent_link_breaks_the_second_law() -> None:
    """Nothing was taken from any connection for longer than the promise allows, and yet it may be read."""
    oracle, sync, _ = live()
    watch = oracle.watches[sync.symbol]
    watch.poll(0, 5_000)
    assert [] == oracle.breaches
    watch.poll(0, 5_001)
    assert ["I2"] == [breach.law for breach in oracle.breaches]


def test_the_lag_can_be_longer_than_is_allowed() -> None:
    """Else the campaign could not tell how far beyond it a book was."""
    oracle, sync, source = live()
    watch = oracle.watches[sync.symbol]
    watch.poll(0)
    source.advance()
    for now_ms in range(1_000, 90_000, 1_000):
        watch.poll(now_ms * 1_000_000)
    assert 88_000 == watch.lag_max_ms


def test_how_old_a_book_may_be_depends_on_who_answers() -> None:
    """As long as the venue may not answer, and while a question of then may wait, it may be 12 s older."""
    hang = {"fault": "hang", "at_ms": 10_000, "for_ms": 5_000}
    terms = terms_of(case_of(hang)(0), 20.0)
    at = [terms.fresh_ms(BEGIN_NS + second * 1_000_000_000) for second in (9, 11, 20, 60, 69, 200)]
    assert [ASKED_MS, UNASKED_MS, UNASKED_MS, UNASKED_MS, ASKED_MS, ASKED_MS] == at


@pytest.mark.parametrize(
    ("plan", "rate", "expected"),
    [
        (({"fault": "mute"},), 80.0, [ASKED_MS, 6_500]),
        (({"fault": "delay", "ms": 300},), 80.0, [ASKED_MS, 6_800]),
        (({"fault": "mute"},), 1.9, [ASKED_MS, ASKED_MS]),
        (({"fault": "mute"}, {"fault": "disconnect", "at_ms": 1}), 80.0, [ASKED_MS, ASKED_MS]),
        (({"fault": "mute"}, {"fault": "hang", "path": "orderbook", "at_ms": 60_000}), 80.0, [ASKED_MS, ASKED_MS]),
    ],
)
def test_a_busy_symbol_is_missed_soon(plan: tuple[Any, ...], rate: float, expected: list[int]) -> None:
    """Once its usual gaps are known, where the link stays and the venue answers."""
    terms = terms_of(Case(seed=1, plan=plan), rate)
    assert expected == [terms.fresh_ms(BEGIN_NS + second * 1_000_000_000) for second in (19, 20)]


# --- lies ------------------------------------------------------------------------------------------------------------


def lied_to(lies_end_ns: int = 1_000_000_000, lie_ms: int = 500) -> tuple[Oracle, BookSync, Callable[[int], set[str]]]:
    """A LIVE book with a wrong level, and the laws that are broken by then when somebody looks at it at some ms."""
    oracle, sync, _ = live()
    oracle.terms = Terms(lies_end_ns=lies_end_ns, lie_ms=lie_ms)
    price, size = sync.book.content.bids.at(3)
    sync.book.content.bids.set(price, size + 1)
    watch, venue = oracle.watches[sync.symbol], oracle.venue
    assert isinstance(venue, VenueByHand)

    def look(now_ms: int) -> set[str]:
        venue.shown_ns = now_ms * 1_000_000
        watch._shadows.clear()
        watch._compare(sync.book.content, is_new=True)
        return {breach.law for breach in oracle.breaches}

    return oracle, sync, look


def test_a_lie_that_is_put_right_in_time_is_no_breach() -> None:
    """And one that is believed for longer than it takes to audit all books is one."""
    _, sync, look = lied_to()
    assert [set(), set()] == [look(100), look(600)]
    assert look(601) == {"I1"}
    oracle, sync, look = lied_to()
    look(100)
    assert oracle.watches[sync.symbol].is_lied_to
    sync.connection_lost()
    assert not oracle.watches[sync.symbol].is_lied_to


def test_an_audit_by_a_lying_answer_may_agree() -> None:
    """The time that a lie may last counts from when answers are true again."""
    oracle, _, look = lied_to(lies_end_ns=1_000_000_000)
    oracle.terms = Terms(lies_end_ns=1_000_000_000, lie_ms=500, false_answers=((0, 400_000_000),))
    assert [set(), set(), set()] == [look(100), look(700), look(900)]
    assert look(901) == {"I1"}


def test_when_the_lies_are_over_every_book_is_right() -> None:
    """A book that becomes wrong then was not lied to."""
    _, _, look = lied_to()
    assert look(1_500) == set()
    _, _, look = lied_to()
    assert look(1_501) == {"I1"}
