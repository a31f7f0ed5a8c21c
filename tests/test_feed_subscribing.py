"""Subscriptions: batches, acknowledgements, refusals, and limits that are learnt."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from orderbook.errors import UsageError
from orderbook.feed.errors import NotReady
from orderbook.feed.events import LinkDown, LinkUp, SubscriptionRefused
from orderbook.feed.settings import FeedSettings
from orderbook.simulator import virtual_time
from orderbook.simulator.limits import Limits
from orderbook.simulator.market import SymbolMarket
from orderbook.testing import VirtualKuCoin
from orderbook.types import BookState
from tests.feed_books import BTC, ETH, FAST, SMALL, SOL, stage, until
from tests.feed_world import Scene, ScriptedSocket, ScriptedVenue, deaf, eventually, obey, only_pongs
from tests.waiting import elapse


def names(count: int) -> list[str]:
    """So many symbols."""
    return [f"S{number:03}-USDT" for number in range(count)]


# -- batches --


@pytest.mark.parametrize("batch_max", [1, 7, 100])
def test_batches_hold_what_a_request_may_hold(batch_max: int) -> None:
    """Every symbol is asked for once, in as few requests as the limit allows."""
    symbols = names(250)

    async def main() -> list[list[str]]:
        scene = Scene(settings=FeedSettings(batch_max=batch_max))
        scene.add(*symbols)
        await scene.acknowledged(*symbols)
        await scene.close()
        return scene.venue.sockets[0].topics()

    batches = virtual_time.run(main)
    assert symbols == sorted(symbol for batch in batches for symbol in batch)
    assert -(-250 // batch_max) == len(batches)
    assert max(map(len, batches)) <= batch_max


def test_many_symbols_take_as_many_connections_as_the_limit_asks_for() -> None:
    """301 symbols are two connections; the venue counts no violation."""

    async def main() -> None:
        market = {name: SymbolMarket(name, 1, SMALL, rate=0.5) for name in names(301)}
        async with VirtualKuCoin(market) as venue, venue.open_feed() as feed:
            for symbol in feed.symbols:
                await feed.ready(symbol, timeout_s=60)
            assert [300, 1] == [link.symbols for link in feed.health().links]
            assert 2 == venue.exchange.state()["accepted"]
            assert 301 == venue.exchange.state()["subscriptions"]
            assert {} == dict(venue.exchange.violations)

    virtual_time.run(main)


async def test_more_symbols_than_all_connections_hold_are_refused_at_once() -> None:
    """With the numbers, before anything is connected."""
    settings = replace(FAST, topics_max=2, links_max=1)
    with pytest.raises(UsageError, match="3 more symbols do not fit: 1 connections hold 2 each"):
        async with stage(symbols=(BTC, ETH, SOL), settings=settings, wait=False):
            pass


# -- acknowledgements --


@pytest.mark.parametrize(
    "fault",
    [
        {"fault": "lost_ack"},
        {"fault": "lost_ack", "nth": [1, 2]},
        {"fault": "late_ack", "ms": 100},
        {"fault": "late_ack", "ms": 250},
        {"fault": "partial_ack"},
        {"fault": "partial_ack", "keep": 1},
        {"fault": "error_ack"},
        {"fault": "error_ack", "nth": [1, 2, 3, 4, 5, 6]},
        {"fault": "error_ack", "code": 509, "text": "exceed max permits per second"},
        {"fault": "error_ack", "code": 500, "text": "", "nth": [1, 3, 5]},
    ],
    ids=lambda one: " ".join(str(value) for value in one.values()),
)
async def test_a_faulty_acknowledgement_is_overcome(fault: dict[str, Any]) -> None:
    """Whatever the venue says to a subscription for a while: every book becomes LIVE, on the same link."""
    settings = replace(FAST, ack_timeout_ms=150)
    async with stage(fault, symbols=(BTC, ETH, SOL), settings=settings, wait=False) as scene:
        await scene.live()
        assert scene.struck(str(fault["fault"]))
        await scene.settled()
        assert [] == scene.watch.told(SubscriptionRefused, LinkDown)
        scene.check()


async def test_a_topic_that_was_acknowledged_and_never_served_is_found() -> None:
    """It looks like a quiet symbol; the probe tells the difference, and it is subscribed again."""
    async with stage({"fault": "partial_ack", "keep": 1}, settings=FAST, wait=False) as scene:
        await scene.live([BTC])
        await scene.settled()
        assert len(scene.feed.health().links) == 1
        assert [] == scene.watch.told(LinkDown)
        scene.check()


def test_subscriptions_that_are_never_answered_end_the_link() -> None:
    """After so many attempts the connection is no good, though its pongs come."""

    async def main() -> tuple[list[str], int]:
        scene = Scene(ScriptedVenue(answer=only_pongs))
        scene.add("A-B")
        await scene.opened(2)
        await scene.close()
        return [down.reason for down in scene.events(LinkDown)], len(scene.venue.sockets[0].topics())

    downs, requests = virtual_time.run(main)
    assert "no answer to subscribe after 3 attempts" == downs[0]
    assert 3 == requests


def test_a_late_acknowledgement_of_an_earlier_attempt_is_not_taken_for_another() -> None:
    """Ids differ from attempt to attempt."""

    async def main() -> int:
        scene = Scene(ScriptedVenue(answer=deaf))
        scene.add("A-B")
        wire = await scene.opened(1)
        await eventually(lambda: len(wire.topics()) == 2)
        assert not scene.is_subscribed("A-B")
        first, second = (message["id"] for message in wire.of("subscribe"))
        wire.say(id=first, type="ack")
        await elapse(0.1)
        late = scene.is_subscribed("A-B")
        wire.say(id=second, type="ack")
        await elapse(0.1)
        found = (late, scene.is_subscribed("A-B"), first != second)
        await scene.close()
        return found == (False, True, True)

    assert virtual_time.run(main)


# -- refusals --


async def test_one_unknown_symbol_spoils_no_batch() -> None:
    """It alone fails, at once and by name; the others are LIVE on the same connection."""
    good = names(40)
    gone = "S017-USDT"
    async with stage(symbols=good, rate=1, wait=False, unknown_symbol="error") as scene:
        scene.venue.exchange._reception._known = set(good) - {gone}
        with pytest.raises(NotReady, match="refused to subscribe S017-USDT: 404"):
            await scene.feed.ready(gone, timeout_s=30)
        others = [symbol for symbol in good if symbol != gone]
        await scene.live(others)
        assert BookState.FAILED is scene.feed[gone].state
        assert [(gone, 404)] == [(one.symbol, one.code) for one in scene.watch.told(SubscriptionRefused)]
        assert [] == scene.watch.told(LinkDown)
        assert {} == dict(scene.venue.exchange.violations)


@pytest.mark.parametrize("count", [1, 2, 5, 100])
@pytest.mark.parametrize("bad", [1, 3])
def test_bad_symbols_are_found_by_halves(count: int, bad: int) -> None:
    """However many are bad: exactly they are refused, in about log2 of the batch requests each."""
    symbols = names(count)
    culprits = set(random.Random(count).sample(symbols, min(bad, count)))

    def judge(wire: ScriptedSocket, message: dict[str, Any]) -> None:
        if message["type"] == "subscribe" and culprits & set(message["topic"].partition(":")[2].split(",")):
            wire.say(id=message["id"], type="error", code=404, data="topic is not found")
        else:
            obey(wire, message)

    async def main() -> tuple[set[str], set[str], int]:
        scene = Scene(ScriptedVenue(answer=judge))
        scene.add(*symbols)
        await scene.acknowledged(*(set(symbols) - culprits))
        await eventually(lambda: len(scene.events(SubscriptionRefused)) == len(culprits))
        failed = {symbol for symbol, book in scene.books.items() if book.sync.state is BookState.FAILED}
        refused = {one.symbol for one in scene.events(SubscriptionRefused)}
        await scene.close()
        return failed, refused, len(scene.venue.sockets[0].topics())

    failed, refused, requests = virtual_time.run(main)
    assert culprits == failed == refused
    assert requests <= 1 + len(culprits) * 2 * 7


def no_such_topic(wire: ScriptedSocket, message: dict[str, Any]) -> None:
    """A venue that knows no symbol."""
    if message["type"] == "subscribe":
        wire.say(id=message["id"], type="error", code=404, data="topic does not exist")
    else:
        obey(wire, message)


def test_no_refusal_is_for_ever() -> None:
    """A venue that errs for ten seconds: FAILED at once, with the reason; asked for again slowly, and LIVE again."""
    symbols = names(30)

    async def main() -> tuple[set[BookState], str, int, set[BookState]]:
        scene = Scene(ScriptedVenue(answer=no_such_topic))
        scene.add(*symbols)
        wire = await scene.opened(1)
        await eventually(lambda: len(scene.events(SubscriptionRefused)) == 30)
        states = {book.sync.state for book in scene.books.values()}
        reason, asked = scene.books[symbols[3]].sync.book.reason, len(wire.topics())
        await elapse(200)
        assert asked == len(wire.topics())
        scene.venue.answer = obey
        await elapse(176)
        after = {book.sync.state for book in scene.books.values()}
        assert all(scene.is_subscribed(symbol) for symbol in symbols)
        await scene.close()
        return states, reason, asked, after

    states, reason, asked, after = virtual_time.run(main)
    assert {BookState.FAILED} == states
    assert "404 topic does not exist" in reason
    assert asked < 100
    assert {BookState.SYNCING} == after


@pytest.mark.parametrize("is_cut", [False, True])
def test_what_was_refused_is_asked_for_on_every_new_link(is_cut: bool) -> None:
    """Be it a replacement or one that was lost: no book waits longer than its link lives."""

    async def main() -> None:
        scene = Scene(ScriptedVenue(answer=no_such_topic), FeedSettings(link_life_ms=20_000))
        scene.add("A-B")
        wire = await scene.opened(1)
        await eventually(lambda: scene.events(SubscriptionRefused))
        scene.venue.answer = obey
        if is_cut:
            wire.hang_up()
        await scene.acknowledged("A-B")
        assert [is_cut] == [bool(scene.events(LinkDown))]
        assert 2 == len(scene.venue.sockets)
        assert BookState.SYNCING is scene.books["A-B"].sync.state
        await scene.close()

    virtual_time.run(main)


def test_a_venue_that_refuses_everything_for_now_is_asked_again_with_patience() -> None:
    """An error that may pass fails no book, ends no link, and is no reason to flood the venue."""
    symbols = names(100)

    def system_error(wire: ScriptedSocket, message: dict[str, Any]) -> None:
        if message["type"] == "subscribe":
            wire.say(id=message["id"], type="error", code=500, data="system error")
        else:
            obey(wire, message)

    async def main() -> tuple[int, int]:
        scene = Scene(ScriptedVenue(answer=system_error))
        scene.add(*symbols)
        wire = await scene.opened(1)
        await elapse(600)
        asked = len(wire.topics())
        assert [] == scene.events(SubscriptionRefused, LinkDown)
        scene.venue.answer = obey
        await scene.acknowledged(*symbols)
        opened = len(scene.venue.sockets)
        await scene.close()
        return asked, opened

    asked, opened = virtual_time.run(main)
    assert 1 == opened
    assert 5 < asked < 600 * 9 * 0.9


def test_a_symbol_that_cannot_be_subscribed_for_now_keeps_no_other_waiting() -> None:
    """The bad one is found though its error may pass, and is asked for until it works."""
    symbols, bad = names(30), "S011-USDT"

    def judge(wire: ScriptedSocket, message: dict[str, Any]) -> None:
        if message["type"] == "subscribe" and bad in message["topic"]:
            wire.say(id=message["id"], type="error", code=500, data="system error")
        else:
            obey(wire, message)

    async def main() -> bool:
        scene = Scene(ScriptedVenue(answer=judge))
        scene.add(*symbols)
        await scene.acknowledged(*(symbol for symbol in symbols if symbol != bad))
        before = scene.is_subscribed(bad)
        scene.venue.answer = obey
        await scene.acknowledged(bad)
        await scene.close()
        return before

    assert virtual_time.run(main) is False


async def test_an_error_frame_that_nobody_asked_for_changes_nothing() -> None:
    """It is logged, and explains the end of the link if that follows."""
    async with stage() as scene:
        scene.strike({"fault": "error_frame", "code": 500, "text": "system error"})
        await until(lambda: scene.struck("error_frame"))
        await scene.settled()
        assert [] == scene.watch.told(LinkDown)
        scene.strike({"fault": "disconnect"})
        await until(lambda: scene.watch.told(LinkUp))
        (down,) = scene.watch.told(LinkDown)
        assert "error 500 system error" in down.reason
        await scene.settled()
        scene.check()


# -- limits that are lower than ours --


async def test_the_limit_of_a_request_is_learnt() -> None:
    """From error 509; the rest of the symbols is asked for in requests of that size, and one violation is enough."""
    symbols = names(25)
    async with stage(symbols=symbols, rate=2, wait=False, limits=Limits(topics_per_message_max=10)) as scene:
        await scene.live()
        assert {"topics_per_message": 1} == dict(scene.venue.exchange.violations)
        assert 10 == scene.feed._placement.learnt.batch_max
        assert [] == scene.watch.told(LinkDown, SubscriptionRefused)


@pytest.mark.parametrize("limit", [1, 4, 9, 10])
async def test_the_limit_of_a_connection_is_learnt(limit: int) -> None:
    """From error 509; symbols without room move to further connections, and every book becomes LIVE."""
    symbols = names(10)
    settings = replace(FAST, batch_max=3)
    limits = Limits(topics_per_connection_max=limit)
    async with stage(symbols=symbols, rate=2, wait=False, settings=settings, limits=limits) as scene:
        await scene.live()
        links = [link.symbols for link in scene.feed.health().links]
        assert 10 == sum(links)
        assert max(links) <= limit
        assert scene.venue.exchange.violations["topics_per_connection"] <= 1
        assert [] == scene.watch.told(LinkDown, SubscriptionRefused)


async def test_without_room_for_a_symbol_its_book_fails_by_name() -> None:
    """All connections are full: those that have room are LIVE, the others say why they are not."""
    symbols = names(5)
    settings = replace(FAST, links_max=2)
    limits = Limits(topics_per_connection_max=2)
    async with stage(symbols=symbols, rate=2, wait=False, settings=settings, limits=limits) as scene:
        await until(lambda: all(scene.feed[one].state in (BookState.LIVE, BookState.FAILED) for one in symbols))
        failed = [one for one in symbols if scene.feed[one].state is BookState.FAILED]
        assert 1 == len(failed)
        assert "no connection has room for it" in scene.feed[failed[0]].reason


async def test_a_venue_without_any_room_is_not_asked_for_ever() -> None:
    """A symbol that is refused on a connection of its own fails."""
    limits = Limits(topics_per_connection_max=0)
    async with stage(symbols=(BTC, ETH), wait=False, limits=limits) as scene:
        await until(lambda: all(scene.feed[one].state is BookState.FAILED for one in (BTC, ETH)))
        assert "no room" in scene.feed[BTC].reason


def test_a_limit_that_one_connection_learnt_is_known_to_all() -> None:
    """The venue refuses one request in all, however many connections are made later."""
    refused = []

    def judge(wire: ScriptedSocket, message: dict[str, Any]) -> None:
        if message["type"] == "subscribe" and message["topic"].count(",") >= 10:
            refused.append(message)
            limit = "exceed max subscription count limitation of 10 per time"
            wire.say(id=message["id"], type="error", code=509, data=limit)
        else:
            obey(wire, message)

    async def main() -> int:
        scene = Scene(ScriptedVenue(answer=judge), FeedSettings(topics_max=30, link_life_ms=20_000))
        scene.add(*names(90)[:30])
        await scene.acknowledged(*names(30))
        scene.add(*names(90)[30:])
        await scene.acknowledged(*names(90))
        scene.venue.sockets[1].hang_up()
        await elapse(30)
        await scene.acknowledged(*names(90))
        await scene.close()
        return len(scene.venue.sockets)

    assert virtual_time.run(main) >= 6
    assert 1 == len(refused)
