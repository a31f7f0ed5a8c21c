"""KuCoin spot: the classic socket's envelope, ``/market/level2``, ``/market/ticker``, and the REST snapshots.

The rules come from KuCoin's "level-2 market data" guide (the calibration steps) and its REST reference. Message keys
may come in any order, unknown keys are ignored, and an unknown message type is no error.
"""

from __future__ import annotations

import re
from operator import eq
from typing import Final
from urllib.parse import parse_qs, urlsplit

from orderbook.errors import FrameError, NumberError, UsageError, shown
from orderbook.fixedpoint import Number
from orderbook.streams import Pushed
from orderbook.types import Change, Control, Delta, Level, Message, OtherData, Snapshot, Ticker
from orderbook.venues import kucoin_topics, wire
from orderbook.venues.layout import Layout, laid_out

_SYMBOL = re.compile(r"[A-Za-z0-9._]{1,32}-[A-Za-z0-9._]{1,32}", re.ASCII)
_GUESS = re.compile(r'"/market/level2:([^",\\]{1,65})"')
_QUOTES: Final = ("USDT", "USDC", "BTC", "ETH", "KCS", "EUR")
"""Currencies that a symbol may end in which is written without its dash."""
_BOOK_TOPIC: Final = "/market/level2"
_BOOK_SUBJECT: Final = "trade.l2update"
_TICKER_TOPIC: Final = "/market/ticker"
_SUCCESS: Final = "200000"
_TOUCH_PATH: Final = "/api/v1/market/orderbook/level1"
_SNAPSHOT_DEPTHS: Final[dict[str, int | str]] = {
    "/api/v1/market/orderbook/level2_20": 20,
    "/api/v1/market/orderbook/level2_100": 100,
    "/api/v1/market/orderbook/level2": "full",
    "/api/v2/market/orderbook/level2": "full",
    "/api/v3/market/orderbook/level2": "full",
}


_BOOK_LAYOUT: Final = Layout(
    texts={("type",): "message", ("topic",): f"{_BOOK_TOPIC}:{{symbol}}"},
    may_be={("subject",): _BOOK_SUBJECT, ("data", "symbol"): "{symbol}"},
    start=("data", "sequenceStart"),
    end=("data", "sequenceEnd"),
    time=("data", "time"),
    bids=("data", "changes", "bids"),
    asks=("data", "changes", "asks"),
    row=("price", "size", "sequence"),
)
_SNAPSHOT_LAYOUT: Final = Layout(
    texts={("code",): _SUCCESS},
    start=("data", "sequence"),
    end=("data", "sequence"),
    time=("data", "time"),
    bids=("data", "bids"),
    asks=("data", "asks"),
)


def _meant(symbol: object) -> str | None:
    """The symbol that another way to write it may mean: ``btcusdt``, ``BTC/USDT``, ``BTC_USDT``."""
    if not isinstance(symbol, str):
        return None
    text = re.sub("[/_]", "-", symbol.upper())
    quote = next((quote for quote in _QUOTES if text.endswith(quote)), "")
    if quote and "-" not in text:
        text = f"{text.removesuffix(quote)}-{quote}"
    return text if _SYMBOL.fullmatch(text) else None


class KuCoin:
    """The spot venue. Stateless."""

    name: Final = "kucoin"
    #: The public endpoints answer with at most this many levels a side.
    partial_depths: Final = frozenset({20, 100})

    def check_symbol(self, symbol: object) -> None:
        """Raise ``UsageError`` for text that is not ``BASE-QUOTE``."""
        if not isinstance(symbol, str) or _SYMBOL.fullmatch(symbol) is None:
            near = _meant(symbol)
            advice = f"did you mean {near}?" if near else "they look like BTC-USDT"
            raise UsageError(f"{ascii(symbol)[:80]} is not a KuCoin spot symbol; {advice}")

    def guess_symbol(self, text: str) -> str | None:
        """The symbol of the level-2 topic that stands in a broken frame; ``None`` if there are several or none."""
        symbols = set(_GUESS.findall(text))
        return symbols.pop() if len(symbols) == 1 else None

    def snapshot_request(self, url: str) -> tuple[str, int | str] | None:
        """Symbol and depth of an order book request, from its URL; ``None`` for any other text."""
        try:
            parts = urlsplit(url)
        except ValueError:
            return None
        depth = _SNAPSHOT_DEPTHS.get(parts.path)
        symbols = parse_qs(parts.query).get("symbol")
        return None if depth is None or not symbols else (symbols[0], depth)

    def probe_answer(self, url: str, text: str) -> tuple[str, int] | None:
        """Symbol and sequence of a successful answer of the touch endpoint; ``None`` for any other URL or text."""
        try:
            parts = urlsplit(url)
            symbols = parse_qs(parts.query).get("symbol")
            if parts.path != _TOUCH_PATH or not symbols:
                return None
            envelope = wire.load(text)
            data = envelope.get("data")
            if envelope.get("code") != _SUCCESS or not isinstance(data, dict):
                return None
            return symbols[0], wire.sequence(data.get("sequence"), "sequence")
        except (ValueError, FrameError):
            return None

    @laid_out(_BOOK_LAYOUT)
    def decode(self, text: str) -> Message:
        """Decode one message of the socket.

        Raises:
            FrameError: The text is no message, or a book or ticker message that cannot be used whole. Its ``symbol``
                tells whose book lost something; its ``remedy`` is "ignore" where no book can have.
        """
        envelope = wire.load(text)
        return _control(envelope) or _market_data(envelope)

    def decode_pushed(self, text: str, received_ns: int = 0) -> Message | Pushed:
        """Decode one message of the socket, those of the streams beside the book included.

        Args:
            text: As it came.
            received_ns: When it was read.

        Raises:
            FrameError: As ``decode``; its ``topic`` tells which of those streams lost something.
        """
        envelope = wire.load(text)
        return _control(envelope) or kucoin_topics.decode(envelope, received_ns) or _market_data(envelope)

    @laid_out(_SNAPSHOT_LAYOUT)
    def decode_snapshot(self, text: str) -> Snapshot:
        """Decode the answer of any of the three order book endpoints.

        Raises:
            FrameError: ``error`` when the venue answered with a code of its own, else what is wrong with the body.
        """
        envelope = wire.load(text)
        code = envelope.get("code")
        if code != _SUCCESS:
            message = wire.text_of(envelope, "msg") or "no message"
            raise FrameError("error", f"KuCoin answered code {ascii(code)[:20]}: {ascii(message)[1:-1][:200]}")
        data = envelope.get("data")
        if not isinstance(data, dict):
            raise FrameError("fields", "a snapshot without data: the symbol may be unknown")
        bids, asks = _snapshot_side(data, "bids"), _snapshot_side(data, "asks")
        return Snapshot(wire.sequence(data.get("sequence"), "sequence"), bids, asks, wire.integer_of(data, "time"))


def _control(envelope: dict[str, object]) -> Control | None:
    """A message that carries no market data; ``None`` if it does."""
    kind = wire.text_of(envelope, "type")
    if kind is None:
        raise FrameError("fields", "a message without a type")
    if kind == "message":
        return None
    return Control(
        kind=kind,
        id=wire.text_of(envelope, "id"),
        code=wire.integer_of(envelope, "code") if kind == "error" else None,
        text=wire.text_of(envelope, "data") or "",
    )


def _market_data(envelope: dict[str, object]) -> Message:
    topic = wire.text_of(envelope, "topic")
    if topic is None:
        raise FrameError("fields", "a message without a topic")
    prefix, _, symbol = topic.partition(":")
    subject = wire.text_of(envelope, "subject")
    try:
        if prefix == _BOOK_TOPIC and subject in (_BOOK_SUBJECT, None):
            return _delta(symbol, envelope.get("data"))
        if prefix == _TICKER_TOPIC:
            # The stream of all symbols puts the symbol into the subject.
            return _ticker(subject or "" if symbol == "all" else symbol, envelope.get("data"))
    except FrameError as error:
        if prefix == _BOOK_TOPIC:
            error.symbol = symbol or None
        else:
            # Whatever it was, it was no part of a book.
            error.remedy = "ignore"
        raise
    return OtherData(topic)


def _delta(symbol: str, data: object) -> Delta:
    if not isinstance(data, dict):
        raise FrameError("fields", "a delta without data")
    named = data.get("symbol", symbol)
    if not symbol or named != symbol:
        raise FrameError("symbol", f"the topic is of symbol {shown(symbol)}, the data of {shown(named)}")
    changes = data.get("changes")
    if not isinstance(changes, dict) or (changes and changes.keys().isdisjoint(("bids", "asks"))):
        # Other names for the sides would else pass for a delta that changes nothing.
        raise FrameError("fields", "a delta without changes")
    start = wire.sequence(data.get("sequenceStart"), "sequenceStart")
    end = wire.sequence(data.get("sequenceEnd"), "sequenceEnd")
    if start > end:
        # The official example shows the two swapped; guessing which was meant is not ours to do.
        raise FrameError("sequence", f"sequenceStart {start} is after sequenceEnd {end}")
    bids, asks = _delta_side(changes, "bids", start, end), _delta_side(changes, "asks", start, end)
    return Delta(symbol, start, end, bids, asks, wire.integer_of(data, "time"))


def _delta_side(changes: dict[str, object], key: str, start: int, end: int) -> tuple[Change, ...]:
    rows = changes.get(key)
    if rows is None:
        return ()
    if not isinstance(rows, list):
        raise FrameError("fields", f"{key} is no list")
    return tuple([_delta_row(row, start, end) for row in rows])


def _delta_row(row: object, start: int, end: int) -> Change:
    if not isinstance(row, list) or len(row) < 3:
        raise FrameError("fields", "a row that is not [price, size, sequence]")
    sequence = wire.sequence(row[2], "row sequence")
    if not start <= sequence <= end:
        # A book would take it for one of its past, and leave it out.
        raise FrameError("sequence", f"row sequence {sequence} is outside {start}..{end}")
    return Change(wire.number(row[0]), wire.number(row[1]), sequence)


def _snapshot_side(data: dict[str, object], key: str) -> tuple[Change, ...]:
    rows = data.get(key)
    if not isinstance(rows, list):
        raise FrameError("fields", f"a snapshot without {key}: the symbol may be unknown")
    changes = []
    for row in rows:
        if not isinstance(row, list) or len(row) < 2:
            raise FrameError("fields", f"a row of {key} that is not [price, size]")
        changes.append(Change(wire.number(row[0]), wire.number(row[1])))
    # Sorted, not hashed: prices can be chosen so that their hashes are all the same.
    prices = sorted(change.price for change in changes)
    if any(map(eq, prices, prices[1:])):
        raise FrameError("fields", f"a price stands twice in {key}")
    return tuple(changes)


def _ticker(symbol: str, data: object) -> Ticker:
    if not symbol:
        raise FrameError("symbol", "a ticker that names no symbol")
    if not isinstance(data, dict):
        raise FrameError("fields", "a ticker without data")
    sequence = wire.sequence(data.get("sequence"), "sequence")
    return Ticker(symbol, sequence, _quote(data, "bestBid"), _quote(data, "bestAsk"))


def _quote(data: dict[str, object], key: str) -> Level[Number] | None:
    """One side of the touch. An empty side comes as a missing, null, empty or zero price."""
    price = data.get(key)
    if price in (None, ""):
        return None
    try:
        number = wire.number(price)
        return Level(number, wire.number(data.get(f"{key}Size"))) if number.mantissa else None
    except NumberError as error:
        raise FrameError("number", f"{key} {error.detail}") from None
