"""Links of a feed without a venue: what the other end says is written down in the test; and what a feed leaves behind.

The stage with a venue on real sockets stands in ``feed_books``.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from orderbook.clock import loop_clock
from orderbook.errors import RestError
from orderbook.feed.bookkeeper import BookKeeper
from orderbook.feed.errors import LinkError
from orderbook.feed.events import Notice
from orderbook.feed.link import Link
from orderbook.feed.linkkeeper import Home, LinkKeeper
from orderbook.feed.metrics import FeedMetrics
from orderbook.feed.pacing import Connects
from orderbook.feed.placement import Placement
from orderbook.feed.seams import SocketClosed, World
from orderbook.feed.served import Brought, Kind, books_of
from orderbook.feed.settings import FeedSettings
from orderbook.guard import Pulse
from orderbook.secret import Secret
from orderbook.types import BookState
from orderbook.venues import venue_named
from orderbook.venues.base import decode_frame
from orderbook.venues.rest import Depth, Instrument, Priority, Server, Token
from tests import waiting
from tests.feed_books import Stage, until
from tests.waiting import elapse

VENUE = venue_named("kucoin")
BOOKS = books_of(VENUE)
PEM = Path(__file__).with_name("loopback.pem")
"""Key and certificate of this machine's names, valid for a hundred years and trusted by nobody."""

Answer = Callable[["ScriptedSocket", dict[str, Any]], None]


def frame(**fields: Any) -> bytes:
    """A message of the venue."""
    return json.dumps(fields).encode()


def delta(symbol: str, start: int, end: int | None = None) -> bytes:
    """A delta of one row; its size tells its sequence."""
    end = start if end is None else end
    changes = {"bids": [["100", str(end), str(end)]], "asks": []}
    data = {"symbol": symbol, "sequenceStart": start, "sequenceEnd": end, "changes": changes, "time": 1_700_000_000_000}
    return frame(topic=f"/market/level2:{symbol}", type="message", subject="trade.l2update", data=data)


def obey(socket: ScriptedSocket, message: dict[str, Any]) -> None:
    """What a venue in good order answers."""
    if message["type"] == "ping":
        socket.say(id=message["id"], type="pong")
    else:
        socket.say(id=message["id"], type="ack")


def only_pongs(socket: ScriptedSocket, message: dict[str, Any]) -> None:
    """A venue that answers pings alone."""
    if message["type"] == "ping":
        obey(socket, message)


def refuses(_socket: ScriptedSocket) -> None:
    """For ``on_connect``: a venue that does not want any connection."""
    raise LinkError("refused with HTTP status 503")


def deaf(_socket: ScriptedSocket, _message: dict[str, Any]) -> None:
    """A venue that answers nothing."""


class ScriptedSocket:
    """One end of a connection; the test is the other.

    Attributes:
        url: Where it was opened to.
        sent: What the feed sent, with the time.
        is_aborted: The feed cut it.
        is_closed: The feed said goodbye first.
    """

    def __init__(self, url: str = "", answer: Answer = obey, *, is_welcomed: bool = True) -> None:
        self.url = url
        self.sent: list[tuple[int, dict[str, Any]]] = []
        self.is_aborted = self.is_closed = False
        self._answer = answer
        self._frames: asyncio.Queue[bytes | SocketClosed] = asyncio.Queue()
        if is_welcomed:
            self.say(id="w", type="welcome")

    def say(self, **fields: Any) -> None:
        """Something comes from the venue."""
        self._frames.put_nowait(frame(**fields))

    def bring(self, raw: bytes) -> None:
        """The same with bytes."""
        self._frames.put_nowait(raw)

    def hang_up(self, reason: str = "1006 connection cut") -> None:
        """The venue ends the connection."""
        self._frames.put_nowait(SocketClosed(reason))

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The messages of one kind that were sent."""
        return [message for _, message in self.sent if message["type"] == kind]

    def topics(self, kind: str = "subscribe") -> list[list[str]]:
        """The symbols of each request."""
        return [message["topic"].partition(":")[2].split(",") for message in self.of(kind)]

    # -- what the feed calls --

    async def receive(self) -> bytes:
        got = await self._frames.get()
        if isinstance(got, SocketClosed):
            raise got
        return got

    async def receive_batch(self) -> list[bytes]:
        return [await self.receive()]

    async def send(self, text: str) -> None:
        if self.is_aborted:
            raise SocketClosed("1006 connection cut")
        message = json.loads(text)
        self.sent.append((loop_clock(), message))
        self._answer(self, message)

    async def close(self) -> None:
        self.is_closed = True
        self.abort()

    def abort(self) -> None:
        self.is_aborted = True
        self.hang_up()


@dataclass
class ScriptedVenue:
    """REST and connections of a venue that does what the test says.

    Attributes:
        servers: In every token answer.
        answer: How sockets answer, one after the other; the last one for all further ones.
        on_connect: Called with each new socket; may raise ``LinkError``.
        token_problem: Raised instead of a token.
        tokens: When each was handed out.
        connects: When each connection was opened.
        stands_at: What probes are answered with; ``None``: with nothing.
        probes: When each was asked for.
    """

    servers: tuple[Server, ...] = (Server("wss://one.example/", 18_000, 10_000),)
    answer: Answer = obey
    on_connect: Callable[[ScriptedSocket], None] = lambda _socket: None
    is_welcoming: bool = True
    connect_s: Callable[[], float] = lambda: 0.0
    token_problem: RestError | None = None
    tokens: list[int] = field(default_factory=list)
    connects: list[int] = field(default_factory=list)
    sockets: list[ScriptedSocket] = field(default_factory=list)
    stands_at: int | None = None
    probes: list[int] = field(default_factory=list)
    open_orders: Any = None

    async def token(self, *, private: bool = False) -> Token:
        assert not private
        if self.token_problem is not None:
            raise self.token_problem
        self.tokens.append(loop_clock())
        return Token(Secret(f"token-{len(self.tokens)}"), self.servers)

    async def symbols(self) -> tuple[Instrument, ...]:
        raise NotImplementedError

    async def snapshot(self, symbol: str, depth: Depth, *, priority: Priority, rank: int) -> bytes:
        await asyncio.Event().wait()
        raise AssertionError(symbol, depth, priority, rank)

    async def probe(self, symbol: str) -> int:
        self.probes.append(loop_clock())
        if self.stands_at is None:
            await asyncio.Event().wait()
            raise AssertionError(symbol)
        return self.stands_at

    async def close(self) -> None:
        """Nothing is held."""

    async def connect(self, url: Secret) -> ScriptedSocket:
        await elapse(self.connect_s())
        self.connects.append(loop_clock())
        socket = ScriptedSocket(url.reveal(), self._reply, is_welcomed=self.is_welcoming)
        self.sockets.append(socket)
        self.on_connect(socket)
        return socket

    def _reply(self, socket: ScriptedSocket, message: dict[str, Any]) -> None:
        # Looked up each time: a test changes its mind while connections are open.
        self.answer(socket, message)


@dataclass
class Scene:
    """Links over a scripted venue, with their books; use it in an event loop.

    Attributes:
        told: Every event.
    """

    venue: ScriptedVenue = field(default_factory=ScriptedVenue)
    settings: FeedSettings = field(default_factory=FeedSettings)
    seed: int = 1
    told: list[tuple[str | None, Notice]] = field(default_factory=list)
    metrics: FeedMetrics = field(default_factory=FeedMetrics)

    def __post_init__(self) -> None:
        ids = count(1)
        self.world = World(
            rest=self.venue,
            connect=self.venue.connect,
            budget=lambda: (0, 1),
            clock=loop_clock,
            rng=random.Random(self.seed),
            new_id=lambda: f"id{next(ids)}",
        )
        self.connects = Connects(self.settings.connects_max)
        self.placement = Placement(self.settings, self._make_link)
        self.books: dict[str, BookKeeper] = {}

    def _make_link(self, name: str, kind: Kind, home: Home) -> LinkKeeper:
        world, tell = self.world, self._tell
        return LinkKeeper(name, kind, world, self.settings, self.connects, self.metrics, home=home, tell=tell)

    def _tell(self, symbol: str | None, notice: Notice) -> None:
        self.told.append((symbol, notice))

    def add(self, *symbols: str) -> None:
        """Keep more books."""
        for symbol in symbols:
            self.books[symbol] = BookKeeper(
                VENUE, symbol, BOOKS, "full", self.world, self.settings, self._tell, lambda _dump: None
            )
            self.placement.put(self.books[symbol])

    async def remove(self, symbol: str) -> None:
        """Keep one less."""
        self.placement.take(symbol)
        await self.books.pop(symbol).close()

    async def close(self) -> None:
        """End everything."""
        for book in self.books.values():
            await book.close()
        await self.placement.close()

    def make_live(self, symbol: str) -> None:
        """A delta and the snapshot before it."""
        book = self.books[symbol]
        book.take(decode_frame(VENUE, delta(symbol, 11), 10_000), loop_clock())
        body = b'{"code":"200000","data":{"sequence":"10","time":1,"bids":[["99","1"]],"asks":[["101","1"]]}}'
        book.sync.receive_snapshot(body, loop_clock(), depth="full")
        assert BookState.LIVE is book.sync.state

    async def opened(self, count: int) -> ScriptedSocket:
        """Wait, in virtual time, until so many connections were opened; returns the last one."""
        await eventually(lambda: len(self.venue.sockets) >= count)
        return self.venue.sockets[count - 1]

    async def acknowledged(self, *symbols: str) -> None:
        """Wait, in virtual time, until symbols are subscribed."""
        await eventually(lambda: all(self.is_subscribed(symbol) for symbol in symbols))

    def is_subscribed(self, symbol: str) -> bool:
        """Whether the venue acknowledged it on its present connection."""
        link = self.placement[symbol]._link
        return link is not None and symbol in link.subscribed

    def events(self, *kinds: type) -> list[Any]:
        """What was told of these kinds."""
        return [notice for _, notice in self.told if isinstance(notice, kinds)]


eventually = partial(waiting.until, bound_s=3_600, every_s=0.05)
"""Wait until something is so, in virtual time: an hour at most."""


async def accepted(scene: Stage, count: int) -> None:
    """Wait until the venue accepted so many connections."""
    await until(lambda: scene.venue.exchange.state()["accepted"] >= count)


class Ear:
    """Takes note of what a link hands on."""

    def __init__(self) -> None:
        self.messages: list[Brought] = []
        self.wakes = 0

    def taker(self, frame: bytes) -> None:
        """Everything is to be decoded."""

    def take(self, message: Brought, now_ns: int) -> None:
        assert now_ns <= loop_clock()
        self.messages.append(message)

    def wake(self) -> None:
        self.wakes += 1


def link_over(
    socket: ScriptedSocket, settings: FeedSettings | None = None, *, ear: Ear | None = None, pulse: Pulse | None = None
) -> Link:
    """One link on a socket, not started."""
    scene = Scene(settings=settings or FeedSettings())
    server = scene.venue.servers[0]
    return Link(
        "wss://one.example/", socket, server, BOOKS.decode, scene.world, scene.settings, pulse or Pulse(), ear or Ear()
    )


async def lively(wire: ScriptedSocket, *, every_s: float) -> None:
    """Deltas, again and again."""
    for number in range(1, 1_000_000):
        wire.bring(delta("A-B", number))
        await elapse(every_s)


@contextlib.asynccontextmanager
async def up(
    wire: ScriptedSocket, *, ear: Ear | None = None, settings: FeedSettings | None = None
) -> AsyncIterator[Link]:
    """A link that is up, and closed in the end."""
    link = link_over(wire, settings, ear=ear, pulse=Pulse())
    await link.welcome()
    link.start()
    try:
        yield link
    finally:
        await link.close("closed")


# -- what is left behind --


def own_tasks() -> list[str]:
    """Tasks that run code of the library's live part."""
    return [task.get_name() for task in asyncio.all_tasks() if _is_own(_file_of(task))]


def _file_of(task: asyncio.Task[Any]) -> str:
    code = getattr(task.get_coro(), "cr_code", None)
    return "" if code is None else str(code.co_filename)


def _is_own(file: str) -> bool:
    return any(part in file for part in ("/orderbook/feed/", "/snapshots/"))


def own_timers() -> list[str]:
    """Timers of the running loop that would call the library's live part."""
    scheduled = getattr(asyncio.get_running_loop(), "_scheduled", ())
    callbacks = [handle._callback for handle in scheduled if not handle.cancelled()]
    modules = [str(getattr(callback, "__module__", "")) for callback in callbacks]
    return [name for name in modules if name.startswith(("orderbook.feed", "snapshots"))]


def sockets() -> int:
    """Open sockets of this process."""
    folder, found = Path("/proc/self/fd"), 0
    for entry in folder.iterdir():
        # A descriptor may be gone before it is looked at.
        with contextlib.suppress(OSError):
            found += str(entry.readlink()).startswith("socket:")
    return found


@contextlib.asynccontextmanager
async def nothing_left() -> AsyncIterator[None]:
    """What runs inside leaves no task and no timer at its very end, and no socket and no other task soon after."""
    tasks_before, sockets_before = asyncio.all_tasks(), sockets()
    yield
    assert [] == own_tasks()
    assert [] == own_timers()
    # The other ends, which live in this process as well, take a moment to notice.
    await until(lambda: sockets() <= sockets_before and asyncio.all_tasks() <= tasks_before)
