"""The local KuCoin on a thread of its own: for bots that bring their own client, whatever it is made of."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from typing import Any, Self, TypeVar

from orderbook.secret import Credentials
from orderbook.simulator.exchange import Exchange
from orderbook.simulator.faults import FaultPlan
from orderbook.simulator.server import LocalKuCoin
from orderbook.simulator.source import Source
from orderbook.simulator.trading import Driver

T = TypeVar("T")


class HostedKuCoin:
    """A ``LocalKuCoin`` that serves while the caller does something else: computes, blocks, or runs a loop of its own.

    ::

        with HostedKuCoin(symbols=["BTC-USDT"], seed=1) as venue:
            bot = MyBot(venue.url, venue.credentials)

    Args:
        options: As for ``LocalKuCoin``.

    Attributes:
        url: Where it is.
        credentials: The key that it accepts.
        exchange: The protocol; to be asked by way of ``ask`` while it runs.
        market: The books; see ``exchange``.
        account: Places and cancels orders of one's own: ``venue.ask(venue.account.place, "BTC-USDT", ...)``.

    Raises:
        UsageError: A setting that cannot be.
        PortInUse: On entering.
    """

    def __init__(self, **options: Any) -> None:
        self._venue = LocalKuCoin(**options)
        self.credentials: Credentials = self._venue.credentials
        self.exchange: Exchange = self._venue.exchange
        self.market: Mapping[str, Source] = self._venue.market
        self.account: Driver = self._venue.account
        self.url = ""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="local KuCoin", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self._venue.start(), self._loop).result()
        except BaseException:
            self._end()
            raise
        self.url = self._venue.url
        return self

    def __exit__(self, *_: object) -> None:
        try:
            asyncio.run_coroutine_threadsafe(self._venue.close(), self._loop).result()
        finally:
            self._end()

    def ask(self, function: Callable[..., T], *args: Any) -> T:
        """Call a function on the venue's thread, so that nothing moves meanwhile; returns what it returns.

        Such as ``venue.ask(venue.market["BTC-USDT"].book, sequence)``.
        """

        async def called() -> T:
            return function(*args)

        return asyncio.run_coroutine_threadsafe(called(), self._loop).result()

    def strike(self, *entries: Mapping[str, object]) -> None:
        """Let go wrong what a plan says, from now on. Raises ``UsageError`` for what is no fault."""
        plan = FaultPlan(entries)
        self.ask(lambda: self._venue.exchange.add_faults(plan, int(self._loop.time() * 1e9)))

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
