"""The synchroniser's parts by themselves: the buffer, what is remembered, waits."""

from __future__ import annotations

import pytest

from orderbook.fixedpoint import parse_number
from orderbook.sync.buffer import DeltaBuffer, RecentDeltas
from orderbook.sync.facts import NEVER, TimerFacts
from orderbook.sync.provenance import Provenance
from orderbook.sync.waits import Name, Wait, Waits
from orderbook.types import Change, Delta

MS = 1_000_000


def row(price: str, sequence: int | None = None, size: str = "1") -> Change:
    """One row."""
    return Change(parse_number(price), parse_number(size), sequence)


def delta(start: int, end: int | None = None, bids: tuple[Change, ...] = (), asks: tuple[Change, ...] = ()) -> Delta:
    """As received."""
    return Delta("BTC-USDT", start, start if end is None else end, bids, asks, venue_ms=1)


def ranges(buffer: DeltaBuffer, last: int) -> tuple[list[int], int | None]:
    """The ends of what is taken for a book at ``last``."""
    covered, following, _ = buffer.take(last)
    return [one.sequence_end for one in covered], following and following.sequence_end


# -- the buffer --


def test_a_buffer_sorts_by_start_and_end_and_holds_no_range_twice() -> None:
    """Whatever the order of arrival."""
    buffer = DeltaBuffer(frames_max=10, rows_max=10)
    assert (0, NEVER) == (len(buffer), buffer.first)
    for start, end in ((14, 14), (12, 13), (12, 12), (15, 15)):
        assert buffer.add(delta(start, end))
    for start, end in ((12, 13), (14, 14), (15, 15)):
        assert not buffer.add(delta(start, end, bids=(row("1"),)))
    assert (4, 12) == (len(buffer), buffer.first)
    assert ([], 12) == ranges(buffer, 11)
    assert ([], 13) == ranges(buffer, 12)
    assert ([], 14) == ranges(buffer, 13)
    assert ([], 15) == ranges(buffer, 14)
    assert ([], None) == ranges(buffer, 15)


def test_a_buffer_gives_what_is_covered_and_what_continues() -> None:
    """Up to ``last`` it is covered; from ``last + 1`` it continues; beyond, it stays."""
    buffer = DeltaBuffer(frames_max=10, rows_max=10)
    for start, end in ((10, 10), (11, 12), (13, 13), (16, 16)):
        buffer.add(delta(start, end))
    assert ([], None) == ranges(buffer, 8)
    assert ([10, 12], 13) == ranges(buffer, 12)
    assert ([], None) == ranges(buffer, 14)
    assert 1 == len(buffer)
    assert ([], 16) == ranges(buffer, 15)
    assert 0 == len(buffer)


def test_a_buffer_is_full_at_its_bounds_and_not_before() -> None:
    """Rows of both sides count, and count no more once they are taken or given up."""
    two = delta(1, bids=(row("1"),), asks=(row("2"),))
    buffer = DeltaBuffer(frames_max=3, rows_max=4)
    assert buffer.full_with(two) is None
    buffer.add(two)
    assert buffer.full_with(delta(2, bids=(row("1"),), asks=(row("2"),))) is None
    assert "buffer_rows_max" == buffer.full_with(delta(2, bids=(row("1"), row("3")), asks=(row("2"),)))
    buffer.add(delta(2, bids=(row("1"), row("2"))))
    assert "buffer_rows_max" == buffer.full_with(delta(3, asks=(row("2"),)))
    assert buffer.full_with(delta(3)) is None
    buffer.add(delta(3))
    assert "buffer_frames_max" == buffer.full_with(delta(4))
    buffer.take(0)
    assert buffer.full_with(two) is None
    assert "buffer_rows_max" == buffer.full_with(delta(4, bids=(row("1"), row("3"), row("4"))))
    assert 2 == buffer.clear()
    assert 0 == buffer.clear()
    assert buffer.full_with(delta(4, bids=(row("1"), row("3")), asks=(row("1"), row("2")))) is None
    assert "buffer_rows_max" == buffer.full_with(
        delta(4, bids=(row("1"), row("3"), row("5")), asks=(row("1"), row("2")))
    )


def test_a_delta_that_repeats_adds_no_rows() -> None:
    """It was not kept."""
    buffer = DeltaBuffer(frames_max=3, rows_max=2)
    buffer.add(delta(1, bids=(row("1"),)))
    buffer.add(delta(1, bids=(row("1"),)))
    assert buffer.full_with(delta(2, bids=(row("1"),))) is None


# -- what was received lately --


def test_the_last_deltas_are_remembered_and_no_more() -> None:
    """At least one, however small the window; a time stamp makes no difference."""
    recent = RecentDeltas(2)
    for number in (1, 2, 3):
        recent.add(delta(number))
    assert [2, 3] == [one.sequence_start for one in recent]
    assert [False, True, True] == [recent.holds(delta(number)._replace(venue_ms=9)) for number in (1, 2, 3)]
    assert not recent.holds(delta(3, bids=(row("1"),)))
    assert not recent.holds(delta(3, asks=(row("1"),)))
    recent.clear()
    assert [] == list(recent)
    for count, kept in ((0, 1), (1, 1), (3, 3)):
        small = RecentDeltas(count)
        for number in range(5):
            small.add(delta(number))
        assert kept == len(list(small))


def test_frames_are_decoded_when_they_are_looked_at_and_only_once() -> None:
    """They stand behind what came before them, in their order, and push out the oldest as deltas do."""
    decoded = []

    def decode(frame: bytes | str) -> Delta:
        decoded.append(frame)
        return delta(int(frame))

    recent = RecentDeltas(3)
    recent.add(delta(1))
    recent.add_frames([b"2", "3"], decode)
    assert [] == decoded
    for _ in range(2):
        assert [delta(1), delta(2), delta(3)] == list(recent)
    assert [b"2", "3"] == decoded
    recent.add_frames([b"4"], decode)
    recent.add(delta(5))
    assert [delta(3), delta(4), delta(5)] == list(recent)
    assert [b"2", "3", b"4"] == decoded
    assert [False, True] == [recent.holds(delta(number)) for number in (2, 4)]


def test_a_number_given_to_another_row_contradicts() -> None:
    """Another price, size or side; however the rows are cut. A row without a number says nothing."""
    recent = RecentDeltas(4)
    recent.add(delta(1, 2, bids=(row("100", 1), row("99", 2)), asks=(row("105"),)))
    assert not recent.contradicts(delta(2, bids=(row("99", 2),)))
    assert not recent.contradicts(delta(2, 3, bids=(row("99", 2), row("98", 3))))
    assert not recent.contradicts(delta(2, 3, bids=(row("98", 3), row("97"))))
    assert recent.contradicts(delta(2, bids=(row("98", 2),)))
    assert recent.contradicts(delta(2, bids=(row("99", 2, size="3"),)))
    assert recent.contradicts(delta(2, asks=(row("99", 2),)))
    assert recent.contradicts(delta(2, 3, bids=(row("98", 3), row("98", 2))))
    recent.add(delta(5, 6, bids=(row("97", 5),)))
    assert not recent.contradicts(delta(4, 5, bids=(row("97", 5),)))
    assert recent.contradicts(delta(4, 5, bids=(row("96", 5),)))


# -- where a book came from --


def test_a_snapshot_that_the_stream_has_not_reached_is_doubtful_once_frames_came() -> None:
    """With no frame since, it is as good as any; at its sequence the stream confirms it."""
    origin = Provenance()
    assert not origin.is_doubtful(NEVER, 5)
    origin.take(20, 5)
    assert not origin.is_doubtful(19, 5)
    assert origin.is_doubtful(19, 6)
    assert origin.is_doubtful(NEVER, 6)
    assert not origin.is_doubtful(20, 6)
    assert not origin.is_doubtful(21, 6)
    assert origin.is_doubtful(19, 6) is True


def test_a_snapshot_dropped_and_repeated_with_nothing_in_between_stands() -> None:
    """One frame more, or another sequence, and it is another story."""
    origin = Provenance()
    origin.take(20, 5)
    origin.drop(6)
    assert (True, False) == (origin.is_quiet(6), origin.is_quiet(7))
    assert (True, False, False) == (
        origin.is_repeated(20, 6),
        origin.is_repeated(20, 7),
        origin.is_repeated(21, 6),
    )
    origin.forget()
    assert not origin.is_quiet(6)
    assert not origin.is_repeated(20, 6)


def test_an_answer_is_repeated_only_by_the_next_one() -> None:
    """At the same sequence, with no frame in between."""
    origin = Provenance()
    answers = [(20, 5), (20, 5), (20, 6), (21, 6), (21, 6), (20, 6), (21, 6)]
    assert [False, True, False, False, True, False, False] == [origin.answered(*answer) for answer in answers]
    origin.forget()
    assert not origin.answered(21, 6)


def test_a_snapshot_makes_up_for_a_loss_from_the_lost_sequence_on() -> None:
    """An older one does not."""
    origin = Provenance()
    for sequence, left in ((19, 20), (20, NEVER), (21, NEVER)):
        origin.lost = 20
        origin.take(sequence, 1)
        assert left == origin.lost
    origin.lost = 20
    origin.forget()
    assert NEVER == origin.lost


def test_a_stream_is_mute_that_was_found_behind_twice_in_one_silence() -> None:
    """Until something comes, or it is subscribed anew: then once is enough."""
    origin = Provenance()
    assert not origin.is_mute(NEVER)
    for frames, expected in ((5, False), (5, True), (5, True), (6, False), (6, True)):
        origin.fell_behind(frames)
        assert expected == origin.is_mute(frames)
    assert not origin.is_mute(7)
    origin.subscribed()
    assert not origin.is_mute(6)
    origin.fell_behind(6)
    assert origin.is_mute(6)
    for _ in range(3):
        origin.fell_behind(6)
        origin.subscribed()
        assert not origin.is_mute(6), "however often before"
    origin.forget()
    origin.fell_behind(NEVER)
    assert not origin.is_mute(NEVER)
    origin.fell_behind(NEVER)
    assert origin.is_mute(NEVER)
    origin.subscribed()
    origin.fell_behind(NEVER)
    assert origin.is_mute(NEVER)


# -- waits --


def test_a_wait_is_over_at_its_bound() -> None:
    """In time, which needs a clock at both ends, or in deltas."""
    timed = Wait(since_ns=1, limit_ns=10, deltas_max=None)
    assert [False, False, True, True] == [timed.over(now_ns) for now_ns in (0, 10, 11, 12)]
    assert 11 == timed.deadline_ns
    assert Wait(since_ns=0, limit_ns=10, deltas_max=None).deadline_ns is None
    assert not Wait(since_ns=0, limit_ns=10, deltas_max=None).over(99)
    assert not Wait(since_ns=1, limit_ns=None, deltas_max=None).over(99)
    counted = Wait(since_ns=0, limit_ns=10, deltas_max=2)
    assert 0 == counted.deltas
    for deltas, over in ((1, False), (2, True), (3, True)):
        counted.deltas = deltas
        assert over == counted.over(0)


def told(waits: Waits) -> tuple[int | None, bool]:
    """What a driver is told of them."""
    return waits.next_ns, waits.urgent


def test_each_wait_starts_renews_and_stops_alone() -> None:
    """Milliseconds become nanoseconds; a renewed wait has its whole time again."""
    waits = Waits()
    assert (None, False) == told(waits)
    waits.start("link", 5, 1)
    assert (5 + MS, False) == told(waits)
    assert waits.running("link")
    waits.start("hold", 5, 2, 3)
    assert (5 + MS, True) == told(waits)
    waits.renew("link", 5 + 2 * MS)
    assert 5 + 2 * MS == waits.next_ns
    waits.renew("audit", 5)
    assert not waits.running("audit")
    assert (False, True) == (waits.is_over("hold", 4 + 2 * MS), waits.is_over("hold", 5 + 2 * MS))
    assert not waits.is_over("audit", 5 + 2 * MS)
    waits.stop("hold", "audit")
    assert (5 + 3 * MS, False) == told(waits)
    waits.start("behind", 5, None)
    assert (5 + 3 * MS, True) == told(waits)
    waits.start("symbol", 5, 1)
    assert (5 + MS, True) == told(waits)
    waits.clear()
    assert (None, False) == told(waits)
    assert not waits.running("symbol")


def test_a_wait_is_renewed_from_elsewhere_only_by_something_later() -> None:
    """And only if it runs."""
    waits = Waits()
    assert not waits.renew_later("link", 7)
    waits.start("link", 5, 1)
    assert [False, False, True, False] == [waits.renew_later("link", now_ns) for now_ns in (4, 5, 6, 6)]
    assert 6 + MS == waits.next_ns


def test_a_delta_counts_for_every_wait() -> None:
    """It is the stream that they wait for."""
    waits = Waits()
    waits.start("hold", 0, None, 2)
    waits.start("ahead", 0, None, 3)
    over = []
    for _ in range(3):
        waits.take_delta(0)
        over.append((waits.is_over("hold", 0), waits.is_over("ahead", 0)))
    assert [(False, False), (True, False), (True, True)] == over


def test_a_clock_that_comes_late_dates_waits_that_no_frame_will() -> None:
    """Those that have a beginning keep it; a deadline that was judged is not named again."""
    waits = Waits()
    waits.start("hold", 0, 1)
    waits.start("unanswered", 3, 1)
    waits.start("link", 0, 1)
    waits.set_clock(7)
    assert 3 + MS == waits.next_ns
    waits.set_clock(3 + MS)
    assert 7 + MS == waits.next_ns
    waits.set_clock(6 + MS)
    assert 7 + MS == waits.next_ns
    waits.set_clock(7 + MS)
    assert waits.next_ns is None


@pytest.mark.parametrize("name", TimerFacts._fields)
def test_what_is_over_is_said_by_name(name: Name) -> None:
    """Each fact of the table is one wait."""
    waits = Waits()
    waits.start(name, 1, 1)
    assert not any(waits.facts(MS))
    assert {name} == {field for field, over in waits.facts(1 + MS)._asdict().items() if over}
