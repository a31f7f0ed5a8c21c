"""Corners of the core that the long campaigns pass by, each told once in a line or two."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from typing import Any

import pytest

import orderbook
from orderbook.errors import PortInUse
from orderbook.guard import Pulse
from orderbook.settings import SyncSettings
from orderbook.sync import BookSync
from orderbook.sync.facts import ComparedFacts
from orderbook.sync.journal import GapJournal
from orderbook.sync.table import decide
from tests.kucoin_frames import SYMBOL, delta, kinds, live, snapshot

SECOND = 10**9


def test_two_answers_at_one_sequence_that_differ_are_not_believed() -> None:
    """Nothing has been heard; the second answer shall confirm the first, and does not."""
    sync = BookSync("kucoin", SYMBOL)
    sync.connection_opened(SECOND)
    sync.subscribed(SECOND)
    sync.check(3 * SECOND)
    sync.receive_snapshot(snapshot(10), 3 * SECOND, depth="full")
    assert not sync.book.is_live

    events = sync.receive_snapshot(snapshot(10, (("99", "5"),)), 4 * SECOND, depth="full")

    assert "AuditFailed" in kinds(events)
    assert not sync.book.is_live
    assert 0 == len(sync.journal), "LIVE was never lost"


def test_a_side_that_ends_at_its_depth_without_a_level_is_no_snapshot() -> None:
    """Nobody could say how far such a book is known."""
    sync = BookSync("kucoin", SYMBOL)
    sync.receive(delta(11))
    sync.receive_snapshot(snapshot(10, (("0", "0"),)), depth=1)

    assert 1 == sync.counters.snapshots_rejected["fields"]


def test_a_range_that_is_buffered_already_is_a_duplicate() -> None:
    """The same numbers with other rows, where nothing contradicts itself."""
    sync = BookSync("kucoin", SYMBOL)
    sync.receive(delta(11, bids=[("100", "1")]))
    sync.receive(delta(11))

    assert (1, 1) == (sync.buffered, sync.counters.duplicates)


def test_what_is_heard_in_doubt_keeps_nothing_fresh() -> None:
    """A backlog tells of the past; the driver says so through the pulse, and the deltas are applied all the same."""
    pulse = Pulse()
    sync = live(pulse=pulse)
    sync.receive(delta(12), SECOND)
    pulse.in_doubt = True
    sync.receive(delta(13), 20 * SECOND)

    assert (SECOND, 13) == (pulse.heard_ns, sync.book.sequence)


def test_a_table_with_a_hole_says_so() -> None:
    """It is a bug of ours, and not to be passed over."""
    with pytest.raises(LookupError, match="the table has no line for ComparedFacts"):
        decide((), ComparedFacts(equal=True))


def test_a_book_moves_to_another_link() -> None:
    """From then on it is as fresh as that."""
    sync, pulse = live(), Pulse()
    pulse.heard_ns = 7
    sync.book.pulse = pulse

    assert (7, pulse) == (sync.book.heard_ns, sync.book.pulse)


@pytest.mark.parametrize("in_doubt", [False, True])
@pytest.mark.parametrize(
    "take",
    [
        lambda sync, frame, now_ns: sync.receive(frame, now_ns),
        lambda sync, frame, now_ns: sync.offer(frame, now_ns) or sync.receive(frame, now_ns),
        lambda sync, frame, now_ns: sync.replay([frame], received_ns=[now_ns]),
    ],
)
def test_frames_after_a_move_are_heard_on_the_new_link(take: Callable[..., object], in_doubt: bool) -> None:
    """Each way that takes frames looks at the pulse that the book has now, not at the one it had."""
    old, new = Pulse(), Pulse()
    sync = live(pulse=old)
    sync.receive(delta(12), SECOND)
    new.in_doubt = in_doubt
    sync.book.pulse = new
    for number in (13, 14):
        take(sync, delta(number), number * SECOND)
        assert (number, 1) == (sync.book.sequence, sync.book.epoch)
        assert (SECOND, None if in_doubt else number * SECOND) == (old.heard_ns, new.heard_ns)


@pytest.mark.parametrize("window", [0, 1, 5, 10**12])
@pytest.mark.parametrize("many", [1, 3, 8])
def test_the_last_deltas(window: int, many: int) -> None:
    """However they came, and however often somebody looks, they are the newest ones, as many as there is room for."""
    sync = live(settings=SyncSettings(reset_window=window))
    expected = [seen.sequence_end for seen in sync.recent]
    at = 12
    while at < 40:
        frames = [delta(number) for number in range(at, at + many)]
        for frame in frames:
            assert () == sync.receive(frame)
        sync.replay([delta(number) for number in range(at + many, at + 2 * many)])
        expected += range(at, at + 2 * many)
        assert expected[-window - 1 :] == [seen.sequence_end for seen in sync.recent]
        at += 2 * many


def test_one_large_frame_takes_no_memory_for_long() -> None:
    """The room that its rows needed is given back at the next frame."""
    sync = live()
    sync.receive(delta(12, bids=[("99", "1")]))
    before = sys.getsizeof(sync)
    sync.receive(delta(13, bids=[(f"0.{at}", "0") for at in range(10**4, 3 * 10**4)]))
    assert (13, 20_000) == (sync.book.sequence, sync.counters.remove_absent)
    sync.receive(delta(14, bids=[("99", "1")]))

    assert before >= sys.getsizeof(sync)


def test_a_port_in_use_names_the_remedy() -> None:
    """Whose port, and what to do."""
    error = PortInUse("127.0.0.1", 8888)

    assert ("127.0.0.1", 8888) == (error.host, error.port)
    assert "port 8888 of 127.0.0.1: in use" in str(error)
    assert "choose another" in str(error)


def test_names_of_the_live_part_are_shown_and_others_are_not() -> None:
    """``dir`` shows them before they are imported."""
    assert {"open_feed", "ThreadedFeed", "BookSync"} <= set(dir(orderbook))
    with pytest.raises(AttributeError, match="no attribute 'close_feed'"):
        orderbook.close_feed


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("snapshots.fetch", "needs this distribution's package 'snapshots', but found another one: "),
        ("aiohttp", "^gone$"),
    ],
)
def test_another_package_of_the_name_snapshots_is_named(
    monkeypatch: pytest.MonkeyPatch, missing: str, message: str
) -> None:
    """It is a common name; whatever else cannot be imported is told as it is."""

    def fail(_name: str) -> Any:
        raise ImportError("gone", name=missing)

    monkeypatch.setattr(importlib, "import_module", fail)
    with pytest.raises(ImportError, match=message):
        orderbook.__getattr__("open_feed")


def test_half_of_a_gap_that_comes_after_all_leaves_it_a_gap() -> None:
    """The late delta is applied, and what is still missing is not waited for once more."""
    sync = live()
    sync.receive(delta(12), SECOND)
    sync.receive(delta(15), SECOND)
    sync.check(2 * SECOND)
    assert (1, True) == (sync.counters.gaps, sync.wants_snapshot)
    sync.receive(delta(13), 2 * SECOND)

    assert (13, 1, True) == (sync.book.last_known.sequence, sync.counters.gaps, sync.wants_snapshot)
    assert not sync.book.is_live


def test_rows_of_both_sides_can_contradict() -> None:
    """A row's own sequence is given once; an ask that has it anew tells that the venue counts anew."""
    sync = live()
    sync.receive(delta(12, asks=[("105", "1")]))
    events = sync.receive(delta(12, asks=[("106", "1")]))

    assert "SequenceReset" in kinds(events)


def test_counters_as_json() -> None:
    """Counts by reason stay counts by reason."""
    sync = live()
    sync.receive(delta(12)[:-1])
    found = sync.counters.to_json()

    assert ({"json": 1}, 0, 1) == (found["rejected"], found["resyncs"], found["joins"])


def test_a_gap_without_a_loss_is_not_written_down() -> None:
    """The journal is about losses of LIVE."""
    journal = GapJournal(3)
    journal.missing(1, 2)

    assert [] == list(journal)
