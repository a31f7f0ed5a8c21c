"""``orderbook simulate``: the local KuCoin as a server."""

from __future__ import annotations

import asyncio
import math
import shlex
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import click

from orderbook.cli.options import checked_seconds, format_option
from orderbook.cli.terminal import print_json
from orderbook.errors import UsageError
from orderbook.simulator.capture import read_market
from orderbook.simulator.faults import FAULTS, FaultPlan
from orderbook.simulator.market import PROFILES
from orderbook.simulator.server import LocalKuCoin
from orderbook.venues.kucoin import KuCoin

_SYMBOLS_MAX: Final = 1_000
_SPEED_MAX: Final = 10_000

EPILOG = """\b
Examples:
  orderbook simulate                                 three symbols, on any free port
  orderbook simulate --symbols 50 --rate 5000 --port 8888
  orderbook simulate --profile storm --faults plan.json
  orderbook simulate --capture day.jsonl.gz --speed 10

A plan of faults is a JSON list; `orderbook simulate --list-faults` names them all:

\b
  [{"fault": "drop", "p": 0.001},
   {"fault": "stale_snapshot", "by": 20, "nth": 1, "scope": "BTC-USDT"},
   {"fault": "disconnect", "at_ms": 20000, "every_ms": 20000}]

Ctrl-C ends it. What clients did against the documented limits is told at the end. Other processes can compare with what
is true: GET /simulator/truth?symbol=BTC-USDT&sequence=N, /simulator/state, /simulator/violations.
"""


def _checked_symbols(_ctx: click.Context, _param: click.Parameter, value: str | None) -> int | tuple[str, ...] | None:
    """How many, or which."""
    if value is None:
        return None
    if value.isascii() and value.isdigit():
        if len(value) < 9 and 1 <= int(value) <= _SYMBOLS_MAX:
            return int(value)
        raise click.BadParameter(f"{value[:20]} is not a number of symbols from 1 to {_SYMBOLS_MAX}")
    symbols = tuple(value.split(","))
    try:
        for symbol in symbols:
            KuCoin().check_symbol(symbol)
    except UsageError as error:
        raise click.BadParameter(str(error)) from None
    if len(set(symbols)) < len(symbols):
        raise click.BadParameter("a symbol stands twice")
    return symbols


def _checked_rate(_ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
    if value is not None and not (math.isfinite(value) and value > 0):
        raise click.BadParameter(f"{value} is not a positive number", param=param)
    return value


def _list_faults(ctx: click.Context, _param: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's signature
    """Print every fault with its knobs, and end."""
    if not value:
        return
    for name, kind in FAULTS.items():
        knobs = " ".join(f"{key}={'' if knob.default is None else knob.default}" for key, knob in kind.knobs.items())
        click.echo(f"{name:17} {kind.point.value:8} {kind.does}{f'  [{knobs}]' if knobs else ''}")
    ctx.exit()


@click.command(epilog=EPILOG)
@click.option("--host", default="127.0.0.1", show_default=True, help="A loopback address.")
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="Where to listen. Default: any free port.")
@click.option("--symbols", callback=_checked_symbols, metavar="N|A-B,C-D", help="How many, or which. Default: 3.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of everything that is left to chance.")
@click.option("--profile", type=click.Choice(list(PROFILES)), default="normal", show_default=True, help="The market.")
@click.option("--rate", type=float, callback=_checked_rate, metavar="N", help="Deltas a second, over all symbols.")
@click.option("--faults", type=click.Path(path_type=Path), metavar="PLAN", help="A JSON file: what goes wrong.")
@click.option("--capture", type=click.Path(path_type=Path), metavar="FILE", help="Play this instead of a made market.")
@click.option("--speed", type=click.FloatRange(0, _SPEED_MAX, min_open=True), default=1.0, help="Of the capture.")
@click.option("--repeat", is_flag=True, help="Play the capture again and again.")
@click.option("--seconds", callback=checked_seconds, metavar="N", help="Stop after so many seconds.")
@click.option("--every", type=click.FloatRange(0.1), default=1.0, show_default=True, help="Seconds from line to line.")
@click.option("--list-faults", is_flag=True, is_eager=True, expose_value=False, callback=_list_faults,
              help="Name every fault and its knobs.")  # fmt: skip
@format_option
def simulate(
    *, host: str, port: int, symbols: int | tuple[str, ...] | None, seed: int, profile: str, rate: float | None,
    faults: Path | None, capture: Path | None, speed: float, repeat: bool, seconds: float, every: float, form: str,
) -> None:  # fmt: skip
    """Run a local KuCoin to test bots against.

    It speaks KuCoin's REST and WebSocket protocol on this machine only, knows the true book at every sequence, enforces
    the documented limits, and fails in every way that a plan asks for. With --format json the first line of stdout is
    an object with the address and the key, the last one is the summary; the lines between go to stderr.
    """
    if capture is not None and rate is not None:
        raise click.UsageError("--rate is for a made market; a capture has --speed")
    if capture is not None and isinstance(symbols, int):
        raise click.UsageError("name the --symbols of the capture that you want; without, all are played")
    plan = FaultPlan() if faults is None else read_plan(faults)
    wanted = symbols if isinstance(symbols, tuple) else None
    venue = LocalKuCoin(
        None if capture is None else read_market(capture, symbols=wanted, speed=speed, repeat=repeat),
        symbols=3 if symbols is None else symbols,
        seed=seed, profile=profile, rate=rate, faults=plan, host=host, port=port,
    )  # fmt: skip
    asyncio.run(_serve(venue, seconds, every, is_json=form == "json"))


def read_plan(path: Path) -> FaultPlan:
    """A plan of faults from a file. Raises ``UsageError`` that names the file and the entry, or ``OSError``."""
    try:
        return FaultPlan.parse(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise UsageError(f"{path}: the fault plan is not UTF-8") from None
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


async def _serve(venue: LocalKuCoin, seconds: float, every: float, *, is_json: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        async with venue:
            _announce(venue, is_json=is_json)
            start, before = loop.time(), 0
            while not stop.is_set() and (left := start + seconds - loop.time()) > 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(every, left)):
                        await stop.wait()
                state = venue.exchange.state()
                click.echo(_line(state, loop.time() - start, (state["deltas_sent"] - before) / every), err=is_json)
                before = state["deltas_sent"]
            _conclude(venue, loop.time() - start, is_json=is_json)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def _announce(venue: LocalKuCoin, *, is_json: bool) -> None:
    """Where it is, and what it takes to connect. The key opens nothing but this simulator."""
    key = venue.credentials
    secrets = {
        "KUCOIN_API_KEY": key.key.reveal(),
        "KUCOIN_API_SECRET": key.secret.reveal(),
        "KUCOIN_API_PASSPHRASE": key.passphrase.reveal(),
    }
    symbols = list(venue.market)
    if is_json:
        print_json({"url": venue.url, "symbols": symbols, "key_version": key.version, **secrets})
        return
    more = f" and {len(symbols) - 5} more" if len(symbols) > 5 else ""
    click.echo(f"orderbook simulate: a KuCoin at {venue.url} with {', '.join(symbols[:5])}{more}")
    click.echo("A throw-away key for signed requests; no other venue knows it:")
    for name, text in secrets.items():
        click.echo(f"  {name}={shlex.quote(text)}")
    click.echo(f"Use {venue.url} in place of https://api.kucoin.com; the socket's address comes with the token.")
    click.echo("Ctrl-C ends it.")


def _line(state: Mapping[str, Any], elapsed_s: float, rate: float) -> str:
    return (
        f"{elapsed_s:6.0f} s  connections {state['connections']}  topics {state['subscriptions']}  "
        f"deltas/s {rate:.0f}  REST calls {state['rest_calls']}  faults {sum(state['injected'].values())}  "
        f"violations {sum(state['violations'].values())}"
    )


def _conclude(venue: LocalKuCoin, elapsed_s: float, *, is_json: bool) -> None:
    state = venue.exchange.state()
    if is_json:
        print_json({"seconds": round(elapsed_s, 3), **state})
        return
    click.echo(
        f"{elapsed_s:.0f} s, {state['accepted']} connections, {state['deltas_sent']} deltas sent, "
        f"{state['rest_calls']} REST calls"
    )
    for title, counts in (("faults injected", state["injected"]), ("limits violated by clients", state["violations"])):
        told = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
        click.echo(f"{title}: {told or 'none'}")
