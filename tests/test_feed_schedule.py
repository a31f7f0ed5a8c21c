"""Who is asked for when: the most urgent first, so many at a time, within the budget; and probes in a silence."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

from orderbook.own import OwnOrder
from orderbook.simulator.limits import Limits
from orderbook.simulator.market import default_symbols
from orderbook.types import BookState
from orderbook.venues.rest import Depth, Instrument, Priority, Token
from snapshots.fetch import Rest
from tests.feed_books import BTC, ETH, FAST, SYNC, stage, until


class Between:
    """A REST client that counts, and that waits when told to.

    Attributes:
        asked: Snapshots that were asked for, oldest first.
        under_way: How many are at this moment; ``most``: were at any moment.
        flows: Cleared, no snapshot is asked for before it is set.
    """

    def __init__(self, rest: Rest) -> None:
        self._rest = rest
        self.asked: list[tuple[str, Priority]] = []
        self.under_way = 0
        self.most = 0
        self.flows = asyncio.Event()
        self.flows.set()
        self.probes: Counter[str] = Counter()

    async def snapshot(self, symbol: str, depth: Depth, *, priority: Priority, rank: int) -> bytes:
        self.asked.append((symbol, priority))
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await self.flows.wait()
            return await self._rest.snapshot(symbol, depth, priority=priority, rank=rank)
        finally:
            self.under_way -= 1

    async def token(self, *, private: bool = False) -> Token:
        return await self._rest.token(private=private)

    async def symbols(self) -> tuple[Instrument, ...]:
        return await self._rest.symbols()

    async def probe(self, symbol: str) -> int:
        self.probes[symbol] += 1
        return await self._rest.probe(symbol)

    async def open_orders(self) -> tuple[OwnOrder, ...]:
        return await self._rest.open_orders()

    async def close(self) -> None:
        await self._rest.close()


class Through:
    """Puts itself between, and remembers the client."""

    client: Between

    def __call__(self, rest: Rest) -> Between:
        self.client = Between(rest)
        return self.client


async def test_a_lost_book_does_not_wait_behind_audits() -> None:
    """While audits of all books wait for their answers, the book that was lost is asked for at once, and first."""
    names = default_symbols(6)
    through = Through()
    async with stage(symbols=names, through=through) as on:
        client = through.client
        client.flows.clear()
        client.asked.clear()
        on.feed.audit_all()
        await until(lambda: len(client.asked) == 6)
        lost = names[-1]
        on.strike({"fault": "drop", "run": 3, "scope": lost})
        await until(lambda: on.feed.counters(lost).gaps == 1)
        await until(lambda: (lost, Priority.LOST) in client.asked)
        client.flows.set()
        await on.settled()

        assert {Priority.AUDIT} == {priority for symbol, priority in client.asked if symbol != lost}
        on.check()


async def test_a_book_lost_during_its_own_audit_is_asked_for_anew() -> None:
    """The answer to what was asked while the book was good is not waited for."""
    through = Through()
    async with stage(through=through) as on:
        client = through.client
        client.flows.clear()
        client.asked.clear()
        on.feed.audit_all()
        await until(lambda: client.under_way == 2)
        on.strike({"fault": "drop", "run": 3, "scope": BTC})
        await until(lambda: (BTC, Priority.LOST) in client.asked)
        assert 2 == client.under_way
        client.flows.set()
        await on.settled()
        on.check()


async def test_fifty_books_lost_at_once_stay_within_the_budget() -> None:
    """All come back, window by window; the venue counts no violation and refuses nothing."""
    names = default_symbols(50)
    through = Through()
    limits = Limits(spot_weight_max=120, weight_window_ms=400)
    async with stage(symbols=names, rate=20, limits=limits, through=through) as on:
        on.strike(*({"fault": "drop", "run": 3, "scope": name} for name in names))
        # All of the three: a probe may tell of the first ones before the last is due.
        await until(lambda: on.struck("drop") == 3 * len(names))
        await until(lambda: all(on.watch.transitions[name] for name in names))
        await on.settled()

        on.check()
        assert 0 == on.struck("rate_limited")
        assert 2 < through.client.most
        used, limit = on.feed.health().budget_used, on.feed.health().budget_limit
        assert 0 < used <= limit < 120


async def test_a_quiet_symbol_is_told_from_a_dead_one() -> None:
    """Nothing comes of it for long, the venue says that nothing is to come: LIVE all the time, and probed cheaply."""
    through = Through()
    async with stage(rate={BTC: 150, ETH: 0.001}, through=through) as on:
        on.strike()
        probes = through.client.probes[ETH]
        await until(lambda: through.client.probes[ETH] >= probes + 3)

        on.check()
        assert not on.watch.transitions
        assert BookState.LIVE is on.feed[ETH].state
        assert 0 == through.client.probes[BTC]


async def test_probes_without_an_answer_leave_a_quiet_book_alone() -> None:
    """For a while: the next probe tells. A book that nobody can ask about for longer is STALE: see ``unasked``."""
    through = Through()
    async with stage(rate={BTC: 150, ETH: 0.001}, through=through) as on:
        on.strike({"fault": "rest_error", "path": "level1", "code": "900001", "p": 1, "times": 3})
        await until(lambda: on.struck("rest_error") == 3)
        probes = through.client.probes[ETH]
        await until(lambda: through.client.probes[ETH] >= probes + 2)

        on.check()
        assert not on.watch.transitions


async def test_a_busy_topic_that_dies_is_found_by_its_silence() -> None:
    """Long before the timer of quiet symbols: a silence of many usual gaps is probed, the topic asked for anew."""
    settings = replace(FAST, sync=replace(SYNC, symbol_silence_ms=60_000), silence_min_ms=200)
    async with stage(rate={BTC: 150, ETH: 150}, settings=settings) as on:
        await until(lambda: on.feed.symbol_metrics(BTC).received > 300)
        on.strike({"fault": "mute", "scope": BTC, "for_ms": 1_500})
        await until(lambda: on.watch.transitions[BTC])
        await on.settled()

        on.check()
        assert [] == on.watch.transitions[ETH]
        assert 0 == on.venue.exchange.violations.total()


async def test_a_topic_that_is_dead_from_the_start_is_asked_for_again() -> None:
    """Acknowledged, and silent: answers that show the venue ahead of a stream without a delta tell it."""
    mute = {"fault": "mute", "scope": BTC, "for_ms": 2_000}
    async with stage(mute, rate={BTC: 150, ETH: 150}, wait=False) as on:
        await on.feed.ready(ETH, timeout_s=30)
        # The subscription of both; then, of the dead one, an end and another subscription.
        await until(lambda: on.feed.health().client_messages >= 3)
        await on.feed.ready(BTC, timeout_s=10)
