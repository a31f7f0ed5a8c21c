"""What the lane takes, and what it leaves to the machine: numbers, depth, lengths; with the same results either way.

The caps are also what bounds its effort: no part of a frame is looked at more than a fixed number of times, and each of
the frames that would need more is left to the machine.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import pytest

from orderbook.accelerator import ACCELERATOR
from orderbook.errors import FrameError
from orderbook.settings import SyncSettings
from orderbook.types import BookState
from orderbook.venues.base import decode_frame
from tests.fuzzing.build import READING, TRUSTING, modules
from tests.fuzzing.campaign import CARRIED, read_ledger
from tests.fuzzing.frames import KUCOIN, Pair, Scenario
from tests.fuzzing.target import rendered

FRAME: Final = (
    '{"type":"message","topic":"/market/level2:BCHSV-USDT","subject":"trade.l2update","data":{"changes":{"asks":'
    '[["242.7","PLACE",@4]],"bids":[]},"sequenceStart":@4,"sequenceEnd":@4}}'
)
SIZE: Final = '["242.7","PLACE",@4]'


def with_size(text: str) -> str:
    """A frame with this number as it stands, quotes or not."""
    return FRAME.replace('"PLACE"', text)


def with_rows(rows: str) -> str:
    """A frame with these rows."""
    return FRAME.replace(SIZE, rows)


def with_field(text: str) -> str:
    """A frame with a field more."""
    return FRAME.replace("PLACE", "1").replace('{"type"', f'{{{text},"type"', 1)


def nested(depth: int, what: str = "[]") -> str:
    """A value so deep inside."""
    return what[0] * depth + what[1] * depth


# text, whether it may be taken at all, whether the lane takes it
NUMBERS: Final = [
    ('"1"', True, True),
    ("1", True, True),
    ("0.5", True, True),
    ('"0"', True, True),
    ('"0.000"', True, True),
    ('"123456789.1"', True, True),
    ('"1.00000001"', True, True),
    ('"1.000000010"', True, True),
    ('"1.0000000100"', True, True),
    ('"999999999.9"', True, True),
    ('"00"', False, False),
    ('"01"', False, False),
    ('"+1"', False, False),
    ('"-1"', False, False),
    ("-0", False, False),
    ('".5"', False, False),
    ('"5."', False, False),
    ('"1_0"', False, False),
    ('" 1"', False, False),
    ('"1 "', False, False),
    ('"0x1"', False, False),
    ('"NaN"', False, False),
    ("NaN", False, False),
    ("Infinity", False, False),
    ('"１"', False, False),
    ('""', False, False),
    ("true", False, False),
    ("null", False, False),
    ("[]", False, False),
    ('"1e-8"', True, False),
    ('"1E+2"', True, False),
    ("1e2", True, False),
    ('"1e31"', False, False),
    ('"1e999999"', False, False),
    ('"\\u0031"', True, False),
    # At eight decimals 64 bits hold 11 digits before the point, whatever they are; and the lane reads 18 digits.
    ('"9999999999"', True, True),
    ('"99999999999"', False, False),
    ('"92233720368.54775807"', True, False),
    ('"92233720368.54775808"', False, False),
    ('"1.00000001000000000"', True, True),
    ('"1.000000010000000000"', True, False),
    (f'"0.{"0" * 17}"', True, True),
    (f'"0.{"0" * 18}"', True, False),
    (f'"0.{"0" * 39}"', True, False),
    (f'"0.{"0" * 40}"', False, False),
    (f'"{"9" * 40}"', False, False),
    (f'"{"9" * 41}"', False, False),
    (f'"{"9" * 100_000}"', False, False),
    ("9" * 100_000, False, False),
    (f'"0.{"1" * 100_000}"', False, False),
    (f'"0.{"1" * 19}"', False, False),
]

OTHERS: Final = {
    "a list as deep as may be": (with_field(f'"x":{nested(15)}'), True, True),
    "an object as deep as may be": (with_field('"x":' + '{"":' * 14 + "{}" + "}" * 14), True, True),
    "a list that is too deep": (with_field(f'"x":{nested(16)}'), False, False),
    "an object that is too deep": (with_field('"x":' + '{"":' * 15 + "{}" + "}" * 15), False, False),
    "far too deep": (with_field(f'"x":{nested(100_000)}'), False, False),
    "deep, and never closed": (with_field('"x":' + '{"":' * 100_000), False, False),
    "brackets in a text": (with_field(f'"x":"{"[" * 1_000}"'), True, True),
    "as many strangers as are compared": (with_field(",".join(f'"{n}":0' for n in range(32))), True, True),
    "one more": (with_field(",".join(f'"{n}":0' for n in range(33))), True, False),
    "very many": (with_field(",".join(f'"{n}":0' for n in range(20_000))), True, False),
    "strangers inside a stranger": (with_field('"x":{' + ",".join(f'"{n}":0' for n in range(33)) + "}"), True, False),
    "a stranger twice": (with_field('"x":0,"x":0'), False, False),
    "a stranger twice, inside": (with_field('"x":{"a":0,"a":0}'), False, False),
    "a key of ours twice": (with_field('"type":"message"'), False, False),
    "a key of ours, escaped, twice": (with_field('"\\u0074ype":"message"'), False, False),
    "a zero byte": (with_field('"x":"\0"'), False, False),
    "a long text": (with_field(f'"x":"{"y" * 200_000}"'), True, True),
    "a long number of no interest": (with_field(f'"x":{"1" * 100_000}'), True, True),
    "long blanks": (with_field('"x":0' + " " * 100_000), True, True),
    "beyond ASCII": (with_field('"x":"é"'), True, False),
    "many rows": (with_rows(",".join(['["242.7","1",@4]'] * 5_000)), True, True),
    "rows of price 0": (with_rows(",".join(['["0","1",@4]'] * 5_000)), True, True),
    "many rows, falling": (
        with_rows(",".join(f'["242.7","1",@{9 - n // 600}]' for n in range(3_600))).replace('End":@4', 'End":@9'),
        True,
        False,
    ),
    "few rows, falling": (
        with_rows(",".join(f'["242.7","1",@{9 - n}]' for n in range(6))).replace('End":@4', 'End":@9'),
        True,
        True,
    ),
    "sequences beyond 18 digits": (with_rows(f'["242.7","1","{"9" * 19}"]'), False, False),
    "sequences that are no numbers": (with_rows('["242.7","1",1.0]'), False, False),
    "nothing behind it": (with_field('"x":0') + " \r\n\t", True, True),
    "something behind it": (with_field('"x":0') + "x", False, False),
    "a zero byte behind it": (with_field('"x":0') + "\0", False, False),
}


def test_a_gap_decodes_nothing_else() -> None:
    """What the lane took before is decoded when somebody asks for it, and a delta that is ahead does not."""
    pair = Pair(Scenario())
    for number, end in enumerate((*range(1_001, 1_041), 1_050)):
        frame = rendered(with_size('"1"').encode(), end - 1)
        message = decode_frame(pair.venue, frame, pair.settings.frame_bytes_max)
        _, kib = pair.receive(frame, message, held=False)
        assert (1 if pair.fast.handed else 0) == kib, number
    assert BookState.LIVE is not pair.fast.state
    pair.finish()


def check(frame: bytes, *, good: bool, plain: bool, settings: SyncSettings | None = None) -> None:
    """Whether it may be taken, whether the lane takes it, and that both books come to the same."""
    pair = Pair(Scenario(settings=settings or SyncSettings()))
    before = pair.content.sequence
    message = decode_frame(KUCOIN, frame, pair.settings.frame_bytes_max)
    try:
        pair.receive(frame, message, held=False)
        taken = pair.fast.book.content.sequence > before
    except FrameError:
        taken = False
    pair.finish()
    assert good == taken
    assert (plain and ACCELERATOR == "compiled") == (not pair.fast.handed)


@pytest.mark.parametrize(("text", "good", "plain"), NUMBERS, ids=lambda value: str(value)[:24])
def test_numbers(text: str, good: bool, plain: bool) -> None:
    """One grammar, and within it what fits 18 digits without an exponent is plain."""
    check(rendered(with_size(text).encode(), 1_000), good=good, plain=plain)


@pytest.mark.parametrize("name", OTHERS)
def test_caps(name: str) -> None:
    """What would take more than a look at each byte is left to the machine, and what is not right is refused."""
    text, good, plain = OTHERS[name]
    check(rendered(text.encode(), 1_000), good=good, plain=plain)


@pytest.mark.parametrize(("more", "good"), [(-1, True), (0, True), (1, False)])
def test_length(more: int, good: bool) -> None:
    """The longest frame is taken, and not one byte more."""
    frame = rendered(with_size('"1"').encode(), 1_000)
    check(frame + b" " * 50, good=good, plain=good, settings=SyncSettings(frame_bytes_max=len(frame) + 50 - more))


def test_every_compiled_module_is_known_to_the_campaign() -> None:
    """A new one is named, as one that reads what came from outside or as one that does not."""
    declared = {path.stem for path in (Path(__file__).parent.parent / "orderbook" / "compiled").glob("*.p[yx][xd]")}
    assert sorted(declared) == sorted(READING + TRUSTING)
    assert declared > set(modules())


def test_a_digest_that_was_reckoned_otherwise_is_carried_over(tmp_path: Path) -> None:
    """What was run on the same sources counts; what was run on others does not."""
    ledger = tmp_path / "ledger"
    window = {"target": "frames", "build": "coverage", "seed": 0, "inputs": 1}
    lines = [window | told for told in ({}, {"parser": "7f899ef69dba"}, {"parser": "another"})]
    ledger.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    assert [None, CARRIED["7f899ef69dba"], "another"] == [line.get("parser") for line in read_ledger(ledger)]
