"""What a venue module is: names, and pure functions from bytes to messages. It does no I/O."""

from __future__ import annotations

from typing import Protocol

from orderbook.errors import FrameError
from orderbook.streams import Pushed
from orderbook.types import Message, Snapshot
from orderbook.venues.wire import Frame, frame_size, to_text


class Venue(Protocol):
    """One wire format."""

    @property
    def name(self) -> str:
        """How users call it."""

    @property
    def partial_depths(self) -> frozenset[int]:
        """Row counts at which a snapshot side whose depth nobody stated is taken for cut off."""

    def check_symbol(self, symbol: str) -> None:
        """Raise ``UsageError`` for text that cannot be a symbol of this venue."""

    def decode(self, text: str) -> Message:
        """Decode one WebSocket message. Raises ``FrameError``, nothing else, for any text.

        The error's ``symbol`` tells whose book lost a message (``None``: unknown); its ``remedy`` is "ignore" where
        the text was certainly no part of a book.
        """

    def decode_pushed(self, text: str, received_ns: int = 0) -> Message | Pushed:
        """Decode one WebSocket message, those of the streams beside the books included; they tell when they were read.

        Raises ``FrameError``, nothing else, for any text; its ``topic`` tells which of the streams lost a message.
        """

    def decode_snapshot(self, text: str) -> Snapshot:
        """Decode the body of a REST snapshot. Raises ``FrameError``, nothing else, for any text."""

    def snapshot_request(self, url: str) -> tuple[str, int | str] | None:
        """Whose snapshot a REST URL asks for, and how deep (levels, or ``"full"``); ``None`` if none."""

    def probe_answer(self, url: str, text: str) -> tuple[str, int] | None:
        """Whose present sequence a small REST answer tells, and which; ``None`` for any other URL, or if none does.

        Args:
            url: What was asked.
            text: The body of the answer.
        """

    def guess_symbol(self, text: str) -> str | None:
        """Whose book a frame that cannot be decoded may belong to; a mere search in its text."""


def decode_frame(venue: Venue, frame: Frame, bytes_max: int) -> Message | FrameError:
    """Decode one WebSocket message, whatever it is; what is wrong with it is an answer too.

    Args:
        venue: Whose message.
        frame: As it came off the wire.
        bytes_max: Longer ones are not decoded.

    Returns:
        The message; or the error, whose ``symbol`` is also guessed from the bytes where the message did not tell it.

    Raises:
        UsageError: ``frame`` is neither text nor a buffer of bytes. Never for any content.
    """
    try:
        return venue.decode(to_text(frame, bytes_max))
    except FrameError as error:
        if error.symbol is None and error.remedy != "ignore":
            error.symbol = venue.guess_symbol(_start(frame, bytes_max))
        # Without its frames, which would keep the bytes alive.
        return error.with_traceback(None)


def decode_pushed(venue: Venue, frame: Frame, bytes_max: int, received_ns: int) -> Message | Pushed | FrameError:
    """The same for a connection that carries streams beside the books; ``received_ns`` is when the frame was read.

    Returns:
        The message; or the error, whose ``topic`` tells the stream where that much could be read.

    Raises:
        UsageError: As ``decode_frame``.
    """
    try:
        return venue.decode_pushed(to_text(frame, bytes_max), received_ns)
    except FrameError as error:
        return error.with_traceback(None)


def _start(frame: Frame, bytes_max: int) -> str:
    """The start of a frame as some text, for a guess: one that is too long is not copied whole."""
    if isinstance(frame, str):
        return frame[:bytes_max]
    if frame_size(frame) > bytes_max:
        view = memoryview(frame)
        frame = (view.cast("B") if view.c_contiguous else view)[:bytes_max]
    return bytes(frame).decode("latin-1")
