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
        was_known: Whether there is a last known book, which ``book.last_known`` reads.
    """

    def __init__(self, symbol: str, state: BookState, reason: str, since: int, was_known: bool = True) -> None:  # noqa: FBT001, FBT002 - as pickle hands it in
        super().__init__(symbol, state, reason, since, was_known)
        self.symbol = symbol
        self.state = state
        self.reason = reason
        self.since = since
        self.was_known = was_known

    def __str__(self) -> str:
        why = f": {self.reason}" if self.reason else ""
        advice = "; book.last_known reads the last one anyway" if self.was_known else ""
        return f"book of {self.symbol} is {self.state.value}{why}{advice}"


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


class OrdersNotSynced(OrderBookError):
    """It is not certain which orders of one's own are open, so what depends on them was refused.

    Attributes:
        reason: Why not, in words.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"own orders are not synced: {self.reason}; a list of the open orders makes them so"


class VenueError(OrderBookError):
    """The venue sent something that cannot be used."""

    #: What a feed must do: "ignore" the frame, "resync" the book or "reconnect" the socket.
    remedy: Literal["ignore", "resync", "reconnect"] = "resync"


def shown(value: object) -> str:
    """A value as a message shows it: ASCII and short, an integer too, which CPython refuses to write if it is long."""
    if isinstance(value, int) and value.bit_length() > 128:
        return f"an integer of {value.bit_length()} bits"
    return ascii(value)[:40]


class FrameError(VenueError):
    """Bytes that are not a message of this venue.

    Attributes:
        reason: A short code for counters: ``size``, ``utf8``, ``json``, ``nesting``, ``fields``, ``number``,
            ``sequence``, ``symbol``, ``error`` or ``crossed``.
        symbol: Whose book the frame belongs to, when that much could be read.
        topic: Which of the streams beside the books it belongs to, as it stands on the wire; ``None``: none.
    """

    def __init__(self, reason: str, detail: str, symbol: str | None = None) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail
        self.symbol = symbol
        self.topic: str | None = None

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


class RestError(VenueError):
    """A REST request got no usable answer. One line says what happened and what to do.

    Attributes:
        code: The venue's code, as text; ``None`` when it gave none.
        text: What happened, safe to print.
        status: HTTP status; ``None`` when there was no answer.
        advice: What to do about it; may be empty.
        is_transient: Whether the same request may succeed a little later.
    """

    def __init__(
        self, code: str | None, text: str, status: int | None = None, advice: str = "", *, is_transient: bool = False
    ) -> None:
        super().__init__(code, text, status, advice)
        self.code = code
        self.text = text
        self.status = status
        self.advice = advice
        self.is_transient = is_transient

    def __str__(self) -> str:
        return f"{self.text}; {self.advice}" if self.advice else self.text


class Unreachable(RestError):
    """Nobody answered: no network, no such host, no trusted certificate, a broken proxy, or no answer in time."""


class RateLimited(RestError):
    """The venue wants fewer requests.

    Attributes:
        retry_ms: How long it wants to be left alone, in ms; ``None`` when it did not say.
        is_quota: Whether a quota of ours is used up; else the venue itself is overloaded.
    """

    def __init__(
        self,
        code: str | None,
        text: str,
        status: int | None = None,
        advice: str = "",
        *,
        retry_ms: int | None = None,
        is_quota: bool = False,
    ) -> None:
        super().__init__(code, text, status, advice, is_transient=True)
        self.retry_ms = retry_ms
        self.is_quota = is_quota


class Refused(RestError):
    """The venue does not accept the key, its signature, the clock or the address.

    Asking again does not help, but with the clock: that one is set sooner or later, so it is the one ``is_transient``.
    """

    @property
    def is_final(self) -> bool:
        """Whether the venue itself said so, by a code, and only the user can help."""
        return self.code is not None and not self.is_transient


class UnknownSymbol(RestError):
    """The venue has no such symbol, or does not trade it.

    Attributes:
        symbol: Which; empty when the request named none.
    """

    def __init__(
        self, code: str | None, text: str, status: int | None = None, advice: str = "", *, symbol: str = ""
    ) -> None:
        super().__init__(code, text, status, advice)
        self.symbol = symbol


class BadAnswer(RestError):
    """An answer that is none: a page of HTML, half a body, too long a body, or other fields than documented."""


class PortInUse(OrderBookError):
    """The local KuCoin cannot listen there.

    Attributes:
        host: The address.
        port: The port.
        why: In words of the operating system.
    """

    def __init__(self, host: str, port: int, why: str = "in use") -> None:
        super().__init__(host, port, why)
        self.host = host
        self.port = port
        self.why = why

    def __str__(self) -> str:
        remedy = "stop what listens there, or choose another port (0: any free)"
        return f"port {self.port} of {self.host}: {self.why}; {remedy}"


class UnknownVenue(UsageError):
    """No module for that venue name."""
