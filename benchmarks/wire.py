"""From the wire to the book: a burst of KuCoin frames over loopback, through each transport; who is how fast.

    python -m benchmarks.wire                        three rounds
    python -m benchmarks.wire --rounds 9 --frames 200000

A server process holds the burst ready as bytes and sends it at once; the client is a process of its own, one for each
measurement, and the rounds go through all of them in turn, so that a busy machine is unfair to nobody. It reads the
burst through one transport and either counts it (``wire``), hands it to ``BookSync.receive`` (``book``), or is a whole
feed (``feed``). The final book of ``book`` and ``feed`` is compared with a dictionary that was told the same.

How to read it: medians over the rounds. ``messages/s`` is on the clock, from the first frame to the last; CPU is the
client's, user and system together. Each ratio is against ``websockets``; only they carry over to another machine, and
on one with other work to do that of CPU time is the steadier.
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, get_args

import click
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it also runs as a plain script

from orderbook.accelerator import ACCELERATOR
from orderbook.book import OrderBook
from orderbook.clock import loop_clock
from orderbook.feed.feed import Feed
from orderbook.feed.seams import World
from orderbook.feed.settings import FeedSettings, Transport
from orderbook.feed.transports import connector
from orderbook.secret import Secret
from orderbook.settings import SyncSettings
from orderbook.sync import BookSync
from orderbook.venues import venue_named
from orderbook.venues.rest import Depth, Instrument, Priority, Server, Token
from tests.waiting import until

ROOT: Final = Path(__file__).resolve().parent.parent
SYMBOL: Final = "BTC-USDT"
SEED: Final = 7
LEVELS: Final = 2_000
"""A side, in the snapshot."""
MID: Final = 670_000
"""In tenths; nothing is ever bid at it or above, or asked below."""
REACH: Final = 1_500
FIRST: Final = 14_610_502_970
"""The snapshot's sequence."""
CHUNK: Final = 1 << 20
MODES: Final = ("wire", "book", "feed")
GO: Final = b"GO\n"

Sides = tuple[dict[str, str], dict[str, str]]


def snapshot_sides(rng: random.Random) -> Sides:
    """The book that everything begins with: text of price to text of size, bids and asks."""
    bids = {_price(MID - 1 - at): f"{rng.uniform(0.0001, 2):.8f}" for at in range(LEVELS)}
    return bids, {_price(MID + at): f"{rng.uniform(0.0001, 2):.8f}" for at in range(LEVELS)}


def frames(count: int) -> Iterator[tuple[bytes, Sides]]:
    """Deltas as KuCoin spells them, two changes in most, a good third of them deletes; and the book after each."""
    rng = random.Random(SEED)
    sides = snapshot_sides(rng)
    sequence = FIRST
    for _ in range(count):
        rows: list[list[list[str]]] = [[], []]
        start = sequence + 1
        for _ in range(rng.choice((1, 2, 2, 3))):
            sequence += 1
            side = rng.randrange(2)
            away = min(REACH, int(rng.expovariate(0.05)))
            price = _price(MID + away if side else MID - 1 - away)
            # No more than a venue would: nothing is deleted that is not there.
            is_delete = price in sides[side] and rng.random() < 0.45
            size = "0" if is_delete else f"{rng.uniform(0.0001, 2):.8f}"
            rows[side].append([price, size, str(sequence)])
            if size == "0":
                sides[side].pop(price, None)
            else:
                sides[side][price] = size
        changes = {"asks": rows[1], "bids": rows[0]}
        data = {"changes": changes, "sequenceEnd": sequence, "sequenceStart": start, "symbol": SYMBOL}
        told = {
            "topic": f"/market/level2:{SYMBOL}",
            "type": "message",
            "subject": "trade.l2update",
            "data": {**data, "time": 1_700_000_000_000 + sequence % 1_000_000},
        }
        yield json.dumps(told, separators=(",", ":")).encode(), sides


def snapshot_body() -> bytes:
    """What a REST request for the book brings."""
    bids, asks = (list(map(list, side.items())) for side in snapshot_sides(random.Random(SEED)))
    data = {"time": 1, "sequence": str(FIRST), "bids": bids, "asks": asks}
    return json.dumps({"code": "200000", "data": data}).encode()


def _price(tenths: int) -> str:
    return f"{tenths // 10}.{tenths % 10}" if tenths % 10 else f"{tenths // 10}"


def _framed(payload: bytes) -> bytes:
    return Frame(Opcode.TEXT, payload).serialize(mask=False)


# -- the server --


class Burst:
    """Takes clients one after the other, and sends the burst to whoever is connected when it is told to.

    Args:
        count: Frames in it.
    """

    def __init__(self, count: int) -> None:
        made = [frame for frame, _ in frames(count)]
        self.first = made[0]
        self._burst = b"".join(_framed(frame) for frame in made[1:])
        self._client: asyncio.StreamWriter | None = None

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A WebSocket client, or the one who tells to begin."""
        first = await reader.read(65_536)
        with suppress(ConnectionError):
            if first == GO:
                await self._send()
            else:
                await self._talk(first, reader, writer)
        writer.close()

    async def _send(self) -> None:
        assert self._client is not None
        for at in range(0, len(self._burst), CHUNK):
            self._client.write(self._burst[at : at + CHUNK])
            await self._client.drain()

    async def _talk(self, chunk: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        protocol = ServerProtocol(max_size=None)
        while chunk:
            protocol.receive_data(chunk)
            for event in protocol.events_received():
                if isinstance(event, Request):
                    protocol.send_response(protocol.accept(event))
                    writer.writelines(protocol.data_to_send())
                    writer.write(_framed(b'{"id":"x","type":"welcome"}'))
                    self._client = writer
                elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                    self._answer(json.loads(bytes(event.data)), writer)
                elif isinstance(event, Frame) and event.opcode is Opcode.CLOSE:
                    writer.write(Frame(Opcode.CLOSE, event.data).serialize(mask=False))
                    return
            chunk = await reader.read(65_536)

    def _answer(self, message: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        kind = "pong" if message["type"] == "ping" else "ack"
        writer.write(_framed(json.dumps({"id": message["id"], "type": kind}).encode()))
        if message["type"] == "subscribe":
            # Lets the book join; the rest comes when it is LIVE.
            writer.write(_framed(self.first))


async def serve(count: int) -> None:
    """Say the port, and serve until killed."""
    burst = Burst(count)
    server = await asyncio.start_server(burst.handle, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


# -- the client --


class Shop:
    """REST, without a network."""

    open_orders: Any = None  # nobody asks

    def __init__(self, port: int) -> None:
        # The pong stands behind the burst; a slow reader is not to be taken for a dead link here.
        self._server = Server(f"ws://127.0.0.1:{port}/", 18_000, 600_000)

    async def token(self, *, private: bool = False) -> Token:
        """One that opens the server."""
        assert not private
        return Token(Secret("a" * 160), (self._server,))

    async def symbols(self) -> tuple[Instrument, ...]:
        """The one there is."""
        return (Instrument(SYMBOL, "BTC", "USDT", "0.1", "0.00000001", is_trading=True),)

    async def snapshot(self, symbol: str, depth: Depth, *, priority: Priority, rank: int) -> bytes:
        """The book that everything begins with."""
        del symbol, depth, priority, rank
        return snapshot_body()

    async def probe(self, symbol: str) -> int:
        """Nobody asks."""
        raise NotImplementedError(symbol)

    async def close(self) -> None:
        """Nothing is held."""


class Stopwatch:
    """Seconds on the clock and of the CPU since it was made."""

    def __init__(self) -> None:
        self._wall_s, self._cpu_s = time.perf_counter(), time.process_time()

    def read(self) -> dict[str, float]:
        """Both."""
        return {"wall_s": time.perf_counter() - self._wall_s, "cpu_s": time.process_time() - self._cpu_s}


async def client(transport: Transport, mode: str, port: int, count: int) -> dict[str, Any]:
    """One measurement."""
    settings = FeedSettings(
        sync=SyncSettings(link_silence_max_ms=None),
        transport=transport,
        max_age_ms=None,
        audit_interval_ms=None,
        instruments_interval_ms=None,
    )
    if mode == "feed":
        return await _through_feed(settings, port, count)
    wire = await connector(settings)(Secret(f"ws://127.0.0.1:{port}/?token={'a' * 160}"))
    await wire.receive()
    sync = BookSync("kucoin", SYMBOL)
    await wire.send('{"id":"1","type":"subscribe"}')
    await wire.receive()
    sync.receive(await wire.receive(), loop_clock())
    sync.receive_snapshot(snapshot_body(), loop_clock(), depth="full")
    left, watch = count - 1, await _go(port)
    while left:
        batch = await wire.receive_batch()
        left -= len(batch)
        if mode == "book":
            now_ns = loop_clock()
            for frame in batch:
                sync.receive(frame, now_ns)
    took = watch.read()
    wire.abort()
    return took | ({} if mode == "wire" else _end_of(sync.book))


async def _through_feed(settings: FeedSettings, port: int, count: int) -> dict[str, Any]:
    async def world(_feed: Feed, _stack: AsyncExitStack) -> World:
        return World(rest=Shop(port), connect=connector(settings), budget=lambda: (0, 1))

    last = [frame for frame, _ in frames(count)][-1]
    goal = json.loads(last)["data"]["sequenceEnd"]
    async with Feed(venue_named("kucoin"), [SYMBOL], "full", world, settings) as feed:
        await feed.ready(SYMBOL, timeout_s=10)
        watch = await _go(port)
        book = feed[SYMBOL]
        await until(lambda: book.sequence == goal, 60)
        return watch.read() | _end_of(book)


async def _go(port: int) -> Stopwatch:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(GO)
    await writer.drain()
    return Stopwatch()


def _end_of(book: OrderBook) -> dict[str, Any]:
    sides = (
        [[f"{level.price.normalize():f}", f"{level.size.normalize():f}"] for level in side] for side in _both(book)
    )
    return {"sequence": book.sequence, "sides": list(sides)}


def _both(book: OrderBook) -> tuple[Any, Any]:
    return book.exact.bids, book.exact.asks


# -- the one who compares --


def expected(count: int) -> dict[str, Any]:
    """What every book is at the end."""
    *_, (last, sides) = frames(count)
    plain = [[[price, size.rstrip("0").rstrip(".")] for price, size in side.items()] for side in sides]
    ordered = [sorted(side, key=lambda row: float(row[0]), reverse=at == 0) for at, side in enumerate(plain)]
    return {"sequence": json.loads(last)["data"]["sequenceEnd"], "sides": ordered}


@contextmanager
def serving(count: int) -> Iterator[int]:
    """A server process, while the block lasts; its port."""
    process = _start("serve", "--frames", str(count))
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


def _start(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, __file__, *words], stdout=subprocess.PIPE, text=True, cwd=ROOT)


def measure(transport: str, mode: str, port: int, count: int) -> dict[str, Any]:
    """One measurement in a process of its own."""
    words = ("--transport", transport, "--mode", mode, "--port", str(port), "--frames", str(count))
    out, _ = _start("client", *words).communicate()
    found: dict[str, Any] = json.loads(out)
    return found


@click.group(invoke_without_command=True)
@click.option("--rounds", default=3, show_default=True, help="Of all measurements, one after the other.")
@click.option("--frames", "count", default=100_000, show_default=True, help="In a burst.")
@click.option("--mode", "modes", multiple=True, type=click.Choice(MODES), default=MODES, show_default=True)
@click.option("--transport", "transports", multiple=True, default=("websockets", "aiohttp", "picows"))
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.pass_context
def main(
    context: click.Context, rounds: int, count: int, modes: Sequence[str], transports: Sequence[str], form: str
) -> None:
    """Measure each transport in each mode, in interleaved rounds."""
    if context.invoked_subcommand:
        return
    right = expected(count)
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    with serving(count) as port:
        for _ in range(rounds):
            for mode in modes:
                for transport in transports:
                    one = measure(transport, mode, port, count)
                    if mode != "wire" and {name: one[name] for name in right} != right:
                        sys.exit(f"{transport}, {mode}: the book is wrong")
                    found.setdefault((mode, transport), []).append(one)
    rows = [_row(mode, transport, found, count) for mode in modes for transport in transports]
    if form == "json":
        print(json.dumps({"accelerator": ACCELERATOR, "frames": count, "rounds": rounds, "rows": rows}))
        return
    print(f"{count:,} frames, {rounds} rounds, {ACCELERATOR} twin")
    print(f"{'':6}{'transport':12}{'messages/s':>12}{'ratio':>8}{'CPU ns each':>13}{'ratio':>8}")
    for row in rows:
        by_time, by_cpu = ("" if row[name] is None else f"{row[name]:.2f}x" for name in ("ratio", "cpu_ratio"))
        print(
            f"{row['mode']:6}{row['transport']:12}{row['rate']:>12,.0f}{by_time:>8}{row['cpu_ns']:>13,.0f}{by_cpu:>8}"
        )


def _row(mode: str, transport: str, found: dict[tuple[str, str], list[dict[str, Any]]], count: int) -> dict[str, Any]:
    def rate(name: str) -> float:
        return count / statistics.median(float(one["wall_s"]) for one in found[mode, name])

    def cpu_ns(name: str) -> float:
        return statistics.median(float(one["cpu_s"]) for one in found[mode, name]) / count * 1e9

    is_compared = (mode, "websockets") in found
    return {
        "mode": mode,
        "transport": transport,
        "rate": rate(transport),
        "cpu_ns": cpu_ns(transport),
        "ratio": rate(transport) / rate("websockets") if is_compared else None,
        "cpu_ratio": cpu_ns("websockets") / cpu_ns(transport) if is_compared else None,
    }


@main.command("serve", hidden=True)
@click.option("--frames", "count", type=int, required=True)
def _serve(count: int) -> None:
    asyncio.run(serve(count))


@main.command("client", hidden=True)
@click.option("--transport", type=click.Choice(get_args(Transport)), required=True)
@click.option("--mode", type=click.Choice(MODES), required=True)
@click.option("--port", type=int, required=True)
@click.option("--frames", "count", type=int, required=True)
def _client(transport: Transport, mode: str, port: int, count: int) -> None:
    print(json.dumps(asyncio.run(client(transport, mode, port, count))))


if __name__ == "__main__":
    main()
