"""KuCoin messages as bytes, made on the spot, and a synchroniser to hand them to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from orderbook.sync import BookSync

SYMBOL = "BTC-USDT"
Rows = Sequence[tuple[str, str]]
BIDS: Rows = (("100", "1"), ("99", "2"))
ASKS: Rows = (("101", "1"), ("102", "2"))


def delta(
    start: int,
    end: int | None = None,
    *,
    bids: Sequence[Sequence[object]] = (),
    asks: Sequence[Sequence[object]] = (),
    symbol: str = SYMBOL,
) -> bytes:
    """One level-2 message; rows without a sequence of their own get ``end``."""
    end = start if end is None else end
    changes = {
        "asks": [[*row, str(end)] if len(row) == 2 else list(row) for row in asks],
        "bids": [[*row, str(end)] if len(row) == 2 else list(row) for row in bids],
    }
    data = {"changes": changes, "sequenceEnd": end, "sequenceStart": start, "symbol": symbol, "time": 1}
    return json.dumps(
        {"topic": f"/market/level2:{symbol}", "type": "message", "subject": "trade.l2update", "data": data}
    ).encode()


def snapshot(sequence: int, bids: Rows = BIDS, asks: Rows = ASKS) -> bytes:
    """The answer of an order book endpoint."""
    data = {"time": 1, "sequence": str(sequence), "bids": list(bids), "asks": list(asks)}
    return json.dumps({"code": "200000", "data": data}).encode()


def live(**arguments: Any) -> BookSync:
    """A book that is LIVE at 11: bids 100, 99; asks 101, 102."""
    sync = BookSync("kucoin", SYMBOL, **arguments)
    sync.receive(delta(10))
    sync.receive_snapshot(snapshot(10), depth="full")
    sync.receive(delta(11))
    return sync


def kinds(events: Sequence[object]) -> list[str]:
    """The names of events, in order."""
    return [type(event).__name__ for event in events]
