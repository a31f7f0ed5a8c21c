"""Bytes to JSON values, strictly: what every venue module starts from. No number is converted here.

Python's ``json`` alone accepts NaN, keeps the last of duplicate keys, turns numbers into doubles, and fails on deep
nesting or long integers with errors of its own. Here every number stays the text it was, and each of these is one
``FrameError`` with a reason code.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final, NoReturn

from orderbook.errors import FrameError, NumberError, UsageError
from orderbook.fixedpoint import Number, parse_number, parse_sequence

NESTING_MAX: Final = 16

Frame = bytes | bytearray | memoryview | str


class BareNumber(str):
    """The text of a JSON number that stood outside quotes."""

    __slots__ = ()


def frame_size(frame: object) -> int:
    """Length of a frame, in characters of text or in bytes.

    Raises:
        UsageError: Neither text nor a buffer of bytes, or a released one: the caller's mistake, not the wire's.
    """
    if isinstance(frame, str | bytes | bytearray):
        return len(frame)
    if not isinstance(frame, memoryview):
        raise UsageError(f"a frame is bytes or text, not {type(frame).__name__}")
    try:
        return frame.nbytes
    except ValueError:
        raise UsageError("a frame is bytes or text, not a released memoryview") from None


def to_text(frame: Frame, bytes_max: int) -> str:
    """The text of a frame as it came off the wire.

    Raises:
        FrameError: ``size`` or ``utf8``.
        UsageError: As ``frame_size``.
    """
    size = frame_size(frame)
    if isinstance(frame, str):
        if _is_longer(frame, bytes_max):
            raise FrameError("size", f"{size} characters; the limit is {bytes_max} bytes")
        return frame
    if size > bytes_max:
        raise FrameError("size", f"{size} bytes; the limit is {bytes_max}")
    try:
        return bytes(frame).decode()
    except UnicodeDecodeError as error:
        raise FrameError("utf8", f"byte {error.start} is not UTF-8") from None


def _is_longer(text: str, bytes_max: int) -> bool:
    # UTF-8 takes 1 to 4 bytes a character: only a length in between needs the exact count.
    if len(text) > bytes_max or 4 * len(text) <= bytes_max:
        return len(text) > bytes_max
    return len(text.encode(errors="surrogatepass")) > bytes_max


def load(text: str) -> dict[str, object]:
    """Decode one JSON object.

    Returns:
        The object; numbers in it are ``BareNumber`` texts.

    Raises:
        FrameError: ``json``, ``nesting``, ``utf8`` (lone surrogates) or ``fields`` (not an object).
    """
    _limit_nesting(text)
    try:
        value = _DECODER.decode(text)
    except ValueError as error:
        raise FrameError("json", _short(str(error))) from None
    if not isinstance(value, dict):
        raise FrameError("fields", "not a JSON object")
    if "\\u" in text or not text.isascii():
        _refuse_surrogates(text, value)
    return value


def _limit_nesting(text: str) -> None:
    if text.count("[") + text.count("{") <= NESTING_MAX:
        return
    depth = 0
    for match in _BRACKETS.finditer(text):
        bracket = match[1]
        if bracket in ("[", "{"):
            depth += 1
            if depth > NESTING_MAX:
                raise FrameError("nesting", f"nested deeper than {NESTING_MAX}")
        elif bracket:
            depth -= 1


def _refuse_surrogates(text: str, value: object) -> None:
    """A lone surrogate is legal JSON, but no text: it would break the first log that meets it."""
    try:
        text.encode()
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise FrameError("utf8", "a lone surrogate") from None


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key stands twice in an object")
    return value


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


# The next bracket, with all before it. Strings are matched whole, so that brackets inside them do not count; a string
# that never ends takes the rest. Possessive, and the bracket may be missing: no text makes it backtrack.
_OTHERS, _STRING = r'[^"\[\]{}]*+', r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?'
_BRACKETS = re.compile(rf"{_OTHERS}(?:{_STRING}{_OTHERS})*+([\[\]{{}}])?", re.DOTALL)
_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=BareNumber, parse_int=BareNumber, parse_constant=_constant
)


def _short(text: str) -> str:
    return ascii(text)[1:-1][:120]


def number(value: object) -> Number:
    """A price or size, bare or in quotes. Raises ``NumberError``."""
    if not isinstance(value, str):
        raise NumberError(value, "is not a number")
    return parse_number(value)


def sequence(value: object, name: str) -> int:
    """A sequence number, bare or in quotes. Raises ``FrameError`` (``sequence``) that gives its name."""
    try:
        return parse_sequence(value)
    except NumberError as error:
        raise FrameError("sequence", f"{name} {error.detail}") from None


def text_of(fields: Mapping[str, object], key: str) -> str | None:
    """A quoted text, or ``None`` when it is absent or something else."""
    value = fields.get(key)
    return value if type(value) is str else None


def integer_of(fields: Mapping[str, object], key: str) -> int | None:
    """An informational integer (a time, a code), or ``None`` when absent or something else."""
    try:
        return parse_sequence(fields.get(key))
    except NumberError:
        return None
