"""The body of a snapshot, by the twin in use and by the venue's own function: the same content, or the same error."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from orderbook.accelerator import ACCELERATOR
from orderbook.content import BookContent
from orderbook.errors import FrameError
from orderbook.events import Depth
from orderbook.settings import SyncSettings
from orderbook.simulator.chance import stream
from orderbook.sync import BookSync
from orderbook.sync.loader import Loader, PureLoader
from orderbook.types import Change, Side, Snapshot
from orderbook.venues import wire
from orderbook.venues.kucoin import KuCoin
from orderbook.venues.layout import Layout, laid_out, layout_of
from orderbook.venues.wire import Frame
from tests.examples import share
from tests.hostile import records, rest
from tests.kucoin_frames import SYMBOL, snapshot
from tests.test_kucoin_rest import BAD_SNAPSHOTS, SNAPSHOTS

DEPTHS: Final[tuple[Depth, ...]] = (None, "full", 1, 2, 20)
HANDED_OVER: Final = {"not in order", "longer rows", "time that is none", "code as a number"}
"""Of the bodies that make a snapshot, those that the compiled twin leaves to the venue's function."""


def result(sync: BookSync, body: Frame, depth: Depth) -> object:
    """All that a content is, or all that an error says."""
    try:
        content = sync._decode_snapshot(body, depth)
    except FrameError as error:
        return type(error), error.reason, error.detail, error.symbol
    content.verify()
    levels = list(content.bids), list(content.asks)
    scales = content.price_decimals, content.size_decimals
    known = dict(content.horizon), content.seeded, content.sequence, content.venue_ms
    counts = content.touch_count, content.price_zero_count, content.remove_absent_count
    return levels, scales, known, counts


def check(body: Frame, *, depth: Depth = "full", bounds: SyncSettings | None = None, venue: Any = "kucoin") -> object:
    """Both ways come to the same. Returns what."""
    sync, plain = (BookSync(venue, SYMBOL, settings=bounds) for _ in range(2))
    plain._loader = PureLoader(None, SYMBOL, 0)
    expected = result(plain, body, depth)

    assert expected == result(sync, body, depth)

    return expected


def is_native(body: Frame, layout: Layout | None, bytes_max: int = 2**26) -> bool:
    """Whether the twin in use takes it by itself."""
    return Loader(layout, SYMBOL, bytes_max).load(body, BookContent()) is not None


LAYOUT: Final = layout_of(KuCoin(), "decode_snapshot")


@pytest.mark.parametrize("name", [*SNAPSHOTS, *BAD_SNAPSHOTS])
@pytest.mark.parametrize("depth", DEPTHS)
def test_every_known_body(name: str, depth: Depth) -> None:
    """Good and bad ones, of whatever depth they were asked for."""
    answer = (SNAPSHOTS.get(name) or BAD_SNAPSHOTS[name])[0]

    check(json.dumps(answer), depth=depth)


@pytest.mark.parametrize("name", SNAPSHOTS)
def test_plain_bodies_need_no_venue(name: str) -> None:
    """The compiled twin takes by itself what a venue really sends; the pure one never does."""
    body = json.dumps(SNAPSHOTS[name][0])

    assert (ACCELERATOR == "compiled" and name not in HANDED_OVER) == is_native(body, LAYOUT)


def test_the_snapshots_of_the_capture() -> None:
    """The five full books as recorded, each whole and cut off at many places."""
    bodies = [text for kind, text in records() if kind == "rest"]
    assert 5 == len(bodies)
    for body in bodies:
        for depth in DEPTHS:
            check(body.encode(), depth=depth)
        assert (ACCELERATOR == "compiled") == is_native(body, LAYOUT)
        for cut in range(0, len(body), 997):
            check(body[:cut])


def test_a_body_cut_off_at_any_byte() -> None:
    """None of them is a book, and each says the same of itself."""
    body = snapshot(10)
    found = [check(body[:cut]) for cut in range(len(body) + 1)]

    assert [FrameError] * len(body) == [row[0] for row in found[:-1] if isinstance(row, tuple)]


@pytest.mark.parametrize(
    "kind", [bytes, bytearray, memoryview, bytes.decode, lambda body: memoryview(body)[::-1][::-1]]
)
def test_any_buffer_and_text(kind: Any) -> None:
    """Whatever a body is kept in."""
    body = kind(snapshot(10))

    assert check(bytes(snapshot(10))) == check(body)
    assert (ACCELERATOR == "compiled") == is_native(body, LAYOUT)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, bytes.decode])
def test_a_body_may_be_as_long_as_the_limit(kind: Any) -> None:
    """And not one byte longer."""
    body = snapshot(10)
    for beyond in (0, 1):
        found = check(kind(body), bounds=SyncSettings(snapshot_bytes_max=len(body) - beyond))
        assert isinstance(found, tuple)
        assert beyond == (found[:2] == (FrameError, "size"))


@pytest.mark.parametrize(("rows", "levels_max"), [(3, 3), (3, 2)])
@pytest.mark.parametrize("side", ["bids", "asks"])
def test_rows_count_as_they_stand(side: str, rows: int, levels_max: int) -> None:
    """Towards the limit and towards the depth, also those of price 0 and of size 0."""
    body = json.dumps(rest("1", **{"bids": [], "asks": [], side: [["0", "1"], ["5", "0"], ["5.0001", "1"]][:rows]}))
    for depth in (None, "full", 2, 3, 4):
        check(body, depth=depth, bounds=SyncSettings(levels_max=levels_max))


CORNERS: Final = {
    "price 0 twice": '[["5","1"],["0","1"],["0.0","2"]]',
    "price 0 has decimals": '[["5.10","1.500"],["0.000","0.12345678"]]',
    "size 0 has decimals": '[["5.123","0.0000"],["4","1"]]',
    "size 0 stands twice": '[["5","1"],["4","0"],["4.0","0"]]',
    "size 0 not in order": '[["4","1"],["5","0"],["3","1"]]',
    "only size 0": '[["5","0"],["4","0"]]',
    "18 digits": '[["123456789012345678","0.00000000000000001"]]',
    "19 digits": '[["9223372036854775807","1"]]',
    "too many digits together": '[["123456789012345678","1"],["0.01","1"]]',
    "no list": "null",
}


@pytest.mark.parametrize("name", CORNERS)
@pytest.mark.parametrize("depth", DEPTHS)
def test_corners(name: str, depth: Depth) -> None:
    """Rows that are no levels, and numbers at the ends of what can be held."""
    check(f'{{"code":"200000","data":{{"sequence":1,"bids":{CORNERS[name]},"asks":[["7","1"]]}}}}', depth=depth)


@pytest.mark.parametrize("key", ["code", "data", "sequence", "time", "bids", "asks"])
def test_what_is_missing(key: str) -> None:
    """Each key in turn."""
    check(snapshot(10).replace(f'"{key}"'.encode(), b'"other"'))


@pytest.mark.parametrize("order", ["sorted", "reversed", "shuffled", "with one twice"])
def test_large_bodies_in_any_order(order: str) -> None:
    """Thousands of levels a side, which fill many blocks of a compiled ladder."""
    rng = stream(7, order)
    sides = []
    for side in Side:
        prices = rng.sample(range(1, 10**6), 3_000)
        prices.sort(key=lambda price: side.value * price, reverse=order == "reversed")
        if order == "shuffled":
            rng.shuffle(prices)
        elif order == "with one twice":
            prices[77] = prices[78]
        sides.append(
            [[f"{price / 100:.2f}", f"{rng.randint(0, 9 ** rng.randint(1, 9)) / 1e8:.8f}"] for price in prices]
        )
    body = json.dumps(rest("1", *sides))

    check(body)

    assert (ACCELERATOR == "compiled" and order == "sorted") == is_native(body, LAYOUT)


# -- bodies at random --

ODD: Final = ("1e1", "1E-3", "-1", "NaN", "Infinity", "007", "1.", ".5", "", " 1", "+1", "1_0", "１", "null", "true")
LONG: Final = ("9" * 18, "9" * 19, "9" * 41, f"0.{'0' * 17}1", f"1.{'0' * 17}", f"1.{'0' * 40}", "123456789012.1234567")
gaps: Final = st.sampled_from(["", "", " ", "\n\t "])
keys: Final = st.sampled_from(["more", "time", "data", "bids", "b\\u0069ds", "é", "symbol", "code"])
values: Final = st.sampled_from(
    ["1", "null", "[]", "{}", '"x"', '[[{"a":1,"a":2}]]', "-0.5e+3", "[1,]", '"\\n"', "[" * 17 + "]" * 17, "nul", '"é"']
)


def is_json(text: str) -> bool:
    """Whether it is a value at all, and in plain ASCII."""
    try:
        wire.load(f'{{"":{text}}}')
    except FrameError:
        return False
    return text.isascii()


@st.composite
def numbers(draw: st.DrawFn, raw: int, decimals: int, *, odd: bool) -> str:
    """A price or size as it may be spelled; where all is odd, rarely as it may not."""
    kind = draw(st.integers(0, 40))
    if odd and kind < 2:
        text = draw(st.sampled_from(ODD + LONG))
    else:
        text = f"{raw // 10**decimals}.{raw % 10**decimals:0{decimals}d}" if decimals else str(raw)
        text += "0" * draw(st.integers(0, 2)) if decimals else ""
    return text if kind % 7 == 0 else f'"{text}"'


@st.composite
def row_lists(draw: st.DrawFn, side: Side, *, odd: bool) -> str:
    """A list of rows, best first; where all is odd, now and then not, or with a price that stands twice."""
    is_twice, is_sorted = odd and draw(st.integers(0, 5)) == 0, not odd or draw(st.integers(0, 5)) > 0
    prices = [*range(20)] if draw(st.integers(0, 9)) == 0 else draw(st.lists(st.integers(0, 60), max_size=6))
    if not is_twice:
        prices = [*dict.fromkeys(prices)]
    if is_sorted:
        prices.sort(key=lambda price: side.value * price)
    decimals = draw(st.integers(0, 3))
    gap = draw(gaps)
    rows = []
    for price in prices:
        size, size_decimals = draw(st.integers(0, 2_000)), draw(st.integers(0, 4))
        row = [draw(numbers(price, decimals, odd=odd)), draw(numbers(size, size_decimals, odd=odd))]
        if odd and draw(st.integers(0, 40)) == 0:
            row = draw(st.sampled_from([row[:1], [*row, "1"], [*row, *row], []]))
        rows.append(f"[{gap}{f'{gap},'.join(row)}{gap}]")
    return f"[{gap}{f'{gap},{gap}'.join(rows)}{gap}]"


@st.composite
def objects(draw: st.DrawFn, fields: list[tuple[str, str]], *, odd: bool) -> str:
    """An object in any order; where all is odd, now and then with a field too few, and with odd ones."""
    fields = draw(st.permutations(fields))
    if odd and draw(st.integers(0, 7)) == 0:
        fields = fields[1:]
    if draw(st.booleans()):
        fields = [*fields, (draw(keys), draw(values)) if odd else ("more", draw(values.filter(is_json)))]
    gap = draw(gaps)
    inner = [f'{gap}"{key}"{gap}:{gap}{value}{gap}' for key, value in fields]
    return f"{{{gap}{','.join(inner)}}}"


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Answers of an order book endpoint; some of them damaged, as they would be on the wire."""
    odd = draw(st.booleans())
    sequence = st.sampled_from(
        ['"12"', "12", "0", '"007"', f'"{2**63 - 1}"', f"{2**63}", f'"{2**63 - 2}"', "1.0", '""']
    )
    time = st.sampled_from(["5", '"5"', "0", "null", "1.5", "-1", f"{2**63 - 1}", '"soon"', f"{10**19}"])
    codes = st.sampled_from(['"200000"'] * 9 + ["200000", '"400100"', '"2000000"', "null"])
    code = draw(codes) if odd else '"200000"'
    rare = odd and draw(st.booleans())
    data = draw(
        objects(
            [
                ("sequence", draw(sequence) if rare else '"12"'),
                ("time", draw(time) if rare else "5"),
                ("bids", draw(row_lists(Side.BID, odd=odd))),
                ("asks", draw(row_lists(Side.ASK, odd=odd))),
            ],
            odd=odd,
        )
    )
    answer = draw(objects([("code", code), ("data", data)], odd=odd))
    body = bytearray((draw(gaps) + answer + draw(gaps)).encode())
    match draw(st.integers(0, 9)):
        case 0:
            del body[draw(st.integers(0, len(body))) :]
        case 1:
            at = draw(st.integers(0, len(body) - 1))
            body[at : at + draw(st.integers(0, 1))] = bytes([draw(st.integers(0, 255))])
        case 2:
            body += draw(st.sampled_from([b"\0", b"x", b"{}", b"\xff"]))
    return bytes(body)


@given(body=bodies(), depth=st.sampled_from(DEPTHS), small=st.booleans())
@settings(max_examples=share(200))
def test_any_body_comes_to_the_same(body: bytes, depth: Depth, *, small: bool) -> None:
    """Levels, scales, horizon, counters and times; or class, reason and words of the error. As bytes and as text."""
    bounds = SyncSettings(levels_max=5, snapshot_bytes_max=600) if small else None
    event(f"native: {is_native(body, LAYOUT)}")

    check(body, depth=depth, bounds=bounds)
    check(body.decode(errors="surrogateescape"), depth=depth, bounds=bounds)


# -- another venue --


def bare_side(rows: Any) -> tuple[Change, ...]:
    """Rows of a venue that minds nothing."""
    return tuple(Change(wire.number(price), wire.number(size)) for price, size in rows)


class Futures(KuCoin):
    """Bodies as of KuCoin's futures: bare numbers, times in ns, and no word about prices that stand twice."""

    @laid_out(
        Layout(
            texts={("code",): "200000"},
            start=("data", "sequence"),
            end=("data", "sequence"),
            time=("data", "ts"),
            time_units=1_000_000,
            bids=("data", "bids"),
            asks=("data", "asks"),
        )
    )
    def decode_snapshot(self, text: str) -> Snapshot:
        """Decode a body that is taken for a good one."""
        data: Any = wire.load(text)["data"]
        sides = bare_side(data["bids"]), bare_side(data["asks"])
        return Snapshot(wire.sequence(data["sequence"], "sequence"), *sides, int(data["ts"]) // 1_000_000)


FUTURES: Final = (
    '{"code":"200000","data":{"sequence":1697895963339,"symbol":"XBTUSDTM","bids":[[3200.5,800],[3100,100]],'
    '"asks":[[5000.0,1000],[6000,1983]],"ts":1697895963339876543}}'
)


@pytest.mark.parametrize("extra", ["", "[3100.0,7],", "[3300,0],[3100,5],", "[3200.50,0],", "[3200.4,1],[3200.6,2],"])
def test_a_venue_is_described_by_data(extra: str) -> None:
    """Another wire format needs a layout and nothing else; of a price that stands twice the last size holds."""
    body = FUTURES.replace("[3100,100]", f"{extra}[3100,100]")
    found: Any = check(body, venue=Futures())

    assert 1697895963339 == found[2][3]
    assert (ACCELERATOR == "compiled" and not extra) == is_native(body, layout_of(Futures(), "decode_snapshot"))


class Renamed(KuCoin):
    """Decodes in a way of its own."""

    def decode_snapshot(self, text: str) -> Snapshot:
        """Every snapshot is empty."""
        del text
        return Snapshot(7, (), ())


def test_a_layout_is_of_one_function() -> None:
    """A venue that decodes in another way is asked, however its bodies look."""
    found: Any = check(snapshot(10), venue=Renamed())

    assert ([], []) == found[0]
    assert layout_of(Renamed(), "decode_snapshot") is None
    assert layout_of(Renamed()) is layout_of(KuCoin()) is not LAYOUT
