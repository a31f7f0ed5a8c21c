"""One connection as the venue sees it, and the order in which things leave on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Final

from orderbook.simulator.limits import Recent
from orderbook.simulator.timeline import Abort, Close, Hole, Payload, Sent, Timeline

BYE: Final = Close(1000, "Bye")
"""How the venue ends a connection, whatever the reason."""
STALL_MAX: Final = 100_000
"""Frames that a stall may hold back; with more the connection is reset, as a full buffer would have it."""

Topic = tuple[str, str]
"""(channel, symbol): each symbol of a list is a topic."""


@dataclass(slots=True, eq=False)
class Session:
    """One connection.

    Attributes:
        conn: Its number, from 1 on in the order of acceptance.
        connect_id: Stands in the welcome and in errors about the connection as a whole.
        last_client_ns: When the client last said something.
        is_over: Nothing more is sent: it has been ended.
    is_cut: Nothing passes any more, not even what is under way.
    held: While the connection stalls, what would have been sent.
    """

    conn: int
    connect_id: str
    timeline: Timeline
    recent: Recent
    last_client_ns: int
    delay_ns: int
    is_private: bool = False
    is_welcomed: bool = False
    is_over: bool = False
    is_cut: bool = False
    topics: dict[Topic, None] = field(default_factory=dict)
    held: list[Payload] | None = None

    def send(self, now_ns: int, payload: Payload, delay_ns: int = 0) -> None:
        """Send a frame, after a while if so wished; never once the connection is over."""
        if self.is_over:
            return
        delay_ns += self.delay_ns
        if delay_ns:
            self.timeline.at(now_ns + delay_ns, partial(self._deliver, payload))
        else:
            self._deliver(payload, now_ns)

    def _deliver(self, payload: Payload, now_ns: int) -> None:
        if self.is_cut:
            return
        if self.held is not None:
            self.held.append(payload)
            if len(self.held) > STALL_MAX:
                self.end(now_ns, Abort())
            return
        self.timeline.put(Sent(self.conn, now_ns, payload))
        self.is_cut = isinstance(payload, Close)

    def welcome(self, now_ns: int, text: str, delay_ns: int) -> None:
        """Send the first frame; what the client says before that, it says too early."""

        def greet(at_ns: int) -> None:
            self.is_welcomed = True
            self.send(at_ns, text)

        if delay_ns:
            self.timeline.at(now_ns + delay_ns, greet)
        else:
            greet(now_ns)

    def end(self, now_ns: int, payload: Close | Abort | Hole) -> None:
        """Send a last thing: a close after all that was sent before, anything else at once."""
        if self.is_over:
            return
        if isinstance(payload, Close):
            self.send(now_ns, payload)
        else:
            self.held = None
            self._deliver(payload, now_ns)
            self.is_cut = True
        self.is_over = True

    def release(self, now_ns: int) -> None:
        """The end of a stall: all that was held, in order."""
        held, self.held = self.held, None
        for payload in held or ():
            self._deliver(payload, now_ns)
