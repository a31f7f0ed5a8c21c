"""``orderbook simulate``: the local KuCoin as a server."""

from __future__ import annotations

import asyncio
import math
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import click
from click.core import ParameterSource

from orderbook.cli.keyfile import KEY_NAMES, write_keys
from orderbook.cli.live import stop_signals
from orderbook.cli.options import checked_seconds, format_option
from orderbook.cli.playback import Playback
from orderbook.cli.terminal import complain, print_json, say, tell
from orderbook.errors import UsageError
from orderbook.simulator.capture import read_market
from orderbook.simulator.faults import FAULTS, FaultPlan, Knob
from orderbook.simulator.market import PROFILES
from orderbook.simulator.server import LocalKuCoin
from orderbook.simulator.tls import Authority
from orderbook.venues.kucoin import KuCoin

_SYMBOLS_MAX: Final = 1_000
_SPEED_MAX: Final = 10_000

EPILOG = """\b
Examples:
  orderbook simulate                                 three symbols, on any free port
  orderbook simulate --symbols 50 --rate 5000 --port 8888
  orderbook simulate --profile storm --faults plan.json
  orderbook simulate --port 8888 --keys-file local.json
  orderbook watch BTC-USDT --url http://127.0.0.1:8888 --keys local.json --depth full
  orderbook simulate --capture day.jsonl.gz --speed 10
  orderbook simulate --port 8888 --tls --ca-file ca.pem
  SSL_CERT_FILE=ca.pem orderbook watch BTC-USDT --url https://127.0.0.1:8888

A plan of faults is a JSON list; `orderbook simulate --list-faults` names them all:

\b
  [{"fault": "drop", "p": 0.001},
   {"fault": "stale_snapshot", "by": 20, "nth": 1, "scope": "BTC-USDT"},
   {"fault": "disconnect", "at_ms": 20000, "every_ms": 20000}]

Profiles of a made market: normal, as a busy symbol of the venue was measured; quiet; illiquid, a delta an hour; storm,
1,500 a second in bursts; trending, the price runs away; deep, 50,000 levels; batches, deltas over several sequences;
tick_change, delist and reset, in which that happens again and again.

Ctrl-C ends it. What clients did against the documented limits is told at the end. Other processes can compare with what
is true: GET /simulator/truth?symbol=BTC-USDT&sequence=N, /simulator/state, /simulator/violations.
"""


COMMON_KNOBS: Final = """
Each fault, where it strikes, what it does, and its knobs with their defaults (of a choice, the first).

Every fault has these knobs too. Those that strike at messages (second column not "time") do so once (mute: always),
or as these say, which have to agree where there are several:
  p          with this probability, 0 to 1, at each message
  nth        at the message of this number, or at each of a list; 1 is the first
  every      at every second message with 2, every third with 3, ...
  times      at most so often
  at_ms      not before; in ms since the simulator's start
  for_ms     for so long after at_ms; alone: at every message of that time
  scope      "all", a symbol, a list of symbols, or "connection:1" for the first one that was accepted
Those that strike at a time do so at at_ms (default 0), and with
  every_ms   again and again, so many ms apart
  on         not at a time, but at messages: "delta", "message", "connect" or "ack", selected by p, nth or every
A path strikes the requests whose path contains that text. What never struck is told at the end.
Those that strike connections at a time strike the ones that are open then: with none, nothing happens or is counted.
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
            _check(symbol)
    except UsageError as error:
        near = f"; did you mean {value.upper()[:80]}?" if _can_be(value.upper()) else ""
        raise click.BadParameter(f"{error}{near}") from None
    if len(set(symbols)) < len(symbols):
        raise click.BadParameter("a symbol stands twice")
    return symbols


def _check(symbol: str) -> None:
    KuCoin().check_symbol(symbol)
    if symbol != symbol.upper():
        raise UsageError(f"{symbol!a} is not in capital letters, as KuCoin's symbols are")


def _can_be(value: str) -> bool:
    """Whether a text is a list of symbols."""
    with suppress(UsageError):
        for symbol in value.split(","):
            _check(symbol)
        return True
    return False


def _checked_rate(_ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
    if value is not None and not (math.isfinite(value) and value > 0):
        raise click.BadParameter(f"{value} is not a positive number", param=param)
    return value


def _list_faults(*, is_json: bool) -> None:
    """Print every fault with its knobs; in JSON one object a line."""
    for name, kind in FAULTS.items():
        if is_json:
            knobs = {knob: _described(one) for knob, one in kind.knobs.items()}
            print_json({"fault": name, "strikes_at": kind.point.value, "does": kind.does, "knobs": knobs})
        else:
            shown = " ".join(map(_shown, kind.knobs, kind.knobs.values()))
            click.echo(f"{name:17} {kind.point.value:8} {kind.does}{f'  [{shown}]' if shown else ''}")
    if not is_json:
        click.echo(COMMON_KNOBS, nl=False)


def _described(knob: Knob) -> dict[str, object]:
    """What a knob is by default, and what it can be."""
    return {"default": knob.default, "type": knob.kind.__name__} | ({"choices": knob.choices} if knob.choices else {})


def _shown(name: str, knob: Knob) -> str:
    """A knob with its default, or with everything that it can be; the default stands first."""
    if knob.choices:
        return f"{name}={'|'.join(sorted(knob.choices, key=lambda choice: choice != knob.default))}"
    # As a plan has it, in JSON.
    return f"{name}={'' if knob.default is None else str(knob.default).lower() if knob.kind is bool else knob.default}"


@click.command(epilog=EPILOG)
@click.option("--host", default="127.0.0.1", show_default=True, help="A loopback address.")
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="Where to listen. Default: any free port.")
@click.option("--symbols", callback=_checked_symbols, metavar="N|A-B,C-D", help="How many, or which. Default: 3.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of everything that is left to chance.")
@click.option("--profile", type=click.Choice(list(PROFILES)), default="normal", show_default=True, help="The market.")
@click.option("--rate", type=float, callback=_checked_rate, metavar="N", help="Deltas a second, over all symbols.")
@click.option(
    "--faults", type=click.Path(path_type=Path, exists=True), metavar="PLAN", help="A JSON file: what goes wrong."
)
@click.option(
    "--capture",
    type=click.Path(path_type=Path, exists=True),
    metavar="FILE",
    help="Play this instead of a made market.",
)
@click.option("--speed", type=click.FloatRange(0, _SPEED_MAX, min_open=True), default=1.0, help="Of the capture.")
@click.option("--repeat", is_flag=True, help="Play the capture again and again.")
@click.option("--seconds", callback=checked_seconds, metavar="N", help="Stop after so many seconds.")
@click.option("--every", type=click.FloatRange(0.1), default=1.0, show_default=True, help="Seconds from line to line.")
@click.option(
    "--keys-file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write its key there, for the --keys of other commands.",
)
@click.option("--tls", "is_tls", is_flag=True, help="Serve https and wss, with a certificate made for this run.")
@click.option(
    "--ca-file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the certificate of its authority there, for clients to trust; needed with --tls.",
)
@click.option("--list-faults", is_flag=True, help="Name every fault and its knobs, and end.")
@format_option
def simulate(
    *,
    host: str,
    port: int,
    symbols: int | tuple[str, ...] | None,
    seed: int,
    profile: str,
    rate: float | None,
    faults: Path | None,
    capture: Path | None,
    speed: float,
    repeat: bool,
    seconds: float,
    every: float,
    keys_file: Path | None,
    is_tls: bool,
    ca_file: Path | None,
    list_faults: bool,
    form: str,
) -> None:
    """Run a local KuCoin to test bots against.

    It speaks KuCoin's REST and WebSocket protocol on this machine only, knows the true book at every sequence, enforces
    the documented limits, and fails in every way that a plan asks for. With --format json the first line of stdout is
    an object with the address and the key, the last one is the summary; the lines between go to stderr.
    """
    if list_faults:
        _list_faults(is_json=form == "json")
        return
    if capture is not None and rate is not None:
        raise click.UsageError("--rate is for a made market; a capture has --speed")
    if capture is not None and _is_given("profile"):
        raise click.UsageError("--profile is of a made market; a capture is what it is")
    if capture is None and (_is_given("speed") or repeat):
        raise click.UsageError("--speed and --repeat are for a --capture; a made market has --rate")
    if capture is not None and isinstance(symbols, int):
        raise click.UsageError("name the --symbols of the capture that you want; without, all are played")
    if is_tls != (ca_file is not None):
        raise click.UsageError("--tls and --ca-file go together: clients have to trust the certificate written there")
    plan = FaultPlan() if faults is None else read_plan(faults)
    wanted = symbols if isinstance(symbols, tuple) else None
    authority = None if ca_file is None else Authority()
    playback = None
    if capture is not None:
        market = read_market(capture, symbols=wanted, speed=speed, repeat=repeat)
        playback = Playback(capture, market, speed=speed, repeat=repeat)
    venue = LocalKuCoin(
        None if playback is None else playback.market,
        symbols=3 if symbols is None else symbols,
        seed=seed,
        profile=profile,
        rate=rate,
        faults=plan,
        host=host,
        port=port,
        tls=authority,
    )
    files = _Files(keys_file, ca_file, authority)
    asyncio.run(_serve(venue, seconds, every, files, playback, is_json=form == "json"))
    if missed := venue.exchange.common.injector.missed(plan):
        # A test that passes because its fault never struck proves nothing.
        complain(f"never struck: {', '.join(missed)}", "warning")


def _is_given(name: str) -> bool:
    """Whether an option stands on the command line."""
    return click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE


class _Files(NamedTuple):
    """What is written for other commands to read."""

    keys: Path | None
    certificate: Path | None
    authority: Authority | None

    def write(self, venue: LocalKuCoin) -> None:
        """Write what is wanted. Raises ``UsageError`` where something else is in the way, or ``OSError``."""
        if self.keys is not None:
            write_keys(self.keys, _key_of(venue))
        if self.certificate is not None and self.authority is not None:
            self.authority.write(self.certificate)


def read_plan(path: Path) -> FaultPlan:
    """A plan of faults from a file. Raises ``UsageError`` that names the file and the entry, or ``OSError``."""
    try:
        return FaultPlan.parse(path.read_text(encoding="utf-8-sig"), origin=str(path))
    except UnicodeDecodeError:
        raise UsageError(f"{path}: the fault plan is not UTF-8") from None


async def _serve(
    venue: LocalKuCoin, seconds: float, every: float, files: _Files, playback: Playback | None, *, is_json: bool
) -> None:
    loop = asyncio.get_running_loop()
    async with stop_signals() as stop, venue:
        files.write(venue)
        _announce(venue, files, playback, is_json=is_json)
        start, before = loop.time(), 0
        while not stop.is_set() and (left := start + seconds - loop.time()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(min(every, left)):
                    await stop.wait()
            state = venue.exchange.state()
            tell(*_line(state, loop.time() - start, (state["deltas_sent"] - before) / every), indent=8, err=is_json)
            before = state["deltas_sent"]
            if playback is not None and (news := playback.news()):
                say(news, err=is_json)
        _conclude(venue, loop.time() - start, playback, is_json=is_json)


def _key_of(venue: LocalKuCoin) -> dict[str, str]:
    """The key that it accepts, as a file of keys has it. It opens nothing but this simulator."""
    key = venue.credentials
    return dict(zip(KEY_NAMES, (key.key.reveal(), key.secret.reveal(), key.passphrase.reveal()), strict=True))


def _announce(venue: LocalKuCoin, files: _Files, playback: Playback | None, *, is_json: bool) -> None:
    """Where it is, and what it takes to connect."""
    key, symbols = _key_of(venue), list(venue.market)
    if is_json:
        told: dict[str, object] = {
            "url": venue.url,
            "symbols": symbols,
            "key_version": venue.credentials.version,
            **key,
        }
        written = {"keys_file": files.keys, "ca_file": files.certificate}
        played = {} if playback is None else {"capture": playback.described()}
        print_json(told | {name: str(path) for name, path in written.items() if path is not None} | played)
        return
    more = f" and {len(symbols) - 5} more" if len(symbols) > 5 else ""
    say(f"orderbook simulate: a KuCoin at {venue.url} with {', '.join(symbols[:5])}{more}")
    for line in () if playback is None else playback.announced():
        say(line)
    say("A throw-away key for full snapshots; no other venue knows it:")
    for name, text in key.items():
        click.echo(f"  {name}={shlex.quote(text)}")
    file = "FILE" if files.keys is None else shlex.quote(str(files.keys))
    trust = tls = ""
    if files.certificate is not None:
        trust = f"SSL_CERT_FILE={shlex.quote(str(files.certificate))} "
        tls = f",\n{' ' * 30}tls=ssl.create_default_context(cafile={str(files.certificate)!r})"
    click.echo(f"  command line: {trust}orderbook watch {symbols[0]} --url {venue.url} --keys {file}")
    if files.keys is None:
        tell("                (orderbook simulate --keys-file FILE", "writes that file)", separator=" ", indent=17)
    click.echo(f'  Python: orderbook.open_feed("kucoin", ["{symbols[0]}"], url="{venue.url}",')
    click.echo(f"                              credentials=orderbook.Credentials.of(key, secret, passphrase){tls})")
    say(f"Use {venue.url} in place of https://api.kucoin.com; the socket's address comes with the token.")
    say("Ctrl-C ends it.")


def _line(state: Mapping[str, Any], elapsed_s: float, rate: float) -> Sequence[str]:
    return (
        f"{elapsed_s:6.0f} s",
        f"connections {state['connections']}",
        f"topics {state['subscriptions']}",
        f"deltas/s {rate:.0f}",
        f"REST calls {state['rest_calls']}",
        f"faults {sum(state['injected'].values())}",
        f"violations {sum(state['violations'].values())}",
    )


def _conclude(venue: LocalKuCoin, elapsed_s: float, playback: Playback | None, *, is_json: bool) -> None:
    state = venue.exchange.state()
    if is_json:
        played = {} if playback is None else {"capture_is_over": playback.is_over}
        print_json({"seconds": round(elapsed_s, 3), **state, **played})
        return
    say(
        f"{elapsed_s:.0f} s, {state['accepted']} connections, {state['deltas_sent']} deltas sent, "
        f"{state['rest_calls']} REST calls"
    )
    for title, counts in (("faults injected", state["injected"]), ("limits violated by clients", state["violations"])):
        told = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
        say(f"{title}: {told or 'none'}")
