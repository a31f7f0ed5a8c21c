"""One record of a capture, and its line in the container.

A line is ``{"ts": <ns|null>, "kind": "ws"|"rest"|"open"|"close", "url": <text|null>, "raw": "<text>"}``, with
``"status"`` on REST answers that were not 200 and ``"enc": "base64"`` where the bytes were not UTF-8. A reader takes a
missing ``ts`` or ``url`` as null and passes over names it does not know; a name that stands twice spoils the line.
"""

from __future__ import annotations

import binascii
import json
import re
from typing import Final, Literal, NamedTuple, cast

from orderbook.errors import UsageError

Kind = Literal["ws", "rest", "open", "close"]
KINDS: Final = frozenset({"ws", "rest", "open", "close"})
TS_MAX: Final = 2**63 - 1
RECORD_BYTES_MAX: Final = 64 * 1024 * 1024
"""Longest line that is written, and read unless told otherwise."""

LINE_BYTES_MIN: Final = len('{"kind":"ws","raw":""}')
"""A shorter line is no record."""

_NUMBER_DIGITS_MAX = 20
_LONG_LINE = 64 * 1024
# A flat object of at most 16 fields. Possessive throughout: linear time and no stack, whatever the text.
_FLAT = re.compile(
    r'\s*+\{(?:[^"\[\]{}]*+"[^"\\]*+(?:\\.[^"\\]*+)*+"){0,32}+[^"\[\]{}]*+\}\s*+',
    re.DOTALL,
)
_quoted = json.JSONEncoder(ensure_ascii=False).encode


class Record(NamedTuple):
    """Something that was received, or that happened to a connection, at one moment.

    Attributes:
        ts: When it was received, in ns since 1970; ``None`` where that is not known.
        kind: ``ws`` a frame, ``rest`` an answer, ``open`` and ``close`` of a connection.
        url: Address of the request or of the connection, without secrets; ``None`` where that is not known.
        raw: Exactly what was received; empty on ``open``, code and reason on ``close``.
        status: HTTP status of a REST answer that was not 200.
    """

    ts: int | None
    kind: Kind
    url: str | None
    raw: bytes
    status: int | None = None

    @property
    def text(self) -> str | None:
        """``raw`` as text, or ``None`` where it is not UTF-8."""
        try:
            return self.raw.decode()
        except UnicodeDecodeError:
            return None


class LineError(ValueError):
    """A line that is no record. The message says why, without repeating what stands in the line."""


def encode_line(record: Record, url: str | None) -> bytes:
    """The line of a record.

    Args:
        record: What to write.
        url: Its address without secrets.

    Returns:
        UTF-8 JSON that ends in a line feed and holds no other.

    Raises:
        UsageError: A field that the container cannot hold, or a line beyond ``RECORD_BYTES_MAX``.
    """
    problem = _problem(record.ts, record.kind, url, record.status)
    given: object = record.raw
    if problem is None and not isinstance(given, bytes):
        problem = "its raw is not bytes"
    if problem is not None:
        raise UsageError(f"this record cannot be written: {problem}")
    text = record.text
    raw = _quoted(binascii.b2a_base64(record.raw, newline=False).decode() if text is None else text)
    start = f'{{"ts":{_json(record.ts)},"kind":"{record.kind}","url":{"null" if url is None else _quoted(url)}'
    status = "" if record.status is None else f',"status":{record.status}'
    encoding = ',"enc":"base64"' if text is None else ""
    try:
        line = f'{start}{status}{encoding},"raw":{raw}}}\n'.encode()
    except UnicodeEncodeError:
        raise UsageError("this record cannot be written: its url is not text") from None
    if len(line) > RECORD_BYTES_MAX:
        raise UsageError(f"this record cannot be written: {len(line)} bytes are more than {RECORD_BYTES_MAX}")
    return line


def decode_line(line: bytes | bytearray) -> Record:
    """Read one line, with or without its line feed.

    Args:
        line: Whatever stands in the file; its length is the caller's to bound.

    Raises:
        LineError: It is not a record. Nothing else is ever raised.

    Complexity: O(length), in time and in memory: nested data, which could take 20 times the room, is refused before
        a long line is built up.
    """
    try:
        text = line.decode()
    except UnicodeDecodeError:
        raise LineError("it is not UTF-8") from None
    if len(text) > _LONG_LINE and _FLAT.fullmatch(text) is None:
        raise LineError("it is not one flat JSON object")
    try:
        fields = _decoder.decode(text)
    except LineError:
        raise
    except ValueError:
        raise LineError("it is not JSON") from None
    except RecursionError:
        raise LineError("it is nested too deeply") from None
    if type(fields) is not dict:
        raise LineError("it is not a JSON object")
    return _record(fields)


def _record(fields: dict[str, object]) -> Record:
    ts, kind, url, status = fields.get("ts"), fields.get("kind"), fields.get("url"), fields.get("status")
    problem = _problem(ts, kind, url, status)
    if problem is not None:
        raise LineError(problem)
    try:
        if url is not None:
            cast(str, url).encode()
        raw = _raw(fields.get("raw"), fields.get("enc"))
    except UnicodeEncodeError:
        # JSON can escape half a surrogate pair. No text holds that, and writing it out later would fail.
        raise LineError("it holds half a surrogate pair") from None
    return Record(cast("int | None", ts), cast(Kind, kind), cast("str | None", url), raw, cast("int | None", status))


def _raw(raw: object, encoding: object) -> bytes:
    if not isinstance(raw, str):
        raise LineError("its raw is missing or no text")
    if encoding is None:
        return raw.encode()
    if encoding != "base64":
        raise LineError("its enc is not known")
    try:
        return binascii.a2b_base64(raw, strict_mode=True)
    except ValueError:
        raise LineError("its raw is not base64") from None


def _problem(ts: object, kind: object, url: object, status: object) -> str | None:
    """The rules that writing and reading share; ``type() is int`` because True is an int."""
    if ts is not None and not (type(ts) is int and 0 <= ts <= TS_MAX):
        return "its ts is neither null nor nanoseconds since 1970"
    if not isinstance(kind, str) or kind not in KINDS:
        return "its kind is not known"
    if url is not None and not isinstance(url, str):
        return "its url is neither null nor text"
    if status is not None and not (type(status) is int and 100 <= status <= 999):
        return "its status is no HTTP status"
    return None


def _json(value: int | None) -> str:
    return "null" if value is None else str(value)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise LineError("a name stands twice in it")
    return fields


def _integer(text: str) -> int:
    # No number of ours is longer, and converting very long ones takes for ever.
    if len(text) > _NUMBER_DIGITS_MAX:
        raise LineError("a number in it is too long")
    return int(text)


def _constant(name: str) -> None:
    raise LineError(f"{name} is not JSON")


_decoder = json.JSONDecoder(object_pairs_hook=_unique, parse_int=_integer, parse_constant=_constant)
