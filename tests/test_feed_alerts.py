"""Conditions on the books of a feed: none is missed, none is made up, and nobody who is told of one is in the way."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderbook.book import OrderBook
from orderbook.condition_text import parse_condition
from orderbook.conditions import Compare, Quantity
from orderbook.feed.alerting import condition_of
from orderbook.feed.alerts import Alert
from orderbook.feed.delivery import Update
from orderbook.feed.events import CallbackFailed, ConditionFailed, FeedEvent
from orderbook.feed.settings import FeedSettings
from orderbook.results import BookView
from orderbook.testing import in_virtual_time
from orderbook.types import BookState
from tests.alerting import BTC, alone, crossings, exactly, reference, show, taken, venue
from tests.waiting import elapse, until

S = 1_000_000_000
LOSSES = {"fault": "drop", "p": 0.01}


# -- none is missed, none is made up --


@pytest.mark.parametrize("seed", range(3))
@in_virtual_time
async def test_alerts_are_those_of_the_whole_sequence_of_views(seed: int) -> None:
    """Law: as computed plainly from every view that ever was, through losses and resyncs."""
    async with venue(seed=seed, faults=[LOSSES]) as on, on.open_feed() as feed:
        book = await feed.ready(BTC, timeout_s=5)
        mid, bps = Decimal(repr(book.mid)), Decimal(repr(book.spread_bps))
        every = feed.updates(BTC, deliver="every", limit=100_000, levels=5)
        views = [book.view(5)]
        watched = {
            text: feed.alerts(BTC, text, limit=100_000)
            for text in (
                f"spread_bps > {bps}",
                f"spread_bps <= {bps}",
                "imbalance(5) > 0",
                "imbalance(1) < -0.5",
                f"mid crosses {mid + Decimal('0.05')}",
            )
        }
        plain = feed.alerts(BTC, lambda view: len(view.bids) > 0 and view.bids[0].size > 1, limit=100_000)
        lost = feed.alerts(BTC, "not live", limit=100_000)
        await elapse(60)
        await feed.close()
        views += [update.view async for update in every]
        assert 0 == every.skipped

        expected = [
            reference(views, lambda view: exactly(view)[0] > bps),
            reference(views, lambda view: exactly(view)[0] <= bps),
            reference(views, lambda view: exactly(view)[2] > 0),
            reference(views, lambda view: exactly(view)[3] < Decimal("-0.5")),
            crossings(views, mid + Decimal("0.05")),
        ]
        found = {text: [alert.view.sequence for alert in await taken(alerts)] for text, alerts in watched.items()}
        assert list(found.values()) == expected
        assert all(len(sequences) >= 2 for sequences in expected)
        assert reference(views, lambda view: view.bids[0].size > 1) == [one.view.sequence for one in await taken(plain)]
        # The end of the feed is no alert.
        gone = [view.is_live for view in views if view.state is not BookState.CLOSED]
        assert 2 <= sum(before and not now for before, now in pairwise(gone)) == len(await taken(lost))


@in_virtual_time
async def test_an_alert_shows_the_book_in_which_it_held() -> None:
    """However long it waited to be taken."""
    async with venue() as on, on.open_feed() as feed:
        await feed.ready(BTC, timeout_s=5)
        alerts = feed.alerts(BTC, "imbalance(3) > 0", levels=3)
        await elapse(20)
        alerts.close(drain=True)
        told = await taken(alerts)
        assert len(told) > 5
        for alert in told:
            truth = on.market[BTC].book(alert.view.sequence, 3)
            ours, theirs = (sum(Decimal(size) for _, size in side) for side in (truth.bids, truth.asks))
            assert float((ours - theirs) / (ours + theirs)) == alert.value
            assert (BTC, "imbalance(3) > 0", 3) == (alert.symbol, alert.condition, len(alert.view.bids))
        assert len(told) == alerts.fired == feed.symbol_metrics(BTC).alerts
        assert sorted(alert.at_ns for alert in told) == [alert.at_ns for alert in told]


@in_virtual_time
async def test_a_lost_book_fires_nothing() -> None:
    """Neither while it is away nor when it is back, if it was so before; but for the condition about just that."""
    async with venue() as on, on.open_feed() as feed:
        await feed.ready(BTC, timeout_s=5)
        alerts = feed.alerts(BTC, "mid > 1")
        lost = feed.alerts(BTC, "not live")
        assert (1, 0) == (alerts.fired, lost.fired)
        on.strike({"fault": "drop", "run": 3, "nth": 1})
        await until(lambda: not feed[BTC].is_live, 10)
        await feed.ready(BTC, timeout_s=10)
        await elapse(5)
        assert (1, 1) == (alerts.fired, lost.fired)


sizes = st.integers(1, 4)
steps = st.lists(
    st.one_of(st.none(), st.tuples(st.integers(1, 5), st.integers(6, 9), sizes, sizes)), min_size=1, max_size=30
)
HOLDS: dict[str, Callable[[BookView[float]], bool]] = {
    "spread > 4": lambda view: view.asks[0].price - view.bids[0].price > 4,
    "spread <= 4": lambda view: view.asks[0].price - view.bids[0].price <= 4,
    "mid >= 5.5": lambda view: view.asks[0].price + view.bids[0].price >= 11,
    "imbalance(1) < 0": lambda view: view.bids[0].size < view.asks[0].size,
    "best_bid < 3": lambda view: view.bids[0].price < 3,
}


@given(steps)
def test_alerts_are_those_of_any_sequence_of_views(steps: list[tuple[int, int, int, int] | None]) -> None:
    """Law: whatever books follow each other; ``None`` is the loss of one."""

    async def main() -> None:
        now, views = [0], []
        watched = {text: alone(parse_condition(text), now) for text in (*HOLDS, "mid crosses 5.5", "not live")}
        for step in steps:
            now[0] += S
            for book, alerts, _ in watched.values():
                if step is None:
                    book.mark(BookState.STALE, "so", now[0])
                else:
                    bid, ask, bid_size, ask_size = step
                    book.apply_snapshot([(bid, bid_size)], [(ask, ask_size)], book.sequence + 1)
                alerts.publish(None, now[0], state_changed=True)
            views.append(book.view(1))
        found = {}
        for text, (_, alerts, told) in watched.items():
            alerts.close(drain=True)
            found[text] = [alert.view.sequence for alert in await taken(alerts)]
            assert [] == told
        live = [view.is_live for view in views]
        lost = [
            view.sequence for before, view in zip([True, *live], views, strict=False) if before and not view.is_live
        ]
        assert lost == found.pop("not live")
        assert crossings(views, Decimal("5.5")) == found.pop("mid crosses 5.5")
        assert {text: reference(views, holds) for text, holds in HOLDS.items()} == found

    asyncio.run(main())


# -- what has to last --


@in_virtual_time
async def test_not_live_for_a_time_is_told_after_that_time() -> None:
    """Not of a loss that is over sooner; and once."""
    async with venue() as on, on.open_feed() as feed:
        await feed.ready(BTC, timeout_s=5)
        alerts = feed.alerts(BTC, "not live for 3s")
        on.strike({"fault": "drop", "run": 3, "nth": 1})
        await until(lambda: not feed[BTC].is_live, 10)
        await feed.ready(BTC, timeout_s=2)
        await elapse(10)
        assert 0 == alerts.fired
        states = feed.updates(BTC, deliver="every", limit=100_000)
        on.strike({"fault": "black_hole"})
        alert = await anext(alerts)
        gone = [update async for update in first_lost(states)]
        assert 3 * S == pytest.approx(alert.at_ns - gone[0].received_ns, abs=S / 100)
        assert (False, None) == (alert.view.is_live, alert.value)
        assert 1 == alerts.fired


async def first_lost(states: AsyncIterator[Update]) -> AsyncIterator[Update]:
    """The first update of a book that is not LIVE."""
    async for update in states:
        if not update.view.is_live:
            yield update
            return


@in_virtual_time
async def test_a_book_that_is_merely_too_old_is_not_live() -> None:
    """To the ms, although nothing happens at that moment; and again after it was heard of."""
    settings = FeedSettings(max_age_ms=700)
    async with venue(rate=0.01) as on, on.open_feed(settings=settings) as feed:
        await feed.ready(BTC, timeout_s=30)
        alerts = feed.alerts(BTC, "not live")
        alert = await anext(alerts)
        assert (BookState.STALE, 700) == (alert.view.state, alert.view.age_ms)
        again = await anext(alerts)
        assert again.at_ns - alert.at_ns >= 700_000_000
        assert 700 == again.view.age_ms


@in_virtual_time
async def test_what_has_to_last_is_broken_off_by_age() -> None:
    """Nobody knows whether it was so meanwhile."""
    settings = FeedSettings(max_age_ms=700)
    async with venue(rate=0.01) as on, on.open_feed(settings=settings) as feed:
        await feed.ready(BTC, timeout_s=30)
        short, long = (feed.alerts(BTC, "mid > 1", for_s=for_s) for for_s in (0.1, 3.0))
        await elapse(10)
        assert (1, 0) == (short.fired, long.fired)


async def test_after_a_pause_of_the_loop_what_came_is_read_first() -> None:
    """It had ended long ago, which the next frames tell: nothing has lasted."""
    now = [S]
    book, alerts, _ = alone(Compare(Quantity("best_bid"), ">", Decimal(50), for_s=2), now)
    show(book, 60)
    alerts.look(now[0])
    now[0] += 10 * S
    alerts.ring()
    assert 0 == alerts.fired
    alerts.publish(None, now[0], state_changed=False)
    assert 0 == alerts.fired
    show(book, 40)
    alerts.publish(None, now[0], state_changed=False)
    now[0] += S
    alerts.ring()
    assert 0 == alerts.fired
    alerts.close()


async def test_after_a_pause_of_the_loop_it_is_looked_at_again() -> None:
    """It still holds when all is read."""
    now = [S]
    book, alerts, _ = alone(Compare(Quantity("best_bid"), ">", Decimal(50), for_s=2), now)
    show(book, 60)
    alerts.look(now[0])
    now[0] += S
    alerts.ring()
    now[0] += 9 * S
    alerts.ring()
    assert 0 == alerts.fired
    now[0] += FeedSettings().lag_ms * 1_000_000
    alerts.ring()
    assert 1 == alerts.fired
    alerts.close()
    alerts.close()


@pytest.mark.parametrize("condition", ["best_bid > 50", lambda view: view.bids[0].price > 50], ids=["text", "function"])
async def test_a_book_that_grows_too_old_while_it_is_looked_at_does_not_hold(condition: Any) -> None:
    """The clock does not stand still; what would have fired fires when it is LIVE again."""
    now, ticks = [S], [0, 0]

    def clock() -> int:
        now[0] += ticks.pop(0) if ticks else 0
        return now[0]

    book = OrderBook(BTC, clock=clock, max_age_ms=1)
    _, alerts, told = alone(condition_of(condition, for_s=None, levels=1), now)
    alerts._book = book
    for steps in ([0, 2_000_000], [0, 0, 2_000_000], [0, 0, 0, 2_000_000], [0, 0, 0, 0, 2_000_000]):
        show(book, 60)
        ticks[:] = steps
        alerts.look(now[0])
        if alerts.fired:
            break
    show(book, 60)
    alerts.look(now[0])
    assert ([], 1) == (told, alerts.fired)
    assert (await anext(alerts)).view.is_live


# -- being told --


@in_virtual_time
async def test_a_slow_callback_misses_alerts_and_delays_nobody() -> None:
    """It is told how many; they are bounded."""
    got: list[Alert] = []

    async def slow(alert: Alert) -> None:
        got.append(alert)
        await elapse(20)

    async with venue() as on, on.open_feed() as feed:
        await feed.ready(BTC, timeout_s=5)
        alerts = feed.on_alert(BTC, "imbalance(1) > 0", slow, limit=2)
        await elapse(50)
        assert 3 == len(got)
        assert alerts.skipped == sum(alert.skipped for alert in got) + alerts._skipped_now
        assert alerts.fired == len(got) + alerts.skipped + 2 > 20
        assert 0 == feed.counters(BTC).gaps
        alerts.close()
        await elapse(50)
        assert 3 == len(got)


@in_virtual_time
async def test_a_callback_that_raises_is_told_and_called_again() -> None:
    """As one for updates."""
    told: list[FeedEvent] = []

    def bad(_alert: Alert) -> None:
        raise ValueError("oops")

    async with venue() as on, on.open_feed(on_event=told.append) as feed:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
        await feed.ready(BTC, timeout_s=5)
        alerts = feed.on_alert(BTC, "imbalance(1) > 0", bad)
        await until(lambda: alerts.callback_errors >= 3, 60)
        problems = [one.event.problem for one in told if isinstance(one.event, CallbackFailed)]
        assert ["ValueError: oops"] * alerts.callback_errors == problems
        assert alerts.callback_errors == feed.symbol_metrics(BTC).callback_errors


@in_virtual_time
async def test_a_function_that_raises_is_told_once_and_asked_again() -> None:
    """Each time is counted; the book lives on; when it answers again, so are its alerts told."""
    told: list[FeedEvent] = []
    is_bad = [True]

    def moody(view: BookView[float]) -> bool:
        if is_bad[0]:
            raise asyncio.CancelledError("oops")
        return view.is_live

    async with venue() as on, on.open_feed(on_event=told.append) as feed:
        await feed.ready(BTC, timeout_s=5)
        alerts = feed.alerts(BTC, moody)
        await elapse(5)
        assert alerts.condition_errors == feed.symbol_metrics(BTC).condition_errors > 10
        is_bad[0] = False
        await until(lambda: alerts.fired, 5)
        is_bad[0] = True
        await elapse(5)
        failures = [one.event for one in told if isinstance(one.event, ConditionFailed)]
        assert [(BTC, "CancelledError: oops")] * 2 == [(one.symbol, one.problem) for one in failures]
        assert failures[0].condition.endswith("moody")
        assert feed[BTC].is_live


async def test_a_loss_of_the_book_in_between_makes_no_new_trouble() -> None:
    """What could not be told before and after was not told meanwhile."""
    now = [S]
    book, alerts, told = alone(condition_of(lambda _view: 1 / 0, for_s=None, levels=1), now)
    for _ in range(3):
        show(book, 60)
        alerts.look(now[0])
        book.mark(BookState.STALE, "so", now[0])
        alerts.look(now[0])
    assert (3, ["ZeroDivisionError: division by zero"]) == (alerts.condition_errors, [one.problem for one in told])


async def test_a_function_may_end_its_own_alerts() -> None:
    """Then not even this one is told."""
    now = [S]

    def enough(_view: BookView[float]) -> bool:
        alerts.close()
        return True

    book, alerts, _ = alone(condition_of(enough, for_s=None, levels=1), now)
    show(book, 60)
    alerts.look(now[0])
    assert [] == await taken(alerts)


async def test_a_wish_to_end_the_program_is_obeyed() -> None:
    """Also when it comes out of a condition."""

    def leave(_view: BookView[float]) -> bool:
        raise SystemExit(3)

    now = [S]
    book, alerts, told = alone(condition_of(leave, for_s=None, levels=1), now)
    show(book, 60)
    with pytest.raises(SystemExit):
        alerts.look(now[0])
    assert ["SystemExit: 3"] == [one.problem for one in told]


@in_virtual_time
async def test_whoever_lets_go_of_alerts_need_not_close_them() -> None:
    """No book looks at their condition any more, and no timer holds them."""
    settings = FeedSettings(max_age_ms=700)
    async with venue() as on, on.open_feed(settings=settings) as feed:
        await feed.ready(BTC, timeout_s=5)
        alerts = feed.alerts(BTC, "not live for 5s")
        assert f"<Alerts of {BTC}: not live for 5s: 0 fired, 0 skipped>" == repr(alerts)
        assert 1 == len(feed._books[BTC].subscriptions)
        del alerts
        gc.collect()
        assert 0 == len(feed._books[BTC].subscriptions)
        await elapse(10)
