"""Who gets what, and the deltas that go out to their subscribers, with the faults of the stream.

The faults change what is sent, never the market: the truth at a sequence stays what it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from orderbook.simulator import damage, messages
from orderbook.simulator.common import MS, Common
from orderbook.simulator.damage import Draw
from orderbook.simulator.faults import FAULTS, Fault, Point
from orderbook.simulator.injector import delay_ns
from orderbook.simulator.session import Session
from orderbook.simulator.source import Source, Tick
from orderbook.simulator.spelling import spelt
from orderbook.simulator.timeline import Payload

Act = Callable[[Fault, Session, str | None, int], None]
"""Carries out a fault at a moment that is tied to a message: fault, connection, symbol, time."""
Key = tuple[int, str]
"""A symbol on a connection."""
Struck = list[tuple[Fault, Draw]]

# Whatever the order of the plan: first what keeps a delta back, then what it says, how it is written, whether it is
# whole, and last how it is delivered. So several faults of one delta add up, and none undoes another.
_LOSSES: Final = ("drop", "mute", "merge")
_CONTENTS: Final = ("split", "corrupt", "price_zero", "ghost_delete")
_WORDINGS: Final = ("wrong_symbol", "fields", "spell", "oversize", "garble")
_DELIVERIES: Final = ("duplicate", "delay", "swap", "shuffle")
_ORDER: Final = {name: place for place, name in enumerate((*_LOSSES, *_CONTENTS, *_WORDINGS, *_DELIVERIES))}


@dataclass(slots=True, eq=False)
class Held:
    """Something that waits until so many later deltas have passed."""

    payloads: list[Payload]
    passes: int


@dataclass(slots=True, eq=False)
class Shuffle:
    """Frames that are collected, to go out in another order."""

    window: int
    draw: Draw
    payloads: list[Payload] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Lane:
    """What is held back of one symbol on one connection."""

    held: list[Held] = field(default_factory=list)
    merging: list[Tick] = field(default_factory=list)
    merge_rows: int = 0
    shuffle: Shuffle | None = None


class Stream:
    """The subscribers of every topic, and the deltas that are sent to them."""

    def __init__(self, common: Common, market: Mapping[str, Source], act: Act) -> None:
        self._act = act
        self._common = common
        self._market = market
        self._format = messages.DIALECTS[common.manners.dialect]
        self._subscribers: dict[tuple[str, str], dict[int, Session]] = {}
        self._lanes: dict[Key, Lane] = {}
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
        if channel == messages.BOOK:
            self._lanes.pop((session.conn, symbol), None)

    def forget(self, session: Session) -> None:
        """The connection is gone."""
        for channel, symbol in list(session.topics):
            self.unsubscribe(session, channel, symbol)

    def subscribers(self, symbol: str) -> list[Session]:
        """The connections that get the symbol's deltas."""
        return self.listeners(messages.BOOK, symbol)

    def listeners(self, channel: str, name: str) -> list[Session]:
        """The connections that get a topic, in the order in which they asked for it."""
        return list(self._subscribers.get((channel, name), {}).values())

    def names(self, channel: str) -> list[str]:
        """What is subscribed of a channel by anybody. O(topics)."""
        return [name for one, name in self._subscribers if one == channel]

    # -- deltas --

    def publish(self, tick: Tick, now_ns: int) -> None:
        """Send a delta to its subscribers. Its text is made once.

        Complexity: O(rows + subscribers).
        """
        subscribers = self._subscribers.get((messages.BOOK, tick.symbol))
        if subscribers is None:
            return
        text = self._text(tick, now_ns)
        if not self._lanes and not self._common.injector.has(Point.DELTA):
            self.sent += len(subscribers)
            for session in subscribers.values():
                session.send(now_ns, text)
            return
        for session in list(subscribers.values()):
            self._publish_with_faults(session, tick, text, now_ns)

    def _publish_with_faults(self, session: Session, tick: Tick, text: str, now_ns: int) -> None:
        key = (session.conn, tick.symbol)
        struck: Struck = []
        for fault, draw in self._common.injector.pick(Point.DELTA, now_ns, symbol=tick.symbol, conn=session.conn):
            if FAULTS[fault.name].point is Point.DELTA:
                struck.append((fault, draw))
            else:
                self._act(fault, session, tick.symbol, now_ns)
        if session.is_over:
            # It ended with this delta.
            return
        struck.sort(key=lambda one: _ORDER[one[0].name])
        lane = self._lanes.get(key)
        waiting = list(lane.held) if lane is not None else []
        if lane is not None and lane.merging:
            tick, whole = self._merged(session, lane, tick, now_ns)
            if not whole:
                return
            text = self._text(tick, now_ns)
        payloads = self._spoilt(session, tick, text, struck, now_ns)
        for payload in payloads:
            self._emit(session, key, payload, now_ns)
        if payloads:
            for held in waiting:
                held.passes -= 1
                if held.passes <= 0:
                    self._release(key, held, session, now_ns)

    def _spoilt(self, session: Session, tick: Tick, text: str, struck: Struck, now_ns: int) -> list[Payload]:
        """The frames that go out now of one delta. Each fault that did something is written into the ledger."""
        note = self._noted(session, tick, now_ns)
        ticks, payloads = [tick], list[Payload]([text])
        for fault, draw in struck:
            name = fault.name
            if name in _LOSSES:
                if name == "merge" and not self._begin_merge(session, tick, fault, now_ns):
                    continue
                note(fault)
                return []
            if name in _CONTENTS:
                told = self._retold(fault, ticks)
                if told is None:
                    continue
                ticks, payloads = told, [self._text(one, now_ns) for one in told]
            elif name in _WORDINGS:
                worded = [_reworded(fault, draw, payload, tick.symbol) for payload in payloads]
                if worded == payloads:
                    continue
                payloads = worded
            else:
                left = self._delivered(fault, draw, session, tick.symbol, payloads, now_ns)
                if left is None:
                    continue
                payloads = left
            note(fault)
        return payloads

    def _noted(self, session: Session, tick: Tick, now_ns: int) -> Callable[[Fault], None]:
        detail = f"{tick.sequence_start}..{tick.sequence_end}"

        def note(fault: Fault) -> None:
            self._common.injector.note(now_ns, fault, symbol=tick.symbol, conn=session.conn, detail=detail)

        return note

    def _text(self, tick: Tick, now_ns: int) -> str:
        return self._format(tick, self._common.wall_ms(now_ns))

    def _retold(self, fault: Fault, ticks: list[Tick]) -> list[Tick] | None:
        """Well-formed deltas that say something else, or the same otherwise; ``None`` where there is nothing to."""
        source = self._market[ticks[0].symbol]
        if fault.name == "split":
            parts = source.parts(ticks[0], fault.knobs["parts"])
            return list(parts) if len(parts) > 1 else None
        for place, tick in enumerate(ticks):
            match fault.name:
                case "price_zero":
                    told: Tick | None = damage.with_price_zero(tick, fault.knobs["size"])
                case "ghost_delete":
                    told = damage.with_ghost(tick, source.ticker())
                case _:
                    told = damage.corrupted(tick, fault.knobs["what"])
            if told is not None:
                return [*ticks[:place], told, *ticks[place + 1 :]]
        return None

    def _delivered(
        self, fault: Fault, draw: Draw, session: Session, symbol: str, payloads: list[Payload], now_ns: int
    ) -> list[Payload] | None:
        """The frames that go out now after all; ``None`` where the fault finds nothing to do."""
        knobs = fault.knobs
        match fault.name:
            case "duplicate" if not knobs["lag"]:
                return payloads * 2
            case "duplicate":
                self._hold(session, symbol, Held(payloads, knobs["lag"]), now_ns, knobs["hold_ms"] or 0)
                return payloads
            case "delay":
                late_ns = delay_ns(fault, draw)
                for payload in payloads:
                    self.sent += 1
                    session.send(now_ns, payload, late_ns)
                return []
            case "swap" if payloads:
                self._hold(session, symbol, Held(payloads, knobs["by"]), now_ns, knobs["hold_ms"])
                return []
            case "shuffle" if payloads and self._begin_shuffle(session, symbol, fault, draw, now_ns):
                return payloads
        return None

    # -- what is kept back --

    def _emit(self, session: Session, key: Key, payload: Payload, now_ns: int) -> None:
        """Send a frame now, or collect it to be shuffled."""
        lane = self._lanes.get(key)
        shuffle = None if lane is None else lane.shuffle
        if lane is None or shuffle is None:
            self.sent += 1
            session.send(now_ns, payload)
            return
        shuffle.payloads.append(payload)
        if len(shuffle.payloads) >= shuffle.window:
            self._deal(session, key, lane, shuffle, now_ns)

    def _lane(self, session: Session, symbol: str) -> Lane:
        return self._lanes.setdefault((session.conn, symbol), Lane())

    def _hold(self, session: Session, symbol: str, held: Held, now_ns: int, hold_ms: int) -> None:
        """Keep frames back until enough others have passed, or until ``hold_ms`` are over (0: as long as it takes)."""
        self._lane(session, symbol).held.append(held)
        if hold_ms:
            key = (session.conn, symbol)
            self._common.timeline.at(now_ns + hold_ms * MS, lambda at: self._release(key, held, session, at))

    def _release(self, key: Key, held: Held, session: Session, now_ns: int) -> None:
        lane = self._lanes.get(key)
        if lane is None or held not in lane.held:
            return
        lane.held.remove(held)
        for payload in held.payloads:
            self._emit(session, key, payload, now_ns)
        self._tidy(key, lane)

    def _begin_merge(self, session: Session, tick: Tick, fault: Fault, now_ns: int) -> bool:
        lane = self._lane(session, tick.symbol)
        lane.merging = ticks = [tick]
        lane.merge_rows = fault.knobs["rows"]
        key = (session.conn, tick.symbol)

        def give_up(at: int) -> None:
            if lane.merging is ticks and self._lanes.get(key) is lane:
                lane.merging = []
                self._emit(session, key, self._text(messages.merged(ticks), at), at)
                self._tidy(key, lane)

        self._common.timeline.at(now_ns + fault.knobs["hold_ms"] * MS, give_up)
        return True

    def _merged(self, session: Session, lane: Lane, tick: Tick, now_ns: int) -> tuple[Tick, bool]:
        """Add a delta to those that are merged: all of them as one, and whether they are complete."""
        ticks = lane.merging
        if tick.sequence_start != ticks[-1].sequence_end + 1:
            # The venue counts anew: what went before is a delta of its own.
            lane.merging = []
            self._emit(session, (session.conn, tick.symbol), self._text(messages.merged(ticks), now_ns), now_ns)
            return tick, True
        ticks.append(tick)
        if len(ticks) < lane.merge_rows:
            return tick, False
        lane.merging = []
        return messages.merged(ticks), True

    def _begin_shuffle(self, session: Session, symbol: str, fault: Fault, draw: Draw, now_ns: int) -> bool:
        """Collect frames from now on, unless that is being done already."""
        lane = self._lane(session, symbol)
        if lane.shuffle is not None:
            return False
        lane.shuffle = shuffle = Shuffle(fault.knobs["window"], draw)
        key = (session.conn, symbol)

        def give_up(at: int) -> None:
            if lane.shuffle is shuffle and self._lanes.get(key) is lane:
                self._deal(session, key, lane, shuffle, at)

        self._common.timeline.at(now_ns + fault.knobs["hold_ms"] * MS, give_up)
        return True

    def _deal(self, session: Session, key: Key, lane: Lane, shuffle: Shuffle, now_ns: int) -> None:
        """Send what was collected, in an order that is not the old one."""
        lane.shuffle = None
        order = list(range(len(shuffle.payloads)))
        rng = shuffle.draw()
        rng.shuffle(order)
        if order == sorted(order):
            order.reverse()
        for place in order:
            self.sent += 1
            session.send(now_ns, shuffle.payloads[place])
        self._tidy(key, lane)

    def _tidy(self, key: Key, lane: Lane) -> None:
        if not lane.held and not lane.merging and lane.shuffle is None:
            self._lanes.pop(key, None)


def _reworded(fault: Fault, draw: Draw, payload: Payload, symbol: str) -> Payload:
    """A frame in other words or bytes; the same one where there is nothing to change."""
    knobs = fault.knobs
    if not isinstance(payload, str):
        return payload
    match fault.name:
        case "wrong_symbol":
            return damage.misnamed(payload, symbol, knobs["symbol"])
        case "fields":
            return damage.FIELDS[knobs["how"]](payload)
        case "spell":
            return spelt(payload, knobs["how"], is_bare=knobs["bare"]) or payload
        case "oversize":
            return payload.ljust(knobs["bytes"])
        case _:
            return damage.GARBLES[knobs["how"]](payload, draw)
