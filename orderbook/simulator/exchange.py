"""The venue as one object without I/O: times, requests and frames in; answers and frames out.

Its owner hands in a monotonic clock in ns, calls ``advance`` at ``next_ns``, and carries out what ``outbox`` returns.
Real sockets do that in ``server``; tests do it by hand; a virtual clock can do it as fast as it likes.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from orderbook.errors import UsageError
from orderbook.secret import Credentials
from orderbook.simulator import messages
from orderbook.simulator.account import Account
from orderbook.simulator.actions import Actions
from orderbook.simulator.broadcast import Broadcast
from orderbook.simulator.chance import stream
from orderbook.simulator.common import MS, Common, Past, Tokens
from orderbook.simulator.faults import FAULTS, Fault, FaultPlan, Point
from orderbook.simulator.injector import Active, Injector, Ledger, delay_ns
from orderbook.simulator.limits import Limits, Manners, Recent
from orderbook.simulator.market import Market
from orderbook.simulator.reception import Reception
from orderbook.simulator.rest import Answer, Reply, RestDesk
from orderbook.simulator.session import BYE, Session
from orderbook.simulator.source import Source
from orderbook.simulator.stream import Stream
from orderbook.simulator.tape import Tape
from orderbook.simulator.timeline import Close, Sent
from orderbook.simulator.trading import Driver, Trading

ADDED_MAX: Final = 1_000
_JSON: Final = {"content-type": "application/json"}


class Exchange:
    """A KuCoin.

    Args:
        market: The books, by symbol.
        limits: What clients may do.
        faults: What goes wrong, from the first moment on; more can be added while it runs.
        seed: Of all chance but the market's.
        credentials: The key that it accepts for private requests.
        endpoint: What token answers give as the socket's address.
        funds: What the account has at first, by currency; a million of any other.
        manners: Fields of ``Manners``: how it behaves where it has a choice.

    Attributes:
        trading: The account, and where its orders go.
        violations: How often clients went beyond a documented limit, by name.
        added: The last faults that were added while it ran, each as JSON, with the ns since its start.

    Raises:
        UsageError: No such setting, or a value it cannot have.
    """

    def __init__(
        self,
        market: Mapping[str, Source],
        *,
        limits: Limits | None = None,
        faults: FaultPlan | None = None,
        seed: int = 0,
        credentials: Credentials | None = None,
        endpoint: str = "ws://127.0.0.1/",
        funds: Mapping[str, str | Decimal] | None = None,
        **manners: Any,
    ) -> None:
        unknown = manners.keys() - Manners.__slots__
        if unknown:
            raise UsageError(f"no such setting {', '.join(sorted(unknown))}; there is {', '.join(Manners.__slots__)}")
        self.common = Common(limits or Limits(), Manners(**manners), Injector(seed), endpoint)
        self.market = market
        self.sessions: dict[int, Session] = {}
        self._plan = faults or FaultPlan()
        self._plan.check_symbols(market)
        self._past = Past()
        self._tokens = Tokens(stream(seed, "tokens"), self.common.manners.token_life_ms * MS)
        self._stream = Stream(self.common, market, self._strike)
        self._broadcast = Broadcast(self.common, market, self._stream, seed)
        account = Account(stream(seed, "account"), funds)
        self.trading = Trading(self.common, market, self._stream, self._broadcast, account)
        self._reception = Reception(self.common, self._stream, self._broadcast, market, self._strike)
        self._actions = Actions(self.common, market, self.sessions, self._stream)
        self._rest = RestDesk(
            self.common, market, tokens=self._tokens, past=self._past, account=account, credentials=credentials
        )
        limit = self.common.limits
        self._connects = Recent(limit.connects_max, limit.connects_window_ms * MS)
        self._accepted = 0
        self._is_running = False
        self._began_ns = 0
        self.added: deque[tuple[int, str]] = deque(maxlen=ADDED_MAX)

    # -- what it did --

    @property
    def violations(self) -> Counter[str]:
        """How often clients went beyond a documented limit, by name of the limit."""
        return self.common.violations

    @property
    def ledger(self) -> Ledger:
        """Every fault that was injected."""
        return self.common.injector.ledger

    @property
    def next_ns(self) -> int:
        """When ``advance`` is wanted next; 0 before the first time."""
        return self.common.timeline.next_ns if self._is_running else 0

    @property
    def pushed(self) -> Counter[str]:
        """How many messages beside the deltas were handed to connections, by the whole topic."""
        return self._broadcast.pushed

    @property
    def tapes(self) -> Mapping[str, Tape]:
        """The trades of each symbol, from when a client first asked for anything that they decide."""
        return self._broadcast.tapes

    def state(self) -> dict[str, Any]:
        """Numbers about the present, for people."""
        return {
            "connections": sum(not session.is_over for session in self.sessions.values()),
            "accepted": self._accepted,
            "subscriptions": sum(len(session.topics) for session in self.sessions.values()),
            "deltas_sent": self._stream.sent,
            "pushed": self.pushed.total(),
            "rest_calls": self._rest.calls,
            "weight_used": {pool: quota.used for pool, quota in self._rest.quotas.items()},
            "violations": dict(self.violations),
            "injected": self.ledger.totals(),
            "delisted": sorted(self.common.delisted),
            "symbols": {
                symbol: {"epoch": source.epoch, "sequence": source.sequence} for symbol, source in self.market.items()
            },
        }

    # -- time --

    def advance(self, now_ns: int) -> None:
        """Let everything happen that is due: the market, tickers, time-outs, faults, delayed frames."""
        if not self._is_running:
            self._is_running, self._began_ns = True, now_ns
            for symbol, source in self.market.items():
                self._past.note(symbol, now_ns, source.epoch, source.sequence)
                self._await_market(source, now_ns)
            self.common.timeline.at(now_ns + self.common.manners.ticker_ms * MS, self._tickers)
            if isinstance(self.market, Market):
                self._begin(self.market.plan, now_ns)
            self._begin(self._plan, now_ns)
        self.common.timeline.run(now_ns)

    def outbox(self) -> list[Sent]:
        """What has to be carried out now, in order; each is returned once."""
        return self.common.timeline.outbox()

    def set_wall(self, now_ns: int, wall_ns: int) -> None:
        """Say what the wall clock shows at a moment of the monotonic one."""
        self.common.wall_offset_ns = wall_ns - now_ns

    def _await_market(self, source: Source, now_ns: int) -> None:
        self.common.timeline.at(now_ns + source.gap_ns(), partial(self._market_moves, source))

    def _market_moves(self, source: Source, now_ns: int) -> None:
        tick = self.trading.advance(source)
        self._await_market(source, now_ns)
        self._past.note(source.symbol, now_ns, source.epoch, source.sequence)
        self.trading.publish([tick], source, now_ns)

    def _tickers(self, now_ns: int) -> None:
        self._broadcast.tell_tickers(now_ns)
        self.common.timeline.at(now_ns + self.common.manners.ticker_ms * MS, self._tickers)

    def driver(self, clock: Callable[[], int], flush: Callable[[], None]) -> Driver:
        """The hands of the account's owner, for whoever has a clock and carries out what is to be sent."""

        def now_ns() -> int:
            at_ns = clock()
            self.advance(at_ns)
            return at_ns

        return Driver(self.trading, now_ns, flush)

    # -- REST --

    def rest(
        self, method: str, target: str, headers: Mapping[str, str], body: str, now_ns: int, now_ms: int | None = None
    ) -> Answer:
        """Answer one HTTP request.

        Args:
            method: GET or POST.
            target: Path and query as they were sent.
            headers: Names in any case.
            body: As it was sent.
            now_ns: Monotonic clock.
            now_ms: Wall clock; by default what ``set_wall`` makes of ``now_ns``.
        """
        self.advance(now_ns)
        wall_ms = (now_ns + self.common.wall_offset_ns) // MS if now_ms is None else now_ms
        return self._rest.answer(method, target, headers, body, now_ns, wall_ms)

    # -- connections --

    def connect(self, target: str, now_ns: int) -> int | Reply:
        """A client wants to upgrade.

        Returns:
            The number of the connection (it may be closed before it says anything), or an answer that refuses.
        """
        self.advance(now_ns)
        common = self.common
        query = {key: values[-1] for key, values in parse_qs(urlsplit(target).query).items()}
        # Every attempt counts, also one that is refused: who hammers at a closed door does the same at an open one.
        is_within_rate = self._connects.take(now_ns)
        if not is_within_rate:
            common.violations["connects"] += 1
        if now_ns < common.closed_until_ns:
            return _refused(503, "the system is under maintenance")
        struck = [fault for fault, _ in common.injector.pick(Point.CONNECT, now_ns, conn=self._accepted + 1)]
        for fault in struck:
            if fault.name == "refuse":
                common.injector.note(now_ns, fault, conn=self._accepted + 1)
                return _refused(fault.knobs["status"], "refused")
        verdict = self._tokens.check(query.get("token", ""), now_ns)
        if verdict.startswith("token") and common.manners.refusal == "http":
            common.violations["bad_token"] += 1
            return _refused(401, verdict)
        session = self._accept(query, now_ns, is_private=verdict == "private")
        refusal = self._turned_away(verdict, is_within_rate=is_within_rate)
        if refusal is not None:
            self._end(session, now_ns, BYE, messages.error(session.connect_id, *refusal))
        else:
            self._greet(session, struck, now_ns)
        return session.conn

    def _accept(self, query: Mapping[str, str], now_ns: int, *, is_private: bool) -> Session:
        limits, manners = self.common.limits, self.common.manners
        self._accepted += 1
        conn = self._accepted
        recent = Recent(limits.messages_max, limits.messages_window_ms * MS)
        self.sessions[conn] = session = Session(
            conn=conn,
            connect_id=query.get("connectId") or f"conn{conn:08d}",
            timeline=self.common.timeline,
            recent=recent,
            last_client_ns=now_ns,
            delay_ns=manners.link_delay_ms * MS,
            is_private=is_private,
        )
        self._watch_idle(session)
        return session

    def _turned_away(self, verdict: str, *, is_within_rate: bool) -> tuple[int, str] | None:
        """Why a new connection has to go again."""
        limits, violations = self.common.limits, self.common.violations
        if verdict.startswith("token"):
            violations["bad_token"] += 1
            return 401, verdict
        if not is_within_rate:
            return 509, "service busy, please retry later"
        if sum(not session.is_over for session in self.sessions.values()) > limits.connections_max:
            violations["connections"] += 1
            return 509, f"exceed max session count limitation of {limits.connections_max}"
        return None

    def _greet(self, session: Session, struck: Iterable[Fault], now_ns: int) -> None:
        injector = self.common.injector
        for fault in struck:
            if fault.name == "token_expired":
                injector.note(now_ns, fault, conn=session.conn)
                error = messages.error(session.connect_id, 401, "token is expired")
                self._end(session, now_ns, BYE, error)
            elif fault.name == "close_on_connect":
                injector.note(now_ns, fault, conn=session.conn)
                self._end(session, now_ns, Close(fault.knobs["code"], fault.knobs["reason"]))
        late_ns, count = 0, 1
        for fault, draw in injector.pick(Point.WELCOME, now_ns, conn=session.conn):
            injector.note(now_ns, fault, conn=session.conn)
            if fault.name == "lost_welcome":
                return
            if fault.name == "double_welcome":
                count += 1
            else:
                late_ns += delay_ns(fault, draw)
        for _ in range(count):
            session.welcome(now_ns, messages.welcome(session.connect_id), late_ns)
        for fault in struck:
            if FAULTS[fault.name].point is Point.MOMENT:
                self._strike(fault, session, None, now_ns)

    def receive(self, conn: int, text: str, now_ns: int) -> None:
        """A client said something. Nothing answers on a connection that is over."""
        self.advance(now_ns)
        session = self.sessions.get(conn)
        if session is not None and not session.is_over:
            self._reception.receive(session, text, now_ns)

    def disconnected(self, conn: int, now_ns: int) -> None:
        """The connection is gone, whoever ended it."""
        session = self.sessions.pop(conn, None)
        if session is not None:
            session.is_over = session.is_cut = True
            self._stream.forget(session)
        self.advance(now_ns)

    def _end(self, session: Session, now_ns: int, payload: Close, last_words: str | None = None) -> None:
        if last_words is not None:
            session.send(now_ns, last_words)
        self._reception.end(session, now_ns, payload)

    def _watch_idle(self, session: Session) -> None:
        """Close the connection once the client has said nothing for too long."""
        idle_ns = self.common.limits.idle_max_ms * MS

        def look(now_ns: int) -> None:
            if session.is_over:
                return
            if now_ns - session.last_client_ns < idle_ns:
                self._watch_idle(session)
                return
            self.common.violations["ping_timeout"] += 1
            self._end(session, now_ns, BYE, messages.error(session.connect_id, 400, "ping timeout"))

        self.common.timeline.at(session.last_client_ns + idle_ns, look)

    # -- faults --

    def add_faults(self, plan: FaultPlan, now_ns: int) -> None:
        """Begin with another plan; its times count from now.

        Raises:
            UsageError: It is about a symbol that this market does not have.
        """
        plan.check_symbols(self.market)
        self.added += ((now_ns - self._began_ns, fault.text) for fault in plan.faults)
        self._begin(plan, now_ns)

    def _begin(self, plan: FaultPlan, now_ns: int) -> None:
        for active in self.common.injector.add(plan, now_ns):
            self.common.timeline.at(now_ns + active.fault.at_ms * MS, partial(self._moment, active))

    def heal(self, now_ns: int) -> None:
        """From now on nothing goes wrong. What did so before is not undone, but every symbol trades again."""
        self.advance(now_ns)
        self.common.injector.end()
        self.common.closed_until_ns = min(self.common.closed_until_ns, now_ns)
        self.common.banned_until_ns = min(self.common.banned_until_ns, now_ns)
        self.common.delisted.clear()
        self.common.skew_ns = 0

    def _moment(self, active: Active, now_ns: int) -> None:
        """A fault at a moment strikes, and the next time is set."""
        fault = active.fault
        if active.is_over:
            return
        active.hits += 1
        if fault.every_ms is not None and not active.is_spent:
            self.common.timeline.at(now_ns + fault.every_ms * MS, partial(self._moment, active))
        self._actions.strike(fault, now_ns)

    def _strike(self, fault: Fault, session: Session, symbol: str | None, now_ns: int) -> None:
        """A fault at a moment that was tied to a message."""
        self._actions.strike(fault, now_ns, session, symbol)


def _refused(status: int, text: str) -> Reply:
    return Reply(0, status, _JSON, f'{{"code":"{status}","msg":"{text}"}}'.encode())
