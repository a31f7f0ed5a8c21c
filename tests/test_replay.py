"""Replaying the bundled recording, as it is and doctored: what was done to it is what the report says."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest

from orderbook.types import BookState
from snapshots.capture import Record
from snapshots.checks import Tally
from snapshots.replay import Replay, replay
from snapshots.report import SymbolReport
from tests.captures import foreign, opened
from tests.kucoin_traffic import (
    EXPECTED,
    Expected,
    bundled,
    fields,
    is_delta,
    is_ticker,
    of_symbols,
    run,
    snapshot_of,
    with_raw,
)
from tests.recording import read_bundled

DOCTORED = "FET-BTC"
"""The book that is tampered with; NRG-BTC stands by."""


def reports_of(records: list[Record]) -> dict[str, SymbolReport]:
    """Reports by symbol."""
    return {report.symbol: report for report in replay(records)}


@pytest.fixture(scope="module")
def clean() -> dict[str, SymbolReport]:
    """The reports of the recording as it is."""
    return reports_of(list(bundled()))


@cache
def two() -> tuple[Record, ...]:
    """The records of two of the books; all five take longer."""
    return tuple(of_symbols(DOCTORED, "NRG-BTC"))


def at(kind: Callable[[Record, str], bool], share: float) -> int:
    """Index of a record of this kind and of the doctored book, so far into the recording."""
    found = [index for index, record in enumerate(two()) if kind(record, DOCTORED)]
    return found[int(len(found) * share)]


# --- as it is ---


@pytest.mark.parametrize("expected", EXPECTED, ids=lambda expected: expected.symbol)
def test_the_recording_gives_the_published_books(expected: Expected, clean: dict[str, SymbolReport]) -> None:
    """Each book is LIVE, equal to every ticker, without a gap, and ends as an independent replay found it."""
    report = clean[expected.symbol]

    assert (BookState.LIVE, 1) == (report.state, report.epoch)
    assert (expected.frames, expected.duplicates) == (report.frames, report.duplicates)
    assert expected.frames - expected.duplicates == report.applied
    assert (0, 0, 0, 0) == (report.rejected, report.gaps, report.resyncs, report.crossed)
    assert (expected.tickers, 0) == (report.checks["ticker"].ok, report.checks["ticker"].bad)
    assert expected.levels == report.bid_count + report.ask_count
    assert (expected.bid, expected.ask) == (report.bids[0], report.asks[0])


def test_every_ticker_is_accounted_for(clean: dict[str, SymbolReport]) -> None:
    """526 tickers are equal; the other 7 of 533 came before the snapshots; and there are no books but the five."""
    tallies = [report.checks["ticker"] for report in clean.values()]

    assert [expected.symbol for expected in EXPECTED] == list(clean)
    assert (526, 0, 7) == tuple(sum(getattr(tally, name) for tally in tallies) for name in ("ok", "bad", "skipped"))
    assert 533 == sum(b'"/market/ticker:' in record.raw for record in bundled())


def test_a_report_as_json_is_the_contract(clean: dict[str, SymbolReport]) -> None:
    """Names, nesting and texts are those that programs rely on; whatever is added stands behind them."""
    told = clean["NRG-BTC"].to_json()
    promised = {
        "venue": "kucoin",
        "symbol": "NRG-BTC",
        "state": "LIVE",
        "reason": "in step with the stream",
        "sequence": 1612702190374,
        "frames": 66,
        "applied": 60,
        "duplicates": 6,
        "rejected": 0,
        "gaps": 0,
        "resyncs": 0,
        "crossed": 0,
        "checks": {"ticker": {"ok": 34, "bad": 0, "skipped": 3}},
        "levels": {"bids": 166, "asks": 735},
        "bids": [
            ["0.0000614", "18.897"],
            ["0.00006139", "1.3663"],
            ["0.00006124", "11.182"],
            ["0.00006123", "11.327"],
            ["0.0000612", "49.1304"],
        ],
        "asks": [
            ["0.00006218", "43.3399"],
            ["0.00006232", "2.5674"],
            ["0.0000624", "10.7951"],
            ["0.00006263", "68.532"],
            ["0.00006264", "100"],
        ],
    }

    assert promised == {name: told[name] for name in promised}
    assert list(promised) == list(told)[: len(promised)]
    assert told == json.loads(json.dumps(told))


def test_a_replay_gives_the_same_result_every_time(clean: dict[str, SymbolReport]) -> None:
    """From the file, from memory, or packed by somebody else: the reports are equal."""
    with read_bundled() as reader:
        from_file = replay(reader)

    assert list(clean.values()) == from_file
    assert from_file == replay(opened(foreign(bundled())))


def test_only_what_is_asked_for_is_replayed(clean: dict[str, SymbolReport]) -> None:
    """A filter changes nothing of the books that pass it; the others are seen, but have no book."""
    chosen = Replay(symbols=["FET-BTC", "NO-SUCH"])
    for record in bundled():
        chosen.feed(record)

    assert [clean["FET-BTC"]] == chosen.reports()
    assert {"FET-BTC"} == chosen.books.keys()
    assert [expected.symbol for expected in EXPECTED] == sorted(chosen.seen)


@pytest.mark.parametrize("levels", [1, 3, 500])
def test_as_many_levels_as_wanted(levels: int, clean: dict[str, SymbolReport]) -> None:
    """The best levels of each side, fewer only where there are fewer."""
    for report in replay(bundled(), levels=levels):
        assert (min(levels, report.bid_count), min(levels, report.ask_count)) == (len(report.bids), len(report.asks))
        assert report.bids[:5] == clean[report.symbol].bids[:levels]


# --- doctored ---


def test_a_missing_delta_is_a_gap(clean: dict[str, SymbolReport]) -> None:
    """One book stops before the hole, says so, and claims nothing wrong; the other books do not notice."""
    records = list(two())
    removed = records.pop(at(is_delta, 0.5))
    sequence = fields(removed)["data"]["sequenceStart"]
    reports = reports_of(records)
    report = reports.pop(DOCTORED)

    assert (BookState.SYNCING, 1, sequence - 1) == (report.state, report.gaps, report.sequence)
    assert f"waiting for {sequence}" == report.reason
    assert 219 == report.frames == report.applied + report.duplicates + report.buffered
    assert (0, 111) == (report.checks["ticker"].bad, sum(report.checks["ticker"].to_json().values()))
    assert 40 < report.checks["ticker"].ok < 70
    assert reports == {"NRG-BTC": clean["NRG-BTC"]}


@pytest.mark.parametrize(
    ("key", "text"), [("bestBid", "1.5"), ("bestAsk", "1000000"), ("bestBidSize", "7"), ("bestAskSize", "0.00000001")]
)
def test_an_altered_ticker_is_found(key: str, text: str, clean: dict[str, SymbolReport]) -> None:
    """Price and size of both sides are compared, and a difference is named with both values."""
    records = list(two())
    index = at(is_ticker, 0.5)
    message = fields(records[index])
    before = message["data"][key]
    message["data"][key] = text
    records[index] = with_raw(records[index], message)
    report = reports_of(records)[DOCTORED]
    (difference,) = report.differences

    assert Tally(ok=110, bad=1, skipped=0) == report.checks["ticker"]
    assert (1, "ticker", int(message["data"]["sequence"])) == (report.bad, difference.check, difference.sequence)
    assert (before in difference.ours, text in difference.venue) == (True, True)
    assert clean[DOCTORED] == replace(report, checks=clean[DOCTORED].checks, differences=())


def test_swapped_deltas_are_no_gap(clean: dict[str, SymbolReport]) -> None:
    """A hole that fills itself costs nothing but a count: levels, tickers and state are those of the right order."""
    records = list(two())
    index = next(
        i
        for i in range(at(is_delta, 0.5), len(records))
        if is_delta(records[i], DOCTORED) and is_delta(records[i + 1], DOCTORED)
    )
    records[index], records[index + 1] = records[index + 1], records[index]
    reports = reports_of(records)

    assert 1 == reports[DOCTORED].reorders
    assert [clean[DOCTORED], clean["NRG-BTC"]] == [replace(reports[DOCTORED], reorders=0), reports["NRG-BTC"]]


def test_an_unreadable_frame_goes_to_every_book(clean: dict[str, SymbolReport]) -> None:
    """Cut in half, a delta names no symbol any more: each book counts it, and only its own has a gap."""
    records = list(two())
    index = at(is_delta, 0.5)
    records[index] = with_raw(records[index], records[index].raw[:60])
    reports = reports_of(records)

    assert [1, 1] == [report.rejected for report in reports.values()]
    assert {DOCTORED} == {report.symbol for report in reports.values() if report.state is not BookState.LIVE}
    assert (1, 0) == (reports[DOCTORED].gaps, sum(report.bad for report in reports.values()))
    assert clean[DOCTORED].frames == reports[DOCTORED].frames
    assert clean["NRG-BTC"].frames + 1 == reports["NRG-BTC"].frames


def test_an_impossible_number_costs_its_own_book_only(clean: dict[str, SymbolReport]) -> None:
    """The symbol of the frame is known, so no other book hears of it."""
    records = list(two())
    index = at(is_delta, 0.5)
    message = fields(records[index])
    message["data"]["changes"]["bids"] = [["NaN", "1", str(message["data"]["sequenceEnd"])]]
    records[index] = with_raw(records[index], message)
    reports = reports_of(records)
    report = reports.pop(DOCTORED)

    assert (1, 1, 220, 0) == (report.rejected, report.gaps, report.frames, report.bad)
    assert report.state is BookState.SYNCING
    assert reports == {"NRG-BTC": clean["NRG-BTC"]}


def later_snapshot(delay: int) -> tuple[list[Record], int, Record]:
    """The records, where a later snapshot goes, and one that tells just what the venue's book was.

    Args:
        delay: How many records after the sequence it tells of; negative: before the stream gets there.
    """
    middle = at(is_delta, 0.5)
    truth = Replay()
    for record in two()[: middle + 1]:
        truth.feed(record)
    records = list(two())
    return records, middle + 1 + delay, snapshot_of(truth.books[DOCTORED].book.content, DOCTORED)


@pytest.mark.parametrize("delay", [0, 40, -40])
def test_a_later_snapshot_that_is_equal(delay: int, clean: dict[str, SymbolReport]) -> None:
    """It is compared at its own sequence, whether the stream is there, past it, or not there yet."""
    records, index, later = later_snapshot(delay)
    records.insert(index, later)
    report = reports_of(records)[DOCTORED]

    assert {"ticker": Tally(111, 0, 0), "snapshot": Tally(1, 0, 0)} == report.checks
    assert clean[DOCTORED] == replace(report, checks=clean[DOCTORED].checks)


@pytest.mark.parametrize("delay", [0, 40, -40])
def test_a_later_snapshot_that_is_wrong(delay: int) -> None:
    """One size off is found, named, and ends LIVE: either the venue or our book cannot be trusted."""
    records, index, later = later_snapshot(delay)
    message = fields(later)
    price, size = message["data"]["asks"][7]
    message["data"]["asks"][7][1] = "0.5"
    records.insert(index, with_raw(later, message))
    report = reports_of(records)[DOCTORED]
    (difference,) = report.differences

    assert (Tally(0, 1, 0), 1) == (report.checks["snapshot"], report.bad)
    assert ("snapshot", int(message["data"]["sequence"])) == (difference.check, difference.sequence)
    assert (f"ask {price} x {size}", f"ask {price} x 0.5") == (difference.ours, difference.venue)
    assert (BookState.SYNCING, "audit: 1 levels differ from the venue's") == (report.state, report.reason)


def test_several_later_snapshots(clean: dict[str, SymbolReport]) -> None:
    """After each comparison the next one is prepared for; one that is older than the last is skipped."""
    records = list(two())
    places = [at(is_delta, share) for share in (0.3, 0.5, 0.7)]
    truth = Replay()
    doctored = []
    first = None
    for index, record in enumerate(records):
        truth.feed(record)
        doctored.append(record)
        if index in places:
            doctored.append(snapshot_of(truth.books[DOCTORED].book.content, DOCTORED))
            first = first or doctored[-1]
    assert first is not None
    doctored.append(first)
    report = reports_of(doctored)[DOCTORED]

    assert Tally(ok=3, bad=0, skipped=1) == report.checks["snapshot"]
    assert clean[DOCTORED] == replace(report, checks=clean[DOCTORED].checks)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<html>502 Bad Gateway</html>",
        b'{"code":"429000","msg":"Too Many Requests"}',
        b'{"code":"200000","data":{"sequence":"1","bids":[["1","x"]],"asks":[]}}',
    ],
)
def test_an_answer_that_is_no_snapshot_changes_nothing(raw: bytes, clean: dict[str, SymbolReport]) -> None:
    """A bad gateway is neither a comparison nor a reason to doubt the book."""
    records = list(two())
    asked = next(record for record in records if record.kind == "rest")
    records.insert(at(is_delta, 0.5), asked._replace(raw=raw, status=502, ts=None))

    assert [clean[DOCTORED], clean["NRG-BTC"]] == list(reports_of(records).values())


def mutated(records: list[Record], rng: random.Random) -> list[Record]:
    """Some of them lost, doubled, swapped, repeated late or cut in half."""
    records = list(records)
    for _ in range(rng.randrange(1, 6)):
        index = rng.randrange(20, len(records) - 1)
        fault = rng.choice(["lose", "double", "swap", "late", "cut", "snapshot"])
        if fault == "lose":
            del records[index]
        elif fault == "double":
            records.insert(index, records[index])
        elif fault == "swap":
            records[index : index + 2] = reversed(records[index : index + 2])
        elif fault == "late":
            records.insert(rng.randrange(index, len(records)), records[index])
        elif fault == "cut":
            records[index] = with_raw(records[index], records[index].raw[: rng.randrange(200)])
        else:
            again = [record for record in records if record.kind == "rest"]
            records.insert(index, rng.choice(again)._replace(raw=b"no snapshot"))
    return records


@pytest.mark.parametrize("seed", range(25))
def test_being_ready_for_an_audit_changes_nothing(seed: int) -> None:
    """Without later snapshots, a replay that keeps copies to compare comes out as one that does not.

    And whatever was done to the stream: no book that was LIVE ever differed from a ticker at the same sequence.
    """
    records = mutated(of_symbols("NRG-BTC", "DAPPT-BTC"), random.Random(seed))

    for symbol in ("NRG-BTC", "DAPPT-BTC"):
        ready = run(records, symbol)
        assert run(records, symbol, audits=False) == ready
        assert 0 == ready.bad
