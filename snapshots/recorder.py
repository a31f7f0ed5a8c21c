"""Record live traffic without ever standing in its way.

``Recorder.record`` is called where frames arrive: it puts the record into a bounded queue and returns. One background
thread owns the ``CaptureWriter`` and everything that may wait for a disk. While the disk refuses, the queue fills; only
what no longer fits into it is lost.

A hole in a recording must not look like a quiet market. Where records are lost, every connection that was open is
closed in the recording (``4000 recorder gap: N records lost``) and those still open are opened again, before anything
else is written. A replay then takes its books out of LIVE at the hole, and is LIVE again after the next snapshot that
was recorded; a feed that wants this soon asks for snapshots when it hears ``RecorderResumed``.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

from orderbook.errors import UsageError
from snapshots.capture_writer import CaptureWriter
from snapshots.recorder_queue import RecorderQueue
from snapshots.records import Kind, Record
from snapshots.scribe import RecorderEvent, RecorderFailed, RecorderResumed, Scribe

__all__ = ["Recorder", "RecorderCounters", "RecorderEvent", "RecorderFailed", "RecorderResumed"]

CLOSE_TIMEOUT_S: Final = 5.0
"""How long closing waits for the disk."""

OnProblem = Callable[[RecorderEvent], None]
"""Gets each event, on the recorder's thread."""

_CLOSED: Final = "the recorder is closed; nothing more is recorded"

_logger = logging.getLogger(__name__)


class RecorderCounters(NamedTuple):
    """Numbers since the start. What was handed in is ``recorded + refused + lost + queue_size``."""

    recorded: int
    """Taken by the writer; with the operating system after the next flush."""
    lost: int
    refused: int
    """Kept out on purpose: token answers, and private frames that were not asked for."""
    gaps: int
    """Holes marked in the file."""
    problems: int
    """Failures told, each once."""
    written_bytes: int
    """Size of the blocks in the file."""
    queue_size: int
    queue_bytes: int


class Recorder:
    """A capture in the making, fed from an event loop.

    Args:
        target: A path, or a writer that nobody else uses from now on.
        queue_max: Records that may wait for the disk.
        queue_bytes_max: The same in bytes.
        flush_interval_s: So often the block in hand is written out, and a failed disk is tried again.
        wall_clock: Time of receipt in ns since 1970, for records without one.
        clock: Monotonic seconds, for the flush timer.
        on_problem: Called with each event on the recorder's thread (about a disk that hangs while closing: on the
            closer's); whatever it raises is logged. More such callbacks are added by ``listen``.
        append: Continue an existing capture.
        overwrite: Replace an existing file.
        private: Record frames of the account too.

    Raises:
        CaptureError: The file exists, or cannot be made or continued.
        UsageError: Arguments that contradict each other or are out of range.
    """

    def __init__(
        self,
        target: str | os.PathLike[str] | CaptureWriter,
        *,
        queue_max: int = 100_000,
        queue_bytes_max: int = 64 * 2**20,
        flush_interval_s: float = 1.0,
        wall_clock: Callable[[], int] = time.time_ns,
        clock: Callable[[], float] = time.monotonic,
        on_problem: OnProblem | None = None,
        append: bool = False,
        overwrite: bool = False,
        private: bool = False,
    ) -> None:
        if queue_max < 1 or queue_bytes_max < 1 or not 0 < flush_interval_s <= threading.TIMEOUT_MAX:
            raise UsageError("queue_max, queue_bytes_max and flush_interval_s are positive")
        continues = False
        if isinstance(target, CaptureWriter):
            if append or overwrite:
                raise UsageError("append and overwrite are for paths; the writer has its file already")
            writer = target
        else:
            with suppress(OSError, ValueError):  # the writer says what is wrong with it
                continues = append and Path(target).stat().st_size > 0
            writer = CaptureWriter(target, append=append, overwrite=overwrite)
        self._wall_clock = wall_clock
        self._clock = clock
        self._interval_s = flush_interval_s
        self._on_problem = on_problem
        self._listeners: dict[object, OnProblem] = {}
        self._listeners_lock = threading.Lock()
        self._is_left = False
        self._queue = RecorderQueue(queue_max, queue_bytes_max)
        self._scribe = Scribe(writer, self._queue, self._tell, wall_clock, private=private)
        if continues:
            # Whatever was open when the file ended is not what comes now.
            self._scribe.mark("recording continued")
        self._problems = 0
        self._is_hung = self._is_broken = False
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._run, name="orderbook-recorder", daemon=True)
        self._thread.start()

    @property
    def path(self) -> str:
        """The file, as text that is safe to print."""
        return self._scribe.path

    @property
    def counters(self) -> RecorderCounters:
        """Numbers since the start; any thread may ask."""
        scribe, queue = self._scribe, self._queue
        return RecorderCounters(
            recorded=scribe.recorded,
            lost=scribe.lost + queue.lost,
            refused=scribe.refused,
            gaps=scribe.gaps,
            problems=self._problems,
            written_bytes=scribe.written_bytes,
            queue_size=queue.size,
            queue_bytes=queue.bytes,
        )

    def record(self, kind: Kind, url: str | None, raw: bytes, status: int | None = None, ts: int | None = None) -> bool:
        """Hand over what was received. Never waits for the disk, and never raises for it.

        Args:
            kind: ``ws``, ``rest``, ``open`` or ``close``.
            url: Address; secrets in it are replaced before it is written.
            raw: Exactly what was received.
            status: HTTP status of a REST answer; 200 is not kept.
            ts: Time of receipt in ns since 1970; now by default.

        Returns:
            Whether it was taken. Otherwise it is lost, and the recording will say so.

        Raises:
            UsageError: ``raw`` is not bytes.

        Complexity: O(1).
        """
        if os.getpid() != self._pid:
            return False  # A forked child has neither the thread nor any business in this file.
        if not isinstance(raw, bytes):
            raise UsageError("raw is bytes, exactly as they were received")
        now_ns = self._wall_clock() if ts is None else ts
        return self._queue.put(Record(now_ns, kind, url, raw, None if status == 200 else status))

    def listen(self, callback: OnProblem) -> Callable[[], None]:
        """Tell somebody else too, as each feed wants that hands over its records; any thread may ask.

        Args:
            callback: As ``on_problem``, but it is also told, once, that the recorder was closed: a feed that goes on
                would else record nothing without a word. A feed passes it on with ``call_soon_threadsafe``.

        Returns:
            What ends it; may be called twice.
        """
        key = object()
        with self._listeners_lock:
            # Never changed, only replaced: another thread may be walking through it.
            self._listeners = {**self._listeners, key: callback}
            is_late = self._is_left or self._is_broken
        if is_late:
            self._call(callback, self._closed_event())

        def unlisten() -> None:
            with self._listeners_lock:
                self._listeners = {one: other for one, other in self._listeners.items() if one is not key}

        return unlisten

    def flush(self, timeout_s: float = CLOSE_TIMEOUT_S) -> bool:
        """Wait until all that was handed in before is with the operating system; blocks, so not for an event loop.

        Args:
            timeout_s: At most so long.

        Returns:
            Whether it is. The records stay queued if the disk refuses.
        """
        return os.getpid() == self._pid and self._queue.request_flush(timeout_s)

    def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> bool:
        """Write what was handed in, close the file and end the thread. May be called twice.

        Blocks for at most ``timeout_s`` seconds: a disk that hangs is told as ``RecorderFailed`` and left alone.
        An event loop awaits ``aclose``.

        Returns:
            Whether everything that was ever taken is in the file, or was kept out on purpose.
        """
        if os.getpid() != self._pid:
            return False
        self._leave()
        self._thread.join(timeout_s)
        return self._verdict(timeout_s)

    async def aclose(self, timeout_s: float = CLOSE_TIMEOUT_S) -> bool:
        """The same as ``close`` for an event loop, which is not blocked meanwhile."""
        if os.getpid() != self._pid:
            return False
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()

        def tell() -> None:
            with suppress(RuntimeError):  # the loop was closed before the disk answered
                loop.call_soon_threadsafe(ended.set)

        self._queue.when_ended(tell)
        self._leave()
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await ended.wait()
                self._thread.join()  # it has nothing left to do
        return self._verdict(timeout_s)

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def _leave(self) -> None:
        """Take no more, and tell those who still hand records over."""
        self._queue.close()
        with self._listeners_lock:
            listeners = () if self._is_left else tuple(self._listeners.values())
            self._is_left = True
        for listener in listeners:
            self._call(listener, self._closed_event())

    def _closed_event(self) -> RecorderEvent:
        return RecorderFailed(self.path, _CLOSED, "close the feeds first, then their recorder")

    def _verdict(self, timeout_s: float) -> bool:
        if self._thread.is_alive():
            if not self._is_hung:
                self._is_hung = True
                missing = self._queue.size + self._scribe.unflushed
                problem = f"the disk has not answered for {timeout_s:g} s; up to {missing} records are missing"
                self._tell(RecorderFailed(self.path, problem, "check the disk and the file"))
            return False
        return not (self._is_broken or self.counters.lost)

    def _tell(self, event: RecorderEvent) -> None:
        if isinstance(event, RecorderFailed):
            self._problems += 1
            _logger.warning("recording to %s: %s; %s", event.path, event.problem, event.remedy)
        else:
            _logger.info("recording to %s goes on; %d records are lost", event.path, event.lost)
        for one in (self._on_problem, *self._listeners.values()):
            if one is not None:
                self._call(one, event)

    def _call(self, listener: OnProblem, event: RecorderEvent) -> None:
        try:
            listener(event)
        except BaseException as error:
            # On the recorder's thread ``sys.exit`` would end nothing but the recording.
            if not isinstance(error, Exception) and threading.current_thread() is not self._thread:
                raise
            _logger.exception("on_problem raised; the recording goes on")

    # -- on the recorder's thread --

    def _run(self) -> None:
        try:
            try:
                self._turns()
            finally:
                self._scribe.end()
        except Exception as error:
            # A bug of ours; it must not pass as a thread that is silently gone.
            _logger.exception("the recorder stopped")
            self._is_broken = True
            problem = f"the recorder stopped: {type(error).__name__}"
            self._tell(RecorderFailed(self.path, problem, "please report this, with the log"))
        finally:
            self._queue.end()

    def _turns(self) -> None:
        queue, scribe = self._queue, self._scribe
        due = self._clock() + self._interval_s
        while not queue.closed:
            # Records do not wake a writer whose disk refuses: the timer tries it again.
            queue.wait(due - self._clock(), eager=not scribe.is_failing)
            ticket = queue.ticket
            is_due = self._clock() >= due
            is_clean = scribe.write(flush=is_due or ticket is not None)
            if is_due:
                due = self._clock() + self._interval_s
            if ticket is not None:
                queue.flushed(ticket, is_clean=is_clean)
