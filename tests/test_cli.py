"""The command line: data on stdout, one line for each trouble on stderr, 0 only on success."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click
import pytest

import orderbook
from orderbook.cli import info, main
from orderbook.cli.app import COMMANDS
from orderbook.cli.terminal import one_line
from orderbook.feed.transports import in_use
from orderbook.settings import SyncSettings
from snapshots.replay import Replay
from tests.commands import BUNDLED, objects, orderbook_command
from tests.source_tree import ROOT

SYMBOLS = "BCHSV-USDT, CAPP-BTC, DAPPT-BTC, FET-BTC, NRG-BTC"


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["--wild"], 2, "No such option '--wild'; see `orderbook --help`"),
        (["reply"], 2, "no command 'reply'; did you mean replay? see `orderbook --help`"),
        (["xyz"], 2, "no command 'xyz'; there are demo, watch, trades, candles, tickers, balances, orders, record, "),
        (["x" * 500], 2, "; there are demo"),
        (["watch", "A-B", "--log", "-"], 2, "--log belongs before the command: orderbook --log FILE watch ..."),
        (["info", "--debug"], 2, "--debug belongs before the command: orderbook --log FILE --debug info ..."),
        (["--debug", "info"], 2, "--debug says what goes into the log: give --log FILE, too (- is stderr); see `ord"),
        (["--lgo", "-"], 2, "No such option '--lgo'. Did you mean '--log'? see `orderbook --help`"),
        (["replay"], 2, "Missing argument 'CAPTURE...'; see `orderbook replay --help`"),
        (["replay", BUNDLED, "--levls", "3"], 2, "No such option '--levls'"),
        (["replay", BUNDLED, "--levels", "0"], 2, "'--levels': 0 is not in the range"),
        (["replay", BUNDLED, "--levels", "many"], 2, "'--levels': 'many' is not a valid integer"),
        (["replay", BUNDLED, "--format", "xml"], 2, "'--format': 'xml' is not one of 'table', 'json'"),
        (["replay", BUNDLED, "--venue", "binance"], 2, "unknown venue 'binance'; known: kucoin"),
        (["replay", BUNDLED, "--symbol", "btcusdt"], 2, "'btcusdt' is not a KuCoin spot symbol"),
        (["replay", BUNDLED, "--symbol", "BTC-USDT"], 1, f"no BTC-USDT was replayed; there is {SYMBOLS}"),
        (["replay", "no such file"], 1, "no such file: No such file or directory; check the name"),
        (["replay", "two\nlines\x1b[31m"], 1, r"two\nlines\x1b[31m"),
        (["replay", str(ROOT)], 1, "it is a directory; name a file inside it"),
        (["replay", str(ROOT / "pyproject.toml")], 1, "it is neither gzip nor JSON Lines"),
        (["replay", os.devnull], 1, "not a regular file"),
        (["info", "--format", "yaml"], 2, "'--format': 'yaml' is not one of"),
    ],
)
def test_bad_input_is_one_line_with_the_remedy(args: list[str], code: int, message: str) -> None:
    """No traceback, nothing on stdout, never exit code 0."""
    result = orderbook_command(*args)

    assert message in result.stderr
    assert (code, "") == (result.exit_code, result.stdout)
    assert (1, True) == (result.stderr.count("\n"), result.stderr.startswith("orderbook: error: "))


def test_an_empty_file_is_bad_input(tmp_path: Path) -> None:
    """It says that it is empty."""
    path = tmp_path / "empty.jsonl.gz"
    path.touch()
    result = orderbook_command("replay", str(path))

    assert (1, f"orderbook: error: {path}: it is empty") == (result.exit_code, result.stderr.split(";")[0])


def test_a_message_cannot_steer_the_terminal() -> None:
    """Line feeds and escapes in names are made harmless, readable text is left as it is."""
    assert r"a b \x1b[2J \u202ec é" == one_line("a\n b \x1b[2J \u202ec é\t")


# --- info and help ---


def test_info_tells_versions_and_every_limit() -> None:
    """The twin, the venues, and each setting with its default; as a table and as one object."""
    (told,) = objects(orderbook_command("info", "--format", "json"))
    table = orderbook_command("info").stdout

    assert (orderbook.__version__, orderbook.ACCELERATOR, ["kucoin"]) == (
        told["version"],
        told["accelerator"],
        told["venues"],
    )
    assert in_use() == told["transport"]
    assert SyncSettings() == SyncSettings(**told["limits"])
    for name in (*info.LIBRARIES, *info.EXTRAS, "transport", "python", "implementation", "platform"):
        assert re.search(rf"^{name} +{re.escape(told[name])}$", table, re.MULTILINE)
    assert {"numpy", "sortedcontainers", "click", "rich", "websockets", "aiohttp"} == set(info.LIBRARIES)
    for name, value in told["limits"].items():
        assert re.search(rf"^  {name} +{value}$", table, re.MULTILINE)


def test_info_cuts_nothing_off_in_a_narrow_terminal() -> None:
    """What does not fit into a line goes on in the next."""
    (told,) = objects(orderbook_command("info", "--format", "json"))
    assert told["platform"] in "".join(orderbook_command("info", env={"COLUMNS": "40"}).stdout.split())


@pytest.mark.parametrize("missing", info.EXTRAS)
def test_info_tells_of_a_missing_extra(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And how to get it."""

    def version_or_none(name: str) -> str:
        if name == missing:
            raise PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr("orderbook.cli.info.version", version_or_none)
    (told,) = objects(orderbook_command("info", "--format", "json"))
    table = orderbook_command("info").stdout

    assert told[missing] is None
    assert ("websockets" if missing == "picows" else "picows") == told["transport"]
    remedy = rf"^{missing} +not installed: pip install '\S+\[{info.EXTRAS[missing]}\]'$"
    assert re.search(remedy, table, re.MULTILINE)


def test_the_list_of_commands_is_theirs() -> None:
    """Their order, and the words with which each begins its own help; none is missing."""
    with click.Context(main) as context:
        commands = {name: main.get_command(context, name) for name in main.list_commands(context)}
        own = {name: command and command.get_short_help_str(200) for name, command in commands.items()}
    listed = orderbook_command("--help").stdout.partition("Commands:\n")[2].partition("\n\n")[0]

    assert dict(COMMANDS) == own
    assert " ".join(" ".join(item) for item in COMMANDS.items()) == " ".join(listed.split())
    streams = ["trades", "candles", "tickers", "balances", "orders"]
    assert ["demo", "watch", *streams, "record", "snapshot", "replay", "simulate", "info"] == list(COMMANDS)


@pytest.mark.parametrize(
    "args", [("--help",), ("info",), ("replay", "--help"), ("replay", BUNDLED, "--format", "json"), ("--bogus",)]
)
def test_what_needs_no_network_starts_without_it(args: tuple[str, ...]) -> None:
    """In a fresh interpreter: none of the network libraries is imported, nor what they are for."""
    program = (
        "import sys, orderbook.cli\n"
        "try:\n    orderbook.cli.main(sys.argv[1:])\n"
        "finally:\n    print(*sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program, *args], cwd=ROOT, capture_output=True, check=False, text=True)
    loaded = set(done.stderr.splitlines()[-1].split())

    assert "click" in loaded
    assert set() == loaded & {"aiohttp", "websockets", "tenacity", "prompt_toolkit", "asyncio", "orderbook.feed"}


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches_by_example(command: str) -> None:
    """Each command shows how it is used; every example is a command that exists."""
    result = orderbook_command(command, "--help")
    examples = re.findall(r"^ +(?:\w+=\w+ )?orderbook (.*)", result.stdout.partition("Examples:")[2], re.MULTILINE)

    assert (0, "") == (result.exit_code, result.stderr)
    assert len(examples) >= 3
    for example in examples:
        name, *words = example.split("  ")[0].split("|")[0].split()
        with click.Context(main) as context:
            found = main.get_command(context, name)
        assert found is not None
        options = {option for param in found.params for option in param.opts}
        assert {word for word in words if word.startswith("--")} <= options


def test_version_and_no_command() -> None:
    """The version goes to stdout; a missing command is a mistake, answered with the help."""
    shown, nothing = orderbook_command("--version"), orderbook_command()

    assert (0, f"orderbook {orderbook.__version__}\n") == (shown.exit_code, shown.stdout)
    assert (2, "", True) == (nothing.exit_code, nothing.stdout, "Commands:" in nothing.stderr)


def test_the_error_of_a_library_call_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the library refuses, or the operating system, it comes out as one line; mistakes have their own code."""
    for error, code, message in (
        (orderbook.UsageError("no such thing"), 2, "no such thing"),
        (orderbook.OrderBookError("it is broken"), 1, "it is broken"),
        (OSError(28, "No space left on device"), 1, "cannot write the output: No space left on device"),
        (OSError(2, "No such file or directory", "data"), 1, "data: No such file or directory"),
    ):

        def fail(*_: object, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(Replay, "feed", fail)
        result = orderbook_command("replay", BUNDLED)
        assert (code, f"orderbook: error: {message}\n") == (result.exit_code, result.stderr)


@pytest.mark.parametrize("where", ["parsing", "running"])
def test_an_interrupt_is_one_line_wherever_it_comes(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the arguments are read, too: exit code 130, no traceback."""

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    if where == "parsing":
        monkeypatch.setattr(main, "make_context", interrupt)
    else:
        monkeypatch.setattr(Replay, "feed", interrupt)
    result = orderbook_command("replay", BUNDLED)

    assert (130, "", "orderbook: warning: interrupted") == (result.exit_code, result.stdout, result.stderr.strip())


def test_nobody_reads_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe that was closed ends the command without a word."""

    def closed(*_: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(Replay, "feed", closed)
    result = orderbook_command("replay", BUNDLED)

    assert (141, "", "") == (result.exit_code, result.stdout, result.stderr)


def test_a_context_may_be_used_by_other_programs() -> None:
    """Without standalone mode, errors are click's own exceptions, for whoever embeds the command."""
    with pytest.raises(click.UsageError):
        main.main(["--bogus"], standalone_mode=False)
