"""What holds inside a synchroniser after any input, on seeded walks through everything that a link can do to it."""

from __future__ import annotations

from collections import Counter
from typing import Final

import pytest

from orderbook.types import BookState
from tests.sync_walk import Walk

WALKS: Final = 60
STEPS: Final = 120


@pytest.mark.parametrize("clocked", [True, False])
def test_every_wait_has_its_cause_and_live_is_the_truth(clocked: bool) -> None:
    """Counters add up, nothing of an old link is left, and whatever is missing is awaited or asked for."""
    states: Counter[BookState] = Counter()
    for seed in range(WALKS):
        walk = Walk(seed, clocked=clocked)
        for number in range(STEPS):
            try:
                walk.step()
            except AssertionError as error:
                raise AssertionError(f"seed {seed}, step {number}: {walk.log[-8:]}: {error}") from error
            states[walk.sync.state] += 1
    assert states[BookState.LIVE] > WALKS * STEPS / 4
    assert states[BookState.SYNCING] > WALKS * STEPS / 10
    assert not clocked or states[BookState.STALE]
