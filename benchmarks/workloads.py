"""Seeded streams of book changes, alike in what costs time to what venues were seen to send.

Nothing here is recorded. Real KuCoin streams are scarce, and those at hand are of quiet symbols, so the shape is taken
from streams of several venues: about two changes a message and 36 % removals; a tenth of the changes at the touch, the
others some basis points behind it with a long tail; levels that stand dense at the touch and ever wider apart behind
it; sizes over several decimal orders. What a workload came out as is told by ``Traits``, and tests hold it to that.

Prices are counted in tenths, sizes in units of 10**-8, as for BTC-USDT.
"""

from __future__ import annotations

import gzip
import json
import random
from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

SYMBOL: Final = "BTC-USDT"
MID: Final = 670_000
"""Where every book begins, in ticks."""
FIRST_SEQUENCE: Final = 3_811_027_900
VENUE_MS: Final = 1_790_000_000_000

Row = tuple[str, str]
"""Price and size as they stand on the wire."""


class Message(NamedTuple):
    """One delta: rows per side, and the sequences it covers (one for each row)."""

    bids: list[Row]
    asks: list[Row]
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What a stream is to be like.

    Attributes:
        levels: Levels a side, at the beginning and on average.
        messages: How many.
        changes: Of a message, on average.
        delete: Share of changes that remove a level.
        at_touch: Share of changes that replace the size of a best level.
        moves: Share of changes that move a best price.
        absent: Share of changes that remove what is not there.
        distance: Of the other changes from the touch, in ticks: half are nearer. ``None``: anywhere in the book.
        seed: Of all that is random.
    """

    levels: int
    messages: int
    changes: float = 2.02
    delete: float = 0.36
    at_touch: float = 0.11
    moves: float = 0.029
    absent: float = 0.006
    distance: float | None = 250.0
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Workload:
    """A snapshot, and the messages that follow it.

    Attributes:
        name: What tables call it.
        bids, asks: Rows of the snapshot, best first.
        sequence: Of the snapshot.
        messages: Deltas, without a gap.
        symbol: The venue's own identifier.
    """

    name: str
    bids: list[Row]
    asks: list[Row]
    sequence: int
    messages: list[Message]
    symbol: str = SYMBOL

    def frames(self) -> list[bytes]:
        """The messages as KuCoin sends them."""
        return [frame(message, self.symbol) for message in self.messages]

    def body(self) -> bytes:
        """The snapshot as KuCoin's REST answers it."""
        data = {"time": VENUE_MS, "sequence": str(self.sequence), "bids": self.bids, "asks": self.asks}
        return json.dumps({"code": "200000", "data": data}, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class Recorded(Workload):
    """A workload of a real stream: the bytes are the venue's own."""

    raw_frames: list[bytes] = field(default_factory=list)
    raw_body: bytes = b""

    def frames(self) -> list[bytes]:
        """The messages as they came."""
        return self.raw_frames

    def body(self) -> bytes:
        """The snapshot as it came."""
        return self.raw_body


@dataclass(slots=True)
class Traits:
    """What a stream came out as, counted on a plain book."""

    messages: int = 0
    changes: int = 0
    deletes: int = 0
    absent: int = 0
    moves: int = 0
    frame_bytes: int = 0
    levels: tuple[int, int] = (0, 0)


@dataclass(slots=True)
class _Side:
    """One side while it is made: prices in ticks, ascending, and the size of each."""

    sign: int
    prices: list[int] = field(default_factory=list)
    sizes: dict[int, int] = field(default_factory=dict)

    @property
    def best(self) -> int:
        return self.prices[-1 if self.sign < 0 else 0]

    def put(self, price: int, size: int) -> None:
        if price not in self.sizes:
            insort(self.prices, price)
        self.sizes[price] = size

    def remove(self, price: int) -> None:
        del self.prices[bisect_left(self.prices, price)]
        del self.sizes[price]

    def nearest(self, price: int) -> int:
        """The level at a price or, if there is none, one beside it; never the best one, if there is another."""
        at = min(bisect_left(self.prices, price), len(self.prices) - 1)
        if self.prices[at] == self.best and len(self.prices) > 1:
            at += self.sign if self.sign > 0 else -1
        return self.prices[at]


class _Maker:
    """A market that follows a recipe."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.rng = random.Random(recipe.seed)
        self.sides = (_Side(-1), _Side(+1))
        for side in self.sides:
            price = MID + (0 if side.sign < 0 else 1)
            for rank in range(recipe.levels):
                side.put(price, self.size())
                # Every tick or two at the touch; beyond the first thousand levels several ticks apart.
                price += side.sign * (1 + int(self.rng.expovariate(1 / (0.6 + min(rank, 2_000) / 500))))

    def size(self) -> int:
        """Log-normal, and round as often as not; in units of 10**-8."""
        size = self.rng.lognormvariate(-1.9, 1.3)
        places: int = self.rng.choice((2, 3, 4, 8))
        return max(1, round(size * 10.0**places)) * int(10 ** (8 - places))

    def change(self) -> tuple[_Side, int, int]:
        """One change: its side, price in ticks, size in units (0 removes). The book has it."""
        recipe, rng = self.recipe, self.rng
        side = self.sides[rng.random() >= 0.54]
        other = self.sides[1] if side.sign < 0 else self.sides[0]
        kind = rng.random()
        if kind < recipe.moves:
            spread = self.sides[1].best - self.sides[0].best
            if spread > 1 and rng.random() < min(0.9, 0.4 + spread / 40):
                return self.set(side, side.best - side.sign * rng.randint(1, min(3, spread - 1)), self.size())
            return self.drop(side, side.best)
        if kind < recipe.moves + recipe.at_touch:
            return self.set(side, side.best, self.size())
        is_absent = kind < recipe.moves + recipe.at_touch + recipe.absent
        return self.behind(side, other, self.somewhere(side), is_absent=is_absent)

    def behind(self, side: _Side, other: _Side, price: int, *, is_absent: bool) -> tuple[_Side, int, int]:
        """A change at or near a price behind the touch."""
        recipe, rng = self.recipe, self.rng
        if is_absent:
            while price in side.sizes:
                price += side.sign
            return side, price, 0
        # Removals and new levels balance; when a side grows or shrinks, it is led back.
        lack = (recipe.levels - len(side.prices)) / recipe.levels
        rest = 1 - recipe.moves - recipe.at_touch - recipe.absent
        removals = (recipe.delete - recipe.absent - recipe.moves / 2) / rest
        if rng.random() < removals:
            return self.drop(side, side.nearest(price))
        if rng.random() < min(1.0, removals / (1 - removals) * (1 + 4 * lack)):
            while price in side.sizes or side.sign * (price - other.best) <= 0:
                price += side.sign
            return self.set(side, max(1, price), self.size())
        return self.set(side, side.nearest(price), self.size())

    def somewhere(self, side: _Side) -> int:
        """A price behind the touch."""
        if self.recipe.distance is None:
            return self.rng.choice(side.prices) + side.sign * self.rng.randint(0, 1)
        ticks = 1 + int(self.recipe.distance * self.rng.lognormvariate(0, 1.3))
        worst = side.prices[0 if side.sign < 0 else -1]
        return side.best + side.sign * min(ticks, abs(worst - side.best) + 1)

    def set(self, side: _Side, price: int, size: int) -> tuple[_Side, int, int]:
        side.put(price, size)
        return side, price, size

    def drop(self, side: _Side, price: int) -> tuple[_Side, int, int]:
        if len(side.prices) < 3:
            return self.set(side, price, self.size())
        side.remove(price)
        return side, price, 0

    def rows(self, side: _Side) -> list[Row]:
        ordered = side.prices if side.sign > 0 else reversed(side.prices)
        return [(_text(price, 1), _text(side.sizes[price], 8)) for price in ordered]

    def messages(self) -> Iterator[Message]:
        sequence = FIRST_SEQUENCE
        for _ in range(self.recipe.messages):
            # Most carry one or two changes, a few carry many.
            count = 1
            while self.rng.random() < 1 - 1 / self.recipe.changes:
                count += 1
            bids: list[Row] = []
            asks: list[Row] = []
            for _ in range(count):
                side, price, size = self.change()
                (bids if side.sign < 0 else asks).append((_text(price, 1), _text(size, 8)))
            yield Message(bids, asks, sequence + 1, sequence + count)
            sequence += count


def _text(raw: int, decimals: int) -> str:
    digits = str(raw).rjust(decimals + 1, "0")
    return f"{digits[:-decimals]}.{digits[-decimals:]}".rstrip("0").rstrip(".")


def frame(message: Message, symbol: str = SYMBOL) -> bytes:
    """One message as KuCoin sends it; each row has a sequence of its own."""
    number = message.start
    changes: dict[str, list[tuple[str, str, str]]] = {"asks": [], "bids": []}
    for name, rows in (("asks", message.asks), ("bids", message.bids)):
        for price, size in rows:
            changes[name].append((price, size, str(number)))
            number += 1
    data = {
        "changes": changes,
        "sequenceEnd": message.end,
        "sequenceStart": message.start,
        "symbol": symbol,
        "time": VENUE_MS + message.start - FIRST_SEQUENCE,
    }
    whole = {"topic": f"/market/level2:{symbol}", "type": "message", "subject": "trade.l2update", "data": data}
    return json.dumps(whole, separators=(",", ":")).encode()


def made(name: str, recipe: Recipe) -> Workload:
    """Follow a recipe. The same one always gives the same workload."""
    maker = _Maker(recipe)
    bids, asks = (maker.rows(side) for side in maker.sides)
    return Workload(name, bids, asks, FIRST_SEQUENCE, list(maker.messages()))


def counted(workload: Workload) -> Traits:
    """What a workload is like."""
    traits = Traits()
    books = [dict(workload.bids), dict(workload.asks)]
    best = [max(map(float, books[0])), min(map(float, books[1]))]
    for message in workload.messages:
        traits.messages += 1
        traits.frame_bytes += len(frame(message, workload.symbol))
        for side, rows in enumerate((message.bids, message.asks)):
            for price, size in rows:
                traits.changes += 1
                if size == "0":
                    traits.deletes += 1
                    traits.absent += books[side].pop(price, None) is None
                else:
                    books[side][price] = size
                number = float(price)
                if (
                    number == best[side]
                    if size == "0"
                    else (number > best[side]) is (side == 0) and number != best[side]
                ):
                    best[side] = (min if side else max)(map(float, books[side]))
                    traits.moves += 1
    traits.levels = (len(books[0]), len(books[1]))
    return traits


def recorded(path: Path, symbol: str = "BCHSV-USDT") -> Recorded:
    """What KuCoin sent of one symbol, from a capture; only the symbol's name is changed, to that of the others.

    Args:
        path: A capture that holds a snapshot of it.
        symbol: Which.
    """
    book, frames = b"", []
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            record = json.loads(line)
            if record["kind"] == "rest" and f"symbol={symbol}" in record["url"] and "level2" in record["url"]:
                book = record["raw"].encode()
            elif record["kind"] == "ws" and f'"/market/level2:{symbol}"' in record["raw"]:
                frames.append(record["raw"].replace(symbol, SYMBOL).encode())
    snapshot = json.loads(book)["data"]
    sequence = int(snapshot["sequence"])
    messages, kept = [], []
    for one in frames:
        data = json.loads(one)["data"]
        if data["sequenceEnd"] > sequence:
            bids, asks = ([(p, s) for p, s, _ in data["changes"][side]] for side in ("bids", "asks"))
            messages.append(Message(bids, asks, data["sequenceStart"], data["sequenceEnd"]))
            kept.append(one)
    bids, asks = ([(p, s) for p, s in snapshot[side]] for side in ("bids", "asks"))
    return Recorded("capture", bids, asks, sequence, messages, SYMBOL, kept, book)


CAPTURE: Final = Path(__file__).resolve().parent.parent / "tests" / "captures" / "kucoin-spot-20210425.jsonl.gz"

DEPTHS: Final = (100, 1_000, 10_000, 100_000)
"""Levels a side of the workloads that show what depth costs."""


def busy(messages: int = 40_000) -> Workload:
    """W1: a busy symbol with 2,000 levels a side."""
    return made("W1", Recipe(levels=2_000, messages=messages, seed=11))


def thin(messages: int = 30_000) -> Workload:
    """W2: some 20 levels a side, so that the touch moves often."""
    recipe = Recipe(
        levels=20, messages=messages, changes=2.18, delete=0.40, at_touch=0.15, moves=0.125, distance=15.0, seed=12
    )
    return made("W2", recipe)


def large() -> Workload:
    """W3: one snapshot of 5,000 levels a side."""
    return made("W3", Recipe(levels=5_000, messages=1, seed=13))


def deep(levels: int, *, near: bool, messages: int = 15_000) -> Workload:
    """D<n>: a book of n levels a side, with changes near the touch or anywhere in it."""
    name = f"D{levels} {'near' if near else 'uniform'}"
    return made(name, Recipe(levels=levels, messages=messages, distance=25.0 if near else None, seed=14))
