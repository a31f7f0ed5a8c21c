"""What counts as evidence in a replay: comparisons at exactly one sequence, with a book that made a claim there."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

import pytest

from snapshots import checks
from snapshots import replay as replaying
from snapshots.capture import Record
from snapshots.checks import Tally
from tests.kucoin_traffic import WS, delta, run, snapshot, ticker

BID, ASK = ("100", "5"), ("101", "7")
TOP = (BID, ASK)
JOINED = [delta(11), snapshot(10, [BID, ("99", "1")], [ASK, ("102", "2")])]
"""LIVE at 11, with ``TOP``."""


def tally(records: Sequence[Record]) -> Tally:
    """What the ticker check made of them."""
    return run(records).checks["ticker"]


# --- which tickers count ---


@pytest.mark.parametrize(
    ("name", "records", "expected"),
    [
        ("after its delta", [*JOINED, ticker(11, *TOP)], Tally(ok=1)),
        (
            "long after it",
            [*JOINED, *(delta(n, bids=[("50", "1")]) for n in range(12, 99)), ticker(11, *TOP)],
            Tally(ok=1),
        ),
        ("before it", [*JOINED, ticker(12, ("100", "6"), ASK), delta(12, bids=[("100", "6")])], Tally(ok=1)),
        ("before the snapshot", [ticker(11, *TOP), *JOINED], Tally(ok=1)),
        ("at the snapshot's own sequence", [*JOINED, ticker(10, *TOP)], Tally(ok=1)),
        ("older than the snapshot", [*JOINED, ticker(9, *TOP)], Tally(skipped=1)),
        ("older, and first", [ticker(9, *TOP), *JOINED], Tally(skipped=1)),
        ("inside a delta", [*JOINED, delta(12, 14), ticker(13, *TOP)], Tally(skipped=1)),
        ("inside a delta, and first", [*JOINED, ticker(13, *TOP), delta(12, 14)], Tally(skipped=1)),
        ("never reached", [*JOINED, ticker(12, *TOP)], Tally(skipped=1)),
        ("twice", [*JOINED, ticker(11, *TOP), ticker(11, *TOP)], Tally(ok=2)),
        ("another price", [*JOINED, ticker(11, ("100.1", "5"), ASK)], Tally(bad=1)),
        ("another size", [*JOINED, ticker(11, BID, ("101", "6"))], Tally(bad=1)),
        ("a side that is not empty", [*JOINED, ticker(11, None, ASK)], Tally(bad=1)),
        ("other zeros", [*JOINED, ticker(11, ("100.00", "5.0"), ("1.01e2", "7"))], Tally(ok=1)),
        ("another symbol", [*JOINED, ticker(11, *TOP, symbol="ETH-USDT")], Tally()),
        ("of the stream of all", [*JOINED, ticker(11, *TOP, topic="/market/ticker:all")], Tally(ok=1)),
    ],
)
def test_a_ticker_is_compared_at_exactly_its_sequence(name: str, records: list[Record], expected: Tally) -> None:
    """Before or after the delta; skipped where no LIVE book stood at that sequence."""
    assert (name, expected) == (name, tally(records))


def test_an_empty_side_is_compared_too() -> None:
    """A ticker without a bid equals a book without bids."""
    assert Tally(ok=1) == tally([delta(11), snapshot(10, [], [ASK]), ticker(11, None, ASK)])


def test_the_details_of_a_difference_are_words() -> None:
    """Both sides of both books, exactly, an empty one too; and no more than the first few are kept."""
    records = [delta(11), snapshot(10, [], [("0.00000101", "7")]), *[ticker(11, ("1e3", "5"), None)] * 9]
    report = run(records)

    assert Tally(bad=9) == report.checks["ticker"]
    assert checks.DIFFERENCES_MAX == len(report.differences)
    assert "ticker at sequence 11: the book has bid none, ask 0.00000101 x 7, the venue bid 1000 x 5, ask none" == str(
        report.differences[0]
    )
    assert {
        "check": "ticker",
        "sequence": 11,
        "ours": "bid none, ask 0.00000101 x 7",
        "venue": "bid 1000 x 5, ask none",
    } == report.differences[0].to_json()


WRONG = ("1", "1")
HOLE = [delta(n) for n in range(14, 31)]
"""13 is missing for good."""
UNREADABLE = delta(12, bids=[("NaN", "1")])


@pytest.mark.parametrize(
    ("name", "records", "state"),
    [
        # The stream continues the snapshot to 11 and not beyond: a book is built, but never LIVE.
        (
            "a hole at the join",
            [delta(11), delta(14), snapshot(10, [BID], [ASK]), ticker(11, WRONG, ASK)],
            "SYNCING",
        ),
        ("a crossed book", [*JOINED, delta(12, bids=[("105", "1")]), ticker(12, WRONG, ASK)], "SYNCING"),
        ("before it crossed", [*JOINED, delta(12, bids=[("105", "1")]), ticker(11, WRONG, ASK)], "SYNCING"),
        ("a gap", [*JOINED, *HOLE, ticker(11, WRONG, ASK)], "SYNCING"),
        (
            "a failed audit",
            [*JOINED, delta(12), snapshot(12, [BID], [ASK]), ticker(12, WRONG, ASK)],
            "SYNCING",
        ),
        (
            "another epoch",
            [*JOINED, *HOLE, snapshot(20, [BID], [ASK]), ticker(11, WRONG, ASK), delta(31)],
            "LIVE",
        ),
        (
            "another epoch after an unreadable frame",
            [*JOINED, UNREADABLE, snapshot(20, [BID], [ASK]), delta(21), ticker(11, WRONG, ASK)],
            "LIVE",
        ),
        (
            "a snapshot that a better one replaced",
            [
                *(delta(11), delta(14), snapshot(10, [BID], [ASK]), snapshot(13, [BID], [ASK])),
                ticker(11, WRONG, ASK),
            ],
            "LIVE",
        ),
        ("a reset", [delta(1001), snapshot(1000, [BID], [ASK]), delta(12), ticker(1001, WRONG, ASK)], "SYNCING"),
        (
            # 1002 is reached again by the new count, and means another moment.
            "a ticker of the count before",
            [
                *(delta(1001), snapshot(1000, [BID], [ASK]), ticker(1002, WRONG, ASK)),
                *(delta(900), snapshot(899, [BID], [ASK]), delta(901, 1001), delta(1002)),
            ],
            "LIVE",
        ),
        (
            "a lost link",
            [
                *JOINED,
                ticker(12, WRONG, ASK),
                Record(None, "close", WS, b"1006"),
                delta(12),
                snapshot(11, [BID], [ASK]),
            ],
            "LIVE",
        ),
    ],
)
def test_what_no_live_book_claimed_is_no_evidence(name: str, records: list[Record], state: str) -> None:
    """A ticker that differs is skipped where the book was on its way, gave up, or has begun a new epoch since."""
    report = run(records)

    assert (name, state, Tally(skipped=1)) == (name, report.state.value, report.checks["ticker"])


def test_tops_on_the_way_count_once_the_book_is_live() -> None:
    """Deltas replayed while joining give evidence, for the LIVE book was made of them; found out late or early."""
    buffered = [delta(n, bids=[("100", str(n))]) for n in range(11, 15)]
    tickers = [ticker(n, ("100", str(n)), ASK) for n in range(11, 15)]

    assert Tally(ok=4) == tally([*buffered, *tickers, snapshot(10, [BID], [ASK])])
    assert Tally(ok=4) == tally([*buffered, snapshot(10, [BID], [ASK]), *tickers])
    assert Tally(ok=3, bad=1) == tally([*buffered, ticker(13, WRONG, ASK), *tickers[:3], snapshot(10, [BID], [ASK])])


def test_a_hole_that_fills_itself_keeps_the_evidence() -> None:
    """While it is open nothing is decided; afterwards everything before and in it is."""
    records = [*JOINED, delta(13), ticker(11, *TOP), ticker(13, *TOP), delta(12), ticker(12, *TOP)]

    assert Tally(ok=3) == tally(records)


def test_a_touch_beyond_the_horizon_is_no_claim() -> None:
    """When the known levels of a partial side are gone, the best one is unknown, whatever deltas brought."""
    path = "/api/v1/market/orderbook/level2_20"
    rows = [(str(100 - n), "1") for n in range(20)]
    gone = delta(12, bids=[*((price, "0") for price, _ in rows), ("50", "3")])
    records = [delta(11), snapshot(10, rows, [ASK], path=path), ticker(11, ("100", "1"), ASK), gone]
    report = run([*records, ticker(12, ("50", "3"), ASK)])

    assert Tally(ok=1, skipped=1) == report.checks["ticker"]
    assert (0, (), "81", None) == (report.bid_count, report.bids, report.bid_horizon, report.ask_horizon)


@pytest.mark.parametrize(
    ("path", "rows", "horizon"),
    [
        ("/api/v1/market/orderbook/level2_20", 20, "81"),
        ("/api/v1/market/orderbook/level2_20", 19, None),
        ("/api/v1/market/orderbook/level2_100", 20, None),
        ("/api/v3/market/orderbook/level2", 20, None),
    ],
)
def test_the_address_says_how_deep_a_snapshot_is(path: str, rows: int, horizon: str | None) -> None:
    """Twenty rows are all there are, unless only twenty were asked for."""
    bids = [(str(100 - n), "1") for n in range(rows)]

    assert horizon == run([delta(11), snapshot(10, bids, [ASK], path=path)]).bid_horizon


def test_a_ticker_at_the_moment_of_a_reseeding_counts() -> None:
    """A snapshot that moves the horizon out swaps the inside of the book; what it claimed before stays claimed."""
    path = "/api/v1/market/orderbook/level2_20"
    near, far = ([(str(100 - n), "1") for n in range(count)] for count in (20, 40))
    records = [delta(11), snapshot(10, near, [ASK], path=path), snapshot(12, far, [ASK]), delta(12)]
    report = run([*records, ticker(12, ("100", "1"), ASK), delta(13), ticker(12, ("100", "1"), ASK)])

    assert {"ticker": Tally(ok=2), "snapshot": Tally(ok=1)} == report.checks
    assert (None, 1, 40) == (report.bid_horizon, report.epoch, report.bid_count)


@pytest.mark.parametrize(
    ("module", "bound", "records", "expected"),
    [
        (checks, "TOPS_MAX", [*map(delta, range(12, 16)), *(ticker(n, *TOP) for n in range(10, 16))], Tally(3, 0, 3)),
        (
            checks,
            "PENDING_MAX",
            [*(ticker(n, *TOP) for n in (15, 12, 14, 13)), *map(delta, range(12, 16))],
            Tally(3, 0, 1),
        ),
        (
            replaying,
            "EARLY_TICKERS_MAX",
            [*(ticker(n, *TOP) for n in (14, 13, 12, 11)), *JOINED, delta(12), delta(13), delta(14)],
            Tally(3, 0, 1),
        ),
    ],
)
def test_memory_is_bounded(
    module: ModuleType, bound: str, records: list[Record], expected: Tally, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Past tops, waiting tickers, tickers without a book: of too many, the oldest are skipped, and counted."""
    if bound != "EARLY_TICKERS_MAX":
        records = [*JOINED, *records]
    everything = Tally(expected.ok + expected.skipped)

    assert everything == tally(records)
    monkeypatch.setattr(module, bound, 3)
    assert expected == tally(records)


# --- later snapshots ---


def test_a_snapshot_counts_only_where_it_met_a_live_book() -> None:
    """Those that joined the book, or failed to, are no comparisons; nor is the name there without any."""
    records = [delta(11), snapshot(5, [BID], [ASK]), snapshot(10, [BID], [ASK])]

    assert {"ticker"} == run(records).checks.keys()
    assert {"ticker": Tally(), "snapshot": Tally(ok=1)} == run([*records, snapshot(11, [BID], [ASK])]).checks


@pytest.mark.parametrize(
    ("name", "later", "expected"),
    [
        ("older than the copy", [snapshot(10, [BID], [ASK])], Tally(skipped=1)),
        ("crossed in itself", [snapshot(11, [ASK], [BID])], Tally(skipped=1)),
        ("never reached", [snapshot(12, [BID], [ASK])], Tally(skipped=1)),
        (
            "overtaken by a newer one",
            [snapshot(12, [BID], [ASK]), snapshot(13, [BID], [ASK]), delta(12, 13)],
            Tally(ok=1, skipped=1),
        ),
        (
            "waiting when the link is lost",
            [snapshot(12, [BID], [ASK]), Record(None, "close", None, b"")],
            Tally(skipped=1),
        ),
    ],
)
def test_a_snapshot_that_cannot_be_compared_is_skipped(name: str, later: list[Record], expected: Tally) -> None:
    """Whatever the reason, it is counted; nothing is made up."""
    report = run([delta(11), snapshot(10, [BID], [ASK]), *later])

    assert (name, expected) == (name, report.checks["snapshot"])


def test_many_wrong_levels_are_not_all_told() -> None:
    """Five levels of each difference, and how many more; and five differences at most."""
    rows = [(str(100 - n), "1") for n in range(9)]
    records = [delta(11), snapshot(10, rows, [ASK])]
    for sequence in range(11, 40, 3):
        records += [snapshot(sequence, [("50", "1")], [ASK]), delta(sequence + 2), snapshot(sequence + 1, rows, [ASK])]
        records += [delta(sequence + 3)]
    report = run(records)

    assert report.checks["snapshot"].bad > checks.DIFFERENCES_MAX == len(report.differences)
    assert "bid 100 x 1, bid 99 x 1, bid 98 x 1, bid 97 x 1, bid 96 x 1 and 5 more" == report.differences[0].ours
