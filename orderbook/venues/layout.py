"""How a venue's messages are laid out, as data: what the compiled twin reads frames by.

The pure twin needs none of this: it decodes with the venue's own functions. A layout describes the plain case only.
Whatever does not fit it (other keys, escapes, exponents, a value of another type) is handed to those functions, so a
layout never decides what is accepted, only how fast.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

Path = tuple[str, ...]
"""Keys from the outermost object inwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where things stand in one kind of message. In texts, ``{symbol}`` stands for the symbol.

    Attributes:
        texts: Texts that have to be there, and as given.
        may_be: Texts that may be missing, but not different.
        start, end: First and last sequence that a message covers; the same path where there is one only.
        time: The venue's time; it may be missing.
        time_units: How many units of it make a ms; parts of a ms are cut off.
        bids, asks: Lists of rows; one of the two has to be there.
        row: What stands at each position of a row: ``price``, ``size``, ``sequence``, or ``""`` for what is of no
            interest.
        change: Instead of lists of rows, one row as text with commas, in which also the side is named.
        change_row: What stands at each position of that: ``price``, ``size``, ``side``.
        sides: What the two sides are called there.
    """

    texts: Mapping[Path, str]
    may_be: Mapping[Path, str] = field(default_factory=dict)
    start: Path
    end: Path
    time: Path | None = None
    time_units: int = 1
    bids: Path | None = None
    asks: Path | None = None
    row: tuple[str, ...] = ("price", "size")
    change: Path | None = None
    change_row: tuple[str, ...] = ("price", "side", "size")
    sides: tuple[str, str] = ("buy", "sell")


Decode = TypeVar("Decode", bound=Callable[..., object])
_LAYOUTS: dict[Callable[..., object], Layout] = {}


def laid_out(layout: Layout) -> Callable[[Decode], Decode]:
    """Say of a venue's ``decode`` how the messages are laid out that change a book; or of its ``decode_snapshot``.

    Snapshots have both sides, and one sequence. A body that is not best first, or in which a price stands twice, is
    left to the function.

    It is said of the function and not of the venue: a venue that decodes in another way has another function, and the
    layout of the first one is not taken for it.
    """

    def mark(decode: Decode) -> Decode:
        _LAYOUTS[decode] = layout
        return decode

    return mark


def layout_of(venue: object, name: str = "decode") -> Layout | None:
    """The layout of what one of a venue's functions decodes; ``None`` where nothing was said of it.

    Args:
        venue: A ``venues.base.Venue``.
        name: ``decode``: its book messages; ``decode_snapshot``: its snapshots.
    """
    decode = getattr(type(venue), name, None)
    is_own = name not in getattr(venue, "__dict__", {})
    return _LAYOUTS.get(decode) if decode is not None and is_own else None


class SymbolFinder:
    """Finds out whose book a frame may be for, without decoding it: the text around ``{symbol}`` is searched.

    Args:
        layout: Whose first text that holds a symbol has more around it than that, such as a topic.
    """

    __slots__ = ("_before", "_behind")

    def __init__(self, layout: Layout) -> None:
        before, _, behind = max(layout.texts.values(), key=lambda text: ("{symbol}" in text, len(text))).partition(
            "{symbol}"
        )
        self._before = f'"{before}'.encode()
        self._behind = f'{behind}"'.encode()

    def find(self, frame: bytes) -> str | None:
        """The symbol that a frame names there; ``None``: none. A guess, to be checked by whoever takes the frame."""
        start = frame.find(self._before)
        if start < 0:
            return None
        start += len(self._before)
        end = frame.find(self._behind, start)
        return None if end < 0 else frame[start:end].decode("latin-1")
