# The lane by which most frames go from bytes to the book.

from cython cimport final
from libc.stdint cimport int64_t

from orderbook.compiled.content cimport ContentState
from orderbook.compiled.found cimport Scan
from orderbook.compiled.ladder cimport Ladder
from orderbook.compiled.scanner cimport Scanner
from orderbook.compiled.touch cimport GuardState


cdef class PulseState:
    cdef int64_t _heard_ns     # INT64_MIN: nothing yet
    cdef public bint in_doubt


cdef class Lane:
    cdef Scanner _scanner
    cdef Scan _scan
    cdef ContentState _content   # None: the lane is closed
    cdef GuardState _guard       # of the book, once the lane was opened
    cdef PulseState _pulse       # its own at that time
    cdef Py_ssize_t _frame_bytes_max
    cdef Py_ssize_t _levels_max
    cdef Py_ssize_t _fewest[2]   # levels of bids and asks up to their horizon; 0: none is needed
    cdef list _frames            # the last ones, as a ring once there are as many as it may hold
    cdef Py_ssize_t _frames_max
    cdef Py_ssize_t _newest      # behind it, and where the next one goes; 0 before that
    cdef int64_t _taken
    cdef int64_t _last_ns        # of the last one, 0 without a clock
    cdef int64_t _heard_ns       # of the last one with a time
    cdef int64_t _price_zeros
    cdef int64_t _absent
    cdef int _overflow
    cdef bint _is_observed
    cdef bint _is_lent           # frames are being taken without the GIL

    @final
    cdef object _told(self, int64_t received_ns)
    @final
    cdef bint _take_frame(self, object frame, int64_t received_ns, bint timed) except -1
    @final
    cdef bint _take(
        self, ContentState content, Ladder bids, Ladder asks, const char* text, Py_ssize_t length, int64_t received_ns,
        bint timed,
    ) except -1 nogil
    @final
    cdef ContentState _opened(self)
    @final
    cdef int _keep(self, object frame) except -1
    @final
    cdef bint _is_odd(self, ContentState content, Ladder bids, Ladder asks) noexcept nogil
