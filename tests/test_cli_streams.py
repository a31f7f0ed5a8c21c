"""``trades``, ``candles``, ``tickers``, ``balances`` and ``orders`` against a local KuCoin, and recordings of them."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from orderbook.clock import loop_clock
from orderbook.simulator.faults import FaultPlan
from orderbook.simulator.server import LocalKuCoin
from orderbook.venues.kucoin_topics import decode
from snapshots import read_capture
from tests.commands import objects, orderbook_command
from tests.local_venue import Served, local_venue
from tests.test_cli_process import on_a_terminal, started

SYMBOLS = ("BTC-USDT", "ETH-USDT")
PUBLIC: list[tuple[str, ...]] = [
    ("trades", *SYMBOLS),
    ("candles", *SYMBOLS),
    ("tickers", *SYMBOLS),
    ("tickers", "--all"),
]
PRIVATE = ("balances", "orders")
EVERY_S = 0.02
CUT_AFTER_LOOKS = 10


@pytest.fixture(scope="module")
def venue() -> Iterator[Served]:
    """One venue for all tests here, with a lively market."""
    with local_venue(symbols=SYMBOLS, rate=400.0) as served:
        yield served


@contextmanager
def busy(venue: Served, act: Callable[[LocalKuCoin], object]) -> Iterator[None]:
    """The account's owner does something again and again meanwhile."""
    is_over = False

    def once(one: LocalKuCoin) -> None:
        if not is_over:
            act(one)
            venue.later(EVERY_S, once)

    venue.ask(once)
    try:
        yield
    finally:
        is_over = True


def trade_a_little(one: LocalKuCoin) -> None:
    """An order is placed and taken back, and something comes in."""
    price = Decimal(one.market["BTC-USDT"].book()[1][0][0]) / 2
    order_id = one.account.place("BTC-USDT", "buy", price.quantize(Decimal("0.1")), "0.01")
    one.account.cancel(order_id)
    one.account.deposit("USDT", "1.5")


def shown(venue: Served, folder: Path, *args: str) -> Result:
    """A command that shows a stream; those of an account while something happens to it."""
    if args[0] not in PRIVATE:
        return orderbook_command(*args, "--url", venue.url)
    with busy(venue, trade_a_little):
        return orderbook_command(*args, "--url", venue.url, "--keys", venue.keys(folder))


COMMANDS = pytest.mark.parametrize("command", [*PUBLIC, *[(name,) for name in PRIVATE]], ids=" ".join)


@COMMANDS
def test_programs_get_an_object_a_message(command: tuple[str, ...], venue: Served, tmp_path: Path) -> None:
    """As many as they wanted, of the right type; the numbers are those of the venue's market."""
    result = shown(venue, tmp_path, *command, "--count", "4", "--format", "json")
    told = objects(result)

    assert (0, "", 4) == (result.exit_code, result.stderr, len(told))
    assert {command[0].rstrip("s")} == {one["type"] for one in told}
    assert all(one["ts"] > 0 for one in told)
    assert all(one["symbol"] in SYMBOLS for one in told if command[0] not in PRIVATE)
    assert all(isinstance(one[name], str) for one in told for name in one if name in ("price", "close", "available"))


@COMMANDS
def test_people_get_a_line_a_message(command: tuple[str, ...], venue: Served, tmp_path: Path) -> None:
    """Under a heading, where nobody looks."""
    result = shown(venue, tmp_path, *command, "--count", "3")
    heading, *lines = result.stdout.splitlines()

    assert (0, "", 3) == (result.exit_code, result.stderr, len(lines))
    assert ("currency" if command[0] == "balances" else "symbol") in heading
    assert all(line.strip() for line in lines)


def test_candles_have_their_interval(venue: Served, tmp_path: Path) -> None:
    """Its beginning is a multiple of it."""
    (told,) = objects(
        shown(venue, tmp_path, "candles", "BTC-USDT", "--interval", "5min", "--count", "1", "--format", "json")
    )

    assert ("5min", 0) == (told["interval"], told["start_s"] % 300)
    assert Decimal(told["low"]) <= min(Decimal(told["open"]), Decimal(told["close"]))


def test_what_happens_to_an_order(venue: Served, tmp_path: Path) -> None:
    """In its order: received, open, canceled; and what it holds meanwhile."""
    told = objects(shown(venue, tmp_path, "orders", "--count", "9", "--format", "json"))
    events: dict[str, list[str]] = {}
    for one in told:
        events.setdefault(one["order_id"], []).append(one["event"])

    assert ["received", "open", "canceled"] in events.values()
    assert {("BTC-USDT", "buy", "0.01")} == {(one["symbol"], one["side"], one["original_size"]) for one in told}


# --- the end ---


@pytest.mark.parametrize("name", ["--for", "--seconds"])
def test_it_ends_after_its_time(name: str, venue: Served, tmp_path: Path) -> None:
    """With what there was."""
    result = shown(venue, tmp_path, "trades", "BTC-USDT", name, "0.5", "--format", "json")

    assert (0, "", True) == (result.exit_code, result.stderr, len(objects(result)) > 0)


def test_fewer_than_wanted_is_no_success(venue: Served, tmp_path: Path) -> None:
    """It says how many there were."""
    args = ("orders", "--url", venue.url, "--keys", venue.keys(tmp_path), "--for", "0.3", "--count", "5")
    result = orderbook_command(*args)

    assert (1, "") == (result.exit_code, result.stdout)
    assert "orderbook: warning: 0 of 5 messages came within 0.3 s\n" == result.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(number: signal.Signals, venue: Served) -> None:
    """A process of its own: exit code 0, however much was wanted, and every line is whole."""
    ending = ("--count", "1000000", "--for", "3600")
    with started("trades", "BTC-USDT", "--url", venue.url, "--format", "json", *ending) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=60)

    assert (0, b"") == (process.returncode, stderr)
    assert all(json.loads(line)["type"] == "trade" for line in (first + stdout).splitlines())


@pytest.mark.parametrize("key", [b"q", b"\x03"])
def test_a_picture_on_a_terminal(key: bytes, venue: Served) -> None:
    """It names the stream and the host; a key ends it, and one line stays."""
    code, written = on_a_terminal("tickers", "--all", "--url", venue.url, press=key, at=b"tickers all")

    assert 0 == code
    assert "\x1b[?1049h" in written
    assert written.rpartition("\x1b[?1049l")[2].rstrip().endswith((" message", " messages"))


def test_lines_on_a_terminal_where_each_one_counts(venue: Served) -> None:
    """With a count there is no picture, which would be gone with the last of them."""
    code, written = on_a_terminal("tickers", "--all", "--url", venue.url, "--count", "2")

    assert (0, False, 3) == (code, "\x1b[?1049h" in written, len(written.splitlines()))


def test_nobody_reads_any_more(venue: Served) -> None:
    """As with any command of a pipe: ``orderbook trades ... | head -n 1``."""
    with started("trades", "BTC-USDT", "--url", venue.url) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        process.wait(timeout=60)
        assert process.stderr is not None
        stderr = process.stderr.read()

    assert (141, b"") == (process.returncode, stderr)


# --- what goes wrong ---


def cut_once() -> Callable[[LocalKuCoin], object]:
    """Looks again and again whether somebody has subscribed; some time after that, loses the connection, once."""
    looks = 0

    def look(venue: LocalKuCoin) -> None:
        nonlocal looks
        looks += bool(venue.exchange.state()["subscriptions"])
        if looks == CUT_AFTER_LOOKS:
            now_ns = loop_clock(asyncio.get_running_loop())
            venue.exchange.add_faults(FaultPlan([{"fault": "disconnect"}]), now_ns)

    return look


@pytest.mark.parametrize("form", ["table", "json"])
def test_what_is_missing_is_told_in_its_place(form: str) -> None:
    """The connection is lost, and comes back: an object among the others for programs, a warning for people."""
    with local_venue(symbols=SYMBOLS[:1], rate=400.0) as venue, busy(venue, cut_once()):
        result = orderbook_command("trades", "BTC-USDT", "--url", venue.url, "--count", "30", "--format", form)
    warnings = result.stderr.splitlines()

    assert 0 == result.exit_code
    if form == "json":
        told = objects(result)
        missed = [one for one in told if one["type"] == "missed"]
        assert ([], "trade", [False, True]) == (warnings, told[-1]["type"], [one["is_over"] for one in missed])
        assert all((one["path"], one["symbols"]) == ("/market/match", ["BTC-USDT"]) for one in missed)
    else:
        start = "orderbook: warning: /market/match of BTC-USDT: messages may be missing: "
        assert [True, True] == [line.startswith(start) for line in warnings]
        assert [True, False] == ["; none come at the moment" in line for line in warnings]


@pytest.mark.parametrize("command", PRIVATE)
@pytest.mark.parametrize("is_set", [False, True])
def test_an_account_needs_a_key(command: str, is_set: bool, venue: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said at once; a key in the environment is for the venue's own hosts."""
    monkeypatch.delenv("KUCOIN_API_KEY", raising=False)
    if is_set:
        monkeypatch.setenv("KUCOIN_API_KEY", "canary")
    result = orderbook_command(command, "--url", venue.url)

    apart = "; the environment's key is not sent to other hosts" if is_set else ""
    message = f"{command} are of an account, and need its API key: give --keys FILE{apart}"
    assert (2, "", f"orderbook: error: {message}\n") == (result.exit_code, result.stdout, result.stderr)


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (("trades",), 2, "Missing argument 'SYMBOL...'"),
        (("trades", "btcusdt"), 2, "'btcusdt' is not a KuCoin spot symbol; did you mean BTC-USDT?"),
        (("trades", "BTC-USDT", "--count", "0"), 2, "'--count': 0 is not in the range"),
        (("trades", "BTC-USDT", "--for", "0"), 2, "'--for' / '--seconds': '0' is not a positive number of seconds"),
        (("trades", "BTC-USDT", "--url", "nonsense"), 2, "an address looks like https://host"),
        (("candles", "BTC-USDT", "--interval", "2min"), 2, "'2min' is not one of '1min', '3min'"),
        (("tickers",), 2, "name some symbols, or give --all; not both"),
        (("tickers", "BTC-USDT", "--all"), 2, "name some symbols, or give --all; not both"),
    ],
)
def test_what_cannot_mean_anything(args: tuple[str, ...], code: int, message: str) -> None:
    """A mistake on the command line is exit code 2; nothing is asked."""
    result = orderbook_command(*args)

    assert message in result.stderr
    assert (code, "", 1) == (result.exit_code, result.stdout, result.stderr.count("\n"))


@pytest.mark.parametrize("command", PRIVATE)
def test_the_venue_itself_needs_a_key_too(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """There it may come from the environment; nothing is asked without."""
    monkeypatch.delenv("KUCOIN_API_KEY", raising=False)
    result = orderbook_command(command)

    assert (2, "") == (result.exit_code, result.stdout)
    assert result.stderr.endswith("give --keys FILE, or set KUCOIN_API_KEY, KUCOIN_API_SECRET, KUCOIN_API_PASSPHRASE\n")


@pytest.mark.parametrize("command", [*PRIVATE, "record"])
def test_a_key_that_is_refused(command: str, venue: Served, tmp_path: Path) -> None:
    """One line that says which part to look at, at once; nothing is written."""
    out = tmp_path / "out.gz"
    args = ["record", "--topics", "orders", "--out", str(out)] if command == "record" else [command]
    result = orderbook_command(*args, "--url", venue.url, "--keys", venue.keys(tmp_path, passphrase="canary"))

    assert (1, "", 1, False) == (result.exit_code, result.stdout, result.stderr.count("\n"), out.exists())
    assert "check the passphrase" in result.stderr
    assert "canary" not in result.stderr


@pytest.mark.parametrize("command", [*PUBLIC[:3]])
def test_an_unknown_symbol(command: tuple[str, ...], venue: Served) -> None:
    """The venue would acknowledge it, and be silent; the near ones are named instead."""
    result = orderbook_command(command[0], "BTC-USD", "--url", venue.url)

    assert (1, "") == (result.exit_code, result.stdout)
    assert "kucoin has no symbol BTC-USD; did you mean BTC-USDT?" in result.stderr


# --- recordings ---


def recorded(venue: Served, folder: Path, *args: str) -> tuple[Result, list[Any]]:
    """Record for a moment: what the command says, and the messages of streams in the file."""
    out = folder / "day.jsonl.gz"
    result = orderbook_command(
        "record", *args, "--url", venue.url, "--out", str(out), "--seconds", "1", "--format", "json"
    )
    messages = []
    with read_capture(out) as capture:
        for record in capture:
            frame = json.loads(record.text or "{}") if record.kind == "ws" else {}
            if frame.get("type") == "message" and (pushed := decode(frame, 0)) is not None:
                messages.append(pushed)
    return result, messages


def test_any_topic_is_recorded(venue: Served, tmp_path: Path) -> None:
    """Raw, beside the books, which replay as they do without; no connection of the one loses the other."""
    result, messages = recorded(venue, tmp_path, *SYMBOLS, "--topics", "book,trades,candles:1min,tickers")
    replay = orderbook_command("replay", str(tmp_path / "day.jsonl.gz"), "--format", "json")

    assert (0, 0) == (result.exit_code, objects(result)[0]["lost"])
    assert {"/market/match", "/market/candles", "/market/ticker"} == {one.topic.partition(":")[0] for one in messages}
    assert ["LIVE", "LIVE"] == [book["state"] for book in objects(replay)]
    assert "2 of 2 books LIVE" in result.stderr


def test_streams_alone_are_recorded(venue: Served, tmp_path: Path) -> None:
    """Without a book, and all symbols at once."""
    result, messages = recorded(venue, tmp_path, "--topics", "tickers:all")

    assert (0, {"/market/ticker:all"}) == (result.exit_code, {one.topic for one in messages})
    assert "1 of 1 streams live" in result.stderr
    assert "books" not in result.stderr


@pytest.mark.parametrize("topics", ["trades", "trades,book"])
def test_a_recording_of_nothing_says_so(topics: str, tmp_path: Path) -> None:
    """With the reason: it is no success."""
    with local_venue({"fault": "lost_welcome", "for_ms": 3_600_000}, symbols=SYMBOLS) as mute:
        result, messages = recorded(mute, tmp_path, "BTC-USDT", "--topics", topics)
    *_, last = result.stderr.splitlines()

    assert (1, []) == (result.exit_code, messages)
    never = "no book ever was LIVE: " if "book" in topics else "no stream ever was subscribed: "
    assert (True, True) == (last.startswith(f"orderbook: warning: {never}"), len(last) > len(never) + 30)


def test_books_that_never_are_live_are_no_success(tmp_path: Path) -> None:
    """Whatever was recorded beside them."""
    missing = {"fault": "rest_error", "path": "orderbook", "status": 503, "p": 1}
    with local_venue(missing, symbols=SYMBOLS, rate=200.0) as venue:
        result, messages = recorded(venue, tmp_path, "BTC-USDT", "--topics", "book,trades")

    assert (1, True) == (result.exit_code, len(messages) > 0)
    assert "no book ever was LIVE: " in result.stderr


def test_an_account_is_recorded_when_that_was_asked_for(venue: Served, tmp_path: Path) -> None:
    """And nothing of its key."""
    keys = venue.keys(tmp_path)
    with busy(venue, trade_a_little):
        result, messages = recorded(venue, tmp_path, "--topics", "orders,balances", "--keys", keys)

    assert (0, {"/spotMarket/tradeOrdersV2", "/account/balance"}) == (result.exit_code, {one.topic for one in messages})
    raw = b"".join((record.text or record.url or "").encode() for record in read_capture(tmp_path / "day.jsonl.gz"))
    for part in json.loads(Path(keys).read_text()).values():
        assert part.encode() not in raw
