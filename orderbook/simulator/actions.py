"""Faults at a moment: what happens to connections, to the venue's count, and to the venue as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orderbook.simulator import messages
from orderbook.simulator.common import MS, Common
from orderbook.simulator.faults import Fault
from orderbook.simulator.session import BYE, Session
from orderbook.simulator.source import Source
from orderbook.simulator.stream import Stream
from orderbook.simulator.timeline import Abort, Close, Hole


class Actions:
    """Carries out the faults whose point is a moment."""

    def __init__(
        self, common: Common, market: Mapping[str, Source], sessions: Mapping[int, Session], stream: Stream
    ) -> None:
        self._common = common
        self._market = market
        self._sessions = sessions
        self._stream = stream

    def strike(self, fault: Fault, now_ns: int, session: Session | None = None, symbol: str | None = None) -> None:
        """Let it happen.

        Args:
            fault: What.
            now_ns: When.
            session: The connection of the message that it was tied to; ``None``: whatever its scope says.
            symbol: The symbol of that message.
        """
        match fault.name:
            case "sequence_reset" | "delist" | "tick_change":
                symbols = fault.symbols or ([symbol] if symbol is not None else self._market)
                for one in sorted(symbols):
                    if one in self._market:
                        self._to_symbol(fault, one, now_ns)
            case "maintenance":
                self._maintenance(fault, now_ns)
            case "clock_skew":
                self._note(now_ns, fault, detail=f"{fault.knobs['ms']} ms")
                self._common.skew_ns = fault.knobs["ms"] * MS
            case _:
                for one_session in self._targets(fault) if session is None else [session]:
                    if not one_session.is_over:
                        self._note(now_ns, fault, symbol=symbol, conn=one_session.conn)
                        self._to_connection(fault, one_session, now_ns)

    def _to_symbol(self, fault: Fault, symbol: str, now_ns: int) -> None:
        if fault.name == "tick_change":
            if self._market[symbol].change_tick(finer=fault.knobs["how"] == "finer"):
                self._note(now_ns, fault, symbol=symbol, detail=f"tick {self._market[symbol].rules.tick}")
            return
        self._note(now_ns, fault, symbol=symbol)
        (self._reset if fault.name == "sequence_reset" else self._delist)(fault, symbol, now_ns)

    def _note(self, now_ns: int, fault: Fault, **about: Any) -> None:
        self._common.injector.note(now_ns, fault, **about)

    def _targets(self, fault: Fault) -> list[Session]:
        """The connections in the scope of a fault: one, those of its symbols, or all."""
        if fault.connection is not None:
            session = self._sessions.get(fault.connection)
            return [] if session is None else [session]
        sessions = list(self._sessions.values())
        if fault.symbols is None:
            return sessions
        return [one for one in sessions if any(symbol in fault.symbols for _, symbol in one.topics)]

    def _end(self, session: Session, now_ns: int, payload: Close | Abort | Hole) -> None:
        session.end(now_ns, payload)
        self._stream.forget(session)

    def _to_connection(self, fault: Fault, session: Session, now_ns: int) -> None:
        knobs = fault.knobs
        match fault.name:
            case "disconnect":
                is_abrupt = knobs["how"] == "abort"
                self._end(session, now_ns, Abort() if is_abrupt else Close(knobs["code"], knobs["reason"]))
            case "slow_close":
                self._end(session, now_ns, Close(knobs["code"], knobs["reason"], is_completed=False))
            case "black_hole":
                self._end(session, now_ns, Hole())
            case "stall":
                session.held = session.held if session.held is not None else []
                self._common.timeline.at(now_ns + knobs["ms"] * MS, session.release)
            case _:
                session.send(now_ns, messages.error(session.connect_id, knobs["code"], knobs["text"]))

    def _reset(self, fault: Fault, symbol: str, now_ns: int) -> None:
        source, back = self._market[symbol], fault.knobs["back"]
        source.reset(fault.knobs["base"] if back is None else max(0, source.sequence - back))
        if fault.knobs["close"]:
            for session in self._stream.subscribers(symbol):
                self._end(session, now_ns, BYE)

    def _delist(self, fault: Fault, symbol: str, now_ns: int) -> None:
        delisted = self._common.delisted
        delisted.add(symbol)
        if fault.knobs["ms"] is not None:
            self._common.timeline.at(now_ns + fault.knobs["ms"] * MS, lambda _: delisted.discard(symbol))

    def _maintenance(self, fault: Fault, now_ns: int) -> None:
        knobs = fault.knobs
        self._note(now_ns, fault, detail=f"{knobs['ms']} ms")
        self._common.closed_until_ns = now_ns + knobs["ms"] * MS
        for session in list(self._sessions.values()):
            self._end(session, now_ns, Close(knobs["code"], ""))
        if knobs["base"] is not None:
            for source in self._market.values():
                source.reset(knobs["base"])
