"""One stream of two connections: nothing twice, nothing missing that one of them brought, nothing held for long."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderbook.feed import merger
from orderbook.feed.merger import LANES, TURNS_MAX, Merger
from orderbook.fixedpoint import Number
from orderbook.types import Change, Delta

GRACE = 50
WINDOW = 64
CATCH_UP = 1_000_000_000


def delta(start: int, end: int | None = None, size: int = 1) -> Delta:
    """A delta of some sequences; its size tells it from others of the same."""
    return Delta("A-B", start, start if end is None else end, (Change(Number(1, 2), Number(size, 0)),), ())


def both() -> Merger:
    """Two connections that carry the symbol."""
    made = Merger(GRACE, WINDOW, CATCH_UP)
    for lane in range(LANES):
        made.begin(lane)
        made.carry(lane)
    return made


# -- laws --


@dataclass
class Course:
    """What two connections bring, and what comes of it.

    Attributes:
        brought: Time (ns), lane and delta, in the order of the times.
        out: Time and delta, as they came out.
    """

    brought: list[tuple[int, int, Delta]]
    out: list[tuple[int, Delta]] = field(default_factory=list)

    def play(self, made: Merger) -> None:
        """Bring it all, with every timer at its time, and wait for the end."""
        for now_ns, lane, one in self.brought:
            self._ring(made, now_ns)
            self._put(made.take(lane, one, now_ns), now_ns)
        self._ring(made, None)

    def _ring(self, made: Merger, until_ns: int | None) -> None:
        while (due_ns := made.due_ns) is not None and (until_ns is None or due_ns < until_ns):
            self._put(made.check(due_ns), due_ns)

    def _put(self, found: list[Delta], now_ns: int) -> None:
        self.out += [(now_ns, one) for one in found]

    @property
    def first_ns(self) -> dict[Delta, int]:
        """When each came first."""
        return {one: now_ns for now_ns, _, one in reversed(self.brought)}


@st.composite
def courses(draw: st.DrawFn, lag_max: int) -> Course:
    """A stream of which each connection loses some, and brings the rest in its order, later by up to ``lag_max``.

    Both bring the first at once: what came before the first that came is of no use to anybody.
    """
    spans = draw(st.lists(st.integers(1, 3), min_size=1, max_size=40))
    stream = [delta(start + 1, end) for start, end in pairwise(accumulate(spans, initial=100))]
    sent_ns = list(accumulate(draw(st.lists(st.integers(0, 40), min_size=len(stream), max_size=len(stream)))))
    brought = [(0, lane, delta(100)) for lane in range(LANES)]
    for lane in range(LANES):
        came_ns = 0
        for one, at_ns in zip(stream, sent_ns, strict=True):
            came_ns = max(came_ns, at_ns + draw(st.integers(0, lag_max)))
            if draw(st.integers(0, 4)):
                brought.append((came_ns, lane, one))
    # A connection keeps its order; which of two comes first at one moment is anybody's guess.
    coin = draw(st.integers(0, 1))
    return Course(sorted(brought, key=lambda one: (one[0], one[1] ^ coin)))


@given(st.sampled_from([GRACE // 2, 4 * GRACE]).flatmap(courses))
def test_everything_that_one_of_them_brought_comes_out_once_and_in_time(course: Course) -> None:
    """Whatever each loses and however late it is: no copy, nothing missing, nothing held beyond the grace."""
    course.play(both())

    assert Counter(dict.fromkeys(course.first_ns, 1)) == Counter(one for _, one in course.out)
    assert all(0 <= now_ns - course.first_ns[one] <= GRACE for now_ns, one in course.out)


@given(courses(GRACE - 1))
def test_what_comes_within_the_grace_comes_out_in_order(course: Course) -> None:
    """The book sees a hole only where both lost something."""
    course.play(both())

    starts = [one.sequence_start for _, one in course.out]
    assert sorted(starts) == starts


@given(courses(4 * GRACE))
def test_what_comes_out_of_turn_came_later_than_the_grace(course: Course) -> None:
    """A delta is overtaken only by one that waited for it."""
    course.play(both())

    for place, (_, one) in enumerate(course.out):
        overtook = [other for _, other in course.out[:place] if other.sequence_start > one.sequence_start]
        for other in overtook[:1]:
            assert course.first_ns[one] - course.first_ns[other] >= GRACE


@given(courses(4 * GRACE))
def test_the_tallies_add_up(course: Course) -> None:
    """Each delta of a lane was first, or a copy; of what it lost, no more is told than it lost."""
    made = both()
    course.play(made)

    for lane, tally in enumerate(made.tallies):
        brought = [one for _, other, one in course.brought if other == lane]
        assert (len(brought), 0) == (tally.first + tally.copies, tally.late)
        assert tally.copies == tally.behind_ns.count
        assert tally.missed <= len(course.first_ns) - len(brought)
    assert len(course.first_ns) == sum(tally.first for tally in made.tallies)


@given(st.lists(st.tuples(st.integers(1, 300), st.integers(0, 5), st.integers(0, 1)), max_size=60), st.integers(0, 1))
def test_one_connection_alone_is_as_if_this_were_not_there(rows: list[tuple[int, int, int]], lane: int) -> None:
    """Whatever it brings goes on at once, holes, repeats and new counts included: the book judges them."""
    made = Merger(GRACE, WINDOW, CATCH_UP)
    made.begin(lane)
    made.carry(lane)

    for now_ns, (start, span, size) in enumerate(rows):
        one = delta(start, start + span, size)
        assert [one] == made.take(lane, one, now_ns)
        assert made.due_ns is None


# -- rules, one by one --


def test_the_first_copy_goes_on_and_the_other_one_is_counted() -> None:
    """With by how much it came later."""
    made = both()

    assert [delta(1)] == made.take(0, delta(1), 0)
    assert [] == made.take(1, delta(1), 7)
    assert [delta(2)] == made.take(1, delta(2), 8)
    first, second = made.tallies
    assert (1, 0) == (first.first, first.copies)
    assert (1, 1, 7) == (second.first, second.copies, second.behind_ns.max_ns)


def test_a_hole_that_the_other_one_fills_is_none() -> None:
    """What stands behind it waits until then."""
    made = both()
    made.take(0, delta(1), 0)
    made.take(1, delta(1), 0)

    assert [] == made.take(0, delta(3), 10)
    assert 10 + GRACE == made.due_ns
    assert [] == made.check(10 + GRACE - 1)
    assert [delta(2), delta(3)] == made.take(1, delta(2), 12)
    assert made.due_ns is None


def test_a_hole_is_told_when_both_have_passed_it() -> None:
    """A connection keeps its order, so nothing can come any more: no need to wait."""
    made = both()
    made.take(0, delta(1), 0)
    made.take(1, delta(1), 0)

    assert [] == made.take(0, delta(3), 10)
    assert [delta(3)] == made.take(1, delta(3), 12)


def test_a_hole_is_told_after_the_grace() -> None:
    """And what fills it later goes on all the same: that is for the book to judge."""
    made = both()
    made.take(0, delta(1), 0)
    made.take(0, delta(3), 10)
    made.take(0, delta(5), 20)

    assert [delta(3)] == made.check(10 + GRACE)
    assert 20 + GRACE == made.due_ns
    assert [delta(5)] == made.check(20 + GRACE)
    assert [delta(2)] == made.take(1, delta(2), 100)


@pytest.mark.parametrize("what", ["ends", "is not subscribed"])
def test_nobody_waits_for_a_connection_that_brings_nothing(what: str) -> None:
    """What was held for it goes on when it ends."""
    made = both()
    made.take(0, delta(1), 0)
    if what == "ends":
        assert [] == made.take(0, delta(3), 10)
        assert [delta(3)] == made.end(1, 11)
    else:
        made.end(1, 5)
        made.begin(1)
        assert [delta(3)] == made.take(0, delta(3), 10)
    assert (True, False) == (made.is_abreast(0, 0), made.is_abreast(1, 0))


def test_no_more_wait_than_have_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond that the hole is told early."""
    monkeypatch.setattr(merger, "HELD_MAX", 2)
    made = both()
    made.take(0, delta(1), 0)

    assert [[], [], [delta(3), delta(4), delta(5)]] == [made.take(0, delta(number), number) for number in (3, 4, 5)]


def test_a_new_count_goes_on_at_once_and_nothing_of_the_old_one_waits() -> None:
    """Holes of the new count are held as ever."""
    made = both()
    for lane in range(LANES):
        made.take(lane, delta(1_000), 0)
    assert [] == made.take(0, delta(1_002), 1)

    assert [delta(1_002), delta(5)] == made.take(0, delta(5), 2)
    assert made.due_ns is None
    assert [] == made.take(1, delta(1_002), 3)
    assert [] == made.take(1, delta(5), 3)
    assert [] == made.take(0, delta(7), 4)
    assert [delta(6), delta(7)] == made.take(1, delta(6), 5)


def test_the_same_numbers_with_other_contents_are_no_copy() -> None:
    """They may be of a new count, and the book is to see them."""
    made = both()
    made.take(0, delta(1), 0)

    assert [delta(1, size=2)] == made.take(1, delta(1, size=2), 1)


def test_what_one_of_them_never_brings_is_told_when_it_is_far_beyond_it() -> None:
    """Not before, so that what comes out of its order is still known as a copy."""
    made = both()
    for number in range(-1, TURNS_MAX + 3):
        made.take(0, delta(number), 0)
    assert [] == made.take(1, delta(0), 1), "what was before it is no loss"
    assert [] == made.take(1, delta(TURNS_MAX), 1)
    assert [] == made.take(1, delta(3), 1)
    assert 0 == made.tallies[1].missed

    assert [] == made.take(1, delta(TURNS_MAX + 2), 2)
    assert 2 == made.tallies[1].missed
    for number in (*range(4, TURNS_MAX), TURNS_MAX + 1):
        assert [] == made.take(1, delta(number), 3)
    assert (0, 2) == (made.tallies[1].first, made.tallies[1].missed)


def test_a_connection_that_is_far_behind_is_not_used_until_it_has_caught_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of its deltas nobody knows any more whether they are copies; the book would take old ones for a new count."""
    monkeypatch.setattr(merger, "KEPT_MAX", 3)
    made = both()
    for number in range(1, 6):
        made.take(0, delta(number), 0)
    assert (True, False) == (made.is_abreast(0, 0), made.is_abreast(1, 0))
    assert [[], []] == [made.take(1, delta(number), 1) for number in (1, 2)]
    assert 2 == made.tallies[1].late
    assert [delta(7)] == made.take(0, delta(7), 2), "nobody waits for it"

    assert [] == made.take(1, delta(4), 3) == made.take(1, delta(5), 3)
    assert made.is_abreast(1, 0)
    assert [delta(6)] == made.take(1, delta(6), 4)


def test_a_connection_that_overtakes_is_of_use_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """It brings what the other one has not yet."""
    monkeypatch.setattr(merger, "KEPT_MAX", 3)
    made = both()
    for number in range(1, 6):
        made.take(0, delta(number), 0)

    assert [delta(6)] == made.take(1, delta(6), 1)
    assert made.is_abreast(1, 0)
    assert [] == made.take(0, delta(6), 2)


def test_a_new_stream_is_judged_without_the_old_one() -> None:
    """What waited is gone, and so is what was known of copies."""
    made = both()
    made.take(0, delta(100), 0)
    made.take(0, delta(102), 1)
    made.restart()

    assert made.due_ns is None
    assert made.carries(0)
    assert [delta(3)] == made.take(1, delta(3), 2)
    assert [delta(102)] == made.take(1, delta(102), 2 + GRACE) + made.check(2 + 2 * GRACE)


def test_who_has_not_brought_what_another_one_has_is_behind_after_a_while() -> None:
    """It may be dead. Any delta of its own shows that it is not; but what it brings late, it brings late."""
    made = both()
    made.take(0, delta(1), 0)
    made.take(0, delta(2), 10)
    assert (None, CATCH_UP) == (made.catches_up_by_ns(0), made.catches_up_by_ns(1))
    assert (True, False) == tuple(made.is_abreast(1, now_ns) for now_ns in (CATCH_UP - 1, CATCH_UP))
    made.take(1, delta(1), CATCH_UP)
    assert not made.is_abreast(1, CATCH_UP), "the other one is as late"
    made.take(1, delta(2), CATCH_UP + 1)
    assert made.catches_up_by_ns(1) is None

    made.take(0, delta(3), CATCH_UP + 2)
    made.take(1, delta(4), CATCH_UP + 3)
    assert made.catches_up_by_ns(1) is None, "what it lost it need not bring"
    assert 2 * CATCH_UP + 3 == made.catches_up_by_ns(0)
    made.restart()
    assert made.catches_up_by_ns(0) is None


def test_who_begins_owes_nothing() -> None:
    """What came before it carried the symbol will not come from it."""
    made = both()
    made.end(1, 0)
    made.begin(1)
    made.take(0, delta(1), 0)
    made.carry(1)
    assert made.is_abreast(1, 10 * CATCH_UP)
