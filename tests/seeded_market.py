"""A KuCoin spot market made from one seed, which knows its own book after every change.

It behaves as a busy symbol of 2021 was measured to: every added order shows as a row of price 0 and size 0 directly
before the real change, so that 35 % of all rows move nothing but the sequence; of the real changes 44 % delete a level,
10 % set a new best price, 10 % fall on the touch and half lie within about 200 ticks of it; the book holds some 570
levels or more, far more asks than bids, with heavy-tailed gaps and sizes over several decades; messages come in groups
within a millisecond, 79 a second. Frames and snapshots are JSON bytes, with the keys in the order of 2021 or of 2026.

Everything is drawn from named sub-streams of the seed, so that a fault drawn from one shifts nothing in another.
"""

from __future__ import annotations

import json
import random
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import lru_cache
from math import exp
from typing import Final, NamedTuple

from orderbook.types import Side

Level = tuple[int, int]
"""(price in ticks, size in units of ``10**-SIZE_DECIMALS``)."""
Ladder = tuple[Level, ...]
"""Best first."""
Row = tuple[str, object, str]
"""(price, size, sequence) as on the wire. A size that is no text goes into the JSON bare."""

SYMBOL: Final = "BCHSV-USDT"
SIZE_DECIMALS: Final = 8
MESSAGES_BEFORE: Final = 60
"""Messages that the venue sent before anybody listened."""
MESSAGES_HEARD: Final = 340
"""Deltas of one run."""
START_NS: Final = 10**12
"""When the first message leaves the venue, in ns of the virtual clock."""
MS: Final = 1_000_000
WALL_MS: Final = 1_767_690_000_000
"""What the venue's own clock says at the virtual time 0, in ms since 1970."""

_LEVELS: Final = {Side.BID: 185, Side.ASK: 410}
# Shares among added orders and among deletions that give the shares among all real changes of the introduction.
_ADDED: Final = 0.56
_NEW_BEST: Final = 0.18
_UPDATED: Final = 0.125
_TOUCH_DELETED: Final = 0.19
_GROUP_SIZES: Final = {1: 35, 2: 37, 3: 10, 4: 6, 6: 4, 9: 4, 12: 4}
_GROUP_GAP_MS: Final = 33.4
_BATCH_SIZES: Final = {1: 40, 2: 20, 3: 15, 4: 10, 6: 10, 9: 5}


def stream(seed: int, name: str) -> random.Random:
    """The sub-stream of a seed that has this name, the same on every machine."""
    return random.Random(f"{seed}/{name}")


class Book(NamedTuple):
    """The venue's whole book at one moment."""

    bids: Ladder
    asks: Ladder

    def ladder(self, side: Side) -> Ladder:
        """The levels of a side, best first."""
        return self.bids if side is Side.BID else self.asks


class Event(NamedTuple):
    """What happened under one sequence number; price 0 changes nothing."""

    side: Side
    price: int
    size: int
    at_ns: int


class Message(NamedTuple):
    """Which events a delta covers, first and last, and when it leaves the venue."""

    first: int
    last: int
    at_ns: int


class Numbering(NamedTuple):
    """Sequence numbers of events, which are counted from 1. The venue may count anew from a low base at an event."""

    base: int
    reset_at: int | None = None
    low_base: int = 0

    def sequence(self, event: int) -> int:
        """The sequence number of an event; of event 0, of the book that stood before them all."""
        if self.reset_at is None or event < self.reset_at:
            return self.base + event
        return self.low_base + event - self.reset_at + 1

    def events(self, sequence: int) -> list[int]:
        """Which events would have that number: one or none, or, where a new count runs into the old one, two."""
        found = []
        if sequence >= self.base and (self.reset_at is None or sequence - self.base < self.reset_at):
            found.append(sequence - self.base)
        if self.reset_at is not None and sequence > self.low_base:
            found.append(self.reset_at + sequence - self.low_base - 1)
        return found


class _Side:
    """A ladder under construction: keys ascending, best first on either side."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self.keys: list[int] = []
        self.levels: list[Level] = []

    def set(self, price: int, size: int) -> None:
        key = self.side.value * price
        at = bisect_left(self.keys, key)
        present = at < len(self.keys) and self.keys[at] == key
        if present:
            del self.keys[at], self.levels[at]
        if size:
            self.keys.insert(at, key)
            self.levels.insert(at, (price, size))
        else:
            assert present, "the market deletes only what is there"

    def near(self, distance: int) -> Level:
        """The level that is next to ``distance`` ticks from the touch."""
        return self.levels[min(bisect_left(self.keys, self.keys[0] + distance), len(self.keys) - 1)]

    def free(self, distance: int) -> int:
        """A price without a level, about ``distance`` ticks behind the touch."""
        key = self.keys[0] + max(1, distance)
        at = bisect_right(self.keys, key - 1)
        while at < len(self.keys) and self.keys[at] == key:
            key, at = key + 1, at + 1
        return self.side.value * key


class Market:
    """The market of one seed: its events, its book after each of them, and the messages that carry them.

    Args:
        seed: Whatever is drawn, is drawn from it.
        batched: Messages cover up to nine sequence numbers and both sides, as documented; otherwise one number and one
            row each, as recorded.

    Attributes:
        price_decimals: The tick is ``10**-price_decimals``.
        books: The truth: ``books[n]`` is the book after event n.
        events: ``events[n]`` is event n; number 0 stands for the book before them all.
        messages: In order of time; the first ``MESSAGES_BEFORE`` leave before anybody listens.
        base: The sequence number before event 1.
        is_modern: Keys in the order of 2026, and with a time; otherwise as in 2021.
    """

    def __init__(self, seed: int, *, batched: bool) -> None:
        self.seed = seed
        layout = stream(seed, "layout")
        self.price_decimals = layout.choice((1, 2, 3, 5, 8))
        self.is_modern = layout.random() < 0.5
        self.base = layout.choice((3_400_000_000, 38_110_279_534)) if self.is_modern else 1_613_277_183_891
        self._by_price = layout.random() < 0.5
        self._rng = stream(seed, "market")
        self._sides = self._opening()
        self.books = [self._book(None)]
        self.events = [Event(Side.BID, 0, 0, START_NS)]
        self.messages: list[Message] = []
        timing, batching = stream(seed, "timing"), stream(seed, "batching")
        sizes = [_drawn(batching, _BATCH_SIZES) if batched else 1 for _ in range(MESSAGES_BEFORE + MESSAGES_HEARD)]
        self._generate(sum(sizes))
        self._send(sizes, timing)

    # -- the book's life --

    def _opening(self) -> dict[Side, _Side]:
        rng = self._rng
        bid = rng.randrange(240_000, 900_000)
        sides = {side: _Side(side) for side in Side}
        for side, best in ((Side.BID, bid), (Side.ASK, bid + rng.randrange(100, 390))):
            price = best
            for _ in range(_LEVELS[side] + rng.randrange(40)):
                sides[side].set(price, _size(rng))
                price += side.value * min(1 + int(107 * exp(rng.gauss(0, 1.72))), 900)
        return sides

    def _book(self, changed: Side | None) -> Book:
        if changed is None:
            return Book(tuple(self._sides[Side.BID].levels), tuple(self._sides[Side.ASK].levels))
        last = self.books[-1]
        ladder = tuple(self._sides[changed].levels)
        return Book(ladder, last.asks) if changed is Side.BID else Book(last.bids, ladder)

    def _generate(self, count: int) -> None:
        rng = self._rng
        while len(self.events) <= count:
            side = Side.BID if rng.random() < 0.54 else Side.ASK
            if rng.random() < _ADDED:
                self._happen(side, 0, 0)
                self._happen(side, self._added(side), _size(rng))
            else:
                self._happen(side, self._deleted(side), 0)
        del self.events[count + 1 :], self.books[count + 1 :]

    def _happen(self, side: Side, price: int, size: int) -> None:
        if price:
            self._sides[side].set(price, size)
        self.events.append(Event(side, price, size, 0))
        self.books.append(self._book(side) if price else self.books[-1])

    def _added(self, side: Side) -> int:
        rng, own, other = self._rng, self._sides[side], self._sides[side.opposite]
        kind = rng.random()
        between = -other.keys[0] - own.keys[0]
        if kind < _NEW_BEST:
            if between < -1:
                return side.value * rng.randrange(own.keys[0] + between + 1, own.keys[0])
            return own.levels[0][0]
        if kind < _NEW_BEST + _UPDATED:
            return own.near(self._distance())[0]
        return own.free(self._distance())

    def _deleted(self, side: Side) -> int:
        own = self._sides[side]
        return own.levels[0][0] if self._rng.random() < _TOUCH_DELETED else own.near(self._distance())[0]

    def _distance(self) -> int:
        return int(215 * exp(self._rng.gauss(0, 1.53)))

    def _send(self, sizes: list[int], timing: random.Random) -> None:
        """Events happen in groups; a message leaves with its last event."""
        at_ns, left, event = START_NS, 0, 0
        for size in sizes:
            if not left:
                left = _drawn(timing, _GROUP_SIZES)
                at_ns += int(timing.expovariate(1 / _GROUP_GAP_MS) * MS) + MS
            left -= 1
            for _ in range(size):
                event += 1
                at_ns += timing.randrange(20_000, 200_000)
                self.events[event] = self.events[event]._replace(at_ns=at_ns)
            self.messages.append(Message(event - size + 1, event, at_ns))

    def event_at(self, now_ns: int) -> int:
        """The last event that has happened at a time. O(log n)."""
        return bisect_right(self.events, now_ns, lo=1, key=lambda event: event.at_ns) - 1

    # -- the wire --

    def frame(
        self,
        first: int,
        last: int,
        numbering: Numbering,
        *,
        size_text: object = None,
        zeros: tuple[tuple[Side, str], ...] = (),
    ) -> bytes:
        """The delta over events ``first..last``.

        Args:
            first: Its first event.
            last: Its last event.
            numbering: Their sequence numbers.
            size_text: Stands instead of the size in the last row that changes something.
            zeros: Sides and sizes of rows of price 0 to add.
        """
        rows = self._rows(first, last, numbering)
        if size_text is not None:
            spoiled = rows[next(self.events[e].side for e in range(last, first - 1, -1) if self.events[e].price)]
            spoiled[-1] = (spoiled[-1][0], size_text, spoiled[-1][2])
        for side, size in zeros:
            rows[side].append(("0", size, str(numbering.sequence(last))))
        start, end = numbering.sequence(first), numbering.sequence(last)
        changes = {"asks": rows[Side.ASK], "bids": rows[Side.BID]}
        topic = f"/market/level2:{SYMBOL}"
        frame: dict[str, object]
        if self.is_modern:
            data = {"changes": changes, "sequenceEnd": end, "sequenceStart": start, "symbol": SYMBOL}
            time_ms = WALL_MS + self.events[last].at_ns // MS
            frame = {"topic": topic, "type": "message", "subject": "trade.l2update", "data": {**data, "time": time_ms}}
        else:
            data = {"sequenceStart": start, "symbol": SYMBOL, "changes": changes, "sequenceEnd": end}
            frame = {"data": data, "subject": "trade.l2update", "topic": topic, "type": "message"}
        return _bytes(frame)

    def _rows(self, first: int, last: int, numbering: Numbering) -> dict[Side, list[Row]]:
        """For each price its last size, with the sequence of that change."""
        latest = {(self.events[event].side, self.events[event].price): event for event in range(first, last + 1)}
        ordered = sorted(latest.values(), key=lambda event: self.events[event].price if self._by_price else event)
        rows: dict[Side, list[Row]] = {Side.BID: [], Side.ASK: []}
        for event in ordered:
            side, price, size, _ = self.events[event]
            # In a batch a number without a change need not show at all.
            if price or first == last or event % 3:
                sequence = str(numbering.sequence(event))
                rows[side].append((*self._texts(price, size, event), sequence))
        return rows

    def body(self, event: int, numbering: Numbering, depth: int | None = None) -> bytes:
        """The REST answer with the book after an event: all of it, or its best ``depth`` levels a side."""
        sides = {
            side.name: [
                self._texts(price, size, price + event) for price, size in self.books[event].ladder(side)[:depth]
            ]
            for side in Side
        }
        sequence, time_ms = str(numbering.sequence(event)), WALL_MS + self.events[event].at_ns // MS
        if self.is_modern:
            data = {"asks": sides["ASK"], "bids": sides["BID"], "sequence": sequence, "time": time_ms}
        else:
            data = {"time": time_ms, "sequence": sequence, "bids": sides["BID"], "asks": sides["ASK"]}
        return _bytes({"code": "200000", "data": data})

    def _texts(self, price: int, size: int, variant: int) -> tuple[str, str]:
        """A price and a size as text: the same number now with all its decimals, now without trailing zeros."""
        if not price and not size:
            return "0", "0"
        return _text(price, self.price_decimals, padded=variant % 3 == 0), _text(
            size, SIZE_DECIMALS, padded=variant % 7 == 0
        )


def _bytes(value: dict[str, object]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _drawn(rng: random.Random, weights: dict[int, int]) -> int:
    return rng.choices(list(weights), list(weights.values()))[0]


def _size(rng: random.Random) -> int:
    """Log-normal over four decades, and often round."""
    size = max(1, int(0.686 * 10**SIZE_DECIMALS * exp(rng.gauss(0, 2.7))))
    return (size // 10**SIZE_DECIMALS + 1) * 10**SIZE_DECIMALS if rng.random() < 0.25 else size


def _text(value: int, decimals: int, *, padded: bool) -> str:
    whole, fraction = divmod(value, 10**decimals)
    digits = str(fraction).rjust(decimals, "0")
    if not padded:
        digits = digits.rstrip("0")
    return f"{whole}.{digits}" if digits else str(whole)


@dataclass(frozen=True)
class Shape:
    """What a market looks like in numbers: shares of its changes, and its size."""

    sequence_only: float
    deleted: float
    new_best: float
    at_touch: float
    near: float
    levels_min: int


def shape(market: Market) -> Shape:
    """Measure a market. ``near``: share of the real changes within 215 ticks of the touch of their side."""
    real = deleted = new_best = at_touch = near = 0
    for before, event in zip(market.books, market.events[1:], strict=False):
        if not event.price:
            continue
        distance = event.side.value * (event.price - before.ladder(event.side)[0][0])
        real += 1
        deleted += event.size == 0
        new_best += distance < 0
        at_touch += distance == 0
        near += distance <= 215
    levels = min(len(book.bids) + len(book.asks) for book in market.books)
    count = len(market.events) - 1
    return Shape((count - real) / count, deleted / real, new_best / real, at_touch / real, near / real, levels)


@lru_cache(maxsize=4)
def market_of(seed: int, *, batched: bool) -> Market:
    """The market of a seed; the last few are kept, because every scenario of a seed uses the same."""
    return Market(seed, batched=batched)
