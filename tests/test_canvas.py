"""A picture that fills the terminal: it is drawn until somebody leaves, and the terminal is left as it was."""

from __future__ import annotations

import asyncio
import errno
import io
from collections.abc import Iterator

import pytest
from prompt_toolkit.input import PipeInput, create_pipe_input
from rich.console import Console
from rich.text import Text

from orderbook.cli.canvas import draw


@pytest.fixture
def pipe() -> Iterator[PipeInput]:
    """A keyboard."""
    with create_pipe_input() as source:
        yield source


def terminal(file: io.StringIO) -> Console:
    """A terminal whose screen is a text."""
    return Console(file=file, force_terminal=True, color_system="standard", width=44, height=7)


@pytest.mark.parametrize("key", ["q", "\x03"])
async def test_it_is_drawn_until_a_key_ends_it(pipe: PipeInput, key: str) -> None:
    """As large as the terminal; other keys are nothing. The screen is entered once and left once."""
    pressed = ["x", "\x1b[A", key]
    sizes = []

    def picture(width: int, height: int) -> Text:
        sizes.append((width, height))
        pipe.send_text(pressed[len(sizes) - 1])
        return Text(f"look {len(sizes)}")

    file = io.StringIO()
    async with asyncio.timeout(10):
        await draw(terminal(file), picture, source=pipe)
    text = file.getvalue()

    assert [(44, 7)] * 3 == sizes
    assert text.index("\x1b[?1049h") < text.index("look 1") < text.index("look 3") < text.index("\x1b[?1049l")
    assert (1, 1) == (text.count("\x1b[?1049h"), text.count("\x1b[?1049l"))


async def test_it_ends_when_no_key_can_come(pipe: PipeInput) -> None:
    """The terminal is gone."""
    pipe.close()
    async with asyncio.timeout(10):
        await draw(terminal(io.StringIO()), lambda *_: Text("here"), source=pipe)


@pytest.mark.parametrize(("number", "is_end"), [(errno.EIO, True), (errno.ENOSPC, False)])
async def test_a_terminal_that_takes_nothing_more(pipe: PipeInput, number: int, *, is_end: bool) -> None:
    """Gone is an end like any other; something else is an error."""

    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(number, text)

    async with asyncio.timeout(10):
        if is_end:
            await draw(terminal(Gone()), lambda *_: Text("here"), source=pipe)
        else:
            with pytest.raises(OSError, match=str(number)):
                await draw(terminal(Gone()), lambda *_: Text("here"), source=pipe)


async def test_what_cannot_be_drawn_leaves_the_terminal_as_it_was(pipe: PipeInput) -> None:
    """The error is raised once the screen was left."""

    def broken(_width: int, _height: int) -> Text:
        raise ValueError("broken")

    file = io.StringIO()
    async with asyncio.timeout(10):
        with pytest.raises(ValueError, match="broken"):
            await draw(terminal(file), broken, source=pipe)

    assert "\x1b[?1049l" in file.getvalue()
