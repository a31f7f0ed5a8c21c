"""A KuCoin spot market made from one seed, which knows its own book after every change.

What happens in it is what happens in the normal market of ``orderbook.simulator``. Here a run has a fixed length, every
book of it is kept, and it is written down as JSON bytes: frames and snapshots, with the keys in the order of 2021 or of
2026.

Everything is drawn from named sub-streams of the seed, so that a fault drawn from one shifts nothing in another.
"""

from __future__ import annotations

import json
import random
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from orderbook.simulator.behaviour import Behaviour, Weighted
from orderbook.simulator.chance import stream
from orderbook.simulator.profiles import NORMAL, PROFILES
from orderbook.simulator.truth import Truth, scaled_text
from orderbook.types import Side

__all__ = [
    "MESSAGES_BEFORE",
    "MESSAGES_HEARD",
    "MS",
    "SIZE_DECIMALS",
    "START_NS",
    "SYMBOL",
    "Book",
    "Ladder",
    "Market",
    "Numbering",
    "Shape",
    "market_of",
    "shape",
    "stream",
]

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

_SIZE: Final = 68_600_000
"""Median size of a level, in units of ``10**-SIZE_DECIMALS``."""
_GROUP_GAP_MS: Final = 33.4
_GROUPS: Final = Weighted(NORMAL.groups)
_BATCHES: Final = Weighted(PROFILES["batches"].batches)


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
        rng = stream(seed, "market")
        behaviour = Behaviour(NORMAL, rng.randrange(240_000, 270_000), _SIZE, rng)
        self._truth = Truth(
            behaviour.opening(), base=self.base, price_decimals=self.price_decimals, size_decimals=SIZE_DECIMALS
        )
        self._changes = behaviour.changes(self._truth)
        self.books = [Book(self._ladder(Side.BID), self._ladder(Side.ASK))]
        self.events = [Event(Side.BID, 0, 0, START_NS)]
        self.messages: list[Message] = []
        timing, batching = stream(seed, "timing"), stream(seed, "batching")
        sizes = [_BATCHES.draw(batching) if batched else 1 for _ in range(MESSAGES_BEFORE + MESSAGES_HEARD)]
        for _ in range(sum(sizes)):
            self._happen()
        self._send(sizes, timing)

    # -- the book's life --

    def _happen(self) -> None:
        """The next event; the side that it does not touch, the next book shares with the last one."""
        is_bid, key, size = next(self._changes)
        self._truth.happen(key, size)
        side, book = Side.BID if is_bid else Side.ASK, self.books[-1]
        if key:
            ladder = self._ladder(side)
            book = book._replace(bids=ladder) if is_bid else book._replace(asks=ladder)
        self.events.append(Event(side, abs(key), size, 0))
        self.books.append(book)

    def _ladder(self, side: Side) -> Ladder:
        return tuple([(abs(key), self._truth.sizes[key]) for key in reversed(self._truth.ladder(side))])

    def _send(self, sizes: list[int], timing: random.Random) -> None:
        """Events happen in groups; a message leaves with its last event."""
        at_ns, left, event = START_NS, 0, 0
        for size in sizes:
            if not left:
                left = _GROUPS.draw(timing)
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
        price_text = scaled_text(price, self.price_decimals, padded=variant % 3 == 0)
        return price_text, scaled_text(size, SIZE_DECIMALS, padded=variant % 7 == 0)


def _bytes(value: dict[str, object]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


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
