"""The open orders of the account, page by page, as the local KuCoin lists them."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from tests.simulator_accounts import scripted
from tests.simulator_bench import A, B, Bench

# --- REST ---

ORDERS: Final = "/api/v1/orders"


def listed(bench: Bench, query: str = "?status=active") -> dict[str, Any]:
    """The data of an answer."""
    data: dict[str, Any] = json.loads(bench.signed("GET", f"{ORDERS}{query}").body)["data"]
    return data


def test_open_orders_come_in_pages() -> None:
    """Newest first; a page past the end is empty."""
    bench, _ = scripted()
    placed = [bench.account.place(A, "buy", "90", "1") for _ in range(25)]
    pages = [listed(bench, f"?status=active&currentPage={page}&pageSize=10") for page in (1, 2, 3, 4)]

    assert [10, 10, 5, 0] == [len(page["items"]) for page in pages]
    assert placed[::-1] == [item["id"] for page in pages for item in page["items"]]
    assert {(25, 3, 10)} == {(page["totalNum"], page["totalPage"], page["pageSize"]) for page in pages}
    assert (1, 50) == tuple(listed(bench)[key] for key in ("currentPage", "pageSize"))


def test_an_order_as_it_stands() -> None:
    """What was filled of it, for how much, and whether it is in the book."""
    bench, _ = scripted()
    bench.account.place(A, "buy", "110", "12", client_id="mine")
    bench.account.cancel(bench.account.place(A, "buy", "90", "1"))
    (item,) = listed(bench)["items"]
    (over,) = listed(bench, "")["items"]

    assert ("mine", A, "buy", "limit", "110", "12", "10", "1100", True, False) == tuple(
        item[key]
        for key in (
            *("clientOid", "symbol", "side", "type", "price", "size", "dealSize", "dealFunds", "isActive"),
            "cancelExist",
        )
    )
    assert (False, True) == (over["isActive"], over["cancelExist"])


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("?status=active", 2),
        (f"?status=active&symbol={A}", 2),
        (f"?status=active&symbol={B}", 0),
        ("?status=active&side=buy", 1),
        ("?status=active&type=market", 0),
        ("?status=active&tradeType=TRADE", 2),
        ("?status=done", 0),
    ],
)
def test_orders_can_be_asked_for_by_kind(query: str, count: int) -> None:
    """Symbol, side and type."""
    bench, _ = scripted()
    bench.account.place(A, "buy", "90", "1")
    bench.account.place(A, "sell", "120", "1")

    assert count == listed(bench, query)["totalNum"]


@pytest.mark.parametrize(
    "query",
    [
        "?status=open",
        "?side=hold",
        "?currentPage=0",
        "?pageSize=9",
        "?pageSize=501",
        "?currentPage=x",
        "?pageSize=10000000",
    ],
)
def test_a_question_that_cannot_be(query: str) -> None:
    """A parameter error of the venue."""
    reply = Bench().signed("GET", f"{ORDERS}{query}")

    assert (400, "400100") == (reply.status, json.loads(reply.body)["code"])


def test_orders_need_a_signature() -> None:
    """They are the account's."""
    assert 401 == Bench().call("GET", f"{ORDERS}?status=active").status
