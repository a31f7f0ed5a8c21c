"""What the commands that show streams have in common: options, a table or JSON lines, and an end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import click

from orderbook.cli.canvas import draw
from orderbook.cli.live import Command, opened, require_accepted, stop_signals, until
from orderbook.cli.options import checked_seconds, format_option
from orderbook.cli.tables import glyphs_of
from orderbook.cli.terminal import can_draw, complain, counted, print_json, say, stdout_console
from orderbook.cli.watch import name_of
from orderbook.feed.feed import Feed
from orderbook.feed.opening import open_feed
from orderbook.feed.stream import Stream
from orderbook.secret import Credentials
from orderbook.streams import Missed, StreamMessage
from orderbook.ui.board import Board, picture
from orderbook.ui.messages import Lines, Sheet, missing, to_json

Opens = Callable[[Feed], Sequence[Stream[Any]]]
"""Opens the streams that are wanted, on an open feed."""
Take = Callable[[Any], None]

NAMED_MAX: Final = 3
"""Symbols that a title names."""
AFTERWARDS: Final = """
On a terminal: a table, the newest first or a row for each symbol; q ends. Elsewhere, or with --count: a line a message.
With --format json: one JSON object a message, numbers as exact decimal text, times as whole numbers in the unit that
the name ends with; "ts" is when it was printed, in ns since 1970.

Where messages are missing, or may be, a warning on stderr says so; with --format json it is an object of "type":
"missed" between the others.
"""


def ending_options(command: Command) -> Command:
    """When it ends, and how it looks: ``count``, ``seconds`` and ``form``."""
    for option in (
        format_option,
        click.option(
            "--for", "--seconds", "seconds", callback=checked_seconds, metavar="SECONDS", help="Stop after so long."
        ),
        click.option("--count", type=click.IntRange(1), metavar="N", help="Stop after so many messages."),
    ):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True, kw_only=True)
class Show:
    """A stream that somebody wants to see.

    Attributes:
        title: What it is called.
        sheet: How it looks.
        opens: Opens it.
        venue, url: Where.
        credentials: For a stream of an account.
        count: Messages after which there were enough; ``None``: without an end.
        seconds: At most so long, opening included.
        form: ``table`` or ``json``.
    """

    title: str
    sheet: Sheet
    opens: Opens
    venue: str
    url: str | None
    count: int | None
    seconds: float
    form: str
    credentials: Credentials | None = None

    def run(self) -> int:
        """Show it until it is over; the exit code: 1 where there were fewer messages than wanted."""
        feed = open_feed(self.venue, url=self.url, credentials=self.credentials)
        reader = Reader(self.count)
        # A picture shows what is newest; who counts wants to see each one.
        is_drawn = self.form == "table" and self.count is None and can_draw()
        board = Board(self.sheet)
        began_s = time.monotonic()
        was_stopped = asyncio.run(self._run(feed, reader, board if is_drawn else None))
        if is_drawn:
            misses = f", {counted(board.misses, 'time')} some were missing" if board.misses else ""
            say(f"{time.monotonic() - began_s:.0f} s, {counted(board.messages, 'message')}{misses}")
        if not was_stopped and self.count is not None and reader.messages < self.count:
            complain(f"{reader.messages} of {self.count} messages came within {self.seconds:g} s", "warning")
            return 1
        return 0

    async def _run(self, feed: Feed, reader: Reader, board: Board | None) -> bool:
        """Whether somebody wanted it to stop."""
        end = asyncio.get_running_loop().time() + self.seconds
        async with stop_signals() as stop:
            await until(stop, self._show(feed, reader, board, end))
            return stop.is_set()

    async def _show(self, feed: Feed, reader: Reader, board: Board | None, end: float) -> None:
        loop = asyncio.get_running_loop()
        if self.credentials is not None:
            await within(end - loop.time(), require_accepted(self.venue, self.url, self.credentials))
        async with opened(feed, self.seconds):
            streams = self.opens(feed)
            await within(end - loop.time(), self._follow(feed, streams, reader, board))

    async def _follow(self, feed: Feed, streams: Sequence[Stream[Any]], reader: Reader, board: Board | None) -> None:
        if board is None:
            await reader.read(streams, teller(self.sheet, self.form))
            return
        console = stdout_console()
        glyphs, venue = glyphs_of(console), name_of(self.venue, self.url)

        def drawn(width: int, height: int) -> Any:
            is_live = all(stream.is_live for stream in streams)
            return picture(
                *(board, feed.health(), width, height),
                title=self.title,
                venue=venue,
                is_live=is_live,
                glyphs=glyphs,
            )

        await first_of(draw(console, drawn), reader.read(streams, board.take))


def titled(name: str, symbols: Sequence[str]) -> str:
    """What a picture of a stream is called: short, however many symbols there are."""
    return f"{name} {' '.join(symbols)}" if len(symbols) <= NAMED_MAX else f"{name} of {len(symbols)} symbols"


def teller(sheet: Sheet, form: str) -> Take:
    """What prints messages: a line each, the columns named above the first; or a JSON object each."""
    if form == "json":
        return lambda message: print_json(to_json(message, time.time_ns()))
    lines = Lines(sheet)
    told = False

    def tell(message: StreamMessage) -> None:
        nonlocal told
        if isinstance(message, Missed):
            complain(missing(message), "warning")
            return
        text = lines.told(message)
        if not told:
            click.echo(lines.heading())
            told = True
        click.echo(text)

    return tell


class Reader:
    """Reads streams until there was enough.

    Args:
        count: Messages that are enough; ``None``: never.

    Attributes:
        messages: Messages read.
    """

    def __init__(self, count: int | None = None) -> None:
        self.messages = 0
        self._count = count
        self._is_enough = asyncio.Event()

    async def read(self, streams: Sequence[Stream[Any]], take: Take) -> None:
        """Hand over everything that they say, until there was enough, or all of them have ended."""
        tasks = [asyncio.ensure_future(self._read(stream, take)) for stream in streams]
        try:
            await first_of(self._is_enough.wait(), _all(tasks))
        finally:
            for stream in streams:
                stream.close()

    async def _read(self, stream: Stream[Any], take: Take) -> None:
        async for message in stream:
            if self._is_enough.is_set():
                return
            take(message)
            self.messages += not isinstance(message, Missed)
            if self.messages == self._count:
                self._is_enough.set()


async def _all(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Wait for all; the first error ends it."""
    try:
        for done in asyncio.as_completed(tasks):
            await done
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def first_of(*works: Any) -> None:
    """Do several things until one of them is done; what it raises is raised."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def within(seconds: float, work: Any) -> None:
    """Do something for at most so long."""
    limit = asyncio.timeout(None if seconds == float("inf") else max(seconds, 0.0))
    try:
        async with limit:
            await work
    except TimeoutError:
        # Somebody else's time-out is no end.
        if not limit.expired():
            raise
