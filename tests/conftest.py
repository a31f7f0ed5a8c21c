"""Settings shared by every test."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, settings

from orderbook.sync import batch

# Whether an example was slow depends on the machine, so neither profile judges by the clock; pytest's timeout does.
UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)

# `ci` tries the same examples every time: a red run is red again. `brief` tries the first of them, for one more
# interpreter. `long` looks for new ones; a law that is expensive asks for a part of them, with `tests.examples`. Choose
# with: pytest --hypothesis-profile=long
settings.register_profile("ci", UNTIMED, derandomize=True)
settings.register_profile("brief", UNTIMED, derandomize=True, max_examples=25)
settings.register_profile("long", UNTIMED, max_examples=5_000)
settings.load_profile("ci")


def pytest_collection_finish() -> None:
    """What was made so far, a quarter of a million objects, stays until the end: no collection looks at it again.

    Every simulated run ends with a whole collection, which would take longer than a short run does.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture
async def no_task_left() -> AsyncIterator[None]:
    """Whatever a test started is gone when it is over."""
    before = asyncio.all_tasks()
    yield
    assert set() == {task for task in asyncio.all_tasks() - before if task is not asyncio.current_task()}


@pytest.fixture(params=sorted({batch.Batch, batch.PureBatch}, key=lambda kind: kind.__module__))
def batch_twin(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames are replayed in both ways that there are."""
    monkeypatch.setattr(batch, "Batch", request.param)
