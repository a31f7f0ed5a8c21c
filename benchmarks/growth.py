"""What a change costs in small and in large books, and what a level takes.

    python -m benchmarks.growth                   100 to 100,000 levels a side
    python -m benchmarks.growth --rounds 15 --format json

Frames of 20 changes go through ``BookSync.receive``: near the touch, or uniform over the book, which keeps about as
many levels as it began with. The rounds of all books are interleaved, in CPU time, medians; each book is compared with
a dictionary at the end. Memory is that of the ladders as loaded from a snapshot, and the most after any round. The
exit code is 1 if a bar was missed: growth near the touch 1.5, uniform 4, memory 32 bytes a level from 5,000 levels on.
"""

from __future__ import annotations

import json
import random
import sys
import time
from dataclasses import dataclass, field
from statistics import median
from typing import Final

import click

from orderbook.accelerator import ACCELERATOR
from orderbook.sync import BookSync
from orderbook.types import Side

SYMBOL: Final = "BTC-USDT"
COUNTS: Final = (100, 1_000, 5_000, 10_000, 100_000)
MIDDLE: Final = 10**7
CHANGES: Final = 20
BARS: Final = {"near": 1.5, "uniform": 4.0}
BYTES_MAX: Final = 32


@dataclass
class Case:
    """One book, its frames, and what was measured."""

    kind: str
    count: int
    frames: list[bytes]
    sync: BookSync
    sizes: dict[Side, dict[int, int]]
    spent_ns: list[float] = field(default_factory=list)
    loaded_bytes: float = 0.0
    most_bytes: float = 0.0

    def bytes_a_level(self) -> float:
        """What the ladders take now."""
        ladders = self.sync.book.content.bids, self.sync.book.content.asks
        return sum(map(sys.getsizeof, ladders)) / sum(map(len, ladders))

    def round(self, frames: list[bytes]) -> None:
        """Apply some frames and note the CPU time of a change."""
        receive = self.sync.receive
        begin = time.process_time_ns()
        for frame in frames:
            receive(frame)
        self.spent_ns.append((time.process_time_ns() - begin) / (len(frames) * CHANGES))
        self.most_bytes = max(self.most_bytes, self.bytes_a_level())

    def verify(self) -> None:
        """Raise ``AssertionError`` if the book is not what the frames say."""
        for side, sizes in self.sizes.items():
            ladder = self.sync.book.content.ladder(side)
            ladder.verify()
            assert sizes == dict(ladder), "a wrong book"


def made(kind: str, count: int, frame_count: int, seed: int) -> Case:
    """A LIVE book with so many levels a side, and frames that continue it."""
    rng = random.Random(f"{seed} {kind} {count}")
    sizes = {side: {_price(side, at): 1 for at in rng.sample(range(1, 2 * count), count)} for side in Side}
    body = _body(sizes)
    frames = [_frame(number, _changes(kind, count, sizes, rng)) for number in range(1, frame_count + 1)]
    sync = BookSync("kucoin", SYMBOL)
    sync.receive(_frame(0, []))
    sync.receive_snapshot(body, depth="full")
    assert sync.book.is_live
    case = Case(kind, count, frames, sync, sizes)
    case.loaded_bytes = case.most_bytes = case.bytes_a_level()
    return case


def _price(side: Side, at: int) -> int:
    return MIDDLE + side.value * at


def _body(sizes: dict[Side, dict[int, int]]) -> bytes:
    sides = {
        f"{side.name.lower()}s": [
            [str(p), str(sizes[side][p])] for p in sorted(sizes[side], key=lambda p: side.value * p)
        ]
        for side in Side
    }
    return json.dumps({"code": "200000", "data": {"time": 1, "sequence": "0", **sides}}, separators=(",", ":")).encode()


def _changes(
    kind: str, count: int, sizes: dict[Side, dict[int, int]], rng: random.Random
) -> list[tuple[Side, int, int]]:
    """Half of the prices hold a level, and half of the changes of those remove it."""
    found = []
    for _ in range(CHANGES):
        side = rng.choice((Side.BID, Side.ASK))
        at = rng.randint(1, 2 * count) if kind == "uniform" else 1 + min(2 * count, int(rng.expovariate(1 / 20)))
        price = _price(side, at)
        size = 0 if price in sizes[side] and rng.random() < 0.7 else rng.randint(1, 10**6)
        if size:
            sizes[side][price] = size
        else:
            sizes[side].pop(price, None)
        found.append((side, price, size))
    return found


def _frame(sequence: int, changes: list[tuple[Side, int, int]]) -> bytes:
    rows: dict[str, list[list[str]]] = {"asks": [], "bids": []}
    for side, price, size in changes:
        rows[f"{side.name.lower()}s"].append([str(price), str(size), str(sequence)])
    data = {"changes": rows, "sequenceEnd": sequence, "sequenceStart": sequence, "symbol": SYMBOL, "time": 1}
    topic = f"/market/level2:{SYMBOL}"
    frame = {"topic": topic, "type": "message", "subject": "trade.l2update", "data": data}
    return json.dumps(frame, separators=(",", ":")).encode()


def measured(rounds: int, frame_count: int, seed: int) -> list[Case]:
    """All books, their rounds interleaved."""
    cases = [made(kind, count, rounds * frame_count, seed) for kind in BARS for count in COUNTS]
    for number in range(rounds):
        for case in cases:
            case.round(case.frames[number * frame_count : (number + 1) * frame_count])
    for case in cases:
        case.verify()
    return cases


@click.command(help=__doc__)
@click.option("--rounds", default=11, show_default=True, type=click.IntRange(1))
@click.option("--frames", default=200, show_default=True, type=click.IntRange(1), help="Frames of a round.")
@click.option("--seed", default=1, show_default=True)
@click.option("--format", "form", default="text", type=click.Choice(["text", "json"]))
def main(rounds: int, frames: int, seed: int, form: str) -> None:
    """Measure, tell, and judge."""
    cases = measured(rounds, frames, seed)
    table = [
        {
            "changes": case.kind,
            "levels": case.count,
            "ns_per_change": round(median(case.spent_ns), 1),
            "bytes_loaded": round(case.loaded_bytes, 1),
            "bytes_most": round(case.most_bytes, 1),
        }
        for case in cases
    ]
    growth = {kind: round(_median_of(cases, kind, COUNTS[-1]) / _median_of(cases, kind, COUNTS[0]), 2) for kind in BARS}
    if form == "json":
        click.echo(json.dumps({"twin": ACCELERATOR, "growth": growth, "books": table}))
    else:
        click.echo(f"{ACCELERATOR} twin; growth from {COUNTS[0]:,} to {COUNTS[-1]:,} levels a side: {growth}")
        for row in table:
            click.echo("  ".join(f"{name} {value:>9}" for name, value in row.items()))
    large = max(case.most_bytes for case in cases if case.count >= 5_000)
    sys.exit(large > BYTES_MAX or any(growth[kind] > bar for kind, bar in BARS.items()))


def _median_of(cases: list[Case], kind: str, count: int) -> float:
    return next(median(case.spent_ns) for case in cases if (case.kind, case.count) == (kind, count))


if __name__ == "__main__":
    main()
