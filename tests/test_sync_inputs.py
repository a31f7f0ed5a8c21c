"""Inputs of ``BookSync`` that are not what they should be, or come when they should not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from typing import Any, Final

import pytest

from orderbook.errors import UsageError
from orderbook.events import FrameRejected, NeedSnapshot
from orderbook.fixedpoint import SEQUENCE_MAX
from orderbook.settings import SyncSettings
from orderbook.sync import BookSync
from orderbook.types import BookState, Delta
from tests.hostile import SYMBOL, level2, rest
from tests.situations import MS, SITUATIONS, joined


@pytest.mark.parametrize("frame", [None, 1, 1.5, True, [], {}, object(), ["{}"], memoryview(b"{}").release])
@pytest.mark.parametrize("situation", SITUATIONS)
def test_what_is_no_frame_changes_nothing(situation: str, frame: Any) -> None:
    """The caller's mistake is told to the caller, and to nobody else."""
    make, state = SITUATIONS[situation]
    sync = make()
    before = (repr(sync.counters), sync.next_check_ns, sync.wants_snapshot)

    for take in (sync.receive, sync.receive_snapshot):
        with pytest.raises(UsageError, match="a frame is bytes or text"):
            take(frame, 3 * MS)

    assert state is sync.state
    assert before == (repr(sync.counters), sync.next_check_ns, sync.wants_snapshot)
    assert () == sync.check(3 * MS)


@pytest.mark.parametrize(
    "sequence",
    [-1, SEQUENCE_MAX + 1, 10**5_000, -(10**5_000), 1.0, True, "1", None],
    ids=["negative", "64 bits", "long", "long, negative", "float", "boolean", "text", "none"],
)
def test_what_is_no_sequence_is_no_probe(sequence: Any) -> None:
    """It is refused at once, and does not come back as another error from a later input."""
    sync = joined()

    with pytest.raises(UsageError, match="a probe is a sequence number"):
        sync.receive_probe(sequence, MS)

    sync.check(5_000 * MS)
    assert "venue ahead" not in sync.book.reason


LONG = (SEQUENCE_MAX + 1, 10**5_000, -(10**5_000))
"""Integers that no 64 bits hold, some of them longer than CPython writes."""


@pytest.mark.parametrize("now_ns", LONG, ids=["64 bits", "long", "long, negative"])
@pytest.mark.parametrize(
    "take",
    [
        BookSync.connection_opened,
        BookSync.subscribed,
        BookSync.connection_lost,
        BookSync.check,
        BookSync.audit,
        lambda sync, now_ns: sync.receive(json.dumps(level2(6, 6)), now_ns),
        lambda sync, now_ns: sync.receive(b"garbage", now_ns),
        lambda sync, now_ns: sync.receive_snapshot(json.dumps(rest("6", [], [])), now_ns),
        lambda sync, now_ns: sync.receive_probe(6, now_ns),
    ],
)
def test_what_is_no_time_changes_nothing(take: Callable[[BookSync, int], object], now_ns: int) -> None:
    """The caller's mistake, in both twins alike; afterwards the book goes on."""
    sync = joined()
    before = (repr(sync.counters), sync.next_check_ns, sync.book.heard_ns)

    with pytest.raises(UsageError, match="a time in ns"):
        take(sync, now_ns)

    assert before == (repr(sync.counters), sync.next_check_ns, sync.book.heard_ns)
    assert () == sync.receive(json.dumps(level2(6, 6)), 2 * MS)
    assert (BookState.LIVE, 6) == (sync.state, sync.book.sequence)


@pytest.mark.parametrize("start", [-1, 5, 6])
@pytest.mark.parametrize("end", [*LONG, 4], ids=["64 bits", "long", "long, negative", "less"])
def test_a_delta_of_no_sequence_is_rejected(start: int, end: int) -> None:
    """Whoever decodes frames himself may be wrong as well: it is counted, and the book does not go on without it."""
    sync = joined()

    told = sync.receive_decoded(Delta(SYMBOL, start, end, (), (), None), 2 * MS)

    assert FrameRejected("sequence", "it is of no sequence that there can be") in told
    assert {"sequence": 1} == sync.counters.rejected
    assert BookState.SYNCING is sync.state


def test_counters_are_those_of_the_moment_when_they_were_asked_for() -> None:
    """What comes later shows in the next ones only, however it is taken; so two of them can be compared."""
    sync = joined()
    first = sync.counters
    sync.receive(json.dumps(level2(6, 6)), 2 * MS)
    second = sync.counters
    sync.receive(b"garbage", 2 * MS)
    third = sync.counters

    assert [1, 2, 2] == [one.deltas for one in (first, second, third)]
    assert [{}, {}, {"json": 1}] == [one.rejected for one in (first, second, third)]
    third.rejected["json"] += 5
    assert {"json": 1} == sync.counters.rejected


def test_at_most_one_snapshot_is_wished_for() -> None:
    """A second acknowledgement does not ask again for what is already on its way."""
    sync = BookSync("kucoin", SYMBOL)
    sync.subscribed(MS)
    (wish,) = sync.check(1_001 * MS)
    assert isinstance(wish, NeedSnapshot)

    sync.subscribed(1_002 * MS)

    assert () == sync.check(2_100 * MS)
    assert 1 == sync.counters.snapshots_asked


def test_reasons_of_the_caller_make_no_counters() -> None:
    """Words may be different each time, as an error text of the venue's is; counters are by kind."""
    sync = joined()
    for i in range(100):
        sync.halt(f"maintenance {i}", MS)
        sync.fail(f"error {i}", MS)
        sync.subscribed(MS)
        sync.receive(json.dumps(level2(5, 5)), MS)

    assert len(sync.counters.discarded) <= 4


def test_after_the_end_nothing_is_told() -> None:
    """A closed book ignores every input; not even bad ones are told of."""
    sync = joined()
    sync.close(MS)

    for take in (sync.receive, sync.receive_snapshot):
        for body in (b"", b"{}", json.dumps(level2(6, 6)), b'{"code":"429000"}'):
            assert () == take(body, 2 * MS)
    assert () == sync.receive_probe(99, 2 * MS)
    assert () == sync.check(99_000 * MS)
    assert BookState.CLOSED is sync.state


@pytest.mark.parametrize("topic", ["/market/ticker:ETH-USDT", f"/market/ticker:{SYMBOL}", "/market/ticker:all"])
def test_a_bad_ticker_costs_no_book_anything(topic: str) -> None:
    """It was no part of a book, so no book lost a message by it."""
    sync = joined()
    frames = sync.counters.frames
    ticker = {"type": "message", "topic": topic, "subject": SYMBOL, "data": {"sequence": None}}

    assert () == sync.receive(json.dumps(ticker), 2 * MS)
    assert (frames, 1) == (sync.counters.frames, sync.counters.ignored)


ODD: Final = [
    None,
    0,
    0.5,
    1,
    1.5,
    2.0,
    True,
    -1,
    float("nan"),
    float("inf"),
    "1",
    1e300,
    10**12,
    10**18,
    2**63,
    10**30,
]


@pytest.mark.parametrize("value", ODD, ids=repr)
@pytest.mark.parametrize("name", [field.name for field in fields(SyncSettings)])
def test_settings_that_are_accepted_work(name: str, value: Any) -> None:
    """A setting that cannot work is refused when it is given, not by another error when it is used."""
    try:
        settings = SyncSettings(**{name: value})
    except UsageError:
        return
    sync = BookSync("kucoin", SYMBOL, settings=settings)
    sync.connection_opened(MS)
    sync.subscribed(MS)
    for number in (5, 6, 8, 4, 7, 7, 9, 11):
        sync.receive(json.dumps(level2(number, number, [["9", "2", number]])), number * MS)
        sync.receive_snapshot(json.dumps(rest(number, [["9", "2"]], [["11", "1"]])), number * MS, depth=1)
    sync.receive_snapshot(b"", 20 * MS)
    sync.audit(20 * MS)
    sync.receive_probe(99, 21 * MS)
    sync.check(99_000 * MS)
