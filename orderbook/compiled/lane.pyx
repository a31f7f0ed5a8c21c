# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The lane by which most frames go from bytes to the book, in one native call.

It is open while a book is LIVE and nothing special is under way. Then a frame that is plain, of this symbol, and
continues the book is applied here; every other one goes the way of the machine, which decides everything. What the lane
counted and heard is kept until the machine is next at work, and handed over first (``_land``).
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_GET_SIZE
from cpython.long cimport PyLong_AsLongLongAndOverflow, PyLong_CheckExact
from cpython.unicode cimport PyUnicode_CheckExact
from cython cimport final
from libc.stdint cimport INT64_MIN, int64_t

from orderbook.compiled.blocks cimport fetch
from orderbook.compiled.content cimport ContentState
from orderbook.compiled.found cimport Row, Scan, begin, finish, relax
from orderbook.compiled.ladder cimport Ladder
from orderbook.compiled.scanner cimport Scanner
from orderbook.compiled.touch cimport GuardState, ReaderState

from orderbook.errors import UsageError
from orderbook.fixedpoint import as_time

cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL
    bint PyUnicode_IS_ASCII(object text)

cdef tuple NOTHING = ()


cdef class PulseState:
    """When something was last heard on a link; see ``guard.Pulse``."""

    def __init__(self):
        self._heard_ns = INT64_MIN
        self.in_doubt = False

    @property
    def heard_ns(self):
        return None if self._heard_ns == INT64_MIN else self._heard_ns

    @heard_ns.setter
    def heard_ns(self, value):
        self._heard_ns = INT64_MIN if value is None else as_time(value)


cdef class Lane:
    """What ``BookSync`` is made of where it is fast; ``_receive`` is the way of the machine."""

    def __cinit__(self, *args, **options):
        begin(&self._scan)
        self._content = None

    def __dealloc__(self):
        finish(&self._scan)

    def __sizeof__(self):
        """Bytes of memory: of the object, and of the rows that frames are read into."""
        return object.__sizeof__(self) + (self._scan.sides[0].capacity + self._scan.sides[1].capacity) * sizeof(Row)

    def _lay(self, layout, symbol, settings, *, bint is_observed):
        """See ``PureLane._lay``."""
        self._content = None
        self._is_observed = is_observed
        self._scanner = None if layout is None else Scanner(layout, symbol)
        self._frame_bytes_max = settings.frame_bytes_max
        self._levels_max = settings.levels_max
        self._frames = []
        self._frames_max = settings.reset_window + 1
        self._newest = 0

    def _open(self, ReaderState book not None, fewest):
        """See ``PureLane._open``."""
        if self._scanner is None:
            return
        self._fewest[0], self._fewest[1] = fewest
        self._guard = book._guard
        self._pulse = <PulseState?> self._guard.pulse
        self._content = self._guard.content

    def _close(self):
        """No frame is taken before it is opened again. Raises ``UsageError`` while another thread replays frames."""
        if self._is_lent:
            raise UsageError("another thread is replaying frames into this book, which belongs to one thread")
        self._content = None

    def _hand_over(self):
        """What was taken since the last time; ``None``: nothing.

        Returns:
            How many frames, when the last one came (0: without a time), when the last one with a time came, rows of
            price 0, removals of what was not there, and the last frames.
        """
        if self._is_lent or self._taken == 0:
            return None
        frames = self._frames[self._newest:] + self._frames[:self._newest]
        if self._taken < len(frames):
            del frames[:len(frames) - self._taken]
            # Older ones were handed over before. Nothing is forgotten here: a book that lives keeps its last ones.
        frames = tuple([frame for frame in frames if frame is not None])
        found = (self._taken, self._last_ns, self._heard_ns, self._price_zeros, self._absent, frames)
        self._taken = self._heard_ns = self._price_zeros = self._absent = 0
        return found

    def receive(self, frame, received_ns=0):
        if self._content is not None and PyLong_CheckExact(received_ns):
            now_ns = PyLong_AsLongLongAndOverflow(received_ns, &self._overflow)
            if self._overflow == 0 and now_ns != INT64_MIN and self._take_frame(frame, now_ns, False):
                return self._told(now_ns)
        return self._receive(frame, received_ns)

    def offer(self, frame, received_ns):
        if self._content is not None and PyLong_CheckExact(received_ns):
            now_ns = PyLong_AsLongLongAndOverflow(received_ns, &self._overflow)
            if self._overflow == 0 and now_ns != INT64_MIN and self._take_frame(frame, now_ns, True):
                return self._told(now_ns)
        return None

    @final
    cdef object _told(self, int64_t received_ns):
        """What there is to tell after a frame was taken."""
        cdef ContentState content = self._content
        if content is not None and self._is_odd(content, content.bids, content.asks):
            return self._receive_odd(received_ns)
        return NOTHING

    @final
    cdef bint _take_frame(self, object frame, int64_t received_ns, bint timed) except -1:
        """Apply a frame if it is plain and continues the book; whether it was, else nothing has changed."""
        cdef ContentState content = self._opened()
        cdef const char* text
        cdef Py_ssize_t length = 0
        if content is None:
            return False
        if PyBytes_CheckExact(frame):
            text = PyBytes_AS_STRING(frame)
            length = PyBytes_GET_SIZE(frame)
            # The compiler does not know that all of it will be read.
            fetch(text + 64)
            fetch(text + 128)
            fetch(text + 192)
        elif PyUnicode_CheckExact(frame):
            if not PyUnicode_IS_ASCII(frame):
                return False
            text = PyUnicode_AsUTF8AndSize(frame, &length)
        elif isinstance(frame, (bytearray, memoryview)):
            # Kept for a while, so it must not change; and behind it there is a zero, which the scanner stops at.
            try:
                if memoryview(frame).nbytes > self._frame_bytes_max:
                    return False
                frame = bytes(frame)
            except (ValueError, BufferError):
                return False
            text = PyBytes_AS_STRING(frame)
            length = PyBytes_GET_SIZE(frame)
        else:
            return False
        if not self._take(content, content.bids, content.asks, text, length, received_ns, timed):
            return False
        self._keep(frame)
        if self._is_observed:
            self._observe(frame)
        return True

    @final
    cdef ContentState _opened(self):
        """The content that frames may continue; ``None`` if the lane is closed, as it is once the pulse is another."""
        if self._content is not None and self._guard.pulse is not self._pulse:
            self._content = None
        return self._content

    @final
    cdef int _keep(self, object frame) except -1:
        """Remember a frame that was taken; once there are enough of them, in the place of the oldest one."""
        if len(self._frames) < self._frames_max:
            self._frames.append(frame)
            return 0
        self._frames[self._newest] = frame
        self._newest = self._newest + 1 if self._newest + 1 < self._frames_max else 0
        return 0

    @final
    cdef bint _take(
        self, ContentState content, Ladder bids, Ladder asks, const char* text, Py_ssize_t length, int64_t received_ns,
        bint timed,
    ) except -1 nogil:
        """The same of its text. The content is the one that is open, with its ladders: so nothing here needs the GIL."""
        cdef Scan* scan = &self._scan
        cdef int64_t zeros = content.price_zero_count
        cdef int64_t absent = content.remove_absent_count
        relax(scan)
        if length > self._frame_bytes_max or self._pulse.in_doubt or not self._scanner.scan(text, length, scan):
            return False
        if timed and scan.time < 0:
            return False
        if scan.start != content.sequence + 1 or scan.start > scan.end:
            # In one with numbers that were heard before there is more to look at.
            return False
        if not content.take(bids, asks, scan):
            return False
        self._taken += 1
        # Both are rare. Without the questions a compiler reads both counts at once, and that waits for their writing.
        if content.price_zero_count != zeros:
            self._price_zeros += content.price_zero_count - zeros
        if content.remove_absent_count != absent:
            self._absent += content.remove_absent_count - absent
        self._last_ns = received_ns
        if received_ns:
            self._heard_ns = self._pulse._heard_ns = received_ns
        return True

    @final
    cdef bint _is_odd(self, ContentState content, Ladder bids, Ladder asks) noexcept nogil:
        """Whether the machine has to look at the book: it is crossed or too large, or few of its levels are sure."""
        if content.crossed:
            return True
        if bids._length > self._levels_max or asks._length > self._levels_max:
            return True
        if self._fewest[0] and bids.better(content.horizon.prices[0]) < self._fewest[0]:
            return True
        return self._fewest[1] != 0 and asks.better(content.horizon.prices[1]) < self._fewest[1]
