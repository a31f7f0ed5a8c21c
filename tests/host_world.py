"""A feed of a KuCoin in memory and in virtual time, and a witness of every read: is it right, is it fresh."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from orderbook.errors import BookNotLive
from orderbook.events import Event, StateChanged
from orderbook.feed.errors import FeedClosed
from orderbook.feed.events import FeedEvent, Notice
from orderbook.feed.feed import Feed
from orderbook.feed.seams import Socket
from orderbook.feed.settings import FeedSettings
from orderbook.secret import Secret
from orderbook.simulator.market import SymbolMarket
from orderbook.simulator.virtual_time import VirtualLoop
from orderbook.testing import VirtualKuCoin
from tests.feed_books import BTC, SMALL, is_right
from tests.waiting import elapse, turn

CALM = FeedSettings(instruments_interval_ms=None, audit_interval_ms=None)
"""The library's settings, but for what would come in between of its own accord."""
LOOK_S = 0.1


def loop() -> VirtualLoop:
    """The running one."""
    running = asyncio.get_running_loop()
    assert isinstance(running, VirtualLoop)
    return running


@dataclass
class Host:
    """A venue, a feed of it, and what was seen.

    Attributes:
        venue: The venue.
        feed: The feed.
        max_age_ms: How old a book may be that can be read.
        reads: How many reads were served.
        refused: How many were not.
        wrong: What was read and is not true, or too old.
        events: Everything that was told.
        pinged: Called when a ping has gone out, if the host is attentive.
    """

    venue: VirtualKuCoin
    feed: Feed
    max_age_ms: int
    reads: int = 0
    refused: int = 0
    wrong: list[str] = field(default_factory=list)
    events: list[FeedEvent] = field(default_factory=list)
    pinged: Callable[[], object] = lambda: None
    _compared: dict[str, object] = field(default_factory=dict)
    _log: defaultdict[str, list[tuple[float, int]]] = field(default_factory=lambda: defaultdict(list))

    def note(self) -> None:
        """Remember where the venue stands at this moment."""
        for symbol, source in self.venue.market.items():
            self._log[symbol].append((loop().time(), source.sequence))

    def look(self) -> None:
        """Read every book, as a user might at any moment."""
        self.note()
        for symbol in self.feed.symbols:
            try:
                book = self.feed[symbol]
                # What was compared once need not be compared again and again.
                compared = (book.epoch, book.exact.best_bid, book.exact.best_ask, book.sequence)
                right = self._compared.get(symbol) == compared or is_right(book, self.venue.market[symbol])
                self._compared[symbol] = compared
            except (BookNotLive, FeedClosed):
                self.refused += 1
                continue
            self.reads += 1
            if not right:
                self.wrong.append(f"{symbol} at {book.sequence} is not the venue's")
            if book.sequence < (least := self.least(symbol)):
                self.wrong.append(f"{symbol} was read at {book.sequence}, {least} is older than {self.max_age_ms} ms")

    def least(self, symbol: str) -> int:
        """Where the venue stood so long ago that whoever reads must have it."""
        log = self._log[symbol]
        at = bisect_right(log, loop().time() - self.max_age_ms / 1e3, key=lambda one: one[0])
        return log[at - 1][1] if at else 0

    def hear(self, event: FeedEvent) -> None:
        """An event: books are read in the middle of whatever happens."""
        self.events.append(event)
        if event.symbol in self.feed:
            self.look()

    def told(self, *kinds: type[Notice | Event]) -> list[Any]:
        """The events of these kinds so far."""
        return [one.event for one in self.events if isinstance(one.event, kinds)]

    def changes(self) -> list[StateChanged]:
        """Every change of state since the first LIVE of each book."""
        return [one for one in self.told(StateChanged) if one.old.value not in ("CONNECTING", "SYNCING")]

    def block(self, seconds: float) -> None:
        """Keep the loop busy, while the venue goes on."""
        for _ in range(round(seconds / 0.05)):
            loop().block(0.05)
            self.venue.exchange.advance(self.venue.now_ns())
            self.venue.flush()
            self.note()

    async def watch(self, seconds: float) -> None:
        """Read again and again, for so long."""
        end = loop().time() + seconds
        while loop().time() < end:
            self.look()
            await elapse(LOOK_S)

    async def settled(self, bound_s: float = 60.0) -> None:
        """Go on reading until every book is LIVE where the venue stands now, or later."""
        marks = {name: self.venue.market[name].sequence for name in self.feed.symbols}
        async with asyncio.timeout(bound_s):
            while not all(self.feed[one].is_live and self.feed[one].sequence >= mark for one, mark in marks.items()):
                self.look()
                await elapse(LOOK_S)
        self.look()

    def check(self, violations: Mapping[str, int] | None = None) -> None:
        """Nothing was read that is not true or too old, and no limit of the venue was overstepped (but for those)."""
        assert [] == self.wrong
        assert (violations or {}) == dict(self.venue.exchange.violations)
        assert self.reads > 0


class Attentive:
    """A socket at which somebody looks over the reader's shoulder: every book is read before each frame."""

    def __init__(self, socket: Socket, on: Host) -> None:
        self._socket = socket
        self._on = on
        self.close, self.abort = socket.close, socket.abort

    async def send(self, text: str) -> None:
        await self._socket.send(text)
        if '"ping"' in text:
            self._on.pinged()

    async def receive(self) -> bytes:
        frame = await self._socket.receive()
        self._on.look()
        # A backlog is not read in one go on a real socket, either.
        await turn()
        return frame

    async def receive_batch(self) -> list[bytes]:
        return [await self.receive()]


@asynccontextmanager
async def host(
    *,
    symbols: Sequence[str] = (BTC,),
    rate: float | Mapping[str, float] = 10.0,
    seed: int = 1,
    settings: FeedSettings = CALM,
    listed: Sequence[str] = (),
    outside: Mapping[str, Any] | None = None,
    record: Any = None,
    wait: bool = True,
    is_attentive: bool = False,
    **options: Any,
) -> AsyncIterator[Host]:
    """Set it up; every book is LIVE when the test begins.

    Args:
        symbols: Which books the feed keeps.
        rate: Deltas a second of each symbol.
        seed: Of all chance.
        settings: The feed's.
        listed: Symbols of the venue beside those of the feed.
        outside: Fields of ``Outside`` that are to be other than the venue's.
        record: As for ``open_feed``.
        wait: See above.
        is_attentive: Whether books are read before each frame, too.
        options: As for ``VirtualKuCoin``.
    """
    names = (*symbols, *listed)
    rates = rate if isinstance(rate, Mapping) else dict.fromkeys(names, rate)
    market = {name: SymbolMarket(name, seed, SMALL, rate=rates[name], history=1_000_000) for name in names}
    async with VirtualKuCoin(market, seed=seed, **options) as venue:

        async def connect(url: Secret) -> Socket:
            socket = await venue.connect(url)
            return Attentive(socket, on) if is_attentive else socket

        outside = {"connect": connect, **(outside or {})}
        feed = venue.open_feed(symbols, settings=settings, outside=venue.outside(**outside), record=record)
        on = Host(venue, feed, settings.max_age_ms or 10**9)
        feed.herald._on_event = on.hear
        async with feed:
            for symbol in symbols if wait else ():
                await feed.ready(symbol, timeout_s=30)
            yield on
        assert 0 == feed.herald.callback_errors
