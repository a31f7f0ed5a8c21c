"""Settings shared by every test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, settings

# Whether an example was slow depends on the machine, so neither profile judges by the clock; pytest's timeout does.
UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)

# `ci` tries the same examples every time: a red run is red again. `long` looks for new ones; a test that sets its own
# max_examples keeps it. Choose with: pytest --hypothesis-profile=long
settings.register_profile("ci", UNTIMED, derandomize=True)
settings.register_profile("long", UNTIMED, max_examples=5_000)
settings.load_profile("ci")


@pytest.fixture
async def no_task_left() -> AsyncIterator[None]:
    """Whatever a test started is gone when it is over."""
    before = asyncio.all_tasks()
    yield
    assert set() == {task for task in asyncio.all_tasks() - before if task is not asyncio.current_task()}
