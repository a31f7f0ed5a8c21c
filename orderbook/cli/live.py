"""What the commands that speak to a venue have in common: options, keys, and a clean end."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from orderbook.cli.options import checked_venue
from orderbook.errors import UsageError
from orderbook.feed.feed import Feed
from orderbook.secret import Credentials
from orderbook.ui.panels import PanelData
from orderbook.venues.rest import Depth

T = TypeVar("T")
Command = Callable[..., Any]

KEY_NAMES: Final = ("KUCOIN_API_KEY", "KUCOIN_API_SECRET", "KUCOIN_API_PASSPHRASE")
DEPTHS: Final[dict[str, Depth]] = {"20": 20, "100": 100, "full": "full"}


def _read_keys(_ctx: click.Context, _param: click.Parameter, path: Path | None) -> Credentials | None:
    """An API key from a JSON file. Its contents are never shown, not even when they are wrong."""
    if path is None:
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise click.BadParameter(f"{path} is not JSON") from None
    parts = found.items() if isinstance(found, dict) else ()
    # The version of a key is a number that somebody may write as one.
    environ = {name: str(part) for name, part in parts if isinstance(part, str | int)}
    if missing := [name for name in KEY_NAMES if not environ.get(name)]:
        raise click.BadParameter(f"{path} lacks {', '.join(missing)}; write a JSON object of {', '.join(KEY_NAMES)}")
    try:
        return Credentials.from_environment(environ)
    except UsageError as error:
        raise click.BadParameter(f"{path}: {error}") from None


def _depth(_ctx: click.Context, _param: click.Parameter, value: str | None) -> Depth | None:
    return None if value is None else DEPTHS[value]


def live_options(command: Command) -> Command:
    """The options of every command that connects to a venue: ``venue``, ``url``, ``depth`` and ``keys``."""
    for option in (
        click.option(
            "--keys",
            type=click.Path(path_type=Path, dir_okay=False, exists=True),
            callback=_read_keys,
            metavar="FILE",
            help=f"A JSON file with {', '.join(KEY_NAMES)}. Without it, the environment's key is used for the venue's "
            "own hosts, and for no other --url.",
        ),
        click.option(
            "--depth",
            type=click.Choice(list(DEPTHS)),
            callback=_depth,
            help="Levels a side of the snapshots. Default: full with a key, else 100.",
        ),
        click.option("--url", metavar="URL", help="Another host, such as that of `orderbook simulate`."),
        click.option("--venue", default="kucoin", callback=checked_venue, is_eager=True, metavar="NAME", help="kucoin"),
    ):
        command = option(command)
    return command


@asynccontextmanager
async def stop_signals() -> AsyncIterator[asyncio.Event]:
    """An event that Ctrl-C or a polite kill sets, instead of tearing through whatever runs."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


async def until(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """Do something until it is done (its result) or somebody wants to stop (``None``)."""
    task = asyncio.ensure_future(work)
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((task, stopping), return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        stopping.cancel()
        task.cancel()
        await asyncio.gather(task, stopping, return_exceptions=True)


def panels_of(feed: Feed, levels: int) -> Sequence[PanelData]:
    """All symbols of a feed as they are now."""
    return [PanelData(feed[symbol].exact.view(levels), feed.status(symbol)) for symbol in feed.symbols]


async def ready_or_reason(feed: Feed, timeout_s: float) -> None:
    """Wait until the first book is LIVE, so that what cannot work is told in one line instead of a blank picture.

    Raises:
        NotReady: None is in time, or one never will be.
        UsageError: The feed has no symbol.
    """
    if not feed.symbols:
        raise UsageError("name at least one symbol")
    tasks = [asyncio.ensure_future(feed.ready(symbol, timeout_s=timeout_s)) for symbol in feed.symbols]
    try:
        for done in asyncio.as_completed(tasks):
            await done
            return
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
