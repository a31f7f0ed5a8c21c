"""What a link brings, sorted: each message to the book, or to the stream, that it is of."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from orderbook.errors import FrameError, shown
from orderbook.feed.handover import Handover
from orderbook.feed.metrics import FeedMetrics
from orderbook.feed.served import Brought, Kind, Served

log = logging.getLogger("orderbook.feed")


class Sorter:
    """The receiver of a link.

    Args:
        name: Of the link, for people.
        kind: What the link is for.
        served: Whatever is on this link, by its key; it may come and go.
        metrics: The feed's.

    Attributes:
        handover: While another link takes over: what of it passes.
    """

    def __init__(self, name: str, kind: Kind, served: Mapping[str, Served], metrics: FeedMetrics) -> None:
        self.handover: Handover | None = None
        self._name = name
        self._served = served
        self._metrics = metrics
        self._find = kind.find
        self._key_of = kind.key_of
        self._is_strict = kind.is_strict
        self._gone: set[str] = set()

    def taker(self, frame: bytes) -> Served | None:
        """The book that a frame is most likely for; while links change over, all have to be decoded."""
        if self._find is None or self.handover is not None:
            return None
        key = self._find(frame)
        return None if key is None else self._served.get(key)

    def take(self, message: Brought, now_ns: int) -> None:
        """Hand a message to whom it is of."""
        if self.handover is not None and not self.handover.passes(message):
            return
        key = self._key_of(message)
        if key is not None and (one := self._served.get(key)) is not None:
            one.take(message, now_ns)
        elif self._is_stray(key):
            error = FrameError("symbol", f"a message of {shown(key)}, which nobody asked for")
            for one in tuple(self._served.values()):
                one.take(error, now_ns)
        elif key is None and isinstance(message, FrameError) and message.remedy != "ignore":
            log.warning("link %s: unreadable message: %s", self._name, message)
            for one in tuple(self._served.values()):
                one.take(message, now_ns)
        else:
            self._metrics.unknown_frames += 1

    def forget(self, key: str) -> None:
        """A topic is not wanted any more; messages of it may be on the way."""
        self._gone.add(key)

    def _is_stray(self, key: str | None) -> bool:
        """Whether it is of a topic that was never asked for, so that it may be one of ours whose name was damaged.

        A book knows by its sequence that a message is missing, and by nothing else does it have to.
        """
        return self._is_strict and key is not None and key not in self._gone

    def wake(self) -> None:
        """Something was heard on the link after a silence."""
        for one in tuple(self._served.values()):
            one.wake()
