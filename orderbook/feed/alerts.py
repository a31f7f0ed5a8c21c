"""Conditions on the books of a feed: looked at with every delta, as it is applied, so that none is missed.

``Alerts`` is a subscriber like a ``Subscription``: a book without conditions pays nothing, and whoever is told that one
holds is told beside the books, never in their way. What a condition is stands in ``orderbook.conditions``.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Self
from weakref import ref

from orderbook.book import OrderBook
from orderbook.conditions import Condition, Phase, Trigger
from orderbook.errors import BookNotLive, UsageError, shown
from orderbook.feed.errors import NotReady
from orderbook.feed.events import ConditionFailed
from orderbook.feed.metrics import SymbolMetrics
from orderbook.feed.mistakes import ends_the_program, in_words
from orderbook.feed.pacing import MS
from orderbook.feed.settings import FeedSettings
from orderbook.guard import Clock
from orderbook.results import BookView
from orderbook.types import BookState, Delta

RECHECK_NS: Final = 100 * MS
"""A book that is merely too old is LIVE again with the next frame of its link, and nobody tells of that."""


@dataclass(frozen=True, slots=True)
class Alert:
    """A condition has come to hold.

    Attributes:
        symbol: Whose book.
        condition: Which, in words.
        view: The book in which it held: right after the delta that made it so; with ``for_s``, when it had lasted.
        value: The number that it is about, at that moment, if there is one.
        at_ns: When that was, in ns of the feed's clock.
        skipped: How many alerts were left out since the one before, because nobody took them in time.
    """

    symbol: str
    condition: str
    view: BookView[float]
    value: float | None
    at_ns: int
    skipped: int


class Alerts:
    """An asynchronous iterator of alerts of one condition; ends when it or the feed is closed.

    Args:
        raises: Whatever keeps the condition from being told is raised to whoever waits, and ends this. Otherwise
            that is told and counted, and this goes on.

    Attributes:
        symbol: Whose book.
        condition: Which.
        fired: Alerts so far.
        skipped: Those left out so far.
        condition_errors: Looks at which it could not be told.
        callback_errors: Exceptions of the callback, if there is one.
    """

    wants_deltas = False

    def __init__(
        self,
        book: OrderBook,
        condition: Condition,
        *,
        levels: int,
        limit: int,
        settings: FeedSettings,
        metrics: SymbolMetrics,
        clock: Clock,
        failed: Callable[[ConditionFailed], None],
        gone: Callable[[Alerts], None],
        raises: bool,
    ) -> None:
        for name, value in (("limit", limit), ("levels", levels)):
            if type(value) is not int or value < 1:
                raise UsageError(f"{name} is a whole number of at least 1, not {shown(value)}")
        self.symbol = book.symbol
        self.condition = condition
        self.fired = self.skipped = self.condition_errors = self.callback_errors = 0
        self._book = book
        self._levels = levels
        self._limit = limit
        self._settings = settings
        self._metrics = metrics
        self._clock = clock
        self._failed = failed
        self._gone = gone
        self._raises = raises
        self._trigger = Trigger(condition)
        self._error: BaseException | None = None
        self._is_failing = False
        self._queue: deque[Alert] = deque()
        self._skipped_now = 0
        self._ready = asyncio.Event()
        self._closed = False
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ns = 0

    def __repr__(self) -> str:
        return f"<Alerts of {self.symbol}: {self.condition}: {self.fired} fired, {self.skipped} skipped>"

    # -- the book --

    def publish(self, _delta: Delta | None, received_ns: int, *, state_changed: bool) -> None:  # noqa: ARG002 - either is a reason to look
        """The book has moved, or its state has."""
        self.look(received_ns)

    def look(self, now_ns: int, *, is_due: bool = False) -> None:
        """See whether the condition holds, and has just come to; ``is_due`` as for ``Trigger.after``."""
        state, is_about_state = self._book.state, self.condition.is_about_state
        if self._closed or state is BookState.CLOSED:
            return
        if self._raises and state is BookState.FAILED and not is_about_state:
            self._fail(NotReady(self.symbol, BookState.FAILED, self._book.reason))
            return
        try:
            can_tell = is_about_state or state is BookState.LIVE
            phase = self.condition.phase(self._book) if can_tell else None
            self._is_failing = self._is_failing and phase is None
            self._step(phase, now_ns, is_due=is_due)
        except BookNotLive:
            # Too old since a moment ago: the clock went on meanwhile.
            self._step(None, now_ns, is_due=is_due)
        except BaseException as error:
            # Also what is no Exception: whoever looks, perhaps the reader of a link, must not die of it.
            self._step(None, now_ns, is_due=is_due)
            self._report(error)
            if ends_the_program(error):
                raise
        self._arm(now_ns)

    def _step(self, phase: Phase, now_ns: int, *, is_due: bool) -> None:
        trigger, fires = self._trigger.after(phase, now_ns, is_due=is_due)
        if fires and not self._closed:
            view, value = self._book.view(self._levels), self.condition.value(self._book)
            if not (view.is_live or self.condition.is_about_state):
                raise BookNotLive(self.symbol, view.state, view.reason, 0)
            self._put(Alert(self.symbol, str(self.condition), view, value, now_ns, 0))
        self._trigger = trigger

    def _put(self, alert: Alert) -> None:
        self.fired += 1
        self._metrics.alerts += 1
        if len(self._queue) >= self._limit:
            self._queue.popleft()
            self.skipped += 1
            self._skipped_now += 1
        self._queue.append(alert)
        self._ready.set()

    def _report(self, error: BaseException) -> None:
        self.condition_errors += 1
        self._metrics.condition_errors += 1
        if not self._is_failing:
            self._is_failing = True
            self._failed(ConditionFailed(self.symbol, str(self.condition), in_words(error)))
        if self._raises:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self._error = error
        self.close()

    # -- time --

    def _arm(self, now_ns: int) -> None:
        """Have it looked at again when it may have lasted long enough, or the book may have become too old."""
        due_ns = self._due_ns(now_ns)
        if self._closed or due_ns is None or (self._timer is not None and self._timer_ns <= due_ns):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._wake_at(due_ns, now_ns)

    def _due_ns(self, now_ns: int) -> int | None:
        lasted_ns, max_age_ms = self._trigger.due_ns, self._settings.max_age_ms
        if max_age_ms is None or (lasted_ns is None and not self.condition.is_about_state):
            return lasted_ns
        heard_ns = self._book.heard_ns
        is_live = self._book.is_live and heard_ns is not None
        aged_ns = (heard_ns or 0) + max_age_ms * MS + 1 if is_live else now_ns + RECHECK_NS
        return aged_ns if lasted_ns is None else min(aged_ns, lasted_ns)

    def _wake_at(self, due_ns: int, now_ns: int) -> None:
        self._timer_ns = due_ns
        # By a weak reference: whoever lets go of one need not close it.
        self._timer = self._loop.call_later(max(due_ns - now_ns, 0) / 1e9, _ring, ref(self))

    def ring(self) -> None:
        """The time has come."""
        now_ns, self._timer = self._clock(), None
        if now_ns < self._timer_ns:
            self._wake_at(self._timer_ns, now_ns)
        elif now_ns - self._timer_ns > self._settings.lag_ms * MS:
            # The loop was blocked: let it read what came meanwhile before anything is judged.
            self._wake_at(now_ns + self._settings.lag_ms * MS, now_ns)
        else:
            self.look(now_ns, is_due=True)

    # -- whoever takes them --

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Alert:
        """The next alert.

        Raises:
            StopAsyncIteration: There will be none.
        """
        while not self._queue:
            if self._error is not None:
                raise self._error
            if self._closed:
                raise StopAsyncIteration
            self._ready.clear()
            await self._ready.wait()
        alert = self._queue.popleft()
        skipped, self._skipped_now = self._skipped_now, 0
        return replace(alert, skipped=skipped)

    @property
    def standing(self) -> str:
        """The state of the book, in words."""
        book = self._book
        return f"the book is {book.state.value}" if book.is_live else f"the book is {book.state.value}, {book.reason}"

    def close(self, *, drain: bool = False) -> None:
        """No more alerts; whoever waits for one is released. May be called twice.

        Args:
            drain: What has fired already may still be taken.
        """
        if not drain:
            self._queue.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._closed:
            self._closed = True
            self._ready.set()
            self._gone(self)


def _ring(alerts: ref[Alerts]) -> None:
    if (one := alerts()) is not None:
        one.ring()
