"""One run that is only asked whether it fails: it ends when it has, and a crash is a failure like any other."""

from __future__ import annotations

import asyncio
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final, NamedTuple
from unittest.mock import patch

from orderbook.feed.feed import Feed
from orderbook.simulator.injector import Active
from orderbook.simulator.virtual_time import BEGIN_S
from orderbook.simulator.virtual_time import run as run_virtual
from orderbook.sync import BookSync
from tests.simulation.case import Case
from tests.simulation.oracle import POLL_MS, Breach
from tests.simulation.running import Outcome, _Run, simulate

Maker = Callable[..., BookSync]

CRASH: Final = "crash"
"""What the law of a run is called that did not come to its end; the kind of error is added."""
REPLAYED: Final = "I9"
"""The law that only a recorded run can break."""


def outcome_of(case: Case, make: Maker = BookSync, *, replay: bool = False) -> Outcome:
    """As ``simulate``, but an error that ends the run is a breach of it."""
    return _survived(lambda: simulate(case, make, replay=replay))


def first_breach(outcome: Outcome) -> Breach | None:
    """What went wrong first; the rest may follow from it."""
    return min(outcome.breaches, key=lambda breach: breach.at_ns, default=None)


def at_ms(breach: Breach) -> float:
    """When it happened, in ms since the run began; 0 if that is not known."""
    return max(0.0, breach.at_ns / 1e6 - BEGIN_S * 1e3)


def _survived(run: Callable[[], Outcome]) -> Outcome:
    try:
        return run()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what was looked for
        last = traceback.extract_tb(error.__traceback__)[-1]
        what = f"{type(error).__name__} in {last.name}: {error}"
        return Outcome(breaches=[Breach(f"{CRASH} {type(error).__name__}", "", 0, what)])


class Probed(NamedTuple):
    """What a probe has found.

    Attributes:
        breach: The first of the law that was asked about, or of any; ``None``: it does not fail so.
        strikes: Which of the messages that it could strike each entry of the plan did strike, by its text; 1 is the
            first.
    """

    breach: Breach | None
    strikes: Mapping[str, list[int]]


def probe(
    case: Case, make: Maker = BookSync, *, law: str | None = None, is_late: Callable[[], bool] = lambda: False
) -> Probed:
    """Does this run break the law?

    It is the run that ``simulate`` makes, up to the breach: what comes after is left out.

    Args:
        case: Which run.
        make: Makes the synchronisers.
        law: Which; ``None`` is any.
        is_late: Whether to give up, and to find nothing.
    """
    run = _Probe(case, make, law, is_late)
    with _noted() as strikes:
        outcome = _survived(run.go)
    outcome.breaches = [breach for breach in outcome.breaches if law in (None, breach.law)]
    return Probed(first_breach(outcome), strikes)


class _Probe(_Run):
    def __init__(self, case: Case, make: Maker, law: str | None, is_late: Callable[[], bool]) -> None:
        super().__init__(case, make, replay=law == REPLAYED)
        self._law = law
        self._is_late = is_late
        self._enough = asyncio.Event()

    def go(self) -> Outcome:
        with self.canaries():
            run_virtual(self.main)
        return self.outcome

    def _ask(self, feed: Feed) -> None:
        super()._ask(feed)
        found = (*self.oracle.breaches, *self.outcome.breaches)
        if self._is_late() or any(self._law in (None, breach.law) for breach in found):
            self._enough.set()

    async def _wait(self, ms: float) -> None:
        if ms <= POLL_MS:
            await super()._wait(ms)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(ms / 1e3):
                await self._enough.wait()

    async def _healed(self, feed: Feed) -> None:
        if not self._enough.is_set():
            await super()._healed(feed)


@contextmanager
def _noted() -> Iterator[dict[str, list[int]]]:
    """Write down the number of every message that is struck."""
    strikes: dict[str, list[int]] = defaultdict(list)
    original = Active.strikes

    def noted(self: Active, *args: Any, **about: Any) -> bool:
        hits = self.hits
        has_struck = original(self, *args, **about)
        if self.hits > hits:
            strikes[self.fault.text].append(self.seen)
        return has_struck

    with patch.object(Active, "strikes", noted):
        yield strikes
