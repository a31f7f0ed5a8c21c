"""A market played from a capture: what was recorded comes out again, at any speed, and the truth is the recording's."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from orderbook.errors import UsageError
from orderbook.simulator.capture import NEVER_NS, UNTIMED_GAP_NS, CaptureMarket, read_market
from orderbook.simulator.source import Rules, Source, TrueBook
from orderbook.simulator.truth import book_digest
from orderbook.types import Delta
from orderbook.venues.kucoin import KuCoin
from snapshots.capture import CaptureWriter, Record
from snapshots.errors import CaptureError
from tests.recording import BUSIEST, read_bundled

URL: Final = "https://api.kucoin.com/api/v3/market/orderbook/level2?symbol="
Rows = Sequence[list[str]]
Book = dict[str, dict[Decimal, Decimal]]


def answer(symbol: str, sequence: int, bids: Rows, asks: Rows, ts: int | None = None) -> Record:
    """A recorded snapshot."""
    data = {"sequence": str(sequence), "bids": bids, "asks": asks}
    return Record(ts, "rest", URL + symbol, json.dumps({"code": "200000", "data": data}).encode())


def frame(symbol: str, start: int, end: int, bids: Rows, asks: Rows = (), ts: int | None = None) -> Record:
    """A recorded delta."""
    data = {"sequenceStart": start, "sequenceEnd": end, "symbol": symbol, "changes": {"bids": bids, "asks": asks}}
    envelope = {"type": "message", "topic": f"/market/level2:{symbol}", "subject": "trade.l2update", "data": data}
    return Record(ts, "ws", None, json.dumps(envelope).encode())


def small(*deltas: Record, **options: Any) -> CaptureMarket:
    """The market of one snapshot at 10, and these deltas."""
    opening = answer("A-B", 10, [["1.5", "2"], ["1.40", "1.0"]], [["1.6", "3"]])
    return read_market([opening, *deltas], **options)["A-B"]


def plain(book: TrueBook) -> Book:
    """A book as plain dictionaries."""
    return {
        side: {Decimal(price): Decimal(size) for price, size in levels}
        for side, levels in (("bids", book.bids), ("asks", book.asks))
    }


def replayed(symbol: str) -> Iterable[tuple[int, Book]]:
    """The bundled capture by a plain dictionary: the book of a symbol after the snapshot and after each delta."""
    records = [record for record in read_bundled() if record.kind in {"ws", "rest"}]
    body = next(record for record in records if record.kind == "rest" and symbol in (record.url or ""))
    data = json.loads(body.raw)["data"]
    book = {side: {Decimal(price): Decimal(size) for price, size, *_ in data[side]} for side in ("bids", "asks")}
    sequence = int(data["sequence"])
    yield sequence, book
    for record in records:
        message = json.loads(record.raw)
        delta = message.get("data")
        if message.get("topic") != f"/market/level2:{symbol}" or delta["sequenceEnd"] <= sequence:
            continue
        for side, levels in book.items():
            for price, size, _ in delta["changes"][side]:
                levels[Decimal(price)] = Decimal(size)
            book[side] = {price: size for price, size in levels.items() if price and size}
        yield delta["sequenceEnd"], book


def test_the_bundled_capture_plays_to_the_books_of_a_plain_replay() -> None:
    """Every book of every symbol, asked for at once or later, is what a dictionary makes of the recording."""
    markets = read_market(read_bundled())
    assert [BUSIEST, "CAPP-BTC", "DAPPT-BTC", "FET-BTC", "NRG-BTC"] == list(markets)
    for symbol, market in markets.items():
        source: Source = market
        sequences = []
        for index, (sequence, book) in enumerate(replayed(symbol)):
            if index:
                tick = source.advance()
                assert (symbol, sequence, sequence) == (tick.symbol, tick.sequence_start, tick.sequence_end)
                assert 1 == len(tick.bids) + len(tick.asks)
            if index % 40 == 0:
                assert book == plain(source.book())
                sequences.append((sequence, source.book()))
        assert (0, None, NEVER_NS) == (market.remaining, market.gap_at, market.gap_ns())
        for sequence, true in sequences:
            assert true == market.book(sequence)
            assert book_digest(true.bids, true.asks) == market.digest(sequence)
        with pytest.raises(UsageError, match="at its end"):
            market.advance()


def test_rows_are_those_recorded() -> None:
    """The same numbers, in the same rows, on the same side, with the same sequence; ``["0", "0"]`` included."""
    market = read_market(read_bundled(), symbols=[BUSIEST])[BUSIEST]
    venue = KuCoin()
    shown = 0
    for record in read_bundled():
        if record.kind != "ws" or b"/market/level2:BCHSV" not in record.raw:
            continue
        delta = venue.decode(record.raw.decode())
        assert isinstance(delta, Delta)
        if delta.sequence_end <= market.sequence:
            continue
        tick = market.advance()
        data = json.loads(record.raw)["data"]["changes"]
        for side, rows in (("bids", tick.bids), ("asks", tick.asks)):
            assert [[Decimal(text) for text in row] for row in data[side]] == [
                [Decimal(text) for text in row] for row in rows
            ]
        shown += 1
    assert (2_342, 0) == (shown, market.remaining)


@pytest.mark.parametrize("speed", [0.5, 1.0, 100.0])
def test_it_plays_at_any_speed(speed: float) -> None:
    """The times are those of the recording, divided."""
    market = read_market(read_bundled(), symbols=[BUSIEST], speed=speed)[BUSIEST]
    total = 0
    while market.remaining:
        total += market.gap_ns()
        market.advance()
    assert 29 < total * speed / 1e9 < 31


def test_without_times_it_plays_steadily() -> None:
    """A recording that lost its times is played at a hundred deltas a second; a clock that went back is no gap."""
    market = small(
        frame("A-B", 11, 11, [["1.5", "3", "11"]]),
        frame("A-B", 12, 12, [["1.5", "4", "12"]], ts=50),
        frame("A-B", 13, 13, [["1.5", "5", "13"]], ts=20),
        frame("A-B", 14, 14, [["1.5", "6", "14"]], ts=27),
    )
    gaps = []
    while market.remaining:
        gaps.append(market.gap_ns())
        market.advance()
    assert [UNTIMED_GAP_NS, UNTIMED_GAP_NS, 0, 7] == gaps


def test_a_path_is_read_too(tmp_path: Path) -> None:
    """Whatever ``read_capture`` reads can be played."""
    path = tmp_path / "own.jsonl.gz"
    with CaptureWriter(path) as writer:
        for record in (answer("A-B", 10, [["1.5", "2"]], []), frame("A-B", 11, 11, [["1.4", "1", "11"]])):
            writer.write(record)
    market = read_market(str(path))["A-B"]
    assert Rules("A-B", "A", "B", "0.1", "1") == market.rules
    assert ((("1.4", "1", "11"),), ()) == market.advance()[3:]
    assert (("1.5", "2"), None) == market.ticker()


def test_batches_and_old_deltas() -> None:
    """What the snapshot holds is left out, row by row; numbers without a row stay without one."""
    market = small(
        frame("A-B", 5, 9, [["1.5", "9", "9"]]),
        frame("A-B", 8, 14, [["1.5", "8", "10"], ["1.4", "0", "11"]], [["1.6", "4", "13"], ["0", "0", "14"]]),
        frame("A-B", 12, 14, [["1.5", "7", "12"]]),
    )
    tick = market.advance()
    assert ("A-B", 11, 14) == tick[:3]
    assert ((("1.4", "0", "11"),), (("1.6", "4", "13"), ("0", "0", "14"))) == tick[3:]
    assert TrueBook(12, (("1.5", "2"),), (("1.6", "3"),)) == market.book(12)
    assert TrueBook(14, (("1.5", "2"),), (("1.6", "4"),)) == market.book()
    assert 0 == market.remaining


def test_a_hole_ends_the_recording() -> None:
    """What came after a lost delta is no truth, so it is not played; where that is, is told."""
    market = small(frame("A-B", 11, 11, [["1.5", "3", "11"]]), frame("A-B", 13, 13, [["1.5", "4", "13"]]))
    assert (1, 12) == (market.remaining, market.gap_at)


def test_it_can_go_on_for_ever() -> None:
    """A delta leads back to the opening book, and the numbers go on."""
    deltas = [
        frame("A-B", 11, 12, [["1.4", "0", "11"], ["1.55", "1", "12"]]),
        frame("A-B", 13, 13, [], [["2", "1", "13"]]),
    ]
    market = small(*deltas, repeat=True)
    opening = market.book()
    for _ in range(2):
        for _ in deltas:
            market.advance()
        assert UNTIMED_GAP_NS == market.gap_ns()
        back = market.advance()
        assert {"1.55", "1.4", "2"} == {row[0] for row in (*back.bids, *back.asks)}
        assert opening[1:] == market.book()[1:]
    assert 10 + 2 * (3 + 3) == market.sequence
    same = small(frame("A-B", 11, 11, [["0", "0", "11"]]), repeat=True)
    same.advance()
    assert ("A-B", 12, 12, (), ()) == same.advance()
    assert NEVER_NS == small(repeat=True).gap_ns()
    with pytest.raises(UsageError, match="at its end"):
        small(repeat=True).advance()


def test_the_venue_may_count_anew() -> None:
    """As in a market from a seed, and what was before stays readable."""
    market = small(frame("A-B", 11, 11, [["1.5", "3", "11"]]), frame("A-B", 12, 12, [["1.5", "4", "12"]]))
    market.advance()
    market.reset(3)
    assert (1, 4) == (market.epoch, market.advance().sequence_end)
    assert ("3", "4") == (market.book(11, epoch=0).bids[0][1], market.book(4).bids[0][1])


def test_what_is_no_book_is_passed_over() -> None:
    """Frames that cannot be decoded, error answers, other data, bytes that are no text."""
    error = Record(None, "rest", URL + "A-B", b'{"code":"429000","msg":"too many"}')
    rubbish = [Record(None, "ws", None, raw) for raw in (b"\xff", b"{", b'{"type":"welcome"}')]
    other = Record(None, "rest", "https://api.kucoin.com/api/v1/timestamp", b'{"code":"200000","data":1}')
    book = answer("A-B", 10, [["1.5", "2"], ["0", "0"], ["1.4", "0"]], [])
    later = answer("A-B", 20, [], [])
    closing = Record(None, "close", None, b"1000")
    market = read_market([error, *rubbish, other, book, later, closing])["A-B"]
    assert TrueBook(10, (("1.5", "2"),), ()) == market.book()


HUGE: Final = "1" + "0" * 25


@pytest.mark.parametrize(
    ("mistake", "kind", "words"),
    [
        (lambda: read_market([]), CaptureError, "holds no order book snapshot"),
        (lambda: read_market(read_bundled(), symbols=["X-Y"]), CaptureError, "no snapshot of X-Y"),
        (lambda: read_market("/nowhere/at/all"), CaptureError, "No such file"),
        (lambda: small(speed=0.0), UsageError, "above 0"),
        (lambda: small(frame("A-B", 11, 11, [["1", HUGE, "11"]])), CaptureError, "too large"),
        (
            lambda: small(frame("A-B", 11, 12, [["1", "1", "11"], ["2", "1", "11"]])),
            CaptureError,
            "two changes of A-B have the sequence 11",
        ),
    ],
)
def test_what_cannot_be_played_is_named(mistake: Callable[[], object], kind: type[Exception], words: str) -> None:
    """Before anything is played, with one line that says what is wrong."""
    with pytest.raises(kind, match=words):
        mistake()
