"""``orderbook record``: raw traffic of a venue into a file."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import click

from orderbook.cli.live import (
    LINE_S,
    first_news,
    key_and_depth,
    live_options,
    opened,
    require_hope,
    stop_signals,
    until,
)
from orderbook.cli.options import checked_seconds, checked_symbols, format_option
from orderbook.cli.starting import show_start
from orderbook.cli.terminal import complain, print_json, say, tell
from orderbook.errors import UsageError
from orderbook.events import StateChanged
from orderbook.feed.events import FeedEvent, RecordingFailed, RecordingResumed
from orderbook.feed.feed import Feed
from orderbook.feed.opening import open_feed
from orderbook.secret import Credentials
from orderbook.types import BookState
from orderbook.venues.rest import Depth
from snapshots.recorder import Recorder, RecorderEvent, RecorderFailed

EPILOG = """\b
Examples:
  orderbook record BTC-USDT ETH-USDT --out day.jsonl.gz
  orderbook record BTC-USDT --out day.jsonl.gz --append --seconds 3600
  orderbook replay day.jsonl.gz                            what became of each book of the recording

Ctrl-C ends it. The file is gzip JSON Lines, one record a line: every frame and every REST answer as received, with its
time. Tokens and keys are left out. It is written block by block, so that a kill loses about a second at most; when the
disk is full, the loss is marked in the file, and recording goes on when there is room again.
"""


@click.command(epilog=EPILOG)
@click.argument("symbols", nargs=-1, required=True, callback=checked_symbols, metavar="SYMBOL...")
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Where to.")
@click.option("--append", is_flag=True, help="Continue an existing recording.")
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
@live_options
@click.option("--seconds", callback=checked_seconds, metavar="N", help="Stop after so many seconds.")
@format_option
@click.pass_context
def record(
    ctx: click.Context,
    *,
    symbols: tuple[str, ...],
    out: Path,
    append: bool,
    overwrite: bool,
    venue: str,
    url: str | None,
    depth: Depth | None,
    keys: Credentials | None,
    seconds: float,
    form: str,
) -> None:
    """Record the raw traffic of some symbols until stopped.

    A line a second goes to stderr; stdout gets the summary. The exit code is 1 if anything was lost, or if no book ever
    was LIVE.
    """
    if append and overwrite:
        raise click.UsageError("--append and --overwrite contradict each other")
    if out.exists() and not (append or overwrite):
        raise UsageError(f"{out}: it exists; choose another name, or give --append or --overwrite")
    key, wanted = key_and_depth(venue, url, keys, depth)
    earlier = Earlier(out, is_replaced=overwrite)
    teller = Teller(earlier.forget)
    try:
        with Recorder(out, append=append, overwrite=overwrite, on_problem=_tell_at_the_end) as recorder:
            feed = open_feed(
                venue, symbols, url=url, credentials=key, depth=wanted, record=recorder, on_event=teller.hear
            )
            asyncio.run(_record(feed, recorder, teller, seconds))
    except BaseException:
        # Whoever mends his command should find things as they were.
        if not teller.was_live:
            earlier.give_back()
        raise
    is_whole = recorder.close()
    counters = recorder.counters
    if teller.was_live or counters.recorded:
        earlier.forget()
    else:
        earlier.give_back()
    if form == "json":
        print_json({"file": str(out), **counters._asdict()})
    else:
        say(f"{out}: {counters.recorded} records, {counters.written_bytes} bytes, {counters.lost} lost")
    if teller.reason and not teller.was_live:
        complain(f"no book ever was LIVE: {teller.reason}", "warning")
    ctx.exit(0 if is_whole and (teller.was_live or not teller.reason) else 1)


class Earlier:
    """What a file held before, kept until the recording that replaces it has something to show.

    Args:
        path: The file.
        is_replaced: It may exist, and goes then.

    Raises:
        OSError: It cannot be moved.
    """

    def __init__(self, path: Path, *, is_replaced: bool) -> None:
        self._path = path
        self._is_new = not path.exists()
        self._aside: Path | None = None
        # A device is written to as it is.
        if is_replaced and path.is_file():
            self._path = path.resolve()
            self._aside = self._path.with_name(f".{self._path.name}.{os.getpid()}.before")
            self._path.rename(self._aside)

    def forget(self) -> None:
        """It is not needed any more. May be called twice."""
        if self._aside is not None:
            self._aside.unlink(missing_ok=True)
            self._aside = None

    def give_back(self) -> None:
        """Have everything as it was, unless it was forgotten."""
        if self._aside is not None:
            self._aside.replace(self._path)
        elif self._is_new:
            with suppress(OSError):
                self._path.unlink()


class Teller:
    """Tells what goes wrong with the file, and remembers whether there ever was something worth recording.

    Args:
        begun: Called when a book is LIVE for the first time.

    Attributes:
        was_live: Whether one ever was.
        reason: Why the first book is not LIVE; empty where the feed was never open.
    """

    def __init__(self, begun: Callable[[], None]) -> None:
        self._begun = begun
        self.was_live = False
        self.reason = ""

    def hear(self, event: FeedEvent) -> None:
        """Take an event of the feed."""
        match event.event:
            case StateChanged(new=BookState.LIVE) if not self.was_live:
                self.was_live = True
                self._begun()
            case RecordingFailed(path=path, problem=problem):
                complain(f"{path}: {problem}", "warning")
            case RecordingResumed(path=path, lost=lost):
                complain(f"{path}: recording goes on; {lost} records are missing", "warning")


async def _record(feed: Feed, recorder: Recorder, teller: Teller, seconds: float) -> None:
    async with stop_signals() as stop:
        await until(stop, _show(feed, recorder, teller, seconds))


async def _show(feed: Feed, recorder: Recorder, teller: Teller, seconds: float) -> None:
    began = asyncio.get_running_loop().time()
    async with opened(feed, seconds):
        try:
            await first_news(feed, min(LINE_S, seconds))
            await show_start(feed, began + seconds)
            await _tell_until(feed, recorder, began, seconds)
        finally:
            teller.reason = feed.status(feed.symbols[0]).reason


async def _tell_until(feed: Feed, recorder: Recorder, began: float, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    while True:
        require_hope(feed)
        elapsed = loop.time() - began
        counters = recorder.counters
        live = sum(feed[symbol].is_live for symbol in feed.symbols)
        tell(
            f"{elapsed:6.0f} s",
            f"{live} of {len(feed.symbols)} books LIVE",
            f"{counters.recorded} records",
            f"{counters.written_bytes} bytes",
            f"{counters.lost} lost",
            indent=8,
            err=True,
        )
        if elapsed >= seconds:
            return
        await asyncio.sleep(min(LINE_S, seconds - elapsed))


def _tell_at_the_end(event: RecorderEvent) -> None:
    """What happens to the file when the feed is closed already."""
    if isinstance(event, RecorderFailed):
        complain(f"{event.path}: {event.problem}; {event.remedy}", "warning")
