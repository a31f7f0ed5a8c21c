"""``GET /api/v1/orders``: the account's orders, page by page.

The protocol page does not have this endpoint. Its words are those of the venue's reference of 2023, as we remember and
read it: newest first, pages of 10 to 500, and the orders that are over unless the active ones are asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from orderbook.errors import shown
from orderbook.simulator.account import Account, Order
from orderbook.simulator.source import Source
from orderbook.simulator.truth import plain

PATH: Final = "/api/v1/orders"
PAGE_SIZE: Final = 50
_PAGE_SIZES: Final = range(10, 501)
_PAGES: Final = range(1, 100_001)
_CHOICES: Final = {
    "status": ("active", "done"),
    "side": ("buy", "sell"),
    "type": ("limit", "market"),
    "tradeType": ("TRADE",),
}


def listing(account: Account, market: Mapping[str, Source], query: Mapping[str, str]) -> dict[str, object] | str:
    """The data of an answer; or what is wrong with the question."""
    for name, choices in _CHOICES.items():
        if query.get(name, choices[0]) not in choices:
            return f"{name} is {' or '.join(choices)}, not {shown(query[name])}"
    page, size = _number(query, "currentPage", 1, _PAGES), _number(query, "pageSize", PAGE_SIZE, _PAGE_SIZES)
    if page is None or size is None:
        return "currentPage is 1 or more, and pageSize 10 to 500"
    is_active = query.get("status") == "active"
    found = [
        order
        for order in reversed(account.orders.values())
        if order.is_active == is_active
        and query.get("symbol", order.symbol) == order.symbol
        and query.get("side", order.side) == order.side
        and query.get("type", "limit") == "limit"
    ]
    return {
        "currentPage": page,
        "pageSize": size,
        "totalNum": len(found),
        "totalPage": -(-len(found) // size),
        "items": [_item(order, market[order.symbol].rules.quote) for order in found[(page - 1) * size : page * size]],
    }


def _number(query: Mapping[str, str], name: str, default: int, allowed: range) -> int | None:
    text = query.get(name, str(default))
    is_number = text.isascii() and text.isdigit() and len(text) < 7
    return int(text) if is_number and int(text) in allowed else None


def _item(order: Order, quote: str) -> dict[str, object]:
    return {
        "id": order.order_id,
        "symbol": order.symbol,
        "opType": "DEAL",
        "type": "limit",
        "side": order.side,
        "price": plain(order.price),
        "size": plain(order.size),
        "funds": "0",
        "dealFunds": plain(order.funds),
        "dealSize": plain(order.filled),
        "fee": "0",
        "feeCurrency": quote,
        "stp": "",
        "stop": "",
        "stopTriggered": False,
        "stopPrice": "0",
        "timeInForce": "GTC",
        "postOnly": False,
        "hidden": False,
        "iceberg": False,
        "visibleSize": "0",
        "cancelAfter": 0,
        "channel": "API",
        "clientOid": order.client_id,
        "remark": None,
        "tags": None,
        "isActive": order.is_active,
        "cancelExist": bool(order.canceled),
        "createdAt": order.ordered_ms,
        "tradeType": "TRADE",
    }
