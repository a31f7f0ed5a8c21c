"""A capture played by ``orderbook simulate``: how long it is, when it is over; and lines that fit their terminal."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import Result

from orderbook.cli.playback import Playback
from orderbook.cli.terminal import say, tell
from orderbook.simulator.capture import read_market
from orderbook.types import Delta
from orderbook.venues.kucoin import KuCoin
from tests.commands import BUNDLED, objects, orderbook_command
from tests.recording import BUSIEST, read_bundled

ENDED = f"{BUNDLED} is at its end: nothing moves any more, clients stay connected; --repeat plays it again."


def played(*args: str) -> Result:
    """A recording of half a minute that is over in some ms."""
    return orderbook_command(
        "simulate", "--capture", BUNDLED, "--speed", "10000", "--seconds", "0.35", "--every", "0.1", *args
    )


def test_it_tells_how_long_a_recording_is_and_that_it_is_over() -> None:
    """The first at the start, the other once."""
    result = played()
    lines = result.stdout.splitlines()

    assert (0, "") == (result.exit_code, result.stderr)
    assert f"It plays {BUNDLED}: 3 ms, 29.5 s as recorded; then nothing moves any more." == lines[1]
    assert 1 == lines.count(ENDED)
    assert "deltas/s" in lines[lines.index(ENDED) - 1]


def test_programs_are_told_the_same() -> None:
    """In the objects at the beginning and at the end; the line is on stderr."""
    result = played("--format", "json", "--symbols", BUSIEST)
    first, last = objects(result)

    expected = {"file": BUNDLED, "seconds": 0.003, "speed": 10_000.0, "repeat": False, "holes": {}}
    assert expected == first["capture"]
    assert last["capture_is_over"] is True
    assert ENDED in result.stderr.splitlines()


def test_what_begins_again_is_never_over() -> None:
    """And says that it does."""
    result = played("--repeat")

    assert "29.5 s as recorded; then it begins again." in result.stdout
    assert ENDED not in result.stdout


def test_a_made_market_tells_nothing_of_it() -> None:
    """It has no end."""
    first, last = objects(orderbook_command("simulate", "--seconds", "0.02", "--format", "json"))

    assert ("capture" in first, "capture_is_over" in last) == (False, False)


def test_the_length_is_what_the_gaps_come_to() -> None:
    """Of the symbol that goes on longest, at the speed that it is played at."""
    market = read_market(read_bundled(), speed=2.0)
    playback = Playback(Path("a.gz"), market, speed=2.0, repeat=False)
    waited = {}
    for symbol, one in market.items():
        gaps = []
        while one.remaining:
            gaps.append(one.gap_ns())
            one.advance()
        waited[symbol] = sum(gaps)

    assert playback.described()["seconds"] == pytest.approx(max(waited.values()) / 1e9, abs=0.001)
    assert (True, 1) == (playback.is_over, len({playback.news(), *(playback.news() for _ in range(2))} - {None}))


def test_a_hole_that_ends_it_early_is_told() -> None:
    """With the symbols that it is about."""
    records = list(read_bundled())
    venue = KuCoin()
    missing = 0
    kept = []
    for record in records:
        message = venue.decode(record.text or "") if record.kind == "ws" else None
        if isinstance(message, Delta) and message.symbol == BUSIEST and (missing := missing + 1) == 20:
            continue
        kept.append(record)
    market = read_market(kept)
    first, second = Playback(Path("a.gz"), market, speed=1.0, repeat=False).announced()

    assert first.startswith("It plays a.gz: ")
    assert f"Deltas are missing in it: {BUSIEST} ends there, before the others." == second
    assert {BUSIEST: market[BUSIEST].gap_at} == Playback(Path("a.gz"), market, speed=1.0, repeat=False).described()[
        "holes"
    ]


# --- lines ---


@pytest.mark.parametrize("columns", [20, 40, 60, 80, 200])
def test_lines_end_between_items(
    columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is lost, no line is longer than the terminal unless one item is, and none could have held one more."""
    monkeypatch.setenv("COLUMNS", str(columns))
    items = [f"{'n' * (1 + number * 7 % 13)} {number}" for number in range(12)] + ["http://127.0.0.1:8888/long/address"]
    tell(*items, indent=4)
    lines = capsys.readouterr().out.splitlines()
    shown = [line.strip().split("  ") for line in lines]

    assert items == [item for line in shown for item in line]
    assert all(len(line) <= columns or len(line.strip().split("  ")) == 1 for line in lines)
    assert all(
        len(line) + 2 + len(following[0]) > columns for line, following in zip(lines[:-1], shown[1:], strict=True)
    )


@pytest.mark.parametrize(("columns", "expected"), [(None, ["one two three"]), ("8", ["one two", "three"])])
def test_sentences_end_lines_between_words(
    columns: str | None, expected: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where somebody looks; a file has no width."""
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns is not None:
        monkeypatch.setenv("COLUMNS", columns)
    say("one two three", err=True)

    assert expected == capsys.readouterr().err.splitlines()


def test_simulate_fits_60_columns() -> None:
    """But for commands and code that are meant to be copied."""
    result = orderbook_command("simulate", "--seconds", "0.02", "--symbols", "7", env={"COLUMNS": "60"})
    long = [line for line in result.stdout.splitlines() if len(line) > 60]

    assert [True] * 3 == [line.strip().startswith(("command line: ", "Python: ", "credentials=")) for line in long]
