"""No secret passes into an address that is written down, and nothing else is changed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderbook.redact import hide, is_token_answer, redact_url, scrub
from orderbook.secret import Secret

CANARY = "c4n4ry-S3CR3T"
ANSWER = b'{"code":"200000","data":{"token":"abc","instanceServers":[{"endpoint":"wss://x"}]}}'


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (f"wss://ws-api.kucoin.com/?token={CANARY}&connectId=7", "wss://ws-api.kucoin.com/?token=TOKEN&connectId=7"),
        (f"wss://x/?connectId=7&token={CANARY}==.x/y+z;?q", "wss://x/?connectId=7&token=TOKEN"),
        (f"wss://x/?token={CANARY}#fragment", "wss://x/?token=TOKEN"),
        (f"https://x/a?b=1;token={CANARY}", "https://x/a?b=1;token=TOKEN"),
        (f"https://x/a?%74oken={CANARY}", "https://x/a?%74oken=TOKEN"),
        (f"https://x/a#access_token={CANARY}", "https://x/a#access_token=TOKEN"),
        (f"https://x/token={CANARY}/b", "https://x/token=TOKEN"),
        (f"token={CANARY}", "token=TOKEN"),
        *(
            (f"https://x/a?n=1&{name}={CANARY}&limit=20", f"https://x/a?n=1&{name}=TOKEN&limit=20")
            for name in (
                *("TOKEN", "listenKey", "api-key", "apiKey", "KC-API-KEY", "KC-API-SIGN", "KC-API-PASSPHRASE"),
                *("secret", "signature", "X-Amz-Credential", "passphrase", "password", "pwd", "sig", "authorization"),
                "jwt",
            )
        ),
        (f"https://{CANARY}@x/a", "https://TOKEN@x/a"),
        (f"https://user:p@{CANARY}@x:8443/a@b", "https://TOKEN@x:8443/a@b"),
        (f"//user:{CANARY}@x", "//TOKEN@x"),
        (f"https://x/?to=https%3A%2F%2Fy%2F%3Ftoken%3D{CANARY}&b=1", "https://x/?to=TOKEN&b=1"),
        (f"https://x/?to=token%3D{CANARY}", "https://x/?to=TOKEN"),
        (f"https://x/?to=https%3A%2F%2Fu%3A{CANARY}%40y", "https://x/?to=TOKEN"),
        (f"https://x/?to=a%252525253Dtoken%252525253D{CANARY}", "https://x/?to=TOKEN"),
        ("wss://x/ws/" + "aB3" * 20, "wss://x/ws/TOKEN"),
        ("wss://x/stream?streams=" + "aB3" * 20 + "/b@depth", "wss://x/stream?streams=TOKEN/b@depth"),
    ],
)
def test_a_secret_is_replaced(url: str, expected: str) -> None:
    """Each place where an address can carry a secret, and the rest of the address stays."""
    assert expected == redact_url(url)
    assert expected == redact_url(expected), "doing it twice changes nothing more"
    assert CANARY not in expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "wss://stream.binance.com:9443/stream?streams=btcusdt@depth@100ms/ethusdt@bookTicker",
        "https://api.kucoin.com/api/v3/market/orderbook/level2?symbol=BTC-USDT",
        "https://x/a?symbol=BTC%2FUSDT&limit=20&timestamp=1619378326",
        "wss://x/?connectId=7e2b61de-3b3c-4a2f-9d0e-0123456789ab&message=hello%20world",
        "https://x:443/a/b@c?d=e@f",
        "not an address at all \N{SNOWMAN} = ; & %zz %",
    ],
)
def test_an_address_without_secrets_stays_as_it_is(url: str) -> None:
    """Character for character, escapes and all."""
    assert url == redact_url(url)


@given(st.text(), st.sampled_from(["token", "apiKey", "signature"]), st.text("abc=?;/.+%#@", min_size=1))
def test_whatever_stands_around_it_the_secret_goes(before: str, name: str, after: str) -> None:
    """A named secret never survives, and redaction is idempotent on any text."""
    url = f"{before}&{name}={CANARY}{after}"
    redacted = redact_url(url)

    assert CANARY not in redacted
    assert redacted == redact_url(redacted)


@pytest.mark.parametrize(
    ("kind", "url", "raw", "expected"),
    [
        ("rest", "https://api.kucoin.com/api/v1/bullet-public", b"", True),
        ("rest", "https://api.kucoin.com/api/v1/bullet-private?a=1", b"", True),
        ("rest", "https://api.kucoin.com/api/v1/Bullet%2DPrivate", b"", True),
        ("ws", "wss://x/bullet%252Dpublic", b"", True),
        ("rest", None, ANSWER, True),
        ("rest", "https://x/a", b'{"token":"just one of the two"}', False),
        ("rest", "https://x/a", b'{"instanceServers":[]}', False),
        ("rest", None, b"{}", False),
        ("ws", None, ANSWER, False),
    ],
)
def test_a_token_answer_is_known(kind: str, url: str | None, raw: bytes, expected: bool) -> None:
    """By its address however that is written, or by its content."""
    assert expected == is_token_answer(kind, url, raw)


# -- texts --


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("> GET /?token={}&connectId=7 HTTP/1.1", "> GET /?token=TOKEN&connectId=7 HTTP/1.1"),
        ("> GET /?connectId=7&token={} HTTP/1.1", "> GET /?connectId=7&token=TOKEN HTTP/1.1"),
        ("uri='wss://x/?token={}', n=1", "uri='wss://x/?token=TOKEN', n=1"),
        ("(wss://x/?a=1&token={}): refused", "(wss://x/?a=1&token=TOKEN): refused"),
        ("via http://user:{}@proxy:3128 to x", "via http://TOKEN@proxy:3128 to x"),
        ("> KC-API-SIGN: {}\r\nHost: x", "> KC-API-SIGN: TOKEN\r\nHost: x"),
        ("KC-API-PASSPHRASE: {} and more", "KC-API-PASSPHRASE: TOKEN"),
        ("> Authorization: Basic {}", "> Authorization: TOKEN"),
        ("Cookie: a=1; b={}", "Cookie: TOKEN"),
        ("{{'KC-API-KEY': '{}', 'n': '1'}}", "{'KC-API-KEY': 'TOKEN', 'n': '1'}"),
        ("(b'kc-api-key', b'{}'), (b'host', b'x')", "(b'kc-api-key', b'TOKEN'), (b'host', b'x')"),
        ('{{"data":{{"token":"{}","n":1}}}}', '{"data":{"token":"TOKEN","n":1}}'),
        ('{{"passphrase": "a\\"{}", "n": 1}}', '{"passphrase": "TOKEN", "n": 1}'),
        (r'"{{\"token\":\"{}\",\"n\":1}}"', r'"{\"token\":\"TOKEN\",\"n\":1}"'),
        ('< TEXT \'{{"token":"{}...', '< TEXT \'{"token":"TOKEN'),
    ],
)
def test_a_secret_is_replaced_wherever_it_stands(text: str, expected: str) -> None:
    """Addresses, headers, JSON, reprs of them, and texts cut off in the middle; what surrounds it stays."""
    assert expected == scrub(text.format(CANARY))
    assert expected == scrub(expected), "doing it twice changes nothing more"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "= connection is OPEN",
        '< TEXT \'{"type":"message","topic":"/market/level2:BTC-USDT","data":{"changes":...',
        "BTC-USDT: LIVE -> SYNCING: gap, expected 5, received 7; 12:30:01 [n=3]",
        "https://api.kucoin.com/api/v1/market/orderbook/level2_20?symbol=BTC-USDT",
        "> User-Agent: Python/3.13 websockets/15.0",
    ],
)
def test_a_harmless_line_stays_as_it_is(text: str) -> None:
    """Character for character."""
    assert text == scrub(text)


def test_a_known_secret_goes_wherever_it_stands() -> None:
    """Without any name beside it, quoted for an address, in its wrapping; what is too short to be one stays."""
    secret = "p/s+s w&rd"
    for form in (secret, "p/s%2Bs%20w%26rd", "p%2Fs%2Bs%20w%26rd", "p%2Fs%2Bs+w%26rd"):
        assert "it is TOKEN here" == scrub(f"it is {form} here", [secret])
    assert "it is TOKEN" == scrub(f"it is {CANARY}", [Secret(CANARY)])
    assert "a line" == scrub("a line", ["", "li"])


def test_json_stays_json_when_only_known_secrets_go() -> None:
    """``hide`` takes out what it is given, and leaves names alone: ``scrub`` would cut this line at the colon."""
    text = f'{{"code":"400005","msg":"invalid signature: {CANARY} of li"}}'

    assert '{"code":"400005","msg":"invalid signature: TOKEN of li"}' == hide(text, [Secret(CANARY), "li"])
    assert text == hide(text, ())
    assert scrub(text) != hide(text, ())
