"""Many books lose a message at once: all come back within the budget, the ones that matter first. In virtual time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from orderbook.errors import UsageError
from orderbook.feed.events import MassResync, MassResyncEnded
from orderbook.simulator.market import default_symbols
from orderbook.simulator.profiles import PROFILES
from orderbook.testing import run
from orderbook.types import BookState
from tests.mass_world import SNAPSHOT_WEIGHT, MassWorld, by_symbol, mass_world, now_s, until
from tests.waiting import elapse

SMALL = replace(PROFILES["normal"], name="small", bids=20, asks=20)
NAMES = default_symbols(36)
PER_WINDOW, WINDOW_S = 9, 1.0
WINDOWS = len(NAMES) // PER_WINDOW
SLOW = 4.0
"""Deltas a second of a symbol, where half a minute passes in which nothing may be asked."""


def world(seed: int = 1, **options: Any) -> Any:
    """36 symbols at a venue that allows 9 snapshots a second."""
    given: dict[str, Any] = {"per_window": PER_WINDOW, "window_ms": 1_000, "rate": 20.0, "profile": SMALL, "seed": seed}
    return mass_world(len(NAMES), **given | options)


def asked_again(on: MassWorld) -> dict[str, int]:
    """Who was asked for more than once, and how often."""
    return {symbol: len(calls) for symbol, calls in by_symbol(on.calls).items() if len(calls) > 1}


@pytest.mark.parametrize("seed", [1, 2])
def test_all_come_back_as_fast_as_the_budget_allows(seed: int) -> None:
    """One snapshot each, not one beyond the budget, and no window of it unused: (n - 1) windows and a moment."""

    async def main() -> None:
        async with world(seed) as on:
            on.strike()
            took_s = await on.all_back()

            assert (0, {}) == (on.over_budget(), on.violations())
            assert {} == asked_again(on)
            # Each window begins anew after the answers of the last one, which take a round trip.
            assert took_s <= (WINDOWS - 1) * (WINDOW_S + 0.11) + 0.5
            assert min(on.back.values()) - min(on.lost.values()) <= 1

    run(main)


def test_the_budget_is_never_idle_while_somebody_waits() -> None:
    """Whenever a call goes, the budget was full until then, or nobody waited."""

    async def main() -> None:
        async with world() as on:
            on.strike()
            await on.all_back()
            calls = on.calls
            for first, later in zip(calls, calls[PER_WINDOW:], strict=False):
                # The place that the first one gave back was taken at once (two timers of a ms), or not before the loss.
                freed_s = first.ended_s + WINDOW_S
                assert later.sent_s <= max(freed_s, on.lost[later.symbol] + 0.02) + 0.06, later

    run(main)


def test_hot_symbols_come_first_and_others_in_the_order_of_their_loss() -> None:
    """Named ones have LIVE books again at once, whenever they lost them; nobody else overtakes anybody."""
    hot = NAMES[5:36:12]

    async def main() -> None:
        async with world() as on:
            on.feed.prioritise(*hot)
            on.strike()
            await on.all_back()

            assert [] == [symbol for symbol in hot if on.back[symbol] - on.lost[symbol] > 0.1]
            cold = [call for call in on.calls if call.symbol not in hot]
            # A hole is held for 20 ms, or 16 frames, before it is a gap.
            assert [] == [
                (one.symbol, other.symbol)
                for one in cold
                for other in cold
                if one.sent_s < other.sent_s and on.lost[one.symbol] > on.lost[other.symbol] + 0.021
            ]

    run(main)


def test_symbols_can_be_named_while_they_wait() -> None:
    """Whoever is named moves to the head of the line; named no more, back to the others."""

    async def main() -> None:
        async with world() as on:
            on.strike()
            await on.all_lost()
            waiting = [symbol for symbol in NAMES if (reason := on.feed.status(symbol).reason) and "in line" in reason]
            last = max(waiting, key=lambda symbol: on.lost[symbol])
            on.feed.prioritise(last)
            assert "number 1 in line" in on.feed.status(last).reason
            on.feed.prioritise()
            assert "number 1 in line" not in on.feed.status(last).reason
            on.feed.prioritise(last)
            before = len(on.calls)
            await until(lambda: on.feed[last].is_live, 3 * WINDOW_S)
            assert last in on.order[before : before + 2]
            with pytest.raises(UsageError, match="not a symbol of this feed"):
                on.feed.prioritise(NAMES[0], "A-B")
            await on.all_back()

    run(main)


def test_what_is_kept_for_named_symbols_is_given_back_when_they_are_removed() -> None:
    """Of those that are left it is as much as they need; a symbol that is added again is not named any more."""

    async def main() -> None:
        async with world() as on:
            on.feed.prioritise(*NAMES[:3], NAMES[0])
            assert [3 * SNAPSHOT_WEIGHT] == kept(on)
            await on.feed.remove(NAMES[0], NAMES[20])
            assert [2 * SNAPSHOT_WEIGHT] == kept(on)
            await on.feed.add(NAMES[0])
            assert [2 * SNAPSHOT_WEIGHT] == kept(on)
            await on.feed.remove(NAMES[1], NAMES[2])
            assert [] == kept(on)
            on.feed.prioritise(NAMES[0])
            assert [1 * SNAPSHOT_WEIGHT] == kept(on)

    run(main)


def kept(on: MassWorld) -> list[int]:
    """The weights that the budget keeps for those that matter most."""
    return list(on.budget._quotas["spot"].kept.values())


def test_books_that_somebody_reads_come_before_others() -> None:
    """Without a word of the user: a subscription, or somebody who waits for ``ready``."""
    read, awaited = NAMES[7], NAMES[33]

    async def main() -> None:
        async with world() as on:
            updates = on.feed.updates(read)
            on.strike()
            await on.all_lost()
            task = asyncio.create_task(on.feed.ready(awaited))
            await on.all_back()
            await task
            updates.close()

            places = {symbol: on.order.index(symbol) for symbol in (read, awaited)}
            assert max(places.values()) < 3 * PER_WINDOW

    run(main)


def test_a_book_that_needs_no_snapshot_any_more_gives_its_place_back() -> None:
    """What was missing comes late, and is taken: LIVE without a call; the next in line has the place at once."""
    late = NAMES[:12]

    async def main() -> None:
        async with world() as on:
            on.venue.strike(*({"fault": "delay", "ms": 700, "scope": symbol} for symbol in late))
            drops: Sequence[dict[str, object]] = [
                {"fault": "drop", "run": 3, "scope": symbol} for symbol in NAMES if symbol not in late
            ]
            on.forget()
            on.venue.strike(*drops)
            await on.all_back()

            served = [symbol for symbol in late if symbol in on.order]
            assert len(served) < len(late)
            assert [] == [
                symbol for symbol in late if on.lost[symbol] + 0.75 < on.back[symbol] and symbol not in served
            ]
            assert (0, {}) == (on.over_budget(), on.violations())
            assert [] == [call for call in on.calls if on.back[call.symbol] < call.sent_s]
            # Some had been in the line: a hole is held for 20 ms before it is a gap.
            gapped = [symbol for symbol in late if on.feed.counters(symbol).gaps]
            assert set(gapped) - set(served)

    run(main)


def test_a_removed_symbol_gives_its_place_back() -> None:
    """Nobody asks for what nobody wants."""

    async def main() -> None:
        async with world() as on:
            on.strike()
            await on.all_lost()
            gone = [symbol for symbol in NAMES if "in line" in on.feed.status(symbol).reason]
            await on.feed.remove(*gone)
            await elapse(0.001)
            assert 0 == on.budget.waiting
            await until(lambda: all(on.feed[symbol].is_live for symbol in on.feed.symbols), 10)
            assert set() == set(gone) & set(on.order)

    run(main)


def test_progress_and_an_estimate_are_told(caplog: pytest.LogCaptureFixture) -> None:
    """How many wait, and for how long: within a tenth of what it takes in the end; one line and event each way."""
    caplog.set_level(logging.WARNING, "orderbook.feed")

    async def main() -> None:
        async with world() as on:
            on.strike()
            await on.all_lost()
            await elapse(0.1)
            health, then_s = on.feed.health(), now_s()
            assert health.books_waiting == sum(not on.feed[symbol].is_live for symbol in NAMES)
            await on.all_back()
            took_ms = 1_000 * (max(on.back.values()) - then_s)
            assert took_ms == pytest.approx(health.books_wait_ms, rel=0.1)
            await elapse(1)
            told = [one.event for one in on.told if one.symbol is None]
            health = on.feed.health()
            assert (0, 0) == (health.books_waiting, health.books_wait_ms)
            assert [MassResync, MassResyncEnded] == [type(event) for event in told]
            assert isinstance(told[1], MassResyncEnded)
            assert 2_000 < told[1].took_ms < 5_000
            assert len(NAMES) >= told[1].books > len(NAMES) / 2

    run(main)
    lines = [record.getMessage() for record in caplog.records if record.getMessage().startswith("mass resync")]
    assert ["wait for a snapshot", "had their snapshots"] == [
        next(part for part in ("wait for a snapshot", "had their snapshots") if part in line) for line in lines[-2:]
    ]


def test_a_ban_is_part_of_the_estimate() -> None:
    """Nothing goes before its end, and the user is told."""

    async def main() -> None:
        async with world(rate=SLOW) as on:
            on.budget.ban("spot", 20_000)
            banned_s = now_s()
            on.strike()
            await on.all_lost()
            await elapse(0.1)
            health, then_s = on.feed.health(), now_s()
            await on.all_back()
            assert on.calls[0].sent_s >= banned_s + 19.999
            took_ms = 1_000 * (max(on.back.values()) - then_s)
            assert took_ms == pytest.approx(health.books_wait_ms, rel=0.1)

    run(main)


def test_an_overloaded_venue_is_asked_again_from_the_end_of_the_line() -> None:
    """A tenth of the answers is 429 without a word of the quota: whoever got one waits behind those not asked yet."""

    async def main() -> None:
        async with world(3) as on:
            on.strike({"fault": "rate_limited", "p": 0.1, "for_ms": 60_000})
            took_s = await on.all_back()

            assert (0, {}) == (on.over_budget(), on.violations())
            turned = [call for call in on.calls if call.status == 429]
            assert turned
            again = by_symbol(on.calls)
            for call in turned:
                next_s = min((one.sent_s for one in again[call.symbol] if one.sent_s > call.sent_s), default=None)
                assert next_s is not None
                # Whoever stood in line when it came back to the line was asked before it.
                assert [] == [
                    symbol
                    for symbol, calls in again.items()
                    if on.lost[symbol] + 0.03 < call.ended_s and calls[0].sent_s > next_s + 0.06
                ]
            assert took_s <= WINDOWS * (WINDOW_S + 0.11) + 1

    run(main)


@pytest.mark.parametrize("reset_ms", [400, 900])
def test_a_429_that_names_a_time_is_honoured(reset_ms: int) -> None:
    """Until then nothing goes, of any symbol; and all come back in the end."""

    async def main() -> None:
        async with world() as on:
            on.strike({"fault": "rate_limited", "p": 0.1, "reset_ms": reset_ms, "for_ms": 60_000})
            await on.all_back()

            assert (0, {}) == (on.over_budget(), on.violations())
            bans = [call.ended_s for call in on.calls if call.status == 429]
            assert bans
            assert [] == [
                call for call in on.calls for at_s in bans if at_s < call.sent_s < at_s + reset_ms / 1e3 - 0.001
            ]

    run(main)


def test_a_block_by_the_edge_is_honoured() -> None:
    """A page with 1015: for 30 s not one request goes, then all come back."""

    async def main() -> None:
        async with world(rate=SLOW) as on:
            on.strike({"fault": "banned", "ms": 30_000, "nth": 12, "path": "level2"})
            await on.all_back()

            assert (0, {}) == (on.over_budget(), on.violations())
            blocked_s = next(call.ended_s for call in on.calls if call.status != 200)
            assert [] == [call for call in on.calls if blocked_s < call.sent_s < blocked_s + 29.9]

    run(main)


def test_a_lost_link_is_a_mass_resync_too() -> None:
    """All books at once, after a reconnect: within the budget, the named ones first."""
    hot = NAMES[-3:]

    async def main() -> None:
        async with world() as on:
            on.feed.prioritise(*hot)
            on.forget()
            on.venue.strike({"fault": "disconnect"})
            await on.all_back()
            assert (0, {}) == (on.over_budget(), on.violations())
            assert all(BookState.LIVE is on.feed[symbol].state for symbol in NAMES)
            assert max(on.order.index(symbol) for symbol in hot) < PER_WINDOW + 3

    run(main)
