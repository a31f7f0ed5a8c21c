"""A recorded market in which frames arrive damaged, and single inputs of any content in every state."""

from __future__ import annotations

import json
import random
from functools import cache
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderbook.content import BookContent
from orderbook.errors import FrameError
from orderbook.events import FrameRejected, NeedSnapshot, StateChanged
from orderbook.fixedpoint import plain
from orderbook.settings import SyncSettings
from orderbook.sync import BookSync
from orderbook.types import BookState, Delta, Side
from orderbook.venues.kucoin import KuCoin
from tests.hostile import SYMBOL, damaged_objects, damaged_texts, json_values, level2, records, rest
from tests.situations import MS, SITUATIONS, joined

# -- a damaged recording --


class Kept(NamedTuple):
    """A whole book, as it is kept."""

    decimals: tuple[int, int]
    bids: tuple[tuple[int, int], ...]
    asks: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, content: BookContent) -> Kept:
        """What a book holds."""
        return cls((content.price_decimals, content.size_decimals), tuple(content.bids), tuple(content.asks))

    def rows(self) -> tuple[list[list[str]], list[list[str]]]:
        """Bids and asks as exact text."""
        bids, asks = ([list(map(plain, level, self.decimals)) for level in side] for side in (self.bids, self.asks))
        return bids, asks

    def same(self, other: Kept) -> bool:
        """Whether they hold the same levels, at whatever scales."""
        return self == other or (self.decimals != other.decimals and self.rows() == other.rows())


@cache
def recording() -> tuple[list[str], str]:
    """The frames of the busiest book, and its snapshot."""
    frames = [text for kind, text in records() if kind == "ws" and f"/market/level2:{SYMBOL}" in text]
    (snapshot,) = [text for kind, text in records() if kind == "rest" and '"242.649"' in text]
    return frames, snapshot


@cache
def truth() -> dict[int, Kept]:
    """The book at every sequence of the recording, from the snapshot on."""
    frames, snapshot = recording()
    content = BookContent.from_snapshot(KuCoin().decode_snapshot(snapshot), dict.fromkeys(Side, False))
    books = {content.sequence: Kept.of(content)}
    for delta in map(KuCoin().decode, frames):
        assert isinstance(delta, Delta)
        if delta.sequence_end > content.sequence:
            assert delta.sequence_start == content.sequence + 1
            content.apply(delta.bids, delta.asks, delta.sequence_end)
            books[content.sequence] = Kept.of(content)
    return books


def damage(rng: random.Random, text: str) -> list[bytes]:
    """What may become of one frame on its way: nothing, one or several frames."""
    raw = bytearray(text.encode())
    at = rng.randrange(len(raw))
    match rng.choice(["flip", "cut", "behead", "twice", "lost", "doubled", "joined", "blank", "spliced"]):
        case "flip":
            raw[at] ^= 1 << rng.randrange(8)
        case "cut":
            del raw[at:]
        case "behead":
            del raw[:at]
        case "twice":
            return [bytes(raw), bytes(raw)]
        case "lost":
            return []
        case "doubled":
            raw[at:at] = bytes(raw[at : at + 20])
        case "joined":
            raw *= 2
        case "blank":
            raw[at : at + 8] = b"\0" * 8
        case "spliced":
            return [bytes(raw[:at]), bytes(raw[at:])]
    return [bytes(raw)]


def is_another_delta(raw: bytes) -> bool:
    """Whether damage made a flawless delta of other contents, which nobody could tell from a real one."""
    try:
        return isinstance(KuCoin().decode(raw.decode()), Delta)
    except (FrameError, UnicodeDecodeError):
        return False


@pytest.mark.parametrize("seed", range(3))
def test_a_damaged_recording_never_makes_a_wrong_book(seed: int) -> None:
    """Whatever becomes of the frames: when LIVE, every level is the venue's, and after the last damage LIVE returns."""
    rng = random.Random(seed)
    books = truth()
    sync = BookSync("kucoin", SYMBOL, settings=SyncSettings(reorder_hold_frames=1, catch_up_frames=8))
    wished, live, rejected, sequence = False, 0, 0, 0
    frames = recording()[0][19:]
    for number, text in enumerate(frames):
        delta = KuCoin().decode(text)
        assert isinstance(delta, Delta)
        sequence = delta.sequence_end
        healthy = number > len(frames) - 50 or rng.random() < 0.95
        arrived = [text.encode()] if healthy else damage(rng, text)
        for raw in arrived:
            if raw != text.encode() and is_another_delta(raw):
                continue
            events = sync.receive(raw, 0)
            wished = wished or any(isinstance(event, NeedSnapshot) for event in events)
            rejected += any(isinstance(event, FrameRejected) for event in events)
        if wished and sequence in books:
            wished = False
            body = json.dumps(rest(str(sequence), *books[sequence].rows()))
            wished = any(isinstance(event, NeedSnapshot) for event in sync.receive_snapshot(body))
        if sync.state is BookState.LIVE:
            live += 1
            assert books[sync.book.sequence].same(Kept.of(sync.book.content))

    assert (BookState.LIVE, sequence) == (sync.state, sync.book.sequence)
    assert live > len(frames) // 2
    assert rejected > 30
    assert sync.counters.resyncs > 5


# -- one input of any content, in every state --

texts = st.one_of(
    st.builds(level2, st.integers(0, 12), st.integers(0, 12), st.just([["9.5", "1", "6"]])),
    st.builds(rest, st.integers(0, 12), st.just([["9", "2"]]), st.just([["11", "1"], ["12", "0"]])),
    st.sampled_from(["welcome", "ack", "pong", "error", "x"]).map(
        lambda kind: {"type": kind, "code": 404, "data": "é"}
    ),
)
inputs: st.SearchStrategy[bytes | str] = st.one_of(
    st.binary(max_size=40),
    st.text(max_size=40) | st.just("\ud800"),
    json_values.map(lambda value: json.dumps(value).encode()),
    damaged_objects(texts),
    damaged_texts(texts.map(json.dumps) | st.integers(0, 2_000).map(lambda i: recording()[0][i])),
)


@pytest.mark.parametrize("situation", SITUATIONS)
@given(frame=inputs)
def test_any_frame_in_any_state(situation: str, frame: bytes | str) -> None:
    """It never raises, nothing is left untold, and a book that was out of use does not come back by it."""
    make, state = SITUATIONS[situation]
    sync = make()
    assert state is sync.state

    events = sync.receive(frame, 2 * MS)

    check_step(sync, state, events)


@pytest.mark.parametrize("situation", SITUATIONS)
@given(body=inputs, depth=st.sampled_from([None, "full", 1, 20]))
def test_any_answer_in_any_state(situation: str, body: bytes | str, depth: Any) -> None:
    """The same of a snapshot's body."""
    make, state = SITUATIONS[situation]
    sync = make()

    events = sync.receive_snapshot(body, 2 * MS, depth=depth)

    check_step(sync, state, events)


def check_step(sync: BookSync, before: BookState, events: tuple[object, ...]) -> None:
    """The events lead from the one state to the other, and every frame is accounted for."""
    counters = sync.counters
    for event in events:
        repr(event).encode()
        if isinstance(event, StateChanged):
            assert (before, event.old) == (event.old, before)
            before = event.new
    assert before is sync.state
    out = (BookState.HALTED, BookState.FAILED, BookState.CLOSED)
    assert (sync.state in out) == (before in out)
    done = counters.applied + counters.duplicates + counters.rejected_count + counters.discarded_count
    assert counters.frames == done + sync.buffered
    assert () == sync._desk.flush()
    sync.book.verify()
    assert not (sync.state is BookState.LIVE and sync.book.content.is_crossed)


def test_the_wire_makes_no_counters() -> None:
    """Thousands of different symbols, topics, types and errors leave a handful of reasons."""
    sync = joined()
    for i in range(2_000):
        word = f"\x00{i}\u2028" * (i % 5)
        sync.receive(json.dumps(level2(i, i, symbol=word)), 2 * MS)
        sync.receive(json.dumps({**level2(i, i), "topic": f"/market/level2:{word}", "subject": word}), 2 * MS)
        sync.receive(json.dumps({"type": word, "id": word, "code": i, "data": word}), 2 * MS)
        sync.receive(json.dumps({**level2(i, i, [[word, word, i]])}), 2 * MS)
        sync.receive_snapshot(json.dumps({"code": word, "msg": word}), 2 * MS)

    counters = sync.counters
    keys = [*counters.rejected, *counters.discarded, *counters.snapshots_rejected, *counters.limits]
    assert len(keys) < 20
    assert all(key.isascii() and len(key) < 40 for key in keys)
