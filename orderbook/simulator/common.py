"""What all parts of the exchange work with: time, faults, limits, tokens and the list of violations."""

from __future__ import annotations

import random
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Final, Literal

from orderbook.simulator.injector import Injector
from orderbook.simulator.limits import Limits, Manners
from orderbook.simulator.timeline import Timeline

MS: Final = 1_000_000
"""Nanoseconds in one."""
WALL_NS: Final = 1_767_690_000_000_000_000
"""The venue's wall clock at moment 0, where nobody sets it: in January 2026."""
_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_TOKENS_MAX: Final = 10_000


@dataclass(slots=True, eq=False)
class Common:
    """The state that is nobody's in particular."""

    limits: Limits
    manners: Manners
    injector: Injector
    endpoint: str
    timeline: Timeline = field(default_factory=Timeline)
    violations: Counter[str] = field(default_factory=Counter)
    wall_offset_ns: int = WALL_NS
    """Wall clock minus the clock of ``now_ns``."""
    skew_ns: int = 0
    delisted: set[str] = field(default_factory=set)
    closed_until_ns: int = 0
    """End of maintenance."""
    banned_until_ns: int = 0
    """Until then the edge before the venue answers every request itself."""

    def wall_ms(self, now_ns: int) -> int:
        """The venue's wall clock, in ms since 1970."""
        return (now_ns + self.wall_offset_ns + self.skew_ns) // MS

    def wall_ns(self, now_ns: int) -> int:
        """The same in nanoseconds."""
        return now_ns + self.wall_offset_ns + self.skew_ns

    def wall_us(self, now_ns: int) -> int:
        """The same in microseconds."""
        return (now_ns + self.wall_offset_ns + self.skew_ns) // 1_000


class Tokens:
    """All tokens of the venue: one register, whichever server a client connects to."""

    def __init__(self, rng: random.Random, life_ns: int) -> None:
        self._rng = rng
        self._life_ns = life_ns
        self._issued: dict[str, tuple[int, bool]] = {}

    def issue(self, now_ns: int, *, is_private: bool, life_ns: int | None = None) -> str:
        """A new token; it holds every character that has to be escaped in an address.

        Args:
            now_ns: When.
            is_private: For an account's own data too.
            life_ns: How long it is good for; by default as long as all of them.
        """
        parts = ["".join(self._rng.choices(_ALPHABET, k=size)) for size in (96, 22)]
        token = f"{parts[0]}==.{parts[1]}=="
        self._issued[token] = (now_ns + (self._life_ns if life_ns is None else life_ns), is_private)
        if len(self._issued) > _TOKENS_MAX:
            del self._issued[next(iter(self._issued))]
        return token

    def check(self, token: str, now_ns: int) -> Literal["public", "private", "token is invalid", "token is expired"]:
        """What a token is good for."""
        found = self._issued.get(token)
        if found is None:
            return "token is invalid"
        ends_ns, is_private = found
        if now_ns >= ends_ns:
            return "token is expired"
        return "private" if is_private else "public"


class Past:
    """At which sequence each symbol stood lately: one note in 10 ms, for some 20 s of a busy market."""

    _NOTES_MAX: Final = 2_048
    _SPACING_NS: Final = 10 * MS

    def __init__(self) -> None:
        self._notes: dict[str, deque[tuple[int, int, int]]] = {}

    def note(self, symbol: str, now_ns: int, epoch: int, sequence: int) -> None:
        """Remember where a symbol stands now. O(1)."""
        notes = self._notes.get(symbol)
        if notes is None:
            notes = self._notes[symbol] = deque(maxlen=self._NOTES_MAX)
        if not notes or now_ns - notes[-1][0] >= self._SPACING_NS:
            notes.append((now_ns, epoch, sequence))

    def position(self, symbol: str, then_ns: int) -> tuple[int, int]:
        """Epoch and sequence at that time, or as far back as is known. O(notes)."""
        notes = self._notes[symbol]
        found = next((note for note in reversed(notes) if note[0] <= then_ns), notes[0])
        return found[1:]
