"""The count that the venue has left: which snapshots are its own."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from orderbook.content import BookContent
from orderbook.sync.facts import NEVER
from orderbook.sync.old_count import OldCount, OldCounts
from orderbook.types import Delta, Side
from orderbook.venues.kucoin import KuCoin
from tests.kucoin_frames import delta, snapshot

KUCOIN = KuCoin()
WHOLE = dict.fromkeys(Side, False)


def decoded(*frames: bytes) -> tuple[Delta, ...]:
    """As deltas."""
    messages = [KUCOIN.decode(frame.decode()) for frame in frames]
    return tuple(message for message in messages if isinstance(message, Delta))


def content(sequence: int, *bids: tuple[str, str]) -> BookContent:
    """A book of those bids."""
    return BookContent.from_snapshot(KUCOIN.decode_snapshot(snapshot(sequence, bids, ()).decode()), WHOLE)


OLD_DELTAS = decoded(delta(11, bids=[("90", "1")]), delta(12, 14, bids=[("91", "1")]), delta(15, bids=[("91", "0")]))
BOOK = content(15, ("100", "1"), ("90", "1"))
OLD = OldCount(15, BOOK, OLD_DELTAS)


@pytest.mark.parametrize(
    ("name", "found", "expected"),
    [
        ("the old book", content(15, ("100", "1"), ("90", "1")), True),
        ("another one at its sequence", content(15, ("100", "2"), ("90", "1")), False),
        ("the old book before its last delta", content(14, ("100", "1"), ("91", "1"), ("90", "1")), True),
        ("inside a delta", content(13, ("100", "1"), ("90", "1")), True),
        ("before all that is remembered", content(10, ("100", "1")), True),
        ("another one before them", content(10, ("100", "3")), False),
        ("one to which they lead, but which does not hold the first", content(11, ("100", "1"), ("90", "2")), False),
        ("one with a size that a delta did not say", content(14, ("100", "1"), ("91", "7"), ("90", "1")), False),
        ("older than what is remembered", content(9, ("100", "1")), False),
        ("beyond the old book", content(16, ("100", "1"), ("90", "1")), False),
        ("one that cannot be held with it", content(15, ("1e-18", "1")), False),
    ],
)
def test_a_snapshot_is_known_by_its_levels(name: str, found: BookContent, expected: bool) -> None:
    """Where the deltas reach from it to the old book, or back; none without a book; and nothing is changed."""
    before = sorted(found.bids)
    assert (name, expected) == (name, OLD.knows(found))
    assert (before, [(100, 1), (90, 1)]) == (sorted(found.bids), list(BOOK.bids))
    assert not OldCount(15, None, OLD_DELTAS).knows(found)


@pytest.mark.parametrize(
    ("name", "heard", "expected"),
    [
        ("nothing", (), False),
        ("what it holds", decoded(delta(4, bids=[("100", "9")]), delta(5, bids=[("100", "1")])), False),
        ("what it does not hold", decoded(delta(5, bids=[("99", "1")])), True),
        ("the same, and the rest of a delta", decoded(delta(5, 7, bids=[["99", "1", "5"], ["98", "1", "6"]])), True),
        ("what it holds, and the rest", decoded(delta(5, 7, bids=[["100", "1", "5"], ["98", "1", "6"]])), False),
        ("what it does not hold, some time ago", decoded(delta(4, bids=[("99", "1")]), delta(5)), True),
        ("the same, the other way round", decoded(delta(5), delta(4, bids=[("99", "1")])), True),
        ("later", decoded(delta(6, bids=[("99", "1")])), False),
        ("before a hole", decoded(delta(3, bids=[("99", "1")]), delta(5)), False),
        ("before a hole at it", decoded(delta(4, bids=[("99", "1")])), False),
        ("what no book can hold", decoded(delta(4, bids=[("1e25", "1")]), delta(5, bids=[("99", "1")])), False),
    ],
)
@pytest.mark.parametrize("high", [-59, 5, 100_005])
def test_what_the_new_count_said_is_to_be_found_in_it(
    name: str, heard: Iterable[Delta], expected: bool, high: int
) -> None:
    """Up to its sequence, unless something may have changed it since, in a hole; where it may be of an old count."""
    counts, distant = OldCounts(), OldCounts()
    counts.leave(high, None, ())
    distant.leave(high - 1 if high < 0 else high + 1, None, ())
    book = content(5, ("100", "1"))
    assert (name, expected) == (name, counts.have(book, heard))
    assert not OldCounts().have(book, heard)
    assert (name, high == 5 and expected) == (name, distant.have(book, heard))


def test_counts_are_remembered_until_the_book_is_beyond_them() -> None:
    """The last few; a snapshot of any of them is known. Nearness counts until a book is joined."""
    counts = OldCounts()
    assert (NEVER, False) == (counts.nearest(15), counts.have(BOOK, ()))
    counts.leave(15, BOOK, reversed(OLD_DELTAS))
    assert (15, True) == (counts.nearest(15), counts.have(content(14, ("100", "1"), ("91", "1"), ("90", "1")), ()))
    assert not counts.have(content(15, ("100", "9")), ())
    counts.leave(40, None, ())
    assert (15, 40, 40) == (counts.nearest(27), counts.nearest(28), counts.nearest(99))
    assert [True, False] == [counts.have(content(15, ("100", size), ("90", "1")), ()) for size in ("1", "9")]
    assert [True, False] == [counts.may_reach(sequence) for sequence in (104, 105)]
    counts.reached(15)
    counts.is_joined = True
    assert (NEVER, True) == (counts.nearest(1), counts.have(BOOK, ()))
    counts.reached(16)
    assert not counts.have(BOOK, ())
    for high in (50, 51, 52, 53):
        counts.leave(high, None, ())
    assert 50 == counts.nearest(1)
    counts.leave(54, None, ())
    assert 51 == counts.nearest(1)
    counts.leave(100_000 + 60, None, ())
    counts.leave(100_000 + 61, None, ())
    counts.reached(60)
    assert 100_000 + 60 == counts.nearest(100_000 + 100)


def test_counts_that_cost_too_much_are_forgotten() -> None:
    """A dozen answers, from the last reset on."""
    counts = OldCounts()
    counts.leave(14, None, ())
    for _ in range(11):
        counts.refused()
    counts.leave(15, BOOK, OLD_DELTAS)
    for left in (*[True] * 11, False):
        counts.refused()
        assert left == counts.have(BOOK, ())
