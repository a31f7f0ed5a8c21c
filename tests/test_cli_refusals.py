"""What the live commands say when they cannot do their work: one line that names the remedy."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result

from orderbook.simulator.tls import Authority
from snapshots.calls import Caller
from tests.commands import objects, orderbook_command
from tests.local_venue import Served, local_venue

OLD_VERSION = b"""{"KUCOIN_API_KEY": "canary", "KUCOIN_API_SECRET": "canary", "KUCOIN_API_PASSPHRASE": "canary",
"KUCOIN_API_KEY_VERSION": 1}"""
COMMANDS = ("watch", "record", "snapshot")
BOOK = "/api/v3/market/orderbook/level2"


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls are tried again at once."""
    monkeypatch.setattr(Caller, "_pause_s", lambda *_: 0.0)


@pytest.fixture(scope="module")
def venue() -> Iterator[Served]:
    """One venue for all tests that leave it as it is."""
    with local_venue(symbols=("BTC-USDT", "ETH-USDT")) as served:
        yield served


def run(command: str, folder: Path, *args: str, symbol: str = "BTC-USDT") -> Result:
    """A live command with what it needs."""
    out = ["--out", str(folder / "out.jsonl.gz")] if command == "record" else []
    return orderbook_command(command, symbol, *out, *args)


def one_line(result: Result) -> str:
    """The error; there is nothing else, and the exit code is not 0."""
    assert (True, "", 1) == (result.exit_code in (1, 2), result.stdout, result.stderr.count("\n"))
    assert result.stderr.startswith("orderbook: error: ")
    return result.stderr.removeprefix("orderbook: error: ").rstrip("\n")


# --- the address ---


def test_a_server_with_tls_is_asked_without(tmp_path: Path) -> None:
    """It says what the address of such a server begins with."""
    with local_venue(symbols=1, tls=Authority()) as served:
        said = one_line(run("snapshot", tmp_path, "--url", served.url.replace("https:", "http:")))

    assert "broke; check the network" in said
    assert said.endswith("that of a server with TLS begins with https://")


@pytest.mark.parametrize("command", COMMANDS)
def test_nobody_answers(command: str, tmp_path: Path) -> None:
    """It names the address; a recording that never began leaves no file behind."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    said = one_line(run(command, tmp_path, "--url", f"http://127.0.0.1:{port}"))

    assert f"127.0.0.1:{port} cannot be reached (Connection refused)" in said
    assert said.endswith("check the network, and the address of the server (url= or --url)")
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("command", COMMANDS)
def test_no_such_host(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the host."""

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    said = one_line(run(command, tmp_path, "--url", "https://api.example.invalid"))

    assert "no address is known for api.example.invalid; check the name, and that this machine has DNS" == said


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://api.kucoin.com", "http is only for this machine, because it is not encrypted: use https"),
        ("http://192.0.2.1:8080", "http is only for this machine, because it is not encrypted: use https"),
        ("api.kucoin.com", "an address looks like https://host or https://host:port"),
        ("ftp://127.0.0.1", "an address looks like https://host or https://host:port"),
        (
            "https://user:canary@api.kucoin.com",
            "an address is https://host:port alone, without user name, path or query",
        ),
    ],
)
def test_an_address_that_cannot_be(url: str, message: str, command: str, tmp_path: Path) -> None:
    """Nothing is asked, nothing is written; it is a mistake on the command line."""
    result = run(command, tmp_path, "--url", url)

    assert message in one_line(result)
    assert 2 == result.exit_code
    assert [] == list(tmp_path.iterdir())


# --- the key ---


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("part", "code", "remedy"),
    [
        ("key", "400003", "check the API key, and that it belongs to this site"),
        ("passphrase", "400004", "check the passphrase (the one chosen when the key was made"),
        ("secret", "400004", "and the API secret"),
    ],
)
def test_a_refused_key(part: str, code: str, remedy: str, command: str, venue: Served, tmp_path: Path) -> None:
    """It says which part to look at, and shows none of them."""
    keys = venue.keys(tmp_path, **{part: "canary-of-a-key"})
    said = one_line(run(command, tmp_path, "--url", venue.url, "--keys", keys))

    assert f"KuCoin answered code {code}: " in said
    assert remedy in said
    assert "canary" not in said


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("is_set", [False, True])
def test_full_depth_needs_a_key(
    command: str, is_set: bool, venue: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which is said at once, in options; a key in the environment is for the venue's own hosts."""
    monkeypatch.delenv("KUCOIN_API_KEY", raising=False)
    if is_set:
        monkeypatch.setenv("KUCOIN_API_KEY", "canary")
    said = one_line(run(command, tmp_path, "--url", venue.url, "--depth", "full"))

    apart = "; the environment's key is not sent to other hosts" if is_set else ""
    assert f"full snapshots need an API key: give --keys FILE, or ask for --depth 100{apart}" == said
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not JSON"),
        (b"\xff", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"\xef\xbb\xbf[]", "lacks KUCOIN_API_KEY"),  # as some editors save it
        (
            b"[]",
            "lacks KUCOIN_API_KEY, KUCOIN_API_SECRET, KUCOIN_API_PASSPHRASE; write a JSON object of KUCOIN_API_KEY",
        ),
        (
            b'{"KUCOIN_API_KEY": "canary", "KUCOIN_API_SECRET": null}',
            "lacks KUCOIN_API_SECRET, KUCOIN_API_PASSPHRASE; write a JSON object of ",
        ),
        (
            b'{"KUCOIN_API_KEY": "canary", "KUCOIN_API_SECRET": "canary", "KUCOIN_API_PASSPHRASE": "canary "}',
            "the API passphrase holds a blank at an end",
        ),
        (
            OLD_VERSION,
            "the version of an API key is 2 or 3",
        ),
        (None, "does not exist"),
    ],
)
def test_a_file_of_keys_that_is_none(content: bytes | None, message: str, command: str, tmp_path: Path) -> None:
    """It names the file, and shows nothing of what is in it."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    path = folder / "keys.json"
    if content is not None:
        path.write_bytes(content)
    said = one_line(run(command, tmp_path, "--url", "http://127.0.0.1:1", "--keys", str(path)))

    assert (True, True, False) == (str(path) in said, message in said, "canary" in said)
    assert [folder] == list(tmp_path.iterdir())


def test_a_folder_is_no_file_of_keys(tmp_path: Path) -> None:
    """Nor is anything else that cannot be read."""
    said = one_line(run("snapshot", tmp_path, "--keys", str(tmp_path)))

    assert f"'--keys': File '{tmp_path}' is a directory" in said


# --- the clock ---


def test_a_clock_that_is_wrong_is_set_once(tmp_path: Path) -> None:
    """The venue's clock is an hour ahead: the command asks for it, and signs again."""
    with local_venue({"fault": "clock_skew", "ms": 3_600_000}, symbols=1) as venue:
        keys = venue.keys(tmp_path)
        result = run("snapshot", tmp_path, "--url", venue.url, "--keys", keys, "--format", "json")
        calls = venue.ask(lambda one: one.exchange.state()["rest_calls"])

    assert (0, "", "full") == (result.exit_code, result.stderr, objects(result)[0]["depth"])
    assert 3 == calls


def test_a_clock_that_cannot_be_set(tmp_path: Path) -> None:
    """It is refused again afterwards: one line, which names the remedy."""
    refusal = {"fault": "rest_error", "path": BOOK, "code": "400002", "msg": "KC-API-TIMESTAMP Invalid", "p": 1}
    with local_venue(refusal, symbols=1) as venue:
        said = one_line(run("snapshot", tmp_path, "--url", venue.url, "--keys", venue.keys(tmp_path)))

    assert "KC-API-TIMESTAMP Invalid; set this machine's clock right (NTP): the venue allows 5 s" in said


# --- the symbol ---


@pytest.mark.parametrize("command", COMMANDS)
def test_an_unknown_symbol(command: str, venue: Served, tmp_path: Path) -> None:
    """The near ones are named, and no file is left behind."""
    said = one_line(run(command, tmp_path, "--url", venue.url, symbol="BTC-USD"))

    assert said.startswith("kucoin has no symbol BTC-USD; did you mean BTC-USDT")
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("command", COMMANDS)
def test_a_symbol_in_small_letters(command: str, tmp_path: Path) -> None:
    """There is no doubt which one was meant, however like it others are."""
    with local_venue(symbols=("LTC-USDT", "BTC-USDT")) as venue:
        said = one_line(run(command, tmp_path, "--url", venue.url, symbol="btc-Usdt"))
        other = one_line(run(command, tmp_path, "--url", venue.url, symbol="BTC-USD"))

    assert "kucoin has no symbol btc-Usdt; did you mean BTC-USDT?" == said
    assert "kucoin has no symbol BTC-USD; did you mean BTC-USDT or LTC-USDT?" == other


def test_no_snapshot_of_a_listed_symbol_that_is_refused(tmp_path: Path) -> None:
    """The list of symbols explains nothing then: the venue's words are told."""
    refusal = {"fault": "rest_error", "path": "orderbook", "code": "900001", "msg": "symbol not exists", "p": 1}
    with local_venue(refusal, symbols=1) as venue:
        said = one_line(run("snapshot", tmp_path, "--url", venue.url))

    assert said.startswith("BTC-USDT: ")
    assert said.endswith("check its name, such as BTC-USDT, and that it trades")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("args", "symbol", "message"),
    [
        ((), "btcusdt", "'btcusdt' is not a KuCoin spot symbol; did you mean BTC-USDT?"),
        ((), "btc/usdt", "'btc/usdt' is not a KuCoin spot symbol; did you mean BTC-USDT?"),
        ((), "btc", "'btc' is not a KuCoin spot symbol; they look like BTC-USDT"),
        ((), "BTC-USDT\x1b[2J", "is not a KuCoin spot symbol"),
        (("--venue", "binance"), "BTC-USDT", "unknown venue 'binance'; known: kucoin"),
        (("--depth", "50"), "BTC-USDT", "'--depth': '50' is not one of '20', '100', 'full'"),
    ],
)
def test_what_cannot_mean_anything(
    args: tuple[str, ...], symbol: str, message: str, command: str, tmp_path: Path
) -> None:
    """A mistake on the command line is exit code 2; nothing is asked."""
    result = run(command, tmp_path, *args, symbol=symbol)

    assert message in one_line(result)
    assert (2, False) == (result.exit_code, "\x1b" in result.stderr)


@pytest.mark.parametrize("command", [("watch",), ("record", "--out", "day.jsonl.gz"), ("trades",), ("candles",)])
def test_no_symbol_at_all(command: tuple[str, ...]) -> None:
    """At least one is needed."""
    assert "Missing argument 'SYMBOL...'" in one_line(orderbook_command(*command))


# --- the file ---


def test_a_recording_is_not_overwritten_by_accident(venue: Served, tmp_path: Path) -> None:
    """It stays as it is."""
    out = tmp_path / "out.jsonl.gz"
    out.write_bytes(b"precious")
    said = one_line(run("record", tmp_path, "--url", venue.url))

    assert f"{out}: it exists; choose another name, or give --append or --overwrite" == said
    assert b"precious" == out.read_bytes()


def test_what_comes_to_nothing_overwrites_nothing(venue: Served, tmp_path: Path) -> None:
    """Nobody answers, no such symbol, a key that is refused: the old recording is there as before, and nothing else."""
    folder = tmp_path / "out"
    folder.mkdir()
    out = folder / "out.jsonl.gz"
    out.write_bytes(b"precious")
    wrong = venue.keys(tmp_path, passphrase="wrong")
    for symbol, *args in (
        ("BTC-USDT", "--url", "http://127.0.0.1:1"),
        ("BTC-USD", "--url", venue.url),
        ("BTC-USDT", "--url", venue.url, "--keys", wrong),
        ("BTC-USDT", "--url", "nonsense"),
    ):
        one_line(run("record", folder, *args, "--overwrite", symbol=symbol))
        assert [out] == list(folder.iterdir())
        assert b"precious" == out.read_bytes()


def test_a_device_is_not_moved_aside(venue: Served) -> None:
    """It is written to as it is, and is there afterwards."""
    one_line(orderbook_command("record", "BTC-USD", "--url", venue.url, "--out", "/dev/null", "--overwrite"))

    assert Path("/dev/null").is_char_device()


def test_what_is_no_recording_is_not_continued(venue: Served, tmp_path: Path) -> None:
    """It stays as it is."""
    out = tmp_path / "out.jsonl.gz"
    out.write_bytes(b"precious")
    said = one_line(run("record", tmp_path, "--url", venue.url, "--append"))

    assert said.startswith(f"{out}: ")
    assert b"precious" == out.read_bytes()


def test_append_and_overwrite_contradict_each_other(venue: Served, tmp_path: Path) -> None:
    """Neither is done."""
    said = one_line(run("record", tmp_path, "--url", venue.url, "--append", "--overwrite"))

    assert said.startswith("--append and --overwrite contradict each other")


def test_a_recording_needs_its_folder(venue: Served, tmp_path: Path) -> None:
    """It names the file."""
    out = tmp_path / "none" / "out.jsonl.gz"
    said = one_line(orderbook_command("record", "BTC-USDT", "--url", venue.url, "--out", str(out)))

    assert said.startswith(f"{out}: No such file or directory")


def test_a_log_that_cannot_be_written(venue: Served, tmp_path: Path) -> None:
    """It names the file; the command does not begin."""
    log = tmp_path / "none" / "orderbook.log"
    said = one_line(orderbook_command("--log", str(log), "watch", "BTC-USDT", "--url", venue.url))

    assert f"{log}: No such file or directory" == said


# --- the venue ---


@pytest.mark.parametrize("command", ["watch", "record"])
def test_a_venue_that_does_not_answer_in_time(command: str, tmp_path: Path) -> None:
    """The time counts from the start: what was not open by then is an error, not an empty success."""
    with local_venue({"fault": "hang", "p": 1.0}, symbols=1) as venue:
        said = one_line(run(command, tmp_path, "--url", venue.url, "--seconds", "0.2"))

    assert "the venue did not answer within the 0.2 s of --seconds" == said
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["watch", "record"])
def test_why_a_venue_did_not_answer_in_time(command: str, tmp_path: Path) -> None:
    """What was wrong with the last attempt is told, however little time there was for attempts."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Caller, "_pause_s", lambda *_: 60.0)
        said = one_line(run(command, tmp_path, "--url", f"http://127.0.0.1:{port}", "--seconds", "0.2"))

    reason = f"127.0.0.1:{port} cannot be reached (Connection refused); check the network"
    assert said.startswith(f"the venue did not answer within the 0.2 s of --seconds: {reason}")
    assert [] == list(tmp_path.iterdir())


def test_a_venue_that_is_busy(tmp_path: Path) -> None:
    """It was asked several times; then its words are told."""
    with local_venue({"fault": "html", "status": 503, "p": 1}, symbols=1) as venue:
        said = one_line(run("watch", tmp_path, "--url", venue.url))

    assert said.startswith("the server sent a page of HTML with status 503; ")
