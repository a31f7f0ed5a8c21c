"""Playing a recording at its own pace, whatever clock that is measured by."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from orderbook.cli.terminal import Timing
from snapshots.capture import Record


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast, how long, and how often somebody wants to look."""

    speed: float
    """Recorded seconds in a second; infinite: as fast as possible."""
    look_every_s: float
    seconds_max: float = math.inf
    """Stop after this long."""


def play(
    records: Iterable[Record],
    feed: Callable[[Record], None],
    look: Callable[[float], None],
    pace: Pace,
    timing: Timing,
) -> float:
    """Hand out each record when it is due, and look in between.

    Args:
        records: In order of receipt. One without a time is due at once.
        feed: Takes a record.
        look: Called at the pace's interval with the position, in recorded seconds; first and last at the ends.
        pace: How fast.
        timing: The clock, and how to wait.

    Returns:
        The position reached, in recorded seconds.
    """
    started = next_look = timing.now()
    deadline = started + pace.seconds_max
    first_ns: int | None = None
    position = 0.0

    def reached(now: float) -> float:
        return position if math.isinf(pace.speed) else min(position, (now - started) * pace.speed)

    for record in records:
        if record.ts is not None:
            first_ns = record.ts if first_ns is None else first_ns
            position = max(position, (record.ts - first_ns) / 1e9)
        due = started + position / pace.speed
        while True:
            now = timing.now()
            if now >= deadline:
                look(reached(now))
                return reached(now)
            if now >= next_look:
                next_look = now + pace.look_every_s
                look(reached(now))
            if now >= due:
                break
            timing.sleep(min(due, next_look, deadline) - now)
        feed(record)
    look(position)
    return position
