"""``BookSync`` and a venue that was seen ahead of the stream by mistake: which answers tell so, and which do not."""

from __future__ import annotations

from orderbook.sync import BookSync
from orderbook.sync.table import OLDER_MAX
from orderbook.types import BookState
from tests.kucoin_frames import BIDS, delta, live, snapshot

SECOND = 1_000_000_000
LIVE, STALE = BookState.LIVE, BookState.STALE
CROSSED = [("200", "1")]


def seen_ahead() -> BookSync:
    """A book at 11; a probe named what the stream will never reach, and the second for that is over."""
    sync = live()
    sync.receive_probe(1_000_000, SECOND)
    sync.check(2 * SECOND)
    assert STALE is sync.state
    return sync


def answer(sync: BookSync, sequence: int, bids: list[tuple[str, str]] | None = None) -> None:
    """A snapshot."""
    sync.receive_snapshot(snapshot(sequence, BIDS if bids is None else bids), 3 * SECOND, depth="full")


def test_the_stream_need_not_go_on_between_all_answers() -> None:
    """It is enough that it did after the first of them."""
    sync = seen_ahead()
    answer(sync, 11)
    sync.receive(delta(12), 3 * SECOND)
    for _ in range(OLDER_MAX):
        assert STALE is sync.state
        answer(sync, 12)
    assert (LIVE, 12) == (sync.state, sync.book.sequence)


def test_a_refused_answer_beyond_the_book_refutes_nothing() -> None:
    """That the venue is ahead is just what it says, however crossed it is."""
    sync = seen_ahead()
    for number in range(12, 12 + OLDER_MAX):
        answer(sync, 2_000, CROSSED)
        sync.receive(delta(number), 3 * SECOND)
    answer(sync, 11 + OLDER_MAX)
    assert (STALE, OLDER_MAX) == (sync.state, sync.counters.snapshots_rejected["crossed"])


def test_an_answer_of_before_a_change_is_not_compared() -> None:
    """It tells that the venue was not ahead; that its levels are those of then is no difference."""
    sync = seen_ahead()
    for number in range(12, 12 + OLDER_MAX + 1):
        assert STALE is sync.state
        sync.receive(delta(number, bids=[("99", str(number), str(number))]), 3 * SECOND)
        answer(sync, 11)
    assert (LIVE, 12 + OLDER_MAX, 0) == (sync.state, sync.book.sequence, sync.counters.audits_failed)


def test_a_venue_that_is_seen_ahead_again_is_refuted_anew() -> None:
    """The answers of the first time tell nothing of the second, though it names the same sequence."""
    sync = seen_ahead()
    for number in range(12, 12 + OLDER_MAX + 1):
        sync.receive(delta(number), 3 * SECOND)
        answer(sync, number)
    assert LIVE is sync.state
    sync.receive_probe(1_000_000, 4 * SECOND)
    sync.check(6 * SECOND)
    sync.receive(delta(13 + OLDER_MAX), 6 * SECOND)
    answer(sync, 13 + OLDER_MAX)
    assert STALE is sync.state
