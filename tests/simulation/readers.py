"""Readers of one book, one of each kind: what they are given is looked at as closely as the book itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from orderbook.book import OrderBook
from orderbook.errors import BeyondHorizon, BookNotLive
from orderbook.feed.delivery import POLICIES, Subscription, Update
from orderbook.feed.feed import Feed
from orderbook.results import BookView
from orderbook.types import BookState

Broken = Callable[[str, str, str], None]
"""Takes note of a breach: law, symbol, what."""
LIMIT: Final = 50
"""Length of the callback's queue: short, so that a burst makes it skip."""


class Reader:
    """Whoever takes the updates of one subscription.

    Args:
        name: What it is called in a breach.
        broken: Told of breaches.
    """

    def __init__(self, name: str, broken: Broken) -> None:
        self.subscription: Subscription | None = None
        self._name = name
        self._broken = broken
        self._last: Update | None = None

    def take(self, update: Update) -> None:
        """The next update: in order, without a hole that it does not tell, and only of a LIVE book."""
        last, view = self._last, update.view
        self._last = update
        is_live = view.state is BookState.LIVE
        if update.delta is not None:
            if not is_live:
                self._say("I4", view, f"was told of a delta while {view.state.value}")
            if view.sequence != update.delta.sequence_end:
                self._say("I3", view, f"was shown {view.sequence} with a delta to {update.delta.sequence_end}")
        if last is None:
            return
        if is_live and last.view.state is BookState.LIVE:
            self._follows(last.view, update)
        elif not is_live and self._is_again(last, update):
            self._say("I4", view, f"was told twice of {view.state.value}")

    @staticmethod
    def _is_again(last: Update, update: Update) -> bool:
        """Whether nothing has changed. What one moment did and undid shows twice as it was after it."""
        before, now = last.view, update.view
        is_same = (before.state, before.reason) == (now.state, now.reason)
        return is_same and not update.skipped and last.received_ns != update.received_ns

    def _follows(self, last: BookView[float], update: Update) -> None:
        view, delta = update.view, update.delta
        then, now = (last.epoch, last.sequence), (view.epoch, view.sequence)
        if now < then or (delta is not None and now == then):
            self._say("I3", view, f"came from {then} to {now}")
        elif delta is not None and not update.skipped and delta.sequence_start > last.sequence + 1:
            self._say("I3", view, f"came from {last.sequence} to {delta.sequence_start}, and nothing was skipped")

    def judge(self, book: OrderBook) -> None:
        """What it was shown last is how the book is; where it has nothing left to take."""
        subscription, last = self.subscription, self._last
        assert subscription is not None
        if subscription._queue:
            return
        marked = book._guard.marked_state
        if last is None:
            if marked is BookState.LIVE:
                self._broken("I8", book.symbol, f"{self._name} was never told of anything")
        elif not book.is_live:
            # A book that is merely too old has not changed its state.
            if marked is not BookState.LIVE and last.view.state is not marked:
                self._say("I8", last.view, f"was shown {last.view.state.value}, not {marked.value}")
        elif last.view.state is not BookState.LIVE:
            self._say("I8", last.view, f"was shown {last.view.state.value}, not LIVE")
        elif subscription.deliver != "best" and last.view.sequence != book.sequence:
            self._say("I8", last.view, f"was shown {last.view.sequence}, not {book.sequence}")
        else:
            with suppress(BeyondHorizon, BookNotLive):
                touch = (book.best_bid, book.best_ask)
                if touch != tuple(next(iter(levels), None) for levels in (last.view.bids, last.view.asks)):
                    self._say("I8", last.view, f"was shown another touch than {touch}")

    def _say(self, law: str, view: BookView[float], what: str) -> None:
        self._broken(law, view.symbol, f"{self._name} {what}")


class Readers:
    """One of each kind, and a callback.

    Args:
        feed: An open feed.
        symbol: Of which book.
        broken: Told of breaches.
    """

    def __init__(self, feed: Feed, symbol: str, broken: Broken) -> None:
        self._book = feed[symbol]
        self._readers: list[Reader] = []
        self._tasks: list[asyncio.Task[None]] = []
        for policy in POLICIES:
            reader = self._reader(policy, broken)
            reader.subscription = feed.updates(symbol, deliver=policy)
            self._tasks.append(asyncio.ensure_future(_read(reader)))
        called = self._reader("a callback", broken)
        called.subscription = feed.listen(symbol, called.take, deliver="every", limit=LIMIT)

    def _reader(self, name: str, broken: Broken) -> Reader:
        self._readers.append(Reader(name, broken))
        return self._readers[-1]

    def judge(self) -> None:
        """Look whether all of them know what the book is now."""
        for reader in self._readers:
            reader.judge(self._book)

    async def close(self) -> None:
        """Wait until they have taken what there was; the feed is closed."""
        await asyncio.gather(*self._tasks)


async def _read(reader: Reader) -> None:
    assert reader.subscription is not None
    async for update in reader.subscription:
        reader.take(update)
