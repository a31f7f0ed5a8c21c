"""CPU time of this thread, and how fast the machine is at that moment.

Other work on the same core, or on its sibling, slows everything down, by up to a factor of two. So a fixed piece of
work is timed before and after each sample. Samples count as quiet where it took hardly longer than ever.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import repeat
from typing import Any, Final, NamedTuple

CALIBRATION_ROUNDS: Final = 12_000
BUDGET_NS: Final = 900_000_000
"""After this no further sample is taken of one measure."""


class Sample(NamedTuple):
    """One timing."""

    unit_ns: float
    """CPU time of one unit: a message, a change, a call."""
    calibration_ns: float
    """CPU time of the fixed piece of work, around it."""


def calibration() -> int:
    """CPU time of a fixed piece of work, in ns: the interpreter's own, and memory's."""
    table = dict.fromkeys(range(512), 1)
    started = time.thread_time_ns()
    total = 0
    for number in range(CALIBRATION_ROUNDS):
        total += table[number & 511]
    return time.thread_time_ns() - started


@contextmanager
def without_collector() -> Iterator[None]:
    """No garbage collection meanwhile, as it would hit anybody."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def loop_of(statement: str, names: dict[str, Any], variables: str) -> Callable[[Iterable[Any]], int]:
    """A function that runs a statement for each item, and returns the CPU time in ns.

    Args:
        statement: As it stands in a loop.
        names: What it speaks of; local variables of the loop.
        variables: What an item is called there.
    """
    parameters = "".join(f", {name}={name}" for name in names)
    lines = [
        f"def timed(items{parameters}, clock=clock):",
        "    started = clock()",
        f"    for {variables} in items:",
        *(f"        {part.strip()}" for part in statement.split(";")),
        "    return clock() - started",
    ]
    space: dict[str, Any] = {**names, "clock": time.thread_time_ns}
    exec("\n".join(lines), space)
    timed: Callable[[Iterable[Any]], int] = space["timed"]
    return timed


def samples_of(
    timed: Callable[[Sequence[Any]], int], chunks: Iterable[Sequence[Any]], units: Callable[[Sequence[Any]], int] = len
) -> tuple[list[Sample], int]:
    """Time one chunk after the other, until the budget is spent.

    Returns:
        A sample of each, and how many items were used.
    """
    samples, used, spent = [], 0, 0
    with without_collector():
        before = calibration()
        for chunk in chunks:
            took = timed(chunk)
            after = calibration()
            samples.append(Sample(took / units(chunk), (before + after) / 2))
            before = after
            used += len(chunk)
            spent += took
            if spent > BUDGET_NS:
                break
    return samples, used


def samples_of_call(statement: str, names: dict[str, Any], count: int = 9) -> list[Sample]:
    """Time one statement, often enough each time to see it."""
    timed = loop_of(statement, names, "_")
    number = 1
    while True:
        took = timed(repeat(None, number))
        if took > 3_000_000 or number > 1_000_000:
            break
        number *= 4
    number = max(1, min(number, int(number * 10_000_000 / max(1, took))))
    return samples_of(timed, [[None] * number] * count)[0]
