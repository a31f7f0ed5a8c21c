"""A market made from one seed, which knows its own book at every sequence. See ``profiles`` for what it is like.

No clock and no I/O: ``gap_ns`` says how long to wait, ``advance`` lets the next delta happen. Everything is drawn from
named sub-streams of the seed, one for each symbol and purpose, so that a symbol is the same whichever others stand
beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from orderbook.errors import UsageError
from orderbook.simulator.behaviour import Behaviour, Weighted
from orderbook.simulator.chance import stream
from orderbook.simulator.faults import FaultPlan
from orderbook.simulator.listings import Listing, default_symbols, listing, step
from orderbook.simulator.profiles import PROFILES, Profile, profile_named
from orderbook.simulator.source import ZERO_ROW, Level, Row, Rules, Source, Tick, TrueBook
from orderbook.simulator.truth import HISTORY, Truth, TruthTeller, book_digest, level_digest, scaled_text

__all__ = [
    "PROFILES",
    "Level",
    "Listing",
    "Market",
    "Profile",
    "Row",
    "Rules",
    "Source",
    "SymbolMarket",
    "Tick",
    "TrueBook",
    "book_digest",
    "default_symbols",
    "level_digest",
    "listing",
    "stream",
]

BASES: Final = (3_400_000_000, 38_110_279_534, 1_613_277_183_891)
"""Where sequences begin: per symbol as today, and by the clock as in 2021."""
MARKET_HISTORY: Final = 4_000_000
"""Events that a market remembers, all symbols together."""
_INNER_NS: Final = (20_000, 200_000)
"""Time between two messages of a group."""
_DECIMALS_MAX: Final = 14
"""A tick is not made finer than that."""
_KEY_MAX: Final = 10**15
_GRID_MIN: Final = 1_000
"""A tick is not made coarser than the price divided by this."""


class SymbolMarket(TruthTeller):
    """One symbol's market.

    Args:
        instrument: A symbol, or a listing with rules and price.
        seed: Whatever is drawn, is drawn from it.
        profile: How it behaves: a name from ``PROFILES``, or one of your own.
        rate: Deltas a second, on the average; the profile's by default.
        history: Events whose truth is remembered at least.

    Attributes:
        rules: What the venue says of the instrument.
        profile: How it behaves.
        truth: Its book, now and at every sequence that is remembered.

    Raises:
        UsageError: No such profile, no such symbol, a rate that is not positive.

    Complexity: O(log n) an event, n levels; some 10 us.
    """

    def __init__(
        self,
        instrument: str | Listing,
        seed: int | str = 0,
        profile: str | Profile = "normal",
        *,
        rate: float | None = None,
        history: int = HISTORY,
    ) -> None:
        listed = listing(instrument) if isinstance(instrument, str) else instrument
        self.rules = listed.rules
        known = profile_named(profile) if isinstance(profile, str) else profile
        self.profile = known if rate is None else replace(known, rate=rate)
        if not self.profile.rate > 0:
            raise UsageError("a market's rate is above 0 deltas a second")
        self._symbol = self.rules.symbol
        self._size_decimals = listed.size_decimals
        self._timing = stream(seed, f"{self._symbol}/timing")
        self._batching = stream(seed, f"{self._symbol}/batching")
        self._in_group = 0
        self._group = Weighted(self.profile.groups)
        self._batch = Weighted(self.profile.batches)
        draws = stream(seed, f"{self._symbol}/market")
        self._behaviour = behaviour = Behaviour(self.profile, listed.price_ticks, listed.size_lots, draws)
        self.truth = Truth(
            behaviour.opening(),
            base=stream(seed, f"{self._symbol}/layout").choice(BASES),
            price_decimals=listed.price_decimals,
            size_decimals=self._size_decimals,
            history=history,
        )
        self._changes = behaviour.changes(self.truth)

    # -- what the venue shows --

    @property
    def symbol(self) -> str:
        """The venue's name of the instrument."""
        return self._symbol

    def gap_ns(self) -> int:
        """Draw the time from the last delta to the next one, in ns: groups, and pauses between them."""
        timing, rate = self._timing, self.profile.rate
        # At rates beyond the measured one the groups become tighter, too.
        inner = min(1.0, 79.0 / rate)
        if self._in_group:
            self._in_group -= 1
            return int(timing.randrange(*_INNER_NS) * inner)
        self._in_group = self._group.draw(timing) - 1
        mean = self.profile.group_mean
        return int(timing.expovariate(1.0) * max(0.0, mean * 1e9 / rate - (mean - 1) * sum(_INNER_NS) / 2 * inner))

    def advance(self) -> Tick:
        """Let the next delta happen, and return it. O(log n) an event."""
        truth = self.truth
        count = self._batch.draw(self._batching)
        start = truth.sequence + 1
        if count > 1:
            return self._batched(start, count)
        is_bid, key, size = next(self._changes)
        size = self.happen(key, size)
        rows = (self._row(key, size, start),)
        return Tick(self._symbol, start, start, rows, ()) if is_bid else Tick(self._symbol, start, start, (), rows)

    def change_tick(self, *, finer: bool) -> bool:
        """Make the price grid ten times finer or coarser, as a venue does now and then.

        New levels stand on the new grid. Those that stand on the old one stay until something happens to them, so that
        after a coarsening two grids are mixed for a while.

        Returns:
            Whether it did: a tick beyond 14 decimals, or coarser than a thousandth of the price, is not made.

        Complexity: O(levels) for the first time finer, else O(1).
        """
        truth, behaviour = self.truth, self._behaviour
        if not finer:
            if behaviour.grid * 10 * _GRID_MIN > -truth.asks[-1]:
                return False
            behaviour.grid *= 10
        elif behaviour.grid > 1:
            behaviour.grid //= 10
        elif truth.price_decimals >= _DECIMALS_MAX or -truth.asks[0] * 10 > _KEY_MAX:
            return False
        else:
            truth.refine(1)
            behaviour.refine(10)
        # The grid is a power of ten.
        self.rules = self.rules._replace(tick=step(truth.price_decimals - len(str(behaviour.grid)) + 1))
        return True

    def _batched(self, start: int, count: int) -> Tick:
        """One delta over several events: of each level its last size, with the sequence of that change."""
        sides: dict[bool, dict[int, Row]] = {True: {}, False: {}}
        for sequence in range(start, start + count):
            is_bid, key, size = next(self._changes)
            size = self.happen(key, size)
            # A number that changes nothing need not show at all.
            if key or sequence % 3:
                sides[is_bid].pop(key, None)
                sides[is_bid][key] = self._row(key, size, sequence)
        bids, asks = (tuple(sides[is_bid].values()) for is_bid in (True, False))
        return Tick(self._symbol, start, start + count - 1, bids, asks)

    def _row(self, key: int, size: int, sequence: int) -> Row:
        """The same number is written now with all its decimals, now without trailing zeros."""
        if not key:
            return (*ZERO_ROW, str(sequence))
        price = scaled_text(abs(key), self.truth.price_decimals, padded=sequence % 8 == 0)
        return price, scaled_text(size, self._size_decimals, padded=size > 0 and sequence % 7 == 0), str(sequence)


def made_market(symbols: int | Sequence[str], seed: int, profile: str | Profile, rate: float | None) -> Market:
    """A market of a venue's settings: ``rate`` is that of all symbols together, and shared by them evenly.

    Raises:
        UsageError: As for ``Market``.
    """
    count = symbols if isinstance(symbols, int) else len(symbols)
    return Market(symbols, seed, profile, None if rate is None else rate / max(1, count))


class Market(Mapping[str, Source]):
    """Several symbols side by side.

    Args:
        symbols: Symbols, listings, or how many of the usual symbols.
        seed: Whatever is drawn, is drawn from it; a symbol's market depends on nothing else beside it.
        profile: How they all behave.
        rate: Deltas a second and symbol, on the average; the profile's by default.
        history: Events whose truth is remembered at least, all symbols together.

    Attributes:
        plan: What happens to the instruments of such a market: an exchange adds it to the faults that it is given.

    Raises:
        UsageError: As for ``SymbolMarket``; or a symbol stands twice.
    """

    def __init__(
        self,
        symbols: int | Iterable[str | Listing],
        seed: int | str = 0,
        profile: str | Profile = "normal",
        rate: float | None = None,
        *,
        history: int = MARKET_HISTORY,
    ) -> None:
        wanted = default_symbols(symbols) if isinstance(symbols, int) else tuple(symbols)
        each = max(1, history // max(1, len(wanted)))
        known = profile_named(profile) if isinstance(profile, str) else profile
        self.plan = FaultPlan([dict(entry) for entry in known.plan])
        self._symbols: dict[str, SymbolMarket] = {}
        for instrument in wanted:
            market = SymbolMarket(instrument, seed, known, rate=rate, history=each)
            if market.symbol in self._symbols:
                raise UsageError(f"{market.symbol} stands twice among the symbols")
            self._symbols[market.symbol] = market

    def __getitem__(self, symbol: str) -> SymbolMarket:
        """The market of a symbol. Raises ``KeyError`` for one that is not traded here."""
        return self._symbols[symbol]

    def __iter__(self) -> Iterator[str]:
        """The symbols, in the order given."""
        return iter(self._symbols)

    def __len__(self) -> int:
        """How many symbols there are."""
        return len(self._symbols)
