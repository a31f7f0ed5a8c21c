"""Long failures made short: fewer entries in the plan, fewer symbols, less market, simpler settings.

Each probe is a whole run in virtual time, so whether a smaller case fails is no guess. Delta debugging (Zeller and
Hildebrandt, "Simplifying and isolating failure-inducing input") finds the entries that matter; around it, the run is
cut at the breach, brought forward and slowed down, the cheapest proposals first: it seldom takes a million messages to
show what a run of a million messages has shown.

*The same failure* is a breach of the same law; where a run crashes, by the same kind of error. Not the same words:
those name a sequence, a symbol, a state, and all of these change as a case gets smaller. So a shrunk case may in the
end show another defect than it began with, of the same kind of harm. That is a defect too, and none is lost by it: the
case that was found is kept beside the shrunk one until both pass.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import chain, pairwise
from typing import Final, NamedTuple, TypeVar

from orderbook.sync import BookSync
from tests.simulation import simpler
from tests.simulation.case import Case
from tests.simulation.oracle import Breach
from tests.simulation.probing import Maker, Probed, at_ms, first_breach, outcome_of, probe

T = TypeVar("T")

PROBES_MAX: Final = 2_000
SECONDS_MAX: Final = 120.0
_SMALLER: Final = (simpler.scaled, simpler.shifted, simpler.shorter, simpler.slower)
"""Ways to have less of everything."""


class ItHolds(ValueError):
    """There is nothing to shrink: the case breaks no law."""


class Shrunk(NamedTuple):
    """The smallest case that was found.

    Attributes:
        case: It breaks the law, as ``simulate`` says.
        breach: How.
        probes: Runs that it took.
        is_least: Nothing simpler was left to try; else the time was up.
    """

    case: Case
    breach: Breach
    probes: int
    is_least: bool


def shrink(
    case: Case,
    make: Maker = BookSync,
    *,
    known: Breach | None = None,
    probes_max: int = PROBES_MAX,
    seconds_max: float = SECONDS_MAX,
    clock: Callable[[], float] = time.monotonic,
    tell: Callable[[str], None] = lambda _: None,
) -> Shrunk:
    """Make a failing case small.

    Ctrl-C ends it early, with the smallest case so far.

    Args:
        case: It breaks a law.
        make: Makes the synchronisers.
        known: Which law, if a run has told already: saves that run, which is the longest of all.
        probes_max: Most runs.
        seconds_max: Most real time, but for the last run, which confirms the result.
        clock: Tells the seconds.
        tell: Takes a line whenever a smaller case was found.

    Raises:
        ItHolds: The case breaks no law, or not the known one.
    """
    began = clock()
    search = _Search(case, make, known, probes_max, lambda: clock() - began > seconds_max, tell)
    is_least = False
    with suppress(_Spent, KeyboardInterrupt):
        search.run()
        is_least = True
    for smallest in reversed(search.found):
        # A probe is cut short, so the last word is that of a whole run.
        outcome = outcome_of(smallest, make, replay=search.law == "I9")
        breach = first_breach(replace(outcome, breaches=[one for one in outcome.breaches if one.law == search.law]))
        if breach is not None:
            return Shrunk(smallest, breach, search.probes, is_least)
    raise ItHolds(f"the case breaks no law{'' if known is None else f' {known.law}'}")


def ddmin(items: Sequence[T], fails: Callable[[Sequence[T]], bool]) -> list[T]:
    """A part of the items that still fails, of which no single item can be left out.

    Args:
        items: All together fail.
        fails: Whether a part, in the order of the whole, does.

    Complexity: O(n**2) probes at worst; O(k log n) where k items fail whatever the others do.
    """
    if fails([]):
        return []
    left, count = list(items), 2
    while len(left) >= 2:
        for part, rest in _divided(left, count):
            if len(part) < len(left) and fails(part):
                left, count = part, 2
                break
            # With two parts, the rest is the other part.
            if count > 2 and fails(rest):
                left, count = rest, count - 1
                break
        else:
            if count >= len(left):
                break
            count = min(len(left), 2 * count)
    return left


def _divided(items: list[T], count: int) -> Iterator[tuple[list[T], list[T]]]:
    """Each of ``count`` parts of nearly one size, with what is left without it."""
    edges = [len(items) * number // count for number in range(count + 1)]
    for begin, end in pairwise(edges):
        yield items[begin:end], items[:begin] + items[end:]


class _Spent(Exception):
    """Time or probes are used up."""


class _Search:
    """The search for a smaller case. ``found`` grows with each that is simpler than the one before."""

    def __init__(
        self,
        case: Case,
        make: Maker,
        known: Breach | None,
        probes_max: int,
        is_late: Callable[[], bool],
        tell: Callable[[str], None],
    ) -> None:
        self.found = [case]
        self.law = None if known is None else known.law
        self.probes = 0
        self._breach = known
        self._make = make
        self._probes_max = probes_max
        self._is_late = is_late
        self._tell = tell
        self._strikes: Probed | None = None
        self._known: set[str] = set()

    @property
    def best(self) -> Case:
        return self.found[-1]

    def run(self) -> None:
        """Until nothing simpler fails. Raises ``_Spent``."""
        if self.law is None and not self._fails(self.best):
            raise ItHolds("the case breaks no law")
        before = None
        while before != self.best:
            before = self.best
            self._lessen(lambda case: chain.from_iterable(way(case) for way in _SMALLER))
            self._lessen(simpler.alone)
            self._fewer_entries()
            self._lessen(simpler.plainer)
            self._simpler_entries()

    def _fails(self, case: Case) -> bool:
        """Whether the case fails in the same way. If so, it is the best, cut right after the breach."""
        text = case.to_json()
        if text in self._known or not simpler.is_legal(case):
            return False
        self._known.add(text)
        if self.probes >= self._probes_max or self._is_late():
            raise _Spent
        self.probes += 1
        probed = probe(case, self._make, law=self.law, is_late=self._is_late)
        if probed.breach is None:
            return False
        self.law, self._breach, self._strikes = probed.breach.law, probed.breach, probed
        self.found.append(case)
        self._tell(f"probe {self.probes}: {self.law} with {simpler.size(case)}")
        for shorter in simpler.cut(case, at_ms(probed.breach)):
            self._fails(shorter)
        return True

    def _lessen(self, ways: Callable[[Case], Iterable[Case]]) -> None:
        """Take the first proposal that fails, and ask anew."""
        while any(self._fails(case) for case in ways(self.best)):
            pass

    def _fewer_entries(self) -> None:
        if self._strikes is not None:
            self._fails(simpler.only_struck(self.best, self._strikes.strikes))
        ddmin(self.best.plan, lambda plan: self._fails(replace(self.best, plan=tuple(plan))))

    def _simpler_entries(self) -> None:
        for number in range(len(self.best.plan)):
            self._count(number)
        # Without chance in them, entries no longer hang together.
        self._fewer_entries()
        for number in range(len(self.best.plan)):
            self._lessen(partial(_simpler_at, number))

    def _count(self, number: int) -> None:
        """Name the messages that an entry must strike, and then fewer of them."""
        entry = self.best.plan[number]
        if self._strikes is not None:
            counted = simpler.counted(entry, self._strikes.strikes)
            if counted is not None:
                self._fails(simpler.with_entry(self.best, number, counted))
        numbers = simpler.chosen(self.best.plan[number])
        if len(numbers) > 1:
            ddmin(numbers, partial(self._fails_with, number))

    def _fails_with(self, number: int, some: Sequence[int]) -> bool:
        """Whether the case fails when an entry strikes only these messages; without any it is another entry."""
        entry = self.best.plan[number]
        return bool(some) and self._fails(simpler.with_entry(self.best, number, simpler.choosing(entry, list(some))))


def _simpler_at(number: int, case: Case) -> Iterator[Case]:
    """The case with each simpler form of its entry ``number``."""
    return (simpler.with_entry(case, number, entry) for entry in simpler.simpler_entries(case.plan[number]))
