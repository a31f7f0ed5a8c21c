"""How much is queued ahead of each of one's own orders: an estimate, with its bound."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Final, NamedTuple

from orderbook.book import OrderBook
from orderbook.errors import BeyondHorizon
from orderbook.forms import EXACT, unit
from orderbook.own.amounts import ZERO, less, plus
from orderbook.own.net import has_passed
from orderbook.own.order import SIDES, OwnOrder
from orderbook.own.orders import OwnOrders
from orderbook.streams import Trade
from orderbook.types import Side

LIKELY_DECIMALS: Final = 30
"""What a share of a share is rounded down to."""


class QueueAhead(NamedTuple):
    """What others have queued ahead of an order, in base currency.

    ``0 <= likely <= most <=`` what others have at the level.
    """

    most: Decimal
    """As if whoever cancelled had been behind us: not less than the truth, see ``OwnQueue``."""
    likely: Decimal
    """As if cancellations were spread evenly over the level. It may be off in either direction."""
    is_settled: bool
    """Whether the book has seen the order come, and all of one's own at its level. Before that both numbers may be
    too small."""


@dataclass(slots=True)
class _Place:
    """Where an order stands in its queue.

    Attributes:
        base_ms: The book's time at which ``most`` was a level's whole size; trades until then are in it. ``None``: the
            book has not seen the order come.
        level: What others had at the level when it was looked at last; ``None``: that is not certain.
        level_ms: When that was.
        shrunk: Of the own level by then.
        traded: What traded since then, of which the level does not tell yet.
    """

    order: OwnOrder
    most: Decimal
    likely: Decimal
    shrunk: Decimal
    base_ms: int | None
    level: Decimal | None = None
    level_ms: int = 0
    traded: Decimal = ZERO


class OwnQueue:
    """What is queued ahead of one's own orders of one symbol.

    Call ``observe`` after changes of the book and of the orders: after each for the best estimate, never for a worse
    one. Hand in the trades of the symbol with ``receive_trade``, if you have them.

    The venue serves orders of a price in the order of their time, and tells only what stands at a price in all. So at
    first all that others have there is ahead; then

    - a trade at the price takes its size from the front, if it was later than what the book had shown;
    - what the level loses otherwise was cancelled: behind us, as far as there is enough behind us (``most``), or
      evenly (``likely``);
    - never is more ahead than others have at the level, and nothing once the order was hit.

    **What is promised of** ``most``: no more than this is ahead at the venue now, once both streams have told all that
    happened to one's own orders at that price; until then it may be too small by the size of what is under way there.
    That rests on a book whose ``venue_ms`` is no earlier than the changes in it, and on orders that stay where they are
    in the queue when they shrink. What others hide (icebergs) is in no number here.

    Args:
        book: Whose levels are looked at.
        orders: One's own.
    """

    def __init__(self, book: OrderBook, orders: OwnOrders) -> None:
        self._book = book
        self._orders = orders
        self._places: dict[str, _Place] = {}
        self._trade_sequence = -1
        self._traded_ms = 0

    def ahead(self, order_id: str) -> QueueAhead | None:
        """The estimate for one order; ``None``: it is no open order of this symbol.

        Raises:
            BookNotLive: The book cannot be trusted at this moment.
            OrdersNotSynced: The orders cannot.
            BeyondHorizon: Its price lies past what is known of the book.

        Complexity: O(1).
        """
        order = self._orders.get(order_id)
        if order is None or order.symbol != self._book.symbol:
            return None
        place = self._look(order)
        return QueueAhead(place.most, place.likely, place.level is not None)

    def observe(self) -> None:
        """Look at the levels at which own orders stand, if book and orders can be trusted. O(own orders)."""
        if not (self._book.is_live and self._orders.is_synced):
            return
        self._forget()
        for order in self._orders.open_orders(self._book.symbol):
            try:
                self._look(order)
            except BeyondHorizon:
                continue  # what is not known tells nothing

    def receive_trade(self, trade: Trade) -> None:
        """Take a trade. Others than the newest so far are not counted: of what comes twice or late, nothing is sure.

        Complexity: O(own orders).
        """
        if trade.symbol != self._book.symbol or trade.sequence <= self._trade_sequence:
            return
        self._trade_sequence = trade.sequence
        self._traded_ms = max(self._traded_ms, trade.venue_ns // 1_000_000)
        for order_id, place in self._places.items():
            order = place.order
            if trade.maker_order_id == order_id:
                place.most = place.likely = ZERO
            elif trade.price == order.price and SIDES[trade.side] is order.side.opposite:
                self._take(place, trade)

    def _take(self, place: _Place, trade: Trade) -> None:
        # One's own orders are not among what is counted here.
        if self._orders.is_own(trade.maker_order_id):
            return
        traded_ms = trade.venue_ns // 1_000_000
        if place.base_ms is None or traded_ms <= place.base_ms:
            return
        place.most = less(place.most, trade.size)
        if traded_ms > place.level_ms:
            place.traded = plus(place.traded, trade.size)
            place.likely = less(place.likely, trade.size)

    def _look(self, order: OwnOrder) -> _Place:
        """Learn what can be learned from the level at this moment."""
        own = self._orders.levels(order.symbol).of(order.side)[order.price]
        exact, venue_ms = self._book.exact, self._book.venue_ms
        size = (exact.bids if order.side is Side.BID else exact.asks).size_at(order.price)
        is_sure = has_passed(venue_ms, max(order.opened_ns, own.grown_ns))
        # Before the book has seen all of one's own come, no part of the level is certainly that.
        others = less(size, own.size) if is_sure else size
        place = self._places.get(order.order_id)
        if place is None or place.base_ms is None:
            self._forget()
            base_ms = venue_ms if is_sure else None
            place = self._places[order.order_id] = _Place(order, others, others, own.shrunk, base_ms)
        else:
            # The book may have been ahead of what one's own lost since: then too little was left for the others.
            place.most = plus(place.most, less(own.shrunk, place.shrunk))
            self._spread(place, others if is_sure else None)
            if others < place.most:
                place.most, place.base_ms = others, venue_ms
        if order.was_hit:
            place.most = ZERO
        place.order, place.shrunk = order, own.shrunk
        place.likely = min(place.likely, place.most)
        place.level, place.level_ms = (others if is_sure else None), venue_ms or 0
        return place

    def _spread(self, place: _Place, others: Decimal | None) -> None:
        """What the level lost since it was looked at last, other than by trades, was cancelled evenly."""
        if place.level is not None and others is not None:
            fallen = less(place.level, others)
            explained = min(fallen, place.traded)
            place.traded = less(place.traded, explained)
            if fallen > explained:
                before = Fraction(less(place.level, explained))
                place.likely = _rounded(Fraction(place.likely) * (Fraction(others) / before))
        if self._traded_ms < (self._book.venue_ms or 0):
            place.traded = ZERO  # the level tells of all of it

    def _forget(self) -> None:
        """Drop the places of orders that are no longer open."""
        self._places = {one: place for one, place in self._places.items() if self._orders.get(one) is not None}


def _rounded(amount: Fraction) -> Decimal:
    """Down to a bounded number of decimals."""
    return EXACT.value(floor(amount * unit(LIKELY_DECIMALS)), LIKELY_DECIMALS)
