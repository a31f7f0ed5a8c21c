"""KuCoin's REST interface as data: which requests there are, what answers mean, and what a failure asks for.

An answer is ``{"code": "200000", "data": ...}``. HTTP 200 may carry another code, and an edge server may answer a page
of HTML with any status, so both are judged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from orderbook.errors import BadAnswer, FrameError, RateLimited, Refused, RestError, UnknownSymbol, UsageError, shown
from orderbook.secret import Secret
from orderbook.venues import wire
from orderbook.venues.kucoin import KuCoin
from orderbook.venues.rest import Depth, Instrument, Pool, RateLimit, RestRequest, Server, Token, check_address

HOST: Final = "https://api.kucoin.com"

TIMESTAMP_PATH: Final = "/api/v1/timestamp"
CLOCK_IS_WRONG: Final = "400002"
"""The code of a time stamp that is too far from the venue's clock."""

SNAPSHOT_WEIGHTS: Final[Mapping[Depth, int]] = {20: 2, 100: 4, "full": 3}
"""What a snapshot costs. For 100 levels KuCoin's own client library says 2 and ccxt counts 4: the dearer guess costs a
little pace when hundreds of books start at once, the cheaper one could cost a ban of the whole address."""

_SUCCESS: Final = "200000"
# What nearly every good answer begins with; anything else is looked at closely.
_GOOD_START = re.compile(r'\s*\{\s*"code"\s*:\s*"200000"\s*,', re.ASCII)
_MARKUP = re.compile(r"\s*<")
_PATHS: Final[Mapping[Depth, str]] = {
    20: "/api/v1/market/orderbook/level2_20",
    100: "/api/v1/market/orderbook/level2_100",
    "full": "/api/v3/market/orderbook/level2",
}
_SHORT_ANSWER: Final = 400
"""A snapshot of an unknown symbol has no rows, so only short ones are looked at for that."""
_EDGE_BLOCK_MS: Final = 30_000
_RETRY_MS_MAX: Final = 600_000
"""An answer that wants more than ten minutes of silence is not believed."""
_PING_MS: Final = (10, 3_600_000)
_COUNT_DIGITS_MAX: Final = 12
_MESSAGE_MAX: Final = 200
_LATER: Final = "try again later, or check the venue's status page"
_PATIENCE: Final = "wait, and ask less often"
_ADDRESS: Final = "check the address of the server (url= or --url)"

_REFUSALS: Final[Mapping[str, str]] = {
    "400001": "the request was not signed: give key, secret and passphrase",
    CLOCK_IS_WRONG: "set this machine's clock right (NTP): the venue allows 5 s",
    "400003": "check the API key, and that it belongs to this site (kucoin.com or kucoin.eu)",
    "400004": "check the passphrase (the one chosen when the key was made, not the login password) and the API secret",
    "400005": "check the API secret, and that nothing between here and the venue rewrites requests",
    "400006": "add this machine's public address to the key's list on the venue's API page",
    "400007": "give the key the General permission on the venue's API page",
    "400008": "give the key's version as the venue's API page shows it, or make a new key if it is older than 2",
    "411100": "the account is frozen: ask the venue's support",
}
_EDGE_BLOCK: Final = "1015"
_LIMIT_CODES: Final = frozenset({"429000", "200002", _EDGE_BLOCK})
_SYMBOL_CODES: Final = frozenset({"900001", "400600", "600203", "200003"})
_BUSY_CODES: Final = frozenset({"230005", "500000"})


def token_request(*, private: bool) -> RestRequest:
    """What opens a WebSocket connection."""
    name = "private" if private else "public"
    pool: Pool = "spot" if private else "public"
    return RestRequest("POST", f"/api/v1/bullet-{name}", signed=private, weight=10, pool=pool)


def symbols_request() -> RestRequest:
    """The rules of all symbols."""
    return RestRequest("GET", "/api/v2/symbols", weight=4)


def time_request() -> RestRequest:
    """The venue's clock."""
    return RestRequest("GET", TIMESTAMP_PATH, weight=3)


def book_request(symbol: str, depth: Depth) -> RestRequest:
    """A snapshot; the full one needs a key.

    Raises:
        UsageError: Not a symbol, or a depth that the venue does not offer.
    """
    KuCoin().check_symbol(symbol)
    path = _PATHS.get(depth)
    if path is None:
        raise UsageError(f'a KuCoin snapshot has depth 20, 100 or "full", not {shown(depth)}')
    is_full = depth == "full"
    weight = SNAPSHOT_WEIGHTS[depth]
    return RestRequest(
        "GET", path, (("symbol", symbol),), signed=is_full, weight=weight, pool="spot" if is_full else "public"
    )


def touch_request(symbol: str) -> RestRequest:
    """The best levels: the cheapest way to learn a symbol's sequence.

    Raises:
        UsageError: Not a symbol.
    """
    KuCoin().check_symbol(symbol)
    return RestRequest("GET", "/api/v1/market/orderbook/level1", (("symbol", symbol),), weight=2)


def decode_token(text: str, *, allow_plain: bool = False) -> Token:
    """Decode the answer to ``token_request``.

    Args:
        text: The body.
        allow_plain: Whether a server without encryption is allowed, on this machine only: for a token that itself came
            from this machine.

    Raises:
        BadAnswer: No token, no server, a server without encryption, or without its ping times.
    """
    data = _fields(text, "token answer")
    token = wire.text_of(data, "token")
    servers = data.get("instanceServers")
    if not token:
        raise _bad("a token answer without a token")
    if not isinstance(servers, list) or not servers:
        raise _bad("a token answer without servers")
    return Token(Secret(token), tuple([_server(server, allow_plain=allow_plain) for server in servers]))


def _server(server: object, *, allow_plain: bool) -> Server:
    if not isinstance(server, dict):
        raise _bad("a token answer with a server that is no object")
    try:
        url = wire.text_of(server, "endpoint") or ""
        endpoint = check_address(url, ("wss", "ws"), allow_plain=allow_plain, allow_path=True)
    except UsageError as error:
        raise _bad(f"a token answer with a server that is not to be used ({error})") from None
    return Server(endpoint, _ping_ms(server, "pingInterval"), _ping_ms(server, "pingTimeout"))


def _ping_ms(server: dict[str, object], key: str) -> int:
    value = wire.integer_of(server, key)
    low, high = _PING_MS
    if value is None or not low <= value <= high:
        # Guessing it would be a connection that dies for no visible reason.
        raise _bad(f"a token answer without a usable {key}")
    return value


def decode_symbols(text: str) -> tuple[Instrument, ...]:
    """Decode the answer to ``symbols_request``, in the venue's order.

    An entry that cannot be read is left out, so that one odd symbol does not stop the others.

    Raises:
        BadAnswer: Not one entry can be read.
    """
    data = _data(text, "symbols answer")
    entries = data if isinstance(data, list) else [data]
    found = [_instrument(entry) for entry in entries]
    instruments = tuple([instrument for instrument in found if instrument is not None])
    if not instruments:
        raise _bad("a symbols answer without a symbol")
    return instruments


def _instrument(entry: object) -> Instrument | None:
    if not isinstance(entry, dict):
        return None
    names = [wire.text_of(entry, key) for key in ("symbol", "baseCurrency", "quoteCurrency")]
    sizes = [wire.text_of(entry, key) for key in ("priceIncrement", "baseIncrement")]
    is_trading = entry.get("enableTrading")
    try:
        KuCoin().check_symbol(names[0])
        for size in sizes:
            if wire.number(size).mantissa == 0:
                return None
    except (UsageError, FrameError):
        return None
    symbol, base, quote, tick, lot = [text or "" for text in (*names, *sizes)]
    return Instrument(symbol, base, quote, tick, lot, is_trading is True)


def decode_time(text: str) -> int:
    """Decode the answer to ``time_request``: ms since the epoch. Raises ``BadAnswer``."""
    return _integer(_data(text, "time answer"), "time answer")


def decode_sequence(text: str) -> int:
    """The sequence of the answer to ``touch_request`` or ``book_request``. Raises ``BadAnswer``."""
    return _integer(_fields(text, "book answer").get("sequence"), "book answer's sequence")


def is_unknown_symbol(text: str) -> bool:
    """Whether a successful answer about a symbol's book says, by holding nothing, that there is no such symbol."""
    if len(text) > _SHORT_ANSWER:
        return False
    try:
        data = _data(text, "book answer")
    except BadAnswer:
        return False
    return data is None or (isinstance(data, dict) and data.get("sequence") is None)


def _integer(value: object, name: str) -> int:
    try:
        return wire.sequence(value, name)
    except FrameError as error:
        raise _bad(f"a wrong answer: {error.detail}") from None


def _fields(text: str, name: str) -> dict[str, object]:
    data = _data(text, name)
    if not isinstance(data, dict):
        raise _bad(f"a {name} without data")
    return data


def _data(text: str, name: str) -> object:
    try:
        envelope = wire.load(text)
    except FrameError as error:
        raise _bad(f"a {name} that is no answer ({error.detail})") from None
    if envelope.get("code") != _SUCCESS:
        raise _bad(f"a {name} without success")
    return envelope.get("data")


def _bad(what: str) -> BadAnswer:
    return BadAnswer(None, f"KuCoin sent {what}", advice=_LATER, is_transient=True)


def rate_limit(headers: Mapping[str, str]) -> RateLimit | None:
    """What an answer's headers say of the quota; ``None`` unless all three are there and make sense.

    Args:
        headers: Of the answer; the case of names does not matter.
    """
    given = {name.lower(): value for name, value in headers.items()}
    found = [_count(given.get(f"gw-ratelimit-{name}")) for name in ("limit", "remaining", "reset")]
    limit, remaining, reset_ms = found
    if limit is None or remaining is None or reset_ms is None or limit == 0:
        return None
    return RateLimit(limit, remaining, reset_ms)


def _count(text: str | None) -> int | None:
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _COUNT_DIGITS_MAX else None


def answer_problem(status: int, text: str, headers: Mapping[str, str], symbol: str = "") -> RestError | None:
    """Judge an answer before anybody decodes it.

    Args:
        status: HTTP status.
        text: The body.
        headers: Of the answer; the case of names does not matter.
        symbol: Whom the request was about, when it was about one.

    Returns:
        ``None`` for a success, else an error to raise. It is transient where asking again may help.

    Complexity: O(length); a long body that looks good is counted through, not decoded.
    """
    if status == 200 and _looks_good(text):
        return None
    if 300 <= status < 400:
        return BadAnswer(None, "the server answered with a redirect", status, f"redirects are not followed: {_ADDRESS}")
    try:
        envelope = wire.load(text)
    except FrameError as error:
        return _no_envelope(status, text, headers, error.detail)
    code = wire.text_of(envelope, "code")
    if code is None:
        return _no_envelope(status, text, headers, "no code")
    if code == _SUCCESS and status == 200:
        return None
    message = ascii(wire.text_of(envelope, "msg") or "no message")[1:-1][:_MESSAGE_MAX]
    return _venue_problem(status, ascii(code)[1:-1][:20], message, headers, symbol)


def _looks_good(text: str) -> bool:
    return (
        _GOOD_START.match(text) is not None
        and text.count("{") == text.count("}")
        and text.count("[") == text.count("]")
        and text.rstrip().endswith("}")
    )


def _venue_problem(status: int, code: str, message: str, headers: Mapping[str, str], symbol: str) -> RestError:
    said = f"KuCoin answered code {code}: {message}"
    if code in _LIMIT_CODES or status == 429:
        return _rate_limited(status, code, said, headers)
    if code in _REFUSALS:
        # A clock is set, or its stamp was under way for too long; a key does not become right.
        return Refused(code, said, status, _REFUSALS[code], is_transient=code == CLOCK_IS_WRONG)
    if code in _SYMBOL_CODES or (code == "400100" and symbol and "symbol" in message.lower()):
        about = f"{symbol}: {said}" if symbol else said
        return UnknownSymbol(code, about, status, "check its name, such as BTC-USDT, and that it trades", symbol=symbol)
    is_busy = code in _BUSY_CODES or status >= 500
    if status in (401, 403) and not is_busy:
        # No code that is known to be final: somebody between us and the venue may have said so.
        return Refused(None, said, status, "check the API key and its permissions")
    if status == 404:
        return BadAnswer(code, said, status, f"no such path: {_ADDRESS}")
    return RestError(code, said, status, _LATER if is_busy else "", is_transient=is_busy)


def _rate_limited(status: int, code: str | None, said: str, headers: Mapping[str, str]) -> RateLimited:
    """With its headers it is our quota; without them the venue is overloaded, whatever we asked so far.

    The edge's block of an address is named by its code alone.
    """
    if code == _EDGE_BLOCK:
        return RateLimited(code, said, status, _PATIENCE, retry_ms=_EDGE_BLOCK_MS, is_quota=True)
    limit = rate_limit(headers)
    if limit is not None:
        return RateLimited(code, said, status, _PATIENCE, retry_ms=min(limit.reset_ms, _RETRY_MS_MAX), is_quota=True)
    seconds = _count({name.lower(): value for name, value in headers.items()}.get("retry-after"))
    retry_ms = None if seconds is None else min(1_000 * seconds, _RETRY_MS_MAX)
    return RateLimited(code, said, status, _PATIENCE, retry_ms=retry_ms, is_quota=retry_ms is not None)


def _no_envelope(status: int, text: str, headers: Mapping[str, str], detail: str) -> RestError:
    """What comes from a proxy, an edge server or a broken line instead of from the venue."""
    what = "a page of HTML" if _MARKUP.match(text) else f"no usable answer ({detail})"
    said = f"the server sent {what} with status {status}"
    if _MARKUP.match(text) and "1015" in text and status in (403, 429):
        return _rate_limited(status, _EDGE_BLOCK, said, headers)
    if status == 429:
        return _rate_limited(status, None, said, headers)
    if status in (401, 403, 407, 451):
        return Refused(None, said, status, "the venue's edge, or a proxy, does not serve this address or region")
    is_transient = status == 200 or status >= 500 or status == 408
    return BadAnswer(None, said, status, _LATER if is_transient else _ADDRESS, is_transient=is_transient)
