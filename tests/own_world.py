"""A venue in small: queues of orders at a few prices, one's own among them, and the streams that tell of it.

Each stream has a delay of its own: what happened waits in it until it is delivered. The book's stream keeps its order,
like the venue's; the order stream may deliver in any order and twice, and loses what was under way when it breaks.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from orderbook.book import OrderBook
from orderbook.own import OwnOrder, OwnOrders, OwnQueue, Reread
from orderbook.streams import OrderUpdate, Trade
from orderbook.types import Side
from tests.own_orders import MS, SYMBOL, listed, trade, update

BIDS = (97, 98, 99)
ASKS = (101, 102, 103)
SIDE_TEXT = {Side.BID: "buy", Side.ASK: "sell"}


@dataclass
class Resting:
    """An order in a queue of the venue; sizes are in hundredths."""

    order_id: str
    is_own: bool
    side: Side
    price: int
    size: int
    left: int
    placed_ns: int


@dataclass
class World:
    """The venue, and a client of it with ``book``, ``orders`` and ``queue``.

    Attributes:
        queues: Price to its orders, the first in front.
        others: For each sequence of the book, what others had at each price.
        told: The last changes of one's own at each price: the sequence of the book, and how many they are.
    """

    queues: dict[int, list[Resting]] = field(default_factory=dict)
    now_ns: int = 1_000 * MS
    sequence: int = 0
    ids: int = 0
    trades_made: int = 0
    is_up: bool = False
    deltas: list[tuple[int, Side, int, int, int]] = field(default_factory=list)
    updates: list[OrderUpdate] = field(default_factory=list)
    trades: list[Trade] = field(default_factory=list)
    told: list[OrderUpdate] = field(default_factory=list)
    others: list[Counter[int]] = field(default_factory=list)
    last_own: dict[int, int] = field(default_factory=dict)
    reread: Reread | None = None
    answer: list[OwnOrder] | None = None
    cases: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.book = OrderBook(SYMBOL)
        self.orders = OwnOrders()
        self.queue = OwnQueue(self.book, self.orders)
        self.net = self.book.without_own(self.orders)
        for price in (*BIDS, *ASKS):
            self._enter(price, 5, is_own=False)
        self.book.apply_snapshot(
            [(price, Decimal(self._total(price)) / 100) for price in BIDS],
            [(price, Decimal(self._total(price)) / 100) for price in ASKS],
            0,
            venue_ms=self.now_ns // MS,
        )
        self.deltas.clear()
        self.sequence = 0
        self.others = [self._others()]

    # --- the venue --------------------------------------------------------------------------------------------------

    def _total(self, price: int) -> int:
        return sum(order.left for order in self.queues.get(price, []))

    def _others(self) -> Counter[int]:
        return Counter({p: s for p, q in self.queues.items() if (s := sum(o.left for o in q if not o.is_own))})

    def _enter(self, price: int, size: int, *, is_own: bool, order_id: str = "") -> Resting:
        side = Side.BID if price < 100 else Side.ASK
        self.ids += 1
        order = Resting(order_id or f"x{self.ids}", is_own, side, price, size, size, self.now_ns)
        self.queues.setdefault(price, []).append(order)
        self._changed(price)
        return order

    def _changed(self, price: int) -> None:
        """The book's stream tells the level's new size."""
        side = Side.BID if price < 100 else Side.ASK
        self.sequence += 1
        self.deltas.append((self.sequence, side, price, self._total(price), self.now_ns // MS))
        self.others.append(self._others())

    def _tell(self, order: Resting, event: str, **values: Any) -> None:
        """The order stream tells an event of one's own order, at the book's present sequence."""
        self.cases[event] += 1
        self.last_own[order.price] = self.sequence
        told = update(
            event,
            order.order_id,
            ns=self.now_ns,
            side=SIDE_TEXT[order.side],
            price=str(order.price),
            ordered_ms=order.placed_ns // MS,
            **{"remaining_size": str(Decimal(order.left) / 100), **values},
        )
        if self.is_up:
            self.updates.append(told)

    def pass_time(self, ns: int) -> None:
        """Let the venue's time pass."""
        self.now_ns += ns

    def place(self, price: int, size: int, *, is_own: bool) -> None:
        """An order enters at the end of a queue."""
        if not is_own:
            self._enter(price, size, is_own=False)
            return
        order = self._enter(price, size, is_own=True, order_id=f"own{self.ids}")
        self._tell(order, "received", remaining_size=None)
        self._tell(order, "open")

    def cross(self, price: int, size: int) -> None:
        """One's own order takes from others at the front first, and what is left of it enters beyond the old touch."""
        taken_side = Side.ASK if price < 100 else Side.BID
        touch = (min if taken_side is Side.ASK else max)(
            (p for p in self.queues if self._total(p) and (p > 100) == (taken_side is Side.ASK)), default=None
        )
        if touch is None or any(order.is_own for order in self.queues[touch]):
            return
        eaten = min(size - 1, self._total(touch))
        left = size - eaten
        self._match(touch, eaten)
        order = self._enter(price, left, is_own=True, order_id=f"own{self.ids}")
        self._tell(order, "match", liquidity="taker")
        self._tell(order, "open")

    def take(self, price: int, size: int) -> None:
        """Somebody takes from the front of a queue."""
        self._match(price, min(size, self._total(price)))

    def _match(self, price: int, size: int) -> None:
        while size:
            order = self.queues[price][0]
            eaten = min(size, order.left)
            size -= eaten
            order.left -= eaten
            self.queues[price] = [one for one in self.queues[price] if one.left]
            self.trades_made += 1
            taker = "sell" if order.side is Side.BID else "buy"
            text = str(Decimal(eaten) / 100)
            made = trade(text, ms=0, sequence=self.trades_made, price=str(price), side=taker, maker=order.order_id)
            self.trades.append(replace(made, venue_ns=self.now_ns))
            self._changed(price)
            if order.is_own:
                self._tell(order, "match", match_size=text)
                if not order.left:
                    self._tell(order, "filled")

    def pull(self, price: int, place: int, left: int) -> None:
        """An order at a price is canceled, or shrinks to what is left of it; it keeps its place."""
        queue = self.queues.get(price, [])
        if not queue:
            return
        order = queue[place % len(queue)]
        old, order.left = order.left, min(order.left, left)
        self.queues[price] = [one for one in queue if one.left]
        self._changed(price)
        if order.is_own:
            sizes = {"old_size": str(Decimal(old) / 100), "size": str(Decimal(order.left) / 100)}
            self._tell(order, *(("update",) if order.left else ("canceled",)), **sizes)

    def pull_own(self, place: int, left: int) -> None:
        """One's own order is canceled, or shrinks."""
        own = self.own()
        if own:
            order = own[place % len(own)]
            self.pull(order.price, self.queues[order.price].index(order), left)

    # --- the streams ------------------------------------------------------------------------------------------------

    def deliver_book(self, count: int) -> None:
        """The next changes of the book arrive, in their order."""
        for sequence, side, price, size, venue_ms in self.deltas[:count]:
            row = [(price, Decimal(size) / 100)]
            self.book.apply_changes(
                row if side is Side.BID else [], row if side is Side.ASK else [], sequence, venue_ms=venue_ms
            )
            self.queue.observe()
        del self.deltas[:count]

    def deliver_orders(self, count: int, start: int = 0) -> None:
        """Some of what the order stream holds arrives, not only the oldest."""
        for _ in range(min(count, len(self.updates))):
            told = self.updates.pop(start % len(self.updates))
            self.told.append(told)
            self.orders.receive(told)
            self.queue.observe()

    def repeat(self, place: int) -> None:
        """Something that the order stream told since it is up arrives once more."""
        if self.told:
            self.cases["repeated"] += 1
            self.orders.receive(self.told[place % len(self.told)])
            self.queue.observe()

    def deliver_trades(self, count: int) -> None:
        """The next trades arrive, each twice."""
        for made in self.trades[:count]:
            self.queue.receive_trade(made)
            self.queue.receive_trade(made)
        del self.trades[:count]

    def disconnect(self) -> None:
        """The order stream breaks: what it held is lost, and nothing is told until it is up again."""
        self.cases["lost"] += 1
        self.is_up = False
        self.updates.clear()
        self.told.clear()
        self.orders.lost("the stream broke")

    def ask(self) -> None:
        """The order stream is up again, if it was not, and the list of open orders is asked for."""
        self.is_up = True
        self.answer = None
        self.reread = self.orders.begin_reread()

    def make_answer(self) -> None:
        """The venue makes the list that was asked for."""
        if self.reread is not None:
            self.answer = self.open_orders()

    def deliver_answer(self) -> None:
        """The list arrives."""
        if self.answer is not None and self.reread is not None:
            self.cases["reread" if self.orders.finish_reread(self.reread, self.answer) else "void"] += 1
            self.reread = self.answer = None
            self.queue.observe()

    def settle(self) -> None:
        """All that happened is told, and the book goes on a little."""
        if not self.orders.is_synced:
            self.ask()
            self.make_answer()
        self.deliver_answer()
        self.pass_time(2 * MS)
        self.place(BIDS[0] - 1, 1, is_own=False)
        self.deliver_book(len(self.deltas))
        self.deliver_orders(len(self.updates))
        self.deliver_trades(len(self.trades))

    # --- the truth --------------------------------------------------------------------------------------------------

    def own(self) -> list[Resting]:
        """One's own orders that stand at the venue."""
        return [order for queue in self.queues.values() for order in queue if order.is_own]

    def open_orders(self) -> list[OwnOrder]:
        """The same, as REST lists them."""
        return [
            listed(
                order.order_id,
                side=order.side,
                price=order.price,
                remaining_size=str(Decimal(order.left) / 100),
                ordered_ms=order.placed_ns // MS,
                opened_ns=order.placed_ns // MS * MS,
            )
            for order in self.own()
        ]

    def ahead_of(self, order: Resting) -> Decimal:
        """What others have ahead of an order at the venue."""
        queue = self.queues[order.price]
        return Decimal(sum(one.left for one in queue[: queue.index(order)] if not one.is_own)) / 100

    def others_at(self, price: int) -> Decimal:
        """What others have at a price, as the book should know it."""
        return Decimal(self.others[self.book.sequence][price]) / 100

    def is_quiet(self, price: int) -> bool:
        """Whether no event of one's own at a price is under way, in any of the streams."""
        pending = any(told.price == price for told in self.updates)
        return self.is_up and not pending and self.last_own.get(price, 0) <= self.book.sequence
