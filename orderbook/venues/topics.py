"""What a stream beside the book is, as data: how it is called, who may have it, and what decodes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, NamedTuple, TypeVar

from orderbook.errors import UsageError, shown
from orderbook.streams import StreamMessage
from orderbook.venues.fields import Fields

M_co = TypeVar("M_co", bound=StreamMessage, covariant=True)

ALL: Final = "all"
"""Asks for every symbol, where a topic has that."""


class Push(NamedTuple):
    """What a decoder starts from.

    Attributes:
        name: What stands behind the colon of the topic; empty if nothing does.
        subject: As it came; empty if there was none.
        data: The fields of its data.
        received_ns: When it was read.
    """

    name: str
    subject: str
    data: Fields
    received_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic(Generic[M_co]):
    """One stream of a venue.

    Attributes:
        path: What stands before the colon.
        decode: Makes a message of what was pushed. Raises ``FrameError``, and nothing else, for any data.
        subjects: What the subject may be. Anything else on the topic is another message, that nobody decodes; empty:
            the subject says something else.
        names_max: Names that one request may list, behind the colon: 0 where the topic has none at all.
        suffixes: One of these follows every name, after an underscore.
        has_all: Whether ``all`` may stand instead of names.
        is_private: Whether it is of one's own account.
    """

    path: str
    decode: Callable[[Push], M_co]
    subjects: frozenset[str] = frozenset()
    names_max: int = 100
    suffixes: tuple[str, ...] = ()
    has_all: bool = False
    is_private: bool = False

    def name(self, symbol: str = "", suffix: str = "") -> str:
        """What stands behind the colon for a symbol.

        Raises:
            UsageError: No symbol where there has to be one, or the other way round; or no such suffix.
        """
        if bool(symbol) != bool(self.names_max) or (symbol == ALL and not self.has_all):
            raise UsageError(f"{self.path} is not to be had for {shown(symbol)}")
        if self.suffixes and suffix not in self.suffixes:
            raise UsageError(f"{self.path} has {', '.join(self.suffixes)}, not {shown(suffix)}")
        return f"{symbol}_{suffix}" if self.suffixes else symbol

    def symbol(self, name: str) -> str:
        """The symbol that a name is of."""
        return name.rpartition("_")[0] if self.suffixes else name

    def channel(self, name: str) -> str:
        """The topic of a name as it stands on the wire."""
        return f"{self.path}:{name}" if name else self.path
