"""What ``--topics`` can name: the books, and every stream beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

import click

from orderbook.feed.feed import Feed
from orderbook.feed.stream import Stream
from orderbook.venues.kucoin_market import INTERVALS
from orderbook.venues.topics import ALL

BOOK: Final = "book"

Open = Callable[[Feed, Sequence[str], str], Sequence[Stream[Any]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One stream that can be named.

    Attributes:
        opens: Opens it for symbols, with what stood behind the colon.
        suffixes: What may stand behind the colon; empty: nothing.
        default: What is meant without a colon.
        is_private: Whether it is of an account: then it has no symbols.
    """

    opens: Open
    suffixes: Sequence[str] = ()
    default: str = ""
    is_private: bool = False

    def needs_symbols(self, suffix: str) -> bool:
        """Whether it is of symbols that have to be named."""
        return not self.is_private and suffix != ALL


def _candles(feed: Feed, symbols: Sequence[str], interval: str) -> Sequence[Stream[Any]]:
    return [feed.candles(symbol, interval) for symbol in dict.fromkeys(symbols)]


def _tickers(feed: Feed, symbols: Sequence[str], whose: str) -> Sequence[Stream[Any]]:
    return [feed.tickers(*((ALL,) if whose == ALL else symbols))]


KINDS: Final[Mapping[str, Kind]] = {
    "trades": Kind(opens=lambda feed, symbols, _: [feed.trades(*symbols)]),
    "candles": Kind(opens=_candles, suffixes=INTERVALS, default="1min"),
    "tickers": Kind(opens=_tickers, suffixes=(ALL,)),
    "touches": Kind(opens=lambda feed, symbols, _: [feed.touches(*symbols)]),
    "top_levels": Kind(
        opens=lambda feed, symbols, levels: [feed.top_levels(*symbols, levels=int(levels))],
        suffixes=("5", "50"),
        default="5",
    ),
    "market_stats": Kind(opens=lambda feed, symbols, _: [feed.market_stats(*symbols)]),
    "balances": Kind(opens=lambda feed, _symbols, _: [feed.balances()], is_private=True),
    "orders": Kind(opens=lambda feed, _symbols, _: [feed.orders()], is_private=True),
    "stop_orders": Kind(opens=lambda feed, _symbols, _: [feed.stop_orders()], is_private=True),
}
"""By the name of the feed's own method."""


@dataclass(frozen=True, slots=True)
class Topics:
    """What somebody wants to have.

    Attributes:
        has_books: Whether the books are among it.
        streams: The others: name, and what stood behind the colon.
    """

    has_books: bool
    streams: tuple[tuple[str, str], ...]

    @property
    def needs_symbols(self) -> bool:
        """Whether there have to be symbols."""
        return self.has_books or any(KINDS[name].needs_symbols(suffix) for name, suffix in self.streams)

    @property
    def private(self) -> str | None:
        """The first of them that is of an account; ``None`` if none is."""
        return next((name for name, _ in self.streams if KINDS[name].is_private), None)

    def open(self, feed: Feed, symbols: Sequence[str]) -> list[Stream[Any]]:
        """Open the streams on an open feed."""
        return [stream for name, suffix in self.streams for stream in KINDS[name].opens(feed, symbols, suffix)]


def checked_topics(_ctx: click.Context, _param: click.Parameter, value: str) -> Topics:
    """Topics from a list with commas."""
    wanted = tuple(dict.fromkeys(map(_checked, value.split(","))))
    streams = tuple((name, suffix) for name, suffix in wanted if name != BOOK)
    return Topics(len(streams) < len(wanted), streams)


def _checked(text: str) -> tuple[str, str]:
    name, colon, suffix = text.strip().partition(":")
    if name != BOOK and name not in KINDS:
        near = get_close_matches(name, [BOOK, *KINDS], 1)
        advice = f"did you mean {near[0]}?" if near else f"there are {', '.join([BOOK, *KINDS])}"
        raise click.BadParameter(f"no topic {name!a:.40}; {advice}")
    kind = KINDS.get(name)
    if not colon:
        return name, "" if kind is None else kind.default
    if kind is None or suffix not in kind.suffixes:
        can = f"{name}:{'|'.join(kind.suffixes)}" if kind is not None and kind.suffixes else f"{name} alone"
        raise click.BadParameter(f"{text.strip()!a:.40}: write {can}")
    return name, suffix
