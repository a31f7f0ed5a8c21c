"""What is simpler than a run: other runs, the boldest first, of which some may fail in the same way.

Nothing is run here. Each function proposes; whether a proposal is of use is for a probe to say. A proposal never undoes
what another one did, so that taking them again and again comes to an end.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final, cast

from orderbook.errors import UsageError
from orderbook.simulator.faults import FAULTS, FaultPlan, Point
from orderbook.simulator.profiles import profile_named
from tests.simulation.case import Case, Entry

Strikes = Mapping[str, list[int]]

SHORTEST_MS: Final = 250
SLOWEST: Final = 0.5
"""Deltas a second below which a market is not made slower."""
STRIKES_MAX: Final = 256
"""Most messages that take the place of a probability."""
_TIMES: Final = ("at_ms", "for_ms", "every_ms")
_FACTORS: Final = (64, 16, 4, 2)


def is_legal(case: Case) -> bool:
    """Whether the plan is one, and about the symbols of the case."""
    try:
        plan = FaultPlan(case.plan)
    except UsageError:
        return False
    return all(fault.symbols is None or fault.symbols <= set(case.symbols) for fault in plan.faults)


def size(case: Case) -> str:
    """How big it still is, in words."""
    rate = rate_of(case)
    return (
        f"{len(case.plan)} entries, {len(case.symbols)} symbols, {case.duration_ms / 1e3:g} s of {case.profile} at "
        f"{rate:.3g}/s"
    )


def rate_of(case: Case) -> float:
    """Deltas a second of each symbol."""
    return profile_named(case.profile).rate if case.rate is None else case.rate


# ---- the whole run ---------------------------------------------------------------------------------------------------


def cut(case: Case, ms: float) -> Iterator[Case]:
    """End it right after something that happened at ``ms``."""
    duration_ms = max(SHORTEST_MS, (int(ms) // SHORTEST_MS + 1) * SHORTEST_MS)
    if ms and duration_ms < case.duration_ms:
        yield replace(case, duration_ms=duration_ms)


def scaled(case: Case) -> Iterator[Case]:
    """Everything happens sooner by a factor: the end, the times and the numbers of the plan."""
    for factor in _FACTORS:
        if case.duration_ms // factor >= SHORTEST_MS:
            plan = tuple(_sooner(entry, factor) for entry in case.plan)
            yield replace(case, duration_ms=case.duration_ms // factor, plan=plan)


def _sooner(entry: Entry, factor: int) -> Entry:
    sooner: dict[str, object] = dict(entry)
    for key, value in entry.items():
        if key in (*_TIMES, "every") and isinstance(value, int):
            sooner[key] = max(0 if key == "at_ms" else 1, value // factor)
        elif key == "p" and isinstance(value, float | int):
            sooner[key] = min(1.0, value * factor)
        elif key == "nth":
            sooner = choosing(sooner, sorted({max(1, number // factor) for number in _numbers(value)}))
    return sooner


def shifted(case: Case) -> Iterator[Case]:
    """The beginning is left out; what it holds of the plan ends there, or goes on from the new beginning."""
    for factor in _FACTORS:
        offset_ms = case.duration_ms - case.duration_ms // factor
        if case.duration_ms - offset_ms >= SHORTEST_MS:
            plan = tuple(one for entry in case.plan if (one := _earlier(entry, offset_ms)) is not None)
            yield replace(case, duration_ms=case.duration_ms - offset_ms, plan=plan)


def _earlier(entry: Entry, ms: int) -> Entry | None:
    begins_ms: Any = entry.get("at_ms", 0)
    lasts_ms: Any = entry.get("for_ms")
    early_ms = max(0, ms - begins_ms)
    if lasts_ms is not None:
        lasts_ms -= early_ms
        if lasts_ms < 1:
            return None
    told = {"at_ms": max(0, begins_ms - ms), "for_ms": lasts_ms}
    return {**entry, **{key: value for key, value in told.items() if key in entry}}


def shorter(case: Case) -> Iterator[Case]:
    """It ends sooner."""
    for factor in (16, 4, 2):
        if case.duration_ms // factor >= SHORTEST_MS:
            yield replace(case, duration_ms=case.duration_ms // factor)


def slower(case: Case) -> Iterator[Case]:
    """The market does less."""
    for factor in (16, 4, 2):
        rate = rate_of(case) / factor
        if rate >= SLOWEST:
            yield replace(case, rate=rate)


def plainer(case: Case) -> Iterator[Case]:
    """The usual market, and the usual snapshots."""
    if case.profile != "normal":
        yield replace(case, profile="normal", rate=rate_of(case))
    if case.depth != "full":
        yield replace(case, depth="full")


def alone(case: Case) -> Iterator[Case]:
    """One symbol, with its own entries or with everybody's; else one symbol less."""
    if len(case.symbols) == 1:
        return
    for symbol in case.symbols:
        yield _only(case, (symbol,))
        yield replace(_only(case, (symbol,)), plan=tuple(_unscoped(entry) for entry in case.plan))
    if len(case.symbols) > 2:
        for symbol in case.symbols:
            yield _only(case, tuple(one for one in case.symbols if one != symbol))


def _only(case: Case, symbols: tuple[str, ...]) -> Case:
    plan = []
    for entry in case.plan:
        named = _named(entry)
        left = [symbol for symbol in named if symbol in symbols]
        if not named:
            plan.append(entry)
        elif left and len(symbols) == 1:
            plan.append(_unscoped(entry))
        elif left:
            plan.append({**entry, "scope": left[0] if len(left) == 1 else left})
    return replace(case, symbols=symbols, plan=tuple(plan))


def _named(entry: Entry) -> list[str]:
    scope: Any = entry.get("scope", "all")
    if isinstance(scope, str):
        return [] if scope == "all" or scope.startswith("connection:") else [scope]
    return list(scope)


def _unscoped(entry: Entry) -> Entry:
    return {key: value for key, value in entry.items() if key != "scope"} if _named(entry) else entry


def only_struck(case: Case, strikes: Strikes) -> Case:
    """Without the entries that have struck no message. Those that strike at moments of their own are left."""
    plan = zip(case.plan, FaultPlan(case.plan).faults, strict=True)
    kept = (entry for entry, fault in plan if fault.point is Point.MOMENT or _text(entry) in strikes)
    return replace(case, plan=tuple(kept))


def _text(entry: Entry) -> str:
    """What strikes go by, see ``orderbook.simulator.faults.Fault``."""
    return json.dumps(entry, sort_keys=True)


# ---- one entry -------------------------------------------------------------------------------------------------------


def with_entry(case: Case, number: int, entry: Entry) -> Case:
    """The case with another entry in the place of one."""
    return replace(case, plan=(*case.plan[:number], entry, *case.plan[number + 1 :]))


def simpler_entries(entry: Entry) -> Iterator[Entry]:
    """The entry with one setting less, or with one that is simpler."""
    for key in entry:
        if key not in ("fault", "times"):
            yield {name: value for name, value in entry.items() if name != key}
    for key, value in entry.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        yield from ({**entry, key: simple} for simple in simpler_numbers(value, _least(entry, key)))


def _least(entry: Entry, key: str) -> float:
    knob = FAULTS[str(entry["fault"])].knobs.get(key)
    if knob is not None:
        return max(0.0, knob.minimum)
    return 0.0 if key in ("at_ms", "p") else 1.0


def simpler_numbers(value: float, least: float) -> Iterator[float]:
    """Smaller ones and rounder ones, none below ``least``: the least, with one digit, half, with two digits."""
    is_whole = value == int(value)
    tried = set()
    for simple in (least, _digits(value, 1), value / 2, _digits(value, 2)):
        found = int(simple) if is_whole else simple
        if least <= found < value and found not in tried:
            tried.add(found)
            yield found


def _digits(value: float, count: int) -> float:
    """The value cut to so many digits that count, never up."""
    rounded = float(f"{value:.{count - 1}e}")
    return rounded if rounded <= value else rounded - 10.0 ** (int(f"{rounded:e}".partition("e")[2]) - count + 1)


def counted(entry: Entry, strikes: Strikes) -> Entry | None:
    """The entry with the numbers of the messages that it struck instead of a probability or a time.

    Args:
        entry: The entry.
        strikes: As ``Probed.strikes``.
    """
    struck = sorted(set(strikes.get(_text(entry), ())))[-STRIKES_MAX:]
    if not struck or "nth" in entry or not {"p", "every", "for_ms"} & entry.keys():
        return None
    kept = {key: value for key, value in entry.items() if key not in ("p", "every", "for_ms", "times")}
    return {**kept, "nth": struck}


def _numbers(value: object) -> list[int]:
    """What ``nth`` says: a number stands for a list of one."""
    return cast("list[int]", value if isinstance(value, list) else [value])


def chosen(entry: Entry) -> list[int]:
    """The numbers of the messages that the entry names."""
    return _numbers(entry["nth"]) if "nth" in entry else []


def choosing(entry: Entry, numbers: list[int]) -> dict[str, object]:
    """The entry with other numbers. One stands alone."""
    return {**entry, "nth": numbers[0] if len(numbers) == 1 else numbers}
