# What a book holds, as compiled modules see it.

from cython cimport final
from libc.stdint cimport int64_t

from orderbook.compiled.found cimport Rows, Scan
from orderbook.compiled.ladder cimport Ladder


cdef class Horizons:
    cdef int64_t prices[2]    # of bids and asks; 0: none


cdef class ContentState:
    # Never None: compiled code looks at them without asking.
    cdef readonly Ladder bids
    cdef readonly Ladder asks
    cdef readonly Horizons horizon
    cdef public int price_decimals
    cdef public int size_decimals
    cdef public int64_t sequence
    cdef public int64_t touch_count
    cdef public int64_t price_zero_count
    cdef public int64_t remove_absent_count
    cdef public dict seeded
    cdef int64_t _venue_ms    # -1: none
    cdef object __weakref__
    cdef bint crossed         # after the last frame that was taken

    cdef bint take(self, Ladder bids, Ladder asks, Scan* scan) except -1 nogil
    @final
    cdef bint _prepare(self, Ladder ladder, Scan* scan, int side, int64_t* zeros) noexcept nogil
    @final
    cdef void _put(self, Ladder ladder, Rows* rows) noexcept nogil
    cdef bint fill(self, Scan* scan) except -1
    @final
    cdef bint _fill_side(self, Ladder ladder, Rows* rows) except -1
