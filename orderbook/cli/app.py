"""The ``orderbook`` command: a group, and what every command has in common when it ends badly."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import click

from orderbook import __version__
from orderbook.cli.logs import log_to
from orderbook.cli.terminal import (
    INTERRUPTED,
    PIPE_CLOSED,
    Timing,
    abandon_stdout,
    complain,
    is_terminal,
)
from orderbook.errors import OrderBookError, UsageError

COMMANDS: Final[Mapping[str, str]] = {
    "demo": "Watch live books being kept from a local KuCoin, and compared with the truth.",
    "watch": "Watch live order books of a venue, with the health of each.",
    "trades": "Show trades as they happen.",
    "candles": "Show the candle of the moment, whenever it changes.",
    "tickers": "Show best prices and last trade of some symbols, or of all.",
    "balances": "Show what your account holds of each currency, whenever that changes.",
    "orders": "Show what happens to your orders.",
    "record": "Record the raw traffic of some symbols until stopped.",
    "snapshot": "Fetch one order book over REST and show it.",
    "replay": "Run recorded traffic through the very same code that runs live.",
    "simulate": "Run a local KuCoin to test bots against.",
    "info": "Show versions, the twin in use, venues and limits.",
}
"""Each command is in the module of its name, which is imported when it is wanted: half of them need a network library
that takes longer to import than the others to run. What they do stands here, too, for the list of all."""


class CommandLine(click.Group):
    """A group whose every failure is one line on stderr and a non-zero exit code."""

    def list_commands(self, _ctx: click.Context, /) -> list[str]:
        """The names, in the order of a first acquaintance."""
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str, /) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"orderbook.cli.{cmd_name}"), cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; of a name that is none, say which it may have meant."""
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            near = get_close_matches(args[0], COMMANDS, 1)
            advice = f"did you mean {near[0]}?" if near else f"there are {', '.join(COMMANDS)}"
            raise click.UsageError(f"no command {args[0]!a:.40}; {advice}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter, /) -> None:
        """List them, without an import."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: FBT001, FBT002 - click's own signature
        **extra: Any,
    ) -> Any:
        """Run; in standalone mode, exit with the code."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        sys.exit(self._run(args, prog_name, complete_var, extra))

    def _run(
        self, args: Sequence[str] | None, prog_name: str | None, complete_var: str | None, extra: Mapping[str, Any]
    ) -> int:
        try:
            result = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        except click.NoSuchOption as error:
            if error.option_name not in ("--log", "--debug") or error.ctx is None or error.ctx.parent is None:
                return _mistaken(error)
            name = "--log FILE" if error.option_name == "--log" else "--log FILE --debug"
            complain(f"{error.option_name} belongs before the command: orderbook {name} {error.ctx.info_name} ...")
            return error.exit_code
        except click.UsageError as error:
            return _mistaken(error)
        except click.ClickException as error:
            complain(error.format_message())
            return error.exit_code
        except click.Abort:
            return _interrupted()
        return result if isinstance(result, int) else 0

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, and put what may go wrong around it into words."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise click.exceptions.Exit(_interrupted()) from None
        except BrokenPipeError:
            abandon_stdout()
            raise click.exceptions.Exit(PIPE_CLOSED) from None
        except UsageError as error:
            raise _Mistake(str(error)) from error
        except OrderBookError as error:
            # Before the next one: a NotReady is a TimeoutError, too, and that is an OSError.
            raise click.ClickException(str(error)) from error
        except OSError as error:
            where = error.filename if error.filename is not None else "cannot write the output"
            if error.filename is None:
                abandon_stdout()
            raise click.ClickException(f"{where}: {error.strerror or error}") from error


class _Mistake(click.ClickException):
    """An argument, or a file that it names, which cannot mean anything."""

    exit_code = 2


def _mistaken(error: click.UsageError) -> int:
    command = error.ctx.command_path if error.ctx else "orderbook"
    message = error.format_message().rstrip(".")
    complain(f"{message}{'' if message.endswith('?') else ';'} see `{command} --help`")
    return error.exit_code


def _interrupted() -> int:
    if is_terminal(sys.stderr):
        click.echo(err=True)  # The terminal has just shown "^C".
    complain("interrupted", "warning")
    return INTERRUPTED


EPILOG = """\b
Examples:
  orderbook demo                               live books, kept from a local KuCoin that misbehaves
  orderbook demo --seconds 5 --format json     the same as a test: one JSON object
  orderbook watch BTC-USDT ETH-USDT            live books of the venue
  orderbook trades BTC-USDT --format json      a stream of it, one JSON object a line
  orderbook replay session.jsonl.gz            what became of each book of a recording
  orderbook replay day-*.jsonl.gz --format json | jq 'select(.state != "LIVE")'
  orderbook simulate --faults plan.json        a local KuCoin to test bots against
  orderbook info                               versions, twin in use, limits

Data goes to stdout, everything else to stderr. The exit code is 0 on success, 1 when a check came out bad or something
could not be read, 2 for a mistake on the command line, or in a file of keys or faults that it names. Ctrl-C is how
whatever runs until it is stopped is meant to end; anything else ends with 130 then.
"""


@click.group(
    cls=CommandLine,
    name="orderbook",
    epilog=EPILOG,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)
@click.version_option(__version__, prog_name="orderbook", message="%(prog)s %(version)s")
@click.option(
    "--log",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write a line for every change of state and every trouble; - is stderr.",
)
@click.option("--debug", is_flag=True, help="With --log: everything there is.")
@click.pass_context
def main(ctx: click.Context, *, log: Path | None, debug: bool) -> None:
    """Keep local order books that are never silently wrong.

    A book says LIVE only when it equals the venue's book at the sequence it names; otherwise it says why not.
    """
    ctx.ensure_object(Timing)
    if debug and log is None:
        raise click.UsageError("--debug says what goes into the log: give --log FILE, too (- is stderr)")
    if log is not None:
        ctx.with_resource(log_to(log, logging.DEBUG if debug else logging.INFO))
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(2)
