"""``BookSync`` and its waits: what a driver with a clock sees, to the nanosecond."""

from __future__ import annotations

from typing import Any

import pytest

from orderbook.content import BookContent
from orderbook.events import Gap, LimitReached, NeedSnapshot, StateChanged
from orderbook.guard import Pulse
from orderbook.settings import SyncSettings
from orderbook.sync import BookSync
from orderbook.types import BookState, Delta, Level
from tests.kucoin_frames import SYMBOL, delta, kinds, live, snapshot

MS = 1_000_000
SECOND = 1_000 * MS


def reasons(events: object) -> list[str]:
    """Why snapshots are asked for."""
    assert isinstance(events, tuple)
    return [event.reason for event in events if isinstance(event, NeedSnapshot)]


# -- silence --


def test_a_delta_ends_the_silence_of_its_symbol() -> None:
    """From each on it is as long as ever, and another symbol's frame ends nothing."""
    sync = live(settings=SyncSettings(link_silence_max_ms=None))
    sync.subscribed(SECOND)
    assert 31 * SECOND == sync.next_check_ns
    sync.receive(delta(12), 21 * SECOND)
    assert 51 * SECOND == sync.next_check_ns
    sync.receive(delta(13, symbol="OTHER-USDT"), 31 * SECOND)
    assert 51 * SECOND == sync.next_check_ns
    assert [] == kinds(sync.check(51 * SECOND - 1))
    assert ["NeedProbe"] == kinds(sync.check(51 * SECOND))


def test_a_delta_that_may_be_late_is_a_delta_all_the_same() -> None:
    """What waited in a blocked loop does not make the link fresh, but it shows what the venue was ahead by."""
    pulse = Pulse()
    sync = live(pulse=pulse)
    sync.subscribed(SECOND)
    sync.receive(delta(12), SECOND)
    pulse.in_doubt = True
    sync.receive_probe(13, 7 * SECOND)
    sync.receive(delta(13), 7 * SECOND)
    assert (BookState.LIVE, 13) == (sync.state, sync.book.sequence)
    pulse.in_doubt = False
    sync.receive(b'{"type":"pong"}', 7 * SECOND)
    assert () == sync.check(9 * SECOND)
    assert BookState.LIVE is sync.state


# -- the acknowledgement --


def test_a_closed_book_awaits_nothing() -> None:
    """An acknowledgement that comes late starts no timer."""
    sync = live()
    sync.close(SECOND)
    sync.subscribed(SECOND)

    assert (None, False) == (sync.next_check_ns, sync.wants_snapshot)


def test_an_acknowledgement_in_a_hole_asks_for_nothing() -> None:
    """The hole has its own time, and so has the wish that is outstanding."""
    sync = live()
    sync.receive(delta(13), SECOND)
    assert () == sync.subscribed(SECOND)
    assert (20 * MS + SECOND, False) == (sync.next_check_ns, sync.wants_snapshot)


def test_an_acknowledgement_says_why_it_asks() -> None:
    """For deltas that wait, and for what was lost before it; a second one asks for nothing more."""
    first = BookSync("kucoin", SYMBOL)
    first.connection_opened(SECOND)
    first.receive(delta(10), SECOND)
    assert ["first delta"] == reasons(first.subscribed(SECOND))

    later = BookSync("kucoin", SYMBOL)
    later.connection_opened(SECOND)
    later.receive(delta(10), SECOND)
    later.receive_snapshot(snapshot(10), SECOND)
    assert BookState.LIVE is later.state
    assert [] == reasons(later.receive(delta(11)[:-9], SECOND))
    assert ["a lost frame"] == reasons(later.subscribed(SECOND))


def test_what_was_missing_before_the_acknowledgement_is_asked_for_with_it() -> None:
    """Nothing may be asked for earlier, and nothing else may ever come."""
    sync = BookSync("kucoin", SYMBOL, settings=SyncSettings(reorder_hold_frames=1))
    sync.connection_opened(SECOND)
    sync.receive(delta(10), SECOND)
    sync.receive_snapshot(snapshot(10), SECOND)
    sync.receive(delta(12), SECOND)
    assert ["Gap"] == kinds(sync.receive(delta(13), SECOND))
    assert ["a lost frame"] == reasons(sync.subscribed(SECOND))


def test_an_unanswered_wish_needs_no_second_timer() -> None:
    """A second acknowledgement does not begin to wait for a first delta again."""
    sync = BookSync("kucoin", SYMBOL)
    sync.connection_opened(SECOND)
    sync.subscribed(SECOND)
    sync.check(2 * SECOND)
    assert sync.wants_snapshot
    sync.subscribed(3 * SECOND)
    assert 6 * SECOND == sync.next_check_ns, "the link's"
    assert () == sync.check(4 * SECOND)


def test_no_audit_is_begun_before_the_acknowledgement() -> None:
    """Its snapshot could not be asked for, and it would never end."""
    sync = BookSync("kucoin", SYMBOL)
    sync.connection_opened(SECOND)
    sync.receive(delta(10), SECOND)
    sync.receive_snapshot(snapshot(10), SECOND)
    assert BookState.LIVE is sync.state
    assert () == sync.audit(SECOND)
    sync.subscribed(SECOND)
    assert ["audit"] == reasons(sync.audit(SECOND))


def test_a_reset_before_a_new_link_costs_its_first_answer_nothing() -> None:
    """The wish of the old link was void; the new link has a wish of its own."""
    sync = BookSync("kucoin", SYMBOL)
    sync.receive(delta(1_000))
    sync.receive(delta(5))
    sync.connection_lost()
    sync.connection_opened()
    sync.subscribed()
    sync.receive(delta(8))
    sync.receive_snapshot(snapshot(8))
    assert BookState.LIVE is sync.state


def test_a_silent_book_is_not_woken_by_a_frame_that_nobody_dates() -> None:
    """In doubt, what is heard may have been sent long ago, with or without a time of its own."""
    pulse = Pulse()
    sync = BookSync("kucoin", SYMBOL, pulse=pulse)
    sync.connection_opened(SECOND)
    sync.subscribed(SECOND)
    sync.receive(delta(10), SECOND)
    sync.receive_snapshot(snapshot(10), SECOND)
    sync.check(6 * SECOND)
    pulse.in_doubt = True
    for received_ns in (0, 7 * SECOND):
        assert () == sync.receive(delta(11), received_ns)
    pulse.in_doubt = False
    assert ["StateChanged"] == kinds(sync.receive(delta(11)))


# -- deltas beside what was heard --


def test_a_delta_that_goes_on_is_news_whatever_its_first_rows_say() -> None:
    """Only its new rows count."""
    sync = live()
    sync.receive(delta(12, bids=[("98", "5")]))
    assert () == sync.receive(delta(12, 13, bids=[("98", "6", "12"), ("97", "1", "13")]))
    assert [Level(98.0, 5.0), Level(97.0, 1.0)] == sync.book.bids[2:]


def test_rows_without_effect_are_counted_frame_by_frame() -> None:
    """Each once, however many there were before; also those that are replayed into a new book."""
    sync = live()
    for number in (12, 13, 14):
        sync.receive(delta(number, bids=[("0", "1"), ("55", "0")], asks=[("0", "0"), ("155", "0"), ("156", "0")]))
    assert (6, 9) == (sync.counters.price_zero, sync.counters.remove_absent)


def test_a_new_book_is_built_without_the_audit_of_the_old_one() -> None:
    """What is replayed into it is no delta of the copy, and does not pass its bound."""
    sync = live(settings=SyncSettings(audit_frames_max=1, reorder_hold_frames=1))
    sync.audit()
    for number in (13, 14, 15, 16):
        sync.receive(delta(number))
    assert ["StateChanged"] == kinds(sync.receive_snapshot(snapshot(12), depth="full"))
    assert ({}, 16) == (sync.counters.limits, sync.book.sequence)


# -- what was lost --


def test_a_value_that_cannot_be_held_leaves_a_hole_of_its_own_size() -> None:
    """It was heard, so the book is behind; it counts as rejected, not as applied."""
    sync = live()
    sync.receive(delta(12, bids=[("98", "99999999999999999999")]), SECOND)
    assert (2, {"number": 1}) == (sync.counters.frames - 1, sync.counters.rejected)
    assert 1 == sync.counters.applied
    assert (Gap(12, 13),) == sync.check(SECOND + 20 * MS)


def test_frames_lost_one_after_the_other_are_one_doubt() -> None:
    """Whichever was lost, a delta that continues the book says that it was none of them."""
    sync = live()
    for _ in range(3):
        sync.receive(delta(12)[:-9])
    sync.receive(delta(12))
    assert BookState.LIVE is sync.state


def test_no_gap_is_declared_where_the_hole_was_filled() -> None:
    """Though a lost frame still keeps the book from being LIVE."""
    sync = live()
    sync.receive(delta(13), SECOND)
    sync.receive(delta(14)[:-9], SECOND)
    sync.receive(delta(12), SECOND)
    assert not sync.book.is_live
    assert () == sync.check(2 * SECOND)
    assert 0 == sync.counters.gaps


def lost_beside_a_far_snapshot() -> BookSync:
    """Frames were lost while a snapshot at 50 was believed and after it was given up; the stream is at 12."""
    sync = BookSync("kucoin", SYMBOL, settings=SyncSettings(catch_up_frames=2))
    sync.receive(delta(10))
    sync.receive_snapshot(snapshot(50))
    sync.receive(delta(11)[:-9])
    sync.receive(delta(11))
    sync.receive(delta(12))
    assert sync.wants_snapshot
    sync.receive(delta(13)[:-9])
    return sync


def test_a_loss_is_not_forgotten_with_the_snapshot_that_was_given_up() -> None:
    """What was lost may have been the one after that snapshot: the stream, or a newer one, must show 51."""
    sync = lost_beside_a_far_snapshot()
    sync.receive_snapshot(snapshot(50))
    sync.receive(delta(13, 50))
    assert not sync.book.is_live
    sync.receive(delta(51))
    assert sync.book.is_live


def test_a_snapshot_beyond_a_loss_makes_up_for_it() -> None:
    """At the first sequence that may have been lost, or later."""
    sync = lost_beside_a_far_snapshot()
    sync.receive_snapshot(snapshot(51))
    sync.receive(delta(13, 51))
    assert BookState.LIVE is sync.state


# -- bounds, on both sides --


@pytest.mark.parametrize("side", ["bids", "asks"])
def test_a_side_may_have_levels_max_levels_and_not_one_more(side: str) -> None:
    """Whichever side it is."""
    sync = live(settings=SyncSettings(levels_max=3))
    third, fourth = {"bids": ("98", "97"), "asks": ("103", "104")}[side]
    rows: dict[str, Any] = {side: [(third, "1")]}
    assert () == sync.receive(delta(12, **rows))
    rows = {side: [(fourth, "1")]}
    events = sync.receive(delta(13, **rows))
    assert LimitReached("levels_max", 3) in events
    assert StateChanged(BookState.LIVE, BookState.SYNCING, "too many levels") in events


# -- a book that is given up awaits nothing on its own account --


def test_a_book_that_crosses_when_the_stream_reaches_it_is_not_dropped_once_more() -> None:
    """Its wait for the stream ended with it; only the new wish has a time."""
    sync = BookSync("kucoin", SYMBOL, settings=SyncSettings(link_silence_max_ms=None, symbol_silence_ms=None))
    sync.receive(delta(10), SECOND)
    sync.receive_snapshot(snapshot(20), SECOND)
    assert 3 * SECOND == sync.next_check_ns
    assert ["Crossed", "NeedSnapshot"] == kinds(sync.receive(delta(11, 21, bids=[("105", "1", "21")]), SECOND))
    assert 11 * SECOND + 250 * MS == sync.next_check_ns


@pytest.mark.parametrize("frame", [delta(12, bids=[("105", "1")]), delta(2)], ids=["crossed", "reset"])
@pytest.mark.parametrize("answer", ["probe", "snapshot"])
def test_a_book_that_is_given_up_is_no_more_compared_with_a_venue_ahead(frame: bytes, answer: str) -> None:
    """That wait ends with it, and so does an audit's."""
    sync = live(settings=SyncSettings(link_silence_max_ms=None, symbol_silence_ms=None, reset_window=4))
    if answer == "probe":
        sync.receive_probe(20, SECOND)
    else:
        sync.receive_snapshot(snapshot(20), SECOND)
    assert 2 * SECOND == sync.next_check_ns
    assert sync.receive(frame, SECOND)
    assert 11 * SECOND == sync.next_check_ns
    sync.check(2 * SECOND)
    assert 11 * SECOND == sync.next_check_ns


def test_a_stale_book_that_is_built_anew_trusts_its_snapshot_more_than_the_probe() -> None:
    """The probe may have been of elsewhere: what the snapshot says is newer."""
    sync = live()
    sync.receive_probe(30, SECOND)
    sync.check(2 * SECOND)
    sync.receive_snapshot(snapshot(12), 2 * SECOND)
    sync.receive(delta(12), 2 * SECOND)
    assert BookState.LIVE is sync.state
    assert () == sync.check(4 * SECOND)


def test_a_hole_behind_a_new_snapshot_has_its_whole_time() -> None:
    """The old book's hole was another one."""
    sync = live()
    sync.receive(delta(13), SECOND)
    sync.receive(delta(15), SECOND)
    sync.receive_snapshot(snapshot(12), SECOND + 10 * MS)
    assert () == sync.check(SECOND + 29 * MS)
    assert (Gap(14, 15),) == sync.check(SECOND + 30 * MS)


def test_a_snapshot_that_takes_the_place_of_one_ahead_is_not_dropped_in_its_time() -> None:
    """It has reached the stream; what it lacks is a lost frame."""
    sync = BookSync("kucoin", SYMBOL, settings=SyncSettings(link_silence_max_ms=None))
    sync.receive(delta(10), SECOND)
    sync.receive_snapshot(snapshot(20), SECOND)
    sync.receive(b'{"topic":"/market/level2:BTC-USDT"', SECOND)
    sync.receive(delta(11)[:-9], SECOND)
    sync.receive_snapshot(snapshot(10), SECOND)
    sync.check(4 * SECOND)
    sync.receive(delta(11, 21), 4 * SECOND)
    assert (BookState.LIVE, 21) == (sync.state, sync.book.sequence)


def test_an_observer_sees_every_content_before_its_deltas() -> None:
    """First as the snapshot gave it, then after each delta, also while it is built beside the old one."""
    seen: list[tuple[int, int | None]] = []

    def observe(content: BookContent, change: Delta | None) -> None:
        seen.append((content.sequence, None if change is None else change.sequence_end))

    sync = BookSync("kucoin", SYMBOL, observer=observe)
    sync.receive(delta(11))
    sync.receive(delta(12))
    sync.receive_snapshot(snapshot(10))
    sync.receive(delta(13))
    assert [(10, None), (11, 11), (12, 12), (13, 13)] == seen


def test_a_venue_seen_ahead_once_more_is_given_its_moment_once_more() -> None:
    """What was awaited the last time was settled then."""
    sync = live()
    sync.receive_probe(12, SECOND)
    sync.check(2 * SECOND)
    sync.receive(delta(12)[:-9], 2 * SECOND)
    sync.receive_probe(30, 2 * SECOND)
    sync.receive(delta(12), 2 * SECOND)
    assert BookState.LIVE is sync.state
    assert ["StateChanged", "NeedSnapshot"] == kinds(sync.check(3 * SECOND))


def test_a_new_book_does_not_inherit_an_unanswered_question() -> None:
    """The venue answered with a snapshot, twice the same: that is an answer."""
    sync = BookSync("kucoin", SYMBOL, settings=SyncSettings(link_silence_max_ms=None))
    sync.connection_opened(SECOND)
    sync.subscribed(SECOND)
    sync.receive(delta(10), SECOND)
    sync.receive_snapshot(snapshot(10), SECOND)
    for now_ns in (31 * SECOND, 41 * SECOND):
        sync.check(now_ns)
    assert BookState.STALE is sync.state
    sync.receive(delta(11)[:-9], 42 * SECOND)
    for now_ns in (42 * SECOND, 44 * SECOND):
        sync.check(now_ns)
        sync.receive_snapshot(snapshot(12), now_ns)
    assert (BookState.LIVE, 12) == (sync.state, sync.book.sequence)
