"""Orders of one's own, and what a stream or a list says of them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from orderbook.own import OwnOrder, OwnOrders
from orderbook.streams import OrderUpdate, Trade
from orderbook.types import Side

SYMBOL = "BTC-USDT"
MS = 1_000_000


def update(event: str, order_id: str = "a", *, ns: int = 1, **values: Any) -> OrderUpdate:
    """An update of the stream; numbers are given as text. Without more, of a bid of 2 at 100 that is all left."""
    done = event in ("filled", "canceled")
    given: dict[str, Any] = {
        "symbol": SYMBOL,
        "side": "buy",
        "kind": "limit",
        "price": "100",
        "status": {"received": "new", "match": "match"}.get(event, "done" if done else "open"),
        "liquidity": "maker" if event == "match" else None,
        "remaining_size": None if event == "received" else "0" if done else "2",
        **values,
    }
    numbers = ("price", "size", "old_size", "original_size", "filled_size", "remaining_size", "match_size")
    for name in numbers:
        given[name] = None if given.get(name) is None else Decimal(given[name])
    absent = dict.fromkeys(OrderUpdate.__dataclass_fields__)
    fixed = {"event": event, "order_id": order_id, "venue_ns": ns, "received_ns": 0}
    return OrderUpdate(**{**absent, "ordered_ms": ns // MS, **given, **fixed})


def listed(order_id: str = "a", **values: Any) -> OwnOrder:
    """An order as a list shows it; without more, the one of ``update``."""
    given: dict[str, Any] = {
        "client_id": None,
        "symbol": SYMBOL,
        "side": Side.BID,
        "price": "100",
        "remaining_size": "2",
        "filled_size": "0",
        "ordered_ms": 0,
        "opened_ns": 0,
        **values,
    }
    for name in ("price", "remaining_size", "filled_size"):
        given[name] = Decimal(given[name])
    return OwnOrder(order_id=order_id, **given)


def synced(*orders: OwnOrder, **bounds: int) -> OwnOrders:
    """Orders that are synced and know exactly these."""
    own = OwnOrders(**bounds)
    assert own.finish_reread(own.begin_reread(), orders)
    return own


def trade(size: str, *, ms: int, sequence: int, price: str = "100", side: str = "sell", maker: str = "other") -> Trade:
    """A trade of the symbol, by a taker of the side."""
    given: Any = side
    return Trade(
        symbol=SYMBOL,
        side=given,
        price=Decimal(price),
        size=Decimal(size),
        sequence=sequence,
        trade_id=str(sequence),
        taker_order_id="taker",
        maker_order_id=maker,
        venue_ns=ms * MS,
    )
