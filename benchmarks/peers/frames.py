"""KuCoin's messages for the peers that leave decoding to their user, by the fastest decoder for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, ClassVar

from benchmarks.peers.adapter import Adapter, Gap, floats
from benchmarks.workloads import Message, Row


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


class FloatAdapter(Adapter):
    """A peer whose book keeps floats, and is told of parsed changes as (price, size, sequence)."""

    natives = "change(bids, asks)"
    kind: ClassVar[Any]
    """Its book: a ``FramedBook`` with ``load(bids, asks, sequence)``."""

    def __init__(self) -> None:
        self.decode, self.decode_body = float_frames()
        self.book: Any = None

    def load(self, bids: Sequence[Row], asks: Sequence[Row], sequence: int) -> None:
        self.book = self.kind(self.decode)
        self.book.load(floats(bids), floats(asks), sequence)

    def load_body(self, body: bytes, sequence: int) -> None:
        data = self.decode_body(body).data
        self.book = self.kind(self.decode)
        self.book.load(data.bids, data.asks, sequence)

    def native(self, message: Message) -> tuple[Any, Any, int]:
        bids, asks = ([(float(p), float(s), 0) for p, s in rows] for rows in (message.bids, message.asks))
        return bids, asks, message.end
