"""A book without one's own orders: the ladders of the book, less what is one's own at each price.

Nothing is copied: each question looks at the book's own ladders and at the own levels of that moment, so it costs what
it costs of the book, and O(own levels) more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from decimal import Decimal
from fractions import Fraction
from itertools import islice
from typing import TYPE_CHECKING, Generic, NamedTuple, SupportsIndex, TypeVar, cast

from orderbook.content import BookContent, RawLevel
from orderbook.forms import EXACT, FLOAT, RAW, unit
from orderbook.guard import Guard
from orderbook.horizon import is_past
from orderbook.ladder import Ladder
from orderbook.own.levels import OwnLevels
from orderbook.reader import Reader
from orderbook.results import BookView
from orderbook.types import BookState, Side

if TYPE_CHECKING:
    from orderbook.own.orders import OwnOrders

V = TypeVar("V")
Q = TypeVar("Q")
V_co = TypeVar("V_co", covariant=True)


class Overdrawn(NamedTuple):
    """A level of which more is one's own than stands there: the two streams are not at the same moment."""

    side: Side
    price: Decimal
    own: Decimal
    """Of one's own orders, in base currency."""
    size: Decimal
    """Of the book's level."""


@dataclass(frozen=True, slots=True)
class NetView(BookView[V_co], Generic[V_co]):
    """A book without one's own orders at one moment; see ``BookView``."""

    is_settled: bool
    """Whether nothing is known that makes it uncertain, see ``NetReader.is_settled``."""


class NetLadder:
    """What readers ask of a ladder, answered of one side without one's own orders.

    Args:
        ladder: Of the book.
        own: Raw price to raw size, which is positive, of one's own.
        factor: Raw sizes of ``own`` to one of the ladder.
    """

    __slots__ = ("_factor", "_ladder", "_own")

    def __init__(self, ladder: Ladder, own: dict[int, int], factor: int) -> None:
        self._ladder = ladder
        self._own = own
        self._factor = factor

    def _net(self, levels: Iterator[RawLevel]) -> Iterator[RawLevel]:
        """Those levels of which something is left."""
        for price, size in levels:
            left = size * self._factor - self._own.get(price, 0)
            if left > 0:
                yield price, left

    def _gone(self) -> list[int]:
        """Prices of which nothing is left."""
        return [price for price, own in self._own.items() if 0 < self._ladder.get(price) * self._factor <= own]

    def __len__(self) -> int:
        return len(self._ladder) - len(self._gone())

    def __iter__(self) -> Iterator[RawLevel]:
        return self._net(iter(self._ladder))

    def to(self, price: int) -> Iterator[RawLevel]:
        """From the best to ``price`` inclusive."""
        return self._net(self._ladder.to(price))

    def get(self, price: int) -> int:
        """Size at ``price``, 0 if there is none."""
        return max(0, self._ladder.get(price) * self._factor - self._own.get(price, 0))

    def top(self, n: int) -> list[RawLevel]:
        """The best ``n``."""
        return list(islice(self._net(iter(self._ladder.top(n + len(self._own)))), n))

    def best(self) -> RawLevel | None:
        """The best."""
        best = self._ladder.best()
        if best is None or best[0] not in self._own:
            return best and (best[0], best[1] * self._factor)
        return next(iter(self.top(1)), None)

    def at(self, index: int) -> RawLevel:
        """The one at a position, negative ones from the worst on."""
        position = index if index >= 0 else index + len(self)
        for gone in sorted(self._ladder.count_to(price) - 1 for price in self._gone()):
            position += gone <= position
        price, _ = self._ladder.at(position)
        return price, self.get(price)

    def count_to(self, price: int) -> int:
        """How many are at ``price`` or better."""
        sign = self._ladder.side.value
        gone = sum(sign * one <= sign * price for one in self._gone())
        return self._ladder.count_to(price) - gone


class NetContent:
    """What readers ask of a content, answered without one's own orders: it shows the content as it is at each moment.

    Args:
        content: Of the book.
        own: Levels of the book's symbol, in their present version.
    """

    __slots__ = ("_content", "_ladders", "horizon", "price_decimals", "size_decimals")

    def __init__(self, content: BookContent, own: OwnLevels) -> None:
        finest = [-int(level.size.as_tuple().exponent) for side in Side for level in own.of(side).values()]
        self._content = content
        self.horizon = content.horizon
        self.price_decimals = content.price_decimals
        self.size_decimals = max([content.size_decimals, *finest])
        factor = unit(self.size_decimals - content.size_decimals)
        self._ladders = {side: NetLadder(content.ladder(side), self._raw(own, side), factor) for side in Side}

    def _raw(self, own: OwnLevels, side: Side) -> dict[int, int]:
        sizes = {}
        for price, level in own.of(side).items():
            raw = Fraction(price) * unit(self.price_decimals)
            # A price that is finer than the book's scale is not in the book.
            if raw.denominator == 1:
                sizes[raw.numerator] = int(Fraction(level.size) * unit(self.size_decimals))
        return sizes

    @property
    def sequence(self) -> int:
        """Of the content."""
        return self._content.sequence

    @property
    def venue_ms(self) -> int | None:
        """Of the content."""
        return self._content.venue_ms

    @property
    def bids(self) -> NetLadder:
        """The net one."""
        return self._ladders[Side.BID]

    @property
    def asks(self) -> NetLadder:
        """The net one."""
        return self._ladders[Side.ASK]

    def ladder(self, side: Side) -> NetLadder:
        """The net one of a side."""
        return self._ladders[side]

    def trusted_count(self, side: Side) -> int:
        """Levels up to the horizon; all of them without one."""
        horizon = self.horizon[side]
        ladder = self._ladders[side]
        return len(ladder) if horizon is None else ladder.count_to(horizon)

    def price_text(self, raw: int) -> str:
        """A raw price as plain decimal text."""
        return self._content.price_text(raw)


class NetGuard(Guard):
    """The guard of a book, with one's own orders as a second condition, and the net content behind it.

    ``is_plain`` is never set, so the compiled twin leaves every question to Python, which asks for the content here.
    """

    __slots__ = ("_book", "_key", "_net", "_orders")

    def __init__(self, book: Guard, orders: OwnOrders) -> None:
        # No state of its own: all of it is the book's, at each moment.
        self.symbol = book.symbol
        self.is_plain = False
        self.is_kept = True
        self._book = book
        self._orders = orders
        self._key: tuple[object, ...] = ()
        self._net: NetContent | None = None

    @property
    def content(self) -> BookContent:  # type: ignore[override]  # made from the book's, so nobody sets it
        """The net content, trusted or not."""
        content, own = self._book.content, self._orders.levels(self.symbol)
        key = (content, own, own.version, content.price_decimals, content.size_decimals)
        if self._net is None or key != self._key:
            self._key, self._net = key, NetContent(content, own)
        # It has all that readers ask of a content.
        return cast("BookContent", self._net)

    @property
    def epoch(self) -> int:  # type: ignore[override]  # the book's, so nobody sets it
        """Of the book."""
        return self._book.epoch

    @property
    def touch_count(self) -> int:
        """Of the book, whole."""
        return self._book.touch_count

    def status(self) -> tuple[BookState, str, int]:
        """Of the book; SYNCING while it is LIVE and the orders are not synced."""
        status = self._book.status()
        if status[0] is BookState.LIVE and self._orders.reason is not None:
            return BookState.SYNCING, f"own orders are not synced: {self._orders.reason}", status[2]
        return status

    def age_ns(self) -> int | None:
        """Of the book."""
        return self._book.age_ns()

    def live_content(self) -> BookContent:
        """The net content, if both halves may be trusted at this moment.

        Raises:
            BookNotLive: The book may not.
            OrdersNotSynced: The orders may not.
        """
        self._book.live_content()
        self._orders.check()
        return self.content

    def overdrawn(self) -> tuple[Overdrawn, ...]:
        """See ``NetReader.overdrawn``."""
        self.live_content()
        return self._overdrawn()

    def _overdrawn(self) -> tuple[Overdrawn, ...]:
        content, found = self._book.content, []
        for side in Side:
            for price, level in self._orders.levels(self.symbol).of(side).items():
                raw = Fraction(price) * unit(content.price_decimals)
                standing = content.ladder(side).get(raw.numerator) if raw.denominator == 1 else 0
                size = EXACT.value(standing, content.size_decimals)
                if level.size > size and not is_past(content, side, raw):
                    found.append(Overdrawn(side, price, level.size, size))
        return tuple(found)

    def is_settled(self) -> bool:
        """See ``NetReader.is_settled``; but this never raises, of a book that cannot be trusted either."""
        changed_ns = self._orders.levels(self.symbol).changed_ns
        return not self._overdrawn() and has_passed(self._book.content.venue_ms, changed_ns)


def has_passed(venue_ms: int | None, event_ns: int) -> bool:
    """Whether a book whose last change was in ``venue_ms`` has certainly seen what happened at ``event_ns``.

    What happened within the same millisecond may have come before or after.
    """
    return not event_ns or (venue_ms is not None and venue_ms * 1_000_000 > event_ns)


class NetReader(Reader[V, Q], Generic[V, Q]):
    """The queries of a book without one's own orders, with numbers in one form.

    They are those of ``Reader``, with one more refusal: each raises ``OrdersNotSynced`` while it is not certain which
    orders are open. ``state`` is then SYNCING. A level that is all one's own is not there.

    **What is promised.** The book and the orders come in two streams without a common count, each with a delay of its
    own. So of the levels at whose price no event of one's own is under way, each is exactly the others' size. Where one
    is under way, the two streams disagree by the size of that event until both have told it: one's own order may be
    taken for another's, or be subtracted before it is there. No level is ever negative: where more is one's own than
    stands there, nothing is left, and ``overdrawn`` names it. Once both streams have told all that happened, every
    level is exact.
    """

    __slots__ = ()

    _guard: NetGuard

    @property
    def overdrawn(self) -> tuple[Overdrawn, ...]:
        """The levels, up to the horizon, of which more is one's own than stands there. Errors as ``best_bid``."""
        return self._guard.overdrawn()

    @property
    def is_settled(self) -> bool:
        """Whether nothing is known that makes an answer uncertain.

        That is: no level is overdrawn, and the book's ``venue_ms`` is beyond the last change of one's own orders of
        this symbol, so it has seen it. On a quiet symbol this takes until its next change, whatever its price. It
        cannot be seen that the book is ahead of the orders. Nor is there a time of what happened unseen, and was
        learned from a list of the open orders: a book that has yet to show it may be called settled. Errors as
        ``best_bid``.
        """
        self._guard.live_content()
        return self._guard.is_settled()

    def view(self, n: SupportsIndex) -> NetView[V]:
        """State, sequence and at most ``n`` net levels a side of one moment, as an immutable value.

        As ``Reader.view`` it never raises whatever the state; while the orders are not synced its levels are empty,
        too.

        Raises:
            UsageError: ``n`` is not a count.

        Complexity: O(n).
        """
        view = super().view(n)
        values = {field.name: getattr(view, field.name) for field in fields(view)}
        # Of the moment of the view: the book may have become too old meanwhile, as far as the clock goes.
        return NetView(**values, is_settled=view.is_live and self._guard.is_settled())


class NetBook(NetReader[float, float]):
    """The book of one symbol without one's own orders, from ``OrderBook.without_own``; it shows the present one.

    Attributes:
        exact: The same queries, answered in ``Decimal``.
        raw: The same queries, answered in scaled integers and fractions. Sizes are in units of ``10**-size_decimals``
            of this reader, which may be finer than the book's.
    """

    __slots__ = ("exact", "raw")

    def __init__(self, book: Guard, orders: OwnOrders) -> None:
        guard = NetGuard(book, orders)
        super().__init__(guard, FLOAT, guarded=True)
        self.exact: NetReader[Decimal, Decimal] = NetReader(guard, EXACT, guarded=True)
        self.raw: NetReader[int, Fraction] = NetReader(guard, RAW, guarded=True)
