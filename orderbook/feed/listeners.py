"""Callbacks: each is called by a task of its own, so that it can be slow or raise at nobody else's cost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from inspect import isawaitable
from typing import Protocol, TypeVar

from orderbook.errors import UsageError
from orderbook.feed.delivery import Update
from orderbook.feed.mistakes import ends_the_program, in_words

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Callback = Callable[[Update], Awaitable[None] | None]


class Heard(Protocol[T_co]):
    """What a callback can be called with the items of: a ``Subscription``, or ``Alerts``."""

    symbol: str
    callback_errors: int

    def __aiter__(self) -> AsyncIterator[T_co]: ...

    def close(self) -> None:
        """No more items."""


def check_callback(callback: object, takes: str) -> None:
    """Raise ``UsageError`` if something cannot be called."""
    if not callable(callback):
        raise UsageError(f"a callback is a function that takes {takes}, not {type(callback).__name__}")


class Listeners:
    """The callbacks of a feed.

    Args:
        failed: Told of each exception: whose subscription, and what it was.
    """

    def __init__(self, failed: Callable[[Heard[object], str], None]) -> None:
        self._failed = failed
        self._is_closing = False
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, subscription: Heard[T], callback: Callable[[T], Awaitable[None] | None]) -> None:
        """Have a callback called with every item of a subscription, until that is closed."""
        task = asyncio.get_running_loop().create_task(self._call(subscription, callback))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self, caller: asyncio.Task[object] | None = None) -> None:
        """Call nobody any more; a callback that asked for this itself may finish."""
        self._is_closing = True
        tasks = self._tasks - {caller}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _call(self, subscription: Heard[T], callback: Callable[[T], Awaitable[None] | None]) -> None:
        try:
            await self._call_always(subscription, callback)
        finally:
            # Nobody takes its updates any more.
            subscription.close()

    async def _call_always(self, subscription: Heard[T], callback: Callable[[T], Awaitable[None] | None]) -> None:
        async for update in subscription:
            try:
                result = callback(update)
                if isawaitable(result):
                    await result
            except asyncio.CancelledError:
                if self._is_closing:
                    raise
                self._report(subscription, "it cancelled itself")
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    # Whoever did that, perhaps the end of the program: it has to be obeyed.
                    raise
            except GeneratorExit:
                # The loop has ended, and this with it.
                raise
            except BaseException as error:
                # As asyncio does with what nobody catches: said aloud, even where no logging is set up.
                context = {"message": f"a callback for {subscription.symbol} failed", "exception": error}
                asyncio.get_running_loop().call_exception_handler(context)
                self._report(subscription, in_words(error))
                if ends_the_program(error):
                    raise

    def _report(self, subscription: Heard[object], problem: str) -> None:
        subscription.callback_errors += 1
        self._failed(subscription, problem)
