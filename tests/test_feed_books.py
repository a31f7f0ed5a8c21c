"""Books of a live feed while everything goes wrong: whatever may be read is true, and LIVE comes back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orderbook.errors import BookNotLive
from orderbook.events import SequenceReset, SnapshotRejected
from orderbook.types import BookState
from tests.feed_books import BTC, ETH, FAST, Stage, stage, until

Fault = dict[str, Any]

STRIKES = [3, 9, 15, 21, 27]
STREAM: tuple[Fault, ...] = (
    {"fault": "drop"},
    {"fault": "drop", "run": 3},
    {"fault": "duplicate"},
    {"fault": "duplicate", "lag": 3},
    {"fault": "swap"},
    {"fault": "swap", "by": 3},
    {"fault": "delay", "ms": 40},
    {"fault": "merge", "rows": 4},
    {"fault": "price_zero"},
    {"fault": "price_zero", "size": "7"},
    {"fault": "wrong_symbol"},
    {"fault": "wrong_symbol", "symbol": ETH},
    *({"fault": "garble", "how": how} for how in ("cut", "utf8", "binary", "nest", "extra")),
)
HARMLESS = ("duplicate", "merge", "price_zero", "binary", "extra")
"""What a book that reads well does not even notice."""

ANSWERS: tuple[Fault, ...] = (
    {"fault": "stale_snapshot", "by": 30},
    {"fault": "stale_snapshot", "ms": 300},
    {"fault": "delayed_snapshot", "ms": 60},
    {"fault": "delayed_snapshot", "ms": 60, "computed": "late"},
    *({"fault": "bad_snapshot", "how": how} for how in ("unsorted", "crossed", "null")),
    {"fault": "rate_limited"},
    {"fault": "rate_limited", "reset_ms": 100},
    {"fault": "rest_error"},
    {"fault": "rest_error", "status": 500},
    {"fault": "html"},
    {"fault": "html", "status": 200},
    {"fault": "cut_body"},
    {"fault": "big_body", "bytes": 2_000_000},
    {"fault": "slow", "ms": 60},
    {"fault": "slow", "ms": 400},
    {"fault": "hang"},
    {"fault": "cut"},
)


def _name(fault: Fault) -> str:
    return " ".join(str(value) for value in fault.values())


@pytest.mark.parametrize("fault", STREAM, ids=_name)
async def test_a_spoilt_stream_spoils_no_read_and_no_other_book(fault: Fault) -> None:
    """Whatever happens to the deltas of one symbol: no wrong read, LIVE again, the other symbol never noticed."""
    async with stage() as on:
        on.strike({**fault, "nth": STRIKES, "scope": BTC})
        await until(lambda: on.struck(fault["fault"]) >= len(STRIKES))
        await on.settled()

        on.check()
        assert [] == on.watch.transitions[ETH]
        if any(name in fault.values() for name in HARMLESS):
            assert [] == on.watch.transitions[BTC]


async def test_a_muted_topic_is_found_out_and_subscribed_anew() -> None:
    """The market moves on, the stream does not: STALE soon, and LIVE when the topic is heard again."""
    async with stage() as on:
        on.strike({"fault": "mute", "for_ms": 1_200, "scope": BTC})
        await until(lambda: on.watch.transitions[BTC])
        first = on.watch.transitions[BTC][0]
        assert (BookState.LIVE, BookState.STALE) == (first.old, first.new)
        assert "venue ahead" in first.reason
        await until(lambda: on.feed[BTC].is_live)
        await on.settled()

        on.check()
        assert [] == on.watch.transitions[ETH]


@pytest.mark.parametrize("fault", ANSWERS, ids=_name)
async def test_a_bad_answer_is_found_out_and_another_one_asked_for(fault: Fault) -> None:
    """A book that was lost gets two bad answers: nothing wrong is read, a good one follows, nobody else is touched."""
    async with stage() as on:
        scope = {"scope": BTC, "nth": [1, 2]}
        path = {} if "snapshot" in fault["fault"] else {"path": "orderbook/level2"}
        on.strike({**fault, **scope, **path}, {"fault": "drop", "run": 3, "nth": 3, "scope": BTC})
        await until(lambda: on.struck(fault["fault"]))
        await on.settled()

        on.check()
        assert [] == on.watch.transitions[ETH]
        assert BookState.LIVE is on.watch.transitions[BTC][-1].new


@pytest.mark.parametrize("close", [True, False])
@pytest.mark.parametrize("base", [1, 9_000_000_000_000])
async def test_the_venue_counts_anew(base: int, close: bool) -> None:
    """Lower or higher than before, on the same link or after its end: no wrong read, and LIVE in the new count."""
    async with stage() as on:
        on.strike({"fault": "sequence_reset", "base": base, "close": close, "scope": BTC})
        await until(lambda: on.struck("sequence_reset") == 1)
        await on.settled()

        on.check()
        assert on.market[BTC].epoch == 1
        assert base < on.feed[BTC].sequence < base + 10_000
        if not close:
            assert [] == on.watch.transitions[ETH]
            assert (base == 1) == bool(on.watch.told(SequenceReset, symbol=BTC))


@pytest.mark.parametrize("how", ["abort", "close"])
async def test_disconnects_end_in_live_books(how: str) -> None:
    """Not LIVE while there is no link, at once; and LIVE again from a new link, a new token, a new snapshot."""
    async with stage() as on:
        for _ in range(3):
            on.strike({"fault": "disconnect", "how": how})
            await until(lambda: not on.feed[BTC].is_live)
            with pytest.raises(BookNotLive):
                _ = on.feed[BTC].best_bid
            await on.settled()

        on.check()
        assert 3 == on.feed.health().reconnects


async def test_maintenance_with_a_new_count() -> None:
    """The venue closes everything, refuses everybody, and comes back with other numbers."""
    async with stage() as on:
        on.strike({"fault": "maintenance", "ms": 300, "base": 5})
        await until(lambda: not on.feed[BTC].is_live)
        await until(lambda: on.market[BTC].epoch == 1)
        await on.settled()

        on.check()


async def test_a_symbol_that_stops_trading_is_halted_and_comes_back() -> None:
    """The venue's own list says so; the book is HALTED, and LIVE again when the symbol trades again."""
    async with stage(settings=replace(FAST, instruments_interval_ms=50)) as on:
        on.strike({"fault": "delist", "ms": 500, "scope": BTC})
        await until(lambda: on.feed[BTC].state is BookState.HALTED)
        assert on.feed.status(BTC).reason == "not traded at the moment"
        await until(lambda: on.feed[BTC].is_live)
        await on.settled()

        on.check()
        assert [] == on.watch.transitions[ETH]


async def test_a_book_lost_while_its_symbol_is_off_the_list_comes_back() -> None:
    """Snapshots are refused because the symbol stopped trading: no final failure, for it may trade again."""
    async with stage() as on:
        on.strike(
            {"fault": "delist", "ms": 400, "scope": BTC},
            {"fault": "disconnect"},
        )
        await until(lambda: on.watch.transitions[BTC])
        await on.settled()

        on.check()
        assert BookState.FAILED not in [one.new for one in on.watch.transitions[BTC]]


async def test_everything_at_once() -> None:
    """All faults of the stream together, with a disconnect and bad snapshots: no wrong read, and equal at the end."""
    everything = [{**fault, "p": 0.01, "for_ms": 900} for fault in STREAM]
    async with stage(symbols=(BTC, ETH, "SOL-USDT")) as on:
        on.strike(
            *everything,
            {"fault": "disconnect", "at_ms": 400},
            {"fault": "stale_snapshot", "by": 20, "p": 0.3, "for_ms": 900},
            {"fault": "rate_limited", "path": "level2", "p": 0.2, "for_ms": 900},
            {"fault": "price_zero", "at_ms": 1_000},
        )
        await until(lambda: on.struck("price_zero") and _is_over(on))
        await on.settled()

        on.check()


def _is_over(on: Stage) -> bool:
    return any(entry.fault == "price_zero" for entry in on.venue.exchange.ledger.entries)


@pytest.mark.parametrize("fault", ANSWERS, ids=_name)
async def test_bad_answers_to_the_first_question(fault: Fault) -> None:
    """The very first snapshot is bad: the book is not LIVE with it, and LIVE with the next good one."""
    path = {} if "snapshot" in fault["fault"] else {"path": "orderbook/level2"}
    async with stage({**fault, **path, "nth": [1, 2], "scope": BTC}, wait=False) as on:
        await on.settled()

        on.check()
        if fault["fault"] == "bad_snapshot":
            # An unsorted one is as good as any, and one without data is asked for again by the REST client.
            assert (fault["how"] == "crossed") == bool(on.watch.told(SnapshotRejected, symbol=BTC))
