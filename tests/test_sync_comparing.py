"""Audits by themselves: what is compared, to the sequence and to the level, and what a farther horizon brings."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from orderbook.content import BookContent
from orderbook.events import LevelDifference
from orderbook.fixedpoint import parse_number
from orderbook.sync.audit import Audit, Auditor, Comparison, compare, reseeded
from orderbook.types import Change, Delta, Side, Snapshot

Rows = Sequence[tuple[str, str] | tuple[str, str, int]]
BIDS: Rows = (("100", "1"), ("99", "2"))
ASKS: Rows = (("101", "1"), ("102", "2"))


def changes(rows: Rows) -> tuple[Change, ...]:
    """Rows of price and size, with a sequence of their own or without."""
    return tuple(Change(parse_number(price), parse_number(size), own[0] if own else None) for price, size, *own in rows)


def delta(start: int, end: int, bids: Rows = (), asks: Rows = ()) -> Delta:
    """As received."""
    return Delta("BTC-USDT", start, end, changes(bids), changes(asks), venue_ms=end)


def content(sequence: int, bids: Rows = BIDS, asks: Rows = ASKS, partial: Sequence[Side] = ()) -> BookContent:
    """A book; ``partial`` sides end at their worst price."""
    snapshot = Snapshot(sequence, changes(bids), changes(asks))
    return BookContent.from_snapshot(snapshot, {side: side in partial for side in Side})


def compared(snapshot: BookContent, *deltas: Delta, copy: BookContent | None = None) -> Comparison:
    """A copy at 10 and the deltas since, against a snapshot."""
    return compare(Audit(asked=True, copy=copy or content(10), deltas=list(deltas)), snapshot)


# -- to the sequence --


def test_the_copy_is_replayed_to_the_snapshots_sequence_and_no_further() -> None:
    """A delta that ends there counts, one that begins after it does not, not even as a doubt."""
    deltas = [delta(11, 11, [("99", "3")]), delta(12, 13, [("98", "4")]), delta(14, 14, [("100", "9")])]
    assert Comparison(4, ()) == compared(content(10), *deltas)
    assert Comparison(4, ()) == compared(content(11, [("100", "1"), ("99", "3")]), *deltas)
    at_13 = [("100", "1"), ("99", "3"), ("98", "4")]
    assert Comparison(5, ()) == compared(content(13, at_13), *deltas)
    assert Comparison(5, ()) == compared(content(14, [("100", "9"), *at_13[1:]]), *deltas)
    wrong = (LevelDifference(Side.BID, "98", "4", "0"),)
    assert Comparison(5, wrong) == compared(content(13, at_13[:2]), *deltas)


def test_of_a_straddling_delta_the_rows_up_to_the_snapshot_count() -> None:
    """Prices that it changed later are left out, whatever stands there; so are rows that do not say when."""
    straddling = delta(
        11,
        14,
        [("99", "3", 11), ("98", "4", 12), ("100", "9", 13), ("97", "7")],
        [("101", "5", 12), ("102", "6", 13), ("103", "7", 14), ("104", "8")],
    )
    bids, asks = [("100", "1"), ("99", "3"), ("98", "4")], [("101", "5"), ("102", "2")]
    assert Comparison(3, ()) == compared(content(12, bids, asks), straddling)
    other = [("100", "55"), *bids[1:], ("97", "66")], [asks[0], ("102", "77"), ("103", "88"), ("104", "99")]
    assert Comparison(3, ()) == compared(content(12, *other), straddling)
    # The same number on the other side is another level.
    crosswise = content(12, [*bids, ("96", "1")], [*asks, ("105", "1")])
    assert (Side.BID, Side.ASK) == tuple(wrong.side for wrong in compared(crosswise, straddling).differences)
    for wrong_price, expected in (("99", "3"), ("98", "4")):
        rows = [row for row in bids if row[0] != wrong_price]
        found = compared(content(12, rows, asks), straddling)
        assert (LevelDifference(Side.BID, wrong_price, expected, "0"),) == found.differences


def test_a_row_at_the_very_sequence_is_known_and_the_next_one_is_not() -> None:
    """On either side of a straddled snapshot."""
    straddling = delta(11, 13, [("99", "3", 12), ("100", "9", 13)])
    assert Comparison(3, ()) == compared(content(12, [("100", "5"), ("99", "3")]), straddling)
    assert [LevelDifference(Side.BID, "99", "3", "2")] == list(compared(content(12), straddling).differences)


def test_rows_without_their_own_sequence_count_with_their_delta() -> None:
    """Up to its end it is known; within it nothing of it is."""
    plain = delta(11, 12, [("99", "3")], [("102", "0")])
    assert Comparison(3, ()) == compared(content(12, [("100", "1"), ("99", "3")], ASKS[:1]), plain)
    assert Comparison(2, ()) == compared(content(11), plain)
    assert 1 == len(compared(content(12, [("100", "1"), ("99", "3")]), plain).differences)


def test_a_later_delta_that_repeats_earlier_rows_hides_nothing() -> None:
    """What begins beyond the snapshot ends the replay."""
    deltas = [delta(12, 12, [("99", "3")]), delta(10, 13, [("100", "9", 13)])]
    assert Comparison(4, ()) == compared(content(11), *deltas, copy=content(11))


# -- level by level --


def test_scales_are_made_equal_before_sizes_are_compared() -> None:
    """Whichever of the two is the finer one, in prices or in sizes."""
    fine: Rows = [("100.000", "1.0"), ("99", "2"), ("98.125", "0.5")]
    coarse: Rows = [("100", "1"), ("99", "2")]
    assert Comparison(5, ()) == compared(content(10, fine), copy=content(10, fine))
    for ours, theirs, wrong in (
        (fine, coarse, LevelDifference(Side.BID, "98.125", "0.5", "0")),
        (coarse, fine, LevelDifference(Side.BID, "98.125", "0", "0.5")),
    ):
        assert Comparison(5, (wrong,)) == compared(content(10, theirs), copy=content(10, ours))
    assert Comparison(5, ()) == compared(
        content(11, [*coarse, ("98", "1")]), delta(11, 11, [("98.0", "1.00")]), delta(12, 12, [("97.5", "1")])
    )


@pytest.mark.parametrize("side", list(Side))
def test_only_what_both_know_is_compared(side: Side) -> None:
    """A horizon is a price of which the size is known; past it a level is known only where a delta brought it."""
    far = [(str(100 + side.value * step), str(step)) for step in (1, 2, 3, 4)]
    sides = (far, ()) if side is Side.BID else ((), far)
    near = (far[:2], ()) if side is Side.BID else ((), far[:2])

    def both(rows: tuple[Rows, Rows], partial: Sequence[Side] = ()) -> BookContent:
        return content(10, *rows, partial=partial)

    assert Comparison(2, ()) == compared(both(near, [side]), copy=both(sides))
    assert Comparison(2, ()) == compared(both(sides), copy=both(near, [side]))
    assert 2 == len(compared(both(near), copy=both(sides)).differences)
    assert 2 == len(compared(both(sides), copy=both(near)).differences)
    # The level at the horizon itself is known: its absence is a difference.
    gone = [far[0]]
    assert 1 == len(compared(both(near, [side]), copy=both((gone, ()) if side is Side.BID else ((), gone))).differences)


# -- horizons --


def test_a_farther_horizon_is_taken_with_the_deltas_since() -> None:
    """Only those that end beyond the snapshot; the book's own scale and sequence stay at least as fine and as new."""
    book = content(10, BIDS, ASKS, partial=list(Side))
    deltas = [delta(11, 11, [("98", "1")]), delta(12, 12, [("97.5", "7")], [("103", "0.25")])]
    for one in deltas:
        book.apply(one.bids, one.asks, one.sequence_end, one.venue_ms)
    snapshot = content(11, [*BIDS, ("98", "1"), ("96", "4")], [*ASKS, ("104", "4")], partial=[Side.BID])
    merged = reseeded(book, Audit(asked=True, copy=content(10), deltas=deltas), snapshot)

    assert merged is not None
    assert merged is not book
    assert ["100", "99", "98", "97.5", "96"] == [merged.price_text(price) for price, _ in merged.bids]
    assert ["1", "2", "0.25", "4"] == [merged.size_text(size) for _, size in merged.asks]
    assert (12, "96", None) == (
        merged.sequence,
        merged.price_text(merged.horizon[Side.BID] or 0),
        merged.horizon[Side.ASK],
    )
    merged.verify()


def test_a_coarser_book_takes_the_scale_of_a_finer_snapshot() -> None:
    """And the other way round."""
    book = content(10, BIDS, ASKS, partial=list(Side))
    merged = reseeded(book, Audit(asked=True, copy=content(10)), content(10, [*BIDS, ("98.5", "0.5")]))
    assert merged is not None
    assert [("100", "1"), ("99", "2"), ("98.5", "0.5")] == [
        (merged.price_text(price), merged.size_text(size)) for price, size in merged.bids
    ]
    fine = content(10, [("100", "1.5"), ("99.5", "2")], ASKS, partial=list(Side))
    merged = reseeded(fine, Audit(asked=True, copy=fine), content(10, [("100", "1"), ("99", "2"), ("98", "3")]))
    assert merged is not None
    assert ["1.5", "2", "2", "3"] == [merged.size_text(size) for _, size in merged.bids]


@pytest.mark.parametrize("side", list(Side))
def test_only_a_farther_horizon_moves_a_side(side: Side) -> None:
    """Not the same one, not a nearer one, and a complete side stays complete."""
    far = [(str(100 + side.value * step), "1") for step in (1, 2, 3, 4)]

    def both(count: int, partial: Sequence[Side]) -> BookContent:
        rows = far[:count]
        return content(10, rows if side is Side.BID else (), rows if side is Side.ASK else (), partial=partial)

    def moved(mine: BookContent, theirs: BookContent) -> BookContent | None:
        return reseeded(mine, Audit(asked=True, copy=mine), theirs)

    assert moved(both(3, [side]), both(3, [side])) is None
    assert moved(both(3, [side]), both(2, [side])) is None
    assert moved(both(3, []), both(4, [side])) is None
    assert moved(both(3, []), both(4, [])) is None
    for partial in ([side], []):
        merged = moved(both(3, [side]), both(4, partial))
        assert merged is not None
        assert (4, bool(partial)) == (len(merged.ladder(side)), merged.horizon[side] is not None)
        assert merged.horizon[side.opposite] is None


# -- one audit at a time --


def test_a_copy_starts_anew_only_when_more_deltas_than_allowed_follow() -> None:
    """It stands where the book then is, and is still asked for."""
    auditor = Auditor(deltas_max=2, trusted_share=0.5)
    base = content(10)
    assert auditor.record(base, delta(11, 11))
    assert 10 == auditor.copied_at(10)
    assert not auditor.is_unanswered
    auditor.start(base, asked=True)
    for number in (11, 12):
        base.apply((), (), number)
        assert auditor.record(base, delta(number, number))
        assert 10 == auditor.copied_at(number)
    base.apply((), (), 13)
    assert not auditor.record(base, delta(13, 13))
    assert (13, True, True) == (auditor.copied_at(99), auditor.busy, auditor.is_unanswered)
    auditor.stop()
    assert (99, False, False) == (auditor.copied_at(99), auditor.busy, auditor.is_unanswered)


def test_a_snapshot_ahead_is_reached_at_its_own_sequence() -> None:
    """And not before; an answer that was not asked for needs no answer when it is dropped."""
    auditor = Auditor(deltas_max=2, trusted_share=0.5)
    assert auditor.reached(99) is None
    snapshot = content(12)
    auditor.wait_for(content(10), snapshot)
    assert (True, False) == (auditor.busy, auditor.is_unanswered)
    assert [None, None, snapshot, snapshot] == [auditor.reached(last) for last in (10, 11, 12, 13)]
    auditor.drop_snapshot()
    assert not auditor.busy
    auditor.start(content(10), asked=True)
    auditor.wait_for(content(11), snapshot)
    assert (10, False) == (auditor.copied_at(11), auditor.is_unanswered)
    auditor.drop_snapshot()
    assert (None, True, True) == (auditor.reached(12), auditor.busy, auditor.is_unanswered)


def test_an_audit_ends_with_its_comparison() -> None:
    """Without one, the book as it is is compared; a wrong book takes no horizon over."""
    auditor = Auditor(deltas_max=2, trusted_share=0.5)
    near = content(10, BIDS, ASKS, partial=list(Side))
    found, merged = auditor.finish(near, content(10, [*BIDS, ("98", "1")]))
    assert ((), True, False) == (found.differences, merged is not None, auditor.busy)
    auditor.start(near, asked=True)
    found, merged = auditor.finish(near, content(10, [("100", "7"), ("99", "2"), ("98", "1")]))
    assert (1, None, False) == (len(found.differences), merged, auditor.busy)


@pytest.mark.parametrize("side", list(Side))
def test_a_horizon_is_wanted_when_less_than_the_share_is_left_on_a_side(side: Side) -> None:
    """Exactly the share is enough; a complete side wants nothing."""
    auditor = Auditor(deltas_max=2, trusted_share=0.5)
    rows = [(str(100 + side.value * step), "1") for step in (1, 2, 3, 4)]
    sides = (rows, ()) if side is Side.BID else ((), rows)
    partial, whole = content(10, sides[0], sides[1], partial=[side]), content(10, sides[0], sides[1])
    for number, (price, _) in enumerate(rows[:3]):
        for book in (partial, whole):
            row = [(price, "0")]
            book.apply(changes(row if side is Side.BID else ()), changes(row if side is Side.ASK else ()), 11 + number)
        assert (number == 2) == auditor.wants_horizon(partial)
        assert not auditor.wants_horizon(whole)


@pytest.mark.parametrize(("share", "expected"), [(0.5, 2), (0.34, 2), (0.25, 1), (1.0, 3)])
def test_the_fewest_levels_are_those_with_which_no_horizon_is_wanted(share: float, expected: int) -> None:
    """Of each side by itself: what may be counted down to without asking again. A side that is whole needs none."""
    auditor = Auditor(8, share)
    three: Rows = (("100", "1"), ("99", "2"), ("98", "3"))
    above: Rows = (("101", "1"), ("102", "2"), ("103", "3"))
    for partial, fewest in (((), (0, 0)), ((Side.BID,), (expected, 0)), ((Side.ASK,), (0, expected))):
        assert fewest == auditor.fewest(content(10, three, above, partial))
    book = content(10, three, above, (Side.BID, Side.ASK))
    for number, price in enumerate(("100", "99", "98"), start=11):
        assert (expected, expected) == auditor.fewest(book)
        assert (book.trusted_count(Side.BID) < expected) == auditor.wants_horizon(book)
        book.apply(changes([(price, "0")]), (), number)
    assert auditor.wants_horizon(book)
