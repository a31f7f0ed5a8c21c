"""KuCoin's signatures, against computed check values, and where a key may go."""

from __future__ import annotations

import pytest

from orderbook.errors import UsageError
from orderbook.secret import Credentials
from orderbook.venues.kucoin_auth import OWN_HOSTS, credentials_for, signed_headers, verify
from orderbook.venues.kucoin_rest import book_request, token_request
from orderbook.venues.rest import RestRequest

CREDENTIALS = Credentials.of("not-a-real-key", "not-a-real-secret", "not-a-real-passphrase")
NOW_MS = 1_700_000_000_000
ENVIRON = {"KUCOIN_API_KEY": "k", "KUCOIN_API_SECRET": "s", "KUCOIN_API_PASSPHRASE": "p"}


@pytest.mark.parametrize(
    ("request_", "sign"),
    [
        (book_request("BTC-USDT", "full"), "DA3b4/Fb1JkFY769whQBueHBFkp+C/TblLvezH97hOk="),
        (token_request(private=True), "o1PA+sc5277tmYWJYsYDDo3W+qZJpiAP9jb65nblJpA="),
    ],
)
def test_the_check_values(request_: RestRequest, sign: str) -> None:
    """The signatures of known requests are what they must be."""
    assert {
        "KC-API-KEY": "not-a-real-key",
        "KC-API-SIGN": sign,
        "KC-API-TIMESTAMP": "1700000000000",
        "KC-API-PASSPHRASE": "poDDckPlqtIXl1/CnPd8E3da8vRGhgCrPg/mapADhnA=",
        "KC-API-KEY-VERSION": "3",
        "Content-Type": "application/json",
    } == signed_headers(CREDENTIALS, NOW_MS, request_)


def test_a_signed_request_verifies() -> None:
    """What one side signs the other accepts: with a body, odd characters, and names of headers in any case."""
    request = RestRequest("POST", "/api/v1/x", (("a", "b c"), ("d", "1/2")), body='{"e":"\u00e9"}')
    headers = {name.lower(): value for name, value in signed_headers(CREDENTIALS, NOW_MS, request).items()}

    for target in (request.target, request.encoded_target):
        assert None is verify(CREDENTIALS, headers, "post", target, request.body, now_ms=NOW_MS + 5_000)


@pytest.mark.parametrize(
    ("change", "now_ms", "code"),
    [
        ({"KC-API-SIGN": ""}, NOW_MS, "400001"),
        ({}, NOW_MS + 5_001, "400002"),
        ({}, NOW_MS - 5_001, "400002"),
        ({"KC-API-TIMESTAMP": "soon"}, NOW_MS, "400002"),
        ({"KC-API-TIMESTAMP": "9" * 5_000}, NOW_MS, "400002"),
        ({"KC-API-TIMESTAMP": "١"}, NOW_MS, "400002"),
        ({"KC-API-KEY": "another"}, NOW_MS, "400003"),
        ({"KC-API-PASSPHRASE": "not-a-real-passphrase"}, NOW_MS, "400004"),
        ({"KC-API-SIGN": "AAAA"}, NOW_MS, "400005"),
        ({"KC-API-TIMESTAMP": str(NOW_MS + 1)}, NOW_MS, "400005"),
        ({"KC-API-KEY-VERSION": "2"}, NOW_MS, "400008"),
    ],
)
def test_what_is_wrong_gets_the_venues_code(change: dict[str, str], now_ms: int, code: str) -> None:
    """Each header is checked, and the code tells which."""
    request = book_request("BTC-USDT", "full")
    headers = signed_headers(CREDENTIALS, NOW_MS, request) | change

    assert code == verify(CREDENTIALS, headers, "GET", request.encoded_target, "", now_ms=now_ms)


@pytest.mark.parametrize(("method", "target", "body"), [("POST", "/x", ""), ("GET", "/y", ""), ("GET", "/x", "b")])
def test_another_request_does_not_fit_a_signature(method: str, target: str, body: str) -> None:
    """Method, path and body are all signed."""
    headers = signed_headers(CREDENTIALS, NOW_MS, RestRequest("GET", "/x"))

    assert "400005" == verify(CREDENTIALS, headers, method, target, body, now_ms=NOW_MS)


@pytest.mark.parametrize("host", sorted(OWN_HOSTS))
def test_the_environments_key_goes_to_the_venue(host: str) -> None:
    """To its own hosts over TLS."""
    assert Credentials.of("k", "s", "p") == credentials_for(f"https://{host}", None, ENVIRON)


@pytest.mark.parametrize(
    "url",
    [
        "http://api.kucoin.com",
        "https://api.kucoin.com.example.org",
        "https://api.kucoin.com@example.org",
        "https://example.org",
        "http://127.0.0.1:8080",
        "https://api.kucoin.com:8443",
        "wss://api.kucoin.com",
        "https://[",
        "",
    ],
)
def test_the_environments_key_goes_nowhere_else(url: str) -> None:
    """Whoever talks a user into an address does not get his key; a key that is handed over is the user's choice."""
    assert None is credentials_for(url, None, ENVIRON)
    assert CREDENTIALS is credentials_for(url, CREDENTIALS, ENVIRON)


def test_half_a_key_is_told_only_where_it_would_be_used() -> None:
    """An incomplete environment is an error for the venue, and nobody's business elsewhere."""
    with pytest.raises(UsageError, match="KUCOIN_API_SECRET"):
        credentials_for("https://api.kucoin.com", None, {"KUCOIN_API_KEY": "k"})
    assert None is credentials_for("http://127.0.0.1:1", None, {"KUCOIN_API_KEY": "k"})
