"""What can go wrong with a live feed, by who has to act."""

from __future__ import annotations

from orderbook.errors import OrderBookError, UsageError, VenueError
from orderbook.types import BookState


class FeedError(OrderBookError):
    """Base of the errors of a live feed."""


class FeedClosed(FeedError):
    """The feed was closed, or was not opened yet."""


class ForkedFeed(FeedError):
    """The process was forked: connections belong to the parent. Open a new feed in the child."""

    def __init__(self) -> None:
        super().__init__("this feed belongs to the parent process; open another one here")


class NotReady(FeedError, TimeoutError):
    """The book was not LIVE in time, or never will be without the user.

    Attributes:
        symbol: Whose book.
        state: Where it stands.
        reason: Why, in words.
    """

    def __init__(self, symbol: str, state: BookState, reason: str) -> None:
        super().__init__(symbol, state, reason)
        self.symbol = symbol
        self.state = state
        self.reason = reason

    def __str__(self) -> str:
        return f"the book of {self.symbol} is not ready: {self.state.value}, {self.reason}"


class StreamNotReady(FeedError, TimeoutError):
    """A stream was not subscribed in time, or never will be without the user.

    Attributes:
        topic: Which, as it stands on the wire.
        reason: Why, in words.
    """

    def __init__(self, topic: str, reason: str) -> None:
        super().__init__(topic, reason)
        self.topic = topic
        self.reason = reason

    def __str__(self) -> str:
        return f"the stream {self.topic} is not ready: {self.reason}"


class NoCredentials(FeedError, UsageError):
    """A stream of one's own account was asked for, and the feed was opened without an API key.

    Attributes:
        topic: Which stream.
    """

    def __init__(self, topic: str) -> None:
        super().__init__(topic)
        self.topic = topic

    def __str__(self) -> str:
        return (
            f"{self.topic} is of an account, and needs its API key: open the feed with credentials=, or set "
            "KUCOIN_API_KEY, KUCOIN_API_SECRET and KUCOIN_API_PASSPHRASE"
        )


class NotInTime(FeedError, TimeoutError):
    """What was waited for did not come to pass in time.

    Attributes:
        what: What that was, and where, in words.
        timeout_s: How long it was waited for, in seconds.
        detail: How it stood at the end, in words; may be empty.
    """

    def __init__(self, what: str, timeout_s: float, detail: str = "") -> None:
        super().__init__(what, timeout_s, detail)
        self.what = what
        self.timeout_s = timeout_s
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.what}: not within {self.timeout_s:g} s{self.detail and f'; {self.detail}'}"


class LinkError(VenueError):
    """A connection could not be made, or ended. The feed connects anew."""

    remedy = "reconnect"


class SubscribeError(VenueError):
    """The venue refused to subscribe a topic.

    Attributes:
        symbol: The symbol of a book; or the topic of another stream, as it stands on the wire.
        code: The venue's code.
        text: The venue's words.
    """

    remedy = "ignore"

    def __init__(self, symbol: str, code: int | None, text: str) -> None:
        super().__init__(symbol, code, text)
        self.symbol = symbol
        self.code = code
        self.text = text

    def __str__(self) -> str:
        return f"the venue refused to subscribe {self.symbol}: {self.code} {ascii(self.text)[1:-1][:200]}"
