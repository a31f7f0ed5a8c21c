"""Ways to spoil what is sent: deltas that lie, and frames that are no message any more."""

from __future__ import annotations

import random
from typing import Final

from orderbook.simulator.timeline import Binary, Payload
from orderbook.simulator.truth import Row, Tick, TrueBook

_NEST: Final = 100_000


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


def garbled(text: str, how: str, rng: random.Random) -> Payload:
    """A damaged frame.

    Args:
        text: The sound one.
        how: ``cut`` in the middle, a bit ``flip``-ped, not ``utf8``, ``binary``, ``nest``-ed too deep, or with an
            ``extra`` key that nobody has heard of.
        rng: Chooses the bit.
    """
    data = text.encode()
    middle = len(data) // 2
    match how:
        case "cut":
            return text[:middle]
        case "flip":
            place = rng.randrange(len(data))
            return data[:place] + bytes((data[place] ^ 1 << rng.randrange(8),)) + data[place + 1 :]
        case "utf8":
            return data[:middle] + b"\xff" + data[middle:]
        case "binary":
            return Binary(data)
        case "nest":
            return "[" * _NEST
        case _:
            return f'{{"novel":[{{"key":null}}],{text[1:]}'


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
