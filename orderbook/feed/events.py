"""What a feed tells beside the events of its books.

All of it comes as ``FeedEvent``: from ``feed.events()``, and to what ``open_feed(on_event=)`` names. The types are to
be had from ``orderbook``, like those of a book's own events.
"""

from __future__ import annotations

from dataclasses import dataclass

from orderbook.events import AuditFailed, Event
from orderbook.types import Delta


@dataclass(frozen=True, slots=True)
class LinkUp:
    """A connection was welcomed by the venue."""

    name: str


@dataclass(frozen=True, slots=True)
class LinkDown:
    """A connection is over, or could not be made; the feed connects again."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class LinkReplaced:
    """A connection was replaced before its end, with no book leaving LIVE for it."""

    name: str


@dataclass(frozen=True, slots=True)
class KeyRefused:
    """The venue does not take the API key for the streams of its account. Only the user can help: it is told once.

    The key is tried again every ``FeedSettings.refused_retry_ms`` or so. ``code`` is the venue's, ``text`` says what
    happened and ``advice`` what to do, as in ``orderbook.errors.Refused``; neither has a secret.
    """

    code: str | None
    text: str
    advice: str


@dataclass(frozen=True, slots=True)
class SubscriptionRefused:
    """The venue does not stream a topic to us; a book is FAILED.

    ``symbol`` is the symbol of a book, or the topic of another stream as it stands on the wire.
    """

    symbol: str
    code: int | None
    text: str


@dataclass(frozen=True, slots=True)
class MessageRejected:
    """A message of a stream beside the books could not be used; the stream goes on, and its readers get ``Missed``.

    ``topic`` is that stream as it stands on the wire; ``reason`` is a short code, ``detail`` names the field.
    """

    topic: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class CallbackFailed:
    """A subscriber's callback raised; it goes on with the next update. ``symbol`` as in ``SubscriptionRefused``."""

    symbol: str
    problem: str


@dataclass(frozen=True, slots=True)
class ConditionFailed:
    """A condition cannot be told: its function raised, or it reaches past what is known of the book.

    Told once, until it can be told again; every time is counted (``SymbolMetrics.condition_errors``).
    """

    symbol: str
    condition: str
    problem: str


@dataclass(frozen=True, slots=True)
class RecordingFailed:
    """What is received is not recorded at the moment; a marker of the loss will stand in the recording."""

    path: str
    problem: str


@dataclass(frozen=True, slots=True)
class RecordingResumed:
    """The recording goes on; ``lost`` records are missing."""

    path: str
    lost: int


@dataclass(frozen=True, slots=True)
class LoopBlocked:
    """The event loop did not run for so long. Reads of a book may have been refused meanwhile."""

    milliseconds: int


@dataclass(frozen=True, slots=True)
class MassResync:
    """Many books wait for a snapshot at the same time; they are served as fast as the request budget lets them be.

    ``FeedSettings.mass_resync_min`` says how many are many. One incident may be several of these, each with its
    ``MassResyncEnded``: a link that comes back later brings its books when those of the others are served.
    """

    books: int
    """So many, when it began."""
    wait_ms: int
    """About how long it will take until all of them have it."""


@dataclass(frozen=True, slots=True)
class MassResyncEnded:
    """No book waits for a snapshot any more; those of links that are still down have yet to ask."""

    books: int
    """So many had waited, those included that joined after the beginning."""
    took_ms: int


Notice = (
    Event
    | LinkUp
    | LinkDown
    | LinkReplaced
    | KeyRefused
    | SubscriptionRefused
    | MessageRejected
    | CallbackFailed
    | ConditionFailed
    | RecordingFailed
    | RecordingResumed
    | LoopBlocked
    | MassResync
    | MassResyncEnded
)


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """An event with the symbol it is about; ``None``: the feed itself."""

    symbol: str | None
    event: Notice


@dataclass(frozen=True, slots=True)
class Dump:
    """What was there to see when an audit failed.

    Attributes:
        symbol: Whose book.
        event: At which sequence, and which levels differed by how much.
        recent: The last deltas received, oldest first.
        snapshot: The answer that the book was compared with; empty if the book was lost while it waited for the stream.
    """

    symbol: str
    event: AuditFailed
    recent: tuple[Delta, ...]
    snapshot: bytes
