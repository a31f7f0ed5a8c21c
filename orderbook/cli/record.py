"""``orderbook record``: raw traffic of a venue into a file."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from orderbook.cli.live import (
    LINE_S,
    first_news,
    key_and_depth,
    key_for,
    live_options,
    opened,
    require_accepted,
    require_hope,
    stop_signals,
    until,
)
from orderbook.cli.options import checked_seconds, checked_symbols, format_option
from orderbook.cli.starting import show_start
from orderbook.cli.streaming import Reader, first_of, within
from orderbook.cli.terminal import complain, print_json, say, tell
from orderbook.cli.topics import BOOK, Topics, checked_topics
from orderbook.errors import UsageError
from orderbook.events import StateChanged
from orderbook.feed.events import FeedEvent, RecordingFailed, RecordingResumed
from orderbook.feed.feed import Feed
from orderbook.feed.opening import open_feed
from orderbook.feed.stream import Stream
from orderbook.secret import Credentials
from orderbook.streams import Missed, StreamMessage
from orderbook.types import BookState
from orderbook.ui.messages import missing
from orderbook.venues.rest import Depth
from snapshots.recorder import Recorder, RecorderEvent, RecorderFailed

EPILOG = """\b
Examples:
  orderbook record BTC-USDT ETH-USDT --out day.jsonl.gz
  orderbook record BTC-USDT --out day.jsonl.gz --append --seconds 3600
  orderbook record BTC-USDT --topics book,trades,candles:1min --out day.jsonl.gz
  orderbook record --topics tickers:all --out tickers.jsonl.gz
  orderbook record --topics orders,balances --keys keys.json --out mine.jsonl.gz
  orderbook replay day.jsonl.gz                            what became of each book of the recording

Topics are book (the order book, with its snapshots), trades, candles (or candles:5min, ...), tickers (or tickers:all),
touches, top_levels (or top_levels:50), market_stats; and of the account of the key, balances, orders and stop_orders,
which are in the file then, for anybody who reads it.

Ctrl-C ends it. The file is gzip JSON Lines, one record a line: every frame and every REST answer as received, with its
time. Tokens and keys are left out. It is written block by block, so that a kill loses about a second at most; when the
disk is full, the loss is marked in the file, and recording goes on when there is room again.
"""


@click.command(epilog=EPILOG)
@click.argument("symbols", nargs=-1, callback=checked_symbols, metavar="[SYMBOL...]")
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Where to.")
@click.option(
    "--topics",
    callback=checked_topics,
    default=BOOK,
    show_default=True,
    metavar="LIST",
    help="What, with commas between.",
)
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
    topics: Topics,
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
    was LIVE; without books, if no stream ever was subscribed.
    """
    _check_symbols(topics, symbols)
    _check_file(out, append=append, overwrite=overwrite)
    key, wanted = key_and_depth(venue, url, keys, depth)
    if topics.private is not None:
        asyncio.run(require_accepted(venue, url, key_for(topics.private, venue, url, keys)))
    earlier = Earlier(out, is_replaced=overwrite)
    teller = Teller(earlier.forget)
    try:
        with Recorder(
            out,
            append=append,
            overwrite=overwrite,
            private=topics.private is not None,
            on_problem=_tell_at_the_end,
        ) as recorder:
            books = symbols if topics.has_books else ()
            feed = open_feed(
                venue, books, url=url, credentials=key, depth=wanted, record=recorder, on_event=teller.hear
            )
            asyncio.run(_Recording(feed, recorder, teller, topics, symbols).run(seconds))
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
        complain(f"{teller.never}: {teller.reason}", "warning")
    ctx.exit(0 if is_whole and (teller.was_live or not teller.reason) else 1)


def _check_symbols(topics: Topics, symbols: Sequence[str]) -> None:
    if topics.needs_symbols and not symbols:
        raise click.MissingParameter(param_hint="'SYMBOL...'", param_type="argument")
    if symbols and not topics.needs_symbols:
        raise click.UsageError("none of these --topics is of symbols: leave the symbols out")


def _check_file(out: Path, *, append: bool, overwrite: bool) -> None:
    if append and overwrite:
        raise click.UsageError("--append and --overwrite contradict each other")
    if out.exists() and not (append or overwrite):
        raise UsageError(f"{out}: it exists; choose another name, or give --append or --overwrite")


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
        begun: Called when a book is LIVE for the first time; without books, when a stream is subscribed.

    Attributes:
        was_live: Whether one ever was.
        never: What there was not; in words.
        reason: Why one of them is not; empty where the feed was never open.
    """

    def __init__(self, begun: Callable[[], None]) -> None:
        self._begun = begun
        self.was_live = False
        self.never = "no book ever was LIVE"
        self.reason = ""

    def begin(self) -> None:
        """Something came that is worth recording."""
        if not self.was_live:
            self.was_live = True
            self._begun()

    def miss(self, message: StreamMessage) -> None:
        """Take a message of a stream."""
        if isinstance(message, Missed):
            self.reason = message.reason
            complain(missing(message), "warning")

    def hear(self, event: FeedEvent) -> None:
        """Take an event of the feed."""
        match event.event:
            case StateChanged(new=BookState.LIVE):
                self.begin()
            case RecordingFailed(path=path, problem=problem):
                complain(f"{path}: {problem}", "warning")
            case RecordingResumed(path=path, lost=lost):
                complain(f"{path}: recording goes on; {lost} records are missing", "warning")


class _Recording:
    """A feed that is recorded until somebody wants to stop.

    Args:
        feed: Not open yet.
        recorder: Writes what the feed receives.
        teller: Hears what goes wrong.
        topics: What is recorded.
        symbols: Of which symbols.
    """

    def __init__(self, feed: Feed, recorder: Recorder, teller: Teller, topics: Topics, symbols: Sequence[str]) -> None:
        self._feed = feed
        self._recorder = recorder
        self._teller = teller
        self._topics = topics
        self._symbols = symbols

    async def run(self, seconds: float) -> None:
        """Record for so long at most, opening included; tell how it goes."""
        async with stop_signals() as stop:
            await until(stop, self._record(seconds))

    async def _record(self, seconds: float) -> None:
        began, feed = asyncio.get_running_loop().time(), self._feed
        async with opened(feed, seconds):
            streams = self._topics.open(feed, self._symbols)
            try:
                await first_of(
                    self._tell_until(streams, began, seconds),
                    *([Reader().read(streams, self._teller.miss)] if streams else []),
                )
            finally:
                self._conclude(streams)

    def _conclude(self, streams: Sequence[Stream[Any]]) -> None:
        if self._topics.has_books:
            self._teller.reason = self._feed.status(self._feed.symbols[0]).reason
        else:
            self._teller.never = "no stream ever was subscribed"
            self._teller.reason = self._teller.reason or f"{streams[0].symbol[:80]} was not acknowledged"

    async def _tell_until(self, streams: Sequence[Stream[Any]], began: float, seconds: float) -> None:
        loop, feed = asyncio.get_running_loop(), self._feed
        await within(min(LINE_S, seconds), self._first_news(streams))
        if self._topics.has_books:
            await show_start(feed, began + seconds)
        while True:
            require_hope(feed)
            elapsed = loop.time() - began
            counters = self._recorder.counters
            live = sum(stream.is_live for stream in streams)
            if live and not self._topics.has_books:
                self._teller.begin()
            books = [f"{sum(feed[symbol].is_live for symbol in feed.symbols)} of {len(feed.symbols)} books LIVE"]
            tell(
                f"{elapsed:6.0f} s",
                *(books if self._topics.has_books else []),
                *([f"{live} of {len(streams)} streams live"] if streams else []),
                f"{counters.recorded} records",
                f"{counters.written_bytes} bytes",
                f"{counters.lost} lost",
                indent=8,
                err=True,
            )
            if elapsed >= seconds:
                return
            await asyncio.sleep(min(LINE_S, seconds - elapsed))

    async def _first_news(self, streams: Sequence[Stream[Any]]) -> None:
        if self._feed.symbols:
            await first_news(self._feed, LINE_S)
        else:
            await streams[0].ready()


def _tell_at_the_end(event: RecorderEvent) -> None:
    """What happens to the file when the feed is closed already."""
    if isinstance(event, RecorderFailed):
        complain(f"{event.path}: {event.problem}; {event.remedy}", "warning")
