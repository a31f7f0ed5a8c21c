"""How records find their books in a replay, what links mean, and that nothing in a capture makes it fail."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from orderbook.errors import UnknownVenue
from orderbook.types import BookState
from snapshots.capture import Record
from snapshots.checks import Tally
from snapshots.records import Kind
from snapshots.replay import Replay
from tests.kucoin_frames import SYMBOL
from tests.kucoin_traffic import WS, delta, run, snapshot, ticker

BID, ASK = ("100", "5"), ("101", "7")
TOP = (BID, ASK)
JOINED = [delta(11), snapshot(10, [BID], [ASK])]
"""LIVE at 11, with ``TOP``."""


def tally(records: Sequence[Record]) -> Tally:
    """What the ticker check made of them."""
    return run(records).checks["ticker"]


def other(start: int) -> Record:
    """A delta of another symbol."""
    return delta(start, symbol="ETH-USDT")


def test_a_topic_in_another_field_does_not_mislead() -> None:
    """The search in the text is only a guess: a ticker that quotes a book's topic is a ticker all the same."""
    record = ticker(11, *TOP)
    raw = b'{"id":"/market/level2:BTC-USDT",' + record.raw[1:]

    assert Tally(ok=1) == tally([*JOINED, record._replace(raw=raw)])


def test_a_topic_in_escapes_is_read_all_the_same() -> None:
    """JSON may write a slash with a backslash before it, which no search finds."""
    escaped = [record._replace(raw=record.raw.replace(b"/market", b"\\/market")) for record in (delta(12), delta(13))]
    broken = escaped[1]._replace(raw=escaped[1].raw.replace(b'"sequenceStart": 13', b'"sequenceStart": -1'))

    assert 13 == run([*JOINED, *escaped]).sequence
    report = run([*JOINED, other(1), escaped[0], broken])
    assert (1, 12, BookState.SYNCING) == (report.rejected, report.sequence, report.state)
    assert 0 == run([*JOINED, other(1), escaped[0], broken], "ETH-USDT").rejected
    assert 0 == run([*JOINED, other(1), broken], "ETH-USDT", symbols=["ETH-USDT"]).rejected


def test_tickers_wait_for_the_book_of_their_own_symbol() -> None:
    """Several symbols that have no book yet do not get in each other's way."""
    early = [ticker(11, *TOP, symbol="ETH-USDT"), ticker(11, *TOP), ticker(1, *TOP, symbol="ETH-USDT")]

    assert Tally(ok=1) == tally([*early, *JOINED])
    assert Tally(skipped=2) == run([*early, *JOINED, other(1)], "ETH-USDT").checks["ticker"]


def test_an_unreadable_frame_counts_for_books_that_turn_up_later() -> None:
    """Nobody knows whose it was, so the result must not depend on the order in which symbols turn up."""
    broken = Record(None, "ws", WS, b'{"type":"mess')

    first, later = (run([broken, *JOINED, other(1)], symbol) for symbol in (SYMBOL, "ETH-USDT"))
    assert (1, 1) == (first.rejected, later.rejected)
    assert run([*JOINED, other(1), broken], "ETH-USDT") == later


@pytest.mark.parametrize(
    "record",
    [
        Record(None, "rest", None, b"{}"),
        Record(None, "rest", "https://[", b"{}"),
        Record(None, "rest", "https://api.kucoin.com/api/v1/symbols", b"{}"),
        Record(None, "rest", "https://api.kucoin.com/api/v1/market/orderbook/level2_20?symbol=no%20symbol", b"{}"),
        Record(None, "ws", WS, b'{"type":"pong","id":"1"}'),
        Record(None, "ws", WS, b'{"type":"message","topic":"/market/match:BTC-USDT","data":{}}'),
        delta(5, symbol="\u00a0"),
    ],
)
def test_what_is_nobodys_book_is_passed_over(record: Record) -> None:
    """Other answers, other topics, impossible symbols and addresses change nothing and make no book."""
    assert run(JOINED) == run([record, *JOINED, record])
    assert [] == _books([record])


def _books(records: Sequence[Record]) -> list[str]:
    replayed = Replay()
    for record in records:
        replayed.feed(record)
    return list(replayed.books)


@pytest.mark.parametrize(
    "raw", [b"", b"\xff\xfe", b"[" * 99, b"1" * 5000, b"{}", b'{"type":"message"}', b"null", b"\x00"]
)
@pytest.mark.parametrize("kind", ["ws", "rest", "open", "close"])
def test_no_content_makes_a_replay_fail(kind: Kind, raw: bytes) -> None:
    """Whatever stands in a record, of whatever kind, before or after a book is LIVE."""
    record = Record(0, kind, "https://api.kucoin.com/api/v3/market/orderbook/level2?symbol=BTC-USDT", raw)
    report = run([record, *JOINED, record, delta(12)])

    assert 0 == report.bad
    assert report.frames == report.applied + report.duplicates + report.rejected + report.discarded + report.buffered


def test_an_unknown_venue_is_refused() -> None:
    """With the names that there are."""
    with pytest.raises(UnknownVenue, match="kucoin"):
        Replay("no such venue")


def test_symbols_that_turned_up_are_counted_wanted_or_not() -> None:
    """So that a message can say what a capture has; market data is told from other talk."""
    replayed = Replay(symbols=["ETH-USDT"])
    talk = [Record(None, "ws", WS, json.dumps({"type": kind}).encode()) for kind in ("welcome", "ack", "l2update")]
    for record in [*talk, *JOINED, ticker(11, *TOP), delta(12)]:
        replayed.feed(record)

    assert ({SYMBOL: 3}, {}, []) == (replayed.seen, replayed.books, replayed.reports())
    assert (7, 4) == (replayed.record_count, replayed.recognised)


def test_a_report_is_of_one_moment() -> None:
    """What is replayed afterwards does not change a report that was made before."""
    replayed = Replay()
    for record in [*JOINED, ticker(11, *TOP), snapshot(11, [BID], [ASK])]:
        replayed.feed(record)
    (before,) = replayed.reports()
    for record in [delta(12), ticker(12, *TOP), snapshot(12, [BID], [("102", "1")])]:
        replayed.feed(record)
    (after,) = replayed.reports()

    assert {"ticker": Tally(ok=1), "snapshot": Tally(ok=1)} == before.checks
    assert {"ticker": Tally(ok=2), "snapshot": Tally(ok=1, bad=1)} == after.checks
    assert (11, 0, 12, 1) == (before.sequence, len(before.differences), after.sequence, len(after.differences))


# --- links ---


def link(kind: Kind, url: str | None = WS) -> Record:
    """A connection that opens or closes."""
    return Record(1, kind, url, b"" if kind == "open" else b"1006 gone")


def test_a_link_that_closes_takes_the_book_with_it() -> None:
    """CONNECTING after the loss; LIVE again only with a snapshot from after the new link opened."""
    lost = [link("open"), *JOINED, ticker(11, *TOP), link("close")]
    back = [*lost, link("open"), delta(20), snapshot(19, [BID], [ASK]), ticker(20, *TOP)]

    assert (BookState.CONNECTING, "connection lost") == (run(lost).state, run(lost).reason)
    assert BookState.CONNECTING is run([*lost, snapshot(11, [BID], [ASK])]).state
    assert (BookState.LIVE, 2, 1) == (run(back).state, run(back).epoch, run(back).resyncs)
    assert Tally(ok=2) == run(back).checks["ticker"]


def test_an_opened_link_alone_is_not_subscribed() -> None:
    """Until its first delta a book is SYNCING; the delta tells that the venue acknowledged its subscription."""
    replayed = Replay()
    for record in [link("open"), *JOINED]:
        replayed.feed(record)
    counters = replayed.books[SYMBOL].counters

    assert (BookState.LIVE, 0) == (replayed.books[SYMBOL].state, counters.discarded_count)
    # The wish of the book itself; nobody is asked for one to compare with it.
    assert 1 == counters.snapshots_asked


def test_of_several_links_only_the_books_own_counts() -> None:
    """A link that opens or closes elsewhere is none of this book's business; one without an address may be any."""
    elsewhere = "wss://ws.example.com/other?token=TOKEN"

    for kind in ("open", "close"):
        assert run(JOINED) == run([*JOINED, link(kind, elsewhere)])
        assert BookState.LIVE is not run([*JOINED, link(kind)]).state
        assert BookState.LIVE is not run([*JOINED, link(kind, None)]).state
    moved = [*JOINED, delta(12, url=elsewhere), link("close")]
    assert BookState.LIVE is run(moved).state
    assert BookState.CONNECTING is run([*moved, link("close", elsewhere)]).state


def test_links_are_known_to_books_that_turn_up_later() -> None:
    """A symbol that is first heard of after the link was lost does not trust an answer from before the next one."""
    answer = snapshot(10, [BID], [ASK])

    assert BookState.CONNECTING is run([link("open"), link("close"), answer]).state
    assert BookState.SYNCING is run([link("open"), link("close"), link("open"), answer]).state
