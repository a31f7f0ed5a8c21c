"""Stories of a venue whose links break and whose counts begin anew, their recordings, and a judge of the replay."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Final, NamedTuple

from orderbook.types import BookState
from snapshots.records import Kind, Record
from snapshots.replay import Replay
from tests.recorder_disks import Desk

SYMBOL: Final = "BTC-USDT"
BOOK_URL: Final = f"https://api.kucoin.com/api/v3/market/orderbook/level2?symbol={SYMBOL}"


class Heard(NamedTuple):
    """Something that a recorder was handed, and which of the venue's counts it belongs to."""

    kind: Kind
    url: str
    raw: bytes
    epoch: int


class Story:
    """A venue with one symbol whose connection is cut now and then, and which may count anew while it is.

    A new count begins right behind the last sequence that was heard: without the ``close``, no reader could tell.
    """

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.epoch = 0
        self.sequence = 1000
        self.link = 0
        self.books: dict[tuple[int, int], tuple[dict[int, int], dict[int, int]]] = {}
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}
        self._fill()

    def _fill(self) -> None:
        self.bids = {price: self.rng.randint(1, 9) for price in range(90, 100)}
        self.asks = {price: self.rng.randint(1, 9) for price in range(101, 111)}
        self._keep()

    def _keep(self) -> None:
        self.books[self.epoch, self.sequence] = (dict(self.bids), dict(self.asks))

    @property
    def url(self) -> str:
        return f"wss://ws.kucoin.com/?connectId={self.link}"

    def heard(self, steps: int) -> Iterator[Heard]:
        """Everything, in order; calm at the end."""
        yield Heard("open", self.url, b"", self.epoch)
        for step in range(steps):
            chance = self.rng.random() if step < steps - 10 else 1.0
            if chance < 0.03:
                yield from self._outage()
            elif chance < 0.15 or step == steps - 5:
                yield self._snapshot()
            else:
                yield self._delta()

    def _outage(self) -> Iterator[Heard]:
        yield Heard("close", self.url, b"1006", self.epoch)
        if self.rng.random() < 0.7:
            self.epoch += 1
            self._fill()
        self.link += 1
        yield Heard("open", self.url, b"", self.epoch)

    def _delta(self) -> Heard:
        self.sequence += 1
        is_bid = self.rng.random() < 0.5
        price, size = self.rng.randint(90, 99) if is_bid else self.rng.randint(101, 110), self.rng.randint(0, 9)
        side = self.bids if is_bid else self.asks
        side[price] = size
        if not size:
            del side[price]
        self._keep()
        rows = [[str(price), str(size), str(self.sequence)]]
        changes = {"bids": rows if is_bid else [], "asks": [] if is_bid else rows}
        data = {"changes": changes, "sequenceStart": self.sequence, "sequenceEnd": self.sequence, "symbol": SYMBOL}
        frame = {"type": "message", "topic": f"/market/level2:{SYMBOL}", "subject": "trade.l2update", "data": data}
        return Heard("ws", self.url, json.dumps(frame).encode(), self.epoch)

    def _snapshot(self) -> Heard:
        bids = [[str(price), str(size)] for price, size in sorted(self.bids.items(), reverse=True)]
        asks = [[str(price), str(size)] for price, size in sorted(self.asks.items())]
        data = {"sequence": str(self.sequence), "bids": bids, "asks": asks}
        return Heard("rest", BOOK_URL, json.dumps({"code": "200000", "data": data}).encode(), self.epoch)


class Verdict(NamedTuple):
    """What a replay was seen to do."""

    wrong: int
    looks: int
    ends_live: bool
    losses: int


def recorded(seed: int) -> tuple[Story, list[Record], dict[int, int]]:
    """A story, its recording by a recorder with too small a queue, and to which count each moment belongs."""
    story = Story(seed)
    desk = Desk(queue_max=12)
    counts = {}
    heard = list(story.heard(250))
    for ts, one in enumerate(heard):
        counts[ts] = one.epoch
        desk.put(one.kind, one.url, one.raw, ts)
        if story.rng.random() < 0.06 or ts >= len(heard) - 10:
            desk.scribe.write(flush=story.rng.random() < 0.5)
    desk.queue.close()
    desk.scribe.end()
    desk.account()
    return story, desk.disk.records(), counts


def judged(story: Story, records: list[Record], counts: dict[int, int]) -> Verdict:
    """Replay a recording and compare the book with the venue's after every record."""
    run = Replay()
    wrong = looks = 0
    for record in records:
        run.feed(record)
        sync = run.books.get(SYMBOL)
        if sync is None or sync.state is not BookState.LIVE or record.ts is None:
            continue
        book = sync.book
        ours = tuple({int(level.price): int(level.size) for level in side} for side in (book.bids, book.asks))
        looks += 1
        wrong += ours != story.books.get((counts[record.ts], book.sequence))
    sync = run.books[SYMBOL]
    ends_live = sync.state is BookState.LIVE and sync.book.sequence == story.sequence
    return Verdict(wrong, looks, ends_live, len(sync.journal))
