"""A market played from a capture: its first snapshot of each symbol, and the deltas that continue it.

It stands wherever a ``SymbolMarket`` may stand. What was true is what the recorded snapshot and deltas say. Numbers are
written without trailing zeros, whatever was recorded; nothing else is changed.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Final, NamedTuple

from orderbook.errors import FrameError, UsageError
from orderbook.fixedpoint import RAW_MAX, Number
from orderbook.simulator.listings import step
from orderbook.simulator.source import ZERO_ROW, Level, Row, Rules, Tick
from orderbook.simulator.truth import HISTORY, Truth, TruthTeller, scaled_text
from orderbook.types import Change, Delta, Side, Snapshot
from orderbook.venues.kucoin import KuCoin
from snapshots.capture import Record, read_capture
from snapshots.errors import CaptureError

NEVER_NS: Final = 10**18
"""What ``gap_ns`` says when nothing comes any more: 31 years."""
UNTIMED_GAP_NS: Final = 10_000_000
"""Time between two deltas of a capture that holds no times."""


class Happening(NamedTuple):
    """What one sequence number did: to a level, or with key 0 to none. Some have no row in the delta."""

    side: Side
    key: int
    size: int
    is_shown: bool


_SKIPPED: Final = Happening(Side.BID, 0, 0, is_shown=False)


class Recorded(NamedTuple):
    """A recorded delta: how long after the last one it came, in ns, and what each of its numbers did."""

    gap_ns: int
    happenings: tuple[Happening, ...]


class CaptureMarket(TruthTeller):
    """One symbol of a capture.

    Args:
        recording: Its snapshot and the deltas of the capture.
        name: Of the capture, for messages.
        speed: 2 plays twice as fast as it was recorded.
        repeat: Play it for ever: after the last delta another one leads back to the opening book.
        history: Events whose truth is remembered at least.

    Attributes:
        rules: Name, and the steps that are seen in the capture.
        truth: The book, now and at every sequence that is remembered.
        gap_at: Sequence at which a hole of the recording ends it early; ``None`` if it has none.

    Raises:
        UsageError: A speed that is not positive.
        CaptureError: A number that passes the bounds of a book, or two changes under one sequence number.
    """

    def __init__(
        self, recording: Recording, name: str, *, speed: float = 1.0, repeat: bool = False, history: int = HISTORY
    ) -> None:
        if not speed > 0:
            raise UsageError("a capture is played at a speed above 0")
        snapshot = recording.snapshot
        if snapshot is None:
            raise CaptureError(name, f"it holds no snapshot of {recording.symbol}", "record it together with one")
        reading = _Reading(recording, snapshot, name)
        self.rules = reading.rules
        self._deltas, self.gap_at = reading.deltas()
        self._opening = dict(reading.opening())
        self._price_decimals, self._size_decimals = reading.price_decimals, reading.size_decimals
        self._speed = speed
        self._repeat = repeat
        self._next = 0
        self.truth = Truth(
            self._opening.items(),
            base=snapshot.sequence,
            price_decimals=self._price_decimals,
            size_decimals=self._size_decimals,
            history=history,
        )

    @property
    def symbol(self) -> str:
        """The venue's name of the instrument."""
        return self.rules.symbol

    @property
    def remaining(self) -> int:
        """Deltas up to the end of the capture."""
        return len(self._deltas) - self._next

    @property
    def duration_ns(self) -> int:
        """From the opening book to the end of the capture, in ns, at the speed that it is played at. O(deltas)."""
        return int(sum(delta.gap_ns for delta in self._deltas) / self._speed)

    def gap_ns(self) -> int:
        """Time from the last delta to the next one, in ns; ``NEVER_NS`` at the end."""
        if self.remaining:
            return int(self._deltas[self._next].gap_ns / self._speed)
        return int(UNTIMED_GAP_NS / self._speed) if self._repeat and self._deltas else NEVER_NS

    def advance(self) -> Tick:
        """Let the next delta happen, and return it. O(log n) an event.

        Raises:
            UsageError: The capture is at its end.
        """
        if self.remaining:
            happenings = self._deltas[self._next].happenings
            self._next += 1
        elif self._repeat and self._deltas:
            happenings, self._next = self._way_back(), 0
        else:
            raise UsageError(f"the capture of {self.symbol} is at its end")
        start = self.truth.sequence + 1
        rows: dict[Side, list[Row]] = {Side.BID: [], Side.ASK: []}
        for sequence, (side, key, size, is_shown) in enumerate(happenings, start):
            left = self.happen(key, size)
            if is_shown:
                rows[side].append((*self._texts(key, left), str(sequence)))
        return Tick(self.symbol, start, self.truth.sequence, tuple(rows[Side.BID]), tuple(rows[Side.ASK]))

    def _way_back(self) -> tuple[Happening, ...]:
        """What leads from the last book to the opening one; never nothing, because a delta has a number."""
        now, opening = self.truth.sizes, self._opening
        # Deletions first, so that the sides do not cross on the way.
        ways = chain(((key, 0) for key in now if key not in opening), opening.items())
        changes = [(key, size) for key, size in ways if now.get(key, 0) != size]
        return tuple(Happening(_side(key), key, size, is_shown=True) for key, size in changes) or (_SKIPPED,)

    def _texts(self, key: int, size: int) -> Level:
        if not key:
            return ZERO_ROW
        return scaled_text(abs(key), self._price_decimals), scaled_text(size, self._size_decimals)


@dataclass
class Recording:
    """What a capture holds of a symbol: its first snapshot, and each delta with its time of receipt in ns."""

    symbol: str
    snapshot: Snapshot | None = None
    deltas: list[tuple[int | None, Delta]] = field(default_factory=list)


def read_market(
    source: str | os.PathLike[str] | Iterable[Record],
    *,
    symbols: Collection[str] | None = None,
    speed: float = 1.0,
    repeat: bool = False,
    history: int = HISTORY,
) -> dict[str, CaptureMarket]:
    """Make a market of a capture of KuCoin.

    Args:
        source: A path, a ``CaptureReader``, or records from anywhere.
        symbols: Only these; by default all of which the capture holds a snapshot.
        speed: 2 plays twice as fast as it was recorded.
        repeat: Play it for ever; see ``CaptureMarket``.
        history: Events that each symbol remembers at least.

    Returns:
        A market for each symbol, by name.

    Raises:
        CaptureError: It cannot be read, holds no snapshot of a wanted symbol, or none at all.
        UsageError: A speed that is not positive.

    Complexity: O(records) time and, unlike replay, memory.
    """
    if isinstance(source, str | os.PathLike):
        with read_capture(source) as reader:
            return read_market(reader, symbols=symbols, speed=speed, repeat=repeat, history=history)
    name = str(getattr(source, "name", "the capture"))
    found = _recordings(source)
    wanted = sorted(symbol for symbol in found if found[symbol].snapshot) if symbols is None else symbols
    if not wanted:
        raise CaptureError(name, "it holds no order book snapshot of KuCoin", "record one together with the stream")
    return {
        symbol: CaptureMarket(found.get(symbol, Recording(symbol)), name, speed=speed, repeat=repeat, history=history)
        for symbol in wanted
    }


def _recordings(records: Iterable[Record]) -> dict[str, Recording]:
    """Whatever can be decoded, by symbol; the rest was no part of a book."""
    venue = KuCoin()
    found: dict[str, Recording] = {}
    for record in records:
        text = record.text
        if text is None:
            continue
        try:
            if record.kind == "ws" and isinstance(message := venue.decode(text), Delta):
                found.setdefault(message.symbol, Recording(message.symbol)).deltas.append((record.ts, message))
            elif record.kind == "rest" and (request := venue.snapshot_request(record.url or "")) is not None:
                recording = found.setdefault(request[0], Recording(request[0]))
                recording.snapshot = recording.snapshot or venue.decode_snapshot(text)
        except FrameError:
            continue
    return found


class _Reading:
    """The numbers of a recording as whole ones, in the smallest steps that it shows."""

    def __init__(self, recording: Recording, snapshot: Snapshot, name: str) -> None:
        self._recording, self._snapshot, self._name = recording, snapshot, name
        rows = list(chain(snapshot.bids, snapshot.asks, *((*delta.bids, *delta.asks) for _, delta in recording.deltas)))
        self.price_decimals = max((row.price.decimals for row in rows), default=0)
        self.size_decimals = max((row.size.decimals for row in rows), default=0)

    @property
    def rules(self) -> Rules:
        base, _, quote = self._recording.symbol.partition("-")
        return Rules(self._recording.symbol, base, quote, step(self.price_decimals), step(self.size_decimals))

    def opening(self) -> Iterator[tuple[int, int]]:
        """Key and size of each level of the snapshot."""
        for side, rows in ((Side.BID, self._snapshot.bids), (Side.ASK, self._snapshot.asks)):
            for row in rows:
                _, key, size, _ = self._happening(side, row)
                if key and size:
                    yield key, size

    def deltas(self) -> tuple[list[Recorded], int | None]:
        """The deltas after the snapshot up to the first hole, and the sequence at which that is."""
        last, last_ts = self._snapshot.sequence, None
        found: list[Recorded] = []
        for ts, delta in self._recording.deltas:
            if delta.sequence_end <= last:
                continue
            if delta.sequence_start > last + 1:
                return found, last + 1
            gap = UNTIMED_GAP_NS if ts is None or last_ts is None else max(0, ts - last_ts)
            found.append(Recorded(gap, self._happenings(delta, last)))
            last, last_ts = delta.sequence_end, ts
        return found, None

    def _happenings(self, delta: Delta, last: int) -> tuple[Happening, ...]:
        """One for each number after ``last``."""
        done: dict[int, Happening] = {}
        for side, rows in ((Side.BID, delta.bids), (Side.ASK, delta.asks)):
            for row in rows:
                sequence = delta.sequence_end if row.sequence is None else row.sequence
                if sequence in done:
                    raise self._error(f"two changes of {delta.symbol} have the sequence {sequence}")
                done[sequence] = self._happening(side, row)
        return tuple(done.get(sequence, _SKIPPED) for sequence in range(last + 1, delta.sequence_end + 1))

    def _happening(self, side: Side, row: Change) -> Happening:
        key = -side.value * self._scaled(row.price, self.price_decimals)
        return Happening(side, key, self._scaled(row.size, self.size_decimals) if key else 0, is_shown=True)

    def _scaled(self, number: Number, decimals: int) -> int:
        value = number.mantissa * 10 ** (number.exponent + decimals)
        if value > RAW_MAX:
            raise self._error(f"a number of {self._recording.symbol} is too large: {number.to_decimal()}")
        return int(value)

    def _error(self, problem: str) -> CaptureError:
        return CaptureError(self._name, problem, "leave that symbol out")


def _side(key: int) -> Side:
    return Side.BID if key > 0 else Side.ASK
