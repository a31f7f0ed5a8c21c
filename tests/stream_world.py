"""A feed that reads streams of a venue which says what a test has written down, in virtual time."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, Final

from orderbook.clock import loop_clock
from orderbook.errors import RestError
from orderbook.feed.events import FeedEvent
from orderbook.feed.feed import Feed
from orderbook.feed.seams import Record, World
from orderbook.feed.settings import FeedSettings
from orderbook.feed.stream import Stream
from orderbook.simulator import virtual_time
from orderbook.streams import Missed
from orderbook.venues.rest import Instrument, Token
from tests.feed_world import VENUE, ScriptedSocket, ScriptedVenue, eventually
from tests.kucoin_pushes import TRADE

BTC, ETH, SOL = "BTC-USDT", "ETH-USDT", "SOL-USDT"
SETTINGS: Final = FeedSettings(audit_interval_ms=None, instruments_interval_ms=None)


@dataclass
class StreamVenue(ScriptedVenue):
    """The scripted venue, with symbols and accounts.

    Attributes:
        private: Whether each token was one of an account.
    """

    private: list[bool] = field(default_factory=list)

    async def token(self, *, private: bool = False) -> Token:
        self.private.append(private)
        return await super().token()

    async def symbols(self) -> tuple[Instrument, ...]:
        return tuple(Instrument(one, one[:3], one[4:], "0.1", "0.1", is_trading=True) for one in (BTC, ETH, SOL))

    def has_asked(self, number: int) -> bool:
        """Whether something was asked for on so many connections."""
        return sum(bool(socket.of("subscribe")) for socket in self.sockets) >= number

    def asked(self, kind: str = "subscribe") -> list[str]:
        """The topics of all requests of a kind, over all connections."""
        return [message["topic"] for socket in self.sockets for message in socket.of(kind)]


def trade(number: int, symbol: str = BTC) -> bytes:
    """A trade on the wire; its number is its sequence."""
    data = TRADE.data | {"symbol": symbol, "sequence": str(number), "tradeId": str(number)}
    topic = f"/market/match:{symbol}"
    return json.dumps({"topic": topic, "type": "message", "subject": TRADE.subject, "data": data}).encode()


def said(item: Any) -> object:
    """What tells items apart: the number of a trade, or that something is missing and whether that is over."""
    return ("over" if item.is_over else "missed") if isinstance(item, Missed) else item.sequence


async def take(stream: Stream[Any], number: int) -> list[Any]:
    """So many items, said in short."""
    return [said(await anext(stream)) for _ in range(number)]


@dataclass
class StreamScene:
    """A feed and its venue.

    Attributes:
        told: Every event.
    """

    feed: Feed
    venue: StreamVenue
    told: list[FeedEvent]

    def events(self, *kinds: type) -> list[Any]:
        """What was told of these kinds."""
        return [one.event for one in self.told if isinstance(one.event, kinds)]

    async def socket(self, number: int = 1) -> ScriptedSocket:
        """Wait until so many connections were opened; returns the last one."""
        await eventually(lambda: len(self.venue.sockets) >= number)
        return self.venue.sockets[number - 1]


@asynccontextmanager
async def scene(
    venue: StreamVenue | None = None,
    settings: FeedSettings = SETTINGS,
    *,
    has_key: bool = False,
    record: Record | None = None,
    **options: Any,
) -> AsyncIterator[StreamScene]:
    """A feed without books, opened."""
    wire, told = venue or StreamVenue(), list[FeedEvent]()
    async with feed_of(wire, replace(settings, **options), told, has_key=has_key, record=record) as feed:
        yield StreamScene(feed, wire, told)


def feed_of(
    wire: StreamVenue,
    settings: FeedSettings = SETTINGS,
    told: list[FeedEvent] | None = None,
    *,
    has_key: bool = False,
    record: Record | None = None,
) -> Feed:
    """A feed without books, to be opened in an event loop."""
    ids = count(1)

    async def world(_feed: Feed, _stack: AsyncExitStack) -> World:
        return World(
            rest=wire,
            connect=wire.connect,
            has_key=has_key,
            budget=lambda: (0, 1),
            record=record,
            clock=loop_clock,
            rng=random.Random(1),
            new_id=lambda: f"id{next(ids)}",
        )

    return Feed(VENUE, (), 100, world, settings, None if told is None else told.append)


def played(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Play a story in virtual time."""
    virtual_time.run(story)


class OutOfOrder(RestError):
    """The venue hands out no tokens."""

    def __init__(self) -> None:
        super().__init__("503", "out of order")
