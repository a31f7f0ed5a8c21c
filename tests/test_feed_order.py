"""The same order in every run: who is told first does not hang on hashes or addresses in memory."""

from __future__ import annotations

import gc
from collections.abc import Callable

import pytest

from orderbook.clock import loop_clock
from orderbook.events import NeedSnapshot, StateChanged
from orderbook.feed.bookkeeper import BookKeeper
from orderbook.feed.delivery import Subscribers
from orderbook.feed.events import FeedEvent, LinkReplaced
from orderbook.feed.settings import FeedSettings
from orderbook.simulator.virtual_time import run
from orderbook.testing import VirtualKuCoin
from orderbook.venues.base import decode_frame
from tests import kucoin_frames
from tests.feed_world import VENUE, Scene
from tests.waiting import elapse

BTC = "BTC-USDT"
READERS = 20


def test_subscribers_are_told_in_the_order_in_which_they_came() -> None:
    """Every time, and of every change."""
    told: list[int] = []

    def tells(number: int) -> Callable[[object], None]:
        return lambda _: told.append(number)

    async def main() -> None:
        async with VirtualKuCoin(symbols=[BTC], seed=1) as venue, venue.open_feed() as feed:
            await feed.ready(BTC, timeout_s=30)
            held = [feed.listen(BTC, tells(number)) for number in range(READERS)]
            await elapse(5)
            assert READERS == len(held)

    run(main)
    turns = [tuple(told[begin : begin + READERS]) for begin in range(0, len(told) - READERS, READERS)]
    assert len(turns) > 10
    assert {tuple(range(READERS))} == set(turns)


def test_whoever_lets_go_of_a_subscription_is_not_told_any_more() -> None:
    """The others keep their order, and one that comes takes nobody's place."""

    async def main() -> None:
        async with VirtualKuCoin(symbols=[BTC], seed=1) as venue, venue.open_feed() as feed:
            found = feed._books[BTC].subscriptions
            assert isinstance(found, Subscribers)
            held = [feed.updates(BTC) for _ in range(5)]
            gone = held.pop(1)
            assert gone in found
            assert None not in found
            del gone
            gc.collect()
            assert held == [*found]
            held.append(feed.updates(BTC))
            closed = held.pop(0)
            for one in found:  # while it goes over them
                if one is closed:
                    one.close()
                    one.close()
            assert closed not in found
            assert (held, 4) == ([*found], len(found))

    run(main)


def test_a_new_link_is_told_to_books_in_the_same_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """By name: their waits begin in that order, and what they ask for follows from it."""
    told: list[str] = []
    plain = BookKeeper.subscribed

    def note(self: BookKeeper) -> None:
        told.append(self.symbol)
        plain(self)

    monkeypatch.setattr(BookKeeper, "subscribed", note)

    def hear(event: FeedEvent) -> None:
        if isinstance(event.event, LinkReplaced):
            replaced.append(told.copy())

    replaced: list[list[str]] = []

    async def main() -> None:
        venue = VirtualKuCoin(symbols=20, seed=1)
        settings = FeedSettings(link_life_ms=3_000)
        async with venue, venue.open_feed(settings=settings, on_event=hear) as feed:
            for symbol in feed.symbols:
                await feed.ready(symbol, timeout_s=30)
            told.clear()
            await elapse(4)
            assert sorted(feed.symbols) == replaced[0]

    run(main)


@pytest.mark.parametrize("gone", ["98", "96"], ids=["one of them removes what is not there", "both do"])
def test_a_comparison_is_asked_for_after_what_its_delta_did_was_told(gone: str) -> None:
    """A delta fills a hole, so that the book is LIVE again, and does not fit it: nobody hears of the audit before."""

    async def main() -> list[str]:
        scene = Scene()
        scene.add("A-B")
        await scene.acknowledged("A-B")
        scene.make_live("A-B")
        book = scene.books["A-B"]
        scene.told.clear()
        for number, price in ((13, gone), (12, "96")):
            rows = [(price, "0" if price == "96" else "1")]
            text = kucoin_frames.delta(number, bids=rows, symbol="A-B")
            book.take(decode_frame(VENUE, text, 10_000), loop_clock())
        told = [type(event).__name__ for event in scene.events(StateChanged, NeedSnapshot)]
        await scene.close()
        return told

    told = run(main)
    assert ["StateChanged", "StateChanged", "NeedSnapshot"] == told[-3:]
