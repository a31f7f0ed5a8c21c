"""Engines with one planted error each, and the laws that must notice it: a check that cannot fail proves nothing.

Each is the library's own ``BookSync`` with one behaviour changed, and has a run made for it; ``drawn`` plans catch most
of them, too. ``python -m tests.simulation.planted`` prints which seed and which law caught which engine, and with
``--drawn`` does so with runs that are drawn by swarm selection. Names of engines behind it: only these.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import click

from orderbook.events import Gap, StateChanged
from orderbook.sync import BookSync
from orderbook.sync.facts import Input
from orderbook.sync.table import Verdict
from orderbook.types import BookState
from tests.simulation.case import SYMBOLS, Case, Entry, drawn
from tests.simulation.planted_errors import (
    Make,
    all_is_known,
    clinging,
    dawdling,
    first_ask_only,
    flapping,
    giving_up,
    going_back,
    hoarding,
    ignoring_holes,
    instead,
    made,
    merging,
    miscounting,
    price_zero,
    publishing_nothing,
    publishing_some,
    seeing_nothing_in_audits,
    sharing,
    spoiling,
    telling,
    tiring,
    trusting_the_data,
    unchecking,
    uncrossing,
    unreadable_unheard,
    unstraddling,
    without,
)
from tests.simulation.running import simulate

SEEDS_MAX: Final = 50
"""Within so many seeds every planted error must show."""


def case_of(
    *plan: Entry,
    rate: float = 20.0,
    duration_ms: int = 6_000,
    symbols: int = 1,
    depth: Any = "full",
    profile: str = "normal",
    lies: bool = False,
) -> Callable[[int], Case]:
    """What makes the run of a seed: short, small, and with these faults."""
    return lambda seed: Case(
        seed=seed,
        symbols=SYMBOLS[:symbols],
        rate=rate,
        duration_ms=duration_ms,
        depth=depth,
        profile=profile,
        plan=plan,
        lies=lies,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """One wrong engine.

    Attributes:
        name: What it does wrong.
        make: Takes what ``BookSync`` takes, and gives a wrong one.
        laws: Each of them notices it.
        case: The run of a seed that is made for it.
        patched: For an error that is not in ``BookSync``: the library is wrong within this.
    """

    name: str
    laws: frozenset[str]
    case: Callable[[int], Case]
    make: Make = BookSync
    patched: Callable[[], AbstractContextManager[object]] = nullcontext


class Caught(NamedTuple):
    """Where an engine was caught first, and what was said then."""

    seed: int
    law: str
    what: str


def caught(engine: Planted, seeds: Iterable[int], case: Callable[[int], Case] | None = None) -> Caught | None:
    """Play one seed after the other until a law breaks. ``case``: other runs than the engine's own."""
    for seed in seeds:
        with engine.patched():
            breaches = simulate((case or engine.case)(seed), engine.make).breaches
        # Where several laws broke, one that was expected to is the better answer.
        breaches.sort(key=lambda breach: breach.law not in engine.laws)
        if breaches:
            return Caught(seed, breaches[0].law, breaches[0].what)
    return None


# --- what goes wrong in their runs, and which laws notice it ----------------------------------------------------------

_DROP: Final = {"fault": "drop", "at_ms": 2_000, "p": 0.1}
_RESYNCS: Final = {"fault": "drop", "at_ms": 2_000, "every": 15}
_DARK: Final = {"fault": "mute", "at_ms": 2_000}
_OUTAGE: Final = {"fault": "rest_error", "path": "orderbook", "status": 500, "for_ms": 4_000}
_STALE: Final = {"fault": "stale_snapshot", "by": 40, "p": 0.7}


def _law(*names: str) -> frozenset[str]:
    return frozenset(names)


PLANTED: Final = (
    Planted(
        name="holes are not seen",
        make=made(rules=instead("continues", Input.DELTA, when=lambda facts: facts.end > facts.last)),
        laws=_law("I1"),
        case=case_of(_DROP),
    ),
    Planted(
        name="a hole does not end LIVE",
        make=made(rules=without("hole remains")),
        laws=_law("I2"),
        case=case_of(_DROP),
    ),
    Planted(
        name="`<` for `<=` in `duplicate`",
        make=made(rules=instead("duplicate", Input.DELTA, when=lambda facts: facts.end < facts.last)),
        laws=_law("I4"),
        case=case_of({"fault": "delay", "ms": 300, "p": 1.0}, _RESYNCS),
    ),
    Planted(
        name="`<` for `<=` in `continues`",
        make=made(
            rules=instead("continues", Input.DELTA, when=lambda f: f.start < f.last + 1 and f.end > f.last),
        ),
        laws=_law("I4", "I5"),
        case=case_of(duration_ms=3_000),
    ),
    Planted(
        name="old deltas are applied backwards",
        make=made(rules=going_back()),
        laws=_law("I3"),
        case=case_of({"fault": "duplicate", "lag": 3, "p": 0.1}),
    ),
    Planted(
        name="a new snapshot is merged into the old book",
        make=made(merging),
        laws=_law("I1"),
        case=case_of(_RESYNCS),
    ),
    Planted(
        name="straddling deltas are dropped whole",
        make=made(unstraddling),
        laws=_law("I1"),
        case=case_of({"fault": "merge", "rows": 4, "p": 0.3}, _RESYNCS),
    ),
    Planted(
        name="of a batch only the first ask is taken",
        make=spoiling(first_ask_only),
        laws=_law("I1"),
        case=case_of(profile="batches"),
    ),
    Planted(
        name="a sequence reset is not noticed",
        make=made(rules=without("sequence reset", "contradiction", "venue counts anew", "fell back unseen")),
        laws=_law("I2", "I5"),
        case=case_of({"fault": "sequence_reset", "at_ms": 2_000, "base": 1}, rate=5.0, duration_ms=5_000),
    ),
    Planted(
        name="snapshots older than the buffer are taken",
        make=made(unchecking),
        laws=_law("I1"),
        case=case_of(_STALE, _RESYNCS),
    ),
    Planted(
        name="a partial snapshot is taken for the whole book",
        make=made(all_is_known),
        laws=_law("I1"),
        case=case_of(depth=100),
    ),
    Planted(
        name="crossed levels are deleted",
        make=made(uncrossing),
        laws=_law("I1"),
        case=case_of({"fault": "bad_snapshot", "how": "crossed", "p": 0.5}, _RESYNCS),
    ),
    Planted(
        name="price 0 is a price, and crossed is no matter",
        make=spoiling(price_zero, rules=without("crossed")),
        laws=_law("I1"),
        case=case_of({"fault": "price_zero", "size": "1.5", "p": 0.2}),
    ),
    Planted(
        name="a delta is applied to the book that its data names",
        patched=trusting_the_data,
        laws=_law("I1", "I10"),
        case=case_of(
            {"fault": "wrong_symbol", "symbol": SYMBOLS[1], "scope": SYMBOLS[0], "at_ms": 2_000, "p": 0.2}, symbols=2
        ),
    ),
    Planted(
        name="LIVE outlives the connection",
        make=made(clinging),
        laws=_law("I4"),
        case=case_of({"fault": "disconnect", "at_ms": 3_000}),
    ),
    Planted(
        name="a gap is not told",
        make=telling(lambda event: () if isinstance(event, Gap) else (event,)),
        laws=_law("I8"),
        case=case_of(_DROP),
    ),
    Planted(
        name="the end of LIVE is not told",
        make=telling(lambda event: () if isinstance(event, StateChanged) and event.old is BookState.LIVE else (event,)),
        laws=_law("I4"),
        case=case_of(_DROP),
    ),
    Planted(
        name="a change of state is told twice",
        make=telling(lambda event: (event, event) if isinstance(event, StateChanged) else (event,)),
        laws=_law("I4"),
        case=case_of(duration_ms=2_000),
    ),
    Planted(
        name="unreadable frames are passed over in silence",
        make=spoiling(unreadable_unheard),
        laws=_law("I8"),
        case=case_of({"fault": "garble", "p": 0.1}),
    ),
    Planted(
        name="an unreadable frame does not end LIVE",
        make=made(rules=instead("our frame lost", Input.UNREADABLE, verdict=Verdict.QUESTION)),
        laws=_law("I2"),
        case=case_of({"fault": "spell", "how": "nan", "p": 0.1}),
    ),
    Planted(
        name="a reason is not counted",
        make=made(miscounting),
        laws=_law("I8"),
        case=case_of({"fault": "garble", "p": 0.1}),
    ),
    Planted(
        name="three useless snapshots, and it gives up",
        make=made(giving_up),
        laws=_law("I5"),
        case=case_of({"fault": "stale_snapshot", "by": 400, "for_ms": 6_000}),
    ),
    Planted(
        name="freshness is never judged",
        make=made(
            rules=without("link silent", "venue stays ahead", "venue cannot be asked", "symbol silent"),
            max_age_ms=None,
        ),
        laws=_law("I2"),
        case=case_of(_DARK, rate=5.0, duration_ms=50_000),
    ),
    Planted(
        name="a resync buffers without a bound",
        make=made(hoarding, settings={"buffer_frames_max": 20}),
        laws=_law("I6"),
        case=case_of(_OUTAGE),
    ),
    Planted(
        name="a gap of one symbol costs all of them their books",
        make=sharing(),
        laws=_law("I10"),
        case=case_of({**_DROP, "scope": SYMBOLS[0]}, symbols=2),
    ),
    Planted(
        name="a known hole leaves the book LIVE for 5 s",
        make=made(ignoring_holes),
        laws=_law("I2"),
        case=case_of(_DROP),
    ),
    Planted(
        name="silence is no matter",
        make=made(
            rules=without("link silent", "still silent", "symbol silent", "venue cannot be asked", "still unasked"),
            max_age_ms=None,
        ),
        laws=_law("I2"),
        case=case_of({"fault": "black_hole", "at_ms": 2_000}, duration_ms=9_000),
    ),
    Planted(
        name="audits see nothing",
        patched=seeing_nothing_in_audits,
        laws=_law("I1"),
        case=case_of(
            {"fault": "corrupt", "what": "size", "at_ms": 2_000, "for_ms": 2_000}, duration_ms=20_000, lies=True
        ),
    ),
    Planted(
        name="subscribers get nothing",
        patched=publishing_nothing,
        laws=_law("I8"),
        case=case_of(duration_ms=2_000),
    ),
    Planted(
        name="subscribers miss deltas, and are not told",
        patched=publishing_some,
        laws=_law("I3", "I8"),
        case=case_of(duration_ms=2_000),
    ),
    Planted(
        name="a book fails when all was healed",
        make=made(tiring),
        laws=_law("I5"),
        case=case_of(rate=5.0, duration_ms=60_000),
    ),
    Planted(
        name="every snapshot is asked for 25 s late",
        make=made(dawdling),
        laws=_law("I5"),
        case=case_of(_RESYNCS),
    ),
    Planted(
        name="every second delta costs the book",
        make=made(flapping),
        laws=_law("I5"),
        case=case_of(),
    ),
)
"""All of them. The first laws are those of the book, the last those of the bookkeeping."""


def told(names: Sequence[str], *, is_drawn: bool = False) -> int:
    """Print which engine is caught by which law; 1 if one got away."""
    case = drawn if is_drawn else None
    engines = [engine for engine in PLANTED if not names or engine.name in names]
    missed = 0
    for engine in engines:
        found = caught(engine, range(SEEDS_MAX), case)
        missed += found is None
        how = "not caught" if found is None else f"seed {found.seed:2}  {found.law:3}  {found.what[:90]}"
        click.echo(f"{engine.name:52}  {how}")
    click.echo(f"{len(engines) - missed} of {len(engines)} caught within {SEEDS_MAX} seeds")
    return 1 if missed else 0


@click.command()
@click.argument("names", nargs=-1, type=click.Choice([engine.name for engine in PLANTED]), metavar="[NAME]...")
@click.option("--drawn", is_flag=True, help="In the runs that a campaign draws, not in the one that suits each.")
def main(*, names: Sequence[str], drawn: bool) -> None:
    """Run the wrong engines, or the named ones, and say by which law each is caught; takes a minute.

    Exit code 1: one got away.
    """
    sys.exit(told(names, is_drawn=drawn))


if __name__ == "__main__":
    main()
