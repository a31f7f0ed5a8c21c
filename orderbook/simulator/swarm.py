"""From a seed to a market profile and a plan of faults, by swarm selection.

Each family of faults is switched on with probability 1/2, so that some seeds are calm, some harsh, and some one-sided:
a plan with a little of everything hides what one kind of fault alone would show. Rates are drawn log-uniformly, and a
temper of the seed scales them all. Every entry ends before the time is over, so that a phase without faults can follow.
"""

from __future__ import annotations

import json
import random
from collections.abc import Collection, Iterable, Mapping, Sequence
from math import exp, log
from typing import Any, Final, NamedTuple

from orderbook.errors import UsageError
from orderbook.simulator.catalogue import FAULTS, Point
from orderbook.simulator.chance import stream
from orderbook.simulator.families import (
    FAMILIES,
    MARKETS,
    Apart,
    Drawn,
    Families,
    Span,
    Template,
)
from orderbook.simulator.profiles import PROFILES
from orderbook.simulator.sparing import can_spare

Entry = dict[str, Any]
"""One entry of a fault plan."""


_SHARE: Final = 0.5
"""Probability of each family; and, within one that is on, of each template."""
_TEMPER: Final = Span(0.1, 1.0)
_P_MAX: Final = 0.5
_P_ANEW_MAX: Final = 0.9
"""Bounds of a probability; the second is of what only a new connection meets, of which there are few."""
_ANEW: Final = (Point.BULLET, Point.CONNECT, Point.WELCOME, Point.ACK)
_EARLY: Final = (Point.REST, Point.BOOK)
_BEGINS: Final = (0.0, 0.45)
_LASTS: Final = (0.1, 0.4)
_EFFECT: Final = 0.1
"""Bounds as shares of the time: when an entry begins, how long it is active, how long one strike may act at most."""
_SHORTEST_MS: Final = 100
_MS_KNOBS: Final = ("ms", "jitter_ms", "hold_ms", "reset_ms")
_CONNECTIONS: Final = 3
_BASE_STEP: Final = 3_000_000
"""Far more than a market counts in a run."""
_BASES: Final = 250
"""So many steps, times as many as there are numbers, stay below where markets begin."""
_NUMBERS: Final = 4
_AT_SYMBOLS: Final = ("sequence_reset", "delist", "tick_change")
_AT_ALL: Final = ("maintenance", "clock_skew")


def swarm(
    seed: int | str,
    *,
    symbols: Sequence[str],
    duration_ms: int,
    families: Families = FAMILIES,
    markets: Mapping[str, int] = MARKETS,
    spared: Collection[str] = (),
    certain: Collection[str] = (),
) -> tuple[str, list[Entry]]:
    """The profile and the plan of a seed.

    Each family draws from a sub-stream of its own: to leave one out changes nothing about the others.

    Args:
        seed: Everything is drawn from it.
        symbols: Those of the market, for scopes.
        duration_ms: Every entry ends, and has ended what it does, before that.
        families: Templates by the name of their family; see ``LIES`` for those that are off by default.
        markets: Profiles with weights.
        spared: Symbols that nothing touches: every entry is about others, and none about more than symbols.
        certain: Families that are on, whatever is drawn.

    Returns:
        The name of a market profile, and the entries of a fault plan as JSON objects.

    Raises:
        UsageError: Fewer than 100 ms, or no symbols.
    """
    symbols = [symbol for symbol in symbols if symbol not in spared]
    if duration_ms < _SHORTEST_MS or not symbols:
        raise UsageError(f"a swarm needs at least {_SHORTEST_MS} ms and one symbol")
    (profile,) = stream(seed, "swarm/profile").choices(list(markets), list(markets.values()))
    temper = _span(stream(seed, "swarm/temper"), _TEMPER)
    plan: list[Entry] = []
    for name, templates in families.items():
        rng = stream(seed, f"swarm/{name}")
        if rng.random() >= _SHARE and name not in certain:
            continue
        for place, template in enumerate(templates):
            # A stream for each template, too: a new knob of one leaves the others as they were.
            if rng.random() < _SHARE:
                own = stream(seed, f"swarm/{name}/{place}")
                drawing = _Drawing(own, tuple(symbols), duration_ms, profile, temper, bool(spared))
                plan += drawing.entries(template)
    return profile, plan


class _Drawing(NamedTuple):
    """How the entries of one template are drawn."""

    rng: random.Random
    symbols: tuple[str, ...]
    duration_ms: int
    profile: str
    temper: float
    is_sparing: bool

    def entries(self, template: Template) -> list[Entry]:
        """One entry; two where the second undoes the first, or lets it meet new connections; none that cannot be."""
        if (template.markets and self.profile not in template.markets) or (
            self.is_sparing and not can_spare(template.fault)
        ):
            return []
        begins_ms, lasts_ms = (int(self.rng.uniform(*share) * self.duration_ms) for share in (_BEGINS, _LASTS))
        is_anew = FAULTS[template.fault].point in _ANEW or template.on in ("ack", "connect")
        if (is_anew or FAULTS[template.fault].point in _EARLY) and self.rng.random() < _SHARE:
            # Much is asked for at the beginning that is hardly asked for again.
            begins_ms = 0
        entry: Entry = {"fault": template.fault, "at_ms": begins_ms, **self._trigger(template, lasts_ms)}
        scope = self._scope(template, 1 + (is_anew and begins_ms > 0))
        if scope is not None:
            entry["scope"] = scope
        entry |= self._knobs(template.knobs)
        if self.is_sparing and "close" in entry:
            entry["close"] = False
        if is_anew and begins_ms:
            # So that there is a new connection to meet.
            cut: Entry = {"fault": "disconnect", "at_ms": begins_ms + int(self.rng.uniform(0, lasts_ms / 2))}
            return [entry, cut]
        if template.undo is None:
            return [entry]
        return [entry, {"fault": template.fault, "at_ms": begins_ms + lasts_ms, **self._knobs(template.undo)}]

    def _trigger(self, template: Template, lasts_ms: int) -> Entry:
        point = FAULTS[template.fault].point
        rate = _span(self.rng, template.rate)
        if point is Point.MOMENT and template.on is None:
            times = max(1, round(rate))
            return {"every_ms": max(1, lasts_ms // times), "times": times} if times > 1 else {}
        more = {} if template.on is None else {"on": template.on}
        if template.rate == Span(1, 1):
            # All of them for a while, but not for most of the time.
            return {"for_ms": max(1, int(_LASTS[1] * self.duration_ms) if template.is_long else lasts_ms // 3), **more}
        if point is Point.DELTA or template.on == "delta":
            # A message in so many, for a rate that does not depend on how busy the market is.
            rate *= self.temper / PROFILES[self.profile].rate
        p_max = _P_ANEW_MAX if point in _ANEW else _P_MAX
        return {"for_ms": max(1, lasts_ms), "p": float(f"{min(p_max, rate):.3g}"), **more}

    def _scope(self, template: Template, first: int) -> str | list[str] | None:
        """``None`` for all; otherwise what the messages of the fault have: a symbol, a connection, either, or none.

        ``first``: the first connection that it can meet.
        """
        if self.is_sparing:
            named: list[str | list[str]] = [*self.symbols, list(self.symbols)]
            return self.rng.choice(named)
        point = FAULTS[template.fault].point if template.on is None else Point(template.on)
        # Which connection there is at a moment is hard to say.
        kinds = ["all"] * (4 if point is Point.MOMENT else 2)
        if template.fault in _AT_SYMBOLS or point in (Point.DELTA, Point.PUSH, Point.BOOK, Point.ACK, Point.MOMENT):
            kinds.append("symbol")
        if point not in (Point.BOOK, Point.REST, Point.BULLET) and template.fault not in _AT_SYMBOLS:
            kinds.append("connection")
        if template.fault in _AT_ALL:
            kinds = ["all"]
        match self.rng.choice(kinds):
            case "symbol":
                return self.rng.choice(self.symbols)
            case "connection":
                # There is always a first one, and not always another.
                return f"connection:{min(self.rng.randint(first, _CONNECTIONS) for _ in range(2))}"
            case _:
                return None

    def _knobs(self, knobs: Mapping[str, Drawn]) -> Entry:
        drawn = {name: self._knob(name, value) for name, value in knobs.items()}
        return {name: value for name, value in drawn.items() if value is not None}

    def _knob(self, name: str, value: Any) -> object:
        if isinstance(value, Apart):
            return (self.rng.randrange(1, _BASES) * _NUMBERS + value.number) * _BASE_STEP
        if isinstance(value, Span):
            number = round(_span(self.rng, value))
            return min(number, int(_EFFECT / 2 * self.duration_ms)) if name in _MS_KNOBS else number
        return self._knob(name, self.rng.choice(value)) if isinstance(value, tuple) else value


def _span(rng: random.Random, span: Span) -> float:
    """Log-uniformly: each order of magnitude is as likely as any other."""
    return exp(rng.uniform(log(span.low), log(span.high)))


# -- plans as text --


def to_text(entries: Iterable[Mapping[str, object]]) -> str:
    """A plan as JSON, an entry a line; ``from_text`` gives the same entries back."""
    lines = ",\n ".join(json.dumps(entry) for entry in entries)
    return f"[{lines}]\n"


def from_text(text: str) -> list[Entry]:
    """The entries of such a text, unchanged and not checked. Raises ``ValueError`` where it is no JSON list."""
    entries = json.loads(text)
    if not isinstance(entries, list):
        raise ValueError("a plan is a list of entries")  # noqa: TRY004 - the error that any other text that is no plan has
    return entries
