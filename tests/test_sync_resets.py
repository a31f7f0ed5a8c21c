"""``BookSync`` and a venue that begins to count anew from near below: both counts use the same numbers for a while."""

from __future__ import annotations

import pytest

from orderbook.settings import SyncSettings
from orderbook.sync import BookSync
from orderbook.sync.table import OLDER_MAX
from orderbook.types import BookState
from tests.kucoin_frames import SYMBOL, delta, kinds, live, snapshot
from tests.two_counts import ASKS, LIVE, NEW, OLD, WINDOW, begin_anew, bids, counted

HELD = SyncSettings().reorder_hold_frames
SECOND = 1_000_000_000


def audited(sync: BookSync) -> None:
    """A wish that is outstanding while LIVE."""
    assert ["NeedSnapshot"] == kinds(sync.audit())


def overtaken(sync: BookSync) -> None:
    """A wish that was given up, because what was missing came: its request may have gone already."""
    last = sync.book.sequence
    told = [kind for step in range(2, HELD + 4) for kind in kinds(sync.receive(delta(last + step)))]
    assert "NeedSnapshot" in told
    sync.receive(delta(last + 1))
    assert (LIVE, False) == (sync.state, sync.wants_snapshot)


def crossed(sync: BookSync) -> None:
    """A wish that is outstanding while SYNCING."""
    sync.receive(delta(sync.book.sequence + 1, bids=[("105", "1")]))
    assert (BookState.SYNCING, True) == (sync.state, sync.wants_snapshot)


@pytest.mark.parametrize("wish", [audited, overtaken, crossed], ids=lambda one: str(one.__name__))
@pytest.mark.parametrize("back", [WINDOW + 2, 100])
def test_an_answer_of_the_old_count_never_becomes_a_book_of_the_new_one(wish: object, back: int) -> None:
    """Asked for before the reset, answered after it, of a sequence that the new count reaches: rejected, once."""
    assert callable(wish)
    sync = counted(1_060)
    wish(sync)
    asked_at = 1_045
    for number in range(max(one.sequence_end for one in sync.recent) + 1, 1_111):
        sync.receive(delta(number))
    assert "SequenceReset" in begin_anew(sync, 1_111 - back)
    assert ["SnapshotRejected", "NeedSnapshot"] == kinds(sync.receive_snapshot(snapshot(asked_at, OLD, ASKS)))
    for number in range(1_112 - back, asked_at + 10):
        sync.receive(delta(number))
        assert not sync.book.is_live

    sync.receive_snapshot(snapshot(asked_at + 8, NEW, ASKS), depth="full")
    assert (LIVE, [(98.0, 5.0)]) == (sync.state, bids(sync))


def test_an_answer_that_is_no_snapshot_is_an_answer_as_well() -> None:
    """The request is over with it, so the next answer is one of the new count."""
    sync = counted(1_060)
    audited(sync)
    begin_anew(sync, 961)
    sync.receive_snapshot(b"")
    sync.receive_snapshot(snapshot(961, NEW, ASKS), depth="full")
    assert (LIVE, 961) == (sync.state, sync.book.sequence)


def test_what_was_answered_before_a_reset_costs_nothing_after_it() -> None:
    """No request is under way: the first answer is of use."""
    sync = counted(1_060)
    audited(sync)
    sync.receive_snapshot(snapshot(1_060, OLD, ASKS), depth="full")
    begin_anew(sync, 961)
    assert ["StateChanged"] == kinds(sync.receive_snapshot(snapshot(961, NEW, ASKS), depth="full"))


def test_a_probe_that_finds_the_reset_makes_the_answer_void_too() -> None:
    """Whoever noticed it."""
    sync = counted(1_100)
    audited(sync)
    sync.receive(b'{"topic":')
    told = kinds(sync.receive_probe(1_000))
    assert ["SequenceReset", "StateChanged", "NeedSnapshot"] == told
    assert ["SnapshotRejected", "NeedSnapshot"] == kinds(sync.receive_snapshot(snapshot(1_050, OLD, ASKS)))


def test_an_old_links_request_is_nothing_to_the_new_one() -> None:
    """A driver does not hand in what a lost link had asked for."""
    sync = live()
    sync.audit()
    sync.connection_lost()
    sync.connection_opened()
    sync.subscribed()
    sync.receive(delta(1_000))
    sync.receive(delta(900))
    sync.receive_snapshot(b"")
    sync.connection_lost()
    sync.connection_opened()
    sync.subscribed()
    sync.receive(delta(1_000))
    assert sync.wants_snapshot
    assert "StateChanged" in kinds(sync.receive_snapshot(snapshot(1_000), depth="full"))


def test_an_answer_that_is_ahead_shows_that_it_is_old_when_the_stream_is_there() -> None:
    """It lacks what the new count said meanwhile; the next good answer is joined."""
    sync = counted(1_300)
    sync.receive(delta(1_100, bids=[["98", "5", "1100"]]))
    sync.receive_snapshot(snapshot(1_150, [*OLD, ("98", "5")], ASKS), depth="full")
    for number in range(1_101, 1_150):
        assert BookState.SYNCING is sync.state
        sync.receive(delta(number, bids=[("97", str(number))]))
    told = sync.receive(delta(1_150))
    assert ["NeedSnapshot"] == kinds(told)
    sync.receive_snapshot(snapshot(1_150, [("98", "5"), ("97", "1149")], ASKS), depth="full")
    assert (LIVE, 1_150) == (sync.state, sync.book.sequence)


@pytest.mark.parametrize("back", range(WINDOW - 1, WINDOW + 3))
def test_the_first_delta_of_the_new_count_is_noticed(back: int) -> None:
    """By its row, as far as its number alone does not tell; also at the very edge between the two."""
    sync = BookSync("kucoin", SYMBOL)
    sync.receive(delta(1_000))
    sync.receive_snapshot(snapshot(1_000, OLD, ASKS), depth="full")
    for number in range(1_001, 1_101):
        sync.receive(delta(number, bids=[("50", str(number))]))
    assert "SequenceReset" in begin_anew(sync, 1_100 - back)


@pytest.mark.parametrize(("beyond", "expected"), [(WINDOW, BookState.SYNCING), (WINDOW + 1, LIVE)])
def test_what_is_far_beyond_the_old_count_is_not_of_it(beyond: int, expected: BookState) -> None:
    """Though it was asked for before the reset, which a late duplicate only looked like."""
    sync = counted(1_300)
    audited(sync)
    sync.receive(delta(1_100))
    for number in range(1_301, 1_301 + beyond):
        sync.receive(delta(number))
    sync.receive_snapshot(snapshot(1_300 + beyond, OLD, ASKS), depth="full")
    assert expected is sync.state


@pytest.mark.parametrize("received_ns", [0, 1_000_000_000])
def test_a_reset_that_was_none_costs_a_dozen_answers(received_ns: int) -> None:
    """A late duplicate looks like one, and the honest answer is the old book for ever in a quiet market."""
    sync = counted(1_300)
    assert "SequenceReset" in kinds(sync.receive(delta(1_100), received_ns))
    sync.receive_snapshot(b"", received_ns)
    answers = 0
    while sync.state is not LIVE:
        answers += 1
        assert answers < 15
        sync.receive_snapshot(snapshot(1_300, OLD, ASKS), received_ns, depth="full")
        if received_ns:
            sync.receive_probe(1_300, received_ns)
    assert 12 <= answers


def test_a_lie_in_the_new_count_costs_a_dozen_answers() -> None:
    """What an honest snapshot says is another thing than what a damaged delta said, but not for ever."""
    sync = counted(1_300)
    begin_anew(sync, 1_100)
    sync.receive_snapshot(b"")
    sync.receive(delta(1_101, bids=[("95", "7")]))
    for number in range(1_102, 1_116):
        sync.receive(delta(number))
        sync.receive_snapshot(snapshot(number, NEW, ASKS), depth="full")
    assert LIVE is sync.state


def count_anew_while_asked(sync: BookSync) -> None:
    """A probe is under way while the venue falls back from 100,000 to 1; the new count is joined. All at 1 s."""
    sync.receive(delta(2_000, 100_000), SECOND)
    sync.receive_snapshot(snapshot(100_000), SECOND, depth="full")
    assert ["NeedProbe"] == kinds(sync.doubt(SECOND))
    sync.receive(delta(1), SECOND)
    sync.receive_snapshot(b"", SECOND)
    sync.receive_snapshot(snapshot(1), SECOND, depth="full")


def test_a_probe_of_before_the_reset_tells_nothing() -> None:
    """It was under way, and names where the old count ended: far beyond the new one."""
    second, sync = SECOND, live()
    count_anew_while_asked(sync)
    assert (LIVE, 1) == (sync.state, sync.book.sequence)
    assert ["NeedProbe"] == kinds(sync.receive_probe(100_000, second))
    assert () == sync.check(4 * second)
    assert LIVE is sync.state
    assert () == sync.receive_probe(2, 4 * second)
    assert ["StateChanged", "NeedSnapshot"] == kinds(sync.check(5 * second))


def test_an_answer_of_before_the_reset_explains_no_silence() -> None:
    """A probe that was never answered, a reset, and a topic that dies: the next answer is asked for again."""
    second, sync = SECOND, live(settings=SyncSettings(link_silence_max_ms=None))
    sync.subscribed(second)
    count_anew_while_asked(sync)
    sync.receive(delta(2), 2 * second)
    assert ["NeedProbe"] == kinds(sync.check(32 * second))
    assert ["StateChanged"] == kinds(sync.check(42 * second))
    assert ["NeedProbe"] == kinds(sync.receive_probe(400, 43 * second))
    assert BookState.STALE is sync.state
    assert ["NeedSnapshot"] == kinds(sync.receive_probe(400, 44 * second))
    assert BookState.STALE is sync.state


@pytest.mark.parametrize("still", [False, True])
def test_whoever_knows_that_no_delta_came_may_say_so(still: bool) -> None:
    """Of an answer that the book did not ask for."""
    sync = counted(1_100)
    assert still == ("SequenceReset" in kinds(sync.receive_probe(1_000, still=still)))


def test_a_comparison_that_nobody_is_asked_for_makes_no_answer_void() -> None:
    """Whoever cannot ask waits for no answer of before a reset; what comes is compared all the same."""
    sync = counted(1_060)
    assert [] == kinds(sync.audit(ask=False))
    assert ["AuditPassed"] == kinds(sync.receive_snapshot(snapshot(1_060, OLD, ASKS), depth="full"))
    sync.audit(ask=False)
    begin_anew(sync, 961)
    assert ["StateChanged"] == kinds(sync.receive_snapshot(snapshot(961, NEW, ASKS), depth="full"))


def test_a_straddling_delta_that_contradicts_what_was_heard_is_looked_at() -> None:
    """It is applied, as its new rows are news; but the venue may have begun to count anew, so an audit shall tell."""
    sync = live()
    sync.receive(delta(12, bids=[("98", "5", "12")]))
    sync.receive(delta(13, bids=[("97", "5", "13")]))
    assert () == sync.receive(delta(13, 15, bids=[("96", "1", "13"), ("95", "1", "15")]))
    assert (LIVE, 15, 1, True) == (sync.state, sync.book.sequence, sync.counters.overdue, sync.is_overdue)


def test_a_straddling_delta_that_contradicts_what_waits_is_looked_at_too() -> None:
    """It is kept behind a hole, and applied later; then an audit has to go beyond it."""
    sync = live()
    sync.receive(delta(13, bids=[("97", "5", "13")]))
    sync.receive(delta(13, 15, bids=[("96", "1", "13"), ("95", "1", "15")]))
    sync.receive(delta(12))
    assert (LIVE, 15, True) == (sync.state, sync.book.sequence, sync.is_overdue)


@pytest.mark.parametrize("is_begun", [False, True])
def test_a_straddling_delta_that_contradicts_before_a_book_is_joined_is_a_reset(is_begun: bool) -> None:
    """There is no book that an audit could tell of: an answer of the old count would be continued by the new one."""
    old = (("98", "5"), ("97", "5"), ("96", "5"))
    sync = BookSync("kucoin", SYMBOL)
    sync.receive(delta(1_001, bids=[("98", "5")]))
    sync.receive(delta(1_002, bids=[("97", "5")]))
    if is_begun:
        sync.receive_snapshot(snapshot(1_003, old), depth="full")
    found = sync.receive(delta(1_001, 1_004, bids=[("95", "1", "1001"), ("92", "1", "1004")]))
    assert "SequenceReset" in kinds(found)
    sync.receive_snapshot(snapshot(1_003, old), depth="full")
    assert LIVE is not sync.state
    sync.receive_snapshot(snapshot(1_004, (("95", "1"), ("92", "1"))), depth="full")
    sync.receive(delta(1_005))
    assert (LIVE, 1_005, [95.0, 92.0]) == (sync.state, sync.book.sequence, [price for price, _ in sync.book.bids])


def test_a_cache_that_stands_still_is_no_reset_where_holes_open_and_close() -> None:
    """Each time the audit asks at once. But the stream goes on, and that of a venue that fell back would not be so far.

    Once it stands still, too, five answers tell.
    """
    sync = live()
    sync.receive(delta(12))
    sync.audit()
    sync.receive(delta(5))
    for number in range(13, 53, 2):
        for one in (number + 1, number):
            sync.receive(delta(one))
        for _ in range(OLDER_MAX):
            assert ["SnapshotRejected", "NeedSnapshot"] == kinds(sync.receive_snapshot(snapshot(11), depth="full"))
        assert (LIVE, number + 1) == (sync.state, sync.book.sequence)
    assert "SequenceReset" in kinds(sync.receive_snapshot(snapshot(11), depth="full"))


def waiting() -> BookSync:
    """14 came before 12, 13 is missing, and the book stands in front of it."""
    sync = live()
    sync.receive(delta(14), SECOND)
    sync.receive(delta(12), SECOND)
    sync.check(2 * SECOND)
    assert (BookState.SYNCING, 12, True) == (sync.state, sync.book.sequence, sync.wants_snapshot)
    return sync


def test_a_cache_behind_the_book_is_no_reset_where_nothing_is_overdue() -> None:
    """12 and 14 were swapped, 13 was lost, and a cache stands still: what the new count had said was never heard."""
    sync = waiting()
    for _ in range(12):
        assert ["SnapshotRejected", "NeedSnapshot"] == kinds(sync.receive_snapshot(snapshot(11), SECOND, depth="full"))
    sync.receive_snapshot(snapshot(14), SECOND, depth="full")
    assert (LIVE, 14) == (sync.state, sync.book.sequence)


@pytest.mark.parametrize("is_joined", [False, True])
def test_a_stream_that_goes_on_behind_a_hole_is_of_no_new_count(is_joined: bool) -> None:
    """However long a cache stands still in front of it: a new count that had fallen back would not be so far."""
    sync = waiting() if is_joined else BookSync("kucoin", SYMBOL)
    for number in (14, 12, *range(15, 40)):
        sync.receive(delta(number), SECOND)
        if number > 14:
            assert "SequenceReset" not in kinds(sync.receive_snapshot(snapshot(12), SECOND, depth="full"))
    sync.receive_snapshot(snapshot(39), SECOND, depth="full")
    assert (LIVE, 39) == (sync.state, sync.book.sequence)


@pytest.mark.parametrize("number", [12, 9])
def test_a_new_count_in_front_of_a_hole_is_noticed(number: int) -> None:
    """Its answers are where the book is; or before that, and so was a delta that was never heard."""
    sync = waiting()
    sync.receive(delta(number), SECOND)
    for step in range(5):
        sync.receive(delta(14), SECOND)  # again, which is no progress
        told = kinds(sync.receive_snapshot(snapshot(number), SECOND, depth="full"))
        assert (step == 4) is ("SequenceReset" in told)


def test_rows_that_share_a_number_do_not_contradict_each_other() -> None:
    """A venue that gives one number to both sides of a change, and cuts its messages anew, does not count anew."""
    bids, asks = [("98", "1", "13")], [("103", "1", "13")]
    sync = live()
    sync.receive(delta(12, 14, bids=bids, asks=asks))
    assert () == sync.receive(delta(13, bids=bids, asks=asks))
    assert "SequenceReset" in kinds(sync.receive(delta(13, bids=[("97", "1", "13")])))


def test_a_straddling_delta_that_repeats_what_was_heard_is_applied() -> None:
    """A venue that cuts its changes into messages anew says nothing new of the first ones."""
    sync = live()
    sync.receive(delta(12, bids=[("98", "5", "12")]))
    sync.receive(delta(13, bids=[("97", "5", "13")]))
    assert () == sync.receive(delta(13, 15, bids=[("97", "5", "13"), ("95", "1", "15")]))
    assert (LIVE, 15, 0, False) == (sync.state, sync.book.sequence, sync.counters.overdue, sync.is_overdue)
