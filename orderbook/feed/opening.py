"""``open_feed``: where a live feed is composed from REST, WebSocket, recorder and books."""

from __future__ import annotations

import asyncio
import os
import random
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from orderbook.clock import has_own_time, loop_clock
from orderbook.errors import UsageError, shown
from orderbook.feed.events import FeedEvent, RecordingFailed, RecordingResumed
from orderbook.feed.feed import Feed
from orderbook.feed.seams import Connect, Record, RecordKind, World, new_id
from orderbook.feed.settings import FeedSettings
from orderbook.feed.transports import connector
from orderbook.guard import Clock
from orderbook.secret import Credentials
from orderbook.sync import BookSync
from orderbook.venues import venue_named
from orderbook.venues.kucoin_rest import HOST
from orderbook.venues.rest import Depth, Pool
from snapshots.budget import WeightBudget
from snapshots.fetch import CallSettings, OnAnswer, Rest, credentials_for
from snapshots.recorder import Recorder, RecorderEvent, RecorderResumed
from snapshots.transport import Transport


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """All that a live feed gets from outside of the library, to be replaced for a simulated day.

    Attributes:
        transport: Carries REST requests; ``None``: HTTP.
        budget: What requests may cost; ``None``: the process's budget for the host.
        connect: Opens WebSocket connections; ``None``: over the transport of the settings.
        wall_clock: ns since 1970.
        rng: For jitter and samples.
        new_id: A fresh identifier for connections and requests.
        new_sync: Makes the synchroniser of a book.
        record: Takes note of everything received, beside a recorder.
    """

    transport: Transport | None = None
    budget: WeightBudget | None = None
    connect: Connect | None = None
    wall_clock: Clock = time.time_ns
    rng: random.Random = field(default_factory=random.SystemRandom)
    new_id: Callable[[], str] = new_id
    new_sync: Callable[..., BookSync] = BookSync
    record: Record | None = None


DEPTHS: Final[tuple[Depth, ...]] = (20, 100, "full")
URLS = {"kucoin": HOST}
"""Where each venue's REST interface is; everything else follows from its answers."""


def open_feed(
    venue: str = "kucoin",
    symbols: Iterable[str] = (),
    *,
    url: str | None = None,
    credentials: Credentials | None = None,
    depth: Depth | None = None,
    twice: Iterable[str] = (),
    settings: FeedSettings | None = None,
    record: str | os.PathLike[str] | Recorder | None = None,
    proxy: str | None = None,
    tls: ssl.SSLContext | None = None,
    on_event: Callable[[FeedEvent], None] | None = None,
    outside: Outside | None = None,
) -> Feed:
    """Keep live books of a venue.

    ::

        async with orderbook.open_feed("kucoin", ["BTC-USDT"]) as feed:
            book = await feed.ready("BTC-USDT", timeout_s=10)

    Nothing is connected before the ``async with``. No signal handler and no loop policy is set, and no thread started
    (but the recorder's, if there is one).

    Args:
        venue: Its name.
        symbols: Which books to keep.
        url: Another REST host, such as a local KuCoin's; plain HTTP only on this machine.
        credentials: An API key, for full snapshots and the streams of its account. Without, it is taken from
            ``KUCOIN_API_KEY``, ``KUCOIN_API_SECRET`` and ``KUCOIN_API_PASSPHRASE``, but only for the venue's own hosts
            over TLS.
        depth: How deep snapshots are asked for: 20 or 100 levels a side, beyond which queries raise
            ``BeyondHorizon``, or ``"full"``. Default: full with a key, else 100.
        twice: Which of the symbols are on two connections at once: of each message the copy that comes first is taken,
            and what one connection loses the other one brings. See ``SymbolMetrics.lanes``.
        settings: Every bound and limit.
        record: A path to record everything received to, in a new file; or a ``snapshots.recorder.Recorder``, which may
            append or overwrite, and stays open.
        proxy: Address of an HTTP proxy; the environment's are not used.
        tls: A context that trusts another certificate authority.
        on_event: Called with every event as it happens; must not wait.
        outside: Instead of the network and the machine, for tests: see ``orderbook.testing``.

    Raises:
        UnknownVenue: No such venue.
        UsageError: A symbol that cannot be one, a bad address, a full depth without a key, a key of which a part is
            missing, or a transport that is not installed.

    Opening it raises what ``Feed.start`` raises, and ``snapshots.CaptureError`` where ``record`` cannot be made.
    """
    wire = venue_named(venue)
    address = url or URLS[wire.name]
    keys = credentials_for(address, credentials, os.environ)
    if depth is None:
        depth = "full" if keys else 100
    elif depth == "full" and keys is None:
        raise UsageError("full snapshots need an API key: give credentials, or ask for depth=100")
    elif depth not in DEPTHS:
        raise UsageError(f'depth is one of 20, 100 and "full", not {shown(depth)}')
    settings = FeedSettings() if settings is None else settings
    if not isinstance(settings, FeedSettings):
        raise UsageError(f"settings are FeedSettings(...), not {type(settings).__name__}")
    # Whatever is wrong with these is to be told here, not in the background.
    probe = Rest(address, credentials=keys, proxy=proxy, ssl=tls)
    del probe

    given = outside or Outside()
    connect = given.connect or connector(settings, proxy=proxy, tls=tls)

    async def world(feed: Feed, stack: AsyncExitStack) -> World:
        recorder = _recorder(record, feed, stack)
        records = _both(given.record, None if recorder is None else recorder.record)
        clock = _clock()
        rest = Rest(
            address,
            credentials=keys,
            proxy=proxy,
            ssl=tls,
            calls=CallSettings(timeout_ms=settings.rest_timeout_ms, clock=clock, wall=given.wall_clock, rng=given.rng),
            on_answer=_answers_of(feed, records),
            transport=given.transport,
            budget=given.budget,
        )
        await stack.enter_async_context(rest)
        pool: Pool = "spot" if depth == "full" else "public"
        return World(
            rest=rest,
            connect=connect,
            has_key=keys is not None,
            budget=lambda: (rest.budget.used(pool), rest.budget.limit(pool)),
            line=rest,
            record=records,
            clock=clock,
            wall_clock=given.wall_clock,
            rng=given.rng,
            new_id=given.new_id,
            new_sync=given.new_sync,
        )

    return Feed(wire, symbols, depth, world, settings, on_event, twice)


def _clock() -> Clock:
    """The loop's clock; but one that goes on while the machine sleeps, where there is one.

    A laptop that is opened again must not show the prices of when it was closed. A loop whose time is not the
    machine's (a simulated day) keeps its own.
    """
    loop = asyncio.get_running_loop()
    if has_own_time(loop) or not hasattr(time, "CLOCK_BOOTTIME"):
        return partial(loop_clock, loop)
    return partial(time.clock_gettime_ns, time.CLOCK_BOOTTIME)


def _both(first: Record | None, second: Record | None) -> Record | None:
    """What tells two that take notes, if there are two."""
    if first is None or second is None:
        return first or second

    def record(kind: RecordKind, url: str, raw: bytes, status: int | None) -> None:
        first(kind, url, raw, status)
        second(kind, url, raw, status)

    return record


def _answers_of(feed: Feed, record: Record | None) -> OnAnswer:
    def answered(url: str, status: int, body: bytes, _headers: Mapping[str, str]) -> None:
        feed.metrics.rest_calls += 1
        feed.metrics.rest_throttled += status == 429
        if record is not None:
            record("rest", url, body, status)

    return answered


def _recorder(record: str | os.PathLike[str] | Recorder | None, feed: Feed, stack: AsyncExitStack) -> Recorder | None:
    """Make the recorder, or take the one given, and listen to it."""
    if record is None:
        return None
    loop = asyncio.get_running_loop()

    def told(event: RecorderEvent) -> None:
        """Something happened to the recording; this runs on the recorder's thread."""
        with suppress(RuntimeError):  # the loop may be closed
            loop.call_soon_threadsafe(heard, event)

    def heard(event: RecorderEvent) -> None:
        if isinstance(event, RecorderResumed):
            feed.herald.tell(None, RecordingResumed(event.path, event.lost))
            # A replay of the recording needs snapshots to be LIVE again after the hole.
            feed.audit_all()
        else:
            feed.herald.tell(None, RecordingFailed(event.path, f"{event.problem}; {event.remedy}"))

    if isinstance(record, Recorder):
        recorder = record
        stack.callback(recorder.listen(told))
    else:
        recorder = Recorder(record, on_problem=told)
        stack.push_async_callback(recorder.aclose)
    feed.metrics.recorder = lambda: recorder.counters
    return recorder
