"""Every fault that the simulated venue knows: where it strikes, what it does, and its knobs."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final, NamedTuple

from orderbook.simulator.damage import FIELDS, GARBLES
from orderbook.simulator.spelling import SPELLINGS


class Point(Enum):
    """Where a fault can strike. Its value is what ``on`` calls it."""

    DELTA = "delta"
    PUSH = "push"
    CONNECT = "connect"
    WELCOME = "welcome"
    MESSAGE = "message"
    ACK = "ack"
    PONG = "pong"
    BULLET = "bullet"
    BOOK = "book"
    REST = "rest"
    MOMENT = "time"


class Knob(NamedTuple):
    """One setting of a fault: what it defaults to (its type is the knob's) and what it may be."""

    default: int | float | str | bool | None
    minimum: float = 0
    choices: tuple[str, ...] = ()
    kind: type = int


def _text(default: str | None, *choices: str) -> Knob:
    return Knob(default, choices=choices, kind=str)


def _flag(*, default: bool) -> Knob:
    return Knob(default, kind=bool)


class Kind(NamedTuple):
    """What one fault is."""

    point: Point
    knobs: Mapping[str, Knob]
    does: str


_MS: Final = Knob(100, 0)
_BEHIND: Final = Knob(1, 1)
_HOLD: Final = Knob(1_000, 1)
_JITTER: Final = Knob(0, 0)
_CODE: Final = Knob(1001, 1000)
_BIG: Final = Knob(40_000_000, 1)

FAULTS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        # -- the stream --
        "drop": Kind(Point.DELTA, {"run": Knob(1, 1)}, "deltas are not sent; run: so many in a row"),
        "duplicate": Kind(
            Point.DELTA, {"lag": Knob(0, 0), "hold_ms": Knob(None, 1)}, "a delta is sent again, lag deltas later"
        ),
        "swap": Kind(Point.DELTA, {"by": _BEHIND, "hold_ms": _HOLD}, "a delta is sent only after the next ones"),
        "delay": Kind(Point.DELTA, {"ms": _MS, "jitter_ms": _JITTER}, "a delta comes late, others pass it"),
        "shuffle": Kind(
            Point.DELTA, {"window": Knob(5, 2), "hold_ms": _HOLD}, "this delta and the next ones come in another order"
        ),
        "merge": Kind(Point.DELTA, {"rows": Knob(3, 2), "hold_ms": _HOLD}, "consecutive deltas come as one"),
        "split": Kind(
            Point.DELTA, {"parts": Knob(2, 2)}, "a delta over several sequences comes as several, each true at its end"
        ),
        "mute": Kind(Point.DELTA, {}, "the topic is silent though the market moves on"),
        "price_zero": Kind(Point.DELTA, {"size": _text("0")}, "a delta gets one more row, of price 0"),
        "ghost_delete": Kind(Point.DELTA, {}, "a delta gets one more row, which removes a level that is not there"),
        "corrupt": Kind(
            Point.DELTA,
            {"what": _text("size", "size", "delete", "missing")},
            "a delta lies, and nothing in it shows that",
        ),
        "wrong_symbol": Kind(Point.DELTA, {"symbol": _text("XXX-YYY")}, "the data names another symbol than the topic"),
        "spell": Kind(
            Point.DELTA,
            {"how": _text("scientific", *SPELLINGS), "bare": _flag(default=False)},
            "prices and sizes are written otherwise: plain, power and scientific are legal, the others are not; bare:"
            " without quotes",
        ),
        "fields": Kind(
            Point.DELTA,
            {"how": _text("swapped", *FIELDS)},
            "sequence fields are swapped, missing, or no sequences; null_sides: sides without rows are null",
        ),
        "oversize": Kind(
            Point.DELTA, {"bytes": Knob(5_000_000, 1)}, "a frame is filled up with blanks to so many bytes"
        ),
        "garble": Kind(Point.DELTA, {"how": _text("cut", *GARBLES)}, "a frame is damaged"),
        # -- the streams beside the book --
        "lost_push": Kind(
            Point.PUSH, {"path": _text("")}, "a message beside the deltas is not sent; path: a part of its topic"
        ),
        "double_push": Kind(Point.PUSH, {"path": _text("")}, "such a message comes twice"),
        "late_push": Kind(
            Point.PUSH,
            {"path": _text(""), "ms": _MS, "jitter_ms": _JITTER},
            "such a message comes late, others pass it",
        ),
        "garbled_push": Kind(
            Point.PUSH, {"path": _text(""), "how": _text("cut", *GARBLES)}, "such a message is damaged"
        ),
        # -- order book answers --
        "stale_snapshot": Kind(
            Point.BOOK, {"by": Knob(None, 1), "ms": Knob(None, 1)}, "the book as it was a while ago"
        ),
        "delayed_snapshot": Kind(
            Point.BOOK,
            {"ms": _MS, "jitter_ms": _JITTER, "computed": _text("early", "early", "late")},
            "the answer takes its time",
        ),
        "shallow_snapshot": Kind(Point.BOOK, {"rows": Knob(5, 0)}, "fewer levels than were asked for"),
        "bad_snapshot": Kind(
            Point.BOOK,
            {"how": _text("empty", "empty", "bids", "asks", "unsorted", "crossed", "other", "null", "corrupt")},
            "a book that cannot be, or is another's: both or one side empty, unsorted, crossed, no data, one level"
            " wrong",
        ),
        # -- any answer of REST --
        "rate_limited": Kind(
            Point.REST, {"path": _text(""), "reset_ms": Knob(None, 0)}, "429; with headers if reset_ms says how long"
        ),
        "rest_error": Kind(
            Point.REST,
            {"path": _text(""), "code": _text("500000"), "msg": _text("internal error"), "status": Knob(200, 100)},
            "an error envelope",
        ),
        "html": Kind(Point.REST, {"path": _text(""), "status": Knob(503, 100)}, "a web page where JSON should be"),
        "cut_body": Kind(Point.REST, {"path": _text("")}, "half of the answer"),
        "big_body": Kind(Point.REST, {"path": _text(""), "bytes": _BIG}, "an answer without end"),
        "gzip_bomb": Kind(
            Point.REST, {"path": _text(""), "bytes": _BIG}, "a small compressed answer that inflates to so many bytes"
        ),
        "banned": Kind(
            Point.REST,
            {"path": _text(""), "ms": Knob(30_000, 1), "status": Knob(429, 400)},
            "the venue's edge answers this request and all others for a while, with a page that says 1015",
        ),
        "slow": Kind(Point.REST, {"path": _text(""), "ms": _MS, "jitter_ms": _JITTER}, "any answer takes its time"),
        "hang": Kind(Point.REST, {"path": _text("")}, "no answer, ever"),
        "cut": Kind(Point.REST, {"path": _text("")}, "the connection is cut instead of an answer"),
        "bad_token": Kind(
            Point.BULLET,
            {
                "how": _text("empty", "empty", "downgrade", "no_ping", "moved", "no_token"),
                "endpoint": _text("http://example.invalid/"),
            },
            "a token answer without servers, ping times or token, or with another endpoint",
        ),
        "token_life": Kind(Point.BULLET, {"ms": Knob(1_000, 1)}, "the token of an answer is good for so long only"),
        # -- the session --
        "refuse": Kind(Point.CONNECT, {"status": Knob(503, 400)}, "the upgrade is refused with an HTTP status"),
        "token_expired": Kind(Point.CONNECT, {}, "error 401 after the upgrade, then close"),
        "close_on_connect": Kind(Point.CONNECT, {"code": _CODE, "reason": _text("")}, "accepted, then closed at once"),
        "lost_welcome": Kind(Point.WELCOME, {}, "accepted, then silence"),
        "late_welcome": Kind(Point.WELCOME, {"ms": _MS, "jitter_ms": _JITTER}, "the welcome takes its time"),
        "double_welcome": Kind(Point.WELCOME, {}, "the welcome comes twice"),
        "lost_ack": Kind(Point.ACK, {}, "carried out, but not acknowledged"),
        "late_ack": Kind(Point.ACK, {"ms": _MS, "jitter_ms": _JITTER}, "acknowledged late"),
        "wrong_ack": Kind(Point.ACK, {}, "carried out, but acknowledged with another id"),
        "error_ack": Kind(
            Point.ACK,
            {"code": Knob(500, 0), "text": _text("system error")},
            "not carried out: an error instead of an ack",
        ),
        "partial_ack": Kind(Point.ACK, {"keep": Knob(0, 0)}, "acknowledged, but only the first symbols are served"),
        "lost_pong": Kind(Point.PONG, {}, "a ping without answer"),
        "late_pong": Kind(Point.PONG, {"ms": _MS, "jitter_ms": _JITTER}, "a pong that takes its time"),
        "wrong_pong": Kind(Point.PONG, {}, "a pong with another id"),
        "pong_storm": Kind(Point.PONG, {"count": Knob(100, 2)}, "so many pongs for one ping"),
        # -- at a moment --
        "disconnect": Kind(
            Point.MOMENT,
            {"how": _text("abort", "abort", "close"), "code": _CODE, "reason": _text("")},
            "connections are reset, or closed with a code",
        ),
        "slow_close": Kind(
            Point.MOMENT,
            {"code": _CODE, "reason": _text("")},
            "connections are closed with a code, but the closing handshake is never completed",
        ),
        "black_hole": Kind(Point.MOMENT, {}, "connections stay open and nothing passes any more"),
        "stall": Kind(Point.MOMENT, {"ms": _MS}, "nothing is sent for a while, then all of it at once"),
        "error_frame": Kind(
            Point.MOMENT, {"code": Knob(500, 0), "text": _text("system error")}, "an error nobody asked for"
        ),
        "sequence_reset": Kind(
            Point.MOMENT,
            {"base": Knob(1, 0), "back": Knob(None, 1), "close": _flag(default=False)},
            "the venue counts anew, from base on; back: from so many below where it is",
        ),
        "maintenance": Kind(
            Point.MOMENT,
            {"ms": Knob(1_000, 1), "code": Knob(1012, 1000), "base": Knob(None, 0)},
            "all connections closed, everything refused with 503, then back; base: counting anew",
        ),
        "delist": Kind(Point.MOMENT, {"ms": Knob(None, 1)}, "a symbol stops trading; ms: for a while"),
        "tick_change": Kind(
            Point.MOMENT, {"how": _text("finer", "finer", "coarser")}, "the price grid of a symbol becomes another"
        ),
        "clock_skew": Kind(Point.MOMENT, {"ms": Knob(0, -1e15)}, "the venue's clock is set forward or back"),
    }
)
"""Every fault by name."""
