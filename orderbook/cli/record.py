"""``orderbook record``: raw traffic of a venue into a file."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from orderbook.cli.live import live_options, ready_or_reason, stop_signals, until
from orderbook.cli.options import checked_seconds, checked_symbols, format_option
from orderbook.cli.terminal import complain, print_json
from orderbook.errors import RestError
from orderbook.feed.events import FeedEvent, RecordingFailed, RecordingResumed
from orderbook.feed.feed import Feed
from orderbook.feed.opening import open_feed
from orderbook.secret import Credentials
from orderbook.venues.rest import Depth
from snapshots.recorder import Recorder, RecorderEvent, RecorderFailed

READY_S = 20.0
LINE_S = 1.0

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

    A line a second goes to stderr; stdout gets the summary. The exit code is 1 if anything was lost.
    """
    if append and overwrite:
        raise click.UsageError("--append and --overwrite contradict each other")
    # Before the file is made: a mistake in these should not leave an empty one.
    options: dict[str, Any] = {"url": url, "credentials": keys, "depth": depth, "on_event": _tell}
    open_feed(venue, symbols, **options)
    is_new = not out.exists()
    recorder = Recorder(out, append=append, overwrite=overwrite, on_problem=_tell_at_the_end)
    feed = open_feed(venue, symbols, record=recorder, **options)
    try:
        asyncio.run(_record(feed, recorder, seconds))
    except RestError:
        # Nothing began. Whoever mends his command should not be told that the file exists.
        recorder.close()
        if is_new:
            out.unlink(missing_ok=True)
        raise
    finally:
        is_whole = recorder.close()
    counters = recorder.counters
    if form == "json":
        print_json({"file": str(out), **counters._asdict()})
    else:
        click.echo(f"{out}: {counters.recorded} records, {counters.written_bytes} bytes, {counters.lost} lost")
    ctx.exit(0 if is_whole else 1)


async def _record(feed: Feed, recorder: Recorder, seconds: float) -> None:
    async with stop_signals() as stop:
        await until(stop, _show(feed, recorder, seconds))


async def _show(feed: Feed, recorder: Recorder, seconds: float) -> None:
    async with feed:
        await ready_or_reason(feed, READY_S)
        await _tell_until(feed, recorder, seconds)


async def _tell_until(feed: Feed, recorder: Recorder, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    while (elapsed := loop.time() - began) < seconds:
        counters = recorder.counters
        live = sum(feed[symbol].is_live for symbol in feed.symbols)
        click.echo(
            f"{elapsed:6.0f} s  {live} of {len(feed.symbols)} books LIVE  {counters.recorded} records  "
            f"{counters.written_bytes} bytes  {counters.lost} lost",
            err=True,
        )
        await asyncio.sleep(min(LINE_S, seconds - elapsed))


def _tell_at_the_end(event: RecorderEvent) -> None:
    """What happens to the file when the feed is closed already."""
    if isinstance(event, RecorderFailed):
        complain(f"{event.path}: {event.problem}; {event.remedy}", "warning")


def _tell(event: FeedEvent) -> None:
    match event.event:
        case RecordingFailed(path=path, problem=problem):
            complain(f"{path}: {problem}", "warning")
        case RecordingResumed(path=path, lost=lost):
            complain(f"{path}: recording goes on; {lost} records are missing", "warning")
