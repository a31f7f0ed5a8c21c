"""What the venue lists and trades, and what that means for the books of a feed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from orderbook.feed.bookkeeper import BookKeeper
from orderbook.feed.seams import Rest
from orderbook.feed.symbols import require_listed, why_halted
from orderbook.venues.base import Venue
from orderbook.venues.rest import Instrument


class Listings:
    """The rules of all symbols, as they were read last.

    Args:
        venue: Whose.
        books: The feed's books, by symbol.
        resume: Has a book served again that the venue had halted.

    Attributes:
        instruments: The rules, by symbol.
    """

    def __init__(self, venue: Venue, books: Mapping[str, BookKeeper], resume: Callable[[BookKeeper], None]) -> None:
        self.instruments: dict[str, Instrument] = {}
        self._venue = venue
        self._books = books
        self._resume = resume

    async def read(self, rest: Rest) -> None:
        """Read them; books of symbols that are not traded are HALTED. Raises ``RestError``."""
        self.instruments = {one.symbol: one for one in await rest.symbols()}
        for book in tuple(self._books.values()):
            self.judge(book)

    def judge(self, book: BookKeeper) -> None:
        """Whether a book can be kept at the moment."""
        why = why_halted(self.instruments.get(book.symbol))
        if why is not None and not book.is_halted:
            book.halt(why)
        elif why is None and book.is_halted:
            self._resume(book)

    def require(self, symbols: Iterable[str]) -> None:
        """Raise ``UnknownSymbol`` for the first one that the venue does not have."""
        require_listed(self._venue, symbols, self.instruments)
