"""One topic of a stream beside the books, and its readers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

from orderbook.errors import FrameError
from orderbook.feed.events import MessageRejected, Notice
from orderbook.feed.held import Held
from orderbook.feed.metrics import FeedMetrics
from orderbook.feed.served import Behind, Kind
from orderbook.feed.stream import Stream
from orderbook.guard import Pulse
from orderbook.streams import Missed, Pushed
from orderbook.types import OtherData
from orderbook.venues.topics import ALL, Topic

log = logging.getLogger("orderbook.feed")

_NEW: Final = "not subscribed yet"


class StreamKeeper:
    """Hands what the venue says on one topic to all who read it.

    There is nothing to ask for what was missed: the topics have no sequence that goes on, and no snapshot. So whatever
    may have lost a message, of this topic or of the whole connection, is told to every reader where it happened.

    Args:
        topic: Which stream.
        key: Its topic as it stands on the wire.
        symbol: What it is of; ``all`` or an empty text where the stream has no such name.
        kind: On what connections it is.
        tell: Gets every event, with the symbol that it is about.
        metrics: The feed's.

    Attributes:
        readers: Who reads it.
        has_failed: Whether the venue does not let us have it.
    """

    is_halted: Final = False

    def __init__(
        self,
        topic: Topic[Any],
        key: str,
        symbol: str,
        kind: Kind,
        tell: Callable[[str | None, Notice], None],
        metrics: FeedMetrics,
    ) -> None:
        self.key = key
        self.kind = kind
        self.name = symbol
        self.symbol = None if symbol in ("", ALL) else symbol
        self.readers: Held[Stream[Any]] = Held()
        self.has_failed = False
        self._path = topic.path
        self._tell = tell
        self._metrics = metrics
        self._pulse = Pulse()
        self._is_subscribed = self._is_silent = False
        self._problem: str | None = None

    def __repr__(self) -> str:
        return f"<StreamKeeper of {self.key}, {len(self.readers)} readers>"

    @property
    def is_live(self) -> bool:
        """Whether its messages come."""
        return self._is_subscribed and self._problem is None

    @property
    def why(self) -> str:
        """Why they do not."""
        return self._problem or _NEW

    def join(self, reader: Stream[Any]) -> None:
        """One reader more. If nothing comes at the moment, it is told at once."""
        self.readers.add(reader)
        if self._problem is not None:
            reader.miss(self._missed(self._problem, is_over=False))

    # -- what the link tells --

    def share(self, pulse: Pulse, behind: Behind) -> None:  # noqa: ARG002 - nobody can tell that it is behind
        """It is on that link."""
        self._pulse = pulse

    def opened(self) -> None:
        """A link is up, and has to be asked."""
        self._is_subscribed = self.has_failed = False

    def subscribed(self) -> None:
        """The venue acknowledged it: whatever happens from now on is told."""
        self._is_subscribed, self.has_failed = True, False
        self._go_on()
        for reader in self.readers:
            reader.turn()

    def lost(self, reason: str) -> None:
        """The link is gone."""
        self._is_subscribed = False
        self._interrupt(f"connection lost: {reason}")

    def unreachable(self, reason: str) -> None:
        """No link could be made."""
        self._interrupt(f"no connection: {reason}")

    def fail(self, reason: str) -> None:
        """The venue refused it, or the key; it is asked again later."""
        self.has_failed = True
        self._interrupt(reason)

    def offer(self, frame: bytes, now_ns: int) -> bool:  # noqa: ARG002 - as Served has it
        """No message of a stream is taken before it is decoded."""
        return False

    def take(self, message: Pushed | OtherData | FrameError, now_ns: int) -> None:
        """A message of its own, one that is not decoded because its subject is another, or one that nobody can read."""
        # It may come before the acknowledgement.
        self._go_on(now_ns)
        if isinstance(message, Pushed):
            self._metrics.stream_messages += 1
            for reader in self.readers:
                reader.put(self.name, message.message)
            return
        if isinstance(message, OtherData):
            self._metrics.unknown_frames += 1
            return
        log.warning("%s: a message that cannot be used: %s", self.key, message)
        self._metrics.stream_rejected += 1
        self._tell(self.symbol, MessageRejected(self.key, message.reason, message.detail))
        self._miss(f"a message that cannot be used: {message}", now_ns)

    def wake(self) -> None:
        """Something was heard on the link after a silence."""
        if self._is_silent:
            self._go_on()

    def look(self, now_ns: int, silence_max_ns: int) -> None:
        """Whether the link was silent for too long: what is said there may not arrive."""
        heard_ns = self._pulse.heard_ns
        if self.is_live and heard_ns is not None and now_ns - heard_ns > silence_max_ns:
            self._interrupt(f"nothing was heard on the connection for {silence_max_ns // 1_000_000} ms")
            self._is_silent = True

    # -- what is told --

    def _interrupt(self, problem: str) -> None:
        """No message comes any more. Further reasons are told to those who ask."""
        # A sign of life ends a silence alone, not what came upon it.
        self._is_silent = False
        is_first, self._problem = self._problem is None, problem
        if is_first:
            log.warning("%s: interrupted: %s", self.key, problem)
            self._metrics.stream_interruptions += 1
            self._miss(problem, is_over=False)
        for reader in self.readers:
            reader.turn()

    def _go_on(self, now_ns: int = 0) -> None:
        """Messages come again, if they did not."""
        self._is_silent = False
        if self._problem is not None:
            problem, self._problem = self._problem, None
            log.info("%s: goes on after: %s", self.key, problem)
            self._miss(problem, now_ns)

    def _miss(self, reason: str, now_ns: int = 0, *, is_over: bool = True) -> None:
        missed = self._missed(reason, now_ns, is_over=is_over)
        for reader in self.readers:
            reader.miss(missed)

    def _missed(self, reason: str, now_ns: int = 0, *, is_over: bool) -> Missed:
        return Missed(path=self._path, symbols=(self.name,), reason=reason, is_over=is_over, received_ns=now_ns)
