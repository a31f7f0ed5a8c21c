"""When a delta that does not fit the book is reason to compare it, and until when."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count

from orderbook.events import AuditPassed, SequenceReset, StateChanged
from orderbook.feed.suspicion import Suspicions
from orderbook.sync import BookSync
from tests.kucoin_frames import delta, kinds, live, snapshot
from tests.two_counts import ASKS, LIVE, OLD, begin_anew, counted

S = 10**9
START = 10**12
MINUTES = 1_000


def suspicions() -> Suspicions:
    """Of a book that was asked for as a whole, and has been looked at before anything happened."""
    made = Suspicions(is_whole=True)
    assert not made.are_due(live(), START)
    return made


def removal(sync: BookSync, price: str = "50") -> None:
    """A level that the book does not have is removed."""
    sync.receive(delta(sync.book.sequence + 1, bids=[(price, "0")]))


def seconds(due: Callable[[int], bool], upto: int, since: int = 0) -> list[int]:
    """At which whole seconds it is."""
    return [second for second in range(since, since + upto) if due(START + second * S)]


def test_a_delta_that_does_not_fit_is_reason_to_compare_but_not_each() -> None:
    """One kind is asked about ever more rarely, the other every other second; calm, or being right, ends that."""
    some, others, numbers = live(), counted(1_003), count(940)
    absent, overdue = suspicions(), suspicions()

    def removed(now_ns: int) -> bool:
        removal(some)
        return absent.are_due(some, now_ns)

    def late(now_ns: int) -> bool:
        begin_anew(others, next(numbers))
        return overdue.are_due(others, now_ns)

    assert [0, 1, 3, 7, 15, 31, 63, 123, 183] == seconds(removed, 200)
    assert [0, 1, 3, 5, 7] == seconds(late, 8)
    absent.hear(SequenceReset(1, 2))
    assert [243, 244, 246] == seconds(removed, 48, since=200)


def test_calm_ends_the_long_waits() -> None:
    """Nothing was suspicious for a minute after the last comparison."""
    sync, held = live(), suspicions()
    for second in (0, 1, 3):
        removal(sync)
        assert held.are_due(sync, START + second * S)
    held.hear(AuditPassed(sync.book.sequence, 4))
    removal(sync)
    assert held.are_due(sync, START + 100 * S)
    removal(sync)
    assert [101, 103] == seconds(lambda now_ns: held.are_due(sync, now_ns), 6, since=100)


def test_what_no_comparison_made_up_for_is_asked_about_again_and_ever_more_rarely() -> None:
    """Though nothing new is heard: an answer may have been too old to tell."""
    sync, held = fallen_back_at_once()
    assert [0, 1, 3, 7, 15, 31, 63, 123, 183] == seconds(lambda now_ns: held.are_due(sync, now_ns), 200)
    begin_anew(sync, 951)
    # News are not made to wait for that.
    assert [202, 204, 208] == seconds(lambda now_ns: held.are_due(sync, now_ns), 10, since=200)


def fallen_back_at_once() -> tuple[BookSync, Suspicions]:
    """A book with an overdue delta that nobody asked about yet."""
    sync, held = counted(1_003), suspicions()
    begin_anew(sync, 950)
    return sync, held


def test_a_comparison_that_went_far_enough_ends_the_suspicion() -> None:
    """Of a removal: as far as the book was after it. Of an overdue delta: beyond the book, as the synchroniser says."""
    sync, held = live(), suspicions()
    removal(sync)
    assert held.are_due(sync, START)
    held.hear(AuditPassed(sync.book.sequence - 1, 4))
    assert held.are_due(sync, START + S)
    held.hear(AuditPassed(sync.book.sequence, 4))
    assert not held.are_due(sync, START + MINUTES * S)

    sync, held = fallen_back_at_once()
    assert held.are_due(sync, START)
    for number, due in ((1_003, True), (1_004, False)):
        if number > sync.book.sequence:
            sync.receive(delta(number))
        sync.audit()
        assert ["AuditPassed"] == kinds(sync.receive_snapshot(snapshot(number, OLD, ASKS), depth="full"))
        held.hear(AuditPassed(number, 4))
        assert due == held.are_due(sync, START + number * S)


def test_a_removal_that_was_made_up_for_does_not_speak_for_the_next_one() -> None:
    """Each has to be compared where it happened."""
    sync, held = live(), suspicions()
    removal(sync)
    assert held.are_due(sync, START)
    first = sync.book.sequence
    removal(sync)
    assert not held.are_due(sync, START)
    held.hear(AuditPassed(first, 4))
    assert held.are_due(sync, START + S)


def test_no_suspicion_is_spent_while_a_comparison_is_under_way() -> None:
    """It may have begun before; if it cannot tell, the next one is asked for as soon as it is over."""
    sync, held = live(), suspicions()
    sync.audit()
    removal(sync)
    assert not held.are_due(sync, START)
    assert ["AuditPassed"] == kinds(sync.receive_snapshot(snapshot(11), depth="full"))
    held.hear(AuditPassed(11, 4))
    assert held.are_due(sync, START)


def test_a_book_that_was_merely_waiting_is_as_suspicious_as_before() -> None:
    """A hole that fills itself does not make the book another; nothing is asked while it is not LIVE."""
    sync, held = live(), suspicions()
    removal(sync)
    assert held.are_due(sync, START)
    removal(sync)
    last = sync.book.sequence
    sync.receive(delta(last + 2))
    assert not held.are_due(sync, START + S)
    sync.receive(delta(last + 1))
    assert (LIVE, 1) == (sync.state, sync.book.epoch)
    assert held.are_due(sync, START + S)


def test_a_new_book_ends_the_suspicion() -> None:
    """What it was about is gone; but what the new one's own deltas say counts, though they came before it was LIVE."""

    def rejoined(frames: Sequence[bytes]) -> bool:
        sync, held = live(), suspicions()
        removal(sync)
        begin_anew(sync, 5)
        held.are_due(sync, START)
        sync.connection_lost()
        assert not held.are_due(sync, START + S)
        for frame in frames:
            sync.receive(frame)
        sync.receive_snapshot(snapshot(20), depth="full")
        assert LIVE is sync.state
        return held.are_due(sync, START + MINUTES * S)

    assert not rejoined([delta(20), delta(21)])
    assert rejoined([delta(20), delta(21, bids=[("50", "0")])])


def test_a_book_that_is_cut_off_is_told_to_remove_what_it_never_knew() -> None:
    """That is no suspicion; to be late is one for any book."""
    sync, held = counted(1_003), Suspicions(is_whole=False)
    removal(sync)
    assert not held.are_due(sync, START)
    begin_anew(sync, 950)
    assert held.are_due(sync, START)


def test_there_is_something_to_decide_only_when_the_time_has_come() -> None:
    """So that nobody need look into the book at every message; but at the first one after each change of state."""
    sync, held = live(), suspicions()

    def decides(now_ns: int) -> bool:
        return held.may_be_due(sync.book.content.remove_absent_count, now_ns)

    assert not decides(START)
    removal(sync)
    assert [True, True, False] == [decides(START), held.are_due(sync, START), decides(START)]
    assert [False, True] == [decides(START + S - 1), decides(START + S)]
    held.hear(AuditPassed(sync.book.sequence, 4))
    assert not decides(START + S)
    held.hear(StateChanged(LIVE, LIVE, ""))
    assert decides(START + S)
    assert not held.are_due(sync, START + S)
    assert not decides(START + S)
