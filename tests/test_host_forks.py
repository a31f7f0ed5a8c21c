"""Children of a process with a live feed that end in every way a program may: nothing of the parent's is touched."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from weakref import WeakSet

import pytest

from orderbook.feed import forks
from orderbook.simulator.market import SymbolMarket
from orderbook.simulator.server import LocalKuCoin
from orderbook.types import BookState
from snapshots.capture import read_capture
from snapshots.replay import Replay
from tests.feed_books import BTC, SMALL, is_right
from tests.source_tree import ROOT

PARENT = """
import asyncio, dataclasses, gc, json, multiprocessing, os, sys, warnings

from orderbook.errors import BookNotLive
from orderbook.feed.errors import ForkedFeed
from orderbook.feed.opening import open_feed
from orderbook.secret import Credentials
from snapshots.recorder import Recorder
from tests.feed_books import BTC, FAST, until

url, key, secret, passphrase, path, how = sys.argv[1:]
warnings.simplefilter("ignore", DeprecationWarning)  # newer versions warn of forks beside threads


def used(feed, book, recorder):
    told = []
    for ask in (lambda: book.best_bid, lambda: feed.status(BTC), lambda: feed.updates(BTC)):
        try:
            ask()
        except (BookNotLive, ForkedFeed) as error:
            told.append(type(error).__name__)
    taken = recorder.record("ws", "wss://child", b"a child's")
    told += [taken, recorder.flush(0.1), recorder.close(0.1)]
    if told != ["BookNotLive", "ForkedFeed", "ForkedFeed", False, False, False]:
        os._exit(9)


def in_a_process(feed, book, recorder):
    used(feed, book, recorder)
    gc.collect()


async def children(feed, book, recorder):
    if how == "multiprocessing":
        child = multiprocessing.get_context("fork").Process(target=in_a_process, args=(feed, book, recorder))
        child.start()
        await until(lambda: not child.is_alive())
        return child.exitcode
    pid = os.fork()
    if pid == 0:
        used(feed, book, recorder)
        if how == "exec":
            os.execv(sys.executable, [sys.executable, "-c", "raise SystemExit(7)"])
        if how == "exit":
            # Unwinds everything: the feed's own end, and that of the loop with all its tasks.
            sys.exit(7)
        raise RuntimeError("in the child")
    status = [0, 0]
    def ended():
        status[:] = os.waitpid(pid, os.WNOHANG)
        return status[0]
    await until(ended)
    return os.waitstatus_to_exitcode(status[1])


async def main():
    keys = Credentials.of(key, secret, passphrase)
    recorder = Recorder(path, flush_interval_s=0.05)
    settings = dataclasses.replace(FAST, ping_silence_ms=200)
    events = []
    async with open_feed(
        "kucoin", [BTC], url=url, credentials=keys, settings=settings, record=recorder, on_event=events.append
    ) as feed:
        book = await feed.ready(BTC, timeout_s=10)
        before = len(events)
        codes = []
        for _ in range(2):
            codes.append(await children(feed, book, recorder))
            sequence = book.sequence
            await until(lambda: book.sequence > sequence + 100)
            assert book.is_live
        counters = feed.counters(BTC)
        result = {
            "codes": codes, "events": [repr(one) for one in events[before:]], "reconnects": feed.health().reconnects,
            "lost": [counters.gaps, counters.resyncs],
        }
    result["frames"] = counters.frames
    result["recorded"] = [await recorder.aclose(), recorder.counters.written_bytes, recorder.counters.lost]
    print(json.dumps(result))


if __name__ == "__main__":
    asyncio.run(main())
"""


async def ended(script: str, venue: LocalKuCoin, *arguments: str) -> tuple[bytes, bytes]:
    """Run a program to its end; what it wrote to its output, and to its error output."""
    keys = [one.reveal() for one in (venue.credentials.key, venue.credentials.secret, venue.credentials.passphrase)]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", script, venue.url, *keys, *arguments),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(50):
        out, err = await process.communicate()
    assert 0 == process.returncode, err.decode()
    return out, err


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a platform without fork")
@pytest.mark.parametrize(("how", "code"), [("multiprocessing", 0), ("exec", 7), ("exit", 7), ("raise", 1)])
async def test_a_child_that_ends_takes_nothing_with_it(how: str, code: int, tmp_path: Path) -> None:
    """The parent stays LIVE on the same connection, and its recording holds what it received and nothing else."""
    path = tmp_path / "capture.jsonl.gz"
    market = {BTC: SymbolMarket(BTC, 5, SMALL, rate=300.0)}
    async with LocalKuCoin(market, seed=5) as venue:
        out, err = await ended(PARENT, venue, str(path), how)
        # A child that ends by an error says so; nobody else says anything.
        assert ("RuntimeError: in the child" in err.decode()) == (how == "raise")
        result = json.loads(out.splitlines()[-1])
        assert {"codes": [code] * 2, "events": [], "reconnects": 0, "lost": [0, 0]} == {
            name: result[name] for name in ("codes", "events", "reconnects", "lost")
        }
        assert [True, path.stat().st_size, 0] == result["recorded"]
        replay = Replay("kucoin")
        with read_capture(path) as reader:
            for record in reader:
                assert b"a child's" != record.raw
                replay.feed(record)
        assert [] == reader.problems
        sync = replay.books[BTC]
        assert BookState.LIVE is sync.state
        assert is_right(sync.book, venue.market[BTC])
        assert (0, 0) == (sync.counters.gaps, sync.counters.resyncs)
        assert sync.counters.frames >= result["frames"]
        assert 1 == venue.exchange.state()["accepted"]


THREADED = """
import json, os, signal, sys, warnings

import orderbook
from orderbook.secret import Credentials
from tests.feed_books import BTC, FAST

url, key, secret, passphrase = sys.argv[1:]
warnings.simplefilter("ignore", DeprecationWarning)  # as above
keys = Credentials.of(key, secret, passphrase)


def in_the_child(feed):
    signal.alarm(20)  # instead of waiting for ever
    told = {}
    asks = {"view": lambda: feed.view(BTC), "ready": lambda: feed.ready(BTC), "add": lambda: feed.add("ETH-USDT"),
            "status": lambda: feed.status(BTC), "health": feed.health, "start": feed.start,
            "listen": lambda: feed.listen(BTC, print), "close": feed.close}
    for name, ask in asks.items():
        try:
            told[name] = repr(ask())
        except orderbook.OrderBookError as error:
            told[name] = type(error).__name__
    return told


with orderbook.ThreadedFeed("kucoin", [BTC], url=url, credentials=keys, settings=FAST) as feed:
    feed.ready(BTC, timeout_s=10)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, json.dumps(in_the_child(feed)).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        print(pipe.read())
    os.waitpid(child, 0)
    sequence = feed.view(BTC).sequence
    while feed.view(BTC).sequence < sequence + 50:
        pass
    print(json.dumps([feed.view(BTC).is_live, feed.counters(BTC).resyncs, feed.health().reconnects]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a platform without fork")
async def test_a_child_of_a_threaded_feed_is_told_at_once() -> None:
    """Its thread is not there: whoever asked it would wait for ever. Closing closes nothing."""
    market = {BTC: SymbolMarket(BTC, 5, SMALL, rate=300.0)}
    async with LocalKuCoin(market, seed=5) as venue:
        out, err = await ended(THREADED, venue)
    assert b"" == err
    child, parent = (json.loads(line) for line in out.splitlines() if line)
    asks = ("view", "ready", "add", "status", "health", "start", "listen")
    assert dict.fromkeys(asks, "ForkedFeed") | {"close": "None"} == child
    assert [True, 0, 0] == parent


ENDED = """
import asyncio, dataclasses, json, os, sys, warnings

from orderbook.feed import forks
from orderbook.feed.events import LinkDown
from orderbook.feed.opening import open_feed
from orderbook.feed.websocket import WebSocket
from orderbook.simulator.faults import FaultPlan
from orderbook.simulator.server import LocalKuCoin
from orderbook.simulator.tls import Authority
from tests.feed_books import BTC, ETH, FAST, now_ns, until

warnings.simplefilter("ignore", DeprecationWarning)  # as above
is_safe = sys.argv[1] == "wss"
settings = dataclasses.replace(FAST, reconnect_min_ms=20_000, reconnect_max_ms=20_000, transport="websockets")


def connected():
    links = [one for one in tuple(forks._owned) if isinstance(one, WebSocket)]
    ends = [link._connection.transport.get_extra_info("socket") for link in links]
    return [end for end in ends if end is not None and end.fileno() >= 0]


async def main():
    authority = Authority() if is_safe else None
    keys = {"tls": authority.server_context()} if is_safe else {}
    trust = {"tls": authority.client_context()} if is_safe else {}
    told = []
    async with LocalKuCoin(symbols=[BTC], seed=1, **keys) as one, LocalKuCoin(symbols=[ETH], seed=2, **keys) as two:
        def feed(venue, symbol):
            ours = {"url": venue.url, "credentials": venue.credentials, "settings": settings, **trust}
            return open_feed("kucoin", [symbol], on_event=lambda event: told.append(type(event.event)), **ours)

        async with feed(one, BTC) as first, feed(two, ETH) as second:
            books = [await first.ready(BTC, timeout_s=10), await second.ready(ETH, timeout_s=10)]
            one.exchange.add_faults(FaultPlan([{"fault": "disconnect"}]), now_ns())
            await until(lambda: LinkDown in told and len(connected()) == 1)
            states = [book.state.value for book in books]
            reading, writing = os.pipe()
            child = os.fork()
            if child == 0:
                try:
                    os.write(writing, json.dumps([book.state.value for book in books]).encode())
                finally:
                    os._exit(0)
            os.close(writing)
            with os.fdopen(reading) as pipe:
                print(json.dumps(states), pipe.read(), sep="\\n")
            os.waitpid(child, 0)


asyncio.run(main())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a platform without fork")
@pytest.mark.parametrize("scheme", ["ws", "wss"])
async def test_a_child_that_is_forked_while_a_link_is_down_has_no_book(scheme: str) -> None:
    """A connection that has ended, with TLS or without, keeps no other feed from being told."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", ENDED, scheme), cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(50):
        out, err = await process.communicate()
    assert 0 == process.returncode, err.decode()
    # Also when the order happened to be a lucky one: what fails in a child after its birth is written there.
    assert "Exception ignored" not in err.decode()
    parent, child = (json.loads(line) for line in out.splitlines())
    assert (["CONNECTING", "LIVE"], ["CLOSED", "CLOSED"]) == (parent, child)


@pytest.mark.parametrize("error", [OSError, AttributeError, ValueError, RuntimeError, KeyError])
def test_nothing_that_goes_wrong_with_one_keeps_the_others_from_it(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them is disowned, in whatever order."""

    class Thing:
        is_disowned = False

        def disown(self) -> None:
            self.is_disowned = True
            raise error

    monkeypatch.setattr(forks, "_owned", WeakSet())
    things = [Thing() for _ in range(3)]
    for thing in things:
        forks.watch(thing)
    forks._after_fork()
    assert [True, True, True] == [thing.is_disowned for thing in things]
