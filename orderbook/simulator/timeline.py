"""What happens when: timers in virtual nanoseconds, and the frames that have to go out."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Final, NamedTuple

Event = Callable[[int], None]
"""Called with the moment it was set to, in ns."""

NEVER: Final = 1 << 62
BATCH_MAX: Final = 5_000
"""Events handled in one go: an event loop gets its turn even when the market runs faster than the machine."""


class Binary(NamedTuple):
    """A frame of binary data, where the protocol has text only."""

    data: bytes


class Close(NamedTuple):
    """Close the connection in an orderly way; without ``is_completed`` the closing handshake never ends."""

    code: int
    reason: str
    is_completed: bool = True


class Abort(NamedTuple):
    """Reset the connection: no closing handshake."""


class Hole(NamedTuple):
    """Keep the connection open, but neither read from it nor write to it any more."""


Payload = str | bytes | Binary | Close | Abort | Hole
"""``bytes`` are sent as a text frame, whatever they are."""


class Sent(NamedTuple):
    """Something for the body of the exchange to carry out."""

    conn: int
    deliver_ns: int
    payload: Payload


class Timeline:
    """Timers in order of time, then of setting; and the outbox that they fill."""

    __slots__ = ("_heap", "_out", "_serial")

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Event]] = []
        self._out: list[Sent] = []
        self._serial = 0

    @property
    def next_ns(self) -> int:
        """When the next timer is due; ``NEVER`` if there is none."""
        return self._heap[0][0] if self._heap else NEVER

    def at(self, when_ns: int, event: Event) -> None:
        """Have ``event`` called at that time. Complexity: O(log n)."""
        self._serial += 1
        heapq.heappush(self._heap, (when_ns, self._serial, event))

    def run(self, now_ns: int) -> None:
        """Call what is due, oldest first, at most ``BATCH_MAX`` events: more stay due."""
        heap = self._heap
        for _ in range(BATCH_MAX):
            if not heap or heap[0][0] > now_ns:
                return
            when, _, event = heapq.heappop(heap)
            event(when)

    def put(self, sent: Sent) -> None:
        """Hand something to the body."""
        self._out.append(sent)

    def outbox(self) -> list[Sent]:
        """What is to be carried out now, in order; asked again, only what came since."""
        out, self._out = self._out, []
        return out
