"""Bytes to JSON values: what is read is exactly what was written, and all else is one error with a reason code."""

from __future__ import annotations

import json
import subprocess
import sys
from array import array
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orderbook.errors import FrameError, NumberError, UsageError
from orderbook.fixedpoint import SEQUENCE_MAX, Number
from orderbook.venues import wire
from orderbook.venues.wire import NESTING_MAX, BareNumber, load, to_text
from tests.hostile import json_values, outcome
from tests.source_tree import ROOT

TEXT = '{"a":"é"}'
RAW = TEXT.encode()

# -- to_text --


@pytest.mark.parametrize(
    "frame",
    [
        RAW,
        bytearray(RAW),
        memoryview(RAW),
        memoryview(bytearray(RAW)),
        memoryview(b"".join(bytes([byte, 0]) for byte in RAW))[::2],
        memoryview(RAW[::-1])[::-1],
        memoryview(RAW).cast("b"),
        memoryview(RAW).cast("B", (2, 5)),
        memoryview(array("H", RAW)),
        np.frombuffer(RAW, "u1").reshape(5, 2, order="F").T.data,
        np.frombuffer(RAW, "u1").reshape(2, 5).data,
        TEXT,
    ],
    ids=[
        "bytes",
        "bytearray",
        "view",
        "writable",
        "gaps",
        "backwards",
        "signed",
        "2-d",
        "words",
        "Fortran",
        "C",
        "text",
    ],
)
def test_any_buffer_of_bytes_is_read(frame: Any) -> None:
    """Whoever holds the bytes, and however they lie in memory, they are the same text."""
    assert TEXT == to_text(frame, 100)


@pytest.mark.parametrize("frame", [None, 1, 1.5, True, [], [123], (), {}, object(), array("B", RAW), str, Ellipsis])
def test_what_is_no_frame_is_the_callers_mistake(frame: Any) -> None:
    """Only text, bytes, bytearray and memoryview are frames; the error names the type."""
    with pytest.raises(UsageError, match=type(frame).__name__):
        to_text(frame, 100)


def test_a_released_view_is_the_callers_mistake() -> None:
    """A view that was given back holds nothing any more."""
    view = memoryview(RAW)
    view.release()

    with pytest.raises(UsageError, match="released"):
        to_text(view, 100)


@pytest.mark.parametrize("character", ["a", "\x00", "é", "€", "😀", "\ud800"])
@pytest.mark.parametrize("count", [1, 99, 100, 101])
def test_the_size_limit_counts_bytes(character: str, count: int) -> None:
    """The limit is exact to a byte, and the same for text and for the bytes it stands for."""
    text = character * count
    size = len(text.encode(errors="surrogatepass"))

    for frame in (text, bytes(size), bytearray(size), memoryview(bytes(size)), memoryview(bytes(2 * size))[::2]):
        to_text(frame, size)
        to_text(frame, size + 1)
        with pytest.raises(FrameError, match=rf"the limit is {size - 1}\b") as caught:
            to_text(frame, size - 1)
        assert "size" == caught.value.reason


def test_the_size_of_a_view_is_in_bytes() -> None:
    """Not in items of the view, which may be longer."""
    view = memoryview(array("Q", [0] * 10))

    assert 80 == len(to_text(view, 80))
    assert "size" == outcome(lambda _: to_text(view, 79), "")


@pytest.mark.parametrize(
    "raw",
    [
        b"\xff",
        b"a\xc3",
        b"\xc0\x80",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xfe\xff\0{\0}",
        '{"a":"é"}'.encode("latin-1"),
    ],
)
def test_bytes_that_are_not_utf8(raw: bytes) -> None:
    """Lone, overlong, surrogate and cut off sequences are refused; the error says where."""
    with pytest.raises(FrameError, match=r"byte \d+ is not UTF-8") as caught:
        to_text(raw, 100)

    assert "utf8" == caught.value.reason


@given(raw=st.binary(max_size=40))
def test_any_bytes_are_text_or_refused(raw: bytes) -> None:
    """Text is only what gives the same bytes back."""
    text = outcome(lambda _: to_text(raw, 30), "")

    if text not in ("size", "utf8"):
        assert raw == text.encode()


# -- load --


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{}", {}),
        (' \t\r\n{ "a" : [ ] , "b" : { } } \n', {"a": [], "b": {}}),
        ('{"a":null,"b":true,"c":false}', {"a": None, "b": True, "c": False}),
        ('{"a":{"a":{"a":1}},"b":{"a":1}}', {"a": {"a": {"a": "1"}}, "b": {"a": "1"}}),
        ('{"":""}', {"": ""}),
        (r'{"\u0061\/\n\"\\":"\u00e9\ud83d\ude00"}', {'a/\n"\\': "é😀"}),
        ('{"é":"😀\x7f\u2028"}', {"é": "😀\x7f\u2028"}),
        (r'{"a":"\u0000\\ud800"}', {"a": "\x00\\ud800"}),
    ],
)
def test_json_is_read(text: str, value: dict[str, object]) -> None:
    """Blanks, escapes and any character are read as JSON means them."""
    assert value == load(text)


@pytest.mark.parametrize(
    "text",
    ["0", "-0", "1", "-1.50", "1e5", "1E+05", "0.000", "1e999999", "9" * 5_000, "-" + "9" * 5_000, "1." + "1" * 9_000],
)
def test_a_number_stays_the_text_it_was(text: str) -> None:
    """Nothing is converted here: no rounding, and no limit on the digits that Python would complain about."""
    value = load('{"a":' + text + "}")["a"]

    assert (text, BareNumber) == (value, type(value))
    assert str is type(load('{"a":"' + text + '"}')["a"])


def as_read(value: Any) -> Any:
    """A Python value as ``load`` gives it: numbers as text."""
    if isinstance(value, dict):
        return {key: as_read(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [as_read(inner) for inner in value]
    return value if value is None or isinstance(value, bool | str) else json.dumps(value)


@given(value=st.dictionaries(st.text(max_size=5), json_values), ascii_only=st.booleans())
def test_what_was_written_is_what_is_read(value: dict[str, Any], ascii_only: bool) -> None:
    """Any object that holds no NaN or infinity comes back, in any spelling."""
    text = json.dumps(value, ensure_ascii=ascii_only)
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        assert "json" == outcome(load, text)
    else:
        assert as_read(value) == load(text)


BAD_JSON = [
    *(
        "",
        " ",
        "{",
        "}",
        '{"a"',
        '{"a":',
        '{"a":1',
        '{"a":1,',
        '{"a":1,}',
        '{"a":[1',
        '{"a":[1,]}',
        '{"a":"',
        '{"a":"x',
    ),
    *("{}{}", "{} {}", "{}\n{}", '{"a":1}x', "[]{}", "{},{}", "{}\x00", "\x00{}", "{}\u00a0", "\u3000{}"),
    *("\ufeff{}", "\ufeff", "{'a':1}", "{a:1}", "{1:1}", "<html>", "nul", "None", "/**/{}", '{"a":1,"b"}', "{,}"),
    *('{"a":1,"a":1}', '{"a":1,"\\u0061":2}', '{"b":{"a":1,"a":2}}', '{"b":[{"":0,"":0}]}'),
    *('{"a":NaN}', '{"a":Infinity}', '{"a":-Infinity}', "NaN", '{"a":[NaN]}', '{"a":nan}', '{"a":-NaN}'),
    *('{"a":01}', '{"a":+1}', '{"a":.5}', '{"a":5.}', '{"a":1_0}', '{"a":0x1}', '{"a":-}', '{"a":1e}', '{"a":１}'),
    *('{"a":"\x00"}', '{"a":"\n"}', '{"a\x1f":1}', '{"a":"\t"}', r'{"a":"\x41"}', r'{"a":"\u12"}', r'{"a":"\u12_4"}'),
    *(r'{"a":"\"}', '{"a":"\\', '\\"{}', r'{"a":"\u00e', '{"a":"\\\n"}', "\ud800{}"),
]


@pytest.mark.parametrize("text", BAD_JSON, ids=lambda text: ascii(text)[1:-1] or "nothing")
def test_bad_json(text: str) -> None:
    """Cut off, several objects, a BOM, a key twice, NaN, control characters: all refused, shortly and in ASCII."""
    with pytest.raises(FrameError) as caught:
        load(text)

    assert "json" == caught.value.reason
    assert str(caught.value).isascii()
    assert len(str(caught.value)) <= 130


@pytest.mark.parametrize("text", ["[]", "1", '"a"', "null", "true", '[{"a":1}]', "-0", "[[[]]]", '"{}"'])
def test_only_an_object_is_a_message(text: str) -> None:
    """Other JSON values have no fields."""
    assert "fields" == outcome(load, text)


@pytest.mark.parametrize(
    "text",
    [
        r'{"a":"\ud800"}',
        r'{"a":"\uDFFF"}',
        r'{"a":"\ude00\ud83d"}',
        r'{"\ud800":1}',
        r'{"a":{"b":["x",{"\udc00":1}]}}',
        r'{"a":"\ud83d\\ude00"}',
        '{"a":"\ud800"}',
        '{"\udfff":1}',
        '{"a":"é\udc80"}',
    ],
    ids=ascii,
)
def test_lone_surrogates(text: str) -> None:
    """Half a character is refused wherever it stands: it could not be logged or written to a file."""
    assert "utf8" == outcome(load, text)


def nested(depth: int, kind: str) -> str:
    """An object with containers inside each other, itself counted."""
    opening, closing = {"lists": ("[", "]"), "objects": ('{"a":', "}"), "mixed": ('[{"a":', "}]")}[kind]
    count = (depth - 1) // (2 if kind == "mixed" else 1)
    return '{"a":' + opening * count + "1" + closing * count + "}"


@pytest.mark.parametrize("kind", ["lists", "objects"])
@pytest.mark.parametrize("beside", ["", "[],{},", '"]]]]}}}}",', '"\\"]",'])
def test_the_nesting_limit_is_exact(kind: str, beside: str) -> None:
    """16 containers inside each other are read, 17 are not, whatever stands before them."""
    before = '{"b":[' + beside + "1],"

    assert isinstance(load(before + nested(NESTING_MAX, kind)[1:]), dict)
    assert "nesting" == outcome(load, before + nested(NESTING_MAX + 1, kind)[1:])


@pytest.mark.parametrize("depth", [17, 1_000, 10**6])
@pytest.mark.parametrize("kind", ["lists", "objects", "mixed"])
@pytest.mark.parametrize("cut", [False, True])
def test_no_depth_does_harm(depth: int, kind: str, cut: bool) -> None:
    """The depth is judged before anything recurses, of texts that never close as well."""
    text = nested(2 * depth, kind)

    assert "nesting" == outcome(load, text[: len(text) // 2] if cut else text)


@pytest.mark.parametrize("brackets", ["[" * 10**6, "{" * 10**6, "[{]}" * 20, '\\"' + "[" * 20, "\\\\" + '\\"[' * 20])
def test_brackets_in_strings_do_not_nest(brackets: str) -> None:
    """Only what stands outside of strings nests; in a string that never ends nothing does."""
    assert json.loads(f'"{brackets}"') == load('{"a":"' + brackets + '"}')["a"]
    assert 1 == len(load('{"' + brackets + '":[]}'))
    assert "json" == outcome(load, '{"a":"' + brackets)


def test_deep_nesting_on_a_small_stack() -> None:
    """A thread with 64 KiB of stack refuses a million levels, and reads the deepest that is allowed."""
    script = """
import threading
from orderbook.errors import FrameError
from orderbook.venues.wire import load

def run():
    for text in ('[' * 10**6, '{"a":' * 10**6, '{"a":"' + '[' * 10**6, '{"a":' + '[' * 15 + ']' * 15 + '}'):
        try:
            print(len(load(text)))
        except FrameError as error:
            print(error.reason)

threading.stack_size(64 * 1024)
thread = threading.Thread(target=run)
thread.start()
thread.join()
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)

    assert (0, ["nesting", "nesting", "json", "1"], "") == (done.returncode, done.stdout.split(), done.stderr)
    assert 15 == NESTING_MAX - 1


@given(text=st.text(max_size=12) | st.text('{}[]",:\\ \n1eau-\ud800', max_size=24))
@example("")
def test_any_text_is_an_object_or_refused(text: str) -> None:
    """Nothing but ``FrameError`` comes of any text, and what is read is JSON to Python too."""
    value = outcome(load, text)

    if isinstance(value, dict):
        assert value == as_read(json.loads(text, parse_int=BareNumber, parse_float=BareNumber))
        json.dumps(value, ensure_ascii=False).encode()
    else:
        assert value in {"json", "nesting", "utf8", "fields"}


# -- values --


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (BareNumber("1.50"), (15, -1)),
        ("1e-8", (1, -8)),
        (BareNumber("9.0E-8"), (9, -8)),
        ("0", (0, 0)),
        ("67012.3", (670123, -1)),
    ],
)
def test_a_number_bare_or_in_quotes(value: str, number: tuple[int, int]) -> None:
    """Both are the same number."""
    assert Number(*number) == wire.number(value)


@pytest.mark.parametrize(
    "value",
    [None, True, False, [], {}, ["1"], "", "-1", BareNumber("-1"), "NaN", "1" * 41, BareNumber("1e31"), "9" * 5_000],
    ids=lambda value: ascii(value)[:20],
)
def test_what_is_no_number(value: object) -> None:
    """No other JSON value is taken for one, and the error is short."""
    with pytest.raises(NumberError) as caught:
        wire.number(value)

    assert "number" == caught.value.reason
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("value", ["0", BareNumber("0"), str(2**53 + 1), BareNumber(2**53 + 1), str(SEQUENCE_MAX)])
def test_a_sequence_is_exact(value: str) -> None:
    """Bare or in quotes, to the last digit."""
    assert int(value) == wire.sequence(value, "sequence")


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        [],
        {},
        "",
        "-1",
        "1.0",
        "1e3",
        "01",
        " 1",
        str(2**63),
        "9" * 5_000,
        BareNumber("-0"),
        BareNumber("1.0"),
    ],
    ids=lambda value: ascii(value)[:20],
)
def test_what_is_no_sequence(value: object) -> None:
    """Anything but the digits of 63 bits is refused by name; as an informational integer it is merely absent."""
    with pytest.raises(FrameError, match=r"^sequence: sequenceStart ") as caught:
        wire.sequence(value, "sequenceStart")

    assert len(str(caught.value)) < 200
    assert None is wire.integer_of({"time": value}, "time")


def test_informational_fields() -> None:
    """A text is only what stood in quotes; an integer may stand in quotes or not."""
    fields = load('{"a":"1","b":1,"c":null,"d":["x"]}')

    assert ["1", None, None, None, None] == [wire.text_of(fields, key) for key in "abcde"]
    assert [1, 1, None, None, None] == [wire.integer_of(fields, key) for key in "abcde"]
