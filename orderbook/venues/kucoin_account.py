"""Decodes KuCoin's streams of one's own account: balances, orders and stop orders."""

from __future__ import annotations

from typing import Final, Literal

from orderbook.streams import BalanceUpdate, OrderEvent, OrderStatus, OrderUpdate, StopEvent, StopOrderUpdate
from orderbook.venues.fields import Fields
from orderbook.venues.kucoin_market import SIDES
from orderbook.venues.topics import Push

_EVENTS: Final[tuple[OrderEvent, ...]] = ("received", "open", "match", "update", "filled", "canceled")
_STATUSES: Final[tuple[OrderStatus, ...]] = ("new", "open", "match", "done")
_STOP_EVENTS: Final[tuple[StopEvent, ...]] = ("open", "triggered", "cancel")
_LIQUIDITY: Final[tuple[Literal["taker", "maker"], ...]] = ("taker", "maker")


def balance(push: Push) -> BalanceUpdate:
    """``/account/balance``. What it was about is told of trades only."""
    data = push.data
    about = data.maybe_inner("relationContext") or Fields({}, "")
    return BalanceUpdate(
        received_ns=push.received_ns,
        account_id=data.text("accountId"),
        currency=data.text("currency"),
        total=data.decimal("total"),
        available=data.decimal("available"),
        held=data.decimal("hold"),
        available_change=data.signed("availableChange"),
        held_change=data.signed("holdChange"),
        cause=data.text("relationEvent"),
        cause_id=data.maybe_text("relationEventId"),
        symbol=about.maybe_text("symbol"),
        order_id=about.maybe_text("orderId"),
        trade_id=about.maybe_text("tradeId"),
        venue_ms=data.integer("time"),
    )


def order(push: Push) -> OrderUpdate:
    """``/spotMarket/tradeOrders`` and ``tradeOrdersV2``, which tells of one event and one status more."""
    data = push.data
    number, text = data.maybe_decimal, data.maybe_text
    return OrderUpdate(
        received_ns=push.received_ns,
        order_id=data.text("orderId"),
        client_id=text("clientOid"),
        symbol=data.text("symbol"),
        side=data.choice("side", SIDES),
        kind=data.text("orderType"),
        event=data.choice("type", _EVENTS),
        status=data.choice("status", _STATUSES),
        price=number("price"),
        size=number("size"),
        old_size=number("oldSize"),
        original_size=number("originSize"),
        original_funds=number("originFunds"),
        filled_size=number("filledSize"),
        remaining_size=number("remainSize"),
        remaining_funds=number("remainFunds"),
        canceled_size=number("canceledSize"),
        canceled_funds=number("canceledFunds"),
        match_price=number("matchPrice"),
        match_size=number("matchSize"),
        trade_id=text("tradeId"),
        liquidity=data.choice("liquidity", _LIQUIDITY) if data.has("liquidity") else None,
        fee_kind=text("feeType"),
        ordered_ms=data.integer("orderTime"),
        venue_ns=data.integer("ts"),
    )


def stop_order(push: Push) -> StopOrderUpdate:
    """``/spotMarket/advancedOrders``. Which fields there are is our reading of the venue's guide."""
    data = push.data
    return StopOrderUpdate(
        received_ns=push.received_ns,
        order_id=data.text("orderId"),
        symbol=data.text("symbol"),
        side=data.choice("side", SIDES),
        kind=data.text("orderType"),
        event=data.choice("type", _STOP_EVENTS),
        condition=data.text("stop"),
        stop_price=data.decimal("stopPrice"),
        price=data.maybe_decimal("orderPrice"),
        size=data.maybe_decimal("size"),
        was_accepted=data.maybe_flag("triggerSuccess"),
        created_ms=data.integer("createdAt"),
        venue_ns=data.integer("ts"),
    )
