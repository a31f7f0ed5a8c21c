"""Keys as they are pressed, while an event loop runs: the one place of the terminal that waits."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from prompt_toolkit.input import Input
    from prompt_toolkit.key_binding import KeyPress

PENDING_MAX: Final = 100
"""Keys that wait to be looked at; more are forgotten."""
ESCAPE_S: Final = 0.1
"""An escape character that nothing follows for so long is the key; otherwise it begins the code of another one."""

_NAMES: Final = {"c-i": "tab", "c-m": "enter", "c-j": "enter"}
_END: Final = ""


class Keys:
    """Names of pressed keys: ``"q"``, ``"?"``, ``"left"``, ``"tab"``, ``"c-c"``. Ends when the terminal is gone."""

    def __init__(self, source: Input) -> None:
        self._source = source
        self._pressed: asyncio.Queue[str] = asyncio.Queue(PENDING_MAX + 1)
        self._loop = asyncio.get_running_loop()
        self._flush: asyncio.TimerHandle | None = None

    def __aiter__(self) -> Keys:
        return self

    async def __anext__(self) -> str:
        """The next key; nothing is lost when the wait is cancelled.

        Raises:
            StopAsyncIteration: No more keys can come.
        """
        key = await self._pressed.get()
        if key == _END:
            self._pressed.put_nowait(_END)
            raise StopAsyncIteration
        return key

    def read(self) -> None:
        """Take what the terminal has."""
        self._take(self._source.read_keys())
        self.stop()
        if self._source.closed:
            self._take(self._source.flush_keys())
            # May be called once more after that.
            if not self._pressed.full():
                self._pressed.put_nowait(_END)
        else:
            self._flush = self._loop.call_later(ESCAPE_S, lambda: self._take(self._source.flush_keys()))

    def stop(self) -> None:
        """Leave no timer behind."""
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None

    def _take(self, presses: list[KeyPress]) -> None:
        for press in presses:
            name = str(getattr(press.key, "value", press.key))
            # One place is kept free for the end.
            if self._pressed.qsize() < PENDING_MAX:
                self._pressed.put_nowait(_NAMES.get(name, name))


class NoKeys:
    """Where there is no keyboard: a wait without end."""

    def __aiter__(self) -> NoKeys:
        return self

    async def __anext__(self) -> str:
        """Wait until cancelled."""
        never: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        return await never


@asynccontextmanager
async def keys(source: Input | None = None) -> AsyncIterator[AsyncIterator[str]]:
    """Read keys one by one, unseen, until the end of the block; then the terminal is as it was, whatever happened.

    Within the block Ctrl-C is a key (``"c-c"``), not a signal.

    Args:
        source: Where from; by default the terminal at stdin. Where stdin is no terminal, no key ever comes, and
            Ctrl-C stays a signal.
    """
    if source is None:
        if sys.stdin is None or not sys.stdin.isatty():
            yield NoKeys()
            return
        from prompt_toolkit.input import create_input  # noqa: PLC0415 - takes 0.1 s, for which nobody else need wait

        source = create_input()
    with ExitStack() as stack:
        pressed = Keys(source)
        stack.callback(pressed.stop)
        stack.enter_context(source.raw_mode())
        stack.enter_context(source.attach(pressed.read))
        yield pressed
