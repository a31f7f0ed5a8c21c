"""What the venue allows its clients, and the counters that notice when one takes more."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from orderbook.errors import UsageError


@dataclass(frozen=True, slots=True)
class Limits:
    """The documented limits of the classic socket and of REST; the older, stricter column where the documents disagree.

    A limit of the wrong kind is not checked: these are settings of a simulator, not input from outside.
    """

    connections_max: int = 50
    """Sockets open at the same time."""
    connects_max: int = 30
    """New sockets within ``connects_window_ms``."""
    connects_window_ms: int = 60_000
    messages_max: int = 100
    """Client messages on one socket within ``messages_window_ms``."""
    messages_window_ms: int = 10_000
    pings_count: bool = True
    """Whether pings count as messages. The documents say "messages sent to the server"."""
    topics_per_message_max: int = 100
    topics_per_connection_max: int = 300
    idle_max_ms: int = 60_000
    """The socket is closed so long after the last message of the client."""
    public_weight_max: int = 2_000
    spot_weight_max: int = 4_000
    weight_window_ms: int = 30_000


@dataclass(frozen=True, slots=True)
class Manners:
    """How the venue behaves where it has a choice, or has changed its mind over the years."""

    ping_interval_ms: int = 18_000
    ping_timeout_ms: int = 10_000
    """Both as the token answer tells the client."""
    token_life_ms: int = 86_400_000
    refusal: Literal["frame", "http"] = "frame"
    """A bad token is answered with an error frame after the upgrade, or by refusing the upgrade with 401."""
    unknown_symbol: Literal["silent", "error"] = "silent"
    """A subscription to no symbol of the venue is acknowledged and silent (today), or an error 404 (2019)."""
    dialect: Literal["2026", "2021"] = "2026"
    """The order of a delta's keys; before 2022 it had no time."""
    ticker_ms: int = 100
    """How often a ticker is sent when the touch's book has changed."""
    rest_delay_ms: int = 0
    """How long every REST answer takes; the book is that of the request."""
    link_delay_ms: int = 0
    """How long every frame takes to the client."""
    key_permissions: tuple[str, ...] = ("General",)
    """What the accepted key may do; without General every signed request is refused with 400007."""
    key_addresses: tuple[str, ...] = ()
    """Where the accepted key may be used from; without 127.0.0.1 among them 400006, without any from everywhere."""

    def __post_init__(self) -> None:
        if min(self.ping_interval_ms, self.ping_timeout_ms, self.token_life_ms, self.ticker_ms) < 1:
            raise UsageError("ping_interval_ms, ping_timeout_ms, token_life_ms and ticker_ms are 1 or more")
        if min(self.rest_delay_ms, self.link_delay_ms) < 0:
            raise UsageError("rest_delay_ms and link_delay_ms are 0 or more")
        choices = (("refusal", "frame", "http"), ("unknown_symbol", "silent", "error"), ("dialect", "2026", "2021"))
        for name, *allowed in choices:
            if getattr(self, name) not in allowed:
                raise UsageError(f"{name} is one of {', '.join(allowed)}")


class Recent:
    """How often something happened lately: at most ``limit`` times within ``window_ns``, sliding."""

    __slots__ = ("_limit", "_times", "_window_ns")

    def __init__(self, limit: int, window_ns: int) -> None:
        self._limit = limit
        self._window_ns = window_ns
        self._times: deque[int] = deque()

    def take(self, now_ns: int) -> bool:
        """Count one more; whether it is still within the limit.

        Complexity: O(1), amortised. At most ``limit + 1`` moments are kept.
        """
        times = self._times
        while times and times[0] <= now_ns - self._window_ns:
            times.popleft()
        if len(times) > self._limit:
            times.popleft()
        times.append(now_ns)
        return len(times) <= self._limit


class Share(NamedTuple):
    """What became of a request's weight."""

    is_granted: bool
    limit: int
    remaining: int
    reset_ms: int
    """Until the window ends, in ms: a length of time, not a moment."""


@dataclass(slots=True)
class Quota:
    """The request weight of one pool: a window begins with the first request after the last window."""

    limit: int
    window_ms: int
    used: int = field(default=0, init=False)
    _ends_ns: int = field(default=0, init=False)

    def take(self, weight: int, now_ns: int) -> Share:
        """Spend ``weight`` if there is as much left; what was refused is not spent."""
        if now_ns >= self._ends_ns:
            self.used, self._ends_ns = 0, now_ns + self.window_ms * 1_000_000
        is_granted = self.used + weight <= self.limit
        if is_granted:
            self.used += weight
        # Rounded up: who waits so long finds a new window.
        return Share(is_granted, self.limit, self.limit - self.used, -((now_ns - self._ends_ns) // 1_000_000))
