"""What a feed tells whoever asks: how many books can be read, which names it does not know and which it may mean."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import fields
from typing import get_args

import pytest

import orderbook
from orderbook.errors import UsageError
from orderbook.feed.events import Notice
from orderbook.feed.health import FeedHealth
from orderbook.testing import VirtualKuCoin, run
from orderbook.types import BookState
from tests.state_table import README

BTC, ETH, SOL = "BTC-USDT", "ETH-USDT", "SOL-USDT"


def venue() -> VirtualKuCoin:
    """One with three symbols."""
    return VirtualKuCoin(symbols=[BTC, ETH, SOL], rate=20, seed=1)


def counts(health: FeedHealth) -> tuple[int, int, int, int]:
    """Of links and books."""
    return (health.links_up, health.books, health.books_live, health.books_waiting)


def test_live_books_are_counted() -> None:
    """All of them when all is well; none when the link is down, where no book has asked for a snapshot yet."""

    async def main() -> list[tuple[int, int, int, int]]:
        found = []
        async with venue() as place, place.open_feed() as feed:
            for symbol in feed.symbols:
                await feed.ready(symbol)
            found.append(counts(feed.health()))
            place.unplug(500)
            async for told in feed.events():
                if isinstance(told.event, orderbook.LinkDown):
                    break
            found.append(counts(feed.health()))
            await feed.remove(SOL)
            for symbol in feed.symbols:
                await feed.ready(symbol)
            found.append(counts(feed.health()))
        return found

    assert [(1, 3, 3, 0), (0, 3, 0, 0), (1, 2, 2, 0)] == run(main, limit_s=60)


def test_what_is_no_symbol_is_no_live_book() -> None:
    """A symbol whose trading has ended is a book of the feed, and cannot be read."""

    async def main() -> tuple[tuple[int, int, int, int], BookState]:
        settings = orderbook.FeedSettings(instruments_interval_ms=1_000)
        async with venue() as place, place.open_feed(settings=settings) as feed:
            for symbol in feed.symbols:
                await feed.ready(symbol)
            place.strike({"fault": "delist", "scope": SOL})
            async for told in feed.events():
                if isinstance(told.event, orderbook.StateChanged) and told.event.new is BookState.HALTED:
                    break
            return counts(feed.health()), feed[SOL].state

    assert ((1, 3, 2, 0), BookState.HALTED) == run(main, limit_s=60)


def test_the_readme_names_what_there_is() -> None:
    """Every event and every figure of a feed's health."""
    text = README.read_text(encoding="utf-8")
    events = re.findall(r"`(\w+)`", text.partition("**Events** are")[2].partition("**`feed.health()`**")[0])
    health = set(re.findall(r"`(\w+)`", text.partition("**`feed.health()`**")[2].partition("**Without asyncio**")[0]))

    assert {one.__name__ for one in get_args(Notice)} <= set(orderbook.__all__)
    assert {one.__name__ for one in get_args(Notice)} | {"MassResync"} == {*events} - {"orderbook"}
    assert {field.name for field in fields(FeedHealth)} | {"links_up", "rtt_ms", "reconnects"} <= health
    assert {field.name for field in fields(orderbook.LinkHealth)} <= health


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([BTC, ETH], "give names, not a list of them: 'BTC-USDT', 'ETH-USDT'"),
        ((BTC,), "give names, not a tuple of them: 'BTC-USDT'"),
        ({BTC}, "give names, not a set of them: 'BTC-USDT'"),
        ("DOGE-USDT", "'DOGE-USDT' is not a symbol of this feed; it has BTC-USDT, ETH-USDT, SOL-USDT"),
        (b"BTC", "b'BTC' is not a symbol of this feed; it has BTC"),
        (7, "7 is not a symbol of this feed; it has BTC"),
    ],
)
def test_symbols_are_given_one_by_one(given: str, told: str) -> None:
    """A list of names is not a name, and that is said; nothing was prioritised or removed."""

    async def main() -> list[str]:
        said = []
        async with venue() as place, place.open_feed() as feed:
            for act in (feed.prioritise, feed.__getitem__):
                with pytest.raises(UsageError) as caught:
                    act(given)
                said.append(str(caught.value))
            with pytest.raises(UsageError) as caught:
                await feed.remove(given)
            assert (BTC, ETH, SOL) == feed.symbols
        return [*said, str(caught.value)]

    said = run(main, limit_s=60)
    assert (3, {said[0]}) == (len(said), set(said))
    assert said[0].startswith(told)


@pytest.mark.parametrize(
    ("wanted", "near"),
    [
        ("DOGE-USDT", []),
        ("BCT-USDT", [BTC]),
        ("eth-usdt", [ETH]),
        ("BTC-USD", [BTC]),
        ("SOLL-USDT", [SOL]),
    ],
)
def test_a_symbol_that_may_be_meant_is_named(wanted: str, near: Iterable[str]) -> None:
    """One with another base currency is not like it, however alike the rest is."""

    async def main() -> str:
        async with venue() as place:
            with pytest.raises(orderbook.UnknownSymbol) as caught:
                await place.open_feed([wanted])
            return str(caught.value)

    told = run(main, limit_s=60)
    assert [symbol for symbol in (BTC, ETH, SOL) if symbol in told] == list(near)
    assert ("did you mean" in told) == bool(near)
