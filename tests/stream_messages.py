"""One message of each stream that the command line shows, as a test wants to see it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from orderbook.streams import BalanceUpdate, Candle, Missed, OrderUpdate, TickerUpdate, Trade
from orderbook.types import Level

AT_S: Final = 1_714_567_890
"""2024-05-01 12:51:30 UTC."""

TRADE: Final = Trade(
    received_ns=5,
    symbol="BTC-USDT",
    side="buy",
    price=Decimal("67012.30"),
    size=Decimal("0.00331"),
    sequence=11,
    trade_id="t11",
    taker_order_id="a",
    maker_order_id="b",
    venue_ns=AT_S * 10**9 + 123_456_789,
)
CANDLE: Final = Candle(
    symbol="BTC-USDT",
    interval="1min",
    start_s=AT_S - 30,
    open=Decimal(67000),
    high=Decimal("67012.3"),
    low=Decimal("66999.95"),
    close=Decimal(67010),
    volume=Decimal("1.5"),
    turnover=Decimal("100500.25"),
    venue_ns=AT_S * 10**9,
)
TICKER: Final = TickerUpdate(
    symbol="BTC-USDT",
    sequence=7,
    bid=Level(Decimal("67012.3"), Decimal("0.5")),
    ask=Level(Decimal("67012.4"), Decimal("0.25")),
    last_price=Decimal("67012.4"),
    last_size=Decimal("0.1"),
    venue_ms=AT_S * 1_000 + 7,
)
BALANCE: Final = BalanceUpdate(
    account_id="acc",
    currency="USDT",
    total=Decimal(100),
    available=Decimal("88.5"),
    held=Decimal("11.5"),
    available_change=Decimal("-11.5"),
    held_change=Decimal("11.5"),
    cause="trade.hold",
    cause_id=None,
    symbol="BTC-USDT",
    order_id="o1",
    trade_id=None,
    venue_ms=AT_S * 1_000,
)
ORDER: Final = OrderUpdate(
    order_id="o1",
    client_id=None,
    symbol="BTC-USDT",
    side="sell",
    kind="limit",
    event="match",
    status="match",
    price=Decimal(67100),
    size=Decimal("0.5"),
    old_size=None,
    original_size=Decimal("0.5"),
    original_funds=None,
    filled_size=Decimal("0.2"),
    remaining_size=Decimal("0.3"),
    remaining_funds=None,
    canceled_size=Decimal(0),
    canceled_funds=None,
    match_price=Decimal(67100),
    match_size=Decimal("0.2"),
    trade_id="t9",
    liquidity="maker",
    fee_kind=None,
    ordered_ms=AT_S * 1_000,
    venue_ns=AT_S * 10**9 + 5_000_000,
)
MISSED: Final = Missed(path="/market/match", symbols=("BTC-USDT",), reason="the reader was too slow", count=3)
DOWN: Final = Missed(path="/account/balance", symbols=("",), reason="connection lost: 1006", is_over=False)


def trade(number: int, **fields: Any) -> Trade:
    """A trade of this number."""
    return replace(TRADE, trade_id=f"t{number}", sequence=number, **fields)
