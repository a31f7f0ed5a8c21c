"""The exchange in memory: a feed's REST transport and its sockets, without a network and in virtual time.

A thin body, like ``orderbook.simulator.server``: it measures time, carries bytes, and decides nothing. What goes wrong
on the way is said by ``Route``.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final, Self
from urllib.parse import SplitResult, urlsplit

from orderbook.clock import loop_clock
from orderbook.feed.errors import LinkError
from orderbook.feed.feed import Feed
from orderbook.feed.opening import Outside, open_feed
from orderbook.feed.seams import Connect, Socket
from orderbook.feed.settings import FeedSettings
from orderbook.secret import Credentials, Secret
from orderbook.simulator.chance import stream
from orderbook.simulator.common import WALL_NS
from orderbook.simulator.exchange import Exchange
from orderbook.simulator.faults import FaultPlan
from orderbook.simulator.limits import Limits
from orderbook.simulator.market import made_market
from orderbook.simulator.rest import Reply
from orderbook.simulator.server import throwaway_credentials
from orderbook.simulator.source import Source
from orderbook.simulator.timeline import NEVER
from orderbook.testing.network import Route, Traffic, VirtualSocket, VirtualTransport
from orderbook.venues.rest import Depth

URL: Final = "http://127.0.0.1:1"
"""What stands for the venue's address: nothing listens there, and nothing connects to it."""
_ENDPOINT: Final = "ws://127.0.0.1:1/"


class VirtualKuCoin:
    """A KuCoin in memory, for feeds of the same event loop, whose time may be virtual.

    ::

        async with VirtualKuCoin(symbols=["BTC-USDT"], seed=1) as venue:
            async with venue.open_feed(["BTC-USDT"]) as feed: ...

    Args:
        market: The books, by symbol; without them, a seeded market of ``symbols``.
        symbols: Names for the seeded market, or how many of the usual ones.
        seed: Of everything that is left to chance.
        profile: How the seeded market behaves.
        rate: Deltas a second, all symbols together; what the profile says by default.
        faults: What goes wrong, see ``orderbook.simulator.faults``.
        limits: What clients may do.
        route: The way between client and venue.
        funds: What its account has at first, by currency; a million of any other.
        manners: Fields of ``orderbook.simulator.limits.Manners``.

    Attributes:
        exchange: The protocol, with its violations and its ledger of faults.
        market: The books, with what is true of them.
        credentials: The key it accepts.
        account: Places and cancels orders of one's own.
        route: May be changed while it runs.
        url: Stands for its address.
        delivered: Frames that reached a client's socket and were taken from it.
        traffic: Requests and handshakes under way.

    Raises:
        UsageError: A setting that cannot be.
    """

    def __init__(
        self,
        market: Mapping[str, Source] | None = None,
        *,
        symbols: int | Sequence[str] = ("BTC-USDT", "ETH-USDT"),
        seed: int = 0,
        profile: str = "normal",
        rate: float | None = None,
        faults: FaultPlan | Sequence[Mapping[str, object]] | None = None,
        limits: Limits | None = None,
        route: Route | None = None,
        funds: Mapping[str, str | Decimal] | None = None,
        **manners: Any,
    ) -> None:
        self.market: Mapping[str, Source] = made_market(symbols, seed, profile, rate) if market is None else market
        self.credentials: Credentials = throwaway_credentials(seed)
        self.exchange = Exchange(
            self.market,
            limits=limits,
            faults=faults if faults is None or isinstance(faults, FaultPlan) else FaultPlan(faults),
            seed=seed,
            credentials=self.credentials,
            endpoint=_ENDPOINT,
            funds=funds,
            **manners,
        )
        self.account = self.exchange.driver(self.now_ns, self.flush)
        self.route = route or Route()
        self.url = URL
        self.delivered = 0
        self.traffic = Traffic()
        self._seed = seed
        self._unreachable_until_ns = 0
        self._sockets: dict[int, VirtualSocket] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._armed_ns = NEVER
        self._opened = 0

    # -- life --

    async def start(self) -> None:
        """Let the market run."""
        self._loop = asyncio.get_running_loop()
        self._rest_jitter = self.stream("rest")
        now_ns = self.now_ns()
        self.exchange.set_wall(now_ns, self.wall_ns())
        self.exchange.advance(now_ns)
        self.flush()

    async def close(self) -> None:
        """Cut all connections and stop the market; nothing can be reached any more."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._armed_ns = None, -1
        self._unreachable_until_ns = NEVER
        self._cut()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def open_feed(self, symbols: Iterable[str] | None = None, *, depth: Depth = "full", **options: Any) -> Feed:
        """A feed of this venue: ``orderbook.open_feed``, with its key unless ``depth`` is that of a public snapshot.

        Args:
            symbols: Which books to keep; all of the venue by default.
            depth: ``"full"``, 20 or 100.
            options: As for ``orderbook.open_feed``; ``outside`` is this venue's by default.
        """
        outside, settings = options.pop("outside", None) or self.outside(), options.get("settings")
        if outside.connect == self.connect and isinstance(settings, FeedSettings):
            outside = replace(outside, connect=self.connector(settings))
        options["outside"] = outside
        credentials = self.credentials if depth == "full" else None
        names = self.market if symbols is None else symbols
        return open_feed("kucoin", names, url=self.url, credentials=credentials, depth=depth, **options)

    def outside(self, **more: Any) -> Outside:
        """What makes a feed of ``open_feed(..., url=venue.url, outside=...)`` one of this venue.

        Args:
            more: Fields of ``Outside``.
        """
        numbers = self.stream("identifiers")
        given: dict[str, Any] = {
            "transport": VirtualTransport(self),
            "connect": self.connect,
            "wall_clock": self.wall_ns,
            "rng": self.stream("feed"),
            "new_id": lambda: f"{numbers.getrandbits(64):016x}",
        }
        return Outside(**given | more)

    def stream(self, name: str) -> random.Random:
        """Random numbers of a name, from the seed."""
        return stream(self._seed, name)

    def now_ns(self) -> int:
        """The loop's clock."""
        return loop_clock()

    def wall_ns(self) -> int:
        """What a clock on the wall shows, in ns since 1970; it goes as the loop's does."""
        return WALL_NS + loop_clock()

    def strike(self, *entries: Mapping[str, object]) -> None:
        """Let go wrong what a plan says, from now on."""
        self.exchange.add_faults(FaultPlan(entries), self.now_ns())

    def unplug(self, ms: float) -> None:
        """For so long nothing can be reached: what is asked anew fails, what is under way or up is cut."""
        self._unreachable_until_ns = max(self._unreachable_until_ns, self.now_ns() + int(ms * 1e6))
        self._cut()

    def _cut(self) -> None:
        self.traffic.cut()
        for socket in tuple(self._sockets.values()):
            socket.cut("1006 connection cut")

    @property
    def is_reachable(self) -> bool:
        """Whether requests and connections get through."""
        return self.now_ns() >= self._unreachable_until_ns

    # -- time --

    def flush(self) -> None:
        """Hand what the exchange has to send to the sockets, and have its next moment called."""
        for sent in self.exchange.outbox():
            socket = self._sockets.get(sent.conn)
            if socket is not None:
                socket.put(sent)
        next_ns = self.exchange.next_ns
        if next_ns >= self._armed_ns and self._timer is not None:
            return
        if next_ns == NEVER or self._armed_ns < 0:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._armed_ns = next_ns
        self._timer = self._loop.call_at(next_ns / 1e9, self._tick)

    def _tick(self) -> None:
        # The loop's clock is a float, and may be a ns short of what was asked for.
        now_ns = max(self.now_ns(), self._armed_ns)
        self._timer, self._armed_ns = None, NEVER
        self.exchange.advance(now_ns)
        self.flush()

    # -- the network --

    def connector(self, settings: FeedSettings) -> Connect:
        """What opens connections, as ``orderbook.feed.websocket.connector`` makes it.

        Args:
            settings: Time-outs, and the longest frame.
        """

        async def open_socket(url: Secret) -> Socket:
            parts = urlsplit(url.reveal())
            who = f"cannot connect to {parts.hostname!a}"
            try:
                async with self.traffic.passage(settings.connect_timeout_ms):
                    return await self._opened_socket(parts, settings)
            except TimeoutError:
                raise LinkError(f"{who}: no answer in time") from None
            except ConnectionError as error:
                raise LinkError(f"{who}: {error}") from None

        return open_socket

    async def connect(self, url: Secret) -> Socket:
        """As ``orderbook.feed.seams.Connect``, with the time-outs that are the default."""
        return await self.connector(FeedSettings())(url)

    async def _opened_socket(self, parts: SplitResult, settings: FeedSettings) -> Socket:
        self._opened += 1
        jitter = self.stream(f"connection/{self._opened}")
        await asyncio.sleep(jitter.uniform(*self.route.connect_ms) / 1e3)
        if not self.is_reachable or parts.netloc != urlsplit(_ENDPOINT).netloc:
            raise ConnectionError("no route")
        answer = self.exchange.connect(f"{parts.path}?{parts.query}", self.now_ns())
        if isinstance(answer, Reply):
            self.flush()
            raise ConnectionError(f"HTTP {answer.status}")
        socket = self._sockets[answer] = VirtualSocket(self, answer, jitter, settings)
        self.flush()
        return socket

    def forget(self, conn: int) -> None:
        """A connection is gone."""
        if self._sockets.pop(conn, None) is not None:
            self.exchange.disconnected(conn, self.now_ns())
            self.flush()
