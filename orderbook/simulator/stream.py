"""What goes out without being asked for: deltas and tickers to their subscribers, with the faults of the stream.

The faults change what is sent, never the market: the truth at a sequence stays what it is.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from orderbook.simulator import damage, messages
from orderbook.simulator.common import MS, Common
from orderbook.simulator.faults import FAULTS, Fault, Point
from orderbook.simulator.session import Session
from orderbook.simulator.timeline import Payload
from orderbook.simulator.truth import Source, Tick

Act = Callable[[Fault, Session, str | None, int], None]
"""Carries out a fault at a moment that is tied to a message: fault, connection, symbol, time."""


@dataclass(slots=True, eq=False)
class Held:
    """Something that waits until so many later deltas have passed."""

    payloads: list[Payload]
    passes: int


@dataclass(slots=True, eq=False)
class Lane:
    """What is held back of one symbol on one connection."""

    held: list[Held] = field(default_factory=list)
    merging: list[Tick] = field(default_factory=list)
    merge_rows: int = 0


class Stream:
    """The subscribers of every topic, and what is sent to them."""

    def __init__(self, common: Common, market: Mapping[str, Source], act: Act) -> None:
        self._act = act
        self._common = common
        self._market = market
        self._format = messages.DIALECTS[common.manners.dialect]
        self._subscribers: dict[tuple[str, str], dict[int, Session]] = {}
        self._lanes: dict[tuple[int, str], Lane] = {}
        self._told: dict[str, tuple[int, int]] = {}
        self.sent = 0
        """Deltas that were handed to connections."""

    # -- who gets what --

    def subscribe(self, session: Session, channel: str, symbol: str) -> None:
        """Once is as good as twice. A symbol that the venue does not have is accepted, and silent."""
        session.topics[channel, symbol] = None
        self._subscribers.setdefault((channel, symbol), {})[session.conn] = session

    def unsubscribe(self, session: Session, channel: str, symbol: str) -> None:
        """No more of it; not to have been subscribed is no error."""
        session.topics.pop((channel, symbol), None)
        subscribers = self._subscribers.get((channel, symbol), {})
        subscribers.pop(session.conn, None)
        if not subscribers:
            self._subscribers.pop((channel, symbol), None)
        self._lanes.pop((session.conn, symbol), None)

    def forget(self, session: Session) -> None:
        """The connection is gone."""
        for channel, symbol in list(session.topics):
            self.unsubscribe(session, channel, symbol)

    def subscribers(self, symbol: str) -> list[Session]:
        """The connections that get the symbol's deltas."""
        return list(self._subscribers.get((messages.BOOK, symbol), {}).values())

    # -- deltas --

    def publish(self, tick: Tick, now_ns: int) -> None:
        """Send a delta to its subscribers. Its text is made once.

        Complexity: O(rows + subscribers).
        """
        subscribers = self._subscribers.get((messages.BOOK, tick.symbol))
        if subscribers is None:
            return
        text = self._format(tick, self._common.wall_ms(now_ns), None)
        if not self._lanes and not self._common.injector.has(Point.DELTA):
            self.sent += len(subscribers)
            for session in subscribers.values():
                session.send(now_ns, text)
            return
        for session in list(subscribers.values()):
            self._publish_with_faults(session, tick, text, now_ns)

    def _publish_with_faults(self, session: Session, tick: Tick, text: str, now_ns: int) -> None:
        key = (session.conn, tick.symbol)
        struck = self._common.injector.pick(Point.DELTA, now_ns, symbol=tick.symbol, conn=session.conn)
        lane = self._lanes.get(key)
        waiting = list(lane.held) if lane is not None else []
        payloads: list[Payload] = [text]
        if lane is not None and lane.merging:
            lane.merging.append(tick)
            if len(lane.merging) < lane.merge_rows:
                payloads = []
            else:
                tick = messages.merged(lane.merging)
                lane.merging = []
                payloads = [self._text(tick, now_ns)]
        for fault, rng in struck:
            if payloads:
                payloads = self._spoil(fault, rng, session, tick, payloads, now_ns)
        for payload in payloads:
            self.sent += 1
            session.send(now_ns, payload)
        if payloads:
            for held in waiting:
                held.passes -= 1
                if held.passes <= 0:
                    self._release(key, held, session, now_ns)

    def _text(self, tick: Tick, now_ns: int, named: str | None = None) -> str:
        return self._format(tick, self._common.wall_ms(now_ns), named)

    def _spoil(
        self, fault: Fault, rng: random.Random, session: Session, tick: Tick, payloads: list[Payload], now_ns: int
    ) -> list[Payload]:
        """What a fault leaves of the frames that would go out now."""
        if FAULTS[fault.name].point is not Point.DELTA:
            self._act(fault, session, tick.symbol, now_ns)
            return payloads
        left = self._effect(fault, rng, session, tick, payloads, now_ns)
        if left is None:
            return payloads
        detail = f"{tick.sequence_start}..{tick.sequence_end}"
        self._common.injector.note(now_ns, fault, symbol=tick.symbol, conn=session.conn, detail=detail)
        return left

    def _effect(
        self, fault: Fault, rng: random.Random, session: Session, tick: Tick, payloads: list[Payload], now_ns: int
    ) -> list[Payload] | None:
        """The frames that go out now after all; ``None`` where the fault finds nothing to spoil."""
        knobs = fault.knobs
        left: list[Payload] | None = []
        match fault.name:
            case "duplicate" if not knobs["lag"]:
                left = payloads * 2
            case "duplicate":
                self._hold(session, tick.symbol, Held(payloads, knobs["lag"]), now_ns, 0)
                left = payloads
            case "swap":
                self._hold(session, tick.symbol, Held(payloads, knobs["by"]), now_ns, knobs["hold_ms"])
            case "delay":
                for payload in payloads:
                    session.send(now_ns, payload, knobs["ms"] * MS)
            case "merge":
                left = self._begin_merge(session, tick, fault, now_ns)
            case "garble":
                left = [damage.garbled(one, knobs["how"], rng) for one in payloads if isinstance(one, str)]
            case "wrong_symbol" | "price_zero" | "corrupt":
                text = self._lie(fault, tick, now_ns)
                left = None if text is None else [text] * len(payloads)
        return left

    def _lie(self, fault: Fault, tick: Tick, now_ns: int) -> str | None:
        """A well-formed delta that says something else than the truth."""
        if fault.name == "wrong_symbol":
            return self._text(tick, now_ns, fault.knobs["symbol"])
        if fault.name == "price_zero":
            return self._text(damage.with_price_zero(tick, fault.knobs["size"]), now_ns)
        spoilt = damage.corrupted(tick, fault.knobs["what"])
        return None if spoilt is None else self._text(spoilt, now_ns)

    def _lane(self, session: Session, symbol: str) -> Lane:
        return self._lanes.setdefault((session.conn, symbol), Lane())

    def _hold(self, session: Session, symbol: str, held: Held, now_ns: int, hold_ms: int) -> None:
        """Keep frames back until enough others have passed, or until ``hold_ms`` are over (0: as long as it takes)."""
        self._lane(session, symbol).held.append(held)
        if hold_ms:
            key = (session.conn, symbol)
            self._common.timeline.at(now_ns + hold_ms * MS, lambda at: self._release(key, held, session, at))

    def _release(self, key: tuple[int, str], held: Held, session: Session, now_ns: int) -> None:
        lane = self._lanes.get(key)
        if lane is None or held not in lane.held:
            return
        lane.held.remove(held)
        self._tidy(key, lane)
        for payload in held.payloads:
            self.sent += 1
            session.send(now_ns, payload)

    def _begin_merge(self, session: Session, tick: Tick, fault: Fault, now_ns: int) -> list[Payload]:
        lane = self._lane(session, tick.symbol)
        lane.merging = ticks = [tick]
        lane.merge_rows = fault.knobs["rows"]
        key = (session.conn, tick.symbol)

        def give_up(at: int) -> None:
            if lane.merging is ticks and self._lanes.get(key) is lane:
                lane.merging = []
                self._tidy(key, lane)
                self.sent += 1
                session.send(at, self._text(messages.merged(ticks), at))

        self._common.timeline.at(now_ns + fault.knobs["hold_ms"] * MS, give_up)
        return []

    def _tidy(self, key: tuple[int, str], lane: Lane) -> None:
        if not lane.held and not lane.merging:
            self._lanes.pop(key, None)

    # -- tickers --

    def tell_tickers(self, now_ns: int) -> None:
        """Send the touch of each symbol whose book has moved since the last time. O(topics + frames)."""
        everything = self._subscribers.get((messages.TICKER, "all"), {})
        symbols = [symbol for channel, symbol in self._subscribers if channel == messages.TICKER]
        for symbol in self._market if everything else symbols:
            source = self._market.get(symbol)
            if source is None or symbol in self._common.delisted:
                continue
            position = (source.epoch, source.sequence)
            if self._told.get(symbol) == position:
                continue
            self._told[symbol] = position
            time_ms, (bid, ask) = self._common.wall_ms(now_ns), source.ticker()
            for topic, subject in ((symbol, "trade.ticker"), ("all", symbol)):
                listeners = self._subscribers.get((messages.TICKER, topic))
                if listeners:
                    text = messages.ticker(f"{messages.TICKER}:{topic}", subject, source.sequence, bid, ask, time_ms)
                    for session in listeners.values():
                        session.send(now_ns, text)
