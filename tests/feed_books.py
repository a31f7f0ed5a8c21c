"""A local venue on real sockets, a feed on it, and a reader that compares every book with the truth all the time."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from typing import Any

from orderbook.book import OrderBook
from orderbook.errors import BeyondHorizon, BookNotLive, UsageError
from orderbook.events import Event, StateChanged
from orderbook.feed import seams
from orderbook.feed.errors import FeedClosed
from orderbook.feed.events import FeedEvent, Notice
from orderbook.feed.feed import Feed
from orderbook.feed.seams import Record, World
from orderbook.feed.settings import FeedSettings
from orderbook.feed.transports import connector
from orderbook.settings import SyncSettings
from orderbook.simulator.faults import FaultPlan
from orderbook.simulator.limits import Limits
from orderbook.simulator.market import Source, SymbolMarket, TrueBook, book_digest
from orderbook.simulator.profiles import PROFILES, Profile
from orderbook.simulator.server import LocalKuCoin
from orderbook.types import Level
from orderbook.venues import venue_named
from orderbook.venues.rest import Depth, Pool
from snapshots.budget import LIMITS, WeightBudget
from snapshots.fetch import CallSettings, OnAnswer, Rest
from tests import waiting
from tests.waiting import moment

BTC, ETH, SOL = "BTC-USDT", "ETH-USDT", "SOL-USDT"
BOUND_S = 60
"""Of every wait; only a failing test waits that long."""
SMALL = replace(PROFILES["normal"], name="small", bids=40, asks=60)
"""A market whose whole book is compared within a millisecond."""
SYNC = SyncSettings(
    catch_up_ms=300,
    first_delta_wait_ms=100,
    snapshot_timeout_ms=1_000,
    snapshot_retry_ms=20,
    snapshot_retry_max_ms=100,
    symbol_silence_ms=400,
    probe_interval_ms=100,
    probe_catch_up_ms=100,
)
"""The library's, but for waits that no test needs in full length."""
FAST = FeedSettings(
    sync=SYNC,
    reconnect_min_ms=10,
    reconnect_max_ms=100,
    resubscribe_ms=100,
    ack_timeout_ms=500,
    audit_interval_ms=None,
    instruments_interval_ms=None,
)
"""The same for the feed. Nothing is audited unless a test asks for it."""

Faults = Sequence[Mapping[str, object]]


@dataclass(frozen=True, kw_only=True)
class Way:
    """How a feed gets to the venue.

    Attributes:
        url: The REST address; that of the socket is in the venue's answers.
        proxy: An HTTP proxy for both.
        tls: Whom to trust.
    """

    url: str
    proxy: str | None = None
    tls: ssl.SSLContext | None = None


@asynccontextmanager
async def straight(venue: LocalKuCoin) -> AsyncIterator[Way]:
    """Nothing stands between."""
    yield Way(url=venue.url)


until = partial(waiting.until, bound_s=BOUND_S)
"""Wait until something is so."""


def is_right(book: OrderBook, source: Source) -> bool:
    """Whether all that a book tells is the venue's book at the sequence it names, in one of the venue's counts.

    Raises:
        BookNotLive: It says that it may not be read.
    """
    (bids, bids_cut), (asks, asks_cut) = known(book.exact.bids), known(book.exact.asks)
    digest = None if bids_cut or asks_cut else book_digest(bids, asks)
    for epoch in range(source.epoch, -1, -1):
        try:
            if digest is not None and digest == source.digest(book.sequence, epoch=epoch):
                return True
            if digest is None and _begins(source.book(book.sequence, epoch=epoch), bids, asks):
                return True
        except UsageError:
            continue  # That count never came to this sequence.
    return False


def known(side: Iterable[Level[Decimal]]) -> tuple[list[Level[Decimal]], bool]:
    """The levels of a side up to its horizon, and whether there is one."""
    levels: list[Level[Decimal]] = []
    try:
        levels.extend(side)
    except BeyondHorizon:
        return levels, True
    return levels, False


def _begins(truth: TrueBook, bids: Sequence[Level[Decimal]], asks: Sequence[Level[Decimal]]) -> bool:
    sides = ((truth.bids, bids), (truth.asks, asks))
    return all([*ours] == [(Decimal(p), Decimal(s)) for p, s in theirs[: len(ours)]] for theirs, ours in sides)


@dataclass
class Watch:
    """Reads every book again and again, and writes down what is told."""

    feed: Feed
    market: Mapping[str, Source]
    reads: int = 0
    refused: int = 0
    wrong: list[str] = field(default_factory=list)
    events: list[FeedEvent] = field(default_factory=list)
    transitions: defaultdict[str, list[StateChanged]] = field(default_factory=lambda: defaultdict(list))

    def look(self, symbol: str) -> None:
        """One read; of a symbol that was removed just now, none."""
        if symbol not in self.feed:
            return
        try:
            book = self.feed[symbol]
            right = is_right(book, self.market[symbol])
        except (BookNotLive, FeedClosed):
            self.refused += 1
            return
        self.reads += 1
        if not right:
            self.wrong.append(f"{symbol} at {book.sequence}")

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            for symbol in self.feed.symbols:
                self.look(symbol)
                await moment(0.001)

    def hear(self, event: FeedEvent) -> None:
        """Take note of an event; the book is read at once, in the middle of whatever happens."""
        self.events.append(event)
        if event.symbol is not None and event.symbol in self.feed:
            if isinstance(event.event, StateChanged):
                self.transitions[event.symbol].append(event.event)
            self.look(event.symbol)

    def told(self, *kinds: type[Notice | Event], symbol: str | None = None) -> list[Any]:
        """The events of these kinds so far."""
        return [
            one.event
            for one in self.events
            if isinstance(one.event, kinds) and (symbol is None or one.symbol == symbol)
        ]


@dataclass
class Stage:
    """A venue, a feed and its watch."""

    venue: LocalKuCoin
    feed: Feed
    watch: Watch
    budget: WeightBudget
    rest: list[Rest] = field(default_factory=list)

    @property
    def market(self) -> Mapping[str, Source]:
        """The truth."""
        return self.venue.market

    def strike(self, *faults: Mapping[str, object]) -> None:
        """Let go wrong what a plan says, from now on; what was told before is forgotten."""
        self.watch.transitions.clear()
        self.watch.events.clear()
        self.venue.exchange.add_faults(FaultPlan(faults), now_ns())

    async def strike_for(self, ms: int, *faults: Mapping[str, object]) -> None:
        """The same for faults that strike again and again; returns when all of that is over."""
        self.strike(*({**fault, "for_ms": ms} for fault in faults))
        over = asyncio.Event()
        asyncio.get_running_loop().call_later(ms / 1000, over.set)
        await over.wait()

    def struck(self, fault: str) -> int:
        """How often a fault struck so far."""
        return self.venue.exchange.ledger.count(fault)

    async def live(self, symbols: Iterable[str] | None = None) -> None:
        """Wait until books are LIVE."""
        for symbol in symbols or self.feed.symbols:
            await self.feed.ready(symbol, timeout_s=BOUND_S)

    async def settled(self) -> None:
        """Wait until every book is LIVE where the venue stands now, or later; and equal."""
        marks = {symbol: (one.epoch, one.sequence) for symbol, one in self.market.items() if symbol in self.feed}
        for symbol, mark in marks.items():
            await until(partial(self._reached, symbol, mark))
        assert all(is_right(self.feed[symbol], self.market[symbol]) for symbol in marks)

    def _reached(self, symbol: str, mark: tuple[int, int]) -> bool:
        book, source = self.feed[symbol], self.market[symbol]
        return book.is_live and (source.epoch, book.sequence) >= mark and book.sequence <= source.sequence

    def check(self) -> None:
        """Nothing was read that is not true, and no limit of the venue was overstepped."""
        assert [] == self.watch.wrong
        assert {} == dict(self.venue.exchange.violations)
        assert self.watch.reads > 0


def _answers_to(record: Record) -> OnAnswer:
    def answered(url: str, status: int, body: bytes, _headers: Mapping[str, str]) -> None:
        record("rest", url, body, status)

    return answered


def now_ns() -> int:
    """The loop's clock, which the venue and the feed share."""
    return int(asyncio.get_running_loop().time() * 1e9)


@asynccontextmanager
async def stage(
    *faults: Mapping[str, object],
    symbols: Sequence[str] = (BTC, ETH),
    rate: float | Mapping[str, float] = 150.0,
    profile: Profile | str = SMALL,
    seed: int = 1,
    depth: Depth = "full",
    settings: FeedSettings = FAST,
    limits: Limits | None = None,
    record: Record | None = None,
    wait: bool = True,
    listed: Sequence[str] = (),
    rest_timeout_ms: int = 300,
    through: Callable[[Rest], seams.Rest] = lambda rest: rest,
    way: Callable[[LocalKuCoin], AbstractAsyncContextManager[Way]] = straight,
    **manners: Any,
) -> AsyncIterator[Stage]:
    """Set it up; with ``wait`` every book is LIVE when the test begins.

    Args:
        faults: What goes wrong from the first moment on.
        symbols: Which books the feed keeps.
        rate: Deltas a second, of each symbol, or by symbol.
        profile: How the market behaves.
        seed: Of all chance.
        depth: ``"full"`` is with a key, anything else without.
        settings: The feed's.
        limits: The venue's; the feed's budget has the same.
        record: See ``World``.
        wait: See above.
        listed: Symbols of the venue beside those of the feed.
        rest_timeout_ms: For one attempt of a REST request.
        through: Stands between the feed and its REST client.
        way: Stands between both and the venue.
        manners: See ``Manners``.
    """
    names = (*symbols, *listed)
    rates = rate if isinstance(rate, Mapping) else dict.fromkeys(names, rate)
    market = {name: SymbolMarket(name, seed, profile, rate=rates[name], history=100_000) for name in names}
    limits = limits or Limits()
    window_ms = limits.weight_window_ms
    public, spot = limits.public_weight_max, limits.spot_weight_max
    async with (
        LocalKuCoin(market, seed=seed, faults=FaultPlan(faults), limits=limits, **manners) as venue,
        way(venue) as road,
    ):
        budget = WeightBudget({**LIMITS, "public": (public, window_ms), "spot": (spot, window_ms)})
        rests: list[Rest] = []

        async def world(_feed: Feed, stack: AsyncExitStack) -> World:
            rest = Rest(
                road.url,
                proxy=road.proxy,
                ssl=road.tls,
                credentials=venue.credentials if depth == "full" else None,
                budget=budget,
                calls=CallSettings(
                    timeout_ms=rest_timeout_ms, retry_base_ms=10, retry_max_ms=50, rng=random.Random(seed)
                ),
                body_bytes_max=1_000_000,
                on_answer=None if record is None else _answers_to(record),
            )
            rests.append(await stack.enter_async_context(rest))
            pool: Pool = "spot" if depth == "full" else "public"
            return World(
                rest=through(rest),
                connect=connector(settings, proxy=road.proxy, tls=road.tls),
                budget=lambda: (budget.used(pool), budget.limit(pool)),
                record=record,
                clock=now_ns,
                rng=random.Random(seed),
            )

        def heard(event: FeedEvent) -> None:
            watch.hear(event)

        feed = Feed(venue_named("kucoin"), symbols, depth, world, settings, heard)
        watch = Watch(feed, venue.market)
        async with feed:
            if wait:
                for symbol in symbols:
                    await feed.ready(symbol, timeout_s=BOUND_S)
            watching = asyncio.create_task(watch.run())
            try:
                yield Stage(venue, feed, watch, budget, rests)
            finally:
                watching.cancel()
                (ended,) = await asyncio.gather(watching, return_exceptions=True)
                assert isinstance(ended, asyncio.CancelledError), ended
        assert 0 == feed.herald.callback_errors
