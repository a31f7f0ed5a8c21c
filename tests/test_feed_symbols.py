"""Symbols that come and go, fall silent, or are not traded for a while."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from orderbook.errors import UnknownSymbol
from orderbook.feed.events import LinkDown, LinkUp
from orderbook.feed.settings import FeedSettings
from orderbook.simulator import virtual_time
from orderbook.types import BookState
from tests.feed_books import BTC, ETH, FAST, SOL, stage, until
from tests.feed_world import Scene, ScriptedSocket, ScriptedVenue, delta, eventually, obey, own_tasks, own_timers
from tests.waiting import elapse


def names(count: int) -> list[str]:
    """So many symbols."""
    return [f"S{number:03}-USDT" for number in range(count)]


# -- coming and going --


async def test_symbols_are_added_and_removed_while_running() -> None:
    """The others do not notice, and the venue streams what is wanted and nothing else."""
    async with stage(symbols=(BTC,), listed=(ETH, SOL)) as scene:
        scene.watch.transitions.clear()
        await scene.feed.add(ETH, SOL)
        await scene.live()
        await scene.settled()
        await scene.feed.remove(ETH)
        await until(lambda: scene.venue.exchange.state()["subscriptions"] == 2)
        await scene.feed.add(ETH)
        await scene.feed.ready(ETH, timeout_s=30)
        await scene.settled()
        assert [] == scene.watch.transitions[BTC]
        assert 1 == scene.venue.exchange.state()["accepted"]
        scene.check()


async def test_an_unknown_symbol_is_named_before_it_is_subscribed() -> None:
    """With advice, and nothing else is added."""
    async with stage(symbols=(BTC,), listed=(ETH,)) as scene:
        with pytest.raises(UnknownSymbol, match=r"BCT-USDT.*did you mean BTC-USDT"):
            await scene.feed.add(ETH, "BCT-USDT")
        assert (BTC,) == scene.feed.symbols


def test_a_symbol_that_is_removed_and_added_at_once_is_subscribed_anew() -> None:
    """Its new book is told of a subscription of its own."""

    async def main() -> list[list[str]]:
        scene = Scene()
        scene.add("A-B", "C-D")
        await scene.acknowledged("A-B", "C-D")
        wire = await scene.opened(1)
        scene.placement.take("A-B")
        scene.add("A-B")
        await eventually(lambda: len(wire.topics()) == 2)
        await elapse(1)
        wire.bring(delta("A-B", 5))
        await eventually(lambda: scene.books["A-B"].sync.wants_snapshot)
        await scene.close()
        return wire.topics() + wire.topics("unsubscribe")

    assert [["A-B", "C-D"], ["A-B"], ["A-B"]] == virtual_time.run(main)


def test_any_coming_and_going_ends_with_what_is_wanted() -> None:
    """Symbols added and removed at random moments, on connections that end at random moments."""

    async def main() -> None:
        rng = random.Random(5)
        scene = Scene(settings=FeedSettings(batch_max=3, topics_max=8, connects_max=1_000))
        symbols = names(20)
        for _ in range(300):
            symbol = rng.choice(symbols)
            if symbol in scene.books:
                await scene.remove(symbol)
            else:
                scene.add(symbol)
            if rng.random() < 0.1 and scene.venue.sockets:
                scene.venue.sockets[-1].hang_up()
            await elapse(rng.choice((0, 0, 0.01, 1)))
        scene.add(*(symbol for symbol in symbols if symbol not in scene.books))
        await scene.acknowledged(*symbols)
        assert all(len(link.served) <= 8 for link in scene.placement.links)
        assert set(symbols) == {name for link in scene.placement.links for name in link.served}
        await scene.close()

    virtual_time.run(main)


async def test_a_symbol_that_goes_while_it_is_moved_harms_nobody() -> None:
    """The venue has no room for it, and the user does not want it any more: nothing is left to move."""

    async def main() -> int:
        waiting: list[tuple[ScriptedSocket, dict[str, Any]]] = []

        def hold(wire: ScriptedSocket, message: dict[str, Any]) -> None:
            if message["type"] == "subscribe" and not scene.placement.links[1:]:
                waiting.append((wire, message))
            else:
                obey(wire, message)

        scene = Scene(ScriptedVenue(answer=hold))
        scene.add("A-B", "C-D", "E-F")
        await eventually(lambda: waiting)
        await scene.remove("C-D")
        wire, message = waiting.pop()
        limit = "exceed max subscription count limitation of 1 per session"
        wire.say(id=message["id"], type="error", code=509, data=limit)
        await eventually(lambda: len(scene.placement.links) == 2)
        while waiting:
            obey(*waiting.pop())
        await scene.acknowledged("A-B", "E-F")
        assert [] == scene.events(LinkDown)
        await scene.close()
        return len(scene.placement.links)

    assert 2 == await asyncio.to_thread(virtual_time.run, main)


# -- quiet or dead --


async def test_a_muted_topic_is_found_out_and_subscribed_again() -> None:
    """The probe sees the venue ahead: STALE; the subscription is renewed until the book is LIVE."""
    async with stage() as scene:
        scene.strike({"fault": "mute", "scope": ETH, "for_ms": 900})
        await until(lambda: scene.feed[ETH].state is BookState.STALE)
        assert "venue ahead" in scene.feed[ETH].reason
        await until(lambda: scene.feed[ETH].is_live)
        await scene.settled()
        assert [] == scene.watch.transitions[BTC]
        assert [] == scene.watch.told(LinkDown)
        scene.check()


async def test_a_quiet_symbol_stays_live() -> None:
    """No delta for several silences in a row: probes, and not one change of state."""
    async with stage(symbols=(BTC,), rate=0.001, profile="quiet", settings=FAST) as scene:
        scene.watch.transitions.clear()
        calls = scene.venue.exchange.state()["rest_calls"]
        await until(lambda: scene.venue.exchange.state()["rest_calls"] >= calls + 3)
        assert [] == scene.watch.transitions[BTC]
        assert scene.feed[BTC].is_live
        scene.check()


# -- halts --


async def test_a_symbol_that_is_not_traded_is_halted_from_the_beginning_and_over_reconnects() -> None:
    """Only the venue's list of symbols ends a halt: neither a new connection nor a subscription does."""
    async with stage({"fault": "delist", "scope": ETH}, wait=False) as scene:
        await scene.live([BTC])
        assert BookState.HALTED is scene.feed[ETH].state
        scene.strike({"fault": "disconnect"})
        await until(lambda: scene.watch.told(LinkUp))
        await scene.live([BTC])
        await until(lambda: (link := scene.feed._placement[ETH]._link) and link.subscribed == {BTC, ETH})
        assert BookState.HALTED is scene.feed[ETH].state
        scene.venue.exchange.common.delisted.clear()
        await scene.feed.read_instruments()
        await scene.settled()
        scene.check()


async def test_a_halt_may_end_while_there_is_no_link() -> None:
    """The book is LIVE again with the next connection."""
    async with stage({"fault": "delist", "scope": ETH}, wait=False) as scene:
        await scene.live([BTC])
        scene.strike({"fault": "lost_welcome"}, {"fault": "disconnect"})
        await until(lambda: scene.struck("lost_welcome"))
        scene.venue.exchange.common.delisted.clear()
        await scene.feed.read_instruments()
        assert BookState.CONNECTING is scene.feed[ETH].state
        scene.strike({"fault": "disconnect"})
        await scene.settled()
        scene.check()


# -- connections without symbols --


def test_a_connection_without_symbols_is_closed_after_a_while() -> None:
    """Its slot is free for others, its task is gone, and its messages still count."""

    async def main() -> tuple[list[str], int, list[str]]:
        scene = Scene(settings=FeedSettings(topics_max=1, links_max=2))
        scene.add("A-B", "C-D")
        await scene.acknowledged("A-B", "C-D")
        await scene.remove("C-D")
        await elapse(59)
        assert 2 == len(scene.placement.links)
        scene.add("E-F")
        await elapse(120)
        assert ["1", "2"] == [link.name for link in scene.placement.links]
        await scene.remove("A-B")
        before = scene.placement.messages
        await elapse(61)
        assert [True, False] == [wire.is_aborted for wire in scene.venue.sockets]
        assert scene.placement.messages >= before
        connects = len(scene.venue.connects)
        await elapse(3_600)
        assert connects == len(scene.venue.connects)
        scene.add("G-H")
        await scene.acknowledged("E-F", "G-H")
        names = [link.name for link in scene.placement.links]
        await scene.remove("G-H")
        await scene.close()
        return names, connects, own_tasks() + own_timers()

    assert (["2", "3"], 2, []) == virtual_time.run(main)
