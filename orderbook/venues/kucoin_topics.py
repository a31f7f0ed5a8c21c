"""Every stream of KuCoin beside the book. One more is a type in ``orderbook.streams``, a decoder, and a line here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from orderbook.errors import FrameError
from orderbook.streams import Pushed, StreamMessage
from orderbook.venues import kucoin_account as account
from orderbook.venues import kucoin_market as market
from orderbook.venues import wire
from orderbook.venues.fields import Fields
from orderbook.venues.topics import Push, Topic

_LEVELS: Final = frozenset({"level2"})
_CANDLES: Final = frozenset({"trade.candles.update", "trade.candles.add"})
_ORDERS: Final = frozenset({"orderChange"})

TRADES: Final = Topic(path="/market/match", decode=market.trade, subjects=frozenset({"trade.l3match"}))
CANDLES: Final = Topic(
    path="/market/candles", decode=market.candle, subjects=_CANDLES, names_max=1, suffixes=market.INTERVALS
)
TICKERS: Final = Topic(path="/market/ticker", decode=market.ticker, has_all=True)
TOUCHES: Final = Topic(path="/spotMarket/level1", decode=market.touch, subjects=frozenset({"level1"}))
TOP_5: Final = Topic(path="/spotMarket/level2Depth5", decode=market.top_5, subjects=_LEVELS)
TOP_50: Final = Topic(path="/spotMarket/level2Depth50", decode=market.top_50, subjects=_LEVELS)
STATS: Final = Topic(path="/market/snapshot", decode=market.stats, subjects=frozenset({"trade.snapshot"}), names_max=1)
BALANCES: Final = Topic(
    path="/account/balance",
    decode=account.balance,
    subjects=frozenset({"account.balance"}),
    names_max=0,
    is_private=True,
)
ORDERS: Final = Topic(
    path="/spotMarket/tradeOrdersV2", decode=account.order, subjects=_ORDERS, names_max=0, is_private=True
)
ORDERS_V1: Final = Topic(
    path="/spotMarket/tradeOrders", decode=account.order, subjects=_ORDERS, names_max=0, is_private=True
)
STOP_ORDERS: Final = Topic(
    path="/spotMarket/advancedOrders",
    decode=account.stop_order,
    subjects=frozenset({"stopOrder"}),
    names_max=0,
    is_private=True,
)

_ALL: Final[tuple[Topic[StreamMessage], ...]] = (
    *(TRADES, CANDLES, TICKERS, TOUCHES, TOP_5, TOP_50, STATS, BALANCES, ORDERS, ORDERS_V1, STOP_ORDERS),
)
TOPICS: Final[Mapping[str, Topic[StreamMessage]]] = {topic.path: topic for topic in _ALL}
"""Each by what stands before the colon."""


def decode(envelope: Mapping[str, object], received_ns: int) -> Pushed | None:
    """Decode what was pushed on one of the topics above; ``None`` if it was none of them.

    Args:
        envelope: A message of the socket whose type is ``message``.
        received_ns: When it was read.

    Raises:
        FrameError: It cannot be used. It names the field, and its ``topic`` the stream; its ``remedy`` is "ignore",
            because no book has lost anything.
    """
    on = wire.text_of(envelope, "topic") or ""
    path, _, name = on.partition(":")
    topic = TOPICS.get(path)
    subject = wire.text_of(envelope, "subject") or ""
    if topic is None or (topic.subjects and subject and subject not in topic.subjects):
        return None
    try:
        push = Push(name, subject, Fields(envelope.get("data"), "data"), received_ns)
        return Pushed(on, topic.decode(push))
    except FrameError as error:
        error.topic, error.remedy = on, "ignore"
        raise
