"""What is written down of a symbol: counters that add up, and every loss of LIVE."""

from __future__ import annotations

import tracemalloc

from hypothesis import example, given
from hypothesis import strategies as st

from orderbook.events import LevelDifference
from orderbook.sync.journal import GapJournal, Loss, SyncCounters
from orderbook.types import Side


def test_a_loss_is_open_until_live_returns() -> None:
    """At first nothing was lost."""
    opened = []
    journal = GapJournal(2)
    opened.append(journal.open is not None)
    journal.lost("one", 10, 2)
    opened.append(journal.open is not None)
    journal.regained(3)
    opened.append(journal.open is not None)
    assert [False, True, False] == opened


def test_a_new_record_is_empty() -> None:
    """Every count is 0, and has its name; reasons are counted apart."""
    assert {0} == {value for value in SyncCounters().to_json().values() if not isinstance(value, dict)}
    assert [{}, {}, {}, {}] == [value for value in SyncCounters().to_json().values() if isinstance(value, dict)]
    counters = SyncCounters(frames=5, joins=3)
    counters.rejected.update({"json": 2, "utf8": 1})
    counters.discarded.update({"reset": 2, "lost": 2})
    assert (3, 4, 2) == (counters.rejected_count, counters.discarded_count, counters.resyncs)
    found = counters.to_json()
    assert (5, {"json": 2, "utf8": 1}, 2) == (found["frames"], found["rejected"], found["resyncs"])
    assert [0, 0, 1] == [SyncCounters(joins=joins).resyncs for joins in range(3)]


def test_a_loss_lasts_from_a_known_time_to_a_known_time() -> None:
    """Without either there is no duration."""
    assert 5 == Loss("x", 1, since_ns=2, until_ns=7).duration_ns
    assert Loss("x", 1, since_ns=2).duration_ns is None
    assert Loss("x", 1, since_ns=0, until_ns=7).duration_ns is None
    assert Loss("x", 1, since_ns=2, until_ns=0).duration_ns is None
    new = Loss("x", 1, 2)
    assert (None, None, 0, ()) == (new.until_ns, new.missing, new.snapshots_asked, new.wrong_levels)


@given(
    cause=st.text(st.characters()),
    sequence=st.integers(0, 2**63),
    times=st.tuples(st.integers(), st.integers()),
    missing=st.none() | st.tuples(st.integers(0, 2**63), st.integers(0, 2**63)),
    asked=st.integers(0, 9),
    wrong=st.sampled_from([(), (LevelDifference(Side.BID, "1", "2", "3"),)]),
)
@example("no clock like this", 1, (0, 2**64), None, 0, ())
@example("no text like this: \ud800", 1, (2, 3), (2, 2), 1, ())
def test_what_is_over_is_told_as_it_was(
    cause: str,
    sequence: int,
    times: tuple[int, int],
    missing: tuple[int, int] | None,
    asked: int,
    wrong: tuple[LevelDifference, ...],
) -> None:
    """However it is kept, and whatever is in it: a driver's clock may be anything, and so may a text."""
    journal = GapJournal(2)
    journal.lost(cause, sequence, times[0])
    loss = journal.open
    assert loss is not None
    loss.snapshots_asked, loss.wrong_levels = asked, wrong
    if missing is not None:
        journal.missing(*missing)
    journal.regained(times[1])
    assert journal.open is None
    assert [Loss(cause, sequence, *times, missing, asked, wrong)] == list(journal)


def test_what_is_over_takes_little_room() -> None:
    """A thousand losses of a book are some 120 kB, where objects would be three times that."""
    tracemalloc.start()
    try:
        journal = GapJournal(1_000)
        for number in range(2_000):
            journal.lost(f"waiting for {10**10 + number}", 10**10 + number, 10**18 + number)
            journal.missing(10**10 + number, 10**10 + number + 5)
            journal.regained(10**18 + 10**9 + number)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 1_000 == len(journal)
    assert taken < 150_000


def test_a_journal_keeps_the_last_losses_and_the_first_word_on_each() -> None:
    """What is missing is said once; what is over is not said anything about."""
    journal = GapJournal(2)
    journal.regained(1)
    assert [] == list(journal)
    journal.lost("one", 10, 2)
    assert journal.open is next(iter(journal))
    journal.missing(11, 12)
    journal.missing(11, 13)
    journal.regained(3)
    journal.missing(1, 2)
    journal.regained(4)
    assert [("one", 10, 2, 3, (11, 12))] == [
        (loss.cause, loss.sequence, loss.since_ns, loss.until_ns, loss.missing) for loss in journal
    ]
    journal.lost("two", 20, 5)
    journal.lost("three", 30, 6)
    assert (2, ["two", "three"]) == (len(journal), [loss.cause for loss in journal])
    assert "<GapJournal of 2, oldest first: [Loss(cause='two'" in repr(journal)
