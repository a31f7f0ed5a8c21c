"""Long failures become short ones that fail in the same way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderbook.errors import FrameError
from orderbook.events import Event
from orderbook.settings import SyncSettings
from orderbook.sync import BookSync
from orderbook.types import Delta, Message
from tests.simulation import simpler
from tests.simulation.case import SYMBOLS, Case, Entry, drawn
from tests.simulation.oracle import Breach
from tests.simulation.probing import first_breach, outcome_of, probe
from tests.simulation.running import simulate
from tests.simulation.shrinking import ItHolds, ddmin, shrink

HARMLESS: Final[tuple[Entry, ...]] = (
    *({"fault": "ghost_delete", "at_ms": 100 * number, "p": 0.05} for number in range(15)),
    *({"fault": "price_zero", "at_ms": 100 * number, "every": 7, "scope": SYMBOLS[number % 2]} for number in range(15)),
    *({"fault": "late_pong", "at_ms": 100 * number, "for_ms": 3_000, "ms": 40 + number} for number in range(14)),
    *({"fault": "slow", "at_ms": 100 * number, "path": "symbols", "ms": 20 + number} for number in range(14)),
)
"""Faults that bring neither a batch nor a hole."""
TWO: Final[tuple[Entry, ...]] = (
    {"fault": "merge", "at_ms": 900, "for_ms": 500, "p": 0.2, "scope": SYMBOLS[0]},
    {"fault": "drop", "at_ms": 1_400, "for_ms": 1_500, "p": 0.2, "run": 2, "scope": SYMBOLS[0]},
)
LONG: Final = Case(
    seed=1,
    symbols=SYMBOLS[:2],
    rate=20.0,
    duration_ms=4_000,
    plan=(*HARMLESS[:20], TWO[0], *HARMLESS[20:40], TWO[1], *HARMLESS[40:]),
)


class Blinded(BookSync):
    """An engine that sees no hole any more once it has seen a batch."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._is_blind = False
        self._lay(None, self.symbol, SyncSettings(), is_observed=True)  # it sees every message

    def receive_decoded(self, message: Message | FrameError, received_ns: int = 0) -> tuple[Event, ...]:
        """Every delta continues the book."""
        if isinstance(message, Delta) and self.book.sequence:
            self._is_blind |= message.sequence_end > message.sequence_start
            if self._is_blind:
                message = message._replace(sequence_start=min(message.sequence_start, self.book.sequence + 1))
        return super().receive_decoded(message, received_ns)


def test_the_entries_that_matter_are_found() -> None:
    """Of sixty entries the two that it takes are left, for one symbol, in a run of few messages, and it still fails."""
    assert 60 == len(LONG.plan)
    shrunk = shrink(LONG, Blinded, seconds_max=1e9)
    assert ["drop", "merge"] == sorted(str(entry["fault"]) for entry in shrunk.case.plan)
    assert 1 == len(shrunk.case.symbols)
    assert shrunk.is_least
    outcome = simulate(shrunk.case, Blinded)
    assert "I1" == shrunk.breach.law == outcome.breaches[0].law
    assert shrunk.case.duration_ms <= 1_500


def test_a_shrunk_case_still_breaks_the_law_that_it_is_about() -> None:
    """A way that leads to another law is not taken, however short it is."""
    case = Case(seed=1, symbols=SYMBOLS[:1], rate=20.0, duration_ms=1_000)

    def failing(*_: object, **__: object) -> BookSync:
        raise TypeError("no engine at all")

    known = Breach("I1", SYMBOLS[0], 0, "wrong")
    with pytest.raises(ItHolds, match="no law I1"):
        shrink(case, failing, known=known, seconds_max=1e9, probes_max=5)
    assert "crash TypeError" == shrink(case, failing, seconds_max=1e9, probes_max=5).breach.law


def test_nothing_is_shrunk_that_holds() -> None:
    """A case that breaks no law is refused, after one run."""
    with pytest.raises(ItHolds):
        shrink(Case(seed=1, symbols=SYMBOLS[:1], rate=20.0, duration_ms=500), seconds_max=1e9)


@pytest.mark.parametrize("bound", ["probes", "seconds", "interrupt"])
def test_a_search_that_is_ended_gives_the_smallest_so_far(bound: str) -> None:
    """Whatever ends it, the result fails and is said not to be the least."""
    lines: list[str] = []
    now = [0.0]

    def tell(line: str) -> None:
        lines.append(line)
        now[0] += 1.0
        if bound == "interrupt" and len(lines) == 2:
            raise KeyboardInterrupt

    shrunk = shrink(
        replace(LONG, plan=TWO),
        Blinded,
        probes_max=2 if bound == "probes" else 1_000,
        seconds_max=1.5 if bound == "seconds" else 1e9,
        clock=lambda: now[0],
        tell=tell,
    )
    assert 2 == len(lines) == shrunk.probes
    assert not shrunk.is_least
    assert shrunk.case.duration_ms < LONG.duration_ms
    assert "I1" == simulate(shrunk.case, Blinded).breaches[0].law


def test_a_probe_sees_what_the_whole_run_sees() -> None:
    """To leave out what comes after the breach changes neither which it is nor when."""
    whole = first_breach(outcome_of(LONG, Blinded))
    assert whole is not None
    assert whole == probe(LONG, Blinded).breach == probe(LONG, Blinded, law="I1").breach
    assert probe(LONG, Blinded, law="I6").breach is None
    assert probe(LONG, Blinded, is_late=lambda: True).breach is None


def test_a_run_ends_though_nothing_can_be_opened() -> None:
    """A proposal may well make a fault last for ever; all is healed in time, and then the feed opens."""
    case = Case(seed=1, symbols=SYMBOLS[:1], rate=5.0, duration_ms=500, plan=({"fault": "rest_error", "p": 1.0},))
    outcome = outcome_of(case)
    assert [] == outcome.breaches
    assert outcome.frames


def test_a_probe_knows_which_messages_were_struck() -> None:
    """Named by their numbers, the same messages are struck again, and the run is the same but for the plan's words."""
    case = replace(LONG, plan=TWO[1:])
    entry = case.plan[0]
    probed = probe(case)
    counted = simpler.counted(entry, probed.strikes)
    assert counted is not None
    assert {"fault", "at_ms", "run", "scope", "nth"} == counted.keys()
    assert simulate(case).trace == simulate(simpler.with_entry(case, 0, counted)).trace


@given(items=st.integers(1, 40), needed=st.sets(st.integers(0, 39), max_size=5))
def test_what_is_needed_is_what_is_left(items: int, needed: set[int]) -> None:
    """Where it takes certain items, whatever else there is, these are found, in their order, and no others."""
    needed = {one for one in needed if one < items}
    assert sorted(needed) == ddmin(range(items), lambda some: needed <= set(some))


def test_no_single_item_can_be_left_out() -> None:
    """Where items depend on each other, what is left fails, and nothing does that has one item less."""

    def fails(some: Sequence[int]) -> bool:
        return len(some) >= 3 and sum(some) % 7 == 0

    left = ddmin(list(range(29)), fails)
    assert fails(left)
    assert not any(fails([*left[:number], *left[number + 1 :]]) for number in range(len(left)))


@given(value=st.one_of(st.integers(1, 10**6), st.floats(1e-4, 1.0)))
def test_simpler_numbers_are_smaller(value: float) -> None:
    """Else a search would not come to an end. The least comes first."""
    simple = list(simpler.simpler_numbers(value, 0))
    assert simple
    assert 0 == simple[0]
    assert all(0 <= one < value for one in simple)
    assert len(set(simple)) == len(simple)


def test_every_proposal_is_legal_or_is_not_run() -> None:
    """What the ways of ``simpler`` propose is a run, or is seen not to be one before it is tried."""
    ways = (simpler.scaled, simpler.shifted, simpler.shorter, simpler.slower, simpler.alone, simpler.plainer)
    case = drawn(1)
    proposals = [one for way in ways for one in way(case)]
    assert len(proposals) > 10
    for proposal in proposals:
        assert proposal != case
        assert simpler.is_legal(proposal), proposal
    assert not simpler.is_legal(replace(case, plan=({"fault": "drop", "p": 2},)))
    assert not simpler.is_legal(replace(case, plan=({"fault": "drop", "scope": "NO-SUCH"},)))
