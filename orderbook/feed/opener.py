"""Opens links: a fresh token, a turn, a connection and its welcome."""

from __future__ import annotations

from orderbook.feed.handover import Handover
from orderbook.feed.link import Link, Receiver
from orderbook.feed.metrics import FeedMetrics
from orderbook.feed.pacing import Connects
from orderbook.feed.seams import RecordKind, World
from orderbook.feed.served import Kind
from orderbook.feed.settings import FeedSettings
from orderbook.guard import Pulse
from orderbook.venues import kucoin_session


class Opener:
    """Opens the links of one feed.

    Args:
        kind: What they are for.
        world: The seams.
        settings: Bounds.
        connects: How often connections may be made.
        metrics: The feed's.
    """

    def __init__(
        self, kind: Kind, world: World, settings: FeedSettings, connects: Connects, metrics: FeedMetrics
    ) -> None:
        self._kind = kind
        self._world = world
        self._settings = settings
        self._connects = connects
        self._metrics = metrics

    async def open(self, receiver: Receiver, pulse: Pulse) -> Link:
        """A new link, welcomed and reading.

        Raises:
            LinkError: No connection, or no welcome.
            RestError: No token.
        """
        link = await self._connect(receiver, pulse, spare=0)
        self.record("open", link, "")
        try:
            await self._welcome(link, pulse)
        except BaseException as error:
            self.record("close", link, str(error))
            raise
        return link

    async def open_beside(self, handover: Handover) -> Link:
        """A link that is to take over from another: it waits for those that are needed more, and nothing is recorded.

        It has a pulse of its own: that a new link is heard says nothing of the one that the books live on.

        Raises:
            LinkError: No connection, or no welcome.
            RestError: No token.
        """
        pulse = Pulse()
        link = await self._connect(handover, pulse, spare=self._settings.connects_max // 2)
        if self._world.record is not None:
            link.tape = handover.tape
        await self._welcome(link, pulse)
        return link

    async def _connect(self, receiver: Receiver, pulse: Pulse, *, spare: int) -> Link:
        world = self._world
        await self._connects.tokens.turn(spare)
        token = await world.rest.token(private=self._kind.is_private)
        server = world.rng.choice(token.servers)
        connect_id = world.new_id()
        url = kucoin_session.public_url(server.endpoint, connect_id)
        pacer = self._connects.to(token.servers)
        # This turn comes last: whatever is waited for after it would let it arrive in another minute.
        turn_ns = await pacer.turn(spare)
        try:
            socket = await world.connect(kucoin_session.connect_url(server.endpoint, token.token, connect_id))
        finally:
            pacer.settle(turn_ns)
        return Link(url, socket, server, self._kind.decode, world, self._settings, pulse, receiver)

    async def _welcome(self, link: Link, pulse: Pulse) -> None:
        try:
            await link.welcome()
        except BaseException as error:
            link.end(str(error))
            raise
        self._metrics.connects += 1
        pulse.heard_ns = self._world.clock()
        link.start()

    def record(self, kind: RecordKind, link: Link, text: str) -> None:
        """Take note that a link opened or closed."""
        if self._world.record is not None:
            self._world.record(kind, link.url, text.encode(), None)

    def record_frame(self, link: Link, frame: bytes) -> None:
        """Take note of a frame that came earlier."""
        if self._world.record is not None:
            self._world.record("ws", link.url, frame, None)
