"""The local KuCoin on real sockets: what the protocol core decides is what a client sees."""

from __future__ import annotations

import asyncio
import errno
import json
import socket

import aiohttp
import pytest
from aiohttp import web

from orderbook.errors import PortInUse, UsageError
from orderbook.simulator.capture import read_market
from orderbook.simulator.server import LocalKuCoin
from orderbook.sync import BookSync
from orderbook.venues.kucoin_auth import signed_headers
from orderbook.venues.rest import RestRequest
from tests.commands import BUNDLED
from tests.simulator_clients import (
    BOOK,
    BTC,
    FULL,
    closed,
    connected,
    fetched,
    plan,
    subscribe,
    until,
)

pytestmark = pytest.mark.usefixtures("no_task_left")


# --- the way of a client ---


async def test_a_book_is_kept_over_sockets() -> None:
    """Token, welcome, ack, deltas, snapshot: the book equals the truth at its sequence."""
    sync = BookSync("kucoin", BTC)
    async with LocalKuCoin(rate=2_000, seed=1) as venue, connected(venue) as socket:
        await subscribe(socket, f"/market/level2:{BTC},ETH-USDT")
        while not sync.book.is_live or sync.counters.applied < 200:
            frame = await socket.recv(decode=False)
            sync.receive(frame)
            if sync.counters.frames == 20:
                sync.receive_snapshot((await fetched(venue.url + BOOK))[1].encode(), depth=100)
        view = sync.book.exact.view(50)
        truth = venue.market[BTC].book(view.sequence, 50)

    assert (truth.bids, truth.asks) == tuple(
        tuple((f"{one.price:f}", f"{one.size:f}") for one in side) for side in (view.bids, view.asks)
    )
    assert {} == venue.exchange.violations


async def test_the_full_book_needs_a_signature() -> None:
    """The key it hands out opens it; the wall clock is the real one."""
    async with LocalKuCoin() as venue:
        request = RestRequest("GET", "/api/v3/market/orderbook/level2", (("symbol", BTC),))
        now_ms = json.loads((await fetched(f"{venue.url}/api/v1/timestamp"))[1])["data"]
        headers = signed_headers(venue.credentials, now_ms, request)
        signed, unsigned = await fetched(venue.url + FULL, headers=headers), await fetched(venue.url + FULL)

    assert ((200, "200000"), (401, "400001")) == tuple(
        (code, json.loads(body)["code"]) for code, body in (signed, unsigned)
    )
    assert len(json.loads(signed[1])["data"]["bids"]) > 100


async def test_a_capture_is_served() -> None:
    """Faster than it was recorded."""
    async with LocalKuCoin(read_market(BUNDLED, speed=50, repeat=True)) as venue, connected(venue) as socket:
        await subscribe(socket, "/market/level2:BCHSV-USDT")
        first = json.loads(await socket.recv())

    assert "/market/level2:BCHSV-USDT" == first["topic"]


# --- frames ---


@pytest.mark.parametrize(("how", "size"), [("nest", 100_000), ("binary", None), ("cut", None)])
async def test_every_size_and_kind_of_frame_arrives(how: str, size: int | None) -> None:
    """Longer than 64 KiB, binary, and cut in the middle: a legal frame around whatever it is."""
    async with LocalKuCoin(rate=500, faults=plan({"fault": "garble", "how": how})) as venue, connected(venue) as socket:
        await subscribe(socket)
        first, second = await socket.recv(), await socket.recv()

    assert (how == "binary") == isinstance(first, bytes)
    assert size in (None, len(first))
    assert BTC == json.loads(second)["data"]["symbol"]


async def test_text_that_is_not_utf8_is_really_sent() -> None:
    """So that a client's own check is put to the test: this one closes with 1007."""
    async with (
        LocalKuCoin(rate=500, faults=plan({"fault": "garble", "how": "utf8"})) as venue,
        connected(venue) as socket,
    ):
        await subscribe(socket)
        end = await closed(socket)

    assert 1007 == (end.sent.code if end.sent else None)


async def test_long_messages_come_in_fragments() -> None:
    """Of so many bytes, put together by any client; short ones come whole."""
    async with LocalKuCoin(rate=500, fragment_bytes=60) as venue, connected(venue) as socket:
        await subscribe(socket)
        pieces = [str(piece) async for piece in socket.recv_streaming()]

    assert BTC == json.loads("".join(pieces))["data"]["symbol"]
    assert [60] * (len(pieces) - 1) == [len(piece) for piece in pieces[:-1]]
    assert len(pieces) > 2


async def test_fragments_have_a_byte() -> None:
    """At least."""
    with pytest.raises(UsageError, match="at least one byte, not 0"):
        LocalKuCoin(fragment_bytes=0)


async def test_any_bytes_can_be_sent() -> None:
    """To every client that is connected, between two messages; to nobody if there is none."""
    async with LocalKuCoin(rate=500) as venue:
        assert 0 == venue.inject(b"x")
        async with connected(venue) as one, connected(venue) as two:
            await subscribe(one)
            assert 2 == venue.inject(b"\x81\x02{}")
            assert "{}" == await two.recv()
            assert "{}" in [await one.recv() for _ in range(20)]
            venue.inject(b"\xff")
            assert 1002 == (ended.code if (ended := (await closed(one)).sent) else None)


# --- REST ---


async def test_answers_are_delayed_early_or_late() -> None:
    """Both arrive; the late one is of a later book."""
    faults = plan(
        {"fault": "delayed_snapshot", "ms": 60, "nth": 1},
        {"fault": "delayed_snapshot", "ms": 60, "nth": 2, "computed": "late"},
    )
    async with LocalKuCoin(rate=4_000, faults=faults) as venue:
        early = asyncio.ensure_future(fetched(venue.url + BOOK))
        await until(lambda: venue.exchange.ledger.count("delayed_snapshot") == 1)
        then = venue.market[BTC].sequence
        late = asyncio.ensure_future(fetched(venue.url + BOOK))
        sequences = [int(json.loads((await task)[1])["data"]["sequence"]) for task in (early, late)]

    assert sequences[0] <= then < sequences[1]


async def test_no_answer_and_a_cut_connection() -> None:
    """A client's own deadline ends the first; the second is an error of the transport. Closing waits for neither."""
    async with LocalKuCoin(
        faults=plan({"fault": "hang", "p": 1, "path": "status"}, {"fault": "cut", "p": 1, "path": "timestamp"})
    ) as venue:
        with pytest.raises(aiohttp.ClientConnectionError):
            await fetched(f"{venue.url}/api/v1/timestamp")
        with pytest.raises(TimeoutError):
            await fetched(f"{venue.url}/api/v1/status", timeout=aiohttp.ClientTimeout(total=0.05))
        waiting = asyncio.ensure_future(fetched(f"{venue.url}/api/v1/status"))
        await until(lambda: venue.exchange.ledger.count("hang") == 2)
    with pytest.raises(aiohttp.ClientConnectionError):
        await waiting


# --- a window on the truth ---


async def test_other_processes_can_compare() -> None:
    """Truth at a sequence, state, violations; and faults can be added."""
    async with LocalKuCoin(rate=1_000) as venue:
        base = venue.market[BTC].sequence
        await until(lambda: venue.market[BTC].sequence > base + 5)
        _, truth = await fetched(f"{venue.url}/simulator/truth?symbol={BTC}&sequence={base + 3}&depth=2")
        _, state = await fetched(f"{venue.url}/simulator/state")
        status, added = await fetched(f"{venue.url}/simulator/faults", "POST", data='[{"fault": "cut", "nth": 9}]')
        _, violations = await fetched(f"{venue.url}/simulator/violations")
        expected = venue.market[BTC].book(base + 3, 2)
        digest = venue.market[BTC].digest(base + 3)

    assert (str(digest), [list(row) for row in expected.bids]) == (
        json.loads(truth)["digest"],
        json.loads(truth)["bids"],
    )
    assert [BTC, "ETH-USDT"] == list(json.loads(state)["symbols"])
    assert (200, {"added": 1}, {}) == (status, json.loads(added), json.loads(violations))


@pytest.mark.parametrize(
    ("method", "path", "data", "status", "problem"),
    [
        ("GET", "truth", None, 400, "no symbol ''; there is BTC-USDT, ETH-USDT"),
        ("GET", f"truth?symbol={BTC}&sequence=x", None, 400, "sequence is a whole number, not 'x'"),
        ("GET", f"truth?symbol={BTC}&sequence=1", None, 400, "sequence 1 is not one of epoch 0"),
        ("POST", "faults", '[{"fault": "drp"}]', 400, "did you mean drop?"),
        ("POST", "faults", '[{"fault": "drop", "scope": "A-B"}]', 400, "no symbol A-B here"),
        ("GET", "faults", None, 404, "POST faults"),
    ],
)
async def test_a_wrong_question_is_answered_with_the_reason(
    method: str, path: str, data: str | None, status: int, problem: str
) -> None:
    """And changes nothing."""
    async with LocalKuCoin() as venue:
        code, body = await fetched(f"{venue.url}/simulator/{path}", method, data=data)

    assert status == code
    assert problem in json.loads(body)["error"]


# --- life ---


async def test_a_port_in_use_is_a_typed_error() -> None:
    """It names the port and the remedy."""
    async with LocalKuCoin() as venue:
        with pytest.raises(PortInUse, match=rf"port {venue.port} of 127\.0\.0\.1: in use; .* choose another"):
            await LocalKuCoin(port=venue.port).start()


async def test_what_else_keeps_it_from_listening_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port that needs privileges, for example."""

    async def refuse(_site: object) -> None:
        raise PermissionError(errno.EACCES, "no")

    monkeypatch.setattr(web.TCPSite, "start", refuse)
    with pytest.raises(PortInUse, match=r"port 80 of 127\.0\.0\.1: Permission denied; .* choose another"):
        await LocalKuCoin(port=80).start()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.0.1", "example.org", ""])
def test_only_the_loopback_interface_is_served(host: str) -> None:
    """Nobody else's machine can reach it by accident."""
    with pytest.raises(UsageError, match="is not a loopback address"):
        LocalKuCoin(host=host)


@pytest.mark.parametrize("host", ["127.0.0.2", "localhost", "::1"])
async def test_loopback_has_several_names(host: str) -> None:
    """Each can be served, and its address is a valid one."""
    if host == "::1" and not _has_ipv6():
        pytest.skip("this machine has no IPv6")
    async with LocalKuCoin(host=host) as venue:
        assert 200 == (await fetched(f"{venue.url}/api/v1/timestamp"))[0]


def _has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


async def test_closing_cuts_everybody_and_can_be_done_twice() -> None:
    """No task, socket or timer is left; the same seed makes the same key."""
    venue = LocalKuCoin(rate=500)
    await venue.start()
    async with connected(venue) as socket:
        await subscribe(socket)
        await venue.close()
        await venue.close()
        await closed(socket)

    assert {} == venue.exchange.sessions
    assert LocalKuCoin(seed=0).credentials.key == venue.credentials.key != LocalKuCoin(seed=1).credentials.key
