"""KuCoin traffic to replay: the bundled recording, ways to doctor it, and messages made on the spot."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from typing import Any, NamedTuple

from orderbook.content import BookContent
from snapshots.capture import Record
from snapshots.replay import Replay
from snapshots.report import SymbolReport
from tests import kucoin_frames
from tests.kucoin_frames import SYMBOL, Rows
from tests.recording import read_bundled

WS = "wss://ws.example.com/endpoint?token=TOKEN"


class Expected(NamedTuple):
    """What the recording holds of one symbol, as its publisher's own tools and a plain dictionary found it."""

    symbol: str
    frames: int
    duplicates: int
    tickers: int
    levels: int
    bid: tuple[str, str]
    ask: tuple[str, str]


EXPECTED = (
    Expected("BCHSV-USDT", 2361, 19, 277, 571, ("243.216", "4.51280965"), ("243.457", "4.51280965")),
    Expected("CAPP-BTC", 93, 1, 51, 1681, ("0.0000002181", "83.07"), ("0.0000002195", "270.17")),
    Expected("DAPPT-BTC", 170, 8, 53, 1077, ("0.000000112", "5148.7223"), ("0.000000113", "1208.0878")),
    Expected("FET-BTC", 220, 2, 111, 1117, ("0.00000771", "357.2953"), ("0.00000776", "1141.8325")),
    Expected("NRG-BTC", 66, 6, 34, 901, ("0.0000614", "18.897"), ("0.00006218", "43.3399")),
)


@cache
def bundled() -> tuple[Record, ...]:
    """The records of the bundled recording."""
    return tuple(read_bundled())


def of_symbols(*symbols: str) -> list[Record]:
    """The records of the bundled recording that name one of the symbols."""
    return [
        record
        for record in bundled()
        if any(symbol in record.raw.decode() for symbol in symbols) or _asked(record, symbols)
    ]


def _asked(record: Record, symbols: Iterable[str]) -> bool:
    return record.kind == "rest" and any((record.url or "").endswith(symbol) for symbol in symbols)


def fields(record: Record) -> dict[str, Any]:
    """What the message says."""
    value: dict[str, Any] = json.loads(record.raw)
    return value


def is_delta(record: Record, symbol: str) -> bool:
    """Whether it is a book message of the symbol."""
    return record.kind == "ws" and f'"/market/level2:{symbol}"'.encode() in record.raw


def is_ticker(record: Record, symbol: str) -> bool:
    """Whether it is a ticker of the symbol."""
    return record.kind == "ws" and f'"/market/ticker:{symbol}"'.encode() in record.raw


def with_raw(record: Record, message: object) -> Record:
    """The same record with another content."""
    return record._replace(raw=message if isinstance(message, bytes) else json.dumps(message).encode())


def run(records: Iterable[Record], symbol: str = SYMBOL, **arguments: Any) -> SymbolReport:
    """Replay, and report on one symbol."""
    replayed = Replay(**arguments)
    for record in records:
        replayed.feed(record)
    return {report.symbol: report for report in replayed.reports()}[symbol]


def delta(
    start: int,
    end: int | None = None,
    *,
    bids: Rows = (),
    asks: Rows = (),
    symbol: str = SYMBOL,
    url: str | None = WS,
    ts: int | None = None,
) -> Record:
    """A book message that covers ``start..end``."""
    return Record(ts, "ws", url, kucoin_frames.delta(start, end, bids=bids, asks=asks, symbol=symbol))


def ticker(
    sequence: int,
    bid: tuple[str, str] | None,
    ask: tuple[str, str] | None,
    *,
    symbol: str = SYMBOL,
    topic: str | None = None,
) -> Record:
    """The venue's own best bid and ask at a sequence; ``None``: an empty side."""
    data: dict[str, str] = {"sequence": str(sequence)}
    for name, level in (("bestBid", bid), ("bestAsk", ask)):
        data[name], data[f"{name}Size"] = level or ("0", "0")
    message = {"type": "message", "topic": topic or f"/market/ticker:{symbol}", "data": data}
    if topic is not None:
        message["subject"] = symbol
    return Record(None, "ws", WS, json.dumps(message).encode())


def snapshot(
    sequence: int,
    bids: Rows,
    asks: Rows,
    *,
    symbol: str = SYMBOL,
    path: str = "/api/v3/market/orderbook/level2",
    ts: int | None = None,
) -> Record:
    """A REST answer with the book at a sequence."""
    url = f"https://api.kucoin.com{path}?symbol={symbol}"
    return Record(ts, "rest", url, kucoin_frames.snapshot(sequence, bids, asks))


def snapshot_of(content: BookContent, symbol: str) -> Record:
    """A REST answer that tells just what a content holds."""
    sides = [
        [(content.price_text(price), content.size_text(size)) for price, size in ladder]
        for ladder in (content.bids, content.asks)
    ]
    return snapshot(content.sequence, *sides, symbol=symbol)
