"""``BookSync`` on KuCoin's own bytes, one story at a time: what the stream may do to a LIVE book."""

from __future__ import annotations

import json

from orderbook.events import (
    AuditPassed,
    Crossed,
    FrameRejected,
    Gap,
    NeedSnapshot,
    SequenceReset,
    SnapshotRejected,
    StateChanged,
)
from orderbook.settings import SyncSettings
from orderbook.sync import BookSync
from orderbook.types import BookState, Level
from tests.kucoin_frames import SYMBOL, delta, kinds, live, snapshot

CONNECTING, SYNCING, LIVE, STALE = BookState.CONNECTING, BookState.SYNCING, BookState.LIVE, BookState.STALE
MS = 1_000_000
SECOND = 1_000 * MS


# -- the live stream --


def test_duplicates_are_counted_and_cost_nothing() -> None:
    """Adjacent or late, once or a hundred times."""
    sync = live()
    sync.receive(delta(12, bids=[("98", "5")]))
    for frame in (delta(12, bids=[("98", "5")]), delta(11), delta(10)) * 100:
        assert sync.receive(frame) == ()
    assert (sync.state, sync.counters.duplicates, sync.counters.snapshots_asked) == (LIVE, 301, 1)


def test_two_swapped_neighbours_are_put_in_order_without_a_snapshot() -> None:
    """LIVE ends with the hole and returns with its filling; the epoch is the same."""
    sync = live()
    assert sync.receive(delta(13, bids=[("98", "5")])) == (StateChanged(LIVE, SYNCING, "waiting for 12"),)
    assert kinds(sync.receive(delta(12, bids=[("98", "4")]))) == ["StateChanged"]
    assert (sync.state, sync.book.sequence, sync.book.epoch) == (LIVE, 13, 1)
    assert sync.book.bids.size_at(98) == 5.0
    assert (sync.counters.reorders, sync.counters.gaps, sync.counters.snapshots_asked) == (1, 0, 1)


def test_a_hole_that_stays_is_a_gap() -> None:
    """After 16 more deltas, or 20 ms; what came meanwhile is kept and used."""
    sync = live()
    events = [event for number in range(14, 31) for event in sync.receive(delta(number))]
    assert events == [
        StateChanged(LIVE, SYNCING, "waiting for 12-13"),
        Gap(12, 14),
        NeedSnapshot(SYMBOL, "gap", 0, None),
    ]
    assert Gap(12, 14).missing == 2
    assert kinds(sync.receive_snapshot(snapshot(13))) == ["StateChanged"]
    assert (sync.state, sync.book.sequence, sync.book.epoch, sync.counters.resyncs) == (LIVE, 30, 2, 1)
    loss = next(iter(sync.journal))
    assert (loss.cause, loss.missing, loss.snapshots_asked, loss.sequence) == (
        "waiting for 12-13",
        (12, 13),
        1,
        11,
    )
    assert loss.duration_ns is None
    assert len(sync.journal) == 1
    assert "waiting for 12-13" in repr(sync.journal)


def test_with_a_clock_the_hold_is_20_ms_and_the_loss_has_a_duration() -> None:
    """The frame in hand is tried before the deadline is judged."""
    sync = live()
    sync.receive(delta(13), SECOND)
    assert sync.check(SECOND + 19 * MS) == ()
    sync.receive(delta(12), SECOND + 25 * MS)
    assert sync.state is LIVE
    sync.receive(delta(15), 2 * SECOND)
    assert kinds(sync.check(2 * SECOND + 20 * MS)) == ["Gap", "NeedSnapshot"]
    loss = sync.journal.open
    assert loss is not None
    assert loss.until_ns is None
    sync.receive_snapshot(snapshot(15), 2 * SECOND + 70 * MS)
    assert sync.state is LIVE
    assert loss.duration_ns == 70 * MS


def test_the_missing_delta_may_still_come_after_the_gap_was_declared() -> None:
    """The wish for a snapshot is withdrawn then, and its late answer is only compared."""
    sync = live(settings=SyncSettings(reorder_hold_frames=1))
    sync.receive(delta(13))
    assert kinds(sync.receive(delta(14))) == ["Gap", "NeedSnapshot"]
    sync.receive(delta(12))
    assert (sync.state, sync.wants_snapshot, sync.counters.reorders) == (LIVE, False, 1)
    assert sync.receive_snapshot(snapshot(14), depth="full") == (AuditPassed(14, 4),)


def test_a_readable_book_is_never_replaced_by_an_older_one() -> None:
    """A late answer that nobody waits for."""
    sync = live()
    assert sync.receive_snapshot(snapshot(9)) == (SnapshotRejected("old", "at sequence 9"),)
    assert (sync.state, sync.book.sequence) == (LIVE, 11)


def test_a_crossed_book_is_resynchronised_and_locked_is_not_crossed() -> None:
    """No level is deleted to uncross it."""
    sync = live()
    assert sync.receive(delta(12, bids=[("101", "1")])) == ()
    assert sync.book.is_locked
    assert sync.receive(delta(13, bids=[("101.5", "1")])) == (
        Crossed(13, "101.5", "101"),
        StateChanged(LIVE, SYNCING, "crossed book"),
        NeedSnapshot(SYMBOL, "crossed book", 0, None),
    )
    assert sync.book.last_known.is_crossed
    assert sync.receive_snapshot(snapshot(12)) == (
        SnapshotRejected("old", "at sequence 12"),
        NeedSnapshot(SYMBOL, "the snapshot was no use (old)", 250, None),
    )
    sync.receive_snapshot(snapshot(13))
    assert (sync.state, sync.book.best_bid, sync.counters.crossed) == (LIVE, Level(100.0, 1.0), 1)


def test_a_book_that_crosses_while_it_is_built_asks_with_a_delay() -> None:
    """The old book stays as it was."""
    sync = BookSync("kucoin", SYMBOL)
    sync.receive(delta(10, bids=[("105", "1")]))
    crossed, again = sync.receive_snapshot(snapshot(9))
    assert isinstance(crossed, Crossed)
    assert again == NeedSnapshot(SYMBOL, "crossed book", 250, None)
    assert sync.book.epoch == 0


def test_a_book_that_crosses_again_and_again_asks_later_each_time() -> None:
    """Until it has been calm for ``calm_frames`` deltas."""
    sync = live(settings=SyncSettings(calm_frames=3))
    delays = []
    for number in (12, 13, 14, 30):
        while sync.book.sequence < number - 1:
            sync.receive(delta(sync.book.sequence + 1))
        ask = next(e for e in sync.receive(delta(number, bids=[("103", "1")])) if isinstance(e, NeedSnapshot))
        delays.append(ask.delay_ms)
        assert sync.recent[-1].sequence_end == number
        sync.receive_snapshot(snapshot(number), depth="full")
        assert sync.state is LIVE
    assert delays == [0, 250, 500, 0]


def test_rows_without_effect_are_counted() -> None:
    """Price 0, and a level that was not there."""
    sync = live()
    sync.receive(delta(12, bids=[("0", "0"), ("55", "0")], asks=[("0", "3")]))
    assert (sync.counters.price_zero, sync.counters.remove_absent) == (2, 1)


def test_a_sequence_that_falls_back_is_a_reset_and_not_a_duplicate() -> None:
    """Within ``reset_window`` it is old, beyond it the venue counts anew; the book is LIVE again soon."""
    sync = BookSync("kucoin", SYMBOL)
    sync.receive(delta(1_000))
    sync.receive_snapshot(snapshot(1_000))
    assert sync.receive(delta(936)) == ()
    assert sync.receive(delta(5)) == (
        SequenceReset(1_000, 5),
        StateChanged(LIVE, SYNCING, "the venue's sequence started anew"),
        NeedSnapshot(SYMBOL, "sequence reset", 0, None),
    )
    assert kinds(sync.receive_snapshot(snapshot(1_000))) == ["SnapshotRejected", "NeedSnapshot"]
    assert sync.state is SYNCING
    sync.receive(delta(6))
    sync.receive_snapshot(snapshot(6))
    assert (sync.state, sync.book.sequence, sync.counters.resets) == (LIVE, 6, 1)


def test_a_repetition_to_the_letter_is_no_reset_however_old() -> None:
    """One message may cover more sequences than the window."""
    sync = live()
    sync.receive(delta(12, 200))
    assert sync.receive(delta(11)) == ()
    assert sync.state is LIVE


def test_a_snapshot_of_the_old_count_is_rejected() -> None:
    """A cache gives it after the reset, and the new count may climb to its very sequence."""
    sync = BookSync("kucoin", SYMBOL)
    sync.receive(delta(1_000))
    sync.receive_snapshot(snapshot(1_000), depth="full")
    sync.receive(delta(900))
    for number in range(901, 1_100):
        sync.receive(delta(number, bids=[("50", str(number))]))
        if number in (901, 940):
            assert kinds(sync.receive_snapshot(snapshot(1_000), depth="full")) == ["SnapshotRejected", "NeedSnapshot"]
    assert kinds(sync.receive_snapshot(snapshot(1_000), depth="full")) == ["SnapshotRejected", "NeedSnapshot"]
    sync.receive_snapshot(snapshot(1_099, [("100", "1"), ("50", "1099")]), depth="full")
    assert (sync.state, sync.book.sequence) == (LIVE, 1_099)


def test_an_answer_to_a_wish_from_before_the_reset_is_not_trusted() -> None:
    """It may be of the old count, and near the new one by chance; the next answer is good."""
    sync = BookSync("kucoin", SYMBOL)
    sync.receive(delta(1_000))
    for number in range(900, 950):
        sync.receive(delta(number))
    assert kinds(sync.receive_snapshot(snapshot(949))) == ["SnapshotRejected", "NeedSnapshot"]
    sync.receive_snapshot(snapshot(949))
    assert sync.state is LIVE


def test_other_rows_under_the_same_numbers_are_a_reset_however_they_are_cut() -> None:
    """A row's own sequence tells."""
    sync = live()
    sync.receive(delta(12, 13, bids=[("98", "5", "12"), ("97", "5", "13")]))
    sync.receive(delta(14, bids=[("96", "5")]))
    assert sync.receive(delta(13, 14, bids=[("97", "5", "13"), ("96", "5", "14")])) == ()
    assert kinds(sync.receive(delta(13, 14, bids=[("97", "5", "13"), ("96", "6", "14")])))[0] == "SequenceReset"


def test_the_same_range_with_other_changes_is_a_reset_too() -> None:
    """The venue's numbers fell back a little: the same ones come again with something else in them."""
    sync = live()
    sync.receive(delta(12, bids=[("98", "5")]))
    assert sync.receive(delta(12, bids=[("98.0", "5.00")])) == ()
    assert kinds(sync.receive(delta(12, bids=[("98", "6")]))) == ["SequenceReset", "StateChanged", "NeedSnapshot"]


def test_a_lost_link_ends_everything_that_continued() -> None:
    """New epoch, no ghost levels, and a late answer of the old link is not trusted."""
    sync = live()
    assert kinds(sync.connection_lost()) == ["StateChanged"]
    assert (sync.state, sync.book.last_known.best_bid) == (CONNECTING, Level(100.0, 1.0))
    assert sync.receive_snapshot(snapshot(11)) == ()
    assert sync.state is CONNECTING
    sync.connection_opened()
    sync.receive(delta(50))
    sync.subscribed()
    sync.receive_snapshot(snapshot(50, [("90", "1")], [("91", "1")]))
    assert (sync.state, sync.book.epoch) == (LIVE, 2)
    assert list(sync.book.bids) == [Level(90.0, 1.0)]
    assert sync.counters.snapshots_rejected == {"CONNECTING": 1}


def test_opening_a_link_while_one_is_open_loses_the_old_one() -> None:
    """A driver that forgot to say so gets the same honesty."""
    sync = live()
    events = sync.connection_opened()
    assert [event.new for event in events if isinstance(event, StateChanged)] == [CONNECTING, SYNCING]


def test_subscribing_again_changes_nothing_while_live() -> None:
    """A second acknowledgement of the same topic."""
    sync = live()
    assert sync.subscribed() == ()
    assert sync.state is LIVE


# -- frames that cannot be read --


def test_a_broken_frame_of_ours_ends_live_until_the_next_one_continues() -> None:
    """If it was needless, the next delta continues the book; the wish is withdrawn."""
    sync = live()
    assert sync.receive(delta(12, bids=[("98", "NaN")])) == (
        FrameRejected("number", "'NaN' is not a plain number"),
        StateChanged(LIVE, SYNCING, "an unreadable frame (number)"),
        NeedSnapshot(SYMBOL, "an unreadable frame (number)", 0, None),
    )
    sync.receive(delta(12, bids=[("98", "5")]))
    assert (sync.state, sync.wants_snapshot) == (LIVE, False)


def test_a_snapshot_at_the_same_sequence_clears_the_doubt() -> None:
    """If it comes twice with no frame in between: the first answer may be older than the loss."""
    sync = live()
    sync.receive(delta(12)[:-9])
    assert sync.state is SYNCING
    assert kinds(sync.receive_snapshot(snapshot(11))) == ["SnapshotRejected", "NeedSnapshot"]
    assert kinds(sync.receive_snapshot(snapshot(11))) == ["AuditPassed", "StateChanged"]
    assert (sync.state, sync.book.epoch) == (LIVE, 1)


def test_a_probe_clears_the_doubt_only_when_it_comes_twice() -> None:
    """One may be older than the loss."""
    sync = live()
    sync.receive(delta(12)[:-9])
    assert sync.receive_probe(11) == ()
    assert kinds(sync.receive_probe(11)) == ["StateChanged"]


def test_a_broken_frame_outlives_a_snapshot_that_was_asked_for_before() -> None:
    """The snapshot is no newer than what was heard before the loss."""
    sync = BookSync("kucoin", SYMBOL)
    sync.receive(delta(10))
    sync.receive(delta(11)[:-9])
    sync.receive_snapshot(snapshot(10))
    assert sync.state is SYNCING
    sync.receive(delta(11))
    assert sync.state is LIVE


def test_a_hole_after_a_broken_frame_is_asked_about_for_ever() -> None:
    """An old answer takes the wish away; the hole asks again."""
    sync = live(settings=SyncSettings(reorder_hold_frames=1))
    sync.receive(delta(12, bids=[("98", "NaN")]))
    sync.receive(delta(13))
    sync.receive(delta(14))
    for _ in range(3):
        assert sync.wants_snapshot
        sync.receive_snapshot(snapshot(11))
    sync.receive_snapshot(snapshot(13))
    assert sync.state is LIVE


def test_a_broken_frame_of_another_symbol_is_only_counted() -> None:
    """Not ours, not our loss."""
    sync = live()
    assert sync.receive(delta(12, bids=[("98", "NaN")], symbol="ETH-USDT")) == ()
    assert sync.receive(delta(12, symbol="ETH-USDT")) == ()
    assert (sync.state, sync.counters.ignored) == (LIVE, 2)


def test_a_broken_frame_of_nobody_asks_for_a_probe_within_the_rate() -> None:
    """Two in a row ask once; after the interval again, whether the first was answered or not."""
    sync = live()
    assert kinds(sync.receive(b"{", SECOND)) == ["FrameRejected", "NeedProbe"]
    assert kinds(sync.receive("{", 2 * SECOND)) == ["FrameRejected"]
    assert kinds(sync.receive(b"{", 7 * SECOND)) == ["FrameRejected", "NeedProbe"]
    sync.receive_probe(11, 7 * SECOND)
    assert kinds(sync.receive(bytearray(b"{"), 8 * SECOND)) == ["FrameRejected"]
    assert kinds(sync.receive(bytearray(b"{"), 12 * SECOND)) == ["FrameRejected", "NeedProbe"]
    timeless = live()
    assert kinds(timeless.receive(b"{")) == ["FrameRejected", "NeedProbe"]
    assert kinds(timeless.receive(b"{")) == ["FrameRejected"]
    timeless.receive_probe(11)
    assert kinds(timeless.receive(b"{")) == ["FrameRejected", "NeedProbe"]
    assert sync.state is LIVE


def test_an_unknown_message_type_is_only_counted() -> None:
    """The venue may add some."""
    sync = live()
    for message in ({"type": "welcome"}, {"type": "new"}, {"type": "error", "code": 404, "data": "?"}):
        assert sync.receive(json.dumps(message)) == ()
    assert (sync.state, sync.counters.ignored, sync.counters.rejected_count) == (LIVE, 3, 0)


def test_a_value_that_cannot_be_held_rejects_its_frame_whole() -> None:
    """Nothing of it is applied, the detail names the value, and the book resynchronises."""
    sync = live()
    events = sync.receive(delta(12, bids=[("98", "5"), ("99999999999999999999", "1")]))
    assert kinds(events) == ["FrameRejected", "StateChanged", "NeedSnapshot"]
    assert "99999999999999999999" in repr(events[0])
    assert sync.book.last_known.bids.size_at(98) == 0.0
    sync.receive_snapshot(snapshot(12))
    sync.receive(delta(13))
    assert (sync.state, sync.book.sequence) == (LIVE, 13)


def test_a_buffered_value_that_cannot_be_held_is_a_hole() -> None:
    """Found when the buffer is replayed; a later snapshot heals it."""
    sync = BookSync("kucoin", SYMBOL)
    sync.receive(delta(10, bids=[("1", "99999999999999999999")]))
    sync.receive(delta(11))
    assert kinds(sync.receive_snapshot(snapshot(9)))[0] == "FrameRejected"
    assert sync.state is SYNCING
    sync.receive_snapshot(snapshot(11))
    sync.receive(delta(12))
    assert (sync.state, sync.book.sequence) == (LIVE, 12)
