"""Short failures: hypothesis plays venue, way and user, the real feed runs in virtual time, and the oracle looks on.

Nothing happens by itself here: the market moves when a rule says so, and time passes when a rule lets it. Rules draw
small numbers and names from short lists, so that what hypothesis shrinks a failure to can be read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from orderbook.errors import RestError
from orderbook.feed.feed import Feed
from orderbook.simulator.virtual_time import VirtualLoop, settled
from orderbook.sync import BookSync
from tests.examples import share
from tests.simulation.case import SETTINGS, SYMBOLS, Case
from tests.simulation.oracle import POLL_MS, Breach
from tests.simulation.planted import PLANTED
from tests.simulation.planted_errors import Make
from tests.simulation.running import _Run
from tests.waiting import elapse, turn

NEVER: Final = 1e-9
"""Deltas a second of a market that does not move by itself."""
TASKS_MAX: Final = 60
USUAL_S: Final = 0.004
"""A frame takes 3 ms at most."""
FEW: Final = st.integers(1, 4)
DAMAGE: Final = (
    *({"fault": "garble", "how": how} for how in ("cut", "utf8", "binary", "twice")),
    *({"fault": "fields", "how": how} for how in ("swapped", "null", "huge")),
    *({"fault": "spell", "how": how} for how in ("nan", "wide")),
    {"fault": "price_zero", "size": "5"},
    {"fault": "ghost_delete"},
    {"fault": "wrong_symbol"},
)
ANSWERS: Final = (
    *({"fault": "stale_snapshot", "by": by} for by in (1, 3, 50)),
    {"fault": "delayed_snapshot", "ms": 1_500, "computed": "early"},
    {"fault": "delayed_snapshot", "ms": 1_500, "computed": "late"},
    {"fault": "bad_snapshot", "how": "crossed"},
    {"fault": "rest_error"},
    {"fault": "html"},
    {"fault": "cut_body"},
    {"fault": "hang"},
    {"fault": "rate_limited", "reset_ms": 700},
)
ENDS: Final = (
    {"fault": "disconnect", "how": "abort"},
    {"fault": "disconnect", "how": "close"},
    {"fault": "black_hole"},
    {"fault": "sequence_reset", "base": 7},
    {"fault": "stall", "ms": 3_000},
)


class FeedMachine(RuleBasedStateMachine):
    """A feed of two books at a venue whose every move is a rule's."""

    make: Make = staticmethod(BookSync)
    """Makes the synchronisers; a planted one where this machine has to fail."""
    depth: Any = "full"
    symbols = SYMBOLS[:2]
    heals = True
    """Whether all is healed in the end; without, a search for what goes wrong before is faster."""
    last_steps: tuple[str, ...] = ()
    """What the last machine did: after a failure, the shrunk one."""

    def __init__(self) -> None:
        super().__init__()
        self._steps: list[str] = []
        self._left: set[str] = set()
        self._gone: set[str] = set()
        self._feed: Feed | None = None

    @initialize(seed=st.integers(0, 3))
    def open(self, seed: int) -> None:
        """A feed whose books are LIVE; some more ones are so later."""
        self._close = ExitStack()
        self._runner = self._close.enter_context(asyncio.Runner(loop_factory=VirtualLoop))
        case = Case(seed=seed, symbols=self.symbols, rate=NEVER, depth=self.depth, plan=())
        self._run = _Run(case, type(self).make, replay=True)
        self._close.enter_context(self._run.canaries())
        self._oracle, self._venue = self._run.oracle, self._run.venue
        self._runner.run(self._opened())

    async def _opened(self) -> None:
        self._before = asyncio.all_tasks()
        await self._venue.start()
        outside = self._venue.outside(new_sync=self._oracle.maker(self._run._make), record=self._run._record)
        self._feed = self._venue.open_feed(
            self._run.case.symbols, depth=self.depth, settings=SETTINGS, outside=outside, on_event=self._run._hear
        )
        await self._feed.start()
        for symbol in self._feed.symbols:
            self._moves(symbol, 2)
            await self._feed.ready(symbol, timeout_s=20)

    # -- the venue --

    @rule(number=st.integers(0, 1), count=FEW)
    def tick(self, number: int, count: int) -> None:
        """The market moves."""
        self._did("tick")
        symbol = self.symbols[number % len(self.symbols)]

        async def move() -> None:
            self._moves(symbol, count)

        self._go(move())

    def _moves(self, symbol: str, count: int) -> None:
        """As the exchange does it when a symbol's time has come, but now."""
        exchange, source = self._venue.exchange, self._venue.market[symbol]
        for _ in range(count):
            now_ns = self._venue.now_ns()
            exchange.advance(now_ns)
            tick = source.advance()
            exchange._past.note(symbol, now_ns, source.epoch, source.sequence)
            exchange._stream.publish(tick, now_ns)
        self._venue.flush()

    @rule()
    def drop(self) -> None:
        """The next delta is lost."""
        self._did("drop")
        self._struck({"fault": "drop"})

    @rule(lag=st.integers(0, 2))
    def dup(self, lag: int) -> None:
        """The next delta comes twice."""
        self._did("dup")
        self._struck({"fault": "duplicate", "lag": lag})

    @rule(by=st.integers(1, 2))
    def swap(self, by: int) -> None:
        """The next delta comes after others."""
        self._did("swap")
        self._struck({"fault": "swap", "by": by})

    @rule(what=st.sampled_from(DAMAGE))
    def corrupt(self, what: dict[str, object]) -> None:
        """The next delta is damaged."""
        self._did("corrupt")
        self._struck(what)

    @rule(what=st.sampled_from(ANSWERS))
    def rest_reply(self, what: dict[str, object]) -> None:
        """The next answer is old, late, no book or no answer."""
        self._did("rest_reply")
        self._struck(what)

    @rule(what=st.sampled_from(ENDS))
    def disconnect(self, what: dict[str, object]) -> None:
        """The connection ends, dies, or is not what it was."""
        self._did("disconnect")
        if what["fault"] == "sequence_reset":
            # Counts that overlap could not be told apart.
            what = {**what, "base": 7 + 1_000_000 * (1 + max(one.epoch for one in self._venue.market.values()))}
        self._struck(what)

    @rule(ms=st.sampled_from((0, 30, 400)))
    def slow_way(self, ms: int) -> None:
        """From now on frames take so long."""
        self._did("slow_way")
        self._venue.route = type(self._venue.route)(down_ms=(1.0 + ms, 3.0 + ms))

    def _struck(self, what: dict[str, object]) -> None:
        async def strike() -> None:
            self._venue.strike(what)
            self._venue.flush()

        self._go(strike())

    # -- time --

    @rule(frames=FEW)
    def deliver(self, frames: int) -> None:
        """So much time as frames need that follow one another."""
        self._did("deliver")
        self._go(self._pass(frames * 10))

    @rule(ms=st.sampled_from((100, 1_500, 6_000, 35_000)))
    def advance(self, ms: int) -> None:
        """Time passes."""
        self._did("advance")
        self._go(self._pass(ms))

    async def _pass(self, ms: float) -> None:
        while ms > 0:
            await elapse(min(ms, POLL_MS) / 1e3)
            ms -= POLL_MS
            self._oracle.poll()

    @rule(ms=st.sampled_from((300, 3_000, 12_000)))
    def block_loop(self, ms: int) -> None:
        """The bot computes, and nothing else happens."""
        self._did("block_loop")

        async def block() -> None:
            loop = asyncio.get_running_loop()
            assert isinstance(loop, VirtualLoop)
            loop.block(ms / 1e3)
            self._oracle.poll()

        self._go(block())

    # -- the user --

    @precondition(lambda self: self._opened_feed.symbols)
    @rule()
    def query(self) -> None:
        """The bot asks, and is answered truly or not at all."""
        self._did("query")

        async def ask() -> None:
            self._run.case = replace(self._run.case, symbols=self._opened_feed.symbols)
            self._run._ask(self._opened_feed)

        self._go(ask())

    @precondition(lambda self: self._opened_feed.symbols)
    @rule(number=st.integers(0, 1))
    def unsubscribe(self, number: int) -> None:
        """The bot needs a book no more."""
        self._did("unsubscribe")
        symbol = self._opened_feed.symbols[number % len(self._opened_feed.symbols)]
        self._left.add(symbol)
        self._gone.add(symbol)
        self._go(self._opened_feed.remove(symbol))

    @precondition(lambda self: self._left)
    @rule()
    def subscribe(self) -> None:
        """The bot wants one again."""
        self._did("subscribe")
        symbol = min(self._left)

        async def add() -> None:
            try:
                await self._opened_feed.add(symbol)
            except RestError:
                return
            self._left.discard(symbol)

        self._go(add())

    def _go(self, work: Coroutine[Any, Any, None]) -> None:
        """Let it be done, and what it sent arrive, if the way is as fast as usual; then the oracle looks."""

        async def done() -> None:
            await work
            await elapse(USUAL_S)
            await settled()
            self._oracle.poll()

        self._runner.run(done())

    @property
    def _opened_feed(self) -> Feed:
        assert self._feed is not None
        return self._feed

    def _did(self, step: str) -> None:
        self._steps.append(step)
        type(self).last_steps = tuple(self._steps)

    # -- the laws --

    @invariant()
    def laws_hold(self) -> None:
        """I1 to I4, I6 to I8 and I10, after every step."""
        assert [] == self._breaches
        if self._feed is not None:
            assert len(asyncio.all_tasks(self._runner.get_loop())) <= TASKS_MAX

    @property
    def _breaches(self) -> list[Breach]:
        return [] if self._feed is None else [*self._oracle.breaches, *self._run.outcome.breaches]

    def teardown(self) -> None:
        """All is healed: I5, I8, I9, and nothing is left."""
        if self._feed is None:
            return
        with self._close:
            if self.heals and not self._breaches:
                self._runner.run(self._ended(self._feed))
                assert [] == self._breaches

    async def _ended(self, feed: Feed) -> None:
        venue = self._venue
        venue.exchange.heal(venue.now_ns())
        await feed.add(*self._left)
        for symbol in feed.symbols:
            self._moves(symbol, 1)
        await self._run._healed(feed)
        for _ in range(2):
            # A recording does not say that nobody listened for a while, nor what probes were asked for: give a replay
            # what it may then lack, a snapshot that deltas continue.
            feed.audit_all()
            await self._pass(1_000)
            for symbol in feed.symbols:
                self._moves(symbol, 2)
            await self._pass(1_000)
        self._oracle.finish(feed.symbols)
        await feed.close()
        await turn()
        left = asyncio.all_tasks() - self._before - {asyncio.current_task()}
        assert set() == left
        assert {} == dict(venue.exchange.violations)
        if self.depth != "full":
            for symbol in self._gone:
                # Behind its horizon a book that was begun anew holds other levels than one that went on.
                del self._oracle.watches[symbol]
        self._run._replay()
        await venue.close()


BOUNDED: Final = settings(stateful_step_count=20)
STEPS_MAX: Final = 6
SHOWN: Final = ("LIVE outlives the connection", "the end of LIVE is not told")


def machine(**attributes: Any) -> type[FeedMachine]:
    """A machine with something else about it."""
    return type("Machine", (FeedMachine,), attributes)


@pytest.mark.parametrize(("depth", "percent"), [("full", 15), (100, 10)])
def test_no_sequence_of_events_makes_a_wrong_book_readable(depth: Any, percent: int) -> None:
    """All laws hold after every step, and when all is healed every book is LIVE and equal; also without a key."""
    run_state_machine_as_test(machine(depth=depth), settings=settings(BOUNDED, max_examples=share(percent)))


@pytest.mark.parametrize("name", SHOWN)
def test_planted_errors_are_found_and_shrunk(name: str) -> None:
    """A failure is found within a few examples, and what is left of it is short enough to be read."""
    (make,) = (engine.make for engine in PLANTED if engine.name == name)
    wrong = machine(make=staticmethod(make), heals=False, symbols=SYMBOLS[:1])
    searching = settings(
        stateful_step_count=15,
        max_examples=150,
        phases=(Phase.generate, Phase.shrink),
        database=None,
        print_blob=False,
        report_multiple_bugs=False,
    )
    with pytest.raises(AssertionError):
        run_state_machine_as_test(wrong, settings=searching)
    assert 1 <= len(wrong.last_steps) <= STEPS_MAX, wrong.last_steps
