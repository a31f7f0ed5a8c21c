"""What inputs are made of: real messages, new ones by the rules, and words worth putting in.

New frames mostly continue the book that they are given to (``target.rendered``), and their prices are near its touch,
so that most of a run is about frames that are taken.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Final

from tests.fuzzing.target import SYMBOL
from tests.hostile import records

_SEQUENCES: Final = re.compile(r'"sequence(Start|End)":"?(\d+)"?')
_LEVEL: Final = re.compile(r'\["([^"]*)","([^"]*)","(\d+)"\]')

NUMBERS: Final = (
    *(b"0", b"0.0", b"0.000000000", b"1", b"242.6", b"242.60", b"242.7", b"242.5", b"9.999999999", b"1e-8", b"1E+2"),
    *(b"+1", b"-1", b"-0", b".5", b"5.", b"00", b"01", b"1_000", b"0x10", b"NaN", b"Infinity", b"1e999999", b"1e31"),
    *(b"999999999999999999", b"1000000000000000000", b"9223372036854775807", b"9223372036854775808", b"1" * 40),
    *(b"1" * 41, b"0." + b"0" * 18 + b"1", b"0." + b"0" * 38 + b"1", b"0." + b"1" * 17, b"0." + b"1" * 18, b"1e30"),
    *(b"0.00000000000000000", b"12345678.123456789", b"123456789012345678.9", b"1.0e0", b"10", b"100", b"\xef\xbc\x91"),
)
_WORDS: Final = (
    *(b"@%d" % n for n in range(10)),
    *(b'"@%d"' % n for n in range(2, 7)),
    *(b'"', b"{", b"}", b"[", b"]", b":", b",", b" ", b"\t", b"\r\n", b"\\", b"\\u0041", b'\\"', b"\\ud800", b"\0"),
    *(b"\x7f", b"\x80", b"\xff", b"\xc3\xa9", b"\xf0\x9f\x98\x80", b"\x1f", b"true", b"false", b"null", b"nul", b"[]"),
    *(b"{}", b'""', b"[[[[", b"}}}}", b'{"":', b'"x":0,', b'"data":', b'"time":1,', b"[" * 17 + b"]" * 17),
)
FRAME_WORDS: Final = (
    *_WORDS,
    *NUMBERS,
    *(b'"%s"' % number for number in NUMBERS),
    *(b'"changes":{', b'"bids":[', b'"asks":[', b'"sequenceStart":@4,', b'"sequenceEnd":@4,', b'"subject":"'),
    *(b'"type":"message"', b"/market/level2:", SYMBOL.encode(), b"ETH-USDT", b"trade.l2update", b'"symbol":"'),
    *(b'["242.5","1","@4"],', b'["242.7","0","@4"],', b'["0","1","@4"],', b'["1","1","@4",null],'),
)
BODY_WORDS: Final = (
    *_WORDS,
    *NUMBERS,
    *(b'"%s"' % number for number in NUMBERS),
    *(b'"code":"200000"', b'"bids":[', b'"asks":[', b'"sequence":"@3"', b'"time":1', b'["242.5","1"],', b'["0","1"],'),
    *(b'"data":null', b'"code":"429000"', b'"msg":"x"'),
)


def _tokens(text: str) -> bytes:
    """A recorded delta with tokens for its sequences, those of its rows included."""
    found = {name: int(number) for name, number in _SEQUENCES.findall(text)}
    if "Start" not in found:
        return text.encode()
    first = found["Start"]

    def token(number: int) -> str:
        return f"@{min(max(number - first + 4, 0), 9)}"

    text = _LEVEL.sub(lambda row: f'["{row[1]}","{row[2]}","{token(int(row[3]))}"]', text)
    return _SEQUENCES.sub(lambda match: f'"sequence{match[1]}":{token(int(match[2]))}', text).encode()


@cache
def frame_seeds() -> tuple[bytes, ...]:
    """Frames of the bundled capture: every 40th delta of the symbol, and the first of every other kind."""
    frames = [text for kind, text in records() if kind == "ws"]
    ours = [text for text in frames if f"/market/level2:{SYMBOL}" in text]
    others: dict[str, str] = {}
    for text in frames:
        others.setdefault(text[:40], text)
    return tuple(_tokens(text) for text in (*ours[::40], *list(others.values())[:40]))


@cache
def body_seeds() -> tuple[bytes, ...]:
    """Snapshots of the bundled capture: the beginnings of all, 3 to 20 levels a side."""
    seeds = []
    for text in [text for kind, text in records() if kind == "rest"]:
        answer = json.loads(text)
        for count in (3, 8, 20):
            data = {**answer["data"], "sequence": "@3"}
            data.update({side: answer["data"][side][:count] for side in ("bids", "asks")})
            seeds.append(json.dumps({**answer, "data": data}, separators=(",", ":")))
    return tuple(text.encode() for text in seeds)


# ---- new ones --------------------------------------------------------------------------------------------------------


def _one(rng: random.Random, choices: Sequence[bytes]) -> bytes:
    return choices[int(rng.random() * len(choices))]


def price(rng: random.Random, sign: int) -> bytes:
    """Near the touch, most of them; bids (a sign of -1) seldom above it, asks (1) seldom below."""
    dice = rng.random()
    if dice < 0.95:
        away = 0.1 + rng.random() if dice < 0.947 else -0.2
        return b"%.*f" % (1 + (dice < 0.3) + (dice < 0.1), 242.6 + sign * away)
    if dice < 0.97:
        return b"%.*f" % (int(rng.random() * 13), rng.random() * 10 ** int(rng.random() * 9))
    return _one(rng, NUMBERS)


def size(rng: random.Random) -> bytes:
    """A third of them zero."""
    dice = rng.random()
    if dice < 0.35:
        return b"0"
    if dice < 0.98:
        return b"%.*f" % (int(dice * 9), rng.random() * 20)
    return _one(rng, NUMBERS)


def _value(rng: random.Random, text: bytes, quoted: float) -> bytes:
    return b'"%s"' % text if rng.random() < quoted else text


def stranger(rng: random.Random, depth: int = 0) -> bytes:
    """Any JSON value."""
    dice = int(rng.random() * (10 if depth < 5 else 7))
    if dice < 7:
        return (b"null", b"true", b"false", b'"x"', b"-1.5e3", b"0", b'""')[dice]
    inner = [stranger(rng, depth + 1) for _ in range(int(rng.random() * 3))]
    if dice < 9:
        return b"[%s]" % b",".join(inner)
    return b"{%s}" % b",".join(b'"%d":%s' % (number, value) for number, value in enumerate(inner))


def _object(rng: random.Random, fields: list[tuple[bytes, bytes]]) -> bytes:
    """Its fields in any order, with strangers among them and blanks between, now and then."""
    dice = rng.random()
    if dice < 0.3:
        rng.shuffle(fields)
    if dice < 0.1:
        fields.insert(int(rng.random() * (len(fields) + 1)), (_one(rng, (b"x", b"y", b"id", b"")), stranger(rng)))
    if dice < 0.02:
        fields.pop(int(rng.random() * len(fields)))
    blank = b" " if 0.1 < dice < 0.2 else b""
    return b"{%s%s}" % (blank, b",".join([b'"%s":%s%s' % (name, blank, value) for name, value in fields]))


def _rows(rng: random.Random, quoted: float, row: Callable[[], tuple[bytes, bytes, bytes]]) -> bytes:
    dice = rng.random()
    count = int(rng.random() * (4 if dice < 0.985 else 60 if dice < 0.999 else 400))
    if quoted == 1.0:
        rows = [b'["%s","%s","%s"]' % row() for _ in range(count)]
    else:
        rows = [b"[%s]" % b",".join([_value(rng, value, quoted) for value in row()]) for _ in range(count)]
    return b"[%s]" % b",".join(rows)


def _kept(rng: random.Random) -> float:
    """How many values stand in quotes: nearly always all."""
    dice = rng.random()
    return 1.0 if dice < 0.85 else 0.0 if dice < 0.93 else 0.5


def frame(rng: random.Random) -> bytes:
    """A delta."""
    dice = rng.random()
    span = 0 if dice < 0.6 else int(dice * 4)
    first = 4 if dice < 0.99 else int(rng.random() * 6)
    quoted = _kept(rng)

    def row(sign: int) -> tuple[bytes, bytes, bytes]:
        return price(rng, sign), size(rng), b"@%d" % min(first + int(rng.random() * (span + 1)), 9)

    sides = [(name, _rows(rng, quoted, partial(row, sign))) for name, sign in ((b"asks", 1), (b"bids", -1))]
    if dice < 0.1:
        sides.pop()
    data = [
        (b"changes", _object(rng, sides)),
        (b"sequenceStart", b"@%d" % first),
        (b"sequenceEnd", b"@%d" % min(first + span, 9)),
        (b"symbol", b'"%s"' % SYMBOL.encode()),
    ]
    if dice < 0.5:
        data.append((b"time", b"%d" % int(1.6e12 + dice * 1e9)))
    envelope = [(b"type", b'"message"'), (b"topic", b'"/market/level2:%s"' % SYMBOL.encode())]
    if dice > 0.05:
        envelope.append((b"subject", b'"trade.l2update"'))
    envelope.append((b"data", _object(rng, data)))
    return _object(rng, envelope)


def _count(rng: random.Random) -> int:
    """Rows of a side: half a dozen, seldom many."""
    return int(rng.random() ** 4 * 30) if rng.random() < 0.997 else int(rng.random() * 400)


def body(rng: random.Random) -> bytes:
    """A snapshot's answer: mostly bids below asks, and each price once."""
    quoted = _kept(rng)
    sides = []
    for name, sign in ((b"bids", -1), (b"asks", 1)):
        steps = [int(rng.random() * 3) + (rng.random() < 0.98) for _ in range(_count(rng))]
        if rng.random() < 0.05:
            steps = steps[:20] + [1] * (20 - len(steps))
        place, rows = 0, []
        for step in steps:
            place += step
            text = b"%.2f" % (242.6 + sign * 0.01 * (place + 1)) if rng.random() < 0.98 else price(rng, sign)
            if quoted == 1.0:
                rows.append(b'["%s","%s"]' % (text, size(rng)))
            else:
                rows.append(b"[%s,%s]" % (_value(rng, text, quoted), _value(rng, size(rng), quoted)))
        if rng.random() < 0.1:
            rng.shuffle(rows)
        sides.append((name, b"[%s]" % b",".join(rows)))
    data = [(b"time", b"1767690000123"), (b"sequence", _value(rng, b"@%d" % (3 + int(rng.random() * 2)), 0.8)), *sides]
    return _object(rng, [(b"code", b'"200000"'), (b"data", _object(rng, data))])
