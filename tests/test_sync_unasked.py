"""``BookSync`` when its symbol is silent and its questions go unanswered: quiet or dead, nobody can say."""

from __future__ import annotations

import dataclasses

import pytest

from orderbook.errors import BookNotLive
from orderbook.events import NeedProbe, NeedSnapshot, StateChanged
from orderbook.settings import SyncSettings
from orderbook.sync import BookSync
from orderbook.types import BookState
from tests.kucoin_frames import SYMBOL, delta, kinds, snapshot

LIVE, STALE = BookState.LIVE, BookState.STALE
SECOND = 1_000_000_000
PONG = b'{"type":"pong"}'
REASON = "silent, and no answer of the venue says why"
SETTINGS = SyncSettings(link_silence_max_ms=None)


def asked(settings: SyncSettings = SETTINGS) -> BookSync:
    """A LIVE book at 10, silent since 1 s, that has asked for a probe at 31 s."""
    sync = BookSync("kucoin", SYMBOL, settings=settings)
    sync.connection_opened(SECOND)
    sync.subscribed(SECOND)
    sync.receive(delta(10), SECOND)
    sync.receive_snapshot(snapshot(10), SECOND)
    assert (NeedProbe(SYMBOL, "no delta for a while"),) == sync.check(31 * SECOND)
    return sync


def unasked(settings: SyncSettings = SETTINGS) -> BookSync:
    """The same book, whose probe was not answered."""
    sync = asked(settings)
    assert (StateChanged(LIVE, STALE, REASON),) == sync.check(41 * SECOND)
    return sync


def test_a_probe_without_an_answer_ends_live() -> None:
    """Exactly when its time is over, of which the driver is told; nothing is read any more."""
    sync = asked()

    assert 41 * SECOND == sync.next_check_ns
    assert () == sync.check(41 * SECOND - 1)
    assert (StateChanged(LIVE, STALE, REASON),) == sync.check(41 * SECOND)
    with pytest.raises(BookNotLive, match="says why"):
        sync.book.best_bid


def test_frames_without_a_delta_tell_nothing() -> None:
    """The link lives, the topic may not: with a time or without, and however many come."""
    sync = unasked()

    for received_ns in (42 * SECOND, 43 * SECOND, 0):
        assert () == sync.receive(PONG, received_ns)
    assert STALE is sync.state


def test_an_answer_that_the_venue_stands_still_makes_it_live_again() -> None:
    """Quiet, then. The next silence is a new one."""
    sync = unasked()

    assert (NeedProbe(SYMBOL, "no delta for a while"),) == sync.check(46 * SECOND)
    assert (StateChanged(STALE, LIVE, "in step with the stream"),) == sync.receive_probe(10, 47 * SECOND)
    assert "NeedProbe" in kinds(sync.check(51 * SECOND))
    assert () == sync.receive_probe(10, 51 * SECOND)
    assert 81 * SECOND == sync.next_check_ns


def test_it_asks_again_and_again() -> None:
    """As often as probes may be asked for, for as long as nothing comes."""
    sync = unasked()

    seconds = [second for second in range(42, 100) if sync.check(second * SECOND)]
    assert [46, 51, 56, 61, 66, 71, 76, 81, 86, 91, 96] == seconds
    assert STALE is sync.state


def test_an_answer_that_the_venue_moved_on_asks_for_a_snapshot() -> None:
    """Dead: it was silent for long, so no moment is given to the stream; LIVE with the delta that reaches the venue."""
    sync = unasked()

    assert (NeedSnapshot(SYMBOL, "venue ahead", 0, None),) == sync.receive_probe(12, 47 * SECOND)
    assert () == sync.receive_probe(12, 47 * SECOND)
    assert STALE is sync.state
    sync.receive(delta(11), 48 * SECOND)
    assert STALE is sync.state
    sync.receive(delta(12), 48 * SECOND)
    assert LIVE is sync.state


def test_a_snapshot_replaces_what_was_behind() -> None:
    """It is newer than the answer; the stream confirms it."""
    sync = unasked()
    sync.receive_probe(12, 47 * SECOND)

    assert ["StateChanged"] == kinds(sync.receive_snapshot(snapshot(12), 52 * SECOND))
    assert ["StateChanged"] == kinds(sync.receive(delta(13), 52 * SECOND))
    assert (LIVE, 13) == (sync.state, sync.book.sequence)


@pytest.mark.parametrize("received_ns", [42 * SECOND, 0])
def test_the_next_delta_is_an_answer(received_ns: int) -> None:
    """It continues the book, so nothing was missing."""
    sync = unasked()

    assert (StateChanged(STALE, LIVE, "in step with the stream"),) == sync.receive(delta(11), received_ns)


def test_what_comes_in_time_is_in_time() -> None:
    """An answer or a delta, a moment before the end, and no false alarm."""
    quiet, busy = asked(), asked()
    quiet.receive_probe(10, 41 * SECOND - 1)
    busy.receive(delta(11), 41 * SECOND - 1)

    assert () == quiet.check(41 * SECOND)
    assert () == busy.check(41 * SECOND)


def test_a_second_question_does_not_put_off_the_end() -> None:
    """The time counts from the first that was not answered."""
    sync = asked()

    assert (NeedProbe(SYMBOL, "an unusual silence"),) == sync.doubt(40 * SECOND)
    assert ["StateChanged"] == kinds(sync.check(41 * SECOND))


def test_a_new_book_needs_no_old_answer() -> None:
    """It was built from a snapshot that came after the question."""
    sync = asked()
    sync.receive(b'{"type":"message","topic":"/market/level2:' + SYMBOL.encode() + b'"', 32 * SECOND)
    sync.receive_snapshot(snapshot(11), 33 * SECOND)
    sync.receive_snapshot(snapshot(11), 34 * SECOND)
    sync.receive_probe(11, 34 * SECOND)

    assert () == tuple(event for event in sync.check(41 * SECOND) if isinstance(event, StateChanged))


def test_a_doubt_is_of_a_live_book_alone() -> None:
    """A driver that knows the symbol's usual gaps need not wait for ``symbol_silence_ms``."""
    sync = asked()
    sync.receive_probe(10, 32 * SECOND)

    assert (NeedProbe(SYMBOL, "an unusual silence"),) == sync.doubt(36 * SECOND)
    assert ["StateChanged"] == kinds(sync.check(46 * SECOND))
    assert () == sync.doubt(99 * SECOND)


def test_a_question_that_comes_too_early_is_put_off_for_as_long() -> None:
    """Not for a whole silence more."""
    sync = asked()
    sync.receive_probe(10, 32 * SECOND)
    sync.doubt(60 * SECOND)
    sync.receive_probe(10, 60 * SECOND)

    assert () == sync.check(61 * SECOND)
    assert (NeedProbe(SYMBOL, "no delta for a while"),) == sync.check(66 * SECOND)


def test_it_can_be_switched_off() -> None:
    """A driver that cannot ask, or whose symbols need no asking, keeps them LIVE for as long as the link is heard."""
    sync = asked(dataclasses.replace(SETTINGS, probe_timeout_ms=None))

    assert {"NeedProbe"} == {kind for second in range(32, 999) for kind in kinds(sync.check(second * SECOND))}
    assert LIVE is sync.state


def test_a_reset_found_by_the_late_answer() -> None:
    """The venue stands far below: it counts anew, and a snapshot is asked for."""
    sync = BookSync("kucoin", SYMBOL, settings=SETTINGS)
    sync.connection_opened(SECOND)
    sync.subscribed(SECOND)
    sync.receive(delta(1000), SECOND)
    sync.receive_snapshot(snapshot(1000), SECOND)
    sync.check(31 * SECOND)
    sync.check(41 * SECOND)

    assert ["SequenceReset", "StateChanged", "NeedSnapshot"] == kinds(sync.receive_probe(3, 42 * SECOND))


def lost(sync: BookSync, received_ns: int) -> list[str]:
    """A frame of the symbol that nobody can read."""
    return kinds(sync.receive(delta(11).replace(b"sequenceStart", b"sequenceStarx"), received_ns))


def test_what_is_confirmed_needs_no_answer() -> None:
    """Snapshots say twice that the venue stands still: LIVE then, and not only after a probe was answered."""
    sync = asked()
    assert ["FrameRejected", "StateChanged", "NeedSnapshot"] == lost(sync, 32 * SECOND)
    sync.check(42 * SECOND)
    sync.receive_snapshot(snapshot(10), 43 * SECOND)

    assert ["AuditPassed", "StateChanged"] == kinds(sync.receive_snapshot(snapshot(10), 44 * SECOND))
    assert (LIVE, False) == (sync.state, sync.wants_snapshot)
    assert () == sync.check(61 * SECOND - 1)


def test_no_moment_is_given_to_a_stream_that_was_silent_for_long() -> None:
    """Whatever the book waits for besides: the answer to the late question says that the topic is dead."""
    sync = asked()
    lost(sync, 32 * SECOND)
    sync.check(42 * SECOND)
    sync.check(61 * SECOND)
    sync.receive_probe(500, 62 * SECOND)

    sync.receive_snapshot(snapshot(10), 62 * SECOND)
    sync.receive_snapshot(snapshot(10), 62 * SECOND)
    sync.receive(PONG, 62 * SECOND)
    assert BookState.SYNCING is sync.state
    sync.receive(delta(11), 62 * SECOND)
    assert BookState.SYNCING is sync.state
    sync.receive_snapshot(snapshot(500), 63 * SECOND)
    sync.receive(delta(501), 63 * SECOND)
    assert (LIVE, 501) == (sync.state, sync.book.sequence)


@pytest.mark.parametrize("state", [LIVE, BookState.SYNCING, STALE])
def test_a_second_acknowledgement_puts_off_no_question(state: BookState) -> None:
    """A link that is replaced, a symbol that is subscribed anew: the silence goes on, and so do its questions."""
    sync = unasked() if state is STALE else asked()
    if state is not STALE:
        sync.receive_probe(10, 32 * SECOND)
    if state is BookState.SYNCING:
        lost(sync, 40 * SECOND)
    due_ns = 46 * SECOND if state is STALE else 61 * SECOND
    sync.subscribed(45 * SECOND)

    asks = [second for second in range(45, 80) if "NeedProbe" in kinds(sync.check(second * SECOND))]
    assert due_ns == asks[0] * SECOND


def test_an_acknowledgement_begins_a_silence_that_nobody_dated() -> None:
    """A driver that has a clock only now: from here on, it counts."""
    sync = BookSync("kucoin", SYMBOL, settings=SETTINGS)
    sync.receive(delta(10))
    sync.receive_snapshot(snapshot(10))
    assert None is sync.next_check_ns
    sync.subscribed(SECOND)

    assert (NeedProbe(SYMBOL, "no delta for a while"),) == sync.check(31 * SECOND)


# --- a stream that says nothing while the venue moves on ---


def left_behind(sync: BookSync, sequence: int, at_s: int) -> None:
    """The venue is at a sequence, of which the stream says nothing."""
    sync.doubt(at_s * SECOND)
    sync.receive_probe(sequence, at_s * SECOND)
    sync.check((at_s + 1) * SECOND)
    assert (STALE, f"venue ahead by {sequence - sync.book.sequence}") == (sync.state, sync.book.reason)
    sync.receive_snapshot(snapshot(sequence), (at_s + 1) * SECOND, depth="full")


def confirmed(sync: BookSync, sequence: int, at_s: int) -> BookState:
    """What a probe that finds the venue where the book is makes of it, or else the same snapshot, asked for again."""
    sync.receive_probe(sequence, at_s * SECOND)
    if sync.state is not LIVE:
        sync.receive_snapshot(snapshot(sequence), at_s * SECOND, depth="full")
        sync.check((at_s + 3) * SECOND)
        sync.receive_snapshot(snapshot(sequence), (at_s + 3) * SECOND, depth="full")
    return sync.state


def mute() -> BookSync:
    """A book that was found behind twice in one silence, and holds a snapshot that its stream has not reached."""
    sync = asked()
    left_behind(sync, 20, 32)
    assert LIVE is confirmed(sync, 20, 34)
    left_behind(sync, 30, 36)
    return sync


def test_a_stream_that_was_found_behind_twice_has_to_speak() -> None:
    """Once it may have been the last delta that was lost; after that no mere answer makes it LIVE, a delta does."""
    sync = mute()
    for at_s in range(38, 98, 10):
        assert LIVE is not confirmed(sync, 30, at_s)
    sync.receive_snapshot(snapshot(30), 99 * SECOND, depth="full")
    sync.receive(delta(31), 99 * SECOND)
    assert (LIVE, 31) == (sync.state, sync.book.sequence)


def test_what_cannot_be_read_is_no_speech_of_a_mute_stream() -> None:
    """Nor are other frames of the link: only a delta ends the silence."""
    sync = mute()
    assert (1, 1) == (sync.counters.deltas, sync.counters.frames)
    for at_s in range(38, 98, 10):
        sync.receive(b"{", at_s * SECOND)
        sync.receive(PONG, at_s * SECOND)
        assert LIVE is not confirmed(sync, 30, at_s)
    assert (1, 7) == (sync.counters.deltas, sync.counters.frames)


def test_a_repetition_is_no_speech_of_a_mute_stream() -> None:
    """It was said before; only what was never heard tells that the stream goes on."""
    sync = mute()
    for at_s in range(38, 98, 10):
        sync.receive(delta(10), at_s * SECOND)
        assert LIVE is not confirmed(sync, 30, at_s)
    assert (1, 7, 7) == (sync.counters.deltas, sync.counters.frames, sync.counters.duplicates)


def test_a_delta_that_was_heard_was_heard() -> None:
    """Though it turns out later that the book cannot hold it: how many there were never goes down."""
    sync = BookSync("kucoin", SYMBOL)
    sync.receive(delta(10))
    sync.receive(delta(11, bids=[("0." + "0" * 17 + "1", "9" * 17)]))
    assert 2 == sync.counters.deltas
    sync.receive_snapshot(snapshot(10), depth="full")
    assert (2, 1) == (sync.counters.deltas, sync.counters.rejected_count)


def test_a_stream_that_is_subscribed_anew_may_be_quiet() -> None:
    """So answers confirm the book again, until the venue moves on without it."""
    sync = mute()
    sync.subscribed(38 * SECOND)
    assert LIVE is confirmed(sync, 30, 39)
    left_behind(sync, 40, 44)
    assert LIVE is not confirmed(sync, 40, 46)


def test_an_unusual_silence_is_asked_about_at_once() -> None:
    """However short ago another question was, if it was answered; otherwise one question is enough."""
    sync = asked()
    assert () == sync.doubt(32 * SECOND)
    sync.receive_probe(10, 32 * SECOND)
    assert (NeedProbe(SYMBOL, "an unusual silence"),) == sync.doubt(32 * SECOND)


def test_an_answer_that_comes_late_but_before_the_timer_is_one() -> None:
    """Its book is still LIVE: the stream has its moment to show what the answer knows, and nothing is asked for."""
    sync = asked()
    assert () == sync.receive_probe(11, 42 * SECOND)
    assert (LIVE, False) == (sync.state, sync.wants_snapshot)


def test_only_a_live_book_waits_for_an_answer() -> None:
    """Another has no promise to lose."""
    sync = BookSync("kucoin", SYMBOL, settings=SyncSettings(probe_timeout_ms=3_000))
    sync.connection_opened(SECOND)
    sync.subscribed(SECOND)
    assert "NeedProbe" in kinds(sync.receive(b"{", 2 * SECOND))
    assert 7 * SECOND == sync.next_check_ns
