"""``BookSync`` takes any bytes in any state: it never raises, accounts for all, and never shows a crossed book."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from orderbook.errors import BeyondHorizon, BookNotLive
from orderbook.events import Event, FrameRejected, LimitReached, NeedSnapshot, SnapshotRejected, StateChanged
from orderbook.fixedpoint import SEQUENCE_MAX
from orderbook.settings import SyncSettings
from orderbook.sync import BookSync
from orderbook.types import BookState
from tests.examples import share
from tests.hostile import SYMBOL, damaged_objects, damaged_texts, json_values, level2, records, rest

MS: Final = 1_000_000
UNUSABLE = frozenset({"old", "ahead", "crossed", "empty"})
"""Reasons why a snapshot that could be read was no use."""
REASONS: Final = frozenset({"size", "utf8", "json", "nesting", "fields", "number", "sequence", "symbol", "error"})
"""Why a frame or a snapshot may be refused; also the only keys that the wire may put into a counter."""
LOSSES: Final = frozenset({"lose", "halt", "fail", "close", "sequence reset"})
"""Why deltas may be given up, besides a state that takes none and a bound that is met."""
LIMITS: Final = frozenset(field.name for field in dataclasses.fields(SyncSettings) if field.name.endswith("_max"))

# Bounds so low that random histories meet them.
SETTINGS: Final = SyncSettings(
    reset_window=6,
    reorder_hold_frames=2,
    catch_up_frames=4,
    buffer_frames_max=5,
    buffer_rows_max=12,
    levels_max=12,
    audit_frames_max=3,
    journal_max=4,
    frame_bytes_max=2_000,
    snapshot_bytes_max=4_000,
)

prices = st.sampled_from(["9", "9.5", "10", "10.25", "11", "11.0", "12", "0", 10, 1e-7, "1e30", "0." + "1" * 39])
sizes = st.sampled_from(["0", "1", "2.5", "0.00", 3, "1e-8", "9223372036854775807", "1e30"])
near = st.integers(0, 14)
sequences = near | near.map(str) | st.sampled_from([2**53 + 1, SEQUENCE_MAX])
levels = st.lists(st.tuples(prices, sizes).map(list), max_size=5)
symbols = st.sampled_from([SYMBOL, SYMBOL, SYMBOL, "ETH-USDT", "", "\0", "\ud800", "X" * 300]) | st.text(max_size=4)


@st.composite
def deltas(draw: st.DrawFn) -> dict[str, Any]:
    """Deltas that mostly continue each other, of a small range of sequences."""
    start = draw(near)
    end = start + draw(st.sampled_from([0, 0, 0, 1, 3]))
    sides = [
        [[draw(prices), draw(sizes), str(draw(st.integers(start, end)))] for _ in range(draw(st.integers(0, 2)))]
        for _ in range(2)
    ]
    return level2(start, end, *sides)


snapshots: st.SearchStrategy[dict[str, Any]] = st.builds(rest, sequences, levels, levels)
# Bids below asks: these can be joined.
sane_snapshots: st.SearchStrategy[dict[str, Any]] = st.builds(
    lambda sequence, size: rest(str(sequence), [["9", size], ["8", "1"]], [["12", size], ["13", "1"]]),
    near,
    st.sampled_from(["1", "2.5"]),
)
frames_of_others: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        level2(1, 1, symbol="ETH-USDT"),
        {"type": "message", "topic": "/market/ticker:all", "subject": SYMBOL, "data": {"sequence": None}},
        {"type": "pong", "id": "1", "timestamp": 1},
        {"type": "error", "code": 404, "data": "topic does not exist"},
        {"type": "ack", "id": "5"},
    ]
) | st.builds(
    lambda symbol, topic: {**level2(1, 1, symbol=symbol), **topic}, symbols, st.sampled_from([{}, {"topic": 5}])
)

real_frames: st.SearchStrategy[str] = st.integers(0, 3_000).map(
    lambda i: [text for kind, text in records() if kind == "ws"][i]
)
written = st.one_of(deltas(), deltas(), deltas(), frames_of_others).map(json.dumps)
frames: st.SearchStrategy[Any] = st.one_of(
    written.map(str.encode),
    written.map(str.encode),
    written,
    written.map(lambda text: memoryview(bytearray(text.encode()))),
    damaged_objects(st.one_of(deltas(), frames_of_others)),
    damaged_texts(written | real_frames),
    st.binary(max_size=30),
    st.text(max_size=30) | st.just("\ud800"),
    json_values.map(lambda value: json.dumps(value).encode()),
    st.integers(1_990, 2_010).map(lambda size: b" " * (size - 2) + b"{}"),
)
bodies: st.SearchStrategy[Any] = st.one_of(
    sane_snapshots.map(lambda answer: json.dumps(answer).encode()),
    sane_snapshots.map(json.dumps),
    snapshots.map(lambda answer: json.dumps(answer).encode()),
    damaged_objects(sane_snapshots | snapshots),
    damaged_texts(snapshots.map(json.dumps)),
    frames,
    st.sampled_from([b"<html>", b'{"code":"429000","msg":"\xf0\x9f\x98\x80"}', b'{"code":"200000","data":null}']),
)
depths: st.SearchStrategy[Any] = st.sampled_from([None, None, "full", 1, 2, 5, 100])


def fits_any_log(value: object) -> None:
    """It can be printed, and written as JSON in UTF-8."""
    for text in (repr(value), str(value), json.dumps(value, default=_plain, ensure_ascii=False)):
        text.encode()


def _plain(value: Any) -> Any:
    """Not ``asdict()``, which takes a ``Counter`` for a dictionary of pairs and miscounts it."""
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return str(value)


def check_counters(sync: BookSync) -> None:
    """Every frame is accounted for, and the wire makes no new keys."""
    counters = sync.counters
    done = counters.applied + counters.duplicates + counters.rejected_count + counters.discarded_count
    assert counters.frames == done + sync.buffered
    assert counters.rejected.keys() <= REASONS
    assert counters.limits.keys() <= LIMITS
    assert counters.snapshots_rejected.keys() <= REASONS | UNUSABLE | {s.value for s in BookState}
    assert counters.discarded.keys() <= LOSSES | LIMITS | {s.value for s in BookState}
    for counter in (counters.rejected, counters.discarded, counters.limits, counters.snapshots_rejected):
        assert all(count > 0 for count in counter.values())
    assert counters.audits_failed <= counters.audits
    assert counters.joins == sync.book.epoch


def check_events(before: BookState, wished: bool, events: Sequence[Event]) -> BookState:
    """Each change of state starts where the last one ended; no second wish while one stands. The state after them."""
    state = before
    for event in events:
        fits_any_log(event)
        if isinstance(event, StateChanged):
            assert (state, event.old) == (event.old, state)
            assert event.old is not event.new
            assert BookState.CLOSED is not event.old
            state = event.new
            # A book that is LIVE needs none, and what it wished for as such is void when it is not LIVE any more.
            wished = wished and BookState.LIVE not in (event.old, event.new)
        elif isinstance(event, NeedSnapshot):
            assert not wished or event.reason == "unanswered"
            assert state in (BookState.SYNCING, BookState.LIVE, BookState.STALE)
            wished = True
        elif isinstance(event, FrameRejected | SnapshotRejected):
            assert event.reason in REASONS | UNUSABLE
            assert len(event.detail) < 300
            assert event.detail.isprintable()
        elif isinstance(event, LimitReached):
            assert getattr(SETTINGS, event.name) == event.limit
    return state


def check_book(sync: BookSync) -> None:
    """Not LIVE: every read is refused. LIVE: none is, but past the horizon; and the book is in order."""
    book = sync.book
    book.verify()
    reads: list[Callable[[], Any]] = [
        *(lambda: book.best_bid, lambda: book.best_ask, lambda: book.spread, lambda: book.mid, lambda: book.microprice),
        *(lambda: tuple(book.depth(3).bids.flat), lambda: list(book.exact.asks), lambda: book.imbalance(levels=2)),
        lambda: book.raw.best_bid,
    ]
    refused: Counter[type] = Counter()
    for read in reads:
        try:
            fits_any_log(read())
        except (BookNotLive, BeyondHorizon) as error:
            refused[type(error)] += 1
            fits_any_log(error)
    is_live = sync.state is BookState.LIVE
    assert is_live == book.is_live
    assert (0 if is_live else len(reads)) == refused[BookNotLive]
    if is_live:
        assert not book.content.is_crossed
        assert max(len(book.content.bids), len(book.content.asks)) <= SETTINGS.levels_max
        if not refused and None not in (book.best_bid, book.best_ask):
            assert book.spread is not None
            assert book.spread >= 0


class AnyBytes(RuleBasedStateMachine):
    """Anything a driver can do with anything the wire can hold."""

    @initialize(depth=depths, clocked=st.booleans())
    def begin(self, depth: Any, clocked: bool) -> None:
        self.sync = BookSync("kucoin", SYMBOL, snapshot_depth=depth, settings=SETTINGS)
        self.state = BookState.CONNECTING
        self.high = 0
        self.clocked = clocked
        self.now_ns = 1_000 * MS if clocked else 0

    def told(self, events: Sequence[Event], *, wished: bool) -> None:
        """Look at what one input made of it."""
        assert isinstance(events, tuple)
        self.state = check_events(self.state, wished, events)
        assert self.state is self.sync.state
        if any(isinstance(event, NeedSnapshot) for event in events) and not self.sync.wants_snapshot:
            assert self.state is not BookState.SYNCING

    @rule(frame=frames, ms=st.sampled_from([0, 0, 1, 30]))
    def receive(self, frame: Any, ms: int) -> None:
        self.now_ns += ms * MS * self.clocked
        wished = self.sync.wants_snapshot
        self.told(self.sync.receive(frame, self.now_ns), wished=wished)

    @rule(ahead=st.integers(1, 3), batch=st.lists(deltas(), min_size=1, max_size=4))
    def receive_next(self, ahead: int, batch: list[dict[str, Any]]) -> None:
        """Deltas that continue the book, or leave a hole of one or two."""
        sequence = self.sync.book.sequence + ahead
        for delta in batch:
            data = delta["data"]
            shift = sequence - data["sequenceStart"]
            if sequence + 4 > SEQUENCE_MAX:
                return
            sides = [
                [[*row[:2], str(int(row[2]) + shift)] for row in data["changes"][side]] for side in ("bids", "asks")
            ]
            end = data["sequenceEnd"] + shift
            self.receive(json.dumps(level2(sequence, end, *sides)), 1)
            self.high = max(self.high, end)
            sequence = end + 1

    @rule(body=bodies, depth=depths)
    def receive_snapshot(self, body: Any, depth: Any) -> None:
        self.told(self.sync.receive_snapshot(body, self.now_ns, depth=depth), wished=False)

    @rule(offset=st.integers(-8, 3), size=st.sampled_from(["1", "2.5"]), depth=depths)
    def receive_near_snapshot(self, offset: int, size: str, depth: Any) -> None:
        """A snapshot of about the sequence that the stream is at."""
        sequence = max(0, max(self.high, self.sync.book.sequence) + offset)
        if sequence <= SEQUENCE_MAX:
            body = json.dumps(rest(str(sequence), [["9", size], ["8", "1"]], [["12", size], ["13", "1"]]))
            self.receive_snapshot(body, depth)

    @rule(offset=st.integers(-8, 8) | st.sampled_from([-SEQUENCE_MAX, SEQUENCE_MAX]))
    def receive_probe(self, offset: int) -> None:
        wished = self.sync.wants_snapshot
        sequence = min(SEQUENCE_MAX, max(0, self.sync.book.sequence + offset))
        self.told(self.sync.receive_probe(sequence, self.now_ns), wished=wished)

    @rule(
        kind=st.sampled_from(["connection_opened", "subscribed", "connection_lost", "halt", "fail"]),
        words=st.text(max_size=5),
    )
    def link(self, kind: str, words: str) -> None:
        arguments = [words] if kind in ("halt", "fail") else []
        wished = self.sync.wants_snapshot and kind == "subscribed"
        self.told(getattr(self.sync, kind)(*arguments, self.now_ns), wished=wished)

    @rule(dice=st.integers(0, 9))
    def close(self, dice: int) -> None:
        if dice == 9:
            self.told(self.sync.close(self.now_ns), wished=False)

    @rule(ms=st.sampled_from([0, 1, 25, 1_100, 2_100, 6_000, 31_000]))
    def check(self, ms: int) -> None:
        wished = self.sync.wants_snapshot
        self.clocked = True
        self.now_ns = max(self.now_ns, MS) + ms * MS
        self.told(self.sync.check(self.now_ns), wished=wished)

    @rule()
    def audit(self) -> None:
        wished = self.sync.wants_snapshot
        self.told(self.sync.audit(self.now_ns), wished=wished)

    @invariant()
    def all_is_accounted_for(self) -> None:
        check_counters(self.sync)
        check_book(self.sync)

    @invariant()
    def everything_is_bounded(self) -> None:
        sync = self.sync
        assert sync.buffered <= SETTINGS.buffer_frames_max
        assert len(sync.journal) <= SETTINGS.journal_max
        assert sync.next_check_ns is None or sync.next_check_ns > 0
        for loss in sync.journal:
            fits_any_log(loss)
        fits_any_log(sync)
        fits_any_log(sync.counters)


TestAnyBytes = AnyBytes.TestCase
TestAnyBytes.settings = settings(max_examples=share(80), stateful_step_count=40)
