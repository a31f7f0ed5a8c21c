"""Which library carries a feed's WebSocket connections: each keeps the same promises, and differs in what it costs."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Final

from orderbook.errors import UsageError
from orderbook.feed.seams import Connect
from orderbook.feed.settings import FeedSettings, Transport

MODULES: Final[dict[str, str]] = {
    "picows": "orderbook.feed.picows_socket",
    "websockets": "orderbook.feed.websocket",
    "aiohttp": "orderbook.feed.aiohttp_socket",
}
"""Where each is spoken to. What is not used is not imported."""
REMEDY: Final = "pip install 'orderbook-engine[fast]'"
"""How to get the fast one."""


def in_use(transport: Transport = "auto") -> str:
    """The name of the library that a feed with this setting uses: ``"auto"`` takes picows where it is installed.

    Raises:
        UsageError: It is not installed.
    """
    if transport == "auto":
        return "picows" if find_spec("picows") else "websockets"
    if find_spec(transport) is None:
        raise UsageError(f"transport {transport!r} is not installed: {REMEDY}")
    return transport


def connector(settings: FeedSettings, *, proxy: str | None = None, tls: ssl.SSLContext | None = None) -> Connect:
    """Make what opens connections, over the transport of the settings.

    Args:
        settings: Transport, time-outs, and the longest frame.
        proxy: Address of an HTTP proxy; the environment is not asked.
        tls: Another context than the default one, for a certificate authority of one's own. Verification cannot be
            switched off here.

    Raises:
        UsageError: A proxy address that is none, or a transport that is not installed.
    """
    make: Callable[..., Connect] = import_module(MODULES[in_use(settings.transport)]).connector
    return make(settings, proxy=proxy, tls=tls)
