"""Books of a live feed while everything goes wrong: whatever may be read is true, and LIVE comes back."""

from __future__ import annotations

import pytest

from tests.feed_books import BTC, ETH, stage, until

STREAM = (
    {"fault": "drop", "p": 0.05, "run": 2},
    {"fault": "duplicate", "p": 0.2},
    {"fault": "duplicate", "p": 0.1, "lag": 3},
    {"fault": "swap", "p": 0.1},
    {"fault": "swap", "p": 0.05, "by": 3},
    {"fault": "delay", "p": 0.05, "ms": 40},
    {"fault": "merge", "p": 0.1, "rows": 4},
    {"fault": "mute", "for_ms": 200},
    {"fault": "price_zero", "p": 0.2},
    {"fault": "price_zero", "p": 0.2, "size": "7"},
    {"fault": "wrong_symbol", "p": 0.05},
    {"fault": "wrong_symbol", "p": 0.05, "symbol": ETH},
    *({"fault": "garble", "p": 0.03, "how": how} for how in ("cut", "flip", "utf8", "binary", "nest", "extra")),
)
HARMLESS = {"duplicate", "merge", "price_zero"}


def _name(fault: dict[str, object]) -> str:
    return " ".join(str(value) for value in fault.values())


@pytest.mark.parametrize("fault", STREAM, ids=_name)
async def test_a_spoilt_stream_spoils_no_read_and_no_other_book(fault: dict[str, object]) -> None:
    """Whatever happens to the deltas of one symbol: no wrong read, LIVE again, the other symbol never noticed."""
    async with stage() as on:
        on.strike({**fault, "scope": BTC})
        await until(lambda: on.struck(str(fault["fault"])) >= 5)
        on.venue.exchange.common.injector._active.clear()
        await on.settled()
        on.check()
        print(on.watch.reads, on.watch.refused, on.watch.transitions, on.feed.counters(BTC))
        assert [] == on.watch.transitions[ETH]
        if fault["fault"] in HARMLESS:
            assert [] == on.watch.transitions[BTC]
