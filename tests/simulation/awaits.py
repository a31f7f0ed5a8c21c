"""A feed whose n-th await fails, or is cancelled, for every n of a life with all that happens in one.

The tasks of a feed are wrapped, so that each suspension counts. At the n-th the task is cancelled as anybody may cancel
it, or what it waited for raises. Whatever comes of it, no book may be wrong or old, and the feed closes and leaves
nothing. ``python -m tests.simulation.awaits`` takes every n; the tests take some.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections import Counter
from collections.abc import Coroutine, Generator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, get_args

import click
from rich.console import Console
from rich.progress import Progress

from orderbook.errors import OrderBookError
from orderbook.feed.settings import FeedSettings
from orderbook.simulator.market import SymbolMarket
from orderbook.simulator.profiles import PROFILES
from orderbook.simulator.virtual_time import run
from orderbook.testing import VirtualKuCoin
from tests.simulation.oracle import Breach, Oracle
from tests.waiting import elapse, turn

How = Literal["cancel", "raise"]

BTC, ETH, SOL = "BTC-USDT", "ETH-USDT", "SOL-USDT"
SMALL: Final = replace(PROFILES["normal"], name="small", bids=20, asks=30)
SETTINGS: Final = FeedSettings(
    audit_interval_ms=700, reconnect_min_ms=10, reconnect_max_ms=200, link_life_ms=3_000, instruments_interval_ms=1_500
)
CLOSE_S: Final = 5.0
BACK_S: Final = 20.0
"""How long a feed has to be well again after something raised."""


class Injected(OSError):
    """What the n-th await raises: such as the network does."""


class Counted(Coroutine[Any, Any, Any]):
    """A coroutine that counts its suspensions."""

    def __init__(self, inner: Coroutine[Any, Any, Any], sweep: Sweep) -> None:
        self._inner = inner
        self._sweep = sweep
        self._fails = False
        self.__name__ = getattr(inner, "__name__", "?")
        self.__qualname__ = getattr(inner, "__qualname__", "?")

    def send(self, value: Any) -> Any:
        """Go on, or fail."""
        if self._fails:
            self._fails = False
            return self._inner.throw(Injected("injected"))
        awaited = self._inner.send(value)
        self._sweep.suspended(self)
        return awaited

    def throw(self, *error: Any) -> Any:
        """As of any coroutine."""
        self._fails = False
        awaited = self._inner.throw(*error)
        self._sweep.suspended(self)
        return awaited

    def close(self) -> None:
        """As of any coroutine."""
        self._inner.close()

    def fail(self) -> None:
        """What is awaited now raises as soon as it is there."""
        self._fails = True

    def __await__(self) -> Generator[Any, Any, Any]:
        """As of any coroutine."""
        return self._inner.__await__()

    def __repr__(self) -> str:
        return repr(self._inner)


@dataclass(slots=True)
class Sweep:
    """One life, with something at one of its awaits.

    Attributes:
        at: At which; 0: at none.
        how: What.
        awaits: How many there were.
        where: The task that was hit.
        names: The task of each await, in order.
        breaches: What was broken.
        is_well: Whether all books were LIVE in the end.
        complaints: What was said of it: errors that were logged or told to the loop.
    """

    at: int
    how: How
    awaits: int = 0
    where: str = ""
    names: list[str] = field(default_factory=list)
    breaches: list[Breach] = field(default_factory=list)
    is_well: bool = False
    complaints: list[str] = field(default_factory=list)

    def suspended(self, coroutine: Counted) -> None:
        """A task waits for something."""
        self.awaits += 1
        self.names.append(coroutine.__qualname__)
        if self.awaits == self.at:
            task = asyncio.current_task()
            assert task is not None
            self.where = coroutine.__qualname__
            if self.how == "cancel":
                asyncio.get_running_loop().call_soon(task.cancel)
            else:
                coroutine.fail()

    def run(self) -> Sweep:
        """Live it."""
        handler = _Complaints(self.complaints)
        log = logging.getLogger("orderbook")
        log.addHandler(handler)
        try:
            run(self._main)
        finally:
            log.removeHandler(handler)
        return self

    async def _main(self) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _loop, context: self.complaints.append(str(context.get("message"))))
        before = asyncio.all_tasks()
        market = {name: SymbolMarket(name, 5, SMALL, rate=30.0) for name in (BTC, ETH, SOL)}
        async with VirtualKuCoin(market, seed=5) as venue:
            oracle = Oracle(venue)
            feed = venue.open_feed([BTC, ETH], settings=SETTINGS, outside=venue.outside(new_sync=oracle.maker()))
            loop.set_task_factory(self._task)
            life = loop.create_task(_life(venue, feed), name="user")
            polls = 0
            while not life.done() and polls < 1_000:
                await elapse(0.05)
                oracle.poll()
                polls += 1
            with suppress(asyncio.CancelledError, OrderBookError, TimeoutError, OSError):
                await life
            if feed._is_open and feed._closing is None:
                self.is_well = await self._recovers(venue, feed)
                oracle.finish(name for name in feed.symbols)
            loop.set_task_factory(None)
            began = loop.time()
            await feed.close()
            if loop.time() - began > CLOSE_S:
                oracle.broken("I6", "", f"closing took {loop.time() - began:.1f} s")
            await turn()
            left = asyncio.all_tasks() - before
            if left:
                oracle.broken("I6", "", f"tasks are left: {[task.get_name() for task in left]}")
            for name, count in venue.exchange.violations.items():
                oracle.broken("I6", "", f"limit {name} overstepped {count} times")
            self.breaches = oracle.breaches

    async def _recovers(self, venue: VirtualKuCoin, feed: Any) -> bool:
        """Whether all books are LIVE within a while, and stay so as the market moves on."""
        marks = {name: venue.market[name].sequence + 60 for name in feed.symbols}
        for _ in range(int(BACK_S * 10)):
            await elapse(0.1)
            if all(feed[name].is_live and feed[name].sequence >= mark for name, mark in marks.items()):
                return True
        return False

    def _task(self, loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> asyncio.Task[Any]:
        return asyncio.Task(Counted(coro, self), loop=loop, **options)


async def _life(venue: VirtualKuCoin, feed: Any) -> None:
    """All that happens in the life of a feed, in some 5 s."""
    await feed.start()
    await feed.ready(BTC, timeout_s=5)
    updates = feed.updates(BTC, deliver="every")
    feed.listen(ETH, _slowly, deliver="latest")
    await anext(updates)
    venue.strike({"fault": "drop", "run": 2, "scope": BTC})
    await elapse(0.4)
    await feed.add(SOL)
    venue.strike({"fault": "garble", "how": "cut", "scope": ETH}, {"fault": "rest_error"})
    await feed.ready(SOL, timeout_s=5)
    venue.strike({"fault": "disconnect"})
    await elapse(0.5)
    await feed.ready(BTC, timeout_s=5)
    await feed.remove(SOL)
    venue.strike({"fault": "sequence_reset", "base": 9, "scope": ETH})
    await elapse(3.0)
    await feed.ready(ETH, timeout_s=5)


async def _slowly(_update: object) -> None:
    await elapse(0.05)


class _Complaints(logging.Handler):
    def __init__(self, said: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._said = said

    def emit(self, record: logging.LogRecord) -> None:
        """One line."""
        self._said.append(record.getMessage())


@click.command()
@click.option("--step", default=1, show_default=True, help="Every so manieth await.")
def main(step: int) -> None:
    """Cancel, and let fail, one await after the other; exit code 1 if a law was broken."""
    total = Sweep(0, "cancel").run().awaits
    breaches = 0
    with Progress(console=Console(stderr=True)) as progress:
        for how in get_args(How):
            unwell: Counter[str] = Counter()
            for at in progress.track(range(1, total + 1, step), description=how):
                sweep = Sweep(at, how).run()
                breaches += len(sweep.breaches)
                unwell[sweep.where] += not sweep.is_well
                for breach in sweep.breaches:
                    click.echo(f"{how} at await {at}, in {sweep.where}: {breach.law} {breach.symbol} {breach.what}")
            ended = ", ".join(f"{where} {count}" for where, count in unwell.items() if count) or "none"
            click.echo(f"{how}: {len(range(1, total + 1, step))} lives; not LIVE in the end after hitting {ended}")
    click.echo(f"{breaches} breaches")
    sys.exit(breaches > 0)


if __name__ == "__main__":
    main()
