"""Words of REST: requests and answers as data. Nothing here knows a venue, a socket or a clock."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from enum import IntEnum
from typing import Final, Literal, NamedTuple
from urllib.parse import quote, urlsplit

from orderbook.errors import UsageError
from orderbook.secret import Secret

Pool = Literal["public", "spot"]
"""Whose quota a request counts against: that of our address, or that of the account."""

Depth = Literal[20, 100, "full"]
"""How deep an order book is asked for: levels a side, or all of them (signed)."""


_LABEL: Final = "[A-Za-z0-9_-]{1,63}"
_HOST: Final = re.compile(
    rf"(?=.{{1,254}}\Z)(?:{_LABEL}(?:\.{_LABEL})*+\.?|[0-9A-Fa-f.]*+:[0-9A-Fa-f:.]*+(?:%{_LABEL})?)"
)
"""Names that DNS can hold (others make Python's resolver raise errors of text encoding), and what IPv6 looks like."""


class Priority(IntEnum):
    """Who is served first when the budget is short; the lowest number."""

    SESSION = 0  # tokens, server time, symbol rules: without them nothing runs
    PROBE = 1  # a book that may be dead: without an answer it is lost as well, and the question is small
    LOST = 2  # a symbol without a book
    HORIZON = 3  # a book that will soon run out of trusted levels
    AUDIT = 4  # a book that nobody doubts


class RestRequest(NamedTuple):
    """One request, before it is signed.

    Attributes:
        method: ``GET`` or ``POST``.
        path: From the host on, with its leading slash.
        query: Names and values in the order in which they are sent and signed.
        body: Exactly the text that is sent and signed.
        signed: Whether it needs a key.
        weight: What it costs of its pool.
        pool: Which quota it counts against.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: str = ""
    signed: bool = False
    weight: int = 2
    pool: Pool = "public"

    @property
    def target(self) -> str:
        """Path and query as they are signed: without percent-encoding."""
        return _joined(self.path, self.query)

    @property
    def encoded_target(self) -> str:
        """Path and query as they are sent."""
        return _joined(self.path, [(quote(name, safe=""), quote(value, safe="")) for name, value in self.query])


def _joined(path: str, query: Iterable[tuple[str, str]]) -> str:
    text = "&".join(f"{name}={value}" for name, value in query)
    return f"{path}?{text}" if text else path


class Server(NamedTuple):
    """A WebSocket server that a token opens."""

    endpoint: str
    ping_interval_ms: int
    ping_timeout_ms: int


class Token(NamedTuple):
    """What opens one connection; ask for a fresh one for every connect."""

    token: Secret
    servers: tuple[Server, ...]


class Instrument(NamedTuple):
    """A symbol and its rules; the two sizes are decimal texts as the venue wrote them.

    Attributes:
        symbol: The venue's own identifier.
        base: What is bought and sold.
        quote: What it is paid with.
        tick_size: Step of prices.
        lot_size: Step of sizes.
        is_trading: Whether the venue trades it now.
    """

    symbol: str
    base: str
    quote: str
    tick_size: str
    lot_size: str
    is_trading: bool


class RateLimit(NamedTuple):
    """What an answer says of the quota: its size, what is left of it, and in how many ms it starts anew."""

    limit: int
    remaining: int
    reset_ms: int


def is_loopback(host: str | None) -> bool:
    """Whether a host name or address can only be this machine. No name is looked up."""
    if host is None:
        return False
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def check_address(
    url: str, schemes: tuple[str, str] = ("https", "http"), *, allow_plain: bool = True, allow_path: bool = False
) -> str:
    """Take the address of a server as a user gives it or a venue answers it.

    Args:
        url: Such as ``https://api.kucoin.com`` or ``http://127.0.0.1:8080/``.
        schemes: The encrypted scheme, and the plain one.
        allow_plain: Whether the plain scheme may be used, on this machine only.
        allow_path: Whether the address may have a path.

    Returns:
        The address; without a slash at its end where it has no path of its own.

    Raises:
        UsageError: Another scheme, no host, plain text to another machine, a bad port, or a user name, query or
            fragment, which have no business there. The message does not show the address: it may hold a password.
    """
    safe, plain = schemes
    local = f", or {plain}://127.0.0.1:PORT for a local KuCoin" if allow_plain else ""
    usage = f"an address looks like {safe}://host or {safe}://host:port{local}"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise UsageError(usage) from None
    if parts.scheme not in schemes or not url.isascii() or not url.isprintable() or " " in url:
        raise UsageError(usage)
    if not _is_host(host) or port == 0:
        raise UsageError(f"no host can have that name or port: {usage}")
    if "@" in parts.netloc or parts.query or parts.fragment or (parts.path not in ("", "/") and not allow_path):
        raise UsageError(f"an address is {safe}://host:port alone, without user name, path or query")
    if parts.scheme == plain and not (allow_plain and is_loopback(host)):
        raise UsageError(f"{plain} is only for this machine, because it is not encrypted: use {safe}")
    return f"{parts.scheme}://{parts.netloc}{parts.path if allow_path else ''}"


def check_proxy(url: str) -> None:
    """Take the address of an HTTP proxy, whichever of our two network libraries is to use it.

    Raises:
        UsageError: It is none, or has a user name without a password. The message does not show it: it may hold one.
    """
    try:
        parts = urlsplit(url)
        is_usable = (
            parts.scheme in ("http", "https")
            and _is_host(parts.hostname)
            and parts.port != 0
            and (parts.username is None) == (parts.password is None)
            and (parts.path in ("", "/") and not parts.query and not parts.fragment)
            and url.isprintable()
            and " " not in url
        )
    except ValueError:
        is_usable = False
    if not is_usable:
        raise UsageError("a proxy looks like http://host:port or http://user:password@host:port")


def _is_host(host: str | None) -> bool:
    """Whether it is an address, or a name that DNS can hold."""
    return host is not None and _HOST.fullmatch(host) is not None
