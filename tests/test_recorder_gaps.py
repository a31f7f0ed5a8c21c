"""What a recording says about its holes, and what a replay makes of that: never LIVE over one, LIVE again after it."""

from __future__ import annotations

import pytest

from snapshots.recorder_queue import Gap
from snapshots.records import Kind, Record
from snapshots.scribe import RecorderFailed, RecorderResumed
from tests.captures import opened
from tests.recorded_stories import judged, recorded
from tests.recorder_disks import Desk, brief

SEEDS = range(30)

# -- markers --


def test_every_open_connection_is_marked_and_no_other() -> None:
    """Those that were closed before stay closed; frames count as a connection even without an ``open``."""
    desk = Desk(queue_max=6)
    put: tuple[tuple[Kind, str], ...] = (
        *(("open", "a"), ("open", "b"), ("ws", "b")),
        *(("close", "a"), ("ws", "c"), ("rest", "r")),
    )
    assert all(desk.put(kind, url) for kind, url in put)
    assert not desk.put("ws", "b", b"lost", 8)
    assert desk.scribe.write(flush=True)

    hole = "4000 recorder gap: 1 record lost"
    assert [f"close b {hole}", f"close c {hole}", "open b", "open c"] == brief(desk.disk.records())[6:]
    assert {8} == {one.ts for one in desk.disk.records()[6:]}
    assert {"recorded": 6, "lost": 1} == desk.account()


def test_connections_that_came_and_went_inside_the_hole_are_known() -> None:
    """The marker closes what was open before the hole and opens what is open behind it."""
    desk = Desk(queue_max=3)
    for url in ("stays", "goes", "back"):
        assert desk.put("open", url)
    lost: tuple[tuple[Kind, str], ...] = (
        *(("close", "goes"), ("close", "back"), ("open", "back")),
        *(("open", "new"), ("open", "brief"), ("close", "brief")),
    )
    assert not any(desk.put(kind, url) for kind, url in lost)
    assert desk.scribe.write(flush=True)
    assert desk.put("ws", "new", b"1")
    assert desk.scribe.write(flush=True)

    hole = "4000 recorder gap: 6 records lost"
    closed = [f"close {url} {hole}" for url in ("stays", "goes", "back")]
    assert [*closed, "open stays", "open back", "open new", "ws new 1"] == brief(desk.disk.records())[3:]


def test_one_address_may_be_open_twice() -> None:
    """It is open until both connections are closed."""
    desk = Desk(queue_max=3)
    for kind in ("open", "open", "close"):
        assert desk.put(kind, "a")
    assert not desk.put("ws", "a")
    assert desk.scribe.write(flush=True)

    assert ["close a 4000 recorder gap: 1 record lost", "open a"] == brief(desk.disk.records())[3:]


def test_a_hole_without_connections_is_marked_for_everybody() -> None:
    """Without an address the marker concerns every book."""
    desk = Desk(queue_max=1)
    assert desk.put("rest", "r", b"1")
    assert not desk.put("rest", "r", b"2")
    assert desk.scribe.write(flush=True)

    assert ["rest r 1", "close 4000 recorder gap: 1 record lost"] == brief(desk.disk.records())


def test_after_a_loss_the_queue_empties_by_half_first() -> None:
    """One long hole instead of many short ones, each of which costs every book a resync."""
    desk = Desk(queue_max=4)
    assert [True] * 4 + [False] == [desk.put("ws", "a", b"%d" % number) for number in range(5)]
    *taken, hole = desk.queue.take()
    assert Gap(1, 5) == hole
    assert not desk.put("ws", "a", b"5"), "what the thread has in hand still takes room"
    for number, entry in enumerate(taken[:3], start=6):
        assert not desk.put("ws", "a", b"%d" % number)
        assert isinstance(entry, Record)
        desk.queue.settle(entry)
    assert desk.put("ws", "a", b"9")

    assert [Gap(4, 5), Record(5, "ws", "a", b"9")] == list(desk.queue.take())


# -- disks that refuse --


@pytest.mark.parametrize("first", range(12))
@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_disk_full_for_a_while_loses_nothing_while_there_is_room(first: int, count: int) -> None:
    """Whichever turns it refuses: every record is there, once, in order, and each outage is told once."""
    desk = Desk()
    for turn in range(20):
        if turn == first:
            desk.disk.fill_up()
        if turn == first + count:
            desk.disk.error = None
        for number in range(3):
            assert desk.put("ws", "a", b"%d" % (3 * turn + number))
        assert (first <= turn < first + count) == (not desk.scribe.write(flush=True))
        desk.account()
    desk.queue.close()
    desk.scribe.end()

    assert [b"%d" % number for number in range(60)] == [one.raw for one in desk.disk.records()]
    assert {"recorded": 60} == desk.account()
    failed, resumed = desk.events
    assert isinstance(failed, RecorderFailed)
    assert "No space left" in failed.problem
    assert RecorderResumed(desk.scribe.path, 0) == resumed


def test_a_disk_full_for_long_leaves_one_marked_hole() -> None:
    """What no longer fits into the queue is lost; what was in it comes before the marker, what came later behind it."""
    desk = Desk(queue_max=3)
    assert desk.put("open", "a")
    assert desk.scribe.write(flush=True)
    desk.disk.fill_up()
    for number in range(8):
        desk.put("ws", "a", b"%d" % number)
        desk.scribe.write(flush=number % 2 == 0)
    desk.disk.error = None
    assert not desk.scribe.write(flush=False), "only the timer tries it again"
    assert desk.scribe.write(flush=True)
    assert desk.put("ws", "a", b"8")
    assert desk.scribe.write(flush=True)

    lines = brief(desk.disk.records())
    lost = desk.account()["lost"]
    kept = 8 - lost
    hole = [f"close a 4000 recorder gap: {lost} records lost", "open a"]
    assert ["open a", *(f"ws a {number}" for number in range(kept)), *hole, "ws a 8"] == lines
    assert ["RecorderFailed", "RecorderResumed"] == [type(event).__name__ for event in desk.events]
    assert RecorderResumed(desk.scribe.path, lost) == desk.events[1]


def test_a_marker_that_the_disk_refuses_waits_like_any_record() -> None:
    """It is written once, in its place, when there is space again."""
    for block_bytes in range(50, 600, 50):
        desk = Desk(queue_max=2, block_bytes=block_bytes)
        assert desk.put("open", "a")
        assert desk.put("open", "b")
        assert not desk.put("ws", "a")
        desk.disk.fill_up()
        assert not desk.scribe.write(flush=True)
        desk.disk.error = None
        assert desk.scribe.write(flush=True)

        closed = [f"close {url} 4000 recorder gap: 1 record lost" for url in "ab"]
        assert ["open a", "open b", *closed, "open a", "open b"] == brief(desk.disk.records())


@pytest.mark.parametrize("block_bytes", [1, 60, 200, 10_000])
def test_at_the_end_everything_is_accounted_for(block_bytes: int) -> None:
    """A disk that fills up before closing: recorded is what the file holds, the rest is lost, and that is told."""
    for good in range(8):
        desk = Desk(block_bytes=block_bytes)
        for number in range(8):
            if number == good:
                desk.disk.fill_up()
            desk.put("ws", "a", b"%d" % number)
            desk.scribe.write(flush=number % 3 == 0)
        desk.queue.close()
        desk.scribe.end()

        account = desk.account()
        data = desk.disk.getvalue()
        assert account["recorded"] == (len(list(opened(data))) if data else 0)
        assert 8 == account["recorded"] + account["lost"]
        assert f"at its end {account['lost']} records are missing" in str(desk.events[-1])


# -- replay --


@pytest.mark.parametrize("seed", SEEDS)
def test_a_replay_is_never_live_and_wrong_over_a_hole(seed: int) -> None:
    """Whatever is lost, a new count of the venue included; and after the next snapshot the book is LIVE again."""
    verdict = judged(*recorded(seed))

    assert 0 == verdict.wrong
    assert verdict.looks > 10
    assert verdict.losses > 1
    assert verdict.ends_live


def test_the_marker_is_what_makes_it_so() -> None:
    """Without the markers the same recordings lead a replay astray: a hole can look like a market that goes on."""
    wrong = 0
    for seed in SEEDS:
        story, records, counts = recorded(seed)
        unmarked = []
        in_marker = False
        for record in records:
            in_marker = b"recorder gap" in record.raw or (in_marker and record.kind == "open")
            if not in_marker:
                unmarked.append(record)
        wrong += judged(story, unmarked, counts).wrong > 0

    assert wrong > len(SEEDS) // 10
