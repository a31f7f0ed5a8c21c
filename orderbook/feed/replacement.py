"""Another link takes the place of one that nears its end, or it is given up, and nobody notices either."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from orderbook.errors import RestError
from orderbook.feed.errors import LinkError
from orderbook.feed.handover import Handover
from orderbook.feed.link import Link
from orderbook.feed.opener import Opener

Missing = Callable[[Link, Link], set[str]]
"""Tells which symbols the first link serves and the second one does not."""


class Replacement:
    """One attempt to replace a link, which serves on meanwhile.

    Args:
        old: That link.
        opener: Opens the other one.
        welcomed: Called when the other one is up, before anything is subscribed on it.
        subscribe: Subscribes on it whatever is wanted.
        missing: See ``Missing``.

    Attributes:
        handover: Knows what both links brought.
    """

    def __init__(
        self,
        old: Link,
        opener: Opener,
        welcomed: Callable[[Handover], None],
        subscribe: Callable[[Link], Awaitable[object]],
        missing: Missing,
    ) -> None:
        self.handover = Handover()
        self._old = old
        self._opener = opener
        self._welcomed = welcomed
        self._subscribe = subscribe
        self._missing = missing

    async def run(self, change_over: Callable[[Link, Handover], None]) -> Link:
        """Try it.

        Args:
            change_over: Puts the new link in charge, without a pause between the last look at both and this.

        Raises:
            LinkError: It failed, and everything is as before; or the old link ended first.
            RestError: No token.
        """
        attempt = asyncio.create_task(self._successor())
        try:
            await asyncio.wait((attempt, self._old.ended), return_when=asyncio.FIRST_COMPLETED)
        finally:
            attempt.cancel()
            if not attempt.done():
                # Whoever cancels this wait leaks nothing: what is cancelled ends its own link.
                await asyncio.wait((attempt,))
            link = _outcome(attempt)
            problem = self._judge(link)
            if isinstance(link, Link):
                if problem is None:
                    change_over(link, self.handover)
                else:
                    link.end("not needed")
        if problem is not None or not isinstance(link, Link):
            raise problem or LinkError("given up")
        return link

    def _judge(self, link: Link | BaseException) -> Exception | None:
        """Why there can be no change, if there cannot."""
        if isinstance(link, LinkError | RestError):
            return link
        if not isinstance(link, Link):
            is_over = self._old.ended.done()
            return LinkError("the old link ended" if is_over else f"internal error: {type(link).__name__}")
        if link.ended.done():
            return LinkError(f"it ended at once: {link.ended.result()}")
        if self.handover.is_full:
            return LinkError("too many messages while two links were open")
        if missing := self._missing(self._old, link):
            return LinkError(f"the venue does not subscribe {len(missing)} symbols at the moment")
        return None

    async def _successor(self) -> Link:
        link = await self._opener.open_beside(self.handover)
        self._welcomed(self.handover)
        try:
            await self._subscribe(link)
            if self._missing(self._old, link):
                # Something was added meanwhile, or moved.
                await self._subscribe(link)
            # Both carry all deltas now. With this pong, what the old one alone carried has been read.
            await self._old.fence()
        except TimeoutError:
            link.end("not needed")
            raise LinkError("no pong of the old link") from None
        except BaseException:
            link.end("not needed")
            raise
        return link

    async def settle(self, link: Link, doubt_s: float) -> None:
        """Wait until all that the old link may have brought as well has come from the new one.

        Args:
            link: The new one.
            doubt_s: Behind its pongs the venue may be late for so long.
        """
        if doubt_s:
            await asyncio.wait((link.ended,), timeout=doubt_s)
        with suppress(LinkError, TimeoutError):
            await link.fence()
        link.tape = None


def _outcome(attempt: asyncio.Task[Link]) -> Link | BaseException:
    if attempt.cancelled():
        return asyncio.CancelledError()
    return attempt.exception() or attempt.result()
