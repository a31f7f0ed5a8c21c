"""The command as a process of its own: signals, pipes and terminals are the operating system's, not a test runner's."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.commands import BUNDLED, UNSET
from tests.source_tree import ROOT

COMMAND = [sys.executable, "-m", "orderbook"]


def environment(**extra: str) -> dict[str, str]:
    """The environment, without what changes how a terminal is treated."""
    return {name: value for name, value in os.environ.items() if name not in UNSET} | {"TERM": "xterm"} | extra


@contextmanager
def started(*args: str, **extra: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A running command; it is gone afterwards."""
    arguments: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": environment()} | extra
    with subprocess.Popen([*COMMAND, *args], cwd=ROOT, **arguments) as process:
        try:
            yield process
        finally:
            process.kill()


def finished(*args: str, **extra: Any) -> tuple[int, bytes, bytes]:
    """Exit code, stdout and stderr of a command."""
    with started(*args, **extra) as process:
        stdout, stderr = process.communicate(timeout=60)
        return process.returncode, stdout, stderr


def test_python_m_orderbook_is_the_command() -> None:
    """One line for each symbol, and exit code 0."""
    code, stdout, stderr = finished("replay", BUNDLED, "--format", "json")

    assert (0, b"") == (code, stderr)
    assert ["LIVE"] * 5 == [json.loads(line)["state"] for line in stdout.splitlines()]


def test_ctrl_c_ends_with_one_line() -> None:
    """In the middle of the demo: exit code 130, no traceback."""
    with started("demo", "--speed", "0.001") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)

    assert (130, b"orderbook: warning: interrupted\n") == (process.returncode, stderr)


@pytest.mark.parametrize("args", [("replay", *[BUNDLED] * 20, "--levels", "500"), ("demo", "--speed", "50")])
def test_a_reader_that_goes_away_is_no_error(args: tuple[str, ...]) -> None:
    """As with ``| head -n 1``: the command ends at once and quietly, with the code that the shell gives to SIGPIPE."""
    with started(*args) as process:
        assert process.stdout is not None
        assert b"" != process.stdout.readline()
        process.stdout.close()
        assert process.stderr is not None
        stderr = process.stderr.read()
        process.wait(timeout=60)

    assert (141, b"") == (process.returncode, stderr)


def test_a_full_disk_is_one_line() -> None:
    """What could not be written is not passed over."""
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        code, _, stderr = finished("info", stdout=full)

    assert (1, b"orderbook: error: cannot write the output: No space left on device\n") == (code, stderr)


@pytest.mark.parametrize("closed", [1, 2])
def test_a_closed_stream_is_survived(closed: int) -> None:
    """Started without a stdout or stderr, as some services are: no traceback on the other one."""
    shell = ["sh", "-c", f'exec "$@" {closed}>&-', "sh", *COMMAND, "info"]
    done = subprocess.run(shell, cwd=ROOT, env=environment(), capture_output=True, check=False, timeout=60)

    assert (0, b"", closed == 2) == (done.returncode, done.stderr, b"accelerator" in done.stdout)


def test_a_terminal_without_unicode_gets_ascii() -> None:
    """Bars and lines of plain characters instead of question marks or an error."""
    code, stdout, stderr = finished("replay", BUNDLED, "--levels", "1", env=environment(PYTHONIOENCODING="ascii"))

    assert (0, b"", True) == (code, stderr, stdout.isascii())
    assert b"====== 243.216 | 243.457 ======" in stdout


def on_a_terminal(*args: str, columns: int, lines: int, **variables: str) -> tuple[int, str]:
    """Run a command on a terminal of that size; its exit code, and everything it wrote there."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    with started(*args, stdout=theirs, stderr=theirs, stdin=theirs, env=environment(**variables)) as process:
        os.close(theirs)
        written = b""
        try:
            while piece := os.read(ours, 65536):
                written += piece
        except OSError:  # Linux says EIO when the other end is closed.
            pass
        os.close(ours)
        process.wait(timeout=60)
        return process.returncode, written.decode()


def test_the_demo_draws_on_a_terminal() -> None:
    """A real one: its own screen while it runs, colours, and the verdict afterwards on the screen there was."""
    code, written = on_a_terminal("demo", "--speed", "300", columns=80, lines=24)
    picture, _, rest = written.partition("\x1b[?1049l")

    assert (0, 1, 1) == (code, written.count("\x1b[?1049h"), written.count("\x1b[?1049l"))
    assert ("BCHSV-USDT" in picture, "\x1b[32m" in picture, "█" in picture) == (True, True, True)
    assert "526 of 526 ticker checks equal" in rest
    assert "…" not in rest


def test_no_color_means_no_colour() -> None:
    """With NO_COLOR set, nothing but weight and reverse tells parts apart."""
    code, written = on_a_terminal("demo", "--speed", "300", columns=80, lines=24, NO_COLOR="1")

    assert (0, True, True) == (code, "243.216" in written, "LIVE" in written)
    assert not any(f"\x1b[{weight}{colour}m" in written for weight in ("", "1;") for colour in range(30, 38))


def test_a_dumb_terminal_gets_lines() -> None:
    """Where a cursor cannot be moved, the demo tells instead of drawing."""
    code, written = on_a_terminal("demo", "--speed", "300", columns=80, lines=24, TERM="dumb")

    assert (0, False, True) == (code, "\x1b" in written, "tickers equal 526" in written)
