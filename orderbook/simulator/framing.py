"""WebSocket frames as a server sends them: not masked, not compressed; whole, or in as many fragments as wanted."""

from __future__ import annotations

from typing import Final

from orderbook.simulator.timeline import Binary

_TEXT: Final = 0x1
_BINARY: Final = 0x2
_CLOSE: Final = 0x8
_FIN: Final = 0x80
PING: Final = b"\x89\x00"
"""A ping without a word; control frames may stand between the fragments of a message."""


def framed(payload: str | bytes | Binary, fragment_bytes: int | None = None) -> bytes:
    """The bytes of one message.

    Args:
        payload: A text (bytes: one that need not be UTF-8), or a binary message.
        fragment_bytes: Longest payload of a frame; with a ping between one fragment and the next. ``None``: one frame.

    Complexity: O(bytes).
    """
    opcode, data = (_BINARY, payload.data) if isinstance(payload, Binary) else (_TEXT, payload)
    if isinstance(data, str):
        data = data.encode()
    if fragment_bytes is None or len(data) <= fragment_bytes:
        return frame(_FIN | opcode, data)
    pieces = [data[begin : begin + fragment_bytes] for begin in range(0, len(data), fragment_bytes)]
    first, *middle, last = pieces
    return PING.join((frame(opcode, first), *(frame(0, piece) for piece in middle), frame(_FIN, last)))


def framed_close(code: int, reason: str) -> bytes:
    """The frame that begins a closing handshake; a reason beyond what fits is cut."""
    return frame(_FIN | _CLOSE, code.to_bytes(2, "big") + reason.encode()[:123])


def frame(head: int, data: bytes) -> bytes:
    """One frame.

    Args:
        head: Its first byte: FIN, three reserved bits and the opcode; nothing is checked, it may be an illegal one.
        data: The payload.
    """
    size = len(data)
    if size < 126:
        return bytes((head, size)) + data
    if size < 65_536:
        return bytes((head, 126)) + size.to_bytes(2, "big") + data
    return bytes((head, 127)) + size.to_bytes(8, "big") + data
