"""Everything that is awaited, with its bound: in time where the driver has a clock, and in deltas of the symbol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from orderbook.sync.facts import TimerFacts

Name = Literal["first_delta", "hold", "unanswered", "ahead", "audit", "link", "behind", "answer", "symbol"]

# These two start again with every frame, so that no frame can find them over.
_BACKGROUND: Final = frozenset({"link", "symbol"})


@dataclass(slots=True)
class Wait:
    """One thing awaited since ``since_ns`` (0: the driver had no clock yet)."""

    since_ns: int
    limit_ns: int | None
    deltas_max: int | None
    deltas: int = 0

    def over(self, now_ns: int) -> bool:
        """Whether the bound is reached. Without a clock only the count can reach it."""
        if self.deltas_max is not None and self.deltas >= self.deltas_max:
            return True
        deadline_ns = self.deadline_ns
        return deadline_ns is not None and now_ns >= deadline_ns

    @property
    def deadline_ns(self) -> int | None:
        """When it is over by time."""
        return None if self.limit_ns is None or not self.since_ns else self.since_ns + self.limit_ns


class Waits:
    """The waits that are running, by name."""

    __slots__ = ("_judged_ns", "_running", "urgent")

    def __init__(self) -> None:
        self._running: dict[Name, Wait] = {}
        self._judged_ns = 0
        #: Whether any wait runs that a frame may find over.
        self.urgent = False

    def start(self, name: Name, now_ns: int, limit_ms: int | None, deltas_max: int | None = None) -> None:
        """Start a wait, or start it again."""
        self._running[name] = Wait(now_ns, None if limit_ms is None else limit_ms * 1_000_000, deltas_max)
        self.urgent = self.urgent or name not in _BACKGROUND

    def start_once(self, name: Name, now_ns: int, limit_ms: int | None) -> None:
        """Start a wait, unless it has begun."""
        wait = self._running.get(name)
        if wait is None or not wait.since_ns:
            self.start(name, now_ns, limit_ms)

    def stop(self, *names: Name) -> None:
        """End waits, running or not."""
        for name in names:
            self._running.pop(name, None)
        self.urgent = not self._running.keys() <= _BACKGROUND

    def clear(self) -> None:
        """End all."""
        self._running.clear()
        self.urgent = False

    def running(self, name: Name) -> bool:
        """Whether the wait runs."""
        return name in self._running

    def is_over(self, name: Name, now_ns: int) -> bool:
        """Whether the wait runs and has reached its bound."""
        wait = self._running.get(name)
        return wait is not None and wait.over(now_ns)

    def renew(self, name: Name, now_ns: int) -> None:
        """What was awaited came; from now on the next is. Without a time, there is nothing to wait by."""
        if (wait := self._running.get(name)) is not None:
            wait.since_ns = now_ns

    def renew_later(self, name: Name, now_ns: int) -> bool:
        """Renew a wait that runs since an earlier moment; whether that was so."""
        wait = self._running.get(name)
        if wait is None or now_ns <= wait.since_ns:
            return False
        wait.since_ns = now_ns
        return True

    def take_delta(self, now_ns: int) -> None:
        """A delta of the symbol came: its silence begins anew, and needs no explanation any more."""
        self.renew("symbol", now_ns)
        if self.urgent:
            self.stop("answer")
        for wait in self._running.values():
            wait.deltas += 1

    def set_clock(self, now_ns: int) -> None:
        """The driver has a clock after all: waits without a beginning begin now, but for what frames must date."""
        self._judged_ns = now_ns
        for name, wait in self._running.items():
            if not wait.since_ns and name not in _BACKGROUND:
                wait.since_ns = now_ns

    def facts(self, now_ns: int) -> TimerFacts:
        """Which waits are over."""
        over: set[str] = {name for name, wait in self._running.items() if wait.over(now_ns)}
        return TimerFacts(*(name in over for name in TimerFacts._fields))

    @property
    def next_ns(self) -> int | None:
        """The earliest deadline that has not been judged; ``None`` if there is none."""
        deadlines = (wait.deadline_ns for wait in self._running.values())
        return min(
            (deadline for deadline in deadlines if deadline is not None and deadline > self._judged_ns), default=None
        )
