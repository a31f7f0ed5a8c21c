"""The venue's REST side: routes, weights, signatures, envelopes, and the faults of answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from orderbook.errors import UsageError
from orderbook.secret import Credentials
from orderbook.simulator import damage, messages, rest_orders
from orderbook.simulator.account import Account
from orderbook.simulator.answers import (
    JSON,
    SPOILERS,
    Answer,
    Drop,
    Hang,
    Late,
    Reply,
    banned,
    envelope,
    instead,
    no_such_endpoint,
    rate_headers,
    spoilt,
)
from orderbook.simulator.common import MS, Common, Past, Tokens
from orderbook.simulator.damage import Draw
from orderbook.simulator.faults import Fault, Point
from orderbook.simulator.injector import delay_ns as late_ns
from orderbook.simulator.limits import Quota
from orderbook.simulator.listings import listed
from orderbook.simulator.source import Source, TrueBook
from orderbook.venues import kucoin_auth

__all__ = ["ROUTES", "Answer", "Drop", "Hang", "Late", "Reply", "Request", "RestDesk", "Route"]


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. ``path`` has no query."""

    method: str
    target: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: str
    now_ns: int
    now_ms: int


class Route(NamedTuple):
    """One endpoint."""

    method: Literal["GET", "POST"]
    weight: int
    pool: Literal["public", "spot"] = "public"
    depth: int | None = None

    @property
    def is_signed(self) -> bool:
        """The pool of an account is open to those who prove to own it."""
        return self.pool == "spot"


_BOOKS: Final = "/api/v1/market/orderbook/"
_SYMBOLS: Final = "/api/v2/symbols"
ROUTES: Final[Mapping[str, Route]] = {
    "/api/v1/bullet-public": Route("POST", 10),
    "/api/v1/bullet-private": Route("POST", 10, "spot"),
    "/api/v1/timestamp": Route("GET", 3),
    "/api/v1/status": Route("GET", 3),
    _SYMBOLS: Route("GET", 4),
    f"{_BOOKS}level1": Route("GET", 2, depth=1),
    f"{_BOOKS}level2_20": Route("GET", 2, depth=20),
    f"{_BOOKS}level2_100": Route("GET", 2, depth=100),
    "/api/v3/market/orderbook/level2": Route("GET", 3, "spot"),
    rest_orders.PATH: Route("GET", 2, "spot"),
}
"""Every path there is; ``/api/v2/symbols/{symbol}`` counts as its parent."""

CLIENT: Final = "127.0.0.1"
"""Where every client of this machine comes from."""
PERMISSION: Final = "General"
"""What a key needs for all that is signed here."""
_REFUSALS: Final = {
    "400001": (401, "Please check the header of your request for KC-API-KEY, KC-API-SIGN, KC-API-TIMESTAMP"),
    "400002": (400, "KC-API-TIMESTAMP Invalid"),
    "400003": (401, "KC-API-KEY not exists"),
    "400004": (401, "KC-API-PASSPHRASE error"),
    "400005": (401, "Signature error"),
    "400006": (403, "The requested ip address is not in the api whitelist"),
    "400007": (403, "Access denied, require more permission"),
    "400008": (401, "the version of the API key is not supported"),
}


class RestDesk:
    """Answers requests.

    Args:
        common: Time, faults, limits.
        market: The books.
        tokens: Where tokens are entered.
        past: Where the books stood a while ago.
        account: The key's.
        credentials: The key that may sign; ``None``: every signed request is refused with 400003.
    """

    def __init__(
        self,
        common: Common,
        market: Mapping[str, Source],
        *,
        tokens: Tokens,
        past: Past,
        account: Account,
        credentials: Credentials | None,
    ) -> None:
        limits = common.limits
        self._common = common
        self._market = market
        self._tokens = tokens
        self._past = past
        self._account = account
        self._credentials = credentials
        self.quotas = {
            "public": Quota(limits.public_weight_max, limits.weight_window_ms),
            "spot": Quota(limits.spot_weight_max, limits.weight_window_ms),
        }
        self._ban: Fault | None = None
        self.calls = 0
        """Requests of any kind."""

    def answer(
        self, method: str, target: str, headers: Mapping[str, str], body: str, now_ns: int, now_ms: int
    ) -> Answer:
        """What becomes of one request."""
        self.calls += 1
        parts = urlsplit(target)
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        request = Request(method.upper(), target, unquote(parts.path), query, headers, body, now_ns, now_ms)
        delay_ns = self._common.manners.rest_delay_ms * MS
        if now_ns < self._common.banned_until_ns:
            return self._banned(request, delay_ns)
        answer: Answer | None = None
        spoil: list[Fault] = []
        for fault, draw in self._common.injector.pick(
            Point.REST, now_ns, symbol=query.get("symbol"), path=request.path
        ):
            if fault.name in SPOILERS:
                spoil.append(fault)
            elif fault.name == "slow":
                self._note(request, fault)
                delay_ns += late_ns(fault, draw)
            elif answer is None:
                self._note(request, fault)
                answer = self._instead(request, fault, delay_ns)
        if answer is None:
            answer = self._routed(request, delay_ns)
        return self._spoilt(request, answer, spoil)

    def _instead(self, request: Request, fault: Fault, delay_ns: int) -> Answer:
        if fault.name != "banned":
            route = ROUTES.get(request.path)
            return instead(fault, delay_ns, self.quotas["public" if route is None else route.pool].limit)
        self._common.banned_until_ns = request.now_ns + fault.knobs["ms"] * MS
        self._ban = fault
        return banned(delay_ns, fault.knobs["status"])

    def _banned(self, request: Request, delay_ns: int) -> Answer:
        """One more request during a ban."""
        assert self._ban is not None
        self._note(request, self._ban)
        return banned(delay_ns, self._ban.knobs["status"])

    def _spoilt(self, request: Request, answer: Answer, spoil: list[Fault]) -> Answer:
        """The answer with its body damaged, if it has one."""
        if not spoil or isinstance(answer, Hang | Drop):
            return answer
        if isinstance(answer, Late):
            finish = answer.finish
            return answer._replace(finish=lambda at_ns: self._damaged(request, finish(at_ns), spoil))
        return self._damaged(request, answer, spoil)

    def _damaged(self, request: Request, reply: Reply, spoil: list[Fault]) -> Reply:
        for fault in spoil:
            self._note(request, fault)
            reply = spoilt(fault, reply)
        return reply

    def _note(self, request: Request, fault: Fault) -> None:
        self._common.injector.note(
            request.now_ns, fault, symbol=request.query.get("symbol"), detail=f"{request.method} {request.path}"
        )

    def _routed(self, request: Request, delay_ns: int) -> Answer:
        common = self._common
        path = _SYMBOLS if request.path.startswith(f"{_SYMBOLS}/") else request.path
        route = ROUTES.get(path)
        if route is None or route.method != request.method:
            return no_such_endpoint(delay_ns, is_known=route is not None)
        if request.now_ns < common.closed_until_ns and not path.endswith("/status"):
            return envelope(delay_ns, 503, "503000", "the system is under maintenance", {})
        share = self.quotas[route.pool].take(route.weight, request.now_ns)
        headers = rate_headers(share)
        if not share.is_granted:
            common.violations[f"weight_{route.pool}"] += 1
            return envelope(delay_ns, 429, "429000", "Too many requests in a short period of time", headers)
        refusal = self._refusal(request) if route.is_signed else None
        if refusal is not None:
            return envelope(delay_ns, _REFUSALS[refusal][0], refusal, _REFUSALS[refusal][1], headers)
        return self._granted(request, route, path, delay_ns, headers)

    def _granted(self, request: Request, route: Route, path: str, delay_ns: int, headers: dict[str, str]) -> Answer:
        """The answer to a request that may be made."""
        if "orderbook" in path:
            return self._book(request, route, delay_ns, headers)
        if path == rest_orders.PATH:
            return self._orders(request, delay_ns, headers)
        return Reply(delay_ns, 200, JSON | headers, self._plain(request, path).encode())

    def _refusal(self, request: Request) -> str | None:
        """The code with which a signature is refused."""
        if self._credentials is None:
            return "400003"
        now_ms = request.now_ms + self._common.skew_ns // MS
        refusal = kucoin_auth.verify(
            self._credentials, request.headers, request.method, request.target, request.body, now_ms=now_ms
        )
        manners = self._common.manners
        if refusal is None and manners.key_addresses and CLIENT not in manners.key_addresses:
            return "400006"
        return "400007" if refusal is None and PERMISSION not in manners.key_permissions else refusal

    # -- everything but books --

    def _plain(self, request: Request, path: str) -> str:
        common = self._common
        if path == _SYMBOLS:
            return self._symbols(request)
        if path.endswith("/timestamp"):
            return f'{{"code":"200000","data":{request.now_ms + common.skew_ns // MS}}}'
        if path.endswith("/status"):
            status = "close" if request.now_ns < common.closed_until_ns else "open"
            return f'{{"code":"200000","data":{{"status":"{status}","msg":""}}}}'
        return self._token(request, is_private=path.endswith("-private"))

    def _orders(self, request: Request, delay_ns: int, headers: dict[str, str]) -> Answer:
        found = rest_orders.listing(self._account, self._market, request.query)
        if isinstance(found, str):
            return envelope(delay_ns, 400, "400100", found, headers)
        body = json.dumps({"code": "200000", "data": found}, separators=(",", ":"))
        return Reply(delay_ns, 200, JSON | headers, body.encode())

    def _token(self, request: Request, *, is_private: bool) -> str:
        common = self._common
        server: dict[str, object] = {
            "endpoint": common.endpoint,
            "encrypt": common.endpoint.startswith("wss:"),
            "protocol": "websocket",
            "pingInterval": common.manners.ping_interval_ms,
            "pingTimeout": common.manners.ping_timeout_ms,
        }
        struck = [fault for fault, _ in common.injector.pick(Point.BULLET, request.now_ns)]
        lives = [fault.knobs["ms"] * MS for fault in struck if fault.name == "token_life"]
        token = self._tokens.issue(request.now_ns, is_private=is_private, life_ns=min(lives, default=None))
        data: dict[str, object] = {"token": token, "instanceServers": [server]}
        for fault in struck:
            self._note(request, fault)
            match fault.knobs.get("how"):
                case "empty":
                    data["instanceServers"] = []
                case "downgrade" | "moved":
                    server["endpoint"] = fault.knobs["endpoint"]
                case "no_ping":
                    server.pop("pingInterval", None)
                    server.pop("pingTimeout", None)
                case "no_token":
                    data.pop("token", None)
        return json.dumps({"code": "200000", "data": data}, separators=(",", ":"))

    def _symbols(self, request: Request) -> str:
        wanted = request.path.removeprefix(_SYMBOLS).removeprefix("/")
        if not wanted:
            found: object = [self._listed(symbol) for symbol in self._market]
        elif wanted in self._market:
            found = self._listed(wanted)
        else:
            return '{"code":"900001","msg":"symbol not exists"}'
        return json.dumps({"code": "200000", "data": found}, separators=(",", ":"))

    def _listed(self, symbol: str) -> dict[str, object]:
        return listed(self._market[symbol].rules, is_trading=symbol not in self._common.delisted)

    # -- books --

    def _book(self, request: Request, route: Route, delay_ns: int, headers: dict[str, str]) -> Answer:
        symbol = request.query.get("symbol", "")
        if not symbol:
            return envelope(delay_ns, 400, "400100", "symbol is required", headers)
        source = self._market.get(symbol)
        if source is None or symbol in self._common.delisted:
            return envelope(delay_ns, 200, "900001", "symbol not exists", headers)
        if route.depth == 1:
            return Reply(delay_ns, 200, JSON | headers, self._touch(source, request.now_ms).encode())
        struck = self._common.injector.pick(Point.BOOK, request.now_ns, symbol=symbol)
        is_late = False
        for fault, draw in struck:
            self._note(request, fault)
            if fault.name == "delayed_snapshot":
                delay_ns += late_ns(fault, draw)
                is_late = is_late or fault.knobs["computed"] == "late"

        def finish(at_ns: int) -> Reply:
            text = self._book_text(source, route.depth, struck, at_ns, request.now_ms + (at_ns - request.now_ns) // MS)
            return Reply(0 if is_late else delay_ns, 200, JSON | headers, text.encode())

        return Late(delay_ns, finish) if is_late else finish(request.now_ns)

    def _book_text(
        self, source: Source, depth: int | None, struck: list[tuple[Fault, Draw]], now_ns: int, now_ms: int
    ) -> str:
        book: TrueBook | None = None
        for fault, _ in struck:
            if fault.name == "stale_snapshot":
                book = self._stale(source, fault, depth, now_ns)
        book = book or source.book(depth=depth)
        for fault, _ in struck:
            if fault.name == "shallow_snapshot":
                rows = fault.knobs["rows"]
                book = book._replace(bids=book.bids[:rows], asks=book.asks[:rows])
            elif fault.name == "bad_snapshot":
                other = next((one for one in self._market.values() if one is not source), None)
                other_book = None if other is None else other.book(depth=depth)
                spoilt = damage.impossible(book, fault.knobs["how"], other_book)
                if spoilt is None:
                    return '{"code":"200000","data":null}'
                book = spoilt
        return messages.book_body(book.sequence, book.bids, book.asks, now_ms + self._common.skew_ns // MS)

    def _stale(self, source: Source, fault: Fault, depth: int | None, now_ns: int) -> TrueBook:
        """The true book of a while ago, or as far back as is remembered."""
        behind = fault.knobs["by"]
        if behind is None:
            position = self._past.position(source.symbol, now_ns - fault.knobs["ms"] * MS)
            return source.book(position[1], depth, epoch=position[0])
        return source.book(source.sequence - _known_behind(source, behind), depth)

    def _touch(self, source: Source, now_ms: int) -> str:
        bid, ask = source.ticker()
        (bid_price, bid_size), (ask_price, ask_size) = bid or ("", ""), ask or ("", "")
        data = {
            "time": now_ms + self._common.skew_ns // MS,
            "sequence": str(source.sequence),
            "price": ask_price or bid_price,
            "size": ask_size or bid_size,
            "bestBid": bid_price,
            "bestBidSize": bid_size,
            "bestAsk": ask_price,
            "bestAskSize": ask_size,
        }
        return json.dumps({"code": "200000", "data": data}, separators=(",", ":"))


def _known_behind(source: Source, wanted: int) -> int:
    """How many sequences back the book is known, up to ``wanted``. O(log of wanted) cheap look-ups."""
    known, unknown = 0, wanted + 1
    while unknown - known > 1:
        # All of it at first: that is the usual case.
        middle = wanted if unknown > wanted else (known + unknown) // 2
        try:
            source.digest(source.sequence - middle)
        except UsageError:
            unknown = middle
        else:
            known = middle
    return known
