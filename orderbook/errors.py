"""Errors, split by who has to act: the caller (``UsageError``), the venue (``VenueError``), or nobody yet.

Anything else that escapes from this library is a bug of ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from orderbook.types import BookState, Side


class OrderBookError(Exception):
    """Base of all errors of this library."""


class UsageError(OrderBookError, ValueError):
    """The caller's mistake: an argument that cannot mean anything."""


class BookNotLive(OrderBookError):
    """The book cannot be trusted at this moment, so the query was refused.

    Attributes:
        symbol: Whose book.
        state: What the book says of itself.
        reason: Why it is not LIVE, in words.
        since: When it stopped being LIVE, in ns of the clock handed to the book; 0 if never LIVE or no clock.
    """

    def __init__(self, symbol: str, state: BookState, reason: str, since: int) -> None:
        super().__init__(symbol, state, reason, since)
        self.symbol = symbol
        self.state = state
        self.reason = reason
        self.since = since

    def __str__(self) -> str:
        why = f": {self.reason}" if self.reason else ""
        return f"book of {self.symbol} is {self.state.value}{why}; book.last_known reads the last one anyway"


class BeyondHorizon(OrderBookError):
    """The question reaches past what a partial snapshot covers.

    Attributes:
        symbol: Whose book.
        side: The ladder that is not known that far.
        horizon: Last price, as decimal text, up to and including which the side is complete.
    """

    def __init__(self, symbol: str, side: Side, horizon: str) -> None:
        super().__init__(symbol, side, horizon)
        self.symbol = symbol
        self.side = side
        self.horizon = horizon

    def __str__(self) -> str:
        return (
            f"{self.side.name.lower()}s of {self.symbol} are known only up to {self.horizon}; "
            f"ask for less, read what is known with view(n) or depth(n, allow_partial=True), or seed the book deeper"
        )


class VenueError(OrderBookError):
    """The venue sent something that cannot be used."""

    #: What a feed must do: "ignore" the frame, "resync" the book or "reconnect" the socket.
    remedy: Literal["ignore", "resync", "reconnect"] = "resync"


class FrameError(VenueError):
    """Bytes that are not a message of this venue.

    Attributes:
        reason: A short code for counters: ``size``, ``utf8``, ``json``, ``nesting``, ``fields``, ``number``,
            ``sequence``, ``symbol``, ``error`` or ``crossed``.
        symbol: Whose book the frame belongs to, when that much could be read.
    """

    def __init__(self, reason: str, detail: str, symbol: str | None = None) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail
        self.symbol = symbol

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"


class NumberError(FrameError):
    """A value that is not in the number grammar, or cannot be held exactly.

    Attributes:
        value: The start of the offending text.
        problem: What is wrong with it.
    """

    def __init__(self, value: object, problem: str) -> None:
        # ascii(): whatever the wire sent must survive any log.
        text = ascii(value if not isinstance(value, str) else value[:80])[:90]
        super().__init__("number", f"{text} {problem}")
        self.value = text
        self.problem = problem


class UnknownVenue(UsageError):
    """No module for that venue name."""
