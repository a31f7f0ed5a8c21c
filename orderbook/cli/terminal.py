"""Talking to whoever called: data on stdout, one line for each trouble on stderr."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from typing import Final

import click
from rich.console import Console, RenderableType

PIPE_CLOSED: Final = 141
INTERRUPTED: Final = 130
# Wide enough that a table keeps its natural width where no terminal limits it.
_UNBOUNDED_COLUMNS: Final = 400


@dataclass(frozen=True, slots=True)
class Timing:
    """Where commands without an event loop get the time from; tests hand in their own as click's context object."""

    now: Callable[[], float] = time.monotonic
    """Seconds since any fixed moment."""


def one_line(message: str) -> str:
    """The message in one line that is safe to print, whatever a file name or a frame put into it."""
    text = " ".join(message.split())
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def counted(count: int, noun: str) -> str:
    """So many of something: ``"1 gap"``, ``"2 gaps"``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def complain(message: str, kind: str = "error") -> None:
    """One line on stderr: ``error`` or ``warning``."""
    say(f"orderbook: {kind}: {one_line(message)}", indent=2, err=True)


def tell(*items: str, separator: str = "  ", indent: int = 0, err: bool = False) -> None:
    """A line for people; where the terminal is narrower, several, which end between items.

    Args:
        items: What stays whole: an address or a command that somebody may want to copy, or a number with its name.
        separator: Between two of them in one line.
        indent: Of the lines after the first.
        err: To stderr.
    """
    width = _columns(sys.stderr if err else sys.stdout)
    lines = list(items[:1])
    for item in items[1:]:
        longer = f"{lines[-1]}{separator}{item}"
        if len(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(" " * indent + item)
    click.echo("\n".join(lines), err=err)


def say(text: str, *, indent: int = 0, err: bool = False) -> None:
    """A sentence for people; lines end between words."""
    tell(*text.split(" "), separator=" ", indent=indent, err=err)


def print_json(value: Mapping[str, object]) -> None:
    """One JSON object as one line of stdout."""
    click.echo(json.dumps(value))


def show(*renderables: RenderableType) -> None:
    """Print something rich to stdout: as wide as the terminal, or as it needs when nobody looks."""
    console = stdout_console()
    with console.capture() as capture:
        for renderable in renderables:
            console.print(renderable)
    # Blanks that only fill up a line are no data.
    text = "\n".join(line.rstrip() for line in capture.get().split("\n"))
    click.echo(text.lstrip("\n"), nl=False, color=True)


def stdout_console() -> Console:
    """The console of stdout."""
    return Console(highlight=False, width=None if _is_bounded(sys.stdout) else _UNBOUNDED_COLUMNS)


def _is_bounded(stream: object) -> bool:
    """Whether lines of a stream have an end."""
    return is_terminal(stream) or "COLUMNS" in os.environ


def _columns(stream: object) -> float:
    return Console().width if _is_bounded(stream) else inf


def is_terminal(stream: object) -> bool:
    """Whether somebody looks at a stream, whatever the environment says about colours."""
    isatty = getattr(stream, "isatty", None)
    return bool(isatty is not None and isatty())


def can_draw() -> bool:
    """Whether a picture that moves can be shown on stdout."""
    return is_terminal(sys.stdout) and not stdout_console().is_dumb_terminal


def abandon_stdout() -> None:
    """Nobody reads any more: let the interpreter's last flush go nowhere instead of failing."""
    with suppress(OSError, ValueError, AttributeError):
        stdout = sys.stdout.fileno()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stdout)
        os.close(nowhere)
