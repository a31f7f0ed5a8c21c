"""Many frames in one call: the batch lane, for research.

What each frame does is what ``receive`` does with it, and what is recorded is what the queries answer after it. The
compiled twin does both in native memory for as long as frames are plain and continue a LIVE book, without the GIL; the
frame that is not goes the way of all frames, and then it goes on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, SupportsIndex, TypeAlias

import numpy as np
import numpy.typing as npt

from orderbook.accelerator import ACCELERATOR
from orderbook.book import OrderBook
from orderbook.errors import UsageError
from orderbook.settings import SyncSettings
from orderbook.sync.lane import Lane
from orderbook.sync.tape import Recorded, Tape
from orderbook.twin import refuse_copy
from orderbook.venues.wire import Frame, frame_size

if TYPE_CHECKING:
    from mmap import mmap

__all__ = ["Batch", "BatchLane", "Frames", "PureBatch", "Times"]

Frames: TypeAlias = "Iterable[Frame] | bytes | bytearray | memoryview | mmap"
"""One frame after the other; or a buffer with one a line."""
Times = Sequence[int] | npt.NDArray[np.int64]

TOUCH: Final = ("bid_price", "bid_size", "ask_price", "ask_size")


class PureBatch:
    """The frames of one replay, and what is recorded of them.

    Args:
        source: The frames; or a buffer of bytes, whose lines they are (not those that are empty).
        tape: Where to record.
        frame_bytes_max: Longer frames are not for here to take.

    Raises:
        UsageError: A frame is neither text nor a buffer of bytes.
    """

    def __init__(self, source: memoryview | tuple[Frame, ...], tape: Tape, frame_bytes_max: int) -> None:
        del tape, frame_bytes_max  # for the other twin
        self._frames: Sequence[Frame] = source if isinstance(source, tuple) else _lines(source)
        for frame in self._frames:
            frame_size(frame)

    def __len__(self) -> int:
        return len(self._frames)

    def frame(self, row: int) -> Frame:
        """One of them."""
        return self._frames[row]

    def take(self, lane: Lane, row: int, times: npt.NDArray[np.int64] | None) -> int:
        """Apply frames from ``row`` on that the lane may take by itself, and record the book after each of them.

        Args:
            lane: Of the book.
            row: The first one.
            times: When each frame came, int64, shape (frames,); ``None``: nobody knows.

        Returns:
            The next row: the lane does not take its frame, or it was time to look after signals.

        Raises:
            MemoryError: The book is as after the last frame that was applied.
        """
        del lane, times
        return row


if TYPE_CHECKING or ACCELERATOR == "pure":
    Batch = PureBatch
else:
    from orderbook.compiled.batch import Batch


class BatchLane(Lane):
    """What ``BookSync`` is made of where it takes frames: one by one, or many."""

    book: OrderBook
    _settings: SyncSettings
    _is_watched: bool
    """Whether somebody has to be asked after each frame: an observer, or a clock."""

    __reduce_ex__ = refuse_copy

    def replay(
        self,
        frames: Frames,
        *,
        record: Iterable[str] = TOUCH,
        imbalance: SupportsIndex | None = None,
        depth: SupportsIndex | None = None,
        received_ns: Times | None = None,
    ) -> Recorded:
        """Take many messages, and record what the book answers after each of them.

        The same as ``receive`` and the queries for one frame after the other: frames that cannot be used, gaps and the
        rest are events, each with its row, and a snapshot is handed in between two calls. Other threads run meanwhile
        (compiled twin). A book belongs to one thread: what another one hands to this ``BookSync`` while frames are
        replayed raises ``UsageError``, and what it asks the book raises ``BookNotLive``.

        Args:
            frames: Bytes or text, one after the other; or one buffer (bytes, memoryview, mmap) with a frame a line,
                where empty lines are none. It must not change meanwhile.
            record: Of ``bid_price``, ``bid_size``, ``ask_price``, ``ask_size``, ``spread``, ``spread_bps``, ``mid``,
                ``microprice``.
            imbalance: Also the imbalance over the best so many levels a side, as the column ``"imbalance"``.
            depth: Also the best so many levels of each side.
            received_ns: When each frame was read, one integer a frame; without a clock nothing.

        Raises:
            UsageError: A frame is neither text nor a buffer of bytes, an unknown name, no count, or not one time a
                frame; before anything is taken. Never for any content.

        Complexity: time O(frames + changes log n + levels recorded), memory 16 bytes a frame beside what is recorded.
        """
        tape = Tape(self.book, record, imbalance, depth)
        batch = Batch(_source(frames), tape, self._settings.frame_bytes_max)
        count = len(batch)
        times = None if received_ns is None else _times(received_ns, count)
        tape.start(count)
        row = 0
        while (row := row if self._is_watched else batch.take(self, row, times)) < count:
            tape.note(row, self.receive(batch.frame(row), 0 if times is None else int(times[row])))
            row += 1
        return tape.recorded()


def _lines(buffer: memoryview) -> list[bytes]:
    return [line for line in re.findall(rb"[^\n]+", buffer) if line != b"\r"]


def _source(frames: Frames) -> memoryview | tuple[Frame, ...]:
    """The frames; or the buffer in which they are, as one row of bytes."""
    if isinstance(frames, str):
        raise UsageError("frames are a list, or a buffer of bytes with one a line, not one text")
    try:
        buffer = memoryview(frames)  # type: ignore[arg-type]  # if it is none, that is told below
    except TypeError:
        pass
    else:
        if buffer.format not in ("B", "b", "c"):
            raise UsageError(f"a buffer of frames is one of bytes, not of format {buffer.format}")
        return (buffer if buffer.c_contiguous else memoryview(buffer.tobytes())).cast("B")
    try:
        return tuple(frames)  # type: ignore[arg-type]  # no buffer, so it is an iterable or refused
    except TypeError:
        raise UsageError(f"frames are a list, or a buffer of bytes, not {type(frames).__name__}") from None


def _times(received_ns: Times, count: int) -> npt.NDArray[np.int64]:
    try:
        times = np.asarray(received_ns)
    except (TypeError, ValueError, OverflowError):
        raise UsageError("received_ns is one integer a frame") from None
    if count == 0 and times.size == 0:
        return np.empty(0, np.int64)
    if times.dtype.kind not in "iu" or times.shape != (count,) or not np.can_cast(times.dtype, np.int64):
        shape = f"{times.dtype} of shape {times.shape}"
        raise UsageError(f"received_ns is one 64-bit integer a frame, of shape ({count},), not {shape}")
    return np.ascontiguousarray(times, np.int64)
