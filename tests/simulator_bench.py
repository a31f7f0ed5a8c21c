"""The simulated venue on a clock that is moved by hand, over a market that ticks like a metronome."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from orderbook.secret import Credentials
from orderbook.simulator.exchange import Exchange
from orderbook.simulator.faults import FaultPlan
from orderbook.simulator.limits import Limits
from orderbook.simulator.rest import Late, Reply
from orderbook.simulator.source import Rules, Tick
from orderbook.simulator.timeline import Payload
from orderbook.simulator.truth import Truth, TruthTeller
from orderbook.venues.kucoin_auth import signed_headers
from orderbook.venues.rest import RestRequest

MS = 1_000_000
GAP_MS = 10
"""From delta to delta of one symbol."""
BASE = 1_000
"""Sequence of the opening book."""
KEYS = Credentials.of("key", "secret", "passphrase")
A, B = "AAA-USDT", "BBB-USDT"
BOOK_20 = f"/api/v1/market/orderbook/level2_20?symbol={A}"
BOOK_FULL = f"/api/v3/market/orderbook/level2?symbol={A}"


class Metronome(TruthTeller):
    """A symbol whose bid at 100 + n % 5 gets size n, every 10 ms."""

    def __init__(self, symbol: str = A) -> None:
        self.rules = Rules(symbol, symbol[:3], symbol[4:], "1", "1")
        self.symbol = symbol
        opening = {100 + i: 7 for i in range(30)} | {-(200 + i): 9 for i in range(30)}
        self.truth = Truth(opening.items(), base=BASE, price_decimals=0, size_decimals=0)

    def gap_ns(self) -> int:
        return GAP_MS * MS

    def advance(self) -> Tick:
        number = self.truth.events + 1
        price, size = 100 + number % 5, number
        self.happen(price, size)
        sequence = self.truth.sequence
        return Tick(self.symbol, sequence, sequence, ((str(price), str(size), str(sequence)),), ())


class Bench:
    """An exchange, its clock, and everything that it sent."""

    def __init__(
        self,
        plan: Sequence[object] = (),
        *,
        symbols: Sequence[str] = (A, B),
        market: Mapping[str, Any] | None = None,
        limits: Limits | None = None,
        seed: int = 0,
        **manners: Any,
    ) -> None:
        self.market: Mapping[str, Any] = market or {symbol: Metronome(symbol) for symbol in symbols}
        self.exchange = Exchange(
            self.market, limits=limits, faults=FaultPlan(plan), seed=seed, credentials=KEYS, **manners
        )
        self.account = self.exchange.driver(lambda: self.now_ns, self._collect)
        self.now_ns = 1_000 * MS
        #: (connection, ms since the beginning, payload) in order.
        self.sent: list[tuple[int, int, Payload]] = []
        self.exchange.advance(self.now_ns)

    # -- time --

    def run(self, ms: int) -> None:
        """Let time pass, from event to event."""
        end_ns = self.now_ns + ms * MS
        while self.exchange.next_ns <= end_ns:
            self.now_ns = max(self.now_ns, self.exchange.next_ns)
            self.exchange.advance(self.now_ns)
            self._collect()
        self.now_ns = end_ns
        self.exchange.advance(end_ns)
        self._collect()

    def _collect(self) -> None:
        self.sent += [(sent.conn, sent.deliver_ns // MS - 1_000, sent.payload) for sent in self.exchange.outbox()]

    # -- a client --

    def token(self) -> str:
        return str(self.post("/api/v1/bullet-public")["data"]["token"])

    def connect(self, token: str | None = None, **query: str) -> int:
        """A new connection; by default with a fresh token."""
        conn = self.upgrade(self.token() if token is None else token, **query)
        assert isinstance(conn, int)
        return conn

    def upgrade(self, token: str, **query: str) -> int | Reply:
        pairs = {"token": token, "connectId": "me"} | query
        target = "/?" + "&".join(f"{name}={quote(value)}" for name, value in pairs.items())
        answer = self.exchange.connect(target, self.now_ns)
        self._collect()
        return answer

    def say(self, conn: int, text: str | None = None, **frame: Any) -> None:
        """Send a frame: a text, or an object from keywords."""
        self.exchange.receive(conn, json.dumps(frame) if text is None else text, self.now_ns)
        self._collect()

    def subscribed(self, *symbols: str, channel: str = "/market/level2") -> int:
        """A connection that has subscribed, with its first frames out of the way."""
        conn = self.connect()
        self.say(conn, id=1, type="subscribe", topic=f"{channel}:{','.join(symbols or (A,))}", response=True)
        self.sent.clear()
        return conn

    def owner(self, *topics: str) -> int:
        """A connection with a private token that has subscribed to topics of the account, and to others."""
        token = json.loads(self.signed("POST", "/api/v1/bullet-private").body)["data"]["token"]
        conn = self.connect(token)
        for topic in topics:
            self.say(conn, id=1, type="subscribe", topic=topic, privateChannel=":" not in topic)
        self.sent.clear()
        return conn

    # -- what came --

    def payloads(self, conn: int = 1) -> list[Payload]:
        return [payload for one, _, payload in self.sent if one == conn]

    def frames(self, conn: int = 1) -> list[dict[str, Any]]:
        return [json.loads(one) for one in self.payloads(conn) if isinstance(one, str)]

    def times(self, conn: int = 1) -> list[int]:
        """When, in ms since the beginning."""
        return [at for one, at, _ in self.sent if one == conn]

    def deltas(self, symbol: str = A, conn: int = 1) -> list[tuple[int, int]]:
        """Sequences of the deltas that came, relative to the opening book."""
        return [
            (frame["data"]["sequenceStart"] - BASE, frame["data"]["sequenceEnd"] - BASE)
            for frame in self.frames(conn)
            if frame.get("topic") == f"/market/level2:{symbol}"
        ]

    def ends(self, symbol: str = A, conn: int = 1) -> list[int]:
        return [end for _, end in self.deltas(symbol, conn)]

    # -- REST --

    def call(self, method: str, target: str, headers: dict[str, str] | None = None) -> Reply:
        """An answer that is one."""
        answer = self.exchange.rest(method, target, headers or {}, "", self.now_ns)
        self._collect()
        if isinstance(answer, Late):
            self.run(answer.delay_ns // MS)
            answer = answer.finish(self.now_ns)
        assert isinstance(answer, Reply)
        return answer

    def get(self, target: str) -> Any:
        return json.loads(self.call("GET", target).body)

    def post(self, target: str) -> Any:
        return json.loads(self.call("POST", target).body)

    def signature(self, method: str, target: str, keys: Credentials = KEYS, *, ahead_ms: int = 0) -> dict[str, str]:
        """Headers of a signed request, by a clock that is ``ahead_ms`` of the venue's."""
        path, _, query = target.partition("?")
        pairs = tuple((name, value) for name, _, value in (pair.partition("=") for pair in query.split("&") if pair))
        request = RestRequest("GET" if method == "GET" else "POST", path, pairs)
        return signed_headers(keys, self.exchange.common.wall_ms(self.now_ns) + ahead_ms, request)

    def signed(self, method: str, target: str, *, keys: Credentials = KEYS, ahead_ms: int = 0) -> Reply:
        """The answer to a signed request."""
        return self.call(method, target, self.signature(method, target, keys, ahead_ms=ahead_ms))

    def book(self, target: str = BOOK_20) -> dict[str, Any]:
        """A snapshot's data."""
        data: dict[str, Any] = self.get(target)["data"]
        return data

    def ledger(self) -> dict[str, int]:
        return self.exchange.ledger.totals()

    def violations(self) -> dict[str, int]:
        return dict(self.exchange.violations)


def bench_with(fault: str, **entry: Any) -> Bench:
    """A bench on which one thing goes wrong."""
    return Bench([{"fault": fault, **entry}])
