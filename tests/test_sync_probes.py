"""A probe that no answer comes to, and a venue that counts anew: what the next answer is worth."""

from __future__ import annotations

from orderbook.types import BookState
from tests.kucoin_frames import delta, kinds, snapshot
from tests.two_counts import ASKS, LIVE, NEW, OLD, begin_anew, counted


def test_a_probe_that_failed_before_the_reset_spoils_none_after_it() -> None:
    """Nothing is under way: the answer to the next one is of the new count, and the book stays LIVE."""
    sync, now_ns = counted(1_010), 10**12
    assert ["NeedProbe"] == kinds(sync.doubt(now_ns))
    assert () == sync.probe_failed(now_ns)
    begin_anew(sync, 910)
    sync.receive_snapshot(snapshot(910, NEW, ASKS), now_ns, depth="full")
    assert ["NeedProbe"] == kinds(sync.doubt(now_ns + 10**10))
    assert () == sync.receive_probe(910, now_ns + 10**10)
    assert (LIVE, 2) == (sync.state, sync.counters.probes_asked)


def test_a_probe_of_before_the_reset_that_fails_spoils_none_after_it() -> None:
    """It was under way when the venue fell back; its answer will never come."""
    sync, now_ns = counted(1_010), 10**12
    sync.doubt(now_ns)
    begin_anew(sync, 910)
    sync.receive_snapshot(snapshot(910, NEW, ASKS), now_ns, depth="full")
    sync.probe_failed(now_ns)
    assert ["NeedProbe"] == kinds(sync.doubt(now_ns + 10**10))
    assert () == sync.receive_probe(910, now_ns + 10**10)
    assert (LIVE, 2) == (sync.state, sync.counters.probes_asked)


def test_a_probe_that_fails_is_no_answer() -> None:
    """The book still waits for one, and is STALE when none comes."""
    sync, now_ns = counted(1_010), 10**12
    sync.connection_opened(now_ns)
    sync.subscribed(now_ns)
    sync.receive(delta(1_010), now_ns)
    sync.receive_snapshot(snapshot(1_010, OLD, ASKS), now_ns, depth="full")
    sync.doubt(now_ns)
    sync.probe_failed(now_ns)
    sync.receive(b'{"type":"pong"}', now_ns + 9 * 10**9)
    assert ["StateChanged"] == kinds(sync.check(now_ns + 10**10))
    assert BookState.STALE is sync.state
