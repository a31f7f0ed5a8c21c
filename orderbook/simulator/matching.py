"""Where orders meet: which changes of a market are trades, and what they leave of one's own orders that rest there.

What leaves the touch was taken by somebody, or withdrawn; a draw of the change's own decides. So the trades of a market
are the same whoever listens and since when, and nothing else is drawn because of them.

One's own orders stand in the true book beside those of the market, at their place in the queue: whoever takes from a
level takes first what was there before them. A market's change says what the others have at a level.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from orderbook.errors import UsageError
from orderbook.simulator.chance import named
from orderbook.simulator.source import Row, Tick
from orderbook.simulator.truth import Truth, scaled_text
from orderbook.types import Side

TakerSide = Literal["buy", "sell"]

_FIRST: Final = 11_067_996_000_000_000
"""Numbers of trades are of this size today; they count something else than the book's sequence."""
_PER_EVENT: Final = 1_000
"""Numbers that one change may use up: more than there can be orders at a level."""
_TRADED: Final = 0.7
"""Share of what leaves the touch that was taken, not withdrawn."""
_SHARES: Final = 4
"""Into how many parts an order is thought that is reached by the end of a trade: none to all of them are taken."""


class Deal(NamedTuple):
    """Two orders met.

    Attributes:
        number: Rises from trade to trade.
        side: The taker's.
        price, size: Plain decimal text.
    """

    number: int
    side: TakerSide
    price: str
    size: str
    taker_id: str
    maker_id: str


@dataclass(slots=True, eq=False)
class Resting:
    """An order of one's own in the book; ``left`` and ``ahead`` in lots."""

    order_id: str
    left: int
    ahead: int
    """What others have at this price that will be taken before it."""


class Matching:
    """The trades of one symbol, and one's own orders in its book.

    Args:
        symbol: Its name.
        truth: Its book.
        name: Of its random numbers.

    Attributes:
        is_open: Whether anything trades at present.
        served: Levels of one's own that the market went beyond.
    """

    def __init__(self, symbol: str, truth: Truth, name: str) -> None:
        self.is_open = True
        self.served = 0
        self._symbol = symbol
        self._truth = truth
        self._name = name
        self._deals: list[Deal] = []
        self._rests: dict[int, list[Resting]] = {}
        self._decimals = truth.price_decimals

    def take(self) -> list[Deal]:
        """The trades since the last time, in order."""
        deals, self._deals = self._deals, []
        return deals

    # -- the market moves --

    def met(self, key: int, size: int) -> int:
        """The market's next change is about to happen: the others will have this size at a level.

        Where it goes beyond orders of one's own, as one that is played from a capture may do, these are served first,
        each level in an event of its own: so the book is crossed at no sequence.

        Returns:
            The size that the level will really have.

        Complexity: O(1 + orders of one's own), and a draw where something leaves the touch.
        """
        truth = self._truth
        if not key:
            return size
        if size and (reached := self._reached(key)):
            if self.is_open:
                for other in reached:
                    self._serve(other)
            else:
                # Nobody trades, so nobody comes past.
                size = 0
        rests = self._resting().get(key, [])
        own = sum(rest.left for rest in rests)
        others = truth.sizes.get(key, 0) - own
        keys = self._ladder(key)
        if self._rests and not size and len(keys) - self._own_levels(key) < 2 and others:
            # A side on which nobody else stood would be empty as soon as one's own orders are gone.
            size = others
        taken = others - size
        is_touch = bool(keys) and keys[-1] == key
        if is_touch and self.is_open and (taken > 0 or (rests and not size)):
            rng = named(f"{self._name}/{truth.events + 1}")
            if rng.random() < _TRADED:
                own = self._taken(key, taken, rests, rng)
                return size + own
        for rest in rests:
            # What is withdrawn stood anywhere in the queue.
            rest.ahead -= rest.ahead * max(0, taken) // (others or 1)
        return size + own

    def _taken(self, key: int, taken: int, rests: list[Resting], rng: random.Random) -> int:
        """Somebody took what the others lost at the touch, and one's own orders on the way; what is left of those."""
        ids = _ids(rng)
        taker_id, done, is_over = next(ids), 0, False
        for rest in rests:
            reached = min(rest.ahead, taken)
            if reached > done:
                self._deal(key, reached - done, taker_id, next(ids))
                done = reached
            if rest.ahead < taken:
                # Others behind it were served, so it was, too.
                lots = rest.left
            else:
                lots = 0 if is_over or rest.ahead > taken else rest.left * rng.randrange(_SHARES + 1) // _SHARES
                is_over = lots < rest.left
            if lots:
                self._deal(key, lots, taker_id, rest.order_id)
            rest.left -= lots
            rest.ahead = max(0, rest.ahead - taken)
        if taken > done:
            self._deal(key, taken - done, taker_id, next(ids))
        self._tidy(key)
        return sum(rest.left for rest in rests)

    def _serve(self, key: int) -> None:
        """Take all of one's own orders at a level, in an event before the one that goes beyond it."""
        truth = self._truth
        rests, taker_id = self._rests.pop(key), next(_ids(named(f"{self._name}/{truth.events + 1}")))
        for rest in rests:
            self._deal(key, rest.left, taker_id, rest.order_id)
        truth.happen(key, truth.sizes[key] - sum(rest.left for rest in rests))
        self.served += 1

    # -- one's own orders --

    def check(self, key: int, lots: int) -> None:
        """Raise ``UsageError`` where an order would meet one of one's own, or empty the other side of the book."""
        if self._reached(key):
            raise UsageError("the order would trade with one of your own: cancel that one first")
        sizes = self._truth.sizes
        reached = [other for other in self._ladder(-key) if self._is_reached(key, other)]
        others = len(self._ladder(-key)) - self._own_levels(-key)
        if reached and len(reached) == others and sum(sizes[other] for other in reached) <= lots:
            raise UsageError("the order would leave nothing on the other side of the book: make it smaller")

    def submit(self, order_id: str, key: int, lots: int) -> tuple[list[Tick], int]:
        """Let an order in: it takes what its limit reaches, and rests with what is left of it.

        Args:
            order_id: Its name.
            key: Its limit.
            lots: Its size.

        Returns:
            A delta for each level that it changed; and how many lots rest.

        Complexity: O(levels taken + orders at its price).
        """
        ticks: list[Tick] = []
        keys, sizes = self._ladder(-key), self._truth.sizes
        while lots and keys and self._is_reached(key, keys[-1]):
            best = keys[-1]
            taken = min(lots, sizes[best])
            maker_id = next(_ids(named(f"{self._name}/{self._truth.events + 1}")))
            self._deal(best, taken, order_id, maker_id)
            ticks.append(self._changed(best, -taken))
            lots -= taken
        if lots:
            rests = self._resting().setdefault(key, [])
            ahead = sizes.get(key, 0) - sum(rest.left for rest in rests)
            rests.append(Resting(order_id, lots, ahead))
            ticks.append(self._changed(key, lots))
        return ticks, lots

    def withdraw(self, order_id: str, lots: int) -> Tick:
        """Take so much of a resting order out again; what is left of it keeps its place. O(orders)."""
        key, rest = self._found(order_id)
        rest.left -= lots
        self._tidy(key)
        return self._changed(key, -lots)

    def ahead(self, order_id: str) -> int:
        """Lots of others that stand before a resting order. Raises ``KeyError`` if there is none of this name."""
        return self._found(order_id)[1].ahead

    # -- parts --

    def _found(self, order_id: str) -> tuple[int, Resting]:
        for key, rests in self._resting().items():
            for rest in rests:
                if rest.order_id == order_id:
                    return key, rest
        raise KeyError(order_id)

    def _resting(self) -> dict[int, list[Resting]]:
        """One's own orders by level; the book's units may have become finer since the last time."""
        finer = self._truth.price_decimals - self._decimals
        if finer:
            self._rests = {key * 10**finer: rests for key, rests in self._rests.items()}
            self._decimals += finer
        return self._rests

    def _own_levels(self, key: int) -> int:
        """How many levels of that side have nobody else."""
        sizes = self._truth.sizes
        return sum(
            sizes[other] == sum(rest.left for rest in rests)
            for other, rests in self._rests.items()
            if (other > 0) == (key > 0)
        )

    def _tidy(self, key: int) -> None:
        left = [rest for rest in self._rests.get(key, ()) if rest.left]
        if left:
            self._rests[key] = left
        else:
            self._rests.pop(key, None)

    def _ladder(self, key: int) -> list[int]:
        return self._truth.ladder(Side.BID if key > 0 else Side.ASK)

    def _reached(self, key: int) -> list[int]:
        """One's own levels of the other side from which an order with this limit may take, the best first."""
        own = (other for other in self._resting() if (other > 0) != (key > 0) and self._is_reached(key, other))
        return sorted(own, reverse=True)

    @staticmethod
    def _is_reached(key: int, other: int) -> bool:
        """Whether an order with this limit may take from a level of the other side."""
        return -other <= key

    def _changed(self, key: int, lots: int) -> Tick:
        """A change of the book that the market did not make."""
        truth = self._truth
        size = truth.sizes.get(key, 0) + lots
        truth.happen(key, size)
        row: tuple[Row, ...] = ((*self._texts(key, size), str(truth.sequence)),)
        return Tick(self._symbol, truth.sequence, truth.sequence, row if key > 0 else (), () if key > 0 else row)

    def _deal(self, key: int, lots: int, taker_id: str, maker_id: str) -> None:
        """Write down a trade at a level; the change of the book that it is part of comes next."""
        number = _FIRST + (self._truth.events + 1) * _PER_EVENT
        if self._deals and self._deals[-1].number >= number:
            number = self._deals[-1].number + 1
        self._deals.append(
            Deal(number, "sell" if key > 0 else "buy", *self._texts(key, lots), taker_id, maker_id),
        )

    def _texts(self, key: int, size: int) -> tuple[str, str]:
        truth = self._truth
        return scaled_text(abs(key), truth.price_decimals), scaled_text(size, truth.size_decimals)


def _ids(rng: random.Random) -> Iterator[str]:
    """Names of orders."""
    while True:
        yield f"{rng.getrandbits(96):024x}"
