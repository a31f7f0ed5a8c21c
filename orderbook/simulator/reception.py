"""What a client's frames mean, and what is answered."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any, Final, NamedTuple

from orderbook.simulator import messages
from orderbook.simulator.account import PRIVATE
from orderbook.simulator.broadcast import CHANNELS, Broadcast, symbol_of
from orderbook.simulator.common import Common
from orderbook.simulator.damage import Draw
from orderbook.simulator.faults import FAULTS, Point
from orderbook.simulator.injector import delay_ns
from orderbook.simulator.session import BYE, Session
from orderbook.simulator.stream import Act, Stream
from orderbook.simulator.timeline import Abort, Close, Hole

Topics = tuple[str, list[str]]
"""A channel, and symbols of it."""
Problem = tuple[int, str]
"""Code and text of an error frame."""

_MALFORMED: Final = (400, "topic is invalid")
_NUMBERS: Final = (int, float)


class _Outcome(NamedTuple):
    """What is done about a request for topics."""

    channel: str
    symbols: list[str]
    is_acked: bool
    ack_id: str
    delay_ns: int = 0


class Reception:
    """Reads what clients say."""

    def __init__(self, common: Common, stream: Stream, broadcast: Broadcast, known: Collection[str], act: Act) -> None:
        self._act = act
        self._common = common
        self._stream = stream
        self._broadcast = broadcast
        self._known = known

    def receive(self, session: Session, text: str, now_ns: int) -> None:
        """Answer one text frame of a client."""
        limits = self._common.limits
        if not session.is_welcomed:
            self._common.violations["message_before_welcome"] += 1
        session.last_client_ns = now_ns
        for fault, _ in self._common.injector.pick(Point.MESSAGE, now_ns, conn=session.conn):
            self._act(fault, session, None, now_ns)
        if session.is_over:
            return
        try:
            request = json.loads(text)
        except (ValueError, RecursionError) as error:
            request = f"Unrecognized token: {str(error)[:80]}"
        is_ping = isinstance(request, dict) and request.get("type") == "ping"
        if (limits.pings_count or not is_ping) and not session.recent.take(now_ns):
            self._common.violations["messages"] += 1
            session.send(now_ns, messages.error(session.connect_id, 509, "exceed max permits per second"))
            self.end(session, now_ns, BYE)
        elif not isinstance(request, dict):
            problem = request if isinstance(request, str) and request.startswith("Unrec") else "not a JSON object"
            session.send(now_ns, messages.error(session.connect_id, 400, problem))
        elif is_ping:
            self._ping(session, request, now_ns)
        elif request.get("type") in ("subscribe", "unsubscribe"):
            self._topics(session, request, now_ns)
        else:
            what = "type is not supported" if isinstance(request.get("type"), str) else "command type is invalid"
            session.send(now_ns, messages.error(_id_of(request, session), 415, what))

    def end(self, session: Session, now_ns: int, payload: Close | Abort | Hole) -> None:
        """End a connection; its subscriptions end with it."""
        session.end(now_ns, payload)
        self._stream.forget(session)

    # -- pings --

    def _ping(self, session: Session, request: dict[str, Any], now_ns: int) -> None:
        injector = self._common.injector
        request_id, late_ns, count = _id_of(request, session), 0, 1
        for fault, draw in injector.pick(Point.PONG, now_ns, conn=session.conn):
            injector.note(now_ns, fault, conn=session.conn, detail=request_id)
            match fault.name:
                case "lost_pong":
                    return
                case "late_pong":
                    late_ns += delay_ns(fault, draw)
                case "pong_storm":
                    count = max(count, fault.knobs["count"])
                case _:
                    request_id = _other_id(draw)
        text = messages.pong(request_id, self._common.wall_us(now_ns))
        for _ in range(count):
            session.send(now_ns, text, late_ns)

    # -- subscriptions --

    def _topics(self, session: Session, request: dict[str, Any], now_ns: int) -> None:
        request_id = _id_of(request, session)
        parsed = _parsed(request.get("topic"))
        problem = self._malformed(session, request, parsed)
        if parsed is not None and problem is None and request["type"] == "subscribe":
            problem = self._beyond_limits(session, *parsed) or self._unknown(*parsed)
        if parsed is None or problem is not None:
            session.send(now_ns, messages.error(request_id, *(problem or _MALFORMED)))
            return
        channel, symbols = parsed
        # "true" as a text is how some clients write it.
        wants_ack = request.get("response") in (True, "true")
        outcome = self._struck(session, request_id, _Outcome(channel, symbols, wants_ack, request_id), now_ns)
        if outcome is None:
            return
        for symbol in outcome.symbols:
            if request["type"] == "subscribe":
                self._stream.subscribe(session, channel, symbol)
                self._broadcast.begin(channel, symbol, now_ns)
            else:
                self._stream.unsubscribe(session, channel, symbol)
        if outcome.is_acked:
            session.send(now_ns, messages.ack(outcome.ack_id), outcome.delay_ns)

    def _struck(self, session: Session, request_id: str, outcome: _Outcome, now_ns: int) -> _Outcome | None:
        """What faults leave of a request for topics; ``None`` if nothing."""
        injector = self._common.injector
        symbols = outcome.symbols
        for fault, draw in injector.pick(Point.ACK, now_ns, symbol=symbols[0], conn=session.conn):
            if FAULTS[fault.name].point is not Point.ACK:
                self._act(fault, session, symbols[0], now_ns)
                continue
            if fault.name in ("lost_ack", "late_ack", "wrong_ack") and not outcome.is_acked:
                continue
            detail = f"{outcome.channel}:{','.join(symbols)}"[:200]
            injector.note(now_ns, fault, symbol=symbols[0] or None, conn=session.conn, detail=detail)
            match fault.name:
                case "lost_ack":
                    outcome = outcome._replace(is_acked=False)
                case "late_ack":
                    outcome = outcome._replace(delay_ns=outcome.delay_ns + delay_ns(fault, draw))
                case "wrong_ack":
                    outcome = outcome._replace(ack_id=_other_id(draw))
                case "partial_ack":
                    outcome = outcome._replace(symbols=outcome.symbols[: fault.knobs["keep"]])
                case _:
                    session.send(now_ns, messages.error(request_id, fault.knobs["code"], fault.knobs["text"]))
                    return None
        return None if session.is_over else outcome

    def _malformed(self, session: Session, request: dict[str, Any], parsed: Topics | None) -> Problem | None:
        """What is wrong with a request for topics in itself."""
        if request.get("topic") in (None, ""):
            return 406, "topic is required"
        if parsed is None:
            return _MALFORMED
        wants_private, needs_private = request.get("privateChannel") in (True, "true"), parsed[0] in PRIVATE
        # Without privateChannel a private topic is refused in the same words: our reading.
        if wants_private > session.is_private or needs_private > wants_private:
            return 403, "login is required"
        return None if parsed[0] in CHANNELS or parsed[1] == [""] else (404, "topic does not exist")

    def _beyond_limits(self, session: Session, channel: str, symbols: list[str]) -> Problem | None:
        limits, violations = self._common.limits, self._common.violations
        if len(symbols) > limits.topics_per_message_max:
            violations["topics_per_message"] += 1
            return 509, f"exceed max subscription count limitation of {limits.topics_per_message_max} per time"
        if len(session.topics.keys() | {(channel, symbol) for symbol in symbols}) > limits.topics_per_connection_max:
            violations["topics_per_connection"] += 1
            return 509, f"exceed max subscription count limitation of {limits.topics_per_connection_max} per session"
        return None

    def _unknown(self, channel: str, symbols: list[str]) -> Problem | None:
        """A symbol that the venue does not have; today that is no error."""
        if self._common.manners.unknown_symbol == "silent" or channel in PRIVATE:
            return None
        if (channel, symbols) == (messages.TICKER, ["all"]):
            return None
        known = (symbol_of(channel, symbol) in self._known for symbol in symbols)
        missing = [symbol for symbol, is_known in zip(symbols, known, strict=True) if not is_known]
        return (404, f"topic {channel}:{missing[0]} is not found") if missing else None


def _parsed(topic: object) -> Topics | None:
    """Channel and symbols of a topic; ``None`` if it is malformed."""
    if not isinstance(topic, str):
        return None
    if topic in PRIVATE:
        return topic, [""]
    channel, colon, rest = topic.partition(":")
    symbols = list(dict.fromkeys(rest.split(",")))
    if not channel.startswith("/") or not colon or not all(symbols) or any(char.isspace() for char in topic):
        return None
    return channel, symbols


def _id_of(request: dict[str, Any], session: Session) -> str:
    """The id of a request: always as text."""
    given = request.get("id")
    if isinstance(given, str):
        return given
    return str(given) if isinstance(given, _NUMBERS) and not isinstance(given, bool) else session.connect_id


def _other_id(draw: Draw) -> str:
    """An id that no request has."""
    return str(draw().randrange(10**12, 10**13))
