"""A symbol that does what a test says, and the orders of one's own on it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from orderbook.simulator.source import Rules, Tick
from orderbook.simulator.truth import Truth, TruthTeller
from orderbook.venues.kucoin import KuCoin
from tests.simulator_bench import MS, A, Bench

BTC: Final = "BTC-USDT"
BALANCE, V1, V2 = "/account/balance", "/spotMarket/tradeOrders", "/spotMarket/tradeOrdersV2"
KUCOIN: Final = KuCoin()
LOT: Final = Decimal("0.00000001")


class Scripted(TruthTeller):
    """A symbol that does what a test says: ticks of 1, bids from 100 down, asks from 110 up, 10 each."""

    def __init__(self, levels: int = 5) -> None:
        self.symbol = A
        self.rules = Rules(A, "AAA", "USDT", "1", "1")
        opening = {100 - i: 10 for i in range(levels)} | {-(110 + i): 10 for i in range(levels)}
        self.truth = Truth(opening.items(), base=0, price_decimals=0, size_decimals=0)
        self.script: list[tuple[int, int]] = []

    def gap_ns(self) -> int:
        return 10 * MS

    def advance(self) -> Tick:
        key, size = self.script.pop(0) if self.script else (0, 0)
        size = self.happen(key, size)
        sequence = self.truth.sequence
        row = ((str(abs(key)), str(size), str(sequence)),)
        return Tick(self.symbol, sequence, sequence, row if key > 0 else (), row if key < 0 else ())

    def sizes(self) -> dict[int, int]:
        return self.truth.sizes


def scripted(seed: int = 0, **options: Any) -> tuple[Bench, Scripted]:
    """A bench with such a symbol, and its owner's connection."""
    source = Scripted(**options)
    bench = Bench(market={A: source}, seed=seed)
    bench.owner(BALANCE, V1, V2, f"/market/match:{A}", f"/market/level2:{A}")
    return bench, source


def events(bench: Bench, topic: str = V2, conn: int = 1) -> list[dict[str, Any]]:
    """The data that came on a private topic."""
    return [frame["data"] for frame in bench.frames(conn) if frame["topic"] == topic]


def kinds(bench: Bench, topic: str = V2) -> list[str]:
    """What happened to orders."""
    return [one["type"] for one in events(bench, topic)]
