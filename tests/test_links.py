"""What books notice of connections that are replaced: the benchmark in a short form."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from benchmarks import links
from benchmarks.links import Absences, renewal, twice
from benchmarks.virtual import Figure
from orderbook.events import StateChanged
from orderbook.feed.events import FeedEvent, LinkDown
from orderbook.simulator.profiles import PROFILES
from orderbook.testing import run
from orderbook.types import BookState
from tests.waiting import elapse

SMALL = replace(PROFILES["normal"], name="small", bids=20, asks=20)


def by_name(figures: list[Figure]) -> dict[str, Figure]:
    """Each figure, found by what it is called."""
    return {one.name: one for one in figures}


def missed(figures: list[Figure]) -> list[Figure]:
    """Those that do not meet their bars."""
    return [one for one in figures if not one.is_met]


@pytest.mark.parametrize(("count", "seed"), [(40, 1), (310, 2)])
def test_no_book_notices_that_its_connection_is_replaced(
    count: int, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0 ms not LIVE, no snapshot, whichever of two connections is faster at the moment; 310 books are on two."""
    monkeypatch.setattr(links, "LIFE_S", 4.0)
    figures = run(partial(renewal, count, 2, 300.0, seed, SMALL))

    assert [] == missed(figures)
    assert 2 * (1 + count // 300) <= by_name(figures)["connections replaced"].value
    assert 1_000 < by_name(figures)["messages"].value


def test_a_message_that_one_of_two_connections_loses_is_no_gap() -> None:
    """With 2 % lost on each: gaps beside those of a book on one connection, and beside what is expected."""
    figures = run(partial(twice, 0.02, 100.0, 50.0, 1, SMALL))

    assert [] == missed(figures)
    gaps = [one.value for one in figures if one.name == "  gaps"]
    assert 40 < gaps[0]
    assert gaps[1] < 10


def test_what_a_book_is_not_live_is_counted() -> None:
    """From the moment on in which it leaves LIVE, also while it is not over: the measure can tell a failure."""

    async def main() -> tuple[float, float, float, int]:
        absences = Absences()

        def changed(old: BookState, new: BookState) -> None:
            absences.hear(FeedEvent("A-B", StateChanged(old, new, "")))

        changed(BookState.CONNECTING, BookState.LIVE)
        await elapse(1)
        before_s = absences.until_now_s
        changed(BookState.LIVE, BookState.SYNCING)
        await elapse(2)
        meanwhile_s = absences.until_now_s
        changed(BookState.SYNCING, BookState.LIVE)
        await elapse(4)
        absences.hear(FeedEvent(None, LinkDown("1", "closed")))
        return before_s, meanwhile_s, absences.until_now_s, absences.lost

    assert (0.0, 2.0, 2.0, 1) == run(main)
