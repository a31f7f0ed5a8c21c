"""The laws of a transport, over both bodies: what a feed may rely on in memory is what it finds on real sockets."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from orderbook.errors import BadAnswer, Unreachable
from orderbook.feed.errors import LinkError
from orderbook.feed.seams import SocketClosed
from orderbook.secret import Secret
from orderbook.simulator.virtual_time import run
from tests.transport_ends import LIBRARIES, SHORT, Ends, hold, in_memory, on_sockets, read_to_end, sequences, until
from tests.waiting import moment, turn

Law = Callable[[Ends], Awaitable[None]]
Try = Callable[[Law], None]
CLOSE_S = SHORT.close_timeout_ms / 1e3 * 0.99
"""Somewhat less than the closing time-out: a timer may be early by the clock's resolution."""


@pytest.fixture(params=["memory", *LIBRARIES])
def hold_to(request: pytest.FixtureRequest) -> Try:
    """Tries a law on one of the bodies: in memory in virtual time, or on sockets over one of the libraries."""
    if request.param == "memory":
        return lambda law: run(lambda: hold(law, in_memory()))
    return lambda law: asyncio.run(hold(law, on_sockets(request.param)))


def now_s() -> float:
    """The loop's clock."""
    return asyncio.get_running_loop().time()


async def problem(kind: type[Exception], work: Awaitable[Any]) -> str:
    """The text of what is raised, which is of this class and of no other."""
    with pytest.raises(kind) as caught:
        await work
    assert kind is type(caught.value)
    return str(caught.value)


# -- connecting --


def test_connecting_has_a_deadline(hold_to: Try) -> None:
    """Accepted, and then nothing: a link error when the settings' time is over, and nothing is left."""

    async def law(ends: Ends) -> None:
        async with ends.hanging() as address:
            began_s = now_s()
            assert "no answer in time" in await problem(LinkError, ends.connect(Secret(f"{address}?token=x")))
            assert now_s() - began_s >= SHORT.connect_timeout_ms / 1e3 * 0.99

    hold_to(law)


def test_where_nobody_listens_nothing_can_be_reached(hold_to: Try) -> None:
    """One typed error for sockets, one for requests."""

    async def law(ends: Ends) -> None:
        assert "cannot connect to" in await problem(LinkError, ends.connect(Secret("ws://127.0.0.1:2/?token=x")))
        elsewhere = "http://127.0.0.1:2/api/v1/timestamp"
        await problem(Unreachable, ends.transport.send("GET", elsewhere, {}, "", timeout_ms=5_000))

    hold_to(law)


def test_a_refused_handshake_is_a_link_error(hold_to: Try) -> None:
    """With the status; the venue has no connection then."""

    async def law(ends: Ends) -> None:
        ends.strike(fault="refuse", status=503)
        assert "503" in await problem(LinkError, ends.connect(await ends.address()))
        await ends.deserted()

    hold_to(law)


def test_a_cancelled_connection_leaves_nothing(hold_to: Try) -> None:
    """Whenever it is cancelled: no task, no session at the venue, and the next one works."""

    async def law(ends: Ends) -> None:
        for turns in range(24):  # the venue allows 30 connections a minute
            task = asyncio.ensure_future(ends.connect(await ends.address()))
            for _ in range(turns // 4):
                await moment(0.002 * (turns % 4))
            task.cancel()
            with suppress(asyncio.CancelledError):
                (await task).abort()
        await ends.deserted()
        await (await ends.wire()).close()

    hold_to(law)


# -- the end of a connection --


def test_closing_a_connection_is_a_handshake(hold_to: Try) -> None:
    """The venue answers, so no time-out is waited for; who reads is told 1000, who sends is refused; twice is fine."""

    async def law(ends: Ends) -> None:
        wire = await ends.wire(replace(SHORT, close_timeout_ms=3_600_000))
        reading = asyncio.ensure_future(read_to_end(wire))
        await wire.close()
        await ends.deserted()
        assert "1000" == (await reading)[1][:4]
        assert "1000" == (await problem(SocketClosed, wire.send("{}")))[:4]
        await wire.close()
        wire.abort()

    hold_to(law)


def test_closing_a_black_hole_is_bounded(hold_to: Try) -> None:
    """Nobody answers the goodbye: it is waited for as long as the settings say, and then the connection is cut."""

    async def law(ends: Ends) -> None:
        wire = await ends.subscribed()
        ends.strike(fault="black_hole")
        await ends.passed(5)
        began_s = now_s()
        await wire.close()
        assert now_s() - began_s >= CLOSE_S
        assert "1000" == (await read_to_end(wire))[1][:4]
        assert "1000" == (await problem(SocketClosed, wire.send("{}")))[:4]
        await ends.deserted()

    hold_to(law)


def test_a_closing_that_is_cancelled_cuts(hold_to: Try) -> None:
    """The connection is over at once, after however many turns of the loop it is cancelled."""

    async def law(ends: Ends) -> None:
        for turns in (1, 3, 30):
            wire = await ends.subscribed()
            ends.strike(fault="black_hole")
            await ends.passed(5)
            closing = asyncio.ensure_future(wire.close())
            for _ in range(turns):
                await turn()
            closing.cancel()
            await asyncio.wait([closing])
            await read_to_end(wire)
            await ends.deserted()

    hold_to(law)


def test_a_cut_by_the_client_reads_as_1006(hold_to: Try) -> None:
    """The venue learns of it."""

    async def law(ends: Ends) -> None:
        wire = await ends.wire()
        wire.abort()
        assert "1006" == (await read_to_end(wire))[1][:4]
        assert "1006" == (await problem(SocketClosed, wire.send("{}")))[:4]
        await ends.deserted()

    hold_to(law)


def test_an_abrupt_end_reads_as_1006(hold_to: Try) -> None:
    """However often it is asked for."""

    async def law(ends: Ends) -> None:
        wire = await ends.subscribed()
        ends.strike(fault="disconnect")
        assert "1006" == (await read_to_end(wire))[1][:4]
        assert "1006" == (await problem(SocketClosed, wire.receive()))[:4]
        assert "1006" == (await problem(SocketClosed, wire.send("{}")))[:4]
        await wire.close()

    hold_to(law)


def test_what_came_before_a_close_is_still_read(hold_to: Try) -> None:
    """All of it, in order, without a hole; then code and reason."""

    async def law(ends: Ends) -> None:
        wire = await ends.subscribed()
        await ends.passed(50)
        last = ends.sequence
        ends.strike(fault="disconnect", how="close", code=1012, reason="later")
        await until(lambda: ends.venue.exchange.ledger.count("disconnect"))
        found, end = await read_to_end(wire)
        assert [*range(found[0], found[-1] + 1)] == found
        assert last <= found[-1]
        assert "1012 later" == end
        assert "1012 later" == await problem(SocketClosed, wire.send("{}"))

    hold_to(law)


def test_a_closing_that_the_venue_never_completes_ends_with_the_next_message(hold_to: Try) -> None:
    """A reader is told of its closing frame at once or not at all; who sends finds out, after the closing time-out."""

    async def law(ends: Ends) -> None:
        wire, began_s = await ends.subscribed(), now_s()
        ends.strike(fault="slow_close", code=1012, reason="later")
        await until(lambda: ends.venue.exchange.ledger.count("slow_close"))
        told = None
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S / 2):
                told = (await read_to_end(wire))[1]
        assert "1012 later" == await problem(SocketClosed, wire.send("{}"))
        assert told == "1012 later" or (told is None and now_s() - began_s >= CLOSE_S)
        assert "1012 later" == (await read_to_end(wire))[1]
        wire.abort()

    hold_to(law)


def test_an_oversize_frame_ends_the_connection(hold_to: Try) -> None:
    """With 1009, after the frames before it and instead of those behind it."""

    async def law(ends: Ends) -> None:
        wire = await ends.subscribed()
        ends.strike(fault="oversize", bytes=2 * SHORT.sync.frame_bytes_max, nth=10)
        await until(lambda: ends.venue.exchange.ledger.count("oversize"))
        await ends.passed(20)
        found, end = await read_to_end(wire)
        assert [*range(found[0], found[-1] + 1)] == found
        assert found[-1] < ends.sequence - 15
        assert "1009" == end[:4]
        await ends.deserted()

    hold_to(law)


# -- frames --


def test_messages_are_answered_in_their_order(hold_to: Try) -> None:
    """Both ways keep the order."""

    async def law(ends: Ends) -> None:
        wire = await ends.wire()
        sent = [f"ping-{number}" for number in range(50)]
        for one in sent:
            await wire.send(json.dumps({"id": one, "type": "ping"}))
        assert sent == [json.loads(await wire.receive())["id"] for _ in sent]
        await wire.close()

    hold_to(law)


def test_a_cancelled_reader_loses_no_frame(hold_to: Try) -> None:
    """It is cancelled hundreds of times, at any moment; whoever reads next gets what it would have got."""

    async def law(ends: Ends) -> None:
        wire, rng, cancelled = await ends.subscribed(), random.Random(5), 0
        found: list[int] = []
        while len(found) < 200 or cancelled < 10:
            reading = asyncio.ensure_future(wire.receive())
            await moment(rng.choice((0, 0, 0.001, 0.002)))
            reading.cancel()
            try:
                found += sequences(await reading)
            except asyncio.CancelledError:
                cancelled += 1
        assert [*range(found[0], found[0] + len(found))] == found
        await wire.close()

    hold_to(law)


def test_a_cancelled_sender_breaks_nothing(hold_to: Try) -> None:
    """What was to be sent may have gone or not; the connection is whole."""

    async def law(ends: Ends) -> None:
        wire = await ends.wire()
        for number in range(20):
            sending = asyncio.ensure_future(wire.send(json.dumps({"id": f"{number}", "type": "ping"})))
            await turn()
            sending.cancel()
            await asyncio.wait([sending])
        await wire.send(json.dumps({"id": "last", "type": "ping"}))
        while json.loads(await wire.receive())["id"] != "last":
            pass
        await wire.close()

    hold_to(law)


# -- requests --


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"fault": "hang"}, Unreachable),
        ({"fault": "cut"}, Unreachable),
        ({"fault": "slow", "ms": 60_000}, Unreachable),
        ({"fault": "big_body", "bytes": 2_000_000}, BadAnswer),
        ({"fault": "gzip_bomb", "bytes": 2_000_000}, BadAnswer),
    ],
    ids=lambda one: one["fault"] if isinstance(one, dict) else "",
)
def test_what_is_no_answer_is_an_error_of_two_kinds(
    hold_to: Try, fault: dict[str, object], kind: type[Exception]
) -> None:
    """Nobody answered, or something that nobody can use; the next request has its answer."""

    async def law(ends: Ends) -> None:
        ends.strike(**fault)
        await problem(kind, ends.ask(timeout_ms=150))
        assert 200 == (await ends.ask()).status

    hold_to(law)


@pytest.mark.parametrize("status", [200, 401, 503])
def test_whatever_the_status_it_is_an_answer(hold_to: Try, status: int) -> None:
    """What it means is for others to say."""

    async def law(ends: Ends) -> None:
        ends.strike(fault="rest_error", status=status)
        assert status == (await ends.ask()).status

    hold_to(law)


@pytest.mark.parametrize("whose", ["venue", "transport"])
def test_a_request_under_way_fails_when_either_end_is_closed(hold_to: Try, whose: str) -> None:
    """At once, not when its time is over; and so do those that come after."""

    async def law(ends: Ends) -> None:
        ends.strike(fault="hang")
        asking = asyncio.ensure_future(ends.ask(timeout_ms=3_600_000))
        await until(lambda: ends.venue.exchange.ledger.count("hang"))
        await getattr(ends, whose).close()
        await problem(Unreachable, asking)
        await problem(Unreachable, ends.ask())
        await ends.transport.close()

    hold_to(law)


def test_a_cancelled_request_leaves_nothing(hold_to: Try) -> None:
    """No task, and the next one is answered."""

    async def law(ends: Ends) -> None:
        ends.strike(fault="hang", nth=1)
        asking = asyncio.ensure_future(ends.ask(timeout_ms=3_600_000))
        await until(lambda: ends.venue.exchange.ledger.count("hang"))
        asking.cancel()
        await asyncio.wait([asking])
        assert asking.cancelled()
        assert 200 == (await ends.ask()).status

    hold_to(law)


def test_a_closed_venue_can_neither_be_asked_nor_connected_to(hold_to: Try) -> None:
    """What was up is cut, and nothing comes up again."""

    async def law(ends: Ends) -> None:
        wire, address = await ends.subscribed(), await ends.address()
        await ends.venue.close()
        assert "1006" == (await read_to_end(wire))[1][:4]
        assert "cannot connect to" in await problem(LinkError, ends.connect(address))
        await problem(Unreachable, ends.ask())

    hold_to(law)
