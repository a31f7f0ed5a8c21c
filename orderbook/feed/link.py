"""One connection to the venue, from its welcome to its end: reading, pings, and requests with their answers."""

from __future__ import annotations

import asyncio
import logging
import re
from collections import OrderedDict
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Final, Protocol

from orderbook.feed.errors import LinkError
from orderbook.feed.pacing import MS, Pacer
from orderbook.feed.seams import Socket, SocketClosed, World
from orderbook.feed.served import Brought
from orderbook.feed.settings import FeedSettings
from orderbook.feed.sockets import BATCH_MAX
from orderbook.guard import Pulse
from orderbook.types import Control
from orderbook.venues import kucoin_session
from orderbook.venues.rest import Server

log = logging.getLogger("orderbook.feed")

WAKE_MS: Final = 1_000
"""After a silence this long the books are told that something was heard; or half of a silence that makes them STALE."""


class Taker(Protocol):
    """Takes frames of one book as they come off the wire, if they are plain."""

    def offer(self, frame: bytes, now_ns: int) -> bool:
        """Whether it was taken; if not, nothing has happened, and the receiver gets what it says."""


class Receiver(Protocol):
    """Gets what comes out of a link."""

    def taker(self, frame: bytes) -> Taker | None:
        """Who may take a frame as it is; ``None``: it has to be decoded first."""

    def take(self, message: Brought, now_ns: int) -> None:
        """A message that is not about the link itself, and when it was received (ns of the clock)."""

    def wake(self) -> None:
        """Something was heard after a silence."""


class Link:
    """One WebSocket connection that is up.

    One task reads and never waits for anything else; another sends pings. ``ended`` gets the reason when it is over,
    whoever ended it.

    What is heard counts only while the last ping that was answered is younger than ``link_silence_max_ms``: after the
    loop was blocked, or while it is too busy to keep up, what is read may have waited for any time. Only a pong tells
    that all that came before it has been read.

    Args:
        url: Where to, without secrets.
        socket: The connection, after its handshake.
        server: Ping interval and time-out, as the venue asks for them.
        decode: Makes what it comes to of a frame, the most bytes that one may have, and when it was read (ns).
        world: Clock and recorder.
        settings: Bounds.
        pulse: Set at every frame; the books of this link share it.
        receiver: Gets the messages.

    Attributes:
        url: As given.
        opened_ns: Since when it is up.
        ended: The reason, once it is over.
        subscribed: Keys of what the venue acknowledged.
        rtt_ms: The last ping's round trip.
        frames: Messages received.
        messages: Messages sent.
        tape: Gets every frame and what it says, instead of the recorder.
    """

    def __init__(
        self,
        url: str,
        socket: Socket,
        server: Server,
        decode: Callable[[bytes, int, int], Brought],
        world: World,
        settings: FeedSettings,
        pulse: Pulse,
        receiver: Receiver,
    ) -> None:
        self.url = url
        self.opened_ns = world.clock()
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.subscribed: set[str] = set()
        self.rtt_ms: float | None = None
        self.frames = 0
        self.messages = 0
        self._socket = socket
        self._server = server
        self._decoder = decode
        self._world = world
        self._settings = settings
        self._pulse = pulse
        self._receiver = receiver
        self._answers: dict[str, asyncio.Future[Control]] = {}
        self._pings: OrderedDict[str, int] = OrderedDict()
        self._pacer = Pacer(settings.messages_max * 9 // 10, settings.messages_window_ms, world.clock)
        self._complaint = ""
        self.tape: Callable[[bytes, Brought], None] | None = None
        silence_ms = settings.sync.link_silence_max_ms
        # With a tenth of the messages, which is what requests leave.
        least_ms = settings.messages_window_ms / max(1, settings.messages_max // 10)
        self._proof_ns = None if silence_ms is None else int(max(silence_ms, least_ms * 2) * MS)
        self._wake_ns = WAKE_MS * MS if silence_ms is None else min(WAKE_MS, silence_ms // 2) * MS
        self._proven_ns = self._pinged_ns = self.opened_ns
        self._urgent = asyncio.Event()
        self._tasks: tuple[asyncio.Task[None], ...] = ()

    def __repr__(self) -> str:
        return f"<Link to {self.url}, {len(self.subscribed)} topics>"

    async def welcome(self) -> None:
        """Wait for the venue's first frame; nothing may be sent before it.

        Raises:
            LinkError: It did not come, or something else did.
        """
        try:
            async with asyncio.timeout(self._settings.welcome_timeout_ms / 1000):
                frame = await self._socket.receive()
                self._note(frame)
                message = self._decode(frame, self._world.clock())
        except TimeoutError:
            raise LinkError("no welcome in time") from None
        except SocketClosed as error:
            raise LinkError(f"closed before the welcome: {error}") from None
        if not isinstance(message, Control) or message.kind != "welcome":
            told = f"{message.code} {message.text}" if isinstance(message, Control) else type(message).__name__
            raise LinkError(f"refused instead of a welcome: {ascii(told)[1:-1][:120]}")

    def start(self) -> None:
        """Begin to read and to ping."""
        loop = asyncio.get_running_loop()
        self._proven_ns = self._pinged_ns = self._world.clock()
        self._pulse.in_doubt = False
        self._tasks = (loop.create_task(self._read()), loop.create_task(self._keep_alive()))

    async def request(self, make: Callable[[str], str]) -> Control:
        """Send a request, paced by the venue's limit, and wait for what it answers.

        Args:
            make: Makes the message from a fresh id.

        Returns:
            The acknowledgement or the error.

        Raises:
            LinkError: The link ended first.
            TimeoutError: No answer in time.
        """
        await self._pacer.turn()
        request_id = self._world.new_id()
        answer: asyncio.Future[Control] = asyncio.get_running_loop().create_future()
        self._answers[request_id] = answer
        try:
            async with asyncio.timeout(self._settings.ack_timeout_ms / 1000):
                await self._send(make(request_id))
                return await answer
        except SocketClosed as error:
            raise LinkError(str(error)) from None
        finally:
            self._forget(request_id)

    async def fence(self) -> None:
        """Wait until everything that the venue sent before now has been received: a ping and its pong.

        Raises:
            LinkError: The link ended first.
            TimeoutError: No pong in time.
        """
        pong: asyncio.Future[Control] = asyncio.get_running_loop().create_future()
        request_id = self._world.new_id()
        self._answers[request_id] = pong
        try:
            async with asyncio.timeout(self._server.ping_timeout_ms / 1000):
                await self._ping(request_id)
                await pong
        except SocketClosed as error:
            raise LinkError(str(error)) from None
        finally:
            self._forget(request_id)

    def hand_to(self, receiver: Receiver, pulse: Pulse) -> None:
        """From now on another one gets the messages, and another pulse is set."""
        pulse.heard_ns, pulse.in_doubt = self._pulse.heard_ns, self._pulse.in_doubt
        self._receiver, self._pulse = receiver, pulse

    def end(self, reason: str) -> None:
        """It is over: cut the connection. The first reason counts."""
        if not self.ended.done():
            self.ended.set_result(f"{reason} ({self._complaint})" if self._complaint else reason)
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(LinkError(reason))
        for task in self._tasks:
            task.cancel()
        self._socket.abort()

    async def close(self, reason: str) -> None:
        """End it politely; takes no longer than the closing time-out."""
        await self._socket.close()
        self.end(reason)
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _forget(self, request_id: str) -> None:
        answer = self._answers.pop(request_id, None)
        if answer is not None and answer.done() and not answer.cancelled():
            # Seen, even where sending failed first: else asyncio complains about it at some later time.
            answer.exception()

    # -- reading --

    async def _read(self) -> None:
        try:
            while not self.ended.done():
                frames = await self._socket.receive_batch()
                self._take(frames, self._world.clock())
                if len(frames) >= BATCH_MAX:
                    # A backlog is not worked off in one go: timers and other tasks have their turn.
                    await asyncio.sleep(0)
        except SocketClosed as error:
            self.end(str(error))
        except Exception as error:
            # A bug of ours: the books cannot be trusted to have had this frame.
            log.exception("reading %s failed", self.url)
            self.end(f"internal error: {type(error).__name__}")

    def _take(self, frames: Collection[bytes], now_ns: int) -> None:
        """Hand on what was read at one moment; what comes behind the frame that ends the link is not read any more."""
        is_news = True
        for frame in frames:
            if self.ended.done():
                return
            self._note(frame)
            taker = None if self.tape is not None else self._receiver.taker(frame)
            message = self._understood(frame, now_ns) if taker is None else None
            # Within one moment only a pong changes what hearing something is worth. It is known before a frame is
            # taken: what is in doubt must not make a book fresh.
            is_waking = (is_news or type(message) is Control) and self._hear(now_ns)
            is_news = False
            if taker is not None and not taker.offer(frame, now_ns):
                message = self._understood(frame, now_ns)
            if message is not None and type(message) is not Control:
                self._receiver.take(message, now_ns)
            if is_waking:
                self._receiver.wake()

    def _understood(self, frame: bytes, now_ns: int) -> Brought:
        """What a frame says; what concerns the link itself is seen to."""
        message = self._decode(frame, now_ns)
        if type(message) is Control:
            self._control(message, now_ns)
        return message

    def _note(self, frame: bytes) -> None:
        """Count a frame, and record it, unless a tape decides that."""
        self.frames += 1
        if self.tape is None and self._world.record is not None:
            self._world.record("ws", self.url, frame, None)

    def _decode(self, frame: bytes, now_ns: int) -> Brought:
        message = self._decoder(frame, self._settings.sync.frame_bytes_max, now_ns)
        if self.tape is not None:
            self.tape(frame, message)
        return message

    def _hear(self, now_ns: int) -> bool:
        """Renew the pulse, unless what was heard may be old; returns whether that ends a silence."""
        pulse = self._pulse
        pulse.in_doubt = self._proof_ns is not None and now_ns - self._proven_ns > self._proof_ns
        if pulse.in_doubt:
            if now_ns - self._pinged_ns > self._traffic_ns:
                self._urgent.set()
            return False
        heard_ns, pulse.heard_ns = pulse.heard_ns, now_ns
        return heard_ns is None or now_ns - heard_ns > self._wake_ns

    def _control(self, message: Control, now_ns: int) -> None:
        answer = self._answers.get(message.id or "")
        if message.kind == "pong":
            # Only the pong of a ping of ours counts; any other frame tells nothing about the way back.
            sent_ns = self._pings.pop(message.id or "", None)
            if sent_ns is not None:
                self.rtt_ms = (now_ns - sent_ns) / MS
                self._proven_ns = max(self._proven_ns, sent_ns)
        elif message.kind == "error" and answer is None:
            self._complaint = f"error {message.code} {ascii(message.text)[1:-1][:120]}"
            log.warning("%s: %s", self.url, self._complaint)
        if answer is not None and not answer.done():
            answer.set_result(message)

    # -- pings --

    async def _keep_alive(self) -> None:
        """Ping after a silence, and often enough under traffic; end the link when no pong comes."""
        try:
            while True:
                due_ns = self._next_ping_ns()
                deadline_ns = self._pong_deadline_ns()
                if not await self._is_urgent(min(due_ns, deadline_ns or due_ns)):
                    now_ns = self._world.clock()
                    deadline_ns = self._pong_deadline_ns()
                    if deadline_ns is not None and now_ns >= deadline_ns:
                        self.end(f"no pong within {self._server.ping_timeout_ms} ms")
                        return
                    if now_ns < self._next_ping_ns():
                        continue
                async with asyncio.timeout(self._server.ping_timeout_ms / 1000):
                    await self._ping(self._world.new_id())
        except TimeoutError:
            self.end("a ping could not be sent")
        except SocketClosed as error:
            self.end(str(error))
        except Exception as error:
            # Without pings nobody would find out that the link is dead.
            log.exception("pinging %s failed", self.url)
            self.end(f"internal error: {type(error).__name__}")

    @property
    def _traffic_ns(self) -> int:
        """How long at most between pings, whatever is heard."""
        interval_ns = self._server.ping_interval_ms * MS
        return interval_ns if self._proof_ns is None else min(interval_ns, self._proof_ns // 2)

    def _next_ping_ns(self) -> int:
        silence_ns = self._settings.ping_silence_ms * MS
        heard_ns = self._pulse.heard_ns or 0
        return min(self._pinged_ns + self._traffic_ns, max(self._pinged_ns, heard_ns) + silence_ns)

    def _pong_deadline_ns(self) -> int | None:
        if not self._pings:
            return None
        return next(iter(self._pings.values())) + self._server.ping_timeout_ms * MS

    async def _is_urgent(self, due_ns: int) -> bool:
        """Sleep, unless a ping is urgent; if the loop was blocked, let it read what came before anything is judged."""
        with suppress(TimeoutError):
            async with asyncio.timeout(max(due_ns - self._world.clock(), 0) / 1e9):
                await self._urgent.wait()
        lag_ns = self._world.clock() - due_ns
        if lag_ns > self._settings.lag_ms * MS and not self._urgent.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(self._settings.lag_ms / 1000):
                    await self._urgent.wait()
        is_urgent = self._urgent.is_set()
        self._urgent.clear()
        return is_urgent

    async def _ping(self, request_id: str) -> None:
        self._pings[request_id] = self._pinged_ns = self._world.clock()
        # Not paced: a late ping ends the session, and the limit has a tenth to spare for them.
        self._pacer.take()
        await self._send(kucoin_session.ping(request_id))

    async def _send(self, text: str) -> None:
        self.messages += 1
        await self._socket.send(text)


def label(reason: str) -> str:
    """The end of a link as the label of a metric: a close code, or words of our own; never the venue's."""
    code = re.match(r"\d{4}(?!\d)", reason)
    return code[0] if code else reason.partition(" (")[0][:60]
