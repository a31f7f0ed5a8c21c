"""What a synchroniser asks for, fetched beside the stream: a snapshot and a probe at a time for each symbol."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from orderbook.errors import Refused, RestError, UnknownSymbol
from orderbook.events import NeedSnapshot
from orderbook.feed.interest import Interest
from orderbook.feed.metrics import SymbolMetrics
from orderbook.feed.pacing import Backoff
from orderbook.feed.seams import World
from orderbook.feed.settings import FeedSettings
from orderbook.sync import BookSync
from orderbook.types import BookState
from orderbook.venues.rest import Depth, Priority

log = logging.getLogger("orderbook.feed")


class Errands:
    """The requests of one symbol. How many there are in the whole process is for the budget to say.

    Args:
        sync: Whose wishes are served.
        depth: How deep snapshots are asked for.
        world: The seams.
        settings: Bounds.
        metrics: The symbol's.
        snapshot: Gets the body of a snapshot.
        probe: Gets the venue's present sequence; ``None``: it cannot be had.
        interest: How much the symbol matters.
        refused: Told when only the user can help, and how.
    """

    def __init__(
        self,
        sync: BookSync,
        depth: Depth,
        world: World,
        settings: FeedSettings,
        metrics: SymbolMetrics,
        *,
        snapshot: Callable[[bytes], None],
        probe: Callable[[int | None], None],
        interest: Interest,
        refused: Callable[[str], None],
    ) -> None:
        self._problem: str | None = None
        self._sync = sync
        self._symbol = sync.symbol
        self._depth = depth
        self._world = world
        self._settings = settings
        self._metrics = metrics
        self._snapshot = snapshot
        self._probe = probe
        self._interest = interest
        self._refused = refused
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._is_waiting = False
        self._for_lost = False

    def want_snapshot(self, wish: NeedSnapshot) -> None:
        """Serve a wish. It does not wait behind an earlier one that still waits, is less urgent or too early."""
        is_lost = self._sync.state is not BookState.LIVE
        is_better = is_lost and not self._for_lost
        if self._is_waiting or is_better or wish.reason == "sequence reset":
            self._cancel("snapshot")
        self._begin("snapshot", self._serve_snapshot(wish))
        self._for_lost = is_lost

    def want_probe(self) -> None:
        """Ask where the venue stands, unless that is under way."""
        self._begin("probe", self._serve_probe())

    @property
    def problem(self) -> str | None:
        """Why the last attempt at a snapshot brought nothing; ``None`` after one that did."""
        # A request is tried several times, for minutes if nobody answers: who looks need not wait for its end.
        return self._world.line.problem(self._symbol) or self._problem

    @property
    def place(self) -> int | None:
        """The place in the line of those who wait for a snapshot; ``None``: it is not in it."""
        return self._world.line.place(self._symbol) if "snapshot" in self._tasks else None

    def move(self) -> None:
        """How much the symbol matters may have changed: let its snapshot have the place that it is due."""
        if "snapshot" in self._tasks:
            self._world.line.move(self._symbol, self._interest.rank)

    def give_back(self) -> None:
        """If no snapshot is wished for any more, whoever is next has the place; unless the request has gone already."""
        is_over = "snapshot" in self._tasks and not self._sync.wants_snapshot
        if is_over and not self._world.line.is_sent(self._symbol):
            self._cancel("snapshot")

    def drop(self) -> list[asyncio.Task[None]]:
        """Nothing of all this is wanted any more. The tasks, which are cancelled."""
        self._problem = None
        return [task for name in tuple(self._tasks) if (task := self._cancel(name)) is not None]

    def _begin(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        running = self._tasks.get(name)
        if running is not None and not running.done():
            work.close()
            return
        task = self._tasks[name] = asyncio.get_running_loop().create_task(work, name=f"{name} of {self._symbol}")
        task.add_done_callback(self._ended)

    def _cancel(self, name: str) -> asyncio.Task[None] | None:
        task = self._tasks.pop(name, None)
        if task is None or task.done():
            return None
        task.cancel()
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            # A bug of ours. The synchroniser asks again, later; meanwhile this is said aloud.
            task.get_loop().call_exception_handler({"message": f"{task.get_name()} failed", "exception": error})

    async def _serve_snapshot(self, wish: NeedSnapshot) -> None:
        """Fetch until there is an answer, or the synchroniser wants none any more."""
        rng, settings = self._world.rng, self._settings
        backoff = Backoff(settings.sync.snapshot_retry_ms * 2, settings.sync.snapshot_retry_max_ms, rng)
        patience = Backoff(settings.sync.snapshot_retry_max_ms, settings.refused_retry_ms, rng)
        delay_ms = rng.uniform(wish.delay_ms / 2, wish.delay_ms)
        is_patient = False
        while True:
            # A new wish is more urgent than an old one's delay, but no reason to ask what was refused.
            self._is_waiting = not is_patient
            await asyncio.sleep(delay_ms / 1000)
            self._is_waiting = False
            if not self._sync.wants_snapshot:
                return
            started_ns = self._world.clock()
            try:
                body = await self._world.rest.snapshot(
                    self._symbol, self._depth, priority=self._priority(wish), rank=self._interest.rank
                )
            except RestError as error:
                self._metrics.snapshot_errors += 1
                self._problem = str(error)
                if isinstance(error, Refused) and error.is_final:
                    self._tasks.pop("snapshot", None)
                    self._refused(str(error))
                    return
                # What is not said to pass may pass all the same (a page of an edge server): later, and not for ever.
                # And the venue listed the symbol: that it knows no book of it passes soon, or its list will tell.
                is_patient = not error.is_transient and not isinstance(error, UnknownSymbol)
                delay_ms = (patience if is_patient else backoff).next_ms()
                log.warning("%s: no snapshot: %s; again in %d ms", self._symbol, error, delay_ms)
                continue
            self._problem = None
            self._metrics.snapshot_rtt_ns.observe(self._world.clock() - started_ns)
            # This task is at its end: what the answer makes the book wish for next may begin another.
            self._tasks.pop("snapshot", None)
            self._snapshot(body)
            return

    def _priority(self, wish: NeedSnapshot) -> Priority:
        if self._sync.state is not BookState.LIVE:
            return Priority.LOST
        return Priority.AUDIT if wish.reason == "audit" else Priority.HORIZON

    async def _serve_probe(self) -> None:
        sequence: int | None
        try:
            sequence = await self._world.rest.probe(self._symbol)
        except RestError as error:
            log.warning("%s: no probe: %s", self._symbol, error)
            sequence = None
        self._tasks.pop("probe", None)
        self._probe(sequence)
