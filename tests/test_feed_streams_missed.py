"""What a reader of a stream is told when messages of it are missing, or may be; and that a renewal loses none."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from orderbook.feed.errors import StreamNotReady
from orderbook.feed.events import LinkReplaced, MessageRejected
from orderbook.streams import Missed
from tests.feed_world import ScriptedSocket, eventually, obey, only_pongs
from tests.stream_world import BTC, ETH, SOL, OutOfOrder, StreamVenue, played, said, scene, take, trade
from tests.unchecked import hook
from tests.waiting import elapse

# -- what is missing --


@pytest.mark.parametrize("early", [False, True])
def test_a_lost_connection_is_told_where_it_was_lost_and_when_it_is_over(early: bool) -> None:
    """Between the two nothing comes; the second is there before the first message that may follow a hole."""

    def slow(wire: ScriptedSocket, message: dict[str, Any]) -> None:
        if early and message["type"] == "subscribe" and len(wire.sent) == 1:
            # Data may come before the acknowledgement.
            wire.bring(trade(9))
        obey(wire, message)

    async def story() -> None:
        async with scene() as on:
            reader = on.feed.trades(BTC, ETH)
            await reader.ready(timeout_s=10)
            wire = await on.socket()
            wire.bring(trade(1))
            wire.hang_up("1006 connection cut")
            assert [1] == await take(reader, 1)
            on.venue.answer = slow
            lost = await anext(reader)
            assert isinstance(lost, Missed)
            assert not reader.is_live
            assert ("/market/match", (BTC, ETH), None, False) == (lost.path, lost.symbols, lost.count, lost.is_over)
            assert "connection lost: 1006" in lost.reason
            await reader.ready(timeout_s=60)
            (await on.socket(2)).bring(trade(10))
            items = [await anext(reader) for _ in range(4 if early else 2)]
            assert (["over", 9, "over", 10] if early else ["over", 10]) == [said(item) for item in items]
            over = [symbol for item in items if isinstance(item, Missed) for symbol in item.symbols]
            assert [BTC, ETH] == over
            assert 2 == on.feed.metrics.stream_interruptions

    played(story)


def test_a_silent_connection_is_told_before_it_is_given_up() -> None:
    """After 5 s without a sign, as books are; and when something is heard after all, that is told, too."""

    def deaf(_wire: ScriptedSocket, _message: dict[str, Any]) -> None:
        """It answers nothing any more."""

    async def story() -> None:
        async with scene() as on:
            reader = on.feed.trades(BTC)
            await reader.ready(timeout_s=10)
            await elapse(60)
            assert 0 == on.feed.metrics.stream_interruptions
            on.venue.answer = deaf
            began = asyncio.get_running_loop().time()
            missed = await anext(reader)
            assert isinstance(missed, Missed)
            assert "nothing was heard on the connection for 5000 ms" in missed.reason
            assert asyncio.get_running_loop().time() - began < 6.5
            wire = await on.socket()
            wire.bring(trade(3))
            assert ["over", 3] == await take(reader, 2)
            # What came may have waited for long: only a pong would show that the connection is in order.
            assert ["missed"] == await take(reader, 1)
            on.venue.answer = obey
            assert ["over"] == await take(reader, 1)

    played(story)


def test_a_sign_of_life_of_the_next_connection_is_no_acknowledgement() -> None:
    """A silence that ended in a lost connection is over when the venue has subscribed the topic again, not before."""

    def slow(wire: ScriptedSocket, message: dict[str, Any]) -> None:
        asyncio.get_running_loop().call_later(3 * (message["type"] == "subscribe"), obey, wire, message)

    async def story() -> None:
        async with scene(StreamVenue(answer=slow)) as on:
            reader = on.feed.trades(BTC)
            await reader.ready(timeout_s=10)
            on.venue.answer = lambda _wire, _message: None
            assert ["missed"] == await take(reader, 1)
            on.venue.answer = slow
            (await on.socket()).hang_up()
            over = await anext(reader)
            assert isinstance(over, Missed)
            assert over.is_over
            assert "connection lost" in over.reason
            assert reader.is_live

    played(story)


def test_a_topic_that_is_read_again_at_once_is_live_when_it_is_subscribed_for_good() -> None:
    """The acknowledgement of the first time is under way: it is unsubscribed, and messages are lost until the next."""

    def slow(wire: ScriptedSocket, message: dict[str, Any]) -> None:
        asyncio.get_running_loop().call_later(0.5, obey, wire, message)

    async def story() -> None:
        async with scene(StreamVenue(answer=slow)) as on:
            first = on.feed.trades(BTC)
            await eventually(on.venue.asked)
            first.close()
            reader = on.feed.trades(BTC)
            await reader.ready(timeout_s=10)
            asked = on.venue.asked("unsubscribe"), on.venue.asked()
            await elapse(5)
            assert asked == (on.venue.asked("unsubscribe"), on.venue.asked())
            assert reader.is_live

    played(story)


def test_what_was_refused_is_asked_for_again_behind_a_renewal() -> None:
    """Though the new connection met with another problem, that may pass: in its turn, not with the next connection."""
    codes = [404]

    def judge(wire: ScriptedSocket, message: dict[str, Any]) -> None:
        if codes and message["type"] == "subscribe" and ETH in message["topic"]:
            wire.say(id=message["id"], type="error", code=codes[0], data="not now")
        else:
            obey(wire, message)

    async def story() -> None:
        async with scene(StreamVenue(answer=judge), refused_retry_ms=600_000, link_life_ms=3_600_000) as on:
            good, bad = on.feed.trades(BTC), on.feed.trades(ETH)
            await good.ready(timeout_s=10)
            await elapse(1_000)
            codes[:] = [500]
            await eventually(lambda: on.events(LinkReplaced))
            codes.clear()
            await elapse(800)
            assert bad.is_live
            assert ["missed", "over"] == await take(bad, 2)

    played(story)


@pytest.mark.parametrize(
    ("frame", "whose", "told"),
    [
        (trade(2).replace(b'"side": "buy"', b'"side": "both"'), [BTC], "data.side is 'both'"),
        (trade(2).replace(b'"price": "67010"', b'"price": "cheap"'), [BTC], "data.price"),
        (b'{"type":"message","topic":"/market/match:BTC-USDT","subject":"trade.l3match"}', [BTC], "data is no object"),
        (trade(2)[:-20], [BTC, ETH], "json"),
        (b"\xff", [BTC, ETH], "utf8"),
        (trade(2, SOL), [BTC, ETH], "symbol: a message of '/market/match:SOL-USDT', which nobody asked for"),
        (trade(2).replace(b"BTC-USDT", b"BTC-USDT\\u0000"), [BTC, ETH], "which nobody asked for"),
        (b'{"type":"message","topic":"/novel:BTC-USDT","data":{}}', [BTC, ETH], "/novel:BTC-USDT"),
    ],
)
def test_a_message_that_cannot_be_used_is_told_and_ends_nothing(frame: bytes, whose: list[str], told: str) -> None:
    """By the field: to the readers who may have missed something, as an event, and in a counter."""

    async def story() -> None:
        async with scene() as on:
            readers = {symbol: on.feed.trades(symbol) for symbol in (BTC, ETH)}
            for reader in readers.values():
                await reader.ready(timeout_s=10)
            wire = await on.socket()
            for raw in (trade(1), trade(1, ETH), frame, trade(3), trade(3, ETH)):
                wire.bring(raw)
            await eventually(lambda: all(reader.received == 2 for reader in readers.values()))
            for symbol, reader in readers.items():
                expected = [1, "over", 3] if symbol in whose else [1, 3]
                assert expected == await take(reader, len(expected))
                assert 0 == reader.waiting
            assert whose == [one.symbol for one in on.told if isinstance(one.event, MessageRejected)]
            assert all(told in f"{one.reason}: {one.detail}" for one in on.events(MessageRejected))
            assert (len(whose), 4) == (on.feed.metrics.stream_rejected, on.feed.metrics.stream_messages)

    played(story)


@pytest.mark.parametrize(
    "frame",
    [
        trade(2, ETH),
        b'{"type":"message","topic":"/market/match:BTC-USDT","subject":"another","data":{}}',
        b'{"type":"novel"}',
    ],
)
def test_what_nobody_reads_concerns_nobody(frame: bytes) -> None:
    """What was unsubscribed just now, other subjects, other types: counted at most."""

    async def story() -> None:
        async with scene() as on:
            reader, gone = on.feed.trades(BTC), on.feed.trades(ETH)
            await gone.ready(timeout_s=10)
            gone.close()
            wire = await on.socket()
            wire.bring(frame)
            wire.bring(trade(3))
            assert [3] == await take(reader, 1)
            assert 0 == on.feed.metrics.stream_rejected

    played(story)


def test_fields_that_are_not_known_are_no_fault() -> None:
    """The venue adds some now and then."""

    async def story() -> None:
        async with scene() as on:
            reader = on.feed.trades(BTC)
            await reader.ready(timeout_s=10)
            whole = json.loads(trade(3))
            whole["data"]["novel"], whole["sn"] = {"a": [1]}, 5
            (await on.socket()).bring(json.dumps(whole).encode())
            assert [3] == await take(reader, 1)

    played(story)


def test_a_key_that_the_venue_does_not_take_is_told_to_the_reader() -> None:
    """It would wait for ever: no connection is made without a token."""

    async def story() -> None:
        async with scene(StreamVenue(token_problem=OutOfOrder()), has_key=True) as on:
            reader = on.feed.orders()
            missed = await anext(reader)
            assert isinstance(missed, Missed)
            assert (("",), False) == (missed.symbols, missed.is_over)
            assert "no connection: out of order" in missed.reason
            with pytest.raises(StreamNotReady, match="out of order"):
                await reader.ready(timeout_s=5)
            on.venue.token_problem = None
            await reader.ready(timeout_s=60)
            assert ["over"] == await take(reader, 1)

    played(story)


def test_an_unanswered_subscription_is_no_stream() -> None:
    """``ready`` says why, and gives the reader's time back."""

    async def story() -> None:
        async with scene(StreamVenue(answer=only_pongs)) as on:
            reader = on.feed.trades(BTC)
            with pytest.raises(StreamNotReady, match="not subscribed yet"):
                await reader.ready(timeout_s=3)
            assert not reader.is_live

    played(story)


# -- renewal --


@pytest.mark.parametrize("late_s", [0.1, 0.5, 1.5])
def test_a_trade_that_a_new_connection_brings_late_is_no_other_one(late_s: float) -> None:
    """Behind its pongs, though they tell that all that came before has been read: it came on the old one already."""

    def slowly(wire: ScriptedSocket, message: dict[str, Any]) -> None:
        # So that both are up for a while.
        asyncio.get_running_loop().call_later(0.4, obey, wire, message)

    async def story() -> None:
        async with scene(StreamVenue(answer=slowly), link_life_ms=20_000, replace_retry_min_ms=100) as on:
            reader = on.feed.trades(BTC)
            await reader.ready(timeout_s=10)
            loop = asyncio.get_running_loop()

            def say(number: int, wire: ScriptedSocket) -> None:
                if not wire.is_aborted:
                    wire.bring(trade(number))

            for number in range(1, 600):
                for place, wire in enumerate(on.venue.sockets):
                    if wire.of("subscribe"):
                        loop.call_later(late_s * place, say, number, wire)
                await elapse(0.05)
            await elapse(5)
            got = await take(reader, reader.waiting)
            assert list(range(1, len(got) + 1)) == got
            assert on.events(LinkReplaced)

    played(story)


@pytest.mark.parametrize("ways_s", [(0.0, 0.0), (0.0, 0.08), (0.08, 0.0), (0.3, 0.0), (0.0, 0.3)])
def test_a_connection_that_comes_of_age_is_replaced_without_a_loss(ways_s: tuple[float, float]) -> None:
    """Trades go on being made, one connection behind the other; each comes once, in order, and nothing is told."""

    def far(socket: ScriptedSocket) -> None:
        loop, arrive, way_s = asyncio.get_running_loop(), socket._frames.put_nowait, ways_s[len(venue.sockets) % 2]
        hook(socket._frames, "put_nowait", lambda frame: loop.call_later(way_s, arrive, frame))

    venue = StreamVenue(on_connect=far)

    async def story() -> None:
        async with scene(venue, link_life_ms=20_000, replace_retry_min_ms=100) as on:
            reader = on.feed.trades(BTC)
            await reader.ready(timeout_s=10)
            made = 0

            async def make() -> None:
                nonlocal made
                while True:
                    await elapse(0.05)
                    made += 1
                    for wire in on.venue.sockets:
                        if wire.of("subscribe") and not wire.is_aborted:
                            wire.bring(trade(made))

            making = asyncio.create_task(make())
            await eventually(lambda: len(on.events(LinkReplaced)) >= 2)
            await elapse(1)
            making.cancel()
            await elapse(1)
            got = await take(reader, reader.waiting)
            assert list(range(got[0], got[0] + len(got))) == got
            assert made == got[-1]
            assert 0 == on.feed.metrics.stream_interruptions

    played(story)
