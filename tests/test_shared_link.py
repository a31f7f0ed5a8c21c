"""Books of several symbols on one link: each frame is decoded once, and all of them share what was heard."""

from __future__ import annotations

import pytest

from orderbook.errors import FrameError, UsageError
from orderbook.events import AuditFailed, LevelDifference
from orderbook.guard import Pulse
from orderbook.sync import BookSync
from orderbook.types import BookState, Delta, OtherData, Side
from orderbook.venues import venue_named
from orderbook.venues.base import decode_frame
from tests.kucoin_frames import delta, kinds, snapshot

SECOND = 10**9
KUCOIN = venue_named("kucoin")


def pair() -> tuple[BookSync, BookSync, Pulse]:
    """Two LIVE books at 11 that share a pulse, last heard at 1 s."""
    pulse = Pulse()
    one, other = (BookSync("kucoin", symbol, pulse=pulse) for symbol in ("AAA-USDT", "BBB-USDT"))
    for sync in (one, other):
        sync.connection_opened(SECOND)
        sync.subscribed(SECOND)
        sync.receive(delta(11, symbol=sync.symbol), SECOND)
        sync.receive_snapshot(snapshot(10), SECOND, depth="full")
        assert BookState.LIVE is sync.state
    return one, other, pulse


def test_one_book_is_kept_fresh_by_what_another_hears() -> None:
    """The link is silent for a book when nobody on it hears anything, and a frame for anybody ends that."""
    one, other, _ = pair()

    one.receive(delta(12, symbol=one.symbol), 5 * SECOND)
    assert () == other.check(6 * SECOND)
    assert 10 * SECOND == other.next_check_ns
    assert ["StateChanged"] == kinds(other.check(10 * SECOND))
    assert not other.book.is_live

    one.receive(delta(13, symbol=one.symbol), 11 * SECOND)
    assert ["StateChanged"] == kinds(other.check(11 * SECOND))
    assert other.book.is_live


def test_a_pulse_wakes_nobody_who_has_no_link() -> None:
    """A lost link is not found again by what is heard elsewhere."""
    one, other, pulse = pair()
    other.connection_lost(2 * SECOND)

    one.receive(delta(12, symbol=one.symbol), 3 * SECOND)

    assert () == other.check(3 * SECOND)
    assert BookState.CONNECTING is other.state
    assert 3 * SECOND == pulse.heard_ns


def test_a_message_without_a_time_dates_nothing() -> None:
    """A driver without a clock waits for nothing."""
    sync = BookSync("kucoin", "AAA-USDT")
    for number in (11, 12):
        sync.receive_decoded(decode_frame(KUCOIN, delta(number, symbol=sync.symbol), 1_000))
    assert (None, None) == (sync.next_check_ns, sync.book.heard_ns)


def test_a_message_that_was_decoded_elsewhere_is_taken_as_its_bytes_are() -> None:
    """Decoding first and receiving then is the same as receiving; what concerns another book is counted as ignored."""
    one, other, _ = pair()
    frame = delta(12, symbol=one.symbol)
    message = decode_frame(KUCOIN, frame, 1000)
    assert isinstance(message, Delta)

    assert one.receive_decoded(message, 2 * SECOND) == ()
    assert other.receive_decoded(message, 2 * SECOND) == ()
    assert other.receive_decoded(OtherData("/market/match:BBB-USDT"), 2 * SECOND) == ()
    assert 12 == one.book.sequence
    assert (11, 2) == (other.book.sequence, other.counters.ignored)


def test_a_frame_that_cannot_be_decoded_is_an_answer_with_its_symbol() -> None:
    """A broken frame names the book it was of, where that can be seen, and takes that book alone out of LIVE."""
    one, other, _ = pair()
    error = decode_frame(KUCOIN, delta(12, symbol=one.symbol)[:-1], 1000)
    assert isinstance(error, FrameError)
    assert ("json", one.symbol, None) == (error.reason, error.symbol, error.__traceback__)

    one.receive_decoded(error, 2 * SECOND)
    other.receive_decoded(error, 2 * SECOND)
    assert (BookState.SYNCING, BookState.LIVE) == (one.state, other.state)
    assert (1, 1) == (one.counters.rejected["json"], other.counters.ignored)


def test_a_closed_book_takes_nothing() -> None:
    """After the end there is nothing to be counted."""
    one, _, _ = pair()
    one.close()

    assert one.receive_decoded(OtherData("/market/match:AAA-USDT"), 2 * SECOND) == ()
    assert 0 == one.counters.ignored


def test_a_book_that_is_kept_is_changed_by_nobody_else() -> None:
    """A user's mistake would make it silently wrong."""
    one, _, _ = pair()

    for change in (one.book.apply_changes, one.book.apply_snapshot):
        with pytest.raises(UsageError, match="is kept from the venue's stream"):
            change([("100.5", "1")], [], 12)
    assert 11 == one.book.sequence


def test_a_market_that_is_really_empty_becomes_live() -> None:
    """An answer without a single level is asked for twice, and believed when it comes again."""
    sync = BookSync("kucoin", "AAA-USDT")
    sync.receive(delta(11, symbol="AAA-USDT"))

    assert ["SnapshotRejected", "NeedSnapshot"] == kinds(sync.receive_snapshot(snapshot(10, (), ()), depth="full"))
    assert 1 == sync.counters.snapshots_rejected["empty"]
    sync.receive_snapshot(snapshot(10, (), ()), depth="full")
    assert BookState.LIVE is sync.state
    assert sync.book.best_bid is None


def test_a_failed_audit_prints_in_one_line() -> None:
    """Hundreds of levels may differ; a few are shown."""
    levels = tuple(LevelDifference(Side.BID, str(price), "1", "0") for price in range(500))

    assert "AuditFailed(sequence=7, 1 differences: BID 0: 1 != 0)" == repr(AuditFailed(7, levels[:1]))
    assert "AuditFailed(sequence=7, 500 differences: BID 0: 1 != 0, BID 1: 1 != 0, BID 2: 1 != 0, ...)" == repr(
        AuditFailed(7, levels)
    )
