"""How a feed and its symbols are doing at one moment, as immutable values; made by the feed, drawn by anybody.

Durations are in milliseconds, and lengths of time, not dates: whoever shows them needs no clock.
"""

from __future__ import annotations

from dataclasses import dataclass

from orderbook.types import BookState


@dataclass(frozen=True, slots=True)
class SymbolStatus:
    """One symbol."""

    symbol: str
    state: BookState
    reason: str
    """Why it is in that state, in words."""
    age_ms: int | None
    """Time since something was heard of it or of its link; ``None`` before that."""
    sequence: int
    """The venue's sequence of the book; 0 before the first snapshot."""
    frames_per_s: float
    """Frames of this symbol in a second, over the last few seconds."""
    resyncs: int
    """Rebuilds of the book from a new snapshot."""
    gaps: int
    """Losses that were noticed in the stream."""
    since_ms: int
    """For how long it has been in that state."""


@dataclass(frozen=True, slots=True)
class LinkHealth:
    """One connection to the venue."""

    name: str
    """A short name that stays the same over reconnects."""
    connected: bool
    """Whether the venue has welcomed it and it has not been lost since."""
    symbols: int
    """Topics that are on it: one for each symbol, where it carries books."""
    rtt_ms: float | None
    """From the last ping to its pong; ``None`` before the first."""
    reconnects: int
    """Connections made after the first."""


@dataclass(frozen=True, slots=True)
class FeedHealth:
    """A whole feed at one moment, as ``feed.health()`` tells it.

    A book that is not LIVE need not be among ``books_waiting``: before it asks for a snapshot, its link must be up, its
    subscription acknowledged, and its first delta there or overdue. All is well when ``books_live`` is ``books``.

    Attributes:
        links: The connections, each with its name, whether it is up, its symbols, round trip time and reconnects.
        budget_used: Request weight used in the venue's current window.
        budget_limit: Request weight that the venue allows in a window.
        client_messages: Messages sent to the venue so far, over all links: pings, subscriptions.
        books_waiting: Books that are not LIVE and have asked for the snapshot that would change that. Those of a link
            that is down, or whose subscription is not acknowledged, have not.
        books_wait_ms: About how long it takes until all of these have it: by the request budget, its window, and bans
            in force.
        books: Books of the feed.
        books_live: Those that can be read.
        streams: Topics of streams beside the books that somebody reads.
        streams_live: Those whose messages come.
    """

    links: tuple[LinkHealth, ...]
    budget_used: int
    budget_limit: int
    client_messages: int
    books_waiting: int = 0
    books_wait_ms: int = 0
    books: int = 0
    books_live: int = 0
    streams: int = 0
    streams_live: int = 0

    @property
    def links_up(self) -> int:
        """Number of links that are connected."""
        return sum(link.connected for link in self.links)

    @property
    def reconnects(self) -> int:
        """Over all links."""
        return sum(link.reconnects for link in self.links)

    @property
    def rtt_ms(self) -> float | None:
        """The slowest link's; ``None`` if none was measured."""
        return max((link.rtt_ms for link in self.links if link.connected and link.rtt_ms is not None), default=None)
