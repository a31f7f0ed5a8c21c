"""KuCoin's messages for the peers that leave decoding to their user, by the fastest decoder for each."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from benchmarks.peers.adapter import Gap


def float_frames() -> tuple[Callable[[bytes], Any], Callable[[bytes], Any]]:
    """Decoders of frames and of REST bodies that turn the quoted numbers into floats while they decode."""
    return _decoders(float)


def text_frames() -> tuple[Callable[[bytes], Any], Callable[[bytes], Any]]:
    """The same, for peers that want the numbers as text."""
    return _decoders(str)


def _decoders(number: type) -> tuple[Callable[[bytes], Any], Callable[[bytes], Any]]:
    msgspec = import_module("msgspec")

    def struct(name: str, **fields: Any) -> Any:
        return msgspec.defstruct(name, list(fields.items()), gc=False)

    # Types that are chosen here are no types to a type checker.
    row: Any = tuple.__class_getitem__((number, number, int if number is float else str))
    level: Any = tuple.__class_getitem__((number, number))
    rows, levels = (list.__class_getitem__(one) for one in (row, level))
    changes = struct("Changes", asks=rows, bids=rows)
    data = struct("Data", changes=changes, sequenceStart=int, sequenceEnd=int)
    book = struct("Book", sequence=int, bids=levels, asks=levels)
    # Lax: texts are taken for numbers. It costs nothing where texts are asked for.
    frames = msgspec.json.Decoder(struct("Frame", topic=str, data=data), strict=False)
    bodies = msgspec.json.Decoder(struct("Body", data=book), strict=False)
    return frames.decode, bodies.decode


class FramedBook:
    """A book that is told of changes by ``change``: rows of (price, size, ...) of both sides.

    Args:
        decode: From bytes to a message.
    """

    def __init__(self, decode: Callable[[bytes], Any]) -> None:
        self.sequence = 0
        self._decode = decode

    def receive(self, frame: bytes) -> None:
        """Take one message; it has to continue the book."""
        data = self._decode(frame).data
        if data.sequenceStart != self.sequence + 1:
            raise Gap(data.sequenceStart)
        changes = data.changes
        self.change(changes.bids, changes.asks)
        self.sequence = data.sequenceEnd

    def change(self, bids: Any, asks: Any) -> None:
        """Absolute sizes; 0 removes."""
        raise NotImplementedError
