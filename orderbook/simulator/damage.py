"""Ways to spoil what is sent: deltas that lie, and frames that are no message any more."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from orderbook.simulator.source import Level, Row, Tick, TrueBook
from orderbook.simulator.timeline import Binary, Payload

Draw = Callable[[], random.Random]
"""Gives the random numbers of one strike."""

_NEST: Final = 100_000
_SYMBOL = re.compile(r'("(?:topic|symbol)":")([^"]*)"')


def corrupted(tick: Tick, what: str) -> Tick | None:
    """The delta with its first row wrong, in a way that nothing in it shows.

    Args:
        tick: The true one.
        what: ``size`` changes the row's size, ``delete`` removes the level, ``missing`` leaves the row out.

    Returns:
        ``None`` where there is no row that could be wrong.
    """
    for name in ("bids", "asks"):
        rows: tuple[Row, ...] = getattr(tick, name)
        for index, (price, size, sequence) in enumerate(rows):
            if not price.strip("0."):
                continue
            wrong = () if what == "missing" else ((price, _other_size(size, what), sequence),)
            spoilt = (*rows[:index], *wrong, *rows[index + 1 :])
            return tick._replace(bids=spoilt) if name == "bids" else tick._replace(asks=spoilt)
    return None


def _other_size(size: str, what: str) -> str:
    digits = size.rstrip("0.")
    if not digits.strip("0."):
        return "1"
    if what == "delete":
        return "0"
    # The last digit that counts becomes another, and not 0.
    return f"{digits[:-1]}{int(digits[-1]) % 9 + 1}{size[len(digits) :]}"


def with_price_zero(tick: Tick, size: str) -> Tick:
    """The delta with one more row, whose price is 0: it moves the sequence and nothing else."""
    return tick._replace(asks=(*tick.asks, ("0", size, str(tick.sequence_end))))


def with_ghost(tick: Tick, best: tuple[Level | None, Level | None]) -> Tick | None:
    """The delta with one more row, which removes a level that cannot be there: a bid at the best ask, or the reverse.

    Args:
        tick: The true one.
        best: The best bid and ask after it; ``None`` where a side is empty.

    Returns:
        ``None`` for a book without levels.
    """
    bid, ask = best
    sequence = str(tick.sequence_end)
    if ask is not None:
        return tick._replace(bids=(*tick.bids, (ask[0], "0", sequence)))
    return None if bid is None else tick._replace(asks=(*tick.asks, (bid[0], "0", sequence)))


def misnamed(text: str, symbol: str, other: str) -> str:
    """A delta whose data names another symbol than its topic."""
    return text.replace(f'"symbol":"{symbol}"', f'"symbol":{json.dumps(other)}')


# -- sequence fields --

_START, _END = (re.compile(f'"{name}":([0-9]+)', re.ASCII) for name in ("sequenceStart", "sequenceEnd"))


def _both(value: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        return _END.sub(f'"sequenceEnd":{value}', _START.sub(f'"sequenceStart":{value}', text))

    return change


def _swapped(text: str) -> str:
    start, end = _START.search(text), _END.search(text)
    if start is None or end is None:
        return text
    # One more, so that the start is after the end even where both are the same.
    changed = _START.sub(f'"sequenceStart":{int(end[1]) + 1}', text)
    return _END.sub(f'"sequenceEnd":{start[1]}', changed)


FIELDS: Final[Mapping[str, Callable[[str], str]]] = MappingProxyType(
    {
        "swapped": _swapped,
        "no_start": lambda text: _START.sub('"sequence":0', text),
        "no_end": lambda text: _END.sub('"sequence":0', text),
        "null": _both("null"),
        "float": lambda text: _END.sub(r'"sequenceEnd":\1.0', text),
        "true": _both("true"),
        "negative": _both("-1"),
        "huge": lambda text: _END.sub(f'"sequenceEnd":{2**63}', text),
        "null_sides": lambda text: text.replace('s":[]', 's":null'),
    }
)
"""What may become of a delta's sequence fields, and (``null_sides``, which is legal) of its sides without rows."""

# -- frames --


def _flipped(text: str, draw: Draw) -> Payload:
    data, rng = text.encode(), draw()
    place = rng.randrange(len(data))
    return data[:place] + bytes((data[place] ^ 1 << rng.randrange(8),)) + data[place + 1 :]


def _not_utf8(text: str, _: Draw) -> Payload:
    data = text.encode()
    return data[: len(data) // 2] + b"\xff" + data[len(data) // 2 :]


GARBLES: Final[Mapping[str, Callable[[str, Draw], Payload]]] = MappingProxyType(
    {
        "cut": lambda text, _: text[: len(text) // 2],
        "flip": _flipped,
        "utf8": _not_utf8,
        "binary": lambda text, _: Binary(text.encode()),
        "nest": lambda _text, _: "[" * _NEST,
        "extra": lambda text, _: f'{{"novel":[{{"key":null}}],{text[1:]}',
        "twice": lambda text, _: text + text,
        "bom": lambda text, _: f"\ufeff{text}",
        "keys": lambda text, _: f'{text[:-1]},"type":"pong"}}',
        "surrogate": lambda text, _: f'{{"novel":"\\ud800",{text[1:]}',
        "nul": lambda text, _: _SYMBOL.sub(r'\1\2\\u0000"', text),
    }
)
"""Ways to damage a frame: cut in the middle, one bit flipped, no UTF-8, a binary frame, nested too deep, with a key
that nobody has heard of, two objects in one frame, a byte order mark, a key that stands twice, a lone surrogate, or a
NUL in the symbol. One flipped bit may leave a sound delta that lies; ``extra`` and ``binary`` leave all that was said.
"""


def impossible(book: TrueBook, how: str, other: TrueBook | None) -> TrueBook | None:
    """A snapshot that cannot be right.

    Args:
        book: The true one.
        how: ``empty`` (both sides, or only ``bids`` or ``asks``), ``unsorted``, ``crossed``, another symbol's book
            (``other``), one size wrong (``corrupt``), or no data at all (``null``).
        other: The book of another symbol.

    Returns:
        ``None`` for an answer without data.
    """
    bids, asks = book.bids, book.asks
    spoilt = {
        "empty": book._replace(bids=(), asks=()),
        "bids": book._replace(bids=()),
        "asks": book._replace(asks=()),
        "unsorted": book._replace(bids=bids[::-1], asks=asks[::-1]),
        "crossed": book._replace(bids=asks[::-1], asks=bids[::-1]),
        "other": None if other is None else other._replace(sequence=book.sequence),
        "corrupt": book._replace(bids=(*((price, _other_size(size, "size")) for price, size in bids[:1]), *bids[1:])),
    }
    return spoilt.get(how)
