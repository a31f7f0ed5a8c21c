"""The recorder's hand on the file: writes what waits, marks holes, and copes with a disk that refuses.

Not thread-safe and free of timers: the recorder's thread says when.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from orderbook.errors import UsageError
from orderbook.redact import redact_url
from snapshots.capture_writer import CaptureWriter
from snapshots.errors import CaptureError
from snapshots.recorder_queue import Gap, RecorderQueue
from snapshots.records import Record

GAP_CODE: Final = 4000
"""Close code of a marker, from the range that is free for private use."""

# KuCoin marks every frame of an account with both; the names of other venues come here.
_PRIVATE = re.compile(rb'"userId"|"channelType"\s*:\s*"private"')
_TOO_SLOW = "give it a faster disk, record fewer symbols, or raise queue_max and queue_bytes_max"


@dataclass(frozen=True, slots=True)
class RecorderFailed:
    """The recording stands still, or has lost something. The feed goes on all the same."""

    path: str
    problem: str
    remedy: str


@dataclass(frozen=True, slots=True)
class RecorderResumed:
    """The recording goes on; what was lost is marked in the file."""

    path: str
    lost: int
    """Records lost since the last event of this kind."""


RecorderEvent = RecorderFailed | RecorderResumed


class Scribe:
    """Writes the queue's records into the capture.

    Args:
        writer: The capture; nobody else uses it.
        queue: Where the records wait.
        tell: Gets each event.
        wall_clock: For a marker where no record gives the time, in ns since 1970.
        private: Whether frames of the account are written too.

    Attributes:
        path: The file, as text that is safe to print.
        is_failing: The disk refused, and has not yet been seen to work again.
        recorded: Records taken by the writer, without markers.
        lost: Records that the container could not hold, or that never reached the file.
        refused: Token answers and private frames.
        gaps: Holes marked.
        unflushed: Of those recorded, how many are not yet with the operating system.
    """

    def __init__(
        self,
        writer: CaptureWriter,
        queue: RecorderQueue,
        tell: Callable[[RecorderEvent], None],
        wall_clock: Callable[[], int],
        *,
        private: bool,
    ) -> None:
        self.path = writer.name if writer.name.isprintable() else ascii(writer.name)
        self.is_failing = False
        self.recorded = self.lost = self.refused = self.gaps = self.unflushed = 0
        self._writer = writer
        self._queue = queue
        self._tell = tell
        self._wall_clock = wall_clock
        self._private = private
        #: Connections that are open in the file. Two may have one address.
        self._links: Counter[str | None] = Counter()
        self._markers: deque[Record] = deque()
        self._backlog: deque[Record | Gap] = deque()
        self._is_alarmed = False
        self._marked = 0
        self._blocks = 0

    @property
    def written_bytes(self) -> int:
        """Size of the blocks in the file."""
        return self._writer.bytes_written

    def write(self, *, flush: bool) -> bool:
        """Write what waits.

        Args:
            flush: The block in hand too; and a disk that refused is tried again.

        Returns:
            Whether the disk took it. Otherwise everything stays where it is.
        """
        if self.is_failing and not flush:
            return False
        try:
            if self.is_failing:
                self._flush()
            self._drain()
            if flush:
                self._flush()
        except CaptureError as error:
            self.is_failing = True
            self._alarm(error.problem, error.remedy)
            return False
        self.is_failing = False
        if flush and self._is_alarmed:
            self._is_alarmed = False
            marked, self._marked = self._marked, 0
            self._tell(RecorderResumed(self.path, marked))
        return True

    def mark(self, why: str, *, ts: int | None = None, links: Counter[str | None] | None = None) -> None:
        """Close in the recording what is open in it, and open what is open now. Before anything else is written.

        Args:
            why: Text of the ``close``.
            ts: Time of the marker; now by default.
            links: Connections opened (+1) and closed (-1) out of the recording's sight.
        """
        ts = self._wall_clock() if ts is None else ts
        text = f"{GAP_CODE} recorder gap: {why}".encode()
        # Without an address a record concerns every book: nothing may be LIVE over a hole.
        self._markers.extend(Record(ts, "close", url, text) for url in self._links or (None,))
        if links is not None:
            self._links.update(links)
            self._links = +self._links
        self._markers.extend(Record(ts, "open", url, b"") for url in self._links)
        self.gaps += 1

    def end(self) -> None:
        """Write the rest and close the file. What cannot be written now is lost, and told."""
        is_clean = self.write(flush=True)
        failed = None
        try:
            self._writer.close()
        except CaptureError as error:
            failed = error
        if self._writer.block_count == self._blocks:
            self.recorded -= self.unflushed
            self.lost += self.unflushed
        self._backlog.clear()
        self.lost += self._queue.give_up()
        if failed is not None or not is_clean:
            remedy = "check the disk and the file" if failed is None else failed.remedy
            problem = f"at its end {self.lost + self._queue.lost} records are missing"
            self._tell(RecorderFailed(self.path, problem, remedy))

    def _alarm(self, problem: str, remedy: str) -> None:
        if not self._is_alarmed:
            self._is_alarmed = True
            self._tell(RecorderFailed(self.path, problem, remedy))

    def _drain(self) -> None:
        """Write markers, then what is in hand, then what waits at this moment; raises ``CaptureError``."""
        self._backlog.extend(self._queue.take())
        while self._markers or self._backlog:
            if self._markers:
                self._writer.write(self._markers[0])
                self._markers.popleft()
                self._note_blocks()
                continue
            entry = self._backlog[0]
            if isinstance(entry, Gap):
                self._note_gap(entry)
            else:
                self._put(entry)
                self._queue.settle(entry)
            self._backlog.popleft()

    def _put(self, record: Record) -> None:
        if not self._private and _PRIVATE.search(record.raw) is not None:
            self.refused += 1
            return
        try:
            taken = self._writer.write(_without_secrets(record))
        except UsageError as error:
            self._alarm(str(error), "please report this: a feed hands over only what can be written")
            self.lost += 1
            self._marked += 1
            self.mark("1 record lost")
            return
        if not taken:
            self.refused += 1
            return
        self.recorded += 1
        self.unflushed += 1
        self._note_blocks()
        self._follow(record)

    def _follow(self, record: Record) -> None:
        """Know what is open in the file."""
        if record.kind == "ws":
            if record.url not in self._links:
                self._links[record.url] = 1
        elif record.kind == "open":
            self._links[record.url] += 1
        elif record.kind == "close":
            self._links[record.url] -= 1
            if self._links[record.url] <= 0:
                del self._links[record.url]

    def _note_gap(self, gap: Gap) -> None:
        self._alarm(f"the queue is full: {gap.count} records are lost", _TOO_SLOW)
        self._marked += gap.count
        self.mark(f"{gap.count} record{'s' if gap.count > 1 else ''} lost", ts=gap.ts, links=gap.links)

    def _flush(self) -> None:
        self._writer.flush()
        self._note_blocks()

    def _note_blocks(self) -> None:
        if self._writer.block_count != self._blocks:
            self._blocks = self._writer.block_count
            self.unflushed = 0


def _without_secrets(record: Record) -> Record:
    """The writer redacts addresses. The reason of a ``close`` may be an error's text, with an address in it."""
    if record.kind == "close" and record.raw and (text := record.text) is not None:
        return record._replace(raw=redact_url(text).encode())
    return record
