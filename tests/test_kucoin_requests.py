"""KuCoin's REST requests as data, and what its answers mean."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest

from orderbook.errors import (
    BadAnswer,
    RateLimited,
    Refused,
    RestError,
    UnknownSymbol,
    UsageError,
    VenueError,
)
from orderbook.venues import kucoin_rest as rest
from orderbook.venues.kucoin import KuCoin
from orderbook.venues.rest import Instrument, RateLimit, RestRequest, Server
from tests.unchecked import unchecked

QUOTA = {"GW-RateLimit-Limit": "2000", "gw-ratelimit-remaining": "17", "gw-ratelimit-reset": "1234"}


def good(data: object) -> str:
    """A successful answer."""
    return json.dumps({"code": "200000", "data": data})


def failed(code: object, message: str = "words") -> str:
    """An answer with another code."""
    return json.dumps({"code": code, "msg": message})


@pytest.mark.parametrize(
    ("request_", "target", "signed", "weight", "pool"),
    [
        (rest.token_request(private=False), "/api/v1/bullet-public", False, 10, "public"),
        (rest.token_request(private=True), "/api/v1/bullet-private", True, 10, "spot"),
        (rest.symbols_request(), "/api/v2/symbols", False, 4, "public"),
        (rest.time_request(), "/api/v1/timestamp", False, 3, "public"),
        (rest.touch_request("A-B"), "/api/v1/market/orderbook/level1?symbol=A-B", False, 2, "public"),
        (rest.book_request("A-B", 20), "/api/v1/market/orderbook/level2_20?symbol=A-B", False, 2, "public"),
        (rest.book_request("A-B", 100), "/api/v1/market/orderbook/level2_100?symbol=A-B", False, 4, "public"),
        (rest.book_request("A-B", "full"), "/api/v3/market/orderbook/level2?symbol=A-B", True, 3, "spot"),
    ],
)
def test_the_requests(request_: RestRequest, target: str, signed: bool, weight: int, pool: str) -> None:
    """Path, query, signature, weight and pool of each."""
    assert (target, signed, weight, pool) == (request_.target, request_.signed, request_.weight, request_.pool)
    assert request_.target == request_.encoded_target
    assert ("POST" if "bullet" in target else "GET", "") == (request_.method, request_.body)


@pytest.mark.parametrize("symbol", ["BTC", "A-B&x=1", "A-B/../c", "A B-C", "", None])
def test_what_is_no_symbol_is_never_asked_for(symbol: Any) -> None:
    """A symbol cannot become another path or a second argument."""
    for ask in (rest.touch_request, lambda text: rest.book_request(text, 20)):
        with pytest.raises(UsageError, match="is not a KuCoin spot symbol"):
            ask(symbol)


def test_a_depth_that_nobody_offers() -> None:
    """The three depths are named."""
    with pytest.raises(UsageError, match='depth 20, 100 or "full", not 50'):
        rest.book_request("A-B", unchecked(50))


def test_a_query_is_sent_encoded_and_signed_plain() -> None:
    """What is odd in an address is encoded on the way only."""
    request = RestRequest("GET", "/x", (("a b", "c&d/e"),))

    assert ("/x?a b=c&d/e", "/x?a%20b=c%26d%2Fe") == (request.target, request.encoded_target)


def server(**changes: object) -> dict[str, object]:
    """A server of a token answer; ``None`` takes a field away."""
    fields = {"endpoint": "wss://ws.example.org/endpoint", "pingInterval": 18000, "pingTimeout": 10000} | changes
    return {name: value for name, value in fields.items() if value is not None}


def test_a_token() -> None:
    """Its text is a secret, its servers come with their ping times."""
    token = rest.decode_token(good({"token": "canary==", "instanceServers": [server(), server(pingTimeout="500")]}))

    assert "canary==" == token.token.reveal()
    assert "canary" not in repr(token)
    endpoint = "wss://ws.example.org/endpoint"
    assert (Server(endpoint, 18_000, 10_000), Server(endpoint, 18_000, 500)) == token.servers


@pytest.mark.parametrize("endpoint", ["ws://127.0.0.1:1/", "ws://localhost:1/", "ws://[::1]:1/"])
def test_a_server_on_this_machine_needs_no_encryption(endpoint: str) -> None:
    """If the token came from this machine; else even that is refused."""
    text = good({"token": "t", "instanceServers": [server(endpoint=endpoint)]})

    assert endpoint == rest.decode_token(text, allow_plain=True).servers[0].endpoint
    with pytest.raises(BadAnswer, match="not to be used"):
        rest.decode_token(text)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"token": "canary", "instanceServers": [server(endpoint="ws://example.org/")]}, "not encrypted: use wss"),
        ({"token": "canary", "instanceServers": [server(endpoint="http://127.0.0.1/")]}, "looks like wss"),
        ({"token": "canary", "instanceServers": [server(endpoint="wss://u:canary@h/")]}, "without user name"),
        ({"token": "canary", "instanceServers": [server(endpoint=None)]}, "looks like wss"),
        ({"token": "canary", "instanceServers": [server(pingInterval=None)]}, "a usable pingInterval"),
        ({"token": "canary", "instanceServers": [server(pingInterval=0)]}, "a usable pingInterval"),
        ({"token": "canary", "instanceServers": [server(pingTimeout="x")]}, "a usable pingTimeout"),
        ({"token": "canary", "instanceServers": [server(pingTimeout=10**9)]}, "a usable pingTimeout"),
        ({"token": "canary", "instanceServers": ["canary"]}, "a server that is no object"),
        ({"token": "canary", "instanceServers": []}, "without servers"),
        ({"token": "canary", "instanceServers": "canary"}, "without servers"),
        ({"token": "", "instanceServers": [server()]}, "without a token"),
        ({"token": 7, "instanceServers": [server()]}, "without a token"),
        (None, "without data"),
        ([], "without data"),
    ],
)
def test_a_token_answer_that_cannot_be_used(data: object, problem: str) -> None:
    """Each is a transient error that shows nothing of the token."""
    with pytest.raises(BadAnswer, match=problem) as caught:
        rest.decode_token(good(data), allow_plain=True)

    assert caught.value.is_transient
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "problem"), [("[]", "not a JSON object"), ("{", "is no answer"), (failed("1"), "success")]
)
def test_a_decoder_wants_a_success(text: str, problem: str) -> None:
    """An answer that was judged by nobody is still no token."""
    with pytest.raises(BadAnswer, match=problem):
        rest.decode_token(text)


def entry(**changes: object) -> dict[str, object]:
    """An entry of a symbols answer."""
    fields = {"symbol": "A-B", "baseCurrency": "A", "quoteCurrency": "B", "priceIncrement": "0.1"}
    return {**fields, "baseIncrement": "0.00001", "enableTrading": True, "name": "odd", **changes}


def test_the_rules_of_symbols() -> None:
    """A list or one alone; an entry that cannot be read does not stop the others."""
    odd = [entry(symbol=None), entry(symbol="x"), entry(priceIncrement="NaN"), entry(baseIncrement="0"), 7]
    rules = Instrument("A-B", "A", "B", "0.1", "0.00001", is_trading=True)

    assert (rules,) == rest.decode_symbols(good(entry()))
    assert (rules, rules._replace(symbol="C-B", is_trading=False)) == rest.decode_symbols(
        good([*odd, entry(), entry(symbol="C-B", enableTrading=None)])
    )
    for data in (odd, [], None):
        with pytest.raises(BadAnswer, match="without a symbol"):
            rest.decode_symbols(good(data))


def test_a_time_and_a_sequence() -> None:
    """Both as number or text; anything else is no answer."""
    assert 1_767_690_000_123 == rest.decode_time(good(1_767_690_000_123))
    assert 2500003 == rest.decode_sequence(good({"sequence": "2500003"}))
    for text in (good(None), good(1.5), good(-1)):
        with pytest.raises(BadAnswer, match="time answer"):
            rest.decode_time(text)
    for text in (good(None), good({}), good({"sequence": "x"})):
        with pytest.raises(BadAnswer, match="book answer"):
            rest.decode_sequence(text)


@pytest.mark.parametrize(
    ("text", "is_unknown"),
    [
        (good(None), True),
        (good({"sequence": None, "bids": None}), True),
        (good({}), True),
        (good({"sequence": "1", "bids": [], "asks": []}), False),
        (good([]), False),
        ("{", False),
        (good({"pad": "x" * 400}), False),
    ],
)
def test_a_success_without_a_book_is_an_unknown_symbol(text: str, is_unknown: bool) -> None:
    """A book whose sides are empty has a sequence; nothing at all is no book."""
    assert is_unknown == rest.is_unknown_symbol(text)


@pytest.mark.parametrize(
    ("headers", "limit"),
    [
        (QUOTA, RateLimit(2_000, 17, 1_234)),
        ({}, None),
        ({name: value for name, value in QUOTA.items() if "reset" not in name}, None),
        (QUOTA | {"gw-ratelimit-remaining": "-1"}, None),
        (QUOTA | {"gw-ratelimit-remaining": "1" * 5_000}, None),
        (QUOTA | {"gw-ratelimit-reset": "soon"}, None),
        (QUOTA | {"GW-RateLimit-Limit": "0"}, None),
    ],
)
def test_what_headers_say_of_the_quota(headers: dict[str, str], limit: RateLimit | None) -> None:
    """All three or nothing."""
    assert limit == rest.rate_limit(headers)


@pytest.mark.parametrize(
    "text",
    [good({"sequence": "1"}), f" {good([])} ", '{"data":[],"code":"200000"}', '{"code" : "200000", "data": "}"}'],
)
def test_a_success_is_no_problem(text: str) -> None:
    """In whatever order its keys come."""
    assert None is rest.answer_problem(200, text, {})


CASES: list[tuple[int, str, dict[str, str], type[RestError], bool, str]] = [
    (400, failed("400001"), {}, Refused, False, "give key, secret and passphrase"),
    (400, failed("400002"), {}, Refused, True, "clock right"),
    (401, failed("400003"), {}, Refused, False, "check the API key"),
    (200, failed("400004"), {}, Refused, False, "check the passphrase"),
    (401, failed("400005"), {}, Refused, False, "check the API secret"),
    (403, failed("400006"), {}, Refused, False, "public address to the key's list"),
    (403, failed("400007"), {}, Refused, False, "General permission"),
    (400, failed("400008"), {}, Refused, False, "version"),
    (200, failed("411100"), {}, Refused, False, "frozen"),
    (401, failed("1"), {}, Refused, False, "permissions"),
    (429, failed("429000"), QUOTA, RateLimited, True, "ask less often"),
    (200, failed("429000"), {}, RateLimited, True, "ask less often"),
    (429, failed("1"), {}, RateLimited, True, "ask less often"),
    (429, "<html>slow</html>", {"Retry-After": "3"}, RateLimited, True, "HTML with status 429"),
    (403, "<html>error 1015</html>", {}, RateLimited, True, "HTML with status 403"),
    (400, failed("900001"), {}, UnknownSymbol, False, "A-B: KuCoin answered code 900001: words"),
    (200, failed("600203"), {}, UnknownSymbol, False, "check its name"),
    (200, failed("400100", "Symbol is invalid"), {}, UnknownSymbol, False, "check its name"),
    (200, failed("400100", "size is invalid"), {}, RestError, False, "code 400100: size is invalid$"),
    (500, failed("500000"), {}, RestError, True, "try again later"),
    (200, failed("230005"), {}, RestError, True, "try again later"),
    (403, failed("500000"), {}, RestError, True, "try again later"),
    (503, failed("7"), {}, RestError, True, "try again later"),
    (503, good(1), {}, RestError, True, "code 200000"),
    (404, failed("404"), {}, BadAnswer, False, "no such path"),
    (302, "", {"Location": "https://canary"}, BadAnswer, False, "redirect"),
    (200, "<html>", {}, BadAnswer, True, "a page of HTML with status 200"),
    (502, " <!DOCTYPE html>", {}, BadAnswer, True, "a page of HTML with status 502"),
    (403, "<html>", {}, Refused, False, "address or region"),
    (404, "<html>", {}, BadAnswer, False, "check the address of the server"),
    (200, "", {}, BadAnswer, True, "no usable answer"),
    (200, good({"bids": [["1", "2"]]})[:-2], {}, BadAnswer, True, "no usable answer"),
    (200, good({"bids": [["1", "2"]]})[:-5], {}, BadAnswer, True, "no usable answer"),
    (200, good([1])[:-3] + "}", {}, BadAnswer, True, "no usable answer"),
    (200, '{"data":1}', {}, BadAnswer, True, "no code"),
    (200, failed(400), {}, BadAnswer, True, "no code"),
    (200, failed("9\n9", "a\nb\x1b[31m"), {}, RestError, False, r"code 9\\n9: a\\nb\\x1b\[31m$"),
    (200, failed("9", "x" * 5_000), {}, RestError, False, "code 9: x{200}$"),
]


@pytest.mark.parametrize(("status", "text", "headers", "kind", "is_transient", "words"), CASES)
def test_what_a_failure_asks_for(
    status: int, text: str, headers: dict[str, str], kind: type[RestError], is_transient: bool, words: str
) -> None:
    """Each answer that is no success becomes one kind of error, whose one line says what to do."""
    problem = rest.answer_problem(status, text, headers, "A-B")

    assert problem is not None
    with pytest.raises(VenueError, match=words):
        raise problem
    assert (kind, is_transient, status) == (type(problem), problem.is_transient, problem.status)
    assert str(problem).isprintable()
    assert vars(problem) == vars(pickle.loads(pickle.dumps(problem)))
    assert "canary" not in str(problem)


@pytest.mark.parametrize(
    ("error", "is_final"),
    [
        (Refused("400003", "no such key"), True),
        (Refused("400002", "the clock", is_transient=True), False),
        (Refused(None, "a page of HTML with status 403"), False),
    ],
)
def test_which_refusals_only_the_user_can_help_with(error: Refused, is_final: bool) -> None:
    """Those of the venue itself, but for the clock, which is set some day; not those of whoever stands between."""
    assert is_final == error.is_final


@pytest.mark.parametrize(
    ("status", "text", "headers", "retry_ms", "is_quota"),
    [
        (429, failed("429000"), QUOTA, 1_234, True),
        (429, failed("429000"), QUOTA | {"gw-ratelimit-reset": "999999999"}, 600_000, True),
        (429, failed("429000"), {}, None, False),
        (429, "", {"retry-after": "7"}, 7_000, True),
        (429, "", {"retry-after": "99999999"}, 600_000, True),
        (429, "", {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, None, False),
        (429, "<p>1015", {}, 30_000, True),
    ],
)
def test_how_long_to_wait(
    status: int, text: str, headers: dict[str, str], retry_ms: int | None, is_quota: bool
) -> None:
    """Headers that name a time mean our quota; without them the venue is overloaded. No wait is without end."""
    problem = rest.answer_problem(status, text, headers)

    assert isinstance(problem, RateLimited)
    assert (retry_ms, is_quota) == (problem.retry_ms, problem.is_quota)


def test_an_unknown_symbol_is_named() -> None:
    """When the request was about one; a parameter error of another request is none."""
    for symbol, said in (("A-B", "A-B: KuCoin"), ("", "KuCoin")):
        problem = rest.answer_problem(200, failed("900001"), {}, symbol)
        assert isinstance(problem, UnknownSymbol)
        assert symbol == problem.symbol
        assert str(problem).startswith(said)
    assert RestError is type(rest.answer_problem(200, failed("400100", "symbol?"), {}))


@pytest.mark.parametrize(
    ("url", "text", "found"),
    [
        ("/level1?symbol=A-B", '{"code":"200000","data":{"sequence":"15"}}', ("A-B", 15)),
        ("/level1?symbol=A-B", '{"code":"200000","data":{"sequence":"many"}}', None),
        ("/level1?symbol=A-B", '{"code":"200000","data":{}}', None),
        ("/level1?symbol=A-B", '{"code":"200000","data":null}', None),
        ("/level1?symbol=A-B", '{"code":"400100","data":{"sequence":"15"}}', None),
        ("/level1?symbol=A-B", "{", None),
        ("/level1", '{"code":"200000","data":{"sequence":"15"}}', None),
        ("/level12?symbol=A-B", '{"code":"200000","data":{"sequence":"15"}}', None),
    ],
)
def test_a_probe_is_known_by_its_address(url: str, text: str, found: tuple[str, int] | None) -> None:
    """Not by what is in it; and only a success tells a sequence."""
    assert found == KuCoin().probe_answer(f"https://api.kucoin.com/api/v1/market/orderbook{url}", text)
    assert None is KuCoin().probe_answer(f"https://[{url}", text)
