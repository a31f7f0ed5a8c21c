"""Many frames in one call: row by row what ``receive`` and the queries say, natively wherever frames are plain."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orderbook.accelerator import ACCELERATOR
from orderbook.errors import BookNotLive, UsageError
from orderbook.events import NeedSnapshot
from orderbook.forms import FloatForm
from orderbook.sync import BookSync
from orderbook.types import BookState, Side
from snapshots.records import Record
from tests.kucoin_frames import SYMBOL, delta, kinds, live, snapshot
from tests.one_by_one import EVERYTHING, FRAMES, Frame, asked, asked_machine, check, rows_of
from tests.recording import BUSIEST, read_bundled
from tests.seeded_market import SYMBOL as MARKET_SYMBOL
from tests.seeded_market import Market, Numbering, market_of, stream
from tests.strategies import PlainBook, plain_books

# --- any frames ----------------------------------------------------------------------------------------------------


def damaged(market: Market, numbering: Numbering) -> Iterator[Frame]:
    """A market's frames as a bad day brings them, in every form that a frame may have."""
    rng = stream(market.seed, "damage")
    forms: list[Callable[[bytes], Frame]] = [bytes, bytes, bytes.decode, bytearray, memoryview]
    for message in market.messages:
        frame = market.frame(message.first, message.last, numbering)
        kind = rng.random()
        if kind < 0.004:
            continue
        if kind < 0.04:
            yield frame[: rng.randrange(len(frame))]
        elif kind < 0.03:
            yield frame.replace(MARKET_SYMBOL.encode(), b"ETH-USDT")
        elif kind < 0.05:
            yield rng.choice((b"", b" ", b'{"type":"pong","id":"1"}', b'{"type":"welcome"}'))
        elif kind < 0.07:
            yield frame
            yield frame
        elif kind < 0.2:
            yield json.dumps(json.loads(frame), indent=rng.choice((None, 1))).replace("\n", rng.choice("\r\t"))
        else:
            yield rng.choice(forms)(frame)


@pytest.mark.usefixtures("batch_twin")
@pytest.mark.parametrize("seed", range(12))
def test_whatever_comes(seed: int) -> None:
    """Losses, damage, duplicates, other books, any form of frame: as one by one, with snapshots between the calls."""
    market, numbering = market_of(seed, batched=seed % 2 == 0), Numbering(1_000)
    frames = list(damaged(market, numbering))
    sync, other = (BookSync("kucoin", MARKET_SYMBOL) for _ in range(2))
    rng = stream(seed, "calls")
    depth = rng.choice((None, 20, 100, 5))
    live_count = begin = 0
    while begin < len(frames):
        part = frames[begin : begin + rng.randrange(1, 90)]
        times = rng.choice((None, np.arange(len(part)) + 10**9 * (begin + 1)))
        live_count += int(check(sync, other, part, times=times, **EVERYTHING).live.sum())
        begin += len(part)
        if sync.wants_snapshot and sync.recent:
            body = market.body(sync.recent[-1].sequence_end - 1_000, numbering, depth)
            for book in (sync, other):
                book.receive_snapshot(body, depth=depth or "full")
    assert live_count > 50


def written(*models: PlainBook) -> list[list[tuple[str, str]]]:
    """Rows of text."""
    return [[(f"{price:f}", f"{size:f}") for price, size in model.rows(side)] for model in models for side in Side]


wide_books = st.builds(
    PlainBook,
    st.sampled_from([0, 8, 11, 12, 18]),
    st.sampled_from([0, 8, 11, 12, 18]),
    st.dictionaries(st.integers(1, 50), st.integers(1, 2**62), max_size=4),
    st.dictionaries(st.integers(51, 90) | st.integers(2**61, 2**62), st.integers(1, 2**62), max_size=4),
)


@given(model=plain_books() | wide_books, later=plain_books() | wide_books, depth=st.none() | st.integers(1, 4))
@example(model=PlainBook(0, 0, {1: 2**53}, {2: 1}), later=PlainBook(0, 0, {}, {2: 3}), depth=None)
@example(model=PlainBook(0, 0, {1: 2**62}, {2: 2**62}), later=PlainBook(0, 0, {1: 7}, {2: 2**62}), depth=None)
@example(model=PlainBook(0, 0, {3: 5, 1: 2}, {7: 2}), later=PlainBook(0, 0, {3: 0}, {}), depth=1)
def test_any_numbers(model: PlainBook, later: PlainBook, depth: int | None) -> None:
    """However many digits prices and sizes have, each number is the nearest one to the exact answer."""
    bids, asks, more_bids, more_asks = written(model, later)
    sync, other = (BookSync("kucoin", SYMBOL) for _ in range(2))
    frames = [delta(11 + number) for number in range(len(EVERYTHING))]
    for row in more_bids:
        frames += [delta(len(frames) + 11, bids=[row])]
    for row in more_asks:
        frames += [delta(len(frames) + 11, asks=[row]), delta(len(frames) + 12, asks=[(row[0], "0")])]
    for book in (sync, other):
        book.receive(delta(10))
        book.receive_snapshot(snapshot(10, bids, asks), depth=depth or "full")
    for frame, kind in zip(frames, EVERYTHING, strict=False):
        check(sync, other, [frame], **{"record": (), kind: EVERYTHING[kind]})
    check(sync, other, frames[len(EVERYTHING) :], **EVERYTHING)


HORIZONS: Final[list[dict[str, Any]]] = [
    EVERYTHING,
    {"record": "bid_price"},
    {"record": "bid_size"},
    {"record": "mid"},
    {"record": (), "imbalance": 3},
    {"record": (), "depth": 4},
]


@pytest.mark.parametrize("wanted", HORIZONS)
def test_a_horizon_that_is_reached(wanted: dict[str, Any]) -> None:
    """Where the levels known for certain end, rows say so, and have no number for what lies past them."""
    rows = [(str(price), "1") for price in range(100, 50, -1)]
    sync, other, unasked = (BookSync("kucoin", SYMBOL) for _ in range(3))
    for book in (sync, other, unasked):
        book.receive(delta(10))
        book.receive_snapshot(snapshot(10, rows, [("101", "1")]), depth=50)
    frames = [delta(11 + at, bids=[(price, "0")]) for at, (price, _) in enumerate(rows)]

    record = wanted["record"]
    recorded = check(sync, other, frames, **{**wanted, "record": (record,) if isinstance(record, str) else record})

    assert [False, True] == recorded.partial[[0, -1]].tolist()
    assert recorded.live.all()
    assert not unasked.replay(frames, record="ask_price").partial.any()


# --- the native way ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [list, b"\n".join])
def test_plain_frames_are_taken_natively(form: Callable[[list[bytes]], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of frames that are plain none goes through the machine, and one that is not costs no other its way."""
    sync = live()
    counts = asked_machine(sync, monkeypatch)
    # Laid out in another way than those before them.
    frames = [frame.replace(b" ", b"") for frame in FRAMES]
    frames[50] = frames[50].replace(b'"3"', b'"3e0"')
    check(sync, live(), frames, source=form(frames), **EVERYTHING)
    # The first price with three decimals is for the machine, too: it widens the scale.
    assert {"_receive": 2 if ACCELERATOR == "compiled" else len(FRAMES)} == counts


def test_a_stretch_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """More frames than are taken in one go, so that signals are looked at, are taken all the same."""
    frames = [delta(12 + at, asks=[("101", "1")]) for at in range(2**16 + 5 if ACCELERATOR == "compiled" else 50)]
    sync = live()
    counts = asked_machine(sync, monkeypatch)

    recorded = sync.replay(frames)

    assert len(frames) == recorded.live.sum()
    assert (0 if ACCELERATOR == "compiled" else len(frames)) == counts.total()


def test_a_crossed_book_in_the_middle() -> None:
    """After a frame that crosses the book nothing is LIVE, before the next snapshot; which a later call may have."""
    sync, other = live(), live()
    frames = [*FRAMES[:3], delta(15, bids=[("102", "1")]), *FRAMES[4:9]]

    recorded = check(sync, other, frames, **EVERYTHING)

    assert [True] * 3 + [False] * 6 == recorded.live.tolist()
    assert {3} == {row for row, event in recorded.events if isinstance(event, NeedSnapshot)}
    for book in (sync, other):
        book.receive_snapshot(snapshot(20), depth="full")
    assert check(sync, other, FRAMES[9:], **EVERYTHING).live.all()


@pytest.mark.usefixtures("batch_twin")
def test_who_watches_is_told() -> None:
    """An observer sees every delta; a clock is asked after every frame."""
    seen: list[object] = []
    sync = live(observer=lambda _content, change: seen.append(change))
    before = len(seen)
    check(sync, live(observer=lambda *_: None), FRAMES, **EVERYTHING)
    assert len(FRAMES) == len(seen) - before

    times = [iter(range(1, 10**12, 10**6)) for _ in range(2)]
    timed = [live(clock=lambda clock=clock: next(clock), max_age_ms=5_000) for clock in times]
    recorded = timed[0].replay(FRAMES, received_ns=[1] * len(FRAMES))
    assert recorded.live.all()
    late = timed[1].replay(FRAMES, received_ns=[-(10**13)] * len(FRAMES))
    assert not late.live.any()
    assert np.isnan(late["bid_price"]).all()


# --- other threads -------------------------------------------------------------------------------------------------

MANY: Final = 20_000 if ACCELERATOR == "compiled" else 500
LARGE: Final = [delta(12 + at, asks=[("101", str(2**54 + at + 1))]) for at in range(9)]


@pytest.mark.skipif(ACCELERATOR == "pure", reason="the pure twin holds the GIL at every step")
def test_nobody_comes_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    """While frames are taken natively, inputs raise, reads are refused, and what is read anyway is empty."""
    sync = live()
    value = FloatForm.value
    told: list[str] = []

    def looks(form: FloatForm, raw: int, decimals: int) -> float:
        if not told:
            told.append("")
            for act in (
                lambda: sync.receive(FRAMES[0]),
                lambda: sync.replay(FRAMES),
                lambda: sync.replay([b"x"]),
                lambda: sync.receive_snapshot(snapshot(20)),
                lambda: sync.check(1),
                sync.connection_lost,
            ):
                with pytest.raises(UsageError, match="belongs to one thread"):
                    act()
            with pytest.raises(BookNotLive, match="another thread is replaying frames"):
                sync.book.best_bid
            told.append(f"{sync.state.name} {sync.offer(FRAMES[0], 1)} {list(sync.book.last_known.bids)}")
            told.append(f"{sync.recent[-1].sequence_end} {sync.counters.frames} {sync.book.view(3).bids}")
        return value(form, raw, decimals)

    monkeypatch.setattr(FloatForm, "value", looks)
    recorded = sync.replay(LARGE)
    monkeypatch.undo()

    # What the lane took is not counted before it is handed over.
    assert ["", "SYNCING None []", "10 1 ()"] == told
    assert recorded.live.all()
    assert rows_of(live().replay(LARGE)) == rows_of(recorded)
    assert [20, 11] == [sync.recent[-1].sequence_end, sync.counters.frames]
    assert sync.state is BookState.LIVE


def test_a_reader_in_another_thread() -> None:
    """Whoever reads a book that is not its own gets an answer or a refusal, and the replay is what it always is."""
    frames = FRAMES + [delta(111 + at, bids=[("98", str(at % 7))], asks=[("103", str(at % 5))]) for at in range(MANY)]
    sync, results = live(), []
    worker = threading.Thread(target=lambda: results.append(sync.replay(frames, **EVERYTHING)))
    worker.start()
    while worker.is_alive():
        answer, _ = asked(lambda: (sync.book.best_bid, sync.book.depth(3), list(sync.book.last_known.bids[:9])))
        assert answer is None or 3 == len(answer)
    worker.join()

    assert rows_of(live().replay(frames, **EVERYTHING)) == rows_of(results[0])


# --- what comes out ------------------------------------------------------------------------------------------------


def test_the_arrays() -> None:
    """Types and shapes are those that are promised; without a depth there are no sides."""
    recorded = live().replay(FRAMES, record="mid", imbalance=2)
    plain: tuple[npt.NDArray[Any], ...] = (recorded.sequence, recorded.venue_ms, recorded.live, recorded.partial)

    assert ["int64", "int64", "bool", "bool"] == [array.dtype.name for array in plain]
    assert {"mid", "imbalance"} == recorded.columns.keys()
    assert {("float64", (99,))} == {(array.dtype.name, array.shape) for array in recorded.columns.values()}
    assert (None, None, ()) == (recorded.bids, recorded.asks, recorded.events)
    assert recorded["mid"] is recorded.columns["mid"]
    for name, advice in (("spread", r"; replay\(..., record=\('spread',\)\) records it"), ("sprad", "")):
        with pytest.raises(KeyError, match=f"no column '{name}' among those recorded: mid, imbalance{advice}\"$"):
            recorded[name]
    assert "<Recorded 99 frames, 99 live: mid, imbalance; 0 events>" == repr(recorded)
    assert "<Recorded 1 frames, 1 live: no columns, depth 2; 0 events>" == repr(
        live().replay(FRAMES[:1], record=(), depth=2)
    )


def test_a_book_that_is_not_there_yet() -> None:
    """Without a snapshot nothing is known, and the wish for one stands among the events."""
    recorded = BookSync("kucoin", SYMBOL).replay(FRAMES, **EVERYTHING)

    assert not recorded.live.any()
    assert np.isnan(recorded["bid_price"]).all()
    assert [-1] * len(FRAMES) == recorded.venue_ms.tolist()
    assert ["StateChanged", "NeedSnapshot"] == kinds([event for _, event in recorded.events])


def of_busiest(record: Record) -> bool:
    """Whether a record is a delta of the busiest book."""
    return record.kind == "ws" and f"level2:{BUSIEST}".encode() in record.raw


def test_a_real_recording() -> None:
    """The deltas of one symbol, with its snapshot handed in between two calls, end at the book of the usual replay."""
    with read_bundled() as capture:
        records = list(capture)
    frames = [record.raw for record in records if of_busiest(record)]
    bodies = [r.raw for r in records if r.kind == "rest" and f"level2?symbol={BUSIEST}" in (r.url or "")]
    sync, other = (BookSync("kucoin", BUSIEST) for _ in range(2))
    before = check(sync, other, frames[:5], **EVERYTHING)
    for book in (sync, other):
        book.receive_snapshot(bodies[0], depth="full")
    recorded = check(sync, other, frames[5:], source=b"\n".join(frames[5:]), **EVERYTHING)

    assert not before.live.any()
    assert len(frames) - 5 == len(recorded)
    assert recorded.live[-1]
    assert (recorded["spread"][recorded.live] > 0).all()
