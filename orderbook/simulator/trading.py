"""Trading at the simulated venue: the market's moves and one's own orders, and who is told of either."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Final

from orderbook.errors import UsageError, shown
from orderbook.simulator.account import ORDERS, ORDERS_V1, Account, Balance, Notice, Order
from orderbook.simulator.broadcast import Broadcast
from orderbook.simulator.common import Common
from orderbook.simulator.matching import Matching
from orderbook.simulator.source import Source, Tick
from orderbook.simulator.stream import Stream
from orderbook.types import Side

_SCALED_MAX: Final = 10**16
"""Largest number of ticks or lots of an order."""


class Trading:
    """Where all changes of the books come by, whoever made them.

    Args:
        common: Time, and what is delisted.
        market: The books.
        stream: Sends deltas.
        broadcast: Sends what stands beside them.
        account: Whose orders are one's own.
    """

    def __init__(
        self, common: Common, market: Mapping[str, Source], stream: Stream, broadcast: Broadcast, account: Account
    ) -> None:
        self.account = account
        self._common = common
        self._market = market
        self._stream = stream
        self._broadcast = broadcast

    # -- the market --

    def advance(self, source: Source) -> Tick:
        """Let the next change of a market happen: one delta, also of one's own orders that it served on its way."""
        matching = source.matching
        if matching is None:
            return source.advance()
        matching.is_open = source.symbol not in self._common.delisted
        first, served = source.sequence + 1, matching.served
        tick = source.advance()
        if matching.served == served:
            return tick
        rows = source.truth.changes(first, source.sequence)
        return Tick(source.symbol, first, source.sequence, rows[Side.BID], rows[Side.ASK])

    def publish(self, ticks: Iterable[Tick], source: Source, now_ns: int) -> None:
        """Tell of changes of a book, and of the trades that made them."""
        symbol = source.symbol
        if symbol not in self._common.delisted:
            for tick in ticks:
                self._stream.publish(tick, now_ns)
        deals = [] if source.matching is None else source.matching.take()
        if deals:
            self._broadcast.traded(symbol, deals, now_ns)
            self._tell(self.account.traded(source.rules, deals, self._common.wall_ns(now_ns)), now_ns)

    # -- one's own orders --

    def place(
        self,
        symbol: str,
        side: str,
        price: str | Decimal,
        size: str | Decimal,
        now_ns: int,
        client_id: str | None = None,
    ) -> str:
        """Place a limit order; see ``Driver.place``."""
        source = self._market.get(symbol)
        if source is None or symbol in self._common.delisted:
            raise UsageError(f"no symbol {shown(symbol)} is traded here at present")
        wall_ns = self._common.wall_ns(now_ns)
        account, rules, matching = self.account, source.rules, self._broadcast.watch(source)
        order = account.drafted(rules, side, price, size, wall_ns // 1_000_000, client_id)
        key, lots = (_scaled(number, decimals) for number, decimals in self._numbers(order, source))
        key = key if order.side == "buy" else -key
        matching.check(key, lots)
        self._tell(account.placed(rules, order, wall_ns), now_ns)
        ticks, resting = matching.submit(order.order_id, key, lots)
        self.publish(ticks, source, now_ns)
        if resting:
            self._tell([account.opened(order, wall_ns)], now_ns)
        return order.order_id

    def cancel(self, order_id: str, now_ns: int) -> None:
        """Take an order out of the book; see ``Driver.cancel``."""
        order = self.account.order(order_id)
        source, matching = self._place_of(order)
        self.publish([matching.withdraw(order_id, self._lots(order.left, source))], source, now_ns)
        self._tell(self.account.canceled(source.rules, order, self._common.wall_ns(now_ns)), now_ns)

    def reduce(self, order_id: str, size: str | Decimal, now_ns: int) -> None:
        """Make an order smaller; see ``Driver.reduce``."""
        order = self.account.order(order_id)
        source, matching = self._place_of(order)
        smaller = self.account.smaller(source.rules, order, size)
        self.publish([matching.withdraw(order_id, self._lots(order.size - smaller, source))], source, now_ns)
        self._tell(self.account.reduced(source.rules, order, smaller, self._common.wall_ns(now_ns)), now_ns)

    def deposit(self, currency: str, amount: str | Decimal, now_ns: int) -> None:
        """More comes in."""
        self._tell([self.account.deposited(currency, amount, self._common.wall_ns(now_ns))], now_ns)

    def ahead(self, order_id: str) -> Decimal:
        """What others have in the book that will be taken before an order, in base currency."""
        source, matching = self._place_of(self.account.order(order_id))
        return Decimal(matching.ahead(order_id)).scaleb(-source.truth.size_decimals)

    def _place_of(self, order: Order) -> tuple[Source, Matching]:
        source = self._market[order.symbol]
        return source, self._broadcast.watch(source)

    def _numbers(self, order: Order, source: Source) -> tuple[tuple[Decimal, int], tuple[Decimal, int]]:
        truth = source.truth
        return (order.price, truth.price_decimals), (order.size, truth.size_decimals)

    def _lots(self, size: Decimal, source: Source) -> int:
        return _scaled(size, source.truth.size_decimals)

    # -- private topics --

    def _tell(self, notices: Iterable[Notice], now_ns: int) -> None:
        for notice in notices:
            topics = [notice.topic]
            if notice.topic == ORDERS and notice.data["type"] != "received":
                topics.append(ORDERS_V1)
            for topic in topics:
                if self._stream.listeners(topic, ""):
                    self._broadcast.push(topic, "", self._text(topic, notice), now_ns)

    def _text(self, topic: str, notice: Notice) -> str:
        frame: dict[str, object] = {"topic": topic, "type": "message", "subject": notice.subject}
        frame |= {"userId": self.account.user_id, "channelType": "private", "data": notice.data}
        return json.dumps(frame, separators=(",", ":"))


class Driver:
    """The hands of the account's owner: what ``venue.account`` is.

    Args:
        trading: Where the orders go.
        clock: Now, in ns, of the exchange; lets happen first what is due.
        flush: Carries out what the exchange has to send.
    """

    def __init__(self, trading: Trading, clock: Callable[[], int], flush: Callable[[], None]) -> None:
        self._trading = trading
        self._clock = clock
        self._flush = flush

    def place(
        self, symbol: str, side: str, price: str | Decimal, size: str | Decimal, *, client_id: str | None = None
    ) -> str:
        """Place a limit order: it takes what its price reaches, and what is left of it rests in the book.

        Args:
            symbol: Of what.
            side: ``"buy"`` or ``"sell"``.
            price: In quote currency per unit of base, a multiple of the symbol's tick.
            size: In base currency, a multiple of its lot.
            client_id: ``clientOid``; one is made up by default.

        Returns:
            The order's id.

        Raises:
            UsageError: It cannot be placed; nothing has happened.
        """
        order_id = self._trading.place(symbol, side, price, size, self._clock(), client_id)
        self._flush()
        return order_id

    def cancel(self, order_id: str) -> None:
        """Take an order out of the book. Raises ``UsageError`` if it is not there (any more)."""
        self._trading.cancel(order_id, self._clock())
        self._flush()

    def reduce(self, order_id: str, size: str | Decimal) -> None:
        """Make an order smaller; it keeps its place in the queue.

        Args:
            order_id: Which.
            size: Its whole size from now on, of which more is left than was filled.

        Raises:
            UsageError: It is not there (any more), or the size is none that it can have.
        """
        self._trading.reduce(order_id, size, self._clock())
        self._flush()

    def deposit(self, currency: str, amount: str | Decimal) -> None:
        """Put more of a currency into the account. Raises ``UsageError`` for an amount that is none."""
        self._trading.deposit(currency, amount, self._clock())
        self._flush()

    @property
    def orders(self) -> Mapping[str, Order]:
        """Every order that is remembered, by its id: those in the book, and the last ones that are over."""
        return self._trading.account.orders

    def balance(self, currency: str) -> Balance:
        """What there is of a currency."""
        return self._trading.account.balance(currency)

    def active(self, symbol: str | None = None) -> list[Order]:
        """The orders in the book, oldest first; of one symbol or of all."""
        return self._trading.account.active(symbol)

    def ahead(self, order_id: str) -> Decimal:
        """What others have at an order's price that is taken before it, in base currency: the truth.

        Raises:
            UsageError: It is not in the book (any more).
        """
        return self._trading.ahead(order_id)


def _scaled(number: Decimal, decimals: int) -> int:
    scaled = int(number.scaleb(decimals))
    if scaled > _SCALED_MAX:
        raise UsageError(f"{shown(str(number))} is too large for an order")
    return scaled
