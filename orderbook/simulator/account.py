"""One's own account at the simulated venue: what it holds, its orders, and what the private topics say of both.

Pure: a driver places and cancels, the market trades, and each returns what has to be told. Fees are not taken: our
simplification. Amounts are exact.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal, InvalidOperation
from typing import Any, Final, Literal, NamedTuple

from orderbook.errors import UsageError, shown
from orderbook.simulator.matching import Deal, TakerSide
from orderbook.simulator.source import Rules
from orderbook.simulator.truth import plain

BALANCE: Final = "/account/balance"
ORDERS: Final = "/spotMarket/tradeOrdersV2"
ORDERS_V1: Final = "/spotMarket/tradeOrders"
PRIVATE: Final = frozenset({BALANCE, ORDERS, ORDERS_V1})
"""The topics that need a private token."""

FUNDS: Final = Decimal(1_000_000)
"""What an account has of each currency, where nothing else is said."""
ORDERS_MAX: Final = 200
"""Open orders of a symbol, as at the venue."""
DONE_MAX: Final = 10_000
"""Orders that are over and remembered."""
EXACT: Final = Context(prec=100)

_Event = Literal["received", "open", "match", "update", "filled", "canceled"]
_STATUS: Final[Mapping[_Event, str]] = {"received": "new", "open": "open", "match": "match", "update": "open"}
"""How an order stands after an event; after the others it is done."""


class Notice(NamedTuple):
    """Something to be told on a private topic."""

    topic: str
    subject: str
    data: Mapping[str, object]


@dataclass(slots=True, eq=False)
class Order:
    """A limit order.

    Attributes:
        size: As it is now; ``original_size``: as it was placed.
        left: What may still be traded.
        funds: What its trades were worth.
        is_active: Whether it is in the book.
        ordered_ms: When it was placed, by the venue's wall clock.
    """

    order_id: str
    client_id: str
    symbol: str
    side: TakerSide
    price: Decimal
    size: Decimal
    original_size: Decimal
    ordered_ms: int
    filled: Decimal = Decimal(0)
    canceled: Decimal = Decimal(0)
    funds: Decimal = Decimal(0)
    is_active: bool = True

    @property
    def left(self) -> Decimal:
        """What may still be traded."""
        return self.size - self.filled - self.canceled


@dataclass(slots=True, eq=False)
class Balance:
    """What there is of a currency."""

    available: Decimal
    held: Decimal = Decimal(0)

    @property
    def total(self) -> Decimal:
        """Both together."""
        return EXACT.add(self.available, self.held)


class Account:
    """The account.

    Args:
        rng: Names are drawn from it.
        funds: What it has at first, by currency; ``FUNDS`` of any other.

    Attributes:
        balances: By currency, as far as it was ever moved.
        orders: By their ids, in the order in which they were placed; of those that are over the last ``DONE_MAX``.
        user_id, account_id: As the private topics call it.

    Raises:
        UsageError: An amount that is none.
    """

    def __init__(self, rng: random.Random, funds: Mapping[str, str | Decimal] | None = None) -> None:
        self._rng = rng
        self.user_id = self._name()
        self.account_id = self._name()
        self.balances = {currency: Balance(_amount(text, "funds")) for currency, text in (funds or {}).items()}
        self.orders: dict[str, Order] = {}

    def balance(self, currency: str) -> Balance:
        """What there is of a currency."""
        return self.balances.setdefault(currency, Balance(FUNDS))

    def active(self, symbol: str | None = None) -> list[Order]:
        """The orders in the book, oldest first; of one symbol or of all."""
        return [one for one in self.orders.values() if one.is_active and symbol in (None, one.symbol)]

    def order(self, order_id: str) -> Order:
        """An order in the book. Raises ``UsageError`` if there is none of this id."""
        found = self.orders.get(order_id)
        if found is None or not found.is_active:
            raise UsageError(f"no open order {shown(order_id)}; it may have been filled or canceled")
        return found

    # -- what a driver does --

    def drafted(
        self, rules: Rules, side: str, price: str | Decimal, size: str | Decimal, wall_ms: int, client_id: str | None
    ) -> Order:
        """An order that may be placed; it is not yet.

        Raises:
            UsageError: No such side, numbers beside the steps of the symbol, too little there, or too many orders.
        """
        if side not in ("buy", "sell"):
            raise UsageError(f"side is buy or sell, not {shown(side)}")
        exact = _stepped(price, "price", rules.tick), _stepped(size, "size", rules.lot)
        drafted = Order(
            self._name(),
            client_id or self._name(),
            rules.symbol,
            "buy" if side == "buy" else "sell",
            *exact,
            exact[1],
            wall_ms,
        )
        currency, amount = self._stake(rules, drafted, drafted.size)
        available = self.balance(currency).available
        if amount > available:
            raise UsageError(f"{plain(amount)} {currency} are needed, and {plain(available)} are available")
        if len(self.active(rules.symbol)) >= ORDERS_MAX:
            raise UsageError(f"{ORDERS_MAX} orders of {rules.symbol} are open, and no more can be")
        return drafted

    def placed(self, rules: Rules, order: Order, wall_ns: int) -> Iterator[Notice]:
        """It was received, and what it may cost is held."""
        self.orders[order.order_id] = order
        self._forget()
        currency, amount = self._stake(rules, order, order.size)
        yield self._moved(currency, -amount, amount, "trade.hold", order, wall_ns)
        yield self._told(order, "received", wall_ns)

    def opened(self, order: Order, wall_ns: int) -> Notice:
        """What is left of it rests in the book."""
        return self._told(order, "open", wall_ns)

    def smaller(self, rules: Rules, order: Order, size: str | Decimal) -> Decimal:
        """A size that an order may be reduced to. Raises ``UsageError`` for any other."""
        wanted = _stepped(size, "size", rules.lot)
        if not order.filled < wanted < order.size:
            raise UsageError(
                f"the order has {plain(order.size)}, of which {plain(order.filled)} are filled: it can be reduced to"
                f" something in between, not to {plain(wanted)}"
            )
        return wanted

    def reduced(self, rules: Rules, order: Order, size: Decimal, wall_ns: int) -> Iterator[Notice]:
        """It has a smaller size now, and its place in the queue."""
        before, order.size = order.size, size
        yield self._told(order, "update", wall_ns, oldSize=plain(before))
        yield self._released(rules, order, before - size, wall_ns)

    def canceled(self, rules: Rules, order: Order, wall_ns: int) -> Iterator[Notice]:
        """What was left of it is out of the book."""
        left, order.canceled, order.is_active = order.left, order.left, False
        yield self._told(order, "canceled", wall_ns)
        yield self._released(rules, order, left, wall_ns)

    def deposited(self, currency: str, amount: str | Decimal, wall_ns: int) -> Notice:
        """More came in. Raises ``UsageError`` for an amount that is none."""
        return self._moved(currency, _amount(amount, "amount"), Decimal(0), "main.deposit", None, wall_ns)

    # -- what the market does --

    def traded(self, rules: Rules, deals: Iterable[Deal], wall_ns: int) -> Iterator[Notice]:
        """Trades of the symbol; those of others say nothing here."""
        for deal in deals:
            for order_id, liquidity in ((deal.taker_id, "taker"), (deal.maker_id, "maker")):
                order = self.orders.get(order_id)
                if order is not None:
                    yield from self._matched(rules, order, deal, liquidity, wall_ns)

    def _matched(self, rules: Rules, order: Order, deal: Deal, liquidity: str, wall_ns: int) -> Iterator[Notice]:
        price, size = Decimal(deal.price), Decimal(deal.size)
        worth = EXACT.multiply(price, size)
        order.filled += size
        order.funds = EXACT.add(order.funds, worth)
        about = {"matchPrice": deal.price, "matchSize": deal.size, "tradeId": str(deal.number), "liquidity": liquidity}
        yield self._told(order, "match", wall_ns, **about, feeType=f"{liquidity}Fee")
        _, stake = self._stake(rules, order, size)
        if order.side == "buy":
            # What a better price saves was held, too.
            moves = ((rules.quote, EXACT.subtract(stake, worth), -stake), (rules.base, size, Decimal(0)))
        else:
            moves = ((rules.base, Decimal(0), -stake), (rules.quote, worth, Decimal(0)))
        for currency, available, held in moves:
            yield self._moved(currency, available, held, "trade.setted", order, wall_ns, about["tradeId"])
        if not order.left:
            order.is_active = False
            yield self._told(order, "filled", wall_ns)

    # -- parts --

    def _stake(self, rules: Rules, order: Order, size: Decimal) -> tuple[str, Decimal]:
        """What is held for so much of an order."""
        if order.side == "sell":
            return rules.base, size
        return rules.quote, EXACT.multiply(order.price, size)

    def _released(self, rules: Rules, order: Order, size: Decimal, wall_ns: int) -> Notice:
        """What was held for so much of an order is available again. It is told as a negative hold: our reading."""
        currency, amount = self._stake(rules, order, size)
        return self._moved(currency, amount, -amount, "trade.hold", order, wall_ns)

    def _moved(
        self,
        currency: str,
        available: Decimal,
        held: Decimal,
        cause: str,
        order: Order | None,
        wall_ns: int,
        trade_id: str | None = None,
    ) -> Notice:
        balance = self.balance(currency)
        balance.available = EXACT.add(balance.available, available)
        balance.held = EXACT.add(balance.held, held)
        about: dict[str, str] = {}
        if order is not None:
            about = {"symbol": order.symbol, "orderId": order.order_id}
        if trade_id is not None:
            about["tradeId"] = trade_id
        data = {
            "accountId": self.account_id,
            "currency": currency,
            "total": plain(balance.total),
            "available": plain(balance.available),
            "hold": plain(balance.held),
            "availableChange": plain(available),
            "holdChange": plain(held),
            "relationContext": about,
            "relationEvent": cause,
            "relationEventId": self._name(),
            "time": str(wall_ns // 1_000_000),
        }
        return Notice(BALANCE, "account.balance", data)

    def _told(self, order: Order, event: _Event, wall_ns: int, **more: str) -> Notice:
        """What happened to an order. The funds are those of its sizes at its limit: our reading of a limit order."""
        data: dict[str, Any] = {
            "clientOid": order.client_id,
            "orderId": order.order_id,
            "symbol": order.symbol,
            "side": order.side,
            "orderType": "limit",
            "type": event,
            "status": _STATUS.get(event, "done"),
            "price": plain(order.price),
            "originSize": plain(order.original_size),
            "originFunds": self._worth(order, order.original_size),
        }
        if event != "received":
            data |= {
                "size": plain(order.size),
                "filledSize": plain(order.filled),
                "remainSize": plain(order.left),
                "remainFunds": self._worth(order, order.left),
                "canceledSize": plain(order.canceled),
                "canceledFunds": self._worth(order, order.canceled),
            }
        data |= {**more, "orderTime": order.ordered_ms, "ts": wall_ns}
        return Notice(ORDERS, "orderChange", data)

    def _worth(self, order: Order, size: Decimal) -> str:
        return plain(EXACT.multiply(order.price, size))

    def _name(self) -> str:
        return f"{self._rng.getrandbits(96):024x}"

    def _forget(self) -> None:
        over = [one.order_id for one in self.orders.values() if not one.is_active]
        for order_id in over[: max(0, len(over) - DONE_MAX)]:
            del self.orders[order_id]


def _amount(given: object, what: str) -> Decimal:
    """A number above 0, given exactly."""
    try:
        amount = Decimal(given) if isinstance(given, str | Decimal) else None
    except InvalidOperation:
        amount = None
    if amount is None or not amount.is_finite() or amount <= 0:
        raise UsageError(f"{what} is a decimal number above 0, as text or Decimal, not {shown(given)}")
    return amount


def _stepped(given: object, what: str, step: str) -> Decimal:
    amount = _amount(given, what)
    if EXACT.remainder(amount, Decimal(step)):
        raise UsageError(f"{what} {plain(amount)} is no multiple of {step}, its step for this symbol")
    return amount
