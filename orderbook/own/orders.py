"""``OwnOrders``: which orders of one's own stand in the books, from the order stream and lists that REST answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from orderbook.arguments import as_count
from orderbook.errors import OrdersNotSynced, shown
from orderbook.guard import Guard
from orderbook.own.levels import OwnLevels
from orderbook.own.net import NetBook
from orderbook.own.order import OwnOrder, Unusable, ends, stands, statement
from orderbook.streams import OrderUpdate

OPEN_MAX: Final = 10_000
ENDED_MAX: Final = 10_000

_NOTHING: Final = OwnLevels()
"""What is one's own of a symbol that never had an order."""


@dataclass(slots=True)
class OwnOrderCounters:
    """What was seen of the orders so far.

    Attributes:
        updates: Received.
        repeated: Of those, the ones that told nothing new: duplicates, and what came late.
        unusable: Of those, the ones after which the orders were no longer synced.
        losses: How often the orders were lost, whatever for.
        rereads: Lists that made them synced.
        rereads_void: Lists that came too late, because the orders were lost again meanwhile.
        ended: Orders that were seen to end.
        missing: Orders that ended unseen: a list lacked them.
    """

    updates: int = 0
    repeated: int = 0
    unusable: int = 0
    losses: int = 0
    rereads: int = 0
    rereads_void: int = 0
    ended: int = 0
    missing: int = 0


@dataclass(frozen=True, slots=True)
class Reread:
    """A list of open orders that was asked for, from ``begin_reread``. Only ``finish_reread`` has a use for it."""

    generation: int
    ended: int


class _End(NamedTuple):
    """How many orders had ended with this one, and the latest time of the venue that was heard of by then."""

    number: int
    heard_ns: int


@dataclass(slots=True)
class _Kept:
    """An open order, and whether it was heard of since the orders were last lost."""

    order: OwnOrder
    generation: int


class OwnOrders:
    """One's own open orders of an account, over all symbols.

    Feed it every ``OrderUpdate`` of the account's stream with ``receive``: in any order, and repeated as often as may
    be. Tell it ``lost`` when the stream has a gap. It starts without knowing anything, and whenever something may be
    missing it is not synced: then everything that depends on it raises ``OrdersNotSynced``. A list of the open orders
    makes it synced::

        reread = orders.begin_reread()             # the stream is subscribed, and that is acknowledged
        listed = await rest.open_orders()          # updates may come meanwhile
        orders.finish_reread(reread, listed)

    What the list and the stream promise together: an order that ended stays so, whatever a list shows; one that was
    heard of since the stream is up is known from it, whether or not it is listed; of one that both tell of, the later
    statement counts (see ``order``); and one that is not listed, and was not heard of since the stream is up, is gone.
    So nothing that the stream told before a loss may be handed in after ``lost``.

    It belongs to one thread, does no I/O and reads no clock.

    Hidden and iceberg orders are taken as if all of them were to be seen: the stream does not tell. Do not subtract
    from a book what it does not show.

    Args:
        ended_max: How many ended orders are remembered, so that what comes late does not bring them back.
        open_max: How many open orders there may be; with more it is not synced.

    Raises:
        UsageError: A bound that is no whole number of at least 1.

    Attributes:
        counters: See ``OwnOrderCounters``.
    """

    def __init__(self, *, ended_max: int = ENDED_MAX, open_max: int = OPEN_MAX) -> None:
        self._ended_max = as_count(ended_max, "ended_max", least=1)
        self._open_max = as_count(open_max, "open_max", least=1)
        self._open: dict[str, _Kept] = {}
        # The oldest end first.
        self._ended: dict[str, _End] = {}
        self._end_count = 0
        # The last end that is not remembered any more.
        self._forgotten = _End(0, -1)
        self._heard_ns = 0
        # One for each symbol that ever had an order: a venue has so many and no more.
        self._levels: dict[str, OwnLevels] = {}
        self._generation = 0
        self._reason: str | None = "the open orders were not read yet"
        self.counters = OwnOrderCounters()

    # --- what it knows ---------------------------------------------------------------------------------------------

    @property
    def is_synced(self) -> bool:
        """Whether these are all open orders, as far as the stream has told."""
        return self._reason is None

    @property
    def reason(self) -> str | None:
        """Why it is not synced, in words; ``None``: it is."""
        return self._reason

    def check(self) -> None:
        """Raise ``OrdersNotSynced`` unless synced. O(1)."""
        if self._reason is not None:
            raise OrdersNotSynced(self._reason)

    def open_orders(self, symbol: str | None = None) -> tuple[OwnOrder, ...]:
        """The open orders, of one symbol or of all, in the order in which they became known.

        Raises:
            OrdersNotSynced: Some may be missing, or gone.

        Complexity: O(n), all open orders.
        """
        self.check()
        return self.last_known(symbol)

    def last_known(self, symbol: str | None = None) -> tuple[OwnOrder, ...]:
        """The same, synced or not."""
        orders = (kept.order for kept in self._open.values())
        return tuple(order for order in orders if symbol is None or order.symbol == symbol)

    def get(self, order_id: str) -> OwnOrder | None:
        """An open order; ``None``: there is no such one. Raises ``OrdersNotSynced``. O(1)."""
        self.check()
        kept = self._open.get(order_id)
        return None if kept is None else kept.order

    def is_own(self, order_id: str) -> bool:
        """Whether it is an order of one's own, open or remembered, synced or not. O(1)."""
        return order_id in self._open or order_id in self._ended

    def levels(self, symbol: str) -> OwnLevels:
        """How much of each level of a symbol is one's own, synced or not. O(1)."""
        return self._levels.get(symbol, _NOTHING)

    def net_of(self, guard: Guard) -> NetBook:
        """The book of a guard without these orders, for ``OrderBook.without_own``."""
        return NetBook(guard, self)

    # --- what it is told -------------------------------------------------------------------------------------------

    def receive(self, update: OrderUpdate) -> bool:
        """Take an update of the stream.

        An update that cannot be used makes the orders not synced: ``reason`` says why.

        Returns:
            Whether it told anything new.

        Complexity: O(1).
        """
        self.counters.updates += 1
        self._heard_ns = max(self._heard_ns, update.venue_ns)
        try:
            is_news = self._take(update)
        except Unusable as why:
            self.counters.unusable += 1
            self.lost(f"an update of order {shown(update.order_id)} cannot be used: {why}")
            return True
        self.counters.repeated += not is_news
        return is_news

    def lost(self, reason: str) -> None:
        """Something may be missing from now on: the stream ended, or lost a message. What is being read is void.

        Args:
            reason: In words, for whoever is refused.
        """
        self.counters.losses += 1
        self._generation += 1
        self._reason = reason

    def begin_reread(self) -> Reread:
        """A list of the open orders is about to be asked for. The stream has to be up: subscribed and acknowledged."""
        return Reread(self._generation, self._end_count)

    def finish_reread(self, reread: Reread, listed: Iterable[OwnOrder]) -> bool:
        """The list is here.

        Args:
            reread: From ``begin_reread``, before it was asked for.
            listed: All open orders of the account, of all pages.

        Returns:
            Whether the orders are synced. If not, they were lost since, or have to be read once more.

        Complexity: O(n).
        """
        if reread.generation != self._generation or reread.ended < self._forgotten.number:
            # Lost since, or so many orders ended since that it cannot be told any more which.
            self.counters.rereads_void += 1
            return False
        # Before any end is told here: those make that the oldest ones are forgotten.
        found = {order.order_id: order for order in listed if order.order_id not in self._ended}
        for order_id, kept in list(self._open.items()):
            if order_id not in found and kept.generation != self._generation:
                self.counters.missing += 1
                self._close(order_id, 0)
        try:
            for order in found.values():
                self._join(order, order.opened_ns)
        except Unusable as why:
            self.lost(f"the list of open orders cannot be used: {why}")
            return False
        self.counters.rereads += 1
        self._reason = None
        return True

    # --- inside ----------------------------------------------------------------------------------------------------

    def _take(self, update: OrderUpdate) -> bool:
        if update.order_id in self._ended:
            return False
        if ends(update):
            self.counters.ended += 1
            self._close(update.order_id, update.venue_ns)
            return True
        if not stands(update):
            return False
        if update.order_id not in self._open and update.venue_ns <= self._forgotten.heard_ns:
            raise Unusable("it comes so late that the order may have ended and been forgotten")
        return self._join(statement(update), update.venue_ns)

    def _join(self, said: OwnOrder, venue_ns: int) -> bool:
        """Take a statement about an order that stands; it is not known to have ended."""
        if not said.remaining_size:
            self.counters.ended += 1
            self._close(said.order_id, venue_ns)
            return True
        kept = self._open.get(said.order_id)
        if kept is None:
            if len(self._open) == self._open_max:
                raise Unusable(f"more than {self._open_max} orders are open; allow more with open_max")
            self._open[said.order_id] = _Kept(said, self._generation)
            self._levels_of(said).change(None, said, venue_ns)
            return True
        if not kept.order.is_same_order(said):
            # One of the two is wrong: a list has to tell which.
            del self._open[said.order_id]
            self._levels_of(kept.order).change(kept.order, None, venue_ns)
            raise Unusable("its symbol, side or price is not what it was")
        kept.generation = self._generation
        before, kept.order = kept.order, kept.order.joined(said)
        if kept.order == before:
            return False
        self._levels_of(said).change(before, kept.order, venue_ns)
        return True

    def _close(self, order_id: str, venue_ns: int) -> None:
        """An order stands no more, whether it ever did or not."""
        kept = self._open.pop(order_id, None)
        if kept is not None:
            self._levels_of(kept.order).change(kept.order, None, venue_ns)
        self._end_count += 1
        self._ended[order_id] = _End(self._end_count, self._heard_ns)
        if len(self._ended) > self._ended_max:
            self._forgotten = self._ended.pop(next(iter(self._ended)))

    def _levels_of(self, order: OwnOrder) -> OwnLevels:
        return self._levels.setdefault(order.symbol, OwnLevels())
