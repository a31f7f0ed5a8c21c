"""What is recorded of a book while many frames are replayed: one row a frame, in NumPy arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, SupportsIndex, TypeVar

import numpy as np
import numpy.typing as npt

from orderbook.arguments import as_count
from orderbook.book import OrderBook
from orderbook.errors import BeyondHorizon, UsageError
from orderbook.events import Event
from orderbook.reader import Reader
from orderbook.types import Level

Answer = TypeVar("Answer")
Floats = npt.NDArray[np.float64]
FloatReader = Reader[float, float]


def _price(level: Level[float] | None) -> float | None:
    return None if level is None else level.price


def _size(level: Level[float] | None) -> float | None:
    return None if level is None else level.size


QUESTIONS: Final[dict[str, Callable[[FloatReader], float | None]]] = {
    "bid_price": lambda book: _price(book.best_bid),
    "bid_size": lambda book: _size(book.best_bid),
    "ask_price": lambda book: _price(book.best_ask),
    "ask_size": lambda book: _size(book.best_ask),
    "spread": lambda book: book.spread,
    "spread_bps": lambda book: book.spread_bps,
    "mid": lambda book: book.mid,
    "microprice": lambda book: book.microprice,
}
"""What may be recorded by name, and how a book is asked. The compiled twin knows them by their order, too."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Recorded:
    """What ``BookSync.replay`` recorded: row n is the book after frame n. ``recorded["mid"]`` is a column by name.

    Attributes:
        sequence: int64, shape (frames,): the sequence that the book stood at.
        venue_ms: int64, shape (frames,): the venue's time of the last change, in ms since 1970; -1: none.
        live: bool, shape (frames,): whether the book was LIVE. Where it was not, all numbers of the row are NaN.
        partial: bool, shape (frames,): whether something in the row lies past the horizon, and so is NaN.
        columns: float64, shape (frames,), by the names asked for; ``"imbalance"`` too, if it was. NaN: no such value.
        bids: float64, shape (frames, depth, 2), price and size, best first, NaN where there is no level; ``None`` if
            no depth was asked for.
        asks: The same.
        events: What there was to tell, oldest first, each with the row of its frame.
    """

    sequence: npt.NDArray[np.int64]
    venue_ms: npt.NDArray[np.int64]
    live: npt.NDArray[np.bool_]
    partial: npt.NDArray[np.bool_]
    columns: dict[str, Floats]
    bids: Floats | None
    asks: Floats | None
    events: tuple[tuple[int, Event], ...]

    def __len__(self) -> int:
        """How many frames."""
        return len(self.sequence)

    def __getitem__(self, name: str) -> Floats:
        """A column. Raises ``KeyError``, which names those that there are, if it was not asked for."""
        if name not in self.columns:
            there = ", ".join(self.columns) or "none"
            how = f"replay(..., record=({name!r},))" if name in QUESTIONS else "replay(..., imbalance=LEVELS)"
            advice = f"; {how} records it" if name in QUESTIONS or name == "imbalance" else ""
            raise KeyError(f"no column {ascii(name)[:40]} among those recorded: {there}{advice}")
        return self.columns[name]

    def __repr__(self) -> str:
        depth = "" if self.bids is None else f", depth {self.bids.shape[1]}"
        columns = ", ".join(self.columns) or "no columns"
        live = int(self.live.sum())
        return f"<Recorded {len(self)} frames, {live} live: {columns}{depth}; {len(self.events)} events>"


class Tape:
    """The arrays of a replay while they are written.

    Args:
        book: Which is asked.
        record: Names of ``QUESTIONS``.
        imbalance: Over how many levels a side; ``None``: not at all.
        depth: How many levels a side; ``None``: none.

    Raises:
        UsageError: An unknown name, or one that stands twice; or not at least one level.
    """

    def __init__(
        self, book: OrderBook, record: Iterable[str], imbalance: SupportsIndex | None, depth: SupportsIndex | None
    ) -> None:
        self.record = (record,) if isinstance(record, str) else tuple(record)
        unknown = [name for name in self.record if name not in QUESTIONS]
        if unknown:
            raise UsageError(f"what can be recorded is {', '.join(QUESTIONS)}; not {unknown[0]!a:.40}")
        if len(set(self.record)) < len(self.record):
            raise UsageError("a name to record stands twice")
        self.imbalance = None if imbalance is None else as_count(imbalance, "imbalance", least=1)
        self.depth = None if depth is None else as_count(depth, "depth", least=1)
        self.events: list[tuple[int, Event]] = []
        self._book = book

    def start(self, count: int) -> None:
        """Make room for so many rows. O(count)."""
        self.sequence, self.venue_ms = np.empty(count, np.int64), np.empty(count, np.int64)
        self.live, self.partial = np.empty(count, np.bool_), np.empty(count, np.bool_)
        names = self.record if self.imbalance is None else (*self.record, "imbalance")
        self.columns = {name: np.empty(count) for name in names}
        self.bids = None if self.depth is None else np.empty((count, self.depth, 2))
        self.asks = None if self.depth is None else np.empty((count, self.depth, 2))

    def note(self, row: int, events: Sequence[Event]) -> None:
        """Write a row, whatever the book is, and what there was to tell. O(levels asked for)."""
        self.events += [(row, event) for event in events]
        book = self._book
        self.sequence[row] = book.sequence
        self.venue_ms[row] = -1 if book.venue_ms is None else book.venue_ms
        # Asked once: a clock that has a say in it may go on.
        self.live[row] = is_live = book.is_live
        self.partial[row] = False
        for name, column in self.columns.items():
            column[row] = self._asked(row, QUESTIONS.get(name, self._imbalance)) if is_live else np.nan
        if self.bids is not None and self.asks is not None:
            self.bids[row] = self.asks[row] = np.nan
            if is_live:
                self._note_depth(row, self.bids[row], self.asks[row])

    def recorded(self) -> Recorded:
        """All of it."""
        return Recorded(
            self.sequence,
            self.venue_ms,
            self.live,
            self.partial,
            self.columns,
            self.bids,
            self.asks,
            tuple(self.events),
        )

    def _asked(self, row: int, question: Callable[[FloatReader], float | None]) -> float:
        """An answer; NaN if there is none, or none that is certain."""
        try:
            answer = question(self._book.last_known)
        except BeyondHorizon:
            self.partial[row] = True
            return np.nan
        return np.nan if answer is None else answer

    def _imbalance(self, book: FloatReader) -> float | None:
        return book.imbalance(levels=self.imbalance)

    def _note_depth(self, row: int, bids: Floats, asks: Floats) -> None:
        found: Any = self._book.last_known.depth(self.depth or 0, allow_partial=True)
        bids[: len(found.bids)] = found.bids
        asks[: len(found.asks)] = found.asks
        self.partial[row] |= found.partial
