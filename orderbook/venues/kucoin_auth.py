"""How KuCoin's private requests are signed, and how a server checks that.

``sign = base64(HMAC-SHA256(secret, timestamp + METHOD + path?query + body))``; the passphrase is signed the same way.
Key versions 2 and 3 differ in the header's value alone.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote, urlsplit

from orderbook.secret import Credentials, Secret, check_credentials
from orderbook.venues.rest import RestRequest

OWN_HOSTS: Final = frozenset(
    {"api.kucoin.com", "openapi-v2.kucoin.com", "api.kucoin.eu", "api-futures.kucoin.com", "api-futures.kucoin.eu"}
)
"""The only hosts that keys from the environment go to."""

WINDOW_MS: Final = 5_000
"""How far a timestamp may be from the venue's clock."""

_HEADERS: Final = (
    "KC-API-KEY",
    "KC-API-SIGN",
    "KC-API-TIMESTAMP",
    "KC-API-PASSPHRASE",
    "KC-API-KEY-VERSION",
)


def signed_headers(credentials: Credentials, timestamp_ms: int, request: RestRequest) -> dict[str, str]:
    """The headers of a private request.

    Args:
        credentials: The key.
        timestamp_ms: Now, by the venue's clock, in ms since the epoch.
        request: What is signed; its body and target must be sent unchanged.

    Returns:
        Header names and values. They hold the key: hand them to the transport only.
    """
    prehash = f"{timestamp_ms}{request.method.upper()}{request.target}{request.body}"
    return {
        "KC-API-KEY": credentials.key.reveal(),
        "KC-API-SIGN": _hmac(credentials.secret, prehash),
        "KC-API-TIMESTAMP": str(timestamp_ms),
        "KC-API-PASSPHRASE": _hmac(credentials.secret, credentials.passphrase.reveal()),
        "KC-API-KEY-VERSION": str(credentials.version),
        "Content-Type": "application/json",
    }


def verify(
    credentials: Credentials, headers: Mapping[str, str], method: str, target: str, body: str, *, now_ms: int
) -> str | None:
    """Check a private request as the venue does.

    Args:
        credentials: The one key that is accepted.
        headers: Of the request; the case of names does not matter.
        method: Of the request.
        target: Path and query as received, percent-encoded or not.
        body: As received.
        now_ms: The server's clock, in ms since the epoch.

    Returns:
        ``None`` when all is well, else the venue's code for the first thing that is not.
    """
    given = {name.upper(): value for name, value in headers.items()}
    if any(not given.get(name) for name in _HEADERS):
        return "400001"
    timestamp = given["KC-API-TIMESTAMP"]
    # The window before the rest: a client with a wrong clock is told so even if its key is wrong as well.
    if not _is_near(timestamp, now_ms):
        return "400002"
    if Secret(given["KC-API-KEY"]) != credentials.key:
        return "400003"
    if given["KC-API-KEY-VERSION"] != str(credentials.version):
        return "400008"
    if not _is_same(given["KC-API-PASSPHRASE"], _hmac(credentials.secret, credentials.passphrase.reveal())):
        return "400004"
    prehash = f"{timestamp}{method.upper()}{unquote(target)}{body}"
    return None if _is_same(given["KC-API-SIGN"], _hmac(credentials.secret, prehash)) else "400005"


def _is_near(timestamp: str, now_ms: int) -> bool:
    is_number = timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 15
    return is_number and abs(int(timestamp) - now_ms) <= WINDOW_MS


def _is_same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), wanted.encode())


def _hmac(secret: Secret, text: str) -> str:
    digest = hmac.new(secret.reveal().encode(), text.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def credentials_for(url: str, explicit: Credentials | None, environ: Mapping[str, str]) -> Credentials | None:
    """Which key may go to an address.

    Args:
        url: Of the REST server.
        explicit: A key that the user handed over for this very server; it wins.
        environ: The environment. Its key goes to the venue's own hosts over TLS, and nowhere else: an address that
            somebody talked the user into must not collect it.

    Raises:
        UsageError: As ``Credentials.from_environment``, or ``explicit`` is something else.
    """
    check_credentials(explicit)
    if explicit is not None:
        return explicit
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    if parts.scheme != "https" or parts.netloc.lower() not in OWN_HOSTS:
        return None
    return Credentials.from_environment(environ)
