"""What a user's function raises when even its words cannot be had."""

from __future__ import annotations

import asyncio

from orderbook.feed.alerts import Alert
from orderbook.feed.events import CallbackFailed, ConditionFailed, FeedEvent
from orderbook.results import BookView
from orderbook.testing import in_virtual_time
from tests.alerting import BTC, venue
from tests.waiting import until


class Wordless(Exception):
    """An error that fails when it is asked what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


@in_virtual_time
async def test_an_error_that_cannot_be_printed_is_told_all_the_same() -> None:
    """It ends neither the connection, in whose way the function is asked, nor the calls of a callback."""
    told: list[FeedEvent] = []
    is_bad: list[bool] = []

    def test(_view: BookView[float]) -> bool:
        if is_bad:
            raise Wordless
        return False

    def bad(_alert: Alert) -> None:
        raise Wordless

    async with venue() as on, on.open_feed(on_event=told.append) as feed:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
        await feed.ready(BTC, timeout_s=5)
        heard, called = feed.alerts(BTC, test), feed.on_alert(BTC, "imbalance(1) > 0", bad)
        is_bad.append(True)
        await until(lambda: heard.condition_errors >= 3 and called.callback_errors >= 3, 60)
        assert 0 == feed.health().reconnects
        problems = {one.event.problem for one in told if isinstance(one.event, CallbackFailed | ConditionFailed)}
        assert {"Wordless: it cannot say what it is"} == problems
