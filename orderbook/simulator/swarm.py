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
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from orderbook.errors import UsageError
from orderbook.simulator.catalogue import FAULTS, Point
from orderbook.simulator.chance import stream
from orderbook.simulator.profiles import PROFILES
from orderbook.simulator.sparing import can_spare

Entry = dict[str, Any]
"""One entry of a fault plan."""


class Span(NamedTuple):
    """A number of this range, ends included, drawn log-uniformly."""

    low: float
    high: float


class Apart(NamedTuple):
    """A sequence base far from those of another ``number``: epochs that overlap could not be told apart."""

    number: int


Drawn = Span | Apart | tuple[object, ...] | int | float | str | bool | None
"""What a knob becomes: a drawn number, one of several values, or always this one. ``None`` leaves the knob out."""


class Template(NamedTuple):
    """What entries of one fault look like.

    Attributes:
        fault: Its name.
        knobs: How they are drawn.
        rate: Of faults at deltas: how often a second and symbol. Of faults at other messages: the probability.
            Of faults at a moment: how often in all; with ``on`` as of the messages that it names.
        on: Ties a fault at a moment to messages.
        markets: Only in markets of these profiles; in any by default.
        is_long: For as long as entries last, and not only for a part of it.
        undo: Knobs of a second entry that ends what the first one began.
    """

    fault: str
    knobs: Mapping[str, Drawn] = MappingProxyType({})
    rate: Span = Span(0.2, 5.0)
    on: str | None = None
    markets: tuple[str, ...] = ()
    is_long: bool = False
    undo: Mapping[str, Drawn] | None = None


Families = Mapping[str, tuple[Template, ...]]

_MOST: Final = Span(0.3, 0.8)
_MANY: Final = Span(0.4, 1.0)
_FEW: Final = Span(1, 4)
_MS: Final = Span(10, 2_000)
_JITTER: Final = (0, Span(10, 1_000))
_LATE: Final = MappingProxyType({"ms": _MS, "jitter_ms": _JITTER})
_PATH: Final = ("", "orderbook", "level2", "bullet", "symbols")
_FAILURES: Final = (200, 400, 403, 500, 502)
# Codes with which venues close.
_CODES: Final = (1000, 1001, 1008, 1011, 1012, 1013)
# What no number grammar should take, and what ours does.
_SPELLINGS: Final = (
    *("plus", "minus", "zero", "no_whole", "no_fraction", "underscore", "wide", "blank", "hex", "nan", "infinity"),
    *("digits", "exponent", "plain", "power", "scientific"),
)
_GARBLES: Final = ("cut", "utf8", "binary", "nest", "extra", "twice", "bom", "keys", "surrogate", "nul")
_FIELDS: Final = ("swapped", "no_start", "no_end", "null", "float", "true", "negative", "huge", "null_sides")
_PLAIN_URLS: Final = ("http://example.invalid/", "ws://example.invalid/")

_FAMILIES: Final[dict[str, tuple[Template, ...]]] = {
    "loss": (
        Template("drop", {"run": (1, 1, Span(2, 40))}),
        Template("mute", rate=Span(0.1, 1.5)),
        Template("mute", rate=Span(1, 1)),
        Template("mute", rate=Span(1, 1), is_long=True),
    ),
    "order": (
        Template("duplicate", {"lag": (0, Span(1, 40)), "hold_ms": Span(50, 2_000)}, Span(0.1, 8)),
        Template("swap", {"by": Span(1, 12), "hold_ms": Span(5, 500)}),
        Template("shuffle", {"window": Span(2, 20), "hold_ms": Span(5, 500)}, Span(0.2, 1.5)),
        Template("delay", {"ms": Span(1, 1_500), "jitter_ms": _JITTER}),
    ),
    "batching": (
        Template("merge", {"rows": Span(2, 20), "hold_ms": Span(5, 500)}, Span(0.1, 8)),
        # Deltas over one sequence cannot be split.
        Template("split", {"parts": Span(2, 9)}, Span(0.1, 40), markets=("batches",)),
    ),
    "rows": (
        Template("price_zero", {"size": ("0", "0.0", "5")}, Span(0.1, 8)),
        Template("ghost_delete", rate=Span(0.1, 8)),
    ),
    "bytes": (
        Template("garble", {"how": _GARBLES}, Span(0.3, 2)),
        Template("fields", {"how": _FIELDS}, Span(0.5, 3)),
        Template("wrong_symbol", {"symbol": ("XXX-YYY", "BTC-USDT\0", "btc-usdt", "")}, Span(0.3, 2)),
        Template("oversize", {"bytes": (Span(5_000, 100_000), 5_000_000)}, Span(0.1, 1.0)),
    ),
    "numbers": (
        Template("spell", {"how": _SPELLINGS, "bare": (False, False, True)}, Span(0.3, 2)),
        Template("spell", {"how": ("plain", "power", "scientific"), "bare": (False, True)}, Span(1, 80)),
    ),
    "snapshots": (
        Template("stale_snapshot", {"by": Span(1, 5_000)}, _MOST),
        Template("stale_snapshot", {"ms": Span(10, 10_000)}, _MOST),
        Template("stale_snapshot", {"by": Span(50, 5_000)}, Span(1, 1)),
        Template("delayed_snapshot", {**_LATE, "computed": ("early", "late")}, _MOST),
        Template("bad_snapshot", {"how": ("unsorted", "crossed", "null")}, _MOST),
    ),
    "answers": (
        Template("rest_error", {"path": _PATH, "status": _FAILURES, "code": ("500000", "230005")}, _MOST),
        Template("html", {"path": _PATH, "status": (403, 502, 503)}, _MOST),
        Template("cut_body", {"path": _PATH}, _MOST),
        Template("big_body", {"path": _PATH}, Span(0.1, 0.5)),
        Template("gzip_bomb", {"path": _PATH}, _MOST),
        Template("slow", {"path": _PATH, **_LATE}, _MOST),
        Template("hang", {"path": _PATH}, _MOST),
        Template("cut", {"path": _PATH}, _MOST),
    ),
    "budget": (
        Template("rate_limited", {"path": _PATH, "reset_ms": (None, Span(100, 5_000))}, _MOST),
        Template("banned", {"ms": Span(500, 5_000), "status": (403, 429)}, Span(0.1, 0.5)),
    ),
    "tokens": (
        Template("bad_token", {"how": ("empty", "no_ping", "no_token")}, _MANY),
        Template("bad_token", {"how": ("downgrade",), "endpoint": _PLAIN_URLS}, _MANY),
        Template("bad_token", {"how": ("moved",), "endpoint": ("ws://127.0.0.1:9/",)}, _MANY),
        Template("token_life", {"ms": Span(1, 5_000)}, _MANY),
        Template("token_expired", rate=_MANY),
    ),
    "connecting": (
        Template("refuse", {"status": (403, 429, 500, 503)}, _MANY),
        Template("close_on_connect", {"code": _CODES}, _MANY),
        Template("lost_welcome", rate=_MANY),
        Template("late_welcome", _LATE, _MANY),
        Template("double_welcome", rate=_MANY),
    ),
    "acks": (
        Template("lost_ack", rate=_MANY),
        Template("late_ack", _LATE, _MANY),
        Template("wrong_ack", rate=_MANY),
        Template("error_ack", {"code": (404, 500, 509), "text": ("system error", "topic is not found")}, _MANY),
        Template("partial_ack", {"keep": (0, 1, 2)}, _MANY),
    ),
    "pings": (
        Template("lost_pong", rate=_MOST),
        Template("late_pong", _LATE, _MOST),
        Template("wrong_pong", rate=_MOST),
        Template("pong_storm", {"count": Span(2, 500)}, _MOST),
    ),
    "connections": (
        Template("disconnect", {"how": ("abort", "close"), "code": _CODES}, _FEW),
        Template("disconnect", {"how": ("abort", "close"), "code": _CODES}, Span(0.01, 0.2), "delta"),
        Template("disconnect", {"how": ("abort", "close")}, Span(0.05, 0.5), "ack"),
        Template("disconnect", {"how": ("abort", "close")}, Span(0.05, 0.5), "connect"),
        Template("slow_close", {"code": _CODES}, _FEW),
        Template("black_hole", rate=_FEW),
        Template("stall", {"ms": Span(10, 3_000)}, _FEW),
        Template("error_frame", {"code": (400, 401, 404, 500, 509)}, _FEW),
        Template("black_hole", rate=Span(1, 2)),
    ),
    "venue": (
        Template("sequence_reset", {"base": Apart(0), "close": (False, True)}, Span(1, 1)),
        # A replica takes over that is a little behind: the new count runs through numbers of the old one.
        Template("sequence_reset", {"back": Span(65, 500), "close": (False, True)}, Span(1, 2)),
        Template("maintenance", {"ms": Span(500, 5_000), "code": (1001, 1012), "base": (None, Apart(1))}, Span(1, 1)),
        Template("delist", {"ms": Span(500, 5_000)}, Span(1, 2)),
        Template("tick_change", {"how": ("finer", "coarser")}, Span(1, 3)),
        # Signed requests are refused until a client has asked for the time; then it is set right, and again.
        Template("clock_skew", {"ms": (-3_600_000, -20_000, 20_000, 3_600_000)}, Span(1, 1), undo={"ms": 0}),
    ),
}
FAMILIES: Final[MappingProxyType[str, tuple[Template, ...]]] = MappingProxyType(_FAMILIES)
"""Families of faults from which a book can and must protect itself."""

# A book cannot notice these by looking at what it is told: a well-formed delta that says a wrong size; a flipped bit
# that makes another digit of one; a snapshot with a wrong level, of another symbol (the answer does not name it), with
# too few rows (a side shorter than its limit is a complete one), with one empty side, or with none twice in a row; a
# new count that begins so little behind the old one that only what was lost, or never heard, would tell them apart. An
# audit finds them later. Whoever turns them on cannot ask that LIVE is true, only that it is put right in time.
_LIES: Final = (
    Template("corrupt", {"what": ("size", "delete", "missing")}, Span(2, 40)),
    Template("garble", {"how": ("flip",)}, Span(0.5, 5)),
    Template("bad_snapshot", {"how": ("corrupt", "other", "empty", "bids", "asks")}, _MOST),
    Template("shallow_snapshot", {"rows": Span(1, 50)}, _MOST),
    Template("sequence_reset", {"back": Span(1, 64), "close": (False, True)}, Span(1, 3)),
)
LIES: Final[MappingProxyType[str, tuple[Template, ...]]] = MappingProxyType({"lies": _LIES})
"""Off unless asked for: ``families=FAMILIES | LIES``."""

MARKETS: Final[MappingProxyType[str, int]] = MappingProxyType(
    {"normal": 6, "quiet": 4, "batches": 5, "trending": 4, "illiquid": 2}
)
"""Profiles with weights. Those with a plan of their own are not among them: it has no end, and ``venue`` does as much.
"""
COSTLY: Final[MappingProxyType[str, int]] = MappingProxyType({"storm": 1, "deep": 1})
"""More of them, for who has the time (``markets=MARKETS | COSTLY``): twenty times the deltas, or half a second for a
client to read each snapshot."""

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
        if template.fault in _AT_SYMBOLS or point in (Point.DELTA, Point.BOOK, Point.ACK, Point.MOMENT):
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
