"""Every bound, wait and limit of a live feed, with its default."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Final, Literal, get_args

from orderbook.errors import UsageError
from orderbook.settings import SyncSettings

Transport = Literal["auto", "picows", "websockets", "aiohttp"]
"""Libraries that carry WebSocket connections; see ``orderbook.feed.transports``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedSettings:
    """Bounds of one feed. The limits are KuCoin's documented ones of 2023, the strictest that were ever published.

    Raises:
        UsageError: A value that is no whole number of at least 1 (``None`` where that switches something off), or a
            transport that there is not.

    Attributes:
        sync: Bounds of each book.
        transport: The library that carries the WebSocket connections: ``"picows"`` (the extra ``fast``),
            ``"websockets"``, ``"aiohttp"``, or ``"auto"``: picows if it is installed, else websockets.
        max_age_ms: Reads are refused when nothing was heard on the link for longer: the loop's clock is asked at every
            read, so that a blocked event loop cannot serve an old book. ``None``: only the timers tell.
        connect_timeout_ms: For TCP, TLS and the WebSocket handshake.
        welcome_timeout_ms: For the venue's first frame after that.
        ack_timeout_ms: For the acknowledgement of a subscription.
        subscribe_attempts: Unacknowledged subscriptions in a row before the link is given up.
        resubscribe_ms: A symbol whose stream stays behind the venue is subscribed anew, at most this often.
        ping_silence_ms: A ping goes out when nothing was heard for this long; under traffic twice in
            ``sync.link_silence_max_ms``, or at the venue's interval if that is shorter. Less than
            ``messages_window_ms`` / (``messages_max`` / 10) takes from what requests have.
        lag_ms: Timers that fire later than this let the sockets be read before they judge.
        rest_timeout_ms: For one attempt of a REST request, from the connection to the last byte.
        close_timeout_ms: For a closing handshake; afterwards the connection is cut.
        reconnect_min_ms: Back-off after a lost link: uniform between 0 and this, doubling.
        reconnect_max_ms: Cap of that.
        useful_after_ms: A link that lived so long, with a LIVE book, ends the doubling.
        link_life_ms: A link is replaced before it is this old (the venue ends it after 24 h).
        replace_retry_min_ms: Back-off after a replacement that failed, as ``reconnect_min_ms``.
        replace_retry_max_ms: Cap of that.
        twice_grace_ms: A delta of a symbol on two connections waits so long at most for one before it that the other
            connection may bring. For so long a LIVE book may lack what is known to be missing.
        idle_link_ms: A connection that has had no symbol for so long is closed.
        connects_max: Connections in a minute, with those of other feeds in the process; half of them are kept for links
            that were lost.
        links_max: Connections at a time.
        topics_max: Symbols on a connection.
        batch_max: Symbols in a subscription.
        messages_max: Client messages in ``messages_window_ms`` on a connection; nine tenths of it are used.
        messages_window_ms: See there.
        refused_retry_ms: What the venue refused, without saying that it may pass, is asked for again so much later; a
            snapshot after waits that grow up to this.
        silence_gaps: A symbol that is silent for so many of its usual gaps is probed: its topic may be dead.
        silence_min_ms: No shorter silence is suspicious (and none longer than ``sync.symbol_silence_ms`` is not). It is
            judged every half second, and before the next look would be too late.
        audit_interval_ms: So often one LIVE book, each in its turn, is compared with a fresh snapshot; ``None``: never.
        instruments_interval_ms: The venue's list of symbols is read again so often, for trading halts.
        mass_resync_min: So many books that wait for a snapshot together are a mass resync, which is told and logged.
        dumps_max: Dumps of failed audits that are kept.
    """

    sync: SyncSettings = field(default_factory=SyncSettings)
    transport: Transport = "auto"
    max_age_ms: int | None = 5_000
    connect_timeout_ms: int = 10_000
    welcome_timeout_ms: int = 10_000
    ack_timeout_ms: int = 5_000
    subscribe_attempts: int = 3
    resubscribe_ms: int = 5_000
    ping_silence_ms: int = 2_000
    lag_ms: int = 250
    rest_timeout_ms: int = 10_000
    close_timeout_ms: int = 500
    reconnect_min_ms: int = 250
    reconnect_max_ms: int = 30_000
    useful_after_ms: int = 10_000
    link_life_ms: int = 23 * 3_600_000
    replace_retry_min_ms: int = 5_000
    replace_retry_max_ms: int = 300_000
    twice_grace_ms: int = 50
    idle_link_ms: int = 60_000
    connects_max: int = 30
    links_max: int = 50
    topics_max: int = 300
    batch_max: int = 100
    messages_max: int = 100
    messages_window_ms: int = 10_000
    refused_retry_ms: int = 300_000
    silence_gaps: int = 20
    silence_min_ms: int = 2_000
    audit_interval_ms: int | None = 10_000
    instruments_interval_ms: int | None = 600_000
    mass_resync_min: int = 10
    dumps_max: int = 16

    def __post_init__(self) -> None:
        if self.transport not in get_args(Transport):
            raise UsageError(f"setting transport is one of {_TRANSPORTS}, not {ascii(self.transport)[:40]}")
        for one in fields(self):
            value = getattr(self, one.name)
            if one.name in _NO_NUMBERS or (value is None and one.name in _OPTIONAL):
                continue
            if type(value) is not int or value < 1:
                raise UsageError(f"setting {one.name} is a whole number of at least 1, not {value!r}")


_OPTIONAL = frozenset({"max_age_ms", "audit_interval_ms", "instruments_interval_ms"})
_NO_NUMBERS = frozenset({"sync", "transport"})
_TRANSPORTS: Final = ", ".join(get_args(Transport))
