"""A forked process has copies of books, and no connection: they say so, and the parent's go on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap

import pytest

from tests.source_tree import ROOT

CHILD = """
import asyncio, json, os, sys, warnings

from orderbook.errors import BookNotLive
from orderbook.feed.errors import ForkedFeed
from orderbook.feed.opening import open_feed
from orderbook.simulator.server import LocalKuCoin

warnings.simplefilter("ignore", DeprecationWarning)  # newer versions warn of forks beside threads


def in_the_child(feed, book, kept):
    told = {"state": book.state.value, "reason": book.reason}
    for name, ask in {
        "book": lambda: kept.best_bid,
        "getitem": lambda: feed["BTC-USDT"],
        "status": lambda: feed.status("BTC-USDT"),
        "updates": lambda: feed.updates("BTC-USDT"),
        "events": lambda: feed.events(),
        "health": lambda: feed.health(),
    }.items():
        try:
            ask()
        except (BookNotLive, ForkedFeed) as error:
            told[name] = type(error).__name__
    for name, ask in {"ready": feed.ready("BTC-USDT"), "add": feed.add("ETH-USDT"), "close": feed.close()}.items():
        try:
            told[name] = repr(asyncio.run(ask))
        except ForkedFeed as error:
            told[name] = type(error).__name__
    return told


async def main(path):
    async with LocalKuCoin(symbols=2, seed=7) as venue:
        async with open_feed("kucoin", ["BTC-USDT"], url=venue.url, credentials=venue.credentials, record=path) as feed:
            book = await feed.ready("BTC-USDT", timeout_s=30)
            kept = book.exact
            reading, writing = os.pipe()
            child = os.fork()
            if child == 0:
                try:
                    os.write(writing, json.dumps(in_the_child(feed, book, kept)).encode())
                finally:
                    os._exit(0)
            os.close(writing)
            with os.fdopen(reading) as pipe:
                print(pipe.read())
            os.waitpid(child, 0)
            sequence = book.sequence
            async with asyncio.timeout(5):
                async for update in feed.updates("BTC-USDT"):
                    if update.view.sequence > sequence + 20:
                        break
            print(json.dumps({
                "live": book.is_live, "resyncs": feed.counters("BTC-USDT").resyncs,
                "reconnects": feed.health().reconnects, "gaps": feed.counters("BTC-USDT").gaps,
            }))


asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a platform without fork")
def test_in_a_forked_child_the_books_are_closed_and_the_parent_goes_on(tmp_path: object) -> None:
    """Every question raises in the child; closing there closes nothing; the parent never loses LIVE."""
    process = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(CHILD), f"{tmp_path}/capture.jsonl.gz"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "" == process.stderr
    child, parent = (json.loads(line) for line in process.stdout.split("\n") if line)
    refused = dict.fromkeys(("getitem", "status", "updates", "events", "health", "ready", "add"), "ForkedFeed")
    reason = "the feed belongs to the parent process"
    assert {"state": "CLOSED", "reason": reason, "book": "BookNotLive", "close": "None", **refused} == child
    assert {"live": True, "resyncs": 0, "reconnects": 0, "gaps": 0} == parent
