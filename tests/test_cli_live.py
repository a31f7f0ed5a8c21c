"""``watch``, ``record`` and ``snapshot`` against a local KuCoin: what they print is what is true."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orderbook.cli import record
from orderbook.cli.watch import name_of
from orderbook.events import StateChanged
from orderbook.feed.events import FeedEvent, LinkUp, RecordingFailed, RecordingResumed
from orderbook.types import BookState
from tests.commands import objects, orderbook_command
from tests.local_venue import Served, local_venue

SYMBOLS = ("BTC-USDT", "ETH-USDT")


@pytest.fixture(scope="module")
def venue() -> Iterator[Served]:
    """One venue for all tests here; none of them changes it."""
    with local_venue(symbols=SYMBOLS, rate=100.0) as served:
        yield served


def recorded(venue: Served, out: Path, *args: str) -> dict[str, Any]:
    """Record for a moment; the summary."""
    result = orderbook_command(
        "record", *SYMBOLS, "--url", venue.url, "--out", str(out), "--seconds", "0.6", "--format", "json", *args
    )
    assert (0, 1) == (result.exit_code, result.stdout.count("\n"))
    (told,) = objects(result)
    return told


def replayed(path: Path) -> dict[str, dict[str, Any]]:
    """What became of each book of a recording."""
    result = orderbook_command("replay", str(path), "--format", "json", "--levels", "1000")
    assert 0 == result.exit_code
    return {report["symbol"]: report for report in objects(result)}


# --- watch ---


@pytest.mark.parametrize(
    ("url", "expected"),
    [(None, "kucoin"), ("http://127.0.0.1:8888", "kucoin at 127.0.0.1:8888"), ("https://me:it@a.b/c", "kucoin at a.b")],
)
def test_a_picture_names_another_host(url: str | None, expected: str) -> None:
    """Else the prices of a simulator look like those of the venue. What might be a password is not shown."""
    assert expected == name_of("kucoin", url)


def test_watch_tells_a_line_a_symbol(venue: Served) -> None:
    """Where nobody looks: state, touch, health; it ends after its time."""
    result = orderbook_command("watch", *SYMBOLS, "--url", venue.url, "--seconds", "0.8")
    lines = result.stdout.splitlines()

    assert (0, "") == (result.exit_code, result.stderr)
    assert list(SYMBOLS) == [line.split()[0] for line in lines]
    assert any(" LIVE  bid " in line for line in lines), "it waits for the first book before it begins"


@pytest.mark.parametrize("with_key", [False, True])
def test_watch_tells_programs_what_is_true(venue: Served, with_key: bool, tmp_path: Path) -> None:
    """One object a line; a LIVE book's best levels are those that the venue had at that sequence."""
    keys = ["--keys", venue.keys(tmp_path)] if with_key else []
    result = orderbook_command("watch", "BTC-USDT", "--url", venue.url, "--seconds", "0.8", "--format", "json", *keys)
    told = objects(result)[0]
    true = venue.book("BTC-USDT", told["sequence"], 1)

    assert (0, "") == (result.exit_code, result.stderr)
    assert ("BTC-USDT", "LIVE") == (told["symbol"], told["state"])
    assert (true["bids"][0], true["asks"][0]) == (told["best_bid"], told["best_ask"])


@pytest.fixture(scope="module")
def mute_venue() -> Iterator[Served]:
    """One whose links never are up: no book can be LIVE."""
    with local_venue({"fault": "lost_welcome", "for_ms": 3_600_000}, symbols=SYMBOLS) as served:
        yield served


def test_watch_says_why_no_book_is_live(mute_venue: Served) -> None:
    """Without waiting for one, and for no longer than it was told to."""
    result = orderbook_command("watch", *SYMBOLS, "--url", mute_venue.url, "--seconds", "0.2")
    lines = result.stdout.splitlines()

    assert (0, "", 2) == (result.exit_code, result.stderr, len(lines))
    for symbol, line in zip(SYMBOLS, lines, strict=True):
        assert line.startswith(f"{symbol} CONNECTING  ")
        assert line.split("  ")[1] != ""


def test_one_book_that_never_will_be_is_no_end() -> None:
    """As long as another one may be LIVE."""
    refusal = {"fault": "error_ack", "code": 404, "text": "no such topic", "scope": "BTC-USDT", "p": 1}
    with local_venue(refusal, symbols=SYMBOLS) as venue:
        result = orderbook_command("watch", *SYMBOLS, "--url", venue.url, "--seconds", "0.8")

    assert 0 == result.exit_code
    assert "ETH-USDT" in result.stdout


# --- snapshot ---


@pytest.mark.parametrize(
    ("depth", "signed", "count"), [("20", False, 20), (None, False, 100), (None, True, None), ("20", True, 20)]
)
def test_a_snapshot_is_the_book(
    depth: str | None, signed: bool, count: int | None, venue: Served, tmp_path: Path
) -> None:
    """As deep as asked for; by default 100 levels without a key and all of them with one."""
    args = ["--depth", depth] if depth else []
    args += ["--keys", venue.keys(tmp_path)] if signed else []
    result = orderbook_command("snapshot", "ETH-USDT", "--url", venue.url, "--format", "json", *args)
    (told,) = objects(result)

    assert (0, "") == (result.exit_code, result.stderr)
    assert ("kucoin", "ETH-USDT", count or "full") == (told["venue"], told["symbol"], told["depth"])
    assert venue.book("ETH-USDT", told["sequence"], count) == {"bids": told["bids"], "asks": told["asks"]}
    assert count is not None or len(told["bids"]) > 100


def test_a_snapshot_for_people(venue: Served) -> None:
    """The best levels in a table, and a line that says what it is."""
    result = orderbook_command("snapshot", "ETH-USDT", "--url", venue.url, "--levels", "3")
    lines = result.stdout.splitlines()
    sequence = int(lines[-1].split()[3].rstrip(":"))
    best = venue.book("ETH-USDT", sequence, 1)

    assert (0, "", 5) == (result.exit_code, result.stderr, len(lines))
    assert f"ETH-USDT at sequence {sequence}: 100 bids, 100 asks; asked for depth 100" == lines[-1]
    for side in ("bids", "asks"):
        price, size = best[side][0]
        assert float(price) in {float(word) for word in lines[1].split() if word[0].isdigit()}
        assert size in lines[1].split()


# --- record ---


def test_what_is_recorded_replays_to_the_same_books(venue: Served, tmp_path: Path) -> None:
    """LIVE, as they were when it was stopped, and equal to the truth; nothing of the key is in the file."""
    out = tmp_path / "day.jsonl.gz"
    keys = venue.keys(tmp_path)
    told = recorded(venue, out, "--keys", keys)
    books = replayed(out)

    assert (str(out), 0, True) == (told["file"], told["lost"], told["recorded"] > 10)
    assert set(SYMBOLS) == books.keys()
    for symbol, book in books.items():
        true = venue.book(symbol, book["sequence"], 1000)
        assert ("LIVE", true["bids"], true["asks"]) == (book["state"], book["bids"], book["asks"])
    for part in json.loads(Path(keys).read_text()).values():
        assert part.encode() not in out.read_bytes()


def test_a_recording_can_be_continued_or_replaced(venue: Served, tmp_path: Path) -> None:
    """Only when that was asked for; the books of a continued one are LIVE again."""
    out = tmp_path / "day.jsonl.gz"
    recorded(venue, out)
    first = replayed(out)
    recorded(venue, out, "--append")
    both = replayed(out)
    recorded(venue, out, "--overwrite")
    again = replayed(out)

    for symbol in SYMBOLS:
        assert {"LIVE"} == {books[symbol]["state"] for books in (first, both, again)}
        assert first[symbol]["sequence"] < both[symbol]["sequence"] < again[symbol]["sequence"]
        assert first[symbol]["frames"] < both[symbol]["frames"]
        assert (0, 1) == (first[symbol]["resyncs"], both[symbol]["resyncs"])


def test_a_recording_tells_what_it_does(venue: Served, tmp_path: Path) -> None:
    """Progress on stderr, the summary on stdout."""
    out = tmp_path / "day.jsonl.gz"
    result = orderbook_command("record", "BTC-USDT", "--url", venue.url, "--out", str(out), "--seconds", "0.8")

    assert (0, 1) == (result.exit_code, result.stdout.count("\n"))
    assert result.stdout.startswith(f"{out}: ")
    assert result.stdout.endswith(" bytes, 0 lost\n")
    assert "0 s  1 of 1 books LIVE" in result.stderr


def test_a_recording_without_a_book_says_so(mute_venue: Served, tmp_path: Path) -> None:
    """At the end, with the reason: it is no success, whatever was recorded."""
    out = tmp_path / "day.jsonl.gz"
    result = orderbook_command("record", "BTC-USDT", "--url", mute_venue.url, "--out", str(out), "--seconds", "0.3")
    first, *_, last = result.stderr.splitlines()

    assert (1, 1, True) == (result.exit_code, result.stdout.count("\n"), out.exists())
    assert "0 of 1 books LIVE" in first
    assert last.startswith("orderbook: warning: no book ever was LIVE: ")


def test_what_is_replaced_is_kept_until_a_book_is_live(tmp_path: Path) -> None:
    """Then it goes at once, not at the end of a recording that may take days."""
    out = tmp_path / "day.jsonl.gz"
    out.write_bytes(b"old")
    earlier = record.Earlier(out, is_replaced=True)
    teller = record.Teller(earlier.forget)
    out.write_bytes(b"new")
    kept = len(list(tmp_path.iterdir()))
    for new in (BookState.SYNCING, BookState.LIVE, BookState.LIVE):
        teller.hear(FeedEvent("A-B", StateChanged(BookState.CONNECTING, new, "")))
    earlier.forget()

    assert (2, [out], b"new") == (kept, list(tmp_path.iterdir()), out.read_bytes())


def test_a_full_disk_is_told_and_is_no_success(venue: Served) -> None:
    """The books go on; what is missing is counted, and the exit code says so."""
    result = orderbook_command(
        "record", "BTC-USDT", "--url", venue.url, "--out", "/dev/full", "--overwrite", "--seconds", "0.8"
    )
    warnings = [line for line in result.stderr.splitlines() if not line.startswith(" ")]

    assert (1, True) == (result.exit_code, result.stdout.startswith("/dev/full: 0 records, 0 bytes, "))
    assert "/dev/full: No space left on device" in warnings[0]
    assert warnings[0].endswith("; free space on that disk, or record to another one")
    assert all(line.startswith("orderbook: warning: ") for line in warnings)


def test_a_full_disk_is_told_while_it_lasts(capsys: pytest.CaptureFixture[str]) -> None:
    """And so is its end; other events are no trouble."""
    teller = record.Teller(lambda: None)
    for event in (RecordingFailed("day.gz", "No space left"), RecordingResumed("day.gz", 7), LinkUp("1")):
        teller.hear(FeedEvent(None, event))
    told = capsys.readouterr()

    assert "" == told.out
    assert [
        "orderbook: warning: day.gz: No space left",
        "orderbook: warning: day.gz: recording goes on; 7 records are missing",
    ] == told.err.splitlines()


# --- the log ---


def test_the_log_has_a_line_for_every_change_of_state(venue: Served, tmp_path: Path) -> None:
    """And neither key nor token, also when everything is logged."""
    log = tmp_path / "orderbook.log"
    keys = venue.keys(tmp_path)
    result = orderbook_command(
        "--log", str(log), "--debug", "watch", "BTC-USDT", "--url", venue.url, "--keys", keys, "--seconds", "0.8"
    )
    text = log.read_text()

    assert (0, "") == (result.exit_code, result.stderr)
    assert any("BTC-USDT" in line and "LIVE" in line for line in text.splitlines())
    assert not any(part in text for part in json.loads(Path(keys).read_text()).values())
