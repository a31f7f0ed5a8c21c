"""Deltas out of turn: one that was heard before another one that it follows. Swapped on the way, or of an old count?"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from orderbook.settings import SyncSettings
from orderbook.sync import BookSync
from orderbook.sync.buffer import DeltaBuffer
from orderbook.sync.table import OLDER_MAX
from orderbook.types import BookState
from tests.kucoin_frames import SYMBOL, delta, kinds, live, snapshot

ASKS = (("101", "1"),)
WINDOW = SyncSettings().reset_window
SECOND = 1_000_000_000


def swapped(now_ns: int = 0) -> BookSync:
    """A book that is built of a snapshot at 10 and of 11, which came after 12."""
    sync = BookSync("kucoin", SYMBOL)
    sync.connection_opened(now_ns)
    sync.subscribed(now_ns)
    sync.receive(delta(12), now_ns)
    sync.receive(delta(11), now_ns)
    sync.receive_snapshot(snapshot(10), now_ns, depth="full")
    return sync


def test_a_delta_of_the_old_count_is_no_part_of_a_book_of_the_new_one() -> None:
    """The venue counts anew while no book is there; the new count climbs to the number of a delta that waits."""
    sync = BookSync("kucoin", SYMBOL)
    sync.receive(delta(1_003, bids=[("99", "7")]))
    sync.receive(delta(1_001, bids=[("98", "5")]))
    sync.receive_snapshot(snapshot(1_001, (("98", "5"),), ASKS), depth="full")
    sync.receive(delta(1_002, bids=[("97", "5")]))
    assert BookState.SYNCING is sync.state
    assert "SequenceReset" in kinds(sync.receive(delta(1_003, bids=[("96", "5")])))
    sync.receive_snapshot(b"")  # what was asked for before is no use
    sync.receive_snapshot(snapshot(1_003, (("98", "5"), ("97", "5"), ("96", "5")), ASKS), depth="full")
    sync.receive(delta(1_004))
    assert (BookState.LIVE, 1_004) == (sync.state, sync.book.sequence)
    assert [98.0, 97.0, 96.0] == [price for price, _ in sync.book.bids]


def test_swapped_deltas_wait_for_more() -> None:
    """Their order says nothing for sure, so the venue is asked where it is."""
    sync = BookSync("kucoin", SYMBOL)
    sync.receive(delta(12))
    sync.receive(delta(11))
    assert ["NeedProbe"] == kinds(sync.receive_snapshot(snapshot(10), depth="full"))
    assert (BookState.SYNCING, 12) == (sync.state, sync._machine.last)


@pytest.mark.parametrize(
    "more",
    [
        lambda sync: sync.receive(delta(13)),
        lambda sync: sync.receive_probe(12),
        lambda sync: sync.receive_snapshot(snapshot(12), depth="full"),
        lambda sync: [sync.receive_snapshot(snapshot(13), depth="full"), sync.receive(delta(13))],
    ],
    ids=["the next delta", "a probe", "a snapshot", "a farther snapshot"],
)
def test_whatever_comes_beyond_swapped_deltas_joins_them(more: Callable[[BookSync], object]) -> None:
    """Another count would not have got there."""
    sync = swapped()
    more(sync)
    assert BookState.LIVE is sync.state


def test_a_hole_of_a_live_book_is_filled_as_before() -> None:
    """It was one count before the hole, and a late delta is no news."""
    sync = live()
    sync.receive(delta(13))
    assert BookState.SYNCING is sync.state
    sync.receive(delta(12))
    assert (BookState.LIVE, 13) == (sync.state, sync.book.sequence)


@pytest.mark.parametrize("is_moving", [False, True])
def test_a_new_count_below_what_waits_is_noticed(is_moving: bool) -> None:
    """Snapshot after snapshot ends below a hole with an older delta behind it: nothing will ever fill that."""
    sync = BookSync("kucoin", SYMBOL)
    sync.receive(delta(1_000))
    sync.receive(delta(1_001 - WINDOW))
    found = []
    number = 1_001 - WINDOW
    for _ in range(OLDER_MAX + 1):
        found += kinds(sync.receive_snapshot(snapshot(number), depth="full"))
        if is_moving:
            number += 1
            found += kinds(sync.receive(delta(number)))
    assert 1 == found.count("SequenceReset")
    sync.receive_snapshot(snapshot(number + 1), depth="full")
    sync.receive(delta(number + 1))
    assert (BookState.LIVE, number + 1) == (sync.state, sync.book.sequence)


def test_the_book_that_betrayed_a_new_count_is_none_of_the_old_one() -> None:
    """It was begun while a delta of the old count waited; when it comes again, it is built on."""
    sync = BookSync("kucoin", SYMBOL)
    sync.receive(delta(13))
    sync.receive(delta(11))
    found = [kind for _ in range(OLDER_MAX + 1) for kind in kinds(sync.receive_snapshot(snapshot(11), depth="full"))]
    assert 1 == found.count("SequenceReset")
    assert ["NeedProbe"] == kinds(sync.receive_snapshot(snapshot(11), depth="full"))
    sync.receive(delta(12))
    assert (BookState.LIVE, 12) == (sync.state, sync.book.sequence)


def test_what_was_seen_of_a_new_count_is_forgotten_once_a_book_is_joined() -> None:
    """The count was the old one after all; the next hole with an older delta behind it is judged by itself."""
    sync = BookSync("kucoin", SYMBOL)
    sync.receive(delta(13))
    sync.receive(delta(11))
    for _ in range(OLDER_MAX):
        sync.receive_snapshot(snapshot(11), depth="full")
    sync.receive(delta(12))
    sync.receive(delta(14))
    assert BookState.LIVE is sync.state
    sync.receive(delta(18))
    sync.receive(delta(15))
    found = [kinds(sync.receive_snapshot(snapshot(15), depth="full")) for _ in range(OLDER_MAX + 1)]
    assert [*[False] * OLDER_MAX, True] == ["SequenceReset" in told for told in found]


def test_older_answers_betray_a_new_count_as_well_while_no_book_is_joined() -> None:
    """A cache may fall behind what it gave before; only a joined book has a past that it may be answering from."""
    sync = BookSync("kucoin", SYMBOL)
    sync.receive(delta(13))
    sync.receive(delta(11))
    sync.receive_snapshot(snapshot(11), depth="full")
    found = [kinds(sync.receive_snapshot(snapshot(10), depth="full")) for _ in range(OLDER_MAX)]
    assert [*[False] * (OLDER_MAX - 1), True] == ["SequenceReset" in told for told in found]


@pytest.mark.parametrize("asks", [lambda sync: sync.receive_probe(11), lambda _: None], ids=["probe", "snapshot"])
def test_a_cache_that_stands_still_does_not_confirm_itself(asks: Callable[[BookSync], object]) -> None:
    """11 and 13 were swapped and 12 was lost, and no count was left: five old answers must not make 13 unheard."""
    sync = BookSync("kucoin", SYMBOL)
    sync.receive(delta(13))
    sync.receive(delta(11))
    for _ in range(3 * OLDER_MAX):
        sync.receive_snapshot(snapshot(11), depth="full")
        asks(sync)
        assert BookState.SYNCING is sync.state
    sync.receive_snapshot(snapshot(13), depth="full")
    sync.receive(delta(14))
    assert (BookState.LIVE, 14) == (sync.state, sync.book.sequence)


def old_answers() -> BookSync:
    """11 and 13 were swapped and 12 was lost; four answers end in front of the hole."""
    sync = BookSync("kucoin", SYMBOL)
    sync.receive(delta(13))
    sync.receive(delta(11))
    for _ in range(OLDER_MAX):
        sync.receive_snapshot(snapshot(11), depth="full")
    return sync


@pytest.mark.parametrize("number", [12, 13])
def test_a_good_answer_after_old_ones_is_joined(number: int) -> None:
    """It does not end in front of the hole, so it is not one more sign that the venue counts anew."""
    sync = old_answers()
    sync.receive_snapshot(snapshot(number), depth="full")
    sync.receive(delta(14))
    assert (BookState.LIVE, 14, 0) == (sync.state, sync.book.sequence, sync.counters.resets)


def test_a_hole_that_was_filled_is_no_sign_of_another_count() -> None:
    """One more old answer says nothing then."""
    sync = old_answers()
    sync.receive(delta(12))
    sync.receive_snapshot(snapshot(11), depth="full")
    sync.receive(delta(14))
    assert (BookState.LIVE, 14, 0) == (sync.state, sync.book.sequence, sync.counters.resets)


@pytest.mark.parametrize("ahead", [13, 15])
@pytest.mark.parametrize(
    ("after_s", "expected"),
    [(1, (BookState.STALE, ["StateChanged", "StateChanged", "NeedSnapshot"])), (6, (BookState.SYNCING, []))],
    ids=["the link is alive", "the link is silent, too"],
)
def test_a_venue_that_stays_ahead_of_swapped_deltas_does_not_make_them_live(
    after_s: int, expected: tuple[BookState, list[str]], ahead: int
) -> None:
    """The stream had its moment to show what the venue said: the book stands, but is STALE at once."""
    sync = swapped(SECOND)
    sync.receive_probe(ahead, SECOND)
    told = kinds(sync.check((1 + after_s) * SECOND + 1))
    assert expected == (sync.state, told)
    assert 12 == sync._machine.last


def test_what_ended_the_wait_for_another_count_ends_no_later_doubt() -> None:
    """The wait is over once: a frame that is lost afterwards is missing, whatever the venue said before."""
    sync = swapped(SECOND)
    sync.receive_probe(15, SECOND)
    sync.check(7 * SECOND)
    told = kinds(sync.receive(delta(13, bids=[("x", "1")]), 7 * SECOND))
    assert (BookState.SYNCING, ["FrameRejected", "NeedSnapshot"]) == (sync.state, told)


def test_swapped_deltas_that_nothing_confirms_are_given_up() -> None:
    """Neither the stream nor the venue went beyond them. Then nothing is built, so no answer is awaited any more."""
    sync = swapped(SECOND)
    assert ["NeedSnapshot"] == kinds(sync.check(3 * SECOND))
    assert (BookState.SYNCING, None) == (sync.state, sync._machine.base)
    due_ns = sync.next_check_ns
    sync.receive_probe(15, 3 * SECOND)
    assert due_ns == sync.next_check_ns


@pytest.mark.parametrize(
    "ended",
    [
        lambda sync: sync.receive(delta(13, bids=[("105", "1")]), SECOND),
        lambda sync: [sync.connection_lost(SECOND), sync.connection_opened(SECOND), sync.subscribed(SECOND)],
    ],
    ids=["crossed", "a new link"],
)
def test_once_swapped_deltas_are_given_up_nothing_is_awaited_for_their_sake(
    ended: Callable[[BookSync], object],
) -> None:
    """No word of the venue starts the wait for the stream of another count."""
    sync = swapped(SECOND)
    ended(sync)
    assert (BookState.SYNCING, None) == (sync.state, sync._machine.base)
    sync.receive_probe(15, SECOND)
    assert not sync._desk.waits.running("ahead")


def test_swapped_deltas_that_were_joined_leave_no_doubt_to_be_ended() -> None:
    """A frame that is lost later is missing, however long the venue is ahead then."""
    sync = swapped(SECOND)
    sync.receive(delta(13), SECOND)
    assert BookState.LIVE is sync.state
    sync.receive(delta(14, bids=[("x", "1")]), SECOND)
    sync.receive_probe(20, SECOND)
    sync.check(3 * SECOND)
    assert (BookState.SYNCING, 13) == (sync.state, sync._machine.last)


def test_a_venue_that_was_where_swapped_deltas_end_says_nothing_of_what_follows() -> None:
    """A count that it has left may have ended there, too: only what is beyond tells."""
    sync = BookSync("kucoin", SYMBOL)
    for number in (14, 12, 11):
        sync.receive(delta(number), SECOND)
    sync.receive_snapshot(snapshot(10), SECOND, depth="full")
    sync.receive_probe(14, SECOND)
    sync.receive(delta(13), SECOND)
    assert (BookState.SYNCING, 14) == (sync.state, sync._machine.last)
    sync.check(3 * SECOND)
    assert (BookState.SYNCING, None, True) == (sync.state, sync._machine.base, sync.wants_snapshot)


@pytest.mark.parametrize(
    ("heard", "expected"),
    [((13, 10), BookState.SYNCING), ((10, 13), BookState.LIVE), ((10, 13, 10), BookState.LIVE)],
    ids=["for the first time", "before", "again"],
)
def test_a_covered_delta_passes_those_that_wait_if_it_is_new(heard: tuple[int, ...], expected: BookState) -> None:
    """A repetition says nothing of the order in which the venue said it."""
    sync = BookSync("kucoin", SYMBOL)
    sync.receive(delta(9))
    for number in heard[:-1]:
        sync.receive(delta(number))
    sync.receive_snapshot(snapshot(10), depth="full")
    sync.receive(delta(heard[-1]))
    sync.receive_snapshot(snapshot(12), depth="full")
    assert (expected, 13) == (sync.state, sync._machine.last)


def deltas_of(buffer: DeltaBuffer, *numbers: int) -> None:
    """Put deltas in, in this order of arrival."""
    sync = BookSync("kucoin", SYMBOL)
    for number in numbers:
        message = sync._venue.decode(delta(number).decode())
        buffer.add(message)  # type: ignore[arg-type]  # it is a delta


@pytest.mark.parametrize(
    ("arrivals", "expected"),
    [((11, 12, 13), [False, False, False]), ((12, 11, 13), [False, True, False]), ((13, 12, 11), [False, True, True])],
)
def test_turns_are_those_of_arrival(arrivals: tuple[int, ...], expected: list[bool]) -> None:
    """Out of turn is what follows one that came after it."""
    buffer = DeltaBuffer(10, 100)
    deltas_of(buffer, *arrivals)
    found = []
    for last in (10, 11, 12):
        _, following, is_out_of_turn = buffer.take(last)
        assert following is not None
        found.append(is_out_of_turn)
    assert expected == found
    assert ([], None, False) == buffer.take(13)


def test_what_did_not_have_to_wait_has_its_turn_too() -> None:
    """A delta that is applied at once, or covered already, passes by those that wait; nothing is left over then."""
    buffer = DeltaBuffer(10, 100)

    def tell() -> bool:
        return buffer.is_out_of_turn

    deltas_of(buffer, 13)
    assert not tell()
    buffer.passed_by()
    assert tell()
    buffer.clear()
    assert not tell()
    deltas_of(buffer, 14)
    assert not tell()
