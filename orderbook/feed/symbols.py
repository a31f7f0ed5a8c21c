"""Names of symbols: whether they can be one, whether the venue has them, whether it trades them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
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
            near = _alike(symbol.upper(), listed)
            advice = (
                f"did you mean {' or '.join(near)}?"
                if near
                else "its list of symbols is at /api/v2/symbols of its REST address"
            )
            raise UnknownSymbol(None, f"{venue.name} has no symbol {symbol}", advice=advice, symbol=symbol)


def _alike(symbol: str, listed: Mapping[str, Instrument]) -> list[str]:
    """Symbols that may have been meant, at most three: those alike as a whole whose base currency is alike, too.

    Most symbols end in the same quote currency, so that any two short ones would be alike. One that differs by its case
    alone leaves no doubt.
    """
    if symbol in listed:
        return [symbol]
    base, dash, _ = symbol.partition("-")
    near = get_close_matches(symbol, listed, n=10)
    return [name for name in near if not dash or get_close_matches(base, [name.partition("-")[0]])][:3]


def not_here(symbol: object, books: Iterable[str]) -> UsageError:
    """The refusal of what is not a symbol of a feed that has these books."""
    if isinstance(symbol, Collection) and not isinstance(symbol, (str, bytes)):
        return UsageError(f"give names, not a {type(symbol).__name__} of them: {', '.join(map(ascii, symbol)):.80}")
    known = ", ".join(books) or "none"
    return UsageError(f"{ascii(symbol)[:80]} is not a symbol of this feed; it has {known[:200]}")


def why_halted(instrument: Instrument | None) -> str | None:
    """Why a symbol is not traded; ``None`` if it is."""
    if instrument is None:
        return "the venue no longer lists it"
    return None if instrument.is_trading else "not traded at the moment"


def named(symbols: Collection[str], among: Collection[str]) -> frozenset[str]:
    """Symbols that are to be treated in a way of their own. Raises ``UsageError`` for one that is not there at all."""
    for symbol in symbols:
        if symbol not in among:
            raise not_here(symbol, among)
    return frozenset(symbols)
