"""What is known of one order of one's own, and what a message says of it.

**An order only ever shrinks.** It is placed, it is filled, its size is reduced, it ends; nothing gives it more again,
and its price stays. So of two statements about an order the one that leaves less is the later one, and everything heard
of it is simply joined: the least that is left, the most that is filled. That is the same in whatever order statements
come and however often, and it needs no clock, which is as well: two events may carry the same ``ts``, and the lists
that REST answers tell no such time at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from orderbook.own.amounts import ZERO, less
from orderbook.streams import OrderUpdate, TradeSide
from orderbook.types import Side

SIDES: Final[dict[TradeSide, Side]] = {"buy": Side.BID, "sell": Side.ASK}


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnOrder:
    """An order of one's own that stands in a book.

    Attributes:
        side: The ladder on which it stands.
        price: Its limit, in quote currency per unit of base.
        remaining_size: What is left of it, in base currency.
        filled_size: In base currency.
        ordered_ms: When it was placed, in ms since 1970.
        opened_ns: The earliest time, in ns since 1970, at which it is known to stand in the book.
        was_hit: Whether it was matched while it stood there. Then nothing is ahead of it any more.
    """

    order_id: str
    client_id: str | None
    symbol: str
    side: Side
    price: Decimal
    remaining_size: Decimal
    filled_size: Decimal
    ordered_ms: int
    opened_ns: int
    was_hit: bool = False

    def joined(self, other: OwnOrder) -> OwnOrder:
        """Both statements about this order taken together, whichever came first."""
        return OwnOrder(
            order_id=self.order_id,
            client_id=self.client_id or other.client_id,
            symbol=self.symbol,
            side=self.side,
            price=self.price,
            remaining_size=min(self.remaining_size, other.remaining_size),
            filled_size=max(self.filled_size, other.filled_size),
            ordered_ms=self.ordered_ms,
            opened_ns=min(self.opened_ns, other.opened_ns),
            was_hit=self.was_hit or other.was_hit,
        )

    def is_same_order(self, other: OwnOrder) -> bool:
        """Whether what cannot change is the same."""
        return (self.symbol, self.side, self.price) == (other.symbol, other.side, other.price)


class Unusable(Exception):
    """A statement that cannot be used, and why, in words. Nobody outside gets it."""


def ends(update: OrderUpdate) -> bool:
    """Whether an update is the order's last: whatever else is heard of it is older."""
    return update.status == "done" or update.event in ("filled", "canceled")


def stands(update: OrderUpdate) -> bool:
    """Whether an order stands in the book by this update alone.

    One that is received, or matched as a taker, does not: what is left of it comes into the book with ``open``. What is
    left of a market order never does.
    """
    if update.kind == "market" or update.event == "received":
        return False
    return update.event != "match" or update.liquidity != "taker"


def statement(update: OrderUpdate) -> OwnOrder:
    """What an update says of an order that stands in the book.

    Raises:
        Unusable: It does not say enough, or what cannot be.
    """
    remaining = update.remaining_size
    if remaining is None and update.size is not None and update.filled_size is not None:
        remaining = less(update.size, update.filled_size)
    if remaining is None:
        raise Unusable("it tells no remaining size")
    if not update.price:
        raise Unusable("it tells no price")
    if update.size is not None and update.old_size is not None and update.size > update.old_size:
        raise Unusable("its size grew, which no order is known to do")
    return OwnOrder(
        order_id=update.order_id,
        client_id=update.client_id,
        symbol=update.symbol,
        side=SIDES[update.side],
        price=update.price,
        remaining_size=remaining,
        filled_size=update.filled_size or ZERO,
        ordered_ms=update.ordered_ms,
        opened_ns=update.venue_ns,
        was_hit=update.event == "match",
    )
