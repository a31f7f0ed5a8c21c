"""Faults as data: what can go wrong, when, to whom; read from JSON and checked before anything runs.

A plan is a list of objects. Each names a ``fault`` of ``FAULTS`` below, its knobs, and when it strikes:

- a fault at a *message* (a delta, an answer, a pong, ...) strikes those that ``p`` (a probability), ``nth`` (a number
  or a list: 1 is the first), or ``every`` (each so manieth) select, while the entry is active: from ``at_ms`` on, for
  ``for_ms``. Given together they have to agree, and ``p`` is drawn first. Without any of these it strikes once; with
  ``for_ms`` alone, all there are in that time;
- a fault at a *moment* (a disconnect, a reset, ...) strikes at ``at_ms`` and, with ``every_ms``, again and again. It
  may instead be tied to messages: ``on`` says which, and ``p``, ``nth`` and ``every`` select. What strikes connections
  strikes those that there are then: with nobody connected, nothing happens, and nothing is counted.

``times`` bounds how often. ``scope`` is ``"all"``, a symbol, a list of symbols, or ``"connection:2"``. Times count from
when the plan was given, in ms.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Final

from orderbook.errors import UsageError, shown
from orderbook.simulator.catalogue import FAULTS, Kind, Knob, Point

__all__ = ["FAULTS", "Fault", "FaultPlan", "Kind", "Knob", "Point"]

_TRIGGERS: Final = MappingProxyType(
    {
        "at_ms": Knob(0, 0),
        "for_ms": Knob(None, 1),
        "p": Knob(None, 0, kind=float),
        "every": Knob(None, 1),
        "every_ms": Knob(None, 1),
        "times": Knob(None, 1),
    }
)
_SELECTORS: Final = ("p", "nth", "every")
_TRIGGER_POINTS: Final = (Point.DELTA, Point.MESSAGE, Point.CONNECT, Point.ACK)
_CONNECTION: Final = "connection:"
_SYMBOLS_SHOWN: Final = 10
_EXAMPLE: Final = '[{"fault": "drop", "p": 0.001}, ...]'
_LIST: Final = "`orderbook simulate --list-faults` names them all"


@dataclass(frozen=True, slots=True)
class Fault:
    """One entry of a plan, checked and complete."""

    name: str
    point: Point
    symbols: frozenset[str] | None
    """Whose messages; ``None`` is everybody's."""
    connection: int | None
    """Which connection, counted from 1 in the order of acceptance; ``None`` is each."""
    at_ms: int
    for_ms: int | None
    p: float | None
    nth: frozenset[int]
    every: int | None
    every_ms: int | None
    times: int | None
    knobs: Mapping[str, Any]
    text: str
    """The entry as JSON: what its random numbers are drawn for."""


class FaultPlan:
    """A checked plan.

    Args:
        entries: Objects as described at the top of this module.
        origin: Where they come from, such as the name of a file, for messages.

    Raises:
        UsageError: An entry that does not say exactly what shall happen; the message names it.
    """

    def __init__(self, entries: Sequence[object] = (), *, origin: str = "") -> None:
        self._where = f"{origin}: " if origin else ""
        if isinstance(entries, (str, Mapping)) or not isinstance(entries, Sequence):
            raise UsageError(f"{self._where}the fault plan is not a list; write {_EXAMPLE}")
        self.faults = tuple(
            _fault(entry, f"{self._where}fault plan, entry {number}") for number, entry in enumerate(entries, 1)
        )

    @classmethod
    def parse(cls, text: str, *, origin: str = "") -> FaultPlan:
        """Read a plan from JSON: a list, or an object whose ``faults`` is that list.

        Raises:
            UsageError: Not JSON, not a list, or an entry that is wrong.
        """
        where = f"{origin}: " if origin else ""
        if not text.strip():
            raise UsageError(f"{where}the fault plan is empty; write {_EXAMPLE}, or [] for no faults")
        try:
            plan = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{where}the fault plan is not JSON: {error}") from None
        if isinstance(plan, dict) and plan.keys() == {"faults"}:
            plan = plan["faults"]
        return cls(plan, origin=origin)

    def check_symbols(self, known: Iterable[str]) -> None:
        """Raise ``UsageError`` if an entry is about a symbol that is not among these."""
        symbols = tuple(known)
        for number, fault in enumerate(self.faults, 1):
            unknown = sorted((fault.symbols or frozenset()).difference(symbols))
            if unknown:
                raise UsageError(
                    f"{self._where}fault plan, entry {number} ({fault.name}): no symbol "
                    f"{', '.join(map(_shown, unknown))} here; there is {_some(symbols)}"
                )


def _shown(symbol: str) -> str:
    return symbol[:40] if symbol.isprintable() else shown(symbol)


def _some(symbols: Sequence[str]) -> str:
    more = len(symbols) - _SYMBOLS_SHOWN
    return ", ".join(symbols[:_SYMBOLS_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _fault(entry: object, where: str) -> Fault:
    if not isinstance(entry, dict):
        raise UsageError(f'{where} is not an object; write {{"fault": "drop", "p": 0.001}}')
    if "fault" not in entry:
        raise UsageError(f'{where} names no fault; write {{"fault": "drop"}}: {_LIST}')
    name = entry["fault"]
    where = f"{where} ({shown(name)})"
    kind = FAULTS.get(name) if isinstance(name, str) else None
    if kind is None:
        near = get_close_matches(str(name), FAULTS, 1)
        raise UsageError(f"{where}: no such fault; {f'did you mean {near[0]}?' if near else _LIST}")
    allowed = [*kind.knobs, *_TRIGGERS, "nth", "on", "scope", "fault"]
    for key in entry:
        if key not in allowed:
            raise UsageError(f"{where}: no such knob {shown(key)}; it has {', '.join(allowed[:-1])}")
    trigger = {key: _checked(where, key, knob, entry) for key, knob in _TRIGGERS.items()}
    knobs = {key: _checked(where, key, knob, entry) for key, knob in kind.knobs.items()}
    nth = _nth(where, entry.get("nth"))
    point = _point(where, kind, entry, trigger, nth)
    symbols, connection = _scope(where, entry.get("scope", "all"))
    if name == "stale_snapshot" and (knobs["by"] is None) == (knobs["ms"] is None):
        raise UsageError(f"{where}: say either by (sequences) or ms")
    if trigger["p"] is not None and trigger["p"] > 1:
        raise UsageError(f"{where}: p is a probability, from 0 to 1")
    if trigger["times"] is None and not nth and all(trigger[key] is None for key in ("p", "every", "every_ms")):
        trigger["times"] = None if trigger["for_ms"] is not None or (name == "mute") else 1
    text = json.dumps(entry, sort_keys=True)
    return Fault(
        name=str(name),
        point=point,
        symbols=symbols,
        connection=connection,
        nth=nth,
        knobs=knobs,
        text=text,
        **trigger,
    )


def _point(where: str, kind: Kind, entry: Mapping[str, object], trigger: Mapping[str, Any], nth: object) -> Point:
    """Where the entry strikes: a fault at a moment may be tied to messages instead."""
    selected = bool(nth) or trigger["p"] is not None or trigger["every"] is not None
    if kind.point is not Point.MOMENT:
        if "on" in entry or trigger["every_ms"] is not None:
            raise UsageError(f"{where}: it strikes at messages of its own; select them with p, nth or every")
        return kind.point
    if not selected and "on" not in entry:
        if trigger["for_ms"] is not None:
            raise UsageError(f"{where}: it strikes at a moment; for_ms means nothing to it")
        return Point.MOMENT
    if trigger["every_ms"] is not None:
        raise UsageError(f"{where}: say either every_ms, or which messages with on and p, nth or every")
    points = ", ".join(point.value for point in _TRIGGER_POINTS)
    if "on" not in entry:
        raise UsageError(
            f"{where}: it strikes at a moment, so p, nth and every need on, which says at which messages: {points}"
        )
    for point in _TRIGGER_POINTS:
        if entry["on"] == point.value:
            return point
    raise UsageError(f"{where}: on is one of {points}")


def _checked(where: str, key: str, knob: Knob, entry: Mapping[str, object]) -> Any:
    value = entry.get(key, knob.default)
    if value is None and knob.default is None:
        return None
    if knob.kind is str:
        if not isinstance(value, str) or (knob.choices and value not in knob.choices):
            what = f"one of {', '.join(knob.choices)}" if knob.choices else "a text"
            raise UsageError(f"{where}: {key} is {what}, not {shown(value)}")
    elif knob.kind is bool:
        if not isinstance(value, bool):
            raise UsageError(f"{where}: {key} is true or false, not {shown(value)}")
    elif (
        isinstance(value, bool)
        or not isinstance(value, (int, float) if knob.kind is float else int)
        or not knob.minimum <= value <= 1e15  # Neither NaN nor infinite.
    ):
        raise UsageError(f"{where}: {key} is a number from {knob.minimum:g} on, not {shown(value)}")
    return value


def _nth(where: str, value: object) -> frozenset[int]:
    numbers = [] if value is None else value if isinstance(value, list) else [value]
    if not all(isinstance(one, int) and not isinstance(one, bool) and one > 0 for one in numbers):
        raise UsageError(f"{where}: nth is a number from 1 on, or a list of them, not {shown(value)}")
    return frozenset(numbers)


def _scope(where: str, value: object) -> tuple[frozenset[str] | None, int | None]:
    if value == "all":
        return None, None
    if isinstance(value, str) and value.startswith(_CONNECTION):
        number = value.removeprefix(_CONNECTION)
        if number.isascii() and number.isdigit() and int(number):
            return None, int(number)
    elif isinstance(value, str) and value:
        return frozenset((value,)), None
    elif isinstance(value, list) and value and all(isinstance(one, str) and one for one in value):
        return frozenset(value), None
    raise UsageError(
        f'{where}: scope is "all", a symbol, a list of symbols, or "connection:1", not {ascii(value)[:60]}'
    )
