"""What the commands that speak to a venue have in common: options, keys, and a clean end."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from math import isinf
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from orderbook.cli.keyfile import KEY_NAMES, read_keys
from orderbook.cli.options import checked_venue
from orderbook.errors import Unreachable, UsageError
from orderbook.feed.errors import NotReady
from orderbook.feed.feed import Feed
from orderbook.feed.opening import URLS
from orderbook.secret import Credentials
from orderbook.types import BookState
from orderbook.ui.panels import PanelData
from orderbook.venues.kucoin_auth import credentials_for
from orderbook.venues.rest import Depth
from snapshots.fetch import Rest

T = TypeVar("T")
Command = Callable[..., Any]

LINE_S: Final = 1.0
"""From one line to the next, where lines are told."""
DEPTHS: Final[dict[str, Depth]] = {"20": 20, "100": 100, "full": "full"}


def _depth(_ctx: click.Context, _param: click.Parameter, value: str | None) -> Depth | None:
    return None if value is None else DEPTHS[value]


_keys_option: Final = click.option(
    "--keys",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    callback=read_keys,
    metavar="FILE",
    help=f"A JSON file with {', '.join(KEY_NAMES)}; `orderbook simulate --keys-file` writes one. Without it, "
    "the environment's key is used for the venue's own hosts, and for no other --url.",
)
_depth_option: Final = click.option(
    "--depth",
    type=click.Choice(list(DEPTHS)),
    callback=_depth,
    help="Levels a side of the snapshots. Default: full with a key, else 100.",
)
_url_option: Final = click.option("--url", metavar="URL", help="Another host, such as that of `orderbook simulate`.")
_venue_option: Final = click.option(
    "--venue", default="kucoin", callback=checked_venue, is_eager=True, metavar="NAME", help="kucoin"
)


def live_options(command: Command) -> Command:
    """The options of every command that keeps books of a venue: ``venue``, ``url``, ``depth`` and ``keys``."""
    return _venue_option(_url_option(_depth_option(_keys_option(command))))


def place_options(command: Command) -> Command:
    """The options of a command that needs no key: ``venue`` and ``url``."""
    return _venue_option(_url_option(command))


def account_options(command: Command) -> Command:
    """The options of a command about one's own account: ``venue``, ``url`` and ``keys``."""
    return _venue_option(_url_option(_keys_option(command)))


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


def key_and_depth(
    venue: str, url: str | None, keys: Credentials | None, depth: Depth | None
) -> tuple[Credentials | None, Depth]:
    """The key that may go to the address, and the depth that can be asked for with it.

    Raises:
        UsageError: A full depth without a key, or a key in the environment of which a part is missing.
    """
    address = url or URLS[venue]
    credentials = credentials_for(address, keys, os.environ)
    if depth == "full" and credentials is None:
        raise UsageError(f"full snapshots need an API key: give --keys FILE, or ask for --depth 100{_apart()}")
    return credentials, depth or ("full" if credentials else 100)


def key_for(what: str, venue: str, url: str | None, keys: Credentials | None) -> Credentials:
    """The key that may go to the address.

    Args:
        what: Needs it.
        venue: Whose.
        url: Another host.
        keys: Given explicitly.

    Raises:
        UsageError: There is none, or a part of it is missing.
    """
    credentials = credentials_for(url or URLS[venue], keys, os.environ)
    if credentials is None:
        other = f", or set {', '.join(KEY_NAMES)}" if url is None else _apart()
        raise UsageError(f"{what} are of an account, and need its API key: give --keys FILE{other}")
    return credentials


async def require_accepted(venue: str, url: str | None, credentials: Credentials) -> None:
    """Raise ``RestError`` if the venue does not let the key's owner listen to the account.

    A feed would try again for ever, because a venue that refuses a key may change its mind; a person wants to know.
    """
    async with Rest(url or URLS[venue], credentials=credentials) as rest:
        await rest.token(private=True)


def _apart() -> str:
    return "; the environment's key is not sent to other hosts" if os.environ.get(KEY_NAMES[0]) else ""


@asynccontextmanager
async def opened(feed: Feed, seconds: float) -> AsyncIterator[None]:
    """An open feed, closed afterwards.

    Args:
        feed: Not open yet.
        seconds: How long opening may take; infinite: as long as its requests.

    Raises:
        RestError: It cannot be opened, or was not in time.
    """
    try:
        try:
            async with asyncio.timeout(None if isinf(seconds) else seconds):
                await feed.start()
        except TimeoutError as error:
            # It is out of time, which says little; what the last attempt met with says more.
            why = "".join(f": {note}" for note in getattr(error.__cause__, "__notes__", ()))
            raise Unreachable(None, f"the venue did not answer within the {seconds:g} s of --seconds{why}") from None
        yield
    finally:
        await feed.close()


def panels_of(feed: Feed, levels: int) -> Sequence[PanelData]:
    """All symbols of an open feed as they are now.

    Raises:
        NotReady: There is nothing to wait for: see ``require_hope``.
    """
    require_hope(feed)
    return [PanelData(feed[symbol].exact.view(levels), feed.status(symbol)) for symbol in feed.symbols]


def require_hope(feed: Feed) -> None:
    """Raise ``NotReady``, with the reason of the first book, when every book is FAILED: none will ever be LIVE."""
    books = [feed[symbol] for symbol in feed.symbols]
    if books and all(book.state is BookState.FAILED for book in books):
        raise NotReady(books[0].symbol, books[0].state, books[0].reason)


async def first_news(feed: Feed, timeout_s: float) -> None:
    """Wait until a book is LIVE or none ever will be, so that the first line has something to say; not for long."""
    tasks = [asyncio.ensure_future(feed.ready(symbol, timeout_s=max(timeout_s, 0.0))) for symbol in feed.symbols]
    try:
        for done in asyncio.as_completed(tasks):
            with suppress(NotReady):
                await done
                return
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
