"""Keys as they arrive while an event loop runs, and the terminal that they come from."""

from __future__ import annotations

import asyncio
import io
import os
import pty
import termios
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.input.vt100 import Vt100Input

from orderbook.ui.keys import PENDING_MAX, keys


@pytest.fixture
def pipe() -> Iterator[PipeInput]:
    """A keyboard."""
    with create_pipe_input() as source:
        yield source


async def test_keys_have_names(pipe: PipeInput) -> None:
    """Letters are themselves; others are known by name, however many characters the terminal sends for them."""
    pipe.send_text("q?+\x1b[C\x1b[D\x1b[A\x1b[B\t\x1b[Z\r\x03\x1bOP")
    expected = ["q", "?", "+", "right", "left", "up", "down", "tab", "s-tab", "enter", "c-c", "f1"]
    async with asyncio.timeout(5), keys(pipe) as pressed:
        assert expected == [await anext(pressed) for _ in expected]


async def test_keys_arrive_while_somebody_waits(pipe: PipeInput) -> None:
    """The wait is for the next key, wherever the loop is."""
    async with asyncio.timeout(5), keys(pipe) as pressed:
        waiting = asyncio.ensure_future(anext(pressed))
        pipe.send_text("s")

        assert "s" == await waiting


async def test_escape_alone_is_a_key(pipe: PipeInput) -> None:
    """When nothing follows it for a while."""
    async with asyncio.timeout(5), keys(pipe) as pressed:
        pipe.send_text("\x1b")

        assert "escape" == await anext(pressed)


async def test_a_cancelled_wait_loses_no_key(pipe: PipeInput) -> None:
    """Who waits until it is time to draw can ask again."""
    async with asyncio.timeout(5), keys(pipe) as pressed:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await anext(pressed)
        pipe.send_text("ab")

        assert ["a", "b"] == [await anext(pressed), await anext(pressed)]


async def test_the_end_of_the_terminal_ends_the_keys(pipe: PipeInput) -> None:
    """Those before it are handed out; after it there are none, however often one asks."""
    pipe.send_text("a")
    async with asyncio.timeout(5), keys(pipe) as pressed:
        pipe.close()

        assert ["a"] == [key async for key in pressed]
        assert [] == [key async for key in pressed]


async def test_keys_that_nobody_takes_are_bounded(pipe: PipeInput) -> None:
    """A cat on the keyboard does not fill the memory, and the end is still seen."""
    pipe.send_text("x" * (PENDING_MAX * 3))
    pipe.close()
    async with asyncio.timeout(5), keys(pipe) as pressed:
        assert PENDING_MAX == len([key async for key in pressed])


async def test_without_a_terminal_there_are_no_keys(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A wait without end instead of an end, and no complaint."""
    for stream in (io.StringIO("q"), None):
        monkeypatch.setattr("sys.stdin", stream)
        async with keys() as pressed:
            assert pressed is aiter(pressed)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await anext(pressed)
    assert ("", "") == capfd.readouterr()


# --- a real pseudo-terminal ---


@contextmanager
def terminal() -> Iterator[tuple[int, Vt100Input, int]]:
    """Its keyboard, what programs read from it, and the descriptor of that; for the time being it is stdin."""
    keyboard, inner = pty.openpty()
    with os.fdopen(inner, encoding="utf-8") as stream, pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdin", stream)
        try:
            yield keyboard, Vt100Input(stream), inner
        finally:
            os.close(keyboard)


async def test_the_terminal_is_restored() -> None:
    """Within the block keys are neither echoed nor collected into lines; after it all is as before."""
    with terminal() as (keyboard, source, descriptor):
        before = termios.tcgetattr(descriptor)
        async with asyncio.timeout(5), keys(source) as pressed:
            assert not termios.tcgetattr(descriptor)[3] & (termios.ECHO | termios.ICANON | termios.ISIG)
            os.write(keyboard, b"\x03")
            assert "c-c" == await anext(pressed)

        assert before == termios.tcgetattr(descriptor)


@pytest.mark.parametrize("error", [RuntimeError, asyncio.CancelledError])
async def test_the_terminal_is_restored_after_an_error(error: type[BaseException]) -> None:
    """Whatever ends the block, and no timer is left behind."""
    with terminal() as (keyboard, source, descriptor):
        before = termios.tcgetattr(descriptor)

        async def broken() -> None:
            async with asyncio.timeout(5), keys(source) as pressed:
                os.write(keyboard, b"x")
                await anext(pressed)
                raise error

        with pytest.raises(error):
            await broken()

        assert before == termios.tcgetattr(descriptor)


async def test_by_default_keys_come_from_stdin() -> None:
    """Where that is a terminal."""
    with terminal() as (keyboard, _, descriptor):
        before = termios.tcgetattr(descriptor)
        async with asyncio.timeout(5), keys() as pressed:
            os.write(keyboard, b"\x1b[A")
            assert "up" == await anext(pressed)

        assert before == termios.tcgetattr(descriptor)
