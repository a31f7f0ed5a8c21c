"""Engines with one planted error each, and the laws that must notice it: a check that cannot fail proves nothing.

Each is the library's own ``BookSync`` with one behaviour changed, and has a run made for it; ``drawn`` plans catch most
of them, too. ``python -m tests.simulation.planted`` prints which seed and which law caught which engine, and with
``--drawn`` does so with plans that are drawn by swarm selection.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, NamedTuple
from unittest.mock import patch
from weakref import WeakSet

from click import echo

from orderbook.content import BookContent
from orderbook.errors import FrameError
from orderbook.events import Event, Gap, StateChanged
from orderbook.fixedpoint import ZERO, normalised
from orderbook.settings import SyncSettings
from orderbook.sync import BookSync
from orderbook.sync.buffer import DeltaBuffer
from orderbook.sync.table import RULES, Input, Rule, Verdict
from orderbook.types import BookState, Change, Delta, Message, Side
from orderbook.venues import kucoin
from tests.simulation.case import SYMBOLS, Case, Entry, drawn
from tests.simulation.running import simulate

Make = Callable[..., BookSync]
SEEDS_MAX: Final = 50
"""Within so many seeds every planted error must show."""


def case_of(
    *plan: Entry,
    rate: float = 20.0,
    duration_ms: int = 6_000,
    symbols: int = 1,
    depth: Any = "full",
    profile: str = "normal",
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


# --- how engines are made wrong --------------------------------------------------------------------------------------


def without(*names: str) -> tuple[Rule, ...]:
    """The table without these lines; what they caught falls to the lines below."""
    assert set(names) <= {rule.name for rule in RULES}
    return tuple(rule for rule in RULES if rule.name not in names)


def instead(name: str, kind: Input, **other: Any) -> tuple[Rule, ...]:
    """The table with one line changed."""
    assert any((rule.name, rule.input) == (name, kind) for rule in RULES)
    return tuple(replace(rule, **other) if (rule.name, rule.input) == (name, kind) else rule for rule in RULES)


def made(
    change: Callable[[BookSync], None] | None = None,
    *,
    rules: Sequence[Rule] | None = None,
    settings: Mapping[str, int | None] | None = None,
    **forced: Any,
) -> Make:
    """What makes the library's engine with another table, other settings, other options, or something changed in it."""

    def make(*args: Any, **options: Any) -> BookSync:
        known = options.pop("settings", None) or SyncSettings()
        sync = BookSync(*args, rules=rules, settings=replace(known, **settings or {}), **options | forced)
        if change is not None:
            change(sync)
        return sync

    return make


def around(owner: object, name: str, wrapper: Callable[..., Any]) -> None:
    """Put a function around a method of one object; it gets the method first."""
    setattr(owner, name, partial(wrapper, getattr(owner, name)))


def spoiling(spoiled: Callable[[Message | FrameError], Message | FrameError | None], **more: Any) -> Make:
    """An engine whose decoder lies; ``None``: it says nothing. ``more``: as for ``made``."""

    def change(sync: BookSync) -> None:
        def receive(method: Callable[..., Sequence[Event]], message: Message, now_ns: int = 0) -> Sequence[Event]:
            lie = spoiled(message)
            return () if lie is None else method(lie, now_ns)

        around(sync, "receive_decoded", receive)

    return made(change, **more)


# --- the errors ------------------------------------------------------------------------------------------------------


def _going_back() -> tuple[Rule, ...]:
    """Whatever does not lie ahead is applied: there are no duplicates and no resets."""
    rules = instead("continues", Input.DELTA, when=lambda facts: facts.start <= facts.last + 1)
    gone = ("repetition", "duplicate", "sequence reset", "contradiction")
    return tuple(rule for rule in rules if rule.input is not Input.DELTA or rule.name not in gone)


def _merging(sync: BookSync) -> None:
    """A new snapshot is laid over the old book instead of replacing it: levels that are gone meanwhile stay."""

    def begin(method: Callable[[BookContent], None], content: BookContent) -> None:
        old = sync.book.content.copy()
        old.widen(content.price_decimals, content.size_decimals)
        content.widen(old.price_decimals, old.size_decimals)
        for side in Side:
            for price, size in old.ladder(side):
                if not content.ladder(side).get(price):
                    content.ladder(side).set(price, size)
        method(content)

    around(sync._machine, "begin", begin)


def _unstraddling(sync: BookSync) -> None:
    """Of a delta that begins before the book's sequence and ends behind it, nothing but its number is taken."""

    def apply(method: Callable[[Delta], None], delta: Delta) -> None:
        is_straddle = delta.sequence_start <= sync._machine.last
        method(delta._replace(bids=(), asks=()) if is_straddle else delta)

    around(sync._machine, "_apply", apply)


def _unchecking(sync: BookSync) -> None:
    """A snapshot older than the buffer counts as if the buffer continued it."""

    def take(method: Callable[[BookContent], None], content: BookContent) -> None:
        if (buffer := sync._machine.buffer) and content.sequence < buffer.first:
            content.sequence = buffer.first - 1
        method(content)

    around(sync._answers, "snapshot", take)


def _uncrossing(sync: BookSync) -> None:
    """Crossed levels are deleted, in a snapshot and after a delta."""

    def repair(content: BookContent) -> None:
        while content.is_crossed:
            for side in Side:
                if (best := content.ladder(side).best()) is not None:
                    content.ladder(side).set(best[0], 0)

    def take(method: Callable[[BookContent], None], content: BookContent) -> None:
        repair(content)
        method(content)

    def settle(method: Callable[[], None]) -> None:
        if (base := sync._machine.base) is not None:
            repair(base)
        method()

    around(sync._answers, "snapshot", take)
    around(sync._machine, "settle", settle)


def _all_is_known(sync: BookSync) -> None:
    """A snapshot cut off at its depth is taken for the whole book."""
    around(sync, "receive_snapshot", lambda method, body, now_ns=0, **_: method(body, now_ns, depth="full"))


def _price_zero(message: Message | FrameError) -> Message | FrameError:
    """Price 0 is a price like any other; as near as a book can come that cannot hold that level."""
    if not isinstance(message, Delta):
        return message
    return message._replace(bids=_priced(message.bids), asks=_priced(message.asks))


def _priced(rows: tuple[Change, ...]) -> tuple[Change, ...]:
    return tuple(row._replace(price=normalised(1, -1)) if row.price == ZERO else row for row in rows)


def _first_ask_only(message: Message | FrameError) -> Message | FrameError:
    return message._replace(asks=message.asks[:1]) if isinstance(message, Delta) else message


def _unreadable_unheard(message: Message | FrameError) -> Message | FrameError | None:
    return None if isinstance(message, FrameError) else message


def _trusting_the_data() -> AbstractContextManager[object]:
    """A delta belongs to the symbol that its data names, whatever its topic says."""
    real = kucoin._delta
    return patch.object(kucoin, "_delta", lambda symbol, data: real(data.get("symbol", symbol), data))


def _clinging(sync: BookSync) -> None:
    """A lost connection changes nothing for a LIVE book, nor does the next one."""

    def unless_live(method: Callable[[int], Sequence[Event]], now_ns: int = 0) -> Sequence[Event]:
        return () if sync.state is BookState.LIVE else method(now_ns)

    for name in ("connection_lost", "connection_opened"):
        around(sync, name, unless_live)


def _telling(told: Callable[[Event], Iterable[Event]]) -> Make:
    """An engine whose every event becomes these."""

    def change(sync: BookSync) -> None:
        def flush(method: Callable[[], Sequence[Event]]) -> tuple[Event, ...]:
            return tuple(one for event in method() for one in told(event))

        around(sync._desk, "flush", flush)

    return made(change)


def _giving_up(sync: BookSync) -> None:
    """Three snapshots in a row that were no use, and that was it."""

    def ask(method: Callable[..., None], reason: str, **options: Any) -> None:
        if sync._desk.attempts < 3:
            method(reason, **options)

    around(sync._desk, "ask", ask)


class _Forgetful(Counter[str]):
    """A counter that has never heard of one reason."""

    def __setitem__(self, reason: str, count: int) -> None:
        if reason != "json":
            super().__setitem__(reason, count)


def _miscounting(sync: BookSync) -> None:
    sync.counters.rejected = _Forgetful()


class _Endless(DeltaBuffer):
    """A buffer without a bound."""

    def full_with(self, delta: Delta) -> None:
        del delta


def _hoarding(sync: BookSync) -> None:
    sync._machine.buffer = _Endless(sync._settings.buffer_frames_max, sync._settings.buffer_rows_max)


def _sharing() -> Make:
    """A gap of one symbol costs all the others their books."""
    all_of_them: WeakSet[BookSync] = WeakSet()

    def change(sync: BookSync) -> None:
        all_of_them.add(sync)

        def give_up(method: Callable[[], None]) -> None:
            method()
            for other in all_of_them:
                if other is not sync and other.state is BookState.LIVE:
                    other._machine.distrust(Verdict.CROSSED, "a gap somewhere")

        around(sync._machine, "give_up_hole", give_up)

    return made(change)


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
        make=made(rules=_going_back()),
        laws=_law("I3"),
        case=case_of({"fault": "duplicate", "lag": 3, "p": 0.1}),
    ),
    Planted(
        name="a new snapshot is merged into the old book",
        make=made(_merging),
        laws=_law("I1"),
        case=case_of(_RESYNCS),
    ),
    Planted(
        name="straddling deltas are dropped whole",
        make=made(_unstraddling),
        laws=_law("I1"),
        case=case_of({"fault": "merge", "rows": 4, "p": 0.3}, _RESYNCS),
    ),
    Planted(
        name="of a batch only the first ask is taken",
        make=spoiling(_first_ask_only),
        laws=_law("I1"),
        case=case_of(profile="batches"),
    ),
    Planted(
        name="a sequence reset is not noticed",
        make=made(rules=without("sequence reset", "contradiction", "venue counts anew")),
        laws=_law("I2", "I5"),
        case=case_of({"fault": "sequence_reset", "at_ms": 2_000, "base": 1}, rate=5.0, duration_ms=5_000),
    ),
    Planted(
        name="snapshots older than the buffer are taken",
        make=made(_unchecking),
        laws=_law("I1"),
        case=case_of(_STALE, _RESYNCS),
    ),
    Planted(
        name="a partial snapshot is taken for the whole book",
        make=made(_all_is_known),
        laws=_law("I1"),
        case=case_of(depth=100),
    ),
    Planted(
        name="crossed levels are deleted",
        make=made(_uncrossing),
        laws=_law("I1"),
        case=case_of({"fault": "bad_snapshot", "how": "crossed", "p": 0.5}, _RESYNCS),
    ),
    Planted(
        name="price 0 is a price, and crossed is no matter",
        make=spoiling(_price_zero, rules=without("crossed")),
        laws=_law("I1"),
        case=case_of({"fault": "price_zero", "size": "1.5", "p": 0.2}),
    ),
    Planted(
        name="a delta is applied to the book that its data names",
        patched=_trusting_the_data,
        laws=_law("I1", "I10"),
        case=case_of(
            {"fault": "wrong_symbol", "symbol": SYMBOLS[1], "scope": SYMBOLS[0], "at_ms": 2_000, "p": 0.2}, symbols=2
        ),
    ),
    Planted(
        name="LIVE outlives the connection",
        make=made(_clinging),
        laws=_law("I4"),
        case=case_of({"fault": "disconnect", "at_ms": 3_000}),
    ),
    Planted(
        name="a gap is not told",
        make=_telling(lambda event: () if isinstance(event, Gap) else (event,)),
        laws=_law("I8"),
        case=case_of(_DROP),
    ),
    Planted(
        name="the end of LIVE is not told",
        make=_telling(
            lambda event: () if isinstance(event, StateChanged) and event.old is BookState.LIVE else (event,)
        ),
        laws=_law("I4"),
        case=case_of(_DROP),
    ),
    Planted(
        name="a change of state is told twice",
        make=_telling(lambda event: (event, event) if isinstance(event, StateChanged) else (event,)),
        laws=_law("I4"),
        case=case_of(duration_ms=2_000),
    ),
    Planted(
        name="unreadable frames are passed over in silence",
        make=spoiling(_unreadable_unheard),
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
        make=made(_miscounting),
        laws=_law("I8"),
        case=case_of({"fault": "garble", "p": 0.1}),
    ),
    Planted(
        name="three useless snapshots, and it gives up",
        make=made(_giving_up),
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
        make=made(_hoarding, settings={"buffer_frames_max": 20}),
        laws=_law("I6"),
        case=case_of(_OUTAGE),
    ),
    Planted(
        name="a gap of one symbol costs all of them their books",
        make=_sharing(),
        laws=_law("I10"),
        case=case_of({**_DROP, "scope": SYMBOLS[0]}, symbols=2),
    ),
)
"""All of them. The first laws are those of the book, the last those of the bookkeeping."""


def main(arguments: Sequence[str]) -> int:
    """Print the table; 1 if an engine got away."""
    case = partial(drawn, duration_ms=40_000) if "--drawn" in arguments else None
    missed = 0
    for engine in PLANTED:
        found = caught(engine, range(SEEDS_MAX), case)
        missed += found is None
        told = "not caught" if found is None else f"seed {found.seed:2}  {found.law:3}  {found.what[:90]}"
        echo(f"{engine.name:52}  {told}")
    echo(f"{len(PLANTED) - missed} of {len(PLANTED)} caught within {SEEDS_MAX} seeds")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
