"""A replay beside its equal: the same frames by ``receive``, one by one, and the queries asked after each of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import numpy as np
import pytest

from orderbook.errors import BeyondHorizon, BookNotLive
from orderbook.sync import BookSync
from orderbook.sync.tape import QUESTIONS, Recorded
from orderbook.types import Side
from tests.kucoin_frames import delta

EVERYTHING: Final[dict[str, Any]] = {"record": tuple(QUESTIONS), "imbalance": 3, "depth": 4}
"""All that can be recorded."""
FRAMES: Final = [delta(12 + at, bids=[(f"99.{at:03}", "3")], asks=[("101", str(at + 1))]) for at in range(99)]
"""Plain ones, which continue ``kucoin_frames.live()``."""

Frame = bytes | bytearray | memoryview | str


def asked(question: Callable[[], Any]) -> tuple[Any, bool]:
    """An answer, and whether it lies past the horizon."""
    try:
        return question(), False
    except BookNotLive:
        return None, False
    except BeyondHorizon:
        return None, True


def row_of(
    sync: BookSync, *, record: Sequence[str] = (), imbalance: int | None = None, depth: int | None = None
) -> Any:
    """What a row has to be, from the public queries of a book."""
    book = sync.book
    answers: dict[str, tuple[Any, bool]] = {}
    for name in record:
        if name in ("bid_price", "bid_size", "ask_price", "ask_size"):
            which, field = name.split("_")
            level, past = asked(partial(getattr, book, f"best_{which}"))
            answers[name] = (None if level is None else getattr(level, field)), past
        else:
            answers[name] = asked(partial(getattr, book, name))
    if imbalance is not None:
        answers["imbalance"] = asked(lambda: book.imbalance(levels=imbalance))
    past = any(past for _, past in answers.values())
    columns = {name: repr(float("nan") if value is None else value) for name, (value, _) in answers.items()}
    sides = []
    if depth is not None:
        for side in Side:
            levels = np.full((depth, 2), np.nan)
            if book.is_live:
                found = book.depth(depth, allow_partial=True)
                known = found.bids if side is Side.BID else found.asks
                levels[: len(known)] = known
                past |= found.partial
            sides.append(repr(levels.tolist()))
    return book.sequence, -1 if book.venue_ms is None else book.venue_ms, book.is_live, past, columns, *sides


def rows_of(recorded: Recorded) -> list[Any]:
    """The rows that were recorded, in the same form."""
    return [
        (
            int(recorded.sequence[row]),
            int(recorded.venue_ms[row]),
            bool(recorded.live[row]),
            bool(recorded.partial[row]),
            {name: repr(float(column[row])) for name, column in recorded.columns.items()},
            *(repr(side[row].tolist()) for side in (recorded.bids, recorded.asks) if side is not None),
        )
        for row in range(len(recorded))
    ]


def standing(sync: BookSync) -> Any:
    """All that is left afterwards."""
    sync.book.verify()
    levels = list(sync.book.content.bids), list(sync.book.content.asks)
    inside = sync.state, sync.book.touch_count, sync.recent, sync.next_check_ns, sync.book.heard_ns
    return levels, inside, sync.counters, sync.buffered, list(sync.journal)


def check(
    sync: BookSync, other: BookSync, frames: Sequence[Frame], source: Any = None, times: Any = None, **asked_for: Any
) -> Recorded:
    """Replay on one book, one by one on its equal; everything is the same."""
    expected, events = [], []
    for row, frame in enumerate(frames):
        told = other.receive(frame, 0 if times is None else int(times[row]))
        events += [(row, event) for event in told]
        expected.append(row_of(other, **asked_for))

    recorded = sync.replay(frames if source is None else source, received_ns=times, **asked_for)

    assert expected == rows_of(recorded)
    assert events == list(recorded.events)
    assert standing(other) == standing(sync)
    return recorded


def asked_machine(sync: BookSync, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts how often the machine was asked."""
    counts: Counter[str] = Counter()

    def counted(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def count(*arguments: Any) -> Any:
            counts[name] += 1
            return method(*arguments)

        return count

    for name in ("_receive", "_receive_odd"):
        monkeypatch.setattr(sync, name, counted(name, getattr(sync, name)))
    return counts
