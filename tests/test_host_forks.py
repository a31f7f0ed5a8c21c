"""Children of a process with a live feed that end in every way a program may: nothing of the parent's is touched."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

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
