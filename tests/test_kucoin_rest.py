"""KuCoin's REST snapshots, symbols and URLs; and the worked example of how a snapshot and the stream are joined."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orderbook.errors import FrameError, UnknownVenue, UsageError
from orderbook.events import Event, Gap, NeedSnapshot, SnapshotRejected, StateChanged
from orderbook.fixedpoint import parse_number
from orderbook.settings import SyncSettings
from orderbook.sync import BookSync
from orderbook.types import BookState, Change, Side, Snapshot
from orderbook.venues import VENUES, venue_named
from orderbook.venues.kucoin import KuCoin
from tests.hostile import level2, outcome, records, rest

KUCOIN: Final = KuCoin()
MS: Final = 1767690000123


def rows(*texts: tuple[str, str]) -> tuple[Change, ...]:
    """Rows of a snapshot."""
    return tuple(Change(parse_number(price), parse_number(size)) for price, size in texts)


def many(count: int, step: int) -> list[list[str]]:
    """So many rows away from the touch."""
    return [[str(1000 + step * i), "1"] for i in range(count)]


SNAPSHOTS: Final[dict[str, tuple[dict[str, Any], Snapshot]]] = {
    "as documented": (
        rest("2500003", [["67009.9", "1.5"], ["67009.8", "0.2"]], [["67010.1", "0.25"], ["67010.4", "3"]]),
        Snapshot(
            2500003, rows(("67009.9", "1.5"), ("67009.8", "0.2")), rows(("67010.1", "0.25"), ("67010.4", "3")), MS
        ),
    ),
    "bare numbers": (
        rest(2**53 + 1, [[67009.9, 1]], [[67010.1, 2.5e-1]]),
        Snapshot(2**53 + 1, rows(("67009.9", "1")), rows(("67010.1", "0.25")), MS),
    ),
    "no bids": (rest("1", [], [["2", "1"]]), Snapshot(1, (), rows(("2", "1")), MS)),
    "no asks": (rest("1", [["2", "1"]], []), Snapshot(1, rows(("2", "1")), (), MS)),
    "nothing": (rest("0", [], []), Snapshot(0, (), (), MS)),
    "not in order": (
        rest("1", [["2", "1"], ["4", "1"], ["3", "1"]], [["7", "1"], ["5", "1"]]),
        Snapshot(1, rows(("2", "1"), ("4", "1"), ("3", "1")), rows(("7", "1"), ("5", "1")), MS),
    ),
    "size 0 and price 0": (
        rest("1", [["2", "0"], ["0", "5"]], [["3", "0.00"]]),
        Snapshot(1, rows(("2", "0"), ("0", "5")), rows(("3", "0")), MS),
    ),
    "longer rows": (rest("1", [["2", "1", "later", None]], []), Snapshot(1, rows(("2", "1")), (), MS)),
    "time that is none": (rest("1", [], [], time="soon"), Snapshot(1, (), ())),
    "a symbol, and more keys": ({**rest("1", [], [], symbol="X", more=[1]), "msg": "ok"}, Snapshot(1, (), (), MS)),
    "code as a number": ({**rest("1", [], []), "code": 200000}, Snapshot(1, (), (), MS)),
    "crossed": (rest("1", [["9", "1"]], [["8", "1"]]), Snapshot(1, rows(("9", "1")), rows(("8", "1")), MS)),
}


@pytest.mark.parametrize("name", SNAPSHOTS)
def test_snapshots(name: str) -> None:
    """The rows as they came, exactly; whether they make a book is judged where it is kept."""
    answer, snapshot = SNAPSHOTS[name]

    assert snapshot == outcome(KUCOIN.decode_snapshot, json.dumps(answer))


@pytest.mark.parametrize("count", [20, 100, 5_000])
def test_snapshots_of_every_depth(count: int) -> None:
    """All rows of the two public depths and of the full book are there, in their order."""
    snapshot = KUCOIN.decode_snapshot(json.dumps(rest("1", many(count, -1)[:999], many(count, 1))))

    assert (min(count, 999), count) == (len(snapshot.bids), len(snapshot.asks))
    assert [parse_number(row[0]) for row in many(count, 1)] == [change.price for change in snapshot.asks]


NO_SEQUENCES: Final[tuple[Any, ...]] = (None, "", True, 1.0, "1.0", -1, "-1", 2**63, [], {}, "x")
NO_NUMBERS: Final[tuple[Any, ...]] = (None, "", True, -1, "-1", "NaN", "1e31", "9" * 41, [], {}, "x")
BAD_SNAPSHOTS: Final[dict[str, tuple[Any, str, str]]] = {
    "unknown symbol": ({"code": "900001", "msg": "symbol not exists"}, "error", "'900001': symbol not exists"),
    "rate limit": ({"code": "429000", "msg": "Too Many Requests"}, "error", "429000"),
    "not found": ({"code": "404", "msg": "Not Found", "retry": False, "success": False}, "error", "404"),
    "other number": ({"code": 400100, "msg": None, "data": {}}, "error", "'400100': no message"),
    "no code": ({"data": rest("1", [], [])["data"]}, "error", "None"),
    "code of another kind": ({**rest("1", [], []), "code": [200000]}, "error", "no message"),
    "hostile words": ({"code": "\n\x1b[31m" * 50, "msg": "é\x00\x1b]0;" * 500}, "error", "x1b"),
    "data null": ({"code": "200000", "data": None}, "fields", "the symbol may be unknown"),
    "no data": ({"code": "200000"}, "fields", "the symbol may be unknown"),
    "data of another kind": ({"code": "200000", "data": []}, "fields", "the symbol may be unknown"),
    "empty data": ({"code": "200000", "data": {}}, "fields", "without bids"),
    "bids null": (rest("1", None, []), "fields", "without bids"),
    "asks null": (rest("1", [], None), "fields", "without asks"),
    "asks of text": (rest("1", [], "x"), "fields", "without asks"),
    "short row": (rest("1", [["1"]], []), "fields", "a row of bids"),
    "row of text": (rest("1", [], ["11"]), "fields", "a row of asks"),
    "row of keys": (rest("1", [{"price": "1", "size": "1"}], []), "fields", "a row of bids"),
    "flat row": (rest("1", ["1", "2"], []), "fields", "a row of bids"),
    "a bid twice": (rest("1", [["1", "1"], ["2", "2"], ["1", "1"]], []), "fields", "twice in bids"),
    "an ask twice in two spellings": (rest("1", [], [["1.0", "1"], ["10e-1", "2"]]), "fields", "twice in asks"),
    **{f"sequence {value!a:.30}": (rest(value, [], []), "sequence", "sequence") for value in NO_SEQUENCES},
    **{f"price {value!a:.30}": (rest("1", [[value, "1"]], []), "number", "number") for value in NO_NUMBERS},
    **{f"size {value!a:.30}": (rest("1", [], [["1", value]]), "number", "number") for value in NO_NUMBERS},
    "a list": ([rest("1", [], [])], "fields", "not a JSON object"),
}


@pytest.mark.parametrize("name", BAD_SNAPSHOTS)
def test_snapshots_that_cannot_be_used(name: str) -> None:
    """An error of the venue is told from a body that makes no sense, in short and in ASCII."""
    answer, reason, words = BAD_SNAPSHOTS[name]
    with pytest.raises(FrameError) as caught:
        KUCOIN.decode_snapshot(json.dumps(answer))

    assert reason == caught.value.reason
    assert words in str(caught.value)
    assert str(caught.value).isascii()
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "body", ["", "<!DOCTYPE html><html>1015</html>", "error code: 1015", '{"code":"200000","data":{']
)
def test_a_body_that_is_no_json(body: str) -> None:
    """What stands between the venue and us answers in HTML, or breaks off."""
    assert "json" == outcome(KUCOIN.decode_snapshot, body)


def test_the_snapshots_of_the_capture() -> None:
    """The five full books as recorded: all rows, both sides sorted as documented."""
    snapshots = [KUCOIN.decode_snapshot(text) for kind, text in records() if kind == "rest"]

    assert 5 == len(snapshots)
    for snapshot in snapshots:
        assert sorted(snapshot.bids, key=lambda row: -row.price.to_decimal()) == list(snapshot.bids)
        assert sorted(snapshot.asks, key=lambda row: row.price.to_decimal()) == list(snapshot.asks)


# -- symbols and URLs --


@pytest.mark.parametrize(
    "symbol", ["BTC-USDT", "1INCH-USDT", "BCHSV-USDT", "A-B", "ETH2.S-BTC", "a_b-C", "X" * 32 + "-" + "Y" * 32]
)
def test_symbols(symbol: str) -> None:
    """``BASE-QUOTE``."""
    KUCOIN.check_symbol(symbol)
    assert symbol == KUCOIN.guess_symbol(f'{{"topic":"/market/level2:{symbol}","da')


@pytest.mark.parametrize(
    "symbol",
    [
        *(
            "",
            "-",
            "BTC",
            "BTC-",
            "-USDT",
            "BTC--USDT",
            "BTC-USDT-X",
            "BTCUSDT",
            "XBTUSDTM",
            "BTC/USDT",
            "BTC_USDT",
            ".KXBTUSDT",
        ),
        *(
            "BTC-USDT ",
            " BTC-USDT",
            "BTC-USDT\n",
            "BTC-USDT\x00",
            "BTC-USDT,ETH-USDT",
            "BTC-USDT:1",
            "BTC-USDT?x=1",
            "../-x",
        ),
        *("BТC-USDT", "ＢTC-USDT", "BTC-USDT\u200b", "\ud800-USDT", "X" * 33 + "-Y", "X" * 10**6),
        *(None, 1, b"BTC-USDT", ["BTC-USDT"], True, object()),
    ],
    ids=lambda symbol: ascii(symbol)[:20],
)
def test_what_is_no_symbol(symbol: Any) -> None:
    """Nothing that could mean something else in a topic or a URL, nor look like another; the error is short."""
    with pytest.raises(UsageError, match="is not a KuCoin spot symbol") as caught:
        KUCOIN.check_symbol(symbol)

    assert str(caught.value).isascii()
    assert len(str(caught.value)) < 200
    with pytest.raises(UsageError, match="is not a KuCoin spot symbol"):
        BookSync("kucoin", symbol)


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        ("", None),
        ('{"topic":"/market/level2:BTC-USDT"', "BTC-USDT"),
        ('"/market/level2:BTC-USDT"}{"/market/level2:BTC-USDT"', "BTC-USDT"),
        ('"/market/level2:BTC-USDT"}{"/market/level2:ETH-USDT"', None),
        ('{"topic":"/market/level2:BTC-USD', None),
        ('{"topic":"/market/level2:BTC-USDT,ETH-USDT"', None),
        ('{"topic":"/market/level2:"', None),
        ('{"topic":"/market/level2"', None),
        ('{"topic":"/market/ticker:BTC-USDT"', None),
        ('{"topic":"/market/level2:' + "X" * 66 + '"', None),
        (r'{"data":"\"/market/level2:BTC-USDT\""', None),
    ],
)
def test_whose_a_broken_frame_may_be(text: str, symbol: str | None) -> None:
    """The one symbol that stands in it whole; several frames in one may have cost several books."""
    assert symbol == KUCOIN.guess_symbol(text)


HOST: Final = "https://api.kucoin.com"


@pytest.mark.parametrize(
    ("url", "request_of"),
    [
        (f"{HOST}/api/v1/market/orderbook/level2_20?symbol=BTC-USDT", ("BTC-USDT", 20)),
        (f"{HOST}/api/v1/market/orderbook/level2_100?symbol=BTC-USDT", ("BTC-USDT", 100)),
        (f"{HOST}/api/v3/market/orderbook/level2?symbol=BTC-USDT", ("BTC-USDT", "full")),
        (f"{HOST}/api/v2/market/orderbook/level2?symbol=BTC-USDT", ("BTC-USDT", "full")),
        (f"{HOST}/api/v1/market/orderbook/level2?symbol=BTC-USDT", ("BTC-USDT", "full")),
        ("http://127.0.0.1:8080/api/v3/market/orderbook/level2?a=1&symbol=BTC%2DUSDT#x", ("BTC-USDT", "full")),
        ("/api/v1/market/orderbook/level2_20?symbol=BTC-USDT", ("BTC-USDT", 20)),
        (f"{HOST}/api/v1/market/orderbook/level2_20", None),
        (f"{HOST}/api/v1/market/orderbook/level2_20?symbol=", None),
        (f"{HOST}/api/v1/market/orderbook/level2_20?SYMBOL=BTC-USDT", None),
        (f"{HOST}/api/v1/market/orderbook/level2_50?symbol=BTC-USDT", None),
        (f"{HOST}/api/v1/market/orderbook/level2_20/?symbol=BTC-USDT", None),
        (f"{HOST}/api/v1/market/orderbook/level1?symbol=BTC-USDT", None),
        (f"{HOST}/api/v1/market/orderbook/callauction/level2_20?symbol=BTC-USDT", None),
        (f"{HOST}/api/v1/bullet-public", None),
        ("https://api-futures.kucoin.com/api/v1/level2/snapshot?symbol=XBTUSDTM", None),
        *(
            (text, None)
            for text in (
                "",
                "x",
                "?symbol=BTC-USDT",
                "http://[",
                "http://\u2100/",
                "//[::1",
                "http://a:b:c/d?",
                "\ud800",
            )
        ),
    ],
)
def test_what_a_url_asks_for(url: str, request_of: tuple[str, int | str] | None) -> None:
    """Symbol and depth of the order book requests, and of no other text."""
    assert request_of == KUCOIN.snapshot_request(url)


@given(url=st.text() | st.text("htp:/[]?&=%symboldepthvel2_.@#\u2100").map(lambda text: f"http://{text}"))
@example("http://[x]/api/v1/market/orderbook/level2_20?symbol=%ff")
def test_any_text_may_be_a_url(url: str) -> None:
    """A capture may hold any text in the place of a URL."""
    request = KUCOIN.snapshot_request(url)

    assert request is None or request[1] in (20, 100, "full")


@pytest.mark.parametrize(
    "name", ["binance", "", "KuCoin", "kucoin ", "\n\ud800", "x" * 10**6, None, 5, [], {}], ids=range(10)
)
def test_an_unknown_venue(name: Any) -> None:
    """The error names the known ones, in short and in ASCII."""
    with pytest.raises(UnknownVenue, match="known: kucoin") as caught:
        venue_named(name)

    assert str(caught.value).isascii()
    assert len(str(caught.value)) < 200


def test_a_venue_by_its_name() -> None:
    """Whatever is listed can be had."""
    assert {name: venue.name for name, venue in VENUES.items()} == {name: venue_named(name).name for name in VENUES}
    assert ["kucoin"] == list(VENUES)


# -- the worked example --


class Example:
    """The worked example of the protocol: deltas A to D, and three snapshots."""

    def __init__(self) -> None:
        # Without a clock a hole is a gap at once when it may not be held for a single frame.
        self.sync = BookSync("kucoin", "BTC-USDT", settings=SyncSettings(reorder_hold_frames=0))
        self.observed: list[int] = []

    def delta(
        self, start: int, end: int, bids: Sequence[list[str]] = (), asks: Sequence[list[str]] = ()
    ) -> tuple[Event, ...]:
        """Receive one."""
        return self.sync.receive(json.dumps(level2(start, end, bids, asks, symbol="BTC-USDT")).encode())

    def snapshot(self, sequence: str, bids: list[list[str]], asks: list[list[str]]) -> tuple[Event, ...]:
        """Receive one."""
        return self.sync.receive_snapshot(json.dumps(rest(sequence, bids, asks)).encode())

    def levels(self) -> tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]]:
        """The last known book."""
        book = self.sync.book.last_known.exact
        return dict(book.bids), dict(book.asks)


def d(**levels: str) -> dict[Decimal, Decimal]:
    """Levels: ``d(_10="6")`` is size 6 at price 10."""
    return {Decimal(price[1:].replace("_", ".")): Decimal(size) for price, size in levels.items()}


def test_the_worked_example() -> None:
    """Buffered deltas A, B, C; snapshot 101; then D behind a hole, a snapshot that is too old, and one that is not."""
    example = Example()
    sync = example.sync

    example.delta(98, 99)
    example.delta(100, 103, [["10", "6", "100"]], [["12", "3", "102"], ["11", "0", "103"]])
    example.delta(104, 104, [["8.5", "0", "104"]])
    assert (BookState.SYNCING, 3) == (sync.state, sync.buffered)

    # A is covered by the snapshot, B straddles it, C follows; a missing level may be removed.
    joined = example.snapshot("101", [["10", "6"], ["9", "4"]], [["11", "7"], ["12", "1"]])
    assert [StateChanged] == [type(event) for event in joined]
    assert (BookState.LIVE, 104) == (sync.state, sync.book.sequence)
    assert (d(_10="6", _9="4"), d(_12="3")) == example.levels()
    assert (1, 2, 0) == (sync.counters.duplicates, sync.counters.applied, sync.buffered)
    assert 1 == sync.book.content.remove_absent_count

    # D is kept, and the book is withheld.
    gap = example.delta(106, 106, [["7", "1", "106"]])
    assert Gap(105, 106) in gap
    assert [NeedSnapshot("BTC-USDT", "gap", 0, None)] == [event for event in gap if isinstance(event, NeedSnapshot)]
    assert (BookState.SYNCING, 104, 1) == (sync.state, sync.book.sequence, sync.buffered)

    # Between 103 and D there is still a hole: the snapshot is refused, D is not.
    old = example.snapshot("103", [["10", "6"]], [["12", "3"]])
    assert [SnapshotRejected, NeedSnapshot] == [type(event) for event in old]
    assert (BookState.SYNCING, 1) == (sync.state, sync.buffered)

    # The venue's book at 107 holds D; the stream shows that it got there.
    example.snapshot("107", [["10", "6"], ["7", "2"]], [["12", "3"]])
    example.delta(107, 107, [["7", "2", "107"]])
    assert (BookState.LIVE, 107) == (sync.state, sync.book.sequence)
    assert (d(_10="6", _7="2"), d(_12="3")) == example.levels()
    assert 2 == sync.counters.applied

    # What follows must start at 108 or before.
    example.delta(108, 109, [["6", "1", "109"]])
    assert (BookState.LIVE, 109) == (sync.state, sync.book.sequence)
    assert (sync.counters.frames, 0) == (sync.counters.applied + sync.counters.duplicates, sync.buffered)


def test_rows_that_a_snapshot_covers_are_left_out() -> None:
    """In a straddling delta only rows beyond the snapshot count: what it says of older ones is not news."""
    example = Example()
    example.delta(100, 103, [["10", "5", "100"], ["9", "0", "101"]], [["12", "3", "102"]])
    example.snapshot("101", [["10", "6"], ["9", "4"]], [["11", "7"], ["12", "1"]])

    assert (d(_10="6", _9="4"), d(_11="7", _12="3")) == example.levels()


@pytest.mark.parametrize(
    ("rows", "partial"), [(19, False), (20, True), (21, False), (100, True), (99, False), (0, False)]
)
@pytest.mark.parametrize("side", Side)
def test_a_side_as_long_as_a_public_answer_is_cut_off(rows: int, partial: bool, side: Side) -> None:
    """Without being told, only 20 and 100 rows are taken for a part of the book, each side on its own."""
    example = Example()
    levels = many(rows, side.value)
    example.delta(1, 1)
    example.snapshot("1", levels if side is Side.BID else [], levels if side is Side.ASK else [])

    horizon = example.sync.book.content.horizon
    assert partial == (horizon[side] is not None)
    assert None is horizon[side.opposite]
