"""What goes out beside the deltas, to who asked for it: trades, candles, tickers, best levels, markets at a glance.

Trades and candles leave when they happen. The others look at the book in steps of their own and are sent when what they
say has changed. Nothing of this is made before somebody subscribes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from orderbook.simulator import damage, messages, pushes
from orderbook.simulator.catalogue import Point
from orderbook.simulator.common import MS, Common
from orderbook.simulator.injector import delay_ns
from orderbook.simulator.matching import Deal, Matching
from orderbook.simulator.source import Level, Source
from orderbook.simulator.stream import Stream
from orderbook.simulator.tape import INTERVALS_S, Tape
from orderbook.simulator.timeline import Payload

PERIODS_MS: Final = {pushes.TOP_5: 100, pushes.TOP_50: 100, pushes.TOUCH: 10, pushes.STATS: 2_000}
"""How often each of these looks at the book."""
CHANNELS: Final = frozenset({messages.BOOK, messages.TICKER, pushes.MATCH, pushes.CANDLES, *PERIODS_MS})
"""Every public topic there is."""
_DEPTHS: Final = {pushes.TOP_5: 5, pushes.TOP_50: 50}
_OF_TRADES: Final = (messages.TICKER, pushes.MATCH, pushes.CANDLES, pushes.STATS)
_SPANS_S: Final = {"1h": 3_600, "4h": 14_400, "24h": 86_400}


def symbol_of(channel: str, name: str) -> str:
    """The symbol that a name behind the colon is about; of candles it is followed by their length."""
    return name.rpartition("_")[0] if channel == pushes.CANDLES and name.rpartition("_")[2] in INTERVALS_S else name


class Broadcast:
    """The streams beside the book.

    Args:
        common: Time, and what is delisted.
        market: The books.
        stream: Who listens.
        seed: Of what decides which changes are trades.

    Attributes:
        pushed: How many messages of each topic were handed to connections, by the whole topic.
        tapes: The trades of each symbol, from when somebody asked for any of them.
    """

    def __init__(self, common: Common, market: Mapping[str, Source], stream: Stream, seed: int) -> None:
        self.pushed: Counter[str] = Counter()
        self.tapes: dict[str, Tape] = {}
        self._common = common
        self._market = market
        self._stream = stream
        self._seed = seed
        #: What was said last, by channel and symbol.
        self._said: dict[str, dict[str, object]] = {}
        self._told: dict[str, tuple[int, int]] = {}

    # -- who listens --

    def begin(self, channel: str, name: str, now_ns: int) -> None:
        """Somebody subscribed. Nothing is sent for that: the first message comes with the first change."""
        symbol = symbol_of(channel, name)
        for source in (
            self._market.values() if (channel, name) == (messages.TICKER, "all") else (self._market.get(symbol),)
        ):
            if source is not None and channel in _OF_TRADES:
                self.watch(source)
        if channel in PERIODS_MS and symbol in self._market:
            if channel not in self._said:
                self._said[channel] = {}
                self._await(channel, now_ns)
            self._said[channel].setdefault(symbol, self._state(channel, self._market[symbol]))

    def watch(self, source: Source) -> Matching:
        """From now on it is known which changes of a symbol are trades."""
        if source.matching is None:
            source.matching = Matching(source.symbol, source.truth, f"{self._seed}/{source.symbol}/trades")
            self.tapes[source.symbol] = Tape()
        return source.matching

    # -- trades --

    def traded(self, symbol: str, deals: Sequence[Deal], now_ns: int) -> None:
        """Send the trades that the last change brought, and what they do to candles. O(trades)."""
        wall_ns = self._common.wall_ns(now_ns)
        candles = self.tapes[symbol].record(deals, wall_ns)
        if self._stream.listeners(pushes.MATCH, symbol):
            for deal in deals:
                self.push(pushes.MATCH, symbol, pushes.trade(symbol, deal, wall_ns), now_ns)
        for interval, candle, is_new in candles:
            name = f"{symbol}_{interval}"
            if self._stream.listeners(pushes.CANDLES, name):
                text = pushes.candle(symbol, interval, candle, wall_ns, is_new=is_new)
                self.push(pushes.CANDLES, name, text, now_ns)

    # -- what looks at the book from time to time --

    def _await(self, channel: str, now_ns: int) -> None:
        period_ns = PERIODS_MS[channel] * MS
        self._common.timeline.at(now_ns - now_ns % period_ns + period_ns, partial(self._look, channel))

    def _look(self, channel: str, now_ns: int) -> None:
        """Send what has changed since the last time; once nobody listens any more, look no further."""
        said = self._said[channel]
        for symbol in list(said):
            if not self._stream.listeners(channel, symbol):
                del said[symbol]
            elif symbol not in self._common.delisted:
                source = self._market[symbol]
                state = self._state(channel, source)
                if state != said[symbol]:
                    said[symbol] = state
                    self.push(channel, symbol, self._text(channel, source, now_ns), now_ns)
        if said:
            self._await(channel, now_ns)
        else:
            del self._said[channel]

    def _state(self, channel: str, source: Source) -> object:
        """What makes a message worth sending when it has changed."""
        if channel == pushes.STATS:
            return source.epoch, source.sequence
        if channel == pushes.TOUCH:
            return source.ticker()
        return source.book(depth=_DEPTHS[channel])[1:]

    def _text(self, channel: str, source: Source, now_ns: int) -> str:
        symbol, wall_ms = source.symbol, self._common.wall_ms(now_ns)
        if channel == pushes.TOUCH:
            return pushes.touch(symbol, *source.ticker(), wall_ms)
        if channel in _DEPTHS:
            return pushes.levels(f"{channel}:{symbol}", source.book(depth=_DEPTHS[channel]), wall_ms)
        tape = self.tapes[symbol]
        spans = {hours: tape.lately(wall_ms // 1_000, span_s) for hours, span_s in _SPANS_S.items()}
        # What is delisted says nothing at all, so what says something trades.
        return pushes.stats(source.rules, source.sequence, source.ticker(), spans, wall_ms, is_trading=True)

    # -- tickers --

    def tell_tickers(self, now_ns: int) -> None:
        """Send the touch of each symbol whose book has moved since the last time. O(topics + frames)."""
        everything = self._stream.listeners(messages.TICKER, "all")
        for symbol in self._market if everything else self._stream.names(messages.TICKER):
            source = self._market.get(symbol)
            if source is None or symbol in self._common.delisted:
                continue
            position = (source.epoch, source.sequence)
            if self._told.get(symbol) == position:
                continue
            self._told[symbol] = position
            time_ms, touch, last = self._common.wall_ms(now_ns), source.ticker(), self._last(symbol)
            for name, subject in ((symbol, "trade.ticker"), ("all", symbol)):
                if self._stream.listeners(messages.TICKER, name):
                    topic = f"{messages.TICKER}:{name}"
                    text = messages.ticker(topic, subject, source.sequence, *touch, time_ms, last)
                    self.push(messages.TICKER, name, text, now_ns)

    def _last(self, symbol: str) -> Level | None:
        tape = self.tapes.get(symbol)
        deal = None if tape is None else tape.last
        return None if deal is None else (deal.price, deal.size)

    # -- out --

    def push(self, channel: str, name: str, text: str, now_ns: int) -> None:
        """Send a message to everybody who listens to its topic."""
        topic = f"{channel}:{name}" if name else channel
        symbol = symbol_of(channel, name) or None
        for session in self._stream.listeners(channel, name):
            payloads, late_ns = self._spoilt(text, topic, symbol, session.conn, now_ns)
            for payload in payloads:
                self.pushed[topic] += 1
                session.send(now_ns, payload, late_ns)

    def _spoilt(self, text: str, topic: str, symbol: str | None, conn: int, now_ns: int) -> tuple[list[Payload], int]:
        """What faults leave of a message to one connection, and how late it goes out. O(1) without any."""
        injector = self._common.injector
        payload: Payload = text
        count, late_ns = 1, 0
        for fault, draw in injector.pick(Point.PUSH, now_ns, symbol=symbol, conn=conn, path=topic):
            injector.note(now_ns, fault, symbol=symbol, conn=conn, detail=topic)
            match fault.name:
                case "lost_push":
                    return [], 0
                case "double_push":
                    count += 1
                case "late_push":
                    late_ns += delay_ns(fault, draw)
                case _:
                    # Of several damages the last one shows: each is done to the text as it was.
                    payload = damage.GARBLES[fault.knobs["how"]](text, draw)
        return [payload] * count, late_ns
