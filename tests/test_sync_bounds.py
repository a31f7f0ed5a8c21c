"""``BookSync`` on KuCoin's own bytes, one story at a time: bounds, freshness, withheld books, misuse."""

from __future__ import annotations

import dataclasses
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from orderbook.errors import BookNotLive, FrameError, UnknownVenue, UsageError
from orderbook.events import (
    FrameRejected,
    LimitReached,
    NeedProbe,
    NeedSnapshot,
    SnapshotRejected,
    StateChanged,
)
from orderbook.settings import SyncSettings
from orderbook.sync import BookSync
from orderbook.sync.table import OLDER_MAX
from orderbook.types import BookState
from orderbook.venues import venue_named
from orderbook.venues.base import decode_frame
from tests.kucoin_frames import SYMBOL, delta, kinds, live, snapshot
from tests.unchecked import unchecked

CONNECTING, SYNCING, LIVE, STALE = BookState.CONNECTING, BookState.SYNCING, BookState.LIVE, BookState.STALE
MS = 1_000_000
SECOND = 1_000 * MS


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
    assert sync.check(2 * SECOND) == (
        StateChanged(LIVE, STALE, "venue ahead by 12"),
        NeedSnapshot(SYMBOL, "venue ahead", 0, None),
    )
    assert sync.receive_probe(24, 2 * SECOND) == ()
    sync.receive(delta(12, 23), 3 * SECOND)
    assert sync.state is STALE
    sync.receive(delta(24), 3 * SECOND)
    assert sync.state is LIVE


@pytest.mark.parametrize("is_old", [False, True])
@pytest.mark.parametrize("state", [STALE, SYNCING])
def test_a_venue_that_was_not_ahead_after_all_does_not_withhold_the_book_for_ever(
    state: BookState, is_old: bool
) -> None:
    """A probe named what the stream will never reach; the stream goes on, and no snapshot is beyond the book."""
    sync = live()
    sync.receive_probe(1_000_000, SECOND)
    sync.check(2 * SECOND)
    if state is SYNCING:
        sync.receive(delta(13), 2 * SECOND)
    waited_ms = []
    for number in range(12, 12 + OLDER_MAX + 1):
        assert (state, True) == (sync.state, sync.wants_snapshot)
        assert sync._desk.wish is not None
        waited_ms.append(sync._desk.wish.delay_ms)
        sync.receive(delta(number), 3 * SECOND)
        sync.receive_snapshot(snapshot(number - is_old), 3 * SECOND, depth="full")
    assert [0, 250, 500, 1_000, 2_000] == waited_ms
    assert (LIVE, 12 + OLDER_MAX, False) == (sync.state, sync.book.sequence, sync.wants_snapshot)
    assert () == sync.check(7 * SECOND)


@pytest.mark.parametrize("has_stragglers", [False, True])
def test_old_answers_do_not_outvote_a_venue_that_is_ahead_of_a_mute_stream(has_stragglers: bool) -> None:
    """Nothing new came since, so they may be a cache's. Another probe that is farther on begins the count anew."""
    sync = live()
    sync.receive_probe(23, SECOND)
    sync.check(2 * SECOND)
    for step in range(2 * OLDER_MAX):
        if has_stragglers:
            sync.receive(delta(10 - step), 3 * SECOND)  # which the book has, though it was never heard
        sync.receive_snapshot(snapshot(11), 3 * SECOND, depth="full")
        assert (STALE, True) == (sync.state, sync.wants_snapshot)
    sync.receive(delta(12), 3 * SECOND)
    sync.receive_probe(24, 3 * SECOND)
    sync.receive_snapshot(snapshot(12), 3 * SECOND, depth="full")
    assert STALE is sync.state


def refuted(sync: BookSync, *, count: int) -> None:
    """A probe named what the venue is not at; so many old answers are not beyond the book, and the stream goes on."""
    sync.receive_probe(1_000_000, SECOND)
    sync.check(2 * SECOND)
    for number in range(12, 12 + count):
        sync.receive(delta(number), 3 * SECOND)
        sync.receive_snapshot(snapshot(11), 3 * SECOND, depth="full")


def test_old_answers_do_not_make_up_for_a_lost_frame() -> None:
    """They may tell that the venue was not ahead, not that the book is whole; the stream does, when it goes on."""
    sync = live()
    refuted(sync, count=OLDER_MAX)
    sync.receive(b'{"topic": "/market/level2:BTC-USDT", "type": "message", "data": {}}', 3 * SECOND)
    for _ in range(3):
        sync.receive_snapshot(snapshot(11), 3 * SECOND, depth="full")
        assert SYNCING is sync.state
    sync.receive(delta(12 + OLDER_MAX), 3 * SECOND)
    sync.receive_snapshot(snapshot(11), 3 * SECOND, depth="full")
    assert (LIVE, 12 + OLDER_MAX) == (sync.state, sync.book.sequence)


@pytest.mark.parametrize("is_unasked", [False, True])
def test_a_venue_that_is_seen_ahead_again_is_believed_as_at_first(is_unasked: bool) -> None:
    """What was said against it before it was seen there again is void: the stream may have fallen mute since."""
    sync = live()
    refuted(sync, count=OLDER_MAX + 1)
    assert LIVE is sync.state
    sync.receive(delta(13 + OLDER_MAX), 3 * SECOND)
    if is_unasked:
        sync.doubt(3 * SECOND)
        sync.receive(b'{"type": "pong"}', 13 * SECOND)
        assert STALE is sync.state
    sync.receive_probe(1_000_000, 13 * SECOND)
    sync.check(14 * SECOND)
    for _ in range(2 * OLDER_MAX):
        sync.receive_snapshot(snapshot(11), 15 * SECOND, depth="full")
        assert STALE is sync.state


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


def test_a_last_delta_that_was_lost_before_a_quiet_time_is_made_up_for() -> None:
    """The probe tells, the snapshot repairs, the same snapshot again confirms."""
    sync = live()
    sync.receive_probe(12, SECOND)
    sync.check(2 * SECOND)
    assert sync.state is STALE
    assert kinds(sync.receive_snapshot(snapshot(12), 2 * SECOND)) == ["StateChanged"]
    assert kinds(sync.check(4 * SECOND)) == ["NeedSnapshot"]
    sync.receive_snapshot(snapshot(12), 4 * SECOND)
    assert (sync.state, sync.book.sequence) == (LIVE, 12)


def test_a_probe_far_behind_means_that_the_venue_counts_anew() -> None:
    """A silent topic after a reset would otherwise look quiet for ever. Only if nothing came since it was asked for."""
    sync = BookSync("kucoin", SYMBOL)
    sync.receive(delta(1_000))
    sync.receive_snapshot(snapshot(1_000))
    assert sync.receive_probe(3) == ()
    sync.receive(b"{")
    assert kinds(sync.receive_probe(3)) == ["SequenceReset", "StateChanged", "NeedSnapshot"]
    busy = BookSync("kucoin", SYMBOL)
    busy.receive(delta(1_000))
    busy.receive_snapshot(snapshot(1_000))
    busy.receive(b"{")
    busy.receive(delta(1_001))
    assert busy.receive_probe(3) == ()
    assert busy.state is LIVE


def test_a_timer_that_was_judged_does_not_call_again() -> None:
    """A driver that sleeps until ``next_check_ns`` must not spin."""
    sync = BookSync("kucoin", SYMBOL)
    sync.connection_opened(SECOND)
    sync.subscribed(SECOND)
    sync.receive(delta(10), SECOND)
    for now_ns in (7 * SECOND, 12 * SECOND, 40 * SECOND):
        sync.check(now_ns)
        assert sync.next_check_ns is None or sync.next_check_ns > now_ns


def test_frames_without_a_time_arm_no_link_timer() -> None:
    """Then only counts apply, whatever clock ``check`` is called with."""
    sync = live()
    sync.check(SECOND)
    assert sync.check(100 * SECOND) == ()
    assert sync.state is LIVE


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
    for symbol, advice in (("BTCUSDT", "did you mean BTC-USDT"), ("BTC USDT", "they look like BTC-USDT")):
        with pytest.raises(UsageError, match=advice):
            BookSync("kucoin", symbol)
    for depth in (0, -1, True, "deep", 1.5):
        with pytest.raises(UsageError, match="snapshot depth"):
            BookSync("kucoin", SYMBOL, snapshot_depth=unchecked(depth))
    sync = live()
    with pytest.raises(UsageError, match="bytes or text"):
        sync.receive(unchecked(None))
    with pytest.raises(UsageError, match="bytes or text"):
        sync.receive_snapshot(unchecked(5))
    for sequence in (-1, True, "5", 1.0):
        with pytest.raises(UsageError, match="sequence number"):
            sync.receive_probe(unchecked(sequence))
    assert sync.state is LIVE


@pytest.mark.parametrize(
    "wrong",
    [
        *({"reset_window": -1}, {"buffer_frames_max": 0}, {"trusted_levels_min": float("inf")}, {"catch_up_ms": True}),
        *({"trusted_levels_min": 1.5}, {"frame_bytes_max": 10**18 + 1}, {"levels_max": 10**5000}),
    ],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, object]) -> None:
    """With the name of the setting."""
    with pytest.raises(UsageError, match=next(iter(wrong))):
        SyncSettings(**unchecked(wrong))


@pytest.mark.parametrize(
    "wrap",
    [bytes, bytearray, memoryview, lambda frame: frame.decode(), lambda frame: memoryview(bytes(2) + frame)[::2]],
    ids=["bytes", "bytearray", "view", "text", "every other byte"],
)
def test_a_frame_that_is_too_long_is_not_copied(wrap: Callable[[bytes], Any]) -> None:
    """Whose it was is guessed from its start; memory is needed for no more than may be decoded."""
    start = b'{"topic":"/market/level2:BTC-USDT",'
    frame = wrap(start + bytes(20_000_000 - len(start)))
    settings = SyncSettings(frame_bytes_max=10_000)
    symbol = None if isinstance(frame, memoryview) and not frame.contiguous else "BTC-USDT"
    tracemalloc.start()
    try:
        message = decode_frame(venue_named("kucoin"), frame, settings.frame_bytes_max)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert isinstance(message, FrameError)
    assert ("size", symbol) == (message.reason, message.symbol)
    assert peak < 1_000_000
