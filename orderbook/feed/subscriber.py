"""Gets topics subscribed on a link: in batches, acknowledged, and never spoilt by one bad symbol."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal

from orderbook.feed.errors import LinkError, SubscribeError
from orderbook.feed.link import Link
from orderbook.feed.pacing import MS
from orderbook.feed.served import Kind
from orderbook.guard import Clock
from orderbook.types import Control
from orderbook.venues import kucoin_session

log = logging.getLogger("orderbook.feed")

FINAL: Final = frozenset({400, 403, 404, 406, 415})
"""Codes that find fault with the request itself. Any other may pass, so the same is asked again later."""


class TooManyTopics(Exception):
    """The venue allows fewer topics on a connection than we thought.

    Attributes:
        limit: How many.
    """

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit


@dataclass(slots=True)
class Learnt:
    """What the venue told of its limits; all connections of a feed share it."""

    batch_max: int
    """Names in a request at most."""


class Refusals:
    """Topics that the venue refused. No refusal is for ever: it may have been the venue's mistake.

    Args:
        retry_ms: A topic is asked for again after about so long.
        clock: Monotonic, in ns.
        rng: For jitter, so that they do not all come at once.
    """

    def __init__(self, retry_ms: int, clock: Clock, rng: random.Random) -> None:
        self._retry_ns = retry_ms * MS
        self._clock = clock
        self._rng = rng
        self._due: dict[str, int] = {}

    def __contains__(self, key: object) -> bool:
        return key in self._due

    def add(self, key: str) -> None:
        """It was refused just now."""
        self._due[key] = self._clock() + int(self._retry_ns * self._rng.uniform(0.75, 1.25))

    def forget(self, key: str) -> None:
        """It was acknowledged, or is not wanted any more."""
        self._due.pop(key, None)

    def clear(self) -> None:
        """Everything is asked for again."""
        self._due.clear()

    def is_due(self, key: str) -> bool:
        """Whether it was refused, and is to be asked for again now."""
        return key in self._due and self._due[key] <= self._clock()

    def wait_s(self) -> float | None:
        """Until the next one is to be asked for, in seconds; ``None`` if there is none. O(refused)."""
        if not self._due:
            return None
        return max(MS, min(self._due.values()) - self._clock()) / 1e9


class Subscriber:
    """Subscribes and unsubscribes topics, known by their keys, on whatever link it is given.

    Args:
        kind: What they are.
        learnt: Limits; lowered when the venue says so.
        attempts: Requests for the same topics that may go unanswered before the link is given up; and refusals in a
            row, of the kind that may pass, before a bad symbol is looked for.
        acknowledged: Gets each key that the venue acknowledges.
        refused: Gets each that the venue refuses.
    """

    def __init__(
        self,
        kind: Kind,
        learnt: Learnt,
        attempts: int,
        acknowledged: Callable[[str], None],
        refused: Callable[[SubscribeError], None],
    ) -> None:
        self._kind = kind
        self._learnt = learnt
        self._attempts = attempts
        self._acknowledged = acknowledged
        self._refused = refused
        self._failures = 0

    def of_a_trial(self, refused: Callable[[SubscribeError], None]) -> Subscriber:
        """Another one, for a link of which nobody knows yet whether it will be of use."""
        trial = Subscriber(self._kind, self._learnt, self._attempts, lambda _key: None, refused)
        # It has no time to wait for what may pass: a bad symbol is looked for at once.
        trial._failures = self._attempts
        return trial

    async def subscribe(self, link: Link, keys: Iterable[str]) -> set[str]:
        """Subscribe topics; each is acknowledged or refused when this returns.

        Returns:
            Those that the venue could not serve at the moment, to be asked for later.

        Raises:
            LinkError: The link ended, or the venue answers nothing.
            TooManyTopics: The rest has no room on this link.
        """
        waiting, later = sorted(keys), set[str]()
        while waiting:
            batch, waiting = self._cut(waiting)
            again = await self._batch(link, batch, later)
            waiting = again + waiting
        self._failures = self._failures + 1 if later else 0
        return later

    def _cut(self, waiting: list[str]) -> tuple[list[str], list[str]]:
        """The next request, and the rest."""
        return self._kind.cut(waiting, self._learnt.batch_max)

    async def _batch(self, link: Link, batch: Sequence[str], later: set[str]) -> list[str]:
        """One request. What must be asked for again, in smaller batches, is returned; what must wait goes to later."""
        answer = await self._ask(link, "subscribe", batch)
        if answer.kind == "ack":
            link.subscribed.update(batch)
            for key in batch:
                self._acknowledged(key)
            return []
        if answer.code == 509 and (learnt := kucoin_session.learnt_limit(answer.text)) is not None:
            return self._learn(*learnt, SubscribeError(batch[0], answer.code, answer.text), batch)
        if answer.code not in FINAL and (len(batch) == 1 or self._failures < self._attempts):
            log.warning("%d topics not subscribed for now: %s %s", len(batch), answer.code, ascii(answer.text)[:120])
            later.update(batch)
            return []
        if len(batch) == 1:
            self._refused(SubscribeError(batch[0], answer.code, answer.text))
            return []
        # An error names no symbol: halves find the bad one, and the good ones get through.
        log.warning("%d topics refused together (%s %s): trying halves", len(batch), answer.code, answer.text)
        middle = len(batch) // 2
        halves = [await self._batch(link, half, later) for half in (batch[:middle], batch[middle:])]
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
        fits = max(1, limit if limit < len(batch) else len(batch) // 2)
        # Another connection may have learnt it meanwhile.
        self._learnt.batch_max = min(self._learnt.batch_max, fits)
        log.warning("the venue allows %d names in a request; from now on %d", limit, self._learnt.batch_max)
        return list(batch)

    async def unsubscribe(self, link: Link, keys: Iterable[str]) -> None:
        """Unsubscribe topics. What the venue says to it changes nothing.

        Raises:
            LinkError: The link ended, or the venue answers nothing.
        """
        waiting = sorted(keys)
        while waiting:
            batch, waiting = self._cut(waiting)
            link.subscribed.difference_update(batch)
            await self._ask(link, "unsubscribe", batch)

    async def _ask(self, link: Link, kind: kucoin_session.Request, batch: Sequence[str]) -> Control:
        """Ask until there is an answer: subscribing twice gives two acknowledgements and one stream."""
        for attempt in range(1, self._attempts + 1):
            try:
                return await link.request(partial(self._kind.request, kind, batch))
            except TimeoutError:
                log.warning("no answer to %s of %d topics (attempt %d)", kind, len(batch), attempt)
        raise LinkError(f"no answer to {kind} after {self._attempts} attempts")
