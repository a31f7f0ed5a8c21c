"""One run: the real feed against the simulated venue in virtual time, first with faults, then healed.

Beside the laws of the oracle, which it judges all the time:

I3, I4, I8 hold for what readers are given, too: see ``readers``;
I5  once all is healed, every book is LIVE and equal within ``Terms.healed_ms``, and stays so; where only the stream
    suffers, no book is lost without a cause or for long: see ``recovery``;
I6  no limit of the venue is overstepped, and nothing is left when the feed is closed;
I7  no secret is told, whatever is logged;
I9  what was received replays to the same books;
I10 what only some symbols suffer from, the others do not notice.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import blake2b
from typing import Final
from urllib.parse import unquote

from orderbook.errors import BeyondHorizon, BookNotLive, RestError
from orderbook.events import AuditPassed, NeedProbe, NeedSnapshot, StateChanged
from orderbook.feed.events import FeedEvent
from orderbook.feed.feed import Feed
from orderbook.simulator.market import Market
from orderbook.simulator.profiles import profile_named
from orderbook.simulator.virtual_time import run as run_virtual
from orderbook.sync import BookSync
from orderbook.testing import VirtualKuCoin
from orderbook.types import BookState, Side
from snapshots.records import Kind, Record
from snapshots.replay import Replay
from tests.simulation.case import LYING, SETTINGS, Case
from tests.simulation.oracle import POLL_MS, Breach, Oracle
from tests.simulation.readers import Readers
from tests.simulation.recovery import Recovery
from tests.simulation.shadow import are_one, epoch_of_known
from tests.simulation.terms import HEALED_MS, UNKNOWN, terms_of
from tests.waiting import elapse, turn

HARMLESS: Final = (AuditPassed, NeedProbe, NeedSnapshot)
"""What a book may tell that has no trouble at all."""
QUIET_MS: Final = 2_000
"""So long after all was healed it is looked whether it stays so."""


@dataclass(slots=True)
class Outcome:
    """What came of a run.

    Attributes:
        breaches: Laws that were broken; none is what is wanted.
        trace: Digest of everything that was told, with its times.
        frames: Deltas and unreadable frames that reached books.
        compared: How often a book was compared with the truth.
        live_share: Share of the time with faults in which books could be read.
        lag_max_ms: The longest that a book could be read without something that the venue had done.
        healed_ms: From the end of the faults until all was LIVE and equal.
        lost_max_ms: The longest that a book was lost since the last fault of its stream, where no other faults are.
        injected: Faults, by name.
        told: Events, by kind.
    """

    breaches: list[Breach] = field(default_factory=list)
    trace: str = ""
    frames: int = 0
    compared: int = 0
    live_share: float = 0.0
    lag_max_ms: float = 0.0
    healed_ms: float = 0.0
    lost_max_ms: float = 0.0
    injected: dict[str, int] = field(default_factory=dict)
    told: dict[str, int] = field(default_factory=dict)


def simulate(case: Case, make: Callable[..., BookSync] = BookSync, *, replay: bool = False) -> Outcome:
    """Take a run to its end.

    Args:
        case: Which.
        make: Makes the synchronisers; by default the real ones.
        replay: Record it, too, and replay that.
    """
    run = _Run(case, make, replay=replay)
    try:
        with run.canaries():
            run_virtual(run.main)
    finally:
        gc.collect()
    return run.outcome


class _Run:
    def __init__(self, case: Case, make: Callable[..., BookSync], *, replay: bool) -> None:
        self.case = case
        self.outcome = Outcome()
        self._make = make
        self._trace = blake2b(digest_size=16)
        self._records: list[Record] | None = [] if replay else None
        self._queries = random.Random(f"{case.seed}/queries")
        market = Market(case.symbols, case.seed, case.profile, case.rate)
        self.venue = VirtualKuCoin(market, seed=case.seed)
        rate = profile_named(case.profile).rate if case.rate is None else case.rate
        self.terms = terms_of(case, rate)
        # Whoever drives this otherwise than ``main`` may do what the plan does not say.
        self.oracle = Oracle(self.venue, UNKNOWN)
        ledger = self.venue.exchange.ledger
        self._recovery = Recovery(case.symbols, UNKNOWN, ledger, self.venue.now_ns, self._broken)

    async def main(self) -> None:
        """The run."""
        case, venue, outcome = self.case, self.venue, self.outcome
        self.oracle.terms = self._recovery.terms = self.terms
        before = asyncio.all_tasks()
        more = {} if self._records is None else {"record": self._record}
        outside = venue.outside(new_sync=self.oracle.maker(self._make), **more)
        async with venue:
            venue.strike(*case.plan)
            settings = LYING if case.lies else SETTINGS
            feed = venue.open_feed(
                case.symbols, depth=case.depth, settings=settings, outside=outside, on_event=self._hear
            )
            async with asyncio.timeout(None):
                await self._opened(feed)
                readers = Readers(feed, self._queries.choice(case.symbols), self._broken)
                polling = asyncio.ensure_future(self._poll(feed, readers))
                await self._wait(case.duration_ms)
                self._recovery.finish()
                venue.exchange.heal(venue.now_ns())
                await self._healed(feed)
                self.oracle.finish(feed.symbols)
                polling.cancel()
                with suppress(asyncio.CancelledError):  # Whatever else ended it ends the run: it looked no more.
                    await polling
                self._sum_up(feed)
                await feed.close()
                await readers.close()
            # The tasks of a closed feed have had their chance to end.
            await turn()
        left = asyncio.all_tasks() - before
        if left:
            self._broken("I6", "", f"{len(left)} tasks are left: {sorted(task.get_name() for task in left)[:3]}")
        ledger = self.venue.exchange.ledger
        for name, count in self.venue.exchange.violations.items():
            # A token that dies within moments of its birth is no client's fault.
            if name != "bad_token" or count > ledger.count("token_life"):
                self._broken("I6", "", f"limit {name} overstepped {count} times")
        if self._records is not None:
            self._replay()
        outcome.breaches = [*self.oracle.breaches, *outcome.breaches]
        outcome.trace = self._trace.hexdigest()

    async def _opened(self, feed: Feed) -> None:
        """Opening fails while the venue cannot be asked; a bot would try again. Nothing goes wrong for ever."""
        ends_ns = self.venue.now_ns() + int(self.case.duration_ms * 1e6)
        while True:
            try:
                await feed.start()
            except RestError:
                await elapse(1)
                feed._opened = False
                if self.venue.now_ns() >= ends_ns:
                    self.venue.exchange.heal(self.venue.now_ns())
            else:
                return

    async def _wait(self, ms: float) -> None:
        await elapse(ms / 1e3)

    async def _poll(self, feed: Feed, readers: Readers) -> None:
        """A reader: is what may be read fresh, and are queries answered truly?"""
        while True:
            await self._wait(POLL_MS)
            self.oracle.poll()
            self._recovery.poll()
            readers.judge()
            self._ask(feed)

    def _ask(self, feed: Feed) -> None:
        symbol = self._queries.choice(self.case.symbols)
        side, count = self._queries.choice((Side.BID, Side.ASK)), self._queries.choice((1, 5, 20, 100, 300))
        book, source = feed[symbol].exact, self.venue.market[symbol]
        try:
            levels = list((book.bids if side is Side.BID else book.asks)[:count])
            best = book.best_bid if side is Side.BID else book.best_ask
        except (BookNotLive, BeyondHorizon) as error:
            self._told(f"{symbol} {type(error).__name__}")
            return
        for epoch in range(source.epoch, -1, -1):
            try:
                truth = source.book(book.sequence, count, epoch=epoch)
            except ValueError:
                continue
            rows = [(Decimal(price), Decimal(size)) for price, size in (truth.bids if side is Side.BID else truth.asks)]
            if rows[:count] == [tuple(level) for level in levels] and best == (levels[0] if levels else None):
                return
        if not self.oracle.watches[symbol].is_lied_to:
            self._broken("I1", symbol, f"wrong answer at {book.sequence}: {count} levels of {side.name}")

    async def _healed(self, feed: Feed) -> None:
        """All is well again: within the bound every book is LIVE where the venue stands now, and equal; and stays."""
        began_ns = self.venue.now_ns()
        market = self.venue.market
        self._recovery.unseen = frozenset(symbol for symbol in market if self.terms.is_unseen(market[symbol]))
        marks = {
            symbol: (source.epoch, source.sequence)
            for symbol, source in market.items()
            if symbol not in self._recovery.unseen
        }
        while not all(self._reached(feed, symbol, mark) for symbol, mark in marks.items()):
            await self._wait(50)
            if self.venue.now_ns() - began_ns > self.terms.healed_ms * 1e6:
                for symbol, mark in marks.items():
                    if not self._reached(feed, symbol, mark):
                        book = feed[symbol]
                        self._broken(
                            "I5", symbol, f"{book.state.value} at {book.sequence} ({book.reason}), not at {mark}"
                        )
                break
        self.outcome.healed_ms = (self.venue.now_ns() - began_ns) / 1e6
        self._recovery.is_healed = True
        await self._wait(QUIET_MS)
        await self._stayed(feed, began_ns)

    async def _stayed(self, feed: Feed, began_ns: int) -> None:
        """They are LIVE at the end of the quiet time, too. If a connection was found dead in it, a moment later."""
        while not all(feed[symbol].is_live for symbol in feed.symbols):
            await self._wait(POLL_MS)
            if (self.venue.now_ns() - began_ns) / 1e6 > HEALED_MS:
                for symbol in feed.symbols:
                    if not feed[symbol].is_live:
                        self._broken("I5", symbol, f"{feed[symbol].state.value} at the end: {feed[symbol].reason}")
                return

    def _reached(self, feed: Feed, symbol: str, mark: tuple[int, int]) -> bool:
        book, source = feed[symbol], self.venue.market[symbol]
        if not book.is_live:
            return False
        found = epoch_of_known(book.content, source)
        # A book of an older count may well be true, and is not there.
        return found is not None and (found, book.sequence) >= mark

    def _hear(self, event: FeedEvent) -> None:
        self._told(repr(event))
        kind = type(event.event).__name__
        self.outcome.told[kind] = self.outcome.told.get(kind, 0) + 1
        self._recovery.hear(event)
        if event.symbol in self.terms.untouched and not isinstance(event.event, HARMLESS):
            is_start = isinstance(event.event, StateChanged) and event.event.old is not BookState.LIVE
            is_end = isinstance(event.event, StateChanged) and event.event.new is BookState.CLOSED
            if not (is_start or is_end):
                self._broken("I10", event.symbol or "", f"noticed what others suffered from: {event.event}")

    def _told(self, text: str) -> None:
        self._trace.update(f"{self.venue.now_ns()} {text}\n".encode())
        self._look_for_secrets(text)

    def _sum_up(self, feed: Feed) -> None:
        outcome, watches = self.outcome, self.oracle.watches.values()
        polls = max(1, int(self.case.duration_ms / POLL_MS) * len(self.case.symbols))
        outcome.frames = sum(feed.counters(symbol).frames for symbol in feed.symbols)
        outcome.compared = sum(watch.compared for watch in watches)
        outcome.live_share = min(1.0, sum(watch.live_polls for watch in watches) / polls)
        outcome.lost_max_ms = self._recovery.longest_ms
        outcome.lag_max_ms = max(watch.lag_max_ms for watch in watches)
        outcome.injected = self.venue.exchange.ledger.totals()
        for symbol in feed.symbols:
            self._told(f"{symbol} {feed.counters(symbol).to_json()}")

    def _broken(self, law: str, symbol: str, what: str) -> None:
        if len(self.outcome.breaches) < Oracle.BREACHES_MAX:
            self.outcome.breaches.append(Breach(law, symbol, self._now_ns, what))

    @property
    def _now_ns(self) -> int:
        try:
            return self.venue.now_ns()
        except RuntimeError:
            return 0

    # -- secrets --

    @contextmanager
    def canaries(self) -> Iterator[None]:
        """Everything is logged, and nothing of it may hold a secret."""
        keys = self.venue.credentials
        self._secrets = [one.reveal() for one in (keys.key, keys.secret, keys.passphrase)]
        self._tokens = self.venue.exchange._tokens._issued
        handler = _Listener(self._look_for_secrets)
        root = logging.getLogger()
        level = root.level
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
        try:
            yield
        finally:
            root.removeHandler(handler)
            root.setLevel(level)

    def _look_for_secrets(self, text: str) -> None:
        # In an address a token is written otherwise.
        said = f"{text} {unquote(text)}" if "%" in text else text
        if any(secret in said for secret in self._secrets) or any(token in said for token in self._tokens):
            self._broken("I7", "", f"a secret was told: {text[:40]}")

    # -- replay --

    def _record(self, kind: Kind, url: str, raw: bytes, status: int | None) -> None:
        assert self._records is not None
        self._records.append(Record(self.venue.wall_ns(), kind, url, raw, status))

    def _replay(self) -> None:
        """What was received, once more: never LIVE and wrong, and each book as it was when the feed was closed."""
        replay = Replay("kucoin")
        wanted = {symbol: watch.sync.book for symbol, watch in self.oracle.watches.items() if watch.sync is not None}
        for number, record in enumerate(self._records or ()):
            replay.feed(record)
            if number % 50 == 0 and not self.case.lies:
                self._compare_replayed(replay)
            for symbol, ours in tuple(wanted.items()):
                sync = replay.books.get(symbol)
                # A frame that came while the feed was closed is recorded, but no book had it.
                # An answer that came then may have moved the horizon out.
                if sync is not None and are_one(sync.book.content, ours.content):
                    del wanted[symbol]
        if not self.case.lies:
            self._compare_replayed(replay)
        for symbol, ours in wanted.items():
            self._broken("I9", symbol, f"replays to {replay.books.get(symbol)!r} and was never {ours!r}")

    def _compare_replayed(self, replay: Replay) -> None:
        for symbol, sync in replay.books.items():
            if sync.state is BookState.LIVE and epoch_of_known(sync.book.content, self.venue.market[symbol]) is None:
                self._broken("I9", symbol, f"a replay was LIVE and wrong at {sync.book.sequence}")


class _Listener(logging.Handler):
    """Hears every line of every log."""

    def __init__(self, hear: Callable[[str], None]) -> None:
        super().__init__(logging.DEBUG)
        self._hear = hear

    def emit(self, record: logging.LogRecord) -> None:
        """One line."""
        self._hear(f"{record.getMessage()} {record.exc_info}")
