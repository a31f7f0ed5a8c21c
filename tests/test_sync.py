"""``BookSync`` on KuCoin's own bytes: what a user sees of each line of the table, one story at a time."""

from __future__ import annotations

import dataclasses
import json

import pytest

from orderbook.errors import BeyondHorizon, BookNotLive, UnknownVenue, UsageError
from orderbook.events import (
    AuditFailed,
    AuditPassed,
    Crossed,
    FrameRejected,
    Gap,
    LevelDifference,
    LimitReached,
    NeedProbe,
    NeedSnapshot,
    SequenceReset,
    SnapshotRejected,
    StateChanged,
)
from orderbook.settings import SyncSettings
from orderbook.sync import BookSync
from orderbook.types import BookState, Level, Side
from tests.kucoin_frames import SYMBOL, delta, live, snapshot

CONNECTING, SYNCING, LIVE, STALE = BookState.CONNECTING, BookState.SYNCING, BookState.LIVE, BookState.STALE
MS = 1_000_000
SECOND = 1_000 * MS


def kinds(events: tuple[object, ...]) -> list[str]:
    """The names of events, in order."""
    return [type(event).__name__ for event in events]


# -- joining --


def test_the_first_delta_asks_for_a_snapshot_and_the_snapshot_makes_it_live() -> None:
    """Two inputs are enough for a driver that only feeds frames and snapshots."""
    sync = BookSync("kucoin", SYMBOL)
    assert sync.receive(delta(10, bids=[("100.5", "3")])) == (
        StateChanged(CONNECTING, SYNCING, "first frame"),
        NeedSnapshot(SYMBOL, "first delta", 0, None),
    )
    assert sync.wants_snapshot
    assert sync.buffered == 1
    with pytest.raises(BookNotLive, match="SYNCING"):
        sync.book.best_bid
    assert sync.receive_snapshot(snapshot(9)) == (StateChanged(SYNCING, LIVE, "in step with the stream"),)
    assert sync.book.best_bid == Level(100.5, 3.0)
    assert (sync.state, sync.book.sequence, sync.book.epoch, sync.wants_snapshot) == (LIVE, 10, 1, False)
    assert repr(sync) == "<BookSync kucoin BTC-USDT LIVE at 10>"


def test_an_applied_delta_is_no_event_but_moves_sequence_and_touch_count() -> None:
    """A price-0 row moves only the sequence; a change at the touch moves ``touch_count`` too."""
    sync = live()
    before = sync.book.touch_count
    assert sync.receive(delta(12, bids=[("0", "0")])) == ()
    assert (sync.book.sequence, sync.book.touch_count) == (12, before)
    assert sync.receive(delta(13, bids=[("0", "5")])) == ()
    assert sync.book.best_bid == Level(100.0, 1.0)
    assert sync.receive(delta(14, bids=[("100.5", "1")])) == ()
    assert (sync.book.sequence, sync.book.touch_count) == (14, before + 1)


def test_a_snapshot_older_than_the_buffer_is_rejected_and_asked_for_again_later_each_time() -> None:
    """The buffer stays, and the delay doubles up to its cap."""
    sync = BookSync("kucoin", SYMBOL)
    sync.receive(delta(10, bids=[("100.5", "3")]))
    delays = []
    for _ in range(8):
        rejected, again = sync.receive_snapshot(snapshot(8))
        assert rejected == SnapshotRejected("old", "at sequence 8")
        assert isinstance(again, NeedSnapshot)
        delays.append(again.delay_ms)
    assert delays == [250, 500, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000]
    assert sync.buffered == 1
    sync.receive_snapshot(snapshot(9))
    assert (sync.state, sync.book.sequence) == (LIVE, 10)


def test_a_snapshot_ahead_of_the_stream_joins_when_the_stream_is_there() -> None:
    """Deltas that it covers are duplicates; LIVE comes with the one that reaches it, without another snapshot."""
    sync = BookSync("kucoin", SYMBOL)
    sync.receive(delta(10))
    assert sync.receive_snapshot(snapshot(12)) == ()
    assert sync.receive(delta(11)) == ()
    assert sync.state is SYNCING
    assert kinds(sync.receive(delta(12))) == ["StateChanged"]
    assert (sync.state, sync.counters.snapshots_asked, sync.counters.duplicates) == (LIVE, 1, 3)


def test_a_snapshot_that_stays_ahead_is_dropped() -> None:
    """After ``catch_up_ms``, or ``catch_up_frames`` deltas, it is dropped and another one is asked for."""
    sync = BookSync("kucoin", SYMBOL, settings=SyncSettings(catch_up_frames=3))
    sync.receive(delta(10))
    sync.receive_snapshot(snapshot(5_000))
    assert sync.receive(delta(11)) == sync.receive(delta(12)) == ()
    assert kinds(sync.receive(delta(13))) == ["NeedSnapshot"]
    timed = BookSync("kucoin", SYMBOL)
    timed.receive(delta(10), SECOND)
    timed.receive_snapshot(snapshot(5_000), SECOND)
    assert timed.check(2 * SECOND) == ()
    assert kinds(timed.check(3 * SECOND)) == ["NeedSnapshot"]


def test_a_quiet_symbol_is_joined_but_live_only_after_a_probe() -> None:
    """Nothing was heard, so only the venue's own word says that nothing is missing."""
    sync = BookSync("kucoin", SYMBOL)
    sync.connection_opened(SECOND)
    assert sync.subscribed(SECOND) == ()
    assert sync.next_check_ns == 2 * SECOND
    assert sync.check(2 * SECOND) == (NeedSnapshot(SYMBOL, "no delta comes", 0, None),)
    assert sync.receive_snapshot(snapshot(20), 2 * SECOND) == (NeedProbe(SYMBOL, "a quiet symbol"),)
    assert sync.state is SYNCING
    assert sync.receive_probe(21, 2 * SECOND) == ()
    assert sync.receive_probe(19, 2 * SECOND) == ()
    assert sync.state is SYNCING
    assert kinds(sync.receive_probe(20, 2 * SECOND)) == ["StateChanged"]
    assert sync.state is LIVE


def test_a_quiet_symbol_is_live_with_the_first_continuing_delta() -> None:
    """Instead of a probe."""
    sync = BookSync("kucoin", SYMBOL)
    sync.connection_opened()
    sync.subscribed()
    sync.receive_snapshot(snapshot(20))
    assert sync.state is SYNCING
    sync.receive(delta(21))
    assert sync.state is LIVE


def test_nothing_is_asked_for_before_the_subscription_is_acknowledged() -> None:
    """Data may precede the acknowledgement; the snapshot may not."""
    sync = BookSync("kucoin", SYMBOL)
    assert kinds(sync.connection_opened()) == ["StateChanged"]
    assert sync.receive(delta(10)) == ()
    assert kinds(sync.subscribed()) == ["NeedSnapshot"]


def test_a_first_input_that_is_a_snapshot_opens_the_link_too() -> None:
    """A driver without links may hand the snapshot first."""
    sync = BookSync("kucoin", SYMBOL)
    assert kinds(sync.receive_snapshot(snapshot(10))) == ["StateChanged", "NeedProbe"]
    assert kinds(sync.receive(delta(11))) == ["StateChanged"]
    assert sync.state is LIVE


def test_a_straddling_delta_is_applied_row_by_row() -> None:
    """Rows up to the snapshot's sequence are its own business; the later ones are news."""
    sync = BookSync("kucoin", SYMBOL)
    sync.receive(delta(9, 12, bids=[("100", "7", "10"), ("98", "5", "12")]))
    sync.receive_snapshot(snapshot(11))
    assert (sync.state, sync.book.sequence) == (LIVE, 12)
    assert sync.book.bids[:3] == [Level(100.0, 1.0), Level(99.0, 2.0), Level(98.0, 5.0)]


def test_a_hole_inside_the_buffer_keeps_what_follows_and_asks_again() -> None:
    """And what follows is used when the missing delta comes after all."""
    sync = BookSync("kucoin", SYMBOL)
    sync.receive(delta(10))
    sync.receive(delta(12, bids=[("98", "5")]))
    assert sync.receive_snapshot(snapshot(9)) == (NeedSnapshot(SYMBOL, "a hole inside the buffer", 20, None),)
    assert (sync.state, sync.buffered) == (SYNCING, 1)
    sync.receive(delta(11))
    assert (sync.state, sync.book.sequence, sync.wants_snapshot) == (LIVE, 12, False)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<html>503</html>", "json"),
        (b'{"code":"429000","msg":"too many"}', "error"),
        (b'{"code":"200000","data":null}', "fields"),
        (snapshot(9, [("101", "1")], [("100", "1")]), "crossed"),
        (snapshot(9, [("1e-30", "1"), ("1", "1")]), "number"),
        (b"\xff", "utf8"),
    ],
)
def test_an_answer_that_is_no_snapshot_is_named_and_asked_for_again(body: bytes, reason: str) -> None:
    """Nothing is lost by it: the next good one joins."""
    sync = BookSync("kucoin", SYMBOL)
    sync.receive(delta(10))
    rejected, again = sync.receive_snapshot(body)
    assert isinstance(rejected, SnapshotRejected)
    assert (rejected.reason, kinds((again,))) == (reason, ["NeedSnapshot"])
    assert sync.counters.snapshots_rejected == {reason: 1}
    sync.receive_snapshot(snapshot(10))
    assert sync.state is LIVE


def test_a_snapshot_too_large_or_too_long_is_refused() -> None:
    """By the number of its levels, and by its bytes, before it is decoded."""
    for settings in (SyncSettings(levels_max=1), SyncSettings(snapshot_bytes_max=40)):
        sync = BookSync("kucoin", SYMBOL, settings=settings)
        sync.receive(delta(10))
        rejected = sync.receive_snapshot(snapshot(10))[0]
        assert isinstance(rejected, SnapshotRejected)
        assert rejected.reason == "size"


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
    assert sync.receive(delta(13, bids=[("98", "5")])) == (StateChanged(LIVE, SYNCING, "delta 12 is missing"),)
    assert kinds(sync.receive(delta(12, bids=[("98", "4")]))) == ["StateChanged"]
    assert (sync.state, sync.book.sequence, sync.book.epoch) == (LIVE, 13, 1)
    assert sync.book.bids.size_at(98) == 5.0
    assert (sync.counters.reorders, sync.counters.gaps, sync.counters.snapshots_asked) == (1, 0, 1)


def test_a_hole_that_stays_is_a_gap() -> None:
    """After 16 more deltas, or 20 ms; what came meanwhile is kept and used."""
    sync = live()
    events = [event for number in range(14, 31) for event in sync.receive(delta(number))]
    assert events == [
        StateChanged(LIVE, SYNCING, "deltas 12-13 are missing"),
        Gap(12, 14),
        NeedSnapshot(SYMBOL, "gap", 0, None),
    ]
    assert events[1].missing == 2  # type: ignore[union-attr]
    assert kinds(sync.receive_snapshot(snapshot(13))) == ["StateChanged"]
    assert (sync.state, sync.book.sequence, sync.book.epoch, sync.counters.resyncs) == (LIVE, 30, 2, 1)
    loss = next(iter(sync.journal))
    assert (loss.cause, loss.missing, loss.snapshots_asked, loss.sequence) == (
        "deltas 12-13 are missing",
        (12, 13),
        1,
        11,
    )
    assert loss.duration_ns is None
    assert len(sync.journal) == 1


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
    assert loss.duration_ns is None
    sync.receive_snapshot(snapshot(15), 2 * SECOND + 70 * MS)
    assert (sync.state, loss.duration_ns) == (LIVE, 70 * MS)


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
    assert sync.receive_snapshot(snapshot(1_000)) == ()
    assert sync.state is SYNCING
    sync.receive(delta(6))
    sync.receive_snapshot(snapshot(6))
    assert (sync.state, sync.book.sequence, sync.counters.resets) == (LIVE, 6, 1)


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
    """The venue has not moved, so the broken frame held nothing."""
    sync = live()
    sync.receive(delta(12)[:-9])
    assert sync.state is SYNCING
    assert kinds(sync.receive_snapshot(snapshot(11))) == ["StateChanged"]
    assert (sync.state, sync.book.epoch) == (LIVE, 1)


def test_a_broken_frame_of_another_symbol_is_only_counted() -> None:
    """Not ours, not our loss."""
    sync = live()
    assert sync.receive(delta(12, bids=[("98", "NaN")], symbol="ETH-USDT")) == ()
    assert sync.receive(delta(12, symbol="ETH-USDT")) == ()
    assert (sync.state, sync.counters.ignored) == (LIVE, 2)


def test_a_broken_frame_of_nobody_asks_for_a_probe_within_the_rate() -> None:
    """Two in a row ask once; after the answer, or the interval, again."""
    sync = live()
    assert kinds(sync.receive(b"{", SECOND)) == ["FrameRejected", "NeedProbe"]
    assert kinds(sync.receive("{", 2 * SECOND)) == ["FrameRejected"]
    assert kinds(sync.receive(b"{", 7 * SECOND)) == ["FrameRejected", "NeedProbe"]
    sync.receive_probe(11, 7 * SECOND)
    assert kinds(sync.receive(bytearray(b"{"), 7 * SECOND)) == ["FrameRejected", "NeedProbe"]
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


# -- bounds --


@pytest.mark.parametrize("name", ["buffer_frames_max", "buffer_rows_max"])
def test_a_full_buffer_is_an_event_and_starts_anew(name: str) -> None:
    """Nothing is forgotten silently, and a later snapshot still joins."""
    sync = BookSync("kucoin", SYMBOL, settings=dataclasses.replace(SyncSettings(), **{name: 3}))
    for number in range(10, 13):
        sync.receive(delta(number, bids=[("98", "1")]))
    assert sync.receive(delta(13, bids=[("98", "2")])) == (LimitReached(name, 3),)
    assert (sync.buffered, sync.counters.discarded) == (1, {name: 3})
    assert sync.receive_snapshot(snapshot(11))[0] == SnapshotRejected("old", "at sequence 11")
    sync.receive_snapshot(snapshot(12))
    assert (sync.state, sync.book.sequence) == (LIVE, 13)


def test_a_book_that_grows_without_end_is_refused() -> None:
    """``levels_max`` levels a side are allowed, one more is not."""
    sync = live(settings=SyncSettings(levels_max=3))
    assert sync.receive(delta(12, bids=[("98", "1")])) == ()
    assert kinds(sync.receive(delta(13, bids=[("97", "1")]))) == ["StateChanged", "NeedSnapshot", "LimitReached"]


def test_a_frame_that_is_too_long_is_not_decoded() -> None:
    """It names its size and the limit."""
    sync = live(settings=SyncSettings(frame_bytes_max=200))
    rejected = sync.receive(b" " * 201)[0]
    assert rejected == FrameRejected("size", "201 bytes; the limit is 200")


# -- freshness --


def test_a_silent_link_is_stale_until_something_is_heard() -> None:
    """Any frame will do, because a link keeps its order."""
    sync = live()
    sync.receive(delta(12), SECOND)
    sync.subscribed(SECOND)
    sync = BookSync("kucoin", SYMBOL)
    sync.connection_opened(SECOND)
    sync.subscribed(SECOND)
    sync.receive(delta(10), SECOND)
    sync.receive_snapshot(snapshot(10), SECOND)
    assert sync.next_check_ns == 6 * SECOND
    assert sync.check(6 * SECOND - 1) == ()
    assert sync.check(6 * SECOND) == (StateChanged(LIVE, STALE, "nothing heard for 5000 ms"),)
    with pytest.raises(BookNotLive, match="nothing heard"):
        sync.book.best_ask
    assert sync.receive_probe(10, 6 * SECOND) == ()
    assert kinds(sync.receive(b'{"type":"pong"}', 7 * SECOND)) == ["StateChanged"]
    assert sync.state is LIVE


def test_a_venue_that_is_ahead_makes_the_book_stale_after_a_second() -> None:
    """Not before: the stream may be on its way. It is LIVE again when the stream has come as far."""
    sync = live()
    assert sync.receive_probe(23, SECOND) == ()
    assert sync.receive_probe(22, SECOND + MS) == ()
    assert sync.check(2 * SECOND - 1) == ()
    assert sync.check(2 * SECOND) == (StateChanged(LIVE, STALE, "venue ahead by 12"),)
    assert sync.receive_probe(24, 2 * SECOND) == ()
    sync.receive(delta(12, 23), 3 * SECOND)
    assert sync.state is STALE
    sync.receive(delta(24), 3 * SECOND)
    assert sync.state is LIVE


def test_a_stream_that_catches_up_in_time_is_never_stale() -> None:
    """The probe was ahead for a moment only."""
    sync = live()
    sync.receive_probe(12, SECOND)
    sync.receive(delta(12), SECOND + 900 * MS)
    assert sync.check(2 * SECOND) == ()
    assert sync.state is LIVE


def test_a_silent_symbol_asks_for_a_probe_and_stays_live() -> None:
    """Quiet is not dead."""
    sync = BookSync("kucoin", SYMBOL, settings=SyncSettings(link_silence_max_ms=None))
    sync.connection_opened(SECOND)
    sync.subscribed(SECOND)
    sync.receive(delta(10), SECOND)
    sync.receive_snapshot(snapshot(10), SECOND)
    assert sync.check(31 * SECOND) == (NeedProbe(SYMBOL, "no delta for a while"),)
    assert sync.receive_probe(10, 31 * SECOND) == ()
    assert sync.state is LIVE


def test_a_probe_far_behind_means_that_the_venue_counts_anew() -> None:
    """A silent topic after a reset would otherwise look quiet for ever."""
    sync = BookSync("kucoin", SYMBOL)
    sync.receive(delta(1_000))
    sync.receive_snapshot(snapshot(1_000))
    assert kinds(sync.receive_probe(3)) == ["SequenceReset", "StateChanged", "NeedSnapshot"]


def test_max_age_is_judged_by_the_readers_clock() -> None:
    """It needs no check call."""
    now_ns = SECOND
    sync = BookSync("kucoin", SYMBOL, clock=lambda: now_ns, max_age_ms=500)
    sync.receive(delta(10), now_ns)
    sync.receive_snapshot(snapshot(10), now_ns)
    assert sync.state is LIVE
    now_ns += 501 * MS
    assert (sync.state, sync.book.is_live) == (STALE, False)


def test_an_unanswered_wish_is_repeated() -> None:
    """After ``snapshot_timeout_ms``; a driver that gets a clock late is served too."""
    sync = BookSync("kucoin", SYMBOL)
    sync.receive(delta(10))
    assert sync.next_check_ns is None
    assert sync.check(SECOND) == ()
    assert kinds(sync.check(11 * SECOND)) == ["NeedSnapshot"]


# -- audits and horizons --


def test_an_audit_finds_which_levels_are_wrong_and_by_how_much() -> None:
    """The feed itself was wrong: the book resynchronises, and the journal remembers."""
    sync = live()
    assert sync.audit() == (NeedSnapshot(SYMBOL, "audit", 0, None),)
    assert sync.audit() == ()
    sync.receive(delta(12, bids=[("98", "5")]))
    body = snapshot(12, [("100", "1"), ("99", "2"), ("98", "4")], [("101", "1"), ("102", "2"), ("103", "3")])
    wrong = (LevelDifference(Side.BID, "98", "5", "4"), LevelDifference(Side.ASK, "103", "0", "3"))
    assert sync.receive_snapshot(body, depth="full") == (
        AuditFailed(12, wrong),
        StateChanged(LIVE, SYNCING, "audit: 2 levels differ from the venue's"),
        NeedSnapshot(SYMBOL, "audit: 2 levels differ from the venue's", 0, None),
    )
    assert sync.journal.open is not None
    assert sync.journal.open.wrong_levels == wrong
    assert (sync.counters.audits, sync.counters.audits_failed) == (1, 1)


def test_an_audit_compares_at_the_snapshots_own_sequence() -> None:
    """Deltas after it do not count, and a price that a straddling delta changed is left out."""
    sync = live()
    sync.audit()
    sync.receive(delta(12, bids=[("98", "5")]))
    sync.receive(delta(13, 15, bids=[("97", "1", "13"), ("100", "9", "15")]))
    sync.receive(delta(16, asks=[("103", "1")]))
    at_14 = snapshot(14, [("100", "7"), ("99", "2"), ("98", "5"), ("97", "1")])
    assert sync.receive_snapshot(at_14, depth="full") == (AuditPassed(14, 5),)


def test_an_audit_waits_for_the_stream_and_takes_the_scale_of_both() -> None:
    """A snapshot ahead of the stream is kept until the stream is there."""
    sync = live()
    sync.audit()
    body = snapshot(12, [("100.000", "1"), ("99", "2"), ("98.125", "0.5")])
    assert sync.receive_snapshot(body, depth="full") == ()
    assert sync.receive(delta(12, bids=[("98.125", "0.50")])) == (AuditPassed(12, 5),)


def test_an_audit_answered_by_an_older_book_asks_again() -> None:
    """It is inconclusive, not a failure."""
    sync = live()
    sync.audit()
    assert kinds(sync.receive_snapshot(snapshot(10))) == ["SnapshotRejected", "NeedSnapshot"]
    assert sync.receive_snapshot(snapshot(11), depth="full") == (AuditPassed(11, 4),)


def test_an_audit_whose_answer_stays_ahead_asks_again_and_an_unasked_one_ends() -> None:
    """Bounded by ``catch_up_ms``; meanwhile the venue counts as ahead."""
    for asked in (True, False):
        sync = live(settings=SyncSettings(catch_up_ms=500))
        if asked:
            sync.audit(SECOND)
        assert sync.receive_snapshot(snapshot(500), SECOND) == ()
        expected = ["SnapshotRejected", "NeedSnapshot"] if asked else []
        assert kinds(sync.check(SECOND + 500 * MS)) == expected
        assert kinds(sync.check(2 * SECOND)) == ["StateChanged"]
        assert sync.state is STALE


def test_an_audit_that_cannot_be_held_at_one_scale_is_rejected() -> None:
    """The two books are each fine, together they need more than 64 bits."""
    sync = live()
    sync.receive(delta(12, bids=[("50", "9000000000000000000")]))
    body = snapshot(12, [("100", "0.00000001")])
    assert kinds(sync.receive_snapshot(body, depth="full")) == ["SnapshotRejected"]
    assert sync.state is LIVE


def test_an_audit_that_waits_for_ever_starts_its_copy_anew() -> None:
    """The deltas that it keeps are bounded."""
    sync = live(settings=SyncSettings(audit_frames_max=2))
    sync.audit()
    assert sync.receive(delta(12)) == sync.receive(delta(13)) == ()
    assert sync.receive(delta(14)) == (LimitReached("audit_frames_max", 2),)
    assert kinds(sync.receive_snapshot(snapshot(13))) == ["SnapshotRejected", "NeedSnapshot"]
    assert sync.receive_snapshot(snapshot(14), depth="full") == (AuditPassed(14, 4),)


def test_an_audit_survives_a_reordering() -> None:
    """The copy is continued by whatever fills the hole."""
    sync = live()
    sync.audit()
    sync.receive(delta(13, bids=[("98", "1")]))
    sync.receive(delta(12))
    assert sync.wants_snapshot
    body = snapshot(12)
    assert sync.receive_snapshot(body, depth="full") == (AuditPassed(12, 4),)


def cut_off(count: int, bid: int = 1_000, ask: int = 1_001) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """``count`` levels a side, one apart."""
    return [(str(bid - i), "1") for i in range(count)], [(str(ask + i), "1") for i in range(count)]


@pytest.mark.parametrize(
    ("rows", "depth", "partial"),
    [(20, None, True), (100, None, True), (21, None, False), (20, "full", False), (20, 20, True), (20, 50, False)],
)
def test_which_snapshots_have_a_horizon(rows: int, depth: object, partial: bool) -> None:
    """Stated depth decides; without one, exactly 20 or 100 rows count as cut off."""
    sync = BookSync("kucoin", SYMBOL, snapshot_depth=depth)  # type: ignore[arg-type]
    sync.receive(delta(10))
    sync.receive_snapshot(snapshot(10, *cut_off(rows)))
    assert sync.state is LIVE
    if partial:
        with pytest.raises(BeyondHorizon):
            sync.book.depth(rows + 1)
    else:
        assert len(sync.book.depth(rows + 1).bids) == rows


def test_a_horizon_that_comes_near_is_moved_out_without_leaving_live() -> None:
    """Asked for when half of a side's levels are gone; the epoch stays, no level outside is wrong."""
    sync = BookSync("kucoin", SYMBOL, snapshot_depth=4)
    sync.receive(delta(10))
    bids, asks = cut_off(8)
    sync.receive_snapshot(snapshot(10, bids[:4], asks[:4]))
    sync.receive(delta(11, asks=[("1001", "0")]))
    assert sync.receive(delta(12, asks=[("1002", "0")])) == ()
    assert sync.receive(delta(13, asks=[("1003", "0")])) == (NeedSnapshot(SYMBOL, "horizon", 0, 4),)
    sync.receive(delta(14, asks=[("1006", "5")]))
    later = [*asks[3:5], ("1006", "5"), asks[6]]
    assert sync.receive_snapshot(snapshot(14, bids[:4], later)) == (AuditPassed(14, 6),)
    assert (sync.state, sync.book.epoch, sync.counters.reseeds) == (LIVE, 1, 1)
    assert [level.price for level in sync.book.asks[:4]] == [1004.0, 1005.0, 1006.0, 1007.0]
    with pytest.raises(BeyondHorizon):
        sync.book.asks[:5]


def test_a_full_snapshot_ends_the_horizon() -> None:
    """And a nearer one does not bring it back."""
    sync = BookSync("kucoin", SYMBOL, snapshot_depth=2)
    sync.receive(delta(10))
    bids, asks = cut_off(5)
    sync.receive_snapshot(snapshot(10, bids[:2], asks[:2]))
    assert sync.receive_snapshot(snapshot(10, bids, asks), depth="full") == (AuditPassed(10, 4),)
    assert len(list(sync.book.bids)) == 5
    assert kinds(sync.receive_snapshot(snapshot(10, bids[:2], asks[:2]), depth=2)) == ["AuditPassed"]
    assert len(list(sync.book.bids)) == 5


# -- withheld books --


def test_a_halted_symbol_is_withheld_until_it_is_subscribed_again() -> None:
    """What comes meanwhile is counted and dropped."""
    sync = live()
    assert sync.halt("trading disabled") == (StateChanged(LIVE, BookState.HALTED, "trading disabled"),)
    assert sync.receive(delta(12)) == ()
    assert kinds(sync.receive(b"{")) == ["FrameRejected"]
    assert sync.receive_snapshot(snapshot(12)) == sync.receive_probe(5) == ()
    assert sync.counters.discarded == {"HALTED": 1}
    sync.subscribed()
    sync.receive(delta(13))
    sync.receive_snapshot(snapshot(13))
    assert sync.state is LIVE


def test_a_failed_book_needs_the_user() -> None:
    """Frames do not bring it back."""
    sync = live()
    sync.fail("unknown symbol")
    sync.receive(delta(12))
    assert sync.state is BookState.FAILED


def test_a_closed_book_ignores_everything() -> None:
    """For good."""
    sync = live()
    assert kinds(sync.close()) == ["StateChanged"]
    inputs = (
        sync.close(),
        sync.halt("x"),
        sync.connection_opened(),
        sync.subscribed(),
        sync.connection_lost(),
        sync.receive(delta(12)),
        sync.receive_snapshot(snapshot(12)),
        sync.receive_probe(3),
        sync.audit(),
        sync.check(SECOND),
    )
    assert set(inputs) == {()}
    assert sync.state is BookState.CLOSED


# -- misuse --


def test_misuse_is_named() -> None:
    """The caller's mistakes raise; the wire's never do."""
    with pytest.raises(UnknownVenue, match="known: kucoin"):
        BookSync("nowhere", SYMBOL)
    with pytest.raises(UsageError, match="look like BTC-USDT"):
        BookSync("kucoin", "BTCUSDT")
    for depth in (0, -1, True, "deep", 1.5):
        with pytest.raises(UsageError, match="snapshot depth"):
            BookSync("kucoin", SYMBOL, snapshot_depth=depth)  # type: ignore[arg-type]
    sync = live()
    with pytest.raises(UsageError, match="bytes or text"):
        sync.receive(None)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="bytes or text"):
        sync.receive_snapshot(5)  # type: ignore[arg-type]
    for sequence in (-1, True, "5", 1.0):
        with pytest.raises(UsageError, match="sequence number"):
            sync.receive_probe(sequence)  # type: ignore[arg-type]
    assert sync.state is LIVE


@pytest.mark.parametrize(
    "wrong",
    [{"reset_window": -1}, {"buffer_frames_max": 0}, {"trusted_levels_min": float("inf")}, {"catch_up_ms": True}],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, object]) -> None:
    """With the name of the setting."""
    with pytest.raises(UsageError, match=next(iter(wrong))):
        SyncSettings(**wrong)  # type: ignore[arg-type]
