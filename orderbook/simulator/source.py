"""What a market of the simulated venue is, and the shapes in which it tells what happened."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from orderbook.simulator.matching import Matching
    from orderbook.simulator.truth import Truth

ZERO_ROW: Final = ("0", "0")
"""Price and size of a row that moves nothing but the sequence."""

Level = tuple[str, str]
"""(price, size) as plain decimal text without trailing zeros."""
Row = tuple[str, str, str]
"""(price, size, sequence) as they stand on the wire."""
Numeric = str | Decimal


class Rules(NamedTuple):
    """What a venue says of an instrument; ``tick`` and ``lot`` are the steps of price and size, as decimal text."""

    symbol: str
    base: str
    quote: str
    tick: str
    lot: str

    @property
    def area(self) -> str:
        """The trading area that lists it."""
        return "USDS" if self.quote.startswith("USD") else self.quote


class Tick(NamedTuple):
    """One delta of the venue, over ``sequence_start..sequence_end``; a number in between may have no row."""

    symbol: str
    sequence_start: int
    sequence_end: int
    bids: tuple[Row, ...]
    asks: tuple[Row, ...]


class TrueBook(NamedTuple):
    """The venue's book at one sequence, best levels first."""

    sequence: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


class Source(Protocol):
    """One symbol of the simulated venue, whether made from a seed or played from a capture. It has no clock.

    Attributes:
        truth: What happened so far.
        matching: Where its orders meet; ``None`` as long as nobody wants to know of trades.
    """

    truth: Truth
    matching: Matching | None

    @property
    def symbol(self) -> str:
        """The venue's name of the instrument."""

    @property
    def rules(self) -> Rules:
        """What the venue says of it."""

    @property
    def sequence(self) -> int:
        """Sequence of the last event."""

    @property
    def epoch(self) -> int:
        """How often the venue counted anew."""

    @property
    def is_anew(self) -> bool:
        """Whether nothing happened since the venue counted anew."""

    def gap_ns(self) -> int:
        """Time from the last delta to the next one, in ns; to be called once before each ``advance``."""

    def advance(self) -> Tick:
        """Let the next delta happen."""

    def book(self, sequence: int | None = None, depth: int | None = None, *, epoch: int | None = None) -> TrueBook:
        """The book at a sequence."""

    def digest(self, sequence: int | None = None, *, epoch: int | None = None) -> int:
        """The digest of that book."""

    def ticker(self) -> tuple[Level | None, Level | None]:
        """The best bid and ask now."""

    def reset(self, base: int) -> None:
        """Count anew from ``base``."""

    def change_tick(self, *, finer: bool) -> bool:
        """Make the price grid ten times finer or coarser; whether it could."""

    def parts(self, tick: Tick, count: int) -> tuple[Tick, ...]:
        """The last delta, told in up to ``count`` ones."""
