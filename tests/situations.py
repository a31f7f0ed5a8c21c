"""A ``BookSync`` in every state and some in between, each made anew."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

from orderbook.sync import BookSync
from orderbook.types import BookState
from tests.hostile import SYMBOL, level2, rest

MS: Final = 1_000_000
"""In ns; all of it happens at 1 ms."""


def begun() -> BookSync:
    """A book that was never told anything."""
    return BookSync("kucoin", SYMBOL)


def joined() -> BookSync:
    """A LIVE book at 5."""
    sync = begun()
    sync.connection_opened(MS)
    sync.subscribed(MS)
    sync.receive(json.dumps(level2(5, 5, [["9", "2", "5"]])), MS)
    sync.receive_snapshot(json.dumps(rest("5", [["9", "2"], ["8", "1"]], [["11", "1"]])), MS)
    return sync


def after(*steps: Callable[[BookSync], object]) -> Callable[[], BookSync]:
    """A LIVE book to which this then happens."""

    def make() -> BookSync:
        sync = joined()
        for step in steps:
            step(sync)
        return sync

    return make


SITUATIONS: Final[dict[str, tuple[Callable[[], BookSync], BookState]]] = {
    "never heard of": (begun, BookState.CONNECTING),
    "lost": (after(lambda sync: sync.connection_lost(MS)), BookState.CONNECTING),
    "open": (after(lambda sync: sync.connection_opened(MS)), BookState.SYNCING),
    "buffering": (
        after(lambda sync: sync.connection_lost(MS), lambda sync: sync.receive(json.dumps(level2(7, 9)))),
        BookState.SYNCING,
    ),
    "behind a hole": (after(lambda sync: sync.receive(json.dumps(level2(8, 9)), MS)), BookState.SYNCING),
    "live": (joined, BookState.LIVE),
    "audited": (after(lambda sync: sync.audit(MS)), BookState.LIVE),
    "audited ahead": (
        after(lambda sync: sync.receive_snapshot(json.dumps(rest("7", [["9", "2"]], [])), MS)),
        BookState.LIVE,
    ),
    "silent": (after(lambda sync: sync.check(10_000 * MS)), BookState.STALE),
    "halted": (after(lambda sync: sync.halt("maintenance", MS)), BookState.HALTED),
    "failed": (after(lambda sync: sync.fail("unknown symbol", MS)), BookState.FAILED),
    "closed": (after(lambda sync: sync.close(MS)), BookState.CLOSED),
}
