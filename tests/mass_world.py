"""Many books that lose a message at once, at a venue that allows few snapshots: in virtual time, and written down."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from orderbook.events import StateChanged
from orderbook.feed.events import FeedEvent
from orderbook.feed.feed import Feed
from orderbook.feed.settings import FeedSettings
from orderbook.simulator.limits import Limits
from orderbook.simulator.market import SymbolMarket, default_symbols
from orderbook.simulator.profiles import Profile
from orderbook.testing import Route, VirtualKuCoin
from orderbook.testing.network import VirtualTransport
from orderbook.types import BookState
from snapshots.budget import SHARE, WeightBudget
from snapshots.transport import Answer
from tests import waiting

SNAPSHOT_WEIGHT: Final = 3
ONE_WAY_MS: Final = 25.0
CALM: Final = FeedSettings(audit_interval_ms=None, instruments_interval_ms=None)
"""The library's settings, without what asks for more than is lost."""


@dataclass(frozen=True)
class Call:
    """A request for a whole snapshot, and its answer."""

    symbol: str
    sent_s: float
    ended_s: float
    status: int


class Noting:
    """A REST transport that writes down who was asked for, when."""

    def __init__(self, venue: VirtualKuCoin) -> None:
        self.calls: list[Call] = []
        self._inner = VirtualTransport(venue)

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: str, *, timeout_ms: int) -> Answer:
        """As ``Transport``."""
        sent_s = now_s()
        answer = await self._inner.send(method, url, headers, body, timeout_ms=timeout_ms)
        parts = urlsplit(url)
        if parts.path.endswith("/level2"):
            self.calls.append(Call(parse_qs(parts.query)["symbol"][0], sent_s, now_s(), answer.status))
        return answer

    async def close(self) -> None:
        """As ``Transport``."""
        await self._inner.close()


@dataclass
class MassWorld:
    """A venue, a feed, and what happened to its books; all times are the loop's, in seconds.

    Attributes:
        per_window: Snapshots that fit into the budget of a window.
        lost: When each book left LIVE for the first time since the strike; ``back``: when it was LIVE again at last.
    """

    venue: VirtualKuCoin
    feed: Feed
    budget: WeightBudget
    transport: Noting
    per_window: int
    window_s: float
    struck_s: float = 0.0
    lost: dict[str, float] = field(default_factory=dict)
    back: dict[str, float] = field(default_factory=dict)
    told: list[FeedEvent] = field(default_factory=list)

    @property
    def calls(self) -> list[Call]:
        """Snapshots asked for since the strike, in the order in which they went."""
        return sorted((one for one in self.transport.calls if one.sent_s >= self.struck_s), key=lambda one: one.sent_s)

    @property
    def order(self) -> list[str]:
        """Whose they were."""
        return [call.symbol for call in self.calls]

    def hear(self, event: FeedEvent) -> None:
        """Take note."""
        self.told.append(event)
        if event.symbol is not None and isinstance(event.event, StateChanged):
            if event.event.old is BookState.LIVE:
                self.lost.setdefault(event.symbol, now_s())
            if event.event.new is BookState.LIVE:
                self.back[event.symbol] = now_s()

    def strike(self, *more: Mapping[str, object]) -> None:
        """Every symbol loses its next messages."""
        self.forget()
        drops = ({"fault": "drop", "run": 3, "scope": symbol} for symbol in self.feed.symbols)
        self.venue.strike(*drops, *more)

    def forget(self) -> None:
        """From now on what happens counts."""
        self.lost.clear()
        self.back.clear()
        self.told.clear()
        self.struck_s = now_s()

    async def all_lost(self, bound_s: float = 30) -> None:
        """Wait until each has noticed its loss."""
        await until(lambda: len(self.lost) == len(self.feed.symbols), bound_s)

    async def all_back(self, bound_s: float = 300) -> float:
        """Wait until each was lost and is LIVE again; the time from the first loss to that."""
        await self.all_lost()
        await until(lambda: all(self.feed[symbol].is_live for symbol in self.feed.symbols), bound_s)
        return max(self.back.values()) - min(self.lost.values())

    def violations(self) -> dict[str, int]:
        """What the venue counted against the client."""
        return dict(self.venue.exchange.violations)

    def over_budget(self) -> int:
        """Served calls beyond the budget in the worst span of one window, wherever it begins."""
        times = [one.sent_s for one in self.calls if one.status == 200]
        inside = [sum(at <= one < at + self.window_s for one in times) for at in times]
        return max(0, max(inside, default=0) - self.per_window)


def now_s() -> float:
    """The loop's clock."""
    return asyncio.get_running_loop().time()


until = partial(waiting.until, every_s=0.01)
"""Wait until something is so, to a hundredth of a virtual second."""


@asynccontextmanager
async def mass_world(
    count: int,
    *,
    per_window: int,
    window_ms: int = 3_000,
    seed: int = 1,
    rate: float = 5.0,
    rates: Mapping[str, float] | None = None,
    profile: Profile | str = "normal",
    one_way_ms: float = ONE_WAY_MS,
    settings: FeedSettings = CALM,
    symbols: Sequence[str] | None = None,
    **manners: Any,
) -> AsyncIterator[MassWorld]:
    """Set it up; it begins with every book LIVE and the budget unused.

    Args:
        count: Symbols.
        per_window: Snapshots that the budget allows in each window.
        window_ms: The venue's window.
        seed: Of all chance.
        rate: Deltas a second of each symbol.
        rates: Of some of them another one.
        profile: How the market behaves.
        one_way_ms: To the venue, and back.
        settings: The feed's.
        symbols: Their names.
        manners: See ``Manners``.
    """
    names = tuple(symbols or default_symbols(count))
    rates = {**dict.fromkeys(names, rate), **(rates or {})}
    market = {name: SymbolMarket(name, seed, profile, rate=rates[name]) for name in names}
    # The least limit of which the budget's share holds so many.
    limit = next(n for n in range(1, 10**6) if int(SHARE * n) >= SNAPSHOT_WEIGHT * per_window)
    budget = WeightBudget({"public": (2_000, 30_000), "spot": (limit, window_ms)})
    limits = Limits(spot_weight_max=limit, weight_window_ms=window_ms, public_weight_max=10**6)
    route = Route(up_ms=(one_way_ms, one_way_ms), down_ms=(one_way_ms, one_way_ms))
    async with VirtualKuCoin(market, seed=seed, limits=limits, route=route, **manners) as venue:
        transport = Noting(venue)
        heard: list[Callable[[FeedEvent], None]] = []
        feed = venue.open_feed(
            settings=settings,
            outside=venue.outside(transport=transport, budget=budget),
            on_event=lambda event: [hear(event) for hear in heard] and None,
        )
        async with feed:
            world = MassWorld(venue, feed, budget, transport, per_window, window_ms / 1e3)
            heard.append(world.hear)
            await until(lambda: all(feed[symbol].is_live for symbol in names), 600)
            await until(lambda: budget.used("spot") == 0, 60)
            world.forget()
            yield world


def by_symbol(calls: Sequence[Call]) -> dict[str, list[Call]]:
    """The calls of each."""
    found = defaultdict(list)
    for call in calls:
        found[call.symbol].append(call)
    return dict(found)
