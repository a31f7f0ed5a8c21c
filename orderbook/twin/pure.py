"""The pure twins of what the compiled core keeps in native memory: plain attributes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Generic, SupportsIndex, TypeVar

from orderbook.fixedpoint import RAW_MAX, as_time
from orderbook.ladder import Ladder
from orderbook.types import BookState, Side

Rows = Iterable[Iterable[str | float | Decimal | SupportsIndex]]
"""Rows of (price, size), each as text, ``Decimal``, ``int`` or ``float`` (which means its shortest text)."""

C = TypeVar("C")
F = TypeVar("F")
M = TypeVar("M")
P = TypeVar("P")


class Horizons(dict[Side, int | None]):
    """Per side, the raw price up to and including which a ladder is complete; ``None``: all of it is."""

    def __init__(self, others: Mapping[Side, int | None] | None = None) -> None:
        super().__init__({Side.BID: None, Side.ASK: None} if others is None else others)

    def __setitem__(self, side: Side, price: int | None) -> None:
        assert price is None or 0 < price <= RAW_MAX, f"horizon {price} of {side.name} is no price"
        super().__setitem__(side, price)


class ContentState:
    """The attributes of a ``content.BookContent``, which says what they are."""

    __slots__ = (
        "asks",
        "bids",
        "horizon",
        "price_decimals",
        "price_zero_count",
        "remove_absent_count",
        "seeded",
        "sequence",
        "size_decimals",
        "touch_count",
        "venue_ms",
    )

    def __init__(self) -> None:
        self.bids = Ladder(Side.BID)
        self.asks = Ladder(Side.ASK)
        self.price_decimals = 0
        self.size_decimals = 0
        self.sequence = 0
        self.horizon = Horizons()
        self.seeded = {Side.BID: 0, Side.ASK: 0}
        self.venue_ms: int | None = None
        self.touch_count = 0
        self.price_zero_count = 0
        self.remove_absent_count = 0

    def _copy_sides(self, other: ContentState) -> None:
        """Take copies of the ladders of another content, and of how far they are known. O(n)."""
        self.bids = other.bids.copy()
        self.asks = other.asks.copy()
        self.horizon = Horizons(other.horizon)
        self.seeded = dict(other.seeded)


class PulseState:
    """The attributes of a ``guard.Pulse``, which says what they are."""

    __slots__ = ("_heard_ns", "in_doubt")

    def __init__(self) -> None:
        self._heard_ns: int | None = None
        self.in_doubt = False

    @property
    def heard_ns(self) -> int | None:
        """In ns of the clock; ``None``: never."""
        return self._heard_ns

    @heard_ns.setter
    def heard_ns(self, heard_ns: int | None) -> None:
        self._heard_ns = None if heard_ns is None else as_time(heard_ns)


class GuardState(Generic[C, P]):
    """The attributes of a ``guard.Guard`` that readers look at each time.

    Attributes:
        content: What the book holds, trusted or not.
        is_plain: Whether it may be read, whatever a clock says.
        pulse: When something was last heard.
        is_kept: Whether somebody keeps the book, so that nobody else may change it.
    """

    __slots__ = ("_clock", "_marked", "content", "is_kept", "is_plain", "pulse")

    _clock: Callable[[], int] | None
    _marked: tuple[BookState, str, int]
    content: C
    is_kept: bool
    is_plain: bool
    pulse: P


class Changed:
    """What ``OrderBook`` is made of where others tell it of changes.

    The compiled twin applies rows of plain texts, floats and integers by itself. This one leaves all to
    ``_apply_changes``.
    """

    __slots__ = ()

    def apply_changes(self, bids: Rows, asks: Rows, sequence: SupportsIndex, *, venue_ms: int | None = None) -> None:
        """Apply the changed levels of one message: absolute sizes, 0 removes. A bad row changes nothing.

        Whether a message was lost before this one is for the caller to know: only ``BookSync`` sees gaps, and only
        it takes a crossed book out of LIVE; here ``is_crossed`` tells. A price of 0 changes no level, and removing an
        absent level is no error.

        Args:
            bids: Rows of (price, size).
            asks: The same.
            sequence: The venue's sequence after this message.
            venue_ms: The venue's time, ms since 1970, or ``None``.

        Raises:
            BookNotLive: There is no book to change: no snapshot yet, or the book was marked as not LIVE. (Not for
                being older than ``max_age_ms``: this makes it younger.)
            NumberError: As for ``apply_snapshot``.
            UsageError: ``sequence`` is not beyond the book's, or ``venue_ms`` no such number; or as for
                ``apply_snapshot``.

        Complexity: O(k log n) for k rows.
        """
        self._apply_changes(bids, asks, sequence, venue_ms)

    if TYPE_CHECKING:

        def _apply_changes(self, bids: Rows, asks: Rows, sequence: SupportsIndex, venue_ms: int | None) -> None: ...


class ReaderState(Generic[F]):
    """What a ``reader.Reader`` keeps.

    Args:
        guard: Of the book.
        form: In which it hands out numbers.
        guarded: Whether it answers only of a LIVE book.
        is_float: Whether that form is floats.
    """

    __slots__ = ("_form", "_guard", "_guarded")

    def __init__(self, guard: Any, form: F, *, guarded: bool, is_float: bool) -> None:
        del is_float  # for the other twin
        self._guard = guard
        self._form = form
        self._guarded = guarded


class SideState(Generic[F]):
    """What a ``side.SideView`` keeps.

    Args:
        guard: Of the book.
        form: In which it hands out numbers.
        side: Which one.
        guarded: Whether it answers only of a LIVE book.
        is_float: Whether that form is floats.

    Attributes:
        side: Which one.
    """

    __slots__ = ("_form", "_guard", "_guarded", "side")

    def __init__(self, guard: Any, form: F, side: Side, *, guarded: bool, is_float: bool) -> None:
        del is_float  # for the other twin
        self.side = side
        self._guard = guard
        self._form = form
        self._guarded = guarded


touch_property = property
"""A property that the compiled twin answers by itself where the answer is plain: what follows from the best levels."""


def reader_method(method: M) -> M:
    """A method of ``reader.Reader`` that the compiled twin answers by itself where the answer is plain."""
    return method


def side_method(method: M) -> M:
    """A method of ``side.SideView`` that the compiled twin answers by itself where the answer is plain."""
    return method
