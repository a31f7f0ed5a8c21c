"""``orderbook simulate``: a server that says how to reach it, tells what happens, and ends cleanly."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from orderbook.errors import UsageError
from orderbook.simulator.faults import FAULTS, FaultPlan
from orderbook.simulator.profiles import PROFILES
from tests.commands import BUNDLED, objects, orderbook_command
from tests.local_venue import local_venue
from tests.state_table import README
from tests.test_cli_process import environment, started


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["--symbols", "0"], 2, "'--symbols': 0 is not a number of symbols from 1 to 1000"),
        (["--symbols", "9" * 5000], 2, "is not a number of symbols from 1 to 1000"),
        (["--symbols", "btcusdt"], 2, "'btcusdt' is not a KuCoin spot symbol"),
        (["--symbols", "A-B,"], 2, "'' is not a KuCoin spot symbol"),
        (["--symbols", "A-B,A-B"], 2, "'--symbols': a symbol stands twice"),
        (["--symbols", "btc-usdt,ETH-USDT"], 2, "as KuCoin's symbols are; did you mean BTC-USDT,ETH-USDT?"),
        (["--rate", "nan"], 2, "'--rate': nan is not a positive number"),
        (["--rate", "0"], 2, "'--rate': 0.0 is not a positive number"),
        (["--speed", "0"], 2, "'--speed': 0.0 is not in the range"),
        (["--port", "70000"], 2, "'--port': 70000 is not in the range"),
        (["--profile", "wild"], 2, "'--profile': 'wild' is not one of 'normal', 'quiet'"),
        (["--capture", BUNDLED, "--rate", "5"], 2, "--rate is for a made market; a capture has --speed"),
        (["--capture", BUNDLED, "--profile", "normal"], 2, "--profile is of a made market; a capture is what it is"),
        (["--speed", "1"], 2, "--speed and --repeat are for a --capture; a made market has --rate"),
        (["--repeat"], 2, "--speed and --repeat are for a --capture; a made market has --rate"),
        (["--capture", BUNDLED, "--symbols", "5"], 2, "name the --symbols of the capture that you want"),
        (["--capture", BUNDLED, "--symbols", "A-B"], 1, "it holds no snapshot of A-B"),
        (["--capture", "no such file"], 2, "'--capture': Path 'no such file' does not exist"),
        (["--faults", "no such file"], 2, "'--faults': Path 'no such file' does not exist"),
        (["--faults", os.devnull], 2, f"{os.devnull}: the fault plan is empty; write [{{"),
        (["--host", "0.0.0.0"], 2, "'0.0.0.0' is not a loopback address"),
    ],
)
def test_bad_input_is_one_line_with_the_remedy(args: list[str], code: int, message: str) -> None:
    """No traceback, nothing on stdout, never exit code 0."""
    result = orderbook_command("simulate", *args)

    assert message in result.stderr
    assert (code, "", 1) == (result.exit_code, result.stdout, result.stderr.count("\n"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'[{"fault": "drp"}]', "entry 1 ('drp'): no such fault; did you mean drop?"),
        (
            b'[{"fault": "drop", "scope": "NO-SUCH"}]',
            "plan.json: fault plan, entry 1 (drop): no symbol NO-SUCH here; there is BTC-",
        ),
        (b"\xef\xbb\xbf" + b'[{"fault": "drp"}]', "entry 1 ('drp'): no such fault"),  # as some editors save it
        (b"\xff", "the fault plan is not UTF-8"),
    ],
)
def test_a_wrong_plan_names_its_entry(content: bytes, message: str, tmp_path: Path) -> None:
    """And the server does not start."""
    path = tmp_path / "plan.json"
    path.write_bytes(content)
    result = orderbook_command("simulate", "--faults", str(path))

    assert message in result.stderr
    assert (2, "", 1) == (result.exit_code, result.stdout, result.stderr.count("\n"))


def test_an_entry_that_never_struck_is_told(tmp_path: Path) -> None:
    """A bot's test that passes because of that proves nothing. Another entry of the same fault does not count."""
    path = tmp_path / "plan.json"
    struck, never = {"fault": "tick_change", "at_ms": 0}, {"fault": "tick_change", "at_ms": 900_000}
    path.write_text(json.dumps([{"fault": "rest_error", "path": "/nope"}, struck, never, dict(never)]))
    result = orderbook_command("simulate", "--seconds", "0.05", "--faults", str(path))
    assert 0 == result.exit_code
    missed = "entry 1 (rest_error), entry 3 (tick_change), entry 4 (tick_change)"
    assert f"orderbook: warning: never struck: {missed}" == result.stderr.strip()


def test_a_port_in_use_is_one_line() -> None:
    """It names the port, and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = orderbook_command("simulate", "--port", str(port))

    message = f"port {port} of 127.0.0.1: in use; stop what listens there, or choose another port (0: any free)"
    assert (1, f"orderbook: error: {message}\n", "") == (result.exit_code, result.stderr, result.stdout)


def test_every_fault_is_listed() -> None:
    """One line each, with its knobs and what a knob can be; then the knobs that all of them have."""
    faults, _, common = orderbook_command("simulate", "--list-faults").stdout.partition("\n\n")
    lines = faults.splitlines()

    assert list(FAULTS) == [line.split()[0] for line in lines]
    assert "[how=abort|close code=1001 reason=]" in next(line for line in lines if line.startswith("disconnect"))
    assert "[base=1 back= close=false]" in next(line for line in lines if line.startswith("sequence_reset"))
    assert "[ms=100 jitter_ms=0 computed=early|late]" in next(
        line for line in lines if line.startswith("delayed_snapshot")
    )
    explained = {line.split()[0] for line in common.splitlines() if line.startswith("  ")}
    assert {"p", "nth", "every", "every_ms", "times", "at_ms", "for_ms", "on", "scope"} == explained


def test_every_fault_is_listed_for_programs_too() -> None:
    """One object a line: where it strikes, and of each knob the default, the type and what it can be."""
    listed = {one["fault"]: one for one in objects(orderbook_command("simulate", "--list-faults", "--format", "json"))}

    assert list(FAULTS) == list(listed)
    assert all(set(kind.knobs) == set(listed[name]["knobs"]) for name, kind in FAULTS.items())
    assert ("time", FAULTS["disconnect"].does) == (listed["disconnect"]["strikes_at"], listed["disconnect"]["does"])
    knobs = listed["disconnect"]["knobs"]
    assert {"default": "abort", "type": "str", "choices": ["abort", "close"]} == knobs["how"]
    assert {"default": 1001, "type": "int"} == knobs["code"]


def test_the_help_and_the_readme_have_every_profile() -> None:
    """With what it is for."""
    told = orderbook_command("simulate", "--help").stdout.partition("Profiles of a made market:")[2].partition(".\n")[0]
    readme = README.read_text(encoding="utf-8").partition("`--profile` says")[2].partition("\n\n")[0]

    assert [] == [name for name in PROFILES if name not in re.findall(r"\w+", told)]
    assert [] == [name for name in PROFILES if f"`{name}`" not in readme]


@pytest.mark.parametrize("name", ["p", "nth", "every", "every_ms", "times", "at_ms", "for_ms", "on", "scope"])
def test_no_other_knob_is_common(name: str) -> None:
    """The list is that of the plan's own refusal of a knob that there is not."""
    with pytest.raises(UsageError) as caught:
        FaultPlan([{"fault": "mute", "nonsense": 1}])

    told = str(caught.value).partition("it has ")[2].split(", ")
    assert (9, True) == (len(told), name in told)


# --- the key ---


def test_its_key_reaches_other_commands(tmp_path: Path) -> None:
    """By a file for nobody else to read, which the announcement names."""
    path = tmp_path / "local.json"
    args = ("simulate", "--seconds", "0.02", "--seed", "5", "--keys-file", str(path))
    lines = orderbook_command(*args).stdout.splitlines()
    again = objects(orderbook_command(*args, "--format", "json"))[0]
    with local_venue(symbols=1, seed=5) as venue:
        url = ("--url", venue.url, "--keys", str(path), "--depth", "full")
        result = orderbook_command("snapshot", "BTC-USDT", *url, "--format", "json")

    assert (0, "full") == (result.exit_code, objects(result)[0]["depth"])
    assert 0o600 == path.stat().st_mode & 0o777
    assert [path] == list(tmp_path.iterdir())
    assert str(path) == again["keys_file"]
    (said,) = (line for line in lines if "command line:" in line)
    assert said.endswith(f"--keys {path}")


@pytest.mark.parametrize(
    "content",
    [
        b"precious",
        b"[]",
        b"\xff",
        b'{"KUCOIN_API_KEY": "mine", "KUCOIN_API_SECRET": "x", "KUCOIN_API_PASSPHRASE": "y"}',
    ],
)
def test_what_is_not_its_file_of_keys_stays(content: bytes, tmp_path: Path) -> None:
    """Such as a key that is worth something."""
    path = tmp_path / "keys.json"
    path.write_bytes(content)
    result = orderbook_command("simulate", "--seconds", "0.02", "--keys-file", str(path))

    assert (2, content, [path]) == (result.exit_code, path.read_bytes(), list(tmp_path.iterdir()))
    assert f"{path}: it exists, and `orderbook simulate` did not write it; choose another name" in result.stderr
    assert ("", 1) == (result.stdout, result.stderr.count("\n"))


def test_a_link_to_a_file_of_keys_is_not_followed(tmp_path: Path) -> None:
    """Wherever it leads."""
    path = tmp_path / "keys.json"
    path.symlink_to(tmp_path / "elsewhere.json")
    result = orderbook_command("simulate", "--seconds", "0.02", "--keys-file", str(path))

    assert (2, True, [path]) == (result.exit_code, path.is_symlink(), list(tmp_path.iterdir()))


def test_a_file_of_keys_needs_its_folder(tmp_path: Path) -> None:
    """It names the folder."""
    result = orderbook_command("simulate", "--seconds", "0.02", "--keys-file", str(tmp_path / "none" / "keys.json"))

    assert (2, "", 1) == (result.exit_code, result.stdout, result.stderr.count("\n"))
    assert f"there is no directory {tmp_path / 'none'}" in " ".join(result.stderr.split())


# --- encryption ---


def test_its_certificate_reaches_other_commands(tmp_path: Path) -> None:
    """Two processes: one serves over TLS alone, the other trusts the file of the first and reads a book."""
    ca, keys = tmp_path / "our ca.pem", tmp_path / "keys.json"
    with started("simulate", "--format", "json", "--tls", "--ca-file", str(ca), "--keys-file", str(keys)) as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        url = ("--url", told["url"], "--keys", str(keys), "--depth", "full", "--format", "json")
        results = []
        for trusted in ({"SSL_CERT_FILE": str(ca)}, {}):
            with started("snapshot", "BTC-USDT", *url, env=environment() | trusted) as other:
                stdout, stderr = other.communicate(timeout=60)
                results.append((other.returncode, stdout, stderr))
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)

    assert (0, "full") == (results[0][0], json.loads(results[0][1])["depth"])
    assert (1, b"") == results[1][:2]
    assert b"is not trusted (unable to get local issuer certificate)" in results[1][2]
    assert results[1][2].endswith(b"name the file of its certificate in the environment: SSL_CERT_FILE=FILE\n")
    assert (str(ca), "https://127.0.0.1:") == (told["ca_file"], told["url"][:18])
    assert {ca, keys} == set(tmp_path.iterdir())


def test_how_to_trust_it_is_told(tmp_path: Path) -> None:
    """For the command line, and in Python; a file of ours is replaced."""
    path = tmp_path / "ca.pem"
    args = ("simulate", "--seconds", "0.02", "--tls", "--ca-file", str(path))
    orderbook_command(*args)
    first = path.read_text()
    said = orderbook_command(*args).stdout
    second = path.read_text()
    trusting = ssl.create_default_context(cafile=str(path))

    assert f"command line: SSL_CERT_FILE={path} orderbook watch" in said
    assert f"tls=ssl.create_default_context(cafile='{path}'))\n" in said
    assert 1 == len(trusting.get_ca_certs())
    assert first != second
    assert "PRIVATE KEY" not in second


@pytest.mark.parametrize("content", [b"precious", b"", b"-----BEGIN CERTIFICATE-----\nanother one"])
def test_what_is_not_its_certificate_stays(content: bytes, tmp_path: Path) -> None:
    """Such as the authority of somebody else."""
    path = tmp_path / "ca.pem"
    path.write_bytes(content)
    result = orderbook_command("simulate", "--seconds", "0.02", "--tls", "--ca-file", str(path))

    assert (2, content, [path]) == (result.exit_code, path.read_bytes(), list(tmp_path.iterdir()))
    assert f"{path}: it exists, and `orderbook simulate` did not write it; choose another name" in result.stderr
    assert ("", 1) == (result.stdout, result.stderr.count("\n"))


@pytest.mark.parametrize("args", [("--tls",), ("--ca-file", "ca.pem")])
def test_encryption_needs_both_options(args: tuple[str, ...]) -> None:
    """Without the file nobody could trust it, without encryption nobody would need it."""
    result = orderbook_command("simulate", "--seconds", "0.02", *args)

    assert (2, "") == (result.exit_code, result.stdout)
    assert "--tls and --ca-file go together" in result.stderr


def test_it_ends_by_itself_after_its_time() -> None:
    """The address, a key, a line, and the summary."""
    result = orderbook_command("simulate", "--seconds", "0.02", "--symbols", "7")
    lines = result.stdout.splitlines()

    assert (0, "") == (result.exit_code, result.stderr)
    assert lines[0].startswith("orderbook simulate: a KuCoin at http://127.0.0.1:")
    assert lines[0].endswith("with BTC-USDT, ETH-USDT, SOL-USDT, XRP-USDT, KCS-USDT and 2 more")
    assert {"KUCOIN_API_KEY", "KUCOIN_API_SECRET", "KUCOIN_API_PASSPHRASE"} == {
        line.strip().partition("=")[0] for line in lines if line.startswith("  KUCOIN")
    }
    assert ["faults injected: none", "limits violated by clients: none"] == lines[-2:]


def test_a_capture_is_played() -> None:
    """Its symbols, or some of them."""
    everything, one = (
        objects(orderbook_command("simulate", "--seconds", "0.02", "--format", "json", "--capture", BUNDLED, *args))
        for args in ((), ("--symbols", "FET-BTC", "--speed", "10", "--repeat"))
    )

    assert ["BCHSV-USDT", "CAPP-BTC", "DAPPT-BTC", "FET-BTC", "NRG-BTC"] == everything[0]["symbols"]
    assert ["FET-BTC"] == one[0]["symbols"]


def fetched(url: str) -> Any:
    """The JSON there, whatever the status."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return json.load(error)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(number: signal.Signals, tmp_path: Path) -> None:
    """A process of its own: it serves, and sums up what was injected and what clients did wrong."""
    path = tmp_path / "plan.json"
    path.write_text('[{"fault": "rest_error", "nth": 1}]')
    with started("simulate", "--format", "json", "--faults", str(path), "--seed", "3") as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        codes = [fetched(f"{told['url']}/api/v1/timestamp")["code"] for _ in range(2)]
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=60)
    summary = json.loads(stdout)

    assert (0, ["500000", "200000"]) == (process.returncode, codes)
    assert ({"rest_error": 1}, {}, 2) == (summary["injected"], summary["violations"], summary["rest_calls"])
    assert all(b"connections 0" in line for line in stderr.splitlines())
