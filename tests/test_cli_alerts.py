"""``watch --alert``: what comes to hold is told, on a terminal, as lines, as JSON and by the exit code."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Iterator

import pytest
from prompt_toolkit.input import PipeInput, create_pipe_input
from rich.console import Console

from orderbook.cli.alarm import KEPT, Alarm, alert_to_json, told_alert
from orderbook.cli.watch_screen import Screen
from orderbook.condition_text import parse_condition
from orderbook.events import StateChanged
from orderbook.feed.alerts import Alert
from orderbook.feed.events import ConditionFailed, FeedEvent
from orderbook.results import BookView
from orderbook.types import BookState, Level
from orderbook.ui.alerts import Notice, alert_lines, room_for
from orderbook.ui.controls import ViewState
from orderbook.ui.dashboard import dashboard
from orderbook.ui.levels import ASCII, UNICODE
from orderbook.ui.panels import PanelData
from tests.commands import objects, orderbook_command
from tests.local_venue import Served, local_venue
from tests.panel_data import HEALTH, THREE

SYMBOLS = ("BTC-USDT", "ETH-USDT")
S = 1_000_000_000


@pytest.fixture(scope="module")
def venue() -> Iterator[Served]:
    """One venue for all tests here; none of them changes it."""
    with local_venue(symbols=SYMBOLS, rate=100.0) as served:
        yield served


def alert_of(value: float | None = 6.25, state: BookState = BookState.LIVE, *, skipped: int = 0) -> Alert:
    """An alert of BTC-USDT."""
    bids, asks = ((Level(1.0, 2.0),), (Level(3.0, 4.0),)) if state is BookState.LIVE else ((), ())
    view = BookView("BTC-USDT", state, "that is why", 17, 2, 12, None, bids, asks, partial=False)
    condition = "spread_bps > 5" if state is BookState.LIVE else "not live"
    return Alert("BTC-USDT", condition, view, value, 99, skipped)


# -- without a terminal --


def test_an_alert_is_a_line_at_once(venue: Served) -> None:
    """Of the symbol that it names, or of each; among the lines that there are anyway."""
    rules = ["--alert", "BTC-USDT: mid > 0", "--alert", "spread_bps>=0"]
    result = orderbook_command("watch", *SYMBOLS, "--url", venue.url, "--seconds", "1.5", *rules)
    alerts = [line.split("  ")[:2] for line in result.stdout.splitlines() if " ALERT " in line]

    assert (0, "") == (result.exit_code, result.stderr)
    assert [
        ["BTC-USDT ALERT", "mid > 0"],
        ["BTC-USDT ALERT", "spread_bps >= 0"],
        ["ETH-USDT ALERT", "spread_bps >= 0"],
    ] == sorted(alerts)
    assert any(" LIVE  bid " in line for line in result.stdout.splitlines())


def test_an_alert_is_an_object_for_programs(venue: Served) -> None:
    """With a key that no other object has; its number is that of the venue's book at that sequence."""
    rule = ["--alert", "BTC-USDT: mid > 0", "--format", "json"]
    told = objects(orderbook_command("watch", *SYMBOLS, "--url", venue.url, "--seconds", "0.8", *rule))
    (alert,) = [one for one in told if "alert" in one]
    true = venue.book("BTC-USDT", alert["sequence"], 1)

    assert ("BTC-USDT", "mid > 0", "LIVE", 0) == tuple(alert[key] for key in ("symbol", "alert", "state", "skipped"))
    assert (float(true["bids"][0][0]) + float(true["asks"][0][0])) / 2 == pytest.approx(alert["value"])
    assert 2 == len(told) - 1


@pytest.mark.parametrize(("condition", "code"), [("mid > 0", 0), ("mid < 0", 1)])
def test_the_first_alert_can_be_the_end(condition: str, code: int, venue: Served) -> None:
    """With an exit code that says whether there was one."""
    options = ["--exit-on-alert"] + (["--seconds", "0.8"] if code else [])
    result = orderbook_command("watch", *SYMBOLS, "--url", venue.url, "--alert", f"BTC-USDT:{condition}", *options)

    assert (code, "") == (result.exit_code, result.stderr)
    assert (1 - code) == result.stdout.count("ALERT")


def test_a_condition_that_cannot_be_told_is_a_warning(venue: Served) -> None:
    """Silence would look like calm."""
    rule = ["--alert", "BTC-USDT: imbalance(5000) > 0"]
    result = orderbook_command("watch", "BTC-USDT", "--url", venue.url, "--seconds", "0.8", *rule)

    assert (0, 1) == (result.exit_code, result.stderr.count("\n"))
    expected = "orderbook: warning: BTC-USDT: imbalance(5000) > 0 cannot be told: BeyondHorizon: "
    assert result.stderr.startswith(expected)


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        (["--alert", "spread_bps >> 5"], "'>' stands where a number, such as 5 or -0.4 is allowed"),
        (["--alert", "BTC-USDT: price > 5"], "at character 1: 'price' stands where best_bid, "),
        (["--alert", "BTC-USDT:"], "it ends where best_bid"),
        (["--alert", "SOL-USDT: mid > 5"], "--alert is of 'SOL-USDT', which is not watched: name it as a SYMBOL, too"),
        (["--no-bell"], "--no-bell does nothing without --alert"),
        (["--exit-on-alert"], "--exit-on-alert does nothing without --alert"),
    ],
)
def test_what_cannot_be_watched_for_is_refused(args: list[str], problem: str) -> None:
    """Before anything is connected to, with a word on what could be."""
    result = orderbook_command("watch", *SYMBOLS, "--url", "http://127.0.0.1:1", *args)

    assert (2, "", 1) == (result.exit_code, result.stdout, result.stderr.count("\n"))
    assert problem in result.stderr


def test_help_teaches_it() -> None:
    """With examples that are conditions."""
    text = orderbook_command("watch", "--help").stdout
    examples = [
        part.partition("'")[0].rpartition(": ")[2] for part in text.split("--alert '")[1:] if not part.startswith("[")
    ]
    assert 4 == len([parse_condition(example) for example in examples])


# -- what becomes of an alert --


def test_an_alert_in_words() -> None:
    """What, and how much or why; numbers of many digits are not cut to six."""
    assert "spread_bps > 5  value 6.25" == told_alert(alert_of())
    assert "spread_bps > 5  value 67012.355" == told_alert(alert_of(67012.355))
    assert "not live  that is why" == told_alert(alert_of(None, BookState.STALE))


def test_an_alert_for_programs() -> None:
    """Every key is always there."""
    common = {"ts": 5, "symbol": "BTC-USDT", "reason": "that is why", "sequence": 17, "epoch": 2}
    live = {"alert": "spread_bps > 5", "value": 6.25, "state": "LIVE", "skipped": 0}
    lost = {"alert": "not live", "value": None, "state": "STALE", "skipped": 3}
    assert common | live == alert_to_json(alert_of(), 5)
    assert common | lost == alert_to_json(alert_of(None, BookState.STALE, skipped=3), 5)


def test_an_alarm_keeps_the_last_ones() -> None:
    """Newest first; fresh for two seconds; skipped ones are counted; the bell is rung once for all."""
    now = [10 * S]
    alarm = Alarm([("BTC-USDT", parse_condition("spread_bps > 5"))], wall_ns=lambda: now[0])
    assert (["BTC-USDT: spread_bps > 5"], [], False) == (alarm.watched, alarm.notices(3), alarm.take_bell())
    alarm.hear(alert_of())
    now[0] += S
    alarm.hear(alert_of(7.0, skipped=2))
    alarm.hear_event(FeedEvent("BTC-USDT", StateChanged(BookState.LIVE, BookState.STALE, "so")))
    alarm.hear_event(FeedEvent("BTC-USDT", ConditionFailed("BTC-USDT", "mid > 5", "why")))
    now[0] += S

    problem, newest, oldest = alarm.notices(3)
    assert (True, "mid > 5 cannot be told: why") == (problem.is_problem, problem.words)
    assert ("spread_bps > 5  value 7", True) == (newest.words, newest.is_fresh)
    assert ("spread_bps > 5  value 6.25", False) == (oldest.words, oldest.is_fresh)
    assert 2 == len(alarm.notices(2))
    assert (4, 1, True, True, False) == (
        alarm.count,
        alarm.problem_count,
        alarm.fired.is_set(),
        alarm.take_bell(),
        alarm.take_bell(),
    )
    for _ in range(KEPT + 1):
        alarm.hear(alert_of())
    assert KEPT == len(alarm.notices(KEPT + 1))


# -- in the picture --


NOTICES = [
    Notice("10:02:11", "BTC-USDT", "spread_bps > 5  value 6.25", is_fresh=True, is_problem=False),
    Notice("10:02:10", "ETH-USDT", "imbalance(5000) > 0 cannot be told: so", is_fresh=True, is_problem=True),
    Notice("10:01:00", "BTC-USDT", "not live  \x1b[2J", is_fresh=False, is_problem=False),
]


@pytest.mark.parametrize(
    ("height", "expected"),
    [
        (1, [" ! 10:02:11  BTC-USDT  spread_bps > 5 value 6.25"]),
        (
            2,
            [
                " alerts 7   BTC-USDT: spread_bps > 5; ETH-USDT: mid > 1",
                " ! 10:02:11  BTC-USDT  spread_bps > 5 value 6.25",
            ],
        ),
    ],
)
def test_alerts_in_few_lines(height: int, expected: list[str]) -> None:
    """The newest one is the last to go."""
    watched = ["BTC-USDT: spread_bps > 5", "ETH-USDT: mid > 1"]
    assert expected == [line.plain for line in alert_lines(NOTICES, watched, 80, height, UNICODE, count=7)]


@pytest.mark.parametrize("height", [1, 2, 4, 6])
@pytest.mark.parametrize("count", [0, 1, 3])
@pytest.mark.parametrize("width", [20, 200])
def test_alerts_fill_their_lines(height: int, count: int, width: int) -> None:
    """Exactly, none too long, nothing in them that a terminal would obey."""
    lines = alert_lines(NOTICES[:count], ["BTC-USDT: \u03bc > 5"], width, height, ASCII, count=count)
    assert height == len(lines)
    assert all(line.cell_len <= width and line.plain.isprintable() and line.plain.isascii() for line in lines)
    assert [1, 1, 2, 4] == [room_for(height) for height in (5, 15, 16, 200)]


def test_colours_are_not_all_that_tells() -> None:
    """What is fresh is marked; trouble has another colour."""
    _, alert, problem, old = alert_lines(NOTICES, [], 80, 4, UNICODE, count=3)
    assert ["!", "!", " "] == [line.plain[1] for line in (alert, problem, old)]
    assert 3 == len({str(line.style) for line in (alert, problem, old)})
    (heading,) = alert_lines([], ["BTC-USDT: mid > 5"], 80, 1, UNICODE, count=3, problem_count=2)
    assert " alerts 3   cannot tell 2   BTC-USDT: mid > 5" == heading.plain


@pytest.fixture
def pipe() -> Iterator[PipeInput]:
    """A keyboard."""
    with create_pipe_input() as source:
        yield source


@pytest.mark.parametrize("has_bell", [True, False])
@pytest.mark.parametrize(("width", "height"), [(120, 24), (60, 8)])
async def test_a_picture_shows_alerts_and_rings_once(width: int, height: int, has_bell: bool, pipe: PipeInput) -> None:
    """For all since the picture before."""
    console = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=width, height=height)
    alarm = Alarm([("BTC-USDT", parse_condition("spread_bps > 5"))], wall_ns=lambda: 10 * S)
    keys = ["+", "+", "q"]

    def panels() -> list[PanelData]:
        if len(keys) == 2:
            alarm.hear(alert_of())
            alarm.hear(alert_of(7.5))
        pipe.send_text(keys.pop(0))
        return THREE

    screen = Screen(
        panels, lambda: HEALTH, venue="kucoin", console=console, source=pipe, alarm=alarm, has_bell=has_bell
    )
    async with asyncio.timeout(10):
        await screen.run()

    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert int(has_bell) == text.count("\x07")
    assert text.index("alerts 0") < text.index("value 7.5")


@pytest.mark.parametrize("count", [0, 3])
@pytest.mark.parametrize(("width", "height"), [(120, 40), (80, 24), (40, 8), (20, 5)])
def test_a_picture_with_alerts_fits(width: int, height: int, count: int) -> None:
    """They stand right above the footer, if there is one, and take their room from the ladders."""
    alerts = alert_lines(NOTICES[:count], ["BTC-USDT: mid > 5"], width, room_for(height), UNICODE, count=count)
    picture = dashboard(THREE, HEALTH, ViewState(), width, height, venue="kucoin", alerts=alerts)
    lines = [line.plain for line in picture.split("\n", allow_blank=True)]

    assert height == len(lines)
    assert max(len(line) for line in lines) <= width
    footer = int(height > 5)
    assert [line.plain for line in alerts] == lines[height - footer - len(alerts) : height - footer]
    assert footer == ("quit" in lines[-1]) == ("LIVE 2 of 3" in lines[0])


# -- as lines --


async def test_lines_tell_alerts_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    """In the form that was asked for."""
    for form in ("table", "json"):
        alarm = Alarm([], wall_ns=lambda: 5)
        Screen(lambda: THREE, lambda: HEALTH, venue="kucoin", form=form, alarm=alarm)
        alarm.hear(alert_of())
        alarm.hear_event(FeedEvent("A-B", ConditionFailed("A-B", "mid > 5", "why")))
    told = capsys.readouterr()

    line, text = told.out.splitlines()
    assert "BTC-USDT ALERT  spread_bps > 5  value 6.25" == line
    assert alert_to_json(alert_of(), 5) == json.loads(text)
    assert ["orderbook: warning: A-B: mid > 5 cannot be told: why"] * 2 == told.err.splitlines()
