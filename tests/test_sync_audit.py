"""``BookSync`` on KuCoin's own bytes, one story at a time: audits and horizons."""

from __future__ import annotations

import pytest

from orderbook.errors import BeyondHorizon
from orderbook.events import (
    AuditFailed,
    AuditPassed,
    LevelDifference,
    LimitReached,
    NeedSnapshot,
    StateChanged,
)
from orderbook.settings import SyncSettings
from orderbook.sync import BookSync
from orderbook.types import BookState, Side
from tests.kucoin_frames import SYMBOL, delta, kinds, live, snapshot
from tests.unchecked import unchecked

CONNECTING, SYNCING, LIVE, STALE = BookState.CONNECTING, BookState.SYNCING, BookState.LIVE, BookState.STALE
MS = 1_000_000
SECOND = 1_000 * MS


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
        assert kinds(sync.check(2 * SECOND)) == ["StateChanged", "NeedSnapshot"]
        assert sync.state is STALE
        sync.receive_snapshot(snapshot(12), 2 * SECOND)
        sync.receive(delta(12), 2 * SECOND)
        assert sync.state is LIVE


def test_an_audit_outlives_a_broken_frame() -> None:
    """Its wish makes room for the lost book's, and comes again."""
    sync = live()
    sync.audit()
    assert kinds(sync.receive(delta(12)[:-9])) == ["FrameRejected", "StateChanged", "NeedSnapshot"]
    assert kinds(sync.receive(delta(12))) == ["StateChanged", "NeedSnapshot"]
    assert kinds(sync.receive_snapshot(snapshot(12), depth="full")) == ["AuditPassed"]
    assert kinds(sync.audit()) == ["NeedSnapshot"]


def test_a_lost_book_does_not_wait_behind_an_audit() -> None:
    """The delays of the audit are its own."""
    sync = live(settings=SyncSettings(reorder_hold_frames=1))
    sync.audit()
    for _ in range(7):
        sync.receive_snapshot(snapshot(10))
    sync.receive(delta(13))
    assert [event.delay_ms for event in sync.receive(delta(14)) if isinstance(event, NeedSnapshot)] == [0]


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
    sync = BookSync("kucoin", SYMBOL, snapshot_depth=unchecked(depth))
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


def test_a_snapshot_too_shallow_for_the_horizon_is_asked_for_again_with_a_delay() -> None:
    """Not with every delta."""
    sync = BookSync("kucoin", SYMBOL, snapshot_depth=4)
    sync.receive(delta(10))
    bids, asks = cut_off(8)
    sync.receive_snapshot(snapshot(10, bids[:4], asks[:4]))
    delays = []
    for number in range(11, 16):
        events = sync.receive(delta(number, asks=[(str(990 + number), "0")]))
        delays += [event.delay_ms for event in events if isinstance(event, NeedSnapshot)]
        if sync.wants_snapshot:
            left = [row for row in asks[:4] if row[0] not in {str(990 + n) for n in range(11, number + 1)}]
            sync.receive_snapshot(snapshot(number, bids[:1], left[:1]), depth=1)
    assert delays == [0, 250]


def test_an_audit_waits_for_the_book_to_be_live_again() -> None:
    """Its snapshot is reached while a later hole is open: what is compared is a book that may be read."""
    sync = live()
    sync.audit()
    assert [] == kinds(sync.receive_snapshot(snapshot(13), depth="full"))
    for number in (12, 15):
        sync.receive(delta(number))
    assert [] == kinds(sync.receive(delta(13)))
    assert ["StateChanged", "AuditPassed"] == kinds(sync.receive(delta(14)))


def test_a_comparison_that_asked_for_nothing_asks_for_nothing_later() -> None:
    """A hole that fills itself ends LIVE for a moment; who asked for a snapshot asks again then, and nobody else."""
    for asks in (False, True):
        sync = live()
        sync.audit(ask=asks)
        sync.receive(delta(13))
        assert asks == ("NeedSnapshot" in kinds(sync.receive(delta(12))))


def test_a_new_book_waits_for_no_answer_that_the_old_one_asked_for() -> None:
    """Its own snapshot explains the silence."""
    second = 1_000_000_000
    sync = live(settings=SyncSettings(link_silence_max_ms=None))
    sync.subscribed(second)
    assert ["NeedProbe"] == kinds(sync.doubt(second))
    sync.audit(second)
    assert "AuditFailed" in kinds(sync.receive_snapshot(snapshot(11, [("98", "7")]), second, depth="full"))
    sync.receive_snapshot(snapshot(11, [("98", "7")]), second, depth="full")
    assert sync.book.is_live
    assert [] == kinds(sync.check(12 * second))
    assert sync.book.is_live


def test_an_answer_that_differs_confirms_nothing() -> None:
    """Two say that the venue stands still after a lost frame, but not with this book: the frame is still owed."""
    sync = live()
    sync.receive(delta(12)[:-9])
    sync.receive_snapshot(snapshot(11, [("98", "7")]), depth="full")
    assert "AuditFailed" in kinds(sync.receive_snapshot(snapshot(11, [("98", "7")]), depth="full"))
    sync.receive_snapshot(snapshot(11, [("98", "7")]), depth="full")
    assert not sync.book.is_live
    sync.receive(delta(12))
    assert sync.book.is_live
