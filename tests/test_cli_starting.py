"""The bar that tells how far the books of a recording are, while they start."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from orderbook.cli.starting import FRAME_S, show_start
from orderbook.feed.errors import NotReady
from orderbook.simulator.market import default_symbols
from orderbook.testing import Route, VirtualKuCoin, run
from tests.mass_world import now_s

SYMBOLS = default_symbols(40)
FAR = Route(up_ms=(200.0, 300.0), down_ms=(200.0, 300.0))


def terminal(*, is_one: bool = True) -> Console:
    """A console that keeps what it shows."""
    return Console(file=io.StringIO(), force_terminal=is_one, width=80, height=24)


def shown(console: Console) -> list[int]:
    """How many books were LIVE in each picture."""
    assert isinstance(console.file, io.StringIO)
    return [int(count) for count in re.findall(r"(\d+) of 40 LIVE", console.file.getvalue())]


async def started(console: Console, until_s: float) -> tuple[float, int]:
    """Show the start of a feed; when that was over, and how many books were LIVE then."""
    async with VirtualKuCoin(symbols=SYMBOLS, rate=400.0, route=FAR) as venue, venue.open_feed() as feed:
        begun_s = now_s()
        await show_start(feed, begun_s + until_s, console)
        return now_s() - begun_s, feed.health().books_live


def test_the_bar_grows_until_few_are_missing() -> None:
    """Then it is gone, and lines may follow."""
    console = terminal()
    took_s, live = run(lambda: started(console, 60.0))

    assert 0.5 < took_s < 10
    assert 31 <= live
    assert sorted(shown(console)) == shown(console)
    assert 0 == shown(console)[0] < shown(console)[-1] <= 30


def test_it_ends_when_the_time_is_over() -> None:
    """Nobody waits for books longer than was asked for."""
    took_s, live = run(lambda: started(terminal(), 0.3))

    assert 0.3 <= took_s <= 0.3 + FRAME_S
    assert 0 == live


def test_without_a_terminal_there_is_none() -> None:
    """Lines go on as ever, at once."""
    console = terminal(is_one=False)

    assert (0.0, 0) == run(lambda: started(console, 60.0))
    assert [] == shown(console)


def test_it_ends_where_nobody_ever_will_be() -> None:
    """With the reason of the first book, as what follows would."""

    async def main() -> None:
        async with VirtualKuCoin(symbols=SYMBOLS, seed=1) as venue, venue.open_feed() as feed:
            for keeper in feed._books.values():
                keeper.fail("the key is refused")
            await show_start(feed, now_s() + 60, terminal())

    with pytest.raises(NotReady, match="the key is refused"):
        run(main)
