"""The demo, in virtual time: it keeps its pace, shows what is true, and its exit code says whether all was equal."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import pytest
from click.testing import Result
from rich.console import Console

from orderbook.cli import bundled, demo
from orderbook.cli.player import Pace, play
from orderbook.cli.terminal import Timing
from snapshots.capture import CaptureReader, Record
from tests.captures import foreign, opened
from tests.commands import orderbook_command
from tests.kucoin_traffic import bundled as records_of_the_recording
from tests.kucoin_traffic import fields, is_ticker, with_raw


class VirtualTime:
    """A clock that only moves when somebody sleeps."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.sleeps: list[float] = []

    def now(self) -> float:
        """The time."""
        return self.seconds

    def sleep(self, seconds: float) -> None:
        """Take that long."""
        assert seconds > 0
        self.sleeps.append(seconds)
        self.seconds += seconds

    @property
    def timing(self) -> Timing:
        """For whoever is to live in it."""
        return Timing(self.now, self.sleep)


def run_demo(*args: str) -> tuple[Result, float]:
    """Run the demo without a terminal; also the virtual seconds that it took."""
    time = VirtualTime()
    result = orderbook_command("demo", *args, obj=time.timing)
    return result, time.seconds - 1000.0


# --- playing ---

SECOND = 1_000_000_000


def played(
    stamps: list[int | None], pace: Pace, cost: float = 0.0
) -> tuple[list[tuple[int, float]], list[tuple[float, float]], float]:
    """Play records with these times.

    Returns:
        (number of the record, when it was handed out), (when somebody looked, the position shown), the last position.
    """
    time = VirtualTime()
    fed: list[tuple[int, float]] = []
    looks: list[tuple[float, float]] = []

    def feed(record: Record) -> None:
        fed.append((int(record.raw), round(time.seconds - 1000, 6)))
        time.seconds += cost

    records = [Record(ts, "ws", None, b"%d" % number) for number, ts in enumerate(stamps)]
    position = play(
        records, feed, lambda at: looks.append((round(time.seconds - 1000, 6), round(at, 6))), pace, time.timing
    )
    return fed, looks, position


@pytest.mark.parametrize("speed", [0.5, 1.0, 4.0])
def test_records_come_at_their_own_pace(speed: float) -> None:
    """Each when it is due, at any speed; looks at regular intervals, and at both ends."""
    fed, looks, position = played([5 * SECOND, 6 * SECOND, 9 * SECOND], Pace(speed, look_every_s=1.0))

    assert [(0, 0.0), (1, 1 / speed), (2, 4 / speed)] == fed
    times = [float(second) for second in range(int(4 / speed) + 1)]
    assert [(time, time * speed) for time in times] + [(4 / speed, 4.0)] == looks
    assert 4.0 == position


def test_records_without_a_time_or_out_of_order_are_due_at_once() -> None:
    """Nothing waits for them, and the position never goes back."""
    fed, _, position = played([None, 5 * SECOND, None, 7 * SECOND, 6 * SECOND], Pace(1.0, look_every_s=9.0))

    assert [(0, 0.0), (1, 0.0), (2, 0.0), (3, 2.0), (4, 2.0)] == fed
    assert 2.0 == position


def test_as_fast_as_possible_never_sleeps() -> None:
    """Looks still come by the clock, with the recorded position."""
    fed, looks, position = played([second * SECOND for second in range(5)], Pace(float("inf"), 1.0), cost=0.5)

    assert [(0, 0.0), (1, 0.5), (2, 1.0), (3, 1.5), (4, 2.0)] == fed
    assert [(0.0, 0.0), (1.0, 2.0), (2.0, 4.0), (2.5, 4.0)] == looks
    assert 4.0 == position


def test_who_is_late_does_not_wait() -> None:
    """When feeding takes longer than the recording did, every record follows at once."""
    fed, _, _ = played([0, SECOND, 2 * SECOND], Pace(1.0, look_every_s=99.0), cost=1.5)

    assert [(0, 0.0), (1, 1.5), (2, 3.0)] == fed


@pytest.mark.parametrize("speed", [1.0, 2.0, float("inf")])
def test_playing_stops_when_the_time_is_up(speed: float) -> None:
    """In the middle of a pause, too; the position is where it stopped."""
    fed, looks, position = played([0, SECOND, 100 * SECOND], Pace(speed, 10.0, seconds_max=2.5), cost=2.0)

    assert [0, 1][: len(fed)] == [number for number, _ in fed]
    assert looks[-1] == (max(2.5, fed[-1][1] + 2.0), position)
    assert played([], Pace(speed, 1.0)) == ([], [(0.0, 0.0)], 0.0)


# --- without a terminal ---


def test_without_a_terminal_a_line_a_second() -> None:
    """Three times as fast as recorded, so it ends by itself in about 10 s; then a table and the verdict."""
    result, seconds = run_demo()
    lines = result.stdout.splitlines()
    told = [line for line in lines if re.match(r" *[\d.]+ s  ", line)]

    assert (0, "", True) == (result.exit_code, result.stderr, 10.0 < seconds < 10.2)
    assert "orderbook demo: KuCoin spot, recorded 2021-04-25, played at 3x" == lines[0]
    assert [f"{3.0 * second:5.1f}" for second in range(11)] + [" 30.3"] == [line[:5] for line in told]
    assert told[0].startswith("  0.0 s  BCHSV-USDT CONNECTING  no snapshot yet  books LIVE 0  frames 0")
    assert (
        " 30.3 s  BCHSV-USDT LIVE  bid 243.216 x 4.51280965  ask 243.457 x 4.51280965  books LIVE 5  frames 2910  "
        "gaps 0  resyncs 0  tickers equal 526  tickers bad 0" == told[-1]
    )
    assert lines[-3].startswith("526 of 526 ticker checks equal")
    assert max(map(len, lines)) <= 160


def test_the_last_line_is_one_object_for_programs() -> None:
    """With JSON, stdout holds nothing else; the lines that show life go to stderr."""
    result, seconds = run_demo("--speed", "max", "--format", "json")
    told = json.loads(result.stdout)

    assert (0, 1, 0.0) == (result.exit_code, result.stdout.count("\n"), seconds)
    promised = {"frames": 2910, "applied": 2874, "resyncs": 0, "equal_to_truth": True}
    assert promised == {name: told[name] for name in promised}
    assert {"ok": 526, "bad": 0, "skipped": 7} == told["ticker"]
    assert ({"live": 5, "all": 5}, 0, 30.25) == (told["books"], told["gaps"], told["recorded_seconds"])
    assert "published" in told["truth"]
    assert "as fast as possible" in result.stderr


@pytest.mark.parametrize("speed", ["0", "max", "MAX", "0.0"])
def test_as_fast_as_possible_has_several_names(speed: str) -> None:
    """0 and max mean the same."""
    result, seconds = run_demo("--speed", speed, "--format", "json")

    assert (0, 0.0, 2910) == (result.exit_code, seconds, json.loads(result.stdout)["frames"])


def test_the_demo_can_be_cut_short() -> None:
    """The verdict is over what was played until then."""
    result, seconds = run_demo("--speed", "2", "--seconds", "5", "--format", "json")
    told = json.loads(result.stdout)

    assert (0, 5.0, 10.0) == (result.exit_code, seconds, told["recorded_seconds"])
    assert 0 < told["ticker"]["ok"] < 526
    assert told["equal_to_truth"] is True


def test_nothing_compared_is_not_equal() -> None:
    """Stopped before the first comparison, nothing was shown to be right, and nothing is claimed."""
    result, _ = run_demo("--speed", "1", "--seconds", "0.1", "--format", "json")

    assert (1, False) == (result.exit_code, json.loads(result.stdout)["equal_to_truth"])


def doctored() -> CaptureReader:
    """The recording with one ticker that is wrong."""
    records = list(records_of_the_recording())
    index = [i for i, record in enumerate(records) if is_ticker(record, "FET-BTC")][50]
    message = fields(records[index])
    message["data"]["bestAsk"] = "1"
    records[index] = with_raw(records[index], message)
    return opened(foreign(records))


def test_one_difference_makes_it_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """The summary counts it, names it, and the exit code is 1."""
    monkeypatch.setattr(bundled, "read_bundled", doctored)
    table, _ = run_demo("--speed", "max")
    told, _ = run_demo("--speed", "max", "--format", "json")

    assert (1, 1) == (table.exit_code, told.exit_code)
    assert "525 of 526 ticker checks equal" in table.stdout
    assert re.search(r"^FET-BTC: ticker at sequence \d+: the book has .*ask 1 x", table.stdout, re.MULTILINE)
    assert (False, 1) == (json.loads(told.stdout)["equal_to_truth"], json.loads(told.stdout)["ticker"]["bad"])


def test_another_symbol_can_be_shown() -> None:
    """Its touch stands in the lines."""
    result, _ = run_demo("--speed", "max", "--symbol", "NRG-BTC")

    assert "NRG-BTC LIVE  bid 0.0000614 x 18.897  ask 0.00006218 x 43.3399" in result.stdout


# --- on a terminal ---


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Console:
    """A terminal of 80 columns and 24 lines that remembers everything that was written to it."""
    console = Console(
        file=io.StringIO(), force_terminal=True, width=80, height=24, color_system="standard", legacy_windows=False
    )
    monkeypatch.setattr(demo, "can_draw", lambda: True)
    monkeypatch.setattr(demo, "stdout_console", lambda: console)
    return console


@pytest.fixture
def pictures(screen: Console) -> Any:
    """Run the demo on the terminal; returns the pictures that were drawn, the rest of the output, and the time."""

    def run(*args: str) -> tuple[list[str], str, float]:
        result, seconds = run_demo(*args)
        assert 0 == result.exit_code
        assert isinstance(screen.file, io.StringIO)
        written = screen.file.getvalue()
        assert (1, 1) == (written.count("\x1b[?1049h"), written.count("\x1b[?1049l"))
        inside = written.partition("\x1b[?1049h")[2].partition("\x1b[?1049l")[0]
        return [picture for picture in inside.split("\x1b[H") if "KuCoin" in picture], result.stdout, seconds

    return run


def test_on_a_terminal_a_live_ladder(pictures: Any) -> None:
    """At its own pace, ten pictures a second on a screen of their own, each drawn over the last; then the verdict."""
    drawn, rest, seconds = pictures()
    plain = [re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", picture) for picture in drawn]

    assert 30.2 < seconds < 30.3
    assert 300 < len(drawn) < 310
    assert all(len(picture.splitlines()) <= 24 and max(map(len, picture.splitlines())) <= 80 for picture in plain)
    assert not any("\x1b[2J" in picture for picture in drawn[1:])  # Clearing would flicker.
    last = plain[-1].splitlines()
    assert (" KuCoin spot, recorded 2021-04-25, played at 1x", "30.3 of 30.3 s") == (
        last[0][:48].rstrip(),
        last[0][-15:-1],
    )
    assert last[1].split() == ["BCHSV-USDT", "LIVE", "sequence", "1613277186234", "epoch", "1"]
    assert " spread 0.241 (9.9 bps)   mid 243.3365" == last[2][:38]
    assert ["4.51280965", "243.216", "243.457", "4.51280965"] == re.findall(r"[\d.]+", last[5])
    assert {"CAPP-BTC", "DAPPT-BTC", "FET-BTC", "NRG-BTC"} == {line.split()[0] for line in last[-4:]}
    assert "526 of 526 ticker checks equal" in rest


def test_the_ladder_says_when_there_is_no_book_yet(pictures: Any) -> None:
    """The first pictures show a reason instead of levels."""
    drawn, _, _ = pictures("--speed", "5")

    assert "not LIVE: CONNECTING" in drawn[0]
    assert "not LIVE: SYNCING" in drawn[1]


def test_the_ladder_shows_as_many_levels_as_wanted(pictures: Any) -> None:
    """Fewer than there is room for, if asked."""
    drawn, _, _ = pictures("--speed", "max", "--levels", "2", "--symbol", "FET-BTC")

    assert ("0.00000771" in drawn[-1], "0.00000769" in drawn[-1], "0.00000768" in drawn[-1]) == (True, True, False)


def test_the_terminal_is_given_back_after_an_interrupt(screen: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the middle: the screen of its own is left, one line on stderr, exit code 130."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("snapshots.replay.Replay.feed", interrupt)
    result, _ = run_demo()

    assert isinstance(screen.file, io.StringIO)
    assert (screen.file.getvalue().count("\x1b[?1049l"), screen.file.getvalue().count("\x1b[?25h")) == (1, 1)
    assert (130, "", "orderbook: warning: interrupted\n") == (result.exit_code, result.stdout, result.stderr)
