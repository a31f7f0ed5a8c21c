"""``OrderBook``: the book of one symbol, one object for life."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Protocol, SupportsIndex, TypeVar

from orderbook.arguments import as_count
from orderbook.content import BookContent
from orderbook.errors import BookNotLive, UsageError, shown
from orderbook.fixedpoint import SEQUENCE_MAX, TIME_MAX, to_number
from orderbook.forms import EXACT, FLOAT, RAW
from orderbook.guard import Clock, Guard, Pulse
from orderbook.reader import Reader
from orderbook.twin import Changed, Rows
from orderbook.types import BookState, Change, Side, Snapshot

N = TypeVar("N", covariant=True)


class OwnSource(Protocol[N]):
    """Whoever knows one's own orders, and makes a book without them: ``orderbook.own.OwnOrders``."""

    def net_of(self, guard: Guard, /) -> N:
        """What shows the book of this guard without one's own orders."""


class LastKnown(Reader[float, float]):
    """The last known book, LIVE or not: ``state``, ``is_live`` and ``reason`` say what it is worth."""

    __slots__ = ("exact", "raw")

    def __init__(self, guard: Guard) -> None:
        super().__init__(guard, FLOAT, guarded=False)
        self.exact: Reader[Decimal, Decimal] = Reader(guard, EXACT, guarded=False)
        self.raw: Reader[int, Fraction] = Reader(guard, RAW, guarded=False)


class OrderBook(Reader[float, float], Changed):
    """The book of one symbol: a state, a sequence, two ladders and the queries on them.

    Queries are in ``Reader``, the state in ``Status``. A query on a book that is not LIVE raises ``BookNotLive``,
    also through a reference that was taken earlier. A ``BookSync`` keeps its book; alone, a book is filled with
    ``apply_snapshot`` and ``apply_changes``.

    A book belongs to one thread. Others get a ``view``, which is immutable, from the owner.

    Args:
        symbol: The venue's own identifier.
        clock: A monotonic clock in ns.
        max_age_ms: Read as STALE when nothing was heard for longer than this. Needs the clock; off by default.
        pulse: When something was last heard, if books share that; else the book has its own.

    Raises:
        UsageError: ``symbol`` is no text, or empty; ``max_age_ms`` without a clock, or not a whole number of at least
            1.

    Attributes:
        exact: The same queries, answered in ``Decimal``.
        raw: The same queries, answered in scaled integers and fractions.
        last_known: The same queries (and ``exact``, ``raw``) whatever the state, which stands beside them.
    """

    __slots__ = ("__weakref__", "exact", "last_known", "raw")

    def __init__(
        self, symbol: str, *, clock: Clock | None = None, max_age_ms: int | None = None, pulse: Pulse | None = None
    ) -> None:
        if not (symbol and isinstance(symbol, str)):
            raise UsageError(f"a book is that of a symbol, such as 'BTC-USDT', not of {shown(symbol)}")
        guard = Guard(symbol, clock, max_age_ms, pulse)
        super().__init__(guard, FLOAT, guarded=True)
        self.exact: Reader[Decimal, Decimal] = Reader(guard, EXACT, guarded=True)
        self.raw: Reader[int, Fraction] = Reader(guard, RAW, guarded=True)
        self.last_known = LastKnown(guard)

    def without_own(self, orders: OwnSource[N]) -> N:
        """The same queries about this book without one's own open orders: a ``NetBook``.

        Keep it: it always shows the present book, less the present orders.

        Args:
            orders: One's own, an ``OwnOrders``.

        Complexity: O(1).
        """
        return orders.net_of(self._guard)

    # --- on its own ------------------------------------------------------------------------------------------------

    def apply_snapshot(
        self,
        bids: Rows,
        asks: Rows,
        sequence: SupportsIndex,
        *,
        depth: SupportsIndex | None = None,
        venue_ms: int | None = None,
    ) -> None:
        """Replace the whole book, which becomes LIVE in a new epoch. A bad row changes nothing.

        Args:
            bids: Rows of (price, size) in any order; size 0 is no level.
            asks: The same.
            sequence: The venue's sequence of the snapshot.
            depth: How many levels a side were asked for. A side with at least so many rows ends there: nothing is
                known past its worst price. Without it, both sides are complete.
            venue_ms: The venue's time, ms since 1970, or ``None``.

        Raises:
            BookNotLive: The book is CLOSED.
            NumberError: A text is not a number, or a value cannot be held in 64 bits beside the others.
            UsageError: A row is not (price, size), a value is of another type, negative or not finite;
                ``sequence``, ``depth`` or ``venue_ms`` is no such number; or the book is kept by a ``BookSync`` or a
                feed.

        Complexity: O(n log n).
        """
        self._require_own()
        if self._guard.marked_state is BookState.CLOSED:
            raise self._not_live()
        number = _sequence(sequence)
        _check_time(venue_ms)
        limit = None if depth is None else as_count(depth, "depth", least=1)
        rows = {Side.BID: _changes(bids, "bids"), Side.ASK: _changes(asks, "asks")}
        partial = {side: limit is not None and len(rows[side]) >= limit for side in Side}
        content = BookContent.from_snapshot(Snapshot(number, rows[Side.BID], rows[Side.ASK], venue_ms), partial)
        for side in Side:
            if partial[side] and not len(content.ladder(side)):
                raise UsageError(f"{side.name.lower()}s of a snapshot of depth {limit} hold no level at all")
        self.swap(content)
        self._guard.hear()
        self.mark(BookState.LIVE, "snapshot applied", self._guard.now_ns())

    def _apply_changes(self, bids: Rows, asks: Rows, sequence: SupportsIndex, venue_ms: int | None) -> None:
        self._require_own()
        if self._guard.marked_state is not BookState.LIVE:
            raise self._not_live()
        number = _sequence(sequence)
        if number <= self.sequence:
            raise UsageError(f"sequence {number} does not advance the book of {self.symbol} at {self.sequence}")
        _check_time(venue_ms)
        self.content.apply(_changes(bids, "bids"), _changes(asks, "asks"), number, venue_ms)
        self._guard.hear()

    def _require_own(self) -> None:
        if self._guard.is_kept:
            raise UsageError(f"the book of {self.symbol} is kept from the venue's stream; nobody else may change it")

    # --- for whoever keeps the book --------------------------------------------------------------------------------

    @property
    def content(self) -> BookContent:
        """The inside, trusted or not; for whoever keeps the book."""
        return self._guard.content

    @property
    def heard_ns(self) -> int | None:
        """When something was last heard, in ns of the clock; ``None``: never. Set by whoever keeps the book."""
        return self._guard.pulse.heard_ns

    @heard_ns.setter
    def heard_ns(self, heard_ns: int) -> None:
        self._guard.pulse.heard_ns = heard_ns

    @property
    def pulse(self) -> Pulse:
        """What says when something was last heard; books of one link share it."""
        return self._guard.pulse

    @pulse.setter
    def pulse(self, pulse: Pulse) -> None:
        self._guard.pulse = pulse

    def keep(self) -> None:
        """From now on the book is only changed by whoever keeps it, through the methods below."""
        self._guard.is_kept = True

    def mark(self, state: BookState, reason: str, since_ns: int) -> None:
        """Set the state, why, and since when (ns of the clock; 0 without one). O(1)."""
        self._guard.mark(state, reason, since_ns)

    def swap(self, content: BookContent) -> None:
        """Put a new inside in: a new epoch. The state stays as it is. O(1)."""
        self._guard.install(content)
        self._guard.epoch += 1

    def adopt(self, content: BookContent) -> None:
        """Put a new inside in within the same epoch: the same book, known farther. O(1)."""
        self._guard.install(content)

    def verify(self) -> None:
        """Raise ``AssertionError`` if an invariant of the structure is broken, whatever the state. O(n)."""
        self._guard.content.verify()
        assert self._guard.epoch >= 0, "negative epoch"
        assert self._guard.touch_count >= 0, "negative touch count"

    def _not_live(self) -> BookNotLive:
        return BookNotLive(self.symbol, *self._guard.status(), self._guard.epoch > 0)


def _sequence(value: SupportsIndex) -> int:
    number = as_count(value, "sequence")
    if number > SEQUENCE_MAX:
        raise UsageError(f"sequence is at most {SEQUENCE_MAX}, not {shown(number)}")
    return number


def _check_time(venue_ms: object) -> None:
    if venue_ms is not None and (type(venue_ms) is not int or not 0 <= venue_ms <= TIME_MAX):
        raise UsageError(f"venue_ms is None or an int from 0 to {TIME_MAX} ms, not {shown(venue_ms)}")


def _changes(rows: Rows, name: str) -> tuple[Change, ...]:
    try:
        each = iter(rows)
    except TypeError:
        raise UsageError(f"{name} are rows of (price, size), not {type(rows).__name__}") from None
    return tuple([_change(row, name) for row in each])


def _change(row: Iterable[str | float | Decimal | SupportsIndex], name: str) -> Change:
    try:
        # Text would unpack too: "12" is not price 1 and size 2.
        price, size = () if isinstance(row, str | bytes) else row
    except (TypeError, ValueError):
        raise UsageError(f"a row of {name} is (price, size), not {row!a:.60}") from None
    return Change(to_number(price), to_number(size))
