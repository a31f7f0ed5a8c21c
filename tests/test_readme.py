"""The README tells the truth: its code runs, its table is the code's, its commands exist."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from click.testing import CliRunner

import orderbook
from orderbook.cli import main
from orderbook.cli.app import COMMANDS
from orderbook.feed.streaming import Streams
from orderbook.simulator.server import LocalKuCoin
from orderbook.testing import FaultPlan, VirtualKuCoin, in_virtual_time
from tests.feed_world import eventually
from tests.own_orders import listed, update
from tests.state_table import PAGE, README, with_table
from tests.stream_world import StreamVenue, feed_of, played, trade
from tests.waiting import elapse

TEXT: Final = README.read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


def program(part: str) -> str:
    """The one in Python that has this part."""
    (found,) = [one for one in blocks("python") if part in one]
    return found


def test_the_program_runs_and_prints_what_its_comments_say() -> None:
    """Every expression with a comment that is a value has that value."""
    shown = program("as REST answered")
    scope: dict[str, object] = {}
    exec(compile(shown, "README.md", "exec"), scope)
    promised = re.findall(r"^(book\.\S+) +# (Level\(.*\))$", shown, re.MULTILINE)
    assert len(promised) == 2
    for expression, value in promised:
        assert value == repr(eval(expression, scope))


async def test_the_live_program_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """As shown, but for the address: against a local KuCoin it prints the touch twice, and ends."""
    async with LocalKuCoin(symbols=["BTC-USDT", "ETH-USDT"], seed=1) as venue:
        local = partial(orderbook.open_feed, url=venue.url, credentials=venue.credentials)
        monkeypatch.setattr(orderbook, "open_feed", local)
        code = compile(program("feed.updates("), "README.md", "exec")
        await asyncio.to_thread(exec, code, {})

    ready, update = capsys.readouterr().out.splitlines()
    assert 2 == ready.count("Level(price=")
    assert 2 == update.count("Level(price=")


def test_the_streams_are_read(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """As shown: a trade is printed, then that some may be missing, from when on none are any more, and the next."""
    venue, programs = StreamVenue(), list[Coroutine[Any, Any, None]]()
    with monkeypatch.context() as patched:
        patched.setattr(orderbook, "open_feed", lambda _name: feed_of(venue))
        patched.setattr(asyncio, "run", programs.append)
        exec(compile(program("feed.trades("), "README.md", "exec"), {})

        async def story() -> None:
            reading = asyncio.create_task(programs[0])
            for number in (1, 2):
                await eventually(partial(venue.has_asked, number))
                venue.sockets[-1].bring(trade(number))
                venue.sockets[-1].hang_up()
            await elapse(60)
            reading.cancel()

        played(story)

    lines = capsys.readouterr().out.splitlines()
    assert ["BTC-USDT buy 67010 0.01 1767690000123456789"] * 2 == [line for line in lines if line.startswith("BTC")]
    assert [False, True, False, True] == [line.endswith("True") for line in lines if line.startswith("(")]


def test_the_streams_of_a_recording_are_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the root of a checkout, as shown, with the numbers that the comment tells."""
    monkeypatch.chdir(README.parent)
    shown = program("read_streams(")
    scope: dict[str, Any] = {}
    exec(compile(shown, "README.md", "exec"), scope)
    streams = scope["streams"]
    told = [int(number) for number in re.findall(r"\d+", shown.rpartition("#")[2])]
    paths = ("/market/ticker", "/market/match", "/market/candles")
    assert [*(streams.messages[path] for path in paths), streams.rejected] == told
    assert sum(told) + 1 == len(capsys.readouterr().out.splitlines())


def test_the_table_of_streams_is_the_feeds() -> None:
    """Each row is a method that there is; none is missing."""
    table = TEXT.partition("### Streams beside the book")[2].partition("\n\nThe types are")[0]
    shown = set(re.findall(r"`(?:await )?feed\.(\w+)\(", table.partition("| |")[2]))
    methods = {name for name in vars(Streams) if not name.startswith("_")} - {"start", "look", "end"}
    assert methods == shown
    assert all(callable(getattr(orderbook.open_feed("kucoin"), name)) for name in methods)


def test_the_replay_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the root of a checkout, as shown."""
    monkeypatch.chdir(README.parent)
    exec(compile(program("replay(capture)"), "README.md", "exec"), {})


def test_every_program_is_run_here() -> None:
    """As many as there are names for."""
    source = Path(__file__).read_text(encoding="utf-8")
    assert len(blocks("python")) == len(set(re.findall(r'program\("(.+?)"\)', source)))


async def test_own_orders_are_left_out() -> None:
    """As shown: refused before the orders were read, and then without them."""
    scope: dict[str, Any] = {}
    exec(compile(program("as REST answered"), "README.md", "exec"), scope)
    exec(compile(program("without_own("), "README.md", "exec"), scope)
    with pytest.raises(orderbook.OrdersNotSynced):
        scope["ask"]("a")

    class Listing:
        async def open_orders(self) -> list[orderbook.OwnOrder]:
            return [listed("a", price="67012.3", remaining_size="0.00031")]

    await scope["read"](Listing())
    scope["told"](update("match", "a", price="67012.3", remaining_size="0.0003"))
    best, imbalance, is_settled, ahead = scope["ask"]("a")
    assert (67012.3, 0.00301) == best
    assert -1 < imbalance < 0
    assert not is_settled
    assert 0 == ahead.most


def test_many_frames_are_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the root of a checkout, as shown: the book is LIVE in the end, and its numbers are there."""
    monkeypatch.chdir(README.parent)
    scope: dict[str, Any] = {}
    exec(compile(program("import numpy"), "README.md", "exec"), scope)
    day = scope["day"]
    assert day.live.all()
    assert (len(day), 10, 2) == day.bids.shape
    assert not np.isnan(day["imbalance"]).any()
    assert scope["sync"].book.mid == day["mid"][-1]


def test_conditions_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    """As shown, in virtual time; and so can every condition of the table be read."""

    async def react(venue: VirtualKuCoin) -> None:
        scope: dict[str, Any] = {"orderbook": orderbook}
        exec(compile(program("feed.when("), "README.md", "exec"), scope)
        async with venue.open_feed() as feed:
            await scope["react"](feed)

    in_virtual_time(react)(VirtualKuCoin(symbols=["BTC-USDT"], rate=20, seed=1))
    waited, told = capsys.readouterr().out.splitlines()
    assert 1 == waited.count("Level(price=")
    assert 3 == told.count("Level(price=")
    texts = re.findall(r'^\| `"(.*)"` \|', TEXT, re.MULTILINE)
    assert texts == [str(orderbook.parse_condition(text)) for text in texts]
    assert len(texts) == 4


def test_the_test_of_a_bot_passes() -> None:
    """As shown, in virtual time."""
    scope: dict[str, Any] = {}
    exec(compile(program("assert_true"), "README.md", "exec"), scope)
    venue = VirtualKuCoin(symbols=["BTC-USDT"], rate=20, seed=1, faults=FaultPlan([{"fault": "drop", "p": 0.01}]))
    in_virtual_time(scope["test_my_bot"])(venue)

    assert 0 == venue.exchange.violations.total()


def test_what_is_imported_in_passing_is_there() -> None:
    """Also where it is no program: names of modules that ``import orderbook`` alone does not bring."""
    statements = re.findall(r"`(from orderbook[^`;]*)[`;]", TEXT)
    assert 2 == len(statements)
    for statement in statements:
        exec(statement, {})


def test_what_a_threaded_feed_has_and_has_not() -> None:
    """The list is whole, and what is said to be missing is."""
    told = TEXT.partition("**Without asyncio**")[2].partition("\n\n")[0]
    has, _, has_not = told.partition("It has no ")
    names = {name for name in vars(orderbook.ThreadedFeed) if not name.startswith("_")}

    assert set() == names - {"close", "start", "symbols", "venue"} - set(re.findall(r"\w+", has))
    assert not hasattr(orderbook.ThreadedFeed, "__getitem__")
    for name in ("updates", "events"):
        assert f"`{name}`" in has_not
        assert name not in names


def test_the_bounds_of_freshness_are_the_defaults() -> None:
    """What the first table promises is what the settings say."""
    bounds = TEXT.partition("Fresh has a number")[2].partition("With Python")[0]
    feed = orderbook.FeedSettings()
    assert (5_000, 5_000) == (feed.max_age_ms, feed.sync.link_silence_max_ms)
    assert "5 s later" in bounds
    assert (20, 2_000, 30_000) == (feed.silence_gaps, feed.silence_min_ms, feed.sync.symbol_silence_ms)
    assert "silent for 20 times its usual pause (at least 2 s, at most 30 s)" in bounds
    assert "no answer for 10 s: STALE" in bounds
    assert 10_000 == feed.sync.probe_timeout_ms
    assert 10_000 == feed.audit_interval_ms
    assert "every 10 s one book is compared with a fresh snapshot" in bounds


def test_the_state_table_is_current() -> None:
    """``python -m tests.state_table`` would change nothing."""
    page = PAGE.read_text(encoding="utf-8")
    assert with_table(page) == page


@pytest.mark.parametrize("command", sorted(set(re.findall(r"^\$ orderbook (\w+)", TEXT, re.MULTILINE))))
def test_every_command_shown_exists(command: str) -> None:
    """And explains itself."""
    result = CliRunner().invoke(main, [command, "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.output


def test_consoles_show_commands_and_nothing_else() -> None:
    """Line by line; and every command of the command line is among them, or named beside one."""
    (shown,) = [block for block in blocks("console") if "orderbook demo" in block]
    assert all(line.startswith("$ orderbook ") for line in shown.splitlines())
    assert [] == [name for name in COMMANDS if name not in shown]


def test_the_two_commands_stand_on_the_first_screen() -> None:
    """A stranger finds them without scrolling."""
    first_screen = TEXT.split("\n")[:24]
    assert any("make demo" in line for line in first_screen)
    assert any("make test" in line for line in first_screen)
