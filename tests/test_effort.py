"""Decoding takes time in proportion to the length, whatever the text: no frame can make a reader fall behind.

Steps are counted instead of timed, so that the tests do not depend on the machine. What happens inside one C function
is no step; there a quarter of a megabyte simply has to end, which it would not if the time grew with the square of the
length.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final

import pytest

from orderbook.fixedpoint import Number
from orderbook.venues import wire
from orderbook.venues.kucoin import KuCoin
from orderbook.venues.wire import load
from tests.hostile import calls, outcome

KUCOIN: Final = KuCoin()
MANY: Final = 100
SIZE: Final = 2**18
SAME_HASH: Final = 2**61 - 1
"""CPython's hash of an integer is its remainder by this."""

Make = Callable[[int], str]


def _delta(row: str) -> Make:
    start = (
        '{"type":"message","topic":"/market/level2:A-B","data":{"sequenceStart":0,"sequenceEnd":9,"changes":{"bids":['
    )
    return lambda n: start + ",".join([row] * n) + "]}}}"


def _snapshot(row: Callable[[int], str]) -> Make:
    start = '{"code":"200000","data":{"sequence":"1","asks":[],"bids":['
    return lambda n: start + ",".join(map(row, range(n))) + "]}}"


# Each is built of equal parts and bad for one step: the scan, the parser, a hook, the second look, the rows.
FAMILIES: Final[dict[str, tuple[Callable[[str], object], Make]]] = {
    "empty lists": (load, lambda n: '{"a":[' + "[]," * n + "1]}"),
    "empty objects": (load, lambda n: '{"a":[' + "{}," * n + "1]}"),
    "small objects": (load, lambda n: '{"a":[' + '{"":0},' * n + "1]}"),
    "small objects, escaped": (load, lambda n: '{"\\u0061":[' + '{"":0},' * n + "1]}"),
    "keys": (load, lambda n: "{" + ",".join(f'"{i}":"é"' for i in range(n)) + "}"),
    "numbers": (load, lambda n: '{"a":[' + "1," * n + "1]}"),
    "digits": (load, lambda n: '{"a":' + "1" * n + "}"),
    "strings": (load, lambda n: '{"a":[' + '"[",' * n + "1]}"),
    "surrogates": (load, lambda n: '{"a":"' + "\\ud800" * n + '"}'),
    "deepest lists": (load, lambda n: '{"a":[' + ("[" * 14 + "]" * 14 + ",") * n + "1]}"),
    "deepest objects": (load, lambda n: '{"a":[' + ('{"":' * 14 + "1" + "}" * 14 + ",") * n + "1]}"),
    "brackets in a string": (load, lambda n: '{"a":"' + "[" * n + '"}'),
    "string without end": (load, lambda n: "[" * 16 + '"' + "\\[" * n),
    "quotes": (load, lambda n: '"' * n + "[" * 17),
    "backslashes": (load, lambda n: "\\" * n + "[" * 17),
    "quotes and backslashes": (load, lambda n: '"\\' * n + "[" * 17),
    "closing only": (load, lambda n: "]" * n + "[" * 17),
    "blanks": (load, lambda n: "{" + " " * n + "}" + " " * n),
    "bare rows": (KUCOIN.decode, _delta("[1,1,9]")),
    "rows of zeros": (KUCOIN.decode, _delta(f'["1{"0" * 39}","1.{"0" * 39}","9"]')),
    "rows of exponents": (KUCOIN.decode, _delta('["1e30","1e-30","9"]')),
    "rows of long sequences": (KUCOIN.decode, _delta(f'["1","1","{"9" * 5_000}"]')),
    "snapshot rows": (KUCOIN.decode_snapshot, _snapshot(lambda i: f"[{i},1]")),
    "prices of one hash": (KUCOIN.decode_snapshot, _snapshot(lambda i: f"[{i * SAME_HASH},1]")),
    "a quote in every place": (KUCOIN.decode, lambda n: '{"type":"error","data":["\\"",' + "'\"'," * n + "1]}"),
    "many topics": (KUCOIN.guess_symbol, lambda n: '"/market/level2:' * n),
    "many symbols": (KUCOIN.guess_symbol, lambda n: "".join(f'"/market/level2:{i}"' for i in range(n))),
    "a long query": (KUCOIN.snapshot_request, lambda n: "/api/v1/market/orderbook/level2_20?" + "symbol=;&%" * n),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_effort_grows_with_the_length(family: str) -> None:
    """Twice the text takes at most twice the steps, and a quarter of a megabyte of it ends at all."""
    decode, make = FAMILIES[family]

    def steps(count: int) -> int:
        text = make(count)
        return calls(lambda: outcome(decode, text))

    steps(3)  # What is made once and kept, is made.
    one, two, four = steps(MANY), steps(2 * MANY), steps(4 * MANY)

    assert four - two <= 2 * (two - one)
    outcome(decode, make(SIZE * MANY // len(make(MANY))))


def test_prices_from_the_wire_are_not_hashed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who chooses the prices could choose them of one hash; a set or dictionary of them would take for ever."""
    parse_number = wire.number

    class Unhashable(Number):
        __slots__ = ()
        __hash__: ClassVar[Any] = None

    assert hash(Number(SAME_HASH, 0)) == hash(Number(2 * SAME_HASH, 0)), "the attack is real"
    monkeypatch.setattr(wire, "number", lambda value: Unhashable(*parse_number(value)))

    for decode in (KUCOIN.decode, KUCOIN.decode_snapshot):
        make = _delta("[1,1,9]") if decode == KUCOIN.decode else _snapshot(lambda i: f"[{i + 1},1]")
        assert isinstance(outcome(decode, make(3)), tuple)
