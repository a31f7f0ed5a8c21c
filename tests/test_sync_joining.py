"""``BookSync`` on KuCoin's own bytes, one story at a time: how a book comes to be LIVE."""

from __future__ import annotations

import pytest

from orderbook.errors import BookNotLive
from orderbook.events import (
    NeedProbe,
    NeedSnapshot,
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


def test_a_venue_beyond_a_snapshot_that_the_stream_does_not_reach_is_no_confirmation() -> None:
    """The snapshot may be of another count than the stream, wherever the venue is by now."""
    sync = BookSync("kucoin", SYMBOL)
    sync.receive(delta(10), SECOND)
    sync.receive_snapshot(snapshot(20), SECOND)
    sync.receive_probe(25, SECOND)
    assert kinds(sync.check(3 * SECOND)) == ["NeedSnapshot"]
    assert sync.state is SYNCING


def test_a_quiet_symbol_is_joined_but_live_only_after_a_probe() -> None:
    """Nothing was heard, so only the venue's own word says that nothing is missing."""
    sync = BookSync("kucoin", SYMBOL)
    sync.connection_opened(SECOND)
    assert sync.subscribed(SECOND) == ()
    assert sync.next_check_ns == 2 * SECOND
    assert sync.check(2 * SECOND) == (NeedSnapshot(SYMBOL, "no delta comes", 0, None),)
    assert sync.receive_snapshot(snapshot(20), 2 * SECOND) == (NeedProbe(SYMBOL, "a quiet symbol"),)
    assert sync.state is SYNCING
    assert sync.receive_probe(19, 2 * SECOND) == ()
    assert sync.state is SYNCING
    assert kinds(sync.receive_probe(20, 2 * SECOND)) == ["StateChanged"]
    assert sync.state is LIVE


def test_a_probe_that_was_ahead_is_not_taken_back_by_an_older_one() -> None:
    """The venue was at 21 once, so a book at 20 misses something until the stream shows it."""
    for answer in ("probe", "snapshot"):
        sync = BookSync("kucoin", SYMBOL)
        sync.connection_opened(SECOND)
        sync.subscribed(SECOND)
        sync.receive_snapshot(snapshot(20), SECOND)
        sync.receive_probe(21, SECOND)
        if answer == "probe":
            sync.receive_probe(20, SECOND)
        else:
            sync.receive_snapshot(snapshot(20), SECOND)
        assert sync.state is SYNCING
        sync.receive(delta(21), SECOND)
        assert sync.state is LIVE


def test_a_probe_that_was_ahead_of_a_join_is_remembered() -> None:
    """LIVE at 20 while the venue was at 25: the stream has a second to show it."""
    sync = BookSync("kucoin", SYMBOL)
    sync.receive(delta(20), SECOND)
    sync.receive_probe(25, SECOND)
    sync.receive_snapshot(snapshot(20), SECOND)
    assert sync.state is LIVE
    assert sync.check(2 * SECOND)[0] == StateChanged(LIVE, STALE, "venue ahead by 5")


def test_no_answer_makes_a_book_live_while_the_link_is_silent() -> None:
    """The stream reached the snapshot, but nothing has been heard for 5 s; then something is."""
    sync = BookSync("kucoin", SYMBOL)
    sync.connection_opened(SECOND)
    sync.subscribed(SECOND)
    sync.receive(delta(20), SECOND)
    sync.receive_snapshot(snapshot(20), 7 * SECOND)
    assert sync.state is SYNCING
    sync.receive(b'{"type":"pong"}', 8 * SECOND)
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
    """And what follows is used when the missing delta comes after all, and the stream goes on."""
    sync = BookSync("kucoin", SYMBOL)
    sync.receive(delta(10))
    sync.receive(delta(12, bids=[("98", "5")]))
    assert sync.receive_snapshot(snapshot(9)) == (NeedSnapshot(SYMBOL, "a hole inside the buffer", 20, None),)
    assert (sync.state, sync.buffered) == (SYNCING, 1)
    sync.receive(delta(11))
    assert sync.state is SYNCING
    sync.receive(delta(13))
    assert (sync.state, sync.book.sequence, sync.wants_snapshot) == (LIVE, 13, False)


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
