"""What a frame costs when many are taken in one call, beside one by one.

    python -m benchmarks.batch                 a busy symbol of 2,000 levels a side, 40,000 frames
    python -m benchmarks.batch --rounds 15 --format json

The ways are interleaved in rounds, in CPU time of the thread, medians. Every book is compared with that of the first
way.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from statistics import median
from typing import Final

import click

from benchmarks.workloads import Workload, busy
from orderbook.accelerator import ACCELERATOR
from orderbook.sync import BookSync

TOUCH: Final = ("bid_price", "ask_price")

Way = Callable[[BookSync], object]


def ways(frames: list[bytes]) -> dict[str, Way]:
    """What is measured, by name."""
    lines = b"\n".join(frames)

    def one_by_one(sync: BookSync) -> None:
        receive = sync.receive
        for frame in frames:
            receive(frame)

    def one_by_one_read(sync: BookSync) -> None:
        receive, book = sync.receive, sync.book
        for frame in frames:
            receive(frame)
            _ = book.best_bid, book.best_ask

    return {
        "receive": one_by_one,
        "receive, best bid and ask read": one_by_one_read,
        "list": lambda sync: sync.replay(frames, record=()),
        "list, best bid and ask": lambda sync: sync.replay(frames, record=TOUCH),
        "list, depth 10": lambda sync: sync.replay(frames, record=(), depth=10),
        "buffer": lambda sync: sync.replay(lines, record=()),
        "buffer, best bid and ask": lambda sync: sync.replay(lines, record=TOUCH),
        "buffer, imbalance of 10": lambda sync: sync.replay(lines, record=(), imbalance=10),
        "buffer, depth 10": lambda sync: sync.replay(lines, record=(), depth=10),
    }


def fresh(workload: Workload) -> BookSync:
    """A LIVE book before the first message."""
    sync = BookSync("kucoin", workload.symbol)
    sync.receive_snapshot(workload.body(), depth="full")
    sync.receive_probe(workload.sequence, still=True)
    assert sync.book.is_live
    return sync


def measured(workload: Workload, rounds: int) -> dict[str, float]:
    """CPU time of each way, in ns a frame."""
    frames = workload.frames()
    spent: dict[str, list[float]] = {}
    expected = None
    for _ in range(rounds):
        for name, way in ways(frames).items():
            sync = fresh(workload)
            begin = time.thread_time_ns()
            way(sync)
            spent.setdefault(name, []).append((time.thread_time_ns() - begin) / len(frames))
            found = sync.book.sequence, list(sync.book.bids), list(sync.book.asks)
            expected = expected or found
            assert expected == found, "a wrong book"
    return {name: median(times) for name, times in spent.items()}


@click.command()
@click.option("--rounds", default=7, show_default=True, help="How often each way is measured.")
@click.option("--messages", default=40_000, show_default=True, help="Frames of the workload.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
def main(rounds: int, messages: int, form: str) -> None:
    """Measure and print."""
    workload = busy(messages)
    changes = sum(len(message.bids) + len(message.asks) for message in workload.messages) / len(workload.messages)
    times = measured(workload, rounds)
    if form == "json":
        click.echo(json.dumps({"twin": ACCELERATOR, "changes_a_frame": changes, "ns_a_frame": times}))
        return
    click.echo(f"{ACCELERATOR} twin, {changes:.2f} changes a frame")
    for name, spent_ns in times.items():
        click.echo(f"{name:32}{spent_ns:8.0f} ns a frame{spent_ns / changes:8.0f} ns a change")


if __name__ == "__main__":
    main()
