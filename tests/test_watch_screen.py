"""The live view as a whole, on a terminal of the test's own, and its lines where nobody looks."""

from __future__ import annotations

import asyncio
import errno
import io
import json
from collections.abc import Iterator
from typing import Literal

import pytest
from prompt_toolkit.input import PipeInput, create_pipe_input
from rich.console import Console

from orderbook.cli.watch_screen import Screen
from orderbook.feed.health import FeedHealth
from orderbook.types import BookState
from orderbook.ui.panels import PanelData
from orderbook.ui.told import told
from tests.panel_data import HEALTH, THREE, panel_of, view_of


class Stop(Exception):
    """Enough was told."""


@pytest.fixture
def pipe() -> Iterator[PipeInput]:
    """A keyboard."""
    with create_pipe_input() as source:
        yield source


def terminal(width: int = 120, height: int = 24) -> Console:
    """A terminal whose screen is a text."""
    return Console(file=io.StringIO(), force_terminal=True, color_system="standard", width=width, height=height)


def shown(console: Console) -> str:
    """Everything that was written to it."""
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


class Feed:
    """Presses a key at each look, and counts them."""

    def __init__(self, pipe: PipeInput, keys: str) -> None:
        self.pipe, self.keys, self.looks = pipe, list(keys), 0

    def panels(self) -> list[PanelData]:
        """Three symbols."""
        self.looks += 1
        if self.keys:
            self.pipe.send_text(self.keys.pop(0))
        return THREE

    def health(self) -> FeedHealth:
        """All is well."""
        return HEALTH


async def test_keys_change_what_is_drawn_until_quit(pipe: PipeInput) -> None:
    """Each picture follows the keys so far; the screen is entered once and left once."""
    console = terminal()
    feed = Feed(pipe, "n?q")
    screen = Screen(feed.panels, feed.health, venue="kucoin", console=console, source=pipe)
    async with asyncio.timeout(10):
        await screen.run()

    text = shown(console)
    assert 3 == feed.looks
    assert text.index("\x1b[?1049h") < text.index("kucoin") < text.index("►") < text.index("this help, and back")
    assert text.index("this help, and back") < text.index("\x1b[?1049l")
    assert (1, 1) == (text.count("\x1b[?1049h"), text.count("\x1b[?1049l"))


async def test_it_ends_by_itself_after_a_time(pipe: PipeInput) -> None:
    """And without an error."""
    console = terminal()
    async with asyncio.timeout(10):
        await Screen(lambda: THREE, lambda: HEALTH, venue="kucoin", console=console, source=pipe).run(0.01)

    assert "\x1b[?1049l" in shown(console)


async def test_it_ends_when_the_terminal_is_gone(pipe: PipeInput) -> None:
    """No keys can come any more; then drawing fails, too."""
    pipe.close()
    async with asyncio.timeout(10):
        await Screen(lambda: THREE, lambda: HEALTH, venue="kucoin", console=terminal(), source=pipe).run()


@pytest.mark.parametrize(("number", "is_end"), [(errno.EIO, True), (errno.ENOSPC, False)])
async def test_a_terminal_that_takes_nothing_more(pipe: PipeInput, number: int, *, is_end: bool) -> None:
    """Gone is an end like any other; something else is an error."""

    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(number, text)

    console = Console(file=Gone(), force_terminal=True, width=80, height=24)
    screen = Screen(lambda: THREE, lambda: HEALTH, venue="kucoin", console=console, source=pipe)
    async with asyncio.timeout(10):
        if is_end:
            await screen.run()
        else:
            with pytest.raises(OSError, match=str(number)):
                await screen.run()


@pytest.mark.parametrize("error", [RuntimeError, TimeoutError, asyncio.CancelledError])
async def test_the_screen_is_left_after_an_error(pipe: PipeInput, error: type[BaseException]) -> None:
    """The error goes on, a time-out that is not its own, too; the terminal shows again what it showed."""
    console = terminal()

    def panels() -> list[PanelData]:
        raise error

    with pytest.raises(error):
        await Screen(panels, lambda: HEALTH, venue="kucoin", console=console, source=pipe).run(60)
    assert "\x1b[?1049l" in shown(console)


async def test_a_resized_terminal_is_filled_anew(pipe: PipeInput) -> None:
    """Each picture has the size that the terminal has then; views are asked for as deep as they can be seen."""
    console = terminal(120, 24)
    sizes, depths = [(60, 20), (100, 40)], []

    def panels() -> list[PanelData]:
        depths.append(screen.levels)
        if sizes:
            console.size = sizes.pop(0)
        else:
            pipe.send_text("q")
        return THREE

    screen = Screen(panels, lambda: HEALTH, venue="kucoin", console=console, source=pipe)
    async with asyncio.timeout(10):
        await screen.run()

    assert [24, 20, 40] == depths


# --- where nobody looks ---


async def no_time(seconds: float) -> None:
    """The pause between two looks, without the wait."""
    assert 1.0 == seconds


async def told_by(form: Literal["table", "json"], count: int) -> None:
    """Run a screen that is not on a terminal, for so many looks."""
    looks = [THREE] * count

    def panels() -> list[PanelData]:
        if not looks:
            raise Stop
        return looks.pop()

    await Screen(panels, lambda: HEALTH, venue="kucoin", form=form, wall_ns=lambda: 5).run()


async def test_a_line_a_symbol(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """At once, without a terminal, in ASCII."""
    monkeypatch.setattr("asyncio.sleep", no_time)
    with pytest.raises(Stop):
        await told_by("table", 1)

    health = "sequence 1613277186234  age 12 ms  412 msg/s  gaps 0  resyncs 0"
    assert [
        f"BTC-USDT LIVE  bid 67012.3 x 0.5  ask 67012.4 x 0.25  spread 0.0149 bps  imbalance(10) +0.16  {health}",
        f"ETH-USDT LIVE  bid 3521.1 x 12  ask 3521.15 x 3.5  spread 0.142 bps  imbalance(10) +0.55  {health}",
        "SOL-USDT SYNCING  delta 4711 is missing  sequence 1613277186234  age 2.3 s  412 msg/s  gaps 2  resyncs 2",
    ] == capsys.readouterr().out.splitlines()


async def test_an_object_a_symbol(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Prices and sizes as exact text; nothing of a book that is not LIVE."""
    monkeypatch.setattr("asyncio.sleep", no_time)
    with pytest.raises(Stop):
        await told_by("json", 1)

    first, _, third = map(json.loads, capsys.readouterr().out.splitlines())
    assert {
        "ts": 5,
        "symbol": "BTC-USDT",
        "state": "LIVE",
        "reason": "in step with the stream",
        "since_ms": 7200000,
        "age_ms": 12,
        "sequence": 1613277186234,
        "epoch": 2,
        "messages_per_s": 412.3,
        "gaps": 0,
        "resyncs": 0,
        "best_bid": ["67012.3", "0.5"],
        "best_ask": ["67012.4", "0.25"],
        "spread": "0.1",
        "spread_bps": pytest.approx(0.0149226, rel=1e-4),
        "imbalance": pytest.approx((10.625 - 7.75) / (10.625 + 7.75)),
        "imbalance_levels": 10,
    } == first
    assert first.keys() == third.keys()
    assert [None] * 5 == [third[key] for key in ("best_bid", "best_ask", "spread", "spread_bps", "imbalance")]


async def test_a_look_every_second(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Between two looks the loop is free for the feed."""
    naps: list[float] = []

    async def nap(seconds: float) -> None:
        naps.append(seconds)

    monkeypatch.setattr("asyncio.sleep", nap)
    with pytest.raises(Stop):
        await told_by("json", 3)

    assert [1.0, 1.0, 1.0] == naps
    assert 9 == len(capsys.readouterr().out.splitlines())


def test_a_line_of_an_unusual_book() -> None:
    """Empty sides are none, an unknown age is none, a reason from outside is one safe line."""
    assert told(panel_of(view_of([], []), age_ms=None)).startswith(
        "BTC-USDT LIVE  bid none  ask none  sequence 1613277186234  age none"
    )
    failed = told(panel_of(view_of(state=BookState.FAILED, reason="ünknown\n\x1b[2J")))
    assert failed.startswith("BTC-USDT FAILED  \\xfcnknown \\x1b[2J  sequence")
    assert failed.isascii()
