"""A connection to a seeded market at the local KuCoin that gets every public stream, moment by moment."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from orderbook.simulator.limits import Limits
from orderbook.simulator.market import Market
from orderbook.streams import Pushed, StreamMessage
from orderbook.venues.kucoin import KuCoin
from orderbook.venues.kucoin_market import INTERVALS
from tests.kucoin_pushes import Path, Stream, meant, value_at
from tests.simulator_bench import MS, Bench

BTC: Final = "BTC-USDT"
KUCOIN: Final = KuCoin()
PATIENT: Final = Limits(idle_max_ms=1_000_000_000)
"""For clients that only listen."""
RATE: Final = 200.0
"""Deltas a second: some ten trades."""
SPAN: Final = {"changePrice", "changeRate", "open", "high", "low", "vol", "volValue"}
"""What a glance tells of the last hours."""
PATHS: Final = (
    *("/spotMarket/level2Depth5", "/spotMarket/level2Depth50", "/spotMarket/level1"),
    *("/market/ticker", "/market/snapshot", "/market/match"),
)
"""Those whose names are symbols."""
TOPICS: Final = [
    *(f"{path}:{BTC}" for path in PATHS),
    *(f"/market/candles:{BTC}_{interval}" for interval in INTERVALS),
    f"/market/level2:{BTC}",
]
"""All of them, of one symbol."""


def bench_of(*topics: str, seed: int = 1, rate: float = RATE, symbols: int = 1, profile: str = "normal") -> Bench:
    """A seeded market, and one connection that has subscribed."""
    bench = Bench(market=Market(symbols, seed, profile, rate), seed=seed, limits=PATIENT)
    conn = bench.connect()
    for topic in topics:
        bench.say(conn, id=1, type="subscribe", topic=topic)
    bench.sent.clear()
    return bench


def steps(bench: Bench, ms: int) -> Iterator[list[str]]:
    """Let time pass, and tell after every moment what it brought."""
    end_ns = bench.now_ns + ms * MS
    while bench.exchange.next_ns <= end_ns:
        bench.now_ns = bench.exchange.next_ns
        bench.exchange.advance(bench.now_ns)
        yield [str(sent.payload) for sent in bench.exchange.outbox()]
    bench.now_ns = end_ns


def pushed(texts: list[str]) -> list[StreamMessage]:
    """What our decoders make of them, without the deltas."""
    found = [KUCOIN.decode_pushed(text) for text in texts]
    return [one.message for one in found if isinstance(one, Pushed)]


def checked(stream: Stream, frame: dict[str, Any]) -> set[Path]:
    """The fields of a message that is one of this stream, after each was found where its decoder puts it."""
    found = KUCOIN.decode_pushed(json.dumps(frame))
    assert isinstance(found, Pushed)
    present = set()
    for path, field in stream.fields.items():
        try:
            value = value_at(frame["data"], path)
        except (KeyError, IndexError):
            assert not field.is_needed
            continue
        said = str(value) if isinstance(value, float) else value
        assert field.kind.meaning(said) == meant(found.message, field.attribute)
        present.add(path)
    return present
