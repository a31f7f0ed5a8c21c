"""Which fault strikes when, by seeded chance; and the ledger of all that was injected."""

from __future__ import annotations

import random
from collections import Counter, deque
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, NamedTuple

from orderbook.simulator.chance import named
from orderbook.simulator.damage import Draw
from orderbook.simulator.faults import Fault, FaultPlan, Point

ENTRIES_MAX: Final = 10_000


class Injection(NamedTuple):
    """One fault that was injected."""

    at_ns: int
    fault: str
    symbol: str | None
    conn: int | None
    detail: str


class Ledger:
    """What was injected: counted for ever, and the last ``ENTRIES_MAX`` in full."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str | None]] = Counter()
        self.entries: deque[Injection] = deque(maxlen=ENTRIES_MAX)

    def note(
        self, at_ns: int, fault: str, *, symbol: str | None = None, conn: int | None = None, detail: str = ""
    ) -> None:
        """Write down one."""
        self.counts[fault, symbol] += 1
        self.entries.append(Injection(at_ns, fault, symbol, conn, detail))

    def count(self, fault: str, symbol: str | None = None) -> int:
        """How often, for one symbol or (without one) altogether."""
        if symbol is not None:
            return self.counts[fault, symbol]
        return sum(count for (name, _), count in self.counts.items() if name == fault)

    def totals(self) -> dict[str, int]:
        """How often each fault struck."""
        totals: Counter[str] = Counter()
        for (name, _), count in self.counts.items():
            totals[name] += count
        return dict(totals)


@dataclass(slots=True, eq=False)
class Active:
    """An entry of a plan at work."""

    fault: Fault
    since_ns: int
    name: str
    """Of its random numbers."""
    rng: random.Random
    """Decides which messages it strikes, and nothing else."""
    seen: int = 0
    hits: int = 0
    struck: int = 0
    is_over: bool = False
    runs: dict[tuple[int | None, str | None], int] = field(default_factory=dict)

    @property
    def is_spent(self) -> bool:
        """Whether it will never begin to strike again."""
        times = self.fault.times
        return times is not None and self.hits >= times

    def strikes(self, now_ns: int, symbol: str | None, conn: int | None, path: str) -> bool:
        """Whether it strikes this message; each call is one more message that it could strike."""
        if not (self._is_meant(symbol, conn, path) and self._is_time(now_ns)):
            return False
        if self.runs.get((conn, symbol), 0) > 0:
            self.runs[conn, symbol] -= 1
            return True
        if self.is_spent:
            return False
        self.seen += 1
        if not self._is_selected():
            return False
        self.hits += 1
        run = self.fault.knobs.get("run", 1)
        if run > 1:
            self.runs[conn, symbol] = run - 1
        return True

    def draw(self) -> Draw:
        """The random numbers of the next strike: they depend on its number alone, not on what the ones before drew."""
        self.struck += 1
        return partial(random.Random, f"{self.name}/{self.struck}")

    def _is_meant(self, symbol: str | None, conn: int | None, path: str) -> bool:
        fault = self.fault
        return (
            (fault.symbols is None or symbol in fault.symbols)
            and (fault.connection is None or conn == fault.connection)
            and fault.knobs.get("path", "") in path
        )

    def _is_time(self, now_ns: int) -> bool:
        fault = self.fault
        age_ns = now_ns - self.since_ns - fault.at_ms * 1_000_000
        return age_ns >= 0 and (fault.for_ms is None or age_ns < fault.for_ms * 1_000_000)

    def _is_selected(self) -> bool:
        fault = self.fault
        return (
            (fault.p is None or self.rng.random() < fault.p)
            and (not fault.nth or self.seen in fault.nth)
            and (fault.every is None or self.seen % fault.every == 0)
        )


class Injector:
    """The plans at work, sorted by where they strike.

    Each entry draws from streams of its own, named by what the entry says: one decides which messages it strikes, and
    each strike has another for what it does there. Taking an entry out of the plan leaves the others as they were, as
    long as they see the same messages; also where it hid from one of them what that one had struck.
    """

    def __init__(self, seed: int) -> None:
        self.ledger = Ledger()
        self._seed = seed
        self._active: dict[Point, list[Active]] = {}
        self._moments: list[Active] = []
        self._twins: Counter[str] = Counter()
        # By identity: two entries of a plan may say the same.
        self._struck: dict[int, Fault] = {}

    def add(self, plan: FaultPlan, now_ns: int) -> list[Active]:
        """Begin with a plan; returns the entries that strike at a moment, for the clock's owner to call."""
        moments = []
        for fault in plan.faults:
            twin = self._twins[fault.text]
            self._twins[fault.text] += 1
            name = f"{self._seed}/faults/{twin}/{fault.text}"
            active = Active(fault, now_ns, name, named(name))
            if fault.point is Point.MOMENT:
                moments.append(active)
            else:
                self._active.setdefault(fault.point, []).append(active)
        self._moments += moments
        return moments

    def end(self) -> None:
        """No entry strikes any more."""
        self._active.clear()
        for active in self._moments:
            active.is_over = True
        self._moments.clear()

    def has(self, point: Point) -> bool:
        """Whether anything may strike there. Complexity: O(1)."""
        return point in self._active

    def pick(
        self, point: Point, now_ns: int, *, symbol: str | None = None, conn: int | None = None, path: str = ""
    ) -> list[tuple[Fault, Draw]]:
        """The faults that strike this message, in the order of the plan, each with its random numbers."""
        entries = self._active.get(point)
        if entries is None:
            return []
        return [(one.fault, one.draw()) for one in entries if one.strikes(now_ns, symbol, conn, path)]

    def missed(self, plan: FaultPlan) -> list[str]:
        """The entries of a plan that never struck, by number and name."""
        entries = enumerate(plan.faults, 1)
        return [f"entry {number} ({fault.name})" for number, fault in entries if id(fault) not in self._struck]

    def note(self, at_ns: int, fault: Fault, **about: Any) -> None:
        """Write into the ledger that a fault was injected."""
        self._struck[id(fault)] = fault
        self.ledger.note(at_ns, fault.name, **about)


def delay_ns(fault: Fault, draw: Draw) -> int:
    """How late something comes: ``ms``, and up to ``jitter_ms`` more with all lengths equally likely."""
    jitter_ms = fault.knobs["jitter_ms"]
    late_ns = fault.knobs["ms"] * 1_000_000
    return int(late_ns + draw().randrange(jitter_ms * 1_000_000 + 1)) if jitter_ms else int(late_ns)
