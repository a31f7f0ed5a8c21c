"""A process without a free file descriptor: what cannot be opened is opened later, and what is open goes on."""

from __future__ import annotations

import asyncio
import json
import sys
import textwrap
from pathlib import Path

import pytest

from orderbook.simulator.limits import Limits
from orderbook.simulator.market import SymbolMarket
from orderbook.simulator.server import LocalKuCoin
from tests.feed_books import BTC, ETH, SMALL
from tests.source_tree import ROOT

CHILD = """
import asyncio, dataclasses, json, os, resource, sys
from contextlib import suppress
from pathlib import Path

from orderbook.feed.events import LinkDown, LinkUp
from orderbook.feed.opening import open_feed
from orderbook.secret import Credentials
from snapshots.errors import CaptureError
from tests.feed_books import BTC, ETH, FAST, until

url, key, secret, passphrase, folder = sys.argv[1:]
HARD = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
events = []


def descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


def told(*kinds):
    return [one.event for one in events if isinstance(one.event, kinds)]


class Full:
    \"\"\"Nothing can be opened in here.\"\"\"

    def __enter__(self):
        # One above the highest that is open, and every hole below it filled.
        top = max(int(one.name) for one in Path("/proc/self/fd").iterdir())
        resource.setrlimit(resource.RLIMIT_NOFILE, (top + 1, HARD))
        self.held = []
        with suppress(OSError):
            while True:
                self.held.append(os.open("/dev/null", os.O_RDONLY))

    def __exit__(self, *_):
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, HARD))
        for one in self.held:
            os.close(one)


async def main():
    asyncio.get_running_loop().slow_callback_duration = 60  # how busy the machine is, is not asked
    keys = Credentials.of(key, secret, passphrase)
    before = descriptors()
    settings = dataclasses.replace(FAST, topics_max=1, connect_timeout_ms=2_000)
    feed = open_feed("kucoin", [BTC], url=url, credentials=keys, settings=settings, on_event=events.append)
    result = {}
    async with feed:
        book = await feed.ready(BTC, timeout_s=10)
        with Full():
            # A second link is needed, and cannot be made: neither its token nor its socket.
            await feed.add(ETH)
            await until(lambda: len(told(LinkDown)) >= 3)
            sequence = book.sequence
            await until(lambda: book.is_live and book.sequence > sequence + 50)
            result["reasons"] = sorted({one.reason for one in told(LinkDown)})
            result["first"] = [feed.counters(BTC).resyncs, feed.symbol_metrics(BTC).reconnects]
            result["state"] = feed[ETH].state.value
            try:
                await open_feed("kucoin", [BTC], url=url, credentials=keys, record=f"{folder}/none")
            except CaptureError as error:
                result["recording"] = error.problem
        await feed.ready(ETH, timeout_s=10)
        result["links"] = [feed.metrics.connects, len(told(LinkUp))]
        result["live"] = [feed[one].is_live for one in (BTC, ETH)]
    await until(lambda: descriptors() <= before)
    result["left"] = len(asyncio.all_tasks()) - 1
    print(json.dumps(result))


asyncio.run(main())
"""


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="descriptors are counted in /proc")
async def test_without_descriptors_nothing_breaks(tmp_path: Path) -> None:
    """Connecting is tried again and told each time, the other link's book stays LIVE, and nothing is left open."""
    market = {name: SymbolMarket(name, 5, SMALL, rate=200.0) for name in (BTC, ETH)}
    async with LocalKuCoin(market, seed=5, limits=Limits(connects_max=10**6, public_weight_max=10**6)) as venue:
        keys = [one.reveal() for one in (venue.credentials.key, venue.credentials.secret, venue.credentials.passphrase)]
        process = await asyncio.create_subprocess_exec(
            *(
                sys.executable,
                "-X",
                "dev",
                "-W",
                "error",
                "-c",
                textwrap.dedent(CHILD),
                venue.url,
                *keys,
                str(tmp_path),
            ),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(50):
            out, err = await process.communicate()
    assert (0, "") == (process.returncode, err.decode())
    result = json.loads(out)
    many = "Too many open files"
    assert all(many in reason for reason in result.pop("reasons"))
    assert many == result.pop("recording")
    assert {"first": [0, 0], "state": "CONNECTING", "links": [2, 2], "live": [True, True], "left": 0} == result
