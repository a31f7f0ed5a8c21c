# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Many frames from bytes to the book without the GIL, and what the book answers after each of them, into arrays.

Twin of ``sync.batch.PureBatch``. While frames are being taken the levels are not in the ladders that others know of: a
thread that asks a book which is not its own may find it empty (and it is marked as not LIVE), never half-changed memory.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_CheckExact
from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memchr, memcpy

from orderbook.compiled.content cimport ContentState
from orderbook.compiled.ladder cimport Ladder
from orderbook.compiled.lane cimport Lane
from orderbook.compiled.measures cimport POWERS_MAX
from orderbook.compiled.sheet cimport Sheet
from orderbook.compiled.touch cimport GuardState, ReaderState

from orderbook.types import BookState, Side
from orderbook.venues.wire import frame_size

cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL
    bint PyUnicode_IS_ASCII(object text)

cdef enum:
    STRETCH = 1 << 16    # frames that are taken in one go: then signals are looked at

cdef tuple LENT = (BookState.SYNCING, "another thread is replaying frames", 0)

ctypedef struct Text:
    const char* first    # NULL: not for here to take
    Py_ssize_t length


cdef class Batch:
    """The frames of one replay, see the pure twin."""

    cdef object _source           # the tuple or the buffer in which the frames are
    cdef const unsigned char[::1] _buffer
    cdef Text* _texts
    cdef Py_ssize_t _count
    cdef Py_ssize_t _capacity
    cdef bint _is_buffer
    cdef char* _copy              # of a line, with a zero behind it
    cdef Py_ssize_t _copy_capacity
    cdef Py_ssize_t _frame_bytes_max
    cdef object _tape
    cdef Sheet _sheet
    cdef Ladder _bids             # where the levels are meanwhile
    cdef Ladder _asks

    def __init__(self, source, tape, Py_ssize_t frame_bytes_max):
        self._tape = tape
        self._frame_bytes_max = frame_bytes_max
        self._bids, self._asks = Ladder(Side.BID), Ladder(Side.ASK)
        self._is_buffer = not isinstance(source, tuple)
        if self._is_buffer:
            self._find_lines(source)
        else:
            self._find_texts(source)

    def __dealloc__(self):
        free(self._texts)
        free(self._copy)

    def __len__(self):
        return self._count

    def frame(self, Py_ssize_t row):
        if not 0 <= row < self._count:
            raise IndexError("no such frame")
        return self._frame(row)

    cdef object _frame(self, Py_ssize_t row):
        if self._is_buffer:
            return PyBytes_FromStringAndSize(self._texts[row].first, self._texts[row].length)
        return self._source[row]

    cdef int _room(self, Py_ssize_t capacity) except -1 nogil:
        cdef void* grown = realloc(self._texts, max(capacity, 1) * sizeof(Text))
        if grown == NULL:
            with gil:
                raise MemoryError("no memory for so many frames")
        self._texts = <Text*> grown
        self._capacity = capacity
        return 0

    cdef int _find_lines(self, buffer) except -1:
        cdef const char* at
        cdef const char* end
        cdef const char* stop
        self._buffer = self._source = buffer
        if self._buffer.shape[0] == 0:
            return 0
        at = <const char*> &self._buffer[0]
        end = at + self._buffer.shape[0]
        with nogil:
            while at < end:
                stop = <const char*> memchr(at, c'\n', end - at)
                if stop == NULL:
                    stop = end
                if stop > at and not (stop - at == 1 and at[0] == c'\r'):
                    if self._count == self._capacity:
                        self._room(2 * self._capacity + 1024)
                    self._texts[self._count].first = at
                    self._texts[self._count].length = stop - at
                    self._count += 1
                at = stop + 1
        return 0

    cdef int _find_texts(self, tuple frames) except -1:
        cdef list copies
        cdef object frame
        cdef Text* text
        self._source = frames
        self._room(len(frames))
        for frame in frames:
            text = &self._texts[self._count]
            text.first = NULL
            text.length = 0
            if PyBytes_CheckExact(frame):
                text.first = PyBytes_AS_STRING(frame)
                text.length = PyBytes_GET_SIZE(frame)
            elif PyUnicode_CheckExact(frame):
                if PyUnicode_IS_ASCII(frame):
                    text.first = PyUnicode_AsUTF8AndSize(frame, &text.length)
            else:
                if frame_size(frame) <= self._frame_bytes_max and not isinstance(frame, str):
                    # It may change, and there need not be a zero behind it, which the scanner stops at.
                    if self._source is frames:
                        copies = self._source = list(frames)
                    copies[self._count] = frame = bytes(frame)
                    text.first = PyBytes_AS_STRING(frame)
                    text.length = PyBytes_GET_SIZE(frame)
            self._count += 1
        return 0

    def take(self, Lane lane not None, Py_ssize_t row, const int64_t[::1] times):
        cdef ContentState content = lane._opened()
        cdef GuardState guard
        cdef Ladder bids, asks
        cdef const int64_t* received_ns = NULL
        cdef Py_ssize_t first = row
        cdef Py_ssize_t end = min(self._count, row + STRETCH)
        cdef bint is_odd = False
        if row >= end or content is None or content.price_decimals + content.size_decimals > POWERS_MAX:
            return row
        if self._sheet is None:
            self._sheet = Sheet(self._tape)
        if times is not None and self._count:
            received_ns = &times[0]
        bids, asks = content.bids, content.asks
        guard = (<ReaderState?> (<object> lane).book)._guard
        marked, is_plain = guard._marked, guard.is_plain
        # From here to where all is as it was no Python code runs, in which a signal could be looked at, and raise.
        guard._marked, guard.is_plain = LENT, False
        lane._is_lent = True
        lane._content = None
        self._bids.trade(bids)
        self._asks.trade(asks)
        try:
            with nogil:
                self._take_all(lane, content, self._bids, self._asks, self._sheet, received_ns, &row, end, &is_odd)
        finally:
            self._bids.trade(bids)
            self._asks.trade(asks)
            lane._content = content
            lane._is_lent = False
            guard._marked, guard.is_plain = marked, is_plain
            self._remember(lane, first, row + is_odd)
        if is_odd:
            self._tape.note(row, lane._receive_odd(0 if received_ns == NULL else received_ns[row]))
            row += 1
        return row

    cdef int _remember(self, Lane lane, Py_ssize_t first, Py_ssize_t end) except -1:
        """Let the lane have the last ones of what was taken; for a frame that there is no memory for a ``None``."""
        cdef Py_ssize_t row
        for row in range(max(first, end - lane._frames_max), end):
            try:
                lane._keep(self._frame(row))
            except MemoryError:
                lane._keep(None)
        return 0

    cdef int _take_all(
        self, Lane lane, ContentState content, Ladder bids, Ladder asks, Sheet sheet, const int64_t* times,
        Py_ssize_t* row, Py_ssize_t end, bint* is_odd,
    ) except -1 nogil:
        """Go on until a frame was not taken, or has consequences; ``row`` is where it stands."""
        cdef Text* text
        cdef const char* first
        while row[0] < end:
            text = &self._texts[row[0]]
            first = text.first
            if first == NULL or text.length > lane._frame_bytes_max:
                return 0
            if self._is_buffer:
                first = self._copied(text)
            if not lane._take(content, bids, asks, first, text.length, 0 if times == NULL else times[row[0]], False):
                return 0
            if lane._is_odd(content, bids, asks):
                is_odd[0] = True
                return 0
            row[0] += 1
            sheet.write(row[0] - 1, content, bids, asks)
        return 0

    cdef const char* _copied(self, Text* text) except NULL nogil:
        """A line with a zero behind it, as the scanner needs it: white space would lead it into the next line."""
        cdef void* grown
        if text.length >= self._copy_capacity:
            grown = realloc(self._copy, 2 * text.length + 1024)
            if grown == NULL:
                with gil:
                    raise MemoryError("no memory for a frame")
            self._copy = <char*> grown
            self._copy_capacity = 2 * text.length + 1024
        memcpy(self._copy, text.first, text.length)
        self._copy[text.length] = 0
        return self._copy
