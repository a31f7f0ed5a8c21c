"""Where the lane and the machine meet: when frames may take the lane, and what the machine is told of them later."""

from __future__ import annotations

from collections.abc import Callable

from orderbook.sync.facts import NEVER
from orderbook.sync.lane import Taken
from orderbook.sync.machine import Machine
from orderbook.types import BookState, Delta


def is_plain(machine: Machine) -> bool:
    """Whether the next frame that continues the book can have no other consequence than that. O(1)."""
    desk, base = machine.desk, machine.base
    return (
        desk.state is BookState.LIVE
        and base is machine.book.content
        and not machine.buffer
        and machine.high <= machine.last
        and machine.probed == NEVER
        and max(machine.owed, machine.provenance.lost) <= machine.last
        and not desk.waits.urgent
        and not machine.auditor.busy
    )


def land(machine: Machine, taken: Taken | None, decode: Callable[[bytes | str], Delta]) -> None:
    """Take note of what the lane took: counters, waits, and the last deltas, which are decoded when they are wanted."""
    if taken is None:
        return
    count, last_ns, heard_ns, price_zeros, absent, frames = taken
    counters, waits = machine.desk.counters, machine.desk.waits
    counters.frames += count
    counters.deltas += count
    counters.applied += count
    counters.price_zero += price_zeros
    counters.remove_absent += absent
    machine.high = machine.last
    machine.recent.add_frames(frames, decode)
    if heard_ns:
        waits.renew("link", heard_ns)
    waits.renew("symbol", last_ns)
