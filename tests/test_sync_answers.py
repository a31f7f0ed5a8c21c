"""``BookSync`` and the answers of REST, in the places where one sequence more or less decides."""

from __future__ import annotations

import pytest

from orderbook.events import AuditPassed, NeedSnapshot, SnapshotRejected, StateChanged
from orderbook.guard import Pulse
from orderbook.settings import SyncSettings
from orderbook.sync import BookSync
from orderbook.types import BookState
from tests.kucoin_frames import ASKS, BIDS, SYMBOL, Rows, delta, kinds, live, snapshot

LIVE, STALE = BookState.LIVE, BookState.STALE
MS = 1_000_000
SECOND = 1_000 * MS
PONG = b'{"type":"pong"}'


def quiet() -> BookSync:
    """Subscribed at 1 s, without a delta."""
    sync = BookSync("kucoin", SYMBOL)
    sync.connection_opened(SECOND)
    sync.subscribed(SECOND)
    return sync


def silent(*, at: int = 20) -> BookSync:
    """A book that was LIVE at a sequence which its snapshot had before the stream, and then heard nothing."""
    sync = BookSync("kucoin", SYMBOL)
    sync.connection_opened(SECOND)
    sync.subscribed(SECOND)
    sync.receive(delta(10), SECOND)
    sync.receive_snapshot(snapshot(at), SECOND, depth="full")
    sync.receive(delta(11, at), SECOND)
    assert LIVE is sync.state
    sync.check(6 * SECOND)
    assert STALE is sync.state
    return sync


# -- empty answers --


def test_an_empty_answer_is_believed_only_when_it_comes_twice_in_a_row() -> None:
    """One that holds levels in between takes the belief away."""
    empty, full = snapshot(10, (), ()), snapshot(9)
    sync = BookSync("kucoin", SYMBOL)
    sync.receive(delta(11))
    for body in (empty, full, empty):
        assert ["SnapshotRejected", "NeedSnapshot"] == kinds(sync.receive_snapshot(body, depth="full"))
    assert {"empty": 2, "old": 1} == sync.counters.snapshots_rejected
    sync.receive_snapshot(empty, depth="full")
    assert (LIVE, 0) == (sync.state, len(sync.book.bids))


@pytest.mark.parametrize(("bids", "asks"), [(BIDS, ()), ((), ASKS)])
def test_a_book_with_one_empty_side_is_a_book(bids: Rows, asks: Rows) -> None:
    """At once, and it makes no empty one believed."""
    sync = BookSync("kucoin", SYMBOL)
    sync.receive(delta(11))
    sync.receive_snapshot(snapshot(10, bids, asks), depth="full")
    assert LIVE is sync.state
    events = sync.receive_snapshot(snapshot(11, (), ()), depth="full")
    assert (SnapshotRejected("empty", "at sequence 11"),) == events


# -- what confirms a book --


def test_what_was_heard_and_could_not_be_held_is_not_confirmed_away() -> None:
    """Answers at the book's sequence may come as often as they like: the venue was heard beyond it."""
    sync = live()
    sync.receive(delta(12, bids=[("98", "99999999999999999999")]))
    for _ in range(3):
        assert ["SnapshotRejected", "NeedSnapshot"] == kinds(sync.receive_snapshot(snapshot(11), depth="full"))
        assert () == sync.receive_probe(11)


def test_without_a_lost_frame_one_answer_confirms() -> None:
    """Even if another one came in between."""
    sync = quiet()
    sync.receive_snapshot(snapshot(20), SECOND, depth="full")
    assert () == sync.receive_probe(19, SECOND)
    assert ["AuditPassed", "StateChanged"] == kinds(sync.receive_snapshot(snapshot(20), SECOND, depth="full"))
    probed = quiet()
    probed.receive_snapshot(snapshot(20), SECOND, depth="full")
    probed.receive_probe(19, SECOND)
    assert ["StateChanged"] == kinds(probed.receive_probe(20, SECOND))


def test_a_lost_frame_that_the_stream_has_shown_is_no_doubt_any_more() -> None:
    """One answer is enough then, though the link still counts as silent."""
    pulse = Pulse()
    for answer in ("snapshot", "probe"):
        sync = BookSync("kucoin", SYMBOL, pulse=pulse)
        sync.connection_opened(SECOND)
        sync.subscribed(SECOND)
        sync.receive(delta(11), SECOND)
        sync.receive_snapshot(snapshot(11), SECOND, depth="full")
        sync.receive(delta(12)[:-9], SECOND)
        pulse.in_doubt = True
        sync.receive(delta(12), 7 * SECOND)
        pulse.in_doubt = False
        assert not sync.book.is_live
        if answer == "snapshot":
            assert (AuditPassed(12, 4),) == sync.receive_snapshot(snapshot(12), 7 * SECOND, depth="full")
        else:
            assert () == sync.receive_probe(12, 7 * SECOND)
        assert ["StateChanged"] == kinds(sync.receive(PONG, 8 * SECOND))


# -- a stale book --


def test_a_merely_silent_book_keeps_a_newer_answer_for_the_stream() -> None:
    """The venue owes it nothing; only one that was seen to be behind is built anew."""
    sync = silent()
    assert () == sync.receive_snapshot(snapshot(21), 7 * SECOND, depth="full")
    assert STALE is sync.state
    assert [StateChanged, AuditPassed] == [type(event) for event in sync.receive(delta(21), 7 * SECOND)]


def test_a_silent_book_that_is_probed_ahead_has_its_moment_when_it_is_heard_again() -> None:
    """The answer is no reason to stay STALE, but the stream must follow soon."""
    sync = silent()
    assert () == sync.receive_probe(21, 7 * SECOND)
    assert (StateChanged(STALE, LIVE, "in step with the stream"),) == sync.receive(PONG, 7 * SECOND)
    assert ["StateChanged", "NeedSnapshot"] == kinds(sync.check(8 * SECOND))


def test_a_book_that_is_behind_is_not_live_before_it_has_shown_the_farthest_answer() -> None:
    """Not for a moment, though it has shown an earlier one."""
    sync = live()
    sync.receive_probe(12, SECOND)
    sync.check(2 * SECOND)
    assert STALE is sync.state
    sync.receive_probe(13, 2 * SECOND)
    assert () == sync.receive(delta(12), 2 * SECOND)
    assert ["StateChanged"] == kinds(sync.receive(delta(13), 2 * SECOND))
    assert LIVE is sync.state


# -- building on a snapshot --


def test_a_snapshot_with_a_hole_behind_it_names_the_hole_and_not_an_old_gap() -> None:
    """The hole is new, so it may be a mere reordering: it is asked about a little later."""
    sync = live(settings=SyncSettings(reorder_hold_frames=2))
    for number in (13, 15, 16):
        sync.receive(delta(number))
    assert 1 == sync.counters.gaps
    assert (NeedSnapshot(SYMBOL, "a hole inside the buffer", 20, None),) == sync.receive_snapshot(snapshot(12))
    assert ["NeedProbe"] == kinds(sync.receive(delta(14)))  # it came after what follows it
    sync.receive(delta(17))
    assert (LIVE, 17, 1) == (sync.state, sync.book.sequence, sync.counters.gaps)


def test_a_snapshot_that_joins_asks_for_nothing_more() -> None:
    """Nor does one that only awaits the stream, or is wrong in a way that asked already."""
    sync = BookSync("kucoin", SYMBOL)
    sync.receive(delta(10))
    assert ["StateChanged"] == kinds(sync.receive_snapshot(snapshot(9)))
    assert (None, 0) == (sync.next_check_ns, sync.counters.probes_asked)
    ahead = BookSync("kucoin", SYMBOL)
    ahead.receive(delta(10), SECOND)
    assert () == ahead.receive_snapshot(snapshot(11), SECOND)
    assert (3 * SECOND, 1) == (ahead.next_check_ns, ahead.counters.snapshots_asked)
    crossing = BookSync("kucoin", SYMBOL)
    crossing.receive(delta(10, bids=[("105", "1")]), SECOND)
    crossing.receive(delta(12), SECOND)
    assert ["Crossed", "NeedSnapshot"] == kinds(crossing.receive_snapshot(snapshot(9), SECOND))
    assert (6 * SECOND, 2) == (crossing.next_check_ns, crossing.counters.snapshots_asked)


def test_a_hole_of_one_is_a_hole() -> None:
    """The smallest one: the last delta heard could not be held."""
    sync = BookSync("kucoin", SYMBOL)
    sync.receive(delta(10, bids=[("98", "99999999999999999999")]))
    found = sync.receive_snapshot(snapshot(9))
    assert ["FrameRejected", "NeedSnapshot"] == kinds(found)
    assert found[1] == NeedSnapshot(SYMBOL, "an unreadable frame (number)", 0, None)


def test_a_quiet_join_knows_how_far_the_venue_was() -> None:
    """So it notices when the venue counts anew, though it never heard a delta of the old count."""
    sync = quiet()
    sync.receive_snapshot(snapshot(1_000), SECOND, depth="full")
    sync.receive_probe(1_000, SECOND)
    assert LIVE is sync.state
    assert ["SequenceReset", "StateChanged", "NeedSnapshot"] == kinds(sync.receive(delta(935), SECOND))


def test_a_snapshot_ahead_in_a_market_that_moves_is_not_asked_about() -> None:
    """The stream itself will tell; where nothing came since the last try, a probe can."""
    sync = BookSync("kucoin", SYMBOL)
    sync.receive(delta(10), SECOND)
    assert () == sync.receive_snapshot(snapshot(20), SECOND)
    assert ["NeedSnapshot"] == kinds(sync.check(3 * SECOND))
    assert ["NeedProbe"] == kinds(sync.receive_snapshot(snapshot(21), 3 * SECOND))


def test_a_snapshot_older_than_a_lost_frame_is_used_and_asked_for_again_later_each_time() -> None:
    """It cannot show what was lost; one that reaches it can."""
    sync = BookSync("kucoin", SYMBOL)
    sync.receive(delta(10))
    sync.receive(delta(11)[:-9])
    assert (NeedSnapshot(SYMBOL, "a lost frame", 250, None),) == sync.receive_snapshot(snapshot(10))
    sync.receive(delta(11))
    assert LIVE is sync.state
    twice = BookSync("kucoin", SYMBOL)
    twice.receive(delta(10))
    twice.receive(delta(12)[:-9])
    assert [250] == [
        event.delay_ms for event in twice.receive_snapshot(snapshot(10)) if isinstance(event, NeedSnapshot)
    ]
    twice.receive(delta(12))
    events = twice.receive_snapshot(snapshot(10))
    assert 500 == next(event.delay_ms for event in events if isinstance(event, NeedSnapshot))


# -- audits --


def test_no_book_but_a_live_one_is_audited_and_no_audit_begins_twice() -> None:
    """In a hole, before a book, while another runs."""
    sync = BookSync("kucoin", SYMBOL)
    assert () == sync.audit()
    sync.receive(delta(10))
    assert () == sync.audit()
    sync.receive_snapshot(snapshot(10), depth="full")
    sync.receive(delta(12))
    assert () == sync.audit()
    sync.receive(delta(11))
    assert ["NeedSnapshot"] == kinds(sync.audit())
    sync.receive(delta(13))
    sync.receive_snapshot(snapshot(14), depth="full")
    assert () == sync.audit()
    assert (AuditPassed(14, 4),) == sync.receive(delta(14))
    assert ["NeedSnapshot"] == kinds(sync.audit())


def test_an_audit_that_waits_through_a_hole_compares_when_live_returns() -> None:
    """Not before, though the sequence is reached."""
    sync = live()
    sync.audit()
    sync.receive_snapshot(snapshot(12), depth="full")
    assert ["StateChanged"] == kinds(sync.receive(delta(14)))
    assert ["StateChanged", "AuditPassed"] == kinds(sync.receive(delta(12, 13)))


def test_an_answer_that_cannot_be_compared_delays_the_next_question() -> None:
    """Each time twice as long; one that agrees ends that."""
    sync = live()
    sync.receive(delta(12, bids=[("50", "9000000000000000000")]))
    delays = []
    for _ in range(3):
        delays += [event.delay_ms for event in sync.audit() if isinstance(event, NeedSnapshot)]
        sync.receive_snapshot(snapshot(12, [("100", "0.00000001")]), depth="full")
    delays += [event.delay_ms for event in sync.audit() if isinstance(event, NeedSnapshot)]
    body = snapshot(12, [*BIDS, ("50", "9000000000000000000")])
    assert ["AuditPassed"] == kinds(sync.receive_snapshot(body, depth="full"))
    delays += [event.delay_ms for event in sync.audit() if isinstance(event, NeedSnapshot)]
    assert [0, 250, 500, 1_000, 0] == delays


def test_a_book_that_came_to_be_live_with_trouble_audits_at_once() -> None:
    """The delays were the snapshot's."""
    sync = BookSync("kucoin", SYMBOL)
    sync.receive(delta(10))
    for _ in range(3):
        sync.receive_snapshot(snapshot(8))
    sync.receive_snapshot(snapshot(10))
    assert (NeedSnapshot(SYMBOL, "audit", 0, None),) == sync.audit()


def test_a_comparison_that_confirms_ends_the_wait_for_its_answer() -> None:
    """No timer of an audit outlives it."""
    sync = live()
    sync.audit(SECOND)
    sync.receive_snapshot(snapshot(13), SECOND, depth="full")
    sync.receive(delta(12, 13), SECOND)
    assert () == sync.check(5 * SECOND)
    assert 1 == sync.counters.audits


def test_two_answers_that_cannot_be_held_together_confirm_nothing() -> None:
    """The book stays unconfirmed; the next answer may be better."""
    sync = quiet()
    huge = [*BIDS, ("50", "9000000000000000000")]
    sync.receive_snapshot(snapshot(20, huge), SECOND, depth="full")
    fine = snapshot(20, [("100", "0.00000001")])
    assert ["SnapshotRejected"] == kinds(sync.receive_snapshot(fine, SECOND, depth="full"))
    assert not sync.book.is_live


def test_a_book_that_is_only_being_built_takes_no_farther_horizon() -> None:
    """It is compared; the horizon is moved out of books that are read."""
    sync = quiet()
    sync.receive_snapshot(snapshot(20, BIDS, ASKS), SECOND, depth=2)
    events = sync.receive_snapshot(snapshot(20, [*BIDS, ("98", "1")]), SECOND, depth="full")
    assert ["AuditPassed", "StateChanged"] == kinds(events)
    assert (0, 1) == (sync.counters.reseeds, sync.book.epoch)
