"""The demo: the real client against the local KuCoin, whose verdict is that of a comparison which can fail."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import Result

from orderbook.cli import demo
from orderbook.errors import OrderBookError
from orderbook.feed.errors import FeedClosed, NotReady
from orderbook.feed.feed import Feed
from orderbook.simulator.faults import FaultPlan
from orderbook.simulator.profiles import PROFILES
from orderbook.simulator.server import LocalKuCoin
from orderbook.types import BookState
from tests.commands import objects, orderbook_command

PROMISED = ("frames", "applied", "resyncs", "equal_to_truth")


def summary_of(result: Result) -> dict[str, Any]:
    """The one object on stdout."""
    (told,) = objects(result)
    return told


def planned(folder: Path, *faults: dict[str, Any]) -> str:
    """The name of a file with these faults."""
    path = folder / "plan.json"
    path.write_text(json.dumps(faults))
    return str(path)


def test_the_summary_is_one_object_and_true() -> None:
    """With JSON, stdout holds nothing else, and the lines that show life go to stderr; all is equal, and was read."""
    result = orderbook_command("demo", "--seconds", "1", "--format", "json", "--symbols", "2")
    told = summary_of(result)

    assert (0, 1, True) == (result.exit_code, result.stdout.count("\n"), told["equal_to_truth"])
    assert set(PROMISED) <= told.keys()
    assert told["frames"] >= told["applied"] > 10
    assert {"all": 2, "live": 2, "equal": 2} == told["books"]
    assert (0, True) == (told["reads"]["wrong"], told["reads"]["equal"] > 0)
    assert 1 <= told["seconds"] < 20
    assert {} == told["violations"]
    assert {"BTC-USDT", "ETH-USDT"} == {line.split()[0] for line in result.stderr.splitlines()}


def test_the_table_says_the_same() -> None:
    """A line a symbol, and the verdict in words; nothing goes wrong if nothing shall."""
    result = orderbook_command("demo", "--seconds", "1", "--symbols", "2", "--calm", "--keyless")
    lines = result.stdout.splitlines()

    assert (0, "") == (result.exit_code, result.stderr)
    assert lines[0].split()[0] == "BTC-USDT"
    assert "what went wrong on purpose: none" == lines[-4]
    assert lines[-3].startswith("what the client made of it: 0 gaps, ")
    assert lines[-2].endswith(" refused while a book was not LIVE")
    assert "at the end: 2 of 2 books LIVE and equal to the truth" == lines[-1]


@pytest.mark.parametrize(
    ("args", "profile", "rate"),
    [
        ((), "normal", demo.RATE),
        (("--rate", "30"), "normal", 30),
        (("--profile", "normal"), "normal", None),
        (("--profile", "illiquid"), "illiquid", None),
        (("--profile", "storm", "--rate", "5"), "storm", 5),
    ],
)
def test_a_market_that_is_chosen_keeps_its_rate(
    args: tuple[str, ...], profile: str, rate: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless another is given; the demo's own rate is for whoever chooses nothing."""
    made: dict[str, Any] = {}

    class Made(Exception):
        """The venue would have been started."""

    def venue(**given: Any) -> None:
        made.update(given)
        raise Made

    monkeypatch.setattr(demo, "LocalKuCoin", venue)
    assert isinstance(orderbook_command("demo", *args).exception, Made)
    assert (profile, rate) == (made["profile"].name, made["rate"])


@pytest.mark.parametrize("profile", ["tick_change", "delist", "reset"])
def test_what_is_particular_of_a_market_is_seen_soon(profile: str) -> None:
    """It happens before the demo ends by itself where nobody looks; otherwise the market is the same."""
    known = PROFILES[profile]
    market = known.sooner(demo.SOONER)

    assert (20_000, 4_000) == tuple(min(cast("int", entry["at_ms"]) for entry in one.plan) for one in (known, market))
    assert 4_000 < demo.SECONDS_ELSEWHERE * 1_000
    assert known == replace(market, plan=known.plan)


def test_symbols_that_go_are_seen_to_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """The books are HALTED meanwhile, not merely quiet, and come back."""
    market = replace(PROFILES["normal"], plan=({"fault": "delist", "at_ms": 1_000, "ms": 2_500},))
    monkeypatch.setattr(demo, "PROFILES", {"normal": market})
    monkeypatch.setattr(demo, "SOONER", 1)
    result = orderbook_command("demo", "--seconds", "4", "--symbols", "1", "--calm", "--format", "json")
    told = summary_of(result)

    assert (0, {"delist": 1}) == (result.exit_code, told["faults"])
    assert "BTC-USDT HALTED  not traded at the moment  " in result.stderr


def test_without_a_key_the_books_have_a_horizon() -> None:
    """They are compared as far as they are known."""
    result = orderbook_command("demo", "--seconds", "1", "--symbols", "1", "--keyless", "--format", "json")
    told = summary_of(result)

    assert (0, True) == (result.exit_code, told["equal_to_truth"])
    assert told["reads"]["equal"] > 10


def test_a_venue_that_lies_is_found_out(tmp_path: Path) -> None:
    """Every other delta has a wrong size, and nothing in it shows that: wrong reads are counted, the exit code is 1."""
    plan = planned(tmp_path, {"fault": "corrupt", "every": 2})
    result = orderbook_command("demo", "--seconds", "1", "--symbols", "2", "--format", "json", "--faults", plan)
    told = summary_of(result)

    assert (1, False) == (result.exit_code, told["equal_to_truth"])
    assert told["reads"]["wrong"] > 0
    assert told["books"]["equal"] < told["books"]["live"] == told["books"]["all"]
    assert ["corrupt"] == list(told["faults"])


def test_a_venue_that_counts_anew_is_no_liar(tmp_path: Path) -> None:
    """Books are compared with the count that their sequence belongs to, the old one or the new one."""
    plan = planned(tmp_path, {"fault": "sequence_reset", "at_ms": 400, "base": 7})
    result = orderbook_command("demo", "--seconds", "1", "--symbols", "2", "--format", "json", "--faults", plan)
    told = summary_of(result)

    assert (0, True) == (result.exit_code, told["equal_to_truth"])
    assert {"sequence_reset": 2} == told["faults"]
    assert told["resyncs"] >= 2


def test_books_that_never_are_live_say_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the start, not only at the end; nothing compared is not equal."""
    monkeypatch.setattr(demo, "SETTLE_S", 0.1)
    plan = planned(tmp_path, {"fault": "lost_welcome", "for_ms": 60_000})
    result = orderbook_command("demo", "--seconds", "0.2", "--symbols", "1", "--format", "json", "--faults", plan)
    told = summary_of(result)
    first, last = result.stderr.splitlines()

    assert (1, False, {"all": 1, "live": 0, "equal": 0}) == (result.exit_code, told["equal_to_truth"], told["books"])
    assert first.startswith("BTC-USDT CONNECTING  ")
    assert last.startswith("the book of BTC-USDT is not ready: CONNECTING, ")


def test_a_book_that_does_not_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was right before: a book that is not LIVE at the end is not equal to anything."""
    monkeypatch.setattr(demo, "SETTLE_S", 1)
    plan = planned(tmp_path, {"fault": "disconnect", "at_ms": 700}, {"fault": "refuse", "at_ms": 600, "for_ms": 60_000})
    args = ("--seconds", "0.8", "--symbols", "1", "--format", "json", "--faults", plan)
    result = orderbook_command("demo", *args)
    told = summary_of(result)

    assert (1, False, {"all": 1, "live": 0, "equal": 0}) == (result.exit_code, told["equal_to_truth"], told["books"])
    assert (0, True) == (told["reads"]["wrong"], told["reads"]["refused"] > 0)
    assert result.stderr.splitlines()[-1].startswith("the book of BTC-USDT is not ready: ")


class Waiting:
    """A feed whose books are LIVE, or not, when all of them are waited for."""

    def __init__(self, outcome: Exception | None) -> None:
        self.symbols = ("A-B", "C-D")
        self.waited: list[str] = []
        self.all_wait = asyncio.Event()
        self.outcome = outcome

    async def ready(self, symbol: str, timeout_s: float) -> None:
        assert demo.SETTLE_S == timeout_s
        self.waited.append(symbol)
        if len(self.waited) == len(self.symbols):
            self.all_wait.set()
        await self.all_wait.wait()
        if self.outcome is not None:
            raise self.outcome


@pytest.mark.parametrize("outcome", [None, NotReady("A-B", BookState.SYNCING, "waiting"), FeedClosed("closed")])
async def test_books_settle_side_by_side(outcome: Exception | None, capsys: pytest.CaptureFixture[str]) -> None:
    """However many there are, the end waits once; what is not in time is told, and no other error is passed over."""
    witness = demo.Witness(cast("LocalKuCoin", None), cast("Feed", Waiting(outcome)))
    async with asyncio.timeout(10):
        if isinstance(outcome, FeedClosed):
            with pytest.raises(FeedClosed):
                await witness.settle()
        else:
            await witness.settle()

    assert (2 if isinstance(outcome, NotReady) else 0) == capsys.readouterr().err.count(
        "is not ready: SYNCING, waiting"
    )


def test_a_comparison_that_fails_is_not_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """No verdict comes of it."""

    def broken(*_: object) -> bool:
        raise OrderBookError("no truth here")

    monkeypatch.setattr(demo.Witness, "is_equal", broken)
    result = orderbook_command("demo", "--seconds", "0.3", "--symbols", "1", "--format", "json")

    assert (1, "") == (result.exit_code, result.stdout)
    assert "orderbook: error: no truth here" == result.stderr.splitlines()[-1]


def test_stopped_before_it_began(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nothing to sum up."""

    @asynccontextmanager
    async def already() -> AsyncIterator[asyncio.Event]:
        stop = asyncio.Event()
        stop.set()
        yield stop

    monkeypatch.setattr(demo, "stop_signals", already)
    result = orderbook_command("demo", "--format", "json")

    assert (130, "", "orderbook: warning: interrupted") == (result.exit_code, result.stdout, result.stderr.strip())


# --- how long ---


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[LocalKuCoin, float, bool]]]:
    """What the demo would do: venue, seconds, and whether without a key."""
    calls = []

    async def note(venue: LocalKuCoin, seconds: float, _form: str, *, is_keyless: bool) -> bool:
        calls.append((venue, seconds, is_keyless))
        return True

    monkeypatch.setattr(demo, "_demo", note)
    yield calls
    assert 1 == len(calls)


@pytest.mark.parametrize(
    ("args", "drawn", "seconds"),
    [
        ([], False, 10.0),
        (["--format", "json"], False, 10.0),
        (["--format", "json"], True, 10.0),
        ([], True, float("inf")),
        (["--seconds", "2.5"], True, 2.5),
        (["--seconds", "60"], False, 60.0),
    ],
)
def test_it_ends_by_itself_where_nobody_looks(
    args: list[str],
    drawn: bool,
    seconds: float,
    asked: list[tuple[LocalKuCoin, float, bool]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After ten seconds; on a terminal it goes on until somebody has seen enough."""
    monkeypatch.setattr(demo, "can_draw", lambda: drawn)
    result = orderbook_command("demo", *args)

    assert (0, seconds, False) == (result.exit_code, asked[0][1], asked[0][2])


@pytest.mark.parametrize(
    ("args", "count"), [([], len(demo.FAULTS)), (["--calm"], 0), (["--keyless"], len(demo.FAULTS))]
)
def test_what_goes_wrong_unless_it_is_calm(
    args: list[str], count: int, asked: list[tuple[LocalKuCoin, float, bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deltas are lost, repeated and swapped, a snapshot is old, the connection goes; or nothing of that."""
    plans = []
    real = FaultPlan.__init__

    def note(plan: FaultPlan, entries: Any = ()) -> None:
        plans.append(entries)
        real(plan, entries)

    monkeypatch.setattr(FaultPlan, "__init__", note)
    orderbook_command("demo", *args)

    assert count == len(plans[0])
    assert ("--keyless" in args) == asked[0][2]


# --- bad input ---


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["--calm", "--faults", os.devnull], 2, "--calm and --faults contradict each other"),
        (["--faults", "no such file"], 2, "'--faults': Path 'no such file' does not exist"),
        (["--faults", os.devnull], 2, f"{os.devnull}: the fault plan is empty; write ["),
        (["--symbols", "0"], 2, "'--symbols': 0 is not in the range"),
        (["--rate", "nan"], 2, "a market's rate is above 0 deltas a second"),
        (["--profile", "wild"], 2, "'--profile': 'wild' is not one of 'normal'"),
        (["--seconds", "0"], 2, "'--seconds': '0' is not a positive number of seconds"),
        (["--seconds", "inf"], 2, "'--seconds': 'inf' is not a positive number of seconds"),
        (["surplus"], 2, "unexpected extra argument (surplus)"),
    ],
)
def test_bad_input_is_one_line(args: list[str], code: int, message: str) -> None:
    """It names the remedy; no traceback, nothing on stdout."""
    result = orderbook_command("demo", *args)

    assert message in result.stderr
    assert (code, "", 1) == (result.exit_code, result.stdout, result.stderr.count("\n"))


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"fault": "drp"}, "entry 1 ('drp'): no such fault; did you mean drop?"),
        ({"fault": "drop", "q": 1}, "entry 1 ('drop'): no such knob 'q'; it has "),
        ({"fault": "drop", "scope": "NO-SUCH"}, "no symbol NO-SUCH here"),
    ],
)
def test_a_wrong_plan_names_its_entry(entry: dict[str, Any], message: str, tmp_path: Path) -> None:
    """And nothing starts."""
    result = orderbook_command("demo", "--faults", planned(tmp_path, entry))

    assert message in result.stderr
    assert (2, "", 1) == (result.exit_code, result.stdout, result.stderr.count("\n"))
