"""What connections carry: books on some of them, streams beside the books on others, one's own account on a third kind.

A topic is known by its key. Of a book that is its symbol, of a stream its topic as it stands on the wire.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from orderbook.errors import FrameError
from orderbook.guard import Pulse
from orderbook.streams import Pushed
from orderbook.types import Delta, Message, OtherData
from orderbook.venues import kucoin_session
from orderbook.venues.base import Venue, decode_frame, decode_pushed
from orderbook.venues.kucoin_topics import TOPICS
from orderbook.venues.layout import SymbolFinder, layout_of
from orderbook.venues.topics import ALL

Brought = Message | Pushed | FrameError
"""What a frame comes to."""

Behind = Callable[[str, int], None]
"""Told that a topic stays behind the venue: its key, and how many messages of it ever came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What a connection is for. Those of different kinds share no connection.

    Attributes:
        name: For people; empty for books.
        decode: Makes what it comes to of a frame, the most bytes that one may have, and when it was read (ns).
        key_of: Whose a message is; ``None``: nobody's, or nobody knows.
        split: Path and name of a key's topic.
        find: Whose a frame is most likely, without decoding it; ``None``: all of them have to be decoded.
        is_private: Whether they need the token of an account.
        is_strict: Whether a message of a topic that was never asked for has to be told to all: what is missing shows
            by nothing else.
        doubt_s: When a connection has taken over from another, what comes on it is compared for so long with what came
            on the other: where no sequence tells, a message that comes late would else come twice.
    """

    name: str
    decode: Callable[[bytes, int, int], Brought]
    key_of: Callable[[Brought], str | None]
    split: Callable[[str], tuple[str, str]]
    find: Callable[[bytes], str | None] | None = None
    is_private: bool = False
    is_strict: bool = False
    doubt_s: float = 0.0

    def cut(self, keys: list[str], batch_max: int) -> tuple[list[str], list[str]]:
        """What one request may ask for, and the rest.

        Args:
            keys: In order, so that those of a path stand together.
            batch_max: Names in a request at most; the path may allow fewer. ``all`` stands alone: in a list it may be
                taken for a symbol, and such a one that there is not is acknowledged, and silent.
        """
        path, name = self.split(keys[0])
        topic = TOPICS.get(path)
        count_max = batch_max if topic is None else max(1, min(batch_max, topic.names_max))
        more = enumerate(map(self.split, keys[1:count_max]), 1)
        count = next((at for at, other in more if ALL in (name, other[1]) or other[0] != path), count_max)
        return keys[:count], keys[count:]

    def request(self, request: kucoin_session.Request, keys: Sequence[str], request_id: str) -> str:
        """The request for some keys of one path."""
        path, _ = self.split(keys[0])
        names = [name for _, name in map(self.split, keys) if name]
        return kucoin_session.subscription(request, request_id, path, names, is_private=self.is_private)


class Served(Protocol):
    """One topic that somebody wants."""

    @property
    def key(self) -> str:
        """What it is known by."""
        ...

    @property
    def symbol(self) -> str | None:
        """What it is about, for events; ``None``: no symbol alone."""
        ...

    @property
    def kind(self) -> Kind:
        """On what connections it is."""
        ...

    @property
    def is_live(self) -> bool:
        """Whether it is of use to anybody now."""
        ...

    @property
    def is_halted(self) -> bool:
        """Whether the venue has nothing to say of it at the moment."""
        ...

    @property
    def has_failed(self) -> bool:
        """Whether the venue does not let us have it."""
        ...

    def share(self, pulse: Pulse, behind: Behind) -> None:
        """From now on it is as fresh as that connection, which gets it anew if it stays behind."""

    def opened(self) -> None:
        """A connection is up."""

    def subscribed(self) -> None:
        """The venue acknowledged it."""

    def lost(self, reason: str) -> None:
        """The connection is gone."""

    def unreachable(self, reason: str) -> None:
        """No connection could be made; that is tried again."""

    def fail(self, reason: str) -> None:
        """The venue does not let us have it, or no connection has room."""

    def offer(self, frame: bytes, now_ns: int) -> bool:
        """Take a frame as it is, if it is plain; if not, nothing has happened."""

    # Of what its kind decodes to: nothing else is handed to it.
    def take(self, message: Any, now_ns: int) -> None:
        """A message of its own, or one that nobody can read."""

    def wake(self) -> None:
        """Something was heard on the connection after a silence."""


def books_of(venue: Venue) -> Kind:
    """The books of a venue."""
    layout = layout_of(venue)
    return Kind(
        name="",
        decode=lambda frame, bytes_max, _now_ns: decode_frame(venue, frame, bytes_max),
        key_of=_symbol_of,
        split=lambda symbol: (kucoin_session.BOOK_TOPIC, symbol),
        find=None if layout is None else SymbolFinder(layout).find,
    )


def streams_of(venue: Venue, *, is_private: bool = False) -> Kind:
    """The streams of a venue beside the books: those of the market, or those of an account."""
    return Kind(
        name=_ACCOUNT if is_private else _STREAMS,
        decode=lambda frame, bytes_max, now_ns: decode_pushed(venue, frame, bytes_max, now_ns),
        key_of=_topic_of,
        split=_split,
        is_private=is_private,
        is_strict=True,
        doubt_s=_DOUBT_S,
    )


_DOUBT_S: Final = 2.0
_STREAMS: Final = "streams"
_ACCOUNT: Final = "account"


def _symbol_of(message: Brought) -> str | None:
    return message.symbol if isinstance(message, Delta | FrameError) else None


def _topic_of(message: Brought) -> str | None:
    return message.topic if isinstance(message, Pushed | OtherData | FrameError) else None


def _split(topic: str) -> tuple[str, str]:
    path, _, name = topic.partition(":")
    return path, name
