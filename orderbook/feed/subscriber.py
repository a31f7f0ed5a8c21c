"""Gets symbols subscribed on a link: in batches, acknowledged, and never spoilt by one bad symbol."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Final, Literal

from orderbook.feed.errors import LinkError, SubscribeError
from orderbook.feed.link import Link
from orderbook.types import Control
from orderbook.venues import kucoin_session

log = logging.getLogger("orderbook.feed")

FINAL: Final = frozenset({400, 403, 404, 406, 415})
"""Codes that find fault with the request itself. Any other may pass, so the same is asked again later."""


class TooManyTopics(Exception):
    """The venue allows fewer symbols on a connection than we thought.

    Attributes:
        limit: How many.
    """

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit


class Subscriber:
    """Subscribes and unsubscribes symbols on whatever link it is given.

    Args:
        batch_max: Symbols in a request at most; lowered when the venue says so.
        attempts: Requests for the same symbols that may go unanswered before the link is given up; and refusals in a
            row, of the kind that may pass, before a bad symbol is looked for.
        refused: Gets each symbol that the venue refuses.
    """

    def __init__(self, batch_max: int, attempts: int, refused: Callable[[SubscribeError], None]) -> None:
        self.batch_max = batch_max
        self._attempts = attempts
        self._refused = refused
        self._failures = 0

    async def subscribe(self, link: Link, symbols: Iterable[str], acknowledged: Callable[[str], None]) -> set[str]:
        """Subscribe symbols; each is acknowledged or refused when this returns.

        Returns:
            Those that the venue could not serve at the moment, to be asked for later.

        Raises:
            LinkError: The link ended, or the venue answers nothing.
            TooManyTopics: The rest of the symbols has no room on this link.
        """
        waiting, later = sorted(symbols), set[str]()
        while waiting:
            batch, waiting = waiting[: self.batch_max], waiting[self.batch_max :]
            again = await self._batch(link, batch, acknowledged, later)
            waiting = again + waiting
        self._failures = self._failures + 1 if later else 0
        return later

    async def _batch(
        self, link: Link, batch: Sequence[str], acknowledged: Callable[[str], None], later: set[str]
    ) -> list[str]:
        """One request. What must be asked for again, in smaller batches, is returned; what must wait goes to later."""
        answer = await self._ask(link, "subscribe", batch)
        if answer.kind == "ack":
            link.subscribed.update(batch)
            for symbol in batch:
                acknowledged(symbol)
            return []
        if answer.code == 509 and (learnt := kucoin_session.learnt_limit(answer.text)) is not None:
            return self._learn(*learnt, SubscribeError(batch[0], answer.code, answer.text), batch)
        if answer.code not in FINAL and (len(batch) == 1 or self._failures < self._attempts):
            log.warning("%d symbols not subscribed for now: %s %s", len(batch), answer.code, ascii(answer.text)[:120])
            later.update(batch)
            return []
        if len(batch) == 1:
            self._refused(SubscribeError(batch[0], answer.code, answer.text))
            return []
        # An error names no symbol: halves find the bad one, and the good ones get through.
        log.warning("%d symbols refused together (%s %s): trying halves", len(batch), answer.code, answer.text)
        middle = len(batch) // 2
        halves = [await self._batch(link, half, acknowledged, later) for half in (batch[:middle], batch[middle:])]
        return halves[0] + halves[1]

    def _learn(
        self, kind: Literal["batch", "session"], limit: int, error: SubscribeError, batch: Sequence[str]
    ) -> list[str]:
        """A limit that is lower than ours."""
        if kind == "session":
            raise TooManyTopics(limit)
        if len(batch) == 1:
            self._refused(error)
            return []
        # A limit that the batch keeps already would have us ask the same for ever.
        self.batch_max = max(1, limit if limit < len(batch) else len(batch) // 2)
        log.warning("the venue allows %d symbols in a request; from now on %d", limit, self.batch_max)
        return list(batch)

    async def unsubscribe(self, link: Link, symbols: Iterable[str]) -> None:
        """Unsubscribe symbols. What the venue says to it changes nothing.

        Raises:
            LinkError: The link ended, or the venue answers nothing.
        """
        waiting = sorted(symbols)
        while waiting:
            batch, waiting = waiting[: self.batch_max], waiting[self.batch_max :]
            link.subscribed.difference_update(batch)
            await self._ask(link, "unsubscribe", batch)

    async def _ask(self, link: Link, kind: kucoin_session.Request, batch: Sequence[str]) -> Control:
        """Ask until there is an answer: subscribing twice gives two acknowledgements and one stream."""
        for attempt in range(1, self._attempts + 1):
            try:
                return await link.request(partial(kucoin_session.subscription, kind, symbols=batch))
            except TimeoutError:
                log.warning("no answer to %s of %d symbols (attempt %d)", kind, len(batch), attempt)
        raise LinkError(f"no answer to {kind} after {self._attempts} attempts")
