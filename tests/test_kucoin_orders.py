"""KuCoin's list of open orders: what is asked, and what an answer means."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from orderbook.errors import BadAnswer, UsageError
from orderbook.own import OwnOrder, OwnOrders
from orderbook.types import Side
from orderbook.venues.kucoin_orders import PAGES_MAX, decode_open_orders, is_whole, open_orders_request
from snapshots.calls import ATTEMPTS
from snapshots.fetch import Rest
from tests.scripted_venue import CREDENTIALS, Script, ok, refused_with, with_script

ITEM: dict[str, Any] = {
    "id": "5c35c02703aa673ceec2a168",
    "symbol": "BTC-USDT",
    "opType": "DEAL",
    "type": "limit",
    "side": "buy",
    "price": "67010.1",
    "size": "0.25",
    "dealSize": "0.05",
    "clientOid": "mine",
    "isActive": True,
    "createdAt": 1767690000123,
}
ORDER = OwnOrder(
    order_id="5c35c02703aa673ceec2a168",
    client_id="mine",
    symbol="BTC-USDT",
    side=Side.BID,
    price=Decimal("67010.1"),
    remaining_size=Decimal("0.2"),
    filled_size=Decimal("0.05"),
    ordered_ms=1767690000123,
    opened_ns=1767690000123_000_000,
)


def page(*items: dict[str, Any], total: int | None = None, pages: int = 1) -> dict[str, Any]:
    """The data of an answer."""
    count = len(items) if total is None else total
    return {"currentPage": 1, "pageSize": 500, "totalNum": count, "totalPage": pages, "items": list(items)}


def text(data: object) -> str:
    """An answer."""
    return json.dumps({"code": "200000", "data": data})


def named(*names: str) -> list[dict[str, Any]]:
    """Orders of these names."""
    return [ITEM | {"id": name} for name in names]


def test_the_request() -> None:
    """It is signed, and counts against the account."""
    request = open_orders_request(2)

    assert "/api/v1/orders?status=active&currentPage=2&pageSize=500" == request.target
    assert ("GET", True, "spot", 2) == (request.method, request.signed, request.pool, request.weight)


@pytest.mark.parametrize("bad", [0, PAGES_MAX + 1, True, "1"])
def test_a_page_that_is_none(bad: Any) -> None:
    """Is not asked for."""
    with pytest.raises(UsageError, match="a page of open orders"):
        open_orders_request(bad)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {}),
        ({"side": "sell"}, {"side": Side.ASK}),
        ({"dealSize": None}, {"remaining_size": "0.25", "filled_size": "0"}),
        ({"cancelledSize": "0.1"}, {"remaining_size": "0.1"}),
        ({"remainSize": "0.15"}, {"remaining_size": "0.15"}),
        ({"dealSize": "0.3"}, {"remaining_size": "0", "filled_size": "0.3"}),
        ({"clientOid": ""}, {"client_id": None}),
        ({"new": {"field": 1}}, {}),
    ],
)
def test_an_order(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    """What each field of it means."""
    (found,) = decode_open_orders(text(page(ITEM | changes))).orders

    for name in OwnOrder.__dataclass_fields__:
        value = expected.get(name, getattr(ORDER, name))
        assert (Decimal(value) if name.endswith("size") else value) == getattr(found, name)


def test_a_market_order_stands_in_no_book() -> None:
    """It is listed, and left out."""
    found = decode_open_orders(text(page(ITEM, *named("x"), {"id": "m", "type": "market"}, pages=3)))

    assert ["5c35c02703aa673ceec2a168", "x"] == [order.order_id for order in found.orders]
    assert (("5c35c02703aa673ceec2a168", "x", "m"), 3, 3) == (found.ids, found.page_count, found.total_count)


@pytest.mark.parametrize(
    ("data", "named_field"),
    [
        (None, "orders answer.data"),
        ([], "orders answer.data"),
        ({}, "orders answer.data.items"),
        (page(ITEM) | {"items": {}}, "orders answer.data.items"),
        (page(ITEM) | {"items": [5]}, "items[0]"),
        (page(ITEM) | {"totalPage": "x"}, "totalPage"),
        (page(ITEM, pages=PAGES_MAX + 1), "totalPage is 101, more than 100"),
        (page(ITEM) | {"totalNum": None}, "totalNum"),
        *((page(ITEM, ITEM | {name: None}), f"items[1].{name}") for name in ("id", "symbol", "type", "side", "price")),
        *((page(ITEM | {name: None}), f"items[0].{name}") for name in ("size", "createdAt")),
        (page(ITEM | {"price": "0"}), "items[0].price is 0"),
        (page(ITEM | {"side": "both"}), "items[0].side"),
        (page(ITEM | {"size": "-1"}), "items[0].size"),
    ],
)
def test_an_answer_that_cannot_be_used(data: object, named_field: str) -> None:
    """Is refused whole, because an order that is left out would be gone; the error names the field."""
    with pytest.raises(BadAnswer) as refused:
        decode_open_orders(text(data))

    assert named_field in str(refused.value)
    assert refused.value.is_transient


def test_what_is_no_answer() -> None:
    """Neither."""
    with pytest.raises(BadAnswer, match="list of open orders"):
        decode_open_orders("<html>")


@pytest.mark.parametrize(
    ("pages", "whole"),
    [
        ([page(total=0, pages=0)], True),
        ([page(*named("a"))], True),
        ([page(*named("a", "b"), total=3), page(*named("c"), total=3)], True),
        ([page(*named("a", "b"), total=3), page(*named("c"), total=4)], False),
        ([page(*named("a", "b"), total=3), page(total=2)], False),
        ([page(*named("a", "b"), total=3), page(*named("b"), total=3)], False),
        ([page(*named("a", "b"), total=4), page(*named("b", "c"), total=4)], False),
        ([page(*named("a"), total=2)], False),
    ],
)
def test_whether_pages_make_up_a_list(pages: list[dict[str, Any]], whole: bool) -> None:
    """None of the orders moved from one page to another."""
    assert whole is is_whole([decode_open_orders(text(each)) for each in pages])


def test_a_list_of_several_pages() -> None:
    """Is asked for page by page, and from the start when it changed meanwhile; it is what ``OwnOrders`` wants."""

    async def main(rest: Rest, _: Script) -> None:
        orders = OwnOrders()
        assert orders.finish_reread(orders.begin_reread(), await rest.open_orders())
        assert ["b", "c", "d"] == [order.order_id for order in orders.open_orders()]

    script = with_script(
        main,
        ok(page(*named("a", "b"), total=4, pages=2)),
        ok(page(*named("d"), total=3, pages=2)),
        ok(page(*named("b", "c"), total=3, pages=2)),
        ok(page(*named("d"), total=3, pages=2)),
        credentials=CREDENTIALS,
    )
    assert [f"/api/v1/orders?status=active&currentPage={number}&pageSize=500" for number in (1, 2, 1, 2)] == [
        target for _, target in script.asked
    ]


def test_a_list_that_never_holds_still() -> None:
    """Is an error after some attempts, and not half a list."""

    async def main(rest: Rest, _: Script) -> None:
        error = await refused_with(rest.open_orders())
        assert isinstance(error, BadAnswer)
        assert "changed between its pages each time; ask again" in str(error)

    with_script(main, *[ok(page(*named("a"), total=2))] * ATTEMPTS, credentials=CREDENTIALS)
