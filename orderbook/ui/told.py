"""The same numbers where no picture can be drawn: one line, or one JSON object, a symbol."""

from __future__ import annotations

from decimal import Decimal, localcontext

from orderbook.types import Level
from orderbook.ui.levels import ASCII
from orderbook.ui.numbers import plain
from orderbook.ui.panels import PanelData, Touch
from orderbook.ui.pieces import EXACT, duration, printable, rate, rounded

IMBALANCE_LEVELS = 10
"""Levels a side whose sizes are compared."""


def told(data: PanelData) -> str:
    """One symbol in one line, in ASCII. O(1)."""
    view, status = data.view, data.status
    with localcontext(EXACT):
        touch = Touch(view, IMBALANCE_LEVELS)
        parts = [f"{view.symbol} {view.state.value}"]
        if view.is_live:
            parts += [f"{name} {_level(level)}" for name, level in (("bid", touch.bid), ("ask", touch.ask))]
            if touch.spread_bps is not None:
                parts.append(f"spread {rounded(touch.spread_bps)} bps")
            if touch.imbalance is not None:
                parts.append(f"imbalance({touch.levels}) {touch.imbalance:+.2f}")
        else:
            parts.append(printable(status.reason, ASCII))
        parts += [
            f"sequence {view.sequence}",
            f"age {'none' if status.age_ms is None else duration(status.age_ms)}",
            f"{rate(status.frames_per_s)} msg/s",
            f"gaps {status.gaps}",
            f"resyncs {status.resyncs}",
        ]
    return "  ".join(parts)


def _level(level: Level[Decimal] | None) -> str:
    return "none" if level is None else f"{plain(level.price)} x {plain(level.size)}"


def to_json(data: PanelData, ts: int) -> dict[str, object]:
    """One symbol for programs.

    Args:
        data: The symbol.
        ts: When this is told, nanoseconds since 1970.

    Returns:
        Prices and sizes as exact decimal text, ``[price, size]`` a level; ``null`` for what there is not, which is all
        of the book unless it is LIVE. Lengths of time in ms.
    """
    view, status = data.view, data.status
    with localcontext(EXACT):
        touch = Touch(view, IMBALANCE_LEVELS)
        return {
            "ts": ts,
            "symbol": view.symbol,
            "state": view.state.value,
            "reason": status.reason,
            "since_ms": status.since_ms,
            "age_ms": status.age_ms,
            "sequence": view.sequence,
            "epoch": view.epoch,
            "messages_per_s": round(status.frames_per_s, 1),
            "gaps": status.gaps,
            "resyncs": status.resyncs,
            "best_bid": _pair(touch.bid),
            "best_ask": _pair(touch.ask),
            "spread": None if touch.spread is None else plain(touch.spread),
            "spread_bps": None if touch.spread_bps is None else float(touch.spread_bps),
            "imbalance": None if touch.imbalance is None else float(touch.imbalance),
            "imbalance_levels": touch.levels,
        }


def _pair(level: Level[Decimal] | None) -> list[str] | None:
    return None if level is None else [plain(level.price), plain(level.size)]
