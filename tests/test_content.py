"""The inside of a book: frames apply whole or not at all, and scales grow exactly."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderbook.accelerator import ACCELERATOR
from orderbook.content import BookContent
from orderbook.errors import NumberError
from orderbook.fixedpoint import RAW_MAX, parse_number
from orderbook.types import Change, Side, Snapshot
from tests.strategies import number_texts

COMPLETE = {Side.BID: False, Side.ASK: False}
PARTIAL = {Side.BID: True, Side.ASK: True}


def rows(*texts: str) -> tuple[Change, ...]:
    """Changes from texts like ``"100.5 2"`` or, with a row sequence, ``"100.5 2 17"``."""
    changes = []
    for text in texts:
        price, size, *sequence = text.split()
        changes.append(Change(parse_number(price), parse_number(size), int(sequence[0]) if sequence else None))
    return tuple(changes)


def seeded(bids: Sequence[str] = (), asks: Sequence[str] = (), partial: dict[Side, bool] = COMPLETE) -> BookContent:
    """A content at sequence 10."""
    return BookContent.from_snapshot(Snapshot(10, rows(*bids), rows(*asks), venue_ms=5), partial)


def levels(content: BookContent, side: Side) -> list[tuple[str, str]]:
    """Levels as plain text, best first."""
    return [(content.price_text(price), content.size_text(size)) for price, size in content.ladder(side)]


def everything(content: BookContent) -> object:
    """All that a failed change must leave as it was."""
    return (
        list(content.bids),
        list(content.asks),
        (content.price_decimals, content.size_decimals),
        dict(content.horizon),
        (content.sequence, content.venue_ms, content.touch_count),
        (content.price_zero_count, content.remove_absent_count),
    )


def test_a_content_begins_with_nothing() -> None:
    """No level, no sequence, no horizon, and nothing counted."""
    content = BookContent()

    assert (0, 0, 0, 0, 0) == (
        len(content.bids),
        len(content.asks),
        content.price_decimals,
        content.size_decimals,
        content.sequence,
    )
    assert {Side.BID: None, Side.ASK: None} == content.horizon
    assert {Side.BID: 0, Side.ASK: 0} == content.seeded
    assert (None, 0, 0, 0) == (
        content.venue_ms,
        content.touch_count,
        content.price_zero_count,
        content.remove_absent_count,
    )


def test_a_snapshot_in_any_order_is_sorted() -> None:
    """Best first on both sides; the last of a repeated price counts; size 0 and price 0 are no levels."""
    content = seeded(["99 1", "100 2", "99 3", "98 0"], ["102.5 1", "101 4", "0 9"])

    assert [("100", "2"), ("99", "3")] == levels(content, Side.BID)
    assert [("101", "4"), ("102.5", "1")] == levels(content, Side.ASK)
    assert (10, 5) == (content.sequence, content.venue_ms)
    assert {Side.BID: 2, Side.ASK: 2} == content.seeded
    assert (0, 0, 0) == (content.touch_count, content.price_zero_count, content.remove_absent_count)
    content.verify()


def test_a_partial_side_ends_at_its_worst_price() -> None:
    """The horizon is per side; without levels there is no price to name."""
    content = seeded(["100 1", "99.5 1"], ["101 1", "102 1"], {Side.BID: True, Side.ASK: False})

    assert {Side.BID: 995, Side.ASK: None} == content.horizon
    assert {Side.BID: None, Side.ASK: None} == seeded(partial=PARTIAL).horizon


def test_trusted_levels_end_at_the_horizon() -> None:
    """Levels that deltas bring past the horizon are kept, but are not counted as known."""
    content = seeded(["100 1", "99 1"], ["101 1", "102 1"], PARTIAL)
    content.apply(rows("98 1", "99.5 1"), rows("103 1", "102 0"), 11)

    assert (3, 1) == (content.trusted_count(Side.BID), content.trusted_count(Side.ASK))
    assert (4, 2) == (len(content.bids), len(content.asks))
    assert 2 == seeded(["100 1", "99 1"]).trusted_count(Side.BID)


def test_a_frame_changes_both_sides_and_the_sequence() -> None:
    """Sizes are absolute; 0 removes; the venue's time moves only when it is told."""
    content = seeded(["100 1", "99 1"], ["101 1"])
    content.apply(rows("100 7", "99 0"), rows("101.5 2"), 12, venue_ms=6)
    content.apply((), (), 13)

    assert [("100", "7")] == levels(content, Side.BID)
    assert [("101", "1"), ("101.5", "2")] == levels(content, Side.ASK)
    assert (13, 6) == (content.sequence, content.venue_ms)


def test_zero_is_recognised_by_value() -> None:
    """``0.0000`` removes like ``0``, and a price of ``0.00`` touches no level."""
    content = seeded(["100 1"], ["101 1"])
    content.apply(rows("100 0.0000", "0.00 5", "0 0"), (), 11)

    assert [] == levels(content, Side.BID)
    assert 2 == content.price_zero_count
    assert 0 == content.remove_absent_count


@pytest.mark.parametrize(
    ("bids", "asks", "zeros"),
    [
        (("5 1",), ("6 1", "7 1"), 0),
        (("0 0",), ("6 1", "7 1"), 1),
        (("5 1",), ("0 0", "7 1"), 1),
        (("0 3", "0 0", "5 1"), ("0 0", "6 1", "7 1"), 3),
    ],
)
def test_rows_of_price_0_are_counted_on_both_sides(bids: tuple[str, ...], asks: tuple[str, ...], zeros: int) -> None:
    """Each once, whatever else stands beside it."""
    content = seeded(["4 1"], ["9 1", "8 1"])
    content.apply(rows(*bids), rows(*asks), 11)

    assert zeros == content.price_zero_count


def test_removing_an_absent_level_is_counted() -> None:
    """It changes nothing but a counter."""
    content = seeded(["100 1"], ["101 1"])
    content.apply(rows("99 0"), rows("102 0", "103 0"), 11)

    assert [("100", "1")] == levels(content, Side.BID)
    assert 3 == content.remove_absent_count
    assert 0 == content.touch_count


def test_equal_prices_are_one_level_however_written() -> None:
    """Deleting ``0.1`` removes ``0.10``, also after the scale grew."""
    content = seeded(["0.10 1", "0.2 1"])
    content.apply(rows("0.301 1"), (), 11)
    content.apply(rows("0.1 0", "2e-1 0", "0.3010 0"), (), 12)

    assert [] == levels(content, Side.BID)
    assert 0 == content.remove_absent_count


def test_the_touch_count_counts_frames_that_move_the_touch() -> None:
    """A change of best price or size counts once a frame; deeper changes and mere rescaling do not."""
    content = seeded(["100 1", "99 1"], ["101 1"])
    counts = []
    for sequence, (bids, asks) in enumerate(
        [
            (["99 5"], []),  # below the touch
            (["100 2"], ["101 3"]),  # both bests, one frame
            (["98.125 1"], []),  # deeper, but the scale grows
            (["100 0"], []),  # the best goes
            ([], ["101 3"]),  # nothing new
            ([], ["101 0"]),  # the side becomes empty
        ],
        start=11,
    ):
        content.apply(rows(*bids), rows(*asks), sequence)
        counts.append(content.touch_count)

    assert [0, 1, 1, 2, 2, 3] == counts


def test_a_straddling_frame_is_filtered_row_by_row() -> None:
    """Rows that the snapshot covers are left out, the others applied; rows without a sequence always are."""
    content = seeded(["100 1", "99 1"], ["101 1"])
    content.apply(rows("100 5 9", "99 6 10", "98 7 11", "97 8"), rows("101 0 10"), 12)

    assert [("100", "1"), ("99", "1"), ("98", "7"), ("97", "8")] == levels(content, Side.BID)
    assert [("101", "1")] == levels(content, Side.ASK)
    assert 12 == content.sequence


def test_the_latest_row_of_a_price_wins() -> None:
    """By row sequence whatever the order on the wire; in the order of the wire without row sequences."""
    content = seeded(["100 1"])
    content.apply(rows("100 3 13", "100 2 12", "99 0 13", "99 4 11"), (), 13)
    assert [("100", "3")] == levels(content, Side.BID)

    content.apply(rows("100 8", "100 9"), (), 14)
    assert [("100", "9")] == levels(content, Side.BID)


def test_scales_grow_exactly() -> None:
    """A finer value widens the scale of its kind; every level and the horizon keep their value."""
    content = seeded(["100.5 1", "99 2"], ["101 1.5"], {Side.BID: True, Side.ASK: False})
    content.apply(rows("99.125 0.0001"), (), 11)

    assert (3, 4) == (content.price_decimals, content.size_decimals)
    assert [("100.5", "1"), ("99.125", "0.0001"), ("99", "2")] == levels(content, Side.BID)
    assert [("101", "1.5")] == levels(content, Side.ASK)
    assert {Side.BID: 99_000, Side.ASK: None} == content.horizon
    content.verify()


def test_scales_grow_level_by_level() -> None:
    """A large book whose scale grows is not copied for that."""
    content = seeded([f"{price} 1" for price in range(20_000, 0, -1)], ["20001 1"])
    tracemalloc.start()
    content.widen(0, 3)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # The pure ladder makes its levels anew, and nothing else does.
    assert (50_000 if ACCELERATOR == "compiled" else 3_500_000) > most


def test_scales_never_shrink() -> None:
    """Asking for fewer decimals than there are changes nothing."""
    content = seeded(["100.5 1.25"])
    before = everything(content)

    content.widen(0, 0)
    content.widen(1, 2)
    assert before == everything(content)

    content.widen(0, 5)
    assert (1, 5) == (content.price_decimals, content.size_decimals)
    assert [("100.5", "1.25")] == levels(content, Side.BID)


LARGE = str(RAW_MAX)


@pytest.mark.parametrize(
    ("bids", "asks"),
    [
        (["5 1", f"{LARGE}0 1"], []),  # one row that does not fit
        (["5 1"], ["7 1", f"7 {LARGE}0"]),  # its size
        (["5.5 1"], []),  # widens, and a price already there does not fit any more
        (["5 1"], ["7 0.1"]),  # the same for a size
        (["5 1", f"0.1 {LARGE}", f"{LARGE} 1"], []),  # two rows that do not fit beside each other
        (["5 1e-30"], ["7 1"]),
        (["5 1", "1e30 1"], []),
    ],
)
def test_a_frame_that_cannot_be_held_changes_nothing(bids: list[str], asks: list[str]) -> None:
    """The error names the value, and every level, scale, counter and the sequence are as before."""
    content = seeded([f"{LARGE} 1", "4 1"], [f"6 {LARGE}"])
    before = everything(content)

    with pytest.raises(NumberError, match="does not fit 64 bits"):
        content.apply(rows(*bids), rows(*asks), 11)

    assert before == everything(content)
    content.verify()


def test_a_horizon_that_cannot_be_held_refuses_too() -> None:
    """A horizon outlives the level it came from, and is a price like any other."""
    content = seeded([], [f"{LARGE} 1", "5 1"], {Side.BID: False, Side.ASK: True})
    content.apply((), rows(f"{LARGE} 0"), 11)
    before = everything(content)

    with pytest.raises(NumberError, match=f"{LARGE}.*does not fit 64 bits"):
        content.apply((), rows("5.5 1"), 12)

    assert before == everything(content)


def test_a_snapshot_that_cannot_be_held_is_refused() -> None:
    """Values too far apart for one scale."""
    with pytest.raises(NumberError, match="does not fit 64 bits"):
        seeded([f"{LARGE} 1"], ["0.1 1"])


def test_a_copy_is_independent_and_complete() -> None:
    """A change to one is not seen in the other, and nothing is forgotten."""
    content = seeded(["100 1", "99 1"], ["101 1"], PARTIAL)
    content.apply(rows("0 1", "97 0", "100 2"), (), 11)
    before = everything(content)
    twin = content.copy()
    assert before == everything(twin)
    assert content.seeded == twin.seeded

    twin.apply(rows("100 0", "99.5 1"), rows("101 9"), 12, venue_ms=8)
    twin.horizon[Side.BID] = None
    twin.seeded[Side.BID] = 7
    assert before == everything(content)
    assert 2 == content.seeded[Side.BID]


def test_crossed_and_locked_are_told_apart() -> None:
    """Crossed is strictly above; locked is equal; an empty side is neither."""
    assert (False, False) == (seeded(["100 1"], ["101 1"]).is_crossed, seeded(["100 1"], ["101 1"]).is_locked)
    assert (False, True) == (seeded(["100 1"], ["100.0 1"]).is_crossed, seeded(["100 1"], ["100 1"]).is_locked)
    assert (True, False) == (seeded(["101 1"], ["100 1"]).is_crossed, seeded(["101 1"], ["100 1"]).is_locked)
    assert (False, False) == (seeded(["101 1"]).is_crossed, seeded([], ["101 1"]).is_locked)


def test_a_farther_book_extends_what_is_known() -> None:
    """Between the two horizons the farther book is right; before and beyond them nothing changes."""
    content = seeded(["100 1", "99 1"], ["101 1", "102 1"], PARTIAL)
    content.apply(rows("98 7", "96 2"), rows("103 9", "105 9"), 11)
    farther = seeded(["100 8", "98 4", "97 5"], ["101 8", "104 6"], {Side.BID: True, Side.ASK: False})

    content.extend(Side.BID, farther)
    content.extend(Side.ASK, farther)

    assert [("100", "1"), ("99", "1"), ("98", "4"), ("97", "5"), ("96", "2")] == levels(content, Side.BID)
    assert [("101", "1"), ("102", "1"), ("104", "6")] == levels(content, Side.ASK)
    assert {Side.BID: 97, Side.ASK: None} == content.horizon
    assert {Side.BID: 3, Side.ASK: 2} == content.seeded


def test_verify_notices_a_broken_content() -> None:
    """A negative sequence; a broken ladder."""
    content = seeded(["100 1"])
    content.sequence = -1
    with pytest.raises(AssertionError):
        content.verify()

    for broken in (seeded(["100 1"]), seeded([], ["100 1"])):
        (broken.bids or broken.asks).set(5, -1)
        with pytest.raises(AssertionError):
            broken.verify()


frames = st.lists(st.lists(st.tuples(st.sampled_from(Side), number_texts, number_texts), max_size=4), max_size=6)


@given(frames=frames)
def test_any_frames_leave_exact_values_or_the_old_book(frames: list[list[tuple[Side, str, str]]]) -> None:
    """Against dictionaries of fractions: an accepted frame is applied exactly, a refused one not at all."""
    content = BookContent()
    model: dict[Side, dict[Fraction, Fraction]] = {Side.BID: {}, Side.ASK: {}}
    for sequence, frame in enumerate(frames, start=1):
        changes = {side: rows(*(f"{p} {s}" for s_, p, s in frame if s_ is side)) for side in Side}
        before = everything(content)
        try:
            content.apply(changes[Side.BID], changes[Side.ASK], sequence)
        except NumberError:
            assert before == everything(content)
            continue
        for side, price, size in frame:
            model[side].pop(Fraction(price), None)
            if Fraction(price) and Fraction(size):
                model[side][Fraction(price)] = Fraction(size)
    content.verify()
    for side in Side:
        found = {Fraction(price): Fraction(size) for price, size in levels(content, side)}
        assert model[side] == found


@pytest.mark.parametrize("side", Side)
def test_what_lies_between_two_horizons_is_the_farther_books(side: Side) -> None:
    """A level that it does not have is gone, at its very edge too; one past both horizons stays."""
    near, far = BookContent(), BookContent()
    for distance in (0, 1, 3, 6, 10):
        near.ladder(side).set(1_000 + side.value * distance, 1)
    for distance in (0, 1, 4):
        far.ladder(side).set(1_000 + side.value * distance, 2)
    near.horizon[side], far.horizon[side] = 1_000 + side.value, 1_000 + side.value * 6
    near.extend(side, far)
    assert [(0, 1), (1, 1), (4, 2), (10, 1)] == [(abs(price - 1_000), size) for price, size in near.ladder(side)]
    assert far.horizon == near.horizon


def test_one_side_alone_is_never_crossed() -> None:
    """Nor is an empty book."""
    for side in Side:
        content = BookContent()
        assert not content.is_crossed
        content.ladder(side).set(5, 1)
        assert not content.is_crossed


@pytest.mark.parametrize("side", Side)
def test_a_horizon_is_a_price(side: Side) -> None:
    """From 1 up to the largest that there is, or none; another one is not taken."""
    horizon = BookContent().horizon
    for price in (1, None, RAW_MAX):
        horizon[side] = price
        assert horizon[side] == price
    for price in (-1, 0, RAW_MAX + 1):
        with pytest.raises(AssertionError, match="no price"):
            horizon[side] = price
    assert {side: RAW_MAX, side.opposite: None} == horizon
