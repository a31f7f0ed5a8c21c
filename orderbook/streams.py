"""What the streams beside the book say, as immutable values: trades, candles, tickers, balances, orders.

Nothing here computes. Every number is an exact ``Decimal``, the kind that ``book.exact`` gives; a value that the venue
does not tell is ``None``, never 0. Times are whole numbers in the unit that the venue sends, which the name ends with:
``_s``, ``_ms`` or ``_ns`` since 1970. ``received_ns`` alone is of a clock here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, NamedTuple

from orderbook.types import Level

TradeSide = Literal["buy", "sell"]
OrderEvent = Literal["received", "open", "match", "update", "filled", "canceled"]
"""What happened to an order: V2 of the stream tells ``received``, before it may enter the book; V1 does not."""
OrderStatus = Literal["new", "open", "match", "done"]
StopEvent = Literal["open", "triggered", "cancel"]
"""What happened to a stop order: it waits for its price, it has become an order, or it was taken back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamMessage:
    """One message of any stream. Two that say the same are equal, whenever they were received.

    Attributes:
        received_ns: When it was read, in ns of the clock handed in; 0: without one.
    """

    received_ns: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed(StreamMessage):
    """Stands in a stream at the place where messages of it are missing, or may be.

    Attributes:
        path: Of which stream, as the venue calls it: ``/market/match``.
        symbols: Of which symbols; ``all`` or an empty text where the stream has no such names.
        reason: Why, in words.
        count: How many are missing; ``None``: nobody can tell.
        is_over: Whether messages come again, or still; else none do before another of these says so.
    """

    path: str
    symbols: tuple[str, ...]
    reason: str
    count: int | None = None
    is_over: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade(StreamMessage):
    """Two orders met.

    Attributes:
        side: That of the taker.
        price: In quote currency per unit of base.
        size: In base currency.
        sequence: Counts trades, not changes of the book: not to be compared with the book's.
        venue_ns: When it happened.
    """

    symbol: str
    side: TradeSide
    price: Decimal
    size: Decimal
    sequence: int
    trade_id: str
    taker_order_id: str
    maker_order_id: str
    venue_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Candle(StreamMessage):
    """The prices of one interval so far; the present one is sent again whenever it changes.

    Attributes:
        interval: How long it is, in the venue's words: ``1min``.
        start_s: When it began.
        volume: Traded in base currency.
        turnover: Traded in quote currency.
        venue_ns: When the venue made the message.
    """

    symbol: str
    interval: str
    start_s: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    turnover: Decimal
    venue_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TickerUpdate(StreamMessage):
    """The best prices and the last trade.

    Attributes:
        bid, ask: The best ones; ``None`` where the side is empty.
        last_price, last_size: Of the last trade; ``None`` if there was none.
    """

    symbol: str
    sequence: int
    bid: Level[Decimal] | None
    ask: Level[Decimal] | None
    last_price: Decimal | None
    last_size: Decimal | None
    venue_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Touch(StreamMessage):
    """The best prices alone. They have no sequence.

    Attributes:
        bid, ask: ``None`` where the side is empty.
    """

    symbol: str
    bid: Level[Decimal] | None
    ask: Level[Decimal] | None
    venue_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TopLevels(StreamMessage):
    """The best levels, whole and anew each time. They have no sequence, so no deltas can follow them.

    Attributes:
        depth: Levels a side at most: 5 or 50.
        bids, asks: Best first.
    """

    symbol: str
    depth: int
    bids: tuple[Level[Decimal], ...]
    asks: tuple[Level[Decimal], ...]
    venue_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketSpan:
    """What a market did within the last hours.

    Attributes:
        change_price, change_rate: Since their beginning, in quote currency and as a fraction of the price.
        volume, turnover: Traded, in base and in quote currency.
    """

    change_price: Decimal | None
    change_rate: Decimal | None
    open: Decimal | None
    high: Decimal | None
    low: Decimal | None
    volume: Decimal | None
    turnover: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketStats(StreamMessage):
    """A market at a glance: what it is, its best prices, and what the last 24 hours brought.

    Attributes:
        volume, turnover: Traded, in base and in quote currency.
        change_price, change_rate: In quote currency and as a fraction of the price.
        maker_coefficient, taker_coefficient: By which the fee rates are multiplied.
        board, mark, sort: The venue's own numbers for its pages.
    """

    symbol: str
    sequence: int
    venue_ms: int
    is_trading: bool | None
    symbol_code: str | None
    base_currency: str | None
    quote_currency: str | None
    market: str | None
    markets: tuple[str, ...]
    board: int | None
    mark: int | None
    sort: int | None
    best_bid: Decimal | None
    best_ask: Decimal | None
    best_bid_size: Decimal | None
    best_ask_size: Decimal | None
    open: Decimal | None
    high: Decimal | None
    low: Decimal | None
    close: Decimal | None
    last_price: Decimal | None
    average_price: Decimal | None
    change_price: Decimal | None
    change_rate: Decimal | None
    volume: Decimal | None
    turnover: Decimal | None
    has_margin: bool | None
    maker_fee_rate: Decimal | None
    taker_fee_rate: Decimal | None
    maker_coefficient: Decimal | None
    taker_coefficient: Decimal | None
    last_1h: MarketSpan | None
    last_4h: MarketSpan | None
    last_24h: MarketSpan | None
    site_types: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceUpdate(StreamMessage):
    """What an account holds of a currency, after a change.

    Attributes:
        total: ``available`` and ``held`` together.
        available_change, held_change: By how much it changed; may be negative.
        cause: What changed it, in the venue's words: ``trade.hold``, ``main.deposit``.
        cause_id: Which of those it was.
        symbol, order_id, trade_id: What it was about, where the venue says so.
    """

    account_id: str
    currency: str
    total: Decimal
    available: Decimal
    held: Decimal
    available_change: Decimal
    held_change: Decimal
    cause: str
    cause_id: str | None
    symbol: str | None
    order_id: str | None
    trade_id: str | None
    venue_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderUpdate(StreamMessage):
    """What happened to an order of one's own. What does not matter to the event is ``None``.

    Attributes:
        event: What happened; ``status`` is how the order stands since.
        kind: ``limit`` or ``market``, or another one of the venue's.
        price: Its limit.
        size, original_size: In base currency: as it is now, and as it was placed; ``old_size``: before an ``update``.
        original_funds: As it was placed, in quote currency.
        remaining_size, filled_size, canceled_size: In base currency; the funds in quote currency.
        match_price, match_size, trade_id, liquidity: Of the trade, with ``match``.
        fee_kind: Which fee the trade costs, in the venue's words.
        ordered_ms: When it was placed.
        venue_ns: When this happened.
    """

    order_id: str
    client_id: str | None
    symbol: str
    side: TradeSide
    kind: str
    event: OrderEvent
    status: OrderStatus
    price: Decimal | None
    size: Decimal | None
    old_size: Decimal | None
    original_size: Decimal | None
    original_funds: Decimal | None
    filled_size: Decimal | None
    remaining_size: Decimal | None
    remaining_funds: Decimal | None
    canceled_size: Decimal | None
    canceled_funds: Decimal | None
    match_price: Decimal | None
    match_size: Decimal | None
    trade_id: str | None
    liquidity: Literal["taker", "maker"] | None
    fee_kind: str | None
    ordered_ms: int
    venue_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StopOrderUpdate(StreamMessage):
    """What happened to a stop order of one's own, which is in no book before it is triggered.

    Attributes:
        event: What happened.
        kind: Of the order that it becomes, or ``stop``, in the venue's words.
        condition: On which side of ``stop_price`` it waits, in the venue's words: ``entry`` or ``loss``.
        stop_price: At which it is triggered.
        price: The limit of the order that it becomes; ``None``: it has none.
        size: In base currency.
        was_accepted: Whether it became an order when it was triggered; ``None``: it has not been yet.
        created_ms: When it was placed.
        venue_ns: When this happened.
    """

    order_id: str
    symbol: str
    side: TradeSide
    kind: str
    event: StopEvent
    condition: str
    stop_price: Decimal
    price: Decimal | None
    size: Decimal | None
    was_accepted: bool | None
    created_ms: int
    venue_ns: int


class Pushed(NamedTuple):
    """A message with the topic that it came on.

    Attributes:
        topic: As it stands on the wire: ``/market/match:BTC-USDT``.
    """

    topic: str
    message: StreamMessage
