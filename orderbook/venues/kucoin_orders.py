"""KuCoin's list of one's open orders, as data: the request for each of its pages, and what an answer means.

The venue's older documents and public clients show the fields: ``currentPage``, ``pageSize``, ``totalNum``,
``totalPage`` and ``items``. The rest is our own reading, not seen on the wire: that the weight is 2, that a page may
have 500, that untriggered stop orders are not among the active ones, and that what is left of an order is
``remainSize`` where that is told, else ``size`` less ``dealSize`` and, where it is told, ``cancelledSize``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from orderbook.errors import BadAnswer, FrameError, UsageError, shown
from orderbook.own.amounts import ZERO, less, plus
from orderbook.own.order import SIDES, OwnOrder
from orderbook.venues import wire
from orderbook.venues.fields import Fields
from orderbook.venues.kucoin_market import SIDES as WIRE_SIDES
from orderbook.venues.rest import RestRequest

ORDERS_PATH: Final = "/api/v1/orders"
PAGE_SIZE: Final = 500
"""The most that a page may have."""
PAGES_MAX: Final = 100
"""More are not believed."""
WEIGHT: Final = 2

_LATER: Final = "ask again"


class OrdersPage(NamedTuple):
    """One page of the list.

    Attributes:
        orders: Those that stand in a book: market orders do not.
        ids: Of all that the page lists.
        page_count: Of the whole list, as of this page.
        total_count: Orders of the whole list, as of this page.
    """

    orders: tuple[OwnOrder, ...]
    ids: tuple[str, ...]
    page_count: int
    total_count: int


def open_orders_request(page: int = 1) -> RestRequest:
    """One page of the open orders of an account, the first is 1. It needs a key with the General permission.

    Raises:
        UsageError: Not a page.
    """
    if type(page) is not int or not 1 <= page <= PAGES_MAX:
        raise UsageError(f"a page of open orders is a whole number from 1 to {PAGES_MAX}, not {shown(page)}")
    query = (("status", "active"), ("currentPage", str(page)), ("pageSize", str(PAGE_SIZE)))
    return RestRequest("GET", ORDERS_PATH, query, signed=True, weight=WEIGHT, pool="spot")


def decode_open_orders(text: str) -> OrdersPage:
    """Decode the answer to ``open_orders_request``.

    An order that cannot be read is an error, not left out: a list that lacks one says that it is gone.

    Raises:
        BadAnswer: It names the field.
    """
    try:
        data = Fields(wire.load(text), "orders answer").inner("data")
        items = [Fields(item, f"items[{place}]") for place, item in enumerate(data.row("items", 0))]
        return OrdersPage(
            orders=tuple([_order(item) for item in items if item.text("type") != "market"]),
            ids=tuple([item.text("id") for item in items]),
            page_count=_page_count(data),
            total_count=data.integer("totalNum"),
        )
    except FrameError as error:
        said = f"KuCoin sent a list of open orders that cannot be used: {error.detail}"
        raise BadAnswer(None, said, advice=_LATER, is_transient=True) from None


def is_whole(pages: Sequence[OrdersPage]) -> bool:
    """Whether these pages make up one list: none of its orders moved from page to page while they were asked for.

    The newest orders come first. If one ends, a later one may slip past the border between two pages, and the total
    falls with it; if new ones make up for that, another one is listed twice.
    """
    ids = [order_id for page in pages for order_id in page.ids]
    return len(set(ids)) == len(ids) and all(page.total_count == len(ids) for page in pages)


def _page_count(data: Fields) -> int:
    count = data.integer("totalPage")
    if count > PAGES_MAX:
        raise FrameError("fields", f"{data.path('totalPage')} is {count}, more than {PAGES_MAX}")
    return count


def _order(item: Fields) -> OwnOrder:
    filled = item.maybe_decimal("dealSize") or ZERO
    remaining = item.maybe_decimal("remainSize")
    if remaining is None:
        remaining = less(item.decimal("size"), plus(filled, item.maybe_decimal("cancelledSize") or ZERO))
    price, ordered_ms = item.decimal("price"), item.integer("createdAt")
    if not price:
        raise FrameError("fields", f"{item.path('price')} is 0")
    return OwnOrder(
        order_id=item.text("id"),
        client_id=item.maybe_text("clientOid"),
        symbol=item.text("symbol"),
        side=SIDES[item.choice("side", WIRE_SIDES)],
        price=price,
        remaining_size=remaining,
        filled_size=filled,
        ordered_ms=ordered_ms,
        opened_ns=ordered_ms * 1_000_000,
    )
