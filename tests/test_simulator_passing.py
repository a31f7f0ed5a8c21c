"""A market that goes where it likes, past one's own orders: they are served on the way, and no book is ever crossed."""

from __future__ import annotations

import random
from collections import Counter
from decimal import Decimal
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from orderbook.errors import UsageError
from orderbook.simulator.source import Row, Rules, Tick
from orderbook.simulator.truth import Truth, TruthTeller
from tests.examples import share
from tests.simulator_accounts import V2, events
from tests.simulator_bench import MS, A, Bench

LOWEST: Final = 80
HIGHEST: Final = 130
BOOK: Final = f"/market/level2:{A}"


class Watched(Truth):
    """A book that is looked at after each of its events."""

    def happen(self, key: int, size: int) -> None:
        super().happen(key, size)
        assert self.bids
        assert self.asks
        assert self.bids[-1] < -self.asks[-1]


class Roaming(TruthTeller):
    """A symbol whose others know nothing of one's own orders, as those of a capture."""

    def __init__(self, seed: int) -> None:
        self.symbol = A
        self.rules = Rules(A, "AAA", "USDT", "1", "1")
        self.others = {100: 10, 90: 10, -110: 10, -120: 10}
        self.truth = Watched(self.others.items(), base=0, price_decimals=0, size_decimals=0)
        self._rng = random.Random(seed)

    def gap_ns(self) -> int:
        return 10 * MS

    def advance(self) -> Tick:
        start = self.truth.sequence + 1
        rows: dict[bool, list[Row]] = {True: [], False: []}
        for sequence in range(start, start + self._rng.choice((1, 1, 1, 4))):
            key, size = self._change()
            rows[key > 0].append((str(abs(key)), str(self.happen(key, size)), str(sequence)))
        return Tick(A, start, self.truth.sequence, tuple(rows[True]), tuple(rows[False]))

    def _change(self) -> tuple[int, int]:
        """The others never cross themselves, and some stay on each side."""
        rng, others = self._rng, self.others
        bids, asks = ([key for key in others if (key > 0) is is_bid] for is_bid in (True, False))
        side = rng.choice((bids, asks))
        if len(side) > 1 and rng.random() < 0.5:
            key = max(side)
            size = rng.choice((0, 0, 0, rng.randrange(1, 30)))
        else:
            low, high = max(bids) + 1, -max(asks)
            key = rng.randrange(LOWEST, high) if side is bids else -rng.randrange(low, HIGHEST)
            size = rng.randrange(1, 30)
        others[key] = size
        if not size:
            del others[key]
        return key, size


def sides(source: Roaming) -> dict[str, dict[str, str]]:
    """The true book."""
    book = source.book()
    return {"bids": dict(book.bids), "asks": dict(book.asks)}


def act(bench: Bench, rng: random.Random, seen: Counter[str]) -> None:
    """The owner places an order somewhere, also where it takes from the others, or takes one back."""
    active = bench.account.active()
    try:
        if rng.random() < 0.7:
            side, price = rng.choice(("buy", "sell")), str(rng.randrange(LOWEST, HIGHEST))
            bench.account.place(A, side, price, str(rng.randrange(1, 30)))
        elif active:
            bench.account.cancel(rng.choice(active).order_id)
    except UsageError:
        seen["refused"] += 1


def played(seed: int, moments: int, *, has_orders: bool = True, **entry: Any) -> tuple[Bench, Counter[str]]:
    """The market roams, and what its deltas say is its true book."""
    rng, source, seen = random.Random(seed), Roaming(seed), Counter[str]()
    bench = Bench([entry] if entry else (), market={A: source}, seed=seed)
    bench.owner(V2, BOOK, f"/market/match:{A}")
    told = sides(source)
    for _ in range(moments):
        bench.run(10)
        if has_orders:
            act(bench, rng, seen)
        for frame in bench.frames()[seen["frames"] :]:
            seen["frames"] += 1
            if frame["topic"] == BOOK:
                for side, rows in frame["data"]["changes"].items():
                    told[side] |= {price: size for price, size, _ in rows}
    left = {side: {price: size for price, size in levels.items() if size != "0"} for side, levels in told.items()}
    # What happened while it was delisted was not told.
    assert entry or left == sides(source)
    fills = [one for one in events(bench) if one["type"] == "match" and one["liquidity"] == "maker"]
    assert all(Decimal(one["matchPrice"]) == Decimal(one["price"]) for one in fills)
    seen["served"] = source.matching.served if source.matching else 0
    return bench, seen


@given(st.integers(0, 2**32))
@settings(max_examples=share(40))
def test_no_book_is_ever_crossed(seed: int) -> None:
    """Nor locked, after no event; and the deltas, one after the other, tell the true book."""
    played(seed, 60)


@given(st.integers(0, 2**32))
@settings(max_examples=share(20))
def test_no_book_is_crossed_while_nothing_trades(seed: int) -> None:
    """A symbol that is delisted for a while: its orders stay, and the market does not come past them."""
    played(seed, 60, fault="delist", scope=A, at_ms=200, ms=200)


def test_orders_are_passed_often() -> None:
    """In such a market, in which a delta then tells of several events; and none is while nothing trades."""
    seen: Counter[str] = Counter()
    for seed in range(20):
        seen += played(seed, 60)[1]
    assert seen["served"] > 100, seen
    delisted, _ = played(0, 60, fault="delist", scope=A, at_ms=0)
    assert [] == [one for one in events(delisted) if one["type"] == "match"]


def test_a_market_without_orders_is_what_it_was() -> None:
    """Byte for byte, whether or not somebody looks at its trades."""
    source = Roaming(3)
    for _ in range(200):
        source.advance()
    bench, seen = played(3, 200, has_orders=False)

    assert seen["served"] == 0
    assert (source.sequence, source.digest()) == (bench.market[A].sequence, bench.market[A].digest())
