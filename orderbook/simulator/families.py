"""What a swarm draws from: templates of faults by family, and the profiles of markets with their weights."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple


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

_PATHS: Final = ("", "/market/", "/spotMarket/", "/account/")
_PUSHES: Final = (
    Template("lost_push", {"path": _PATHS}, _MOST),
    Template("double_push", {"path": _PATHS}, _MOST),
    Template("late_push", {"path": _PATHS, **_LATE}, _MOST),
    Template("garbled_push", {"path": _PATHS, "how": _GARBLES}, _MOST),
)
PUSHES: Final[MappingProxyType[str, tuple[Template, ...]]] = MappingProxyType({"pushes": _PUSHES})
"""What befalls the streams beside the book, for clients that have any: ``families=FAMILIES | PUSHES``. A family of its
own, because a plan for books alone would do nothing with it."""

MARKETS: Final[MappingProxyType[str, int]] = MappingProxyType(
    {"normal": 6, "quiet": 4, "batches": 5, "trending": 4, "illiquid": 2}
)
"""Profiles with weights. Those with a plan of their own are not among them: it has no end, and ``venue`` does as much.
"""
COSTLY: Final[MappingProxyType[str, int]] = MappingProxyType({"storm": 1, "deep": 1})
"""More of them, for who has the time (``markets=MARKETS | COSTLY``): twenty times the deltas, or half a second for a
client to read each snapshot."""
