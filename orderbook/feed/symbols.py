"""Names of symbols: whether they can be one, whether the venue has them, whether it trades them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from orderbook.errors import UnknownSymbol, UsageError
from orderbook.venues.base import Venue
from orderbook.venues.rest import Instrument


def checked(venue: Venue, symbols: Iterable[str]) -> tuple[str, ...]:
    """Each name once, in order. Raises ``UsageError`` for one that cannot be a symbol of the venue."""
    if isinstance(symbols, str):
        raise UsageError(f"symbols are a list of names: [{symbols!a:.40}], not one text")
    names = tuple(symbols)
    for name in names:
        venue.check_symbol(name)
    return tuple(dict.fromkeys(names))


def require_listed(venue: Venue, symbols: Iterable[str], listed: Mapping[str, Instrument]) -> None:
    """Raise ``UnknownSymbol`` for the first symbol that the venue does not have, naming those that look like it."""
    for symbol in symbols:
        if symbol not in listed:
            near = get_close_matches(symbol.upper(), listed, n=3)
            advice = f"did you mean {' or '.join(near)}?" if near else "see the venue's list of symbols"
            raise UnknownSymbol(None, f"{venue.name} has no symbol {symbol}", advice=advice, symbol=symbol)


def why_halted(instrument: Instrument | None) -> str | None:
    """Why a symbol is not traded; ``None`` if it is."""
    if instrument is None:
        return "the venue no longer lists it"
    return None if instrument.is_trading else "not traded at the moment"
