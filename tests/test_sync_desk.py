"""What ``BookSync`` asks for, how often and how late; and what it takes from a driver."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from orderbook.book import OrderBook
from orderbook.errors import UsageError
from orderbook.events import NeedProbe, NeedSnapshot
from orderbook.fixedpoint import SEQUENCE_MAX
from orderbook.settings import SyncSettings
from orderbook.sync import BookSync
from orderbook.sync.desk import Desk
from orderbook.sync.table import Verdict
from orderbook.types import BookState
from tests.kucoin_frames import BIDS, SYMBOL, delta, kinds, live, snapshot
from tests.unchecked import unchecked

MS = 1_000_000
SECOND = 1_000 * MS
LONG = SyncSettings(link_silence_max_ms=None, symbol_silence_ms=None, probe_timeout_ms=None)


def delays(events: object) -> list[int]:
    """Of the snapshots that are asked for."""
    assert isinstance(events, tuple)
    return [event.delay_ms for event in events if isinstance(event, NeedSnapshot)]


def desk(settings: SyncSettings) -> Desk:
    """One that may ask, on its own."""
    found = Desk(OrderBook(SYMBOL), None, settings)
    found.go(Verdict.OPEN, "opened")
    found.subscribed = True
    return found


# -- snapshots --


def test_a_delay_doubles_up_to_its_cap_and_never_grows_long() -> None:
    """After years of failures it is still a number of milliseconds."""
    settings = SyncSettings(snapshot_retry_ms=3, snapshot_retry_max_ms=10**15)
    for attempts, expected in ((0, 0), (1, 3), (2, 6), (3, 12), (31, 3 * 2**30), (32, 3 * 2**30), (10**6, 3 * 2**30)):
        one = desk(settings)
        one.attempts = attempts
        one.ask("again")
        assert one.wish is not None
        assert expected == one.wish.delay_ms
    capped = desk(SyncSettings(snapshot_retry_ms=3, snapshot_retry_max_ms=5))
    capped.attempts = 2
    capped.ask("again")
    assert capped.wish is not None
    assert 5 == capped.wish.delay_ms


def test_a_wish_has_its_delay_and_its_timeout() -> None:
    """To the nanosecond; then it is repeated, and each of them counts for the loss."""
    sync = live(settings=LONG)
    sync.receive(delta(12, bids=[("105", "1")]), SECOND)
    assert delays(sync.receive_snapshot(b"", SECOND)) == [250]
    deadline_ns = SECOND + 250 * MS + 10_000 * MS
    assert deadline_ns == sync.next_check_ns
    assert () == sync.check(deadline_ns - 1)
    assert [250] == delays(sync.check(deadline_ns))
    assert sync.journal.open is not None
    assert (3, 4) == (sync.journal.open.snapshots_asked, sync.counters.snapshots_asked)


@pytest.mark.parametrize(("calm", "expected"), [(2, [0, 250]), (3, [0, 250]), (4, [0, 0])])
def test_a_book_is_calm_after_more_than_calm_frames(calm: int, expected: list[int]) -> None:
    """Counted in deltas applied since it last proved wrong."""
    sync = live(settings=SyncSettings(calm_frames=3))
    found = delays(sync.receive(delta(12, bids=[("105", "1")])))
    sync.receive_snapshot(snapshot(12), depth="full")
    for number in range(13, 12 + calm):
        sync.receive(delta(number))
    found += delays(sync.receive(delta(12 + calm, bids=[("105", "1")])))
    assert expected == found


def test_after_a_calm_time_the_delays_begin_anew() -> None:
    """The first time at once, the second with the first delay, as at the beginning."""
    sync = live(settings=SyncSettings(calm_frames=3))
    found = []
    for number in (12, 13, 20, 21):
        for calm in range(sync.book.sequence + 1, number):
            sync.receive(delta(calm))
        found += delays(sync.receive(delta(number, bids=[("105", "1")])))
        sync.receive_snapshot(snapshot(number), depth="full")
        assert BookState.LIVE is sync.state
    assert [0, 250, 0, 250] == found


def test_a_reset_before_anything_was_asked_for_makes_no_answer_void() -> None:
    """Before the acknowledgement, nothing is asked for: the first answer is one of the new count."""
    sync = BookSync("kucoin", SYMBOL)
    sync.connection_opened()
    sync.receive(delta(200))
    assert ["SequenceReset"] == kinds(sync.receive(delta(100)))
    sync.subscribed()
    sync.receive_snapshot(snapshot(100), depth="full")
    assert (BookState.LIVE, 0) == (sync.state, sync.counters.snapshots_rejected.total())


def test_a_question_of_an_earlier_link_makes_no_answer_void() -> None:
    """Nor does it count as under way: what a reset spoils is what was asked on this link."""
    sync = live(settings=LONG)
    sync.subscribed(SECOND)
    assert ["NeedProbe"] == kinds(sync.doubt(SECOND))
    sync.connection_lost(SECOND)
    sync.connection_opened(SECOND)
    sync.subscribed(SECOND)
    sync.receive(delta(200), SECOND)
    sync.receive_snapshot(snapshot(200), SECOND, depth="full")
    assert "SequenceReset" in kinds(sync.receive(delta(100), SECOND))
    sync.receive_snapshot(snapshot(100), SECOND, depth="full")
    assert BookState.LIVE is sync.state
    sync.receive_probe(101, SECOND)
    assert ["StateChanged", "NeedSnapshot"] == kinds(sync.check(2 * SECOND))


def test_what_was_asked_for_while_live_does_not_delay_what_is_asked_for_now() -> None:
    """Nor do the troubles of an earlier link delay the next one."""
    sync = live()
    sync.audit()
    for _ in range(4):
        sync.receive_snapshot(b"")
    assert [0] == delays(sync.receive(delta(12)[:-9]))
    for _ in range(4):
        sync.receive_snapshot(b"")
    sync.connection_lost()
    sync.connection_opened()
    sync.subscribed()
    assert [0] == delays(sync.receive(delta(20)))


def test_an_answer_that_nobody_waits_for_asks_for_nothing() -> None:
    """Whatever is wrong with it."""
    sync = live()
    assert ["SnapshotRejected"] == kinds(sync.receive_snapshot(b""))
    assert ["SnapshotRejected"] == kinds(sync.receive_snapshot(snapshot(3)))
    assert {"json": 1, "old": 1} == sync.counters.snapshots_rejected


# -- probes --


def test_a_question_is_asked_again_after_its_interval() -> None:
    """Not a nanosecond earlier, answered or not."""
    sync = live(settings=LONG)
    assert ["FrameRejected", "NeedProbe"] == kinds(sync.receive(b"{", SECOND))
    assert ["FrameRejected"] == kinds(sync.receive(b"{", 6 * SECOND - 1))
    assert ["FrameRejected", "NeedProbe"] == kinds(sync.receive(b"{", 6 * SECOND))
    sync.receive_probe(11, 6 * SECOND)
    assert ["FrameRejected"] == kinds(sync.receive(b"{", 11 * SECOND - 1))
    assert ["FrameRejected", "NeedProbe"] == kinds(sync.receive(b"{", 11 * SECOND))
    assert 3 == sync.counters.probes_asked


def test_a_new_link_may_ask_at_once_and_has_asked_nothing_yet() -> None:
    """The interval, and the question, were the old link's."""
    sync = live(settings=LONG)
    sync.receive(b"{", SECOND)
    sync.connection_lost(SECOND)
    sync.connection_opened(SECOND)
    sync.subscribed(SECOND)
    sync.receive(delta(1_000), SECOND)
    sync.receive_snapshot(snapshot(1_000), SECOND)
    frames = sync.counters.frames
    assert () == sync.receive_probe(3, SECOND)
    assert ["FrameRejected", "NeedProbe"] == kinds(sync.receive(b"{", 2 * SECOND))
    assert frames + 1 == sync.counters.frames


def test_an_answer_is_the_answer_to_one_question() -> None:
    """A second one, far below, may be old; only the first can say that the venue counts anew."""
    sync = BookSync("kucoin", SYMBOL)
    sync.receive(delta(1_000))
    sync.receive_snapshot(snapshot(1_000))
    sync.receive(b"{")
    assert () == sync.receive_probe(1_000)
    assert () == sync.receive_probe(3)


def test_the_silence_of_a_symbol_is_asked_about_again_and_again() -> None:
    """Every ``symbol_silence_ms``, for as long as the answer is that nothing moved."""
    sync = BookSync("kucoin", SYMBOL, settings=SyncSettings(link_silence_max_ms=None))
    sync.connection_opened(SECOND)
    sync.subscribed(SECOND)
    sync.receive(delta(10), SECOND)
    sync.receive_snapshot(snapshot(10), SECOND)
    for now_ns in (31 * SECOND, 61 * SECOND, 91 * SECOND):
        assert now_ns == sync.next_check_ns
        assert () == sync.check(now_ns - 1)
        assert (NeedProbe(SYMBOL, "no delta for a while"),) == sync.check(now_ns)
        assert () == sync.receive_probe(10, now_ns)


# -- timers --


def test_a_first_delta_is_awaited_once() -> None:
    """Then the snapshot is asked for, and its own time counts."""
    sync = BookSync("kucoin", SYMBOL, settings=LONG)
    sync.connection_opened(SECOND)
    sync.subscribed(SECOND)
    assert [0] == delays(sync.check(2 * SECOND))
    assert 12 * SECOND == sync.next_check_ns
    assert () == sync.check(11 * SECOND)
    assert [0] == delays(sync.check(12 * SECOND))


def test_two_waits_that_end_together_are_judged_one_after_the_other() -> None:
    """What the first one does may end the second one's reason."""
    sync = live(settings=SyncSettings(symbol_silence_ms=None, probe_catch_up_ms=5_000))
    sync.receive(delta(12), SECOND)
    sync.receive_probe(20, SECOND)
    events = sync.check(6 * SECOND)
    assert ["StateChanged"] == kinds(events)
    assert "nothing heard" in repr(events)


# -- a driver's inputs --

WITHOUT_A_TIME: dict[str, Callable[[BookSync], object]] = {
    "connection_opened": lambda sync: sync.connection_opened(),
    "subscribed": lambda sync: sync.subscribed(),
    "connection_lost": lambda sync: sync.connection_lost(),
    "halt": lambda sync: sync.halt("x"),
    "fail": lambda sync: sync.fail("x"),
    "close": lambda sync: sync.close(),
    "receive": lambda sync: sync.receive(delta(14)),  # not the next one, which may be taken without a look at anything
    "receive_snapshot": lambda sync: sync.receive_snapshot(snapshot(12)),
    "receive_probe": lambda sync: sync.receive_probe(12),
    "audit": lambda sync: sync.audit(),
    "doubt": lambda sync: sync.doubt(),
}


@pytest.mark.parametrize("name", WITHOUT_A_TIME)
def test_an_input_without_a_time_is_one_without_a_clock(name: str) -> None:
    """It dates nothing, whatever time another input had."""
    sync = live()
    sync.check(SECOND)
    WITHOUT_A_TIME[name](sync)
    assert 0 == sync._desk.now_ns


def test_a_closed_book_counts_nothing() -> None:
    """Neither frames nor answers."""
    sync = live()
    sync.close()
    before = sync.counters.to_json()
    for body in (delta(12), b"{", b'{"type":"pong"}'):
        assert () == sync.receive(body)
    for body in (snapshot(12), b""):
        assert () == sync.receive_snapshot(body)
    assert () == sync.receive_probe(99)
    assert before == sync.counters.to_json()


def test_any_sequence_there_can_be_is_a_probe() -> None:
    """From 0 to the largest; one more is a mistake."""
    for sequence in (0, 1, SEQUENCE_MAX):
        live().receive_probe(sequence)
    for wrong in (-1, SEQUENCE_MAX + 1):
        with pytest.raises(UsageError, match="sequence number"):
            live().receive_probe(wrong)


def test_any_depth_there_can_be_is_a_depth() -> None:
    """One level is the least; what is wrong is shown, shortened."""
    for depth in (1, 50, "full", None):
        BookSync("kucoin", SYMBOL, snapshot_depth=depth)
        live().receive_snapshot(snapshot(11), depth=depth)
    with pytest.raises(UsageError, match=r"not 0$"):
        live().receive_snapshot(snapshot(11), depth=0)
    with pytest.raises(UsageError, match=f"not '{'x' * 39}$"):
        BookSync("kucoin", SYMBOL, snapshot_depth=unchecked("x" * 99))


def test_the_depth_that_is_told_with_an_answer_goes_before_the_one_told_at_first() -> None:
    """And that one before the guess."""
    for told, stated, partial in ((2, None, True), (2, "full", False), ("full", 2, True), (3, None, False)):
        sync = BookSync("kucoin", SYMBOL, snapshot_depth=unchecked(told))
        sync.receive(delta(11))
        sync.receive_snapshot(snapshot(10), depth=unchecked(stated))
        assert partial == (sync.book.bids.horizon is not None)


@pytest.mark.parametrize("count", [3, 4])
def test_a_snapshot_may_have_levels_max_levels_on_either_side(count: int) -> None:
    """One more is refused, with both numbers."""
    rows = [(str(200 + number), "1") for number in range(count)]
    for bids, asks in ((rows, ()), (BIDS, rows)):
        sync = BookSync("kucoin", SYMBOL, settings=SyncSettings(levels_max=3))
        sync.receive(delta(11))
        events = sync.receive_snapshot(snapshot(10, bids, asks), depth="full")
        assert (count == 3) == (BookState.LIVE is sync.state)
        assert count == 3 or f"{count} levels on a side; the limit is 3" in repr(events)


def test_a_broken_frame_of_another_symbol_or_topic_is_ignored_and_one_of_nobody_is_not() -> None:
    """Whose a frame is decides what its loss means."""
    sync = live()
    sync.receive(delta(12, bids=[("98", "NaN")], symbol="ETH-USDT"))
    sync.receive('{"type":"message","topic":"/market/ticker:BTC-USDT","subject":"x","data":{}}')
    assert (2, 0) == (sync.counters.ignored, sync.counters.rejected_count)
    sync.receive(b"{")
    assert (2, 1) == (sync.counters.ignored, sync.counters.rejected_count)
    assert BookState.LIVE is sync.state


def test_snapshots_that_stay_ahead_are_asked_for_later_each_time() -> None:
    """As are those that are no use in another way; the stream's reaching one ends that."""
    sync = BookSync("kucoin", SYMBOL, settings=SyncSettings(catch_up_frames=1))
    found = delays(sync.receive(delta(10)))
    for number in (11, 12, 13):
        sync.receive_snapshot(snapshot(5_000 + number))
        found += delays(sync.receive(delta(number)))
    assert [0, 250, 500, 1_000] == found


def test_a_buffered_delta_that_cannot_be_held_asks_once() -> None:
    """It is the next one, so nothing is missing but what it said: the wish is the first of its kind."""
    sync = BookSync("kucoin", SYMBOL)
    sync.receive(delta(12, bids=[("0.01", "1")]))
    assert [0] == delays(sync.receive_snapshot(snapshot(11, [("900000000000000000", "1")], ()), depth="full"))
    assert [250] == delays(sync.receive_snapshot(b""))


def test_a_lost_frame_that_the_stream_made_up_for_asks_for_nothing() -> None:
    """The book only waits for the link to be heard again."""
    sync = BookSync("kucoin", SYMBOL)
    sync.connection_opened(SECOND)
    sync.subscribed(SECOND)
    sync.receive(delta(11), SECOND)
    sync.receive(delta(12)[:-9], SECOND)
    sync.receive(delta(12), SECOND)
    sync.receive_snapshot(snapshot(10), 7 * SECOND, depth="full")
    assert (BookState.SYNCING, False) == (sync.state, sync.wants_snapshot)
    sync.receive(b'{"type":"pong"}', 8 * SECOND)
    assert (BookState.LIVE, 12) == (sync.state, sync.book.sequence)
