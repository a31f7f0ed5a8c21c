"""``BookSync`` and a venue that falls back through numbers never heard here; and what only looks like that."""

from __future__ import annotations

import pytest

from orderbook.events import NeedSnapshot
from orderbook.settings import SyncSettings
from orderbook.sync import BookSync
from tests.kucoin_frames import SYMBOL, delta, kinds, live, snapshot
from tests.two_counts import ASKS, LIVE, NEW, OLD, WINDOW, begin_anew, bids, counted


def fallen_back() -> BookSync:
    """A LIVE book at 1,003 whose venue fell back to 950: nothing below 1,000 was ever heard here."""
    sync = counted(1_003)
    assert [] == begin_anew(sync, 950)
    return sync


def answer_older(sync: BookSync, times: int) -> list[str]:
    """The audits' answers, all of where the new count stands; what they tell."""
    told = []
    for _ in range(times):
        told += kinds(sync.audit())
        told += kinds(sync.receive_snapshot(snapshot(950, NEW, ASKS), depth="full"))
    return told


def test_a_fall_back_through_numbers_never_heard_is_noticed_by_the_fifth_answer() -> None:
    """Each is older than the book, and so is the stream; then the new count is joined."""
    sync = fallen_back()
    assert "SequenceReset" not in answer_older(sync, 4)
    assert LIVE is sync.state
    assert ["SequenceReset", "StateChanged", "NeedSnapshot"] == answer_older(sync, 1)
    sync.receive_snapshot(snapshot(950, NEW, ASKS), depth="full")
    sync.receive(delta(951))
    assert (LIVE, 951, [(98.0, 5.0)]) == (sync.state, sync.book.sequence, bids(sync))


def test_answers_of_a_cache_alone_are_no_reset() -> None:
    """However many there are, as long as no delta is overdue."""
    sync = counted(1_003)
    assert "SequenceReset" not in answer_older(sync, 9)
    assert (LIVE, 0) == (sync.state, sync.counters.overdue)


def test_a_comparison_beyond_the_book_makes_up_for_what_was_overdue() -> None:
    """The book goes on and is right, so the delta was merely late; that it was is kept in the counters."""
    sync = fallen_back()
    answer_older(sync, 4)
    sync.receive(delta(1_004))
    assert "AuditPassed" in kinds(sync.receive_snapshot(snapshot(1_004, OLD, ASKS), depth="full"))
    assert not sync.is_overdue
    assert "SequenceReset" not in answer_older(sync, 5)
    assert (LIVE, 1, 2) == (sync.state, sync.counters.overdue, sync.counters.duplicates)


def test_a_comparison_where_the_book_stood_makes_up_for_nothing() -> None:
    """A cache that still has the book of the old count says just that: only the counting of old answers begins anew."""
    sync = fallen_back()
    answer_older(sync, 4)
    assert "AuditPassed" in kinds(sync.receive_snapshot(snapshot(1_003, OLD, ASKS), depth="full"))
    assert sync.is_overdue
    assert "SequenceReset" not in answer_older(sync, 4)
    assert "SequenceReset" in answer_older(sync, 1)
    assert not sync.is_overdue


def test_an_answer_that_was_asked_for_before_makes_up_for_nothing() -> None:
    """It may be of the old count, however far it is; the next comparison tells."""
    sync = counted(1_003)
    sync.audit()
    begin_anew(sync, 950)
    sync.receive(delta(1_004))
    for overdue in (True, False):
        assert "AuditPassed" in kinds(sync.receive_snapshot(snapshot(1_004, OLD, ASKS), depth="full"))
        assert overdue == sync.is_overdue
        sync.audit()


def test_a_copy_that_starts_anew_is_not_asked_for_anew() -> None:
    """Too many deltas came since the request, which is as old as before."""
    sync = BookSync("kucoin", SYMBOL, settings=SyncSettings(audit_frames_max=2))
    sync.receive(delta(1_000))
    sync.receive_snapshot(snapshot(1_000, OLD, ASKS), depth="full")
    sync.audit()
    begin_anew(sync, 950)
    for number in range(1_001, 1_004):
        sync.receive(delta(number))
    assert {"audit_frames_max": 1} == sync.counters.limits
    assert "AuditPassed" in kinds(sync.receive_snapshot(snapshot(1_003, OLD, ASKS), depth="full"))
    assert sync.is_overdue


def test_each_book_that_is_late_itself_is_asked_about_again() -> None:
    """What makes up for one delta does not for a later one, which came when the book was farther."""
    sync = fallen_back()
    sync.receive(delta(1_004))
    begin_anew(sync, 951)
    sync.audit()
    for overdue in (True, False):
        assert "AuditPassed" in kinds(sync.receive_snapshot(snapshot(sync.book.sequence, OLD, ASKS), depth="full"))
        assert overdue == sync.is_overdue
        sync.receive(delta(1_005))
        sync.audit()


def test_a_new_book_makes_up_for_what_was_overdue() -> None:
    """The old one is gone."""
    sync = fallen_back()
    assert sync.is_overdue
    sync.connection_lost()
    assert not sync.is_overdue


def test_an_audit_that_waits_before_it_asks_again_asks_at_once_when_a_delta_is_overdue() -> None:
    """Its answers were no use for long; from now on they tell something. Later such deltas change nothing."""
    sync, now_ns = counted(1_003), 10**12
    wishes = list(sync.audit(now_ns))
    for _ in range(7):
        now_ns += 10**10
        wishes += sync.receive_snapshot(snapshot(1_000, OLD, ASKS), now_ns, depth="full")
    delays = [wish.delay_ms for wish in wishes if isinstance(wish, NeedSnapshot)]
    assert [0, 250, 500, 1_000, 2_000, 4_000, 8_000, 8_000] == delays

    told = sync.receive(delta(950, bids=[("99", "0"), ("98", "5")]), now_ns)
    assert [NeedSnapshot(SYMBOL, "audit", 0, None)] == list(told)
    assert () == sync.receive(delta(951), now_ns)
    answer = sync.receive_snapshot(snapshot(951, NEW, ASKS), now_ns, depth="full")
    assert [250] == [wish.delay_ms for wish in answer if isinstance(wish, NeedSnapshot)]
    assert () == sync.receive(delta(952), now_ns)


def test_an_audit_whose_answer_is_on_its_way_is_not_asked_for_twice() -> None:
    """Nor is one whose answer is here, and waits for the stream."""
    sync = counted(1_003)
    sync.audit()
    assert [] == begin_anew(sync, 950)
    sync = counted(1_003)
    sync.audit()
    sync.receive_snapshot(snapshot(1_004, OLD, ASKS), depth="full")
    assert [] == begin_anew(sync, 950)


def test_what_a_book_without_a_stream_waits_for_does_not_change_its_pace() -> None:
    """An overdue delta says nothing of the hole that a book waits to be filled."""
    sync = counted(1_003)
    sync.audit()
    sync.receive(delta(1_005))
    assert [] == begin_anew(sync, 950)
    assert not sync.wants_snapshot


def test_what_a_new_snapshot_covers_is_not_overdue() -> None:
    """It was ahead of the stream, which shows the rest now."""
    sync = counted(1_003)
    sync.connection_lost()
    sync.receive(delta(1_004))
    sync.receive_snapshot(snapshot(1_008, OLD, ASKS), depth="full")
    for number in (1_005, 1_006, 1_007, 1_008):
        sync.receive(delta(number))
    assert (LIVE, 0, 6) == (sync.state, sync.counters.overdue, sync.counters.duplicates)


def test_old_answers_count_from_the_overdue_delta_on_and_while_a_copy_is_kept() -> None:
    """A driver that asks all the time gets answers that are a little old all the time."""
    sync = counted(1_003)

    def poll() -> None:
        for _ in range(9):
            sync.receive_snapshot(snapshot(1_000, OLD, ASKS), depth="full")

    poll()
    assert "SequenceReset" not in answer_older(sync, 4)
    assert "AuditPassed" in kinds(sync.receive_snapshot(snapshot(1_003, OLD, ASKS), depth="full"))
    assert "SequenceReset" not in begin_anew(sync, 950)
    poll()
    assert "SequenceReset" not in answer_older(sync, 4)
    assert ["SequenceReset"] == answer_older(sync, 1)[:1]


@pytest.mark.parametrize("late", [5, 30, 60])
def test_a_repetition_does_not_push_out_what_is_repeated(late: int) -> None:
    """Each message comes twice, and once more much later: duplicates all, though their numbers are far back."""
    sync = live()
    frames = [delta(12 + 3 * n, 14 + 3 * n, bids=[("98", str(1 + n % 7))]) for n in range(61)]
    for number, frame in enumerate(frames):
        sync.receive(frame)
        sync.receive(frame)
        if number >= late:
            assert () == sync.receive(frames[number - late])
    assert (LIVE, 0, 0) == (sync.state, sync.counters.resets, sync.counters.overdue)


def test_what_is_received_twice_is_not_overdue() -> None:
    """It was heard before."""
    sync = counted(1_003)
    sync.receive(delta(1_002))
    assert (0, 2) == (sync.counters.overdue, sync.counters.duplicates)
    assert "SequenceReset" not in answer_older(sync, 5)


def test_what_cannot_be_a_book_says_nothing_of_the_count() -> None:
    """Only an answer that could be compared but for its age is one of the five."""
    sync = fallen_back()
    for _ in range(6):
        sync.audit()
        sync.receive_snapshot(snapshot(950, [("102", "1")], ASKS), depth="full")
    assert {"crossed": 6} == sync.counters.snapshots_rejected
    assert "SequenceReset" not in answer_older(sync, 4)
    assert "SequenceReset" in answer_older(sync, 1)


def test_a_count_that_was_climbed_past_is_not_suspected_any_more() -> None:
    """The book is beyond its end, and equal to it there: an answer of that sequence is compared, and agrees."""
    sync = counted(1_060)
    assert "SequenceReset" in kinds(sync.receive(delta(960)))
    sync.receive_snapshot(snapshot(960, OLD, ASKS), depth="full")
    for number in range(961, 1_059):
        sync.receive(delta(number))
    sync.audit()
    for number in range(1_059, 1_071):
        sync.receive(delta(number))
    assert "AuditPassed" in kinds(sync.receive_snapshot(snapshot(1_060, OLD, ASKS), depth="full"))


@pytest.mark.parametrize(
    ("answer", "is_joined", "is_forgotten"),
    [
        (snapshot(1_050, (("97", "1"),), ASKS), False, True),
        (snapshot(1_060, OLD, ASKS), False, True),
        (snapshot(1_060, OLD, ASKS), True, True),
        (snapshot(900, NEW, ASKS), True, False),
    ],
    ids=["near, no book", "known, no book", "known", "older than the book"],
)
def test_a_dozen_answers_are_refused_for_the_sake_of_the_old_count(
    answer: bytes, is_joined: bool, is_forgotten: bool
) -> None:
    """Then it is forgotten; what is refused of a joined book for another reason does not count."""
    sync = counted(1_060)
    begin_anew(sync, 961)
    if is_joined:
        sync.receive_snapshot(b"")
        sync.receive_snapshot(snapshot(961, NEW, ASKS), depth="full")
        assert LIVE is sync.state
    old = sync._machine.provenance.old
    for _ in range(12):
        assert old.may_reach(1_060)
        sync.receive_snapshot(answer, depth="full")
    assert is_forgotten == (not old.may_reach(1_060))


def test_one_message_more_than_the_window_is_remembered() -> None:
    """Not two: what comes again from further back is a reset by its number."""
    sync = counted(1_200)
    assert [1_200 - WINDOW, 1_200] == [sync.recent[0].sequence_end, sync.recent[-1].sequence_end]
    assert WINDOW + 1 == len(sync.recent)


def test_a_book_of_the_new_count_makes_nearness_to_the_old_one_meaningless() -> None:
    """Its next snapshot may be nearer to where the old count ended than to what was heard."""
    sync = counted(1_060)
    begin_anew(sync, 961)
    sync.receive_snapshot(b"")
    sync.receive_snapshot(snapshot(961, NEW, ASKS), depth="full")
    sync.receive(delta(962)[:-9])
    sync.receive_snapshot(snapshot(1_050, NEW, ASKS), depth="full")
    assert {"json": 1} == sync.counters.snapshots_rejected
    for number in range(963, 1_051):
        sync.receive(delta(number))
    assert (LIVE, 1_050) == (sync.state, sync.book.sequence)


def test_a_dozen_books_are_given_up_when_the_stream_reaches_them() -> None:
    """Each was ahead of the stream and lacks what it said; then the venue is believed."""
    sync = live()
    for number in range(12, 301):
        sync.receive(delta(number))
    sync.receive(delta(100))
    sync.receive_snapshot(b"")
    last, given_up = 100, 0
    while sync.state is not LIVE:
        sync.receive_snapshot(snapshot(last + 5, [("100", "1"), ("50", "1")]), depth="full")
        for _ in range(5):
            last += 1
            sync.receive(delta(last, bids=[("50", str(last))]))
        given_up += sync.state is not LIVE
        assert given_up < 20
    assert 12 == given_up
