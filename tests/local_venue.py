"""A local KuCoin that runs beside a command under test: in a thread of its own, on a loop of its own."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from orderbook.simulator.faults import FaultPlan
from orderbook.simulator.server import LocalKuCoin

T = TypeVar("T")


class Served:
    """A running venue.

    Attributes:
        url: Its address.
    """

    def __init__(self, venue: LocalKuCoin, loop: asyncio.AbstractEventLoop) -> None:
        self.url = venue.url
        self._venue = venue
        self._loop = loop

    def ask(self, question: Callable[[LocalKuCoin], T]) -> T:
        """What the venue answers, between two things that it does."""

        async def answer() -> T:
            return question(self._venue)

        return asyncio.run_coroutine_threadsafe(answer(), self._loop).result(timeout=30)

    def later(self, seconds: float, act: Callable[[LocalKuCoin], object]) -> None:
        """Have the venue do something then. To be called by something that it does."""
        self._loop.call_later(seconds, act, self._venue)

    def book(self, symbol: str, sequence: int, depth: int | None = None) -> dict[str, list[list[str]]]:
        """What was true at a sequence, as a command prints it."""
        _, bids, asks = self.ask(lambda venue: venue.market[symbol].book(sequence, depth))
        return {"bids": [list(level) for level in bids], "asks": [list(level) for level in asks]}

    def keys(self, folder: Path, **wrong: str) -> str:
        """The name of a file with the key that it accepts; a part given here takes the place of the right one."""
        credentials = self.ask(lambda venue: venue.credentials)
        parts = {
            f"KUCOIN_API_{name.upper()}": wrong.get(name, getattr(credentials, name).reveal())
            for name in ("key", "secret", "passphrase")
        }
        path = folder / "keys.json"
        path.write_text(json.dumps(parts))
        return str(path)


@contextmanager
def local_venue(*faults: dict[str, Any], **settings: Any) -> Iterator[Served]:
    """A venue with these faults and settings of ``LocalKuCoin``, for as long as the block lasts."""
    started: Future[tuple[Served, asyncio.Event, asyncio.AbstractEventLoop]] = Future()

    async def serve() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        async with LocalKuCoin(faults=FaultPlan(faults), **settings) as venue:
            started.set_result((Served(venue, loop), stop, loop))
            await stop.wait()

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)

    thread = threading.Thread(target=run, name="local venue")
    thread.start()
    try:
        served, stop, loop = started.result(timeout=30)
        try:
            yield served
        finally:
            loop.call_soon_threadsafe(stop.set)
    finally:
        thread.join(timeout=30)
