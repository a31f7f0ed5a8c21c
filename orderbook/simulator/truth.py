"""What the simulated venue's book really was, at every sequence number: a log of changes with checkpoints.

A level is one signed integer, its *key*: the price in ticks, negative for an ask. So both ladders are ascending lists
whose best level is the last one, and a change is a pair of numbers. Digests compare whole books in one step: the book's
digest is the XOR of a 64-bit hash of each of its levels, the same in every process, and whoever has another book can
compute his with ``level_digest``.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable
from decimal import Decimal
from functools import reduce
from hashlib import blake2b
from itertools import islice, pairwise
from operator import attrgetter, xor
from typing import TYPE_CHECKING, Final

from orderbook.errors import UsageError
from orderbook.simulator.source import Level, Numeric, Row, Tick, TrueBook
from orderbook.types import Side

if TYPE_CHECKING:
    from orderbook.simulator.matching import Matching

CHECKPOINT_EVENTS: Final = 1000
"""Events between two checkpoints; more in a book that has more levels than that."""
HISTORY: Final = 1_000_000
"""Events that are remembered unless told otherwise: some 40 MB."""


def level_digest(side: Side, price: Numeric, size: Numeric) -> int:
    """The 64-bit hash of one level. Equal numbers hash equally, however they are written.

    Args:
        side: Of which ladder.
        price: Its price, in quote currency per unit of base.
        size: Its size, in units of base; not 0.
    """
    return _hash(side.name, plain(price), plain(size))


def book_digest(bids: Iterable[tuple[Numeric, Numeric]], asks: Iterable[tuple[Numeric, Numeric]]) -> int:
    """The digest of a whole book given as (price, size) a level, in any order. O(levels)."""
    sides = ((Side.BID, bids), (Side.ASK, asks))
    return reduce(xor, (level_digest(side, price, size) for side, levels in sides for price, size in levels), 0)


def plain(number: Numeric) -> str:
    """Decimal text without exponent and trailing zeros."""
    if not isinstance(number, str):
        text = format(number, "f")
    else:
        text = number if number.isascii() and "e" not in number and "E" not in number else format(Decimal(number), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def scaled_text(value: int, decimals: int, *, padded: bool = False) -> str:
    """``value * 10**-decimals`` as decimal text; ``padded`` keeps the trailing zeros."""
    if not decimals:
        return str(value)
    digits = str(value).rjust(decimals + 1, "0")
    fraction = digits[-decimals:] if padded else digits[-decimals:].rstrip("0")
    return f"{digits[:-decimals]}.{fraction}" if fraction else digits[:-decimals]


def _hash(side: str, price: str, size: str) -> int:
    return int.from_bytes(
        blake2b(f"{side} {price} {size}".encode(), digest_size=8, person=b"orderbook level").digest(), "big"
    )


class _Chunk:
    """A checkpoint and the events after it, up to the next one."""

    __slots__ = ("changes", "digests", "first", "levels", "price_decimals", "sizes")

    def __init__(self, first: int, levels: dict[int, int], digest: int, price_decimals: int) -> None:
        #: The event that the checkpoint comes after.
        self.first = first
        #: Of the keys in it.
        self.price_decimals = price_decimals
        self.levels = (array("q", levels), array("q", levels.values()))
        self.changes = array("q")
        self.sizes = array("q")
        #: Before the first of the events, and after each.
        self.digests = array("Q", (digest,))

    def levels_after(self, event: int) -> dict[int, int]:
        """Key and size of each level of the book after an event of this chunk."""
        levels = dict(zip(*self.levels, strict=True))
        for key, size in islice(zip(self.changes, self.sizes, strict=True), event - self.first):
            if size:
                levels[key] = size
            else:
                levels.pop(key, None)
        return levels


class Truth:
    """A book that remembers: its levels now, and what they were after each of its last events.

    Events are counted from 1; event 0 is the book that stood before them all. Each event takes one sequence number.

    Args:
        levels: Key and size of each level of event 0, in any order.
        base: Sequence of event 0.
        price_decimals: The key is in units of ``10**-price_decimals``, until ``refine`` makes them finer.
        size_decimals: So is a size of ``10**-size_decimals``.
        history: At least so many events are remembered; older ones are forgotten a checkpoint at a time.

    Attributes:
        bids: Keys of the bids, ascending: the best is the last.
        asks: Keys of the asks, which are negative, ascending: the best is the last here too.
        sizes: Size of each key.
        events: How many events happened.
        price_decimals: Of the keys now.
        size_decimals: Of the sizes.

    Complexity: O(log n) an event. 24 bytes an event, and at each checkpoint 16 bytes a level.
    """

    def __init__(
        self,
        levels: Iterable[tuple[int, int]],
        *,
        base: int,
        price_decimals: int,
        size_decimals: int,
        history: int = HISTORY,
    ) -> None:
        if history < 1 or base < 0:
            raise UsageError("a history has at least 1 event, and sequences begin at 0 or more")
        self.sizes = dict(levels)
        self.bids = sorted(key for key in self.sizes if key > 0)
        self.asks = sorted(key for key in self.sizes if key < 0)
        self.events = 0
        self.price_decimals = price_decimals
        self.size_decimals = size_decimals
        self._history = history
        self._hashes = {key: self._hashed(key, size) for key, size in self.sizes.items()}
        self._digest = reduce(xor, self._hashes.values(), 0)
        #: First event and base of every epoch.
        self._epochs = [(0, base)]
        self._offset = base
        self._chunks: list[_Chunk] = []
        self._open_chunk()

    # -- the present --

    @property
    def sequence(self) -> int:
        """Sequence of the last event."""
        return self._offset + self.events

    @property
    def epoch(self) -> int:
        """How often the venue counted anew."""
        return len(self._epochs) - 1

    @property
    def is_anew(self) -> bool:
        """Whether nothing happened since the venue counted anew."""
        return self.epoch > 0 and self.events == self._epochs[-1][0]

    def ladder(self, side: Side) -> list[int]:
        """Keys of a side, ascending; the best is the last."""
        return self.bids if side is Side.BID else self.asks

    def happen(self, key: int, size: int) -> None:
        """The next event: a level has this size now; size 0 removes it, key 0 changes nothing. O(log n).

        A removal of a level that is not there changes nothing either.
        """
        if self.events >= self._next_checkpoint:
            self._open_chunk()
        if key:
            self._change(key, size)
        self.events += 1
        self._changes.append(key)
        self._changed_sizes.append(size if key else 0)
        self._digests.append(self._digest)

    def _change(self, key: int, size: int) -> None:
        before = self._hashes.pop(key, None)
        if before is not None:
            self._digest ^= before
        if size:
            self._hashes[key] = hashed = self._hashed(key, size)
            self._digest ^= hashed
            if before is None:
                insort(self.bids if key > 0 else self.asks, key)
            self.sizes[key] = size
        elif before is not None:
            keys = self.bids if key > 0 else self.asks
            del keys[bisect_left(keys, key)], self.sizes[key]

    def reset(self, base: int) -> None:
        """The venue counts anew: the book as it stands has sequence ``base``, the next event the one after it."""
        if base < 0:
            raise UsageError("sequences begin at 0 or more")
        self._epochs.append((self.events, base))
        self._offset = base - self.events

    def refine(self, decimals: int) -> None:
        """Keys count in units that are ``10**decimals`` times finer from now on; no price changes. O(n)."""
        factor = 10**decimals
        self.price_decimals += decimals
        self.sizes = {key * factor: size for key, size in self.sizes.items()}
        self._hashes = {key * factor: hashed for key, hashed in self._hashes.items()}
        for keys in (self.bids, self.asks):
            keys[:] = [key * factor for key in keys]
        # Within a chunk all keys are in the same units.
        self._open_chunk()

    def top(self) -> tuple[Level | None, Level | None]:
        """The best bid and ask now; ``None`` where the side is empty. O(1)."""
        bid, ask = (
            self._level(keys[-1], self.sizes[keys[-1]], self.price_decimals) if keys else None
            for keys in (self.bids, self.asks)
        )
        return bid, ask

    # -- the past --

    def book(self, sequence: int | None = None, depth: int | None = None, *, epoch: int | None = None) -> TrueBook:
        """The book at a sequence.

        Args:
            sequence: Which; the last by default.
            depth: Levels a side at most; all by default.
            epoch: Of which count of the venue; the present one by default.

        Raises:
            UsageError: The sequence did not happen, or is forgotten.

        Complexity: O(levels asked for) for the last sequence, else O(n log n) in levels and events of a checkpoint.
        """
        event = self._event(sequence, epoch)
        if event == self.events:
            bids, asks, sizes = self.bids[::-1][:depth], self.asks[::-1][:depth], self.sizes
            decimals = self.price_decimals
        else:
            chunk = self._chunk(event)
            sizes, decimals = chunk.levels_after(event), chunk.price_decimals
            bids = sorted((key for key in sizes if key > 0), reverse=True)[:depth]
            asks = sorted((key for key in sizes if key < 0), reverse=True)[:depth]
        start, base = self._epochs[self.epoch if epoch is None else epoch]
        return TrueBook(
            base + event - start,
            tuple([self._level(key, sizes[key], decimals) for key in bids]),
            tuple([self._level(key, sizes[key], decimals) for key in asks]),
        )

    def changes(self, first: int, last: int) -> dict[Side, tuple[Row, ...]]:
        """What the events of the sequences ``first..last`` of this epoch left: of each level the last size.

        Raises:
            UsageError: One of them did not happen, or is forgotten.

        Complexity: O(log of the number of checkpoints) an event.
        """
        sides: dict[Side, dict[str, Row]] = {Side.BID: {}, Side.ASK: {}}
        for sequence in range(first, last + 1):
            event = self._event(sequence, None)
            chunk = self._chunk(event - 1)
            key, size = chunk.changes[event - 1 - chunk.first], chunk.sizes[event - 1 - chunk.first]
            if key:
                rows = sides[Side.BID if key > 0 else Side.ASK]
                price, size_text = self._level(key, size, chunk.price_decimals)
                rows[price] = (price, size_text, str(sequence))
        return {side: tuple(rows.values()) for side, rows in sides.items()}

    def digest(self, sequence: int | None = None, *, epoch: int | None = None) -> int:
        """The digest of the book at a sequence, whole. O(log of the number of checkpoints); arguments as ``book``.

        Raises:
            UsageError: The sequence did not happen, or is forgotten.
        """
        event = self._event(sequence, epoch)
        chunk = self._chunk(event)
        return chunk.digests[event - chunk.first]

    @property
    def oldest(self) -> tuple[int, int]:
        """(epoch, sequence) of the oldest book that is remembered."""
        event = self._chunks[0].first
        epoch = bisect_right(self._epochs, event, key=lambda started: started[0]) - 1
        return epoch, self._epochs[epoch][1] + event - self._epochs[epoch][0]

    def _event(self, sequence: int | None, epoch: int | None) -> int:
        if epoch is None:
            epoch = self.epoch
        if not 0 <= epoch < len(self._epochs):
            raise UsageError(f"there is no epoch {epoch}, only 0 to {self.epoch}")
        start, base = self._epochs[epoch]
        end = self.events if epoch == self.epoch else self._epochs[epoch + 1][0]
        event = end if sequence is None else start + sequence - base
        if not start <= event <= end:
            raise UsageError(f"sequence {sequence} is not one of epoch {epoch}: {base} to {base + end - start}")
        if event < self._chunks[0].first:
            raise UsageError(f"sequence {sequence} of epoch {epoch} is forgotten; a longer history would hold it")
        return event

    def _chunk(self, event: int) -> _Chunk:
        # An event that a checkpoint comes after is found in the chunk of the checkpoint.
        return self._chunks[bisect_right(self._chunks, event, key=attrgetter("first")) - 1]

    def _open_chunk(self) -> None:
        chunk = _Chunk(self.events, self.sizes, self._digest, self.price_decimals)
        self._chunks.append(chunk)
        self._changes, self._changed_sizes, self._digests = chunk.changes, chunk.sizes, chunk.digests
        self._next_checkpoint = self.events + max(CHECKPOINT_EVENTS, len(self.sizes))
        chunks = self._chunks
        while len(chunks) > 1 and chunks[1].first <= self.events - self._history:
            del chunks[0]

    def _level(self, key: int, size: int, price_decimals: int) -> Level:
        return scaled_text(abs(key), price_decimals), scaled_text(size, self.size_decimals)

    def _hashed(self, key: int, size: int) -> int:
        price = scaled_text(abs(key), self.price_decimals)
        return _hash("BID" if key > 0 else "ASK", price, scaled_text(size, self.size_decimals))


class TruthTeller:
    """The part of a ``Source`` that repeats what its truth says.

    Attributes:
        truth: What happened so far.
        matching: Where its orders meet, once somebody wants to know of trades.
    """

    truth: Truth
    matching: Matching | None = None

    def happen(self, key: int, size: int) -> int:
        """The market's next event, as ``Truth.happen``; returns the size that the level has since."""
        if self.matching is not None:
            size = self.matching.met(key, size)
        self.truth.happen(key, size)
        return size

    @property
    def sequence(self) -> int:
        """Sequence of the last event; at first that of the opening book."""
        return self.truth.sequence

    @property
    def epoch(self) -> int:
        """How often the venue counted anew."""
        return self.truth.epoch

    @property
    def is_anew(self) -> bool:
        """Whether nothing happened since the venue counted anew."""
        return self.truth.is_anew

    def book(self, sequence: int | None = None, depth: int | None = None, *, epoch: int | None = None) -> TrueBook:
        """The book at a sequence; see ``Truth.book``."""
        return self.truth.book(sequence, depth, epoch=epoch)

    def digest(self, sequence: int | None = None, *, epoch: int | None = None) -> int:
        """The digest of the book at a sequence; see ``Truth.digest``."""
        return self.truth.digest(sequence, epoch=epoch)

    def ticker(self) -> tuple[Level | None, Level | None]:
        """The best bid and ask now. O(1)."""
        return self.truth.top()

    def reset(self, base: int) -> None:
        """The venue counts anew from ``base``; the book stays as it is, and so does what was true before."""
        self.truth.reset(base)

    def change_tick(self, *, finer: bool) -> bool:  # noqa: ARG002 - asks something of markets that can
        """Whether the price grid became ten times finer or coarser: that of a market like this one is what it is."""
        return False

    def parts(self, tick: Tick, count: int) -> tuple[Tick, ...]:
        """The last delta told in up to ``count`` ones, each of them true at its end; at least one sequence in each.

        One that cannot be told in several, or is not the last, is returned as it is.

        Complexity: O(sequences of the delta).
        """
        start, end = tick.sequence_start, tick.sequence_end
        total = end - start + 1
        count = min(count, total)
        if count < 2 or end != self.sequence:
            return (tick,)
        cuts = [start + total * number // count for number in range(count + 1)]
        told = []
        for first, following in pairwise(cuts):
            sides = self.truth.changes(first, following - 1)
            told.append(Tick(tick.symbol, first, following - 1, sides[Side.BID], sides[Side.ASK]))
        return tuple(told)
