"""What runs inside hftbacktest, compiled by numba; imported only where it is measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, TypeVar

import numpy as np

from benchmarks.peers.adapter import BAND
from benchmarks.workloads import Message

hft: Any = import_module("hftbacktest")
numba: Any = import_module("numba")

Jitted = TypeVar("Jitted", bound=Callable[..., Any])


def jit(function: Jitted) -> Jitted:
    """Compiled when first called."""
    compiled: Jitted = numba.njit(function)
    return compiled


def asset_of(messages: Sequence[Message], tick: float, *, local: bool) -> tuple[Any, Any, float, float]:
    """An asset with a depth event for each change, one ns apart; the events, to be kept; the range of prices."""
    sides = ((hft.BUY_EVENT, "bids"), (hft.SELL_EVENT, "asks"))
    processed = hft.LOCAL_EVENT if local else hft.LOCAL_EVENT | hft.EXCH_EVENT
    rows = [
        (hft.DEPTH_EVENT | processed | flag, float(price), float(size))
        for message in messages
        for flag, name in sides
        for price, size in getattr(message, name)
    ]
    events = np.zeros(len(rows), dtype=hft.event_dtype)
    events["ev"], events["px"], events["qty"] = map(np.array, zip(*rows, strict=True))
    events["exch_ts"] = events["local_ts"] = np.arange(1, len(rows) + 1)
    asset = (
        hft.BacktestAsset()
        .data(events)
        .linear_asset(1.0)
        .constant_order_latency(0, 0)
        .risk_adverse_queue_model()
        .no_partial_fill_exchange()
        .trading_value_fee_model(0.0, 0.0)
        .tick_size(tick)
        .lot_size(1e-8)
        .last_trades_capacity(0)
    )
    prices = events["px"]
    return events, asset, float(prices.min()) - 100 * tick, float(prices.max()) + 100 * tick


@jit
def advance(backtest: Any, count: int) -> Any:
    """Apply so many events."""
    return backtest.elapse(count)


@jit
def bid_of(backtest: Any) -> Any:
    """Best bid."""
    return backtest.depth(0).best_bid


@jit
def ask_of(backtest: Any) -> Any:
    """Best ask."""
    return backtest.depth(0).best_ask


@jit
def spread(backtest: Any) -> Any:
    """Between them."""
    depth = backtest.depth(0)
    return depth.best_ask - depth.best_bid


@jit
def top(backtest: Any, count: int) -> Any:
    """Levels as two arrays; ticks are walked, up to a tenth of the price past the last one found."""
    depth = backtest.depth(0)
    room = min(count, 131_072)
    bids, asks = np.empty((room, 2)), np.empty((room, 2))
    found, tick, last = 0, depth.best_bid_tick, depth.best_bid_tick
    while found < len(bids) and tick > 0 and last - tick < 100_000:
        size = depth.bid_qty_at_tick(tick)
        if size > 0:
            bids[found, 0], bids[found, 1] = tick * depth.tick_size, size
            found += 1
            last = tick
        tick -= 1
    bids = bids[:found]
    found, tick, last = 0, depth.best_ask_tick, depth.best_ask_tick
    while found < len(asks) and tick - last < 100_000:
        size = depth.ask_qty_at_tick(tick)
        if size > 0:
            asks[found, 0], asks[found, 1] = tick * depth.tick_size, size
            found += 1
            last = tick
        tick += 1
    return bids, asks[:found]


@jit
def volume(backtest: Any) -> Any:
    """The size within 10 basis points of mid."""
    depth = backtest.depth(0)
    mid = (depth.best_bid_tick + depth.best_ask_tick) / 2.0
    bids = asks = 0.0
    for tick in range(int(np.ceil(mid * (1 - BAND) - 1e-6)), depth.best_bid_tick + 1):
        bids += depth.bid_qty_at_tick(tick)
    for tick in range(depth.best_ask_tick, int(np.floor(mid * (1 + BAND) + 1e-6)) + 1):
        asks += depth.ask_qty_at_tick(tick)
    return bids, asks


@jit
def imbalance(backtest: Any, count: int) -> Any:
    """Of so many levels a side."""
    depth = backtest.depth(0)
    bids = asks = 0.0
    found, tick = 0, depth.best_bid_tick
    while found < count:
        size = depth.bid_qty_at_tick(tick)
        found += size > 0
        bids += size
        tick -= 1
    found, tick = 0, depth.best_ask_tick
    while found < count:
        size = depth.ask_qty_at_tick(tick)
        found += size > 0
        asks += size
        tick += 1
    return (bids - asks) / (bids + asks)


@jit
def bought(backtest: Any, size: float) -> Any:
    """The average price of buying so much."""
    depth = backtest.depth(0)
    left, paid, tick = size, 0.0, depth.best_ask_tick
    while True:
        available = min(left, depth.ask_qty_at_tick(tick))
        left -= available
        paid += available * tick
        if left <= 0:
            return paid * depth.tick_size / size
        tick += 1
