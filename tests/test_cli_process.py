"""The command as a process of its own: signals, pipes and terminals are the operating system's, not a test runner's."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import socket
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.commands import BUNDLED, UNSET, objects, orderbook_command
from tests.local_venue import Served, local_venue
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


@pytest.fixture(scope="module")
def venue() -> Iterator[Served]:
    """A venue to talk to; none of the tests changes it."""
    with local_venue(symbols=("BTC-USDT", "ETH-USDT")) as served:
        yield served


def stopped(number: signal.Signals, *args: str, on_stderr: bool = False) -> tuple[int, bytes, bytes]:
    """Exit code and output of a command that gets a signal after its first line."""
    with started(*args) as process:
        stream = process.stderr if on_stderr else process.stdout
        assert stream is not None
        line = stream.readline()
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=60)
    first = (b"", line) if on_stderr else (line, b"")
    return process.returncode, first[0] + stdout, first[1] + stderr


SIGNALS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


@SIGNALS
def test_a_signal_ends_watch(number: signal.Signals, venue: Served) -> None:
    """It is how one is expected to end it: lines until then, exit code 0, nothing else."""
    code, stdout, stderr = stopped(number, "watch", "BTC-USDT", "--url", venue.url, "--format", "json")

    assert (0, b"") == (code, stderr)
    assert {"BTC-USDT"} == {json.loads(line)["symbol"] for line in stdout.splitlines()}


@SIGNALS
def test_a_signal_ends_record(number: signal.Signals, venue: Served, tmp_path: Path) -> None:
    """With the summary; what was received until then is in the file, and the book is LIVE."""
    out = tmp_path / "day.jsonl.gz"
    args = ("record", "BTC-USDT", "--url", venue.url, "--out", str(out), "--format", "json")
    code, stdout, stderr = stopped(number, *args, on_stderr=True)
    summary = json.loads(stdout)
    (book,) = objects(orderbook_command("replay", str(out), "--format", "json"))

    assert (0, 0, "LIVE") == (code, summary["lost"], book["state"])
    assert summary["recorded"] >= book["frames"]
    assert b"Traceback" not in stderr
    assert all(line.endswith(b" lost") for line in stderr.splitlines())


@SIGNALS
def test_a_signal_ends_the_demo(number: signal.Signals) -> None:
    """With the summary of what was seen until then."""
    code, stdout, stderr = stopped(number, "demo", "--format", "json", "--calm", "--symbols", "1", on_stderr=True)
    summary = json.loads(stdout)

    assert (0, True) == (code, summary["equal_to_truth"])
    assert summary["seconds"] < 9
    assert b"Traceback" not in stderr


def test_a_signal_ends_what_waits_for_an_answer(tmp_path: Path) -> None:
    """The venue never answers: a recording ends with an empty summary, a snapshot as an interrupted command."""
    log = tmp_path / "asked"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        ends = []
        for args in (("watch",), ("record", "--out", str(log)), ("snapshot",)):
            with started(*args, "BTC-USDT", "--url", url) as process:
                silent.settimeout(60)
                connection, _ = silent.accept()
                with connection:
                    assert b"GET" == connection.recv(3)
                    process.send_signal(signal.SIGINT)
                    _, stderr = process.communicate(timeout=60)
            ends.append((process.returncode, stderr))

    assert [(0, b""), (0, b""), (130, b"orderbook: warning: interrupted\n")] == ends


@pytest.mark.parametrize(
    "args", [("replay", *[BUNDLED] * 20, "--levels", "500"), ("demo", "--calm"), ("watch", "BTC-USDT")]
)
def test_a_reader_that_goes_away_is_no_error(args: tuple[str, ...], venue: Served) -> None:
    """As with ``| head -n 1``: the command ends at once and quietly, with the code that the shell gives to SIGPIPE."""
    if args[0] == "watch":
        args = (*args, "--url", venue.url)
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
    with Path("/dev/full").open("wb") as full:
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


def on_a_terminal(*args: str, press: bytes = b"", at: bytes = b"LIVE", **variables: str) -> tuple[int, str]:
    """Run a command on a terminal of 80 columns and 24 lines.

    Args:
        args: The command.
        press: Keys that are pressed as soon as it shows a LIVE book.
        at: Or as soon as it shows this.
        variables: Of the environment.

    Returns:
        Its exit code, and everything it wrote there.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    with started(*args, stdout=theirs, stderr=theirs, stdin=theirs, env=environment(**variables)) as process:
        os.close(theirs)
        written = b""
        try:
            while piece := os.read(ours, 65536):
                written += piece
                if press and at in written:
                    os.write(ours, press)
                    press = b""
        except OSError:  # Linux says EIO when the other end is closed.
            pass
        os.close(ours)
        process.wait(timeout=60)
        return process.returncode, written.decode()


def test_the_demo_draws_on_a_terminal() -> None:
    """A real one: its own screen while it runs, colours, and the verdict afterwards on the screen there was."""
    code, written = on_a_terminal("demo", "--seconds", "1", "--symbols", "1")
    picture, _, rest = written.partition("\x1b[?1049l")

    assert (0, 1, 1) == (code, written.count("\x1b[?1049h"), written.count("\x1b[?1049l"))
    assert ("BTC-USDT" in picture, "\x1b[32m" in picture, "█" in picture) == (True, True, True)
    assert "at the end: 1 of 1 books LIVE and equal to the truth" in rest
    assert "…" not in rest


@pytest.mark.parametrize("key", [b"q", b"\x03"])
def test_a_key_ends_it(key: bytes, venue: Served) -> None:
    """Also Ctrl-C, which is a key there; the terminal is given back as it was."""
    code, written = on_a_terminal("watch", "BTC-USDT", "--url", venue.url, press=key)

    assert (0, 1, 1) == (code, written.count("\x1b[?1049h"), written.count("\x1b[?1049l"))
    assert written.rindex("\x1b[?25h") > written.rindex("\x1b[?25l")
    assert ("Traceback" in written, "interrupted" in written) == (False, False)


def test_a_picture_leaves_a_line(venue: Served) -> None:
    """How long it was, and what went wrong meanwhile."""
    code, written = on_a_terminal("watch", "BTC-USDT", "--url", venue.url, "--seconds", "1")

    assert 0 == code
    assert "1 s, 0 gaps, 0 reconnects\r\n" in written.partition("\x1b[?1049l")[2]


def test_a_picture_is_there_before_anything_is_known() -> None:
    """The venue does not answer, and nothing waits for that: the picture says so, and a key ends it."""
    with local_venue({"fault": "hang", "p": 1.0}, symbols=1) as silent:
        code, written = on_a_terminal("watch", "BTC-USDT", "--url", silent.url, press=b"q")

    assert (0, 1, 1) == (code, written.count("\x1b[?1049h"), written.count("\x1b[?1049l"))
    assert "the venue is asked for its symbols" in written


def test_a_picture_of_no_live_book_says_why() -> None:
    """And ends after its time."""
    with local_venue({"fault": "lost_welcome", "for_ms": 3_600_000}, symbols=1) as mute:
        code, written = on_a_terminal("watch", "BTC-USDT", "--url", mute.url, "--seconds", "0.5")

    assert (0, True, True) == (code, "LIVE 0 of 1" in written, "not LIVE: CONNECTING" in written)


def test_after_a_picture_comes_the_error() -> None:
    """On the screen there was."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    code, written = on_a_terminal("watch", "BTC-USDT", "--url", f"http://127.0.0.1:{port}")
    rest = written.partition("\x1b[?1049l")[2]

    assert (1, 1) == (code, rest.count("orderbook: error: "))
    assert "cannot be reached (Connection refused)" in rest


def test_no_color_means_no_colour() -> None:
    """With NO_COLOR set, nothing but weight and reverse tells parts apart."""
    code, written = on_a_terminal("demo", "--seconds", "1", "--symbols", "1", NO_COLOR="1")

    assert (0, True, True) == (code, "BTC-USDT" in written, "LIVE" in written)
    assert not any(f"\x1b[{weight}{colour}m" in written for weight in ("", "1;") for colour in range(30, 38))


def test_a_dumb_terminal_gets_lines() -> None:
    """Where a cursor cannot be moved, the demo tells instead of drawing."""
    code, written = on_a_terminal("demo", "--seconds", "1", "--symbols", "1", TERM="dumb")

    assert (0, False, True) == (code, "\x1b" in written, "1 of 1 books LIVE" in written)
